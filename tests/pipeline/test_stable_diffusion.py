"""What the pipeline promises beyond the reference's pictures."""

import copy
import json
import pickle
import shutil
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import kakusan
from kakusan.checkpoints.source import locate
from kakusan.errors import (
    CheckpointError,
    GenerationInterrupted,
    RequestError,
    UnknownArgumentError,
)
from kakusan.models import AutoencoderKL, CLIPTextModel, UNet2DConditionModel
from kakusan.pipeline.draw import loaded
from kakusan.schedulers import seeded


@pytest.fixture(scope="module")
def pipe(tiny_v1: Path) -> kakusan.StableDiffusionPipeline:
    pipe = kakusan.StableDiffusionPipeline.from_pretrained(tiny_v1)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def draw(pipe: Any, prompt: Any = "a cat", **arguments: Any) -> list[np.ndarray]:
    arguments = {"num_inference_steps": 3, **arguments}
    return [np.asarray(image) for image in pipe(prompt, **arguments).images]


def test_picture_i_of_a_seed_is_the_same_alone_or_in_any_company(pipe: Any) -> None:
    company = draw(pipe, ["a cat", "a dog"], seed=5, num_images_per_prompt=2)
    assert len(company) == 4
    for index, prompt in enumerate(["a cat", "a cat", "a dog", "a dog"]):
        (alone,) = draw(pipe, prompt, seed=5 + index)
        assert (alone == company[index]).all()


def test_inference_mode_draws_the_same(pipe: Any, tiny_v1: Path) -> None:
    def brighter(_pipe: Any, _index: int, _timestep: int, tensors: dict[str, Any]) -> None:
        tensors["latents"].add_(0.1)

    (expected,) = draw(pipe, seed=5)
    with torch.inference_mode():
        (inside,) = draw(pipe, seed=5)
        changed = pipe("a cat", seed=5, num_inference_steps=3, callback_on_step_end=brighter)
        last = [step.preview() for step in pipe.stream("a cat", seed=5, num_inference_steps=3)]
        loaded_inside = kakusan.StableDiffusionPipeline.from_pretrained(tiny_v1)
    loaded_inside.set_progress_bar_config(disable=True)
    assert (inside == expected).all()
    assert (draw(loaded_inside, seed=5)[0] == expected).all()
    assert changed.records[0]["seed"] is None
    assert len(last) == 4  # PNDM takes one more


def test_seeds_that_differ_in_their_upper_bits_alone_draw_other_noise() -> None:
    seeds = [1, 2**32 - 1, 2**32 + 1, 2**33 + 1, 2**64 - 1, 2**32]
    noise = [torch.randn(8, generator=seeded(seed)) for seed in seeds]
    assert len({tuple(each.tolist()) for each in noise}) == len(seeds)
    for seed in (0, 1, 2**32 - 1):  # as torch, and so the reference, draws from it
        theirs = torch.randn(8, generator=torch.Generator().manual_seed(seed))
        assert torch.equal(torch.randn(8, generator=seeded(seed)), theirs)


def test_a_generators_long_seed_is_recorded_as_what_draws_the_same(pipe: Any) -> None:
    long = torch.Generator().manual_seed(2**32 + 5)
    settings = {"num_inference_steps": 2, "output_type": "latent"}
    drawn = pipe("a cat", generator=long, **settings)
    again = pipe("a cat", seed=drawn.records[0]["seed"], **settings)
    assert torch.equal(again.images, drawn.images)
    assert not torch.equal(pipe("a cat", seed=2**32 + 5, **settings).images, drawn.images)


def test_seed_is_a_fresh_generator(pipe: Any) -> None:
    (from_seed,) = draw(pipe, seed=7)
    (drawn,) = draw(pipe, generator=torch.Generator().manual_seed(7))
    assert (from_seed == drawn).all()


def test_together_in_a_batch_differs_by_rounding_at_most(pipe: Any) -> None:
    alone, together = (draw(pipe, seed=5, num_images_per_prompt=3, batch_size=b) for b in (1, 3))
    assert max(np.abs(a.astype(int) - b).max() for a, b in zip(alone, together, strict=True)) <= 1


def test_records_tell_the_seed_where_it_is_known(pipe: Any) -> None:
    def seeds(**arguments: Any) -> list[int | None]:
        output = pipe("a cat", num_inference_steps=1, **arguments)
        return [record["seed"] for record in output.records]

    assert seeds(seed=3, num_images_per_prompt=2) == [3, 4]
    used = torch.Generator().manual_seed(9)
    assert seeds(generator=used) == [9]
    assert seeds(generator=used) == [None]
    assert seeds() == [None]
    # torch looks at 32 bits, and a record tells the seed that a call takes
    assert seeds(generator=torch.Generator().manual_seed(2**40 + 9)) == [9]


def test_a_record_makes_the_same_pixels_again(tiny_v1: Path) -> None:
    pictures = kakusan.generate(
        ["a cat", "犬"],
        model=tiny_v1,
        seed=3,
        steps=3,
        guidance=4.0,
        scheduler="euler-a",
        dtype="float32",
        device="cpu",
        width=80,
        progress=False,
    )
    for picture in pictures:
        loaded.cache_clear()
        again = kakusan.reproduce(picture.record, model=tiny_v1, progress=False)
        assert (np.asarray(again.image) == np.asarray(picture.image)).all()
        assert again.record == picture.record


@pytest.fixture
def redrawn(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Saves a picture's record, loads everything anew, and tells whether the pixels are equal."""

    def again(output: Any, index: int = 0) -> bool:
        loaded.cache_clear()
        record = json.loads(json.dumps(output.records[index]))
        picture = kakusan.reproduce(record, trust_model=True, progress=False)
        return bool((np.asarray(picture.image) == np.asarray(output.images[index])).all())

    return again


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize(
    ("scheduler", "arguments"),
    [
        (None, {"seed": 3}),
        (None, {"generator": 5}),
        ("DDIMScheduler", {"seed": 3, "negative_prompt": "blur", "eta": 0.5}),
        ("EulerAncestralDiscreteScheduler", {"seed": 3, "guidance_rescale": 0.5, "clip_skip": 1}),
        (
            "EulerDiscreteScheduler",
            {"seed": 3, "sigmas": [14.0, 3.0, 0.0], "num_inference_steps": 2},
        ),
        ("DPMSolverMultistepScheduler", {"seed": 3, "timesteps": [801, 401, 1]}),
    ],
)
def test_any_record_with_a_seed_draws_the_same_pixels(
    tiny_v1: Path, redrawn: Any, arguments: Any, dtype: Any, scheduler: str | None
) -> None:
    pipe = kakusan.StableDiffusionPipeline.from_pretrained(tiny_v1, torch_dtype=dtype)
    pipe.set_progress_bar_config(disable=True)
    if scheduler == "DDIMScheduler":  # not what a pipeline would be corrected to
        pipe.scheduler = kakusan.DDIMScheduler.from_config(pipe.scheduler.config, clip_sample=True)
    elif scheduler:
        pipe.scheduler = getattr(kakusan, scheduler).from_config(pipe.scheduler.config)
    if "generator" in arguments:
        arguments = {"generator": torch.Generator().manual_seed(arguments["generator"])}
    output = pipe("a cat", **{"num_inference_steps": 3, **arguments})
    if output.records[0]["seed"] is None:
        assert "generator" in arguments
        assert dtype == torch.float16
        return
    assert redrawn(output)


def test_records_do_not_claim_what_they_cannot_keep(tiny_v1: Path, tiny_v2: Path) -> None:
    pipe = kakusan.StableDiffusionPipeline.from_pretrained(tiny_v1)
    pipe.set_progress_bar_config(disable=True)

    def record(**arguments: Any) -> Any:
        return pipe("a cat", num_inference_steps=2, seed=1, **arguments).records[0]

    changed = record(callback_on_step_end=lambda *a: {"latents": a[3]["latents"] * 0.5})
    assert changed["seed"] is None
    assert record(callback_on_step_end=lambda *a: a[3])["seed"] == 1
    embeds = torch.zeros(1, 77, pipe.unet.config.cross_attention_dim)
    with pytest.raises(RequestError, match="negative prompt was given as embeddings"):
        kakusan.reproduce(record(negative_prompt_embeds=embeds), progress=False)
    pipe.vae = kakusan.AutoencoderKL.from_config(pipe.vae.config)  # of no name
    exchanged = record()
    assert exchanged["model"] is None
    with pytest.raises(RequestError, match="no model"):
        kakusan.reproduce(exchanged, progress=False)
    again = kakusan.reproduce(exchanged, model=tiny_v1, progress=False)
    assert again.record["model"] == str(tiny_v1)


def test_the_safety_checker_blackens_what_it_flags(
    tiny_v1_checked: Path, redrawn: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe = kakusan.StableDiffusionPipeline.from_pretrained(tiny_v1_checked)
    pipe.set_progress_bar_config(disable=True)
    plain = type(pipe.safety_checker).forward
    monkeypatch.setattr(
        type(pipe.safety_checker),
        "forward",
        lambda self, images, seen: (plain(self, images, seen)[0], [False, True][: len(images)]),
    )
    output = pipe(
        ["a cat", "a dog"],
        num_inference_steps=2,
        generator=[torch.Generator().manual_seed(seed) for seed in (1, 2)],
    )
    assert output.nsfw_content_detected == [False, True]
    assert np.asarray(output.images[0]).max() > 0
    assert np.asarray(output.images[1]).max() == 0
    pipe.safety_checker = None
    unchecked = pipe("a cat", num_inference_steps=2, seed=2)
    assert unchecked.nsfw_content_detected is None
    assert redrawn(unchecked)
    pipe = kakusan.StableDiffusionPipeline.from_pretrained(tiny_v1_checked)
    pipe.feature_extractor = None
    with pytest.raises(RequestError, match="feature_extractor"):
        pipe("a cat", seed=1)


def test_defaults_survive_saving(tmp_path: Path) -> None:
    pipe = kakusan.StableDiffusionPipeline.from_pretrained("builtin")
    pipe.save_pretrained(tmp_path)
    again = kakusan.StableDiffusionPipeline.from_pretrained(tmp_path)
    assert again.defaults == pipe.defaults != {}


def test_the_stream_yields_every_step_with_a_preview(pipe: Any) -> None:
    steps = list(pipe.stream("a cat", seed=1, num_inference_steps=4))
    assert [step.index for step in steps] == list(range(steps[0].total))
    factor = pipe.vae.scale_factor
    image = steps[-1].decode()[0]
    assert steps[-1].preview()[0].size == (image.width // factor, image.height // factor)
    with pytest.raises(RequestError):
        pipe.stream("a cat", height=63)  # at once, not at the first step
    (called,) = pipe("a cat", seed=1, num_inference_steps=4).images
    assert (np.asarray(image) == np.asarray(called)).all()


def test_a_stream_that_is_not_read_computes_nothing(pipe: Any) -> None:
    calls = []
    hook = pipe.unet.register_forward_hook(lambda *_: calls.append(1))
    stream = pipe.stream("a cat", seed=1, num_inference_steps=10)
    next(stream)
    next(stream)
    stream.close()
    hook.remove()
    assert len(calls) == 2


def test_a_callback_sees_and_changes_latents_and_stops(pipe: Any) -> None:
    seen = []

    def callback(pipeline: Any, index: int, timestep: Any, tensors: Any) -> dict[str, Any]:
        seen.append((index, int(timestep), sorted(tensors)))
        if index == 1:
            pipeline._interrupt = True
        return {"latents": torch.zeros_like(tensors["latents"])}

    output = pipe(
        "a cat",
        seed=1,
        num_images_per_prompt=3,
        num_inference_steps=10,
        output_type="latent",
        callback_on_step_end=callback,
        callback_on_step_end_tensor_inputs=["latents", "prompt_embeds"],
    )
    assert [index for index, _, _ in seen] == [0, 1], "the other pictures are not begun"
    assert len(output.images) == len(output.records) == 1
    assert seen[0][2] == ["latents", "prompt_embeds"]
    assert output.images.abs().max() == 0
    (after,) = draw(pipe, seed=1)
    assert (after == draw(pipe, seed=1)[0]).all(), "a stopped run must leave nothing behind"


def test_one_pipeline_serves_many_threads(pipe: Any) -> None:
    wanted = {seed: draw(pipe, seed=seed)[0] for seed in range(4)}
    got: dict[int, np.ndarray] = {}

    def work(seed: int) -> None:
        got[seed] = draw(pipe, seed=seed)[0]

    threads = [threading.Thread(target=work, args=(seed,)) for seed in wanted]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all((got[seed] == wanted[seed]).all() for seed in wanted)


def test_ctrl_c_stops_within_a_step_and_carries_the_finished(pipe: Any) -> None:
    calls = []

    def callback(pipeline: Any, index: int, timestep: Any, tensors: Any) -> dict[str, Any]:
        calls.append(index)
        if len(calls) == 6:
            raise KeyboardInterrupt
        return {}

    with pytest.raises(GenerationInterrupted) as caught:
        pipe(
            "a cat",
            seed=1,
            num_images_per_prompt=3,
            num_inference_steps=3,
            callback_on_step_end=callback,
        )
    assert len(calls) == 6
    assert len(caught.value.finished) == 1
    assert (np.asarray(caught.value.finished[0]) == draw(pipe, seed=1)[0]).all()


def test_generate_hands_over_each_picture_before_the_next(tiny_v1: Path) -> None:
    saved = []

    def on_picture(picture: kakusan.Picture) -> None:
        saved.append(picture)
        if len(saved) == 2:
            raise KeyboardInterrupt

    with pytest.raises(GenerationInterrupted) as caught:
        kakusan.generate(
            "a cat", model=tiny_v1, seed=1, count=5, steps=1, progress=False, on_picture=on_picture
        )
    assert caught.value.finished == saved


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_on_a_cpu_is_right(tiny_v1: Path, dtype: torch.dtype) -> None:
    half = kakusan.StableDiffusionPipeline.from_pretrained(tiny_v1, torch_dtype=dtype)
    full = kakusan.StableDiffusionPipeline.from_pretrained(tiny_v1)
    for pipe in (half, full):
        pipe.set_progress_bar_config(disable=True)
    ours, exact = (draw(p, seed=1, num_inference_steps=5)[0].astype(float) for p in (half, full))
    assert np.abs(ours - exact).mean() < 8
    assert np.corrcoef(ours.ravel(), exact.ravel())[0, 1] > 0.98


@pytest.mark.parametrize("part", ["VAE", "UNet", "text encoder"])
def test_an_overflowing_part_is_upcast_for_this_picture(
    tiny_v1: Path, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = {"VAE": AutoencoderKL, "UNet": UNet2DConditionModel, "text encoder": CLIPTextModel}[part]
    name = "decode" if part == "VAE" else "forward"
    plain = getattr(kind, name)

    def overflowing(self: Any, *args: Any, **options: Any) -> Any:
        output = plain(self, *args, **options)
        if self.dtype != torch.float32:
            output[0][(0,) * output[0].ndim] = float("nan")
        return output

    pipe = kakusan.StableDiffusionPipeline.from_pretrained(tiny_v1, torch_dtype=torch.bfloat16)
    pipe.set_progress_bar_config(disable=True)
    monkeypatch.setattr(kind, name, overflowing)
    # whatever this processor is fast in
    monkeypatch.setattr("kakusan.runtime.preparation.compute_dtype", lambda kept, device: kept)
    output = pipe("a cat", seed=1, num_inference_steps=2)
    assert output.records[0]["notes"] == [f"{part} computed in float32: bfloat16 overflowed"]
    latent = pipe("a cat", seed=1, num_inference_steps=2, output_type="latent").records[0]
    assert bool(latent["notes"]) == (part != "VAE")
    assert pipe.unet.dtype == pipe.vae.dtype == torch.bfloat16


def test_the_scheduler_may_be_exchanged_between_calls(pipe: Any) -> None:
    kept = pipe.scheduler
    before = draw(pipe, seed=1)[0]
    pipe.scheduler = kakusan.DPMSolverMultistepScheduler.from_config(kept.config)
    other = draw(pipe, seed=1)[0]
    pipe.scheduler = kept
    assert (before != other).any()
    assert (before == draw(pipe, seed=1)[0]).all()


def test_one_side_alone_leaves_the_other_its_default(pipe: Any) -> None:
    own = pipe.unet.config.sample_size * pipe.vae.scale_factor
    (image,) = pipe("a cat", height=own + 8, seed=1, num_inference_steps=1).images
    assert image.size == (own, own + 8)


def test_the_first_days_configs_are_corrected(tiny_v1: Path) -> None:
    parts = kakusan.StableDiffusionPipeline.from_pretrained(tiny_v1).components
    old = kakusan.DDIMScheduler(steps_offset=0, clip_sample=True)
    pipe = kakusan.StableDiffusionPipeline(**{**parts, "scheduler": old})
    assert pipe.scheduler.config.steps_offset == 1
    assert pipe.scheduler.config.clip_sample is False
    assert old.config.steps_offset == 0


BAD_CALLS: list[dict[str, Any]] = [
    {"prompt": []},
    {"prompt": "a", "heigth": 64},
    {"prompt": "a", "generator": [torch.Generator()] * 3},
    {"prompt": "a", "generator": torch.Generator(), "seed": 1},
    {"prompt": "a", "output_type": "jpg"},
    {"prompt": "a", "latents": torch.zeros(1, 4, 3, 3)},
    {"prompt": "a", "prompt_embeds": torch.zeros(1, 77, 32)},
    {},
    {"prompt_embeds": torch.zeros(77, 32)},
    {"prompt": "a", "clip_skip": 60},
    {"prompt": "a", "generator": "7"},
    {"prompt": "a", "latents": [1.0]},
    {"prompt": "a", "latents": torch.full((1, 4, 8, 8), torch.nan)},
    {"prompt_embeds": torch.zeros(1, 77, 5)},
    {"prompt_embeds": torch.zeros(2, 77, 32), "negative_prompt": ["a", "b", "c"]},
    {"prompt": "a", "batch_size": "2"},
    {"prompt": "a", "timesteps": [10.5, 1]},
    {"prompt": "a", "batch_size": 0},
    {"prompt": "a", "callback_on_step_end_tensor_inputs": ["noise"]},
    {"prompt": "a", "callback_on_step_end": 5},
    {"prompt": "a", "output_type": None},
    {"prompt": "a", "guidance_scale": 1e30},
    {"prompt": "a", "latents": torch.ones(1, 4, 8, 8, dtype=torch.bool)},
    {"prompt": "a", "latents": torch.ones(1, 4, 8, 8, dtype=torch.complex64)},
    {"prompt": "a", "latents": torch.ones(1, 4, 8, 8, device="meta")},
    {"prompt_embeds": torch.ones(1, 77, 32, dtype=torch.int64)},
    {"prompt": "a", "timesteps": [900, 1], "num_inference_steps": 7},
    {"prompt": "a", "sigmas": [9.0, 1.0, 0.0], "num_inference_steps": 3},
    {"prompt": "a", "guidance_scale": float("nan")},
]


@pytest.mark.parametrize("bad", BAD_CALLS, ids=[f"{i}" for i in range(len(BAD_CALLS))])
def test_bad_calls_are_one_line_before_any_network_runs(pipe: Any, bad: dict[str, Any]) -> None:
    calls = []
    hooks = [
        part.register_forward_hook(lambda *_: calls.append(1))
        for part in (pipe.unet, pipe.text_encoder, pipe.vae)
    ]
    with pytest.raises(RequestError) as caught:
        pipe(**bad)
    for hook in hooks:
        hook.remove()
    assert not calls
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "returned",
    [
        torch.zeros(3),
        {"latents": torch.zeros(1, 4, 3, 3)},
        {"latents": torch.full((1, 4, 32, 32), torch.nan)},
        {"latent": torch.zeros(1)},
    ],
)
def test_what_a_callback_returns_is_checked(pipe: Any, returned: Any) -> None:
    with pytest.raises(RequestError) as caught:
        pipe("a", num_inference_steps=2, callback_on_step_end=lambda *_: returned)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("part", "value", "says"),
    [("scheduler", "euler", "str"), ("vae", 5, "int"), ("unet", torch.nn.Conv2d(1, 1, 1), "torch")],
)
def test_a_part_is_what_it_stands_for(tiny_v1: Path, part: str, value: Any, says: str) -> None:
    with pytest.raises(RequestError, match=f"{part} must be a kakusan .*, not an? {says}"):
        kakusan.StableDiffusionPipeline.from_pretrained(tiny_v1, **{part: value})


@pytest.fixture
def damaged(tiny_v1: Path, tmp_path: Path) -> Path:
    return shutil.copytree(tiny_v1, tmp_path / "damaged")


def test_a_part_without_its_folder(damaged: Path) -> None:
    shutil.rmtree(damaged / "vae")
    with pytest.raises(CheckpointError, match="damaged has no folder vae"):
        kakusan.StableDiffusionPipeline.from_pretrained(damaged)


@pytest.mark.parametrize(
    ("file", "changes", "says"),
    [
        ("tokenizer/vocab.json", {"cat</w>": 1000000}, "do not belong together"),
        ("tokenizer/tokenizer_config.json", {"model_max_length": 80}, "model_max_length is 80"),
    ],
)
def test_a_tokenizer_of_another_model(
    tmp_path: Path, file: str, changes: dict[str, int], says: str
) -> None:
    folder = shutil.copytree(locate("builtin").folder, tmp_path / "model")
    path = folder / file
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(CheckpointError, match=says):
        kakusan.StableDiffusionPipeline.from_pretrained(folder)


def test_integers_are_no_weights(damaged: Path) -> None:
    path = damaged / "unet" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(path)
    tensors["conv_out.weight"] = tensors["conv_out.weight"].to(torch.int32)
    save_file(tensors, path)
    with pytest.raises(CheckpointError, match=r"conv_out\.weight is of torch\.int32"):
        kakusan.StableDiffusionPipeline.from_pretrained(damaged)


@pytest.mark.parametrize("name", [None, 5])
def test_a_model_is_named_by_a_text(name: Any) -> None:
    with pytest.raises(CheckpointError, match="text or a path"):
        kakusan.StableDiffusionPipeline.from_pretrained(name)


def test_generate_names_the_nearest_argument() -> None:
    with pytest.raises(UnknownArgumentError, match="seed"):
        kakusan.generate("a", sed=1)  # pyright: ignore


def test_a_misspelt_argument_of_from_pretrained(tiny_v1: Path) -> None:
    with pytest.raises(UnknownArgumentError, match="torch_dtype"):
        kakusan.StableDiffusionPipeline.from_pretrained(tiny_v1, torch_dtyp=torch.float16)


def test_broken_weights_of_the_last_part_are_found_first(tiny_v1: Path) -> None:
    pipe = kakusan.StableDiffusionPipeline.from_pretrained(tiny_v1)
    with torch.no_grad():
        pipe.vae.decoder.conv_out.bias.fill_(torch.nan)
    calls = []
    pipe.unet.register_forward_hook(lambda *_: calls.append(1))
    with pytest.raises(CheckpointError, match=r"conv_out.*NaN"):
        pipe("a cat", seed=1)
    assert not calls


@pytest.mark.parametrize(
    ("index", "match"),
    [
        (None, "no model_index.json"),
        ("{", "model_index.json"),
        ('{"_class_name": "StableDiffusionXLPipeline"}', "StableDiffusionXLPipeline"),
        ('{"_class_name": "StableDiffusionPipeline"}', "vae"),
        (
            '{"_class_name": "StableDiffusionPipeline", "vae": ["os", "system"]}',
            "'system', which kakusan does not have",
        ),
    ],
)
def test_a_folder_that_is_no_pipeline(tmp_path: Path, index: str | None, match: str) -> None:
    if index is not None:
        (tmp_path / "model_index.json").write_text(index)
    with pytest.raises(CheckpointError, match=match) as caught:
        kakusan.StableDiffusionPipeline.from_pretrained(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("through", ["deepcopy", "pickle"])
def test_a_pipeline_can_be_copied_whole(tiny_v1: Path, through: str) -> None:
    pipe = kakusan.StableDiffusionPipeline.from_pretrained(tiny_v1)
    pipe.set_progress_bar_config(disable=True)
    before = draw(pipe, seed=1)[0]
    again = copy.deepcopy(pipe) if through == "deepcopy" else pickle.loads(pickle.dumps(pipe))
    assert again.unet is not pipe.unet
    assert (draw(again, seed=1)[0] == before).all()
    with torch.no_grad():
        again.unet.conv_out.bias += 1.0
    assert (draw(pipe, seed=1)[0] == before).all()
    assert again.scheduler.config == pipe.scheduler.config


def test_a_request_is_drawn_as_its_settings_are(pipe: Any) -> None:
    request = kakusan.Request.of("a cat", seed=4, num_inference_steps=3, scheduler="euler-a")
    (picture,) = pipe.pictures(request)
    assert picture.record["scheduler"]["_class_name"] == "EulerAncestralDiscreteScheduler"
    (again,) = pipe.pictures(kakusan.Request.from_record(picture.record))
    assert (np.asarray(again.image) == np.asarray(picture.image)).all()
    assert again.record == picture.record
    with pytest.raises(RequestError, match="a request is whole; seed"):
        pipe.pictures(request, seed=5)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"model": "elsewhere"}, "model is 'elsewhere', but this pipeline has"),
        ({"dtype": "bf16"}, "dtype is 'bfloat16', but this pipeline has 'float32'"),
        ({"variant": "fp16"}, "variant is 'fp16', but this pipeline has None"),
        ({"dtype": "int7"}, "dtype 'int7' is unknown"),
        ({"device": "nowhere"}, "'nowhere' is not on this machine"),
    ],
)
def test_a_request_for_another_model_is_not_drawn(
    pipe: Any, settings: dict[str, Any], said: str
) -> None:
    with pytest.raises(RequestError, match=said):
        pipe.pictures(kakusan.Request.of("a cat", **settings))


def test_a_request_may_leave_the_safety_checker_out(tiny_v1_checked: Path) -> None:
    pipe = kakusan.StableDiffusionPipeline.from_pretrained(tiny_v1_checked)
    pipe.set_progress_bar_config(disable=True)
    request = kakusan.Request.of("a cat", seed=1, num_inference_steps=1, safety_checker=False)
    (picture,) = pipe.pictures(request)
    assert picture.record["safety_checker"] is False
    assert not picture.flagged
    assert pipe.safety_checker is not None


def test_pictures_in_a_batch_take_their_steps_in_turn(pipe: Any) -> None:
    steps = list(
        pipe.stream("a cat", seed=1, num_images_per_prompt=3, batch_size=2, num_inference_steps=2)
    )
    seen = [(step.pictures.start, step.index) for step in steps]
    assert seen == [(0, 0), (1, 0), (0, 1), (1, 1), (0, 2), (1, 2), (2, 0), (2, 1), (2, 2)]
    assert all(len(step.latents) == 1 for step in steps)


def test_stopping_one_pipeline_does_not_stop_another(tiny_v1: Path) -> None:
    outer, inner = (kakusan.StableDiffusionPipeline.from_pretrained(tiny_v1) for _ in range(2))
    for each in (outer, inner):
        each.set_progress_bar_config(disable=True)
    seen: dict[str, list[int]] = {"outer": [], "inner": []}

    def within(pipeline: Any, index: int, _timestep: Any, _tensors: Any) -> None:
        seen["inner"].append(index)
        pipeline._interrupt = True

    def around(pipeline: Any, index: int, _timestep: Any, _tensors: Any) -> None:
        seen["outer"].append(index)
        pipeline._interrupt = index == 2
        inner("a dog", seed=1, num_inference_steps=3, callback_on_step_end=within)

    record = outer("a cat", seed=1, num_inference_steps=4, callback_on_step_end=around).records[0]
    assert seen["outer"] == [0, 1, 2]
    assert seen["inner"] == [0] * 3
    assert record["seed"] is None


@pytest.mark.parametrize(
    ("settings", "inputs", "said"),
    [
        ({"prompt": "a"}, {"prompt_embeds": torch.zeros(1, 77, 32)}, "prompt and prompt_embeds"),
        ({"prompt": (None,)}, {}, "prompt has no text, and prompt_embeds is not given"),
        (
            {"prompt": (None,), "negative_prompt": "dog"},
            {name: torch.zeros(1, 77, 32) for name in ("prompt_embeds", "negative_prompt_embeds")},
            "negative_prompt and negative_prompt_embeds were both given",
        ),
        (
            {"prompt": (None,)},
            {"prompt_embeds": torch.zeros(1, 154, 32)},
            "prompt_embeds have 154 tokens, but an encoded negative_prompt has 77",
        ),
        ({"prompt": "a", "clip_skip": 20}, {}, "clip_skip leaves out 20 layers"),
    ],
)
def test_texts_and_embeddings_agree_before_a_network_runs(
    pipe: Any, settings: Any, inputs: Any, said: str
) -> None:
    with pytest.raises(RequestError, match=said):
        pipe.stream(kakusan.Request.of(**settings), **inputs)


def test_a_request_goes_with_embeddings_in_the_place_of_texts(pipe: Any) -> None:
    embeds = {name: torch.ones(1, 77, 32) for name in ("prompt_embeds", "negative_prompt_embeds")}
    request = kakusan.Request(prompt=(None,), seed=1, num_inference_steps=2)
    (picture,) = pipe.pictures(request, **embeds)
    assert picture.record["negative_prompt"] is None
    with pytest.raises(RequestError, match=r"pipe\.pictures\(request\) draws it"):
        pipe(request)
    with pytest.raises(UnknownArgumentError, match="stream has no argument 'output_type'"):
        pipe.stream("a", output_type="pt")


def test_a_record_of_several_pictures_is_not_made_again(pipe: Any) -> None:
    record = pipe("a cat", seed=1, num_inference_steps=1).records[0]
    for change in ({"num_images_per_prompt": 3}, {"prompt": ["a", "b"]}):
        with pytest.raises(RequestError, match="pictures, not of one"):
            kakusan.reproduce(record | change)
