"""The reader of the model language: everything is read, nothing is skipped, nothing is run."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from implstats.errors import ImplstatsError, UsageError
from implstats.sem import ModelTextError
from implstats.sem.language.defined import Dual, evaluate, parse_definition
from implstats.sem.language.syntax import parse_model


def triples(text):
    return [(t.lhs, t.op, t.rhs) for t in parse_model(text).terms]


def test_comments_semicolons_and_continued_lines():
    text = """
    # a comment; with ; and ~
    f =~ x1 +   # first
         x2
         + x3 ; g =~ x4   ! another comment
    f ~~ g
    """
    assert triples(text) == [
        ("f", "=~", "x1"),
        ("f", "=~", "x2"),
        ("f", "=~", "x3"),
        ("g", "=~", "x4"),
        ("f", "~~", "g"),
    ]


def test_several_left_sides_and_intercepts():
    assert triples("a + b ~ c + 1") == [("a", "~", "c"), ("a", "~1", ""), ("b", "~", "c"), ("b", "~1", "")]
    zero = parse_model("f ~ 0").terms[0]
    assert (zero.op, zero.modifiers[0].kind, zero.modifiers[0].values) == ("~1", "fix", (0.0,))


MODIFIERS = [
    ("0.5*x", "fix", (0.5,)),
    ("-1e-3*x", "fix", (-0.001,)),
    (".5*x", "fix", (0.5,)),
    ("NA*x", "free", (None,)),
    ("lab.el*x", "label", ("lab.el",)),
    ('"my label"*x', "label", ("my label",)),
    ("label('k')*x", "label", ("k",)),
    ("start(0.8)*x", "start", (0.8,)),
    ("0.8?x", "start", (0.8,)),
    ("c(a, b)*x", "label", ("a", "b")),
    ("c(1, NA)*x", "fix", (1.0, None)),
    ("start(c(1, 2))*x", "start", (1.0, 2.0)),
]


@pytest.mark.parametrize(("term", "kind", "values"), MODIFIERS)
def test_modifiers_are_read(term, kind, values):
    modifier = parse_model(f"f =~ {term}").terms[0].modifiers[0]
    assert (modifier.kind, modifier.values) == (kind, values)


def test_operators_and_blocks_are_read():
    text = parse_model("level: 1\nf =~ x\nf <~ y\nx | t1\nx ~*~ x\na := b\nc == d\ne < 1\ng > 0")
    assert text.blocks == ("level: 1",)
    assert [t.op for t in text.terms] == ["=~", "<~", "|", "~*~"]
    assert [e.op for e in text.expressions] == [":=", "==", "<", ">"]


BROKEN = [
    "f = x1 + x2",
    "f =~",
    "=~ x1",
    "f =~ x1 + + x2",
    "f =~ x1 x2",
    "f =~ (x1",
    "f =~ 2*",
    "f =~ x1 ~ x2",
    "f =~ foo(1)*x",
    "f =~ 1/3*x",
    "a - b ~ c",
    "2 ~ x",
    "f =~ x1 @ x2",
    "f =~ 1",
    "",
    "# nothing",
    "f =~ start(a)*x",
]


@pytest.mark.parametrize("text", BROKEN)
def test_what_cannot_be_read_is_refused(text):
    with pytest.raises(ModelTextError) as caught:
        parse_model(text)
    assert caught.value.exit_code == 2


def test_all_problems_are_shown_at_once_with_their_lines():
    with pytest.raises(ModelTextError) as caught:
        parse_model("f =~ x1 x2\ng =~ x3\nh =~ foo(2)*x4")
    assert len(caught.value.problems) == 2
    assert "line 1" in caught.value.problems[0]
    assert "line 3" in caught.value.problems[1]


ATTACKS = [
    "__import__('os').system('true')",
    "(1).__class__",
    "open('x')",
    "[a for a in b]",
    "lambda: 1",
    "a if b else c",
    "a.__class__.__base__",
    "exec('1')",
    "'text'",
    "a[0]",
    "a and b",
    "a < b",
    "f'{a}'",
    "sqrt(a, b)",
    "True",
    "x := 1",
    "sqrt(" * 90 + "1" + ")" * 90,
]


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_definition_is_arithmetic_or_refused(attack):
    with pytest.raises(ImplstatsError) as caught:
        parse_definition(attack, name="d")
    assert caught.value.exit_code == 2


def test_an_attack_in_a_modifier_is_refused():
    for text in ("f =~ __import__('os')*x", "f =~ eval('1')*x", "f =~ start(__import__('os'))*x"):
        with pytest.raises(ModelTextError):
            parse_model(text)


@given(st.floats(0.2, 3), st.floats(0.2, 3))
def test_derivatives_of_definitions_are_exact(a, b):
    tree = parse_definition(
        "a*b^2/(1 + a) - exp(-a) + log(b)*sqrt(a) + a^b + abs(-b) + sin(a)*cos(b) + tan(a/9)", name="d"
    )

    def value(x, y):
        return evaluate(tree, {"a": Dual(x, np.zeros(2)), "b": Dual(y, np.zeros(2))}, size=2).value

    exact = evaluate(tree, {"a": Dual(a, np.array([1.0, 0.0])), "b": Dual(b, np.array([0.0, 1.0]))}, size=2)
    h = 1e-5
    numeric = [(value(a + h, b) - value(a - h, b)) / (2 * h), (value(a, b + h) - value(a, b - h)) / (2 * h)]
    # Central differences with this step keep about ten digits of functions of this curvature.
    np.testing.assert_allclose(exact.gradient, numeric, rtol=1e-6, atol=1e-6)


def test_an_undefined_definition_is_missing_not_an_error():
    for text in ("1/(a - a)", "log(-a)", "sqrt(-a)", "(-a)^0.5"):
        tree = parse_definition(text, name="d")
        assert np.isnan(evaluate(tree, {"a": Dual(1.0, np.ones(1))}, size=1).value)


def test_labels_may_hold_dots():
    tree = parse_definition("b.1 * 2.5", name="d")
    assert evaluate(tree, {"b.1": Dual(2.0, np.zeros(0))}, size=0).value == 5.0


@given(st.text(alphabet="fxab123 =~+*:;#()\"'.,-\n", max_size=40))
def test_any_text_is_read_or_refused_clearly(text):
    # Anything but a usage error would end the test with that error.
    with contextlib.suppress(UsageError):
        parse_model(text)
