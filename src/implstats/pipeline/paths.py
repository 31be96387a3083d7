"""Where the files of a study lie. The workflow's rules and the stages read the same record."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

STAGES = ("ingest", "score", "fit", "second-opinion", "collect", "tables", "figures", "report")


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyPaths:
    """Paths of one study below a project folder.

    Attributes
    ----------
    root : Path
        The project folder; raw paths in the study file are relative to it.
    name : str
        The study's short name.
    """

    root: Path
    name: str

    @property
    def processed(self) -> Path:
        """Folder of person-level data and of intermediate results; never published."""
        return self.root / "data" / "processed" / self.name

    @property
    def results(self) -> Path:
        """Folder of the results data set, the tables, the figures and the report."""
        return self.root / "results" / self.name

    def long(self, table: str) -> Path:
        """Ingested long table."""
        return self.processed / "ingest" / table / "long.parquet"

    def codebook(self, table: str) -> Path:
        """Codebook of the raw variables: labels, value labels, user-missing codes."""
        return self.processed / "ingest" / table / "codebook.csv"

    def ingest_notes(self, table: str) -> Path:
        """Issues and flow of n."""
        return self.processed / "ingest" / table / "notes.json"

    def scored(self, table: str) -> Path:
        """Long table with scores."""
        return self.processed / "score" / table / "scored.parquet"

    def part(self, stage: str, table: str) -> Path:
        """Rows of one stage and table (Parquet); checks and labels lie beside it as JSON."""
        return self.processed / "parts" / stage / f"{table}.parquet"

    def part_notes(self, stage: str, table: str) -> Path:
        """Checks and dictionary entries of one stage and table."""
        return self.part(stage, table).with_suffix(".json")

    def timing(self, stage: str, table: str = "") -> Path:
        """Seconds that a stage spent on imports and on computing."""
        return self.processed / "timings" / f"{stage}{'-' + table if table else ''}.json"

    def dataset(self) -> tuple[Path, ...]:
        """Files of the results data set."""
        names = ("results.parquet", "results.csv", "checks.csv", "dictionary.csv", "published.csv")
        return tuple(self.results / name for name in (*names, "provenance.json", "study.yaml"))

    def relative(self, paths: Iterable[Path]) -> list[str]:
        """Return paths relative to the project folder, as the workflow names them."""
        return [path.relative_to(self.root).as_posix() for path in paths]
