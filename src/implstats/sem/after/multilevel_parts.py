"""What the reliabilities of a two-level model rest on: each level's factors, items and matrices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from implstats.errors import ModelError
from implstats.sem.after.multilevel_omega import Composite, LevelPart
from implstats.sem.model.matrices import Structure
from implstats.sem.model.moments import Moments, implied_moments
from implstats.sem.two_level_record import TwoLevelResult

Array = NDArray[np.float64]
# A correlation matrix with a smaller eigenvalue lies on the boundary, where no normal theory holds.
INSIDE = 1e-6
Factors = list[tuple[str, int, tuple[str, ...]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoLevelParts:
    """A two-level fit as far as reliability needs it.

    Attributes
    ----------
    theta, covariance : ndarray, shapes (q,) and (q, q)
    structures : tuple of Structure
        Within and between.
    saturated : tuple of ndarray
        Sigma_w and Sigma_b of the saturated model, variables in the order of ``structures``.
    sizes, counts : ndarray, shape (S,)
        Sizes of clusters and how many have each.
    complete : bool
        Whether every person answered every item.
    """

    theta: Array
    covariance: Array
    structures: tuple[Structure, Structure]
    saturated: tuple[Array, Array]
    sizes: Array
    counts: Array
    complete: bool

    @property
    def h(self) -> float:
        """Mean of 1/n_j over clusters."""
        return float((self.counts / self.sizes).sum() / self.counts.sum())

    @property
    def n_clusters(self) -> int:
        """Number of clusters."""
        return int(self.counts.sum())

    def proper(self, composite: Composite) -> bool:
        """Whether both saturated matrices of the items are inside the set of covariance matrices."""
        blocks = (S[np.ix_(at, at)] for S, at in zip(self.saturated, composite.places, strict=True))
        return all(
            np.diag(block).min() > 0 and np.linalg.eigvalsh(_correlations(block))[0] > INSIDE
            for block in blocks
        )

    def at(self, theta: Array) -> tuple[LevelPart, LevelPart]:
        """Return both levels' parts at theta, shape (q,)."""
        within, between = (_level_part(s, implied_moments(s, theta)) for s in self.structures)
        return within, between


def _correlations(cov: Array) -> Array:
    sd = np.sqrt(np.diag(cov))
    return np.asarray(cov / np.outer(sd, sd))


def _level_part(structure: Structure, moments: Moments) -> LevelPart:
    """Effects are loadings; of a factor of factors, which has none, its total effects."""
    effects = moments.loading[:, : structure.n_latent].copy()
    direct = np.asarray(effects.any(axis=0))
    effects[:, ~direct] = moments.total[:, : structure.n_latent][:, ~direct]
    phi = moments.phi[: structure.n_latent, : structure.n_latent]
    return LevelPart(effects=effects, direct=direct, phi=phi, cov=moments.cov)


def composites(parts: TwoLevelParts) -> list[Composite]:
    """Return the sum scores of the model: factors of both levels with one set of items are one construct.

    Of several candidates the one of the same name is taken; without one, each stands for itself.
    """
    levels = parts.at(parts.theta)
    inner, outer = (_factors(s, part) for s, part in zip(parts.structures, levels, strict=True))
    pairs = {name: _partner(name, items, inner, outer) for name, _, items in outer}
    taken = {partner for partner in pairs.values() if partner is not None}
    columns = {name: (column, items) for name, column, items in inner}
    found = [_composite(parts, name, columns[name], None, None) for name in columns if name not in taken]
    for name, column, items in outer:
        partner = pairs[name]
        own = columns[partner] if partner is not None else None
        found.append(_composite(parts, partner, own, name, (column, items)))
    return found


def _factors(structure: Structure, part: LevelPart) -> Factors:
    """Name, column and items of each factor of two or more observed items."""
    out: Factors = []
    for column, name in enumerate(structure.eta[: structure.n_latent]):
        items = tuple(structure.observed[i] for i in np.flatnonzero(part.effects[:, column]))
        if len(items) > 1:
            out.append((name, column, items))
    return out


def _partner(name: str, items: tuple[str, ...], inner: Factors, outer: Factors) -> str | None:
    likely = [n for n, _, mine in inner if set(mine) == set(items)]
    if name in likely:
        return name
    rivals = [n for n, _, theirs in outer if set(theirs) == set(items)]
    return likely[0] if len(likely) == 1 and len(rivals) == 1 else None


def _composite(
    parts: TwoLevelParts, within: str | None, own: tuple[int, tuple[str, ...]] | None,
    between: str | None, other: tuple[int, tuple[str, ...]] | None,
) -> Composite:  # fmt: skip
    items = (other or own or (0, ()))[1]
    places = [
        np.array([s.observed.index(item) for item in items if item in s.observed], dtype=np.intp)
        for s in parts.structures
    ]
    names = dict.fromkeys(name for name in (within, between) if name is not None)
    return Composite(
        construct="/".join(names), items=items, within=places[0], between=places[1],
        factor_within=own[0] if own else None, factor_between=other[0] if other else None,
    )  # fmt: skip


def two_level_parts(result: TwoLevelResult) -> TwoLevelParts:
    """Return what a proper fit gives; :class:`ModelError` of a failed one."""
    fitted = result.fitted
    if fitted is None or result.covariance is None:
        raise ModelError("Reliability needs a fit that did not fail; mend the model first.")
    structures = fitted.structures
    saturated = [
        level.saturated_cov[np.ix_(at, at)]
        for level, at in (
            (level, [level.observed.index(name) for name in structure.observed])
            for level, structure in zip(result.levels, structures, strict=True)
        )
    ]
    return TwoLevelParts(
        theta=fitted.theta, covariance=result.covariance, structures=(structures[0], structures[1]),
        saturated=(saturated[0], saturated[1]), sizes=fitted.sample.sizes, counts=fitted.sample.counts,
        complete=result.missing != "fiml",
    )  # fmt: skip
