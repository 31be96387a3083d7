"""The parameter table of a model, to read before anything is fitted: what is free, fixed or equal.

One table is the single representation of a model; its rows, their order and their defaults are lavaan's
(``parTable``).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from implstats.errors import UsageError
from implstats.sem.data.groups import group_rows
from implstats.sem.language.syntax import ModelText, parse_model
from implstats.sem.language.table import ParameterTable, build_table
from implstats.sem.options import check_options
from implstats.sem.prepare import with_thresholds

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRow:
    """One row of a model's parameter table.

    Attributes
    ----------
    lhs, op, rhs : str
        ``op`` is one of ``=~ ~ ~~ ~1 | ~*~ := == < >``.
    user : bool
        Written by the user, not added by a default.
    group, level : int
        From 1.
    group_label, label : str
    free : int
        Number of the free parameter from 1; rows with one number are one parameter; 0: not estimated.
    fixed, start : float or None
        The fixed value; the start value asked for.
    exogenous : bool
        The sample's own moment of an observed predictor.
    """

    lhs: str
    op: str
    rhs: str
    user: bool = True
    group: int = 1
    group_label: str = ""
    level: int = 1
    label: str = ""
    free: int = 0
    fixed: float | None = None
    start: float | None = None
    exogenous: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelTable:
    """A model's parameter table: ``rows``, the number of free parameters and what the defaults did."""

    rows: tuple[TableRow, ...]
    n_free: int
    notes: tuple[str, ...]

    @property
    def frame(self) -> pd.DataFrame:
        """One row a parameter, definition or constraint."""
        import pandas as pd

        return pd.DataFrame([asdict(row) for row in self.rows])

    def to_dict(self) -> dict[str, Any]:
        """Return what the command line prints as JSON."""
        return {"n_free": self.n_free, "rows": [asdict(row) for row in self.rows], "notes": list(self.notes)}

    def to_text(self) -> str:
        """Return the table as aligned text; columns that hold nothing are left out."""
        head = ("", "lhs", "op", "rhs", "group", "level", "written", "free", "value", "label")
        lines = [_cells(k, row) for k, row in enumerate(self.rows, start=1)]
        used = [c for c in range(len(head)) if c < 4 or any(line[c] for line in lines)]
        several = {4: any(r.group > 1 for r in self.rows), 5: any(r.level > 1 for r in self.rows)}
        used = [c for c in used if several.get(c, True)]
        width = {c: max(len(head[c]), *(len(line[c]) for line in lines)) for c in used}
        out = ["  ".join(line[c].ljust(width[c]) for c in used).rstrip() for line in (head, *lines)]
        return "\n".join([*out, "", f"{self.n_free} free parameters", *self.notes])


def _cells(number: int, row: TableRow) -> tuple[str, ...]:
    value = "" if row.fixed is None else f"{row.fixed:g} fixed"
    if row.start is not None and row.free:
        value = f"{row.start:g} start"
    if row.exogenous:
        value = "sample"
    return (
        str(number), row.lhs, row.op, row.rhs, row.group_label or str(row.group), str(row.level),
        "yes" if row.user else "", str(row.free) if row.free else "", value, row.label,
    )  # fmt: skip


def model_table(model: str, data: pd.DataFrame | None = None, **options: Any) -> ModelTable:
    """Return the parameter table that a model's text stands for.

    Parameters
    ----------
    model : str
        In lavaan's language, with ``level:`` blocks too.
    data : DataFrame, optional
        Needed with ``group``, whose labels it holds, and ``ordered``, whose categories it holds.
    **options
        ``kind, estimator, missing, group, group_equal, group_partial, cluster, ordered, parameterization,
        orthogonal, std_lv, meanstructure, information`` as in :func:`implstats.sem.fit`; of a model of two
        levels ``kind, orthogonal, std_lv``.

    Raises
    ------
    UsageError
        The model cannot be read, or an option needs the data.

    Examples
    --------
    >>> table = model_table("f =~ x1 + x2 + x3; f ~ z")
    >>> [(r.lhs, r.op, r.rhs, r.free) for r in table.rows][:4]
    [('f', '=~', 'x1', 0), ('f', '=~', 'x2', 1), ('f', '=~', 'x3', 2), ('f', '~', 'z', 3)]
    >>> table.n_free, [r.lhs for r in table.rows if r.exogenous]
    (7, ['z'])
    """
    text = parse_model(model)
    if any(heading.startswith("level") for heading in text.blocks):
        return _of_levels(model, text, options)
    defaults: dict[str, Any] = {
        "kind": "sem", "estimator": None, "missing": "listwise", "group": None, "group_equal": (),
        "cluster": None, "ordered": (), "parameterization": "delta", "orthogonal": False, "std_lv": False,
        "meanstructure": None, "ci_level": 0.95,
    }  # fmt: skip
    chosen = check_options(**defaults | options)
    if data is None and (chosen.group or chosen.ordered):
        raise UsageError(
            "The table of a model with groups or ordered items needs the data, which hold the groups and "
            "categories. Give the data."
        )
    groups: tuple[str, ...] = ("",)
    if data is not None:
        chosen = with_thresholds(text, data, chosen)
        groups = group_rows(data, chosen.group).labels if chosen.group else groups
    table = build_table(text, chosen, groups=groups)
    return ModelTable(
        rows=(*table_rows(table), *_expressions(text)),
        n_free=table.n_free,
        notes=tuple(sentence for _, sentence in table.notes),
    )


def _of_levels(model: str, text: ModelText, options: dict[str, Any]) -> ModelTable:
    """The table of a model with ``level:`` blocks, free parameters numbered over both levels."""
    from implstats.sem.model.two_level import two_level_model

    known: dict[str, Any] = {"kind": "sem", "std_lv": False, "orthogonal": False, "ci_level": 0.95}
    levels = two_level_model(model, **{name: options.get(name, value) for name, value in known.items()})
    return ModelTable(
        rows=(*table_rows(levels.table), *_expressions(text)),
        n_free=levels.table.n_free,
        notes=tuple(sentence for _, sentence in levels.table.notes),
    )


def table_rows(table: ParameterTable) -> list[TableRow]:
    """Return a parameter table's rows as records."""
    return [
        TableRow(
            lhs=row.lhs, op=row.op, rhs=row.rhs, user=row.user, group=row.group,
            group_label=table.groups[row.group - 1], level=row.level, label=row.label, free=row.free,
            fixed=row.fixed, start=row.start, exogenous=row.exo,
        )
        for row in table.rows
    ]  # fmt: skip


def _expressions(text: ModelText) -> list[TableRow]:
    return [
        TableRow(lhs=e.lhs, op=e.op, rhs=e.rhs, label=e.lhs if e.op == ":=" else "") for e in text.expressions
    ]
