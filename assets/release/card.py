"""The dataset card: README.md with the YAML that the Hub and ``datasets`` read, and the text that people read.

Everything in it follows from the data, the recipe and the models, so that the same data gives the same card: no time,
no run, no machine. Sentences of the author come from the recipe's release section, and from a region that publishing
keeps from the card before. What publishing adds is in ``decoration``.
"""

from __future__ import annotations

from assets.release.card_facts import CardFacts
from assets.release.card_head import head, words
from assets.release.card_making import checks, costs, funnel, generation, sources
from assets.release.card_plots import plots
from assets.release.columns import MEANINGS
from assets.release.contamination import CONFIG, section, table
from assets.release.licences import clashes
from assets.release.private import is_private
from assets.release.public import fence, inline, name
from assets.release.regions import CHANGELOG, OWN_WORDS, region, unmarked

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
_NO_BENCHMARK = "The dataset was compared with no benchmark"
_NO_LICENCE = "It declares no licence"
_CLASH = "A licence of what it was made from clashes with the declared one"

_HINT = "<!-- What is written between the next two lines stays from release to release. -->"


def render_card(facts: CardFacts) -> str:
    """The whole README.md, with a final newline."""
    report = [split for config in facts.configs if config.config == CONFIG for split in config.splits]
    before = [f"# {inline(facts.title)}", _summary(facts)]
    after = [
        _load(facts),
        _columns(),
        _composition(facts),
        plots(facts),
        funnel(facts),
        generation(facts),
        costs(facts),
        sources(facts),
        section(facts.figures, facts.benchmarks, facts.repository, report),
        checks(facts),
        _example(facts),
        _limits(facts),
        _citation(facts),
        _licence(facts),
    ]
    own = f"{_HINT}\n{region(OWN_WORDS)}"
    parts = [_joined(before), own, _joined(after), f"## Changelog\n\n{region(CHANGELOG)}"]
    return f"---\n{head(facts)}---\n\n" + "\n\n".join(parts) + "\n"


def _joined(sections: list[str]) -> str:
    """Sections that hold text of others: no marker in them counts."""
    return unmarked("\n\n".join(section for section in sections if section))


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
    lines = [f"- `{column}`: {meaning[0].lower()}{meaning[1:]}" for column, meaning in MEANINGS["default"].items()]
    said = (
        "The config `provenance` says of each row: its ids, its seed (`seed_source`, `seed_row` from 0), votes, "
        "sample, model, prompts, sampling, and what was trimmed. BUILD.json says what each column means, and `recipe/` "
        "holds the recipe that the dataset was made with."
    )
    return "## Columns\n\n" + "\n".join(lines) + f"\n\n{said}"


def _composition(facts: CardFacts) -> str:
    sources = list(dict.fromkeys(source for part in facts.composition for source in part.counts))
    tables = []
    for part in facts.composition:
        rows = [[name(s), *(f"{n:,}" for n in part.counts[s])] for s in sources if s in part.counts]
        totals = [sum(counts[i] for counts in part.counts.values()) for i in (0, 1)]
        rows.append(["total", *(f"{n:,}" for n in totals)])
        tables.append(f"Split {name(part.split)}:\n\n" + table(["problem source", "unique questions", "pairs"], rows))
    return "## Composition\n\n" + "\n\n".join(tables)


def _example(facts: CardFacts) -> str:
    """The first row, unless it reads like a path or a key: the gate would stop the card, and nobody could mend it."""
    if not facts.example or any(is_private(str(value)) for value in facts.example.values()):
        return ""
    text = "\n\n".join(f"{column}:\n{value}" for column, value in facts.example.items())
    return f"## First row\n\nText of a model, shown as it is.\n\n{fence(text, 'text')}"


def _limits(facts: CardFacts) -> str:
    own = [inline(str(limit), 2000) for limit in words(facts.release.get("limits"), [])]
    limits = [*_LIMITS, _COMPARED if facts.figures else _NOT_COMPARED, *_accepted(facts), *own]
    return "## Known limits\n\n" + "\n".join(f"- {limit}" for limit in limits)


def _accepted(facts: CardFacts) -> list[str]:
    """What the gate would refuse and the recipe accepts, with its reason. A waiver of nothing is not said."""
    accept = facts.release.get("accept") or {}
    waived = [("contamination", _NO_BENCHMARK)] if not (facts.figures and facts.benchmarks) else []
    waived += [("licence", said) for said in _clashing(facts)]
    return [
        f"{said}. The author's reason: {inline(str(accept[what]), 2000)}" for what, said in waived if what in accept
    ]


def _clashing(facts: CardFacts) -> list[str]:
    sources = {source: pin.get("licence") for source, pin in facts.sources.items()}
    models = {role: model.get("licence") for role, model in facts.models.items()}
    declared = facts.release.get("licence")
    refused = any(c.level == "refuse" for c in clashes(str(declared) if declared else None, sources, models))
    return [*([] if declared else [_NO_LICENCE]), *([_CLASH] if refused else [])]


def _citation(facts: CardFacts) -> str:
    citation = facts.release.get("citation")
    return f"## Citation\n\nThe method follows:\n\n{fence(str(citation).strip(), 'bibtex', 20_000)}" if citation else ""


def _licence(facts: CardFacts) -> str:
    notes = inline(str(facts.release.get("notes") or ""), 5000)
    licence = facts.release.get("licence")
    said = f"Released under {name(str(licence))}." if licence else "The recipe states no licence."
    line = said + " The sources and the models have licences of their own."
    return f"## Licence\n\n{line}" + (f"\n\n{notes}" if notes else "")
