"""The command reaches what the library does: every number it prints is the library's own."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from implstats import sem as library
from implstats.cli.efa import efa
from implstats.cli.sem import sem
from implstats.errors import DataError, ImplstatsError, UsageError

MEDIATION = "M1 ~ a*X\nY ~ b*M1 + X\nindirect := a*b"


@pytest.fixture
def csv(hs, tmp_path):
    path = tmp_path / "hs.csv"
    hs.to_csv(path, index=False)
    return path


@pytest.fixture
def mediation_csv(mediation, tmp_path):
    path = tmp_path / "mediation.csv"
    mediation.to_csv(path, index=False)
    return path


def run(*arguments):
    return CliRunner().invoke(sem, [str(a) for a in arguments])


def read(*arguments):
    outcome = run(*arguments, "--json")
    assert outcome.exit_code == 0, outcome.output
    return json.loads(outcome.output)


def test_the_ladder_across_groups_is_the_librarys(csv, hs, three_factors):
    found = read(three_factors, csv, "--ladder", "--group", "school", "--group-partial", "x3~1,x7~1")
    ours = library.invariance(three_factors, hs, group="school", release=["x3~1", "x7~1"])
    assert [step["name"] for step in found["steps"]] == ["configural", "metric", "scalar", "strict"]
    for step, mine in zip(found["steps"], ours.steps, strict=True):
        assert step["fit"]["chisq"] == mine.fit.fit["chisq"]
        if mine.difference is not None:
            assert step["difference"]["cfi"] == mine.difference.cfi
            assert step["difference"]["p_value"] == mine.difference.p_value


def test_the_ladder_as_text_shows_the_changes_of_fit(csv, three_factors):
    outcome = run(three_factors, csv, "--ladder", "--group", "school", "--steps", "configural,metric")
    assert outcome.exit_code == 0
    for word in ("configural", "metric", "d CFI", "d RMSEA", "d SRMR"):
        assert word in outcome.output
    assert "scalar" not in outcome.output


def test_the_ladder_of_ordered_items_begins_with_thresholds(csv, hs, tmp_path):
    names = ["x1", "x2", "x3", "x4"]
    cut = hs[names].apply(lambda x: pd.qcut(x.rank(method="first"), 3, labels=False)).assign(school=hs.school)
    path = tmp_path / "cut.csv"
    cut.to_csv(path, index=False)
    found = read(
        "f =~ x1 + x2 + x3 + x4", path, "--ladder", "--group", "school", "--ordered", ",".join(names)
    )
    assert [s["name"] for s in found["steps"]][:3] == ["configural", "thresholds", "metric"]
    assert found["method"] == "satorra.2000"
    thresholds = found["steps"][1]["difference"]
    assert (thresholds["df"], thresholds["chisq"]) == (0, None), "three categories: nothing is restricted"
    assert "restricts nothing" in thresholds["reason"]


def test_the_ladder_over_waves_takes_the_waves_from_the_model(csv, hs):
    found = read("f1 =~ x1 + x2 + x3; f2 =~ x4 + x5 + x6", csv, "--ladder", "--waves", "--missing", "fiml")
    ours = library.longitudinal_invariance([["x1", "x2", "x3"], ["x4", "x5", "x6"]], hs, missing="fiml")
    assert [s["fit"]["chisq"] for s in found["steps"]] == [s.fit.fit["chisq"] for s in ours.steps]


def test_the_ladder_of_ordered_answers_over_waves(load_data, tmp_path):
    path = tmp_path / "waves.csv"
    load_data("waves_ordered").to_csv(path, index=False)
    model = "f1 =~ a1 + b1 + c1 + d1; f2 =~ a2 + b2 + c2 + d2"
    found = read(model, path, "--ladder", "--waves", "--ordered", "a1,b1,c1,d1,a2,b2,c2,d2")
    assert [s["name"] for s in found["steps"]] == ["configural", "thresholds", "metric", "scalar", "strict"]
    assert found["method"] == "satorra.2000"


def test_a_ladder_over_waves_takes_no_more_than_indicators(csv):
    error = run("f1 =~ x1 + x2; f2 =~ x4 + a*x5; x1 ~~ x4", csv, "--ladder", "--waves").exception
    assert isinstance(error, UsageError)
    assert "'x1 ~~ x4'" in str(error)
    assert "modifier of 'x5'" in str(error)


def test_a_matrix_in_a_file_gives_the_fit_of_its_persons(csv, hs, three_factors, tmp_path):
    names = [f"x{k}" for k in range(1, 10)]
    table = hs[names].cov()
    half = table.where(np.tril(np.ones((9, 9), dtype=bool)))
    path = tmp_path / "cov.csv"
    half.to_csv(path)
    whole = tmp_path / "whole.csv"
    table.to_csv(whole, index=False)
    means = tmp_path / "means.csv"
    hs[names].mean().rename("mean").rename_axis("name").to_csv(means)
    wanted = read(three_factors, csv, "--meanstructure")
    for file in (path, whole):
        found = read(three_factors, "--cov", file, "--n", 301, "--means", means)
        # A covariance matrix passes through decimal text with 17 digits, nothing else differs.
        assert found["fit"]["chisq"] == pytest.approx(wanted["fit"]["chisq"], rel=1e-9)
        assert [p["estimate"] for p in found["parameters"]] == pytest.approx(
            [p["estimate"] for p in wanted["parameters"]], rel=1e-6, abs=1e-9
        )


def test_standard_deviations_turn_correlations_into_covariances(hs, three_factors, tmp_path):
    names = [f"x{k}" for k in range(1, 10)]
    cor, sd = tmp_path / "cor.csv", tmp_path / "sd.csv"
    hs[names].corr().to_csv(cor)
    hs[names].std().to_frame().T.to_csv(sd, index=False)
    bare = read(three_factors, "--cov", cor, "--n", 301)
    assert "correlations" in [c["name"] for c in bare["checks"] if c["status"] == "warn"]
    assert bare["verdict"] == "caution"
    scaled = read(three_factors, "--cov", cor, "--n", 301, "--sd", sd)
    assert scaled["verdict"] == "ok"
    direct = library.fit(three_factors, cov=hs[names].cov(), n=301)
    assert scaled["parameters"][1]["std_error"] == pytest.approx(direct.parameters[1].std_error, rel=1e-6)


def test_a_matrix_that_is_none_is_told(tmp_path):
    path = tmp_path / "cov.csv"
    path.write_text("name,x1,x2\nx1,1,0.5\n", encoding="utf-8")
    error = run("x2 ~ x1", "--cov", path, "--n", 50).exception
    assert isinstance(error, DataError)
    assert "square" in str(error)
    path.write_text("name,x1,x2\nx1,1,\nx2,a,1\n", encoding="utf-8")
    assert "not a number" in str(run("x2 ~ x1", "--cov", path, "--n", 50).exception)


def test_two_stage_in_both_spellings_and_auxiliary(csv, hs, tmp_path):
    gaps = hs[["x1", "x2", "x3", "x4", "x5"]].copy()
    gaps.loc[::5, "x2"] = np.nan
    path = tmp_path / "gaps.csv"
    gaps.to_csv(path, index=False)
    model = "f =~ x1 + x2 + x3 + x4"
    first = read(model, path, "--missing", "two-stage")
    assert first["fit"] == read(model, path, "--missing", "two.stage")["fit"]
    assert first["fit"]["chisq.scaled"] == library.fit(model, gaps, missing="two.stage").fit["chisq.scaled"]
    found = read(model, path, "--missing", "fiml", "--auxiliary", "x5")
    assert found["fit"]["chisq"] == library.fit(model, gaps, missing="fiml", auxiliary=["x5"]).fit["chisq"]


def test_the_bootstrap_is_seeded_and_the_librarys(mediation_csv, mediation):
    asked = ("--bootstrap", 300, "--seed", 7, "--interval", "bca")
    found = read(MEDIATION, mediation_csv, *asked)["also"]
    ours = library.bootstrap(library.fit(MEDIATION, mediation), draws=300, seed=7, interval="bca")
    rows = {(r["scale"], r["lhs"], r["op"]): r for r in found[0]["rows"]}
    wanted = next(p for p in ours.parameters if p.lhs == "indirect")
    assert rows["raw", "indirect", ":="]["conf_low"] == wanted.conf_low
    assert found == read(MEDIATION, mediation_csv, *asked)["also"]
    assert found != read(MEDIATION, mediation_csv, *asked[:2], "--seed", 8, *asked[4:])["also"]


def test_monte_carlo_and_bollen_stine(mediation_csv, csv, three_factors):
    monte_carlo = read(MEDIATION, mediation_csv, "--monte-carlo", "--draws", 500, "--seed", 2)["also"][0]
    assert monte_carlo["rows"][0]["n_draws"] == 500
    test = read(three_factors, csv, "--bollen-stine", "--draws", 100)["also"][0]["rows"][0]
    # 24 degrees of freedom and a chi-square of 85: none of a hundred samples of a true model comes near.
    assert test["p_value"] == pytest.approx(1 / 101)


def test_a_second_model_is_compared(csv, hs, three_factors, tmp_path):
    smaller = three_factors.replace("x2", "1*x2", 1)
    path = tmp_path / "smaller.lav"
    path.write_text(smaller, encoding="utf-8")
    found = read(
        three_factors, csv, "--estimator", "MLR", "--compare", path, "--method", "satorra.bentler.2010"
    )
    ours = library.compare(
        library.fit(three_factors, hs, estimator="MLR"), library.fit(smaller, hs, estimator="MLR"),
        method="satorra.bentler.2010",
    )  # fmt: skip
    row = found["also"][0]["rows"][0]
    assert (row["chisq"], row["df"], row["cfi"]) == (ours.chisq, ours.df, ours.cfi)


def test_the_parameter_table_needs_no_data(three_factors):
    found = read(three_factors, "--print", "table")
    assert found["n_free"] == 21
    assert [r["free"] for r in found["rows"]][:3] == [0, 1, 2]
    text = run(three_factors, "--print", "table").output
    assert "1 fixed" in text
    assert "21 free parameters" in text


def test_the_parameter_table_of_groups_takes_labels_from_the_data(csv, three_factors):
    found = read(three_factors, csv, "--print", "table", "--group", "school", "--group-equal", "loadings")
    assert {r["group_label"] for r in found["rows"]} == {"Pasteur", "Grant-White"}
    free = [r["free"] for r in found["rows"] if (r["lhs"], r["op"], r["rhs"]) == ("visual", "=~", "x2")]
    assert free[0] == free[1] > 0
    assert isinstance(run(three_factors, "--print", "table", "--group", "school").exception, UsageError)


def test_out_is_written_whole_or_not_at_all(csv, three_factors, tmp_path):
    out = tmp_path / "fit.json"
    outcome = run(three_factors, csv, "--out", out)
    assert (outcome.exit_code, outcome.output) == (0, "")
    assert json.loads(out.read_text(encoding="utf-8"))["verdict"] == "ok"
    failed = tmp_path / "failed.json"
    outcome = run("f =~ x1 + x2", csv, "--out", failed)
    assert outcome.exit_code == 1
    assert "Not identified" in outcome.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["fit.json", "hs.csv"]


WRONG = [
    ((), "give DATA"),
    (("DATA", "--cov", "COV"), "two sources"),
    (("DATA", "--n", "50", "--sd", "COV"), "--n goes with --cov; --sd goes with --cov"),
    (("DATA", "--ladder"), "--group COLUMN or over --waves"),
    (("DATA", "--ladder", "--waves", "--group", "school"), "give one of the two"),
    (("DATA", "--ladder", "--group", "school", "--bootstrap", "200"), "does not take --bootstrap"),
    (("DATA", "--steps", "metric"), "--steps goes with --ladder"),
    (("DATA", "--ladder", "--group", "school", "--information", "expected"), "does not take --info"),
    (("DATA", "--ladder", "--group", "school", "--steps", "metrik"), "metric"),
    (("--cov", "COV", "--n", "50", "--also", "scores"), "needs persons"),
    (("--cov", "COV", "--n", "50", "--ladder", "--group", "school"), "needs persons"),
    (("DATA", "--auxiliary", "x9"), "missing 'fiml'"),
]


@pytest.mark.parametrize(("arguments", "says"), WRONG)
def test_options_that_do_not_go_together_are_told(csv, hs, tmp_path, arguments, says):
    cov = tmp_path / "cov.csv"
    hs[["x1", "x2", "x3", "x4"]].cov().to_csv(cov)
    places = {"DATA": csv, "COV": cov}
    outcome = run("f =~ x1 + x2 + x3 + x4", *(places.get(a, a) for a in arguments))
    assert isinstance(outcome.exception, ImplstatsError)
    assert outcome.exception.exit_code == 2
    assert says.lower() in str(outcome.exception).lower()


def explore(*arguments):
    return CliRunner().invoke(efa, [str(a) for a in arguments])


def test_exploration_takes_the_number_of_factors_from_parallel_analysis(csv, hs):
    outcome = explore(csv, "--items", "x1:x9", "--json")
    assert outcome.exit_code == 0, outcome.output
    found = json.loads(outcome.output)
    names = [f"x{k}" for k in range(1, 10)]
    assert found["number_of_factors"]["n_factors"] == 3
    ours = library.explore(hs, names, n_factors=3)
    assert found["exploration"]["loadings"] == ours.loadings.tolist()
    text = explore(csv, "--items", "x1:x9").output
    for word in ("parallel analysis: 3", "minimum average partial", "(KMO) 0.752", "Factors", "RMSEA"):
        assert word in text


def test_items_that_share_nothing_have_no_factor(tmp_path):
    noise = pd.DataFrame(np.random.default_rng(3).normal(size=(300, 5)), columns=list("abcde"))
    path = tmp_path / "noise.csv"
    noise.to_csv(path, index=False)
    outcome = explore(path, "--items", "a:e")
    assert outcome.exit_code == 0
    assert "retains no factor" in outcome.output
    assert "2 factor(s)" in explore(path, "--items", "a:e", "--factors", 2).output


@pytest.mark.parametrize(("kind", "magic"), [("png", b"\x89PNG"), ("pdf", b"%PDF"), ("svg", b"<?xml")])
def test_the_scree_plot_is_written(csv, tmp_path, kind, magic):
    path = tmp_path / f"scree.{kind}"
    assert explore(csv, "--items", "x1:x9", "--draws", 99, "--scree", path).exit_code == 0
    assert path.read_bytes().startswith(magic)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [(("--items", "x1,x2"), "name at least 3"), (("--items", "x1:x9", "--factors", "8"), "can bear 1 to"),
     (("--items", "x1:x9", "--scree", "a.txt"), ".png"), (("--items", "x1,x2,xx"), "not a column")],
)  # fmt: skip
def test_what_cannot_be_explored_is_told(csv, arguments, says):
    error = explore(csv, *arguments).exception
    assert isinstance(error, ImplstatsError)
    assert says in str(error)


LEVELS = "level: 1\nfw =~ y1 + a*y2 + y3\nfw ~ x1\nlevel: 2\nfb =~ y1 + b*y2 + y3\nfb ~ w1\nd := a - b"


@pytest.fixture
def teams(load_data, tmp_path):
    path = tmp_path / "teams.csv"
    load_data("demo_twolevel").to_csv(path, index=False)
    return path


def test_a_model_with_levels_is_fitted_at_both(teams, load_data, tmp_path):
    model = tmp_path / "levels.lav"
    model.write_text(LEVELS, encoding="utf-8")
    found = read(model, teams, "--cluster", "cluster", "--h1", "unconstrained", "--estimator", "MLR")
    ours = library.fit_two_level(
        LEVELS, load_data("demo_twolevel"), cluster="cluster", h1="unconstrained", estimator="MLR"
    )
    assert found["n_clusters"] == ours.n_clusters == 60
    assert found["fit"]["chisq.scaled"] == ours.fit["chisq.scaled"]
    assert [p["estimate"] for p in found["parameters"]] == [p.estimate for p in ours.parameters]
    assert {p["level"] for p in found["parameters"] if p["op"] != ":="} == {1, 2}


def test_both_levels_stand_in_the_text(teams):
    text = run(LEVELS, teams, "--cluster", "cluster").output
    for words in ("740 persons in 60 clusters", "LEVEL 1, within clusters", "LEVEL 2, between clusters",
                  "within, 0.066 between", "Share of variance between clusters", "d := a-b"):  # fmt: skip
        assert words in text


def test_the_parameter_table_of_two_levels_numbers_parameters_over_both():
    shared = "level: 1\nf =~ y1 + a*y2 + y3\nlevel: 2\ng =~ y1 + a*y2 + y3"
    found = read(shared, "--print", "table")
    free = {(r["level"], r["lhs"], r["rhs"]): r["free"] for r in found["rows"] if r["op"] == "=~"}
    assert free[1, "f", "y2"] == free[2, "g", "y2"] > 0
    assert free[1, "f", "y3"] != free[2, "g", "y3"]
    assert found["n_free"] == len({r["free"] for r in found["rows"]} - {0})


@pytest.mark.parametrize(
    ("arguments", "says"),
    [((), "needs DATA and --cluster"),
     (("--cluster", "cluster", "--bootstrap", "99"), "does not take --bootstrap"),
     (("--cluster", "cluster", "--ordered", "y1"), "does not take --ordered")],
)  # fmt: skip
def test_what_two_levels_do_not_take_is_told(teams, arguments, says):
    error = run(LEVELS, teams, *arguments).exception
    assert isinstance(error, UsageError)
    assert says in str(error)


def test_options_of_levels_are_not_taken_by_one_level(csv, three_factors):
    error = run(three_factors, csv, "--h1", "psd").exception
    assert isinstance(error, UsageError)
    assert "does not take --h1" in str(error)


def test_another_scaled_test(csv, hs, three_factors):
    found = read(three_factors, csv, "--estimator", "MLR", "--test", "satorra.bentler")
    ours = library.fit(three_factors, hs, estimator="MLR", test="satorra.bentler")
    assert found["fit"]["chisq.scaled"] == ours.fit["chisq.scaled"]
