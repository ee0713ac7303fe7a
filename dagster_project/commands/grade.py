"""``mathloom grade``: is the answer of each row of a file the right one? Needs no project and asks no model."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from dagster_project.commands.answer_options import answer_options, policy_of, say

_EXTRACT = click.Choice(("none", "boxed", "line"))


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--output", required=True, type=click.Path(path_type=Path), help="File: .jsonl, .jsonl.gz or .parquet.")
@click.option("--gold", default="gold", show_default=True, help="Column of the right answer.")
@click.option("--pred", default="pred", show_default=True, help="Column of the answer to grade.")
@click.option(
    "--extract",
    type=_EXTRACT,
    default="none",
    show_default=True,
    help=r"What PRED holds: answers, or solutions that end with \boxed{..}, or with a line 'The answer is ..'.",
)
@click.option("--extract-gold", type=_EXTRACT, default="none", show_default=True, help="The same of GOLD.")
@click.option(
    "--attach-decimals/--no-attach-decimals",
    default=True,
    show_default=True,
    help="A decimal of at least four digits is right if the exact right answer rounds to it.",
)
@answer_options
def grade(
    file: Path,
    output: Path,
    gold: str,
    pred: str,
    extract: Any,
    extract_gold: Any,
    attach_decimals: bool,
    symbolic: bool,
    budget: float,
    cache: Path | None,
    policy: Sequence[str],
    processes: int | None,
    force: bool,
    as_json: bool,
) -> None:
    """Say of each row of FILE whether its answer is the right one.

    Writes the rows of FILE in their order, with the columns verdict (equal, different or unknown), tier, reason,
    key_gold, key_pred and ms. FILE is .jsonl, .jsonl.gz or .parquet.
    """
    from dagster_project.answer_files.grading import GradeWishes
    from dagster_project.answer_files.grading import grade as run
    from dagster_project.answer_files.settling import open_step
    from dagster_project.answer_files.words import grade_report

    start = time.monotonic()
    wishes = GradeWishes(gold, pred, extract, extract_gold, attach_decimals, policy_of(policy), processes)
    with open_step(wishes.policy, is_on=symbolic, budget=budget, cache=cache, processes=processes) as step:
        told = run(file, output, wishes, step, force=force, say=say)
    for line in grade_report(told, output, time.monotonic() - start):
        say(line)
    if as_json:
        click.echo(json.dumps(asdict(told), indent=1))
