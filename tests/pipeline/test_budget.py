"""A quality budget, from the request to the picture and its record."""

import json
import math
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import kakusan
from kakusan.errors import RequestError
from kakusan.inputs import Inputs
from kakusan.pipeline.draw import loaded
from kakusan.quality import FAST, PRESETS
from kakusan.request import Request
from kakusan.schedulers import SHORT_NAMES, named_scheduler, short_name


@pytest.fixture(scope="module")
def pipe(tiny_v2: Path) -> kakusan.StableDiffusionPipeline:
    pipe = kakusan.StableDiffusionPipeline.from_pretrained(tiny_v2)
    pipe.set_progress_bar_config(disable=True)
    return pipe


@pytest.fixture
def with_scheduler(pipe: Any) -> Any:
    """Gives the pipeline a scheduler for one test."""
    kept = pipe.scheduler

    def give(name: str) -> Any:
        pipe.scheduler = named_scheduler(name, kept)
        return pipe

    yield give
    pipe.scheduler = kept


def draw(pipe: Any, prompt: Any = "a cat", **arguments: Any) -> list[np.ndarray]:
    arguments = {"num_inference_steps": 5, "seed": 7, **arguments}
    return [np.asarray(image) for image in pipe(prompt, **arguments).images]


class Counted:
    """Counts the calls of a pipeline's parts while it is entered."""

    def __init__(self, pipe: Any) -> None:
        self.pipe, self.rows, self.full, self.texts, self.decodes = pipe, [], 0, 0, 0

    def __enter__(self) -> "Counted":
        unet = self.pipe.unet
        self.hooks = [
            unet.register_forward_pre_hook(lambda _, inputs: self.rows.append(len(inputs[0]))),
            unet.mid_block.register_forward_pre_hook(lambda *_: self._add("full")),
            self.pipe.text_encoder.register_forward_pre_hook(lambda *_: self._add("texts")),
            self.pipe.vae.decoder.register_forward_pre_hook(lambda *_: self._add("decodes")),
            self.pipe.vae.encoder.register_forward_pre_hook(lambda *_: self._add("decodes")),
        ]
        return self

    def _add(self, name: str) -> None:
        setattr(self, name, getattr(self, name) + 1)

    def __exit__(self, *_: object) -> None:
        for hook in self.hooks:
            hook.remove()


@pytest.mark.parametrize("name", SHORT_NAMES)
def test_an_interval_of_one_is_exact_with_every_scheduler(with_scheduler: Any, name: str) -> None:
    pipe = with_scheduler(name)
    (exact,), (found,) = draw(pipe), draw(pipe, reuse_interval=1)
    assert (exact == found).all()
    assert not (exact == draw(pipe, reuse_interval=2)[0]).all()


@pytest.mark.parametrize("interval", [1, 2, 3])
@pytest.mark.parametrize("name", SHORT_NAMES)
def test_the_deep_levels_run_only_when_due(with_scheduler: Any, name: str, interval: int) -> None:
    pipe = with_scheduler(name)
    with Counted(pipe) as counted:
        draw(pipe, reuse_interval=interval)
    order = pipe.scheduler.order
    calls = {"pndm": 6, "heunpp2": 12}.get(name, 5 * order - (order - 1))
    assert counted.full == math.ceil(calls / interval)
    assert counted.rows == [1 if index % interval else 2 for index in range(calls)]


def test_picture_i_is_the_same_alone_or_in_company(pipe: Any) -> None:
    company = draw(pipe, ["a cat", "a dog"], seed=5, reuse_interval=2)
    alone = [
        draw(pipe, p, seed=5 + i, reuse_interval=2)[0] for i, p in enumerate(["a cat", "a dog"])
    ]
    assert all((a == b).all() for a, b in zip(company, alone, strict=True))
    together = draw(pipe, ["a cat", "a dog"], seed=5, reuse_interval=2, batch_size=2)
    assert max(np.abs(a.astype(int) - b).max() for a, b in zip(together, alone, strict=True)) <= 1


def test_threads_share_nothing(pipe: Any) -> None:
    wanted = {interval: draw(pipe, reuse_interval=interval)[0] for interval in (1, 2, 3)}
    got: dict[int, np.ndarray] = {}

    def work(interval: int) -> None:
        got[interval] = draw(pipe, reuse_interval=interval)[0]

    threads = [threading.Thread(target=work, args=(interval,)) for interval in wanted]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all((got[interval] == wanted[interval]).all() for interval in wanted)


def test_a_callback_that_changes_the_text_is_seen_at_once(pipe: Any) -> None:
    embeds = torch.zeros(2, 77, pipe.unet.config.cross_attention_dim)

    def change(_pipe: Any, index: int, _timestep: Any, tensors: Any) -> dict[str, Any]:
        return {"prompt_embeds": embeds} if index == 1 else tensors

    options = {
        "callback_on_step_end": change,
        "callback_on_step_end_tensor_inputs": ["prompt_embeds"],
    }
    with Counted(pipe) as counted:
        draw(pipe, reuse_interval=4, num_inference_steps=7, **options)
    assert counted.rows == [2, 1, 2, 1, 1, 1, 2, 1], "PNDM makes one call more than steps"


def settings(pipe: Any, **arguments: Any) -> tuple[str, int, int | None]:
    """Scheduler, steps and interval of a call, without making it."""
    drawing = pipe.prepared(Request.of("a cat", seed=1, **arguments), Inputs(), 1)
    request = drawing.request
    return short_name(drawing.scheduler), request.num_inference_steps, request.reuse_interval


def test_a_budget_takes_a_preset_whole(pipe: Any) -> None:
    for preset in PRESETS:
        chosen = (preset.scheduler, preset.num_inference_steps, preset.reuse_interval)
        assert settings(pipe, quality_budget=preset.psnr) == chosen
    assert settings(pipe, quality_budget=0)[1] == PRESETS[0].num_inference_steps
    assert settings(pipe, quality_budget=100) == ("pndm", 50, 1)
    assert settings(pipe, num_inference_steps=2) == ("pndm", 2, None)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"num_inference_steps": 25}, "num_inference_steps"),
        ({"reuse_interval": 2}, "reuse_interval"),
        ({"timesteps": [801, 401, 1]}, "timesteps"),
        ({"eta": 0.5}, "eta"),
    ],
)
def test_naming_what_the_budget_chooses_is_an_error(
    pipe: Any, arguments: dict[str, Any], named: str
) -> None:
    with pytest.raises(RequestError, match=f"quality_budget .* {named}") as caught:
        pipe("a cat", quality_budget=FAST, **arguments)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("word", ["steps", "scheduler"])
def test_the_short_call_says_so_in_its_own_words(word: str) -> None:
    with pytest.raises(RequestError, match=f"quality_budget chooses {word} itself"):
        kakusan.generate("a cat", quality_budget=FAST, **{word: 4 if word == "steps" else "ddim"})


def test_a_scheduler_that_was_given_to_the_pipeline_is_no_models_own(with_scheduler: Any) -> None:
    pipe = with_scheduler("euler")
    with pytest.raises(RequestError, match="this pipeline was given EulerDiscreteScheduler"):
        pipe("a cat", quality_budget=FAST)


@pytest.mark.parametrize(("name", "follows"), [("ddim", True), ("heun", True), ("euler-a", False)])
def test_what_adds_noise_has_no_faster_way(
    tiny_v1: Path, tmp_path: Path, name: str, follows: bool
) -> None:
    pipe = kakusan.StableDiffusionPipeline.from_pretrained(tiny_v1)
    pipe.scheduler = named_scheduler(name, pipe.scheduler)
    pipe.save_pretrained(tmp_path)
    pipe = kakusan.StableDiffusionPipeline.from_pretrained(tmp_path)
    own = type(pipe.scheduler)
    if follows:
        request = Request.of("a cat", seed=1, quality_budget=0)
        chosen = pipe.prepared(request, Inputs(), 1).scheduler
        assert type(chosen).__name__ == PRESETS[0].scheduler
        assert type(pipe.scheduler) is own, "the shared pipeline is as it was"
        return
    with pytest.raises(RequestError, match="adds noise; leave quality_budget out"):
        settings(pipe, quality_budget=0)


def test_a_model_of_few_steps_is_not_slowed_down(tiny_v1: Path) -> None:
    pipe = kakusan.StableDiffusionPipeline.from_pretrained(tiny_v1)
    pipe.defaults = {"num_inference_steps": 4}
    assert settings(pipe, quality_budget=0) == ("pndm", 4, 1)
    drawing = pipe.prepared(Request.of("a cat", seed=1, quality_budget=0), Inputs(), 1)
    assert drawing.told == [
        "the quality budget of 0 dB saves nothing here: no faster way that keeps within it takes "
        "fewer than the model's own 4 steps, which are taken"
    ]
    assert not pipe.prepared(Request.of("a cat", seed=1), Inputs(), 1).told


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built-in model, whose folder says that 25 steps are good for it."""
    folder = tmp_path_factory.mktemp("patient")
    kakusan.StableDiffusionPipeline.from_pretrained("builtin").save_pretrained(folder)
    settings = json.loads((folder / "kakusan.json").read_text(encoding="utf-8"))
    settings["num_inference_steps"] = 25
    (folder / "kakusan.json").write_text(json.dumps(settings), encoding="utf-8")
    return folder


@pytest.mark.parametrize("budget", [FAST, 100.0])
def test_the_record_makes_the_same_picture_again(
    monkeypatch: pytest.MonkeyPatch, patient: Path, budget: float
) -> None:
    (picture,) = kakusan.generate(
        "a cat on red", model=patient, seed=3, progress=False, quality_budget=budget
    )
    assert picture.record["quality_budget"] == budget
    assert (picture.record["reuse_interval"] > 1) == (budget == FAST)
    # as a later version may have it
    monkeypatch.setattr("kakusan.quality.PRESETS", ())
    loaded.cache_clear()
    record = json.loads(json.dumps(picture.record))
    again = kakusan.reproduce(record, model=patient, progress=False)
    assert again.record == picture.record
    assert (np.asarray(again.image) == np.asarray(picture.image)).all()


def test_the_built_in_models_fast_picture_is_near_the_exact_one(patient: Path) -> None:
    def picture(**arguments: Any) -> np.ndarray:
        prompt = "two red apples"  # which leaves nothing to the seed that a step could turn over
        (one,) = kakusan.generate(
            prompt, model=patient, dtype="float32", seed=8, progress=False, **arguments
        )
        return np.asarray(one.image).astype(float)

    error = np.square(picture(quality_budget=FAST) - picture()).mean()
    assert error > 0
    assert 10 * math.log10(255**2 / error) > FAST


@pytest.mark.parametrize(
    "bad",
    [
        {"quality_budget": -1},
        {"quality_budget": "35"},
        {"quality_budget": math.nan},
        {"reuse_interval": 0},
        {"reuse_interval": 2.0},
        {"reuse_interval": True},
    ],
)
def test_bad_values_are_one_line_that_names_them(pipe: Any, bad: dict[str, Any]) -> None:
    (name,) = bad
    with pytest.raises(RequestError, match=f"{name} must be") as caught:
        pipe("a cat", **bad)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("guidance", [0.0, 1.0])
def test_without_guidance_nothing_unconditional_is_computed(pipe: Any, guidance: float) -> None:
    with Counted(pipe) as counted:
        draw(pipe, guidance_scale=guidance, negative_prompt="a dog")
    assert counted.rows == [1] * 6
    assert counted.texts == 1


def test_each_distinct_text_is_encoded_once(pipe: Any) -> None:
    with Counted(pipe) as counted:
        draw(
            pipe,
            ["a cat", "a dog", "a cat"],
            negative_prompt=["a cat", "", ""],
            num_images_per_prompt=2,
            num_inference_steps=1,
        )
    assert counted.texts == 3
    assert counted.decodes == 6


def test_a_preview_calls_no_network_after_the_first(pipe: Any) -> None:
    steps = list(pipe.stream("a cat", seed=1, num_inference_steps=2))
    steps[0].preview()
    with Counted(pipe) as counted:
        for step in steps:
            step.preview()
    assert (counted.rows, counted.decodes, counted.texts) == ([], 0, 0)
