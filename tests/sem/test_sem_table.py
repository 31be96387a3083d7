"""The model builder: degrees of freedom of the instruments in use, and lavaan's defaults."""

from __future__ import annotations

import numpy as np
import pytest

from implstats.errors import NotSupportedError
from implstats.sem import ModelTextError
from implstats.sem.language.syntax import parse_model
from implstats.sem.language.table import build_table
from implstats.sem.options import check_options
from implstats.sem.prepare import degrees_of_freedom

# Items by factor, then the degrees of freedom with correlated factors, a second-order factor, one factor.
# Counting: items (items + 1) / 2 - loadings - residuals - (co)variances.
INSTRUMENTS = [
    ("ILS", [3, 3, 3, 3], 48, 50, 54),
    ("ICS", [3] * 6, 120, 129, 135),
    ("ICS without Rewards", [3] * 5, 80, 85, 90),
    ("ICS-r", [3, 3, 2, 3, 3], 67, 72, 77),
    ("EBPAS-15", [4, 3, 4, 4], 84, 86, 90),
    ("EBPAS-36", [3] * 12, 528, 582, 594),
    ("EBPAS-50", [4, 3, 4, 4, 7, 7, 4, 4, 3, 3, 3, 4], 1109, 1163, 1175),
    ("ICBS", [3, 3], 8, None, 9),
    ("ORIC", [5, 7], 53, None, 54),
    ("AIM+IAM+FIM", [4, 4, 4], 51, None, 54),
    ("NoMAD", [4, 4, 7, 5], 164, 166, 170),
    ("UWES-9", [3, 3, 3], 24, None, 27),
    ("JSS", [4] * 9, 558, 585, 594),
    ("PSAT", [5] * 8, 712, 732, 740),
    ("CSAT", [5] * 7, 539, 553, 560),
    ("GSE", [10], None, None, 35),
    ("ORS", [4], None, None, 2),
    ("PRESS", [3], None, None, 0),
    ("CPE 30", [10, 10, 10], 402, None, 405),
    ("Warr-Cook-Wall", [7, 8], 89, None, 90),
]


def options(**changes):
    call = {
        "kind": "cfa",
        "estimator": "ML",
        "missing": "listwise",
        "group": None,
        "group_equal": (),
        "cluster": None,
        "ordered": (),
        "parameterization": "delta",
        "orthogonal": False,
        "std_lv": False,
        "meanstructure": None,
        "ci_level": 0.95,
    }
    return check_options(**(call | changes))


def table_of(model, **changes):
    return build_table(parse_model(model), options(**changes))


def df_of(model, **changes):
    return degrees_of_freedom(table_of(model, **changes), options(**changes))[0]


def models(sizes):
    names = iter(f"y{k}" for k in range(1, sum(sizes) + 1))
    factors = [[next(names) for _ in range(size)] for size in sizes]
    lines = [f"f{k} =~ {' + '.join(items)}" for k, items in enumerate(factors, start=1)]
    second = "\n".join([*lines, "g =~ " + " + ".join(f"f{k}" for k in range(1, len(sizes) + 1))])
    return "\n".join(lines), second, "g =~ " + " + ".join(item for items in factors for item in items)


@pytest.mark.parametrize(
    ("name", "sizes", "correlated", "second", "one"), INSTRUMENTS, ids=[i[0] for i in INSTRUMENTS]
)
@pytest.mark.parametrize("std_lv", [False, True])
def test_degrees_of_freedom_of_instruments(name, sizes, correlated, second, one, std_lv):
    by_factors, by_second, by_one = models(sizes)
    assert df_of(by_one, std_lv=std_lv) == one
    if correlated is not None:
        assert df_of(by_factors, std_lv=std_lv) == correlated
    if second is not None:
        assert df_of(by_second, std_lv=std_lv) == second


def test_means_add_as_many_moments_as_parameters():
    model = "f =~ a + b + c + d"
    assert df_of(model, meanstructure=True) == df_of(model)


def names_of(model, **changes):
    return [row.name for row in table_of(model, **changes).rows]


def test_defaults_of_sem_add_what_lavaan_adds():
    rows = names_of("f =~ a + b\ny ~ f + x\nz ~ f + x", kind="sem")
    assert "y ~~ z" in rows, "outcomes that predict nothing covary"
    assert "x ~~ x" in rows
    assert "f ~~ x" not in rows, "latent and observed predictors do not covary by default"


def test_kind_lavaan_adds_nothing_but_predictors():
    assert names_of("f =~ a + b + c\nf ~ x", kind="lavaan") == [
        "f =~ a",
        "f =~ b",
        "f =~ c",
        "f ~ x",
        "x ~~ x",
    ]
    assert all(row.free for row in table_of("f =~ a + b + c", kind="lavaan").rows)


def test_growth_frees_latent_and_fixes_observed_means():
    rows = {row.name: row for row in table_of("i =~ 1*a + 1*b + 1*c\ni ~~ i", kind="growth").rows}
    assert rows["i ~ 1"].free
    assert rows["a ~ 1"].fixed == 0.0


def test_a_lone_indicator_has_no_residual_unless_asked():
    assert {r.name: r.fixed for r in table_of("f =~ a").rows}["a ~~ a"] == 0.0
    assert {r.name: r.fixed for r in table_of("f =~ a\na ~~ a").rows}["a ~~ a"] is None


def test_labels_share_a_parameter_and_fixed_values_spread():
    table = table_of("f =~ a + k*b + k*c + d")
    free = {row.name: row.free for row in table.rows}
    assert free["f =~ b"] == free["f =~ c"] > 0
    assert table.n_free == 2 + 4 + 1
    spread = {row.name: row.fixed for row in table_of("f =~ a + k*b + k*c + d\nf =~ 0.5*b").rows}
    assert spread["f =~ c"] == 0.5


def test_modifiers_do_what_they_say():
    rows = {row.name: row for row in table_of("f =~ NA*a + 0.7*b + start(0.3)*c + lab*d\nf ~~ 1*f").rows}
    assert rows["f =~ a"].free
    assert rows["f =~ b"].fixed == 0.7
    assert rows["f =~ c"].start == 0.3
    assert rows["f =~ d"].label == "lab"
    assert rows["f ~~ f"].fixed == 1.0


CONTRADICTIONS = [
    ("f =~ a + 1*b + c\nf =~ 2*b", "two values"),
    ("f =~ a + k*1*b + k*2*c + d", "fixed at different values"),
    ("f =~ a + b\nf =~ b", "write it once"),
    ("y ~ y", "both sides"),
    ("f =~ a + b + c\nd := nosuch*2", "no parameter bears"),
    ("f =~ a + k*b\nk := 2", "label already"),
]


@pytest.mark.parametrize(("model", "words"), CONTRADICTIONS)
def test_contradictions_are_refused_with_the_place(model, words):
    with pytest.raises(ModelTextError, match=words) as caught:
        table_of(model)
    assert "line" in str(caught.value)


UNSUPPORTED = [
    ("level: 1\nf =~ a + b", "block 'level: 1'"),
    ("group: 1\nf =~ a + b", "block 'group: 1'"),
    ("f <~ a + b", "composite"),
    ("f =~ a + b\na | t1", "thresholds"),
    ("f =~ a + b\na ~*~ a", "response scales"),
    ("f =~ c(1, 1)*a + b", "groups"),
    ("y ~ a:b", "product"),
    ("f =~ a + equal('f=~a')*b", "same label"),
    ("efa('x')*f =~ a + b", r"sem\.explore"),
]


@pytest.mark.parametrize(("model", "words"), UNSUPPORTED)
def test_what_is_not_fitted_is_refused_by_name(model, words):
    with pytest.raises((NotSupportedError, ModelTextError), match=words) as caught:
        table_of(model)
    assert caught.value.exit_code == 2


def test_free_numbers_have_no_gaps():
    table = table_of("f =~ a + k*b + k*c\ng =~ d + e + h\ny ~ f + x\nq := k^2")
    assert {row.free for row in table.rows if row.free} == set(np.arange(1, table.n_free + 1))
