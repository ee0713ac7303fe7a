"""Options that ``mathloom grade`` and ``mathloom vote`` share: what counts as the same answer, and how it is found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from dagster_project.console import talk

if TYPE_CHECKING:
    from assets.answers.policy import Policy

Command = TypeVar("Command", bound=Callable[..., Any])

BUDGET_S = 300.0
"""Seconds of the symbolic step: as of a stage of a build."""
_WORDS = {"true": True, "yes": True, "false": False, "no": False}


def answer_options(command: Command) -> Command:
    """The options, in the order in which --help shows them."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def policy_of(said: Sequence[str]) -> Policy:
    """The default policy with what ``--policy KEY=VALUE`` says. Raises click.UsageError."""
    from dataclasses import replace

    from assets.answers.policy import DEFAULT
    from resources.engines.options import nearest

    known = [field.name for field in fields(DEFAULT) if isinstance(getattr(DEFAULT, field.name), bool)]
    values: dict[str, bool] = {}
    for text in said:
        name, _, word = text.partition("=")
        if name not in known:
            near = nearest(name, known)
            raise click.UsageError(
                f"--policy has no option {name!r}" + (f". Did you mean {near!r}?" if near else f": {', '.join(known)}")
            )
        if word.lower() not in _WORDS:
            raise click.UsageError(f"--policy {name} is true or false, not {word!r}")
        values[name] = _WORDS[word.lower()]
    return replace(DEFAULT, **values)


def say(line: str) -> None:
    """A line of talk."""
    talk().print(line, markup=False, soft_wrap=True)


_OPTIONS: Sequence[Callable[[Any], Any]] = (
    click.option(
        "--symbolic/--no-symbolic",
        default=True,
        show_default=True,
        help="Compare answers that keys leave open with a computer algebra system, in processes of their own.",
    ),
    click.option(
        "--budget",
        type=click.FloatRange(min=0),
        default=BUDGET_S,
        show_default=True,
        metavar="SECONDS",
        help="Longest time of these comparisons together; what is left then is unknown.",
    ),
    click.option(
        "--cache",
        type=click.Path(path_type=Path, file_okay=False),
        metavar="FOLDER",
        help="Keep the verdicts of these comparisons here for the next time.",
    ),
    click.option(
        "--policy",
        multiple=True,
        metavar="KEY=VALUE",
        help="An option of what counts as the same answer, e.g. strip_units=false (docs/answer_files.md). Repeatable.",
    ),
    click.option(
        "--processes",
        type=click.IntRange(1),
        help="Processes that read answers (default: all cores). Rows do not depend on it.",
    ),
    click.option("--force", is_flag=True, help="Replace the output if it exists."),
    click.option("--json", "as_json", is_flag=True, help="The summary as one JSON object, on stdout."),
)
