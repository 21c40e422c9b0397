"""What other clients send and read, in our own wording of it."""

import base64
import io
import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from kakusan.server.queue.errors import QueueFull
from kakusan.server.queue.job import Job, Priority, State, Submission
from kakusan.server.worker.entries import Entry
from tests.server.dialects.a1111.serving import Served, serving
from tests.server.dialects.a1111.test_webuiapi import wait_until

SMALL: dict[str, Any] = {"width": 64, "height": 64, "steps": 2}


@pytest.fixture
def http(served: Served) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=served.url, timeout=60) as client:
        yield client


def decoded(text: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(text, validate=True)))


def encoded(image: Image.Image) -> str:
    file = io.BytesIO()
    image.save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def test_sillytavern(http: httpx.Client) -> None:
    """It sends all of its own settings, and always a Basic header."""
    auth = "Basic " + base64.b64encode(b":").decode()
    sent = {
        "url": "http://127.0.0.1:7860",
        "auth": "",
        "prompt": "a cat",
        "negative_prompt": "",
        "sampler_name": "Euler a",
        "scheduler": "Automatic",
        "cfg_scale": 7,
        "restore_faces": False,
        "enable_hr": False,
        "hr_upscaler": "Latent",
        "hr_scale": 2,
        "denoising_strength": 0.7,
        "hr_second_pass_steps": 0,
        "seed": None,
        "override_settings": {"CLIP_stop_at_last_layers": 1, "sd_vae": "Automatic"},
        "override_settings_restore_afterwards": True,
        "clip_skip": 1,
        "save_images": True,
        "send_images": True,
        "do_not_save_grid": False,
        "do_not_save_samples": False,
        **SMALL,
    }
    answer = http.post("/sdapi/v1/txt2img", json=sent, headers={"Authorization": auth})
    assert answer.status_code == 200, answer.text
    assert decoded(answer.json()["images"][0]).size == (64, 64)
    ignored = answer.headers["X-Kakusan-Ignored"].split(", ")
    assert {"url", "auth", "clip_skip"} == {*ignored}
    assert answer.json()["parameters"]["kakusan_ignored"] == ignored
    for path in ("options", "upscalers", "samplers", "schedulers", "sd-vae", "sd-models"):
        assert http.get(f"/sdapi/v1/{path}").status_code == 200
    assert http.post("/sdapi/v1/interrupt").json() == {}


def test_open_webui(http: httpx.Client) -> None:
    """It reads all settings, changes one, and sends all back."""
    headers = {"authorization": ""}
    models = http.get("/sdapi/v1/sd-models", headers=headers).json()
    titles = [each["title"] for each in models]
    options = http.get("/sdapi/v1/options", headers=headers).json()
    options["sd_model_checkpoint"] = titles[0]
    answer = http.post("/sdapi/v1/options", json=options, headers=headers)
    assert (answer.status_code, answer.json()) == (200, None)
    sent = {"prompt": "a cat", "batch_size": 2, **SMALL}
    answer = http.post("/sdapi/v1/txt2img", json=sent, headers=headers)
    found = answer.json()
    assert len(found["images"]) == 2
    assert json.loads(found["info"])["all_seeds"][1] > 0


def test_librechat(http: httpx.Client) -> None:
    """It reads the text, the seed and the size of what it gets."""
    sent = {"prompt": "a cat", "negative_prompt": "bad", "cfg_scale": 4.5, **SMALL}
    found = http.post("/sdapi/v1/txt2img", json=sent).json()
    assert "," not in found["images"][0]
    info = json.loads(found["info"])
    assert info["infotexts"][0].startswith("a cat\nNegative prompt: bad\nSteps: 2")
    assert (info["width"], info["height"]) == (64, 64)
    assert info["cfg_scale"] == 4.5


def test_photoshop(http: httpx.Client) -> None:
    """It sends nearly every field there is, with pictures as data URIs, and polls."""
    picture = Image.new("RGB", (64, 64), "green")
    mask = Image.new("L", (64, 64), 255)
    sent = {
        "prompt": "a cat",
        "init_images": [f"data:image/png;base64,{encoded(picture)}"],
        "mask": f"data:image/png;base64,{encoded(mask)}",
        "mask_blur": 8,
        "inpainting_fill": 1,
        "inpaint_full_res": False,
        "inpaint_full_res_padding": 32,
        "inpainting_mask_invert": 0,
        "mask_expansion": 0,
        "denoising_strength": 0.7,
        "n_iter": 1,
        "batch_size": 1,
        "sampler_index": "Euler",
        "seed": "-1",
        "hr_scale": None,
        "script_name": "None",
        "script_args": [],
        "uniqueDocumentId": "abc",
        "firstphase_width": 0,
        "alwayson_scripts": {"controlnet": {"args": [{"enabled": False, "module": "none"}]}},
        "use_prompt_shortcut": False,
        **SMALL,
    }
    answer = http.post("/sdapi/v1/img2img", json=sent)
    assert answer.status_code == 200, answer.text
    assert decoded(answer.json()["images"][0]).size == (64, 64)
    progress = http.get("/sdapi/v1/progress?skip_current_image=false").json()
    assert progress["current_image"] is None
    assert http.get("/sdapi/v1/options").json()["inpainting_mask_weight"] == 1.0


def test_a_call_of_nothing_but_a_prompt(http: httpx.Client) -> None:
    answer = http.post("/sdapi/v1/txt2img", json={"prompt": "a cat", "steps": 1})
    info = json.loads(answer.json()["info"])
    size = (info["width"], info["height"])
    assert decoded(answer.json()["images"][0]).size == size
    assert info["sampler_name"] == "Euler"


def test_no_pictures_are_sent_where_none_are_wanted(http: httpx.Client) -> None:
    sent = {"prompt": "a cat", "send_images": False, **SMALL}
    found = http.post("/sdapi/v1/txt2img", json=sent).json()
    assert found["images"] == []
    assert json.loads(found["info"])["infotexts"]


@pytest.mark.parametrize("kind", ["jpg", "webp"])
def test_other_formats(http: httpx.Client, kind: str) -> None:
    sent = {"prompt": "a cat", "override_settings": {"samples_format": kind}, **SMALL}
    image = decoded(http.post("/sdapi/v1/txt2img", json=sent).json()["images"][0])
    assert image.format == {"jpg": "JPEG", "webp": "WEBP"}[kind]
    assert image.getexif()
    sent["override_settings"] = {"samples_format": kind, "jpeg_quality": 5}
    text = http.post("/sdapi/v1/txt2img", json={**sent, "seed": 1}).json()["images"][0]
    sent["override_settings"] = {"samples_format": kind, "jpeg_quality": 95}
    assert len(text) < len(
        http.post("/sdapi/v1/txt2img", json={**sent, "seed": 1}).json()["images"][0]
    )


@pytest.mark.parametrize(
    ("path", "sent", "status", "said"),
    [
        ("txt2img", {"sampler_name": "Euler b"}, 404, "Sampler not found"),
        ("txt2img", {"scheduler": "karas"}, 404, "Scheduler not found"),
        ("txt2img", {"width": 65}, 422, "width must be a multiple of 8"),
        ("txt2img", {"steps": 0}, 422, "steps must be a whole number"),
        ("txt2img", {"cfg_scale": -1}, 422, "cfg_scale must be"),
        ("txt2img", {"n_iter": 500}, 422, "batch_size times n_iter"),
        ("txt2img", {"prompt": "a <lora:nowhere:1>"}, 422, "nowhere"),
        ("txt2img", {"tiling": True}, 422, "tiling"),
        ("txt2img", {"script_name": "X/Y/Z plot"}, 422, "not found"),
        ("txt2img", {"enable_hr": True, "hr_upscaler": "4x-UltraSharp"}, 422, "model of its own"),
        ("txt2img", {"override_settings": {"sd_model_checkpoint": "other"}}, 422, "other"),
        ("img2img", {}, 404, "Init image not found"),
        ("img2img", {"init_images": ["!"]}, 422, "Invalid encoded image"),
        ("img2img", {"init_images": ["aGVsbG8="]}, 422, "picture"),
        ("img2img", {"init_images": ["http://127.0.0.1/x.png"]}, 422, "nothing is fetched"),
        ("options", {"sd_model_checkpoint": "other"}, 404, "other"),
        ("options", {"randn_source": "TPU"}, 422, "randn_source"),
        ("png-info", {"image": "!"}, 422, "Invalid encoded image"),
        ("extra-single-image", {"image": ""}, 422, "Invalid encoded image"),
    ],
)
def test_errors(
    http: httpx.Client, path: str, sent: dict[str, Any], status: int, said: str
) -> None:
    small = {"prompt": "a", **SMALL} if path.endswith("2img") else {}
    answer = http.post(f"/sdapi/v1/{path}", json={**small, **sent})
    found = answer.json()
    assert answer.status_code == status, found
    assert {*found} == {"error", "detail", "body", "errors"}
    assert said in found["detail"], found
    assert len(answer.content) < 4000


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"steps": NaN}', b'"\\ud800"', b"\xff"])
def test_no_json(http: httpx.Client, body: bytes) -> None:
    headers = {"content-type": "application/json"}
    answer = http.post("/sdapi/v1/txt2img", content=body, headers=headers)
    assert answer.status_code in (400, 422)
    assert answer.json()["detail"]


def test_a_form_is_no_json(http: httpx.Client) -> None:
    answer = http.post("/sdapi/v1/txt2img", content=b"{}", headers={"content-type": "text/plain"})
    assert answer.status_code in (415, 422)


@pytest.mark.parametrize(
    "path",
    [
        *("cmd-flags", "server-kill", "server-restart", "server-stop", "unload-checkpoint"),
        *("reload-checkpoint", "create/embedding", "train/embedding", "interrogate", "preprocess"),
    ],
)
def test_what_is_not_served(http: httpx.Client, path: str) -> None:
    for method in ("GET", "POST"):
        assert http.request(method, f"/sdapi/v1/{path}").status_code == 404


def test_settings_of_one_call_stay_there(http: httpx.Client) -> None:
    sent = {"prompt": "a", "override_settings": {"CLIP_stop_at_last_layers": 2}, **SMALL}
    found = http.post("/sdapi/v1/txt2img", json=sent).json()
    assert json.loads(found["info"])["clip_skip"] == 2
    assert http.get("/sdapi/v1/options").json()["CLIP_stop_at_last_layers"] == 1
    kept = {**sent, "override_settings_restore_afterwards": False}
    http.post("/sdapi/v1/txt2img", json=kept)
    assert http.get("/sdapi/v1/options").json()["CLIP_stop_at_last_layers"] == 2
    http.post("/sdapi/v1/options", json={"CLIP_stop_at_last_layers": 1})


def test_a_task_is_drawn_once(http: httpx.Client, served: Served) -> None:
    task = f"task(txt2img-{time.monotonic_ns()})"
    sent = {"prompt": "a cat", "force_task_id": task, "seed": -1, **SMALL}
    first, again = (http.post("/sdapi/v1/txt2img", json=sent).json() for _ in range(2))
    assert first == again
    other = http.post("/sdapi/v1/txt2img", json={**sent, "prompt": "a dog"}).json()
    assert json.loads(other["info"])["prompt"] == "a dog"
    asked = {"id_task": task, "id_live_preview": -1}
    told = http.post("/internal/progress", json=asked).json()
    assert (told["completed"], told["active"]) == (True, False)
    assert http.get("/internal/pending-tasks").json() == {"size": 0, "tasks": []}


def test_a_full_queue(tmp_path: Path) -> None:
    with serving(tmp_path, most_waiting=0) as full:
        sent = {"prompt": "a", **SMALL}
        answer = httpx.post(f"{full.url}/sdapi/v1/txt2img", json=sent, timeout=60)
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0
    assert {*answer.json()} == {"error", "detail", "body", "errors"}


def test_a_model_that_text_tells_may_be_nowhere(http: httpx.Client) -> None:
    text = "a cat\nSteps: 1, Sampler: Euler, CFG scale: 5, Seed: 3, Size: 64x64, Model: gone"
    found = http.post("/sdapi/v1/txt2img", json={"infotext": text}).json()
    assert found["parameters"]["kakusan_ignored"] == ["infotext: model"]
    assert json.loads(found["info"])["sd_model_name"] == "builtin"


@pytest.mark.parametrize(("family", "skipped"), [("v1", 1), ("v2", None), ("xl", None)])
def test_clip_skip_counts_where_it_does_there(
    http: httpx.Client,
    served: Served,
    monkeypatch: pytest.MonkeyPatch,
    family: str,
    skipped: int | None,
) -> None:
    found: list[Submission] = []

    async def full(submission: Submission) -> Job:
        found.append(submission)
        raise QueueFull("full")

    monkeypatch.setattr(Entry, "family", family)
    monkeypatch.setattr(served.service, "submit", full)
    sent = {"prompt": "a", "override_settings": {"CLIP_stop_at_last_layers": 2}, **SMALL}
    assert http.post("/sdapi/v1/txt2img", json=sent).status_code == 429
    assert found[0].request["clip_skip"] == skipped
    assert (found[0].client, found[0].dialect) == ("local", "a1111")
    assert found[0].priority == Priority.WAITING


def test_a_job_that_fails(
    http: httpx.Client, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def failed(_request: object, job: Job) -> Job:
        return replace(job, state=State.FAILED, error="the model is gone")

    monkeypatch.setattr(served.service, "while_connected", failed)
    answer = http.post("/sdapi/v1/txt2img", json={"prompt": "a", **SMALL})
    assert (answer.status_code, answer.json()["detail"]) == (500, "the model is gone")


def test_who_leaves_cancels(served: Served) -> None:
    sent = {"prompt": "left", "steps": 900, "width": 256, "height": 256}
    body = json.dumps(sent).encode()
    with socket.create_connection(("127.0.0.1", served.port)) as line:
        line.sendall(
            b"POST /sdapi/v1/txt2img HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
            b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
            % (served.port, len(body), body)
        )
        wait_until(lambda: served.jobs(State.RUNNING))
    wait_until(lambda: not served.jobs(State.RUNNING))
    assert served.jobs(State.CANCELLED)[0].submission.request["prompt"] == "left"


def test_a_job_that_waits_is_interrupted(http: httpx.Client, served: Served) -> None:
    """As there: 200, and no picture."""
    found: list[Any] = []
    long = {"prompt": "long", "steps": 900, "width": 256, "height": 256}

    def ask() -> None:
        found.append(httpx.post(f"{served.url}/sdapi/v1/txt2img", json=long, timeout=60))

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for each in threads:
        each.start()
    wait_until(lambda: len(served.jobs(State.RUNNING)) + len(served.jobs(State.QUEUED)) == 2)
    end = time.monotonic() + 60
    while any(each.is_alive() for each in threads):
        http.post("/sdapi/v1/interrupt")
        assert time.monotonic() < end
        time.sleep(0.1)
    assert [each.status_code for each in found] == [200, 200]


def test_previews(http: httpx.Client, served: Served) -> None:
    long = {"prompt": "long", "steps": 900, "width": 256, "height": 256}
    thread = threading.Thread(
        target=lambda: httpx.post(f"{served.url}/sdapi/v1/txt2img", json=long, timeout=60)
    )
    thread.start()
    try:
        wait_until(lambda: http.get("/sdapi/v1/progress").json()["current_image"])
        told = http.get("/sdapi/v1/progress").json()
        assert max(decoded(told["current_image"]).size) <= 512
        skipped = http.get("/sdapi/v1/progress?skip_current_image=true").json()
        assert skipped["current_image"] is None
        http.post("/sdapi/v1/options", json={"live_previews_enable": False})
        assert http.get("/sdapi/v1/progress").json()["current_image"] is None
    finally:
        http.post("/sdapi/v1/options", json={"live_previews_enable": True})
        http.post("/sdapi/v1/interrupt")
        thread.join(60)


def test_lists_name_no_folder(http: httpx.Client) -> None:
    for path in ("sd-models", "sd-vae", "sd-modules", "loras", "embeddings", "options"):
        assert '"/' not in http.get(f"/sdapi/v1/{path}").text


def test_a_picture_made_here_is_told_by_its_text(http: httpx.Client) -> None:
    sent = {"prompt": "a cat", "seed": 5, **SMALL}
    first = http.post("/sdapi/v1/txt2img", json=sent).json()
    text = json.loads(first["info"])["infotexts"][0]
    again = http.post("/sdapi/v1/txt2img", json={"infotext": text}).json()
    one, other = (np.asarray(decoded(each["images"][0])) for each in (first, again))
    np.testing.assert_array_equal(one, other)
