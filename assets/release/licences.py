"""Whether the declared licence of a dataset can stand beside those of its seeds and of the models that wrote it.

A help for whoever releases, and no lawyer: known licences fall into families by what they ask of those who pass on
changed material or use a model's output, in our own words. What is unknown gives a warning. A recipe can accept a clash
with a reason (``release: accept: {licence: ...}``), which then stands in the card.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from assets.release.licence_names import canonical

Level = Literal["refuse", "warn"]
Family = Literal[
    "dedication", "permissive", "attribution", "share-alike", "non-commercial", "nc-share-alike", "no-derivs"
]


@dataclass(frozen=True, slots=True)
class Clash:
    """Two licences that do not go together. ``what`` names both, and whose they are; ``fix`` what would be right."""

    level: Level
    what: str
    fix: str


_FAMILIES: tuple[tuple[str, Family], ...] = (
    # CC0 1.0 section 2, PDDL 1.0, Unlicense: all rights are given up, nothing is asked.
    (r"cc0-1\.0|pddl|unlicense|wtfpl|0bsd|mit-0", "dedication"),
    # CC BY-NC-SA 4.0 sections 2(a)(1) and 3(b): no commercial use, and changed material only under the same licence.
    (r"cc-by-nc-sa-.*", "nc-share-alike"),
    # CC BY-ND 4.0 and BY-NC-ND 4.0 section 2(a)(1)(B): changed material may be made, and not be shared.
    (r"cc-by-(nc-)?nd.*", "no-derivs"),
    # CC BY-NC 4.0 section 2(a)(1): no use for commercial advantage. The research licences say the same of themselves.
    (r"cc-by-nc-\d.*|fair-noncommercial-research-license|intel-research|h-research|apple-amlr", "non-commercial"),
    # CC BY-SA 4.0 section 3(b), ODbL 1.0 section 4.4, CDLA-Sharing 1.0 section 3, GPL 3 section 5(c), GFDL section 4:
    # what is made from it and shared has the same licence.
    (r"cc-by-sa-.*|odbl|cdla-sharing-1\.0|[al]?gpl-.*|gfdl|eupl-.*|mpl-2\.0|osl-3\.0", "share-alike"),
    # CC BY 4.0 section 3(a), ODC-By 1.0 section 4, Etalab 2.0: whoever shares it names its authors.
    (r"cc-by-\d.*|odc-by|etalab-2\.0|c-uda", "attribution"),
    # MIT, BSD, Apache 2.0 section 4, CDLA-Permissive 2.0: the notice stays, and no more is asked.
    (r"mit|apache-2\.0|bsd.*|isc|zlib|ncsa|postgresql|ms-pl|afl-3\.0|ecl-2\.0|artistic-2\.0|bsl-1\.0", "permissive"),
    (r"cdla-permissive-.*|openmdw-1\.0|nvidia-open-model", "permissive"),
)
"""Canonical name -> family. The first pattern that fits counts."""

_NAME_IT = "Say so in `notes` of the release section, so that those who train with the data know"
_OTHER_MODEL = "Use a model whose terms allow it (Apache-2.0, MIT), or say under `release: accept: {licence: ...}` why"

_MODELS: Mapping[str, tuple[Level, str, str]] = {
    # Llama 2 and Llama 3 Community License, section 1(b)(v): output must not improve any other large language model.
    "llama2": ("refuse", "forbids training models other than Llama 2 with its output", _OTHER_MODEL),
    "llama3": ("refuse", "forbids training models other than Llama 3 with its output", _OTHER_MODEL),
    # Llama 3.1 and later Community License, section 1(b)(i): allowed, and a model that is trained with output and made
    # available has "Llama" first in its name, and "Built with Llama" is shown.
    **{
        name: (
            "warn",
            "asks of every model that is trained with its output and passed on: a name that begins with `Llama`, and "
            "the words `Built with Llama`",
            _NAME_IT,
        )
        for name in ("llama3.1", "llama3.2", "llama3.3", "llama4")
    },
    # Gemma Terms of Use, sections 1.1(e) and 3.1: a model that learns from its output is a derivative under the terms.
    "gemma": ("warn", "counts models that are trained with its output as derivatives under its own terms", _NAME_IT),
    # Tongyi Qianwen License Agreement (Qwen 1 and 1.5), rules of use: output must not improve any other model.
    "tongyi-qianwen": ("refuse", "forbids training other models with its output", _OTHER_MODEL),
    # Qwen License Agreement (2 and 2.5, 72B), rules of use: models trained with output say "Built with Qwen".
    "qwen": ("warn", "asks of every model that is trained with its output the words `Built with Qwen`", _NAME_IT),
    # DeepSeek License Agreement, definitions and attachment A: limits of use pass to models that learn from output.
    "deepseek": ("warn", "passes its limits of use on to models that are trained with its output", _NAME_IT),
    # OpenRAIL licences, attachment A: limits of use pass on.
    **{
        name: ("warn", "passes its limits of use on to what is made with it", _NAME_IT)
        for name in ("openrail", "openrail++", "bigscience-openrail-m", "creativeml-openrail-m", "bigcode-openrail-m")
        + ("bigscience-bloom-rail-1.0",)
    },
    # OpenAI Terms of Use and Services Agreement: no use of output to develop models that compete with OpenAI.
    "openai-terms": ("refuse", "forbid training models that compete with OpenAI with its output", _OTHER_MODEL),
    # Anthropic Commercial Terms, section D.4: no competing product or service, training of models included.
    "anthropic-terms": ("refuse", "forbid training models that compete with Anthropic with its output", _OTHER_MODEL),
    # Gemini API Additional Terms: no use of the services to develop models that compete with them.
    "gemini-terms": ("refuse", "forbid training models that compete with Google's with its output", _OTHER_MODEL),
}
"""Canonical name -> level, what it says of output, what to do. Models under MIT, Apache or CC are not here."""

_RESEARCH_MODELS = frozenset({"qwen-research", "mistral-research"})
"""Qwen Research License, section 2, and Mistral Research License, section 3.2: no commercial use, of output neither."""

_OPEN_END = {"cc-by-sa-3.0": ("cc-by-sa-4.0",), "cc-by-sa-2.0": ("cc-by-sa-3.0", "cc-by-sa-4.0")}
"""Share-alike licences that allow later numbers: CC BY-SA 3.0 section 4(b)."""


def clashes(declared: str | None, sources: Mapping[str, str | None], models: Mapping[str, str | None]) -> list[Clash]:
    """What does not go together, refusals first.

    Args:
        declared: Licence of the dataset, as the recipe says it.
        sources: Name of a source -> its licence; None: the recipe says none.
        models: Role -> licence of the weights, or terms of the service.
    """
    found = list(_of_declared(declared))
    for name, licence in sources.items():
        found += _of_source(f"the source {name!r}", licence, declared)
    for role, licence in models.items():
        found += _of_model(f"the model of the role {role!r}", licence, declared)
    return sorted(found, key=lambda clash: clash.level != "refuse")


def family(name: str) -> Family | None:
    """The family of a canonical name; None if it is not known."""
    return next((family for pattern, family in _FAMILIES if re.fullmatch(pattern, name)), None)


def _of_declared(declared: str | None) -> Iterator[Clash]:
    if not declared or canonical(declared) == "unknown":
        yield Clash("warn", "the release declares no licence", "Add `licence:` to the release section of the recipe")
    elif family(canonical(declared)) is None:
        what = f"the declared licence {_shown(declared)} is not known here, and nothing can be compared with it"
        yield Clash("warn", what, "Write its SPDX name (CC-BY-4.0), or check by hand what the sources and models ask")


def _of_source(whose: str, licence: str | None, declared: str | None) -> Iterator[Clash]:
    if not licence or canonical(licence) == "unknown":
        yield Clash("warn", f"{whose} has no licence", "Find it out, and add `licence:` to the source in the recipe")
        return
    name = canonical(licence)
    kind = family(name)
    said = f"{whose} has {_shown(licence)}"
    if kind is None:
        yield Clash("warn", f"{said}, which is not known here", "Check by hand that it allows changed copies")
    elif kind == "no-derivs":
        what = f"{said}, which forbids passing on changed material, and the dataset is that"
        yield Clash("refuse", what, "Leave the source out, or ask its authors")
    elif kind in ("share-alike", "nc-share-alike"):
        yield from _share_alike(said, name, declared)
    elif kind == "non-commercial":
        yield from _non_commercial(said, declared)
    elif kind == "attribution" and _family_of(declared) == "dedication":
        what = f"{said}, which asks to name its authors, and the release declares {_shown(declared)}, which does not"
        yield Clash("warn", what, "Declare CC-BY-4.0, or name the authors in `notes`")


def _of_model(whose: str, licence: str | None, declared: str | None) -> Iterator[Clash]:
    if not licence or canonical(licence) == "unknown":
        what = f"{whose} has no licence: nobody can tell what may be done with what it wrote"
        yield Clash("warn", what, "Add `licence:` to the role in the profile")
        return
    name = canonical(licence)
    kind = family(name)
    said = f"{whose} has {_shown(licence)}"
    if name in _MODELS:
        level, words, fix = _MODELS[name]
        yield Clash(level, f"{said}: it {words}" if "terms" not in name else f"{said}: they {words}", fix)
    elif name in _RESEARCH_MODELS or kind in ("non-commercial", "nc-share-alike"):
        yield from _non_commercial(said, declared)
    elif kind is None:
        yield Clash("warn", f"{said}, which is not known here", "Check by hand what it says of output")


def _share_alike(said: str, name: str, declared: str | None) -> Iterator[Clash]:
    right = (name, *_OPEN_END.get(name, ()))
    if declared is None or canonical(declared) not in right:
        what = f"{said}, which asks for the same licence, and the release declares {_shown(declared)}"
        yield Clash("refuse", what, f"Declare {right[-1]}, or leave the source out")


def _non_commercial(said: str, declared: str | None) -> Iterator[Clash]:
    if _family_of(declared) not in ("non-commercial", "nc-share-alike") and not _is_nc_nd(declared):
        what = f"{said}, which forbids commercial use, and the release declares {_shown(declared)}, which does not"
        yield Clash("refuse", what, "Declare CC-BY-NC-4.0, or leave it out")


def _is_nc_nd(declared: str | None) -> bool:
    return declared is not None and canonical(declared).startswith("cc-by-nc-nd")


def _family_of(declared: str | None) -> Family | None:
    return family(canonical(declared)) if declared else None


def _shown(licence: str | None) -> str:
    return "".join(c for c in " ".join(licence[:80].split()) if c.isprintable()) if licence else "none"
