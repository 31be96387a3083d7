"""Factor scores: against lavaan, against their theory, and rows without answers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from implstats import sem
from implstats.errors import DataError, ModelError, NotSupportedError, UsageError

MODELS = (
    "ml", "means", "stdlv", "observed", "mlr", "mlm", "structural", "second", "fixed_variance", "equal",
    "fiml", "fiml_mlr", "fiml_structural", "metric", "scalar", "scalar_mlr", "fiml_metric", "mlmv",
    "gls", "wls",
)  # fmt: skip
# With gaps lavaan's polished estimate lies 3e-9 from the optimum.
TOLERANCE = 2e-8
PLACES = [(name, method) for name in MODELS for method in ("regression", "bartlett")]


@pytest.mark.parametrize(("name", "method"), [*PLACES, ("predictors", "regression")])
def test_scores_and_standard_errors_agree_with_lavaan(after_reference, after_fit, name, method):
    result, data = after_fit(name)
    found = sem.factor_scores(result, data, method=method)
    groups = after_reference[name]["scores"][method]
    assert len(groups) == len(result.groups)
    for group in groups:
        rows = np.array(group["row"]) - 1
        direct = slice(None) if not (name == "second" and method == "bartlett") else slice(0, 3)
        theirs, errors = np.array(group["score"], dtype=float), np.array(group["se"], dtype=float)
        np.testing.assert_allclose(found.scores[rows][:, direct], theirs[:, direct], atol=TOLERANCE)
        errors = np.broadcast_to(errors, theirs.shape)
        np.testing.assert_allclose(found.std_errors[rows][:, direct], errors[:, direct], atol=TOLERANCE)


def test_determinacy_is_the_correlation_with_the_factor():
    rng = np.random.default_rng(8)
    f = rng.normal(size=(20_000, 1))
    frame = pd.DataFrame(f * [0.9, 0.8, 0.7] + rng.normal(size=(20_000, 3)) * 0.6, columns=list("abc"))
    result = sem.fit("f =~ a + b + c", frame, kind="cfa")
    for method in ("regression", "bartlett"):
        found = sem.factor_scores(result, frame, method=method)
        truth = np.corrcoef(found.scores[:, 0], f[:, 0])[0, 1]
        # 20 000 persons leave an error of .002 in a correlation of .9.
        assert found.determinacy[0].correlation == pytest.approx(truth, abs=0.006)
        assert found.determinacy[0].reliability == pytest.approx(found.determinacy[0].correlation ** 2)
        gap = found.scores[:, 0] - f[:, 0] / np.mean(f[:, 0] ** 2) ** 0.5 * float(
            np.sqrt(result.fitted.moments[0].phi[0, 0])
        )
        assert np.std(gap) == pytest.approx(found.std_errors[0, 0], rel=0.05)


def test_regression_scores_are_shrunken_and_bartletts_are_not(after_fit):
    result, data = after_fit("ml")
    phi = result.fitted.moments[0].phi
    regression = sem.factor_scores(result, data)
    bartlett = sem.factor_scores(result, data, method="bartlett")
    # At an ML optimum without means: var(Bartlett) = phi + error, var(regression) = phi - error, on average.
    for k in range(3):
        assert regression.scores[:, k].var() < phi[k, k] < bartlett.scores[:, k].var()
    assert (regression.std_errors < bartlett.std_errors).all()


def test_rows_keep_the_callers_index_and_gaps_are_counted(hs, three_factors):
    result = sem.fit(three_factors, hs, kind="cfa")
    data = hs.copy()
    data.index = [f"p{k}" for k in range(len(hs))]
    data.loc["p3", "x1"] = np.nan
    found = sem.factor_scores(result, data)
    assert list(found.frame.index) == list(data.index)
    assert list(found.frame.columns) == ["visual", "textual", "speed", "visual_se", "textual_se", "speed_se"]
    assert found.frame.loc["p3"].isna().all()
    assert found.n_without == 1
    assert "1 row(s)" in next(c.message for c in found.checks if c.name == "missing")


def test_full_information_scores_by_the_answers_given(after_fit):
    result, data = after_fit("fiml")
    few = data.iloc[:4].copy()
    names = [f"x{k}" for k in range(1, 10)]
    few.loc[few.index[0], names] = np.nan
    few.loc[few.index[1], names[3:]] = np.nan
    few.loc[few.index[2], names] = 4.0
    found = sem.factor_scores(result, few)
    assert np.isnan(found.scores[0]).all()
    assert np.isfinite(found.scores[1]).all()
    assert (found.std_errors[1] > found.std_errors[2]).all()
    bartlett = sem.factor_scores(result, few, method="bartlett")
    assert np.isfinite(bartlett.scores[1, 0])
    assert np.isnan(bartlett.scores[1, 1:]).all()


def test_order_of_rows_changes_nothing(after_fit):
    result, data = after_fit("fiml_metric")
    plain = sem.factor_scores(result, data).frame
    mixed = sem.factor_scores(result, data.sample(frac=1, random_state=1)).frame
    pd.testing.assert_frame_equal(mixed.sort_index(), plain, rtol=0, atol=1e-12)


def test_unknown_groups_have_no_scores(after_fit):
    result, data = after_fit("metric")
    some = data.iloc[:5].copy()
    some["school"] = ["Pasteur", "Grant-White", "Elsewhere", None, "Pasteur"]
    found = sem.factor_scores(result, some)
    assert np.isnan(found.scores[:, 0]).tolist() == [False, False, True, True, False]
    with pytest.raises(DataError, match="school"):
        sem.factor_scores(result, some.drop(columns="school"))


def test_factors_of_factors_have_regression_scores_only(after_fit):
    result, data = after_fit("second")
    assert np.isfinite(sem.factor_scores(result, data).frame["g"]).all()
    bartlett = sem.factor_scores(result, data, method="bartlett")
    assert bartlett.frame["g"].isna().all()
    assert "g" in next(c.message for c in bartlett.checks if c.name == "undefined")


def test_what_cannot_be_scored_is_refused(after_fit):
    result, data = after_fit("ml")
    with pytest.raises(UsageError, match="Choose regression"):
        sem.factor_scores(result, data, method="mean")
    with pytest.raises(DataError, match="x9"):
        sem.factor_scores(result, data.drop(columns="x9"))
    path, persons = after_fit("path")
    with pytest.raises(ModelError, match="no latent"):
        sem.factor_scores(path, persons)
    mixed, pupils = after_fit("predictors")
    with pytest.raises(NotSupportedError, match="regression"):
        sem.factor_scores(mixed, pupils, method="bartlett")
