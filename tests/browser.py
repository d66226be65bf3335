"""A headless Chromium or Chrome, and what it finds wrong with a page.

with opened() as browser:
    faults = page_faults(browser, tmp_path / "report.html", width=390, scheme="dark")
"""

from __future__ import annotations

import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path

from playwright._impl._driver import compute_driver_executable

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")  # as in the Makefile
ARGUMENTS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
FAULTS = Path(__file__).with_name("page_faults.js").read_text(encoding="utf-8")
HEIGHTS = {1280: 800, 390: 844}


def find_browser() -> str | None:
    """The first that runs: a name on the path may be a stub that only says what to install. None where what drives it,
    Playwright's node, does not run."""
    for name in NAMES if driver_runs() else ():
        path = shutil.which(name)
        if path and not subprocess.run([path, "--version"], capture_output=True).returncode:
            return path
    return None


def driver_runs() -> bool:
    """Whether Playwright's node starts: it is linked to libatomic."""
    return not subprocess.run([str(compute_driver_executable()[0]), "--version"], capture_output=True).returncode


@contextmanager
def opened():
    """The browser, for the time of the block."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_browser(), args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def shown(browser, path: Path, width: int, scheme: str):
    """A page in a light or dark scheme, its details opened by clicks. Yields: the page, and a list that gets what it
    asked of other places and what went wrong while it was loaded."""
    context = browser.new_context(viewport={"width": width, "height": HEIGHTS[width]}, color_scheme=scheme)
    try:
        page, said = context.new_page(), []
        page.on("request", lambda r: None if r.url.startswith(("file:", "data:")) else said.append(f"asks for {r.url}"))
        page.on("console", lambda message: said.append(f"says {message.text}") if message.type == "error" else None)
        page.on("pageerror", lambda error: said.append(f"fails: {error}"))
        page.goto(path.resolve().as_uri(), wait_until="load")
        for summary in page.locator("summary").all():
            summary.click()
        yield page, said
    finally:
        context.close()


def page_faults(browser, path: Path, width: int, scheme: str) -> list[str]:
    """What is wrong with a page at that width (see page_faults.js); empty if nothing is."""
    with shown(browser, path, width, scheme) as (page, said):
        return [*page.evaluate(FAULTS), *said]
