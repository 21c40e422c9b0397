"""Scenes are drawn by several processes as one would draw them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from kakusan.builtin.recipe import lessons, scenes
from kakusan.builtin.recipe.album import CHUNK, Album
from kakusan.builtin.recipe.captions import caption
from kakusan.builtin.recipe.crew import Crew
from kakusan.builtin.recipe.exposures import Exposures
from kakusan.builtin.recipe.lessons import FILE, Lessons
from kakusan.builtin.recipe.painter import FONT_PATHS
from kakusan.builtin.recipe.questions import answers
from kakusan.builtin.recipe.scenes import covered, is_plain, is_seen, training_scene
from kakusan.builtin.recipe.vocabulary import learn_merges, write_tokenizer
from kakusan.errors import CheckpointError

ALBUM = Album(seed=3, count=3 * CHUNK + 5, things=9, pixels=16)
needs_font = pytest.mark.skipif(
    not any(path.is_file() for path in FONT_PATHS), reason="Noto Color Emoji is not installed"
)


def test_a_scene_is_known_by_its_number() -> None:
    scenes = [ALBUM.scene(i) for i in range(50)]
    assert scenes == [ALBUM.scene(i) for i in range(50)]
    assert len(set(scenes)) == 50
    assert all(is_seen(scene) for scene in scenes)
    assert scenes != [replace(ALBUM, seed=4).scene(i) for i in range(50)]
    assert [i for chunk in ALBUM.chunks() for i in chunk] == list(range(ALBUM.count))


def test_other_scenes_and_other_captions_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tokenizer(tmp_path / "tokenizer", [], 500)
    told = ALBUM.told()
    assert told == ALBUM.told() != replace(ALBUM, things=8).told()
    Lessons.of(ALBUM, Crew(0), tmp_path, captions=1, side=4)
    Lessons.of(ALBUM, Crew(0), tmp_path, captions=1, side=4)
    with monkeypatch.context() as patch:
        patch.setattr(
            lessons, "caption", lambda scene, rng, things: caption(scene, rng, things).upper() + "!"
        )
        with pytest.raises(CheckpointError, match="of other scenes"):
            Lessons.of(ALBUM, Crew(0), tmp_path, captions=1, side=4)
    with monkeypatch.context() as patch:
        patch.setattr(scenes, "DEEDS", 1.0)
        assert ALBUM.told() != told
        with pytest.raises(CheckpointError, match="of other scenes"):
            Lessons.of(ALBUM, Crew(0), tmp_path, captions=1, side=4)


@needs_font
def test_several_processes_draw_what_one_draws() -> None:
    alone = np.concatenate(list(ALBUM.pictures(Crew(0))))
    with Crew(2) as crew:
        together = np.concatenate(list(ALBUM.pictures(crew)))
        again = np.concatenate(list(ALBUM.pictures(crew, ahead=ALBUM.count)))
    assert alone.shape == (ALBUM.count, 16, 16, 3)
    assert np.array_equal(alone, together)
    assert np.array_equal(alone, again)


@needs_font
def test_pictures_are_drawn_once_and_the_first_of_them_wait() -> None:
    alone = torch.from_numpy(np.concatenate(list(ALBUM.pictures(Crew(0)))))
    cpu = torch.device("cpu")
    pictures = Exposures(ALBUM, Crew(0), first=CHUNK + 1, ahead=0, device=cpu)
    pictures.begin()
    assert torch.equal(pictures.first(), alone[: 2 * CHUNK])
    assert pictures.first() is pictures.first()
    assert torch.equal(torch.cat(list(pictures.all())), alone)
    straight = Exposures(ALBUM, Crew(0), first=CHUNK, ahead=0, device=cpu)
    assert torch.equal(torch.cat(list(straight.all())), alone)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    texts = [caption(training_scene(rng, ALBUM.things), rng, ALBUM.things) for _ in range(300)]
    write_tokenizer(tmp_path / "tokenizer", learn_merges(texts, 200), 120)
    return tmp_path


def test_lessons_say_what_is_true_of_each_scene(run: Path) -> None:
    album = replace(ALBUM, count=CHUNK)
    lessons = Lessons.of(album, Crew(0), run, captions=3, side=16)
    assert lessons.ids.shape == (CHUNK, 3, 120)
    assert (lessons.ids[:, :, 0] == lessons.ids[0, 0, 0]).all()
    assert len({tuple(ids.tolist()) for ids in lessons.ids.flatten(0, 1)}) > 2 * CHUNK
    for index in range(CHUNK):
        scene = album.scene(index)
        assert lessons.answers[index].tolist() == answers(scene, album.things)
        assert np.array_equal(lessons.objects[index].numpy(), covered(scene, 16))
        assert bool(lessons.plain[index]) == is_plain(scene)


def test_lessons_are_kept_and_those_of_others_refused(run: Path) -> None:
    with Crew(1) as crew:
        drawn = Lessons.of(ALBUM, crew, run, captions=2, side=8)
    kept = Lessons.of(ALBUM, Crew(0), run, captions=2, side=8)
    for name in ("ids", "answers", "objects", "plain"):
        assert torch.equal(getattr(drawn, name), getattr(kept, name))
    with pytest.raises(CheckpointError, match=r"lessons\.safetensors' is of other scenes"):
        Lessons.of(replace(ALBUM, seed=4), Crew(0), run, captions=2, side=8)
    path = run / FILE
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(CheckpointError, match=r"lessons\.safetensors' is broken"):
        Lessons.of(ALBUM, Crew(0), run, captions=2, side=8)
