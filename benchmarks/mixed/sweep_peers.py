"""Fit the designs of sweep.py with glmm and mixedlm. Argument: the folder with designs.csv and asked.csv."""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import Any

import pandas as pd

warnings.simplefilter("ignore")


def main() -> None:
    """Print a line of JSON a fit."""
    import glmm
    import mixedlm

    folder = Path(sys.argv[1])
    data = dict(tuple(pd.read_csv(folder / "designs.csv").groupby("design")))
    for row in pd.read_csv(folder / "asked.csv").itertuples():
        frame = data[row.design].reset_index(drop=True)
        coded = frame.assign(inst=frame.inst.astype(str).astype("category"),
                             person=frame.person.astype(str).astype("category"))  # fmt: skip
        say("glmm", row.design, lambda f=row.formula, r=row.reml, d=coded: glmm.fit(d, f, reml=bool(r)))
        say(
            "mixedlm", row.design, lambda f=row.formula, r=row.reml, d=coded: mixedlm.lmer(f, d, REML=bool(r))
        )


def say(engine: str, design: int, fit: Any) -> None:
    """Print what an engine found."""
    try:
        found = fit()
        line = {"criterion": criterion(found), "converged": bool(getattr(found, "converged", True))}
    except Exception as error:  # noqa: BLE001  another package's failure is a finding, not ours to classify
        line = {"criterion": None, "converged": False, "error": type(error).__name__}
    print(json.dumps({"engine": engine, "design": int(design), **line}))


def criterion(found: Any) -> float:
    """Return -2 log-likelihood, or the REML criterion."""
    value = found.loglik if hasattr(found, "loglik") else found.logLik
    value = value() if callable(value) else value
    return -2.0 * float(getattr(value, "value", value))


if __name__ == "__main__":
    main()
