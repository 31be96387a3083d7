"""The command: JSON with the contract's keys, readable text, exit statuses."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from implstats.cli.sem import sem
from implstats.errors import ImplstatsError

KEYS = ["verdict", "converged", "admissible", "n_obs", "n_free", "parameters", "fit", "checks"]
PARAMETER_KEYS = {
    "lhs",
    "op",
    "rhs",
    "group",
    "level",
    "group_label",
    "label",
    "estimate",
    "std_error",
    "statistic",
    "p_value",
    "conf_low",
    "conf_high",
    "std_lv",
    "std_all",
}


@pytest.fixture
def csv(hs, tmp_path):
    path = tmp_path / "hs.csv"
    hs.to_csv(path, index=False)
    return path


def run(*arguments):
    return CliRunner().invoke(sem, [str(a) for a in arguments])


def test_json_has_the_contracts_keys(csv, three_factors):
    outcome = run(three_factors, csv, "--kind", "cfa", "--json")
    assert outcome.exit_code == 0, outcome.output
    found = json.loads(outcome.output)
    assert list(found) == KEYS
    assert set(found["parameters"][0]) == PARAMETER_KEYS
    assert found["fit"]["chisq"] == pytest.approx(85.3055217697936, rel=1e-9)
    assert {"rmsea_ci_lower", "rmsea_ci_upper", "rmsea.ci.lower"} <= set(found["fit"])
    assert found["parameters"][0]["std_error"] is None, "a fixed loading has no standard error"


def test_the_model_may_stand_in_a_file(csv, three_factors, tmp_path):
    path = tmp_path / "model.lav"
    path.write_text(three_factors, encoding="utf-8")
    assert run(path, csv, "--json").output == run(three_factors, csv, "--json").output


def test_text_is_for_reading(csv, three_factors):
    outcome = run(three_factors + "\nd := 1 + 1", csv, "--kind", "cfa", "--estimator", "MLR")
    assert outcome.exit_code == 0
    for word in (
        "Verdict: ok",
        "Loadings",
        "Variances",
        "CFI 0.931",
        "scaled 87.132",
        "Explained variance",
        "Checks",
    ):
        assert word in outcome.output, word
    assert max(map(len, outcome.output.split("Checks")[0].splitlines())) <= 120


def test_help_has_an_example():
    outcome = run("--help")
    assert outcome.exit_code == 0
    assert "implstats sem model.lav data.csv --ladder --group arm" in outcome.output


def test_a_failed_fit_ends_with_status_one_and_the_reason(csv):
    outcome = run("f =~ x1 + x2", csv, "--json")
    assert outcome.exit_code == 1
    assert "Not identified" in outcome.stderr
    assert json.loads(outcome.stdout)["verdict"] == "failed"


FAULTS = [
    (["f = x1"], 2),
    (["f =~ x1 + x2 + x3", "--estimator", "WLSMV"], 2),
    (["nofile.txt"], 2),
    (["f =~ x1 + x2 + nosuch"], 1),
    (["f =~ x1 + x2 + x3", "--missing", "maybe"], 2),
]


@pytest.mark.parametrize(("arguments", "code"), FAULTS)
def test_faults_have_their_exit_status(csv, arguments, code):
    error = run(arguments[0], csv, *arguments[1:]).exception
    assert isinstance(error, ImplstatsError)
    assert error.exit_code == code


def test_a_missing_data_file_is_said(three_factors, tmp_path):
    error = run(three_factors, tmp_path / "none.csv").exception
    assert isinstance(error, ImplstatsError)
    assert "there is no such file" in str(error)


def test_importing_the_estimator_does_not_pay_for_heavy_libraries():
    code = (
        "import sys, implstats.sem; print([m for m in ('pandas', 'scipy.stats', 'semopy') if m in "
        "sys.modules])"
    )
    outcome = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert outcome.stdout.strip() == "[]"


def test_a_folder_as_data_is_called_a_folder(tmp_path):
    outcome = run("y ~ x", tmp_path)
    assert outcome.exit_code == 2
    assert "is a directory" in outcome.stderr


ALSO = (
    "standardised",
    "modindices=20",
    "residuals=standardized",
    "residuals",
    "scores=bartlett",
    "reliability",
)


def test_follow_ups_of_a_fit(csv, three_factors):
    arguments = [part for name in ALSO for part in ("--also", name)]
    outcome = run(three_factors, csv, "--kind", "cfa", "--json", *arguments)
    assert outcome.exit_code == 0, outcome.output
    found = json.loads(outcome.output)["also"]
    assert list(dict.fromkeys(table["name"] for table in found)) == [
        "standardised", "modindices", "residuals", "scores", "reliability",
    ]  # fmt: skip
    tables = {table["name"]: table for table in found if table["name"] in ("standardised", "modindices")}
    # lavaan's two largest indices of this model.
    assert [round(row["mi"], 3) for row in tables["modindices"]["rows"]] == [36.411, 34.145]
    assert tables["standardised"]["rows"][0]["std_error"] > 0
    assert max(len(table["rows"]) for table in found if table["name"] == "scores") == 301


def test_follow_ups_as_text(csv, three_factors):
    outcome = run(
        three_factors.replace("x2", "a*x2", 1), csv, "--also", "wald=a == 0.5", "--also", "modindices=30"
    )
    assert outcome.exit_code == 0, outcome.output
    assert "Modification indices" in outcome.output
    assert "Wald test" in outcome.output


def test_score_tests_of_equal_loadings(csv, three_factors):
    outcome = run(
        three_factors,
        csv,
        "--group",
        "school",
        "--group-equal",
        "loadings",
        "--also",
        "score-tests",
        "--json",
    )
    assert outcome.exit_code == 0, outcome.output
    total, each = json.loads(outcome.output)["also"]
    assert total["rows"][0]["df"] == len(each["rows"]) == 6


@pytest.mark.parametrize(
    ("name", "says"),
    [("modindixes", "modindices"), ("wald", "HYPOTHESES"), ("reliability=1", "takes no value"),
     ("modindices=many", "number"), ("residuals=pearson", "standardized")],
)  # fmt: skip
def test_wrong_follow_ups_are_told(csv, three_factors, name, says):
    outcome = run(three_factors, csv, "--also", name)
    assert outcome.exit_code != 0
    assert isinstance(outcome.exception, ImplstatsError)
    assert says in str(outcome.exception)
