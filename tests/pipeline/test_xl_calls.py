"""What users of SDXL call, load, save and get wrong."""

import copy
import dataclasses
import inspect
import json
import shutil
import warnings
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch

import kakusan
import kakusan.inspect
from kakusan.callbacks import SDXLCFGCutoffCallback
from kakusan.errors import (
    CheckpointError,
    KakusanError,
    RequestError,
    UnknownArgumentError,
)
from kakusan.pipeline import draw_together
from kakusan.request import Request
from kakusan.vocabulary import REFINER, SDXL
from tests.pipeline.test_oracle import seeded
from tests.pipeline.test_xl import PROMPTS, both, embeddings

XL = kakusan.StableDiffusionXLPipeline
REFINE = kakusan.StableDiffusionXLImg2ImgPipeline
LOADERS = [kakusan.DiffusionPipeline, kakusan.AutoPipelineForText2Image]


@pytest.fixture(scope="module")
def pair(tiny_xl: Path) -> Any:
    return both(tiny_xl)


@pytest.fixture(scope="module")
def pipe(pair: Any) -> kakusan.StableDiffusionXLPipeline:
    return pair[0]


@pytest.fixture
def folder(tiny_xl: Path, tmp_path: Path) -> Path:
    return shutil.copytree(tiny_xl, tmp_path / "model")


def message(kind: type[KakusanError], call: Any) -> str:
    with pytest.raises(kind) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def pixels(picture: Any) -> np.ndarray:
    return np.asarray(getattr(picture, "image", picture)).astype(int)


# Loading


@pytest.mark.parametrize("kind", [*LOADERS, XL])
@pytest.mark.parametrize(
    "name", ["StableDiffusionPipeline", "StableDiffusionXLPAGPipeline", None, 5]
)
def test_the_parts_say_which_pipeline_it_is(folder: Path, kind: Any, name: Any) -> None:
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps(index | {"_class_name": name}))
    made = kind.from_pretrained(folder)
    assert type(made) is XL
    assert all(isinstance(made, each) for each in LOADERS)
    assert not isinstance(made, kakusan.StableDiffusionPipeline)


def test_the_wrong_class_says_which_is_right(tiny_xl: Path, tiny_v1: Path) -> None:
    plain = kakusan.StableDiffusionPipeline
    said = message(CheckpointError, lambda: plain.from_pretrained(tiny_xl))
    assert "holds SDXL" in said
    assert "load it with StableDiffusionXLPipeline" in said
    for kind in (XL, REFINE):
        said = message(CheckpointError, lambda k=kind: k.from_pretrained(tiny_v1))
        assert "load it with StableDiffusionPipeline" in said


def test_the_refiner_is_told_by_its_index(tiny_refiner: Path) -> None:
    assert type(kakusan.DiffusionPipeline.from_pretrained(tiny_refiner)) is REFINE
    for kind in (XL, kakusan.AutoPipelineForText2Image):
        said = message(CheckpointError, lambda k=kind: k.from_pretrained(tiny_refiner))
        assert "goes on from another model's latents" in said
    said = message(
        CheckpointError,
        lambda: REFINE.from_pretrained(tiny_refiner, requires_aesthetics_score=False),
    )
    assert said.endswith("give requires_aesthetics_score=True")


def test_a_base_that_calls_itself_img2img(folder: Path) -> None:
    index = json.loads((folder / "model_index.json").read_text())
    index["_class_name"] = "StableDiffusionXLImg2ImgPipeline"
    (folder / "model_index.json").write_text(json.dumps(index))
    assert type(kakusan.DiffusionPipeline.from_pretrained(folder)) is REFINE
    assert type(kakusan.AutoPipelineForText2Image.from_pretrained(folder)) is XL
    assert type(XL.from_pretrained(folder)) is XL


def test_parts_of_two_families(tiny_xl: Path, tiny_v1: Path, tiny_refiner: Path) -> None:
    v1 = kakusan.UNet2DConditionModel.from_pretrained(tiny_v1, subfolder="unet")
    xl = kakusan.UNet2DConditionModel.from_pretrained(tiny_xl, subfolder="unet")
    refiner = kakusan.UNet2DConditionModel.from_pretrained(tiny_refiner, subfolder="unet")
    said = message(RequestError, lambda: XL.from_pretrained(tiny_xl, unet=v1))
    assert "attends to texts of width 32, and this model's text encoders give 72" in said
    assert "is of Stable Diffusion 1 or 2, and this model is SDXL: it attends" in said
    plain = kakusan.StableDiffusionPipeline
    said = message(RequestError, lambda: plain.from_pretrained(tiny_v1, unet=xl))
    assert "attends to texts of width 72, and this model's text encoders give 32" in said
    wide = copy.copy(v1)  # as wide as the model's texts
    wide.config = dataclasses.replace(v1.config, cross_attention_dim=72)
    said = message(RequestError, lambda: XL.from_pretrained(tiny_xl, unet=wide))
    assert "is of Stable Diffusion 1 or 2, and this model is SDXL; give one" in said
    said = message(RequestError, lambda: XL.from_pretrained(tiny_xl, unet=refiner))
    assert "attends to texts of width 40, and this model's text encoders give 72" in said
    said = message(RequestError, lambda: XL.from_pretrained(tiny_xl, text_encoder_2=v1))
    assert "text_encoder_2 must be a kakusan CLIPTextModelWithProjection" in said
    first = kakusan.CLIPTextModel.from_pretrained(tiny_xl, subfolder="text_encoder")
    assert "not a CLIPTextModel" in message(
        RequestError, lambda: XL.from_pretrained(tiny_xl, text_encoder_2=first)
    )


def test_settings_of_the_index(folder: Path, tmp_path: Path) -> None:
    made = XL.from_pretrained(folder, force_zeros_for_empty_prompt=False, add_watermarker=False)
    assert made.config.force_zeros_for_empty_prompt is False
    assert made.watermark is None
    assert not hasattr(made.config, "requires_safety_checker")
    made.save_pretrained(tmp_path / "saved")
    index = json.loads((tmp_path / "saved" / "model_index.json").read_text())
    theirs = json.loads((folder / "model_index.json").read_text())
    assert index == theirs | {
        "_diffusers_version": index["_diffusers_version"],
        "force_zeros_for_empty_prompt": False,
    }
    assert XL.from_pretrained(tmp_path / "saved").settings == made.settings
    (folder / "model_index.json").write_text(
        json.dumps(theirs | {"force_zeros_for_empty_prompt": "yes"})
    )
    assert "'force_zeros_for_empty_prompt' is" in message(
        CheckpointError, lambda: XL.from_pretrained(folder)
    )
    (folder / "model_index.json").write_text(json.dumps(theirs))
    for wrong in (
        {"force_zeros_for_empty_prompt": "no"},
        {"add_watermarker": True},
        {"requires_aesthetics_score": True},
    ):
        message(RequestError, lambda w=wrong: XL.from_pretrained(folder, **w))


@pytest.mark.parametrize("which", ["tiny_xl", "tiny_refiner"])
def test_what_we_save_the_reference_loads(
    which: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    ours = kakusan.DiffusionPipeline.from_pretrained(request.getfixturevalue(which))
    ours.save_pretrained(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs: Any = diffusers.DiffusionPipeline.from_pretrained(tmp_path)
    assert type(theirs).__name__ == type(ours).__name__
    for part in ("unet", "vae", "text_encoder", "text_encoder_2"):
        if getattr(theirs, part) is None:
            assert ours.components[part] is None
            continue
        state = getattr(theirs, part).state_dict()
        expected = ours.components[part].state_dict()
        assert sum(t.double().sum() for t in state.values()) == pytest.approx(
            float(sum(t.double().sum() for t in expected.values())), rel=1e-6, abs=1e-6
        )
    for name, value in ours.settings.items():
        assert theirs.config[name] == value


def test_sharing_parts(pipe: Any, tiny_v1: Path) -> None:
    refiner = REFINE.from_pipe(pipe)
    assert refiner.unet is pipe.unet
    assert refiner.settings["requires_aesthetics_score"] is False
    assert type(kakusan.AutoPipelineForText2Image.from_pipe(refiner)) is XL
    assert type(kakusan.DiffusionPipeline.from_pipe(refiner)) is REFINE
    v1 = kakusan.StableDiffusionPipeline.from_pretrained(tiny_v1)
    said = message(RequestError, lambda: XL.from_pipe(v1))
    assert "needs text_encoder_2 and tokenizer_2, which StableDiffusionPipeline" in said
    again = XL(**pipe.components, add_watermarker=None)
    assert again.text_encoder_2 is pipe.text_encoder_2
    assert repr(again).startswith("StableDiffusionXLPipeline(vae=AutoencoderKL, ")


def test_a_scheduler_of_sdxl_is_left_as_it_is(tiny_xl: Path) -> None:
    scheduler = kakusan.EulerDiscreteScheduler.from_config(
        kakusan.EulerDiscreteScheduler.load_config(tiny_xl, subfolder="scheduler"), steps_offset=0
    )
    assert XL.from_pretrained(tiny_xl, scheduler=scheduler).scheduler.config.steps_offset == 0


# Prompts


@pytest.mark.parametrize(
    "arguments",
    [
        {"prompt": "a cat"},
        {"prompt": ["a cat", "a dog"], "num_images_per_prompt": 2, "negative_prompt": "blur"},
        {"prompt": "a cat", "prompt_2": "a dog", "negative_prompt": "", "clip_skip": 1},
        {"prompt": "a cat", "do_classifier_free_guidance": False},
    ],
)
def test_encoding_a_prompt(pair: Any, arguments: dict[str, Any]) -> None:
    ours, theirs = (pipe.encode_prompt(**arguments) for pipe in pair)
    for one, other in zip(ours, theirs, strict=True):
        if other is None:
            assert one is None
        else:
            assert one.shape == other.shape
            assert (one - other).abs().max() <= 1e-5


def test_an_empty_negative_prompt_is_not_none(pipe: Any) -> None:
    def draw(**options: Any) -> np.ndarray:
        return pixels(pipe("a cat", seed=1, num_inference_steps=2, **options).images[0])

    none, empty = draw(), draw(negative_prompt="")
    assert (none != empty).any()
    stream = {"seed": 1, "num_inference_steps": 2}
    (picture,) = pipe.pictures("a cat", **stream)
    assert (pixels(picture) == none).all()
    assert picture.record["force_zeros_for_empty_prompt"] is True
    (picture,) = pipe.pictures("a cat", negative_prompt="", **stream)
    assert (pixels(picture) == empty).all()
    assert picture.record["force_zeros_for_empty_prompt"] is False


# Records


def test_a_picture_is_drawn_again_from_its_record(pipe: Any, tmp_path: Path) -> None:
    output = pipe(
        "a cat",
        prompt_2="a dog",
        negative_prompt="blur",
        negative_prompt_2="ugly",
        original_size=(99, 98),
        crops_coords_top_left=[3, 4],
        target_size=(77, 76),
        negative_original_size=(55, 54),
        negative_crops_coords_top_left=(2, 1),
        negative_target_size=(33, 32),
        denoising_end=0.9,
        clip_skip=1,
        seed=5,
        num_inference_steps=10,
    )
    path = tmp_path / "cat.png"
    kakusan.save_image(output.images[0], path, output.records[0])
    record = json.loads(json.dumps(output.records[0]))
    assert record["prompt_2"] == "a dog"
    assert record["original_size"] == [99, 98]
    assert record["guidance_scale"] == 5.0
    (again,) = pipe.pictures(Request.from_record(record))
    assert (pixels(again) == pixels(output.images[0])).all()
    assert json.loads(json.dumps(again.record)) == record
    reproduced = kakusan.reproduce(record, trust_model=True, progress=False)
    assert (pixels(reproduced) == pixels(output.images[0])).all()


def test_what_belongs_to_sdxl_is_not_in_other_records(tiny_v1: Path) -> None:
    pipe = kakusan.StableDiffusionPipeline.from_pretrained(tiny_v1)
    (picture,) = pipe.pictures("a", negative_prompt="", seed=1, num_inference_steps=1)
    assert not set(Request.only_sdxl()) & set(picture.record)


def test_pictures_are_the_same_alone_and_beside_others(pipe: Any) -> None:
    options: Any = {"num_inference_steps": 3, "prompt_2": ["x", "y"], "num_images_per_prompt": 2}
    together = list(pipe.pictures(PROMPTS, seed=3, batch_size=4, **options))
    alone = list(pipe.pictures(PROMPTS, seed=3, **options))
    assert len(together) == 4
    for one, other in zip(together, alone, strict=True):
        assert np.abs(pixels(one) - pixels(other)).max() <= 1
    (single,) = pipe.pictures(
        PROMPTS[1], prompt_2="y", seed=5, num_inference_steps=3, negative_prompt=None
    )
    assert (pixels(single) == pixels(alone[2])).all()
    requests = [
        Request.of("a", seed=1, num_inference_steps=2, original_size=(9, 9)),
        Request.of("b", seed=2, num_inference_steps=3, negative_prompt="blur"),
    ]
    for number, picture in draw_together(pipe, requests):
        (solo,) = pipe.pictures(requests[number])
        assert np.abs(pixels(solo) - pixels(picture)).max() <= 1


def test_steps_and_previews(pipe: Any) -> None:
    steps = list(pipe.stream("a cat", seed=1, num_inference_steps=4, denoising_end=0.5))
    assert [step.index for step in steps] == list(range(len(steps)))
    assert steps[-1].is_last
    assert 1 <= len(steps) < 4
    assert steps[-1].total == len(steps)
    assert steps[0].preview()[0].size == (8, 8)
    assert steps[-1].decode()[0].size == (64, 64)


# Callbacks


@pytest.mark.filterwarnings("ignore")
def test_a_callback_sees_what_the_references_sees(pair: Any) -> None:
    names = ["latents", "prompt_embeds", "add_text_embeds", "add_time_ids"]
    seen: list[list[dict[str, torch.Tensor]]] = []
    pictures: list[np.ndarray] = []
    for pipe in pair:
        found: list[dict[str, torch.Tensor]] = []

        def callback(_: Any, index: int, __: Any, tensors: Any, found: Any = found) -> Any:
            found.append({name: tensor.clone() for name, tensor in tensors.items()})
            if index == 1:
                tensors["add_time_ids"] = tensors["add_time_ids"] * 2
                tensors["add_text_embeds"] = tensors["add_text_embeds"] * 0.5
            return tensors

        output = pipe(
            PROMPTS[0],
            negative_prompt="blur",
            generator=seeded(1)[0],
            num_inference_steps=4,
            callback_on_step_end=callback,
            callback_on_step_end_tensor_inputs=names,
        )
        pictures.append(pixels(output.images[0]))
        seen.append(found)
    for ours, theirs in zip(*seen, strict=True):
        assert list(ours) == list(theirs)
        for name in names:
            assert ours[name].shape == theirs[name].shape
            close = 1e-5 * max(1.0, float(theirs[name].abs().max()))
            assert (ours[name] - theirs[name]).abs().max() <= 10 * close
    assert np.abs(pictures[0] - pictures[1]).max() <= 1


@pytest.mark.filterwarnings("ignore")
def test_guidance_ends_as_in_the_reference(pair: Any) -> None:
    from diffusers.callbacks import SDXLCFGCutoffCallback as Theirs

    pictures: list[np.ndarray] = []
    for pipe, cutoff in zip(pair, (SDXLCFGCutoffCallback, Theirs), strict=True):
        output = pipe(
            PROMPTS[0],
            generator=seeded(1)[0],
            num_inference_steps=6,
            callback_on_step_end=cutoff(cutoff_step_ratio=0.5),
        )
        pictures.append(pixels(output.images[0]))
    assert np.abs(pictures[0] - pictures[1]).max() <= 1


def test_a_callback_that_leaves_halves_apart(pipe: Any) -> None:
    def callback(_: Any, __: int, ___: Any, tensors: Any) -> Any:
        tensors["add_time_ids"] = tensors["add_time_ids"][-1:]
        tensors["prompt_embeds"] = tensors["prompt_embeds"] * 2
        return tensors

    said = message(
        RequestError,
        lambda: pipe(
            "a",
            num_inference_steps=2,
            callback_on_step_end=callback,
            callback_on_step_end_tensor_inputs=["prompt_embeds", "add_time_ids"],
        ),
    )
    assert "either all have the negative half or none" in said


# What users get wrong

FINE = {"prompt_embeds": embeddings(1, False), "pooled_prompt_embeds": embeddings(2, True)}
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a size": ({"original_size": 512}, "original_size must be two whole numbers"),
    "a text": ({"target_size": "1024x1024"}, "target_size must be two whole numbers"),
    "three": ({"original_size": (1, 2, 3)}, "original_size must be two whole numbers"),
    "fractions": ({"crops_coords_top_left": (0.5, 1)}, "crops_coords_top_left must be a whole"),
    "negative": ({"crops_coords_top_left": (-1, 0)}, "crops_coords_top_left must be a whole"),
    "one negative size": (
        {"negative_original_size": (64, 64)},
        "negative_original_size and negative_target_size count together",
    ),
    "negative crops alone": (
        {"negative_crops_coords_top_left": (8, 8)},
        "negative_crops_coords_top_left counts beside",
    ),
    "no pooled": (
        {"prompt": None, "prompt_embeds": FINE["prompt_embeds"]},
        "prompt_embeds need pooled_prompt_embeds",
    ),
    "pooled alone": (
        {"pooled_prompt_embeds": FINE["pooled_prompt_embeds"]},
        "pooled_prompt_embeds need prompt_embeds",
    ),
    "negative pooled alone": (
        {"negative_pooled_prompt_embeds": FINE["pooled_prompt_embeds"]},
        "negative_pooled_prompt_embeds need negative_prompt_embeds",
    ),
    "both": (FINE, "prompt and prompt_embeds were both given"),
    "second text": ({"prompt": None, "prompt_2": "x", **FINE}, "prompt_2 and prompt_embeds"),
    "wide pooled": (
        {"prompt": None, **FINE, "pooled_prompt_embeds": torch.ones(1, 25)},
        "pooled_prompt_embeds has the shape",
    ),
    "flat embeds": (
        {"prompt": None, **FINE, "prompt_embeds": torch.ones(77, 72)},
        "prompt_embeds must have the shape (prompts, tokens, width)",
    ),
    "wide embeds": (
        {"prompt": None, **FINE, "prompt_embeds": torch.ones(1, 77, 32)},
        "expected (1, 77, 72)",
    ),
    "nan": (
        {"prompt": None, **FINE, "pooled_prompt_embeds": torch.full((1, 24), torch.nan)},
        "pooled_prompt_embeds holds NaN",
    ),
    "too many second texts": (
        {"prompt": ["a", "b"], "prompt_2": ["a", "b", "c"]},
        "prompt_2 has 3 texts but prompt has 2",
    ),
    "a second text of numbers": ({"prompt_2": 5}, "prompt_2 must be a text"),
    "a second negative text alone": ({"negative_prompt_2": "x"}, "negative_prompt_2 is read"),
    "an end": ({"denoising_end": 1.5}, "denoising_end must be a finite number from 0 to 1"),
    "an end of nothing": ({"denoising_end": 0.0}, "denoising_end of 0 leaves nothing"),
    "an end too early": (
        {"denoising_end": 0.01, "num_inference_steps": 4},
        "denoising_end of 0.01 leaves no step of 4",
    ),
    "clip skip": ({"clip_skip": 3}, "clip_skip leaves out 3 layers of a text encoder that has 3"),
    "a budget": (
        {"quality_budget": 30, "num_inference_steps": None},
        "what quality_budget would cost was not measured for SDXL",
    ),
    "attention": ({"cross_attention_kwargs": {"gligen": 1}}, "cross_attention_kwargs"),
    "a picture": ({"image": 5}, "no argument 'image'"),
    "a third text": ({"prompt_3": "x"}, "prompt_3="),
    "a slip": ({"orginal_size": (64, 64)}, "orginal_size"),
    "a tensor": (
        {"callback_on_step_end_tensor_inputs": ["add_time_id"]},
        "callback_on_step_end_tensor_inputs has no 'add_time_id'",
    ),
    "a request": ({"prompt": Request.of("a")}, "prompt is a request"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_users_get_wrong_is_one_line(pipe: Any, name: str) -> None:
    arguments, says = WRONG[name]
    given: Any = {"prompt": "a cat", "num_inference_steps": 2, **arguments}
    calls: list[int] = []
    hook = pipe.text_encoder_2.register_forward_hook(lambda *_: calls.append(1))
    try:
        with pytest.raises(KakusanError) as caught:
            pipe(**given)
    finally:
        hook.remove()
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not calls, "before any network runs"


def test_nothing_that_means_nothing_is_refused(pipe: Any) -> None:
    output = pipe(
        "a cat",
        None,
        cross_attention_kwargs=None,
        ip_adapter_image=None,
        negative_crops_coords_top_left=(0, 0),
        crops_coords_top_left=(0, 0),
        num_inference_steps=1,
        output_type="latent",
        return_dict=False,
    )
    assert isinstance(output, tuple)
    assert len(output) == 1
    assert output[0].shape == (1, 4, 8, 8)
    assert pipe.denoising_end is None
    assert pipe.num_timesteps == 1
    assert pipe.default_sample_size == 8


def test_other_pipelines_are_told_no_sizes(tiny_v1: Path) -> None:
    v1 = kakusan.StableDiffusionPipeline.from_pretrained(tiny_v1)
    for given in ({"prompt_2": "x"}, {"original_size": (8, 8)}, {"denoising_end": 0.5}):
        with pytest.raises(UnknownArgumentError):
            v1("a", **given)
        (name,) = given
        said = message(RequestError, lambda g=given: v1.stream("a", **g))
        assert f"{name} is nothing for Stable Diffusion 1 and 2" in said
    said = message(RequestError, lambda: v1.stream("a", pooled_prompt_embeds=torch.ones(1, 4)))
    assert "pooled_prompt_embeds are for SDXL" in said


def parameters(function: Any) -> set[str]:
    found = inspect.signature(function).parameters.values()
    return {p.name for p in found if p.kind is not p.VAR_KEYWORD} - {"self"}


@pytest.mark.parametrize(
    ("kind", "vocabulary"), [(XL, SDXL), (REFINE, REFINER)], ids=["base", "refiner"]
)
def test_the_words_are_the_arguments(kind: Any, vocabulary: Any) -> None:
    assert set(vocabulary.words.values()) == parameters(kind.__call__)
    theirs = parameters(getattr(diffusers, kind.__name__).__call__) - {"kwargs"}
    later = {"ip_adapter_image", "ip_adapter_image_embeds", "cross_attention_kwargs"}
    assert theirs - later <= parameters(kind.__call__)
    order = [name for name in inspect.signature(kind.__call__).parameters if name in theirs]
    expected = list(inspect.signature(getattr(diffusers, kind.__name__).__call__).parameters)
    assert order[:15] == [name for name in expected if name in order][:15]


def test_encode_prompt_has_the_references_arguments() -> None:
    theirs = inspect.signature(diffusers.StableDiffusionXLPipeline.encode_prompt).parameters
    own = inspect.signature(XL.encode_prompt).parameters.values()
    assert [each.name for each in own if each.kind is not each.KEYWORD_ONLY] == list(theirs)
    assert {"prompt_syntax", "emphasis"} == {e.name for e in own if e.kind is e.KEYWORD_ONLY}
    theirs = inspect.signature(diffusers.StableDiffusionXLPipeline.check_inputs).parameters
    assert list(inspect.signature(XL.check_inputs).parameters) == list(theirs)


# The second stage


@pytest.fixture(scope="module")
def refiner(tiny_refiner: Path) -> Any:
    found = kakusan.DiffusionPipeline.from_pretrained(tiny_refiner)
    found.set_progress_bar_config(disable=True)
    return found


@pytest.mark.parametrize(
    ("arguments", "kind", "says"),
    [
        ({}, RequestError, "image is missing"),
        ({"image": torch.ones(1, 3, 7, 8)}, RequestError, "image has 8x7 pixels, and the smallest"),
        ({"image": "cat.png"}, RequestError, "one kind in a list, not a str"),
        ({"image": []}, RequestError, "image is an empty list"),
        ({"image": torch.ones(1, 5, 8, 8)}, RequestError, "image has the shape"),
        ({"image": torch.full((1, 4, 8, 8), torch.nan)}, RequestError, "image holds NaN"),
        ({"image": torch.ones(3, 4, 8, 8)}, RequestError, "image is 3 pictures, and 1 are drawn"),
        (
            {"image": torch.ones(1, 4, 8, 8), "strength": 0.01},
            RequestError,
            "strength of 0.01 leaves",
        ),
        ({"image": torch.ones(1, 4, 8, 8), "strength": 2}, RequestError, "strength must be"),
        (
            {"image": torch.ones(1, 4, 8, 8), "denoising_start": 0.9, "denoising_end": 0.5},
            RequestError,
            "denoising_start is 0.9, which leaves nothing to draw before 0.5",
        ),
        (
            {"image": torch.ones(1, 4, 8, 8), "denoising_start": 0.999},
            RequestError,
            "denoising_start of 0.999 leaves no step",
        ),
        (
            {"image": torch.ones(1, 4, 8, 8), "latents": torch.ones(1, 4, 8, 8)},
            RequestError,
            "begin at as image, not as latents",
        ),
        (
            {"image": torch.ones(1, 4, 8, 8), "prompt_2": "x"},
            RequestError,
            "prompt_2 is for the second of two text encoders",
        ),
        (
            {"image": torch.ones(1, 4, 8, 8), "aesthetic_score": -1},
            RequestError,
            "aesthetic_score must be",
        ),
    ],
)
def test_what_users_get_wrong_of_it(refiner: Any, arguments: Any, kind: Any, says: str) -> None:
    assert says in message(kind, lambda: refiner("a", num_inference_steps=4, **arguments))


def test_the_second_stage_of_its_own(refiner: Any, pipe: Any) -> None:
    latents = pipe("a cat", seed=1, num_inference_steps=10, denoising_end=0.8, output_type="latent")
    output = refiner("a cat", image=latents.images, denoising_start=0.8, num_inference_steps=10)
    assert refiner.denoising_start == 0.8
    assert refiner.num_timesteps == 2
    record = output.records[0]
    assert record["seed"] is None
    assert record["denoising_start"] == 0.8
    assert any("latents handed in: no seed makes it again" in note for note in record["notes"])
    one, two = (
        pixels(refiner("a", image=given, denoising_start=0.8, num_inference_steps=10).images[0])
        for given in (latents.images, [latents.images[0]])
    )
    assert (one == two).all()
    said = message(RequestError, lambda: refiner.stream("a cat"))
    assert "image is missing" in said


# Networks


def test_both_encoders_take_turns_and_move(tiny_xl: Path) -> None:
    pipe = XL.from_pretrained(tiny_xl)
    networks = pipe.engine.networks
    assert pipe.text_encoder in networks
    assert pipe.text_encoder_2 in networks
    pipe.to(torch.float16)
    assert pipe.text_encoder_2.dtype == torch.float16
    assert pipe.to("cpu", torch.float32).text_encoder_2.dtype == torch.float32
    copied = copy.deepcopy(pipe)
    assert copied.text_encoder_2 is not pipe.text_encoder_2


def test_a_half_precision_vae_computes_in_float32(tiny_xl: Path) -> None:
    pipe = XL.from_pretrained(tiny_xl, torch_dtype=torch.float16)
    assert pipe.vae.config.force_upcast
    assert pipe.vae.stored_dtype == torch.float16
    assert pipe.engine.compute_dtype(pipe.vae) == torch.float32
    pipe.set_progress_bar_config(disable=True)
    exact = XL.from_pretrained(tiny_xl)
    latents = torch.randn(1, 4, 8, 8, generator=seeded(1)[0])
    assert (pipe.decode(latents) - exact.decode(latents)).abs().max() <= 0.05
    assert pipe("a", seed=1, num_inference_steps=1).images


def test_the_second_encoder_overflows_in_half_precision(tiny_xl: Path) -> None:
    pipe = XL.from_pretrained(tiny_xl, torch_dtype=torch.bfloat16)
    with torch.no_grad():
        pipe.text_encoder_2.text_projection.weight *= 3.0
    exact = copy.deepcopy(pipe).to(torch.float32)
    for one, other in zip(pipe.encode_prompt("a cat"), exact.encode_prompt("a cat"), strict=True):
        assert (one.float() - other).abs().max() <= 0.05 * max(1.0, float(other.abs().max()))


def test_a_walk_between_prompts(pipe: Any) -> None:
    found = kakusan.inspect.walk(pipe, "a cat", "a dog", pictures=3, num_inference_steps=1)
    assert len(found.pictures) == 3
    maps = kakusan.inspect.attention_maps(pipe, "a cat", num_inference_steps=1)
    assert len(maps.layers) == 28


def test_the_short_way(tiny_xl: Path) -> None:
    options: Any = {"model": tiny_xl, "seed": 1, "steps": 2, "dtype": "float32", "progress": False}
    (none,), (empty,), (blur,) = (
        kakusan.generate("a cat", **options, **negative)
        for negative in ({}, {"negative_prompt": ""}, {"negative_prompt": "blur"})
    )
    assert (pixels(none) == pixels(empty)).all()
    assert (pixels(none) != pixels(blur)).any()
    assert none.record["height"] == 64
    again = kakusan.reproduce(none.record, trust_model=True, progress=False)
    assert (pixels(again) == pixels(none)).all()


def test_drawing_from_stored_embeddings(tiny_xl: Path, pipe: Any) -> None:
    """Scripts encode first, and load the other parts when the text encoders are gone again."""
    encoding = XL.from_pretrained(tiny_xl, unet=None, vae=None, scheduler=None)
    text, negative, pooled, other = encoding.encode_prompt("a cat", negative_prompt="blur")
    absent = dict.fromkeys(("text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2"))
    drawing = XL.from_pretrained(tiny_xl, **absent)
    drawing.set_progress_bar_config(disable=True)
    options: Any = {"num_inference_steps": 2, "seed": 1}
    given = {"prompt_embeds": text, "pooled_prompt_embeds": pooled}
    both = {"negative_prompt_embeds": negative, "negative_pooled_prompt_embeds": other}
    for embeds, texts in ((given | both, {"negative_prompt": "blur"}), (given, {})):
        found = drawing(**embeds, **options).images[0]
        expected = pipe("a cat", **texts, **options).images[0]
        assert (pixels(found) == pixels(expected)).all()
    for call in (
        lambda: drawing("a cat"),
        lambda: drawing(**given, negative_prompt="blur"),
    ):
        assert "this pipeline has no text_encoder_2" in message(RequestError, call)
    second = XL.from_pretrained(tiny_xl, text_encoder=None, tokenizer=None)
    assert "the text encoders give 40 numbers" in message(RequestError, lambda: second("a cat"))


def test_settings_can_be_changed(tiny_xl: Path, tiny_refiner: Path) -> None:
    made = XL.from_pretrained(tiny_xl)
    assert not made.encode_prompt("a")[1].any()
    made.register_to_config(force_zeros_for_empty_prompt=False)
    assert made.encode_prompt("a")[1].any()
    with pytest.raises(UnknownArgumentError, match="StableDiffusionXLPipeline has no argument"):
        made.register_to_config(requires_aesthetics_score=True)
    refiner = REFINE.from_pretrained(tiny_refiner)
    said = message(
        RequestError, lambda: refiner.register_to_config(requires_aesthetics_score=False)
    )
    assert "requires_aesthetics_score must be True" in said
    made.upcast_vae()
    assert made.vae.dtype == torch.float32
