"""Names that point to something else in the study file: do they point anywhere?

Checked here is what can be known without the data. Whether a column exists in a raw file is checked by
:mod:`implstats.ingest.validate`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from implstats.errors import StudyFileError, did_you_mean
from implstats.study.models import (
    Attrition,
    Cfa,
    Contextual,
    Growth,
    Instrument,
    Invariance,
    MixedQuestion,
    Question,
    SemQuestion,
    Study,
    Table,
)

# Analyses that every study has, whatever its questions.
FIXED_ANALYSES = ("flow", "missing", "scales", "aggregation", "trajectories", "correlations")
# Columns that the program itself gives to every table.
RESERVED = ("person", "wave", "time")


def check_references(study: Study, instruments: Mapping[str, Instrument]) -> list[str]:
    """Return one line a problem, in the study file's order; an empty list when every name is known.

    Parameters
    ----------
    study : Study
    instruments : mapping of str to Instrument
        The instruments that scales may name.
    """
    problems: list[str] = []
    for name, table in study.tables.items():
        problems += _table_problems(f"tables.{name}", table)
    problems += _scale_problems(study, instruments)
    problems += _question_problems(study)
    problems += _published_problems(study)
    return problems


def _unknown(place: str, what: str, word: Any, known: Iterable[Any]) -> str:
    pool = [str(k) for k in known]
    listed = f"; there is {', '.join(pool)}" if pool else ""
    return f"{place}: there is no {what} '{word}'{did_you_mean(str(word), pool) or listed}"


def _repeats(values: Iterable[Any]) -> list[Any]:
    return [value for value, n in Counter(values).items() if n > 1]


def _table_problems(place: str, table: Table) -> list[str]:
    levels = [cluster.name for cluster in table.clusters]
    problems = [f"{place}.clusters: the level '{name}' stands twice" for name in _repeats(levels)]
    problems += [
        f"{place}.clusters: '{name}' is a name the program itself uses; choose another"
        for name in levels
        if name in RESERVED
    ]
    for name, variable in table.variables.items():
        if (
            variable.minimum is not None
            and variable.maximum is not None
            and variable.minimum > variable.maximum
        ):
            problems.append(f"{place}.variables.{name}: 'minimum' is above 'maximum'")
        if name in RESERVED and (name == "person" or table.waves is not None):
            problems.append(
                f"{place}.variables.{name}: '{name}' is a column the program itself makes; "
                "give the raw column another name under 'rename'"
            )
        if variable.reference is not None and variable.type != "category":
            problems.append(f"{place}.variables.{name}.reference: only a variable of type: category has one")
    return problems + _wave_problems(place, table)


def _wave_problems(place: str, table: Table) -> list[str]:
    given = [(i, source.wave) for i, source in enumerate(table.sources) if source.wave is not None]
    if table.waves is None:
        return [
            f"{place}.sources[{i}].wave: the table has no 'waves'; declare them or leave this out"
            for i, _ in given
        ]
    values = [wave.value for wave in table.waves.values]
    labels = [wave.label or str(wave.value) for wave in table.waves.values]
    times = [wave.time for wave in table.waves.values]
    problems = [
        f"{place}.waves.values: the wave {value} stands twice" for value in _repeats(map(str, values))
    ]
    problems += [f"{place}.waves.values: two waves have the label '{label}'" for label in _repeats(labels)]
    problems += [f"{place}.waves.values: two waves have the time {time:g}" for time in _repeats(times)]
    if table.waves.variable is not None:
        return problems + [
            f"{place}.sources[{i}].wave: the wave is read from the column '{table.waves.variable}' "
            "(waves.variable); give one of the two"
            for i, _ in given
        ]
    lacking = sorted(set(range(len(table.sources))) - {i for i, _ in given})
    problems += [
        f"{place}.sources[{i}].wave: field required, because the table has waves and no waves.variable"
        for i in lacking
    ]
    return problems + [
        _unknown(f"{place}.sources[{i}].wave", "declared wave", wave, values)
        for i, wave in given
        if str(wave) not in {str(value) for value in values}
    ]


def _scale_problems(study: Study, instruments: Mapping[str, Instrument]) -> list[str]:
    from implstats.study.keys import resolve_scales

    problems: list[str] = []
    for name, scale in study.scales.items():
        table = study.tables.get(study.table_of(scale))
        levels = [cluster.name for cluster in table.clusters] if table else []
        if name in (*RESERVED, *levels):
            problems.append(
                f"scales.{name}: '{name}' is a column the program itself makes; choose another name"
            )
        if name in [*scale.items, *(item for items in scale.subscales.values() for item in items)]:
            problems.append(
                f"scales.{name}: a scale cannot have the name of its own item; choose another name"
            )
        if table is not None:
            problems += [
                _unknown(f"scales.{name}.aggregate", "cluster level", level, levels)
                for level in scale.aggregate
                if level not in levels
            ]
    try:
        keys = resolve_scales(study, instruments)
    except StudyFileError as error:
        return [*problems, *error.problems]
    return problems + [
        f"scales.{key.name}: the item '{item}' is declared as a category under tables.{key.table}.variables; "
        "an item holds numbers"
        for key in keys.values()
        for item in key.items
        if (declared := study.tables[key.table].variables.get(item)) and declared.type == "category"
    ]


def _question_problems(study: Study) -> list[str]:
    names = [question.name for question in study.questions]
    problems = [f"questions: two questions have the name '{name}'" for name in _repeats(names)]
    problems += [
        f"questions[{i}].name: '{name}' is the name of an analysis that every study has; choose another"
        for i, name in enumerate(names)
        if name in FIXED_ANALYSES
    ]
    for i, question in enumerate(study.questions):
        place = f"questions[{i}]"
        name = study.table_of(question)
        if name not in study.tables:
            problems.append(_unknown(f"{place}.table", "table", name, study.tables))
            continue
        problems += _one_question(place, question, study=study, table=study.tables[name], table_name=name)
    return problems


def _one_question(
    place: str, question: Question, *, study: Study, table: Table, table_name: str
) -> list[str]:
    problems = _foreign_scales(place, question, study=study, table_name=table_name)
    if isinstance(question, MixedQuestion):
        problems += _mixed_problems(place, question, table)
    if isinstance(question, Contextual):
        problems += _contextual_problems(place, question, table)
    if isinstance(question, Growth):
        problems += _growth_problems(place, question, table)
    if isinstance(question, SemQuestion):
        problems += _sem_problems(place, question, table)
    if isinstance(question, Invariance):
        problems += _invariance_problems(place, question, table)
    if isinstance(question, Cfa | Invariance):
        problems += [
            _unknown(f"{place}.scales", "scale", name, study.scales)
            for name in question.scales
            if name not in study.scales
        ]
    if isinstance(question, Attrition) and table.waves is None:
        problems.append(f"{place}: attrition needs a table with waves; '{table_name}' has none")
    return problems


def named_variables(question: Question) -> dict[str, list[str]]:
    """Return the variables that a question names, by field, such as outcome and predictors.

    Formulas and lavaan models are not taken apart here.
    """
    found: dict[str, list[str]] = {}
    for field in ("outcome", "predictors", "covariates", "moderators", "variables", "scales"):
        value = getattr(question, field, None)
        if value:
            found[field] = [value] if isinstance(value, str) else list(value)
    return found


def _foreign_scales(place: str, question: Question, *, study: Study, table_name: str) -> list[str]:
    """A scale of another table is not in this question's table."""
    return [
        f"{place}.{field}: the scale '{name}' belongs to the table '{study.table_of(study.scales[name])}', "
        f"this question to '{table_name}'; give the question 'table'"
        for field, names in named_variables(question).items()
        for name in names
        if name in study.scales and study.table_of(study.scales[name]) != table_name
    ]


def _levels(table: Table) -> list[str]:
    """Levels a random effect may have: the clusters, and persons where they answer more than once."""
    return [*(["person"] if table.waves is not None else []), *(cluster.name for cluster in table.clusters)]


def _mixed_problems(place: str, question: MixedQuestion, table: Table) -> list[str]:
    levels = _levels(table)
    problems = []
    for level in question.clusters or []:
        if level == "person" and table.waves is None:
            problems.append(
                f"{place}.clusters: without waves a person answers once and is no level; leave it out"
            )
        elif level not in levels:
            problems.append(_unknown(f"{place}.clusters", "cluster level", level, levels))
    return problems + _unknown_waves(f"{place}.waves", question.waves or [], table)


def _unknown_waves(place: str, waves: Sequence[Any], table: Table) -> list[str]:
    if not waves:
        return []
    if table.waves is None:
        return [f"{place}: the table has no waves; leave this out"]
    values = [wave.value for wave in table.waves.values]
    known = {str(value) for value in values}
    return [_unknown(place, "declared wave", wave, values) for wave in waves if str(wave) not in known]


def _contextual_problems(place: str, question: Contextual, table: Table) -> list[str]:
    levels = _levels(table)
    problems = []
    if question.cluster not in levels:
        problems.append(_unknown(f"{place}.cluster", "cluster level", question.cluster, levels))
    return problems + [
        _unknown(f"{place}.random_slope", "predictor of this question", name, question.predictors)
        for name in question.random_slope
        if name not in question.predictors
    ]


def _growth_problems(place: str, question: Growth, table: Table) -> list[str]:
    if table.waves is None:
        return [f"{place}: growth needs a table with waves"]
    problems = [
        _unknown(f"{place}.random_slope", "cluster level", level, _levels(table))
        for level in question.random_slope
        if level not in _levels(table)
    ]
    if len(question.waves or table.waves.values) < 2:
        problems.append(f"{place}: growth needs at least two waves")
    if question.shape == "quadratic" and len(question.waves or table.waves.values) < 3:
        problems.append(f"{place}.shape: quadratic growth needs at least three waves")
    return problems + [
        f"{place}.moderators: '{name}' should stand under 'predictors' as well"
        for name in question.moderators
        if name not in question.predictors
    ]


def _sem_problems(place: str, question: SemQuestion, table: Table) -> list[str]:
    levels = [cluster.name for cluster in table.clusters]
    if question.cluster is not None and question.cluster not in levels:
        return [_unknown(f"{place}.cluster", "cluster level", question.cluster, levels)]
    if question.wave is not None:
        return _unknown_waves(f"{place}.wave", [question.wave], table)
    if table.waves is not None and len(table.waves.values) > 1:
        return [f"{place}.wave: field required, because rows of several waves are not independent"]
    return []


def _invariance_problems(place: str, question: Invariance, table: Table) -> list[str]:
    levels = [cluster.name for cluster in table.clusters]
    if question.cluster is not None and question.cluster not in levels:
        return [_unknown(f"{place}.cluster", "cluster level", question.cluster, levels)]
    if question.over != "waves":
        known = [*(cluster.name for cluster in table.clusters), *table.variables]
        problems = _unknown_waves(
            f"{place}.wave", [question.wave] if question.wave is not None else [], table
        )
        if question.over not in known:
            problems.append(
                _unknown(f"{place}.over", "cluster level or declared variable", question.over, known)
            )
        if question.wave is None and table.waves is not None and len(table.waves.values) > 1:
            problems.append(
                f"{place}.wave: field required, because rows of several waves are not independent"
            )
        return problems
    if table.waves is None:
        return [f"{place}.over: the table has no waves; name a cluster level or a variable"]
    problems = _unknown_waves(f"{place}.waves", question.waves or [], table)
    if len(question.waves or table.waves.values) < 2:
        problems.append(f"{place}: invariance over waves needs at least two waves")
    return problems


def _published_problems(study: Study) -> list[str]:
    known = [*(question.name for question in study.questions), *FIXED_ANALYSES]
    return [
        _unknown(f"published[{i}].analysis", "question or analysis", number.analysis, known)
        for i, number in enumerate(study.published)
        if number.analysis not in known
    ]
