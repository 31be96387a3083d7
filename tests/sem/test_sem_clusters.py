"""Cluster-robust inference beside lavaan, against its definition, and what it refuses."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from implstats import sem
from implstats.errors import DataError, NotSupportedError, UsageError

# lavaan's nlminb stops about 1e-6 beside the optimum.
NLMINB = 2e-5
# What does not depend on the optimum agrees to lavaan's rounding.
ROUNDING = 1e-9
MODEL = "LEAD =~ LEAD01 + LEAD02 + LEAD03 + LEAD04 + LEAD05\nTSIG =~ TSIG01 + TSIG02 + TSIG03\nTSIG ~ LEAD"
INDICES = (
    "chisq", "chisq.scaled", "chisq.scaling.factor", "baseline.chisq.scaling.factor", "cfi.scaled",
    "cfi.robust", "rmsea.scaled", "rmsea.robust", "scaling.factor.h1", "scaling.factor.h0", "logl", "bic",
    "srmr", "df", "npar",
)  # fmt: skip


@pytest.fixture
def teams(load_data) -> pd.DataFrame:
    return load_data("lq2002")


def gaps(data: pd.DataFrame) -> pd.DataFrame:
    """The answers that clusters.R takes out."""
    out = data.copy()
    items = [f"LEAD{i:02d}" for i in range(1, 6)] + ["TSIG01", "TSIG02", "TSIG03"]
    row = np.arange(1, len(data) + 1)
    for k, item in enumerate(items, start=1):
        out[item] = out[item].where((row * 7 + k * 13) % 17 != 0)
    return out


CASES = {
    "ml": (NLMINB, {}),
    "mlr": (NLMINB, {"estimator": "MLR"}),
    "predictors": (NLMINB, {"estimator": "MLR"}),
    "fiml": (NLMINB, {"estimator": "MLR", "missing": "fiml"}),
    "groups": (NLMINB, {"estimator": "MLR", "group": "half", "group_equal": ("loadings",)}),
}


@pytest.mark.parametrize("case", CASES)
def test_lavaan(case, teams, load_reference):
    tolerance, call = CASES[case]
    expected = load_reference("clusters")[case]
    data = (
        gaps(teams)
        if case == "fiml"
        else teams.assign(half=np.where(teams["COMPID"] % 2 == 1, "odd", "even"))
    )
    result = sem.fit(expected["model"], data, cluster="COMPID", **call)
    ours = {(p.lhs, p.op, p.rhs, p.group): p for p in result.parameters}
    rows = zip(*(expected[k] for k in ("lhs", "op", "rhs", "group", "est", "se")), strict=True)
    for lhs, op, rhs, group, estimate, se in rows:
        mine = ours[lhs, op, rhs, group]
        assert mine.estimate == pytest.approx(estimate, rel=tolerance, abs=tolerance)
        assert (mine.std_error or 0.0) == pytest.approx(se, rel=tolerance, abs=tolerance)
    for name in INDICES:
        if case == "groups" and name == "scaling.factor.h0":
            continue  # lavaan divides by the 50 parameters before its 6 constraints; ours by the 44 left
        assert result.fit[name] == pytest.approx(expected["fit"][name], rel=tolerance, abs=tolerance), name


def test_ml_and_mlr_with_clusters_differ_in_the_scaling_factor_alone(teams):
    """The information of ML's factor leaves out second derivatives; errors have the whole in both."""
    ml, mlr = (sem.fit(MODEL, teams, cluster="COMPID", estimator=e) for e in ("ML", "MLR"))
    assert np.array_equal(ml.covariance, mlr.covariance)
    assert ml.fit["scaling.factor.h1"] == pytest.approx(mlr.fit["scaling.factor.h1"], rel=ROUNDING)
    assert abs(ml.fit["chisq.scaling.factor"] / mlr.fit["chisq.scaling.factor"] - 1) > 1e-3
    with pytest.raises(UsageError, match="ML in one and MLR"):
        sem.compare(ml, sem.fit(MODEL + "\nTSIG02 ~~ LEAD02", teams, cluster="COMPID", estimator="MLR"))


@pytest.mark.parametrize("missing", ["listwise", "fiml"])
def test_clusters_of_one_person_are_persons(two_factor_frame, missing):
    model = "u =~ a + b + c\ng =~ d + e + f"
    data = two_factor_frame.assign(own=np.arange(120))
    if missing == "fiml":
        data.loc[data.index[::9], "b"] = np.nan
    alone = sem.fit(model, data, cluster="own", missing=missing, estimator="MLR")
    plain = sem.fit(model, data, estimator="MLR", missing=missing, meanstructure=True)
    # Same sums by another route, with the divisor clusters - 1: only rounding differs.
    assert alone.covariance == pytest.approx(plain.covariance * 120 / 119, rel=1e-9)
    factor = plain.fit["chisq.scaling.factor"] * 120 / 119
    assert alone.fit["chisq.scaling.factor"] == pytest.approx(factor, rel=1e-8)


def test_complete_data_need_no_patterns(teams):
    one = sem.fit(MODEL, teams, cluster="COMPID", estimator="MLR")
    other = sem.fit(MODEL, teams, cluster="COMPID", estimator="MLR", missing="fiml")
    # Two optimisers of one criterion.
    assert one.covariance == pytest.approx(other.covariance, rel=1e-6, abs=1e-12)
    assert one.fit["chisq.scaled"] == pytest.approx(other.fit["chisq.scaled"], rel=1e-7)


def test_row_order_and_names_of_clusters_do_not_matter(teams):
    one = sem.fit(MODEL, teams, cluster="COMPID")
    moved = teams.sample(frac=1.0, random_state=3).assign(COMPID=lambda d: "team " + d["COMPID"].astype(str))
    # Sums in another order.
    assert sem.fit(MODEL, moved, cluster="COMPID").covariance == pytest.approx(
        one.covariance, rel=1e-7, abs=1e-12
    )


def test_missing_clusters_are_left_out_and_said(teams):
    data = teams.assign(COMPID=teams["COMPID"].where(np.arange(len(teams)) % 50 != 0))
    result = sem.fit(MODEL, data, cluster="COMPID")
    known = sem.fit(MODEL, data.dropna(subset="COMPID"), cluster="COMPID")
    assert result.covariance == pytest.approx(known.covariance, rel=1e-12)
    assert result.n_dropped == 41
    said = next(c.message for c in result.checks if c.name == "clusters")
    assert "41 row(s) without a cluster" in said
    assert "49 clusters" in said


def test_few_clusters(teams):
    names = sorted(teams["COMPID"].unique())
    some = sem.fit(MODEL, teams[teams["COMPID"].isin(names[:12])], cluster="COMPID")
    assert {c.name for c in some.checks if c.status == "warn"} >= {"few_clusters", "cluster_rank"}
    with pytest.raises(DataError, match=r"9 cluster.*at least 10.*mixed model"):
        sem.fit(MODEL, teams[teams["COMPID"].isin(names[:9])], cluster="COMPID")


def test_what_cannot_be_is_refused(teams):
    with pytest.raises(DataError, match="COMPID"):
        sem.fit(MODEL, teams, cluster="COMPIT")
    with pytest.raises(DataError, match="several groups"):
        sem.fit(MODEL, teams.assign(half=np.arange(len(teams)) % 2), cluster="COMPID", group="half")
    for call in ({"estimator": "MLM"}, {"ordered": ["TSIG01"]}, {"estimator": "ULS"}):
        with pytest.raises(NotSupportedError, match="with cluster"):
            sem.fit(MODEL, teams, cluster="COMPID", **call)
