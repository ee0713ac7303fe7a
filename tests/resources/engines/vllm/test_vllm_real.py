"""The real vLLM on this CPU: what it answers, what it says when it cannot, and that nothing of it stays behind.

Run by `make test-vllm`. The conformance suite asks the same engine.
"""

import contextlib
import itertools
import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from resources.engines.pooling import PoolingRequest
from resources.engines.protocol import Engine, EngineRequest, Prompt, Sampling, answers
from resources.errors import EngineError

pytestmark = pytest.mark.vllm

ROOT = Path(__file__).resolve().parents[4]
Make = Callable[..., Any]

PROBLEM = Prompt("raw", "Problem:\nTom has 2 apples and buys 3 more. How many has he?\n\nSolution:\n")


def ask(number: int, prompt: Prompt = PROBLEM, count: int = 1, first: int = 0, **sampling: Any) -> EngineRequest:
    return EngineRequest(
        number, prompt, Sampling(**{"temperature": 0.8, "max_tokens": 12, **sampling}), 11, first, count
    )


def only(engine: Engine, *args: Any, **kwargs: Any) -> Any:
    (result,) = answers(engine.stream([ask(0, *args, **kwargs)]))
    return result


def session(pid: int) -> list[int]:
    """Processes in the session that ``pid`` leads, without those that are dead and not yet buried."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            words = stat.read_text().rsplit(")", 1)[1].split()
            if int(words[3]) == pid and words[0] != "Z":
                found.append(int(stat.parent.name))
    return found


def wait_empty(pid: int, seconds: float = 20.0) -> list[int]:
    end = time.monotonic() + seconds
    while (left := session(pid)) and time.monotonic() < end:
        time.sleep(0.1)
    return left


@contextlib.contextmanager
def running(engine: Any) -> Iterator[Any]:
    try:
        engine.start()
        yield engine
    finally:
        engine.stop()


def test_samples_have_their_own_texts_and_a_missing_one_is_asked_alone(vllm_engine: Engine) -> None:
    found = {r.sample_index: r.text for r in answers(vllm_engine.stream([ask(1, count=6)]))}
    assert len(set(found.values())) > 1
    alone = only(vllm_engine, first=4)
    assert alone.sample_index == 4
    # The same seed gives nearly always the same text: sums depend a little on what is calculated beside it.
    assert alone.text[:8] == found[4][:8]


def test_greedy_text_is_cut_by_stop_and_length(vllm_engine: Engine) -> None:
    whole = only(vllm_engine, temperature=0.0)
    assert whole.finish_reason == "length"
    assert whole.completion_tokens == 12
    word = whole.text.split()[1]
    cut = only(vllm_engine, temperature=0.0, stop=(word,))
    assert cut.finish_reason == "stop"
    assert cut.text == whole.text.partition(word)[0]


def test_chat_is_rendered_once_and_pre_query_writes_a_question(vllm_engine: Engine) -> None:
    chat = only(vllm_engine, Prompt("chat", messages=(("user", "What is 2 + 3?"),)), temperature=0.0)
    same = only(
        vllm_engine,
        Prompt(
            "raw",
            "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
            "<|im_start|>user\nWhat is 2 + 3?<|im_end|>\n<|im_start|>assistant\n",
        ),
        temperature=0.0,
    )
    assert (chat.prompt_tokens, chat.text) == (same.prompt_tokens, same.text)
    question = only(vllm_engine, Prompt("pre_query"), max_tokens=40)
    assert question.prompt_tokens == chat.prompt_tokens - 14  # the question, its end and the start of an answer
    assert question.text.strip()


GRAMMARS = [
    ({"choice": ["yes", "no"]}, lambda text: text in {"yes", "no"}),
    ({"regex": "[0-9]{3}"}, lambda text: text.isdigit() and len(text) == 3),
    (
        {"json": {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}},
        lambda text: isinstance(json.loads(text)["a"], int),
    ),
    ({"grammar": 'root ::= "4" | "5"'}, lambda text: text in {"4", "5"}),
]


@pytest.mark.parametrize(("grammar", "holds"), GRAMMARS, ids=lambda value: "" if callable(value) else next(iter(value)))
def test_grammar_is_kept(vllm_engine: Engine, grammar: dict[str, Any], holds: Callable[[str], bool]) -> None:
    result = only(vllm_engine, grammar=json.dumps(grammar), max_tokens=60, temperature=0.3)
    assert result.failure is None
    assert result.finish_reason == "length" or holds(result.text), result.text


def test_a_request_that_vllm_refuses_fails_alone(vllm_engine: Engine) -> None:
    requests = [ask(1, top_p=7.0), ask(2, grammar='{"regex": "(("}'), ask(3), ask(4, Prompt("raw", "\ud800"))]
    found = {result.number: result for result in answers(vllm_engine.stream(requests))}
    assert {number for number, result in found.items() if result.failure} == {1, 2, 4}
    assert "top_p" in (found[1].failure or "")
    assert all(found[number].is_permanent for number in (1, 2, 4))


def test_prompts_that_do_not_fit_one_step_together(vllm_engine: Engine) -> None:
    """On a CPU, a prompt that is read in two steps would end the engine: its random numbers cannot be turned back."""
    prompts = [Prompt("raw", f"{number} " + "and " * 600) for number in range(3)]
    found = list(answers(vllm_engine.stream([ask(n, prompt, max_tokens=2) for n, prompt in enumerate(prompts)])))
    assert [result.failure for result in found] == [None] * 3


def test_results_come_as_they_finish(vllm_engine: Engine) -> None:
    order = [r.number for r in answers(vllm_engine.stream([ask(1, max_tokens=120, stop=()), ask(2, max_tokens=1)]))]
    assert order == [2, 1]


def test_same_samples_as_vllm_gives_for_n(vllm_engine: Engine, make_vllm: Make, vllm_models: Path) -> None:
    """The seed of sample i is that of vLLM's own rule: the first tokens agree with one request for n samples."""
    ours = {r.sample_index: r.text for r in answers(vllm_engine.stream([ask(1, count=4)]))}
    code = (
        "import json, sys\n"
        "from vllm import LLM, SamplingParams\n"
        "def main():\n"
        "    llm = LLM(sys.argv[1], dtype='float32', max_model_len=1024, enforce_eager=True, max_num_seqs=16,\n"
        "              generation_config='vllm', enable_chunked_prefill=False)\n"
        "    params = SamplingParams(n=4, temperature=0.8, max_tokens=12, seed=11)\n"
        "    print('TEXTS' + json.dumps([o.text for o in llm.generate([sys.argv[2]], params)[0].outputs]))\n"
        "if __name__ == '__main__':\n"
        "    main()\n"
    )
    python = vllm_engine._session._options.python  # type: ignore[attr-defined]
    env = {**os.environ, "VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1"}
    done = subprocess.run(
        [python, "-c", code, str(vllm_models / "smollm2"), PROBLEM.text],
        capture_output=True,
        text=True,
        check=True,
        env=env,
    )
    line = next(line for line in done.stdout.splitlines() if line.startswith("TEXTS"))
    theirs = json.loads(line.removeprefix("TEXTS"))
    agreeing = sum(ours[i][:8] == theirs[i][:8] for i in range(4))
    assert agreeing >= 3, (ours, theirs)


def test_closed_in_the_middle_it_is_free_for_the_next(vllm_engine: Engine) -> None:
    vllm_engine.start()
    stream = vllm_engine.stream([ask(number, max_tokens=500) for number in range(40)])
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    started = time.monotonic()
    assert only(vllm_engine, max_tokens=2).failure is None
    assert time.monotonic() - started < 30


def test_killed_core_is_an_error_and_the_next_stream_starts_anew(vllm_engine: Any) -> None:
    vllm_engine.start()
    leader = vllm_engine.pid
    (core,) = (pid for pid in session(leader) if "EngineCore" in Path(f"/proc/{pid}/comm").read_text() or _is_core(pid))
    stream = vllm_engine.stream([ask(number, max_tokens=400) for number in range(30)])
    with contextlib.suppress(StopIteration):
        next(stream)
    os.kill(core, signal.SIGKILL)
    with pytest.raises(EngineError, match="cpu.yaml:3: vLLM stopped: ") as caught:
        list(stream)
    assert caught.value.retryable
    assert wait_empty(leader) == []
    assert only(vllm_engine).failure is None


def _is_core(pid: int) -> bool:
    return b"EngineCore" in Path(f"/proc/{pid}/cmdline").read_bytes()


def test_stop_leaves_no_process(make_vllm: Make) -> None:
    with running(make_vllm("smollm2", context_tokens=256)) as engine:
        leader = engine.pid
        assert len(session(leader)) >= 3
    assert wait_empty(leader, 1.0) == []


PARENT = """
import json, sys, time
from pathlib import Path
from resources.engines.catalog import make_engine
from resources.engines.protocol import EngineRequest, Prompt, Sampling
engine = make_engine("vllm", json.loads(sys.argv[1]), "here", Path(sys.argv[2]))
engine.start()
print(engine.pid, flush=True)
requests = (EngineRequest(i, Prompt("raw", "1 2 3"), Sampling(1.0, max_tokens=900), 0, 0, 1) for i in range(99))
for _ in engine.stream(requests):
    pass
"""


@pytest.mark.parametrize("way", ["parent", "parent and child"])
def test_killed_parent_leaves_no_process(make_vllm: Make, tmp_path: Path, way: str) -> None:
    options = make_vllm("smollm2", context_tokens=1024)._session._options.model_dump(mode="json", exclude_defaults=True)
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, json.dumps(options), str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
    ) as parent:
        assert parent.stdout
        leader = int(parent.stdout.readline())
        time.sleep(1.0)
        assert len(session(leader)) >= 3
        parent.kill()
        if way == "parent and child":
            os.kill(leader, signal.SIGKILL)
        parent.wait(10)
    assert wait_empty(leader, 10.0) == []


REFUSED = [
    ({"engine_args": {"tensor_paralel_size": 2}}, r"no engine argument 'tensor_paralel_size' \(nearest: 'tensor_par"),
    ({"context_tokens": 100_000}, "max_model_len .* is greater than the derived .*Lower `context_tokens`"),
    ({"engine_args": {"num_gpu_blocks_override": 2}, "context_tokens": 8192}, "KV cache.*Lower `context_tokens`"),
]


@pytest.mark.parametrize(("options", "says"), REFUSED, ids=["argument", "context", "cache"])
def test_start_that_fails_names_vllms_own_reason(make_vllm: Make, options: dict[str, Any], says: str) -> None:
    engine = make_vllm("smollm2", **options)
    with pytest.raises(EngineError, match=f"cpu.yaml:3: vLLM cannot load the model: .*{says}") as caught:
        engine.start()
    assert not caught.value.retryable
    assert "\n" not in str(caught.value)


def test_broken_weights_name_vllms_own_reason(make_vllm: Make, vllm_models: Path, tmp_path: Path) -> None:
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).symlink_to(vllm_models / "smollm2" / name)
    with (vllm_models / "smollm2/model.safetensors").open("rb") as whole:
        (tmp_path / "model.safetensors").write_bytes(whole.read(1_000_000))
    with pytest.raises(EngineError, match="Safetensor.*vllm.log"):
        make_vllm("smollm2", path=str(tmp_path)).start()


def test_adapter_answers_otherwise_under_another_id(make_vllm: Make, vllm_engine: Engine, vllm_models: Path) -> None:
    plain = only(vllm_engine, temperature=0.0)
    with running(make_vllm("smollm2", context_tokens=1024, adapter=str(vllm_models / "smollm2-lora"))) as engine:
        assert only(engine, temperature=0.0).text != plain.text
        assert engine.weights_id().startswith(vllm_engine.weights_id() + ";adapter=sha256:")


def test_two_replicas_answer_all(make_vllm: Make) -> None:
    with running(make_vllm("smollm2", context_tokens=256, engine_args={"data_parallel_size": 2})) as engine:
        assert engine.window == 2 * 16 + 8
        found = list(answers(engine.stream([ask(number, count=4) for number in range(5)])))
        assert sorted((r.number, r.sample_index) for r in found) == list(itertools.product(range(5), range(4)))
        leader = engine.pid
    assert wait_empty(leader, 1.0) == []


def test_reasoning_is_kept_apart(make_vllm: Make) -> None:
    arguments = {"reasoning_parser": "deepseek_r1", "structured_outputs_config": {"enable_in_reasoning": True}}
    with running(make_vllm("smollm2-thinks", context_tokens=256, engine_args=arguments)) as engine:
        grammar = json.dumps({"choice": ["<think>two and two</think>4"]})
        chat = only(engine, Prompt("chat", messages=(("user", "2 + 2?"),)), grammar=grammar, max_tokens=60)
        assert (chat.reasoning, chat.text) == ("two and two", "4")
        raw = only(engine, Prompt("raw", "2 + 2?"), grammar=grammar, max_tokens=60)
        assert (raw.reasoning, raw.text) == (None, "<think>two and two</think>4")


def cosine(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


def test_embeddings_have_length_one_and_similar_texts_are_close(make_vllm: Make) -> None:
    texts = ["What is two plus three?", "Add two and three.", "The cat sleeps on a warm roof.", "word " * 5_000]
    with running(make_vllm("minilm", task="embed")) as engine:
        requests = [PoolingRequest(number, Prompt("raw", text)) for number, text in enumerate(texts)]
        found = {r.number: r for r in engine.pool(requests) if r is not None}
    assert found[3].is_permanent
    assert "the context is 256" in (found[3].failure or "")
    vectors = [found[number].values for number in range(3)]
    assert all(len(vector) == 384 and math.isclose(cosine(vector, vector), 1.0, abs_tol=1e-4) for vector in vectors)
    assert cosine(vectors[0], vectors[1]) > 0.7 > 0.3 > cosine(vectors[0], vectors[2])


def test_scores_are_one_number_for_a_reward_model(make_vllm: Make) -> None:
    said = (("user", "What is 2 + 3?"), ("assistant", "5"))
    prompts = [Prompt("chat", messages=said), Prompt("chat", messages=said), Prompt("raw", "nothing")]
    with running(make_vllm("smollm2-reward", task="score", context_tokens=256)) as engine:
        found = {
            r.number: r
            for r in engine.pool([PoolingRequest(number, prompt) for number, prompt in enumerate(prompts)])
            if r is not None
        }
    assert [len(found[number].values) for number in range(3)] == [1, 1, 1]
    assert math.isclose(found[0].values[0], found[1].values[0], abs_tol=1e-4)
    assert found[0].values != found[2].values
