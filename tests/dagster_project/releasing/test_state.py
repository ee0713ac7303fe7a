"""What the tags and the card of a head mean together."""

from __future__ import annotations

import pytest

from assets.release.decoration import Stamp
from assets.release.numbering import Number
from dagster_project.releasing.state import RepositoryState


def state(version: Number, tags: dict[str, str], *, is_whole: bool = True) -> RepositoryState:
    return RepositoryState("org/set", "c" * 40, tags, stamp=Stamp(version, "0" * 64, "1" * 64), is_whole=is_whole)


@pytest.mark.parametrize(
    ("version", "tags", "untagged", "newest"),
    [
        (Number(1, 0, 0), {}, Number(1, 0, 0), Number(1, 0, 0)),
        (Number(1, 1, 0), {"v1.0.0": "a"}, Number(1, 1, 0), Number(1, 1, 0)),
        (Number(1, 0, 0), {"v1.0.0": "a"}, None, Number(1, 0, 0)),
        # Its tag was deleted, or it was never made: a number that is passed does not come back.
        (Number(1, 0, 0), {"v1.1.0": "a"}, None, Number(1, 1, 0)),
        (Number(1, 1, 0), {"v1.0.0": "a", "latest": "a"}, Number(1, 1, 0), Number(1, 1, 0)),
    ],
)
def test_a_head_without_its_tag(version: Number, tags: dict[str, str], untagged: Number | None, newest: Number) -> None:
    found = state(version, tags)
    assert (found.untagged, found.newest) == (untagged, newest)


def test_a_head_with_other_files_is_no_release() -> None:
    found = state(Number(1, 1, 0), {"v1.0.0": "a"}, is_whole=False)
    assert (found.claimed, found.untagged, found.newest) == (Number(1, 1, 0), None, Number(1, 0, 0))
    assert found.is_edited
