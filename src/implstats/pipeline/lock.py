"""One run of a study at a time, without a lock that outlives a killed run.

Snakemake's own lock is a file that stays when the process is killed, and then stops the next run until
somebody unlocks it by hand. The kernel's advisory lock (``flock``) goes with the last process that holds it;
the workflow inherits it, so that it also lasts as long as an orphaned workflow does.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from implstats.errors import DataError


@contextmanager
def study_lock(path: Path) -> Iterator[int]:
    """Hold a study's lock; yield its file descriptor, to be passed to child processes.

    Raises
    ------
    DataError
        When another run holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DataError(
                f"'{path.parent.name}' is being run already. Wait for that run to end, or stop it, "
                "then run again."
            ) from error
        yield descriptor
    finally:
        os.close(descriptor)
