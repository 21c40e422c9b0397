"""What a model predicts, by what its file tells: FAMILY.md, section 1.2."""

from collections.abc import Mapping
from dataclasses import dataclass

from kakusan.checkpoints.files import JSON
from kakusan.checkpoints.single_file.edm import edm_model
from kakusan.checkpoints.single_file.entries import TensorFile
from kakusan.checkpoints.single_file.recognition import Recognised
from kakusan.checkpoints.single_file.shapes import count
from kakusan.errors import RequestError, shown

EPSILON, V = "epsilon", "v_prediction"
KINDS = (EPSILON, V, "sample")
# Tensors without numbers that SDXL files have as flags
V_FLAG, ZERO_SNR_FLAG = "v_pred", "ztsnr"
_V2_BASE_STEPS = 875_000
# ComfyUI's: the deviation of one normalisation's bias, which is larger in the v models
_V_DEVIATION = 0.09


@dataclass(frozen=True)
class Prediction:
    """What a model predicts.

    Attributes:
        kind: one of `KINDS`.
        zero_snr: whether it was trained down to noise alone.
        edm: the config of its scheduler on EDM's noise levels; None where it is not on them.
    """

    kind: str
    zero_snr: bool = False
    edm: Mapping[str, JSON] | None = None


def prediction_of(file: TensorFile, found: Recognised, asked: str | None = None) -> Prediction:
    """What the UNet of a file predicts.

    Args:
        asked: what the caller says; it counts more than the file.

    Raises:
        RequestError: `asked` is none of the kinds.
        CheckpointError: A flag of the file is missing, or no number that can be.
    """
    if asked is not None and asked not in KINDS:
        raise RequestError(
            f"prediction_type is {shown(asked)}; it must be one of {', '.join(KINDS)}"
        )
    names = _flags(file)
    edm = edm_model(file)
    if edm is not None:
        return Prediction(asked or edm.prediction, edm=edm.scheduler)
    zero_snr = ZERO_SNR_FLAG in names
    return Prediction(asked or _told(file, found, names), zero_snr)


def _flags(file: TensorFile) -> set[str]:
    known = {V_FLAG, ZERO_SNR_FLAG}
    return {last for name in file.entries for last in (name, _last(name)) if last in known}


def _last(name: str) -> str:
    return name.removeprefix("model.diffusion_model.")


def _told(file: TensorFile, found: Recognised, flags: set[str]) -> str:
    said = file.metadata.get("modelspec.prediction_type", "").casefold()
    if said in ("v", V, "v-prediction"):
        return V
    if said in (EPSILON, "eps"):
        return EPSILON
    if V_FLAG in flags:
        return V
    architecture = file.metadata.get("modelspec.architecture", "")
    if found.family != "v2" or found.variant or "v2-512" in architecture:
        return EPSILON
    if "768-v" in architecture:
        return V
    if file.global_step == _V2_BASE_STEPS:
        return EPSILON
    return V if _deviates(file, found) else EPSILON


def _deviates(file: TensorFile, found: Recognised) -> bool:
    held = found.parts["unet"].tensors
    block = count(held, r"up_blocks\.(\d+)\.") - 1
    layer = count(held, rf"up_blocks\.{block}\.attentions\.(\d+)\.") - 1
    name = f"up_blocks.{block}.attentions.{layer}.transformer_blocks.0.norm1.bias"
    if name not in held:
        return False
    numbers = file.numbers(held[name].name)
    mean = sum(numbers) / len(numbers)
    variance = sum((number - mean) ** 2 for number in numbers) / len(numbers)
    return variance**0.5 > _V_DEVIATION
