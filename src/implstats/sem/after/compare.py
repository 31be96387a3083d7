"""Compare two nested fits of the same data: tests of the difference, and differences of fit indices.

X0, d0 belong to the more restricted model, X1, d1 to the other; m = d0 - d1, c the scaling factors.

    chisq                 X0 - X1 against chi-square with m degrees of freedom, under ML only
    satorra.bentler.2001  (X0 - X1) / c_d,   c_d = (d0 c0 - d1 c1) / m, which may come out negative
    satorra.bentler.2010  the same with c1 taken at the restricted estimate, so that c_d is positive
    satorra.2000          a (X0 - X1) + b with the mean and variance of chi-square, as lavaan has it:
                          a = sqrt(m / tr(U U)), b = m - a tr(U), U = P A'(A P A')^- A P J, P the inverse
                          information and J the scores' covariance of the free model, A the restrictions in
                          its parameters, from the derivatives of both models' moments

Two models are nested if the free one reproduces the moments that the restricted one implies (Bentler &
Satorra 2010); the free model is fitted to these moments, and what is left is compared with zero.
Satorra (2000); Satorra & Bentler (2001, 2010).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from implstats.errors import ModelError, NotSupportedError, UsageError, did_you_mean
from implstats.sem.after.one_level import require_one_level
from implstats.sem.after.same_data import refuse_other_data
from implstats.sem.estimators.criterion import criterion_of
from implstats.sem.estimators.incomplete import moment_derivatives
from implstats.sem.estimators.ml import SampleMoments
from implstats.sem.estimators.search import search_optimum
from implstats.sem.estimators.weights import RECIPES
from implstats.sem.fit_indices.chi_square import upper_tail
from implstats.sem.fitted import Estimated
from implstats.sem.inference.fiml_fit import fiml_score_products
from implstats.sem.inference.least_squares_fit import forms_of
from implstats.sem.inference.quadratic import information as information_of
from implstats.sem.inference.quadratic import meat as meat_of
from implstats.sem.inference.robust import score_products
from implstats.sem.inference.scaled_test import as_tested
from implstats.sem.model.matrices import columns_to_free
from implstats.sem.model.moments import Stacks
from implstats.sem.model_fit import fit_record, fitted_groups, robust_of
from implstats.sem.results import SemResult

Array = NDArray[np.float64]
Method = Literal["chisq", "satorra.bentler.2001", "satorra.bentler.2010", "satorra.2000"]
# A chi-square between the two models' moments below this is rounding of a search that ends at 1e-16 in F.
NESTED = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A restricted model against a free one.

    Attributes
    ----------
    method : str
    chisq, p_value : float or None
        ``None`` with a ``reason`` where the test does not exist.
    df : int
    scale, shift : float or None
        c_d of a scaled test; 1/a and b of ``satorra.2000``.
    cfi, rmsea, srmr, aic, bic : float or None
        Restricted less free; of the robust indices where both fits have them. A CFI that falls and an RMSEA
        or SRMR that rises speak for the free model.
    reason : str
    """

    method: str
    chisq: float | None
    df: int
    p_value: float | None
    scale: float | None
    shift: float | None
    cfi: float | None
    rmsea: float | None
    srmr: float | None
    aic: float | None
    bic: float | None
    reason: str = ""


def compare(a: SemResult, b: SemResult, *, method: str | None = None) -> Difference:
    """Return the test of the difference between two nested fits, in whichever order they are given.

    Parameters
    ----------
    a, b : SemResult
        Fits of the same estimator to the same data that did not fail.
    method : str, optional
        ``chisq`` (ML, GLS, WLS), ``satorra.bentler.2001`` (the default of MLR and MLM),
        ``satorra.bentler.2010`` or ``satorra.2000`` (the only one of all other estimators).

    Raises
    ------
    UsageError
        The fits are not of the same data and estimator, or the method does not suit the estimator.
    ModelError
        A fit failed, or the models are not nested.

    Examples
    --------
    >>> import pandas as pd
    >>> from implstats import sem
    >>> frame = pd.DataFrame({"x": [1.0, 2, 3, 4, 5, 6], "y": [1.0, 3, 2, 5, 4, 6]})
    >>> compare(sem.fit("y ~ x", frame), sem.fit("y ~ 0*x", frame)).df
    1
    """
    for fit in (a, b):
        require_one_level(
            fit, what="Difference tests",
            instead="Under ML the difference of chisq on the difference of df is the test.",
        )  # fmt: skip
    free, restricted = _ordered(a, b)
    if free.fitted is None or restricted.fitted is None:
        raise ModelError(
            "Two fits are compared, but one of them failed and has no estimate. Look at its reason first."
        )
    refuse_other_data(free.fitted, restricted.fitted)
    free, restricted = _as_tested(free), _as_tested(restricted)
    if free.fitted is None or restricted.fitted is None:
        raise AssertionError("a fit keeps its estimate")
    # Chi-squares of two stages are too large unless scaled, like those of MLM.
    estimator = "MLM" if free.fitted.options.two_stage else free.estimator
    chosen = method_of(method, estimator)
    if free.fitted.df == restricted.fitted.df:
        raise ModelError(
            f"Both models have {free.fitted.df} degrees of freedom, so neither is nested in the other. "
            "Compare their AIC or BIC instead."
        )
    at = reproduced(free.fitted, restricted.fitted)
    if at is None:
        raise ModelError(
            "The models are not nested: the one with fewer degrees of freedom cannot reproduce what "
            "the other implies. Compare their AIC or BIC instead."
        )
    return difference(free, restricted, method=chosen, at=at)


def _as_tested(result: SemResult) -> SemResult:
    """The fit under the estimator whose test was asked for."""
    if result.fitted is None or result.fitted.options.test is None:
        return result
    fitted = as_tested(result.fitted)
    return replace(result, estimator=fitted.options.estimator, fitted=fitted)


def _ordered(a: SemResult, b: SemResult) -> tuple[SemResult, SemResult]:
    first, second = (a.fitted.df if a.fitted else 0), (b.fitted.df if b.fitted else 0)
    return (a, b) if first <= second else (b, a)


def method_of(method: str | None, estimator: str) -> Method:
    """Return the method asked for or the estimator's own, if it suits."""
    known = get_args(Method)
    recipe = RECIPES.get(estimator)
    plain = estimator in ("ML", "GLS", "WLS")
    usual = "satorra.2000" if recipe else "satorra.bentler.2001"
    chosen = method or ("chisq" if plain else usual)
    if chosen not in known:
        raise UsageError(
            f"method '{chosen}' is not known{did_you_mean(chosen, known) or '.'} Choose one of "
            f"{', '.join(known)}."
        )
    right = "'chisq'" if plain else "'satorra.bentler.2001', '...2010' or 'satorra.2000'"
    if recipe and not plain:
        right = "'satorra.2000'"
    if (chosen == "chisq") != plain or (recipe and not plain and chosen != "satorra.2000"):
        raise UsageError(f"method '{chosen}' does not suit the estimator {estimator}. Use {right}.")
    return chosen  # type: ignore[return-value]


def difference(
    free: SemResult, restricted: SemResult, *, method: Method, at: Array | None = None
) -> Difference:
    """Return the difference of two fits that are known to be nested.

    Parameters
    ----------
    at : ndarray, shape (q1,), optional
        The restricted estimate in the free model's parameters, for ``satorra.bentler.2010``.
    """
    one, zero = free.fitted, restricted.fitted
    if one is None or zero is None:
        raise AssertionError("failed fits are not compared")
    if one.options.two_stage and method != "satorra.bentler.2001":
        raise NotSupportedError(
            f"A difference test by '{method}' of two-stage fits is not done by this version of implstats. "
            "Compare each pair with sem.compare, whose 'satorra.bentler.2001' allows for both stages, or use "
            "missing 'fiml'."
        )
    m = zero.df - one.df
    raw = float(restricted.fit["chisq"] or 0.0) - float(free.fit["chisq"] or 0.0)
    scale, shift = 1.0, None
    if method == "satorra.2000":
        scale, shift = _moments_2000(one, zero, m)
    elif method != "chisq":
        scale = _scale(one, zero, free, restricted, method, at)
    chisq, reason = None, ""
    if scale > 0:
        chisq = max(raw / scale + (shift or 0.0), 0.0)
    else:
        reason = (
            f"The scaling factor of the difference is {scale:.3g}, not positive, so the test of 2001 does "
            "not exist here. Use method 'satorra.bentler.2010'."
        )
    return Difference(
        method=method,
        chisq=chisq,
        df=m,
        p_value=None if chisq is None else upper_tail(chisq, m),
        scale=None if method == "chisq" else scale,
        shift=shift,
        **_changes(free, restricted),
        reason=reason,
    )


def _changes(free: SemResult, restricted: SemResult) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    for name in ("cfi", "rmsea", "srmr", "aic", "bic"):
        robust = f"{name}.robust"
        both = free.fit.get(robust) is not None and restricted.fit.get(robust) is not None
        key = robust if both else name
        before, after = free.fit[key], restricted.fit[key]
        found[name] = None if before is None or after is None else after - before
    return found


def _scale(
    one: Estimated, zero: Estimated, free: SemResult, restricted: SemResult, method: Method, at: Array | None
) -> float:
    m = zero.df - one.df
    c0 = float(restricted.fit["chisq.scaling.factor"] or 0.0)
    c1 = 0.0
    if one.df and method == "satorra.bentler.2001":
        c1 = float(free.fit["chisq.scaling.factor"] or 0.0)
    elif one.df:
        there = at if at is not None else reproduced(one, zero)
        if there is None:
            raise AssertionError("nested models reproduce each other's moments")
        c1 = _scale_at(one, there)
    return (zero.df * c0 - one.df * c1) / m


def _scale_at(one: Estimated, theta: Array) -> float:
    """The free model's scaling factor at the restricted estimate."""
    criterion = criterion_of(one.structures, one.sample)
    evaluation = criterion(theta, "observed")
    expected = criterion(theta, "expected").information
    if expected is None:
        raise AssertionError("the moments of a proper fit are positive definite")
    moved = replace(
        one, optimum=replace(one.optimum, theta=theta, evaluation=evaluation), information=expected
    )
    return float(robust_of(moved, fit_record(moved)).scale or 0.0)


def reproduced(one: Estimated, zero: Estimated) -> Array | None:
    """Return the free model's theta at which it implies the restricted model's moments; ``None`` if none."""
    if one.options.least_squares:
        return _reproduced_statistics(one, zero)
    groups, order = [], _order(one, zero)
    for sample, moments in zip(one.sample.groups, zero.moments, strict=True):
        cov = moments.cov[np.ix_(order, order)]
        mean = moments.mean[order] if zero.table.means else sample.moments.mean
        log_det = float(np.linalg.slogdet(cov)[1])
        implied = SampleMoments(cov=cov, mean=mean, n=sample.moments.n, log_det=log_det)
        groups.append(replace(sample, moments=implied, incomplete=None))
    problem = replace(one.problem, sample=replace(one.sample, groups=tuple(groups)))
    found = search_optimum(problem, start=one.optimum.theta)
    if found is None or not found.proper:
        return None
    p = len(one.structures[0].observed)
    perfect = sum(g.moments.n * (g.moments.log_det + p) for g in groups)
    left = one.sample.n * found.optimum.evaluation.value - perfect
    return found.optimum.theta if left < NESTED else None


def _reproduced_statistics(one: Estimated, zero: Estimated) -> Array | None:
    """The same for least squares, whose moments are the sample statistics."""
    groups = []
    for sample, block in zip(one.sample.groups, zero.blocks, strict=True):
        if sample.least_squares is None or block.error is None:
            raise AssertionError("a least-squares fit has statistics")
        implied = sample.least_squares.statistics - block.error
        groups.append(replace(sample, least_squares=replace(sample.least_squares, statistics=implied)))
    problem = replace(one.problem, sample=replace(one.sample, groups=tuple(groups)))
    found = search_optimum(problem, start=one.optimum.theta)
    if found is None or not found.proper:
        return None
    return found.optimum.theta if one.sample.n * found.optimum.evaluation.value < NESTED else None


def _order(one: Estimated, zero: Estimated) -> list[int]:
    """Where the free model's observed variables stand in the restricted model."""
    return [zero.table.names.observed.index(name) for name in one.table.names.observed]


def _derivatives(fitted: Estimated, order: list[int]) -> Array:
    """Delta of all groups in the directions that the constraints leave, the variables in the order given."""
    delta = np.vstack([
        columns_to_free(s, moment_derivatives(Stacks(a=k.a[order], b=k.b[order], m=k.m[order])))
        for s, k in zip(fitted.structures, fitted.stacks, strict=True)
    ])  # fmt: skip
    return delta if fitted.tangent is None else delta @ fitted.tangent


def _jacobian(fitted: Estimated) -> Array:
    """Derivatives of all groups' statistics in the directions that the constraints leave."""
    J = np.vstack([block.jacobian for block in fitted.blocks if block.jacobian is not None])
    return J if fitted.tangent is None else J @ fitted.tangent


def _moments_2000(one: Estimated, zero: Estimated, m: int) -> tuple[float, float]:
    """1/a and b of the scaled and shifted test."""
    forms = forms_of(one) if one.options.estimator in RECIPES else []
    information = one.information if one.options.estimator == "MLM" else one.observed
    if forms:
        information = information_of(forms)
    K = np.eye(len(information)) if one.tangent is None else one.tangent
    P = np.linalg.inv(K.T @ information @ K)
    order = _order(one, zero)
    if one.options.least_squares:
        H = np.linalg.lstsq(_jacobian(one), _jacobian(zero), rcond=None)[0]
    else:
        H = np.linalg.lstsq(_derivatives(one, sorted(order)), _derivatives(zero, order), rcond=None)[0]
    left, s, _ = np.linalg.svd(H)
    rank = int((s > 1e-9 * s[0]).sum())
    A = left[:, rank:].T
    J = K.T @ (meat_of(forms) if forms else _score_products(one) / one.sample.n) @ K
    PA = P @ A.T
    U = np.linalg.solve(A @ PA, PA.T @ J @ PA)
    scale = float(np.sqrt((U * U.T).sum() / m))
    return scale, m - float(np.trace(U)) / scale


def _score_products(fitted: Estimated) -> Array:
    """The sum of s s' over persons, or over clusters, shape (q, q)."""
    incomplete = [s.incomplete for s in fitted.sample.groups if s.incomplete is not None]
    if incomplete:
        return fiml_score_products(fitted.structures, incomplete, fitted.moments, fitted.stacks)
    return score_products(fitted.structures, fitted_groups(fitted), "MLM")
