"""Lists of what is here, as ComfyUI's folders have them."""

from collections.abc import Collection, Mapping, Sequence

from kakusan.errors import InputError
from kakusan.server.dialects.comfyui import nodes
from kakusan.server.dialects.comfyui.choices import Choices
from kakusan.server.worker.catalog import Catalog
from kakusan.server.worker.entries import Kind

# ComfyUI's folders: the kind of what is in them here, None for what has no counterpart
FOLDERS: Mapping[str, Kind | None] = {
    "checkpoints": "model",
    "loras": "lora",
    "vae": "vae",
    "embeddings": "embedding",
    **dict.fromkeys(
        (  # whose nodes are not served
            *(
                "controlnet",
                "upscale_models",
                "configs",
                "clip",
                "text_encoders",
                "unet",
                "diffusion_models",
                "clip_vision",
            ),
            *("style_models", "diffusers", "vae_approx", "gligen", "hypernetworks"),
            *("photomaker", "classifiers"),
        )
    ),
}
_KINDS: Mapping[str, Kind] = {nodes.CHECKPOINTS: "model", nodes.LORAS: "lora", nodes.VAES: "vae"}


def names_of(catalog: Catalog, kind: Kind | None) -> list[str]:
    """Everything of one kind; nothing of None."""
    return [] if kind is None else [each.name for each in catalog.of_kind(kind)]


def choices_of(catalog: Catalog, listed: Sequence[str], sent: Collection[str]) -> Choices:
    """What graphs of one caller choose of.

    Args:
        listed: the names of its pictures.
        sent: the names that mean one.
    """
    lists = {name: names_of(catalog, kind) for name, kind in _KINDS.items()}

    def knows(kind: str, name: str) -> bool:
        if kind == nodes.IMAGES:
            return name in sent
        try:
            catalog.find(_KINDS[kind], name)
        except (KeyError, InputError):
            return False
        return True

    return Choices({**lists, nodes.IMAGES: listed}, knows)


def family_of(catalog: Catalog, model: str | None) -> str | None:
    """A model's family, as `kakusan.checkpoints.facts` calls it; None is not known.

    Raises:
        UnknownNameError: There is no such model.
    """
    if model is None:
        return None
    family = catalog.find("model", model).family
    known = {"v1": "Stable Diffusion 1", "v2": "Stable Diffusion 2", "xl": "SDXL", "sdxl": "SDXL"}
    return None if family is None else known.get(family, family)
