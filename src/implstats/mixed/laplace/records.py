"""From a verified optimum of a generalised model to the records of the result."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from implstats.mixed.design.build import Design
from implstats.mixed.design.standardise import Standardised
from implstats.mixed.laplace.boundary import Optimum
from implstats.mixed.laplace.nested import Nested
from implstats.mixed.results import LevelModes, Optimiser, RandomEffect

if TYPE_CHECKING:
    import pandas as pd


def random_effects(
    design: Design, scaled: Standardised, matrices: list[np.ndarray]
) -> tuple[RandomEffect, ...]:
    """Return the covariance matrices (in fit coordinates) in the effects' own coordinates."""
    out = []
    for part, G, B in zip(design.levels, matrices, scaled.B, strict=True):
        covariance = B @ G @ B.T
        sd = np.sqrt(np.maximum(np.diag(covariance), 0.0))
        for block in part.blocks:
            for i, row in enumerate(block):
                for col in block[: i + 1]:
                    own, product = row == col, float(sd[row] * sd[col])
                    corr = None if own or product == 0.0 else float(covariance[col, row]) / product
                    out.append(
                        RandomEffect(
                            cluster=part.clusters.name, term=part.names[col], term2=part.names[row],
                            covariance=float(covariance[col, row]), sd=float(sd[row]) if own else None,
                            corr=None if corr is None else float(np.clip(corr, -1.0, 1.0)),
                        )
                    )  # fmt: skip
    return tuple(out)


def optimiser(optimum: Optimum) -> Optimiser:
    """Return how the optimum was reached; each factor's column with the sign that makes its diagonal
    positive."""
    search = optimum.search
    theta: list[float] = []
    for factor in search.at.factors:
        signs = np.where(np.diag(factor) < 0.0, -1.0, 1.0)
        theta += [float(v) for v in (factor * signs)[np.tril_indices(len(factor))]]
    return Optimiser(
        iterations=search.iterations, evaluations=search.evaluations, starts=optimum.starts,
        gradient_norm=float(np.linalg.norm(search.at.gradient)), decrement=search.decrement,
        smallest_curvature=search.smallest_curvature,
        one_sided_slope=float(optimum.one_sided) if optimum.boundary else None, theta=tuple(theta),
    )  # fmt: skip


def modes(
    design: Design, scaled: Standardised, nested: Nested, optimum: Optimum, data: pd.DataFrame
) -> tuple[LevelModes, ...]:
    """Return the conditional modes of each level in the design's order of clusters."""
    at = optimum.search.at
    out = []
    for part, number, v, L, B in zip(
        design.levels, nested.number, at.mode.v, at.factors, scaled.B, strict=True
    ):
        values = np.empty((len(number), len(L)))
        values[number] = (B @ L @ v).T
        ids = {c: data[c].to_numpy()[design.rows[part.clusters.first]] for c in part.clusters.columns}
        out.append(LevelModes(cluster=part.clusters.name, ids=ids, terms=part.names, values=values))
    return tuple(out)
