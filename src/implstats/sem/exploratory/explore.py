"""Exploratory factor analysis of items: read, check, extract, rotate, and say what may be trusted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc

from implstats.errors import DataError, ModelError, ProblemsError, UsageError, did_you_mean
from implstats.results import Check, Verdict, verdict_of
from implstats.sem.exploratory.extraction import BOUND, Extracted, extract
from implstats.sem.exploratory.retain import Retention, retention
from implstats.sem.exploratory.rotation import ROTATIONS, Rotated, rotate

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

METHODS = ("minres", "ml")
NOTICEABLE = 0.2  # weight of an item in a combination that has no variance
CORRELATIONS = ("pearson", "polychoric")


@dataclass(frozen=True, slots=True, kw_only=True)
class Exploration:
    """Rotated factors of a set of items.

    Attributes
    ----------
    verdict : {"ok", "caution"}
    items : tuple of str, (p,)
    loadings : ndarray, (p, m)
        Pattern loadings, factors by size.
    phi : ndarray, (m, m)
        Correlations of the factors.
    structure : ndarray, (p, m)
        Correlations of items and factors, ``loadings @ phi``.
    communality, uniqueness : ndarray, (p,)
    variance_explained : ndarray, (m,)
        Share of the items' variance that each factor accounts for.
    chisq, df, p_value : float or None, int, float or None
        Bartlett-corrected likelihood-ratio test of m factors; None for polychoric correlations, whose test
        would need their sampling covariance.
    tli, rmsea, bic : float or None
    rms_residual : float
        Root mean square of the residual correlations off the diagonal.
    minima : int
        Distinct minima that the rotation met.
    n_obs, n_dropped : int
    method, rotation, correlation : str
    checks : tuple of Check
    """

    verdict: Verdict
    items: tuple[str, ...]
    loadings: Array
    phi: Array
    structure: Array
    communality: Array
    uniqueness: Array
    variance_explained: Array
    chisq: float | None
    df: int
    p_value: float | None
    tli: float | None
    rmsea: float | None
    bic: float | None
    rms_residual: float
    minima: int
    n_obs: int
    n_dropped: int
    method: str
    rotation: str
    correlation: str
    checks: tuple[Check, ...]

    @property
    def frame(self) -> pd.DataFrame:
        """Pattern loadings with communality and uniqueness, one row an item."""
        import pandas as pd

        names = [f"F{k + 1}" for k in range(self.loadings.shape[1])]
        out = pd.DataFrame(self.loadings, index=list(self.items), columns=names)
        return out.assign(communality=self.communality, uniqueness=self.uniqueness)


def explore(
    data: pd.DataFrame, items: Sequence[str], *, n_factors: int, method: str = "minres",
    rotation: str = "oblimin", correlation: str = "pearson", seed: int = 1,
) -> Exploration:  # fmt: skip
    """Extract and rotate factors.

    Parameters
    ----------
    data : DataFrame
        One row a person; rows with a missing item are left out and counted.
    items : sequence of str
    n_factors : int
        See :func:`number_of_factors`.
    method : {"minres", "ml"}
    rotation : {"oblimin", "geomin", "promax", "varimax", "none"}
    correlation : {"pearson", "polychoric"}
    seed : int
        Of the rotation's random starts.

    Raises
    ------
    UsageError, ProblemsError, DataError, ModelError
        An option, an item, or the data cannot be used; all items' problems at once.

    Examples
    --------
    >>> import pandas as pd
    >>> rng = np.random.default_rng(3)
    >>> f = rng.normal(size=(300, 1))
    >>> frame = pd.DataFrame(0.8 * f + 0.6 * rng.normal(size=(300, 4)), columns=list("abcd"))
    >>> found = explore(frame, list("abcd"), n_factors=1)
    >>> found.df, bool(found.loadings.min() > 0.7)
    (2, True)
    """
    for name, value, known in (
        ("method", method, METHODS), ("rotation", rotation, ROTATIONS),
        ("correlation", correlation, CORRELATIONS),
    ):  # fmt: skip
        if value not in known:
            raise UsageError(
                f"{name} is one of {', '.join(known)}; got '{value}'{did_you_mean(value, known)}"
            )
    values, dropped = _complete(data, items)
    p = len(items)
    df = ((p - n_factors) ** 2 - p - n_factors) // 2
    if n_factors < 1 or df < 0:
        most = max((m for m in range(1, p) if (p - m) ** 2 >= p + m), default=0)
        raise ModelError(f"{p} items can bear 1 to {most} factors; {n_factors} were asked for.")
    R = _correlations(values, items, correlation)
    extracted = extract(R, n_factors, method=method)
    rotated = rotate(extracted.loadings, rotation, seed=seed)
    return _result(
        R, extracted, rotated, items=items, n=len(values), dropped=dropped, df=df, method=method,
        rotation=rotation, correlation=correlation,
    )  # fmt: skip


def number_of_factors(
    data: pd.DataFrame, items: Sequence[str], *, correlation: str = "pearson", draws: int = 500, seed: int = 1
) -> Retention:
    """Return parallel analysis, MAP, KMO and Bartlett's test of a set of items."""
    if correlation not in CORRELATIONS:
        raise UsageError(f"correlation is one of {', '.join(CORRELATIONS)}; got '{correlation}'.")
    values, _ = _complete(data, items)
    return retention(_correlations(values, items, correlation), n=len(values), draws=draws, seed=seed)


def _complete(data: pd.DataFrame, items: Sequence[str]) -> tuple[Array, int]:
    """Return the rows without a missing item and the number of the others."""
    known = [str(c) for c in data.columns]
    problems = [f"'{i}' is not a column of the data{did_you_mean(i, known)}" for i in items if i not in known]
    problems += [f"'{i}' is named twice" for i in dict.fromkeys(items) if list(items).count(i) > 1]
    if len(items) < 3:
        problems.append(f"{len(items)} item(s) cannot bear a factor; name at least 3")
    problems += [f"'{i}' holds text; factors need numbers" for i in items
                 if i in known and data[i].dtype.kind not in "iufb"]  # fmt: skip
    if not problems:
        values = data[list(items)].to_numpy(dtype=float)
        complete = np.isfinite(values).all(axis=1)
        used = values[complete]
        if len(used) <= len(items):
            problems.append(
                f"{len(used)} persons answered all {len(items)} items; more persons than items are needed"
            )
        else:
            constant = np.ptp(used, axis=0) == 0.0
            problems += [f"'{i}' does not vary" for i, c in zip(items, constant, strict=True) if c]
    if problems:
        raise ProblemsError("The factor analysis", problems)
    return used, int(np.sum(~complete))


def _correlations(values: Array, items: Sequence[str], correlation: str) -> Array:
    if correlation == "polychoric":
        from implstats.sem.ordinal.sample import ordinal_moments

        R = ordinal_moments(values, items, ordered=items).cov
    else:
        R = np.corrcoef(values.T).astype(float, copy=False)
    smallest = float(np.linalg.eigvalsh(R)[0])
    if smallest <= 1e-10:
        weights = np.abs(np.linalg.eigh(R)[1][:, 0])
        names = ", ".join(f"'{item}'" for item, w in zip(items, weights, strict=True) if w > NOTICEABLE)
        raise DataError(
            f"The correlation matrix is not positive definite (smallest eigenvalue {smallest:.1e}): {names} "
            "are nearly or exactly combinations of each other. Leave one of them out."
        )
    return R


def _result(
    R: Array, extracted: Extracted, rotated: Rotated, *, items: Sequence[str], n: int, dropped: int, df: int,
    method: str, rotation: str, correlation: str,
) -> Exploration:  # fmt: skip
    p, m = extracted.loadings.shape
    implied = extracted.loadings @ extracted.loadings.T
    residual = (R - implied)[np.tril_indices(p, -1)]
    structure = rotated.loadings @ rotated.phi
    checks = _checks(extracted, rotated, items, dropped, len(residual))
    fit: dict[str, float | None] = dict.fromkeys(("chisq", "p_value", "tli", "rmsea", "bic"))
    if correlation == "pearson":
        fit = _tests(R, implied + np.diag(extracted.uniqueness), n, m, df)
    return Exploration(
        verdict=verdict_of(checks), items=tuple(items), loadings=rotated.loadings, phi=rotated.phi,
        structure=structure, communality=np.diag(implied).copy(), uniqueness=extracted.uniqueness,
        variance_explained=np.sum(rotated.loadings * structure, axis=0) / p, df=df,
        rms_residual=float(np.sqrt(np.mean(residual**2))), minima=rotated.minima, n_obs=n, n_dropped=dropped,
        method=method, rotation=rotation, correlation=correlation, checks=tuple(checks), **fit,
    )  # fmt: skip


def _tests(R: Array, implied: Array, n: int, m: int, df: int) -> dict[str, float | None]:
    """Return the likelihood-ratio test and its indices."""
    p = len(R)
    log_r = float(np.linalg.slogdet(R)[1])
    objective = (
        float(np.linalg.slogdet(implied)[1]) - log_r + float(np.trace(np.linalg.solve(implied, R))) - p
    )
    chisq = (n - 1 - (2 * p + 5) / 6.0 - 2 * m / 3.0) * objective
    if df == 0:
        return {"chisq": chisq, "p_value": None, "tli": None, "rmsea": None, "bic": chisq}
    null_df = p * (p - 1) // 2
    weight = n - 1 - (2 * p + 5) / 6.0 - 2 * m / 3.0
    null = -weight * log_r
    return {
        "chisq": chisq,
        "p_value": float(chdtrc(df, chisq)),
        "tli": (null / null_df - chisq / df) / (null / null_df - 1.0),
        "rmsea": float(np.sqrt(max(chisq / (df * n) - 1.0 / (n - 1), 0.0))),
        "bic": chisq - df * float(np.log(n)),
    }


def _checks(
    extracted: Extracted, rotated: Rotated, items: Sequence[str], dropped: int, n_residuals: int
) -> list[Check]:
    heywood = [i for i, bound in zip(items, extracted.at_bound, strict=True) if bound]
    return [
        Check(name="extraction", status="ok" if extracted.converged else "warn",
              message="The uniquenesses are at their optimum." if extracted.converged else
              "The uniquenesses did not settle; ask for fewer factors."),
        Check(name="heywood", status="warn" if heywood else "ok",
              message=f"The uniqueness of {', '.join(heywood)} rests on its bound, {BOUND}: a Heywood case. "
              "Ask for fewer factors, or leave the item out." if heywood else
              "No uniqueness rests on its bound."),
        Check(name="rotation", status="ok" if rotated.converged else "warn",
              message=f"The rotation met {rotated.minima} distinct minimum(s); the best is shown."
              if rotated.converged else "The rotation did not settle; try another one."),
        Check(name="missing_rows", status="info" if dropped else "ok",
              message=f"{dropped} person(s) without all answers were left out." if dropped else
              "Every person answered all items."),
    ]  # fmt: skip
