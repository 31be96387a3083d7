"""Questions of structure: bootstrap, two stages, auxiliary columns and two levels reach the library."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from implstats import sem
from implstats.questions.answer import answer_question
from implstats.questions.base import Scored
from implstats.study.keys import resolve_scales
from implstats.study.models import Study
from implstats.study.references import check_references

ITEMS = ["a", "b", "c", "d"]
MEDIATION = "c ~ p*a\nd ~ q*c + a\nindirect := p*q"
LEVELS = "level: 1\nf =~ a + b + c + d\nlevel: 2\ng =~ a + b + c + d"


def study(**question):
    return Study.model_validate(
        {
            "study": {"name": "s", "title": "S", "seed": 5},
            "tables": {
                "staff": {
                    "person": "id",
                    "clusters": [{"name": "ward", "variable": "ward"}],
                    "variables": {"sex": {"type": "category"}},
                    "sources": [{"file": "a.csv"}],
                }
            },
            "scales": {"mood": {"items": ITEMS, "minimum": 1, "maximum": 5, "label": "Mood"}},
            "questions": [{"name": "q", **question}],
        }
    )


@pytest.fixture
def frame():
    """60 wards of 12 persons; every item has a part of the ward."""
    rng = np.random.default_rng(11)
    ward = np.repeat(np.arange(60), 12)
    factor = 0.8 * rng.normal(size=60)[ward] + rng.normal(size=720)
    items = factor[:, None] * [1.0, 0.8, 0.9, 0.7] + rng.normal(size=(720, 4))
    items += 0.4 * rng.normal(size=(60, 4))[ward]
    out = pd.DataFrame(items, columns=ITEMS).assign(ward=ward, person=np.arange(720))
    return out.assign(sex=np.where(out.person % 2 == 0, "f", "m"), age=factor + rng.normal(size=720))


def ask(data, **question):
    asked = study(**question)
    scored = Scored(study=asked, keys=resolve_scales(asked, {}), tables={"staff": data})
    return answer_question(asked.questions[0], scored)


def row(answer, block, term, quantity, level=""):
    (found,) = [r for r in answer.rows
                if (r.block, r.term, r.quantity, r.level) == (block, term, quantity, level)]  # fmt: skip
    return found


def messages(answer):
    return {c.check.name: c.check for c in answer.checks}


def test_the_bootstrap_is_that_of_the_library_with_the_studys_seed(frame):
    answer = ask(frame, type="path", model=MEDIATION, bootstrap={"draws": 200, "interval": "bca"})
    fit = sem.fit(MEDIATION, frame)
    ours = sem.bootstrap(fit, draws=200, seed=5, interval="bca")
    wanted = next(p for p in ours.parameters if p.lhs == "indirect")
    found = row(answer, "bootstrap", "indirect := p*q", "defined")
    assert (found.conf_low, found.conf_high) == (wanted.conf_low, wanted.conf_high)
    assert (found.std_error, found.df_method, found.conf_level) == (wanted.std_error, "bca", 0.95)
    standard = next(p for p in ours.standardised if p.lhs == "indirect")
    assert row(answer, "bootstrap", "indirect := p*q", "std_all").conf_low == standard.conf_low
    assert "200 samples of persons, seed 5, bca" in messages(answer)["bootstrap"].message


def test_with_a_cluster_whole_clusters_are_drawn(frame):
    asked = {"type": "path", "model": MEDIATION, "cluster": "ward", "estimator": "MLR"}
    answer = ask(frame, **asked, bootstrap={"draws": 150, "seed": 9})
    ours = sem.bootstrap(
        sem.fit(MEDIATION, frame, cluster="ward", estimator="MLR"),
        draws=150,
        seed=9,
        cluster="ward",
        data=frame,
    )
    wanted = next(p for p in ours.parameters if p.lhs == "indirect")
    assert row(answer, "bootstrap", "indirect := p*q", "defined").std_error == wanted.std_error


def test_a_bootstrap_that_is_refused_costs_a_sentence_and_not_the_question(frame, monkeypatch):
    from implstats.errors import NotSupportedError

    def refuse(*_, **__):
        raise NotSupportedError("not of this fit")

    monkeypatch.setattr(sem, "bootstrap", refuse)
    answer = ask(frame, type="path", model=MEDIATION, bootstrap={"draws": 200})
    assert row(answer, "parameters", "indirect := p*q", "defined").estimate is not None
    assert not [r for r in answer.rows if r.block == "bootstrap"]
    assert messages(answer)["bootstrap"].message == "No bootstrap: not of this fit"


@pytest.mark.parametrize("how", ["two-stage", "robust-two-stage"])
def test_two_stages(frame, how):
    frame.loc[::4, "b"] = np.nan
    answer = ask(frame, type="cfa", scales=["mood"], missing=how)
    fit = sem.fit("mood =~ a + b + c + d", frame, kind="cfa", missing=how.replace("-", "."))
    assert row(answer, "fit", "", "chisq.scaled").estimate == fit.fit["chisq.scaled"]
    assert row(answer, "parameters", "mood =~ b", "loading").n_obs == 720


def test_auxiliary_columns_reach_the_fit(frame):
    frame.loc[frame.age > 0.5, "b"] = np.nan
    answer = ask(frame, type="cfa", scales=["mood"], missing="fiml", auxiliary=["age"])
    fit = sem.fit("mood =~ a + b + c + d", frame, kind="cfa", missing="fiml", auxiliary=["age"])
    assert row(answer, "fit", "", "chisq").estimate == fit.fit["chisq"]
    without = ask(frame, type="cfa", scales=["mood"], missing="fiml")
    assert row(without, "fit", "", "chisq").estimate != fit.fit["chisq"]
    unknown = ask(frame, type="cfa", scales=["mood"], missing="fiml", auxiliary=["aeg"])
    assert "did you mean 'age'" in unknown.rows[0].reason


def test_another_scaled_test_is_that_of_the_library(frame):
    answer = ask(frame, type="cfa", scales=["mood"], estimator="MLR", test="scaled.shifted")
    fit = sem.fit("mood =~ a + b + c + d", frame, kind="cfa", estimator="MLR", test="scaled.shifted")
    assert row(answer, "fit", "", "chisq.scaled").estimate == fit.fit["chisq.scaled"]


def test_auxiliary_columns_need_full_information():
    with pytest.raises(ValidationError, match="take missing: fiml"):
        study(type="cfa", scales=["mood"], auxiliary=["age"])


def test_a_model_of_two_levels_has_rows_by_level(frame):
    answer = ask(frame, type="path", model=LEVELS, cluster="ward")
    ours = sem.fit_two_level(LEVELS, frame, cluster="ward")
    wanted = {(p.lhs, p.op, p.rhs, p.level): p for p in ours.parameters}
    for level, number, factor in (("within", 1, "f"), ("between", 2, "g")):
        found = row(answer, "parameters", f"{factor} =~ b", "loading", level)
        assert found.estimate == wanted[factor, "=~", "b", number].estimate
        assert found.n_clusters == 60
        assert row(answer, "standardised", f"{factor} =~ b", "std_all", level).estimate is not None
    assert row(answer, "icc", "a", "icc", "ward").estimate == ours.icc["a"]
    assert row(answer, "fit", "", "srmr_between").estimate == ours.fit["srmr_between"]
    assert "nesting" not in messages(answer), "the model itself allows for the clusters"


def test_a_scale_at_both_levels_is_one_word_in_the_study_file(frame):
    answer = ask(frame, type="cfa", scales=["mood"], cluster="ward", levels=True)
    same = ask(frame, type="path", model=LEVELS.replace("f =~", "mood =~").replace("g =~", "mood_between =~"),
               cluster="ward", kind="cfa")  # fmt: skip
    assert row(answer, "fit", "", "chisq").estimate == row(same, "fit", "", "chisq").estimate
    assert ("mood_between", "Mood (between)") in [(e.name, e.label) for e in answer.entries]
    with pytest.raises(ValidationError, match="name the cluster level"):
        study(type="cfa", scales=["mood"], levels=True)


@pytest.mark.parametrize(
    ("question", "says"),
    [({}, "needs 'cluster'"), ({"cluster": "ward", "bootstrap": {}}, "does not take bootstrap")],
)
def test_what_two_levels_do_not_take_is_said(frame, question, says):
    answer = ask(frame, type="path", model=LEVELS, **question)
    assert answer.rows[0].verdict == "failed"
    assert says in answer.rows[0].reason


def test_a_ladder_between_groups_that_allows_for_clusters(frame):
    frame["arm"] = np.where(frame.ward % 2 == 0, "x", "y")
    frame["sex"] = frame["arm"]
    answer = ask(frame, type="invariance", scales=["mood"], over="sex", cluster="ward")
    ladder = sem.invariance(
        "mood =~ a + b + c + d", frame, group="sex", cluster="ward", estimator="MLR", missing="fiml"
    )
    test = ladder.step("scalar").difference
    assert row(answer, "differences", "scalar", "chisq_difference").p_value == test.p_value
    assert "nesting" not in messages(answer)
    one = sem.fit("mood =~ a + b + c + d", frame, kind="cfa", group="sex", cluster="ward", estimator="MLR",
                  missing="fiml", group_equal=["loadings"])  # fmt: skip
    two = sem.fit("mood =~ a + b + c + d", frame, kind="cfa", group="sex", cluster="ward", estimator="MLR",
                  missing="fiml", group_equal=["loadings", "intercepts"])  # fmt: skip
    # Both searches end at the same optimum from different starts.
    assert test.chisq == pytest.approx(sem.compare(one, two).chisq, rel=1e-7)


def test_a_ladder_of_ordered_answers_begins_with_thresholds(frame):
    cut = frame.assign(**{name: np.digitize(frame[name], [-1.0, 0.0, 1.0]) for name in ITEMS})
    answer = ask(cut, type="invariance", scales=["mood"], over="sex", ordered=True)
    steps = list(dict.fromkeys(r.term for r in answer.rows if r.block == "steps"))
    assert steps == ["configural", "thresholds", "metric", "scalar", "strict"]
    assert answer.rows[0].method == "WLSMV"
    ladder = sem.invariance("mood =~ a + b + c + d", cut, group="sex", ordered=ITEMS)
    wanted = ladder.step("metric").difference.p_value
    assert row(answer, "differences", "metric", "chisq_difference").p_value == wanted
    with pytest.raises(ValidationError, match="'ordered' goes without"):
        study(type="invariance", scales=["mood"], over="sex", ordered=True, estimator="MLR")


def test_a_ladder_in_two_stages_takes_a_scaled_difference(frame):
    frame.loc[::5, "b"] = np.nan
    answer = ask(frame, type="invariance", scales=["mood"], over="sex", missing="two-stage")
    found = row(answer, "differences", "metric", "chisq_difference")
    assert found.df_method == "satorra.bentler.2001"
    one, two = (
        sem.fit(
            "mood =~ a + b + c + d", frame, kind="cfa", group="sex", missing="two.stage", group_equal=equal
        )
        for equal in ((), ("loadings",))
    )
    assert found.estimate == pytest.approx(sem.compare(one, two).chisq, rel=1e-7)


def test_a_released_parameter_stays_free(frame):
    answer = ask(frame, type="invariance", scales=["mood"], over="sex", release=["b~1"])
    assert row(answer, "differences", "scalar", "chisq_difference").df == 2


def test_an_unknown_cluster_of_a_ladder_is_named():
    problems = check_references(study(type="invariance", scales=["mood"], over="sex", cluster="wrad"), {})
    assert any("did you mean 'ward'" in problem for problem in problems)


def test_the_second_opinion_of_a_structural_model_reaches_the_results(frame):
    from implstats.pipeline.stages.second_opinion import CHECK_NAMES

    asked = study(type="cfa", scales=["mood"])
    scored = Scored(study=asked, keys=resolve_scales(asked, {}), tables={"staff": frame})
    found = answer_question(asked.questions[0], scored, second_opinion=True)
    plain = {c.check.name for c in answer_question(asked.questions[0], scored).checks}
    assert {c.check.name for c in found.checks} - plain == {"other_starts", "semopy"} <= set(CHECK_NAMES)


def test_clusters_that_cannot_bear_a_level_are_refused_with_what_can_be_done(frame):
    few = frame[frame.ward < 12]
    asked = {"type": "cfa", "scales": ["mood"], "cluster": "ward", "levels": True}
    answer = ask(few, **asked)
    assert answer.rows[0].verdict == "failed"
    assert answer.rows[0].estimate is None
    for words in ("12 clusters cannot bear", "Fit one level with cluster", "mixed model"):
        assert words in answer.rows[0].reason
    fitted = ask(few, **asked, few_clusters="fit")
    assert row(fitted, "icc", "a", "icc", "ward").verdict == "caution"
