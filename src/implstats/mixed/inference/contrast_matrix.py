"""What a user may give as contrasts: a matrix, or weights by the coefficients' names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from implstats.errors import ProblemsError, UsageError, did_you_mean


def read_contrasts(
    L: np.ndarray | Sequence[object] | Mapping[str, Mapping[str, float]],
    names: Sequence[str] | None, terms: tuple[str, ...],
) -> tuple[np.ndarray, list[str]]:  # fmt: skip
    """Return L, (k, p), and the contrasts' names; refuse what does not fit the coefficients ``terms``."""
    if isinstance(L, Mapping):
        matrix, labels = _from_names(L, terms), [str(name) for name in L]
    else:
        try:
            matrix = np.atleast_2d(np.asarray(L, dtype=float))
        except (TypeError, ValueError) as error:
            raise UsageError(
                "L is a matrix of weights, or a mapping such as {'b - c': {'waveb': 1, 'wavec': -1}}."
            ) from error
        labels = [f"contrast {k + 1}" for k in range(len(matrix))]
    if matrix.ndim != 2 or matrix.shape[1] != len(terms) or len(matrix) == 0:
        raise UsageError(
            f"L has one column a coefficient, {len(terms)} here ({', '.join(terms)}), and at least one row; "
            f"its shape is {matrix.shape}."
        )
    if not np.all(np.isfinite(matrix)):
        raise UsageError("L holds weights that are missing or infinite.")
    empty = [labels[k] for k in np.flatnonzero(~matrix.any(axis=1))]
    if empty:
        raise UsageError(f"These contrasts have only zero weights: {', '.join(empty)}. Drop them.")
    if names is not None:
        labels = [str(name) for name in names]
        if len(labels) != len(matrix):
            raise UsageError(f"names has {len(labels)} entries for {len(matrix)} contrasts.")
    return matrix, labels


def _from_names(L: Mapping[str, Mapping[str, float]], terms: tuple[str, ...]) -> np.ndarray:
    problems = [
        f"contrast '{name}': '{term}' is not a coefficient{did_you_mean(term, terms)}"
        for name, weights in L.items() for term in weights if term not in terms
    ]  # fmt: skip
    if problems:
        raise ProblemsError("L", problems)
    matrix = np.zeros((len(L), len(terms)))
    for k, weights in enumerate(L.values()):
        for term, weight in weights.items():
            matrix[k, terms.index(term)] = float(weight)
    return matrix


def read_null(rhs: Sequence[float] | float | None, k: int) -> np.ndarray:
    """Return the values under the hypothesis, (k,)."""
    null = np.zeros(k) if rhs is None else np.asarray(rhs, dtype=float)
    if null.ndim == 0:
        null = np.full(k, float(null))
    if null.shape != (k,) or not np.all(np.isfinite(null)):
        raise UsageError(f"rhs is one finite number, or {k}, one a contrast; its shape is {null.shape}.")
    return null
