"""Read a study file: shape first, then references, every problem shown at once."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from implstats.errors import StudyFileError
from implstats.study.lines import with_lines
from implstats.study.models import Instrument, Study
from implstats.study.paths import instruments_folder, project_root
from implstats.study.problems import problems_of
from implstats.study.references import check_references
from implstats.study.yaml_file import parse_yaml, read_text

__all__ = ["instruments_of", "load_study", "parse_study", "problems_of"]


def load_study(path: Path) -> Study:
    """Return the validated study of a YAML file.

    The shape (fields, types, ranges) is checked first; with a valid shape, everything that names something
    else is checked too (:func:`implstats.study.references.check_references`).

    Parameters
    ----------
    path : Path
        The study file; instruments are looked up from its project folder.

    Raises
    ------
    StudyFileError
        With all problems of the first step that has any, each with its place and line.
    """
    text = read_text(path)
    study = parse_study(text, where=str(path))
    problems = check_references(study, instruments_of(study, project_root(path)))
    if problems:
        raise StudyFileError(str(path), with_lines(problems, text))
    return study


def parse_study(text: str, *, where: str) -> Study:
    """Return the study of YAML text whose shape is valid; names are not looked up.

    Raises
    ------
    StudyFileError
        Syntax errors, or every field that is unknown, missing or of the wrong kind.

    Examples
    --------
    >>> text = "study: {name: a, title: A}\\ntables: {staff: {sources: [{file: a.csv}]}}"
    >>> parse_study(text, where="a.yaml").default_table()
    'staff'
    """
    data = parse_yaml(text, where=where)
    if data is None:
        raise StudyFileError(where, ["the file is empty; `implstats new` writes a study to fill in"])
    if not isinstance(data, dict):
        raise StudyFileError(where, ["should hold fields with names: study, tables, scales, questions"])
    try:
        return Study.model_validate(data)
    except ValidationError as error:
        raise StudyFileError(where, with_lines(problems_of(error, data), text)) from error


def instruments_of(study: Study, root: Path) -> dict[str, Instrument]:
    """Return the instruments by name; none are read when no scale names one."""
    if not any(scale.instrument for scale in study.scales.values()):
        return {}
    from implstats.study.keys import load_instruments

    return load_instruments(instruments_folder(root))
