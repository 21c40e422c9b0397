"""Whether a UNet or a VAE from elsewhere belongs to a model, told before weights are read."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kakusan.checkpoints.files import JSON
from kakusan.checkpoints.single_file.recognition import FAMILIES, REFINER_ADDED, TEXT_WIDTHS
from kakusan.errors import RequestError, shown, shown_path
from kakusan.models import (
    Autoencoder,
    AutoencoderKL,
    AutoencoderTiny,
    UNet2DConditionModel,
    UNetConfig,
    VAEConfig,
)

logger = logging.getLogger(__name__)


def check_vae(vae: Autoencoder[Any], configs: Mapping[str, Mapping[str, JSON] | None]) -> None:
    """Refuse a VAE that is another family's, before weights of the model are read.

    Args:
        configs: published ones of the model's own "unet" and "vae", None where they are not known.

    Raises:
        CheckpointError: A config is broken.
        RequestError: The latents are others than the UNet works on.
    """
    own_unet, own_vae, name = configs["unet"], configs["vae"], shown_path(vae.name_or_path)
    unet = None if own_unet is None else UNetConfig.from_published(own_unet)
    if unet is not None and unet.out_channels != vae.config.latent_channels:
        raise RequestError(
            f"the vae {name} has latents of {vae.config.latent_channels} channels, and this "
            f"model's UNet gives {unet.out_channels}; give one that belongs to it"
        )
    if own_vae is None or own_vae.get("_class_name") not in (None, "AutoencoderKL"):
        return
    own = VAEConfig.from_published(own_vae)
    pixels = 2 ** (len(own.block_out_channels) - 1)
    if vae.scale_factor != pixels:
        raise RequestError(
            f"the vae {name} has {vae.scale_factor} pixels a latent, and this model's own "
            f"{pixels}; give one that belongs to it"
        )
    statistics = (None, None)
    if isinstance(vae, AutoencoderKL):
        statistics = vae.config.latents_mean, vae.config.latents_std
    if statistics != (own.latents_mean, own.latents_std):
        raise RequestError(
            f"the vae {name} and this model's own have not the same latents_mean and "
            "latents_std, as Playground v2.5 has and SDXL has not; give one that belongs to it"
        )
    scale = vae.config.scaling_factor
    if not isinstance(vae, AutoencoderTiny) and abs(scale / own.scaling_factor - 1) > 1e-4:
        raise RequestError(
            f"the vae {name} has the scaling_factor {scale:g}, and this model's own "
            f"{own.scaling_factor:g}; it belongs to another family, or its file does not say: "
            f"AutoencoderKL.from_single_file takes scaling_factor={own.scaling_factor:g}, and on "
            "the command line its folder, whose config.json says it, can be named"
        )


def check_unet(
    unet: UNet2DConditionModel,
    text_widths: Sequence[int] | None,
    own_unet: Mapping[str, JSON] | None,
) -> None:
    """Refuse a UNet that is another family's, before weights of the model are read.

    Args:
        text_widths: of what each of the model's text encoders gives; None where not known.
        own_unet: the published config of the model's own UNet, None where it is not known.

    Raises:
        CheckpointError: A config is broken.
        RequestError: It attends to other texts than these give, or is told sizes and the model's
            own is not, or the other way round.
    """
    own = None if own_unet is None else UNetConfig.from_published(own_unet)
    name = "that is given" if unet.name_or_path is None else shown_path(unet.name_or_path)
    families = ""
    if own is not None and _family(own) != _family(unet.config):
        families = f"is of {_family(unet.config)}, and this model is {_family(own)}"
    wanted = unet.config.cross_attention_dim
    if text_widths and sum(text_widths) != wanted:
        raise RequestError(
            f"the unet {name} {families and f'{families}: it '}attends to texts of width {wanted}, "
            f"and this model's text encoders give {sum(text_widths)}; give one that belongs to it"
        )
    if own is not None and (own.added_time_dim > 0) != (unet.config.added_time_dim > 0):
        raise RequestError(f"the unet {name} {families}; give one that belongs to it")


def _family(unet: UNetConfig) -> str:
    """What people call the family of a UNet of a published size."""
    if unet.added_time_dim > 0:
        refines = unet.added_conditioning_dim == REFINER_ADDED
        return FAMILIES["sdxl-refiner" if refines else "sdxl"]
    known = TEXT_WIDTHS.get(unet.cross_attention_dim)
    return "Stable Diffusion 1 or 2" if known is None else FAMILIES[known]


def warn_of_family(vae: object, own_unet: Mapping[str, JSON] | None) -> None:
    """TAESD and TAESDXL differ in nothing but what their weights were taught, and their names."""
    if own_unet is None or not isinstance(vae, AutoencoderTiny) or vae.name_or_path is None:
        return
    unet = UNetConfig.from_published(own_unet)
    named = Path(vae.name_or_path).name.casefold()
    for_xl, is_xl = "taesdxl" in named, unet.added_time_dim > 0
    if "taesd" in named and for_xl != is_xl:
        logger.warning(
            "%s is called as the tiny autoencoder of %s, and this model is %s: colours will be "
            "wrong; take %s",
            shown(Path(vae.name_or_path).name),
            "SDXL" if for_xl else "Stable Diffusion 1 and 2",
            "SDXL" if is_xl else "not",
            "taesdxl" if is_xl else "taesd",
        )
