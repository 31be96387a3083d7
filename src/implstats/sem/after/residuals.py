"""Residuals: sample minus implied moments, in several scales, with standard errors and summaries.

    raw           s_ij - sigma_ij,  m_i - mu_i
    cor.bentler   raw over the sample's standard deviations; their mean square is SRMR
    cor.bollen    sample minus implied correlation; their mean square is CRMR
    normalized    raw over the standard error of the sample moment, which is too large a divisor
    standardized  raw over the standard error of the residual, N(0, 1) where the model holds

Standard errors of the first three come from :mod:`implstats.sem.after.residual_covariance`, after least
squares and ordered items from :mod:`implstats.sem.after.residual_statistics`. A residual that the model
keeps at zero, such as that of a freely fitted variance, has none. Bentler (1995), EQS; Bollen (1989),
chapter 7; Joreskog & Sorbom (1996), LISREL 8.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, get_args

import numpy as np
from numpy.typing import NDArray

from implstats.errors import UsageError, did_you_mean
from implstats.results import Check
from implstats.sem.after.proper_fit import proper_fit
from implstats.sem.after.residual_covariance import Spread, correlation_derivatives, residual_spreads
from implstats.sem.after.residual_statistics import KEPT, statistic_residuals
from implstats.sem.after.residual_summary import ResidualSummary, summarise
from implstats.sem.after.residual_table import Index, Kind, ResidualTable
from implstats.sem.estimators.incomplete import pair_index
from implstats.sem.fitted import Estimated
from implstats.sem.results import GroupSolution, SemResult

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]
SUMMARY = {"raw": "rmr", "cor.bentler": "srmr", "cor.bollen": "crmr"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Residual:
    """One residual.

    Attributes
    ----------
    group, lhs, op, rhs : str
        ``op`` is ``~~``, ``~1``, of ordered items ``|``, and ``~`` of slopes on predictors, given which
        models of ordered items hold.
    value : float or None
    std_error, statistic : float or None
        Of raw and correlation residuals; ``None`` where the model keeps the residual at zero. ``statistic``
        is z.
    """

    group: str
    lhs: str
    op: str
    rhs: str
    value: float | None
    std_error: float | None
    statistic: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Residuals:
    """All residuals of a fit in one scale.

    Attributes
    ----------
    kind : str
    rows : tuple of Residual
    summaries : tuple of ResidualSummary
        Of raw and correlation residuals, group by group: covariances; thresholds and means where there are
        any; and all of them.
    checks : tuple of Check
    """

    kind: str
    rows: tuple[Residual, ...]
    summaries: tuple[ResidualSummary, ...]
    checks: tuple[Check, ...] = ()

    @property
    def frame(self) -> pd.DataFrame:
        """One row a residual."""
        import pandas as pd

        return pd.DataFrame([asdict(row) for row in self.rows])

    def matrix(self, group: str = "") -> pd.DataFrame:
        """Return the residuals of a group's covariances as a symmetric table."""
        import pandas as pd

        rows = [row for row in self.rows if row.group == group and row.op == "~~"]
        if not rows:
            raise UsageError(f"There is no group '{group}'.")
        names = list(dict.fromkeys(row.lhs for row in rows))
        out = pd.DataFrame(np.nan, index=names, columns=names)
        for row in rows:
            value = np.nan if row.value is None else row.value
            out.loc[row.lhs, row.rhs] = out.loc[row.rhs, row.lhs] = value
        return out


def residuals(result: SemResult, kind: Kind = "raw") -> Residuals:
    """Return residuals with standard errors and z, and their summary.

    Parameters
    ----------
    result : SemResult
        A fit by any estimator that did not fail.
    kind : {"raw", "cor.bentler", "cor.bollen", "normalized", "standardized"}

    Raises
    ------
    UsageError
        An unknown kind.
    ModelError
        The fit failed.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from implstats import sem
    >>> x = np.random.default_rng(3).normal(size=(200, 1)) + np.random.default_rng(4).normal(size=(200, 4))
    >>> fit = sem.fit("f =~ a + b + c + d", pd.DataFrame(x, columns=list("abcd")), kind="cfa")
    >>> residuals(fit, "cor.bentler").summaries[0].value == fit.fit["srmr"]
    True
    """
    if kind not in get_args(Kind):
        raise UsageError(
            f"kind '{kind}' is not known{did_you_mean(kind, get_args(Kind)) or '.'} Choose one of "
            f"{', '.join(get_args(Kind))}."
        )
    estimated = proper_fit(result, what="Residuals")
    if estimated.options.least_squares:
        tables = statistic_residuals(estimated, kind)
    else:
        tables = _moment_residuals(estimated, result, kind)
    rows = [row for table in tables for row in _rows(table, kind)]
    summaries = [s for table in tables for s in _summaries(table, kind)] if kind in SUMMARY else []
    return Residuals(kind=kind, rows=tuple(rows), summaries=tuple(summaries), checks=_checks(rows, kind))


def _moment_residuals(estimated: Estimated, result: SemResult, kind: Kind) -> list[ResidualTable]:
    """Each group's residuals of covariances and means, under normal theory."""
    found = []
    for solution, spread in zip(result.groups, residual_spreads(estimated), strict=True):
        e, V = _scaled(solution, spread, kind)
        kept = np.diag(spread.residual) <= KEPT * np.diag(spread.sample)
        if kind == "normalized":
            kept = np.zeros(len(kept), dtype=bool)
        names = solution.moments.observed
        i, j, _ = pair_index(len(names))
        own = np.concatenate([i == j, np.zeros(len(names), dtype=bool)])[: len(e)]
        pairs = zip(i.tolist(), j.tolist(), strict=True)
        places = [(names[b], "~~", names[a]) for a, b in pairs] + [(name, "~1", "") for name in names]
        found.append(
            ResidualTable(
                group=solution.label, places=tuple(places[: len(e)]), value=e, covariance=V,
                kept=kept | (own & (kind == "cor.bollen")), parts=_parts(len(names), len(e), kind),
            )
        )  # fmt: skip
    return found


def _stacked(cov: Array, mean: Array, size: int) -> Array:
    i, j, _ = pair_index(len(mean))
    return np.concatenate([cov[i, j], mean])[:size]


def _scaled(solution: GroupSolution, spread: Spread, kind: Kind) -> tuple[Array, Array]:
    """Residuals in their scale and their covariance matrix."""
    of, size = solution.moments, len(spread.sample)
    raw = _stacked(of.sample_cov - of.implied_cov, of.sample_mean - of.implied_mean, size)
    if kind == "normalized":
        return raw, spread.sample
    if kind not in ("cor.bentler", "cor.bollen"):
        return raw, spread.residual
    G = correlation_derivatives(of.sample_cov, bollen=kind == "cor.bollen")[:size, :size]
    V = G @ spread.residual @ G.T
    sd = np.sqrt(np.diag(of.sample_cov))
    shift = (of.sample_mean - of.implied_mean) / sd
    if kind == "cor.bentler":
        return _stacked((of.sample_cov - of.implied_cov) / np.outer(sd, sd), shift, size), V
    implied = np.sqrt(np.diag(of.implied_cov))
    difference = of.sample_cov / np.outer(sd, sd) - of.implied_cov / np.outer(implied, implied)
    np.fill_diagonal(difference, 0.0)
    return _stacked(difference, shift, size), V


def _parts(p: int, size: int, kind: Kind) -> tuple[tuple[str, Index, int], ...]:
    pairs = p * (p + 1) // 2
    own = pairs - p if kind == "cor.bollen" else pairs
    found = [("cov", np.arange(pairs), own)]
    if size > pairs:
        found += [("mean", np.arange(pairs, size), p), ("total", np.arange(size), own + p)]
    return tuple(found)


def _rows(table: ResidualTable, kind: Kind) -> list[Residual]:
    variance = np.diag(table.covariance)
    se = np.sqrt(np.maximum(variance, 0.0))
    ratios, found = kind in ("normalized", "standardized"), []
    for k, (lhs, op, rhs) in enumerate(table.places):
        none = bool(table.kept[k]) or not variance[k] > 0
        z = None if none else float(table.value[k] / se[k])
        value = z if ratios else float(table.value[k])
        found.append(
            Residual(
                group=table.group, lhs=lhs, op=op, rhs=rhs, value=value,
                std_error=None if none or ratios else float(se[k]), statistic=None if ratios else z,
            )
        )  # fmt: skip
    return found


def _summaries(table: ResidualTable, kind: Kind) -> list[ResidualSummary]:
    found = [
        summarise(
            table.value[at], table.covariance[np.ix_(at, at)], count=count, name=SUMMARY[kind], part=part,
            group=table.group,
        )
        for part, at, count in table.parts
    ]  # fmt: skip
    return [summary for summary in found if summary is not None]


def _checks(rows: list[Residual], kind: Kind) -> tuple[Check, ...]:
    large = [
        row for row in rows if abs((row.value if kind == "standardized" else row.statistic) or 0.0) > 2.58
    ]
    if kind == "normalized" or not large:
        return ()
    tested = sum((row.value if kind == "standardized" else row.statistic) is not None for row in rows)
    return (
        Check(
            name="residuals", status="info",
            message=f"{len(large)} of {tested} residuals are further than 2.58 standard errors from zero; "
            "one in a hundred would be by chance.",
        ),
    )  # fmt: skip
