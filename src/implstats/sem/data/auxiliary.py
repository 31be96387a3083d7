"""Auxiliary variables under full information: saturated correlates.

Variables outside the model that tell why answers are missing, or what they would have been, are correlated
freely with each other, with predictors and with the residuals of all observed variables (Graham 2003). They
use up all of their moments, so that the model's degrees of freedom and meaning stay. The baseline of CFI and
TLI keeps these covariances too and fixes only those among the model's own variables at zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from implstats.errors import DataError, UsageError
from implstats.sem.data.fiml_sample import take_incomplete_sample
from implstats.sem.data.patterns import Patterns
from implstats.sem.data.sample import Sample
from implstats.sem.data.saturated import available_moments, pack, saturated_criterion, unpack
from implstats.sem.estimators.incomplete import pair_index
from implstats.sem.estimators.ml import Curvature, Evaluation
from implstats.sem.estimators.optimise import minimise
from implstats.sem.language.names import find_names
from implstats.sem.language.syntax import ModelText, parse_model

Array = NDArray[np.float64]
# What a further Newton step may still gain in n F.
LEFT = 1e-9


def with_auxiliary(model: str, text: ModelText, auxiliary: Sequence[str]) -> ModelText:
    """Return the model with its auxiliary variables correlated with everything observed.

    Raises
    ------
    UsageError
        A variable that the model holds already, or named twice.
    """
    names = find_names(text.terms)
    known = [*names.observed, *names.latent]
    twice = [name for name in dict.fromkeys(auxiliary) if list(auxiliary).count(name) > 1]
    inside = [name for name in auxiliary if name in known]
    if inside or twice:
        raise UsageError(
            f"auxiliary: {', '.join([*inside, *twice])} stands in the model or is named twice. Name "
            "variables outside the model, each once."
        )
    lines = [f"{a} ~~ {v}" for a in auxiliary for v in names.observed]
    lines += [f"{a} ~~ {b}" for a, b in [*combinations(auxiliary, 2), *combinations(names.x, 2)]]
    return parse_model(model + "\n" + "\n".join(lines))


def take_sample_with_auxiliary(
    values: Array, names: Sequence[str], x: Sequence[str], *, auxiliary: Sequence[str]
) -> Sample:
    """Return the full-information sample with the baseline that keeps the auxiliary variables' covariances.

    Raises
    ------
    DataError
        As :func:`implstats.sem.data.fiml_sample.take_incomplete_sample`, or a baseline without a maximum.
    """
    sample = take_incomplete_sample(values, names, x)
    if sample.incomplete is None:
        raise AssertionError("full information keeps its patterns")
    places = tuple(list(names).index(name) for name in auxiliary)
    baseline = baseline_with(sample.incomplete.patterns, places)
    return replace(sample, incomplete=replace(sample.incomplete, baseline=baseline, auxiliary=places))


def baseline_with(patterns: Patterns, auxiliary: Sequence[int]) -> tuple[Array, Array]:
    """Return Sigma and mu of greatest likelihood with covariances for auxiliary variables alone."""
    variance, mean = available_moments(patterns)
    i, j, _ = pair_index(len(mean))
    keep = (i == j) | np.isin(i, auxiliary) | np.isin(j, auxiliary)
    free = np.concatenate([np.flatnonzero(keep), len(i) + np.arange(len(mean))])
    start = pack(np.diag(variance), mean)
    full = saturated_criterion(patterns)

    def criterion(vector: Array, curvature: Curvature) -> Evaluation:
        point = start.copy()
        point[free] = vector
        found = full(point, curvature)
        if found.gradient is None or found.information is None:
            return found
        return replace(
            found, gradient=found.gradient[free], information=found.information[np.ix_(free, free)]
        )

    optimum = minimise(criterion, start[free])
    if not patterns.n * optimum.decrement <= LEFT:
        raise DataError(
            "The baseline model with auxiliary variables has no proper maximum: too few persons answered "
            "them together with the others. Leave some auxiliary variables out."
        )
    start[free] = optimum.theta
    return unpack(start, len(mean))
