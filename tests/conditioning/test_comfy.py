"""ComfyUI's weights: whole tensors beside its own; and how it cuts long texts, by words."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kakusan import StableDiffusionPipeline, StableDiffusionXLPipeline
from kakusan.conditioning import Comfy, Reader, encode_parsed, reader, readers
from kakusan.prompts import Segment, Timed, parse
from kakusan.text import CLIPTokenizer, LearntWord, pieces
from tests.oracle import comfy_prompts
from tests.oracle.comfy_prompts import CASES, FAMILIES

WANTED = np.load(comfy_prompts.FILE)


def own_reader(family: str, request: pytest.FixtureRequest) -> Reader:
    if family.startswith("xl"):
        xl = StableDiffusionXLPipeline.from_pretrained(request.getfixturevalue("tiny_xl"))
        return readers((xl.tokenizer, xl.tokenizer_2), xl.engine, None)[family == "xl_2"]
    pipe = StableDiffusionPipeline.from_pretrained(request.getfixturevalue(f"tiny_{family}"))
    return reader(pipe.tokenizer, pipe.engine, None)


@pytest.mark.parametrize("family", FAMILIES)
def test_states_are_comfyuis(family: str, request: pytest.FixtureRequest) -> None:
    own = own_reader(family, request)
    for case, text in CASES.items():
        (turns,) = encode_parsed([parse(text, "comfy", 4)], [text], [own], Comfy())
        wanted = torch.from_numpy(WANTED[f"{family}/{case}"])
        torch.testing.assert_close(turns.each[0].tokens, wanted, atol=1e-5, rtol=1e-5)


def cut(tiny_v1: Path, *segments: Segment) -> list[Any]:
    pipe = StableDiffusionPipeline.from_pretrained(tiny_v1)
    own = reader(pipe.tokenizer, pipe.engine, None)
    chunks = Comfy().chunks(Timed(4, "", segments), own)
    assert all(len(chunk.ids) == len(chunk.weights) for chunk in chunks)
    return [(len(chunk.ids), sorted(set(chunk.weights))) for chunk in chunks]


def test_few_tokens_of_one_weight_stay_together(tiny_v1: Path) -> None:
    # a letter of a word that the vocabulary lacks is a token
    few = [Segment("cat " * 73), Segment("xylem", 1.5)]
    assert cut(tiny_v1, *few) == [(73, [1.0]), (5, [1.5])]
    assert cut(tiny_v1, Segment("cat " * 70 + "xylem")) == [(75, [1.0])]


def test_many_tokens_of_one_weight_are_parted_anywhere(tiny_v1: Path) -> None:
    assert cut(tiny_v1, Segment("cat " * 73 + "xylem tea")) == [(75, [1.0]), (4, [1.0])]
    words = [Segment("cat " * 70), Segment("xylophones", 1.5)]
    assert cut(tiny_v1, *words) == [(75, [1.0, 1.5]), (3, [1.5])]


def test_a_learnt_word_ends_what_stays_together(tiny_v1: Path) -> None:
    own = CLIPTokenizer.from_pretrained(tiny_v1, subfolder="tokenizer")
    toys = {"<one>": LearntWord(1, "one.pt"), "<six>": LearntWord(6, "six.pt")}
    tokenizer = own.learning(toys)

    def lengths(text: str) -> list[int]:
        found = Reader(tokenizer, lambda *_: pytest.fail("nothing is encoded"), pieces("comfy"))
        return [
            len(chunk.ids) for chunk in Comfy().chunks(parse(text, "comfy", 4).at(0)[0][1], found)
        ]

    assert lengths("cat " * 71 + "embedding:six a") == [71, 7]
    assert lengths("cat " * 70 + "embedding:one xylem tea cat") == [71, 7]
    assert lengths("cat " * 70 + "embedding:one xylem tea cat cat") == [75, 4]


def test_no_words_are_a_chunk(tiny_v1: Path) -> None:
    assert cut(tiny_v1, Segment("")) == [(0, [])]
