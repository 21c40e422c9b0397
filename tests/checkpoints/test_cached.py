"""The cache is listed, filled and emptied."""

from pathlib import Path

import pytest

from kakusan.checkpoints.cached import list_cached_models, pull, remove_cached_model
from kakusan.errors import CheckpointError, ModelNotFoundError, RequestError, UnknownNameError
from tests.checkpoints.hub import COMMIT, FILES, PLAIN, Hub, cache_model

SIZE = sum({text: len(text) for text in FILES.values()}.values())  # equal files are kept once


def test_models_are_listed_by_name(tmp_path: Path) -> None:
    assert list_cached_models(tmp_path / "absent") == []
    snapshot = cache_model(tmp_path, "zebra/model", FILES)
    cache_model(tmp_path, "ant/model", {"config.json": "{}"})
    cache_model(tmp_path, "ant/model", {"config.json": "{ }"}, commit="f" * 40)
    (tmp_path / "datasets--a--b" / "snapshots").mkdir(parents=True)
    ant, zebra = list_cached_models(tmp_path)
    assert (ant.name, ant.commit, ant.size) == ("ant/model", "f" * 40, 5)
    assert (zebra.name, zebra.commit, zebra.size) == ("zebra/model", COMMIT, SIZE)
    assert zebra.folder == snapshot
    assert zebra.last_used.year > 2000


def test_a_pulled_model_is_in_the_list(tmp_path: Path, hub: Hub) -> None:
    pulled = pull("owner/model", cache_dir=tmp_path)
    assert [pulled] == list_cached_models(tmp_path)
    found = {p.relative_to(pulled.folder).as_posix() for p in pulled.folder.rglob("*.*")}
    assert found == PLAIN | {"README.md"}
    with pytest.raises(ModelNotFoundError):
        pull("owner/other", cache_dir=tmp_path)
    with pytest.raises(RequestError, match="is here already"):
        pull(str(tmp_path), cache_dir=tmp_path)
    assert hub.asked


def test_a_model_is_removed_by_its_exact_name(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="The cache is empty"):
        remove_cached_model("owner/model", cache_dir=tmp_path / "absent")
    cache_model(tmp_path, "owner/model", FILES)
    cache_model(tmp_path, "owner/other", {"config.json": "{}"})
    for name in ("owner/mode", "model", "owner/*", "../owner/model", ""):
        with pytest.raises(UnknownNameError, match="Known: owner/model, owner/other"):
            remove_cached_model(name, cache_dir=tmp_path)
    assert remove_cached_model("owner/model", cache_dir=tmp_path) == SIZE
    assert [model.name for model in list_cached_models(tmp_path)] == ["owner/other"]
    assert not (tmp_path / "models--owner--model").exists()


def test_a_cache_whose_branches_are_broken_is_one_line(tmp_path: Path) -> None:
    folder = cache_model(tmp_path, "owner/model", FILES).parents[1]
    (folder / "refs").mkdir(exist_ok=True)
    (folder / "refs" / "main").write_bytes(b"\xff\xfe")
    with pytest.raises(CheckpointError, match="the cache of models cannot be read"):
        list_cached_models(tmp_path)
