"""A ControlNet of edges is taught: it begins as nothing, resumes, and is read by others."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from kakusan.builtin.recipe.build import build
from kakusan.builtin.recipe.control import ControlRecipe, Look, Steered, build_control, small
from kakusan.builtin.recipe.painter import FONT_PATHS
from kakusan.errors import InputError, KakusanError
from kakusan.models import UNet2DConditionModel
from kakusan.models.control.controlnet import ControlNetModel
from kakusan.training import trainer
from tests.builtin.recipe.test_build import TINY, settings

pytestmark = pytest.mark.skipif(
    not any(path.is_file() for path in FONT_PATHS),
    reason="Noto Color Emoji is not installed (Debian: fonts-noto-color-emoji)",
)
CONTROL = ControlRecipe(
    pixels=64, things=6, scenes=13, hint_channels=(4, 4, 4, 4), settings=settings(5)
)


class KilledError(Exception):
    """Stands for whatever ends the process."""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    quick = settings(1)
    stages = ("vae_settings", "decoder_settings", "text_settings", "unet_settings")
    vae = dataclasses.replace(TINY.vae, block_out_channels=(8, 8, 8, 8), sample_size=64)
    sizes = {"pixels": 64, "vae": vae}
    recipe = dataclasses.replace(TINY, **sizes, **dict.fromkeys(stages, quick))
    build(recipe, folder, folder / "model")
    return folder / "model"


@pytest.fixture(scope="module")
def taught(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("control")
    build_control(CONTROL, model, run, run / "net")
    return run


def steered(model: Path) -> Steered:
    unet = UNet2DConditionModel.from_pretrained(model / "unet").float()
    for_all = torch.from_numpy(np.random.default_rng(0).random((3, 64, 64)) > 0.8)
    return Steered(unet, small(unet, CONTROL.hint_channels), for_all)


def asked(network: Steered, chosen: list[int]) -> torch.Tensor:
    draw = torch.Generator().manual_seed(1)
    x, text = torch.randn(2, 4, 8, 8, generator=draw), torch.randn(2, 40, 8, generator=draw)
    return network(x, torch.tensor([10, 900]), text, torch.tensor(chosen))


def test_it_begins_as_nothing(model: Path) -> None:
    network = steered(model)
    draw = torch.Generator().manual_seed(1)
    x, text = torch.randn(2, 4, 8, 8, generator=draw), torch.randn(2, 40, 8, generator=draw)
    plain = network.unet(x, torch.tensor([10, 900]), text)[0]
    torch.testing.assert_close(asked(network, [0, 1]), plain, rtol=1e-5, atol=1e-6)
    assert not any(parameter.requires_grad for parameter in network.unet.parameters())


@pytest.mark.parametrize(
    ("caption", "mirrored"),
    [
        ("a cat to the left of a dog, bright", "a cat to the right of a dog, bright"),
        ("猫の右に犬", "猫の左に犬"),
    ],
)
def test_captions_of_mirrored_scenes_name_the_other_side(caption: str, mirrored: str) -> None:
    look = Look(mirrored=True, zoom=1.0, shift=(0.0, 0.0))
    assert look.said(caption) == mirrored
    assert look.said(mirrored) == caption
    assert dataclasses.replace(look, mirrored=False).said(caption) == caption


def test_it_is_told_the_edges_of_its_own_picture(model: Path) -> None:
    network = steered(model)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(std=0.3)
    one, other = asked(network, [0, 1]), asked(network, [0, 2])
    assert torch.allclose(one[0], other[0], atol=1e-5)
    assert not torch.allclose(one[1], other[1], atol=1e-3)


def test_edges_are_seen_from_the_first_step(model: Path) -> None:
    net = small(UNet2DConditionModel.from_pretrained(model / "unet").float(), (16, 32, 64, 96))
    edges = torch.zeros(1, 3, 64, 64)
    edges[..., 20] = 1.0
    with torch.no_grad():
        said = net.controlnet_cond_embedding(edges) - net.controlnet_cond_embedding(edges * 0)
        beside = net.conv_in(torch.randn(1, net.config.in_channels, 8, 8))
    assert said.std() > 0.2 * beside.std()


def test_its_weights_are_those_of_the_unet_where_it_has_them(model: Path) -> None:
    network = steered(model)
    ours, theirs = network.controlnet.state_dict(), network.unet.state_dict()
    shared = ours.keys() & theirs.keys()
    assert {"conv_in.weight", "mid_block.resnets.0.conv1.weight"} <= shared
    assert all(torch.equal(ours[name], theirs[name]) for name in shared)
    assert not any("attn" in name for name in ours)


def test_killed_and_resumed_equals_uninterrupted(
    model: Path, taught: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    advance, kills = trainer.Run.advance, {3}

    def advance_unless_killed(run: trainer.Run) -> float:
        if run.step in kills:
            kills.remove(run.step)
            raise KilledError
        return advance(run)

    monkeypatch.setattr(trainer.Run, "advance", advance_unless_killed)
    with pytest.raises(KilledError):
        build_control(CONTROL, model, tmp_path, tmp_path / "net")
    build_control(CONTROL, model, tmp_path, tmp_path / "net")
    ours, theirs = (load_file(each / "control.safetensors") for each in (tmp_path, taught))
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)
    assert not any("unet" in key for key in ours)


def test_it_goes_on_from_a_net_that_is_there(model: Path, taught: Path, tmp_path: Path) -> None:
    once = dataclasses.replace(CONTROL, settings=settings(1))
    build_control(once, model, tmp_path / "a", tmp_path / "a/net", start=taught / "net")
    build_control(once, model, tmp_path / "b", tmp_path / "b/net")
    before, after, fresh = (
        ControlNetModel.from_pretrained(folder / "net").float().state_dict()
        for folder in (taught, tmp_path / "a", tmp_path / "b")
    )
    name = "controlnet_down_blocks.0.weight"  # which begins at zero
    far = (fresh[name] - before[name]).abs().max()
    assert (after[name] - before[name]).abs().max() < far / 2


def test_a_net_of_another_shape_is_refused_before_the_work(model: Path, tmp_path: Path) -> None:
    unet = UNet2DConditionModel.from_pretrained(model / "unet").float()
    small(unet, (4, 4, 4, 8)).save_pretrained(tmp_path / "other")
    with pytest.raises(InputError, match="other' is another ControlNet than this recipe teaches"):
        build_control(CONTROL, model, tmp_path / "run", tmp_path / "net", start=tmp_path / "other")
    with pytest.raises(KakusanError, match="nowhere"):
        build_control(CONTROL, model, tmp_path / "run", tmp_path / "net", start=Path("nowhere"))
    assert not (tmp_path / "run").exists()


def test_the_net_is_read_by_the_reference(taught: Path) -> None:
    from diffusers import ControlNetModel as Theirs

    ours, theirs = (kind.from_pretrained(taught / "net") for kind in (ControlNetModel, Theirs))
    draw = torch.Generator().manual_seed(1)
    x, text = torch.randn(2, 4, 8, 8, generator=draw), torch.randn(2, 40, 8, generator=draw)
    hint = torch.rand(2, 3, 64, 64, generator=draw)
    ours, theirs = ours.float(), theirs.float()
    with torch.no_grad():
        found = ours(x, torch.tensor([5, 700]), text, hint)
        wanted = theirs(x, torch.tensor([5, 700]), text, hint)
    for one, other in zip(found[0], wanted[0], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found[1], wanted[1], rtol=1e-4, atol=1e-5)
    assert max(float(each.abs().max()) for each in found[0]) > 0


def test_the_grid_shows_edges_above_what_is_drawn(taught: Path) -> None:
    from PIL import Image

    with Image.open(taught / "control-000005.png") as sheet:
        assert sheet.size == (12 * 64, 2 * 64)
        top = np.asarray(sheet)[:64]
    assert set(np.unique(top)) == {0, 255}
