"""Single files of networks that steer: ControlNets, and T2I-Adapters."""

from collections.abc import Callable, Mapping

from kakusan.checkpoints.files import JSON
from kakusan.checkpoints.names.control import ControlNames, adapter_to_diffusers
from kakusan.checkpoints.names.pieces import numbers
from kakusan.checkpoints.single_file.checkpoint import Checkpoint
from kakusan.checkpoints.single_file.control_shapes import adapter_config, control_config
from kakusan.checkpoints.single_file.entries import Entry
from kakusan.checkpoints.single_file.others import INSTEAD, other_kind
from kakusan.checkpoints.single_file.published import Held, Part
from kakusan.checkpoints.single_file.quantised import is_scale
from kakusan.checkpoints.single_file.recognition import Recognised
from kakusan.checkpoints.single_file.split import Group, Split
from kakusan.errors import CheckpointError, listed

NET, ADAPTER = "controlnet", "adapter"
_PREFIXES = ("control_model.", "controlnet.", "module.", "")
_UNION = "task_embedding"
# A name, or how one begins -> what a file with it is instead
_REFUSED = {
    "difference": "the difference between a ControlNet and a model; merge it with the model that "
    "it was made from, or take the whole ControlNet",
    "lora_controlnet": "a control-LoRA, which is added to a model's own weights; take the whole "
    "ControlNet of the same kind",
    "lllite_": "a ControlLLLite, whose small networks sit in the UNet's attention; take a "
    "ControlNet of the same kind",
    "brushnet_": "a BrushNet, which repaints; kakusan reads ControlNets and T2I-Adapters",
    "controlnet_x_embedder": "a ControlNet of a FLUX model; kakusan has those of Stable Diffusion "
    "1, 2 and XL",
    "pos_embed_input": "a ControlNet of a Stable Diffusion 3 model; kakusan has those of Stable "
    "Diffusion 1, 2 and XL",
}
# Which class reads what
_READERS = {
    "a ControlNet": "ControlNetModel",
    "a union of ControlNets": "ControlNetUnionModel",
    "a T2I-Adapter": "T2IAdapter",
}


class ControlCheckpoint(Checkpoint):
    """A single file with one network that steers, maybe beside the model that it was trained on."""

    wanted = "a ControlNet"

    def _recognised(self) -> Recognised:
        return recognise_control(self.file.entries, str(self), self.wanted)

    def _told(self, name: str, part: Part) -> dict[str, JSON]:
        if name == ADAPTER:
            return adapter_config(part.shapes)
        # trained so: of those that were published, shuffle alone
        return control_config(part.shapes, pools="shuffle" in self.path.stem.casefold())


class UnionCheckpoint(ControlCheckpoint):
    """A single file with one ControlNet for several kinds of pictures."""

    wanted = "a union of ControlNets"


class AdapterCheckpoint(ControlCheckpoint):
    """A single file with a T2I-Adapter."""

    wanted = "a T2I-Adapter"


def recognise_control(entries: Mapping[str, Entry], where: str, wanted: str) -> Recognised:
    """The network of a file that steers.

    Args:
        where: names the file in messages.
        wanted: a key of `_READERS`.

    Raises:
        CheckpointError: It holds something else.
    """
    weights = {name: entry for name, entry in entries.items() if not is_scale(name)}
    for sign, what in _REFUSED.items():
        if any(name == sign or name.startswith(sign) for name in weights):
            raise CheckpointError(f"{where} is {what}.")
    group = control_group(weights)
    if group is None:
        other = other_kind(weights)
        advice = f", {other}: {INSTEAD[other]}" if other in INSTEAD else f" ({listed(weights)})"
        raise CheckpointError(f"{where} is not {wanted}{advice}.")
    kind = _kind(group)
    if kind != wanted:
        raise CheckpointError(f"{where} is {kind}, not {wanted}: {_READERS[kind]} loads it.")
    part = _part(group, weights)
    return Recognised(None, "", {group.slot: part}, Split((group,)))


def control_group(entries: Mapping[str, Entry]) -> Group | None:
    """The tensors of a network that steers; None where there is none."""
    for prefix in _PREFIXES:
        names = {n.removeprefix(prefix): n for n in entries if n.startswith(prefix)}
        if form := _form(names):
            slot = ADAPTER if form.startswith("adapter") else NET
            return Group(slot, prefix, form, names)
    return None


def control_class(entries: Mapping[str, Entry]) -> str | None:
    """The class that reads the network of a file that steers; None where there is none."""
    group = control_group(entries)
    return None if group is None else _READERS[_kind(group)]


def _form(names: Mapping[str, str]) -> str | None:
    if "input_hint_block.0.weight" in names and "middle_block_out.0.weight" in names:
        return "ldm"
    if "controlnet_cond_embedding.conv_in.weight" in names and "conv_in.weight" in names:
        return "diffusers"
    if any(name.startswith("adapter.body.") for name in names):
        return "adapter diffusers"
    if any(name.startswith("body.0.") and ".block1." in name for name in names):
        return "adapter ldm"
    return None


def _kind(group: Group) -> str:
    if group.slot == ADAPTER:
        return "a T2I-Adapter"
    return "a union of ControlNets" if _UNION in group.names else "a ControlNet"


def _part(group: Group, entries: Mapping[str, Entry]) -> Part:
    rename = _renaming(group)
    tensors: dict[str, Held] = {}
    left: set[str] = set()
    for inner, name in group.names.items():
        found = rename(inner)
        if found is None:
            left.add(name)
        else:
            tensors[found] = Held(name, entries[name].shape)
    return Part(group, tensors, frozenset(left))


def _renaming(group: Group) -> Callable[[str], str | None]:
    match group.form:
        case "ldm":
            return ControlNames.of_ldm(group.names).to_diffusers
        case "adapter ldm":
            blocks = _blocks(group.names)
            return lambda name: adapter_to_diffusers(name, blocks)
        case _:
            return str


def _blocks(names: Mapping[str, str]) -> int:
    """Residual blocks of each level of a full adapter in the original names; 0 of a light one.

    They are numbered through, and those that begin a level with more channels have an `in_conv`.
    """
    if any(".out_conv." in name for name in names):
        return 0
    begins = sorted(numbers(names, r"body\.(\d{1,4})\.in_conv\."))
    levels = 4
    total = max(numbers(names, r"body\.(\d{1,4})\."), default=0) + 1
    return begins[0] if begins else max(total // levels, 1)
