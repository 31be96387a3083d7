"""Ratios are the exponentiated coefficients, without intercept and thresholds."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from implstats import mixed
from implstats.errors import NotSupportedError
from implstats.mixed import ratios

REFERENCE = Path(__file__).parents[1] / "reference" / "mixed"
AGREES = 1e-4  # relative: glmer stops by its own rule and differences its deviance


def test_against_glmer():
    theirs = json.loads((REFERENCE / "generalised" / "comparisons.json").read_text(encoding="utf-8"))[
        "ratios"
    ]
    frame = pd.read_csv(REFERENCE / "data" / "cbpp.csv")
    formula = "cbind(incidence, fail) ~ factor(period) + (1 | herd)"
    found = ratios(mixed.fit(formula, frame, family="binomial"))
    table = found.frame
    assert len(table) == 3
    assert found.checks[0].name == "df_method"
    for ours, name in (("ratio", "ratio"), ("conf_low", "low"), ("conf_high", "high")):
        np.testing.assert_allclose(table[ours], theirs[name], rtol=AGREES)


def _data() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    g, x = np.repeat(np.arange(20), 12), rng.normal(size=240)
    latent = 0.7 * x + rng.normal(size=20)[g] + rng.logistic(size=240)
    order = pd.Categorical.from_codes(np.digitize(latent, [-1, 1]), ["a", "b", "c"], ordered=True)
    return pd.DataFrame({"g": g, "x": x, "y": (latent > 0).astype(int), "o": order, "latent": latent})


@pytest.mark.parametrize(("family", "y"), [("binomial", "y"), ("ordinal", "o")])
def test_exponentiated(family, y):
    fitted = mixed.fit(f"{y} ~ x + (1 | g)", _data(), family=family)
    (found,) = ratios(fitted).ratios
    row = next(r for r in fitted.fixed if r.term == "x")
    assert (found.term, found.kind, found.p_value) == ("x", "odds ratio", row.p_value)
    assert np.log([found.ratio, found.conf_low, found.conf_high]) == pytest.approx(
        [row.estimate, row.conf_low, row.conf_high], abs=1e-12
    )
    assert found.ratio > 1.0


def test_no_ratios_of_a_gaussian_fit():
    with pytest.raises(NotSupportedError, match="logit or log"):
        ratios(mixed.fit("latent ~ x + (1 | g)", _data()))
