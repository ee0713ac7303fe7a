"""The symbolic step of a command: opened with its options, asked within its budget, closed with its processes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from assets.answers.policy import Policy
from assets.answers.symbolic.step import SymbolicStep
from resources.store.layout import store_errors

CACHE_FILE = "verdicts.sqlite"
"""Of verdicts, in the folder that the command line names."""


@contextmanager
def open_step(
    policy: Policy, *, is_on: bool, budget: float, cache: Path | None, processes: int | None
) -> Iterator[SymbolicStep | None]:
    """The step, or None if it is not wanted. Its processes start at the first pair that needs them.

    Args:
        policy: That of the keys.
        is_on: Whether it is wanted.
        budget: Seconds for all pairs together.
        cache: Folder of verdicts that are kept; made if there is none.
        processes: Default: one a core.
    """
    if not is_on or not budget:
        yield None
        return
    if cache is not None:
        with store_errors(cache):
            cache.mkdir(parents=True, exist_ok=True)
    with SymbolicStep(policy, cache and cache / CACHE_FILE, budget_s=budget, workers=processes) as step:
        yield step
