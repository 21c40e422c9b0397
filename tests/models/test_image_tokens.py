"""Attention to pictures (IP-Adapter) beside the reference's."""

from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from diffusers.models.attention_processor import AttnProcessor2_0, IPAdapterAttnProcessor2_0

from kakusan.engine import Engine
from kakusan.errors import RequestError
from kakusan.models import (
    Conditioning,
    DeepFeature,
    ImageLayers,
    ImageTokens,
    TextContext,
    UNet2DConditionModel,
    UNetCall,
)
from tests.models.comparing import assert_near, noise
from tests.models.test_residuals import call, question
from tests.oracle import tiny

WIDTH = 24


@pytest.fixture(params=["tiny_v1", "tiny_v2", "tiny_xl", "tiny_refiner"])
def both(request: pytest.FixtureRequest) -> tuple[UNet2DConditionModel, Any]:
    folder = request.getfixturevalue(request.param) / "unet"
    with tiny.quiet():
        theirs = diffusers.UNet2DConditionModel.from_pretrained(folder)
    return UNet2DConditionModel.from_pretrained(folder).double(), theirs.double()


def layers(unet: UNet2DConditionModel, seed: int = 0) -> ImageLayers:
    """Of a random adapter, sharp enough that tokens differ."""
    weights = {
        name: tuple(
            noise(width, unet.config.cross_attention_dim, seed=seed + 2 * i + j).double() * 0.5
            for j in range(2)
        )
        for i, (name, width) in enumerate(unet.text_attentions.items())
    }
    return ImageLayers(weights)  # pyright: ignore[reportArgumentType]


def install(theirs: Any, adapters: list[ImageTokens], counts: list[int]) -> None:
    """Give the reference's UNet the same adapters."""
    processors: dict[str, Any] = {}
    for name in theirs.attn_processors:
        if "attn2" not in name:
            processors[name] = AttnProcessor2_0()
            continue
        block = name.removesuffix(".attn2.processor")
        width, context = adapters[0].layers.weights[block][0].shape
        made = IPAdapterAttnProcessor2_0(
            width, context, counts, [each.scale_at(block) for each in adapters]
        ).double()
        for i, each in enumerate(adapters):
            made.to_k_ip[i].weight.data.copy_(each.layers.weights[block][0])
            made.to_v_ip[i].weight.data.copy_(each.layers.weights[block][1])
        processors[name] = made
    theirs.set_attn_processor(processors)


def context(given: dict[str, Any], *adapters: ImageTokens) -> dict[str, Any]:
    text = TextContext(given["encoder_hidden_states"], images=[[each] for each in adapters])
    return given | {"encoder_hidden_states": text}


@torch.no_grad()
def test_one_adapter_and_two(both: Any) -> None:
    ours, theirs = both
    given, width = question(ours), ours.config.cross_attention_dim
    one = ImageTokens(noise(2, 4, width, seed=5).double(), layers(ours), 0.7)
    blocks = (("down_blocks.1", 0.0), ("up_blocks.1.attentions.1", 1.3))
    two = ImageTokens(noise(2, 16, width, seed=6).double(), layers(ours, 100), -0.4, blocks)
    plain = ours(**given).sample
    for some in ([one], [one, two]):
        install(theirs, some, [each.tokens.shape[1] for each in some])
        text = (given["encoder_hidden_states"], [each.tokens for each in some])
        expected = theirs(**given | {"encoder_hidden_states": text}).sample
        found = ours(**context(given, *some)).sample
        assert_near(found, expected, limit=1e-9)
        assert (found - plain).abs().max() > 1e-2


def test_the_order_of_files(both: Any) -> None:
    """As IP-Adapter's files number attentions: the way down, the way up, the middle."""
    ours, theirs = both
    names = [name for name in theirs.attn_processors if "attn2" in name]
    assert [f"{name}.attn2.processor" for name in ours.text_attentions] == names


def test_the_order_of_published_networks() -> None:
    with torch.device("meta"):
        names = list(UNet2DConditionModel().text_attentions.items())
    assert len(names) == 16
    assert names[5][0].startswith("down_blocks.2.")
    assert names[6] == ("up_blocks.1.attentions.0.transformer_blocks.0", 1280)
    assert names[15] == ("mid_block.attentions.0.transformer_blocks.0", 1280)


@torch.no_grad()
def test_scale_0_and_other_networks_layers_are_the_plain_run(both: Any) -> None:
    ours, _ = both
    given, width = question(ours), ours.config.cross_attention_dim
    plain = ours(**given).sample
    tokens = noise(2, 4, width).double()
    for off in (
        ImageTokens(tokens, layers(ours), 0.0),
        ImageTokens(tokens, layers(ours), 1.0, (("", 0.0),)),
    ):
        assert torch.equal(ours(**context(given, off)).sample, plain)


@torch.no_grad()
def test_keys_and_values_are_computed_once(both: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, _ = both
    given, asked = question(ours), list[str]()
    adapter, made = layers(ours), ImageLayers.keys_values

    def counted(self: ImageLayers, name: str, tokens: torch.Tensor) -> Any:
        asked.append(name)
        return made(self, name, tokens)

    monkeypatch.setattr(ImageLayers, "keys_values", counted)
    tokens = noise(2, 4, ours.config.cross_attention_dim).double()
    once = context(given, ImageTokens(tokens, adapter))
    deep = DeepFeature()
    found = ours(**once, deep=deep).sample
    assert torch.equal(ours(**once).sample, found)
    assert torch.equal(ours(**once, deep=deep).sample, found)
    assert asked.count(next(iter(ours.text_attentions))) == 1
    assert len(asked) == len(ours.text_attentions)


@torch.no_grad()
def test_rows_of_different_requests_keep_their_own(both: Any) -> None:
    ours, _ = both
    given, width = question(ours), ours.config.cross_attention_dim
    engine, asked = Engine(ours, None, None), list[int]()
    adapter, other = layers(ours), layers(ours, 50)
    seen = [
        ImageTokens(noise(1, 4, width, seed=i).double(), layers_, scale, blocks)
        for i, (layers_, scale, blocks) in enumerate(
            [
                (adapter, 1.0, ()),
                (adapter, 0.5, (("up_blocks", 0.0),)),
                (adapter, 0.0, ()),
                (other, 1.0, ()),
            ]
        )
    ]
    calls = [call(given, i % 2) for i in range(5)]
    calls = [
        each._replace(conditioning=with_images(each.conditioning, *([image] if image else [])))
        for each, image in zip(calls, [*seen, None], strict=True)
    ]
    alone = [engine.predict([each])[0] for each in calls]
    assert torch.equal(alone[2], engine.predict([call(given, 0)])[0])
    hook = ours.register_forward_pre_hook(lambda *a: asked.append(len(a[1][0])))
    together = engine.predict(calls)
    hook.remove()
    assert sorted(asked) == [1, 1, 3], "one adapter's rows go together, whatever their scales"
    for one, many in zip(alone, together, strict=True):
        assert_near(many, one, limit=1e-12)


def with_images(conditioning: Conditioning, *images: ImageTokens) -> Conditioning:
    return Conditioning(
        conditioning.tokens, conditioning.pooled, conditioning.sizes, image_tokens=images
    )


@torch.no_grad()
def test_one_row_of_tokens_stands_for_all_and_changes_in_place_count(tiny_v1: Path) -> None:
    ours = UNet2DConditionModel.from_pretrained(tiny_v1 / "unet")
    engine, adapter = Engine(ours, None, None), layers(ours)
    tokens = noise(1, 4, 32)
    image = ImageTokens(tokens, adapter)
    asked = UNetCall(
        noise(2, 4, 8, 8), torch.tensor(5), with_images(Conditioning(noise(2, 7, 32)), image)
    )
    (found,) = engine.predict([asked])
    wide = with_images(asked.conditioning, ImageTokens(tokens.expand(2, -1, -1), adapter))
    assert torch.equal(engine.predict([asked._replace(conditioning=wide)])[0], found)
    tokens += 1
    assert not torch.equal(engine.predict([asked])[0], found)


def test_a_conditioning_takes_its_pictures_along() -> None:
    adapter = ImageLayers({"mid_block": (noise(8, WIDTH), noise(8, WIDTH))})
    image = ImageTokens(noise(2, 4, WIDTH), adapter, 0.5)
    whole = Conditioning(noise(2, 7, 32), image_tokens=(image,))
    (first,) = whole[:1].image_tokens
    assert torch.equal(first.tokens, image.tokens[:1])
    assert (first.layers, first.scale) == (adapter, 0.5)
    assert whole.repeated(3).image_tokens[0].tokens.shape == (6, 4, WIDTH)
    assert whole.to(torch.device("meta")).image_tokens[0].tokens.is_meta


def test_tokens_of_another_width_are_refused() -> None:
    adapter = ImageLayers({"mid_block": (noise(8, WIDTH), noise(8, WIDTH))})
    for weights in ({}, {"mid_block": (noise(8, WIDTH), noise(8, 9))}):
        with pytest.raises(RequestError, match="must be for one"):
            ImageLayers(weights)
    with pytest.raises(RequestError, match=r"\(2, 4, 9\); this adapter takes \(batch, tokens, 24"):
        ImageTokens(noise(2, 4, 9), adapter)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@torch.no_grad()
def test_half_precision_and_the_float32_repeat(tiny_v1: Path, dtype: torch.dtype) -> None:
    exact = UNet2DConditionModel.from_pretrained(tiny_v1 / "unet")
    half = UNet2DConditionModel.from_pretrained(tiny_v1 / "unet", torch_dtype=dtype)
    image = ImageTokens(noise(1, 4, 32), layers(exact), 0.5)
    asked = UNetCall(
        noise(1, 4, 8, 8), torch.tensor(5), with_images(Conditioning(noise(1, 7, 32)), image)
    )
    expected = Engine(exact, None, None).predict([asked])[0]
    engine = Engine(half, None, None)
    assert_near(engine.predict([asked])[0], expected, limit=0.1)
    assert_near(engine.predict([asked._replace(upcast=True)])[0], expected, limit=0.04)


def test_gradients_reach_an_adapter(tiny_v1: Path) -> None:
    unet = UNet2DConditionModel.from_pretrained(tiny_v1 / "unet")
    adapter = layers(unet)
    for pair in adapter.weights.values():
        for weight in pair:
            weight.requires_grad_(True)
    found = []
    for checkpointing in (False, True):
        unet.train(checkpointing)
        (unet.enable_gradient_checkpointing if checkpointing else unet.eval)()
        text = TextContext(noise(1, 7, 32), images=[[ImageTokens(noise(1, 4, 32), adapter)]])
        unet(noise(1, 4, 8, 8), 5, text).sample.square().mean().backward()
        found.append([w.grad.clone() for pair in adapter.weights.values() for w in pair])  # pyright: ignore
        for pair in adapter.weights.values():
            for weight in pair:
                weight.grad = None
    assert all(float(g.abs().max()) > 0 for g in found[0])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other)
