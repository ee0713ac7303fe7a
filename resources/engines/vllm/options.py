"""The words of a role that vLLM plays. Which weights answer is in ``resources/engines/named_weights.py``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from resources.engines.named_weights import NamedWeightsOptions

SECRET_NAME = re.compile(r"(^|_)(API_?KEY|KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?)(_|$)", re.IGNORECASE)
"""Names of environment variables that hold a secret, as far as a name can tell."""

CREDENTIALS_IN_URL = re.compile(r"(?<=://)[^/\s@]+@")

OWN_OPTIONS: Mapping[str, str] = {
    "model": "model",
    "revision": "revision",
    "tokenizer": "tokenizer",
    "tokenizer_revision": "tokenizer",
    "quantization": "quantisation",
    "dtype": "dtype",
    "max_model_len": "context_tokens",
    "enable_lora": "adapter",
    "lora_modules": "adapter",
    "runner": "none: mathloom sets it",
    "generation_config": "none: every sampling value is sent",
    "override_generation_config": "none: every sampling value is sent",
}
"""Engine argument -> the option that says the same. Most are part of the weights id, which must not be told twice."""


class VllmOptions(NamedWeightsOptions):
    """vLLM inside this machine, in a process of its own."""

    dtype: str = Field("auto", description="Number type of the weights in memory (auto, bfloat16, float32, ...).")
    engine_args: Mapping[str, Any] = Field(
        default_factory=dict, description="Any other argument of vLLM's engine, passed as written."
    )
    python: str | None = Field(
        None, description="Interpreter that has vLLM, when it is not this one (/path/to/venv/bin/python)."
    )
    env: Mapping[str, str] = Field(
        default_factory=dict, description="More environment variables of the engine's process; never a secret."
    )
    visible_devices: tuple[str, ...] | None = Field(
        None, description="Devices of the engine (CUDA_VISIBLE_DEVICES); without it, those that this process sees."
    )

    operational: ClassVar[frozenset[str]] = frozenset(
        {"path", "context_tokens", "dtype", "engine_args", "python", "env", "visible_devices"}
    )

    @classmethod
    def on_devices(cls, options: Mapping[str, Any], devices: Sequence[str]) -> Mapping[str, Any]:
        """The role's `devices` become the visible ones, unless the option says others."""
        return {"visible_devices": list(devices), **options}

    @field_validator("engine_args")
    @classmethod
    def _underscores(cls, value: Mapping[str, Any]) -> Mapping[str, Any]:
        return {name.replace("-", "_"): argument for name, argument in value.items()}

    # What is refused below is refused for the whole, not for a field: an error of a field shows its value.

    @model_validator(mode="after")
    def _no_secret(self) -> VllmOptions:
        words = {"env": list(self.env), "engine_args": list(self.engine_args)}
        for option, names in words.items():
            if secret := [name for name in names if SECRET_NAME.search(name)]:
                raise ValueError(
                    f"{option}: {', '.join(secret)} looks like a secret; set it in the environment of the build instead"
                )
        if secret := [name for name, text in self.env.items() if CREDENTIALS_IN_URL.search(text)]:
            raise ValueError(
                f"env: {', '.join(secret)} holds a password; set it in the environment of the build instead"
            )
        return self

    @model_validator(mode="after")
    def _no_second_word(self) -> VllmOptions:
        if told := [f"{name} (option: {OWN_OPTIONS[name]})" for name in self.engine_args if name in OWN_OPTIONS]:
            raise ValueError(f"engine_args: these have an option of their own: {', '.join(told)}")
        return self

    @model_validator(mode="after")
    def _has_files(self) -> VllmOptions:
        if not (self.model or self.path):
            raise ValueError("option 'model' is missing (or `path`): `weights` only names what one of them loads")
        return self

    @property
    def devices_needed(self) -> int:
        """Devices of one engine: replicas times pipeline stages times shares of a layer."""
        sizes = ("tensor_parallel_size", "pipeline_parallel_size", "data_parallel_size")
        product = 1
        for size in sizes:
            product *= int(self.engine_args.get(size) or 1)
        return product


class VllmPoolingOptions(VllmOptions):
    """The same for a model that gives numbers."""

    task: Literal["score", "embed"] = Field(description="score (reward models, classifiers) or embed (encoders).")
