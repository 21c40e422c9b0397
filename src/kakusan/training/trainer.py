"""The training loop that all stages share: steps, averages, checkpoints, progress, processes."""

import dataclasses
import hashlib
import json
import math
from abc import ABC, abstractmethod
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from kakusan.checkpoints.files import atomic
from kakusan.errors import (
    CheckpointError,
    InputError,
    NumericalError,
    reason,
    shown,
    shown_path,
)
from kakusan.models import Model
from kakusan.runtime.arena import reused
from kakusan.runtime.device import queues
from kakusan.runtime.precision import compute_dtype
from kakusan.training.checkpoint import read_checkpoint
from kakusan.training.ema import MovingAverage
from kakusan.training.pace import Pace, StageSettings, learning_rate
from kakusan.training.processes import Processes, average_gradients
from kakusan.training.progress import Progress, say_wait

NetworksT = TypeVar("NetworksT", bound=nn.Module)


class Stage(ABC, Generic[NetworksT]):
    """One network or more, and what they learn.

    Each step draws its data and noise from a generator seeded with (seed, name, step), so a run
    that was stopped goes on exactly as it would have without the stop.
    """

    name: str
    settings: StageSettings
    networks: NetworksT
    seed: int
    done = 0.0  # of the run, from 0 to 1
    origin = "nothing"  # that the networks began with; a run goes on from the same only

    @abstractmethod
    def loss(self, rng: np.random.Generator) -> Tensor:
        """Return the loss of one batch drawn with `rng`."""

    @abstractmethod
    def samples(self) -> Image.Image:
        """Return a grid of pictures that shows what has been learnt so far."""

    @property
    def device(self) -> torch.device:
        """Where the networks are."""
        return next(self.networks.parameters()).device

    def rng(self, step: int, rank: int = 0) -> np.random.Generator:
        """Return the generator of one step, another one for the process of each rank."""
        return np.random.default_rng([self.seed, *self.name.encode(), step, rank])

    def draws(self, rng: np.random.Generator) -> torch.Generator:
        """Return a generator that draws on the networks' device what `rng` decides."""
        return torch.Generator(self.device).manual_seed(int(rng.integers(2**63)))


class Run:
    """The state of a stage between steps, stored in `<folder>/<stage>.safetensors`.

    Args:
        stage: what learns.
        folder: of the run.
        seconds: that the stage has from now on, in place of its number of steps.
    """

    def __init__(self, stage: Stage[NetworksT], folder: Path, seconds: float | None = None) -> None:
        self.stage = stage
        self.folder = folder
        self.path = folder / f"{stage.name}.safetensors"
        self.processes = Processes.current()
        if seconds is not None and self.processes.count > 1:
            raise InputError("several processes count steps; a time is for one alone")
        self.step = 0
        self._unread: list[Tensor] = []  # losses, which on a GPU are waited for now and then
        for module in stage.networks.modules():
            if isinstance(module, Model):
                module.prepare()  # what follows copies the layout in memory that this decides
        self.parameters = {
            name: parameter
            for name, parameter in stage.networks.named_parameters()
            if parameter.requires_grad
        }
        self.average = MovingAverage(self.parameters.values(), stage.settings.ema_decay)
        self.optimizer = torch.optim.AdamW(
            self.parameters.values(),
            lr=stage.settings.learning_rate,
            betas=(0.9, 0.99),
            weight_decay=stage.settings.weight_decay,
            fused=True,
        )
        trained, done = self._restore() if self.path.exists() else (0.0, 0.0)
        self.pace = Pace(stage.settings.steps, seconds, trained)
        ended = done >= 1 and seconds is not None  # by whichever measure it learnt then
        self.done = 1.0 if ended else self.pace.done(self.step)

    def advance(self) -> None:
        """Learn from one batch.

        Raises:
            NumericalError: The loss is not a finite number; the weights are those before this step.
                Where a device only queues its work, `losses` says so, and the weights are spoilt.
        """
        stage = self.stage
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(stage.settings, self.step, self.done)
        stage.done = self.done
        loss = stage.loss(stage.rng(self.step, self.processes.rank))
        if not queues(stage.device):
            self._check([float(loss.detach())], self.step + 1)
        self._unread.append(loss.detach())
        loss.backward()
        average_gradients(self.parameters.values(), self.processes.count)
        nn.utils.clip_grad_norm_(self.parameters.values(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.average.update(self.parameters.values())
        self.step += 1
        self.done = self.pace.done(self.step)

    def losses(self) -> list[float]:
        """Those of the steps since the last call, which the device has done now.

        Raises:
            NumericalError: One is not a finite number.
        """
        if not self._unread:
            return []
        values: list[float] = torch.stack(self._unread).tolist()
        self._unread.clear()
        self._check(values, self.step - len(values) + 1)
        return values

    def _check(self, losses: Sequence[float], first: int) -> None:
        for step, value in enumerate(losses, first):
            if not math.isfinite(value):
                raise NumericalError(
                    f"{self.stage.name}: the loss became {value} at step {step}; "
                    f"the last good weights are those of {self.path}; a lower learning rate may "
                    "help"
                )

    @contextmanager
    def averaged(self) -> Generator[None]:
        """Within, the networks hold the averaged weights."""
        learnt = [parameter.detach().clone() for parameter in self.parameters.values()]
        self.average.copy_to(self.parameters.values())
        try:
            yield
        finally:
            with torch.no_grad():
                for parameter, value in zip(self.parameters.values(), learnt, strict=True):
                    parameter.copy_(value)

    def sample(self) -> Image.Image:
        """Write a sample grid made with the averaged weights, and return it."""
        with self.averaged():
            grid = self.stage.samples()
        path = self.folder / f"{self.stage.name}-{self.step:06d}.png"
        with atomic(path) as temporary:
            grid.save(temporary, format="PNG")
        return grid

    def save(self) -> None:
        """Write weights, averages and the optimizer's state: the file is whole, or the old one."""
        tensors: dict[str, Tensor] = {}
        for (name, parameter), average in zip(
            self.parameters.items(), self.average.averages, strict=True
        ):
            tensors[f"weight.{name}"] = parameter.detach().contiguous()
            tensors[f"average.{name}"] = average.contiguous()
            for key, value in self.optimizer.state[parameter].items():
                tensors[f"optimizer.{key}.{name}"] = value.contiguous()
        metadata = {
            "step": str(self.step),
            "done": str(self.done),
            "seconds": str(self.pace.trained),
            "settings": json.dumps(self._configuration()),
        }
        with atomic(self.path) as temporary:
            save_file(tensors, temporary, metadata=metadata)

    def _configuration(self) -> dict[str, Any]:
        """What a run that goes on must have in common with the one before."""
        changeable = {"save_every", "sample_every"}
        settings = dataclasses.asdict(self.stage.settings)
        known = {key: value for key, value in settings.items() if key not in changeable}
        stage = self.stage
        return known | {
            "seed": stage.seed,
            "processes": self.processes.count,
            "begun from": stage.origin,
        }

    def _restore(self) -> tuple[float, float]:
        """Go on from the checkpoint; returns the seconds it has learnt, and how much is done."""
        tensors, metadata = read_checkpoint(self.path)
        self.step = int(metadata["step"])
        before: dict[str, Any] = json.loads(metadata["settings"])
        changed = [
            f"{key}: {shown(before.get(key))} before, {shown(value)} now"
            for key, value in self._configuration().items()
            if before.get(key) != value
        ]
        if changed:
            raise CheckpointError(
                f"{shown_path(self.path)} is of a run with another configuration "
                f"({'; '.join(changed)}); give the old one, or another run folder."
            )
        self.average.updates = self.step
        try:
            self._take(tensors)
        except (KeyError, RuntimeError) as error:
            raise CheckpointError(
                f"{shown_path(self.path)} is of networks of another shape ({reason(error)}); "
                "remove it or give another run folder."
            ) from None
        return float(metadata["seconds"]), float(metadata["done"])

    @torch.no_grad()
    def _take(self, tensors: dict[str, Tensor]) -> None:
        for index, (name, parameter) in enumerate(self.parameters.items()):
            parameter.copy_(tensors[f"weight.{name}"])
            self.average.averages[index].copy_(tensors[f"average.{name}"])
            moments = ("exp_avg", "exp_avg_sq")
            self.optimizer.state[parameter] = {
                "step": tensors[f"optimizer.step.{name}"].to(parameter.device),
                **{
                    key: torch.empty_like(parameter).copy_(tensors[f"optimizer.{key}.{name}"])
                    for key in moments
                },
            }


def train(stage: Stage[NetworksT], folder: Path, *, seconds: float | None = None) -> None:
    """Run a stage to its end, from its last checkpoint if there is one.

    Afterwards the stage's networks hold the averaged weights.

    Args:
        stage: what learns.
        folder: of the run.
        seconds: that the stage has from now on, in place of its number of steps: the learning rate
            falls with the clock. A stage that came to its end before stays as it is.

    Raises:
        CheckpointError: The folder's checkpoint is of another configuration.
        OutputError: A checkpoint cannot be written; the last one is still there.
        NumericalError: The loss became NaN or infinite.
        InputError: `torchrun` started this process with others, and it has not joined them, or
            `seconds` are given.
    """
    run = Run(stage, folder, seconds)
    settings = stage.settings
    samples = settings.batch_size * run.processes.count
    logs = None if run.processes.rank or run.done >= 1 else folder / "logs"
    steps = settings.steps if seconds is None else None
    progress = Progress(stage.name, run.step, run.done, steps, samples, logs)
    # else networks that compute in turn give back memory that both need again
    with progress, reused(stage, keep=True):
        if run.done < 1 and not run.processes.rank:
            say_wait(stage.name, f"step {run.step + 1}{f' of {steps}' if steps else ''}")
        while run.done < 1:
            run.advance()
            last = run.done >= 1
            saves = last or run.step % settings.save_every == 0
            shows = last or run.step % settings.sample_every == 0
            if saves or shows or progress.due(run.step) or not queues(stage.device):
                losses = run.losses()
                if not run.processes.rank:
                    progress.report(run.step, run.done, losses)
            if run.processes.rank:
                continue
            if saves:
                run.save()
            if shows:
                say_wait(stage.name, f"pictures after step {run.step}")
                progress.show(run.step, run.sample())
    run.average.copy_to(run.parameters.values())


def fingerprint(network: nn.Module) -> str:
    """Twelve characters that tell a network's weights from any others."""
    digest = hashlib.sha256()
    for tensor in network.state_dict().values():
        digest.update(tensor.detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:12]


@contextmanager
def mixed_precision(device: torch.device) -> Generator[None]:
    """Compute in bfloat16 where the device is fast at it; on a CPU, attention as plain products.

    There the fused attention's backward pass takes twice as long in bfloat16 at these sizes.
    """
    fast = compute_dtype(torch.bfloat16, device) == torch.bfloat16
    with ExitStack() as contexts:
        contexts.enter_context(torch.autocast(device.type, torch.bfloat16, enabled=fast))
        if device.type == "cpu":
            contexts.enter_context(sdpa_kernel(SDPBackend.MATH))
        yield
