"""How strongly each residual counts in each mode, by number."""

import pytest
import torch

from kakusan.models import ControlNetModel
from kakusan.steering.controlnet import ladder
from kakusan.steering.t2i_adapter import SOFT_LEVELS
from tests.models.test_controlnet import V1


@pytest.fixture(scope="module")
def net() -> ControlNetModel:
    with torch.device("meta"):
        return ControlNetModel(**V1)


@pytest.mark.parametrize("mode", ["prompt", "control"])
def test_soft_weights(mode: str, net: ControlNetModel) -> None:
    count = net.outputs
    wanted = [0.5 * 0.825 ** (count - 1 - k) for k in range(count)]
    assert ladder(mode, net, 0.5) == pytest.approx(wanted)
    assert ladder(mode, net, 0.5)[-1] == 0.5


def test_other_modes(net: ControlNetModel) -> None:
    assert set(ladder("balanced", net, 0.7)) == {0.7}
    guess = ladder("guess", net, 1.0)
    # the reference's: from a tenth to all, evenly in powers of ten
    assert guess == pytest.approx(torch.logspace(-1, 0, net.outputs).tolist(), rel=1e-5)
    assert SOFT_LEVELS == (0.25, 0.62, 0.825, 1.0)
