"""Who takes part in `benchmarks.gpu`, and how each is made ready, by its own book."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.measure import DTYPES
from benchmarks.parts import PROMPT, has_reference, pipeline


@dataclass(frozen=True, kw_only=True)
class Contender:
    """A library and what is done to its pipeline.

    Attributes:
        how: "plain", "graphs", "compile" or "offload".
        dtype: of its own; that of the run where None.
        only: the kinds of job that it takes part in, with one picture; all where empty.
    """

    name: str
    library: str
    how: str = "plain"
    dtype: str | None = None
    only: tuple[str, ...] = ()

    def takes_part(self, kind: str, count: int) -> bool:
        """Whether it is measured in this job."""
        return not self.only or (kind in self.only and count == 1)


CONTENDERS = {
    each.name: each
    for each in (
        Contender(name="kakusan", library="kakusan"),
        Contender(name="kakusan, graphs", library="kakusan", how="graphs"),
        Contender(name="diffusers", library="diffusers"),
        Contender(name="diffusers, compiled", library="diffusers", how="compile"),
        Contender(name="kakusan, compiled", library="kakusan", how="compile"),
        Contender(name="kakusan, offloaded", library="kakusan", how="offload", only=("pictures",)),
        Contender(
            name="kakusan, float32", library="kakusan", dtype="float32", only=("unet", "decode")
        ),
    )
}


class Ready:
    """A contender's pipeline on the device, and the three things that are measured of it."""

    def __init__(
        self, contender: Contender, folder: Path, dtype_name: str, device: torch.device
    ) -> None:
        if contender.library == "diffusers" and not has_reference():
            raise RuntimeError("not installed")
        self.library, self.device = contender.library, device
        self.dtype = DTYPES[contender.dtype or dtype_name]
        self.pipe: Any = pipeline(contender.library, folder, self.dtype)
        if contender.how == "offload":
            self.pipe.enable_model_cpu_offload(device=device)
        else:
            self.pipe.to(device)
        if contender.how in ("graphs", "compile"):
            self._accelerate(contender.how)

    def placed(self, one: Tensor, count: int) -> Tensor:
        """`one` so many times, on the device and in the dtype."""
        return one.repeat(count, *[1] * (one.ndim - 1)).to(self.device, self.dtype)

    def resident(self) -> int:
        """Bytes of the networks that are on a CUDA device now."""
        names = ("text_encoder", "text_encoder_2", "unet", "vae")
        networks = [getattr(self.pipe, name) for name in names if hasattr(self.pipe, name)]
        weights = (weight for network in networks for weight in network.parameters())
        return sum(weight.nbytes for weight in weights if weight.is_cuda)

    def _accelerate(self, how: str) -> None:
        """The reference as its guide to fast inference has it."""
        if self.library == "kakusan":
            self.pipe.accelerate(how)
            return
        self.pipe.fuse_qkv_projections()
        for network in (self.pipe.unet, self.pipe.vae):
            network.to(memory_format=torch.channels_last)
        options: dict[str, Any] = {"mode": "max-autotune", "fullgraph": True}
        self.pipe.unet = torch.compile(self.pipe.unet, **options)
        self.pipe.vae.decode = torch.compile(self.pipe.vae.decode, **options)

    @torch.no_grad()
    def unet(self, latents: Tensor, timestep: Tensor, text: Tensor, *added: Tensor) -> Tensor:
        """One call of the network, in the way that the pipeline's loop makes it.

        Args:
            latents: the rows.
            timestep: of all of them.
            text: embeddings of each row.
            added: pooled text and sizes of each row, for SDXL.
        """
        if self.library == "diffusers":
            options: dict[str, Any] = {"encoder_hidden_states": text}
            if added:
                options["added_cond_kwargs"] = dict(
                    zip(("text_embeds", "time_ids"), added, strict=True)
                )
            found = self.pipe.unet(latents, timestep, **options).sample
            return found.clone()  # a recording's memory, which the next call overwrites
        from kakusan.models import Conditioning, UNetCall

        call = UNetCall(latents, timestep, Conditioning(text, *added))
        return self.pipe.engine.predict([call])[0]

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Pictures of latents as the VAE takes them."""
        if self.library == "kakusan":
            return self.pipe.decode(latents * self.pipe.vae.config.scaling_factor)
        return self.pipe.vae.decode(latents).sample.clone()

    def pictures(self, latents: Tensor, steps: int, output_type: str) -> Any:
        """A picture of the same prompt for each of the latents, all in one batch."""
        found = self.pipe(
            [PROMPT] * len(latents),
            num_inference_steps=steps,
            latents=latents,
            output_type=output_type,
        )
        return found.images
