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

    def questions_of(self, table: str) -> Study:
        """The study with the questions of one table only."""
        questions = [q for q in self.study.questions if self.study.table_of(q) == table]
        return self.study.model_copy(update={"questions": questions})


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
