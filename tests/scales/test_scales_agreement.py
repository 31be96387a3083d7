"""ICC(1), ICC(2), F, rwg(j), r*wg(j) and AD are those of R's multilevel."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from implstats.scales import agreement_of, analyse
from implstats.scales.agreement import (
    eta_between,
    f_test,
    icc1,
    icc2,
    one_way_anova,
    uniform_null_variance,
    within_clusters,
)

# R printed seven significant digits.
SEVEN_DIGITS = 5e-7
# Same formulas in double precision, stored with 15 digits.
CLOSED_FORM = 1e-12

SCALES = {
    "LEAD": ("LEAD01:LEAD11", 1, 5),
    "TSIG": ("TSIG01:TSIG03", 1, 5),
    "HOSTILE": ("HOSTIL01:HOSTIL05", 0, 4),
}


@pytest.mark.parametrize("name", SCALES)
def test_lq2002_is_multilevels(lq2002, printed_lq2002, name):
    items, minimum, maximum = SCALES[name]
    ours = analyse(lq2002, items=items, minimum=minimum, maximum=maximum, cluster="COMPID")
    wanted = printed_lq2002[name]
    for ours_name, r_name in (
        ("alpha", "alpha"), ("icc1", "icc1"), ("icc2", "icc2"), ("f_statistic", "f"),
        ("rwgj_mean", "rwgj_mean"), ("rwgj_median", "rwgj_median"), ("rwgj_min", "rwgj_min"),
        ("rwgj_max", "rwgj_max"), ("share_rwgj_70", "share_rwgj_70"),
    ):  # fmt: skip
        assert getattr(ours, ours_name) == pytest.approx(wanted[r_name], rel=SEVEN_DIGITS, abs=1e-12), r_name
    assert (ours.n_clusters, ours.f_df1, ours.f_df2) == (49, 48, 1993)
    lindell = np.array([cluster.rwgj_lindell for cluster in ours.rwgj])
    assert lindell.mean() == pytest.approx(wanted["lindell_mean"], rel=SEVEN_DIGITS)
    assert lindell.min() == pytest.approx(wanted["lindell_min"], rel=SEVEN_DIGITS)
    average = np.mean([cluster.average_deviation for cluster in ours.rwgj])
    assert average == pytest.approx(wanted["ad_mean"], rel=SEVEN_DIGITS)


def test_first_ten_clusters_are_multilevels(lq2002, first_ten_rwgj):
    ours = analyse(lq2002, items="LEAD01:LEAD11", minimum=1, maximum=5, cluster="COMPID").rwgj[:10]
    assert [cluster.cluster for cluster in ours] == first_ten_rwgj["cluster"].tolist()
    assert [cluster.n for cluster in ours] == first_ten_rwgj["n"].tolist()
    assert [cluster.rwgj for cluster in ours] == pytest.approx(
        first_ten_rwgj["rwgj"].tolist(), rel=SEVEN_DIGITS
    )


def test_single_item_rwg_is_multilevels(lq2002, printed_lq2002):
    """rwg of one variable is rwg(j) with one item; here the scale score with null variance 2."""
    codes = pd.factorize(lq2002["COMPID"], sort=True)[0]
    for name, wanted in printed_lq2002.items():
        ours = within_clusters(lq2002[[name]].to_numpy(), codes, null_variance=2.0)
        assert ours.rwgj.mean() == pytest.approx(wanted["rwg_score_mean"], rel=SEVEN_DIGITS)


def test_bh1996_is_multilevels(bh1996):
    text = (Path(__file__).parents[1] / "reference" / "scales" / "multilevel_bh1996.txt").read_text()
    hours = re.search(r"ICC1\(HRS\) ([\d.]+) ICC2\(HRS\) ([\d.]+)", text)
    wellbeing = re.search(r"ICC1\(WBEING aov\) ([\d.]+)  ICC2 ([\d.]+)", text)
    etas = re.search(r"\n1 (-[\d.]+) ([\d.]+) ([\d.]+)", text)
    for column, wanted, eta in (("HRS", hours, etas.group(2)), ("WBEING", wellbeing, etas.group(3))):
        ours = analyse(bh1996, items=[column], cluster="GRP")
        assert ours.icc1 == pytest.approx(float(wanted.group(1)), rel=SEVEN_DIGITS)
        assert ours.icc2 == pytest.approx(float(wanted.group(2)), rel=SEVEN_DIGITS)
        assert ours.eta_between == pytest.approx(float(eta), rel=SEVEN_DIGITS)


def test_skipped_answers_and_clusters_of_one_are_multilevels(lq2002, reference):
    wanted = reference("agreement_missing")
    data = lq2002.copy()
    data["TSIG02"] = data["TSIG02"].astype(float)
    data.loc[6::7, "TSIG02"] = np.nan
    data.loc[0, "COMPID"] = 999
    ours = analyse(data, items="TSIG01:TSIG03", minimum=1, maximum=5, cluster="COMPID")
    assert ours.rwgj_mean == pytest.approx(wanted["rwgj_mean"], abs=CLOSED_FORM)
    assert [c.rwgj for c in ours.rwgj[:3]] == pytest.approx(wanted["rwgj_first"], abs=CLOSED_FORM)
    assert [c.n for c in ours.rwgj[:3]] == wanted["n_first"]
    assert [c.rwgj_lindell for c in ours.rwgj[:3]] == pytest.approx(wanted["lindell_first"], abs=CLOSED_FORM)
    assert len(ours.rwgj) == wanted["n_rwgj"]
    assert "999" not in [c.cluster for c in ours.rwgj]
    for ours_name, r_name in (
        ("icc1", "icc1"), ("icc2", "icc2"), ("f_statistic", "f"), ("f_df1", "df1"), ("f_df2", "df2"),
    ):  # fmt: skip
        assert getattr(ours, ours_name) == pytest.approx(wanted[r_name], rel=1e-10)
    assert ours.f_p_value == pytest.approx(wanted["p"], rel=1e-6)
    assert {"clusters_of_one", "complete_cases"} <= {check.name for check in ours.checks}


def test_clusters_of_one_stay_in_the_analysis_of_variance(univbct, reference):
    """univbct has six companies with one soldier at wave 1; R's aov keeps them, and so do we."""
    wanted = reference("agreement_missing")["univbct_jobsat1"]
    first = univbct.drop_duplicates("SUBNUM").assign(
        unit=lambda d: d["BTN"].astype(str) + " " + d["COMPANY"].astype(str)
    )
    ours = analyse(first, items=["JOBSAT1"], cluster="unit")
    assert ours.icc1 == pytest.approx(wanted["icc1"], abs=CLOSED_FORM)
    assert ours.icc2 == pytest.approx(wanted["icc2"], abs=CLOSED_FORM)


def test_anova_by_statsmodels(lq2002):
    """Second opinion: OLS on cluster dummies."""
    ols = pytest.importorskip("statsmodels.formula.api").ols
    fitted = ols("HOSTILE ~ C(COMPID)", lq2002).fit()
    codes = pd.factorize(lq2002["COMPID"])[0]
    anova = one_way_anova(lq2002["HOSTILE"].to_numpy(), codes)
    f, p_value = f_test(anova)
    assert anova.ms_within == pytest.approx(fitted.mse_resid, rel=1e-10)
    assert anova.ms_between == pytest.approx(fitted.mse_model, rel=1e-10)
    assert f == pytest.approx(fitted.fvalue, rel=1e-10)
    assert p_value == pytest.approx(fitted.f_pvalue, rel=1e-6)
    assert eta_between(anova) == pytest.approx(np.sqrt(fitted.rsquared), rel=1e-10)


@st.composite
def clustered(draw):
    """Draw answers 1 to 5 of 8 to 40 persons to 1 to 4 items, and cluster codes of at most 6 clusters."""
    n = draw(st.integers(8, 40))
    n_items = draw(st.integers(1, 4))
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    codes = np.unique(rng.integers(0, draw(st.integers(2, 6)), n), return_inverse=True)[1]
    return rng.integers(1, 6, (n, n_items)).astype(float), codes


@settings(max_examples=80, deadline=None)
@given(clustered())
def test_anova_and_rwgj_by_brute_force(drawn):
    answers, codes = drawn
    score = answers.mean(axis=1)
    groups = [answers[codes == c] for c in range(codes.max() + 1)]
    if len(groups) < 2 or np.ptp(score) == 0:
        return
    anova = one_way_anova(score, codes)
    between = sum(len(g) * (g.mean() - score.mean()) ** 2 for g in groups)
    within = sum(((g.mean(axis=1) - g.mean()) ** 2).sum() for g in groups)
    assert anova.ss_between == pytest.approx(between, abs=1e-9)
    assert anova.ss_within == pytest.approx(within, abs=1e-9)
    if within > 1e-9 and between > 1e-9:
        assert icc1(anova) <= 1
        assert icc2(anova) <= 1
        # Spearman-Brown of ICC(1) with the mean cluster size is ICC(2).
        stepped = anova.mean_size * icc1(anova) / (1 + (anova.mean_size - 1) * icc1(anova))
        assert stepped == pytest.approx(icc2(anova), rel=1e-7, abs=1e-9)
    found = within_clusters(answers, codes, null_variance=uniform_null_variance(5))
    for c, group in enumerate(groups):
        if len(group) < 2:
            assert np.isnan(found.rwgj[c])
            continue
        ratio = group.var(axis=0, ddof=1).mean() / 2
        j = answers.shape[1]
        wanted = 0.0 if ratio > 1 else j * (1 - ratio) / (j * (1 - ratio) + ratio)
        assert found.rwgj[c] == pytest.approx(wanted, abs=1e-12)
        assert found.average_deviation[c] == pytest.approx(np.abs(group - group.mean(axis=0)).mean())


@settings(max_examples=40, deadline=None)
@given(clustered(), st.randoms(use_true_random=False))
def test_names_of_clusters_order_of_persons_and_turned_items_do_not_matter(drawn, random):
    answers, codes = drawn
    order = list(range(len(answers)))
    random.shuffle(order)
    names = pd.Series(np.array(["z", "é", "a", "m", "b", "q"])[codes])
    first = agreement_of(answers.mean(axis=1), answers, pd.Series(codes), minimum=1, maximum=5)
    turned = (6 - answers)[order]
    second = agreement_of(
        turned.mean(axis=1), turned, names.iloc[order].reset_index(drop=True), minimum=1, maximum=5
    )
    for field in ("icc1", "icc2", "f_statistic", "rwgj_mean", "rwgj_min", "rwgj_max", "eta_between"):
        one, two = getattr(first, field), getattr(second, field)
        assert (one is None) == (two is None)
        if one is not None:
            assert one == pytest.approx(two, rel=1e-6, abs=1e-9)
    assert sorted(c.rwgj for c in first.rwgj) == pytest.approx(sorted(c.rwgj for c in second.rwgj))


def test_perfect_agreement_is_one_and_evenly_spread_answers_are_zero():
    same = np.repeat([[2.0, 4.0]], 4, axis=0)
    spread = np.repeat(np.arange(1.0, 6.0)[:, None], 2, axis=1)
    answers, codes = np.vstack([same, spread]), np.repeat([0, 1], [4, 5])
    found = within_clusters(answers, codes, null_variance=uniform_null_variance(5))
    assert found.rwgj[0] == 1.0
    assert found.rwgj_lindell[1] == pytest.approx(1 - 2.5 / 2)
    assert found.rwgj[1] == 0.0


@pytest.mark.parametrize(
    ("cluster", "score", "name", "reason"),
    [
        ([1, 1, 1, 1], [1.0, 2, 3, 4], "icc1", "one cluster"),
        ([1, 2, 3, 4], [1.0, 2, 3, 4], "icc1", "every cluster has one person"),
        ([1, 2, 3, 4], [1.0, 2, 3, 4], "rwgj_mean", "every cluster has one person"),
        ([1, 1, 2, 2], [3.0, 3, 3, 3], "icc1", "constant"),
        ([1, 1, 2, 2], [1.0, 1, 4, 4], "f_statistic", "no variance within"),
        ([1, 1, 2, 2], [1.0, 4, 1, 4], "icc2", "no variance between"),
        ([None, None, None, None], [1.0, 2, 3, 4], "icc1", "no person has both"),
    ],
)
def test_numbers_that_cannot_be_are_none_with_a_reason(cluster, score, name, reason):
    answers = np.array(score)[:, None]
    ours = agreement_of(answers[:, 0], answers, pd.Series(cluster, dtype="float"), minimum=1, maximum=5)
    assert getattr(ours, name) is None
    assert reason in ours.reasons[name]


def test_persons_without_a_cluster_are_counted_and_left_out(lq2002):
    data = lq2002.copy()
    data["COMPID"] = data["COMPID"].astype(float)
    data.loc[:99, "COMPID"] = np.nan
    ours = analyse(data, items="TSIG01:TSIG03", minimum=1, maximum=5, cluster="COMPID")
    wanted = analyse(data.iloc[100:], items="TSIG01:TSIG03", minimum=1, maximum=5, cluster="COMPID")
    assert (ours.icc1, ours.rwgj) == (wanted.icc1, wanted.rwgj)
    assert any("100 of 2042 persons have no cluster" in check.message for check in ours.checks)
    assert ours.rwgj[0].cluster == wanted.rwgj[0].cluster.removesuffix(".0")


def test_without_a_range_there_is_no_rwgj(lq2002):
    ours = analyse(lq2002, items="TSIG01:TSIG03", cluster="COMPID")
    assert ours.rwgj_mean is None
    assert "minimum and maximum" in ours.reasons["rwgj_mean"]
    assert ours.icc1 is not None
