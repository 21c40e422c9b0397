"""How far a caller's jobs are."""

from dataclasses import replace
from typing import Any

from sd_backend_client.api.webui.response_formats import ProgressResponseBody

from kakusan.server.dialects.a1111.progress import (
    Seen,
    current,
    pending,
    progress_of,
    progress_of_task,
)
from kakusan.server.queue.job import Job, State, Stop, Submission

TASK = "task(txt2img-abcdefg)"


def job(state: State, created: float = 1.0, **more: Any) -> Job:
    note = {"batch": [1, 2], "task": TASK}
    request = {"prompt": "a cat", "num_inference_steps": 10}
    submission = Submission(request=request, dialect="a1111", note=note)
    values = {"id": f"id{created:g}", "position": 1.0, **more}
    return Job(state=state, submission=submission, created=created, **values)


def test_nothing_to_do_is_0() -> None:
    told = progress_of(None, Seen())
    ProgressResponseBody.model_validate(told, strict=True)
    assert (told["progress"], told["state"]["job_count"]) == (0, 0)
    assert told["eta_relative"] == 0


def test_a_running_job() -> None:
    told = progress_of(job(State.RUNNING), Seen(15, 20, 3.0, b"\xff\xd8"))
    ProgressResponseBody.model_validate(told, strict=True)
    assert (told["progress"], told["eta_relative"]) == (0.76, 3.0)
    state = told["state"]
    assert (state["job_no"], state["job_count"]) == (1, 2)
    assert (state["sampling_step"], state["sampling_steps"]) == (5, 10)
    assert (told["current_image"], told["current_task"]) == ("/9g=", TASK)


def test_a_job_that_waits_counts() -> None:
    told = progress_of(job(State.QUEUED), Seen())
    assert told["state"]["job_count"] == 2
    assert told["progress"] > 0
    assert told["textinfo"] == "Waiting in the queue"


def test_the_last_step_is_no_batch_further() -> None:
    told = progress_of(job(State.RUNNING, step=20, steps=20), Seen())
    assert (told["progress"], told["state"]["job_no"]) == (1.0, 1)
    assert told["state"]["sampling_step"] == 10


def test_which_job_is_told_of() -> None:
    done, old, new = job(State.DONE), job(State.QUEUED, 2), job(State.RUNNING, 3)
    assert current([done, new, old]) == new
    assert current([done, old]) == old
    assert current([done]) is None


def test_an_interrupted_job_says_so() -> None:
    stopped = replace(job(State.RUNNING), stop=Stop.INTERRUPT)
    assert progress_of(stopped, Seen())["state"]["interrupted"] is True


def test_by_task() -> None:
    seen = Seen(5, 20, 3.0, b"\xff\xd8", "image/webp")
    running = progress_of_task(job(State.RUNNING), seen, shown=-1, wanted=True)
    assert (running["active"], running["progress"], running["eta"]) == (True, 0.25, 3.0)
    assert (running["live_preview"], running["id_live_preview"]) == (
        "data:image/webp;base64,/9g=",
        5,
    )
    again = progress_of_task(job(State.RUNNING), seen, shown=5, wanted=True)
    assert again["live_preview"] is None
    waiting = progress_of_task(job(State.QUEUED), Seen(), shown=-1, wanted=True)
    assert (waiting["queued"], waiting["textinfo"]) == (True, "In queue...")
    assert progress_of_task(job(State.DONE), Seen(), shown=-1, wanted=True)["completed"]
    nothing = progress_of_task(None, Seen(), shown=-1, wanted=True)
    assert not any(nothing[name] for name in ("active", "queued", "completed"))


def test_tasks_that_wait() -> None:
    jobs = [job(State.QUEUED, 2), job(State.RUNNING, 1), job(State.DONE, 0)]
    assert pending(jobs) == {"size": 2, "tasks": [TASK, TASK]}
