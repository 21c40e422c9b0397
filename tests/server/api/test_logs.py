"""The log says what happens, and prompts only where whoever runs the server wants that."""

import json
import time
import warnings
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi")

from starlette.testclient import TestClient

from kakusan.server.logs import logged
from kakusan.text.tokenizer import PromptCutWarning
from tests.server.fakes import HOST, TOKEN, served

SECRET = "a violet\nheron"
CUT = "the prompt has 90 tokens, 75 are used; cut off: 'a violet heron'"


def lines(folder: Path, capsys: Any, **how: Any) -> list[str]:
    """What is logged of a job, and of a prompt that is too long."""
    with (
        logged(**how),
        served(folder) as server,
        TestClient(server.app, base_url=f"http://{HOST}") as client,
    ):
        headers = {"Authorization": f"Bearer {TOKEN}"}
        asked = {"prompt": SECRET, "negative_prompt": SECRET}
        assert client.post("/v1/jobs", json=asked, headers=headers).status_code == 202
        warnings.simplefilter("always")
        warnings.warn(CUT, PromptCutWarning, stacklevel=1)
        told = ""
        deadline = time.monotonic() + 20
        while " done" not in told and time.monotonic() < deadline:
            time.sleep(0.02)
            told += capsys.readouterr().err
    return (told + capsys.readouterr().err).splitlines()


@pytest.mark.parametrize("kind", ["text", "json"])
def test_prompts_are_not_in_the_log(tmp_path: Path, capsys: Any, kind: str) -> None:
    found = lines(tmp_path, capsys, kind=kind)
    assert any("the prompt has 90 tokens, 75 are used" in line for line in found)
    assert any(" done" in line and "job_id" in line for line in found)
    assert not [line for line in found if "violet" in line or "heron" in line]


def test_prompts_are_in_the_log_of_who_wants_them(tmp_path: Path, capsys: Any) -> None:
    found = [json.loads(line) for line in lines(tmp_path, capsys, kind="json", prompts=True)]
    (ended,) = (line for line in found if line["event"].endswith(" done"))
    assert ended["prompt"] == ended["negative_prompt"] == SECRET
    assert ended["job_id"] in ended["event"]
    assert ended["ms"] >= 0
    assert any("'a violet heron'" in line["event"] for line in found)


def test_a_prompt_is_one_line_of_the_text(tmp_path: Path, capsys: Any) -> None:
    found = lines(tmp_path, capsys, kind="text", prompts=True)
    (ended,) = (line for line in found if " done" in line)
    assert "violet" in ended
    assert "heron" in ended
