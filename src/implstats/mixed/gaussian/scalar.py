"""The factor K of an upper level with one random effect: everything is a number a cluster.

    D = 1 + g S,    log|V| gains log D,    K = g / D

and with e_r = D_r / D,  e_rs = D_rs / D,  i the level's own parameter (so D_i = S + g S_i) and S_i = 0,

    (log D)_rs = e_rs - e_r e_s
    K_r  = [r = i] / D - K e_r
    K_rs = K (2 e_r e_s - e_rs) - ([r = i] e_s + [s = i] e_r) / D
"""

from __future__ import annotations

import numpy as np


def scalar_factor(
    g: float, S: np.ndarray, r: np.ndarray, s: np.ndarray, at: np.ndarray | slice, logdet: np.ndarray
) -> np.ndarray:
    """Return K with derivatives, (jets, n_l), and add this level's part of log|V|.

    Parameters
    ----------
    g : float
    S : ndarray, (jets, n_l)
        The level's Z'U^-1 Z with derivatives; the last of the first derivatives is in g itself, and zero.
    r, s : ndarray, (T,)
        Pairs of the second derivatives.
    at : ndarray, (jets,), or slice
        Where the derivatives stand in ``logdet``.
    logdet : ndarray
        Changed in place.
    """
    own = int(s[-1])
    first, mixed = slice(1, own + 2), slice(own + 2, None)
    e = g * S
    e[0] += 1.0
    e[own + 1] += S[0]
    e[-1 - own : -1] += S[1 : own + 1]
    inverse = 1.0 / e[0]
    log_d = np.log(e[0])
    e *= inverse
    e1 = e[first]
    product = e1[r] * e1[s]
    K = e * (-g * inverse)
    K[0] *= -1.0
    K[own + 1] += inverse
    K[mixed] += (2.0 * K[0]) * product
    K[-1 - own :] -= inverse * e1
    K[-1] -= inverse * e1[own]
    e[0] = log_d
    e[mixed] -= product
    logdet[at] += e.sum(axis=1)
    return K
