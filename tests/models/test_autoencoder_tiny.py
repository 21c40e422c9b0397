"""The tiny autoencoder beside the reference's, and in every form that its files have."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from kakusan.errors import CheckpointError, ModelNotFoundError, RequestError
from kakusan.models import AutoencoderTiny, TinyConfig
from tests.models.comparing import assert_gradients_near, assert_near, noise
from tests.oracle import tiny

SMALL: dict[str, Any] = {
    "encoder_block_out_channels": (8, 8, 8, 8),
    "decoder_block_out_channels": (16, 16, 16, 16),
    "num_encoder_blocks": (1, 2, 1, 2),
    "num_decoder_blocks": (2, 1, 3, 1),
}


@pytest.fixture(scope="module")
def theirs() -> Any:
    with tiny.quiet():
        return tiny.randomise(diffusers.AutoencoderTiny(**SMALL), 5)


@pytest.fixture(scope="module")
def folder(theirs: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("taesd")
    theirs.save_pretrained(path)
    return path


@pytest.fixture
def ours(folder: Path) -> AutoencoderTiny:
    return AutoencoderTiny.from_pretrained(folder)


def half(theirs: Any, name: str) -> dict[str, Tensor]:
    """One half under the names of its layers in the original program, where the clamp has one."""
    first = 1 if name == "decoder" else 0
    found: dict[str, Tensor] = {}
    for key, tensor in theirs.state_dict().items():
        if key.startswith(f"{name}.layers."):
            number, rest = key.removeprefix(f"{name}.layers.").split(".", 1)
            found[f"{int(number) + first}.{rest}"] = tensor.contiguous()
    return found


def both_halves(theirs: Any, encoder: str, decoder: str) -> dict[str, Tensor]:
    return {encoder + name: tensor for name, tensor in half(theirs, "encoder").items()} | {
        decoder + name: tensor for name, tensor in half(theirs, "decoder").items()
    }


FORMS: dict[str, Callable[[Any], Mapping[str, Tensor]]] = {
    "comfyui": lambda net: (
        both_halves(net, "taesd_encoder.", "taesd_decoder.")
        | {"vae_scale": torch.tensor(0.18215), "vae_shift": torch.tensor(0.0)}
    ),
    "original class": lambda net: both_halves(net, "encoder.", "decoder."),
    "reference": lambda net: {n: t.contiguous() for n, t in net.state_dict().items()},
}


def assert_same(ours: AutoencoderTiny, theirs: Any) -> None:
    pictures, latents = noise(2, 3, 32, 40).clamp(-1, 1), noise(2, 4, 4, 5)
    with torch.no_grad():
        assert_near(ours.encode(pictures).latents, theirs.encode(pictures).latents)
        assert_near(ours.decode(latents).sample, theirs.decode(latents).sample)
        assert_near(ours(pictures).sample, theirs(pictures).sample)


def test_the_original_layers(ours: AutoencoderTiny, theirs: Any) -> None:
    """The Sequential of the original program, layer by layer, from its own numbers."""
    latents, tensors = noise(2, 4, 3, 5), half(theirs, "decoder")

    def conv(x: Tensor, name: str) -> Tensor:
        return torch.nn.functional.conv2d(
            x, tensors[f"{name}.weight"], tensors.get(f"{name}.bias"), padding=1
        )

    def block(x: Tensor, number: int) -> Tensor:
        h = conv(
            conv(conv(x, f"{number}.conv.0").relu(), f"{number}.conv.2").relu(), f"{number}.conv.4"
        )
        return (h + x).relu()

    def enlarged(x: Tensor) -> Tensor:
        return torch.nn.functional.interpolate(x, scale_factor=2.0, mode="nearest")

    x = conv(3 * torch.tanh(latents / 3), "1").relu()
    x = conv(enlarged(block(block(x, 3), 4)), "6")
    x = conv(enlarged(block(x, 7)), "9")
    x = conv(enlarged(block(block(block(x, 10), 11), 12)), "14")
    x = conv(block(x, 15), "16")
    with torch.no_grad():
        assert_near((ours.decode(latents)[0] + 1) / 2, x)


def test_all_of_it(ours: AutoencoderTiny, theirs: Any) -> None:
    assert_same(ours, theirs)
    assert ours.config.scaling_factor == 1.0
    assert ours.scale_factor == 8
    latents = 4 * noise(1, 4, 3, 3)
    assert_near(ours.scale_latents(latents), theirs.scale_latents(latents))
    assert_near(ours.unscale_latents(latents), theirs.unscale_latents(latents))
    assert isinstance(ours.decode(latents, return_dict=False), tuple)
    assert isinstance(ours.encode(noise(1, 3, 8, 8), return_dict=False), tuple)


def test_published_counts() -> None:
    whole = AutoencoderTiny(TinyConfig())
    counts = [sum(p.numel() for p in net.parameters()) for net in (whole.encoder, whole.decoder)]
    assert counts == [1_222_532, 1_222_531]
    assert [len(net.state_dict()) for net in (whole.encoder, whole.decoder)] == [67, 67]


def test_gradients(folder: Path, theirs: Any) -> None:
    ours, pictures = AutoencoderTiny.from_pretrained(folder), noise(1, 3, 16, 16)
    theirs.zero_grad()
    losses = [net.decode(net.encode(pictures)[0])[0].square().mean() for net in (ours, theirs)]
    assert_gradients_near(ours, theirs, *losses)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_files_with_both_halves(form: str, suffix: str, theirs: Any, tmp_path: Path) -> None:
    path = tmp_path / f"taesd{suffix}"
    tensors = dict(FORMS[form](theirs))
    torch.save(tensors, path) if suffix == ".pth" else save_file(tensors, path)
    ours = AutoencoderTiny.from_single_file(path)
    assert_same(ours, theirs)
    assert_same(AutoencoderTiny.from_pretrained(path), theirs)
    assert ours.name_or_path == str(path)
    assert ours.config == AutoencoderTiny.from_pretrained(ours_saved(ours, tmp_path)).config


def ours_saved(ours: AutoencoderTiny, tmp_path: Path) -> Path:
    ours.save_pretrained(tmp_path / "saved")
    return tmp_path / "saved"


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_halves_in_files_of_their_own(suffix: str, theirs: Any, tmp_path: Path) -> None:
    for name in ("encoder", "decoder"):
        tensors = half(theirs, name)
        path = tmp_path / f"taesd_{name}{suffix}"
        torch.save(tensors, path) if suffix == ".pth" else save_file(tensors, path)
    for name in ("encoder", "decoder"):  # each finds the other beside it
        assert_same(AutoencoderTiny.from_single_file(tmp_path / f"taesd_{name}{suffix}"), theirs)
    (tmp_path / f"taesd_encoder{suffix}").unlink()
    alone = AutoencoderTiny.from_single_file(tmp_path / f"taesd_decoder{suffix}")
    latents = noise(1, 4, 4, 4)
    with torch.no_grad():
        assert_near(alone.decode(latents)[0], theirs.decode(latents)[0])
    with pytest.raises(RequestError, match=r"taesd_decoder.* has a decoder alone"):
        alone.encode(noise(1, 3, 8, 8))
    with pytest.raises(RequestError, match=r"taesd_decoder.* has a decoder alone"):
        alone.save_pretrained(tmp_path / "no")


def test_files_that_are_something_else(tmp_path: Path, theirs: Any, tiny_v1: Path) -> None:
    with pytest.raises(ModelNotFoundError, match="there is no"):
        AutoencoderTiny.from_single_file(tmp_path / "no.safetensors")
    other = tiny_v1 / "vae/diffusion_pytorch_model.safetensors"
    with pytest.raises(CheckpointError, match="no tiny autoencoder"):
        AutoencoderTiny.from_single_file(other)
    path = tmp_path / "taesd.safetensors"
    whole = both_halves(theirs, "encoder.", "decoder.")
    for name in ("decoder.3.conv.2.bias", "decoder.9.weight"):
        save_file({key: value for key, value in whole.items() if key != name}, path)
        with pytest.raises(CheckpointError, match=r"do not fit|must be as many"):
            AutoencoderTiny.from_single_file(path)
    save_file(whole | {"encoder.0.weight": torch.zeros(3)}, path)
    with pytest.raises(CheckpointError, match="no convolution's"):
        AutoencoderTiny.from_single_file(path)
    save_file({"decoder.1.weight": torch.zeros(8, 4, 3, 3)}, path)
    with pytest.raises(CheckpointError, match="only a part"):
        AutoencoderTiny.from_single_file(path)
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(CheckpointError, match="not a whole safetensors"):
        AutoencoderTiny.from_single_file(path)


def test_the_reference_loads_what_is_saved(
    ours: AutoencoderTiny, theirs: Any, tmp_path: Path
) -> None:
    ours.save_pretrained(tmp_path)
    with tiny.quiet():
        again: Any = diffusers.AutoencoderTiny.from_pretrained(tmp_path)
    assert_same(ours, again)
    config = {name: value for name, value in again.config.items() if not name.startswith("_")}
    for name, value in theirs.config.items():
        if not name.startswith("_"):
            assert list_of(config[name]) == list_of(value), name
            assert list_of(ours.config[name]) == list_of(value), name


def list_of(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"act_fn": "gelu"}, "'act_fn'"),
        ({"upsample_fn": "bilinear"}, "'upsample_fn'"),
        ({"upsampling_scaling_factor": 3}, "'upsampling_scaling_factor'"),
        ({"encoder_block_out_channels": [8, 16]}, "the same at each level"),
        ({"num_encoder_blocks": [1, 2]}, "must be as many"),
        ({"num_decoder_blocks": [1e9]}, "'num_decoder_blocks'"),
        ({"latent_magnitude": 0}, "'latent_magnitude'"),
        ({"shift_factor": 0.1}, "'shift_factor'"),
        ({"what_is_this": 1}, "not known"),
    ],
)
def test_configs_of_something_else(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        AutoencoderTiny(**changes)


@torch.no_grad()
def test_slices_and_tiles(ours: AutoencoderTiny, theirs: Any) -> None:
    pictures, latents = noise(3, 3, 32, 32), noise(3, 4, 4, 4)
    plain = ours.encode(pictures)[0], ours.decode(latents)[0]
    ours.enable_slicing()
    assert_near(ours.encode(pictures)[0], plain[0])
    assert_near(ours.decode(latents)[0], plain[1])
    ours.disable_slicing()
    ours.enable_tiling()  # smaller than a tile
    assert torch.equal(ours.decode(latents)[0], plain[1])
    wide = noise(1, 4, 16, 100)
    tiled, whole = ours.decode(wide)[0], theirs.decode(wide)[0]
    assert tiled.shape == whole.shape
    # beyond the reach of a tile's ends nothing changes
    assert_near(tiled[..., :200], whole[..., :200])
    ours.disable_tiling()
    assert_near(ours.decode(wide)[0], whole)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@torch.no_grad()
def test_half_precision(folder: Path, theirs: Any, dtype: torch.dtype) -> None:
    half = AutoencoderTiny.from_pretrained(folder, torch_dtype=dtype)
    latents, pictures = noise(1, 4, 8, 8).to(dtype), noise(1, 3, 32, 32).to(dtype)
    decoded, encoded = half.decode(latents)[0], half.encode(pictures)[0]
    assert decoded.dtype == encoded.dtype == dtype
    assert_near(decoded.float(), theirs.decode(latents.float())[0], limit=0.05)
    assert_near(encoded.float(), theirs.encode(pictures.float())[0], limit=0.05)


@torch.no_grad()
def test_without_the_packages_own_kernels(
    ours: AutoencoderTiny, theirs: Any, torch_only: None
) -> None:
    assert_same(ours, theirs)
