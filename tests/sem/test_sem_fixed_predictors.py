"""Standardised values and residuals where predictors are fixed: their moments are given, as in lavaan."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from implstats import sem

STORED = Path(__file__).parents[1] / "reference" / "sem" / "fixed_predictors.json.gz"
REFERENCE = json.loads(gzip.decompress(STORED.read_bytes()))
DIFFERENCES = REFERENCE.pop("differences")
# lavaan's fits are polished; its standardised errors come from derivatives by complex steps.
POLISHED = 1e-7
# With gaps and in groups the end of lavaan's search stays.
SEARCHED = 2e-5
CASES = [*(f"{model} {e}" for model in ("factor", "path") for e in ("ML", "MLR", "MLM", "MLMV")),
         "factor groups ML", "factor cluster MLR", "factor fiml ML", "factor fiml MLR"]  # fmt: skip


@pytest.fixture(scope="module")
def fitted(load_data):
    """Return a function: case -> our fit."""

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
        return sem.fit(REFERENCE[case]["model"], frame, **call)

    return of


@pytest.mark.parametrize("case", CASES)
def test_standardised_values_and_errors(case, fitted):
    close = SEARCHED if any(word in case for word in ("fiml", "groups", "cluster")) else POLISHED
    result = fitted(case)
    for kind in ("all", "lv", "nox"):
        theirs = REFERENCE[case][kind]
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


KINDS = ("raw", "cor.bentler", "cor.bollen", "normalized", "standardized")
# lavResiduals() stops with an error for clusters, and its groups are other lists.
WITH_RESIDUALS = [case for case in CASES if "cluster" not in case and "groups" not in case]
# Of a summary: its value, error, z and p of exact fit, unbiased value and error, interval, and close fit.
FIELDS = (
    "value", "std_error", "exact_z", "exact_p", "unbiased", "unbiased_se", "conf_low", "conf_high", None,
    "close_z", "close_p",
)  # fmt: skip
# The error of an error: a ratio of small numbers. With gaps the end of lavaan's search stays in it.
CLOSE_FIT = 2e-6
SMALL_RATIO = 2e-3


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", WITH_RESIDUALS)
def test_residuals_with_errors_and_summaries(case, kind, fitted):
    close = SMALL_RATIO if "fiml" in case else POLISHED
    reference = REFERENCE[case]
    of, names = reference["residuals"][kind], reference["names"]
    found = sem.residuals(fitted(case), kind)
    for row in found.rows:
        i = names.index(row.lhs)
        part, j = ("cov", names.index(row.rhs)) if row.op == "~~" else ("mean", None)
        value, se = (of.get(f"{part}{end}") for end in ("", ".se"))
        # lavaan sets what is below 1e-5 to its own size; there is nothing to compare.
        if row.value is not None and abs(row.value) > 1e-5:
            assert row.value == pytest.approx(value[i] if j is None else value[i][j], abs=close), row
        if se is not None:
            theirs = se[i] if j is None else se[i][j]
            assert (row.std_error or 0.0) == pytest.approx(theirs or 0.0, abs=close), row
    for summary in found.summaries if "summary" in of else ():
        for field, value in zip(FIELDS, of["summary"][summary.part], strict=False):
            ours = getattr(summary, field) if field else None
            if isinstance(value, float | int) and ours is not None:
                limit = max(close, CLOSE_FIT)
                assert ours == pytest.approx(value, rel=limit, abs=limit), (summary, field)


@pytest.mark.parametrize("case", ["MLR", "MLM", "MLMV", "cluster ML", "cluster MLR"])
def test_difference_tests(case, load_data):
    frame = load_data("mediation_n250").assign(team=np.tile(np.arange(25), 10))
    call = {"estimator": case.split()[-1]} | ({"cluster": "team"} if "cluster" in case else {})
    free, zero = (sem.fit(DIFFERENCES[model], frame, **call) for model in ("free", "zero"))
    for method, theirs in DIFFERENCES[case].items():
        found = sem.compare(free, zero, method=method)
        assert found.df == 2
        assert found.chisq == pytest.approx(theirs, rel=SEARCHED), method
