"""CLIP's text encoders: tokens to the embeddings that the UNet attends to."""

from typing import NamedTuple

from torch import Tensor

from kakusan.models.familiar import refuse_later
from kakusan.models.layers.basic import Linear
from kakusan.models.text_encoder_config import ProjectedTextConfig, TextEncoderConfig
from kakusan.models.text_tower import LATER, TextTower
from kakusan.results import named

# What else a whole CLIP's file holds, and old files: the numbers of the positions.
OTHER_PARTS = frozenset({"position_ids", "vision_model", "logit_scale", "visual_projection"})
PROJECTION = "text_projection"


@named
class TextEncoderOutput(NamedTuple):
    """What the text encoder gives.

    Attributes:
        last_hidden_state: the text embeddings, shape (batch, tokens, hidden_size).
        pooler_output: the embedding at each text's end token, shape (batch, hidden_size).
        hidden_states: if asked for: the states before the first and after each layer, without the
            final normalisation.
    """

    last_hidden_state: Tensor
    pooler_output: Tensor
    hidden_states: tuple[Tensor, ...] | None = None


@named
class ProjectedTextOutput(NamedTuple):
    """What the text encoder with a projection gives.

    Attributes:
        text_embeds: of the whole text, shape (batch, projection_dim).
        last_hidden_state: the text embeddings, shape (batch, tokens, hidden_size).
        hidden_states: if asked for: the states before the first and after each layer, without the
            final normalisation.
    """

    text_embeds: Tensor
    last_hidden_state: Tensor
    hidden_states: tuple[Tensor, ...] | None = None


class CLIPTextModel(TextTower):
    """CLIP's text encoder, as Stable Diffusion 1 and 2 have it, and XL as its first."""

    part_names = ("text_encoder", "text_encoder_2")

    ignored = OTHER_PARTS | {PROJECTION}

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        *,
        output_hidden_states: bool | None = False,
        return_dict: bool | None = True,
        **later: object,
    ) -> TextEncoderOutput | tuple[Tensor | tuple[Tensor, ...], ...]:
        """Encode texts.

        Args:
            input_ids: token ids, shape (batch, tokens), at most `config.max_position_embeddings`
                tokens.
            attention_mask: 1 for tokens and 0 for padding that must not be attended to, same shape.
                Stable Diffusion attends to its padding: leave it out.
            output_hidden_states: also give the states between the layers.
            return_dict: False gives a plain tuple without what is None.
            later: what else the reference takes, as long as it is None.

        Returns:
            The embeddings (batch, tokens, hidden_size), those at the end tokens (batch,
            hidden_size) and, if asked for, `num_hidden_layers + 1` states shaped as the first.

        Raises:
            RequestError: `input_ids` of another shape, too many tokens, or ids that it lacks.
            NotYetError: one of `later` has a value.
            UnknownArgumentError: an argument that does not exist.
            CheckpointError: the weights came from a file and are not finite.
        """
        refuse_later("the text encoder", later, LATER)
        last, pooled, states = self.encoded(input_ids, attention_mask)
        output = TextEncoderOutput(last, pooled, states if output_hidden_states else None)
        if return_dict is False:
            return tuple(part for part in output if part is not None)
        return output


class CLIPTextModelWithProjection(TextTower):
    """CLIP's text encoder with the projection of whole texts, SDXL's second."""

    config_class = ProjectedTextConfig
    part_names = ("text_encoder_2", "text_encoder")
    ignored = OTHER_PARTS
    outside = frozenset({f"{PROJECTION}.weight"})

    def __init__(self, config: TextEncoderConfig) -> None:
        super().__init__(config)
        self.text_projection = Linear(config.hidden_size, config.projection_dim, bias=False)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        *,
        output_hidden_states: bool | None = False,
        return_dict: bool | None = True,
        **later: object,
    ) -> ProjectedTextOutput | tuple[Tensor | tuple[Tensor, ...], ...]:
        """Encode texts.

        Args:
            input_ids, attention_mask, output_hidden_states, return_dict, later: as
                `CLIPTextModel.forward` takes them, with the same errors.

        Returns:
            Embeddings of the whole texts (batch, projection_dim), those of the tokens (batch,
            tokens, hidden_size) and, if asked for, `num_hidden_layers + 1` states.
        """
        refuse_later("the text encoder", later, LATER)
        last, pooled, states = self.encoded(input_ids, attention_mask)
        embeds: Tensor = self.text_projection(pooled)
        output = ProjectedTextOutput(embeds, last, states if output_hidden_states else None)
        if return_dict is False:
            return tuple(part for part in output if part is not None)
        return output
