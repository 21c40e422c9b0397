"""What a pipeline draws with: its parts as a call finds them, and which model that is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from kakusan.checkpoints.source import Source
from kakusan.engine import Engine
from kakusan.errors import ArgumentError
from kakusan.inputs import POOLED, Inputs
from kakusan.models import CLIPImageProcessor
from kakusan.pipeline.checker import CheckerFunction
from kakusan.pipeline.few_steps import Usual, own_steps
from kakusan.pipeline.outfits import Asked
from kakusan.pipeline.prompts import ReadsTexts
from kakusan.request import DEFAULT_GUIDANCE, DEFAULT_STEPS, Request
from kakusan.request.tiled import UPSCALE_STRENGTH
from kakusan.runtime.device import parse_device
from kakusan.runtime.precision import parse_dtype
from kakusan.sampling import View
from kakusan.schedulers import Scheduler


@dataclass(frozen=True, kw_only=True)
class Family:
    """What is the same for all models of a family.

    Attributes:
        name: for people.
        guidance: how strong it is where neither the call nor the model's folder says it.
        takes: which settings of SDXL it can be told, see `kakusan.request.sizes`.
        pooled: whether pooled embeddings stand beside others.
        begins_at: what a picture begins at, which has to be given; empty for noise alone.
        measured: whether faster ways were measured, so that a quality budget can be kept.
    """

    name: str
    guidance: float = DEFAULT_GUIDANCE
    takes: frozenset[str] = frozenset()
    pooled: bool = False
    begins_at: str = ""
    measured: bool = True

    def check(self, request: Request, inputs: Inputs) -> None:
        """Raise RequestError for what these models cannot be told."""
        for name in set(request.only_sdxl()) - self.takes:
            # an empty negative prompt is encoded as any other wherever it does not stand for zeros
            if getattr(request, name) not in (None, False):
                raise ArgumentError(f"{{{name}}} is nothing for {{0}}; leave it out", self.name)
        for name in POOLED:
            if getattr(inputs, name) is not None and not self.pooled:
                raise ArgumentError(f"{{{name}}} are for SDXL, not for {{0}}", self.name)
        if self.begins_at and inputs.image is None:
            raise ArgumentError("{image} is missing: {0} begins at {1}", self.name, self.begins_at)
        if request.quality_budget is not None and not self.measured:
            raise ArgumentError(
                "what {quality_budget} would cost was not measured for {0}; leave it out, and take "
                "fewer steps",
                self.name,
            )


@dataclass(frozen=True)
class Model:
    """What a pipeline draws with, as it was when a call began.

    Attributes:
        prompts: makes those of a request as an engine's text encoders read them, with inputs, and
            with negative ones or without.
        adapters: those that the request asks for, and that the pipeline has on.
        settings: see `kakusan.pipeline.parts.Layout`.
        defaults: what the model's folder says is good for it.
        source: where its parts come from; None where that is not known.
        is_whole: whether none of them was exchanged since, but for those that are `named`.
        named: under the names of parts where they come from, if not from the model.
        checker: a function in the safety checker's place.
        usual: what models of its kind are drawn with; None where that is as for any other.
        scheduler_is_own: whether the scheduler is the one of the model's folder.
    """

    engine: Engine
    prompts: Callable[[Engine, Request, Inputs, bool], ReadsTexts]
    family: Family
    adapters: Asked
    settings: Mapping[str, bool]
    scheduler: Scheduler
    feature_extractor: CLIPImageProcessor | None
    view: View
    defaults: Mapping[str, Any]
    source: Source | None
    variant: str | None
    is_whole: bool
    scheduler_is_own: bool
    checker: CheckerFunction | None = None
    usual: Usual | None = None
    named: Mapping[str, str] = field(default_factory=dict[str, str])

    def steps(self, *, begun: bool) -> int:
        """How many the model's folder says are good for it, or its kind.

        Args:
            begun: whether a drawing begins at a picture, and so takes a part of them.
        """
        own = DEFAULT_STEPS if self.usual is None else self.usual.steps
        return own_steps(self.defaults, own, begun=begun)

    @property
    def guidance(self) -> float:
        """What the model's folder says is good for it, or its kind."""
        own = self.family.guidance if self.usual is None else self.usual.guidance
        return self.defaults.get("guidance_scale", own)

    @property
    def upscale_strength(self) -> float:
        """How much of tiles the model's folder says is good to draw anew, or what is usual."""
        return self.defaults.get("upscale_strength", UPSCALE_STRENGTH)

    def scheduler_of(self, request: Request) -> str | Mapping[str, Any] | None:
        """What a request asks for, or else what models of this kind need in place of their own."""
        own = None if self.usual is None else self.usual.scheduler
        return own if request.scheduler is None else request.scheduler

    def identity(self) -> dict[str, Any]:
        """Which model this is, as a request says it."""
        source = self.source if self.is_whole else None
        return {
            "model": None if source is None else source.name,
            "commit": None if source is None else source.commit,
            "variant": self.variant,
            "unet": self.named.get("unet"),
            "vae": self.named.get("vae"),
            "dtype": str(self.engine.unet.stored_dtype).removeprefix("torch."),
            "device": self.engine.device.type,
        }

    def check_is_asked(self, request: Request) -> None:
        """Raise RequestError where a request names another model than this."""
        identity = self.identity()
        asked = {name: getattr(request, name) for name in identity}
        if asked["dtype"] is not None:
            asked["dtype"] = str(parse_dtype(asked["dtype"])).removeprefix("torch.")
        if asked["device"] is not None:
            device = parse_device(asked["device"])
            own = self.engine.device
            asked["device"] = device.type
            # "cuda" is whichever it is, "cuda:1" that one
            if ":" in str(device) and device.type == own.type and device.index != (own.index or 0):
                asked["device"], identity["device"] = str(device), str(own)
        for name, value in identity.items():
            if asked[name] is not None and asked[name] != value:
                raise ArgumentError(
                    f"{{{name}}} is {{0!r}}, but this pipeline has {{1!r}}; load the model that "
                    "the request names, or leave that out",
                    asked[name],
                    value,
                )

    def completed(
        self, request: Request, chosen: Mapping[str, Any], scheduler: Scheduler, *, steps: int
    ) -> Request:
        """A request with nothing left open: what was chosen for it, and the model's own values.

        Args:
            steps: the model's own for it.

        Raises:
            RequestError: A size is not a multiple of the VAE's factor.
        """
        own = {
            "num_inference_steps": steps,
            "guidance_scale": self.guidance,
            "eta": scheduler.usual_eta,
            "emphasis": self.defaults.get("emphasis") if request.syntax == "webui" else None,
            **({} if self.usual is None else self.usual.open_settings(request, self.defaults)),
            **{name: value for name, value in self.settings.items() if name in self.family.takes},
            **chosen,
        }
        size = None if self.usual is None else self.usual.open_size(request)
        missing = {name: value for name, value in own.items() if getattr(request, name) is None}
        if "force_zeros_for_empty_prompt" not in self.family.takes:
            missing["force_zeros_for_empty_prompt"] = None
        return replace(
            request,
            **missing,
            **self.engine.full_size(request.height or size, request.width or size),
            **self.identity(),
            **({} if self.adapters.are_none else self.adapters.recorded),
            scheduler=scheduler.config.to_published(),
            safety_checker=self.engine.safety_checker is not None,
        )
