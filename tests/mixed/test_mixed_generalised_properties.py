"""What must hold of generalised and ordinal fits: derivatives, special cases, invariance."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from implstats import mixed
from implstats.mixed.design.formula import read_formula
from implstats.mixed.laplace.boundary import start_at
from implstats.mixed.laplace.criterion import Problem
from implstats.mixed.laplace.eliminate import factorise, path_inverse, solve
from implstats.mixed.laplace.optimise import minimise
from implstats.mixed.laplace.setup import set_up

FAMILIES = [("binomial", "logit"), ("binomial", "probit"), ("poisson", "log"), ("nbinom", "log"),
            ("ordinal", "logit"), ("ordinal", "probit")]  # fmt: skip
OUTCOME = {"binomial": "y", "poisson": "count", "nbinom": "count", "ordinal": "grade"}
RANDOM = ["(1 | inst)", "(1 | inst) + (1 | person)", "(1 + x | inst)", "(1 + x || inst) + (1 | person)"]
# Central differences with steps of 1e-5 of a function of size 1e3: rounding leaves 1e-13 * 1e3 / 1e-5.
DIFFERENCE = 2e-5
SAME_FIT = 1e-6  # standard errors, of two searches that end at the same optimum


def _frame(seed: int, *, institutions: int = 10, sd: float = 0.7, persons: int = 8) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    inst = np.repeat(np.arange(institutions), 3 * persons)
    person = np.repeat(np.arange(institutions * persons), 3)
    x = rng.normal(size=len(inst))
    eta = 0.2 + 0.4 * x + 0.3 * (inst % 2) + sd * rng.normal(size=institutions)[inst]
    eta += (
        0.8 * sd * rng.normal(size=institutions * persons)[person]
        + 0.2 * x * rng.normal(size=institutions)[inst]
    )
    noise = rng.logistic(size=len(inst))
    frame = pd.DataFrame({"inst": inst, "person": person, "x": x, "arm": inst % 2})
    frame["y"] = (eta + noise > 0).astype(int)
    frame["grade"] = np.digitize(eta + noise, [-1.0, 0.5, 2.0]) + 1
    frame["count"] = rng.negative_binomial(2.0, 1.0 / (1.0 + np.exp(0.5 * eta) / 2.0))
    return frame[rng.random(len(frame)) > 0.2].reset_index(drop=True)


def _problem(
    frame: pd.DataFrame, family: str, link: str, random: str, agq: int = 1
) -> tuple[Problem, np.ndarray]:
    task = set_up(
        read_formula(f"{OUTCOME[family]} ~ x + arm + {random}"), frame, family=family, link=link, agq=agq,
        weights=None,
    )  # fmt: skip
    return task.problem, task.plain


@pytest.mark.parametrize(("family", "link"), FAMILIES)
@pytest.mark.parametrize("random", RANDOM)
def test_gradient_equals_differences(family: str, link: str, random: str) -> None:
    _check_gradient(*_problem(_frame(1), family, link, random))


@pytest.mark.parametrize(("family", "link"), FAMILIES)
@pytest.mark.parametrize("random", ["(1 | inst)", "(0 + x | inst)"])
def test_gradient_of_quadrature_equals_differences(family: str, link: str, random: str) -> None:
    """Few points, where the nodes' own movement with the parameters matters most."""
    _check_gradient(*_problem(_frame(2), family, link, random, agq=3))


def _check_gradient(problem: Problem, plain: np.ndarray) -> None:
    psi = start_at(problem, plain, 0.6) + 0.1 * np.sin(np.arange(problem.size))
    at = problem(psi)
    assert at is not None
    for unit, exact in zip(np.eye(problem.size) * 1e-5, at.gradient, strict=True):
        up, down = problem(psi + unit, at), problem(psi - unit, at)
        assert up is not None
        assert down is not None
        assert (up.value - down.value) / 2e-5 == pytest.approx(exact, abs=DIFFERENCE)


@pytest.mark.parametrize("random", RANDOM)
def test_elimination_equals_the_full_matrix(random: str) -> None:
    """Log determinant, solution and path blocks of the inverse, against H written out."""
    problem, plain = _problem(_frame(3, persons=4), "binomial", "logit", random)
    at = problem(start_at(problem, plain, 0.8))
    assert at is not None
    nested, mode = problem.nested, at.mode
    F = nested.loading(at.factors)
    A = _rows_by_effects(problem, F)
    H = np.eye(A.shape[1]) + A.T @ (mode.rows.weight[:, None] * A)
    factor = factorise(mode.S, mode.outer, nested)
    assert sum(float(np.sum(np.log(d))) for d in factor.d) == pytest.approx(
        np.linalg.slogdet(H)[1], abs=1e-10
    )
    right = np.sin(np.arange(len(mode.eta)))
    solved = solve(factor, F.T @ nested.sums(right * nested.U), None, nested)
    full = np.linalg.solve(H, A.T @ right)
    assert np.concatenate([x.T.ravel() for x in solved]) == pytest.approx(full, abs=1e-11)
    inverse, offsets = path_inverse(factor, nested), np.cumsum([0, *(x.size for x in solved)])
    own = [
        offsets[level] + np.arange(x.shape[0]) + x.shape[0] * nested.above[level][5]
        for level, x in enumerate(solved)
    ]
    path = np.concatenate(own)
    assert inverse[:, :, 5] == pytest.approx(np.linalg.inv(H)[np.ix_(path, path)], abs=1e-11)


def _rows_by_effects(problem: Problem, F: np.ndarray) -> np.ndarray:
    """Return Z Lambda, (n, all effects): level by level, the effects of one cluster side by side."""
    nested, blocks = problem.nested, []
    rows = nested.U.T @ F
    for columns, size, above in zip(nested.columns, nested.sizes, nested.above, strict=True):
        q = columns.stop - columns.start
        block = np.zeros((len(rows), size * q))
        cluster = above[nested.cluster]
        for k in range(q):
            block[np.arange(len(rows)), cluster * q + k] = rows[:, columns.start + k]
        blocks.append(block)
    return np.concatenate(blocks, axis=1)


def _balanced(seed: int) -> pd.DataFrame:
    """Return data whose clusters differ less than chance gives: each has the same outcomes, shuffled."""
    rng = np.random.default_rng(seed)
    outcomes = np.repeat([0, 1, 2], [9, 6, 5])
    grade = np.concatenate([rng.permutation(outcomes) for _ in range(8)])
    x = rng.normal(size=160) + 0.4 * grade
    return pd.DataFrame({"inst": np.repeat(np.arange(8), 20), "x": x - np.repeat(x.reshape(8, 20).mean(1),
    20),
                         "grade": grade, "y": (grade > 0).astype(int), "count": grade})  # fmt: skip


@pytest.mark.parametrize(("family", "link"), [f for f in FAMILIES if f[0] in ("binomial", "poisson")])
def test_zero_variance_is_the_plain_model(family: str, link: str) -> None:
    import statsmodels.api as sm

    frame = _balanced(4)
    result = mixed.fit(f"{OUTCOME[family]} ~ x + (1 | inst)", frame, family=family, link=link)
    kind = sm.families.Poisson() if family == "poisson" else sm.families.Binomial(
        sm.families.links.Logit() if link == "logit" else sm.families.links.Probit()
    )  # fmt: skip
    plain = sm.GLM(frame[OUTCOME[family]], sm.add_constant(frame.x), family=kind).fit(tol=1e-14, maxiter=200)
    assert result.boundary
    assert result.random[0].covariance == 0.0
    assert result.optimiser is not None
    assert result.optimiser.one_sided_slope is not None
    assert result.optimiser.one_sided_slope > 0.0
    assert result.log_likelihood == pytest.approx(plain.llf, abs=1e-8)
    assert [f.estimate for f in result.fixed] == pytest.approx(list(plain.params), abs=1e-7)
    if link != "probit":  # statsmodels gives the expected information for links that are not canonical
        assert [f.std_error for f in result.fixed] == pytest.approx(list(plain.bse), rel=1e-6)


@pytest.mark.parametrize("link", ["logit", "probit"])
def test_zero_variance_is_the_plain_ordinal_model(link: str) -> None:
    from statsmodels.miscmodels.ordinal_model import OrderedModel

    frame = _balanced(5)
    result = mixed.fit("grade ~ x + (1 | inst)", frame, family="ordinal", link=link)
    plain = OrderedModel(frame.grade, frame[["x"]], distr=link).fit(method="bfgs", gtol=1e-9, disp=False)
    assert result.random[0].covariance == 0.0
    assert result.log_likelihood == pytest.approx(plain.llf, abs=1e-8)
    assert result.fixed[-1].estimate == pytest.approx(plain.params.iloc[0], abs=1e-5)
    assert result.fixed[-1].std_error == pytest.approx(plain.bse.iloc[0], rel=1e-4)  # differences there


@pytest.mark.parametrize(("link", "agq"), [("logit", 1), ("probit", 1), ("logit", 9)])
def test_two_categories_are_a_binomial_outcome(link: str, agq: int) -> None:
    frame = _frame(6)
    ordinal = mixed.fit("y ~ x + arm + (1 | inst)", frame, family="ordinal", link=link, agq=agq)
    binomial = mixed.fit("y ~ x + arm + (1 | inst)", frame, family="binomial", link=link, agq=agq)
    assert ordinal.log_likelihood == pytest.approx(binomial.log_likelihood, abs=1e-9)
    assert ordinal.fixed[0].estimate == pytest.approx(-(binomial.fixed[0].estimate or 0.0), abs=1e-6)
    for a, b in zip(ordinal.fixed[1:], binomial.fixed[1:], strict=True):
        assert a.estimate == pytest.approx(b.estimate, abs=1e-6)
        assert a.std_error == pytest.approx(b.std_error, rel=1e-6)


@pytest.mark.parametrize("agq", [1, 7])
def test_grouped_rows_are_their_single_trials(agq: int) -> None:
    """Up to the constant: a grouped row counts the orders in which its successes may come."""
    from scipy.special import gammaln

    rng = np.random.default_rng(7)
    inst, x = np.repeat(np.arange(12), 4), np.tile([0.0, 1.0, 2.0, 3.0], 12)
    trials = rng.integers(1, 9, size=48)
    p = 1.0 / (1.0 + np.exp(0.5 - 0.3 * x - 0.9 * rng.normal(size=12)[inst]))
    hits = rng.binomial(trials, p)
    grouped = pd.DataFrame({"inst": inst, "x": x, "hits": hits, "misses": trials - hits, "trials": trials})
    grouped["share"] = hits / trials
    single = grouped.loc[np.repeat(np.arange(48), trials), ["inst", "x"]].reset_index(drop=True)
    single["y"] = np.concatenate([np.repeat([1, 0], [h, m - h]) for h, m in zip(hits, trials, strict=True)])
    pair = mixed.fit("cbind(hits, misses) ~ x + (1 | inst)", grouped, family="binomial", agq=agq)
    share = mixed.fit("share ~ x + (1 | inst)", grouped, family="binomial", weights="trials", agq=agq)
    spread = mixed.fit("y ~ x + (1 | inst)", single, family="binomial", agq=agq)
    orders = float(np.sum(gammaln(trials + 1) - gammaln(hits + 1) - gammaln(trials - hits + 1)))
    assert share.log_likelihood == pytest.approx(pair.log_likelihood, abs=1e-9)
    assert pair.log_likelihood == pytest.approx((spread.log_likelihood or 0.0) + orders, abs=1e-8)
    for a, b in zip(pair.fixed, spread.fixed, strict=True):
        assert a.estimate == pytest.approx(b.estimate, abs=SAME_FIT * (b.std_error or 1.0))


@pytest.mark.parametrize(("family", "link"), FAMILIES)
def test_row_order_and_names_do_not_matter(family: str, link: str) -> None:
    frame = _frame(8)
    formula = f"{OUTCOME[family]} ~ x + arm + (1 + x | inst) + (1 | person)"
    first = mixed.fit(formula, frame, family=family, link=link)
    other = frame.sample(frac=1.0, random_state=1).reset_index(drop=True)
    other["inst"] = "clinic " + (97 - other.inst).astype(str)
    second = mixed.fit(formula, other, family=family, link=link)
    assert first.verdict != "failed"
    assert second.log_likelihood == pytest.approx(first.log_likelihood, abs=1e-7)
    for a, b in zip(first.fixed, second.fixed, strict=True):
        assert a.estimate == pytest.approx(b.estimate, abs=1e-4 * (b.std_error or 1.0))


def test_a_predictor_may_be_shifted_and_scaled() -> None:
    frame = _frame(9)
    first = mixed.fit("grade ~ x + arm + (1 + x | inst)", frame, family="ordinal")
    frame["x"] = 1e4 + 25.0 * frame.x
    second = mixed.fit("grade ~ x + arm + (1 + x | inst)", frame, family="ordinal")
    assert second.log_likelihood == pytest.approx(first.log_likelihood, abs=1e-6)
    assert 25.0 * (second.fixed[3].estimate or 0.0) == pytest.approx(first.fixed[3].estimate, abs=1e-5)


def test_categories_and_truth_values_name_their_event() -> None:
    frame = _frame(10)
    frame["word"] = np.where(frame.y == 1, "yes", "no")
    frame["flag"] = frame.y == 1
    results = [mixed.fit(f"{y} ~ x + (1 | inst)", frame, family="binomial") for y in ("y", "word", "flag")]
    assert len({r.log_likelihood for r in results}) == 1
    message = {c.name: c.message for c in results[1].checks}["outcome"]
    assert "The event is yes, the second category" in message


def test_negative_binomial_goes_over_into_poisson() -> None:
    rng = np.random.default_rng(11)
    frame = pd.DataFrame({"inst": np.repeat(np.arange(10), 12), "x": rng.normal(size=120)})
    frame["count"] = np.rint(np.exp(1.0 + 0.3 * frame.x + 0.5 * rng.normal(size=10)[frame.inst]))
    nbinom = mixed.fit("count ~ x + (1 | inst)", frame, family="nbinom")
    poisson = mixed.fit("count ~ x + (1 | inst)", frame, family="poisson")
    assert nbinom.boundary
    assert nbinom.dispersion is None
    assert nbinom.verdict == "caution"
    assert nbinom.log_likelihood == pytest.approx(poisson.log_likelihood, abs=1e-9)
    assert nbinom.aic == pytest.approx((poisson.aic or 0.0) + 2.0, abs=1e-9)


def test_offset_is_a_coefficient_of_one() -> None:
    frame = _frame(12)
    frame["exposure"] = np.log(1.0 + frame.index % 5)
    moved = mixed.fit("count ~ x + (1 | inst)", frame, family="poisson", offset="exposure")
    frame["more"] = frame.exposure + np.log(10.0)
    tenfold = mixed.fit("count ~ x + (1 | inst)", frame, family="poisson", offset="more")
    assert tenfold.log_likelihood == pytest.approx(moved.log_likelihood, abs=1e-8)
    assert tenfold.fixed[0].estimate == pytest.approx(
        (moved.fixed[0].estimate or 0.0) - np.log(10.0), abs=1e-6
    )
    assert tenfold.fixed[1].estimate == pytest.approx(moved.fixed[1].estimate, abs=1e-6)


def test_laplace_is_called_rough_where_quadrature_disagrees() -> None:
    """Persons with three binary answers: the check says so, and quadrature passes it."""
    frame = _frame(13, sd=1.8, persons=20)
    laplace = mixed.fit("y ~ x + (1 | person)", frame, family="binomial")
    quadrature = mixed.fit("y ~ x + (1 | person)", frame, family="binomial", agq=15)
    assert {c.name: c.status for c in laplace.checks}["integration"] == "warn"
    assert {c.name: c.status for c in quadrature.checks}["integration"] == "ok"
    assert (quadrature.random[0].covariance or 0.0) > (laplace.random[0].covariance or 0.0)


def test_few_clusters_make_a_z_test_doubtful() -> None:
    checks = {c.name: c for c in mixed.fit("y ~ x + arm + (1 | inst)", _frame(14), family="binomial").checks}
    assert checks["df_method"].status == "warn"
    assert "arm (10 inst)" in checks["df_method"].message
    assert " x" not in checks["df_method"].message.split(":")[1]


def _sweep(seeds: range) -> list[str]:
    """Return the fits that failed or that another start beats."""
    wrong = []
    for seed in seeds:
        rng = np.random.default_rng(seed)
        frame = _frame(
            seed, institutions=int(rng.integers(4, 16)), sd=float(rng.choice([0.0, 0.3, 1.2])), persons=4
        )
        for family, link in FAMILIES:
            random = RANDOM[int(rng.integers(len(RANDOM)))]
            result: Any = mixed.fit(
                f"{OUTCOME[family]} ~ x + {random}", frame, family=family, link=link, few_clusters="fit"
            )
            if result.verdict == "failed":
                wrong.append(f"{seed} {family} {link} {random}: {result.reason}")
                continue
            problem = result.generalised.problem
            b, extra, _ = problem.split(result.generalised.optimum.search.at.psi)
            other = minimise(problem, start_at(problem, np.concatenate([b, extra]) * 0.5, 1.2))
            if other is not None and other.at.value < result.criterion - 1e-5:
                wrong.append(f"{seed} {family} {link} {random}: {other.at.value - result.criterion}")
    return wrong


def test_no_other_start_is_better() -> None:
    assert _sweep(range(100, 106)) == []


@pytest.mark.slow
def test_no_other_start_is_better_in_many_designs() -> None:
    assert _sweep(range(200, 260)) == []
