"""Coordinates in which the arithmetic of a generalised model is safe, and the way back.

The fixed part is centred (thresholds or the intercept take up the centre), scaled, and replaced by sqrt(n) Q
of its thin QR, so that coefficients are of one size and near-collinear columns cost no digits:

    b = M b*        thresholds = a* + mean' b   (ordinal)        u = B u*,  G = B G* B'

The random part is mapped as in `design.standardise`; its record is used, with y left as it is (scale 1,
shift 0).
"""

from __future__ import annotations

import numpy as np

from implstats.errors import DataError, ModelError, UsageError
from implstats.mixed.design.build import Design, RandomPart
from implstats.mixed.design.standardise import COLLINEAR, Standardised


def safe_coordinates(design: Design, *, thresholds: int) -> tuple[Standardised, np.ndarray]:
    """Return the model in safe coordinates, and the map (thresholds, p) from coefficients to threshold
    shifts.

    Parameters
    ----------
    thresholds : int
        Number of thresholds of an ordinal model, which take the place of the intercept; else 0.

    Raises
    ------
    UsageError
        An ordinal model without intercept: the thresholds are the intercepts.
    ModelError, DataError
        As many coefficients as rows; a random slope that does not vary.
    """
    n = len(design.y)
    if thresholds and not design.intercept:
        raise UsageError(
            "An ordinal model has thresholds for an intercept, so '0 +' has no meaning; drop it."
        )
    first = 1 if thresholds else 0
    centre = design.intercept
    X = design.X[:, first:]
    mean = X.mean(axis=0) if centre else np.zeros(X.shape[1])
    if centre and not thresholds:
        mean[0] = 0.0
    columns = X - mean
    size = np.sqrt(np.einsum("ij,ij->j", columns, columns) / n)
    size[size == 0.0] = 1.0
    Q, R, kept = _thin_qr(columns / size)
    p = len(kept)
    if p + thresholds >= n:
        raise ModelError(
            f"The model has {p + thresholds} coefficients for {n} rows in use; more rows are needed."
        )
    A = np.diag(1.0 / size)
    if centre and not thresholds:
        A[0] -= np.where(np.arange(len(size)) == 0, 0.0, mean / size)
    M = np.sqrt(n) * A[np.ix_(kept, kept)] @ np.linalg.inv(R)
    blocks = [_random_map(level) for level in design.levels]
    record = Standardised(
        Q=np.sqrt(n) * Q, y=design.y,
        Z=[level.Z @ B for level, B in zip(design.levels, blocks, strict=True)], M=M, shift=np.zeros(p),
        scale=1.0, B=blocks, kept=tuple(first + j for j in kept),
        dropped=tuple(first + j for j in range(X.shape[1]) if j not in kept), constant_ml=0.0,
        constant_reml=0.0,
    )  # fmt: skip
    return record, np.tile(mean[kept] @ M, (thresholds, 1))


def _thin_qr(columns: np.ndarray) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """Return Q (n, p), R (p, p) and the columns kept; a dependent column is left out, first come first
    kept."""
    kept = list(range(columns.shape[1]))
    while True:
        Q, R = np.linalg.qr(columns[:, kept])
        size = np.sqrt(np.sum(R**2, axis=0))
        own = np.abs(np.diag(R[: len(kept)]))
        short = np.flatnonzero(own <= COLLINEAR * size[: len(own)])
        if not len(short) and len(own) == len(kept):
            return Q, R, kept
        del kept[int(short[0]) if len(short) else len(own)]


def _random_map(level: RandomPart) -> np.ndarray:
    """Return B, (q, q): columns scaled by powers of two, and centred in blocks that hold an intercept."""
    B = np.eye(len(level.names))
    for block in level.blocks:
        centred = level.names[block[0]] == "(Intercept)"
        for j in block[1:] if centred else block:
            z = level.Z[:, j]
            centre = float(z.mean()) if centred else 0.0
            size = float(np.sqrt(np.mean((z - centre) ** 2)))
            if size <= 1e-12 * max(1.0, abs(centre)):
                raise DataError(
                    f"'{level.names[j]}' does not vary in the rows in use, so '{level.clusters.name}' has no "
                    "slope of it."
                )
            B[j, j] = 2.0 ** -np.rint(np.log2(size))
            if centred:
                B[block[0], j] = -centre * B[j, j]
    return B
