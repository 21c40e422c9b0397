"""Parts that a request names in place of the model's own: another UNet, another VAE."""

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from kakusan.checkpoints.files import JSON, read_json
from kakusan.checkpoints.single_file.loading import checkpoint_of
from kakusan.checkpoints.single_file.opening import open_tensor_file
from kakusan.checkpoints.single_file.recognition import FAMILIES, TEXT_WIDTHS
from kakusan.checkpoints.source import locate
from kakusan.errors import CheckpointError, RequestError, shown
from kakusan.models import (
    Autoencoder,
    AutoencoderKL,
    AutoencoderTiny,
    Model,
    UNet2DConditionModel,
    UNetConfig,
    VAEConfig,
    is_tiny,
)
from kakusan.pipeline.parts import PARTS

# Those that a request may name
NAMED = ("unet", "vae")
INDEX, CONFIG = "model_index.json", "config.json"
logger = logging.getLogger(__name__)


def named_parts(
    names: Mapping[str, str | None],
    dtype: torch.dtype,
    *,
    own_vae: Callable[[], Mapping[str, JSON] | None],
    local_files_only: bool = False,
) -> dict[str, Model[Any]]:
    """The parts that a request names; none for a name of None.

    Args:
        dtype: how their weights are stored.
        own_vae: gives the published config of the model's own VAE, None where it is not known. The
            file of another one does not tell what its latents are scaled by.
        local_files_only: Do not ask the hub.

    Raises:
        CheckpointError: A file is missing, broken, or not what it stands for.
    """
    found: dict[str, Model[Any]] = {}
    for part, name in names.items():
        if name is None:
            continue
        source = locate(name, local_files_only=local_files_only, files=True)
        if source.file is None:
            folder = source.folder / part if (source.folder / INDEX).is_file() else source.folder
            made = class_of(part, folder).from_folder(folder, dtype)
        else:
            made = _from_file(part, source.file, dtype, own_vae)
        made.name_or_path = name
        if isinstance(made, AutoencoderTiny):
            made.check_decodes()
        found[part] = made
    return found


def _from_file(
    part: str, file: Path, dtype: torch.dtype, own_vae: Callable[[], Mapping[str, JSON] | None]
) -> Model[Any]:
    if part == "unet":
        return UNet2DConditionModel.from_single_file(file, torch_dtype=dtype)
    if is_tiny(open_tensor_file(file).entries):
        return AutoencoderTiny.from_file(file, dtype)
    own = own_vae() if checkpoint_of(file, {}).family is None else None  # a whole model's is known
    if own is None:
        return AutoencoderKL.from_single_file(file, torch_dtype=dtype)
    config = VAEConfig.from_published(own)
    scale = config.scaling_factor
    vae = AutoencoderKL.from_single_file(file, torch_dtype=dtype, scaling_factor=scale)
    if vae.config.latents_mean is None:
        mean, std = config.latents_mean, config.latents_std
        vae.config = replace(vae.config, latents_mean=mean, latents_std=std)
    return vae


def class_of(part: str, folder: Path) -> type[Model[Any]]:
    """Our class for what a folder has, by its config."""
    classes, path = PARTS[part].classes, folder / CONFIG
    if not path.is_file():
        raise CheckpointError(f"{folder} has no {CONFIG}, so it is not a {part}'s folder")
    named = read_json(path).get("_class_name", next(iter(classes)))
    if not isinstance(named, str) or named not in classes:
        can = " or ".join(classes)
        raise CheckpointError(f"{path} is of class {shown(named)}; a {part} is {can}")
    return classes[named]


def check_vae(vae: Autoencoder[Any], configs: Mapping[str, Mapping[str, JSON] | None]) -> None:
    """Refuse a VAE that is another family's, before weights of the model are read.

    Args:
        configs: published ones of the model's own "unet" and "vae", None where they are not known.

    Raises:
        CheckpointError: A config is broken.
        RequestError: The latents are others than the UNet works on.
    """
    own_unet, own_vae, name = configs["unet"], configs["vae"], vae.name_or_path
    unet = None if own_unet is None else UNetConfig.from_published(own_unet)
    if unet is not None and unet.out_channels != vae.config.latent_channels:
        raise RequestError(
            f"the vae {shown(name)} has latents of {vae.config.latent_channels} channels, and this "
            f"model's UNet gives {unet.out_channels}; give one that belongs to it"
        )
    if own_vae is None or own_vae.get("_class_name") not in (None, "AutoencoderKL"):
        return
    own = VAEConfig.from_published(own_vae)
    pixels = 2 ** (len(own.block_out_channels) - 1)
    if vae.scale_factor != pixels:
        raise RequestError(
            f"the vae {shown(name)} has {vae.scale_factor} pixels a latent, and this model's own "
            f"{pixels}; give one that belongs to it"
        )
    statistics = (None, None)
    if isinstance(vae, AutoencoderKL):
        statistics = vae.config.latents_mean, vae.config.latents_std
    if statistics != (own.latents_mean, own.latents_std):
        raise RequestError(
            f"the vae {shown(name)} and this model's own have not the same latents_mean and "
            "latents_std, as Playground v2.5 has and SDXL has not; give one that belongs to it"
        )
    scale = vae.config.scaling_factor
    if not isinstance(vae, AutoencoderTiny) and abs(scale / own.scaling_factor - 1) > 1e-4:
        raise RequestError(
            f"the vae {shown(name)} has the scaling_factor {scale:g}, and this model's own "
            f"{own.scaling_factor:g}; it belongs to another family, or its file does not say: "
            f"AutoencoderKL.from_single_file takes scaling_factor={own.scaling_factor:g}, and on "
            "the command line its folder, whose config.json says it, can be named"
        )


def check_unet(
    unet: UNet2DConditionModel,
    encoders: Collection[Mapping[str, JSON] | None],
    own_unet: Mapping[str, JSON] | None,
) -> None:
    """Refuse a UNet that is another family's, before weights of the model are read.

    Args:
        encoders: the published configs of the model's text encoders; None where one is not there.
        own_unet: that of the model's own UNet, None where it is not known.

    Raises:
        CheckpointError: A config is broken.
        RequestError: It attends to other texts than these give, or is told sizes and the model's
            own is not, or the other way round.
    """
    own = None if own_unet is None else UNetConfig.from_published(own_unet)
    name, families = shown(unet.name_or_path), ""
    if own is not None and _family(own) != _family(unet.config):
        families = f"is of {_family(unet.config)}, and this model is {_family(own)}"
    widths = [each.get("hidden_size") for each in encoders if each is not None]
    gives = sum(width for width in widths if isinstance(width, int))
    wanted = unet.config.cross_attention_dim
    if widths and all(isinstance(width, int) for width in widths) and gives != wanted:
        raise RequestError(
            f"the unet {name} {families and f'{families}: it '}attends to texts of width {wanted}, "
            f"and this model's text encoders give {gives}; give one that belongs to it"
        )
    if own is not None and (own.added_time_dim > 0) != (unet.config.added_time_dim > 0):
        raise RequestError(f"the unet {name} {families}; give one that belongs to it")


def _family(unet: UNetConfig) -> str:
    """What people call the family of a UNet of a published size."""
    if unet.added_time_dim > 0:
        return FAMILIES["sdxl"]
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
