"""What the Snakefile needs to know of a study: names of files, and digests of what each stage reads.

Nothing here imports snakemake, and nothing heavy: the Snakefile is read at every start.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from implstats.errors import UsageError
from implstats.pipeline.context import Context, open_study
from implstats.pipeline.digest import code_digest, value_digest

STAGE_MODULES = {
    "ingest": "implstats.pipeline.stages.ingest",
    "score": "implstats.pipeline.stages.score",
    "fit": "implstats.pipeline.stages.fit",
    "second-opinion": "implstats.pipeline.stages.second_opinion",
    "collect": "implstats.pipeline.stages.collect",
    "tables": "implstats.pipeline.stages.tables",
    "figures": "implstats.pipeline.stages.figures",
    "report": "implstats.pipeline.stages.report",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowStudy:
    """A study as the workflow's rules see it; every path is relative to the project folder."""

    context: Context
    file: str

    @property
    def name(self) -> str:
        """The study's short name."""
        return self.context.study.study.name

    @property
    def tables(self) -> list[str]:
        """Names of the study's tables."""
        return list(self.context.study.tables)

    def raw_files(self, table: str) -> list[str]:
        """Raw files of a table."""
        return [source.file for source in self.context.study.tables[table].sources]

    def path(self, kind: str, *parts: str) -> str:
        """Return one of :class:`~implstats.pipeline.paths.StudyPaths`' paths, relative, wildcards kept."""
        return self.context.paths.relative([getattr(self.context.paths, kind)(*parts)])[0]

    def dataset(self) -> list[str]:
        """Files of the results data set."""
        return self.context.paths.relative(self.context.paths.dataset())

    def results(self, name: str) -> str:
        """A path in the results folder."""
        return self.context.paths.relative([self.context.paths.results / name])[0]

    def code(self, stage: str) -> str:
        """Digest of the code that a stage can reach."""
        return code_digest(STAGE_MODULES[stage])

    def asked(self, stage: str, table: str = "") -> str:
        """Digest of the parts of the study file that a stage reads."""
        return value_digest(_parts(self.context, stage, table))


def open_workflow(
    config_files: Sequence[str | Path], config: Mapping[str, Any], *, root: Path
) -> WorkflowStudy:
    """Return the study that the workflow was started with.

    Raises
    ------
    UsageError
        When there is not exactly one study file, or values were given past it (``--config``).
    StudyFileError
        With every problem of the study file.
    """
    files = list(dict.fromkeys(str(path) for path in config_files))
    if len(files) != 1:
        raise UsageError(
            f"One study a run: --configfile was given {len(files)} files. Run them one after the other."
        )
    file = Path(files[0])
    context = open_study(file, root=root)
    _refuse_overrides(file, config)
    return WorkflowStudy(context=context, file=_below(file, root).as_posix())


def _below(file: Path, root: Path) -> Path:
    """A path relative to the project folder where it can be, so that a project that moved is not run anew."""
    absolute = file.resolve()
    return absolute.relative_to(root.resolve()) if absolute.is_relative_to(root.resolve()) else absolute


def missing_raw_files(study: WorkflowStudy) -> list[str]:
    """Return a line for each raw file that is not there, with its place in the study file."""
    from implstats.study.paths import near_names

    lines = []
    for table in study.tables:
        for index, file in enumerate(study.raw_files(table)):
            path = study.context.paths.root / file
            if not path.is_file():
                lines.append(f"tables.{table}.sources[{index}].file: {file} is not there{near_names(path)}")
    return lines


def _refuse_overrides(file: Path, config: Mapping[str, Any]) -> None:
    """The study file is the only source: a value given with --config would be ignored, so it is refused."""
    written = yaml.safe_load(file.read_text(encoding="utf-8-sig"))
    changed = sorted(
        str(k) for k in {*config, *written} if value_digest(config.get(k)) != value_digest(written.get(k))
    )
    if changed:
        raise UsageError(
            f"--config cannot change a study (given: {', '.join(changed)}): the study file is the only "
            f"source. Change {file} or a copy of it."
        )


def _parts(context: Context, stage: str, table: str) -> Any:
    study = context.study
    keys = {name: _key_record(key) for name, key in context.keys.items() if not table or key.table == table}
    if stage == "ingest":
        from implstats.ingest import needed_columns

        needed = needed_columns(study, table, context.keys_of(table))
        # Only which columns are needed: where the study file first asks for one changes nothing here.
        return [study.tables[table].model_dump(), keys, sorted(needed)]
    if stage == "score":
        table_shape = study.tables[table].model_dump(include={"waves", "clusters"})
        return [study.study.name, table_shape, keys, study.outputs.min_cell]
    if stage in ("fit", "second-opinion"):
        questions = [q.model_dump() for q in context.only(table).questions]
        opinion = study.outputs.second_opinion if stage == "second-opinion" else None
        return [study.study.name, study.study.seed, questions, keys, opinion]
    if stage == "collect":
        return study.model_dump()
    return None


def _key_record(key: Any) -> Any:
    return _plain({name: getattr(key, name) for name in key.__slots__})


def _plain(value: Any) -> Any:
    if isinstance(value, frozenset | set):
        return sorted(map(str, value))
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value
