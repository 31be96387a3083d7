"""``implstats new``: a study to fill in."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import click

from implstats.errors import UsageError

# What may already stand in the folder of a new study.
_MAY_EXIST = {".git"}


@click.command(
    epilog="Example: implstats new my-study",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
def new(directory: Path) -> None:
    """Create a study to fill in, in the new or empty folder DIR.

    Writes config/config.yaml, a commented example of every kind of question, and a place for the raw files.
    Exit status 2, with nothing written, when DIR holds anything.
    """
    from implstats.study.template import new_files, slug

    _refuse_full(directory)
    name = slug(directory.absolute().resolve().name)
    write_all(directory, new_files(name))
    click.echo(f"Created {directory}. Next:")
    click.echo(f"  1. put the survey files in {directory / 'data' / 'raw'}")
    click.echo(f"  2. fill in {directory / 'config' / 'config.yaml'}")
    click.echo(f"  3. cd {directory} && implstats check && implstats run")


def _refuse_full(directory: Path) -> None:
    if directory.exists() and not directory.is_dir():
        raise UsageError(f"{directory} is a file; name a new or empty folder.")
    try:
        held = sorted(entry.name for entry in directory.iterdir()) if directory.is_dir() else []
    except OSError as error:
        raise UsageError(f"{directory} cannot be read: {error.strerror}.") from error
    others = [name for name in held if name not in _MAY_EXIST]
    if others:
        raise UsageError(f"{directory} is not empty (it holds {others[0]}); name a new or empty folder.")


def write_all(directory: Path, files: Mapping[str, str]) -> None:
    """Write all files or none: they are made in a folder of their own, then moved.

    Raises
    ------
    UsageError
        The folder cannot be written; what had been made is removed.
    """
    made = _missing_folders(directory)
    moved: list[Path] = []
    try:
        directory.mkdir(parents=True, exist_ok=True)
        stage = Path(tempfile.mkdtemp(prefix=".new-", dir=directory))
        try:
            for name, text in files.items():
                (stage / name).parent.mkdir(parents=True, exist_ok=True)
                (stage / name).write_text(text, encoding="utf-8")
            for entry in sorted(stage.iterdir()):
                os.replace(entry, directory / entry.name)
                moved.append(directory / entry.name)
        finally:
            shutil.rmtree(stage, ignore_errors=True)
    except OSError as error:
        _remove(moved, made)
        raise UsageError(f"{directory} cannot be written: {error.strerror}; nothing was created.") from error


def _missing_folders(directory: Path) -> list[Path]:
    """Return the folders that do not exist yet, the innermost first."""
    path = directory.absolute()
    return [folder for folder in (path, *path.parents) if not folder.exists()]


def _remove(moved: list[Path], made: list[Path]) -> None:
    for path in moved:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    for folder in made:
        if folder.is_dir():
            folder.rmdir()
