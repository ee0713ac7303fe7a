"""The sections of a recipe that become stages by themselves: ``splits`` and ``release``; and ``checks``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dagster_project.language.drafts import Draft, Located, Scope, draft_of
from dagster_project.language.expand import add_name
from dagster_project.language.faults import Faults, suggest
from dagster_project.language.files import Document
from dagster_project.language.words import CARD_WORDS, ReleaseWords

SPLITS = "splits"
"""The word that stands for all splits wherever a stage is named."""

SPLIT_KIND = "sql/split_prefix"
"""The kind of every split."""

RELEASE = "release"
"""The stage that the release section becomes."""

_RELEASE_WORDS = tuple(ReleaseWords.model_fields)


def split_drafts(document: Document, sizes: Mapping[str, Located], scope: Scope, faults: Faults) -> list[Draft]:
    """One draft a split: a prefix of the order that ``splits.from`` names."""
    drafts = []
    for name, size in sizes.items():
        rows = rows_of(size.value)
        words = "all rows" if rows is None else f"the first {rows:,} rows"
        draft = Draft(
            name=name,
            place=document.place("splits", "sizes", name),
            scope=scope,
            kind=Located(SPLIT_KIND, document, ("splits", "sizes", name)),
            description=f"Split {name}: {words} of the fair order.",
            inputs={"ordered": [Located(document.value["splits"]["from"], document, ("splits", "from"))]},
            settings={"rows": Located(rows, size.document, size.loc)},
        )
        if add_name(faults, scope, name, name, draft.place):
            drafts.append(draft)
    if scope.knows(SPLITS):
        place = scope.places.get(SPLITS, document.place("splits"))
        faults.add(f"the name {SPLITS!r} stands for all splits", place, "Give the stage another name")
    scope.groups[SPLITS] = [draft.name for draft in drafts]
    return drafts


def rows_of(size: Any) -> int | None:
    """Rows of a split; None is all."""
    return None if size == "all" else int(size)


def release_draft(document: Document, settings: Iterable[str], scope: Scope, faults: Faults) -> Draft | None:
    """The draft of ``release:``. ``settings``: fields of its kind; other words must be words of the card."""
    body: dict[str, Any] = document.value[RELEASE]
    known = [*_RELEASE_WORDS, *settings]
    for word in body:
        if word not in known and word not in CARD_WORDS:
            fix = suggest(word, [*known, *CARD_WORDS], "keys")
            faults.add(f"unknown key {word!r} in the release", document.place(RELEASE, word), fix)
    if not add_name(faults, scope, RELEASE, RELEASE, document.place(RELEASE)):
        return None
    words = {word: value for word, value in body.items() if word in known and word not in CARD_WORDS}
    return draft_of(RELEASE, Located({"kind": release_kind(document)} | words, document, (RELEASE,)), scope)


def release_kind(document: Document) -> str:
    """The kind of the release stage."""
    return str(document.value[RELEASE].get("kind") or ReleaseWords.model_fields["kind"].default)


def card_words(document: Document) -> dict[str, Any]:
    """The words of the release section that only the card reads."""
    return {word: value for word, value in (document.value.get(RELEASE) or {}).items() if word in CARD_WORDS}


def add_checks(document: Document, drafts: Sequence[Draft], scope: Scope, faults: Faults) -> None:
    """Give the checks of the section ``checks`` to their stages."""
    by_name = {draft.name: draft for draft in drafts}
    for name, checks in (document.value.get("checks") or {}).items():
        names = scope.groups.get(name) or [p.stage for p in scope.patterns if p.matches(name)] or [name]
        for stage in names:
            if stage not in by_name:
                if scope.is_broken(stage):
                    continue
                fix = suggest(name, scope.words(name), "stages")
                faults.add(f"unknown stage {name!r} in `checks`", document.place("checks", name), fix)
                continue
            written = Located(checks, document, ("checks", name))
            by_name[stage].checks += [written.part(index) for index in range(len(checks))]
