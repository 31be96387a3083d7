"""Generalised score statistics, and what follows from fits of persons in clusters and of two stages."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from implstats import sem
from implstats.errors import UsageError

MODEL = "f =~ a + b + c + d + e"
# Polished reference; 12 digits.
TOLERANCE = 1e-7


def _by_place(rows):
    return {(row.op, frozenset((row.lhs, row.rhs)), row.group): row for row in rows}


def _in_clusters(rng, *, n_clusters=40, size=15):
    """A one-factor model in which each item has a cluster effect of its own: persons are not independent."""
    cluster = np.repeat(np.arange(n_clusters), size)
    factor = rng.normal(size=(len(cluster), 1))
    own = 0.5 * rng.normal(size=(n_clusters, 5))
    x = 0.8 * factor + own[cluster] + 0.6 * rng.normal(size=(len(cluster), 5))
    return pd.DataFrame(x, columns=list("abcde")).assign(team=cluster)


@pytest.fixture(scope="module")
def teams():
    return _in_clusters(np.random.default_rng(3))


def test_indices_and_score_tests_of_clusters_are_lavaans(weighed_reference, weighed_fit):
    reference, result = weighed_reference["cluster"], weighed_fit("cluster")
    found, table = _by_place(sem.modification_indices(result).rows), reference["mi"]
    for k, (lhs, op, rhs) in enumerate(zip(table["lhs"], table["op"], table["rhs"], strict=True)):
        row = found[op, frozenset((lhs, rhs)), 1]
        assert row.mi == pytest.approx(table["mi"][k], rel=TOLERANCE, abs=TOLERANCE)
        assert row.epc == pytest.approx(table["epc"][k], rel=TOLERANCE, abs=TOLERANCE)
        assert row.mi_robust > 0
    tests = sem.score_tests(result)
    assert tests.statistic == pytest.approx(reference["score_test"]["total"]["X2"], rel=TOLERANCE)
    assert tests.statistic_robust == pytest.approx(tests.rows[0].statistic_robust, rel=1e-10)
    assert tests.statistic_robust < tests.statistic


@pytest.mark.parametrize("ask", [sem.modification_indices, sem.score_tests])
def test_only_clusters_have_robust_statistics_unasked(after_fit, ask):
    assert all(row.p_robust is None for row in ask(after_fit("equal")[0]).rows)
    assert all(row.p_robust is not None for row in ask(after_fit("equal")[0], robust=True).rows)


@pytest.mark.parametrize("how", [{"estimator": "MLR"}, {"estimator": "MLR", "missing": "fiml"}])
def test_everyone_a_cluster_of_their_own_is_mlr(hs, three_factors, how):
    data = hs.assign(own=np.arange(len(hs)))
    alone = _by_place(sem.modification_indices(sem.fit(three_factors, data, cluster="own", **how)).rows)
    plain = sem.fit(three_factors, data, meanstructure=True, **how)
    for place, row in _by_place(sem.modification_indices(plain, robust=True).rows).items():
        assert alone[place].mi == pytest.approx(row.mi, rel=1e-6, abs=1e-8)
        # n / (n - 1) of the sandwich over clusters.
        assert alone[place].mi_robust * 301 / 300 == pytest.approx(row.mi_robust, rel=1e-6, abs=1e-8)
    one = sem.residuals(sem.fit(three_factors, data, cluster="own", **how)).rows
    for a, b in zip(one, sem.residuals(plain).rows, strict=True):
        if a.std_error is not None:
            assert a.std_error == pytest.approx(b.std_error * np.sqrt(301 / 300), rel=1e-6)


def test_full_information_without_gaps_agrees_with_complete_answers(teams):
    complete = sem.fit(MODEL, teams, cluster="team")
    full = sem.fit(MODEL, teams, cluster="team", missing="fiml")
    other = _by_place(sem.modification_indices(full).rows)
    for place, row in _by_place(sem.modification_indices(complete).rows).items():
        assert other[place].mi_robust == pytest.approx(row.mi_robust, rel=1e-6, abs=1e-9)
    for a, b in zip(sem.residuals(complete).rows, sem.residuals(full).rows, strict=True):
        assert (a.std_error or 0.0) == pytest.approx(b.std_error or 0.0, rel=1e-6)


def test_statistic_is_that_of_persons_scores_by_differences(teams):
    from implstats.sem.estimators.criterion import criterion_of

    # Brute force: the log-likelihood of each person, differenced in the parameters of the wider model.
    wider = sem.fit(MODEL + "\nc ~~ d", teams, estimator="MLR", meanstructure=True)
    narrow = sem.fit(MODEL + "\nc ~~ 0*d", teams, estimator="MLR", meanstructure=True)
    structure = wider.fitted.structures[0]
    theta = np.zeros(len(wider.free_names))
    known = {p.name: p.estimate for p in narrow.parameters}
    for k, name in enumerate(wider.free_names):
        theta[k] = known[name]
    data = teams[list(structure.observed)].to_numpy()

    def likelihood(at):
        from implstats.sem.model.moments import implied_moments

        moments = implied_moments(structure, at)
        e = data - moments.mean
        inverse = np.linalg.inv(moments.cov)
        return -0.5 * (np.linalg.slogdet(moments.cov)[1] + ((e @ inverse) * e).sum(axis=1))

    steps = 1e-5 * np.eye(len(theta))
    s = np.array([(likelihood(theta + h) - likelihood(theta - h)) / 2e-5 for h in steps]).T
    n, k = len(data), wider.free_names.index("c ~~ d")
    info = wider.fitted.problem
    H = criterion_of(info.structures, info.sample)(theta, "expected").information
    others = [j for j in range(len(theta)) if j != k]
    c = np.zeros(len(theta))
    c[k], c[others] = 1.0, -np.linalg.solve(H[np.ix_(others, others)], H[others, k])
    expected = n * float(c @ s.mean(axis=0)) ** 2 / float(np.mean((s @ c) ** 2))
    rows = sem.modification_indices(narrow, robust=True).rows
    row = next(r for r in rows if {r.lhs, r.rhs} == {"c", "d"})
    assert row.mi_robust == pytest.approx(expected, rel=1e-6)


def test_ordered_items_take_their_sampling_covariance(weighed_fit):
    from implstats.sem.after.candidates import candidate_rows
    from implstats.sem.after.extended import extend
    from implstats.sem.after.scores import score_at

    result = weighed_fit("delta")
    fitted, ls = result.fitted, result.fitted.sample.groups[0].least_squares
    add = candidate_rows(fitted.table, fitted.options)
    add = [row for row in add if (row.lhs, row.op, row.rhs) == ("A1", "~~", "N1")]
    model = extend(fitted, free=lambda row: False, add=add)
    at = score_at(model.structures, fitted.sample, model.theta, "expected")
    D, W, n = at.blocks[0].jacobian, np.diag(ls.weight), fitted.sample.n
    q = fitted.table.n_free
    A = D[:, :q].T @ W @ D[:, :q]
    u = W @ (D[:, q] - D[:, :q] @ np.linalg.solve(A, D[:, :q].T @ W @ D[:, q]))
    statistic = n * (u @ at.blocks[0].error * (n - 1) / n) ** 2 / (u @ ls.gamma @ u)
    row = next(
        r for r in sem.modification_indices(result, robust=True).rows if {r.lhs, r.rhs} == {"A1", "N1"}
    )
    assert row.mi_robust == pytest.approx(statistic, rel=1e-8)


def test_generalised_statistic_is_close_to_the_robust_wald_test_of_a_refit(hs, three_factors):
    result = sem.fit(three_factors, hs, estimator="MLR")
    rows = [
        r for r in sem.modification_indices(result, robust=True).rows if 0.3 < r.mi < 3.0 and r.op == "~~"
    ]
    assert len(rows) >= 3
    for row in rows[:4]:
        refit = sem.fit(f"{three_factors}\n{row.lhs} ~~ {row.rhs}", hs, estimator="MLR")
        z = next(p.statistic for p in refit.parameters if {p.lhs, p.rhs} == {row.lhs, row.rhs})
        assert row.mi_robust == pytest.approx(z**2, rel=0.2)


def test_joint_statistic_does_not_depend_on_how_constraints_are_written(hs):
    one = "visual =~ x1 + a*x2 + b*x3 + c*x4\na == b\nb == c"
    two = "visual =~ x1 + a*x2 + b*x3 + c*x4\na + b == 2*c\na == c"
    found = [
        sem.score_tests(sem.fit(model, hs, estimator="MLR"), robust=True).statistic_robust
        for model in (one, two)
    ]
    assert found[0] == pytest.approx(found[1], rel=1e-6)


def test_groups_give_robust_joint_tests_with_the_same_degrees_of_freedom(after_fit):
    found = sem.score_tests(after_fit("scalar_mlr")[0], robust=True)
    assert found.df == 12
    # Nine items of 301 pupils are close to normal: no factor of two between both.
    assert 0.5 < found.statistic_robust / found.statistic < 2.0


def test_in_clusters_the_generalised_statistic_holds_its_level_and_the_index_does_not():
    rng = np.random.default_rng(17)
    found = []
    for _ in range(120):
        rows = sem.modification_indices(sem.fit(MODEL, _in_clusters(rng), cluster="team"), kinds=["~~"]).rows
        rows = sorted((r for r in rows if r.lhs != r.rhs), key=lambda r: (r.lhs, r.rhs))
        found.append([(r.p_value, r.p_robust) for r in rows])
    plain, robust = (np.array(found) < 0.05).mean(axis=(0, 1))
    assert plain > 0.12
    # 1,200 dependent tests: the standard error of the share is about .01.
    assert 0.02 < robust < 0.08


def test_errors_of_residuals_in_clusters_are_those_of_the_jackknife(teams):
    fit = sem.fit(MODEL, teams, cluster="team")
    rows = [r for r in sem.residuals(fit).rows if r.op == "~~" and r.lhs != r.rhs]
    left = []
    for team in range(40):
        part = sem.fit(MODEL, teams[teams.team != team], cluster="team")
        left.append([r.value for r in sem.residuals(part).rows if r.op == "~~" and r.lhs != r.rhs])
    jackknife = np.sqrt(39 / 40 * ((np.array(left) - np.mean(left, axis=0)) ** 2).sum(axis=0))
    plain = sem.fit(MODEL, teams, estimator="MLR", meanstructure=True)
    naive = [r.std_error for r in sem.residuals(plain).rows if r.op == "~~" and r.lhs != r.rhs]
    # The jackknife knows a standard error of 40 clusters to a tenth or so.
    assert [r.std_error for r in rows] == pytest.approx(jackknife.tolist(), rel=0.2)
    assert np.mean([r.std_error for r in rows]) > 1.15 * np.mean(naive)


@pytest.mark.parametrize("name", ["two_stage", "robust_two_stage"])
def test_indices_after_two_stages_are_lavaans(weighed_reference, weighed_fit, name):
    result, table = weighed_fit(name), weighed_reference[name]["mi"]
    found = _by_place(sem.modification_indices(result).rows)
    for k, (lhs, op, rhs) in enumerate(zip(table["lhs"], table["op"], table["rhs"], strict=True)):
        row = found[op, frozenset((lhs, rhs)), 1]
        for ours, theirs in (("mi", "mi"), ("epc", "epc"), ("sepc_all", "sepc.all")):
            assert getattr(row, ours) == pytest.approx(table[theirs][k], rel=TOLERANCE, abs=TOLERANCE)
        assert row.mi_robust is not None
    if name == "two_stage":
        tests, theirs = sem.score_tests(result), weighed_reference[name]["score_test"]["total"]
        assert (tests.statistic, tests.df) == (pytest.approx(theirs["X2"], rel=TOLERANCE), theirs["df"])


def test_two_stages_without_gaps_are_one(hs, three_factors):
    one = sem.fit(three_factors, hs, meanstructure=True)
    two = sem.fit(three_factors, hs, missing="two.stage")
    for kind in ("raw", "cor.bollen", "standardized"):
        for a, b in zip(sem.residuals(one, kind).rows, sem.residuals(two, kind).rows, strict=True):
            for field in ("value", "std_error"):
                x, y = getattr(a, field), getattr(b, field)
                assert y == (None if x is None else pytest.approx(x, rel=1e-6, abs=1e-8))


def test_residuals_of_two_stages_are_standard_normal_where_the_model_holds():
    # 90 samples with gaps: the spread of each z is one within sampling error (7 % at one sigma).
    rng = np.random.default_rng(5)
    found = []
    for _ in range(90):
        x = rng.normal(size=(300, 1)) * [0.8, 0.7, 0.6, 0.5] + rng.normal(size=(300, 4)) * 0.6
        x[rng.random(x.shape) < 0.15] = np.nan
        fit = sem.fit("f =~ a + b + c + d", pd.DataFrame(x, columns=list("abcd")), missing="two.stage")
        found.append(
            [r.value for r in sem.residuals(fit, "standardized").rows if r.op == "~~" and r.lhs != r.rhs]
        )
    z = np.array(found, dtype=float)
    assert z.std(axis=0) == pytest.approx(np.ones(6), abs=0.22)
    assert (np.abs(z) > 1.96).mean() == pytest.approx(0.05, abs=0.03)


def test_full_weights_need_no_generalised_statistic(weighed_fit):
    # W is the inverse of Gamma: J is the information, and both statistics are one.
    for name in ("wls", "hs_wls"):
        for row in sem.modification_indices(weighed_fit(name), robust=True).rows:
            assert row.mi_robust == pytest.approx(row.mi, rel=1e-7, abs=1e-10)


def test_fixed_predictors_are_served_under_every_estimator(mediation):
    model = "M1 ~ a*X + C\nY ~ b*M1\nM2 ~ M1"
    plain = _by_place(sem.modification_indices(sem.fit(model, mediation)).rows)
    for estimator in ("MLR", "MLM", "MLMV"):
        found = sem.modification_indices(sem.fit(model, mediation, estimator=estimator), robust=True).rows
        for place, row in _by_place(found).items():
            assert row.mi == pytest.approx(plain[place].mi, rel=1e-7, abs=1e-9)
            # X, C and the errors are simulated normal: no factor of two, but for indices near zero.
            assert row.mi < 0.5 or 0.5 < row.mi_robust / row.mi < 2.0


@pytest.mark.parametrize("estimator", ["ML", "MLR", "MLM"])
def test_four_ways_to_free_one_covariance_have_one_statistic(hs, estimator):
    model = "f =~ x4 + x5 + x6\nf ~ x1 + x2\nx9 ~ f + x1"
    rows = sem.modification_indices(sem.fit(model, hs, estimator=estimator), kinds=["~"], robust=True).rows
    assert len(rows) == 4
    assert [r.mi_robust for r in rows] == pytest.approx([rows[0].mi_robust] * 4, rel=1e-8)


def test_a_covariance_matrix_has_no_generalised_statistic(hs):
    names = ["x1", "x2", "x3", "x4"]
    result = sem.fit("f =~ x1 + a*x2 + a*x3 + x4", cov=hs[names].cov(), n=301)
    assert sem.modification_indices(result).rows
    for ask in (sem.modification_indices, sem.score_tests):
        with pytest.raises(UsageError, match="persons' answers"):
            ask(result, robust=True)
