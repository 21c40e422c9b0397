"""CLIP's vocabulary that comes with the package, beside the reference's tokenizer."""

from pathlib import Path

import pytest
import transformers

from kakusan.text import CLIPTokenizer
from kakusan.text.clip_vocabulary import PAD_END, PAD_ZERO, clip_vocabulary
from tests.oracle import tiny

TEXTS = [
    "a photograph of an astronaut riding a horse",
    "  Über-große   Füße, 100% naïve!! (it's café) ",
    "日本の山と富士山, 🦊🚀",
    "",
    "<|endoftext|> in the middle! ... don't ### 12345",
    "a, b; c! d!!",
]


@pytest.mark.parametrize("pad", [PAD_END, PAD_ZERO])
def test_it_is_the_published_tokenizer(pad: str, tmp_path: Path) -> None:
    ours = CLIPTokenizer(clip_vocabulary(pad))
    ours.save_pretrained(tmp_path)
    with tiny.quiet():
        theirs = transformers.CLIPTokenizer.from_pretrained(tmp_path)
    assert len(ours.get_vocab()) == len(theirs.get_vocab()) == 49408
    for text in TEXTS:
        wanted = theirs(text, padding="max_length", max_length=77, truncation=True).input_ids
        assert ours.encode_prompts([text])[0].tolist() == wanted


def test_the_ids_are_those_that_everybody_knows() -> None:
    tokenizer = CLIPTokenizer(clip_vocabulary())
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id) == (49406, 49407)
    assert tokenizer.encode("a photo of a cat") == [49406, 320, 1125, 539, 320, 2368, 49407]
    assert CLIPTokenizer(clip_vocabulary(PAD_ZERO)).pad_token_id == 0


def test_it_takes_less_than_a_megabyte() -> None:
    import kakusan.text

    folder = Path(kakusan.text.__file__).parent / "clip"
    assert sum(path.stat().st_size for path in folder.iterdir()) < 2**20
    assert "OpenAI" in (folder / "LICENSE").read_text()
