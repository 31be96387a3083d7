"""Reliability of sum scores from a fitted model, against semTools and by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from implstats import sem
from implstats.errors import ModelError

REFERENCE = Path(__file__).parents[1] / "reference" / "sem"
THREE = "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6\nspeed =~ x7 + x8 + x9"
ALL = " + ".join(f"x{i}" for i in range(1, 10))
CLOSE = 1e-9  # both at the optimum
# lavaan's bifactor and two-group fits stop a little before their optimum.
LAVAAN_STOPS = 1e-7


@pytest.fixture(scope="module")
def hs():
    return pd.read_csv(REFERENCE / "data" / "hs1939.csv.gz")


@pytest.fixture(scope="module")
def expected():
    return json.loads((REFERENCE / "reliability_comprelsem_hs9.json").read_text(encoding="utf-8"))


def by_name(result):
    return {f.factor: f for f in sem.reliability(result).factors}


def test_omega_alpha_and_variance_extracted(hs, expected):
    found = by_name(sem.fit(THREE, hs, kind="cfa"))
    for name, factor in found.items():
        assert factor.omega == pytest.approx(expected["compRelSEM"][name], abs=CLOSE)
        assert factor.omega_implied == pytest.approx(expected["compRelSEM_obsvar_false"][name], abs=CLOSE)
        assert factor.alpha == pytest.approx(expected["compRelSEM_alpha"][name], abs=CLOSE)
        assert factor.ave == pytest.approx(expected["AVE"][name], abs=CLOSE)
        assert factor.maximal > factor.omega  # the best weights cannot do worse than equal ones


def test_hierarchical_omega_of_a_second_order_factor(hs, expected):
    found = by_name(sem.fit(f"{THREE}\ng =~ visual + textual + speed", hs, kind="cfa"))
    assert found["g"].omega == pytest.approx(expected["higher"]["g"], abs=CLOSE)
    assert found["g"].omega_total == pytest.approx(expected["compRelSEM_total"]["total"], abs=CLOSE)
    assert found["g"].items == tuple(f"x{i}" for i in range(1, 10))
    assert found["g"].ave is None


def test_hierarchical_omega_of_a_bifactor_model(hs, expected):
    fit = sem.fit(f"{THREE}\ng =~ {ALL}", hs, kind="cfa", orthogonal=True, std_lv=True)
    found = by_name(fit)
    for name in ("visual", "textual", "speed", "g"):
        assert found[name].omega == pytest.approx(expected["bifactor"][name], abs=LAVAAN_STOPS)
    assert found["g"].omega_total == pytest.approx(expected["bifactor"]["total"], abs=LAVAAN_STOPS)


def test_groups_and_the_ratio_of_correlations(hs):
    extra = json.loads((REFERENCE / "reliability_extra.json").read_text(encoding="utf-8"))
    found = sem.reliability(sem.fit(THREE, hs, kind="cfa", group="school"))
    for factor in found.factors:
        at = extra["omega"]["group"].index(factor.group)
        assert factor.omega == pytest.approx(extra["omega"][factor.factor][at], abs=LAVAAN_STOPS)
    one = sem.reliability(sem.fit(THREE, hs, kind="cfa"))
    names, values = extra["htmt"]["names"], np.array(extra["htmt"]["values"])
    for _, a, b, ratio in one.htmt:
        assert ratio == pytest.approx(values[names.index(b), names.index(a)], abs=CLOSE)


def test_the_scale_of_items_sets_their_weight_but_their_order_does_not(hs):
    first = by_name(sem.fit("f =~ x4 + x5 + x6", hs, kind="cfa"))["f"]
    again = by_name(sem.fit("f =~ x6 + x5 + x4", hs, kind="cfa"))["f"]
    assert again.omega == pytest.approx(first.omega, abs=CLOSE)
    tenfold = by_name(sem.fit("f =~ x4 + x5 + x6", hs[["x4", "x5", "x6"]] * 10, kind="cfa"))["f"]
    assert tenfold.omega == pytest.approx(first.omega, abs=CLOSE)


def test_items_that_point_both_ways_are_a_caution(hs):
    found = sem.reliability(sem.fit("f =~ x4 + x5 + x6", hs.assign(x6=-hs.x6), kind="cfa"))
    assert found.checks[0].status == "warn"
    assert "Reverse the items" in found.checks[0].message


def test_a_model_without_factors_is_refused(hs):
    with pytest.raises(ModelError, match="no latent variable"):
        sem.reliability(sem.fit("x1 ~ x2", hs))
