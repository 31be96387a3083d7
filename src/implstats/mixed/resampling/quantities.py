"""What a bootstrap gives intervals for: coefficients, covariances, the residual variance, ICCs, one's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from implstats.errors import UsageError
from implstats.mixed.resampling.records import Refits

Statistic = Callable[[Refits], np.ndarray]


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantities:
    """Names (quantity, cluster, term), (k,), and values, (R, k)."""

    names: tuple[tuple[str, str, str], ...]
    values: np.ndarray


def quantities(refits: Refits, statistic: Statistic | None) -> Quantities:
    """Return all quantities of some refits; ``statistic`` adds its own columns, (R,) or (R, m)."""
    names = [("coefficient", "", term) for term in refits.terms]
    columns = [refits.beta, refits.covariances, refits.sigma2[:, None]]
    for cluster, one, two in refits.components:
        same = one == two
        names.append(("variance" if same else "covariance", cluster, one if same else f"{one} ~~ {two}"))
    names.append(("variance", "residual", ""))
    if all(one == two == "(Intercept)" for _, one, two in refits.components):
        total = refits.covariances.sum(axis=1) + refits.sigma2
        columns.append(refits.covariances / total[:, None])
        names += [("icc", cluster, "") for cluster, _, _ in refits.components]
    if statistic is not None:
        own = _own(refits, statistic)
        columns.append(own)
        names += [("statistic", "", str(k + 1)) for k in range(own.shape[1])]
    return Quantities(names=tuple(names), values=np.concatenate(columns, axis=1))


def _own(refits: Refits, statistic: Statistic) -> np.ndarray:
    own = np.asarray(statistic(refits), dtype=float)
    own = own[:, None] if own.ndim == 1 else own
    if own.ndim != 2 or len(own) != len(refits.sigma2):
        raise UsageError(
            "The statistic takes the refits and returns one number, or one row, a refit: shape "
            f"({len(refits.sigma2)},) or ({len(refits.sigma2)}, m); it returned {own.shape}."
        )
    return own
