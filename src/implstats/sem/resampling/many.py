"""The normal-theory criterion of many samples at once, with gradient and exact Hessian.

Every factor of the derivatives of Sigma and mu is a column of one matrix, times a number:

    D = [I, Lambda E, Lambda Phi], shape (p, d), d = p + 2 m
    a_k = D_.i(k),   b_k = s_k D_.j(k),   m_k = t_k D_.l(k)

so that with Q = D'WD and H = D'W T W D, both (d, d), all that :mod:`implstats.sem.estimators.ml` needs is
picked from Q and H, nothing of size p x q is formed, and R samples are one more axis in front:

    A'GB = Q_ab - H_ab,
    half Hessian = Q_aa H_bb + Q_bb H_aa + Q_ab H_ba + Q_ba H_ab - Q_aa Q_bb - Q_ab Q_ba + ...
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from implstats.sem.model.matrices import ORDER, Structure

Array = NDArray[np.float64]
Index = NDArray[np.intp]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where the k entries of a structure stand in D.

    Attributes
    ----------
    a, b, m : ndarray of int, shape (k,)
        Columns i(k), j(k) and l(k).
    scale : ndarray, shape (k,)
        s_k: one half on a diagonal, zero for intercepts.
    level : ndarray of int, shape (k,)
        t_k is E alpha there; -1: t_k is one (intercepts), -2: zero.
    spread : ndarray, shape (k, q)
        Which free parameter each entry is.
    """

    a: Index
    b: Index
    m: Index
    scale: Array
    level: Index
    spread: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Many:
    """One group's model at R parameter vectors: matrices with R in front.

    Attributes
    ----------
    matrices : dict of ndarray
    inverse, phi : ndarray, shape (R, m, m)
        E and Phi.
    basis : ndarray, shape (R, p, d)
        D.
    eta_mean, mean, cov : ndarray, shapes (R, m), (R, p) and (R, p, p)
    """

    matrices: dict[str, Array]
    inverse: Array
    phi: Array
    basis: Array
    eta_mean: Array
    mean: Array
    cov: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class ManyEvaluations:
    """F, shape (R,), infinite where Sigma is not positive definite; gradient (R, q); half Hessian (R, q,
    q).
    """

    value: Array
    gradient: Array
    hessian: Array | None


def places_of(structure: Structure) -> Places:
    """Return the columns of D that the entries of a structure use."""
    p, m, k = len(structure.observed), len(structure.eta), len(structure.ids)
    a, b, own = (np.zeros(k, dtype=np.intp) for _ in range(3))
    scale, level = np.ones(k), np.full(k, -2, dtype=np.intp)
    for matrix in ORDER[:6]:
        cells, at = structure.cells[matrix], structure.slices[matrix]
        row = cells.row if matrix in ("loading", "theta", "nu") else p + cells.row
        if matrix in ("nu", "alpha"):
            scale[at], own[at], level[at] = 0.0, row, -1
            continue
        a[at] = row
        if matrix in ("loading", "regression"):
            b[at], own[at], level[at] = p + m + cells.col, row, cells.col
        else:
            b[at] = cells.col if matrix == "theta" else p + cells.col
            scale[at] = np.where(cells.row == cells.col, 0.5, 1.0)
    for matrix in ORDER[6:]:  # thresholds and scales of ordered items move neither Sigma nor mu
        scale[structure.slices[matrix]] = 0.0
    spread = np.zeros((k, structure.n_free))
    spread[np.arange(k), structure.ids] = 1.0
    return Places(a=a, b=b, m=own, scale=scale, level=level, spread=spread)


def fill_many(structure: Structure, thetas: Array, cov: Array, mean: Array) -> dict[str, Array]:
    """Return the matrices at thetas, shape (R, q), with the samples' moments of fixed predictors."""
    out = {}
    exo: dict[str, list[tuple[int, int, int, int]]] = {}
    for matrix, i, j, first, second in structure.exo:
        exo.setdefault(matrix, []).append((i, j, first, second))
    for matrix in ORDER:
        cells, template = structure.cells[matrix], structure.template[matrix]
        full = np.repeat(template[None], len(thetas), axis=0)
        values = thetas[:, cells.free]
        if template.ndim == 1:
            full[:, cells.row] = values
        else:
            full[:, cells.row, cells.col] = values
            if matrix in ("psi", "theta"):
                full[:, cells.col, cells.row] = values
        for i, j, first, second in exo.get(matrix, ()):
            if template.ndim == 1:
                full[:, i] = mean[:, first]
            else:
                full[:, i, j] = full[:, j, i] = cov[:, first, second]
        out[matrix] = full
    return out


def implied_many(structure: Structure, thetas: Array, cov: Array, mean: Array) -> Many:
    """Return the model at thetas, shape (R, q), for samples with moments (R, p, p) and (R, p).

    Raises
    ------
    numpy.linalg.LinAlgError
        I - B of some sample has no inverse.
    """
    return many_of(structure, fill_many(structure, thetas, cov, mean))


def many_of(structure: Structure, M: dict[str, Array]) -> Many:
    """Return the model with the given matrices, R of each."""
    loading, m = M["loading"], len(structure.eta)
    if structure.has_regressions:
        E = np.linalg.inv(np.eye(m) - M["regression"]).astype(float, copy=False)
        total, phi = loading @ E, E @ M["psi"] @ E.swapaxes(1, 2)
        eta_mean = (E @ M["alpha"][:, :, None])[:, :, 0]
    else:
        E, total, phi, eta_mean = np.broadcast_to(np.eye(m), M["psi"].shape), loading, M["psi"], M["alpha"]
    loading_phi = loading @ phi
    p = len(structure.observed)
    basis = np.empty((len(loading), p, p + 2 * m))
    basis[:, :, :p], basis[:, :, p : p + m], basis[:, :, p + m :] = np.eye(p), total, loading_phi
    return Many(
        matrices=M, inverse=E, phi=phi, basis=basis, eta_mean=eta_mean,
        mean=M["nu"] + (loading @ eta_mean[:, :, None])[:, :, 0],
        cov=loading_phi @ loading.swapaxes(1, 2) + M["theta"],
    )  # fmt: skip


def positive_definite(matrices: Array) -> Flags:
    """Return which of the matrices, shape (R, k, k), are finite and positive definite."""
    fine: Flags = np.asarray(np.isfinite(matrices).all(axis=(1, 2)))
    try:
        np.linalg.cholesky(matrices[fine])
    except np.linalg.LinAlgError:
        fine[fine] = np.linalg.eigvalsh(matrices[fine])[:, 0] > 0.0
    return fine


def evaluate_many(
    structure: Structure, places: Places, thetas: Array, cov: Array, mean: Array, *, hessian: bool
) -> ManyEvaluations:
    """Return F of each sample at its own parameters, in the free parameters of the model.

    Parameters
    ----------
    thetas : ndarray, shape (R, q)
    cov, mean : ndarray, shapes (R, p, p) and (R, p)
        Sample moments, divisor n.
    """
    at = implied_many(structure, thetas, cov, mean)
    proper = positive_definite(at.cov)
    sigma = at.cov if proper.all() else np.where(proper[:, None, None], at.cov, np.eye(at.cov.shape[1]))
    W = np.linalg.inv(sigma).astype(float, copy=False)
    delta = mean - at.mean if structure.means else np.zeros_like(mean)
    T = cov + delta[:, :, None] * delta[:, None, :] if structure.means else cov
    value = np.linalg.slogdet(sigma)[1] + (W * T).sum(axis=(1, 2))
    WD = W @ at.basis
    Q, H = at.basis.swapaxes(1, 2) @ WD, WD.swapaxes(1, 2) @ T @ WD
    shift = (WD.swapaxes(1, 2) @ delta[:, :, None])[:, :, 0]
    level = levels(places, at.eta_mean) if structure.means else None
    gradient = 2.0 * places.scale * _pick(Q - H, places.a, places.b)
    if level is not None:
        gradient -= 2.0 * level * shift[:, places.m]
    half = _half_hessian(structure, places, at, Q, H, shift, level) if hessian else None
    S = places.spread
    return ManyEvaluations(
        value=np.where(proper, value, np.inf),
        gradient=gradient @ S,
        hessian=None if half is None else half if structure.one_to_one else S.T @ half @ S,
    )


def levels(places: Places, eta_mean: Array) -> Array:
    """t_k of each sample, shape (R, k)."""
    found = eta_mean[:, np.maximum(places.level, 0)]
    return np.where(places.level >= 0, found, np.where(places.level == -1, 1.0, 0.0))


def _pick(M: Array, rows: Index, cols: Index) -> Array:
    return M.reshape(len(M), -1).take(rows * M.shape[2] + cols, axis=1)


def _block(M: Array, rows: Index, cols: Index) -> Array:
    return M.reshape(len(M), -1).take(rows[:, None] * M.shape[2] + cols, axis=1)


def _half_hessian(
    structure: Structure, places: Places, at: Many, Q: Array, H: Array, shift: Array, level: Array | None
) -> Array:
    """Half the exact Hessian in the entries, shape (R, k, k)."""
    a, b, s = places.a, places.b, places.scale
    ss = s[:, None] * s
    Qaa, Haa = _block(Q, a, a), _block(H, a, a)
    Qbb, Hbb = _block(Q, b, b), _block(H, b, b)
    Qab, Hab = _block(Q, a, b), _block(H, a, b)
    Qba = Qab.swapaxes(1, 2)
    Haa -= Qaa
    half = Qaa * Hbb
    half += Qbb * Haa
    cross = (Hab - 0.5 * Qab) * Qba
    half += cross
    half += cross.swapaxes(1, 2)
    half *= ss
    second_of_cov(structure, at, Q - H, half)
    if level is not None:
        m = places.m
        mean = _block(Q, m, m) * (level[:, :, None] * level[:, None, :])
        cross = _block(Q, m, a) * shift[:, None, b] + _block(Q, m, b) * shift[:, None, a]
        cross *= level[:, :, None] * s
        half += mean + cross + cross.swapaxes(1, 2)
        second_of_mean(structure, at, shift, half)
    return half


def second_of_cov(structure: Structure, at: Many, X: Array, half: Array) -> None:
    """Add half of sum G d2 Sigma, G in the columns of D as X."""
    E, Phi = at.inverse, at.phi
    p, m = at.basis.shape[1], Phi.shape[1]
    (r1, c1), (r2, c2), (r3, c3) = (
        (structure.cells[n].row, structure.cells[n].col) for n in ("loading", "regression", "psi")
    )
    S1, S2, S3 = (structure.slices[n] for n in ("loading", "regression", "psi"))
    weight = np.where(r3 == c3, 0.5, 1.0)
    half[:, S1, S1] += _block(X, r1, r1) * _block(Phi, c1, c1)
    block = _block(X, r1, p + r3) * _block(E, c1, c3) + _block(X, r1, p + c3) * _block(E, c1, r3)
    _add_both(half, S1, S3, weight * block)
    if not len(r2):
        return
    block = _block(X, r1, p + r2) * _block(Phi, c1, c2) + _block(X, r1, p + m + c2) * _block(E, c1, r2)
    _add_both(half, S1, S2, block)
    chain = _block(E, c2, r2) * _block(X, p + r2, p + m + c2)
    half[:, S2, S2] += chain + chain.swapaxes(1, 2) + _block(X, p + r2, p + r2) * _block(Phi, c2, c2)
    block = _block(E, c2, r3) * _block(X, p + r2, p + c3) + _block(E, c2, c3) * _block(X, p + r2, p + r3)
    _add_both(half, S2, S3, weight * block)


def second_of_mean(structure: Structure, at: Many, shift: Array, half: Array) -> None:
    """Add half of sum g d2 mu, g = -2 W d, whose products with the columns of D are ``shift``."""
    E, level = at.inverse, at.eta_mean
    p = at.basis.shape[1]
    (r1, c1), (r2, c2) = ((structure.cells[n].row, structure.cells[n].col) for n in ("loading", "regression"))
    ra = structure.cells["alpha"].row
    S1, S2, Sa = (structure.slices[n] for n in ("loading", "regression", "alpha"))
    one, two = -shift[:, r1, None], -shift[:, p + r2, None]
    _add_both(half, S1, Sa, one * _block(E, c1, ra))
    if not len(r2):
        return
    _add_both(half, S1, S2, one * _block(E, c1, r2) * level[:, None, c2])
    chain = two * _block(E, c2, r2) * level[:, None, c2]
    half[:, S2, S2] += chain.swapaxes(1, 2) + chain
    _add_both(half, S2, Sa, two * _block(E, c2, ra))


def _add_both(half: Array, rows: slice, cols: slice, block: Array) -> None:
    half[:, rows, cols] += block
    half[:, cols, rows] += block.swapaxes(1, 2)
