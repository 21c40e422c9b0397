"""What a picture was drawn with is taken over whole; what is wrong is said; nothing is lost."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from playwright.sync_api import Page, Route, expect

from tests.server.page.conftest import Server
from tests.server.page.test_serving import AWAY, serving
from tests.server.page.test_using import a_picture, draw, drawn, dropped, mask_of

Visit = Callable[..., Page]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    found = serving(tmp_path_factory.mktemp("data"), token="")
    found.start()
    yield found
    found.kill()


def latest(page: Page) -> dict[str, Any]:
    return page.request.get(f"{page.url}v1/jobs?limit=1").json()["jobs"][0]


def chosen(page: Page, button: str, data: bytes) -> None:
    """Chooses a file by a button of the page."""
    with page.expect_file_chooser() as asked:
        page.click(button)
    asked.value.set_files({"name": "picture.png", "mimeType": "image/png", "buffer": data})


def begun_at(page: Page, size: tuple[int, int] = (64, 48)) -> None:
    chosen(page, "#start >> text=Choose a picture", a_picture(size))
    page.wait_for_selector("#strength")


def steered(page: Page) -> None:
    """A form with a first picture, a mask and a ControlNet."""
    begun_at(page)
    page.fill("#strength", "0.75")
    page.click("text=Paint a mask")
    page.fill("dialog input[name=left]", "8")
    page.click("text=Add the rectangle")
    page.click("text=Use this mask")
    page.wait_for_selector("dialog", state="detached")
    page.fill("#mask-blur", "2")
    page.click("#more > summary")
    page.click("text=Add a ControlNet")
    chosen(page, "#controls >> text=Choose a picture", a_picture((48, 64)))
    page.wait_for_selector("#controls img")
    page.fill("#control-0", "0.7")


def test_a_picture_to_begin_at_has_its_own_steps(visit: Visit, server: Server) -> None:
    page = visit(server.url)
    expect(page.locator("#steps")).to_have_value("8")
    begun_at(page)
    expect(page.locator("#steps")).to_have_value("25")
    page.fill("#prompt", "a picture begun at")
    page.keyboard.press("Control+Enter")
    drawn(page, "a picture begun at")
    assert latest(page)["request"]["num_inference_steps"] == 25


def test_all_settings_bring_back_the_pictures_that_were_begun_at(
    visit: Visit, server: Server
) -> None:
    page = visit(server.url)
    steered(page)
    mask = mask_of(page, page.url).tobytes()
    draw(page, "a steered cat")
    drawn(page, "a steered cat")
    first = latest(page)
    page.click("#reset")
    expect(page.locator("#start img")).to_have_count(0)
    page.click("#stage .open")
    page.keyboard.press("a")
    page.wait_for_selector("dialog", state="detached")
    expect(page.locator("#strength")).to_have_value("0.75")
    expect(page.locator("#mask-blur")).to_have_value("2")
    expect(page.locator("#control-0")).to_have_value("0.7")
    expect(page.locator("#controls img")).to_have_count(1)
    expect(page.locator("#scheduler")).to_have_value("")
    expect(page.locator("#prompt")).to_be_focused()
    assert mask_of(page, page.url).tobytes() == mask
    page.keyboard.press("Control+Enter")
    expect(page.locator("#shelf button[aria-label*='a steered cat']")).to_have_count(2)
    assert latest(page)["id"] != first["id"]
    assert latest(page)["request"] == first["request"]
    # and a picture that was begun at none brings none
    page.click("#reset")
    draw(page, "a plain cat")
    drawn(page, "a plain cat")
    begun_at(page)
    page.click("#stage .open")
    page.keyboard.press("a")
    page.wait_for_selector("dialog", state="detached")
    expect(page.locator("#start img")).to_have_count(0)


def test_what_was_set_comes_back(visit: Visit, server: Server) -> None:
    page = visit(server.url)
    steered(page)
    mask = mask_of(page, page.url).tobytes()
    page.click("#reset")
    expect(page.locator("#start img")).to_have_count(0)
    expect(page.locator("#reset")).to_have_text("Take back what was set")
    page.click("#reset")
    expect(page.locator("#strength")).to_have_value("0.75")
    expect(page.locator("#controls img")).to_have_count(1)
    assert mask_of(page, page.url).tobytes() == mask
    page.click("#reset")
    page.fill("#prompt", "something else")
    expect(page.locator("#reset")).to_have_text("Back to the usual settings")


def test_what_is_gone_is_said_and_the_rest_is_taken(visit: Visit, tmp_path: Path) -> None:
    server = serving(tmp_path, token="")
    server.start()
    try:
        page = visit(server.url, expected=("status of 422", *AWAY))
        begun_at(page)
        draw(page, "a cat from a picture")
        drawn(page, "a cat from a picture")
        for each in tmp_path.rglob("inputs/*.png"):
            each.unlink()
        page.click("#more > summary")
        page.click("#reset")
        page.fill("#prompt", "")
        page.click("#stage .open")
        page.keyboard.press("a")
        expect(page.locator("#problem")).to_contain_text("not the pictures")
        expect(page.locator("#prompt")).to_have_value("a cat from a picture")
    finally:
        server.kill()


def test_variations_begin_at_the_same_picture(visit: Visit, server: Server) -> None:
    page = visit(server.url)
    begun_at(page)
    page.click("#more > summary")
    page.select_option("#scheduler", "euler")
    draw(page, "a varied cat")
    drawn(page, "a varied cat")
    first = latest(page)
    page.click("#reset")
    page.click("text=Four variations")
    expect(page.locator("#stage .strip button")).to_have_count(4)
    asked = latest(page)["request"]
    for name in ("image", "strength", "scheduler", "seed", "prompt"):
        assert asked[name] == first["request"][name], name
    assert asked["variation_strength"] == 0.25


def test_what_another_tool_did_beside_is_sent_along(visit: Visit, server: Server) -> None:
    out, info = io.BytesIO(), PngInfo()
    info.add_text(
        "parameters",
        "a cat\nSteps: 4, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 4, Seed: 5, "
        "Size: 64x64, RNG: CPU, Denoising strength: 0.5, Hires upscale: 2, Hires upscaler: Latent",
    )
    Image.new("RGB", (64, 64)).save(out, "PNG", pnginfo=info)
    page = visit(server.url)
    dropped(page, out.getvalue())
    expect(page.locator("dialog .told")).to_contain_text("second_pass")
    page.click("dialog >> text=Use all settings")
    expect(page.locator("#summary")).to_contain_text("from the picture: 3 more")
    page.click("#more > summary")
    expect(page.locator("#extra")).to_contain_text("second_pass: scale 2, upscaler Latent")
    page.reload()
    page.wait_for_selector("#stage > *")  # else the key is pressed before anything listens
    page.keyboard.press("Control+Enter")
    drawn(page, "a cat")
    asked = latest(page)["request"]
    assert (asked["rng"], asked["second_pass"]["scale"]) == ("webui-cpu", 2.0)
    page.click("#extra >> text=Do without these")
    expect(page.locator("#extra-field")).to_be_hidden()
    draw(page, "a cat without")
    drawn(page, "a cat without")
    assert "second_pass" not in latest(page)["request"]


def test_a_picture_of_our_own_brings_its_noise_levels(visit: Visit, server: Server) -> None:
    from kakusan.images.metadata import encoded

    config = {"_class_name": "DPMSolverMultistepScheduler", "use_karras_sigmas": True}
    record = {"kakusan": "1", "prompt": "a cat", "seed": 5, "scheduler": config}
    page = visit(server.url)
    dropped(page, encoded(Image.new("RGB", (64, 64)), "PNG", record))
    page.click("dialog >> text=Use all settings")
    page.click("#more > summary")
    shown = page.locator("#scheduler option:checked")
    expect(shown).to_have_text("DPMSolverMultistep, as in the picture")
    page.keyboard.press("Control+Enter")
    drawn(page, "a cat")
    assert latest(page)["request"]["scheduler"] == config


def test_a_broken_picture_is_not_offered(visit: Visit, server: Server) -> None:
    page = visit(server.url)
    dropped(page, b"\x89PNG\r\n\x1a\n" + bytes(99))
    expect(page.locator("#problem")).to_contain_text("is broken, or no picture")
    expect(page.locator("dialog")).to_have_count(0)
    dropped(page, b"not a picture", "text/plain")
    expect(page.locator("#problem")).to_contain_text("PNG, JPEG or WebP")


@pytest.mark.parametrize(
    ("id", "value", "said"),
    [
        ("width", "100", "幅は 8 の倍数にしてください（入力は 100、近い値は 96 と 104）"),
        ("height", "99999", "高さは 8 から 4096 までの整数"),
        ("steps", "0", "ステップ数は 1 から 1000 までの整数"),
        ("seed", "abc", "シードは 0 から 18446744073709551615 までの整数"),
    ],
)
def test_what_is_wrong_is_said_in_the_pages_language(
    visit: Visit, server: Server, id: str, value: str, said: str
) -> None:
    page = visit(server.url, language="ja-JP")
    page.fill("#prompt", "猫")
    page.fill(f"#{id}", value)
    page.click("#generate")
    expect(page.locator("#problem")).to_contain_text(said)
    expect(page.locator(f"#{id}")).to_be_focused()


def test_what_the_server_refuses_is_said_in_the_pages_words(visit: Visit, server: Server) -> None:
    page = visit(server.url, expected=("status of 422",))
    page.fill("#count", "1000")
    draw(page, "a cat")
    expect(page.locator("#problem")).to_have_text(
        "Pictures asks for 1000 pictures; this server draws at most 100 at once"
    )
    expect(page.locator("#count")).to_be_focused()


def test_a_controlnet_without_a_picture_is_not_left_out_in_silence(
    visit: Visit, server: Server
) -> None:
    page = visit(server.url)
    page.click("#more > summary")
    page.click("text=Add a ControlNet")
    draw(page, "a cat")
    expect(page.locator("#problem")).to_contain_text("A ControlNet has no picture yet")
    expect(page.locator("#controls [data-missing]")).to_be_focused()
    page.click("#open-grid")
    page.fill("#grid-x-values", "1, 2")
    page.click("text=Draw the grid")
    expect(page.locator("dialog [role=alert]")).to_contain_text("A ControlNet has no picture yet")
    page.fill("#grid-x-values", "1, 2, 3")
    expect(page.locator("dialog [role=alert]")).to_be_hidden()


def test_keys_go_on_where_something_was_put_or_taken_away(visit: Visit, server: Server) -> None:
    page = visit(server.url)
    begun_at(page)
    page.get_by_role("button", name="Paint a mask").press("Enter")
    page.click("text=Add the rectangle")
    page.get_by_role("button", name="Use this mask").press("Enter")
    expect(page.get_by_role("button", name="Change the mask")).to_be_focused()
    page.get_by_role("button", name="Remove the mask").press("Enter")
    expect(page.get_by_role("button", name="Paint a mask")).to_be_focused()
    page.click("#more > summary")
    page.get_by_role("button", name="Add a ControlNet").press("Enter")
    expect(page.locator("#controls [data-missing]")).to_be_focused()
    page.get_by_role("button", name="Remove this ControlNet").press("Enter")
    expect(page.get_by_role("button", name="Add a ControlNet")).to_be_focused()


def test_the_line_beside_the_button_tells_what_steers(visit: Visit, server: Server) -> None:
    page = visit(server.url)
    begun_at(page)
    expect(page.locator("#summary")).to_contain_text("from a picture, strength 0.6")
    page.click("#more > summary")
    page.click("#reset")
    expect(page.locator("#summary")).not_to_contain_text("from a picture")


def test_what_is_typed_before_the_models_are_known_stays(visit: Visit, server: Server) -> None:
    page = visit(server.url)
    page.evaluate("localStorage.clear()")
    held: list[Route] = []
    page.route("**/v1/models*", lambda route: held.append(route))  # it wants a function
    page.reload()
    page.wait_for_selector("#stage > *")
    page.fill("#width", "96")
    while not held:
        page.wait_for_timeout(20)
    with page.expect_response("**/v1/models*"):
        for each in held:
            each.continue_()
    draw(page, "a cat typed early")
    drawn(page, "a cat typed early")
    assert latest(page)["request"]["width"] == 96


def test_several_that_were_asked_for_meanwhile_are_all_sent(visit: Visit, tmp_path: Path) -> None:
    server = serving(tmp_path, token="")
    server.start()
    try:
        page = visit(server.url, expected=AWAY)
        server.kill()
        for name in ("the first", "the second"):
            draw(page, name)
            expect(page.locator("#problem")).to_contain_text("is sent as soon as")
        server.start()
        for name in ("the first", "the second"):
            made = page.locator(f"#shelf button[aria-label*='{name}']")
            expect(made).to_have_count(1)
        expect(page.locator("#problem")).to_be_hidden()
    finally:
        server.kill()
