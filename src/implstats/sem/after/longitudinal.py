"""Invariance across waves that stand side by side in one row a person.

The waves' factors are correlated; equality is equality of labels, so that one group suffices. Answers to the
same indicator at different waves share more than the factor, hence their residuals covary unless switched
off. The first wave's factor has mean zero once intercepts are equal; the others' means are then free until
the step ``means``. Widaman, Ferrer & Conger (2010); Little (2013), chapter 5.

Ordered answers (theta parameterisation) are identified as Wu & Estabrook (2016) show for groups: residual
variances one and intercepts zero at all waves; equal thresholds free both from the second wave on; equal
intercepts free the latent means instead, equal residuals fix the variances again. Liu et al. (2017).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from implstats.errors import DataError, UsageError
from implstats.sem.after.compare import method_of
from implstats.sem.after.invariance import (
    ADDS,
    CONTINUOUS,
    ORDERED,
    InvarianceLadder,
    check_steps,
    climbed,
    problems_of,
    tested_as,
)
from implstats.sem.data.ordinal_sample import find_categories
from implstats.sem.data.sample import read_columns
from implstats.sem.language.syntax import parse_model

if TYPE_CHECKING:
    import pandas as pd


# With two categories equal thresholds say nothing of the scale: loadings and intercepts cannot be told apart.
FEWEST_THRESHOLDS = 2


def longitudinal_model(
    indicators: Sequence[Sequence[str]],
    *,
    equal: Sequence[str] = (),
    factor: str = "f",
    correlated_residuals: bool = True,
    release: Sequence[str] = (),
    thresholds: Sequence[int] = (),
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
    thresholds : sequence of int
        Of ordered answers: the number of thresholds of each indicator, the same at all waves.

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
    _check_indicators(indicators, equal, ordered=bool(thresholds))
    free = {"".join(text.split()) for text in release}
    lines = [
        _loadings(f"{factor}{w}", wave, "loadings" in equal, free) for w, wave in enumerate(indicators, 1)
    ]
    if correlated_residuals:
        for same in zip(*indicators, strict=True):
            lines += [f"{a} ~~ {' + '.join(same[k + 1 :])}" for k, a in enumerate(same[:-1])]
    if thresholds:
        return "\n".join(
            [*lines, *ordered_lines(indicators, thresholds, equal=equal, factor=factor, free=free)]
        )
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


def ordered_lines(
    indicators: Sequence[Sequence[str]],
    thresholds: Sequence[int],
    *,
    equal: Sequence[str],
    factor: str,
    free: set[str],
) -> list[str]:
    """Return the lines on thresholds, intercepts, residual variances and means of ordered answers."""
    lines = []
    for w, wave in enumerate(indicators, start=1):
        for k, (name, count) in enumerate(zip(wave, thresholds, strict=True), start=1):
            cuts = [
                f"k{k}_{j}*t{j}" if "thresholds" in equal and f"{name}|t{j}" not in free else f"t{j}"
                for j in range(1, count + 1)
            ]
            lines.append(f"{name} | {' + '.join(cuts)}")
            if w > 1 and "thresholds" in equal:
                if "intercepts" not in equal or f"{name}~1" in free:
                    lines.append(f"{name} ~ NA*1")
                if "residuals" not in equal or f"{name}~~{name}" in free:
                    lines.append(f"{name} ~~ NA*{name}")
        if w > 1 and "intercepts" in equal and "means" not in equal:
            lines.append(f"{factor}{w} ~ NA*1")
    return lines


def _check_indicators(indicators: Sequence[Sequence[str]], equal: Sequence[str], *, ordered: bool) -> None:
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
    if "thresholds" in equal and not ordered:
        raise UsageError("Equal thresholds need ordered answers. Leave the step out, or say ordered=True.")
    unknown = [word for word in equal if word not in ADDS.values() or not word]
    if unknown:
        known = ", ".join(word for word in ADDS.values() if word and word != "thresholds")
        raise UsageError(f"equal '{', '.join(unknown)}' is not known. Choose from {known}.")


def longitudinal_invariance(
    indicators: Sequence[Sequence[str]],
    data: pd.DataFrame,
    *,
    steps: Sequence[str] | None = None,
    estimator: str | None = None,
    missing: str = "listwise",
    ordered: bool | Sequence[str] = False,
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
    ordered : bool or sequence of str
        Whether the answers are ordered categories, three or more, the same at all waves; a list names all
        indicators. The estimator is then WLSMV unless another is named.
    correlated_residuals, release, factor
        As in :func:`longitudinal_model`.

    Raises
    ------
    UsageError, DataError
        As :func:`implstats.sem.fit`; waves that do not match.
    """
    names = [name for wave in indicators for name in wave]
    wanted = _all_ordered(ordered, names)
    steps = tuple(steps) if steps is not None else ORDERED if wanted else CONTINUOUS
    check_steps(steps)
    equal = [tuple(ADDS[s] for s in steps[: k + 1] if ADDS[s]) for k in range(len(steps))]
    _check_indicators(indicators, equal[-1], ordered=wanted)
    counts = _thresholds(indicators, data) if wanted else ()
    texts = [
        parse_model(
            longitudinal_model(
                indicators, equal=words, factor=factor, correlated_residuals=correlated_residuals,
                release=release, thresholds=counts,
            )
        )
        for words in equal
    ]  # fmt: skip
    problems = problems_of(
        texts, data, kind="sem", estimator=estimator, missing=missing, ci_level=ci_level, cluster=cluster,
        ordered=tuple(names) if wanted else (), parameterization="theta" if wanted else "delta",
        meanstructure=None if wanted else True,
    )  # fmt: skip
    chosen = method_of(method, tested_as(problems[0].options))
    return InvarianceLadder(
        steps=climbed(steps, equal, tuple(release), problems, method=chosen),
        group="",
        labels=tuple(f"{factor}{w}" for w in range(1, len(indicators) + 1)),
        method=chosen,
    )


def _all_ordered(ordered: bool | Sequence[str], names: Sequence[str]) -> bool:
    """Whether the indicators are ordered; a list must name each of them."""
    if isinstance(ordered, bool) or not ordered:
        return bool(ordered)
    absent = [name for name in names if name not in ordered]
    if absent:
        raise UsageError(
            f"A ladder over waves takes all indicators as ordered or none; {', '.join(absent[:8])} are not "
            "named in ordered."
        )
    return True


def _thresholds(indicators: Sequence[Sequence[str]], data: pd.DataFrame) -> list[int]:
    """Return each indicator's number of thresholds, the same at all waves."""
    names = [name for wave in indicators for name in wave]
    found = dict(find_categories(read_columns(data, names, ()), names, names).thresholds)
    problems = []
    for same in zip(*indicators, strict=True):
        counts = [found[name] for name in same]
        if len(set(counts)) > 1 or counts[0] < FEWEST_THRESHOLDS:
            said = ", ".join(f"{name} {found[name] + 1}" for name in same)
            problems.append(f"categories answered: {said}")
    if problems:
        raise DataError(
            "Ordered answers over waves need the same three or more categories at every wave:\n"
            + "\n".join(f"  {problem}" for problem in problems)
            + "\nMerge categories that nobody chose at some wave, at all waves alike."
        )
    return [found[name] for name in indicators[0]]
