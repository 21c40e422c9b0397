"""What steers by pictures is shown to `callback_on_step_end`, and changed, as in the reference."""

import re
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from diffusers.callbacks import SDXLControlnetCFGCutoffCallback as Theirs
from PIL import Image

import kakusan
from kakusan.callbacks import SDXLControlnetCFGCutoffCallback
from kakusan.errors import RequestError
from kakusan.models import ControlNetModel, MultiControlNetModel
from tests.models.test_controlnet import V1, XL
from tests.steering.test_controlnet import loaded, nets, other, picture
from tests.steering.test_inpaint import of_nine

PAINTED = {"v1": "StableDiffusionInpaintPipeline", "xl": "StableDiffusionXLInpaintPipeline"}
STEERED = (
    "StableDiffusionControlNetPipeline",
    "StableDiffusionControlNetImg2ImgPipeline",
    "StableDiffusionControlNetInpaintPipeline",
    "StableDiffusionXLControlNetPipeline",
    "StableDiffusionXLControlNetImg2ImgPipeline",
    "StableDiffusionXLControlNetInpaintPipeline",
)
Callback = Callable[[Any, int, Any, dict[str, Any]], Any]


def mask(left: int = 8) -> Image.Image:
    levels = np.zeros((64, 64), np.uint8)
    levels[16:40, left : left + 40] = 255
    return Image.fromarray(levels)


@pytest.fixture(scope="module", params=["v1", "xl", "v1 of 9", "xl of 9"])
def painted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    name, _, nine = request.param.partition(" of ")
    made = tmp_path_factory.mktemp("model") if nine else None
    folder = request.getfixturevalue(f"tiny_{name}") if made is None else of_nine(made, name)
    pair = [getattr(of, PAINTED[name]) for of in (kakusan, diffusers)]
    return _quiet(*(kind.from_pretrained(folder, safety_checker=None) for kind in pair))


@pytest.fixture(scope="module", params=STEERED)
def steered(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    is_xl = "XL" in request.param
    folder = request.getfixturevalue("tiny_xl" if is_xl else "tiny_v1")
    classes = getattr(kakusan, request.param), getattr(diffusers, request.param)
    return loaded(classes, folder, nets(tmp_path_factory.mktemp("net"), **(XL if is_xl else V1)))


def _quiet(*pipes: Any) -> Any:
    for pipe in pipes:
        pipe.set_progress_bar_config(disable=True)
    return pipes


def call(pipe: Any, callback: Callback, names: Sequence[str], **settings: Any) -> np.ndarray:
    kind = type(pipe).__name__
    given: dict[str, Any] = {"prompt": "a cat", "image": picture(3)}
    if "Inpaint" in kind:
        given["mask_image"] = mask()
    if "ControlNet" in kind and ("Inpaint" in kind or "Img2Img" in kind):
        given["control_image"] = picture(4)
    if "XL" not in kind and "Inpaint" in kind:
        given |= {"height": 64, "width": 64}
    given |= {"num_inference_steps": 4, "generator": torch.Generator().manual_seed(5)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = pipe(
            **given | settings,
            output_type="np",
            callback_on_step_end=callback,
            callback_on_step_end_tensor_inputs=[*names],
        ).images
    return np.asarray(found)


def shown(pipe: Any, names: Sequence[str], **settings: Any) -> list[dict[str, Any]]:
    """What each step shows."""
    found: list[dict[str, Any]] = []

    def look(_pipe: Any, _index: int, _time: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        found.append(
            {n: [e.clone() for e in v] if isinstance(v, list) else v for n, v in tensors.items()}
        )
        return tensors

    call(pipe, look, names, **settings)
    return found


def assert_shown_alike(pair: Any, **settings: Any) -> None:
    names = [*pair[1]._callback_tensor_inputs]
    assert not {*names} - {*pair[0]._callback_tensor_inputs}
    if settings.get("guidance_scale") == 1.0:
        names = [each for each in names if "neg" not in each]
    ours, theirs = (shown(pipe, names, **settings) for pipe in pair)
    assert len(ours) == len(theirs)
    for own, other_ in zip(ours, theirs, strict=True):
        assert own.keys() == other_.keys()
        for name in names:
            mine, yours = own[name], other_[name]
            assert isinstance(mine, list) == isinstance(yours, list), name
            pairs = zip(mine, yours, strict=True) if isinstance(mine, list) else [(mine, yours)]
            for left, each in pairs:
                # the reference has one row of it for all pictures
                right = each.expand_as(left) if name == "negative_add_time_ids" else each
                assert left.shape == right.shape, name
                assert torch.allclose(left.float(), right.float(), atol=2e-3), name


def assert_changed_alike(
    pair: Any, name: str, change: Callable[[Any], Any], limit: float = 1.0, **settings: Any
) -> None:
    def at_the_first(_pipe: Any, index: int, _time: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        return {name: change(tensors[name])} if index == 0 else tensors

    def plain(_pipe: Any, _index: int, _time: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        return tensors

    ours, theirs = (call(pipe, at_the_first, [name], **settings) for pipe in pair)
    assert np.abs(ours - theirs).max() * 255 <= limit
    assert np.abs(ours - call(pair[0], plain, [name], **settings)).max() > 0.01


def test_every_pipeline_knows_the_names_of_its_reference() -> None:
    steering = {"image", "control_image", "mask", "masked_image_latents"}
    kinds = [name for name in kakusan.__all__ if re.fullmatch("(Stable|Latent).*Pipeline", name)]
    assert len(kinds) > 15
    for name in kinds:
        # the reference's T2I-Adapters have none
        theirs = {*getattr(getattr(diffusers, name), "_callback_tensor_inputs", ["latents"])}
        ours = {*getattr(kakusan, name)._callback_tensor_inputs}
        assert theirs <= ours, name
        assert theirs & steering == ours & steering, name


@pytest.mark.parametrize(
    "settings",
    [{}, {"guidance_scale": 1.0}, {"num_images_per_prompt": 2, "strength": 0.6}],
    ids=str,
)
def test_masks_are_shown(painted: Any, settings: dict[str, Any]) -> None:
    assert_shown_alike(painted, **settings)


def test_a_changed_mask_acts(painted: Any) -> None:
    assert_changed_alike(painted, "mask", lambda x: x.flip(-1))
    assert_changed_alike(painted, "mask", torch.ones_like, num_images_per_prompt=2)


def test_what_a_mask_leaves_is_changed_where_it_is_read(painted: Any) -> None:
    name = "masked_image_latents"
    if painted[0].unet.config.in_channels == 9:
        assert_changed_alike(painted, name, lambda x: x * 0.3)
        assert_changed_alike(painted, name, lambda x: torch.cat([x[:1] * 0.3, x[1:] * -1]))
        return
    with pytest.raises(RequestError, match=f"{name} .* is read by models that repaint"):
        call(painted[0], lambda _p, _i, _t, k: {name: k[name] * 0.3}, [name])


def test_what_cannot_be_shown_is_told_before_the_first_step(painted: Any) -> None:
    def never(_pipe: Any, _index: int, _time: Any, _tensors: dict[str, Any]) -> None:
        raise AssertionError

    if painted[0].unet.config.in_channels == 4:
        factor = painted[0].vae_scale_factor
        latents = torch.randn(1, 4, 64 // factor, 64 // factor)
        with pytest.raises(RequestError, match="image was given as latents; leave them out"):
            call(painted[0], never, ["masked_image_latents"], image=latents)


SETTINGS: tuple[dict[str, Any], ...] = (
    {},
    {"guidance_scale": 1.0},
    {"guess_mode": True, "num_images_per_prompt": 2},
)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_control_pictures_are_shown(steered: Any, settings: dict[str, Any]) -> None:
    assert_shown_alike(steered, **settings)


def name_of(pair: Any) -> str:
    return "image" if "image" in pair[0]._callback_tensor_inputs else "control_image"


def test_a_changed_control_picture_acts(steered: Any) -> None:
    name = name_of(steered)
    for settings in SETTINGS:
        assert_changed_alike(steered, name, lambda x: 1 - x, **settings)
    assert_changed_alike(steered, name, lambda x: torch.cat([x[:1], 1 - x[1:]]))
    assert_changed_alike(steered, name, lambda x: x.mul_(0.2))


def test_it_is_as_if_it_had_been_another_from_the_start(steered: Any) -> None:
    """A picture that is changed before it acts is the one that steers."""
    pipe, name = steered[0], name_of(steered)

    def other_one(_pipe: Any, index: int, _time: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        return {name: tensors[name].flip(-1)} if index == 0 else {}

    late = {"control_guidance_start": 0.3, "strength": 1.0}
    if name == "image":
        late.pop("strength")
    flipped = picture(3 if name == "image" else 4).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    found = call(pipe, other_one, [name], **late)
    wanted = call(pipe, lambda _p, _i, _t, k: k, [name], **late, **{name: flipped})
    assert np.abs(found - wanted).max() < 1e-4


def test_the_end_of_guidance(steered: Any) -> None:
    """As the reference's ready callback for SDXL's ControlNet does it."""
    name = name_of(steered)
    names = ["prompt_embeds", name]
    if "XL" in type(steered[0]).__name__:
        names += ["add_text_embeds", "add_time_ids"]

    def ends(pipe: Any, index: int, _time: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        if index == 1:
            tensors = {each: value[-1:] for each, value in tensors.items()}
            pipe._guidance_scale = 0.0
        return tensors

    if name == "control_image":  # its reference does not look at the guidance again
        call(steered[0], ends, names)
        return
    ours, theirs = (call(pipe, ends, names) for pipe in steered)
    assert np.abs(ours - theirs).max() * 255 <= 1


def test_the_ready_callback_for_controlnets(steered: Any) -> None:
    if type(steered[0]).__name__ != "StableDiffusionXLControlNetPipeline":
        return
    ours, theirs = (
        call(pipe, ends(cutoff_step_ratio=0.5), ["latents"])
        for pipe, ends in zip(steered, (SDXLControlnetCFGCutoffCallback, Theirs), strict=True)
    )
    assert np.abs(ours - theirs).max() * 255 <= 1
    ends = SDXLControlnetCFGCutoffCallback(cutoff_step_ratio=0.5)
    guessing = call(steered[0], ends, [], guess_mode=True, num_images_per_prompt=2)
    assert len(guessing) == 2


def test_pictures_of_several_nets(tiny_v1: Path, tmp_path: Path) -> None:
    one, two = nets(tmp_path / "one", **V1), other(tmp_path / "two", 7, **V1)
    several: Any = ([one[0], two[0]], [one[1], two[1]])
    pair = loaded([getattr(of, STEERED[0]) for of in (kakusan, diffusers)], tiny_v1, several)
    pictures = [picture(1), picture(2)]
    assert_shown_alike(pair, image=pictures)
    assert_changed_alike(pair, "image", lambda x: [x[0], 1 - x[1]], image=pictures)
    assert_changed_alike(pair, "image", lambda x: [each.mul_(0.2) for each in x], image=pictures)
    with pytest.raises(RequestError, match=r"image of callback_on_step_end must be 2 tensor"):
        call(pair[0], lambda _p, _i, _t, k: {"image": k["image"][:1]}, ["image"], image=pictures)
    assert isinstance(pair[0].controlnet, MultiControlNetModel)


def test_bad_changes_are_told(steered: Any) -> None:
    name, pipe = name_of(steered), steered[0]
    bad: dict[str, Callable[[Any], Any]] = {
        f"{name} has the shape": lambda x: x[..., :32],
        f"{name} of callback_on_step_end has 3 rows": lambda x: torch.cat([x, x[:1]]),
        f"{name} must be a tensor": lambda _x: "a picture",
        f"{name} of callback_on_step_end must be 1 tensor": lambda x: [x, x],
        f"{name} holds NaN": lambda x: x * float("nan"),
    }
    for message, change in bad.items():
        with pytest.raises(RequestError, match=message):
            call(pipe, lambda _p, _i, _t, k, c=change: {name: c(k[name])}, [name])
    with pytest.raises(RequestError, match="has no 'picture'"):
        call(pipe, lambda _p, _i, _t, k: k, ["picture"])


def test_a_record_says_that_it_was_changed(steered: Any) -> None:
    name = name_of(steered)
    given: dict[str, Any] = {"prompt": "a cat", "image": picture(3), "num_inference_steps": 2}
    if "Inpaint" in type(steered[0]).__name__:
        given["mask_image"] = mask()
    if name == "control_image":
        given[name] = picture(4)

    def record(change: Callable[[Any], Any]) -> str:
        def callback(_p: Any, _i: int, _t: Any, tensors: dict[str, Any]) -> dict[str, Any]:
            return {name: change(tensors[name])}

        names = [name]
        found = steered[0](
            **given,
            seed=1,
            callback_on_step_end=callback,
            callback_on_step_end_tensor_inputs=names,
        )
        return str(found.records[0])

    assert "callback_on_step_end" not in record(lambda x: x)
    assert "callback_on_step_end" in record(lambda x: 1 - x)


def test_a_plain_run_shows_nothing(steered: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is embedded or encoded again where nobody asks."""
    asked: list[str] = []
    net = type(steered[0].controlnet)
    assert net is ControlNetModel
    embed = net.embed

    def counted(self: Any, *args: Any, **kwargs: Any) -> Any:
        asked.append("embed")
        return embed(self, *args, **kwargs)

    monkeypatch.setattr(net, "embed", counted)
    call(steered[0], lambda _p, _i, _t, k: k, ["latents"])
    assert asked == ["embed"]
