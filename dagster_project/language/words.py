"""What may be written in a project, recipe, profile and piece file. Frozen data; unknown words are errors.

These models check the shape of a file and are the source of the JSON Schemas that editors use. What the words mean
(which stages exist, which kinds) is checked later, where it is known.
"""

from __future__ import annotations

import datetime
import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from resources.paths import expanded

NAME = r"^[A-Za-z][A-Za-z0-9_]*$"
"""Names of stages, splits, sources and roles: they become asset keys, column values and folders."""

RECIPE_NAME = r"^[A-Za-z][A-Za-z0-9_-]*$"
"""Names of recipes and profiles."""

Name = Annotated[str, Field(pattern=NAME, max_length=100)]
RecipeName = Annotated[str, Field(pattern=RECIPE_NAME, max_length=100)]
References = str | list[str]
"""One stage or several: ``stage``, ``stage.table``, or a pattern like ``generated_{source}``."""
CheckWords = str | dict[str, Any]
"""A data test: ``not_null: answer``; its words are the business of ``dagster_project.data_tests``."""


class Words(BaseModel):
    """Base of every part of a file."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SourceWords(Words):
    """Where rows come from: exactly one of hub, path and bundled."""

    hub: str | None = Field(
        None, description="Dataset repository on the Hub, `org/name`.", pattern=r"^[\w.-]+/[\w.-]+$"
    )
    config: str | None = Field(None, description="Config of the Hub dataset; `*` reads all of them in sorted order.")
    split: str | None = Field(None, description="Split of the Hub dataset (default: train).")
    revision: str | None = Field(None, description="Fixed commit of the Hub dataset: 40 hex digits.")
    track: str | None = Field(None, description="Branch that `mathloom update` resolves into recipe.lock.")
    path: str | None = Field(None, description="Local .jsonl, .json.gz, .parquet or .csv, relative to mathloom.toml.")
    bundled: str | None = Field(None, description="File inside the recipe's folder.")
    licence: str | None = Field(None, description="Licence of the data, for the card.")
    rows: int | None = Field(None, description="Number of rows, for counts before anything is read.", ge=0)
    columns: dict[str, str] = Field(default_factory=dict, description="Renames: wanted column -> column of the file.")

    @model_validator(mode="after")
    def _one_place(self) -> SourceWords:
        said = [word for word in ("hub", "path", "bundled") if getattr(self, word) is not None]
        if len(said) != 1:
            raise ValueError(f"needs exactly one of hub, path and bundled, and has {' and '.join(said) or 'none'}")
        if self.hub is None:
            useless = [w for w in ("config", "split", "revision", "track") if getattr(self, w) is not None]
            if useless:
                raise ValueError(f"`{useless[0]}` belongs to a Hub source, and this one has `{said[0]}`")
        elif (self.revision is None) == (self.track is None):
            raise ValueError("a Hub source needs either `revision` (a fixed commit) or `track` (a branch)")
        return self

    @field_validator("revision")
    @classmethod
    def _full_commit(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"[0-9a-f]{40}", value):
            raise ValueError("a revision is a full commit (40 hex digits); a branch goes under `track`")
        return value

    @field_validator("path", "bundled")
    @classmethod
    def _plain_path(cls, value: str | None) -> str | None:
        if value is not None and ("$" in value or "\0" in value or not value.strip()):
            raise ValueError("a path is written out; no variables are filled in (~ is the home folder)")
        return value


class StageWords(BaseModel):
    """A stage, or (with `use`) the stages of a piece. All other keys are settings of the kind."""

    model_config = ConfigDict(frozen=True, extra="allow")

    kind: str | None = Field(None, description="What the stage does: `station/verb`, or `sql/<file>`.")
    description: str | None = Field(None, description="One or two sentences for the UI.")
    for_each: dict[Name, Literal["sources", "benchmarks"] | list[str | int | float]] | None = Field(
        None,
        description="Variable -> values, or the word `sources` or `benchmarks`: one stage for each value; {variable} "
        "is filled in.",
    )
    inputs: dict[str, References] | None = Field(None, description="Formal input of the kind -> stage or stages.")
    role: str | dict[str, str] | None = Field(
        None, description="The model that answers. With `use`: for all of the piece, or role of the piece -> role."
    )
    source: str | None = Field(None, description="The source that a seed kind reads, or the benchmark.")
    checks: list[CheckWords] | None = Field(None, description="Data tests of the rows.")
    use: str | None = Field(None, description="A shared piece; its stages are named <name>_<stage>.")
    with_: dict[str, References] | None = Field(
        None, alias="with", description="With `use`: input of the piece -> stage or stages."
    )
    set_: dict[str, dict[str, Any]] | None = Field(
        None, alias="set", description="With `use`: stage of the piece -> settings that replace its own."
    )


class SplitsWords(Words):
    """Named prefixes of one order."""

    from_: str = Field(alias="from", description="The stage whose column rank orders the rows.")
    sizes: dict[Name, Literal["all"] | Annotated[int, Field(ge=1)]] = Field(
        description="Split -> number of rows, or `all`.", min_length=1
    )


class AcceptWords(Words):
    """What the gate of releases would refuse, and why it is right here; each reason stands in the card."""

    contamination: str | None = Field(None, description="Why the dataset is compared with no benchmark.", min_length=10)
    licence: str | None = Field(
        None, description="Why the declared licence is right although one clashes.", min_length=10
    )


class ReleaseWords(BaseModel):
    """The released dataset. Settings of the kind `release/folder` may stand here too, beside the words of the card."""

    model_config = ConfigDict(frozen=True, extra="allow")

    kind: str = Field("release/folder", description="The kind that writes the dataset.")
    description: str | None = Field(None, description="One or two sentences for the UI.")
    inputs: dict[str, References] = Field(
        default_factory=dict, description="Formal input of the kind -> stages. `splits` binds all splits by itself."
    )
    checks: list[CheckWords] | None = Field(None, description="Data tests of the list of files.")
    accept: AcceptWords | None = Field(None, description="Reason of a refusal that is waived -> why.")


CARD_WORDS = (
    "title",
    "summary",
    "licence",
    "language",
    "tags",
    "task_categories",
    "repository",
    "citation",
    "limits",
    "notes",
    "accept",
)
"""Words of the release section that only the card reads."""


def _owner(value: str) -> str:
    if not re.fullmatch(r"team:\S+|[^@\s]+@[^@\s]+\.[^@\s.]+", value):
        raise ValueError("an owner is `team:name` or an email address")
    return value


Owner = Annotated[str, AfterValidator(_owner)]


class RecipeWords(Words):
    """recipe.yaml."""

    recipe: RecipeName = Field(description="Name of the recipe, as mathloom.toml and asset keys say it.")
    title: str | None = Field(None, description="Name for people (default: the recipe's name).")
    description: str = Field("", description="What the dataset is, for the UI and the card.")
    owners: list[Owner] = Field(default_factory=list, description="`team:name` or an email address, for the UI.")
    sources: dict[Name, SourceWords] = Field(default_factory=dict, description="Where seed rows come from.")
    benchmarks: dict[Name, SourceWords] = Field(
        default_factory=dict, description="Problems that models are tested with, and that the dataset must not hold."
    )
    roles: list[Name] | dict[Name, str] = Field(
        default_factory=list,
        description="Models that the stages ask, by role; with descriptions if written as a mapping.",
    )
    stages: dict[str, StageWords] = Field(
        description="The stages, in any order; ties are built as written.", min_length=1
    )
    checks: dict[str, list[CheckWords]] = Field(default_factory=dict, description="Stage -> data tests of its rows.")
    splits: SplitsWords | None = Field(None, description="Splits of the dataset; each becomes a stage.")
    release: ReleaseWords | None = Field(
        None, description="The dataset that is published; becomes the stage `release`."
    )


class PieceWords(Words):
    """pieces/NAME.yaml: stages that several recipes share."""

    piece: Name = Field(description="Name of the piece: that of its file.")
    description: str = Field("", description="What the piece does.")
    inputs: list[Name] = Field(default_factory=list, description="Names that `with:` binds to stages of the recipe.")
    stages: dict[str, StageWords] = Field(
        description="As in a recipe; they see each other and the inputs.", min_length=1
    )


class PriceWords(Words):
    """What a role's engine costs, and how one knows: by the hour of a GPU, or by the token."""

    per_gpu_hour: float | None = Field(None, description="Price of one GPU for one hour.", ge=0)
    gpus: int | None = Field(
        None,
        description="GPUs that are paid while the engine runs (default: the number of `devices`, else 1).",
        ge=1,
    )
    per_million_prompt_tokens: float | None = Field(None, description="Price of a million tokens in.", ge=0)
    per_million_completion_tokens: float | None = Field(None, description="Price of a million tokens out.", ge=0)
    currency: str = Field("USD", description="Currency of the price.", pattern=r"^[A-Z]{3}$")
    source: str = Field(description="Where the price is from: a page, a contract, a colleague.", min_length=1)
    date: datetime.date = Field(description="When it was looked up (YYYY-MM-DD): prices move.")

    @model_validator(mode="after")
    def _one_unit(self) -> PriceWords:
        tokens = (self.per_million_prompt_tokens, self.per_million_completion_tokens)
        both = "`per_million_prompt_tokens` and `per_million_completion_tokens`"
        if (self.per_gpu_hour is None) == (tokens == (None, None)):
            raise ValueError(f"needs either `per_gpu_hour`, or {both}")
        if self.per_gpu_hour is None and None in tokens:
            raise ValueError(f"needs both {both}")
        if self.per_gpu_hour is None and self.gpus is not None:
            raise ValueError("has `gpus`, which belongs to `per_gpu_hour`")
        return self


class RoleWords(BaseModel):
    """A role under a profile: an engine with its options, or the same as another role."""

    model_config = ConfigDict(frozen=True, extra="allow")

    engine: str | None = Field(None, description="The engine that answers: files, openvino, scripted, server, vllm.")
    same_as: str | None = Field(None, description="Another role, whose engine this one shares.")
    devices: list[str | int] | None = Field(
        None,
        description="Devices of this machine that the engine fills, by number or name. Engines whose devices overlap "
        "are never loaded together.",
        min_length=1,
    )
    price: PriceWords | None = Field(None, description="What it costs, for the plan and the limits.")
    tokens_per_second: float | None = Field(
        None, description="Tokens out a second, for the plan, until this store has a measurement.", gt=0
    )
    licence: str | None = Field(
        None, description="Licence of the weights or terms of the service, for the card and for what it may be used."
    )

    @model_validator(mode="after")
    def _one(self) -> RoleWords:
        if (self.engine is None) == (self.same_as is None):
            raise ValueError("a role needs either `engine` or `same_as`")
        if self.same_as is not None:
            said = [*(self.model_extra or {}), *(word for word in ROLE_WORDS[2:] if getattr(self, word) is not None)]
            if said:
                raise ValueError(f"`same_as` takes no options, and here is `{said[0]}`")
        return self


ROLE_WORDS = ("engine", "same_as", "devices", "price", "tokens_per_second", "licence")
"""Keys of a role that are no options of its engine."""


class LimitsWords(Words):
    """What may be spent. Held inside every stage: in a terminal, by a click in the UI, and by a schedule."""

    max_cost: float | None = Field(None, description="Most that one build may cost, in `currency`.", ge=0)
    max_gpu_hours: float | None = Field(None, description="Most GPU-hours of one build.", ge=0)
    max_cost_per_day: float | None = Field(
        None, description="Most that all builds over this store may cost within 24 hours.", ge=0
    )
    max_gpu_hours_per_day: float | None = Field(
        None, description="Most GPU-hours of all builds over this store within 24 hours.", ge=0
    )
    currency: str = Field("USD", description="Currency of the limits.", pattern=r"^[A-Z]{3}$")


class PublishWords(Words):
    """Where releases go: a repository of the Hub, or a local folder of versions."""

    repository: str | None = Field(None, description="Dataset repository, `org/name`.", pattern=r"^[\w.-]+/[\w.-]+$")
    folder: str | None = Field(None, description="Local folder of versions, relative to mathloom.toml.", min_length=1)
    pull_request: bool = Field(False, description="Release as a pull request that somebody merges.")

    @field_validator("folder")
    @classmethod
    def _real_home(cls, value: str | None) -> str | None:
        if value is not None and expanded(value).parts[:1] and expanded(value).parts[0].startswith("~"):
            raise ValueError("names a home folder that nobody has")
        return value

    @model_validator(mode="after")
    def _one_place(self) -> PublishWords:
        if (self.repository is None) == (self.folder is None):
            raise ValueError("needs either `repository` (on the Hub) or `folder`")
        if self.folder is not None and self.pull_request:
            raise ValueError("`pull_request` belongs to `repository`")
        return self


class ScheduleWords(Words):
    """What Dagster's daemon does by itself."""

    cron: str | None = Field(None, description='When the recipe is brought up to date: "0 3 * * *" is 3 at night.')
    timezone: str = Field("UTC", description="Time zone of `cron`: Europe/Berlin.")
    publish: bool = Field(False, description="End in a release, if the gate is open and rows changed.")
    watch_minutes: int | None = Field(
        None, description="Look at tracked sources and local files this often, and rebuild what changed.", ge=1
    )
    automate: bool = Field(False, description="Rebuild stages that ask no model as soon as their inputs change.")
    notify_env: str | None = Field(
        None,
        description="Environment variable with the address to which failures are posted, as JSON.",
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
    )


class ProfileWords(Words):
    """profiles/NAME.yaml: where and at what scale a recipe is built."""

    profile: RecipeName = Field(description="Name of the profile: that of its file.")
    description: str = Field("", description="When to use it.")
    extends: RecipeName | None = Field(
        None, description="Another profile of the recipe, whose words hold unless said here."
    )
    roles: dict[Name, RoleWords] = Field(default_factory=dict, description="Role -> engine and its options.")
    sources: dict[Name, SourceWords] = Field(
        default_factory=dict, description="Sources that stand in for those of the recipe."
    )
    benchmarks: dict[Name, SourceWords] = Field(
        default_factory=dict, description="Benchmarks that stand in for those of the recipe."
    )
    settings: dict[str, dict[str, Any]] = Field(
        default_factory=dict,
        description="Stage (`*` matches any letters) -> settings that replace those of the recipe.",
    )
    splits: dict[Name, Literal["all"] | Annotated[int, Field(ge=1)]] = Field(
        default_factory=dict, description="Split -> another number of rows, or `all`."
    )
    limits: LimitsWords | None = Field(None, description="What builds under this profile may spend.")
    publish: PublishWords | None = Field(None, description="Where releases go.")
    schedule: ScheduleWords | None = Field(None, description="What is done without being asked.")


class RecipeEntry(Words):
    """A recipe of a project."""

    folder: str | None = Field(
        None, description="Folder of recipe.yaml (default: the recipe of that name that mathloom has)."
    )
    profile: RecipeName = Field("local", description="The profile that builds use unless another is asked for.")


class ProjectSection(Words):
    """Where builds live."""

    store: str = Field(
        default=".mathloom", description="Folder of versions and completions, relative to mathloom.toml."
    )


class ProjectWords(Words):
    """mathloom.toml."""

    project: ProjectSection = Field(default_factory=ProjectSection, description="Where builds live.")
    recipes: dict[RecipeName, RecipeEntry] = Field(description="Recipe -> its folder and profile.", min_length=1)


STAGE_WORDS = tuple(field.alias or name for name, field in StageWords.model_fields.items())
"""Keys of a stage that are no settings of its kind."""

USE_WORDS = ("use", "with", "set", "role", "for_each")
"""Keys of a stage that uses a piece."""


def recipe_json_schema() -> dict[str, Any]:
    """JSON Schema of recipe.yaml, for editors that complete and check YAML."""
    return RecipeWords.model_json_schema(by_alias=True)


def profile_json_schema() -> dict[str, Any]:
    """JSON Schema of profiles/NAME.yaml."""
    return ProfileWords.model_json_schema(by_alias=True)
