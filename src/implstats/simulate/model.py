"""A three-level linear model of latent true scores, and what it implies.

For person p of institution i at wave t, the vector eta (C constructs, latent standard units) is

    eta_ipt = mu_t + v_i + u_ip + e_ipt                       mu_t = (I - B_person)^-1 gamma * t
    v_i  = (I - B_institution)^-1 zeta_i      zeta_i   ~ N(0, Psi_institution)
    u_ip = (I - B_person)^-1 zeta_ip          zeta_ip  ~ N(0, Psi_person)
    e_ipt = (I - B_occasion)^-1 zeta_ipt      zeta_ipt ~ N(0, Psi_occasion)

B (C, C) holds the structural paths, row = outcome; a path may differ between the institution level and the
two lower levels, which is what a contextual effect is. gamma (C,) is growth a year before it travels along
paths. Psi of a level is ``sqrt(w_a w_b) * R_ab`` with w = unique variance times the level's share and R one
correlation matrix for all levels.

Reference: the levels follow Raudenbush & Bryk (2002), Hierarchical Linear Models, chapters 6 and 8.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Level = Literal["institution", "person", "occasion"]
LEVELS: tuple[Level, ...] = ("institution", "person", "occasion")
Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Construct:
    """One latent construct and the items that measure it.

    Attributes
    ----------
    name : str
        English name, also the scale's name in the study file.
    label : str
        Norwegian label.
    prefix : str
        Item k is the column ``prefix + k``.
    loadings : tuple of float
        Correlation of each item's continuous answer with a standard-normal construct; empty without items.
    reverse : tuple of int
        Item numbers (from 1) worded against the construct.
    shares : tuple of float
        Shares of the unique variance at institution, person and occasion level; they sum to 1.
    unique : float
        Variance that the paths do not explain, latent units.
    growth : float
        Growth a year before paths, latent units.
    minimum, maximum : int
        Answer categories.
    centre : float
        Continuous answer of an average person at the first wave, in answer units.
    first_item : int
        Number of the first item, so that subscales can share a prefix.
    """

    name: str
    label: str
    prefix: str = ""
    loadings: tuple[float, ...] = ()
    reverse: tuple[int, ...] = ()
    shares: tuple[float, float, float] = (0.08, 0.44, 0.48)
    unique: float = 1.0
    growth: float = 0.0
    minimum: int = 1
    maximum: int = 5
    centre: float = 3.2
    first_item: int = 1

    @property
    def items(self) -> list[str]:
        """Column names of the items."""
        return [f"{self.prefix}{self.first_item + k}" for k in range(len(self.loadings))]

    @property
    def reversed_items(self) -> list[str]:
        """Column names of the items worded against the construct."""
        return [f"{self.prefix}{k}" for k in self.reverse]


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """A structural path; ``institution`` is its size at the institution level when that differs."""

    outcome: str
    predictor: str
    size: float
    institution: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """Constructs, paths between them and correlations of their unique parts."""

    constructs: tuple[Construct, ...]
    paths: tuple[Path, ...]
    correlations: tuple[tuple[str, str, float], ...]

    def index(self, name: str) -> int:
        """Position of a construct."""
        return [c.name for c in self.constructs].index(name)

    def construct(self, name: str) -> Construct:
        """The construct of that name."""
        return self.constructs[self.index(name)]

    @property
    def measured(self) -> list[Construct]:
        """Constructs that have items."""
        return [c for c in self.constructs if c.loadings]


def path_matrix(model: Model, *, level: Level) -> Array:
    """Return B of a level, shape (C, C), row = outcome."""
    size = len(model.constructs)
    paths = np.zeros((size, size))
    for path in model.paths:
        special = level == "institution" and path.institution is not None
        effect = path.institution if special else path.size
        paths[model.index(path.outcome), model.index(path.predictor)] = effect
    return paths


def unique_correlations(model: Model) -> Array:
    """Return R, shape (C, C): correlations of the unique parts, the same at every level."""
    correlations = np.eye(len(model.constructs))
    for one, other, value in model.correlations:
        a, b = model.index(one), model.index(other)
        correlations[a, b] = correlations[b, a] = value
    return correlations


def unique_covariance(model: Model, *, level: Level) -> Array:
    """Return Psi of a level, shape (C, C), latent units squared."""
    position = LEVELS.index(level)
    variance: Array = np.array([c.unique * c.shares[position] for c in model.constructs], dtype=np.float64)
    return unique_correlations(model) * np.sqrt(np.outer(variance, variance))


def total_effects(model: Model, *, level: Level) -> Array:
    """Return (I - B)^-1 of a level, shape (C, C)."""
    paths = path_matrix(model, level=level)
    return np.asarray(np.linalg.inv(np.eye(len(paths)) - paths), dtype=np.float64)


def level_covariance(model: Model, *, level: Level) -> Array:
    """Return the covariance of eta at a level, shape (C, C)."""
    effects = total_effects(model, level=level)
    return effects @ unique_covariance(model, level=level) @ effects.T


def yearly_growth(model: Model) -> Array:
    """Return growth a year of every construct with what travels along paths, shape (C,)."""
    growth = np.array([c.growth for c in model.constructs])
    return total_effects(model, level="person") @ growth


def draw_unique(model: Model, *, level: Level, size: int, rng: np.random.Generator) -> Array:
    """Draw zeta of a level for ``size`` units, shape (size, C)."""
    covariance = unique_covariance(model, level=level)
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.clip(values, 0.0, None))
    return rng.standard_normal((size, len(covariance))) @ root.T


def compose(model: Model, *, unique: Sequence[Array], rows: Sequence[NDArray[np.intp]], time: Array) -> Array:
    """Return eta, shape (n, C), from the levels' unique parts.

    Parameters
    ----------
    unique : three arrays
        zeta by institution, person and occasion, each (units, C).
    rows : three integer arrays of shape (n,)
        The unit of each row at each level.
    time : array of shape (n,)
        Years since the first wave.
    """
    eta = np.outer(time, yearly_growth(model))
    for level, parts, unit in zip(LEVELS, unique, rows, strict=True):
        eta += (parts @ total_effects(model, level=level).T)[unit]
    return eta
