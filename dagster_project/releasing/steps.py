"""How far a change goes, and why: major for schemas, minor for rows, patch for the rest.

A patch changes no byte of a data file: who follows patches of a version never gets other data.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assets.release.difference import Difference
from assets.release.numbering import Step


@dataclass(frozen=True, slots=True)
class Computed:
    """The step that a change needs, and the reasons in words, most important first."""

    step: Step
    reasons: tuple[str, ...]


def rewritten(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Data files that differ between two build records (`files`: path -> rows and sha256), sorted."""
    before, after = _hashes(old), _hashes(new)
    return sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))


def _hashes(build: Mapping[str, Any]) -> dict[str, Any]:
    """Path -> sha256. A published record may be anybody's: what is no file of it counts as absent."""
    files = build.get("files")
    items = files.items() if isinstance(files, Mapping) else ()
    return {str(path): file.get("sha256") for path, file in items if isinstance(file, Mapping)}


def step_of(
    difference: Difference,
    *,
    new_data: Sequence[str] = (),
    has_new_files: bool,
    has_new_card: bool,
    is_edited: bool,
) -> Computed:
    """The step from one release to the next.

    Args:
        difference: Between their rows, schemas and makings.
        new_data: Data files that differ (:func:`rewritten`).
        has_new_files: Whether any file but the card differs.
        has_new_card: Whether the card, as it was built, differs.
        is_edited: Whether files of the repository were changed by hand since.
    """
    found = [
        *_schema(difference),
        *_rows(difference),
        *_bytes(difference, new_data),
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


def _bytes(difference: Difference, new_data: Sequence[str]) -> Iterator[tuple[Step, str]]:
    """The rows are the same to who reads them as a set; their order, their origin or their file is not."""
    if new_data and not difference.has_changed_rows and not difference.schema:
        more = f" and {len(new_data) - 1} more" if len(new_data) > 1 else ""
        yield Step.MINOR, f"the same rows in another order or of another origin: {new_data[0]}{more}"


def _rest(
    difference: Difference, *, has_new_files: bool, has_new_card: bool, is_edited: bool
) -> Iterator[tuple[Step, str]]:
    if is_edited:
        yield Step.PATCH, "files of the release were changed in the repository, and are written again"
    if has_new_files and not difference.has_changed_rows and not difference.schema:
        made = "; ".join(difference.recipe[:3])
        yield Step.PATCH, f"the record of the build or the recipe differs{f' ({made})' if made else ''}"
    if has_new_card:
        yield Step.PATCH, "the card says something else"
