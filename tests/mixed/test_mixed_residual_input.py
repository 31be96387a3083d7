"""What residual structures refuse, and the words they use."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from implstats import mixed
from implstats.errors import DataError, ModelError, NotSupportedError, ProblemsError, UsageError
from implstats.mixed.residual.term import read_residual


@pytest.fixture
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    wave, person = np.tile(np.arange(3), 40), np.repeat(np.arange(40), 3)
    return pd.DataFrame(
        {"y": rng.normal(size=120) + rng.normal(size=40)[person], "x": rng.normal(size=120), "wave": wave,
         "person": person, "inst": person // 5, "local": person % 5, "half": wave / 2.0, "twice": 2 * wave,
         "label": np.array(["a", "b", "c"])[wave], "row": np.arange(120), "cross": np.arange(120) % 7,
         "daily": np.arange(120), "one": 1,
         "seat": np.arange(120) % 15, "week": np.arange(120) // 7}
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ar1", "cannot be read"),
        ("ar1(wave)", "cannot be read"),
        ("ar1(wave | person) + ident(wave | person)", "ar1ident"),
        ("ar1(wave | )", "lacks a name"),
        ("ar2(wave | person)", "did you mean 'ar1'"),
        ("corAR1(wave | person)", "did you mean 'ar1'"),
        ("varIdent(wave | person)", "did you mean 'ident'"),
        ("us(wave | person)", "did you mean 'un'"),
        ("ar1(person | person)", "both sides"),
        ("ar1(__import__('os') | person)", "cannot be read"),
        (3, "is a text"),
    ],
)
def test_texts_that_mean_no_structure(text: object, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        read_residual(text)


@pytest.mark.parametrize(
    ("formula", "residual", "error", "words"),
    [
        ("y ~ x + (1 | inst)", "ar1(wav | person)", ProblemsError, "did you mean 'wave'"),
        ("y ~ x", "ar1(half | person)", DataError, "not a whole number in 40 of 120 rows.*random slope"),
        ("y ~ x", "ar1(label | person)", DataError, "text or categories.*number of each wave"),
        ("y ~ x", "ar1(wave | local)", DataError, "more than one row at a wave.*cluster/local"),
        ("y ~ x + (1 | person)", "un(wave | person)", ModelError, "cannot be told from it"),
        ("y ~ x + (1 | person)", "ar1(wave | inst/local)", None, ""),
        ("y ~ x + (1 | person)", "ident(seat | inst)", ModelError, "lowest level.*'person' lies below"),
        ("y ~ x + (1 | inst)", "ident(week | cross)", ModelError, "crossed with 'inst'"),
        ("y ~ x", "un(daily | one)", NotSupportedError, "at most 12"),
        ("y ~ x", "ar1(daily | one)", NotSupportedError, "at most 40"),
        ("y ~ x", "ar1(twice | person)", DataError, "multiple of 2 apart.*Divide"),
        ("y ~ x", "ar1(one | row)", ModelError, "one wave"),
        ("y ~ x", "ident(one | row)", UsageError, "no random term"),
        ("y ~ x", "ar1(wave | row)", ModelError, "more than one wave"),
        ("y ~ x + (1 + wave | person)", "ar1ident(wave | person)", ModelError, "7 variances.*can tell 6"),
    ],
)
def test_refused_with_a_reason(
    frame: pd.DataFrame, formula: str, residual: str, error: type | None, words: str
) -> None:
    if error is None:
        assert mixed.fit(formula, frame, residual=residual).verdict != "failed"
        return
    with pytest.raises(error, match=words):
        mixed.fit(formula, frame, residual=residual)


def test_an_intercept_and_ar1_need_three_waves(frame: pd.DataFrame) -> None:
    two = frame[frame["wave"] < 2]
    with pytest.raises(ModelError, match=r"3 variances.*2 waves can tell 2"):
        mixed.fit("y ~ x + (1 | person)", two, residual="ar1(wave | person)")


def test_a_pair_of_waves_that_nobody_has(frame: pd.DataFrame) -> None:
    apart = frame[np.where(frame["person"] < 20, frame["wave"] != 2, frame["wave"] != 0)]
    with pytest.raises(ModelError, match=r"0 and 2.*cannot be estimated"):
        mixed.fit("y ~ x", apart, residual="un(wave | person)")


def test_options_that_do_not_go_together(frame: pd.DataFrame) -> None:
    with pytest.raises(NotSupportedError, match="robust"):
        mixed.fit("y ~ x", frame, residual="un(wave | person)", robust="CR2")
    with pytest.raises(NotSupportedError, match="weights"):
        mixed.fit("y ~ x", frame.assign(w=1.0), residual="un(wave | person)", weights="w")
    with pytest.raises(UsageError, match="no random term"):
        mixed.fit("y ~ x", frame)


def test_missing_waves_and_persons_are_counted(frame: pd.DataFrame) -> None:
    holed = frame.astype({"wave": float, "person": float})
    holed.loc[[3, 4], "wave"] = np.nan
    holed.loc[4, "person"] = np.nan
    result = mixed.fit("y ~ x", holed, residual="un(wave | person)")
    assert result.n_dropped == 2
    assert result.missing == {"wave": 2, "person": 1}


def test_sums_are_refused_by_name(frame: pd.DataFrame) -> None:
    result = mixed.fit("y ~ x", frame, residual="ar1(wave | person)")
    assert result.model is not None
    with pytest.raises(NotSupportedError, match=r"residual structure ar1\(wave \| person\)"):
        _ = result.model.sums.ZZ
    assert "NoSums" in repr(result.model.sums)
