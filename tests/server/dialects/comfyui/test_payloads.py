"""What SillyTavern and Open WebUI send and read, step by step, in words of our own."""

import io
import json
import time
from uuid import uuid4

import requests
from PIL import Image
from websockets.sync.client import connect

from tests.server.dialects.comfyui.graphs import changed, over_a_picture
from tests.server.dialects.comfyui.serving import Pretender, Serving, png

Served = tuple[Serving, Pretender]


def test_sillytavern(served: Served) -> None:
    url = served[0].url
    assert requests.get(f"{url}/system_stats").ok
    info = requests.get(f"{url}/object_info").json()
    models = info["CheckpointLoaderSimple"]["input"]["required"]["ckpt_name"][0]
    assert info["UNETLoader"]["input"]["required"]["unet_name"][0] == []
    assert info["VAELoader"]["input"]["required"]["vae_name"][0] == []
    sampled = info["KSampler"]["input"]["required"]
    graph = changed(
        _3=(
            "KSampler",
            {
                "sampler_name": sampled["sampler_name"][0][0],
                "scheduler": sampled["scheduler"][0][0],
                "steps": 2,
                "cfg": 7,
                "seed": 2**50 + 1,
            },
        ),
        _4=("CheckpointLoaderSimple", {"ckpt_name": models[0]}),
        _9=("SaveImage", {"filename_prefix": "SillyTavern"}),
    )
    body = json.dumps({"prompt": graph})  # without a word on what it is
    headers = {"Content-Type": "text/plain;charset=UTF-8"}
    prompt_id = requests.post(f"{url}/prompt", data=body, headers=headers).json()["prompt_id"]
    item = None
    for _ in range(300):
        if item := requests.get(f"{url}/history").json().get(prompt_id):
            break
        time.sleep(0.1)
    assert item is not None
    assert item["status"]["status_str"] == "success"
    (image,) = [file for output in item["outputs"].values() for file in output["images"]]
    query = f"filename={image['filename']}&subfolder={image['subfolder']}&type={image['type']}"
    answer = requests.get(f"{url}/view?{query}")
    assert Image.open(io.BytesIO(answer.content)).size == (128, 128)
    assert requests.post(f"{url}/interrupt", headers={"Authorization": "Basic Og=="}).ok


def test_open_webui(served: Served) -> None:
    url, client_id = served[0].url, str(uuid4())
    headers = {"User-Agent": "Mozilla/5.0", "Authorization": "Bearer None"}
    info = requests.get(f"{url}/object_info", headers=headers).json()
    assert info["CheckpointLoaderSimple"]["input"]["required"]["ckpt_name"][0] == ["builtin"]
    form = {"image": ("in.png", png(64, 64), "image/png")}
    sent = requests.post(f"{url}/api/upload/image", files=form, data={"type": "input"}).json()
    for graph in (
        changed(
            _3=("KSampler", {"seed": 1125899906842624}),
            _5=("EmptyLatentImage", {"batch_size": 2, "width": 128, "height": 64}),
            _7=("CLIPTextEncode", {"text": None}),
        ),
        over_a_picture(sent["name"]),
    ):
        address = f"ws://{served[0].host}/ws?clientId={client_id}"
        with connect(address, additional_headers=headers) as socket:
            body = {"prompt": graph, "client_id": client_id}
            answer = requests.post(f"{url}/prompt", json=body, headers=headers)
            prompt_id = answer.json()["prompt_id"]
            while True:
                said = json.loads(socket.recv(timeout=20))
                if said["type"] == "executing" and said["data"]["node"] is None:
                    assert said["data"]["prompt_id"] == prompt_id
                    break
        history = requests.get(f"{url}/history/{prompt_id}", headers=headers).json()[prompt_id]
        for node, output in history["outputs"].items():
            assert graph[node]["class_type"] == "SaveImage"
            for image in output["images"]:
                assert requests.get(f"{url}/view", params=image, headers=headers).ok
