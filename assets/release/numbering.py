"""Numbers of releases: ``vMAJOR.MINOR.PATCH``, and which of them a change raises.

A changed schema or meaning of a column is major, changed rows are minor (a revert too), everything else is a patch.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

_TAG = re.compile(r"v(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})", re.ASCII)


class Step(IntEnum):
    """How far a change goes; the larger wins where several meet."""

    NONE = 0
    PATCH = 1
    MINOR = 2
    MAJOR = 3


@dataclass(frozen=True, slots=True, order=True)
class Number:
    """The number of a release. Its order is that of releases."""

    major: int
    minor: int
    patch: int

    @classmethod
    def of_tag(cls, tag: str) -> Number | None:
        """The number that a tag says; None for tags that are no release of ours."""
        found = _TAG.fullmatch(tag)
        return cls(*(int(part) for part in found.groups())) if found else None

    @property
    def tag(self) -> str:
        """Its tag."""
        return f"v{self}"

    def after(self, step: Step) -> Number:
        """The next number, ``step`` further."""
        if step is Step.MAJOR:
            return Number(self.major + 1, 0, 0)
        if step is Step.MINOR:
            return Number(self.major, self.minor + 1, 0)
        if step is Step.PATCH:
            return Number(self.major, self.minor, self.patch + 1)
        return self

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"


FIRST = Number(1, 0, 0)
"""The first release: what is published is used, so there is no 0.x."""


def latest(tags: Iterable[str]) -> Number | None:
    """The highest number among ``tags``; None if no tag is one of ours."""
    return max((number for tag in tags if (number := Number.of_tag(tag))), default=None)
