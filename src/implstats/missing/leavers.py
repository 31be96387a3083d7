"""Leavers against stayers: do those who left differ, at the first wave, from those who stayed?

For a first-wave variable with means m_L, m_S, variances v_L, v_S and sizes n_L, n_S of leavers and stayers,
df = n_L + n_S - 2, s the pooled standard deviation and h = 1 / n_L + 1 / n_S:

    d           (m_L - m_S) / s
    g           c d,  c = Gamma(df / 2) / (sqrt(df / 2) Gamma((df - 1) / 2))             Hedges (1981)
    interval    of d from the noncentral t: the noncentralities at which t = d / sqrt(h) is a
                tail's quantile, times sqrt(h) (Steiger & Fouladi 1997); of g, c times that
    p-value     two-sided t test with unequal variances                                  Welch (1947)

g is positive when leavers are higher. It describes; a p-value above .05 does not show that data are missing
at random.

References
----------
Hedges, L. V. (1981). Journal of Educational Statistics 6, 107-128.
Steiger, J. H., & Fouladi, R. T. (1997). In Harlow et al. (eds.), What If There Were No Significance Tests?
Welch, B. L. (1947). Biometrika 34, 28-35.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from implstats.errors import DataError, UsageError
from implstats.missing.participation import seen_matrix
from implstats.missing.shares import check_columns

if TYPE_CHECKING:
    import pandas as pd

Stayed = Literal["last", "all", "any"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaverComparison:
    """One first-wave variable, leavers against stayers.

    Attributes
    ----------
    variable : str
    estimate, conf_low, conf_high : float or None
        Standardised mean difference (Hedges' g), leavers minus stayers, and its interval.
    statistic, df, p_value : float or None
        Welch's t test.
    n_leavers, n_stayers : int
        Persons with a value at the first wave.
    mean_leavers, mean_stayers : float or None
        In the variable's unit.
    conf_level : float
    reason : str
        Why numbers are None, or empty.
    """

    variable: str
    estimate: float | None
    conf_low: float | None
    conf_high: float | None
    statistic: float | None
    df: float | None
    p_value: float | None
    n_leavers: int
    n_stayers: int
    mean_leavers: float | None
    mean_stayers: float | None
    conf_level: float
    reason: str


def compare_leavers(
    frame: pd.DataFrame,
    variables: Sequence[str],
    first_wave: Any,
    *,
    stayed: Stayed = "last",
    seen_by: Sequence[str] | None = None,
    waves: Sequence[Any] | None = None,
    person: str = "person",
    wave: str = "wave",
    conf_level: float = 0.95,
) -> list[LeaverComparison]:
    """Compare leavers with stayers on first-wave variables.

    Parameters
    ----------
    frame : DataFrame
        Long table, one row a person and wave.
    variables : sequence of str
        Numeric columns.
    first_wave : scalar
        Value of the first wave; only persons seen there are compared.
    stayed : {"last", "all", "any"}
        Who counts as a stayer: seen at the last wave, at all waves, or at any later wave.
    seen_by : sequence of str, optional
        A person is seen at a wave with an answer to at least one of these; with a row, when left out.
    waves : sequence, optional
        The waves in order; sorted values when left out.
    person, wave : str
        Columns.
    conf_level : float

    Returns
    -------
    list of LeaverComparison
        One for each variable, in order; positive estimates mean that leavers are higher.

    Raises
    ------
    UsageError, DataError
        If columns are absent or hold text, or the first wave does not occur.
    """
    check_columns(frame, variables)
    if stayed not in ("last", "all", "any"):
        raise UsageError(f"stayed should be 'last', 'all' or 'any' (got '{stayed}').")
    _check_numeric(frame, variables)
    seen, ordered, persons = seen_matrix(frame, variables=seen_by, waves=waves, person=person, wave=wave)
    if first_wave not in ordered:
        known = ", ".join(str(value) for value in ordered)
        raise UsageError(f"The first wave '{first_wave}' is not in the data; the waves are {known}.")
    start = ordered.index(first_wave)
    if start == len(ordered) - 1:
        raise DataError(f"Wave '{first_wave}' is the last one, so nobody can leave after it.")
    later = seen[:, start + 1 :]
    stays = {"last": later[:, -1], "all": later.all(axis=1), "any": later.any(axis=1)}[stayed]
    first = _first_rows(frame, first_wave, person=person, wave=wave).reindex(persons)
    present = seen[:, start]
    results = []
    for variable in variables:
        values = first[variable].to_numpy(dtype="float64", na_value=np.nan)
        known_value = present & ~np.isnan(values)
        leavers, stayers = values[known_value & ~stays], values[known_value & stays]
        results.append(_compare(variable, leavers, stayers, conf_level))
    return results


def hedges_g(leavers: np.ndarray, stayers: np.ndarray, *, conf_level: float) -> tuple[float, float, float]:
    """Return Hedges' g of two samples (first minus second) and its noncentral-t interval.

    >>> g, low, high = hedges_g(np.array([2.0, 3, 4]), np.array([1.0, 2, 3]), conf_level=0.95)
    >>> round(g, 4)
    0.7979
    """
    from scipy.special import gammaln, nctdtrinc

    n_l, n_s = len(leavers), len(stayers)
    df = n_l + n_s - 2
    pooled = np.sqrt(((n_l - 1) * leavers.var(ddof=1) + (n_s - 1) * stayers.var(ddof=1)) / df)
    d = (leavers.mean() - stayers.mean()) / pooled
    correction = np.exp(gammaln(df / 2) - gammaln((df - 1) / 2)) / np.sqrt(df / 2)
    root_h = np.sqrt(1 / n_l + 1 / n_s)
    tail = (1 - conf_level) / 2
    low = nctdtrinc(df, 1 - tail, d / root_h) * root_h
    high = nctdtrinc(df, tail, d / root_h) * root_h
    return float(correction * d), float(correction * low), float(correction * high)


def welch_t(leavers: np.ndarray, stayers: np.ndarray) -> tuple[float, float, float]:
    """Return Welch's t, its degrees of freedom and the two-sided p-value."""
    from scipy.special import stdtr

    part_l, part_s = leavers.var(ddof=1) / len(leavers), stayers.var(ddof=1) / len(stayers)
    t = (leavers.mean() - stayers.mean()) / np.sqrt(part_l + part_s)
    df = (part_l + part_s) ** 2 / (part_l**2 / (len(leavers) - 1) + part_s**2 / (len(stayers) - 1))
    return float(t), float(df), float(2 * stdtr(df, -abs(t)))


def _compare(variable: str, leavers: np.ndarray, stayers: np.ndarray, conf_level: float) -> LeaverComparison:
    reason = _why_not(leavers, stayers)
    g = low = high = t = df = p_value = None
    if not reason:
        g, low, high = hedges_g(leavers, stayers, conf_level=conf_level)
        t, df, p_value = welch_t(leavers, stayers)
    return LeaverComparison(
        variable=variable, estimate=g, conf_low=low, conf_high=high, statistic=t, df=df, p_value=p_value,
        n_leavers=len(leavers), n_stayers=len(stayers),
        mean_leavers=float(leavers.mean()) if len(leavers) else None,
        mean_stayers=float(stayers.mean()) if len(stayers) else None,
        conf_level=conf_level, reason=reason,
    )  # fmt: skip


def _why_not(leavers: np.ndarray, stayers: np.ndarray) -> str:
    if len(leavers) < 2 or len(stayers) < 2:
        return f"{len(leavers)} leaver(s) and {len(stayers)} stayer(s) have a value; each needs at least 2"
    if np.ptp(leavers) == 0 and np.ptp(stayers) == 0:
        return "the variable is constant among leavers and among stayers"
    return ""


def _first_rows(frame: pd.DataFrame, first_wave: Any, *, person: str, wave: str) -> pd.DataFrame:
    """Return the first wave's rows by person, each of whom may have one."""
    first = frame[(frame[wave] == first_wave) & frame[person].notna()].set_index(person)
    repeated = int(first.index[first.index.duplicated()].nunique())
    if repeated:
        raise DataError(
            f"{repeated} person(s) have several rows at wave '{first_wave}', so which value is the first is "
            "not defined. Keep one row a person and wave."
        )
    return first


def _check_numeric(frame: pd.DataFrame, variables: Sequence[str]) -> None:
    import pandas as pd

    text = [name for name in variables if not pd.api.types.is_numeric_dtype(frame[name])]
    if text:
        raise DataError(
            f"Leavers and stayers are compared on numbers, but {', '.join(text)} hold(s) text or categories. "
            "Leave it out, or give 0/1 columns for its categories."
        )
