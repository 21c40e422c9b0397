"""What `benchmarks.scale` simulates with: each time on this machine, measured by itself."""

import json
import os
import statistics
import tempfile
import time
import uuid
from collections import defaultdict
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import kakusan
from benchmarks.scale_model import HANDED_IN, LEASE_S, TAKEN
from kakusan.batch.attempts import Attempts
from kakusan.batch.columns import Columns
from kakusan.batch.keys import Keys
from kakusan.batch.made import Made
from kakusan.batch.manifest import Manifest
from kakusan.batch.model_hash import ModelHashes
from kakusan.batch.on_queue.parcel import Parcel
from kakusan.batch.on_queue.submission import submission_of
from kakusan.batch.row import SUCCESS, Drawn, Finished, Row
from kakusan.batch.sinks import MANIFEST, Layout, open_sink
from kakusan.batch.storage import open_storage
from kakusan.batch.supervised import Supervised
from kakusan.batch.tables import open_table
from kakusan.images.metadata import encoded
from kakusan.server.queue.claiming import RowsOf
from kakusan.server.queue.job import State
from kakusan.server.queue.owners import own_name
from kakusan.server.queue.store import Store

STEPS = 25
DEPTHS = (128, 1024, 4096)  # rows that wait, at which transactions are timed
TRIES = 48  # of each
RUNNING = (0, 64)  # rows that are drawn, at which sweeps are timed
PROMPTS = ("a red cat", "a dog", "two foxes on teal", "a house at night")


def rows_of(count: int, steps: int = STEPS) -> list[dict[str, Any]]:
    """The rows that everything is measured with, no two alike."""
    return [{"prompt": PROMPTS[n % len(PROMPTS)], "steps": steps, "seed": n} for n in range(count)]


def written(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    """A table of rows, as JSONL."""
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path


def made() -> Made:
    """What rows are drawn with."""
    return Made(
        folder=os.getcwd(),
        settings={},
        loads=True,
        together=1,
        lora_dirs=None,
        wildcards=[],
        words={},
    )


def named(path: Path) -> list[Row]:
    """The rows of a table, with their keys."""
    with open_table(str(path)) as table:
        columns = Columns.of(table.survey().kinds)
        return list(Keys(columns, ModelHashes(), {}, 0).rows(table))


def reading(count: int, folder: Path) -> dict[str, float]:
    """Seconds a row to read a table through, and to name its rows; bytes that names take."""
    path = written(folder / "long.jsonl", rows_of(count))
    with open_table(str(path)) as table:
        began = time.perf_counter()
        columns = Columns.of(table.survey().kinds)
        survey = time.perf_counter() - began
        keys = Keys(columns, ModelHashes(), {}, 0)
        rows = keys.rows(table)
        next(rows)  # the model's hash is known from here on
        began = time.perf_counter()
        for _ in range(count - 2):
            next(rows)
        named = time.perf_counter() - began
        pages, page = (
            keys._taken.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "page_size")
        )
        rows.close()
    path.unlink()
    each = {"survey": survey / count, "name": named / (count - 2), "names_bytes": pages * page}
    return {**each, "names_bytes": pages * page / count, "rows": count}


def drawing(count: int, folder: Path) -> tuple[dict[str, float], Finished]:
    """Seconds until a process has its model, and of a picture in it; and a picture.

    `beside` is what a picture takes where another process draws, too: two cores share more than
    their work.
    """
    rows = named(written(folder / "short.jsonl", rows_of(count)))
    os.environ["OMP_NUM_THREADS"] = "1"  # of the processes that draw
    load, seconds, told = _drawn(rows)
    usual = statistics.median(seconds[1:])
    with ThreadPoolExecutor(2) as both:
        _, *pair = zip(*both.map(_drawn, [rows, rows]), strict=True)
    beside = statistics.median([each for seconds in pair[0] for each in seconds[1:]])
    size = statistics.mean(len(each.pictures[0].data) for each in told)
    warm_up = seconds[0] - usual
    times = {"load": load + warm_up, "picture": usual, "beside": beside, "bytes": size}
    return times, told[-1]


def _drawn(rows: Sequence[Row]) -> tuple[float, list[float], list[Finished]]:
    """Seconds until a process draws, those of each row, and what came of them."""
    begun, finished, told = list[float](), list[float](), list[Finished]()
    engine = Supervised(made().engine, Attempts())
    began = time.perf_counter()
    try:
        for each in engine.draw(rows, lambda _: begun.append(time.perf_counter())):
            finished.append(time.perf_counter())
            told.append(each)
    finally:
        engine.close()
    seconds = [end - begin for begin, end in zip(begun, finished, strict=True)]
    return begun[0] - began, seconds, told


def large() -> tuple[dict[str, float], Finished]:
    """Bytes of a picture of 512x512 pixels by the built-in model, and seconds to encode it."""
    (picture,) = kakusan.generate(
        "two foxes on teal", seed=2, steps=STEPS, width=512, height=512, progress=False
    )
    times = list[float]()
    for _ in range(TRIES):
        with _into(times):
            data = encoded(picture.image, "PNG", picture.record)
    told = {"side": 512, "bytes": len(data), "encode": statistics.median(times)}
    return told, Finished(0, SUCCESS, (Drawn(data, 512, 512),))


def keeping(count: int, finished: Finished, folder: Path) -> dict[str, float]:
    """Seconds to keep a picture and its line, as files and in tar files; bytes of a line."""
    found = dict[str, float]()
    rows = [Row(n, f"{n:024x}", f"{n:024x}", {"prompt": "a", "seed": n}, {}) for n in range(count)]
    for layout in ("folder", "webdataset"):
        with closing(open_storage(tempfile.mkdtemp(dir=folder))) as storage:
            manifest = Manifest(storage, open_sink(Layout(layout, count, {}), storage))
            began = time.perf_counter()
            for row in rows:
                manifest.tell(row, manifest.keep(row, finished))
            manifest.finish(complete=True)
            found[layout] = (time.perf_counter() - began) / count
            found["line_bytes"] = len(storage.read(MANIFEST) or b"") / count
    return found


def transactions(url: str, finished: Finished, data: Path | None) -> dict[str, Any]:
    """Seconds of each transaction of the queue, by how many rows wait or are drawn.

    Args:
        data: the folder of the database, where it is on this machine; then `served` is the share
            of the time in which the database computed, else all of it.
    """
    with closing(Store.open(url)) as store:
        packed = Parcel(finished, ()).packed()
        times = defaultdict[str, list[float]](list)
        for _ in range(TRIES):
            with _into(times["write"]):
                store.healthy()
            with _into(times["read"]):
                store.last_event()
            with _into(times["ask"]):
                store.claim(own_name(), limit=1, lease_s=LEASE_S, rows=RowsOf())
            with _into(times["look"]):
                store.results("batch-none", limit=TAKEN)
        began, computed = time.perf_counter(), _computed(data)
        by_depth = [{"waiting": depth, **_at_depth(store, depth, packed)} for depth in DEPTHS]
        seconds = time.perf_counter() - began
        served = 1.0 if data is None else (_computed(data) - computed) / seconds
        sweep = [{"drawn": count, "sweep": _sweep(store, count)} for count in RUNNING]
    usual = {name: statistics.median(each) for name, each in times.items()}
    commit = max(0.0, usual["write"] - usual["read"])
    found = {"ask": usual["ask"], "look": usual["look"], "commit": commit, "served": served}
    return {"by_depth": by_depth, "sweep": sweep, **found}


def _computed(data: Path | None) -> float:
    """Seconds for which the processes of a database have computed, by what Linux counts."""
    total = 0.0
    for process in Path("/proc").glob("[0-9]*") if data is not None else ():
        with suppress(OSError):
            if (process / "cwd").readlink() == data:
                total += int((process / "schedstat").read_text(encoding="ascii").split()[0]) / 1e9
    return total


def _at_depth(store: Store, depth: int, data: bytes) -> dict[str, float]:
    """Medians, while at least so many rows wait."""
    times = defaultdict[str, list[float]](list)
    client = _handed_in(store, depth + TRIES, times)
    times["hand_in"] = [each / HANDED_IN for each in times["hand_in"][-4:]]
    ended = list[str]()
    for _ in range(TRIES):
        with _into(times["claim"]):
            (job,) = store.claim(own_name(), limit=1, lease_s=LEASE_S, rows=RowsOf())
        with _into(times["renew"]):
            store.renew(job, LEASE_S, step=1, steps=1)
        with _into(times["finish"]):
            store.finish(job, State.DONE, None, data)
        ended.append(job.id)
    for begin in range(0, TRIES, TAKEN):
        with _into(times["take"]):
            store.results(client, limit=TAKEN)
        with _into(times["forget"]):
            store.delete(*ended[begin : begin + TAKEN])
    _clear(store, client)
    return {name: statistics.median(each) for name, each in times.items()}


def _sweep(store: Store, drawn: int) -> float:
    times = defaultdict[str, list[float]](list)
    client = _handed_in(store, drawn, times)
    if drawn:
        store.claim(own_name(), limit=drawn, lease_s=LEASE_S, rows=RowsOf(only=client))
    for _ in range(TRIES):
        with _into(times["sweep"]):
            store.sweep()
    _clear(store, client)
    return statistics.median(times["sweep"])


def _handed_in(store: Store, count: int, times: dict[str, list[float]]) -> str:
    """Hand rows in; what their batch is called."""
    client = f"batch-{uuid.uuid4()}"
    rows = [
        Row(n, f"{n:024x}", f"{n:024x}", {"prompt": PROMPTS[0], "seed": n}, {})
        for n in range(count)
    ]
    asked = [submission_of(row, made(), client) for row in rows]
    for begin in range(0, count, HANDED_IN):
        with _into(times["hand_in"]):
            store.submit_all(asked[begin : begin + HANDED_IN])
    return client


def _clear(store: Store, client: str) -> None:
    while found := store.jobs(client=client, limit=256):
        store.delete(*(job.id for job in found))


@contextmanager
def _into(times: list[float]) -> Generator[None]:
    """Within, time is taken."""
    began = time.perf_counter()
    yield
    times.append(time.perf_counter() - began)
