"""A row's number of persons is the number behind its estimate, and no index is shown that nothing tested."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from implstats import mixed, sem
from implstats.questions.agreement_rows import agreement_rows
from implstats.questions.describe import DescribedTable
from implstats.questions.mixed_rows import mixed_answer
from implstats.questions.scale_rows import scale_answer
from implstats.questions.sem_rows import sem_answer
from implstats.questions.tasks import MixedTask, SemTask
from implstats.questions.trajectory_rows import trajectory_rows
from implstats.results import Row
from implstats.study.keys import resolve_scales
from implstats.study.models import Study

SAME_FORMULA = 1e-12  # one formula, summed in another order


def _described(frame: pd.DataFrame, *, min_cell: int = 5) -> DescribedTable:
    study = Study.model_validate({
        "study": {"name": "s", "title": "S"},
        "tables": {"staff": {
            "person": "id", "clusters": [{"name": "clinic", "variable": "c"}], "sources": [{"file": "a.csv"}],
        }},
        "scales": {"goal": {
            "items": ["g1", "g2", "g3"], "minimum": 1, "maximum": 5, "aggregate": ["clinic"],
        }},
    })  # fmt: skip
    return DescribedTable(
        study="s", name="staff", frame=frame, table=study.tables["staff"], keys=resolve_scales(study, {}),
        min_cell=min_cell,
    )  # fmt: skip


def _staff(n: int) -> pd.DataFrame:
    items = np.random.default_rng(7).integers(1, 6, (n, 3)).astype(float)
    frame = pd.DataFrame(items, columns=["g1", "g2", "g3"])
    frame["clinic"] = np.resize(["a", "b", "c"], n)
    frame["goal"] = frame[["g1", "g2", "g3"]].mean(axis=1)
    return frame


def test_agreement_counts_the_persons_behind_each_number() -> None:
    frame = _staff(32)
    frame.loc[:3, "g1"] = np.nan  # four have a score, but not every item
    frame.loc[30, "clinic"] = "d"  # alone: in the analysis of variance, without rwg(j)
    frame.loc[31, "clinic"] = None  # a score, but no cluster
    rows = {row.quantity: row for row in agreement_rows(_described(frame))}
    assert (rows["icc1"].n_obs, rows["icc1"].n_clusters) == (31, 4)
    assert rows["icc1"].df_method == "F on 3 and 27 df"
    assert (rows["icc2"].n_obs, rows["eta_between"].n_obs) == (31, 31)
    assert (rows["rwgj_mean"].n_obs, rows["rwgj_mean"].n_clusters) == (26, 3)
    assert (rows["share_rwgj_70"].n_obs, rows["share_rwgj_70"].n_clusters) == (26, 3)


def test_scale_and_item_numbers_of_few_persons_are_withheld() -> None:
    rows = [r for r in scale_answer(_described(_staff(4))).rows if r.block in ("reliability", "items")]
    assert rows
    assert all(r.suppressed and r.estimate is None and r.n_obs is None and r.reason for r in rows)
    enough = [r for r in scale_answer(_described(_staff(12))).rows if r.block in ("reliability", "items")]
    assert not any(r.suppressed for r in enough)


def _reliability(formula: str, frame: pd.DataFrame) -> tuple[Row, mixed.MixedResult]:
    fit = mixed.fit(formula, frame)
    task = MixedTask(
        analysis="q", formula=formula, frame=frame, options={"reml": True, "df": "auto", "ci_level": 0.95},
        outcome_label="y", entries=(),
    )  # fmt: skip
    rows = mixed_answer(task, fit, study="s").rows
    return next(row for row in rows if row.quantity == "group_mean_reliability"), fit


@pytest.mark.parametrize("grouping", ["clinic", "region:clinic"])
def test_reliability_of_means_counts_the_rows_of_the_model(grouping: str) -> None:
    rng = np.random.default_rng(5)
    clinic = np.repeat(np.arange(12), 10)
    frame = pd.DataFrame({"clinic": clinic, "region": clinic // 4, "x": rng.normal(size=120)})
    frame["y"] = rng.normal(size=12)[clinic] + rng.normal(size=120)
    # The first clinic keeps three rows in the model, though every outcome is known.
    frame.loc[:6, "x"] = np.nan
    found, fit = _reliability(f"y ~ x + (1 | {grouping})", frame)
    assert fit.n_obs == 113
    between, residual = fit.random[0].covariance, fit.residual_variance
    assert between is not None
    assert residual is not None
    sizes = np.array([3.0, *[10.0] * 11])
    wanted = float(np.mean(between / (between + residual / sizes)))
    assert found.estimate == pytest.approx(wanted, rel=SAME_FORMULA)


def test_a_saturated_model_shows_no_index_of_fit() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=80)
    m = 0.5 * x + rng.normal(size=80)
    frame = pd.DataFrame({"x": x, "m": m, "y": 0.4 * m + rng.normal(size=80)})
    options = {"estimator": "ML", "ci_level": 0.95}
    model = "m ~ x\ny ~ m + x"
    task = SemTask(analysis="q", model=model, frame=frame, options=options, nested_in="", entries=())
    rows = {r.quantity: r for r in sem_answer(task, sem.fit(model, frame, **options), study="s").rows
            if r.block == "fit"}  # fmt: skip
    assert rows["df"].estimate == 0
    for name in ("cfi", "tli", "rni", "rmsea", "srmr", "gfi", "agfi"):
        assert rows[name].estimate is None
        assert "degrees of freedom" in rows[name].reason
    assert (rows["rmsea"].conf_low, rows["rmsea"].conf_high) == (None, None)
    assert rows["aic"].estimate is not None  # compares models; says nothing of fit
    tested = "m ~ x\ny ~ m"
    task = SemTask(analysis="q", model=tested, frame=frame, options=options, nested_in="", entries=())
    rows = {r.quantity: r for r in sem_answer(task, sem.fit(tested, frame, **options), study="s").rows
            if r.block == "fit"}  # fmt: skip
    assert all(rows[name].estimate is not None for name in ("cfi", "rmsea", "srmr"))


def test_a_withheld_mean_cannot_be_had_from_the_mean_of_all() -> None:
    frame = _staff(23)
    frame["clinic"] = np.repeat(["a", "b", "c"], [3, 8, 12])
    rows = {row.term: row for row in trajectory_rows(_described(frame))}
    assert {term for term, row in rows.items() if row.suppressed} == {"a", "b"}
    assert rows["all"].n_obs == 23
    assert rows["b"].estimate is None
    assert rows["b"].n_obs is None
    enough = {row.term: row for row in trajectory_rows(_described(frame, min_cell=3))}
    assert not any(row.suppressed for row in enough.values())
