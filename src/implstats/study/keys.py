"""Scoring keys: which columns make a scale of the study, and by which rule.

A scale is keyed either in the study file itself (``items`` or ``subscales``) or by an instrument file, a
list of item *numbers* that becomes column names through ``prefix`` and ``item_format``. Both end in the same
frozen :class:`ScaleKey`, so that scoring, reliability and factor models never ask where a key came from.

What the study file says goes before what the instrument says, except for reverse keying: two lists of
reversed items that disagree are a silent error of every score, so the instrument's list stands alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from implstats.errors import StudyFileError, did_you_mean
from implstats.study.models import Instrument, Scale, Study

Score = Literal["mean", "sum", "mean_of_subscales"]
SubscaleScore = Literal["mean", "sum"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleKey:
    """How one scale is scored; everything is resolved, nothing is left to look up.

    Attributes
    ----------
    name, label, table : str
        Name in the study file, label for people (the name when none is given), table with the item columns.
    subscales : tuple of (str, tuple of str)
        Name and item columns of each subscale; empty for a scale without subscales.
    items : tuple of str
        All item columns of the total, in the key's order.
    reverse : frozenset of str
        Items turned round (minimum + maximum - answer) for subscales and total alike.
    reverse_total : frozenset of str
        Items turned round for the total only; a subscale keeps them in their own direction.
    minimum, maximum : float
        Lowest and highest possible answer, in answer points.
    score : {"mean", "sum", "mean_of_subscales"}
        Rule of the total.
    subscale_score : {"mean", "sum"}
        Rule of a subscale.
    min_valid : int
        Fewest answered items for a total.
    min_valid_subscale : int or None
        Fewest answered items for a subscale; ``None`` means half of that subscale's items, rounded up.
    verified : bool
        False when nobody has checked the key against its source.
    citation : str
        Source of the key; empty for a key that stands in the study file.
    aggregate : tuple of str
        Cluster levels for which agreement is reported.
    instrument : str
        Name of the instrument file, or empty.
    """

    name: str
    label: str
    table: str
    subscales: tuple[tuple[str, tuple[str, ...]], ...]
    items: tuple[str, ...]
    reverse: frozenset[str]
    reverse_total: frozenset[str]
    minimum: float
    maximum: float
    score: Score
    subscale_score: SubscaleScore
    min_valid: int
    min_valid_subscale: int | None
    verified: bool
    citation: str
    aggregate: tuple[str, ...]
    instrument: str


def half_rounded_up(n_items: int) -> int:
    """Return the usual fewest answered items: half of the items, rounded up.

    >>> [half_rounded_up(n) for n in (1, 3, 4)]
    [1, 2, 2]
    """
    return (n_items + 1) // 2


def subscale_column(scale: str, subscale: str) -> str:
    """Return the name of a subscale's score column.

    >>> subscale_column("climate", "focus")
    'climate.focus'
    """
    return f"{scale}.{subscale}"


def resolve_scale(study: Study, name: str, instruments: Mapping[str, Instrument]) -> ScaleKey:
    """Return the scoring key of one scale of the study.

    Parameters
    ----------
    study : Study
    name : str
        A scale's name in the study file.
    instruments : mapping of str to Instrument
        From :func:`load_instruments`.

    Raises
    ------
    StudyFileError
        With every problem of this scale's key.
    """
    problems: list[str] = []
    if name not in study.scales:
        problems.append(f"scales: there is no scale '{name}'{did_you_mean(name, study.scales)}")
    else:
        key = _resolve(study, name, instruments, problems)
        if key is not None and not problems:
            return key
    raise StudyFileError(f"the study file of '{study.study.name}'", problems)


def resolve_scales(study: Study, instruments: Mapping[str, Instrument]) -> dict[str, ScaleKey]:
    """Return the scoring key of every scale of the study, in the study file's order.

    Raises
    ------
    StudyFileError
        With every problem of every key.
    """
    problems: list[str] = []
    keys = {name: _resolve(study, name, instruments, problems) for name in study.scales}
    if problems:
        raise StudyFileError(f"the study file of '{study.study.name}'", problems)
    return {name: key for name, key in keys.items() if key is not None}


def load_instruments(folder: Path) -> dict[str, Instrument]:
    """Return the instruments of a folder of ``*.yaml`` files, by name; an absent folder has none.

    Raises
    ------
    StudyFileError
        With every problem of every file.
    """
    problems: list[str] = []
    found: dict[str, Instrument] = {}
    for path in sorted(folder.glob("*.yaml")):
        instrument = _read_instrument(path, problems)
        if instrument is not None:
            found[instrument.name] = instrument
    if problems:
        raise StudyFileError(f"the instrument folder {folder.name}", problems)
    return found


def _read_instrument(path: Path, problems: list[str]) -> Instrument | None:
    from pydantic import ValidationError

    from implstats.study.problems import problems_of
    from implstats.study.yaml_file import read_yaml

    try:
        raw = read_yaml(path)
        instrument = Instrument.model_validate(raw)
    except StudyFileError as error:
        problems.extend(f"{path.name}: {problem}" for problem in error.problems)
        return None
    except ValidationError as error:
        problems.extend(f"{path.name}: {problem}" for problem in problems_of(error, raw))
        return None
    if instrument.name != path.stem:
        problems.append(f"{path.name}: name is '{instrument.name}' but the file is called '{path.stem}'")
    return instrument


def _resolve(
    study: Study, name: str, instruments: Mapping[str, Instrument], problems: list[str]
) -> ScaleKey | None:
    scale = study.scales[name]
    place = f"scales.{name}"
    table = study.tables.get(study.table_of(scale))
    if table is None:
        hint = did_you_mean(study.table_of(scale), study.tables)
        problems.append(f"{place}.table: there is no table '{study.table_of(scale)}'{hint}")
        return None
    levels = tuple(scale.aggregate) or tuple(cluster.name for cluster in table.clusters)
    found: list[str] = []
    if scale.instrument is None:
        key = _from_study_file(study, name, scale, levels, found)
    else:
        key = _from_instrument(study, name, scale, levels, instruments, found)
    if key is not None:
        found.extend(_problems_of_key(key))
    problems.extend(f"{place}.{problem}" for problem in found)
    return None if found else key


def _from_study_file(
    study: Study, name: str, scale: Scale, levels: tuple[str, ...], problems: list[str]
) -> ScaleKey | None:
    subscales = tuple((sub, tuple(items)) for sub, items in scale.subscales.items())
    items = tuple(scale.items) or tuple(item for _, columns in subscales for item in columns)
    score: Score = scale.score or "mean"
    for item in scale.reverse:
        if item not in items:
            problems.append(f"reverse: '{item}' is not an item of this scale{did_you_mean(item, items)}")
    if scale.minimum is None or scale.maximum is None:
        problems.append("minimum: give 'minimum' and 'maximum', the range of an answer")
        return None
    return ScaleKey(
        name=name, label=scale.label or name, table=study.table_of(scale), subscales=subscales, items=items,
        reverse=frozenset(scale.reverse), reverse_total=frozenset(), minimum=scale.minimum,
        maximum=scale.maximum, score=score, subscale_score="sum" if score == "sum" else "mean",
        min_valid=scale.min_valid or half_rounded_up(len(items)), min_valid_subscale=None,
        verified=scale.verified, citation="", aggregate=levels, instrument="",
    )  # fmt: skip


def _from_instrument(
    study: Study,
    name: str,
    scale: Scale,
    levels: tuple[str, ...],
    instruments: Mapping[str, Instrument],
    problems: list[str],
) -> ScaleKey | None:
    instrument = instruments.get(scale.instrument or "")
    if instrument is None:
        hint = did_you_mean(scale.instrument or "", instruments)
        problems.append(f"instrument: there is no config/instruments/{scale.instrument}.yaml{hint}")
        return None
    if scale.reverse:
        problems.append(f"reverse: the instrument '{instrument.name}' already says which items are reversed; "
                        "leave 'reverse' out, or list 'items' instead of the instrument")  # fmt: skip
    if scale.subscale is not None and scale.subscale not in instrument.subscales:
        hint = did_you_mean(scale.subscale, instrument.subscales)
        problems.append(f"subscale: '{instrument.name}' has no subscale '{scale.subscale}'{hint}")
        return None
    columns = _item_columns(scale, instrument, problems)
    if columns is None:
        return None
    explicit = "verified" in scale.model_fields_set
    whole = scale.subscale is None
    numbers = _numbers_of_total(instrument) if whole else instrument.subscales[scale.subscale or ""]
    subscales = instrument.subscales.items() if whole else ()
    used = frozenset(numbers)
    rule: SubscaleScore = instrument.subscale_score or ("sum" if instrument.score == "sum" else "mean")
    fewest = instrument.min_valid if whole else min(instrument.min_valid_subscale or 0, len(used))
    return ScaleKey(
        name=name, label=scale.label or name, table=study.table_of(scale),
        subscales=tuple((sub, tuple(columns[n] for n in listed)) for sub, listed in subscales),
        items=tuple(columns[n] for n in numbers),
        reverse=frozenset(columns[n] for n in instrument.reverse if n in used),
        reverse_total=frozenset(columns[n] for n in instrument.reverse_total if whole and n in used),
        minimum=instrument.minimum if scale.minimum is None else scale.minimum,
        maximum=instrument.maximum if scale.maximum is None else scale.maximum,
        score=scale.score or (instrument.score if whole else rule), subscale_score=rule,
        min_valid=scale.min_valid or fewest or half_rounded_up(len(used)),
        min_valid_subscale=instrument.min_valid_subscale,
        verified=scale.verified if explicit else instrument.verified,
        citation=instrument.citation, aggregate=levels, instrument=instrument.name,
    )  # fmt: skip


def _numbers_of_total(instrument: Instrument) -> list[int]:
    """Return the item numbers of the total: those in subscales if there are any, else all."""
    listed = sorted(n for numbers in instrument.subscales.values() for n in numbers)
    return listed or list(range(1, instrument.n_items + 1))


def _item_columns(scale: Scale, instrument: Instrument, problems: list[str]) -> dict[int, str] | None:
    try:
        numbers = range(1, instrument.n_items + 1)
        columns = {n: f"{scale.prefix}{scale.item_format.format(n=n)}" for n in numbers}
    except (KeyError, IndexError, ValueError, AttributeError):
        problems.append(
            f"item_format: '{scale.item_format}' is not a format of n; use '{{n}}' or '{{n:02d}}'"
        )
        return None
    if len(set(columns.values())) < len(columns):
        problems.append(f"item_format: '{scale.item_format}' gives several items one name; use '{{n}}'")
        return None
    return columns


def _problems_of_key(key: ScaleKey) -> list[str]:
    """Return what would make a score wrong or impossible, whatever the key's source."""
    problems = [f"items: '{item}' is listed {n} times" for item, n in _repeated(key.items)]
    if key.minimum >= key.maximum:
        problems.append(f"minimum: {key.minimum:g} should be below 'maximum' ({key.maximum:g})")
    if key.min_valid > len(key.items):
        problems.append(f"min_valid: {key.min_valid} is more than the scale's {len(key.items)} items")
    if key.score == "mean_of_subscales":
        left_out = set(key.items) - {item for _, items in key.subscales for item in items}
        if not key.subscales or left_out:
            problems.append("score: 'mean_of_subscales' needs every item in a subscale; use 'mean' instead")
    for sub, items in key.subscales:
        if not items:
            problems.append(f"subscales.{sub}: has no items")
    return problems


def _repeated(items: Sequence[str]) -> list[tuple[str, int]]:
    return [(item, n) for item, n in Counter(items).items() if n > 1]
