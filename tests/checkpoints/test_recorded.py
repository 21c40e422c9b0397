"""Models that a stranger's record names: nothing is read or fetched that the user did not name."""

import socket
from pathlib import Path
from typing import Any

import pytest

import kakusan
from kakusan.checkpoints import recorded
from kakusan.checkpoints.recorded import check_at_hand, why_not_at_hand, with_model
from kakusan.errors import InputError, RequestError
from kakusan.pipeline.draw import loaded
from tests.oracle.hub import V1_4

COMMIT = "0" * 40
RECORD = {"model": V1_4, "commit": COMMIT, "variant": None}


@pytest.fixture(autouse=True)
def cache(hub_cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The user's cache; the hub must not be asked."""

    def refuse(*_: object) -> None:
        pytest.fail("the network was asked")

    for module in ("constants", "utils._cache_manager"):
        monkeypatch.setattr(f"huggingface_hub.{module}.HF_HUB_CACHE", str(hub_cache / "hub"))
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.chdir(tmp_path)
    loaded.cache_clear()
    return hub_cache


def test_what_is_at_hand_is_used() -> None:
    assert why_not_at_hand(RECORD) is None
    assert why_not_at_hand({"model": "builtin"}) is None


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"model": "models/mine", "commit": None}, "which is a folder"),
        ({"model": "/etc"}, "which is a folder"),
        ({"model": "./builtin"}, "which is a folder"),
        ({"model": "~/models/x"}, "which is a folder"),
        ({"model": "\\\\server\\share"}, "which is a folder"),
        ({"model": "https://example.com/model"}, "which is a folder"),
        ({"model": ""}, "which is a folder"),
        ({"model": "a\0b"}, "which is a folder"),
        ({"model": "x" * 10_000}, "which is a folder"),
        ({"model": "someone/else"}, r"which is not in the cache of models \(version 0000000\)"),
        ({"commit": "f" * 40}, r"not in the cache of models \(version fffffff\)"),
        ({"variant": "fp8"}, None),
    ],
)
def test_what_is_not_at_hand_is_told(change: dict[str, Any], why: str | None) -> None:
    record = {**RECORD, **change}
    if why is None:
        with pytest.raises(InputError):
            check_at_hand(record)
        return
    with pytest.raises(RequestError, match=why) as caught:
        check_at_hand(record)
    assert "say with model which you mean, or with trust_model that" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "change",
    [
        {"commit": "/tmp"},
        {"commit": "../../x"},
        {"commit": "main"},
        {"commit": "0" * 39},
        {"commit": 7},
        {"variant": "../x"},
        {"variant": "a/b"},
        {"variant": ["fp16"]},
        {"model": {"a": 1}},
    ],
)
def test_versions_that_are_paths_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"the record's (commit|variant|model) must be"):
        why_not_at_hand({**RECORD, **change})


def test_a_folder_called_like_the_model_does_not_take_its_place(tmp_path: Path) -> None:
    (tmp_path / V1_4).mkdir(parents=True)
    assert why_not_at_hand(RECORD) == "which is of the hub, but something here is called so too"


def test_the_version_stays_where_the_user_names_the_same_model() -> None:
    assert with_model(RECORD, V1_4) == RECORD
    assert with_model({**RECORD, "commit": "f" * 40}, V1_4)["commit"] is None
    assert with_model(RECORD, "builtin") == {"model": "builtin", "commit": None, "variant": None}


def record_of(model: str | Path, **changes: Any) -> dict[str, Any]:
    (picture,) = kakusan.generate("a cat", model=model, steps=1, seed=3, progress=False)
    return {**picture.record, **changes}


def test_reproduce_draws_from_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    record = record_of(V1_4)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    assert record["commit"] == COMMIT
    loaded.cache_clear()
    assert kakusan.reproduce(record, progress=False).record == record


def test_reproduce_loads_no_folder_that_only_the_record_names(
    tiny_v1: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = record_of(tiny_v1)
    opened: list[object] = []
    monkeypatch.setattr(recorded, "locate", opened.append)
    with pytest.raises(RequestError, match="which is a folder; say with model"):
        kakusan.reproduce(record, progress=False)
    assert not opened
    assert kakusan.reproduce(record, model=tiny_v1, progress=False).record == record
    assert kakusan.reproduce(record, trust_model=True, progress=False).record == record


@pytest.mark.parametrize("record", [None, [], "a", 7])
def test_what_is_no_record_is_one_line(record: Any) -> None:
    for model in (None, "builtin"):
        with pytest.raises(RequestError, match="a record is a mapping"):
            kakusan.reproduce(record, model=model)
