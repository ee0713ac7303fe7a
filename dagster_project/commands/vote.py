"""``mathloom vote``: which answer most samples of each problem agree on. Needs no project and asks no model."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from dagster_project.commands.answer_options import answer_options, policy_of, say


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--output", required=True, type=click.Path(path_type=Path), help="File: .jsonl, .jsonl.gz or .parquet.")
@click.option("--problem-id", default="problem_id", show_default=True, help="Column that says which problem it is.")
@click.option("--answer", help="Column of answers (default: answer, if there is one).")
@click.option("--text", help="Column of whole solutions (default: text, where there are no answers).")
@click.option(
    "--extract",
    type=click.Choice(("boxed", "line")),
    default="boxed",
    show_default=True,
    help=r"Where a solution says its answer: \boxed{..}, or a line 'The answer is ..'.",
)
@click.option("--weight", help="Column of weights, such as rewards (default: weight, if there is one).")
@click.option(
    "--mode",
    type=click.Choice(("semantic", "surface")),
    default="semantic",
    show_default=True,
    help="Votes are for what answers mean, or for their raw texts.",
)
@click.option("--min-votes", type=click.IntRange(0), default=0, show_default=True, help="Fewest votes of a winner.")
@click.option(
    "--min-share",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    help="Smallest share of a winner among all samples of its problem.",
)
@click.option(
    "--attach-decimals/--no-attach-decimals",
    default=True,
    show_default=True,
    help="A decimal of at least four digits counts for the one exact answer that rounds to it.",
)
@click.option(
    "--planned-samples",
    type=click.IntRange(1),
    metavar="N",
    help="Say of each problem whether samples up to N in all could still change its winner (column is_decided).",
)
@click.option(
    "--max-weight",
    type=click.FloatRange(0, 1e9, max_open=True),
    default=1.0,
    show_default=True,
    help="Largest weight of a sample to come, for --planned-samples.",
)
@answer_options
def vote(
    file: Path,
    output: Path,
    problem_id: str,
    answer: str | None,
    text: str | None,
    extract: Any,
    weight: str | None,
    mode: Any,
    min_votes: int,
    min_share: float,
    attach_decimals: bool,
    planned_samples: int | None,
    max_weight: float,
    symbolic: bool,
    budget: float,
    cache: Path | None,
    policy: Sequence[str],
    processes: int | None,
    force: bool,
    as_json: bool,
) -> None:
    """Vote over the samples of each problem in FILE.

    Writes one row a problem, in the order in which problems first appear: problem_id, winner, votes, margin, n_valid,
    clusters, n, key, accepted and reason. FILE is .jsonl, .jsonl.gz or .parquet, one row a sample, in any order.
    """
    from dagster_project.answer_files.settling import open_step
    from dagster_project.answer_files.voting import VoteWishes, vote_file
    from dagster_project.answer_files.words import vote_report

    if answer is not None and text is not None:
        raise click.UsageError("--answer and --text are two ways to say where answers are: give one of them")
    start = time.monotonic()
    wishes = VoteWishes(
        problem=problem_id,
        answer=answer,
        text=text,
        weight=weight,
        extract=extract,
        mode=mode,
        min_votes=min_votes,
        min_share=min_share,
        attach_decimals=attach_decimals,
        planned_samples=planned_samples,
        max_weight=max_weight,
        policy=policy_of(policy),
        processes=processes,
    )
    is_on = symbolic and mode == "semantic"
    with open_step(wishes.policy, is_on=is_on, budget=budget, cache=cache, processes=processes) as step:
        told = vote_file(file, output, wishes, step, force=force, say=say)
    for line in vote_report(told, output, time.monotonic() - start):
        say(line)
    if as_json:
        click.echo(json.dumps(asdict(told), indent=1))
