"""Offsets: the fit is that of y - offset, as in lme4, and predictions add the offset."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from implstats import mixed
from implstats.errors import NotSupportedError, ProblemsError, UsageError

FOLDER = Path(__file__).parents[1] / "reference" / "mixed" / "crossed"
CRITERION, RELATIVE, SATTERTHWAITE = 1e-8, 1e-6, 1e-5  # as in test_mixed_reference


@pytest.fixture
def sleep() -> pd.DataFrame:
    return pd.read_csv(FOLDER / "data" / "sleep_offset.csv")


PLAIN = "Reaction ~ Days + (Days | Subject)"


@pytest.mark.parametrize("method", ["REML", "ML"])
def test_offset_equals_lme4(sleep: pd.DataFrame, method: str) -> None:
    found = json.loads((FOLDER / "sleep_offset.json").read_text(encoding="utf-8"))
    theirs = found[method]
    ours = mixed.fit(found["formula"], sleep, reml=method == "REML", df="satterthwaite")
    assert ours.criterion == pytest.approx(theirs["criterion_minus2"], abs=CRITERION)
    for name, own, limit in (
        ("fixef", [f.estimate for f in ours.fixed], RELATIVE),
        ("se", [f.std_error for f in ours.fixed], RELATIVE),
    ):
        assert own == pytest.approx(list(theirs[name].values()), rel=limit)
    expected = list(theirs["satterthwaite"]["df"].values())
    assert [f.df for f in ours.fixed] == pytest.approx(expected, rel=SATTERTHWAITE)


def test_keyword_formula_and_subtraction_agree(sleep: pd.DataFrame) -> None:
    sleep = sleep.assign(**{"odd name": sleep["off"]}, less=sleep["Reaction"] - sleep["off"])
    one = mixed.fit(PLAIN, sleep, offset="odd name")
    two = mixed.fit("Reaction ~ Days + offset(I(2 * off) - `odd name`) + (Days | Subject)", sleep)
    three = mixed.fit(PLAIN.replace("Reaction", "less"), sleep)
    for other in (one, two):
        assert other.criterion == pytest.approx(three.criterion, abs=1e-9)
        assert [f.estimate for f in other.fixed] == pytest.approx([f.estimate for f in three.fixed], rel=1e-9)
    assert any(c.name == "offset" for c in one.checks)


def test_predictions_add_the_offset(sleep: pd.DataFrame) -> None:
    less = sleep.assign(Reaction=sleep["Reaction"] - sleep["off"])
    with_it = mixed.fit(PLAIN, sleep, offset="off")
    without = mixed.fit(PLAIN, less)
    new = sleep.iloc[::7]
    for random in ("conditional", "none"):
        a, b = mixed.predict(with_it, random=random), mixed.predict(without, random=random)
        assert a.values == pytest.approx(b.values + sleep["off"], rel=1e-9)
        a, b = mixed.predict(with_it, new, random=random), mixed.predict(without, new, random=random)
        assert a.values == pytest.approx(b.values + new["off"], rel=1e-9)
        assert a.std_error == pytest.approx(b.std_error, rel=1e-6, nan_ok=True)
    with pytest.raises(ProblemsError, match="'off' of the offset"):
        mixed.predict(with_it, new.drop(columns="off"))


def test_missing_offsets_drop_their_rows(sleep: pd.DataFrame) -> None:
    holed = sleep.copy()
    holed.loc[[3, 8], "off"] = np.nan
    result = mixed.fit(PLAIN, holed, offset="off")
    assert (result.n_dropped, result.missing) == (2, {"off": 2})


@pytest.mark.parametrize(
    ("formula", "offset", "error", "words"),
    [
        (PLAIN, "of", ProblemsError, "did you mean 'off'"),
        (PLAIN, "text", ProblemsError, "text or categories"),
        (PLAIN, "infinite", ProblemsError, "infinite in 1 row"),
        (PLAIN, 3, UsageError, "name of a column"),
        ("Reaction ~ Days - offset(off) + (1 | Subject)", None, UsageError, "added, not taken away"),
        ("Reaction ~ Days + offset() + (1 | Subject)", None, UsageError, "is empty"),
        ("Reaction ~ Days + offset(center(off)) + (1 | Subject)", None, NotSupportedError, "other rows"),
        ("Reaction ~ Days:offset(off) + (1 | Subject)", None, NotSupportedError, "not a function"),
    ],
)
def test_wrong_offsets_are_refused(
    sleep: pd.DataFrame, formula: str, offset: object, error: type, words: str
) -> None:
    frame = sleep.assign(text="a", infinite=np.where(np.arange(len(sleep)) == 4, np.inf, 1.0))
    with pytest.raises(error, match=words):
        mixed.fit(formula, frame, offset=offset)


def test_offsets_of_counts_go_to_their_own_estimator(sleep: pd.DataFrame) -> None:
    frame = sleep.assign(count=np.arange(len(sleep)) % 5, off=np.log(1.0 + sleep["Days"]))
    one = mixed.fit("count ~ Days + offset(off) + (1 | Subject)", frame, family="poisson")
    two = mixed.fit("count ~ Days + (1 | Subject)", frame, family="poisson", offset="off")
    assert one.log_likelihood == pytest.approx(two.log_likelihood, abs=1e-9)
    three = mixed.fit("count ~ Days + offset(log(Days + 1)) + (1 | Subject)", frame, family="poisson")
    assert three.log_likelihood == pytest.approx(one.log_likelihood, abs=1e-9)
