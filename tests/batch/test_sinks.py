"""Each layout is what the libraries that read it expect, and is the same of the same table."""

import gc
import io
import json
import tarfile
import warnings
from pathlib import Path

import pytest
from PIL import Image

from kakusan.batch.sinks import FORMATS
from tests.batch.making import Fake, everything, go, records, written

ROWS = [
    {"prompt": "a cat", "id": "one", "label": 1, "more": {"a": [1]}},
    {"prompt": "bad dog", "id": "two", "label": 2, "more": None},
    {"prompt": "猫", "id": "a/b", "label": None, "more": None},
    {"prompt": "a fox", "n": 3, "label": 4, "more": None},
    {"prompt": None, "label": 5, "more": None},
]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return written(tmp_path / "t.jsonl", ROWS)


def pixel(data: bytes) -> object:
    with Image.open(io.BytesIO(data)) as image:
        assert image.size == (16, 8)
        return image.getpixel((0, 0))


def test_the_manifest_tells_of_every_row_in_order(table: Path, tmp_path: Path) -> None:
    found = go(table, tmp_path / "out", Fake(back=True))
    assert [each["row"] for each in found] == [0, 1, 2, 3, 3, 3, 4]
    statuses = [each["status"] for each in found]
    assert statuses == ["success", "failed_draw", *["success"] * 4, "failed_row"]
    assert [each["label"] for each in found] == [1, 2, None, 4, 4, 4, 5]
    assert found[1]["error_message"] == "it is bad"
    assert found[1]["file"] is found[1]["sha256"] is found[1]["width"] is None
    assert found[0]["file"] == "one.png"
    assert found[0]["more"] == {"a": [1]}
    key, seed = found[3]["key"].removesuffix("-1"), found[3]["seed"]
    assert [(each["key"], each["seed"]) for each in found[3:6]] == [
        (f"{key}-{index + 1}", seed + index) for index in range(3)
    ]


def test_a_folder_loads_as_an_image_folder(table: Path, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    out = tmp_path / "out"
    found = [each for each in go(table, out) if each["status"] == "success"]
    loaded = datasets.load_dataset(
        "imagefolder", data_dir=str(out), split="train", cache_dir=str(tmp_path / "cache")
    )
    assert len(loaded) == 5
    by_key = {each["key"]: each for each in loaded}
    for each in found:
        row = by_key[each["key"]]
        assert (row["prompt"], row["seed"], row["label"]) == (
            *(each["prompt"], each["seed"]),
            each["label"],
        )
        assert row["more"] == (None if each["more"] is None else json.dumps(each["more"]))
        assert row["image"].getpixel((0, 0)) == pixel((out / each["file"]).read_bytes())


def test_tar_files_are_read_by_webdataset(table: Path, tmp_path: Path) -> None:
    webdataset = pytest.importorskip("webdataset")
    out = tmp_path / "out"
    found = go(table, out, layout="webdataset", size=3)
    good = [each for each in found if each["status"] == "success"]
    assert [each["file"] for each in good] == ["00000.tar"] * 3 + ["00001.tar"] * 2
    assert sorted(path.name for path in out.iterdir()) == [
        *(".kakusan", "00000.tar", "00001.tar", "manifest.jsonl"),
    ]
    shards = [str(out / name) for name in ("00000.tar", "00001.tar")]
    with warnings.catch_warnings(action="ignore"):
        samples = list(webdataset.WebDataset(shards, shardshuffle=False))
        gc.collect()  # it leaves files to be closed
    for each, sample in zip(good, samples, strict=True):
        told = json.loads(sample["json"])
        assert told["caption"] == each["prompt"] == sample["txt"].decode()
        assert told == {"caption": each["prompt"], **each}
        assert pixel(sample["png"])
        assert sample["__key__"].startswith(each["key"] if "/" not in each["key"] else "a-b")
    with tarfile.open(shards[0]) as tar:
        names = tar.getnames()
        assert names[:3] == ["one.json", "one.png", "one.txt"]
        assert {(each.mtime, each.uid, each.uname, each.mode) for each in tar} == {
            (0, 0, "", 0o644)
        }


def test_parquet_files_are_read_by_pyarrow_and_datasets(table: Path, tmp_path: Path) -> None:
    from pyarrow import parquet

    datasets = pytest.importorskip("datasets")
    out = tmp_path / "out"
    good = [r for r in go(table, out, layout="parquet", size=3) if r["status"] == "success"]
    files = [out / "00000.parquet", out / "00001.parquet"]
    assert parquet.read_schema(files[0]) == parquet.read_schema(files[1])
    rows = [row for file in files for row in parquet.read_table(file).to_pylist()]
    for each, row in zip(good, rows, strict=True):
        picture, more = row.pop("image"), row.pop("more")
        assert more == (None if each["more"] is None else json.dumps(each["more"]))
        assert row == {name: value for name, value in each.items() if name != "more"}
        assert pixel(picture["bytes"])
        assert picture["path"].endswith(".png")
    loaded = datasets.load_dataset(
        "parquet",
        data_files=[str(file) for file in files],
        split="train",
        cache_dir=str(tmp_path / "cache"),
    ).cast_column("image", datasets.Image())
    assert [each.size for each in loaded["image"]] == [(16, 8)] * 5


@pytest.mark.parametrize("layout", FORMATS)
@pytest.mark.parametrize("window", [1, 2, 100])
def test_the_same_table_makes_the_same_bytes(
    layout: str, window: int, table: Path, tmp_path: Path
) -> None:
    go(table, tmp_path / "a", layout=layout)
    go(table, tmp_path / "b", Fake(back=True), layout=layout, window=window)
    assert everything(tmp_path / "a") == everything(tmp_path / "b")


@pytest.mark.parametrize("layout", FORMATS)
def test_a_finished_run_draws_nothing_more(layout: str, table: Path, tmp_path: Path) -> None:
    go(table, tmp_path / "out", layout=layout)
    before, again = everything(tmp_path / "out"), Fake()
    go(table, tmp_path / "out", again, layout=layout)
    assert again.drawn == []
    assert everything(tmp_path / "out") == before


def test_half_a_character_and_a_lone_nan_make_no_broken_manifest(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text('{"prompt": "a \\ud83d", "x": NaN, "y": "\\\\\\ud83d"}\n', encoding="utf-8")
    for layout in FORMATS:
        go(path, tmp_path / layout, layout=layout)
        (record,) = records(tmp_path / layout)
        assert (record["prompt"], record["x"], record["y"]) == ("a \ud83d", None, "\\\ud83d")
