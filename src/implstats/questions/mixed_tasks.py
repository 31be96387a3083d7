"""How the questions about change, predictors and context become mixed models.

null model      y ~ 1                                  + (1 | level) for each level
growth          y ~ time [+ time^2 | wave] + x + time:m + (1 [+ time] | level)
within-between  y ~ x_within + x_<cluster> + z          + (1 [+ x_within] | cluster)
contextual      y ~ x + x_<cluster> + z                 + (1 [+ x] | cluster)

``x_within`` is the deviation from the cluster's mean and ``x_<cluster>`` the cluster's mean, taken over every
person (and wave) of the cluster who has a value, whether or not the outcome is known. In the contextual
coding the coefficient of the mean is between minus within (Raudenbush & Bryk 2002, ch. 5).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from implstats.questions.base import Entry, Scored, require_columns, wave_labels
from implstats.questions.tasks import MixedTask
from implstats.study.models import Contextual, Growth, Mixed, MixedQuestion, NullModel

if TYPE_CHECKING:
    import pandas as pd


def mixed_task(question: MixedQuestion, scored: Scored) -> MixedTask:
    """Return the model that answers a question about levels, change or predictors."""
    frame = _rows_of(question, scored)
    entries: list[Entry] = []
    if isinstance(question, NullModel):
        formula = _null_formula(question, scored)
    elif isinstance(question, Growth):
        frame, formula, entries = _growth(question, scored, frame)
    elif isinstance(question, Contextual):
        frame, formula, entries = _contextual(question, scored, frame)
    elif isinstance(question, Mixed):
        formula = question.formula
    else:  # pragma: no cover - the discriminated union holds no other kind
        raise AssertionError(type(question).__name__)
    return MixedTask(
        analysis=question.name,
        formula=formula,
        frame=frame,
        options=_options(question),
        outcome_label=_label(scored, formula.split("~")[0].strip()),
        persons_repeat="person" in frame and bool(frame["person"].duplicated().any()),
        marginal_means=tuple(question.marginal_means), contrasts=question.contrasts, adjust=question.adjust,
        entries=tuple(entries),
    )  # fmt: skip


def _options(question: MixedQuestion) -> dict[str, Any]:
    """Return the options of the fit; REML is a matter of Gaussian models only."""
    shared = ("df", "ci_level", "robust", "few_clusters")
    options: dict[str, Any] = {name: getattr(question, name) for name in shared}
    if not isinstance(question, Mixed):
        return options | {"reml": question.reml}
    own = ("family", "link", "agq", "weights", "offset", "residual")
    options |= {name: getattr(question, name) for name in own}
    return options | ({"reml": question.reml} if question.family == "gaussian" else {})


def levels_of(question: MixedQuestion, scored: Scored) -> list[str]:
    """Return the levels with a random intercept: those named, or every level that repeats.

    ``person`` is a level when the table has waves.
    """
    if question.clusters is not None:
        return list(question.clusters)
    table = scored.table(question)
    person = ["person"] if table.waves is not None else []
    return person + [cluster.name for cluster in table.clusters]


def within_between(frame: pd.DataFrame, name: str, cluster: str) -> tuple[pd.Series, pd.Series]:
    """Return a predictor's deviations from its cluster's mean and that mean, both (n,), in its own unit."""
    mean = frame.groupby(cluster, observed=True)[name].transform("mean")
    return frame[name] - mean, mean


def _rows_of(question: MixedQuestion, scored: Scored) -> pd.DataFrame:
    frame = scored.frame(question)
    if question.waves is not None and "wave" in frame:
        frame = frame[frame["wave"].isin(question.waves)]
    return frame.copy()


def _random_intercepts(levels: Sequence[str]) -> list[str]:
    return [f"(1 | {level})" for level in levels]


def _null_formula(question: NullModel, scored: Scored) -> str:
    require_columns(scored.frame(question), [question.outcome], question=question.name)
    return f"{question.outcome} ~ 1 + " + " + ".join(_random_intercepts(levels_of(question, scored)))


def _growth(question: Growth, scored: Scored, frame: pd.DataFrame) -> tuple[pd.DataFrame, str, list[Entry]]:
    names = [question.outcome, *question.predictors, *question.moderators]
    require_columns(frame, names, question=question.name)
    if question.shape == "waves":
        frame["wave"] = _wave_category(frame["wave"], wave_labels(scored.table(question)))
    time = {"linear": ["time"], "quadratic": ["time", "I(time**2)"], "waves": ["wave"]}[question.shape]
    predictors = list(dict.fromkeys([*question.predictors, *question.moderators]))
    change = "wave" if question.shape == "waves" else "time"
    moderated = [f"{change}:{name}" for name in question.moderators]
    random = [
        f"(1 + time | {level})" if level in question.random_slope else f"(1 | {level})"
        for level in levels_of(question, scored)
    ]
    waves = scored.table(question).waves
    unit = [Entry(kind="time_unit", name=question.name, label=waves.unit)] if waves is not None else []
    return frame, f"{question.outcome} ~ " + " + ".join([*time, *predictors, *moderated, *random]), unit


def _wave_category(wave: pd.Series, labels: dict[int | str, str]) -> pd.Series:
    """Return waves as an ordered set of labels; the first declared wave that occurs is the reference."""
    import pandas as pd

    present = [labels[value] for value in labels if (wave == value).any()]
    return pd.Series(pd.Categorical(wave.map(labels), categories=present), index=wave.index)


def _contextual(
    question: Contextual, scored: Scored, frame: pd.DataFrame
) -> tuple[pd.DataFrame, str, list[Entry]]:
    names = [question.outcome, question.cluster, *question.predictors, *question.covariates]
    require_columns(frame, names, question=question.name)
    fixed: list[str] = []
    entries: list[Entry] = []
    slopes: list[str] = []
    for name in question.predictors:
        within, between = within_between(frame, name, question.cluster)
        label = _label(scored, name)
        mean_name = f"{name}_{question.cluster}"
        frame[mean_name] = between
        entries.append(Entry(kind="variable", name=mean_name, label=f"{label} ({question.cluster} mean)"))
        own_name = name
        if question.coding == "within_between":
            own_name = f"{name}_within"
            frame[own_name] = within
            entries.append(
                Entry(kind="variable", name=own_name, label=f"{label} (within {question.cluster})")
            )
        fixed += [own_name, mean_name]
        if name in question.random_slope:
            slopes.append(own_name)
    random = [
        f"({' + '.join(['1', *slopes])} | {level})" if level == question.cluster else f"(1 | {level})"
        for level in levels_of(question, scored)
    ]
    return frame, f"{question.outcome} ~ " + " + ".join([*fixed, *question.covariates, *random]), entries


def _label(scored: Scored, name: str) -> str:
    if name in scored.study.scales:
        return scored.study.scales[name].label or name
    for table in scored.study.tables.values():
        if name in table.variables and table.variables[name].label:
            return table.variables[name].label
    return name
