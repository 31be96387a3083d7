"""Scales: mean and SD, reliability by wave, and what each item adds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from implstats.errors import DataError
from implstats.questions.base import Answer, NamedCheck
from implstats.questions.means import describe_mean
from implstats.results import Check, Row, finite_or_none

if TYPE_CHECKING:
    import pandas as pd

    from implstats.questions.describe import DescribedTable
    from implstats.scales import ScaleResult
    from implstats.study.keys import ScaleKey

CI_LEVEL = 0.95
ITEM_QUANTITIES = ("item_mean", "item_sd", "item_rest_correlation", "alpha_if_dropped")


def scale_answer(described: DescribedTable) -> Answer:
    """Return the description, reliability and item analysis of every scale of a table."""
    rows: list[Row] = []
    checks: list[NamedCheck] = []
    shares: list[float] = []
    for key in described.keys.values():
        if not key.verified:
            checks.append(NamedCheck(analysis="scales", check=_unverified(key)))
        for wave, frame in described.waves():
            rows += _description(described, key, wave, frame)
            try:
                found = _reliability(key, frame)
            except DataError as error:
                rows.append(_failed(described, key, wave, str(error)))
                continue
            rows += _reliability_rows(described, key, wave, found)
            shares.append(found.n_obs / found.n_rows if found.n_rows else 0.0)
            told = [c for c in found.checks if c.name != "complete_cases"]
            checks += [NamedCheck(analysis="scales", check=_placed(c, key, wave)) for c in told]
        rows += _item_rows(described, key)
    if shares and min(shares) < 1:
        checks.append(NamedCheck(analysis="scales", check=_complete_cases(described, shares)))
    return Answer(rows=tuple(rows), checks=tuple(checks))


def _complete_cases(described: DescribedTable, shares: list[float]) -> Check:
    """One sentence for all scales and waves: how many persons answered every item."""
    label = described.table.label or described.name
    return Check(
        name="complete_cases",
        status="info",
        message=f"{label}: alpha, omega and item-rest correlations rest on persons who answered every item "
        f"of a scale, between {100 * min(shares):.0f} % and {100 * max(shares):.0f} % by scale and wave; "
        "means and scores use everyone with enough answers.",
    )


def _unverified(key: ScaleKey) -> Check:
    source = f" ({key.citation})" if key.citation else ""
    return Check(
        name="scoring_key",
        status="warn",
        message=f"Nobody has checked the scoring key of '{key.label}' against its source{source}; "
        "check item numbers and reversed items before quoting a score.",
    )


def _placed(check: Check, key: ScaleKey, wave: str) -> Check:
    place = f"{key.label}, {wave}: " if wave else f"{key.label}: "
    return Check(name=check.name, status=check.status, message=place + check.message)


def _reliability(key: ScaleKey, frame: pd.DataFrame) -> ScaleResult:
    from implstats import scales

    return scales.analyse_scale(frame, key, ci_level=CI_LEVEL)


def _description(described: DescribedTable, key: ScaleKey, wave: str, frame: pd.DataFrame) -> Iterator[Row]:
    found = describe_mean(frame[key.name].to_numpy(dtype=float), ci_level=CI_LEVEL)
    small = found.n < described.min_cell
    common: dict[str, Any] = {
        "study": described.study, "analysis": "scales", "block": "description", "term": key.name,
        "level": wave, "unit": "scale points", "method": key.score, "suppressed": small,
        "n_obs": None if small else found.n, "reason": "few persons" if small else "",
    }  # fmt: skip
    if small:
        yield Row(**common, quantity="mean")
        return
    yield Row(
        **common, quantity="mean", estimate=found.mean, std_error=found.std_error, conf_low=found.conf_low,
        conf_high=found.conf_high, conf_level=CI_LEVEL,
    )  # fmt: skip
    yield Row(**common, quantity="sd", estimate=found.sd)


def _failed(described: DescribedTable, key: ScaleKey, wave: str, message: str) -> Row:
    return Row(
        study=described.study, analysis="scales", block="reliability", term=key.name, level=wave,
        quantity="alpha", verdict="failed", reason=message,
    )  # fmt: skip


def _reliability_rows(
    described: DescribedTable, key: ScaleKey, wave: str, found: ScaleResult
) -> Iterator[Row]:
    common: dict[str, Any] = {
        "study": described.study, "analysis": "scales", "block": "reliability", "term": key.name,
        "level": wave,
    }  # fmt: skip
    if 0 < found.n_obs < described.min_cell:
        for quantity in ("alpha", "omega_total"):
            yield Row(**common, quantity=quantity, suppressed=True, reason="few persons")
        return
    common["n_obs"] = found.n_obs
    yield Row(
        **common, quantity="alpha", estimate=finite_or_none(found.alpha),
        conf_low=finite_or_none(found.alpha_low), conf_high=finite_or_none(found.alpha_high),
        conf_level=CI_LEVEL, method="Feldt", reason=found.reasons.get("alpha", ""),
    )  # fmt: skip
    yield Row(
        **common, quantity="omega_total", estimate=finite_or_none(found.omega_total),
        method="one-factor ML", reason=found.reasons.get("omega_total", ""),
    )  # fmt: skip


def _item_rows(described: DescribedTable, key: ScaleKey) -> Iterator[Row]:
    """Item analysis over all rows of the table: with waves, all waves together."""
    try:
        found = _reliability(key, described.frame)
    except DataError:
        return  # already told by the reliability of each wave
    pooled = "all waves together" if described.table.waves is not None else ""
    for item in found.items:
        common: dict[str, Any] = {
            "study": described.study, "analysis": "scales", "block": "items", "term": item.item,
            "level": key.name,
        }  # fmt: skip
        if 0 < item.n < described.min_cell:
            for quantity in ITEM_QUANTITIES:
                yield Row(**common, quantity=quantity, suppressed=True, reason="few persons")
            continue
        common |= {"n_obs": item.n, "reason": pooled}
        yield Row(**common, quantity="item_mean", estimate=finite_or_none(item.mean))
        yield Row(**common, quantity="item_sd", estimate=finite_or_none(item.sd))
        yield Row(
            **common, quantity="item_rest_correlation", estimate=finite_or_none(item.item_rest_correlation)
        )
        yield Row(**common, quantity="alpha_if_dropped", estimate=finite_or_none(item.alpha_if_dropped))
