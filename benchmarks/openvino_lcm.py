"""A latent consistency model and a TAESD in OpenVINO's form, as its two pipelines read them.

    python -m benchmarks.openvino_lcm MODEL_FOLDER TINY_VAE_FOLDER OUTPUT_FOLDER

Runs in the environment of `openvino_pipelines`. Weights are kept in float16, as the published
conversions are.
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path

import openvino
import torch
from diffusers import AutoencoderTiny
from openvino_tokenizers import convert_tokenizer
from optimum.intel import OVLatentConsistencyModelPipeline
from transformers import AutoTokenizer

MODEL = "openvino_model.xml"


class Decoder(torch.nn.Module):
    """A TAESD from scaled latents to pixels in [-1, 1], under the names of OpenVINO's pipelines."""

    def __init__(self, vae: AutoencoderTiny) -> None:
        super().__init__()
        self.vae = vae

    def forward(self, latent_sample: torch.Tensor) -> torch.Tensor:
        return self.vae.decode(latent_sample).sample


def write_decoder(tiny: Path, folder: Path) -> None:
    """Put a TAESD in the place of a converted pipeline's decoder."""
    vae = AutoencoderTiny.from_pretrained(tiny).float().eval()
    example = {"latent_sample": torch.randn(1, 4, 64, 64)}
    with torch.no_grad():
        model = openvino.convert_model(
            Decoder(vae), example_input=example, input=[("latent_sample", [-1, 4, -1, -1])]
        )
    model.outputs[0].get_tensor().set_names({"sample"})
    openvino.save_model(model, folder / MODEL, compress_to_fp16=True)
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8")) | {"scaling_factor": 1.0}
    path.write_text(json.dumps(config), encoding="utf-8")


def convert(model: Path, tiny: Path, output: Path) -> None:
    """Write `output` whole, or not at all."""
    with tempfile.TemporaryDirectory(dir=output.parent) as temporary:
        exported, stage = Path(temporary, "exported"), Path(temporary, "stage")
        pipe = OVLatentConsistencyModelPipeline.from_pretrained(
            model, export=True, compile=False, load_in_8bit=False
        )
        pipe.save_pretrained(exported)
        del pipe
        shutil.copytree(exported, stage, ignore=shutil.ignore_patterns(MODEL, "*.bin"))
        for path in exported.rglob(MODEL):
            network = openvino.Core().read_model(path)
            openvino.save_model(network, stage / path.relative_to(exported), compress_to_fp16=True)
        write_decoder(tiny, stage / "vae_decoder")
        tokenizer = convert_tokenizer(AutoTokenizer.from_pretrained(model / "tokenizer"))
        openvino.save_model(tokenizer, stage / "tokenizer" / "openvino_tokenizer.xml")
        stage.rename(output)


if __name__ == "__main__":
    convert(*map(Path, sys.argv[1:]))
