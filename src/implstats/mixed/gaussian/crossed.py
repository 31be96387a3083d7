"""log|V| and [X, y]'V^-1[X, y] with exact derivatives, for levels that are not nested in each other.

    V = I + sum_l Z_l (I (x) G_l) Z_l'              relative to the residual variance

The first level's clusters (the most numerous) do not share rows, so they are eliminated one by one, exactly
as in `eliminate`: with S_c = Z_1,c'Z_1,c, K_c = (I + G_1 S_c)^-1 G_1 and W = [Z_2 .. Z_L, X, y],

    W'U^-1 W = M - E'K E,       U = I + Z_1 (I (x) G_1) Z_1',   derivatives with those of K_c.

The other levels are stacked, Z with covariance G (block diagonal), and solved densely. With
S = Z'U^-1 Z, B = Z'U^-1[X, y]:

    P = (I + G S)^-1,   K = P G,   T = S P = Z'V^-1 Z,   v = K B,   log|V| gains log|I + G S|

For parameters r, s of the first level (S, B and N_1 = [X, y]'U^-1[X, y] move), c_r = B_r - S_r v:

    N_r  = N_1r - B_r'v - v'B_r + v'S_r v                                                log_r  = tr(K S_r)
    N_rs = N_1rs - B_rs'v - v'B_rs + v'S_rs v - c_r'K c_s - c_s'K c_r        log_rs = tr(K S_rs - K S_r K S_s)

for parameters of the stacked levels (G_r constant), H = P'B = Z'V^-1[X, y]:

    N_r  = -H'G_r H                    N_rs = H'G_r T G_s H + H'G_s T G_r H
    log_r = tr(G_r T)                  log_rs = -tr(G_r T G_s T)

and for r of the first level with s of the others, H_r = P'c_r:

    N_rs = -H_r'G_s H - H'G_s H_r      log_rs = tr(G_s P'S_r P)

P comes from an LU decomposition of I + G S: it exists for singular G, and its rows scale with G, so that a
large variance costs no digits (S - S K S would).
Reference: Bates et al. (2015), J. Stat. Softw. 67(1), for the model; the derivatives are those of Harville
(1977), JASA 72, 320-338, in these symbols.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from implstats.mixed.design.build import Design
from implstats.mixed.design.standardise import Standardised
from implstats.mixed.gaussian.covariance import CovarianceShape, LevelShape
from implstats.mixed.gaussian.criterion import Evaluation, Problem, _evaluate
from implstats.mixed.gaussian.crossed_sums import CrossedSums, reduce_crossed, refuse_too_large
from implstats.mixed.gaussian.eliminate import Eliminated, Jet


@dataclass(frozen=True, slots=True, kw_only=True)
class Stacked:
    """The levels but the first, solved together; Q = sum of n_l q_l over them, m = Q + p + 1.

    Attributes
    ----------
    P, K, T : ndarray, (Q, Q)
    v, H : ndarray, (Q, p + 1)
    GH : ndarray, (R_2, Q, p + 1)
        G_s H of each of their parameters.
    logdet : float
        log|I + G S|.
    """

    P: np.ndarray
    K: np.ndarray
    T: np.ndarray
    v: np.ndarray
    H: np.ndarray
    GH: np.ndarray
    logdet: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossedProblem(Problem):
    """What is minimised: sums, shape, REML or ML."""

    moments: CrossedSums  # type: ignore[assignment]  # what both kinds share is n and p

    def __call__(self, theta: np.ndarray) -> Evaluation | None:
        """Return the criterion at theta, or None where it does not exist in floating point."""
        G = [L @ L.T for L in self.shape.factors(theta)]
        with np.errstate(all="ignore"):
            return _evaluate(self, theta, G, eliminate_crossed(self.moments, self.shape, G))


def set_up_crossed(design: Design, scaled: Standardised, *, reml: bool) -> tuple[CrossedSums, CrossedProblem]:
    """Return the sums and the function to minimise of a design with crossed levels."""
    levels = [level.clusters for level in design.levels]
    sizes = [clusters.size for clusters in levels]
    shape = CovarianceShape(
        levels=tuple(LevelShape(q=len(level.names), blocks=level.blocks) for level in design.levels)
    )
    refuse_too_large(shape, names=[c.name for c in levels], sizes=sizes, p=len(scaled.kept))
    sums = reduce_crossed(scaled.Z, scaled.Q, scaled.y, codes=[c.codes for c in levels], sizes=sizes)
    return sums, CrossedProblem(moments=sums, shape=shape, reml=reml)


def eliminate_crossed(sums: CrossedSums, shape: CovarianceShape, G: list[np.ndarray]) -> Eliminated:
    """Return log|V| and [X, y]'V^-1[X, y] at G with first and second derivatives in g.

    ``K`` of the result is (K_c of the first level, K of the stacked ones), ``A`` is (B,).

    Parameters
    ----------
    sums : CrossedSums
    shape : CovarianceShape
        Two levels or more; R parameters, T = R (R + 1) / 2 pairs ordered as ``shape.pairs``.
    G : list of ndarray, (q_l, q_l)
        Relative covariance of each level, in the order of ``sums``.
    """
    own, Q = len(shape.levels[0].entries[0]), sums.ends[-1]
    logdet, M, K1 = _first_level(sums, shape, G[0])
    S, B, N1 = (
        Jet(*(part[..., rows, cols] for part in (M.value, M.first, M.second)))
        for rows, cols in ((slice(Q), slice(Q)), (slice(Q), slice(Q, None)), (slice(Q, None), slice(Q, None)))
    )
    found = _stacked(sums, shape, G, S.value, B.value)
    size, p1 = shape.size, sums.p + 1
    r, s = shape.pairs
    logs = np.zeros((size, size))
    N = Jet(N1.value - B.value.T @ found.v, np.empty((size, p1, p1)), np.empty((len(r), p1, p1)))
    first = np.empty(size)
    first[:own] = logdet.first + np.tensordot(S.first, found.K, axes=2)
    first[own:], logs[own:, own:] = _stacked_log(sums, shape, found.T)
    moved = B.first - S.first @ found.v
    half = B.first.transpose(0, 2, 1) @ found.v
    N.first[:own] = N1.first - half - _t(half) + found.v.T @ S.first @ found.v
    N.first[own:] = -found.H.T @ found.GH
    logs[:own, :own] = _first_log(shape, logdet, S, found.K)
    logs[:own, own:] = _mixed_log(sums, shape, S.first, found.P)
    N.second[:] = _second(shape, own, N1, S, B, found, moved)
    return Eliminated(
        logdet=Jet(logdet.value + found.logdet, first, logs[r, s]), N=N, K=(K1, found.K), A=(B.value,)
    )


def _t(a: np.ndarray) -> np.ndarray:
    return np.swapaxes(a, -1, -2)


def _own_pairs(shape: CovarianceShape) -> tuple[np.ndarray, np.ndarray]:
    own = len(shape.levels[0].entries[0])
    r, s = shape.pairs
    return r[: own * (own + 1) // 2], s[: own * (own + 1) // 2]


def _first_level(sums: CrossedSums, shape: CovarianceShape, G: np.ndarray) -> tuple[Jet, Jet, np.ndarray]:
    """Return log|U| and W'U^-1 W with derivatives in the first level's parameters, and K, (n_1, q, q)."""
    basis, ZZ = shape.levels[0].basis, sums.ZZ
    r, s = _own_pairs(shape)
    q = len(G)
    inner = np.eye(q) + G @ ZZ
    P = np.linalg.inv(inner)
    K = P @ G
    A1 = basis[None] @ ZZ[:, None]
    P1 = -P[:, None] @ A1 @ P[:, None]
    PG = P[:, None] @ basis[None]
    K1 = PG @ _t(P)[:, None]
    K2 = PG[:, r] @ _t(P1)[:, s]
    K2 = K2 + _t(K2)
    logdet = Jet(
        np.linalg.slogdet(inner)[1].sum(),
        np.einsum("cab,crba->r", P, A1),
        np.einsum("ckab,ckba->k", P1[:, s], A1[:, r]),
    )
    M = Jet(
        sums.M - _sandwich(sums, K),
        -np.stack([_sandwich(sums, K1[:, k]) for k in range(K1.shape[1])]),
        -np.stack([_sandwich(sums, K2[:, k]) for k in range(K2.shape[1])]),
    )
    return logdet, M, K


def _sandwich(sums: CrossedSums, K: np.ndarray) -> np.ndarray:
    """Return E'K E, (m, m), K block diagonal with blocks (n_1, q_1, q_1)."""
    n, q, _ = K.shape
    if isinstance(sums.E, np.ndarray):
        KE = (K @ sums.E.reshape(n, q, -1)).reshape(n * q, -1)
        return sums.E.T @ KE
    from scipy import sparse

    blocks = sparse.bsr_array((K, np.arange(n), np.arange(n + 1)), shape=(n * q, n * q))
    return (sums.E.T @ (blocks @ sums.E)).toarray()


def _stacked(
    sums: CrossedSums, shape: CovarianceShape, G: list[np.ndarray], S: np.ndarray, B: np.ndarray
) -> Stacked:
    """Return the dense solution of the levels but the first."""
    from scipy.linalg import lu_factor, lu_solve  # only crossed levels pay for this import

    inner = _times(sums, G[1:], S)
    inner[np.diag_indices_from(inner)] += 1.0
    # A criterion that does not exist here is told by a value that is not finite, not by an error.
    factor = lu_factor(inner, check_finite=False, overwrite_a=True)
    P = lu_solve(factor, np.eye(len(S)), check_finite=False)
    K = _t(_times(sums, G[1:], _t(P)))
    K, T = 0.5 * (K + K.T), S @ P
    H = P.T @ B
    nothing = [np.zeros((level.q, level.q)) for level in shape.levels[1:]]
    GH = [
        _times(sums, [*nothing[:k], E, *nothing[k + 1 :]], H)
        for k, level in enumerate(shape.levels[1:])
        for E in level.basis
    ]
    return Stacked(
        P=P, K=K, T=0.5 * (T + T.T), v=K @ B, H=H, GH=np.stack(GH),
        logdet=float(np.sum(np.log(np.abs(np.diag(factor[0]))))),
    )  # fmt: skip


def _times(sums: CrossedSums, G: list[np.ndarray], right: np.ndarray) -> np.ndarray:
    """Return the block diagonal of I (x) G_l of the stacked levels, times a matrix with Q rows."""
    out = np.empty_like(right)
    for level, g in enumerate(G):
        rows = slice(sums.ends[level], sums.ends[level + 1])
        out[rows] = (g @ right[rows].reshape(-1, len(g), right.shape[1])).reshape(-1, right.shape[1])
    return out


def _stacked_log(sums: CrossedSums, shape: CovarianceShape, T: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return tr(G_r T), (R_2,), and -tr(G_r T G_s T), (R_2, R_2)."""
    levels = shape.levels[1:]
    ends = np.cumsum([0, *(len(level.entries[0]) for level in levels)])
    first, second = np.empty(ends[-1]), np.empty((ends[-1], ends[-1]))
    for i, a in enumerate(levels):
        for j, b in enumerate(levels):
            block = _blocks(sums, T, i, j)
            flat = block.reshape(-1, a.q * b.q)
            gram = (flat.T @ flat).reshape(a.q, b.q, a.q, b.q)
            second[ends[i] : ends[i + 1], ends[j] : ends[j + 1]] = -np.einsum(
                "rab,scd,bcad->rs", a.basis, b.basis, gram
            )
        first[ends[i] : ends[i + 1]] = np.tensordot(a.basis, _diagonal(sums, T, i), axes=2)
    return first, second


def _blocks(sums: CrossedSums, T: np.ndarray, i: int, j: int) -> np.ndarray:
    """Return T's blocks of clusters of two stacked levels, (n_i, n_j, q_i, q_j)."""
    part = T[sums.ends[i] : sums.ends[i + 1], sums.ends[j] : sums.ends[j + 1]]
    qi, qj = sums.effects[i + 1], sums.effects[j + 1]
    return part.reshape(len(part) // qi, qi, -1, qj).transpose(0, 2, 1, 3)


def _diagonal(sums: CrossedSums, T: np.ndarray, i: int) -> np.ndarray:
    """Return the sum over a level's clusters of T's diagonal blocks, (q, q)."""
    return np.einsum("ccab->ab", _blocks(sums, T, i, i))


def _first_log(shape: CovarianceShape, logdet: Jet, S: Jet, K: np.ndarray) -> np.ndarray:
    """Return the second derivatives of log|V| in the first level's parameters, (R_1, R_1)."""
    r, s = _own_pairs(shape)
    KS = K @ S.first
    second = logdet.second + np.tensordot(S.second, K, axes=2) - np.einsum("kab,kba->k", KS[r], KS[s])
    out = np.zeros((len(KS), len(KS)))
    out[r, s] = second
    return out


def _mixed_log(sums: CrossedSums, shape: CovarianceShape, S1: np.ndarray, P: np.ndarray) -> np.ndarray:
    """Return tr(G_s P'S_r P), r of the first level by s of the others, (R_1, R_2)."""
    rows = []
    for change in S1 @ P:
        own: list[np.ndarray] = []
        for i, level in enumerate(shape.levels[1:]):
            where = slice(sums.ends[i], sums.ends[i + 1])
            own.append(_traces(P[:, where], change[:, where], level))
        rows.append(np.concatenate(own))
    return np.array(rows)


def _traces(left: np.ndarray, right: np.ndarray, level: LevelShape) -> np.ndarray:
    """Return tr((I (x) E_s) left'right) of each E_s of a level, (R_l,)."""
    a, b = (part.reshape(len(part), -1, level.q) for part in (left, right))
    return np.tensordot(level.basis, np.einsum("kia,kib->ab", a, b, optimize=True), axes=2)


def _second(
    shape: CovarianceShape, own: int, N1: Jet, S: Jet, B: Jet, found: Stacked, moved: np.ndarray
) -> np.ndarray:
    """Return the second derivatives of [X, y]'V^-1[X, y] by pairs, (T, p + 1, p + 1)."""
    r, s = shape.pairs
    inside, v = _own_pairs(shape), found.v
    out = np.empty((len(r), *N1.value.shape))
    Kc = found.K @ moved
    half = B.second.transpose(0, 2, 1) @ v + _t(moved)[inside[0]] @ Kc[inside[1]]
    out[: len(half)] = N1.second - half - _t(half) + v.T @ S.second @ v
    TGH, Hr = found.T @ found.GH, found.P.T @ moved
    across, above = (r < own) & (s >= own), r >= own
    half = -_t(Hr)[r[across]] @ found.GH[s[across] - own]
    out[across] = half + _t(half)
    half = _t(found.GH)[r[above] - own] @ TGH[s[above] - own]
    out[above] = half + _t(half)
    return out


def crossed_modes(at: Evaluation, sums: CrossedSums) -> list[np.ndarray]:
    """Return the conditional modes of each level, (n_l, q_l), in the coordinates of the fit.

    With a = [-b; 1]: the stacked levels have u = K B a, the first one u_c = K_c E_c [-u; a].
    Reference: Robinson (1991), Statistical Science 6, 15-32.
    """
    a = np.append(-at.beta, 1.0)
    K1, K = at.parts.K
    u = K @ (at.parts.A[0] @ a)
    rest = (sums.E @ np.concatenate([-u, a])).reshape(len(K1), -1)
    stacked = [
        u[start:end].reshape(-1, q)
        for start, end, q in zip(sums.ends, sums.ends[1:], sums.effects[1:], strict=False)
    ]
    return [np.einsum("cab,cb->ca", K1, rest), *stacked]
