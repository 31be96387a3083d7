"""Were two models fitted to the same data in the same way? Only then can their tests be compared."""

from __future__ import annotations

import numpy as np

from implstats.errors import UsageError
from implstats.sem.fitted import Estimated

# Moments of the same persons in another order of the variables differ by rounding.
SAME = 1e-10


def refuse_other_data(one: Estimated, zero: Estimated) -> None:
    """Raise :class:`UsageError` with every way in which two fits are not of the same data."""
    problems = []
    a, b = one.options, zero.options
    for what in ("estimator", "missing", "group", "cluster", "test"):
        if getattr(a, what) != getattr(b, what):
            problems.append(f"{what} is {getattr(a, what)} in one and {getattr(b, what)} in the other")
    if not problems and a.structured_trace != b.structured_trace:
        problems.append("the estimator is ML in one and MLR in the other")
    names, others = set(one.table.names.observed), set(zero.table.names.observed)
    if names != others:
        only = ", ".join(sorted(names ^ others)[:8])
        problems.append(f"they do not hold the same observed variables ({only})")
    elif a.ordered and one.table.names.observed != zero.table.names.observed:
        problems.append("their ordered items stand in another order; write them in the same order")
    if set(a.ordered) != set(b.ordered) or (a.ordered and a.parameterization != b.parameterization):
        problems.append("ordered items or their parameterization differ")
    if one.sample.labels != zero.sample.labels:
        problems.append("their groups differ")
    elif one.sample.n != zero.sample.n:
        problems.append(f"they rest on {one.sample.n} and {zero.sample.n} persons")
    elif not problems and not _same_moments(one, zero):
        problems.append("their sample moments differ, so they rest on different answers")
    if one.table.means != zero.table.means:
        problems.append("one models means and the other does not; set meanstructure in both")
    if len(one.table.names.x) != len(zero.table.names.x):
        problems.append("predictors are fixed in one and modelled in the other")
    if problems:
        raise UsageError(f"The two fits cannot be compared: {'; '.join(problems)}.")


def _same_moments(one: Estimated, zero: Estimated) -> bool:
    order = [zero.table.names.observed.index(name) for name in one.table.names.observed]
    for mine, other in zip(one.sample.groups, zero.sample.groups, strict=True):
        cov, mean = other.moments.cov[np.ix_(order, order)], other.moments.mean[order]
        scale = float(np.abs(mine.moments.cov).max())
        if np.abs(mine.moments.cov - cov).max() > SAME * scale:
            return False
        if np.abs(mine.moments.mean - mean).max() > SAME * max(scale, float(np.abs(mean).max())):
            return False
    return True
