"""From finished jobs to answers."""

import json
from dataclasses import replace
from typing import Any

from sd_backend_client.api.webui.response_formats import GenerationInfoData

from kakusan.images.parameters import parameters_text
from kakusan.server.dialects.a1111.answer import (
    HEADER,
    IGNORED,
    answer_of,
    echo,
    ignored_header,
    info_of,
    named,
    note_of,
)
from kakusan.server.dialects.a1111.values import read
from kakusan.server.queue.job import Job, State, StoredPicture, Submission

RECORD: dict[str, Any] = {
    "kakusan": "0.1.0",
    "prompt": "a red cat",
    "negative_prompt": "blurry",
    "height": 48,
    "width": 64,
    "num_inference_steps": 4,
    "guidance_scale": 7.0,
    "seed": 5,
    "clip_skip": 1,
    "model": "builtin",
    "scheduler": {"_class_name": "EulerDiscreteScheduler", "sigma_schedule": "uniform"},
    "rng": "webui-cpu",
    "prompt_syntax": "webui",
}


def job_of(records: list[dict[str, Any]], sent: dict[str, Any] | None = None) -> Job:
    body = read(sent or {"prompt": "a red cat"}, is_img2img=False)
    note = note_of(
        body, sampler="Euler", batch=(2, 1), clip_skip=2, model=("builtin", "0123456789")
    )
    pictures = tuple(
        StoredPicture(
            index=i, file=f"{i}.png", sha256="0" * 64, size=1, width=64, height=48, record=record
        )
        for i, record in enumerate(records)
    )
    request = {**RECORD, "num_images_per_prompt": 2}
    return Job(
        id="1",
        state=State.DONE,
        submission=Submission(request=request, dialect="a1111", note=json.loads(json.dumps(note))),
        position=1.0,
        created=1_764_000_000.0,
        pictures=pictures,
    )


def test_every_key_is_typed_as_its_clients_want() -> None:
    info = info_of(job_of([RECORD, {**RECORD, "seed": 6}]))
    GenerationInfoData.model_validate(info, strict=True)
    assert info["all_seeds"] == [5, 6]
    assert info["all_prompts"] == ["a red cat"] * 2
    assert (info["seed"], info["width"], info["height"], info["steps"]) == (5, 64, 48, 4)
    assert (info["sampler_name"], info["cfg_scale"], info["clip_skip"]) == ("Euler", 7.0, 2)
    assert (info["sd_model_name"], info["sd_model_hash"]) == ("builtin", "0123456789")
    assert info["restore_faces"] is False
    assert info["denoising_strength"] is None
    assert info["version"] == "kakusan 0.1.0"
    assert info["extra_generation_params"] == {"Schedule type": "Uniform", "RNG": "CPU"}


def test_texts_are_those_in_the_files() -> None:
    info = info_of(job_of([RECORD]))
    assert info["infotexts"] == [parameters_text(RECORD)]


def test_variations_and_sizes_of_seeds() -> None:
    record = {**RECORD, "variation_seed": 9, "variation_strength": 0.5, "seed_resize": [48, 64]}
    info = info_of(job_of([record, {**record, "variation_seed": 10}]))
    assert (info["all_subseeds"], info["subseed_strength"]) == ([9, 10], 0.5)
    assert (info["seed_resize_from_w"], info["seed_resize_from_h"]) == (64, 48)
    GenerationInfoData.model_validate(info, strict=True)


def test_how_much_was_drawn_over() -> None:
    sent = {"denoising_strength": 0.4}
    assert info_of(job_of([{**RECORD, "strength": 0.4}], sent))["denoising_strength"] == 0.4


def test_a_job_without_pictures_is_told_too() -> None:
    info = info_of(job_of([]))
    GenerationInfoData.model_validate(info, strict=True)
    assert (info["seed"], info["infotexts"]) == (5, [])


def test_an_answer() -> None:
    sent: dict[str, Any] = {"prompt": "a red cat", "url": 1, "init_images": ["A" * 5000]}
    sent |= {"alwayson_scripts": {"controlnet": {"args": [{"image": "A" * 5000, "model": "m"}]}}}
    body = read(sent, is_img2img=True)
    parameters = echo(body, body.ignored)
    assert (parameters["init_images"], parameters[IGNORED]) == (None, ["url"])
    unit = parameters["alwayson_scripts"]["controlnet"]["args"][0]
    assert unit == {"image": None, "model": "m"}
    answer = answer_of(job_of([RECORD]), ["AAAA"], parameters)
    assert {*answer} == {"images", "parameters", "info"}
    assert json.loads(answer["info"])["seed"] == 5


def test_pictures_come_back_where_asked_for() -> None:
    sent = {"init_images": ["AAAA"], "include_init_images": True}
    body = read(sent, is_img2img=True)
    assert echo(body, ())["init_images"] == ["AAAA"]


def test_a_header_has_plain_letters_only() -> None:
    names = ["url", "a\r\nSet-Cookie: x", "\u732b", "x" * 500, "y,z"]
    found = named([*names, "url"])
    assert found[:3] == ["url", "a\\r\\nSet-Cookie: x", "\u732b"]
    (name,) = ignored_header(found)
    text = ignored_header(found)[name]
    assert name == HEADER
    assert text.isascii()
    assert text.isprintable()
    assert text.startswith("url, a\\r\\nSet-Cookie: x, xxx")
    assert ignored_header([]) == {}


def test_a_job_that_was_interrupted() -> None:
    job = replace(job_of([RECORD]), state=State.CANCELLED)
    assert info_of(job)["all_seeds"] == [5]
