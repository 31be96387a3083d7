"""The command line: one command a file, loaded when it is called.

Exit status: 0 done; 1 the data or the model cannot bear it; 2 wrong usage. Messages go to stderr,
results to stdout.
"""

from __future__ import annotations

import importlib
import sys

import click

from implstats import __version__

# Command -> (module:attribute, one line of help). The modules load only when the command is called,
# so that `implstats --help` answers at once.
COMMANDS = {
    "new": ("implstats.cli.new:new", "Create a study to fill in."),
    "check": ("implstats.cli.check:check", "Validate a study file and its raw files without running."),
    "run": ("implstats.cli.run:run", "Run a study from raw files to the report."),
    "verify": ("implstats.cli.verify:verify", "Compare our numbers with the published ones."),
    "report": ("implstats.cli.report:report", "Rebuild report, tables and figures, refitting nothing."),
    "mixed": ("implstats.cli.mixed:mixed", "Fit a mixed model in lme4's formula language."),
    "sem": ("implstats.cli.sem:sem", "Fit a structural equation model in lavaan's language."),
    "efa": ("implstats.cli.efa:efa", "Explore how many factors items have, and which."),
    "scale": ("implstats.cli.scale:scale", "Reliability, item analysis and agreement of a scale."),
    "simulate": ("implstats.cli.simulate:simulate", "Write the synthetic example study."),
}


class LazyGroup(click.Group):
    """A click group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, attribute = COMMANDS[cmd_name][0].split(":")
        return getattr(importlib.import_module(module), attribute)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start with: implstats new my-study",
)
@click.version_option(__version__, prog_name="implstats")
def cli() -> None:
    """From raw staff-survey files to a paper's tables in one reproducible run."""


def main() -> None:
    """Run the command line; errors that a user can act on are printed without a traceback."""
    from implstats.errors import ImplstatsError

    try:
        cli(standalone_mode=False)
    except click.exceptions.Abort:
        click.echo("implstats: interrupted", err=True)
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except ImplstatsError as error:
        click.echo(f"implstats: {error}", err=True)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.exit(0)
