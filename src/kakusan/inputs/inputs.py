"""Everything of it together: `Inputs`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from kakusan.errors import ArgumentError
from kakusan.inputs.controls import ControlInput
from kakusan.inputs.image_prompts import SeenPictures, ThroughAdapter
from kakusan.inputs.masks import Masks
from kakusan.inputs.pictures import Given
from kakusan.inputs.tensors import check_shape, check_tensor
from kakusan.request import Request
from kakusan.schedulers import Generators
from kakusan.schedulers.noise import LOW

EMBEDS = ("prompt_embeds", "negative_prompt_embeds")
# What stands beside each of them with SDXL
POOLED = ("pooled_prompt_embeds", "negative_pooled_prompt_embeds")


@dataclass(frozen=True, kw_only=True, eq=False)
class Inputs:
    """Ready-made inputs of a call; None where kakusan makes them.

    `prompt_embeds` and `negative_prompt_embeds` are (prompts, n, d), those that are pooled
    (prompts, d') and beside them, `latents` (pictures, c, h, w) and not yet multiplied by
    `init_noise_sigma`. `image` is what pictures begin at, as `given_pictures` makes it of what a
    caller has: one for each picture, or fewer of which each is for as many. `mask` says, as
    `given_masks` makes it, what of them is drawn anew, and `masked_image_latents`
    (pictures, c, h, w) what models that repaint see beside it. `controls` are the
    networks that steer, in the request's order. `seen` are the pictures that are attended to, an
    entry for each IP-Adapter; `image_prompts` are the same with the adapters, which a pipeline
    finds.

    Raises:
        RequestError: Not a generator, not a tensor, or a tensor with NaN or infinity.
    """

    generator: Generators = None
    latents: Tensor | None = None
    prompt_embeds: Tensor | None = None
    negative_prompt_embeds: Tensor | None = None
    pooled_prompt_embeds: Tensor | None = None
    negative_pooled_prompt_embeds: Tensor | None = None
    image: Given | None = None
    mask: Masks | None = None
    masked_image_latents: Tensor | None = None
    controls: tuple[ControlInput, ...] = ()
    seen: tuple[SeenPictures, ...] = ()
    image_prompts: tuple[ThroughAdapter, ...] = ()

    def __post_init__(self) -> None:
        check_tensor("latents", self.latents)
        check_tensor("masked_image_latents", self.masked_image_latents)
        for names, axes in ((EMBEDS, "(prompts, tokens, width)"), (POOLED, "(prompts, width)")):
            for name in names:
                embeds: Tensor | None = getattr(self, name)
                check_tensor(name, embeds)
                if embeds is not None and embeds.ndim != axes.count(",") + 1:
                    raise ArgumentError(
                        f"{{{name}}} must have the shape {axes}, not {{0}}", tuple(embeds.shape)
                    )
        generator = self.generator
        each = generator if isinstance(generator, Sequence) else [generator]
        if generator is not None and not all(isinstance(g, torch.Generator) for g in each):
            raise ArgumentError("{generator} must be a torch.Generator or a list of them")

    def check_against(self, request: Request, latents: Sequence[int]) -> None:
        """Check generators and latents, before any network runs.

        Args:
            latents: The shape of the latents of all pictures.

        Raises:
            RequestError: Something does not fit the request or the model.
        """
        if request.seed is not None and self.generator is not None:
            raise ArgumentError("{seed} and {generator} were both given; give only one of them")
        if isinstance(self.generator, Sequence) and len(self.generator) != latents[0]:
            raise ArgumentError(
                f"the {{generator}} list has {len(self.generator)} entries but {latents[0]} "
                "pictures are drawn; give one generator, or one for each picture"
            )
        if self.latents is not None:
            check_shape("latents", self.latents, latents)
        for name, kind in (("image", "pictures"), ("mask", "masks")):
            given: Given | Masks | None = getattr(self, name)
            if given is not None and latents[0] % len(given):
                raise ArgumentError(
                    f"{{{name}}} is {{0}} {kind}, and {{1}} are drawn; give one, one for each, or "
                    "so many that each is for as many",
                    len(given),
                    latents[0],
                )
        if self.image is not None and self.image.latents is not None:
            check_shape("image", self.image.latents, (len(self.image), *latents[1:]))
        if (masked := self.masked_image_latents) is not None:
            if latents[0] % len(masked):
                raise ArgumentError(
                    "{masked_image_latents} has {0} rows, and {1} pictures are drawn; give one, or "
                    "one for each",
                    len(masked),
                    latents[0],
                )
            check_shape("masked_image_latents", masked, (len(masked), *latents[1:]))

    def check_embeds(self, request: Request, width: int | None) -> None:
        """Check counts and shapes of embeddings, before any network runs.

        Args:
            width: The last dimension of text embeddings; None where no network says it.

        Raises:
            RequestError: Something does not fit the request or the model.
        """
        self._check_texts("prompt", request.prompt, self.prompt_embeds)
        self._check_texts("negative_prompt", request.negative_prompt, self.negative_prompt_embeds)
        for name in EMBEDS:
            embeds: Tensor | None = getattr(self, name)
            if embeds is not None:
                check_shape(
                    name, embeds, (len(request.prompt), embeds.shape[1], width or embeds.shape[2])
                )
        both = self.prompt_embeds, self.negative_prompt_embeds
        if both[0] is not None and both[1] is not None:
            check_shape("negative_prompt_embeds", both[1], both[0].shape)

    def check_pooled(self, request: Request, width: int | None) -> None:
        """Check that embeddings and pooled ones are there together, and how many and wide they are.

        Args:
            width: The last dimension of pooled embeddings; None where no network says it.

        Raises:
            RequestError: Something does not fit the request or the model.
        """
        for name, beside in zip(POOLED, EMBEDS, strict=True):
            pooled: Tensor | None = getattr(self, name)
            if (pooled is None) != (getattr(self, beside) is None):
                given, lacking = (beside, name) if pooled is None else (name, beside)
                raise ArgumentError(f"{{{given}}} need {{{lacking}}} beside them; give both")
            if pooled is not None:
                check_shape(name, pooled, (len(request.prompt), width or pooled.shape[1]))

    def _check_texts(self, name: str, texts: Sequence[str | None], embeds: Tensor | None) -> None:
        """Each text is given, or stands for a row of embeddings."""
        given = [text is not None for text in texts]
        if embeds is None and not all(given):
            raise ArgumentError(f"{{{name}}} has no text, and {{{name}_embeds}} is not given")
        if embeds is not None and any(given):
            raise ArgumentError(
                f"{{{name}}} and {{{name}_embeds}} were both given; give exactly one of them"
            )

    def known_seeds(self) -> list[int | None]:
        """The seed of each generator that nothing was drawn from yet; None for others."""
        if isinstance(self.generator, torch.Generator):
            return [_fresh_seed(self.generator)]
        given = self.generator if isinstance(self.generator, Sequence) else ()
        return [_fresh_seed(generator) for generator in given]


def _fresh_seed(generator: torch.Generator) -> int | None:
    if generator.device.type != "cpu":
        return None
    seed = generator.initial_seed()
    fresh = torch.Generator("cpu").manual_seed(seed).get_state()
    return seed & LOW if torch.equal(fresh, generator.get_state()) else None
