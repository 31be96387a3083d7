"""How the questions about structure become models in lavaan's language.

A CFA question: one factor a scale (or a subscale, where the key has them), factors correlated. Items that
the key reverses are turned round first, so that every loading is expected to be positive.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from implstats.errors import DataError
from implstats.questions.base import Entry, Scored, require_columns, wave_labels
from implstats.questions.tasks import SemTask
from implstats.study.models import Cfa, PathModel, Question, SemQuestion

if TYPE_CHECKING:
    import pandas as pd

    from implstats.study.keys import ScaleKey


LEVELS = re.compile(r"^\s*level\s*:", re.IGNORECASE | re.MULTILINE)
# What a model of two levels has no choice of; asked for all the same, it is refused by name.
NOT_WITH_LEVELS = ("auxiliary", "bootstrap", "ordered", "test")


def sem_tasks(question: SemQuestion, scored: Scored) -> list[SemTask]:
    """Return the models that answer a question about structure: several when scales are taken apart."""
    if isinstance(question, Cfa):
        groups = [[name] for name in question.scales] if question.separate else [question.scales]
        return [_cfa_task(question, scored, names) for names in groups]
    if isinstance(question, PathModel):
        rows = _rows_of(question, scored)
        return [_task(question, scored, rows, question.model, question.kind, question.name, question.ordered)]
    raise AssertionError(type(question).__name__)  # pragma: no cover - the union holds no other kind


def cfa_model(keys: Sequence[ScaleKey]) -> str:
    """Return a CFA in lavaan's language: a factor for each subscale, or for each scale without subscales."""
    return "\n".join(line for key in keys for line in _factor_lines(key))


def _factor_lines(key: ScaleKey) -> list[str]:
    if len(key.subscales) < 2:
        return [f"{key.name} =~ " + " + ".join(key.items)]
    return [f"{key.name}_{name} =~ " + " + ".join(items) for name, items in key.subscales]


def reversed_items(frame: pd.DataFrame, keys: Sequence[ScaleKey]) -> pd.DataFrame:
    """Return the scales' items with reverse-keyed ones turned round (minimum + maximum - answer)."""
    out = frame[[item for key in keys for item in key.items]].copy()
    for key in keys:
        for item in key.items:
            if item in key.reverse:
                out[item] = key.minimum + key.maximum - out[item]
    return out


def _cfa_task(question: Cfa, scored: Scored, names: Sequence[str]) -> SemTask:
    keys = [scored.keys[name] for name in names]
    rows = _rows_of(question, scored)
    require_columns(rows, [item for key in keys for item in key.items], question=question.name)
    analysis = f"{question.name}:{names[0]}" if question.separate else question.name
    require_columns(rows, question.auxiliary, question=question.name)
    items = reversed_items(rows, keys)
    ordered = list(items.columns) if question.ordered else []
    for name in [*question.auxiliary, *([question.cluster] if question.cluster else [])]:
        items[name] = rows[name]
    model = cfa_model(keys)
    if question.levels:
        model = two_levels(model)
    task = _task(question, scored, items, model, "cfa", analysis, ordered)
    return replace(task, entries=_between_labels(scored, keys)) if question.levels else task


def _between_labels(scored: Scored, keys: Sequence[ScaleKey]) -> tuple[Entry, ...]:
    """What the factors between clusters are called: as the scale, and that it is between."""
    factors = {line.partition(" =~ ")[0]: key.name for key in keys for line in _factor_lines(key)}
    return tuple(
        Entry(kind="variable", name=f"{factor}_between", label=f"{_label(scored, factor, scale)} (between)")
        for factor, scale in factors.items()
    )


def _label(scored: Scored, factor: str, scale: str) -> str:
    return (scored.study.scales[scale].label or factor) if factor == scale else factor


def two_levels(model: str) -> str:
    """Return a model with the same factors within and between clusters; those between end in ``_between``.

    >>> print(two_levels("f =~ a + b"))
    level: 1
    f =~ a + b
    level: 2
    f_between =~ a + b
    """
    between = "\n".join(line.replace(" =~ ", "_between =~ ", 1) for line in model.splitlines())
    return f"level: 1\n{model}\nlevel: 2\n{between}"


def _task(
    question: SemQuestion, scored: Scored, frame: pd.DataFrame, model: str, kind: str, analysis: str,
    ordered: Sequence[str],
) -> SemTask:  # fmt: skip
    levels = LEVELS.search(model) is not None
    return SemTask(
        analysis=analysis,
        model=model,
        frame=frame,
        options=_level_options(question, kind) if levels else _options(question, kind, ordered),
        levels=levels,
        bootstrap=None if levels else _bootstrap(question, scored, frame),
        nested_in="" if question.cluster else nesting(question, scored, _rows_of(question, scored)),
    )


def _options(question: SemQuestion, kind: str, ordered: Sequence[str]) -> dict[str, Any]:
    """What :func:`implstats.sem.fit` is asked."""
    return {
        "kind": kind,
        "estimator": question.estimator or ("WLSMV" if ordered else "ML"),
        "ordered": list(ordered),
        "cluster": question.cluster,
        "missing": question.missing,
        "auxiliary": list(question.auxiliary),
        "std_lv": question.std_lv,
        "ci_level": question.ci_level,
        "test": question.test,
    }


def _level_options(question: SemQuestion, kind: str) -> dict[str, Any]:
    """What :func:`implstats.sem.fit_two_level` is asked; DataError with what it does not take."""
    if question.cluster is None:
        raise DataError(
            f"Question '{question.name}' has a model of two levels and needs 'cluster', the level between."
        )
    odd = [name for name in NOT_WITH_LEVELS if getattr(question, name, None)]
    if odd:
        raise DataError(
            f"Question '{question.name}': a model of two levels does not take {', '.join(odd)}. Leave it out."
        )
    asked: dict[str, Any] = {
        "kind": kind, "cluster": question.cluster, "std_lv": question.std_lv, "ci_level": question.ci_level,
    }  # fmt: skip
    more = {
        "estimator": question.estimator, "missing": question.missing, "few_clusters": question.few_clusters,
        "h1": question.h1,
    }  # fmt: skip
    usual = (None, "ML", "listwise", "refuse", "psd")
    return asked | {name: value for name, value in more.items() if value not in usual}


def _bootstrap(question: SemQuestion, scored: Scored, frame: pd.DataFrame) -> dict[str, Any] | None:
    """What :func:`implstats.sem.bootstrap` is asked, if anything."""
    asked = question.bootstrap
    if asked is None:
        return None
    seed = scored.study.study.seed if asked.seed is None else asked.seed
    clusters = {} if question.cluster is None else {"cluster": question.cluster, "data": frame}
    return {"draws": asked.draws, "seed": seed, "interval": asked.interval, **clusters}


def nesting(question: Question, scored: Scored, rows: pd.DataFrame) -> str:
    """Say how many clusters of the lowest level the persons stand in; nothing without clusters."""
    clusters = scored.table(question).clusters
    if not clusters:
        return ""
    name = clusters[0].name
    return f"{rows[name].nunique()} clusters of level '{name}'"


def _rows_of(question: SemQuestion, scored: Scored) -> pd.DataFrame:
    frame = scored.frame(question)
    labels = wave_labels(scored.table(question))
    if not labels:
        return frame
    if question.wave is None:
        raise DataError(
            f"Question '{question.name}' needs 'wave': its table has waves {', '.join(map(str, labels))}, "
            "and a person's answers at different waves are not independent."
        )
    return frame[frame["wave"] == question.wave]
