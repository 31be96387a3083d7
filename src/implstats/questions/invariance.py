"""May scores be compared? The ladder of measurement invariance of each scale, as rows.

Over waves the scale's items stand side by side (one row a person), one factor a wave, residuals of the same
item correlated over waves; between groups the factor model is fitted to all groups at once. Each step holds
more equal and is compared with the step before. By the usual cut-offs a step is supported while the CFI falls
by at most .010 and the RMSEA rises by at most .015 (Cheung & Rensvold 2002; Chen 2007); the chi-square
difference stands beside them. Means of waves or groups may be compared when equal intercepts ("scalar") hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from implstats.errors import DataError, ImplstatsError
from implstats.questions.base import Answer, NamedCheck, Scored, require_columns, wave_labels
from implstats.questions.mixed_rows import failed_answer
from implstats.questions.sem_rows import nesting_check
from implstats.questions.sem_tasks import nesting, reversed_items
from implstats.results import Check, Row, finite_or_none
from implstats.study.models import Invariance

if TYPE_CHECKING:
    import pandas as pd

    from implstats.sem import InvarianceLadder, InvarianceStep
    from implstats.study.keys import ScaleKey

CFI_FALL, RMSEA_RISE = 0.010, 0.015
INDICES = ("chisq", "df", "pvalue", "cfi", "rmsea", "srmr")
MEANS_NEED = "scalar"


def invariance_answers(question: Invariance, scored: Scored) -> list[Answer]:
    """Return one answer for each scale; a scale whose models fail does not stop the others."""
    study = scored.study.study.name
    out = []
    for name in question.scales:
        analysis = f"{question.name}:{name}"
        try:
            ladder = _ladder(question, scored, scored.keys[name])
        except ImplstatsError as error:
            out.append(failed_answer(analysis, str(error), study=study, block="steps", quantity="chisq"))
            continue
        nested_in = "" if question.cluster else nesting(question, scored, scored.frame(question))
        nested = nesting_check(nested_in)
        out.append(ladder_answer(ladder, question, analysis=analysis, study=study, also=nested))
    return out


def _ladder(question: Invariance, scored: Scored, key: ScaleKey) -> InvarianceLadder:
    from implstats import sem

    frame = scored.frame(question)
    require_columns(frame, key.items, question=question.name)
    options = _options(question)
    rows = frame if question.wave is None else frame[frame["wave"] == question.wave]
    if question.over == "waves":
        wide, indicators = side_by_side(frame, key, _waves(question, scored), cluster=question.cluster)
        options["ordered"] = question.ordered
        return sem.longitudinal_invariance(indicators, wide, factor=key.name, **options)
    require_columns(frame, [question.over], question=question.name)
    items = reversed_items(rows, [key]).assign(**{question.over: rows[question.over]})
    if question.cluster is not None:
        items[question.cluster] = rows[question.cluster]
    if question.ordered:
        options["ordered"] = list(key.items)
    model = f"{key.name} =~ " + " + ".join(key.items)
    return sem.invariance(model, items, group=question.over, **options)


def _options(question: Invariance) -> dict[str, Any]:
    """What the ladder is asked; where nothing is said, MLR with everyone who answered anything."""
    missing = question.missing or ("listwise" if question.ordered else "fiml")
    options: dict[str, Any] = {"missing": missing, "release": list(question.release)}
    if question.estimator is not None or not question.ordered:
        usual = "ML" if "two-stage" in missing else "MLR"
        options["estimator"] = question.estimator or usual
    if question.steps is not None:
        options["steps"] = question.steps
    return options | ({"cluster": question.cluster} if question.cluster else {})


def _waves(question: Invariance, scored: Scored) -> list[Any]:
    return list(question.waves or wave_labels(scored.table(question)))


def side_by_side(
    frame: pd.DataFrame, key: ScaleKey, waves: list[Any], *, cluster: str | None = None
) -> tuple[pd.DataFrame, list[list[str]]]:
    """Return one row a person with the items of each wave, and their names by wave.

    With ``cluster`` also the cluster of each person's first wave; someone who moved stays in it.
    """
    long = reversed_items(frame, [key]).assign(person=frame["person"], wave=frame["wave"])
    long = long[long["wave"].isin(waves)]
    wide = long.pivot(index="person", columns="wave", values=list(key.items))
    wide.columns = [f"{pair[0]}_{pair[1]}" for pair in wide.columns.to_flat_index()]
    indicators = [[f"{item}_{wave}" for item in key.items] for wave in waves]
    empty = [name for names in indicators for name in names if name not in wide or wide[name].isna().all()]
    if empty:
        raise DataError(
            f"Nobody answered {', '.join(empty)}; compare only waves in which the whole scale was asked "
            "(waves: [...])."
        )
    if cluster is not None:
        wide[cluster] = frame[frame["wave"].isin(waves)].groupby("person")[cluster].first()
    return wide, indicators


def ladder_answer(
    ladder: InvarianceLadder, question: Invariance, *, analysis: str, study: str, also: Sequence[Check] = ()
) -> Answer:
    """Return the steps and the differences between them as rows, and which comparisons they support."""
    common: dict[str, Any] = {"study": study, "analysis": analysis, "method": ladder.steps[0].fit.estimator}
    warned = [check.message for check in also if check.status == "warn"]
    if warned:
        common |= {"verdict": "caution", "reason": " ".join(warned)}
    rows: list[Row] = []
    for step in ladder.steps:
        rows += _step_rows(step, common)
        rows += _difference_rows(step, common)
    checks = [_failed_step(step) for step in ladder.steps if step.fit.verdict == "failed"]
    checks += [_supported_check(ladder, question), *also]
    return Answer(rows=tuple(rows), checks=tuple(NamedCheck(analysis=analysis, check=c) for c in checks))


def _step_rows(step: InvarianceStep, common: dict[str, Any]) -> list[Row]:
    fit, shared = step.fit, {**common, "block": "steps", "term": step.name, "n_obs": step.fit.n_obs}
    if fit.verdict == "failed":
        return [Row(**shared | {"verdict": "failed", "reason": fit.reason}, quantity="chisq")]
    return [
        Row(**shared, quantity=name, estimate=finite_or_none(best_index(fit.fit, name))) for name in INDICES
    ]


def best_index(fit: dict[str, float | None], name: str) -> float | None:
    """Return the robust or scaled version of an index where there is one."""
    for ending in (".robust", ".scaled", ""):
        if fit.get(f"{name}{ending}") is not None:
            return fit[f"{name}{ending}"]
    return None


def _difference_rows(step: InvarianceStep, common: dict[str, Any]) -> list[Row]:
    found = step.difference
    if found is None:
        return []
    shared = {**common, "block": "differences", "term": step.name, "n_obs": step.fit.n_obs}
    untested = {"reason": found.reason} if found.chisq is None else {}
    test = Row(**shared | untested, quantity="chisq_difference", estimate=finite_or_none(found.chisq),
               statistic=finite_or_none(found.chisq), df=float(found.df), df_method=found.method,
               p_value=finite_or_none(found.p_value))  # fmt: skip
    return [test] + [
        Row(**shared, quantity=f"{name}_difference", estimate=finite_or_none(getattr(found, name)))
        for name in ("cfi", "rmsea", "srmr")
    ]


def supported(step: InvarianceStep) -> bool | None:
    """Return whether a step is supported by the cut-offs; None where they cannot be computed."""
    found = step.difference
    if found is None or found.cfi is None or found.rmsea is None:
        return None
    return bool(found.cfi >= -CFI_FALL and found.rmsea <= RMSEA_RISE)


def _supported_check(ladder: InvarianceLadder, question: Invariance) -> Check:
    held = []
    for step in ladder.steps[1:]:
        if not supported(step):
            break
        held.append(step.name)
    what = "waves" if question.over == "waves" else f"groups of '{question.over}'"
    rule = "(CFI falls by at most .010 and RMSEA rises by at most .015 at each step)"
    if MEANS_NEED in held:
        return Check(
            name="comparable", status="ok",
            message=f"Loadings and intercepts may be taken as equal {rule}: means of the {what} may be "
            "compared.",
        )  # fmt: skip
    reached = f"only up to the step '{held[-1]}'" if held else "at no step"
    return Check(
        name="comparable", status="warn",
        message=f"Equality over the {what} is supported {reached} {rule}: differences between their means "
        "may be differences in how the items are understood. Find the items behind it and compare means "
        "with care.",
    )  # fmt: skip


def _failed_step(step: InvarianceStep) -> Check:
    return Check(
        name=f"step_{step.name}", status="warn", message=f"The step '{step.name}' failed: {step.fit.reason}"
    )
