"""Names of licences: what people write, as SPDX and the Hub do, becomes one canonical name."""

from __future__ import annotations

import re

_HUB = """
    apache-2.0 mit openrail bigscience-openrail-m creativeml-openrail-m bigscience-bloom-rail-1.0 bigcode-openrail-m
    afl-3.0 artistic-2.0 bsl-1.0 bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear c-uda cc cc0-1.0 cc-by-2.0 cc-by-2.5
    cc-by-3.0 cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nd-4.0 cc-by-nc-nd-3.0
    cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cdla-sharing-1.0 cdla-permissive-1.0
    cdla-permissive-2.0 wtfpl ecl-2.0 epl-1.0 epl-2.0 etalab-2.0 eupl-1.1 eupl-1.2 agpl-3.0 gfdl gpl gpl-2.0 gpl-3.0
    lgpl lgpl-2.1 lgpl-3.0 isc h-research intel-research lppl-1.3c ms-pl apple-ascl apple-amlr mpl-2.0 odc-by odbl
    openmdw-1.0 openrail++ osl-3.0 postgresql ofl-1.1 ncsa unlicense zlib pddl lgpl-lr deepfloyd-if-license
    fair-noncommercial-research-license llama2 llama3 llama3.1 llama3.2 llama3.3 llama4 grok2-community gemma unknown
    other
"""

HUB = frozenset(_HUB.split())
"""What the Hub takes as `license` of a card. Another word there makes it refuse the whole commit."""

_CC_WORDS = {
    "attribution": "by",
    "noncommercial": "nc",
    "noncomm": "nc",
    "sharealike": "sa",
    "noderivatives": "nd",
    "noderivs": "nd",
    "noderivative": "nd",
}

_PATTERNS: tuple[tuple[str, str], ...] = (
    (r"apache(-software)?(-2(\.0)?)?|asl-2(\.0)?", "apache-2.0"),
    (r"mit|expat|x11", "mit"),
    (r"(modified-|new-|revised-)?bsd-3(-clause)?|bsd-new", "bsd-3-clause"),
    (r"bsd-2(-clause)?|simplified-bsd|freebsd", "bsd-2-clause"),
    (r"(gnu-)?(a|affero-)gpl-?3(\.0)?", "agpl-3.0"),
    (r"(gnu-)?(l|lesser-)gpl-?2\.1", "lgpl-2.1"),
    (r"(gnu-)?(l|lesser-)gpl-?3(\.0)?", "lgpl-3.0"),
    (r"(gnu-)?gpl-?2(\.0)?", "gpl-2.0"),
    (r"(gnu-)?gpl-?3(\.0)?", "gpl-3.0"),
    (r"(gnu-)?gfdl(-1\.\d)?", "gfdl"),
    (r"odbl(-1(\.0)?)?|open-database|open-data-commons-open-database|odc-odbl", "odbl"),
    (r"odc-by(-1(\.0)?)?|open-data-commons-attribution", "odc-by"),
    (r"pddl(-1(\.0)?)?|odc-pddl|public-domain|publicdomain", "pddl"),
    (r"(the-)?unlicense", "unlicense"),
    (r"cdla-sharing(-1(\.0)?)?", "cdla-sharing-1.0"),
    (r"cdla-permissive(-2(\.0)?)?", "cdla-permissive-2.0"),
    (r"(meta-)?llama-?2(-community)?", "llama2"),
    (r"(meta-)?llama-?3(\.0)?(-community)?", "llama3"),
    (r"(meta-)?llama-?3\.1(-community)?", "llama3.1"),
    (r"(meta-)?llama-?3\.2(-community)?", "llama3.2"),
    (r"(meta-)?llama-?3\.3(-community)?", "llama3.3"),
    (r"(meta-)?llama-?4(-community)?", "llama4"),
    (r"(google-)?gemma(-terms(-of-use)?)?", "gemma"),
    (r"tongyi-qianwen(-.*)?", "tongyi-qianwen"),
    (r"qwen-?(2(\.5)?-)?research", "qwen-research"),
    (r"qwen-?(2(\.5)?)?", "qwen"),
    (r"deepseek(-model)?(-ai)?", "deepseek"),
    (r"(mistral-(ai-)?research|mrl)(-0\.1)?", "mistral-research"),
    (r"(mistral-(ai-)?non-production|mnpl)(-0\.1)?", "mistral-research"),
    (r"nvidia-open-model(-.*)?|nvidia-oml", "nvidia-open-model"),
    (r"openai(-(terms|api|usage)(-.*)?)?", "openai-terms"),
    (r"anthropic(-(terms|api|commercial|usage)(-.*)?)?|claude-terms", "anthropic-terms"),
    (r"(google-)?(gemini|vertex-ai)(-(api|terms)(-.*)?)?", "gemini-terms"),
    (r"unknown|none|not-stated|n-a|", "unknown"),
)
"""Spelling, with words joined by `-` and without the word `license` -> canonical name. The first that fits counts."""

_COMPILED = tuple((re.compile(pattern), name) for pattern, name in _PATTERNS)
_NOISE = re.compile(r"\b(licen[cs]ed?|agreement|version|only|or later|the|international|unported|generic|deed|intl)\b")
_VERSION = re.compile(r"\bv(?=\d)")


def canonical(text: str) -> str:
    """One name for all spellings: ``CC BY-SA 4.0`` is ``cc-by-sa-4.0``. Unknown ones are only made plain."""
    plain = re.sub(r"[\s_]+", "-", text[:200].strip().casefold())
    if plain in HUB:
        return plain
    lower = " ".join(re.sub(r"[\s_/(),:;\"'-]+", " ", text[:200].casefold()).split())
    key = "-".join(_NOISE.sub(" ", _VERSION.sub("", lower)).split())
    if found := _creative_commons(key):
        return found
    return next((name for pattern, name in _COMPILED if pattern.fullmatch(key)), key or "unknown")


def _creative_commons(key: str) -> str | None:
    plain = key.replace("creative-commons", "cc").replace("non-comm", "noncomm").replace("share-a", "sharea")
    plain = plain.replace("no-deriv", "noderiv")
    if re.fullmatch(r"cc-?(0|zero)(-?1(\.0)?)?(-universal)?", plain):
        return "cc0-1.0"
    parts = plain.split("-")
    if parts[0] != "cc":
        return None
    said = {_CC_WORDS.get(part, part) for part in parts[1:]}
    numbers = [part for part in said if re.fullmatch(r"\d(\.\d)?", part)]
    if not said & {"by", "nc", "sa", "nd"}:
        return None
    elements = [word for word in ("by", "nc", "nd", "sa") if word in said | {"by"}]
    number = (numbers or ["4.0"])[0]
    return "-".join(["cc", *elements, number if "." in number else f"{number}.0"])


def hub_name(licence: object) -> str:
    """What the YAML of a card says: a name of the Hub, ``other`` for others, ``unknown`` without one."""
    name = canonical(str(licence)) if licence else "unknown"
    return name if name in HUB else "other"
