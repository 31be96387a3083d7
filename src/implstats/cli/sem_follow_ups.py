"""What else ``implstats sem`` can say of a fit: one name a question, one table an answer.

``FOLLOW_UPS`` are the names of ``--also``; ``WITH_OPTIONS`` have options of their own (``--bootstrap N``).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import click

from implstats.cli.follow_ups import FollowUp
from implstats.errors import ModelError, UsageError

if TYPE_CHECKING:
    import pandas as pd

    from implstats.results import Check
    from implstats.sem import SemResult, TwoLevelResult


BOLLEN_STINE_DRAWS = 1000
MONTE_CARLO_DRAWS = 20000


@dataclass(frozen=True, slots=True, kw_only=True)
class SemSettings:
    """What follow-ups share: the persons of the fit, what is drawn, and how to fit another model to them."""

    data: pd.DataFrame | None
    seed: int
    interval: str
    draws: int | None
    method: str | None
    cluster: str | None
    refit: Callable[[str], SemResult]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table that is no record of its own."""

    frame: pd.DataFrame
    checks: tuple[Check, ...] = ()


def _standardised(result: SemResult, argument: str, _: SemSettings) -> list[Any]:
    from implstats import sem

    return [sem.standardised(result, argument or "all")]  # type: ignore[arg-type]


def _modindices(result: SemResult, argument: str, _: SemSettings) -> list[Any]:
    from implstats import sem

    try:
        minimum = float(argument) if argument else None
    except ValueError:
        raise UsageError(f"--also modindices={argument}: the smallest index should be a number.") from None
    return [sem.modification_indices(result, minimum)]


def _residuals(result: SemResult, argument: str, _: SemSettings) -> list[Any]:
    import pandas as pd

    from implstats import sem

    found = sem.residuals(result, argument or "cor.bollen")  # type: ignore[arg-type]
    sizes = [asdict(summary) for summary in found.summaries]
    return [found, *([Table(frame=pd.DataFrame(sizes))] if sizes else [])]


def _scores(result: SemResult, argument: str, settings: SemSettings) -> list[Any]:
    import pandas as pd

    from implstats import sem

    if settings.data is None:
        raise UsageError("--also scores needs persons; give DATA instead of --cov.")
    found = sem.factor_scores(result, settings.data, method=argument or "regression")  # type: ignore[arg-type]
    table = found.frame.rename_axis("row").reset_index()
    return [
        Table(frame=pd.DataFrame([asdict(d) for d in found.determinacy]), checks=found.checks),
        Table(frame=table),
    ]


def _reliability(result: SemResult, _: str, __: SemSettings) -> list[Any]:
    import pandas as pd

    from implstats import sem

    found = sem.reliability(result)
    pairs = pd.DataFrame(found.htmt, columns=["group", "factor", "other", "htmt"])
    return [found, *([Table(frame=pairs)] if len(pairs) else [])]


def _of_both_levels(result: TwoLevelResult, _: str, __: SemSettings) -> list[Any]:
    from implstats import sem

    return [sem.multilevel_reliability(result)]


def _score_tests(result: SemResult, _: str, __: SemSettings) -> list[Any]:
    import pandas as pd

    from implstats import sem

    found = sem.score_tests(result)
    total = {"released": "all", "statistic": found.statistic, "df": found.df, "p_value": found.p_value}
    return [Table(frame=pd.DataFrame([total]), checks=found.checks), Table(frame=found.frame)]


def _wald(result: SemResult, argument: str, _: SemSettings) -> list[Any]:
    from implstats import sem

    return [sem.wald_test(result, argument)]


def _say(message: str) -> None:
    """Tell how far a long computation is, to people at a terminal only."""
    if sys.stderr.isatty():
        click.echo(message, err=True)


def _bootstrap(result: SemResult, argument: str, settings: SemSettings) -> list[Any]:
    from implstats import sem

    more: dict[str, Any] = {}
    if settings.cluster is not None:
        more = {"cluster": settings.cluster, "data": settings.data}
    found = sem.bootstrap(
        result,
        draws=int(argument),
        seed=settings.seed,
        interval=settings.interval,  # type: ignore[arg-type]
        progress=_say,
        **more,
    )
    return [Table(frame=found.frame, checks=found.checks)]


def _bollen_stine(result: SemResult, _: str, settings: SemSettings) -> list[Any]:
    import pandas as pd

    from implstats import sem

    found = sem.bollen_stine(result, draws=settings.draws or BOLLEN_STINE_DRAWS, seed=settings.seed)
    row = {name: getattr(found, name) for name in ("chisq", "df", "p_value", "mean", "critical", "draws",
                                                   "n_failed", "n_improper")}  # fmt: skip
    return [Table(frame=pd.DataFrame([row]), checks=found.checks)]


def _monte_carlo(result: SemResult, _: str, settings: SemSettings) -> list[Any]:
    from implstats import sem

    return [sem.monte_carlo(result, draws=settings.draws or MONTE_CARLO_DRAWS, seed=settings.seed)]


def _compare(result: SemResult, argument: str, settings: SemSettings) -> list[Any]:
    import pandas as pd

    from implstats import sem

    other = settings.refit(argument)
    if other.verdict == "failed":
        raise ModelError(f"The model to compare with failed: {other.reason}")
    models = [{"model": name, "verdict": fit.verdict, **_sizes(fit)} for name, fit in
              (("MODEL", result), ("MODEL2", other))]  # fmt: skip
    test = {name: value for name, value in asdict(sem.compare(result, other, method=settings.method)).items()
            if value is not None and value != ""}  # fmt: skip
    return [Table(frame=pd.DataFrame([test])), Table(frame=pd.DataFrame(models), checks=other.checks)]


def _sizes(fit: SemResult) -> dict[str, float | None]:
    """The fit of one model beside another: scaled or robust where the estimator has it."""
    found: dict[str, float | None] = {}
    for name in ("chisq", "df", "pvalue", "cfi", "rmsea", "srmr", "aic", "bic"):
        kinds = (fit.fit.get(f"{name}{ending}") for ending in (".robust", ".scaled", ""))
        found[name] = next((value for value in kinds if value is not None), None)
    return found


FOLLOW_UPS = {
    "standardised": FollowUp("Standardised values with standard errors", "[all|lv|nox]", _standardised),
    "modindices": FollowUp("Modification indices", "[MINIMUM]", _modindices),
    "residuals": FollowUp("Residuals", "[raw|cor.bentler|cor.bollen|normalized|standardized]", _residuals),
    "scores": FollowUp("Factor scores", "[regression|bartlett|ebm|ml]", _scores),
    "reliability": FollowUp("Reliability of sum scores", "", _reliability),
    "score-tests": FollowUp("Score tests of equality constraints", "", _score_tests),
    "wald": FollowUp("Wald test", "HYPOTHESES", _wald),
}
WITH_OPTIONS = {
    "compare": FollowUp("Difference test", "MODEL2", _compare),
    "bootstrap": FollowUp("Bootstrap", "N", _bootstrap),
    "bollen-stine": FollowUp("Bollen-Stine test", "", _bollen_stine),
    "monte-carlo": FollowUp("Monte Carlo intervals", "", _monte_carlo),
}
# What follows from a model with levels.
OF_TWO_LEVELS = {
    "standardised": FOLLOW_UPS["standardised"],
    "reliability": FollowUp(
        "Reliability within clusters, of cluster means and of scores", "", _of_both_levels
    ),
    "monte-carlo": WITH_OPTIONS["monte-carlo"],
}


def all_follow_ups() -> dict[str, FollowUp]:
    """Return both catalogues as one."""
    return FOLLOW_UPS | WITH_OPTIONS


def requests_of(asked: Mapping[str, Any]) -> list[str]:
    """Return everything asked for, ``--also`` and options alike, as requests ``name=argument``.

    >>> requests_of({"also": ("residuals",), "compare": (), "bootstrap": 500, "bollen_stine": None,
    ...     "monte_carlo": True})
    ['residuals', 'bootstrap=500', 'monte-carlo']
    """
    found = [*asked["also"], *(f"compare={model}" for model in asked["compare"])]
    if asked["bootstrap"]:
        found.append(f"bootstrap={asked['bootstrap']}")
    found += ["bollen-stine"] if asked["bollen_stine"] else []
    return [*found, *(["monte-carlo"] if asked["monte_carlo"] else [])]
