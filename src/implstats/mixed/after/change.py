"""d of the change between two waves, from the persons who answered both.

With n persons, MD the mean change, s1 and s2 the SDs of the waves, r their correlation and s_D the SD of the
changes, s_D^2 = s1^2 + s2^2 - 2 r s1 s2:

| name | d | interval |
|---|---|---|
| ``dz`` | MD / s_D | noncentral t of t = d sqrt(n), exact under normality |
| ``drm`` | dz sqrt(2 (1 - r)) | that of dz times sqrt(2 (1 - r)), r taken as known |
| ``dav`` | MD / ((s1 + s2) / 2) | delta method, t with n - 1 df |
| ``pretest`` | MD / s1 | delta method, t with n - 1 df |

    Var(dav)     = s_D^2 / (n s_av^2) + d^2 / (8 (n - 1) s_av^2) (s1^2 + s2^2 + 2 r^2 s1 s2)
    Var(pretest) = s_D^2 / (n s1^2) + d^2 / (2 (n - 1))

dz grows with r and is no measure of the size of a change; the other three are in SDs of the scores. g is
J(n - 1) d. All take persons as independent: where they share institutions, use contrasts with the
standardiser ``total``, which know the clusters.
References: Morris & DeShon (2002), Psychol. Methods 7, 105-125; Lakens (2013), Front. Psychol. 4, 863;
Becker (1988), Br. J. Math. Stat. Psychol. 41, 257-278; Hedges (1981), J. Educ. Stat. 6, 107-128.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import gammaln, nctdtrinc, stdtrit

from implstats.errors import DataError, ProblemsError, did_you_mean
from implstats.mixed.after.linear import fitted_model
from implstats.mixed.after.records import EffectSize, EffectSizes
from implstats.mixed.results import MixedResult
from implstats.results import Check

if TYPE_CHECKING:
    import pandas as pd

CHANGES = {
    "dz": "the mean change over the SD of the changes (Cohen's dz)",
    "drm": "the mean change over the SD of the changes, times sqrt(2 (1 - r)) (d for repeated measures)",
    "dav": "the mean change over the mean of the two waves' SDs",
    "pretest": "the mean change over the first wave's SD",
}
FEWEST = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Waves:
    """Columns of the wave and the person, and the two waves."""

    wave: str
    person: str
    pre: object
    post: object


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """Moments of the persons with both waves: n, mean change, SDs and correlation of the waves."""

    n: int
    change: float
    s1: float
    s2: float
    r: float

    @property
    def sd_change(self) -> float:
        """SD of the changes."""
        return float(np.sqrt(self.s1**2 + self.s2**2 - 2.0 * self.r * self.s1 * self.s2))


def change_effect(result: MixedResult, waves: Waves, *, kind: str, level: float) -> EffectSizes:
    """Return d of the change of a fit's outcome between two waves; see the module for the kinds."""
    pairs, left_out = _pairs(result, waves)
    label = f"{waves.wave} {waves.post} - {waves.pre}"
    return EffectSizes(
        effects=(paired_effect(pairs, kind=kind, level=level, label=label),), standardiser=kind,
        definition=CHANGES[kind], ci_level=level, checks=_checks(result, waves, pairs, left_out, kind),
    )  # fmt: skip


def paired_effect(pairs: Pairs, *, kind: str, level: float, label: str = "") -> EffectSize:
    """Return one d of n pairs."""
    n, sd = pairs.n, pairs.sd_change
    df = n - 1.0
    if kind in ("dz", "drm"):
        unit = 1.0 if kind == "dz" else float(np.sqrt(2.0 * (1.0 - pairs.r)))
        dz = pairs.change / sd
        low, high = (float(x) / np.sqrt(n) for x in noncentral_limits(dz * np.sqrt(n), df, level=level))
        d, se = unit * dz, unit * float(np.sqrt(1.0 / n + dz**2 / (2.0 * df)))
        ends, method = (unit * low, unit * high), "noncentral t"
    else:
        d, se = _delta(pairs, kind)
        half = float(stdtrit(df, 0.5 + 0.5 * level)) * se
        ends, method = (d - half, d + half), "delta"
    J = float(np.exp(gammaln(0.5 * df) - gammaln(0.5 * (df - 1.0))) / np.sqrt(0.5 * df))
    return EffectSize(
        label=label, by={}, d=d, g=J * d, std_error=se, df=df, conf_low=ends[0], conf_high=ends[1],
        interval_method=method, reason="",
    )  # fmt: skip


def _delta(pairs: Pairs, kind: str) -> tuple[float, float]:
    n, s1, s2, r = pairs.n, pairs.s1, pairs.s2, pairs.r
    unit = s1 if kind == "pretest" else 0.5 * (s1 + s2)
    d = pairs.change / unit
    mean_part = pairs.sd_change**2 / (n * unit**2)
    if kind == "pretest":
        return d, float(np.sqrt(mean_part + d**2 / (2.0 * (n - 1.0))))
    spread = (s1**2 + s2**2 + 2.0 * r**2 * s1 * s2) / (8.0 * (n - 1.0) * unit**2)
    return d, float(np.sqrt(mean_part + d**2 * spread))


def noncentral_limits(t: float, df: float, *, level: float) -> tuple[float, float]:
    """Return the noncentralities for which t lies at the upper and the lower end of its distribution.

    >>> low, high = noncentral_limits(2.0, 20.0, level=0.95)
    >>> round(low, 4), round(high, 4)
    (-0.0771, 4.0318)
    """
    tail = 0.5 * (1.0 - level)
    return float(nctdtrinc(df, 1.0 - tail, t)), float(nctdtrinc(df, tail, t))


def _pairs(result: MixedResult, waves: Waves) -> tuple[Pairs, int]:
    """Return the moments of persons with both waves, and how many persons have one only."""
    model = fitted_model(result)
    frame = model.frame
    known = [str(c) for c in frame.columns]
    problems = [
        f"'{name}' is not a column of the data{did_you_mean(name, known)}"
        for name in (waves.wave, waves.person)
        if name not in known
    ]
    if problems:
        raise ProblemsError("effect_size", problems)
    rows, offset = frame.iloc[model.design.rows], model.design.offset
    outcome = model.design.y if offset is None else model.design.y + offset
    one, two = (_answers(rows, outcome, waves, value) for value in (waves.pre, waves.post))
    both = one.index.intersection(two.index)
    left_out = len(one.index.union(two.index)) - len(both)
    if len(both) < FEWEST:
        raise DataError(
            f"{len(both)} person(s) answered both waves; d of change needs at least {FEWEST}. Check "
            "`person`, `pre` and `post`."
        )
    y = np.stack([one.loc[both].to_numpy(), two.loc[both].to_numpy()])
    s1, s2 = (float(s) for s in y.std(axis=1, ddof=1))
    if not (s1 > 0.0 and s2 > 0.0 and np.ptp(y[1] - y[0]) > 0.0):
        raise DataError("All persons have the same value in a wave, or the same change, so there is no SD.")
    return Pairs(
        n=len(both), change=float(np.mean(y[1] - y[0])), s1=s1, s2=s2, r=float(np.corrcoef(y)[0, 1])
    ), left_out  # fmt: skip


def _answers(rows: pd.DataFrame, y: np.ndarray, waves: Waves, value: object) -> pd.Series:
    """Return the outcome of one wave by person."""
    import pandas as pd

    here = (rows[waves.wave] == value).to_numpy()
    if not here.any():
        raise DataError(f"No row in use has the wave asked for in '{waves.wave}'. Check `pre` and `post`.")
    found = pd.Series(y[here], index=rows[waves.person].to_numpy()[here])
    twice = int(found.index.duplicated().sum())
    if twice:
        raise DataError(
            f"{twice} row(s) repeat a person within a wave. d of change needs one answer a person and wave; "
            "check that the ids of persons are unique over clusters."
        )
    return found


def _checks(result: MixedResult, waves: Waves, pairs: Pairs, left_out: int, kind: str) -> tuple[Check, ...]:
    checks = [
        Check(
            name="definition", status="info",
            message=f"d is {CHANGES[kind]}, of {pairs.n} persons with both waves; {left_out} with one wave "
            "were left out.",
        )
    ]  # fmt: skip
    model = fitted_model(result)
    above = [
        level.clusters.name for level in model.design.levels if level.clusters.columns != (waves.person,)
        and level.clusters.size < len(np.unique(model.frame[waves.person].iloc[model.design.rows]))
    ]  # fmt: skip
    if above:
        checks.append(
            Check(
                name="independence", status="warn",
                message=f"The interval takes persons as independent, but they share {', '.join(above)}. "
                "mixed.effect_size of contrasts, standardiser 'total', knows the clusters.",
            )
        )  # fmt: skip
    return tuple(checks)
