"""From a click to the finished picture: the real server and worker, with the built-in model."""

import io
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from playwright.sync_api import Page, expect
from safetensors.torch import save_file

import kakusan
from kakusan.models.unet import UNet2DConditionModel
from kakusan.server.worker.catalog import Catalog
from kakusan.training.lora import adapt, save_lora
from tests.server.page.conftest import PHONE, Server
from tests.server.page.test_taking import chosen, latest
from tests.server.page.test_using import drawn

Visit = Callable[..., Page]
ROUNDING = 2  # levels of 255 that a sum in another order may change
STEPS, SEED = 4, 7


@pytest.fixture(scope="module")
def lora(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small one for the built-in model, which changes much."""
    folder = Catalog.of().find("model", "builtin").path
    assert folder is not None
    generator = torch.Generator().manual_seed(3)
    unet = UNet2DConditionModel.from_pretrained(folder, subfolder="unet")
    adapters = adapt(unet, 2, 2.0, generator=generator)
    for each in adapters.values():
        each.lora_B.data.copy_(torch.randn(each.lora_B.shape, generator=generator) * 0.4)
    path = tmp_path_factory.mktemp("loras") / "bent.safetensors"
    save_lora(adapters, path)
    return path


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A word for the built-in model's text encoder, of noise."""
    path = tmp_path_factory.mktemp("learnt") / "blurry.safetensors"
    values = torch.randn((1, 256), generator=torch.Generator().manual_seed(5)) * 0.1
    save_file({"emb_params": values}, path)
    return path


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, lora: Path, learnt: Path) -> Iterator[Server]:
    command = ["-m", "kakusan", "serve", "--no-token", "--no-open", "--port", "{port}"]
    command += ["--data", str(tmp_path_factory.mktemp("data")), "--lora-dir", str(lora.parent)]
    found = Server(sys.executable, *command, "--embeddings", str(learnt))
    found.start()
    yield found
    found.kill()


@pytest.fixture
def page(visit: Visit, server: Server) -> Page:
    """The page with few steps and a seed."""
    found = visit(server.url)
    found.click("#more > summary")
    found.fill("#steps", str(STEPS))
    found.fill("#seed", str(SEED))
    return found


def finished(page: Page, prompt: str) -> np.ndarray:
    """The pixels of the picture of a prompt, asked for by the button and looked at."""
    page.fill("#prompt", prompt)
    before = page.locator("#shelf button").count()
    page.click("#generate")
    expect(page.locator("#shelf button")).not_to_have_count(before)
    drawn(page, prompt)
    job = latest(page)
    assert (job["state"], job["error"]) == ("done", None)
    return pixels(page, job, 0)


def pixels(page: Page, job: dict[str, Any], index: int) -> np.ndarray:
    body = page.request.get(page.url.rstrip("/") + job["pictures"][index]["url"]).body()
    return np.asarray(Image.open(io.BytesIO(body)).convert("RGB")).astype(int)


def solo(prompt: str, **settings: Any) -> np.ndarray:
    """The same of a call in Python, which the page's is to equal but for rounding."""
    usual = {"steps": STEPS, "seed": SEED, "progress": False, "prompt_syntax": "webui"}
    return np.asarray(kakusan.generate(prompt, **{**usual, **settings})[0].image).astype(int)


def a_file(pixels: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(out, "PNG")
    return out.getvalue()


def furthest(a: np.ndarray, b: np.ndarray) -> int:
    return int(np.abs(a - b).max())


def test_a_prompt_with_weights(page: Page) -> None:
    made = finished(page, "a (red apple:1.3) on the beach")
    assert furthest(made, solo("a (red apple:1.3) on the beach")) <= ROUNDING


def test_a_lora_of_the_picker(page: Page, lora: Path) -> None:
    page.click("text=Add a LoRA")
    picker = page.get_by_label("LoRA", exact=True)
    expect(picker.locator("option")).to_have_text(["bent"])
    page.fill("#lora-0", "0.8")
    worn = finished(page, "a cat")
    assert furthest(worn, solo("a cat", loras=[(str(lora), 0.8)])) <= ROUNDING
    page.click("[aria-label='Remove this LoRA']")
    bare = finished(page, "a cat")
    assert furthest(bare, solo("a cat")) <= ROUNDING
    assert furthest(bare, worn) > 50


def test_a_learnt_word_acts_by_its_name(page: Page, learnt: Path) -> None:
    page.fill("#prompt", "a catt, Blurry")
    expect(page.locator("#prompt-read")).to_contain_text("“catt” (read as “cat”)")
    expect(page.locator("#prompt-marks .strange")).to_have_text("catt")
    made = finished(page, "a cat, Blurry")
    assert [each["file"] for each in latest(page)["request"]["embeddings"]] == ["blurry"]
    assert furthest(made, solo("a cat, Blurry", embeddings=[str(learnt)])) <= ROUNDING
    assert furthest(made, solo("a cat, Blurry")) > ROUNDING


def test_a_controlnet_with_edges_of_a_given_picture(page: Page) -> None:
    given = solo("a dog on a red background", steps=15)
    page.click("text=Add a ControlNet")
    expect(page.get_by_label("Network").locator("option")).to_have_text(["Built-in (canny)"])
    chosen(page, "#controls >> text=Choose a picture", a_file(given))
    page.wait_for_selector("#controls img")
    made = finished(page, "a dog in the snow")
    control = {"image": Image.fromarray(given.astype(np.uint8)), "model": "builtin"}
    assert (
        furthest(made, solo("a dog in the snow", controls=[{**control, "kind": "canny"}]))
        <= ROUNDING
    )
    page.click("#stage .open")
    page.keyboard.press("i")
    expect(page.locator(".info")).to_contain_text("Built-in (canny), 1")
    page.keyboard.press("Escape")


def test_four_variations_are_near_their_picture(page: Page) -> None:
    base = finished(page, "a cat in a meadow")
    page.evaluate(  # draws their seed, a single number, always alike
        "() => { const made = crypto.getRandomValues.bind(crypto);"
        "crypto.getRandomValues = (all) => (all.length > 1 ? made(all) : all.fill(40)); }"
    )
    page.click("text=Four variations")
    expect(page.locator("#stage .strip button")).to_have_count(4)
    job = latest(page)
    near = [pixels(page, job, index) for index in range(4)]
    page.fill("#seed", str(SEED + 1000))
    other = finished(page, "a cat in a meadow")
    for index, each in enumerate(near):
        assert furthest(each, base) > 10
        assert all(furthest(each, two) > 10 for two in near[:index])
    # one in eight has its cat elsewhere, which no distance of pixels calls near
    usual = np.median([np.square(each - base).mean() for each in near])
    assert usual < np.square(other - base).mean() / 4


def test_inpainting_changes_what_is_masked_and_nothing_else(page: Page) -> None:
    page.fill("#steps", "10")
    base = finished(page, "a dog on a red background")
    page.click("text=Begin at it")
    page.wait_for_selector("#strength")
    page.fill("#strength", "1")
    page.get_by_role("button", name="Paint a mask").press("Enter")
    for name, value in {"left": 64, "top": 0, "width": 64, "height": 128}.items():
        page.fill(f"dialog input[name={name}]", str(value))
    page.get_by_role("button", name="Add the rectangle").press("Enter")
    page.get_by_role("button", name="Use this mask").press("Enter")
    page.fill("#mask-blur", "0")
    made = finished(page, "a cat on a blue background")
    assert furthest(made[:, :64], base[:, :64]) == 0
    assert np.abs(made[:, 64:] - base[:, 64:]).mean() > 10
    page.get_by_role("button", name="Remove", exact=True).click()


def test_a_picture_that_is_stopped_is_kept_and_told_so(page: Page) -> None:
    page.fill("#steps", "500")
    page.fill("#prompt", "a slow cat")
    page.click("#generate")
    expect(page.locator("#preview img")).to_be_visible(timeout=30_000)
    page.click("text=Stop and keep")
    drawn(page, "a slow cat")
    expect(page.locator("#stage .caption")).to_contain_text("Stopped early")
    expect(page.get_by_role("button", name="Four variations")).to_be_disabled()


def test_jobs_that_are_drawn_together_are_all_in_sight(page: Page) -> None:
    page.fill("#steps", "40")
    for name in ("a frog", "a lion", "a fish"):
        page.fill("#prompt", name)
        page.click("#generate")
    expect(page.locator("#queue .running")).to_have_count(3)
    expect(page.locator("#queue-name")).to_have_text("Drawing: 3")
    for name in ("a frog", "a lion", "a fish"):
        made = page.locator(f"#shelf button[aria-label*='{name}']")
        expect(made).to_have_count(1, timeout=60_000)
    expect(page.locator("#queue-part")).to_be_hidden()


def test_a_japanese_prompt_on_a_phone(visit: Visit, server: Server) -> None:
    page = visit(server.url, size=PHONE, language="ja-JP", scheme="dark")
    page.click("#side > summary")
    page.fill("#steps", str(STEPS))
    page.fill("#seed", str(SEED))
    made = finished(page, "浜辺の赤いりんご")
    assert furthest(made, solo("浜辺の赤いりんご")) <= ROUNDING
