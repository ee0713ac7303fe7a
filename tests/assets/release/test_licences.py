"""Licences: every usual spelling is one name, and each clash is named with who is right."""

from __future__ import annotations

import pytest

from assets.release.licence_names import HUB, canonical, hub_name
from assets.release.licences import Clash, clashes, family


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("MIT", "mit"),
        ("The MIT License", "mit"),
        ("MIT licence", "mit"),
        ("Apache-2.0", "apache-2.0"),
        ("Apache License, Version 2.0", "apache-2.0"),
        ("apache 2", "apache-2.0"),
        ("BSD 3-Clause", "bsd-3-clause"),
        ("CC BY 4.0", "cc-by-4.0"),
        ("cc-by-4.0", "cc-by-4.0"),
        ("CC-BY", "cc-by-4.0"),
        ("Creative Commons Attribution 4.0 International", "cc-by-4.0"),
        ("Creative Commons Attribution-ShareAlike 3.0 Unported", "cc-by-sa-3.0"),
        ("CC BY-NC-SA 4.0", "cc-by-nc-sa-4.0"),
        ("creative commons attribution non-commercial 4.0", "cc-by-nc-4.0"),
        ("cc_by_nc_4.0", "cc-by-nc-4.0"),
        ("CC BY-NC-ND 4.0", "cc-by-nc-nd-4.0"),
        ("CC0", "cc0-1.0"),
        ("CC0 1.0 Universal", "cc0-1.0"),
        ("cc0-1.0", "cc0-1.0"),
        ("Public Domain", "pddl"),
        ("The Unlicense", "unlicense"),
        ("ODbL", "odbl"),
        ("odc-by", "odc-by"),
        ("ODC-BY-1.0", "odc-by"),
        ("GPL-3.0-or-later", "gpl-3.0"),
        ("GPL v3", "gpl-3.0"),
        ("AGPL-3.0-only", "agpl-3.0"),
        ("LGPL-2.1-only", "lgpl-2.1"),
        ("Llama 2 Community License Agreement", "llama2"),
        ("llama3", "llama3"),
        ("Llama-3.1 Community License", "llama3.1"),
        ("Meta Llama 3.3", "llama3.3"),
        ("llama4", "llama4"),
        ("Gemma Terms of Use", "gemma"),
        ("Qwen License", "qwen"),
        ("qwen-research", "qwen-research"),
        ("Qwen RESEARCH LICENSE AGREEMENT", "qwen-research"),
        ("Tongyi Qianwen LICENSE AGREEMENT", "tongyi-qianwen"),
        ("deepseek", "deepseek"),
        ("DeepSeek License", "deepseek"),
        ("OpenAI terms of use", "openai-terms"),
        ("openai", "openai-terms"),
        ("Anthropic Commercial Terms", "anthropic-terms"),
        ("Gemini API terms", "gemini-terms"),
        ("Mistral AI Research License", "mistral-research"),
        ("MNPL-0.1", "mistral-research"),
        ("", "unknown"),
        ("unknown", "unknown"),
        ("Our Terms (2026)", "our-terms-2026"),
    ],
)
def test_one_name_for_every_spelling(text: str, name: str) -> None:
    assert canonical(text) == name
    assert canonical(name) == name


@pytest.mark.parametrize("name", sorted(HUB))
def test_names_of_the_hub_stay(name: str) -> None:
    assert hub_name(name) == name
    assert hub_name(name.upper()) == name


@pytest.mark.parametrize(("said", "name"), [(None, "unknown"), ("Our terms", "other"), ("Qwen", "other"), (5, "other")])
def test_what_the_hub_does_not_know(said: object, name: str) -> None:
    assert hub_name(said) == name


@pytest.mark.parametrize(
    ("declared", "source", "level", "said"),
    [
        ("Apache-2.0", "MIT", None, ""),
        ("CC-BY-4.0", "MIT", None, ""),
        ("MIT", "CC0-1.0", None, ""),
        ("Apache-2.0", "CC-BY-4.0", None, ""),
        ("CC0-1.0", "CC-BY-4.0", "warn", "asks to name its authors"),
        ("CC-BY-4.0", "CC-BY-SA-4.0", "refuse", "asks for the same licence"),
        ("CC-BY-SA-4.0", "CC BY-SA 4.0", None, ""),
        ("CC-BY-SA-4.0", "CC-BY-SA-3.0", None, ""),
        ("CC-BY-SA-3.0", "CC-BY-SA-4.0", "refuse", "asks for the same licence"),
        ("CC-BY-NC-SA-4.0", "CC-BY-SA-4.0", "refuse", "asks for the same licence"),
        ("CC-BY-SA-4.0", "CC-BY-NC-SA-4.0", "refuse", "asks for the same licence"),
        ("ODbL", "odbl-1.0", None, ""),
        ("MIT", "GPL-3.0", "refuse", "asks for the same licence"),
        ("MIT", "CC-BY-NC-4.0", "refuse", "forbids commercial use"),
        ("CC-BY-NC-4.0", "CC-BY-NC-4.0", None, ""),
        ("CC-BY-NC-SA-4.0", "CC-BY-NC-4.0", None, ""),
        ("CC-BY-NC-ND-4.0", "CC-BY-NC-4.0", None, ""),
        ("CC-BY-ND-4.0", "CC-BY-ND-4.0", "refuse", "forbids passing on changed material"),
        ("MIT", "CC-BY-NC-ND-4.0", "refuse", "forbids passing on changed material"),
        ("MIT", None, "warn", "has no licence"),
        ("MIT", "unknown", "warn", "has no licence"),
        ("MIT", "Somebody's terms", "warn", "not known here"),
    ],
)
def test_sources(declared: str, source: str | None, level: str | None, said: str) -> None:
    _one(clashes(declared, {"gsm8k": source}, {}), level, ["the source 'gsm8k'", said])


@pytest.mark.parametrize(
    ("declared", "model", "level", "said"),
    [
        ("CC-BY-4.0", "Apache-2.0", None, ""),
        ("CC-BY-4.0", "MIT", None, ""),
        ("MIT", "CC-BY-SA-4.0", None, ""),
        ("CC-BY-4.0", "llama2", "refuse", "other than Llama 2"),
        ("CC-BY-4.0", "Llama 3 Community License", "refuse", "other than Llama 3"),
        ("CC-BY-4.0", "llama3.1", "warn", "Built with Llama"),
        ("CC-BY-4.0", "llama4", "warn", "Built with Llama"),
        ("CC-BY-4.0", "gemma", "warn", "derivatives"),
        ("CC-BY-4.0", "Qwen License Agreement", "warn", "Built with Qwen"),
        ("CC-BY-4.0", "tongyi-qianwen", "refuse", "other models"),
        ("CC-BY-4.0", "qwen-research", "refuse", "forbids commercial use"),
        ("CC-BY-NC-4.0", "qwen-research", None, ""),
        ("CC-BY-4.0", "CC-BY-NC-4.0", "refuse", "forbids commercial use"),
        ("CC-BY-4.0", "deepseek", "warn", "limits of use"),
        ("CC-BY-4.0", "bigscience-openrail-m", "warn", "limits of use"),
        ("CC-BY-4.0", "openai", "refuse", "compete with OpenAI"),
        ("CC-BY-4.0", "Anthropic commercial terms", "refuse", "compete with Anthropic"),
        ("CC-BY-4.0", "gemini-api", "refuse", "compete with Google"),
        ("CC-BY-4.0", None, "warn", "nobody can tell"),
        ("CC-BY-4.0", "something else", "warn", "not known here"),
    ],
)
def test_models(declared: str, model: str | None, level: str | None, said: str) -> None:
    _one(clashes(declared, {}, {"teacher": model}), level, ["the model of the role 'teacher'", said])


def _one(found: list[Clash], level: str | None, said: list[str]) -> None:
    if level is None:
        assert found == []
        return
    [clash] = found
    assert clash.level == level
    assert all(words in clash.what for words in said), clash.what
    assert clash.fix
    assert "\n" not in clash.what + clash.fix


@pytest.mark.parametrize(
    ("declared", "said"), [(None, "declares no licence"), ("", "declares no licence"), ("Ours", "is not known here")]
)
def test_the_declared_one(declared: str | None, said: str) -> None:
    _one(clashes(declared, {}, {}), "warn", [said])


def test_a_clash_names_both_licences_and_what_would_be_right() -> None:
    [clash] = clashes("Apache-2.0", {"wiki": "CC BY-SA 3.0"}, {})
    assert clash == Clash(
        "refuse",
        "the source 'wiki' has CC BY-SA 3.0, which asks for the same licence, and the release declares Apache-2.0",
        "Declare cc-by-sa-4.0, or leave the source out",
    )


def test_refusals_first_and_each_clash_once() -> None:
    sources = {"a": None, "b": "CC-BY-NC-4.0", "c": "MIT"}
    found = clashes("MIT", sources, {"teacher": "llama3.1", "judge": "openai"})
    assert [clash.level for clash in found] == ["refuse", "refuse", "warn", "warn"]


def test_hostile_names_stay_on_one_short_line() -> None:
    for text in ("x\n\x00" * 10_000, "-" * 1000, "cc-" * 50, "(" * 500):
        for clash in clashes(text, {"a": text}, {"b": text}):
            assert len(clash.what) < 400
            assert clash.what.isprintable()


def test_every_family_is_of_canonical_names() -> None:
    for name in ("mit", "apache-2.0", "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "cc-by-nd-4.0", "odbl"):
        assert family(canonical(name)) is not None
    assert family("llama2") is None


@pytest.mark.parametrize("licence", ["CC-BY-NC-4.0", "CC-BY-NC-SA-4.0", "qwen-research"])
def test_a_model_that_is_not_for_commerce(licence: str) -> None:
    [clash] = clashes("Apache-2.0", {}, {"teacher": licence})
    assert (clash.level, "forbids commercial use" in clash.what) == ("refuse", True)
    assert clashes("CC-BY-NC-4.0", {}, {"teacher": licence}) == []
