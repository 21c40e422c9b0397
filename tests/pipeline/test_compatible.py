"""What scripts call on a pipeline and its output gives what the reference library gives."""

import copy
import math
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers.image_processor import VaeImageProcessor as TheirProcessor
from PIL import Image

import kakusan
from kakusan.errors import InputError, KakusanError, RequestError
from tests.pipeline.test_oracle import both, seeded

SIZE = 64


@pytest.fixture(scope="module")
def pair(tiny_v1: Path) -> tuple[Any, Any]:
    return both(tiny_v1)


@pytest.fixture(scope="module")
def pipe(tiny_v1: Path) -> kakusan.StableDiffusionPipeline:
    pipe = kakusan.StableDiffusionPipeline.from_pretrained(tiny_v1)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def pictures(count: int = 2) -> list[Image.Image]:
    rng = np.random.default_rng(0)
    return [Image.fromarray(rng.integers(0, 256, (70, 75, 3), np.uint8)) for _ in range(count)]


def array(count: int = 2) -> np.ndarray:
    return np.random.default_rng(1).random((count, 40, 48, 3)).astype(np.float32)


PROCESSING: dict[str, Callable[[Any], Any]] = {
    "preprocess": lambda p: p.preprocess(pictures()),
    "preprocess one": lambda p: p.preprocess(pictures(1)[0]),
    "preprocess sized": lambda p: p.preprocess(pictures(), height=64, width=48),
    "preprocess array": lambda p: p.preprocess(array()),
    "preprocess list of arrays": lambda p: p.preprocess([array(1)[0], array(1)[0]]),
    "preprocess tensor": lambda p: p.preprocess(torch.from_numpy(array()).permute(0, 3, 1, 2)),
    "preprocess latents": lambda p: p.preprocess(torch.ones(1, 4, 8, 8) * 3),
    "postprocess np": lambda p: p.postprocess(torch.linspace(-2, 2, 192).view(1, 3, 8, 8), "np"),
    "postprocess pt": lambda p: p.postprocess(
        torch.linspace(-2, 2, 192).view(1, 3, 8, 8), output_type="pt"
    ),
    "postprocess pil": lambda p: p.postprocess(torch.linspace(-1, 1, 192).view(1, 3, 8, 8)),
    "postprocess latent": lambda p: p.postprocess(torch.ones(1, 4, 8, 8), "latent"),
    "postprocess some": lambda p: p.postprocess(
        torch.full((2, 3, 8, 8), 0.5), "np", do_denormalize=[True, False]
    ),
    "numpy_to_pil": lambda p: p.numpy_to_pil(array()),
    "numpy_to_pil grey": lambda p: p.numpy_to_pil(array()[..., :1]),
    "pil_to_numpy": lambda p: p.pil_to_numpy(pictures()),
    "pil_to_numpy grey": lambda p: p.pil_to_numpy(pictures(1)[0].convert("L")),
    "numpy_to_pt": lambda p: p.numpy_to_pt(array()),
    "pt_to_numpy": lambda p: p.pt_to_numpy(torch.ones(1, 3, 4, 4)),
    "normalize": lambda p: p.normalize(array()),
    "denormalize": lambda p: p.denormalize(torch.linspace(-2, 2, 9)),
    "resize pil": lambda p: p.resize(pictures(1)[0], 32, 24),
    "resize tensor": lambda p: p.resize(torch.rand(1, 3, 8, 8, generator=seeded(1)[0]), 4, 6),
    "resize array": lambda p: p.resize(array(), 20, 24),
    "convert_to_rgb": lambda p: p.convert_to_rgb(pictures(1)[0].convert("L")),
    "convert_to_grayscale": lambda p: p.convert_to_grayscale(pictures(1)[0]),
    "binarize": lambda p: p.binarize(torch.linspace(0, 1, 8)),
    "default size": lambda p: p.get_default_height_width(pictures(1)[0]),
}


def plain(value: Any) -> Any:
    """A result as an array, or a list of them."""
    if isinstance(value, list):
        return [plain(each) for each in value]
    return np.asarray(value)


def assert_equal(ours: Any, theirs: Any) -> None:
    assert type(ours) is type(theirs)
    for mine, other in zip(plain([ours]), plain([theirs]), strict=True):
        np.testing.assert_allclose(mine, other, atol=2e-6)


@pytest.mark.parametrize("name", PROCESSING)
def test_the_image_processor_is_the_references(name: str) -> None:
    ours, theirs = PROCESSING[name](kakusan.VaeImageProcessor()), PROCESSING[name](TheirProcessor())
    assert_equal(ours, theirs)


@pytest.mark.parametrize(
    "settings",
    [
        {"do_convert_rgb": True},
        {"do_convert_grayscale": True, "do_binarize": True, "do_normalize": False},
        {"vae_scale_factor": 16, "resample": "bicubic"},
        {"do_resize": False},
    ],
)
def test_the_image_processors_settings(settings: Any) -> None:
    ours = kakusan.VaeImageProcessor(**settings).preprocess(pictures())
    assert_equal(ours, TheirProcessor(**settings).preprocess(pictures()))


@pytest.mark.parametrize(
    "call",
    [
        lambda p: p.postprocess(torch.ones(1, 3, 8, 8), "jpg"),
        lambda p: p.postprocess(5),
        lambda p: p.preprocess([]),
        lambda p: p.preprocess(["a.png"]),
        lambda p: p.preprocess([pictures(1)[0], array()]),
        lambda p: p.preprocess(Image.new("RGB", (5, 5))),
        lambda p: p.pil_to_numpy([Image.new("RGB", (5, 5)), Image.new("RGB", (6, 5))]),
        lambda _: kakusan.VaeImageProcessor(resample="best"),
    ],
)
def test_what_the_image_processor_cannot_take_is_one_line(call: Any) -> None:
    with pytest.raises(RequestError) as caught:
        call(kakusan.VaeImageProcessor())
    assert "\n" not in str(caught.value)


def test_the_output_by_name_by_number_and_as_two_values(pipe: Any) -> None:
    output = pipe("a cat", num_inference_steps=1, seed=1)
    images, nsfw = output
    assert images is output["images"] is output[0] is output.images is output.to_tuple()[0]
    assert nsfw is None is output["nsfw_content_detected"] is output[1]
    assert "images" in output
    assert len(output) == 2
    assert output[:1] == (images,)
    assert output["records"] is output.records
    with pytest.raises(KakusanError, match=r"no 'image'\. Did you mean 'images'"):
        output["image"]
    for again in (copy.deepcopy(output), copy.copy(output), pickle.loads(pickle.dumps(output))):
        assert again.records == output.records
        assert (np.asarray(again.images[0]) == np.asarray(images[0])).all()


def test_the_parts_of_a_call_make_its_picture(pair: tuple[Any, Any]) -> None:
    """The loop that teaching notebooks write by hand, of the pipeline's own parts."""

    def draw(pipe: Any) -> Any:
        device = pipe.device
        embeds, negative = pipe.encode_prompt("a cat", device, 1, True, negative_prompt="blur")
        embeds = torch.cat([negative, embeds])
        pipe.scheduler.set_timesteps(4, device=device)
        channels = pipe.unet.config.in_channels
        latents = pipe.prepare_latents(
            1, channels, SIZE, SIZE, embeds.dtype, device, seeded(3)[0], None
        )
        extra = pipe.prepare_extra_step_kwargs(seeded(3)[0], 0.0)
        with torch.no_grad(), pipe.progress_bar(total=4) as bar:
            for t in pipe.scheduler.timesteps:
                model_input = pipe.scheduler.scale_model_input(torch.cat([latents] * 2), t)
                noise = pipe.unet(model_input, t, encoder_hidden_states=embeds).sample
                uncond, text = noise.chunk(2)
                noise = uncond + 7.5 * (text - uncond)
                latents = pipe.scheduler.step(noise, t, latents, **extra).prev_sample
                bar.update()
            image = pipe.vae.decode(latents / pipe.vae.config.scaling_factor, return_dict=False)[0]
        image, flags = pipe.run_safety_checker(image, device, embeds.dtype)
        assert flags is None
        pipe.maybe_free_model_hooks()
        return pipe.image_processor.postprocess(image, output_type="np", do_denormalize=[True])

    ours, theirs = (draw(pipe) for pipe in pair)
    np.testing.assert_allclose(ours, theirs, atol=2e-3)
    (called,) = pair[0](
        "a cat",
        negative_prompt="blur",
        height=SIZE,
        width=SIZE,
        num_inference_steps=4,
        generator=seeded(3)[0],
        output_type="np",
    ).images
    np.testing.assert_allclose(ours[0], called, atol=2e-3)


ENCODING: dict[str, Callable[[Any], Any]] = {
    "one": lambda p: p.encode_prompt("a cat", "cpu", 1, True),
    "several": lambda p: p.encode_prompt(["a cat", "a dog"], "cpu", 2, True, ["x", "y"]),
    "no guidance": lambda p: p.encode_prompt("a cat", p.device, 1, False)[0],
    "clip skip": lambda p: p.encode_prompt("a cat", p.device, 1, True, clip_skip=1),
    "embeddings": lambda p: p.encode_prompt(
        None,
        p.device,
        2,
        True,
        prompt_embeds=torch.ones(1, 77, 32),
        negative_prompt_embeds=torch.zeros(1, 77, 32),
    ),
}


@pytest.mark.parametrize("name", ENCODING)
def test_encode_prompt(pair: tuple[Any, Any], name: str) -> None:
    ours, theirs = (ENCODING[name](pipe) for pipe in pair)
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other.detach(), atol=2e-5, rtol=2e-4)


def test_the_older_encode_prompt_is_one_tensor(pipe: Any) -> None:
    text, negative = pipe.encode_prompt("a cat", "cpu", 1, True)
    assert torch.equal(pipe._encode_prompt("a cat", "cpu", 1, True), torch.cat([negative, text]))
    assert torch.equal(pipe._encode_prompt("a cat", "cpu", 1, False), text)


@pytest.mark.parametrize("returns", ["flags", "one", "list"])
def test_a_function_in_the_safety_checkers_place(tiny_v1_checked: Path, returns: str) -> None:
    pipe = kakusan.StableDiffusionPipeline.from_pretrained(tiny_v1_checked)
    pipe.set_progress_bar_config(disable=True)
    seen: list[Any] = []

    def passing(images: Any, clip_input: Any) -> Any:
        seen.append((images.shape, clip_input.shape))
        flags = False if returns == "one" else [False] * len(images)
        return (list(images) if returns == "list" else images), flags

    pipe.safety_checker = passing
    output = pipe("a cat", seed=1, num_inference_steps=2)
    assert output.nsfw_content_detected == [False]
    assert seen[0][1] == (1, 3, 224, 224)
    assert output.records[0]["seed"] == 1
    assert output.records[0]["safety_checker"] is False
    pipe.safety_checker = None
    unchecked = pipe("a cat", seed=1, num_inference_steps=2)
    assert (np.asarray(unchecked.images[0]) == np.asarray(output.images[0])).all()


def test_a_function_that_changes_pictures_is_told_of(pipe: Any, tmp_path: Path) -> None:
    pipe.safety_checker = lambda images, clip_input: (images * 0 - 1, [True] * len(images))
    try:
        output = pipe("a cat", seed=1, num_inference_steps=1)
        assert np.asarray(output.images[0]).max() == 0
        assert output.nsfw_content_detected == [True]
        assert output.records[0]["seed"] is None
        with pytest.raises(RequestError, match="cannot be saved"):
            pipe.save_pretrained(tmp_path)
        pipe.safety_checker = lambda images, **_: images
        with pytest.raises(RequestError, match=r"must give \(images, flags\)") as caught:
            pipe("a cat", seed=1, num_inference_steps=1)
        assert "\n" not in str(caught.value)
    finally:
        pipe.safety_checker = None


def test_run_safety_checker(tiny_v1_checked: Path) -> None:
    ours, theirs = both(tiny_v1_checked)
    image = torch.rand((2, 3, SIZE, SIZE), generator=seeded(1)[0]) * 2 - 1
    results = [
        pipe.run_safety_checker(image.clone(), "cpu", torch.float32) for pipe in (ours, theirs)
    ]
    assert results[0][1] == results[1][1]
    torch.testing.assert_close(results[0][0], results[1][0])


def test_the_config(pair: tuple[Any, Any]) -> None:
    ours, theirs = (pipe.config for pipe in pair)
    for name in ("vae", "unet", "text_encoder", "scheduler", "safety_checker"):
        assert list(ours[name]) == list(theirs[name]), name
    assert ours.requires_safety_checker is theirs.requires_safety_checker
    assert ours._name_or_path == pair[0].name_or_path
    assert dict(ours)["unet"] == ours.get("unet")
    assert ours.get("nothing", 5) == 5
    assert pickle.loads(pickle.dumps(ours)) == ours


SWITCHES = [
    lambda p: p.enable_attention_slicing(),
    lambda p: p.enable_attention_slicing("max"),
    lambda p: p.enable_attention_slicing(slice_size=1),
    lambda p: p.disable_attention_slicing(),
    lambda p: p.set_attention_slice(None),
    lambda p: p.enable_vae_slicing(),
    lambda p: p.disable_vae_slicing(),
    lambda p: p.enable_vae_tiling(),
    lambda p: p.disable_vae_tiling(),
    lambda p: p.fuse_qkv_projections(),
    lambda p: p.unfuse_qkv_projections(),
    lambda p: p.fuse_qkv_projections(vae=False),
    lambda p: p.maybe_free_model_hooks(),
    lambda p: p.remove_all_hooks(),
    lambda p: p.upcast_vae(),
    lambda p: p.register_to_config(requires_safety_checker=False),
    lambda p: p.register_modules(safety_checker=None),
    lambda p: p.check_inputs("a cat", 64, 64),
    lambda p: p.check_inputs("a cat", 64, 64, 1, "blur", None, None),
]


@pytest.mark.parametrize("call", SWITCHES)
def test_switches_change_no_picture(pair: tuple[Any, Any], call: Any) -> None:
    ours = pair[0]
    before = ours("a cat", seed=1, num_inference_steps=1).images[0]
    call(ours)
    after = ours("a cat", seed=1, num_inference_steps=1).images[0]
    assert (np.asarray(before) == np.asarray(after)).all()


@pytest.mark.parametrize("name", ["enable", "disable"])
def test_xformers_is_not_needed(pipe: Any, name: str) -> None:
    assert getattr(pipe, f"{name}_xformers_memory_efficient_attention")() is None


@pytest.mark.parametrize(
    "call",
    [
        lambda p: p.check_inputs("a cat", 63, 64),
        lambda p: p.check_inputs(None, 64, 64),
        lambda p: p.check_inputs("a cat", 64, 64, 0),
        lambda p: p.register_modules(unett=None),
        lambda p: p.encode_prompt(5),
        lambda p: p.encode_prompt("a", lora_scale=math.nan),
        lambda p: p.progress_bar(),
        lambda p: p.enable_sequential_cpu_offload(),
        lambda p: p.enable_model_cpu_offload(),
        lambda p: p.prepare_latents(2, 4, 64, 64, torch.float32, "cpu", seeded(1, 2, 3)),
    ],
)
def test_what_such_calls_cannot_do_is_one_line(pipe: Any, call: Any) -> None:
    if torch.cuda.is_available():
        pytest.skip("offload works where there is a GPU")
    with pytest.raises(InputError) as caught:
        call(pipe)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("state", ["fresh", "called", "streaming", "previewed", "bfloat16"])
@pytest.mark.parametrize("through", [copy.deepcopy, lambda pipe: pickle.loads(pickle.dumps(pipe))])
def test_a_pipeline_is_copied_in_any_state(tiny_v1: Path, state: str, through: Any) -> None:
    dtype = torch.bfloat16 if state == "bfloat16" else torch.float32
    pipe = kakusan.StableDiffusionPipeline.from_pretrained(tiny_v1, torch_dtype=dtype)
    pipe.set_progress_bar_config(disable=True)
    settings: dict[str, Any] = {"seed": 1, "num_inference_steps": 2}
    if state in ("called", "bfloat16"):
        pipe("a cat", **settings)
    stream = pipe.stream("a cat", **settings)
    if state in ("streaming", "previewed"):
        step = next(stream)
        assert torch.equal(copy.deepcopy(step).latents, step.latents)
        if state == "previewed":
            step.preview()
    again = through(pipe)
    assert (
        np.asarray(again("a cat", **settings).images[0])
        == np.asarray(pipe("a cat", **settings).images[0])
    ).all()
    assert not hasattr(again, "enable_pag")
