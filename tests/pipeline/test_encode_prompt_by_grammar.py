"""`pipe.encode_prompt(..., prompt_syntax=...)`: embeddings that draw what the call draws."""

from pathlib import Path
from typing import Any

import pytest
import torch

import kakusan
from kakusan.errors import InputError, RequestError

LONG = "a (red:1.3) cat, " * 30
SETTINGS: dict[str, Any] = {"seed": 1, "num_inference_steps": 2, "output_type": "latent"}
XL = ("prompt_embeds", "negative_prompt_embeds")
POOLED = ("pooled_prompt_embeds", "negative_pooled_prompt_embeds")


@pytest.fixture(scope="module", params=["tiny_v1", "tiny_v2", "tiny_xl"])
def pipe(request: pytest.FixtureRequest) -> Any:
    kind = kakusan.AutoPipelineForText2Image
    pipe: Any = kind.from_pretrained(request.getfixturevalue(request.param))
    pipe.set_progress_bar_config(disable=True)
    return pipe


def encoded(pipe: Any, prompt: Any, **settings: Any) -> dict[str, Any]:
    """As a call takes them."""
    found = pipe.encode_prompt(prompt, **settings)
    return dict(zip((*XL, *POOLED), found, strict=False))


@pytest.mark.parametrize("syntax", ["webui", "comfy", "compel"])
@pytest.mark.parametrize(
    ("prompt", "negative"),
    [
        ("a (red:1.4) cat++, tea", "(fog:0.7)"),
        (LONG, "fog"),
        ("a cat", f"{LONG} BREAK fog"),
        (["a (red:1.4) cat", LONG, ""], ["fog", "", "(rain:0.5)"]),
        ("", None),
    ],
)
def test_embeddings_draw_what_the_call_draws(
    pipe: Any, prompt: Any, negative: Any, syntax: str
) -> None:
    settings: dict[str, Any] = {"prompt_syntax": syntax, "negative_prompt": negative}
    embeds = encoded(pipe, prompt, clip_skip=1, num_images_per_prompt=2, **settings)
    assert len({each.shape for name, each in embeds.items() if name in XL}) == 1
    drawn = pipe(**{name: each[::2] for name, each in embeds.items()}, **SETTINGS).images
    prompts = [prompt] if isinstance(prompt, str) else prompt
    assert len(drawn) == len(prompts)
    padding = {} if isinstance(prompt, list) or syntax != "webui" else {"pad_conds": True}
    called = pipe(prompt, clip_skip=1, **padding, **settings, **SETTINGS).images
    lengths = {embeds[name].shape[1] for name in XL}
    if padding or lengths == {77}:
        torch.testing.assert_close(drawn, called, atol=1e-4, rtol=1e-4)


def test_each_of_a_list_is_as_alone(pipe: Any) -> None:
    common = {"prompt_syntax": "webui", "negative_prompt": "fog"}
    both = encoded(pipe, ["a (red:1.4) cat", LONG], **common)
    one = encoded(pipe, "a (red:1.4) cat", **common)
    assert torch.equal(both["prompt_embeds"][:1, :77], one["prompt_embeds"])
    if "pooled_prompt_embeds" in both:
        assert torch.equal(both["pooled_prompt_embeds"][:1], one["pooled_prompt_embeds"])


def test_without_guidance_there_is_no_negative(pipe: Any) -> None:
    found = pipe.encode_prompt(
        LONG, do_classifier_free_guidance=False, prompt_syntax="webui", emphasis="No norm"
    )
    assert found[0].shape[1] > 77
    assert found[1] is None


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("a [cat:dog:0.5]", "changes from step to step"),
        ("[a|b]", "changes from step to step"),
        ("a AND b", "joins texts by AND"),
        ("a cat :1.2", "joins texts by AND or weighs the whole"),
        ("a <lora:x:1>", "load_lora_weights"),
        ("a {cat|dog}", "has choices"),
        ("a __cat__", "has choices"),
        ("a (cat:1.2.3)", "which is no number"),
    ],
)
def test_what_cannot_be_embeddings_is_one_line(pipe: Any, prompt: str, said: str) -> None:
    with pytest.raises(RequestError, match=said):
        pipe.encode_prompt(prompt, prompt_syntax="webui")
    pipe.encode_prompt(prompt)  # as it stands


def test_embeddings_that_were_given_stand_beside_a_text(pipe: Any) -> None:
    given = encoded(pipe, LONG, negative_prompt="fog", prompt_syntax="webui")
    embeds = {name: each for name, each in given.items() if not name.startswith("negative")}
    found = encoded(pipe, None, negative_prompt="(fog:1.2)", prompt_syntax="webui", **embeds)
    assert torch.equal(found["prompt_embeds"], given["prompt_embeds"])
    with pytest.raises(InputError, match="prompt_syntax must be one of"):
        pipe.encode_prompt("a", prompt_syntax="a1111")


def test_a_learnt_word_is_read(tiny_v1: Path) -> None:
    pipe: Any = kakusan.StableDiffusionPipeline.from_pretrained(tiny_v1)
    pipe.set_progress_bar_config(disable=True)
    width = pipe.text_encoder.config.hidden_size
    pipe.load_textual_inversion(torch.ones(2, width), token="<toy>")
    settings = {"prompt_syntax": "webui"}
    drawn = pipe(**encoded(pipe, "a (<toy>:1.2)", **settings), **SETTINGS).images
    assert torch.equal(drawn, pipe("a (<toy>:1.2)", **settings, **SETTINGS).images)
    assert not torch.equal(drawn, pipe("a (toy:1.2)", **settings, **SETTINGS).images)
