"""Several commands that are the first in a new project, at the same moment."""

from __future__ import annotations

import multiprocessing
import sqlite3
from contextlib import closing
from multiprocessing.context import ForkProcess
from multiprocessing.synchronize import Barrier
from pathlib import Path

import dagster  # noqa: F401 - before the fork: the children then begin at the same moment
import pytest

from dagster_project.dagster_home import instance_errors, open_instance
from resources.errors import StoreError

AT_ONCE = 6
WAIT_S = 120


def use(store: Path, barrier: Barrier) -> None:
    barrier.wait(WAIT_S)
    with instance_errors(store), open_instance(store) as instance:
        instance.get_runs_count()


def test_the_history_of_a_new_project_is_made_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(AT_ONCE)
    children = [ForkProcess(target=use, args=(tmp_path, barrier)) for _ in range(AT_ONCE)]
    for child in children:
        child.start()
    for child in children:
        child.join(WAIT_S)
    assert [child.exitcode for child in children] == [0] * AT_ONCE
    with open_instance(tmp_path) as instance:
        assert instance.get_runs_count() == 0


def test_tables_that_two_made_are_an_error_with_a_remedy(tmp_path: Path) -> None:
    with open_instance(tmp_path):
        pass
    databases = list((tmp_path / "dagster").rglob("*.db"))
    assert databases
    for database in databases:
        with closing(sqlite3.connect(database)) as connection, connection:
            connection.execute("INSERT INTO alembic_version VALUES ('another')")
    with pytest.raises(StoreError, match="move the folder away"), instance_errors(tmp_path), open_instance(tmp_path):
        pass
