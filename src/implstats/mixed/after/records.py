"""Records of standardised effects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from implstats.results import Check

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectSize:
    """One standardised effect.

    Attributes
    ----------
    label : str
    by : dict
        Family of the contrast.
    d : float or None
        In standard deviations; which ones, says ``definition`` of the effects.
    g : float or None
        d corrected for small-sample bias (Hedges).
    std_error : float or None
        Of d.
    df : float or None
        Degrees of freedom of the standard deviation.
    conf_low, conf_high : float or None
        Of d.
    interval_method : {"noncentral t", "delta", "none"}
    reason : str
    """

    label: str
    by: dict[str, object]
    d: float | None
    g: float | None
    std_error: float | None
    df: float | None
    conf_low: float | None
    conf_high: float | None
    interval_method: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectSizes:
    """Standardised effects with one definition."""

    effects: tuple[EffectSize, ...]
    standardiser: str
    definition: str
    ci_level: float
    checks: tuple[Check, ...]

    @property
    def frame(self) -> pd.DataFrame:
        """One row an effect: label, by, d, g, std_error, df, conf_low, conf_high, interval_method."""
        import pandas as pd

        names = ("d", "g", "std_error", "df", "conf_low", "conf_high", "interval_method")
        return pd.DataFrame(
            [{"label": e.label, **e.by, **{n: getattr(e, n) for n in names}} for e in self.effects]
        )
