"""Jobs as ComfyUI tells of them, and what sockets are told."""

import json
import struct
from dataclasses import replace
from typing import Any

import pytest

from kakusan.server.dialects.comfyui import answers, messages
from kakusan.server.queue.job import Job, State, StoredPicture, Submission
from tests.server.dialects.comfyui.graphs import DEFAULT, changed
from tests.server.dialects.comfyui.test_plan import plan

ID = "0193f2c4-7a5b-7c1e-8d2f-0123456789ab"
PICTURE = StoredPicture(
    index=0, file="x.png", sha256="0" * 64, size=9, width=128, height=64, record={}
)


def job(state: State = State.DONE, prefix: str = "ComfyUI", **settings: Any) -> Job:
    graph = changed(
        _9=("SaveImage", {"filename_prefix": prefix}),
        _10=("PreviewImage", {"images": ["8", 0]}),
    )
    note = answers.note_of(
        plan(graph),
        prompt_id=settings.pop("prompt_id", None),
        number=7,
        graph=graph,
        extra={"client_id": "me", "auth_token_comfy_org": "hidden", "extra_pnginfo": {"a": 1}},
    )
    return Job(
        id=ID,
        state=state,
        submission=Submission(request={}, dialect="comfyui", note=note),
        position=1.0,
        created=1_700_000_000.0,
        **{
            "started": 1_700_000_001.0,
            "finished": 1_700_000_002.5,
            "pictures": (replace(PICTURE, index=1), PICTURE),
            **settings,
        },
    )


def test_the_queues_entry() -> None:
    number, prompt_id, graph, extra, ends = answers.queue_entry(job())
    assert (number, prompt_id, ends) == (7, ID, ["9", "10"])
    assert graph["3"] == DEFAULT["3"]
    assert extra == {"client_id": "me", "extra_pnginfo": {"a": 1}}
    assert answers.queue_entry(job(prompt_id="chosen"))[1] == "chosen"


def test_the_historys_entry() -> None:
    entry = answers.history_entry(job())
    assert entry["prompt"] == answers.queue_entry(job())
    hexadecimal = ID.replace("-", "")
    assert entry["outputs"]["9"]["images"] == [
        {"filename": f"ComfyUI_{hexadecimal}_0000{n}_.png", "subfolder": "", "type": "output"}
        for n in (1, 2)
    ]
    assert [each["type"] for each in entry["outputs"]["10"]["images"]] == ["temp", "temp"]
    assert entry["status"] == {
        "status_str": "success",
        "completed": True,
        "messages": [
            ["execution_start", {"prompt_id": ID, "timestamp": 1_700_000_001_000}],
            ["execution_cached", {"nodes": [], "prompt_id": ID, "timestamp": 1_700_000_001_000}],
            ["execution_success", {"prompt_id": ID, "timestamp": 1_700_000_002_500}],
        ],
    }
    assert set(entry["meta"]) == {"9", "10"}
    json.dumps(entry)


def test_jobs_that_failed_or_were_interrupted() -> None:
    failed = answers.history_entry(job(State.FAILED, error="no memory", pictures=()))
    assert (failed["outputs"], failed["status"]["status_str"]) == ({}, "error")
    assert failed["status"]["completed"] is False
    name, data = failed["status"]["messages"][-1]
    assert (name, data["exception_message"], data["node_type"]) == (
        "execution_error",
        "no memory",
        "KSampler",
    )
    stopped = answers.history_entry(job(State.CANCELLED))
    assert stopped["status"]["messages"][-1][0] == "execution_interrupted"
    assert stopped["outputs"] == {}


def test_what_was_never_begun_leaves_no_trace() -> None:
    assert not answers.is_history(job(State.CANCELLED, started=None))
    assert answers.is_history(job(State.CANCELLED))
    assert not answers.is_history(job(State.RUNNING))


@pytest.mark.parametrize(
    ("prefix", "subfolder", "stem"),
    [
        ("ComfyUI", "", "ComfyUI"),
        ("a/b/cat", "a/b", "cat"),
        ("a\\cat", "a", "cat"),
        ("../../etc/passwd", "etc", "passwd"),
        ("/abs/x", "abs", "x"),
        ("", "", "ComfyUI"),
        ("...", "", "ComfyUI"),
        ("a\0b<script>\n%q", "", "a_b_script___q"),
        ("猫", "", "猫"),
        ("%width%x%height%-%batch_num%", "", "128x64-0"),
        ("x" * 500, "", "x" * 100),
    ],
)
def test_prefixes_are_made_fit(prefix: str, subfolder: str, stem: str) -> None:
    file = answers.files_of(job(prefix=prefix))["9"][0]
    assert (file["subfolder"], file["filename"].rsplit("_", 3)[0]) == (subfolder, stem)


def test_dates_in_a_prefix() -> None:
    name = answers.files_of(job(prefix="%year%-%month%-%day%"))["9"][0]["filename"]
    assert name.startswith(("2023-11-14_", "2023-11-15_"))


def test_a_name_leads_to_its_picture_and_to_no_other() -> None:
    one = job(prefix="a/cat")
    for node, kind in (("9", "output"), ("10", "temp")):
        for index, file in enumerate(answers.files_of(one)[node]):
            assert answers.named(file["filename"]) == (ID, index)
            assert answers.is_named_so(one, index, *file.values())
            assert not answers.is_named_so(one, index, file["filename"], "b", kind)
            assert not answers.is_named_so(one, index + 1, *file.values())
    for name in ("a.png", "../x_" + "0" * 32 + "_00001_.png.exe", "", "\0"):
        assert answers.named(name) is None
    other = replace(one, submission=replace(one.submission, dialect="a1111"))
    assert not answers.is_named_so(other, 0, *answers.files_of(one)["9"][0].values())


def told(lines: Any) -> list[tuple[str, Any]]:
    found = [json.loads(line) for line in lines]
    return [(each["type"], each["data"].get("node")) for each in found]


def test_what_is_told_at_the_beginning() -> None:
    assert told(messages.begun(job(State.RUNNING))) == [
        ("execution_start", None),
        ("execution_cached", None),
        *(("executing", node) for node in ("4", "6", "7", "5", "3")),
    ]


def test_what_is_told_at_the_end_in_this_order() -> None:
    assert told(messages.ended(job())) == [
        ("executing", "8"),
        ("executing", "9"),
        ("executed", "9"),
        ("executing", "10"),
        ("executed", "10"),
        ("execution_success", None),
        ("executing", None),
    ]
    executed = [json.loads(each) for each in messages.ended(job())][2]["data"]
    assert executed["output"] == {"images": answers.files_of(job())["9"]}
    assert executed["prompt_id"] == ID
    last = json.loads(messages.status(2))["data"]
    assert last == {"status": {"exec_info": {"queue_remaining": 2}}}


def test_what_is_told_of_ends_without_pictures() -> None:
    failed = told(messages.ended(job(State.FAILED, error="x")))
    assert failed == [("execution_error", None), ("executing", None)]
    stopped = told(messages.ended(job(State.CANCELLED)))
    assert stopped == [("execution_interrupted", None), ("executing", None)]
    assert told(messages.ended(job(State.CANCELLED, started=None))) == []


def test_steps_and_previews() -> None:
    step = json.loads(messages.progress(job(), 3, 20))
    assert step == {
        "type": "progress",
        "data": {"value": 3, "max": 20, "node": "3", "prompt_id": ID},
    }
    plain = messages.preview(job(), b"\xff\xd8jpeg", with_metadata=False)
    assert plain == struct.pack(">II", 1, 1) + b"\xff\xd8jpeg"
    assert messages.preview(job(), b"\x89PNG", with_metadata=False)[:8] == struct.pack(">II", 1, 2)
    whole = messages.preview(job(), b"\xff\xd8jpeg", with_metadata=True)
    kind, length = struct.unpack(">II", whole[:8])
    data = json.loads(whole[8 : 8 + length])
    assert (kind, data["prompt_id"], data["node_id"]) == (4, ID, "3")
    assert (data["image_type"], whole[8 + length :]) == ("image/jpeg", b"\xff\xd8jpeg")
