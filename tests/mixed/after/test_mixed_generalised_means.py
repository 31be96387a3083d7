"""Marginal means and their contrasts of generalised and ordinal fits against R's emmeans."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from implstats import mixed
from implstats.errors import NotSupportedError, UsageError

REFERENCE = Path(__file__).parents[2] / "reference" / "mixed"
R = json.loads((REFERENCE / "generalised" / "comparisons.json").read_text(encoding="utf-8"))
CLOSE = 1e-4  # standard errors, and relative for these: glmer and clmm stop by rules of their own
P = 1e-4  # relative, for the same reason
MVT = 5e-3  # sampled
FITS = {
    "cbpp": ("cbpp", "cbind(incidence, fail) ~ factor(period) + (1 | herd)", "binomial"),
    "sim": ("sim_glmm_12inst", "yc ~ wave + arm + x + (1 | inst) + (1 | person)", "poisson"),
    "wine": ("wine", "rating ~ temp + contact + (1 | judge)", "ordinal"),
}
SPECS = {"cbpp": "period", "sim": "arm", "wine": "temp"}


@cache
def _fit(name: str, link: str | None = None) -> mixed.MixedResult:
    data, formula, family = FITS[name]
    return mixed.fit(formula, pd.read_csv(REFERENCE / "data" / f"{data}.csv"), family=family, link=link)


def _agree(frame: pd.DataFrame, theirs: dict, estimate: str) -> None:
    se = np.atleast_1d(theirs["SE"])
    assert np.abs((frame["estimate"] - np.atleast_1d(theirs[estimate])) / se).max() < CLOSE
    np.testing.assert_allclose(frame["std_error"], se, rtol=CLOSE)
    if "asymp.LCL" in theirs:  # glmmTMB's are t intervals in this version of emmeans
        for ours, name in (("conf_low", "asymp.LCL"), ("conf_high", "asymp.UCL")):
            assert np.abs((frame[ours] - np.atleast_1d(theirs[name])) / se).max() < 10 * CLOSE


@pytest.mark.parametrize(
    ("name", "key", "scale", "estimate"),
    [
        ("cbpp", "cbpp_link", "link", "emmean"),
        ("cbpp", "cbpp_response", "response", "prob"),
        ("sim", "sim_link", "link", "emmean"),
        ("sim", "sim_response", "response", "rate"),
        ("wine", "wine_latent", "link", "emmean"),
    ],
)
def test_means(name, key, scale, estimate):
    found = mixed.emmeans(_fit(name), SPECS[name], scale=scale)
    _agree(found.frame, R["means"][key], estimate)
    assert found.df_method == "wald-z"
    assert all(mean.df is None for mean in found.means)


@pytest.mark.parametrize(
    ("name", "key", "scale", "adjust", "estimate"),
    [
        ("cbpp", "cbpp_tukey", "link", "tukey", "estimate"),
        ("cbpp", "cbpp_ratio", "response", "bonferroni", "odds.ratio"),
        ("sim", "sim_ratio", "response", "none", "ratio"),
        ("wine", "wine", "link", "none", "estimate"),
    ],
)
def test_contrasts(name, key, scale, adjust, estimate):
    found = mixed.contrasts(mixed.emmeans(_fit(name), SPECS[name], scale=scale), adjust=adjust)
    _agree(found.frame, R["pairs"][key], estimate)
    if name != "sim":
        np.testing.assert_allclose(found.frame["p_value"], R["pairs"][key]["p.value"], rtol=10 * P)


def test_mvt_agrees_with_tukey_of_normal_statistics():
    means = mixed.emmeans(_fit("cbpp"), "period")
    tukey, mvt = (mixed.contrasts(means, adjust=adjust).frame for adjust in ("tukey", "mvt"))
    # Tukey's is a little conservative with unequal variances, never the other way round.
    assert np.all(mvt["p_value"] <= tukey["p_value"] + MVT)
    assert np.abs(mvt["p_value"] - tukey["p_value"]).max() < 0.02


def test_probit_means_and_refusals():
    probit = _fit("cbpp", "probit")
    eta, mu = (mixed.emmeans(probit, "period", scale=scale) for scale in ("link", "response"))
    np.testing.assert_allclose(mu.frame["estimate"], norm.cdf(eta.frame["estimate"]), rtol=1e-12)
    with pytest.raises(NotSupportedError, match="no ratios"):
        mixed.contrasts(mu)
    with pytest.raises(NotSupportedError, match="latent"):
        mixed.emmeans(_fit("wine"), "temp", scale="response")
    with pytest.raises(UsageError, match="scale is"):
        mixed.emmeans(_fit("cbpp"), "period", scale="odds")
