"""`kakusan batch` as people type it."""

import importlib.util
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from kakusan.batch.attempts import Attempts
from kakusan.batch.engine import Begun, Engine
from kakusan.batch.manifest import Manifest
from kakusan.batch.row import Finished, Row
from kakusan.batch.run import Done
from kakusan.batch.sinks import Layout, open_sink
from kakusan.batch.storage import open_storage
from kakusan.batch.tables import open_table
from kakusan.cli import batch_run
from kakusan.cli.exits import DONE, INTERRUPTED, PARTLY, USAGE
from kakusan.cli.live import Live
from tests.batch.making import Fake, everything, records, written
from tests.cli.fakes import Run
from tests.programs import ROOT

Command = Callable[..., Run]
ROWS = [{"prompt": "a cat", "label": "x"}, {"prompt": "a dog", "label": "y"}]


class Inline:
    """An engine in this process, in the place of one in another."""

    fake: Engine = Fake()
    interrupted_at: int | None = None

    def __init__(self, make: object, attempts: Attempts, told: Callable[[str], object]) -> None:
        self.told = told

    def draw(self, rows: Sequence[Row], begun: Begun) -> Iterator[Finished]:
        for finished in Inline.fake.draw(rows, begun):
            if finished.number == Inline.interrupted_at:
                raise KeyboardInterrupt
            for _ in range(2):
                self.told(f"row {finished.number} has a word that nobody knows")
            yield finished

    def close(self) -> None:
        pass


@pytest.fixture(autouse=True)
def inline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kakusan.cli.batch_engines.Supervised", Inline)
    monkeypatch.setattr(Inline, "fake", Fake())
    monkeypatch.setattr(Inline, "interrupted_at", None)


def test_a_table_becomes_a_folder(run: Command, here: Path) -> None:
    written(here / "t.csv", ROWS)
    done = run("batch", "t.csv", "-o", "out")
    assert (done.code, done.lines) == (DONE, ["out/manifest.jsonl"])
    assert done.err.splitlines() == [
        "kakusan: columns: prompt; carried along: label",
        "kakusan: row 0 has a word that nobody knows",
        "kakusan: row 1 has a word that nobody knows",
    ]
    assert [each["label"] for each in records(here / "out")] == ["x", "y"]
    told = json.loads((here / "out" / "metadata.jsonl").read_text().splitlines()[0])
    assert (told["prompt"], told["label"]) == ("a cat", "x")
    assert (here / "out" / told["file_name"]).is_file()
    again = run("batch", "t.csv", "-o", "out", "-q")
    assert (again.code, again.out, again.err) == (DONE, "out/manifest.jsonl\n", "")


def test_only_the_first_notices_are_said(run: Command, here: Path) -> None:
    written(here / "t.csv", [{"prompt": f"a cat {n}"} for n in range(30)])
    told = run("batch", "t.csv", "-o", "out").err.splitlines()
    assert len(told) == 1 + 20 + 1
    assert told[-1] == "kakusan: what else there is to know of pictures stands in their records"


def test_the_line_says_how_far_it_is(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    painted: list[str] = []
    monkeypatch.setattr("kakusan.cli.live._write", painted.append)
    table = written(here / "t.csv", [*ROWS, ROWS[0]])
    with open_table(str(table)) as opened, closing(open_storage("out")) as storage:
        line, survey = Live(on=True), opened.survey()
        manifest = Manifest(storage, open_sink(Layout("folder", 1, {}), storage))
        progress = batch_run._Progress(line, manifest, survey)
        manifest.statuses.update({"success": 1, "failed_draw": 1})
        manifest.rows = 2
        progress(Done(0, 1))
        assert line.words == "row 1 of 3, 1 failed"
        progress._first = (time.monotonic() - 1e6, -500_000)
        progress(Done(1, 2))
    assert re.fullmatch(r"row 2 of 3, 30\.0 a minute, 1 failed", line.words)
    assert line.fraction == 2 / 3
    assert "".join(painted).startswith("\rloading torch")


def test_options_are_for_rows_that_do_not_say_them(run: Command, here: Path) -> None:
    seen: list[Row] = []

    class Seeing(Fake):
        def draw(self, rows: Sequence[Row], begun: Begun) -> Iterator[Finished]:
            seen.extend(rows)
            yield from super().draw(rows, begun)

    Inline.fake = Seeing()
    written(
        here / "t.csv",
        [{"prompt": "a", "steps": "3", "seed": ""}, {"prompt": "b", "steps": "", "seed": "5"}],
    )
    options = [
        "--steps",
        "2",
        "--seed",
        "9",
        "--width",
        "64",
        "--lora",
        "x:0.5",
        "--clip-skip",
        "2",
    ]
    assert run("batch", "t.csv", "-o", "out", *options, "-n", "bad", "--count", "2").code == DONE
    assert [row.settings["num_inference_steps"] for row in seen] == [3, 2]
    assert [row.settings["seed"] for row in seen] == [9, 5]
    for row in seen:
        assert row.settings["width"] == 64
        assert row.settings["negative_prompt"] == "bad"
        assert row.settings["loras"] == [["x", 0.5, 0.5]]
        assert row.settings["clip_skip"] == 1
        assert row.count == 2
    different = run("batch", "t.csv", "-o", "out", "--steps", "3")
    assert different.code == USAGE
    assert "'out' is of other settings; name a new folder with -o" in different.err


def test_rows_without_a_picture_are_told_of(run: Command, here: Path) -> None:
    (here / "t.jsonl").write_text('{"prompt": "bad"}\n{"prompt": "a"}\n{}\n{"prompt"\n')
    done = run("batch", "t.jsonl", "-o", "out")
    assert done.code == PARTLY
    assert "3 of 4 rows have no picture (1 failed_draw, 2 failed_row)" in done.err
    assert run("batch", "t.jsonl", "-o", "out").code == PARTLY


def test_ctrl_c_keeps_what_is_done(run: Command, here: Path) -> None:
    written(here / "t.csv", ROWS)
    Inline.interrupted_at = 1
    done = run("batch", "t.csv", "-o", "out", "-q")
    assert done.code == INTERRUPTED
    assert "1 rows are done; the same command goes on from there" in done.err
    assert len((here / "out" / "metadata.jsonl").read_text().splitlines()) == 1
    Inline.interrupted_at = None
    assert run("batch", "t.csv", "-o", "out").code == DONE
    assert run("batch", "t.csv", "-o", "whole").code == DONE
    assert everything(here / "out") == everything(here / "whole")


def test_shards_are_merged(run: Command, here: Path) -> None:
    written(here / "t.csv", [{"prompt": f"a cat {n}"} for n in range(9)])
    for index in range(2):
        assert run("batch", "t.csv", "-o", f"out-{index}", "--shard", f"{index}/2").code == DONE
    done = run("batch", "merge", "out-0", "out-1", "-o", "all")
    assert (done.code, done.lines) == (DONE, ["all/manifest.jsonl"])
    run("batch", "t.csv", "-o", "whole")
    assert everything(here / "all") == everything(here / "whole")


def test_stdin_and_a_url(run: Command, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fsspec = pytest.importorskip("fsspec")

    class Stdin:
        buffer = io.BytesIO(b'{"prompt": "a cat"}\n')

    monkeypatch.setattr("sys.stdin", Stdin())
    done = run("batch", "-", "-o", "memory://cli/out/", "--format", "webdataset")
    assert done.lines == ["memory://cli/out/manifest.jsonl"]
    assert fsspec.filesystem("memory").isfile("/cli/out/00000.tar")
    fsspec.filesystem("memory").store.clear()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["t.csv"], "-o is missing, as in kakusan batch t.csv -o out/"),
        ([], "TABLE is missing, as in kakusan batch prompts.csv"),
        (["t.csv", "t.csv", "-o", "out"], "one table at a time, not 2"),
        (["t.csv", "-o", "t.csv"], "'t.csv' is a file; name a folder"),
        (["t.csv", "-o", ""], "-o must name a folder"),
        (["t.csv", "-o", "out", "--shard", "2/2"], "--shard must be I/N with I from 0 to N-1"),
        (["t.csv", "-o", "out", "--format", "zip"], "--format must be one of folder, webdataset"),
        (["t.csv", "-o", "out", "--width", "63"], "--width must be a multiple of 8, not 63"),
        (["t.csv", "-o", "out", "--strict"], "the column 'label' is not known"),
        (["t.csv", "-o", "out", "--model", "none.safetensors"], "none.safetensors"),
        (["none.csv", "-o", "out"], "'none.csv' is not there"),
        (["merge", "-o", "all"], "name the folders, as in kakusan batch merge"),
        (["merge", "a", "-o", "all", "--steps", "2"], "`batch merge` takes -o alone, not --steps"),
        (["merge", "a", "-o", "all"], "there is no folder 'a'"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    arguments: list[str], words: str, run: Command, here: Path
) -> None:
    written(here / "t.csv", ROWS)
    done = run("batch", *arguments)
    assert done.code == USAGE
    assert words in done.err.splitlines()[-1]
    assert not (here / "out").exists()


@pytest.mark.parametrize(
    ("package", "arguments", "extra"),
    [
        ("pyarrow", ["t.parquet", "-o", "out"], "parquet"),
        ("pyarrow", ["t.csv", "-o", "out", "--format", "parquet"], "parquet"),
        ("fsspec", ["t.csv", "-o", "s3://bucket/out"], "remote"),
    ],
)
def test_what_is_not_installed_is_said(
    package: str,
    arguments: list[str],
    extra: str,
    run: Command,
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written(here / "t.csv", ROWS)
    (here / "t.parquet").touch()
    find = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name == package else find(name)
    )
    done = run("batch", *arguments)
    assert done.code == USAGE
    assert f'{package}, which is not installed: pip install "kakusan[{extra}]"' in done.err


def kakusan(*arguments: str, here: Path) -> "subprocess.Popen[str]":
    """The command as a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "KAKUSAN_CACHE": str(here)}
    return subprocess.Popen(
        [sys.executable, "-m", "kakusan", *arguments],
        cwd=here,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_real_run_that_is_killed_goes_on(tmp_path: Path) -> None:
    rows = [{"prompt": prompt} for prompt in ("a cat", "a dog", "a fox", "an owl")]
    written(tmp_path / "t.jsonl", rows)
    options = ["--steps", "2", "--width", "64", "--height", "64", "-q"]
    command = ["batch", "t.jsonl", "-o", "out", *options]
    first = kakusan(*command, here=tmp_path)
    manifest = tmp_path / "out" / "manifest.jsonl"
    while not (manifest.is_file() and manifest.stat().st_size):
        assert first.poll() is None, first.communicate()
        time.sleep(0.02)
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    second = kakusan(*command, here=tmp_path)
    out, err = second.communicate()
    assert (second.returncode, out, err) == (DONE, "out/manifest.jsonl\n", "")
    assert [each["prompt"] for each in records(tmp_path / "out")] == [r["prompt"] for r in rows]
    assert len(list((tmp_path / "out").glob("*.png"))) == 4
    assert {path.name for path in (tmp_path / "out" / ".kakusan").iterdir()} == {"run.json"}


@pytest.mark.skipif(sys.platform == "win32", reason="there is no Ctrl-C to send")
def test_a_real_run_that_is_interrupted_ends_at_once(tmp_path: Path) -> None:
    written(tmp_path / "t.jsonl", [{"prompt": f"a cat {n}"} for n in range(300)])
    process = kakusan("batch", "t.jsonl", "-o", "out", "--steps", "2", here=tmp_path)
    manifest = tmp_path / "out" / "manifest.jsonl"
    while not (manifest.is_file() and manifest.stat().st_size):
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert process.returncode == INTERRUPTED
    assert "the same command goes on from there" in err
    assert "Traceback" not in err
    assert not (tmp_path / "out" / ".kakusan" / "attempts.json").exists()
