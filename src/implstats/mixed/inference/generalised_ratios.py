"""Exponentiated coefficients of generalised and ordinal fits.

exp(b) with the interval exp(b -+ z se): odds ratios (logit), rate ratios (log). They hold at fixed random
effects, that is within a cluster. In an ordinal fit they are the odds of a higher category.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from implstats.errors import ModelError, NotSupportedError
from implstats.mixed.results import MixedResult
from implstats.results import Check

if TYPE_CHECKING:
    import pandas as pd

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratios:
    """Ratios in the order of the coefficients: ``ratios``, ``ci_level`` and ``checks``."""

    ratios: tuple[Ratio, ...]
    ci_level: float
    checks: tuple[Check, ...]

    @property
    def frame(self) -> pd.DataFrame:
        """Return one row a ratio."""
        import pandas as pd

        names = ["term", "kind", "ratio", "conf_low", "conf_high", "p_value"]
        return pd.DataFrame([asdict(row) for row in self.ratios], columns=names)


def ratios(result: MixedResult) -> Ratios:
    """Return the ratio of each coefficient but intercept and thresholds, at the fit's ``ci_level``.

    Raises
    ------
    NotSupportedError
        The link has no ratios.
    ModelError
        The fit failed.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from implstats import mixed
    >>> rng = np.random.default_rng(1)
    >>> ward, x = np.repeat(np.arange(20), 10), rng.normal(size=200)
    >>> frame = pd.DataFrame({"ward": ward, "x": x, "n": rng.poisson(np.exp(0.5 * x))})
    >>> found = mixed.ratios(mixed.fit("n ~ x + (1 | ward)", frame, family="poisson"))
    >>> [(row.term, row.kind) for row in found.ratios]
    [('x', 'rate ratio')]
    """
    if result.family == "gaussian" or result.link not in KINDS:
        raise NotSupportedError(
            f"Ratios need a logit or log link; this fit has family '{result.family}' and link "
            f"'{result.link}'. Read its coefficients on their own scale."
        )
    if result.generalised is None:
        raise ModelError("The fit failed, so there are no ratios.")
    skip = len(result.terms) - len(result.generalised.scaled.kept)
    found = [row for row in result.fixed[skip:] if row.term != "(Intercept)"]
    return Ratios(
        ratios=tuple(
            Ratio(
                term=row.term, kind=KINDS[result.link], ratio=float(np.exp(row.estimate)),
                conf_low=None if row.conf_low is None else float(np.exp(row.conf_low)),
                conf_high=None if row.conf_high is None else float(np.exp(row.conf_high)),
                p_value=row.p_value,
            )
            for row in found if row.estimate is not None
        ),
        ci_level=result.ci_level,
        checks=tuple(check for check in result.checks if check.name == "df_method"),
    )  # fmt: skip
