"""Chromium, and a page that someone has logged in to."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.servers.portal import Portal

FLAGS = [
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
]
PASSWORD = "a-long-enough-password"


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium; a missing one fails."""
    path = shutil.which("chromium")
    assert path, "chromium is not installed: run deploy/local/install-test-servers.sh"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def login(browser: Browser, portal: Portal) -> Iterator[Callable[..., Page]]:
    """`login("radiologist")`: a page at the worklist, in a browser of its own."""
    contexts = []

    def log_in(who: str, width: int = 1440, height: int = 900) -> Page:
        context = browser.new_context(viewport={"width": width, "height": height})
        contexts.append(context)
        page = context.new_page()
        page.faults = []  # type: ignore[attr-defined]
        page.on("pageerror", lambda error: page.faults.append(str(error)))  # type: ignore[attr-defined]
        page.on(
            "console",
            lambda message: (
                page.faults.append(message.text)  # type: ignore[attr-defined]
                if "Content Security Policy" in message.text
                else None
            ),
        )
        page.goto(f"{portal.stack.base_url}/login/")
        page.fill("input[name=username]", who)
        page.fill("input[name=password]", PASSWORD)
        page.click("button[type=submit]")
        page.wait_for_url(f"{portal.stack.base_url}/")
        return page

    yield log_in
    for context in contexts:
        context.close()


def until(page: Page, expression: str, seconds: float = 30, argument: Any = None) -> Any:
    """Poll a JavaScript expression until it is true: the CSP forbids wait_for_function."""
    deadline = time.monotonic() + seconds
    while True:
        value = page.evaluate(expression, argument)
        if value:
            return value
        assert time.monotonic() < deadline, f"not in {seconds} s: {expression}\n{page.url}"
        page.wait_for_timeout(50)
