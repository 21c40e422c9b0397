"""Shards are parts of one table, and together they are what an undivided run gives."""

from pathlib import Path

import pytest

from kakusan.batch.merge import merge
from kakusan.batch.shard import Shard
from kakusan.batch.sinks import FORMATS
from kakusan.errors import InputError
from tests.batch.making import Fake, everything, go, records, written

ROWS = [
    {"prompt": "bad dog" if number == 3 else f"a cat {number % 7}", "n": 2 if number == 5 else 1}
    for number in range(20)
]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return written(tmp_path / "t.jsonl", ROWS)


def shards(table: Path, count: int, layout: str = "folder") -> list[str]:
    folders = [table.parent / f"{layout}-{index}" for index in range(count)]
    for index, folder in enumerate(folders):
        go(table, folder, Fake(back=True), layout=layout, shard=Shard(index, count))
    return [str(folder) for folder in reversed(folders)]


@pytest.mark.parametrize("layout", FORMATS)
@pytest.mark.parametrize("count", [1, 3])
def test_merged_shards_are_the_undivided_run(
    layout: str, count: int, table: Path, tmp_path: Path
) -> None:
    go(table, tmp_path / "whole", layout=layout)
    parts = shards(table, count, layout)
    told: list[tuple[int, int]] = []
    merge(parts, str(tmp_path / "all"), lambda done, of: told.append((done, of)))
    assert everything(tmp_path / "all") == everything(tmp_path / "whole")
    assert told[-1] == (20, 20)
    rows = [{each["row"] for each in records(Path(part))} for part in parts]
    assert sum(map(len, rows)) == len(set().union(*rows)) == 20
    before = everything(tmp_path / "all")
    merge(parts, str(tmp_path / "all"), lambda done, of: None)  # again
    go(table, tmp_path / "all", again := Fake(), layout=layout)  # and as a run of its own
    assert again.drawn == []
    assert everything(tmp_path / "all") == before


def test_a_shard_may_be_empty(tmp_path: Path) -> None:
    table = written(tmp_path / "t.jsonl", ROWS[:1])
    parts = shards(table, 4)
    merge(parts, str(tmp_path / "all"), lambda done, of: None)
    assert len(records(tmp_path / "all")) == 1


def test_what_is_no_whole_set_of_shards_is_refused(table: Path, tmp_path: Path) -> None:
    def merged(*folders: str) -> None:
        merge(folders, str(tmp_path / "all"), lambda done, of: None)

    one, two, three = shards(table, 3)
    with pytest.raises(InputError, match=r"of 3 shards these are missing: 0/3"):
        merged(one, two)
    with pytest.raises(InputError, match=r"folder-2' is named twice"):
        merged(one, one, two)
    with pytest.raises(InputError, match="there is no folder"):
        merged(one, str(tmp_path / "none"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="is no run's folder"):
        merged(one, str(tmp_path / "empty"))
    other = written(tmp_path / "other.jsonl", ROWS[2:])
    go(other, tmp_path / "x", shard=Shard(0, 3))
    with pytest.raises(InputError, match="are of different runs"):
        merged(one, two, str(tmp_path / "x"))
    lines = (Path(two) / "manifest.jsonl").read_bytes().splitlines(keepends=True)
    (Path(two) / "manifest.jsonl").write_bytes(b"".join(lines[:-1]))
    with pytest.raises(InputError, match=r"row \d+ is in none of the folders"):
        merged(one, two, three)
