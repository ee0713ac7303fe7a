"""Every call of a release fails in every way: readers see the old version or the new, and asking again ends well."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pytest

from resources.errors import HubError
from resources.hub.connection import Patience
from resources.hub.hub_repository import HubRepository
from resources.hub.repository import Change, LocalFile
from resources.hub.stand_in.faults import HOWS, Fault, every_fault
from resources.hub.stand_in.server import StandIn

Local = Callable[[str, bytes], LocalFile]
Contents = Mapping[str, bytes | None]

PATIENT = Patience(attempts=3, wait_s=0, answer_s=0.2, sleep=lambda _: None)
HASTY = dataclasses.replace(PATIENT, attempts=1)
"""Gives up at the first failure, as a killed run does."""
NAMES = (f"org/set-{number}" for number in itertools.count())

OLD = {"README.md": b"old", "BUILD.json": b"{}", "data/a.parquet": b"PAR1\0a", "data/b.parquet": b"PAR1\0b"}
NEW = {"README.md": b"new", "BUILD.json": b"{}", "data/a.parquet": b"PAR1\0A", "data/c.parquet": b"PAR1\0c"}


@dataclass(frozen=True)
class Series:
    """One repository under test: releases are made by a client of its own each time."""

    hub: StandIn
    name: str
    files: Mapping[str, LocalFile | bytes]

    def open(self, patience: Patience = PATIENT) -> HubRepository:
        return HubRepository(self.name, endpoint=self.hub.endpoint, token=self.hub.token, patience=patience)

    def first(self, patience: Patience = PATIENT) -> None:
        """The first release, into a repository that may not be there."""
        repository = self.open(patience)
        repository.create()
        put = {path: self.files[f"old {path}"] for path in OLD}
        repository.tag("v1.0.0", repository.commit(Change(put=put), parent=None, message="old").commit, "old")

    def second(self, patience: Patience = PATIENT) -> None:
        """The second release, planned when the first was current."""
        repository = self.open(patience)
        first = repository.tags()["v1.0.0"]
        repository.tag("v1.1.0", repository.commit(self._change(), parent=first, message="new").commit, "new")

    def propose(self, patience: Patience = PATIENT) -> None:
        """The second version as a pull request."""
        repository = self.open(patience)
        first = repository.tags()["v1.0.0"]
        assert repository.commit(self._change(), parent=first, message="new", is_pull_request=True).pull_request

    def seen(self, revision: str) -> Contents:
        """What a reader of a branch or tag finds; nothing if there is none."""
        repository = self.open()
        if revision != "main" and revision not in repository.tags():
            return {}
        return {path: repository.read(revision, path) for path in repository.files(revision)}

    def _change(self) -> Change:
        return Change(put={path: self.files[f"new {path}"] for path in NEW}, delete=["data/b.parquet"])


@pytest.fixture
def make(hub: StandIn, local: Local) -> Callable[[], Series]:
    """A new repository of the same Hub."""
    files: dict[str, LocalFile | bytes] = {}
    for word, version in (("old", OLD), ("new", NEW)):
        for path, content in version.items():
            large = path.endswith(".parquet")
            files[f"{word} {path}"] = local(f"{word}/{path}", content) if large else content
    return lambda: Series(hub, next(NAMES), files)


def calls_of(series: Series, act: Callable[[], None]) -> list[Fault]:
    """Every call of ``act``, in every way that it can fail."""
    series.hub.faults.arm()
    series.hub.forget_calls()
    act()
    return every_fault(series.hub.calls)


def fail_second(make: Callable[[], Series], fault: Fault) -> None:
    """One fault during the second release: to a client that gives up, and to one that does not."""
    series = make()
    series.first()
    series.hub.faults.arm(fault)
    try:
        series.second(HASTY)
    except HubError as error:
        _check_error(error, series)
    assert series.hub.faults.fired == (fault,)
    main = series.seen("main")
    assert main in (OLD, NEW)
    assert series.seen("v1.0.0") == OLD
    assert series.seen("v1.1.0") in ({}, main)
    series.second(HASTY)
    assert series.seen("main") == series.seen("v1.1.0") == NEW
    assert series.seen("v1.0.0") == OLD
    patient = make()
    patient.first()
    patient.hub.faults.arm(fault)
    patient.second()
    assert patient.hub.faults.fired == (fault,)
    assert patient.seen("main") == patient.seen("v1.1.0") == NEW


def fail_first(make: Callable[[], Series], fault: Fault) -> None:
    """One fault during the first release."""
    series = make()
    series.hub.faults.arm(fault)
    try:
        series.first(HASTY)
    except HubError as error:
        _check_error(error, series)
    if series.open().head():
        assert series.seen("main") in ({}, OLD)
        assert series.seen("v1.0.0") in ({}, OLD)
    series.first(HASTY)
    assert series.seen("main") == series.seen("v1.0.0") == OLD
    patient = make()
    patient.hub.faults.arm(fault)
    patient.first()
    assert patient.seen("main") == patient.seen("v1.0.0") == OLD


def fail_proposal(make: Callable[[], Series], fault: Fault) -> None:
    """One fault while a pull request is made: there is one in the end, and main is as it was."""
    series = make()
    series.first()
    series.hub.faults.arm(fault)
    series.propose()
    assert series.seen("main") == OLD
    assert series.open().files("refs/pr/1").keys() == NEW.keys()
    with pytest.raises(HubError, match="no such revision"):
        series.open().files("refs/pr/2")


def _check_error(error: HubError, series: Series) -> None:
    assert error.retryable
    assert "\n" not in str(error)
    assert series.hub.token not in str(error)


@pytest.mark.parametrize(
    ("route", "how"),
    [
        ("commit", "cut_before"),
        ("commit", "cut_during"),
        ("commit", "cut_after"),
        ("commit", "status_412"),
        ("commit", "timeout"),
        ("lfs-upload", "cut_during"),
        ("lfs-upload", "status_500"),
        ("lfs-batch", "status_429"),
        ("preupload", "timeout"),
        ("tree", "cut_during"),
        ("tag", "cut_after"),
        ("tag", "status_500"),
        ("tag", "timeout"),
    ],
)
def test_a_fault_of_a_release(make: Callable[[], Series], route: str, how: str) -> None:
    fail_second(make, Fault(route, 1, how))


def test_the_sample_has_every_kind_of_fault() -> None:
    [mark] = test_a_fault_of_a_release.pytestmark  # type: ignore[attr-defined]
    assert {how for _, how in mark.args[1]} == set(HOWS)


@pytest.mark.soak
@pytest.mark.parametrize(("fail", "least"), [(fail_second, 80), (fail_first, 80), (fail_proposal, 60)])
def test_every_fault(make: Callable[[], Series], fail: Callable[..., None], least: int) -> None:
    series = make()
    if fail is not fail_first:
        series.first()
    act = {fail_first: series.first, fail_second: series.second, fail_proposal: series.propose}[fail]
    faults = calls_of(series, act)
    assert len(faults) >= least
    broken = []
    for fault in faults:
        try:
            fail(make, fault)
        except Exception as error:
            broken.append(f"{fault}: {type(error).__name__}: {error}"[:300])
    assert not broken, f"{len(broken)} of {len(faults)}:\n" + "\n".join(broken)
