"""What every stage starts from: the study, its paths and its scoring keys."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from implstats.pipeline.paths import StudyPaths
from implstats.study.keys import load_instruments, resolve_scales
from implstats.study.load import load_study
from implstats.study.paths import instruments_folder

if TYPE_CHECKING:
    from implstats.study.keys import ScaleKey
    from implstats.study.models import Study


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """A validated study with its paths and scoring keys."""

    study: Study
    study_file: Path
    paths: StudyPaths
    keys: dict[str, ScaleKey]

    def keys_of(self, table: str) -> dict[str, ScaleKey]:
        """Scoring keys of one table's scales."""
        return {name: key for name, key in self.keys.items() if key.table == table}

    def only(self, table: str) -> Study:
        """The study as if it had one table: its scales and questions name that table."""
        study = self.study
        scales = {
            name: scale.model_copy(update={"table": table})
            for name, scale in study.scales.items()
            if study.table_of(scale) == table
        }
        questions = [
            question.model_copy(update={"table": table})
            for question in study.questions
            if study.table_of(question) == table
        ]
        one = {"tables": {table: study.tables[table]}, "scales": scales, "questions": questions}
        return study.model_copy(update=one)


def open_study(study_file: Path, *, root: Path) -> Context:
    """Load and validate a study file and its instruments.

    Raises
    ------
    StudyFileError
        With every problem of the study file.
    """
    study = load_study(study_file)
    keys = resolve_scales(study, load_instruments(instruments_folder(root)))
    return Context(
        study=study, study_file=study_file, paths=StudyPaths(root=root, name=study.study.name), keys=keys
    )
