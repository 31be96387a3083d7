"""An invariance question: the right model, the ladder's own numbers, and a plain verdict."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from implstats import sem
from implstats.questions.answer import answer_question
from implstats.questions.base import Scored
from implstats.study.keys import resolve_scales
from implstats.study.models import Study
from implstats.study.references import check_references

ITEMS = ["a", "b", "c", "d"]


def study(**question):
    return Study.model_validate(
        {
            "study": {"name": "s", "title": "S"},
            "tables": {
                "staff": {
                    "person": "id",
                    "waves": {"values": [{"value": 1, "time": 0}, {"value": 2, "time": 1}]},
                    "clusters": [{"name": "ward", "variable": "ward"}],
                    "variables": {"sex": {"type": "category"}},
                    "sources": [{"file": "a.csv", "wave": 1}, {"file": "b.csv", "wave": 2}],
                }
            },
            "scales": {"mood": {"items": ITEMS, "reverse": ["d"], "minimum": 1, "maximum": 5}},
            "questions": [{"name": "same", "type": "invariance", "scales": ["mood"], **question}],
        }
    )


def frame(*, shifted=0.0, seed=3):
    """Return two waves of 400 persons; ``shifted`` moves one item's intercept at the second."""
    rng = np.random.default_rng(seed)
    person = np.arange(400)
    first = rng.normal(size=400)
    parts = []
    for wave, factor in ((1, first), (2, 0.7 * first + 0.7 * rng.normal(size=400) + 0.3)):
        values = factor[:, None] * [1.0, 0.8, 0.9, -0.7] + rng.normal(size=(400, 4))
        values[:, 1] += shifted * (wave == 2)
        parts.append(pd.DataFrame(values, columns=ITEMS).assign(person=person, wave=wave, ward=person % 8))
    out = pd.concat(parts, ignore_index=True)
    return out.assign(sex=np.where(out.person % 2 == 0, "f", "m"))


def ask(data, **question):
    asked = study(**question)
    scored = Scored(study=asked, keys=resolve_scales(asked, {}), tables={"staff": data})
    return answer_question(asked.questions[0], scored)


def value(answer, term, quantity, field="estimate"):
    (row,) = [r for r in answer.rows if (r.term, r.quantity) == (term, quantity)]
    return getattr(row, field)


def test_waves_side_by_side_give_the_ladder_of_the_estimator():
    data = frame()
    answer = ask(data)
    turned = data.assign(d=6 - data.d)
    wide = turned.pivot(index="person", columns="wave", values=ITEMS)
    wide.columns = [f"{item}_{wave}" for item, wave in wide.columns]
    waves = [[f"{item}_{wave}" for item in ITEMS] for wave in (1, 2)]
    ladder = sem.longitudinal_invariance(waves, wide, estimator="MLR", missing="fiml", factor="mood")
    for step in ladder.steps[1:]:
        assert value(answer, step.name, "cfi_difference") == pytest.approx(step.difference.cfi, abs=1e-12)
        assert value(answer, step.name, "chisq_difference", "p_value") == step.difference.p_value
    assert value(answer, "strict", "df") == ladder.step("strict").fit.fit["df"]


def test_a_scale_that_keeps_its_meaning_may_be_compared():
    checks = {c.check.name: c.check for c in ask(frame()).checks}
    assert checks["comparable"].status == "ok"
    assert checks["nesting"].status == "warn"


def test_an_item_that_drifts_stops_at_equal_loadings():
    checks = {c.check.name: c.check for c in ask(frame(shifted=0.8)).checks}
    assert checks["comparable"].status == "warn"
    assert "up to the step 'metric'" in checks["comparable"].message


def test_groups_of_one_wave():
    data = frame()
    answer = ask(data, over="sex", wave=1, missing="listwise", estimator="ML")
    first = data[data.wave == 1].assign(d=lambda f: 6 - f.d)
    ladder = sem.invariance("mood =~ a + b + c + d", first, group="sex")
    assert value(answer, "scalar", "chisq") == pytest.approx(
        ladder.step("scalar").fit.fit["chisq"], rel=1e-12
    )


def test_missing_answers_are_used_and_an_unasked_wave_is_named():
    data = frame()
    data.loc[data.person < 60, "a"] = np.nan
    assert value(ask(data), "configural", "chisq", "n_obs") == 400
    data.loc[data.wave == 2, "b"] = np.nan
    answer = ask(data)
    assert answer.rows[0].verdict == "failed"
    assert "Nobody answered b_2" in answer.rows[0].reason


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ({"over": "wrad", "wave": 1}, "did you mean 'ward'"),
        ({"over": "sex"}, "field required, because rows of several waves"),
        ({"waves": [1]}, "needs at least two waves"),
        ({"scales": ["moods"]}, "did you mean 'mood'"),
    ],
)
def test_what_the_study_file_gets_wrong(question, words):
    assert any(words in problem for problem in check_references(study(**question), {}))


def test_ordered_answers_over_waves_begin_with_thresholds():
    data = frame()
    data[ITEMS] = data[ITEMS].apply(lambda x: np.digitize(x, [-1.0, 0.0, 1.0]) + 1.0)
    answer = ask(data, ordered=True)
    turned = data.assign(d=6 - data.d)
    wide = turned.pivot(index="person", columns="wave", values=ITEMS)
    wide.columns = [f"{item}_{wave}" for item, wave in wide.columns]
    waves = [[f"{item}_{wave}" for item in ITEMS] for wave in (1, 2)]
    ladder = sem.longitudinal_invariance(waves, wide, ordered=True, factor="mood")
    steps = list(dict.fromkeys(r.term for r in answer.rows if r.block == "steps"))
    assert steps == [step.name for step in ladder.steps]
    assert "thresholds" in steps
    assert value(answer, "metric", "chisq_difference", "p_value") == ladder.step("metric").difference.p_value


def test_a_step_that_restricts_nothing_has_a_reason_instead_of_a_test():
    data = frame()
    data[ITEMS] = data[ITEMS].apply(lambda x: np.digitize(x, [-0.6, 0.6]) + 1.0)
    answer = ask(data, ordered=True)
    (found,) = [r for r in answer.rows if (r.term, r.quantity) == ("thresholds", "chisq_difference")]
    assert (found.estimate, found.df) == (None, 0.0)
    assert "restricts nothing" in found.reason
    assert value(answer, "thresholds", "cfi_difference") == pytest.approx(0.0, abs=1e-6)
