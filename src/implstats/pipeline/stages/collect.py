"""Stage ``collect``: the parts of all tables become the results data set."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from implstats.pipeline.context import Context
from implstats.pipeline.parts import read_answer
from implstats.questions.base import Answer, Entry, NamedCheck, join_answers, wave_labels
from implstats.results import Check, Row, Status, rows_to_frame
from implstats.results.dataset import write_dataset
from implstats.results.files import replacing
from implstats.results.provenance import file_records, software_record
from implstats.results.published import PublishedNumber, compare_published

STATUS_OF_ISSUE: dict[str, Status] = {"info": "info", "warn": "warn", "stop": "fail"}


def run(context: Context) -> None:
    """Write the results data set: rows, checks, dictionary, published numbers, provenance, study file."""
    answer = collect(context)
    compared = compare_published(rows_to_frame(answer.rows), published_numbers(context))
    folder = context.paths.results
    write_dataset(
        folder,
        rows=answer.rows,
        checks=[check.to_dict() for check in answer.checks],
        dictionary=[entry.to_dict() for entry in answer.entries],
        provenance=provenance(context),
        published=[comparison.to_dict() for comparison in compared],
    )
    with replacing(folder / "study.yaml") as temporary:
        shutil.copyfile(context.study_file, temporary)


def collect(context: Context) -> Answer:
    """Return all rows, checks and dictionary entries of a study, in the order of its tables and questions."""
    answers = [Answer(entries=tuple(study_entries(context)))]
    for table in context.study.tables:
        notes = json.loads(context.paths.ingest_notes(table).read_text(encoding="utf-8"))
        answers.append(_ingest_answer(context, table, notes))
        answers += [
            read_answer(context.paths.part(stage, table)) for stage in ("score", "fit", "second-opinion")
        ]
    joined = join_answers(answers)
    return Answer(rows=joined.rows, checks=joined.checks, entries=tuple(dict.fromkeys(joined.entries)))


def published_numbers(context: Context) -> list[PublishedNumber]:
    """Return the published numbers that the study file lists."""
    return [PublishedNumber(**p.model_dump()) for p in context.study.published]


def _ingest_answer(context: Context, table: str, notes: dict[str, Any]) -> Answer:
    rows = [
        _flow_row(context, table, step, quantity)
        for step in notes["flow"]
        for quantity in ("n_rows", "n_persons")
    ]
    checks = [
        NamedCheck(
            analysis="ingest",
            check=Check(
                name="data",
                status=STATUS_OF_ISSUE[issue["status"]],
                message=f"{issue['place']}: {issue['message']}",
            ),
        )
        for issue in notes["issues"]
    ]
    return Answer(rows=tuple(rows), checks=tuple(checks))


def _flow_row(context: Context, table: str, step: dict[str, Any], quantity: str) -> Row:
    few = 0 < step[quantity] < context.study.outputs.min_cell
    return Row(
        study=context.study.study.name, analysis="flow", block=table, term=step["step"], level=step["wave"],
        quantity=quantity, estimate=None if few else float(step[quantity]),
        unit=quantity.removeprefix("n_"), suppressed=few, reason="few persons" if few else "",
    )  # fmt: skip


def study_entries(context: Context) -> Iterable[Entry]:
    """Yield the labels of tables, waves, clusters, variables, scales, items and questions."""
    study = context.study
    for name, table in study.tables.items():
        yield Entry(kind="table", name=name, label=table.label or name)
        for value, label in wave_labels(table).items():
            yield Entry(kind="wave", name=str(value), label=label, detail=name)
        for cluster in table.clusters:
            yield Entry(kind="cluster", name=cluster.name, label=cluster.label or cluster.name, detail=name)
        for variable, about in table.variables.items():
            yield Entry(kind="variable", name=variable, label=about.label or variable, detail=about.role)
    for name, scale in study.scales.items():
        key = context.keys[name]
        label = scale.label or name
        yield Entry(kind="scale", name=name, label=label, detail=key.table)
        yield from (
            Entry(kind="scale", name=f"{name}.{sub}", label=f"{label}: {sub}", detail=key.table)
            for sub, _ in key.subscales
            if len(key.subscales) > 1
        )
        yield from (Entry(kind="item", name=item, label=item, detail=name) for item in key.items)
    for question in study.questions:
        yield Entry(
            kind="question", name=question.name, label=question.title or question.name, detail=question.type
        )


def provenance(context: Context) -> dict[str, Any]:
    """Return what went in, with which software, and what the study asked to be written."""
    study = context.study
    root = context.paths.root
    inputs = [root / source.file for table in study.tables.values() for source in table.sources]
    return {
        "study": study.study.model_dump(),
        "created": datetime.now(UTC).replace(microsecond=0).isoformat(),
        "software": software_record(),
        "inputs": [{**record, "role": "raw data"} for record in file_records(inputs, root=root)],
        "study_file": _study_file_record(context),
        "outputs_settings": study.outputs.model_dump(),
        "instruments": [
            {"scale": name, "verified": key.verified, "citation": key.citation, "instrument": key.instrument}
            for name, key in context.keys.items()
        ],
        "questions": [{"name": q.name, "type": q.type, "title": q.title} for q in study.questions],
    }


def _study_file_record(context: Context) -> dict[str, Any]:
    from implstats.results.provenance import sha256_of

    path = context.study_file
    return {"file": path.name, "sha256": sha256_of(path), "bytes": path.stat().st_size}
