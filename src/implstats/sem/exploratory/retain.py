"""How many factors? Eigenvalues beside chance, Velicer's partial correlations, and measures of adequacy.

parallel analysis   keep factor k while its eigenvalue exceeds the 95th percentile of the k-th eigenvalue of
                    random normal data of the same size (Horn 1965; Glorfeld 1995): components from R itself,
                    factors from R with the communalities of one minres factor on its diagonal
MAP                 the number of components whose removal leaves the smallest mean squared partial
                    correlation (Velicer 1976)
KMO                 sum r^2 / (sum r^2 + sum of squared partial correlations), off the diagonal (Kaiser 1974)
Bartlett            -(n - 1 - (2p + 5)/6) log|R|, chi-square with p(p - 1)/2 df (Bartlett 1951)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc

from implstats.sem.exploratory.extraction import BOUND

Array = NDArray[np.float64]

BATCH = 2_000_000  # numbers drawn at once
LEVEL = 0.95
SWEEPS = 1000
SETTLED = 1e-9
LARGEST = np.sqrt(1.0 - BOUND)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """The evidence on the number of factors.

    Attributes
    ----------
    components, factors : ndarray, (p,)
        Observed eigenvalues, largest first: of R, and with one factor's communalities on its diagonal.
    chance_components, chance_factors : ndarray, (p,)
        95th percentiles under no correlation: the line of the scree plot.
    n_components, n_factors : int
        Retained by parallel analysis.
    map : ndarray, (p,)
        Mean squared partial correlation after 0, 1, .. components.
    n_map : int
    kmo : float
        And ``kmo_items``, (p,).
    kmo_items : ndarray
    bartlett, bartlett_df, bartlett_p : float, int, float
    n_obs, draws, seed : int
    """

    components: Array
    factors: Array
    chance_components: Array
    chance_factors: Array
    n_components: int
    n_factors: int
    map: Array
    n_map: int
    kmo: float
    kmo_items: Array
    bartlett: float
    bartlett_df: int
    bartlett_p: float
    n_obs: int
    draws: int
    seed: int


def retention(R: Array, *, n: int, draws: int = 500, seed: int = 1) -> Retention:
    """Return the evidence for a correlation matrix (p, p) of n persons.

    >>> one = np.full((4, 4), 0.6) + 0.4 * np.eye(4)
    >>> found = retention(one, n=200, draws=50)
    >>> found.n_factors, found.n_map
    (1, 1)
    """
    components: Array = np.linalg.eigvalsh(R)[::-1].astype(float, copy=False)
    factors = _reduced_eigenvalues(R[None])[0]
    chance_components, chance_factors = _chance(n, len(R), draws, seed)
    partial = velicer(R)
    kmo, items = kaiser_meyer_olkin(R)
    df = len(R) * (len(R) - 1) // 2
    bartlett = -(n - 1 - (2 * len(R) + 5) / 6.0) * float(np.linalg.slogdet(R)[1])
    return Retention(
        components=components, factors=factors, chance_components=chance_components,
        chance_factors=chance_factors, n_components=_leading(components > chance_components),
        n_factors=_leading(factors > chance_factors), map=partial, n_map=int(np.argmin(partial)),
        kmo=kmo, kmo_items=items, bartlett=bartlett, bartlett_df=df, bartlett_p=float(chdtrc(df, bartlett)),
        n_obs=n, draws=draws, seed=seed,
    )  # fmt: skip


def _leading(above: NDArray[np.bool_]) -> int:
    """Number of leading eigenvalues above chance."""
    return int(np.argmin(above)) if not above.all() else len(above)


def _reduced_eigenvalues(R: Array) -> Array:
    """Return eigenvalues with one factor's communalities on the diagonal, largest first; R (draws, p, p)."""
    p = R.shape[-1]
    reduced = R.copy()
    reduced[:, range(p), range(p)] = one_factor(R) ** 2
    values: Array = np.linalg.eigvalsh(reduced)[:, ::-1].astype(float, copy=False)
    return values


def one_factor(R: Array) -> Array:
    """Return the minres loadings of one factor for each of many matrices, (draws, p).

    Each loading in turn is set to its least-squares value given the others (Harman & Jones 1966), within
    the bound of a Heywood case, until none changes.
    """
    p = R.shape[-1]
    t, w = np.linalg.eigh(R)
    loadings: Array = w[:, :, -1] * np.sqrt(t[:, -1:])
    for _ in range(SWEEPS):
        before = loadings.copy()
        for i in range(p):
            others = np.einsum("dj,dj->d", loadings, loadings) - loadings[:, i] ** 2
            fit = np.einsum("dj,dj->d", R[:, i], loadings) - loadings[:, i]
            loadings[:, i] = np.clip(fit / np.maximum(others, 1e-300), -LARGEST, LARGEST)
        if np.abs(loadings - before).max() < SETTLED:
            break
    return loadings


def _chance(n: int, p: int, draws: int, seed: int) -> tuple[Array, Array]:
    """Return percentiles of the eigenvalues of random normal data, components and factors."""
    rng = np.random.default_rng(seed)
    components, factors = np.empty((draws, p)), np.empty((draws, p))
    step = max(1, BATCH // (n * p))
    for at in range(0, draws, step):
        size = min(step, draws - at)
        Z = rng.normal(size=(size, n, p))
        Z -= Z.mean(axis=1, keepdims=True)
        S = np.swapaxes(Z, 1, 2) @ Z
        sd = np.sqrt(np.diagonal(S, axis1=1, axis2=2))
        R = S / (sd[:, :, None] * sd[:, None, :])
        components[at : at + size] = np.linalg.eigvalsh(R)[:, ::-1]
        factors[at : at + size] = _reduced_eigenvalues(R)
    return np.quantile(components, LEVEL, axis=0), np.quantile(factors, LEVEL, axis=0)


def velicer(R: Array) -> Array:
    """Return the mean squared partial correlation after 0 to p - 1 components are taken out, (p,)."""
    p = len(R)
    t, w = np.linalg.eigh(R)
    loadings = (w * np.sqrt(np.maximum(t, 0.0)))[:, ::-1]
    off = p * (p - 1)
    out = np.empty(p)
    for m in range(p):
        C = R - loadings[:, :m] @ loadings[:, :m].T
        size = np.sqrt(np.maximum(np.diag(C), 0.0))
        if np.any(size <= 1e-8):
            out[m:] = 1.0
            break
        partial = C / np.outer(size, size)
        out[m] = (np.sum(partial**2) - p) / off
    return out


def kaiser_meyer_olkin(R: Array) -> tuple[float, Array]:
    """Return the measure of sampling adequacy of all items and of each, (p,)."""
    inverse = np.linalg.inv(R)
    size = np.sqrt(np.diag(inverse))
    partial = inverse / np.outer(size, size)
    r2, q2 = R**2, partial**2
    np.fill_diagonal(r2, 0.0)
    np.fill_diagonal(q2, 0.0)
    return float(r2.sum() / (r2.sum() + q2.sum())), r2.sum(axis=1) / (r2.sum(axis=1) + q2.sum(axis=1))
