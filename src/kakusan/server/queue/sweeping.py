"""Taking back what no worker holds any more."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import select

from kakusan.server.queue.job import ROWS, State
from kakusan.server.queue.leases import NOT_BEGUN, back_or_ended
from kakusan.server.queue.schema import jobs
from kakusan.server.queue.transaction import Transaction

# A job that ends the process looks like one that was drawn when somebody else ended it; from the
# third time on it runs alone, so that few of these ends are another's
MOST_ENDS = 10
MOST_ROW_ENDS = 3  # of a row of a table, of which there are others


def sweep(t: Transaction, most_ends: int, is_gone: Callable[[str], bool]) -> list[str]:
    """Let jobs wait again whose leases ended or whose workers are gone; fail what ends them.

    Args:
        most_ends: how often a job may be begun without getting further.
        is_gone: whether the holder of a lease is known to live no more.
    """
    swept: list[str] = []
    for row in t.connection.execute(select(jobs).where(jobs.c.state == State.RUNNING)).all():
        if row.lease_until >= t.now and not is_gone(row.lease_owner):
            continue
        same = (
            (jobs.c.id == row.id)
            & (jobs.c.fence == row.fence)
            & (jobs.c.state == State.RUNNING)
            & (jobs.c.lease_until == row.lease_until)
        )
        is_idle = row.dialect == ROWS and row.step == 0  # claimed, and its drawing not begun
        most = MOST_ROW_ENDS if row.dialect == ROWS else most_ends
        poison = row.vain >= most and not is_idle
        told: dict[str, Any] = {"error": _poisonous(row.vain, row.error)} if poison else {}
        if is_idle:
            told = NOT_BEGUN
        if back_or_ended(t, row.id, same, State.FAILED if poison else State.QUEUED, told):
            swept.append(row.id)
    return swept


def _poisonous(attempts: int, error: str | None) -> str:
    before = f"; an error before that: {error}" if error else ""
    return (
        f"begun {attempts} times, and each time the program ended before the job got further; "
        f"it is not tried again{before}"
    )
