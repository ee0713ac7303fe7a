"""Pieces of the page as HTML. Whatever comes from rows goes through ``safe_text``; tags and classes are ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dagster_project.explorer.compared import Compared
from dagster_project.explorer.found import Found
from dagster_project.explorer.nearest import Beside
from dagster_project.explorer.opened import MAX_TEXT, SAMPLES, Opened
from dagster_project.explorer.safe_text import escape, one_line, rich

SETTING = 2000
"""Characters of one setting of a request."""


def note(text: str, kind: str = "note") -> str:
    """A line to the reader: ``note`` or ``error``."""
    return f'<p class="ml-{kind}" role="status">{escape(text)}</p>'


def result_list(found: Found) -> str:
    """Problems as buttons, so that they can be reached and opened with the keyboard."""
    if not found.rows:
        return note("No problem fits. Fewer words or filters find more.")
    items = "".join(f"<li>{_result(row)}</li>" for row in found.rows)
    head = f"{found.count:,} problems" if found.count != 1 else "1 problem"
    if found.pages > 1:
        head += f", page {found.page + 1:,} of {found.pages:,}"
    return f'<p class="ml-count" role="status">{head}</p><ol class="ml-results">{items}</ol>'


def _result(row: Mapping[str, Any]) -> str:
    marks = [_chip(row["source"]), _samples(row)]
    if row["votes"] is not None:
        marks.append(_chip(f"{row['votes']} of {row['n_valid']} votes"))
    if row.get("matching") is not None:
        marks.append(_chip(f"{row['matching']:,} {'row fits' if row['matching'] == 1 else 'rows fit'}", "hit"))
    if row["expected_answer"]:
        marks.append(f'<span class="ml-chip answer">{_answer(row["expected_answer"])}</span>')
    return (
        f'<button type="button" class="ml-row" data-doc="{int(row["doc"])}">'
        f'<span class="ml-text">{rich(row["problem"])}</span><span class="ml-chips">{"".join(marks)}</span></button>'
    )


def _samples(row: Mapping[str, Any]) -> str:
    if row["rule"]:
        return _chip(f"rejected: {row['rule']}", "bad")
    if not row["n_rows"]:
        return _chip("not solved", "bad")
    return _chip(f"{row['n_released']:,} of {row['n_rows']:,} samples released", "" if row["n_released"] else "bad")


def _chip(text: Any, kind: str = "") -> str:
    return f'<span class="ml-chip {kind}">{one_line(text, 80)}</span>' if text not in (None, "") else ""


def _answer(answer: str) -> str:
    r"""An answer is what stood in ``\boxed{}``: a formula without its delimiters."""
    if "$" in answer or "\\" not in answer and "^" not in answer:
        return rich(answer, 200)
    return rich(f"${answer.strip()}$", 202)


def opened_problem(opened: Opened, splits: Sequence[str], unit: str) -> str:
    """The problem, its samples, its lineage, its requests' settings. ``unit`` is that of lengths."""
    problem = opened.problem
    facts = [("id", problem["problem_id"]), ("source", problem["source"])]
    facts += [("expected answer", problem["expected_answer"]), ("votes", _votes(problem))]
    facts += [(check["name"], check["value"]) for check in opened.checks]
    parts = [
        f'<article class="ml-open" data-open="{int(problem["doc"])}">',
        f'<h2 tabindex="-1">Problem {int(problem["doc"]) + 1:,}</h2>',
        f'<div class="ml-text ml-problem">{rich(problem["problem"])}</div>',
        _facts(facts),
        "<h3>Samples</h3>",
        "".join(_sample(sample, splits, unit) for sample in opened.samples) or note("This problem was not solved."),
        _more(opened),
        "<h3>Lineage</h3>",
        _lineage(opened),
        "<h3>Requests</h3>",
        "".join(_settings(stage, words) for stage, words in opened.settings.items())
        or note("The dataset does not say how its solutions were asked for."),
        "</article>",
    ]
    return "".join(parts)


def _votes(problem: Mapping[str, Any]) -> str | None:
    return None if problem["votes"] is None else f"{problem['votes']} of {problem['n_valid']} with an answer"


def _facts(facts: Sequence[tuple[str, Any]]) -> str:
    shown = [(name, value) for name, value in facts if value not in (None, "")]
    pairs = "".join(f"<div><dt>{one_line(name)}</dt><dd>{rich(value, 400)}</dd></div>" for name, value in shown)
    return f'<dl class="ml-facts">{pairs}</dl>'


def _sample(sample: Mapping[str, Any], splits: Sequence[str], unit: str) -> str:
    released = sample["splits"]
    names = [name for bit, name in enumerate(splits) if released and released >> bit & 1]
    verdict = "released" if released else f"rejected: {sample['rule']}" if sample["rule"] else sample["status"]
    head = [
        _chip(f"sample {sample['sample_index']}") if sample["sample_index"] is not None else "",
        _chip(verdict, "good" if released else "bad"),
        *(_chip(name) for name in names),
        _chip(f"{sample['length']:,} {unit}") if sample["length"] is not None else "",
        f'<span class="ml-chip answer">{_answer(sample["answer"])}</span>' if sample["answer"] else "",
    ]
    facts = [
        ("left at", sample["left_at"]),
        ("why", sample.get("reason")),
        ("detail", sample.get("detail")),
        ("answer read", sample.get("answer_status")),
        ("answer key", sample.get("answer_key")),
        ("stage", sample["stage"]),
        ("finish", sample.get("finish_reason")),
        ("request", sample["request_key"]),
        ("solution", sample["solution_id"]),
        ("text from", sample.get("text_from")),
    ]
    text = sample.get("text")
    body = rich(text, MAX_TEXT)
    if text is None:
        lacks = "Its text is not here: the request store does not have it."
        body = note(lacks if sample["request_key"] else "The problem itself was rejected.")
    kind = "released" if released else "rejected"
    return (
        f'<section class="ml-sample {kind}"><header class="ml-chips">{"".join(head)}</header>'
        f'<div class="ml-text">{body}</div>'
        f"<details><summary>Ids and verdicts</summary>{_facts(facts)}</details></section>"
    )


def _more(opened: Opened) -> str:
    doc, total = int(opened.problem["doc"]), opened.problem["n_rows"]
    turns = [(opened.page - 1, "Earlier samples", bool(opened.page))]
    turns += [(opened.page + 1, "More samples", total > (opened.page + 1) * SAMPLES)]
    return "".join(
        f'<button type="button" class="ml-go" data-doc="{doc}" data-page="{page}">{words}</button>'
        for page, words, is_there in turns
        if is_there
    )


def _lineage(opened: Opened) -> str:
    if not opened.lineage:
        return note("Nothing is known of where this problem comes from.")
    return f'<ol class="ml-lineage">{"".join(f"<li>{_edge(edge)}</li>" for edge in opened.lineage)}</ol>'


def _edge(edge: Mapping[str, Any]) -> str:
    words = _chip(edge["relation"])
    if edge.get("source"):
        row = f", row {edge['source_row']}" if edge.get("source_row") is not None else ""
        words += _chip(f"{edge['source']}{row}")
    if edge.get("request_key"):
        words += _chip(f"request {edge['request_key']}")
    if edge.get("parent_doc") is None:
        return words
    text = f'<span class="ml-text">{rich(edge["parent"], 600)}</span>'
    doc = int(edge["parent_doc"])
    return f'{words}<button type="button" class="ml-row" data-doc="{doc}">{text}</button>'


def _settings(stage: str, words: Mapping[str, Any]) -> str:
    flat: dict[str, Any] = {}
    for name, value in words.items():
        flat |= {f"{name}: {k}": v for k, v in value.items()} if isinstance(value, Mapping) else {name: value}
    shown = [(name, escape(value, SETTING)) for name, value in flat.items() if value not in (None, "", [])]
    rows = "".join(f"<tr><th>{one_line(name)}</th><td>{value}</td></tr>" for name, value in shown)
    return f'<details class="ml-settings"><summary>{one_line(stage)}</summary><table>{rows}</table></details>'


def funnel(lines: Sequence[Mapping[str, Any]]) -> str:
    """Counts of every stage, and its rejects by rule."""
    if not lines:
        return note("This dataset does not say how it was made: there is no BUILD.json.")
    most = max((_number(line.get("rows_out")) for line in lines), default=0) or 1
    rows = "".join(_stage(line, most) for line in lines)
    return (
        '<div class="ml-scroll"><table class="ml-funnel"><thead><tr><th>stage</th><th>rows in</th><th>rejected</th>'
        f'<th>rows out</th><th aria-hidden="true"></th></tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _stage(line: Mapping[str, Any], most: int) -> str:
    rejected = line.get("rejected") or {}
    rules = "".join(f"<li>{_number(n):,} {one_line(rule)}</li>" for rule, n in rejected.items())
    out = _number(line.get("rows_out"))
    into = "".join(f"<li>{_number(n):,} {one_line(name)}</li>" for name, n in (line.get("rows_in") or {}).items())
    width = max(100 * out // most, 1 if out else 0)
    return (
        f"<tr><th>{one_line(line.get('stage'))}<small>{one_line(line.get('kind'))}</small></th><td><ul>{into}</ul></td>"
        f'<td><ul class="bad">{rules}</ul></td><td class="n">{out:,}</td>'
        f'<td aria-hidden="true"><span class="ml-bar" style="width:{width}%"></span></td></tr>'
    )


def _number(value: Any) -> int:
    return int(value) if isinstance(value, int | float) else 0


def neighbours(beside: Beside) -> str:
    """A benchmark problem above, the nearest rows and the nearest seeds beside each other below."""
    name = (
        f'<h3>Benchmark problem {_chip(beside.benchmark)}</h3><div class="ml-text ml-problem">{rich(beside.text)}</div>'
    )
    parts = [name, '<div class="ml-beside">']
    for title, is_seed, by_words in (
        ("Nearest in this dataset", False, beside.dataset),
        ("Nearest seeds", True, beside.seeds),
    ):
        computed = [row for row in beside.computed if row["is_seed"] is is_seed]
        how = "by the stage that computed neighbours" if computed else "by shared words"
        parts.append(f"<section><h3>{title} <small>{how}</small></h3>{_near(computed or by_words)}</section>")
    parts.append("</div>")
    if beside.findings:
        parts.append("<h3>In the report of this release</h3>" + report(beside.findings))
    return "".join(parts)


def _near(rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return note("No problem shares its words.")
    return f'<ol class="ml-results">{"".join(f"<li>{_neighbour(row)}</li>" for row in rows)}</ol>'


def _neighbour(row: Mapping[str, Any]) -> str:
    chips = _chip(f"{row['similarity']:.2f}", "hit") + _chip(row["source"]) + _samples(row)
    return (
        f'<button type="button" class="ml-row" data-doc="{int(row["doc"])}">'
        f'<span class="ml-text">{rich(row["problem"])}</span><span class="ml-chips">{chips}</span></button>'
    )


def report(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows of the contamination report, whatever columns it has."""
    if not rows:
        return note("This dataset has no report of contamination.")
    shown = [name for name in rows[0] if not name.endswith("_id") and any(row[name] is not None for row in rows)]
    head = "".join(f"<th>{one_line(name.replace('_', ' '))}</th>" for name in shown)
    body = "".join("<tr>" + "".join(f"<td>{_cell(row[name])}</td>" for name in shown) + "</tr>" for row in rows)
    table = f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody>"
    return f'<div class="ml-scroll"><table class="ml-report">{table}</table></div>'


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3f}"
    return rich(value, 800) if isinstance(value, str) else one_line(value)


def versions(compared: Compared, old: str, new: str) -> str:
    """Counts of a comparison and its first rows, old beside new."""
    counts = "".join(_chip(f"{n:,} {change}", change) for change, n in compared.counts.items())
    parts = [f'<p class="ml-chips" role="status">{_chip(f"{old} → {new}")}{_chip(compared.split)}{counts}</p>']
    for change, rows in compared.rows.items():
        parts.append(f"<h3>{one_line(change)}</h3>" + "".join(_change(row) for row in rows))
    return "".join(parts)


def _change(row: Mapping[str, Any]) -> str:
    sides = "".join(_side(name, row[name], row[f"{name}_answer"]) for name in ("old", "new"))
    return (
        f'<section class="ml-sample"><div class="ml-text">{rich(row["problem"], 2000)}</div>'
        f'<div class="ml-beside">{sides}</div></section>'
    )


def _side(name: str, text: str | None, answer: str | None) -> str:
    body = f'<div class="ml-text">{rich(text, 4000)}</div>' if text is not None else note("not in this version")
    return f"<section>{_chip(name)}{_chip(answer)}{body}</section>"
