# The study that this run is about, and what all rules share.

from pathlib import Path

from snakemake.exceptions import WorkflowError

from implstats.errors import ImplstatsError
from implstats.pipeline.environment import prepare_environment
from implstats.pipeline.workflow import missing_raw_files, open_workflow

prepare_environment()

try:
    STUDY = open_workflow(workflow.configfiles, config, root=Path.cwd())
except ImplstatsError as error:
    raise WorkflowError(f"{error}")
if lacking := missing_raw_files(STUDY):
    raise WorkflowError(
        "\n  ".join([f"{STUDY.file} names raw files that are not there:", *lacking])
    )

LOGS = f"logs/{STUDY.name}"


wildcard_constraints:
    table="|".join(STUDY.tables),
