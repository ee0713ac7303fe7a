"""A plan and its end as lines for a terminal: (text, style) pairs, without markup. Text of others is made printable."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from assets.release.difference import Difference, Rows
from assets.release.numbering import Step
from dagster_project.releasing.files import FilePlan
from dagster_project.releasing.gate import Gate, Reason
from dagster_project.releasing.gate_repository import step_between
from dagster_project.releasing.plan import ReleasePlan
from dagster_project.releasing.publish import Published
from dagster_project.releasing.revert import RevertPlan
from dagster_project.terminal.words import cell

Line = tuple[str, str]
"""Text, and a style of rich ("" is none)."""

_MAX_CAUSES = 12
_MAX_FILES = 8
_MAX_REASONS = 8
_HEADS = ("", "rows before", "now", "added", "removed", "changed")


def plan_lines(plan: ReleasePlan) -> list[Line]:
    """What would happen, and why."""
    head = f"{plan.recipe} ({plan.profile}) -> {plan.repository}"
    lines: list[Line] = [(head, "bold"), *_part("release", [(_number(plan), "bold")])]
    lines += _part("why", [(cell(reason, 200), "") for reason in plan.reasons[:_MAX_REASONS]])
    if plan.finishes:
        lines += _part("first", [(f"tags {plan.finishes.tag}, which was committed and not tagged", "")])
    if plan.difference is not None:
        lines += _part("rows", difference_lines(plan.difference))
    elif plan.kind == "release":
        lines += _part("rows", [(f"{split}: {rows:,}", "") for split, rows in plan.built.rows.items()])
    if plan.files is not None:
        lines += _part("files", _files(plan.files))
    if plan.gate.verdicts:
        lines += _part("gate", list(gate_lines(plan.gate)))
    return lines


def difference_lines(difference: Difference) -> list[Line]:
    """Rows of each split, then what changed them."""
    every = {**difference.splits, **{f"config {name}": rows for name, rows in difference.other_configs.items()}}
    cells = [_HEADS, *((cell(name, 40), *_counts(rows)) for name, rows in every.items())]
    widths = [max(len(row[i]) for row in cells) for i in range(len(_HEADS))]
    lines: list[Line] = [
        (
            "  ".join([row[0].ljust(widths[0]), *(text.rjust(w) for text, w in zip(row[1:], widths[1:], strict=True))]),
            "",
        )
        for row in cells
    ]
    causes = sorted(difference.lines, key=lambda line: -line.rows)
    for line in causes[:_MAX_CAUSES]:
        why = f"{line.cause}: {cell(line.detail, 80)}" if line.detail else line.cause
        lines.append((f"{line.rows:,} {line.kind} in {cell(line.split, 40)}, {cell(line.source, 40)} ({why})", ""))
    if len(causes) > _MAX_CAUSES:
        rest = causes[_MAX_CAUSES:]
        lines.append((f"{sum(line.rows for line in rest):,} more rows for {len(rest):,} more causes", ""))
    return lines


def gate_lines(gate: Gate) -> Iterator[Line]:
    """Each question with its answer, and under it every reason."""
    for verdict in gate.verdicts:
        words = "green" if verdict.passed else "RED"
        yield f"{words.ljust(5)}  {verdict.title}", "green" if verdict.passed else "bold red"
        for reason in verdict.reasons:
            yield from reason_lines(reason)


def reason_lines(reason: Reason) -> Iterator[Line]:
    """What is wrong, and how to mend it."""
    style = "red" if reason.level == "refuse" else "yellow"
    yield f"       {cell(reason.where, 200)}: {cell(reason.what, 400)}", style
    yield f"         {cell(reason.fix, 300)}", ""


def revert_lines(plan: RevertPlan) -> list[Line]:
    """What a revert would do."""
    change = plan.change
    lines: list[Line] = [(plan.repository, "bold")]
    lines += _part("release", [(f"{plan.reverts.tag} -> {plan.number.tag} (minor), a revert", "bold")])
    lines += _part("content", [(f"that of {plan.restores.tag}", "")])
    if plan.is_committed:
        return lines + _part("files", [("none: it is committed, and its tag is missing", "")])
    texts = sum(len(content) for content in change.put.values() if isinstance(content, bytes))
    words = f"copy {len(change.copy)} inside the repository, remove {len(change.delete)}, send {size(texts)} of text"
    return lines + _part("files", [(words, "")])


def end_lines(published: Published, repository: str, *, is_public: bool) -> list[Line]:
    """Where it is now, and how to load it."""
    if published.state == "pull request":
        return [
            (f"Asked for: {published.tag} as a pull request, {size(published.sent_bytes)} sent.", ""),
            (f"Merge it:  {published.url}", ""),
            ("Then the same command sets the tag.", ""),
        ]
    words = {"tagged": "Tagged", "nothing new": "Nothing new"}.get(published.state, "Released")
    sent = f", {size(published.sent_bytes)} sent in {published.seconds:.1f} s" if published.state == "released" else ""
    lines: list[Line] = [
        (f"{words}: {published.tag} (commit {published.commit[:12]}{sent})", "bold"),
        (f"See it:   {published.url}", ""),
        (f"Load it:  {load_words(repository, published.tag)}", ""),
    ]
    if not is_public and not repository.startswith("/"):
        lines.append(("It is private: `mathloom release public` opens it to everybody.", ""))
    return lines


def load_words(repository: str, tag: str) -> str:
    """The line that loads one release."""
    if repository.startswith("/"):
        return f"datasets.load_dataset({f'{repository}/{tag}'!r})"
    return f"datasets.load_dataset({repository!r}, revision={tag!r})"


def size(count: float) -> str:
    """Bytes as people read them."""
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:,.0f} {unit}" if unit == "bytes" else f"{count:,.1f} {unit}"
        count /= 1000
    return f"{count:,.1f} GB"


def _number(plan: ReleasePlan) -> str:
    tag, newest = plan.number.tag, plan.state.newest
    if plan.kind == "nothing":
        return f"nothing new: {tag} is what is built"
    if plan.kind == "waiting":
        return f"nothing new: {tag} was asked for with {plan.pull_request}; if that is closed: --again"
    if plan.kind == "tag":
        return f"tag {tag}: its commit is there"
    how = "first release" if newest is None else _step(plan)
    pull = ", as a pull request" if plan.is_pull_request else ""
    return f"{newest.tag} -> {tag} ({how}{pull})" if newest else f"{tag} ({how}{pull})"


def _step(plan: ReleasePlan) -> str:
    newest = plan.state.newest
    step = step_between(newest, plan.number) if newest else Step.NONE
    asked = f", {plan.computed.name.lower()} would do" if step > plan.computed else ""
    return f"{step.name.lower()}{asked}"


def _counts(rows: Rows) -> tuple[str, ...]:
    return tuple(f"{count:,}" for count in (rows.old, rows.new, rows.added, rows.removed, rows.changed))


def _files(files: FilePlan) -> list[Line]:
    groups = [
        ("send", list(files.put), files.put_bytes),
        ("keep", list(files.keep), sum(files.keep.values())),
        ("remove", list(files.delete), sum(files.delete.values())),
    ]
    return [(f"{word} {len(paths)} ({size(total)}): {_names(paths)}", "") for word, paths, total in groups if paths]


def _names(paths: Sequence[str]) -> str:
    more = f", and {len(paths) - _MAX_FILES} more" if len(paths) > _MAX_FILES else ""
    return ", ".join(cell(path, 80) for path in paths[:_MAX_FILES]) + more


def _part(title: str, lines: Sequence[Line]) -> list[Line]:
    """Lines with their title before the first."""
    return [(f"  {(title if i == 0 else '').ljust(8)} {text}", style) for i, (text, style) in enumerate(lines)]
