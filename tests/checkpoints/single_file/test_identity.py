"""What files are, told by their headers; sizes are made up, shapes and names are not."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from kakusan.checkpoints.single_file.identity import identify
from tests.oracle import single


def test_a_model_of_each_family_is_known_with_its_parts(tmp_path: Path) -> None:
    files = {
        "v1": single.v1_tensors(single.v1()),
        "v2": single.v2_tensors(single.v2()),
        "sdxl": single.sdxl_tensors(single.sdxl()),
    }
    for family, tensors in files.items():
        found = identify(single.write(tmp_path / f"{family}.safetensors", tensors))
        assert found.family == family
        assert found.missing == ()
        assert set(found.parts.values()) == {"float32"}
        weights = (tensor.numel() for name, tensor in tensors.items() if "_ids" not in name)
        aside = 1 if family == "sdxl" else 0
        assert sum(found.parameters.values()) == sum(weights) - aside


def test_sd_turbos_file_is_of_version_2(tmp_path: Path) -> None:
    tensors = single.v2_tensors(single.v2(), "conditioner.embedders.0.model.")
    assert identify(single.write(tmp_path / "turbo.safetensors", tensors)).family == "v2"


@pytest.mark.parametrize(("channels", "name"), [(9, "inpainting"), (8, "instruct-pix2pix")])
def test_more_input_channels_are_named(tmp_path: Path, channels: int, name: str) -> None:
    tensors = single.v1_tensors(single.v1(channels))
    assert identify(single.write(tmp_path / "x.safetensors", tensors)).name == (
        f"Stable Diffusion 1 {name}"
    )


def test_parts_alone_and_missing_parts_are_named(tmp_path: Path) -> None:
    networks = single.v1()
    vae = identify(single.write(tmp_path / "vae.safetensors", single.vae_tensors(networks.vae, "")))
    assert (vae.family, vae.name, list(vae.parts)) == (None, "VAE", ["vae"])
    half = {name: tensor.half() for name, tensor in single.unet_tensors(networks.unet, "").items()}
    unet = identify(single.write(tmp_path / "unet.safetensors", half))
    assert unet.parts == {"unet": "float16"}
    assert unet.missing == ("vae", "text_encoder")


def test_torch_is_not_needed_to_know_a_file(tmp_path: Path) -> None:
    path = single.write(tmp_path / "v2.safetensors", single.v2_tensors(single.v2()))
    program = (
        "import sys; from pathlib import Path; "
        "from kakusan.checkpoints.single_file.identity import identify; "
        "print(identify(Path(sys.argv[1])).family, 'torch' in sys.modules)"
    )
    run = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True
    )
    assert run.stdout.split() == ["v2", "False"]


def test_a_training_programs_pickle_is_known(tmp_path: Path) -> None:
    tensors = single.v1_tensors(single.v1())
    wrapped = {"epoch": 3, "global_step": 875000, "callbacks": {}, "state_dict": tensors}
    torch.save(wrapped, tmp_path / "v1.ckpt")
    found = identify(tmp_path / "v1.ckpt")
    assert (found.family, found.prediction) == ("v1", "epsilon")
