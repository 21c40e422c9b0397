"""What scripts for the reference library call on every network, beside running it."""

from collections.abc import Callable, Mapping, Sequence

from torch import Tensor, nn

from kakusan.errors import NotYetError, check_no_unknown, shown
from kakusan.models.checkpointed import Checkpointed
from kakusan.models.layers.attention import Attention, PictureAttention

# Ways to compute attention that differ in speed and memory alone
SAME_ATTENTION = frozenset(
    {
        *("AttnProcessor", "AttnProcessor2_0", "SlicedAttnProcessor", "XFormersAttnProcessor"),
        *("FusedAttnProcessor2_0", "AttnProcessorNPU", "FlexAttention"),
    }
)


_LORA = "pipe.load_lora_weights, set_adapters and fuse_lora do it for a whole pipeline"
_COMPILE = "torch.compile(pipe.unet) compiles the whole network"
# Methods of the reference's networks -> what to do instead
LATER = {
    **dict.fromkeys(
        (
            *("fuse_lora", "unfuse_lora", "unload_lora", "enable_lora", "disable_lora"),
            *("save_lora_adapter", "delete_adapters", "enable_adapters", "disable_adapters"),
            *("active_adapters", "enable_lora_hotswap"),
        ),
        _LORA,
    ),
    "add_adapter": _LORA,
    "compile_repeated_blocks": _COMPILE,
    "enable_group_offload": "pipe.enable_model_cpu_offload() saves memory",
    "enable_layerwise_casting": "torch_dtype=torch.float16 halves the memory of the weights",
    "load_attn_procs": _LORA,
    "load_lora_adapter": _LORA,
    "save_attn_procs": _LORA,
    "set_adapter": _LORA,
    "set_adapters": _LORA,
    "set_attention_backend": "attention is computed as fast as the machine can; leave it out",
    "register_to_config": "make a network with from_config, and load what fits of the weights",
}


class AttnProcessor2_0:  # noqa: N801  # the reference's name for it
    """Attention without a matrix of scores, which is how it is always computed here."""


class Familiar(nn.Module):
    """Calls that scripts make of any network.

    Attention is computed here without its matrix of scores, as fast as the machine can. So what
    chooses a way to compute it does nothing, and what would change its result is refused.
    """

    def num_parameters(self, only_trainable: bool = False, exclude_embeddings: bool = False) -> int:
        """How many numbers there are to learn.

        Args:
            only_trainable: Count those alone that require gradients.
            exclude_embeddings: Leave out tables of embeddings.
        """
        left_out = {
            id(module.weight)
            for module in self.modules()
            if exclude_embeddings and isinstance(module, nn.Embedding)
        }
        counted = (p for p in self.parameters() if p.requires_grad or not only_trainable)
        return sum(p.numel() for p in counted if id(p) not in left_out)

    @property
    def is_gradient_checkpointing(self) -> bool:
        """Whether training computes intermediate results again to save memory."""
        return any(module.gradient_checkpointing for module in self._checkpointed())

    def enable_gradient_checkpointing(self) -> None:
        """Compute intermediate results again in the backward pass: less memory, a third more time.

        Gradients stay what they are.
        """
        for module in self._checkpointed():
            module.gradient_checkpointing = True

    def disable_gradient_checkpointing(self) -> None:
        """Keep intermediate results for the backward pass again."""
        for module in self._checkpointed():
            module.gradient_checkpointing = False

    def gradient_checkpointing_enable(self) -> None:
        """The same as `enable_gradient_checkpointing`, as text encoders call it."""
        self.enable_gradient_checkpointing()

    def gradient_checkpointing_disable(self) -> None:
        """The same as `disable_gradient_checkpointing`, as text encoders call it."""
        self.disable_gradient_checkpointing()

    def enable_xformers_memory_efficient_attention(self, attention_op: object = None) -> None:
        """Do nothing: attention needs no memory for its scores as it is."""

    def disable_xformers_memory_efficient_attention(self) -> None:
        """Do nothing, see `enable_xformers_memory_efficient_attention`."""

    def set_use_memory_efficient_attention_xformers(
        self, valid: bool, attention_op: object = None
    ) -> None:
        """Do nothing, see `enable_xformers_memory_efficient_attention`."""

    def set_attention_slice(self, slice_size: object = "auto") -> None:
        """Do nothing: slices would be slower and save no memory."""

    def enable_forward_chunking(self, chunk_size: int | None = None, dim: int = 0) -> None:
        """Do nothing: the pointwise networks are not what needs most memory here."""

    def disable_forward_chunking(self) -> None:
        """Do nothing, see `enable_forward_chunking`."""

    def fuse_qkv_projections(self) -> None:
        """Do nothing: projections are computed as is fastest, with the same result."""

    def unfuse_qkv_projections(self) -> None:
        """Do nothing, see `fuse_qkv_projections`."""

    def set_default_attn_processor(self) -> None:
        """Do nothing: attention is never computed in another way."""

    def set_attn_processor(self, processor: object, _remove_lora: bool = False) -> None:
        """Do nothing for processors that compute the same in another way.

        Raises:
            NotYetError: A processor of another class, which would change the result.
        """
        several = processor.values() if isinstance(processor, Mapping) else [processor]
        for each in several:  # pyright: ignore[reportUnknownVariableType]
            name = type(each).__name__  # pyright: ignore[reportUnknownArgumentType]
            if name not in SAME_ATTENTION:
                raise NotYetError(
                    f"an attention processor of {shown(name)} is not there yet; "
                    "kakusan.inspect shows attention, and a Steering changes calls and steps"
                )

    @property
    def attn_processors(self) -> dict[str, "AttnProcessor2_0"]:
        """Under the published name of each attention how it is computed, always the same."""
        return {
            f"{name}.processor": AttnProcessor2_0()
            for name, module in self.named_modules()
            if isinstance(module, Attention | PictureAttention)
        }

    def _checkpointed(self) -> list[Checkpointed]:
        return [module for module in self.modules() if isinstance(module, Checkpointed)]


def _come_later(name: str, instead: str) -> Callable[..., None]:
    def method(self: Familiar, *_arguments: object, **_named: object) -> None:
        raise NotYetError(f"{type(self).__name__}.{name} is not there yet; {instead}")

    method.__name__, method.__doc__ = name, f"Raise NotYetError: {instead}."
    return method


for _name, _instead in LATER.items():
    setattr(Familiar, _name, _come_later(_name, _instead))


def refuse_later(call: str, given: Mapping[str, object], later: Sequence[str]) -> None:
    """Check arguments of the reference's call which mean nothing as None, and would act else.

    Raises:
        NotYetError: One of `later` has a value.
        UnknownArgumentError: One is not among them.
    """
    check_no_unknown(call, given.keys() - set(later), later)
    for name, value in given.items():
        nothing = value is None or value is False or (isinstance(value, Mapping) and not value)
        if not nothing:
            what = "a tensor" if isinstance(value, Tensor) else shown(value)
            raise NotYetError(f"{call}: {name}={what} is not there yet; leave it out")
