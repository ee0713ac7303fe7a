"""The request key: fixed vectors (a changed key loses every user's store), canonical values, refusals."""

from __future__ import annotations

import dataclasses
import math
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.engines.protocol import Prompt, Sampling
from resources.errors import RecipeError
from resources.requests.key import (
    MAX_INDEX,
    base_key,
    check_samples,
    sample_key,
    sample_keys,
    seed_base,
)

RAW = Prompt("raw", "Question: 1 + 1?\nAnswer:")
CHAT = Prompt(
    "chat", messages=(("system", "Be brief."), ("user", "Wie groß ist π?")), template_arguments={"think": True}
)
WARM = Sampling(temperature=0.7, top_p=0.95, top_k=20, max_tokens=512, stop=("\n\n", "Question:"))
COLD = Sampling(temperature=0.0, max_tokens=512)


@dataclasses.dataclass(frozen=True)
class Vector:
    """One key that every version of mathloom must make again."""

    id: str
    prompt: Prompt
    sampling: Sampling
    base: str
    sample_5: str
    seed: int
    salt: str = ""
    template_id: str = ""


VECTORS = [
    Vector("raw", RAW, WARM, "76475f089ce1ff444b8d72fc85a7fa0a", "e3cd6c2b08a28140987b251d06a60da3", 94894602),
    Vector(
        "raw salted",
        RAW,
        WARM,
        "f1bd4699fe77ccfb1202a94157fc46b9",
        "f8ce4fbf92ded97655606363fc137c41",
        1476150969,
        salt="second set",
    ),
    Vector("raw greedy", RAW, COLD, "656cba1a87ba8741097f1098790701e1", "67fae96332f403b1ade591ea4c4f2544", 2030502369),
    Vector("chat", CHAT, WARM, "2153bcc47b7c094547f5815266dd3f74", "42610f5f0b916b030d730b0a6d903a0f", 1725775732),
    Vector(
        "chat with a template",
        CHAT,
        WARM,
        "ef77aa6ef04fccf7f52f64fc8612a41b",
        "664fee63951b93ec90f2cccc4f732875",
        101884955,
        template_id="sha256:ab",
    ),
    Vector(
        "empty",
        Prompt("raw"),
        Sampling(temperature=1),
        "571bb7a50b2859c686f7791e8b08a254",
        "fc5fcbbb02b847d984d14099d7dd7bef",
        185115220,
    ),
]


@pytest.mark.parametrize("case", VECTORS, ids=lambda case: case.id)
def test_fixed_vectors(case: Vector) -> None:
    base = base_key("org/model@0123abcd", case.prompt, case.sampling, case.salt, template_id=case.template_id)
    assert (base.hex(), sample_key(base, 5, case.sampling).hex(), seed_base(base)) == (
        case.base,
        case.sample_5,
        case.seed,
    ), "the request key changed: every stored completion would be asked for again"


def test_every_field_of_a_request_is_in_the_key() -> None:
    """A field that Prompt or Sampling gains must enter the key only where it differs from its neutral default."""
    assert {field.name for field in dataclasses.fields(Sampling)} == {
        "temperature",
        "top_p",
        "top_k",
        "min_p",
        "presence_penalty",
        "frequency_penalty",
        "repetition_penalty",
        "max_tokens",
        "stop",
        "grammar",
    }
    assert {field.name for field in dataclasses.fields(Prompt)} == {"mode", "text", "messages", "template_arguments"}


OTHERS: dict[str, tuple[str, Prompt, Sampling, str, str]] = {
    "the same": ("w", CHAT, WARM, "", ""),
    "weights": ("v", CHAT, WARM, "", ""),
    "mode": ("w", Prompt("raw", "x"), WARM, "", ""),
    "role": (
        "w",
        dataclasses.replace(CHAT, messages=(("user", "Be brief."), ("user", "Wie groß ist π?"))),
        WARM,
        "",
        "",
    ),
    "message split": ("w", dataclasses.replace(CHAT, messages=(("system", "Be brief.user"),)), WARM, "", ""),
    "template argument": ("w", dataclasses.replace(CHAT, template_arguments={"think": False}), WARM, "", ""),
    "template argument 1": ("w", dataclasses.replace(CHAT, template_arguments={"think": 1}), WARM, "", ""),
    "template argument 1.0": ("w", dataclasses.replace(CHAT, template_arguments={"think": 1.0}), WARM, "", ""),
    "template": ("w", CHAT, WARM, "", "t"),
    "salt": ("w", CHAT, WARM, "s", ""),
    "temperature": ("w", CHAT, dataclasses.replace(WARM, temperature=0.71), "", ""),
    "top_p": ("w", CHAT, dataclasses.replace(WARM, top_p=0.9), "", ""),
    "top_k": ("w", CHAT, dataclasses.replace(WARM, top_k=21), "", ""),
    "min_p": ("w", CHAT, dataclasses.replace(WARM, min_p=0.1), "", ""),
    "presence": ("w", CHAT, dataclasses.replace(WARM, presence_penalty=0.1), "", ""),
    "frequency": ("w", CHAT, dataclasses.replace(WARM, frequency_penalty=0.1), "", ""),
    "repetition": ("w", CHAT, dataclasses.replace(WARM, repetition_penalty=1.1), "", ""),
    "max_tokens": ("w", CHAT, dataclasses.replace(WARM, max_tokens=513), "", ""),
    "stop order": ("w", CHAT, dataclasses.replace(WARM, stop=("Question:", "\n\n")), "", ""),
}


def test_each_value_makes_another_key() -> None:
    keys = {name: base_key(w, p, s, salt, template_id=t) for name, (w, p, s, salt, t) in OTHERS.items()}
    assert len(set(keys.values())) == len(keys)
    assert keys["the same"] == base_key("w", CHAT, WARM)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ({"temperature": 1}, {"temperature": 1.0}),
        ({"temperature": 0.0}, {"temperature": -0.0}),
        ({"temperature": 1, "presence_penalty": -0.0}, {"temperature": 1, "presence_penalty": 0}),
        ({"temperature": 1, "max_tokens": 512}, {"temperature": 1, "max_tokens": 512.0}),
        ({"temperature": 1, "top_k": -1}, {"temperature": 1, "top_k": 0}),
        ({"temperature": 1, "stop": ("a", "a")}, {"temperature": 1, "stop": ("a",)}),
    ],
    ids=["1 and 1.0", "-0.0 temperature", "-0.0 penalty", "whole float", "no top_k", "stop twice"],
)
def test_equal_values_make_equal_keys(left: dict[str, Any], right: dict[str, Any]) -> None:
    from resources.requests.key import _sampling_json

    _sampling_json.cache_clear()
    first = base_key("w", RAW, Sampling(**left))
    _sampling_json.cache_clear()  # equal floats share a cache line: prove the text, not the cache
    assert first == base_key("w", RAW, Sampling(**right))


def test_raw_prompt_knows_no_template() -> None:
    noise = dataclasses.replace(RAW, template_arguments={"think": True})
    assert base_key("w", noise, WARM, template_id="t") == base_key("w", RAW, WARM)


def test_greedy_leaves_out_salt_and_index() -> None:
    base = base_key("w", RAW, COLD, "salt")
    assert base == base_key("w", RAW, COLD)
    assert sample_key(base, 7, COLD) == sample_key(base, 0, COLD)
    assert sample_keys(base, 3, 2, COLD) == [sample_key(base, 0, COLD)] * 2


@given(first=st.integers(0, 2**40), count=st.integers(0, 40), salt=st.text())
def test_vectorised_keys_are_the_single_ones(first: int, count: int, salt: str) -> None:
    base = base_key("w", RAW, WARM, salt)
    keys = sample_keys(base, first, count, WARM)
    assert keys == [sample_key(base, index, WARM) for index in range(first, first + count)]
    assert len(set(keys)) == count


def test_keys_are_fast() -> None:
    base = base_key("w", RAW, WARM)
    best = math.inf
    for _ in range(3):  # the machine may be busy: the best of three
        start = time.perf_counter()
        assert len(sample_keys(base, 0, 50_000, WARM)) == 50_000
        best = min(best, time.perf_counter() - start)
    assert 50_000 / best > 500_000, "planning 20M requests must not take minutes (about 3M keys a second when idle)"


def test_lone_surrogates_have_a_key() -> None:
    assert base_key("w", Prompt("raw", "\ud800"), WARM) != base_key("w", Prompt("raw", "\ud801"), WARM)
    chat = Prompt("chat", messages=(("user", "\ud800\0"),))
    assert len(base_key("w", chat, WARM)) == 16


@pytest.mark.parametrize(
    ("sampling", "message"),
    [
        ({"temperature": math.nan}, "temperature is nan"),
        ({"temperature": 1, "top_p": math.inf}, "top_p is inf"),
        ({"temperature": "hot"}, "temperature is 'hot'"),
        ({"temperature": 1, "max_tokens": 1.5}, "max_tokens is 1.5"),
    ],
    ids=["nan", "inf", "text", "half a token"],
)
def test_refused_sampling(sampling: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        base_key("w", RAW, Sampling(**sampling))


@pytest.mark.parametrize("value", [math.nan, object(), {1, 2}], ids=["nan", "object", "set"])
def test_refused_template_arguments(value: Any) -> None:
    with pytest.raises(RecipeError, match="template arguments"):
        base_key("w", dataclasses.replace(CHAT, template_arguments={"x": value}), WARM)


@pytest.mark.parametrize("index", [-1, MAX_INDEX + 1])
def test_refused_index(index: int) -> None:
    with pytest.raises(RecipeError, match="sample index"):
        sample_key(b"x" * 16, index, WARM)
    with pytest.raises(RecipeError, match="sample index"):
        sample_keys(b"x" * 16, index, 2, WARM)


@pytest.mark.parametrize(
    ("sampling", "count", "message"),
    [(COLD, 2, "2 samples at temperature 0"), (WARM, 0, "0 samples"), (WARM, 2, None), (COLD, 1, None)],
    ids=["greedy twice", "none", "two", "greedy once"],
)
def test_check_samples(sampling: Sampling, count: int, message: str | None) -> None:
    if message is None:
        check_samples(sampling, count)
    else:
        with pytest.raises(RecipeError, match=message) as caught:
            check_samples(sampling, count, where="recipe.yaml:7")
        assert str(caught.value).startswith("recipe.yaml:7: ")
