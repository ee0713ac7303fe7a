"""Failures of runs, told to the address in the environment variable that a profile names with `notify_env`.

One POST of JSON: recipe, profile, run_id, stage, error, and a ``text`` of one line, which is what chat services show.
The address is a secret (whoever has it can write there): it stands in no log, and no redirect is followed. A failure
that cannot be told is one line in the sensor's log and stops nothing.
"""

import json
import os
import re
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg

from dagster_project.automation.runs import is_run_of
from dagster_project.language.resolved import Recipe

TIMEOUT_S = 10.0
TRIES = 2
MAX_ERROR = 600
"""Characters of an error that go out."""
INTERVAL_S = 30
"""Seconds between two looks at failed runs."""

_KEY_OPTION = "api_key_env"
_TOKENS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
_LEAST_SECRET = 6
_USER_IN_URL = re.compile(r"//[^/\s@]+@")

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Failed:
    """What went wrong with one recipe in one run. ``stage``: None if it failed before any began."""

    recipe: Recipe
    stage: str | None
    error: str


def failure_sensors(recipes: Sequence[Recipe]) -> list[dg.SensorDefinition]:
    """The sensor that tells failed runs of the recipes whose profile says `notify_env`; none if none does."""
    telling = [recipe for recipe in recipes if recipe.schedule.notify_env]
    if not telling:
        return []
    names = ", ".join(recipe.name for recipe in telling)

    @dg.run_failure_sensor(
        name="mathloom_failures",
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=INTERVAL_S,
        description=f"Posts failed runs of {names} to the address that the profile names.",
    )
    def failures(context: dg.RunFailureSensorContext):
        for failed in failures_of(context, telling):
            tell(
                failed.recipe, failed.error, context.log.warning, run_id=context.dagster_run.run_id, stage=failed.stage
            )

    return [failures]


def failures_of(context: dg.RunFailureSensorContext, recipes: Sequence[Recipe]) -> Iterator[Failed]:
    """What failed in a run, each recipe once: its first failed stage, or the run itself."""
    stages = {
        dg.AssetKey(recipe.asset_path(name)).to_python_identifier(): (recipe, name)
        for recipe in recipes
        for name in [*recipe.stages, "publish"]
    }
    told: set[str] = set()
    failed_steps = context.get_step_failure_events()
    for event in failed_steps:
        recipe, stage = stages.get((event.step_key or "").partition("[")[0], (None, None))
        if recipe is not None and recipe.name not in told:
            told.add(recipe.name)
            yield Failed(recipe, stage, _said(event))
    if failed_steps:
        return
    for recipe in recipes:
        if is_run_of(context.dagster_run, recipe):
            yield Failed(recipe, None, context.failure_event.message or "the run failed without a word")


def _said(event: dg.DagsterEvent) -> str:
    data = event.step_failure_data
    if data.user_failure_data is not None and data.user_failure_data.description:
        return data.user_failure_data.description
    return data.error.message if data.error is not None else "the stage failed without a word"


def tell(recipe: Recipe, error: str, say: Say, *, run_id: str | None = None, stage: str | None = None) -> bool:
    """Post one failure of ``recipe``, if its profile says where. Never raises; ``say`` hears why nothing was told.

    Returns whether it was told.
    """
    variable = recipe.schedule.notify_env
    if variable is None:
        return False
    address = os.environ.get(variable, "").strip()
    if not address.lower().startswith(("http://", "https://")):
        say(f"the failure was told to nobody: {variable} holds no http address")
        return False
    where = f"{recipe.name} ({recipe.profile})" + (f", {stage}" if stage else "")
    line = public_line(error, recipe)
    body = {
        "recipe": recipe.name,
        "profile": recipe.profile,
        "run_id": run_id,
        "stage": stage,
        "error": line,
        "text": f"{where}: {line}",
    }
    problem = _post(address, body)
    if problem:
        say(f"the failure was told to nobody: the address in {variable} {problem}")
    return not problem


def public_line(error: str, recipe: Recipe) -> str:
    """``error`` on one line, bounded, without the values of the secrets that the recipe's environment holds."""
    text = " ".join(error.split())
    options = [role.options.get(_KEY_OPTION) for role in recipe.roles.values()]
    for name in (*_TOKENS, recipe.schedule.notify_env, *options):
        secret = os.environ.get(name, "").strip() if isinstance(name, str) else ""
        if len(secret) >= _LEAST_SECRET:
            text = text.replace(secret, "***")
    text = _USER_IN_URL.sub("//***@", text)
    return text if len(text) <= MAX_ERROR else text[: MAX_ERROR - 1] + "…"


class _Stay(urllib.request.HTTPRedirectHandler):
    """No redirect is followed."""

    def redirect_request(self, *_arguments: Any, **_named: Any) -> None:
        return None


def _post(address: str, body: dict[str, Any]) -> str:
    """Send ``body``; returns what went wrong, in words that do not hold the address."""
    problem = ""
    for _ in range(TRIES):
        try:
            data = json.dumps(body).encode()
            request = urllib.request.Request(address, data, {"Content-Type": "application/json"}, method="POST")
            with urllib.request.build_opener(_Stay).open(request, timeout=TIMEOUT_S):
                return ""
        except urllib.error.HTTPError as error:
            problem = f"answers with status {error.code}"
            error.close()
        except Exception as error:  # the library's errors hold the address or its host: only their kind is said
            reason = getattr(error, "reason", error)
            problem = f"cannot be reached ({type(reason).__name__})"
    return problem
