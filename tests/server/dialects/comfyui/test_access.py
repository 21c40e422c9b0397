"""Tokens, Host and Origin, on every route and on the WebSocket."""

import base64
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
import requests
from starlette.routing import Route
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from kakusan.server.dialects.comfyui.routes import Routes
from tests.server.dialects.comfyui.graphs import DEFAULT
from tests.server.dialects.comfyui.serving import TOKEN, Client, Serving, pretending

BASIC = base64.b64encode(f"anyone:{TOKEN}".encode()).decode()


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Generator[Serving]:
    with pretending(Path(tmp_path_factory.mktemp("served")), {"local": TOKEN}) as (found, _):
        yield found


def paths() -> list[tuple[str, str]]:
    routes: list[Any] = Routes.__new__(Routes).all("") + Routes.__new__(Routes).all("/api")
    return [
        (method, each.path.replace("{name:path}", "x").replace("{", "").replace("}", ""))
        for each in routes
        if isinstance(each, Route)
        for method in each.methods - {"HEAD"}
    ]


@pytest.mark.parametrize(("method", "path"), paths())
def test_every_route_needs_a_token(serving: Serving, method: str, path: str) -> None:
    url = f"{serving.url}{path}"
    for headers in (
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer None"},
        {"Authorization": "Basic x"},
    ):
        assert requests.request(method, url, headers=headers).status_code == 401
    for said in (f"Bearer {TOKEN}", f"Basic {BASIC}"):
        answer = requests.request(method, url, headers={"Authorization": said})
        assert answer.status_code not in (401, 403)


@pytest.mark.parametrize(("method", "path"), paths())
def test_pages_of_other_sites_cannot_ask(serving: Serving, method: str, path: str) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}", "Origin": "https://evil.example"}
    foreign = requests.request(method, f"{serving.url}{path}", headers=headers)
    assert (foreign.status_code == 403) == (method == "POST")
    assert "access-control-allow-origin" not in foreign.headers
    del headers["Origin"]
    headers["Host"] = "evil.example"
    assert requests.request(method, f"{serving.url}{path}", headers=headers).status_code == 421


def test_an_own_page_can_ask(serving: Serving) -> None:
    client = Client(serving, TOKEN)
    client.session.headers["Origin"] = serving.url
    assert client.submit(DEFAULT)


@pytest.mark.parametrize("prefix", ["", "/api"])
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": f"Bearer {TOKEN}", "Origin": "https://evil.example"}, 403),
        ({"Authorization": f"Bearer {TOKEN}", "Host": "evil.example"}, 421),
        ({"Authorization": f"Bearer {TOKEN}"}, None),
        ({"Authorization": f"Basic {BASIC}"}, None),
    ],
)
def test_the_upgrade_needs_them_too(
    serving: Serving, prefix: str, headers: dict[str, str], status: int | None
) -> None:
    url = f"ws://{serving.host}{prefix}/ws?clientId=me"
    if "Host" in headers:
        named = requests.get(
            f"http://{serving.host}{prefix}/ws",
            headers={
                **headers,
                "Connection": "Upgrade",
                "Upgrade": "websocket",
                "Sec-WebSocket-Version": "13",
                "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
            },
        )
        assert named.status_code == 421
        return
    if status is None:
        with connect(url, additional_headers=headers) as socket:
            assert socket.recv(timeout=10)
        return
    with pytest.raises(InvalidStatus) as caught:
        connect(url, additional_headers=headers)
    assert caught.value.response.status_code == status


def test_a_token_in_the_address(serving: Serving) -> None:
    answer = requests.get(f"http://anyone:{TOKEN}@{serving.host}/queue")
    assert answer.status_code == 200
    with connect(f"ws://anyone:{TOKEN}@{serving.host}/ws") as socket:
        assert socket.recv(timeout=10)


def test_empty_headers_where_no_token_is_needed(tmp_path: Path) -> None:
    with pretending(tmp_path) as (open_to_all, _):
        for said in ("", "Bearer None", "Basic x"):
            answer = requests.get(f"{open_to_all.url}/queue", headers={"Authorization": said})
            assert answer.status_code == 200


def test_refusals_are_said_as_its_clients_read_them(serving: Serving) -> None:
    refused = requests.post(f"{serving.url}/prompt", json={})
    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"] == "Bearer"
    found = refused.json()
    assert found["node_errors"] == {}
    assert found["error"].keys() == {"type", "message", "details", "extra_info"}
    headers = {"Authorization": f"Bearer {TOKEN}"}
    nothing = requests.get(f"{serving.url}/nothing", headers=headers)
    assert nothing.status_code == 404
    assert nothing.json()["error"]["type"] == "unknown_address"
