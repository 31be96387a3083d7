"""Reliability of a scale: which numbers exist, why others do not, and what a reader should hear."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from implstats.results.checks import Check
from implstats.results.rows import finite_or_none
from implstats.scales.one_factor import fit_one_factor, is_positive_definite, omega_total
from implstats.scales.reliability import (
    alpha_if_dropped,
    complete_rows,
    covariance,
    cronbach_alpha,
    feldt_interval,
    item_moments,
    item_rest_correlations,
    standardised_alpha,
)
from implstats.scales.results import ItemResult, Reliability


def reliability_of(
    answers: np.ndarray,
    items: Sequence[str],
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    ci_level: float = 0.95,
) -> Reliability:
    """Return the reliability of (n, k) answers, reversed items already turned round, NaN for missing.

    >>> reliability_of(np.array([[1.0], [2.0]]), ["a"]).reasons["alpha"]
    'reliability needs at least two items'
    """
    n, k = answers.shape
    complete = complete_rows(answers)
    reasons: dict[str, str] = {}
    checks: list[Check] = _checks_of_answers(answers, items, len(complete))
    rest = dropped = np.full(k, np.nan)
    numbers: dict[str, float | None] = dict.fromkeys(
        ("alpha", "alpha_low", "alpha_high", "alpha_standardised", "omega_total")
    )
    why_not = _why_no_covariance(complete, k)
    if why_not:
        reasons.update(dict.fromkeys(numbers, why_not))
    else:
        S = covariance(complete)
        rest, dropped = item_rest_correlations(S), alpha_if_dropped(S)
        numbers.update(_alphas(S, len(complete), ci_level, reasons))
        numbers["omega_total"] = _omega(S, items, reasons)
        checks += _checks_of_direction(numbers["alpha"], rest, items)
    moments = item_moments(answers, minimum=minimum, maximum=maximum)
    results = tuple(
        ItemResult(
            item=item, n=int(moments.n[j]), mean=finite_or_none(moments.mean[j]),
            sd=finite_or_none(moments.sd[j]), share_missing=float(moments.share_missing[j]),
            item_rest_correlation=finite_or_none(rest[j]), alpha_if_dropped=finite_or_none(dropped[j]),
            floor=finite_or_none(moments.floor[j]), ceiling=finite_or_none(moments.ceiling[j]),
        )
        for j, item in enumerate(items)
    )  # fmt: skip
    _reasons_of_items(results, why_not, k, minimum is None or maximum is None, reasons)
    return Reliability(
        n_rows=n, n_obs=len(complete), n_items=k, ci_level=ci_level, items=results, reasons=reasons,
        checks=tuple(checks), alpha=numbers["alpha"], alpha_low=numbers["alpha_low"],
        alpha_high=numbers["alpha_high"], alpha_standardised=numbers["alpha_standardised"],
        omega_total=numbers["omega_total"],
    )  # fmt: skip


def _why_no_covariance(complete: np.ndarray, k: int) -> str:
    if k < 2:
        return "reliability needs at least two items"
    if len(complete) < 2:
        return f"{len(complete)} person(s) answered every item; at least 2 are needed"
    if (np.ptp(complete, axis=0) == 0).all():
        return "every item is constant, so there is no variance to explain"
    if np.ptp(complete.sum(axis=1)) == 0:
        return "every person has the same sum of items, so there is no variance to explain"
    return ""


def _alphas(S: np.ndarray, n: int, ci_level: float, reasons: dict[str, str]) -> dict[str, float | None]:
    alpha = cronbach_alpha(S)
    low, high = feldt_interval(alpha, n=n, k=len(S), ci_level=ci_level)
    standardised = finite_or_none(standardised_alpha(S))
    if standardised is None:
        reasons["alpha_standardised"] = "a constant item cannot be standardised"
    return {"alpha": alpha, "alpha_low": low, "alpha_high": high, "alpha_standardised": standardised}


def _omega(S: np.ndarray, items: Sequence[str], reasons: dict[str, str]) -> float | None:
    """Return omega total, or None with the reason noted."""
    reason = _why_no_factor(S)
    if not reason:
        model = fit_one_factor(S)
        below = [item for item, psi in zip(items, model.residual_variances, strict=True) if psi <= 0]
        if not model.converged:
            reason = "the one-factor model did not converge; the items may not share one factor"
        elif below:
            reason = (
                f"the one-factor model has a residual variance that is not positive ({', '.join(below)}), "
                "so its loadings cannot be trusted"
            )
        else:
            return omega_total(model.loadings, model.residual_variances)
    reasons["omega_total"] = reason
    return None


def _why_no_factor(S: np.ndarray) -> str:
    if len(S) < 3:
        return "a one-factor model of two items is not identified; omega needs at least three items"
    if not is_positive_definite(S):
        return (
            "the covariance matrix of the items is singular: an item is constant or a sum of others, or "
            "there are too few persons with every item answered"
        )
    return ""


def _reasons_of_items(
    results: Sequence[ItemResult], why_not: str, k: int, no_range: bool, reasons: dict[str, str]
) -> None:
    if any(result.item_rest_correlation is None for result in results):
        constant = [result.item for result in results if result.item_rest_correlation is None]
        reasons["item_rest_correlation"] = why_not or (
            f"the item or the sum of the others is constant: {', '.join(constant)}"
        )
    if any(result.alpha_if_dropped is None for result in results):
        fewer = (
            "alpha without an item needs at least three items" if k < 3 else "the other items are constant"
        )
        reasons["alpha_if_dropped"] = why_not or fewer
    if no_range:
        reasons["floor"] = reasons["ceiling"] = "the range of an answer was not given"


def _checks_of_answers(answers: np.ndarray, items: Sequence[str], n_complete: int) -> list[Check]:
    checks = []
    n = len(answers)
    if n_complete < n:
        checks.append(Check(
            name="complete_cases", status="info",
            message=f"{n_complete} of {n} persons answered every item; alpha, omega and item-rest "
                    "correlations are theirs, item means are of all answers given.",
        ))  # fmt: skip
    valid = ~np.isnan(answers)
    low, high = (fill.T for fill in (np.where(valid, answers, np.inf), np.where(valid, answers, -np.inf)))
    constant = [item for item, a, b in zip(items, low, high, strict=True) if a.min(initial=np.inf) == b.max(initial=-np.inf)]  # noqa: E501  # fmt: skip
    empty = [item for item, column in zip(items, valid.T, strict=True) if not column.any()]
    if constant:
        checks.append(Check(
            name="constant_item", status="warn",
            message=f"Every person gave the same answer to {', '.join(constant)}: such an item tells persons "
                    "not apart. See whether it was read correctly, or leave it out.",
        ))  # fmt: skip
    if empty:
        checks.append(Check(
            name="empty_item", status="warn",
            message=f"Nobody answered {', '.join(empty)}. Leave it out, or correct the column.",
        ))  # fmt: skip
    return checks


def _checks_of_direction(alpha: float | None, rest: np.ndarray, items: Sequence[str]) -> list[Check]:
    against = [item for item, r in zip(items, rest, strict=True) if r < 0]
    if alpha is not None and alpha < 0:
        named = f" ({', '.join(against)})" if against else ""
        return [Check(
            name="negative_alpha", status="warn",
            message="Alpha is negative: items work against each other. Is an item reverse-keyed? Look at the "
                    f"items with a negative item-rest correlation{named}.",
        )]  # fmt: skip
    if against:
        return [Check(
            name="item_direction", status="warn",
            message=f"Negative item-rest correlation: {', '.join(against)}. Is the item reverse-keyed, or "
                    "was it turned round already?",
        )]  # fmt: skip
    return []
