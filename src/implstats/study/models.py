"""The study file as typed, closed models: the only source of what a study asks.

A study has tables (stacks of raw files that share a person key), scales scored from their items, questions
put to the scores, and published numbers to check against. Unknown fields are refused. Validation that
needs more than one field (a question that names an unknown scale) lives in :mod:`implstats.study.references`.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from implstats.study.asked import (
    AnyQuestion,
    Attrition,
    Cfa,
    Contextual,
    Growth,
    Invariance,
    Mixed,
    MixedQuestion,
    NullModel,
    PathModel,
    Question,
    SemQuestion,
)
from implstats.study.instrument import Instrument
from implstats.study.parts import (
    Closed,
    Cluster,
    Column,
    Name,
    Scalar,
    Scale,
    Slug,
    Source,
    StudyInfo,
    Table,
    Variable,
    Wave,
    Waves,
    WaveValue,
)

__all__ = [
    "AnyQuestion",
    "Attrition",
    "Cfa",
    "Closed",
    "Cluster",
    "Column",
    "Contextual",
    "Growth",
    "Instrument",
    "Invariance",
    "Mixed",
    "MixedQuestion",
    "Name",
    "NullModel",
    "Outputs",
    "PathModel",
    "Published",
    "Question",
    "Scalar",
    "Scale",
    "SemQuestion",
    "Slug",
    "Source",
    "Study",
    "StudyInfo",
    "Table",
    "Variable",
    "Wave",
    "WaveValue",
    "Waves",
]


class Outputs(Closed):
    """What is written, and how closely people are protected."""

    tables: list[Literal["docx", "xlsx", "html", "tex", "csv"]] = Field(
        default=["docx", "xlsx", "html", "tex", "csv"]
    )
    figures: list[Literal["svg", "pdf", "png"]] = Field(default=["svg", "pdf", "png"])
    min_cell: int = Field(default=5, ge=1, description="Means and shares of fewer persons are suppressed.")
    decimals: int = Field(default=2, ge=0, le=6, description="Decimals in tables; files keep full precision.")
    second_opinion: bool = Field(
        default=True, description="Refit with statsmodels and semopy where they are right, and compare."
    )


class Published(Closed):
    """A number in print that this study should reproduce."""

    analysis: str
    block: str = ""
    term: str = ""
    level: str = ""
    quantity: str
    field: Literal[
        "estimate", "std_error", "statistic", "df", "p_value", "conf_low", "conf_high", "n_obs"
    ] = "estimate"
    value: str = Field(
        pattern=r"^-?\d*\.?\d+$",
        description="As printed, in quotes: its decimals set the precision asked for.",
    )
    citation: str = Field(min_length=1, description="Where it is printed.")
    tolerance: float | None = Field(
        None,
        gt=0,
        description="Largest difference allowed when the printed digits are finer than the printing "
        "program was exact; needs tolerance_reason.",
    )
    tolerance_reason: str = Field("", description="How it is known that the printed digits are not exact.")

    @model_validator(mode="after")
    def _tolerance_has_a_reason(self) -> Published:
        if (self.tolerance is None) != (not self.tolerance_reason):
            raise ValueError("give 'tolerance' and 'tolerance_reason' together, or neither")
        return self


class Study(Closed):
    """A whole study file."""

    study: StudyInfo
    tables: dict[Name, Table] = Field(min_length=1)
    scales: dict[Name, Scale] = Field(default_factory=dict)
    questions: list[AnyQuestion] = Field(default_factory=list)
    outputs: Outputs = Outputs()
    published: list[Published] = Field(default_factory=list)

    def default_table(self) -> str:
        """Name of the table that scales and questions use when they name none: the first."""
        return next(iter(self.tables))

    def table_of(self, part: Scale | Question) -> str:
        """Name of the table that a scale or question works on."""
        return part.table or self.default_table()
