"""The deployment on Ray Serve, as its file in deploy/ says, over HTTP."""

import base64
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

import kakusan
from kakusan.images import read_record
from tests.batch.on_ray.conftest import alone, cluster, environment, stop
from tests.programs import ROOT

__all__ = ["alone", "cluster"]
httpx = pytest.importorskip("httpx")
FILE = ROOT / "deploy" / "ray-serve.yaml"
SMALL = {"num_inference_steps": 2, "width": 64, "height": 64}


def told() -> dict[str, Any]:
    return yaml.safe_load(FILE.read_text(encoding="utf-8"))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@pytest.fixture(scope="module")
def address(cluster: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of replicas without a GPU, behind a token, with room for one request that waits."""
    folder, port = tmp_path_factory.mktemp("serve"), free_port()
    (folder / "token").write_text("a-token-that-is-long-enough-to-be-one")
    (folder / "token").chmod(0o600)
    config = told()
    config["http_options"]["port"] = port
    config["applications"][0]["args"] |= {
        "gpus": 0,
        "max_replicas": 1,
        "waiting": 1,
        "token_file": str(folder / "token"),
    }
    (folder / "serve.yaml").write_text(yaml.safe_dump(config))
    command = ["-m", "ray.serve.scripts", "run", str(folder / "serve.yaml"), "--address", cluster]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=folder,
            env=environment(folder),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            found = f"http://127.0.0.1:{port}"
            while not is_healthy(found):
                assert process.poll() is None, (folder / "log").read_text()
                time.sleep(0.2)
            yield found
        finally:
            stop(process, signal.SIGINT)


def is_healthy(address: str) -> bool:
    try:
        return httpx.get(f"{address}/healthz", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def post(address: str, body: object, **headers: str) -> Any:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    usual = {
        "Content-Type": "application/json",
        "Authorization": "Bearer a-token-that-is-long-enough-to-be-one",
    }
    return httpx.post(address, content=data, headers={**usual, **headers}, timeout=300)


def test_a_request_is_answered_with_its_picture(address: str, tmp_path: Path) -> None:
    asked = {"prompt": "a cat", "seed": 5, **SMALL}
    answer = post(address, asked)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    (own,) = kakusan.generate("a cat", seed=5, steps=2, width=64, height=64, progress=False)
    assert Image.open(io.BytesIO(answer.content)).tobytes() == own.image.tobytes()
    (tmp_path / "cat.png").write_bytes(answer.content)
    record = read_record(tmp_path / "cat.png")
    assert record is not None
    assert (record["prompt"], record["seed"], record["num_inference_steps"]) == ("a cat", 5, 2)
    told = [str(ROOT), os.fspath(tmp_path)]
    assert not any(each in json.dumps(record) for each in told)


def test_a_picture_is_handed_in(address: str) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(buffer, "PNG")
    image = base64.b64encode(buffer.getvalue()).decode()
    asked = {"prompt": "a cat", "seed": 5, "num_inference_steps": 4, "strength": 0.5}
    answer = post(address, {**asked, "image": image})
    assert answer.status_code == 200, answer.text
    assert Image.open(io.BytesIO(answer.content)).size == (64, 64)


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"prompt": "a", "width": 63}, 422, "width must be a multiple of 8"),
        ({"prompt": "a", "steps": 3}, 422, "there is no field 'steps'"),
        ({"width": 64}, 422, "prompt is missing"),
        ({"prompt": "a", "model": "/etc/passwd"}, 422, "there is no model '/etc/passwd'"),
        ({"prompt": "a", "loras": ["../x.safetensors"]}, 422, "there is no LoRA"),
        ({"prompt": "a", "lora_files": {"x": "/x"}}, 422, "lora_files cannot be set"),
        ({"prompt": "a", "image": "/etc/passwd"}, 422, "image"),
        ({"prompt": "a", "image": "http://127.0.0.1/x.png"}, 422, "none is fetched"),
        ({"prompt": "a", "num_images_per_prompt": 2}, 422, "at most 1 at once"),
        (b"{", 422, "no JSON"),
        ([1], 422, "must be a JSON object"),
    ],
)
def test_what_cannot_be_drawn_is_said_in_one_line(
    body: object, status: int, words: str, address: str
) -> None:
    answer = post(address, body)
    assert answer.status_code == status, answer.text
    assert words in answer.json()["detail"]
    assert "\n" not in answer.text


def test_who_would_wait_for_too_long_is_told_so(address: str) -> None:
    asked = {"prompt": "a cat", "num_inference_steps": 20}
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda seed: post(address, {**asked, "seed": seed}), range(8)))
    codes = [answer.status_code for answer in answers]
    assert set(codes) == {200, 429}
    refused = answers[codes.index(429)]
    assert refused.headers["Retry-After"] == "5"
    assert httpx.get(f"{address}/-/healthz").status_code == 200
    assert post(address, {"prompt": "a cat", **SMALL}).status_code == 200


def test_only_those_with_the_token_and_of_this_machine_are_answered(address: str) -> None:
    assert post(address, {"prompt": "a"}, Authorization="Bearer no").status_code == 401
    assert post(address, {"prompt": "a"}, Host="evil.example").status_code in (400, 403, 421)
    assert post(address, {"prompt": "a"}, Origin="http://evil.example").status_code == 403


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Ray's own
def test_the_file_says_what_there_is() -> None:
    pytest.importorskip("ray")
    from kakusan.server.on_ray.serving import Arguments

    (application,) = told()["applications"]
    arguments = Arguments(**application["args"])
    assert arguments.settings().models == ("builtin",)
    assert arguments.host == told()["http_options"]["host"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_other_machines_are_not_let_in_without_a_token() -> None:
    pytest.importorskip("ray")
    from kakusan.errors import InputError
    from kakusan.server.on_ray.serving import Arguments, app

    with pytest.raises(InputError, match=r"host 0\.0\.0\.0 lets other machines in"):
        app(Arguments(host="0.0.0.0"))
    assert Arguments.model_validate({"loras": "/a,/b"}).loras == (Path("/a"), Path("/b"))
