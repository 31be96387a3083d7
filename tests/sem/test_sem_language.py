"""Nothing of lavaan's language is silently ignored: each operator and modifier is fitted, or refused by name.

The list is that of lavaan's ``model.syntax``: operators, block headings and modifiers, with the operators of
its later versions. What is fitted is held to an equivalent way of writing it.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from implstats import sem
from implstats.errors import ImplstatsError, NotSupportedError, UsageError
from implstats.sem.language.syntax import MODIFIER_FUNCTIONS, OPERATORS

F = "f =~ x1 + x2 + x3 + x4"
LAVAAN_OPERATORS = ("=~", "<~", "~*~", "~~", "~", "==", "<", ">", ":=", "|")
LAVAAN_MODIFIERS = ("start", "label", "equal", "lower", "upper", "rv", "efa", "prior", "c")


def rows(model, data=None, **options):
    """Return (free, fixed, start, label) by parameter."""
    table = sem.model_table(model, data, **options)
    return {
        (r.lhs, r.op, r.rhs, r.group): (r.free, r.fixed, r.start, r.label) for r in table.rows
    }  # fmt: skip


@pytest.fixture
def cut(hs):
    """The tests in four ordered categories."""
    names = ["x1", "x2", "x3", "x4"]
    quarters = hs[names].apply(lambda x: pd.qcut(x.rank(method="first"), 4, labels=False))
    return quarters.assign(school=hs["school"])


def test_the_reader_knows_every_operator_and_modifier():
    assert set(LAVAAN_OPERATORS) <= set(OPERATORS)
    assert set(LAVAAN_MODIFIERS) - {"efa"} <= set(MODIFIER_FUNCTIONS)


# Fitted: the text on the left means what the text on the right says.
SAME = {
    "f measured in two lines": ("f =~ x1 + x2\nf =~ x3 + x4", F),
    "continued lines and comments": ("f =~ x1 + x2 +  # first\n  x3\n  + x4 ! last", F),
    "semicolons": ("f =~ x1 + x2 + x3 + x4; x1 ~~ x2", F + "\nx1 ~~ x2"),
    "several left sides": ("x1 + x2 ~ x3 + x4", "x1 ~ x3 + x4\nx2 ~ x3 + x4"),
    "both covariances at once": ("x1 ~~ x2 + x3", "x1 ~~ x2\nx1 ~~ x3"),
    "a question mark is a start": ("f =~ x1 + 0.5?x2 + x3", "f =~ x1 + start(0.5)*x2 + x3"),
    "a label in quotes": ('f =~ x1 + "a"*x2 + x3', "f =~ x1 + a*x2 + x3"),
    "label()": ("f =~ x1 + label('a')*x2 + x3", "f =~ x1 + a*x2 + x3"),
    "a zero intercept": ("f =~ x1 + x2 + x3\nx1 ~ 0", "f =~ x1 + x2 + x3\nx1 ~ 0*1"),
    "two modifiers of one term": ("f =~ x1 + a*x2 + start(0.5)*x2 + x3", "f =~ x1 + a*start(0.5)*x2 + x3"),
    "a label called c": ("f =~ x1 + c*x2 + x3", 'f =~ x1 + "c"*x2 + x3'),
}


@pytest.mark.parametrize("what", SAME)
def test_two_ways_of_writing_are_one_model(what):
    one, two = SAME[what]
    assert rows(one) == rows(two)


def test_na_frees_and_numbers_fix():
    found = rows("f =~ NA*x1 + 0.8*x2 + -1*x3\nf ~~ 1*f")
    assert found["f", "=~", "x1", 1][0] > 0
    assert [found["f", "=~", name, 1][1] for name in ("x2", "x3")] == [0.8, -1.0]
    assert found["f", "~~", "f", 1] == (0, 1.0, None, "")


def test_c_gives_each_group_its_own(hs):
    text = "f =~ x1 + c(a, a)*x2 + c(b, d)*x3 + c(0.7, NA)*x4 + start(c(1, 2))*x5"
    found = rows(text, hs, group="school")
    loading = {(name, g): found["f", "=~", name, g] for name in ("x2", "x3", "x4", "x5") for g in (1, 2)}
    assert loading["x2", 1][0] == loading["x2", 2][0] > 0
    assert loading["x3", 1][0] != loading["x3", 2][0]
    assert (loading["x4", 1][1], loading["x4", 2][1]) == (0.7, None)
    assert loading["x4", 2][0] > 0
    assert [loading["x5", g][2] for g in (1, 2)] == [1.0, 2.0]


def test_labels_of_c_may_be_called_c(hs):
    assert rows("f =~ x1 + c(b, c)*x2 + x3", hs, group="school")["f", "=~", "x2", 2][3] == "c"


def test_thresholds_and_scales_are_those_of_ordered_items(cut):
    names = ["x1", "x2", "x3", "x4"]
    found = rows(F + "\nx1 | t1 + t2 + t3\nx2 | 0.3*t1\nx1 ~*~ 1*x1", cut, ordered=names)
    assert all(found["x1", "|", f"t{k}", 1][0] > 0 for k in (1, 2, 3))
    assert found["x2", "|", "t1", 1][1] == 0.3
    assert found["x1", "~*~", "x1", 1][1] == 1.0


EXPRESSIONS = {
    "b == a": lambda p: p["b"] - p["a"],
    "a == 0.9*b": lambda p: p["a"] - 0.9 * p["b"],
    "a + b == 1.5": lambda p: p["a"] + p["b"] - 1.5,
    "a^2 == b": lambda p: p["a"] ** 2 - p["b"],
    "a < 0.5": lambda p: max(p["a"] - 0.5, 0.0),
    "b > 1.2": lambda p: max(1.2 - p["b"], 0.0),
}


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_a_constraint_holds(hs, text):
    result = sem.fit(f"f =~ x1 + a*x2 + b*x3\nf ~~ x4\n{text}", hs)
    assert result.verdict != "failed", result.reason
    values = {p.label: p.estimate for p in result.parameters if p.label}
    # The search meets constraints to 1e-8.
    assert abs(EXPRESSIONS[text](values)) < 1e-7


FUNCTIONS = {
    "a*b": lambda a, b: a * b,
    "(a - b)/2": lambda a, b: (a - b) / 2,
    "exp(a) + log(b)": lambda a, b: np.exp(a) + np.log(b),
    "sqrt(a^2 + b^2)": lambda a, b: np.hypot(a, b),
    "abs(-a) + sin(b)*cos(b) + tan(a/9)": lambda a, b: abs(a) + np.sin(b) * np.cos(b) + np.tan(a / 9),
    "a**2": lambda a, b: a**2,
}


@pytest.mark.parametrize("text", FUNCTIONS)
def test_a_definition_is_computed(hs, text):
    result = sem.fit(f"f =~ x1 + a*x2 + b*x3\nd := {text}\ne := 2*d", hs)
    values = {p.label: p.estimate for p in result.parameters if p.label}
    wanted = FUNCTIONS[text](values["a"], values["b"])
    # The same arithmetic in double precision.
    assert values["d"] == pytest.approx(wanted, rel=1e-12)
    assert values["e"] == pytest.approx(2 * wanted, rel=1e-12)


# Refused by name, with what to do instead.
REFUSED = {
    "f <~ x1 + x2\nx3 ~ f": ("'<~'", "compute the composite"),
    "x1 |~ 0": ("'|~'", "ordered"),
    "group % 1": ("'%'", "group="),
    "group: 1\nf =~ x1 + x2 + x3\ngroup: 2\nf =~ x1 + x2 + x3": ("'group: 1'", "c(a, b)*x"),
    "level: 1\nf =~ x1 + x2 + x3\nlevel: 2\ng =~ x1 + x2 + x3": ("'level: 1'", "fit_two_level"),
    "block: 1\nf =~ x1 + x2 + x3": ("'block: 1'", "without the heading"),
    "class: 1\nf =~ x1 + x2 + x3": ("'class: 1'", "classes"),
    'efa("b")*f =~ x1 + x2 + x3': ("efa()", "sem.explore"),
    'efa("b")*f + efa("b")*g =~ x1 + x2 + x3': ("efa()", "sem.explore"),
    "f =~ x1 + equal('f=~x1')*x2 + x3": ("equal()", "same label"),
    "f =~ x1 + lower(0)*x2 + x3": ("lower()", "'a > 0'"),
    "f =~ x1 + upper(1)*x2 + x3": ("upper()", "'a < 1'"),
    "x1 ~ rv('s')*x2": ("rv()", "mixed.fit"),
    "f =~ x1 + prior('normal(0, 1)')*x2 + x3": ("prior()", "prior out"),
    "x1 ~ x2 + x3 + x2:x3": ("'x2:x3'", "as a column"),
    "f =~ x1 + x2 + x3\ng =~ x4 + x5 + x6\nx7 ~ f:g": ("'f:g'", "as a column"),
    "x1 | t1": ("'|'", "ordered"),
    "x1 ~*~ x1": ("'~*~'", "ordered"),
    "f =~ x1 + a*x2 + x3\na >= 0": ("'>='", "the bound itself is allowed"),
    "f =~ x1 + a*x2 + x3\na <= 1": ("'<='", "the bound itself is allowed"),
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_not_fitted_is_refused_by_name(hs, text):
    name, instead = REFUSED[text]
    with pytest.raises(NotSupportedError) as caught:
        sem.fit(text, hs)
    assert name in str(caught.value)
    assert instead in str(caught.value)


# Not of the language, or wrong in it: the place and what may stand there.
WRONG = {
    "x1 da x2": "no operator",
    "f = x1 + x2": "no operator",
    "f =~ x1 =~ x2": "a second operator",
    "f =~ x1 + wt(2)*x2": "unknown function 'wt()'",
    "f =~ x1 + strat(2)*x2": "did you mean 'start'",
    "f =~ x1 + (1/2)*x2": "write a number",
    "x1 ~ x2 - x3": "is not a variable",
    "x1 ~ I(x2^2)": "is not a variable",
    "x1 ~ offset(x2)": "is not a variable",
    "f =~ x1 + c(1, a)*x2 + x3": "mixes numbers and labels",
    "f =~ x1 + c(1, 2)*x2 + x3": "2 values in c() for 1 group",
    "f =~ x1 + a*x2 + x3\nd := max(a, 1)": "'max' is not a known function",
    "f =~ x1 + a*x2 + x3\nd := ifelse(a > 0, 1, 2)": "'ifelse'",
    "f =~ x1 + a*x2 + x3\nd := a*bb": "'bb'",
    "f =~ x1 + x2 + x3\na == 1": "'a'",
    "f =~ x1 + a*x2 + x3\na != 0": "is not a variable",
    "f =~ f + x2 + x3": "both sides",
}


@pytest.mark.parametrize("text", WRONG)
def test_what_is_wrong_is_told(hs, text):
    with pytest.raises(ImplstatsError) as caught:
        sem.fit(text, hs)
    assert isinstance(caught.value, UsageError)
    assert WRONG[text] in str(caught.value)


def test_names_that_look_like_functions_are_names(hs):
    data = hs.rename(columns={"x1": "start", "x2": "c", "x3": "efa", "x4": "lower"})
    result = sem.fit("f =~ start + c + efa + lower", data)
    assert result.fit["chisq"] == sem.fit(F, hs).fit["chisq"]
