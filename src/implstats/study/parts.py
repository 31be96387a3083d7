"""Parts of the study file: who the study is, its tables of raw files, and its scales."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]*$", max_length=60)]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_.]*$", max_length=64)]
Column = Annotated[str, StringConstraints(min_length=1, max_length=120)]
WaveValue = int | str
Scalar = int | float | str


class Closed(BaseModel):
    """Base of every part of the study file: unknown fields are refused, values are frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True, allow_inf_nan=False)


class StudyInfo(Closed):
    """Who the study is and how it wants to be named."""

    name: Slug = Field(description="Short name; results go to results/<name>.")
    title: str = Field(min_length=1, description="Title as it stands on the report.")
    description: str = Field("", description="A paragraph for the report's first page.")
    synthetic: bool = Field(False, description="True when the data are simulated; every output says so.")
    seed: int = Field(20110501, ge=0, le=2**32 - 1, description="Seed of everything random.")
    citation: str = Field("", description="Where the data come from.")
    data_licence: str = Field("", description="Licence of the raw data.")


class Source(Closed):
    """One raw file."""

    file: str = Field(
        min_length=1,
        description="Path from the project folder; .sav .zsav .por .dta .sas7bdat .xlsx .csv .tsv .txt "
        ".parquet",
    )
    wave: WaveValue | None = Field(
        None, description="Wave of every row of this file; leave out when the file has a wave column."
    )
    delimiter: str | None = Field(
        None,
        min_length=1,
        max_length=1,
        description="Text files: the delimiter; found by itself when left out.",
    )
    encoding: str | None = Field(
        None, description="Text files and SPSS: the encoding; found by itself when left out."
    )
    decimal: Literal[".", ","] | None = Field(
        None, description="Text files: the decimal mark; found by itself when left out."
    )
    sheet: str | None = Field(None, description="Excel: the sheet; the first when left out.")
    rename: dict[Column, Name] = Field(
        default_factory=dict, description="Raw column name -> name used in this study."
    )
    user_missing: dict[Column, list[Scalar]] = Field(
        default_factory=dict,
        description="Codes that mean 'no answer', by variable; '*' for all but identifiers. "
        "Codes declared inside .sav files are known without this.",
    )

    @field_validator("file")
    @classmethod
    def _relative(cls, value: str) -> str:
        if PurePosixPath(value).is_absolute() or ".." in PurePosixPath(value).parts:
            raise ValueError("should be a path inside the project folder, such as data/raw/wave1.sav")
        return value


class Wave(Closed):
    """One wave: its value in the data, its place in time and its label."""

    value: WaveValue
    time: float = Field(description="Time since the first wave, in the unit of waves.unit.")
    label: str = ""


class Waves(Closed):
    """How waves are told apart."""

    variable: Column | None = Field(
        None,
        description="Column that holds the wave in stacked files; leave out when each source has its "
        "own wave.",
    )
    unit: str = Field("wave", description="Unit of time, such as 'year' or 'month'.")
    values: list[Wave] = Field(min_length=1)


class Cluster(Closed):
    """A level that persons are nested in, such as an institution."""

    name: Name = Field(description="Name of the level, such as 'institution'.")
    variable: Column | list[Column] = Field(
        description="Column that tells clusters apart; several columns are combined."
    )
    label: str = ""


class Variable(Closed):
    """What a raw variable means and which values it may take."""

    label: str = ""
    type: Literal["number", "category"] = "number"
    role: Literal["outcome", "predictor", "covariate", "auxiliary", "id"] = "covariate"
    level: Literal["observation", "person", "cluster"] = "observation"
    minimum: float | None = None
    maximum: float | None = None
    reference: Scalar | None = Field(None, description="Reference category of a category variable.")
    out_of_range: Literal["stop", "warn"] = Field(
        "stop", description="stop: the run ends; warn: the value is set to missing and listed."
    )


class Table(Closed):
    """Raw files that are stacked into one long table, one row a person and wave."""

    label: str = ""
    sources: list[Source] = Field(min_length=1)
    person: Column | list[Column] | None = Field(
        None,
        description="Column(s) that identify a person across waves; left out, every row is a person "
        "(only without waves).",
    )
    waves: Waves | None = None
    clusters: list[Cluster] = Field(default_factory=list, description="From the lowest level to the highest.")
    variables: dict[Name, Variable] = Field(default_factory=dict)
    moves: Literal["stop", "warn"] = Field(
        "stop",
        description="What a person in two clusters of one level at different waves means; two clusters "
        "at one wave always stop.",
    )

    @model_validator(mode="after")
    def _waves_need_persons(self) -> Table:
        if self.waves is not None and self.person is None:
            raise ValueError(
                "a table with waves needs 'person', the column that identifies a person across waves"
            )
        return self


class Scale(Closed):
    """A score made of items."""

    label: str = ""
    table: Name | None = Field(None, description="Table with the items; the first table when left out.")
    instrument: Slug | None = Field(
        None, description="Instrument file in config/instruments that holds the scoring key."
    )
    subscale: Name | None = Field(
        None, description="Subscale of the instrument; the whole instrument when left out."
    )
    prefix: str | None = Field(
        None, description="With an instrument: item 7 is the column prefix + '7' (see item_format)."
    )
    item_format: str = Field(
        "{n}", description="With an instrument: how an item number is written, such as '{n:02d}'."
    )
    items: list[Name] = Field(default_factory=list, description="Without an instrument: the item columns.")
    subscales: dict[Name, list[Name]] = Field(
        default_factory=dict,
        description="Without an instrument: items by subscale, for score: mean_of_subscales.",
    )
    reverse: list[Name] = Field(
        default_factory=list, description="Items to turn round: minimum + maximum - answer."
    )
    minimum: float | None = Field(None, description="Lowest possible answer.")
    maximum: float | None = Field(None, description="Highest possible answer.")
    score: Literal["mean", "sum", "mean_of_subscales"] | None = Field(
        None, description="Scoring rule; the instrument's, else mean."
    )
    min_valid: int | None = Field(
        None,
        ge=1,
        description="Fewest answered items for a score; the instrument's, else half of the items rounded up.",
    )
    aggregate: list[Name] = Field(
        default_factory=list,
        description="Cluster levels for which agreement is reported; all levels when left out.",
    )
    out_of_range: Literal["stop", "warn"] = "stop"
    verified: bool = Field(True, description="False when nobody has checked this key against its source.")

    @model_validator(mode="after")
    def _one_key(self) -> Scale:
        ways = sum([bool(self.items), bool(self.subscales), self.instrument is not None])
        if ways != 1:
            raise ValueError("give exactly one of 'items', 'subscales' and 'instrument'")
        if self.instrument is not None and self.prefix is None:
            raise ValueError("an instrument needs 'prefix', the start of the item columns' names")
        if self.instrument is None and (self.minimum is None or self.maximum is None):
            raise ValueError("give 'minimum' and 'maximum', the range of an answer")
        if self.minimum is not None and self.maximum is not None and self.minimum >= self.maximum:
            raise ValueError(f"'minimum' ({self.minimum:g}) should be below 'maximum' ({self.maximum:g})")
        if self.score == "mean_of_subscales" and not (self.subscales or self.instrument):
            raise ValueError("score 'mean_of_subscales' needs 'subscales' or an instrument that has them")
        return self
