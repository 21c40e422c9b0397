"""What there is, by names alone."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from kakusan.server.dialects.a1111 import lists
from kakusan.server.worker.catalog import Catalog


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    folders = {name: tmp_path / name for name in ("loras", "embeddings", "controls", "vaes")}
    for folder in folders.values():
        folder.mkdir()
        save_file({"x": torch.zeros(1)}, folder / "soft-Light.safetensors")
    return Catalog.of(**{name: [folder] for name, folder in folders.items()})


def test_no_folder_leaves_the_process(catalog: Catalog, tmp_path: Path) -> None:
    told = [
        lists.models(catalog.of_kind("model")),
        lists.loras(catalog.of_kind("lora")),
        lists.vaes(catalog.of_kind("vae")),
        lists.embeddings(catalog.of_kind("embedding")),
        lists.controlnets(catalog.of_kind("controlnet")),
    ]
    text = json.dumps(told)
    assert str(tmp_path) not in text
    assert text.count("soft-Light") >= 4


def test_names_are_those_that_prompts_say(catalog: Catalog) -> None:
    (lora,) = lists.loras(catalog.of_kind("lora"))
    assert (lora["name"], lora["path"]) == ("soft-Light", "soft-Light.safetensors")
    assert {*lora} == {"name", "alias", "path", "metadata"}
    (net,) = (each for each in lists.controlnets(catalog.of_kind("controlnet")) if "soft" in each)
    assert net.startswith("soft-Light [")
    (item,) = lists.embeddings(catalog.of_kind("embedding"))["loaded"].items()
    assert item[0] == "soft-Light"
    assert {*item[1]} == {"step", "sd_checkpoint", "sd_checkpoint_name", "shape", "vectors"}


def test_the_built_in_model(catalog: Catalog) -> None:
    found = lists.models(catalog.of_kind("model"))[0]
    assert (found["title"], found["model_name"], found["filename"]) == ("builtin",) * 3
    assert {*found} == {"title", "model_name", "hash", "sha256", "filename", "config"}


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"prompt": "a cat, SOFT-light"}, True),
        ({"prompt": "a cat", "negative_prompt": "(soft-light:1.2)"}, True),
        ({"prompt": "a", "second_pass": {"prompt": "soft-light"}}, True),
        ({"prompt": "soft-lights and unsoft-light"}, False),
        ({"prompt": "soft light"}, False),
    ],
)
def test_learnt_words_that_prompts_name(
    catalog: Catalog, settings: dict[str, object], named: bool
) -> None:
    assert lists.learnt_in(catalog.entries, settings) == (["soft-Light"] if named else [])
