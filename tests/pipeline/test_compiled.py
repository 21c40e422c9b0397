"""Parts that torch.compile wrapped, or that were changed in place as scripts do."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import kakusan
from kakusan.engine import Placement
from kakusan.engine.offload import Offload
from kakusan.errors import RequestError
from kakusan.models import within

# torch's own, when its compiler is imported
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
PARTS = ("unet", "vae", "text_encoder")


@pytest.fixture(autouse=True)
def eagerly(request: pytest.FixtureRequest) -> Iterator[None]:
    """Compiled networks compute as they are; tracing takes a minute."""
    if "traced" in request.node.name:
        yield
        return
    with torch.compiler.set_stance("force_eager"):
        yield


def load(folder: Path, **options: Any) -> kakusan.StableDiffusionPipeline:
    pipe = kakusan.StableDiffusionPipeline.from_pretrained(folder, **options)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def draw(pipe: Any) -> np.ndarray:
    (image,) = pipe("a cat", seed=1, num_inference_steps=2).images
    return np.asarray(image).astype(int)


def compiled(pipe: Any, *parts: str) -> Any:
    """The same pipeline, with compiled parts."""
    for part in parts:
        setattr(pipe, part, torch.compile(getattr(pipe, part)))
    return pipe


@pytest.mark.parametrize("parts", [*((part,) for part in PARTS), PARTS], ids="-".join)
def test_a_compiled_part_draws_the_same(tiny_v1: Path, tmp_path: Path, parts: Any) -> None:
    plain = load(tiny_v1)
    pipe = compiled(load(tiny_v1), *parts)
    expected = draw(plain)
    assert (draw(pipe) == expected).all()
    record = pipe("a cat", seed=1, num_inference_steps=1).records[0]
    assert record["model"] == str(tiny_v1)
    assert (draw(copy.deepcopy(pipe)) == expected).all()
    pipe.save_pretrained(tmp_path)
    assert (draw(load(tmp_path)) == expected).all()
    again = kakusan.StableDiffusionPipeline(**pipe.components)
    again.set_progress_bar_config(disable=True)
    assert (draw(again) == expected).all()
    assert pipe.to("cpu", torch.float16).dtype == torch.float16
    assert {getattr(pipe, part).dtype for part in PARTS} == {torch.float16}
    assert np.abs(draw(pipe) - draw(plain.to(torch.float16))).max() == 0
    assert pipe.preview(torch.zeros(1, 4, 8, 8))
    handed = load(tiny_v1, **{part: getattr(pipe, part) for part in parts})
    assert within(handed.unet) is within(pipe.unet) or "unet" not in parts


def test_compiled_and_handed_in(tiny_v1: Path) -> None:
    unet = kakusan.UNet2DConditionModel.from_pretrained(tiny_v1, subfolder="unet")
    pipe = load(tiny_v1, unet=torch.compile(unet))
    assert (draw(pipe) == draw(load(tiny_v1))).all()
    assert pipe.own_source is None


@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder"])
@pytest.mark.parametrize("how", ["compiled", "method"])
def test_a_compiled_part_that_overflows_is_upcast(
    tiny_v1: Path, part: str, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe = load(tiny_v1, dtype="bfloat16")
    kind = type(getattr(pipe, part))
    name = "decode" if part == "vae" else "forward"
    plain = getattr(kind, name)

    def overflowing(self: Any, *args: Any, **options: Any) -> Any:
        output = plain(self, *args, **options)
        if self.dtype != torch.float32:
            output[0][(0,) * output[0].ndim] = float("nan")
        return output

    monkeypatch.setattr(kind, name, overflowing)
    monkeypatch.setattr("kakusan.runtime.preparation.compute_dtype", lambda kept, device: kept)
    network = getattr(pipe, part)
    if how == "compiled":
        compiled(pipe, part)
    else:
        setattr(network, name, torch.compile(getattr(network, name)))
    output = pipe("a cat", seed=1, num_inference_steps=2)
    assert "overflowed" in output.records[0]["notes"][0]
    assert network.dtype == torch.bfloat16


@pytest.mark.parametrize(
    "change",
    [
        lambda pipe: pipe.unet.compile(),
        lambda pipe: setattr(pipe.vae, "decode", torch.compile(pipe.vae.decode)),
        lambda pipe: setattr(pipe.unet, "forward", torch.compile(pipe.unet.forward)),
        lambda pipe: pipe.unet.to(memory_format=torch.channels_last),
        lambda pipe: pipe.vae.to(memory_format=torch.channels_last),
        lambda pipe: compiled(pipe, "unet").unet.to(memory_format=torch.channels_last),
    ],
    ids=["compile", "decode", "forward", "unet-last", "vae-last", "compiled-last"],
)
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_what_scripts_do_to_a_part_in_place(tiny_v1: Path, change: Any, dtype: str) -> None:
    expected = draw(load(tiny_v1, dtype=dtype))
    pipe = load(tiny_v1, dtype=dtype)
    change(pipe)
    assert np.abs(draw(pipe) - expected).max() <= 1
    other = copy.deepcopy(pipe)
    with torch.no_grad():
        pipe.unet.conv_in.bias.add_(5)
        pipe.vae.decoder.conv_in.bias.add_(5)
    assert np.abs(draw(other) - expected).max() <= 1, "a copy computes with its own weights"
    assert np.abs(draw(pipe) - expected).max() > 5


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_compiled_parts_take_turns_on_a_device(tiny_v1: Path, dtype: str) -> None:
    expected = draw(load(tiny_v1, dtype=dtype))
    pipe = compiled(load(tiny_v1, dtype=dtype), *PARTS)
    moved: list[Any] = []
    there = Offload(torch.device("cpu"), lambda part, device: moved.append(within(part)))
    pipe._placement = Placement(offload=there)
    assert (draw(pipe) == expected).all()
    assert {within(getattr(pipe, part)) for part in PARTS} <= set(moved)


def test_another_thing_compiled_is_refused_in_one_line(tiny_v1: Path) -> None:
    pipe = load(tiny_v1)
    pipe.unet = torch.compile(torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.SiLU()))
    with pytest.raises(RequestError) as caught:
        pipe("a cat")
    said = str(caught.value)
    assert said == "unet must be a kakusan UNet2DConditionModel, not a torch Sequential"
    pipe.unet = torch.compile(pipe.vae)
    with pytest.raises(RequestError, match=r"unet must be .* not an AutoencoderKL"):
        pipe("a cat")


def test_a_part_of_the_reference_is_refused_in_one_line(tiny_v1: Path) -> None:
    import diffusers

    theirs = diffusers.AutoencoderKL.from_pretrained(tiny_v1, subfolder="vae")
    with pytest.raises(RequestError) as caught:
        load(tiny_v1, vae=theirs)
    wanted = "a kakusan AutoencoderKL or AutoencoderTiny"
    assert str(caught.value) == f"vae must be {wanted}, not a diffusers AutoencoderKL"


def test_a_traced_text_encoder_without_a_warning(tiny_v1: Path) -> None:
    pipe = load(tiny_v1)
    expected = draw(pipe)
    pipe.text_encoder = torch.compile(pipe.text_encoder, backend="eager")
    assert np.abs(draw(pipe) - expected).max() <= 1
