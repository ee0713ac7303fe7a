"""The command line: ``mathloom VERB``. Verbs live in ``commands/``, one module each, imported when they are called.

Data goes to stdout, talk to stderr. One map from error to text and exit code: 2 for what the user can mend (recipe,
SQL, seeds, usage), 1 for what went wrong while running, 130 for Ctrl-C.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from resources.errors import FileError, MathloomError, MissingExtraError, RecipeError, SeedError, SqlFileError
from resources.store.layout import explain_os_error

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130

_INTERRUPTED = {
    "build": "What was answered is stored; the same command goes on from there.",
    "preview": "What was answered is stored; the same command goes on from there.",
    "release": "What was sent is whole; the same command goes on from there.",
    "grade": "The output is written whole or not at all.",
    "vote": "The output is written whole or not at all.",
}
"""What a verb that was interrupted leaves behind; of others nothing is said."""

_USAGE = (RecipeError, SqlFileError, SeedError, FileError, MissingExtraError)

VERBS = {
    "init": ("dagster_project.commands.init", "init"),
    "ls": ("dagster_project.commands.ls", "ls"),
    "build": ("dagster_project.commands.build", "build"),
    "plan": ("dagster_project.commands.plan", "plan"),
    "preview": ("dagster_project.commands.build", "preview"),
    "status": ("dagster_project.commands.status", "status"),
    "test": ("dagster_project.commands.test", "test"),
    "show": ("dagster_project.commands.show", "show"),
    "schema": ("dagster_project.commands.schema", "schema"),
    "update": ("dagster_project.commands.update", "update"),
    "requests": ("dagster_project.commands.requests", "requests"),
    "grade": ("dagster_project.commands.grade", "grade"),
    "vote": ("dagster_project.commands.vote", "vote"),
    "release": ("dagster_project.commands.release", "release"),
    "reproduce": ("dagster_project.commands.reproduce", "reproduce"),
    "lineage": ("dagster_project.commands.lineage", "lineage"),
    "diff": ("dagster_project.commands.diff", "diff"),
    "why": ("dagster_project.commands.why", "why"),
    "clean": ("dagster_project.commands.clean", "clean"),
    "doctor": ("dagster_project.commands.doctor", "doctor"),
    "ui": ("dagster_project.commands.ui", "ui"),
    "explore": ("dagster_project.commands.explore", "explore"),
}
"""Verb -> (module, command), in the order in which --help shows them."""


class _Verbs(click.Group):
    """A group whose commands are imported when they are needed: `mathloom --help` loads no Dagster."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        module, name = VERBS[cmd_name]
        return getattr(importlib.import_module(module), name)


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="mathloom")
def cli() -> None:
    """Declarative builds of math-reasoning training data, from seed problems to a released dataset."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code. The console script ``mathloom``."""
    try:
        # Not standalone, click gives back the code of its own Exit, and what the command returned: ours return nothing.
        return cli.main(args=list(arguments) if arguments is not None else None, standalone_mode=False) or 0
    except MathloomError as error:
        click.echo(f"error: {error}", err=True)
        return EXIT_USAGE if isinstance(error, _USAGE) else EXIT_FAILED
    except click.UsageError as error:
        click.echo(f"error: {_usage(error)}", err=True)
        return EXIT_USAGE
    except click.ClickException as error:
        click.echo(f"error: {error.format_message()}", err=True)
        return error.exit_code
    except OSError as error:
        click.echo(f"error: {explain_os_error(error, str(error.filename or Path.cwd()))}", err=True)
        return EXIT_FAILED
    except (KeyboardInterrupt, click.Abort):
        said = sys.argv[1:] if arguments is None else arguments
        verb = next((word for word in said if word in VERBS), "")
        click.echo(f"Interrupted. {_INTERRUPTED.get(verb, '')}".rstrip(), err=True)
        return EXIT_INTERRUPTED


def _usage(error: click.UsageError) -> str:
    """What click says about the command line itself, on one line with the command that helps."""
    names: list[str] = []
    context = error.ctx
    while context is not None and context.parent is not None:
        names.insert(0, context.command.name or "")
        context = context.parent
    words = " ".join(error.format_message().split()).rstrip(".")
    verb = " ".join(["mathloom", *names])
    return f"{verb}: {words}{'' if words.endswith('?') else '.'} See: {verb} --help"


if __name__ == "__main__":
    sys.exit(main())
