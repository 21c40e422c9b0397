"""The learnt vocabulary is one that CLIP's tokenizers read."""

from pathlib import Path

import numpy as np
import pytest

from kakusan.builtin.recipe.captions import caption
from kakusan.builtin.recipe.scenes import training_scene
from kakusan.builtin.recipe.vocabulary import byte_characters, learn_merges, write_tokenizer
from kakusan.text import CLIPTokenizer


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(0)
    captions = [caption(training_scene(rng, 20), rng, 20) for _ in range(3000)]
    path = tmp_path_factory.mktemp("tokenizer")
    write_tokenizer(path, learn_merges(captions, 1000))
    return path


def test_bytes_have_characters_of_their_own() -> None:
    characters = byte_characters()
    assert len(set(characters)) == 256
    assert all(character.isprintable() and not character.isspace() for character in characters)


def test_the_most_frequent_pair_is_merged_first() -> None:
    assert learn_merges(["aab aab, ab"], 2) == [("a", "b</w>"), ("a", "ab</w>")]


def test_the_same_captions_give_the_same_merges_every_time() -> None:
    rng = np.random.default_rng(1)
    captions = [caption(training_scene(rng, 6), rng, 6) for _ in range(200)]
    merges = learn_merges(captions, 400)  # far more than are frequent: most are ties
    assert len(merges) == 400
    assert all(learn_merges(captions, 400) == merges for _ in range(4))


def test_common_words_are_one_token(folder: Path) -> None:
    tokenizer = CLIPTokenizer.from_pretrained(folder)
    text = "A photo of a CAT, blue background"
    words = text.lower().replace(",", " ,").split()
    assert tokenizer.tokenize(text) == [f"{word}</w>" for word in words]
    assert len(tokenizer.tokenize("赤い猫")) <= 3


@pytest.mark.parametrize("text", ["", "猫と赤い背景", "🐱 on 🟥", "zebra's 3 é", "\x00\ud800"])
def test_any_text_has_tokens(folder: Path, text: str) -> None:
    ids = CLIPTokenizer.from_pretrained(folder).encode_prompts([text])
    assert ids.shape == (1, 77)


def test_the_reference_reads_the_same_tokens(folder: Path) -> None:
    transformers = pytest.importorskip("transformers")
    theirs = transformers.CLIPTokenizer.from_pretrained(folder)
    texts = ["a cat on a red background", "猫 🎉 zebra", "Sky Blue background, a donut"]
    ours = CLIPTokenizer.from_pretrained(folder).encode_prompts(texts)
    padded = theirs(texts, padding="max_length", return_tensors="pt").input_ids
    assert ours.tolist() == padded.tolist()
