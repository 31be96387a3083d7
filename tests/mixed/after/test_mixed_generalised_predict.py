"""Predictions of generalised and ordinal models against glmer, glmmTMB, clmm and formulas."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from implstats import mixed
from implstats.errors import NotSupportedError, UsageError

REFERENCE = Path(__file__).parents[2] / "reference" / "mixed"
R = 1e-5  # glmer, glmmTMB and clmm stop their searches at about this distance from the optimum
EXACT = 1e-12  # the same formula
CASES = {
    "cbpp": ("cbind(incidence, fail) ~ factor(period) + (1 | herd)", "cbpp", "binomial"),
    "count": ("yc ~ x + wave + arm + (1 | inst/person)", "sim_glmm_12inst", "poisson"),
    "nbinom": ("ynb ~ x + wave + arm + (1 | inst)", "sim_glmm_12inst", "nbinom"),
    "wine": ("rating ~ temp + contact + (1 | judge)", "wine", "ordinal"),
}


@cache
def _case(name: str) -> tuple[dict[str, Any], pd.DataFrame, mixed.MixedResult]:
    formula, data, family = CASES[name]
    found = json.loads((REFERENCE / "generalised" / "after.json").read_text(encoding="utf-8"))[name]
    frame = pd.read_csv(REFERENCE / "data" / f"{data}.csv")
    return found, frame, mixed.fit(formula, frame, family=family)


@pytest.mark.parametrize("name", list(CASES))
@pytest.mark.parametrize("new", [False, True])
def test_predictions_equal_r(name: str, new: bool) -> None:
    found, frame, result = _case(name)
    rows = frame.iloc[::-1] if new else None
    for scale in ("link", "response"):
        for random, end in (("conditional", ""), ("none", "_none")):
            ours = mixed.predict(result, rows, random=random, scale=scale).values
            ours = ours[::-1] if new else ours
            theirs = np.array(found[scale + end])
            assert ours[: len(theirs)] == pytest.approx(theirs, rel=R, abs=R)


@pytest.mark.parametrize("name", ["cbpp", "count", "wine"])
def test_standard_errors_equal_r(name: str) -> None:
    found, _, result = _case(name)
    ours = mixed.predict(result, random="none", interval="confidence")
    theirs = np.array(found.get("tmb_se_none", found["se_none"]))
    # glmmTMB's and clmm's standard errors come from numerical second derivatives.
    assert ours.std_error[: len(theirs)] == pytest.approx(theirs, rel=1e-4)
    assert ours.conf_high - ours.link == pytest.approx(1.959963984540054 * ours.std_error, rel=EXACT)


def test_interval_of_the_response_is_that_of_the_link() -> None:
    _, frame, result = _case("cbpp")
    link = mixed.predict(result, frame, random="none", interval="confidence", ci_level=0.9)
    shown = mixed.predict(result, frame, random="none", interval="confidence", ci_level=0.9, scale="response")
    assert shown.conf_low == pytest.approx(expit(link.conf_low), rel=EXACT)
    assert shown.conf_high == pytest.approx(expit(link.conf_high), rel=EXACT)
    assert list(shown.frame) == ["value", "std_error", "conf_low", "conf_high"]
    assert any(c.name == "typical_cluster" for c in shown.checks)


def test_new_cluster_and_missing_value() -> None:
    _, frame, result = _case("wine")
    new = frame.head(3).copy()
    new["judge"] = [1, 99, 1]
    new.loc[new.index[2], "contact"] = None
    found = mixed.predict(result, new, scale="response")
    plain = mixed.predict(result, new, scale="response", random="none")
    assert found.new_clusters["judge"].tolist() == [False, True, False]
    assert found.values[1] == pytest.approx(plain.values[1], rel=EXACT)
    assert np.isnan(found.values[2]).all()
    assert list(found.frame) == ["1", "2", "3", "4", "5"]
    assert found.frame.iloc[:2].sum(axis=1).to_numpy() == pytest.approx(np.ones(2), rel=EXACT)
    assert any(
        "99" not in c.message and c.name == "new_clusters" and c.status == "info" for c in found.checks
    )


def test_offset_of_new_rows() -> None:
    _, frame, _ = _case("count")
    frame = frame.assign(time=np.linspace(0.5, 2.0, len(frame)))
    result = mixed.fit("yc ~ x + offset(log(time)) + (1 | inst)", frame, family="poisson")
    base, double = (mixed.predict(result, frame.assign(time=t), scale="response").values for t in (1.0, 2.0))
    assert double == pytest.approx(2.0 * base, rel=EXACT)


def test_levels_by_name_add_up() -> None:
    result = _case("count")[2]
    whole, none = (mixed.predict(result, random=r).values for r in ("conditional", "none"))
    names = [level.cluster for level in result.modes]
    parts = [mixed.predict(result, random=(name,)).values - none for name in names]
    assert none + sum(parts) == pytest.approx(whole, rel=1e-10, abs=1e-10)


def test_refusals() -> None:
    wine, cbpp = _case("wine")[2], _case("cbpp")[2]
    with pytest.raises(NotSupportedError, match="conditional_modes"):
        mixed.predict(cbpp, interval="confidence")
    with pytest.raises(NotSupportedError, match="'prediction'"):
        mixed.predict(cbpp, random="none", interval="prediction")
    with pytest.raises(NotSupportedError, match="category"):
        mixed.predict(wine, random="none", interval="confidence", scale="response")
    with pytest.raises(UsageError, match="'link' or 'response'"):
        mixed.predict(wine, scale="odds")  # type: ignore[arg-type]
    gaussian = mixed.fit("yc ~ x + (1 | inst)", _case("count")[1])
    with pytest.raises(UsageError, match="one scale"):
        mixed.predict(gaussian, scale="response")
