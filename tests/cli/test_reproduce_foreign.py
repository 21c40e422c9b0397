"""`kakusan reproduce` of other tools' pictures: rules, models, and how near it comes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, PngImagePlugin
from torch import Tensor

import kakusan
from kakusan.images import read_parameters, read_picture, read_record, save_image
from kakusan.interchange import likeness
from kakusan.schedulers.philox import philox_normal
from tests.cli.fakes import FakeDrawing, Run

Command = Callable[..., Run]
TEXT = (
    "a red cat\nNegative prompt: blurry\nSteps: 4, Sampler: {sampler}, CFG scale: 7, Seed: 5, "
    "Size: 64x64, {more}Version: v1.10.1"
)


def a1111(
    path: Path, more: str = "", sampler: str = "Euler a", side: int = 64, tags: str = ""
) -> Path:
    info = PngImagePlugin.PngInfo()
    info.add_text("parameters", tags + TEXT.format(sampler=sampler, more=more))
    Image.new("RGB", (side, side), (90, 80, 70)).save(path, pnginfo=info)
    return path


@pytest.fixture(scope="module")
def pipe() -> Any:
    return kakusan.AutoPipelineForText2Image.from_pretrained("builtin")


def sampled(pipe: Any, draws: list[Tensor], steps: int = 4, guidance: float = 7) -> Image.Image:
    """k-diffusion's Euler ancestral, written out: from AUTOMATIC1111's noise to pixels."""
    positive, negative = pipe.encode_prompt("a red cat", "cpu", 1, True, negative_prompt="blurry")
    alphas = pipe.scheduler.alphas_cumprod.double()
    logs = ((1 - alphas) / alphas).sqrt().log()
    places = torch.linspace(999, 0, steps).double()
    low = places.floor().long().clamp(max=998)
    levels = logs[low].lerp(logs[low + 1], places - low).exp()
    x = draws[0].double() * levels[0]
    for step, sigma in enumerate(levels):
        following = levels[step + 1] if step + 1 < steps else torch.zeros(())
        seen = torch.cat([x / (sigma**2 + 1) ** 0.5] * 2).float()
        timestep = np.interp(float(sigma.log()), logs.numpy(), range(1000))
        with torch.no_grad():
            v = pipe.unet(seen, torch.tensor(timestep), torch.cat([negative, positive])).sample
        clean = x / (sigma**2 + 1) - v.double() * sigma / (sigma**2 + 1) ** 0.5
        unconditional, conditional = clean.chunk(2)
        clean = unconditional + guidance * (conditional - unconditional)
        up = (following**2 * (sigma**2 - following**2) / sigma**2) ** 0.5
        down = (following**2 - up**2) ** 0.5
        x = x + (x - clean) / sigma * (down - sigma) + draws[step + 1].double() * up
    with torch.no_grad():
        pixels = pipe.vae.decode(x.float() / pipe.vae.config.scaling_factor).sample[0]
    shown = 255.0 * ((pixels + 1) / 2).clamp(0, 1).permute(1, 2, 0).numpy()
    return Image.fromarray(shown.astype(np.uint8))  # cut off, not rounded: worth some 9 dB


def test_a_picture_is_made_as_automatic1111_makes_it(run: Command, here: Path, pipe: Any) -> None:
    shape, generator = (1, 8, 8, 8), torch.Generator()
    of_the_cpu = generator.manual_seed(5)
    noises = {
        "Model: builtin, RNG: NV, ENSD: 31337, ": [
            philox_normal(shape, 5, 0),
            *(philox_normal(shape, 5 + 31337, place) for place in range(4)),
        ],
        "Model: builtin, ": [philox_normal(shape, 5, place) for place in range(5)],
        "Model: builtin, RNG: CPU, ": [
            torch.randn(shape, generator=of_the_cpu).numpy() for _ in range(5)
        ],
    }
    for more, draws in noises.items():
        a1111(here / "cat.png", more)
        done = run("reproduce", "cat.png", "-o", "again.png", "--overwrite", "--compare")
        assert done.code == 0, done.err
        expected = sampled(pipe, [torch.from_numpy(each) for each in draws])
        near = likeness(expected, read_picture(here / "again.png"))
        assert near.identical or (near.psnr or 0) > 60
        assert "pixels cut off to whole levels, not rounded" in done.err
        info = PngImagePlugin.PngInfo()
        info.add_text("parameters", read_parameters(here / "cat.png") or "")
        expected.save(here / "theirs.png", pnginfo=info)
        done = run("reproduce", "theirs.png", "-o", "again.png", "--overwrite", "--compare")
        assert near.identical == ("PSNR: inf dB" in done.out)
        # and what kakusan made of it makes itself again
        assert run("reproduce", "again.png", "-o", "b.png", "--overwrite", "--compare").code == 0
        assert done.lines[0] == "again.png"
        assert done.lines[1].startswith("PSNR: ")


def test_what_is_known_and_what_is_not_is_said_first(
    run: Command, fake: FakeDrawing, here: Path
) -> None:
    more = "Model: builtin, VAE: good.pt, Variation seed: 6, Variation seed strength: 0.3, "
    a1111(here / "cat.png", more + "Seed resize from: 128x64, Sigma churn: 3, ENSD: 4, ")
    done = run("reproduce", "cat.png", "--json")
    assert done.code == 0
    made, rules, left = done.err.splitlines()
    assert "AUTOMATIC1111 v1.10.1: seed 5, 4 steps, Euler a, 64x64, model builtin" in made
    for each in (
        *("webui-gpu", "Euler a", "eta noise seed delta 4", "0.3 of the noise of seed 6"),
        "noise resized from 128x64",
    ):
        assert each in rules
    assert "the VAE 'good.pt'" in left
    assert "sigma_churn 3" in left
    told = done.json()
    assert told["path"] == "cat-reproduced.png"
    assert "compared" not in told
    assert any("good.pt" in each for each in told["not_made_again"])
    request = fake.asked
    assert request is not None
    assert (request.rng, request.ensd, request.seed_resize) == ("webui-gpu", 4, (64, 128))
    assert (request.variation_seed, request.variation_strength) == (6, 0.3)
    assert (request.model, request.scheduler) == ("builtin", "Euler a")
    assert request.negative_prompt == ("blurry",)


def test_another_rule_of_noise_may_be_asked_for(
    run: Command, fake: FakeDrawing, here: Path
) -> None:
    a1111(here / "cat.png", "Model: builtin, ")
    assert run("reproduce", "cat.png", "--rng", "cpu").code == 0
    assert fake.asked is not None
    assert fake.asked.rng == "webui-cpu"
    assert "no --rng is called 'x'" in run("reproduce", "cat.png", "--rng", "x").err
    save_image(fake.image(7), here / "own.png", fake.record("a cat", 7))
    assert "--rng is for pictures of other tools" in run("reproduce", "own.png", "--rng", "nv").err


def test_a_model_is_found_by_its_hash(
    run: Command, fake: FakeDrawing, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAKUSAN_CACHE", str(here / "kept"))
    (here / "mine").mkdir()
    for name, data in (("other", b"1"), ("wanted", b"2" * 2_000_000)):
        (here / "mine" / f"{name}.safetensors").write_bytes(data)
    from kakusan.checkpoints.facts import hashes_of

    known = hashes_of(here / "mine" / "wanted.safetensors")
    for told in (
        f"Model hash: {known['hash']}, Model: renamed, ",
        f"Model hash: {known['old hash']}, ",
        f"Model hash: {known['hash'].upper()}, Model: other, ",
        "Model: wanted, ",
        f'Model: "C:\\\\models\\\\Wanted.safetensors", Model hash: {known["hash"]}, ',
    ):
        a1111(here / "cat.png", told)
        done = run("reproduce", "cat.png", "--models-dir", "mine")
        assert done.code == 0, done.err
        assert fake.asked is not None
        assert fake.asked.model == str(Path("mine") / "wanted.safetensors")
        assert "wanted.safetensors, found by its" in done.err.splitlines()[0]
    assert (here / "kept" / "hashes.json").is_file()


@pytest.mark.parametrize(
    "told",
    [
        "Model hash: 0123456789, Model: wanted, ",
        "Model: nothing, ",
        "Model hash: 01234567, ",
        'Model: "/etc/passwd", ',
        'Model: "../mine/wanted.safetensors/..", Model hash: abcdefabcd, ',
        'Model: "https://example.org/model.safetensors", ',
        'Model: "somebody/something", ',
    ],
)
def test_a_model_that_is_not_here_is_asked_for(
    run: Command, fake: FakeDrawing, here: Path, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAKUSAN_CACHE", str(here / "kept"))
    (here / "mine").mkdir()
    (here / "mine" / "wanted.safetensors").write_bytes(b"2" * 100)
    a1111(here / "cat.png", told)
    done = run("reproduce", "cat.png", "--models-dir", "mine")
    assert (done.code, done.out) == (2, "")
    (line,) = done.err.splitlines()
    assert "the picture was made with " in line
    assert "say with --model where it is, or with --models-dir where to look" in line
    assert fake.asked is None
    assert run("reproduce", "cat.png", "--model", "builtin").code == 0


def test_compare_tells_the_psnr_of_a_known_change(
    run: Command, fake: FakeDrawing, here: Path
) -> None:
    # one of three channels is off by 10: 10 * log10(255**2 / (100 / 3))
    changed = Image.new("RGB", fake.size, (7, 50, 200))
    save_image(changed, here / "cat.png", fake.record("a cat", 7))
    done = run("reproduce", "cat.png", "--compare", "-o", "a.png")
    assert done.code == 3
    assert done.lines[0] == "a.png"
    document = run("reproduce", "cat.png", "--compare", "--json", "-o", "b.png").json()
    assert document["compared"]["psnr"] == pytest.approx(32.9021, abs=1e-3)
    assert document["identical"] is False
    save_image(fake.image(7), here / "cat.png", fake.record("a cat", 7))
    done = run("reproduce", "cat.png", "--compare", "-o", "c.png")
    assert (done.code, done.lines[1]) == (0, "PSNR: inf dB (the pixels are identical)")
    a1111(here / "dog.png", "Model: builtin, ")
    done = run("reproduce", "dog.png", "--compare")
    assert done.lines[1] == "PSNR: none (the given picture has 64x64 pixels, the new one 16x8)"


def test_a_lossy_picture_is_compared_too(run: Command, fake: FakeDrawing, here: Path) -> None:
    save_image(fake.image(7), here / "cat.jpg", fake.record("a cat", 7))
    done = run("reproduce", "cat.jpg", "--compare", "-o", "again.png")
    assert done.code == 0
    assert done.lines[1].startswith("PSNR: ")


def test_what_was_drawn_over_another_picture_is_refused(
    run: Command, fake: FakeDrawing, here: Path
) -> None:
    a1111(here / "cat.png", "Model: builtin, Denoising strength: 0.75, ")
    done = run("reproduce", "cat.png")
    assert done.code == 2
    assert "over another picture, which the file does not hold" in done.err
    assert run("generate", "--like", "cat.png", "a dog").code == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a cat\nSteps: 20, Sampler: Euler a, CFG scale: 7, Size: 64x64, Model: builtin", "seed"),
        ("a cat\nSteps: 99999, Sampler: Euler a, Seed: 5, Size: 64x64, Model: builtin", "20"),
        ("a cat\nSteps: 20, Sampler: Euler a, Seed: 5, Size: 64x999999, Model: builtin", ""),
        ("x" * 1_000_000 + "\nSteps: 20, Sampler: Euler a, Seed: 5, Size: 64x64", "characters"),
        ("(" * 100_000 + "\nSteps: 20, Sampler: Euler a, Seed: 5, Size: 64x64", "model"),
    ],
)
def test_metadata_that_lies_is_one_line(
    run: Command, fake: FakeDrawing, here: Path, text: str, said: str
) -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("parameters", text)
    Image.new("RGB", (8, 8)).save(here / "cat.png", pnginfo=info)
    done = run("reproduce", "cat.png")
    for line in done.err.splitlines():
        assert line.startswith("kakusan: ")
        assert len(line) < 1200
    if done.code:
        assert done.code == 2
        assert len(done.err.splitlines()) == 1
        assert said in done.err
    else:
        assert said == "20" or not said


def test_our_own_text_alone_draws_the_same(run: Command, here: Path) -> None:
    run(
        "generate",
        "a red cat",
        "--seed",
        "4",
        "--steps",
        "3",
        "--scheduler",
        "euler",
        "-o",
        "cat.png",
    )
    plain = PngImagePlugin.PngInfo()
    with Image.open(here / "cat.png") as image:
        plain.add_text("parameters", str(image.info["parameters"]))
        image.save(here / "text.png", pnginfo=plain)
    assert "kakusan" not in (read_record(here / "text.png") or {})
    done = run("reproduce", "text.png", "--compare")
    assert done.code == 0
    assert done.lines[1] == "PSNR: inf dB (the pixels are identical)"


def test_adapters_that_are_not_said_to_be_here_are_left_out(
    run: Command, fake: FakeDrawing, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KAKUSAN_LORA_DIR", raising=False)
    info = PngImagePlugin.PngInfo()
    settings = "Steps: 4, Sampler: Euler a, Seed: 5, Size: 64x64, Model: builtin"
    info.add_text("parameters", f"a cat <lora:foo:0.8>, red\n{settings}")
    Image.new("RGB", (64, 64)).save(here / "cat.png", pnginfo=info)
    done = run("reproduce", "cat.png")
    assert done.code == 0, done.err
    assert "not made again: the LoRA 'foo'" in done.err
    assert fake.asked is not None
    assert fake.asked.prompt == ("a cat , red",)
    (here / "loras").mkdir()
    done = run("reproduce", "cat.png", "--lora-dir", "loras")
    assert "the LoRA" not in done.err
    assert fake.asked.prompt == ("a cat <lora:foo:0.8>, red",)
