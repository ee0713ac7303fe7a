"""Failed requests asked again: their attempts are dropped, and stages that gave them up are built again."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dagster_project.completion_files.stages import build_again, rejected_keys, rows_of
from dagster_project.language.resolved import Stage
from dagster_project.running.generation.asks import keyed_asks, trial_asks
from dagster_project.running.workspace import Workspace
from resources.requests.index import KeyRun, Keys, Mask, as_keys, words_of


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was dropped of one stage."""

    stage: str
    requests: int
    rejected: int
    """Of them, given up in the version that the environment has: the next build works on the stage again."""


def forget_failures(workspace: Workspace, stages: Sequence[Stage]) -> list[Forgotten]:
    """Drop the failed attempts of everything that ``stages`` ask for.

    Raises:
        StoreError: A stage's rows are not built, another process has the request store open, or the disk is full.
    """
    failed = {stage.name: _failed(workspace, stage) for stage in stages}
    keys = as_keys([key for found in failed.values() for key in found])
    if len(keys):
        workspace.requests.forget_failures(keys)
    done = []
    for stage in stages:
        run = KeyRun.of(as_keys(failed[stage.name]))
        rejected = build_again(workspace, stage, lambda found, run=run: _among(run, as_keys(found)))
        done.append(Forgotten(stage.name, len(run), rejected))
    return done


def _failed(workspace: Workspace, stage: Stage) -> list[bytes]:
    """Keys of the stage's requests that failed and have no answer."""
    found: dict[bytes, None] = {}
    table = rows_of(workspace, stage)
    for part in itertools.chain(trial_asks(workspace, stage, table), keyed_asks(workspace, stage, table)):
        _add_failed(workspace, part.flat_keys, found)
    for keys in rejected_keys(workspace, stage):  # also what later waves asked for
        _add_failed(workspace, [key.tobytes() for key in keys], found)
    return list(found)


def _add_failed(workspace: Workspace, keys: Sequence[bytes], found: dict[bytes, None]) -> None:
    known = workspace.requests.known(keys)
    missing = [key for key, is_known in zip(keys, known, strict=True) if not is_known]
    found.update(dict.fromkeys(workspace.requests.failed_attempts(missing)))


def _among(run: KeyRun, keys: Keys) -> Mask:
    return run.positions(*words_of(keys)) >= 0 if len(run) else np.zeros(len(keys), bool)
