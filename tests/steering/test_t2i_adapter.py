"""Pictures that T2I-Adapters steer: whole ones beside the reference's, and what must hold."""

from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch

import kakusan
from kakusan.errors import InputError
from kakusan.models import T2IAdapter
from tests.oracle import tiny
from tests.steering.test_controlnet import PROMPTS, assert_same, drawn, picture

FULL = {"channels": [16, 32, 32]}
LIGHT = {"channels": [16, 32], "num_res_blocks": 4, "adapter_type": "light_adapter"}
XL = {"channels": [16, 32, 32], "downscale_factor": 16, "adapter_type": "full_adapter_xl"}
PIPES = (kakusan.StableDiffusionAdapterPipeline, diffusers.StableDiffusionAdapterPipeline)
XL_PIPES = (kakusan.StableDiffusionXLAdapterPipeline, diffusers.StableDiffusionXLAdapterPipeline)


def nets(folder: Path, seed: int = 9, **shape: Any) -> tuple[T2IAdapter, Any]:
    with tiny.quiet():
        tiny.randomise(diffusers.T2IAdapter(**shape), seed).save_pretrained(folder)
        theirs = diffusers.T2IAdapter.from_pretrained(folder)
    return T2IAdapter.from_pretrained(folder), theirs


def loaded(classes: Any, folder: Path, adapters: Any) -> tuple[Any, Any]:
    ours = classes[0].from_pretrained(folder, adapter=adapters[0])
    with tiny.quiet():
        theirs = classes[1].from_pretrained(folder, adapter=adapters[1])
    for pipe in (ours, theirs):
        pipe.set_progress_bar_config(disable=True)
    return ours, theirs


@pytest.fixture(scope="module", params=["full", "light", "grey", "xl"])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("net")
    shapes = {"full": FULL, "light": LIGHT, "grey": FULL | {"in_channels": 1}, "xl": XL}
    is_xl = request.param == "xl"
    model = request.getfixturevalue("tiny_xl" if is_xl else "tiny_v1")
    return loaded(XL_PIPES if is_xl else PIPES, model, nets(folder, **shapes[request.param]))


def shown(pair: Any, seed: int) -> Any:
    found = picture(seed)
    return found.convert("L") if pair[0].adapter.config.in_channels == 1 else found


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"adapter_conditioning_scale": 0.5},
        {"adapter_conditioning_scale": 2.0},
        {"guidance_scale": 1.0},
        {"num_images_per_prompt": 2},
        {"height": 96, "width": 64},
    ],
    ids=lambda each: "-".join(each) or "plain",
)
def test_settings(pair: Any, settings: dict[str, Any]) -> None:
    steered = assert_same(pair, prompt=PROMPTS[0], image=shown(pair, 1), **settings)
    off = settings | {"adapter_conditioning_scale": 0.0}
    plain = assert_same(pair, prompt=PROMPTS[0], image=shown(pair, 1), **off)
    assert np.abs(steered - plain).max() > 0.02


@pytest.mark.parametrize("factor", [0.0, 0.5, 0.6, 1.0])
def test_factor(factor: float, tiny_xl: Path, tmp_path: Path) -> None:
    pair = loaded(XL_PIPES, tiny_xl, nets(tmp_path, **XL))
    given = {"prompt": PROMPTS[0], "image": picture(1)}
    assert_same(pair, **given, adapter_conditioning_factor=factor)


def test_a_picture_for_each_prompt(pair: Any) -> None:
    assert_same(pair, prompt=PROMPTS, image=[shown(pair, 1), shown(pair, 2)])


@pytest.mark.parametrize("kind", ["v1", "xl"])
def test_two_adapters(kind: str, request: Any, tmp_path: Path) -> None:
    folder, classes, shape = ("tiny_v1", PIPES, FULL) if kind == "v1" else ("tiny_xl", XL_PIPES, XL)
    both = [nets(tmp_path / str(seed), seed, **shape) for seed in (1, 2)]
    ours, theirs = [mine for mine, _ in both], diffusers.MultiAdapter([each for _, each in both])
    pair = loaded(classes, request.getfixturevalue(folder), (ours, theirs))
    settings = {"adapter_conditioning_scale": [0.4, 1.2]}
    assert_same(pair, prompt=PROMPTS[0], image=[picture(1), picture(2)], **settings)


def test_off_gives_the_plain_picture_and_it_runs_once(pair: Any) -> None:
    ours = pair[0]
    kind = (
        kakusan.StableDiffusionXLPipeline
        if "tokenizer_2" in ours.components
        else kakusan.StableDiffusionPipeline
    )
    base = kind.from_pipe(ours)
    base.set_progress_bar_config(disable=True)
    wanted = drawn(base, prompt=PROMPTS[0], height=64, width=64)
    given = {"prompt": PROMPTS[0], "image": shown(pair, 1)}
    assert np.array_equal(drawn(ours, **given, adapter_conditioning_scale=0.0), wanted)
    runs: list[int] = []
    hook = ours.adapter.register_forward_hook(lambda *_: runs.append(1))
    drawn(ours, **given)
    hook.remove()
    assert runs == [1]


def test_what_is_refused(tiny_v1: Path, tiny_xl: Path, tmp_path: Path) -> None:
    full, _ = nets(tmp_path / "full", channels=[16, 64, 64])
    pipe = PIPES[0].from_pretrained(tiny_v1, adapter=full)
    with pytest.raises(InputError, match="another family"):
        pipe(PROMPTS[0], picture(1))
    xl, _ = nets(tmp_path / "xl", **XL)
    with pytest.raises(InputError, match="multiples of 16"):
        XL_PIPES[0].from_pretrained(tiny_xl, adapter=xl)(PROMPTS[0], image=picture(1, 72, 72))
    with pytest.raises(InputError, match="adapter must be"):
        PIPES[0].from_pretrained(tiny_v1, adapter=3)


def test_saved_and_loaded(tiny_v1: Path, tmp_path: Path) -> None:
    both = [nets(tmp_path / str(seed), seed, **FULL)[0] for seed in (1, 2)]
    pipe = PIPES[0].from_pretrained(tiny_v1, adapter=both)
    pipe.save_pretrained(tmp_path / "pipe")
    again = kakusan.DiffusionPipeline.from_pretrained(tmp_path / "pipe")
    assert isinstance(again, PIPES[0])
    given = {"prompt": PROMPTS[0], "image": [picture(1), picture(2)]}
    for each in (pipe, again):
        each.set_progress_bar_config(disable=True)
    assert np.array_equal(drawn(again, **given), drawn(pipe, **given))
    assert again.adapter.dtype == torch.float32
