"""Files of learnt words are read in all their forms, and what is none is said in one line."""

import hashlib
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from kakusan.checkpoints.embeddings import embedding_of, read_embedding
from kakusan.cli.app import main
from kakusan.errors import CheckpointError, InputError

ONE, THREE = torch.randn(768), torch.randn(3, 768)


def old(value: object, **more: object) -> dict[str, object]:
    """As AUTOMATIC1111's web UI writes it."""
    return {
        "string_to_token": {"*": 265},
        "string_to_param": {"*": value},
        "name": "moebius",
        "step": 1200,
        "sd_checkpoint": "4bdfc29c",
        "sd_checkpoint_name": "v1-5",
        **more,
    }


def written(path: Path, content: Any) -> Path:
    if path.suffix == ".safetensors":
        save_file({name: tensor.clone() for name, tensor in content.items()}, path)
    else:
        torch.save(content, path)
    return path


@pytest.mark.parametrize(
    ("file", "content", "token", "vectors"),
    [
        ("a.bin", {"<cat-toy>": ONE}, "<cat-toy>", ONE[None]),
        ("a.bin", {"<cat-toy>": nn.Parameter(THREE)}, "<cat-toy>", THREE),
        ("a.safetensors", {"<cat-toy>": THREE}, "<cat-toy>", THREE),
        ("my style.safetensors", {"emb_params": THREE}, "my style", THREE),
        ("x.safetensors", {"some_word": THREE}, "some_word", THREE),
        ("file.pt", old(THREE), "moebius", THREE),
        ("file.pt", old(nn.Parameter(THREE)), "moebius", THREE),
        ("file.pt", {**old(THREE), "string_to_param": nn.ParameterDict({"*": THREE})}, "", THREE),
        ("file.pt", old(THREE, name=None), "file", THREE),
        ("half.pt", old(THREE.half()), "moebius", THREE.half().float()),
        ("b.safetensors", {"<b>": THREE.bfloat16()}, "<b>", THREE.bfloat16().float()),
    ],
)
def test_every_form_is_read(
    tmp_path: Path, file: str, content: Any, token: str, vectors: Tensor
) -> None:
    path = written(tmp_path / file, content)
    found = read_embedding(path)
    assert found.token == (token or "moebius")
    assert torch.equal(found.vectors[""], vectors)
    assert found.family == "Stable Diffusion 1"
    assert found.hash == hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    assert found.step == (1200 if path.suffix == ".pt" else None)


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
@pytest.mark.parametrize("names", [("clip_l", "clip_g"), ("text_encoders_0", "text_encoders_1")])
def test_sdxls_pairs(tmp_path: Path, names: tuple[str, str], suffix: str) -> None:
    first, second = torch.randn(2, 768), torch.randn(2, 1280)
    path = written(tmp_path / f"xl{suffix}", dict(zip(names, (first, second), strict=True)))
    found = read_embedding(path)
    assert (found.token, found.count, found.family) == ("xl", 2, "SDXL")
    assert torch.equal(found.vectors["text_encoder"], first)
    assert torch.equal(found.vectors["text_encoder_2"], second)


@pytest.mark.parametrize(("width", "family"), [(768, "1"), (1024, "2"), (1280, "SDXL's second")])
def test_its_width_tells_the_family(tmp_path: Path, width: int, family: str) -> None:
    path = written(tmp_path / "a.safetensors", {"<a>": torch.zeros(1, width)})
    assert family in read_embedding(path).family


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("a.pt", old(torch.full((2, 768), torch.inf)), "NaN or infinity"),
        ("a.pt", old(torch.zeros(0, 768)), "shape"),
        ("a.pt", old(torch.zeros(1, 2, 768)), "shape"),
        ("a.pt", old(torch.zeros(76, 768)), "76 vectors; a text has room for 75"),
        ("a.pt", old(torch.zeros(2, 768, dtype=torch.int32)), "floating point"),
        ("a.pt", old("text"), "floating point numbers, not str"),
        ("a.pt", {**old(ONE), "string_to_param": {"*": ONE, "b": ONE}}, "holds 2 learnt words"),
        ("a.pt", {**old(ONE), "string_to_param": 7}, "holds 0 learnt words"),
        ("a.bin", {"<a>": ONE, "<b>": ONE}, "no embedding"),
        ("a.bin", {}, "no embedding"),
        ("a.bin", [ONE], "list"),
        ("a.safetensors", {"<a>": ONE, "<b>": ONE}, "no embedding"),
        ("a.safetensors", {"lora_unet_x.lora_up.weight": ONE, "b": ONE, "c": ONE}, "no embedding"),
        ("a.safetensors", {"clip_l": THREE, "clip_g": torch.zeros(2, 1280)}, "unlike numbers"),
        ("a.safetensors", {"clip_l": THREE, "text_encoders_0": THREE}, "unlike numbers"),
        ("a.safetensors", {"<a>": torch.zeros(4000, 768)}, "4000 vectors"),
    ],
)
def test_what_is_none_is_one_line(tmp_path: Path, file: str, content: Any, message: str) -> None:
    path = written(tmp_path / file, content)
    with pytest.raises(CheckpointError, match=message) as caught:
        read_embedding(path)
    assert "\n" not in str(caught.value)
    assert "a." in str(caught.value)


class Code:
    def __reduce__(self) -> tuple[Any, ...]:
        return print, ("run",)


def test_broken_files_and_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = {
        "code.pt": pickle.dumps(Code()),
        "empty.pt": b"",
        "page.safetensors": b"<!DOCTYPE html><html>",
        "pointer.bin": b"version https://git-lfs.github.com/spec/v1\n",
        "noise.pt": bytes(range(256)),
    }
    whole = written(tmp_path / "whole.pt", old(THREE)).read_bytes()
    safe = written(tmp_path / "whole.safetensors", {"<a>": THREE}).read_bytes()
    bad |= {"cut.pt": whole[: len(whole) // 2], "cut.safetensors": safe[:-7]}
    torch.save({"string_to_param": {"*": Code()}}, tmp_path / "inside.pt")
    for name, content in bad.items():
        (tmp_path / name).write_bytes(content)
    for name in [*bad, "inside.pt", "absent.pt"]:
        with pytest.raises(CheckpointError) as caught:
            read_embedding(tmp_path / name)
        assert "\n" not in str(caught.value)
    assert "run" not in capsys.readouterr().out


def test_models_show_says_what_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path / "file.pt", old(THREE))
    assert main(["models", "show", str(path)]) == 0
    shown = capsys.readouterr().out
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    for line in (
        "family: Stable Diffusion 1 embedding (textual inversion)",
        "word: moebius",
        "vectors: 3",
        "step: 1200",
        "trained on: v1-5",
        f"hash: {digest[:12]}",
    ):
        assert line in shown.splitlines()


def test_words_that_come_with_an_adapter() -> None:
    """Under the names that `Adapter.embeddings` has for their tensors."""
    assert torch.equal(embedding_of({"*": THREE}, where="it", stem="word").vectors[""], THREE)
    both = embedding_of({"clip_l": THREE, "clip_g": torch.zeros(3, 1280)}, where="it", stem="word")
    assert (both.token, both.is_pair) == ("word", True)
    with pytest.raises(InputError, match="names no word"):
        embedding_of({"*": THREE}, where="it")


@pytest.mark.parametrize("name", ["a.pt", "a.txt", "a.bin"])
def test_a_text_is_no_embedding(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("hello, this is no model")
    with pytest.raises(CheckpointError, match=r"is no embedding .*, nor any file of weights"):
        read_embedding(tmp_path / name)
