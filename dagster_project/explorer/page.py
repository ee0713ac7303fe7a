"""The page: Gradio's components around the pieces of ``views``. Gradio is imported inside functions: it is an extra.

Nothing is loaded from elsewhere. Mathematics is typeset by the KaTeX inside Gradio's own front end, fonts are the
system's, Gradio's analytics are off, nothing is shared, and a content security policy keeps the browser from asking any
other host, whatever a text may hold.
"""

from __future__ import annotations

import contextlib
import html
import os
import time
from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assets.release.folder_reading import read_release
from dagster_project.explorer import views
from dagster_project.explorer.access import Reader
from dagster_project.explorer.compared import compare
from dagster_project.explorer.found import Wishes, find
from dagster_project.explorer.indexing import Index
from dagster_project.explorer.nearest import benchmarks, beside, figures, findings
from dagster_project.explorer.opened import open_problem
from dagster_project.explorer.places import Place
from resources.errors import MathloomError, MissingExtraError

if TYPE_CHECKING:
    import gradio

POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; object-src 'none'; form-action 'self'; "
    "base-uri 'self'"
)
"""What the browser may load. Gradio's own scripts are inline and make functions of templates."""


LAST: dict[str, Any] = {
    "show_progress": "hidden",
    "api_visibility": "private",
    "concurrency_limit": 4,
    "trigger_mode": "always_last",
}
"""Options of events: what is typed and chosen last counts."""

ANY = "any"
PICK_LENGTH = 110
"""Characters of a benchmark problem in the list to pick from."""

OPEN = """
element.addEventListener('click', async (e) => {
  const button = e.target.closest('[data-doc]');
  const into = document.getElementById('@INTO@');
  if (!button || !into) return;
  const turn = (into.dataset.turn = String(Number(into.dataset.turn || 0) + 1));
  const asked = { doc: Number(button.dataset.doc), page: Number(button.dataset.page || 0) };
  const answer = await server.show_problem(asked).catch(() => '<p class="ml-error">The server does not answer.</p>');
  if (into.dataset.turn === turn) into.innerHTML = answer;
});
"""
"""Opens the problem of a button. Of several quick clicks the last one counts, in whatever order answers come: Gradio's
own events lose some."""


def make_page(place: Place, index: Index, reader: Reader) -> gradio.Blocks:
    """The page as Gradio's Blocks, not served yet. ``place`` must be what ``index`` was made from.

    Raises:
        MissingExtraError: Gradio is not installed.
    """
    gr = _gradio()
    site = _Site(place, index, reader, gr)
    with gr.Blocks(title=f"{place.name}: mathloom explorer", analytics_enabled=False, fill_width=True) as page:
        gr.HTML(f"<h1>{html.escape(place.name)}</h1>", js_on_load=None)
        with gr.Tabs():
            with gr.Tab("Rows"):
                site.rows()
            with gr.Tab("Funnel"):
                gr.HTML(views.funnel(place.funnel), js_on_load=None)
            with gr.Tab("Contamination"):
                site.contamination()
            with gr.Tab("Versions"):
                site.versions()
    return page


def launch_options(hosts: Sequence[str] = ("*",)) -> dict[str, Any]:
    """Options of ``Blocks.launch`` that keep the page to itself; a Space passes them too.

    ``hosts``: names under which the page answers. On the loopback interface only its own: a foreign page could else
    point a name of its own there, and read.
    """
    gr = _gradio()
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    font = ["system-ui", "Segoe UI", "Helvetica", "Arial", "sans-serif"]
    return {
        "theme": gr.themes.Default(font=font, font_mono=["ui-monospace", "Consolas", "monospace"]),
        "css": _text("explorer.css"),
        "head": _head(gr),
        "app_kwargs": {
            "middleware": [Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts)), Middleware(_Headers)]
        },
        "footer_links": [],
        "share": False,
        "ssr_mode": False,
        "quiet": True,
        "pwa": False,
        "enable_monitoring": False,
        "max_threads": 8,
    }


def serve(place: Place, index: Index, *, port: int, say: Callable[[str], None]) -> None:
    """Serve the page on the loopback interface until Ctrl-C.

    Raises:
        MissingExtraError: Gradio is not installed.
        MathloomError: The port is taken.
    """
    reader = open_reader(place, index)
    try:
        page = make_page(place, index, reader)
        try:
            options = launch_options(hosts=("127.0.0.1", "localhost"))
            page.launch(server_name="127.0.0.1", server_port=port, prevent_thread_lock=True, **options)
        except OSError as error:
            raise MathloomError(
                f"port {port} cannot be used", where="mathloom explore", fix="Name another one: --port 7861"
            ) from error
        say(f"mathloom explorer: http://127.0.0.1:{port}  (Ctrl-C stops it)")
        with contextlib.suppress(KeyboardInterrupt):
            while True:  # a wait without end misses a Ctrl-C that the system hands to another thread
                time.sleep(0.2)
        page.close(verbose=False)
    finally:
        reader.close()


def open_reader(place: Place, index: Index) -> Reader:
    """A reader of the place and its index."""
    return Reader([*place.folders, index.folder], index.folder / "spill", threads=os.cpu_count() or 2)


class _Site:
    """The views, with their events. One for all visitors: it has no state of its own but what it reads."""

    def __init__(self, place: Place, index: Index, reader: Reader, gr: Any) -> None:
        self._place = place
        self._index = index
        self._reader = reader
        self._gr = gr

    def rows(self) -> None:
        """Search, filters, results, and the opened problem beside them."""
        gr, facts = self._gr, self._index.facts
        with gr.Row(equal_height=False):
            text = gr.Textbox(
                label="Search problems", placeholder="words, or an id", elem_id="ml-search", scale=4, min_width=220
            )
            source = gr.Dropdown([ANY, *facts["sources"]], value=ANY, label="Source", scale=2, min_width=130)
            status = gr.Dropdown(
                [ANY, "released", "rejected", "not released"], value=ANY, label="Rows", scale=1, min_width=130
            )
            rule = gr.Dropdown([ANY, *facts["rules"]], value=ANY, label="Reject reason", scale=2, min_width=130)
        with gr.Accordion("Split, votes and length", open=False), gr.Row():
            split = gr.Dropdown([ANY, *facts["splits"]], value=ANY, label="Split", min_width=130)
            least = gr.Number(label="Votes from", precision=0, minimum=0, value=None, min_width=110)
            most = gr.Number(label="to", precision=0, minimum=0, value=None, min_width=110)
            shortest = gr.Number(
                label=f"Length from ({facts['length']})", precision=0, minimum=0, value=None, min_width=110
            )
            longest = gr.Number(label="to", precision=0, minimum=0, value=None, min_width=110)
        with gr.Row():
            search = gr.Button("Search", variant="primary", elem_id="ml-go", min_width=100, scale=0)
            before = gr.Button("Previous", min_width=110, scale=0)
            after = gr.Button("Next", min_width=110, scale=0)
            gr.HTML(
                '<p class="ml-keys">Keys: / searches, j and k walk, Enter opens, Escape goes back</p>', js_on_load=None
            )
        page = gr.State(0)
        hint = views.note("Open a problem to see its samples, its lineage and its requests.")
        with gr.Row(equal_height=False):
            with gr.Column(min_width=320):
                results = gr.HTML(self._list(), elem_id="ml-list", **self._opens("ml-opened"))
            with gr.Column(min_width=320):
                gr.HTML(f'<div id="ml-opened">{hint}</div>', **self._opens("ml-opened"))
        wishes = [text, source, status, rule, split, least, most, shortest, longest]
        for event in (text.submit, search.click, *(one.change for one in wishes[1:5]), *(n.submit for n in wishes[5:])):
            event(self._search, wishes, [results, page], **LAST)
        before.click(self._leaf(-1), [*wishes, page], [results, page], **LAST)
        after.click(self._leaf(1), [*wishes, page], [results, page], **LAST)

    def contamination(self) -> None:
        """Pick a benchmark problem, or paste one; its nearest rows and seeds."""
        gr = self._gr
        picked = self._benchmarks()
        with gr.Row(equal_height=False):
            choice = gr.Dropdown(
                [(label, number) for number, (label, _, _) in enumerate(picked)],
                value=None,
                label="Benchmark problem" if picked else "Benchmark problem (this dataset names none)",
                min_width=260,
                elem_id="ml-benchmark",
            )
            text = gr.Textbox(label="Or any problem", placeholder="paste a problem", lines=2, min_width=260)
            go = gr.Button("Find nearest", variant="primary", min_width=150, scale=0, elem_id="ml-nearest")
        shown = gr.HTML(self._safely(self._report), elem_id="ml-beside", **self._opens("ml-beside-opened"))
        gr.HTML('<div id="ml-beside-opened"></div>', **self._opens("ml-beside-opened"))

        def pick(number: int | None) -> str:
            if number is None or not 0 <= number < len(picked):
                return self._safely(self._report)
            _, problem, named = picked[number]
            return self._near(problem, named)

        choice.change(pick, choice, shown, **LAST)
        go.click(lambda pasted: self._near(pasted, None), text, shown, **LAST)
        text.submit(lambda pasted: self._near(pasted, None), text, shown, **LAST)

    def versions(self) -> None:
        """Compare this release with another."""
        gr, place = self._gr, self._place
        if place.release is None or not place.others:
            gr.HTML(views.note("There is no other version to compare with. Name one with --against."), js_on_load=None)
            return
        labels = list(place.others)
        with gr.Row():
            other = gr.Dropdown(labels, value=labels[0], label="Older version", min_width=220)
            split = gr.Dropdown(
                list(place.release.data), value=next(iter(place.release.data)), label="Split", min_width=130
            )
            go = gr.Button("Compare", variant="primary", min_width=120, scale=0, elem_id="ml-compare")
        shown = gr.HTML("", js_on_load=None, elem_id="ml-versions")

        def run(label: str, name: str) -> str:
            if label not in place.others or place.release is None or name not in place.release.data:
                return views.note("Choose a version and a split.")
            old = read_release(place.others[label])
            compared = compare(self._reader, old, place.release, name)
            return views.versions(compared, label, "this one")

        options = {"api_visibility": "private", "concurrency_limit": 1}
        go.click(lambda label, name: self._safely(lambda: run(label, name)), [other, split], shown, **options)

    # -- answers -----------------------------------------------------------------------------------------------------

    def _search(self, *values: Any) -> tuple[str, int]:
        return self._list(_wishes(values, 0)), 0

    def _leaf(self, step: int) -> Callable[..., tuple[str, int]]:
        def turn(*values: Any) -> tuple[str, int]:
            page = max(0, int(values[-1]) + step)
            found: dict[str, int] = {}
            shown = self._list(_wishes(values[:-1], page), found)
            return shown, found.get("page", 0)

        return turn

    def _list(self, wishes: Wishes | None = None, reached: dict[str, int] | None = None) -> str:
        def run() -> str:
            found = find(self._reader, self._index, wishes or Wishes())
            if reached is not None:
                reached["page"] = found.page
            return views.result_list(found)

        return self._safely(run)

    def _opens(self, into: str) -> dict[str, Any]:
        """Options of a component whose buttons open problems in the element ``into``."""

        def show_problem(asked: Any) -> str:
            asked = asked[0] if isinstance(asked, list) and asked else asked
            numbers = [asked.get(name) if isinstance(asked, dict) else None for name in ("doc", "page")]
            doc, page = (number if isinstance(number, int) and 0 <= number < 2**31 else 0 for number in numbers)
            return self._safely(lambda: self._opened(doc, page))

        return {"js_on_load": OPEN.replace("@INTO@", into), "server_functions": [show_problem]}

    def _opened(self, doc: int, page: int) -> str:
        opened = open_problem(self._reader, self._place, self._index, doc, page)
        if opened is None:
            return views.note("There is no such problem.")
        return views.opened_problem(opened, self._index.facts["splits"], self._index.facts["length"])

    def _benchmarks(self) -> list[tuple[str, str, str]]:
        """(label, problem, id) of the benchmark problems to pick from."""
        try:
            found = benchmarks(self._reader, self._place, self._index)
        except MathloomError:
            return []
        return [(_label(row), row["problem"], str(row["benchmark_id"])) for row in found]

    def _near(self, text: str, benchmark_id: str | None) -> str:
        if not text.strip():
            return self._safely(self._report)
        run = lambda: views.neighbours(beside(self._reader, self._place, self._index, text, benchmark_id))  # noqa: E731
        return self._safely(run)

    def _report(self) -> str:
        counts = figures(self._reader, self._place)
        shown = "<h3>Counts</h3>" + views.report(counts) if counts else ""
        return views.report(findings(self._reader, self._place)) + shown

    def _safely(self, run: Callable[[], str]) -> str:
        """What a person can mend is said on the page; anything else is Gradio's to report."""
        try:
            return run()
        except MathloomError as error:
            return views.note(f"{error.what}. {error.fix}", "error")


def _wishes(values: Any, page: int) -> Wishes:
    text, source, status, rule, split, *numbers = values
    chosen = ["" if value in (None, ANY) else str(value) for value in (source, status, rule, split)]
    source, status, rule, split = chosen
    least, most, shortest, longest = (None if number is None else int(number) for number in numbers)
    return Wishes(text or "", source, status, rule, split, least, most, shortest, longest, page)


def _label(row: dict[str, Any]) -> str:
    text = " ".join(str(row["problem"]).split())
    best = f"{row['best']:.2f} " if row.get("best") is not None else ""
    return f"{best}{row['benchmark']}: {text[:PICK_LENGTH]}"


def _gradio() -> Any:
    """Import late, with Gradio's analytics off: it reads the variable when it is imported."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    try:
        import gradio
    except ImportError as error:
        raise MissingExtraError.of("gradio", "explorer", where="mathloom explore") from error
    return gradio


def _head(gr: Any) -> str:
    assets = Path(gr.__file__).parent / "templates" / "frontend" / "assets"
    script, style = katex_of(assets)
    link = f'<link rel="stylesheet" href="{style}">' if style else ""
    return f"{link}<script>{_text('explorer.js').replace('@KATEX@', script)}</script>"


def katex_of(assets: Path) -> tuple[str, str]:
    """Addresses of KaTeX's module and style sheet in Gradio's front end; empty where a version has none.

    Its files carry a hash in their names, which differs from version to version.
    """
    scripts = [path for path in sorted(assets.glob("katex-*.js")) if "render" in path.read_text(encoding="utf-8")]
    styles = sorted(assets.glob("katex-*.css"))
    return tuple(f"./assets/{found[0].name}" if found else "" for found in (scripts, styles))  # type: ignore[return-value]


def _text(name: str) -> str:
    return files("dagster_project.explorer").joinpath(name).read_text(encoding="utf-8")


class _Headers:
    """Adds the policy to every answer."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def with_policy(message: Any) -> None:
            if message["type"] == "http.response.start":
                extra = [
                    (b"content-security-policy", POLICY.encode()),
                    (b"referrer-policy", b"no-referrer"),
                    (b"x-content-type-options", b"nosniff"),
                ]
                message = {**message, "headers": [*message.get("headers", ()), *extra]}
            await send(message)

        await self._app(scope, receive, with_policy)
