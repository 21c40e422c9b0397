"""What `deploy/` says about the server is so: options, paths, metrics."""

import configparser
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("fastapi")

from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient
from typer.main import get_command

from kakusan.cli import app
from tests.server.fakes import HOST, TOKEN, served

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
PROMETHEUS_OWN = {"up"}  # what it makes of each server by itself
WORDS = {"and", "or", "on", "by", "sum", "min", "max", "rate", "increase", "histogram_quantile"}


def unit() -> configparser.ConfigParser:
    found = configparser.ConfigParser(interpolation=None, delimiters=("=",))
    found.optionxform = str  # type: ignore[assignment, method-assign]
    found.read_string((DEPLOY / "kakusan-serve.service").read_text(encoding="utf-8"))
    return found


def instructions() -> list[tuple[str, str]]:
    """Of the Containerfile: each word and what follows, on one line."""
    text = (DEPLOY / "Containerfile").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    pairs = [line.split(None, 1) for line in joined.splitlines() if line.strip()]
    return [(pair[0], pair[1]) for pair in pairs]


def only(word: str) -> str:
    (found,) = [rest for each, rest in instructions() if each == word]
    return found


def served_by_unit() -> list[str]:
    words = shlex.split(unit()["Service"]["ExecStart"])
    assert words[0].endswith("/kakusan")
    assert words[-1] == "$KAKUSAN_OPTIONS"
    return words[1:-1]


def served_by_container() -> list[str]:
    words: list[str] = json.loads(only("ENTRYPOINT"))
    assert words[0] == "kakusan"
    return words[1:]


COMMANDS = [served_by_unit, served_by_container]


def parsed(words: list[str]) -> dict[str, Any]:
    """What the command line makes of words; it raises where it does not know one."""
    command: Any = get_command(app)
    assert words[0] == "serve"
    return command.commands["serve"].make_context("serve", words[1:]).params


@pytest.mark.parametrize("command", COMMANDS)
def test_options_are_the_commands_own(command: Any) -> None:
    found = parsed(command())
    assert found["token_file"]
    assert not found["no_token"]
    assert found["log_format"] == "json"
    assert found["open_page"] is False


def test_unit_drains_and_is_confined() -> None:
    service = unit()["Service"]
    found = parsed(served_by_unit())
    assert found["drain"] < float(service["TimeoutStopSec"])
    assert service["KillSignal"] == "SIGTERM"
    assert service["NoNewPrivileges"] == "yes"
    assert service["ProtectSystem"] == "strict"
    assert service["User"] not in ("", "root")
    assert str(found["data"]) == f"/var/lib/{service['StateDirectory']}"
    assert str(found["data"]) in service["ReadWritePaths"].split()
    name = service["LoadCredential"].partition(":")[0]
    assert str(found["token_file"]) == f"${{CREDENTIALS_DIRECTORY}}/{name}"
    user = (DEPLOY / "kakusan.sysusers.conf").read_text(encoding="utf-8")
    assert f"\nu {service['User']} " in user


def test_container_is_built_of_what_is_there() -> None:
    copied = [rest.split() for word, rest in instructions() if word == "COPY"]
    sources = [name for each in copied if "--from=build" not in each for name in each[:-1]]
    assert sources
    assert [name for name in sources if not (ROOT / name).exists()] == []
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert "kakusan" in project["scripts"]
    runs = " ".join(rest for word, rest in instructions() if word == "RUN")
    (extras,) = re.findall(r'"\.\[(.*?)\]"', runs)
    assert set(extras.split(",")) <= set(project["optional-dependencies"])
    needed = {*project["license-files"], *(path.name for path in ROOT.glob("hatch_*.py"))}
    assert {*needed, "README.md"} <= {*sources, *found_below(sources)}


def found_below(folders: list[str]) -> Iterator[str]:
    for name in folders:
        for path in (ROOT / name).rglob("LICENSE"):
            yield path.relative_to(ROOT).as_posix()


def test_container_has_no_fault_that_hadolint_knows() -> None:
    folders = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    hadolint = shutil.which("hadolint", path=folders)
    if hadolint is None:
        pytest.skip("hadolint is not installed")
    command = [hadolint, "--no-color", str(DEPLOY / "Containerfile")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize(
    ("device", "code", "options"),
    [
        ("cpu", 0, "--index-url https://download.pytorch.org/whl/cpu torch"),
        ("cuda", 0, "torch"),
        ("rocm", 1, None),
    ],
)
def test_container_takes_torch_for_its_device(
    tmp_path: Path, device: str, code: int, options: str | None
) -> None:
    """The step itself, with programs that only say what they are asked."""
    (step,) = [rest for word, rest in instructions() if word == "RUN" and "case" in rest]
    (tmp_path / "pip").write_text('#!/bin/sh\necho "$@"\n', encoding="ascii")
    (tmp_path / "pip").chmod(0o755)
    script = step.replace("/opt/kakusan/bin/pip", str(tmp_path / "pip"))
    script = script.replace("python -m venv /opt/kakusan", ":")
    done = subprocess.run(
        ["sh", "-c", script],
        env=os.environ | {"DEVICE": device},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code
    if options is None:
        assert done.stderr == "DEVICE is rocm; build with cpu or cuda\n"
    else:
        assert done.stdout == (f"install --no-cache-dir --constraint constraints.txt {options}\n")
    devices = [rest for word, rest in instructions() if word == "ARG"]
    assert devices == ["DEVICE=cpu", "DEVICE=cpu"]


def test_container_runs_as_nobody_and_has_no_token() -> None:
    found = parsed(served_by_container())
    assert only("USER").split(":")[0] not in ("root", "0")
    assert only("VOLUME") == str(found["data"])
    assert int(only("EXPOSE")) == found["port"]
    assert found["drain"] < 10  # seconds after which podman and docker kill
    assert str(found["token_file"]).startswith("/run/secrets/")
    assert not [rest for word, rest in instructions() if word in ("ENV", "ARG") and "TOKEN" in rest]


def test_container_serves_is_healthy_and_drains(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(f"{TOKEN}\n", encoding="ascii")
    words = served_by_container()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    for name, value in (("--port", port), ("--data", str(tmp_path)), ("--token-file", str(token))):
        words[words.index(name) + 1] = value
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    process = subprocess.Popen(
        [sys.executable, "-m", "kakusan", *words, "--keep-free", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("kakusan is at ")
        assert TOKEN not in line
        check: list[str] = json.loads(only("HEALTHCHECK").partition("CMD")[2])
        assert check[0] == "python"
        check = [sys.executable, *[each.replace("7860", port) for each in check[1:]]]
        assert subprocess.run(check, timeout=60).returncode == 0
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        gone = subprocess.run(check, timeout=60, stderr=subprocess.DEVNULL)
        assert gone.returncode != 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        assert process.stdout is not None
        process.stdout.close()


def alerts() -> list[dict[str, Any]]:
    told = yaml.safe_load((DEPLOY / "alerts.yml").read_text(encoding="utf-8"))
    return [rule for group in told["groups"] for rule in group["rules"]]


def board() -> dict[str, Any]:
    return json.loads((DEPLOY / "grafana.json").read_text(encoding="utf-8"))


def expressions() -> list[str]:
    targets = [target for panel in board()["panels"] for target in panel["targets"]]
    return [each["expr"] for each in (*alerts(), *targets)]


def names_and_labels(expression: str) -> tuple[set[str], set[str]]:
    """The metrics and the labels that an expression of Prometheus names."""
    bare = re.sub(r'"[^"]*"|\[[^\]]*\]', "", expression)
    labels = set(re.findall(r"([a-z_]+)\s*(?:=~|!=|!~|=(?!=))", bare))
    for group in re.findall(r"\b(?:by|on)\s*\(([^)]*)\)", bare):
        labels |= {each.strip() for each in group.split(",")}
    bare = re.sub(r"\{[^}]*\}|\b(?:by|on)\s*\([^)]*\)", "", bare)
    return set(re.findall(r"[a-zA-Z_:][\w:]*", bare)) - WORDS, labels


def test_names_and_labels_are_found() -> None:
    found = names_and_labels('sum by (le, code) (rate(a_total{x=~"y"}[5m])) / b{z="1"} == 0 or up')
    assert found == ({"a_total", "b", "up"}, {"le", "code", "x", "z"})


def test_every_expression_names_what_the_server_exports(tmp_path: Path) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    job = {"prompt": "a", "num_inference_steps": 1}
    with (
        served(tmp_path) as server,
        TestClient(server.app, base_url=f"http://{HOST}", headers=headers) as client,
    ):
        id = client.post("/v1/jobs", json=job).json()["id"]
        with client.stream("GET", f"/v1/jobs/{id}/events") as stream:
            assert "event: done" in list(stream.iter_lines())
        for _ in range(100):
            text = client.get("/metrics").text
            if "kakusan_jobs_total{" in text:
                break
    exported, labels = set[str](), {"instance", "job"}
    for family in text_string_to_metric_families(text):
        endings = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}
        exported |= {f"{family.name}{end}" for end in endings.get(family.type, [""])}
        labels |= {label for sample in family.samples for label in sample.labels}
    assert len(expressions()) > 15
    for expression in expressions():
        names, named = names_and_labels(expression)
        assert names, expression
        assert names <= exported | PROMETHEUS_OWN, expression
        assert named <= labels, expression


def test_alerts_are_three_and_say_what_to_do() -> None:
    found = {rule["alert"]: rule for rule in alerts()}
    assert set(found) == {"KakusanOldestWaits", "KakusanJobsFail", "KakusanNotReady"}
    for rule in found.values():
        assert rule["for"]
        assert set(rule["annotations"]) == {"summary", "description"}


def test_board_is_whole() -> None:
    told = board()
    assert len({panel["id"] for panel in told["panels"]}) == len(told["panels"])
    assert {each["name"] for each in told["templating"]["list"]} == {"source", "instance"}
    cells = [
        (panel["gridPos"]["x"] + dx, panel["gridPos"]["y"] + dy)
        for panel in told["panels"]
        for dx in range(panel["gridPos"]["w"])
        for dy in range(panel["gridPos"]["h"])
    ]
    assert len(set(cells)) == len(cells)  # no panel lies on another
    assert max(x for x, _ in cells) < 24
