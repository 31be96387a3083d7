"""Indices against the baseline model. X, d: the model's chi-square and df; X0, d0: the baseline's.

    cfi = 1 - max(X - d, 0) / max(X - d, X0 - d0, 0)          Bentler (1990)
    tli = nnfi = (X0/d0 - X/d) / (X0/d0 - 1)                   Tucker & Lewis (1973)
    nfi = (X0 - X) / X0;  pnfi = d/d0 nfi                      Bentler & Bonett (1980); James et al. (1982)
    rfi = (X0/d0 - X/d) / (X0/d0);  ifi = (X0 - X) / (X0 - d)  Bollen (1986, 1989)
    rni = 1 - (X - d) / (X0 - d0)                              McDonald & Marsh (1990)

A saturated model (d = 0) fits perfectly: 1 by definition. nfi and rfi do not exist for a model with more
degrees of freedom than its baseline, which equalities across groups can make.
"""

from __future__ import annotations

from implstats.sem.fit_indices.record import Index


def cfi(X: float, d: int, X0: float, d0: int) -> float:
    """Return the comparative fit index, truncated to [0, 1].

    >>> round(cfi(85.3055217697936, 24, 918.851589298966, 36), 6)
    0.93056
    """
    worst = max(X - d, X0 - d0, 0.0)
    return 1.0 - max(X - d, 0.0) / worst if worst > 0 else 1.0


def tli(X: float, d: int, X0: float, d0: int) -> float | None:
    """Return the Tucker-Lewis index (not truncated); ``None`` where the baseline fits as well as chance."""
    if d == 0:
        return 1.0
    denominator = (X0 - d0) * d
    return 1.0 - (X - d) * d0 / denominator if denominator else None


def _rfi(X: float, d: int, X0: float, d0: int) -> float | None:
    """Bollen's relative fit index; ``None`` for a model with more degrees of freedom than its baseline."""
    if d > d0:
        return None
    return 1.0 - (X / d) / (X0 / d0) if d else 1.0


def incremental(X: float, d: int, X0: float, d0: int) -> Index:
    """Return all indices of this family; ``None`` without a baseline to improve on."""
    names = ("cfi", "tli", "nnfi", "rfi", "nfi", "pnfi", "ifi", "rni")
    if d0 == 0 or X0 <= 0:
        return dict.fromkeys(names)
    nfi = (X0 - X) / X0 if d <= d0 else None
    the_tli = tli(X, d, X0, d0)
    return {
        "cfi": cfi(X, d, X0, d0), "tli": the_tli, "nnfi": the_tli,
        "rfi": _rfi(X, d, X0, d0), "nfi": nfi, "pnfi": d / d0 * (X0 - X) / X0,
        "ifi": (X0 - X) / (X0 - d) if d != X0 else None,
        "rni": (1.0 - (X - d) / (X0 - d0) if d0 != X0 else None) if d else 1.0,
    }  # fmt: skip
