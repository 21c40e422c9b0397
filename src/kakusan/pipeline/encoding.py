"""Embeddings of prompts apart from a call, as `encode_prompt` gives them."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol

import torch
from torch import Tensor

from kakusan.conditioning import empty_chunk
from kakusan.engine import Engine
from kakusan.errors import RequestError, shown
from kakusan.inputs import Inputs, check_shape
from kakusan.models import Conditioning
from kakusan.pipeline.parsed_prompts import LORAS, Grammar, ParsedPrompts
from kakusan.pipeline.prompts import ReadsTexts
from kakusan.pipeline.reading import taught_for, with_tokenizers
from kakusan.pipeline.side_by_side import with_empty
from kakusan.pipeline.understood import say_understood, understood
from kakusan.prompts import ParsedPrompt
from kakusan.request import DEFAULT_STEPS, Request
from kakusan.request.choices import with_choices
from kakusan.sampling import Prompt


class Pipe(Protocol):
    """What is needed of a pipeline."""

    @property
    def components(self) -> Mapping[str, Any]: ...
    @property
    def name_or_path(self) -> str | None: ...
    @property
    def defaults(self) -> Mapping[str, Any]: ...
    def _prompts(
        self, engine: Engine, request: Request, inputs: Inputs, guided: bool
    ) -> ReadsTexts: ...


def embedded(
    pipe: Pipe, engine: Engine, request: Request, inputs: Inputs, *, guided: bool
) -> Prompt:
    """What all pictures are conditioned on, a row for each.

    Where prompts have a grammar all rows have one length, so that a call takes them: empty chunks
    stand behind shorter ones.

    Args:
        engine: with the adapters that the text encoders have on.
        guided: whether negative prompts are read too.

    Raises:
        RequestError: Texts and embeddings do not go together; or a prompt with a grammar is more
            than one text, names adapters, or has choices.
    """
    if request.syntax != "plain":
        return _by_grammar(pipe, engine, request, inputs, guided=guided)
    prompts = pipe._prompts(engine, request, inputs, guided)  # pyright: ignore[reportPrivateUsage]
    prompts.check()
    say_understood(understood(prompts), pipe.name_or_path)
    engine.prepare()
    return prompts.embedded()[0]


def _by_grammar(
    pipe: Pipe, engine: Engine, request: Request, inputs: Inputs, *, guided: bool
) -> Prompt:
    request = with_choices(request, [None] * request.num_pictures, ())
    words = taught_for(request, pipe.components)
    reader = pipe
    if words is not None:
        engine.learnt, reader = words.learnt, with_tokenizers(pipe, words)
    if request.syntax == "webui" and request.emphasis is None:
        request = replace(request, emphasis=pipe.defaults.get("emphasis"))
    grammar = Grammar.of(request, inputs, DEFAULT_STEPS)
    assert grammar is not None
    for text, parsed in (*grammar.positive.items(), *grammar.negative.items()):
        _check_is_one(text, parsed)
    texts = reader._prompts(engine, request, inputs, guided)  # pyright: ignore[reportPrivateUsage]
    prompts = ParsedPrompts(grammar, texts)
    prompts.check()
    say_understood(understood(prompts), pipe.name_or_path, request.prompt_syntax)
    engine.prepare()
    timelines, _ = prompts.encoded()
    count = request.num_images_per_prompt
    firsts = range(0, request.num_pictures, count)
    rows = [timelines(range(each, each + 1)).at(0) for each in firsts]
    sides = [[row.text for row in rows], [row.negative for row in rows if row.negative is not None]]
    longest = max(each.tokens.shape[1] for side in sides for each in side)

    def joined(side: list[Conditioning]) -> Conditioning:
        padded = [_filled(each.tokens, longest, texts) for each in side]
        pooled = [each.pooled for each in side if each.pooled is not None]
        found = Conditioning(torch.cat(padded), torch.cat(pooled) if pooled else None)
        return found.repeated(count)

    text, negative = joined(sides[0]), joined(sides[1]) if sides[1] else None
    if negative is not None:  # embeddings that were given may have any length
        check_shape("negative_prompt_embeds", negative.tokens, text.tokens.shape)
    return Prompt(text, negative)


def _filled(tokens: Tensor, length: int, texts: ReadsTexts) -> Tensor:
    """One row of tokens with empty chunks behind them."""
    if tokens.shape[1] == length:
        return tokens
    return with_empty(tokens, length, empty_chunk(texts.readers(texts.request.clip_skip)))


def _check_is_one(text: str, parsed: ParsedPrompt) -> None:
    """Raise RequestError for a prompt that no embeddings stand for."""
    if any(each.kind in LORAS for each in parsed.networks):
        what = "names adapters; put them on with load_lora_weights and take the tag out"
    elif any(len({timed[1:] for timed in part.schedule}) > 1 for part in parsed.parts):
        what = "changes from step to step, which embeddings cannot"
    elif parsed.joined == "guided" and [part.weight for part in parsed.parts] != [1.0]:
        what = "joins texts by AND or weighs the whole, which embeddings cannot"
    else:
        return
    raise RequestError(
        f"the prompt {shown(text)} {what}; a call of the pipeline with prompt_syntax draws it"
    )
