"""The public name: what a notebook or a kind of one's own imports. Re-exports only, each loaded when it is first used.

The rest of the protocol of a kind is in :mod:`mathloom.kinds`, the row schemas in :mod:`mathloom.schemas`, the rest of
what reads and compares answers in :mod:`mathloom.answers`. Everything else in this distribution is internal and may
change with any version.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from assets.answers.extract import extract_boxed
    from assets.answers.key import canonical_key
    from assets.answers.verdict import equivalent
    from assets.answers.vote import vote
    from assets.kinds import GenerationKind, Input, Job, Law, Settings, TableKind
    from dagster_project.assembly import build_definitions

__all__ = [
    "GenerationKind",
    "Input",
    "Job",
    "Law",
    "Settings",
    "TableKind",
    "build_definitions",
    "canonical_key",
    "equivalent",
    "extract_boxed",
    "vote",
]

_HOMES = {
    "build_definitions": "dagster_project.assembly",
    "canonical_key": "assets.answers.key",
    "equivalent": "assets.answers.verdict",
    "extract_boxed": "assets.answers.extract",
    "vote": "assets.answers.vote",
}
"""Module of each name that is not in ``assets.kinds``. Reading an answer must not load Dagster."""


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'mathloom' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(importlib.import_module(_HOMES.get(name, "assets.kinds")), name)


def __dir__() -> list[str]:
    return list(__all__)
