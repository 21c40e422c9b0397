"""Several processes that learn together, as `torchrun` starts them."""

import os
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, distributed

from kakusan.errors import InputError


@dataclass(frozen=True)
class Processes:
    """Which process of a run this is, and how many there are."""

    rank: int = 0
    count: int = 1

    @classmethod
    def current(cls) -> "Processes":
        """Those of torch's process group; one alone where there is no group.

        Raises:
            InputError: `torchrun` started this process with others, and it has not joined them.
        """
        if distributed.is_available() and distributed.is_initialized():
            return cls(distributed.get_rank(), distributed.get_world_size())
        if (started := _started()) > 1:
            raise InputError(
                f"this is one of {started} processes (WORLD_SIZE), which are not connected; call "
                "kakusan.training.processes.join() before networks are loaded"
            )
        return cls()


def join() -> None:
    """Join the other processes that `torchrun` started, if there are any.

    The whole process is a member from now on, and where there are GPUs it has one of its own, so
    this comes before networks are loaded. `kakusan train` calls it; a program that trains by the
    library has to do it itself.
    """
    if _started() == 1 or distributed.is_initialized():
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")


def average_gradients(parameters: Iterable[Tensor], count: int) -> None:
    """Give each of `count` processes the mean of their gradients."""
    if count == 1:
        return
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    distributed.all_reduce(flat)
    flat /= count
    for gradient, mean in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(mean.view_as(gradient))


def _started() -> int:
    """How many processes were started together; `torchrun` says so in the environment."""
    return int(os.environ.get("WORLD_SIZE", "1"))
