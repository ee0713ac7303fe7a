"""The page of `mathloom explore` in a real headless Chromium.

What is typeset, found and opened; that hostile rows do nothing; that nothing is asked of another host. Skipped where
there is no Chromium; ``MATHLOOM_CHROMIUM`` names one. The server is a process of its own, as it is for a person.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.browser

CHROMIUM = os.environ.get("MATHLOOM_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome") or ""
OPTIONS = [
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--no-first-run"),
]
SCREENSHOT = os.environ.get("MATHLOOM_SCREENSHOT")
"""Where the picture of the documents goes: `MATHLOOM_SCREENSHOT=docs/img/explorer.png make test ARGS='-m browser'`."""


@dataclass
class Site:
    """A served page in a browser tab, and what it asked for."""

    url: str
    page: Any
    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def tab(self, width: int = 1280, height: int = 900) -> Any:
        """The tab as it is when it is opened: no search, no filter. Loading it anew would take seconds."""
        self.page.set_viewport_size({"width": width, "height": height})
        self.page.get_by_role("tab", name="Rows").click()
        if self.page.locator(SEARCH).input_value():
            self.page.fill(SEARCH, "")
            self.page.keyboard.press("Enter")
        self.page.wait_for_function("document.querySelectorAll('#ml-list button.ml-row').length > 4")
        return self.page


SEARCH = "#ml-search textarea, #ml-search input"


def served(browser: Any, folder: Path, what: str, *options: str) -> Iterator[Site]:
    """`mathloom explore` in ``folder``, ended as a person ends it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = [sys.executable, "-m", "dagster_project.cli", "explore", what, "--port", str(port), *options]
    # A shell's background job does not get Ctrl-C: a session of its own, and default signals.
    with subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True, start_new_session=True) as server:
        try:
            _wait(server, port)
            site = _opened(browser, f"http://127.0.0.1:{port}/")
            yield site
            site.page.close()
        finally:
            server.send_signal(signal.SIGINT)
            said = _end(server)
    assert "Traceback" not in said, said
    assert server.returncode == 0


def _end(server: subprocess.Popen[str]) -> str:
    """What it said until its end; one that does not end is killed, so that the tests do."""
    try:
        return server.communicate(timeout=30)[1]
    except subprocess.TimeoutExpired:
        server.kill()
        return server.communicate()[1]


def _wait(server: subprocess.Popen[str], port: int) -> None:
    for _ in range(600):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert server.poll() is None, server.stderr and server.stderr.read()
        time.sleep(0.1)
    pytest.fail("the server did not start in 60 s")


def _opened(browser: Any, url: str) -> Site:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(20_000)
    site = Site(url, page)
    page.on("request", lambda request: site.requests.append(request.url))
    page.on("pageerror", lambda error: site.errors.append(str(error)))
    page.on("dialog", lambda dialog: site.errors.append(f"dialog {dialog.message}"))
    page.goto(url)
    page.wait_for_selector("button.ml-row")
    return site


@pytest.fixture(scope="module")
def browser(built: Path) -> Iterator[Any]:
    """One for this module: while it is open, Playwright's event loop runs in this thread.

    A build in this process needs a loop of its own, and so must come before.
    """
    if importlib.util.find_spec("gradio") is None:
        pytest.skip("the extra explorer is not installed")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not CHROMIUM:
        pytest.skip("there is no Chromium here; MATHLOOM_CHROMIUM may name one")
    with playwright.sync_playwright() as started:
        found = started.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        yield found
        found.close()


@pytest.fixture(scope="module")
def hostile(
    browser: Any, release_folder: Path, older_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("page")
    yield from served(
        browser, folder, str(release_folder), "--against", str(older_folder), "--index", str(folder / "index")
    )


@pytest.fixture(scope="module")
def sums(browser: Any, built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    index = tmp_path_factory.mktemp("page-index")
    yield from served(browser, built, "sums", "--index", str(index))


def row(tab: Any, words: str) -> Any:
    return tab.locator("#ml-list button.ml-row", has_text=words).first


def test_formulas_are_typeset_with_gradios_own_katex(hostile: Site) -> None:
    tab = hostile.tab()
    first = tab.locator("#ml-list button.ml-row").first
    first.locator(".katex").first.wait_for()
    assert first.locator(".katex").count() == 2
    assert "$5 and $6" in first.inner_text()
    assert tab.locator("span.tex.raw").count() == 0
    tab.wait_for_function("document.fonts.check('16px KaTeX_Main')")
    row(tab, "Solve").locator(".katex-display").wait_for()


def test_search_finds_and_says_when_nothing_fits(hostile: Site) -> None:
    tab = hostile.tab()
    tab.fill(SEARCH, "pears")
    tab.keyboard.press("Enter")
    tab.wait_for_function("document.querySelectorAll('#ml-list button.ml-row').length === 1")
    assert "1 problem" in tab.locator("#ml-list .ml-count").inner_text()
    tab.fill(SEARCH, "nothing like it")
    tab.click("#ml-go")
    tab.get_by_text("No problem fits").wait_for()


def test_an_opened_row_shows_its_samples_lineage_and_request(hostile: Site) -> None:
    tab = hostile.tab()
    row(tab, "plums").click()
    tab.locator("article.ml-open .katex").first.wait_for()
    assert tab.locator("article .ml-sample").count() == 2
    text = tab.locator("article").inner_text()
    for expected in ("Solution", "released", "train_small", "12 tokens", "seed", "fruit, row 7", "pears"):
        assert expected in text, expected
    tab.locator(".ml-settings summary").click()
    assert "a model <b>" in tab.locator(".ml-settings").inner_text()
    tab.locator(".ml-lineage button.ml-row").click()
    tab.wait_for_selector('article[data-open="1"]')
    assert "baskets of 4 pears" in tab.locator("article .ml-problem").inner_text()


def test_of_quick_clicks_the_last_one_counts(hostile: Site) -> None:
    tab = hostile.tab()
    tab.evaluate("for (const row of document.querySelectorAll('#ml-list button.ml-row')) row.click()")
    tab.wait_for_selector('article[data-open="4"]')
    tab.evaluate("document.querySelectorAll('#ml-list button.ml-row')[2].click()")
    tab.wait_for_selector('article[data-open="2"]')


def test_the_keyboard_is_enough(hostile: Site) -> None:
    tab = hostile.tab()
    row(tab, "Find").click()
    tab.wait_for_selector('article[data-open="0"]')
    tab.keyboard.press("/")
    assert tab.evaluate("Boolean(document.activeElement.closest('#ml-search'))")
    tab.keyboard.type("how many j k")  # letters that are typed are no orders
    assert tab.locator(SEARCH).input_value() == "how many j k"
    tab.keyboard.press("Escape")
    focused = "document.activeElement.dataset.doc"
    assert tab.evaluate(focused) == "0"
    tab.keyboard.press("j")
    tab.keyboard.press("ArrowDown")
    assert tab.evaluate(focused) == "2"
    tab.keyboard.press("k")
    tab.keyboard.press("Enter")
    tab.wait_for_selector('article[data-open="1"]')
    tab.wait_for_function("document.activeElement.tagName === 'H2'")
    tab.keyboard.press("Escape")
    assert tab.evaluate(focused) == "1"


def test_a_hostile_row_is_shown_as_it_is_written(hostile: Site) -> None:
    tab = hostile.tab()
    row(tab, "Bad").click()
    problem = tab.locator("article .ml-problem")
    problem.wait_for()
    tab.wait_for_timeout(500)
    text = problem.inner_text()
    for written in (
        "<script>window.broken = 1</script>",
        "![picture](https://example.org/a.png)",
        r"$\href{javascript:window.broken=1}{x}$",
        r"$\def\a{\a\a}\a$",
        r"$$\rule{100em}{100em}$$",
        "${window.broken = 1} {{constructor}} `code` @children",
        "⟨U+001B⟩[31mred⟨U+202E⟩gnp.exe⟨U+0000⟩",
    ):
        assert written in text, written
    assert tab.evaluate("window.broken") is None
    assert tab.locator(".ml-text").locator("a, img, script, iframe, image").count() == 0
    assert not hostile.errors


def test_nothing_is_asked_of_another_host(hostile: Site) -> None:
    tab = hostile.tab()
    row(tab, "Bad").click()
    tab.locator("article.ml-open").wait_for()
    for name in ("Funnel", "Contamination", "Versions"):
        tab.get_by_role("tab", name=name).click()
    foreign = [url for url in hostile.requests if not url.startswith((hostile.url, "data:", "blob:"))]
    assert hostile.requests
    assert not foreign


def test_the_policy_keeps_the_browser_from_asking(hostile: Site) -> None:
    tab = hostile.tab()
    asked = "fetch('http://127.0.0.1:9/x').then(() => 'asked', (error) => 'refused')"
    with tab.expect_console_message(lambda message: "Content Security Policy" in message.text):
        assert tab.evaluate(asked) == "refused"
    hostile.requests[:] = [url for url in hostile.requests if ":9/" not in url]


def test_it_answers_under_its_own_name_only(hostile: Site) -> None:
    for host, status in (("evil.example", 400), ("localhost", 200)):
        request = urllib.request.Request(hostile.url, headers={"Host": host})
        try:
            with urllib.request.urlopen(request) as answer:
                found = answer.status
        except urllib.error.HTTPError as error:
            found = error.code
        assert found == status, host


@pytest.mark.parametrize("width", [320, 390, 768])
def test_a_narrow_screen_does_not_scroll_sideways(hostile: Site, width: int) -> None:
    tab = hostile.tab(width, 740)
    for words in ("Bad", "Solve"):
        row(tab, words).click()
        tab.locator("article .ml-problem", has_text=words).wait_for()
        assert tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), words


def test_contamination_puts_rows_beside_seeds(hostile: Site) -> None:
    tab = hostile.tab()
    tab.get_by_role("tab", name="Contamination").click()
    assert "n-gram" in tab.locator("#ml-beside").inner_text()
    tab.locator("#ml-benchmark input").click()
    tab.get_by_role("option", name="school: How many pears lie").click()
    tab.locator("#ml-beside .ml-beside").wait_for()
    columns = tab.locator("#ml-beside .ml-beside section")
    assert "plums" in columns.nth(0).inner_text()
    assert "pears" in columns.nth(1).inner_text()


def test_versions_stand_side_by_side(hostile: Site) -> None:
    tab = hostile.tab()
    tab.get_by_role("tab", name="Versions").click()
    tab.click("#ml-compare")
    tab.locator("#ml-versions .ml-sample").first.wait_for()
    text = tab.locator("#ml-versions").inner_text()
    for expected in ("1 added", "0 removed", "1 changed", "8 same", "Another text."):
        assert expected in text, expected


def test_the_funnel_shows_rules_as_text(hostile: Site) -> None:
    tab = hostile.tab()
    tab.get_by_role("tab", name="Funnel").click()
    assert "3 <b>incorrect</b>" in tab.locator("table.ml-funnel").inner_text()


def test_a_build_can_be_explored(sums: Site) -> None:
    tab = sums.tab(1280, 1000)
    tab.get_by_label("Reject reason").click()
    tab.get_by_role("option", name="incorrect").click()
    tab.locator("#ml-list .ml-chip.hit").first.wait_for()
    tab.locator("#ml-list button.ml-row").nth(1).click()
    tab.locator("article .ml-sample.rejected").first.wait_for()
    tab.locator("article .katex").first.wait_for()
    text = tab.locator("article").inner_text()
    assert "rejected: incorrect" in text
    assert "released" in text
    if SCREENSHOT:
        tab.wait_for_timeout(300)
        tab.screenshot(path=SCREENSHOT)
    assert not sums.errors
