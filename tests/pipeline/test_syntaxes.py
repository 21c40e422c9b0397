"""Prompts whose grammar is read: what is drawn, beside what is made by hand of plain ones."""

import itertools
import json
import logging
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import kakusan
from kakusan import Request
from kakusan.errors import CheckpointError, InputError, NotYetError, RequestError
from kakusan.pipeline import draw_together
from kakusan.schedulers import named_scheduler
from kakusan.text import PromptCutWarning

NOISE = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(5))


def loaded(folder: Path | str, scheduler: str | None = None) -> Any:
    kind = kakusan.AutoPipelineForText2Image
    pipe: Any = kind.from_pretrained(folder)
    pipe.set_progress_bar_config(disable=True)
    if scheduler is not None:
        pipe.scheduler = named_scheduler(scheduler, pipe.scheduler)
    return pipe


@pytest.fixture(scope="module")
def pipe(tiny_v1: Path) -> Any:
    return loaded(tiny_v1, "euler")


@pytest.fixture(scope="module")
def xl(tiny_xl: Path) -> Any:
    return loaded(tiny_xl)


def latents(pipe: Any, prompt: Any, *, syntax: str | None = "webui", **settings: Any) -> Any:
    """What a call comes to, before it becomes a picture."""
    made = {"num_inference_steps": 4, "output_type": "latent", "latents": NOISE}
    return pipe(prompt, prompt_syntax=syntax, **made | settings).images


def close(found: Any, wanted: Any, tolerance: float = 5e-4) -> None:
    torch.testing.assert_close(found, wanted, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("syntax", ["plain", "webui", "comfy", "compel"])
@pytest.mark.parametrize("family", ["tiny_v1", "tiny_v2", "tiny_xl", "builtin"])
def test_plain_words_are_the_same_in_every_syntax(
    family: str, syntax: str, request: pytest.FixtureRequest
) -> None:
    pipe = loaded(family if family == "builtin" else request.getfixturevalue(family))
    settings: dict[str, Any] = {"num_inference_steps": 2, "seed": 3, "negative_prompt": "blur"}
    (plain,) = pipe.pictures("a red cat", **settings)
    (read,) = pipe.pictures("a red cat", prompt_syntax=syntax, **settings)
    assert np.array_equal(np.asarray(plain.image), np.asarray(read.image))
    assert "prompt_syntax" not in plain.record
    own = {"emphasis": "No norm"} if (family, syntax) == ("builtin", "webui") else {}
    assert read.record == plain.record | {"prompt_syntax": syntax} | own


def test_the_refiner_reads_it_too(tiny_refiner: Path) -> None:
    pipe: Any = kakusan.StableDiffusionXLImg2ImgPipeline.from_pretrained(tiny_refiner)
    pipe.set_progress_bar_config(disable=True)
    image = NOISE
    common = {"image": image, "strength": 0.6, "num_inference_steps": 5, "seed": 1}
    common |= {"output_type": "latent"}
    plain = pipe("a red cat", **common).images
    assert torch.equal(pipe("a red cat", prompt_syntax="webui", **common).images, plain)
    weighed = pipe("a (red:1.5) cat", prompt_syntax="webui", **common).images
    assert not torch.equal(weighed, plain)
    # three calls, counted from 0: it changes before the last one
    changed = pipe("a [red:blue:1] cat", prompt_syntax="webui", **common).images
    assert not torch.equal(changed, plain)
    assert torch.equal(pipe("a [red:blue:2] cat", prompt_syntax="webui", **common).images, plain)


def swapped(pipe: Any, calls: dict[int, str]) -> Any:
    """A callback that puts other words in before calls of the denoiser."""

    def callback(_pipe: Any, index: int, _timestep: Any, tensors: Any) -> Any:
        if index + 1 in calls:
            tensors["prompt_embeds"][-1:] = pipe.encode_texts([calls[index + 1]])
        return tensors

    inputs = ["latents", "prompt_embeds"]
    return {"callback_on_step_end": callback, "callback_on_step_end_tensor_inputs": inputs}


CHANGES = [
    # a schedule, the sampler, its steps, and from which call on it is which text
    ("a [red:blue:0.5] cat", "euler", 4, {0: "a red cat", 3: "a blue cat"}),
    ("a [red:blue:1] cat", "dpmpp-2m", 4, {0: "a red cat", 2: "a blue cat"}),
    ("a [red::2] cat", "euler-a", 4, {0: "a red cat", 3: "a  cat"}),
    ("a [red|blue] cat", "ddim", 4, {0: "a red cat", 2: "a blue cat", 3: "a red cat"}),
    # both calls of a step count: 0.5 of 6, and 2
    ("a [red:blue:0.5] cat", "heun", 3, {0: "a red cat", 4: "a blue cat"}),
    ("a [red:blue:2] cat", "dpm2", 3, {0: "a red cat", 3: "a blue cat"}),
    ("a [red:blue:0.5] cat", "dpmpp-2s-a", 3, {0: "a red cat", 4: "a blue cat"}),
    # it begins with a call more than it has steps
    ("a [red:blue:0.5] cat", "pndm", 4, {0: "a red cat", 3: "a blue cat"}),
]


@pytest.mark.parametrize(("prompt", "scheduler", "steps", "texts"), CHANGES)
def test_a_schedule_is_a_callback_that_swaps_the_words(
    pipe: Any, prompt: str, scheduler: str, steps: int, texts: dict[int, str]
) -> None:
    own = pipe.scheduler
    pipe.scheduler = named_scheduler(scheduler, own)
    try:
        common = {"num_inference_steps": steps, "generator": torch.Generator().manual_seed(1)}
        found = latents(pipe, prompt, **common)
        common["generator"] = torch.Generator().manual_seed(1)
        swaps = swapped(pipe, {call: text for call, text in texts.items() if call})
        wanted = latents(pipe, texts[0], syntax=None, **common, **swaps)
    finally:
        pipe.scheduler = own
    assert torch.equal(found, wanted)


def test_a_negative_prompt_changes_too_and_is_not_split(pipe: Any) -> None:
    def callback(_pipe: Any, index: int, _timestep: Any, tensors: Any) -> Any:
        if index == 1:
            tensors["negative_prompt_embeds"] = pipe.encode_texts(["a cat AND a dog"])
        return tensors

    found = latents(pipe, "tea", negative_prompt="[red:a cat AND a dog:1]")
    inputs = ["latents", "negative_prompt_embeds"]
    wanted = latents(
        pipe,
        "tea",
        syntax=None,
        negative_prompt="red",
        callback_on_step_end=callback,
        callback_on_step_end_tensor_inputs=inputs,
    )
    assert torch.equal(found, wanted)


def by_hand(pipe: Any, scale: float, texts: dict[str, float], negative: str = "") -> Any:
    """Euler's steps of a prompt whose texts are joined by AND."""
    scheduler = named_scheduler("euler", pipe.scheduler)
    scheduler.set_timesteps(4)
    x, opposite = NOISE * scheduler.init_noise_sigma, pipe.encode_texts([negative])
    with torch.no_grad():
        for timestep in scheduler.timesteps:
            shown = scheduler.scale_model_input(x, timestep)

            def noise(embeds: torch.Tensor, shown: Any = shown, at: Any = timestep) -> Any:
                return pipe.unet(shown, at, encoder_hidden_states=embeds)[0]

            unconditional = noise(opposite)
            guided = unconditional
            for text, weight in texts.items():
                towards = noise(pipe.encode_texts([text])) - unconditional
                guided = guided + weight * scale * towards
            x = scheduler.step(guided, timestep, x).prev_sample
    return x


def test_and_adds_what_each_text_says(pipe: Any) -> None:
    found = latents(pipe, "a cat :1.2 AND red:-0.3 AND tea", guidance_scale=5.0)
    close(found, by_hand(pipe, 5.0, {"a cat": 1.2, "red": -0.3, "tea": 1.0}))
    found = latents(pipe, "a cat :0.5", guidance_scale=5.0, negative_prompt="dog")
    close(found, by_hand(pipe, 5.0, {"a cat": 0.5}, "dog"))
    # without guidance the negative prompt is still what texts are told from
    found = latents(pipe, "a cat :0.5 AND tea", guidance_scale=1.0)
    close(found, by_hand(pipe, 1.0, {"a cat": 0.5, "tea": 1.0}))


HALVES = [
    {},
    {"guidance_rescale": 0.7},
    {"reuse_interval": 2},
    {"reuse_interval": 3, "guidance_scale": 1.0},
    {"clip_skip": 1, "negative_prompt": ""},
]


@pytest.mark.parametrize("settings", HALVES)
def test_two_halves_of_a_text_are_the_text(pipe: Any, settings: Any) -> None:
    common = {"num_inference_steps": 6} | settings
    found = latents(pipe, "a cat :0.5 AND a cat :0.5", **common)
    close(found, latents(pipe, "a cat", **common))


@pytest.mark.parametrize("scheduler", ["euler-cfgpp", "dpmpp-2m-cfgpp", "heun"])
def test_two_halves_are_the_text_for_every_sampler(pipe: Any, scheduler: str) -> None:
    own = pipe.scheduler
    pipe.scheduler = named_scheduler(scheduler, own)
    try:
        found = latents(pipe, "a cat :0.5 AND a cat :0.5")
        close(found, latents(pipe, "a cat"))
    finally:
        pipe.scheduler = own


def test_two_halves_are_the_text_where_the_network_guides_itself(tiny_lcm: Path) -> None:
    pipe = loaded(tiny_lcm)
    common = {"num_inference_steps": 2, "guidance_scale": 4.0, "latents": NOISE}
    common |= {"output_type": "latent"}
    halves: Any = []
    for prompt in ("a cat", "a cat :0.5 AND a cat :0.5"):
        generator = torch.Generator().manual_seed(2)
        made = pipe(prompt, prompt_syntax="webui", generator=generator, **common)
        halves.append(made.images)
    close(halves[1], halves[0])


def test_a_shorter_text_of_an_and_repeats_its_last_vector(pipe: Any) -> None:
    prompt = f"a cat AND {'dog ' * 80}"
    (step, *_) = pipe.stream(prompt, prompt_syntax="webui", seed=1, num_inference_steps=1)
    own = pipe.encode_texts(["a cat"])
    assert torch.equal(step.prompt.text.tokens[:, :77], own)
    assert torch.equal(step.prompt.text.tokens[:, 77:], own[:, -1:].expand(1, 77, -1))
    ((weight, beside),) = step.prompt.beside
    assert (weight, beside.tokens.shape[1]) == (1.0, 154)
    assert step.prompt.negative.tokens.shape[1] == 77


LONG = "a red cat, " * 20
PROMPTS = ["a (red:1.4) cat", "[cat|dog] of tea", "a cat AND tea :0.5", LONG, "a cat BREAK a dog"]


def pixels(pictures: Any) -> list[Any]:
    return [np.asarray(each.image) for each in pictures]


@pytest.mark.parametrize("family", ["tiny_v1", "tiny_xl"])
def test_a_picture_of_many_is_as_it_is_alone(family: str, request: Any) -> None:
    pipe = loaded(request.getfixturevalue(family))
    common: dict[str, Any] = {"num_inference_steps": 3, "seed": 7, "prompt_syntax": "webui"}
    together = list(pipe.pictures(PROMPTS, **common))
    alone = [
        next(pipe.pictures(prompt, **common | {"seed": 7 + index}))
        for index, prompt in enumerate(PROMPTS)
    ]
    for one, other in zip(pixels(together), pixels(alone), strict=True):
        assert np.array_equal(one, other)
    for first, second in itertools.combinations(pixels(alone), 2):
        assert not np.array_equal(first, second)
    for one, other in zip(together, alone, strict=True):
        assert one.record == other.record
        assert one.record["prompt_syntax"] == "webui"
        (again,) = pipe.pictures(Request.from_record(one.record))
        assert np.array_equal(np.asarray(again.image), np.asarray(one.image))


def test_requests_that_share_calls_are_as_each_alone(pipe: Any) -> None:
    common: dict[str, Any] = {"num_inference_steps": 3, "seed": 7}
    requests = [Request.of(each, prompt_syntax="webui", **common) for each in PROMPTS]
    requests.append(Request.of("a (red) cat", **common))
    alone = [next(pipe.pictures(each)) for each in requests]
    for index, picture in draw_together(pipe, requests):
        wanted, found = np.asarray(alone[index].image, float), np.asarray(picture.image, float)
        assert abs(wanted - found).max() <= 1


def test_pictures_of_one_generator_have_their_own_prompts(pipe: Any) -> None:
    prompts = ["a cat", "a [red:blue:1] dog", LONG]
    noise = torch.randn(3, 4, 8, 8, generator=torch.Generator().manual_seed(2))
    found = latents(pipe, prompts, latents=noise)
    close(found[2:], latents(pipe, LONG, latents=noise[2:]))
    same = latents(pipe, prompts[:2], latents=noise[:2])
    close(same[1:], latents(pipe, prompts[1], latents=noise[1:2]))
    with pytest.raises(RequestError, match="drawn one by one"):
        latents(pipe, ["a cat", "a cat AND a dog"], latents=noise[:2])


def test_nothing_is_cut_off(pipe: Any) -> None:
    ends = [latents(pipe, f"{'red ' * 100}{word}") for word in ("cat", "dog")]
    assert not torch.equal(*ends)
    with pytest.warns(PromptCutWarning):
        latents(pipe, f"{'red ' * 100}cat", syntax=None)


def test_clip_skip_counts_for_negative_prompts_too(pipe: Any) -> None:
    own = pipe.encode_texts(["blur"], clip_skip=1)
    wanted = latents(pipe, "a cat", syntax=None, clip_skip=1, negative_prompt_embeds=own)
    assert torch.equal(latents(pipe, "a cat", clip_skip=1, negative_prompt="blur"), wanted)


def test_each_text_of_sdxl_is_parsed_on_its_own(xl: Any) -> None:
    common: dict[str, Any] = {"seed": 1, "num_inference_steps": 2, "prompt_syntax": "webui"}

    def drawn(*texts: str, **settings: Any) -> Any:
        made = common | settings
        second = {} if len(texts) == 1 else {"prompt_2": texts[1]}
        (picture,) = xl.pictures(texts[0], **made, **second)
        return np.asarray(picture.image)

    one = drawn("a (red:1.5) cat")
    assert np.array_equal(one, drawn("a (red:1.5) cat", "a (red:1.5) cat"))
    assert not np.array_equal(one, drawn("a (red:1.5) cat", "a red cat"))
    assert not np.array_equal(one, drawn("a red cat", "a (red:1.5) cat"))
    drawn("a cat", LONG)
    drawn("a cat AND a dog", "tea")
    with pytest.raises(RequestError, match="joined by AND in different ways"):
        drawn("a cat AND a dog", "a cat AND a dog :0.5")


def test_embeddings_stand_beside_texts_of_other_lengths(pipe: Any) -> None:
    embeds = pipe.encode_texts(["a cat"])
    found = latents(pipe, None, prompt_embeds=embeds, negative_prompt=LONG)
    close(found, latents(pipe, "a cat", negative_prompt=LONG))


def test_a_callback_cannot_see_two_lengths_as_one(pipe: Any) -> None:
    with pytest.raises(RequestError, match="have 154 tokens and those of the negative prompt 77"):
        latents(pipe, LONG, **swapped(pipe, {1: "a dog"}))


def test_what_a_callback_puts_in_stays_until_the_next_text(pipe: Any) -> None:
    swaps = swapped(pipe, {1: "a dog", 3: "tea"})
    found = latents(pipe, "a [red:blue:1] cat", **swaps)
    plain = swapped(pipe, {1: "a dog", 2: "a blue cat", 3: "tea"})
    assert torch.equal(found, latents(pipe, "a red cat", syntax=None, **plain))


def test_a_part_of_the_way_goes_on_counting(xl: Any) -> None:
    common: dict[str, Any] = {"num_inference_steps": 4, "output_type": "latent", "seed": 2}
    first = xl("a [red:blue:3] cat", prompt_syntax="webui", denoising_end=0.5, **common).images
    assert torch.equal(first, xl("a red cat", denoising_end=0.5, **common).images)


BAD = {
    "weight of a side": (f"a cat :{'9' * 400} AND tea", "weights and brackets in prompt make inf"),
    "number": ("a (cat:1.2.3)", "which is no number"),
    "sides": ("cat AND " * 40, "joins 41 texts; at most 32"),
    "megabyte": ("cat " * 250_000, "at most 100000 are taken"),
}


@pytest.mark.parametrize(("prompt", "said"), BAD.values(), ids=BAD)
def test_what_cannot_be_drawn_is_one_line(pipe: Any, prompt: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        latents(pipe, prompt)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_what_a_tag_names_is_not_ignored_in_silence(pipe: Any) -> None:
    with pytest.raises(InputError, match="there is no adapter 'thing'") as caught:
        latents(pipe, "a cat <lora:thing:0.8>")
    assert "load_lora_weights(FILE, adapter_name='thing')" in str(caught.value)
    assert "lora_dirs" not in str(caught.value)
    with pytest.raises(NotYetError, match=r"<hypernet:thing> names a hypernetwork"):
        latents(pipe, "a cat <hypernet:thing:0.8>")


@pytest.mark.parametrize("prompt", ["((a cat", "a cat)]", "[a:b", "[[]", ":", "\\", "(", "a\\"])
def test_unbalanced_brackets_draw(pipe: Any, prompt: str) -> None:
    latents(pipe, prompt, num_inference_steps=1)


DEEP = {
    "open": "(" * 100 + "cat",
    "square": "[" * 2000 + "cat",
    "nested": "(" * 100_000 + "cat" + ")" * 100_000,
    "beside others": "a red " + "(" * 100_000 + "cat" + ")" * 100_000 + " and [tea]",
    "number": "a (cat:1000000000)",
    "endless number": f"a (cat:{'9' * 400}) in (snow:-{'9' * 400})",
    "side": "a cat :5000 AND tea",
}


@pytest.mark.parametrize("prompt", DEEP.values(), ids=DEEP)
def test_any_weight_draws(pipe: Any, prompt: str) -> None:
    assert latents(pipe, prompt[:99_999], num_inference_steps=1).isfinite().all()


def test_what_weighs_without_end_leaves_nothing_beside_it(pipe: Any) -> None:
    found = latents(pipe, "a red " + "(" * 20_000 + "cat", num_inference_steps=1)
    close(found, latents(pipe, f"a red (cat:1{'0' * 25})", num_inference_steps=1), 0.02)


@pytest.mark.parametrize("syntax", ["comfy", "compel"])
@pytest.mark.parametrize(
    "prompt", ["(" * 100 + "cat", "[" * 2000 + "cat", "(" * 90 + "cat" + ")" * 90]
)
def test_brackets_draw_in_other_syntaxes(pipe: Any, syntax: str, prompt: str) -> None:
    assert latents(pipe, prompt, syntax=syntax, num_inference_steps=1).isfinite().all()


def test_a_weight_without_end_is_one_line_where_nothing_restores_a_mean(pipe: Any) -> None:
    nested = "(" * 20_000 + "cat" + ")" * 20_000
    for how in ({"syntax": "comfy"}, {"emphasis": "No norm"}):
        with pytest.raises(RequestError, match="weights and brackets in prompt make inf") as caught:
            latents(pipe, nested, **how)
        assert "\n" not in str(caught.value)


def test_a_model_says_what_weights_do_where_nothing_else_does(
    tiny_v1: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_v1, folder)
    words = "a (red:1.4) cat"
    for told, mode in (({}, "Original"), ({"emphasis": "No norm"}, "No norm")):
        (folder / "kakusan.json").write_text(json.dumps(told))
        pipe = loaded(folder, "euler")
        assert torch.equal(latents(pipe, words), latents(pipe, words, emphasis=mode))
        embeds, _ = pipe.encode_prompt(words, "cpu", 1, False, prompt_syntax="webui")
        said, _ = pipe.encode_prompt(words, "cpu", 1, False, prompt_syntax="webui", emphasis=mode)
        assert torch.equal(embeds, said)
    assert not torch.equal(latents(pipe, words), latents(pipe, words, emphasis="Original"))
    (folder / "kakusan.json").write_text('{"emphasis": "louder"}')
    with pytest.raises(CheckpointError, match="emphasis"):
        loaded(folder, "euler")


def test_weights_leave_the_built_in_model_s_pictures_whole() -> None:
    """The mean of its text encoder's states is chance: to restore it would scale them at random."""
    pipe = kakusan.StableDiffusionPipeline.from_pretrained("builtin")
    pipe.set_progress_bar_config(disable=True)

    def drawn(prompt: str, **asked: Any) -> Any:
        (made,) = pipe.pictures([prompt], seed=7, prompt_syntax="webui", **asked)
        assert made.record["emphasis"] == asked.get("emphasis", "No norm")
        return np.asarray(made.image, dtype=float)

    plain = drawn("an apple on the beach, photo")
    for weight in (0.8, 1.2, 1.4):
        text = f"an apple on the (beach:{weight}), photo"
        near = np.abs(drawn(text) - plain).mean()
        assert near < 20
        assert near < np.abs(drawn(text, emphasis="Original") - plain).mean()


def test_emphasis_belongs_to_webui(pipe: Any) -> None:
    words = "a (red:1.5) cat"
    modes = [latents(pipe, words, emphasis=mode) for mode in ("Original", "no norm", "Ignore")]
    assert torch.equal(modes[0], latents(pipe, words))
    assert torch.equal(modes[2], latents(pipe, "a red cat"))
    for one, other in itertools.combinations(modes, 2):
        assert not torch.equal(one, other)
    assert torch.equal(latents(pipe, words, emphasis="None"), latents(pipe, words, syntax=None))
    with pytest.raises(RequestError, match="emphasis says what weights do where prompt_syntax is"):
        latents(pipe, words, syntax="comfy", emphasis="Ignore")
    with pytest.raises(RequestError, match=r"must be one of plain, webui, compel, comfy, not 'a1"):
        latents(pipe, words, syntax="a1111")


def test_only_what_is_not_read_is_told(pipe: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="kakusan"):
        latents(pipe, "a (cat:1.3) [red|blue] BREAK tea", num_inference_steps=1)
        assert not caplog.messages
        latents(pipe, "a (cat:1.3) --tiles", num_inference_steps=1)
        assert caplog.messages == ['"--tiles": read as plain words']
        caplog.clear()
        latents(pipe, "a (cat:1.3)", num_inference_steps=1, syntax=None)
        assert caplog.messages[0].startswith('"(cat:1.3)": read as plain words; prompt_syntax=')
        caplog.clear()
        latents(pipe, "a (cat:1.3)", num_inference_steps=1, syntax="plain")
        assert caplog.messages == ['"(cat:1.3)": read as plain words']


def test_the_built_in_model_is_asked_about_the_words_that_are_left(
    caplog: pytest.LogCaptureFixture,
) -> None:
    pipe = loaded("builtin")
    long = "a cat on a red background, " * 8
    with caplog.at_level(logging.WARNING, logger="kakusan"):
        pipe(f"a (zork:1.3) cat, {long} blib", prompt_syntax="webui", num_inference_steps=1, seed=1)
    (line,) = caplog.messages
    assert '"zork", "blib"' in line


def test_the_short_call_and_its_record() -> None:
    words = "a (red:1.4) [cat|dog] AND tea :0.3"
    made = {"seed": 3, "steps": 3, "progress": False}
    (picture,) = kakusan.generate(words, prompt_syntax="webui", emphasis="No norm", **made)
    assert picture.record["prompt_syntax"] == "webui"
    assert picture.record["emphasis"] == "No norm"
    again = kakusan.reproduce(picture.record, progress=False)
    assert np.array_equal(np.asarray(again.image), np.asarray(picture.image))
    (plain,) = kakusan.generate(words, **made)
    assert not np.array_equal(np.asarray(plain.image), np.asarray(picture.image))
    with pytest.raises(InputError, match="which is no number"):
        kakusan.generate("a (cat:1.2.3)", prompt_syntax="webui", model="no/such", **made)


@pytest.mark.parametrize(
    "text", ["cat " * 2000, "cat BREAK " * 200, "[a:b:1] " + "red tea, " * 900]
)
def test_texts_have_any_length(pipe: Any, text: str) -> None:
    one = latents(pipe, text)
    assert torch.isfinite(one).all()
    assert not torch.equal(one, latents(pipe, f"{text} dog"))
