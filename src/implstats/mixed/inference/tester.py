"""One fitted model's answer to any hypothesis L b = r: t tests of the rows, and F of all together.

The method is settled once (as in `coefficients`: Kenward-Roger under REML with few clusters, else
Satterthwaite, whose df have no meaning at the boundary; cluster-robust if the fit is), and what it needs of
the model is computed once for all hypotheses. Under between-within df (ML at the boundary) F has the smallest
df of the coefficients involved, as in nlme.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from implstats.errors import UsageError, did_you_mean
from implstats.mixed.fitted import Fitted
from implstats.mixed.inference.coefficients import MANY_CLUSTERS
from implstats.mixed.inference.df_between_within import between_within_df
from implstats.mixed.inference.df_kenward_roger import KenwardRoger, kenward_roger
from implstats.mixed.inference.df_satterthwaite import satterthwaite_df
from implstats.mixed.inference.f_tests import (
    ScaledF,
    hotelling_f,
    independent_contrasts,
    kenward_roger_f,
    pooled_df,
)
from implstats.mixed.inference.reduced import require_gaussian
from implstats.mixed.inference.robust import Scores, sandwich
from implstats.mixed.inference.robust_inference import model_scores
from implstats.mixed.results import MixedResult
from implstats.results import Check

METHODS = ("auto", "kenward-roger", "satterthwaite")
DEPENDENT = 1e-9  # share of a row, in standard errors, outside the rows before it that is rounding


@dataclass(frozen=True, slots=True, kw_only=True)
class Tester:
    """What tests of one model need.

    Attributes
    ----------
    fitted : Fitted
    method : str
        ``kenward-roger``, ``satterthwaite``, ``between-within``, or ``CR0`` to ``CR3``.
    estimates : ndarray, (p,)
        Coefficients in their own units.
    covariance : ndarray, (p, p)
        The model's, not adjusted, in their own units.
    parts : KenwardRoger or None
    scores : Scores or None
        Under a cluster-robust method.
    check : Check
        Which method was used, and why.
    """

    fitted: Fitted
    method: str
    estimates: np.ndarray
    covariance: np.ndarray
    parts: KenwardRoger | None
    scores: Scores | None
    check: Check

    def rows(self, L: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return estimates, standard errors and df of each row of L, (k,) each; NaN where there is none."""
        at, scaled = self.fitted.optimum.search.at, self.fitted.scaled
        own = L @ scaled.M
        if self.scores is not None:
            found = sandwich(self.scores, M=at.C, contrasts=own, kind=self.method)
            return L @ self.estimates, scaled.scale * np.sqrt(np.diag(found.covariance)), found.df
        if self.parts is not None:
            covariance, df = self.parts.covariance, self.parts.df_of(own)
            errors = scaled.scale * np.sqrt(np.einsum("kp,pq,kq->k", own, covariance, own))
        else:
            errors = np.sqrt(np.einsum("kp,pq,kq->k", L, self.covariance, L))
            df = self._df(L)
        return L @ self.estimates, errors, df

    def _df(self, L: np.ndarray) -> np.ndarray:
        if self.method == "between-within":
            each = between_within_df(self.fitted.design, self.fitted.scaled.kept)
            return np.array([np.min(each[row != 0.0]) for row in L])
        found = satterthwaite_df(self.fitted.optimum.search.at, L @ self.fitted.scaled.M)
        return np.full(len(L), np.nan) if found is None else found

    def joint(self, L: np.ndarray, rhs: np.ndarray, kept: list[int]) -> ScaledF:
        """Return the F test of L b = rhs; ``kept`` are rows of L that are independent and span the others."""
        at, scaled = self.fitted.optimum.search.at, self.fitted.scaled
        d = L @ self.estimates - rhs
        own, d_kept = L[kept] @ scaled.M, d[kept] / scaled.scale
        if self.parts is not None:
            return kenward_roger_f(self.parts, own, d_kept)
        if self.scores is not None:
            found = sandwich(self.scores, M=at.C, contrasts=own, kind=self.method)
            if not np.all(np.isfinite(found.covariance)):
                return ScaledF(value=np.nan, scale=np.nan, df=np.nan)
            return hotelling_f(self.scores, M=at.C, L=own, d=d_kept, covariance=found.covariance)
        apart, variances, turned = independent_contrasts(L, self.covariance, d)
        q = len(kept)
        value = float(np.sum(turned[:q] ** 2 / variances[:q])) / q
        if self.method == "between-within":
            return ScaledF(value=value, scale=1.0, df=float(np.min(self._df(L[kept]))))
        return ScaledF(value=value, scale=1.0, df=pooled_df(self._df(apart[:q])))


def make_tester(result: MixedResult, *, df: str, what: str = "contrast") -> Tester:
    """Return the tester of a fit; ``what`` is the caller's name for messages.

    Raises
    ------
    ModelError, NotSupportedError
        The fit failed, or is not Gaussian.
    UsageError
        ``df`` is unknown, or not to be had with this fit; the message names what is.
    """
    fitted = require_gaussian(result, what)
    method, check = _method(fitted, df)
    at, scaled, problem = fitted.optimum.search.at, fitted.scaled, fitted.problem
    parts = (
        kenward_roger(at, scaled.M, n=problem.moments.n, pairs=problem.shape.pairs)
        if method == "kenward-roger" else None
    )  # fmt: skip
    return Tester(
        fitted=fitted, method=method, estimates=scaled.M @ (scaled.scale * at.beta + scaled.shift),
        covariance=scaled.scale**2 * scaled.M @ (at.sigma2 * at.C) @ scaled.M.T, parts=parts,
        scores=model_scores(at, fitted.design, scaled, kind=method) if method.startswith("CR") else None,
        check=check,
    )  # fmt: skip


def _method(fitted: Fitted, df: str) -> tuple[str, Check]:
    if df not in METHODS:
        raise UsageError(
            f"df of a test is one of {', '.join(METHODS)}; got '{df}'{did_you_mean(str(df), METHODS) or '.'} "
            "A test without degrees of freedom would be a z or chi-square test, which is not made."
        )
    reml, fewest = fitted.problem.reml, min(level.clusters.size for level in fitted.design.levels)
    if fitted.robust is not None:
        if df != "auto":
            raise UsageError(
                f"The fit is cluster-robust ({fitted.robust}), with df of its own. Leave df at 'auto', or "
                f"fit without robust for df='{df}'."
            )
        return fitted.robust, _said(
            "ok", f"{fitted.robust} tests were used: t with Satterthwaite df, F by approximate Hotelling T^2."
        )
    if df == "kenward-roger" and not reml:
        raise UsageError("Kenward-Roger needs REML. Fit by REML, or use df='satterthwaite' with ML.")
    asked = fitted.df if df == "auto" and fitted.df in METHODS else df
    if asked == "auto":
        asked = "kenward-roger" if reml and fewest < MANY_CLUSTERS else "satterthwaite"
    flat = asked == "satterthwaite" and satterthwaite_df(
        fitted.optimum.search.at, np.eye(len(fitted.scaled.kept))[:1]
    ) is None  # fmt: skip
    if asked == "satterthwaite" and (fitted.optimum.boundary or flat):
        instead = "kenward-roger" if reml else "between-within"
        where = "a boundary estimate" if fitted.optimum.boundary else "a flat criterion"
        return instead, _said(
            "info", f"Satterthwaite's degrees of freedom have no meaning at {where}; {instead} df were used."
        )
    return asked, _said(
        "ok", f"{asked.title()} tests were used; the fewest clusters of a level are {fewest}."
    )


def _said(status: str, message: str) -> Check:
    return Check(name="df_method", status="ok" if status == "ok" else "info", message=message)


def independent_rows(L: np.ndarray, covariance: np.ndarray) -> list[int]:
    """Return the rows of L that add a hypothesis to those before them, judged in standard errors.

    >>> independent_rows(np.array([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0]]), np.eye(2))
    [0, 2]
    """
    unit = L * np.sqrt(np.diag(covariance))
    unit = unit / np.linalg.norm(unit, axis=1, keepdims=True)
    basis = np.empty((0, L.shape[1]))
    kept = []
    for k, row in enumerate(unit):
        rest = row - basis.T @ (basis @ row)
        rest -= basis.T @ (basis @ rest)
        if np.linalg.norm(rest) > DEPENDENT:
            kept.append(k)
            basis = np.vstack([basis, rest / np.linalg.norm(rest)])
    return kept
