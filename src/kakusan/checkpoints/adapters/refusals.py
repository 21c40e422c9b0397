"""What is given as an adapter and is none, told before anything is read."""

from collections.abc import Mapping

from kakusan.checkpoints.adapters.names import SHARED, bundled, piece_of
from kakusan.checkpoints.single_file.entries import Entry
from kakusan.checkpoints.single_file.others import other_kind
from kakusan.checkpoints.single_file.recognition import recognise
from kakusan.errors import CheckpointError, listed

_INSTEAD = {
    "an embedding (textual inversion)": "--embedding takes it, and load_textual_inversion",
    "a TAESD": "--vae takes it",
}
# Parts of which a file alone can be named beside a model
_EXCHANGED = {"unet": "UNet", "vae": "VAE"}
LORA = "a LoRA"


def is_adapter(entries: Mapping[str, Entry]) -> bool:
    """Whether tensors are an adapter's: some tell so, and they are not a model's neighbours."""
    telling = 0
    for name in entries:
        piece = piece_of(name)
        telling += bundled(name) is not None or (piece is not None and piece.slot not in SHARED)
    return 4 * telling >= len(entries) > 0


def check_is_adapter(entries: Mapping[str, Entry], where: str) -> None:
    """Refuse what is something else.

    Args:
        where: names the file in messages.

    Raises:
        CheckpointError: It is a model, a ControlNet, an embedding, or nothing that is known.
    """
    if not entries:
        raise CheckpointError(f"{where} holds no tensors.")
    other = other_kind(entries)
    if other in (None, LORA) and is_adapter(entries):
        return
    if other is not None and other != LORA:
        advice = f": {_INSTEAD[other]}" if other in _INSTEAD else ""
        raise CheckpointError(f"{where} is {other}, not a LoRA or a relative of one{advice}.")
    try:
        found = recognise(entries, where)
    except CheckpointError:
        raise CheckpointError(
            f"{where} is no LoRA and no relative of one that kakusan knows ({listed(entries)})."
        ) from None
    named = found.name if found.family is None else f"a {found.name} model"
    alone = next(iter(found.parts)) if len(found.parts) == 1 else ""
    advice = f"--{alone} takes it" if alone in _EXCHANGED else "give it as the model"
    of = f"the {_EXCHANGED[alone]} of {named}" if alone in _EXCHANGED else named
    raise CheckpointError(f"{where} is {of}, not a LoRA or a relative of one: {advice}.")
