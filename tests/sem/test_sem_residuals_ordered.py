"""Residuals after ordered items and least squares: against lavaan, where lavaan errs, and by simulation."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from implstats import sem

ORDERED = (
    "delta", "theta", "stdlv", "dwls", "ulsmv", "wlsm", "wls", "equal", "equal_theta", "structural",
    "structural_theta", "pairwise", "binary", "binary_theta",
)  # fmt: skip
VALUES_ONLY = ("mixed", "mixed_theta", "predictor", "mediator")
GROUPS = ("groups", "groups_equal", "groups_equal_theta")
CONTINUOUS = ("gls", "hs_wls", "gls_equal", "wls_structural", "gls_metric", "gls_path", "ml_predictors")
# lavaan gives no residuals of these; ours are checked by the matrices and by simulation.
WITHOUT = ("uls", "hs_dwls", "hs_uls", "dwls_scalar")
KINDS = ("raw", "cor.bentler", "cor.bollen", "normalized", "standardized")
# lavaan's polychoric correlations lie within 4e-8 of their maximum.
TOLERANCE = 1e-7
# The same over standard errors of .01 to .03.
TOLERANCE_Z = 5e-6
# lavaan's summary, in its order; the tenth is the value of .05 that close fit is tested against.
FIELDS = (
    "value", "std_error", "exact_z", "exact_p", "unbiased", "unbiased_se", "conf_low", "conf_high", None,
    "close_z", "close_p",
)  # fmt: skip
# Of ordered items lavaan multiplies correlations before thresholds with their covariances after them.
MISORDERED = ("unbiased", "unbiased_se", "conf_low", "conf_high", "close_z", "close_p")


def _of_group(reference, name, kind, label):
    found = reference[name]["residuals"][kind]
    return found if "cov" in found or "res.cov" in found else found[label]


def _theirs(of, row, names, counts):
    """lavaan's value and standard error of one of our rows; ``counts`` numbers thresholds as they come."""
    given = "res.cov" in of
    if row.op == "~":
        slopes = of["res.slopes"][names.index(row.lhs)]
        return (slopes[0] if isinstance(slopes, list) else slopes), None
    if row.op == "~~":
        i, j = names.index(row.lhs), names.index(row.rhs)
        se = of.get("cov.se")
        return of["res.cov" if given else "cov"][i][j], se and se[i][j]
    if row.op == "|":
        k = counts[row.group] = counts.get(row.group, -1) + 1
        part = "res.th" if given else "th"
    else:
        k, part = names.index(row.lhs), "res.int" if given else "mean"
    se = of.get(f"{part}.se")
    return of[part][k], se and se[k]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", [*ORDERED, *VALUES_ONLY, *GROUPS, *CONTINUOUS])
def test_residuals_agree_with_lavaan(weighed_reference, weighed_fit, name, kind):
    result, ratios = weighed_fit(name), kind in ("normalized", "standardized")
    found = sem.residuals(result, kind)
    if name in VALUES_ONLY and ratios:  # lavaan: not ready yet
        assert sum(row.value is not None for row in found.rows) >= 6
        return
    x = result.fitted.table.names.x if result.fitted.options.ordered else ()
    names = [v for v in result.groups[0].moments.observed if v not in x]
    sizes = {group.label: np.sqrt(result.n_obs / group.n_obs) for group in result.groups}
    counts: dict[str, int] = {}
    compared = 0
    for row in found.rows:
        value, se = _theirs(_of_group(weighed_reference, name, kind, row.group), row, names, counts)
        # lavaan 0.6-14 divides Gamma of ordered items by all persons, not by those of the group.
        wrong = sizes[row.group] if name in GROUPS else 1.0
        if row.value is not None:
            close = TOLERANCE_Z if ratios else TOLERANCE
            assert row.value * (wrong if ratios else 1.0) == pytest.approx(value or 0.0, abs=close), row
            compared += 1
        if row.std_error is not None and se is not None:
            assert row.std_error / wrong == pytest.approx(se, abs=TOLERANCE), row
    assert compared >= 6


@pytest.mark.parametrize("kind", ["raw", "cor.bentler", "cor.bollen"])
@pytest.mark.parametrize("name", [*ORDERED, *CONTINUOUS])
def test_summaries_agree_with_lavaan(weighed_reference, weighed_fit, name, kind):
    for summary in sem.residuals(weighed_fit(name), kind).summaries:
        parts = _of_group(weighed_reference, name, kind, summary.group)["summary"]
        theirs = parts["cor"] if summary.part == "cov" and "cor" in parts else parts[summary.part]
        compared = 0
        for field, value in zip(FIELDS, theirs, strict=True):
            ours = getattr(summary, field) if field else None
            if ours is None or (summary.part == "total" and name in ORDERED and field in MISORDERED):
                continue
            limit = TOLERANCE_Z if field[-2:] in ("_z", "_p") else TOLERANCE
            assert ours == pytest.approx(value, abs=limit), (summary, field)
            compared += 1
        assert compared >= (1 if summary.part in ("thresholds", "mean") else 4)


def test_unbiased_total_is_lavaans_with_its_order_of_covariances(weighed_reference, weighed_fit):
    from implstats.sem.after.residual_statistics import statistic_residuals
    from implstats.sem.after.residual_summary import summarise

    table = statistic_residuals(weighed_fit("equal").fitted, "raw")[0]
    _, at, count = table.parts[-1]
    cov, thresholds = (part[1] for part in table.parts[:2])
    by_column = sorted(
        (k for k in cov if table.places[k][0] != table.places[k][2]), key=table.places.__getitem__
    )
    right = np.concatenate([by_column, thresholds])
    wrong = np.concatenate([thresholds, by_column])
    e, V = table.value[right], table.covariance[np.ix_(wrong, wrong)]
    theirs = weighed_reference["equal"]["residuals"]["raw"]["summary"]["total"]
    mixed_up = summarise(e, V, count=count, name="rmr", part="total", group="")
    assert mixed_up.unbiased == pytest.approx(theirs[4], abs=TOLERANCE)
    assert mixed_up.unbiased_se == pytest.approx(theirs[5], abs=TOLERANCE)
    ours = summarise(
        table.value[at], table.covariance[np.ix_(at, at)], count=count, name="rmr", part="total", group=""
    )
    assert ours.unbiased_se > 1.5 * mixed_up.unbiased_se


@pytest.mark.parametrize("name", [*WITHOUT, "mixed", "predictor", "groups_equal"])
def test_standard_errors_are_those_of_the_matrices_written_out(weighed_fit, name):
    from implstats.sem.inference.least_squares_fit import forms_of

    fitted = weighed_fit(name).fitted
    forms, shares = forms_of(fitted), fitted.sample.share
    weights = [np.diag(f.weight) if f.weight.ndim == 1 else f.weight for f in forms]
    A = sum(
        share * form.jacobian.T @ W @ form.jacobian
        for share, form, W in zip(shares, forms, weights, strict=True)
    )
    K = np.eye(len(A)) if fitted.tangent is None else fitted.tangent
    inverse = K @ np.linalg.inv(K.T @ A @ K) @ K.T
    rows = sem.residuals(weighed_fit(name)).rows
    for sample, share, form, W, label in zip(
        fitted.sample.groups, shares, forms, weights, fitted.sample.labels, strict=True
    ):
        Q = np.eye(len(W)) - share * form.jacobian @ inverse @ form.jacobian.T @ W
        V = Q @ form.gamma @ Q.T / sample.moments.n
        names = [fitted.structures[0].observed[i] for i in sample.least_squares.y]
        mine = {frozenset((r.lhs, r.rhs)): r for r in rows if r.group == label and r.op == "~~"}
        before = sample.least_squares.n_before_pairs
        pairs = zip(sample.least_squares.row, sample.least_squares.col, strict=True)
        for k, (i, j) in enumerate(pairs):
            row = mine[frozenset((names[i], names[j]))]
            assert row.std_error == pytest.approx(np.sqrt(V[before + k, before + k]), rel=1e-8)


def test_both_parameterisations_have_the_same_residuals(weighed_fit):
    for one, two in (("delta", "theta"), ("groups_equal", "groups_equal_theta"), ("mixed", "mixed_theta")):
        a = sem.residuals(weighed_fit(one), "standardized").rows
        b = sem.residuals(weighed_fit(two), "standardized").rows
        for x, y in zip(a, b, strict=True):
            assert (x.lhs, x.op, x.rhs) == (y.lhs, y.op, y.rhs)
            assert y.value == (None if x.value is None else pytest.approx(x.value, abs=1e-6))


def test_rows_of_thresholds_slopes_and_exact_variances(weighed_fit):
    found = sem.residuals(weighed_fit("predictor"), "raw")
    assert {row.op for row in found.rows} == {"~~", "|", "~1", "~"}
    assert [row.rhs for row in found.rows if row.op == "|" and row.lhs == "A1"] == [
        "t1",
        "t2",
        "t3",
        "t4",
        "t5",
    ]
    exact = [row for row in found.rows if row.lhs == row.rhs and row.lhs in ("A1", "A2", "A3")]
    assert [(row.value, row.std_error) for row in exact] == [(0.0, None)] * 3
    assert [s.part for s in found.summaries] == ["cov", "thresholds", "mean", "total"]


def test_summaries_are_the_fit_indices(weighed_fit):
    for name in ("delta", "mixed", "groups"):
        result = weighed_fit(name)
        found = sem.residuals(result, "cor.bentler").summaries
        sizes = {group.label: group.n_obs / result.n_obs for group in result.groups}
        srmr = sum(s.value * sizes[s.group] for s in found if s.part == "cov")
        assert srmr == pytest.approx(result.fit["srmr"], rel=1e-12)


def _simulated(rng, ordered):
    """Answers of a factor model that holds, given a predictor: with two ordered of four items, or none."""
    x = rng.normal(size=(400, 1))
    factor = 0.5 * x + rng.normal(size=(400, 1))
    items = factor * [0.8, 0.7, 0.6, 0.7] + 0.7 * rng.normal(size=(400, 4))
    if ordered:
        items[:, :2] = np.digitize(items[:, :2], [-0.7, 0.2, 1.0])
    return pd.DataFrame(np.hstack([items, x]), columns=[*"abcd", "x"])


@pytest.mark.parametrize("ordered", [True, False])
def test_standardised_residuals_are_standard_normal_where_the_model_holds(ordered):
    # 90 samples: the spread of each z is one within sampling error (7 % at one sigma).
    rng = np.random.default_rng(29)
    how = {"ordered": ["a", "b"]} if ordered else {"estimator": "DWLS"}
    found = []
    for _ in range(90):
        fit = sem.fit("f =~ a + b + c + d\nf ~ x", _simulated(rng, ordered), **how)
        rows = sem.residuals(fit, "standardized").rows
        found.append([row.value for row in rows if row.value is not None])
    z = np.array(found, dtype=float)
    assert z.std(axis=0) == pytest.approx(np.ones(z.shape[1]), abs=0.22)
    assert (np.abs(z) > 1.96).mean() == pytest.approx(0.05, abs=0.025)
