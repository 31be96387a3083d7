"""Residuals of the statistics that least squares fits: thresholds, means, slopes, variances, correlations.

With e = s - sigma, W the weights and J the derivatives of a group's statistics, A the information of one
person,

    cov(e) = Q Gamma Q' / n_g,    Q = I - (n_g / n) J A^-1 J' W

Gamma / n_g is the covariance matrix of the group's statistics; under GLS, which takes answers as normal,
Gamma is W^-1. The variance of an ordered item is one in sample and model: its residual is exact.
Correlation scales divide means and (co)variances of continuous variables by standard deviations; thresholds
and correlations are scaled already, and slopes on predictors keep their units. Maydeu-Olivares & Shi
(2017), Methodology 13; Maydeu-Olivares & Joe (2006), Psychometrika 71.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from implstats.sem.after.residual_covariance import fitted_out
from implstats.sem.after.residual_table import Index, Kind, ResidualTable
from implstats.sem.estimators.incomplete import pair_index
from implstats.sem.estimators.least_squares import LeastSquares
from implstats.sem.estimators.weights import RECIPES
from implstats.sem.fitted import Estimated
from implstats.sem.inference.least_squares_fit import forms_of
from implstats.sem.inference.quadratic import information

Array = NDArray[np.float64]
# Share of a statistic's variance: a residual that varies less than this is kept at zero by the model.
KEPT = 1e-10
EXACT = -1


def statistic_residuals(estimated: Estimated, kind: Kind) -> list[ResidualTable]:
    """Return each group's residuals of the statistics that least squares fits."""
    forms = forms_of(estimated)
    inverse = estimated.inverse(information(forms))
    normal = RECIPES[estimated.options.estimator].weighting == "GLS"
    found = []
    groups = zip(estimated.sample.groups, estimated.sample.labels, estimated.blocks, forms, strict=True)
    for sample, label, block, form in groups:
        ls = sample.least_squares
        if ls is None or block.error is None:
            raise AssertionError("a least-squares estimator has its statistics")
        gamma = (np.linalg.inv(form.weight) if normal else form.gamma) / sample.moments.n
        spread = fitted_out(gamma, form.share * inverse, form.jacobian, form.weighted(form.jacobian))
        found.append(_table(estimated, ls, label, kind, block.error, sampled=gamma, spread=spread))
    return found


def _table(
    estimated: Estimated,
    ls: LeastSquares,
    label: str,
    kind: Kind,
    error: Array,
    *,
    sampled: Array,
    spread: Array,
) -> ResidualTable:
    places, which = _places(estimated, ls)
    value, G = _scaled(ls, error, kind)
    V = sampled if kind == "normalized" else spread if G is None else G @ spread @ G.T
    kept = np.diag(spread) <= KEPT * np.diag(sampled)
    if kind == "normalized":
        kept = np.zeros(len(kept), dtype=bool)
    exact = which == EXACT
    covariance = V[np.ix_(which, which)]
    covariance[exact], covariance[:, exact] = 0.0, 0.0
    own = np.array([kind == "cor.bollen" and op == "~~" and a == b for a, op, b in places])
    return ResidualTable(
        group=label, places=tuple(places), value=np.where(exact, 0.0, value[which]), covariance=covariance,
        kept=kept[which] | exact | own, parts=_parts(places, len(ls.y), pairs_only=kind == "cor.bollen"),
    )  # fmt: skip


def _places(estimated: Estimated, ls: LeastSquares) -> tuple[list[tuple[str, str, str]], Index]:
    """What each residual belongs to, and its number among the statistics; EXACT where none can miss."""
    observed = estimated.structures[0].observed
    names, p = [observed[i] for i in ls.y], len(ls.y)
    L, slopes = ls.n_location, len(ls.x) * p
    number = {(int(v), int(v)): L + slopes + k for k, v in enumerate(ls.variance)}
    pairs = zip(ls.row.tolist(), ls.col.tolist(), strict=True)
    for k, pair in enumerate(pairs):
        number[max(pair), min(pair)] = ls.n_before_pairs + k
    i, j, _ = pair_index(p)
    cells = list(zip(i.tolist(), j.tolist(), strict=True))
    places = [(names[b], "~~", names[a]) for a, b in cells]
    which = [number.get((a, b), EXACT) for a, b in cells]
    first = {int(item): k for k, item in reversed(list(enumerate(ls.item)))}
    for k, (item, tau) in enumerate(zip(ls.item.tolist(), ls.tau.tolist(), strict=True)):
        places.append((names[item], "|", f"t{k - first[item] + 1}") if tau >= 0 else (names[item], "~1", ""))
    places += [(name, "~", observed[x]) for x in ls.x for name in names]
    return places, np.array(which + list(range(L + slopes)), dtype=np.intp)


def _variances(ls: LeastSquares) -> Array:
    """Sample variances (given predictors), one where ordered, shape (p,)."""
    out = np.ones(len(ls.y))
    out[ls.variance] = ls.statistics[ls.n_before_pairs - len(ls.variance) : ls.n_before_pairs]
    return out


def _scaled(ls: LeastSquares, error: Array, kind: Kind) -> tuple[Array, Array | None]:
    """The residuals of all statistics in a scale, and their derivatives, (S, S), where they are not one."""
    if kind not in ("cor.bentler", "cor.bollen") or ls.ordered.all():
        return error, None
    variance, own = _variances(ls), slice(ls.n_before_pairs - len(ls.variance), ls.n_before_pairs)
    sd, pairs = np.sqrt(variance), np.arange(ls.n_before_pairs, len(error))
    divisor = np.ones(len(error))
    means = np.nonzero(ls.tau < 0)[0]
    divisor[means], divisor[own] = sd[ls.item[means]], variance[ls.variance]
    divisor[pairs] = sd[ls.row] * sd[ls.col]
    G, value = np.diag(1.0 / divisor), error / divisor
    if kind == "cor.bentler":
        return value, G
    implied = variance.copy()
    implied[ls.variance] -= error[own]
    r, modelled = ls.statistics[pairs] / divisor[pairs], np.sqrt(implied[ls.row] * implied[ls.col])
    value[pairs] = r - (ls.statistics[pairs] - error[pairs]) / modelled
    value[own] = 0.0
    G[own] = 0.0
    place = {int(v): own.start + k for k, v in enumerate(ls.variance)}
    for side in (ls.row, ls.col):
        for pair, correlation, v in zip(pairs, r, side.tolist(), strict=True):
            if v in place:
                G[pair, place[v]] = -0.5 * correlation / variance[v]
    return value, G


def _parts(
    places: list[tuple[str, str, str]], p: int, *, pairs_only: bool
) -> tuple[tuple[str, Index, int], ...]:
    """Covariances, thresholds, means, and all of them; slopes stand in no summary, their units are others."""
    op = np.array([place[1] for place in places])
    count = p * (p - 1) // 2 if pairs_only else p * (p + 1) // 2
    found = [("cov", np.nonzero(op == "~~")[0], count)]
    for name, operator in (("thresholds", "|"), ("mean", "~1")):
        at = np.nonzero(op == operator)[0]
        if len(at):
            found.append((name, at, len(at)))
    if len(found) > 1:
        found.append(("total", np.nonzero(op != "~")[0], sum(part[2] for part in found)))
    return tuple(found)
