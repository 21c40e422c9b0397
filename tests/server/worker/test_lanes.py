"""Who takes the next step, by a clock that is only simulated."""

import itertools
from collections.abc import Callable

import pytest

from kakusan.server.queue.job import Priority
from kakusan.server.worker.lanes import LEAD, Lane, Lanes
from kakusan.server.worker.widths import AGAIN, TRIES


class Simulated:
    """Lanes with steps to take; a round takes a second of the clock.

    Args:
        cost: seconds that a call of so many rows is said to take; the same for all where none is
            given, so that company costs nothing.
    """

    def __init__(
        self, most_rows: int = 4, lift_s: float = 1e9, cost: Callable[[int], float] = lambda _: 0.1
    ) -> None:
        self.lanes, self.now, self.cost = Lanes[str](most_rows, lift_s), 0, cost
        self.left: dict[str, int] = {}
        self.ended: dict[str, int] = {}

    def join(
        self,
        name: str,
        steps: int,
        *,
        client: str = "a",
        rows: int = 2,
        priority: int = Priority.QUEUED,
        pixels: int = 64,
    ) -> None:
        self.left[name] = steps
        lane = Lane(
            of=name, client=client, priority=int(priority), rows=rows, pixels=pixels, left=steps
        )
        self.lanes.join(lane, self.now)

    def round(self) -> list[str]:
        chosen = self.lanes.chosen(self.now)
        self.now += 1
        self.lanes.stepped(chosen, self.now, self.cost(sum(lane.rows for lane in chosen)))
        for lane in chosen:
            self.left[lane.of] -= 1
            if not self.left[lane.of]:
                self.lanes.leave(lane)
                self.ended[lane.of] = self.now
        return [lane.of for lane in chosen]

    def rounds(self, count: int) -> list[list[str]]:
        return [self.round() for _ in range(count)]


def test_a_short_one_goes_before_long_ones() -> None:
    simulated = Simulated()
    for index in range(7):
        simulated.join(f"long {index}", 1000)
    simulated.rounds(100)
    simulated.join("short", 5)
    simulated.rounds(5)
    assert simulated.ended["short"] == 105


def test_equal_ones_end_one_after_the_other() -> None:
    simulated = Simulated(most_rows=2)
    for client in "abcd":
        simulated.join(client, 20, client=client)
    simulated.rounds(80)
    assert simulated.ended == {"a": 20, "b": 40, "c": 60, "d": 80}


def test_a_size_has_its_calls_to_itself() -> None:
    simulated = Simulated(most_rows=8)
    for index in range(3):
        simulated.join(f"small {index}", 10, client="a")
        simulated.join(f"large {index}", 10, client="b", pixels=256)
    rounds = list[list[str]]()
    while simulated.lanes.live:
        rounds.append(simulated.round())
    assert all(len({name[:5] for name in names}) == 1 for names in rounds)
    assert max(simulated.ended[f"small {index}"] for index in range(3)) <= 20


def test_company_is_kept_where_it_is_worth_it() -> None:
    simulated = Simulated(most_rows=8, cost=lambda rows: 1 + 0.1 * rows)
    for index in range(8):
        simulated.join(str(index), 100, client=str(index))
    rounds = simulated.rounds(50)
    assert [len(names) for names in rounds[:8]] == [1, 4] * TRIES  # both in turns, to compare
    assert {len(names) for names in rounds[8:]} == {4}


@pytest.mark.parametrize("cost", [lambda rows: 0.5 * rows, lambda rows: 0.1 * rows**2])
def test_pictures_that_keep_it_busy_are_drawn_alone(cost: Callable[[int], float]) -> None:
    simulated = Simulated(most_rows=8, cost=cost)
    for index in range(8):
        simulated.join(str(index), 100, client=str(index))
    simulated.rounds(2 * TRIES)
    assert {len(names) for names in simulated.rounds(AGAIN - 2 * TRIES)} == {1}


def test_slow_calls_now_and_then_change_nothing() -> None:
    costs = itertools.cycle([0.1, 0.1, 9.0, 0.1, 0.1, 9.0, 0.1])
    simulated = Simulated(most_rows=4, cost=lambda _: next(costs))
    for index in range(2):
        simulated.join(str(index), 1000)
    simulated.rounds(2 * TRIES)
    assert {len(names) for names in simulated.rounds(50)} == {2}


def test_it_is_tried_again_later() -> None:
    busy = [True]
    simulated = Simulated(most_rows=4, cost=lambda rows: float(rows) if busy[0] else 1.0)
    for index in range(2):
        simulated.join(str(index), 10_000)
    simulated.rounds(2 * TRIES)
    assert {len(names) for names in simulated.rounds(50)} == {1}
    busy[0] = False
    simulated.rounds(AGAIN)
    assert {len(names) for names in simulated.rounds(50)} == {2}


def test_one_alone_is_no_trial() -> None:
    simulated = Simulated(most_rows=4, cost=lambda rows: 1 + 0.1 * rows)
    simulated.join("a", 10_000)
    simulated.rounds(50)
    simulated.join("b", 10_000)
    assert [len(names) for names in simulated.rounds(8)] == [1, 2] * TRIES


def test_no_call_has_more_rows_than_may_but_for_one_alone() -> None:
    simulated = Simulated(most_rows=4)
    simulated.join("large", 3, rows=6, client="b")
    for index in range(3):
        simulated.join(str(index), 3, rows=1 + index % 2)
    rounds = [simulated.round() for _ in range(9)]
    assert all(len(names) == 1 or "large" not in names for names in rounds)
    assert all(sum(name in names for names in rounds) == 3 for name in simulated.ended)
    assert len(simulated.ended) == 4


def test_a_flood_of_one_client_leaves_half_to_the_other() -> None:
    simulated, taken = Simulated(), {"a": 0, "b": 0}
    simulated.join("b 0", 10**6, client="b")
    simulated.join("b 1", 10**6, client="b")
    for index in range(50):
        simulated.join(f"a {index}", 20)
    for index in range(200):
        simulated.join(f"a more {index}", 5)
        for name in simulated.round():
            taken[name[0]] += 1
    assert abs(taken["a"] - taken["b"]) <= LEAD // 2 + 2


def test_a_client_that_comes_later_owes_and_is_owed_nothing() -> None:
    simulated = Simulated(most_rows=2)
    simulated.join("a", 10**6)
    for _ in range(100):
        simulated.round()
    simulated.join("b", 10**6, client="b")
    found = [simulated.round()[0] for _ in range(400)]
    assert abs(found.count("a") - 200) <= LEAD // 2


def test_who_somebody_waits_for_goes_first_and_others_are_lifted() -> None:
    simulated = Simulated(most_rows=2, lift_s=10)
    simulated.join("batch", 3, priority=Priority.BATCH)
    simulated.join("waiting", 100, priority=Priority.WAITING, client="b")
    order = list(itertools.chain.from_iterable(simulated.round() for _ in range(90)))
    assert order[:20] == ["waiting"] * 20
    assert 20 <= order.index("batch") <= 22
    assert "batch" in simulated.ended
    assert len([name for name in order if name == "batch"]) == 3
