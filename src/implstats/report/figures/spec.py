"""A figure before it is a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureSpec:
    """A drawn figure.

    Attributes
    ----------
    name : str
        File name without its ending.
    analysis : str
        What it belongs to: a question or a stage.
    title : str
        Caption.
    alt : str
        What it shows and its main reading, in full sentences.
    figure : Figure
    """

    name: str
    analysis: str
    title: str
    alt: str
    figure: Figure
