"""The actors of a run: begun, given rows, and replaced when they die.

They are plain actors, and not Ray Data's: a pool of Ray Data's ends with its data set, and each
window would load its models anew; and which rows an actor died with would be known to Ray alone.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import kakusan
from kakusan.batch.attempts import MOST_DEATHS
from kakusan.batch.on_ray.actor import Answer, Drawer, Hello
from kakusan.batch.on_ray.sharing import Share
from kakusan.batch.row import Row
from kakusan.batch.supervised import Make
from kakusan.errors import KakusanError, reason

_DEEP = 2  # calls that an actor has: one that it draws, and one that waits
_LOOK_S = 1.0
_BEGIN_S = 300.0  # for the first actor, whose place others may have


@dataclass(eq=False)
class Actor:
    """One of them.

    Attributes:
        handle: Ray's.
        hello: the call by which it says that it is there; None once it has.
        calls: what it was asked to draw, by the references of the answers.
        model: that it drew with last.
        is_lost: whether it has died, or is not to be heard of any more.
    """

    handle: Any
    hello: Any
    calls: dict[Any, list[Row]] = field(default_factory=dict[Any, list[Row]])
    model: object = None
    is_lost: bool = False

    @property
    def room(self) -> int:
        """How many more calls it takes."""
        return 0 if self.is_lost or self.hello is not None else _DEEP - len(self.calls)

    def give(self, rows: list[Row]) -> None:
        """Have it draw some rows."""
        self.calls[self.handle.draw.remote(rows)] = rows
        self.model = rows[-1].settings.get("model")


class Pool:
    """The actors of a run.

    Args:
        make: makes the engine of each.
    """

    def __init__(self, make: Make, share: Share) -> None:
        import ray

        self._ray: Any = ray
        self._make, self._share = make, share
        # A row may be why an actor dies: that is counted here, and Ray tries nothing again
        self._kind: Any = ray.remote(
            num_cpus=share.cpus, num_gpus=share.gpus, max_restarts=0, max_task_retries=0
        )(Drawer)
        self._actors: list[Actor] = []
        self._stillborn = 0  # one after the other
        self._began_at = time.monotonic()
        self._has_begun = False

    def grow(self, wanted: int) -> None:
        """Have as many actors as there is work for, and no more than there is room for."""
        while len(self._actors) < min(wanted, self._share.actors):
            handle = self._kind.remote(self._make)
            self._actors.append(Actor(handle, handle.hello.remote()))

    def free(self) -> list[Actor]:
        """Those that take another call, first those that have none."""
        return sorted((each for each in self._actors if each.room), key=lambda one: -one.room)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is drawn."""
        return not any(each.calls for each in self._actors)

    def wait(self) -> Iterator[tuple[Sequence[Row], Answer | None]]:
        """What has been drawn by now, after a while; None for rows whose actor has died.

        Raises:
            KakusanError: Actors do not come up, or of another version.
        """
        asked = {ref: each for each in self._actors for ref in each.calls}
        asked |= {each.hello: each for each in self._actors if each.hello is not None}
        refs = list(asked)
        if self._ray.wait(refs, num_returns=1, timeout=_LOOK_S)[0]:
            for ref in self._ray.wait(refs, num_returns=len(refs), timeout=0)[0]:
                actor = asked[ref]
                if ref == actor.hello:
                    self._greet(actor)
                else:
                    yield actor.calls.pop(ref), self._answer(actor, ref)
            self._actors = [each for each in self._actors if each.calls or not each.is_lost]
        elif not self._has_begun and time.monotonic() - self._began_at > _BEGIN_S:
            raise KakusanError(
                f"no actor could begin within {_BEGIN_S:.0f} seconds: others have the cluster's "
                "devices; ask for less with --actors and --actor-cpus, or try later"
            )

    def _greet(self, actor: Actor) -> None:
        ref, actor.hello = actor.hello, None
        try:
            said: Hello = self._ray.get(ref)
        except self._ray.exceptions.RayError as error:
            self._lose(actor)
            self._stillborn += 1
            if self._stillborn < MOST_DEATHS:
                return
            lines = str(error).strip().splitlines() or [""]
            said_last = reason(KakusanError(lines[-1]))
            raise KakusanError(
                f"actors end before they draw anything; see that kakusan {kakusan.__version__} is "
                f"installed on all machines ({said_last})"
            ) from None
        if said.version != kakusan.__version__:
            raise KakusanError(
                f"{said.host} has kakusan {said.version}, and the run is of {kakusan.__version__}; "
                "install the same on all machines"
            )
        self._has_begun, self._stillborn = True, 0

    def _answer(self, actor: Actor, ref: Any) -> Answer | None:
        try:
            return self._ray.get(ref)
        except self._ray.exceptions.RayTaskError as error:  # of the actor's own, not of a row
            raise KakusanError(f"an actor failed: {reason(error.cause or error)}") from None
        except self._ray.exceptions.RayError:
            self._lose(actor)
            return None

    def _lose(self, actor: Actor) -> None:
        actor.is_lost = True
        with suppress(Exception):
            self._ray.kill(actor.handle)  # it may only have been out of reach

    def close(self) -> None:
        """End all actors."""
        for each in self._actors:
            self._lose(each)
        self._actors.clear()
