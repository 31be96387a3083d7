"""Which parameters a model lacks: candidates for modification indices, in lavaan's order.

Loadings of every indicator on every latent variable, residual covariances, (co)variances of latent
variables, regressions among the variables that take part in regressions, and intercepts. Beyond lavaan 0.6-14
also the residual covariances of outcomes that measure nothing, such as those of two mediators. Models of
ordered items hold given their predictors, which are then no outcomes; under the delta parameterisation an
ordered item is no predictor, because its residual variance follows from the other parameters.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from implstats.sem.language.rows import Row
from implstats.sem.language.table import ParameterTable
from implstats.sem.options import Options

Pair = tuple[str, str]


def candidate_rows(table: ParameterTable, options: Options) -> list[Row]:
    """Return the parameters that the first group's table lacks, each once, as free rows."""
    rows, latent = table.of_group(1), table.names.latent
    x, items = set(table.names.x), set(options.ordered if options.parameterization == "delta" else ())
    outcomes = [name for name in table.names.observed if name not in x]
    indicators = {row.rhs for row in rows if row.op == "=~"}
    equations = _equation_names(rows)
    found = [("=~", f, y) for f in latent for y in outcomes if y not in equations]
    found += [("~~", a, b) for a, b in _pairs(outcomes)]
    found += [("~~", a, b) for a, b in _pairs(latent)]
    found += [
        ("~", y, other)
        for y in equations
        for other in equations
        if y != other
        and not (y in indicators and y in outcomes and other in latent)
        and not (options.ordered and y in x)
        and other not in items
    ]
    if table.means:
        found += [("~1", name, "") for name in (*table.names.observed, *latent)]
    present = {_key(row.op, row.lhs, row.rhs) for row in rows}
    return [Row(lhs, op, rhs) for op, lhs, rhs in found if _key(op, lhs, rhs) not in present]


def _equation_names(rows: Sequence[Row]) -> list[str]:
    """Outcomes of regressions, then their predictors."""
    regressions = [row for row in rows if row.op == "~"]
    return list(dict.fromkeys([*(r.lhs for r in regressions), *(r.rhs for r in regressions)]))


def _pairs(names: Iterable[str]) -> list[Pair]:
    listed = list(names)
    return [(a, b) for i, a in enumerate(listed) for b in listed[i:]]


def _key(op: str, lhs: str, rhs: str) -> tuple[str, str, str]:
    return (op, rhs, lhs) if op == "~~" and rhs < lhs else (op, lhs, rhs)
