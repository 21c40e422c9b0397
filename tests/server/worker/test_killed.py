"""A worker that is killed: each job is drawn once, and long ones go on from where they were."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import numpy as np
from PIL import Image

import kakusan
from kakusan.request import Request
from kakusan.server.queue.files import Files
from kakusan.server.queue.job import State, Submission
from kakusan.server.queue.store import Store

PROGRAM = Path(__file__).with_name("program.py")
KILLS = 2
STEPS = [2, 3, 4, 2, 60]


def test_each_job_is_drawn_once_however_often_the_worker_is_killed(tmp_path: Path) -> None:
    files, url = Files(tmp_path), f"sqlite:///{tmp_path / 'jobs.db'}"
    store = Store.open(url, files)
    ids: list[str] = []
    for seed, steps in enumerate(STEPS):
        request = Request.of(
            "a dog", seed=seed, num_inference_steps=steps, scheduler="dpmpp-2m-sde"
        )
        ids.append(store.submit(Submission(request=request.to_record())).id)
    store.close()
    log = tmp_path / "log"
    for attempt in range(KILLS):
        with log.open("ab") as output:
            worker = subprocess.Popen(
                [sys.executable, PROGRAM, tmp_path], stdout=output, env=dict(os.environ)
            )
            began = time.monotonic()
            while log.read_bytes().count(b"started") <= attempt:
                assert time.monotonic() - began < 60
                assert worker.poll() is None
                time.sleep(0.05)
            spawned = time.time()
            while not _has_written_since(tmp_path, spawned):
                assert time.monotonic() - began < 60
                time.sleep(0.02)
            worker.send_signal(signal.SIGKILL)
            worker.wait()
    with log.open("ab") as output:
        worker = subprocess.Popen([sys.executable, PROGRAM, tmp_path], stdout=output)
        deadline = time.monotonic() + 120
        while not _all_have_ended(tmp_path / "jobs.db"):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        time.sleep(1.0)
        worker.kill()
        worker.wait()
    store = Store.open(url, files)
    jobs = [store.job(id) for id in ids]
    store.close()
    assert b"resumed" in log.read_bytes()
    for job, seed, steps in zip(jobs, range(len(STEPS)), STEPS, strict=True):
        assert job is not None
        assert (job.state, job.error, len(job.pictures)) == (State.DONE, None, 1)
        drawn = np.asarray(Image.open(files.picture(job.pictures[0].file))).astype(int)
        expected = kakusan.generate(
            "a dog", seed=seed, steps=steps, scheduler="dpmpp-2m-sde", progress=False
        )
        assert np.abs(drawn - np.asarray(expected[0].image).astype(int)).max() <= 3


def _all_have_ended(database: Path) -> bool:
    """Whether no job waits or runs, read beside the worker that has the file."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=60)) as found:
        states = [state for (state,) in found.execute("select state from jobs")]
    return all(State(state).is_final for state in states)


def _has_written_since(folder: Path, then: float) -> bool:
    """Whether a state or a picture was kept since."""
    files = [*(folder / "latents").iterdir(), *(folder / "pictures").iterdir()]
    return any(file.stat().st_mtime > then for file in files if file.exists())
