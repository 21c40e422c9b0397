"""axe-core finds nothing, in any state, in both colours, large and small."""

from collections.abc import Callable
from importlib.resources import files

import pytest
from playwright.sync_api import Page, expect

from tests.server.page.conftest import DESKTOP, PHONE
from tests.server.page.test_using import a_picture, draw, drawn, dropped
from tests.server.page.test_watching import Told
from tests.server.page.test_watching import a_picture as shown

Visit = Callable[..., Page]
AXE = (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def check(page: Page, state: str) -> None:
    """Nothing is wrong in what is shown now."""
    found = page.evaluate(
        """async (rules) => {
          const told = await axe.run(document, {
            resultTypes: ["violations"], runOnly: { type: "tag", values: rules },
          });
          return told.violations.map((each) => [each.id, each.nodes.map((one) => one.html)]);
        }""",
        RULES,
    )
    assert not found, f"{state}: {found}"


@pytest.mark.parametrize(
    ("size", "language", "scheme"),
    [(DESKTOP, "en-US", "light"), (DESKTOP, "ja-JP", "dark"), (PHONE, "ja-JP", "light")],
)
def test_axe_finds_nothing(
    visit: Visit, fake: str, size: tuple[int, int], language: str, scheme: str
) -> None:
    page = visit(fake, size, language, scheme, expected=("status of 422",))
    page.evaluate(AXE)
    check(page, "empty")
    if size == PHONE:
        page.click("#side > summary")
    page.click("#more > summary")
    draw(page, "a (red:1.3) [small] xylophone", steps=40)
    for _ in range(2):
        draw(page, "a cat", steps=2)
    expect(page.locator("#queue .queued")).to_have_count(2)
    check(page, "drawing, others waiting")
    drawn(page, "a cat")
    check(page, "drawn")
    page.click("#stage .open")
    page.keyboard.press("i")
    check(page, "viewer")
    page.keyboard.press("c")
    check(page, "compared")
    page.keyboard.press("Escape")
    for button, state in (("#open-grid", "grid"), ("#help", "keys")):
        page.click(button)
        check(page, state)
        page.keyboard.press("Escape")
    dropped(page, a_picture())
    expect(page.locator("dialog")).to_be_visible()
    check(page, "a picture came in")
    page.locator("dialog .buttons").nth(1).locator("button").first.click()
    page.wait_for_selector("#strength")
    check(page, "with a first picture")
    page.locator("#start .side-by button").first.click()
    page.wait_for_selector(".painting")
    check(page, "mask")
    page.keyboard.press("Escape")
    page.click("#choose")
    check(page, "choosing")
    page.fill("#width", "13")
    draw(page, "a cat")
    expect(page.locator("#problem")).to_be_visible()
    check(page, "a problem")


def test_axe_finds_nothing_in_what_is_drawn_at_once(visit: Visit, fake: str) -> None:
    page = visit(fake)
    page.evaluate(AXE)
    told = Told(page)
    for name, state in (("one", "running"), ("two", "running"), ("three", "failed")):
        told(name, state)
    expect(page.locator("#queue li")).to_have_count(3)
    check(page, "drawing two")
    told("one", "done", pictures=[{**shown("one"), "index": index} for index in range(6)])
    drawn(page, "one")
    check(page, "six pictures")


def test_keys_stay_in_dialogs_and_come_back(visit: Visit, fake: str) -> None:
    page = visit(fake)
    page.focus("#help")
    page.keyboard.press("Enter")
    expect(page.locator("dialog")).to_be_visible()
    for _ in range(4):
        page.keyboard.press("Tab")
        inside = (
            "document.activeElement === document.body || document.activeElement.closest('dialog')"
        )
        assert page.evaluate(f"Boolean({inside})")
    page.keyboard.press("Escape")
    expect(page.locator("#help")).to_be_focused()


def test_letters_can_be_switched_off(visit: Visit, fake: str) -> None:
    page = visit(fake)
    page.focus("#generate")
    page.keyboard.press("?")
    expect(page.locator("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    page.click("#more > summary")
    page.uncheck("#letters")
    page.focus("#generate")
    page.keyboard.press("?")
    expect(page.locator("dialog")).to_have_count(0)


def test_at_twice_the_size_nothing_is_lost(visit: Visit, fake: str) -> None:
    page = visit(fake, size=(640, 400))
    page.evaluate("document.documentElement.style.fontSize = '200%'")
    assert page.evaluate("document.documentElement.scrollWidth") <= 640
    expect(page.locator("#generate")).to_be_visible()


def test_motion_stops_where_it_is_not_wanted(visit: Visit, fake: str) -> None:
    page = visit(fake)
    draw(page, "a slow cat", steps=10)
    seen = "each => each.isConnected ? getComputedStyle(each).animationName : 'none'"
    assert page.locator(".waiting").evaluate(seen) == "none"
    drawn(page, "a slow cat")
