"""A second opinion: other start values, and semopy's estimates where semopy is right.

semopy serves for point estimates of complete-data models without means under its BFGS solver; its fit
statistics, standard errors of other estimators and mean structures are not used. Disagreement is measured in
our standard errors.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from implstats.results import Check
from implstats.sem.assemble import with_checks
from implstats.sem.estimators.search import Problem, search_from
from implstats.sem.language.rows import Row
from implstats.sem.language.table import ParameterTable
from implstats.sem.model.starts import start_values
from implstats.sem.results import Parameter, SemResult

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]
SEED = 20110501
N_STARTS = 3
# Two optima whose chi-squares differ by less than this are one.
SAME_CHISQ = 1e-6
# semopy stops with estimates good to four or five digits; a twentieth of a standard error is far above that.
AGREE_WITHIN_SE = 0.05


def with_second_opinion(result: SemResult, data: pd.DataFrame | None, problem: Problem) -> SemResult:
    """Return the result with the checks of both second opinions added."""
    if result.fitted is None:
        raise AssertionError("a fit that did not fail keeps its steps")
    ours = result.fitted.optimum.evaluation.value
    checks = [_other_starts(ours, problem), _ask_semopy(result, data, problem.table)]
    return with_checks(result, checks)


def _other_starts(ours: float, problem: Problem) -> Check:
    rng = np.random.default_rng(SEED)
    samples = [group.moments for group in problem.sample.groups]
    values = []
    for start in list(start_values(problem.table, problem.structures, samples))[-1:] * N_STARTS:
        moved = start * rng.uniform(0.8, 1.2, size=len(start))
        found = search_from(problem, [moved])
        if found is not None and np.isfinite(found.optimum.decrement):
            values.append(found.optimum.evaluation.value)
    gains = [problem.sample.n * (ours - value) for value in values]
    if gains and max(gains) > SAME_CHISQ:
        return Check(
            name="other_starts", status="warn",
            message=f"Another start leads to a better optimum, its chi-square lower by {max(gains):.4g}. "
                    "Give start() values near it, "
            "and look for a weakly identified factor.",
        )  # fmt: skip
    if not gains:
        return Check(
            name="other_starts", status="info", message="No other start reached an optimum to compare with."
        )
    same = sum(abs(gain) <= SAME_CHISQ for gain in gains)
    return Check(
        name="other_starts", status="ok" if same == len(gains) else "info",
        message=f"{same} of {len(gains)} other start(s) lead to the same optimum and none to a better one.",
    )  # fmt: skip


def _ask_semopy(result: SemResult, data: pd.DataFrame | None, table: ParameterTable) -> Check:
    why_not = "it needs each person's answers" if data is None else _not_for_semopy(result, table)
    if why_not or data is None:
        return Check(name="semopy", status="info", message=f"semopy was not asked: {why_not}.")
    try:
        theirs = _semopy_estimates(data, table)
    except Exception as error:  # noqa: BLE001 - whatever semopy raises, the reader learns that it did
        return Check(
            name="semopy", status="info", message=f"semopy could not fit this model ({type(error).__name__})."
        )
    return compare_estimates(result.parameters, theirs)


def _not_for_semopy(result: SemResult, table: ParameterTable) -> str:
    if table.constraints:
        return "it does not fit constraints"
    if len(table.groups) > 1:
        return "it does not fit groups together"
    if table.means:
        return "it does not fit mean structures correctly"
    if any(row.free and not row.lhs.isascii() for row in table.rows):
        return "it cannot read these names"
    if result.kind == "lavaan":
        return "it adds parameters of its own"
    return ""


def semopy_text(table: ParameterTable) -> str:
    """Return the table in semopy's language: moments of predictors are left to semopy."""
    lines = []
    for row in table.rows:
        if row.exo or (row.op == "~~" and row.lhs in table.names.x):
            continue
        shared = sum(other.free == row.free for other in table.rows) > 1
        value = f"{row.fixed!r}*" if row.fixed is not None else f"{row.label}*" if row.free and shared else ""
        lines.append(f"{row.lhs} {row.op} {value}{row.rhs}")
    return "\n".join(lines)


def _semopy_estimates(data: pd.DataFrame, table: ParameterTable) -> dict[tuple[str, str, str], float]:
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        import semopy

        complete = data[list(table.names.observed)].astype(float).dropna()
        model = semopy.Model(semopy_text(table))
        model.fit(complete, solver="BFGS")
        found = model.inspect()
    return {
        (str(r.lval), str(r.op), str(r.rval)): float(r.Estimate)
        for r in found.itertuples()
        if _is_number(r.Estimate)
    }


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | np.floating) and bool(np.isfinite(value))


def _find(parameter: Parameter | Row, theirs: dict[tuple[str, str, str], float]) -> float | None:
    keys: Sequence[tuple[str, str, str]]
    if parameter.op == "=~":
        keys = [(parameter.rhs, "~", parameter.lhs), (parameter.lhs, "=~", parameter.rhs)]
    elif parameter.op == "~~":
        keys = [(parameter.lhs, "~~", parameter.rhs), (parameter.rhs, "~~", parameter.lhs)]
    else:
        keys = [(parameter.lhs, parameter.op, parameter.rhs)]
    return next((theirs[key] for key in keys if key in theirs), None)


def compare_estimates(ours: Sequence[Parameter], theirs: dict[tuple[str, str, str], float]) -> Check:
    """Return a check that names the parameter on which we differ most, with both numbers."""
    compared, worst, where = 0, 0.0, None
    for parameter in ours:
        value = _find(parameter, theirs)
        if value is None or parameter.estimate is None or not parameter.std_error:
            continue
        compared += 1
        distance = abs(value - parameter.estimate) / parameter.std_error
        if distance > worst:
            worst, where = distance, (parameter.name, parameter.estimate, value)
    if not compared:
        return Check(name="semopy", status="info", message="semopy gave no estimate that could be compared.")
    if worst <= AGREE_WITHIN_SE:
        return Check(
            name="semopy", status="ok",
            message=f"semopy agrees on all {compared} free parameters compared, within "
                    f"{max(worst, 1e-6):.1g} standard errors.",
        )  # fmt: skip
    name, mine, other = where if where else ("", float("nan"), float("nan"))
    return Check(
        name="semopy", status="warn",
        message=f"semopy disagrees, most on '{name}': ours {mine:.6g}, semopy's {other:.6g} ({worst:.2g} "
                "standard errors). See the check on other starts: where it is good, semopy has stopped "
                "elsewhere.",
    )  # fmt: skip
