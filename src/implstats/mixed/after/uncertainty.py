"""How sure the variances are: the covariance matrix of the variance parameters of a fit.

The parameters are gamma = (s2 g, s2), g the free entries of the relative covariances, in the coordinates of
the fit. Under Kenward-Roger, and at a boundary of a REML fit, it is the inverse of the expected information
(W of `df_kenward_roger`); else twice the inverse of the observed Hessian of the criterion, as
Satterthwaite's df use it, carried from (g, s2) to gamma. A quantity f(gamma) then has the delta-method
variance f_g' W f_g.
"""

from __future__ import annotations

import numpy as np

from implstats.mixed.after.linear import fitted_model
from implstats.mixed.fitted import Fitted
from implstats.mixed.inference.df_kenward_roger import kenward_roger
from implstats.mixed.inference.df_satterthwaite import hessian_root
from implstats.mixed.results import MixedResult


def variance_parameters(result: MixedResult) -> np.ndarray | None:
    """Return the covariance matrix of gamma, (R + 1, R + 1), s2 last; None where the criterion is too flat.

    None also for ML fits at a boundary, where neither way has a meaning.
    """
    model = fitted_model(result)
    if model.problem.reml and (result.boundary or result.fixed[0].df_method == "kenward-roger"):
        at, problem = model.optimum.search.at, model.problem
        p = len(at.beta)
        return kenward_roger(at, np.eye(p), n=problem.moments.n, pairs=problem.shape.pairs).W
    return None if result.boundary else _observed(model)


def _observed(model: Fitted) -> np.ndarray | None:
    at = model.optimum.search.at
    found = hessian_root(at)
    if found is None:
        return None
    root, unit = found
    s2, R = at.sigma2, len(at.slope)
    half = np.linalg.solve(root, np.diag(unit))
    J = np.eye(R + 1)  # d gamma / d (g, s2)
    J[:R, :R] *= s2
    J[:R, R] = at.g
    return J @ (2.0 * half.T @ half) @ J.T
