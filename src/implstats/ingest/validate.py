"""Checks of a stacked table against the study file; one small function a check.

Each returns issues that count and name columns, waves and row numbers, never a person's identifier or answer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from implstats.errors import did_you_mean
from implstats.ingest.columns import column_list, wave_keys, wave_labels
from implstats.ingest.needs import Range
from implstats.ingest.records import Issue
from implstats.ingest.stack import Stack

if TYPE_CHECKING:
    import pandas as pd

    from implstats.study.models import Table

# Fewer clusters than this cannot tell a variance between clusters from chance.
FEWEST_CLUSTERS = 5
# Rows that a message names; more would not help to find the fault.
ROWS_NAMED = 5


def stop(place: str, message: str) -> Issue:
    """Return an issue that ends the run."""
    return Issue(status="stop", place=place, message=message)


def warn(place: str, message: str) -> Issue:
    """Return an issue that asks for caution."""
    return Issue(status="warn", place=place, message=message)


def check_columns(
    needs: Mapping[str, str], files: Mapping[str, Collection[str]], *, known: Collection[str] = ()
) -> list[Issue]:
    """Refuse needed columns that no file has; warn of those that some files lack.

    Parameters
    ----------
    needs : mapping of column to place
    files : mapping of file to its columns, under the study's names
    known : collection of str
        Other names that a question may use, such as scales, for suggestions.
    """
    everywhere = list(dict.fromkeys(column for columns in files.values() for column in columns))
    issues = []
    for column, place in needs.items():
        lacking = [file for file, columns in files.items() if column not in columns]
        if len(lacking) == len(files):
            hint = did_you_mean(column, [*everywhere, *known])
            where = lacking[0] if len(lacking) == 1 else "any file of the table"
            issues.append(stop(place, f"there is no column '{column}' in {where}{hint}"))
        elif lacking:
            issues.append(
                warn(place, f"the column '{column}' is missing in {', '.join(lacking)}; it is empty there")
            )
    return issues


def check_person(stack: Stack, table: Table, *, place: str) -> list[Issue]:
    """Refuse rows without a person identifier."""
    missing = stack.frame["person"].isna()
    if not missing.any():
        return []
    named = " or ".join(column_list(table.person))
    message = (
        f"{int(missing.sum())} row(s) have no {named} ({_rows(stack, missing)}); every row needs a person"
    )
    return [stop(f"{place}.person", message)]


def check_waves(stack: Stack, table: Table, *, place: str) -> list[Issue]:
    """Refuse missing and undeclared wave values; warn of declared waves without rows."""
    if table.waves is None:
        return []
    declared = wave_keys(table.waves)
    issues = []
    missing = stack.wave_key.isna()
    if missing.any():
        text = f"{int(missing.sum())} row(s) have no wave ({_rows(stack, missing)})"
        issues.append(stop(f"{place}.waves.variable", f"{text}; every row of a table with waves needs one"))
    found = stack.wave_key.dropna().unique().tolist()
    unknown = sorted(key for key in found if key not in declared)
    if unknown:
        listed = ", ".join(unknown[:ROWS_NAMED]) + (", ..." if len(unknown) > ROWS_NAMED else "")
        text = f"the data hold the wave(s) {listed}, declared are {', '.join(declared)}"
        issues.append(
            stop(f"{place}.waves.values", f"{text}; declare them or take those rows out of the file")
        )
    return issues + [
        warn(f"{place}.waves.values", f"the wave {key} is declared but has no rows")
        for key in declared
        if key not in found
    ]


def check_duplicates(stack: Stack, table: Table, *, place: str) -> list[Issue]:
    """Refuse a person who stands twice at one wave."""
    if not column_list(table.person):
        return []
    keys = stack.frame["person"].to_frame().assign(wave=stack.wave_key)
    twice = keys.duplicated(keep=False) & keys["person"].notna()
    if not twice.any():
        return []
    extra = int(keys.duplicated().where(keys["person"].notna(), False).sum())
    when = "at one wave" if table.waves is not None else "although the table has no waves"
    message = f"{extra} row(s) repeat a person {when} ({_rows(stack, twice)}); keep one row a person"
    return [stop(f"{place}.person", message + (" and wave" if table.waves is not None else ""))]


def check_moves(stack: Stack, table: Table, *, place: str) -> list[Issue]:
    """Refuse two clusters of one level at one wave; stop or warn at different waves, as the table says."""
    issues = []
    for cluster in table.clusters if column_list(table.person) else ():
        frame = stack.frame[["person", cluster.name]].assign(wave=stack.wave_key.fillna(""))
        frame = frame.dropna(subset=["person", cluster.name])
        at_once = _more_than_one(frame, ["person", "wave"], cluster.name)
        over_time = _more_than_one(frame, ["person"], cluster.name)
        if at_once:
            text = (
                f"{at_once} person(s) stand in two of them at one wave; each needs one {cluster.name} a wave"
            )
            issues.append(stop(f"{place}: {cluster.name}", text))
        elif over_time:
            text = f"{over_time} person(s) change {cluster.name} between waves"
            remedy = (
                "" if table.moves == "warn" else "; correct the files, or set 'moves: warn' if they did move"
            )
            issues.append(Issue(status=table.moves, place=f"{place}: {cluster.name}", message=text + remedy))
    return issues


def _more_than_one(frame: pd.DataFrame, keys: list[str], value: str) -> int:
    """Return how many key combinations have more than one value."""
    pairs = frame.drop_duplicates([*keys, value])
    return int(pairs.duplicated(keys, keep="first").groupby([pairs[key] for key in keys]).any().sum())


def check_nesting(stack: Stack, table: Table, *, place: str) -> list[Issue]:
    """Refuse a lower cluster that lies in two higher ones at one wave, such as 'ward 1' of two hospitals."""
    issues = []
    for lower, higher in pairwise(table.clusters):
        frame = stack.frame[[lower.name, higher.name]].assign(wave=stack.wave_key.fillna("")).dropna()
        torn = _more_than_one(frame, [lower.name, "wave"], higher.name)
        if torn:
            text = f"{torn} of them lie in more than one {higher.name} at one wave"
            columns = ", ".join(dict.fromkeys([*column_list(higher.variable), *column_list(lower.variable)]))
            remedy = f"if their numbers start anew in each {higher.name}, write variable: [{columns}]"
            issues.append(stop(f"{place}: {lower.name}", f"{text}; {remedy}"))
    return issues


def check_clusters(stack: Stack, table: Table, *, place: str) -> list[Issue]:
    """Warn of missing cluster identifiers and of few clusters; mention clusters of one person."""
    issues = []
    for cluster in table.clusters:
        values, here = stack.frame[cluster.name], f"{place}: {cluster.name}"
        missing = values.isna()
        if missing.any():
            text = f"{int(missing.sum())} row(s) have no {cluster.name} ({_rows(stack, missing)})"
            issues.append(warn(here, f"{text}; analyses with this level leave them out"))
        sizes = stack.frame.groupby(cluster.name, observed=True)["person"].nunique()
        if len(sizes) < FEWEST_CLUSTERS:
            text = f"there are only {len(sizes)} of them; differences between them cannot be estimated well"
            issues.append(warn(here, f"{text} below {FEWEST_CLUSTERS}"))
        alone = int((sizes == 1).sum())
        if alone:
            issues.append(
                Issue(status="info", place=here, message=f"{alone} of {len(sizes)} have one person only")
            )
    return issues


def check_ranges(stack: Stack, ranges: Sequence[Range]) -> list[Issue]:
    """Refuse, or with ``out_of_range: warn`` list, values outside the declared range."""
    issues = []
    for wanted in ranges:
        outside = outside_range(stack.frame.get(wanted.column), wanted)
        if outside is None:
            continue
        text = f"{wanted.column} has {int(outside.sum())} value(s) outside {range_text(wanted)}"
        text += f" ({_by_wave(stack, outside)}; {_rows(stack, outside)})"
        remedy = "they were set to missing"
        if wanted.out_of_range == "stop":
            remedy = "list 'no answer' codes under user_missing, correct the range, or set out_of_range: warn"
        issues.append(Issue(status=wanted.out_of_range, place=wanted.place, message=f"{text}; {remedy}"))
    return issues


def outside_range(values: pd.Series | None, wanted: Range) -> pd.Series | None:
    """Return a mask of the values outside a range; ``None`` where none is, or where there are no numbers."""
    import pandas as pd

    if values is None or values.dtype.kind not in "iuf":
        return None
    numbers = values.to_numpy()
    outside = numbers < (-math.inf if wanted.minimum is None else wanted.minimum)
    outside |= numbers > (math.inf if wanted.maximum is None else wanted.maximum)
    return pd.Series(outside, index=values.index) if outside.any() else None


def range_text(wanted: Range) -> str:
    """Return a range in words, such as ``1 to 5`` or ``0 and above``."""
    if wanted.minimum is None:
        return f"{wanted.maximum:g} and below"
    return (
        f"{wanted.minimum:g} and above"
        if wanted.maximum is None
        else f"{wanted.minimum:g} to {wanted.maximum:g}"
    )


def check_levels(stack: Stack, table: Table, *, place: str) -> list[Issue]:
    """Warn where a variable declared for persons or clusters differs within one of them."""
    issues = []
    for name, variable in table.variables.items():
        if variable.level == "observation" or name not in stack.frame:
            continue
        unit = "person" if variable.level == "person" else next((c.name for c in table.clusters), None)
        if unit is None or unit == name:
            continue
        frame = stack.frame[[unit, name]].dropna()
        differing = _more_than_one(frame, [unit], name)
        if differing:
            text = f"it is declared for the level '{variable.level}' but differs within {differing} {unit}(s)"
            issues.append(warn(f"{place}.variables.{name}", f"{text}; each row keeps its own value"))
    return issues


def check_score_names(scales: Collection[str], columns: Collection[str], *, place: str) -> list[Issue]:
    """Refuse a scale with the name of a raw column, which its score would replace."""
    return [
        stop(
            f"scales.{name}",
            f"{place} has a raw column '{name}' as well; rename the scale, or the column under 'rename'",
        )
        for name in scales
        if name in columns
    ]


def check_overlap(stack: Stack, table: Table, *, place: str) -> list[Issue]:
    """Warn where two neighbouring waves share no person: identifiers may be written differently."""
    if table.waves is None:
        return []
    persons = {
        key: set(stack.frame["person"][stack.wave_key == key].dropna()) for key in wave_keys(table.waves)
    }
    labels = {key: wave_labels(table)[value] for key, value in wave_keys(table.waves).items()}
    filled = [key for key in persons if persons[key]]
    return [
        warn(
            f"{place}.person",
            f"nobody of '{labels[one]}' is found in '{labels[two]}'; are identifiers written alike in both?",
        )
        for one, two in pairwise(filled)
        if not persons[one] & persons[two]
    ]


# Checks of the stacked table, in the order in which their issues are told.
TABLE_CHECKS: tuple[Callable[..., list[Issue]], ...] = (
    check_person,
    check_waves,
    check_duplicates,
    check_moves,
    check_nesting,
    check_clusters,
    check_levels,
    check_overlap,
)


def _rows(stack: Stack, mask: pd.Series) -> str:
    """Return where the first of the marked rows stand: ``rows 3, 8 and 12 more of wave1.csv``."""
    parts = []
    for file in stack.file[mask].unique()[:2]:
        rows = stack.row[mask & (stack.file == file)].tolist()
        more = f" and {len(rows) - ROWS_NAMED} more" if len(rows) > ROWS_NAMED else ""
        noun = "row" if len(rows) == 1 else "rows"
        parts.append(f"{noun} {', '.join(map(str, rows[:ROWS_NAMED]))}{more} of {file}")
    return "; ".join(parts)


def _by_wave(stack: Stack, mask: pd.Series) -> str:
    counts = stack.wave_key[mask].value_counts(sort=False)
    if counts.empty:
        return "no waves"
    return ", ".join(f"{n} at wave {key}" for key, n in counts.items())
