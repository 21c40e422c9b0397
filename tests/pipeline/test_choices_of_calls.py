"""Choices in the prompts of calls: made by the seed, as on the command line, and recorded."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import kakusan
from kakusan.cli.prompt_options import chosen
from kakusan.errors import ArgumentError, RequestError
from kakusan.prompts import resolve

PROMPT = "a {red|blue|green} __animal__"
QUICK: dict[str, Any] = {"prompt_syntax": "webui", "progress": False, "steps": 1}


@pytest.fixture
def words(tmp_path: Path) -> Path:
    (tmp_path / "animal.txt").write_text("cat\ndog\nhorse\n{big|small} bird\n")
    return tmp_path


@pytest.fixture(scope="module")
def pipe() -> Any:
    pipe: Any = kakusan.StableDiffusionPipeline.from_pretrained("builtin")
    pipe.set_progress_bar_config(disable=True)
    return pipe


def texts(records: Any) -> list[str]:
    return [each["prompt"] for each in records]


def test_the_short_call_chooses_as_the_command_line_does(words: Path) -> None:
    settings = {"prompt": PROMPT, "negative_prompt": "{fog|rain}", "seed": 7}
    asked = chosen(settings, 3, str(words), whole_negative=False)
    drawn = kakusan.generate(
        PROMPT, negative_prompt="{fog|rain}", seed=7, count=3, wildcards=words, **QUICK
    )
    records = [picture.record for picture in drawn]
    assert texts(records) == list(asked.prompt)
    assert [each["negative_prompt"] for each in records] == list(asked.negative_prompt)
    assert [each["seed"] for each in records] == [7, 8, 9]
    for record in records:
        assert (record["template"], record["negative_template"]) == (PROMPT, "{fog|rain}")
    again = kakusan.reproduce(records[1], progress=False)
    assert np.array_equal(np.asarray(again.image), np.asarray(drawn[1].image))


def test_each_way_of_calling_chooses_the_same(pipe: Any, words: Path) -> None:
    settings: dict[str, Any] = {"prompt_syntax": "webui", "num_inference_steps": 1}
    common = {**settings, "wildcards": [words], "num_images_per_prompt": 2}
    wanted = [resolve(PROMPT, seed, [words]) for seed in (4, 5)]
    assert texts(pipe(PROMPT, seed=4, **common).records) == wanted
    assert texts(p.record for p in pipe.pictures(PROMPT, seed=4, **common)) == wanted
    one = torch.Generator().manual_seed(4)
    assert texts(pipe(PROMPT, generator=one, **common).records) == wanted
    several = [torch.Generator().manual_seed(seed) for seed in (5, 4)]
    assert texts(pipe(PROMPT, generator=several, **common).records) == wanted[::-1]
    (record,) = pipe("a {cat|dog}", **settings).records  # noise that no seed draws
    assert record["prompt"] in ("a cat", "a dog")
    assert record["template"] == "a {cat|dog}"


def test_each_prompt_of_a_list_has_its_own_template(pipe: Any) -> None:
    drawn = pipe(
        ["a {cat|dog}", "tea", "{x|y}"],
        negative_prompt=["", "{fog|rain}", "red"],
        prompt_syntax="webui",
        seed=1,
        num_images_per_prompt=2,
        num_inference_steps=1,
    )
    found = [(r.get("template"), r.get("negative_template")) for r in drawn.records]
    rows = [("a {cat|dog}", None), (None, "{fog|rain}"), ("{x|y}", None)]
    assert found == [row for row in rows for _ in range(2)]
    chosen_third = [resolve("{x|y}", seed) for seed in (5, 6)]
    assert texts(drawn.records)[4:] == chosen_third


def test_embeddings_stand_beside_choices(pipe: Any) -> None:
    text, negative = pipe.encode_prompt(["a cat", "a dog"], negative_prompt="fog")
    settings = {"seed": 1, "num_inference_steps": 1, "output_type": "np", "prompt_syntax": "webui"}
    drawn = pipe(
        prompt_embeds=text,
        negative_prompt="{fog|fog}",
        num_images_per_prompt=2,
        **settings,
    ).images
    plain = pipe(
        prompt_embeds=text, negative_prompt_embeds=negative, num_images_per_prompt=2, **settings
    ).images
    assert np.array_equal(drawn, plain)


def test_sdxl_chooses_for_both_encoders(tiny_xl: Path) -> None:
    xl: Any = kakusan.StableDiffusionXLPipeline.from_pretrained(tiny_xl)
    xl.set_progress_bar_config(disable=True)
    drawn = xl(
        "a {cat|dog}", prompt_2="{b|c}", prompt_syntax="webui", seed=3, num_inference_steps=1
    )
    (record,) = drawn.records
    assert record["prompt"] == resolve("a {cat|dog}", 3)
    assert record["prompt_2"] == resolve("{b|c}", 3)


def test_a_pictures_own_texts_are_not_chosen_again(tmp_path: Path) -> None:
    (picture,) = kakusan.generate(r"\{cat|dog\}", negative_prompt=r"\{a|b\}", seed=1, **QUICK)
    assert picture.record["prompt"] == "{cat|dog}"
    path = picture.save(tmp_path / "a.png")
    record = kakusan.generate(like=path, progress=False)[0].record
    assert (record["prompt"], record["negative_prompt"]) == ("{cat|dog}", "{a|b}")
    record = kakusan.generate("{x|y}", like=path, progress=False)[0].record
    assert (record["prompt"], record["negative_prompt"]) == (resolve("{x|y}", 1), "{a|b}")
    assert record["template"] == "{x|y}"


def test_plain_prompts_have_no_choices(pipe: Any) -> None:
    (record,) = pipe("a {cat|dog} __x__", seed=1, num_inference_steps=1).records
    assert record["prompt"] == "a {cat|dog} __x__"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"wildcards": "no/such"}, "^wildcards: there is no folder 'no/such'"),
        ({"wildcards": 5}, "^wildcards must be a folder"),
        ({"wildcards": ".", "prompt_syntax": None}, "prompt_syntax is plain"),
        ({}, "name their folder with wildcards"),
    ],
)
def test_what_cannot_be_chosen_is_one_line(settings: Any, said: str) -> None:
    with pytest.raises(ArgumentError, match=said):
        kakusan.generate("a __cat__", seed=1, **{**QUICK, **settings})


def test_a_request_has_no_choices_left(pipe: Any) -> None:
    with pytest.raises(ArgumentError, match="leave wildcards out"):
        pipe.pictures(kakusan.Request.of("a", seed=1), wildcards=".")
    with pytest.raises(RequestError, match="template has 1 texts"):
        kakusan.Request.of(["a", "b"], template=["x"])
