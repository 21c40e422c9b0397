"""Every field that OpenAI's own client can send is used, named as ignored, or refused."""

import json
from typing import get_type_hints

import pytest
from openai.types import image_edit_params, image_generate_params

from kakusan.server.dialects.ignored import ignored_header
from kakusan.server.dialects.openai.asking import Wanted, wanted
from kakusan.server.dialects.openai.failures import Refusal
from kakusan.server.dialects.openai.fields import (
    EDIT_EXTENSIONS,
    EDIT_FIELDS,
    EXTENSIONS,
    GENERATION_FIELDS,
    STEPS,
    Use,
)
from kakusan.server.dialects.openai.forms import read_form

GENERATIONS = {
    *get_type_hints(image_generate_params.ImageGenerateParamsBase),
    *get_type_hints(image_generate_params.ImageGenerateParamsStreaming),
}
EDITS = {
    *get_type_hints(image_edit_params.ImageEditParamsBase),
    *get_type_hints(image_edit_params.ImageEditParamsStreaming),
}
# A value of each field that is used, and what it comes to
USED = {
    "prompt": ("a cat", lambda w: w.settings["prompt"] == "a cat"),
    "model": ("gpt-image-2", lambda w: w.model == "gpt-image-2"),
    "n": (3, lambda w: w.settings["num_images_per_prompt"] == 3),
    "size": ("128x64", lambda w: (w.settings["width"], w.settings["height"]) == (128, 64)),
    "quality": ("low", lambda w: w.settings["num_inference_steps"] == 15 and w.quality == "low"),
    "output_format": ("webp", lambda w: w.output_format == "webp"),
    "output_compression": (40, lambda w: w.compression == 40),
    "response_format": ("url", lambda w: w.as_url and not w.as_data),
    "background": ("opaque", lambda w: True),
    "stream": (True, lambda w: w.stream),
    "partial_images": (2, lambda w: w.partial_images == 2),
    "user": ("u-1", lambda w: w.identifier == "u-1"),
    "safety_identifier": ("s-1", lambda w: w.identifier == "s-1"),
    "negative_prompt": ("a dog", lambda w: w.settings["negative_prompt"] == "a dog"),
    "num_inference_steps": (4, lambda w: w.settings["num_inference_steps"] == 4),
    "guidance_scale": (2.5, lambda w: w.settings["guidance_scale"] == 2.5),
    "seed": (7, lambda w: w.settings["seed"] == 7),
    "scheduler": ("Euler a", lambda w: w.settings["scheduler"] == "Euler a"),
    "clip_skip": (1, lambda w: w.settings["clip_skip"] == 1),
    "strength": (0.4, lambda w: w.settings["strength"] == 0.4),
}
BESIDE = {"output_compression": {"output_format": "jpeg"}, "partial_images": {"stream": True}}


def read(edit: bool = False, **sent: object) -> Wanted:
    return wanted({"prompt": "a cat", **sent}, edit=edit)


def test_the_tables_name_all_that_the_client_has() -> None:
    assert set(GENERATION_FIELDS) >= GENERATIONS
    assert set(EDIT_FIELDS) >= EDITS
    assert set(GENERATION_FIELDS) - GENERATIONS == set(EXTENSIONS)
    assert set(EDIT_FIELDS) - EDITS == set(EDIT_EXTENSIONS)


@pytest.mark.parametrize("edit", [False, True])
@pytest.mark.parametrize("name", sorted({*GENERATION_FIELDS, *EDIT_FIELDS} - {"image", "mask"}))
def test_each_field_is_what_the_table_says(name: str, edit: bool) -> None:
    use = (EDIT_FIELDS if edit else GENERATION_FIELDS).get(name, Use.IGNORED)
    if use is Use.USED:
        value, holds = USED[name]
        found = read(edit, **{**BESIDE.get(name, {}), name: value})
        assert holds(found)
        assert not found.ignored
    elif use is Use.IGNORED:
        assert list(read(edit, **{name: "x"}).ignored) == [name]
    else:
        with pytest.raises(Refusal) as refused:
            read(edit, **{name: 3})
        assert (refused.value.status, refused.value.param) == (400, name)
    if name != "prompt":
        assert read(edit, **{name: None}) == read(edit)  # null is absent


@pytest.mark.parametrize("name", ["size", "quality", "background"])
def test_auto_is_what_is_taken_without(name: str) -> None:
    assert read(**{name: "auto"}) == read()


def test_an_edit_goes_back_three_quarters_of_the_way() -> None:
    assert read(edit=True).settings["strength"] == 0.75
    assert "strength" not in read().settings


@pytest.mark.parametrize(
    ("quality", "steps", "said"),
    [
        *((name, steps, name) for name, steps in STEPS.items()),
        ("standard", 25, "medium"),
        ("hd", 50, "high"),
    ],
)
def test_quality_is_a_number_of_steps(quality: str, steps: int, said: str) -> None:
    found = read(quality=quality)
    assert (found.settings["num_inference_steps"], found.quality) == (steps, said)
    own = wanted({"prompt": "a cat", "quality": quality}, own_steps=4)
    assert own.settings["num_inference_steps"] == 4


@pytest.mark.parametrize(
    ("sent", "param"),
    [
        ({"prompt": None}, "prompt"),
        ({"prompt": ""}, "prompt"),
        ({"prompt": 3}, "prompt"),
        ({"prompt": "x" * 32_001}, "prompt"),
        ({"n": 0}, "n"),
        ({"n": 11}, "n"),
        ({"n": 1.5}, "n"),
        ({"n": True}, "n"),
        ({"n": "2"}, "n"),
        ({"size": "large"}, "size"),
        ({"size": "64"}, "size"),
        ({"size": "-64x64"}, "size"),
        ({"size": 64}, "size"),
        ({"quality": "best"}, "quality"),
        ({"output_format": "gif"}, "output_format"),
        ({"output_format": "svg"}, "output_format"),
        ({"output_format": "bmp"}, "output_format"),
        ({"output_compression": 101}, "output_compression"),
        ({"response_format": "file"}, "response_format"),
        ({"background": "transparent"}, "background"),
        ({"background": "blue"}, "background"),
        ({"stream": "yes"}, "stream"),
        ({"stream": True, "partial_images": 4}, "partial_images"),
        ({"model": ["a"]}, "model"),
        ({"user": 3}, "user"),
        ({"scheduler": {"_class_name": "x"}}, "scheduler"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(sent: dict[str, object], param: str) -> None:
    with pytest.raises(Refusal) as refused:
        wanted({"prompt": "a cat", **sent})
    assert (refused.value.status, refused.value.param) == (400, param)
    assert param in refused.value.message
    assert "\n" not in refused.value.message
    assert refused.value.headers == {"x-should-retry": "false"}
    json.dumps(refused.value.body)


def test_pictures_are_data_unless_links_are_asked_for() -> None:
    found = [read(), read(response_format="b64_json"), read(model="dall-e-3")]
    assert [(each.as_data, each.as_url) for each in found] == [
        *((True, False), (True, False), (True, True))
    ]
    named = read(model="dall-e-3", response_format="b64_json")
    assert (named.as_data, named.as_url) == (True, False)


def test_a_seed_below_zero_is_a_random_one() -> None:
    assert read(seed=-1) == read()


def test_a_whole_number_may_be_written_with_a_point() -> None:
    assert read(n=2.0).settings["num_images_per_prompt"] == 2


def test_what_means_nothing_beside_another_is_named() -> None:
    assert read(output_compression=50).ignored == ("output_compression",)  # PNG has none
    assert read(partial_images=2).ignored == ("partial_images",)
    assert read(stream=True, response_format="url").ignored == ("response_format",)


def test_unknown_fields_are_named_in_a_header_that_holds() -> None:
    found = read(**{"cfg": 3, "schlüssel\r\nX: y": 1, "x" * 500: 2})
    (header,) = ignored_header(found.ignored).values()
    assert header.startswith("cfg, schl%C3%BCssel%0D%0AX%3A%20y, xxx")
    assert len(header) < 200
    assert header.isascii()
    assert header.isprintable()
    assert ignored_header(()) == {}
    many = ignored_header([f"field_{i}" for i in range(500)])
    assert many["X-Kakusan-Ignored"].endswith("and 480 more")


def test_a_form_has_texts_for_numbers_and_files_by_three_names() -> None:
    texts = {"n": "2", "stream": "True", "seed": "7", "strength": "0.5", "guidance_scale": ""}
    for name in ("image", "image[]", "image[0]"):
        form = read_form([*texts.items(), ("prompt", "1"), (name, b"picture"), ("mask", b"mask")])
        assert form.fields == {
            "n": 2,
            "stream": True,
            "seed": 7,
            "strength": 0.5,
            "guidance_scale": None,
            "prompt": "1",
        }
        assert (form.image, form.mask) == (b"picture", b"mask")
    assert read_form([("image", b"picture")]).mask is None


def test_a_file_for_a_field_that_counts_for_nothing_is_named() -> None:
    form = read_form([("image", b"picture"), ("markup", b"overlay"), ("other", b"file")])
    assert wanted({"prompt": "x", **form.fields}, edit=True).ignored == ("markup", "other")


@pytest.mark.parametrize(
    ("parts", "param", "status"),
    [
        ([], "image", 400),
        ([("image", "a text")], "image", 400),
        ([("image", "https://example.org/a.png")], "image", 400),
        ([("image", b"x"), ("mask", "http://example.org/a.png")], "mask", 400),
        ([("image", b"x"), ("image", b"x")], "image", 400),
        ([("image[]", b"x"), ("image[]", b"x")], "image", 400),
        ([("image", b"x"), ("mask", b"x"), ("mask", b"x")], "mask", 400),
        ([("image", b"x"), ("mask", b"x" * 4_000_001)], "mask", 413),
        ([("image", b"x"), ("n", "two")], "n", 400),
        ([("image", b"x"), ("n", "1e3")], "n", 400),
        ([("image", b"x"), ("seed", "9" * 5000)], "seed", 400),
        ([("image", b"x"), ("strength", "nan")], "strength", 400),
        ([("image", b"x"), ("stream", "yes")], "stream", 400),
    ],
)
def test_a_form_that_cannot_be_used_is_refused(
    parts: list[tuple[str, str | bytes]], param: str, status: int
) -> None:
    with pytest.raises(Refusal) as refused:
        read_form(parts)
    assert (refused.value.status, refused.value.param) == (status, param)
    assert len(refused.value.message) < 200


def test_parts_of_svg_are_refused_in_a_form() -> None:
    form = read_form([("image", b"picture"), ("svg[model]", "x")])
    with pytest.raises(Refusal, match="svg"):
        wanted({"prompt": "x", **form.fields}, edit=True)
