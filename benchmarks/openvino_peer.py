"""OpenVINO's way to run the reference's networks: converted once, then compiled for this CPU."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openvino
import torch

from benchmarks.parts import CPU, PARTS, Part, load, measures


class Exported(torch.nn.Module):
    """A network as a function from tensors to a tensor, which is what can be converted."""

    def __init__(self, part: Part, model: torch.nn.Module) -> None:
        super().__init__()
        self.part = part
        self.model = model

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        return self.part.forward(self.model, *inputs)


def convert(part: Part, folder: Path, path: Path) -> None:
    """Write the network in OpenVINO's form."""
    inputs = part.inputs(*measures(folder))
    network = Exported(part, load("diffusers", part, folder, torch.float32, CPU))
    with torch.no_grad():
        model = openvino.convert_model(network, example_input=inputs)
    model.reshape({port: list(x.shape) for port, x in zip(model.inputs, inputs, strict=True)})
    # with constants in float16, as is usual, the tiny UNet's output was wrong by 1.1e-3
    openvino.save_model(model, path, compress_to_fp16=False)


def compiled(part: Part, folder: Path) -> Any:
    """The network compiled with OpenVINO's own choice of precision; its form is kept in `folder`.

    A process of its own converts, and gives back at its end the memory that this took.
    """
    path = folder / "openvino" / f"{part.subfolder}.xml"
    if not path.exists():
        names = [name for name, known in PARTS.items() if known is part]
        command = [sys.executable, "-m", "benchmarks.openvino_peer", *names, str(folder), str(path)]
        subprocess.run(command, check=True)
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": torch.get_num_threads()}
    return openvino.Core().compile_model(path, "CPU", settings)


def precision() -> str:
    """What OpenVINO computes in on this processor where it may choose."""
    kind = openvino.Core().get_property("CPU", "INFERENCE_PRECISION_HINT")
    return kind.get_type_name()


def runner(part: Part, folder: Path) -> Callable[..., torch.Tensor]:
    """A function from the network's tensors to its output."""
    request = compiled(part, folder).create_infer_request()

    def run(*inputs: torch.Tensor) -> torch.Tensor:
        arrays = [x.numpy() for x in inputs]
        found = request.infer(arrays, share_inputs=True, share_outputs=True)
        return torch.from_numpy(found[0])

    return run


def prepared(part: Part, folder: Path) -> Callable[[], torch.Tensor]:
    """A call on the inputs that every contender gets."""
    run, inputs = runner(part, folder), part.inputs(*measures(folder))
    return lambda: run(*inputs)


def replace_networks(pipe: Any, folder: Path) -> None:
    """Let OpenVINO do the work of the reference pipeline's UNet and decoder."""
    unet, decode = runner(PARTS["unet"], folder), runner(PARTS["decode"], folder)

    def call_unet(
        latents: torch.Tensor,
        timestep: torch.Tensor,
        encoder_hidden_states: torch.Tensor,
        **_options: object,
    ) -> tuple[torch.Tensor]:
        return (unet(latents, timestep.float(), encoder_hidden_states),)

    def call_decode(latents: torch.Tensor, **_options: object) -> tuple[torch.Tensor]:
        return (decode(latents),)

    pipe.unet.forward = call_unet
    pipe.vae.decode = call_decode


if __name__ == "__main__":
    convert(PARTS[sys.argv[1]], Path(sys.argv[2]), Path(sys.argv[3]))
