"""The columns that the program gives to every table: person, wave, time and the cluster levels.

Identifiers are text. A number becomes text without a decimal point, so that person 12 of an SPSS file (12.0)
and of a text file ("12") are one person; several columns are joined with "/".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from implstats.ingest.codes import code_text

if TYPE_CHECKING:
    import pandas as pd

    from implstats.study.models import Table, Waves

JOIN = "/"
# A whole number that a program wrote with decimals, because others of its column were missing.
_WHOLE_AS_DECIMAL = r"^(-?\d+)[.,]0+$"


def column_list(variable: str | Sequence[str] | None) -> list[str]:
    """Return the columns behind a person or cluster entry.

    >>> column_list("id"), column_list(["a", "b"]), column_list(None)
    (['id'], ['a', 'b'], [])
    """
    if variable is None:
        return []
    return [variable] if isinstance(variable, str) else list(variable)


def id_columns(table: Table) -> list[str]:
    """Return the columns that identify persons, clusters and waves."""
    wave = [table.waves.variable] if table.waves and table.waves.variable else []
    clusters = [column for cluster in table.clusters for column in column_list(cluster.variable)]
    return list(dict.fromkeys([*column_list(table.person), *wave, *clusters]))


def canonical_names(table: Table) -> list[str]:
    """Return the names of the columns that the program makes for a table."""
    waves = ["wave", "time"] if table.waves is not None else []
    return ["person", *waves, *(cluster.name for cluster in table.clusters)]


def id_text(values: pd.Series) -> pd.Series:
    """Return identifiers as text; blanks are missing.

    >>> import pandas as pd
    >>> id_text(pd.Series([12.0, None])).tolist()
    ['12', nan]
    """
    import pandas as pd

    if pd.api.types.is_float_dtype(values.dtype) and (values.dropna() % 1 == 0).all():
        text = values.astype("Int64").astype("string").astype("str")
    elif pd.api.types.is_string_dtype(values.dtype):
        text = values.astype("str").str.strip().str.replace(_WHOLE_AS_DECIMAL, r"\1", regex=True)
    else:
        text = values.map(code_text, na_action="ignore").astype("str")
    return text.mask(values.isna() | text.eq("").fillna(True))


def joined_ids(frame: pd.DataFrame, columns: Sequence[str]) -> pd.Series:
    """Return the identifier made of one or several columns; missing if any part is."""
    text = id_text(frame[columns[0]])
    for column in columns[1:]:
        text = text + JOIN + id_text(frame[column])
    return text


def person_ids(frame: pd.DataFrame, table: Table) -> pd.Series:
    """Return person identifiers; the row number, from 1, in a table without them."""
    import pandas as pd

    columns = column_list(table.person)
    if not columns:
        return pd.Series(range(1, len(frame) + 1), index=frame.index).astype("str")
    return joined_ids(frame, columns)


def wave_keys(waves: Waves) -> dict[str, Any]:
    """Return declared wave values by their text, so that 1, 1.0 and "1" are one wave."""
    return {code_text(wave.value): wave.value for wave in waves.values}


def wave_labels(table: Table) -> dict[Any, str]:
    """Return the label of each declared wave value; the value itself where none is given."""
    if table.waves is None:
        return {}
    return {wave.value: wave.label or str(wave.value) for wave in table.waves.values}


def wave_column(keys: pd.Series, waves: Waves) -> pd.Series:
    """Return declared wave values for wave texts; text throughout if the declared values are of two kinds."""
    declared: Mapping[str, Any] = wave_keys(waves)
    if len({type(value) for value in declared.values()}) > 1:
        declared = {key: str(value) for key, value in declared.items()}
    return keys.map(declared)


def time_column(keys: pd.Series, waves: Waves) -> pd.Series:
    """Return each row's time in ``waves.unit``."""
    times = {code_text(wave.value): float(wave.time) for wave in waves.values}
    return keys.map(times).astype("float64")


def raw_names(columns: Sequence[str], table: Table) -> dict[str, str]:
    """Return new names of raw columns that would collide with the program's own.

    A raw column that *is* the identifier of that name, alone, is replaced by it and needs no copy.
    """
    same = {cluster.name for cluster in table.clusters if column_list(cluster.variable) == [cluster.name]}
    if column_list(table.person) == ["person"]:
        same.add("person")
    if table.waves is not None and table.waves.variable == "wave":
        same.add("wave")
    taken = set(columns)
    renamed: dict[str, str] = {}
    for name in canonical_names(table):
        if name in taken and name not in same:
            new = f"{name}_raw"
            while new in taken:
                new += "_raw"
            renamed[name] = new
            taken.add(new)
    return renamed
