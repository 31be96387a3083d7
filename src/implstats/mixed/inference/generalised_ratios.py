"""Exponentiated coefficients of generalised and ordinal fits.

exp(b) with the interval exp(b -+ z se): odds ratios (logit), rate ratios (log). They hold at fixed random
effects, that is within a cluster. In an ordinal fit they are the odds of a higher category.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from implstats.errors import ModelError, NotSupportedError
from implstats.mixed.results import MixedResult

KINDS = {"logit": "odds ratio", "log": "rate ratio"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """One ratio; ``kind`` is ``odds ratio`` or ``rate ratio``; p_value is of ratio = 1."""

    term: str
    kind: str
    ratio: float
    conf_low: float | None
    conf_high: float | None
    p_value: float | None


def ratios(result: MixedResult) -> tuple[Ratio, ...]:
    """Return the ratio of each coefficient but intercept and thresholds, at the fit's ``ci_level``.

    Raises NotSupportedError where the link has no ratios, ModelError in a failed fit.
    """
    if result.family == "gaussian" or result.link not in KINDS:
        raise NotSupportedError(
            f"Ratios need a logit or log link; this fit has family '{result.family}' and link "
            f"'{result.link}'. Read its coefficients on their own scale."
        )
    if result.generalised is None:
        raise ModelError("The fit failed, so there are no ratios.")
    skip = len(result.terms) - len(result.generalised.scaled.kept)
    found = [row for row in result.fixed[skip:] if row.term != "(Intercept)" and row.estimate is not None]
    return tuple(
        Ratio(
            term=row.term, kind=KINDS[result.link], ratio=float(np.exp(row.estimate or 0.0)),
            conf_low=None if row.conf_low is None else float(np.exp(row.conf_low)),
            conf_high=None if row.conf_high is None else float(np.exp(row.conf_high)),
            p_value=row.p_value,
        )
        for row in found
    )  # fmt: skip
