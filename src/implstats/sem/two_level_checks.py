"""Can the clusters bear a model at level 2, and may its numbers be trusted?

A variance between J clusters is known with a relative standard error of about sqrt(2 / (J - 1)): a third for
20 clusters, where simulations find level-2 standard errors too small and inadmissible solutions common
(Maas & Hox 2005; Meuleman & Billiet 2009; Hox, Maas & Brinkhuis 2010). J cluster means span J - 1 directions,
so that with no more clusters than variables at level 2 their covariance matrix is not known at all. Both are
refused; what lies between is fitted with a warning. That parameters at level 2 outnumber the clusters is no
reason to refuse: each cluster brings as many numbers as there are variables.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from implstats.errors import ModelError
from implstats.results import Check
from implstats.sem import checks as check
from implstats.sem.data.sample import named_list
from implstats.sem.data.two_level import TwoLevelSample
from implstats.sem.estimators.two_level_saturated import Saturated, is_indefinite
from implstats.sem.fit_indices.record import Index
from implstats.sem.fit_indices.two_level import NEGATIVE
from implstats.sem.model.matrices import filled
from implstats.sem.model.moments import Moments
from implstats.sem.model.two_level import Levels

Array = NDArray[np.float64]
LEAST_CLUSTERS, ENOUGH_CLUSTERS = 20, 50
# A share of variance between clusters below which level 2 is known to make trouble.
LITTLE = 0.05
INSTEAD = (
    "Fit one level with cluster=, whose standard errors allow for the clusters; or the within part by "
    "itself, with the clusters as 0/1 predictors (fixed effects); or scale scores in a mixed model, whose "
    "small-sample corrections are made for few clusters."
)


def require_clusters_for_level_2(n_clusters: int, levels: Levels, *, few_clusters: str) -> None:
    """Raise :class:`ModelError` where the clusters cannot bear level 2; ``"fit"`` lifts the rule."""
    if few_clusters == "fit":
        return
    p = len(levels.between.observed)
    override = " few_clusters='fit' fits it all the same."
    if n_clusters < LEAST_CLUSTERS:
        spread = np.sqrt(2.0 / max(n_clusters - 1, 1))
        raise ModelError(
            f"{n_clusters} clusters cannot bear a model at level 2: a variance between them is known with a "
            f"relative standard error of about {spread:.0%}, and at least {LEAST_CLUSTERS} clusters are "
            f"asked for. {INSTEAD}{override}"
        )
    if n_clusters <= p:
        raise ModelError(
            f"{n_clusters} clusters for {p} variables at level 2: their means span {n_clusters - 1} "
            "directions, so the covariances between clusters are not known. Leave variables out of level 2. "
            f"{INSTEAD}{override}"
        )


def check_level_2(sample: TwoLevelSample, levels: Levels) -> list[Check]:
    """Say how many clusters there are and what they can bear."""
    sizes, J = sample.sizes, sample.n_clusters
    checks = [Check(
        name="clusters", status="info",
        message=f"{sample.n} persons in {J} clusters of {sizes.min():.0f} to {sizes.max():.0f}.",
    )]  # fmt: skip
    n_between = len({row.free for row in levels.table.rows if row.free and row.level == 2})
    more = f"; {n_between} free parameters at level 2 are more than clusters" if n_between > J else ""
    if J < ENOUGH_CLUSTERS or more:
        few = f"fewer than {ENOUGH_CLUSTERS}" if J < ENOUGH_CLUSTERS else "few for this model"
        checks.append(Check(
            name="few_clusters", status="warn",
            message=f"{J} clusters are {few}{more}: standard errors at level 2 tend to be too small, tests "
                    "too liberal and estimates unsure (Maas & Hox 2005). Read level 2 with caution, or make "
                    "it smaller.",
        ))  # fmt: skip
    return checks


def check_predictors(levels: Levels) -> list[Check]:
    """Say which predictors are random because their parts at both levels are not observed."""
    if not levels.x_random:
        return []
    return [Check(
        name="predictors", status="info",
        message=f"{named_list(levels.x_random)} predict(s) at both levels: the parts within and between "
                "clusters are not observed, so their moments are parameters and count in the "
                "log-likelihood, AIC and BIC. lavaan fixes them at rough estimates; degrees of freedom are "
                "the same.",
    )]  # fmt: skip


def check_levels(levels: Levels, theta: Array, moments: Sequence[Moments]) -> tuple[bool, list[Check]]:
    """Look for variances and correlations that cannot be, at each level, and name the remedy."""
    found = []
    for k, (structure, of_level) in enumerate(zip(levels.structures, moments, strict=True), start=1):
        fine, checks = check.check_admissible((structure,), theta, (of_level,), ("",))
        if fine:
            continue
        names = _negative(levels, k, theta)
        remedy = ""
        if k == 2 and names:
            remedy = (
                f" Too little varies between clusters: fix each at zero, as in '{names[0]} ~~ 0*{names[0]}' "
                "at level 2, or simplify that level."
            )
        found += [
            Check(name="admissible", status="warn", message=f"Level {k}: {c.message}{remedy}") for c in checks
        ]
    if found:
        return False, found
    return True, [
        Check(
            name="admissible", status="ok",
            message="No negative variance and no correlation beyond one at either level.",
        )
    ]  # fmt: skip


def _negative(levels: Levels, k: int, theta: Array) -> list[str]:
    structure = levels.structures[k - 1]
    matrices = filled(structure, theta)
    pairs = ((structure.observed, matrices["theta"]), (structure.eta, matrices["psi"]))
    return [n for names, matrix in pairs for n, v in zip(names, np.diag(matrix), strict=True) if v < 0]


def check_at_zero(names: Sequence[str]) -> list[Check]:
    """Say which variances of level 2 were held at zero."""
    if not names:
        return []
    return [Check(
        name="at_zero", status="warn",
        message=f"Held at zero at level 2: the variance of {named_list(list(names))}. Without this bound "
                "the likelihood has no maximum: too little varies between clusters. Zero is the maximum "
                "likelihood estimate of a variance; it has no standard error, and chi-square and p-values "
                f"are not exact at a bound. To state it in the model, write '{names[0]} ~~ 0*{names[0]}' at "
                "level 2.",
    )]  # fmt: skip


def check_little_between(sample: TwoLevelSample, levels: Levels) -> list[Check]:
    """After a failure, say where hardly anything varies between clusters."""
    total = np.diag(sample.cov)
    between = dict(zip(levels.between.observed, np.diag(sample.start_between.cov), strict=True))
    flat = [n for n in levels.both if between[n] < LITTLE * total[levels.names.index(n)]]
    if not flat:
        return []
    return [Check(
        name="little_between", status="warn",
        message=f"Less than {LITTLE:.0%} of the variance of {named_list(flat)} lies between clusters, so "
                "that a model at level 2 may have no maximum of the likelihood. Take std_lv=True (the first "
                "indicator gives a factor its scale), fix residual variances of level 2 at zero, or fit one "
                "level with cluster=.",
    )]  # fmt: skip


def check_saturated(saturated: Saturated) -> list[Check]:
    """Say what the saturated model is where kinds of it differ."""
    if saturated.kind == "lavaan":
        return [Check(
            name="h1", status="info",
            message="Chi-square compares with the saturated model at which lavaan's EM stops, a little short "
                    "of its maximum.",
        )]  # fmt: skip
    if not saturated.boundary:
        return []
    if saturated.kind == "unconstrained":
        return [Check(
            name="h1", status="warn",
            message="Chi-square compares with a saturated matrix between clusters that is not positive "
                    "semidefinite, and so is no covariance matrix; h1='psd' keeps to those that are.",
        )]  # fmt: skip
    return [Check(
        name="between_boundary", status="info",
        message="The free saturated matrix between clusters is not a covariance matrix; chi-square "
                "compares with the best positive semidefinite one. lavaan's stops near the same place "
                "(h1='lavaan').",
    )]  # fmt: skip


def check_nested(saturated: Saturated, between: Array, gap: float, df: int) -> list[Check]:
    """Say that the model's Sigma_b lies outside a saturated model that keeps to covariance matrices."""
    if not df or saturated.kind == "unconstrained" or not is_indefinite(between):
        return []
    if saturated.kind == "psd" and not saturated.boundary:
        return []
    lost = ""
    if gap < NEGATIVE:
        lost = "; it came out negative, so it and the indices from it are left out"
    return [Check(
        name="not_nested", status="warn",
        message="The model's covariance matrix between clusters is not positive semidefinite, while the "
                f"saturated one is, so chi-square is too small{lost}. Simplify level 2 until its variances "
                "are positive, or take AIC and BIC.",
    )]  # fmt: skip


def check_scaling(fit: Index, df: int) -> list[Check]:
    """Say that the scaled test does not exist."""
    if not df or fit.get("chisq.scaled") is not None:
        return []
    return [Check(
        name="scaled_test", status="warn",
        message="The scaled test does not exist: its scaling factor is not positive, or the saturated "
                "information is singular. Look at the information criteria, or simplify level 2.",
    )]  # fmt: skip
