"""What pipelines say that lack the network which steers them, or are given something else."""

from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image

import kakusan
from kakusan.errors import InputError, RequestError
from kakusan.models import ControlNetModel, MultiControlNetModel

PIPES = ("ControlNet", "ControlNetImg2Img", "ControlNetInpaint", "Adapter")
PICTURE = Image.new("RGB", (32, 32))


@pytest.fixture(scope="module")
def base() -> kakusan.StableDiffusionPipeline:
    return kakusan.StableDiffusionPipeline.from_pretrained("builtin")


@pytest.fixture(scope="module")
def net() -> ControlNetModel:
    return ControlNetModel.from_pretrained("builtin")


def kind_of(name: str) -> Any:
    return getattr(kakusan, f"StableDiffusion{name}Pipeline")


def call_with(pipe: Any, net: object) -> None:
    pipe.controlnet = net
    pipe("a cat", PICTURE)


@pytest.mark.parametrize("name", PIPES)
def test_a_missing_net_is_told(name: str, base: Any) -> None:
    kind = kind_of(name)
    part, given = ("controlnet", r'ControlNetModel.from_pretrained\("builtin"\)')
    if name == "Adapter":
        part, given = "adapter", r"T2IAdapter.from_pretrained\(FOLDER_OR_ID\)"
    message = rf"{kind.__name__} is steered by a .*, and has none; give it {part}={given}"
    parts = {**base.components, part: None}
    pictures = {"image": PICTURE, "mask_image": PICTURE, "control_image": PICTURE}
    if name in ("ControlNet", "Adapter"):
        pictures = {"image": PICTURE}
    ways: tuple[Callable[[], Any], ...] = (
        lambda: kind.from_pretrained("builtin"),
        lambda: kind.from_pipe(base),
        lambda: kind(**parts)("a cat", **pictures),
    )
    for way in ways:
        with pytest.raises(RequestError, match=message):
            way()


def test_another_family_is_told_first(base: Any) -> None:
    kind = kakusan.StableDiffusionXLControlNetPipeline
    with pytest.raises(InputError, match="holds Stable Diffusion 1 or 2"):
        kind.from_pretrained("builtin")
    with pytest.raises(RequestError, match=r"needs text_encoder_2 .* load SDXL"):
        kind.from_pipe(base)


def test_something_else_is_told(base: Any, net: ControlNetModel) -> None:
    kind = kakusan.StableDiffusionControlNetPipeline
    wrong: dict[str, Any] = {
        r"not a str; load it first: controlnet=ControlNetModel.from_pretrained\('a/b'\)": "a/b",
        "takes ControlNetModels, at least 1, not a str; load each with ControlNetModel": ["a/b"],
        "takes ControlNetModels, at least 1, not None": [net, None],
        "takes ControlNetModels, at least 1, not 0 of them": [],
        "must be a kakusan ControlNetModel .*, not an? UNet2DConditionModel": base.unet,
    }
    for message, given in wrong.items():
        with pytest.raises(RequestError, match=message):
            kind.from_pretrained("builtin", controlnet=given)
        pipe = kind.from_pipe(base, controlnet=net)
        with pytest.raises(RequestError, match=message):
            call_with(pipe, given)
    with pytest.raises(RequestError, match="StableDiffusionControlNetPipeline and SDXL's"):
        kakusan.StableDiffusionAdapterPipeline.from_pipe(base, adapter=net)


def test_a_list_that_is_set_is_several(base: Any, net: ControlNetModel) -> None:
    pipe = kakusan.StableDiffusionControlNetPipeline.from_pipe(base, controlnet=net)
    pipe.controlnet = [net, net]
    assert isinstance(pipe.controlnet, MultiControlNetModel)
