"""Which criterion a sample calls for: of complete persons' moments, or of all answers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from implstats.sem.data.sample import Sample
from implstats.sem.estimators.fiml import evaluate_fiml
from implstats.sem.estimators.ml import Curvature, Evaluation, evaluate_ml
from implstats.sem.estimators.optimise import Criterion
from implstats.sem.model.matrices import Structure

Array = NDArray[np.float64]


def criterion_of(structure: Structure, sample: Sample) -> Criterion:
    """Return F with its derivatives as a function of theta, shape (q,), and the curvature asked for."""
    incomplete = sample.incomplete

    def complete(theta: Array, curvature: Curvature) -> Evaluation:
        return evaluate_ml(structure, sample.moments, theta, curvature)

    if incomplete is None:
        return complete

    def with_gaps(theta: Array, curvature: Curvature) -> Evaluation:
        return evaluate_fiml(structure, incomplete.patterns, theta, curvature)

    return with_gaps
