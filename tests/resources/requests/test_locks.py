"""Locks: who holds what, and what a failed change of a lock leaves."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from resources.errors import StoreError
from resources.requests.locks import Hold, exclusive, take


def test_only_the_last_one_has_the_folder_alone(tmp_path: Path) -> None:
    first, second = Hold(tmp_path), Hold(tmp_path)
    with first.alone() as is_alone:
        assert not is_alone
    with second.alone() as is_alone:
        assert not is_alone, "the first one's failed try has left its own hold as it was"
    second.close()
    second.close()
    for _ in range(2):
        with first.alone() as is_alone:
            assert is_alone
    late = Hold(tmp_path)
    with first.alone() as is_alone:
        assert not is_alone
    first.close()
    with first.alone() as is_alone:
        assert not is_alone, "closed"
    late.close()


def test_who_comes_waits_for_the_one_that_is_alone(tmp_path: Path) -> None:
    hold = Hold(tmp_path)
    read, write = os.pipe()
    with hold.alone() as is_alone:
        assert is_alone
        child = os.fork()
        if child == 0:
            Hold(tmp_path)
            os.write(write, b"x")
            os._exit(0)
        os.set_blocking(read, False)
        for _ in range(20):
            with pytest.raises(BlockingIOError):
                os.read(read, 1)
    os.set_blocking(read, True)
    assert os.read(read, 1) == b"x"
    assert os.waitpid(child, 0)[1] == 0
    hold.close()
    os.close(read)
    os.close(write)


def test_a_forked_child_holds_nothing(tmp_path: Path) -> None:
    hold = Hold(tmp_path)
    read, write = os.pipe()
    wait, end = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(end)
        os.write(write, b"x")
        os.read(wait, 1)  # lives until the parent has looked
        os._exit(0)
    assert os.read(read, 1) == b"x"
    hold.close()
    other = Hold(tmp_path)
    with other.alone() as is_alone:
        assert is_alone
    os.close(end)
    os.waitpid(child, 0)
    for descriptor in (read, write, wait):
        os.close(descriptor)
    other.close()


def test_a_forgotten_hold_is_free(tmp_path: Path) -> None:
    Hold(tmp_path)
    hold = Hold(tmp_path)
    with hold.alone() as is_alone:
        assert is_alone
    hold.close()


def test_a_lock_that_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "lock"
    with exclusive(path) as is_held:
        assert is_held
        with exclusive(path, waits=False) as is_held_twice:
            assert not is_held_twice
        assert take(path) is None
    with exclusive(path, waits=False) as is_held:
        assert is_held
    assert take(tmp_path / "nothing") is None


def test_no_folder_is_a_store_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="No such file"):
        Hold(tmp_path / "nothing")
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="a file stands where a folder"):
        Hold(tmp_path / "file")
