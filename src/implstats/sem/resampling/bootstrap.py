"""Bootstrap of a fitted model: its persons, or their clusters, are drawn again and the model is refitted.

    theta*_r = argmin F(theta; S_r, m_r),   r = 1..B,
    standard error = sd of theta*, bias = mean of theta* - theta

Nothing is assumed about the distribution of the answers, only that persons (with ``cluster``: clusters) are
independent. Fixed predictors are drawn with their persons. Many samples are refitted at once: maximum
likelihood (:mod:`implstats.sem.resampling.refit`), least squares and ordered items, whose thresholds and
correlations are estimated anew (``refit_least_squares``), full information and two stages
(``refit_incomplete``). Samples without a proper optimum are left out and counted, with the reason where
their data could not bear the model; samples with an improper solution, such as a negative variance, are kept,
because leaving them out would bias the intervals, and counted too. Efron & Tibshirani (1993); Davison &
Hinkley (1997).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from implstats.errors import ModelError, UsageError
from implstats.results import Check, finite_or_none
from implstats.sem.fitted import Estimated
from implstats.sem.resampling.draws import (
    FEW_CLUSTERS,
    Persons,
    frequencies_of,
    persons_of,
    random_frequencies,
)
from implstats.sem.resampling.guard import check_draws, resampled_fit
from implstats.sem.resampling.intervals import Interval, bounds, check_interval
from implstats.sem.resampling.replicates import Drawn, accelerations, draw_all
from implstats.sem.results import SemResult

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]
# Beyond this share of refits that failed or were improper, intervals describe a selection.
MANY = 0.05
# A value whose replicates spread less than this (relative) is fixed; its spread is rounding.
NO_SPREAD = 1e-10


@dataclass(frozen=True, slots=True, kw_only=True)
class BootstrapParameter:
    """One parameter with its bootstrap inference.

    Attributes
    ----------
    lhs, op, rhs, group_label, label : str
    group : int
        From 1.
    estimate : float or None
        Of the fit.
    std_error, bias : float or None
        Of the replicates; ``None`` for values that do not vary.
    conf_low, conf_high : float or None
        ``None`` where nothing varies or the replicates do not reach that far.
    n_replicates : int
        Replicates with a value.
    """

    lhs: str
    op: str
    rhs: str
    group: int
    group_label: str
    label: str
    estimate: float | None
    std_error: float | None
    bias: float | None
    conf_low: float | None
    conf_high: float | None
    n_replicates: int

    @property
    def name(self) -> str:
        """The parameter in words."""
        return f"{self.lhs} ~ 1" if self.op == "~1" else f"{self.lhs} {self.op} {self.rhs}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bootstrap:
    """Bootstrap inference for a fitted model.

    Attributes
    ----------
    interval : {"percentile", "bca", "basic"}
    ci_level : float
    draws, n_failed, n_improper : int
        Samples drawn; those without a proper optimum (left out); those with an improper solution (kept).
    n_single : int
        Samples that the batch did not solve and the search of single fits was asked for.
    parameters, standardised : tuple of BootstrapParameter
        In the order of the fit's parameters: in the units of the data; std_all.
    replicates, standardised_replicates : ndarray, shape (draws, rows)
        The values of every draw in the same order; NaN where it failed.
    failures : tuple of (str, int)
        What kept samples from being fitted at all, and how many; one sample may count under several.
    checks : tuple of Check
    """

    interval: str
    ci_level: float
    draws: int
    n_failed: int
    n_improper: int
    n_single: int
    failures: tuple[tuple[str, int], ...]
    parameters: tuple[BootstrapParameter, ...]
    standardised: tuple[BootstrapParameter, ...]
    replicates: Array
    standardised_replicates: Array
    checks: tuple[Check, ...]

    @property
    def frame(self) -> pd.DataFrame:
        """One row a parameter and scale (``raw`` or ``std_all``)."""
        import pandas as pd

        rows = [{"scale": "raw", **asdict(p)} for p in self.parameters]
        return pd.DataFrame(rows + [{"scale": "std_all", **asdict(p)} for p in self.standardised])


def bootstrap(
    result: SemResult,
    *,
    draws: int = 1000,
    seed: int,
    interval: Interval = "percentile",
    cluster: str | None = None,
    data: pd.DataFrame | None = None,
    ci_level: float | None = None,
    indices: NDArray[np.intp] | None = None,
    progress: Callable[[str], None] | None = None,
) -> Bootstrap:
    """Return bootstrap standard errors and intervals of all parameters, definitions and standardised values.

    Parameters
    ----------
    result : SemResult
        A fit to persons by any estimator, of numbers or ordered items, that did not fail.
    draws : int
    seed : int
        The same seed gives the same numbers.
    interval : {"percentile", "bca", "basic"}
        See :mod:`implstats.sem.resampling.intervals`. ``bca`` also refits once without each person.
    cluster : str, optional
        A column of ``data``: whole clusters are drawn, across groups if they reach across.
    data : DataFrame, optional
        The frame that was fitted; needed with ``cluster``, and with ``indices`` where answers are missing.
    ci_level : float, optional
        By default the fit's.
    indices : ndarray of int, shape (draws, n), optional
        The persons of each draw, from 0 in the order of the persons of the fit in the data, instead of
        random ones; one group only.
    progress : callable, optional
        Told in a line how many resamples are done, after each batch.

    Raises
    ------
    ModelError
        The fit failed, or no draw could be refitted.
    UsageError, DataError, NotSupportedError
        An option that is not known, a cluster that cannot be used, a fit that cannot be drawn again.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from implstats import sem
    >>> rng = np.random.default_rng(1)
    >>> x = rng.normal(size=200)
    >>> frame = pd.DataFrame({"x": x, "y": 0.5 * x + rng.normal(size=200)})
    >>> found = bootstrap(sem.fit("y ~ x", frame), draws=500, seed=1)
    >>> row = found.parameters[0]
    >>> row.conf_low < 0.5 < row.conf_high, found.n_failed
    (True, 0)
    """
    check_interval(interval)
    estimated = resampled_fit(result, what="The bootstrap")
    level = estimated.options.ci_level if ci_level is None else ci_level
    check_draws(draws if indices is None else len(indices), seed, level=level, least=2)
    persons = persons_of(estimated, data=data, cluster=cluster)
    if indices is not None and data is None and not _in_order(estimated):
        raise UsageError(
            "indices count persons in the order of the data, which this fit does not keep. Give the frame "
            "that was fitted as data, too."
        )
    if indices is None:
        blocks: Iterator[tuple[Array, ...]] = random_frequencies(persons, draws=draws, seed=seed)
    else:
        blocks = iter([_given(indices, persons)])
    total = draws if indices is None else len(indices)
    drawn = draw_all(estimated, persons, blocks, progress=_lines(progress, "resamples", total))
    if drawn.refits.proper.sum() < 2:
        raise ModelError("The model could be refitted to hardly any resample; look at its checks first.")
    a = np.zeros((2, drawn.raw.shape[1]))
    if interval == "bca":
        units = persons.n_clusters or sum(len(y) for y in persons.values)
        a = accelerations(estimated, persons, progress=_lines(progress, "leave-one-out fits", units))
    return _assemble(result, drawn, a, interval, level, persons)


def _in_order(estimated: Estimated) -> bool:
    """Whether the fit keeps its persons in the order of the data; gaps put them pattern by pattern."""
    return estimated.sample.groups[0].answers is not None or estimated.options.missing == "listwise"


def _lines(say: Callable[[str], None] | None, what: str, total: int) -> Callable[[int], None] | None:
    return None if say is None else lambda done: say(f"Bootstrap: {done} of {total} {what}")


def _given(indices: NDArray[np.intp], persons: Persons) -> tuple[Array]:
    chosen = np.asarray(indices)
    n = len(persons.values[0])
    if len(persons.values) > 1 or persons.cluster is not None:
        raise UsageError("indices serve one group without clusters. Leave them out and give a seed.")
    if chosen.ndim != 2 or chosen.dtype.kind not in "iu" or chosen.min() < 0 or chosen.max() >= n:
        raise UsageError(f"indices should be whole numbers from 0 to {n - 1}, one row a draw.")
    return frequencies_of(chosen.astype(np.intp), n)


def _assemble(
    result: SemResult, drawn: Drawn, a: Array, interval: Interval, level: float, persons: Persons
) -> Bootstrap:
    proper, admissible = drawn.refits.proper, drawn.refits.admissible
    n_failed, n_improper = int((~proper).sum()), int((proper & ~admissible).sum())
    raw = _parameters(result, drawn.raw, "estimate", a[0], interval, level)
    standard = _parameters(result, drawn.standardised, "std_all", a[1], interval, level)
    failures = tuple(sorted(drawn.refits.failures.items(), key=lambda pair: -pair[1]))
    checks = [_replicate_check(len(proper), n_failed, n_improper, failures)]
    if persons.cluster is not None:
        checks.append(_cluster_check(persons.n_clusters))
    unreached = [p.name for p in raw if p.std_error is not None and p.conf_low is None]
    if unreached:
        checks.append(Check(
            name="interval", status="warn",
            message=f"No interval for {', '.join(unreached[:8])}: its limits lie beyond the smallest or "
                    "largest replicate. Take more draws.",
        ))  # fmt: skip
    return Bootstrap(
        interval=interval, ci_level=level, draws=len(proper), n_failed=n_failed, n_improper=n_improper,
        n_single=drawn.refits.n_single, failures=failures, parameters=raw, standardised=standard,
        replicates=drawn.raw,
        standardised_replicates=drawn.standardised, checks=tuple(checks),
    )  # fmt: skip


def _parameters(
    result: SemResult, replicates: Array, field: str, a: Array, interval: Interval, level: float
) -> tuple[BootstrapParameter, ...]:
    found = []
    for k, p in enumerate(result.parameters):
        numbers = _numbers(replicates[:, k], getattr(p, field), float(a[k]), interval, level)
        found.append(
            BootstrapParameter(
                lhs=p.lhs,
                op=p.op,
                rhs=p.rhs,
                group=p.group,
                group_label=p.group_label,
                label=p.label,
                **numbers,
            )
        )
    return tuple(found)


def _numbers(
    replicates: Array, estimate: float | None, a: float, interval: Interval, level: float
) -> dict[str, Any]:
    values = replicates[np.isfinite(replicates)]
    out: dict[str, Any] = dict.fromkeys(("std_error", "bias", "conf_low", "conf_high"))
    out |= {"estimate": estimate, "n_replicates": len(values)}
    if estimate is None or len(values) < 2:
        return out
    sd = float(np.std(values, ddof=1))
    if sd <= NO_SPREAD * max(abs(estimate), float(np.abs(values).max())):
        return out
    low, high = bounds(values, estimate, kind=interval, level=level, a=a)
    return out | {
        "std_error": sd,
        "bias": float(values.mean() - estimate),
        "conf_low": finite_or_none(low),
        "conf_high": finite_or_none(high),
    }


def _replicate_check(
    draws: int, failed: int, improper: int, failures: Sequence[tuple[str, int]] = ()
) -> Check:
    reasons = "; ".join(f"{count} with {reason}" for reason, count in failures[:8])
    message = (
        f"{draws - failed} of {draws} refits reached a proper optimum"
        + (f"; {failed} failed and are left out" if failed else "")
        + (f" ({reasons})" if reasons else "")
        + (
            f"; {improper} had an improper solution (a negative variance, say) and are kept"
            if improper
            else ""
        )
        + "."
    )
    if max(failed, improper) > MANY * draws:
        return Check(
            name="replicates", status="warn",
            message=message + " That many make the intervals doubtful: simplify the model.",
        )  # fmt: skip
    return Check(name="replicates", status="info" if failed or improper else "ok", message=message)


def _cluster_check(n: int) -> Check:
    if n < FEW_CLUSTERS:
        return Check(
            name="clusters", status="warn",
            message=f"Only {n} clusters were drawn from: with fewer than {FEW_CLUSTERS} the intervals are "
                    "too short.",
        )  # fmt: skip
    return Check(name="clusters", status="ok", message=f"Whole clusters were drawn, {n} of them.")
