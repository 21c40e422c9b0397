"""What a run takes of memory is told before it, and what cannot fit is refused."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import kakusan
import kakusan.engine
from kakusan.cli import main
from kakusan.engine.needs import unet_bytes
from kakusan.errors import RequestError
from kakusan.inputs import Inputs
from kakusan.models import AutoencoderKL, CLIPTextModel, UNet2DConditionModel, UNetConfig
from kakusan.models.skeleton import skeleton
from kakusan.pipeline import draw
from kakusan.pipeline.container import Shape
from kakusan.pipeline.draw import loaded
from kakusan.pipeline.plan import Plan, plan
from kakusan.request import Request
from tests.cli.fakes import Run
from tests.oracle import single, tiny

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
GB = 10**9
V1 = UNetConfig()
XL = UNetConfig(
    sample_size=128,
    block_out_channels=(320, 640, 1280),
    transformer_depth=(0, 2, 10),
    middle_transformer_depth=10,
    num_heads=(5, 10, 20),
    cross_attention_dim=2048,
    linear_projection=True,
    added_time_dim=256,
    added_conditioning_dim=2816,
)
VAE: dict[str, Any] = {
    "block_out_channels": [128, 256, 512, 512],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "layers_per_block": 2,
    "sample_size": 512,
    "force_upcast": True,
}
CLIP = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
}
BIGG = {
    "hidden_size": 1280,
    "intermediate_size": 5120,
    "num_hidden_layers": 32,
    "num_attention_heads": 20,
}
Have = Callable[[float | None], None]


@pytest.fixture
def have(monkeypatch: pytest.MonkeyPatch) -> Have:
    """Has so many bytes be free, and a processor that is fast in bfloat16."""
    monkeypatch.setattr("kakusan.pipeline.plan._kept", lambda *_: True)
    monkeypatch.setattr(
        "kakusan.models.Model.would_compute_in",
        lambda self, stored, _: torch.float32 if self._needs_float32 else stored,
    )

    def have(free: float | None) -> None:
        known = None if free is None else int(free)
        monkeypatch.setattr("kakusan.pipeline.plan.free_memory", lambda _: known)

    return have


@pytest.fixture(scope="module")
def v1() -> list[Shape]:
    with skeleton():
        parts = [
            AutoencoderKL.from_config(VAE),
            CLIPTextModel.from_config(CLIP),
            UNet2DConditionModel(V1),
        ]
    return [Shape(part, "float16") for part in parts]


@pytest.fixture(scope="module")
def xl() -> list[Shape]:
    with skeleton():
        parts = [
            AutoencoderKL.from_config({**VAE, "sample_size": 1024}),
            CLIPTextModel.from_config(CLIP),
            CLIPTextModel.from_config(BIGG),
            UNet2DConditionModel(XL),
        ]
    return [Shape(part, "float16") for part in parts]


def planned(parts: list[Shape], device: torch.device = CPU, **settings: Any) -> Plan:
    dtypes = settings.pop("dtypes", [torch.float16])
    return plan(parts, Request.of("a cat", **settings), device, dtypes)


def test_all_at_once_where_there_is_room(have: Have, v1: list[Shape]) -> None:
    have(20 * GB)
    found = planned(v1)
    assert not found.takes_turns
    assert found.tile is None
    weights = 2 * (859_520_964 + 123_060_480 + 83_653_863)
    assert 1.0 * GB < found.need.most - weights < 1.2 * GB  # the VAE decodes in float32
    assert str(found) == "memory: needs 3.2 GB, 20.0 GB are free"
    have(None)
    assert str(planned(v1)) == "memory: needs 3.2 GB"


def test_cfg_pp_computes_both_sides_whatever_guidance_is(have: Have, v1: list[Shape]) -> None:
    have(None)
    size = {"width": 1024, "height": 1024, "dtypes": [torch.float32]}
    unet = [part for part in v1 if isinstance(part.network, UNet2DConditionModel)]
    two, one = (planned(unet, guidance_scale=each, **size).need.most for each in (7.5, 1.0))
    assert two > one
    for name in ("euler_cfg_pp", "DDIM CFG++", {"_class_name": "DPMPP2MCFGPPScheduler"}):
        for guidance in (0.6, 1.0, 7.5, None):
            found = planned(unet, guidance_scale=guidance, scheduler=name, **size)
            assert found.need.most == two
    assert planned(unet, guidance_scale=1.0, scheduler="euler", **size).need.most == one


def test_parts_take_turns_where_there_is_less(have: Have, v1: list[Shape]) -> None:
    have(2.6 * GB)
    found = planned(v1)
    assert found.takes_turns
    assert str(found) == (
        "memory: needs 3.2 GB, at least 2.0 GB, 2.6 GB are free: the model's parts take turns"
    )
    have(2.4 * GB)
    assert planned(v1, width=1024, height=1024, guidance_scale=1.0).tile == 512
    assert "the VAE decodes in tiles of 512 pixels" in str(
        planned(v1, width=1024, height=1024, guidance_scale=1.0)
    )


def test_weights_that_are_converted_stay(have: Have, v1: list[Shape]) -> None:
    have(20 * GB)
    mapped, converted = planned(v1), planned(v1, dtypes=[torch.bfloat16])
    assert converted.need.least - mapped.need.least == 2 * (123_060_480 + 83_653_863)
    assert planned(v1, dtypes=[torch.float32]).need.most > 1.3 * converted.need.most


def test_quantised_weights_count_as_they_are(have: Have, v1: list[Shape]) -> None:
    have(20 * GB)
    plain = planned(v1)
    smaller = [part._replace(blocks=10**6 * number) for number, part in enumerate(v1, 100)]
    for dtype in (torch.float16, torch.float32):
        found = planned(smaller, dtypes=[dtype])
        weights = 2 * (859_520_964 + 123_060_480 + 83_653_863)
        if dtype == torch.float16:
            assert plain.need.most - found.need.most == weights - 303 * 10**6
        assert found.need.least < plain.need.least


def test_float16_is_chosen_where_nothing_else_fits(have: Have, v1: list[Shape]) -> None:
    have(2.2 * GB)
    found = planned(v1, dtypes=[torch.float32, torch.float16])
    assert (found.dtype, found.chosen) == (torch.float16, True)
    assert str(found).endswith("the model's parts take turns, weights are stored in float16")
    have(20 * GB)
    found = planned(v1, dtypes=[torch.float32, torch.float16])
    assert (found.dtype, found.chosen) == (torch.float32, False)


def test_what_cannot_fit_is_refused_with_what_would(have: Have, v1: list[Shape]) -> None:
    have(2.3 * GB)
    with pytest.raises(RequestError) as caught:
        planned(v1, width=2048, height=2048)
    said = str(caught.value)
    assert said.startswith("drawing 2048 x 2048 pixels takes at least ")
    assert "with weights in float16, and 2.3 GB are free on cpu; 768 x 768 pixels take " in said
    assert "\n" not in said
    have(4 * GB)
    with pytest.raises(RequestError, match=r"512 x 512 pixels with weights in float16 take"):
        planned(v1, dtypes=[torch.float32], width=512, height=512)
    have(1 * GB)
    with pytest.raises(RequestError, match="no smaller picture does; free memory"):
        planned(v1)


def test_a_guess_refuses_nothing(
    have: Have, v1: list[Shape], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Elsewhere than on Linux what is free is half of what there is."""
    have(1 * GB)
    monkeypatch.setattr("kakusan.runtime.memory.PROC", Path("/absent"))
    assert "the model's parts take turns" in str(planned(v1))


def test_sdxl_fits_into_twelve_gigabytes_and_takes_turns_on_eight(
    have: Have, xl: list[Shape]
) -> None:
    have(11.5 * GB)
    found = planned(xl)
    assert found.size == (1024, 1024)
    assert found.fits
    assert found.need.least < 6.5 * GB
    assert found.tile is None
    have(7.8 * GB)
    found = planned(xl, CUDA)
    assert found.fits
    assert found.takes_turns
    have(20 * GB)
    assert not planned(xl, CUDA).takes_turns


@pytest.mark.parametrize(
    ("config", "size", "dtype", "measured"),
    [  # the most beyond what a process with the weights takes, in MB
        (V1, (2, 32, 32), torch.bfloat16, 96),
        (V1, (2, 64, 64), torch.bfloat16, 252),
        (V1, (2, 96, 96), torch.bfloat16, 488),
        (V1, (2, 64, 64), torch.float32, 480),
        (XL, (2, 64, 64), torch.bfloat16, 193),
        (XL, (2, 128, 128), torch.bfloat16, 538),
    ],
)
def test_the_unets_need_is_what_was_measured(
    config: UNetConfig, size: tuple[int, int, int], dtype: torch.dtype, measured: int
) -> None:
    found = unet_bytes(config, size, dtype, CPU) / 1e6
    assert abs(found - measured) <= 0.2 * measured


def test_the_log_is_told_once_for_a_model(
    tiny_v1: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded.cache_clear()
    caplog.set_level(logging.INFO, "kakusan.memory")
    monkeypatch.setattr("kakusan.pipeline.plan.free_memory", lambda _: 20 * GB)
    request = Request.of("a cat", seed=1, model=str(tiny_v1), num_inference_steps=1)
    for _ in range(2):
        draw(request, progress=False)
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith("memory: needs ")
    assert line.endswith("MB, 20.0 GB are free")
    monkeypatch.setattr("kakusan.pipeline.plan.free_memory", lambda _: 100_000)
    loaded.cache_clear()
    with pytest.raises(RequestError, match="drawing 64 x 64 pixels takes at least"):
        draw(request, progress=False)


def test_the_command_line_says_it(
    tiny_v1: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*arguments: str) -> Run:
        loaded.cache_clear()
        options = ("--model", str(tiny_v1), "--steps", "1", "-o", str(tmp_path / "a.png"))
        code = main(["generate", "a cat", *options, *arguments])
        said = capsys.readouterr()
        return Run(code, said.out, said.err)

    done = run()
    (line,) = done.err.splitlines()
    assert line.startswith("kakusan: memory: needs ")
    assert line.endswith(" are free")
    assert not [line for line in run("-q").err.splitlines() if "memory" in line]
    assert logging.getLogger("kakusan.memory").level == logging.NOTSET


def test_a_batch_that_is_too_large_is_refused(
    tiny_v1: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe = kakusan.StableDiffusionPipeline.from_pretrained(tiny_v1)
    pipe.set_progress_bar_config(disable=True)
    config = pipe.unet.config
    room = unet_bytes(config, (6, 8, 8), torch.float32, CPU)
    plain = kakusan.engine.Engine.decode

    def decode(engine: Any, latents: torch.Tensor) -> Any:
        with monkeypatch.context() as patch:
            patch.setattr("kakusan.engine.engine.free_memory", lambda _: None)
            return plain(engine, latents)

    monkeypatch.setattr("kakusan.engine.Engine.decode", decode)
    monkeypatch.setattr("kakusan.engine.engine.free_memory", lambda _: room)
    size: dict[str, Any] = {"height": 64, "width": 64, "num_inference_steps": 1}
    with pytest.raises(RequestError, match=r"a batch of 5 pictures of 64 x 64 .* draw 3 at a"):
        pipe.prepared(Request.of("a cat", num_images_per_prompt=5, **size), Inputs())
    with pytest.raises(RequestError, match="draw 3 at a time"):
        pipe("a cat", seed=1, num_images_per_prompt=5, batch_size=5, **size)
    assert pipe("a cat", seed=1, num_images_per_prompt=3, **size).images


def test_a_vae_named_besides_counts(
    tiny_v1: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("kakusan.pipeline.plan.free_memory", lambda _: 20 * GB)
    large = tiny.vae(block_out_channels=[64, 64, 64, 128], norm_num_groups=32)
    large.save_pretrained(tmp_path / "folder")
    file = single.write(tmp_path / "large.safetensors", single.vae_tensors(large, prefix=""))
    said: list[str] = []
    for vae in (None, str(tmp_path / "folder"), str(file)):
        caplog.clear()
        loaded.cache_clear()
        with caplog.at_level("INFO", logger="kakusan.memory"):
            request = Request(prompt="x", model=str(tiny_v1), vae=vae, num_inference_steps=1)
            draw(request, progress=False)
        said += [each.getMessage() for each in caplog.records if each.name == "kakusan.memory"]
    own, *named = said
    assert len(named) == 2
    assert named[0] == named[1] != own
