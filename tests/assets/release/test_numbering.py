"""Numbers of releases."""

from __future__ import annotations

import pytest

from assets.release.numbering import FIRST, Number, Step, latest


@pytest.mark.parametrize("tag", ["1.0.0", "v1.0", "v01.0.0", "v1.0.0-rc1", "v1.0.0\n", "V1.0.0", "v1.0.٣", "main"])
def test_what_is_no_release(tag: str) -> None:
    assert Number.of_tag(tag) is None


def test_steps() -> None:
    number = Number(1, 2, 3)
    assert [str(number.after(step)) for step in Step] == ["1.2.3", "1.2.4", "1.3.0", "2.0.0"]
    assert max(Step.PATCH, Step.MAJOR, Step.MINOR) is Step.MAJOR


def test_the_latest_is_the_highest_and_not_the_last_in_the_alphabet() -> None:
    assert latest(["v1.9.0", "v1.10.0", "v1.2.11", "nightly"]) == Number(1, 10, 0)
    assert latest(["nightly"]) is None
    assert FIRST.tag == "v1.0.0"
    assert Number.of_tag(FIRST.tag) == FIRST
