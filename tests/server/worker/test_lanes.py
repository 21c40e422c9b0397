"""Who takes the next step, by a clock that is only simulated."""

import itertools

import pytest

from kakusan.server.queue.job import Priority
from kakusan.server.worker.lanes import Lane, Lanes


class Simulated:
    """Lanes with steps to take; a round takes a second."""

    def __init__(self, most_rows: int = 4, lift_s: float = 1e9) -> None:
        self.lanes, self.now = Lanes[str](most_rows, lift_s), 0
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
    ) -> None:
        self.left[name] = steps
        lane = Lane(of=name, client=client, priority=int(priority), rows=rows)
        self.lanes.join(lane, self.now)

    def round(self) -> list[str]:
        chosen = self.lanes.chosen(self.now)
        self.now += 1
        self.lanes.stepped(chosen, self.now)
        for lane in chosen:
            self.left[lane.of] -= 1
            if not self.left[lane.of]:
                self.lanes.leave(lane)
                self.ended[lane.of] = self.now
        return [lane.of for lane in chosen]


@pytest.mark.parametrize("long", [1, 3, 7])
def test_a_short_one_ends_in_its_own_steps_times_the_rounds_of_all(long: int) -> None:
    simulated = Simulated()
    for index in range(long):
        simulated.join(f"long {index}", 1000)
    for _ in range(100):
        simulated.round()
    simulated.join("short", 5)
    while "short" not in simulated.ended:
        simulated.round()
    rounds = -(-2 * (long + 1) // 4)
    assert simulated.ended["short"] - 100 <= 5 * rounds


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
    assert abs(taken["a"] - taken["b"]) <= 2


def test_a_client_that_comes_later_owes_and_is_owed_nothing() -> None:
    simulated = Simulated(most_rows=2)
    simulated.join("a", 10**6)
    for _ in range(100):
        simulated.round()
    simulated.join("b", 10**6, client="b")
    found = [simulated.round()[0] for _ in range(10)]
    assert found.count("a") == 5


def test_who_somebody_waits_for_goes_first_and_others_are_lifted() -> None:
    simulated = Simulated(most_rows=2, lift_s=10)
    simulated.join("batch", 3, priority=Priority.BATCH)
    simulated.join("waiting", 100, priority=Priority.WAITING, client="b")
    order = list(itertools.chain.from_iterable(simulated.round() for _ in range(90)))
    assert order[:20] == ["waiting"] * 20
    assert 20 <= order.index("batch") <= 22
    assert "batch" in simulated.ended
    assert len([name for name in order if name == "batch"]) == 3
