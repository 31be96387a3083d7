"""The ladder of measurement invariance: a model fitted to all groups with ever more held equal, step by step.

    configural  the same pattern     scalar  + equal intercepts (latent means free from the second group)
    metric      equal loadings       strict  + equal residual variances       means  + equal latent means

With ordered items the step ``thresholds`` comes first, since only equal thresholds give groups one response
scale, and scales are identified as Wu & Estabrook (2016) show: equal thresholds free intercepts and residual
variances from the second group on, equal loadings the latent variances (under ``std_lv``), equal intercepts
the latent means.

Each step is compared with the step before. Parameters to ``release`` stay free in all steps (partial
invariance). Every step starts at the estimate before it, since the models differ little. Meredith (1993);
Byrne, Shavelson & Muthén (1989); cut-offs for differences of fit indices: Cheung & Rensvold (2002), Chen
(2007).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from implstats.errors import UsageError, did_you_mean
from implstats.sem.after.compare import Difference, difference, method_of, reproduced
from implstats.sem.after.compare import _changes as changes
from implstats.sem.data.groups import group_rows
from implstats.sem.estimators.search import Problem, build_problem
from implstats.sem.fit import fit_problem
from implstats.sem.language.syntax import ModelText, parse_model
from implstats.sem.language.table import build_table
from implstats.sem.options import Options, check_options
from implstats.sem.prepare import refuse_nothing_free, take_all, with_thresholds
from implstats.sem.results import SemResult

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]
ADDS = {
    "configural": "",
    "thresholds": "thresholds",
    "metric": "loadings",
    "scalar": "intercepts",
    "strict": "residuals",
    "means": "means",
}
STEPS = tuple(ADDS)
CONTINUOUS = ("configural", "metric", "scalar", "strict")
ORDERED = ("configural", "thresholds", "metric", "scalar", "strict")


@dataclass(frozen=True, slots=True, kw_only=True)
class InvarianceStep:
    """One step of the ladder.

    Attributes
    ----------
    name : str
    equal : tuple of str
        What is equal, in the words of ``group_equal``.
    released : tuple of str
        Parameters that stay free all the same.
    fit : SemResult
    difference : Difference or None
        Against the step before; ``None`` at the first step or where a fit failed.
    """

    name: str
    equal: tuple[str, ...]
    released: tuple[str, ...]
    fit: SemResult
    difference: Difference | None


@dataclass(frozen=True, slots=True, kw_only=True)
class InvarianceLadder:
    """All steps in order; ``group`` is the grouping column, or empty for waves side by side."""

    steps: tuple[InvarianceStep, ...]
    group: str
    labels: tuple[str, ...]
    method: str

    def step(self, name: str) -> InvarianceStep:
        """Return a step by name."""
        for step in self.steps:
            if step.name == name:
                return step
        names = [step.name for step in self.steps]
        raise UsageError(f"The ladder has no step '{name}'{did_you_mean(name, names) or '.'}")

    def to_dict(self) -> dict[str, Any]:
        """Return the ladder as plain data."""
        from dataclasses import asdict

        return {
            "group": self.group,
            "labels": list(self.labels),
            "method": self.method,
            "steps": [
                {
                    "name": step.name,
                    "equal": list(step.equal),
                    "released": list(step.released),
                    "verdict": step.fit.verdict,
                    "fit": dict(step.fit.fit),
                    "difference": asdict(step.difference) if step.difference else None,
                }
                for step in self.steps
            ],
        }

    def to_text(self) -> str:
        """Return the ladder as aligned text."""
        from implstats.sem.after.ladder_text import ladder_text

        return ladder_text(self)


def invariance(
    model: str,
    data: pd.DataFrame,
    *,
    group: str,
    steps: Sequence[str] | None = None,
    estimator: str | None = None,
    missing: str = "listwise",
    ordered: Sequence[str] = (),
    parameterization: str = "theta",
    release: Sequence[str] = (),
    method: str | None = None,
    kind: str = "cfa",
    orthogonal: bool = False,
    std_lv: bool = False,
    ci_level: float = 0.95,
    cluster: str | None = None,
) -> InvarianceLadder:
    """Fit the ladder of invariance across groups.

    Parameters
    ----------
    model : str
        In lavaan's language.
    group : str
        Column that tells groups apart.
    steps : sequence of str, optional
        From ``configural, thresholds, metric, scalar, strict, means``, in this order; each adds to those
        before it. ``thresholds`` is for ordered items. By default all but ``means``.
    ordered : sequence of str
        Ordered items, of three or more categories; the estimator is then WLSMV unless another is named.
    parameterization : {"theta", "delta"}
        Of ordered items; ``strict`` needs theta.
    release : sequence of str
        Parameters that stay free in all steps, such as ``"x3~1"`` or ``"f=~x2"``.
    method : str, optional
        Of the difference test, see :func:`implstats.sem.compare`.
    cluster : str, optional
        Column that tells clusters apart: errors, tests and differences allow for them.

    Raises
    ------
    UsageError, DataError
        As :func:`implstats.sem.fit`; an unknown step or steps out of order.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> rng = np.random.default_rng(1)
    >>> f = rng.normal(size=200)
    >>> frame = pd.DataFrame({name: f + rng.normal(size=200) for name in "abcd"}).assign(arm=[0, 1] * 100)
    >>> [step.fit.fit["df"] for step in invariance("f =~ a + b + c + d", frame, group="arm").steps]
    [4, 7, 10, 14]
    """
    steps = tuple(steps) if steps is not None else ORDERED if ordered else CONTINUOUS
    check_steps(steps)
    text = parse_model(model)
    common: dict[str, Any] = {
        "kind": kind, "estimator": estimator, "missing": missing, "group": group, "cluster": cluster,
        "ordered": tuple(ordered), "parameterization": parameterization if ordered else "delta",
        "orthogonal": orthogonal, "std_lv": std_lv,
        "meanstructure": None, "ci_level": ci_level,
    }  # fmt: skip
    equal = [tuple(ADDS[s] for s in steps[: k + 1] if ADDS[s]) for k in range(len(steps))]
    options = [
        with_thresholds(
            text,
            data,
            check_options(**common, group_equal=words, group_partial=tuple(release) if words else ()),
        )
        for words in equal
    ]
    grouping = group_rows(data, group)
    tables = [build_table(text, o, groups=grouping.labels) for o in options]
    for table in tables:
        refuse_nothing_free(table)
    sample = take_all(data, tables[0], options[0], grouping)
    problems = [build_problem(text, t, sample, o) for t, o in zip(tables, options, strict=True)]
    chosen = method_of(method, tested_as(options[0]))
    return InvarianceLadder(
        steps=climbed(steps, equal, tuple(release), problems, method=chosen),
        group=group,
        labels=grouping.labels,
        method=chosen,
    )


def tested_as(options: Options) -> str:
    """Return the estimator whose difference tests serve; two stages need a scaled one, as MLM does."""
    return "MLM" if options.two_stage else options.estimator


def check_steps(steps: Sequence[str]) -> None:
    """Raise :class:`UsageError` for unknown steps or steps out of order."""
    for name in steps:
        if name not in STEPS:
            raise UsageError(
                f"step '{name}' is not known{did_you_mean(name, STEPS) or '.'} Choose from "
                f"{', '.join(STEPS)}."
            )
    if not steps or list(steps) != sorted(set(steps), key=STEPS.index):
        raise UsageError(f"The steps should stand once each, in the order {', '.join(STEPS)}.")


def climbed(
    names: Sequence[str],
    equal: Sequence[tuple[str, ...]],
    released: tuple[str, ...],
    problems: Sequence[Problem],
    *,
    method: str,
) -> tuple[InvarianceStep, ...]:
    """Return the fitted steps, each started at the one before and compared with it."""
    found: list[InvarianceStep] = []
    before: SemResult | None = None
    for name, words, problem in zip(names, equal, problems, strict=True):
        fit = fit_problem(problem, start=_start(problem, before))
        test = None if before is None else _compared(before, fit, method)
        found.append(
            InvarianceStep(
                name=name, equal=words, released=released if words else (), fit=fit, difference=test
            )
        )
        before = fit
    return tuple(found)


def _compared(before: SemResult, fit: SemResult, method: str) -> Difference | None:
    """The difference of two steps; one that restricts nothing has no test but its reason."""
    if before.fitted is None or fit.fitted is None:
        return None
    if before.fitted.df == fit.fitted.df:
        return Difference(
            method=method, chisq=None, df=0, p_value=None, scale=None, shift=None,
            **changes(before, fit),
            reason="This step restricts nothing (equal thresholds of items with three categories are met by "
            "any groups), so there is nothing to test.",
        )  # fmt: skip
    at = reproduced(before.fitted, fit.fitted) if method == "satorra.bentler.2010" else None
    return difference(before, fit, method=method, at=at)  # type: ignore[arg-type]


def _start(problem: Problem, before: SemResult | None) -> Array | None:
    """The estimate of the step before, averaged over persons where parameters have become one."""
    if before is None or before.fitted is None:
        return None
    rows = problem.table.rows
    old = before.fitted.table
    if [row.name for row in rows] != [row.name for row in old.rows]:
        return None
    sizes = [group.moments.n for group in problem.sample.groups]
    total, weight = np.zeros(problem.table.n_free), np.zeros(problem.table.n_free)
    for row, other in zip(rows, old.rows, strict=True):
        if row.free:
            value = before.fitted.optimum.theta[other.free - 1] if other.free else other.fixed or 0.0
            total[row.free - 1] += sizes[row.group - 1] * value
            weight[row.free - 1] += sizes[row.group - 1]
    return total / weight


def problems_of(texts: Sequence[ModelText], data: pd.DataFrame, **common: Any) -> list[Problem]:
    """Return the problems of several models of one frame without groups; all must hold the same variables."""
    options = check_options(group=None, group_equal=(), orthogonal=False, std_lv=False, **common)
    options = with_thresholds(texts[0], data, options)
    tables = [build_table(text, options) for text in texts]
    sample = take_all(data, tables[0], options, None)
    return [build_problem(text, table, sample, options) for text, table in zip(texts, tables, strict=True)]
