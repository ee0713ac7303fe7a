"""What a run that nobody watches does first: wait for another build of its environment, and hold what it needs.

A person at a terminal sees the plan before anything starts. Here the same plan is made and held against the limits, and
every engine that will be needed is looked at, before the first stage begins: a night that cannot end fails at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack

from dagster_project.automation.runs import PUBLISH
from dagster_project.planning.limits import refuse
from dagster_project.planning.make import make_plan, roles_to_check
from dagster_project.planning.walk import refuse_unreadable, walk
from dagster_project.releasing.destination import open_destination
from dagster_project.running.workspace import Workspace
from resources.errors import BusyError

PATIENCE_S = 600.0
"""How long a run that Dagster started waits for a build that holds its environment: one of a terminal, say."""
_PAUSE_S = 2.0


def enter_when_free(
    stack: ExitStack,
    lock: Callable[[], AbstractContextManager[None]],
    say: Callable[[str], None],
    *,
    patience: float = PATIENCE_S,
    pause: float = _PAUSE_S,
) -> None:
    """Enter ``lock()`` in ``stack``, and wait while another build holds it.

    Raises:
        BusyError: It is still held after ``patience`` seconds.
    """
    deadline = time.monotonic() + patience
    is_told = False
    while True:
        try:
            stack.enter_context(lock())
            return
        except BusyError as error:
            if time.monotonic() + pause > deadline:
                raise
            if not is_told:
                say(f"{error.where}: {error.what}; this run waits for it, up to {patience / 60:g} minutes")
                is_told = True
            time.sleep(pause)


def hold(workspace: Workspace, selected: Sequence[str]) -> None:
    """Refuse now what would stop the build later.

    Args:
        workspace: Locked by this run.
        selected: Stages of the run, and :data:`PUBLISH` if it publishes.

    Raises:
        LimitError: The plan cannot be within a limit, even at the low end of its figures.
        EngineError: An engine that will be needed cannot start.
        HubError: The run is to publish, and there is no token.
        MathloomError: A source or weights cannot be read.
    """
    if PUBLISH in selected and workspace.recipe.publishing is not None:
        open_destination(workspace.recipe.publishing)
    steps = walk(workspace, selected)
    if not any(step.is_to_build for step in steps.values()):
        return
    refuse_unreadable(workspace, steps)
    plan = make_plan(workspace, selected, steps=steps)
    if plan.generation:
        refuse(plan, workspace.recipe)
        for role in roles_to_check(plan):
            workspace.roles.engine(role).check()
