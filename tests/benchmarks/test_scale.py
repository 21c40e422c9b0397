"""The simulation of many machines: what can be reckoned by hand comes out of it."""

import math
from dataclasses import replace

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("simpy")

from benchmarks import scale_model
from benchmarks.scale_model import ATTEMPTS, LEASE_S, SWEEP_S, Fleet, Outcome, Times
from benchmarks.scale_simulation import simulate
from benchmarks.scale_tables import power, span, times_of
from kakusan.batch.attempts import MOST_DEATHS
from kakusan.batch.on_queue import drawer, engine
from kakusan.cli.batch_engines import Where
from kakusan.server.worker import leases
from kakusan.server.worker.pace import Pace

FREE = Times(picture=2.0)  # everything but drawing takes no time
REAL = Times(
    picture=2.0,
    load=3.0,
    begin=4.0,
    start=1.0,
    keep=0.004,
    hand_in=0.001,
    claim=0.005,
    renew=0.003,
    finish=0.004,
    take=0.008,
    forget=0.008,
    sweep=0.004,
    commit=0.001,
)


def test_it_waits_as_long_as_the_program_does() -> None:
    of_engine = (engine._AT_ONCE, engine._TAKEN, engine._LOOK_S)
    of_drawer = (drawer._EACH, drawer._SWEEP_S)
    assert (
        of_engine
        == (64, 8, 0.2)
        == (
            scale_model.HANDED_IN,
            scale_model.TAKEN,
            scale_model.LOOK_S,
        )
    )
    assert of_drawer == (scale_model.CLAIMED, SWEEP_S)
    assert (Pace().lease_s, Pace().poll_s) == (LEASE_S, scale_model.POLL_S)
    assert leases._SHARED_S == scale_model.RENEWED_S
    assert ATTEMPTS == MOST_DEATHS
    assert Fleet(rows=1, workers=1).window == Where(engine="workers").window


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("drivers", [0, 1, 2])
def test_where_only_drawing_takes_time_nothing_else_is_waited_for(
    workers: int, drivers: int
) -> None:
    fleet = Fleet(rows=40, workers=workers, drivers=drivers, ready=True)
    outcome = simulate(FREE, fleet)
    assert outcome.pictures == 40
    assert outcome.again == outcome.failed == 0
    # the driver may look a little later, and a worker may ask before the first rows are there
    most = scale_model.POLL_S + scale_model.LOOK_S + 0.01
    assert 0 <= outcome.wall - 40 * 2.0 / workers <= most
    assert outcome.spent["drawing"] == pytest.approx(80)


def test_one_shard_takes_the_sum_of_what_it_does() -> None:
    times = replace(REAL, read=0.01)
    outcome = simulate(times, Fleet(rows=30, workers=1, drivers=0))
    assert outcome.wall == pytest.approx(4 + 3 + 30 * 0.01 + 30 * (2 + 0.004))


def test_shards_last_as_long_as_the_largest() -> None:
    outcome = simulate(FREE, Fleet(rows=30, workers=3, drivers=0, parts=(5, 15, 10)))
    assert outcome.wall == pytest.approx(30)
    assert outcome.share("waiting") == pytest.approx((20 + 0 + 10) / 90)


def test_the_time_of_workers_is_all_accounted_for() -> None:
    fleet = Fleet(rows=200, workers=4, mtbf=60.0, away=20.0, poison=0.02)
    for each in (fleet, replace(fleet, drivers=0)):
        outcome = simulate(REAL, each)
        assert sum(outcome.spent.values()) == pytest.approx(4 * outcome.wall)
        assert min(outcome.spent.values()) >= -1e-9


@pytest.mark.parametrize("drivers", [0, 1, 3])
@pytest.mark.parametrize("together", [1, 4])
def test_each_row_is_kept_once_whatever_ends(drivers: int, together: int) -> None:
    fleet = Fleet(
        rows=300,
        workers=5,
        drivers=drivers,
        window=100,
        together=together,
        mtbf=40.0,
        away=5.0,
        poison=0.02,
    )
    outcome = simulate(REAL, fleet, seed=3)
    assert outcome.pictures + outcome.failed == 300
    assert 0 < outcome.failed < 20
    assert outcome.again > 0


def test_the_same_seed_gives_the_same_run() -> None:
    fleet = Fleet(rows=100, workers=3, mtbf=50.0, poison=0.01)
    assert simulate(REAL, fleet, 1) == simulate(REAL, fleet, 1)
    assert simulate(REAL, fleet, 1) != simulate(REAL, fleet, 2)


def losses(mtbf: float, away: float) -> Outcome:
    return simulate(REAL, Fleet(rows=30_000, workers=10, drivers=0, mtbf=mtbf, away=away))


def test_ends_cost_the_half_of_a_picture_and_a_start() -> None:
    """Of each hour that a shard works, as many seconds as an end costs are lost: the formula."""
    outcome, mtbf, away = losses(600.0, 30.0), 600.0, 30.0
    cycle = mtbf + away  # an end while it is away is none
    assert outcome.share("starting") == pytest.approx((away + 7) / cycle, rel=0.2)
    assert outcome.share("lost") == pytest.approx(1.0 / cycle, rel=0.25)
    assert outcome.again == pytest.approx(10 * outcome.wall / cycle, rel=0.25)


def test_a_worker_that_is_killed_costs_its_lease_on_other_machines() -> None:
    killed = Fleet(rows=20, workers=2, ends=((0, 11.0),), ready=True)
    there = simulate(FREE, killed)
    here = simulate(FREE, replace(killed, same=True))
    assert there.wall == pytest.approx(11 + LEASE_S + SWEEP_S / 2 + 2, abs=1.5)
    assert here.wall < 20 + SWEEP_S
    assert there.again == here.again == 1


def test_a_poison_row_takes_three_attempts_and_no_more() -> None:
    outcome = simulate(FREE, Fleet(rows=50, workers=1, drivers=0, poison=1.0))
    assert (outcome.pictures, outcome.failed) == (0, 50)
    assert outcome.spent["lost"] == pytest.approx(50 * ATTEMPTS * 1.0, rel=0.2)


def test_a_queue_is_no_deeper_than_its_windows() -> None:
    mean, most = simulate(REAL, Fleet(rows=1000, workers=2, drivers=2, window=100)).depth
    assert 20 < mean < most <= 200


def test_what_one_database_does_bounds_the_rate() -> None:
    """Each row holds the lock of events twice, at the claim and at the end."""
    slow = replace(FREE, picture=0.01, claim=0.05, finish=0.05, commit=0.05)
    outcome = simulate(slow, Fleet(rows=400, workers=50, processors=8))
    assert outcome.rate == pytest.approx(1 / 0.1, rel=0.1)
    free = simulate(replace(slow, commit=0.0), Fleet(rows=4000, workers=50, processors=8))
    assert free.rate == pytest.approx(8 / 0.1, rel=0.1)
    assert free.busy / free.wall / 8 == pytest.approx(1, rel=0.1)


def test_storage_bounds_the_rate() -> None:
    for drivers in (0, 1):
        fleet = Fleet(rows=300, workers=50, drivers=drivers, writes=5.0)
        assert simulate(FREE, fleet).rate == pytest.approx(5.0, rel=0.05)


def test_times_are_those_that_were_measured() -> None:
    depths = [
        {
            "waiting": waiting,
            "claim": 0.01 + 1e-5 * waiting,
            "hand_in": 0.002 + 2e-6 * waiting,
            **dict.fromkeys(("renew", "finish", "take", "forget"), 0.003),
        }
        for waiting in (128, 1024, 4096)
    ]
    found = {
        "drawing": {"picture": 1.5, "load": 2.5},
        "starting": {"begin": 3.0, "start": 4.0, "start_shard": 5.0},
        "keeping_small": {"folder": 0.006, "webdataset": 0.007},
        "queue_small": {
            "by_depth": depths,
            "sweep": [{"drawn": 0, "sweep": 0.001}, {"drawn": 50, "sweep": 0.006}],
            "ask": 0.004,
            "look": 0.001,
            "commit": 0.002,
            "served": 0.3,
        },
    }
    times = times_of(found)
    assert times.claim == pytest.approx(0.01)
    assert times.queued == pytest.approx(1e-5)
    assert times.hand_in == pytest.approx(0.002)
    assert times.handed_in == pytest.approx(2e-6)
    assert times.running == pytest.approx(1e-4)
    assert (times.picture, times.begin, times.start, times.keep) == (1.5, 3.0, 4.0, 0.006)
    assert (times.ask, times.look, times.commit, times.served) == (0.004, 0.001, 0.002, 0.3)
    assert times_of(found, shards=True).begin == 5.0
    assert times_of(found, picture=0.5).picture == 0.5


def test_numbers_are_written_as_people_write_them() -> None:
    assert [power(10**n) for n in (3, 9)] == ["10³", "10⁹"]
    assert [span(each) for each in (0.5, 90, 600, 86400, 1e6)] == [
        "0.5 s",
        "90 s",
        "10 min",
        "24 h",
        "11.6 days",
    ]
    assert math.isinf(Fleet(rows=1, workers=1).mtbf)
