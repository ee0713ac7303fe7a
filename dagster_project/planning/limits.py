"""The limits of a profile beside what a plan needs: does it fit, and may a build start at all.

Stages hold the limits themselves while they run; here they are held before any work, as far as the plan can tell.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from dagster_project.language.resolved import Limits, Recipe
from dagster_project.planning.plan import Figure, Limit, Plan, StagePlan, Verdict, known, total, unknown
from dagster_project.running.spending import DAY_S
from dagster_project.running.workspace import Workspace
from resources.errors import LimitError
from resources.usage import UsageLog

GPU_HOURS = "GPU-hours"


@dataclass(slots=True)
class Day:
    """What all builds over a store spent within the last 24 hours."""

    gpu_hours: float = 0.0
    costs: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, log: UsageLog, now: float | None = None) -> Day:
        """Sums of the usage log."""
        found = cls()
        for usage in log.read(since=(time.time() if now is None else now) - DAY_S):
            found.gpu_hours += usage.gpu_hours
            if usage.currency:
                found.costs[usage.currency] = found.costs.get(usage.currency, 0.0) + usage.cost
        return found


def costs_of(stages: Sequence[StagePlan]) -> dict[str, Figure]:
    """Currency -> cost of the stages priced in it."""
    currencies = sorted({stage.price.currency for stage in stages if stage.price})
    return {
        currency: total([stage.cost for stage in stages if stage.price and stage.price.currency == currency])
        for currency in currencies
    }


def held_against(limits: Limits, stages: Sequence[StagePlan], gpu_hours: Figure, day: Day) -> list[Limit]:
    """Each limit that the profile sets, with what the plan needs of it."""
    is_idle = all(stage.to_do.is_zero for stage in stages)
    nothing = known(0) if is_idle else unknown(f"no role that works has a price in {limits.currency}")
    cost = costs_of(stages).get(limits.currency, nothing)
    spent = day.costs.get(limits.currency, 0.0)
    wanted = (
        ("max_cost", limits.max_cost, limits.currency, 0.0, cost),
        ("max_gpu_hours", limits.max_gpu_hours, GPU_HOURS, 0.0, gpu_hours),
        ("max_cost_per_day", limits.max_cost_per_day, limits.currency, spent, cost),
        ("max_gpu_hours_per_day", limits.max_gpu_hours_per_day, GPU_HOURS, day.gpu_hours, gpu_hours),
    )
    return [
        Limit(name, limit, unit, spent, needed, _verdict(limit, spent, needed))
        for name, limit, unit, spent, needed in wanted
        if limit is not None
    ]


def _verdict(limit: float, spent: float, needed: Figure) -> Verdict:
    if spent + needed.least > limit:
        return "exceeds"
    if needed.high is None:
        return "cannot be said"
    return "fits" if spent + needed.high <= limit else "may exceed"


def gpu_hours_of(stages: Sequence[StagePlan], counted: Sequence[bool]) -> Figure:
    """GPU-hours of the stages whose roles count them; unknown if there are others and none of these."""
    parts = [stage.gpu_hours for stage, is_counted in zip(stages, counted, strict=True) if is_counted]
    if parts:
        return total(parts)
    busy = [stage for stage in stages if not stage.to_do.is_zero]
    return unknown(busy[0].gpu_hours.source) if busy else known(0)


def refuse(plan: Plan, recipe: Recipe) -> None:
    """Raises LimitError if the plan cannot be within its limits, even at the low end of its figures."""
    for limit in plan.limits:
        if limit.verdict == "exceeds":
            before = f", {limit.spent:,.2f} were spent within 24 hours" if limit.spent else ""
            raise LimitError(
                f"the plan needs at least {limit.needed.least:,.2f} {limit.unit}{before}, "
                f"and the limit {limit.name} is {limit.limit:g}",
                where=f"{recipe.name} ({recipe.profile})",
                fix=f"Read the plan (mathloom plan {recipe.name} --profile {recipe.profile}); build fewer stages with "
                "--select, ask for fewer samples, or raise the limit in the profile",
            )


def refuse_stage(plan: StagePlan, workspace: Workspace, *, counts_gpus: bool) -> None:
    """Hold one stage, whose requests are counted, against the limits; what the build has spent before counts too.

    Here a click in the UI and a schedule meet the limits before an engine starts, as a build from a terminal does.

    Raises:
        LimitError: The stage cannot end within a limit, even at the low end of its figures.
    """
    recipe, spent = workspace.recipe, workspace.spent
    gpu_hours = gpu_hours_of([plan], [counts_gpus])
    of_build = {"max_cost": spent.cost, "max_gpu_hours": spent.gpu_hours}
    for limit in held_against(recipe.limits, [plan], gpu_hours, Day.of(UsageLog(workspace.root))):
        before = of_build.get(limit.name, limit.spent)
        if before + limit.needed.least > limit.limit:
            said = f"; {before:,.2f} are spent" if before else ""
            raise LimitError(
                f"the stage needs at least {limit.needed.least:,.2f} {limit.unit}{said}, "
                f"and the limit {limit.name} is {limit.limit:g}",
                where=f"{recipe.name}/{plan.stage}",
                fix="Ask for fewer samples, or raise the limit in the profile (`limits:`)",
            )


def narrowed(recipe: Recipe, max_cost: float | None, max_gpu_hours: float | None) -> Recipe:
    """``recipe`` with limits for one build: never wider than those of its profile.

    ``max_cost`` is in the currency of the profile's limits; where it sets none on costs, in that of its prices. Raises
    LimitError if these have several.
    """
    if max_cost is None and max_gpu_hours is None:
        return recipe
    limits = recipe.limits
    if limits.max_cost is None and limits.max_cost_per_day is None:
        currencies = {role.price.currency for role in recipe.roles.values() if role.price}
        if max_cost is not None and len(currencies) > 1:
            raise LimitError(
                f"--max-cost has no currency: the roles are priced in {' and '.join(sorted(currencies))}",
                where=f"{recipe.name} ({recipe.profile})",
                fix="Give the prices of the profile in one currency",
            )
        limits = replace(limits, currency=next(iter(currencies), limits.currency))
    limits = replace(
        limits,
        max_cost=_least(limits.max_cost, max_cost),
        max_gpu_hours=_least(limits.max_gpu_hours, max_gpu_hours),
    )
    return replace(recipe, limits=limits)


def _least(*limits: float | None) -> float | None:
    return min((limit for limit in limits if limit is not None), default=None)
