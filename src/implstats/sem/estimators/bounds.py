"""Linear inequalities that no parameters can meet, found before the search and named.

With the linear equalities taken out, theta = theta_0 + Z u, the inequalities are

    A Z u + (A theta_0 + b) >= 0,

a linear program without objective. Where it has no solution, constraints are left out one after the other as
long as the rest still has none; what remains is a smallest set that contradicts itself (Chinneck & Dravnieks
1991, the deletion filter).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from implstats.sem.estimators.constraints import Constraints, Space
from implstats.sem.language.constraints import Constraint
from implstats.sem.language.syntax import ModelTextError

Array = NDArray[np.float64]
# Bounds that touch (u > 2 and u < 2) leave a point, which rounding must not take away.
TOUCHING = 1e-9
# A row of A Z this short says nothing of u: the equalities have settled the inequality.
SETTLED = 1e-12


def refuse_contradictory_bounds(constraints: Constraints, space: Space) -> None:
    """Raise where the linear inequalities and equalities cannot hold together.

    Raises
    ------
    ModelTextError
        With the smallest set of inequalities that contradict each other or the equalities.
    """
    bounds = constraints.of(equality=False, linear=True)
    if not bounds:
        return
    value, A = constraints.evaluate(bounds, np.zeros(constraints.table.n_free))
    rows, offset = A @ space.basis, value + A @ space.origin
    if _possible(rows, offset):
        return
    kept = list(range(len(bounds)))
    for k in range(len(bounds)):
        others = [j for j in kept if j != k]
        if not _possible(rows[others], offset[others]):
            kept = others
    raise ModelTextError("The model", [_words([bounds[k] for k in kept], constraints)])


def _possible(rows: Array, offset: Array) -> bool:
    """Whether some u has rows u + offset >= 0."""
    moving = np.linalg.norm(rows, axis=1) > SETTLED
    if (offset[~moving] < -TOUCHING).any():
        return False
    rows, offset = rows[moving], offset[moving]
    if len(rows) < 2:
        return True
    from scipy.optimize import linprog

    q = rows.shape[1]
    answer = linprog(np.zeros(q), A_ub=-rows, b_ub=offset + TOUCHING, bounds=[(None, None)] * q)
    return int(answer.status) != 2


def _words(found: Sequence[Constraint], constraints: Constraints) -> str:
    texts = " and ".join(f"'{c.text}'" for c in found)
    equal = constraints.of(equality=True, linear=True)
    besides = f" beside {' and '.join(repr(c.text) for c in equal)}" if equal else ""
    return f"line {found[-1].line}: no values meet {texts}{besides}; leave one out"
