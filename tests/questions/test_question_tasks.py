"""Questions become the right models: formulas, centring, factors, waves."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from implstats.errors import DataError
from implstats.questions.base import Scored
from implstats.questions.mixed_tasks import mixed_task, within_between
from implstats.questions.sem_tasks import sem_tasks
from implstats.study.keys import resolve_scales
from implstats.study.models import Study


def _study(*questions: dict) -> Study:
    return Study.model_validate(
        {
            "study": {"name": "s", "title": "S"},
            "tables": {
                "staff": {
                    "person": "id",
                    "waves": {
                        "values": [
                            {"value": 2011, "time": 0, "label": "first"},
                            {"value": 2012, "time": 1, "label": "second"},
                        ]
                    },
                    "clusters": [{"name": "institution", "variable": "inst"}],
                    "sources": [{"file": "a.csv", "wave": 2011}, {"file": "b.csv", "wave": 2012}],
                }
            },
            "scales": {
                "lead": {
                    "label": "Leadership",
                    "items": ["l1", "l2", "l3"],
                    "reverse": ["l3"],
                    "minimum": 1,
                    "maximum": 5,
                },
                "ils": {"subscales": {"pro": ["i1", "i2"], "sup": ["i3", "i4"]}, "minimum": 0, "maximum": 4},
                "goal": {"items": ["g1", "g2"], "minimum": 1, "maximum": 5},
            },
            "questions": list(questions),
        }
    )


def _scored(*questions: dict) -> Scored:
    study = _study(*questions)
    rng = np.random.default_rng(1)
    n = 40
    frame = pd.DataFrame(
        {
            "person": np.repeat([f"p{i}" for i in range(n // 2)], 2),
            "wave": np.tile([2011, 2012], n // 2),
            "time": np.tile([0.0, 1.0], n // 2),
            "institution": np.repeat(["a", "b", "c", "d"], n // 4),
            **{name: rng.integers(1, 6, n).astype(float) for name in ("l1", "l2", "l3", "g1", "g2")},
            **{name: rng.integers(0, 5, n).astype(float) for name in ("i1", "i2", "i3", "i4")},
            "lead": rng.normal(3, 1, n),
            "goal": rng.normal(3, 1, n),
        }
    )
    return Scored(study=study, keys=resolve_scales(study, {}), tables={"staff": frame})


def _formula(question: dict) -> str:
    scored = _scored(question)
    return mixed_task(scored.study.questions[0], scored).formula


@pytest.mark.parametrize(
    ("question", "formula"),
    [
        ({"type": "null_model", "outcome": "goal"}, "goal ~ 1 + (1 | person) + (1 | institution)"),
        (
            {"type": "null_model", "outcome": "goal", "clusters": ["institution"]},
            "goal ~ 1 + (1 | institution)",
        ),
        (
            {"type": "growth", "outcome": "goal", "random_slope": ["institution"]},
            "goal ~ time + (1 | person) + (1 + time | institution)",
        ),
        (
            {
                "type": "growth",
                "outcome": "goal",
                "shape": "quadratic",
                "clusters": ["person"],
                "moderators": ["lead"],
            },
            "goal ~ time + I(time**2) + lead + time:lead + (1 | person)",
        ),
        (
            {
                "type": "contextual",
                "outcome": "goal",
                "cluster": "institution",
                "predictors": ["lead"],
                "covariates": ["time"],
            },
            "goal ~ lead_within + lead_institution + time + (1 | person) + (1 | institution)",
        ),
        (
            {
                "type": "contextual",
                "outcome": "goal",
                "cluster": "institution",
                "predictors": ["lead"],
                "coding": "contextual",
                "random_slope": ["lead"],
                "clusters": ["institution"],
            },
            "goal ~ lead + lead_institution + (1 + lead | institution)",
        ),
    ],
)
def test_a_question_becomes_its_formula(question: dict, formula: str) -> None:
    assert _formula({"name": "q", **question}) == formula


def test_within_and_between_add_up_and_are_uncorrelated() -> None:
    frame = _scored().tables["staff"]
    within, between = within_between(frame, "lead", "institution")
    np.testing.assert_allclose(within + between, frame["lead"], rtol=1e-15)
    assert abs(np.cov(within, between)[0, 1]) < 1e-14  # zero but for rounding: deviations sum to 0 by cluster


def test_the_mean_of_a_cluster_uses_everyone_with_a_value() -> None:
    frame = _scored().tables["staff"]
    frame.loc[0, "lead"] = np.nan
    within, between = within_between(frame, "lead", "institution")
    assert between[0] == pytest.approx(frame["lead"][1:10].mean())
    assert np.isnan(within[0])


def test_waves_become_categories_with_the_first_as_reference() -> None:
    scored = _scored({"name": "q", "type": "growth", "outcome": "goal", "shape": "waves"})
    task = mixed_task(scored.study.questions[0], scored)
    assert list(task.frame["wave"].cat.categories) == ["first", "second"]
    assert task.formula.startswith("goal ~ wave + ")


def test_a_question_can_be_put_to_some_waves() -> None:
    scored = _scored(
        {"name": "q", "type": "null_model", "outcome": "goal", "waves": [2012], "clusters": ["institution"]}
    )
    assert set(mixed_task(scored.study.questions[0], scored).frame["wave"]) == {2012}


def test_the_callers_table_is_left_alone() -> None:
    scored = _scored(
        {
            "name": "q",
            "type": "contextual",
            "outcome": "goal",
            "cluster": "institution",
            "predictors": ["lead"],
        }
    )
    before = scored.tables["staff"].copy()
    mixed_task(scored.study.questions[0], scored)
    pd.testing.assert_frame_equal(scored.tables["staff"], before)


def test_a_cfa_has_a_factor_for_each_subscale_and_turns_reversed_items() -> None:
    scored = _scored({"name": "q", "type": "cfa", "scales": ["lead", "ils"], "wave": 2011})
    (task,) = sem_tasks(scored.study.questions[0], scored)
    assert task.model.splitlines() == ["lead =~ l1 + l2 + l3", "ils_pro =~ i1 + i2", "ils_sup =~ i3 + i4"]
    raw = scored.tables["staff"].query("wave == 2011")
    np.testing.assert_array_equal(task.frame["l3"], 6 - raw["l3"])
    np.testing.assert_array_equal(task.frame["l1"], raw["l1"])


def test_separate_scales_are_separate_models() -> None:
    scored = _scored({"name": "q", "type": "cfa", "scales": ["lead", "goal"], "separate": True, "wave": 2011})
    assert [t.analysis for t in sem_tasks(scored.study.questions[0], scored)] == ["q:lead", "q:goal"]


def test_a_structural_question_over_waves_must_name_one() -> None:
    scored = _scored({"name": "q", "type": "cfa", "scales": ["lead"]})
    with pytest.raises(DataError, match="needs 'wave'"):
        sem_tasks(scored.study.questions[0], scored)


def test_an_unknown_outcome_is_named_with_the_nearest_column() -> None:
    scored = _scored({"name": "q", "type": "null_model", "outcome": "gaol"})
    with pytest.raises(DataError, match="did you mean 'goal'"):
        mixed_task(scored.study.questions[0], scored)


@pytest.mark.parametrize(
    ("clusters", "warned"), [(["institution"], True), (["person", "institution"], False)]
)
def test_answers_of_one_person_at_several_waves_are_not_taken_as_independent_in_silence(
    clusters: list[str], warned: bool
) -> None:
    from implstats.questions.answer import answer_question

    scored = _scored(
        {"name": "q", "type": "null_model", "outcome": "goal", "clusters": clusters, "few_clusters": "fit"}
    )
    answer = answer_question(scored.study.questions[0], scored)
    names = [named.check.name for named in answer.checks]
    assert ("repeated_persons" in names) is warned
    if warned:
        assert {row.verdict for row in answer.rows} == {"caution"}


def test_ordered_answers_have_an_estimator_of_their_own() -> None:
    question = {"name": "q", "type": "cfa", "scales": ["lead"], "wave": 2011}
    scored = _scored(question | {"ordered": True})
    (task,) = sem_tasks(scored.study.questions[0], scored)
    assert (task.options["estimator"], task.options["ordered"]) == ("WLSMV", ["l1", "l2", "l3"])
    scored = _scored(question)
    (task,) = sem_tasks(scored.study.questions[0], scored)
    assert (task.options["estimator"], task.options["ordered"]) == ("ML", [])


def test_a_named_cluster_reaches_the_estimator_and_ends_the_caution() -> None:
    question = {"name": "q", "type": "cfa", "scales": ["lead"], "wave": 2011, "cluster": "institution"}
    scored = _scored(question | {"estimator": "MLR"})
    (task,) = sem_tasks(scored.study.questions[0], scored)
    assert task.options["cluster"] == "institution"
    assert task.nested_in == ""
    assert list(task.frame.columns) == ["l1", "l2", "l3", "institution"]
