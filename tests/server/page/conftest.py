"""A browser, servers for it, and pages in which nothing may go wrong unseen."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
DESKTOP, PHONE = (1280, 800), (390, 844)
ROOT = Path(__file__).parents[3]
START = 120.0  # seconds a server may take
expect.set_options(timeout=15_000)


class Server:
    """A server in a process of its own, which can be killed and started again."""

    def __init__(self, *command: str, port: int | None = None) -> None:
        self.port = port or free_port()
        self.command = [each.replace("{port}", str(self.port)) for each in command]
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def start(self) -> None:
        self.process = subprocess.Popen(
            self.command,
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        end = time.monotonic() + START
        while True:
            with suppress(OSError):
                urllib.request.urlopen(self.url, timeout=5).close()
                return
            assert self.process.poll() is None, "the server has ended"
            assert time.monotonic() < end, "the server does not answer"
            time.sleep(0.05)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def fake_server(pace: float) -> Server:
    return Server(sys.executable, "-m", "tests.server.page.fake", "{port}", str(pace))


@pytest.fixture(scope="session")
def fake() -> Iterator[str]:
    """The address of a server that answers from memory, ten steps a second."""
    server = fake_server(0.1)
    server.start()
    yield server.url
    server.kill()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser; until it is closed, no other test of the process can run an event loop."""
    if not Path(CHROMIUM).exists():
        pytest.skip("Debian's chromium is not installed: apt-get install chromium")
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        yield found
        found.close()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens pages; what they complain of in the console fails the test.

    `expected` are parts of complaints that belong to the test.
    """
    complaints: list[str] = []
    contexts = []

    def open_page(
        url: str,
        size: tuple[int, int] = DESKTOP,
        language: str = "en-US",
        scheme: str = "light",
        expected: tuple[str, ...] = (),
        reduced: str = "reduce",
    ) -> Page:
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            locale=language,
            color_scheme=scheme,
            has_touch=size[0] < 720,
            reduced_motion=reduced,
            accept_downloads=True,
        )
        context.set_default_timeout(15_000)
        contexts.append(context)
        page = context.new_page()

        def heard(message: ConsoleMessage) -> None:
            known = any(each in message.text for each in expected)
            if message.type in ("error", "warning") and not known:
                complaints.append(message.text)

        page.on("console", heard)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(url)
        page.wait_for_selector("#stage > *")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not complaints
