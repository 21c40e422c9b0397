"""Another VAE, another UNet: named in a request, recorded, and drawn with again."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import kakusan
from kakusan.errors import CheckpointError, RequestError, Undecoded
from kakusan.pipeline import decode
from kakusan.pipeline.draw import loaded
from tests.oracle import single, tiny

TAESD = {
    "encoder_block_out_channels": (8, 8, 8, 8),
    "decoder_block_out_channels": (8, 8, 8, 8),
    "num_encoder_blocks": (1, 1, 1, 1),
    "num_decoder_blocks": (1, 1, 1, 1),
}


@pytest.fixture(scope="module")
def theirs() -> Any:
    with tiny.quiet():
        return tiny.randomise(diffusers.AutoencoderTiny(**TAESD), 7)


@pytest.fixture(scope="module")
def folder(theirs: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("small")
    theirs.save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def decoder(theirs: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("files") / "taesd_decoder.safetensors"
    tensors = {
        f"{int(name.split('.')[2]) + 1}.{name.split('.', 3)[3]}": tensor
        for name, tensor in theirs.state_dict().items()
        if name.startswith("decoder.")
    }
    save_file(tensors, path)
    return path


@pytest.fixture(autouse=True)
def fresh() -> Any:
    loaded.cache_clear()
    yield
    loaded.cache_clear()


def drawn(model: Path, **settings: Any) -> Any:
    (picture,) = kakusan.generate(
        "a cat", model=model, seed=1, steps=2, progress=False, dtype="float32", **settings
    )
    return picture


def levels(image: Any) -> np.ndarray:
    return np.asarray(image).astype(int)


def test_pictures_beside_the_references(tiny_v1: Path, folder: Path, theirs: Any) -> None:
    ours = kakusan.StableDiffusionPipeline.from_pretrained(tiny_v1)
    ours.set_progress_bar_config(disable=True)
    ours.vae = kakusan.AutoencoderTiny.from_pretrained(folder)
    with tiny.quiet():
        other: Any = diffusers.StableDiffusionPipeline.from_pretrained(tiny_v1, vae=theirs)
    other.set_progress_bar_config(disable=True)
    pictures = [
        levels(
            pipe("a cat", generator=torch.Generator().manual_seed(3), num_inference_steps=3).images[
                0
            ]
        )
        for pipe in (ours, other)
    ]
    assert pictures[0].shape == (64, 64, 3)
    assert np.abs(pictures[0] - pictures[1]).max() <= 1


@pytest.mark.parametrize("form", ["folder", "decoder"])
def test_a_vae_is_recorded_and_drawn_with_again(
    tiny_v1: Path, request: pytest.FixtureRequest, form: str
) -> None:
    vae: Path = request.getfixturevalue(form)
    picture, own = drawn(tiny_v1, vae=vae), drawn(tiny_v1)
    assert np.abs(levels(picture.image) - levels(own.image)).max() > 5
    assert picture.record["vae"] == str(vae)
    assert picture.record["model"] == str(tiny_v1)
    assert "vae" not in own.record
    assert not [note for note in picture.record["notes"] if "exchanged" in note]
    again = kakusan.reproduce(picture.record, trust_model=True, progress=False)
    assert np.array_equal(levels(again.image), levels(picture.image))
    named = kakusan.reproduce(
        {**picture.record, "vae": "/nowhere"}, model=tiny_v1, vae=vae, progress=False
    )
    assert np.array_equal(levels(named.image), levels(picture.image))


def test_a_record_names_no_part_unasked(tiny_v1: Path, folder: Path) -> None:
    record = drawn(tiny_v1, vae=folder).record
    for given in ({"model": tiny_v1}, {}):
        with pytest.raises(kakusan.InputError, match=r"the record names the (vae|model)"):
            kakusan.reproduce(record, progress=False, **given)
    with pytest.raises(kakusan.InputError, match="the record names the vae '/etc/passwd'"):
        kakusan.reproduce({**record, "vae": "/etc/passwd"}, model=tiny_v1, progress=False)
    with pytest.raises(kakusan.InputError, match=r"\{?vae\}? must be a text"):
        kakusan.reproduce({**record, "vae": 5}, model=tiny_v1, trust_model=True, progress=False)


def test_a_pipeline_with_a_named_part_says_so(tiny_v1: Path, folder: Path) -> None:
    pipe = kakusan.StableDiffusionPipeline.from_pretrained(tiny_v1)
    pipe.set_progress_bar_config(disable=True)
    pipe.vae = kakusan.AutoencoderTiny.from_pretrained(folder)
    record = pipe("a cat", seed=1, num_inference_steps=2).records[0]
    assert (record["vae"], record["model"]) == (str(folder), str(tiny_v1))
    pipe.vae = kakusan.AutoencoderTiny.from_pretrained(folder, torch_dtype=torch.float16)
    record = pipe("a cat", seed=1, num_inference_steps=2).records[0]
    assert record["model"] is None
    assert f"parts of {tiny_v1} were exchanged" in record["notes"]


def test_latents_are_decoded_with_the_vae_of_their_record(tiny_v1: Path, folder: Path) -> None:
    picture = drawn(tiny_v1, vae=folder)
    pipe = kakusan.StableDiffusionPipeline.from_pretrained(tiny_v1)
    pipe.set_progress_bar_config(disable=True)
    latents = pipe("a cat", seed=1, num_inference_steps=2, output_type="latent").images
    undecoded = Undecoded(latents, [picture.record])
    with pytest.raises(kakusan.InputError, match="the record names the vae"):
        decode(undecoded, model=tiny_v1)
    for given in ({"trust_model": True}, {"model": tiny_v1, "vae": folder}):
        (again,) = decode(undecoded, **given)
        assert np.array_equal(levels(again.image), levels(picture.image))
        assert again.record["vae"] == str(folder)


def test_another_unet(tiny_v1: Path, tmp_path: Path) -> None:
    with tiny.quiet():
        tiny.randomise(tiny.unet(), 77).save_pretrained(tmp_path / "some_lightning_2step_unet")
    unet = tmp_path / "some_lightning_2step_unet"
    (picture,) = kakusan.generate("a cat", model=tiny_v1, unet=unet, seed=1, progress=False)
    record = picture.record
    assert record["unet"] == str(unet)
    assert (record["num_inference_steps"], record["guidance_scale"]) == (2, 0.0)
    assert record["scheduler"]["timestep_spacing"] == "trailing"
    again = kakusan.reproduce(record, trust_model=True, progress=False)
    assert np.array_equal(levels(again.image), levels(picture.image))


def test_a_whole_model_gives_its_part(tiny_v1: Path, tiny_v2: Path) -> None:
    picture = drawn(tiny_v1, vae=tiny_v2)  # whose VAE is the same
    assert np.array_equal(levels(picture.image), levels(drawn(tiny_v1).image))


def test_what_does_not_fit(
    tiny_v1: Path, theirs: Any, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "kakusan.models.UNet2DConditionModel.from_folder",
        lambda *_, **__: pytest.fail("weights were read"),
    )
    with tiny.quiet():
        diffusers.AutoencoderTiny(**TAESD, latent_channels=16).save_pretrained(tmp_path / "wide")
        small = {name: values[:3] for name, values in TAESD.items()}
        diffusers.AutoencoderTiny(**small).save_pretrained(tmp_path / "small")
        tiny.vae(scaling_factor=0.13025).save_pretrained(tmp_path / "scaled")
    for name, message in (
        ("wide", "has latents of 16 channels, and this model's UNet gives 4"),
        ("small", "has 4 pixels a latent, and this model's own 8"),
        ("scaled", "has the scaling_factor 0.13025, and this model's own 0.18215"),
    ):
        with pytest.raises(RequestError, match=message):
            drawn(tiny_v1, vae=tmp_path / name)
    with pytest.raises(CheckpointError, match="so it is not a vae's folder"):
        drawn(tiny_v1, vae=tmp_path)
    with pytest.raises(CheckpointError, match="a vae is AutoencoderKL or AutoencoderTiny"):
        drawn(tiny_v1, vae=tiny_v1 / "unet")
    with pytest.raises(CheckpointError, match="a unet is UNet2DConditionModel"):
        drawn(tiny_v1, unet=folder)
    with pytest.raises(kakusan.InputError, match="there is no model"):
        drawn(tiny_v1, vae=tmp_path / "nothing")
    (tmp_path / "notes.safetensors").write_text("hello")
    with pytest.raises(CheckpointError, match="is not a safetensors file; fetch it again"):
        drawn(tiny_v1, vae=tmp_path / "notes.safetensors")


# As a file of weights alone lets it be told
GROUPED = {"block_out_channels": [32, 32, 32, 32], "norm_num_groups": 32}


def ldm_vae(folder: Path) -> dict[str, torch.Tensor]:
    """A VAE under the names of the original program."""
    from kakusan.checkpoints.weights import read_weights

    tensors = read_weights(folder.glob("*.safetensors"), dtype=None)
    changes = {
        "conv_norm_out": "norm_out",
        "mid_block.resnets.0": "mid.block_1",
        "mid_block.resnets.1": "mid.block_2",
        "mid_block.attentions.0.group_norm": "mid.attn_1.norm",
        "mid_block.attentions.0.to_q": "mid.attn_1.q",
        "mid_block.attentions.0.to_k": "mid.attn_1.k",
        "mid_block.attentions.0.to_v": "mid.attn_1.v",
        "mid_block.attentions.0.to_out.0": "mid.attn_1.proj_out",
        "conv_shortcut": "nin_shortcut",
        "downsamplers.0": "downsample",
        "upsamplers.0": "upsample",
    }
    found: dict[str, torch.Tensor] = {}
    for name, tensor in tensors.items():
        for new, old in changes.items():
            name = name.replace(new, old)
        for level in range(4):
            name = name.replace(f"down_blocks.{level}.resnets", f"down.{level}.block")
            name = name.replace(f"down_blocks.{level}.", f"down.{level}.")
            name = name.replace(f"up_blocks.{level}.resnets", f"up.{3 - level}.block")
            name = name.replace(f"up_blocks.{level}.", f"up.{3 - level}.")
        is_matrix = "attn_1" in name and tensor.ndim == 2
        found[name] = tensor[:, :, None, None].contiguous() if is_matrix else tensor
    return found


@pytest.mark.parametrize("form", ["original", "reference"])
def test_a_vae_in_one_file(tiny_v1: Path, tmp_path: Path, form: str) -> None:
    with tiny.quiet():
        tiny.randomise(tiny.vae(**GROUPED), 9).save_pretrained(tmp_path / "vae")
    file = tmp_path / "vae/diffusion_pytorch_model.safetensors"
    if form == "original":
        file = tmp_path / "some.vae.safetensors"
        save_file(ldm_vae(tmp_path / "vae"), file)
    picture, expected = drawn(tiny_v1, vae=file), drawn(tiny_v1, vae=tmp_path / "vae")
    assert np.array_equal(levels(picture.image), levels(expected.image))
    assert picture.record["vae"] == str(file)
    again = kakusan.reproduce(picture.record, trust_model=True, progress=False)
    assert np.array_equal(levels(again.image), levels(picture.image))


def test_a_file_takes_the_scale_of_the_models_own(tmp_path: Path, tiny_v1: Path) -> None:
    model = shutil.copytree(tiny_v1, tmp_path / "model")
    with tiny.quiet():
        tiny.vae(**GROUPED, scaling_factor=0.13025).save_pretrained(model / "vae")
    file = model / "vae/diffusion_pytorch_model.safetensors"
    assert np.array_equal(levels(drawn(model, vae=file).image), levels(drawn(model).image))


def test_the_vae_of_a_whole_file_has_its_familys_scale(tmp_path: Path) -> None:
    files = {
        "v1": single.v1_tensors(single.v1()),
        "v2": single.v2_tensors(single.v2()),
        "sdxl": single.sdxl_tensors(single.sdxl()),
    }
    paths = {
        name: single.write(tmp_path / f"{name}.safetensors", tensors)
        for name, tensors in files.items()
    }
    pairs = (("v1", "v2"), ("v1", "v1"), ("sdxl", "sdxl"))
    for model, vae in pairs:
        drawn(paths[model], vae=paths[vae])
    for model, vae in (("v1", "sdxl"), ("sdxl", "v2")):
        with pytest.raises(RequestError, match="belongs to another family") as caught:
            drawn(paths[model], vae=paths[vae])
        assert "\n" not in str(caught.value)


def test_a_vaes_file_in_part_says_what_to_do(tiny_v1: Path, tmp_path: Path) -> None:
    whole = tiny_v1 / "vae/diffusion_pytorch_model.safetensors"
    path = tmp_path / "vae.safetensors"
    for bytes_ in (4, 1000, whole.stat().st_size - 1):
        path.write_bytes(whole.read_bytes()[:bytes_])
        with pytest.raises(CheckpointError, match=r"vae\.safetensors.*; fetch it again\.$"):
            drawn(tiny_v1, vae=path)


def test_a_unet_in_one_file(tiny_v1: Path, tmp_path: Path) -> None:
    with tiny.quiet():
        shape = {"block_out_channels": [32, 64, 64], "norm_num_groups": 32}
        tiny.unet(**shape, attention_head_dim=8).save_pretrained(tmp_path / "unet")
    file = tmp_path / "sd_lightning_2step_unet.safetensors"
    shutil.copy(tmp_path / "unet/diffusion_pytorch_model.safetensors", file)

    pipe = kakusan.StableDiffusionPipeline.from_pretrained(
        tiny_v1,
        unet=kakusan.UNet2DConditionModel.from_single_file(file),
    )
    pipe.set_progress_bar_config(disable=True)
    output = pipe("a cat", seed=1, height=64, width=64)
    record = output.records[0]
    assert (record["num_inference_steps"], record["guidance_scale"]) == (2, 0.0)
    assert record["scheduler"]["timestep_spacing"] == "trailing"
    assert record["unet"] == str(file)
    again = kakusan.reproduce(record, trust_model=True, progress=False)
    assert np.array_equal(levels(again.image), levels(output.images[0]))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Whole models in one file, and UNets alone."""
    folder = tmp_path_factory.mktemp("families")
    xl, v1 = single.sdxl(), single.v1()
    tensors = {
        "v1": single.v1_tensors(v1),
        "sdxl": single.sdxl_tensors(xl),
        "v1_unet": single.unet_tensors(v1.unet),
        "xl_unet": single.unet_tensors(xl.unet, ""),
        "editing_unet": single.unet_tensors(single.v1(in_channels=8).unet),
    }
    return {
        name: single.write(folder / f"{name}.safetensors", each) for name, each in tensors.items()
    }


UNFIT = [
    ("v1", "xl_unet", "SDXL", "Stable Diffusion 1 or 2", "128, and this model's .* give 64"),
    ("v1", "sdxl", "SDXL", "Stable Diffusion 1 or 2", "128, and this model's .* give 64"),
    ("sdxl", "v1_unet", "Stable Diffusion 1 or 2", "SDXL", "64, and this model's .* give 128"),
]


@pytest.mark.parametrize(("model", "unet", "its", "own", "widths"), UNFIT)
def test_a_unet_of_another_family_before_its_weights_are_read(
    files: dict[str, Path],
    model: str,
    unet: str,
    its: str,
    own: str,
    widths: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "kakusan.checkpoints.single_file.checkpoint.Checkpoint.tensors",
        lambda *_, **__: pytest.fail("weights were read"),
    )
    name = re.escape(repr(str(files[unet])))
    said = f"the unet {name} is of {its}, and this model is {own}: it attends to .* width {widths}"
    with pytest.raises(RequestError, match=said):
        drawn(files[model], unet=files[unet])


@pytest.mark.parametrize(("model", "unet", "its", "own", "widths"), UNFIT)
def test_a_ready_unet_of_another_family(
    files: dict[str, Path], model: str, unet: str, its: str, own: str, widths: str
) -> None:
    network = kakusan.UNet2DConditionModel.from_single_file(files[unet])
    said = f" is of {its}, and this model is {own}: it attends to texts of width {widths}"
    kind = kakusan.DiffusionPipeline
    for name in (network.name_or_path, None):  # as it has none where a subfolder was named
        network.name_or_path = name
        for load in (kind.from_single_file, kind.from_pretrained):
            with pytest.raises(RequestError, match=said) as caught:
                load(files[model], unet=network)
            which = "that is given" if name is None else repr(name)
            assert str(caught.value).startswith(f"the unet {which} is of")


def test_a_unet_with_the_texts_that_it_attends_to(files: dict[str, Path], tiny_v1: Path) -> None:
    part, kind = kakusan.CLIPTextModel, kakusan.StableDiffusionPipeline
    unet = kakusan.UNet2DConditionModel.from_single_file(files["v1"])
    with pytest.raises(RequestError, match=r"attends to texts of width 64, .* encoders give 32"):
        kind.from_pretrained(tiny_v1, unet=unet)
    encoder = part.from_single_file(files["v1"])
    assert kind.from_pretrained(tiny_v1, unet=unet, text_encoder=encoder).unet is unet
    # the texts may come with the call
    assert kind.from_pretrained(tiny_v1, unet=unet, text_encoder=None).unet is unet
    xl = kakusan.StableDiffusionXLPipeline
    network = kakusan.UNet2DConditionModel.from_single_file(files["sdxl"])
    pipe = xl.from_single_file(files["sdxl"], unet=network, text_encoder=None, tokenizer=None)
    assert pipe.unet is network


def test_a_unet_of_other_channels(files: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    network = kakusan.UNet2DConditionModel.from_single_file(files["editing_unet"])
    monkeypatch.setattr(
        "kakusan.checkpoints.single_file.checkpoint.Checkpoint.tensors",
        lambda *_, **__: pytest.fail("weights were read"),
    )
    said = "the unet takes 8 channels and the vae gives 4: models that edit"
    with pytest.raises(RequestError, match=said):
        drawn(files["v1"], unet=files["editing_unet"])
    with pytest.raises(RequestError, match=said):
        kakusan.StableDiffusionPipeline.from_single_file(files["v1"], unet=network)


def test_taesdxl_by_its_name(
    tiny_v1: Path, folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    named = shutil.copytree(folder, tmp_path / "taesdxl")
    drawn(tiny_v1, vae=named)
    assert "colours will be wrong; take taesd" in caplog.text


def test_a_folder_with_a_tiny_vae(tiny_v1: Path, folder: Path, tmp_path: Path) -> None:
    pipe = kakusan.StableDiffusionPipeline.from_pretrained(
        tiny_v1, vae=kakusan.AutoencoderTiny.from_pretrained(folder)
    )
    pipe.save_pretrained(tmp_path)
    index = json.loads((tmp_path / "model_index.json").read_text())
    assert index["vae"] == ["diffusers", "AutoencoderTiny"]
    with tiny.quiet():
        again: Any = diffusers.StableDiffusionPipeline.from_pretrained(tmp_path)
    assert type(again.vae) is diffusers.AutoencoderTiny
    ours = kakusan.DiffusionPipeline.from_pretrained(tmp_path)
    assert type(ours.vae) is kakusan.AutoencoderTiny


@pytest.mark.parametrize("form", ["folder", "decoder"])
def test_previews(tiny_v1: Path, request: pytest.FixtureRequest, form: str) -> None:
    path: Path = request.getfixturevalue(form)
    pipe = kakusan.StableDiffusionPipeline.from_pretrained(tiny_v1)
    pipe.set_progress_bar_config(disable=True)
    kind = kakusan.AutoencoderTiny
    small = kind.from_pretrained(path) if path.is_dir() else kind.from_single_file(path)
    for step in pipe.stream("a cat", seed=1, num_inference_steps=2):
        (linear,), (full,) = step.preview(), step.preview(small)
        assert (linear.size, full.size) == ((8, 8), (64, 64))
        with torch.no_grad():
            expected = small.decode(step.denoised)[0].clamp(-1, 1)
        pixels = ((expected[0].movedim(0, -1) + 1) * 127.5).round().numpy()
        assert np.abs(levels(full) - pixels).max() <= 1
    pipe.vae = small
    assert next(iter(pipe.stream("a cat", seed=1))).preview()[0].size == (8, 8)
