"""SDXL's networks in the engine: two text encoders that take turns, and more that is recorded."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import kakusan
from kakusan.engine import Engine, Placement, acceleration
from kakusan.engine.acceleration import Acceleration
from kakusan.engine.cuda_graph import GraphedCalls
from kakusan.engine.offload import Offload
from kakusan.models import Conditioning, UNetCall
from kakusan.models.layers.attention import Attention, TransformerBlock
from tests.engine.test_placement import Recorder


@pytest.fixture(scope="module")
def pipe(tiny_xl: Path) -> Any:
    found = kakusan.StableDiffusionXLPipeline.from_pretrained(tiny_xl)
    found.set_progress_bar_config(disable=True)
    return found


def latents(pipe: Any, **options: Any) -> Tensor:
    return pipe("a cat", seed=3, num_inference_steps=3, output_type="latent", **options).images


def test_all_networks_take_turns(pipe: Any) -> None:
    seen: list[str] = []

    def moved(part: nn.Module, device: torch.device) -> None:
        del device
        names = [name for name, own in pipe.components.items() if own is part]
        if not seen or seen[-1] != names[0]:
            seen.append(names[0])

    offloaded = copy.copy(pipe)
    offloaded._placement = Placement(offload=Offload(torch.device("cpu"), moved))
    image = offloaded("a cat", seed=3, num_inference_steps=2).images[0]
    assert seen == ["text_encoder_2", "text_encoder", "unet", "vae"]
    expected = pipe("a cat", seed=3, num_inference_steps=2).images[0]
    assert (np.asarray(image) == np.asarray(expected)).all()


@pytest.mark.parametrize("guidance_scale", [1.0, 5.0])
def test_replays_draw_the_same_pictures(
    pipe: Any, monkeypatch: pytest.MonkeyPatch, guidance_scale: float
) -> None:
    recorder = Recorder()
    monkeypatch.setattr(
        acceleration, "GraphedCalls", lambda f, w: GraphedCalls(f, w, recorder, lambda _: 0)
    )
    monkeypatch.setattr("kakusan.engine.engine.RECORDABLE", "cpu")
    accelerated = copy.copy(pipe)
    accelerated._placement = Placement(acceleration=Acceleration("graphs"))
    for options in ({}, {"original_size": (9, 9)}, {"prompt_2": "a dog"}):
        given: Any = {"guidance_scale": guidance_scale, **options}
        assert torch.equal(latents(accelerated, **given), latents(pipe, **given))
    assert len(recorder.shapes) == 1, "sizes and pooled texts reach one recording"


@pytest.mark.parametrize("name", ["text_encoder", "text_encoder_2"])
def test_an_encoder_that_overflows_is_asked_in_float32(
    pipe: Any, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    half = copy.deepcopy(pipe).to(torch.bfloat16)
    network = getattr(half, name)
    plain = type(network).forward

    def overflowing(self: Any, *args: Any, **options: Any) -> Any:
        output = plain(self, *args, **options)
        if self is not network:
            return output
        hidden = tuple(state * torch.inf for state in output.hidden_states)
        return output._replace(hidden_states=hidden)

    monkeypatch.setattr(type(network), "forward", overflowing)
    (picture,) = half.pictures("a cat", seed=1, num_inference_steps=1)
    words = "second text encoder" if name.endswith("2") else "text encoder"
    assert f"{words} computed in float32: bfloat16 overflowed" in picture.record["notes"]


def test_rows_of_several_requests_are_answered_together(pipe: Any) -> None:
    def call(seed: int, size: float, tokens: int = 77) -> UNetCall:
        generator = torch.Generator().manual_seed(seed)
        text = Conditioning(
            torch.randn(1, tokens, 72, generator=generator),
            torch.randn(1, 24, generator=generator),
            torch.tensor([[size, size, 0.0, 0.0, size, size]]),
        )
        sample = torch.randn(1, 4, 8, 8, generator=generator)
        return UNetCall(sample, torch.tensor(float(10 * seed)), text)

    calls = [call(1, 64), call(2, 512), call(3, 1024, tokens=154)]
    asked: list[int] = []
    hook = pipe.unet.register_forward_hook(lambda *_: asked.append(1))
    together = pipe.engine.predict(calls)
    hook.remove()
    assert len(asked) == 1
    for one, answer in zip(calls, together, strict=True):
        (alone,) = pipe.engine.predict([one])
        assert (alone - answer).abs().max() <= 1e-5 * max(1.0, float(alone.abs().max()))


def test_what_does_not_change_is_computed_once(pipe: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The text's keys and values once in a run, the embedded sizes once in a call of the UNet."""
    blocks = [module for module in pipe.unet.modules() if isinstance(module, TransformerBlock)]
    to_the_text, projected = {id(block.attn2) for block in blocks}, list[int]()
    plain = Attention.keys_values

    def counted(self: Attention, context: Tensor) -> Any:
        projected.extend([id(self)] if id(self) in to_the_text else [])
        return plain(self, context)

    monkeypatch.setattr(Attention, "keys_values", counted)
    embedded: list[int] = []
    hooks = [
        module.register_forward_hook(lambda _, given, __: embedded.append(len(given[0])))
        for module in (pipe.unet.add_embedding, pipe.unet.time_embedding)
    ]
    latents(pipe)
    for hook in hooks:
        hook.remove()
    assert len(blocks) == 28
    assert sorted(projected) == sorted(to_the_text)
    assert embedded == [2] * 2 * 3, "both halves of guidance in one call, three steps"


def test_widths_that_no_network_says() -> None:
    engine = Engine(None, None, None)
    assert engine.text_width is None
    assert engine.pooled_width is None
    assert engine.encoders == []
