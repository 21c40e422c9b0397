"""What a caller may change of a job: where it waits, and whether it goes on."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from kakusan.errors import shown
from kakusan.server.errors import FieldError, TooLate
from kakusan.server.queue.job import Job, Priority, State, Stop
from kakusan.server.service import Service

_PRIORITIES = (int(Priority.BATCH), int(Priority.WAITING))
_KNOWN = ("priority", "position", "to", "before", "stop")
# What says nothing beside another, since only one of them can count
_APART = (("position", "to", "before"), ("priority", "position", "before"))


class _Place(NamedTuple):
    """Where in the queue a job is put; see `Service.move`."""

    to: Literal["first", "last"] | None = None
    before: str | None = None
    priority: int | None = None


async def changed_job(service: Service, id: str, own: str, sent: Mapping[str, Any]) -> Job:
    """A job of the caller `own` once it was changed as was sent.

    Raises:
        FieldError: A field is unknown, cannot be used, or says nothing beside another.
        UnknownJob: The job, or the one to be put before, is none of the caller's.
        TooLate: The job has ended, or is to be moved and waits no longer.
    """
    given = {name: value for name, value in sent.items() if value is not None}
    _check_names(sent, given)
    known = await service.job(id, client=own)
    if "stop" in given:
        if given["stop"] not in list(Stop):
            raise FieldError("stop", "stop must be cancel or interrupt")
        _check_not_ended(known)
        stopped = await service.stop(id, Stop(given["stop"]))
        if stopped.stop is None:  # it ended meanwhile
            _check_not_ended(stopped)
        return stopped
    place = await _place(service, id, own, given)
    _check_waits(known)
    moved = await service.move(id, priority=place.priority, to=place.to, before=place.before)
    _check_waits(moved)
    return moved


def _check_not_ended(job: Job) -> None:
    if job.state.is_final:
        raise TooLate(f"the job has ended already ({job.state.value}); nothing of it was changed")


def _check_waits(job: Job) -> None:
    _check_not_ended(job)
    if job.state is not State.QUEUED:
        raise TooLate("the job is being drawn already, and can be moved no more; it can be stopped")


def _check_names(sent: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    if unknown := [name for name in sent if name not in _KNOWN]:
        why = f"there is no field {shown(unknown[0])}; there are {', '.join(_KNOWN)}"
        raise FieldError(unknown[0][:60], why)
    rest = [name for name in given if name != "stop"]
    apart = [["stop", *rest]] if "stop" in given else [[n for n in g if n in given] for g in _APART]
    for first, *others in filter(None, apart):
        if others:
            raise FieldError(
                others[0], f"{first} and {others[0]} were both given; give one of them"
            )


async def _place(service: Service, id: str, own: str, given: Mapping[str, Any]) -> _Place:
    if "position" in given:
        return await _at(service, id, given["position"])
    priority = checked_priority(given.get("priority"))
    if (before := given.get("before")) is not None:
        if not isinstance(before, str):
            raise FieldError("before", "before must be the id of a job")
        await service.job(before, client=own)
        return _Place(before=before)
    to = given.get("to")
    if to not in (None, "first", "last"):
        raise FieldError("to", "to must be first or last")
    return _Place(to, priority=priority)


async def _at(service: Service, id: str, position: object) -> _Place:
    """The place that so many are before, whatever their priorities."""
    if isinstance(position, bool) or not isinstance(position, int) or position < 0:
        raise FieldError("position", "position must be a whole number, how many go before the job")
    waiting = await service.jobs(state=State.QUEUED, limit=service.settings.most_waiting + 100)
    order = sorted(waiting, key=lambda each: (-each.submission.priority, each.position, each.id))
    others = [each for each in order if each.id != id]
    if position < len(others):
        return _Place(before=others[position].id)
    return _Place("last", priority=others[-1].submission.priority if others else None)


def checked_priority(given: object) -> int | None:
    """A priority that a caller may ask for; None is nothing given.

    Raises:
        FieldError: It is none.
    """
    if given is None:
        return None
    least, most = _PRIORITIES
    if isinstance(given, bool) or not isinstance(given, int) or not least <= given <= most:
        raise FieldError("priority", f"priority must be a whole number from {least} to {most}")
    return given
