"""What CLIP's text encoders have in common: tokens in, the states of all layers out."""

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar, NamedTuple, Self

import torch
from torch import Tensor, nn

from kakusan.errors import RequestError, shown
from kakusan.models.layers.basic import LayerNorm
from kakusan.models.layers.clip import ClipEncoder
from kakusan.models.learnt import LearntTokens
from kakusan.models.model import Model
from kakusan.models.names import replace_prefix
from kakusan.models.text_encoder_config import MAX_TOKENS, TextEncoderConfig

# What old files give as the end token; the real one is then found as the largest id of a text.
LEGACY_EOS = 2
PREFIX = "text_model."
# What the reference's calls take too; as None it means nothing.
LATER = ("inputs_embeds", "output_attentions", "position_ids")


class TextStates(NamedTuple):
    """What a tower computes.

    Attributes:
        last: the last layer's states, normalised, shape (batch, tokens, hidden_size).
        pooled: of them those at each text's end token, shape (batch, hidden_size).
        hidden: the states before the first and after each layer, not normalised.
    """

    last: Tensor
    pooled: Tensor
    hidden: tuple[Tensor, ...]


class TextEmbeddings(nn.Module):
    """Token embeddings plus position embeddings."""

    def __init__(self, config: TextEncoderConfig) -> None:
        super().__init__()
        self.token_embedding = nn.Embedding(config.vocab_size, config.hidden_size)
        self.position_embedding = nn.Embedding(config.max_position_embeddings, config.hidden_size)
        nn.init.normal_(self.token_embedding.weight, std=0.02)
        nn.init.normal_(self.position_embedding.weight, std=0.02)

    def forward(self, input_ids: Tensor, learnt: LearntTokens | None = None) -> Tensor:
        positions = self.position_embedding(
            torch.arange(input_ids.shape[-1], device=input_ids.device)
        )
        if learnt is None:
            return self.token_embedding(input_ids) + positions
        return learnt.looked_up(input_ids, self.token_embedding) + positions


class TextTower(Model[TextEncoderConfig]):
    """The text tower of CLIP. arXiv:2103.00020, section 2.4."""

    config_class = TextEncoderConfig
    weights_stem = "model"
    # weights that are not the tower's own, and have no prefix in files
    outside: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, config: TextEncoderConfig) -> None:
        super().__init__(config)
        self.embeddings = TextEmbeddings(config)
        self.encoder = ClipEncoder(
            config.num_hidden_layers,
            config.hidden_size,
            config.intermediate_size,
            config.num_attention_heads,
            activation=config.hidden_act,
            eps=config.layer_norm_eps,
        )
        self.final_layer_norm = LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self._learnt: LearntTokens | None = None

    def encoded(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> TextStates:
        """The states of token ids (batch, tokens); see `CLIPTextModel.forward`."""
        self.prepare()
        learnt = self._learnt
        self._check_ids(input_ids, self.config.vocab_size if learnt is None else learnt.stop)
        x = self.embeddings(input_ids, learnt)
        states: list[Tensor] = self.encoder(x, _mask(x, attention_mask))
        last: Tensor = self.final_layer_norm(states[-1])
        pooled = last[torch.arange(len(last), device=last.device), self._ends(input_ids, learnt)]
        return TextStates(last, pooled, tuple(states))

    @property
    def text_model(self) -> Self:
        """Itself: the reference once kept the layers one level further down."""
        return self

    @property
    def learnt(self) -> LearntTokens | None:
        """Tokens whose embeddings are looked up beside the table; None where there are none."""
        return self._learnt

    def learn(self, learnt: LearntTokens | None) -> None:
        """Look other tokens up beside the table, in place of those before; None for none."""
        self._learnt = learnt
        table = self.embeddings.token_embedding.num_embeddings
        size = table if learnt is None else max(table, learnt.stop)
        self.config = replace(self.config, vocab_size=size)
        self.forget_upcast()

    def reading(self, learnt: LearntTokens | None) -> Self:
        """A copy that shares all weights and looks these tokens up beside the table, if any."""
        made = copy.copy(self)
        made._learnt = learnt
        return made

    def get_input_embeddings(self) -> nn.Embedding:
        """The table of token embeddings; what was looked up beside it is put into it first."""
        if self._learnt is not None:
            self.embeddings.token_embedding = _with_rows(
                self.embeddings.token_embedding, self._learnt
            )
            self.learn(None)
        return self.embeddings.token_embedding

    def set_input_embeddings(self, value: nn.Embedding) -> None:
        """Exchange the table of token embeddings."""
        self._learnt = None
        self.embeddings.token_embedding = value
        self.config = replace(self.config, vocab_size=value.num_embeddings)
        self.forget_upcast()

    @torch.no_grad()
    def resize_token_embeddings(self, new_num_tokens: int | None = None) -> nn.Embedding:
        """Make room for new tokens, or for fewer; new ones begin as the mean of those known.

        Raises:
            RequestError: it is no positive number.
        """
        old = self.get_input_embeddings()
        if new_num_tokens is None or new_num_tokens == old.num_embeddings:
            return old
        if not 1 <= new_num_tokens <= MAX_TOKENS:
            raise RequestError(
                f"new_num_tokens is {shown(new_num_tokens)}; it must be from 1 to {MAX_TOKENS}"
            )
        mean = old.weight.float().mean(0).to(old.weight)
        weight = mean.repeat(new_num_tokens, 1)
        kept = min(new_num_tokens, old.num_embeddings)
        weight[:kept] = old.weight[:kept]
        made = nn.Embedding.from_pretrained(weight, freeze=not old.weight.requires_grad)
        self.set_input_embeddings(made)
        return made

    def from_published_tensors(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Most published files put a prefix before every name, today's reference does not."""
        return replace_prefix(tensors, PREFIX, "")

    def to_published_tensors(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """With the prefix, which every version of the reference reads."""
        return {self._published_name(name): tensor for name, tensor in tensors.items()}

    def _published_name(self, name: str) -> str:
        return name if name in self.outside else PREFIX + name

    def stored_tensors(self) -> dict[str, Tensor]:
        found = super().stored_tensors()
        if self._learnt is not None:  # in the table, where other programs look for them
            table = _with_rows(self.embeddings.token_embedding, self._learnt)
            found["embeddings.token_embedding.weight"] = table.weight.detach()
        return found

    def _check_ids(self, input_ids: Tensor, known: int) -> None:
        longest = self.config.max_position_embeddings
        if input_ids.ndim != 2 or input_ids.shape[1] > longest:
            raise RequestError(
                f"input_ids have shape {tuple(input_ids.shape)}; they must be (batch, tokens) "
                f"with at most {longest} tokens"
            )
        if torch.compiler.is_compiling() or not input_ids.numel():
            return
        lowest, highest = (int(end) for end in input_ids.aminmax())
        if not 0 <= lowest <= highest < known:
            raise RequestError(
                f"input_ids go from {lowest} to {highest}, and this text encoder has "
                f"{known} tokens; after tokenizer.add_tokens call "
                "resize_token_embeddings(len(tokenizer))"
            )

    def _ends(self, input_ids: Tensor, learnt: LearntTokens | None) -> Tensor:
        """The position of each text's first end token."""
        eos = self.config.eos_token_id
        if learnt is not None and not learnt.may_end:
            input_ids = input_ids.masked_fill(input_ids >= learnt.first, 0)
        found = input_ids if eos == LEGACY_EOS else (input_ids == eos).int()
        return found.argmax(dim=-1)


def _with_rows(table: nn.Embedding, learnt: LearntTokens) -> nn.Embedding:
    """A table that has further tokens' embeddings too; the other's numbers are copied."""
    device, rows = table.weight.device, table.num_embeddings
    before = table(torch.arange(min(learnt.first, rows), device=device)).detach()
    after = table(torch.arange(learnt.stop, max(learnt.stop, rows), device=device)).detach()
    weight = torch.cat([before, learnt.vectors.to(before), after])
    return nn.Embedding.from_pretrained(weight, freeze=not table.weight.requires_grad)


def _mask(x: Tensor, attention_mask: Tensor | None) -> Tensor:
    """What is added to the scores: no token sees a later one, nor one that is masked out."""
    tokens = x.shape[1]
    lowest = torch.finfo(x.dtype).min
    hidden = torch.ones(tokens, tokens, dtype=torch.bool, device=x.device).triu(1)[None, None]
    if attention_mask is not None:
        hidden = hidden | (attention_mask == 0)[:, None, None, :]  # (batch, 1, tokens, tokens)
    return torch.zeros(hidden.shape, dtype=x.dtype, device=x.device).masked_fill(hidden, lowest)
