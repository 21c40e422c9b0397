"""AUTOMATIC1111's settings of prompts: conditionings of one length, and the old timelines."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import kakusan
from kakusan.errors import ArgumentError
from kakusan.images.foreign.webui import read_webui
from kakusan.images.parameters import parameters_text
from kakusan.interchange import translated
from kakusan.request import Request

LONG = "dog " * 80
SETTINGS: dict[str, Any] = {"prompt_syntax": "webui", "seed": 1, "num_inference_steps": 2}


def as_the_tool_pads(cond: Tensor, uncond: Tensor, empty: Tensor, *, v0: bool) -> tuple[Any, Any]:
    """By FAMILY 5.3: empty chunks behind the shorter; v0 repeats the last vector, or truncates."""
    if v0:
        uncond = torch.cat([uncond, uncond[:, -1:].expand(-1, 500, -1)], dim=1)
        return cond, uncond[:, : cond.shape[1]]
    repeats = (cond.shape[1] - uncond.shape[1]) // empty.shape[1]
    if repeats < 0:
        cond = torch.cat([cond, empty.repeat(1, -repeats, 1)], dim=1)
    elif repeats > 0:
        uncond = torch.cat([uncond, empty.repeat(1, repeats, 1)], dim=1)
    return cond, uncond


@pytest.fixture(scope="module", params=["tiny_v1", "tiny_v2", "tiny_xl"])
def pipe(request: pytest.FixtureRequest) -> Any:
    kind = kakusan.AutoPipelineForText2Image
    pipe: Any = kind.from_pretrained(request.getfixturevalue(request.param))
    pipe.set_progress_bar_config(disable=True)
    return pipe


def first(pipe: Any, prompt: str, negative: str, **settings: Any) -> Any:
    """The prompt of the first step."""
    steps = pipe.stream(prompt, negative_prompt=negative, **{**SETTINGS, **settings})
    return next(iter(steps)).prompt


@pytest.mark.parametrize("v0", [False, True], ids=["empty", "v0"])
@pytest.mark.parametrize(
    ("prompt", "negative"),
    [(LONG * 2, "fog"), ("a cat", LONG), ("a cat BREAK tea", LONG * 3), (f"a AND {LONG}", "fog")],
)
def test_both_get_one_length(pipe: Any, prompt: str, negative: str, v0: bool) -> None:
    empty = first(pipe, "a cat", "" if "XL" not in type(pipe).__name__ else " ").negative.tokens
    plain = first(pipe, prompt, negative)
    found = first(pipe, prompt, negative, pad_conds="v0" if v0 else True)
    sides = [(plain.text, found.text)]
    sides += [(a, b) for (_, a), (_, b) in zip(plain.beside, found.beside, strict=True)]
    for before, after in sides:
        wanted = as_the_tool_pads(before.tokens, plain.negative.tokens, empty, v0=v0)
        torch.testing.assert_close(after.tokens, wanted[0])
        torch.testing.assert_close(found.negative.tokens, wanted[1])
        assert after.tokens.shape == found.negative.tokens.shape
    latents = [
        pipe(prompt, negative_prompt=negative, output_type="latent", pad_conds=each, **SETTINGS)
        for each in (None, "v0" if v0 else True)
    ]
    assert not torch.equal(latents[0].images, latents[1].images)


def test_prompts_of_one_length_stay_as_they_are(pipe: Any) -> None:
    common = {"output_type": "latent", **SETTINGS}
    plain = pipe("a (red:1.3) cat", negative_prompt="fog", **common).images
    for padding in (True, False, "v0"):
        found = pipe("a (red:1.3) cat", negative_prompt="fog", pad_conds=padding, **common).images
        assert torch.equal(found, plain)


def test_a_schedule_is_padded_throughout(tiny_v1: Path) -> None:
    pipe: Any = kakusan.StableDiffusionPipeline.from_pretrained(tiny_v1)
    steps = list(
        pipe.stream(f"[a cat:{LONG}:1]", negative_prompt="[x|y]", pad_conds=True, **SETTINGS)
    )
    assert {step.prompt.negative.tokens.shape[1] for step in steps} == {154}
    assert not torch.equal(steps[0].prompt.text.tokens, steps[1].prompt.text.tokens)


def test_old_timelines_count_below_one_as_a_part(tiny_v1: Path) -> None:
    """FAMILY 5.2: before 1.6, a value below 1 is a fraction, dot or not, others are steps."""
    pipe: Any = kakusan.StableDiffusionPipeline.from_pretrained(tiny_v1)
    pipe.set_progress_bar_config(disable=True)
    settings = {**SETTINGS, "num_inference_steps": 6, "output_type": "latent"}

    def drawn(prompt: str, *, old: bool = False) -> Any:
        return pipe(prompt, old_timelines=old, **settings).images

    assert torch.equal(drawn("[cat:dog:2.0]", old=True), drawn("[cat:dog:2]"))
    assert not torch.equal(drawn("[cat:dog:2.0]"), drawn("[cat:dog:2]"))
    assert torch.equal(drawn("[cat:dog:0.5]", old=True), drawn("[cat:dog:0.5]"))
    record = pipe("[cat:dog:2.0]", old_timelines=True, **SETTINGS).records[0]
    assert record["old_timelines"] is True
    assert "pad_conds" not in record


@pytest.mark.parametrize(
    ("said", "name", "value"),
    [
        ("Pad conds: True", "pad_conds", True),
        ("Pad conds v0: True", "pad_conds", "v0"),
        ("Pad conds: True, Pad conds v0: True", "pad_conds", "v0"),
        ("Old prompt editing timelines: True", "old_timelines", True),
        ("Version: v1.5.2", "old_timelines", True),
        ("Version: v1.10.1", "old_timelines", None),
    ],
)
def test_the_tools_pictures_tell_them(said: str, name: str, value: object) -> None:
    text = (
        f"a [cat:dog:0.5]\nSteps: 2, Sampler: Euler a, CFG scale: 5, Seed: 5, Size: 64x64, {said}"
    )
    found = translated(read_webui(text, "x"))
    assert found.settings.get(name) == value
    assert Request.of(**found.settings).pad_conds == found.settings.get("pad_conds")
    assert not any("one length" in each or "counting" in each for each in found.left)
    if value is not None:
        assert any("one length" in each or "counting" in each for each in found.followed)


@pytest.mark.parametrize("settings", [{"pad_conds": "v0"}, {"pad_conds": True, "old_timelines": 1}])
def test_our_own_text_tells_them_too(settings: dict[str, Any]) -> None:
    settings = {name: True if value == 1 else value for name, value in settings.items()}
    request = Request.of("a [cat:dog:0.5]", prompt_syntax="webui", seed=1, **settings)
    text = parameters_text(request.to_record() | {"width": 64, "height": 64})
    again = translated(read_webui(text, "x")).settings
    assert {name: again.get(name) for name in settings} == settings
    assert Request.from_record(request.to_record()) == request


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"pad_conds": "yes", "prompt_syntax": "webui"}, "pad_conds must be True, False or 'v0'"),
        ({"pad_conds": True}, "prompt_syntax is 'webui', not 'plain'"),
        ({"old_timelines": True, "prompt_syntax": "comfy"}, "'webui', not 'comfy'"),
        ({"old_timelines": "x", "prompt_syntax": "webui"}, "old_timelines must be True or False"),
    ],
)
def test_what_means_nothing_is_refused(settings: Any, said: str) -> None:
    with pytest.raises(ArgumentError, match=said):
        kakusan.generate("a", seed=1, **settings)


def test_a_callback_sees_both_as_one_tensor(tiny_v1: Path) -> None:
    pipe: Any = kakusan.StableDiffusionPipeline.from_pretrained(tiny_v1)
    pipe.set_progress_bar_config(disable=True)
    shapes: list[Any] = []

    def look(_pipe: Any, _index: int, _time: Any, tensors: Any) -> dict[str, Any]:
        shapes.append(tuple(tensors["prompt_embeds"].shape[:2]))
        return {}

    shown = {"callback_on_step_end": look, "callback_on_step_end_tensor_inputs": ["prompt_embeds"]}
    pipe(LONG, negative_prompt="fog", pad_conds=True, **shown, **SETTINGS)
    assert set(shapes) == {(2, 154)}
