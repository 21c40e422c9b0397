"""From an adapter's file, or from tensors that were handed in, to changes of a model's parameters.

Files are mapped: a tensor's pages are read when it is looked at, and nothing is copied.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from kakusan.checkpoints.adapters.adapter import Adapter
from kakusan.checkpoints.adapters.changes import Change, Difference, Product
from kakusan.checkpoints.adapters.config import PeftConfig, config_of
from kakusan.checkpoints.adapters.family import contradicts, made_for, model_of, told
from kakusan.checkpoints.adapters.kinds import IncompleteError, Layer, MisfitError, changes_of
from kakusan.checkpoints.adapters.names import NUMBERS, Place, bundled, piece_of, place_of
from kakusan.checkpoints.adapters.refusals import check_is_adapter
from kakusan.checkpoints.adapters.targets import Shapes, Target, Targets
from kakusan.checkpoints.pickled import dtype_name
from kakusan.checkpoints.single_file.entries import Entry, TensorFile
from kakusan.checkpoints.single_file.opening import open_tensor_file
from kakusan.checkpoints.single_file.recognition import FAMILIES
from kakusan.errors import CheckpointError, shown, shown_path
from kakusan.runtime import kernels

logger = logging.getLogger("kakusan")
FIRST_CONVOLUTION, LAST_CONVOLUTION = "conv_in", "conv_out.weight"


def read_adapter(
    path: Path, shapes: Shapes, *, name: str | None = None, tells: bool = True
) -> Adapter:
    """Read an adapter for a model.

    Args:
        path: a safetensors file, or a pickle of tensors alone.
        shapes: of the model's parameters, under our names, by part.
        name: what the user calls it; the file's stem where not given.
        tells: whether to log what of it is left out.

    Raises:
        CheckpointError: It is no adapter, is broken, was made for another family, or does not fit;
            one line that names the file.
    """
    where, file = shown_path(path), opened_adapter(path, shapes)
    wanted = [each for each in file.entries if piece_of(each) or bundled(each)]
    tensors = dict(file.tensors(wanted, None))
    reader = _Reader(shapes, where, config_of(file.metadata, path, where), tells=tells)
    return reader.read(tensors, file.entries, file.metadata, name or path.stem, path)


def opened_adapter(path: Path, shapes: Shapes) -> TensorFile:
    """An adapter's file, of which no weights are read yet.

    Args:
        shapes: of the model's parameters, under our names, by part.

    Raises:
        CheckpointError: It is no adapter, is broken, or was made for another family.
    """
    where, file = shown_path(path), open_tensor_file(path)
    check_is_adapter(file.entries, where)
    _check_family(file.entries, file.metadata, shapes, where)
    return file


def adapter_of(
    tensors: Mapping[str, Tensor],
    metadata: Mapping[str, str],
    shapes: Shapes,
    *,
    name: str = "default",
) -> Adapter:
    """The same for tensors that are in memory already.

    Raises:
        CheckpointError: As for a file.
    """
    where = f"the adapter {shown(name)}"
    for key, tensor in tensors.items():
        if not isinstance(key, str) or not isinstance(tensor, Tensor):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise CheckpointError(f"{where} has {shown(key)}, which is no named tensor.")
    entries = {key: Entry(dtype_name(each), tuple(each.shape)) for key, each in tensors.items()}
    check_is_adapter(entries, where)
    _check_family(entries, metadata, shapes, where)
    reader = _Reader(shapes, where, config_of(metadata, None, where))
    detached = {key: tensor.detach() for key, tensor in tensors.items()}
    return reader.read(detached, entries, metadata, name, None)


def _check_family(
    entries: Mapping[str, Entry], metadata: Mapping[str, str], shapes: Shapes, where: str
) -> None:
    made, model = made_for(entries), model_of(shapes)
    if model is not None and contradicts(made, model):
        said = told(metadata)
        of = FAMILIES[said] if made.family is None and said is not None else made.words
        raise CheckpointError(
            f"{where} was made for {of}, and this model is {_other(model.words, of)}: give an "
            "adapter that was made for this model."
        )


def _other(words: str, of: str) -> str:
    return "of another kind" if words == of else words


class _Group(NamedTuple):
    """The tensors that a file has for one layer, by their slots, and their names in it."""

    tensors: dict[str, Tensor]
    names: dict[str, str]


class _Reader:
    """Puts the tensors of one file together, layer by layer."""

    def __init__(
        self, shapes: Shapes, where: str, config: PeftConfig, *, tells: bool = True
    ) -> None:
        self._shapes, self._where, self._config, self._tells = shapes, where, config, tells
        self._targets = Targets(shapes)
        self._parts: dict[str, dict[str, Change]] = {part: {} for part in shapes}
        self._unmatched: list[str] = []  # names of which this model knows nothing
        self._aside: list[str] = []  # names of parts that this model does not have
        self._matched = 0

    def read(
        self,
        tensors: Mapping[str, Tensor],
        entries: Mapping[str, Entry],
        metadata: Mapping[str, str],
        name: str,
        path: Path | None,
    ) -> Adapter:
        groups, embeddings = self._grouped(tensors)
        self._unmatched += [n for n in entries if piece_of(n) is None and not bundled(n)]
        late: list[tuple[str, _Group, Place]] = []
        for stem, group in groups.items():
            place = place_of(stem)
            found = self._targets.find(place)
            if found and self._targets.is_second_form(found[0], place):
                late.append((stem, group, place))  # where a file has both, the published one counts
            else:
                self._take(stem, group, place, found)
        for stem, group, place in late:
            self._take(stem, group, place, self._targets.find(place))
        self._check_matched(bool(embeddings))
        self._check_finite(tensors)
        unmatched = (*self._unmatched, *self._aside)
        parts = {part: changes for part, changes in self._parts.items() if changes}
        return Adapter(name, parts, path, metadata, unmatched, embeddings)

    def _grouped(
        self, tensors: Mapping[str, Tensor]
    ) -> tuple[dict[str, _Group], dict[str, dict[str, Tensor]]]:
        groups: dict[str, _Group] = {}
        embeddings: dict[str, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            if (word := bundled(name)) is not None:
                embeddings.setdefault(word[0], {})[word[1]] = tensor
            elif (piece := piece_of(name)) is not None:
                group = groups.setdefault(piece.stem, _Group({}, {}))
                group.tensors[piece.slot], group.names[piece.slot] = tensor, name
        return groups, embeddings

    def _take(self, stem: str, group: _Group, place: Place, found: list[Target]) -> None:
        if not group.tensors.keys() - NUMBERS:
            self._aside += group.names.values()  # an alpha alone changes nothing
            return
        if not found:
            side = self._unmatched if self._targets.has_part(place) else self._aside
            side += group.names.values()
            return
        used: set[str] = set()
        for target in found:
            used |= self._change(stem, group, target)
        self._matched += bool(used)
        self._unmatched += [n for slot, n in group.names.items() if slot not in used | NUMBERS]

    def _change(self, stem: str, group: _Group, target: Target) -> frozenset[str]:
        """Note what a group changes of one layer; the slots that this takes."""
        parameters = self._shapes[target.part]
        weight, bias = f"{target.layer}.weight", f"{target.layer}.bias"
        changes = self._parts[target.part]
        if weight in changes or bias in changes:
            return frozenset()
        shape, of_bias = parameters.get(weight), parameters.get(bias)
        times = 1 if target.third is None else 3
        try:
            made, made_bias, used = changes_of(
                Layer(
                    group.tensors,
                    self._scale(group, target),
                    self._config.is_on_input(target.part, target.layer),
                ),
                _stacked(shape, times),
                _stacked(of_bias, times),
                self._channels(target),
            )
            for name, change in ((weight, made), (bias, made_bias)):
                if change is not None:
                    rows = None if target.third is None else _rows(target.third, parameters[name])
                    changes[name] = change if rows is None else _part_of(change, rows)
        except IncompleteError as error:
            raise CheckpointError(
                f"{self._where} is not whole: {shown_path(stem)} has {error}; fetch it again."
            ) from None
        except MisfitError as error:
            raise CheckpointError(
                f"{self._where} does not fit this model: {shown_path(stem)}: {error}, and "
                f"the model's weight has the shape {_stacked(shape, times)}."
            ) from None
        return used

    def _scale(self, group: _Group, target: Target) -> float | None:
        down = group.tensors.get("down")
        rank = None if down is None or not down.ndim else len(down)
        return self._config.scale(target.part, target.layer, rank)

    def _channels(self, target: Target) -> int | None:
        """Of the latents, where the first convolution takes more than those."""
        if target.layer != FIRST_CONVOLUTION:
            return None
        last = self._shapes[target.part].get(LAST_CONVOLUTION)
        return None if last is None else last[0]

    def _check_matched(self, has_embeddings: bool) -> None:
        lost = len(self._unmatched)
        if not self._matched and not (has_embeddings and not lost):
            names = [*self._unmatched, *self._aside]
            raise CheckpointError(
                f"{self._where} changes nothing of this model: none of its {len(names)} tensors "
                f"is of a layer that the model has ({_few(names)})."
            )
        taken = sum(len(changes) for changes in self._parts.values())
        if lost > taken * 3:
            raise CheckpointError(
                f"{self._where} does not fit this model: most of its tensors are of layers that "
                f"the model does not have ({lost}: {_few(self._unmatched)})."
            )
        if lost and self._tells:
            logger.warning(
                "%s: %d of its tensors are of no layer of this model and are left out (%s).",
                *(self._where, lost, _few(self._unmatched)),
            )

    def _check_finite(self, tensors: Mapping[str, Tensor]) -> None:
        left_out = {*self._unmatched, *self._aside}
        for name, tensor in tensors.items():
            if name not in left_out and not _is_finite(tensor):
                raise CheckpointError(
                    f"{self._where}: {shown_path(name)} has values that are NaN or infinite."
                )


def _is_finite(tensor: Tensor) -> bool:
    return not tensor.is_floating_point() or kernels.all_finite(tensor)


def _stacked(shape: tuple[int, ...] | None, times: int) -> tuple[int, ...] | None:
    return None if shape is None else (shape[0] * times, *shape[1:])


def _rows(third: int, shape: tuple[int, ...]) -> slice:
    return slice(third * shape[0], (third + 1) * shape[0])


def _part_of(change: Change, rows: slice) -> Change:
    """The change of one of three layers that a file has as one."""
    match change:
        case Product(down, up, scale, mid):
            return Product(down, up[rows], scale, mid)
        case Difference(value, scale):
            return Difference(value[rows], scale)
        case _:
            raise MisfitError(f"it changes three layers as one, which kakusan reads of a LoRA "
                              f"and not of {change.kind}")  # fmt: skip


def _few(names: Sequence[str]) -> str:
    """The first names of a list; a layer's is up to a hundred characters long."""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{', '.join(shown_path(name)[1:-1] for name in names[:3])}{more}"
