"""From prompts to token ids: one BOS and no second, templates, prompts that no model takes."""

from typing import Any

import pytest

from resources.engines.vllm.prompts import KEPT_PROMPTS, PromptReader, Refusal

BOS = "<s>"


class Tokenizer:
    """A character is a token; BOS is token 1; the template is that of a small chat model."""

    bos_token = BOS

    def __init__(self) -> None:
        self.encoded = 0

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
        self.encoded += 1
        text.encode()
        is_begun = text.startswith(BOS)
        rest = text[len(BOS) :] if is_begun else text
        return [1] * (is_begun or add_special_tokens) + [ord(char) for char in rest]

    def apply_chat_template(self, messages: list[dict[str, str]], *, tokenize: bool, **arguments: Any) -> str:
        assert tokenize is False
        if any(message["role"] == "villain" for message in messages):
            raise ValueError("Conversation roles must alternate")
        said = "".join(f"[{message['role']}]{message['content'].strip()}\n" for message in messages)
        add = arguments.pop("add_generation_prompt", False)
        return BOS + said + "".join(f"<{name}>" for name in arguments) + ("[assistant]" if add else "")


def read(mode: str, text: str = "", reserve: int = 1, context: int = 200, **ask: Any) -> str:
    """The text that the ids stand for; BOS shows as ^."""
    reader = PromptReader(Tokenizer(), context, reserve=reserve)
    ids = reader.read({"mode": mode, "text": text, "messages": [], "arguments": {}, **ask})
    return "".join("^" if token == 1 else chr(token) for token in ids)


RENDERED = [
    ("raw", {"text": "2 + 2"}, "^2 + 2"),
    ("raw", {"text": "<s>2 + 2"}, "^2 + 2"),
    ("raw", {"text": " <s>"}, "^ <s>"),
    ("chat", {"messages": [["system", "be"], ["user", "hi"]]}, "^[system]be\n[user]hi\n[assistant]"),
    ("chat", {"messages": [["user", "hi"]], "arguments": {"think": 1}}, "^[user]hi\n<think>[assistant]"),
    ("chat", {"messages": [["user", "hi"]], "arguments": {"add_generation_prompt": False}}, "^[user]hi\n"),
    ("pre_query", {}, "^[user]"),
    ("pre_query", {"messages": [["system", "be"]]}, "^[system]be\n[user]"),
]


@pytest.mark.parametrize(("mode", "ask", "text"), RENDERED)
def test_one_bos_and_the_models_own_template(mode: str, ask: dict[str, Any], text: str) -> None:
    assert read(mode, **ask) == text


def test_a_judged_conversation_has_no_prompt_for_an_answer() -> None:
    assert read("chat", messages=[["user", "hi"], ["assistant", "4"]], reserve=0) == "^[user]hi\n[assistant]4\n"


REFUSED = [
    ("raw", {"text": "x" * 200}, "prompt has 201 tokens, the context is 200"),
    ("raw", {"text": "x" * 1_000_000}, "prompt has 1000000 characters, the context is 200 tokens"),
    ("raw", {"text": "\ud800"}, "lone surrogate"),
    ("chat", {"messages": [["user", "\udfff"]]}, "lone surrogate"),
    ("chat", {"messages": [["villain", "x"]]}, "template refuses the messages: Conversation roles must alternate"),
    ("chat", {"messages": [["user", "x"]], "arguments": {"tokenize": True, "messages": 1}}, "refuses the messages"),
]


@pytest.mark.parametrize(("mode", "ask", "says"), REFUSED)
def test_what_no_model_takes_is_refused(mode: str, ask: dict[str, Any], says: str) -> None:
    with pytest.raises(Refusal, match=says):
        read(mode, **ask)


def test_room_for_one_token_is_enough_and_numbers_need_none() -> None:
    assert len(read("raw", text="x" * 198)) == 199
    assert len(read("raw", text="x" * 199, reserve=0)) == 200


def test_empty_prompt_without_a_first_token_is_refused() -> None:
    tokenizer: Any = Tokenizer()
    tokenizer.bos_token = None
    tokenizer.encode = lambda text, add_special_tokens: []
    with pytest.raises(Refusal, match="the prompt is empty"):
        PromptReader(tokenizer, 10, reserve=1).read({"mode": "raw", "text": "", "messages": [], "arguments": {}})


def test_template_that_hides_the_user_has_no_start_of_a_question() -> None:
    tokenizer: Any = Tokenizer()
    tokenizer.apply_chat_template = lambda messages, **_: "[system]"
    with pytest.raises(Refusal, match="does not show what the user says"):
        PromptReader(tokenizer, 10, reserve=1).read({"mode": "pre_query", "text": "", "messages": [], "arguments": {}})


def test_lower_case_models_are_given_lower_case() -> None:
    reader = PromptReader(Tokenizer(), 100, reserve=0, is_lowered=True)
    ids = reader.read({"mode": "raw", "text": "ABC", "messages": [], "arguments": {}})
    assert bytes(ids[1:]) == b"abc"


def test_samples_of_a_prompt_are_tokenised_once_and_memory_is_bounded() -> None:
    tokenizer = Tokenizer()
    reader = PromptReader(tokenizer, 100, reserve=1)

    def ask(text: str) -> dict[str, Any]:
        return {"mode": "raw", "text": text, "messages": [], "arguments": {}}

    for _ in range(8):
        reader.read(ask("x"))
    assert tokenizer.encoded == 1
    for _ in range(2):
        with pytest.raises(Refusal):
            reader.read(ask("x" * 101))
    assert tokenizer.encoded == 2
    for number in range(KEPT_PROMPTS + 5):
        reader.read(ask(str(number)))
    assert len(reader._kept) == KEPT_PROMPTS
