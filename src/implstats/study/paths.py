"""Where a study's files lie: the project folder and the folder of instruments."""

from __future__ import annotations

import sys
from pathlib import Path


def project_root(study_path: Path) -> Path:
    """Return the folder that raw paths are relative to.

    It is the folder that holds the ``config`` folder in which the study file lies, directly or in a
    subfolder; a study file outside any ``config`` folder is its own folder's.

    >>> project_root(Path("/project/config/studies/a.yaml")).as_posix()
    '/project'
    >>> project_root(Path("/project/a.yaml")).as_posix()
    '/project'
    """
    folder = study_path.absolute().parent
    for candidate in (folder, folder.parent):
        if candidate.name == "config":
            return candidate.parent
    return folder


def instruments_folder(root: Path) -> Path:
    """Return the folder with instrument files for a project.

    The project's own ``config/instruments`` comes first; then the one shipped with the program: beside the
    source code in a clone, in ``share/implstats`` of an installed copy. If there is none, the project's own
    place is returned, so that a message can name it.
    """
    own = root / "config" / "instruments"
    clone = Path(__file__).resolve().parents[3] / "config" / "instruments"
    installed = Path(sys.prefix) / "share" / "implstats" / "config" / "instruments"
    return next((folder for folder in (own, clone, installed) if folder.is_dir()), own)


def near_names(path: Path) -> str:
    """Return ``"; did you mean 'wave1.sav'?"`` for a missing file, looking in its folder.

    If the folder itself is missing, that is said instead.
    """
    from implstats.errors import did_you_mean

    folder = path.parent
    if not folder.is_dir():
        return f"; there is no folder {folder.as_posix()}"
    return did_you_mean(path.name, sorted(entry.name for entry in folder.iterdir()))
