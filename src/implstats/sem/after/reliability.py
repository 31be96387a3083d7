"""Reliability of sum scores, from a fitted factor model.

For the unweighted sum of a factor's items, with loadings l (k,), factor variance phi and residual variances
theta, S the observed and Sigma the implied covariance matrix of the items:

    omega           (sum l)^2 phi / 1'S1        share of the observed sum's variance that the factor explains;
                    McDonald's omega, hierarchical omega where other factors share the items
    omega_implied   the same over 1'Sigma1      (Raykov's composite reliability)
    omega_total     1'L Phi L'1 / 1'S1          all factors together
    alpha           k/(k - 1) (1 - tr S / 1'S1)
    ave             sum l^2 phi / sum of (l^2 phi + theta)          average variance extracted
    maximal         H / (1 + H), H = sum l^2 phi / theta            of the optimally weighted sum

A factor of factors has no items of its own: it is judged on all items below it, by its total effects, so that
omega is hierarchical omega. HTMT is the mean absolute correlation between two factors' items over the
geometric mean of those within (Henseler, Ringle & Sarstedt 2015). Ordered items:
:mod:`implstats.sem.after.ordered_reliability`.
References: McDonald (1999), Test Theory; Fornell & Larcker (1981), JMR 18; Cho (2021), Psychological Methods;
Raykov (1997), Applied Psychological Measurement 21.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from implstats.errors import ModelError
from implstats.results import Check
from implstats.sem.after.one_level import require_one_level
from implstats.sem.after.ordered_reliability import ordered_coefficients, ordered_group
from implstats.sem.results import SemResult

if TYPE_CHECKING:
    import pandas as pd

    from implstats.sem.model.moments import Moments

Array = NDArray[np.float64]
Places = NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorReliability:
    """Reliability of the sum of one factor's items in one group; shares, between 0 and 1.

    Attributes
    ----------
    factor, group : str
    items : tuple of str
    omega, omega_implied, omega_total, alpha : float or None
        Of the sum of the answers; of ordered answers categorical omega, None for an improper solution.
    ave, maximal : float or None
        None for a factor of factors; None where a residual variance is not positive. Of ordered items those
        of the normal variables behind the answers.
    omega_latent, alpha_latent : float or None
        Of the sum of the normal variables behind ordered answers (ordinal omega and alpha); else None.
    """

    factor: str
    group: str
    items: tuple[str, ...]
    omega: float | None
    omega_implied: float | None
    omega_total: float | None
    alpha: float | None
    ave: float | None
    maximal: float | None
    omega_latent: float | None = None
    alpha_latent: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reliability:
    """Reliability of every factor, the ratio HTMT of every pair of factors, and what to beware of.

    Attributes
    ----------
    factors : tuple of FactorReliability
    htmt : tuple of (str, str, str, float)
        Group, two factors, ratio.
    checks : tuple of Check
    """

    factors: tuple[FactorReliability, ...]
    htmt: tuple[tuple[str, str, str, float], ...]
    checks: tuple[Check, ...]

    @property
    def frame(self) -> pd.DataFrame:
        """One row a factor and group."""
        import pandas as pd

        return pd.DataFrame([asdict(factor) for factor in self.factors])


def reliability(result: SemResult) -> Reliability:
    """Return the reliability of the sum of each factor's items.

    Parameters
    ----------
    result : SemResult
        Of a model with latent variables that did not fail; items continuous or ordered.

    Raises
    ------
    ModelError
        The fit failed, or the model has no latent variable with observed items.
    NotSupportedError
        Ordered items beside observed predictors.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from implstats import sem
    >>> rng = np.random.default_rng(2)
    >>> f = rng.normal(size=(500, 1))
    >>> frame = pd.DataFrame(f + rng.normal(size=(500, 3)), columns=["a", "b", "c"])
    >>> found = reliability(sem.fit("f =~ a + b + c", frame, kind="cfa"))
    >>> bool(abs(found.factors[0].omega - 0.75) < 0.05)  # 9 / (9 + 3)
    True
    """
    require_one_level(result, what="Reliability", instead="Use sem.multilevel_reliability.")
    if result.fitted is None:
        raise ModelError("Reliability needs a fit that did not fail; mend the model first.")
    estimated = result.fitted
    factors: list[FactorReliability] = []
    ratios: list[tuple[str, str, str, float]] = []
    mixed_signs: list[str] = []
    for g, (structure, solution) in enumerate(zip(estimated.structures, result.groups, strict=True)):
        ordered = ordered_group(estimated, g) if estimated.options.ordered else None
        moments = estimated.moments[g] if ordered is None else ordered.moments
        S = solution.moments.sample_cov
        items: dict[str, Places] = {}
        for column, name in enumerate(structure.eta[: structure.n_latent]):
            own, effects = _effects(moments, column)
            if len(own) < 2:
                continue
            direct = bool(np.any(moments.loading[:, column]))
            if direct:
                items[name] = own
            if np.any(effects > 0.0) and np.any(effects < 0.0):
                mixed_signs.append(name)
            found = _factor(
                name, solution.label, structure.observed, own, effects, column, moments, S, direct=direct
            )
            if ordered is not None and ordered.steps.ordered[own].any():
                of_answers = ordered_coefficients(ordered, own, effects, moments.phi[column, column], S)
                found = replace(
                    found, omega_latent=found.omega, alpha_latent=found.alpha, **asdict(of_answers)
                )
            factors.append(found)
        ratios += _htmt(S, items, solution.label)
    if not factors:
        raise ModelError(
            "The model has no latent variable with two observed items, so there is no sum score."
        )
    checks = (_sign_check(mixed_signs), *_improper_check(factors))
    return Reliability(factors=tuple(factors), htmt=tuple(ratios), checks=checks)


def _effects(moments: Moments, column: int) -> tuple[Places, Array]:
    """Return a factor's items and its effects on them: its loadings, or its total effects without any."""
    loadings = moments.loading[:, column]
    if not np.any(loadings):
        loadings = moments.total[:, column]
    own = np.flatnonzero(loadings)
    return own, loadings[own]


def _factor(
    name: str, group: str, observed: tuple[str, ...], own: Places, effects: Array, column: int,
    moments: Moments, S: Array, *, direct: bool,
) -> FactorReliability:  # fmt: skip
    block = np.ix_(own, own)
    phi = float(moments.phi[column, column])
    explained = float(effects.sum()) ** 2 * phi
    common = moments.loading_phi @ moments.loading.T
    residual = np.diag(moments.cov - common)[own]
    shared = effects**2 * phi
    observed_sum, implied_sum = float(S[block].sum()), float(moments.cov[block].sum())
    k = len(own)
    alpha = k / (k - 1) * (1.0 - float(np.trace(S[block])) / observed_sum)
    proper = direct and bool(np.all(residual > 0.0))
    H = float(np.sum(shared / residual)) if proper else 0.0
    return FactorReliability(
        factor=name, group=group, items=tuple(observed[i] for i in own), omega=explained / observed_sum,
        omega_implied=explained / implied_sum, omega_total=float(common[block].sum()) / observed_sum,
        alpha=alpha, ave=float(shared.sum() / (shared.sum() + residual.sum())) if direct else None,
        maximal=H / (1.0 + H) if proper else None,
    )  # fmt: skip


def _htmt(S: Array, items: dict[str, Places], group: str) -> list[tuple[str, str, str, float]]:
    """Return the heterotrait-monotrait ratio of each pair of factors without common items."""
    sd = np.sqrt(np.diag(S))
    R = np.abs(S / np.outer(sd, sd))
    names = list(items)
    out: list[tuple[str, str, str, float]] = []
    for i, one in enumerate(names):
        for two in names[i + 1 :]:
            a, b = items[one], items[two]
            if set(a) & set(b):
                continue
            within = [float(R[np.ix_(c, c)][np.tril_indices(len(c), -1)].mean()) for c in (a, b)]
            out.append((group, one, two, float(R[np.ix_(a, b)].mean() / np.sqrt(within[0] * within[1]))))
    return out


def _improper_check(factors: list[FactorReliability]) -> list[Check]:
    names = [f.factor for f in factors if f.omega is None]
    if not names:
        return []
    return [Check(
        name="improper", status="warn",
        message=f"No omega for {', '.join(dict.fromkeys(names))}: a communality or correlation is beyond "
        "one, so that the model gives no distribution of answers.",
    )]  # fmt: skip


def _sign_check(names: list[str]) -> Check:
    if not names:
        return Check(name="signs", status="ok", message="All items of a factor load in one direction.")
    return Check(
        name="signs", status="warn",
        message=f"Items of {', '.join(dict.fromkeys(names))} load in both directions, so their plain sum "
        "cancels the factor. Reverse the items that are worded the other way, then fit again.",
    )  # fmt: skip
