"""Ids are UUIDs of version 7 that rise, whatever the clock does."""

import threading
import uuid

from kakusan.server.queue.ids import Ids, is_id


def test_ids_tell_their_time_and_rise() -> None:
    ids = Ids()
    found = [ids.new(1_800_000_000.0 + n // 100 * 0.001) for n in range(1000)]
    assert found == sorted(set(found))
    for id in found:
        value = uuid.UUID(id)
        assert (value.version, value.variant) == (7, uuid.RFC_4122)
        assert abs((value.int >> 80) - 1_800_000_000_000) <= 10
        assert is_id(id)


def test_ids_rise_when_the_clock_is_set_back_and_after_a_start() -> None:
    ids = Ids()
    first = [ids.new(2_000_000_000.0), ids.new(1_000_000_000.0), ids.new(1_999_999_999.0)]
    later = Ids(last=first[-1])
    first += [later.new(0.0), later.new(2_000_000_000.1)]
    assert first == sorted(set(first))


def test_threads_get_ids_of_their_own() -> None:
    ids, found = Ids(), list[str]()
    threads = [
        threading.Thread(target=lambda: found.extend(ids.new(1.0) for _ in range(500)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 2000


def test_other_texts_are_no_ids() -> None:
    good = Ids().new(1.0)
    for text in ("", good.upper().replace("0", "A"), good + "\n", f" {good}", str(uuid.uuid4())):
        assert not is_id(text)
