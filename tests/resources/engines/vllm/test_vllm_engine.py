"""The parent's half of the engine vllm, over a child without vLLM: what is sent, failures, death, no process left."""

import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from resources.engines.pooling import PoolingRequest
from resources.engines.protocol import EngineRequest, EngineResult, Prompt, Sampling, answers
from resources.errors import EngineError, RecipeError

Make = Callable[..., Any]
ROOT = Path(__file__).resolve().parents[4]


def raw(number: int, text: str, *, count: int = 1, seed: int = 3, first: int = 0) -> EngineRequest:
    return EngineRequest(number, Prompt("raw", text), Sampling(0.7, max_tokens=8), seed, first, count)


def ask_one(engine: Any, text: str) -> EngineResult:
    (result,) = answers(engine.stream([raw(1, text)]))
    return result


def told(engine: Any, what: str) -> Mapping[str, Any]:
    """What the child saw: ask, load or env."""
    return eval(ask_one(engine, what).text, {"__builtins__": {}})  # a repr of plain values, by our own parrot


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_gone(pid: int, seconds: float = 5.0) -> bool:
    end = time.monotonic() + seconds
    while is_running(pid) and time.monotonic() < end:
        time.sleep(0.02)
    return not is_running(pid)


def test_every_sampling_value_and_the_seed_of_the_sample_reach_the_child(vllm_parrot: Make) -> None:
    sampling = Sampling(0.3, 0.8, 40, 0.1, 0.2, 0.4, 1.1, 77, ("a", "b"), '{"choice":["x"]}')
    request = EngineRequest(1, Prompt("raw", "ask"), sampling, 2**31 - 1, 0, 2)
    asks = sorted(
        (eval(result.text, {"__builtins__": {}}) for result in answers(vllm_parrot().stream([request]))),
        key=lambda ask: ask["id"],
    )
    assert [ask["seed"] for ask in asks] == [2**31 - 1, 0]
    assert asks[0]["sampling"] == {
        "temperature": 0.3,
        "top_p": 0.8,
        "top_k": 40,
        "min_p": 0.1,
        "presence_penalty": 0.2,
        "frequency_penalty": 0.4,
        "repetition_penalty": 1.1,
        "max_tokens": 77,
        "stop": ["a", "b"],
        "grammar": '{"choice":["x"]}',
    }


def test_messages_arguments_and_reasoning_travel(vllm_parrot: Make) -> None:
    prompt = Prompt("chat", messages=(("user", "hi"),), template_arguments={"thinking": True})
    (result,) = answers(vllm_parrot().stream([EngineRequest(4, prompt, Sampling(1.0), 9, 2, 1)]))
    assert (result.text, result.reasoning, result.sample_index) == ("11", "hm", 2)


def test_engine_arguments_are_passed_as_written_beside_our_own(vllm_parrot: Make) -> None:
    engine = vllm_parrot(
        engine_args={"tensor-parallel-size": 2, "compilation_config": {"level": 3}, "enable_prefix_caching": False},
        dtype="float32",
        context_tokens=100,
        quantisation="fp8",
        tokenizer="org/t@1",
        weights="known",
    )
    arguments = told_unchecked(engine)["arguments"]
    assert arguments["tensor_parallel_size"] == 2
    assert arguments["compilation_config"] == {"level": 3}
    assert arguments["enable_prefix_caching"] is False
    assert arguments["generation_config"] == "vllm"
    assert arguments["dtype"] == "float32"
    assert arguments["max_model_len"] == 100
    assert arguments["quantization"] == "fp8"
    assert (arguments["tokenizer"], arguments["tokenizer_revision"]) == ("org/t", "1")
    assert arguments["runner"] == "generate"


def told_unchecked(engine: Any) -> Mapping[str, Any]:
    engine._session.check = lambda: None  # a tokenizer that can move is refused otherwise
    return told(engine, "load")


def test_prefix_caching_is_on_and_the_context_is_the_models_own(vllm_parrot: Make) -> None:
    arguments = told(vllm_parrot(), "load")["arguments"]
    assert arguments["enable_prefix_caching"] is True
    assert arguments["max_model_len"] is None


def test_adapter_is_a_folder_or_a_commit_of_the_hub(vllm_parrot: Make, tmp_path: Path) -> None:
    (tmp_path / "lora").mkdir()
    assert told(vllm_parrot(adapter=str(tmp_path / "lora")), "load")["adapter"] == {"path": str(tmp_path / "lora")}
    commit = "0" * 40
    adapter = told(vllm_parrot("other", adapter=f"o/l@{commit}"), "load")["adapter"]
    assert adapter == {"path": None, "hub": "o/l", "revision": commit}


def test_environment_is_quiet_and_names_the_devices(vllm_parrot: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    env = told(vllm_parrot(visible_devices=["2", "3"], env={"VLLM_CPU_KVCACHE_SPACE": "1"}), "env")
    assert env["CUDA_VISIBLE_DEVICES"] == "2,3"
    assert env["VLLM_CPU_KVCACHE_SPACE"] == "1"
    assert env["VLLM_NO_USAGE_STATS"] == env["DO_NOT_TRACK"] == env["HF_HUB_DISABLE_TELEMETRY"] == "1"
    assert env["VLLM_WORKER_MULTIPROCESSING_METHOD"] == "spawn"


MISTAKES = [
    ({"engine_args": {"model": "x"}}, "model (option: model)"),
    ({"engine_args": {"max-model-len": 5}}, "max_model_len (option: context_tokens)"),
    ({"engine_args": {"generation_config": "auto"}}, "every sampling value is sent"),
    ({"env": {"HF_TOKEN": "hunter2"}}, "HF_TOKEN looks like a secret"),
    ({"env": {"MY_API_KEY": "hunter2"}}, "MY_API_KEY looks like a secret"),
    ({"engine_args": {"hf_token": "hunter2"}}, "hf_token looks like a secret"),
    ({"env": {"HTTPS_PROXY": "http://me:hunter2@host"}}, "HTTPS_PROXY holds a password"),
]


@pytest.mark.parametrize(("options", "says"), MISTAKES)
def test_mistakes_in_options_are_readable_and_show_no_secret(
    vllm_parrot: Make, options: dict[str, Any], says: str
) -> None:
    with pytest.raises(RecipeError) as caught:
        vllm_parrot(**options)
    assert says in str(caught.value)
    assert str(caught.value).startswith("paper.yaml:9: ")
    assert "hunter2" not in str(caught.value)


def test_weights_id_alone_loads_nothing(vllm_parrot: Make) -> None:
    with pytest.raises(RecipeError, match="only names what one of them loads"):
        vllm_parrot(path=None, weights="known")


def test_description_has_no_time_no_folder_and_stays(vllm_parrot: Make, tmp_path: Path) -> None:
    (tmp_path / "lora").mkdir()
    engine = vllm_parrot(engine_args={"max_num_seqs": 3}, adapter=str(tmp_path / "lora"), python=sys.executable)
    before = engine.describe()
    engine.start()
    assert engine.describe() == before
    assert before["path"] == "tiny"
    assert before["adapter"] == "lora"
    assert before["engine_args"] == {"max_num_seqs": 3}
    assert str(tmp_path) not in str(before)
    assert sys.executable not in str(before)


def test_window_is_what_the_loaded_engine_works_on_and_some_more(vllm_parrot: Make) -> None:
    engine = vllm_parrot()
    assert engine.window == 256
    engine.start()
    assert engine.window == 10


def test_prompt_over_the_context_is_a_failure_for_good(vllm_parrot: Make) -> None:
    found = {result.number: result for result in answers(vllm_parrot().stream([raw(1, "too long"), raw(2, "x")]))}
    assert found[1].failure == "prompt has 101 tokens, the context is 100"
    assert found[1].is_permanent
    assert found[2].failure is None


DEATHS = [("die", "was ended by SIGKILL"), ("break", "RuntimeError: NCCL timed out")]


@pytest.mark.parametrize(("text", "says"), DEATHS)
def test_dead_engine_is_an_error_that_can_be_tried_again(vllm_parrot: Make, text: str, says: str) -> None:
    engine = vllm_parrot()
    helper = int(ask_one(engine, "helper").text)
    with pytest.raises(EngineError, match=f"paper.yaml:9: vLLM stopped: .*{says}.*Run the same command") as caught:
        list(engine.stream([raw(1, text)]))
    assert caught.value.retryable
    assert wait_gone(helper), "a process of vLLM stayed behind"
    assert [result.number for result in answers(engine.stream([raw(2, "x")]))] == [2], "a new child answers"


def test_last_words_show_no_secret_in_the_error_or_its_causes(
    vllm_parrot: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dagster's event log keeps an error with all its causes."""
    monkeypatch.setenv("MY_API_KEY", "hunter2hunter2")
    with pytest.raises(EngineError, match=r"OSError: cannot reach http://\*\*\*@proxy") as caught:
        ask_one(vllm_parrot(), "leak")
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))


REFUSED = [
    ("refused", r"OutOfMemoryError: CUDA out of memory. Tried 8.00 GiB\. .*tensor_parallel_size.*vllm\.log", False),
    ("mistaken", r"no engine argument 'a' \(nearest: 'b'\)\. Correct `engine_args`", False),
    ("dies", r"was ended by SIGKILL.*Run the same command again", True),
]


@pytest.mark.parametrize(("name", "says", "is_retryable"), REFUSED)
def test_failed_load_names_the_reason_and_the_remedy(
    vllm_parrot: Make, name: str, says: str, is_retryable: bool, tmp_path: Path
) -> None:
    engine = vllm_parrot(name)
    for _ in range(2):
        with pytest.raises(EngineError, match=f"paper.yaml:9: vLLM cannot load the model: .*{says}") as caught:
            engine.start()
        assert caught.value.retryable is is_retryable
    assert (tmp_path / "cache" / "vllm.log").exists()
    engine.stop()


def test_stop_leaves_no_process(vllm_parrot: Make) -> None:
    engine = vllm_parrot()
    helper = int(ask_one(engine, "helper").text)
    child = engine.pid
    engine.stop()
    assert wait_gone(child)
    assert wait_gone(helper)
    assert engine.pid is None


def test_killed_child_leaves_no_process_even_while_nobody_asks(vllm_parrot: Make) -> None:
    engine = vllm_parrot()
    helper = int(ask_one(engine, "helper").text)
    os.kill(engine.pid, signal.SIGKILL)
    assert wait_gone(helper)
    with pytest.raises(EngineError, match="SIGKILL"):
        ask_one(engine, "x")
    assert ask_one(engine, "x").text == "x3"


PARENT = """
import sys, time
from pathlib import Path
from resources.engines.catalog import make_engine
from resources.engines.protocol import EngineRequest, Prompt, Sampling, answers
import resources.engines.vllm.preflight as preflight, resources.engines.vllm.session as session
session._WORKER = "vllm_parrot"; preflight.check_package = lambda *_: "cpu"
engine = make_engine("vllm", {"path": sys.argv[1]}, "here", Path(sys.argv[1]) / "cache")
(result,) = answers(engine.stream([EngineRequest(1, Prompt("raw", "helper"), Sampling(1.0), 0, 0, 1)]))
print(engine.pid, result.text, flush=True)
time.sleep(3600)
"""


@pytest.mark.parametrize("way", ["parent", "parent and child", "interrupt"])
def test_killed_parent_leaves_no_process(tmp_path: Path, way: str) -> None:
    (tmp_path / "config.json").write_text("{}")
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), str(ROOT)])}
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)], env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as parent:
        assert parent.stdout
        child, helper = (int(word) for word in parent.stdout.readline().split())
        parent.send_signal(signal.SIGINT if way == "interrupt" else signal.SIGKILL)
        if way == "parent and child":
            os.kill(child, signal.SIGKILL)
        parent.wait(20)
    assert wait_gone(child)
    assert wait_gone(helper)


def test_parent_that_is_killed_while_vllm_loads_leaves_no_process(tmp_path: Path) -> None:
    slow = tmp_path / "slow"
    slow.mkdir()
    (slow / "config.json").write_text("{}")
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), str(ROOT)])}
    with subprocess.Popen([sys.executable, "-c", PARENT, str(slow)], env=env, stderr=subprocess.DEVNULL) as parent:
        group: set[int] = set()
        end = time.monotonic() + 20
        while len(group) < 2 and time.monotonic() < end:
            group = descendants(parent.pid)
            time.sleep(0.05)
        time.sleep(0.5)
        group = descendants(parent.pid)
        parent.kill()
        parent.wait(10)
    assert len(group) >= 3, "child, its helper and the guard"
    assert [pid for pid in group if not wait_gone(pid)] == []


def descendants(pid: int) -> set[int]:
    found: set[int] = set()
    for folder in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in folder.read_text().split():
            found |= {int(child)} | descendants(int(child))
    return found


def test_two_streams_at_once_are_refused(vllm_parrot: Make) -> None:
    engine = vllm_parrot()
    stream = engine.stream([raw(number, "x") for number in range(50)])
    next(answers(stream))
    with pytest.raises(EngineError, match="already answers another stage"):
        next(engine.stream([raw(1, "x")]))
    stream.close()


def test_many_samples_of_one_prompt_pass_through_a_small_window(vllm_parrot: Make) -> None:
    found = list(answers(vllm_parrot().stream([raw(1, "x", count=500, first=3, seed=0)])))
    assert sorted(result.sample_index for result in found) == list(range(3, 503))
    assert all(result.text == f"x{result.sample_index}" for result in found)


def test_pooling_gives_one_vector_for_each_text_and_ticks(vllm_parrot: Make) -> None:
    engine = vllm_parrot(task="score")
    assert engine.task == "score"
    requests = [PoolingRequest(number, Prompt("raw", "x" * number)) for number in range(40)]
    requests += [PoolingRequest(99, Prompt("raw", "too long"))]
    found = {result.number: result for result in engine.pool(requests) if result is not None}
    assert found[7].values == (7.0, 0.5)
    assert found[99].failure
    assert found[99].is_permanent
    assert found[99].values == ()
    assert len(found) == 41
    assert next(engine.pool([PoolingRequest(1, Prompt("raw", "hold"))])) is None


def test_pooling_loads_the_pooling_runner(vllm_parrot: Make) -> None:
    engine = vllm_parrot(task="embed")
    frame = engine._session._load_frame()
    assert frame["task"] == "embed"
    assert frame["arguments"]["runner"] == "pooling"
    assert frame["arguments"]["enable_prefix_caching"] is False
