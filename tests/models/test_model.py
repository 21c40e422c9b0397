"""Loading and saving, where all networks are alike."""

import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from kakusan.errors import CheckpointError, UnknownArgumentError
from kakusan.models import AutoencoderKL, CLIPTextModel, UNet2DConditionModel, VAEConfig
from tests.models.comparing import noise

WEIGHTS = "diffusion_pytorch_model.safetensors"


@pytest.fixture
def unet_folder(tiny_v1: Path, tmp_path: Path) -> Path:
    shutil.copytree(tiny_v1 / "unet", tmp_path / "unet")
    return tmp_path / "unet"


def test_what_loading_gives(tiny_v1: Path) -> None:
    unet = UNet2DConditionModel.from_pretrained(tiny_v1, subfolder="unet")
    assert not unet.training
    assert unet.dtype == torch.float32
    assert unet.device == torch.device("cpu")
    assert all(parameter.requires_grad for parameter in unet.parameters())
    kept = UNet2DConditionModel.from_pretrained(tiny_v1, subfolder="unet", torch_dtype="bfloat16")
    assert {parameter.dtype for parameter in kept.parameters()} == {torch.bfloat16}


def test_files_of_half_precision_become_float32_unless_asked(
    unet_folder: Path, tmp_path: Path
) -> None:
    unet = UNet2DConditionModel.from_pretrained(unet_folder).half()
    unet.save_pretrained(tmp_path / "half", variant="fp16")
    assert (tmp_path / "half" / "diffusion_pytorch_model.fp16.safetensors").is_file()
    again = UNet2DConditionModel.from_pretrained(tmp_path / "half", variant="fp16")
    assert again.dtype == torch.float32
    for ours, kept in zip(again.parameters(), unet.parameters(), strict=True):
        assert torch.equal(ours, kept.float())


def test_from_config_builds_a_fresh_network() -> None:
    published = VAEConfig(block_out_channels=(32, 32), layers_per_block=1).to_published()
    vae = AutoencoderKL.from_config(published)
    assert vae.training
    assert vae.config == AutoencoderKL.from_config(vae.config).config


def test_loading_leaves_the_compiler_alone(tiny_v1: Path) -> None:
    script = (
        "import sys, torch; from kakusan.models import CLIPTextModel; before = set(sys.modules);"
        f"CLIPTextModel.from_pretrained({str(tiny_v1)!r}, subfolder='text_encoder');"
        "print(len(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert int(done.stdout) < 50, "importing it takes seconds"


def test_threads_may_share_weights_that_must_be_cast_first(tiny_v1: Path) -> None:
    folder = tiny_v1 / "vae"
    latents = noise(1, 4, 2, 2)
    for _ in range(5):
        vae = AutoencoderKL.from_pretrained(folder, torch_dtype=torch.float16)
        with ThreadPoolExecutor(4) as pool:
            results = list(pool.map(lambda vae: vae.decode(latents)[0].detach(), [vae] * 4))
        assert all(torch.equal(result, results[0]) for result in results)


def test_an_argument_that_does_not_exist(tiny_v1: Path) -> None:
    with pytest.raises(UnknownArgumentError, match=r"'torch_type'.*torch_dtype"):
        UNet2DConditionModel.from_pretrained(tiny_v1, subfolder="unet", torch_type=torch.float16)


def test_a_whole_pipeline_in_place_of_a_part(tiny_v1: Path) -> None:
    with pytest.raises(CheckpointError, match="subfolder="):
        CLIPTextModel.from_pretrained(tiny_v1)


def test_another_parts_folder(tiny_v1: Path) -> None:
    with pytest.raises(CheckpointError, match=r"config\.json.*AutoencoderKL"):
        UNet2DConditionModel.from_pretrained(tiny_v1, subfolder="vae")


def test_errors_of_the_config_name_its_file(unet_folder: Path) -> None:
    path = unet_folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"norm_num_groups": 7}))
    with pytest.raises(CheckpointError, match=r"config\.json: UNetConfig: 16 channels"):
        UNet2DConditionModel.from_pretrained(unet_folder)


def test_weights_that_are_not_finite_are_named_before_they_are_used(unet_folder: Path) -> None:
    tensors = load_file(unet_folder / WEIGHTS)
    tensors["conv_in.bias"].fill_(torch.nan)
    save_file(tensors, unet_folder / WEIGHTS)
    unet = UNet2DConditionModel.from_pretrained(unet_folder)
    with pytest.raises(CheckpointError, match=r"unet: conv_in\.bias has values that are NaN"):
        unet.prepare()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda tensors: tensors.pop("conv_in.bias"), "missing conv_in.bias"),
        (lambda tensors: tensors.update(extra=torch.zeros(1)), "left over extra"),
        (lambda tensors: tensors.update({"conv_in.bias": torch.zeros(3)}), "shape"),
    ],
)
def test_weights_that_do_not_fit(unet_folder: Path, damage: object, message: str) -> None:
    tensors = load_file(unet_folder / WEIGHTS)
    assert callable(damage)
    damage(tensors)
    save_file(tensors, unet_folder / WEIGHTS)
    with pytest.raises(CheckpointError, match=message):
        UNet2DConditionModel.from_pretrained(unet_folder)


@torch.no_grad()
def test_a_network_that_has_run_moves_as_it_is_stored(tiny_v1: Path) -> None:
    unet = UNet2DConditionModel.from_pretrained(tiny_v1 / "unet", torch_dtype=torch.float16)
    before = {name: tensor.clone() for name, tensor in unet.state_dict().items()}
    unet(noise(1, 4, 8, 8), 500, noise(1, 77, 32))
    assert unet.stored_dtype == torch.float16
    unet.to("cpu")
    after = unet.state_dict()
    for name, tensor in before.items():  # a processor with bfloat16 has rounded them
        torch.testing.assert_close(after[name], tensor, rtol=2**-8, atol=0)
    assert {tensor.dtype for tensor in after.values()} == {torch.float16}
