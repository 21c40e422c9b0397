"""What seeds vary, and how steep edges are: the measures."""

import numpy as np
import pytest
import torch

from benchmarks.edges import psnr, steepness
from benchmarks.variety import SEEDS, distance, plain, ways
from kakusan.builtin.recipe.scenes import USUAL


def test_the_distance_is_the_mean_of_all_pairs() -> None:
    levels = np.array([0, 10, 40], np.uint8)
    pictures = np.broadcast_to(levels[:, None, None, None], (3, 4, 4, 3))
    assert distance(pictures) == pytest.approx((10 + 40 + 30) / 3)


def test_prompts_are_of_objects_on_plain_grounds() -> None:
    asked = list(plain(12))
    assert len({case.prompt for case in asked}) == 12
    assert all(case.scene.items and case.scene.place is None for case in asked)


def test_true_scenes_of_one_prompt_differ_in_where_it_is() -> None:
    rng = np.random.default_rng(0)
    for case in plain(40):
        items = case.scene.items
        found = [scene.items for scene in ways(case.scene, rng)]
        assert len(found) == SEEDS
        for each in found:
            assert [i.thing for i in each] == [i.thing for i in items]
            assert [(i.y, i.size) for i in each] == [(i.y, i.size) for i in items]
        if len(items) == 1 and items[0].size == USUAL:
            seen = {scene.items[0].x for _ in range(10) for scene in ways(case.scene, rng)}
            assert seen == {0.375, 0.5, 0.625}


def test_a_blur_is_less_steep() -> None:
    original = torch.full((1, 3, 32, 32), -1.0)
    original[:, :, :, 16:] = 1.0
    blurred = torch.nn.functional.avg_pool2d(original, (1, 9), 1, (0, 4), count_include_pad=False)
    assert steepness(original, original) == pytest.approx(1)
    # the change of the whole range over nine pixels, not over two
    assert steepness(blurred, original) == pytest.approx(2 / 9, abs=0.01)
    assert psnr(original * 0.9, original) == pytest.approx(-20 * np.log10(0.05), abs=0.01)
