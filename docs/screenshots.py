"""Takes the documentation's pictures of the page: `python docs/screenshots.py`.

The server is the real one and draws with the built-in model; the browser is Debian's Chromium.
"""

import io
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

IMAGES = Path(__file__).parent / "images"
DESKTOP, PHONE = (1280, 800), (390, 844)
PATIENCE = 120_000  # ms for a picture
COME = "[...document.querySelectorAll('#stage img, dialog img')].every((each) => each.complete)"
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")


@contextmanager
def serving() -> Iterator[str]:
    """The address of a server that has nothing yet."""
    command = [sys.executable, "-m", "kakusan", "serve", "--no-token", "--no-open", "--port", "0"]
    with tempfile.TemporaryDirectory() as data:
        server = subprocess.Popen(
            [*command, "--data", data],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        try:
            assert server.stdout is not None
            yield server.stdout.readline().split()[-1]
        finally:
            server.terminate()
            server.wait()


def opened(browser: Browser, url: str, size: tuple[int, int], language: str, scheme: str) -> Page:
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        locale=language,
        color_scheme=scheme,
        reduced_motion="reduce",
    )
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.goto(url)
    page.wait_for_function("() => document.querySelector('#steps').value === '8'")
    return page


def drawn(page: Page, prompt: str, seed: int) -> None:
    """Draws a prompt, and waits until its picture is shown and read."""
    if not page.locator("#seed").is_visible():
        page.click("#side > summary")
        page.fill("#seed", str(seed))
        page.click("#side > summary")
    else:
        page.fill("#seed", str(seed))
    page.fill("#prompt", prompt)
    page.keyboard.press("Control+Enter")
    page.locator(f"#stage .open img[alt='{prompt}']").wait_for()
    page.locator("#prompt-read:not(:empty)").wait_for()


def taken(page: Page, name: str) -> None:
    page.mouse.move(0, 0)
    page.wait_for_function(f"() => {COME}")
    page.evaluate("scrollTo(0, 0)")
    page.wait_for_timeout(500)  # until what fades has faded
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    picture.save(IMAGES / f"page-{name}.png", optimize=True)


def on_a_desktop(browser: Browser, url: str) -> None:
    page = opened(browser, url, DESKTOP, "en-US", "light")
    drawn(page, "an apple on the (beach:1.2), xylophone", 4)
    taken(page, "desktop")


def a_mask_and_what_came_of_it(browser: Browser, url: str) -> None:
    page = opened(browser, url, DESKTOP, "en-US", "light")
    drawn(page, "a cat, meadow", 21)
    page.click("text=Begin at it")
    page.click("text=Paint a mask")
    box = page.locator(".layers").bounding_box()
    assert box is not None
    across, down = [box["x"] + box["width"] * each for each in (0.16, 0.84)], box["y"]
    page.locator("dialog .slide input").fill("24")
    page.mouse.move(across[0], down + box["height"] * 0.42)
    page.mouse.down()
    for row in range(5):
        for at in across if row % 2 == 0 else across[::-1]:
            page.mouse.move(at, down + box["height"] * (0.42 + 0.11 * row), steps=12)
    page.mouse.up()
    taken(page, "mask")
    page.click("text=Use this mask")
    page.wait_for_selector("dialog", state="detached")
    drawn(page, "a dog, meadow", 21)
    page.click("#stage .open")
    page.keyboard.press("i")
    page.keyboard.press("c")
    taken(page, "viewer")


def a_grid(browser: Browser, url: str) -> None:
    page = opened(browser, url, DESKTOP, "en-US", "light")
    page.fill("#prompt", "a cat in the snow")
    page.fill("#seed", "5")
    page.click("#more > summary")
    page.click("#open-grid")
    page.fill("#grid-x-values", "5, 10, 25")
    page.select_option("#grid-y", "prompt")
    page.fill("#grid-y-values", "cat, dog")
    page.click("text=Draw the grid")
    page.wait_for_function("() => document.querySelectorAll('dialog td img').length === 6")
    taken(page, "grid")


def in_japanese(browser: Browser, url: str) -> None:
    page = opened(browser, url, DESKTOP, "ja-JP", "dark")
    drawn(page, "雪の中のペンギン", 3)
    taken(page, "ja-dark")
    page = opened(browser, url, PHONE, "ja-JP", "dark")
    drawn(page, "浜辺のりんご", 8)
    taken(page, "phone")


def main() -> None:
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("chromium is not installed: apt-get install chromium")
    with sync_playwright() as playwright, serving() as url:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        for work in (on_a_desktop, a_mask_and_what_came_of_it, a_grid, in_japanese):
            work(browser, url)
        browser.close()


if __name__ == "__main__":
    main()
