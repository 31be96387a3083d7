"""Invariance across waves that stand side by side in one row a person.

The waves' factors are correlated; equality is equality of labels, so that one group suffices. Answers to the
same indicator at different waves share more than the factor, hence their residuals covary unless switched
off. The first wave's factor has mean zero once intercepts are equal; the others' means are then free until
the step ``means``. Widaman, Ferrer & Conger (2010); Little (2013), chapter 5.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from implstats.errors import NotSupportedError, UsageError
from implstats.sem.after.compare import method_of
from implstats.sem.after.invariance import (
    ADDS,
    CONTINUOUS,
    InvarianceLadder,
    check_steps,
    climbed,
    problems_of,
    tested_as,
)
from implstats.sem.language.syntax import parse_model

if TYPE_CHECKING:
    import pandas as pd


def longitudinal_model(
    indicators: Sequence[Sequence[str]],
    *,
    equal: Sequence[str] = (),
    factor: str = "f",
    correlated_residuals: bool = True,
    release: Sequence[str] = (),
) -> str:
    """Return a model of one factor over several waves in lavaan's language.

    Parameters
    ----------
    indicators : sequence of sequence of str
        One list a wave, the same indicators in the same order; the first is the marker.
    equal : sequence of str
        From ``loadings, intercepts, residuals, means``: what is equal across waves.
    factor : str
        The factors are called ``f1``, ``f2`` and so on.
    correlated_residuals : bool
        Whether residuals of the same indicator covary over waves.
    release : sequence of str
        Single parameters that stay free, such as ``"y2t3~1"`` or ``"f3=~y2t3"``.

    Raises
    ------
    UsageError
        Fewer than two waves, waves of different length, a variable that stands twice, an unknown word.

    Examples
    --------
    >>> waves = [["a1", "b1"], ["a2", "b2"]]
    >>> print(longitudinal_model(waves, equal=["loadings"], correlated_residuals=False))
    f1 =~ 1*a1 + l2*b1
    f2 =~ 1*a2 + l2*b2
    a1 ~ 1
    b1 ~ 1
    a2 ~ 1
    b2 ~ 1
    """
    _check_indicators(indicators, equal)
    free = {"".join(text.split()) for text in release}
    lines = [
        _loadings(f"{factor}{w}", wave, "loadings" in equal, free) for w, wave in enumerate(indicators, 1)
    ]
    if correlated_residuals:
        for same in zip(*indicators, strict=True):
            lines += [f"{a} ~~ {' + '.join(same[k + 1 :])}" for k, a in enumerate(same[:-1])]
    for wave in indicators:
        lines += [_intercept(name, k, "intercepts" in equal, free) for k, name in enumerate(wave, 1)]
    if "intercepts" in equal and "means" not in equal:
        lines += [f"{factor}1 ~ 0*1", *(f"{factor}{w} ~ 1" for w in range(2, len(indicators) + 1))]
    if "residuals" in equal:
        for wave in indicators:
            lines += [f"{y} ~~ e{k}*{y}" for k, y in enumerate(wave, 1) if f"{y}~~{y}" not in free]
    return "\n".join(lines)


def _loadings(factor: str, wave: Sequence[str], equal: bool, free: set[str]) -> str:
    terms = [f"1*{wave[0]}"]
    for k, name in enumerate(wave[1:], start=2):
        terms.append(f"l{k}*{name}" if equal and f"{factor}=~{name}" not in free else name)
    return f"{factor} =~ {' + '.join(terms)}"


def _intercept(name: str, k: int, equal: bool, free: set[str]) -> str:
    return f"{name} ~ i{k}*1" if equal and f"{name}~1" not in free else f"{name} ~ 1"


def _check_indicators(indicators: Sequence[Sequence[str]], equal: Sequence[str]) -> None:
    if len(indicators) < 2 or any(len(wave) != len(indicators[0]) or len(wave) < 2 for wave in indicators):
        sizes = ", ".join(str(len(wave)) for wave in indicators)
        raise UsageError(
            f"Invariance over time needs two or more waves with the same two or more indicators (got waves "
            f"of {sizes or 'none'}). Give one list a wave, the indicators in the same order."
        )
    every = [name for wave in indicators for name in wave]
    twice = sorted({name for name in every if every.count(name) > 1})
    if twice:
        raise UsageError(f"{', '.join(twice)} stand(s) in several places. Each wave has columns of its own.")
    if "thresholds" in equal:
        raise NotSupportedError(
            "Equal thresholds over waves are not done by this version of implstats. Treat the items as "
            "numbers (MLR), or write the model with labelled thresholds for sem.fit with ordered items."
        )
    unknown = [word for word in equal if word not in ADDS.values() or not word]
    if unknown:
        known = ", ".join(word for word in ADDS.values() if word and word != "thresholds")
        raise UsageError(f"equal '{', '.join(unknown)}' is not known. Choose from {known}.")


def longitudinal_invariance(
    indicators: Sequence[Sequence[str]],
    data: pd.DataFrame,
    *,
    steps: Sequence[str] = CONTINUOUS,
    estimator: str = "ML",
    missing: str = "listwise",
    correlated_residuals: bool = True,
    release: Sequence[str] = (),
    method: str | None = None,
    factor: str = "f",
    ci_level: float = 0.95,
    cluster: str | None = None,
) -> InvarianceLadder:
    """Fit the ladder of invariance over waves in wide form.

    Parameters
    ----------
    indicators : sequence of sequence of str
        One list a wave, the same indicators in the same order.
    steps, estimator, missing, method, cluster
        As in :func:`implstats.sem.invariance`.
    correlated_residuals, release, factor
        As in :func:`longitudinal_model`.

    Raises
    ------
    UsageError, DataError
        As :func:`implstats.sem.fit`; waves that do not match.
    """
    check_steps(steps)
    equal = [tuple(ADDS[s] for s in steps[: k + 1] if ADDS[s]) for k in range(len(steps))]
    texts = [
        parse_model(
            longitudinal_model(
                indicators, equal=words, factor=factor, correlated_residuals=correlated_residuals,
                release=release,
            )
        )
        for words in equal
    ]  # fmt: skip
    problems = problems_of(
        texts, data, kind="sem", estimator=estimator, missing=missing, ci_level=ci_level, cluster=cluster
    )
    chosen = method_of(method, tested_as(problems[0].options))
    return InvarianceLadder(
        steps=climbed(steps, equal, tuple(release), problems, method=chosen),
        group="",
        labels=tuple(f"{factor}{w}" for w in range(1, len(indicators) + 1)),
        method=chosen,
    )
