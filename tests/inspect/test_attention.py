"""Attention maps: the reference's probabilities, what a word's map is, and no trace afterwards."""

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import UNet2DConditionModel as TheirUNet

from kakusan import (
    DDIMScheduler,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from kakusan.errors import RequestError
from kakusan.inspect import AttentionMaps, attention_maps, read_prompt
from kakusan.inspect.attention import _attentions, _recording

PROMPT = "a cat to the left of a house"


@pytest.fixture(scope="module")
def pipe(tiny_v1: Path) -> StableDiffusionPipeline:
    loaded = StableDiffusionPipeline.from_pretrained(tiny_v1)
    loaded.set_progress_bar_config(disable=True)
    loaded.scheduler = DDIMScheduler.from_config(loaded.scheduler.config)
    return loaded


@pytest.fixture(scope="module")
def maps(pipe: StableDiffusionPipeline) -> AttentionMaps:
    return attention_maps(pipe, PROMPT, seed=1, num_inference_steps=3)


class Noting:
    """A processor of the reference's attention that keeps its probabilities."""

    def __init__(self) -> None:
        self.kept: list[torch.Tensor] = []

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, **_more):
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        q, k, v = (
            attn.head_to_batch_dim(each)
            for each in (attn.to_q(hidden_states), attn.to_k(context), attn.to_v(context))
        )
        probabilities = attn.get_attention_scores(q, k)
        if encoder_hidden_states is not None:
            self.kept.append(probabilities.unflatten(0, (-1, attn.heads)).mean(1))
        return attn.to_out[0](attn.batch_to_head_dim(probabilities @ v))


@torch.no_grad()
def test_the_maps_are_the_reference_s_probabilities(tiny_v1: Path) -> None:
    ours = UNet2DConditionModel.from_pretrained(tiny_v1, subfolder="unet")
    theirs = TheirUNet.from_pretrained(tiny_v1, subfolder="unet")
    noting = Noting()
    theirs.set_attn_processor(noting)
    generator = torch.Generator().manual_seed(0)
    side, width = theirs.config.sample_size, theirs.config.cross_attention_dim
    x = torch.randn(2, 4, side, side, generator=generator)
    text = torch.randn(2, 77, width, generator=generator)
    theirs(x, 500, text)
    with _recording(ours, range(77)) as latest:
        ours(x, 500, text)
    recorded = {name: latest[name] for name in _attentions(ours)}
    assert len(recorded) == len(noting.kept) > 3
    for (name, found), true in zip(recorded.items(), noting.kept, strict=True):
        torch.testing.assert_close(found.float(), true[1].T, rtol=2e-3, atol=1e-4, msg=name)
        assert true[1].std(0).max() > 1e-3, f"{name} looks at everything alike"


def test_every_step_layer_and_token_has_a_map(
    pipe: StableDiffusionPipeline, maps: AttentionMaps
) -> None:
    tokens = len(pipe.tokenizer.tokenize(PROMPT))
    assert len(maps.layers) == len(maps.maps) == len(set(maps.layers))
    for each in maps.maps:
        assert each.shape[:2] == (3, tokens)
        assert each.shape[2] == each.shape[3]
        assert (each.float().sum(1) <= 1.001).all()
    plain = pipe(PROMPT, seed=1, num_inference_steps=3).images[0]
    assert np.array_equal(np.asarray(plain), np.asarray(maps.image))
    assert not any(each._forward_pre_hooks for each in _attentions(pipe.unet).values())


@pytest.mark.parametrize(
    ("prompt", "options"),
    [
        (["a cat", "a dog"], {}),
        ("a cat", {"num_images_per_prompt": 2}),
        ("a cat", {"reuse_interval": 2}),
        ("a cat", {"quality_budget": 30.0}),
    ],
)
def test_what_has_no_map_of_its_own_is_refused(
    pipe: StableDiffusionPipeline, prompt: object, options: dict[str, object]
) -> None:
    with pytest.raises(RequestError):
        attention_maps(pipe, prompt, num_inference_steps=4, **options)


def test_a_word_is_not_looked_up_inside_another(pipe: StableDiffusionPipeline) -> None:
    found = attention_maps(pipe, "a caterpillar and a cat", num_inference_steps=1)
    prompt, used = found.reading.prompt, found.reading.used
    assert {prompt[used[i].start : used[i].end].strip() for i in found._tokens("cat")} == {"cat"}
    assert found._tokens("cat") == [len(used) - 1]
    assert found._tokens("caterpill")[0] == 1


def test_a_word_is_found_by_what_stands_in_the_prompt(maps: AttentionMaps) -> None:
    cat, house = maps.heat("cat"), maps.heat("HOUSE")
    assert cat.shape == (maps.image.height, maps.image.width)
    assert (cat.min(), cat.max()) == (0, 1)
    assert not np.allclose(cat, house)
    assert not np.allclose(maps.heat("cat", step=0), maps.heat("cat", step=2))
    assert not np.allclose(maps.heat("cat", layer=0), maps.heat("cat", layer=1))
    assert not np.allclose(maps.heat("a cat"), cat)
    assert "house" in "".join(maps.words)


@pytest.mark.parametrize(
    ("words", "options", "said"),
    [
        ("dog", {}, "'dog' is not in what was read of the prompt"),
        ("", {}, "is not in what was read"),
        ("cat", {"layer": 99}, "layer must be from 0 to"),
        ("cat", {"step": 3}, "step must be from 0 to 2, not 3"),
    ],
)
def test_what_is_not_there_is_said(
    maps: AttentionMaps, words: str, options: dict[str, int], said: str
) -> None:
    with pytest.raises(RequestError, match=said):
        maps.heat(words, **options)


def test_a_prompt_without_words_is_refused(pipe: StableDiffusionPipeline) -> None:
    with pytest.raises(RequestError, match="must have a word"):
        attention_maps(pipe, "  ")


def test_wide_pictures_keep_their_shape(pipe: StableDiffusionPipeline) -> None:
    size = pipe.unet.config.sample_size * pipe.vae.scale_factor
    odd = attention_maps(pipe, PROMPT, width=size + 8, height=size, num_inference_steps=1)
    assert odd.maps[0].shape[3] == odd.maps[0].shape[2] + 8 // pipe.vae.scale_factor
    wide = attention_maps(pipe, PROMPT, width=2 * size, height=size, num_inference_steps=1)
    assert all(each.shape[3] == 2 * each.shape[2] for each in wide.maps)
    assert wide.heat("cat").shape == (size, 2 * size)


def test_the_views_are_pictures(maps: AttentionMaps) -> None:
    assert maps._repr_png_().startswith(b"\x89PNG")
    assert maps.over("cat").size == maps.image.size
    assert maps.by_layer("cat").width > maps.by_step("cat").width


def test_a_prompt_is_read_with_what_is_cut_off(pipe: StableDiffusionPipeline) -> None:
    long = "cat " * 80 + "end"
    reading = read_prompt(pipe.tokenizer, long)
    ids = pipe.tokenizer.encode(long, add_special_tokens=False)
    assert [token.id for token in (*reading.used, *reading.cut)] == ids
    assert len(reading.used) == reading.room == pipe.tokenizer.model_max_length - 2
    assert reading.padding == 0
    assert all(token.text == long[token.start : token.end].strip() for token in reading.used)
    assert "cut off" in str(reading)
    assert "cut off" not in str(read_prompt(pipe.tokenizer, "cat"))
