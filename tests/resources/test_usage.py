"""The usage log: many writers, torn lines, foreign lines."""

from __future__ import annotations

import errno
import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from resources.errors import StoreError
from resources.usage import Usage, UsageLog

ONE = Usage("sums", "local", "solutions", "solver", "vllm", "w", "shape", "run", completions=1, completion_tokens=5)


def test_many_writers_lose_no_line(tmp_path: Path) -> None:
    def write(_: int) -> None:
        UsageLog(tmp_path).append(ONE)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(200)))
    found = list(UsageLog(tmp_path).read())
    assert len(found) == 200
    assert all(usage.at > 0 for usage in found)


def test_an_empty_log_has_no_line(tmp_path: Path) -> None:
    assert list(UsageLog(tmp_path).read()) == []


@pytest.mark.parametrize(
    "line", [b'{"recipe": "su', b"[1]", b"null", b"\xff\xfe", b'{"recipe": "a"}', b'{"completions": "many"}', b""]
)
def test_a_line_that_is_no_slice_is_left_out(line: bytes, tmp_path: Path) -> None:
    log = UsageLog(tmp_path)
    log.append(ONE)
    with log.path.open("ab") as handle:
        handle.write(line)
    log.append(ONE)
    assert [usage.completions for usage in log.read()] == [1, 1]


def test_a_word_of_a_newer_version_is_passed_over(tmp_path: Path) -> None:
    log = UsageLog(tmp_path)
    log.append(ONE)
    log.path.write_text(log.path.read_text().replace('{"recipe"', '{"carbon": 3, "recipe"'))
    assert [usage.completion_tokens for usage in log.read()] == [5]


def test_since(tmp_path: Path) -> None:
    log = UsageLog(tmp_path)
    for at in (100.0, 200.0, 300.0):
        log.append(Usage("a", "b", "c", "d", "e", "f", "g", "h", at=at))
    assert [usage.at for usage in log.read(since=200.0)] == [200.0, 300.0]


def test_the_last_day_of_a_long_log(tmp_path: Path) -> None:
    log = UsageLog(tmp_path)
    log.append(ONE)
    line = log.path.read_text()
    at = f'"at": {json.loads(line)["at"]}'
    log.path.write_text("".join(line.replace(at, f'"at": {1000 * n}.0') for n in range(3000)))
    assert log.path.stat().st_size > 4 << 16
    for since in (2_999_000.0, 2_500_000.0, 5000.0, 1.0):
        assert [usage.at for usage in log.read(since=since)] == [1000.0 * n for n in range(3000) if 1000 * n >= since]


def test_a_disk_that_refuses_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "usage.jsonl").mkdir()
    with pytest.raises(StoreError, match="usage.jsonl"):
        UsageLog(tmp_path).append(ONE)


def test_a_disk_that_fills_in_a_line_is_an_error_and_no_lost_slice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system writes what there is room for and says so; only the next write fails."""
    log = UsageLog(tmp_path)
    write, room = os.write, [40, 0]

    def full(descriptor: int, data: bytes) -> int:
        if not (left := room.pop(0)):
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, data[:left])

    with monkeypatch.context() as patch:
        patch.setattr("os.write", full)
        with pytest.raises(StoreError, match="the disk is full"):
            log.append(ONE)
    log.append(replace(ONE, cost=2.0))
    assert [usage.cost for usage in log.read()] == [2.0]
