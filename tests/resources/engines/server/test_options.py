"""Options of the engine: what they refuse, and that no value that may be a secret is shown."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from resources.engines.catalog import make_engine
from resources.errors import EngineError, RecipeError

URL = "http://127.0.0.1:9/v1"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
SECRET = "sk-abc/def+secret"


@dataclass(frozen=True)
class Mistake:
    id: str
    options: dict[str, Any]
    says: str
    hides: list[str] = field(default_factory=list)


MISTAKES = [
    Mistake("no place", {"model": "o/m"}, "option 'base_url' is missing"),
    Mistake("two places", {"model": "o/m", "base_url": URL, "launch": {}}, "give one of the two"),
    Mistake("the same twice", {"model": "o/m", "base_url": [URL, URL + "/"]}, "names an endpoint twice"),
    Mistake("no name", {"weights": "w", "base_url": URL}, "option 'served_name' is missing"),
    Mistake("no address", {"model": "o/m", "base_url": "host:8000"}, "must look like http://host:8000/v1"),
    Mistake("a strange port", {"model": "o/m", "base_url": "http://h:99999/v1"}, "cannot be read"),
    Mistake("key in the address", {"model": "o/m", "base_url": URL + f"?key={SECRET}"}, "must not hold ?", [SECRET]),
    Mistake("password", {"model": "o/m", "base_url": f"http://me:{SECRET}@h/v1"}, "user or a password", [SECRET]),
    Mistake("key as name", {"model": "o/m", "base_url": URL, "api_key_env": SECRET}, "never the key", [SECRET]),
    Mistake("our fields", {"model": "o/m", "base_url": URL, "extra_body": {"seed": 1, "n": 2}}, "holds n, seed"),
    Mistake("our arguments", {"model": "o/m", "launch": {"engine_args": {"--api-key": "x"}}}, "holds api_key"),
    Mistake("launch speaks vllm", {"model": "o/m", "launch": {}, "dialect": "openai"}, "the dialect vllm"),
    Mistake(
        "a secret in env", {"model": "o/m", "launch": {"env": {"HF_TOKEN": SECRET}}}, "looks like a secret", [SECRET]
    ),
    Mistake("unknown", {"model": "o/m", "base_url": URL, "timeout": 3}, "nearest: 'timeout_s'"),
]


@pytest.mark.parametrize("case", MISTAKES, ids=lambda case: case.id)
def test_mistakes(case: Mistake, tmp_path: Path) -> None:
    with pytest.raises(RecipeError) as caught:
        make_engine("server", case.options, "p.yaml:4", tmp_path)
    assert case.says in str(caught.value)
    assert not [secret for secret in case.hides if secret in str(caught.value)]


def test_only_extra_body_shapes_answers(tmp_path: Path) -> None:
    def named(**options: Any) -> str:
        return make_engine("server", {"model": "o/m", "revision": COMMIT, **options}, "p", tmp_path).weights_id()

    plain = f"hf:o/m@{COMMIT}"
    assert named(base_url=URL) == named(base_url=["http://a/v1", "http://b/v1"], max_in_flight=3) == plain
    assert named(launch={"engine_args": {"data_parallel_size": 4}}) == plain
    high = named(base_url=URL, extra_body={"reasoning_effort": "high"})
    assert high.startswith(plain + ";extra_body=")
    assert high != named(base_url=URL, extra_body={"reasoning_effort": "low"})
    assert high == named(base_url="http://a/v1", extra_body={"reasoning_effort": "high"})


def test_what_is_shown_names_no_machine(tmp_path: Path) -> None:
    options = {
        "model": "o/m",
        "revision": COMMIT,
        "base_url": ["http://node17.internal:8000/v1", "http://node18.internal:8000/v1"],
        "api_key_env": "TEAM_KEY",
        "max_in_flight": 7,
    }
    shown = dict(make_engine("server", options, "p", tmp_path, {"TEAM_KEY": SECRET}).describe())
    assert shown["endpoints"] == 2
    assert shown["max_in_flight"] == 7
    assert not [word for word in ("node17", "TEAM_KEY", SECRET) if word in str(shown)]


def test_weights_that_can_move_are_refused_before_any_work(tmp_path: Path) -> None:
    engine = make_engine("server", {"model": "o/m", "revision": "main", "base_url": URL}, "p.yaml:4", tmp_path)
    for act in (engine.check, engine.start):
        with pytest.raises(EngineError, match=r"p\.yaml:4: the revision 'main' .* can move"):
            act()


@pytest.mark.parametrize("value", ["", "two words", "line\nbreak", "clé"])
def test_a_key_that_is_none_names_its_variable_only(
    value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TEAM_KEY", raising=False)
    words = {"weights": "w", "served_name": "m", "base_url": URL, "api_key_env": "TEAM_KEY"}
    engine = make_engine("server", words, "p.yaml:4", tmp_path, {"TEAM_KEY": value})
    with pytest.raises(EngineError, match="the environment variable TEAM_KEY") as caught:
        engine.check()
    assert not value or value not in str(caught.value)
