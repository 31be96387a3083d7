"""Data for diagnostic plots: residuals and fitted values of each row, normal scores of the conditional modes.

    fitted_marginal      offset + X b              residual_marginal      y - fitted_marginal
    fitted               offset + X b + Z u        residual               y - fitted
    residual_standardised            residual * sqrt(w) / s            (lme4: scaled Pearson residuals)
    residual_marginal_standardised   residual_marginal / sqrt(Var(y_i)),
                                     Var(y_i) = s2 / w_i + sum over levels of z_i'(s2 G) z_i

A normal score is the quantile of the standard normal at (rank - a) / (n + 1 - 2a), a = 3/8 up to ten values
and 1/2 above, as R's qqnorm has it; modes on a straight line against it look normal.
Reference: Pinheiro & Bates (2000), Mixed-Effects Models in S and S-PLUS, section 4.3; Blom (1958).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

from implstats.mixed.after.linear import coefficients, fitted_model, plain_residuals
from implstats.mixed.results import MixedResult

if TYPE_CHECKING:
    import pandas as pd


def residuals(result: MixedResult) -> pd.DataFrame:
    """Return one row an observation in use, indexed as the caller's frame: cluster ids, fitted, residuals.

    Parameters
    ----------
    result : MixedResult
        A Gaussian fit without residual structure.

    Raises
    ------
    ModelError, NotSupportedError
        The fit failed, or is of another kind.

    Notes
    -----
    R: ``fitted(m)``, ``predict(m, re.form = NA)``, ``residuals(m)`` and
    ``residuals(m, "pearson", scaled = TRUE)``.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from implstats import mixed
    >>> rng = np.random.default_rng(1)
    >>> ward = np.repeat(np.arange(12), 10)
    >>> y = rng.normal(size=12)[ward] + rng.normal(size=120)
    >>> found = residuals(mixed.fit("y ~ 1 + (1 | ward)", pd.DataFrame({"ward": ward, "y": y})))
    >>> bool(np.allclose(found["fitted"] + found["residual"], y))
    True
    """
    import pandas as pd

    model = fitted_model(result)
    plain_residuals(model, "A residual")
    design, at, scaled = model.design, model.optimum.search.at, model.scaled
    s2 = at.sigma2 * scaled.scale**2
    own = np.full(len(design.y), s2) if design.weights is None else s2 / design.weights
    marginal = design.X[:, list(scaled.kept)] @ coefficients(model)
    conditional, variance = marginal.copy(), own.copy()
    for part, modes, G, B in zip(design.levels, result.modes, at.G, scaled.B, strict=True):
        conditional += np.sum(part.Z * modes.values[part.clusters.codes], axis=1)
        variance += s2 * np.einsum("iq,qr,ir->i", part.Z, B @ G @ B.T, part.Z)
    offset = np.zeros(len(design.y)) if design.offset is None else design.offset
    names = dict.fromkeys(c for part in design.levels for c in part.clusters.columns)
    frame = model.frame.iloc[design.rows]
    return pd.DataFrame(
        {
            **{name: frame[name].to_numpy() for name in names},
            "outcome": design.y + offset, "fitted_marginal": offset + marginal,
            "fitted": offset + conditional, "residual_marginal": design.y - marginal,
            "residual": design.y - conditional,
            "residual_standardised": (design.y - conditional) / np.sqrt(own),
            "residual_marginal_standardised": (design.y - marginal) / np.sqrt(variance),
        },
        index=frame.index,
    )  # fmt: skip


def mode_scores(result: MixedResult) -> pd.DataFrame:
    """Return one row a conditional mode: cluster (the level), id, term, mode, normal_score.

    Parameters
    ----------
    result : MixedResult
        ``id`` joins the ids of a cluster named by several columns with ``:``.

    Raises
    ------
    ModelError, NotSupportedError
        The fit failed, or is of another kind.
    """
    import pandas as pd

    fitted_model(result)
    parts = []
    for level in result.modes:
        ids = [":".join(str(v) for v in one) for one in zip(*level.ids.values(), strict=True)]
        parts += [
            pd.DataFrame(
                {
                    "cluster": level.cluster, "id": ids, "term": term, "mode": level.values[:, k],
                    "normal_score": normal_scores(level.values[:, k]),
                }
            )
            for k, term in enumerate(level.terms)
        ]  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def normal_scores(values: np.ndarray) -> np.ndarray:
    """Return the normal score of each value, (n,); ties get scores in the order of their places.

    >>> [round(float(v), 3) for v in normal_scores(np.array([3.0, 1.0, 2.0]))]
    [0.869, -0.869, 0.0]
    """
    n = len(values)
    a = 0.375 if n <= 10 else 0.5
    rank = np.empty(n)
    rank[np.argsort(values, kind="stable")] = np.arange(1, n + 1)
    return ndtri((rank - a) / (n + 1 - 2 * a))
