"""The training loop that all stages share: steps, averages, checkpoints, progress, processes."""

import dataclasses
import hashlib
import json
import math
from abc import ABC, abstractmethod
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

import numpy as np
import torch
from PIL import Image
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from kakusan.checkpoints.files import atomic
from kakusan.errors import CheckpointError, NumericalError, reason, shown, shown_path
from kakusan.models import Model
from kakusan.runtime.arena import reused
from kakusan.runtime.precision import compute_dtype
from kakusan.training.ema import MovingAverage
from kakusan.training.processes import Processes, average_gradients
from kakusan.training.progress import Progress, say_wait

NetworksT = TypeVar("NetworksT", bound=nn.Module)


@dataclass(frozen=True, kw_only=True)
class StageSettings:
    """How long and how fast one stage learns. Everything is counted in steps, so runs repeat.

    `batch_size` is that of one process.
    """

    steps: int
    batch_size: int
    learning_rate: float
    warmup_steps: int = 100
    ema_decay: float = 0.999
    weight_decay: float = 0.01
    save_every: int = 250
    sample_every: int = 500


class Stage(ABC, Generic[NetworksT]):
    """One network or more, and what they learn.

    Each step draws its data and noise from a generator seeded with (seed, name, step), so a run
    that was stopped goes on exactly as it would have without the stop.
    """

    name: str
    settings: StageSettings
    networks: NetworksT
    seed: int
    step = 0  # that the run is at
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


class Run:
    """The state of a stage between steps, stored in `<folder>/<stage>.safetensors`."""

    def __init__(self, stage: Stage[NetworksT], folder: Path) -> None:
        self.stage = stage
        self.folder = folder
        self.path = folder / f"{stage.name}.safetensors"
        self.processes = Processes.current()
        self.step = 0
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
        if self.path.exists():
            self._restore()

    def advance(self) -> float:
        """Learn from one batch and return its loss.

        Raises:
            NumericalError: The loss is not a finite number; the weights are those before this step.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.stage.settings, self.step)
        self.stage.step = self.step
        loss = self.stage.loss(self.stage.rng(self.step, self.processes.rank))
        if not math.isfinite(value := float(loss.detach())):
            raise NumericalError(
                f"{self.stage.name}: the loss became {value} at step {self.step + 1}; "
                f"the last good weights are those of {self.path}; a lower learning rate may help"
            )
        loss.backward()
        average_gradients(self.parameters.values(), self.processes.count)
        nn.utils.clip_grad_norm_(self.parameters.values(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.average.update(self.parameters.values())
        self.step += 1
        return value

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
        metadata = {"step": str(self.step), "settings": json.dumps(self._configuration())}
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

    def _restore(self) -> None:
        tensors, self.step, before = self._read()
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

    def _read(self) -> tuple[dict[str, Tensor], int, dict[str, Any]]:
        """The tensors of the checkpoint, its step, and the configuration it is of."""
        try:
            with safe_open(self.path, framework="pt") as file:
                tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
                metadata: dict[str, str] = file.metadata() or {}
            step, before = int(metadata["step"]), json.loads(metadata["settings"])
            if not isinstance(before, dict) or step < 1:
                raise ValueError("its metadata are another program's")
        except (SafetensorError, OSError, KeyError, ValueError, RecursionError) as error:
            raise CheckpointError(
                f"{shown_path(self.path)} is no whole checkpoint of a run ({reason(error)}); "
                "remove it or give another run folder."
            ) from None
        return tensors, step, cast(dict[str, Any], before)

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


def train(stage: Stage[NetworksT], folder: Path) -> None:
    """Run a stage to its end, from its last checkpoint if there is one.

    Afterwards the stage's networks hold the averaged weights.

    Raises:
        CheckpointError: The folder's checkpoint is of another configuration.
        OutputError: A checkpoint cannot be written; the last one is still there.
        NumericalError: The loss became NaN or infinite.
        InputError: `torchrun` started this process with others, and it has not joined them.
    """
    run = Run(stage, folder)
    settings = stage.settings
    samples = settings.batch_size * run.processes.count
    logs = None if run.processes.rank else folder / "logs"
    progress = Progress(stage.name, run.step, settings.steps, samples, logs)
    # else networks that compute in turn give back memory that both need again
    with progress, reused(stage, keep=True):
        if run.step < settings.steps and not run.processes.rank:
            say_wait(stage.name, f"step {run.step + 1} of {settings.steps}")
        while run.step < settings.steps:
            loss = run.advance()
            if run.processes.rank:
                continue
            progress.report(run.step, loss)
            last = run.step == settings.steps
            if last or run.step % settings.save_every == 0:
                run.save()
            if last or run.step % settings.sample_every == 0:
                say_wait(stage.name, f"pictures after step {run.step}")
                progress.show(run.step, run.sample())
    run.average.copy_to(run.parameters.values())


def learning_rate(settings: StageSettings, step: int) -> float:
    """Return the rate of a step: a linear warm-up, then half a cosine down to a hundredth."""
    if step < settings.warmup_steps:
        return settings.learning_rate * (step + 1) / settings.warmup_steps
    done = (step - settings.warmup_steps) / max(1, settings.steps - settings.warmup_steps)
    return settings.learning_rate * (0.01 + 0.99 * (1 + math.cos(math.pi * done)) / 2)


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
