"""Settles what a draft is by itself: its kind, settings, role, source and prompts. Names of stages are ``bind``'s."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Protocol

from pydantic import ValidationError

from assets.kinds import GenerationKind, Kind, Settings
from dagster_project.language.drafts import Draft, Located
from dagster_project.language.faults import Faults, suggest
from dagster_project.language.files import Loc
from dagster_project.language.mistakes import keys_at, report
from dagster_project.language.profile import Profile
from dagster_project.language.resolved import Place, Source
from dagster_project.language.sections import SPLIT_KIND
from dagster_project.language.words import STAGE_WORDS
from resources.errors import MathloomError, RecipeError

_PROMPT_FIELD = re.compile(r"(?:.+_)?prompt")
"""Settings of generation kinds that name prompt files: ``prompt``, ``judge_prompt``."""


class FindKind(Protocol):
    """How a kind is found (:meth:`dagster_project.registry.Registry.find`)."""

    def __call__(self, name: str, folder: Path, where: str) -> Kind:
        """The kind; raises RecipeError with the nearest name if there is none."""
        ...


@dataclass(frozen=True, slots=True)
class Settled:
    """A draft with its kind, settings and prompts."""

    draft: Draft
    kind: Kind
    settings: Settings | None
    """None if they are wrong; the fault is reported."""
    prompts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Known:
    """What a recipe declares beside its stages."""

    folder: Path
    roles: Sequence[str]
    sources: Mapping[str, Source]
    """Sources and benchmarks."""
    prompts: Path
    prompt_variables: Callable[[Path, Iterable[str]], None]
    """Raises RecipeError if the prompt file is wrong or needs a variable besides the given ones."""


def apply_profile(drafts: Sequence[Draft], profile: Profile, faults: Faults) -> None:
    """Put the settings of the profile over those of the recipe. Its names are those of the expanded stages."""
    for name, written in profile.settings:
        chosen = [draft for draft in drafts if fnmatchcase(draft.name, name)]
        if not chosen:
            fix = suggest(name, (draft.name for draft in drafts), "stages")
            faults.add(f"unknown stage {name!r} in `settings`", written.place, fix)
        for key in written.value:
            if key == "rows" and all(draft.kind.value == SPLIT_KIND for draft in chosen):
                faults.add("sizes of splits are no settings", written.inside(key), "Write them under `splits:`")
                continue
            for draft in chosen:
                draft.settings[key] = written.part(key)


def settle(draft: Draft, find: FindKind, known: Known, faults: Faults) -> Settled | None:
    """The draft with its kind; None if there is no such kind."""
    try:
        kind = find(str(draft.kind.value), known.folder, str(draft.kind.place))
    except MathloomError as error:
        faults.take(error)
        return None
    _check_role(draft, kind, known, faults)
    _check_source(draft, kind, known, faults)
    settings = _settings(draft, kind, faults)
    prompts = _prompts(draft, kind, known, faults) if isinstance(kind, GenerationKind) else ()
    return Settled(draft, kind, settings, prompts)


def _check_role(draft: Draft, kind: Kind, known: Known, faults: Faults) -> None:
    asks = isinstance(kind, GenerationKind)
    if draft.role is None:
        if asks:
            what = f"stage {draft.name!r} asks a model and has no role"
            first = known.roles[0] if known.roles else "NAME"
            faults.add(what, draft.place, f"Add `role: {first}`")
        return
    word = str(draft.role.value)
    if isinstance(draft.role.value, dict):
        faults.add("`role` of a stage is one role", draft.role.place, "Write the name of a role")
    elif word not in known.roles:
        faults.add(f"unknown role {word!r}", draft.role.place, suggest(word, known.roles, "roles"))
    elif not asks:
        faults.add(f"the kind {kind.name!r} asks no model", draft.role.place, "Remove `role`")


def _check_source(draft: Draft, kind: Kind, known: Known, faults: Faults) -> None:
    reads = kind.law.name == "source"
    if draft.source is None:
        if reads:
            what = f"stage {draft.name!r} reads a {_sort(kind.reads_benchmarks)} and names none"
            faults.add(what, draft.place, f"Add `source: {next(iter(_readable(kind, known)), 'NAME')}`")
        return
    word = str(draft.source.value)
    if not reads:
        faults.add(f"the kind {kind.name!r} reads no source", draft.source.place, "Remove `source`")
    elif word not in known.sources:
        sort = _sort(kind.reads_benchmarks)
        faults.add(f"unknown {sort} {word!r}", draft.source.place, suggest(word, _readable(kind, known), f"{sort}s"))
    elif known.sources[word].is_benchmark != kind.reads_benchmarks:
        sorts = _sort(not kind.reads_benchmarks), _sort(kind.reads_benchmarks)
        what = f"{word!r} is a {sorts[0]}, and the kind {kind.name!r} reads {sorts[1]}s only"
        fix = "Use the kind contamination/benchmark" if known.sources[word].is_benchmark else "Use a seed kind"
        faults.add(what, draft.source.place, fix)


def _sort(is_benchmark: bool) -> str:
    return "benchmark" if is_benchmark else "source"


def _readable(kind: Kind, known: Known) -> list[str]:
    return [name for name, source in known.sources.items() if source.is_benchmark == kind.reads_benchmarks]


def _settings(draft: Draft, kind: Kind, faults: Faults) -> Settings | None:
    values = {key: written.value for key, written in draft.settings.items()}
    try:
        return kind.settings_type.model_validate(values)
    except ValidationError as error:
        report(
            error,
            values,
            lambda loc: _place(draft, loc),
            faults,
            known=lambda loc: _keys(draft, kind, loc),
            missing=f" of the kind {kind.name!r}",
        )
        return None


def _place(draft: Draft, loc: Loc) -> Place:
    if not loc:
        return draft.place
    written: Located = draft.settings[str(loc[0])]
    return written.inside(*loc[1:])


def _keys(draft: Draft, kind: Kind, loc: Loc) -> list[str]:
    own = keys_at(kind.settings_type, loc[:-1])
    where = draft.settings[str(loc[0])].loc
    # (stages, name, key): beside the words of a stage. Settings of profiles and of `set:` stand alone.
    is_in_stage = len(loc) == 1 and where[0] == "stages" and where[2:] == loc
    return [*own, *STAGE_WORDS] if is_in_stage else own


def _prompts(draft: Draft, kind: GenerationKind, known: Known, faults: Faults) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for key, written in draft.settings.items():
        if key not in kind.settings_type.model_fields or not _PROMPT_FIELD.fullmatch(key):
            continue
        for name, place in _prompt_names(written):
            if _check_prompt(name, place, kind, known, faults):
                found[name] = None
    for key, field in kind.settings_type.model_fields.items():
        default = field.default if _PROMPT_FIELD.fullmatch(key) and key not in draft.settings else None
        if isinstance(default, str) and _check_prompt(default, draft.place, kind, known, faults):
            found[default] = None
    return tuple(found)


def _prompt_names(written: Located) -> list[tuple[str, Place]]:
    if isinstance(written.value, Mapping):
        return [(str(v), written.inside(k)) for k, v in written.value.items() if isinstance(v, str)]
    return [(written.value, written.place)] if isinstance(written.value, str) else []


def _check_prompt(name: str, place: Place, kind: GenerationKind, known: Known, faults: Faults) -> bool:
    names = sorted(path.stem for path in known.prompts.glob("*.yaml"))
    if name not in names:
        faults.add(f"there is no prompt {name!r} in {known.prompts.name}/", place, suggest(name, names, "prompts"))
        return False
    try:
        known.prompt_variables(known.prompts / f"{name}.yaml", kind.prompt_variables)
    except RecipeError as error:
        faults.take(error)
        return False
    return True


def card_settings(find: FindKind, kind: str, folder: Path, where: str) -> Sequence[str]:
    """Names of the settings of the release's kind; none if there is no such kind (reported when it is settled)."""
    try:
        return list(find(kind, folder, where).settings_type.model_fields)
    except MathloomError:
        return []
