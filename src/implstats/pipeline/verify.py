"""Compare the results data set with the published numbers that the study file lists now."""

from __future__ import annotations

from pathlib import Path

from implstats.errors import DataError
from implstats.results.published import Comparison, PublishedNumber, compare_published


def verify_study(study_file: Path) -> list[Comparison]:
    """Return ours against each published number of a study that has been run.

    Raises
    ------
    DataError
        When the study has not been run.
    """
    import pandas as pd

    from implstats.pipeline.paths import StudyPaths
    from implstats.study.load import load_study
    from implstats.study.paths import project_root

    study = load_study(study_file)
    paths = StudyPaths(root=project_root(study_file), name=study.study.name)
    results = paths.results / "results.parquet"
    if not results.is_file():
        raise DataError(f"'{study.study.name}' has no results yet. Run it first: implstats run {study_file}")
    return compare_published(
        pd.read_parquet(results), [PublishedNumber(**p.model_dump()) for p in study.published]
    )
