"""Where a pipeline's parts come from, and what models of its kind are drawn with."""

from abc import ABC
from typing import Any, ClassVar, cast

from kakusan.checkpoints.source import Source
from kakusan.models import Model, UNet2DConditionModel, within
from kakusan.pipeline.exchanged import NAMED
from kakusan.pipeline.few_steps import Usual, usual, usual_of_adapters
from kakusan.pipeline.outfits import Asked
from kakusan.pipeline.parts import Layout
from kakusan.schedulers import Scheduler
from kakusan.text import CLIPTokenizer


class Sourced(ABC):
    """What remembers where it was loaded from, part by part."""

    layout: ClassVar[Layout]
    unet: UNet2DConditionModel
    source: Source | None
    variant: str | None
    _scheduler: Scheduler[Any]
    _own_scheduler: Scheduler[Any] | None
    _loaded: dict[str, object]

    @property
    def name_or_path(self) -> str | None:
        """Where the pipeline was loaded from."""
        return None if self.source is None else self.source.name

    @property
    def named_parts(self) -> dict[str, str] | None:
        """Where exchanged parts come from, by name; None if one comes from nowhere with a name."""
        found: dict[str, str] = {}
        for part in self.layout.drawn_by:
            value = _without_learnt(within(getattr(self, part)))
            if self._loaded.get(part) is value:
                continue
            plain = part in NAMED and isinstance(value, Model) and value is getattr(self, part)
            name = value.name_or_path if plain else None
            # a request names one dtype, for all of them
            if name is None or value.stored_dtype != within(self.unet).stored_dtype:
                return None
            found[part] = name
        return found

    @property
    def own_source(self) -> Source | None:
        """Where the parts that decide a picture come from; None if one was exchanged.

        Those that a request can name do not count, see `named_parts`.
        """
        return None if self.named_parts is None else self.source

    @property
    def has_own_scheduler(self) -> bool:
        """Whether the scheduler is the one of the model's folder."""
        return self._scheduler is self._own_scheduler

    @property
    def usual(self) -> Usual | None:
        """What models of this kind are drawn with; None where that is as for any other."""
        unet = cast("object", within(self.unet))
        scheduler = cast("Scheduler[Any] | None", self._scheduler)
        if not isinstance(unet, UNet2DConditionModel) or scheduler is None:
            return None
        came_together = self._loaded.get("unet") is unet
        fits = came_together and self.source is not None and self.source.file is None
        return usual(
            unet.config,
            scheduler,
            name=self.name_or_path if came_together else unet.name_or_path,
            scheduler_fits=fits if self.has_own_scheduler else None,
        )

    def _usual_of(self, adapters: Asked) -> Usual | None:
        """What models are drawn with that have such adapters on; None as for any other."""
        unet = cast("object", within(self.unet))
        scheduler = cast("Scheduler[Any] | None", self._scheduler)
        if adapters.are_none or scheduler is None or not isinstance(unet, UNet2DConditionModel):
            return None
        return usual_of_adapters(
            adapters.names, unet.config, scheduler, chosen=not self.has_own_scheduler
        )


def _without_learnt(part: Any) -> Any:
    """A tokenizer as it was before it learnt words, which have files of their own."""
    return part.without_learnt if isinstance(part, CLIPTokenizer) else part
