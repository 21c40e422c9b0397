"""The page on the real API: signing in, previews, pictures that go in, a server that dies."""

import io
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from playwright.sync_api import Page, Route, expect

from tests.server.page.conftest import Server
from tests.server.page.test_using import draw, drawn, dropped, expect_waiting, mask_of

Visit = Callable[..., Page]
TOKEN = "the-token-of-these-tests"
AWAY = (
    "ERR_CONNECTION_REFUSED",
    "ERR_CONNECTION_RESET",
    "ERR_CONTENT_LENGTH_MISMATCH",  # it went in the middle of a picture
    "ERR_EMPTY_RESPONSE",
    "ERR_INCOMPLETE",
)
A1111 = (
    "a dog on a hill\nNegative prompt: rain\nSteps: 12, Sampler: Euler a, CFG scale: 4.5, "
    "Seed: 77, Size: 96x64"
)


def serving(data: Path, pause: float = 0.03, token: str = TOKEN) -> Server:
    module = "tests.server.page.serving"
    return Server(sys.executable, "-m", module, "{port}", str(data), token, str(pause))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    found = serving(tmp_path_factory.mktemp("data"))
    found.start()
    yield found
    found.kill()


@pytest.fixture
def entered(server: Server) -> str:
    """The link that is printed."""
    return f"{server.url}#token={TOKEN}"


def test_a_stranger_is_asked_for_the_token(visit: Visit, server: Server) -> None:
    page = visit(server.url, expected=("status of 401",))
    page.fill("#token", "wrong")
    page.keyboard.press("Enter")
    expect(page.locator("dialog [role=alert]")).to_contain_text("token")
    page.fill("#token", TOKEN)
    with page.expect_navigation():
        page.keyboard.press("Enter")
    expect(page.locator("#summary")).to_contain_text("128 × 128")
    expect(page.locator("dialog")).to_have_count(0)


def test_the_link_enters_and_forgets_the_token(visit: Visit, server: Server, entered: str) -> None:
    page = visit(entered)
    expect(page.locator("#summary")).to_contain_text("128 × 128")
    assert page.url == server.url
    kept = page.evaluate("JSON.stringify(localStorage) + document.cookie")
    assert TOKEN not in kept


def test_a_picture_is_drawn_with_previews(visit: Visit, entered: str) -> None:
    page = visit(entered)
    expect(page.locator("#summary")).to_contain_text("128 × 128")
    draw(page, "a (red:1.2) apple", steps=40)
    expect(page.locator("#preview img")).to_be_visible()
    expect(page.locator("#progress-text")).to_contain_text("of 40")
    drawn(page, "a (red:1.2) apple")
    image = page.locator("#stage .open img")
    page.wait_for_function("() => document.querySelector('#stage .open img').naturalWidth > 0")
    assert image.evaluate("each => each.naturalWidth") == 128
    assert image.bounding_box()["width"] > 256
    expect(page.locator("#shelf img").first).to_be_visible()


def test_before_the_models_are_known_sizes_are_left_to_the_server(
    visit: Visit, server: Server, entered: str
) -> None:
    page = visit(entered)
    page.evaluate("localStorage.clear()")
    held: list[Route] = []
    page.route("**/v1/models*", lambda route: held.append(route))  # it wants a function
    page.goto(server.url)
    page.wait_for_selector("#stage > *")
    with page.expect_response(re.compile("/v1/jobs$")):
        draw(page, "an apple asked for early")
    while not held:
        page.wait_for_timeout(20)
    for each in held:
        each.continue_()
    drawn(page, "an apple asked for early")
    # What this worker fills where no size is said
    page.wait_for_function("() => document.querySelector('#stage .open img').naturalWidth === 64")


def test_the_settings_of_an_automatic1111_picture_are_read(visit: Visit, entered: str) -> None:
    out, info = io.BytesIO(), PngInfo()
    info.add_text("parameters", A1111)
    Image.new("RGB", (96, 64), "olive").save(out, "PNG", pnginfo=info)
    page = visit(entered)
    dropped(page, out.getvalue())
    expect(page.locator("dialog .told")).to_contain_text("a dog on a hill")
    page.click("dialog >> text=Use all settings")
    values = {"prompt": "a dog on a hill", "negative": "rain", "steps": "12", "guidance": "4.5"}
    for name, value in {**values, "seed": "77", "width": "96", "height": "64"}.items():
        expect(page.locator(f"#{name}")).to_have_value(value)
    page.keyboard.press("Control+Enter")
    drawn(page, "a dog on a hill")


def test_a_picture_that_tells_nothing_can_be_begun_at(visit: Visit, entered: str) -> None:
    out = io.BytesIO()
    Image.new("RGB", (96, 64), "olive").save(out, "PNG")
    page = visit(entered, expected=("status of 422",))
    dropped(page, out.getvalue())
    expect(page.locator("dialog")).to_contain_text("nothing of how it was made")
    page.click("dialog >> text=Begin at it")
    page.fill("#strength", "0.5")
    page.click("text=Paint a mask")
    page.click("text=Add the rectangle")
    page.click("text=Use this mask")
    page.wait_for_selector("dialog", state="detached")
    assert mask_of(page, page.url).size == (96, 64)
    draw(page, "a masked cat")
    drawn(page, "a masked cat")
    job = page.request.get(f"{page.url}v1/jobs?limit=1").json()["jobs"][0]
    assert job["request"]["strength"] == 0.5
    assert job["request"]["mask"]["width"] == 96
    assert len(job["inputs"]) == 2


def test_bad_settings_are_said_where_they_are(visit: Visit, entered: str) -> None:
    page = visit(entered, expected=("status of 422",))
    page.fill("#seed", "18446744073709551616")
    draw(page, "a cat")
    expect(page.locator("#problem")).to_contain_text("Seed must be a whole number from 0")
    expect(page.locator("#seed")).to_be_focused()


def test_a_server_that_dies_and_comes_back(visit: Visit, tmp_path: Path) -> None:
    server = serving(tmp_path, pause=0.05)
    server.start()
    try:
        page = visit(f"{server.url}#token={TOKEN}", expected=AWAY)
        draw(page, "lost in the middle", steps=100)
        draw(page, "drawn after all", steps=3)
        expect_waiting(page, "drawn after all")
        server.kill()
        expect(page.locator("#offline")).to_be_visible()
        page.fill("#prompt", "asked meanwhile")
        page.keyboard.press("Control+Enter")
        expect(page.locator("#problem")).to_contain_text("cannot be reached")
        expect(page.locator("#prompt")).to_have_value("asked meanwhile")
        server.start()
        expect(page.locator("#offline")).to_be_hidden()
        made = page.locator("#shelf button[aria-label*='drawn after all']")
        expect(made).to_have_count(1)
        again = page.locator("#shelf button[aria-label*='asked meanwhile']")
        expect(again).to_have_count(1)
    finally:
        server.kill()
