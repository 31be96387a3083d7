"""The environment that jobs of the workflow run in."""

from __future__ import annotations

import os
import sys
from collections.abc import MutableMapping
from pathlib import Path

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def prepare_environment(environment: MutableMapping[str, str] = os.environ) -> MutableMapping[str, str]:
    """Put this Python's folder first on the path and, unless told otherwise, allow one thread a job.

    Jobs then use the Python that started the workflow, whether or not its environment was activated. The
    matrices are small: threads of several jobs would only get in each other's way.
    """
    folder = str(Path(sys.executable).parent)
    environment["PATH"] = os.pathsep.join([folder, environment.get("PATH", os.defpath)])
    for name in THREAD_VARIABLES:
        environment.setdefault(name, "1")
    return environment
