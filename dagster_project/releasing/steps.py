"""How far a change goes, and why: major for schemas, minor for rows, patch for the rest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from assets.release.difference import Difference
from assets.release.numbering import Step


@dataclass(frozen=True, slots=True)
class Computed:
    """The step that a change needs, and the reasons in words, most important first."""

    step: Step
    reasons: tuple[str, ...]


def step_of(difference: Difference, *, has_new_files: bool, has_new_card: bool, is_edited: bool) -> Computed:
    """The step from one release to the next.

    Args:
        difference: Between their rows, schemas and makings.
        has_new_files: Whether any file but the card differs.
        has_new_card: Whether the card, as it was built, differs.
        is_edited: Whether files of the repository were changed by hand since.
    """
    found = [
        *_schema(difference),
        *_rows(difference),
        *_rest(difference, has_new_files=has_new_files, has_new_card=has_new_card, is_edited=is_edited),
    ]
    if not found:
        return Computed(Step.NONE, ("nothing differs",))
    step = max(step for step, _ in found)
    return Computed(step, tuple(words for _, words in sorted(found, key=lambda pair: -pair[0])))


def _schema(difference: Difference) -> Iterator[tuple[Step, str]]:
    for change in difference.schema:
        yield (Step.MAJOR if change.is_breaking else Step.MINOR), f"{change.config}: {change.what}"


def _rows(difference: Difference) -> Iterator[tuple[Step, str]]:
    for name, rows in [*difference.splits.items(), *difference.other_configs.items()]:
        counts = {"added": rows.added, "removed": rows.removed, "changed": rows.changed}
        words = ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)
        if words:
            yield Step.MINOR, f"rows of {name}: {words}"


def _rest(
    difference: Difference, *, has_new_files: bool, has_new_card: bool, is_edited: bool
) -> Iterator[tuple[Step, str]]:
    if is_edited:
        yield Step.PATCH, "files of the release were changed in the repository, and are written again"
    if has_new_files and not difference.has_changed_rows and not difference.schema:
        made = "; ".join(difference.recipe[:3])
        yield Step.PATCH, f"files are written anew with the same rows{f' ({made})' if made else ''}"
    if has_new_card:
        yield Step.PATCH, "the card says something else"
