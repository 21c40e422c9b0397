"""The stage in which a text encoder and a UNet's attention to it learn together."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kakusan.builtin.recipe.backdrops import Rng
from kakusan.builtin.recipe.diffusion import DenoisingStage
from kakusan.builtin.recipe.reading import Reader
from kakusan.models import UNet2DConditionModel

ATTENTION = (".attn2.", ".norm2.")  # to the text, in the names of a transformer block's weights


class Listener(nn.Module):
    """A reader whose text encoder learns, and a UNet of which only the attention to it does."""

    def __init__(self, reader: Reader, unet: UNet2DConditionModel) -> None:
        super().__init__()
        self.reader, self.unet = reader.requires_grad_(True), unet
        for name, parameter in unet.named_parameters():
            parameter.requires_grad_(".transformer_blocks." in name and _attends(name))

    def forward(self, noised: Tensor, timesteps: Tensor, embeddings: Tensor) -> Tensor:
        return self.unet(noised, timesteps, embeddings)[0]


class CrossAttentionStage(DenoisingStage[Listener]):
    """Teaches a model to heed what its text encoder has newly learnt to read.

    What a UNet draws well it draws for captions that it has learnt with. Here it learns to draw it
    for others too, at little cost: all of it stays as it is but for the attention to the text, and
    the encoder goes on answering questions, so that it does not forget how to read.

    Args:
        networks: learn, from as they are.
        answers: to the questions, of the scene of each of the latents.
        weight: of the answers' cross entropy beside the error of the velocity.
        others: as of every stage that denoises.
    """

    name = "attention"

    def __init__(
        self, networks: Listener, *args: Any, answers: Tensor, weight: float, **others: Any
    ):
        super().__init__(networks, networks.reader.text_encoder, *args, **others)
        self.answers = answers.to(self.device)
        self.weight = weight

    def read(self, ids: Tensor) -> Tensor:
        return self.text_encoder(ids)[0]

    def predict(
        self,
        noised: Tensor,
        timesteps: Tensor,
        embeddings: Tensor,
        chosen: Tensor,  # noqa: ARG002  # the same for all
        rng: Rng | None = None,  # noqa: ARG002
    ) -> Tensor:
        return self.networks(noised, timesteps, embeddings)

    def besides(self, captions: Tensor, text: Tensor, chosen: Tensor) -> Tensor:
        """The cross entropy of the answers to what is asked of the captions, weighed."""
        spoken = (captions != self.nothing).any(1)
        true = self.answers[chosen].long()
        logits = self.networks.reader.answered(text)
        losses = [
            F.cross_entropy(each.float(), true[:, i], reduction="none")
            for i, each in enumerate(logits)
        ]
        return self.weight * (torch.stack(losses).sum(0) * spoken).mean()


def _attends(name: str) -> bool:
    return any(part in name for part in ATTENTION)
