"""The preparation of pictures for CLIP beside the reference's, from every published spelling."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from PIL import Image

from kakusan.errors import CheckpointError, RequestError
from kakusan.models import CLIPImageProcessor, ImageProcessorConfig
from tests.models.comparing import assert_near
from tests.oracle import tiny


@pytest.mark.parametrize("size", [(64, 64), (96, 64), (64, 91), (512, 768), (224, 225), (3, 5)])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_pictures_are_prepared_as_the_reference_does(size: tuple[int, int], mode: str) -> None:
    values = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 4), dtype=np.uint8)
    image = Image.fromarray(values).convert(mode)
    with tiny.quiet():
        expected = transformers.CLIPImageProcessorPil()([image] * 2, return_tensors="pt")
    found = CLIPImageProcessor()([image] * 2, return_tensors="pt").pixel_values
    assert_near(found, expected.pixel_values, limit=1e-6)
    assert_near(CLIPImageProcessor()(image).pixel_values, found[:1])


def test_extractor_files(tiny_v1_checked: Path, tiny_v1_published: Path, tmp_path: Path) -> None:
    for folder in (tiny_v1_checked, tiny_v1_published):
        ours = CLIPImageProcessor.from_pretrained(folder, subfolder="feature_extractor")
        assert ours.config == ImageProcessorConfig()
    changed = CLIPImageProcessor(ImageProcessorConfig(size=32, crop_size=28, resample=2))
    changed.save_pretrained(tmp_path)
    assert CLIPImageProcessor.from_pretrained(tmp_path).config == changed.config
    image = Image.effect_noise((50, 41), 90).convert("RGB")
    with tiny.quiet():
        theirs = transformers.CLIPImageProcessorPil.from_pretrained(tmp_path)
    expected = theirs(image, return_tensors="pt").pixel_values
    assert_near(changed(image).pixel_values, expected, limit=1e-6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"crop_size": {"shortest_edge": 224}}, "'crop_size'.*'height' and 'width'"),
        ({"size": {"longest_edge": 224}}, "'size'.*'shortest_edge'"),
        ({"size": {"shortest_edge": 224, "longest_edge": 400}}, "'size'.*'shortest_edge'"),
        ({"size": {"shortest_edge": 0}}, "'shortest_edge'"),
        ({"size": [224]}, "'size'.*2 values"),
        ({"size": "224"}, "'size'"),
        ({"do_pad": True}, "'do_pad'"),
        ({"use_square_size": True}, "'use_square_size'"),
        ({"image_mean": [0.5]}, "'image_mean'"),
        ({"resample": "bicubic"}, "'resample'"),
        ({"size": 10**9}, "'size'"),
        ({"image_std": [0, 1, 1]}, "image_std"),
        ({"resample": 9}, "'resample'"),
    ],
)
def test_extractor_configs_that_cannot_be_honoured(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(changes))
    with pytest.raises(CheckpointError, match=message):
        CLIPImageProcessor.from_pretrained(tmp_path)


def test_steps_switched_off_and_other_tensors() -> None:
    off = {f"do_{step}": False for step in ("resize", "center_crop", "rescale", "normalize")}
    processor = CLIPImageProcessor(ImageProcessorConfig.from_published({**off}))
    image = Image.new("RGB", (7, 5), (255, 0, 10))
    assert processor(image).pixel_values[0, :, 0, 0].tolist() == [255, 0, 10]
    with pytest.raises(RequestError, match="return_tensors"):
        processor(image, return_tensors="np")
    with pytest.raises(RequestError, match="not ndarray"):
        processor([np.zeros((5, 7, 3), np.uint8)])  # pyright: ignore[reportArgumentType]
    with pytest.raises(RequestError, match="different sizes"):
        processor([image, Image.new("RGB", (7, 6))])
    moved = processor(image).to("cpu")
    assert torch.equal(moved.pixel_values, processor(image).pixel_values)


SPELLINGS: list[dict[str, Any]] = [
    {},
    {
        "feature_extractor_type": "CLIPFeatureExtractor",
        "size": 224,
        "crop_size": 224,
        "resample": 3,
    },
    {"image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": 32}},
    {"image_processor_type": "CLIPImageProcessorFast", "processor_class": "CLIPProcessor"},
    {"size": 31},
    {"size": {"height": 32, "width": 32}},
    {"size": {"width": 40, "height": 30}, "crop_size": {"width": 20, "height": 28}},
    {"size": [30, 40], "crop_size": [28, 20]},
    {"size": 40, "default_to_square": True, "do_center_crop": False},
    {"size": 40, "default_to_square": False, "do_center_crop": False},
    {"size": {"shortest_edge": 40}, "default_to_square": True, "crop_size": 39},
    {"size": 32, "crop_size": {"height": 28, "width": 28}},
    {"size": 32, "crop_size": 45},
    {"size": 30, "crop_size": {"height": 41, "width": 20}},
    {"resample": 0},
    {"resample": 1},
    {"resample": 2},
    {"do_resize": False},
    {"do_center_crop": None},
    {"do_rescale": False, "rescale_factor": None},
    {"do_rescale": None},
    {"do_normalize": False, "image_mean": None},
    {"do_normalize": None},
    {"do_convert_rgb": None},
    {"do_pad": False, "offset": False, "unknown": {"x": [1]}},
    {"rescale_factor": 0.01, "image_mean": 0.5, "image_std": 0.25},
]


@pytest.mark.parametrize("published", SPELLINGS, ids=str)
def test_every_spelling_gives_the_references_pixels(
    published: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(published))
    ours = CLIPImageProcessor.from_pretrained(tmp_path)
    with tiny.quiet():
        theirs = transformers.CLIPImageProcessor.from_pretrained(tmp_path)
    for size in ((91, 64), (64, 91), (33, 33), (224, 225)):
        values = np.random.default_rng(0).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
        image = Image.fromarray(values)
        with tiny.quiet():
            expected = theirs(image, return_tensors="pt").pixel_values
        assert_near(ours(image).pixel_values, expected, limit=1e-6)
    ours.save_pretrained(tmp_path / "saved")
    assert CLIPImageProcessor.from_pretrained(tmp_path / "saved").config == ours.config
