"""p-values of likelihood-ratio tests of random effects, whose null hypothesis lies on the boundary.

A variance cannot be negative. With d more parameters in the larger model, v of them variances that are zero
under the null hypothesis, the likelihood ratio T is asymptotically

    v = 0    chi2_d                              (fixed effects, or covariances of effects that are there)
    v = 1    1/2 chi2_(d-1) + 1/2 chi2_d         (its covariances are free once the variance is not zero)
    v > 1    a mixture of chi2_(d-v) .. chi2_d whose weights depend on the information matrix

if the other variances are not zero. For v > 1 only chi2_d is given: it is conservative (p is too large).
chi2_0 is a point mass at zero. References: Self & Liang (1987), JASA 82, 605-610; Stram & Lee (1994),
Biometrics 50, 1171-1177.
"""

from __future__ import annotations

from dataclasses import dataclass

from scipy.special import chdtrc

ZERO = 1e-8  # deviance units: criteria are known to this, so a smaller statistic is zero


@dataclass(frozen=True, slots=True, kw_only=True)
class ChiBar:
    """p by chi2_d, p by the mixture (None if its weights are unknown), and the mixture's name."""

    p_chisq: float | None
    p_mixture: float | None
    mixture: str


def chi_bar_square(statistic: float, *, df: int, variances: int) -> ChiBar:
    """Return both p-values of a likelihood-ratio statistic.

    Parameters
    ----------
    statistic : float
    df : int
        d, at least 1.
    variances : int
        v.

    Examples
    --------
    >>> found = chi_bar_square(2.7055434540954, df=1, variances=1)
    >>> found.mixture, round(found.p_chisq, 9), round(found.p_mixture, 9)
    ('0.5 chi2(0) + 0.5 chi2(1)', 0.1, 0.05)
    """
    naive = _tail(df, statistic)
    if variances == 0:
        return ChiBar(p_chisq=naive, p_mixture=naive, mixture=f"chi2({df})")
    if variances > 1:
        return ChiBar(
            p_chisq=naive, p_mixture=None,
            mixture=f"chi2({df}), conservative: {variances} variances are zero under the null hypothesis",
        )  # fmt: skip
    mixed = 0.5 * _tail(df - 1, statistic) + 0.5 * naive
    return ChiBar(p_chisq=naive, p_mixture=mixed, mixture=f"0.5 chi2({df - 1}) + 0.5 chi2({df})")


def _tail(df: int, statistic: float) -> float:
    if statistic <= ZERO:
        return 1.0
    return float(chdtrc(df, statistic)) if df else 0.0
