"""The page for readers from R says what exists: its Python lines and commands run, its calls are calls."""

from __future__ import annotations

import doctest
import inspect
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from implstats import sem
from implstats.cli import cli

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "for-r-users.md"
TEXT = PAGE.read_text(encoding="utf-8")
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL) for line in block.splitlines()]
CALLS = re.findall(r"sem\.(\w+)\(([^()]*)", TEXT)


@pytest.fixture
def project(monkeypatch):
    """The project folder, which holds the data of the examples."""
    if not (ROOT / "data/raw/leadership-climate/lq2002.csv").is_file():
        pytest.skip("the example data are not in this copy")
    monkeypatch.chdir(ROOT)


def test_the_lines_of_python_give_what_the_page_says(project):
    found = doctest.testfile(str(PAGE), module_relative=False, encoding="utf-8")
    assert found.attempted >= 10
    assert found.failed == 0


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_runs(project, command):
    name, *arguments = shlex.split(command)
    assert name == "implstats"
    outcome = CliRunner().invoke(cli, arguments)
    assert outcome.exit_code == 0, outcome.output


def test_the_page_has_commands_and_calls():
    assert len(COMMANDS) >= 4
    assert len(CALLS) >= 20


@pytest.mark.parametrize(("name", "arguments"), CALLS)
def test_a_call_on_the_page_exists_with_its_arguments(name, arguments):
    function = getattr(sem, name)
    known = inspect.signature(function).parameters
    takes_any = any(p.kind is p.VAR_KEYWORD for p in known.values())
    named = re.findall(r"(\w+)=(?!=)", re.sub(r"\"[^\"]*\"", '""', arguments))
    assert takes_any or set(named) <= set(known)
