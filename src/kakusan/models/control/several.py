"""Several networks that steer at once: their folders lie side by side, and what they give is added.

"controlnet", "controlnet_1", "controlnet_2", as published pipelines have them.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Generic, Self, TypeVar, cast

import torch
from torch import Tensor, nn

from kakusan.checkpoints.source import PathLike
from kakusan.errors import CheckpointError, RequestError, kind_of, shown_path
from kakusan.models.control.controlnet import ControlNetModel, ControlNetOutput
from kakusan.models.control.t2i_adapter import T2IAdapter
from kakusan.models.model import Model
from kakusan.models.unet.residuals import Residuals

NetT = TypeVar("NetT", bound=Model[Any])


class _Several(nn.Module, Generic[NetT]):
    kind: ClassVar[type[Model[Any]]]
    fewest: ClassVar[int] = 1

    def __init__(self, nets: Sequence[NetT]) -> None:
        super().__init__()
        given = list(cast("Sequence[object]", nets))
        name = self.kind.__name__
        wrong = [each for each in given if not isinstance(each, self.kind)]
        if wrong or len(given) < self.fewest:
            got = f"{len(given)} of them"
            if wrong and wrong[0] is None:
                got = "None"
            elif wrong:
                got = f"{kind_of(wrong[0])}; load each with {name}.from_pretrained"
            raise RequestError(
                f"{type(self).__name__} takes {name}s, at least {self.fewest}, not {got}"
            )
        self.members = nn.ModuleList(nets)

    def __iter__(self) -> Iterator[NetT]:
        return iter(cast("Sequence[NetT]", self.members))

    def __len__(self) -> int:
        return len(self.members)

    @property
    def dtype(self) -> torch.dtype:
        """What the weights of the first are in."""
        return next(iter(self)).dtype

    @property
    def device(self) -> torch.device:
        """Where the first is."""
        return next(iter(self)).device

    @classmethod
    def from_pretrained(cls, pretrained_model_path: PathLike, **options: Any) -> Self:
        """Load a folder and those beside it that are numbered, from 1 on.

        Args:
            options: as each network's own `from_pretrained` takes them.

        Raises:
            CheckpointError: There is no such folder, or a file is broken.
        """
        nets: list[Any] = []
        while (folder := _numbered(Path(pretrained_model_path), len(nets))).is_dir():
            nets.append(cls.kind.from_pretrained(folder, **options))
        if not nets:
            raise CheckpointError(f"{shown_path(Path(pretrained_model_path))} is not a folder.")
        return cls(nets)

    def save_pretrained(self, save_directory: PathLike, **options: Any) -> None:
        """Write each network into a folder, see `from_pretrained`.

        Raises:
            OutputError: A folder cannot be written.
        """
        for index, net in enumerate(self):
            net.save_pretrained(_numbered(Path(save_directory), index), **options)


class MultiControlNetModel(_Several[ControlNetModel]):
    """Several ControlNets, whose residuals are added."""

    kind = ControlNetModel

    @property
    def nets(self) -> list[ControlNetModel]:
        return list(self)

    def forward(
        self,
        sample: Tensor,
        timestep: Tensor | float,
        encoder_hidden_states: Tensor,
        controlnet_cond: Sequence[Tensor],
        conditioning_scale: Sequence[float],
        *,
        return_dict: bool = True,
        **options: Any,
    ) -> ControlNetOutput | tuple[list[Tensor], Tensor]:
        """The sums of what the nets give; see `ControlNetModel.forward`.

        Args:
            controlnet_cond, conditioning_scale: one for each net.
        """
        total = Residuals()
        given = zip(self, controlnet_cond, conditioning_scale, strict=True)
        for net, pictures, scale in given:
            args = (sample, timestep, encoder_hidden_states, pictures, scale)
            down, middle = net(*args, return_dict=False, **options)
            total = total.plus(Residuals(tuple(down), middle))
        assert total.middle is not None
        output = ControlNetOutput(list(total.skips), total.middle)
        return output if return_dict else (output[0], output[1])


class MultiAdapter(_Several[T2IAdapter]):
    """Several T2I-Adapters, whose features are added, each with its weight.

    Raises:
        RequestError: They are fewer than two, or halve pictures another number of times.
    """

    kind = T2IAdapter
    fewest = 2

    def __init__(self, adapters: Sequence[T2IAdapter]) -> None:
        super().__init__(adapters)
        factors = {(each.downscale_factor, each.total_downscale_factor) for each in self}
        if len(factors) > 1:
            raise RequestError(
                f"these T2I-Adapters make pictures smaller by {sorted(factors)}, so that their "
                "features cannot be added; take those of one family"
            )

    @property
    def adapters(self) -> list[T2IAdapter]:
        return list(self)

    @property
    def num_adapter(self) -> int:
        return len(self)

    @property
    def downscale_factor(self) -> int:
        """See `T2IAdapter`."""
        return next(iter(self)).downscale_factor

    @property
    def total_downscale_factor(self) -> int:
        """See `T2IAdapter`."""
        return next(iter(self)).total_downscale_factor

    def forward(
        self, xs: Sequence[Tensor], adapter_weights: Sequence[float] | None = None
    ) -> list[Tensor]:
        """The weighted sums of the features of each level.

        Args:
            xs: the pictures of each adapter.
            adapter_weights: of each; all the same, 1 together, where not given.
        """
        weights = [1 / len(self)] * len(self) if adapter_weights is None else adapter_weights
        total = Residuals()
        for adapter, pictures, weight in zip(self, xs, weights, strict=True):
            weighed = tuple(each * weight for each in adapter(pictures))
            total = total.plus(Residuals(features=weighed))
        return list(total.features)


def _numbered(folder: Path, index: int) -> Path:
    return folder if index == 0 else folder.with_name(f"{folder.name}_{index}")
