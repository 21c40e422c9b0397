"""Several callers of one server, each with a token: nobody sees or stops what is another's."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import webuiapi
from sd_backend_client.api.a1111_webservice import A1111Webservice

from kakusan.server.queue.job import State
from tests.server.dialects.a1111.serving import Served, serving
from tests.server.dialects.a1111.test_webuiapi import wait_until

TOKENS = {"ann": "a-long-token-of-ann", "bob": "a-long-token-of-bob"}
LONG: dict[str, Any] = {"prompt": "a cat", "steps": 900, "width": 256, "height": 256}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder: Path = tmp_path_factory.mktemp("callers")
    with serving(folder, TOKENS) as found:
        yield found


def client(shared: Served, name: str) -> httpx.Client:
    return httpx.Client(base_url=shared.url, auth=("user", TOKENS[name]), timeout=60)


@pytest.mark.parametrize("headers", [{}, {"Authorization": ""}, {"Authorization": "Basic eDp5"}])
def test_strangers_are_turned_away(shared: Served, headers: dict[str, str]) -> None:
    for path in ("sdapi/v1/options", "sdapi/v1/progress", "internal/pending-tasks"):
        assert httpx.get(f"{shared.url}/{path}", headers=headers).status_code == 401
    for path in ("sdapi/v1/txt2img", "sdapi/v1/interrupt", "controlnet/detect"):
        assert httpx.post(f"{shared.url}/{path}", headers=headers).status_code == 401


def test_clients_show_their_token_as_a_password(shared: Served) -> None:
    api = webuiapi.WebUIApi(port=shared.port, username="user", password=TOKENS["ann"])
    assert api.txt2img(prompt="a cat", steps=1, width=64, height=64).image.size == (64, 64)
    api.session.close()
    found = A1111Webservice(shared.url, credentials_provider=lambda: ("user", TOKENS["bob"]))
    assert found.list_samplers()
    found.disconnect()


def test_settings_are_each_callers_own(shared: Served) -> None:
    with client(shared, "ann") as ann, client(shared, "bob") as bob:
        ann.post("/sdapi/v1/options", json={"CLIP_stop_at_last_layers": 2})
        mine, others = (each.get("/sdapi/v1/options").json() for each in (ann, bob))
    assert (mine["CLIP_stop_at_last_layers"], others["CLIP_stop_at_last_layers"]) == (2, 1)


def test_progress_and_interrupt_are_each_callers_own(shared: Served) -> None:
    answers: list[httpx.Response] = []

    def ask() -> None:
        with client(shared, "ann") as ann:
            answers.append(ann.post("/sdapi/v1/txt2img", json=LONG))

    thread = threading.Thread(target=ask)
    thread.start()
    with client(shared, "ann") as ann, client(shared, "bob") as bob:
        wait_until(lambda: shared.jobs(State.RUNNING))
        assert bob.get("/sdapi/v1/progress").json()["state"]["job_count"] == 0
        assert ann.get("/sdapi/v1/progress").json()["state"]["job_count"] == 1
        assert bob.post("/sdapi/v1/interrupt").json() == {}
        assert shared.jobs(State.RUNNING)
        ann.post("/sdapi/v1/interrupt")
        thread.join(60)
    assert answers[0].status_code == 200
