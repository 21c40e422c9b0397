"""The job files of clusters: each task asks for its own part, and all parts are asked for."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from kakusan.cli import main
from kakusan.cli.exits import USAGE
from kakusan.cli.server_options import DATABASE

ROOT = Path(__file__).parents[2]
SLURM, KUBERNETES = ROOT / "deploy" / "batch.slurm", ROOT / "deploy" / "batch-job.yaml"
WORKERS = ROOT / "deploy" / "worker.yaml"


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Of programs: a kakusan that only says what it is asked, and those of the system."""
    (tmp_path / "kakusan").write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n', encoding="ascii")
    (tmp_path / "kakusan").chmod(0o755)
    return f"{tmp_path}:{os.environ['PATH']}"


def said(*command: str, **environment: str) -> list[str]:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_a_task_of_slurm_draws_its_part(path: str) -> None:
    (last,) = re.findall(r"^#SBATCH --array=0-(\d+)$", SLURM.read_text(encoding="utf-8"), re.M)
    count = int(last) + 1
    for index in range(count):
        told = {"SLURM_ARRAY_TASK_ID": str(index), "SLURM_ARRAY_TASK_COUNT": str(count)}
        found = said("bash", str(SLURM), "my prompts.csv", "out", PATH=path, **told)
        part = ["-o", f"out/{index}", "--shard", f"{index}/{count}"]
        assert found == ["batch", "my prompts.csv", *part]


def test_a_pod_draws_its_part(path: str) -> None:
    job: Any = yaml.safe_load(KUBERNETES.read_text(encoding="utf-8"))["spec"]
    assert (job["completionMode"], job["parallelism"]) == ("Indexed", job["completions"])
    (container,) = job["template"]["spec"]["containers"]
    for index in range(job["completions"]):
        found = said(*container["command"], PATH=path, JOB_COMPLETION_INDEX=str(index))
        part = ["-o", f"/data/out/{index}", "--shard", f"{index}/{job['completions']}"]
        assert found == ["batch", "/data/prompts.csv", *part]
    (rule,) = job["podFailurePolicy"]["rules"]
    assert rule["onExitCodes"]["containerName"] == container["name"]
    mounts = {each["name"] for each in container["volumeMounts"]}
    assert mounts == {each["name"] for each in job["template"]["spec"]["volumes"]}


def test_a_pod_works_with_the_database_of_its_secret(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spec: Any = yaml.safe_load(WORKERS.read_text(encoding="utf-8"))["spec"]
    pod = spec["template"]["spec"]
    assert spec["selector"]["matchLabels"] == spec["template"]["metadata"]["labels"]
    (container,) = pod["containers"]
    name, *arguments = container["command"]
    drain = float(arguments[arguments.index("--drain") + 1])
    assert name == "kakusan"
    assert drain < pod["terminationGracePeriodSeconds"]
    assert [each["name"] for each in container["env"]] == [DATABASE]
    monkeypatch.setenv(DATABASE, "mysql://no/queue")  # which is read, and refused
    assert main(arguments) == USAGE
    assert "--database must be postgresql://" in capsys.readouterr().err
    mounts = {each["name"] for each in container["volumeMounts"]}
    assert mounts == {each["name"] for each in pod["volumes"]}
