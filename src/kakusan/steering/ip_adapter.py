"""Pictures that are attended to beside the text, through IP-Adapters (arXiv:2308.06721)."""

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor

from kakusan.checkpoints.own import called
from kakusan.engine import Engine
from kakusan.errors import ArgumentError
from kakusan.inputs import Inputs, ThroughAdapter, check_again
from kakusan.models import Conditioning, ImageProjection, ImageTokens
from kakusan.request import Request
from kakusan.request.image_prompts import ImagePrompt
from kakusan.runtime.device import send
from kakusan.sampling import Prompt, Steering
from kakusan.schedulers import Generators
from kakusan.steering.way import Call, Completed, Prepared, Way


class Seen(Steering):
    """Adds the tokens of pictures to all texts, and those of none to the negative one."""

    marks_pictures: ClassVar[bool] = True

    def __init__(self, tokens: "Tokens") -> None:
        self._tokens = tokens

    def condition(self, prompt: Prompt) -> Prompt:
        negative = prompt.negative
        if negative is not None:
            negative = _with(negative, self._tokens.unconditional)
        text = _with(prompt.text, self._tokens.conditional)
        beside = tuple(
            (weight, _with(each, self._tokens.conditional)) for weight, each in prompt.beside
        )
        return prompt._replace(text=text, negative=negative, beside=beside)


class AttendedPictures(Way):
    """Attends to the pictures that are handed in as `image_prompts`."""

    def complete(self, request: Request, inputs: Inputs, engine: Engine) -> Completed:
        del engine
        given = inputs.image_prompts
        asked = request.image_prompts or ()
        if not given and not asked:
            return Completed(request)
        if len(asked) not in (0, len(given)):
            raise ArgumentError(
                "the request has {image_prompts} for {0} IP-Adapters, and pictures for {1} were "
                "handed in",
                len(asked),
                len(given),
            )
        before = asked or [ImagePrompt()] * len(given)
        told = [_told(each, old) for each, old in zip(given, before, strict=True)]
        for each in given:
            _check_fits(each, request)
        return Completed(replace(request, image_prompts=tuple(told)))

    def prepare(self, call: Call) -> Prepared | None:
        given = call.inputs.image_prompts
        return _AllSeen(Tokens(call.engine, given)) if given else None


class Tokens:
    """The tokens of pictures through each adapter, computed when they are asked for, and once."""

    def __init__(self, engine: Engine, given: Sequence[ThroughAdapter]) -> None:
        self._engine, self._given = engine, given
        self._made: dict[bool, tuple[ImageTokens, ...]] = {}

    @property
    def conditional(self) -> tuple[ImageTokens, ...]:
        """Of the pictures, an entry for each adapter."""
        return self._of(unconditional=False)

    @property
    def unconditional(self) -> tuple[ImageTokens, ...]:
        """Of no picture."""
        return self._of(unconditional=True)

    def _of(self, *, unconditional: bool) -> tuple[ImageTokens, ...]:
        if unconditional not in self._made:
            self._made[unconditional] = tuple(
                self._through(each, unconditional=unconditional) for each in self._given
            )
        return self._made[unconditional]

    def _through(self, given: ThroughAdapter, *, unconditional: bool) -> ImageTokens:
        features = features_of(self._engine, given, unconditional=unconditional)
        features = send(features, self._engine.device)
        tokens = given.adapter.projection(features).flatten(0, 1)[None]  # all pictures at once
        return ImageTokens(tokens, given.adapter.layers, given.scale, given.blocks)


def features_of(engine: Engine, given: ThroughAdapter, *, unconditional: bool) -> Tensor:
    """What the picture encoder makes of pictures (n, width) or (n, tokens, width), float32.

    Unconditional features are zeros, or for those that are not pooled what the encoder makes of
    pictures of zeros.
    """
    pooled, features = given.adapter.projection.pooled, given.seen.features
    if features is not None and not (unconditional and len(features) == 1):
        return features[0 if unconditional else -1]
    if features is not None and pooled:
        return torch.zeros_like(features[0])
    assert given.encoder is not None
    if features is not None:
        side = given.encoder.config.image_size
        none = torch.zeros(1, 3, side, side, dtype=torch.float32, device="cpu")
        return engine.see(given.encoder, none, pooled=False).expand(features.shape[1], -1, -1)
    pixels = given.seen.prepared(given.extractor)
    if not unconditional:
        return engine.see(given.encoder, pixels, pooled=pooled)
    if pooled:
        width = given.encoder.config.projection_dim
        return torch.zeros(len(pixels), width, dtype=torch.float32, device="cpu")
    none = engine.see(given.encoder, torch.zeros_like(pixels[:1]), pooled=False)
    return none.expand(len(pixels), -1, -1)


class _AllSeen(Prepared):
    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    def steering(self, pictures: range, generator: Generators) -> Sequence[Steering]:
        del pictures, generator
        return [Seen(self._tokens)]


def _with(conditioning: Conditioning, tokens: tuple[ImageTokens, ...]) -> Conditioning:
    rows = tuple(each.for_rows(len(conditioning)) for each in tokens)
    return replace(conditioning, image_tokens=(*conditioning.image_tokens, *rows))


def _told(given: ThroughAdapter, asked: ImagePrompt) -> ImagePrompt:
    """What a record says of it."""
    path, pictures = given.adapter.path, given.seen.pictures
    encoder = None if given.encoder is None else given.encoder.name_or_path
    if asked.images is not None:
        check_again("image_prompts", asked.images, pictures)
    return asked._replace(
        model=asked.model or (None if path is None else called(path)),
        scale=given.scale,
        blocks=given.blocks,
        encoder=asked.encoder or (None if encoder is None else called(encoder)),
        images=asked.images or (None if pictures is None else pictures.files()),
    )


def _check_fits(given: ThroughAdapter, request: Request) -> None:
    """Refuse what the adapter cannot see through, before any network runs."""
    projection, features, encoder = given.adapter.projection, given.seen.features, given.encoder
    name = given.adapter.name
    if features is not None:
        axes = 3 if projection.pooled else 4
        if features.ndim != axes or features.shape[-1] != projection.features:
            shape = "(1 or 2, pictures, {0})" if axes == 3 else "(1 or 2, pictures, tokens, {0})"
            raise ArgumentError(
                f"{{ip_adapter_image_embeds}} for {{1}} must have the shape {shape}, not {{2}}",
                projection.features,
                name,
                tuple(features.shape),
            )
        guided = request.guidance_scale is None or request.guidance_scale > 1
        if projection.pooled or encoder is not None or len(features) == 2 or not guided:
            return
        raise ArgumentError(
            "{ip_adapter_image_embeds} for {0} needs a row in front of the other, of what is "
            "unconditional, or an image_encoder",
            name,
        )
    if encoder is None:
        raise ArgumentError(
            "there is no image encoder to see the picture with; give the one that {0} was made "
            "for: as {image_encoder}, or to a pipeline as pipe.image_encoder",
            name,
        )
    config = encoder.config
    width = config.projection_dim if projection.pooled else config.hidden_size
    if width != projection.features:
        raise ArgumentError(
            f"{{0}} is {projection.kind} for an image encoder that gives {projection.features} "
            f"numbers, and this one gives {width}; give {_encoder_for(projection)}",
            name,
        )
    pixels = given.seen.pixels
    side = config.image_size
    if pixels is not None and tuple(pixels.shape[-2:]) != (side, side):
        raise ArgumentError(
            "a tensor of {ip_adapter_image} must be {0}x{0} pixels, as CLIPImageProcessor gives "
            "them, not {1}x{2}; or give a picture of PIL's",
            side,
            pixels.shape[-1],
            pixels.shape[-2],
        )


def _encoder_for(projection: ImageProjection) -> str:
    known = {(1024, True): "H", (1280, False): "H", (1280, True): "bigG", (1664, False): "bigG"}
    found = known.get((projection.features, projection.pooled))
    return "the one that it was trained with" if found is None else f"OpenCLIP's ViT-{found}/14"
