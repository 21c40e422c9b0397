"""`kakusan.generate(like=...)`: another picture with the settings of one that is there."""

from pathlib import Path

import pytest
from PIL import Image, PngImagePlugin

import kakusan
from kakusan.cli.picture_options import keep_each
from kakusan.errors import ArgumentError, InputError
from kakusan.inputs import given_pictures
from kakusan.pipeline import Picture

TEXT = "a red cat\nSteps: 2, Sampler: Euler a, CFG scale: 5, Seed: 5, Size: 64x64, Model: {}"


@pytest.fixture
def cat(tmp_path: Path) -> Path:
    drawn = kakusan.generate(
        "a red cat", seed=4, steps=2, rng="nv", negative_prompt="fog", progress=False
    )
    return drawn[0].save(tmp_path / "cat.png")


def of_another_tool(path: Path, model: str) -> Path:
    info = PngImagePlugin.PngInfo()
    info.add_text("parameters", TEXT.format(model))
    Image.new("RGB", (64, 64)).save(path, pnginfo=info)
    return path


def test_settings_are_taken_and_what_is_given_wins(cat: Path) -> None:
    same = kakusan.generate(like=cat, progress=False)[0]
    with Image.open(cat) as image:
        assert same.image.tobytes() == image.convert("RGB").tobytes()
    other = kakusan.generate("a blue dog", like=str(cat), steps=3, progress=False)[0].record
    assert (other["prompt"], other["negative_prompt"]) == ("a blue dog", "fog")
    assert (other["seed"], other["num_inference_steps"], other["rng"]) == (4, 3, "webui-nv")
    cleared = kakusan.generate(like=cat, negative_prompt="", seed=1, progress=False)[0].record
    assert (cleared["negative_prompt"], cleared["seed"]) == ("", 1)


def test_another_tools_picture(tmp_path: Path) -> None:
    path = of_another_tool(tmp_path / "a.png", "builtin")
    record = kakusan.generate(like=path, progress=False)[0].record
    assert (record["seed"], record["rng"], record["guidance_scale"]) == (5, "webui-gpu", 5.0)
    of_another_tool(path, "somebody/something")
    with pytest.raises(ArgumentError, match="say with model which to draw with"):
        kakusan.generate(like=path, progress=False)
    drawn = kakusan.generate("a dog", like=path, model="builtin", progress=False)[0]
    assert drawn.record["prompt"] == "a dog"


def test_what_tells_nothing_is_refused(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    with pytest.raises(InputError, match="has no record"):
        kakusan.generate(like=tmp_path / "a.png")
    with pytest.raises(ArgumentError, match="prompt is not given"):
        kakusan.generate()


def kept(folder: Path, picture: Picture) -> None:
    given = given_pictures("image", picture.image)
    assert given is not None
    keep_each(given, "picture", folder)


def test_pictures_that_are_kept_beside_it_are_taken(tmp_path: Path) -> None:
    (cat,) = kakusan.generate("a cat", seed=4, steps=1, progress=False)
    cat.save(tmp_path / "cat.png")
    steered = f"canny:{tmp_path / 'cat.png'}@builtin:0.5"
    (fox,) = kakusan.generate(
        "a fox", image=cat.image, strength=0.5, steps=2, controls=steered, progress=False
    )
    like = fox.save(tmp_path / "fox.png")
    with pytest.raises(ArgumentError, match="not handed in"):
        kakusan.generate(like=like, progress=False)
    kept(tmp_path, cat)
    (again,) = kakusan.generate(like=like, progress=False)
    assert again.image.tobytes() == fox.image.tobytes()
    (other,) = kakusan.generate("a dog", like=like, image=fox.image, progress=False)
    assert other.record["image"] != fox.record["image"]
    assert other.record["controls"] == fox.record["controls"]
