"""Every route, as clients call it."""

import io
import json
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from PIL import Image

from kakusan.server.dialects.comfyui.choices import SCHEDULER_NAMES
from kakusan.server.dialects.comfyui.nodes import KINDS
from tests.server.dialects.comfyui.graphs import DEFAULT, changed, over_a_picture
from tests.server.dialects.comfyui.serving import Client, Pretender, Serving, png, pretending


def waiting(worker: Pretender) -> None:
    """Nothing is begun from now on."""
    worker.may_claim.clear()
    time.sleep(0.05)


def test_a_graph_becomes_pictures(client: Client) -> None:
    graph = changed(_5=("EmptyLatentImage", {"batch_size": 3, "width": 64, "height": 128}))
    answer = client.post("/prompt", {"prompt": graph, "client_id": "me"}).json()
    assert set(answer) == {"prompt_id", "number", "node_errors"}
    assert (answer["number"], answer["node_errors"]) == (0, {})
    entry = client.wait(answer["prompt_id"])
    assert entry["prompt"][:3] == [0, answer["prompt_id"], graph]
    assert entry["prompt"][3:] == [{"client_id": "me"}, ["9"]]
    assert [image.size for image in client.pictures(entry)] == [(64, 128)] * 3
    assert [image.getpixel((0, 0))[1] for image in client.pictures(entry)] == [0, 1, 2]
    assert client.get("/queue").json() == {"queue_running": [], "queue_pending": []}
    assert client.get("/prompt").json() == {"exec_info": {"queue_remaining": 0}}


@pytest.mark.parametrize(
    "kind",
    ["application/json", "text/plain;charset=UTF-8", "application/x-www-form-urlencoded", ""],
)
def test_whatever_the_body_is_called(client: Client, kind: str) -> None:
    headers = {"Content-Type": kind} if kind else {}
    body = json.dumps({"prompt": DEFAULT}).encode()
    answer = client.session.post(f"{client.url}/prompt", data=body, headers=headers)
    assert answer.status_code == 200
    assert client.wait(answer.json()["prompt_id"])["status"]["completed"]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "invalid"),
        (b"{", "invalid"),
        (b'{"prompt": NaN}', "invalid"),
        (b'{"prompt": {"3": {"class_type": "\\ud800", "inputs": {}}}}', "invalid"),
        (b"[]", "no_prompt"),
        (b"{}", "no_prompt"),
        (b'{"prompt": null}', "no_prompt"),
        (b'{"prompt": {"1": {}}}', "invalid_prompt"),
        (json.dumps({"prompt": changed(_9=None)}).encode(), "prompt_no_outputs"),
        (
            json.dumps({"prompt": changed(_3=("KSampler", {"steps": 0}))}).encode(),
            "prompt_outputs_failed_validation",
        ),
        (json.dumps({"prompt": DEFAULT, "prompt_id": "x"}).encode(), "invalid_prompt_id"),
        (json.dumps({"prompt": DEFAULT, "prompt_id": 3}).encode(), "invalid_prompt_id"),
        (
            json.dumps({"prompt": DEFAULT, "prompt_id": str(uuid4()).upper()}).encode(),
            "invalid_prompt_id",
        ),
        (json.dumps({"prompt": DEFAULT, "number": "first"}).encode(), "invalid_prompt"),
    ],
)
def test_bodies_that_are_refused(client: Client, body: bytes, kind: str) -> None:
    answer = client.session.post(f"{client.url}/prompt", data=body)
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, kind)
    assert set(answer.json()) == {"error", "node_errors"}
    assert set(answer.json()["error"]) == {"type", "message", "details", "extra_info"}


@pytest.mark.parametrize(
    ("prompt", "node", "said"),
    [
        (changed(_5=("EmptyLatentImage", {"batch_size": 101})), "5", "at most 100"),
        (changed(_6=("CLIPTextEncode", {"text": "a, embedding:none"})), "6", "'none'"),
        (over_a_picture("nowhere.png"), "10", "image: 'nowhere.png' not in []"),
        (changed(_6=("CLIPTextEncode", {"text": "(a:1e999)"})), "6", ""),
    ],
)
def test_what_the_request_refuses_is_said_of_its_node(
    client: Client, prompt: Any, node: str, said: str
) -> None:
    answer = client.post("/prompt", {"prompt": prompt})
    assert answer.status_code == 400
    found = answer.json()["node_errors"][node]
    (error,) = found["errors"]
    assert said in error["details"]
    assert found["dependent_outputs"] == ["9"]


def test_a_prompts_id_that_the_client_chose(client: Client) -> None:
    chosen = str(uuid4())
    assert client.submit(DEFAULT, prompt_id=chosen) == chosen
    entry = client.wait(chosen)
    assert entry["prompt"][1] == chosen
    assert client.submit(DEFAULT, prompt_id=chosen) == chosen  # the same again is the same job
    assert len(client.get("/history").json()) == 1
    other = client.post(
        "/prompt",
        {"prompt": changed(_9=("SaveImage", {"filename_prefix": "b"})), "prompt_id": chosen},
    )
    assert (other.status_code, other.json()["error"]["type"]) == (400, "invalid_prompt_id")


def test_what_changes_nothing_is_named(client: Client) -> None:
    graph = changed(
        _3=("KSampler", {"sampler_name": "lcm", "scheduler": "sgm_uniform"}),
        _5=("EmptyLatentImage", {"width": 130}),
        _6=("CLIPTextEncode", {"text": "猫", "weight": 3}),
    )
    answer = client.post("/prompt", {"prompt": graph})
    assert answer.status_code == 200, answer.text
    ignored = answer.headers["X-Kakusan-Ignored"]
    assert "6.weight: CLIPTextEncode has no such input" in ignored
    assert "5.width: 130 is cut to 128" in ignored
    assert "3.scheduler: LCM has timesteps of its own" in ignored
    assert client.pictures(client.wait(answer.json()["prompt_id"]))[0].size == (128, 128)
    assert "X-Kakusan-Ignored" not in client.post("/prompt", {"prompt": DEFAULT}).headers


def test_what_is_too_long_to_keep(client: Client) -> None:
    long = changed(_6=("CLIPTextEncode", {"text": "a" * 2**20}))
    answer = client.post("/prompt", {"prompt": long})
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_prompt")
    body = {"prompt": DEFAULT, "extra_data": {"extra_pnginfo": "a" * 2**20}, "client_id": "b" * 999}
    answer = client.post("/prompt", body)
    assert "extra_data: it is longer" in answer.headers["X-Kakusan-Ignored"]
    assert client.wait(answer.json()["prompt_id"])["prompt"][3] == {"client_id": "b" * 200}


def test_the_queue_in_its_order(client: Client, worker: Pretender) -> None:
    waiting(worker)
    first, second = client.submit(DEFAULT), client.submit(DEFAULT)
    ahead = client.submit(DEFAULT, front=True)
    between = client.submit(DEFAULT, number=0.5)
    pending = client.get("/queue").json()["queue_pending"]
    assert [each[1] for each in pending] == [ahead, first, between, second]
    assert [each[0] for each in pending] == [-2, 0, 0.5, 1]
    assert pending[1][2:] == [DEFAULT, {}, ["9"]]
    assert client.get("/prompt").json() == {"exec_info": {"queue_remaining": 4}}
    assert client.post("/queue", {"delete": [first, "unknown", 3]}).status_code == 200
    assert [each[1] for each in client.get("/queue").json()["queue_pending"]] == [
        *(ahead, between, second),
    ]
    assert client.post("/queue", {"clear": True}).content == b""
    assert client.get("/queue").json()["queue_pending"] == []
    assert client.get("/history").json() == {}  # what was never begun leaves no trace


def test_an_interrupt(client: Client, worker: Pretender) -> None:
    worker.may_draw.clear()
    running = client.submit(DEFAULT)
    while not client.get("/queue").json()["queue_running"]:
        time.sleep(0.01)
    other = client.submit(DEFAULT)
    client.post("/interrupt", {"prompt_id": other})  # which does not run
    client.post("/queue", {"delete": [running]})  # nor waits
    assert client.get("/queue").json()["queue_running"][0][1] == running
    assert client.post("/interrupt", {"prompt_id": running}).status_code == 200
    entry = client.wait(running)
    assert (entry["status"]["status_str"], entry["outputs"]) == ("error", {})
    assert entry["status"]["messages"][-1][0] == "execution_interrupted"
    worker.may_draw.set()
    assert client.wait(other)["status"]["completed"]


def test_an_interrupt_without_a_body(client: Client, worker: Pretender) -> None:
    worker.may_draw.clear()
    running = client.submit(DEFAULT)
    while not client.get("/queue").json()["queue_running"]:
        time.sleep(0.01)
    assert client.session.post(f"{client.url}/interrupt").status_code == 200
    assert not client.wait(running)["status"]["completed"]


def test_a_job_that_fails(client: Client, worker: Pretender) -> None:
    worker.failing = "the picture has no end"
    entry = client.wait(client.submit(DEFAULT))
    name, data = entry["status"]["messages"][-1]
    assert (name, data["exception_message"]) == ("execution_error", worker.failing)
    assert (data["node_id"], data["node_type"]) == ("3", "KSampler")


def test_the_history_by_pages(client: Client) -> None:
    ids = [client.submit(DEFAULT) for _ in range(5)]
    for each in ids:
        client.wait(each)
    assert list(client.get("/history").json()) == ids
    assert list(client.get("/history", max_items=2).json()) == ids[3:]
    assert list(client.get("/history", max_items=2, offset=1).json()) == ids[1:3]
    assert list(client.get("/history", max_items=2, offset=0).json()) == ids[:2]
    assert list(client.get("/history", max_items=2, offset=-1).json()) == ids[3:]
    assert list(client.get("/history", max_items="many").json()) == ids
    assert client.get("/history", max_items=0).json() == {}
    assert client.get("/history/unknown").json() == {}
    assert client.get(f"/history/{uuid4()}").json() == {}


def test_the_history_forgets_and_pictures_stay(client: Client) -> None:
    first, second, third = (client.submit(DEFAULT) for _ in range(3))
    entry = client.wait(first)
    for each in (second, third):
        client.wait(each)
    client.session.post(f"{client.url}/history", data=json.dumps({"delete": [first]}))
    assert list(client.get("/history").json()) == [second, third]
    assert client.get(f"/history/{first}").json() == {}
    client.post("/history", {"clear": True})
    assert client.get("/history").json() == {}
    assert client.pictures(entry)[0].size == (128, 128)


def test_pictures_by_their_names_alone(client: Client) -> None:
    graph = changed(
        _9=("SaveImage", {"filename_prefix": "a/cat"}), _10=("PreviewImage", {"images": ["8", 0]})
    )
    entry = client.wait(client.submit(graph))
    (saved,), (shown,) = (entry["outputs"][node]["images"] for node in ("9", "10"))
    assert (saved["subfolder"], saved["type"], shown["type"]) == ("a", "output", "temp")
    for file in (saved, shown):
        assert client.get("/view", **file).headers["x-content-type-options"] == "nosniff"
    plain = {"filename": saved["filename"], "subfolder": "a"}
    assert client.get("/view", **plain).status_code == 200
    assert client.get("/view", filename=f"{saved['filename']} [output]", subfolder="a").ok
    for wrong in (
        {**saved, "subfolder": ""},
        {**saved, "type": "temp"},
        {**saved, "subfolder": "../a"},
        {"filename": "../" + saved["filename"]},
        {"filename": "/etc/passwd"},
        {"filename": "../../jobs.db", "type": "input"},
        {"filename": "x\0y.png", "type": "input"},
    ):
        assert client.get("/view", **wrong).status_code == 404, wrong
    for none in ({}, {"filename": ""}, {"filename": "a.png", "type": "models"}):
        assert client.get("/view", **none).status_code == 400


def test_previews_and_channels(client: Client) -> None:
    file = client.wait(client.submit(DEFAULT))["outputs"]["9"]["images"][0]
    for wanted, kind in (
        ("webp;90", "WEBP"),
        ("jpeg;50", "JPEG"),
        ("gif;1e9", "WEBP"),
        ("", "WEBP"),
    ):
        answer = client.get("/view", **file, preview=wanted)
        assert answer.headers["content-type"] == f"image/{kind.lower()}"
        assert Image.open(io.BytesIO(answer.content)).format == kind
    alpha = Image.open(io.BytesIO(client.get("/view", **file, channel="a").content))
    assert (alpha.mode, alpha.getextrema()[3]) == ("RGBA", (255, 255))
    assert Image.open(io.BytesIO(client.get("/view", **file, channel="rgb").content)).mode == "RGB"


def upload(
    client: Client, data: bytes, name: str = "in.png", path: str = "/upload/image", **fields: str
) -> Any:
    files = {"image": (name, data, "image/png")}
    return client.session.post(f"{client.url}{path}", files=files, data=fields, timeout=30)


def test_a_picture_that_is_sent(client: Client) -> None:
    answer = upload(client, png(70, 67), subfolder="a/b", overwrite="true").json()
    assert (answer["subfolder"], answer["type"]) == ("a/b", "input")
    assert answer["name"].endswith(".png")
    assert len(answer["name"]) == 68
    assert upload(client, png(70, 67), "other.png").json()["name"] == answer["name"]
    seen = client.get("/view", filename=answer["name"], subfolder="a/b", type="input")
    assert Image.open(io.BytesIO(seen.content)).size == (70, 67)
    images = client.get("/object_info/LoadImage").json()["LoadImage"]["input"]["required"]["image"]
    assert images[0] == [answer["name"]]
    for name in (
        *(answer["name"], "in.png", "a/b/in.png", f"a/b/{answer['name']}", "other.png"),
        *(f"/{answer['name']}", f"{answer['name']} [input]"),
    ):
        entry = client.wait(client.submit(over_a_picture(name)))
        assert client.pictures(entry)[0].size == (64, 64), name


def test_a_label_means_the_latest_picture(client: Client) -> None:
    upload(client, png(64, 64))
    upload(client, png(96, 64))
    assert client.pictures(client.wait(client.submit(over_a_picture())))[0].size == (96, 64)


def test_a_drawn_picture_is_drawn_over(client: Client) -> None:
    (file,) = client.wait(client.submit(DEFAULT))["outputs"]["9"]["images"]
    entry = client.wait(client.submit(over_a_picture(f"{file['filename']} [output]")))
    assert client.pictures(entry)[0].size == (128, 128)


def test_a_mask_that_is_sent(client: Client, served: tuple[Serving, Pretender]) -> None:
    reference = upload(client, png(64, 64)).json()
    told = {"filename": reference["name"], "subfolder": "", "type": "input"}
    mask = Image.new("RGBA", (64, 64), (0, 0, 0, 255))
    mask.paste((0, 0, 0, 0), (16, 16, 48, 48))
    buffer = io.BytesIO()
    mask.save(buffer, "PNG")
    answer = upload(
        client, buffer.getvalue(), "m.png", "/upload/mask", original_ref=json.dumps(told)
    ).json()
    graph = over_a_picture(answer["name"])
    graph["12"] = {
        "class_type": "SetLatentNoiseMask",
        "inputs": {"samples": ["11", 0], "mask": ["10", 1]},
    }
    graph["3"]["inputs"]["latent_image"] = ["12", 0]
    prompt_id = client.submit(graph)
    client.wait(prompt_id)
    job = served[0].store.job(prompt_id)
    assert job is not None
    request = job.submission.request
    assert (request["outside"], request["soft_mask"], len(job.submission.inputs)) == (
        *("decoded", True, 2),
    )
    assert "mask_blur" not in request
    for wrong in ({"filename": "no.png"}, {}, None, [], "x"):
        refused = upload(
            client, buffer.getvalue(), path="/upload/mask", original_ref=json.dumps(wrong)
        )
        assert refused.status_code == 400, wrong
    small = upload(client, png(32, 32), path="/upload/mask", original_ref=json.dumps(told))
    assert (small.status_code, "32x32" in small.json()["error"]["details"]) == (400, True)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GIF89a",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        png()[:-40],
        b"\x89PNG\r\n\x1a\n",
    ],
)
def test_files_that_are_no_pictures(client: Client, data: bytes) -> None:
    assert upload(client, data).status_code == 400


def test_forms_that_are_none(client: Client) -> None:
    url = f"{client.url}/upload/image"
    assert client.session.post(url, data={"image": "text"}).status_code == 400
    assert client.session.post(url).status_code == 400
    assert upload(client, png(), type="models").status_code == 400
    many = [("image", (f"{n}.png", b"x")) for n in range(5)]
    assert client.session.post(url, files=many).status_code == 400


def test_names_of_files_are_labels(client: Client) -> None:
    for name in ("../../x.png", "/etc/passwd", "a" * 900 + ".png", "\u202e.png", "CON", ".."):
        answer = upload(client, png(), name, subfolder="../../" + name)
        assert answer.status_code == 200
        assert ".." not in answer.json()["subfolder"].split("/")


def test_what_every_node_takes(client: Client) -> None:
    info = client.get("/object_info").json()
    assert set(info) == set(KINDS)
    for name, node in info.items():
        assert set(node) == {
            *("input", "input_order", "output", "output_is_list", "output_name", "name"),
            *("display_name", "description", "python_module", "category", "output_node"),
        }
        assert node["name"] == name
        assert len(node["output"]) == len(node["output_is_list"]) == len(node["output_name"])
        for group, names in node["input_order"].items():
            assert list(node["input"][group]) == names
    sampler = info["KSampler"]["input"]["required"]
    assert sampler["sampler_name"][0][0] == "euler"
    assert sampler["scheduler"][0] == list(SCHEDULER_NAMES)
    assert sampler["seed"][1]["max"] == 2**64 - 1
    assert info["CheckpointLoaderSimple"]["input"]["required"]["ckpt_name"][0] == ["builtin"]
    assert info["UNETLoader"]["input"]["required"]["unet_name"][0] == []
    assert info["SaveImage"]["output_node"] is True
    assert list(client.get("/object_info/KSampler").json()) == ["KSampler"]
    assert client.get("/object_info/ControlNetApplyAdvanced").json() == {}
    assert client.get("/object_info/Power%20Lora%2FLoader").json() == {}


def test_what_there_is(client: Client) -> None:
    stats = client.get("/system_stats").json()
    assert {type(stats["system"][name]) for name in ("ram_total", "ram_free")} == {int}
    assert stats["devices"][0]["index"] == 0
    assert stats["system"]["argv"] == []
    assert client.get("/embeddings").json() == []
    folders = client.get("/models").json()
    assert {"checkpoints", "loras", "vae", "embeddings", "upscale_models", "configs"} <= set(
        folders
    )
    for folder in folders:
        found = client.get(f"/models/{folder}").json()
        assert found == (["builtin"] if folder == "checkpoints" else [])
    assert client.get("/models/secrets").status_code == 404
    assert client.get("/extensions").json() == []
    assert client.get("/features").json()["supports_preview_metadata"] is True
    assert client.post("/free", {"unload_models": True, "free_memory": False}).status_code == 200


def test_every_route_under_api(client: Client) -> None:
    answer = client.post("/api/prompt", {"prompt": DEFAULT})
    prompt_id = answer.json()["prompt_id"]
    client.wait(prompt_id)
    assert prompt_id in client.get(f"/api/history/{prompt_id}").json()
    for path in (
        *("prompt", "queue", "history", "object_info", "object_info/KSampler", "system_stats"),
        *("embeddings", "models", "models/loras", "extensions", "features"),
    ):
        assert client.get(f"/api/{path}").status_code == 200, path
    for path in ("queue", "history", "interrupt", "free"):
        assert client.post(f"/api/{path}", {}).status_code == 200
    assert upload(client, png(), path="/api/upload/image").status_code == 200


def test_probes_of_other_servers_find_nothing(client: Client) -> None:
    for path in ("/manager/version", "/internal/logs/raw", "/users", "/sdapi/v1/options", "/"):
        assert client.get(path).status_code == 404
    patched = client.session.patch(f"{client.url}/internal/logs/subscribe", json={})
    assert patched.status_code == 404


def test_a_full_queue(tmp_path: Path) -> None:
    with pretending(tmp_path, most_waiting=1) as (serving, worker):
        waiting(worker)
        client = Client(serving)
        client.submit(DEFAULT)
        answer = client.post("/prompt", {"prompt": DEFAULT})
        assert answer.status_code == 429
        assert int(answer.headers["Retry-After"]) > 0
        assert answer.json()["error"]["type"] == "queue_full"


def test_what_was_accepted_outlasts_the_server(tmp_path: Path) -> None:
    chosen = str(uuid4())
    with pretending(tmp_path) as (serving, worker):
        client = Client(serving)
        entry = client.wait(client.submit(DEFAULT, prompt_id=chosen))
        name = upload(client, png()).json()["name"]
        waiting(worker)
        over = client.submit(over_a_picture(name))
    with pretending(tmp_path) as (serving, worker):
        client = Client(serving)
        assert client.get(f"/history/{chosen}").json() == {chosen: entry}
        assert client.pictures(entry)[0].size == (128, 128)
        assert client.pictures(client.wait(over))[0].size == (64, 64)
        again = client.post("/prompt", {"prompt": over_a_picture(name)})
        assert again.status_code == 200  # under its hash; labels are forgotten
        assert client.post("/prompt", {"prompt": over_a_picture()}).status_code == 400
