"""The package's own ControlNet and IP-Adapter, which are called "builtin" as its model is."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
from PIL import Image
from safetensors.torch import save_file

import kakusan
from kakusan.checkpoints import own
from kakusan.errors import InputError
from kakusan.images import read_record
from tests.cli.fakes import Run
from tests.models.test_controlnet import V1, written
from tests.models.test_ip_adapter import flat
from tests.oracle import ip_adapters, tiny

Command = Callable[..., Run]
OPTIONS = ["--steps", "2", "--seed", "7", "--quiet", "--device", "cpu"]
ASKED = {"seed": 3, "steps": 2, "width": 64, "height": 64, "progress": False, "dtype": "float32"}


@pytest.fixture
def packaged(tiny_v1: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package that has both for the tiny model."""
    folder = tmp_path / "package"
    written(folder / own.CONTROLNET, **V1)
    with tiny.quiet():
        unet = diffusers.UNet2DConditionModel.from_pretrained(tiny_v1 / "unet")
    file = folder / own.IP_ADAPTER
    file.parent.mkdir()
    save_file(flat(ip_adapters.state(unet, "plain", seed=1)), file)
    ip_adapters.image_encoder().save_pretrained(folder / own.IMAGE_ENCODER)
    monkeypatch.setattr(own, "FOLDER", folder)
    return folder


def picture() -> Image.Image:
    levels = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    return Image.fromarray(levels).resize((64, 64), Image.Resampling.NEAREST)


def test_both_are_named_and_found_again_with_no_question(
    run: Command, here: Path, packaged: Path, tiny_v1: Path
) -> None:
    picture().save(here / "seen.png")
    asked = ["--control", "canny:seen.png@builtin:0.8", "--image-prompt", "seen.png@builtin:0.6"]
    words = ["a cat", *OPTIONS, "--model", str(tiny_v1)]
    done = run("generate", *words, *asked, "--keep-inputs", "-o", "a.png")
    assert done.code == 0, done.err
    record: Any = read_record(here / "a.png")
    for told in (record["controls"][0], record["image_prompts"][0]):
        assert told["model"] == "builtin"
        assert len(told["sha256"]) == 64
    assert record["image_prompts"][0]["encoder"] == "builtin"
    assert str(packaged) not in str(record)
    done = run("reproduce", "a.png", "-q", "--model", str(tiny_v1))
    assert done.code == 0, done.err
    assert "identical" in done.err


def test_each_changes_the_picture(packaged: Path, tiny_v1: Path) -> None:
    def drawn(**more: Any) -> np.ndarray:
        (made,) = kakusan.generate("a cat", model=tiny_v1, **ASKED, **more)
        return np.asarray(made.image)

    seen = picture()
    plain = drawn()
    prompted = drawn(image_prompt=seen, ip_adapter="builtin")
    assert not np.array_equal(prompted, plain)
    assert not np.array_equal(
        drawn(controls={"image": seen, "model": "builtin", "kind": "canny"}), plain
    )
    named = drawn(image_prompt=seen, ip_adapter="builtin", image_encoder="builtin")
    assert np.array_equal(named, prompted)


def test_scripts_load_them_by_the_name(packaged: Path, tiny_v1: Path) -> None:
    net = kakusan.ControlNetModel.from_pretrained("builtin")
    same = kakusan.ControlNetModel.from_pretrained(packaged / own.CONTROLNET)
    ours, theirs = net.state_dict(), same.state_dict()
    assert all(ours[name].equal(theirs[name]) for name in theirs)
    pipe = kakusan.StableDiffusionPipeline.from_pretrained(tiny_v1)
    pipe.load_ip_adapter("builtin")
    pipe.set_progress_bar_config(disable=True)
    asked = {"seed": 3, "num_inference_steps": 2, "width": 64, "height": 64}
    made = pipe("a cat", ip_adapter_image=picture(), **asked)
    (told,) = made.records[0]["image_prompts"]
    assert (told["model"], told["encoder"]) == ("builtin", "builtin")


def test_an_installation_without_them(
    tmp_path: Path, tiny_v1: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own, "FOLDER", tmp_path)
    with pytest.raises(InputError, match="this installation lacks controlnet-canny"):
        kakusan.ControlNetModel.from_pretrained("builtin")
    with pytest.raises(InputError, match="this installation lacks ip-adapter"):
        kakusan.generate(
            "a cat", model=tiny_v1, image_prompt=picture(), ip_adapter="builtin", **ASKED
        )


def test_for_another_family_they_are_refused(packaged: Path, tiny_xl: Path) -> None:
    with pytest.raises(InputError, match="'builtin'"):
        kakusan.generate(
            "a cat",
            model=tiny_xl,
            controls={"image": picture(), "model": "builtin", "kind": "canny"},
            **ASKED,
        )


def test_a_pipelines_record_calls_it_builtin(packaged: Path, tiny_v1: Path) -> None:
    net = kakusan.ControlNetModel.from_pretrained("builtin")
    pipe = kakusan.StableDiffusionControlNetPipeline.from_pretrained(tiny_v1, controlnet=net)
    drawn: Any = pipe("a cat", image=picture(), num_inference_steps=2, seed=3)
    (record,) = drawn.records
    assert record["controls"][0]["model"] == "builtin"
    assert str(packaged) not in str(record)
    again = kakusan.reproduce(record, model=tiny_v1, inputs=picture(), progress=False)
    assert again.image.tobytes() == drawn.images[0].tobytes()


def test_a_strip_is_told_as_large_as_it_is(
    run: Command, here: Path, packaged: Path, tiny_v1: Path
) -> None:
    Image.new("RGB", (40000, 10)).save(here / "strip.png")
    words = ["--control", "canny:strip.png@builtin", "--model", str(tiny_v1), *OPTIONS]
    done = run("generate", "a cat", *words)
    assert done.code == 2
    assert "the control picture has 40000x10 pixels" in done.err
    assert "say with --width and --height" in done.err
