"""The page's files: what is served and how, and that its texts are whole in every language."""

import json
import re
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

import kakusan
from kakusan.server.api import page

FOLDER = Path(kakusan.__file__).parent / "server" / "page"
SCRIPTS = {path.name: path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*.js"))}
INDEX = (FOLDER / page.INDEX).read_text(encoding="utf-8")
TEXTS = {
    path.stem: json.loads(path.read_text(encoding="utf-8"))
    for path in sorted((FOLDER / "text").glob("*.json"))
}
KEY = re.compile(r"""["'`]([a-z][a-zA-Z_]*(?:\.[a-z0-9_]+)*)["'`]""")
# Keys that are put together of two parts
MADE = {
    *("theme", "size", "syntax", "kind", "resize", "maskContent", "mask", "viewer", "said"),
    *("state", "axis", "grid", "example", "use", "key", "keys", "start", "queue"),
}


@pytest.fixture(scope="module")
def client() -> TestClient:
    app = FastAPI()
    app.include_router(page.router())
    return TestClient(app)


def test_the_page_and_all_that_it_asks_for_are_served(client: TestClient) -> None:
    answer = client.get("/")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    asked = re.findall(r'(?:src|href)="(/page/[^"]+)"', answer.text)
    assert len(asked) >= 8
    for address in asked:
        file = client.get(address)
        assert file.status_code == 200, address
        assert "immutable" in file.headers["cache-control"]
        kind = address.rpartition(".")[2]
        assert file.headers["content-type"] == page.MEDIA_TYPES[kind]


def test_a_page_that_was_loaded_is_not_sent_again(client: TestClient) -> None:
    tag = client.get("/").headers["etag"]
    again = client.get("/", headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    "name",
    ["main.js", "0000000000000000/main.js", "../api/page.py", "%2e%2e/__init__.py", "", "text"],
)
def test_no_other_file_is_served(client: TestClient, name: str) -> None:
    assert client.get(f"/page/{name}").status_code == 404


def test_every_answer_has_a_strict_policy(client: TestClient) -> None:
    script = re.findall(r'src="(/page/[^"]+)"', client.get("/").text)[0]
    for address in ("/", script):
        headers = client.get(address).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "require-trusted-types-for 'script'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"


def test_nothing_is_fetched_from_elsewhere() -> None:
    for name, text in {**SCRIPTS, "index.html": INDEX}.items():
        text = text.replace("http://www.w3.org/2000/svg", "")
        assert "http:" not in text, name
        assert "https:" not in text, name


def test_there_is_no_inline_style_or_script() -> None:
    assert not re.search(r"<style|style=|\son[a-z]+=|<script(?![^>]*src=)", INDEX)


@pytest.mark.parametrize("name", sorted(SCRIPTS))
def test_no_script_reads_markup_or_code(name: str) -> None:
    danger = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function"
    assert not re.search(danger, SCRIPTS[name])


@pytest.mark.parametrize("name", sorted(path.name for path in FOLDER.glob("*.js")))
def test_no_script_is_long(name: str) -> None:
    assert SCRIPTS[name].count("\n") <= 250


def test_every_text_is_there_in_every_language() -> None:
    assert set(TEXTS) == {"en", "ja"}
    assert TEXTS["en"].keys() == TEXTS["ja"].keys()
    for key, text in TEXTS["en"].items():
        names = set(re.findall(r"\{(\w+)\}", text))
        assert names == set(re.findall(r"\{(\w+)\}", TEXTS["ja"][key])), key
        assert text.strip()
        assert TEXTS["ja"][key].strip()


def test_every_text_that_is_asked_for_is_there() -> None:
    code = "\n".join(SCRIPTS.values())
    asked = set(re.findall(r"""\bt\(\s*["']([^"']+)["']""", code))
    asked |= set(re.findall(r'data-t(?:-[a-z]+)?="([^"]+)"', INDEX))
    assert asked <= TEXTS["en"].keys(), asked - TEXTS["en"].keys()


def test_every_text_is_asked_for() -> None:
    named = set(KEY.findall("\n".join([*SCRIPTS.values(), INDEX])))
    spare = {key for key in TEXTS["en"] if key not in named and key.partition(".")[0] not in MADE}
    assert not spare


def test_japanese_is_japanese() -> None:
    names = {"ControlNet", "LoRA"}
    plain = [
        key
        for key, text in TEXTS["ja"].items()
        if text.isascii() and text not in names and not key.startswith("loras.which")
    ]
    assert not plain
