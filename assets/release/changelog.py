"""CHANGELOG.md of a published dataset: one entry a release, written from the difference to the release before.

An entry holds counts and a few samples, and no date: a tag has one. Names, causes and samples are hostile text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from assets.release.contamination import table
from assets.release.difference import Difference, Line, Metric, Rows, Sample
from assets.release.numbering import Number, Step
from assets.release.private import is_private
from assets.release.public import inline, name
from assets.release.regions import unmarked

TITLE = "# Changelog"

MAX_LINES = 40
"""Lines of the table of causes; what is beyond is summed up in one."""

MAX_SAMPLES = 3
_MAX_WORDS = 20
"""Changes of the schema, changes of the making, and figures that one entry lists."""

_SAMPLE = 160
_SHOWN = 4000
"""Characters of a sample's text, and of an entry in the card."""

_ENTRY = re.compile(r"^## (v\d+\.\d+\.\d+)[ \t]*$", re.MULTILINE | re.ASCII)

_STEPS: Mapping[Step, str] = {
    Step.NONE: "Nothing changed.",
    Step.PATCH: "Patch: the rows are the same.",
    Step.MINOR: "Minor: rows changed.",
    Step.MAJOR: "Major: code that reads the release before may fail, or read something else.",
}


def entry(
    number: Number,
    difference: Difference | None,
    *,
    step: Step | None,
    notes: Sequence[str] = (),
    hidden: Sequence[str] = (),
) -> str:
    """The entry of one release, as Markdown that begins with its number and ends without a line feed.

    Args:
        number: Of the release.
        difference: To the release before; None for the first.
        step: How far it goes; None for the first release, or where nobody says.
        notes: Sentences of whoever releases, shown as they are but escaped.
        hidden: Values that no sample may hold (secrets of the environment).
    """
    parts = [f"## {number.tag}", _said(difference, step), *(inline(note, 2000) for note in notes)]
    if difference is not None:
        parts += [
            _rows(difference),
            _lines(difference),
            _listed("Columns, configs and splits:", [_schema_words(c.what, c.is_breaking) for c in difference.schema]),
            _listed("Made differently:", [inline(words) for words in difference.recipe]),
            _metrics(difference.metrics),
            _samples(difference.samples, hidden),
        ]
    return unmarked("\n\n".join(part for part in parts if part))


def with_entry(previous: str | None, entry: str) -> str:
    """CHANGELOG.md with ``entry``: on top, or in the place of the entry of the same number."""
    preface, entries = _parse(previous or "")
    tag, text = (_parse(entry)[1] or [("", entry.strip())])[0]
    if tag in dict(entries):
        entries = [(known, text if known == tag else words) for known, words in entries]
    else:
        entries.insert(0, (tag, text))
    return "\n\n".join([preface or TITLE, *(words for _, words in entries)]) + "\n"


def newest(changelog: str, count: int) -> list[str]:
    """The first ``count`` entries as the card shows them: one heading lower, long ones cut at a line."""
    return [_cut(f"###{text[2:]}") for _, text in _parse(changelog)[1][:count]]


def _parse(changelog: str) -> tuple[str, list[tuple[str, str]]]:
    """What stands before the first entry, and (tag, text) of each; of a tag that stands twice the first counts."""
    text = changelog.replace("\r\n", "\n")
    starts = list(_ENTRY.finditer(text))
    borders = [*(start.start() for start in starts), len(text)]
    entries: dict[str, str] = {}
    for index, start in enumerate(starts):
        entries.setdefault(start[1], text[borders[index] : borders[index + 1]].strip())
    return text[: borders[0]].strip(), list(entries.items())


def _cut(text: str) -> str:
    if len(text) <= _SHOWN:
        return text
    lines = text[:_SHOWN].split("\n")[:-1]
    return "\n".join(lines).rstrip() + "\n\nThe rest of this entry is in [CHANGELOG.md](CHANGELOG.md)."


def _said(difference: Difference | None, step: Step | None) -> str:
    if difference is None:
        return "The first release." if step is None else _STEPS[step]
    words = f"{_STEPS[step]} " if step is not None else ""
    source = "" if difference.is_exact else " Causes are told from the two releases alone."
    return f"{words}Compared with {name(difference.old)}.{source}"


def _rows(difference: Difference) -> str:
    every = [*difference.splits.items(), *((f"config {c}", rows) for c, rows in difference.other_configs.items())]
    if not every:
        return ""
    cells = [[name(what), *(f"{count:,}" for count in _counts(rows))] for what, rows in every]
    return table(["split", "rows before", "rows now", "added", "removed", "changed", "same"], cells)


def _counts(rows: Rows) -> tuple[int, ...]:
    return rows.old, rows.new, rows.added, rows.removed, rows.changed, rows.same


def _lines(difference: Difference) -> str:
    lines = list(difference.lines)
    if not lines:
        return ""
    shown, rest = lines[:MAX_LINES], lines[MAX_LINES:]
    cells = [[name(x.split), x.kind, name(x.source), _cause(x), f"{x.rows:,}"] for x in shown]
    if rest:
        cells.append(["", "", "", f"{len(rest):,} more causes", f"{sum(line.rows for line in rest):,}"])
    return table(["split", "change", "source", "cause", "rows"], cells)


def _cause(line: Line | Sample) -> str:
    return f"{line.cause}: {inline(line.detail, 200)}" if line.detail else line.cause


def _schema_words(what: str, is_breaking: bool) -> str:
    return inline(what) + (" (breaking)" if is_breaking else "")


def _listed(title: str, words: Sequence[str]) -> str:
    if not words:
        return ""
    more = [f"{len(words) - _MAX_WORDS:,} more"] if len(words) > _MAX_WORDS else []
    return f"{title}\n\n" + "\n".join(f"- {line}" for line in [*words[:_MAX_WORDS], *more])


def _metrics(metrics: Sequence[Metric]) -> str:
    changed = [m for m in metrics if m.old != m.new][:_MAX_WORDS]
    if not changed:
        return ""
    return table(["figure", "before", "now"], [[inline(m.name), _number(m.old), _number(m.new)] for m in changed])


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.4g}"


def _samples(samples: Sequence[Sample], hidden: Sequence[str]) -> str:
    """One of each kind of change first, in the order given."""
    first = list({sample.kind: sample for sample in reversed(samples)}.values())[::-1]
    chosen = [s for s in samples if s in first] + [s for s in samples if s not in first]
    # What reads like a path or a key stays out: the gate would stop the release, and nobody could mend it.
    chosen = [s for s in chosen if not _is_private(s, hidden)]
    if not chosen:
        return ""
    return "Samples:\n\n" + "\n".join(_sample(sample) for sample in chosen[:MAX_SAMPLES])


def _is_private(sample: Sample, hidden: Sequence[str]) -> bool:
    texts = [text for text in (sample.problem, sample.old, sample.new, sample.detail) if text]
    return any(is_private(text) or any(value in text for value in hidden) for text in texts)


def _sample(sample: Sample) -> str:
    words = f"- {sample.kind} in {name(sample.split)} ({name(sample.source)}, {_cause(sample)}), {name(sample.row_id)}"
    lines = [f"{words}: {_short(sample.problem)}"]
    texts = {"was": sample.old, "is": sample.new} if sample.kind == "changed" else {}
    lines += [f"  - {word}: {_short(text)}" for word, text in texts.items() if text is not None]
    return "\n".join(lines)


def _short(text: str) -> str:
    cut = " ".join(text[: 2 * _SAMPLE].split())
    return inline(cut[:_SAMPLE]) + (" ..." if len(cut) > _SAMPLE or len(text) > 2 * _SAMPLE else "")
