"""Standardised values where predictors are fixed: their moments are given, as in lavaan's default."""

from __future__ import annotations

import numpy as np
import pytest

from implstats import sem

# lavaan's fits are polished; its standardised errors come from derivatives by complex steps.
POLISHED = 1e-7
# With gaps and in groups the end of lavaan's search stays.
SEARCHED = 2e-5
CASES = [*(f"{model} {e}" for model in ("factor", "path") for e in ("ML", "MLR", "MLM", "MLMV")),
         "factor groups ML", "factor cluster MLR", "factor fiml ML", "factor fiml MLR"]  # fmt: skip


@pytest.fixture(scope="module")
def fitted(load_reference, load_data):
    """Return a function: case -> our fit."""
    reference = load_reference("fixed_predictors")

    def of(case: str):
        hs = load_data("hs1939")
        frame = load_data("mediation_n250") if case.startswith("path") else hs
        call = {"estimator": case.split()[-1]}
        if "fiml" in case:
            frame, call["missing"] = load_data("hs1939_missing").assign(x1=hs["x1"], x2=hs["x2"]), "fiml"
        if "groups" in case:
            call |= {"group": "school", "group_equal": ("loadings",)}
        if "cluster" in case:
            frame, call["cluster"] = hs.assign(team=np.tile(np.arange(43), 7)), "team"
        return sem.fit(reference[case]["model"], frame, **call)

    return of


@pytest.mark.parametrize("case", CASES)
def test_standardised_values_and_errors(case, fitted, load_reference):
    close = SEARCHED if any(word in case for word in ("fiml", "groups", "cluster")) else POLISHED
    result = fitted(case)
    for kind in ("all", "lv", "nox"):
        theirs = load_reference("fixed_predictors")[case][kind]
        rows = sem.standardised(result, kind).parameters
        by_name: dict[tuple[str, str, str], list] = {}
        for row in rows:
            by_name.setdefault((row.lhs, row.op, row.rhs), []).append(row)
        for lhs, op, rhs, value, se in zip(
            *(theirs[k] for k in ("lhs", "op", "rhs", "value", "se")), strict=True
        ):
            mine = by_name[lhs, op, rhs].pop(0)
            assert mine.value == pytest.approx(value, abs=close), (kind, lhs, op, rhs)
            assert (mine.std_error or 0.0) == pytest.approx(se or 0.0, abs=close), (kind, lhs, op, rhs)
