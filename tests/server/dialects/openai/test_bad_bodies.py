"""Whatever is sent, the answer is one line in the API's own form, and never a failure of ours."""

from collections.abc import Generator
from typing import Any

import httpx
import pytest

from tests.server.dialects.openai.serving import Running, running
from tests.server.fakes import png

JSON = {"Content-Type": "application/json"}
BOUNDARY = {"Content-Type": "multipart/form-data; boundary=b"}
DEEP = b'{"prompt": ' + b"[" * 100_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Running]:
    with running(tmp_path_factory.mktemp("server")) as found:
        yield found


@pytest.fixture
def http(server: Running) -> Generator[httpx.Client]:
    headers = {"Authorization": f"Bearer {server.token}"}
    with httpx.Client(base_url=server.url, headers=headers, timeout=30) as found:
        yield found


def check(answer: httpx.Response) -> None:
    assert 400 <= answer.status_code < 500, answer.text
    assert len(answer.text) < 2000
    told = answer.json()
    # the gate, before any dialect, tells as our own API does
    message = told["error"]["message"] if "error" in told else told["detail"]
    assert message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (JSON, b""),
        (JSON, b"{"),
        (JSON, b"[]"),
        (JSON, b'"prompt"'),
        (JSON, b"null"),
        (JSON, DEEP),
        (JSON, b'{"prompt": "x", "n": NaN}'),
        (JSON, b'{"prompt": "x", "guidance_scale": 1e999}'),
        (JSON, b'{"prompt": "\\ud800"}'),
        (JSON, b'{"prompt": "\xff"}'),
        (JSON, b'{"prompt": "x", "seed": ' + b"9" * 5000 + b"}"),
        (JSON, b'{"prompt": {"a": 1}}'),
        (JSON, b'{"prompt": "x", "model": {}}'),
        (JSON, b'{"prompt": "x", "size": "99999999999999999999x8"}'),
        (JSON, b'{"prompt": "x", "size": "0x0"}'),
        (JSON, b'{"prompt": "x", "num_inference_steps": [3]}'),
        (JSON, b'{"prompt": "x", "negative_prompt": 3}'),
        (JSON, b'{"prompt": "x", "scheduler": ""}'),
        ({"Content-Type": "text/plain"}, b'{"prompt": "x"}'),
        ({}, b'{"prompt": "x"}'),
        (BOUNDARY, b"--b\r\n"),
    ],
)
@pytest.mark.parametrize("path", ["/v1/images/generations", "/v1/images/edits"])
def test_bodies_that_are_none(
    http: httpx.Client, path: str, headers: dict[str, str], body: bytes
) -> None:
    check(http.post(path, content=body, headers=headers))


@pytest.mark.parametrize(
    ("data", "files"),
    [
        ({}, {"image": b"GIF89a"}),
        ({"prompt": "x"}, {"image": b""}),
        ({"prompt": "x"}, {"image": png(64, 64)[:60]}),
        ({"prompt": "x"}, {"image": b"<svg xmlns='http://www.w3.org/2000/svg'/>"}),
        ({"prompt": "x" * 300_000}, {"image": png(64, 64)}),
        ({"prompt": "x", "size": "10x10"}, {"image": png(64, 64)}),
        ({"prompt": "x", "strength": "2"}, {"image": png(64, 64)}),
        ({"prompt": "x", "image": "file:///etc/passwd"}, {}),
        ({str(number): "x" for number in range(200)}, {"image": png(64, 64)}),
    ],
)
def test_forms_that_are_none(
    http: httpx.Client, data: dict[str, str], files: dict[str, Any]
) -> None:
    check(http.post("/v1/images/edits", data=data, files=files or {"x": b"x"}))


def test_a_form_without_a_boundary(http: httpx.Client) -> None:
    kind = {"Content-Type": "multipart/form-data"}
    check(http.post("/v1/images/edits", content=b"x", headers=kind))


@pytest.mark.parametrize(
    "body", [b"", b"[]", DEEP, b'{"model": "builtin", "prompt": "x", "width": "64"}', b"{}"]
)
def test_bodies_that_are_none_of_ollamas(http: httpx.Client, body: bytes) -> None:
    for path in ("/api/generate", "/api/show"):
        answer = http.post(path, content=body, headers={"Content-Type": "text/plain"})
        if path == "/api/show" and answer.status_code == 200:
            continue
        assert 400 <= answer.status_code < 500
        assert "\n" not in answer.json()["error"]


def test_keys_that_are_odd(http: httpx.Client) -> None:
    for key in ("x" * 5000, "é", ""):
        asked = {"prompt": "x", "num_inference_steps": 2}
        answer = http.post(
            "/v1/images/generations",
            json=asked,
            headers=[(b"Idempotency-Key", key.encode("latin-1"))],
        )
        assert answer.status_code in (200, 400), answer.text
