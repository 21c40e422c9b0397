"""Styles in a file, as the web UI writes them."""

from pathlib import Path

import httpx
import pytest

from kakusan.server.dialects.a1111.styles import FILE, applied, listed, read_styles
from tests.server.dialects.a1111.serving import Served

TEXT = (
    '\ufeffname,prompt,negative_prompt\nOil,"an oil painting, old",photo\nIn,a {prompt} in snow,\n'
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / FILE).write_text(TEXT, encoding="utf-8")
    return tmp_path


def test_styles(folder: Path) -> None:
    styles = read_styles(folder)
    assert listed(styles)[1] == {
        "name": "In",
        "prompt": "a {prompt} in snow",
        "negative_prompt": "",
    }
    assert applied(["Oil"], styles, "cat", "bad") == ("cat, an oil painting, old", "bad, photo", [])
    assert applied(["In", "Oil"], styles, "cat", "") == (
        "a cat in snow, an oil painting, old",
        "photo",
        [],
    )
    assert applied(["none", 5], styles, "cat", "") == ("cat", "", ["styles: none", "styles: 5"])


@pytest.mark.parametrize("data", [b"", b"\xff\xfe\x00", b"a,b\n1,2\n", b"name\n\n,\n", b"\0" * 99])
def test_broken_files(tmp_path: Path, data: bytes) -> None:
    assert read_styles(tmp_path) == []
    (tmp_path / FILE).write_bytes(data)
    assert read_styles(tmp_path) == []


def test_clients_see_and_use_them(served: Served) -> None:
    file = served.data / FILE
    file.write_text(TEXT, encoding="utf-8")
    try:
        found = httpx.get(f"{served.url}/sdapi/v1/prompt-styles").json()
        assert [each["name"] for each in found] == ["Oil", "In"]
        sent = {"prompt": "cat", "styles": ["In", "gone"], "steps": 1, "width": 64, "height": 64}
        answer = httpx.post(f"{served.url}/sdapi/v1/txt2img", json=sent, timeout=60)
    finally:
        file.unlink()
    assert '"prompt": "a cat in snow"' in answer.json()["info"]
    assert answer.headers["X-Kakusan-Ignored"] == "styles: gone"
