"""Single files of the hub: by OWNER/NAME/FILE and by address, fetched once, kept for later."""

from pathlib import Path

import pytest
from huggingface_hub import constants

from kakusan.checkpoints.hub_file import HubFile, hub_file
from kakusan.checkpoints.recorded import why_not_at_hand
from kakusan.checkpoints.source import locate
from kakusan.errors import ModelNotFoundError, RequestError
from tests.checkpoints.hub import COMMIT, Hub

NAME = "owner/model/v1-5-pruned.safetensors"


@pytest.mark.parametrize(
    ("text", "file"),
    [
        (NAME, HubFile("owner/model", "v1-5-pruned.safetensors")),
        (
            "https://huggingface.co/o/m/blob/main/sub/x.ckpt",
            HubFile("o/m", "sub/x.ckpt", "main"),
        ),
        (
            "hf.co/o/m/resolve/abc/x.safetensors?download=true",
            HubFile("o/m", "x.safetensors", "abc"),
        ),
        ("owner/model", None),
        ("owner/model/notes.txt", None),
        ("/home/me/x.safetensors", None),
        ("./models/x/y.safetensors", None),
        ("o/m/../../x.safetensors", None),
        ("https://example.org/o/m/blob/main/x.safetensors", None),
    ],
)
def test_which_names_are_of_files_on_the_hub(text: str, file: HubFile | None) -> None:
    assert hub_file(text) == file


@pytest.mark.parametrize(
    "name", [NAME, "https://huggingface.co/owner/model/blob/main/v1-5-pruned.safetensors"]
)
def test_a_file_is_fetched_once(name: str, hub: Hub, tmp_path: Path) -> None:
    found = locate(name, cache_dir=tmp_path, files=True)
    assert (found.name, found.commit) == (NAME, COMMIT)
    assert found.file is not None
    assert found.file.read_text() == "all parts"
    hub.repos.clear()
    again = locate(NAME, cache_dir=tmp_path, files=True, local_files_only=True)
    assert again == found
    assert locate(NAME, cache_dir=tmp_path, files=True).file == found.file


def test_a_file_that_is_nowhere_says_why(hub: Hub, tmp_path: Path) -> None:
    for name in ("owner/model/none.safetensors", "nobody/model/x.safetensors"):
        with pytest.raises(ModelNotFoundError, match="cache lacks it"):
            locate(name, cache_dir=tmp_path, files=True)
    with pytest.raises(ModelNotFoundError, match="offline"):
        locate(NAME, cache_dir=tmp_path, files=True, local_files_only=True)
    with pytest.raises(ModelNotFoundError, match="not an address"):
        locate("https://example.org/model.safetensors", files=True)
    with pytest.raises(ModelNotFoundError, match="there is no file"):
        locate("model.safetensors", files=True)
    with pytest.raises(RequestError, match="variant"):
        locate(NAME, variant="fp16", files=True)


def test_a_records_file_of_the_hub_is_at_hand_where_the_cache_has_it(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    record = {"model": NAME, "commit": COMMIT}
    assert "not in the cache" in str(why_not_at_hand(record))
    locate(NAME, cache_dir=tmp_path, files=True)
    monkeypatch.setattr("huggingface_hub.file_download.HF_HUB_CACHE", str(tmp_path), raising=False)
    assert locate(NAME, revision=COMMIT, files=True, local_files_only=True, cache_dir=tmp_path)
