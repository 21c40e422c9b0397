"""How a prompt is read, asked over HTTP."""

from collections.abc import Generator

import pytest

pytest.importorskip("fastapi")

from starlette.testclient import TestClient

from kakusan import StableDiffusionPipeline
from tests.server.fakes import HOST, TOKEN, served


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Generator[TestClient]:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with (
        served(tmp_path_factory.mktemp("data"), works=False) as server,
        TestClient(server.app, base_url=f"http://{HOST}", headers=headers) as found,
    ):
        yield found


def test_words_weights_and_what_is_not_known(client: TestClient) -> None:
    said = {"text": "a (red:1.3) xylophone", "syntax": "webui", "model": "builtin"}
    found = client.get("/v1/tokens", params=said).json()
    assert ["red", 1.3] in found["schedule"][0]["parts"][0]["segments"]
    assert found["room"] == 38
    assert list(found["unknown_words"]) == ["xylophone"]
    (_, red, *_) = StableDiffusionPipeline.from_pretrained("builtin").tokenizer("red").input_ids
    assert found["chunks"][0]["chunks"][0][1] == {"id": red, "text": "red", "weight": 1.3}


@pytest.mark.parametrize("syntax", ["plain", "webui", "comfy", "compel"])
def test_every_syntax_and_long_texts(client: TestClient, syntax: str) -> None:
    said = {"text": "a red apple, " * 30, "syntax": syntax}
    found = client.get("/v1/tokens", params=said).json()
    chunks = found["chunks"][0]["chunks"]
    assert len(found["cut"]) > 0 if len(chunks) == 1 else len(chunks) > 2


@pytest.mark.parametrize("text", ["", "(((", "[a:b", "<lora:x:nan>", "(a:1e999)", "𠮷野家 🐱\x00"])
def test_any_text_can_be_read(client: TestClient, text: str) -> None:
    assert client.get("/v1/tokens", params={"text": text, "syntax": "webui"}).status_code == 200


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({}, "text"),
        ({"text": "a", "syntax": "latex"}, "syntax"),
        ({"text": "a", "steps": 0}, "steps"),
    ],
)
def test_what_cannot_be_is_refused(client: TestClient, said: dict[str, str], field: str) -> None:
    answer = client.get("/v1/tokens", params=said)
    assert (answer.status_code, answer.json()["field"]) == (422, field)


def test_a_model_that_is_not_there(client: TestClient) -> None:
    answer = client.get("/v1/tokens", params={"text": "a", "model": "../../etc/passwd"})
    assert (answer.status_code, answer.json()["type"]) == (422, "unknown_name")
