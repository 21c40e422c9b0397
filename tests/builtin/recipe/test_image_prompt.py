"""An IP-Adapter is taught: nothing at scale 0, resumes, and its files load here and elsewhere."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from kakusan import StableDiffusionPipeline
from kakusan.builtin.recipe.build import build
from kakusan.builtin.recipe.image_prompt import (
    ADAPTER,
    ENCODER,
    ImagePromptRecipe,
    Prompted,
    build_image_prompt,
)
from kakusan.builtin.recipe.looking import OWN, Looks, Sight, attention_of, objects_at
from kakusan.builtin.recipe.painter import FONT_PATHS, Painter
from kakusan.builtin.recipe.scenes import Item, Scene, training_scene
from kakusan.cli import main
from kakusan.models import CLIPVisionModelWithProjection, ImageEncoderConfig, UNet2DConditionModel
from kakusan.training import trainer
from tests.builtin.recipe.test_build import TINY, settings

pytestmark = pytest.mark.skipif(
    not any(path.is_file() for path in FONT_PATHS),
    reason="Noto Color Emoji is not installed (Debian: fonts-noto-color-emoji)",
)
ENCODING = ImageEncoderConfig(
    image_size=16,
    patch_size=8,
    hidden_size=16,
    intermediate_size=32,
    num_hidden_layers=2,
    num_attention_heads=2,
    projection_dim=12,
)
TAUGHT = ImagePromptRecipe(
    pixels=64,
    things=6,
    scenes=13,
    asked=2,
    encoder=ENCODING,
    looking_settings=settings(3),
    settings=settings(5),
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
    unet = unet_of(folder / "model")  # which begins quietly: a wrong wire would not be seen
    torch.manual_seed(3)
    with torch.no_grad():
        for parameter in unet.parameters():
            parameter.normal_(std=0.2)
    unet.save_pretrained(folder / "model" / "unet")
    return folder / "model"


@pytest.fixture(scope="module")
def taught(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("image-prompt")
    build_image_prompt(TAUGHT, model, run, run / "adapter")
    return run


def picture(seed: int = 0) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def unet_of(model: Path) -> UNet2DConditionModel:
    return UNet2DConditionModel.from_pretrained(model / "unet").float()


def test_its_weights_begin_as_the_unets_own(model: Path) -> None:
    unet = unet_of(model)
    made = Sight(unet, ENCODING).adapter.state_dict()
    for place, name in enumerate(unet.text_attentions):
        attention = attention_of(unet, name)
        head = f"ip_adapter.{2 * place + 1}"
        assert torch.equal(made[f"{head}.to_k_ip.weight"], attention.to_k.weight)
        assert torch.equal(made[f"{head}.to_v_ip.weight"], attention.to_v.weight)


def test_only_what_looks_learns(model: Path) -> None:
    network = Prompted(unet_of(model), Sight(unet_of(model), ENCODING))
    learns = {name.split(".")[0] for name, p in network.named_parameters() if p.requires_grad}
    assert learns == {"sight"}


def test_what_is_not_shown_does_not_matter(model: Path) -> None:
    network = Prompted(unet_of(model), Sight(unet_of(model), ENCODING))
    draw = torch.Generator().manual_seed(1)
    x, text = torch.randn(2, 4, 8, 8, generator=draw), torch.randn(2, 40, 8, generator=draw)
    one, other = torch.randn(2, 2, 3, 16, 16, generator=draw)
    unseen = torch.tensor([True, False])
    found = [network(x, torch.tensor([10, 900]), text, each, unseen) for each in (one, other)]
    assert torch.allclose(found[0][0], found[1][0], atol=1e-6)
    assert not torch.allclose(found[0][1], found[1][1], atol=1e-5)


def test_a_varied_picture_is_of_the_same_scene() -> None:
    rng = np.random.default_rng(0)
    scenes = [training_scene(rng, 6) for _ in range(8)]
    looks = Looks(Painter(64), 16)
    plain, varied = looks.plain(scenes), looks.varied(scenes, np.random.default_rng(1))
    assert plain.shape == varied.shape == (8, 3, 16, 16)
    assert torch.equal(varied, looks.varied(scenes, np.random.default_rng(1)))
    assert not torch.equal(varied, looks.varied(scenes, np.random.default_rng(2)))
    far = (plain[:, None] - varied[None]).square().mean((2, 3, 4))
    assert torch.equal(far.argmin(0), torch.arange(8))


def test_names_are_asked_for_where_objects_are() -> None:
    front = Item(thing=2, colour=1, size=0.5, x=0.25, y=0.25)
    behind = Item(thing=4, size=0.5, x=0.5, y=0.25)
    objects, colours = objects_at([Scene((front, behind)), Scene()], 8, 6)
    assert objects[0].reshape(8, 8)[2].tolist() == [2, 2, 2, 2, 4, 4, 6, 6]
    assert colours[0].reshape(8, 8)[2].tolist() == [1, 1, 1, 1, OWN, OWN, -1, -1]
    assert (objects[1] == 6).all()
    assert (colours[1] == -1).all()


def test_killed_and_resumed_equals_uninterrupted(
    model: Path, taught: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    advance, kills = trainer.Run.advance, {("looking", 2), ("image-prompt", 3)}

    def advance_unless_killed(run: trainer.Run) -> float:
        if (at := (run.stage.name, run.step)) in kills:
            kills.remove(at)
            raise KilledError
        return advance(run)

    monkeypatch.setattr(trainer.Run, "advance", advance_unless_killed)
    for _ in range(2):
        with pytest.raises(KilledError):
            build_image_prompt(TAUGHT, model, tmp_path, tmp_path / "adapter")
    build_image_prompt(TAUGHT, model, tmp_path, tmp_path / "adapter")
    for name in ("looking", "image-prompt"):
        ours, theirs = (load_file(at / f"{name}.safetensors") for at in (tmp_path, taught))
        assert all(torch.equal(ours[key], theirs[key]) for key in theirs)
        assert not any("unet" in key for key in ours)
    assert (tmp_path / "adapter" / ADAPTER).read_bytes() == (
        taught / "adapter" / ADAPTER
    ).read_bytes()


@pytest.mark.parametrize("at", ["adapter", f"adapter/{ADAPTER}"])
def test_it_loads_and_at_scale_0_changes_nothing(model: Path, taught: Path, at: str) -> None:
    pipe = StableDiffusionPipeline.from_pretrained(model)
    pipe.set_progress_bar_config(disable=True)

    def drawn(**prompted: object) -> np.ndarray:
        made = pipe("", seed=3, num_inference_steps=2, output_type="np", **prompted)
        return made.images

    plain = drawn()
    pipe.load_ip_adapter(str(taught / at))
    assert pipe.image_encoder.config == ENCODING
    pipe.set_ip_adapter_scale(0.0)
    assert np.array_equal(drawn(ip_adapter_image=picture()), plain)
    pipe.set_ip_adapter_scale(1.0)
    assert not np.array_equal(drawn(ip_adapter_image=picture()), plain)
    assert not np.array_equal(drawn(ip_adapter_image=picture()), drawn(ip_adapter_image=picture(1)))


def test_the_files_are_read_by_the_reference(model: Path, taught: Path) -> None:
    from diffusers import UNet2DConditionModel as TheirUNet
    from transformers import CLIPVisionModelWithProjection as TheirEncoder

    folder = taught / "adapter"
    ours = CLIPVisionModelWithProjection.from_pretrained(folder / ENCODER).float()
    theirs = TheirEncoder.from_pretrained(folder / ENCODER).float()
    pixels = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        torch.testing.assert_close(
            ours(pixels)[0], theirs(pixels).image_embeds, rtol=1e-4, atol=1e-5
        )
    tensors = load_file(folder / ADAPTER)
    heads = {"image_proj": {}, "ip_adapter": {}}
    for name, tensor in tensors.items():
        head, _, rest = name.partition(".")
        heads[head][rest] = tensor.float()
    unet = TheirUNet.from_pretrained(model / "unet").float()
    unet._load_ip_adapter_weights([heads])
    draw = torch.Generator().manual_seed(2)
    x, text = torch.randn(2, 4, 8, 8, generator=draw), torch.randn(2, 40, 8, generator=draw)
    with torch.no_grad():
        features = theirs(pixels).image_embeds[:, None]
        wanted = unet(
            x, torch.tensor([5, 700]), text, added_cond_kwargs={"image_embeds": [features]}
        )[0]
        sight = Sight(unet_of(model), ENCODING)
        sight.encoder.load_state_dict(ours.state_dict())
        sight.adapter.load_state_dict({name: each.float() for name, each in tensors.items()})
        unseen = torch.zeros(2, dtype=torch.bool)
        found = Prompted(unet_of(model), sight)(x, torch.tensor([5, 700]), text, pixels, unseen)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)


def test_the_grid_shows_pictures_above_what_is_drawn(taught: Path) -> None:
    for name in ("looking-000003.png", "image-prompt-000005.png"):
        with Image.open(taught / name) as sheet:
            assert sheet.size == (12 * 64, 2 * 64)


def test_the_command_writes_the_folder(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    quick = {"looking_settings": settings(1), "settings": settings(1)}
    recipe = dataclasses.replace(TAUGHT, **quick)
    monkeypatch.setattr(f"{build_image_prompt.__module__}.ImagePromptRecipe", lambda: recipe)
    command = ["train", "image-prompt", "--model", str(model), "--run", str(tmp_path / "run")]
    assert main([*command, "-o", str(tmp_path / "out")]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "out")
    found = {path.relative_to(tmp_path / "out") for path in (tmp_path / "out").rglob("*.*")}
    weights = {Path(ENCODER) / name for name in ("config.json", "model.safetensors")}
    assert found == {Path(ADAPTER), *weights}
    assert main([*command, "-o", str(tmp_path / "out")]) == 2  # which is there already
