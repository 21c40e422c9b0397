"""Whole pictures of what attends to pictures (IP-Adapter) beside the reference's."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
import transformers
from PIL import Image
from safetensors.torch import save_file

import kakusan
from kakusan.errors import InputError
from tests.models.test_ip_adapter import flat
from tests.oracle import ip_adapters, tiny

STEPS = 3
DRAWN = {"num_inference_steps": STEPS, "output_type": "np", "height": 64, "width": 64}
FAMILIES = {
    "v1": (kakusan.StableDiffusionPipeline, diffusers.StableDiffusionPipeline),
    "xl": (kakusan.StableDiffusionXLPipeline, diffusers.StableDiffusionXLPipeline),
}


def picture(seed: int) -> Image.Image:
    """As large as the encoder looks at, so that nothing is resized."""
    levels = np.random.default_rng(seed).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    return Image.fromarray(levels)


class Places:
    """A tiny model of each family, and a folder of adapters for it, as they are published."""

    def __init__(self, models: dict[str, Path], root: Path) -> None:
        self.models, self.root = models, root
        for family, model in models.items():
            folder = root / family
            folder.mkdir()
            with tiny.quiet():
                unet = diffusers.UNet2DConditionModel.from_pretrained(model / "unet")
            for seed, kind in enumerate(ip_adapters.KINDS):
                state = ip_adapters.state(unet, kind, seed=10 * seed)
                torch.save(state, folder / f"{kind}.bin")
                save_file(flat(state), folder / f"{kind}.safetensors")
            ip_adapters.image_encoder().save_pretrained(folder / "image_encoder")

    def both(self, family: str, *kinds: str) -> tuple[Any, Any]:
        """Our pipeline and the reference's with these adapters."""
        pipes: list[Any] = []
        with tiny.quiet():
            for kind in FAMILIES[family]:
                pipe: Any = kind.from_pretrained(self.models[family])
                pipe.set_progress_bar_config(disable=True)
                if kinds:
                    names = [f"{each}.bin" for each in kinds]
                    pipe.load_ip_adapter(self.root, family, names if len(names) > 1 else names[0])
                pipes.append(pipe)
        return pipes[0], pipes[1]


@pytest.fixture(scope="module")
def places(tiny_v1: Path, tiny_xl: Path, tmp_path_factory: pytest.TempPathFactory) -> Places:
    return Places({"v1": tiny_v1, "xl": tiny_xl}, tmp_path_factory.mktemp("adapters"))


def drawn(pipe: Any, image: Any, **settings: Any) -> Any:
    generator = torch.Generator().manual_seed(7)
    asked = {**DRAWN, **settings}
    prompt = asked.pop("prompt", "a red cube")
    with tiny.quiet():
        return pipe(prompt, ip_adapter_image=image, generator=generator, **asked).images


def assert_same(ours: Any, theirs: Any) -> None:
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() <= 1 / 255
    assert 10 * np.log10(1 / max(float(((ours - theirs) ** 2).mean()), 1e-12)) >= 48


def assert_differ(one: Any, other: Any) -> None:
    assert np.abs(one - other).max() > 4 / 255


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("kind", ip_adapters.KINDS)
def test_each_kind(places: Places, family: str, kind: str) -> None:
    ours, theirs = places.both(family, kind)
    seen = picture(1)
    found = drawn(ours, seen)
    assert_same(found, drawn(theirs, seen))
    assert_differ(found, drawn(ours, None))
    assert_differ(found, drawn(ours, picture(2)))


@pytest.mark.parametrize("scale", [0.0, 0.5, "blocks", "way"])
def test_scales(places: Places, scale: Any) -> None:
    said = {
        "blocks": {"down": {"block_1": [0.0, 1.0]}, "up": {"block_1": [0.0, 1.0, 0.5]}},
        "way": {"up": 0.7, "mid": 1.2},
    }
    ours, theirs = places.both("v1", "plus")
    for pipe in (ours, theirs):
        pipe.set_ip_adapter_scale(said.get(scale, scale))
    found = drawn(ours, picture(1))
    assert_same(found, drawn(theirs, picture(1)))
    if scale == 0.0:
        assert np.array_equal(found, drawn(ours, None))
    else:
        assert_differ(found, drawn(ours, None))


def test_two_adapters_several_pictures_and_batches(places: Places) -> None:
    ours, theirs = places.both("v1", "plain", "plus")
    for pipe in (ours, theirs):
        pipe.set_ip_adapter_scale([0.8, 0.6])
    seen = [picture(1), [picture(2), picture(3)]]
    asked = {"prompt": ["a red cube", "a cat"], "num_images_per_prompt": 2}
    assert_same(drawn(ours, seen, **asked), drawn(theirs, seen, **asked))
    asked = {"guidance_scale": 1.0}
    assert_same(drawn(ours, seen, **asked), drawn(theirs, seen, **asked))


def test_xl_with_two_and_blocks(places: Places) -> None:
    ours, theirs = places.both("xl", "plus", "full")
    for pipe in (ours, theirs):
        pipe.set_ip_adapter_scale([{"up": {"block_0": [0.0, 1.0, 0.0]}}, 0.4])
    seen = [picture(1), picture(2)]
    assert_same(drawn(ours, seen), drawn(theirs, seen))


@pytest.mark.parametrize("guidance", [1.0, 5.0])
def test_embeds_are_the_references(places: Places, guidance: float) -> None:
    ours, theirs = places.both("v1", "plain", "plus")
    seen = [[picture(1), picture(2)], picture(3)]
    asked = {
        "device": "cpu",
        "num_images_per_prompt": 1,
        "do_classifier_free_guidance": guidance > 1,
    }
    with torch.no_grad():
        found = ours.prepare_ip_adapter_image_embeds(seen, None, **asked)
        expected = theirs.prepare_ip_adapter_image_embeds(seen, None, **asked)
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape
        assert torch.allclose(one, other, atol=1e-4)
    given = {"ip_adapter_image_embeds": found, "guidance_scale": guidance}
    with_pictures = drawn(ours, seen, guidance_scale=guidance)
    assert np.allclose(drawn(ours, None, **given), with_pictures, atol=1e-5)
    for hidden in (False, True):
        with torch.no_grad():
            one = ours.encode_image(picture(1), "cpu", 2, hidden)
            other = theirs.encode_image(picture(1), "cpu", 2, hidden)
        assert all(torch.allclose(a, b, atol=1e-4) for a, b in zip(one, other, strict=True))


def test_image_to_image(places: Places) -> None:
    ours, theirs = places.both("v1", "plus")
    ours = kakusan.StableDiffusionImg2ImgPipeline.from_pipe(ours)
    theirs = diffusers.StableDiffusionImg2ImgPipeline.from_pipe(theirs)
    theirs.set_progress_bar_config(disable=True)
    ours.set_progress_bar_config(disable=True)
    begun = picture(4).resize((64, 64))
    asked = {"image": begun, "strength": 0.7, "height": None, "width": None}
    pictures = [_begun(pipe, asked) for pipe in (ours, theirs)]
    assert_same(*pictures)


def _begun(pipe: Any, asked: dict[str, Any]) -> Any:
    generator = torch.Generator().manual_seed(7)
    given = {name: value for name, value in asked.items() if value is not None}
    with tiny.quiet():
        return pipe(
            "a red cube",
            ip_adapter_image=picture(1),
            generator=generator,
            num_inference_steps=STEPS,
            output_type="np",
            **given,
        ).images


def test_beside_a_controlnet_and_a_mask(places: Places, tmp_path: Path) -> None:
    ours, theirs = places.both("v1", "plus")
    plain = places.both("v1")[1].unet
    net: Any = tiny.randomise(diffusers.ControlNetModel.from_unet(plain), seed=9)
    net.save_pretrained(tmp_path)
    control = kakusan.ControlNetModel.from_pretrained(tmp_path)
    begun, mask = picture(4).resize((64, 64)), Image.new("L", (64, 64), 0)
    mask.paste(255, (0, 0, 32, 64))
    ways: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
        "ControlNet": ({"controlnet": control}, {"image": begun}),
        "Inpaint": ({}, {"image": begun, "mask_image": mask, "strength": 0.8}),
    }
    for way, (parts, given) in ways.items():
        name = f"StableDiffusion{way}Pipeline"
        found: list[Any] = []
        for library, pipe in ((kakusan, ours), (diffusers, theirs)):
            beside = {"controlnet": net} if parts and library is diffusers else parts
            made = getattr(library, name).from_pipe(pipe, **beside)
            made.set_progress_bar_config(disable=True)
            found.append(_begun(made, given))
        assert_same(*found)


def test_a_picture_alone_is_the_same_in_a_batch_and_beside_plain_ones(places: Places) -> None:
    pipe, _ = places.both("v1", "plain")
    asked = {"seed": 5, "num_inference_steps": STEPS, "ip_adapter_image": picture(1)}
    both = pipe(["a cat", "a dog"], output_type="np", **asked).images
    alone = pipe("a cat", output_type="np", **asked).images
    assert np.array_equal(both[0], alone[0])


def test_unloaded_it_is_as_it_was(places: Places) -> None:
    plain, _ = places.both("v1")
    before = drawn(plain, None)
    pipe, _ = places.both("v1", "plain")
    assert pipe.image_encoder is not None
    assert pipe.components["image_encoder"] is pipe.image_encoder
    assert np.array_equal(drawn(pipe, None), before)
    pipe.unload_ip_adapter()
    assert pipe.image_encoder is None
    assert np.array_equal(drawn(pipe, None), before)
    with pytest.raises(InputError, match="no IP-Adapter; load one with load_ip_adapter"):
        drawn(pipe, picture(1))


def test_the_encoder_runs_once_for_a_call(places: Places, monkeypatch: Any) -> None:
    pipe, _ = places.both("v1", "plus")
    calls: list[int] = []
    plain = type(pipe.image_encoder).forward

    def counted(self: Any, pixels: Any, **options: Any) -> Any:
        calls.append(len(pixels))
        return plain(self, pixels, **options)

    monkeypatch.setattr(type(pipe.image_encoder), "forward", counted)
    pipe(["a", "b"], seed=1, num_inference_steps=2, ip_adapter_image=[[picture(1), picture(2)]])
    assert sorted(calls) == [1, 2]
    pipe("a", seed=1, num_inference_steps=2)
    assert sorted(calls) == [1, 2]


def test_what_is_saved_has_the_encoder(places: Places, tmp_path: Path) -> None:
    pipe, _ = places.both("v1", "plain")
    pipe.save_pretrained(tmp_path)
    with tiny.quiet():
        theirs: Any = diffusers.StableDiffusionPipeline.from_pretrained(tmp_path)
    assert isinstance(theirs.image_encoder, transformers.CLIPVisionModelWithProjection)
    again = kakusan.StableDiffusionPipeline.from_pretrained(tmp_path)
    assert again.image_encoder is not None
    without = kakusan.StableDiffusionPipeline.from_pretrained(tmp_path, image_encoder=None)
    assert without.image_encoder is None


WRONG: dict[str, tuple[Callable[[Any, Places], Any], str]] = {
    "no adapter": (
        lambda pipe, places: (pipe.unload_ip_adapter(), pipe("x", ip_adapter_image=picture(1))),
        "the pipeline has no IP-Adapter",
    ),
    "a number": (lambda pipe, places: pipe("x", ip_adapter_image=5), "must be a picture of PIL's"),
    "two for one": (
        lambda pipe, places: pipe("x", ip_adapter_image=[picture(1), picture(2)]),
        "entries for 2 IP-Adapters, and 1 were loaded",
    ),
    "both": (
        lambda pipe, places: pipe(
            "x", ip_adapter_image=picture(1), ip_adapter_image_embeds=[torch.zeros(2, 1, 20)]
        ),
        "were both given",
    ),
    "embeds": (
        lambda pipe, places: pipe("x", ip_adapter_image_embeds=[torch.zeros(2, 1, 21)]),
        r"must have the shape \(1 or 2, pictures, 20\), not \(2, 1, 21\)",
    ),
    "no encoder": (
        lambda pipe, places: (
            setattr(pipe, "image_encoder", None),
            pipe("x", ip_adapter_image=picture(1)),
        ),
        "there is no image encoder to see the picture with",
    ),
    "SDXL's": (
        lambda pipe, places: pipe.load_ip_adapter(places.root, "xl", "plain.safetensors"),
        "plain.safetensors.* was made for models whose text is 72 wide",
    ),
    "no folder of an encoder": (
        lambda pipe, places: (
            setattr(pipe, "image_encoder", None),
            pipe.load_ip_adapter(places.root, "v1", "plain.bin", image_encoder_folder="enc"),
        ),
        "there is no image encoder .*v1/enc.*image_encoder_folder=",
    ),
    "no file": (
        lambda pipe, places: pipe.load_ip_adapter(places.root, "v1", "plein.bin"),
        "no file 'plein.bin'.*plain.bin",
    ),
    "nan": (lambda pipe, places: pipe.set_ip_adapter_scale(float("nan")), "finite number.*nan"),
    "a word": (lambda pipe, places: pipe.set_ip_adapter_scale("strong"), "finite number.*strong"),
    "three": (
        lambda pipe, places: pipe.set_ip_adapter_scale([1, 2, 3]),
        "3 scales were given, and 1 IP-Adapters are loaded",
    ),
    "a block": (
        lambda pipe, places: pipe.set_ip_adapter_scale({"down": {"block_2": 1.0}}),
        "no 'block_2' on the way \"down\" that attends to a text; there are",
    ),
    "a way": (
        lambda pipe, places: pipe.set_ip_adapter_scale({"middle": 1.0}),
        "scales of an IP-Adapter are for",
    ),
    "so many": (
        lambda pipe, places: pipe.set_ip_adapter_scale({"up": {"block_1": [1.0, 0.0]}}),
        "'block_1' of up has 3 transformers, and 2 scales were given",
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_is_one_line(places: Places, wrong: str) -> None:
    pipe, _ = places.both("v1", "plain")
    act, said = WRONG[wrong]
    with pytest.raises(InputError, match=said) as caught:
        act(pipe, places)
    assert "\n" not in str(caught.value)


def test_an_encoder_of_another_width(places: Places) -> None:
    pipe, _ = places.both("v1", "plain")
    pipe.image_encoder = kakusan.CLIPVisionModelWithProjection(
        {**ip_adapters.VISION, "projection_dim": 24}
    )
    with pytest.raises(InputError, match=r"encoder that gives 20 numbers, and this one gives 24"):
        drawn(pipe, picture(1))
