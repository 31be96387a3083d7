"""``python -m implstats.pipeline STAGE --study FILE --root DIR [--table NAME]``: run one stage.

The workflow's rules call this; people use ``implstats run``. Besides its outputs, a stage leaves the
seconds it spent on imports and on computing below ``data/processed/<study>/timings``.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from pathlib import Path

STARTED = time.perf_counter()
# Stage -> module:function, and whether it works on one table at a time.
STAGES = {
    "ingest": ("implstats.pipeline.stages.ingest:run", True),
    "score": ("implstats.pipeline.stages.score:run", True),
    "fit": ("implstats.pipeline.stages.fit:run", True),
    "second-opinion": ("implstats.pipeline.stages.second_opinion:run", True),
    "collect": ("implstats.pipeline.stages.collect:run", False),
    "tables": ("implstats.pipeline.stages.tables:run", False),
    "figures": ("implstats.pipeline.stages.figures:run", False),
    "report": ("implstats.pipeline.stages.report:run", False),
}


def main(arguments: list[str] | None = None) -> int:
    """Run one stage; return the process's exit status."""
    options = _parse(arguments)
    from implstats.errors import ImplstatsError

    try:
        _run(options)
    except ImplstatsError as error:
        print(f"implstats: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m implstats.pipeline", description=__doc__.splitlines()[0])
    parser.add_argument("stage", choices=list(STAGES))
    parser.add_argument("--study", type=Path, required=True, help="study file")
    parser.add_argument("--root", type=Path, default=Path(), help="project folder")
    parser.add_argument("--table", default="", help="table, for stages that work on one at a time")
    options = parser.parse_args(arguments)
    if STAGES[options.stage][1] != bool(options.table):
        parser.error(f"stage {options.stage} {'needs' if STAGES[options.stage][1] else 'takes no'} --table")
    return options


def _run(options: argparse.Namespace) -> None:
    address, by_table = STAGES[options.stage]
    module, function = address.split(":")
    stage = getattr(importlib.import_module(module), function)
    from implstats.pipeline.context import open_study
    from implstats.pipeline.files import write_json

    imported = time.perf_counter()
    context = open_study(options.study, root=options.root.resolve())
    stage(context, *([options.table] if by_table else []))
    timing = {
        "stage": options.stage,
        "table": options.table,
        "import_seconds": imported - STARTED,
        "compute_seconds": time.perf_counter() - imported,
    }
    write_json(context.paths.timing(options.stage, options.table), timing)


if __name__ == "__main__":
    sys.exit(main())
