"""Pictures that ControlNets steer: whole ones beside the reference's, and what must hold of any."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image

import kakusan
from kakusan.errors import InputError
from kakusan.models import ControlNetModel, ControlNetUnionModel
from tests.models.test_controlnet import UNION, V1, XL, loud, written
from tests.oracle import tiny

PROMPTS = ["a cat on a red background", "an astronaut riding a horse, 4k"]
XL_PIPES = (
    kakusan.StableDiffusionXLControlNetPipeline,
    diffusers.StableDiffusionXLControlNetPipeline,
)
PIPES = (kakusan.StableDiffusionControlNetPipeline, diffusers.StableDiffusionControlNetPipeline)


def picture(seed: int, width: int = 64, height: int = 64) -> Image.Image:
    """Squares of random colours: something to see at every scale."""
    levels = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)
    return Image.fromarray(levels).resize((width, height), Image.Resampling.NEAREST)


def loaded(classes: Any, folder: Path, nets: Any) -> tuple[Any, Any]:
    with tiny.quiet():
        theirs = classes[1].from_pretrained(folder, controlnet=nets[1], safety_checker=None)
    ours = classes[0].from_pretrained(folder, controlnet=nets[0], safety_checker=None)
    for pipe in (ours, theirs):
        pipe.set_progress_bar_config(disable=True)
    return ours, theirs


def nets(folder: Path, **shape: Any) -> tuple[ControlNetModel, Any]:
    written(folder, **shape)
    with tiny.quiet():
        theirs = diffusers.ControlNetModel.from_pretrained(folder)
    return ControlNetModel.from_pretrained(folder), theirs


def other(folder: Path, seed: int, **shape: Any) -> tuple[ControlNetModel, Any]:
    with tiny.quiet():
        loud(tiny.randomise(diffusers.ControlNetModel(**shape), seed)).save_pretrained(folder)
        theirs = diffusers.ControlNetModel.from_pretrained(folder)
    return ControlNetModel.from_pretrained(folder), theirs


@pytest.fixture(scope="module", params=["v1", "xl"])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    if request.param == "v1":
        folder, classes, shape = request.getfixturevalue("tiny_v1"), PIPES, V1
    else:
        folder, classes, shape = request.getfixturevalue("tiny_xl"), XL_PIPES, XL
    return loaded(classes, folder, nets(tmp_path_factory.mktemp("net"), **shape))


def drawn(pipe: Any, **settings: Any) -> np.ndarray:
    generator = torch.Generator().manual_seed(5)
    settings = {"num_inference_steps": 4, "output_type": "np", "generator": generator} | settings
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        images = pipe(**settings).images
    if isinstance(images, list):
        return np.stack([np.asarray(each) for each in images]) / 255.0
    return images.permute(0, 2, 3, 1).numpy() if isinstance(images, torch.Tensor) else images


def assert_same(pair: Any, limit: float = 1.0, **settings: Any) -> np.ndarray:
    """At most a level apart."""
    ours, theirs = (
        (drawn(pipe, **settings()) for pipe in pair)
        if callable(settings)
        else (drawn(pipe, **settings) for pipe in pair)
    )
    assert ours.shape == theirs.shape
    worst = float(np.abs(ours - theirs).max()) * 255
    assert worst <= limit, f"{worst:.2f} levels"
    return ours


@pytest.mark.parametrize("scale", [0.0, 0.5, 1.0, 2.0])
def test_scales(pair: Any, scale: float) -> None:
    steered = assert_same(
        pair, prompt=PROMPTS[0], image=picture(1), controlnet_conditioning_scale=scale
    )
    plain = assert_same(
        pair, prompt=PROMPTS[0], image=picture(1), controlnet_conditioning_scale=0.0
    )
    assert (np.abs(steered - plain).max() > 0.02) == (scale > 0)


@pytest.mark.parametrize(
    "settings",
    [
        {"control_guidance_start": 0.3},
        {"control_guidance_end": 0.5},
        {"control_guidance_start": 0.26, "control_guidance_end": 0.74},
        {"guess_mode": True, "controlnet_conditioning_scale": 0.7},
        {"guess_mode": True, "guidance_scale": 1.0},
        {"guidance_scale": 1.0},
        {"height": 48, "width": 80},
        {"num_images_per_prompt": 2},
        {"negative_prompt": "fog"},
    ],
    ids=lambda each: "-".join(each),
)
def test_settings(pair: Any, settings: dict[str, Any]) -> None:
    assert_same(pair, prompt=PROMPTS[0], image=picture(2), **settings)


@pytest.mark.parametrize("output_type", ["pil", "pt", "np", "latent"])
def test_output_types(pair: Any, output_type: str) -> None:
    ours, theirs = (
        drawn(pipe, prompt=PROMPTS[0], image=picture(2), output_type=output_type) for pipe in pair
    )
    assert ours.shape == theirs.shape
    limit = 1 / 255 if output_type != "latent" else 1e-3
    assert np.abs(ours - theirs).max() <= limit


def test_a_picture_for_each_prompt(pair: Any) -> None:
    pictures = [picture(1), picture(2)]
    both = assert_same(pair, prompt=PROMPTS, image=pictures, num_images_per_prompt=2)
    one = assert_same(pair, prompt=PROMPTS, image=pictures[0], num_images_per_prompt=2)
    assert np.abs(both[2:] - one[2:]).max() > 0.02


FORMS: dict[str, Callable[[], Any]] = {
    "tensor": lambda: torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1)),
    "tensors": lambda: [torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(1))],
    "arrays": lambda: np.random.default_rng(1).random((1, 64, 64, 3), np.float32),
    "other size": lambda: torch.rand(1, 3, 72, 64, generator=torch.Generator().manual_seed(1)),
    "odd size": lambda: picture(3, 70, 67),
    "grey": lambda: picture(3).convert("L"),
    "to be painted": lambda: torch.ones(1, 3, 64, 64).index_fill(3, torch.arange(32), -1.0),
}


@pytest.mark.parametrize("form", FORMS)
def test_forms_of_pictures(pair: Any, form: str) -> None:
    assert_same(pair, prompt=PROMPTS[0], image=FORMS[form]())


@pytest.mark.parametrize(
    "scheduler", ["DDIMScheduler", "HeunDiscreteScheduler", "DPMSolverMultistepScheduler"]
)
def test_schedulers(pair: Any, scheduler: str) -> None:
    before = [pipe.scheduler for pipe in pair]
    with tiny.quiet():
        for pipe, library in zip(pair, (kakusan, diffusers), strict=True):
            pipe.scheduler = getattr(library, scheduler).from_config(pipe.scheduler.config)
    try:
        assert_same(pair, prompt=PROMPTS[0], image=picture(1), control_guidance_end=0.6)
    finally:
        for pipe, own in zip(pair, before, strict=True):
            pipe.scheduler = own


@pytest.mark.parametrize("kind", ["v1", "xl"])
@pytest.mark.parametrize("guess_mode", [False, True])
def test_two_nets(kind: str, guess_mode: bool, request: Any, tmp_path: Path) -> None:
    folder, classes, shape = ("tiny_v1", PIPES, V1) if kind == "v1" else ("tiny_xl", XL_PIPES, XL)
    both = [nets(tmp_path / "a", **shape), other(tmp_path / "b", 77, **shape)]
    ours, theirs = [mine for mine, _ in both], [each for _, each in both]
    pair = loaded(classes, request.getfixturevalue(folder), (ours, theirs))
    assert isinstance(pair[0].controlnet, kakusan.MultiControlNetModel)
    settings = {
        "controlnet_conditioning_scale": [0.4, 1.2],
        "control_guidance_start": [0.0, 0.3],
        "control_guidance_end": [0.6, 1.0],
        "guess_mode": guess_mode,
    }
    assert_same(pair, prompt=PROMPTS[0], image=[picture(1), picture(2)], **settings)
    if kind == "v1":  # for each prompt a picture for each net
        nested = [[picture(1), picture(2)], [picture(3), picture(4)]]
        assert_same(pair, prompt=PROMPTS, image=nested, **settings)


def test_pooled_nets(request: Any, tmp_path: Path, tiny_v1: Path) -> None:
    pair = loaded(PIPES, tiny_v1, nets(tmp_path, **V1 | {"global_pool_conditions": True}))
    assert_same(pair, prompt=PROMPTS[0], image=picture(1))
    assert_same(pair, prompt=PROMPTS[0], image=picture(1), guidance_scale=1.0)


def test_small_sizes(tmp_path: Path, tiny_xl: Path) -> None:
    for depths in ([0, 0, 1], [0, 0, 0]):
        shape = XL | {"transformer_layers_per_block": depths}
        pair = loaded(XL_PIPES, tiny_xl, nets(tmp_path / str(sum(depths)), **shape))
        assert_same(pair, prompt=PROMPTS[0], image=picture(1))


UNIONS = (
    kakusan.StableDiffusionXLControlNetUnionPipeline,
    diffusers.StableDiffusionXLControlNetUnionPipeline,
)


@pytest.mark.parametrize("kinds", [[3], [1, 4]])
@pytest.mark.parametrize("count", [6, 8])
def test_unions(kinds: list[int], count: int, tmp_path: Path, tiny_xl: Path) -> None:
    with tiny.quiet():
        theirs = diffusers.ControlNetUnionModel(**UNION | {"num_control_type": count})
        loud(tiny.randomise(theirs, 8)).save_pretrained(tmp_path)
    ours = ControlNetUnionModel.from_pretrained(tmp_path)
    pair = loaded(UNIONS, tiny_xl, (ours, theirs))
    pictures = [picture(kind) for kind in kinds]
    for settings in (
        {},
        {"controlnet_conditioning_scale": [0.7, 1.4][: len(kinds)]},
        {"guess_mode": True, "guidance_scale": 1.0},  # the reference cannot with guidance
        {"num_images_per_prompt": 2},
        {"control_guidance_end": 0.5} if len(kinds) == 1 else {"control_guidance_end": [0.5, 1.0]},
    ):
        given = {"prompt": PROMPTS[0], "control_image": pictures, "control_mode": kinds}
        assert_same(pair, **given, **settings)


# What must hold of any


def test_a_net_of_zeros_gives_the_plain_picture(tiny_v1: Path, tiny_xl: Path) -> None:
    for folder, kind, plain in (
        (tiny_v1, PIPES[0], kakusan.StableDiffusionPipeline),
        (tiny_xl, XL_PIPES[0], kakusan.StableDiffusionXLPipeline),
    ):
        base = plain.from_pretrained(folder)
        base.set_progress_bar_config(disable=True)
        net = ControlNetModel.from_unet(base.unet)
        pipe = kind.from_pipe(base, controlnet=net)
        pipe.set_progress_bar_config(disable=True)
        for guess in (False, True):
            wanted = drawn(base, prompt=PROMPTS[0], height=64, width=64)
            found = drawn(pipe, prompt=PROMPTS[0], image=picture(1), guess_mode=guess)
            assert np.array_equal(found, wanted)


@pytest.mark.parametrize("span", [(0.6, 0.4), (0.5, 0.5), (0.9, 1.0)])
def test_a_control_that_never_acts_gives_the_plain_picture(
    pair: Any, span: tuple[float, float]
) -> None:
    pipe = pair[0]
    off = drawn(pipe, prompt=PROMPTS[0], image=picture(1), controlnet_conditioning_scale=0.0)
    start, end = span
    found = drawn(
        pipe,
        prompt=PROMPTS[0],
        image=picture(1),
        control_guidance_start=start,
        control_guidance_end=end,
    )
    assert np.array_equal(found, off)


def test_rows_share_calls_and_hints_are_embedded_once(pair: Any) -> None:
    pipe = pair[0]
    embedded: list[int] = []
    asked: list[int] = []
    net = pipe.controlnet
    hooks = [
        net.controlnet_cond_embedding.register_forward_hook(lambda *a: embedded.append(len(a[2]))),
        net.conv_in.register_forward_hook(lambda *a: asked.append(len(a[2]))),
        pipe.unet.conv_in.register_forward_hook(lambda *a: asked.append(-len(a[2]))),
    ]
    try:
        list(pipe.unet.parameters())
        pipe(
            PROMPTS[0],
            image=picture(1),
            num_images_per_prompt=3,
            seed=1,
            batch_size=3,
            num_inference_steps=2,
            output_type="latent",
        )
        assert embedded == [1]
        assert asked == [6, -6] * (len(asked) // 2)
        assert len(asked) >= 4
        asked.clear()
        pipe(
            PROMPTS[0],
            image=picture(1),
            seed=1,
            num_inference_steps=2,
            output_type="latent",
            guess_mode=True,
        )
        assert asked == [1, -2] * (len(asked) // 2)
    finally:
        for hook in hooks:
            hook.remove()


def test_a_picture_of_a_batch_is_the_same_alone(pair: Any) -> None:
    pipe = pair[0]
    settings = {"num_inference_steps": 3, "output_type": "np", "seed": 7}
    together = pipe(PROMPTS, image=[picture(1), picture(2)], **settings).images
    alone = pipe(PROMPTS[1], image=picture(2), **settings | {"seed": 8}).images
    assert np.array_equal(together[1], alone[0])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(dtype: torch.dtype, tiny_v1: Path, tmp_path: Path) -> None:
    mine, _ = nets(tmp_path, **V1)
    exact = PIPES[0].from_pretrained(tiny_v1, controlnet=mine)
    half = PIPES[0].from_pretrained(
        tiny_v1, controlnet=ControlNetModel.from_pretrained(tmp_path, dtype=dtype), dtype=dtype
    )
    for pipe in (exact, half):
        pipe.set_progress_bar_config(disable=True)
    given = {"prompt": PROMPTS[0], "image": picture(1), "seed": 3, "generator": None}
    found, wanted = drawn(half, **given), drawn(exact, **given)
    assert np.abs(found - wanted).mean() < 0.05


def test_a_net_that_overflows_is_asked_in_float32(tiny_v1: Path, tmp_path: Path) -> None:
    mine, _ = nets(tmp_path, **V1)
    with torch.no_grad():
        mine.controlnet_mid_block.weight.mul_(1e39).clamp_(-3e38, 3e38)
    pipe = PIPES[0].from_pretrained(tiny_v1, controlnet=mine)
    with pytest.raises(kakusan.KakusanError, match="UNet"):
        pipe(PROMPTS[0], image=picture(1), num_inference_steps=2, seed=1)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"image": None}, "image is missing"),
        ({"image": "nowhere.png"}, "must be a picture"),
        ({"image": [picture(1)] * 3}, "3 control pictures were given for 1"),
        ({"image": picture(1, 4, 4)}, "4x4 pixels, and the smallest that is drawn"),
        ({"image": torch.full((1, 3, 64, 64), 200.0)}, "floats are taken in"),
        ({"image": torch.full((1, 3, 64, 64), float("nan"))}, "NaN"),
        ({"image": torch.zeros(1, 5, 64, 64)}, "5 channels"),
        ({"controlnet_conditioning_scale": "1"}, "controlnet_conditioning_scale"),
        ({"control_guidance_start": 1.5}, "control_guidance_start"),
        ({"control_guidance_end": [0.5, 1.0]}, "2 numbers for 1"),
        ({"controlnet_scale": 1.0}, "controlnet_scale"),
        ({"quality_budget": 30.0}, "quality_budget"),
    ],
)
def test_what_is_refused(pair: Any, settings: dict[str, Any], said: str) -> None:
    given = {"prompt": PROMPTS[0], "image": picture(1)} | settings
    with pytest.raises(InputError, match=said):
        pair[0](**given)


def test_a_net_of_another_family(tiny_v1: Path, tiny_xl: Path, tmp_path: Path) -> None:
    mine, _ = nets(tmp_path, **XL)
    with pytest.raises(InputError, match="another family"):
        PIPES[0].from_pretrained(tiny_v1, controlnet=mine)(PROMPTS[0], image=picture(1))
    wrong, _ = nets(tmp_path / "v1", **V1)
    with pytest.raises(InputError, match="another family"):
        XL_PIPES[0].from_pretrained(tiny_xl, controlnet=wrong)(PROMPTS[0], image=picture(1))
    with pytest.raises(InputError, match="controlnet must be"):
        PIPES[0].from_pretrained(tiny_v1, controlnet="net")
    with pytest.raises(InputError, match="controlnet"):
        PIPES[0].from_pretrained(tiny_v1)


def test_saved_and_loaded(pair: Any, tmp_path: Path) -> None:
    ours = pair[0]
    ours.save_pretrained(tmp_path)
    again = type(ours).from_pretrained(tmp_path)
    again.set_progress_bar_config(disable=True)
    given = {"prompt": PROMPTS[0], "image": picture(1)}
    assert np.array_equal(drawn(again, **given), drawn(ours, **given))
    with tiny.quiet():
        theirs = type(pair[1]).from_pretrained(tmp_path)
    theirs.set_progress_bar_config(disable=True)
    assert_same((again, theirs), **given)
    found = kakusan.DiffusionPipeline.from_pretrained(tmp_path)
    assert type(found) is type(ours)


def test_records_tell_of_nets_and_pictures(pair: Any) -> None:
    output = pair[0](PROMPTS, image=[picture(1), picture(2)], num_inference_steps=1, seed=1)
    told = [record["controls"] for record in output.records]
    assert told[0][0]["image"] != told[1][0]["image"]
    assert told[0][0]["model"] == pair[0].controlnet.name_or_path
    again = kakusan.Request.from_record(output.records[1])
    assert again.to_record()["controls"] == told[1]
    assert "controls" not in kakusan.Request.of("x").to_record()
