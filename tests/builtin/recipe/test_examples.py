"""A text encoder of a larger vocabulary reads what it knew as before."""

import dataclasses
from pathlib import Path

import pytest
import torch

from kakusan.builtin.recipe.examples import Examples
from kakusan.builtin.recipe.stages import knows, with_embeddings_of
from kakusan.builtin.recipe.vocabulary import learn_merges, write_tokenizer
from kakusan.errors import CheckpointError
from kakusan.models import CLIPTextModel, TextEncoderConfig
from kakusan.text import CLIPTokenizer, KnownWords

KNOWN = ["a cat on a hill", "a red cat", "two cats", "a red hill"]
MORE = [*KNOWN, "a dragon", "a red dragon flying", "two dragons on a hill"]
LENGTH, WIDTH = 24, 8


def tokenizer_of(texts: list[str], folder: Path) -> CLIPTokenizer:
    write_tokenizer(folder, learn_merges(texts * 3, 3 if texts is KNOWN else 40), LENGTH)
    return CLIPTokenizer.from_pretrained(folder)


def encoder_of(tokenizer: CLIPTokenizer, **changes: int) -> CLIPTextModel:
    config = TextEncoderConfig(
        vocab_size=tokenizer.vocab_size,
        hidden_size=WIDTH,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=LENGTH,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    torch.manual_seed(len(tokenizer.get_vocab()))
    model = CLIPTextModel(dataclasses.replace(config, **changes))
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model


@pytest.fixture
def known(tmp_path: Path) -> CLIPTokenizer:
    return tokenizer_of(KNOWN, tmp_path / "known")


@pytest.fixture
def tokenizer(tmp_path: Path) -> CLIPTokenizer:
    return tokenizer_of(MORE, tmp_path / "more")


def test_examples_pair_tokens_that_end_at_the_same_letter(
    known: CLIPTokenizer, tokenizer: CLIPTokenizer
) -> None:
    teacher = encoder_of(known)
    examples = Examples.of(KNOWN, tokenizer, known, teacher, tokens=20)
    assert examples.ids.shape == examples.shared.shape == (4, 20)
    assert torch.equal(examples.ids, tokenizer.encode_prompts(KNOWN)[:, :20])
    states = teacher(known.encode_prompts(KNOWN))[0]
    differ = 0
    for row, caption in enumerate(KNOWN):
        mine, theirs = tokenizer.pieces(caption), known.pieces(caption)
        differ += len(mine) != len(theirs)
        ends = [end for _, (_, end) in theirs]
        for place, (_, (_, end)) in enumerate(mine, 1):
            assert bool(examples.shared[row, place]) == (end in ends)
            if end in ends:
                torch.testing.assert_close(
                    examples.states[row, place].float(),
                    states[row, ends.index(end) + 1],
                    rtol=2e-3,
                    atol=2e-3,
                )
        for mine_at, theirs_at in ((0, 0), (len(mine) + 1, len(theirs) + 1)):  # begin and end
            torch.testing.assert_close(
                examples.states[row, mine_at].float(), states[row, theirs_at], rtol=2e-3, atol=2e-3
            )
    assert differ  # else this says little


def test_an_encoder_that_reads_alike_has_no_error(known: CLIPTokenizer) -> None:
    teacher = encoder_of(known)
    examples = Examples.of(KNOWN, known, known, teacher, tokens=LENGTH)
    assert examples.shared.all()
    draw = torch.Generator().manual_seed(0)
    assert examples.error(teacher, 4, draw) < 1e-5
    other = encoder_of(known, intermediate_size=12)
    assert examples.error(other, 4, draw) > 0.5


def test_a_larger_vocabulary_keeps_the_tokens_that_it_has(
    known: CLIPTokenizer, tokenizer: CLIPTokenizer
) -> None:
    teacher = encoder_of(known)
    made = with_embeddings_of(encoder_of(tokenizer), tokenizer, teacher, known)
    fresh = encoder_of(tokenizer).state_dict()
    ours, theirs = tokenizer.get_vocab(), known.get_vocab()
    shared = ours.keys() & theirs.keys()
    assert {"t</w>", tokenizer.eos_token} <= shared
    new = ours.keys() - theirs.keys()
    assert new
    name = "embeddings.token_embedding.weight"
    rows, taught = made.state_dict()[name], teacher.state_dict()[name]
    for token in shared:
        assert torch.equal(rows[ours[token]], taught[theirs[token]])
    for token in new:
        assert torch.equal(rows[ours[token]], fresh[name][ours[token]])
    for key, value in made.state_dict().items():
        assert key == name or torch.equal(value, teacher.state_dict()[key])


def test_an_encoder_of_another_shape_is_refused(
    known: CLIPTokenizer, tokenizer: CLIPTokenizer
) -> None:
    wider = encoder_of(known, intermediate_size=12)
    with pytest.raises(CheckpointError, match="text encoder is of another shape"):
        with_embeddings_of(encoder_of(tokenizer), tokenizer, wider, known)


def test_what_a_tokenizer_knows_is_what_its_model_was_taught(known: CLIPTokenizer) -> None:
    assert not knows(known, ["cat"])
    known.words = KnownWords(frozenset({"cat", "red"}))
    assert knows(known, ["cat", "red"])
    assert not knows(known, ["cat", "dragon"])
