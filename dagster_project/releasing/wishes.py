"""What a person says about a release, on the command line or in the launchpad."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypedDict

from assets.release.numbering import Number, Step
from resources.errors import ReleaseError


class PlanArguments(TypedDict):
    """Keyword arguments of ``make_release_plan``."""

    step: Step | None
    number: Number | None
    is_pull_request: bool
    note: str | None
    is_again: bool


@dataclass(frozen=True, slots=True)
class Wishes:
    """All of it; the defaults leave everything to the plan."""

    step: Step | None = None
    number: Number | None = None
    is_pull_request: bool = False
    note: str | None = None
    is_again: bool = False

    def arguments(self) -> PlanArguments:
        """As ``make_release_plan`` takes them."""
        return PlanArguments(
            step=self.step,
            number=self.number,
            is_pull_request=self.is_pull_request,
            note=self.note,
            is_again=self.is_again,
        )

    def as_pull_request(self, is_pull_request: bool) -> Wishes:
        """The same, as a pull request or not."""
        return replace(self, is_pull_request=is_pull_request)


def wishes_of(
    step: str | None, version: str | None, *, is_pull_request: bool, note: str | None, is_again: bool
) -> Wishes:
    """Words as wishes. Raises ReleaseError for a step or number that is none."""
    return Wishes(_step(step), _number(version), is_pull_request, note or None, is_again)


def _step(word: str | None) -> Step | None:
    steps = {step.name.lower(): step for step in Step if step}
    if word is not None and word not in steps:
        raise ReleaseError(f"{word!r} is no step", where="step", fix=f"Write one of: {', '.join(steps)}")
    return steps[word] if word is not None else None


def _number(word: str | None) -> Number | None:
    """A number as people write it: ``1.2.0`` or ``v1.2.0``."""
    number = Number.of_tag(f"v{word.removeprefix('v')}") if word is not None else None
    if word is not None and number is None:
        raise ReleaseError(f"{word!r} is no number of a release", where="version", fix="Write it like 1.2.0")
    return number
