"""What else ``implstats sem`` can say of a fit: one name a question, one table an answer."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from implstats.cli.follow_ups import FollowUp
from implstats.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

    from implstats.results import Check
    from implstats.sem import SemResult


@dataclass(frozen=True, slots=True, kw_only=True)
class SemSettings:
    """What follow-ups share: the persons of the fit."""

    data: pd.DataFrame


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


def _score_tests(result: SemResult, _: str, __: SemSettings) -> list[Any]:
    import pandas as pd

    from implstats import sem

    found = sem.score_tests(result)
    total = {"released": "all", "statistic": found.statistic, "df": found.df, "p_value": found.p_value}
    return [Table(frame=pd.DataFrame([total]), checks=found.checks), Table(frame=found.frame)]


def _wald(result: SemResult, argument: str, _: SemSettings) -> list[Any]:
    from implstats import sem

    return [sem.wald_test(result, argument)]


FOLLOW_UPS = {
    "standardised": FollowUp("Standardised values with standard errors", "[all|lv]", _standardised),
    "modindices": FollowUp("Modification indices", "[MINIMUM]", _modindices),
    "residuals": FollowUp("Residuals", "[raw|cor.bentler|cor.bollen|normalized|standardized]", _residuals),
    "scores": FollowUp("Factor scores", "[regression|bartlett]", _scores),
    "reliability": FollowUp("Reliability of sum scores", "", _reliability),
    "score-tests": FollowUp("Score tests of equality constraints", "", _score_tests),
    "wald": FollowUp("Wald test", "HYPOTHESES", _wald),
}
