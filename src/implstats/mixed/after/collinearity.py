"""Collinearity of the fixed part: variance inflation factors and condition indices.

With R the correlation matrix of the estimates without the intercept, and t the columns of one term,

    GVIF_t = det(R_tt) det(R_-t,-t) / det(R),      GVIF^(1 / (2 df)) is comparable between terms

(for a term of one column and independent rows the ordinary variance inflation factor). The condition
indices are the largest singular value of X, columns at unit length and the intercept kept, over each of them;
a variance proportion p_kj says how much of coefficient j's variance goes with index k. An index above 30 with
two or more proportions above one half marks predictors that cannot be told apart.
References: Fox & Monette (1992), JASA 87, 178-183; Belsley, Kuh & Welsch (1980), Regression Diagnostics,
chapter 3.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from implstats.errors import ModelError
from implstats.mixed.after.linear import fitted_model
from implstats.mixed.results import MixedResult
from implstats.results import Check

if TYPE_CHECKING:
    import pandas as pd

LARGE_VIF = 10.0  # squared GVIF^(1/(2 df)); the usual mark (Belsley, Kuh & Welsch 1980)
LARGE_INDEX, LARGE_SHARE = 30.0, 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Collinearity:
    """Collinearity of the predictors in the model; p coefficients.

    Attributes
    ----------
    terms : tuple of str
        Terms of the fixed part that have columns in the model.
    gvif : ndarray
        One a term.
    df : ndarray of int
        Columns of each term.
    gvif_root : ndarray
        GVIF^(1 / (2 df)).
    coefficients : tuple of str, (p,)
    condition_indices : ndarray, (p,)
        Smallest first.
    proportions : ndarray, (p, p)
        Index by coefficient; columns add up to one.
    checks : tuple of Check
    """

    terms: tuple[str, ...]
    gvif: np.ndarray
    df: np.ndarray
    gvif_root: np.ndarray
    coefficients: tuple[str, ...]
    condition_indices: np.ndarray = field(repr=False)
    proportions: np.ndarray = field(repr=False)
    checks: tuple[Check, ...]

    @property
    def frame(self) -> pd.DataFrame:
        """One row a term: gvif, df, gvif_root."""
        import pandas as pd

        return pd.DataFrame(
            {"term": self.terms, "gvif": self.gvif, "df": self.df, "gvif_root": self.gvif_root}
        )


def collinearity(result: MixedResult) -> Collinearity:
    """Return variance inflation factors and condition indices of a Gaussian fit.

    Raises
    ------
    ModelError
        The fit failed, or the model has no predictor.

    Notes
    -----
    R: ``car::vif(m)``. Both use the covariance matrix that standard errors without the adjustment of Kenward
    and Roger have.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from implstats import mixed
    >>> rng = np.random.default_rng(1)
    >>> g, x = np.repeat(np.arange(10), 10), rng.normal(size=100)
    >>> frame = pd.DataFrame({"g": g, "x": x, "z": x + rng.normal(size=100), "y": rng.normal(size=100)})
    >>> collinearity(mixed.fit("y ~ x + z + (1 | g)", frame)).gvif.round(1).tolist()
    [1.7, 1.7]
    """
    model = fitted_model(result)
    design, kept, at = model.design, list(model.scaled.kept), model.optimum.search.at
    owner = np.array([design.owner[j] for j in kept])
    numbers = [int(k) for k in dict.fromkeys(owner[owner > 0])]
    if not numbers:
        raise ModelError("The fixed part has no predictor beside the intercept, so nothing can be collinear.")
    covariance = model.scaled.M @ at.C @ model.scaled.M.T
    gvif, df = inflation(covariance[np.ix_(owner > 0, owner > 0)], owner[owner > 0], numbers)
    index, proportions = condition(design.X[:, kept])
    root = gvif ** (1.0 / (2.0 * df))
    terms = tuple(design.terms[k - 1] for k in numbers)
    return Collinearity(
        terms=terms, gvif=gvif, df=df, gvif_root=root, coefficients=result.terms, condition_indices=index,
        proportions=proportions, checks=(_check(terms, root, result.terms, index, proportions),),
    )  # fmt: skip


def inflation(covariance: np.ndarray, owner: np.ndarray, numbers: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Return the GVIF and the number of columns of each term.

    Parameters
    ----------
    covariance : ndarray, (k, k)
        Of the coefficients but the intercept.
    owner : ndarray, (k,)
        Term of each coefficient.
    numbers : list of int
        The terms.
    """
    unit = 1.0 / np.sqrt(np.diag(covariance))
    R = covariance * np.outer(unit, unit)

    def log_det(which: np.ndarray) -> float:
        return float(np.linalg.slogdet(R[np.ix_(which, which)])[1])

    every = np.ones(len(R), dtype=bool)
    logs = [log_det(owner == k) + log_det(owner != k) - log_det(every) for k in numbers]
    return np.exp(logs), np.array([int(np.sum(owner == k)) for k in numbers])


def condition(X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the condition indices of X, smallest first, and the variance proportions, index by column."""
    scaled = X / np.sqrt(np.sum(X**2, axis=0))
    _, d, Vt = np.linalg.svd(scaled, full_matrices=False)
    share = (Vt / d[:, None]) ** 2
    return d[0] / d, share / share.sum(axis=0)


def _check(
    terms: tuple[str, ...],
    root: np.ndarray,
    names: tuple[str, ...],
    index: np.ndarray,
    proportions: np.ndarray,
) -> Check:
    found = [f"{t} ({r**2:.1f})" for t, r in zip(terms, root, strict=True) if r**2 > LARGE_VIF]
    together = [
        " and ".join(name for name, share in zip(names, row, strict=True) if share > LARGE_SHARE)
        for value, row in zip(index, proportions, strict=True)
        if value > LARGE_INDEX and np.sum(row > LARGE_SHARE) > 1
    ]
    problems = []
    if found:
        problems.append(f"variances are inflated more than {LARGE_VIF:g} times for {', '.join(found)}")
    if together:
        problems.append(f"the data hardly tell apart {'; '.join(together)}")
    if not problems:
        return Check(name="collinearity", status="ok", message="No predictors are hard to tell apart.")
    text = "; ".join(problems)
    return Check(
        name="collinearity", status="info",
        message=f"{text[0].upper()}{text[1:]}. Standard errors say so too; centre predictors of an "
        "interaction, or leave one out, if their own effects are the question.",
    )  # fmt: skip
