"""What there is to draw with: found by every name that clients have for it, and never a path."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from kakusan.checkpoints.hash_cache import HashCache
from kakusan.errors import InputError, UnknownNameError
from kakusan.server.worker.catalog import Catalog


@pytest.fixture
def hashes(tmp_path: Path) -> HashCache:
    return HashCache(tmp_path / "hashes.json")


def lora(path: Path, said: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {
        "lora_unet_x.lora_up.weight": torch.zeros(2, 1),
        "lora_unet_x.lora_down.weight": torch.zeros(1, 2),
    }
    save_file(tensors, path, {"ss_output_name": said})
    return path


def test_the_builtin_model_is_always_there_and_usual_where_none_is_named(
    hashes: HashCache, tiny_v1: Path
) -> None:
    assert Catalog.of(hashes=hashes).usual_model.name == "builtin"
    catalog = Catalog.of([tiny_v1], hashes=hashes)
    assert catalog.usual_model.name == tiny_v1.name
    assert catalog.usual_model.family is not None
    found = catalog.find("model", "BuiltIn")
    assert (found.name, found.width, found.steps, found.guidance) == ("builtin", 128, 8, 5.0)
    assert found.scheduler == "DDIMScheduler"


def test_a_file_is_found_by_name_title_hash_and_alias(hashes: HashCache, tmp_path: Path) -> None:
    file = lora(tmp_path / "loras" / "style.safetensors", "my-style")
    catalog = Catalog.of(loras=[tmp_path / "loras"], hashes=hashes)
    (entry,) = catalog.of_kind("lora")
    digest = entry.sha256
    assert digest is not None
    assert entry.title == f"style.safetensors [{digest[:10]}]"
    for name in ("style", "Style.safetensors", "my-style", entry.title, digest[:10], digest):
        assert catalog.find("lora", name) is entry
    assert catalog.find("lora", f"style [{digest[:8]}]") is entry
    assert catalog.without_paths({"a": [f"see {file}!"]}) == {"a": ["see style.safetensors!"]}


def test_two_of_one_name_both_have_a_name(hashes: HashCache, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        lora(tmp_path / "loras" / folder / "x.safetensors", "")
    catalog = Catalog.of(loras=[tmp_path / "loras"], hashes=hashes)
    assert [entry.name for entry in catalog.of_kind("lora")] == ["x", "b/x"]


@pytest.mark.parametrize("name", ["builtn", "/etc/passwd", "../x", "", "someone/model"])
def test_what_the_owner_did_not_name_is_not_found(hashes: HashCache, name: str) -> None:
    with pytest.raises(UnknownNameError, match=r"there is no model .* Known: builtin"):
        Catalog.of(hashes=hashes).find("model", name)


def test_what_the_owner_names_must_be_there(hashes: HashCache, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no model"):
        Catalog.of([tmp_path / "none"], hashes=hashes)
    with pytest.raises(InputError, match="holds no model"):
        Catalog.of([tmp_path], hashes=hashes)
    with pytest.raises(InputError, match="is not there"):
        Catalog.of(loras=[tmp_path / "none"], hashes=hashes)


def test_new_files_are_there_after_looking_again(hashes: HashCache, tmp_path: Path) -> None:
    (tmp_path / "loras").mkdir()
    catalog = Catalog.of(loras=[tmp_path / "loras"], hashes=hashes)
    assert not catalog.of_kind("lora")
    lora(tmp_path / "loras" / "x.safetensors", "")
    catalog.refresh()
    assert [entry.name for entry in catalog.of_kind("lora")] == ["x"]


def test_models_in_a_folder_are_each_an_entry(
    hashes: HashCache, tiny_v1: Path, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        shutil.copytree(tiny_v1, tmp_path / "models" / name)
    catalog = Catalog.of([tmp_path / "models"], hashes=hashes)
    assert [entry.name for entry in catalog.of_kind("model")] == ["one", "two", "builtin"]


def test_it_needs_no_torch() -> None:
    code = (
        "import sys; from kakusan.server.worker.catalog import Catalog; "
        "from kakusan.server.worker.watching import Board; Catalog.of(); "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_what_steers_the_builtin_model_comes_with_it(hashes: HashCache) -> None:
    found = Catalog.of(hashes=hashes).find("controlnet", "builtin")
    assert (found.source, found.path is not None) == ("builtin", True)
