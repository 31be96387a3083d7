"""Marginal means of generalised fits on the scale of the response, and of ordinal fits on the latent scale.

    mu = g^-1(eta)     se(mu) = |d mu / d eta| se(eta)     interval: g^-1 of the ends for eta

eta averages over the grid before the inverse link, and random effects are zero, so mu is the probability or
rate of a typical cluster, not an average over clusters. A difference of logits (logs) is the log of an odds
(rate) ratio. In an ordinal fit eta is the latent mean less the mean threshold, as emmeans' mode "latent".
Reference: Searle, Speed & Milliken (1980), Am. Stat. 34, 216-221.
"""

from __future__ import annotations

import numpy as np
from scipy.special import expit, ndtr

from implstats.errors import NotSupportedError, UsageError
from implstats.mixed.results import MixedResult

SCALES = ("link", "response")


def check_scale(result: MixedResult, scale: str) -> None:
    """Refuse an unknown scale, and the response of an ordinal fit."""
    if scale not in SCALES:
        raise UsageError(f"scale is 'link' or 'response'; got '{scale}'.")
    if scale == "response" and result.family == "ordinal":
        raise NotSupportedError(
            "Means of an ordinal fit are on the latent scale only; use scale='link', or mixed.ratios."
        )


def check_ratios(result: MixedResult, scale: str) -> bool:
    """Return whether contrasts are ratios; refuse those of a link that has none."""
    if scale == "link" or result.family == "gaussian":
        return False
    if result.link not in ("logit", "log"):
        raise NotSupportedError(
            f"Contrasts under the link '{result.link}' are no ratios. Take them of means with scale='link'."
        )
    return True


def with_thresholds(result: MixedResult, L: np.ndarray) -> np.ndarray:
    """Return L, (k, p), with the weights of the thresholds before it in an ordinal fit."""
    extra = len(result.terms) - L.shape[1]
    return np.column_stack([np.full((len(L), extra), -1.0 / extra), L]) if extra else L


def response(
    result: MixedResult, eta: np.ndarray, std_error: np.ndarray, low: np.ndarray, high: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return means, standard errors and intervals, (k,) each, on the scale of the response."""
    if result.link == "logit":
        mu = expit(eta)
        return mu, mu * expit(-eta) * std_error, expit(low), expit(high)
    if result.link == "log":
        return np.exp(eta), np.exp(eta) * std_error, np.exp(low), np.exp(high)
    if result.link == "probit":
        slope = np.exp(-0.5 * eta**2) / np.sqrt(2.0 * np.pi)
        return ndtr(eta), slope * std_error, ndtr(low), ndtr(high)
    return eta, std_error, low, high
