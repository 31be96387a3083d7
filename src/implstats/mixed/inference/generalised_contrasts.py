"""Contrasts of the coefficients of generalised and ordinal fits: z tests, and Wald's chi-square of all.

    z = (l'b - r) / sqrt(l'V l)        X2 = (L b - r)' (L V L')^-1 (L b - r),   chi2 with rank(L) df

b are the coefficients in the order of ``result.terms`` (thresholds first in an ordinal fit), V their
covariance matrix. There are no denominator degrees of freedom, so both are too optimistic for what varies
between few clusters; the fit's check ``df_method`` says where. Reference: Wald (1943), Trans. AMS 54.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import chdtrc, ndtr, ndtri

from implstats.errors import ModelError, UsageError
from implstats.mixed.inference.contrast_matrix import read_contrasts, read_null
from implstats.mixed.inference.contrasts import Contrast, check_consistent
from implstats.mixed.inference.tester import independent_rows
from implstats.mixed.results import MixedResult
from implstats.results import Check

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, kw_only=True)
class WaldTest:
    """Wald's chi-square of all contrasts together.

    Attributes
    ----------
    statistic : float
    df : int
        Rank of the hypothesis.
    p_value : float
    reason : str
        What was left out of it; empty otherwise.
    hypothesis : ndarray, (k, p)
        L.
    """

    statistic: float
    df: int
    p_value: float
    reason: str
    hypothesis: np.ndarray = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class WaldContrasts:
    """Contrasts on the scale of the link: ``rows`` (``df`` None), ``joint``, ``ci_level``, ``checks``."""

    rows: tuple[Contrast, ...]
    joint: WaldTest
    ci_level: float
    checks: tuple[Check, ...]

    @property
    def frame(self) -> pd.DataFrame:
        """Return one row a contrast."""
        import pandas as pd

        return pd.DataFrame([asdict(row) for row in self.rows])


def contrast_generalised(
    result: MixedResult, L: np.ndarray | Sequence[object] | Mapping[str, Mapping[str, float]], *,
    names: Sequence[str] | None = None, rhs: Sequence[float] | float | None = None, df: str = "auto",
    ci_level: float | None = None,
) -> WaldContrasts:  # fmt: skip
    """Test contrasts of the coefficients on the scale of the link; arguments as in `mixed.contrast`.

    Raises
    ------
    UsageError, ProblemsError, ModelError
        Degrees of freedom are asked for, a shape or name does not fit, the fit failed.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from implstats import mixed
    >>> rng = np.random.default_rng(1)
    >>> ward, x = np.repeat(np.arange(20), 10), rng.normal(size=200)
    >>> y = (x + rng.normal(size=20)[ward] + rng.logistic(size=200) > 0).astype(int)
    >>> fitted = mixed.fit("y ~ x + (1 | ward)", pd.DataFrame({"ward": ward, "x": x, "y": y}),
    ...                    family="binomial")
    >>> found = mixed.contrast(fitted, {"twice x": {"x": 2}})
    >>> found.rows[0].df_method, found.joint.df
    ('wald-z', 1)
    """
    if df not in ("auto", "wald-z"):
        raise UsageError(
            f"Fits of family '{result.family}' have Wald z tests only; leave df out (got '{df}')."
        )
    if result.generalised is None or result.covariance is None:
        raise ModelError(f"'contrast' needs a fit that succeeded. {result.reason}".rstrip())
    matrix, labels = read_contrasts(L, names, result.terms)
    null = read_null(rhs, len(labels))
    level = result.ci_level if ci_level is None else ci_level
    if isinstance(level, bool) or not 0.0 < level < 1.0:
        raise UsageError(f"ci_level lies between 0 and 1, such as 0.95; got {level}.")
    b, V = np.array([row.estimate for row in result.fixed], dtype=float), result.covariance
    return WaldContrasts(
        rows=_rows(matrix @ b, matrix @ V @ matrix.T, labels, null, level),
        joint=_joint(matrix, b, V, null, labels), ci_level=level,
        checks=tuple(check for check in result.checks if check.name == "df_method"),
    )  # fmt: skip


def _rows(
    estimates: np.ndarray, covariance: np.ndarray, names: Sequence[str], null: np.ndarray, level: float
) -> tuple[Contrast, ...]:
    quantile = float(ndtri(0.5 + 0.5 * level))
    out = []
    for name, value, variance, zero in zip(names, estimates, np.diag(covariance), null, strict=True):
        se = float(np.sqrt(variance))
        z = float((value - zero) / se)
        out.append(
            Contrast(
                name=name, estimate=float(value), std_error=se, null=float(zero), df=None, df_method="wald-z",
                statistic=z, p_value=float(2.0 * ndtr(-abs(z))), conf_low=float(value) - quantile * se,
                conf_high=float(value) + quantile * se,
            )
        )  # fmt: skip
    return tuple(out)


def _joint(L: np.ndarray, b: np.ndarray, V: np.ndarray, null: np.ndarray, names: Sequence[str]) -> WaldTest:
    kept = independent_rows(L, V)
    check_consistent(L, null, kept)
    gap = L[kept] @ b - null[kept]
    statistic = float(gap @ np.linalg.solve(L[kept] @ V @ L[kept].T, gap))
    gone = [names[k] for k in range(len(L)) if k not in kept]
    return WaldTest(
        statistic=statistic, df=len(kept), p_value=float(chdtrc(len(kept), statistic)),
        reason=f"linear combinations of the other rows, left out: {', '.join(gone)}" if gone else "",
        hypothesis=L,
    )  # fmt: skip
