"""What a fit says about its residual structure: rho, standard deviations by wave, covariances.

Intervals are Wald intervals in unbounded coordinates: atanh(rho) and log SD, from the inverse Hessian of the
criterion in (theta, log s2), and turned back. Where a variance of a random effect is zero, they hold with
that variance at zero.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from scipy.special import ndtri

from implstats.mixed.gaussian.criterion import Evaluation
from implstats.mixed.residual.criterion import ResidualProblem

USELESS = 20.0  # standard error of a log SD or of atanh(rho) beyond which an interval has no end


@dataclass(frozen=True, slots=True, kw_only=True)
class ResidualResult:
    """A fitted residual structure.

    Attributes
    ----------
    text : str
        As in ``ar1(wave | person)``.
    kind : {"ar1", "ident", "ar1ident", "un"}
    wave, person : str
    waves : tuple of str, (W,)
    n_obs : tuple of int, (W,)
        Rows at each wave.
    sd : tuple of float, (W,)
        Residual standard deviation at each wave, in units of the outcome.
    sd_low, sd_high : tuple of float or None, (W,)
    rho, rho_low, rho_high : float or None
        Correlation of residuals one wave apart (ar1, ar1ident), with its interval.
    covariance, correlation : ndarray, (W, W)
        Of the residuals of one person.
    """

    text: str
    kind: str
    wave: str
    person: str
    waves: tuple[str, ...]
    n_obs: tuple[int, ...]
    sd: tuple[float, ...]
    sd_low: tuple[float | None, ...]
    sd_high: tuple[float | None, ...]
    rho: float | None
    rho_low: float | None
    rho_high: float | None
    covariance: np.ndarray = field(repr=False)
    correlation: np.ndarray = field(repr=False)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values; rho and matrices only where the structure has them."""
        out: dict[str, Any] = {
            "structure": self.text,
            "by_wave": [
                {"wave": wave, "n_obs": n, "sd": sd, "conf_low": low, "conf_high": high}
                for wave, n, sd, low, high in zip(
                    self.waves, self.n_obs, self.sd, self.sd_low, self.sd_high, strict=True
                )
            ],
        }
        if self.rho is not None:
            out["rho"] = {"estimate": self.rho, "conf_low": self.rho_low, "conf_high": self.rho_high}
        if self.kind == "un":
            out["covariance"] = self.covariance.tolist()
            out["correlation"] = self.correlation.tolist()
        return out


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Estimates of R with standard errors: log SD by wave (W,), atanh(rho); NaN where there are none."""

    log_sd: np.ndarray
    log_sd_error: np.ndarray
    atanh_rho: float
    atanh_rho_error: float


def spread(problem: ResidualProblem, at: Evaluation) -> Spread:
    """Return log SDs (in the units of the fit) and atanh(rho) with their standard errors."""
    shape = problem.shape
    where, structure = shape.residual, shape.structure
    psi, slope, _ = structure.psi(at.theta[where])
    R, R1, _ = structure.matrix(psi)
    A = _asymptotic(problem, at)
    change = np.zeros((structure.width, len(A)))
    change[:, where] = 0.5 * (np.einsum("saa->as", R1) @ slope) / np.diag(R)[:, None]
    change[:, -1] = 0.5
    variances = np.einsum("wi,ij,wj->w", change, A, change)
    has_rho = structure.kind in ("ar1", "ar1ident")
    return Spread(
        log_sd=0.5 * np.log(at.sigma2 * np.diag(R)), log_sd_error=_root(variances),
        atanh_rho=float(at.theta[where.stop - 1]) if has_rho else np.nan,
        atanh_rho_error=float(_root(A[where.stop - 1, where.stop - 1])) if has_rho else np.nan,
    )  # fmt: skip


def relative_covariance(problem: ResidualProblem, at: Evaluation) -> np.ndarray:
    """Return R at the estimate, (W, W), the leading wave first."""
    structure = problem.shape.structure
    return structure.matrix(structure.psi(at.theta[problem.shape.residual])[0])[0]


def _root(variance: np.ndarray) -> np.ndarray:
    """Return standard errors; NaN where they say nothing (a variance that runs off to zero)."""
    return np.sqrt(np.where((variance > 0.0) & (variance < USELESS**2), variance, np.nan))


def _asymptotic(problem: ResidualProblem, at: Evaluation) -> np.ndarray:
    """Return the covariance matrix of (theta, log s2), (R + 1, R + 1); NaN if the Hessian is not definite."""
    R = problem.shape.size
    rss1 = problem.shape.jacobian(at.theta).T @ at.rss_slope / at.rss
    H = np.empty((R + 1, R + 1))
    H[:R, :R] = at.hessian + at.nu * np.outer(rss1, rss1)
    H[:R, R] = H[R, :R] = -at.nu * rss1
    H[R, R] = at.nu
    unit = 1.0 / np.sqrt(np.abs(np.diag(H)))
    scaled = H * np.outer(unit, unit)
    if not (np.all(np.isfinite(scaled)) and np.linalg.eigvalsh(scaled)[0] > 1e-12):
        return np.full_like(H, np.nan)
    return 2.0 * np.linalg.inv(scaled) * np.outer(unit, unit)


def residual_result(
    problem: ResidualProblem, at: Evaluation, *, text: str, wave: str, person: str, labels: tuple[str, ...],
    n_obs: tuple[int, ...], scale: float, ci_level: float,
) -> ResidualResult:  # fmt: skip
    """Return the record, waves in ascending order.

    ``scale`` turns the units of the fit into the outcome's; ``labels`` and ``n_obs`` are in ascending order.
    """
    structure = problem.shape.structure
    order = np.argsort(structure.waves)
    found = spread(problem, at)
    found = replace(found, log_sd=found.log_sd[order], log_sd_error=found.log_sd_error[order])
    z = float(ndtri(0.5 + 0.5 * ci_level))
    R = relative_covariance(problem, at)[np.ix_(order, order)]
    sd = scale * np.exp(found.log_sd)
    low, high = (scale * np.exp(found.log_sd + side * z * found.log_sd_error) for side in (-1.0, 1.0))
    root = np.sqrt(np.diag(R))
    rho = [np.tanh(found.atanh_rho + side * z * found.atanh_rho_error) for side in (-1.0, 1.0)]
    return ResidualResult(
        text=text, kind=structure.kind, wave=wave, person=person, waves=labels, n_obs=n_obs,
        sd=tuple(float(v) for v in sd), sd_low=tuple(_known(v) for v in low),
        sd_high=tuple(_known(v) for v in high), rho=_known(np.tanh(found.atanh_rho)),
        rho_low=_known(rho[0]), rho_high=_known(rho[1]), covariance=at.sigma2 * scale**2 * R,
        correlation=R / np.outer(root, root),
    )  # fmt: skip


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
