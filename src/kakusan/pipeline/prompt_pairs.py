"""SDXL's prompts: from a request's texts, or embeddings in their place, to the conditioning."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from kakusan.conditioning import Reader, check_clip_skip, encode_pairs, readers
from kakusan.engine import Engine, present
from kakusan.errors import ArgumentError
from kakusan.inputs import Inputs, check_shape
from kakusan.models import Conditioning
from kakusan.pipeline.prompts import ReadText, Timelines, throughout
from kakusan.request import Request
from kakusan.sampling import Prompt
from kakusan.text import CLIPTokenizer, pieces

Texts = Sequence[str | None]
# The refiner's, of people's judgement from 1 to 10
AESTHETIC_SCORE, NEGATIVE_AESTHETIC_SCORE = 6.0, 2.5


@dataclass(frozen=True)
class PromptPairs:
    """The prompts of one request to SDXL; of the networks, the text encoders alone are needed.

    Attributes:
        tokenizer, tokenizer_2: of the first and of the second text encoder.
        guided: whether negative prompts are encoded too.
        scored: whether the UNet is told scores of beauty in place of target sizes.
        of_image: whether a picture is begun at another, whose negative sizes count one by one.
    """

    engine: Engine
    tokenizer: CLIPTokenizer | None
    tokenizer_2: CLIPTokenizer | None
    request: Request
    inputs: Inputs
    guided: bool
    scored: bool = False
    of_image: bool = False

    @property
    def read(self) -> list[list[ReadText]]:
        found: list[list[ReadText]] = [[] for _ in self.request.prompt]
        pairs = [] if self.inputs.prompt_embeds is not None else [self._pairs(self._texts)]
        if self._reads_negative:
            pairs.append(self._pairs(self._negative_texts))
        for each in pairs:
            for read, (first, second) in zip(found, each, strict=True):
                reads_first = self.engine.has_text_encoder
                if first and reads_first:
                    read.append(ReadText(first, present("tokenizer", self.tokenizer)))
                if second and not (reads_first and second == first):
                    read.append(ReadText(second, present("tokenizer_2", self.tokenizer_2)))
        return found

    def check(self) -> None:
        """Raise RequestError where texts cannot be encoded, or not beside the given embeddings."""
        request, inputs, given = self.request, self.inputs, self.inputs.prompt_embeds
        is_plain = request.syntax == "plain"
        inputs.check_embeds(request, self.engine.text_width)
        inputs.check_pooled(request, self._pooled_width)
        self._check_second_texts()
        self._check_negative_sizes()
        encodes_negative = self._reads_negative and not all(self.are_zeros())
        tokens = self._tokens() if given is None or encodes_negative else 0
        for encoder in self.engine.encoders:
            check_clip_skip(request.clip_skip, encoder.config.num_hidden_layers)
        if given is not None and encodes_negative and given.shape[1] != tokens and is_plain:
            raise ArgumentError(
                "{prompt_embeds} have {0} tokens, but an encoded {negative_prompt} has {1}; give "
                "{negative_prompt_embeds} of the same length",
                given.shape[1],
                tokens,
            )

    def encoded(self) -> tuple[Timelines, list[str]]:
        """What pictures are conditioned on, a row for each, and notes of what was upcast."""
        prompt, notes = self.embedded()
        text, negative = prompt.text, prompt.negative
        sized = None if negative is None else self.told(negative, negative=True)
        return throughout(Prompt(self.told(text, negative=False), sized)), notes

    def embedded(self) -> tuple[Prompt, list[str]]:
        """The prompts of all pictures, without the sizes that the UNet is told."""
        request, inputs, notes = self.request, self.inputs, list[str]()

        def encode(pairs: Sequence[tuple[str, str]], clip_skip: int | None) -> Conditioning:
            first = self.tokenizer if self.engine.has_text_encoder else None
            tokenizers = (first, present("tokenizer_2", self.tokenizer_2))
            found, new = encode_pairs(pairs, tokenizers, self.engine, clip_skip)
            notes.extend(note for note in new if note not in notes)
            return found

        text = _given(inputs.prompt_embeds, inputs.pooled_prompt_embeds)
        if text is None:
            text = encode(self._pairs(self._texts), request.clip_skip)
        negative = None
        if self.guided:
            negative = _given(inputs.negative_prompt_embeds, inputs.negative_pooled_prompt_embeds)
            if negative is None and all(self.are_zeros()):
                negative = text.map(torch.zeros_like)
            elif negative is None:
                # The reference does not apply clip_skip here
                negative = encode(self._pairs(self._negative_texts), None)
                zero = torch.tensor(self.are_zeros(), device=negative.tokens.device)
                negative = negative.map(lambda t: t.masked_fill(_beside(zero, t), 0.0))
            check_shape("negative_prompt_embeds", negative.tokens, text.tokens.shape)
            negative = self._placed(negative.map(lambda tensor: tensor.to(text.tokens)))
        return Prompt(self._placed(text), negative), notes

    def texts(self, *, negative: bool) -> list[tuple[str, ...]]:
        pairs = self._pairs(self._negative_texts if negative else self._texts)
        return [pair if self.engine.has_text_encoder else pair[1:] for pair in pairs]

    def given(self, *, negative: bool) -> Conditioning | None:
        given = self.inputs
        if negative:
            return _given(given.negative_prompt_embeds, given.negative_pooled_prompt_embeds)
        return _given(given.prompt_embeds, given.pooled_prompt_embeds)

    def told(self, rows: Conditioning, *, negative: bool) -> Conditioning:
        if self.request.height is None:  # of a picture that is not there
            return rows
        return _sized(rows, self._sizes()[negative])

    def tokenizers(self) -> list[CLIPTokenizer]:
        second = present("tokenizer_2", self.tokenizer_2)
        if not self.engine.has_text_encoder:
            return [second]
        return [present("tokenizer", self.tokenizer), second]

    def readers(self, clip_skip: int | None) -> list[Reader]:
        *first, second = self.tokenizers()
        own = first[0] if first else None
        return readers((own, second), self.engine, clip_skip, pieces(self.request.syntax))

    @property
    def _reads_negative(self) -> bool:
        return self.guided and self.inputs.negative_prompt_embeds is None

    def are_zeros(self) -> list[bool]:
        zeros = bool(self.request.force_zeros_for_empty_prompt)
        return [zeros and not text for text in self.request.negative_prompt]

    @property
    def _texts(self) -> tuple[Texts, Texts | None]:
        return self.request.prompt, self.request.prompt_2

    @property
    def _negative_texts(self) -> tuple[Texts, Texts | None]:
        return self.request.negative_prompt, self.request.negative_prompt_2

    def _pairs(self, texts: tuple[Texts, Texts | None]) -> list[tuple[str, str]]:
        """For each prompt, what the first and the second text encoder read."""
        first, second = texts
        pairs = zip(first, first if second is None else second, strict=True)
        return [(one or "", one or "" if other is None else other) for one, other in pairs]

    def _placed(self, prompts: Conditioning) -> Conditioning:
        """A row for each picture, where the UNet computes."""
        return prompts.to(self.engine.device).repeated(self.request.num_images_per_prompt)

    def _sizes(self) -> tuple[list[float], list[float]]:
        """What the UNet is told of sizes, for the prompt and for the negative one."""
        request = self.request
        assert request.height is not None
        assert request.width is not None
        asked = (request.height, request.width)
        original = request.original_size or asked
        crop = request.crops_coords_top_left or (0, 0)
        target = request.target_size or asked
        # the refiner's negative crop is none, and so is one beside negative sizes
        apart = self.scored if self.of_image else request.negative_original_size is not None
        own_crop = (0, 0) if apart else crop
        other_original = request.negative_original_size or original
        other_crop = request.negative_crops_coords_top_left or own_crop
        other_target = request.negative_target_size or target
        if self.scored:
            score, other = request.aesthetic_score, request.negative_aesthetic_score
            last = (AESTHETIC_SCORE if score is None else score,)
            other_last = (NEGATIVE_AESTHETIC_SCORE if other is None else other,)
        else:
            last, other_last = target, other_target
        return [*original, *crop, *last], [*other_original, *other_crop, *other_last]

    def _check_second_texts(self) -> None:
        """A second text is read beside a first one, which is not embeddings."""
        request, inputs = self.request, self.inputs
        for name, embeds in zip(
            ("prompt", "negative_prompt"),
            (inputs.prompt_embeds, inputs.negative_prompt_embeds),
            strict=True,
        ):
            second: Texts | None = getattr(request, f"{name}_2")
            if second is not None and embeds is not None:
                raise ArgumentError(
                    f"{{{name}_2}} and {{{name}_embeds}} were both given; the embeddings are of "
                    "both text encoders, so leave the text out"
                )
        for name in ("prompt_2", "negative_prompt_2"):
            if getattr(request, name) is not None and not self.engine.has_text_encoder:
                raise ArgumentError(
                    f"{{{name}}} is for the second of two text encoders, and this pipeline has one "
                    f"alone; give it as {{{name.removesuffix('_2')}}}"
                )
        second = request.negative_prompt_2
        if self._reads_negative and second is not None and any(self.are_zeros()):
            raise ArgumentError(
                "{negative_prompt_2} is read beside {negative_prompt} alone; give that too"
            )

    def _check_negative_sizes(self) -> None:
        """The reference lets them count together only, without a word."""
        request = self.request
        if self.of_image:
            return
        both = (request.negative_original_size, request.negative_target_size)
        if (both[0] is None) != (both[1] is None):
            raise ArgumentError(
                "{negative_original_size} and {negative_target_size} count together; give both"
            )
        if both[0] is None and any(request.negative_crops_coords_top_left or ()):
            raise ArgumentError(
                "{negative_crops_coords_top_left} counts beside {negative_original_size} and "
                "{negative_target_size}; give those too"
            )

    @property
    def _pooled_width(self) -> int | None:
        if self.engine.has_unet:
            config, values = self.engine.unet.config, 5 if self.scored else 6
            return config.added_conditioning_dim - values * config.added_time_dim
        return self.engine.pooled_width

    def _tokens(self) -> int:
        """How many tokens an encoded text has; raises RequestError where none can be encoded."""
        lacking = "" if self.engine.has_text_encoder_2 else "text_encoder_2"
        if self.tokenizer_2 is None:
            lacking = lacking or "tokenizer_2"
        elif self.engine.has_text_encoder and self.tokenizer is None:
            lacking = lacking or "tokenizer"
        if lacking or self.tokenizer_2 is None:
            raise ArgumentError(
                "this pipeline has no {0} and cannot encode texts; give {prompt_embeds} and "
                "{pooled_prompt_embeds}, and under guidance negative ones beside them",
                lacking,
            )
        self._check_width()
        return self.tokenizer_2.model_max_length

    def _check_width(self) -> None:
        wanted = self.engine.text_width
        given = sum(each.config.hidden_size for each in self.engine.encoders)
        if given != wanted:
            raise ArgumentError(
                "the text encoders give {0} numbers for each token, and the UNet takes {1}: they "
                "do not belong together, or one is missing",
                given,
                wanted,
            )


def _given(embeds: Tensor | None, pooled: Tensor | None) -> Conditioning | None:
    return None if embeds is None else Conditioning(embeds, pooled)


def _sized(prompts: Conditioning, sizes: Sequence[float]) -> Conditioning:
    rows = torch.tensor([sizes] * len(prompts), dtype=torch.float32, device=prompts.tokens.device)
    return replace(prompts, sizes=rows)


def _beside(rows: Tensor, tensor: Tensor) -> Tensor:
    """One value a row, in the shape that it can be put beside a tensor of such rows."""
    return rows.view(-1, *[1] * (tensor.ndim - 1))
