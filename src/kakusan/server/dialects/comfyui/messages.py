"""What a socket is told of a job, in ComfyUI's order."""

import json
import struct
from collections.abc import Iterator
from typing import Any

from kakusan.server.dialects.comfyui.answers import (
    JSON,
    end_of,
    ends_of,
    files_of,
    messages_of,
    prompt_id_of,
)
from kakusan.server.queue.job import Job, State

# Kinds of binary messages, and of pictures in them
PREVIEW, PREVIEW_WITH_METADATA = 1, 4
_JPEG, _PNG = 1, 2
METADATA = "supports_preview_metadata"
# What a server of ComfyUI says that it can do
FEATURES: JSON = {METADATA: True}


def message(kind: str, data: JSON) -> str:
    return json.dumps({"type": kind, "data": data})


def status(remaining: int, sid: str | None = None) -> str:
    """How many jobs there are yet; the first of a socket also says its id."""
    data: JSON = {"status": {"exec_info": {"queue_remaining": remaining}}}
    return message("status", data if sid is None else {**data, "sid": sid})


def begun(job: Job) -> Iterator[str]:
    """When its first step is near: the nodes that come before the sampler, and that one."""
    for kind, data in list(messages_of(job))[:2]:
        yield message(kind, data)
    order, sampler = job.submission.note["order"], job.submission.note["sampler"]
    for node in order[: order.index(sampler) + 1]:
        yield executing(job, node)


def executing(job: Job, node: str | None) -> str:
    """That a node is at work; None says that none is any more."""
    data: JSON = {"node": node, "prompt_id": prompt_id_of(job)}
    return message("executing", data if node is None else {**data, "display_node": node})


def at_work(job: Job) -> str:
    """The same of the node that takes the time."""
    return executing(job, job.submission.note["sampler"])


def progress(job: Job, step: int, steps: int) -> str:
    node = job.submission.note["sampler"]
    data = {"value": step, "max": steps, "node": node, "prompt_id": prompt_id_of(job)}
    return message("progress", data)


def ended(job: Job) -> Iterator[str]:
    """When it is over, in the history, and out of the queue."""
    if job.state is State.DONE:
        order = job.submission.note["order"]
        ends = dict(ends_of(job))
        files = files_of(job)
        for node in order[order.index(job.submission.note["sampler"]) + 1 :]:
            yield executing(job, node)
            if node in ends:
                told = {"node": node, "display_node": node, "output": {"images": files[node]}}
                yield message("executed", {**told, "prompt_id": prompt_id_of(job)})
    if job.state is not State.CANCELLED or job.started is not None:
        yield message(*end_of(job))
        yield executing(job, None)


def preview(job: Job, data: bytes, *, with_metadata: bool) -> bytes:
    """A picture on its way; `data` is a JPEG or a PNG."""
    is_png = data.startswith(b"\x89PNG")
    if not with_metadata:
        return struct.pack(">II", PREVIEW, _PNG if is_png else _JPEG) + data
    node = job.submission.note["sampler"]
    told: dict[str, Any] = {
        "node_id": node,
        "prompt_id": prompt_id_of(job),
        "display_node_id": node,
        "parent_node_id": None,
        "real_node_id": node,
        "image_type": "image/png" if is_png else "image/jpeg",
    }
    text = json.dumps(told).encode()
    return struct.pack(">II", PREVIEW_WITH_METADATA, len(text)) + text + data
