"""The training loop's own arithmetic and its checkpoints; whole runs are the recipe's tests."""

import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

import kakusan
from kakusan.errors import CheckpointError, NumericalError
from kakusan.training.pace import StageSettings, learning_rate
from kakusan.training.trainer import Run, Stage, train


def test_the_learning_rate_warms_up_and_falls() -> None:
    plan = StageSettings(steps=100, batch_size=1, learning_rate=1.0, warmup_steps=10)
    rates = [learning_rate(plan, step, step / 100) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[9] == pytest.approx(0.98, abs=0.01)
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert 0.01 <= rates[-1] < 0.02


class Line(Stage[nn.Linear]):
    """Learns a line."""

    name = "line"
    seed = 0

    def __init__(self, width: int = 2) -> None:
        self.settings = StageSettings(steps=9, batch_size=1, learning_rate=0.1)
        torch.manual_seed(0)
        self.networks = nn.Linear(width, width)

    def loss(self, rng: np.random.Generator) -> Tensor:
        x = torch.from_numpy(rng.standard_normal((4, self.networks.in_features)).astype("float32"))
        return (self.networks(x) - x).square().mean()

    def samples(self) -> Image.Image:
        return Image.new("RGB", (8, 8))


def test_a_terminal_shows_what_takes_a_while(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kakusan.training.progress._on_a_terminal", lambda: True)
    train(Line(), tmp_path)
    shown = [part.strip() for part in capsys.readouterr().err.split("\r")]
    assert shown[1] == "line: step 1 of 9"
    assert shown[2].startswith("line 1/9  loss")
    assert shown[-3:] == ["line: pictures after step 9", "", ""]  # gone before the result


def test_elsewhere_only_lines_that_stay_are_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(Line(), tmp_path)
    (told,) = capsys.readouterr().err.splitlines()
    assert told.startswith("line 9/9  loss")


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    run = Run(Line(), tmp_path)
    run.advance()
    run.save()
    assert Run(Line(), tmp_path).step == 1
    return run.path


@pytest.mark.parametrize("kept", [0, 7, 100, 0.5, 0.99])
def test_half_a_checkpoint_is_not_taken_for_whole(checkpoint: Path, kept: float) -> None:
    data = checkpoint.read_bytes()
    checkpoint.write_bytes(data[: kept if isinstance(kept, int) else int(len(data) * kept)])
    with pytest.raises(CheckpointError, match=r"line\.safetensors' is no whole checkpoint") as told:
        Run(Line(), checkpoint.parent)
    assert "\n" not in str(told.value)
    assert len(str(told.value)) < 400


@pytest.mark.parametrize(
    "metadata",
    [
        None,
        {"step": "1"},
        {"step": "x", "settings": "{}"},
        {"step": "-1", "settings": "{}"},
        {"step": "1", "settings": "[]"},
        {"step": "1", "settings": "{"},
        {"step": "1", "settings": "[" * 100_000},
        {"step": "1" * 5000, "settings": "{}"},
    ],
)
def test_other_programs_files_are_one_line(
    checkpoint: Path, metadata: dict[str, str] | None
) -> None:
    save_file({"x": torch.zeros(1)}, checkpoint, metadata=metadata)
    with pytest.raises(CheckpointError, match="is no whole checkpoint") as told:
        Run(Line(), checkpoint.parent)
    assert len(str(told.value)) < 400


def test_a_folder_in_its_place_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "line.safetensors").mkdir()
    with pytest.raises(CheckpointError, match="is no whole checkpoint"):
        Run(Line(), tmp_path)


def test_networks_of_another_shape_are_one_line(checkpoint: Path) -> None:
    with pytest.raises(CheckpointError, match="networks of another shape"):
        Run(Line(3), checkpoint.parent)


def test_a_run_can_end_by_the_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = 0.0
    monkeypatch.setattr("kakusan.training.pace.time.monotonic", lambda: now)
    advance, rates = Run.advance, list[float]()

    def timed(run: Run) -> None:
        nonlocal now
        now += 2.0
        advance(run)
        rates.append(run.optimizer.param_groups[0]["lr"])

    monkeypatch.setattr(Run, "advance", timed)
    stage = Line()
    stage.settings = replace(stage.settings, steps=3, warmup_steps=1, save_every=10)
    train(stage, tmp_path, seconds=40.0)
    assert len(rates) == 20  # and not 3
    assert rates == sorted(rates, reverse=True)
    assert rates[0] == stage.settings.learning_rate
    assert rates[-1] < 0.02 * stage.settings.learning_rate
    assert capsys.readouterr().err.splitlines()[-1].startswith("line 20  loss")
    train(stage, tmp_path, seconds=40.0)  # it has come to its end
    train(stage, tmp_path)
    assert len(rates) == 20


def test_a_run_that_was_stopped_takes_the_time_that_it_is_given_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr("kakusan.training.pace.time.monotonic", lambda: now)
    run = Run(Line(), tmp_path, 60.0)
    now = 30.0
    run.advance()
    assert run.done == 0.5
    run.save()
    again = Run(Line(), tmp_path, 10.0)
    assert again.done == pytest.approx(0.75)
    now = 40.0
    again.advance()
    assert again.done == 1
    assert Run(Line(), tmp_path, 0.0).done == 1
    assert Run(Line(), tmp_path).done == pytest.approx(1 / 9)


class Spoilt(Line):
    """Its fourth loss is no number."""

    def loss(self, rng: np.random.Generator) -> Tensor:
        factor = float("nan") if self.done * self.settings.steps == 3 else 1.0
        return factor * super().loss(rng)


@pytest.mark.parametrize("queued", [False, True])
def test_a_loss_that_is_no_number_never_reaches_a_checkpoint(
    queued: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kakusan.training.trainer.queues", lambda device: queued)
    stage = Spoilt()
    stage.settings = replace(stage.settings, steps=8, save_every=2)
    with pytest.raises(NumericalError, match="the loss became nan at step 4;"):
        train(stage, tmp_path)
    with safe_open(tmp_path / "line.safetensors", framework="pt") as file:
        assert file.metadata()["step"] == "2"
        assert all(file.get_tensor(key).isfinite().all() for key in file.keys())  # noqa: SIM118


def test_a_queued_run_learns_the_same_and_reads_its_losses_now_and_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, losses = list[int](), Run.losses

    def counted(run: Run) -> list[float]:
        read.append(run.step)
        return losses(run)

    weights: list[Tensor] = []
    for queued in (False, True):
        monkeypatch.setattr("kakusan.training.trainer.queues", lambda device, q=queued: q)
        monkeypatch.setattr(Run, "losses", counted)
        stage = Line()
        stage.settings = replace(stage.settings, steps=120)
        train(stage, tmp_path / str(queued))
        weights.append(stage.networks.weight.detach())
    assert torch.equal(*weights)
    assert read[-3:] == [50, 100, 120]
    assert len(read) == 120 + 3


KILLED = """
import sys
from pathlib import Path
from tests.training.test_trainer import Line, Run
run = Run(Line(600), Path(sys.argv[1]))
while True:
    run.advance()
    run.save()
"""


def test_a_killed_run_leaves_a_whole_checkpoint(tmp_path: Path) -> None:
    roots = [str(Path(kakusan.__file__).parents[1]), str(Path(__file__).parents[2])]
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path)],
        env={"PYTHONPATH": ":".join(roots), "OMP_NUM_THREADS": "1"},
    )
    path = tmp_path / "line.safetensors"
    while not path.exists():
        assert process.poll() is None
        time.sleep(0.01)
    time.sleep(0.203)
    process.send_signal(signal.SIGKILL)
    process.wait()
    with safe_open(path, framework="pt") as file:
        assert all(file.get_tensor(key).isfinite().all() for key in file.keys())  # noqa: SIM118
    run = Run(Line(600), tmp_path)
    assert run.step > 0
    run.save()
