"""How the prompts of one request are read where words were learnt (textual inversion)."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from kakusan.checkpoints.embeddings import Embedding
from kakusan.conditioning.taught import Encoder, Taught, embeddings_of, taught
from kakusan.models import within
from kakusan.pipeline.bundled import bundled_names
from kakusan.prompts import parse
from kakusan.request import DEFAULT_STEPS, Request
from kakusan.text import CLIPTokenizer

TOKENIZERS = {"text_encoder": "tokenizer", "text_encoder_2": "tokenizer_2"}
PipeT = TypeVar("PipeT")


def taught_for(
    request: Request, parts: Mapping[str, Any], bundled: Sequence[Embedding] = ()
) -> Taught | None:
    """The learnt words of a request and of the pipeline that draws it; None where there are none.

    Args:
        bundled: those that came with adapters.

    Raises:
        CheckpointError: A file is missing or broken.
        ArgumentError: It is for another model, or a prompt names a file that is not there.
    """
    pairs: dict[str, tuple[CLIPTokenizer, Encoder]] = {
        part: (parts[name], within(parts[part]))
        for part, name in TOKENIZERS.items()
        if parts.get(part) is not None and parts.get(name) is not None
    }
    entries = request.embeddings or ()
    learnt = bundled or any(tokenizer.learnt for tokenizer, _ in pairs.values())
    if not entries and request.syntax != "comfy" and not learnt:
        return None
    return taught(entries, _stretches(request), request.syntax, pairs, bundled)


def check_embeddings(request: Request) -> None:
    """Say before a model is loaded which files of learnt words are missing or broken.

    Raises:
        CheckpointError: One is.
        ArgumentError: It has another hash, or a prompt names a file that is not there.
    """
    if request.embeddings or request.syntax == "comfy":
        embeddings_for(request)


def embeddings_for(request: Request) -> list[Embedding]:
    """The learnt words that a request names, and of folders those that its prompts name.

    Raises:
        CheckpointError: A file is missing or broken.
        ArgumentError: It has another hash, or a prompt names a file that is not there.
    """
    known = bundled_names((request.lora_files or {}).values())
    return embeddings_of(request.embeddings or (), _stretches(request), request.syntax, known)


def _stretches(request: Request) -> list[str]:
    """What of the prompts is read as words, however they change from step to step."""
    several = (request.prompt, request.negative_prompt, request.prompt_2, request.negative_prompt_2)
    texts = list(dict.fromkeys(text for each in several for text in each or () if text))
    if request.syntax == "plain":
        return texts
    # a step may be two calls; more calls than there are leave no text out
    calls = max(DEFAULT_STEPS, 2 * (request.num_inference_steps or 0))
    old = bool(request.old_timelines)
    parsed = [parse(text, request.syntax, calls, old_timelines=old) for text in texts]
    parts = [part for each in parsed for part in each.parts]
    timed = [each for part in parts for each in part.schedule]
    if request.emphasis == "None":
        return list(dict.fromkeys(each.text for each in timed))
    return list(dict.fromkeys(segment.text for each in timed for segment in each.segments))


def with_tokenizers(pipe: PipeT, words: Taught) -> PipeT:
    """A copy of a pipeline, for one call, that reads prompts with these tokenizers."""
    made = copy.copy(pipe)
    for part, tokenizer in words.tokenizers.items():
        vars(made)[TOKENIZERS[part]] = tokenizer
    return made


def handed_in(words: Taught, pictures: int) -> dict[int, str]:
    """Of each picture, that a word without a file has changed it."""
    why = f"the word {words.unnamed[0]} was handed in without a file"
    return dict.fromkeys(range(pictures), why)
