"""What is measured: networks and a whole picture, from one folder, by either library."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks.v1_4 import DECODE_FLOP, UNET_FLOP
from benchmarks.xl import UNET_FLOP as XL_UNET_FLOP

CPU = torch.device("cpu")
PROMPT = "a photograph of an astronaut riding a horse"

Inputs = tuple[torch.Tensor, ...]


@dataclass(frozen=True, kw_only=True)
class Part:
    """One network's work: what to load, what to call, and what a call costs at its full size."""

    subfolder: str
    class_name: str
    flop: float
    inputs: Callable[[int, int], Inputs]  # from the text embeddings' width, the latents' side
    forward: Callable[..., torch.Tensor]


def _normal(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def _unet_inputs(text_width: int, side: int) -> Inputs:
    latents, text = _normal(2, 4, side, side, seed=3), _normal(2, 77, text_width, seed=4)
    return latents, torch.tensor(500.0), text


def _xl_unet_inputs(text_width: int, side: int) -> Inputs:
    pooled, sizes = _normal(2, 1280, seed=7), torch.tensor([8.0 * side, 8.0 * side, 0.0, 0.0])
    return *_unet_inputs(text_width, side), pooled, sizes[[0, 1, 2, 3, 0, 1]].expand(2, 6)


def _decoder_inputs(_text_width: int, side: int) -> Inputs:
    return (_normal(1, 4, side, side, seed=5),)


def _call_unet(
    model: Any, latents: torch.Tensor, timestep: torch.Tensor, text: torch.Tensor
) -> torch.Tensor:
    return model(latents, timestep, encoder_hidden_states=text).sample


def _call_xl_unet(
    model: Any,
    latents: torch.Tensor,
    timestep: torch.Tensor,
    text: torch.Tensor,
    pooled: torch.Tensor,
    sizes: torch.Tensor,
) -> torch.Tensor:
    added = {"text_embeds": pooled, "time_ids": sizes}
    return model(latents, timestep, encoder_hidden_states=text, added_cond_kwargs=added).sample


def _call_decoder(model: Any, latents: torch.Tensor) -> torch.Tensor:
    return model.decode(latents).sample


PARTS = {
    "unet": Part(
        subfolder="unet",
        class_name="UNet2DConditionModel",
        flop=UNET_FLOP,
        inputs=_unet_inputs,
        forward=_call_unet,
    ),
    "xl_unet": Part(
        subfolder="unet",
        class_name="UNet2DConditionModel",
        flop=XL_UNET_FLOP,
        inputs=_xl_unet_inputs,
        forward=_call_xl_unet,
    ),
    "decode": Part(
        subfolder="vae",
        class_name="AutoencoderKL",
        flop=DECODE_FLOP,
        inputs=_decoder_inputs,
        forward=_call_decoder,
    ),
}
TITLES = {
    "unet": "UNet call, batch 2, 64×64 latents",
    "xl_unet": "SDXL's UNet call, batch 2, 128×128 latents",
    "decode": "VAE decode, 512×512 picture",
}


def measures(folder: Path) -> tuple[int, int]:
    """The width of the text embeddings and the latents' side that the folder's UNet takes."""
    config = json.loads((folder / "unet" / "config.json").read_text(encoding="utf-8"))
    return config["cross_attention_dim"], config["sample_size"]


def added(folder: Path) -> tuple[torch.Tensor, torch.Tensor] | None:
    """Pooled text and sizes for two rows, which SDXL's UNet takes beside; None for others."""
    config = json.loads((folder / "unet" / "config.json").read_text(encoding="utf-8"))
    if config.get("addition_embed_type") != "text_time":
        return None
    side = 8 * config["sample_size"]
    width = config["projection_class_embeddings_input_dim"] - 6 * config["addition_time_embed_dim"]
    sizes = torch.tensor([[side, side, 0, 0, side, side]] * 2)
    return _normal(2, width, seed=7), sizes.float()


def has_reference() -> bool:
    """Whether diffusers is installed here."""
    try:
        import diffusers
    except ImportError:
        return False
    return bool(diffusers.__version__)


def load(library: str, part: Part, folder: Path, dtype: torch.dtype, device: torch.device) -> Any:
    """The part's network from `folder`, by "diffusers" or "kakusan"."""
    if library == "kakusan":
        import kakusan as module
    else:
        import diffusers as module
    cls = getattr(module, part.class_name)
    return cls.from_pretrained(folder / part.subfolder, torch_dtype=dtype).to(device).eval()


def bind(
    part: Part, model: Any, text_width: int, side: int = 64, *, channels_last: bool = False
) -> Callable[[], torch.Tensor]:
    """A call without arguments, on inputs that are the same for every library and dtype."""
    weight = next(model.parameters())
    inputs = [x.to(weight.device) for x in part.inputs(text_width, side)]
    # the timestep stays float32 as schedulers give it
    inputs = [x.to(weight.dtype) if x.ndim else x for x in inputs]
    if channels_last:
        inputs[0] = inputs[0].to(memory_format=torch.channels_last)
    return torch.inference_mode()(partial(part.forward, model, *inputs))


def pipeline(library: str, folder: Path, dtype: torch.dtype) -> Any:
    """A quiet pipeline of "diffusers" or "kakusan"."""
    if library == "kakusan":
        from kakusan import DiffusionPipeline

        name = "torch_dtype"
    else:
        from diffusers import DiffusionPipeline

        name = "dtype"
    options = {name: dtype, "local_files_only": True}
    pipe = DiffusionPipeline.from_pretrained(folder, **options)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def prompted(pipe: Any, steps: int, output_type: str) -> Any:
    """The one picture of `PROMPT`, in the model's own size and from the same noise every time."""
    generator = torch.Generator().manual_seed(6)
    drawn = pipe(PROMPT, num_inference_steps=steps, generator=generator, output_type=output_type)
    return drawn.images
