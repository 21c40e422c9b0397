"""One thread for every test, and tiny checkpoints that the reference libraries wrote."""

import os
from pathlib import Path

import pytest
import torch

from tests.oracle import hub, published, tiny

# Of the processes that tests start, too: threads of two workers on two cores wait for one another
torch.set_num_threads(1)
os.environ["OMP_NUM_THREADS"] = "1"


@pytest.fixture(scope="session")
def tiny_v1(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pipeline folder of version 1's family, in today's names."""
    return tiny.write_pipeline(tmp_path_factory.mktemp("tiny_v1"), tiny.V1)


@pytest.fixture(scope="session")
def tiny_v2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pipeline folder of version 2's family: v_prediction, linear projections, gelu."""
    return tiny.write_pipeline(tmp_path_factory.mktemp("tiny_v2"), tiny.V2)


@pytest.fixture(scope="session")
def tiny_lcm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pipeline folder of a latent consistency model."""
    return tiny.write_lcm(tmp_path_factory.mktemp("tiny_lcm"))


@pytest.fixture(scope="session")
def tiny_xl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pipeline folder of SDXL's family."""
    return tiny.write_xl(tmp_path_factory.mktemp("tiny_xl"))


@pytest.fixture(scope="session")
def tiny_refiner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pipeline folder of SDXL's refiner: one text encoder, and scores of beauty."""
    return tiny.write_refiner(tmp_path_factory.mktemp("tiny_refiner"))


@pytest.fixture(scope="session")
def tiny_v1_checked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`tiny_v1` with a safety checker."""
    return tiny.write_pipeline(tmp_path_factory.mktemp("tiny_checked"), tiny.V1, checked=True)


@pytest.fixture(scope="session")
def tiny_v1_published(tiny_v1_checked: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`tiny_v1_checked` as the first release would have it: old names, old configs."""
    return published.rewrite(tiny_v1_checked, tmp_path_factory.mktemp("tiny_published"))


@pytest.fixture(scope="session")
def hub_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Hub cache that holds v1.4 and its CLIP, tiny and with random weights."""
    home = tmp_path_factory.mktemp("hub")
    hub.write_hub_cache(home)
    return home


@pytest.fixture
def torch_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine without the package's own kernels."""
    monkeypatch.setattr("kakusan.runtime.kernels.loaded", lambda: None)
