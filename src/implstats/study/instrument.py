"""An instrument file: the scoring key of a published scale."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from implstats.study.parts import Closed, Name, Slug


class Instrument(Closed):
    """A scoring key: item numbers, never item texts."""

    name: Slug
    title: str
    citation: str
    licence: str
    verified: bool = Field(
        description="True when the key was seen in the publication or manual named in 'verified_by'."
    )
    verified_by: str = ""
    minimum: float
    maximum: float
    n_items: int = Field(ge=1)
    subscales: dict[Name, list[int]] = Field(default_factory=dict)
    reverse: list[int] = Field(
        default_factory=list, description="Reverse-keyed items, for subscales and total alike."
    )
    reverse_total: list[int] = Field(
        default_factory=list, description="Items reversed for the total score only."
    )
    score: Literal["mean", "sum", "mean_of_subscales"]
    subscale_score: Literal["mean", "sum"] | None = Field(
        None, description="Scoring rule of a subscale; mean (or sum) as for the total when left out."
    )
    min_valid: int | None = Field(None, ge=1, description="Fewest answered items for the total.")
    min_valid_subscale: int | None = Field(None, ge=1)
    note: str = ""

    @model_validator(mode="after")
    def _numbers_in_range(self) -> Instrument:
        listed = [n for items in self.subscales.values() for n in items]
        if len(set(listed)) != len(listed):
            raise ValueError("an item stands in two subscales")
        bad = sorted({n for n in [*listed, *self.reverse, *self.reverse_total] if not 1 <= n <= self.n_items})
        if bad:
            raise ValueError(f"item numbers {bad} are outside 1 to {self.n_items}")
        return self
