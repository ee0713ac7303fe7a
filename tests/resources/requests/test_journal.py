"""The journal: what is written comes back, torn tails are cut, a full or broken disk corrupts nothing."""

from __future__ import annotations

import errno
import os
import resource
import struct
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.errors import StoreError
from resources.requests import journal as journal_module
from resources.requests.journal import SUFFIX, Journal, JournalReader
from resources.requests.locks import take
from resources.requests.records import (
    MAX_REASON,
    Completion,
    Failure,
    Record,
    decode,
    encode,
    peek,
    raw_text,
    valid_text,
)

KEY = bytes(range(16))
RECORDS: list[Record] = [
    Completion(KEY, "4", "stop", "scripted", "w", None, 12, 3, 7),
    Completion(KEY, "", "length", "", "", "", None, 0, 8),
    Completion(KEY, "nul \0 lone \ud800 pair \ud83d\ude00 é", "stop", "e", "w", "think \udfff", 2**31 - 1, None, 9),
    Failure(KEY, "timed out after 60 s", "server", "w", False, 10),
    Failure(KEY, "prompt longer than the context", "server", "w", True, 11),
]


def write(folder: Path, records: list[Record]) -> Path:
    """A closed journal with ``records``."""
    journal = Journal(folder)
    for record in records:
        journal.append([encode(record, record.stored_at_ns)])
    journal.close()
    return journal.path


def read(path: Path) -> tuple[list[Record], JournalReader]:
    """The whole records of a journal, and its (closed) reader with its counts."""
    descriptor = take(path)
    assert descriptor is not None
    reader = JournalReader(descriptor, path)
    records = [decode(reader.payload(frame.offset, frame.length)) for frame in reader.frames()]
    reader.close()
    return records, reader


def test_records_come_back(tmp_path: Path) -> None:
    records, reader = read(write(tmp_path, RECORDS))
    assert records == RECORDS
    assert (reader.torn_bytes, reader.damaged_bytes) == (0, 0)


def test_bytes_of_a_journal_stay_the_same(tmp_path: Path) -> None:
    """Other versions of mathloom read these files: a change here needs a new journal version and a migration."""
    path = write(tmp_path, [Completion(KEY, "4\ud800", "stop", "e", "w", None, 12, 3, 7), Failure(KEY, "no", "e", "w")])
    assert path.read_bytes().hex() == GOLDEN


GOLDEN = (
    "6d6174686c6f6f6d2d6a6f75726e616c01000000000000003f0000008182b9a400000102030405060708090a0b0c0d0e0f07"
    "000000000000000c00000003000000010000006501000000770400000073746f70ffffffff0400000034eda0803100000082"
    "81d65701000102030405060708090a0b0c0d0e0f0000000000000000ffffffffffffffff0100000065010000007702000000"
    "6e6f"
)


any_text = st.text(st.characters(), max_size=30)  # every code point, lone surrogates included


@given(
    record=st.one_of(
        st.builds(
            Completion,
            request_key=st.binary(min_size=16, max_size=16),
            text=any_text,
            finish_reason=any_text,
            engine=any_text,
            weights=any_text,
            reasoning=st.none() | any_text,
            prompt_tokens=st.none() | st.integers(0, 2**31 - 1),
            completion_tokens=st.none() | st.integers(0, 2**31 - 1),
            stored_at_ns=st.integers(0, 2**62),
        ),
        st.builds(
            Failure,
            request_key=st.binary(min_size=16, max_size=16),
            reason=any_text,
            engine=any_text,
            weights=any_text,
            is_permanent=st.booleans(),
            stored_at_ns=st.integers(0, 2**62),
        ),
    )
)
def test_encoding_keeps_every_record(record: Record) -> None:
    payload = encode(record, record.stored_at_ns)
    assert decode(payload) == record
    assert peek(payload) == (isinstance(record, Failure), record.request_key, record.stored_at_ns)


@given(any_text)
def test_valid_text_is_valid_and_raw_brings_back_the_original(text: str) -> None:
    valid, raw = valid_text(text), raw_text(text)
    valid.encode()
    assert (text if raw is None else raw.decode("utf-8", "surrogatepass")) == text
    assert (raw is None) == (valid == text)


def test_lone_surrogates_become_replacement_characters_and_pairs_join() -> None:
    assert valid_text("a\ud800b\ud83d\ude00c\udc00") == "a\ufffdb\U0001f600c\ufffd"


def test_long_reasons_are_cut_and_odd_token_counts_kept_in_range() -> None:
    cut = decode(encode(Failure(KEY, "x" * 10**6, "e", "w"), 0))
    assert isinstance(cut, Failure)
    assert len(cut.reason) == MAX_REASON
    odd = decode(encode(Completion(KEY, "", "stop", "e", "w", None, -5, 2**40), 0))
    assert isinstance(odd, Completion)
    assert (odd.prompt_tokens, odd.completion_tokens) == (0, 2**31 - 1)


def test_a_key_of_another_length_is_refused() -> None:
    with pytest.raises(StoreError, match="15 bytes"):
        encode(Failure(KEY[:15], "", "", ""), 0)


@pytest.mark.parametrize("cut", range(0, 200, 3))
def test_a_torn_tail_is_cut_at_every_length(tmp_path: Path, cut: int) -> None:
    path = write(tmp_path, RECORDS)
    data = path.read_bytes()
    path.write_bytes(data[: max(len(data) - cut, 0)])
    sizes = [8 + len(encode(record, 0)) for record in RECORDS]
    ends = [24 + sum(sizes[: number + 1]) for number in range(len(sizes))]
    whole = sum(end <= len(data) - cut for end in ends)
    records, reader = read(path)
    assert records == RECORDS[:whole]
    assert reader.torn_bytes == max(len(data) - cut - ([24, *ends][whole]), 0)


@pytest.mark.parametrize("junk", [b"\0" * 4096, b"\xff" * 4096, os.urandom(4096), struct.pack("<II", 40, 0)])
def test_junk_after_the_last_record_is_cut(tmp_path: Path, junk: bytes) -> None:
    path = write(tmp_path, RECORDS)
    with path.open("ab") as handle:
        handle.write(junk)
    records, reader = read(path)
    assert records == RECORDS
    assert reader.torn_bytes == len(junk)


def test_a_damaged_record_in_the_middle_costs_only_itself(tmp_path: Path) -> None:
    path = write(tmp_path, RECORDS)
    data = bytearray(path.read_bytes())
    data[24 + 8 + 20] ^= 1  # one bit of the first payload
    path.write_bytes(bytes(data))
    records, reader = read(path)
    assert records == RECORDS[1:]
    assert reader.damaged_bytes > 0 == reader.torn_bytes


@pytest.mark.parametrize(
    ("header", "message"),
    [(b"x" * 24, "it is no journal"), (struct.pack("<16sII", b"mathloom-journal", 99, 0), "its version is 99")],
    ids=["another file", "newer version"],
)
def test_foreign_journals_are_refused(tmp_path: Path, header: bytes, message: str) -> None:
    path = tmp_path / f"a{SUFFIX}"
    path.write_bytes(header)
    with pytest.raises(StoreError, match=message):
        read(path)


def test_an_empty_file_is_an_empty_journal(tmp_path: Path) -> None:
    path = tmp_path / f"a{SUFFIX}"
    path.touch()
    assert read(path)[0] == []


def test_the_lock_tells_live_from_dead(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    assert take(journal.path) is None
    journal.close()
    journal.close()
    descriptor = take(journal.path)
    assert descriptor is not None
    os.close(descriptor)
    with pytest.raises(StoreError, match="closed"):
        journal.append([encode(RECORDS[0], 0)])


def test_a_forgotten_journal_frees_its_lock(tmp_path: Path) -> None:
    path = Journal(tmp_path).path
    descriptor = take(path)
    assert descriptor is not None
    os.close(descriptor)


def test_records_are_on_disk_within_a_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "SYNC_S", 0.05)
    synced: list[int] = []
    monkeypatch.setattr(journal_module.os, "fsync", synced.append)
    journal = Journal(tmp_path)
    synced.clear()
    journal.append([encode(RECORDS[0], 0)])
    deadline = time.monotonic() + 5
    while not synced and time.monotonic() < deadline:
        time.sleep(0.01)
    assert synced, "no fsync without a further record"
    time.sleep(0.2)
    assert len(synced) == 1, "an idle journal is not synced again and again"
    journal.close()


class Disk:
    """Stands in for ``os.write``: lets ``room`` bytes through, then fails with ``code``."""

    def __init__(self, room: int, code: int) -> None:
        self.room, self.code, self.write = room, code, os.write

    def __call__(self, descriptor: int, data: Any) -> int:
        if self.room <= 0:
            raise OSError(self.code, os.strerror(self.code))
        written = self.write(descriptor, bytes(data)[: self.room])
        self.room -= written
        return written


@pytest.mark.parametrize(
    ("code", "message"), [(errno.ENOSPC, "the disk is full"), (errno.EIO, "Input/output error")], ids=["full", "broken"]
)
@pytest.mark.parametrize("room", [0, 3, 8, 50])
def test_a_failing_disk_keeps_what_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, message: str, room: int
) -> None:
    journal = Journal(tmp_path)
    journal.append([encode(RECORDS[0], 7)])
    with monkeypatch.context() as patch:
        patch.setattr(journal_module.os, "write", Disk(room, code))
        with pytest.raises(StoreError, match=message):
            journal.append([encode(RECORDS[1], 8), encode(RECORDS[2], 9)])
    journal.append([encode(RECORDS[3], 10)])  # room again: the journal goes on where it was whole
    journal.close()
    records, reader = read(journal.path)
    assert records == [RECORDS[0], RECORDS[3]]
    assert (reader.torn_bytes, reader.damaged_bytes) == (0, 0)


def test_ctrl_c_in_a_write_leaves_no_half_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(descriptor: int, data: Any) -> int:
        write(descriptor, bytes(data)[:30])
        raise KeyboardInterrupt

    write = os.write
    journal = Journal(tmp_path)
    journal.append([encode(RECORDS[0], 7)])
    with monkeypatch.context() as patch:
        patch.setattr(journal_module.os, "write", interrupted)
        with pytest.raises(KeyboardInterrupt):
            journal.append([encode(RECORDS[1], 8)])
    journal.append([encode(RECORDS[3], 10)])
    journal.close()
    records, reader = read(journal.path)
    assert records == [RECORDS[0], RECORDS[3]]
    assert (reader.torn_bytes, reader.damaged_bytes) == (0, 0)


def test_a_journal_that_cannot_be_cut_back_is_never_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(descriptor: int, size: int) -> None:
        raise OSError(errno.EIO, "cannot cut")

    journal = Journal(tmp_path)
    journal.append([encode(RECORDS[0], 7)])
    with monkeypatch.context() as patch:
        patch.setattr(journal_module.os, "write", Disk(20, errno.ENOSPC))
        patch.setattr(journal_module.os, "ftruncate", refuse)
        with pytest.raises(StoreError, match="the disk is full"):
            journal.append([encode(RECORDS[1], 8)])
    with pytest.raises(StoreError, match="cannot be written any more"):
        journal.append([encode(RECORDS[1], 8)])
    journal.abandon()
    assert read(journal.path)[0] == [RECORDS[0]]


def test_a_failed_fsync_stops_the_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(descriptor: int) -> None:
        raise OSError(errno.EIO, "fsync failed")

    journal = Journal(tmp_path)
    journal.append([encode(RECORDS[0], 7)])
    with monkeypatch.context() as patch:
        patch.setattr(journal_module.os, "fsync", refuse)
        with pytest.raises(StoreError, match="all older ones are safe"):
            journal.sync()
    with pytest.raises(StoreError, match="cannot be written any more"):
        journal.append([encode(RECORDS[1], 8)])
    with pytest.raises(StoreError, match="cannot be written any more"):
        journal.close()
    assert read(journal.path)[0] == [RECORDS[0]], "closed in spite of the error: the lock is free"


def test_a_folder_without_permission_or_place_is_a_store_error(tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.touch()
    with pytest.raises(StoreError, match="file"):
        Journal(blocker / "journals")


def test_a_real_file_limit_is_met_like_a_full_disk(tmp_path: Path) -> None:
    """RLIMIT_FSIZE makes the kernel itself cut a write short."""
    script = textwrap.dedent(
        """
        import signal, sys
        from pathlib import Path
        from resources.errors import StoreError
        from resources.requests.journal import Journal
        from resources.requests.records import Completion, encode
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        journal = Journal(Path(sys.argv[1]))
        done = 0
        try:
            while True:
                journal.append([encode(Completion(done.to_bytes(16, "big"), "x" * 1000, "stop", "e", "w"), 1)])
                done += 1
        except StoreError as error:
            sys.stdout.write(f"{done} {error}")
        """
    )
    limit = 100_000
    result = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    done, message = result.stdout.split(" ", 1)
    assert "the disk is full" in message
    assert "safe" in message
    (path,) = tmp_path.glob(f"*{SUFFIX}")
    records, reader = read(path)
    assert len(records) == int(done) > 50
    assert (reader.torn_bytes, reader.damaged_bytes) == (0, 0)


def test_a_forked_child_leaves_the_journal_to_its_parent(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append([encode(RECORDS[0], 7)])
    child = os.fork()
    if child == 0:
        try:
            journal.append([encode(RECORDS[1], 8)])
        except StoreError:
            os._exit(42)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 42
    assert take(journal.path) is None, "the child's end does not free the parent's lock"
    journal.append([encode(RECORDS[3], 10)])
    journal.close()
    assert read(journal.path)[0] == [RECORDS[0], RECORDS[3]]
