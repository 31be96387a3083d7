"""Bollen-Stine bootstrap of chi-square: how large would it be if the model were true?

The persons are moved so that the model holds exactly in them, and then drawn again,

    y~_i = mu + Sigma^(1/2) S^(-1/2) (y_i - m),     T*_r = n [F(theta*_r; S~_r, m~_r) - log|S~_r| - p]

with Sigma, mu the model's moments and symmetric roots (Bollen & Stine 1992). By least squares T* is n - 1
times F at theta*, with weights from each resample, which also gives ULS a test. The p-value is
(1 + #{T* >= T}) / (1 + B), which holds its level exactly if T and T* come from one distribution (Davison &
Hinkley 1997, 4.2); lavaan gives #{T* > T} / B. No normality is assumed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from implstats.errors import ModelError, NotSupportedError
from implstats.results import Check
from implstats.sem.fitted import Estimated
from implstats.sem.resampling.bootstrap import MANY
from implstats.sem.resampling.draws import Persons, random_frequencies, resampled_moments
from implstats.sem.resampling.guard import check_draws, resampled_fit
from implstats.sem.resampling.refit import Resamples, refit
from implstats.sem.resampling.refit_least_squares import refit_least_squares
from implstats.sem.results import SemResult

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class BollenStine:
    """Bootstrap test of a model.

    Attributes
    ----------
    chisq : float
        Of the fit, unscaled.
    df, draws, n_failed, n_improper : int
        Failed refits are left out, improper ones kept.
    p_value : float
    mean : float
        Of the replicates; near df if chi-square's distribution is right.
    critical : float
        95th percentile of the replicates.
    replicates : ndarray, shape (draws,)
        Chi-square of each draw, NaN where it failed.
    checks : tuple of Check
    """

    chisq: float
    df: int
    draws: int
    n_failed: int
    n_improper: int
    p_value: float
    mean: float
    critical: float
    replicates: Array
    checks: tuple[Check, ...]


def bollen_stine(result: SemResult, *, draws: int = 1000, seed: int) -> BollenStine:
    """Return the bootstrap p-value of a fit's chi-square.

    Parameters
    ----------
    result : SemResult
        A fit of numbers to complete persons, by ML, its robust forms or least squares, that did not fail
        and has degrees of freedom.
    draws, seed : int

    Raises
    ------
    ModelError
        The fit failed, has no degrees of freedom, or no draw could be refitted.
    NotSupportedError
        Missing answers, ordered items, clusters.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from implstats import sem
    >>> rng = np.random.default_rng(4)
    >>> f = rng.normal(size=(300, 1))
    >>> frame = pd.DataFrame(f + rng.normal(size=(300, 4)), columns=list("abcd"))
    >>> bollen_stine(sem.fit("f =~ a + b + c + d", frame), draws=200, seed=1).p_value > 0.05
    True
    """
    estimated = resampled_fit(result, what="The Bollen-Stine test")
    check_draws(draws, seed, level=0.95, least=2)
    if estimated.options.ordered:
        raise NotSupportedError(
            "The Bollen-Stine test moves persons until the model holds, but ordered answers cannot be moved. "
            "Use the scaled and shifted test of WLSMV."
        )
    if estimated.options.missing != "listwise":
        raise NotSupportedError(
            "The Bollen-Stine test needs complete persons, because the data are moved until the model "
            "holds. Use missing 'listwise', or estimator 'MLR' with missing 'fiml'."
        )
    if estimated.options.cluster is not None:
        raise NotSupportedError(
            "The Bollen-Stine test takes persons as independent, but this fit has clusters. Use its scaled "
            "chi-square."
        )
    if not estimated.df:
        raise ModelError(
            "The model has no degrees of freedom, so it reproduces any data and cannot be tested."
        )
    persons = Persons(values=tuple(_moved(estimated, g) for g in range(len(estimated.structures))))
    found, improper = [], 0
    for block in random_frequencies(persons, draws=draws, seed=seed):
        if estimated.options.least_squares:
            refits, samples = refit_least_squares(estimated, persons, block)
            found.append((np.asarray(sum(samples.n)) - len(samples.n)) * refits.value)
        else:
            samples = resampled_moments(persons.values, block)
            refits = refit(estimated, samples)
            found.append(chi_squares(samples, refits.value))
        improper += int((refits.proper & ~refits.admissible).sum())
    return _assembled(estimated, np.concatenate(found), improper)


def _moved(estimated: Estimated, g: int) -> Array:
    """The persons of a group, moved until their moments are the model's."""
    sample, moments = estimated.sample.groups[g], estimated.moments[g]
    mean = moments.mean if estimated.table.means else sample.moments.mean
    # Least squares takes S with divisor n - 1; the drawn persons' then has the model as its mean.
    moved = sample.centred @ _root(sample.moments.cov, -0.5) @ _root(moments.cov, 0.5)
    return np.asarray(moved + mean)


def _root(matrix: Array, power: float) -> Array:
    """Symmetric power of a positive definite matrix."""
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray((vectors * values**power) @ vectors.T)


def chi_squares(samples: Resamples, value: Array) -> Array:
    """Return chi-square of refits whose criterion is ``value``, shape (R,)."""
    n, p = np.asarray(sum(samples.n)), samples.cov[0].shape[1]
    log_det = sum(s / n * np.linalg.slogdet(c)[1] for s, c in zip(samples.n, samples.cov, strict=True))
    return np.asarray(n * (value - log_det - p))


def _assembled(estimated: Estimated, chisq: Array, improper: int) -> BollenStine:
    kept = chisq[np.isfinite(chisq)]
    failed = len(chisq) - len(kept)
    if not len(kept):
        raise ModelError("The model could not be refitted to any resample; look at its checks first.")
    value = estimated.optimum.evaluation.value
    own = chi_squares(_own(estimated), np.array([value]))[0]
    if estimated.options.least_squares:
        own = (estimated.sample.n - len(estimated.sample.groups)) * value
    message = f"{len(kept)} of {len(chisq)} refits reached a proper optimum; {improper} of them are improper."
    doubtful = max(failed, improper) > MANY * len(chisq)
    return BollenStine(
        chisq=float(own), df=estimated.df, draws=len(chisq), n_failed=failed, n_improper=improper,
        p_value=float((1 + (kept >= own).sum()) / (1 + len(kept))), mean=float(kept.mean()),
        critical=float(np.quantile(kept, 0.95)), replicates=chisq,
        checks=(Check(name="replicates", status="warn" if doubtful else "ok", message=message),),
    )  # fmt: skip


def _own(estimated: Estimated) -> Resamples:
    """The sample itself, as one resample."""
    groups = [s.moments for s in estimated.sample.groups]
    return Resamples(
        cov=tuple(m.cov[None] for m in groups), mean=tuple(m.mean[None] for m in groups),
        n=tuple(np.array([float(m.n)]) for m in groups),
    )  # fmt: skip
