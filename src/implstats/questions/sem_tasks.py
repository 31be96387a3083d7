"""How the questions about structure become models in lavaan's language.

A CFA question: one factor a scale (or a subscale, where the key has them), factors correlated. Items that
the key reverses are turned round first, so that every loading is expected to be positive.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from implstats.errors import DataError
from implstats.questions.base import Scored, require_columns, wave_labels
from implstats.questions.tasks import SemTask
from implstats.study.models import Cfa, PathModel, Question, SemQuestion

if TYPE_CHECKING:
    import pandas as pd

    from implstats.study.keys import ScaleKey


def sem_tasks(question: SemQuestion, scored: Scored) -> list[SemTask]:
    """Return the models that answer a question about structure: several when scales are taken apart."""
    if isinstance(question, Cfa):
        groups = [[name] for name in question.scales] if question.separate else [question.scales]
        return [_cfa_task(question, scored, names) for names in groups]
    if isinstance(question, PathModel):
        rows = _rows_of(question, scored)
        return [_task(question, scored, rows, question.model, question.kind, question.name, question.ordered)]
    raise AssertionError(type(question).__name__)  # pragma: no cover - the union holds no other kind


def cfa_model(keys: Sequence[ScaleKey]) -> str:
    """Return a CFA in lavaan's language: a factor for each subscale, or for each scale without subscales."""
    return "\n".join(line for key in keys for line in _factor_lines(key))


def _factor_lines(key: ScaleKey) -> list[str]:
    if len(key.subscales) < 2:
        return [f"{key.name} =~ " + " + ".join(key.items)]
    return [f"{key.name}_{name} =~ " + " + ".join(items) for name, items in key.subscales]


def reversed_items(frame: pd.DataFrame, keys: Sequence[ScaleKey]) -> pd.DataFrame:
    """Return the scales' items with reverse-keyed ones turned round (minimum + maximum - answer)."""
    out = frame[[item for key in keys for item in key.items]].copy()
    for key in keys:
        for item in key.items:
            if item in key.reverse:
                out[item] = key.minimum + key.maximum - out[item]
    return out


def _cfa_task(question: Cfa, scored: Scored, names: Sequence[str]) -> SemTask:
    keys = [scored.keys[name] for name in names]
    rows = _rows_of(question, scored)
    require_columns(rows, [item for key in keys for item in key.items], question=question.name)
    analysis = f"{question.name}:{names[0]}" if question.separate else question.name
    items = reversed_items(rows, keys)
    ordered = list(items.columns) if question.ordered else []
    if question.cluster is not None:
        items[question.cluster] = rows[question.cluster]
    return _task(question, scored, items, cfa_model(keys), "cfa", analysis, ordered)


def _task(
    question: SemQuestion, scored: Scored, frame: pd.DataFrame, model: str, kind: str, analysis: str,
    ordered: Sequence[str],
) -> SemTask:  # fmt: skip
    return SemTask(
        analysis=analysis,
        model=model,
        frame=frame,
        options={
            "kind": kind,
            "estimator": question.estimator or ("WLSMV" if ordered else "ML"),
            "ordered": list(ordered),
            "cluster": question.cluster,
            "missing": question.missing,
            "std_lv": question.std_lv,
            "ci_level": question.ci_level,
        },
        nested_in="" if question.cluster else nesting(question, scored, _rows_of(question, scored)),
    )


def nesting(question: Question, scored: Scored, rows: pd.DataFrame) -> str:
    """Say how many clusters of the lowest level the persons stand in; nothing without clusters."""
    clusters = scored.table(question).clusters
    if not clusters:
        return ""
    name = clusters[0].name
    return f"{rows[name].nunique()} clusters of level '{name}'"


def _rows_of(question: SemQuestion, scored: Scored) -> pd.DataFrame:
    frame = scored.frame(question)
    labels = wave_labels(scored.table(question))
    if not labels:
        return frame
    if question.wave is None:
        raise DataError(
            f"Question '{question.name}' needs 'wave': its table has waves {', '.join(map(str, labels))}, "
            "and a person's answers at different waves are not independent."
        )
    return frame[frame["wave"] == question.wave]
