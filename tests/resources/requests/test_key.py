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
PRE_QUERY = Prompt("pre_query", messages=(("system", "Ask for a proof."),))
WARM = Sampling(temperature=0.7, top_p=0.95, top_k=20, max_tokens=512, stop=("\n\n", "Question:"))
COLD = Sampling(temperature=0.0, max_tokens=512)
DIGITS = dataclasses.replace(WARM, grammar='{"regex":"[0-9]+"}')
ODD = Sampling(1.5, 0.5, 7, 0.02, 0.1, -0.2, 1.1, 9, ("é", "\0"), '{"choice":["ja","nein"]}')
"""No value is a default."""


@dataclasses.dataclass(frozen=True)
class Vector:
    """One request whose keys every version of mathloom must make again."""

    id: str
    prompt: Prompt
    sampling: Sampling
    base: str
    samples: dict[int, str]
    """Sample index -> key."""
    seed: int
    salt: str = ""
    template_id: str = ""


VECTORS = [
    Vector(
        "raw",
        RAW,
        WARM,
        "76475f089ce1ff444b8d72fc85a7fa0a",
        {
            0: "8aba6ca82784ac8ae6e8351c5f5e1c5c",
            1: "4e22439dd96281715c5cc202cf1ef6bf",
            5: "e3cd6c2b08a28140987b251d06a60da3",
            2**40: "e1bade2999eadd5bc98337656554ee03",
        },
        94894602,
    ),
    Vector(
        "raw salted",
        RAW,
        WARM,
        "f1bd4699fe77ccfb1202a94157fc46b9",
        {
            0: "26beb91fd606913b95391d7eef61e7a2",
            1: "19e73f4e68bd1547caa623c535dbe597",
            5: "f8ce4fbf92ded97655606363fc137c41",
            2**40: "063a4675bf267fd65c638a2056a807cb",
        },
        1476150969,
        salt="second set",
    ),
    Vector(
        "raw greedy",
        RAW,
        COLD,
        "656cba1a87ba8741097f1098790701e1",
        {0: "67fae96332f403b1ade591ea4c4f2544", 5: "67fae96332f403b1ade591ea4c4f2544"},
        2030502369,
    ),
    Vector(
        "raw greedy salted",
        RAW,
        COLD,
        "656cba1a87ba8741097f1098790701e1",
        {0: "67fae96332f403b1ade591ea4c4f2544", 5: "67fae96332f403b1ade591ea4c4f2544"},
        2030502369,
        salt="second set",
    ),
    Vector(
        "raw with a grammar",
        RAW,
        DIGITS,
        "c82a3aa67d48b4e50e99a953a138d243",
        {
            0: "0c22fa934b5adcbd0a831a245c9f5307",
            1: "6e99784dc1107369b526f787f9e85268",
            5: "5d89639926da009278ae36940e32c75e",
            2**40: "8e4783b974c28783cf26cc74c57d16e2",
        },
        557371971,
    ),
    Vector(
        "raw, nothing by default",
        RAW,
        ODD,
        "1e087198663080f8e82944df6f18a106",
        {
            0: "30a1d7a1e9a5ecc467816e9926c6b5ae",
            1: "80e7888c4e2910559ca281e6f2e9209c",
            5: "bb92967d7a79ada10597d846d96b8de9",
            2**40: "d441267eff16f4ae988bed3344da54ad",
        },
        1863885062,
        salt="salz ü",
    ),
    Vector(
        "chat",
        CHAT,
        WARM,
        "2153bcc47b7c094547f5815266dd3f74",
        {
            0: "8d3294f86b8fb4e3721edaf188de79ef",
            1: "c151c869dc426bc02dbcb1cf30e3ba0b",
            5: "42610f5f0b916b030d730b0a6d903a0f",
            2**40: "78d07fa98d2bcf54ecab7302a6e55704",
        },
        1725775732,
    ),
    Vector(
        "chat salted",
        CHAT,
        WARM,
        "6994374296b9fd98502416f307f562a4",
        {
            0: "9fb02cac40d35befccdac1643936aa5a",
            1: "43e1a6e2709f9d41463b5966a32cc63d",
            5: "d623bf83dde1cd370e19819c87d78c17",
            2**40: "970ec2a51d32fe7213be6e6927a068bd",
        },
        133522084,
        salt="second set",
    ),
    Vector(
        "chat with a template",
        CHAT,
        WARM,
        "ef77aa6ef04fccf7f52f64fc8612a41b",
        {
            0: "5cba45a89cbcce9c3b8d77d8c28e8a01",
            1: "e5fc68f0be1d20f55333237760c43928",
            5: "664fee63951b93ec90f2cccc4f732875",
            2**40: "bf0ca6b9f5e874f51970b36513dd9dcf",
        },
        101884955,
        template_id="sha256:ab",
    ),
    Vector(
        "chat greedy",
        CHAT,
        COLD,
        "f70a45106a8083bc79d857da63410d76",
        {0: "a2acaa861fca1c115861cfb74eb6f684", 5: "a2acaa861fca1c115861cfb74eb6f684"},
        1665207670,
    ),
    Vector(
        "chat with a grammar",
        CHAT,
        DIGITS,
        "7b7ae3ca2397479c42a1fded621bcf22",
        {
            0: "a3cd10fe9c1be7cb6150a18df829e385",
            1: "d1a92a2787c1b8a0ebe87a06b8e1d070",
            5: "b4e2f511b4bfe107a7cf2f741c05b651",
            2**40: "a0b071e90f40838482a104e65951d7d4",
        },
        1645989666,
    ),
    Vector(
        "pre_query",
        PRE_QUERY,
        WARM,
        "7f9f98157d99989e2d859fd77505612e",
        {
            0: "60825eb01b90cef2f4f28c8bd509cbb4",
            1: "85f48f8b3598fbc2b487ed1139f90656",
            5: "87f36dec11efc60f942606c5fb0a9e30",
            2**40: "7e14a3e8fe792984ab338b8c5a76f685",
        },
        1963286830,
    ),
    Vector(
        "pre_query with a template",
        PRE_QUERY,
        WARM,
        "3a91617db0c96b8e788e8ec19aec6857",
        {
            0: "a48fcf9cfe74f86638a649319478ef9c",
            1: "2b11a10d0185a50176bf9c678cd247fd",
            5: "c7a5bd042b8ca4587f67584097888a14",
            2**40: "a1281c7dae00980f5edf416f032a2946",
        },
        451700823,
        template_id="sha256:ab",
    ),
    Vector(
        "pre_query, nothing by default",
        PRE_QUERY,
        ODD,
        "490da6442a45e30f9af80646a68bc8ff",
        {
            0: "e732093b86868d21d24944cb6e277e43",
            1: "9861b872dd81b05afe5e88afc3861ca3",
            5: "3b99db8775bdc7ccaf861a57e751527c",
            2**40: "3eaf86d64685ce044d0a3bbbde0d05dd",
        },
        646695167,
        salt="salz ü",
    ),
    Vector(
        "empty",
        Prompt("raw"),
        Sampling(temperature=1),
        "571bb7a50b2859c686f7791e8b08a254",
        {
            0: "4306d41353d8af08befe7c4dbae62b6b",
            1: "1e10fadfb90f78acd4b5d3f8a7b5da2b",
            5: "fc5fcbbb02b847d984d14099d7dd7bef",
            2**40: "444957b55105136174bfff43a3be175f",
        },
        185115220,
    ),
    Vector(
        "empty pre_query",
        Prompt("pre_query"),
        Sampling(temperature=1),
        "da2ad51d547315d8d4852a04dc290b1a",
        {
            0: "7fcd54705f7c228d19c12741b68f479b",
            1: "7eea8fd94038966a4d1273a38624ddd5",
            5: "8c08688ff396ba7ad985154cc2c4b1bd",
            2**40: "c6a4d49c4851589cccf3fbdce5b668d7",
        },
        1546193690,
    ),
]


@pytest.mark.parametrize("case", VECTORS, ids=lambda case: case.id)
def test_fixed_vectors(case: Vector) -> None:
    base = base_key("org/model@0123abcd", case.prompt, case.sampling, case.salt, template_id=case.template_id)
    samples = {index: sample_key(base, index, case.sampling).hex() for index in case.samples}
    assert (base.hex(), samples, seed_base(base)) == (case.base, case.samples, case.seed), (
        "the request key changed: every stored completion would be asked for again"
    )


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
    "mode": ("w", dataclasses.replace(CHAT, mode="pre_query"), WARM, "", ""),
    "text of a chat": ("w", dataclasses.replace(CHAT, text="x"), WARM, "", ""),
    "raw": ("w", Prompt("raw", "x"), WARM, "", ""),
    "raw text": ("w", Prompt("raw", "x "), WARM, "", ""),
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
    "grammar": ("w", CHAT, dataclasses.replace(WARM, grammar="{}"), "", ""),
    "no stop": ("w", CHAT, dataclasses.replace(WARM, stop=()), "", ""),
    "stop order": ("w", CHAT, dataclasses.replace(WARM, stop=("Question:", "\n\n")), "", ""),
}


def test_each_value_makes_another_key() -> None:
    keys = {name: base_key(w, p, s, salt, template_id=t) for name, (w, p, s, salt, t) in OTHERS.items()}
    assert len(set(keys.values())) == len(keys)
    assert keys["the same"] == base_key("w", CHAT, WARM)


requests = st.tuples(
    st.sampled_from(["v", "w"]),
    st.builds(
        Prompt,
        mode=st.sampled_from(["raw", "chat", "pre_query"]),
        text=st.sampled_from(["", "x", "w"]),
        messages=st.lists(st.tuples(st.sampled_from(["user", ""]), st.sampled_from(["", "x"])), max_size=2).map(tuple),
        template_arguments=st.sampled_from([{}, {"a": 1}, {"a": True}, {"a": "1"}]),
    ),
    st.builds(
        Sampling,
        temperature=st.sampled_from([0, 0.5]),
        top_k=st.sampled_from([0, 1]),
        stop=st.lists(st.sampled_from(["", "x"]), unique=True, max_size=2).map(tuple),
        grammar=st.sampled_from(["", "{}"]),
    ),
    st.sampled_from(["", "x"]),
    st.sampled_from(["", "x"]),
)


def meaning(request: tuple[str, Prompt, Sampling, str, str]) -> str:
    """What must tell two requests apart, written in another way than the key."""
    weights, prompt, sampling, salt, template = request
    body = prompt.text if prompt.mode == "raw" else (prompt.text, prompt.messages, prompt.template_arguments, template)
    return repr((weights, prompt.mode, body, sampling, salt if sampling.temperature else ""))


@given(requests, requests)
def test_keys_are_equal_where_requests_mean_the_same(left: Any, right: Any) -> None:
    keys = [base_key(w, p, s, salt, template_id=t) for w, p, s, salt, t in (left, right)]
    assert (keys[0] == keys[1]) == (meaning(left) == meaning(right))


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
