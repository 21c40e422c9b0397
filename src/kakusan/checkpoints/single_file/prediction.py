"""What a model predicts, by what its file tells: FAMILY.md, section 1.2."""

from dataclasses import dataclass

from kakusan.checkpoints.single_file.entries import TensorFile
from kakusan.checkpoints.single_file.recognition import Recognised
from kakusan.checkpoints.single_file.shapes import count
from kakusan.errors import CheckpointError, RequestError, shown

EPSILON, V = "epsilon", "v_prediction"
KINDS = (EPSILON, V, "sample")
# Tensors without numbers that SDXL files have as flags
V_FLAG, ZERO_SNR_FLAG = "v_pred", "ztsnr"
EDM_FLAGS = {
    "edm_vpred.sigma_max": "as CosXL, on EDM's noise levels",
    "edm_mean": "as Playground v2.5, on EDM's noise levels",
}
_V2_BASE_STEPS = 875_000
# ComfyUI's: the deviation of one normalisation's bias, which is larger in the v models
_V_DEVIATION = 0.09


@dataclass(frozen=True)
class Prediction:
    """What a model predicts.

    Attributes:
        kind: one of `KINDS`.
        zero_snr: whether it was trained down to noise alone.
    """

    kind: str
    zero_snr: bool = False


def prediction_of(file: TensorFile, found: Recognised, asked: str | None = None) -> Prediction:
    """What the UNet of a file predicts.

    Args:
        asked: what the caller says; it counts more than the file.

    Raises:
        RequestError: `asked` is none of the kinds.
        CheckpointError: The model needs noise levels that kakusan does not have.
    """
    if asked is not None and asked not in KINDS:
        raise RequestError(
            f"prediction_type is {shown(asked)}; it must be one of {', '.join(KINDS)}"
        )
    names = _flags(file)
    for flag, how in EDM_FLAGS.items():
        if flag in names:
            raise CheckpointError(
                f"{file.path} was trained {how}, which kakusan does not have yet."
            )
    zero_snr = ZERO_SNR_FLAG in names
    return Prediction(asked or _told(file, found, names), zero_snr)


def _flags(file: TensorFile) -> set[str]:
    known = {V_FLAG, ZERO_SNR_FLAG, *EDM_FLAGS}
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
