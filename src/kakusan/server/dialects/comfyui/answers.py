"""Jobs as ComfyUI tells of them: its queue, its history, the names of its files."""

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from kakusan.server.dialects.comfyui.plan import Plan
from kakusan.server.queue.job import Job, State

DIALECT = "comfyui"
OUTPUT, TEMPORARY = "output", "temp"
LONGEST_ID = 200  # characters of how a client calls itself
_LONGEST_PREFIX = 100
_NAME = re.compile(r".*_([0-9a-f]{32})_(\d{5})_\.png", re.DOTALL)
_UNFIT = re.compile(r"[^\w\-.,+=@()\[\] ]")
# What nobody else has to see, in `extra_data`
_SECRET = re.compile(r"auth|token|key|secret|password", re.IGNORECASE)

JSON = dict[str, Any]


def note_of(
    plan: Plan,
    *,
    prompt_id: str | None,
    number: float,
    graph: Mapping[str, Any],
    extra: Mapping[str, Any],
) -> JSON:
    """What is kept beside a job, so that all of this can be told of it later.

    Args:
        prompt_id: that the client chose; None for the job's own id.
        extra: `extra_data`, with the client's id.
    """
    return {
        "prompt_id": prompt_id,
        "number": number,
        "graph": dict(graph),
        "extra": {name: value for name, value in extra.items() if not _SECRET.search(name)},
        "ends": [[end.node, end.prefix] for end in plan.ends],
        "sampler": plan.sampler,
        "order": list(plan.order),
        "ignored": list(plan.ignored),
    }


def is_ours(job: Job) -> bool:
    """Whether it came as a graph."""
    return job.submission.dialect == DIALECT


def prompt_id_of(job: Job) -> str:
    return job.submission.note.get("prompt_id") or job.id


def number_of(job: Job) -> float:
    return job.submission.note["number"]


def client_id_of(job: Job) -> str | None:
    """The socket that is told of it."""
    found = job.submission.note["extra"].get("client_id")
    return found if isinstance(found, str) else None


def ends_of(job: Job) -> Sequence[tuple[str, str | None]]:
    """The nodes where its pictures come out, each with its prefix."""
    return [(node, prefix) for node, prefix in job.submission.note["ends"]]


def kind_of(job: Job, node: str) -> str:
    return job.submission.note["graph"][node]["class_type"]


def queue_entry(job: Job) -> list[Any]:
    """As it stands in `/queue` and in the history."""
    note = job.submission.note
    ends = [node for node, _ in ends_of(job)]
    return [number_of(job), prompt_id_of(job), note["graph"], note["extra"], ends]


def is_history(job: Job) -> bool:
    """Whether it is over, and was begun: what is taken out of the queue leaves no trace."""
    return job.state.is_final and (job.state is not State.CANCELLED or job.started is not None)


def history_entry(job: Job) -> JSON:
    """As it stands in `/history`."""
    done = job.state is State.DONE
    outputs = {node: {"images": files} for node, files in files_of(job).items()} if done else {}
    return {
        "prompt": queue_entry(job),
        "outputs": outputs,
        "status": {
            "status_str": "success" if done else "error",
            "completed": done,
            "messages": [[name, data] for name, data in messages_of(job)],
        },
        "meta": {
            node: {
                "node_id": node,
                "display_node": node,
                "parent_node": None,
                "real_node_id": node,
            }
            for node in outputs
        },
    }


def messages_of(job: Job) -> Iterator[tuple[str, JSON]]:
    """What sockets were told of a job that is over, but for nodes and steps."""
    yield "execution_start", _at(job, job.started or job.created)
    yield "execution_cached", {"nodes": [], **_at(job, job.started or job.created)}
    yield end_of(job)


def end_of(job: Job) -> tuple[str, JSON]:
    """The message that says how a job ended."""
    at = _at(job, job.finished or time.time())
    if job.state is State.DONE:
        return "execution_success", at
    node = job.submission.note["sampler"]
    where = {**at, "node_id": node, "node_type": kind_of(job, node), "executed": []}
    if job.state is State.CANCELLED:
        return "execution_interrupted", where
    told = {
        "exception_message": job.error or "the job failed",
        "exception_type": "RuntimeError",
        "traceback": [],
        "current_inputs": {},
        "current_outputs": [],
    }
    return "execution_error", {**where, **told}


def files_of(job: Job) -> dict[str, list[JSON]]:
    """By node the names of the pictures that come out there."""
    pictures = sorted(job.pictures, key=lambda each: each.index)
    return {
        node: [
            _file(job, prefix, picture.index, picture.width, picture.height) for picture in pictures
        ]
        for node, prefix in ends_of(job)
    }


def named(filename: str) -> tuple[str, int] | None:
    """The job and the picture that a file's name is of; None for another name."""
    found = _NAME.fullmatch(filename)
    return None if found is None else (str(UUID(found[1])), int(found[2]) - 1)


def is_named_so(job: Job, index: int, filename: str, subfolder: str, kind: str) -> bool:
    """Whether a picture of the job has this name."""
    return is_ours(job) and any(
        (file["filename"], file["subfolder"], file["type"]) == (filename, subfolder, kind)
        for files in files_of(job).values()
        for file in files[index : index + 1]
    )


def _file(job: Job, prefix: str | None, index: int, width: int, height: int) -> JSON:
    kind = TEMPORARY if prefix is None else OUTPUT
    *folders, stem = _parts(prefix, job.created, index, width, height)
    filename = f"{stem}_{UUID(job.id).hex}_{index + 1:05}_.png"
    return {"filename": filename, "subfolder": "/".join(folders), "type": kind}


def _parts(prefix: str | None, created: float, index: int, width: int, height: int) -> list[str]:
    """Folders and the beginning of a name, without what would mean something to a file system."""
    then = time.localtime(created)
    words = {"year": then.tm_year, "width": width, "height": height, "batch_num": index}
    text = "ComfyUI_temp" if prefix is None else prefix[:_LONGEST_PREFIX]
    for word, value in words.items():
        text = text.replace(f"%{word}%", str(value))
    for word, value in zip(("month", "day", "hour", "minute", "second"), then[1:6], strict=True):
        text = text.replace(f"%{word}%", f"{value:02}")
    parts = [_UNFIT.sub("_", part).strip(". ") for part in re.split(r"[/\\]", text)]
    return [part for part in parts if part] or ["ComfyUI"]


def _at(job: Job, seconds: float) -> JSON:
    return {"prompt_id": prompt_id_of(job), "timestamp": int(seconds * 1000)}
