"""The scripted engine: no model, deterministic answers that depend on the prompt, with declared shares of mistakes.

For tests, demonstrations and builds at scale: a stage that never sees a wrong answer, a missing box, a repeated
problem or a failed request proves nothing. The wording is in ``resources/engines/scripted/text.py``.
"""

from __future__ import annotations

import heapq
import json
import struct
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, ClassVar, NamedTuple

from pydantic import Field

from resources.engines.options import EngineOptions
from resources.engines.protocol import TICK_S, EngineRequest, EngineResult, Prompt, Sampling
from resources.engines.scripted import judge as scripted_judge
from resources.engines.scripted import text as scripted_text
from resources.identity import canonical_json, digest128, hash_json

VERSION = 1
"""Raised when the same options and request would give another text: it is part of the weights id."""

_UNIT = 2.0**32
_DRAWS = struct.Struct("<16I")
_HOSTILE = (
    "",
    "\x00\x00 " * 40,
    "A lone half \ud800 of a pair, then $\\boxed{7}$. \udfff",
    "<script>alert(1)</script> $\\boxed{__import__('os')}$ " + "{" * 300,
    "\\boxed{" * 400,
    "9" * 5_000 + " ** " + "9" * 5_000 + " = $\\boxed{9**9**9}$.",
)
"""What a model may send and what must not hurt: empty, NUL, half surrogates, markup, open braces, huge numbers."""

Share = Annotated[float, Field(ge=0.0, le=1.0)]


class ScriptedOptions(EngineOptions):
    """Shares are of all samples, each drawn by itself from the hash of the prompt and the seed of the sample."""

    operational: ClassVar[frozenset[str]] = frozenset(
        {
            "transient_failures",
            "failing_attempts",
            "lasting_failures",
            "permanent_failures",
            "context_tokens",
            "latency_s",
            "latency_spread_s",
            "max_in_flight",
            "is_shuffled",
        }
    )

    seed: int = Field(0, description="Another seed is another model: all texts change.")
    wrong_answers: Share = Field(0.25, description="Share of solutions that reach a near miss.")
    missing_boxes: Share = Field(0.04, description="Share of solutions without a box.")
    two_boxes: Share = Field(0.02, description="Share of solutions that box their answer twice.")
    tails: Share = Field(0.1, description="Share of solutions that go on after the sentence with the box.")
    prefixes: Share = Field(0.05, description="Share of solutions that begin with `My solution:`.")
    wrong_arithmetic: Share = Field(0.03, description="Share of solutions with a line such as `2 + 2 = 7`.")
    long_sums: Share = Field(0.1, description="Share of sums written with three terms in one line.")
    respelled: Share = Field(0.05, description="Share of answers in another spelling of the same value.")
    short: Share = Field(0.03, description="Share of solutions under 200 characters.")
    long: Share = Field(0.005, description="Share of solutions over 4,500 characters.")
    cut: Share = Field(0.01, description="Share of solutions that end in the middle (finish reason `length`).")
    repeated: Share = Field(0.02, description="Share of solutions with the text of another sample of their problem.")
    hostile: Share = Field(0.0, description="Share of texts with NUL, lone surrogates, markup, open braces, or empty.")
    reasoning: Share = Field(0.0, description="Share of solutions with a reasoning part beside the text.")

    problem_cue: str = Field("New problem:", description="A prompt that ends with this asks for a new problem.")
    problem_mark: str = Field("Problem:", description="What stands before a problem in a prompt; the last one counts.")
    solution_mark: str = Field("Solution:", description="What stands after the problem in a prompt.")
    empty_problems: Share = Field(0.02, description="Share of new problems that are empty.")
    unchanged_problems: Share = Field(0.02, description="Share of new problems that repeat their seed.")
    duplicate_problems: Share = Field(0.03, description="Share of new problems from a pool of 16 for all seeds.")

    judge_cue: str = Field("True or False.", description="A prompt that ends with this asks for a verdict.")
    missing_verdicts: Share = Field(0.03, description="Share of verdicts that say neither True nor False.")
    wrong_verdicts: Share = Field(0.002, description="Share of verdicts that say the other word.")

    transient_failures: Share = Field(0.0, description="Share of samples that fail at first.")
    failing_attempts: int = Field(1, description="How often in one process a transient one fails.", ge=1)
    lasting_failures: Share = Field(0.0, description="Share of samples that fail at every attempt.")
    permanent_failures: Share = Field(0.0, description="Share of samples that fail for good, as too long prompts do.")
    context_tokens: int = Field(131_072, description="Prompts with more tokens fail for good.", gt=0)

    latency_s: float = Field(0.0, description="Mean time of one answer, in seconds; 0 does not wait.", ge=0)
    latency_spread_s: float = Field(0.0, description="Answers take the mean plus or minus this, in seconds.", ge=0)
    max_in_flight: int = Field(64, description="Samples at work at once.", gt=0)
    is_shuffled: bool = Field(False, description="Answers leave in another order than they came, without waiting.")
    characters_per_token: int = Field(4, description="For token counts and for max_tokens.", gt=0)


class _Task(NamedTuple):
    """What all samples of one request share."""

    request: EngineRequest
    choices: tuple[str, ...]
    """What the grammar allows; none for anything."""
    refusal: str
    """Why no sample of it can be answered; empty when they can."""
    digest: bytes
    problem: str
    step: scripted_text.Sum
    is_augmentation: bool
    verdict: bool | None
    """Of a prompt that asks for one: whether its two problems are the same."""
    prompt_tokens: int


class _Flight(NamedTuple):
    """One sample at work; the smallest is the next to end."""

    ends: float
    order: int
    result: EngineResult


class ScriptedEngine:
    """Answers by rule. ``start`` and ``stop`` do nothing: there are no weights."""

    name = "scripted"
    holds_device = False
    options_type: ClassVar[type[EngineOptions]] = ScriptedOptions

    def __init__(self, options: ScriptedOptions, *, where: str, cache: Path, secrets: Mapping[str, str]) -> None:
        """Nothing can fail: ``where``, ``cache`` and ``secrets`` are there because every engine takes them."""
        del where, cache, secrets
        self._options = options
        self._weights_id = f"scripted:{VERSION}:{hash_json(options.identity())[:16]}"
        self._key = digest128("scripted", self._weights_id)
        self._attempts: dict[bytes, int] = {}

    def weights_id(self) -> str:
        """Version of the rules and hash of the options that shape texts."""
        return self._weights_id

    def describe(self) -> Mapping[str, Any]:
        """The options that differ from the defaults."""
        changed = self._options.model_dump(mode="json", exclude_defaults=True)
        return {"engine": self.name, "weights": self._weights_id, **changed}

    def check(self) -> None:
        """Nothing is needed."""

    def start(self) -> None:
        """Nothing to load."""

    def stop(self) -> None:
        """Nothing to free."""

    def stream(self, requests: Iterable[EngineRequest]) -> Iterator[EngineResult | None]:
        """Answer each sample; at most ``max_in_flight`` are taken ahead of what was given back."""
        options = self._options
        flights: list[_Flight] = []
        samples = enumerate(self._samples(requests))
        while True:
            for order, (task, index) in islice(samples, options.max_in_flight - len(flights)):
                ends, result = self._answer(task, index)
                heapq.heappush(flights, _Flight(ends, order, result))
            if not flights:
                return
            flight = heapq.heappop(flights)
            while options.latency_s and (wait := flight.ends - time.monotonic()) > 0:
                time.sleep(min(wait, TICK_S))
                if wait > TICK_S:
                    yield None
            yield flight.result

    def _samples(self, requests: Iterable[EngineRequest]) -> Iterator[tuple[_Task, int]]:
        for request in requests:
            task = self._read(request)
            for index in range(request.first, request.first + request.count):
                yield task, index

    def _read(self, request: EngineRequest) -> _Task:
        options = self._options
        text, asked = _prompt_texts(request.prompt)
        stripped = asked.rstrip()
        is_augmentation = request.prompt.mode == "pre_query" or stripped.endswith(options.problem_cue)
        stripped = stripped.removesuffix(options.problem_cue)
        problem = scripted_text.read_problem(stripped, options.problem_mark, options.solution_mark)
        tokens = -(-len(text) // options.characters_per_token)
        choices, refusal = _choices(request.sampling.grammar)
        if tokens > options.context_tokens:
            refusal = f"the prompt has {tokens} tokens, the context {options.context_tokens}"
        return _Task(
            request=request,
            choices=choices,
            refusal=refusal,
            digest=blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16, key=self._key).digest(),
            problem=problem,
            step=scripted_text.read_sum(problem),
            is_augmentation=is_augmentation,
            verdict=scripted_judge.verdict(asked) if stripped.endswith(options.judge_cue) else None,
            prompt_tokens=tokens,
        )

    def _answer(self, task: _Task, index: int) -> tuple[float, EngineResult]:
        options = self._options
        seed = task.request.seed(index).to_bytes(8, "little")
        identity = blake2b(seed, digest_size=64, key=task.digest).digest()
        draws = _DRAWS.unpack(identity)
        ends = 0.0
        if options.latency_s:
            ends = time.monotonic() + options.latency_s + options.latency_spread_s * (2 * draws[15] / _UNIT - 1)
        elif options.is_shuffled:
            ends = draws[15]
        number = task.request.number
        failure = self._failure(task, identity, draws[14] / _UNIT)
        if failure:
            return ends, EngineResult(
                number, index, prompt_tokens=task.prompt_tokens, failure=failure[0], is_permanent=failure[1]
            )
        if task.choices:
            text = task.choices[draws[0] % len(task.choices)]
        elif draws[13] < options.hostile * _UNIT:
            text = _HOSTILE[draws[12] % len(_HOSTILE)]
        elif task.verdict is not None:
            text = self._verdict(task.verdict, draws)
        elif task.is_augmentation:
            text = self._problem(task, draws)
        else:
            text = self._solution(task, draws)
        text, is_cut = self._end(text, task, draws)
        return ends, EngineResult(
            number,
            index,
            text=text,
            reasoning="Think: one step is enough." if draws[11] < options.reasoning * _UNIT else None,
            finish_reason="length" if is_cut else "stop",
            prompt_tokens=task.prompt_tokens,
            completion_tokens=-(-len(text) // options.characters_per_token),
        )

    def _failure(self, task: _Task, identity: bytes, chance: float) -> tuple[str, bool] | None:
        options = self._options
        if task.refusal:
            return task.refusal, True
        for share, reason, is_permanent in (
            (options.permanent_failures, "scripted permanent failure", True),
            (options.lasting_failures, "scripted lasting failure", False),
        ):
            if chance < share:
                return reason, is_permanent
            chance -= share
        if chance < options.transient_failures:
            tried = self._attempts.get(identity, 0) + 1
            self._attempts[identity] = tried
            if tried <= options.failing_attempts:
                return f"scripted transient failure, attempt {tried}", False
        return None

    def _problem(self, task: _Task, draws: Sequence[int]) -> str:
        options = self._options
        chance = draws[5] / _UNIT
        if chance < options.empty_problems:
            return ""
        chance -= options.empty_problems
        if chance < options.unchanged_problems:
            return task.problem
        if chance - options.unchanged_problems < options.duplicate_problems:
            few = draws[6] % 16
            return scripted_text.new_problem_text("", (0, few, few * 7, few * 11, few * 3))
        return scripted_text.new_problem_text(task.problem, draws)

    def _verdict(self, is_same: bool, draws: Sequence[int]) -> str:
        options = self._options
        chance = draws[5] / _UNIT
        if chance < options.missing_verdicts:
            return scripted_judge.no_verdict(draws[6])
        is_wrong = chance - options.missing_verdicts < options.wrong_verdicts
        return scripted_judge.say(is_same != is_wrong, draws[6])

    def _solution(self, task: _Task, draws: Sequence[int]) -> str:
        options = self._options
        if draws[10] < options.repeated * _UNIT:
            draws = _DRAWS.unpack(blake2b(b"repeated", digest_size=64, key=task.digest).digest())
        step = task.step
        if draws[5] < options.wrong_answers * _UNIT:
            step = scripted_text.near_miss(step, draws[6])
        # Each switch reads its own 16 bits: sixteen 32-bit numbers would not be enough, and one digest is fast.
        low = [draw & 0xFFFF for draw in draws[5:15]]
        shape = scripted_text.Shape(
            draws=draws,
            is_boxed=low[1] >= options.missing_boxes * 65_536,
            is_boxed_twice=low[2] < options.two_boxes * 65_536,
            has_tail=low[3] < options.tails * 65_536,
            has_prefix=low[4] < options.prefixes * 65_536,
            has_slip=low[5] < options.wrong_arithmetic * 65_536,
            has_long_sum=(draws[7] >> 16) < options.long_sums * 65_536,
            is_short=(draws[8] >> 16) < options.short * 65_536,
            is_long=(draws[9] >> 16) < options.long * 65_536,
            is_respelled=low[6] < options.respelled * 65_536,
        )
        return scripted_text.solution_text(step, shape)

    def _end(self, text: str, task: _Task, draws: Sequence[int]) -> tuple[str, bool]:
        options, sampling = self._options, task.request.sampling
        text = _before_stop(text, sampling)
        limit = sampling.max_tokens * options.characters_per_token
        is_solution = not (task.is_augmentation or task.choices or task.verdict is not None)
        if is_solution and (draws[12] >> 16) < options.cut * 65_536:
            limit = min(limit, len(text) // 2)
        return (text[:limit], True) if limit < len(text) else (text, False)


def _before_stop(text: str, sampling: Sampling) -> str:
    found = [at for stop in sampling.stop if stop and (at := text.find(stop)) >= 0]
    return text[: min(found)] if found else text


def _choices(grammar: str) -> tuple[tuple[str, ...], str]:
    """What a grammar lets it say, and why it is refused. Only lists of texts can be held to: no model writes here."""
    if not grammar:
        return (), ""
    try:
        choices = json.loads(grammar)["choice"]
    except (ValueError, TypeError, KeyError):
        choices = None
    if isinstance(choices, list) and choices and all(isinstance(each, str) for each in choices):
        return tuple(choices), ""
    return (), f"the scripted engine holds to choices only, not to the grammar {grammar[:80]}"


def _prompt_texts(prompt: Prompt) -> tuple[str, str]:
    """The whole prompt as text, and the part that asks: all of a raw one, the last user message of a chat.

    Nobody asks in a ``pre_query`` prompt: the answer is a question.
    """
    if prompt.mode == "raw":
        return prompt.text, prompt.text
    asked = next((content for role, content in reversed(prompt.messages) if role == "user"), "")
    whole: list[Any] = [list(map(list, prompt.messages)), dict(prompt.template_arguments)]
    return canonical_json([prompt.mode, *whole] if prompt.mode == "pre_query" else whole), asked
