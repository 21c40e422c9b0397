"""The whole training on a tiny recipe: it resumes bit for bit and writes a model that runs."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from kakusan.builtin.recipe.build import (
    build,
    build_tokenizer,
    emphasis,
    known_vae,
    new_unet,
    train_text_encoder,
    train_unet,
    train_vae,
)
from kakusan.builtin.recipe.captions import caption
from kakusan.builtin.recipe.diffusion import DiffusionStage
from kakusan.builtin.recipe.painter import FONT_PATHS
from kakusan.builtin.recipe.recipe import Recipe
from kakusan.builtin.recipe.scenes import Item, Scene, is_plain
from kakusan.builtin.recipe.vae import VAEStage, new_vae
from kakusan.builtin.recipe.words import known_words
from kakusan.checkpoints.files import read_json
from kakusan.checkpoints.source import locate
from kakusan.errors import CheckpointError, NumericalError, OutputError
from kakusan.models import TextEncoderConfig, UNetConfig, VAEConfig
from kakusan.pipeline import StableDiffusionPipeline
from kakusan.text import KnownWords
from kakusan.training import trainer
from kakusan.training.trainer import StageSettings

pytestmark = pytest.mark.skipif(
    not any(path.is_file() for path in FONT_PATHS),
    reason="Noto Color Emoji is not installed (Debian: fonts-noto-color-emoji)",
)


def settings(steps: int) -> StageSettings:
    return StageSettings(
        steps=steps, batch_size=2, learning_rate=1e-3, warmup_steps=2, save_every=2, sample_every=50
    )


TINY = Recipe(
    pixels=16,
    things=6,
    captions=200,
    merges=40,
    scenes=8,
    vae=VAEConfig(
        latent_channels=4,
        block_out_channels=(8, 8),
        layers_per_block=1,
        norm_num_groups=2,
        sample_size=16,
    ),
    vae_settings=settings(5),
    known_vae_settings=dataclasses.replace(settings(2), learning_rate=1e-5),
    decoder_settings=settings(3),
    text=TextEncoderConfig(
        hidden_size=8, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2
    ),
    text_settings=settings(4),
    unet=UNetConfig(
        sample_size=8,
        block_out_channels=(8, 8),
        layers_per_block=1,
        transformer_depth=(1, 0),
        num_heads=(2, 2),
        cross_attention_dim=8,
        norm_num_groups=2,
    ),
    unet_settings=settings(5),
)


class KilledError(Exception):
    """Stands for whatever ends the process."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    build(TINY, folder, folder / "model")
    return folder


def test_killed_and_resumed_equals_uninterrupted(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    advance = trainer.Run.advance
    kills = {("vae", 3), ("decoder", 1), ("text", 3), ("unet", 3)}

    def advance_unless_killed(run: trainer.Run) -> float:
        if (now := (run.stage.name, run.step)) in kills:
            kills.remove(now)
            raise KilledError
        return advance(run)

    monkeypatch.setattr(trainer.Run, "advance", advance_unless_killed)
    for _ in range(4):
        with pytest.raises(KilledError):
            build(TINY, tmp_path, tmp_path / "model")
    build(TINY, tmp_path, tmp_path / "model")
    assert not kills
    for name in ("vae", "decoder", "text", "unet"):
        ours, theirs = (load_file(folder / f"{name}.safetensors") for folder in (tmp_path, whole))
        assert ours.keys() == theirs.keys()
        for key in ours:
            assert torch.equal(ours[key], theirs[key]), f"{name}: {key}"


def test_the_written_model_runs(whole: Path) -> None:
    pipe = StableDiffusionPipeline.from_pretrained(whole / "model")
    pipe.set_progress_bar_config(disable=True)
    picture = pipe("a cat on a red background", num_inference_steps=2, seed=0).images[0]
    assert picture.size == (16, 16)
    index = "model_index.json"
    assert read_json(whole / "model" / index) == read_json(locate("builtin").folder / index)


def test_progress_and_sample_grids(whole: Path, capfd: pytest.CaptureFixture[str]) -> None:
    build(TINY, whole, whole / "model")  # nothing is left to learn
    assert "model written after" in capfd.readouterr().err
    assert {path.name for path in whole.glob("*.png")} == {
        "vae-000005.png",
        "decoder-000003.png",
        "text-000004.png",
        "unet-000005.png",
    }


def test_a_checkpoint_of_another_recipe_is_refused(whole: Path, tmp_path: Path) -> None:
    (tmp_path / "vae.safetensors").write_bytes((whole / "vae.safetensors").read_bytes())
    wider = dataclasses.replace(TINY.vae, block_out_channels=(8, 16))
    with pytest.raises(CheckpointError, match="networks of another shape"):
        build(dataclasses.replace(TINY, vae=wider), tmp_path, tmp_path / "model")


def test_another_configuration_is_refused_and_says_what_changed(
    whole: Path, tmp_path: Path
) -> None:
    (tmp_path / "vae.safetensors").write_bytes((whole / "vae.safetensors").read_bytes())
    faster = dataclasses.replace(TINY.vae_settings, learning_rate=0.5, save_every=1)
    with pytest.raises(CheckpointError) as refused:
        build(dataclasses.replace(TINY, vae_settings=faster), tmp_path, tmp_path / "model")
    assert "(learning_rate: 0.001 before, 0.5 now)" in str(refused.value)


def test_a_broken_checkpoint_is_named(tmp_path: Path) -> None:
    (tmp_path / "vae.safetensors").write_bytes(b"half of a checkpoint")
    with pytest.raises(CheckpointError, match=r"vae\.safetensors' is no whole checkpoint of a run"):
        build(TINY, tmp_path, tmp_path / "model")


def test_the_first_stage_can_begin_with_an_autoencoder(whole: Path, tmp_path: Path) -> None:
    start = whole / "model" / "vae"
    before = load_file(start / "diffusion_pytorch_model.safetensors")["encoder.conv_in.weight"]
    begun = train_vae(TINY, tmp_path, known_vae(TINY, start)).encoder.conv_in.weight
    assert not torch.equal(begun, before)
    new = new_vae(TINY.vae, TINY.seed).encoder.conv_in.weight
    assert (begun - before).abs().max() < 0.1 * (begun - new).abs().max()
    other = dataclasses.replace(TINY, vae=dataclasses.replace(TINY.vae, latent_channels=8))
    with pytest.raises(CheckpointError, match="another shape than the recipe's"):
        build(other, tmp_path, tmp_path / "model", vae=start)


def test_a_whole_model_s_unet_learns_on(whole: Path, tmp_path: Path) -> None:
    start = whole / "model"
    build(TINY, tmp_path, tmp_path / "model", start=start)
    weights = "diffusion_pytorch_model.safetensors"
    for part, file in {
        "vae": weights,
        "unet": weights,
        "text_encoder": "model.safetensors",
    }.items():
        before, after = (load_file(folder / part / file) for folder in (start, tmp_path / "model"))
        changed = {name for name in before if not torch.equal(before[name], after[name])}
        assert bool(changed) == (part == "unet")
    for name in ("vocab.json", "merges.txt"):
        same = [
            (folder / "tokenizer" / name).read_bytes() for folder in (start, tmp_path / "model")
        ]
        assert same[0] == same[1]
    for folder in (start, tmp_path / "model"):
        assert KnownWords.read(folder / "tokenizer") == known_words(TINY.things)
    with pytest.raises(CheckpointError, match=r"begun from: '\w+' before, '\w+' now"):
        build(TINY, tmp_path, tmp_path / "model", start=tmp_path / "model")
    other = dataclasses.replace(TINY, scenes=9)
    with pytest.raises(CheckpointError, match="latents of other scenes"):
        build(other, tmp_path, tmp_path / "model", start=start)
    wider = dataclasses.replace(TINY, unet=dataclasses.replace(TINY.unet, num_heads=(4, 4)))
    with pytest.raises(CheckpointError, match="UNet of another shape than the recipe's"):
        build(wider, tmp_path / "other", tmp_path / "model", start=start)


def test_errors_count_more_where_objects_are() -> None:
    cat = Scene((Item(0, size=0.25, x=0.5, y=0.75),))
    weights = emphasis([cat, Scene()], 16, 4.0).float()
    assert weights.mean() == pytest.approx(1, abs=1e-3)
    there, elsewhere = weights[0, 10:14, 6:10], weights[1]
    assert torch.equal(there, torch.full_like(there, float(there[0, 0])))
    assert float(there[0, 0] / elsewhere[0, 0]) == pytest.approx(4, rel=1e-2)
    assert int((weights > weights.min()).sum()) == 16


def test_the_stage_weighs_its_errors(whole: Path) -> None:
    pipe = StableDiffusionPipeline.from_pretrained(whole / "model")
    latents = torch.randn(4, 4, 8, 8, generator=torch.Generator().manual_seed(0))

    def loss(weights: torch.Tensor | None) -> float:
        stage = DiffusionStage(
            pipe.unet,
            pipe.text_encoder,
            pipe.vae,
            pipe.tokenizer,
            latents,
            lambda _index, _rng: "a cat",
            settings(1),
            prompts=("a cat",),
            seed=0,
            scale=1.0,
            emphasis=weights,
        )
        with torch.no_grad():
            return float(stage.loss(np.random.default_rng(0)))

    top, bottom = torch.zeros(4, 8, 8), torch.zeros(4, 8, 8)
    top[:, :4], bottom[:, 4:] = 2.0, 2.0
    plain, halves = loss(None), [loss(top), loss(bottom)]
    assert np.mean(halves) == pytest.approx(plain, rel=1e-3)
    assert abs(halves[0] - halves[1]) > 1e-3 * plain


def test_plain_scenes_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []

    def noted(scene: Scene, rng: np.random.Generator) -> str:
        seen.append(is_plain(scene))
        return caption(scene, rng)

    monkeypatch.setattr("kakusan.builtin.recipe.build.caption", noted)
    steps = dataclasses.replace(settings(20), batch_size=8)
    recipe = dataclasses.replace(TINY, scenes=60, plain_share=0.5, unet_settings=steps)
    tokenizer = build_tokenizer(recipe, tmp_path / "tokenizer")
    seen.clear()
    vae, text = new_vae(recipe.vae, 0), train_text_encoder(recipe, tmp_path, tokenizer)
    train_unet(recipe, tmp_path, vae, text, tokenizer, new_unet(recipe), new=True)
    middle = len(seen) // 2 - 8  # captions that are left out are not counted
    assert all(seen[:middle])
    assert not all(seen[-middle:])


def test_a_loss_that_becomes_nan_ends_the_run_before_it_does_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loss = VAEStage.loss

    def spoilt(stage: VAEStage, rng: np.random.Generator) -> torch.Tensor:
        spoilt.calls += 1
        return loss(stage, rng) * (float("nan") if spoilt.calls == 4 else 1)

    spoilt.calls = 0
    monkeypatch.setattr(VAEStage, "loss", spoilt)
    with pytest.raises(NumericalError, match="the loss became nan at step 4"):
        build(TINY, tmp_path, tmp_path / "model")
    kept = load_file(tmp_path / "vae.safetensors")
    assert all(tensor.isfinite().all() for tensor in kept.values())


def test_a_full_disk_keeps_the_last_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = trainer.save_file

    def failing(tensors: object, path: Path, **more: object) -> None:
        failing.calls += 1
        if failing.calls == 2:
            Path(path).write_bytes(b"half")
            raise OSError(28, "No space left on device")
        saved(tensors, path, **more)  # pyright: ignore[reportArgumentType]

    failing.calls = 0
    monkeypatch.setattr(trainer, "save_file", failing)
    with pytest.raises(OutputError, match="No space left"):
        build(TINY, tmp_path, tmp_path / "model")
    with safe_open(tmp_path / "vae.safetensors", framework="pt") as file:
        assert file.metadata()["step"] == "2"
    assert not [path for path in tmp_path.iterdir() if "half" in path.name]
    build(TINY, tmp_path, tmp_path / "model")


def test_two_processes_learn_the_same_weights(tmp_path: Path) -> None:
    program = f"""
import dataclasses
from pathlib import Path
from tests.builtin.recipe.test_build import TINY
from kakusan.builtin.recipe.build import train_vae
import torch
from kakusan.training.processes import Processes, join
join()
folder = Path({str(tmp_path)!r}) / str(Processes.current().rank)
folder.mkdir()
vae = train_vae(TINY, folder)
torch.save(vae.state_dict(), folder / "weights.pt")
"""
    (tmp_path / "both.py").write_text(program, encoding="utf-8")
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    command += ["--master-addr", "127.0.0.1", "--master-port", "29517", str(tmp_path / "both.py")]
    root = Path(__file__).parents[3]
    path = os.pathsep.join([str(root), str(root / "src")])
    variables = os.environ | {"PYTHONPATH": path}
    subprocess.run(command, check=True, env=variables, cwd=root, capture_output=True)
    one, other = (torch.load(tmp_path / rank / "weights.pt") for rank in ("0", "1"))
    assert all(torch.equal(one[name], other[name]) for name in one)
    alone = train_vae(TINY, tmp_path).state_dict()
    assert any(not torch.equal(one[name], alone[name]) for name in one)
    assert (tmp_path / "0" / "vae.safetensors").exists()
    assert not (tmp_path / "1" / "vae.safetensors").exists()
