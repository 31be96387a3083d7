"""The sentences that go with a fit: how far its numbers may be trusted, and what to do about it."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from implstats.mixed.design.bearable import FEW, bearable_checks
from implstats.mixed.design.build import Design
from implstats.mixed.design.clusters import crossed_words, nested
from implstats.mixed.design.standardise import Standardised
from implstats.mixed.gaussian.boundary import Optimum
from implstats.results import Check

FLAT = 1e-10  # share of the largest curvature that is rounding


def optimum_check(optimum: Optimum) -> Check:
    """Return whether gradient and curvature show a minimum."""
    search = optimum.search
    gradient = float(np.linalg.norm(search.at.gradient))
    numbers = (
        f"gradient {gradient:.1e}, smallest curvature {search.smallest_curvature:.1e} of the largest, "
        f"{search.iterations} iteration(s) from {optimum.starts} start(s)"
    )
    if optimum.verified:
        return Check(name="optimum", status="ok", message=f"The optimum was verified: {numbers}.")
    return Check(
        name="optimum", status="fail",
        message=f"No optimum could be verified ({numbers}), so no estimate is given. Simplify the random "
        "part, for instance by leaving out a slope.",
    )  # fmt: skip


def identified_check(optimum: Optimum) -> Check:
    """Return whether the data inform every variance and covariance: no flat direction among them."""
    bend = optimum.search.at.bend
    size = np.abs(bend.diagonal())
    flat = bool((size <= FLAT * size.max()).any())
    if not flat and len(size) > 1:
        unit = 1.0 / np.sqrt(size)
        flat = bool(np.abs(np.linalg.eigvalsh(bend * (unit[:, None] * unit))).min() <= FLAT)
    if not flat:
        return Check(name="identified", status="ok", message="The data inform every variance and covariance.")
    return Check(
        name="identified", status="warn",
        message="The data do not inform every variance and covariance (as when no cluster has both of two "
        "categories), so at least one of them is arbitrary. Simplify the random part.",
    )  # fmt: skip


def boundary_check(optimum: Optimum, design: Design, scaled: Standardised) -> Check:
    """Return which variances are zero and which correlations are +-1."""
    found = []
    for level, number in optimum.boundary:
        part = design.levels[level]
        block = part.blocks[number]
        B = scaled.B[level]
        covariance = B @ optimum.search.at.G[level] @ B.T
        found.append(_boundary_words(part.clusters.name, [part.names[i] for i in block],
                                     covariance[np.ix_(block, block)]))  # fmt: skip
    if not found:
        return Check(name="boundary", status="ok", message="No variance is zero and no correlation is one.")
    sentence = "; ".join(found)
    return Check(
        name="boundary", status="warn",
        message=f"{sentence[0].upper()}{sentence[1:]}. This is the true optimum: variance added there makes "
        "the fit worse. The fixed effects hold; they do not say that the variance is nil in the population.",
    )  # fmt: skip


def _boundary_words(cluster: str, names: list[str], G: np.ndarray) -> str:
    effect = "" if names == ["(Intercept)"] else f" of {names[0]}"
    if len(names) == 1:
        return (
            f"the between-{cluster} variance{effect} is estimated as zero: the data show no more difference "
            "between clusters than chance gives"
        )
    # A variance set to zero leaves at most the square of rounding.
    zero = [name for name, v in zip(names, np.diag(G), strict=True) if v <= 1e-14]
    if zero:
        return (
            f"the between-{cluster} variance of {', '.join(zero)} is estimated as zero: the data show no "
            "more difference between clusters than chance gives"
        )
    if len(names) == 2:
        sign = "+1" if G[0, 1] > 0 else "-1"
        return f"the between-{cluster} correlation of {names[0]} and {names[1]} is estimated as {sign}"
    return f"the between-{cluster} covariance matrix of {', '.join(names)} is estimated without full rank"


def data_checks(design: Design, scaled: Standardised) -> list[Check]:
    """Return the checks on collinear columns, missing rows, few clusters and clusters of one."""
    return [
        _collinear(design, scaled),
        _missing_rows(design),
        _few_clusters(design),
        _clusters_of_one(design),
        *_crossed(design),
        *_offset(design),
        *bearable_checks(design),
    ]


def _offset(design: Design) -> list[Check]:
    if design.offset is None:
        return []
    message = "The offset was taken from the outcome before the fit; predictions add it."
    return [Check(name="offset", status="info", message=message)]


def _crossed(design: Design) -> list[Check]:
    """Return which levels are crossed: ids that start anew in each upper cluster look the same."""
    levels = [level.clusters for level in design.levels]
    found = [crossed_words(a, b) for a, b in combinations(levels, 2) if not nested(a, b)]
    if not found:
        return []
    return [Check(name="crossed", status="info", message=" ".join(["Crossed levels were fitted.", *found]))]


def _collinear(design: Design, scaled: Standardised) -> Check:
    dropped = [design.names[j] for j in scaled.dropped]
    if not dropped:
        return Check(
            name="collinear", status="ok", message="No predictor is a linear combination of the others."
        )
    return Check(
        name="collinear", status="warn",
        message=f"Dropped as linear combinations of the terms before them: {', '.join(dropped)}.",
    )  # fmt: skip


def _missing_rows(design: Design) -> Check:
    if not design.n_dropped:
        return Check(name="missing_rows", status="ok", message="Every row has all variables of the model.")
    n = design.n_dropped + len(design.y)
    listed = ", ".join(f"{name} {count}" for name, count in design.missing.items())
    return Check(
        name="missing_rows", status="info",
        message=f"{design.n_dropped} of {n} rows were left out because a variable is missing (missing "
        f"values: {listed}). The estimates hold if the outcome is missing at random given the model.",
    )  # fmt: skip


def _few_clusters(design: Design) -> Check:
    few = [level.clusters for level in design.levels if level.clusters.size < FEW]
    if not few:
        return Check(name="few_clusters", status="ok", message=f"Every level has at least {FEW} clusters.")
    listed = ", ".join(f"{c.name} has {c.size}" for c in few)
    remedy = ", ".join(f"factor({c.name})" for c in few)
    return Check(
        name="few_clusters", status="warn",
        message=f"{listed} clusters, too few to estimate a variance between them well. Fixed effects of the "
        f"clusters, {remedy}, are an alternative where no predictor varies between them only.",
    )  # fmt: skip


def _clusters_of_one(design: Design) -> Check:
    lowest = design.levels[0].clusters
    ones = int(np.count_nonzero(np.bincount(lowest.codes, minlength=lowest.size) == 1))
    if not ones:
        return Check(
            name="clusters_of_one", status="ok", message=f"Every {lowest.name} has at least two rows."
        )
    return Check(
        name="clusters_of_one", status="info",
        message=f"{ones} of {lowest.size} clusters of '{lowest.name}' have one row. They count for the "
        "coefficients but say little about the variance within clusters.",
    )  # fmt: skip
