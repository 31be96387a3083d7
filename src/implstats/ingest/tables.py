"""From raw files to the tables of a study: read, stack, check, blank, name.

Every problem of every source and table is collected before anything stops; a table is only handed over
when no source of the study has a problem that stops.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from implstats.errors import IngestError, did_you_mean
from implstats.ingest import validate
from implstats.ingest.categories import to_category
from implstats.ingest.codebook import codebook_frame, label_conflicts, merged_records, value_labels
from implstats.ingest.columns import canonical_names, id_columns
from implstats.ingest.flow import flow_of
from implstats.ingest.needs import (
    Range,
    declared_ranges,
    formula_names,
    made_columns,
    needed_columns,
    number_columns,
)
from implstats.ingest.readers import read_source
from implstats.ingest.records import IngestedTable, Issue, RawFile
from implstats.ingest.stack import Stack, stack_sources

if TYPE_CHECKING:
    import pandas as pd

    from implstats.study.keys import ScaleKey
    from implstats.study.models import Source, Study, Table

__all__ = ["ingest_study", "needed_columns"]

# How R and other programs write truth values in text files.
TRUTH = {"TRUE": 1, "FALSE": 0, "True": 1, "False": 0, "true": 1, "false": 0}


def ingest_study(study: Study, root: Path) -> dict[str, IngestedTable]:
    """Return every table of the study, by name.

    Parameters
    ----------
    study : Study
    root : Path
        Project folder, see :func:`implstats.study.project_root`; raw files are relative to it.

    Raises
    ------
    IngestError
        With every problem of every file and table that stops.
    """
    from implstats.study.keys import resolve_scales
    from implstats.study.load import instruments_of

    keys = resolve_scales(study, instruments_of(study, root))
    tables: dict[str, IngestedTable] = {}
    problems: list[str] = []
    for name in study.tables:
        try:
            tables[name] = ingest_table(study, name, root=root, keys=keys)
        except IngestError as error:
            problems.extend(error.problems)
    if problems:
        raise IngestError(f"the raw data of '{study.study.name}'", list(dict.fromkeys(problems)))
    return tables


def ingest_table(study: Study, name: str, *, root: Path, keys: Mapping[str, ScaleKey]) -> IngestedTable:
    """Return one table of the study.

    Raises
    ------
    IngestError
        With every problem of this table that stops.
    """
    table, place = study.tables[name], f"tables.{name}"
    raws = _read_sources(study, name, root=root, keys=keys)
    files = _columns_by_source(raws)
    made = made_columns(study, name, keys)
    scores = [key.name for key in keys.values() if key.table == name]
    columns = list(dict.fromkeys(column for names in files.values() for column in names))
    issues = [issue for _, raw in raws for issue in raw.issues]
    issues += validate.check_columns(needed_columns(study, name, keys), files, known=made)
    issues += validate.check_score_names(scores, columns, place=place)
    issues += _formula_issues(study, name, known=[*columns, *made])
    stack = stack_sources(name, table, raws)
    frame, found = _numbers(stack, number_columns(study, name, keys))
    stack = replace(stack, frame=frame)
    issues += [*stack.issues, *found]
    ranges = declared_ranges(study, name, keys)
    issues += [issue for check in validate.TABLE_CHECKS for issue in check(stack, table, place=place)]
    issues += validate.check_ranges(stack, ranges)
    stack = replace(stack, frame=_without_outside(stack.frame, ranges))
    named = [(source.file, raw) for source, raw in raws]
    frame, found = _categories(stack.frame, table, named, place=place)
    issues += [*label_conflicts(named, place=place, used=needed_columns(study, name, keys)), *found]
    _stop_if_any(place, issues)
    items = list(dict.fromkeys(item for key in keys.values() if key.table == name for item in key.items))
    return IngestedTable(
        name=name,
        frame=frame,
        codebook=codebook_frame(frame, named, variables=table.variables, renamed=stack.renamed),
        issues=tuple(issues),
        flow=flow_of(frame, table, answers=items),
    )


def _columns_by_source(raws: Sequence[tuple[Source, RawFile]]) -> dict[str, list[str]]:
    """Return each source's columns; a file read for several waves (wide data) is named with its wave."""
    names = [source.file for source, _ in raws]
    return {
        source.file if names.count(source.file) == 1 else f"{source.file} (wave {source.wave})": [
            str(column) for column in raw.frame.columns
        ]
        for source, raw in raws
    }


def _stop_if_any(place: str, issues: Sequence[Issue]) -> None:
    problems = [issue.line() for issue in issues if issue.status == "stop"]
    if problems:
        raise IngestError(place, problems)


def _read_sources(
    study: Study, name: str, *, root: Path, keys: Mapping[str, ScaleKey]
) -> list[tuple[Source, RawFile]]:
    """Read every source; a file that cannot be read, or lacks an identifier, stops with all that is known."""
    table = study.tables[name]
    ids = id_columns(table)
    needs = needed_columns(study, name, keys)
    raws: list[tuple[Source, RawFile]] = []
    problems: list[str] = []
    for source in table.sources:
        try:
            raw = read_source(root, source, id_columns=ids)
        except IngestError as error:
            problems.extend(f"{source.file}: {problem}" for problem in error.problems)
            continue
        raws.append((source, raw))
        columns = [str(column) for column in raw.frame.columns]
        problems.extend(
            f"{needs[column]}: there is no column '{column}' in {source.file}{did_you_mean(column, columns)}"
            for column in ids
            if column not in columns
        )
        if not len(raw.frame):
            problems.append(f"{source.file}: has a header but no rows")
    if problems:
        if len(raws) == len(table.sources):
            problems += _other_columns(raws, needs, ids=ids)
        raise IngestError(f"tables.{name}", problems)
    return raws


def _other_columns(
    raws: Sequence[tuple[Source, RawFile]], needs: Mapping[str, str], *, ids: Sequence[str]
) -> list[str]:
    """Columns that no file has are told together with the files' own problems, if all files could be read."""
    files = _columns_by_source(raws)
    others = {column: place for column, place in needs.items() if column not in ids}
    found = validate.check_columns(others, files)
    return [issue.line() for issue in found if issue.status == "stop"]


def _numbers(stack: Stack, needs: Mapping[str, str]) -> tuple[pd.DataFrame, list[Issue]]:
    """Return the frame with needed columns as numbers; text that is no number stops."""
    import numpy as np
    import pandas as pd

    changed: dict[str, pd.Series] = {}
    issues: list[Issue] = []
    for column, place in needs.items():
        column = stack.renamed.get(column, column)
        values = stack.frame.get(column)
        if values is None or (values.dtype.kind in "iuf" and isinstance(values.dtype, np.dtype)):
            continue
        numbers = pd.to_numeric(values.astype("object").replace(TRUTH), errors="coerce").astype("float64")
        if pd.api.types.is_datetime64_any_dtype(values.dtype):
            numbers = numbers.mask(values.notna())
        bad = values.notna() & numbers.isna()
        if bad.any():
            message = (
                f"{column} should hold numbers but {int(bad.sum())} of {int(values.notna().sum())} answers "
                "are text; list 'no answer' codes under user_missing, recode them, or declare type: category"
            )
            issues.append(validate.stop(place, message))
        changed[column] = numbers
    return stack.frame.assign(**changed), issues


def _without_outside(frame: pd.DataFrame, ranges: Sequence[Range]) -> pd.DataFrame:
    """Return the frame with values outside a range set to missing where the study file says warn."""
    changed: dict[str, pd.Series] = {}
    for wanted in ranges:
        if wanted.out_of_range != "warn" or wanted.column not in frame:
            continue
        values = changed.get(wanted.column, frame[wanted.column])
        outside = validate.outside_range(values, wanted)
        if outside is not None:
            changed[wanted.column] = values.mask(outside)
    return frame.assign(**changed) if changed else frame


def _categories(
    frame: pd.DataFrame, table: Table, raws: Sequence[tuple[str, RawFile]], *, place: str
) -> tuple[pd.DataFrame, list[Issue]]:
    records, own = merged_records(raws), canonical_names(table)
    changed: dict[str, pd.Series] = {}
    issues: list[Issue] = []
    for name, variable in table.variables.items():
        if variable.type != "category" or name not in frame or name in own:
            continue
        changed[name], found = to_category(
            frame[name],
            labels=value_labels(records.get(name, [])),
            reference=variable.reference,
            place=f"{place}.variables.{name}.reference",
        )
        issues += found
    return (frame.assign(**changed) if changed else frame), issues


def _formula_issues(study: Study, name: str, *, known: Sequence[str]) -> list[Issue]:
    """Warn of names in a formula that no column and no scale has; the estimator has the last word."""
    issues = []
    for i, question in enumerate(study.questions):
        formula = getattr(question, "formula", None)
        if formula is None or study.table_of(question) != name:
            continue
        issues += [
            validate.warn(
                f"questions[{i}].formula",
                f"'{word}' is neither a column nor a scale{did_you_mean(word, known)}",
            )
            for word in formula_names(formula)
            if word not in known
        ]
    return issues
