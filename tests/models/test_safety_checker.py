"""The safety checker and its picture preprocessing beside the reference's."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers.pipelines.stable_diffusion import StableDiffusionSafetyChecker as Reference
from torch import Tensor

from kakusan.errors import CheckpointError, RequestError
from kakusan.models import (
    SafetyCheckerConfig,
    StableDiffusionSafetyChecker,
)
from tests.models.comparing import assert_near, noise
from tests.oracle import tiny


@pytest.fixture(scope="module", params=["tiny_v1_checked", "tiny_v1_published"])
def both(request: pytest.FixtureRequest) -> tuple[StableDiffusionSafetyChecker, Any]:
    folder = request.getfixturevalue(request.param) / "safety_checker"
    with tiny.quiet():
        theirs = Reference.from_pretrained(folder)
    return StableDiffusionSafetyChecker.from_pretrained(folder), theirs


def views(count: int) -> Tensor:
    """Pictures with one colour each and some noise, so that they differ much."""
    return noise(count, 3, 1, 1) * 2 + 0.5 * noise(count, 3, 224, 224, seed=1)


def test_the_tower_sees_the_same(both: Any) -> None:
    with torch.no_grad():
        ours = both[0].vision_model(views(4)).pooled
        theirs = both[1].vision_model(views(4))[1]
    assert_near(ours, theirs)


def test_flags_and_pictures(both: Any) -> None:
    ours, theirs = both
    pictures = torch.rand(24, 3, 8, 8) + 0.1
    with tiny.quiet():
        expected, their_flags = theirs(clip_input=views(24), images=pictures.clone())
    shown, flags = ours(pictures, views(24))
    assert flags == their_flags
    assert 3 < sum(flags) < 21
    assert torch.equal(shown, expected)
    assert all(
        bool((picture == 0).all()) == flag for picture, flag in zip(shown, flags, strict=True)
    )


def test_a_special_concept_makes_all_concepts_stricter(both: Any) -> None:
    ours, theirs = both
    special = ours.special_care_embeds_weights.data, theirs.special_care_embeds_weights.data
    kept = special[0].clone()
    sums = []
    for threshold in (9.0, -9.0):
        for one in special:
            one.fill_(threshold)
        with tiny.quiet():
            _, expected = theirs(clip_input=views(64), images=torch.zeros(64, 1))
        flags = ours(list(torch.zeros(64, 1)), views(64))[1]
        assert flags == expected
        sums.append(sum(flags))
    for one in special:
        one.copy_(kept)
    assert sums[1] > sums[0]


def test_lists_of_arrays_stay_so(both: Any) -> None:
    ours, _ = both
    shown, flags = ours([np.ones((2, 2, 3), np.float32)] * 6, views(6))
    assert [picture.max() == 0 for picture in shown] == flags
    assert all(isinstance(picture, np.ndarray) for picture in shown)


def test_pictures_of_another_size_are_refused(both: Any) -> None:
    with pytest.raises(RequestError, match=r"shape \(3, 224, 224\).*given \(3, 30, 20\)"):
        both[0](torch.ones(1, 3, 8, 8), torch.ones(1, 3, 30, 20))


def test_half_precision(tiny_v1_checked: Path) -> None:
    folder = tiny_v1_checked / "safety_checker"
    checker = StableDiffusionSafetyChecker.from_pretrained(folder, torch_dtype=torch.float16)
    assert len(checker(torch.ones(2, 3, 8, 8), views(2))[1]) == 2


def test_the_reference_loads_what_is_saved(both: Any, tmp_path: Path) -> None:
    both[0].save_pretrained(tmp_path)
    with tiny.quiet():
        theirs = Reference.from_pretrained(tmp_path)
    expected = both[1].state_dict()
    found = theirs.state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_configs() -> None:
    vision = {"hidden_size": 1024, "num_attention_heads": 16, "patch_size": 14}
    config = SafetyCheckerConfig.from_published({"vision_config_dict": {**vision}})
    assert (config.hidden_size, config.patch_size, config.projection_dim) == (1024, 14, 512)
    assert SafetyCheckerConfig.from_published(config.to_published()) == config
    for changes, message in (
        ({"patch_size": 300}, "patch_size 300"),
        ({"num_channels": 4}, "'num_channels'"),
        ({"num_attention_heads": 3}, "multiple of num_attention_heads"),
    ):
        with pytest.raises(CheckpointError, match=message):
            SafetyCheckerConfig.from_published({"vision_config": {**vision, **changes}})
