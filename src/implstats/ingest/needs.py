"""Which columns does a study need, and for what?"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from implstats.ingest.columns import canonical_names, column_list

if TYPE_CHECKING:
    from implstats.study.keys import ScaleKey
    from implstats.study.models import Study

# Fields of a question that name variables.
_FIELDS = ("outcome", "predictors", "covariates", "moderators", "variables")
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
# Atomic (*+), so that "np" is not found inside "np.log(".
_NAME = re.compile(r"(?<![\w.])[A-Za-z_][\w.]*+(?!\s*[(=])")
_FORMULA_WORDS = {"True", "False", "None"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """The values a column may take, and what a value outside means; an open end is ``None``."""

    column: str
    minimum: float | None
    maximum: float | None
    out_of_range: Literal["stop", "warn"]
    place: str


def needed_columns(study: Study, table: str, keys: Mapping[str, ScaleKey]) -> dict[str, str]:
    """Return the raw columns that a table needs, each with the place that first asks for it.

    Parameters
    ----------
    study : Study
    table : str
        Name of a table.
    keys : mapping of str to ScaleKey
        From :func:`implstats.study.keys.resolve_scales`.
    """
    needs: dict[str, str] = {}
    for column, place in _all_needs(study, table, keys):
        needs.setdefault(column, place)
    return needs


def _all_needs(study: Study, table: str, keys: Mapping[str, ScaleKey]) -> Iterator[tuple[str, str]]:
    spec, place = study.tables[table], f"tables.{table}"
    yield from ((column, f"{place}.person") for column in column_list(spec.person))
    if spec.waves is not None and spec.waves.variable is not None:
        yield spec.waves.variable, f"{place}.waves.variable"
    for i, cluster in enumerate(spec.clusters):
        yield from ((column, f"{place}.clusters[{i}].variable") for column in column_list(cluster.variable))
    yield from ((name, f"{place}.variables.{name}") for name in spec.variables)
    for key in keys.values():
        if key.table == table:
            yield from ((item, f"scales.{key.name}") for item in key.items)
    yield from _question_needs(study, table, keys)


def _question_needs(study: Study, table: str, keys: Mapping[str, ScaleKey]) -> Iterator[tuple[str, str]]:
    made = made_columns(study, table, keys)
    for i, question in enumerate(study.questions):
        if study.table_of(question) != table:
            continue
        for field in _FIELDS:
            value = getattr(question, field, None) or []
            names = [value] if isinstance(value, str) else value
            yield from ((name, f"questions[{i}].{field}") for name in names if name not in made)


def made_columns(study: Study, table: str, keys: Mapping[str, ScaleKey]) -> list[str]:
    """Return the columns that the program makes: person, wave, time, cluster levels, scores and subscores."""
    from implstats.study.keys import subscale_column

    own = [key for key in keys.values() if key.table == table]
    scores = [key.name for key in own]
    parts = [subscale_column(key.name, name) for key in own for name, _ in key.subscales]
    return [*canonical_names(study.tables[table]), *scores, *parts]


def number_columns(study: Study, table: str, keys: Mapping[str, ScaleKey]) -> dict[str, str]:
    """Return the columns that must hold numbers, with the place that says so."""
    spec = study.tables[table]
    needs = {item: f"scales.{key.name}" for key in keys.values() if key.table == table for item in key.items}
    for name, variable in spec.variables.items():
        if variable.type == "number" and variable.role != "id" and name not in canonical_names(spec):
            needs.setdefault(name, f"tables.{table}.variables.{name}")
    made = made_columns(study, table, keys)
    for i, question in enumerate(study.questions):
        outcome = getattr(question, "outcome", None)
        if outcome is not None and study.table_of(question) == table and outcome not in made:
            needs.setdefault(outcome, f"questions[{i}].outcome")
    return needs


def declared_ranges(study: Study, table: str, keys: Mapping[str, ScaleKey]) -> list[Range]:
    """Return the range of every item and of every variable that declares one."""
    ranges = [
        Range(
            column=item,
            minimum=key.minimum,
            maximum=key.maximum,
            out_of_range=study.scales[key.name].out_of_range,
            place=f"scales.{key.name}",
        )
        for key in keys.values()
        if key.table == table
        for item in key.items
    ]
    return ranges + [
        Range(
            column=name,
            minimum=variable.minimum,
            maximum=variable.maximum,
            out_of_range=variable.out_of_range,
            place=f"tables.{table}.variables.{name}",
        )
        for name, variable in study.tables[table].variables.items()
        if variable.type == "number"
        and name not in canonical_names(study.tables[table])
        and (variable.minimum is not None or variable.maximum is not None)
    ]


def formula_names(formula: str) -> list[str]:
    """Return the names in a formula that may be columns, without functions, keywords and quoted words.

    >>> formula_names("y ~ C(arm, Treatment(reference='a')) + np.log(x) + (1 | cluster/person)")
    ['y', 'arm', 'x', 'cluster', 'person']
    """
    found = _NAME.findall(_QUOTED.sub("", formula))
    return [name for name in dict.fromkeys(found) if name not in _FORMULA_WORDS]
