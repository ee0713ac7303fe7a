"""Prompts of each mode become token ids: templates, the first token, refusals. No model."""

from types import SimpleNamespace
from typing import Any

import pytest

from resources.engines.openvino.rendering import Refusal, Renderer, first_line

BOS_ID = 1


class Tokenizer:
    """A token for each word; ``[s]`` is BOS. Notes what it is asked. Puts no BOS, as OpenVINO's for GGUF."""

    def __init__(self, adds_bos: bool = False) -> None:
        self.seen: list[tuple[str, bool]] = []
        self.adds_bos = adds_bos

    def encode(self, text: str, add_special_tokens: bool) -> Any:
        np = pytest.importorskip("numpy")
        self.seen.append((text, add_special_tokens))
        words = [BOS_ID] if self.adds_bos and add_special_tokens else []
        words += [BOS_ID if word == "[s]" else 5 for word in text.replace("[s]", "[s] ").split()]
        data = np.array([words], dtype=np.int64)
        return SimpleNamespace(input_ids=SimpleNamespace(data=data, shape=data.shape))

    def apply_chat_template(self, messages: list[dict[str, str]], ask: bool, extra_context: object) -> str:
        if any(each["role"] == "judge" for each in messages):
            raise RuntimeError("Exception from a/b.cpp:3\nno judge here\n")
        said = "".join(f"({each['role']}) {each['content'].strip()} ; " for each in messages)
        return f"[s]{said}" + ("(assistant)" if ask else "") + ("!" if extra_context else "")


def frame(mode: str, text: str = "", *messages: tuple[str, str], **arguments: object) -> dict[str, Any]:
    return {"mode": mode, "text": text, "messages": messages, "arguments": arguments}


CASES = [
    (frame("raw", "some text"), ("some text", True)),
    (frame("raw", "[s]some text"), ("[s]some text", False)),
    (frame("chat", "", ("user", "hello")), ("[s](user) hello ; (assistant)", False)),
    (
        frame("chat", "", ("user", "hello"), add_generation_prompt=False, thinking=True),
        ("[s](user) hello ; !", False),
    ),
    (frame("pre_query"), ("[s](user) ", False)),
    (frame("pre_query", "", ("system", "Be brief.")), ("[s](system) Be brief. ; (user) ", False)),
]


@pytest.mark.parametrize(("asked", "encoded"), CASES, ids=[each["mode"] for each, _ in CASES])
def test_what_is_encoded(asked: dict[str, Any], encoded: tuple[str, bool]) -> None:
    tokenizer = Tokenizer()
    Renderer(tokenizer, 100, "[s]", BOS_ID).tokens(asked)
    assert tokenizer.seen == [encoded]


@pytest.mark.parametrize("adds_bos", [False, True], ids=["GGUF", "OpenVINO folder"])
def test_a_model_that_wants_a_first_token_gets_one_and_never_two(adds_bos: bool) -> None:
    pytest.importorskip("openvino")
    renderer = Renderer(Tokenizer(adds_bos), 100, "[s]", BOS_ID, puts_bos=not adds_bos)
    for text in ("some text", "[s]some text"):
        assert renderer.tokens(frame("raw", text)).data.tolist() == [[1, 5, 5]]
    chat = renderer.tokens(frame("chat", "", ("user", "hello"))).data.tolist()[0]
    assert chat.count(BOS_ID) == 1


def test_a_model_without_a_first_token_gets_none() -> None:
    assert Renderer(Tokenizer(), 100, "[s]", BOS_ID).tokens(frame("raw", "some text")).data.tolist() == [[5, 5]]


REFUSED = [
    (frame("raw", ""), "is empty"),
    (frame("raw", "half \ud800"), "lone surrogate"),
    (frame("raw", "a " * 20), "20 tokens or more, the context 20"),
    (frame("raw", "a" * 2_000), "over 64 characters for each token"),
    (frame("chat", "", ("judge", "hello")), "template refuses the messages: no judge here"),
    (frame("pre_query", "", ("user", "hello")), "one system message and nothing else"),
    (frame("pre_query", "", ("system", "a"), ("system", "b")), "one system message and nothing else"),
]


@pytest.mark.parametrize(("asked", "says"), REFUSED, ids=[says for _, says in REFUSED])
def test_refused_for_good(asked: dict[str, Any], says: str) -> None:
    with pytest.raises(Refusal, match=says):
        Renderer(Tokenizer(), 20, "[s]", BOS_ID).tokens(asked)


def test_a_template_that_hides_the_user_has_no_pre_query(monkeypatch: pytest.MonkeyPatch) -> None:
    for rendered in ("nothing", "{0} and {0}"):
        monkeypatch.setattr(
            Tokenizer,
            "apply_chat_template",
            lambda _, messages, *__, r=rendered, **___: r.format(messages[-1]["content"]),
        )
        with pytest.raises(Refusal, match="where the user speaks"):
            Renderer(Tokenizer(), 100, "[s]").tokens(frame("pre_query"))


def test_first_line_of_an_error() -> None:
    assert first_line(RuntimeError("Exception from x.cpp\n\n  the reason \nmore")) == "the reason"
    assert first_line(RuntimeError("")) == "RuntimeError"
