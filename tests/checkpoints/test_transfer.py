"""Large files go on where their download was broken off, and are checked."""

import hashlib
from pathlib import Path

import pytest
from huggingface_hub.utils import enable_progress_bars

from kakusan.checkpoints.cached import pull, pull_file, remove_cached_model
from kakusan.checkpoints.source import locate
from kakusan.errors import CheckpointError, ModelNotFoundError, UnknownNameError
from tests.checkpoints.hub import COMMIT, PLAIN, Hub, cache_model

UNET = "unet/diffusion_pytorch_model.safetensors"
LONG = "unet " * 100_000


@pytest.fixture
def large(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> Hub:
    """A hub whose UNet is half a megabyte, and a client that takes it in small pieces."""
    hub.repos["owner/model"][UNET] = LONG
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 1000)
    monkeypatch.setattr("time.sleep", lambda _: None)
    return hub


def blobs(cache: Path) -> list[Path]:
    return sorted((cache / "models--owner--model" / "blobs").iterdir())


def test_progress_is_told_of_all_large_files(large: Hub, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    found = pull("owner/model", cache_dir=tmp_path, tell=lambda *how: told.append(how))
    total = len(LONG) + len("text")
    assert {whole for _, whole in told} == {total}
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1] == (total, total)
    assert (found.folder / UNET).read_text() == LONG
    told.clear()
    asked = len(large.asked)
    pull("owner/model", cache_dir=tmp_path, tell=lambda *how: told.append(how))
    assert told[-1] == (total, total)
    assert not [each for each in large.asked[asked:] if each.startswith("GET /owner")]


def test_a_broken_download_goes_on_where_it_was(large: Hub, tmp_path: Path) -> None:
    large.cut[UNET] = 123_456
    with pytest.raises(ModelNotFoundError, match="cannot be reached or failed"):
        pull("owner/model", cache_dir=tmp_path)
    (part,) = [blob for blob in blobs(tmp_path) if blob.name.endswith(".incomplete")]
    had = part.stat().st_size
    assert had in range(120_000, len(LONG))
    large.cut.clear()
    large.ranges.clear()
    told: list[int] = []
    found = pull("owner/model", cache_dir=tmp_path, tell=lambda done, _: told.append(done))
    assert large.ranges == [f"bytes={had}-"]
    assert had + len("text") in told
    assert (found.folder / UNET).read_text() == LONG
    assert not [blob for blob in blobs(tmp_path) if blob.name.endswith(".incomplete")]
    assert {p.relative_to(found.folder).as_posix() for p in found.folder.rglob("*.*")} == {
        *PLAIN,
        "README.md",
    }


def test_a_model_that_is_loaded_goes_on_too(
    large: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    enable_progress_bars()  # which transformers may have disabled for the process
    large.cut[UNET] = 123_456
    with pytest.raises(ModelNotFoundError, match="cannot be reached or failed"):
        locate("owner/model", cache_dir=tmp_path)
    (part,) = [blob for blob in blobs(tmp_path) if blob.name.endswith(".incomplete")]
    had = part.stat().st_size
    large.cut.clear()
    large.ranges.clear()
    capsys.readouterr()
    found = locate("owner/model", cache_dir=tmp_path)
    assert large.ranges == [f"bytes={had}-"]
    assert (found.folder / UNET).read_text() == LONG
    assert "owner/model: 100%" in capsys.readouterr().err
    locate("owner/model", cache_dir=tmp_path)
    assert "owner/model" not in capsys.readouterr().err  # nothing to fetch, nothing to say
    large.spoilt.add(UNET)
    asked = len(large.asked)
    locate("owner/model", cache_dir=tmp_path, force_download=True)
    assert [each for each in large.asked[asked:] if each.startswith("GET /owner")]


def test_what_is_not_what_the_hub_says_is_removed(large: Hub, tmp_path: Path) -> None:
    large.spoilt.add(UNET)
    with pytest.raises(
        CheckpointError, match=r"came with the SHA-256 .* ask for it again"
    ) as caught:
        pull("owner/model", cache_dir=tmp_path)
    assert hashlib.sha256(LONG.encode()).hexdigest()[:10] in str(caught.value)
    assert not [blob for blob in blobs(tmp_path) if blob.stat().st_size == len(LONG)]
    large.spoilt.clear()
    assert (pull("owner/model", cache_dir=tmp_path).folder / UNET).read_text() == LONG


def test_a_part_of_another_download_is_found_out(large: Hub, tmp_path: Path) -> None:
    folder = tmp_path / "models--owner--model" / "blobs"
    folder.mkdir(parents=True)
    part = folder / f"{hashlib.sha256(LONG.encode()).hexdigest()}.incomplete"
    part.write_text("x" * 1000)
    with pytest.raises(CheckpointError, match="ask for it again"):
        pull("owner/model", cache_dir=tmp_path)
    part.write_text("x" * (len(LONG) + 1))
    assert (pull("owner/model", cache_dir=tmp_path).folder / UNET).read_text() == LONG


def test_one_file_is_pulled_and_removed(large: Hub, tmp_path: Path) -> None:
    path = pull_file("owner/model", "v1-5-pruned.safetensors", cache_dir=tmp_path)
    assert path.read_text() == "all parts"
    snapshot = tmp_path / "models--owner--model" / "snapshots" / COMMIT
    assert path == snapshot / "v1-5-pruned.safetensors"
    assert {each.name for each in snapshot.iterdir()} == {"README.md", path.name}
    assert pull_file("owner/model", path.name, cache_dir=tmp_path) == path
    assert not [each for each in large.asked if "unet" in each]
    with pytest.raises(CheckpointError, match=r"has no file 'v1-5.safetensors'.*v1-5-pruned"):
        pull_file("owner/model", "v1-5.safetensors", cache_dir=tmp_path)
    with pytest.raises(CheckpointError, match="is no file of weights"):
        pull_file("owner/model", "../x.json", cache_dir=tmp_path)
    with pytest.raises(ModelNotFoundError, match="give OWNER/NAME"):
        pull_file("model", path.name, cache_dir=tmp_path)


def test_a_file_is_removed_without_the_rest(tmp_path: Path) -> None:
    outside = tmp_path / "mine.safetensors"
    outside.write_text("mine")
    cache = tmp_path / "cache"
    snapshot = cache_model(
        cache, "owner/model", {"a.safetensors": "a", "b.safetensors": "b", "c/a.safetensors": "a"}
    )
    (snapshot / "linked.safetensors").symlink_to(outside)
    with pytest.raises(UnknownNameError, match=r"no file 'd.safetensors' of owner/model.*Known"):
        remove_cached_model("owner/model/d.safetensors", cache_dir=cache)
    assert remove_cached_model("owner/model/a.safetensors", cache_dir=cache) == 0
    assert (snapshot / "c/a.safetensors").read_text() == "a"
    assert remove_cached_model("owner/model/linked.safetensors", cache_dir=cache) == 0
    assert outside.read_text() == "mine"
    assert remove_cached_model("owner/model/c/a.safetensors", cache_dir=cache) == 1
    assert remove_cached_model("owner/model/b.safetensors", cache_dir=cache) == 1
    assert not (cache / "models--owner--model").exists()
