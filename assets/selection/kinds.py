"""The stage ``selection/text_rules``: all row-wise text rules of a recipe in one fused pass.

Streams completions, decides, and writes ids, offsets and verdicts; a text is stored here only where a rule rewrote it.
What relates rows to each other (duplicates, order, splits) is SQL.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, ClassVar, Literal

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, field_validator

from assets.kinds import Input, Job, Law, Settings, TableKind
from assets.schemas import ID, PROBLEM, REJECT, SOLUTION
from assets.selection.fused import column_of, decide
from assets.selection.lengths import counter_of
from assets.selection.rules import RULES, Limits, Rule
from resources.completions import require_completions
from resources.errors import StoreError
from resources.identity import hash_file
from resources.spool import Spool

TEXT_BATCH = 2_048
"""Solutions decided at a time: about 2 MB of text."""

CHARACTERS_PER_TOKEN = 2.5
"""Estimate where no tokenizer is named. Measured with the tokenizer of SmolLM2 on reference solutions: 2.3 characters a
token on MATH, 2.7 on GSM8K. Tokenizers that join digits give more, so this errs to the long side."""

ROWS = pa.schema(
    [
        pa.field("solution_id", ID, nullable=False, metadata={"description": "The solution."}),
        pa.field("problem_id", ID, nullable=False, metadata={"description": "The problem it answers."}),
        pa.field("start", pa.int32(), nullable=False, metadata={"description": "First character that stays."}),
        pa.field("end", pa.int32(), nullable=False, metadata={"description": "Character after the last that stays."}),
        pa.field("rewritten", pa.string(), metadata={"description": "The whole text, only where a rule rewrote it."}),
        pa.field("final_text_hash", ID, nullable=False, metadata={"description": "Hash of the text that stays."}),
        pa.field("characters", pa.int32(), nullable=False, metadata={"description": "Characters of it."}),
        pa.field("tokens", pa.int32(), metadata={"description": "Its tokens, where they had to be counted."}),
        pa.field("is_trimmed", pa.bool_(), nullable=False, metadata={"description": "Whether a trim cut something."}),
        pa.field("is_rewritten", pa.bool_(), nullable=False, metadata={"description": "Whether a rule rewrote it."}),
    ]
)
"""What stays of a solution: grain ``solution_id``. Offsets count characters (code points) of the completion's text."""

_DECISIONS = [
    pa.field("solution_id", ID, nullable=False, metadata={"description": "The solution."}),
    pa.field("kept", pa.bool_(), nullable=False, metadata={"description": "Whether no drop rule failed."}),
    pa.field("rule", pa.string(), metadata={"description": "First rule, in the declared order, that failed."}),
    pa.field("start", pa.int32(), nullable=False, metadata={"description": "First character after the trims."}),
    pa.field("end", pa.int32(), nullable=False, metadata={"description": "Character after the last."}),
]

_TEXTS = """
select s.solution_id, s.problem_id, s.completion_tokens, p.tokens as problem_tokens, c.text
from solutions as s
join completions as c using (request_key)
left join selection_problems as p on s.problem_id = p.problem_id
where c.text is not null
"""
_LONG_PROBLEMS = "select problem_id, min(problem) as problem from problems where strlen(problem) > $limit group by 1"


class RuleUse(BaseModel):
    """One rule of the list, with its settings filled in."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    settings: dict[str, Any] = {}

    @field_validator("name")
    @classmethod
    def _is_known(cls, name: str) -> str:
        if name in RULES:
            return name
        near = get_close_matches(name, RULES, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ValueError(f"unknown text rule {name!r}; {hint}Known rules: {', '.join(RULES)}")


class TextRulesSettings(Settings):
    """Which rules, in which order, with which limits."""

    rules: tuple[RuleUse, ...] = Field(
        default=tuple(RULES), validate_default=True,
        description="Rules in the order in which they act; each a name, or {name: {setting: value}}.",
    )  # fmt: skip
    max_problem_tokens: int = Field(default=1024, ge=1, description="Longest problem, in tokens.")
    max_solution_tokens: int = Field(default=1024, ge=1, description="Longest solution, in tokens.")
    min_solution_characters: int = Field(default=200, ge=0, description="Shortest solution, in characters.")
    tokenizer: str | None = Field(
        default=None, description="Path of a tokenizer.json, or org/name@revision; without it lengths are estimated."
    )
    student_tokenizer: Literal["engine"] | None = Field(
        default=None, description="`engine`: model and student share a tokenizer, so the engine's counts serve."
    )
    characters_per_token: float = Field(
        default=CHARACTERS_PER_TOKEN, gt=0, description="Of the estimate that is used without a tokenizer."
    )

    @field_validator("rules", mode="before")
    @classmethod
    def _spelled_out(cls, rules: Any) -> Any:
        if not isinstance(rules, (list, tuple)):
            return rules
        uses = [_use(rule) for rule in rules]
        names = [use["name"] for use in uses if isinstance(use, dict)]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"text rule {twice[0]!r} is listed twice; leave one")
        return uses

    def identity(self) -> dict[str, Any]:
        """A tokenizer in a file is named by its content: another file under the same path gives other rows."""
        fields = super().identity()
        if self.tokenizer and self.tokenizer.endswith(".json"):
            fields["tokenizer"] = _file_identity(self.tokenizer)
        return fields


def _use(rule: Any) -> Any:
    """``name``, ``{name: settings}`` and the spelled-out form, as the last; settings get their defaults."""
    if isinstance(rule, str):
        rule = {rule: {}}
    if isinstance(rule, RuleUse):
        rule = {rule.name: rule.settings}
    if isinstance(rule, dict) and set(rule) == {"name", "settings"}:
        rule = {rule["name"]: rule["settings"]}
    if not isinstance(rule, dict) or len(rule) != 1:
        raise ValueError(f"a text rule is a name, or a name with settings, not {rule!r}")
    ((name, settings),) = rule.items()
    if name in RULES:
        settings = RULES[name].settings_type.model_validate(settings or {}).model_dump(mode="json")
    return {"name": name, "settings": settings or {}}


def _file_identity(path: str) -> str:
    try:
        return hash_file(Path(path))
    except OSError as error:
        raise StoreError(
            f"the tokenizer file {path!r} cannot be read ({error.strerror})",
            where="setting `tokenizer` of selection/text_rules",
            fix="Give the path of a tokenizer.json, or leave the setting out to estimate lengths",
        ) from error


class TextRules(TableKind):
    """Decides which solutions stay, and which part of their text."""

    name: ClassVar[str] = "selection/text_rules"
    version: ClassVar[int] = 2
    description: ClassVar[str] = "Text rules of a recipe in one pass: drops with their reason, trims, rewrites."
    settings_type: ClassVar[type[Settings]] = TextRulesSettings
    inputs: ClassVar[Mapping[str, Input]] = {
        "solutions": Input(SOLUTION, "Solutions whose texts are judged."),
        "problems": Input(PROBLEM, "Their problems, for the problem length.", many=True),
    }
    law: ClassVar[Law] = Law("filter", input="solutions", id="solution_id")
    reads_completions: ClassVar[bool] = True
    histograms: ClassVar[tuple[str, ...]] = ("characters",)

    def outputs(self, settings: TextRulesSettings) -> Mapping[str, pa.Schema]:
        """Rows, rejects, and a decision about each solution with a column for each declared drop rule."""
        drops = [
            pa.field(column_of(use.name), pa.bool_(), nullable=False, metadata={"description": f"Fails: {use.name}."})
            for use in settings.rules
            if RULES[use.name].effect == "drop"
        ]
        return {"rows": ROWS, "rejects": REJECT, "decisions": pa.schema([*_DECISIONS, *drops])}

    def run(self, job: Job) -> None:
        """Decide batch by batch, then write in the order of ids."""
        rules = rules_of(job.settings)
        _measure_problems(job, rules[0].limits if rules else None)
        names = self.outputs(job.settings)["decisions"].names[len(_DECISIONS) :]
        spool = Spool(job.session, "selection_decided", {**_COLUMNS, **dict.fromkeys(names, "boolean")})
        changed: dict[str, int] = {}
        for batch in job.session.sql(_TEXTS).to_arrow_reader(TEXT_BATCH):
            spool.add(decide(batch, rules, changed))
        require_completions(job.session, spool.row_count, where=f"{job.recipe}/{job.stage}")
        _write(job, spool, names)
        job.facts["rules"] = _count(job.settings, spool, names, changed)
        job.facts["tokens"] = {"counted_by": _counted_by(job.settings, rules)}
        spool.close()
        job.session.execute("drop table if exists selection_problems")


_COLUMNS = {
    "solution_id": "uuid", "problem_id": "uuid", "kept": "boolean", "rule": "varchar", "reason": "varchar",
    "detail": "varchar", "start": "integer", "end": "integer", "rewritten": "varchar", "final_text_hash": "uuid",
    "characters": "integer", "tokens": "integer", "is_trimmed": "boolean", "is_rewritten": "boolean",
}  # fmt: skip


def rules_of(settings: TextRulesSettings) -> list[Rule]:
    """The rules that the settings declare, in their order."""
    limits = Limits(
        settings.max_problem_tokens,
        settings.max_solution_tokens,
        settings.min_solution_characters,
        counter_of(settings.tokenizer, settings.characters_per_token),
        settings.student_tokenizer == "engine",
    )
    made = []
    for use in settings.rules:
        rule = RULES[use.name]
        made.append(rule(rule.settings_type.model_validate(use.settings), limits))
    return made


def _measure_problems(job: Job, limits: Limits | None) -> None:
    """Tokens of the problems that could have too many; the others need no number."""
    lengths = Spool(job.session, "selection_problems", {"problem_id": "uuid", "tokens": "integer"})
    if limits is None:
        return
    reader = job.session.sql(_LONG_PROBLEMS, params={"limit": limits.problem_tokens}).to_arrow_reader(TEXT_BATCH)
    for batch in reader:
        tokens = limits.counter.count(batch.column("problem").to_pylist())
        columns = {"problem_id": batch.column("problem_id"), "tokens": pa.array(tokens, pa.int32())}
        lengths.add(pa.table(columns))


def _write(job: Job, spool: Spool, names: Sequence[str]) -> None:
    columns = ", ".join(f'"{name}"' for name in ROWS.names)
    drops = "".join(f', "{name}"' for name in names)
    queries = {
        "rows": f"select {columns} from selection_decided where kept order by solution_id",  # noqa: S608
        "rejects": "select solution_id as id, rule, reason, detail from selection_decided where not kept order by 1",
        "decisions": f'select solution_id, kept, rule, start, "end"{drops} '  # noqa: S608
        "from selection_decided order by solution_id",
    }
    for table, query in queries.items():
        for batch in spool.read(query):
            job.writers[table].write(batch)


def _count(
    settings: TextRulesSettings, spool: Spool, names: Sequence[str], changed: Mapping[str, int]
) -> dict[str, Any]:
    """Of each rule: rows that it failed (whatever other rules say), or rows that it cut or rewrote."""
    sums = "".join(f', count(*) filter ("{name}")' for name in names)
    row = next(iter(spool.read(f"select count(*){sums} from selection_decided"))).to_pylist()[0]  # noqa: S608
    failed = dict(zip(names, list(row.values())[1:], strict=True))
    counts: dict[str, Any] = {}
    for use in settings.rules:
        word = {"drop": "failed", "trim": "trimmed", "rewrite": "rewritten"}[RULES[use.name].effect]
        counts[use.name] = {word: failed.get(column_of(use.name), changed.get(use.name, 0))}
    return counts


def _counted_by(settings: TextRulesSettings, rules: Sequence[Rule]) -> str:
    """What the card may say about token lengths."""
    if not rules:
        return "nothing"
    name = rules[0].limits.counter.name
    return f"the engine where the text is uncut, else {name}" if settings.student_tokenizer else name
