"""What a callback changes acts as in the reference library, and the record says so."""

import copy
import threading
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from diffusers.callbacks import SDCFGCutoffCallback

import kakusan
from kakusan.errors import RequestError
from kakusan.sampling import Guidance, Steering, Step
from tests.pipeline.test_oracle import assert_same_pictures, both, seeded

Tensors = dict[str, torch.Tensor]
STEPS = 5


@pytest.fixture(scope="module", params=["tiny_v1", "tiny_v2"])
def pair(request: pytest.FixtureRequest) -> tuple[Any, Any]:
    return both(request.getfixturevalue(request.param))


@pytest.fixture(scope="module")
def pipe(tiny_v1: Path) -> kakusan.StableDiffusionPipeline:
    pipe = kakusan.StableDiffusionPipeline.from_pretrained(tiny_v1)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def schedule(p: Any, i: int, _t: Any, k: Tensors) -> Tensors:
    p._guidance_scale = [7.5, 3.0, 1.5, 6.0][min(i, 3)]
    return k


def off_by_scale_and_half(p: Any, i: int, _t: Any, k: Tensors) -> Tensors:
    if i == int(p.num_timesteps * 0.4):
        k["prompt_embeds"] = k["prompt_embeds"].chunk(2)[-1]
        p._guidance_scale = 0.0
    return k


def other_words(_p: Any, i: int, _t: Any, k: Tensors) -> Tensors:
    if i == 2:
        k["prompt_embeds"] = k["prompt_embeds"].flip(0)
    return k


def other_words_in_place(_p: Any, i: int, _t: Any, k: Tensors) -> Tensors:
    if i == 2:
        k["prompt_embeds"][-1].mul_(-1)
    return k


def brighter_in_place(_p: Any, i: int, _t: Any, k: Tensors) -> Tensors:
    if i == 1:
        k["latents"].add_(0.5)
    return k


def hole_in_place(_p: Any, i: int, _t: Any, k: Tensors) -> Tensors:
    if i == 1:
        k["latents"][..., :3, :3] = 0
    return {}


def through_numpy(_p: Any, i: int, _t: Any, k: Tensors) -> Tensors:
    if i == 1:
        k["latents"].numpy()[:] *= 0.5
    return k


def through_data(_p: Any, i: int, _t: Any, k: Tensors) -> Tensors:
    if i == 1:
        k["latents"].data.mul_(0.5)
    return k


def rescaled(p: Any, i: int, _t: Any, k: Tensors) -> Tensors:
    if i == 1:
        p._guidance_rescale = 0.7
    return k


def off_by_the_schedulers_level(p: Any, i: int, t: Any, k: Tensors) -> Tensors:
    assert float(p.scheduler.timesteps[i]) == float(t)
    if i == len(p.scheduler.timesteps) // 2:
        p._guidance_scale = 2.0
    return k


CALLBACKS: dict[str, Callable[..., Any]] = {
    each.__name__: each
    for each in (
        schedule,
        off_by_scale_and_half,
        other_words,
        other_words_in_place,
        brighter_in_place,
        hole_in_place,
        through_numpy,
        through_data,
        rescaled,
        off_by_the_schedulers_level,
    )
}


def call_with(callback: Any, shown: list[str], **settings: Any) -> Callable[[Any], Any]:
    return lambda pipe: pipe(
        "a cat on a red background",
        generator=seeded(1)[0],
        num_inference_steps=STEPS,
        callback_on_step_end=callback,
        callback_on_step_end_tensor_inputs=shown,
        **settings,
    )


@pytest.mark.parametrize("name", CALLBACKS)
def test_a_callback_acts_as_in_the_reference(pair: tuple[Any, Any], name: str) -> None:
    call = call_with(CALLBACKS[name], ["latents", "prompt_embeds"])
    changed = assert_same_pictures(pair, call)
    ours = pair[0]
    plain = ours("a cat on a red background", generator=seeded(1)[0], num_inference_steps=STEPS)
    assert np.abs(changed[0] - np.asarray(plain.images[0]).astype(int)).mean() > 0.5
    (record,) = call(ours).records
    assert record["seed"] is None
    assert any("no seed makes it again" in note for note in record["notes"])


@pytest.mark.parametrize("name", ["schedule", "off_by_scale_and_half", "brighter_in_place"])
def test_for_several_pictures_of_one_generator(pair: tuple[Any, Any], name: str) -> None:
    shown = ["latents", "prompt_embeds"]
    assert_same_pictures(pair, call_with(CALLBACKS[name], shown, num_images_per_prompt=2))


def test_the_references_own_cutoff(pair: tuple[Any, Any]) -> None:
    callback = SDCFGCutoffCallback(cutoff_step_ratio=0.4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert_same_pictures(pair, call_with(callback, ["latents"]))


@pytest.mark.parametrize("name", CALLBACKS)
def test_each_seeded_picture_begins_anew(pipe: Any, name: str) -> None:
    def draw(seed: int, count: int) -> Any:
        return pipe(
            "a cat",
            seed=seed,
            num_images_per_prompt=count,
            num_inference_steps=STEPS,
            callback_on_step_end=CALLBACKS[name],
            callback_on_step_end_tensor_inputs=["latents", "prompt_embeds"],
        )

    several = draw(3, 3)
    assert [record["seed"] for record in several.records] == [None] * 3
    for index, image in enumerate(several.images):
        assert (np.asarray(draw(3 + index, 1).images[0]) == np.asarray(image)).all()


def test_a_callback_that_looks_changes_nothing(pipe: Any) -> None:
    seen: list[Any] = []

    def look(p: Any, i: int, t: Any, k: Tensors) -> Tensors:
        k["latents"] = k["latents"].clone()
        p._guidance_scale = p.guidance_scale
        seen.append(
            (p.num_timesteps, p._num_timesteps, p.guidance_scale, p.do_classifier_free_guidance)
        )
        assert (p.guidance_rescale, p.clip_skip, p.cross_attention_kwargs) == (0.25, 1, None)
        assert p.interrupt is p._interrupt is False
        return k

    output = pipe(
        "a cat",
        seed=1,
        num_inference_steps=3,
        guidance_scale=4.0,
        guidance_rescale=0.25,
        clip_skip=1,
        callback_on_step_end=look,
    )
    count = len(pipe.stream("a", num_inference_steps=3) and seen)
    assert seen == [(count, count, 4.0, True)] * count
    assert output.records[0]["seed"] == 1
    assert (pipe.num_timesteps, pipe.guidance_scale, pipe.clip_skip) == (count, 4.0, 1)


def test_the_properties_are_of_this_threads_call(pipe: Any) -> None:
    seen: dict[float, set[float]] = {2.0: set(), 5.0: set()}
    together = threading.Barrier(2)

    def work(scale: float) -> None:
        def look(p: Any, *_: Any) -> None:
            together.wait(timeout=30)
            seen[scale].add(p.guidance_scale)

        pipe("a", guidance_scale=scale, num_inference_steps=3, callback_on_step_end=look)
        seen[scale].add(pipe.guidance_scale)

    threads = [threading.Thread(target=work, args=(scale,)) for scale in seen]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {2.0: {2.0}, 5.0: {5.0}}


def test_a_call_inside_a_callback_leaves_the_outer_one_its_own(pipe: Any) -> None:
    def around(p: Any, i: int, _t: Any, _k: Tensors) -> None:
        p("a dog", num_inference_steps=1, guidance_scale=2.0, seed=1)
        assert p.guidance_scale == (7.5 if i == 0 else 3.0)
        p._guidance_scale = 3.0

    record = pipe("a cat", seed=1, num_inference_steps=2, callback_on_step_end=around).records[0]
    assert record["seed"] is None


@pytest.mark.parametrize("callback", [True, False])
def test_another_thread_stops_a_call(pipe: Any, callback: bool) -> None:
    begun = threading.Event()
    counted: list[int] = []

    def stopper() -> None:
        begun.wait(30)
        pipe._interrupt = True

    def look(*_: Any) -> None:
        counted.append(1)

    thread = threading.Thread(target=stopper)
    thread.start()
    hook = pipe.unet.register_forward_hook(lambda *_: begun.set() or thread.join())
    options: dict[str, Any] = {"callback_on_step_end": look} if callback else {}
    output = pipe("a cat", seed=1, num_inference_steps=50, num_images_per_prompt=2, **options)
    hook.remove()
    assert len(output.images) == 1
    assert output.records[0]["seed"] is None
    assert len(counted) == callback
    assert len(pipe("a cat", seed=1, num_inference_steps=2, num_images_per_prompt=2).images) == 2


BAD: dict[str, Callable[[Any, Tensors], Any]] = {
    "scheduler between calls": lambda p, k: setattr(p, "scheduler", copy.copy(p.scheduler)),
    "unet between calls": lambda p, k: setattr(p, "unet", p.unet),
    "safety_checker between calls": lambda p, k: setattr(p, "safety_checker", None),
    "_num_timesteps only tells": lambda p, k: setattr(p, "_num_timesteps", 3),
    "_clip_skip only tells": lambda p, k: setattr(p, "_clip_skip", 1),
    "guidance_scale only tells": lambda p, k: setattr(p, "guidance_scale", 1.0),
    "_cross_attention_kwargs only tells": lambda p, k: setattr(
        p, "_cross_attention_kwargs", {"scale": 1}
    ),
    "_guidance_scale must be a number": lambda p, k: setattr(p, "_guidance_scale", "high"),
    "_guidance_scale must be a number from": lambda p, k: setattr(p, "_guidance_scale", -1),
    "_guidance_rescale must be a number": lambda p, k: setattr(p, "_guidance_rescale", 2),
    "guidance of 7.5 needs negative": lambda p, k: {"prompt_embeds": k["prompt_embeds"][-1:]},
    "have 3 rows": lambda p, k: {"prompt_embeds": k["prompt_embeds"][[0, 0, 1]]},
    "NaN": lambda p, k: k["latents"].fill_(float("nan")),
    "must be a mapping": lambda p, k: k["latents"],
    "shape": lambda p, k: {"latents": k["latents"][..., :4]},
    "must be a tensor": lambda p, k: {"latents": 0},
}


@pytest.mark.parametrize("said", BAD)
def test_what_cannot_act_is_refused(pipe: Any, said: str) -> None:
    def callback(p: Any, _i: int, _t: Any, k: Tensors) -> Any:
        returned = BAD[said](p, k)
        return None if said == "NaN" else returned

    before = pipe.components
    words = said.replace(" between", ".* between") if "between" in said else said
    with pytest.raises(RequestError, match=words) as caught:
        pipe(
            "a",
            num_inference_steps=2,
            callback_on_step_end=callback,
            callback_on_step_end_tensor_inputs=["latents", "prompt_embeds"],
        )
    assert "\n" not in str(caught.value)
    assert pipe.components == before


def test_guidance_belongs_to_a_call(pipe: Any) -> None:
    with pytest.raises(RequestError, match="give guidance_scale to the call"):
        pipe._guidance_scale = 3.0


def test_what_the_caller_hands_in_stays_as_it_was(pipe: Any) -> None:
    width = pipe.unet.config.cross_attention_dim
    given = {
        "latents": torch.randn(1, 4, 8, 8),
        "prompt_embeds": torch.randn(1, 77, width),
        "negative_prompt_embeds": torch.randn(1, 77, width),
    }
    kept = {name: tensor.clone() for name, tensor in given.items()}

    def ruin(_p: Any, _i: int, _t: Any, k: Tensors) -> Tensors:
        for tensor in k.values():
            tensor.zero_()
        return k

    for scale in (1.0, 7.5):
        pipe(
            **given,
            height=64,
            width=64,
            guidance_scale=scale,
            num_inference_steps=2,
            callback_on_step_end=ruin,
            callback_on_step_end_tensor_inputs=list(given),
        )
    assert all(torch.equal(given[name], kept[name]) for name in given)


@pytest.mark.parametrize(
    ("name", "calls"), [("DDIMScheduler", 2), ("PNDMScheduler", 2), ("HeunDiscreteScheduler", 1)]
)
def test_the_older_callback(pair: tuple[Any, Any], name: str, calls: int) -> None:
    seen: dict[int, list[tuple[int, int]]] = {}

    def call(pipe: Any) -> Any:
        steps = seen.setdefault(id(pipe), [])

        def callback(index: int, timestep: Any, latents: torch.Tensor) -> None:
            steps.append((index, int(timestep)))
            latents.mul_(0.9)

        kept = pipe.scheduler
        library = kakusan if isinstance(pipe, kakusan.StableDiffusionPipeline) else diffusers
        pipe.scheduler = getattr(library, name).from_config(kept.config)
        try:
            return pipe(
                "a cat on a red background",
                generator=seeded(1)[0],
                num_inference_steps=4,
                callback=callback,
                callback_steps=2,
            )
        finally:
            pipe.scheduler = kept

    assert_same_pictures(pair, call)
    ours, theirs = seen.values()
    assert ours == theirs
    assert len(ours) == calls


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"callback": 5}, "callback must be a function"),
        ({"callback": print, "callback_steps": 0}, "callback_steps must be"),
        ({"callback": print, "callback_on_step_end": print}, "not both"),
        ({"callback_on_step_end": torch.zeros(9, 9)}, "must be a function, not tensor"),
        ({"callback_on_step_end_tensor_inputs": [3]}, "has no 3"),
        ({"callback_on_step_end_tensor_inputs": 3}, "has no 3"),
        ({"callback_on_step_end_tensor_inputs": "latent"}, "Did you mean 'latents'"),
        ({"callback_on_step_end_tensor_inputs": ["x" * 5000]}, r"xxx\.\.\."),
    ],
)
def test_the_older_callback_is_checked(pipe: Any, settings: Any, said: str) -> None:
    with pytest.raises(RequestError, match=said):
        pipe("a", **settings)


class Dimmer(Steering):
    """Changes latents in place, and turns guidance down."""

    def after(self, step: Step) -> Step:
        step.latents.mul_(0.9)
        return replace(step, guidance=Guidance(2.0))


def test_steering_may_change_in_place_and_change_guidance(pipe: Any) -> None:
    options: dict[str, Any] = {"seed": 1, "num_inference_steps": 3}
    (plain,) = pipe.pictures("a cat", **options)
    (steered,) = pipe.pictures("a cat", **options, steering=lambda _: [Dimmer()])
    assert (np.asarray(plain.image) != np.asarray(steered.image)).any()
    assert steered.record["seed"] is None


@pytest.mark.parametrize("interval", [1, 3])
@pytest.mark.parametrize("what", ["latents", "tokens"])
def test_a_reader_of_the_stream_may_change_in_place(pipe: Any, what: str, interval: int) -> None:
    settings: dict[str, Any] = {"seed": 1, "guidance_scale": 1.0, "reuse_interval": interval}

    def last(factor: float) -> torch.Tensor:
        found = torch.empty(0)
        for step in pipe.stream("a cat", num_inference_steps=4, **settings):
            if step.index == 0 and factor != 1:
                (step.latents if what == "latents" else step.prompt.text.tokens).mul_(factor)
            found = step.latents
        return found

    assert not torch.equal(last(1), last(-1))
