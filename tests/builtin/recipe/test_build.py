"""The whole training on a tiny recipe: it resumes bit for bit and writes a model that runs."""

import dataclasses
import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from kakusan.builtin.recipe.build import build
from kakusan.builtin.recipe.crew import Crew
from kakusan.builtin.recipe.cross_attention import CrossAttentionStage, Listener
from kakusan.builtin.recipe.diffusion import DiffusionStage
from kakusan.builtin.recipe.export import export
from kakusan.builtin.recipe.painter import FONT_PATHS
from kakusan.builtin.recipe.reading import Reader
from kakusan.builtin.recipe.recipe import Recipe
from kakusan.builtin.recipe.stages import emphasis, exposures, known_vae, train_vae
from kakusan.builtin.recipe.telling import patterns
from kakusan.builtin.recipe.vae import VAEStage, new_vae
from kakusan.builtin.recipe.words import known_words
from kakusan.builtin.recipe.world import THINGS
from kakusan.checkpoints.files import read_json
from kakusan.checkpoints.source import locate
from kakusan.cli import main
from kakusan.errors import CheckpointError, InputError, NumericalError, OutputError
from kakusan.models import TextEncoderConfig, UNetConfig, VAEConfig
from kakusan.pipeline import StableDiffusionPipeline
from kakusan.text import KnownWords
from kakusan.training import pace, trainer
from kakusan.training.pace import Clock, StageSettings

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
        hidden_size=8,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=128,  # for all bytes of the longest caption, as few are merged
    ),
    text_settings=settings(4),
    known_text_settings=settings(3),
    sharpening_settings=settings(3),
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
    known_unet_settings=settings(5),
)


STAGES = ("vae", "decoder", "text", "unet", "sharpening")
EMBEDDINGS = "embeddings.token_embedding.weight"
DECODER = ("decoder.", "post_quant_conv.")  # what sharpening teaches


def drawn(recipe: Recipe) -> Callable[[], torch.Tensor]:
    return exposures(recipe, Crew(0)).first


class KilledError(Exception):
    """Stands for whatever ends the process."""


def kill_at(kills: set[tuple[str, int]], monkeypatch: pytest.MonkeyPatch) -> None:
    """End the process once before each of these steps of stages, and take it out of them."""
    advance = trainer.Run.advance

    def advance_unless_killed(run: trainer.Run) -> None:
        if (now := (run.stage.name, run.step)) in kills:
            kills.remove(now)
            raise KilledError
        advance(run)

    monkeypatch.setattr(trainer.Run, "advance", advance_unless_killed)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    build(TINY, folder, folder / "model")
    return folder


def test_killed_and_resumed_equals_uninterrupted(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kills = {("vae", 3), ("decoder", 1), ("text", 3), ("unet", 3), ("sharpening", 1)}
    kill_at(kills, monkeypatch)
    for _ in range(5):
        with pytest.raises(KilledError):
            build(TINY, tmp_path, tmp_path / "model")
    build(TINY, tmp_path, tmp_path / "model")
    assert not kills
    for name in STAGES:
        ours, theirs = (load_file(folder / f"{name}.safetensors") for folder in (tmp_path, whole))
        assert ours.keys() == theirs.keys()
        for key in ours:
            assert torch.equal(ours[key], theirs[key]), f"{name}: {key}"


def test_the_written_model_runs(whole: Path) -> None:
    pipe = StableDiffusionPipeline.from_pretrained(whole / "model")
    pipe.set_progress_bar_config(disable=True)
    picture = pipe("a cat on a red background", num_inference_steps=2, seed=0).images[0]
    assert picture.size == (16, 16)
    for name in ("model_index.json", "kakusan.json"):
        assert read_json(whole / "model" / name) == read_json(locate("builtin").folder / name)
    stored = {
        path.parent.name: {value.dtype for value in load_file(path).values()}
        for path in (whole / "model").glob("*/*.safetensors")
    }
    others = {torch.bfloat16}
    assert stored == {"vae": {torch.float16}, "unet": others, "text_encoder": others}


def test_progress_and_sample_grids(whole: Path, capfd: pytest.CaptureFixture[str]) -> None:
    build(TINY, whole, whole / "model")  # nothing is left to learn
    assert "model written after" in capfd.readouterr().err
    assert {path.name for path in whole.glob("*.png")} == {
        "vae-000005.png",
        "decoder-000003.png",
        "text-000004.png",
        "unet-000005.png",
        "sharpening-000003.png",
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
    vae = train_vae(TINY, tmp_path, drawn(TINY), Clock(), known_vae(TINY, start))
    begun = vae.encoder.conv_in.weight
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
        assert bool(changed) == (part != "text_encoder")
        assert part != "vae" or all(name.startswith(DECODER) for name in changed)
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
    with pytest.raises(CheckpointError, match="is of other scenes"):
        build(other, tmp_path, tmp_path / "model", start=start)
    wider = dataclasses.replace(TINY, unet=dataclasses.replace(TINY.unet, num_heads=(4, 4)))
    with pytest.raises(CheckpointError, match="UNet of another shape than the recipe's"):
        build(wider, tmp_path / "other", tmp_path / "model", start=start)
    shutil.copytree(start, tmp_path / "elsewhere")
    (tmp_path / "elsewhere/tokenizer/words.json").unlink()  # as other libraries write it
    with pytest.raises(CheckpointError, match="does not say what it was taught"):
        build(TINY, tmp_path / "third", tmp_path / "model", start=tmp_path / "elsewhere")


def test_a_model_that_knows_fewer_words_learns_them(whole: Path, tmp_path: Path) -> None:
    start, more = whole / "model", dataclasses.replace(TINY, things=8, examples=6)
    build(more, tmp_path, tmp_path / "model", start=start)
    assert KnownWords.read(tmp_path / "model" / "tokenizer") == known_words(8)
    folders = (start, tmp_path / "model")
    vae, unet = (
        [load_file(folder / part / "diffusion_pytorch_model.safetensors") for folder in folders]
        for part in ("vae", "unet")
    )
    assert all(
        torch.equal(value, vae[1][name]) != name.startswith(DECODER)
        for name, value in vae[0].items()
        if name.endswith("weight")
    )
    assert any(not torch.equal(value, unet[1][name]) for name, value in unet[0].items())
    before, after = (load_file(folder / "text_encoder/model.safetensors") for folder in folders)
    assert any(
        not torch.equal(value, after[name]) for name, value in before.items() if "layers" in name
    )
    pipe = StableDiffusionPipeline.from_pretrained(tmp_path / "model")
    assert pipe.tokenizer.words is not None
    assert not pipe.tokenizer.words.unknown(f"a {THINGS[7].name}")
    again = tmp_path / "again"
    export(more, tmp_path, again, start=start)
    assert (again / "text_encoder/model.safetensors").read_bytes() == (
        tmp_path / "model/text_encoder/model.safetensors"
    ).read_bytes()


def test_words_alone_can_be_taught(whole: Path, tmp_path: Path) -> None:
    start = whole / "model"
    recipe = dataclasses.replace(TINY, things=8, examples=6, attention_settings=settings(4))
    build(recipe, tmp_path, tmp_path / "model", start=start, words=True)
    assert {path.stem for path in tmp_path.glob("*.safetensors")} == {
        *("lessons", "latents", "text", "attention")
    }
    files = ("vae/diffusion_pytorch_model", "unet/diffusion_pytorch_model", "text_encoder/model")
    changed: list[set[str]] = []
    for file in files:
        before, after = (
            load_file(folder / f"{file}.safetensors") for folder in (start, tmp_path / "model")
        )
        assert before.keys() == after.keys()
        changed.append({n for n, v in before.items() if not torch.equal(v, after[n])})
    vae, unet, text = changed
    assert not vae
    assert unet
    assert all(".attn2." in name or ".norm2." in name for name in unet)
    assert any("layers" in name for name in text)
    pipe = StableDiffusionPipeline.from_pretrained(tmp_path / "model")
    assert pipe.tokenizer.words == known_words(8)
    again = tmp_path / "again"
    export(recipe, tmp_path, again, start=start)
    for file in files:
        one, two = (folder / f"{file}.safetensors" for folder in (again, tmp_path / "model"))
        assert one.read_bytes() == two.read_bytes()
    with pytest.raises(InputError, match="taught words alone; name its model with --start"):
        export(recipe, tmp_path, again)
    for other, words in ((tmp_path, False), (whole, True)):
        with pytest.raises(CheckpointError, match="give it another folder"):
            build(recipe, other, tmp_path / "no", start=start, words=words)
    (tmp_path / "both").mkdir()
    for folder, name in ((whole, "unet"), (tmp_path, "attention")):
        (tmp_path / "both" / f"{name}.safetensors").symlink_to(folder / f"{name}.safetensors")
    with pytest.raises(CheckpointError, match="give it another folder"):
        export(recipe, tmp_path / "both", again, start=start)
    with pytest.raises(InputError, match="words alone are taught to a model that is there"):
        build(recipe, tmp_path / "no", tmp_path / "no", words=True)
    # A model that knows all words may learn to read them better
    build(recipe, tmp_path / "on", tmp_path / "better", start=tmp_path / "model", words=True)
    vocabularies = [
        (folder / "tokenizer/vocab.json").read_bytes()
        for folder in (tmp_path / "model", tmp_path / "better")
    ]
    assert vocabularies[0] == vocabularies[1]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--words"], "--words teaches a model that is there; name it with --start"),
        (["--words", "--start", "x", "--compile"], "leave it out with --words"),
        (["--export", "--words", "--start", "x"], "--export trains no more"),
        (["--vae", "x", "--start", "x"], "--start has an autoencoder already"),
    ],
)
def test_options_that_nothing_would_use_are_refused(
    options: list[str], said: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "builtin", "-o", str(tmp_path / "model"), *options]) == 2
    assert said in capfd.readouterr().err


def test_what_is_read_counts_where_words_are_taught(whole: Path, tmp_path: Path) -> None:
    """Answers of captions count, those of no caption do not, and both networks learn by them."""
    pipe = StableDiffusionPipeline.from_pretrained(whole / "model")
    reader = Reader(pipe.text_encoder, TINY.things)
    listener = Listener(reader, pipe.unet.requires_grad_(True))
    ids = pipe.tokenizer.encode_prompts(["a cat", "a dog", "", ""])[:, None]

    def stage(weight: float) -> CrossAttentionStage:
        return CrossAttentionStage(
            listener,
            pipe.vae,
            pipe.tokenizer,
            torch.randn(4, 4, 8, 8, generator=torch.Generator().manual_seed(0)),
            ids,
            dataclasses.replace(settings(1), batch_size=16),
            prompts=("a cat",),
            seed=0,
            scale=1.0,
            answers=torch.zeros(4, len(reader.answers), dtype=torch.long),
            weight=weight,
        )

    with torch.no_grad():
        losses = [float(stage(w).loss(np.random.default_rng(0))) for w in (0.0, 1.0, 2.0)]
        every = torch.tensor([0, 1, 2, 3])
        text = stage(1).read(ids[:, 0])
        spoken, unspoken = (
            float(stage(1).besides(ids[few, 0], text[few], few)) for few in (every[:2], every[2:])
        )
    assert losses[2] - losses[1] == pytest.approx(losses[1] - losses[0], rel=1e-3)
    assert losses[1] > losses[0]
    assert spoken > 1
    assert unspoken == 0
    stage(0.0).loss(np.random.default_rng(0)).backward()
    assert pipe.text_encoder.get_parameter(EMBEDDINGS).grad is not None
    learning = {name for name, p in pipe.unet.named_parameters() if p.grad is not None}
    assert learning == {name for name, p in pipe.unet.named_parameters() if p.requires_grad}


def test_a_killed_lesson_of_words_goes_on(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = dataclasses.replace(TINY, attention_settings=settings(4))

    def taught(run: Path) -> None:
        build(recipe, run, run / "model", start=whole / "model", words=True)

    taught(tmp_path / "one")
    kills = {("text", 2), ("attention", 3)}
    kill_at(kills, monkeypatch)
    for _ in range(2):
        with pytest.raises(KilledError):
            taught(tmp_path / "two")
    taught(tmp_path / "two")
    assert not kills
    for name in ("text", "attention"):
        one, two = (load_file(tmp_path / run / f"{name}.safetensors") for run in ("one", "two"))
        assert all(torch.equal(value, two[key]) for key, value in one.items())


def test_a_run_is_written_wherever_it_stands(whole: Path, tmp_path: Path) -> None:
    export(TINY, whole, tmp_path / "model")
    for path in (whole / "model").rglob("*"):
        other = tmp_path / "model" / path.relative_to(whole / "model")
        assert path.is_dir() or path.read_bytes() == other.read_bytes()
    for name in ("tokenizer", "latents.safetensors", "vae.safetensors"):
        (tmp_path / name).symlink_to(whole / name)
    with pytest.raises(InputError, match="no checkpoint of the UNet yet"):
        export(TINY, tmp_path, tmp_path / "other")


def test_a_run_can_end_by_the_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = itertools.count(step=0.02)  # seconds, one at each look at the clock
    monkeypatch.setattr(pace, "time", SimpleNamespace(monotonic=lambda: next(ticks)))
    shares = {"text": 0.1, "vae": 0.2, "decoder": 0.1, "sharpening": 0.1}
    recipe = dataclasses.replace(TINY, shares=shares)
    build(recipe, tmp_path, tmp_path / "model", minutes=0.05)
    assert next(ticks) < 3.2
    steps: dict[str, int] = {}
    for name in STAGES:
        with safe_open(tmp_path / f"{name}.safetensors", framework="pt") as file:
            assert file.metadata()["done"] == "1.0"
            steps[name] = int(file.metadata()["step"])
    assert steps["unet"] > 5  # which are its settings' steps
    assert steps["vae"] > steps["text"]
    more = dataclasses.replace(recipe, things=8, examples=6)
    build(more, tmp_path / "more", tmp_path / "taught", start=tmp_path / "model", minutes=0.05)
    with safe_open(tmp_path / "more" / "text.safetensors", framework="pt") as file:
        assert file.metadata()["done"] == "1.0"
        assert int(file.metadata()["step"]) != more.known_text_settings.steps
    build(recipe, tmp_path, tmp_path / "model", minutes=0.01)  # nothing is left to learn
    with safe_open(tmp_path / "unet.safetensors", framework="pt") as file:
        assert int(file.metadata()["step"]) == steps["unet"]


def test_errors_count_more_where_objects_are() -> None:
    objects = torch.zeros(2, 16, 16, dtype=torch.bool)
    objects[0, 10:14, 6:10] = True
    weights = emphasis(objects, 4.0).float()
    assert weights.mean() == pytest.approx(1, abs=1e-3)
    there, elsewhere = weights[objects], weights[~objects]
    assert (there == there[0]).all()
    assert (elsewhere == elsewhere[0]).all()
    assert float(there[0] / elsewhere[0]) == pytest.approx(4, rel=1e-2)


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
            pipe.tokenizer.encode_prompts(["a cat"] * 4)[:, None],
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


def small_stage(whole: Path, **options: Any) -> DiffusionStage:
    """A stage of 40 latents, each of one value that is its number, with a caption of its own."""
    pipe = StableDiffusionPipeline.from_pretrained(whole / "model")
    latents = torch.arange(40.0)[:, None, None, None].expand(-1, 4, 8, 8).contiguous()
    length = TINY.text.max_position_embeddings
    ids = torch.arange(40)[:, None, None].expand(-1, 2, length).contiguous()
    ids[:, 1] += 100
    return DiffusionStage(
        pipe.unet.requires_grad_(True),
        pipe.text_encoder,
        pipe.vae,
        pipe.tokenizer,
        latents,
        ids,
        dataclasses.replace(settings(1), batch_size=16),
        prompts=("a cat",),
        seed=0,
        scale=1.0,
        **options,
    )


def test_plain_scenes_come_first(whole: Path) -> None:
    stage = small_stage(whole, first=torch.tensor([3, 7, 30]), first_share=0.5)
    seen: list[set[int]] = []
    for done in (0.0, 0.49, 0.5, 0.9):
        stage.done = done
        draw = stage.draws(stage.rng(int(100 * done)))
        seen.append(set(stage._chosen(200, draw).tolist()))
    assert seen[0] == seen[1] == {3, 7, 30}
    assert len(seen[2]) > 30
    assert len(seen[3]) > 30


def test_each_scene_comes_with_one_of_its_captions_or_with_none(whole: Path) -> None:
    stage = small_stage(whole)
    draw = stage.draws(stage.rng(0))
    chosen = stage._chosen(1000, draw)
    ids = stage._captions(chosen, draw)
    nothing = (ids == stage.nothing).all(1)
    assert 0.05 < nothing.float().mean() < 0.15
    second = ids[:, 1] >= 100
    assert 0.4 < second[~nothing].float().mean() < 0.6
    assert torch.equal(ids[~nothing][:, 5], (chosen + 100 * second)[~nothing])


def test_what_is_to_come_often_does(whole: Path) -> None:
    stage = small_stage(whole)
    stage.odds = torch.arange(len(stage.latents), dtype=torch.float32)
    chosen = stage._chosen(4000, stage.draws(stage.rng(0)))
    counts = torch.bincount(chosen, minlength=len(stage.latents)).float()
    wanted = 4000 * stage.odds / stage.odds.sum()
    assert counts[0] == 0
    assert ((counts - wanted).abs() < 5 * wanted.sqrt() + 1).all()


def test_a_unet_that_learns_on_meets_what_it_draws_worst(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[torch.Tensor | None] = []

    def heard(stage: DiffusionStage, *_: object, **__: object) -> None:
        seen.append(stage.odds)
        raise KilledError

    monkeypatch.setattr("kakusan.builtin.recipe.build.train", heard)
    with pytest.raises(KilledError):
        build(TINY, tmp_path, tmp_path / "model", start=whole / "model")
    (odds,) = seen
    assert odds is not None
    assert len(odds) == TINY.scenes
    assert float(odds.mean()) == pytest.approx(1, abs=1e-3)
    assert float(odds.std()) > 0


def test_noise_tells_the_chances_of_its_scene(whole: Path) -> None:
    chances = torch.rand(40, 5)
    stage = small_stage(whole, chances=chances)
    draw = stage.draws(stage.rng(0))
    chosen = stage._chosen(1000, draw)
    noise = stage.noise(chosen, draw)
    tells = patterns(5, tuple(noise.shape[1:]))
    quantiles = torch.special.ndtr(torch.einsum("bchw,ichw->bi", noise, tells))
    tells_it = (quantiles - chances[chosen]).abs().amax(1) < 1e-3
    assert 0.8 < tells_it.float().mean() < 0.9
    plain = small_stage(whole)
    draw = plain.draws(plain.rng(0))
    assert torch.equal(plain._chosen(1000, draw), chosen)
    assert torch.equal(plain.noise(chosen, draw)[~tells_it], noise[~tells_it])


def test_what_is_learnt_is_the_schedulers_velocity(
    whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage, seen = small_stage(whole), list[torch.Tensor]()
    scheduler = stage.scheduler

    def predict(noised: torch.Tensor, timesteps: torch.Tensor, *_given: object) -> torch.Tensor:
        draw = stage.draws(stage.rng(0))
        chosen = stage._chosen(16, draw)
        noise = torch.randn(noised.shape, generator=draw)
        latents = stage.latents[chosen].float()
        expected = scheduler.add_noise(latents, noise, timesteps)
        torch.testing.assert_close(noised, expected, rtol=1e-4, atol=1e-4)
        assert torch.equal(timesteps, timesteps.sort().values)
        assert int(timesteps[-1]) >= 900
        seen.append(timesteps)
        return scheduler.training_target(latents, noise, timesteps)

    monkeypatch.setattr(stage, "predict", predict)
    assert float(stage.loss(stage.rng(0))) < 1e-6
    assert len(seen) == 1


def test_a_compiled_unet_learns_the_same(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compile_ = torch.compile  # with a backend that needs no compiler of machine code

    def quick(function: Any, **options: Any) -> Any:
        return compile_(function, backend="aot_eager", fullgraph=True, **options)

    monkeypatch.setattr(torch, "compile", quick)
    gradients: list[torch.Tensor] = []
    for compiled in (False, True):
        stage = small_stage(whole)
        if compiled:
            stage.compile()
        assert all(parameter.grad is None for parameter in stage.networks.parameters())
        stage.loss(stage.rng(0)).backward()
        found = [parameter.grad for parameter in stage.networks.parameters()]
        gradients.append(torch.cat([each.flatten() for each in found if each is not None]))
    plain, other = gradients
    assert (plain - other).norm() < 0.02 * plain.norm()  # of bfloat16, where that is fast


def test_a_unet_that_cannot_be_compiled_learns_as_it_is(
    whole: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def failing(_function: object, **_options: object) -> Callable[..., torch.Tensor]:
        def predict(*_given: torch.Tensor) -> torch.Tensor:
            raise RuntimeError("no compiler\nhere")

        return predict

    monkeypatch.setattr(torch, "compile", failing)
    stage = small_stage(whole)
    stage.compile()
    assert capsys.readouterr().err == "unet: not compiled (no compiler here)\n"
    assert stage.loss(stage.rng(0)).isfinite()


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
    with safe_open(tmp_path / "text.safetensors", framework="pt") as file:
        assert file.metadata()["step"] == "2"
    assert not [path for path in tmp_path.iterdir() if "half" in path.name]
    build(TINY, tmp_path, tmp_path / "model")


def test_two_processes_learn_the_same_weights(tmp_path: Path) -> None:
    program = f"""
import dataclasses
from pathlib import Path
from tests.builtin.recipe.test_build import TINY
from tests.builtin.recipe.test_build import drawn
from kakusan.builtin.recipe.stages import train_vae
from kakusan.training.pace import Clock
import torch
from kakusan.training.processes import Processes, join
join()
folder = Path({str(tmp_path)!r}) / str(Processes.current().rank)
folder.mkdir()
vae = train_vae(TINY, folder, drawn(TINY), Clock())
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
    alone = train_vae(TINY, tmp_path, drawn(TINY), Clock()).state_dict()
    assert any(not torch.equal(one[name], alone[name]) for name in one)
    assert (tmp_path / "0" / "vae.safetensors").exists()
    assert not (tmp_path / "1" / "vae.safetensors").exists()
