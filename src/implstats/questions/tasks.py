"""A model to fit: what an estimator needs, ready to be handed over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from implstats.questions.base import Entry

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, kw_only=True)
class MixedTask:
    """A mixed model to fit.

    Attributes
    ----------
    analysis : str
        The question's name, or a part of it.
    formula : str
        In lme4's language, over the columns of ``frame``.
    options : dict
        Keyword arguments of :func:`implstats.mixed.fit`.
    outcome_label : str
        Unit of the coefficients, in words.
    persons_repeat : bool
        True when some person stands in several rows (waves) of ``frame``.
    marginal_means : tuple of str
        Predictors whose estimated marginal means are wanted.
    contrasts, adjust : str
        Of these means; ``none`` for none.
    entries : tuple of Entry
        Labels of columns made for this model.
    """

    analysis: str
    formula: str
    frame: pd.DataFrame
    options: dict[str, Any]
    outcome_label: str = ""
    persons_repeat: bool = False
    marginal_means: tuple[str, ...] = ()
    contrasts: str = "none"
    adjust: str = "holm"
    entries: tuple[Entry, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SemTask:
    """A structural equation model to fit; ``model`` is in lavaan's language.

    Attributes
    ----------
    analysis, model : str
    frame : DataFrame
    options : dict
        Keyword arguments of :func:`implstats.sem.fit`, or of ``fit_two_level`` where ``levels``.
    levels : bool
        Whether the model has a part within and a part between clusters.
    bootstrap : dict or None
        Keyword arguments of :func:`implstats.sem.bootstrap`.
    nested_in : str
        In words, which clusters the persons are nested in; empty when in none or when the model allows for
        them.
    entries : tuple of Entry
    """

    analysis: str
    model: str
    frame: pd.DataFrame
    options: dict[str, Any]
    levels: bool = False
    bootstrap: dict[str, Any] | None = None
    nested_in: str = ""
    entries: tuple[Entry, ...] = ()
