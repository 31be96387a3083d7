"""The profiled criterion of many responses at once, with gradients and Hessians.

The formulas are those of `gaussian.criterion`; the last axis of every array runs over responses. A response
whose criterion does not exist at its point has the value infinity.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from implstats.mixed.resampling.elimination import Totals, eliminate_many
from implstats.mixed.resampling.moments import Responses, Shared
from implstats.mixed.resampling.stacks import definite_inverse, times

CACHE = 1_500_000  # bytes of derivatives held at once; more leaves the cache, less pays more for each call


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluations:
    """The criterion of r responses, each at its own point.

    Attributes
    ----------
    theta : ndarray, (R, r)
    value : ndarray, (r,)
    gradient, hessian : ndarray, (R, r), (R, R, r)
        In theta.
    slope, bend : ndarray, (R, r), (R, R, r)
        In g.
    beta : ndarray, (p, r)
    C : ndarray, (p, p, r)
    rss : ndarray, (r,)
    rss_slope : ndarray, (R, r)
    log_v1, log_v2 : ndarray, (R, r), (T, r)
        Derivatives of log|V| in g.
    N, N1, N2 : ndarray, (p, p, r), (p, p, R, r), (p, p, T, r)
        X'V^-1X and derivatives in g; empty unless asked for.
    """

    theta: np.ndarray
    value: np.ndarray
    gradient: np.ndarray
    hessian: np.ndarray
    slope: np.ndarray
    bend: np.ndarray
    beta: np.ndarray
    C: np.ndarray
    rss: np.ndarray
    rss_slope: np.ndarray
    log_v1: np.ndarray
    log_v2: np.ndarray
    N: np.ndarray
    N1: np.ndarray
    N2: np.ndarray

    def take(self, which: np.ndarray) -> Evaluations:
        """Return the responses at these positions."""
        return Evaluations(**{f.name: getattr(self, f.name)[..., which] for f in fields(self)})

    def put(self, which: np.ndarray, other: Evaluations) -> None:
        """Replace the responses at these positions."""
        for field in fields(self):
            getattr(self, field.name)[..., which] = getattr(other, field.name)


def matrices(shared: Shared, theta: np.ndarray) -> list[np.ndarray]:
    """Return G of each level, (q, q, r), at theta (R, r)."""
    out = []
    for level, where in zip(shared.shape.levels, shared.shape.slices, strict=True):
        factor = np.zeros((level.q, level.q, theta.shape[1]))
        factor[level.entries] = theta[where]
        out.append(times(factor, factor.swapaxes(0, 1)))
    return out


def evaluate_many(
    shared: Shared, responses: Responses, theta: np.ndarray, *, keep: bool = False
) -> Evaluations:
    """Return the criterion of each response at its theta, (R, r); ``keep`` keeps N and its derivatives."""
    count, size = theta.shape[1], chunk(shared)
    parts = []
    with np.errstate(all="ignore"):
        for at in range(0, max(count, 1), size):
            few = slice(at, at + size)
            held = responses if size >= count else responses.take(few)
            totals = eliminate_many(shared, held, matrices(shared, theta[:, few]))
            parts.append(_evaluate(shared, theta[:, few], totals, keep=keep))
    return parts[0] if len(parts) == 1 else join(parts)


def chunk(shared: Shared) -> int:
    """Return how many responses fit the processor's cache at once."""
    D = 1 + shared.shape.size + len(shared.shape.pairs[0])
    numbers = D * ((shared.p + 1) ** 2 + sum(level.X.size + level.size for level in shared.upper))
    return int(np.clip(CACHE // (8 * numbers), 16, 512))


def join(parts: list[Evaluations]) -> Evaluations:
    """Return the evaluations of several sets of responses as one."""
    return Evaluations(
        **{f.name: np.concatenate([getattr(e, f.name) for e in parts], axis=-1) for f in fields(Evaluations)}
    )


def _evaluate(shared: Shared, theta: np.ndarray, totals: Totals, *, keep: bool) -> Evaluations:
    N, logdet, p = totals.N, totals.logdet, shared.p
    shape, nu = shared.shape, shared.n - shared.p if shared.reml else shared.n
    r, s = shape.pairs
    C, log_n = definite_inverse(N.value[:p, :p])
    beta = np.einsum("ijr,jr->ir", C, N.value[:p, p])
    rss = N.value[p, p] - np.einsum("ir,ir->r", N.value[p, :p], beta)
    a = np.concatenate([-beta, np.ones((1, len(rss)))])
    Na = np.einsum("ijdr,jr->idr", N.first, a)
    rss1 = np.einsum("idr,ir->dr", Na, a)
    CNa = np.einsum("ijr,jdr->idr", C, Na[:p])
    rss2 = np.einsum("ijdr,ir,jr->dr", N.second, a, a) - 2.0 * np.einsum("idr,idr->dr", CNa[:, r], Na[:p, s])
    value = logdet.value + nu * (1.0 + np.log(2.0 * np.pi * rss / nu))
    slope = logdet.first + nu * rss1 / rss
    bend = logdet.second + nu * (rss2 / rss - rss1[r] * rss1[s] / rss**2)
    if shared.reml:
        CN = times(C[:, :, None], N.first[:p, :p])
        value = value + log_n
        slope += np.einsum("iidr->dr", CN)
        bend += np.einsum("ijr,ijdr->dr", C, N.second[:p, :p])
        bend -= np.einsum("ijdr,jidr->dr", CN[:, :, r], CN[:, :, s])
    full = np.empty((shape.size, shape.size, len(rss)))
    full[r, s] = full[s, r] = bend
    J = np.tensordot(shape.curvature, theta, axes=1)
    hessian = times(J.swapaxes(0, 1), times(full, J)) + np.einsum("gij,gr->ijr", shape.curvature, slope)
    good = np.isfinite(value) & (rss > 0.0)
    nothing = np.empty((0, len(rss)))
    return Evaluations(
        theta=theta, value=np.where(good, value, np.inf), gradient=np.einsum("gir,gr->ir", J, slope),
        hessian=hessian, slope=slope, bend=full, beta=beta, C=C, rss=rss, rss_slope=rss1,
        log_v1=logdet.first, log_v2=logdet.second, N=N.value[:p, :p] if keep else nothing,
        N1=N.first[:p, :p] if keep else nothing, N2=N.second[:p, :p] if keep else nothing,
    )  # fmt: skip
