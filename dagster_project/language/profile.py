"""What a profile says, with what it extends: roles with engines, stand-in sources, settings and split sizes.

Nearer words replace farther ones whole: a role, a source, one setting of one stage, the size of one split.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from dagster_project.language.drafts import Located
from dagster_project.language.faults import Faults, suggest
from dagster_project.language.files import Document, read_yaml
from dagster_project.language.mistakes import check_words, keys_at, report
from dagster_project.language.resolved import Limits, Place, Price, Publishing, Role, Schedule
from dagster_project.language.times import is_cron, is_timezone
from dagster_project.language.words import ROLE_WORDS, ProfileWords, PublishWords, RoleWords, ScheduleWords
from resources.errors import RecipeError
from resources.paths import expanded

FOLDER = "profiles"
"""Folder of profiles inside a recipe's folder."""


@dataclass(slots=True)
class Profile:
    """A profile with everything that it extends; farther words first."""

    name: str
    place: Place
    roles: dict[str, Located] = field(default_factory=dict)
    sources: dict[str, Located] = field(default_factory=dict)
    benchmarks: dict[str, Located] = field(default_factory=dict)
    settings: list[tuple[str, Located]] = field(default_factory=list)
    """Pairs (stage or glob, settings), in the order in which they hold: later ones replace earlier ones."""
    splits: dict[str, Located] = field(default_factory=dict)
    limits: dict[str, Any] = field(default_factory=dict)
    publish: Located | None = None
    """Where releases go: the nearest word, whole."""
    schedule: dict[str, Located] = field(default_factory=dict)

    def resolved_limits(self) -> Limits:
        """What builds may spend."""
        return Limits(**self.limits)

    def publishing(self, root: Path) -> Publishing | None:
        """Where releases go; a folder is relative to ``root``."""
        if self.publish is None:
            return None
        words = PublishWords.model_validate(self.publish.value)
        folder = root / expanded(words.folder) if words.folder else None
        return Publishing(self.publish.place, words.repository, folder, words.pull_request)

    def resolved_schedule(self, faults: Faults) -> Schedule:
        """When what is done without being asked; a time that is none goes to ``faults``."""
        words = ScheduleWords.model_validate({name: written.value for name, written in self.schedule.items()})
        if words.cron is not None and not is_cron(words.cron):
            fix = "Write five fields: minute, hour, day of the month, month, day of the week"
            faults.add(f"{words.cron!r} is no cron time", self.schedule["cron"].place, fix)
        if not is_timezone(words.timezone):
            fix = "Write a name of the IANA list: UTC, Europe/Berlin"
            faults.add(f"unknown time zone {words.timezone!r}", self.schedule["timezone"].place, fix)
        if words.publish and words.cron is None:
            what = "`publish` of the schedule needs a time"
            faults.add(what, self.schedule["publish"].place, "Add `cron`, or remove `publish`")
        return Schedule(
            cron=words.cron,
            timezone=words.timezone,
            publishes=words.publish,
            watch_minutes=words.watch_minutes,
            automates=words.automate,
            notify_env=words.notify_env,
        )


def profile_names(folder: Path) -> list[str]:
    """Profiles of the recipe in ``folder``."""
    return sorted(path.stem for path in (folder / FOLDER).glob("*.yaml"))


def read_profile(folder: Path, name: str, where: Place | str, faults: Faults) -> Profile | None:
    """The profile ``name`` of the recipe in ``folder``; None, with faults, if it or what it extends is wrong."""
    documents: list[Document] = []
    seen: list[str] = []
    place: Place | str = where
    wanted: str | None = name
    while wanted is not None:
        known = profile_names(folder)
        if wanted in seen:
            chain = " -> ".join([*seen, wanted])
            faults.add(f"the profile {wanted!r} extends itself: {chain}", place, "Remove `extends` from one of them")
            return None
        if wanted not in known:
            faults.add(f"unknown profile {wanted!r}", place, suggest(wanted, known, f"profiles of {folder.name!r}"))
            return None
        seen.append(wanted)
        document = _read(folder / FOLDER / f"{wanted}.yaml", wanted, faults)
        if document is None:
            return None
        documents.append(document)
        wanted = document.value.get("extends")
        place = document.place("extends")
    return _merge(name, documents)


def _read(path: Path, name: str, faults: Faults) -> Document | None:
    try:
        document = read_yaml(path)
    except RecipeError as error:
        faults.take(error)
        return None
    words = check_words(ProfileWords, document, faults)
    if words is None:
        return None
    if words.profile != name:
        faults.add(f"the profile is named {words.profile!r}", document.place("profile"), f"Write `profile: {name}`")
    return document


def _merge(name: str, documents: list[Document]) -> Profile:
    profile = Profile(name, documents[0].place("profile"))
    for document in reversed(documents):
        whole = Located(document.value, document, ())
        for section in ("roles", "sources", "benchmarks", "splits"):
            target: dict[str, Located] = getattr(profile, section)
            target |= {word: whole.part(section, word) for word in document.value.get(section) or {}}
        said = document.value.get("settings") or {}
        profile.limits |= {word: value for word, value in (document.value.get("limits") or {}).items()}
        profile.schedule |= {word: whole.part("schedule", word) for word in document.value.get("schedule") or {}}
        if document.value.get("publish"):
            profile.publish = whole.part("publish")
        profile.settings += [(stage, whole.part("settings", stage)) for stage in said]
    return profile


# -- roles -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Engines:
    """The engines there are. ``options`` gives the model of an engine's options."""

    names: Iterable[str]
    options: Callable[[str], type[BaseModel]]


def resolve_roles(profile: Profile, declared: Iterable[str], engines: Engines, faults: Faults) -> dict[str, Role]:
    """The roles that the recipe declares, with their engines; what is wrong goes to ``faults``."""
    declared = list(declared)
    for word, written in profile.roles.items():
        if word not in declared:
            faults.add(f"unknown role {word!r}", written.place, suggest(word, declared, "roles of the recipe"))
    found: dict[str, Role] = {}
    for name in declared:
        written = _engine_of(name, profile, faults)
        if written is None:
            continue
        role = _role(name, written, engines, faults)
        if role is not None:
            found[name] = replace(role, place=profile.roles[name].place)
    return found


def _engine_of(name: str, profile: Profile, faults: Faults) -> Located | None:
    """What says the engine of ``name``, ``same_as`` followed."""
    seen = [name]
    while True:
        written = profile.roles.get(seen[-1])
        if written is None:
            if len(seen) == 1:
                what = f"the profile {profile.name!r} gives the role {name!r} no engine"
                faults.add(what, profile.place, f"Add `{name}: {{engine: ...}}` under `roles:`")
            else:
                last = profile.roles[seen[-2]]
                what = f"`same_as` names {seen[-1]!r}, which has no engine"
                faults.add(what, last.inside("same_as"), suggest(seen[-1], profile.roles, "roles of the profile"))
            return None
        other = written.value.get("same_as")
        if other is None:
            return written
        if other in seen:
            what = f"the roles are the same as each other: {' -> '.join([*seen, other])}"
            faults.add(what, written.inside("same_as"), "Give one of them an `engine`")
            return None
        seen.append(other)


def _role(name: str, written: Located, engines: Engines, faults: Faults) -> Role | None:
    engine = str(written.value["engine"])
    if engine not in list(engines.names):
        faults.add(f"unknown engine {engine!r}", written.inside("engine"), suggest(engine, engines.names, "engines"))
        return None
    options = {key: value for key, value in written.value.items() if key not in ROLE_WORDS}
    model = engines.options(engine)
    try:
        model.model_validate(options)
    except ValidationError as error:
        report(error, options, lambda loc: written.inside(*loc), faults, known=lambda loc: keys_at(model, loc[:-1]))
        return None
    said = RoleWords.model_validate(written.value)
    price = said.price
    return Role(
        name,
        written.place,
        engine,
        options,
        devices=tuple(str(device) for device in said.devices or ()),
        price=Price(**{**price.model_dump(), "date": price.date.isoformat()}) if price else None,
        tokens_per_second=said.tokens_per_second,
        licence=said.licence,
    )


def check_limits(profile: Profile, roles: Mapping[str, Role], faults: Faults) -> None:
    """A limit that nothing is counted against is a limit that does not hold."""
    limits = profile.resolved_limits()
    is_hours = limits.max_gpu_hours is not None or limits.max_gpu_hours_per_day is not None
    if is_hours and not any(r.devices or (r.price and r.price.per_gpu_hour is not None) for r in roles.values()):
        what = "a limit of GPU-hours is set, and no role counts any"
        faults.add(what, profile.place, "Give a role `devices`, or a price with `per_gpu_hour`, or remove the limit")
    if limits.max_cost is None and limits.max_cost_per_day is None:
        return
    if not any(role.price for role in roles.values()):
        what = "a limit of cost is set, and no role has a price"
        faults.add(what, profile.place, "Give a role its `price`, or remove the limit")
    for role in roles.values():
        if role.price and role.price.currency != limits.currency:
            what = f"the role {role.name!r} is priced in {role.price.currency}, and the limits are in {limits.currency}"
            faults.add(what, role.place, "Give the price and the limits in one currency (`currency:` in both)")
