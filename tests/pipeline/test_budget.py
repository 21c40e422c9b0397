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
from kakusan.pipeline import short
from kakusan.pipeline.budget import planned
from kakusan.quality import FAST, SAVINGS
from kakusan.request import Request
from kakusan.schedulers import SHORT_NAMES, named_scheduler

OWN = {saving.reuse_interval: saving.psnr for saving in SAVINGS if not saving.solver}


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
    calls = {"pndm": 6, "heun": 9}.get(name, 5)
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
    """Scheduler, steps and interval that a call's record tells, without making the call."""
    record = pipe._prepare({"prompt": "a cat", "seed": 1, **arguments}, 1).record(0)
    scheduler, steps = record["scheduler"]["_class_name"], record["num_inference_steps"]
    return scheduler, steps, record["reuse_interval"]


def test_a_budget_takes_what_was_left_open(pipe: Any) -> None:
    saving = SAVINGS[0]
    fast = ("DPMSolverMultistepScheduler", saving.calls, saving.reuse_interval)
    assert settings(pipe, quality_budget=0) == fast
    assert settings(pipe, quality_budget=100) == ("PNDMScheduler", 50, 1)
    for interval, psnr in OWN.items():
        found = settings(pipe, quality_budget=psnr, num_inference_steps=50)
        assert found == ("PNDMScheduler", 50, min(interval, 3))
        found = settings(pipe, quality_budget=psnr, num_inference_steps=25)
        assert found == ("PNDMScheduler", 25, 1), "it shows more what is reused"
    assert settings(pipe, quality_budget=0, num_inference_steps=3) == ("PNDMScheduler", 3, 1)
    assert settings(pipe, quality_budget=0, reuse_interval=1) == ("PNDMScheduler", 50, 1)
    assert settings(pipe, num_inference_steps=2) == ("PNDMScheduler", 2, None)


@pytest.mark.parametrize(
    ("name", "interval"), [("dpmpp-2m-sde", 1), ("euler-a", 1), ("euler", max(OWN)), ("ddpm", 1)]
)
def test_a_scheduler_that_was_chosen_is_kept(with_scheduler: Any, name: str, interval: int) -> None:
    pipe = with_scheduler(name)
    found = settings(pipe, quality_budget=0)
    assert found == (type(pipe.scheduler).__name__, 50, interval)


@pytest.mark.parametrize(
    ("name", "arguments", "kept"),
    [
        ("ddim", {}, False),
        ("ddim", {"eta": 0.5}, True),
        ("euler-a", {}, True),
        ("dpmpp-2m-sde", {}, True),
        ("heun", {}, False),
        ("heun", {"timesteps": [801, 401, 1]}, True),
    ],
)
def test_only_one_path_is_followed_by_another_solver(
    tiny_v1: Path, tmp_path: Path, name: str, arguments: dict[str, Any], kept: bool
) -> None:
    pipe = kakusan.StableDiffusionPipeline.from_pretrained(tiny_v1)
    pipe.scheduler = named_scheduler(name, pipe.scheduler)
    pipe.save_pretrained(tmp_path)
    pipe = kakusan.StableDiffusionPipeline.from_pretrained(tmp_path)
    pipe.set_progress_bar_config(disable=True)
    scheduler, _, _ = settings(pipe, quality_budget=0, **arguments)
    own = type(pipe.scheduler).__name__
    assert scheduler == (own if kept else "DPMSolverMultistepScheduler")
    assert type(pipe.scheduler).__name__ == own, "the shared pipeline is as it was"


@pytest.mark.parametrize(
    "arguments",
    [{}, {"steps": 25}, {"scheduler": "heun", "steps": 13}, {"scheduler": "euler", "steps": 26}],
)
def test_the_record_makes_the_same_picture_again(
    monkeypatch: pytest.MonkeyPatch, arguments: dict[str, Any]
) -> None:
    (picture,) = kakusan.generate(
        "a cat on red", seed=3, progress=False, quality_budget=FAST, **arguments
    )
    assert picture.record["quality_budget"] == FAST
    assert picture.record["reuse_interval"] > 1
    # as a later version may have it
    monkeypatch.setattr("kakusan.quality.SAVINGS", ())
    short._loaded.cache_clear()
    again = kakusan.reproduce(json.loads(json.dumps(picture.record)), progress=False)
    assert again.record == picture.record
    assert (np.asarray(again.image) == np.asarray(picture.image)).all()


def test_the_built_in_models_fast_picture_is_near_the_exact_one() -> None:
    def picture(**arguments: Any) -> np.ndarray:
        (one,) = kakusan.generate("a fox on teal", seed=8, progress=False, **arguments)
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


@pytest.mark.parametrize("name", ["lms", "dpmpp-2m-karras"])
def test_samplers_that_show_more_reuse_less(name: str, with_scheduler: Any) -> None:
    """At 25 steps both measured below DDIM, whose losses the savings state."""
    scheduler = with_scheduler(name).scheduler
    intervals = [
        planned(
            Request.of("a cat", num_inference_steps=25, quality_budget=budget),
            scheduler,
            named=True,
            device=torch.device("cpu"),
        )[0].reuse_interval
        for budget in (FAST + 1, FAST, 0.0)
    ]
    assert intervals == [1, 2, 2]
