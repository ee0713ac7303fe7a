"""Whether the engines of a profile fit the devices that it gives them: said before anything is loaded.

Engines whose devices overlap are never loaded together, so what is left to see is whether each fits by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import prod
from typing import Any

from dagster_project.language.resolved import Recipe, Role
from resources.errors import RecipeError

PARALLEL = ("tensor_parallel_size", "pipeline_parallel_size", "data_parallel_size")
"""Arguments of vLLM's engine whose product is the number of GPUs that it fills."""


def check_devices(recipe: Recipe, roles: Iterable[str]) -> None:
    """Look at the roles that a build would ask.

    Raises:
        RecipeError: An engine fills more devices than its role names or pays for, or a device is named twice. With
            file and line of the role.
    """
    for name in dict.fromkeys(roles):
        _check(recipe.roles[name])


def devices_needed(role: Role) -> int | None:
    """GPUs that the engine's own arguments ask for; None where they say nothing."""
    said = role.options.get("engine_args")
    arguments: Mapping[str, Any] = said if isinstance(said, Mapping) else {}
    sizes = {name: arguments.get(name) for name in PARALLEL}
    numbers = [size for size in sizes.values() if isinstance(size, int) and not isinstance(size, bool) and size > 0]
    return prod(numbers) if numbers else None


def _check(role: Role) -> None:
    where = str(role.place)
    twice = sorted({device for device in role.devices if role.devices.count(device) > 1})
    if twice:
        raise RecipeError(
            f"the role {role.name!r} names the device {twice[0]!r} twice",
            where=where,
            fix="Name each device once under `devices:`",
        )
    needed = devices_needed(role)
    if needed is None:
        return
    words = " x ".join(f"{name} {size}" for name in PARALLEL if (size := role.options["engine_args"].get(name)))
    if role.devices and needed > len(role.devices):
        raise RecipeError(
            f"the engine of the role {role.name!r} fills {needed} devices ({words}), and {len(role.devices)} are named",
            where=where,
            fix=f"Name {needed} devices under `devices:`, or make these sizes smaller",
        )
    if role.price is not None and role.price.per_gpu_hour is not None and needed > role.gpus:
        raise RecipeError(
            f"the engine of the role {role.name!r} fills {needed} GPUs ({words}), and its price counts {role.gpus}",
            where=where,
            fix=f"Write `gpus: {needed}` under `price:`, or name the devices",
        )
