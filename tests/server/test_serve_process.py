"""The command itself, in a process of its own: from its first line to its end by a signal."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

pytest.importorskip("fastapi")

ROOT = Path(__file__).parents[2]
PYTHONPATH = os.pathsep.join((str(ROOT / "src"), str(ROOT)))
MODULE = ("-m", "kakusan")
# As on Windows, whose event loop takes no signals
WITHOUT_SIGNALS = """
import asyncio, sys
from kakusan.cli import main

def refuse(*_):
    raise NotImplementedError

asyncio.SelectorEventLoop.add_signal_handler = refuse
sys.exit(main())
"""


class Process:
    """A `kakusan serve`, and a client with its token."""

    def __init__(self, data: Path, *more: str, program: tuple[str, ...] = MODULE) -> None:
        command = [sys.executable, *program, "serve", "--port", "0", "--data", str(data)]
        environment = {**os.environ, "PYTHONPATH": PYTHONPATH}
        self.log = data.with_name(f"{data.name}.log").open("a+")
        self.process = subprocess.Popen(
            [*command, "--keep-free", "0", *more],
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
            env=environment,
            cwd=data.parent,
        )
        assert self.process.stdout is not None
        self.line = self.process.stdout.readline()
        if not self.line:
            self.process.wait(10)
            self.log.seek(0)
            raise AssertionError(self.log.read())
        self.address = self.line.split()[3]
        token = self.line.strip().partition("#token=")[2]
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.client = httpx.Client(base_url=self.address, headers=headers, timeout=60)

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(60)

    def finished(self, id: str) -> dict[str, Any]:
        for _ in range(600):
            job = self.client.get(f"/v1/jobs/{id}").json()
            if job["state"] in ("done", "failed", "cancelled"):
                return job
            time.sleep(0.1)
        raise AssertionError("the job did not end")


@contextmanager
def process(data: Path, *more: str, program: tuple[str, ...] = MODULE) -> Generator[Process]:
    found = Process(data, *more, program=program)
    try:
        yield found
    finally:
        if found.process.poll() is None:
            found.process.kill()
            found.process.wait()
        assert found.process.stdout is not None
        found.process.stdout.close()
        found.client.close()
        found.log.close()


JOB = {"prompt": "a red cat", "num_inference_steps": 3, "seed": 5, "width": 64, "height": 64}


def test_job_goes_through_and_the_signal_drains(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with process(data) as server:
        assert server.line.startswith("kakusan is at http://127.0.0.1:")
        assert stat.S_IMODE((data / "token").stat().st_mode) == 0o600
        bare = httpx.get(f"{server.address}/v1/jobs")
        assert bare.status_code == 401
        id = server.client.post("/v1/jobs", json=JOB).json()["id"]
        kinds = list[str]()
        with server.client.stream("GET", f"/v1/jobs/{id}/events") as stream:
            for line in stream.iter_lines():
                if line.startswith("event: "):
                    kinds.append(line.removeprefix("event: "))
        assert kinds[0] == "queued"
        assert kinds[-1] == "done"
        assert "picture" in kinds
        job = server.client.get(f"/v1/jobs/{id}").json()
        picture = server.client.get(job["pictures"][0]["url"])
        assert picture.content.startswith(b"\x89PNG")
        told = server.client.post("/v1/read", content=picture.content).json()
        assert told["settings"]["prompt"] == JOB["prompt"]
        assert "kakusan_jobs_total" in server.client.get("/metrics").text
        assert server.end() == 0


def test_killed_server_goes_on_with_what_it_took(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with process(data) as server:
        jobs = [
            server.client.post("/v1/jobs", json={**JOB, "seed": seed}).json()["id"]
            for seed in range(5)
        ]
        server.end(signal.SIGKILL)
    with process(data) as server:
        ended = [server.finished(id) for id in jobs]
        assert [each["state"] for each in ended] == ["done"] * 5
        assert [len(each["pictures"]) for each in ended] == [1] * 5
        assert server.end(signal.SIGINT) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_drains_where_the_loop_takes_none(tmp_path: Path, number: int) -> None:
    with process(tmp_path / "data", program=("-c", WITHOUT_SIGNALS)) as server:
        id = server.client.post("/v1/jobs", json=JOB).json()["id"]
        assert server.finished(id)["state"] == "done"
        assert server.end(number) == 0
        server.log.seek(0)
        assert "Traceback" not in server.log.read()


def test_second_signal_ends_at_once(tmp_path: Path) -> None:
    with process(tmp_path / "data", "--drain", "60") as server:
        server.client.post("/v1/jobs", json={**JOB, "num_inference_steps": 1000})
        server.process.send_signal(signal.SIGTERM)
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(10) in (0, 128 + signal.SIGINT, 128 + signal.SIGTERM)


def test_port_in_use_is_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        found = _run("--port", str(port), "--data", str(tmp_path / "data"))
    assert found.returncode == 2
    assert found.stderr.count("\n") == 1
    assert f"127.0.0.1:{port}" in found.stderr


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--host", "0.0.0.0"), "--token-file"),
        (("--host", "0.0.0.0", "--no-token"), "--no-token is for this machine alone"),
        (("--no-token", "--token-file", "x"), "give one of them"),
        (("--token-file", "nowhere"), "cannot be read"),
        (("--model", "/no/such/model"), "there is no model"),
        (("--log-format", "xml"), "text or json"),
    ],
)
def test_bad_option_is_one_line(tmp_path: Path, options: tuple[str, ...], says: str) -> None:
    found = _run("--port", "0", "--data", str(tmp_path / "data"), *options)
    assert found.returncode == 2
    assert found.stderr.count("\n") == 1
    assert says in found.stderr


def test_log_is_json_without_prompts(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with process(data, "--log-format", "json", "--no-token") as server:
        id = server.client.post("/v1/jobs", json={**JOB, "prompt": "secret words"}).json()["id"]
        server.finished(id)
        server.end()
        server.log.seek(0)
        lines = server.log.read().splitlines()
    told = [json.loads(line) for line in lines]
    assert any(each.get("status") == 202 and each["event"] == "POST /v1/jobs" for each in told)
    assert not [line for line in lines if "secret words" in line]


def _run(*options: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": PYTHONPATH}
    command = [sys.executable, "-m", "kakusan", "serve", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
