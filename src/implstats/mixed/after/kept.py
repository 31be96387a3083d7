"""What the questions after a fit need of its data, whatever the family."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from implstats.mixed.design.build import Design
from implstats.mixed.design.formula import Formula
from implstats.mixed.design.standardise import Standardised

if TYPE_CHECKING:
    import pandas as pd


class Kept(Protocol):
    """What a fit of any family keeps of its data: `Fitted` and `Generalised` are such records."""

    @property
    def formula(self) -> Formula: ...

    @property
    def frame(self) -> pd.DataFrame: ...

    @property
    def design(self) -> Design: ...

    @property
    def scaled(self) -> Standardised: ...
