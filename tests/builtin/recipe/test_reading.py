"""The text encoder's own stage: its questions, its answers, and that it learns to read."""

from pathlib import Path

import numpy as np
import pytest
import torch

from kakusan.builtin.recipe.album import Album
from kakusan.builtin.recipe.captions import caption
from kakusan.builtin.recipe.crew import Crew
from kakusan.builtin.recipe.english import english
from kakusan.builtin.recipe.lessons import Lessons
from kakusan.builtin.recipe.painter import FONT_PATHS
from kakusan.builtin.recipe.questions import answers, questions, scene_of
from kakusan.builtin.recipe.reading import ReadingStage
from kakusan.builtin.recipe.scenes import random_scene, training_scene
from kakusan.builtin.recipe.vocabulary import learn_merges, write_tokenizer
from kakusan.builtin.recipe.world import CORE
from kakusan.models import CLIPTextModel, TextEncoderConfig
from kakusan.text import CLIPTokenizer
from kakusan.training.pace import StageSettings
from kakusan.training.trainer import Run

THINGS_READ = 6
LENGTH = 120  # tokens; of so few merges a caption has many
PROMPTS = ("a cat on a red background", "two dogs in the sea")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's folder with a tokenizer in it."""
    folder, rng = tmp_path_factory.mktemp("run"), np.random.default_rng(0)
    texts = [caption(training_scene(rng, THINGS_READ), rng, THINGS_READ) for _ in range(500)]
    write_tokenizer(folder / "tokenizer", learn_merges(texts, 450), LENGTH)
    return folder


@pytest.fixture(scope="module")
def tokenizer(run: Path) -> CLIPTokenizer:
    return CLIPTokenizer.from_pretrained(run / "tokenizer")


@pytest.fixture(scope="module")
def lessons(run: Path) -> Lessons:
    album = Album(seed=0, count=6000, things=THINGS_READ, pixels=16)
    return Lessons.of(album, Crew(0), run, captions=1, side=8)


def stage(tokenizer: CLIPTokenizer, lessons: Lessons, steps: int) -> ReadingStage:
    torch.manual_seed(0)
    config = TextEncoderConfig(
        vocab_size=tokenizer.vocab_size,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=LENGTH,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    settings = StageSettings(steps=steps, batch_size=32, learning_rate=3e-3, warmup_steps=10)
    return ReadingStage(
        CLIPTextModel(config),
        tokenizer,
        settings,
        lessons=lessons,
        things=THINGS_READ,
        prompts=PROMPTS,
        seed=0,
    )


def test_every_answer_is_one_of_its_question() -> None:
    rng = np.random.default_rng(1)
    asked = questions(CORE)
    for _ in range(500):
        found = answers(random_scene(rng, CORE), CORE)
        assert len(found) == len(asked)
        assert all(0 <= answer < each.answers for answer, each in zip(found, asked, strict=True))


@pytest.mark.parametrize("kind", ["empty", "single", "count", "relation"])
def test_answers_describe_the_scene_again(kind: str) -> None:
    rng = np.random.default_rng(2)
    for _ in range(100):
        scene = random_scene(rng, CORE, kind)
        again = scene_of(answers(scene, CORE), CORE)
        said = np.random.default_rng(3), np.random.default_rng(3)
        assert english(again, said[0]) == english(scene, said[1])
        for one, other in zip(again.items, scene.items, strict=True):
            assert abs(one.size - other.size) < 0.13


def test_it_learns_to_read(tokenizer: CLIPTokenizer, lessons: Lessons, tmp_path: Path) -> None:
    reading = stage(tokenizer, lessons, 450)
    run = Run(reading, tmp_path)
    for _ in range(450):
        run.advance()
    losses = run.losses()
    assert np.mean(losses[-10:]) < 0.45 * np.mean(losses[:10])
    some = lessons.ids[:500, 0].long()
    found = torch.stack([each.argmax(1) for each in reading.networks(some)], dim=1)
    right = (found == lessons.answers[:500]).float().mean(0)
    asked = {
        each.name: float(share) for each, share in zip(questions(THINGS_READ), right, strict=True)
    }
    assert min(asked["object 1"], asked["count"]) > 0.75, asked
    assert asked["location"] > 0.1, asked  # of 49, each with many names


def test_padding_that_is_cut_off_changes_no_other_token(
    tokenizer: CLIPTokenizer, lessons: Lessons
) -> None:
    reading = stage(tokenizer, lessons, 1)
    length = reading.ids.shape[-1]
    assert length == lessons.longest < LENGTH
    assert (lessons.ids[..., length - 1 :] == tokenizer.pad_token_id).all()
    assert (lessons.ids[..., length - 3] != tokenizer.pad_token_id).any()
    ids = lessons.ids[:2, 0].long()
    encoder = reading.networks.text_encoder
    with torch.no_grad():
        short, whole = encoder(ids[:, :length])[0], encoder(ids)[0]
    torch.testing.assert_close(short, whole[:, :length], rtol=1e-4, atol=1e-5)


@pytest.mark.skipif(not any(p.is_file() for p in FONT_PATHS), reason="needs Noto Color Emoji")
def test_the_grid_shows_what_is_read(tokenizer: CLIPTokenizer, lessons: Lessons) -> None:
    assert stage(tokenizer, lessons, 1).samples().size == (128, 256)
