"""What a study says of a fitted structural equation model beyond its parameters: the bootstrap, as rows.

A follow-up that the model cannot bear costs a sentence, not the question.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from implstats.errors import ImplstatsError
from implstats.questions.mixed_follow_ups import FollowUps
from implstats.questions.sem_rows import quantity_of, term_of
from implstats.questions.tasks import SemTask
from implstats.results import Check

if TYPE_CHECKING:
    from implstats.sem import Bootstrap, BootstrapParameter, SemResult


def sem_follow_ups(task: SemTask, fit: SemResult) -> FollowUps:
    """Return everything that the question asks for beyond the fit."""
    if task.bootstrap is None or fit.verdict == "failed":
        return FollowUps()
    from implstats import sem

    try:
        found = sem.bootstrap(fit, **task.bootstrap)
    except ImplstatsError as error:
        return FollowUps(checks=(Check(name="bootstrap", status="warn", message=f"No bootstrap: {error}"),))
    return FollowUps(rows=tuple(_rows(found)), checks=(_said(found, task), *found.checks))


def _said(found: Bootstrap, task: SemTask) -> Check:
    """What was drawn: without it an interval cannot be reproduced."""
    asked = task.bootstrap or {}
    drawn = f"clusters of '{asked['cluster']}'" if "cluster" in asked else "persons"
    return Check(
        name="bootstrap", status="info",
        message=f"Bootstrap: {found.draws} samples of {drawn}, seed {asked['seed']}, {found.interval} "
        "intervals.",
    )  # fmt: skip


def _rows(found: Bootstrap) -> list[dict[str, Any]]:
    """Return a row for each parameter that varies, in the units of the data and standardised."""
    rows = [_row(p, found, quantity_of(p)) for p in found.parameters if p.std_error is not None]
    return rows + [_row(p, found, "std_all") for p in found.standardised if p.std_error is not None]


def _row(p: BootstrapParameter, found: Bootstrap, quantity: str) -> dict[str, Any]:
    fields = {
        "block": "bootstrap", "term": term_of(p), "level": p.group_label, "quantity": quantity,
        "estimate": p.estimate, "std_error": p.std_error, "conf_low": p.conf_low, "conf_high": p.conf_high,
        "conf_level": found.ci_level, "df_method": found.interval,
    }  # fmt: skip
    if p.conf_low is None:
        fields["reason"] = "the interval's limits lie beyond the replicates: take more draws"
    return fields
