"""Embedders on models, with small stand-ins: what is asked of them, and what becomes of their faults."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pytest

from resources.embedders.pooling import PoolingEmbedder
from resources.embedders.sentence_transformers import MODEL, REVISION, SentenceTransformersEmbedder
from resources.engines.pooling import PoolingRequest, PoolingResult, Task
from resources.errors import EngineError, MissingExtraError


class CountingEngine:
    """A pooling engine whose vectors are (length of the text, 1, 0). Gives results in reverse, with pauses."""

    name = "counting"

    def __init__(self, task: Task = "embed") -> None:
        self.task: Task = task
        self.calls: list[str] = []

    def weights_id(self) -> str:
        return "weights@1"

    def describe(self) -> Mapping[str, Any]:
        return {}

    def check(self) -> None:
        self.calls.append("check")

    def start(self) -> None:
        self.calls.append("start")

    def pool(self, requests: Iterable[PoolingRequest]) -> Iterator[PoolingResult | None]:
        for request in reversed(list(requests)):
            yield None
            yield self.result(request)

    def result(self, request: PoolingRequest) -> PoolingResult:
        return PoolingResult(request.number, (float(len(request.prompt.text)), 1.0, 0.0))

    def stop(self) -> None:
        self.calls.append("stop")


def test_pooled_vectors_stand_in_the_order_of_texts() -> None:
    engine = CountingEngine()
    embedder = PoolingEmbedder(engine, where="here")
    vectors = embedder.embed(["abc", "", "a"])
    assert vectors.dtype == np.float32
    assert vectors == pytest.approx(np.array([[0.9487, 0.3162, 0], [0, 1, 0], [0.7071, 0.7071, 0]]), abs=1e-4)
    assert engine.calls == ["check", "start"], "who made the engine stops it"
    assert embedder.dimensions == 3
    assert embedder.identity() == "pooling/weights@1"
    assert embedder.embed([]).shape == (0, 3)


def test_dimensions_are_asked_of_the_model_where_nothing_was_embedded() -> None:
    assert PoolingEmbedder(CountingEngine(), where="here").dimensions == 3


def test_an_engine_that_scores_is_refused() -> None:
    with pytest.raises(EngineError, match="cannot embed"):
        PoolingEmbedder(CountingEngine("score"), where="recipe.yaml:3")


class Broken(CountingEngine):
    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how

    def pool(self, requests: Iterable[PoolingRequest]) -> Iterator[PoolingResult | None]:
        results = {
            "failure": PoolingResult(1, failure="the text is over the context", is_permanent=True),
            "nan": PoolingResult(1, (float("nan"), 1.0, 0.0)),
            "shape": PoolingResult(1, (1.0,)),
        }
        yield self.result(next(iter(requests)))
        if self.how in results:
            yield results[self.how]


@pytest.mark.parametrize(
    ("how", "words"),
    [("failure", "over the context"), ("nan", "no numbers"), ("shape", "of 1 n"), ("absent", "text 1")],
)
def test_a_text_without_a_vector_stops_the_stage(how: str, words: str) -> None:
    with pytest.raises(EngineError, match=words):
        PoolingEmbedder(Broken(how), where="here").embed(["a", "b"])


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A tiny stand-in for the package sentence_transformers: it says what it was asked."""
    asked: dict[str, Any] = {"vectors": lambda texts: np.array([[len(t), 3.0, 4.0] for t in texts], np.float64)}

    class SentenceTransformer:
        def __init__(self, name: str, **options: Any) -> None:
            if asked.get("refuses"):
                raise OSError("the Hub cannot be reached\nand more")
            asked["model"] = (name, options)
            asked["loads"] = asked.get("loads", 0) + 1

        def encode(self, texts: list[str], **options: Any) -> np.ndarray:
            asked["encode"] = options
            return asked["vectors"](texts)

    module = types.ModuleType("sentence_transformers")
    module.__dict__["SentenceTransformer"] = SentenceTransformer
    monkeypatch.setitem(sys.modules, "sentence_transformers", module)
    return asked


def test_sentence_transformers_loads_one_commit_once(package: dict[str, Any]) -> None:
    embedder = SentenceTransformersEmbedder(where="here", batch=8)
    assert "model" not in package, "nothing is loaded before the first text"
    vectors = embedder.embed(["", "abc"])
    embedder.embed(["x"])
    assert vectors.dtype == np.float32
    assert vectors == pytest.approx(np.array([[0, 0.6, 0.8], [0.5145, 0.5145, 0.686]]), abs=1e-4)
    assert package["model"] == (MODEL, {"revision": REVISION, "trust_remote_code": False})
    assert package["loads"] == 1
    assert package["encode"]["batch_size"] == 8
    assert embedder.dimensions == 3
    assert embedder.identity() == f"sentence-transformers/{MODEL}@{REVISION}"


def test_faults_of_sentence_transformers_become_one_error(package: dict[str, Any]) -> None:
    package["refuses"] = True
    with pytest.raises(EngineError, match=r"cannot load: the Hub cannot be reached\.") as caught:
        SentenceTransformersEmbedder(where="recipe.yaml:9").embed(["x"])
    assert caught.value.where == "recipe.yaml:9"
    package["refuses"] = False
    package["vectors"] = lambda texts: np.array([[np.inf, 1.0]])
    with pytest.raises(EngineError, match="no numbers"):
        SentenceTransformersEmbedder(where="here").embed(["x"])
    package["vectors"] = lambda texts: 1 / 0
    with pytest.raises(EngineError, match="cannot embed: division by zero"):
        SentenceTransformersEmbedder(where="here").embed(["x"])


def test_a_revision_that_can_move_is_refused() -> None:
    with pytest.raises(EngineError, match="'main' of .* can move"):
        SentenceTransformersEmbedder(revision="main", where="here")


def test_the_extra_is_named_where_it_is_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(MissingExtraError, match=r"mathloom\[embeddings\]"):
        SentenceTransformersEmbedder(where="here").embed(["x"])
