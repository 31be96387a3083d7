"""Which criterion a sample calls for: of complete persons' moments, or of all answers; in all groups.

F = sum_g (n_g / n) F_g,   gradient and information likewise: all groups share one vector theta

Under least squares n_g - 1 takes the place of n_g, so that (n - G) F is chi-square (Browne 1984).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from implstats.sem.data.groups import GroupedSample
from implstats.sem.data.sample import Sample
from implstats.sem.estimators.fiml import evaluate_fiml
from implstats.sem.estimators.least_squares import evaluate_least_squares
from implstats.sem.estimators.ml import Curvature, Evaluation, evaluate_ml
from implstats.sem.estimators.optimise import Criterion
from implstats.sem.model.matrices import Structure

Array = NDArray[np.float64]


def criterion_of(structures: Sequence[Structure], sample: GroupedSample) -> Criterion:
    """Return F with its derivatives as a function of theta, shape (q,), and the curvature asked for."""
    share = sample.share_of_criterion

    def criterion(theta: Array, curvature: Curvature) -> Evaluation:
        blocks = []
        for structure, group in zip(structures, sample.groups, strict=True):
            block = evaluate_group(structure, group, theta, curvature)
            if not np.isfinite(block.value):
                return Evaluation(value=np.inf)
            blocks.append(block)
        return combined(blocks, share)

    return criterion


def evaluate_group(structure: Structure, sample: Sample, theta: Array, curvature: Curvature) -> Evaluation:
    """Return one group's criterion F_g with its derivatives in theta, shape (q,)."""
    if sample.least_squares is not None:
        return evaluate_least_squares(structure, sample.least_squares, theta, curvature)
    if sample.incomplete is None:
        return evaluate_ml(structure, sample.moments, theta, curvature)
    return evaluate_fiml(structure, sample.incomplete.patterns, theta, curvature)


def combined(blocks: Sequence[Evaluation], share: Sequence[float]) -> Evaluation:
    """Return the weighted sum of the groups' criteria."""
    value = sum(s * block.value for s, block in zip(share, blocks, strict=True))
    gradient: Array | None = None
    information: Array | None = None
    for s, block in zip(share, blocks, strict=True):
        if block.gradient is None or block.information is None:
            return Evaluation(value=value, blocks=tuple(blocks))
        gradient = s * block.gradient if gradient is None else gradient + s * block.gradient
        information = s * block.information if information is None else information + s * block.information
    return Evaluation(value=value, gradient=gradient, information=information, blocks=tuple(blocks))
