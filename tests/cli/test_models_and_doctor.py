"""`kakusan models` and `kakusan doctor`."""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from kakusan.checkpoints.address import hub_address
from kakusan.cli.live import Live
from kakusan.cli.live import line as live_line
from kakusan.cli.models import Fetching, readable_size
from tests.checkpoints.conftest import hub as hub
from tests.checkpoints.hub import Hub
from tests.cli.fakes import Run

Command = Callable[..., Run]
COMMIT = "0" * 40


@pytest.fixture
def cached(here: Path, tmp_path: Path) -> Path:
    """A Hub cache with one model in it."""
    model = tmp_path / "cache" / "models--owner--name"
    snapshot = model / "snapshots" / COMMIT
    (snapshot / "unet").mkdir(parents=True)
    (model / "refs").mkdir()
    (model / "refs" / "main").write_text(COMMIT)
    (snapshot / "model_index.json").write_text(
        '{"_class_name": "StableDiffusionPipeline", "unet": ["diffusers", "UNet2DConditionModel"]}'
    )
    (snapshot / "unet" / "config.json").write_text("{}")
    (snapshot / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(b"\0" * 5000)
    return snapshot


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (2_130_000_000, "2.1 GB"), (10**13, "10.0 TB")],
)
def test_sizes_are_readable(size: int, text: str) -> None:
    assert readable_size(size) == text


def test_the_list_has_what_is_cached(run: Command, cached: Path) -> None:
    done = run("models", "list")
    assert done.code == 0
    (line,) = [line for line in done.lines if line.startswith("owner/name ")]
    assert "5.1 kB" in line
    assert len(line) <= 80
    (model,) = [m for m in run("models", "list", "--json").json() if m["name"] == "owner/name"]
    assert (model["commit"], model["folder"]) == (COMMIT, str(cached))


def test_show_names_the_parts(run: Command, cached: Path) -> None:
    done = run("models", "show", "owner/name")
    assert done.code == 0
    assert {"name: owner/name", f"commit: {COMMIT}", "unet: UNet2DConditionModel"} <= set(
        done.lines
    )
    assert run("models", "show", str(cached), "--json").json()["parts"] == {
        "unet": "UNet2DConditionModel"
    }


def test_pull_of_a_cached_model_says_where_it_is(run: Command, cached: Path) -> None:
    assert run("models", "pull", "owner/name").lines == [str(cached)]


def test_removing_asks_first(run: Command, cached: Path) -> None:
    done = run("models", "rm", "owner/name")
    assert done.code == 2
    assert "Add --yes" in done.err
    assert cached.exists()


def test_removing_removes(run: Command, cached: Path) -> None:
    done = run("models", "rm", "owner/name", "--yes")
    assert (done.code, done.lines) == (0, ["removed owner/name, 5.1 kB"])
    assert not cached.exists()
    assert run("models", "show", "owner/name").code == 2


def test_the_doctor_says_what_is_here(run: Command, cached: Path) -> None:
    done = run("doctor")
    assert (done.code, done.err) == (0, "")
    starts = ("kakusan 0.1.0", "processor: ", "memory: ", "GPUs: ", "precision on cpu: ")
    for start in (
        *starts,
        "kernels: ",
        "packages: ",
        "built-in model: ",
        "cached model: owner/name",
    ):
        assert any(line.startswith(start) for line in done.lines), start


def test_the_doctors_json_has_the_same(run: Command, cached: Path) -> None:
    facts = run("doctor", "--json").json()
    assert facts["kakusan"] == "0.1.0"
    assert facts["machine"]["cores"] >= 1
    assert facts["packages"]["torch"]
    assert set(facts["precision"]) >= {"cpu"}
    assert facts["kernels"]
    assert [model["name"] for model in facts["cached"]] == ["owner/name"]


def test_a_machine_without_a_cache_is_no_error(run: Command) -> None:
    assert run("models", "list").code == 0
    assert run("doctor", "--json").json()["cached"] == []


def test_show_names_the_card(run: Command, cached: Path) -> None:
    card = run("models", "show", "builtin", "--json").json()["card"]
    assert "What it knows" in Path(card).read_text(encoding="utf-8")
    assert f"card: {card}" in run("models", "show", "builtin").lines
    assert run("models", "show", str(cached), "--json").json()["card"] is None
    assert not [
        line for line in run("models", "show", str(cached)).lines if line.startswith("card")
    ]


CARD = """---
language: en
license: creativeml-openrail-m
tags:
- text-to-image
---
A model.
"""
OPEN_RAIL = "---\nlicense: other\nlicense_name: openrail++\n---\n"


def write_file(path: Path, metadata: dict[str, str] | None = None) -> Path:
    """A UNet of version 1's kind and nothing else, as sites have such files."""
    prefix = "model.diffusion_model."
    shapes = {
        "input_blocks.0.0.weight": (320, 4, 3, 3),
        "input_blocks.0.0.bias": (320,),
        "time_embed.0.weight": (1280, 320),
        "out.2.weight": (4, 320, 3, 3),
        "input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": (320, 768),
    }
    tensors = {prefix + name: torch.zeros(shape).half() for name, shape in shapes.items()}
    save_file(tensors, path, metadata=metadata)
    return path


def test_the_list_looks_into_folders(run: Command, tiny_v1: Path, here: Path) -> None:
    shutil.copytree(tiny_v1, here / "models" / "mine" / "tiny")
    write_file(here / "models" / "a-very-long-name-of-a-model-as-sites-have-them.safetensors")
    (here / "models" / "broken.safetensors").write_bytes(b"nothing")
    (here / "models" / ".hidden").mkdir()
    write_file(here / "models" / ".hidden" / "x.safetensors")
    (here / "models" / "loop").symlink_to(here / "models")
    done = run("models", "list", "models")
    assert (done.code, done.err) == (0, "")
    assert all(len(line) <= 80 for line in done.lines)
    assert [line.split()[0] for line in done.lines[1:]] == [
        "models/a-very-long-name-of-a-model-as-sites-have-them.safetensors",
        "Stable",
        "models/broken.safetensors",
        "models/mine/tiny",
    ]
    assert "float32" in done.lines[-1]
    found = {model["name"]: model for model in run("models", "list", "models", "--json").json()}
    assert found["models/mine/tiny"]["precision"] == "float32"
    assert found["models/broken.safetensors"]["family"] is None
    assert run("models", "list", "absent").code == 2


def test_the_list_names_what_there_is_in_one_way(
    run: Command, tiny_v1: Path, tiny_v2: Path, here: Path
) -> None:
    for name, folder in (("one", tiny_v1), ("two", tiny_v2)):
        shutil.copytree(folder, here / name)
    write_file(here / "unet.safetensors")
    for name, prefix in (("taesd_decoder", ""), ("plain", "decoder.")):
        tensors = {f"{prefix}{n}.weight": torch.zeros(8, 4, 3, 3) for n in (1, 3)}
        save_file(tensors, here / f"{name}.safetensors")
    for at in (".", "./", str(here)):
        found = {Path(m["name"]).name: m for m in run("models", "list", at, "--json").json()}
        assert [found[name]["family"] for name in ("one", "two")] == [
            "Stable Diffusion 1",
            "Stable Diffusion 2",
        ]
        assert found["plain.safetensors"]["family"] == "TAESD"
        assert found["taesd_decoder.safetensors"]["family"] == "TAESD"
        assert not any(m["name"].startswith("./") for m in found.values())
    (line,) = [each for each in run("models", "list", ".").lines if each.startswith("unet.")]
    assert " Stable Diffusion 1 UNet " in line


def test_show_tells_what_a_folder_is(run: Command, tiny_v2: Path, here: Path) -> None:
    folder = here / "mine"
    shutil.copytree(tiny_v2, folder)
    (folder / "README.md").write_text(CARD)
    told = run("models", "show", "mine", "--json").json()
    assert (told["precision"], told["prediction"]) == ("float32", "v_prediction")
    assert told["licence"] == "creativeml-openrail-m"
    assert told["weights"]["unet"]["parameters"] > 1000
    lines = run("models", "show", "mine").lines
    assert "licence: creativeml-openrail-m" in lines
    assert [line for line in lines if line.startswith("unet: UNet2DConditionModel, 0.")]
    (folder / "README.md").write_text(OPEN_RAIL)
    assert run("models", "show", "mine", "--json").json()["licence"] == "openrail++"
    (folder / "README.md").write_text("license: none of ours")
    assert "licence" not in run("models", "show", "mine", "--json").json()


def test_show_tells_what_a_single_file_is(run: Command, here: Path) -> None:
    metadata = {
        "modelspec.title": "Red cats",
        "modelspec.license": "CC0",
        "modelspec.trigger_phrase": "rcat",
        "modelspec.prediction_type": "epsilon",
    }
    path = write_file(here / "red.safetensors", metadata)
    told = run("models", "show", "red.safetensors", "--json").json()
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    part = path.read_bytes()[0x100000 : 0x100000 + 0x10000]
    assert (told["hash"], told["sha256"]) == (digest[:10], digest)
    assert told["old hash"] == hashlib.sha256(part).hexdigest()[:8]
    assert (told["family"], told["prediction"]) == ("Stable Diffusion 1", "epsilon")
    assert (told["title"], told["licence"]) == ("Red cats", "CC0")
    assert told["trigger words"] == "rcat"
    assert told["missing"] == ["vae", "text_encoder"]
    assert told["bytes"] == path.stat().st_size
    lines = run("models", "show", "red.safetensors").lines
    assert f"hash: {digest[:10]}" in lines
    assert "missing: vae, text_encoder" in lines
    assert [line for line in lines if line.startswith("unet: 0.7 M parameters, float16, 1.4 MB")]
    (here / "x.safetensors").write_bytes(b"")
    done = run("models", "show", "x.safetensors")
    assert (done.code, done.out) == (2, "")
    assert "is empty" in done.err


def test_a_single_file_of_the_cache(run: Command, cached: Path) -> None:
    write_file(cached / "v1.safetensors")
    names = [model["name"] for model in run("models", "list", "--json").json()]
    assert names[1:] == ["owner/name", "owner/name/v1.safetensors"]
    told = run("models", "show", "owner/name/v1.safetensors", "--json").json()
    assert told["file"] == str(cached / "v1.safetensors")
    done = run("models", "rm", "owner/name/v1.safetensors")
    assert done.code == 2
    assert "Add --yes" in done.err
    assert (cached / "v1.safetensors").exists()
    assert run("models", "rm", "owner/name/v1.safetensors", "--yes").code == 0
    assert not (cached / "v1.safetensors").exists()
    assert cached.exists()


@pytest.mark.parametrize("name", ["mine", "./mine", "mine/x.safetensors"])
def test_what_is_outside_of_the_cache_is_not_removed(run: Command, here: Path, name: str) -> None:
    (here / "mine").mkdir()
    write_file(here / "mine" / "x.safetensors")
    done = run("models", "rm", name, "--yes")
    assert done.code == 2
    assert "the cache has no" in done.err
    assert (here / "mine" / "x.safetensors").exists()


@pytest.mark.parametrize(
    ("address", "meant"),
    [
        ("owner/name", ("owner/name", None, None)),
        ("https://huggingface.co/owner/name", ("owner/name", None, None)),
        ("owner/name/a/x.safetensors", ("owner/name", "a/x.safetensors", None)),
        ("huggingface.co/owner/name/tree/fp16", ("owner/name", None, "fp16")),
        (
            "https://huggingface.co/owner/name/blob/main/a%20b/x.safetensors",
            ("owner/name", "a b/x.safetensors", "main"),
        ),
        (
            "https://hf.co/owner/name/resolve/main/x.safetensors?download=true",
            ("owner/name", "x.safetensors", "main"),
        ),
    ],
)
def test_addresses_of_the_hub(address: str, meant: tuple[str | None, ...]) -> None:
    assert tuple(hub_address(address)) == meant


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("https://civitai.com/models/1", "is not of the Hugging Face Hub; fetch the file with a"),
        ("https://huggingface.co/owner", "is no address of a model"),
    ],
)
def test_other_addresses_are_refused(run: Command, address: str, said: str) -> None:
    done = run("models", "pull", address)
    assert (done.code, done.out) == (2, "")
    assert said in done.err


def test_a_file_is_pulled_by_its_address(
    run: Command, hub: Hub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    name = "v1-5-pruned.safetensors"
    done = run("models", "pull", "owner/model", name)
    assert (done.code, done.err) == (0, "")
    (path,) = done.lines
    assert Path(path).read_text() == "all parts"
    assert Path(path).is_relative_to(tmp_path / "cache")
    assert run("models", "pull", f"{hub.url}/owner/model/blob/main/{name}").lines == [path]
    done = run("models", "pull", f"{hub.url}/owner/model/blob/main/{name}", name)
    assert (done.code, "leave FILE out" in done.err) == (2, True)
    done = run("models", "pull", "owner/model", name, "--variant", "fp16")
    assert (done.code, "--variant is of models" in done.err) == (2, True)


def test_progress_says_bytes_and_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[float, str]] = []
    now = [0.0]
    monkeypatch.setattr("kakusan.cli.models.time.monotonic", lambda: now[0])
    line = Live(on=False)
    monkeypatch.setattr(line, "step", lambda fraction, words: told.append((fraction, words)))
    tell = Fetching(line, "owner/name")
    tell(10**9, 2 * 10**9)
    now[0] = 10.0
    tell(15 * 10**8, 2 * 10**9)
    assert told == [
        (0.5, "owner/name  1.0 GB of 2.0 GB"),
        (0.75, "owner/name  1.5 GB of 2.0 GB, 50.0 MB/s"),
    ]
    assert live_line("pulling", 0.75, 10.0, 80, False, begun=0.5).endswith(" 75%  10 s left")


def test_show_of_nothing_says_so(run: Command, here: Path, tiny_v1: Path) -> None:
    (here / "empty").mkdir()
    for folder in ("empty", "./empty/", str(here / "empty")):
        done = run("models", "show", folder)
        assert (done.code, done.out) == (2, "")
        assert "has nothing of a model: no model_index.json, no config.json and no file" in done.err
        assert done.err.count("\n") == 1
    (here / "empty" / "notes.txt").write_text("hello")
    assert run("models", "show", "empty", "--json").code == 2
    assert run("models", "list", "empty").code == 0
    shutil.copytree(tiny_v1, here / "headless")
    (here / "headless" / "model_index.json").unlink()
    done = run("models", "show", "headless")
    assert done.code == 2
    assert "has no model_index.json, which a whole model has; name one of its parts:" in done.err
    (here / "several").mkdir()
    for name in ("a", "b"):
        write_file(here / "several" / f"{name}.safetensors")
    done = run("models", "show", "several")
    assert done.code == 2
    assert "several files of weights: name one of a.safetensors, b.safetensors" in done.err


# What people have beside whole models -> tensors that tell it, and what it is
FILES: dict[str, tuple[dict[str, tuple[int, ...]], str]] = {
    "taesd_decoder": ({"1.weight": (8, 4, 3, 3), "3.weight": (3, 8, 3, 3)}, "TAESD"),
    "taesd": ({f"taesd_{n}.1.weight": (8, 4, 3, 3) for n in ("encoder", "decoder")}, "TAESD"),
    "lora": (
        {
            f"lora_unet_down_blocks_0_attentions_0_proj_in.{name}.weight": (4, 4)
            for name in ("lora_up", "lora_down")
        },
        "LoRA",
    ),
    "pytorch_lora_weights": ({"unet.a.lora_A.weight": (4, 4)}, "LoRA"),
    "embedding": (
        {"emb_params": (2, 768)},
        "Stable Diffusion 1 embedding (textual inversion)",
    ),
    "learned_embeds": (
        {"<cat>": (1, 1024)},
        "Stable Diffusion 2 embedding (textual inversion)",
    ),
    "flux": ({"double_blocks.0.img_attn.qkv.weight": (4, 4)}, "FLUX model"),
}


@pytest.mark.parametrize("name", FILES)
def test_show_and_list_of_other_files(run: Command, here: Path, name: str) -> None:
    shapes, family = FILES[name]
    folder = here / "one"
    folder.mkdir()
    path = folder / f"{name}.safetensors"
    metadata = {"modelspec.trigger_phrase": "rcat"}
    save_file({each: torch.zeros(shape) for each, shape in shapes.items()}, path, metadata=metadata)
    for named in (f"one/{name}.safetensors", "one"):  # a folder with it alone, as of the hub
        done = run("models", "show", named)
        assert (done.code, done.err) == (0, "")
        assert f"family: {family}" in done.lines
        assert "trigger words: rcat" in done.lines
    assert any(line.startswith("weights: 0.0 M parameters, float32") for line in done.lines)
    told = run("models", "show", str(path), "--json").json()
    assert (told["family"], told["precision"], len(told["sha256"])) == (family, "float32", 64)
    (_, listed) = run("models", "list", "one", "--json").json()
    assert (listed["name"], listed["family"]) == (f"one/{name}.safetensors", family)


def test_show_and_list_of_parts(run: Command, here: Path, tiny_v1: Path, tiny_xl: Path) -> None:
    parts = {
        "v1/unet": (tiny_v1 / "unet", "Stable Diffusion 1", "unet: UNet2DConditionModel, "),
        "v1/vae": (tiny_v1 / "vae", "VAE", "vae: AutoencoderKL, "),
        "v1/text": (tiny_v1 / "text_encoder", "text encoder", "text_encoder: CLIPTextModel, "),
        "xl/unet": (tiny_xl / "unet", "SDXL", "unet: UNet2DConditionModel, "),
        "xl/text": (
            tiny_xl / "text_encoder_2",
            "text encoder",
            "text_encoder_2: CLIPTextModelWithProjection, ",
        ),
    }
    for name, (folder, family, line) in parts.items():
        shutil.copytree(folder, here / "parts" / name)
        done = run("models", "show", f"parts/{name}")
        assert (done.code, done.err) == (0, "")
        assert f"family: {family}" in done.lines
        assert any(each.startswith(line) for each in done.lines)
        file = next((here / "parts" / name).glob("*.safetensors"))
        assert run("models", "show", str(file)).code == 0
    listed = {each["name"]: each for each in run("models", "list", "parts", "--json").json()[1:]}
    assert {name: each["family"] for name, each in listed.items()} == {
        f"parts/{name}": family for name, (_, family, _) in parts.items()
    }
    assert all(each["precision"] == "float32" for each in listed.values())
    (line,) = [each for each in run("models", "list", "parts").lines if "v1/unet" in each]
    assert " Stable Diffusion 1 UNet " in line


def test_show_of_parts_without_weights(run: Command, tiny_v1: Path) -> None:
    for part, line in (
        ("scheduler", "scheduler: PNDMScheduler"),
        ("tokenizer", "tokenizer: CLIPTokenizer"),
    ):
        done = run("models", "show", str(tiny_v1 / part))
        assert (done.code, line in done.lines) == (0, True), done.lines


def test_a_part_in_the_cache_is_one_model(run: Command, cached: Path, tiny_v1: Path) -> None:
    shutil.rmtree(cached)
    shutil.copytree(tiny_v1 / "vae", cached)
    shapes, _ = FILES["taesd_decoder"]
    tensors = {name: torch.zeros(shape) for name, shape in shapes.items()}
    save_file(tensors, cached / "taesd_decoder.safetensors")
    found = run("models", "list", "--json").json()[1:]
    assert [(each["name"], each["family"]) for each in found] == [
        ("owner/name", "VAE"),
        ("owner/name/taesd_decoder.safetensors", "TAESD"),
    ]
    assert run("models", "show", "owner/name").code == 0
