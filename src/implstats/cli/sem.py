"""``implstats sem``: fit a structural equation model from the command line."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from implstats.cli.follow_ups import answer, as_text, check_requests, records
from implstats.cli.output import plain
from implstats.cli.sem_follow_ups import (
    FOLLOW_UPS,
    OF_TWO_LEVELS,
    SemSettings,
    all_follow_ups,
    requests_of,
)
from implstats.cli.sem_input import has_levels, read_matrix, read_model, read_values
from implstats.cli.sem_options import FILE, SectionCommand, sem_options
from implstats.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

    from implstats.sem import InvarianceLadder, SemResult, TwoLevelResult

# What belongs to the fit itself; everything else is about what to do with it.
OF_THE_FIT = (
    "kind", "std_lv", "orthogonal", "meanstructure", "missing", "auxiliary", "cluster", "estimator",
    "ordered", "parameterization", "information", "ci_level", "group", "group_equal", "group_partial",
    "second_opinion", "test", "h1", "few_clusters",
)  # fmt: skip
OF_ONE_FIT = ("also", "compare", "bootstrap", "bollen_stine", "monte_carlo")
EXAMPLES = """\b
Examples:
  implstats sem 'visual =~ x1 + x2 + x3' data.csv --kind cfa --estimator MLR --json
  implstats sem model.lav data.sav --missing fiml --auxiliary age,tenure
  implstats sem model.lav data.csv --bootstrap 2000 --interval bca --seed 7
  implstats sem model.lav data.csv --ladder --group arm
  implstats sem model.lav data.csv --ladder --group arm --ordered x1,x2,x3
  implstats sem 'f1 =~ a1+b1+c1; f2 =~ a2+b2+c2' data.csv --ladder --waves --missing fiml
  implstats sem model.lav data.csv --compare smaller.lav
  implstats sem model.lav --cov table.csv --n 301
  implstats sem levels.lav data.csv --cluster team"""


@click.command(
    cls=SectionCommand,
    epilog=EXAMPLES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.argument("model")
@click.argument("data", type=FILE, required=False)
@sem_options
def sem(model: str, data: Path | None, as_json: bool, out: Path | None, **asked: Any) -> None:
    """Fit MODEL, a file or a text in lavaan's language, to the persons in the file DATA.

    Exit status 1 when the data or the model cannot bear it; the reasons go to stderr.
    """
    text = read_model(model)
    check_requests(asked["also"], FOLLOW_UPS)
    check_call(data, asked)
    given = {name: asked[name] for name in OF_THE_FIT if asked[name] is not None}
    as_json = as_json or (out is not None and out.suffix.lower() == ".json")
    if asked["printed"] is not None:
        from implstats.sem import model_table

        frame = None if data is None else _read(data)
        _write(model_table(text, frame, **given), {}, "", as_json=as_json, out=out)
        return
    if asked["ladder"]:
        _finish(_ladder(text, data, asked, given), {}, "", as_json=as_json, out=out)
        return
    if has_levels(text):
        levels = _two_level(text, data, asked, given)
        asks = requests_of(asked) if levels.verdict != "failed" else []
        answers = answer(levels, asks, _settings(asked, None, lambda other: _refit(other, {}, given)),
                         OF_TWO_LEVELS)  # fmt: skip
        more = {"also": records(answers)} if answers else {}
        _finish(levels, more, as_text(answers) if answers else "", as_json=as_json, out=out)
        return
    result, frame, source = _one_fit(text, data, asked, given)
    asks = requests_of(asked) if result.verdict != "failed" else []
    settings = _settings(asked, frame, lambda other: _refit(other, source, given))
    answers = answer(result, asks, settings, all_follow_ups())
    more = {"also": records(answers)} if answers else {}
    _finish(result, more, as_text(answers) if answers else "", as_json=as_json, out=out)


def _settings(
    asked: Mapping[str, Any], frame: pd.DataFrame | None, refit: Callable[[str], SemResult]
) -> SemSettings:
    return SemSettings(
        data=frame, seed=asked["seed"], interval=asked["interval"], method=asked["method"],
        cluster=asked["cluster"], draws=asked["draws"], refit=refit,
    )  # fmt: skip


def check_call(data: Path | None, asked: Mapping[str, Any]) -> None:
    """Raise :class:`UsageError` with every pair of options that does not go together."""
    problems = []
    if data is None and asked["cov"] is None and asked["printed"] is None:
        problems.append("give DATA, a file of persons, or --cov, a covariance matrix")
    if data is not None and asked["cov"] is not None:
        problems.append("DATA and --cov are two sources; give one")
    if asked["cov"] is None:
        problems += [f"--{name} goes with --cov" for name in ("n", "means", "sd") if asked[name] is not None]
    if asked["ladder"]:
        problems += [f"--ladder does not take --{_dashed(n)}" for n in OF_ONE_FIT if asked[n]]
        if (asked["group"] is None) == (not asked["waves"]):
            problems.append("--ladder climbs across --group COLUMN or over --waves; give one of the two")
    else:
        problems += [f"--{name} goes with --ladder" for name in ("waves", "steps") if asked[name]]
    if problems:
        raise UsageError("; ".join(problems)[0].upper() + "; ".join(problems)[1:] + ".")


def _dashed(name: str) -> str:
    return name.replace("_", "-")


def taken(function: Callable[..., Any], given: Mapping[str, Any], *, what: str) -> dict[str, Any]:
    """Return the options if a function takes them all; :class:`UsageError` with those it does not take.

    >>> taken(lambda a, b: a, {"a": 1}, what="This")
    {'a': 1}
    """
    known = inspect.signature(function).parameters
    unknown = [f"--{_dashed(name)}" for name in given if name not in known]
    if unknown:
        raise UsageError(f"{what} does not take {', '.join(unknown)}. Leave it out.")
    return dict(given)


def _read(data: Path) -> pd.DataFrame:
    from implstats.ingest import read_frame

    return read_frame(data)


def _one_fit(
    text: str, data: Path | None, asked: Mapping[str, Any], given: Mapping[str, Any]
) -> tuple[SemResult, pd.DataFrame | None, dict[str, Any]]:
    """Return the fit, the persons if there are any, and the source for further fits of the same data."""
    from implstats import sem as library
    from implstats.sem.language.syntax import parse_model

    parse_model(text)  # a model that cannot be read is told before a large file is
    source: dict[str, Any] = {}
    if data is not None:
        source["data"] = _read(data)
    else:
        source = {"cov": read_matrix(asked["cov"], sd=asked["sd"]), "n": asked["n"]}
        if asked["means"] is not None:
            source["means"] = read_values(asked["means"])
    options = taken(library.fit, given, what="A model of one level")
    return library.fit(text, **source, **options), source.get("data"), source


def _refit(other: str, source: Mapping[str, Any], given: Mapping[str, Any]) -> SemResult:
    from implstats import sem as library

    return library.fit(read_model(other), **source, **given)


def _ladder(
    text: str, data: Path | None, asked: Mapping[str, Any], given: Mapping[str, Any]
) -> InvarianceLadder:
    from implstats import sem as library
    from implstats.cli.sem_waves import waves_of

    if data is None:
        raise UsageError("A ladder of invariance needs persons; give DATA instead of --cov.")
    options = {**given, "steps": asked["steps"], "method": asked["method"]}
    if "group_partial" in options:
        options["release"] = options.pop("group_partial")
    options = {name: value for name, value in options.items() if value is not None}
    if asked["waves"]:
        options = taken(library.longitudinal_invariance, options, what="A ladder over waves")
        factor, indicators = waves_of(text)
        return library.longitudinal_invariance(indicators, _read(data), factor=factor, **options)
    options = taken(library.invariance, options, what="A ladder across groups")
    return library.invariance(text, _read(data), **options)


def _two_level(
    text: str, data: Path | None, asked: Mapping[str, Any], given: Mapping[str, Any]
) -> TwoLevelResult:
    from implstats import sem as library

    more = [
        f"--{_dashed(name)}" for name in OF_ONE_FIT if asked[name] and name not in ("also", "monte_carlo")
    ]
    names = [request.partition("=")[0] for request in asked["also"]]
    more += [f"--also {name}" for name in names if name not in OF_TWO_LEVELS]
    if more:
        raise UsageError(f"A model with levels does not take {', '.join(more)}. Leave it out.")
    if data is None or asked["cluster"] is None:
        raise UsageError(
            "A model with levels needs DATA and --cluster, the column that tells clusters apart."
        )
    options = taken(library.fit_two_level, given, what="A model with levels")
    return library.fit_two_level(text, _read(data), **options)


def _finish(result: Any, more: dict[str, Any], below: str, *, as_json: bool, out: Path | None) -> None:
    """Write a result; end with status 1 and the reasons if it, or a step of it, failed.

    A fit that failed goes to the screen but into no file.
    """
    fits = [step.fit for step in result.steps] if hasattr(result, "steps") else [result]
    failed = [fit.reason for fit in fits if fit.verdict == "failed"]
    if out is None or len(failed) < len(fits):
        _write(result, more, below, as_json=as_json, out=out)
    for reason in dict.fromkeys(failed):
        click.echo(f"implstats: {reason}", err=True)
    if failed:
        sys.exit(1)


def _write(result: Any, more: dict[str, Any], below: str, *, as_json: bool, out: Path | None) -> None:
    if as_json:
        shown = json.dumps(plain(result.to_dict() | more), ensure_ascii=False, indent=2)
    else:
        shown = "\n\n".join([result.to_text(), *([below] if below else [])])
    if out is None:
        click.echo(shown)
        return
    from implstats.results.files import write_text

    write_text(out, shown + "\n")
