# The study that this run is about, and what all rules share.

import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

from implstats.errors import ImplstatsError
from implstats.pipeline.workflow import missing_raw_files, open_workflow

# Jobs use the Python that runs snakemake, whether or not its environment was activated.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
# One thread a job: the matrices are small, and threads of several jobs would get in each other's way.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

try:
    STUDY = open_workflow(workflow.configfiles, config, root=Path.cwd())
except ImplstatsError as error:
    raise WorkflowError(f"{error}")
if lacking := missing_raw_files(STUDY):
    raise WorkflowError("\n  ".join([f"{STUDY.file} names raw files that are not there:", *lacking]))

LOGS = f"logs/{STUDY.name}"


wildcard_constraints:
    table="|".join(STUDY.tables),
