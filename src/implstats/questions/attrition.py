"""Who leaves: participation by wave, and what tells leavers from stayers at the first wave.

A person takes part in a wave when at least one scale of the table has a score there: a row with nothing
but background variables is no answer. Leavers are those of the first wave who are not seen at the last.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from implstats.errors import DataError
from implstats.questions.base import Answer, NamedCheck, Scored, require_columns, wave_labels
from implstats.results import Check, Row, finite_or_none
from implstats.study.models import Attrition


def attrition_answer(question: Attrition, scored: Scored) -> Answer:
    """Return the rows of an attrition question (blocks ``participation`` and ``comparison``).

    Raises
    ------
    DataError
        When the table has no waves.
    """
    table = scored.table(question)
    if table.waves is None:
        raise DataError(f"Question '{question.name}' asks who leaves, but its table has no waves.")
    require_columns(scored.frame(question), question.variables, question=question.name)
    seen_by = [name for name, key in scored.keys.items() if key.table == scored.study.table_of(question)]
    rows = [*_participation(question, scored, seen_by), *_comparison(question, scored, seen_by)]
    counting = Check(
        name="participation",
        status="info",
        message="A person counts as taking part in a wave when at least one scale could be scored there; "
        "leavers are persons of the first wave who are not seen at the last.",
    )
    return Answer(rows=tuple(rows), checks=(NamedCheck(analysis=question.name, check=counting),))


def _participation(question: Attrition, scored: Scored, seen_by: list[str]) -> Iterator[Row]:
    from implstats import missing

    labels = wave_labels(scored.table(question))
    found = missing.participation(scored.frame(question), variables=seen_by or None, waves=list(labels))
    for record in found.to_dict("records"):
        common: dict[str, Any] = {
            "study": scored.study.study.name, "analysis": question.name, "block": "participation",
            "level": labels[record["wave"]],
        }  # fmt: skip
        for quantity in ("n_persons", "n_joined", "n_dropout", "n_intermittent"):
            yield _count(common, quantity, int(record[quantity]), scored.study.outputs.min_cell)
        few = 0 < record["n_of_first"] < scored.study.outputs.min_cell
        yield Row(
            **common, quantity="share_of_first", unit="share of first-wave persons", suppressed=few,
            estimate=None if few else finite_or_none(record["share_of_first"]),
            n_obs=None if few else int(record["n_of_first"]), reason="few persons" if few else "",
        )  # fmt: skip


def _count(common: dict[str, Any], quantity: str, count: int, min_cell: int) -> Row:
    """A number of persons; a small one could point at them, so it is withheld."""
    few = 0 < count < min_cell
    return Row(
        **common, quantity=quantity, estimate=None if few else float(count), unit="persons", suppressed=few,
        reason="few persons" if few else "",
    )  # fmt: skip


def _comparison(question: Attrition, scored: Scored, seen_by: list[str]) -> Iterator[Row]:
    if not question.variables:
        return
    from implstats import missing

    labels = wave_labels(scored.table(question))
    compared = missing.compare_leavers(
        scored.frame(question), question.variables, next(iter(labels)), seen_by=seen_by or None,
        waves=list(labels),
    )  # fmt: skip
    for item in compared:
        small = min(item.n_leavers, item.n_stayers) < scored.study.outputs.min_cell
        common: dict[str, Any] = {
            "study": scored.study.study.name, "analysis": question.name, "block": "comparison",
            "term": item.variable, "quantity": "standardised_difference", "unit": "standard deviations",
            "method": "Hedges g, Welch t", "suppressed": small,
        }  # fmt: skip
        if small:
            yield Row(**common, reason="few persons")
            continue
        yield Row(
            **common, estimate=finite_or_none(item.estimate), statistic=finite_or_none(item.statistic),
            df=finite_or_none(item.df), df_method="Welch", p_value=finite_or_none(item.p_value),
            conf_low=finite_or_none(item.conf_low), conf_high=finite_or_none(item.conf_high),
            conf_level=item.conf_level, n_obs=item.n_leavers + item.n_stayers, reason=item.reason,
        )  # fmt: skip
