"""The page as people use it, on a server that answers from memory."""

import io
import re
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.server.page.conftest import PHONE

Visit = Callable[..., Page]
REFUSED = ("the server responded with a status of 422",)


def draw(page: Page, prompt: str, *, steps: int = 2) -> None:
    page.fill("#steps", str(steps))
    page.fill("#prompt", prompt)
    page.keyboard.press("Control+Enter")


def drawn(page: Page, prompt: str) -> None:
    """Waits until the picture of a prompt is the one that is shown."""
    expect(page.locator("#stage .open img")).to_have_attribute("alt", prompt)


def dropped(page: Page, data: bytes, kind: str = "image/png") -> None:
    page.evaluate(
        """([bytes, type]) => {
          const all = new DataTransfer();
          all.items.add(new File([new Uint8Array(bytes)], "picture", { type }));
          for (const name of ["dragenter", "drop"])
            dispatchEvent(new DragEvent(name, { dataTransfer: all, bubbles: true }));
        }""",
        [list(data), kind],
    )


def a_picture(size: tuple[int, int] = (64, 48)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, "teal").save(out, "PNG")
    return out.getvalue()


def test_from_a_prompt_to_the_saved_picture_by_keys_alone(visit: Visit, fake: str) -> None:
    page = visit(fake)
    expect(page.locator("#prompt")).to_be_focused()
    page.keyboard.type("a cat by keys")
    for _ in range(8):  # to the number of steps
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "generate":
            break
    page.keyboard.press("Enter")
    drawn(page, "a cat by keys")
    expect(page.locator("#live")).to_have_text(re.compile("ready"))
    for _ in range(6):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent") == "Save":
            break
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    assert re.fullmatch(r"kakusan-\d+\.png", download.value.suggested_filename)


def test_a_finger_finds_no_keyboard_over_the_page(visit: Visit, fake: str) -> None:
    page = visit(fake, PHONE)
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#prompt")).to_be_focused()


def test_a_reload_finds_the_running_job_and_the_form(visit: Visit, fake: str) -> None:
    page = visit(fake)
    draw(page, "a slow horse", steps=25)
    page.fill("#negative", "rain")
    expect(page.locator("#progress-text")).to_contain_text("of 25")
    page.reload()
    expect(page.locator("#prompt")).to_have_value("a slow horse")
    expect(page.locator("#negative")).to_have_value("rain")
    expect(page.locator("#progress-text")).to_contain_text("of 25")
    drawn(page, "a slow horse")


def test_what_is_wrong_is_said_beside_the_button(visit: Visit, fake: str) -> None:
    page = visit(fake, expected=REFUSED)
    page.keyboard.press("Control+Enter")
    expect(page.locator("#problem")).to_have_text("Write what the picture should show.")
    expect(page.locator("#prompt")).to_be_focused()
    page.fill("#width", "100")
    draw(page, "a wide cat")
    expect(page.locator("#problem")).to_contain_text("multiple of 8")
    expect(page.locator("#width")).to_be_focused()
    expect(page.locator("#width")).to_have_attribute("aria-invalid", "true")
    page.fill("#width", "96")
    draw(page, "a wide cat")
    drawn(page, "a wide cat")
    expect(page.locator("#problem")).to_be_hidden()


def test_what_failed_is_told_and_can_be_tried_again(visit: Visit, fake: str) -> None:
    page = visit(fake)
    draw(page, "this will fail")
    expect(page.locator("#stage .problem")).to_contain_text("the drawing went wrong")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("#queue .failed")).to_have_count(2)
    for _ in range(2):
        page.click("#queue [data-act=dismiss] >> nth=0")
    expect(page.locator("#queue-part")).to_be_hidden()


def expect_waiting(page: Page, *prompts: str) -> None:
    """Waits until just these jobs wait, in this order: the drawn one waits too until it begins."""
    expect(page.locator("#queue .queued .what p:first-child")).to_have_text(prompts)


def test_the_queue_is_put_in_another_order_and_cleared(visit: Visit, fake: str) -> None:
    page = visit(fake)
    draw(page, "long", steps=150)
    for name in ("one", "two", "three"):
        draw(page, name)
    expect_waiting(page, "one", "two", "three")
    page.click("#queue .queued:nth-of-type(4) [data-act=top]")
    first = page.locator("#queue .queued .what p:first-child").first
    expect(first).to_have_text("three")
    page.locator("#queue .queued [data-act=down]").first.press("Enter")
    expect(first).to_have_text("one")
    expect_waiting(page, "one", "three", "two")
    rows = page.locator("#queue .queued")
    rows.nth(2).locator(".grip").drag_to(rows.nth(0))
    expect(first).to_have_text("two")
    page.locator("#queue .queued [data-act=cancel]").first.click()
    expect(rows).to_have_count(2)
    draw(page, "before all", steps=2)
    page.fill("#prompt", "first of all")
    page.keyboard.press("Control+Shift+Enter")
    expect(first).to_have_text("first of all")
    page.click("#queue-clear")
    expect(rows).to_have_count(0)
    page.click("#stage >> text=Cancel")
    expect(page.locator("#stage")).to_contain_text("Cancelled")


def test_history_is_searched_and_looked_through(visit: Visit, fake: str) -> None:
    page = visit(fake)
    for name in ("green needle", "blue hay", "red hay"):
        draw(page, name)
        drawn(page, name)
    page.fill("#find", "hay")
    expect(page.locator("#shelf button")).to_have_count(2)
    page.fill("#find", "nothing has this")
    expect(page.locator("#shelf-empty")).to_be_visible()
    page.fill("#find", "hay")
    page.locator("#shelf button").first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.locator(".view img")).to_have_attribute("alt", "blue hay")
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".view img")).to_have_attribute("alt", "red hay")
    page.keyboard.press("i")
    expect(page.locator(".info")).to_contain_text("red hay")
    page.keyboard.press("c")
    slider = page.locator(".compared input")
    expect(slider).to_be_focused()
    before = page.locator(".compared .edge").evaluate("each => each.style.left")
    page.keyboard.press("ArrowRight")
    assert page.locator(".compared .edge").evaluate("each => each.style.left") != before
    page.keyboard.press("s")
    expect(page.locator("#seed-lock")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#seed")).not_to_have_value("")
    expect(page.locator("dialog")).to_have_count(0)


def test_pictures_are_chosen_and_deleted(visit: Visit, fake: str) -> None:
    page = visit(fake)
    for name in ("keep me", "drop me"):
        draw(page, name)
        drawn(page, name)
    page.fill("#find", "me")
    expect(page.locator("#shelf button")).to_have_count(2)
    page.click("#choose")
    page.locator("#shelf button[aria-label*='drop me']").click()
    expect(page.locator("#chosen")).to_contain_text("Selected: 1")
    page.once("dialog", lambda asked: asked.accept())
    page.click("#chosen >> text=Delete")
    expect(page.locator("#shelf button")).to_have_count(1)


def test_a_picture_is_read_when_it_is_dropped(visit: Visit, fake: str) -> None:
    page = visit(fake)
    dropped(page, a_picture())
    expect(page.locator("dialog")).to_contain_text("AUTOMATIC1111")
    page.click("dialog >> text=Use all settings")
    expect(page.locator("#prompt")).to_have_value("a cat")
    expect(page.locator("#steps")).to_have_value("12")
    expect(page.locator("#seed")).to_have_value("7")
    dropped(page, b"not a picture", "text/plain")
    expect(page.locator("#problem")).to_contain_text("PNG, JPEG or WebP")


def test_a_mask_is_painted_and_given_in_numbers(visit: Visit, fake: str) -> None:
    page = visit(fake)
    dropped(page, a_picture())
    page.click("dialog >> text=Begin at it")
    page.click("text=Paint a mask")
    page.click("text=Use this mask")
    expect(page.locator("dialog [role=alert]")).to_contain_text("Nothing is painted")
    for name, value in {"left": 8, "top": 8, "width": 16, "height": 16}.items():
        page.fill(f"dialog input[name={name}]", str(value))
    page.click("text=Add the rectangle")
    box = page.locator(".layers").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + box["height"] * 0.8)
    page.mouse.down()
    page.mouse.up()
    page.keyboard.press("Control+z")
    page.keyboard.press("e")
    expect(page.locator("dialog button[aria-pressed=true]")).to_have_text("Eraser")
    size = page.locator("dialog .slide input").input_value()
    page.keyboard.press("]")
    assert int(page.locator("dialog .slide input").input_value()) > int(size)
    page.click("text=Use this mask")
    expect(page.locator("img[alt^=Mask]")).to_be_visible()
    data = mask_of(page, fake)
    assert data.size == (64, 48)
    assert [data.getpixel(at) for at in ((0, 0), (10, 10), (23, 23), (25, 25))] == [0, 255, 255, 0]
    page.click("text=Change the mask")
    page.wait_for_selector(".painting")
    page.keyboard.press("i")
    page.click("text=Use this mask")
    page.wait_for_selector("dialog", state="detached")
    assert mask_of(page, fake).getpixel((10, 10)) == 0


def mask_of(page: Page, url: str) -> Image.Image:
    form = page.evaluate("JSON.parse(localStorage.getItem('kakusan.form'))")
    answer = page.request.get(f"{url}v1/inputs/{form['mask']['id']}")
    return Image.open(io.BytesIO(answer.body())).convert("L")


def test_a_grid_draws_each_pair(visit: Visit, fake: str) -> None:
    page = visit(fake)
    page.fill("#prompt", "a cat at dusk")
    page.click("#more > summary")
    page.click("#open-grid")
    page.fill("#grid-x-values", "one, two")
    page.click("text=Draw the grid")
    expect(page.locator("dialog [role=alert]")).to_contain_text("not numbers")
    page.fill("#grid-x-values", "1, 2")
    page.select_option("#grid-y", "prompt")
    page.fill("#grid-y-values", "cat, dog")
    expect(page.locator("dialog [role=status]")).to_have_text("Pictures: 4")
    page.click("text=Draw the grid")
    expect(page.locator("dialog td img")).to_have_count(4)
    names = page.locator("dialog td button").evaluate_all("all => all.map(e => e.ariaLabel)")
    assert [each.rpartition("a ")[2] for each in names] == ["cat at dusk"] * 2 + ["dog at dusk"] * 2
    with page.expect_download() as download:
        page.click("text=Save as one picture")
    whole = Image.open(download.value.path()).convert("RGB")
    below = page.locator("dialog td img").nth(2).get_attribute("src").partition("?")[0]
    third = Image.open(io.BytesIO(page.request.get(fake.rstrip("/") + below).body()))
    left, top = whole.width - 2 * (128 + 8), whole.height - (128 + 8)
    assert whole.crop((left, top, left + 128, top + 128)).tobytes() == third.tobytes()
    assert whole.getpixel((0, 0)) == (255, 255, 255)
    page.reload()
    page.wait_for_selector("#stage > *")  # else it is clicked before anything listens
    page.click("#open-grid")
    expect(page.locator("dialog td img")).to_have_count(4)


def test_each_model_is_remembered_with_its_settings(visit: Visit, fake: str) -> None:
    page = visit(fake)
    page.fill("#steps", "9")
    page.select_option("#model", "other")
    expect(page.locator("#steps")).to_have_value("20")
    expect(page.locator("#width")).to_have_value("512")
    page.reload()
    expect(page.locator("#model")).to_have_value("other")
    page.select_option("#model", "builtin")
    expect(page.locator("#steps")).to_have_value("9")


def test_a_link_carries_the_settings(visit: Visit, fake: str) -> None:
    page = visit(fake)
    page.fill("#prompt", "shared & <b>bold</b>")
    page.fill("#guidance", "4.5")
    link = page.evaluate(
        "async (src) => (await import(src)).link()",
        page.get_attribute("script[type=module]", "src").replace("main.js", "link.js"),
    )
    assert link.startswith(f"{fake}#settings=")
    other = visit(link)
    expect(other.locator("#prompt")).to_have_value("shared & <b>bold</b>")
    expect(other.locator("#guidance")).to_have_value("4.5")
    assert other.url == fake


def test_words_and_weights_are_marked(visit: Visit, fake: str) -> None:
    page = visit(fake)
    page.fill("#prompt", "a (red:1.3) xylophone")
    expect(page.locator("#prompt-read")).to_contain_text("of 38 tokens")
    expect(page.locator("#prompt-read")).to_contain_text("“xylophone”")
    expect(page.locator("#prompt-marks .strange")).to_have_text("xylophone")
    assert "color-mix" in page.locator("#prompt-marks mark").first.get_attribute("style")
    page.fill("#prompt", "a red apple, " * 20)
    expect(page.locator("#prompt-marks .chunk")).not_to_have_count(0)
    page.focus("#prompt")
    page.fill("#prompt", "a red apple")
    page.evaluate("document.getElementById('prompt').setSelectionRange(3, 3)")
    page.keyboard.press("Control+ArrowUp")
    expect(page.locator("#prompt")).to_have_value("a (red:1.1) apple")
    page.keyboard.press("Control+z")
    expect(page.locator("#prompt")).to_have_value("a red apple")


def test_language_and_colours_are_kept(visit: Visit, fake: str) -> None:
    page = visit(fake, language="ja-JP")
    expect(page.locator("#generate")).to_contain_text("描く")
    page.select_option("#language", "en")
    expect(page.locator("#generate")).to_contain_text("Draw")
    page.click("#theme")
    page.click("#theme")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(page.locator("html")).to_have_attribute("lang", "en")


@pytest.mark.parametrize("size", [PHONE, (320, 640), (640, 400)])
def test_nothing_is_wider_than_the_page(visit: Visit, fake: str, size: Any) -> None:
    page = visit(fake, size=size, language="ja-JP")
    draw_on_phone(page)
    page.evaluate("document.getElementById('more').open = true")
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    small = page.evaluate(
        """() => [...document.querySelectorAll("button, select, input:not([type=checkbox])")]
          .filter((each) => each.checkVisibility() && each.getBoundingClientRect().height)
          .filter((each) => each.getBoundingClientRect().height < 43.5)
          .map((each) => each.outerHTML.slice(0, 100))"""
    )
    assert not small


def draw_on_phone(page: Page) -> None:
    page.click("#side > summary")
    page.fill("#steps", "2")
    page.fill("#prompt", "浜辺の赤いりんご")
    page.click("#generate")
    drawn(page, "浜辺の赤いりんご")
