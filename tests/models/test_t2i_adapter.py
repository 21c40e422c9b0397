"""T2I-Adapters beside the reference's: the features of all levels."""

from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch

from kakusan.errors import CheckpointError, RequestError
from kakusan.models.control.controlnet import ControlNetModel
from kakusan.models.control.several import MultiAdapter, MultiControlNetModel
from kakusan.models.control.t2i_adapter import T2IAdapter
from tests.models.comparing import assert_near
from tests.models.test_controlnet import V1, question, written
from tests.oracle import tiny

SHAPES: dict[str, dict[str, Any]] = {
    "full": {"channels": [16, 32, 32]},
    "same": {"channels": [16, 16, 32], "in_channels": 1, "num_res_blocks": 3},
    "light": {"channels": [16, 32], "num_res_blocks": 4, "adapter_type": "light_adapter"},
    "xl": {
        "channels": [16, 32, 32, 32],
        "downscale_factor": 16,
        "adapter_type": "full_adapter_xl",
    },
}


def adapter(folder: Path, seed: int = 9, **shape: Any) -> tuple[T2IAdapter, Any]:
    with tiny.quiet():
        theirs = tiny.randomise(diffusers.T2IAdapter(**shape), seed)
        theirs.save_pretrained(folder)
    return T2IAdapter.from_pretrained(folder).double(), theirs.double()


def picture(net: Any, height: int = 96, width: int = 64, seed: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(2, net.config.in_channels, height, width, generator=generator).double()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("size", [(96, 64), (80, 48)])
@torch.no_grad()
def test_all_features(shape: str, size: tuple[int, int], tmp_path: Path) -> None:
    ours, theirs = adapter(tmp_path, **SHAPES[shape])
    given = picture(theirs, *size)
    found, expected = ours(given), theirs(given)
    assert len(found) == len(expected)
    for mine, wanted in zip(found, expected, strict=True):
        assert float(wanted.abs().max()) > 1e-2
        assert_near(mine, wanted, 1e-6)
    assert ours.total_downscale_factor == theirs.total_downscale_factor
    assert ours.downscale_factor == theirs.downscale_factor
    ours.save_pretrained(tmp_path / "again")
    with tiny.quiet():
        again = diffusers.T2IAdapter.from_pretrained(tmp_path / "again").double()
    assert all(torch.equal(a, b) for a, b in zip(again(given), expected, strict=True))


@torch.no_grad()
def test_several_adapters(tmp_path: Path) -> None:
    nets = [adapter(tmp_path / str(seed), seed, **SHAPES["full"]) for seed in (1, 2, 3)]
    ours = MultiAdapter([mine for mine, _ in nets])
    theirs = diffusers.MultiAdapter([each for _, each in nets])
    given = [picture(ours.adapters[0], seed=seed) for seed in (4, 5, 6)]
    for weights in (None, [0.2, 1.5, -0.5]):
        for mine, wanted in zip(ours(given, weights), theirs(given, weights), strict=True):
            assert_near(mine, wanted, 1e-6)
    ours.save_pretrained(tmp_path / "all" / "adapter")
    with tiny.quiet():
        again = diffusers.MultiAdapter.from_pretrained(str(tmp_path / "all" / "adapter"))
    assert len(again.adapters) == 3
    assert len(MultiAdapter.from_pretrained(tmp_path / "all" / "adapter").adapters) == 3


@torch.no_grad()
def test_several_controlnets(tmp_path: Path) -> None:
    folders = [written(tmp_path / name, **V1) for name in ("net", "net_1")]
    ours = MultiControlNetModel.from_pretrained(folders[0]).double()
    with tiny.quiet():
        theirs = diffusers.MultiControlNetModel.from_pretrained(str(folders[0])).double()
    given = question(ours.nets[0])
    one = given.pop("controlnet_cond")
    given |= {"controlnet_cond": [one, one.flip(2)], "conditioning_scale": [0.5, 2.0]}
    given["return_dict"] = False
    found, expected = ours(**given), theirs(**given)
    for mine, wanted in zip([*found[0], found[1]], [*expected[0], expected[1]], strict=True):
        assert_near(mine, wanted, 1e-6)


def test_what_does_not_go_together(tmp_path: Path) -> None:
    full, _ = adapter(tmp_path / "full", **SHAPES["full"])
    xl, _ = adapter(tmp_path / "xl", **SHAPES["xl"])
    with pytest.raises(RequestError, match="make pictures smaller"):
        MultiAdapter([full, xl])
    with pytest.raises(RequestError, match="at least 2"):
        MultiAdapter([full])
    with pytest.raises(RequestError, match="takes ControlNetModels"):
        MultiControlNetModel([full])  # pyright: ignore
    with pytest.raises(CheckpointError, match="is not a folder"):
        MultiControlNetModel.from_pretrained(tmp_path / "nowhere")
    assert ControlNetModel.part_names == ("controlnet",)


@pytest.mark.parametrize(
    "wrong",
    [{"adapter_type": "heavy"}, {"channels": []}, {"unknown": 3}, {"in_channels": "3"}],
)
def test_configs_that_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(CheckpointError):
        T2IAdapter.from_config({"channels": [16, 32]} | wrong)


@pytest.mark.parametrize("shape", [(1, 1, 64, 64), (1, 3, 60, 64), (3, 64, 64)])
def test_pictures_that_do_not_fit(shape: tuple[int, ...], tmp_path: Path) -> None:
    ours, _ = adapter(tmp_path, **SHAPES["full"])
    with pytest.raises(RequestError, match="control picture has shape"):
        ours(torch.zeros(shape))
