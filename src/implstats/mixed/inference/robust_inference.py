"""Cluster-robust inference for a fitted model: clusters one after another, then the test and its check.

Clusters of few rows are taken together by their number of rows; a larger one is first expressed in its small
invariant space, and kept whole where there is none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from implstats.errors import ModelError
from implstats.mixed.design.build import Design
from implstats.mixed.design.standardise import Standardised
from implstats.mixed.gaussian.criterion import Evaluation
from implstats.mixed.inference.coefficients import Inference
from implstats.mixed.inference.invariant import apply_random, invariant_basis
from implstats.mixed.inference.robust import Robust, Scores, cluster_scores, sandwich
from implstats.results import Check

FEW_CLUSTERS, FEW_DF = 6, 4.0  # below these the t approximation is poor (Pustejovsky & Tipton 2018)
SMALL = 40  # rows up to which a cluster is taken as it is
STACK = 500_000  # numbers held at once in a stack of small clusters' matrices
FIELDS = ("s", "T", "B", "alone", "lone")
Blocks = Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]


def robust_scores(
    X: np.ndarray, e: np.ndarray, *, Z: Sequence[np.ndarray], codes: Sequence[np.ndarray],
    G: Sequence[np.ndarray], clusters: np.ndarray, M: np.ndarray, kind: str, small: int = SMALL,
) -> Scores:  # fmt: skip
    """Return the contributions of all clusters, in no particular order.

    Parameters
    ----------
    X, e : ndarray, (n, p), (n,)
        Predictors and residuals of the fixed part.
    Z, codes, G : sequences of ndarray, (n, q_l), (n,), (q_l, q_l)
        Random part: effects, cluster numbers and relative covariance of each level.
    clusters : ndarray, (n,)
        What is taken as independent: the highest level, or one above it.
    M : ndarray, (p, p)
    kind : str
    small : int
        Rows up to which a cluster is not compressed.
    """
    blocks = _blocks(X, e, Z=Z, codes=codes, G=G, clusters=clusters, small=small)
    parts = [cluster_scores(x, Theta, r, M=M, kind=kind) for x, Theta, r in blocks]
    return Scores(**{f: np.concatenate([getattr(q, f) for q in parts]) for f in FIELDS})


def _blocks(
    X: np.ndarray, e: np.ndarray, *, Z: Sequence[np.ndarray], codes: Sequence[np.ndarray],
    G: Sequence[np.ndarray], clusters: np.ndarray, small: int,
) -> Blocks:  # fmt: skip
    """Yield X (J, n, p), Theta (J, n, n) and e (J, n) of clusters with the same number of rows."""
    order = np.argsort(clusters, kind="stable")
    counts = np.bincount(clusters)
    starts = np.cumsum(counts) - counts
    for n in np.unique(counts[counts > 0]):
        rows = order[starts[counts == n][:, None] + np.arange(n)]
        step = max(1, STACK // (n * n)) if n <= small else 1
        for at in range(0, len(rows), step):
            part = rows[at : at + step]
            if n > small:
                found = _compressed(X, e, Z=Z, codes=codes, G=G, rows=part[0])
                if found is not None:
                    yield found
                    continue
            yield X[part], _covariance([z[part] for z in Z], [c[part] for c in codes], G), e[part]


def _covariance(Z: list[np.ndarray], codes: list[np.ndarray], G: Sequence[np.ndarray]) -> np.ndarray:
    """Return Theta, (J, n, n), from Z (J, n, q_l) and codes (J, n)."""
    J, n = codes[0].shape
    Theta = np.zeros((J, n, n)) + np.eye(n)
    for z, code, g in zip(Z, codes, G, strict=True):
        Theta += (code[:, :, None] == code[:, None, :]) * (z @ g @ np.swapaxes(z, 1, 2))
    return Theta


def _compressed(
    X: np.ndarray, e: np.ndarray, *, Z: Sequence[np.ndarray], codes: Sequence[np.ndarray],
    G: Sequence[np.ndarray], rows: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:  # fmt: skip
    """Return one cluster in its invariant space, or None if that space is no smaller than half the rows."""
    local = [np.unique(c[rows], return_inverse=True)[1].reshape(-1) for c in codes]
    own = [z[rows] for z in Z]
    E = invariant_basis(X[rows], Z=own, codes=local, most=len(rows) // 2)
    if E is None:
        return None
    inner = E.T @ apply_random(E, Z=own, codes=local, G=G)
    Theta = np.eye(E.shape[1]) + 0.5 * (inner + inner.T)
    return (E.T @ X[rows])[None], Theta[None], (E.T @ e[rows])[None]


def model_scores(at: Evaluation, design: Design, scaled: Standardised, *, kind: str) -> Scores:
    """Return the contributions of the highest level's clusters, in the coordinates of ``at.beta``."""
    return robust_scores(
        scaled.Q, scaled.y - scaled.Q @ at.beta, Z=scaled.Z, G=at.G, M=at.C, kind=kind,
        clusters=design.levels[-1].clusters.codes, codes=[level.clusters.codes for level in design.levels],
    )  # fmt: skip


def infer_robust(
    at: Evaluation, design: Design, scaled: Standardised, *, kind: str, df: str
) -> tuple[Inference, Check]:
    """Return cluster-robust covariance and df in the coefficients' own units, and what to make of them.

    Parameters
    ----------
    at : Evaluation
        The optimum.
    design : Design
        Without prior weights; clusters are those of its highest level.
    scaled : Standardised
    kind : {"CR0", "CR1", "CR2", "CR3"}
    df : str
        ``none`` gives standard errors only.

    Raises
    ------
    ModelError
        CR3 where one cluster alone determines a coefficient.
    """
    top = design.levels[-1].clusters
    scores = model_scores(at, design, scaled, kind=kind)
    if kind == "CR3" and scores.alone.any():
        raise ModelError(
            f"CR3 does not exist here: {int(np.sum(scores.alone > 0))} cluster(s) of '{top.name}' alone "
            "determine a coefficient. Use robust='CR2', or drop the predictor that stands for one cluster."
        )
    found = sandwich(scores, M=at.C, contrasts=scaled.M, kind=kind)
    covariance = scaled.scale**2 * found.covariance
    names = [design.names[j] for j in scaled.kept]
    label = f"{kind} standard errors, clustered by {top.name} ({top.size} clusters)"
    plain = df == "none"
    message = "without degrees of freedom, as asked: no p-values and no intervals"
    inference = Inference(
        covariance=covariance, df=np.full(len(names), np.nan) if plain else found.df,
        method="none" if plain else f"{kind} satterthwaite",
        check=Check(
            name="df_method", status="info" if plain else "ok",
            message=f"{label}, {message if plain else 'with Satterthwaite (Bell-McCaffrey) t tests'}.",
        ),
    )  # fmt: skip
    return inference, _check(found, names, cluster=top.name, size=top.size, kind=kind)


def _check(found: Robust, names: list[str], *, cluster: str, size: int, kind: str) -> Check:
    """Return whether the clusters are enough, and whether one alone determines a coefficient."""

    def listed(which: np.ndarray) -> str:
        return ", ".join(name for name, yes in zip(names, which, strict=True) if yes)

    gone = np.isnan(found.df)
    problems = []
    if size < FEW_CLUSTERS:
        problems.append(f"{size} clusters of '{cluster}' are fewer than {FEW_CLUSTERS}")
    low = ~gone & (np.nan_to_num(found.df, nan=np.inf) < FEW_DF)
    if low.any():
        smallest = float(np.nanmin(found.df))
        problems.append(
            f"the degrees of freedom are below {FEW_DF:g} (least {smallest:.1f}) for {listed(low)}"
        )
    if gone.any():
        problems.append(
            f"one cluster alone determines {listed(gone)}, so no robust standard error exists there"
        )
    if not problems:
        return Check(
            name="cluster_robust", status="ok",
            message=f"The clusters are enough for {kind}: {size} of '{cluster}', least df "
            f"{float(np.min(found.df)):.1f}.",
        )  # fmt: skip
    sentence = "; ".join(problems)
    return Check(
        name="cluster_robust", status="warn",
        message=f"{sentence[0].upper()}{sentence[1:]}. Robust tests can then mislead; compare the "
        "model-based ones (Kenward-Roger: leave out robust).",
    )  # fmt: skip
