"""May a cluster's mean stand for its members? ICC(1), ICC(2), F, eta and rwg(j) by level and wave."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from implstats.errors import DataError
from implstats.results import Row, finite_or_none

if TYPE_CHECKING:
    import pandas as pd

    from implstats.questions.describe import DescribedTable
    from implstats.study.keys import ScaleKey

OF_SCORES = ("icc2", "eta_between")
OF_ANSWERS = ("rwgj_mean", "rwgj_median", "rwgj_min", "rwgj_max", "share_rwgj_70")


def agreement_rows(described: DescribedTable) -> list[Row]:
    """Return the agreement of every scale within the clusters of each level asked for."""
    return [
        row
        for key in described.keys.values()
        for wave, frame in described.waves()
        for level in key.aggregate
        for row in _rows(described, key, wave, level, frame)
    ]


def _rows(
    described: DescribedTable, key: ScaleKey, wave: str, level: str, frame: pd.DataFrame
) -> Iterator[Row]:
    from implstats import scales

    common: dict[str, Any] = {
        "study": described.study, "analysis": "aggregation", "block": key.name, "term": wave, "level": level,
    }  # fmt: skip
    try:
        found = scales.analyse_scale(frame, key, cluster=level)
    except DataError as error:
        yield Row(**common, quantity="icc1", verdict="failed", reason=str(error))
        return
    # The analysis of variance takes everyone with a score and a cluster; rwg(j) needs every item answered and
    # a second person in the cluster. Each row carries the persons and clusters behind its own number.
    scored = int(frame[[key.name, level]].notna().all(axis=1).sum())
    of_scores: dict[str, Any] = {"n_obs": scored, "n_clusters": found.n_clusters}
    of_answers: dict[str, Any] = {"n_obs": sum(c.n for c in found.rwgj), "n_clusters": len(found.rwgj)}
    yield Row(
        **common, **of_scores, quantity="icc1", estimate=finite_or_none(found.icc1),
        statistic=finite_or_none(found.f_statistic), df=finite_or_none(found.f_df2),
        df_method=f"F on {found.f_df1} and {found.f_df2} df", p_value=finite_or_none(found.f_p_value),
        reason=found.reasons.get("icc1", ""),
    )  # fmt: skip
    for quantity in (*OF_SCORES, *OF_ANSWERS):
        behind = of_scores if quantity in OF_SCORES else of_answers
        value = finite_or_none(getattr(found, quantity))
        yield Row(
            **common, **behind, quantity=quantity, estimate=value, reason=found.reasons.get(quantity, "")
        )
