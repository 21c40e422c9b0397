"""The arguments of loading a pipeline, checked before anything is looked for."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import torch

from kakusan.checkpoints.arguments import (
    PIPELINE_LOADING,
    Published,
    check_published,
    token_of,
)
from kakusan.checkpoints.source import PathLike, Source, locate
from kakusan.errors import RequestError, check_no_unknown, shown
from kakusan.pipeline.container import Container, WeightsOptions, check_scores, load_parts
from kakusan.pipeline.parts import LAYOUTS, PARTS, STABLE_DIFFUSION_XL_REFINER, Layout, as_one
from kakusan.runtime.device import mapped_device
from kakusan.runtime.precision import asked_dtype

ARGUMENTS = (
    *("torch_dtype", "dtype", "revision", "variant", "token", "cache_dir", "local_files_only"),
    *("force_download", "use_safetensors", "device_map", "prediction_type"),
)
# What the reference's `to`, its constructor and its `from_pipe` take besides
MOVING = {"silence_dtype_warnings": Published()}
CONSTRUCTION = {
    "controlnet": Published(
        (None,), "StableDiffusionControlNetPipeline draws with one; leave it out"
    ),
    "requires_safety_checker": Published(),
    "add_watermarker": Published((None, False), "pictures get no watermark; leave it out"),
}
# What the reference's constructors take besides parts, and here too
SETTINGS = frozenset(
    name for layout in (*LAYOUTS, STABLE_DIFFUSION_XL_REFINER) for name in layout.settings
)

Dtype = torch.dtype | str | None


@dataclass(frozen=True, kw_only=True)
class Loading:
    """How a pipeline is loaded.

    Attributes:
        parts: ready ones by name, None for those to go without.
        settings: see `Layout.settings`; the others are the model's own.
        device: where the networks go; None leaves them in the CPU's memory.
        prediction_type: of a single file, in place of what it tells.
    """

    parts: Mapping[str, Any]
    settings: Mapping[str, bool]
    weights: WeightsOptions
    device: torch.device | None
    revision: str | None
    token: str | bool | None
    cache_dir: PathLike | None
    local_files_only: bool
    force_download: bool
    prediction_type: str | None = None

    @classmethod
    def of(
        cls,
        where: str,
        *,
        torch_dtype: Dtype | Mapping[str, Dtype] = None,
        dtype: Dtype | Mapping[str, Dtype] = None,
        revision: str | None = None,
        variant: str | None = None,
        token: str | bool | None = None,
        cache_dir: PathLike | None = None,
        local_files_only: bool = False,
        force_download: bool = False,
        use_safetensors: bool | None = None,
        device_map: object = None,
        prediction_type: str | None = None,
        **rest: Any,
    ) -> Self:
        """What a `from_pretrained` was given.

        Args:
            where: the call, for messages.
            rest: parts by name, and what the reference takes and changes nothing here.

        Raises:
            UnknownArgumentError: An argument that does not exist.
            RequestError: A value that cannot be honoured.
        """
        names = [name for name in PARTS if name in rest]
        parts = {name: as_one(name, rest.pop(name)) for name in names}
        settings = {name: rest.pop(name) for name in SETTINGS if name in rest}
        known = (*PARTS, *SETTINGS, *ARGUMENTS)
        check_published(where, rest, {**PIPELINE_LOADING, **CONSTRUCTION}, known)
        if "safety_checker" in parts and parts["safety_checker"] is None:
            parts.setdefault("feature_extractor", None)
        return cls(
            parts=parts,
            settings=settings,
            weights=WeightsOptions(_dtypes(torch_dtype, dtype), variant, use_safetensors),
            device=mapped_device(device_map),
            revision=revision,
            token=token_of(token, rest),
            cache_dir=cache_dir,
            local_files_only=local_files_only,
            force_download=force_download,
            prediction_type=prediction_type,
        )

    def locate(self, name: PathLike) -> Source:
        """Where the model is, fetched if need be.

        Raises:
            CheckpointError: It is nowhere, or has no such variant.
        """
        return locate(
            name,
            revision=self.revision,
            variant=self.weights.variant,
            token=self.token,
            cache_dir=self.cache_dir,
            local_files_only=self.local_files_only,
            force_download=self.force_download,
            use_safetensors=self.weights.use_safetensors,
            without=self.parts,
            files=True,
        )

    def stored_in(self, dtype: torch.dtype) -> Self:
        """The same with all weights stored in one dtype."""
        return replace(self, weights=replace(self.weights, dtypes={"default": dtype}))

    def with_parts(self, parts: Mapping[str, Any]) -> Self:
        """The same with more parts that are not taken from the model's folder."""
        return replace(self, parts={**self.parts, **parts})

    def read(self, container: Container, layout: Layout) -> dict[str, Any]:
        """All parts of a pipeline, and its settings.

        Raises:
            CheckpointError: A file is missing, broken, or not what it claims to be.
            RequestError: A part or setting was given that such pipelines do not have.
        """
        for part, value in self.parts.items():
            if value is not None and part not in layout.parts:
                raise RequestError(
                    f"{part} was given, but {container} holds {layout.model}, which has no such "
                    "part; leave it out"
                )
        settings = {**container.settings(layout), **self.settings}
        check_settings(layout, settings)
        check_scores(container, self.parts, layout, settings)
        return {
            **load_parts(container, layout, self.parts, settings, self.weights),
            **settings,
        }


def check_settings(layout: Layout, settings: Mapping[str, object]) -> None:
    """Raise RequestError for what such pipelines do not have, or what is not true or false."""
    unknown = [name for name in settings if name not in layout.settings]
    check_no_unknown(layout.class_name, unknown, layout.settings)
    for name, value in settings.items():
        if not isinstance(value, bool):
            raise RequestError(f"{name} must be True or False, not {shown(value)}")


def _dtypes(
    torch_dtype: Dtype | Mapping[str, Dtype], dtype: Dtype | Mapping[str, Dtype]
) -> dict[str, torch.dtype | None]:
    """By part; both names may have a mapping of parts, with "default" for the others."""
    older, newer = _by_part(torch_dtype), _by_part(dtype)
    if unknown := [name for name in {**older, **newer} if name not in {*PARTS, "default"}]:
        raise RequestError(
            f"dtype names the part {shown(unknown[0])}; known: default, {', '.join(PARTS)}"
        )
    names = {*older, *newer, "default"}
    return {
        name: asked_dtype(
            older.get(name, older.get("default")), newer.get(name, newer.get("default"))
        )
        for name in names
    }


def _by_part(given: Dtype | Mapping[str, Dtype]) -> Mapping[str, Dtype]:
    return given if isinstance(given, Mapping) else {"default": given}
