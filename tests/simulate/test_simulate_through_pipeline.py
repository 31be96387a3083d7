"""From the synthetic files through ingest and scoring to estimates: the pipeline finds what was planted."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from implstats.ingest import ingest_study
from implstats.scales import score_table
from implstats.simulate import Design, SyntheticStudy, simulate_study, write_study
from implstats.simulate.planted import STAFF
from implstats.study.keys import resolve_scales
from implstats.study.load import instruments_of, load_study

PROJECT = Path(__file__).resolve().parents[2]
# Means of the same few answers, summed in another order.
SUMMATION = 1e-12
FOUR_STANDARD_ERRORS = 4.0
# Nobody straightlines, because the truth is that of attentive answers; leaving, absence and holes stay.
ATTENTIVE = Design(institutions=60, careless=0.0)


def _scored(root: Path) -> pd.DataFrame:
    study = load_study(root / "config" / "config.yaml")
    frame = ingest_study(study, root)["staff"].frame
    keys = [k for k in resolve_scales(study, instruments_of(study, root)).values() if k.table == "staff"]
    return pd.concat([frame, score_table(frame, keys)], axis=1)


@pytest.fixture(scope="module")
def attentive(tmp_path_factory) -> tuple[SyntheticStudy, pd.DataFrame]:
    """A study of 60 institutions, read and scored by way of the default study file."""
    root = tmp_path_factory.mktemp("sixty")
    shutil.copytree(PROJECT / "config", root / "config")
    study = simulate_study(60, ATTENTIVE)
    write_study(study, root / "data" / "raw" / "hss-synthetic")
    return study, _scored(root)


def test_scores_are_the_generators_own(default_study) -> None:
    ours = _scored(PROJECT)
    rows = pd.concat(default_study.waves.values(), ignore_index=True)
    order = ours.sort_values(["wave", "lopenr"]).reset_index(drop=True)
    rows = rows.sort_values(["aar", "lopenr"]).reset_index(drop=True)
    for construct in STAFF.measured:
        answers = rows[construct.items].where(rows[construct.items] < 9)
        for item in construct.reversed_items:
            answers[item] = construct.minimum + construct.maximum - answers[item]
        # Three items need two answers, four two and five three: half, rounded up.
        needed = -(-len(construct.items) // 2)
        expected = answers.mean(axis=1).where(answers.notna().sum(axis=1) >= needed)
        np.testing.assert_allclose(order[construct.name], expected, atol=SUMMATION, err_msg=construct.name)


@pytest.mark.parametrize("outcome", ["goal_directed", "support", "fidelity", "procedural"])
def test_growth_is_found(attentive, outcome) -> None:
    from implstats import mixed

    study, frame = attentive
    fit = mixed.fit(f"{outcome} ~ time + (1 | person) + (1 | institution)", frame, df="satterthwaite")
    time = next(f for f in fit.fixed if f.term == "time")
    truth = study.truth["staff"]["scales"][outcome]
    assert time.estimate == pytest.approx(truth["growth_per_year"], abs=FOUR_STANDARD_ERRORS * time.std_error)
    found = {r.cluster: r.covariance for r in fit.random}
    # Sixty institutions tell their variance to a fifth: sqrt(2 / 59), and the error of their means on top.
    institution = truth["variance"]["institution"]
    assert found["institution"] == pytest.approx(institution, rel=FOUR_STANDARD_ERRORS * 0.2)
    # About 1,900 persons with three answers each.
    assert found["person"] == pytest.approx(truth["variance"]["person"], rel=0.25)
    assert fit.residual_variance == pytest.approx(truth["variance"]["residual"], rel=0.10)


def test_context_and_person_are_told_apart(attentive) -> None:
    from implstats import mixed

    study, frame = attentive
    frame = frame.assign(between=frame.groupby("institution")["task"].transform("mean"))
    frame["within"] = frame["task"] - frame["between"]
    fit = mixed.fit(
        "goal_directed ~ within + between + time + (1 | person) + (1 | institution)",
        frame,
        df="satterthwaite",
    )
    found = {f.term: f for f in fit.fixed}
    truth = study.truth["staff"]["contextual"]
    for term in ("within", "between"):
        error = FOUR_STANDARD_ERRORS * found[term].std_error
        assert found[term].estimate == pytest.approx(truth[term], abs=error)
    assert found["between"].estimate - found["within"].estimate > 2 * found["between"].std_error


def test_mediated_path_is_found(attentive) -> None:
    from implstats import sem

    study, frame = attentive
    model = """
    procedural ~ a * veil_timer
    goal_directed ~ b * procedural + c * veil_timer
    indirect := a * b
    """
    fit = sem.fit(model, frame[frame["wave"] == 2014])
    truth = study.truth["staff"]["path"]
    found = {p.label or p.lhs: p for p in fit.parameters if p.op in ("~", ":=")}
    for name in ("a", "b", "c", "indirect"):
        error = FOUR_STANDARD_ERRORS * found[name].std_error
        assert found[name].estimate == pytest.approx(truth[name], abs=error), name
    assert found["indirect"].conf_low > 0


def test_leadership_factors_are_found(attentive) -> None:
    from implstats import sem

    study, frame = attentive
    names = ("relation", "task", "change")
    lines = [f"{name} =~ " + " + ".join(STAFF.construct(name).items) for name in names]
    items = [item for name in names for item in STAFF.construct(name).items]
    fit = sem.fit("\n".join(lines), frame.loc[frame["wave"] == 2013, items], kind="cfa")
    found = {(p.lhs, p.rhs): p.std_all for p in fit.parameters if p.op == "~~"}
    for pair, truth in study.truth["staff"]["factor_correlations"].items():
        a, b = pair.split(" ~~ ")
        value = found.get((a, b), found.get((b, a)))
        # Some 1,100 persons: a correlation of .5 has a standard error of about .03.
        assert value == pytest.approx(truth, abs=0.12)
    assert fit.fit["rmsea"] < 0.05
