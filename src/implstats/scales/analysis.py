"""From a frame to the reliability, the items and the agreement of a scale: who hands what to whom.

The arithmetic is in :mod:`~implstats.scales.reliability`, :mod:`~implstats.scales.one_factor` and
:mod:`~implstats.scales.agreement`; here it is decided which numbers exist and why others do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import TYPE_CHECKING

import numpy as np

from implstats.errors import DataError, UsageError, did_you_mean
from implstats.results.checks import Check
from implstats.scales.agreement_findings import agreement_of
from implstats.scales.items import expand_items, name_problems, value_matrix
from implstats.scales.reliability_findings import reliability_of
from implstats.scales.results import Agreement, Reliability, ScaleResult
from implstats.scales.scoring import Key, prorated, reverse_items, score_answers

if TYPE_CHECKING:
    import pandas as pd

NO_CLUSTER = "no cluster was given"


def analyse(
    data: pd.DataFrame,
    *,
    items: Sequence[str] | str,
    reverse: Sequence[str] | str = (),
    minimum: float | None = None,
    maximum: float | None = None,
    cluster: str | None = None,
    scores: np.ndarray | None = None,
    ci_level: float = 0.95,
) -> ScaleResult:
    """Return reliability, item analysis and, with a cluster, the agreement of one scale.

    Parameters
    ----------
    data : DataFrame
        One row a person; not changed.
    items : sequence of str, or str with commas
        Item columns; ``first:last`` stands for the columns from first to last in the data's order.
    reverse : sequence of str, or str with commas
        Items to turn round (minimum + maximum - answer).
    minimum, maximum : float, optional
        Lowest and highest possible answer. Needed for floor, ceiling and rwg(j).
    cluster : str, optional
        Column that tells clusters apart.
    scores : ndarray, shape (n,), optional
        The scale's scores, for the analysis of variance by cluster; the mean of the items for persons with at
        least half of the answers when left out.
    ci_level : float
        Level of alpha's interval, between 0 and 1.

    Raises
    ------
    UsageError
        For unknown or repeated columns and impossible settings, all at once.
    DataError
        For text columns and answers outside the range, all at once.

    Examples
    --------
    >>> import pandas as pd
    >>> data = pd.DataFrame({"a": [1, 2, 4, 5], "b": [2, 2, 5, 4], "c": [1, 3, 4, 4]})
    >>> round(analyse(data, items=["a", "b", "c"], minimum=1, maximum=5).alpha, 3)
    0.938
    """
    columns = [str(column) for column in data.columns]
    names = expand_items(_listed(items), columns)
    turned = frozenset(expand_items(_listed(reverse), columns))
    _check_request(data, names, turned, minimum, maximum, cluster, scores, ci_level)
    raw, problems = value_matrix(data, names, minimum=minimum, maximum=maximum)
    if problems:
        raise DataError("The items cannot be used:\n" + "\n".join(f"  {line}" for line in problems))
    answers, note = _turned_round(raw, names, turned, minimum, maximum)
    reliability = reliability_of(answers, names, minimum=minimum, maximum=maximum, ci_level=ci_level)
    agreement = None
    if cluster is not None:
        if scores is None:
            scores = prorated(answers, rule="mean", min_valid=(len(names) + 1) // 2)
        agreement = agreement_of(scores, answers, data[cluster], minimum=minimum, maximum=maximum)
    return _together(reliability, agreement, notes=note)


def analyse_scale(
    data: pd.DataFrame, key: Key, *, cluster: str | None = None, ci_level: float = 0.95
) -> ScaleResult:
    """Return :func:`analyse` of a scale by its key; agreement is that of the key's own scores.

    Items reversed for the total only are turned round, because it is the total that is analysed.
    """
    raw, problems = value_matrix(data, key.items, minimum=key.minimum, maximum=key.maximum)
    if problems:
        raise DataError(f"Scale {key.name} cannot be analysed:\n" + "\n".join(f"  {p}" for p in problems))
    return analyse(
        data,
        items=key.items,
        reverse=tuple(key.reverse | key.reverse_total),
        minimum=key.minimum,
        maximum=key.maximum,
        cluster=cluster,
        scores=score_answers(raw, key)[key.name],
        ci_level=ci_level,
    )


def _listed(names: Sequence[str] | str) -> list[str]:
    if isinstance(names, str):
        return [name.strip() for name in names.split(",") if name.strip()]
    return [str(name) for name in names]


def _check_request(
    data: pd.DataFrame,
    names: list[str],
    turned: frozenset[str],
    minimum: float | None,
    maximum: float | None,
    cluster: str | None,
    scores: np.ndarray | None,
    ci_level: float,
) -> None:
    """Raise a UsageError with everything that is wrong with the request itself."""
    problems = name_problems(data, names) if names else ["no items are given"]
    problems += [
        f"reverse: '{item}' is not one of the items{did_you_mean(item, names)}"
        for item in sorted(turned - set(names))
    ]
    if (minimum is None) != (maximum is None):
        problems.append("give both minimum and maximum, or neither")
    elif minimum is not None and maximum is not None and not -np.inf < minimum < maximum < np.inf:
        problems.append(f"minimum ({minimum:g}) should be below maximum ({maximum:g}), both finite")
    if cluster is not None and cluster not in data.columns:
        hint = did_you_mean(cluster, [str(column) for column in data.columns])
        problems.append(f"cluster: there is no column '{cluster}'{hint}")
    elif cluster in names:
        problems.append(f"cluster: '{cluster}' is also listed as an item")
    elif cluster is not None and list(data.columns).count(cluster) > 1:
        problems.append(f"cluster: the data have several columns called '{cluster}'; rename all but one")
    if scores is not None and np.shape(scores) != (len(data),):
        problems.append(f"scores: should have one value a row ({len(data)}), has shape {np.shape(scores)}")
    if not 0 < ci_level < 1:
        problems.append(f"ci_level should be between 0 and 1, such as 0.95 (got {ci_level:g})")
    if problems:
        raise UsageError("The scale cannot be analysed:\n" + "\n".join(f"  {line}" for line in problems))


def _turned_round(
    raw: np.ndarray,
    names: list[str],
    turned: frozenset[str],
    minimum: float | None,
    maximum: float | None,
) -> tuple[np.ndarray, tuple[Check, ...]]:
    """Return the answers with reversed items turned round, about the observed range if none is given."""
    if not turned or np.isnan(raw).all():
        return raw, ()
    note: tuple[Check, ...] = ()
    if minimum is None or maximum is None:
        minimum, maximum = float(np.nanmin(raw)), float(np.nanmax(raw))
        note = (
            Check(
                name="reverse_range",
                status="warn",
                message="No range of answers was given, so reversed items were turned round within the "
                f"answers found ({minimum:g} to {maximum:g}). Alpha, omega and correlations do not depend "
                "on it, the means of reversed items do: give minimum and maximum.",
            ),
        )
    return reverse_items(raw, items=names, reverse=turned, minimum=minimum, maximum=maximum), note


def _together(
    reliability: Reliability, agreement: Agreement | None, *, notes: tuple[Check, ...]
) -> ScaleResult:
    """Return one record of both; agreement's numbers are None with a reason when there is no cluster."""
    shared = {field.name: getattr(reliability, field.name) for field in fields(Reliability)}
    wanted = [f.name for f in fields(ScaleResult) if f.name not in shared]
    if agreement is None:
        numbers: dict = dict.fromkeys(wanted) | {"rwgj": ()}
        reasons = dict.fromkeys((name for name in wanted if name != "rwgj"), NO_CLUSTER)
        checks: tuple[Check, ...] = ()
    else:
        numbers = {name: getattr(agreement, name) for name in wanted}
        reasons, checks = agreement.reasons, agreement.checks
    shared["reasons"] = reliability.reasons | reasons
    shared["checks"] = notes + reliability.checks + checks
    return ScaleResult(**shared, **numbers)
