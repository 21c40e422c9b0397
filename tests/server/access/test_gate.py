"""Who comes in: every route of the table, Host, Origin, tokens, cookies, bodies."""

import base64
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi")

from starlette.routing import Mount
from starlette.testclient import TestClient

from kakusan.server.access.tokens import Tokens
from kakusan.server.app import PUBLIC, app_of, is_public
from tests.server.fakes import HOST, TOKEN, Served, png, served

A1111 = ("/sdapi/", "/internal/", "/controlnet/")
AUTHORIZED = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    with served(tmp_path_factory.mktemp("data"), works=False, most_bytes=200_000) as found:
        yield found


@pytest.fixture(scope="module")
def client(server: Served) -> Generator[TestClient]:
    with TestClient(server.app, base_url=f"http://{HOST}") as found:
        yield found


def paths(routes: list[Any]) -> Iterator[tuple[str, str]]:
    """Every method and path of the table."""
    for route in routes:
        if isinstance(route, Mount):
            yield from ((m, route.path + p) for m, p in paths(list(route.routes)))
        elif nested := getattr(route, "original_router", None):
            yield from paths(list(nested.routes))
        elif (path := getattr(route, "path", None)) is not None:
            for method in getattr(route, "methods", None) or {"WEBSOCKET"}:
                yield method, path


def test_every_route_needs_a_token(server: Served, client: TestClient) -> None:
    table = list(paths(server.app.routes))
    asked = {path for _, path in table}
    assert {"/v1/jobs", "/v1/events", "/metrics", "/docs", "/openapi.json"} <= asked
    for method, template in table:
        path = template.replace("{", "").replace("}", "")
        if is_public(path):
            if path.startswith("/files/"):  # signed links, and this one is not
                assert client.request(method, path).status_code in (401, 403, 404)
            else:
                assert path in PUBLIC or path.startswith("/page/")
            continue
        assert method != "WEBSOCKET", "the test has to open it"
        answer = client.request(method, path)
        assert answer.status_code == 401, (method, path)
        scheme = "Basic" if path.startswith(A1111) else "Bearer"
        assert answer.headers["www-authenticate"].split()[0] == scheme


@pytest.mark.parametrize(
    "header",
    [
        "Bearer wrong",
        f"Bearer {TOKEN[:-1]}",
        f"Bearer {TOKEN}x",
        TOKEN,
        "Basic ???",
        f"Basic {base64.b64encode(TOKEN.encode()).decode()}",
        "Bearer é",
        "Bearer ",
    ],
)
def test_another_token_is_none(client: TestClient, header: str) -> None:
    answer = client.get("/v1/jobs", headers={"Authorization": header.encode()})
    assert answer.status_code == 401
    assert TOKEN not in answer.text


def test_token_comes_as_bearer_basic_or_cookie(client: TestClient) -> None:
    assert client.get("/v1/jobs", headers=AUTHORIZED).status_code == 200
    basic = base64.b64encode(f"any:{TOKEN}".encode()).decode()
    assert client.get("/v1/jobs", headers={"Authorization": f"Basic {basic}"}).status_code == 200
    answer = client.post("/session", json={"token": TOKEN})
    assert answer.status_code == 200
    cookie = answer.headers["set-cookie"]
    client.cookies.clear()
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.casefold()
    assert TOKEN not in cookie
    name, _, value = cookie.partition(";")[0].partition("=")
    assert name.startswith("kakusan_")
    told = {"Cookie": f"{name}={value}", "Authorization": ""}
    assert client.get("/v1/jobs", headers=told).status_code == 200
    other = {"Cookie": f"{name}={value[:-1]}"}
    assert client.get("/v1/jobs", headers=other).status_code == 401


def test_wrong_token_gets_no_session(client: TestClient) -> None:
    answer = client.post("/session", json={"token": "another"})
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers
    assert client.post("/session", json={"token": 5}).status_code == 422
    assert client.post("/session", json=[]).status_code == 422


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:7860", 200),
        ("localhost:1", 200),
        ("LOCALHOST", 200),
        ("[::1]:7860", 200),
        ("127.0.0.1:7860.evil.example", 421),
        ("evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("192.168.1.2:7860", 421),
        ("user@localhost", 421),
        ("localhost, evil.example", 421),
        ("[::1", 421),
    ],
)
def test_only_its_own_names_are_served(client: TestClient, host: str, status: int) -> None:
    assert client.get("/v1/jobs", headers={**AUTHORIZED, "Host": host}).status_code == status


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (None, 422),
        ("http://127.0.0.1:7860", 422),
        ("http://127.0.0.1:7861", 403),
        ("http://localhost:7860", 403),
        ("https://evil.example", 403),
        ("null", 403),
        ("", 403),
        ("file://", 403),
    ],
)
def test_foreign_pages_change_nothing(client: TestClient, origin: str | None, status: int) -> None:
    headers = AUTHORIZED if origin is None else {**AUTHORIZED, "Origin": origin}
    assert client.post("/v1/jobs", json={}, headers=headers).status_code == status


def test_cross_site_is_refused_but_for_a_link(client: TestClient) -> None:
    foreign = {**AUTHORIZED, "Sec-Fetch-Site": "cross-site"}
    assert client.get("/v1/jobs", headers=foreign).status_code == 403
    link = {**foreign, "Sec-Fetch-Mode": "navigate"}
    assert client.get("/v1/jobs", headers=link).status_code == 403
    assert client.get("/", headers=link).status_code in (200, 404)


def test_no_answer_lets_other_origins_read_it(client: TestClient) -> None:
    for path in ("/v1/jobs", "/healthz", "/nowhere"):
        answer = client.get(path, headers={**AUTHORIZED, "Origin": "https://evil.example"})
        assert not [name for name in answer.headers if name.startswith("access-control")]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"


def test_large_bodies_are_refused_whether_they_say_so_or_not(client: TestClient) -> None:
    said = client.post("/v1/inputs", content=b"x" * 200_001, headers=AUTHORIZED)
    assert said.status_code == 413

    def pieces() -> Iterator[bytes]:
        for _ in range(30):
            yield b"x" * 10_000

    assert client.post("/v1/inputs", content=pieces(), headers=AUTHORIZED).status_code == 413


def test_compressed_bodies_are_refused(client: TestClient) -> None:
    headers = {**AUTHORIZED, "Content-Encoding": "gzip"}
    assert client.post("/v1/inputs", content=b"x", headers=headers).status_code == 415


@pytest.mark.parametrize(
    "body",
    [
        b'{"prompt": "a", "eta": NaN}',
        b'{"prompt": "a", "eta": Infinity}',
        b'{"prompt": "a", "eta": 1e999}',
        b'{"prompt": "\\ud800"}',
        b'{"prompt": "a", "prompt": "b"}',
        b'{"prompt": "\xff"}',
        b"[" * 40 + b"]" * 40,
        b"[" * 100_000,
        b'{"seed": ' + b"9" * 5000 + b"}",
        b"{",
        b"[]",
        b"null",
    ],
)
def test_strange_json_is_one_short_line(client: TestClient, body: bytes) -> None:
    headers = {**AUTHORIZED, "Content-Type": "application/json"}
    answer = client.post("/v1/jobs", content=body, headers=headers)
    assert answer.status_code == 422
    assert len(answer.content) < 2000
    assert set(answer.json()) <= {"type", "title", "detail", "field"}


def test_json_must_be_called_so(client: TestClient) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded"):
        headers = {**AUTHORIZED, "Content-Type": kind}
        answer = client.post("/v1/jobs", content=b'{"prompt": "a"}', headers=headers)
        assert answer.status_code == 415, kind


def test_forms_have_one_file(client: TestClient) -> None:
    for number in (2, 9):
        several = [("file", ("a.png", png())) for _ in range(number)]
        answer = client.post("/v1/inputs", files=several, headers=AUTHORIZED)
        assert answer.status_code in (400, 422)
    name = "../" * 50 + "x" * 5000
    kept = client.post("/v1/inputs", files={"file": (name, png())}, headers=AUTHORIZED)
    assert kept.status_code == 400
    name = "../" * 20
    kept = client.post("/v1/inputs", files={"file": (name, png())}, headers=AUTHORIZED)
    assert kept.status_code == 201


def test_request_ids_come_back_where_they_are_plain(client: TestClient) -> None:
    good = client.get("/healthz", headers={"X-Request-Id": "abc-1"})
    assert good.headers["x-request-id"] == "abc-1"
    bad = client.get("/healthz", headers={"X-Request-Id": "a b"})
    assert bad.headers["x-request-id"] != "a b"


def test_callers_see_their_own_jobs_alone(tmp_path: Path) -> None:
    with served(tmp_path, works=False) as found:
        tokens = Tokens({"ann": "token-of-ann", "bob": "token-of-bob"})
        with TestClient(app_of(found.service, tokens), base_url=f"http://{HOST}") as client:
            ann = {"Authorization": "Bearer token-of-ann"}
            bob = {"Authorization": "Bearer token-of-bob"}
            id = client.post("/v1/jobs", json={"prompt": "a"}, headers=ann).json()["id"]
            assert client.get(f"/v1/jobs/{id}", headers=ann).status_code == 200
            for method in ("GET", "DELETE"):
                assert client.request(method, f"/v1/jobs/{id}", headers=bob).status_code == 404
            change = client.patch(f"/v1/jobs/{id}", json={"stop": "cancel"}, headers=bob)
            assert change.status_code == 404
            assert client.get(f"/v1/jobs/{id}/events", headers=bob).status_code == 404
            assert client.get("/v1/jobs", headers=bob).json()["jobs"] == []


def test_without_tokens_everybody_is_local(tmp_path: Path) -> None:
    with (
        served(tmp_path, works=False, token=None) as found,
        TestClient(found.app, base_url=f"http://{HOST}") as client,
    ):
        assert client.get("/v1/jobs").status_code == 200
        assert client.get("/v1/jobs", headers={"Authorization": "Bearer x"}).status_code == 200


def test_each_api_says_in_its_way_that_a_token_is_needed(client: TestClient) -> None:
    a1111 = client.post("/sdapi/v1/txt2img", json={}, auth=("user", "wrong"))
    assert a1111.status_code == 401
    assert a1111.headers["www-authenticate"].startswith('Basic realm="')
    assert a1111.json()["detail"] == "Incorrect username or password"
    openai = client.post("/v1/images/generations", json={}, headers={"Authorization": "Bearer no"})
    assert openai.status_code == 401
    assert openai.headers["content-type"] == "application/json"
    error = openai.json()["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert (error["type"], error["param"]) == ("invalid_request_error", None)
    assert error["code"] == "invalid_api_key"
    own = client.get("/v1/jobs")
    assert own.headers["content-type"] == "application/problem+json"
    assert own.json()["type"] == "no_token"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Authorization": "Bearer no"}, 401),
        ({**AUTHORIZED, "Origin": "https://evil.example"}, 403),
        ({**AUTHORIZED, "Host": "evil.example"}, 421),
        ({**AUTHORIZED, "Content-Encoding": "gzip"}, 415),
        ({**AUTHORIZED, "Content-Length": "999999999"}, 413),
    ],
)
def test_what_is_refused_is_said_as_its_callers_read_it(
    client: TestClient, headers: dict[str, str], status: int
) -> None:
    for path in ("/sdapi/v1/txt2img", "/internal/progress", "/controlnet/detect"):
        found = _refused(client, path, headers, status)
        assert found.keys() == {"error", "detail", "body", "errors"}
        assert found["detail"]
        assert found["errors"]
    error = _refused(client, "/v1/images/edits", headers, status)["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    both = _refused(client, "/v1/models", headers, status)
    assert both["detail"]
    assert both["error"]["message"]
    assert list(_refused(client, "/api/generate", headers, status)) == ["error"]
    assert isinstance(_refused(client, "/api/generate", headers, status)["error"], str)
    assert _refused(client, "/v1/jobs", headers, status).keys() == {"type", "title", "detail"}


def _refused(client: TestClient, path: str, headers: dict[str, str], status: int) -> dict[str, Any]:
    answer = client.post(path, content=b"{}", headers=headers)
    assert answer.status_code == status, path
    return answer.json()


@pytest.mark.parametrize("path", ["/sdapi/v1/nothing", "/v1/images/nothing", "/api/nothing"])
def test_addresses_that_are_not_there_are_said_so_too(client: TestClient, path: str) -> None:
    answer = client.get(path, headers=AUTHORIZED)
    assert answer.status_code == 404
    assert "error" in answer.json()
    assert answer.headers["content-type"] == "application/json"
