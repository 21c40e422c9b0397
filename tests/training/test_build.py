"""The whole training on a tiny recipe: it resumes bit for bit and writes a model that runs."""

import dataclasses
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from kakusan.checkpoints.files import read_json
from kakusan.checkpoints.source import locate
from kakusan.errors import CheckpointError
from kakusan.models import TextEncoderConfig, UNetConfig, VAEConfig
from kakusan.pipeline import StableDiffusionPipeline
from kakusan.training import trainer
from kakusan.training.build import build
from kakusan.training.recipe import Recipe
from kakusan.training.scenes import FONT_PATHS
from kakusan.training.trainer import StageSettings, learning_rate

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
    captions=500,
    scenes=8,
    vae=VAEConfig(
        latent_channels=4,
        block_out_channels=(8, 8),
        layers_per_block=1,
        norm_num_groups=2,
        sample_size=16,
    ),
    vae_settings=settings(5),
    decoder_settings=settings(3),
    text=TextEncoderConfig(
        hidden_size=8, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2
    ),
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
    focus_settings=settings(3),
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
    kills = {("vae", 3), ("decoder", 1), ("unet", 3), ("focus", 2)}

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
    for name in ("vae", "decoder", "unet", "focus"):
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
        "unet-000005.png",
        "focus-000003.png",
    }


def test_a_checkpoint_of_another_recipe_is_refused(whole: Path, tmp_path: Path) -> None:
    (tmp_path / "vae.safetensors").write_bytes((whole / "vae.safetensors").read_bytes())
    wider = dataclasses.replace(TINY.vae, block_out_channels=(8, 16))
    with pytest.raises(CheckpointError, match="another recipe"):
        build(dataclasses.replace(TINY, vae=wider), tmp_path, tmp_path / "model")


def test_the_learning_rate_warms_up_and_falls() -> None:
    plan = StageSettings(steps=100, batch_size=1, learning_rate=1.0, warmup_steps=10)
    rates = [learning_rate(plan, step) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == pytest.approx(1.0)
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert 0.01 <= rates[-1] < 0.02
    slower = dataclasses.replace(plan, decay_steps=200)
    assert [learning_rate(slower, step) for step in (9, 199)] == pytest.approx([1, 0.01], abs=1e-3)
