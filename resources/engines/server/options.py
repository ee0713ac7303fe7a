"""Options of the engine ``server``: which weights, where they are served, how patiently and how fast one asks."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from resources.engines.named_weights import NamedWeightsOptions
from resources.engines.vllm.options import CREDENTIALS_IN_URL, SECRET_NAME

Dialect = Literal["vllm", "openai"]

OWN_FIELDS = frozenset(
    {
        *("model", "prompt", "messages", "n", "seed", "stream", "stream_options", "best_of", "echo"),
        *("temperature", "top_p", "top_k", "min_p", "stop", "max_tokens", "max_completion_tokens"),
        *("presence_penalty", "frequency_penalty", "repetition_penalty"),
        *("response_format", "structured_outputs", "add_special_tokens", "chat_template_kwargs", "return_token_ids"),
    }
)
"""Fields of a request that the engine sets itself: ``extra_body`` must not hold them."""

OWN_ARGUMENTS = frozenset(
    {
        *("model", "revision", "tokenizer", "tokenizer_revision", "quantization", "max_model_len", "served_model_name"),
        *("host", "port", "api_key", "generation_config", "lora_modules", "enable_lora", "uds", "root_path"),
    }
)
"""Arguments of a launched server that the engine sets itself."""

_NAME_OF_VARIABLE = re.compile(r"[A-Z_][A-Z_0-9]*")


class LaunchOptions(BaseModel):
    """A vLLM server that the engine starts and stops itself, on this machine, on the loopback address."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    python: str | None = Field(None, description="Interpreter of the environment that holds vLLM; default: this one.")
    engine_args: Mapping[str, Any] = Field(
        default_factory=dict, description="Any other argument of `vllm serve`, with _ for -, passed as written."
    )
    env: Mapping[str, str] = Field(
        default_factory=dict, description="More environment variables of the server's process; never a secret."
    )
    port: int = Field(0, description="Port; 0: a free one.", ge=0, le=65535)
    start_timeout_s: float = Field(1800.0, description="Longest time until the server answers, in seconds.", gt=0)


class ServerOptions(NamedWeightsOptions):
    """One or several endpoints that speak the OpenAI protocol."""

    operational: ClassVar[frozenset[str]] = frozenset(
        {
            *("base_url", "served_name", "api_key_env", "dialect", "max_in_flight", "samples_per_request"),
            *("timeout_s", "connect_timeout_s", "retries", "retry_wait_s", "probe_s", "patience_s"),
            *("begin_of_text", "max_tokens_field", "launch"),
        }
    )
    """All but the weights and ``extra_body``."""

    base_url: tuple[str, ...] = Field(
        (), description="Address of the endpoint, ending in /v1; requests are shared among several."
    )
    launch: LaunchOptions | None = Field(
        None, description="Start and stop a vLLM server on this machine, instead of `base_url`."
    )
    served_name: str | None = Field(
        None, description="Name of the model on the server, when it is not `model`.", min_length=1, max_length=300
    )
    api_key_env: str | None = Field(
        None, description="NAME of the environment variable that holds the key, never the key."
    )
    dialect: Dialect = Field(
        "vllm", description="vllm: all sampling values are sent. openai: only those that every such server knows."
    )
    extra_body: Mapping[str, Any] = Field(
        default_factory=dict,
        description="Further fields of every request, such as reasoning_effort: part of the weights id.",
    )
    max_in_flight: int = Field(256, description="Most samples at work at once, for each endpoint.", gt=0)
    samples_per_request: int = Field(
        1, description="Most samples of one prompt in one HTTP request (dialect vllm; openai: always 1).", gt=0
    )
    timeout_s: float = Field(600.0, description="Longest wait for one answer, in seconds.", gt=0)
    connect_timeout_s: float = Field(10.0, description="Longest wait for a connection, in seconds.", gt=0)
    retries: int = Field(5, description="Times that a request is sent again before it is a failure.", ge=0)
    retry_wait_s: float = Field(0.5, description="Wait before the first repetition; doubles up to 30 s.", gt=0)
    probe_s: float = Field(1.0, description="Wait before a dead endpoint is looked at again; doubles up to 30 s.", gt=0)
    patience_s: float = Field(
        600.0, description="Longest time that no endpoint answers, or that all are too busy, in seconds.", gt=0
    )
    begin_of_text: str | None = Field(
        None,
        description="Text of the tokenizer's first token (BOS), where the server does not tell it; '' for none.",
    )
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = Field(
        "max_tokens", description="Name of the length limit in chat requests (dialect openai)."
    )

    @classmethod
    def on_devices(cls, options: Mapping[str, Any], devices: Sequence[str]) -> Mapping[str, Any]:
        """A launched server sees the role's `devices`; other servers are none of this machine's business."""
        launch = options.get("launch")
        if not isinstance(launch, Mapping):
            return options
        env = {"CUDA_VISIBLE_DEVICES": ",".join(devices), **(launch.get("env") or {})}
        return {**options, "launch": {**launch, "env": env}}

    @field_validator("base_url", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @field_validator("base_url")
    @classmethod
    def _same_end(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(url.rstrip("/") for url in value)

    # Not validators of one field: their errors would show the value, which may be a secret in the wrong place.

    @model_validator(mode="after")
    def _no_secret(self) -> ServerOptions:
        if self.api_key_env is not None and not _NAME_OF_VARIABLE.fullmatch(self.api_key_env):
            raise ValueError("api_key_env is the NAME of an environment variable (A-Z, 0-9, _), never the key")
        for url in self.base_url:
            _check_url(url)
        env = self.launch.env if self.launch else {}
        if secret := [name for name in env if SECRET_NAME.search(name) or CREDENTIALS_IN_URL.search(env[name])]:
            raise ValueError(f"{', '.join(secret)} looks like a secret; set it in the environment of the build instead")
        return self

    @model_validator(mode="after")
    def _one_place(self) -> ServerOptions:
        if bool(self.base_url) == bool(self.launch):
            raise ValueError("option 'base_url' is missing (or `launch`); give one of the two")
        if len(set(self.base_url)) < len(self.base_url):
            raise ValueError("base_url names an endpoint twice")
        if self.launch:
            _check_launch(self, self.launch)
        if self.base_url and not (self.served_name or self.model):
            raise ValueError("option 'served_name' is missing: the name of the model on the server")
        if taken := sorted(OWN_FIELDS & set(self.extra_body)):
            raise ValueError(f"extra_body holds {', '.join(taken)}, which the engine sets itself")
        return self

    @property
    def model_name(self) -> str:
        """The model's name in requests."""
        return self.served_name or self.model or "launched"


def _check_launch(options: ServerOptions, launch: LaunchOptions) -> None:
    if options.dialect != "vllm":
        raise ValueError("a launched server speaks the dialect vllm")
    if options.api_key_env:
        raise ValueError("a launched server has a key of its own; api_key_env belongs to base_url")
    if taken := sorted(OWN_ARGUMENTS & {name.lstrip("-").replace("-", "_") for name in launch.engine_args}):
        raise ValueError(f"engine_args holds {', '.join(taken)}, which the engine sets itself")


def _check_url(url: str) -> None:
    if "@" in url:
        raise ValueError("an address must not hold a user or a password; name the key in api_key_env")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("base_url holds an address that cannot be read") from None
    if parts.query or parts.fragment:
        raise ValueError("an address must not hold ? or #; name the key in api_key_env")
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise ValueError("an address must look like http://host:8000/v1")
