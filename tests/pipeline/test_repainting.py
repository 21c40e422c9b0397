"""Models that repaint (9 channels) draw from a text as if a mask covered a grey picture."""

import warnings
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image

import kakusan
from kakusan.errors import RequestError
from kakusan.models import UNet2DConditionModel
from kakusan.pipeline import draw_together
from tests.oracle import bpe, single, tiny

PROMPTS = ["a cat on a red background", "an astronaut riding a horse, 4k"]
SIZE = 64
LATENTS = torch.randn(2, 4, SIZE // 8, SIZE // 8, generator=torch.Generator().manual_seed(7))


def exact(vae: Any) -> Any:
    """A VAE whose latents have no deviation: the reference draws them from their distribution."""
    vae.quant_conv.weight.data[4:] = 0
    vae.quant_conv.bias.data[4:] = -1e6
    return vae


@pytest.fixture(scope="module")
def v1(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("repainting") / "v1"
    with tiny.quiet():
        diffusers.StableDiffusionInpaintPipeline(
            vae=exact(tiny.vae()),
            text_encoder=tiny.text_encoder(),
            tokenizer=tiny.tokenizer(folder / "tokenizer", bpe.END),
            unet=tiny.unet(in_channels=9),
            scheduler=diffusers.PNDMScheduler.from_config(tiny.SCHEDULER),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        ).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def xl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("repainting") / "xl"
    with tiny.quiet():
        diffusers.StableDiffusionXLInpaintPipeline(
            vae=exact(tiny.vae(scaling_factor=0.13025)),
            text_encoder=tiny.text_encoder(),
            text_encoder_2=tiny.text_encoder_2(),
            tokenizer=tiny.tokenizer(folder / "tokenizer", bpe.END),
            tokenizer_2=tiny.tokenizer(folder / "tokenizer_2", "!"),
            unet=tiny.unet(**tiny.XL_UNET, in_channels=9),
            scheduler=diffusers.EulerDiscreteScheduler.from_config(tiny.XL_SCHEDULER),
        ).save_pretrained(folder)
    return folder


def loaded(folder: Path, **options: Any) -> Any:
    pipe = kakusan.AutoPipelineForText2Image.from_pretrained(folder, **options)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def levels(images: Any) -> np.ndarray:
    return np.stack([np.asarray(image) for image in images]).astype(int)


def masked(kind: Any, folder: Path, **call: Any) -> np.ndarray:
    """What the reference paints in place of all of a grey picture."""
    with warnings.catch_warnings(), tiny.quiet():
        warnings.simplefilter("ignore")
        pipe = kind.from_pretrained(folder)
        pipe.set_progress_bar_config(disable=True)
        grey, white = (Image.new("RGB", (SIZE, SIZE), (each,) * 3) for each in (128, 255))
        call |= {"image": grey, "mask_image": white.convert("L"), "strength": 1.0}
        return levels(pipe(height=SIZE, width=SIZE, **call).images)


def call(**changes: Any) -> dict[str, Any]:
    # strong guidance would show how differently flat pictures round in the two libraries' VAEs
    given = {"guidance_scale": 3.0, "latents": LATENTS.clone()}
    return {"prompt": PROMPTS, "num_inference_steps": 4} | given | changes


@pytest.mark.parametrize("guidance", [3.0, 1.0])
def test_a_picture_is_the_one_of_a_mask_over_everything(v1: Path, guidance: float) -> None:
    given = call(guidance_scale=guidance)
    ours = levels(loaded(v1)(**given, height=SIZE, width=SIZE).images)
    theirs = masked(diffusers.StableDiffusionInpaintPipeline, v1, **given)
    assert np.abs(ours - theirs).max() <= 1
    assert ours.std() > 10


def test_the_same_with_sdxl(xl: Path) -> None:
    pipe = loaded(xl)
    assert type(pipe) is kakusan.StableDiffusionXLPipeline
    ours = levels(pipe(**call(), height=SIZE, width=SIZE).images)
    theirs = masked(diffusers.StableDiffusionXLInpaintPipeline, xl, **call())
    assert np.abs(ours - theirs).max() <= 1


def test_what_lies_beside_the_latents(v1: Path) -> None:
    pipe, seen = loaded(v1), list[torch.Tensor]()
    pipe.unet.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    pipe(PROMPTS[0], num_inference_steps=2, seed=0, height=SIZE, width=SIZE)
    grey = pipe.vae.encode(torch.zeros(1, 3, SIZE, SIZE)).latent_dist.mean
    for sample in seen:  # the same for both halves of guidance
        assert sample.shape == (2, 9, SIZE // 8, SIZE // 8)
        assert torch.equal(sample[:, 4], torch.ones_like(sample[:, 4]))
        assert torch.allclose(sample[:, 5:], grey * pipe.vae.config.scaling_factor, atol=1e-4)


def test_a_record_draws_the_picture_again(v1: Path) -> None:
    drawn = kakusan.generate(
        PROMPTS, model=str(v1), seed=3, steps=3, progress=False, height=SIZE, width=SIZE
    )
    for picture in drawn:
        assert picture.record["seed"] is not None
        assert not any("seed" in note for note in picture.record["notes"])
        again = kakusan.reproduce(picture.record, trust_model=True, progress=False)
        assert np.array_equal(levels([picture.image]), levels([again.image]))


def test_pictures_of_a_batch_and_beside_others(v1: Path) -> None:
    pipe = loaded(v1)
    requests = [
        kakusan.Request.of(prompt, seed=seed, num_inference_steps=3, height=SIZE, width=width)
        for seed, (prompt, width) in enumerate(zip(PROMPTS * 2, (64, 64, 80, 64), strict=True))
    ]
    alone = [levels(each.image for each in pipe.pictures(request)) for request in requests]
    for number, picture in draw_together(pipe, requests):
        assert np.abs(levels([picture.image]) - alone[number]).max() <= 1
    batch = pipe(PROMPTS, seed=0, num_inference_steps=3, height=SIZE, width=SIZE, batch_size=2)
    assert np.abs(levels(batch.images)[:1] - alone[0]).max() <= 1


def test_steps_are_seen(v1: Path) -> None:
    steps = list(loaded(v1).stream(PROMPTS[0], seed=1, num_inference_steps=3, height=SIZE))
    assert [step.latents.shape[1] for step in steps] == [4] * len(steps)
    assert steps[0].preview()[0].size == (steps[0].latents.shape[3], SIZE // 8)
    assert steps[-1].decode()[0].height == SIZE


def test_a_single_file(tmp_path: Path) -> None:
    networks = single.v1(9)
    path = single.write(tmp_path / "painter.safetensors", single.v1_tensors(networks))
    pipe = kakusan.StableDiffusionPipeline.from_single_file(path)
    pipe.set_progress_bar_config(disable=True)
    assert pipe("a cat", num_inference_steps=2, height=SIZE, width=SIZE, seed=0).images


def test_what_is_saved_is_loaded_by_the_reference_to_repaint(v1: Path, tmp_path: Path) -> None:
    loaded(v1).save_pretrained(tmp_path / "saved")
    with tiny.quiet():
        theirs = diffusers.DiffusionPipeline.from_pretrained(tmp_path / "saved")
    assert type(theirs) is diffusers.StableDiffusionInpaintPipeline
    assert loaded(tmp_path / "saved").unet.config.in_channels == 9


@pytest.mark.parametrize("channels", [5, 8, 10])
def test_other_numbers_of_channels_are_not_drawn_with(tiny_v1: Path, channels: int) -> None:
    config = dict(UNet2DConditionModel.load_config(tiny_v1, subfolder="unet"))
    unet = UNet2DConditionModel.from_config({**config, "in_channels": channels})
    with pytest.raises(RequestError) as caught:
        loaded(tiny_v1, unet=unet)
    assert f"takes {channels} channels and the vae gives 4" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("channels", [5, 8])
def test_such_a_file_is_refused_before_weights_are_read(tmp_path: Path, channels: int) -> None:
    tensors = single.v1_tensors(single.v1(channels))
    # reading the weights would say that they are broken
    name = f"{single.UNET_PREFIX}out.2.bias"
    path = single.write(tmp_path / "x.safetensors", tensors | {name: torch.full((4,), torch.nan)})
    with pytest.raises(RequestError, match=f"takes {channels} channels and the vae gives 4"):
        kakusan.generate("a cat", model=path, progress=False)


def test_a_vae_that_only_decodes(v1: Path, tmp_path: Path) -> None:
    tiny_vae = kakusan.AutoencoderTiny()
    tiny_vae.encoder = None
    with pytest.raises(RequestError, match="only decodes"):
        loaded(v1, vae=tiny_vae)


def test_the_index_names_the_pipeline(v1: Path, xl: Path) -> None:
    load = kakusan.DiffusionPipeline.from_pretrained
    assert type(load(v1)) is kakusan.StableDiffusionInpaintPipeline
    assert type(load(xl)) is kakusan.StableDiffusionXLInpaintPipeline
