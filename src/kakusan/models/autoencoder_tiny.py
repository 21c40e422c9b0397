"""The tiny autoencoder (TAESD): what the VAE does, in a fraction of its time and memory."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, Self

import torch
from torch import Tensor, nn

from kakusan.checkpoints.source import PathLike, locate
from kakusan.checkpoints.weights import load_into
from kakusan.errors import CheckpointError, RequestError
from kakusan.models.autoencoder import Autoencoder, DecoderOutput
from kakusan.models.autoencoder_tiny_config import TinyConfig
from kakusan.models.autoencoder_tiny_files import read_file
from kakusan.models.layers.basic import Conv2d
from kakusan.models.skeleton import skeleton
from kakusan.results import named
from kakusan.runtime.device import mapped_device
from kakusan.runtime.precision import asked_dtype

TILE = 512  # pixels


@named
class TinyEncoderOutput(NamedTuple):
    """What encoding gives.

    Attributes:
        latents: what the UNet works on.
    """

    latents: Tensor


class TinyBlock(nn.Module):
    """Three convolutions with ReLU between and after, around a skip connection."""

    def __init__(self, width: int) -> None:
        super().__init__()
        # files number what is between the convolutions, too
        self.conv = nn.ModuleDict(
            {name: Conv2d(width, width, 3, padding=1) for name in ("0", "2", "4")}
        )

    def forward(self, x: Tensor) -> Tensor:
        first, second, third = self.conv.values()
        return third(second(first(x).relu_()).relu_(), residual=x).relu_()


class Enlarged(Conv2d):
    """A convolution of a picture twice as high and wide as what goes in."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, 3, padding=1, bias=False)

    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]  # all that it can do
        self, input: Tensor
    ) -> Tensor:
        return super().forward(input, enlarge=2)


class TinyEncoder(nn.Module):
    """Pictures in [-1, 1] to latents."""

    def __init__(self, config: TinyConfig) -> None:
        super().__init__()
        self.layers = nn.Sequential(*self._layers(config, config.encoder_width))

    @staticmethod
    def _layers(config: TinyConfig, width: int) -> Iterator[nn.Module]:
        for level, blocks in enumerate(config.encoder_blocks):
            if level == 0:
                yield Conv2d(config.in_channels, width, 3, padding=1)
            else:
                yield Conv2d(width, width, 3, stride=2, padding=1, bias=False)
            yield from (TinyBlock(width) for _ in range(blocks))
        yield Conv2d(width, config.latent_channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers((x + 1) / 2)


class TinyDecoder(nn.Module):
    """Latents to pictures in about [-1, 1]."""

    def __init__(self, config: TinyConfig) -> None:
        super().__init__()
        self.layers = nn.Sequential(*self._layers(config, config.decoder_width))

    @staticmethod
    def _layers(config: TinyConfig, width: int) -> Iterator[nn.Module]:
        yield Conv2d(config.latent_channels, width, 3, padding=1)
        yield nn.ReLU(inplace=True)
        for level, blocks in enumerate(config.decoder_blocks):
            yield from (TinyBlock(width) for _ in range(blocks))
            if level < len(config.decoder_blocks) - 1:
                yield nn.Identity()  # files number the enlarging, which the next layer does
                yield Enlarged(width, width)
        yield Conv2d(width, config.out_channels, 3, padding=1)

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(3 * torch.tanh(z / 3)) * 2 - 1


class AutoencoderTiny(Autoencoder[TinyConfig]):
    """The tiny autoencoder of Stable Diffusion 1 and 2 (TAESD), or of SDXL (TAESDXL).

    Its latents are those that the UNet works on, with a scaling factor of 1.
    https://github.com/madebyollin/taesd

    Attributes:
        encoder: None where the file had the decoder alone, which is enough for drawing.
    """

    config_class = TinyConfig
    part_names = ("vae",)

    def __init__(self, config: TinyConfig) -> None:
        super().__init__(config)
        self.encoder: TinyEncoder | None = TinyEncoder(config)
        self.decoder: TinyDecoder | None = TinyDecoder(config)

    @classmethod
    def from_single_file(  # pyright: ignore[reportIncompatibleMethodOverride]  # what it can use
        cls,
        pretrained_model_link_or_path_or_dict: PathLike,
        *,
        torch_dtype: torch.dtype | str | None = None,
        dtype: torch.dtype | str | None = None,
        revision: str | None = None,
        token: str | bool | None = None,
        cache_dir: PathLike | None = None,
        local_files_only: bool = False,
        force_download: bool = False,
        device: object = None,
    ) -> Self:
        """Load a file as they are published, for inference.

        Args:
            pretrained_model_link_or_path_or_dict: A file that is here, or OWNER/NAME/FILE of the
                Hugging Face Hub, or its address. It has both halves, or one of the two, such as
                `taesd_decoder.safetensors`; the other one is taken too if it lies beside it. Of
                `.pth` files the tensors alone are read.
            torch_dtype: How the weights are stored; float32 where not given.
            dtype: Its newer name.

        Raises:
            CheckpointError: The file is broken, or holds something else.
        """
        stored, place = asked_dtype(torch_dtype, dtype), mapped_device(device)
        source = locate(
            pretrained_model_link_or_path_or_dict,
            revision=revision,
            token=token,
            cache_dir=cache_dir,
            local_files_only=local_files_only,
            force_download=force_download,
            files=True,
        )
        if source.file is None:
            raise CheckpointError(f"{source.name} is a folder; from_pretrained loads it.")
        model = cls.from_file(source.file, stored)
        model.name_or_path = source.name
        return model if place is None else model.to(place)

    @classmethod
    def from_file(cls, file: Path, dtype: torch.dtype | None) -> Self:
        read = read_file(file, dtype)
        with skeleton():
            model = cls(read.config)
        for half in ("encoder", "decoder"):
            if half not in read.halves:
                setattr(model, half, None)
        load_into(model, read.tensors, where=read.where)
        model._unseen = read.where
        return model.eval()

    @property
    def _needs_float32(self) -> bool:
        return self.config.force_upcast

    @property
    def scale_factor(self) -> int:
        return 2 ** (len(self.config.encoder_blocks) - 1)

    @property
    def can_encode(self) -> bool:
        return self.encoder is not None

    @property
    def widest(self) -> int:
        return max(self.config.encoder_width, self.config.decoder_width)

    @property
    def tile(self) -> int:
        return TILE

    def scale_latents(self, x: Tensor) -> Tensor:
        """Latents as numbers from 0 to 1, for storing them in 8 bits."""
        config = self.config
        return (x / (2 * config.latent_magnitude) + config.latent_shift).clamp(0, 1)

    def unscale_latents(self, x: Tensor) -> Tensor:
        """Latents of what `scale_latents` gave."""
        return (x - self.config.latent_shift) * (2 * self.config.latent_magnitude)

    def encode(
        self, x: Tensor, return_dict: bool = True, *, tile: int | None = None
    ) -> TinyEncoderOutput | tuple[Tensor]:
        """Encode pictures.

        Args:
            x: pictures in [-1, 1], shape (batch, 3, height, width), both multiples of
                `scale_factor`.
            return_dict: False gives a plain tuple.
            tile: the side of the tiles in pixels that a larger picture is taken in, a multiple of
                `scale_factor`; as `enable_tiling` says where not given.

        Returns:
            Latents, shape (batch, latent_channels, height / scale_factor, width / scale_factor), in
            the dtype of `x`.

        Raises:
            CheckpointError: the weights came from a file and are not finite.
            RequestError: there is no encoder.
        """
        encoder = self._half("encoder")
        latents = self._run(x, encoder, tile, 1 / self.scale_factor)
        return TinyEncoderOutput(latents) if return_dict else (latents,)

    def decode(
        self,
        x: Tensor,
        generator: torch.Generator | None = None,  # noqa: ARG002
        return_dict: bool = True,
        *,
        tile: int | None = None,
    ) -> DecoderOutput | tuple[Tensor]:
        """Decode latents to pictures.

        Args:
            x: what the UNet works on, shape (batch, latent_channels, height, width).
            generator: taken as scripts pass it; this decoder draws nothing.
            return_dict: False gives a plain tuple.
            tile: see `encode`.

        Returns:
            Pictures in [-1, 1] or a little beyond, shape (batch, 3, height * scale_factor,
            width * scale_factor), in the dtype of `x`.

        Raises:
            CheckpointError: the weights came from a file and are not finite.
            RequestError: there is no decoder.
        """
        sample = self._run(x, self._half("decoder"), tile, float(self.scale_factor))
        return DecoderOutput(sample) if return_dict else (sample,)

    def encoded(self, pixels: Tensor, tile: int | None = None) -> Tensor:
        return self.encode(pixels, tile=tile)[0]

    def latents_of(self, encoded: Tensor, noise: Tensor | None = None) -> Tensor:
        """Its latents have no deviation: `noise` changes nothing."""
        del noise
        return encoded * self.config.scaling_factor

    def to_pixels(self, latents: Tensor, tile: int | None = None) -> Tensor:
        return self.decode(latents / self.config.scaling_factor, tile=tile)[0]

    def forward(self, sample: Tensor, return_dict: bool = True) -> DecoderOutput | tuple[Tensor]:
        """Encode, store the latents in 8 bits, and decode them."""
        latents = self.encode(sample)[0]
        stored = self.scale_latents(latents).mul(255).round().byte()
        return self.decode(self.unscale_latents(stored / 255.0), return_dict=return_dict)

    def from_published_tensors(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The published names are ours."""
        return dict(tensors)

    def to_published_tensors(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The published names are ours."""
        self._half("encoder")
        self._half("decoder")
        return dict(tensors)

    def check_decodes(self) -> None:
        """Raise `RequestError` where it is an encoder alone."""
        self._half("decoder")

    def _half(self, name: str) -> nn.Module:
        half: nn.Module | None = getattr(self, name)
        if half is None:
            there = "a decoder" if name == "encoder" else "an encoder"
            where = self.name_or_path or "this AutoencoderTiny"
            raise RequestError(
                f"{where} has {there} alone, and this takes the {name} too; give a file with "
                f"both, or put the {name}'s file beside that one"
            )
        return half
