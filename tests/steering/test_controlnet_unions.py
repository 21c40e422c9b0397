"""Pictures of SDXL's that begin at others, or are drawn in part, steered by a union of nets."""

from pathlib import Path
from typing import Any

import diffusers
import pytest
from PIL import Image

import kakusan
from kakusan.errors import RequestError
from kakusan.models import ControlNetModel, ControlNetUnionModel
from tests.models.test_controlnet import UNION, V1, XL, loud, written
from tests.oracle import tiny
from tests.steering.test_controlnet import assert_same, loaded, picture
from tests.steering.test_controlnet_relatives import mask

NAME = "StableDiffusionXLControlNetUnion{}Pipeline"
SETTINGS: tuple[dict[str, Any], ...] = (
    {},
    {"strength": 0.6, "controlnet_conditioning_scale": [0.7, 1.4], "num_images_per_prompt": 2},
    {"strength": 0.5, "control_guidance_end": [0.5, 1.0], "negative_prompt": "fog"},
    {"guess_mode": True, "guidance_scale": 1.0},  # the reference cannot with guidance
)


@pytest.fixture(scope="module")
def unions(tmp_path_factory: pytest.TempPathFactory) -> tuple[ControlNetUnionModel, Any]:
    folder = tmp_path_factory.mktemp("union")
    with tiny.quiet():
        shape: dict[str, Any] = UNION
        theirs = loud(tiny.randomise(diffusers.ControlNetUnionModel(**shape), 8))
        theirs.save_pretrained(folder)
    return ControlNetUnionModel.from_pretrained(folder), theirs


@pytest.fixture(scope="module", params=["Img2Img", "Inpaint"])
def pair(request: pytest.FixtureRequest, tiny_xl: Path, unions: Any) -> Any:
    classes = [getattr(of, NAME.format(request.param)) for of in (kakusan, diffusers)]
    return loaded(classes, tiny_xl, unions)


def given(pipe: Any) -> dict[str, Any]:
    masks: dict[str, Image.Image] = {}
    if "Inpaint" in type(pipe).__name__:
        masks["mask_image"] = mask()
    pictures = [picture(1), picture(4)]
    return {
        "prompt": "a cat",
        "image": picture(3),
        "control_image": pictures,
        "control_mode": [1, 4],
        **masks,
    }


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda each: "-".join(each) or "plain")
def test_whole_pictures(pair: Any, settings: dict[str, Any]) -> None:
    assert_same(pair, **given(pair[0]), **settings)


def test_one_picture(pair: Any) -> None:
    alone: dict[str, Any] = {"control_image": picture(1), "control_mode": 3}
    assert_same(pair, **{**given(pair[0]), **alone})


def test_callbacks_see_and_change_control_pictures(pair: Any) -> None:
    seen: list[list[Any]] = []

    def other(_pipe: Any, index: int, _time: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        seen.append([each.clone() for each in tensors["control_image"]])
        if index == 0:
            tensors["control_image"] = [1 - each for each in tensors["control_image"]]
        return tensors

    names = ["control_image"]
    watched: dict[str, Any] = {
        "callback_on_step_end": other,
        "callback_on_step_end_tensor_inputs": names,
    }
    changed = assert_same(pair, **given(pair[0]), **watched)
    ours, theirs = seen[: len(seen) // 2], seen[len(seen) // 2 :]
    for mine, yours in zip(ours, theirs, strict=True):
        for left, right in zip(mine, yours, strict=True):
            assert left.shape == right.shape
            assert (left - right).abs().max() < 1e-4
    assert abs(changed - assert_same(pair, **given(pair[0]))).max() > 0.01
    assert {*pair[1]._callback_tensor_inputs} <= {*pair[0]._callback_tensor_inputs}


def test_auto_pipelines_take_the_unions(pair: Any, tiny_xl: Path, tmp_path: Path) -> None:
    kind, net = type(pair[0]), pair[0].controlnet
    paints = "Inpaint" in kind.__name__
    auto = kakusan.AutoPipelineForInpainting if paints else kakusan.AutoPipelineForImage2Image
    text = kakusan.AutoPipelineForText2Image
    assert type(auto.from_pretrained(tiny_xl, controlnet=net)) is kind
    steered = text.from_pretrained(tiny_xl, controlnet=net)
    assert type(steered) is kakusan.StableDiffusionXLControlNetUnionPipeline
    assert type(auto.from_pipe(steered)) is kind
    assert type(text.from_pipe(pair[0])) is kakusan.StableDiffusionXLControlNetUnionPipeline
    plain = text.from_pipe(pair[0], controlnet=None)
    assert type(plain) is kakusan.StableDiffusionXLPipeline
    assert type(auto.from_pipe(plain, controlnet=net)) is kind
    # another net makes another pipeline of it
    written(tmp_path, **XL)
    other = ControlNetModel.from_pretrained(tmp_path)
    found = type(auto.from_pipe(pair[0], controlnet=other)).__name__
    assert found == kind.__name__.replace("Union", "")
    # what is saved is known again
    pair[0].save_pretrained(tmp_path / "saved")
    assert type(kakusan.DiffusionPipeline.from_pretrained(tmp_path / "saved")) is kind
    assert type(auto.from_pretrained(tmp_path / "saved")) is kind


def test_the_wrong_kind_of_net_is_told(unions: Any, tiny_xl: Path, tmp_path: Path) -> None:
    written(tmp_path, **V1)
    plain = ControlNetModel.from_pretrained(tmp_path)
    with pytest.raises(RequestError, match="take StableDiffusionXLControlNetInpaintPipeline"):
        kakusan.StableDiffusionXLControlNetUnionInpaintPipeline.from_pretrained(
            tiny_xl, controlnet=plain
        )
    with pytest.raises(RequestError, match="take StableDiffusionXLControlNetUnionPipeline"):
        kakusan.StableDiffusionXLControlNetPipeline.from_pretrained(tiny_xl, controlnet=unions[0])
