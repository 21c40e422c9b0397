"""Saving as published scripts write it, over what was there, and on the way to the Hub."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import HfApi
from safetensors.torch import load_file

import kakusan
from kakusan.checkpoints import files, saving
from kakusan.errors import (
    CheckpointError,
    InputError,
    OutputError,
    RequestError,
    UnknownArgumentError,
)
from tests.oracle import tiny

PARTS = ("unet", "vae", "text_encoder", "tokenizer", "scheduler", "safety_checker")
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def pipe(tiny_v1_checked: Path) -> kakusan.StableDiffusionPipeline:
    return load(tiny_v1_checked)


def load(name: Any, **options: Any) -> kakusan.StableDiffusionPipeline:
    return kakusan.StableDiffusionPipeline.from_pretrained(name, **options)


def same(left: Any, right: Any) -> bool:
    ours, theirs = left.state_dict(), right.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[k], theirs[k]) for k in ours)


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def referenced(folder: Path, **options: Any) -> Any:
    """What the reference library loads from a folder."""
    import diffusers

    with tiny.quiet():
        return diffusers.StableDiffusionPipeline.from_pretrained(folder, **options)


def test_pickles_where_they_are_asked_for(pipe: Any, tmp_path: Path) -> None:
    pipe.save_pretrained(tmp_path)
    pipe.save_pretrained(save_directory=tmp_path, safe_serialization=False)
    assert not list(tmp_path.rglob("*.safetensors")), "they would be read in place of the new"
    again = load(tmp_path)
    theirs = referenced(tmp_path)
    for part in ("unet", "vae", "text_encoder", "safety_checker"):
        assert same(getattr(again, part), getattr(pipe, part))
        assert theirs.components[part] is not None
    pipe.save_pretrained(tmp_path, safe_serialization=True)
    assert not list(tmp_path.rglob("*.bin"))


@pytest.mark.parametrize("size", ["100KB", "0.1 MB", 100_000, "97KiB"])
def test_large_weights_become_several_files(pipe: Any, tmp_path: Path, size: Any) -> None:
    pipe.save_pretrained(tmp_path, variant="fp16", max_shard_size=size)
    shards = list((tmp_path / "unet").glob("*-of-*.safetensors"))
    assert len(shards) > 5
    assert sum(path.stat().st_size for path in shards) / len(shards) < 120_000
    assert same(load(tmp_path, variant="fp16").unet, pipe.unet)
    theirs = referenced(tmp_path, variant="fp16").unet.state_dict()
    assert torch.equal(theirs["conv_in.weight"], pipe.unet.state_dict()["conv_in.weight"])
    pipe.unet.save_pretrained(tmp_path / "unet", variant="fp16", max_shard_size="10GB")
    left = {name for name in names(tmp_path / "unet") if name != "config.json"}
    assert left == {"diffusion_pytorch_model.fp16.safetensors"}


def test_arguments_of_saving(pipe: Any, tmp_path: Path) -> None:
    for part in (*PARTS, "feature_extractor"):
        getattr(pipe, part).save_pretrained(tmp_path / part, push_to_hub=False)
    pipe.unet.save_pretrained(tmp_path / "u", is_main_process=True, save_function=None)
    everything: list[Any] = [pipe, *(each for each in pipe.components.values() if each)]
    for each in everything:
        for wrong, says in (
            ({"is_main_process": False}, "is_main_process"),
            ({"save_function": torch.save}, "save_function"),
            ({"safe_serialisation": True}, "no argument 'safe_serialisation'"),
            ({"repo_id": "owner/name"}, "no argument 'repo_id'"),
        ):
            with pytest.raises(RequestError, match=says) as caught:
                each.save_pretrained(tmp_path / "not", **wrong)
            assert "\n" not in str(caught.value)
    for size in ("big", 0, -5, "5 parsecs", True, "1e9", [1]):
        with pytest.raises(RequestError, match="max_shard_size must be bytes"):
            pipe.save_pretrained(tmp_path / "not", max_shard_size=size)
    with pytest.raises(RequestError, match="variant must be a word"):
        pipe.save_pretrained(tmp_path / "not", variant="../fp16")
    with pytest.raises(UnknownArgumentError):
        pipe.scheduler.save_pretrained(tmp_path / "not", variant="fp16")
    assert not (tmp_path / "not" / "model_index.json").exists()


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the Hub's client is asked to send."""
    calls: list[dict[str, Any]] = []

    class Repository:
        repo_id = "owner/name"

    def create_repo(self: HfApi, repo_id: str, **options: Any) -> Repository:
        calls.append({"made": repo_id, "token": self.token, **options})
        return Repository()

    def upload_folder(self: HfApi, *, folder_path: Path, **options: Any) -> str:
        found = names(Path(folder_path)) & {
            pattern.replace("[[]", "[") for pattern in options.pop("allow_patterns")
        }
        calls.append({"files": found, **options})
        return "https://huggingface.co/owner/name/commit/1"

    monkeypatch.setattr(HfApi, "create_repo", create_repo)
    monkeypatch.setattr(HfApi, "upload_folder", upload_folder)
    return calls


def test_a_pipeline_is_sent_to_the_hub(pipe: Any, sent: Any, tmp_path: Path) -> None:
    pipe.push_to_hub("name", private=True, token="hf_secret", variant="fp16")
    made, uploaded = sent
    assert made == {"made": "name", "token": "hf_secret", "private": True, "exist_ok": True}
    assert uploaded["repo_id"] == "owner/name"
    assert uploaded["commit_message"] == "Upload StableDiffusionPipeline"
    assert uploaded["create_pr"] is False
    pipe.save_pretrained(tmp_path / "kept", variant="fp16")
    assert uploaded["files"] == names(tmp_path / "kept")
    assert "unet/diffusion_pytorch_model.fp16.safetensors" in uploaded["files"]


def test_only_what_was_saved_is_sent(pipe: Any, sent: Any, tmp_path: Path) -> None:
    folder = tmp_path / "my-model"
    folder.mkdir()
    (folder / "secrets.txt").write_text("not for the Hub")
    pipe.save_pretrained(folder, push_to_hub=True, commit_message="First", use_auth_token="hf")
    assert sent[0]["made"] == "my-model"
    assert sent[0]["token"] == "hf"
    assert sent[1]["commit_message"] == "First"
    assert sent[1]["files"] == names(folder) - {"secrets.txt"}


@pytest.mark.parametrize("part", [*PARTS, "feature_extractor"])
def test_each_part_is_sent(pipe: Any, sent: Any, part: str, tmp_path: Path) -> None:
    value = getattr(pipe, part)
    value.push_to_hub("owner/part", create_pr=True)
    value.save_pretrained(tmp_path / "part")
    assert sent[1]["files"] == names(tmp_path / "part")
    assert sent[1]["create_pr"] is True
    assert sent[1]["commit_message"] == f"Upload {type(value).__name__}"


def test_what_cannot_be_sent(pipe: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(OutputError, match=r"cannot send to 'owner/name'.*hf auth login") as caught:
        pipe.scheduler.push_to_hub("owner/name", token="hf_secret")
    assert caught.value.__suppress_context__
    assert "\n" not in str(caught.value)
    assert "hf_secret" not in str(caught.value)
    for wrong in (5, "", None):
        with pytest.raises(RequestError, match="repo_id must be OWNER/NAME"):
            pipe.scheduler.push_to_hub(wrong)
    with pytest.raises(OutputError, match="cannot send to 'a b'"):
        pipe.scheduler.push_to_hub("a b")


def test_saving_over_a_folder_keeps_what_others_put_there(pipe: Any, tmp_path: Path) -> None:
    builtin = load("builtin")
    builtin.save_pretrained(tmp_path)
    assert "kakusan.json" in names(tmp_path)
    kept = ["README.md", "samples/cat.png", "unet/notes.txt", "unet/optimizer.bin"]
    for name in kept:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("mine")
    for stale in ("tokenizer.json", "added_tokens.json"):
        (tmp_path / "tokenizer" / stale).write_text('{"never": 1}')
    pipe.save_pretrained(tmp_path)
    assert all((tmp_path / name).read_text() == "mine" for name in kept)
    again = load(tmp_path)
    assert again.defaults == {}, "they were the other model's"
    assert again.tokenizer.get_vocab() == pipe.tokenizer.get_vocab()
    assert all(same(getattr(again, part), getattr(pipe, part)) for part in ("unet", "vae"))
    assert not list(tmp_path.rglob(".*"))


def test_a_full_disk_leaves_the_old_model_whole(
    pipe: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe.save_pretrained(tmp_path)
    before = {name: (tmp_path / name).read_bytes() for name in names(tmp_path)}
    other = load(tmp_path)
    other.unet.conv_in.bias.data += 1
    written = 0

    def full(path: Path) -> None:
        nonlocal written
        written += 1
        if written == 12:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "sync", full)
    with pytest.raises(OutputError, match="No space left"):
        other.save_pretrained(tmp_path)
    assert {name: (tmp_path / name).read_bytes() for name in names(tmp_path)} == before
    load(tmp_path)


def test_a_mark_is_explained_and_goes_with_the_next_saving(pipe: Any, tmp_path: Path) -> None:
    pipe.save_pretrained(tmp_path)
    (tmp_path / saving.MARK).touch()
    for call in (
        lambda: load(tmp_path),
        lambda: kakusan.UNet2DConditionModel.from_pretrained(tmp_path, subfolder="unet"),
        lambda: kakusan.CLIPTokenizer.from_pretrained(tmp_path / "tokenizer"),
    ):
        with pytest.raises(CheckpointError, match="files of two models: a program was stopped"):
            call()
    pipe.save_pretrained(tmp_path)
    load(tmp_path)


KILLED = """
import os, random, signal, sys, time
from pathlib import Path
import torch
torch.set_num_threads(1)
import kakusan
source, folder, kills = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
first = kakusan.StableDiffusionPipeline.from_pretrained(source)
second = kakusan.StableDiffusionPipeline.from_pretrained(source, dtype="float16")
second.scheduler = kakusan.DDIMScheduler.from_config(second.scheduler.config)
options = {"first": {}, "second": {"max_shard_size": "300KB"}}

def save_and_die(stop_at, seconds):
    child = os.fork()
    if child == 0:
        done, replace = [0], os.replace
        def counted(*names):
            if ".kakusan" in str(names[0]) and ".kakusan" not in str(names[1]):
                if done[0] == stop_at:
                    os.kill(os.getpid(), 9)
                done[0] += 1
            replace(*names)
        os.replace = counted
        second.save_pretrained(folder, **options["second"])
        os._exit(0)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(child, 9)
    os.waitpid(child, 0)

def outcome():
    try:
        found = kakusan.StableDiffusionPipeline.from_pretrained(folder, dtype="auto")
    except kakusan.InputError as error:
        return "refused" if "files of two models" in str(error) else f"said {error}"
    kinds = {part.dtype for part in (found.unet, found.vae, found.text_encoder)}
    kinds.add(type(found.scheduler).__name__)
    for name, pipe in (("first", first), ("second", second)):
        whole = {pipe.unet.dtype, type(pipe.scheduler).__name__}
        if kinds == whole:
            return name
    return f"mixed {kinds}"

random.seed(1)
for stop_at in (0, 1, 8, 15, None):
    first.save_pretrained(folder, **options["first"])
    save_and_die(stop_at, None)
    print("move", outcome(), flush=True)
for _ in range(kills):
    first.save_pretrained(folder, **options["first"])
    save_and_die(None, random.random() * 0.4)
    print("kill", outcome(), flush=True)
first.save_pretrained(folder)
print("left", len(list(folder.glob(".kakusan*"))))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_killed_at_any_moment_old_and_new_never_mix(tiny_v1: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tiny_v1), str(tmp_path / "model"), "5"],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"},
    )
    lines = [line.split(" ", 1) for line in done.stdout.splitlines()]
    moves = [said for kind, said in lines if kind == "move"]
    kills = [said for kind, said in lines if kind == "kill"]
    assert moves == ["refused"] * 4 + ["second"]
    assert len(kills) == 5
    assert set(kills) <= {"first", "second", "refused"}
    assert lines[-1] == ["left", "0"]
    assert signal.SIGKILL == 9


def test_a_folder_that_cannot_be_made(pipe: Any, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for each in (pipe, *(part for part in pipe.components.values() if part)):
        with pytest.raises(InputError) as caught:
            each.save_pretrained(tmp_path / "file")
        assert "\n" not in str(caught.value)


def test_the_index_of_shards_says_how_large_they_are(pipe: Any, tmp_path: Path) -> None:
    pipe.vae.save_pretrained(tmp_path, max_shard_size="50KB")
    index = json.loads((tmp_path / "diffusion_pytorch_model.safetensors.index.json").read_text())
    found = [load_file(path) for path in tmp_path.glob("*.safetensors")]
    total = sum(tensor.nbytes for tensors in found for tensor in tensors.values())
    assert index["metadata"]["total_size"] == total
