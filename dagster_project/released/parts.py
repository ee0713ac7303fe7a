"""The stages that differ between two builds, with their tables in the store, and the cause that each can be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from assets.schemas import shape_of
from dagster_project.explorer.access import parquet
from dagster_project.released.lineages import asked_otherwise
from dagster_project.released.making import Made, above, merged_order
from resources.errors import StoreError
from resources.store import Store, Version

_NO_REJECTS = "select null::uuid as id, null::varchar as rule where false"


@dataclass(frozen=True, slots=True)
class Table:
    """One table of a version, as SQL."""

    paths: Sequence[Path]
    columns: Sequence[str]

    @property
    def sql(self) -> str:
        """To be read from."""
        return parquet(self.paths)


@dataclass(frozen=True, slots=True)
class Part:
    """One stage in both builds; a side is None where the build has no such stage."""

    name: str
    old: Made | None
    new: Made | None
    rows: Mapping[str, Table]
    """Side (old, new) -> its rows."""
    rejects: Mapping[str, Table]
    ancestors: frozenset[str]
    is_vote: bool

    @property
    def any(self) -> Made:
        """The stage of either side; the new one if both have it."""
        return self.new or self.old or Made(self.name)

    @property
    def is_in_both(self) -> bool:
        """Whether both builds have it."""
        return self.old is not None and self.new is not None

    @property
    def columns(self) -> set[str]:
        """Columns that the rows of every side have."""
        return set.intersection(*(set(table.columns) for table in self.rows.values())) if self.rows else set()

    @property
    def asks_solutions(self) -> bool:
        """Whether a model writes its solutions."""
        return bool(self.any.lineage) and shape_of(self.columns) == "solutions"

    def rejects_of(self, side: str) -> str:
        """Id and rule, each id once."""
        table = self.rejects.get(side)
        return f"select id, min(rule) as rule from {table.sql} group by id" if table else _NO_REJECTS


def parts_of(
    store: Store, old: Mapping[str, Made], new: Mapping[str, Made], splits: Sequence[str]
) -> list[Part] | None:
    """The stages that differ and that rows of ``splits`` go through, upstream first; None if the store lacks one."""
    relevant = (above(old, splits) | above(new, splits)) or {*old, *new}
    order = [n for n in merged_order(old, new) if n in relevant and n not in splits]
    found: list[Part] = []
    graded: set[str] = set()
    for name in order:
        a, b = old.get(name), new.get(name)
        if a and b and a.is_same(b):
            continue
        try:
            versions = {side: _version(store, made) for side, made in (("old", a), ("new", b)) if made}
        except StoreError:
            return None
        rows = {side: _table(version, "rows") for side, version in versions.items()}
        rejects = {side: _table(v, "rejects") for side, v in versions.items() if "rejects" in v.tables}
        ancestors = (above(old, [name]) | above(new, [name])) - {name}
        columns = set.intersection(*(set(table.columns) for table in rows.values()))
        is_graded = {"solution_id", "answer", "expected_answer"} <= columns and not graded & ancestors
        graded |= {name} if is_graded else set()
        is_vote = is_graded or shape_of(columns) in ("answers", "expected")
        found.append(Part(name, a, b, rows, rejects, frozenset(ancestors), is_vote))
    return found


def words_of(part: Part) -> dict[str, object]:
    """Cause and words of a row that parts at this stage: by a rule (``ruled``), by presence, or by content."""
    cause, detail = _cause_of(part)
    ruled = cause if cause in ("code", "seed") else "vote" if part.is_vote else "filter"
    if part.asks_solutions:
        content = detail
    else:
        content = f"{part.name}: {'text' if 'final_text_hash' in part.columns else 'expected answer'}"
    return {"cause": cause, "detail": detail, "content_detail": content, "ruled": ruled, "name": part.name}


def _cause_of(part: Part) -> tuple[str, str]:
    name = part.name
    if part.old is None or part.new is None:
        word = "new stage" if part.old is None else "stage is gone"
        return ("seed" if part.any.is_source else "prompt" if part.any.lineage else "filter"), f"{name}: {word}"
    if part.any.is_source:
        return "seed", name
    if part.any.lineage:
        return asked_otherwise(part.old, part.new) or _by_code(part, "unknown", f"{name}: no setting differs")
    if part.is_vote:
        return _by_code(part, "vote", f"{name}: expected answer")
    changed = part.old.changed_settings(part.new)
    if changed:
        return "filter", f"{name}: {', '.join(changed)}"
    return _by_code(part, "unknown", name)


def _by_code(part: Part, otherwise: str, detail: str) -> tuple[str, str]:
    """``code`` if that is all that differs in the stage itself."""
    if part.old is None or part.new is None:
        return otherwise, detail
    is_code = part.old.has_other_code(part.new) and not part.old.changed_settings(part.new)
    return ("code", f"{part.name}: code") if is_code else (otherwise, detail)


def _version(store: Store, made: Made) -> Version:
    if made.kind is None or made.version is None:
        raise StoreError("no version is recorded", where=made.name, fix="Compare releases of a newer mathloom")
    version = store.version(made.kind, made.version)
    if not all(path.is_file() for table in version.tables for path in version.paths(table)):
        raise StoreError("a file of it is gone", where=str(version.folder), fix="Build the stage again")
    return version


def _table(version: Version, name: str) -> Table:
    return Table(version.paths(name), version.schema(name).names)
