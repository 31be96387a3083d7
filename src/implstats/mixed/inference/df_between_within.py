"""Between-within degrees of freedom, for ML fits at the boundary.

Each coefficient is counted at the level where its column varies. Levels 1 .. L from the top, m_i clusters at
level i, m_0 = 1 with an intercept (else 0), m_(L+1) = n rows, p_i coefficients estimated at level i:

    df_i = m_i - (m_(i-1) + p_i)

A column belongs to the highest level i within whose clusters it is constant, or at which it has a random
slope
(containment); a column that varies inside the lowest clusters belongs to the rows. The intercept is
estimated at the top level (nlme reports the row level for it, which a few clusters cannot support) but not
counted
in p_i, since m_0 counts it. A df below 1 is not available.
References: Pinheiro & Bates (2000), Mixed-Effects Models in S and S-PLUS, section 2.4.2;
Schluchter & Elashoff (1990), J. Stat. Comput. Simul. 37, 69-87.
"""

from __future__ import annotations

import numpy as np

from implstats.mixed.design.build import Design

SAME = 1e-10  # spread within a cluster, as a share of the column's, that is rounding


def between_within_df(design: Design, kept: tuple[int, ...]) -> np.ndarray:
    """Return the df of each kept coefficient, (p,); NaN where none is left, and for crossed levels.

    Parameters
    ----------
    design : Design
    kept : tuple of int
        Columns of ``design.X`` in the model.
    """
    if design.crossed:
        return np.full(len(kept), np.nan)
    top_down = list(reversed(design.levels))
    sizes = [1 if design.intercept else 0, *(level.clusters.size for level in top_down), len(design.y)]
    at = np.array([_level_of(design, j) for j in kept])
    intercept = np.array([design.intercept and j == 0 for j in kept])
    df = np.full(len(kept), np.nan)
    for i in range(1, len(sizes)):
        here = at == i
        left = sizes[i] - sizes[i - 1] - int(np.sum(here & ~intercept))
        df[here] = left if left >= 1 else np.nan
    return df


def _level_of(design: Design, j: int) -> int:
    """Return the level, 1 from the top, where column j of X is estimated; L + 1 for the rows."""
    x = design.X[:, j]
    for i, level in enumerate(reversed(design.levels), start=1):
        if design.names[j] in level.names:
            return i
        if _constant_within(x, level.clusters.codes, level.clusters.first):
            return i
    return len(design.levels) + 1


def _constant_within(x: np.ndarray, codes: np.ndarray, first: np.ndarray) -> bool:
    """Return whether x has one value in each cluster."""
    spread = np.abs(x - x[first][codes]).max()
    return bool(spread <= SAME * max(float(np.ptp(x)), float(np.abs(x).max())))
