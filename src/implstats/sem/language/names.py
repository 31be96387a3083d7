"""Roles of the variables of a model, in lavaan's order.

latent      left of ``=~``
indicator   right of ``=~``
outcome     left of ``~``             predictor   right of ``~``
x           observed, predictor only, and not mentioned in a (co)variance or intercept of the model: its
            moments are taken from the sample
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from implstats.sem.language.syntax import Term


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Variables by role, each in the order in which lavaan lists them.

    Attributes
    ----------
    observed : tuple of str
        Indicators, then outcomes, then predictors, then variables that only (co)vary.
    latent : tuple of str
        All latent variables.
    x : tuple of str
        Exogenous observed predictors.
    x_mentioned : tuple of str
        Exogenous observed predictors that a (co)variance or an intercept mentions, so that they are modelled.
    latent_x, latent_y : tuple of str
        Latent variables that nothing predicts or measures; outcomes that predict and measure nothing.
    observed_y : tuple of str
        Observed outcomes that predict and indicate nothing.
    """

    observed: tuple[str, ...]
    latent: tuple[str, ...]
    x: tuple[str, ...]
    x_mentioned: tuple[str, ...]
    latent_x: tuple[str, ...]
    latent_y: tuple[str, ...]
    observed_y: tuple[str, ...]


def _unique(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))


def find_names(terms: Sequence[Term]) -> Names:
    """Return the roles of all variables.

    >>> from implstats.sem.language.syntax import parse_model
    >>> find_names(parse_model("f =~ x1 + x2\\nf ~ z").terms).observed
    ('x1', 'x2', 'z')
    """
    latent = _unique(t.lhs for t in terms if t.op == "=~")
    indicators = _unique(t.rhs for t in terms if t.op == "=~")
    outcomes = _unique(t.lhs for t in terms if t.op == "~")
    predictors = _unique(t.rhs for t in terms if t.op == "~")
    covary = [t.lhs for t in terms if t.op == "~~"] + [t.rhs for t in terms if t.op == "~~"]
    means = [t.lhs for t in terms if t.op == "~1"]
    is_latent, is_indicator, is_outcome, is_predictor = map(set, (latent, indicators, outcomes, predictors))
    observed = [
        v for v in _unique([*indicators, *outcomes, *predictors, *covary, *means]) if v not in is_latent
    ]
    only_x = [v for v in observed if v in is_predictor and v not in is_indicator and v not in is_outcome]
    mentioned = {*covary, *means}
    return Names(
        observed=tuple(observed),
        latent=tuple(latent),
        x=tuple(v for v in only_x if v not in mentioned),
        x_mentioned=tuple(v for v in only_x if v in mentioned),
        latent_x=tuple(v for v in latent if v not in is_indicator and v not in is_outcome),
        latent_y=tuple(
            v for v in latent if v in is_outcome and v not in is_predictor and v not in is_indicator
        ),
        observed_y=tuple(
            v for v in observed if v in is_outcome and v not in is_predictor and v not in is_indicator
        ),
    )
