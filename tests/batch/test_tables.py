"""Tables are read as they stand, in every form."""

import csv
import datetime
import io
from pathlib import Path

import pytest

from kakusan.batch.tables import Broken, open_table
from kakusan.errors import InputError
from tests.batch.making import go, written

ROWS = [
    {"prompt": "a cat", "steps": 4, "label": "x"},
    {"prompt": "a\ndog", "steps": 3, "label": ""},
]


def read(path: Path) -> list[object]:
    with open_table(str(path)) as table:
        return list(table.rows())


def kinds(path: Path) -> dict[str, str]:
    with open_table(str(path)) as table:
        return dict(table.survey().kinds)


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_a_table_has_the_rows_that_were_written(suffix: str, tmp_path: Path) -> None:
    path = written(tmp_path / f"t{suffix}", ROWS)
    found = read(path)
    texts = suffix == ".csv"
    assert found == [{n: str(v) if texts else v for n, v in row.items()} for row in ROWS]
    with open_table(str(path)) as table:
        assert table.survey().rows == 2


def test_a_table_without_a_row_leaves_an_empty_manifest(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("prompt\n", encoding="utf-8")
    assert go(tmp_path / "t.csv", tmp_path / "out") == []
    assert (tmp_path / "out" / "manifest.jsonl").read_bytes() == b""


def test_a_csv_with_a_mark_crlf_quotes_and_a_large_cell(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    large = "x" * 1_000_000
    text = f'prompt,label\r\n"a ""red"" cat,\r\nsitting",{large}\r\n\r\n猫,"nan"\r\n'
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    before = csv.field_size_limit()
    assert read(path) == [
        {"prompt": 'a "red" cat,\r\nsitting', "label": large},
        {"prompt": "猫", "label": "nan"},
    ]
    assert csv.field_size_limit() == before


def test_rows_of_a_csv_may_be_short_and_not_long(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(",prompt,steps\n0,a cat\n1,a dog,2,3\n", encoding="utf-8")
    short, long = read(path)
    assert short == {"Unnamed: 0": "0", "prompt": "a cat"}
    assert isinstance(long, Broken)
    assert long.error == "the row has 4 cells, and the table 3 columns"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "is empty; its first line names the columns"),
        (b"prompt,prompt\na,b\n", "has two columns called 'prompt'"),
        (b"prompt;steps\na;2\n", "parts its columns by ';'"),
        (b'prompt\n"a cat\n', "is broken at line 2"),
        (b"prompt\n\xe9t\xe9\n", "is not UTF-8 text"),
    ],
)
def test_what_is_no_csv_is_refused_in_one_line(text: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(text)
    with pytest.raises(InputError, match=words) as error, open_table(str(path)) as table:
        table.survey()
    assert "\n" not in str(error.value)


def test_a_tsv_has_tabs(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_text("prompt\tsteps\na, b\t2\n", encoding="utf-8")
    assert read(path) == [{"prompt": "a, b", "steps": "2"}]


def test_lines_that_are_no_objects_are_broken_rows(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"prompt": "a"}\r\n\n[1]\n{"prompt"\n{"prompt": "\xff"}\n')
    first, *broken = read(path)
    assert first == {"prompt": "a"}
    assert [getattr(each, "error", None) for each in broken] == [
        "line 3 is no JSON object but list",
        "line 4 is no JSON: Expecting ':' delimiter",
        "line 5 is not UTF-8 text",
    ]


def test_a_file_without_an_object_is_no_table(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text('[{"prompt": "a"}]', encoding="utf-8")
    with pytest.raises(InputError, match="is no JSONL: line 1 is no JSON object but list"):
        kinds(tmp_path / "t.jsonl")


def test_the_kinds_of_columns(tmp_path: Path) -> None:
    rows = [
        {"prompt": "a", "whole": 1, "number": 1, "truth": True, "large": 2**70, "mixed": 1},
        {"prompt": "b", "whole": None, "number": 0.5, "truth": None, "large": 1, "mixed": "x"},
    ]
    assert kinds(written(tmp_path / "t.jsonl", rows)) == {
        "prompt": "text",
        "whole": "whole",
        "number": "number",
        "truth": "truth",
        "large": "json",
        "mixed": "json",
    }
    day = datetime.datetime(2026, 11, 27)
    more = [{"prompt": "a", "at": day, "list": [1], "bytes": b"x", "image": {"bytes": b"x"}}]
    assert kinds(written(tmp_path / "t.parquet", more)) == {
        "prompt": "text",
        "at": "text",
        "list": "json",
        "bytes": "bytes",
        "image": "bytes",
    }


def test_a_parquet_file_is_read_in_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "t.parquet", [{"prompt": str(i)} for i in range(50)])
    monkeypatch.setattr("kakusan.batch.tables.parquet._BATCH", 7)
    assert read(path) == [{"prompt": str(i)} for i in range(50)]
    path.write_bytes(b"PAR1 and no more")
    with pytest.raises(InputError, match="cannot be read as Parquet"):
        read(path)


def test_stdin_is_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stdin:
        buffer = io.BytesIO(b'{"prompt": "a"}\n{"prompt": "b"}')

    monkeypatch.setattr("sys.stdin", Stdin())
    with open_table("-") as table:
        assert table.survey().rows == 2
        assert list(table.rows()) == [{"prompt": "a"}, {"prompt": "b"}]
        path = table.path
    assert not path.exists()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("none.csv", "is not there; give a .csv, .jsonl or .parquet file"),
        ("t.xlsx", "ends in '.xlsx'; tables are read from .csv, .tsv, .jsonl and .parquet"),
        ("t.json", "ends in '.json'"),
        (".", "is a folder"),
    ],
)
def test_what_is_no_table_is_refused(name: str, words: str, tmp_path: Path) -> None:
    for each in ("t.xlsx", "t.json"):
        (tmp_path / each).touch()
    with pytest.raises(InputError, match=words), open_table(str(tmp_path / name)):
        pass
