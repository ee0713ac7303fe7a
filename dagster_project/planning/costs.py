"""From counts to tokens, time, GPU-hours and cost of one stage, each from the nearest source that there is.

Tokens: history of this store, else the settings. Time: measured speed, else the role's declared one. Money: the price
of the profile, or none; no price is ever made up.
"""

from __future__ import annotations

from dataclasses import dataclass

from dagster_project.language.resolved import Role, Stage
from dagster_project.planning.counting import prompt_bytes
from dagster_project.planning.history import History, Tokens
from dagster_project.planning.plan import Figure, StagePlan, estimated, known, times, unknown
from dagster_project.running.generation.asks import generation_kind, shape, weights_id
from dagster_project.running.outcome import RequestCounts
from dagster_project.running.spending import cost_of
from dagster_project.running.workspace import Workspace
from resources.errors import MathloomError

BYTES_PER_TOKEN = (2.5, 4.5)
"""Bytes of a prompt that are one token, fewest and most. Measured with SmolLM2's tokenizer: 2.5 for problems of MATH,
2.8 to 3.5 for the few-shot prompts of openmathinstruct2, 3.9 for problems of GSM8K; larger vocabularies need fewer."""

PROBLEM_BYTES = 240
"""Bytes of the problem in a prompt whose row is not known yet: on average GSM8K's train set has 235, MATH's 210."""


@dataclass(frozen=True, slots=True)
class Requests:
    """The counts of one stage, as far as they are known, and what its prompts weigh."""

    rows_in: Figure
    requests: Figure
    to_do: Figure
    reused: Figure
    given_up: Figure
    bytes_a_prompt: float | None = None
    """Mean over what is to do; None: not rendered."""
    notes: tuple[str, ...] = ()


def stage_plan(workspace: Workspace, stage: Stage, counts: RequestCounts) -> StagePlan:
    """The plan of a stage that has just counted its requests: what the UI shows beside the run, and limits hold.

    Args:
        workspace: Of the run; only its usage log and prompts are read.
        stage: A generation stage.
        counts: Complete for the first wave; nothing is asked yet.
    """
    found = Requests(
        rows_in=unknown("the run counts requests"),
        requests=known(counts.total),
        to_do=known(counts.to_do),
        reused=known(counts.reused),
        given_up=known(counts.given_up),
        notes=wave_notes(stage),
    )
    return plan_of(workspace, stage, found, History.of(workspace))


def wave_notes(stage: Stage) -> tuple[str, ...]:
    """What must be said of a stage that looks at its answers before it asks again."""
    waves = generation_kind(stage).waves
    return (f"the first of at most {waves} waves; what the others ask depends on the answers",) if waves > 1 else ()


def plan_of(workspace: Workspace, stage: Stage, found: Requests, history: History) -> StagePlan:
    """Tokens, time and cost for ``found``. Starts nothing; weights that cannot be named just have no history."""
    assert stage.role is not None
    role = workspace.roles.said(stage.role)
    weights = named_weights(workspace, stage)
    recipe = workspace.recipe
    kin = [other.name for other in recipe.stages.values() if other.kind.name == stage.kind.name]
    mean = history.tokens(weights, shape(workspace, stage), recipe.name, kin) if weights else None
    tokens_in = _tokens_in(workspace, stage, found, mean)
    tokens_out = _tokens_out(stage, found.to_do, mean, history.any_tokens(weights))
    seconds = _seconds(role, history, weights, shape(workspace, stage), tokens_out)
    gpu_hours = _gpu_hours(role, seconds)
    return StagePlan(
        stage=stage.name,
        role=role.name,
        engine=role.engine,
        rows_in=found.rows_in,
        requests=found.requests,
        to_do=found.to_do,
        reused=found.reused,
        given_up=found.given_up,
        tokens_in=tokens_in,
        tokens_out=tokens_out,
        seconds=seconds,
        gpu_hours=gpu_hours,
        cost=_cost(role, gpu_hours, tokens_in, tokens_out),
        price=role.price,
        notes=found.notes,
    )


def named_weights(workspace: Workspace, stage: Stage) -> str:
    """The id of the weights that would answer; empty where they cannot be named."""
    try:
        return weights_id(workspace, stage)
    except MathloomError:  # they are not on this machine: a plan needs none
        return ""


def _tokens_in(workspace: Workspace, stage: Stage, found: Requests, mean: Tokens | None) -> Figure:
    if mean is not None:
        return times(found.to_do, mean.prompt, mean.prompt, mean.source)
    few, many = BYTES_PER_TOKEN
    size, words = found.bytes_a_prompt, "its prompts"
    if size is None:
        size, words = _typical_bytes(workspace, stage), f"its prompt with a problem of {PROBLEM_BYTES} bytes"
    if size is None:
        return unknown("no history, and the prompt cannot be rendered without a row")
    return times(found.to_do, size / many, size / few, f"{words}, {few} to {many} bytes a token")


def _typical_bytes(workspace: Workspace, stage: Stage) -> float | None:
    """Mean size of the stage's prompts, with a stand-in for the row."""
    names = generation_kind(stage).prompt_variables
    row = {name: "x" * PROBLEM_BYTES if name == "problem" else "" for name in names}
    try:
        sizes = [prompt_bytes(workspace.prompts.render(name, row)) for name in stage.prompts]
    except MathloomError:  # a template that refuses the stand-in
        return None
    return sum(sizes) / len(sizes) if sizes else None


def _tokens_out(stage: Stage, to_do: Figure, mean: Tokens | None, other: Tokens | None) -> Figure:
    longest = getattr(stage.settings, "max_tokens", None)
    if mean is not None:
        each = min(mean.completion, longest or mean.completion)  # it may have been larger before
        return times(to_do, each, each, mean.source)
    words = f"at most max_tokens = {longest}" if longest else "no history, and the kind has no max_tokens"
    if other is not None:  # a hint for the reader: what was asked there may have had much longer or shorter answers
        words += f"; {other.source} took {other.completion:,.0f} on average, for other prompts"
    return times(to_do, 0, longest, words)


def _seconds(role: Role, history: History, weights: str, shape: str, tokens_out: Figure) -> Figure:
    if tokens_out.is_zero:
        return known(0)
    speed = history.speed(weights, role.engine, shape) if weights else None
    if speed is not None:
        return times(tokens_out, 1 / speed.high, 1 / speed.low, speed.source)
    if role.tokens_per_second is not None:
        each = 1 / role.tokens_per_second
        return times(tokens_out, each, each, f"declared: {role.tokens_per_second:,.0f} tokens/s")
    return unknown("these weights were never measured here, and the role declares no tokens_per_second")


def counts_gpus(role: Role) -> bool:
    """Whether GPU-hours of this role are counted: it has a price by the GPU-hour, or names its devices."""
    return bool(role.devices) or (role.price is not None and role.price.per_gpu_hour is not None)


def _gpu_hours(role: Role, seconds: Figure) -> Figure:
    if not counts_gpus(role):
        return unknown("not counted: the role names no devices and no price by the GPU-hour")
    each = role.gpus / 3600
    return times(seconds, each, each, f"{role.gpus} GPU(s), {seconds.source}")


def _cost(role: Role, gpu_hours: Figure, tokens_in: Figure, tokens_out: Figure) -> Figure:
    price = role.price
    if price is None:
        return known(0) if tokens_out.is_zero else unknown("no price in the profile")
    if tokens_out.is_zero:
        return known(0)
    needs = (gpu_hours,) if price.per_gpu_hour is not None else (tokens_in, tokens_out)
    missing = [figure for figure in needs if figure.basis == "unknown"]
    if missing:
        return unknown(missing[0].source)
    source = f"{price_words(role)}; {'; '.join(dict.fromkeys(figure.source for figure in needs))}"
    low = cost_of(price, gpu_hours.least, tokens_in.least, tokens_out.least)
    if any(figure.high is None for figure in needs):
        return estimated(low, None, source)
    return estimated(low, cost_of(price, gpu_hours.high or 0.0, tokens_in.high or 0.0, tokens_out.high or 0.0), source)


def price_words(role: Role) -> str:
    """The price of a role with its source and date, for a person."""
    price = role.price
    assert price is not None
    if price.per_gpu_hour is not None:
        unit = f"{price.per_gpu_hour:g} {price.currency} per GPU-hour, {role.gpus} GPU(s)"
    else:
        unit = (
            f"{price.per_million_prompt_tokens:g} {price.currency} per million tokens in, "
            f"{price.per_million_completion_tokens:g} out"
        )
    return f"{unit} ({price.source}, {price.date})"
