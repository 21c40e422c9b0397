"""The run's side: rows go to actors, and what became of them comes back."""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from kakusan.batch.attempts import Attempts
from kakusan.batch.engine import Begun
from kakusan.batch.on_ray.cluster import Cluster
from kakusan.batch.on_ray.joining import HERE
from kakusan.batch.on_ray.pool import Actor, Pool
from kakusan.batch.on_ray.sharing import share_of
from kakusan.batch.row import FAILED_ATTEMPTS, Finished, Row
from kakusan.batch.supervised import Make


class RayEngine:
    """Draws rows on a cluster, which is joined or begun when there is something to draw.

    A row that brings down an actor, and not only the process that draws beneath it, is tried again
    by another, as often as on one machine.

    Args:
        make: makes the engine of an actor; it is sent there by name.
        attempts: how often each row brought down an actor.
        told: is told what there is to know of pictures, a line each.
        together: rows that an actor takes at once.
        address: of a cluster, see `Cluster`.
        actors, cpus, device: see `share_of`.
    """

    def __init__(
        self,
        make: Make,
        attempts: Attempts,
        told: Callable[[str], object] = lambda _: None,
        *,
        together: int = 1,
        address: str = HERE,
        actors: int | None = None,
        cpus: int | None = None,
        device: str | None = None,
    ) -> None:
        self._make, self._attempts, self._told = make, attempts, told
        self._together, self._address = together, address
        self._actors, self._cpus, self._device = actors, cpus, device
        self._cluster: Cluster | None = None
        self._pool: Pool | None = None

    def draw(self, rows: Sequence[Row], begun: Begun) -> Iterator[Finished]:
        waiting = {row.number: row for row in rows}
        yield from self._given_up(waiting)
        while waiting or not (self._pool is None or self._pool.is_idle):
            pool = self._opened()
            pool.grow(-(-len(waiting) // self._together))
            self._hand_out(pool, waiting, begun)
            ended = list(pool.wait())
            for some, answer in ended:
                if answer is None:
                    waiting |= {row.number: row for row in some}
                    for row in some:
                        self._attempts.died(row.number)
                elif answer.refused is not None:
                    raise answer.refused
            given_up = list(self._given_up(waiting))
            self._hand_out(pool, waiting, begun)  # before anything is written here
            yield from given_up
            for _, answer in ended:
                yield from self._finished(answer.finished, answer.notices) if answer else ()

    def close(self) -> None:
        """End the actors, and leave the cluster or end it."""
        if self._pool is not None:
            self._pool.close()
        if self._cluster is not None:
            self._cluster.close()
        self._cluster = self._pool = None

    def _opened(self) -> Pool:
        if self._cluster is None:
            self._cluster = Cluster(self._address)
        if self._pool is None:
            share = share_of(
                self._cluster.nodes(), actors=self._actors, cpus=self._cpus, device=self._device
            )
            self._pool = Pool(self._make, share)
        return self._pool

    def _hand_out(self, pool: Pool, waiting: dict[int, Row], begun: Begun) -> None:
        """Give rows to actors that have room; one that an actor died of gets one to itself."""
        suspects = self._attempts.suspects()
        for actor in pool.free():
            while actor.room and (some := self._next(actor, waiting, suspects)):
                for row in some:
                    del waiting[row.number]
                    begun(row.number)
                actor.give(some)

    def _next(self, actor: Actor, waiting: dict[int, Row], suspects: set[int]) -> list[Row]:
        if any(row.number in suspects for rows in actor.calls.values() for row in rows):
            return []
        rows = [row for row in waiting.values() if row.number not in suspects]
        if not rows:
            return [] if actor.calls else list(waiting.values())[:1]
        own = (row for row in rows if row.settings.get("model") == actor.model)
        return list(islice(own, self._together)) or rows[: self._together]

    def _finished(self, rows: Sequence[Finished], notices: Sequence[str]) -> Iterator[Finished]:
        for notice in notices:
            self._told(notice)
        for finished in rows:
            self._attempts.end(finished.number)
            yield finished

    def _given_up(self, waiting: dict[int, Row]) -> Iterator[Finished]:
        """Those of the rows that are not tried again."""
        for number in list(waiting):
            if (why := self._attempts.why_not(number)) is not None:
                del waiting[number]
                self._attempts.end(number)
                yield Finished(number, FAILED_ATTEMPTS, error=why)
