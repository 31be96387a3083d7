"""What ingest hands over: raw files, tables, and what was noticed on the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import pandas as pd

Scalar = int | float | str
IssueStatus = Literal["info", "warn", "stop"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """Something noticed in the raw data; never holds a person's answer or identifier.

    Attributes
    ----------
    status : {"info", "warn", "stop"}
        ``stop`` ends the run, ``warn`` asks for caution, ``info`` only tells.
    place : str
        Table, file or variable, such as ``"tables.staff: q7"``.
    message : str
        What was found and what to do about it.
    """

    status: IssueStatus
    place: str
    message: str

    def line(self) -> str:
        """Return place and message as one line of an error."""
        return f"{self.place}: {self.message}"


@dataclass(frozen=True, slots=True, kw_only=True)
class VariableRecord:
    """What a file says about one variable.

    Attributes
    ----------
    name, label : str
        Name in the study; label in the file.
    value_labels : mapping of code to str
        Labels of codes, as declared in the file.
    missing_codes : tuple of codes
        Single codes that mean "no answer".
    missing_ranges : tuple of (low, high)
        Ranges of codes that mean "no answer"; open ends are infinite.
    measure : str
        ``"nominal"``, ``"ordinal"``, ``"scale"`` or empty.
    n_user_missing : mapping of str to int
        How often each such code stood in the data; those values are missing in the frame.
    """

    name: str
    label: str = ""
    value_labels: Mapping[Scalar, str] = field(default_factory=dict)
    missing_codes: tuple[Scalar, ...] = ()
    missing_ranges: tuple[tuple[float, float], ...] = ()
    measure: str = ""
    n_user_missing: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RawFile:
    """One raw file under the study's names.

    Attributes
    ----------
    frame : DataFrame
        One row a row of the file; user-missing codes are missing values.
    codebook : tuple of VariableRecord
        One record a column, in the frame's order.
    issues : tuple of Issue
        What the reader guessed or left out.
    """

    frame: pd.DataFrame
    codebook: tuple[VariableRecord, ...]
    issues: tuple[Issue, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowStep:
    """How many rows and persons are left at one step; ``wave`` is the wave's label, empty for all waves."""

    step: str
    wave: str
    n_rows: int
    n_persons: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestedTable:
    """One long table of the study.

    Attributes
    ----------
    name : str
        Name of the table in the study file.
    frame : DataFrame
        One row a person and wave. First ``person`` (text), with waves ``wave`` (the declared value) and
        ``time`` (float, in ``waves.unit``), one text column for each cluster level, then the raw variables
        under the study's names. Categories are ``Categorical`` with the reference first.
    codebook : DataFrame
        One row a variable: ``variable, label, type, measure, value_labels, missing_codes, n_valid,
        n_missing, n_user_missing, files``.
    issues : tuple of Issue
        ``info`` and ``warn`` only: a ``stop`` ends ingest.
    flow : tuple of FlowStep
        Rows and persons at each step and wave.
    """

    name: str
    frame: pd.DataFrame
    codebook: pd.DataFrame
    issues: tuple[Issue, ...]
    flow: tuple[FlowStep, ...]
