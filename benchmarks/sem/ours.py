"""Answer one case with this package. Called by run.py with the case's folder; see `worker` for the talk."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from worker import serve

from implstats import sem

DRAWS = 1000


def main() -> None:
    """Read the case and answer."""
    folder = Path(sys.argv[1])
    serve(lambda: answers(folder))


def answers(folder: Path) -> dict[str, Callable[[], dict[str, float]]]:
    """Return what can be asked, each giving the numbers to compare with lavaan's."""
    case = json.loads((folder / "case.json").read_text(encoding="utf-8"))
    frame = pd.read_csv(folder / "data.csv")
    model = (folder / "model.txt").read_text(encoding="utf-8")
    return TASKS.get(case["task"], after)(case, model, frame)


def fitted(case: dict[str, Any], model: str, frame: pd.DataFrame) -> sem.SemResult:
    """Fit the model as the case says."""
    ordered = list(frame.columns) if case["ordered"] else []
    return sem.fit(
        model, frame, kind="cfa" if ":=" not in model else "sem", estimator=case["estimator"],
        missing=case["missing"], ordered=ordered,
    )  # fmt: skip


def tests(fit: Any) -> dict[str, float]:
    """The chi-squares of a fit."""
    names = ("chisq", "chisq.scaled")
    return {name: fit.fit[name] for name in names if fit.fit.get(name) is not None}


def errors(fit: Any) -> float:
    """Sum of the standard errors of standardised values."""
    return float(sum(row.std_error or 0.0 for row in sem.standardised(fit).parameters))


def fits(case: dict[str, Any], model: str, frame: pd.DataFrame) -> dict[str, Callable[[], dict[str, float]]]:
    """A single fit; all out with standardised values and their errors."""

    def everything() -> dict[str, float]:
        fit = fitted(case, model, frame)
        return tests(fit) | {"se": errors(fit)}

    return {"fit": lambda: tests(fitted(case, model, frame)), "all": everything}


def ladder(
    case: dict[str, Any], model: str, frame: pd.DataFrame
) -> dict[str, Callable[[], dict[str, float]]]:
    """The steps of invariance by school."""

    def climb() -> sem.InvarianceLadder:
        return sem.invariance(model, frame, group="school", estimator=case["estimator"])

    def everything() -> dict[str, float]:
        steps = climb().steps
        return tests(steps[-1].fit) | {"se": sum(errors(step.fit) for step in steps)}

    return {"fit": lambda: tests(climb().steps[-1].fit), "all": everything}


def bootstrap(
    case: dict[str, Any], model: str, frame: pd.DataFrame
) -> dict[str, Callable[[], dict[str, float]]]:
    """The whole of sem.bootstrap, with defined and standardised values and intervals."""
    fit = fitted(case, model, frame)
    free = [k for k, row in enumerate(fit.parameters) if row.free]

    def draws() -> dict[str, float]:
        found = sem.bootstrap(fit, draws=DRAWS, seed=1)
        return {"sd": float(np.mean([found.parameters[k].std_error or 0.0 for k in free]))}

    return {"fit": draws}


def two_level(
    case: dict[str, Any], model: str, frame: pd.DataFrame
) -> dict[str, Callable[[], dict[str, float]]]:
    """A model at both levels."""

    def fit() -> dict[str, float]:
        return tests(sem.fit_two_level(model, frame, cluster="cl"))

    def everything() -> dict[str, float]:
        found = sem.fit_two_level(model, frame, cluster="cl")
        return tests(found) | {"se": errors(found)}

    return {"fit": fit, "all": everything}


def after(case: dict[str, Any], model: str, frame: pd.DataFrame) -> dict[str, Callable[[], dict[str, float]]]:
    """A question after the fit, which is not timed."""
    fit = fitted(case, model, frame)
    ask: dict[str, Callable[[], float]] = {
        "modification": lambda: float(sem.modification_indices(fit).rows[0].mi),
        "residuals": lambda: max(abs(row.value or 0.0) for row in sem.residuals(fit, "standardized").rows),
        "scores": lambda: float(np.abs(sem.factor_scores(fit, frame).scores).sum()),
    }
    asked = ask[case["task"]]
    return {"fit": lambda: {"value": asked()}}


TASKS: dict[str, Callable[..., dict[str, Callable[[], dict[str, float]]]]] = {
    "fit": fits, "ladder": ladder, "bootstrap": bootstrap, "two-level": two_level,
}  # fmt: skip

if __name__ == "__main__":
    main()
