"""What is asked for, checked once, before any work. Imports no torch, so a bad request is quick."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self

from kakusan.checkpoints.single_file.prediction import KINDS
from kakusan.errors import ArgumentError, RequestError, check_no_unknown, shown
from kakusan.request import checks
from kakusan.request.checks import MAX_STEPS
from kakusan.request.controls import ControlledRequest
from kakusan.request.embedded import EmbeddedRequest
from kakusan.request.freeu import FreeURequest
from kakusan.request.image_prompts import ImagePromptedRequest
from kakusan.request.loras import AdaptedRequest
from kakusan.request.masks import MaskedRequest
from kakusan.request.pixels import PixelRequest
from kakusan.request.randomness import SEEDS, RandomRequest
from kakusan.request.second_pass import EnlargedRequest
from kakusan.request.sizes import SizedRequest
from kakusan.request.steered import SteeredRequest
from kakusan.request.syntaxes import SyntaxRequest
from kakusan.request.tiled import TiledRequest

MAX_PICTURES = 1000
MAX_SKIPPED = 64  # layers of a text encoder
MAX_GUIDANCE = 1000.0
MAX_PSNR = 100.0
MAX_REUSE = 100

DEFAULT_STEPS = 50
DEFAULT_GUIDANCE = 7.5


@dataclass(frozen=True, kw_only=True)
class Request(
    SizedRequest,
    RandomRequest,
    SyntaxRequest,
    EmbeddedRequest,
    AdaptedRequest,
    PixelRequest,
    SteeredRequest,
    MaskedRequest,
    ControlledRequest,
    EnlargedRequest,
    ImagePromptedRequest,
    FreeURequest,
    TiledRequest,
):
    """Everything that decides what is drawn, as plain JSON: what is stored beside each picture.

    Tensors and generators that a call is given travel beside it, in `kakusan.inputs.Inputs`.

    `prompt` and `negative_prompt` hold one entry a prompt; an entry is None where the text was
    given as embeddings. A `height`, `width`, `num_inference_steps` or `guidance_scale` of None is
    the model's own, an `eta` of None the scheduler's: 0.3 for TCD, else 0. Picture i (counted over
    all prompts and their repeats) is drawn from the seed `seed + i`, each from 0 to 2**64 - 1; a
    `seed` of None means that the noise came from elsewhere. `quality_budget` is the least likeness
    to the exact picture, as a PSNR in dB, that a faster run may have: it chooses scheduler, steps
    and interval together (see `kakusan.quality`); None is exact. Every `reuse_interval`-th call
    computes the whole UNet, those between reuse most of it (see `kakusan.sampling.Reused`); 1 and
    None are exact.

    `model` is "builtin", a folder or a Hub id, `commit` and `variant` which of its versions; `unet`
    and `vae` are a folder, a file or a Hub id, in place of the model's own of these parts.
    `prediction_type` is what the UNet of a single file predicts, in place of what the file tells.
    `scheduler` is a name or a published config; `dtype` is how weights are stored and `device`
    where to compute. Of these, None leaves it to the pipeline that draws. `safety_checker` says
    whether the model's own may look at the pictures. By whose rules noise is drawn, if not by
    kakusan's own, is told in `RandomRequest`, and which pictures they begin at in
    `SteeredRequest`.

    Raises:
        RequestError: Any field is out of its range or contradicts another.
    """

    prompt: tuple[str | None, ...]
    negative_prompt: tuple[str | None, ...] = ("",)
    height: int | None = None
    width: int | None = None
    num_inference_steps: int | None = None
    timesteps: tuple[int, ...] | None = None
    sigmas: tuple[float, ...] | None = None
    guidance_scale: float | None = None
    guidance_rescale: float = 0.0
    num_images_per_prompt: int = 1
    eta: float | None = None
    seed: int | None = None
    clip_skip: int | None = None
    quality_budget: float | None = None
    reuse_interval: int | None = None
    model: str | None = None
    commit: str | None = None
    variant: str | None = None
    unet: str | None = None
    vae: str | None = None
    prediction_type: str | None = None
    scheduler: str | Mapping[str, Any] | None = None
    dtype: str | None = None
    device: str | None = None
    safety_checker: bool = True

    def __post_init__(self) -> None:
        self._set(prompt=checks.texts("prompt", self.prompt))
        self._set(negative_prompt=self._negatives())
        for name in ("height", "width"):
            self._set(**{name: checks.size(name, getattr(self, name))})
        self._set(**self._schedule())
        self._set(
            guidance_scale=checks.number("guidance_scale", self.guidance_scale, 0.0, MAX_GUIDANCE),
            guidance_rescale=checks.number("guidance_rescale", self.guidance_rescale, 0.0, 1.0),
            eta=checks.number("eta", self.eta, 0.0, 1.0),
            num_images_per_prompt=checks.integer(
                "num_images_per_prompt", self.num_images_per_prompt, 1, MAX_PICTURES
            ),
            seed=checks.integer("seed", self.seed, 0, SEEDS - 1),
            clip_skip=checks.integer("clip_skip", self.clip_skip, 0, MAX_SKIPPED),
            quality_budget=checks.number("quality_budget", self.quality_budget, 0.0, MAX_PSNR),
            reuse_interval=checks.integer("reuse_interval", self.reuse_interval, 1, MAX_REUSE),
        )
        for name in ("guidance_rescale", "num_images_per_prompt"):
            if getattr(self, name) is None:
                raise ArgumentError(f"{{{name}}} must be a number, not None; leave it out")
        for name in ("model", "commit", "variant", "unet", "vae", "dtype", "device"):
            if not isinstance(getattr(self, name), str | None):
                raise ArgumentError(
                    f"{{{name}}} must be a text, not {{0}}", shown(getattr(self, name))
                )
        if self.prediction_type not in (None, *KINDS):
            raise ArgumentError(
                "{prediction_type} must be one of {0}, not {1}",
                ", ".join(KINDS),
                shown(self.prediction_type),
            )
        if not isinstance(self.safety_checker, bool):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ArgumentError(
                "{safety_checker} must be true or false, not {0}", shown(self.safety_checker)
            )
        self._set(scheduler=checks.scheduler(self.scheduler))
        self._set(**self.checked_sizes(len(self.prompt)), **self.checked_syntax(len(self.prompt)))
        self._set(**self.checked_noise(self.seed), **self.checked_loras())
        self._set(embeddings=self.checked_embeddings(), **self.checked_pixels())
        self._set(**self.checked_steering(), **self.checked_masks())
        self._set(controls=self.checked_controls())
        self._set(second_pass=self.checked_second_pass(len(self.prompt)))
        self._set(image_prompts=self.checked_image_prompts(), freeu=self.checked_freeu())
        whole = ("second_pass", "resize_mode", "seed_resize", "controls", *self.only_masks())
        others = {name: getattr(self, name) for name in whole}
        self._set(upscale=self.checked_upscale(self.num_pictures, others))
        self._check_budget()
        if self.num_pictures > MAX_PICTURES:
            raise RequestError(
                f"{self.num_pictures} pictures at once are too many; the limit is {MAX_PICTURES}"
            )

    def _set(self, **values: Any) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def _negatives(self) -> tuple[str | None, ...]:
        texts = checks.texts("negative_prompt", self.negative_prompt)
        if len(texts) == 1:
            return texts * len(self.prompt)
        if len(texts) != len(self.prompt):
            raise ArgumentError(
                "{negative_prompt} has {0} texts but {prompt} has {1}; give one for all prompts, "
                "or as many as prompts",
                len(texts),
                len(self.prompt),
            )
        return texts

    def _schedule(self) -> dict[str, Any]:
        if self.timesteps is not None and self.sigmas is not None:
            raise ArgumentError("{timesteps} and {sigmas} were both given; give only one of them")
        timesteps = checks.numbers("timesteps", self.timesteps, whole=True)
        sigmas = checks.numbers("sigmas", self.sigmas, whole=False)
        steps = checks.integer("num_inference_steps", self.num_inference_steps, 1, MAX_STEPS)
        for name, given in (("timesteps", timesteps), ("sigmas", sigmas)):
            if given is None:
                continue
            # the last sigma is where the last step ends
            own = len(given) - (name == "sigmas")
            if steps not in (None, own):
                raise ArgumentError(
                    f"{{num_inference_steps}} is {steps}, but {{{name}}} make {own} steps; leave "
                    "{num_inference_steps} out"
                )
            steps = own
        return {"timesteps": timesteps, "sigmas": sigmas, "num_inference_steps": steps}

    def _check_budget(self) -> None:
        """A quality budget decides all that it decides, or it has been decided, as in a record."""
        chosen = ("scheduler", "num_inference_steps", "reuse_interval")
        named = [name for name in chosen if getattr(self, name) is not None]
        if self.quality_budget is None or len(named) == len(chosen):
            return
        named = [
            name for name in ("timesteps", "sigmas") if getattr(self, name) is not None
        ] or named
        if named:
            raise ArgumentError(
                f"{{quality_budget}} chooses {{{named[0]}}} itself, together with all that decides "
                f"how long a picture takes; leave {{quality_budget}} or {{{named[0]}}} out"
            )
        if self.second_pass is not None:
            raise ArgumentError(
                "what {quality_budget} would cost was not measured for two passes; leave it or "
                "{second_pass} out"
            )
        if self.eta:
            raise ArgumentError(
                "{quality_budget} has no faster way to a picture that {eta} adds noise to; leave "
                "one of them out"
            )

    @property
    def budget_is_open(self) -> bool:
        """Whether a quality budget has yet to choose scheduler, steps and interval."""
        return self.quality_budget is not None and self.reuse_interval is None

    @property
    def num_pictures(self) -> int:
        return len(self.prompt) * self.num_images_per_prompt

    def seed_of(self, index: int) -> int | None:
        """The seed of picture `index`; seeds wrap around, at 2**64 but in some tools' rules."""
        return None if self.seed is None else self.counted(self.seed, index)

    def picture(self, index: int) -> Self:
        """The request that draws picture `index` alone."""
        prompt = index // self.num_images_per_prompt
        first, second = self.prompt_2, self.negative_prompt_2
        return replace(
            self,
            prompt=(self.prompt[prompt],),
            negative_prompt=(self.negative_prompt[prompt],),
            prompt_2=None if first is None else (first[prompt],),
            negative_prompt_2=None if second is None else (second[prompt],),
            num_images_per_prompt=1,
            seed=self.seed_of(index),
            **self.template_of(prompt),
            **self.noise_of(index),
            **self.steering_of(index),
            **self.masks_of(index),
            **self.controls_of(index, self.num_images_per_prompt, self.num_pictures),
            second_pass=None if self.second_pass is None else self.second_pass.of_prompt(prompt),
        )

    def to_record(self) -> dict[str, Any]:
        """A plain mapping, as stored beside a picture: of one picture the texts themselves."""
        apart = (
            *(*self.only_sdxl(), *self.only_syntaxes(), "unet", "vae", "prediction_type"),
            *(*self.only_noise(), "embeddings", *self.only_pixels(), "second_pass", "upscale"),
        )
        left = {*apart, *self.only_adapted(), *self.only_steered(), *self.only_masks()}
        left |= {"controls", "image_prompts", "freeu"}
        names = [field.name for field in fields(self) if field.name not in left]
        names += [name for name in apart if getattr(self, name) is not None]
        record = {name: getattr(self, name) for name in names} | self.adapted_record()
        record |= self.steered_record() | self.masks_record()
        if self.controls is not None:
            record["controls"] = [each.to_record() for each in self.controls]
        if self.image_prompts is not None:
            record["image_prompts"] = [each.to_record() for each in self.image_prompts]
        if self.freeu is not None:
            record["freeu"] = self.freeu._asdict()
        if self.embeddings is not None:
            record["embeddings"] = [dict(each) for each in self.embeddings]
        if self.second_pass is not None:
            record["second_pass"] = self.second_pass.to_record()
        if self.upscale is not None:
            record["upscale"] = self.upscale.to_record()
        if len(self.prompt) == 1:
            for name in ("prompt", "negative_prompt", "prompt_2", "negative_prompt_2"):
                if record.get(name) is not None:
                    (record[name],) = record[name]
        if self.num_images_per_prompt == 1:
            del record["num_images_per_prompt"]
        return record

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Read back what `to_record` gave; keys of a record that are not a request's are left.

        Raises:
            RequestError: A value is out of its range.
        """
        if not isinstance(record, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise RequestError(f"a record is a mapping, not {shown(record)}")
        known = {field.name for field in fields(cls)}
        values = {n: value for n, value in record.items() if n in known and value is not None}
        for name, default in (("prompt", None), ("negative_prompt", "")):
            text = record.get(name, default)
            values[name] = (text,) if text is None else text
        return cls(**values)

    @classmethod
    def of(cls, prompt: str | Sequence[str | None], **settings: Any) -> Self:
        """A request from what users pass: one text or several, None for a default.

        Raises:
            UnknownArgumentError: There is no setting of such a name.
            RequestError: A value is out of its range.
        """
        known = {field.name for field in fields(cls)}
        check_no_unknown("a request", (name for name in settings if name not in known), known)
        given = {name: value for name, value in settings.items() if value is not None}
        return cls(prompt=checks.texts("prompt", prompt), **given)


def reproducible(record: Mapping[str, Any]) -> Request:
    """The request that makes the one picture of a record again, whoever wrote the record.

    Raises:
        RequestError: The record does not tell enough, or what it tells is out of its range.
    """
    request = Request.from_record(record)
    if request.num_pictures != 1:
        raise RequestError(f"the record is of {request.num_pictures} pictures, not of one")
    for key, value in (("seed", request.seed), ("prompt", request.prompt[0])):
        if value is None:
            raise RequestError(
                f"the record has no {key} (something was handed in in its place), so this picture "
                "cannot be made again"
            )
    guidance = DEFAULT_GUIDANCE if request.guidance_scale is None else request.guidance_scale
    if request.negative_prompt[0] is None and guidance > 1:
        raise RequestError(
            "the negative prompt was given as embeddings, which the record does not hold, "
            "so this picture cannot be made again"
        )
    if request.model is None:
        raise ArgumentError("the record names no model; say which with {model}")
    return replace(request, dtype="float32" if request.dtype is None else request.dtype)
