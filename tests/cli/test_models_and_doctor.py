"""`kakusan models` and `kakusan doctor`."""

from collections.abc import Callable
from pathlib import Path

import pytest

from kakusan.cli.models import readable_size
from tests.cli.fakes import Run

Command = Callable[..., Run]
COMMIT = "0" * 40


@pytest.fixture
def cached(here: Path, tmp_path: Path) -> Path:
    """A Hub cache with one model in it."""
    model = tmp_path / "cache" / "models--owner--name"
    snapshot = model / "snapshots" / COMMIT
    (snapshot / "unet").mkdir(parents=True)
    (model / "refs").mkdir()
    (model / "refs" / "main").write_text(COMMIT)
    (snapshot / "model_index.json").write_text(
        '{"_class_name": "StableDiffusionPipeline", "unet": ["diffusers", "UNet2DConditionModel"]}'
    )
    (snapshot / "unet" / "config.json").write_text("{}")
    (snapshot / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(b"\0" * 5000)
    return snapshot


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (2_130_000_000, "2.1 GB"), (10**13, "10.0 TB")],
)
def test_sizes_are_readable(size: int, text: str) -> None:
    assert readable_size(size) == text


def test_the_list_has_what_is_cached(run: Command, cached: Path) -> None:
    done = run("models", "list")
    assert done.code == 0
    (line,) = [line for line in done.lines if line.startswith("owner/name ")]
    assert "5.1 kB" in line
    assert str(cached) in line
    (model,) = [m for m in run("models", "list", "--json").json() if m["name"] == "owner/name"]
    assert model["commit"] == COMMIT


def test_show_names_the_parts(run: Command, cached: Path) -> None:
    done = run("models", "show", "owner/name")
    assert done.code == 0
    assert {"name: owner/name", f"commit: {COMMIT}", "unet: UNet2DConditionModel"} <= set(
        done.lines
    )
    assert run("models", "show", str(cached), "--json").json()["parts"] == {
        "unet": "UNet2DConditionModel"
    }


def test_pull_of_a_cached_model_says_where_it_is(run: Command, cached: Path) -> None:
    assert run("models", "pull", "owner/name").lines == [str(cached)]


def test_removing_asks_first(run: Command, cached: Path) -> None:
    done = run("models", "rm", "owner/name")
    assert done.code == 2
    assert "Add --yes" in done.err
    assert cached.exists()


def test_removing_removes(run: Command, cached: Path) -> None:
    done = run("models", "rm", "owner/name", "--yes")
    assert (done.code, done.lines) == (0, ["removed owner/name, 5.1 kB"])
    assert not cached.exists()
    assert run("models", "show", "owner/name").code == 2


def test_the_doctor_says_what_is_here(run: Command, cached: Path) -> None:
    done = run("doctor")
    assert (done.code, done.err) == (0, "")
    starts = ("kakusan 0.1.0", "processor: ", "memory: ", "GPUs: ", "precision on cpu: ")
    for start in (
        *starts,
        "kernels: ",
        "packages: ",
        "built-in model: ",
        "cached model: owner/name",
    ):
        assert any(line.startswith(start) for line in done.lines), start


def test_the_doctors_json_has_the_same(run: Command, cached: Path) -> None:
    facts = run("doctor", "--json").json()
    assert facts["kakusan"] == "0.1.0"
    assert facts["machine"]["cores"] >= 1
    assert facts["packages"]["torch"]
    assert set(facts["precision"]) >= {"cpu"}
    assert facts["kernels"]
    assert [model["name"] for model in facts["cached"]] == ["owner/name"]


def test_a_machine_without_a_cache_is_no_error(run: Command) -> None:
    assert run("models", "list").code == 0
    assert run("doctor", "--json").json()["cached"] == []


def test_show_names_the_card(run: Command, cached: Path) -> None:
    card = run("models", "show", "builtin", "--json").json()["card"]
    assert "What it knows" in Path(card).read_text(encoding="utf-8")
    assert f"card: {card}" in run("models", "show", "builtin").lines
    assert run("models", "show", str(cached), "--json").json()["card"] is None
    assert not [
        line for line in run("models", "show", str(cached)).lines if line.startswith("card")
    ]
