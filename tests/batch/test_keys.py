"""What a row is called and its seed follow from what it says, not from where it stands."""

import random
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kakusan.batch.keys import stem_of
from kakusan.batch.model_hash import ModelHashes
from kakusan.batch.shard import Shard
from tests.batch.making import named, written

WORDS = ["a cat", "a dog", "猫", "a\nfox", 'a "red" hat']
ROWS = st.lists(
    st.fixed_dictionaries(
        {"prompt": st.sampled_from(WORDS)},
        optional={
            "steps": st.sampled_from([2, 3]),
            "seed": st.integers(0, 3),
            "label": st.sampled_from(["x", "y"]),
            "n": st.integers(1, 3),
        },
    ),
    min_size=1,
    max_size=12,
)


def said(path: Path, **more: object) -> list[tuple[str, object]]:
    return [(row.key, row.settings["seed"]) for row in named(path, **more)]  # type: ignore[arg-type]


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rows=ROWS, order=st.randoms(use_true_random=False), count=st.integers(1, 5))
def test_keys_and_seeds_do_not_depend_on_order_or_shard(
    tmp_path: Path, rows: list[dict[str, object]], order: random.Random, count: int
) -> None:
    path = written(tmp_path / "t.jsonl", rows)
    whole = said(path)
    assert len({key for key, _ in whole}) == len(rows)
    parts = [said(path, shard=Shard(index, count)) for index in range(count)]
    assert sorted(key for part in parts for key in part) == sorted(whole)
    shuffled = list(rows)
    order.shuffle(shuffled)
    assert sorted(said(written(tmp_path / "s.jsonl", shuffled))) == sorted(whole)


def test_a_key_is_of_all_that_a_row_says_and_of_the_model(tmp_path: Path) -> None:
    base = {"prompt": "a cat", "steps": 4, "label": "x"}
    (first,) = said(written(tmp_path / "a.jsonl", [base]))
    assert re.fullmatch("[0-9a-f]{24}", first[0])
    changed = [{**base, "prompt": "a dog"}, {**base, "steps": 5}, {**base, "label": "y"}]
    others = [said(written(tmp_path / "b.jsonl", [row]))[0] for row in changed]
    others += said(tmp_path / "a.jsonl", defaults={"model": "other"})
    others += said(tmp_path / "a.jsonl", defaults={"guidance_scale": 3.0})
    assert len({first, *others}) == 6
    assert said(tmp_path / "a.jsonl", defaults={"device": "cuda"}) == [first]
    (other,) = said(tmp_path / "a.jsonl", run_seed=1)
    assert other[0] == first[0]
    assert other[1] != first[1]


def test_a_key_is_the_same_in_every_form(tmp_path: Path) -> None:
    rows = [{"prompt": "a cat", "steps": 4, "guidance_scale": 3.0, "label": "x"}]
    keys = {said(written(tmp_path / f"t{s}", rows))[0] for s in (".csv", ".jsonl", ".parquet")}
    assert len(keys) == 1


def test_ids_are_keys_and_seeds_of_the_row_are_taken(tmp_path: Path) -> None:
    rows = [{"prompt": "a", "id": "one", "seed": 5}, {"prompt": "b", "id": 2}, {"prompt": "c"}]
    first, second, third = named(written(tmp_path / "t.jsonl", rows), defaults={})
    assert (first.key, first.settings["seed"]) == ("one", 5)
    assert second.key == "2"
    assert 0 <= second.settings["seed"] < 2**32
    assert len(third.key) == 24
    assert "id" not in first.settings
    every = named(tmp_path / "t.jsonl", defaults={"seed": 9})
    assert [row.settings["seed"] for row in every] == [5, 9, 9]
    varied = named(tmp_path / "t.jsonl", defaults={"variation_strength": 0.5})
    assert len({row.settings["variation_seed"] for row in varied}) == 3


def test_an_id_that_is_taken_cannot_be_drawn(tmp_path: Path) -> None:
    ids = ["a", "A", "a", "b-1", "b", "c"]
    rows = [{"prompt": "x", "id": id, "n": 2 if id == "b" else 1} for id in ids]
    found = named(written(tmp_path / "t.jsonl", rows))
    assert [row.error for row in found] == [
        None,
        "the id 'A' is taken by row 0, counted from 0",
        "the id 'a' is taken by row 0, counted from 0",
        None,
        "the id 'b-1' is taken by row 3, counted from 0",
        None,
    ]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"prompt": ""}, "the prompt is empty"),
        ({"prompt": "a", "n": 0}, "n must be a whole number from 1 to 1000, not 0"),
        ({"prompt": "a", "n": 1.5}, "n must be a whole number from 1 to 1000, not 1.5"),
        ({"prompt": "a", "id": "x" * 1001}, "the id has 1001 characters"),
        ({"prompt": "a", "id": True}, "an id must be a text or a whole number"),
        ({"prompt": ["a", "b"]}, "prompt must be a text"),
    ],
)
def test_rows_that_cannot_be_drawn_have_a_key(
    row: dict[str, object], words: str, tmp_path: Path
) -> None:
    (found,) = named(written(tmp_path / "t.jsonl", [row]))
    assert found.key
    assert words in (found.error or "")


def test_a_line_that_is_no_json_has_a_key(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text('{"prompt": "a", "label": 1}\n{broken\n{broken\n', encoding="utf-8")
    first, second, third = named(path)
    assert len({first.key, second.key, third.key}) == 3
    assert (second.error or "").startswith("line 2 is no JSON")
    assert second.carried == {"label": None}


@pytest.mark.parametrize(
    "key",
    ["../../etc/passwd", "a b", "a.png", "猫", "CON", "nul", "-x", "", "x" * 81, "a/b", "\ud800"],
)
def test_no_key_is_a_path(key: str) -> None:
    stem = stem_of(key)
    assert re.fullmatch("[a-z0-9][a-z0-9-]*", stem)
    assert len(stem) <= 57
    assert stem != stem_of(f"{key}x")
    assert stem_of("IMG_0001-a") == "IMG_0001-a"


def test_the_hash_of_a_model_is_of_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAKUSAN_CACHE", str(tmp_path / "cache"))
    for name in ("one", "two"):
        (tmp_path / name / "unet").mkdir(parents=True)
        (tmp_path / name / "model_index.json").write_text("{}")
        (tmp_path / name / "unet" / "w.safetensors").write_bytes(b"weights")
        (tmp_path / name / "README.md").write_text(name)
    hashes = [ModelHashes().of({"model": str(tmp_path / name)}) for name in ("one", "two")]
    assert hashes[0] == hashes[1]
    (tmp_path / "two" / "unet" / "w.safetensors").write_bytes(b"others")
    assert ModelHashes().of({"model": str(tmp_path / "two")}) != hashes[0]
    assert ModelHashes().of({}) == ModelHashes().of({"model": "builtin"})
