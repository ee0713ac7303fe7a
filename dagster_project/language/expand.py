"""Unrolls ``for_each`` and ``use`` into drafts: one for each stage, with values still as written.

Every value keeps the line it was written in. Splits and the release become drafts in ``sections``; what names refer to
is settled in ``bind``.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from dagster_project.language.drafts import Draft, Located, Pattern, Scope, draft_of, fill, references
from dagster_project.language.faults import Faults, suggest
from dagster_project.language.files import Document, read_yaml
from dagster_project.language.mistakes import check_words
from dagster_project.language.resolved import Place, Source
from dagster_project.language.words import NAME, USE_WORDS, PieceWords
from resources.errors import RecipeError

MAX_STAGES = 500
"""Most stages of a recipe: a product of three ``for_each`` lists is a mistake before it is a graph."""


def add_name(faults: Faults, scope: Scope, name: str, stage: str, place: Place) -> bool:
    """Make ``name`` known as ``stage``; False, with a fault, if it is taken."""
    if name in scope.names:
        what = f"two stages are named {name!r}, the first in line {scope.places[name].line}"
        faults.add(what, place, "Rename one of them")
        return False
    if scope.knows(name):
        faults.add(f"the name {name!r} is taken", place, "Give the stage another name")
        return False
    scope.names[name] = stage
    scope.places[name] = place
    return True


def _wrong(name: str, body: Mapping[str, Any]) -> tuple[str, str] | None:
    """What is wrong with a stage as a whole, and how to mend it."""
    if not re.fullmatch(NAME, name):
        return f"{name!r} is no name for a stage", "Use letters, digits and _, and fill in variables by `for_each`"
    uses, has_kind = body.get("use") is not None, body.get("kind") is not None
    if uses == has_kind:
        words = "both `kind` and `use`" if uses else "neither `kind` nor `use`"
        return f"stage {name!r} has {words}", "Give it exactly one of them"
    return None


class Expander:
    """Makes drafts of the stages of one recipe.

    Args:
        faults: Takes what is wrong.
        sources: Declared sources and benchmarks, for ``for_each: {x: sources}`` and ``{x: benchmarks}``.
        pieces: Folders of pieces, the recipe's own first.
    """

    def __init__(self, faults: Faults, sources: Mapping[str, Source], pieces: Sequence[Path]) -> None:
        self._faults = faults
        self._lists = {
            "sources": [name for name, source in sources.items() if not source.is_benchmark],
            "benchmarks": [name for name, source in sources.items() if source.is_benchmark],
        }
        self._files = {path.stem: path for folder in reversed(pieces) for path in sorted(folder.glob("*.yaml"))}
        self._read: dict[str, Document | None] = {}
        self._using: list[str] = []
        self._count = 0

    def stages(self, document: Document, scope: Scope) -> list[Draft]:
        """Drafts of ``stages:`` of ``document`` (a recipe or a piece), whose names go into ``scope``."""
        drafts: list[Draft] = []
        for template, body in document.value["stages"].items():
            for values in self._assignments(document, template, body, scope):
                drafts += self._entry(document, template, values, scope)
        return drafts

    def _entry(self, document: Document, template: str, values: Mapping[str, Any], scope: Scope) -> list[Draft]:
        body = document.value["stages"][template]
        name = str(fill(template, values))
        filled = {key: fill(value, values) for key, value in body.items() if key != "for_each"}
        written = Located(filled, document, ("stages", template))
        self._count += 1
        if self._count > MAX_STAGES:
            what = f"the recipe has more than {MAX_STAGES} stages"
            raise RecipeError(what, where=str(written.place), fix="Shorten the lists of `for_each`")
        wrong = _wrong(name, body)
        if wrong is not None:
            self._faults.add(wrong[0], written.place, wrong[1])
            scope.broken.append(name)
            return []
        if body.get("use") is not None:
            return self._use(name, template, values, written, scope)
        for word in ("with", "set"):
            if word in body:
                self._faults.add(f"`{word}` belongs to a stage with `use`", written.inside(word), "Remove it")
        if not self._add(scope, name, template, values, scope.prefix + name, written.place):
            return []
        return [draft_of(scope.prefix + name, written, scope)]

    def _add(self, scope: Scope, name: str, text: str, values: Mapping[str, Any], stage: str, place: Place) -> bool:
        if not add_name(self._faults, scope, name, stage, place):
            return False
        if values:
            scope.patterns.append(Pattern(text, values, stage))
        return True

    def _assignments(
        self, document: Document, template: str, body: Mapping[str, Any], scope: Scope
    ) -> Iterator[dict[str, Any]]:
        lists: dict[str, list[Any]] = {}
        for variable, written in (body.get("for_each") or {}).items():
            place = document.place("stages", template, "for_each", variable)
            if not written:
                scope.broken.append(template.partition("{")[0].rstrip("_"))
            lists[variable] = list(self._lists[written] if isinstance(written, str) else written)
            if not lists[variable]:
                self._faults.add(f"`for_each` has no values for {variable!r}", place, "Give it at least one value")
            if f"{{{variable}}}" not in template:
                what = f"the name {template!r} does not hold {{{variable}}}, so all its stages would have one name"
                self._faults.add(what, place, f"Write {template + '_{' + variable + '}'!r}")
                scope.broken.append(template)
                return
        for values in itertools.islice(itertools.product(*lists.values()), MAX_STAGES + 1):
            yield dict(zip(lists, values, strict=True))

    # -- pieces ------------------------------------------------------------------------------------------------------

    def _use(self, name: str, template: str, values: Mapping[str, Any], written: Located, scope: Scope) -> list[Draft]:
        unknown = [key for key in written.value if key not in USE_WORDS]
        for key in unknown:
            fix = suggest(key, USE_WORDS, "keys of a stage with `use`")
            self._faults.add(f"unknown key {key!r} beside `use`", written.inside(key), fix)
        word = str(written.value["use"])
        piece = self._piece(word, written.inside("use"))
        if unknown or piece is None:
            scope.broken.append(name)
            return []
        formals = self._formals(piece, written)
        inner = Scope(prefix=f"{scope.prefix}{name}_", formals=formals, outer=scope, used_at=written.place)
        self._using.append(word)
        drafts = self.stages(piece, inner)
        self._using.pop()
        scope.broken += [f"{name}_{own}" for own in inner.broken]
        kept = set()
        for own, stage in inner.names.items():
            if self._add(scope, f"{name}_{own}", f"{template}_{own}", values, stage, written.place):
                kept.add(stage)
        self._set(drafts, inner, written)
        self._give_roles(drafts, written)
        return [draft for draft in drafts if draft.name in kept]

    def _piece(self, name: str, place: Place) -> Document | None:
        if name in self._using:
            what = f"the piece {name!r} uses itself: {' -> '.join([*self._using, name])}"
            self._faults.add(what, place, "Use another piece")
            return None
        if name not in self._files:
            self._faults.add(f"unknown piece {name!r}", place, suggest(name, self._files, "pieces"))
            return None
        if name not in self._read:
            self._read[name] = self._read_piece(self._files[name], name)
        return self._read[name]

    def _read_piece(self, path: Path, name: str) -> Document | None:
        try:
            document = read_yaml(path)
        except RecipeError as error:
            self._faults.take(error)
            return None
        words = check_words(PieceWords, document, self._faults)
        if words is not None and words.piece != name:
            self._faults.add(f"the piece is named {words.piece!r}", document.place("piece"), f"Write `piece: {name}`")
        return document if words is not None else None

    def _formals(self, piece: Document, written: Located) -> dict[str, list[Located] | None]:
        given: dict[str, Any] = written.value.get("with") or {}
        declared: list[str] = piece.value.get("inputs") or []
        for word in given:
            if word not in declared:
                fix = suggest(word, declared, "inputs of the piece")
                self._faults.add(f"unknown input {word!r} of the piece", written.inside("with", word), fix)
        return {w: references(written.part("with", w)) if w in given else None for w in declared}

    def _set(self, drafts: Sequence[Draft], inner: Scope, written: Located) -> None:
        by_name = {draft.name: draft for draft in drafts}
        for own, settings in (written.value.get("set") or {}).items():
            draft = by_name.get(inner.names.get(own, ""))
            if draft is None:
                fix = suggest(own, inner.names, "stages of the piece")
                self._faults.add(f"unknown stage {own!r} of the piece", written.inside("set", own), fix)
                continue
            draft.settings |= {key: written.part("set", own, key) for key in settings}

    def _give_roles(self, drafts: Sequence[Draft], written: Located) -> None:
        given = written.value.get("role")
        asking = {draft.name: str(draft.role.value) for draft in drafts if draft.role is not None}
        if isinstance(given, dict):
            for word in given:
                if word not in asking.values():
                    fix = suggest(word, asking.values(), "roles of the piece")
                    self._faults.add(f"unknown role {word!r} of the piece", written.inside("role", word), fix)
        for draft in drafts:
            word = asking.get(draft.name)
            if isinstance(given, str) and word is not None:
                draft.role = written.part("role")
            elif isinstance(given, dict) and word is not None and word in given:
                draft.role = written.part("role", word)
