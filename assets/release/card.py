"""The dataset card: README.md with the YAML that the Hub and ``datasets`` read, and the text that people read.

Everything in it follows from the data, the recipe and the models, so that the same data gives the same card: no time,
no run, no machine. Sentences of the author come from the recipe's release section.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import yaml

from assets.release.contamination import CONFIG, section, table
from assets.release.layout import ConfigFiles
from assets.release.public import fence, inline, name
from resources.identity import canonical_json

_SIZES = ((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"), (10**7, "1M<n<10M"))
"""Size categories of the Hub, by the rows of the largest split."""

_LIMITS = (
    (
        "The expected answer of a new problem is a majority vote of model solutions. A majority can be wrong, and a "
        "problem itself can be flawed."
    ),
    "A right answer does not prove right reasoning: solutions are compared by their final answer.",
    (
        "Small local models (the default of a quickstart) are often wrong even where they agree; such data shows how "
        "a build works and is not meant for training."
    ),
    (
        "Token counts are the engine's own where its tokenizer was at hand and the text is uncut. Elsewhere they are "
        "an estimate from the number of characters, and length limits are as exact as that estimate."
    ),
)
"""True of every dataset made in this way; the author adds more in the recipe."""

_NOT_COMPARED = "Removal of test problems is part of this dataset only where the funnel lists such a stage."
_COMPARED = (
    "Test problems that another benchmark has, or that are worded so that neither shared words nor similarity lead to "
    "them, are still in it."
)


@dataclass(frozen=True, slots=True)
class Composition:
    """Of one split: problem source -> (distinct questions, pairs)."""

    split: str
    counts: Mapping[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class CardFacts:
    """What the card is made from. ``recipe``, ``lineage``, ``funnel``, ``sources`` as in the stage's context."""

    configs: Sequence[ConfigFiles]
    is_shared: bool
    splits: Mapping[str, int]
    composition: Sequence[Composition]
    recipe: Mapping[str, Any] = field(default_factory=dict)
    lineage: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    funnel: Sequence[Mapping[str, Any]] = ()
    sources: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    example: Mapping[str, str | None] = field(default_factory=dict)
    benchmarks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    figures: Sequence[Mapping[str, Any]] = ()
    """Counts of the comparison with benchmarks (schema FIGURE)."""

    @property
    def repository(self) -> str:
        """The name that `load_dataset` takes."""
        return str(self.release.get("repository") or "ORG/NAME")

    @property
    def release(self) -> Mapping[str, Any]:
        """The release section of the recipe."""
        return self.recipe.get("release") or {}

    @property
    def title(self) -> str:
        """The dataset's name for people."""
        return str(self.release.get("title") or self.recipe.get("title") or self.recipe.get("name") or "Dataset")


def render_card(facts: CardFacts) -> str:
    """The whole README.md, with a final newline."""
    sections = [
        f"# {inline(facts.title)}",
        _summary(facts),
        _load(facts),
        _columns(),
        _composition(facts),
        _funnel(facts),
        _generation(facts),
        _sources(facts),
        section(facts.figures, facts.benchmarks, facts.repository, any(c.config == CONFIG for c in facts.configs)),
        _example(facts),
        _limits(facts),
        _citation(facts),
        _licence(facts),
    ]
    return f"---\n{_head(facts)}---\n\n" + "\n\n".join(section for section in sections if section) + "\n"


def _head(facts: CardFacts) -> str:
    release = facts.release
    rows = max(facts.splits.values())
    values = {
        "license": str(release.get("licence") or "unknown").lower(),  # the Hub's names of licences are lower case
        "language": _words(release.get("language"), ["en"]),
        "task_categories": _words(release.get("task_categories"), ["question-answering", "text-generation"]),
        "tags": _words(release.get("tags"), ["math", "synthetic", "mathloom"]),
        "pretty_name": facts.title,
        "size_categories": [next((word for limit, word in _SIZES if rows < limit), "10M<n<100M")],
        "configs": [_config(files, facts.is_shared) for files in facts.configs],
        "dataset_info": [_info(files) for files in facts.configs],
    }
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=120)


def _words(value: Any, default: list[str]) -> list[str]:
    if not value:
        return default
    return [value] if isinstance(value, str) else [str(item) for item in value]


def _config(files: ConfigFiles, is_shared: bool) -> dict[str, Any]:
    data_files = []
    for split, parts in files.splits.items():
        folder = parts[0].path.split("/")[0]
        paths: str | list[str] = [part.path for part in parts] if is_shared else f"{folder}/{split}-*"
        data_files.append({"split": split, "path": paths})
    default = {"default": True} if files.config == "default" else {}
    return {"config_name": files.config, "data_files": data_files} | default


def _info(files: ConfigFiles) -> dict[str, Any]:
    splits = [
        {
            "name": split,
            "num_bytes": sum(part.bytes_in_memory for part in parts),
            "num_examples": sum(part.row_count for part in parts),
        }
        for split, parts in files.splits.items()
    ]
    return {
        "config_name": files.config,
        "features": [{"name": f.name, "dtype": _dtype(f.type)} for f in files.schema],
        "splits": splits,
        "download_size": sum(part.bytes for part in files.unique()),
        "dataset_size": sum(split["num_bytes"] for split in splits),
    }


def _dtype(kind: pa.DataType) -> str:
    return {"double": "float64", "float": "float32"}.get(str(kind), str(kind))  # else both use the same words


def _summary(facts: CardFacts) -> str:
    lines = [inline(str(facts.release.get("summary") or facts.recipe.get("description") or ""), 2000)]
    largest = max(facts.splits, key=lambda split: facts.splits[split])
    lines.append(
        f"{facts.splits[largest]:,} pairs of a mathematical problem and a solution, made by the recipe "
        f"{name(str(facts.recipe.get('name') or 'unnamed'))} with mathloom. The solutions are written by a language "
        "model and kept when their answer agrees with the expected one: the answer of the source for seed problems, "
        "the majority vote for new problems."
    )
    if facts.recipe.get("preview_rows"):
        lines.append("**This is a preview: every source was cut to a few rows.**")
    return "\n\n".join(line for line in lines if line)


def _load(facts: CardFacts) -> str:
    repository = facts.repository
    smallest = min(facts.splits, key=lambda split: facts.splits[split])
    code = (
        "from datasets import load_dataset\n\n"
        f"data = load_dataset({repository!r}, split={smallest!r})\n"
        f'origin = load_dataset({repository!r}, "provenance", split={smallest!r})  # row i is the origin of row i'
    )
    rows = [[name(split), f"{count:,}"] for split, count in facts.splits.items()]
    return f"## Load\n\n{fence(code, 'python')}\n\nA path of this folder works in place of the name.\n\n" + table(
        ["split", "rows"], rows
    )


def _columns() -> str:
    return (
        "## Columns\n\n"
        "- `problem`: the problem, as the model read it.\n"
        "- `generated_solution`: the solution, with trims and rewrites applied.\n"
        "- `expected_answer`: the answer that counts as right. For new problems it is a vote and can be wrong.\n"
        "- `problem_source`: where the problem comes from; `augmented_` marks problems written by a model.\n\n"
        "The config `provenance` says of each row: its ids, its seed (`seed_source`, `seed_row` from 0), votes, "
        "sample, model, prompts, sampling, and what was trimmed."
    )


def _composition(facts: CardFacts) -> str:
    sources = list(dict.fromkeys(source for part in facts.composition for source in part.counts))
    tables = []
    for part in facts.composition:
        rows = [[name(s), *(f"{n:,}" for n in part.counts[s])] for s in sources if s in part.counts]
        totals = [sum(counts[i] for counts in part.counts.values()) for i in (0, 1)]
        rows.append(["total", *(f"{n:,}" for n in totals)])
        tables.append(f"Split {name(part.split)}:\n\n" + table(["problem source", "unique questions", "pairs"], rows))
    return "## Composition\n\n" + "\n\n".join(tables)


def _funnel(facts: CardFacts) -> str:
    if not facts.funnel:
        return ""
    rows = []
    for line in facts.funnel:
        rules = "; ".join(f"{inline(rule)}: {count:,}" for rule, count in rejected(line).items())
        rows.append([name(str(line.get("stage"))), _count(rows_in(line)), _count(line.get("rows_out")), rules])
    return "## Funnel\n\nRows in and out of each stage, and why rows left.\n\n" + table(
        ["stage", "rows in", "rows out", "removed, by rule"], rows
    )


def rejected(line: Mapping[str, Any]) -> dict[str, int]:
    """Rule -> rows removed, of one line of the funnel."""
    return dict(line.get("rejected") or line.get("rules") or {})


def rows_in(line: Mapping[str, Any]) -> int | None:
    """Rows that a stage read: of its main input, or of all inputs where no one is the main one."""
    counts = line.get("rows_in")
    if not isinstance(counts, Mapping):
        return counts
    if not counts:
        return None
    return counts.get(line.get("main"), sum(counts.values()))


def _generation(facts: CardFacts) -> str:
    if not facts.lineage:
        return ""
    blocks = ["## Generation"]
    for stage, line in facts.lineage.items():
        weights = inline(str(line.get("weights") or "unknown"))
        model = inline(str(line.get("model") or "")) or weights
        prompts = ", ".join(f"{name(p)} (`{str(h)[:12]}`)" for p, h in prompts_of(line).items()) or "none"
        blocks.append(
            f"**{name(stage)}**\n\n- model: {model}\n- weights: {weights}\n- role: {inline(str(line.get('role')))}\n"
            f"- prompts (hash): {prompts}\n- settings: {_code(canonical_json(sampling_of(line)))}"
        )
    return "\n\n".join(blocks)


def prompts_of(line: Mapping[str, Any]) -> dict[str, Any]:
    """Prompt -> hash, of one stage's lineage."""
    return dict(line.get("prompts") or line.get("prompt") or {})


def sampling_of(line: Mapping[str, Any]) -> Any:
    """Sampling and other settings, of one stage's lineage."""
    return line.get("settings") or line.get("sampling") or {}


def _sources(facts: CardFacts) -> str:
    if not facts.sources:
        return ""
    rows = []
    for source, pin in facts.sources.items():
        content = str(pin.get("revision") or pin.get("sha256") or "")
        place = inline(str(pin.get("hub") or "file"))
        rows.append([name(source), place, f"`{content[:12]}`", inline(str(pin.get("licence") or "not stated"))])
    return "## Sources\n\n" + table(["source", "from", "commit or sha256", "licence"], rows)


def _example(facts: CardFacts) -> str:
    if not facts.example:
        return ""
    text = "\n\n".join(f"{column}:\n{value}" for column, value in facts.example.items())
    return f"## First row\n\nText of a model, shown as it is.\n\n{fence(text, 'text')}"


def _limits(facts: CardFacts) -> str:
    own = [inline(str(limit), 2000) for limit in _words(facts.release.get("limits"), [])]
    limits = [*_LIMITS, _COMPARED if facts.figures else _NOT_COMPARED, *own]
    return "## Known limits\n\n" + "\n".join(f"- {limit}" for limit in limits)


def _citation(facts: CardFacts) -> str:
    citation = facts.release.get("citation")
    return f"## Citation\n\nThe method follows:\n\n{fence(str(citation).strip(), 'bibtex', 20_000)}" if citation else ""


def _licence(facts: CardFacts) -> str:
    notes = inline(str(facts.release.get("notes") or ""), 5000)
    licence = facts.release.get("licence")
    said = f"Released under {name(str(licence))}." if licence else "The recipe states no licence."
    line = said + " The sources and the models have licences of their own."
    return f"## Licence\n\n{line}" + (f"\n\n{notes}" if notes else "")


def _code(text: str) -> str:
    return inline(text, 2000) if "`" in text or "|" in text else f"`{inline_code(text)}`"


def inline_code(text: str) -> str:
    """Text inside single backticks, on one line and of bounded length."""
    return " ".join(text[:2000].split())


def _count(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else ""
