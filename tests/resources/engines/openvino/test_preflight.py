"""What is seen before the embedded model is loaded: headers of GGUF files, folders, memory."""

import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from resources.engines.openvino.gguf import begins_with_bos, read_header
from resources.engines.openvino.preflight import check_memory, check_weights
from resources.errors import EngineError

Make = Callable[..., bytes]


def write(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "m.gguf"
    path.write_bytes(data)
    return path


def test_a_header_is_read_past_its_lists(gguf: Make, tmp_path: Path) -> None:
    words = [b"a", b"", b"longer"]
    name = b"tokenizer.ggml.tokens"
    text_list = struct.pack("<Q", len(name)) + name + struct.pack("<IIQ", 9, 8, 3)
    text_list += b"".join(struct.pack("<Q", len(word)) + word for word in words)
    number_list = struct.pack("<Q", 1) + b"n" + struct.pack("<IIQ3i", 9, 5, 3, 1, 2, 3)
    last = struct.pack("<Q", 4) + b"last" + struct.pack("<If", 6, 0.5)
    first = gguf(general__architecture="qwen2")
    data = first[:16] + struct.pack("<Q", 4) + first[24:] + text_list + number_list + last
    assert read_header(write(tmp_path, data)) == {"general.architecture": "qwen2", "last": 0.5}


BOS = [
    ({"tokenizer.ggml.add_bos_token": True, "tokenizer.ggml.model": "gpt2"}, True),
    ({"tokenizer.ggml.add_bos_token": False, "tokenizer.ggml.model": "llama"}, False),
    ({"tokenizer.ggml.model": "llama"}, True),
    ({"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "llama-bpe"}, True),
    ({"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "qwen2"}, False),
    ({}, False),
]


@pytest.mark.parametrize(("header", "begins"), BOS)
def test_whether_texts_begin_with_bos(header: dict[str, str | bool], begins: bool) -> None:
    assert begins_with_bos(header) is begins


def test_weights_that_openvino_does_not_read(gguf: Make, tmp_path: Path) -> None:
    good = gguf(general__architecture="llama", general__name="x")
    assert check_weights(write(tmp_path, good), "p.yaml:1")["general.name"] == "x"
    for data, says in (
        (gguf(general__architecture="gemma3"), "architecture 'gemma3'.*llama, qwen2, qwen3"),
        (gguf(), "architecture 'None'"),
        (good[:-3], "ends inside its header"),
        (b"<html>404</html>", "does not begin as a GGUF file"),
        (b"", "does not begin as a GGUF file"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 2**60), "is not known"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 2**60), "a text of"),
        (good[:24] + struct.pack("<Q", 1) + b"k" + struct.pack("<I", 77), "unknown type 77"),
    ):
        with pytest.raises(EngineError, match=f"p.yaml:1: .*{says}"):
            check_weights(write(tmp_path, data), "p.yaml:1")


def test_a_folder_needs_its_tokenizer(tmp_path: Path) -> None:
    for name in ("openvino_model.xml", "openvino_model.bin"):
        (tmp_path / name).touch()
    with pytest.raises(EngineError, match=r"lack openvino_tokenizer\.xml, openvino_detokenizer\.xml.*optimum-cli"):
        check_weights(tmp_path, "p.yaml:1")


def test_a_cache_larger_than_the_machine_is_seen(gguf: Make, tmp_path: Path) -> None:
    path = write(tmp_path, gguf())
    check_memory(path, 1, "p.yaml:1")
    with pytest.raises(EngineError, match=r"100000 of them for the KV cache.*Lower cache_gb"):
        check_memory(path, 100_000, "p.yaml:1")
