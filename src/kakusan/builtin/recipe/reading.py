"""The text encoder's own stage: it learns to read captions before anything is drawn from them."""

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from kakusan.builtin.recipe.backdrops import Rng
from kakusan.builtin.recipe.examples import Examples
from kakusan.builtin.recipe.lessons import Lessons
from kakusan.builtin.recipe.painter import Painter
from kakusan.builtin.recipe.questions import questions, scene_of
from kakusan.models import CLIPTextModel
from kakusan.text import CLIPTokenizer
from kakusan.training.grids import grid
from kakusan.training.trainer import Stage, StageSettings, mixed_precision

ALIKE = 5.0  # how much examples count beside the answers


class Reader(nn.Module):
    """A text encoder with one query for each question, which looks at its tokens as a UNet does."""

    def __init__(self, text_encoder: CLIPTextModel, things: int) -> None:
        super().__init__()
        width = text_encoder.config.hidden_size
        asked = questions(things)
        self.text_encoder = text_encoder
        self.queries = nn.Parameter(torch.randn(len(asked), width))
        self.attention = nn.MultiheadAttention(width, 4, batch_first=True)
        self.norm = nn.LayerNorm(width)
        self.answers = nn.ModuleList(nn.Linear(width, each.answers) for each in asked)

    def forward(self, ids: Tensor) -> list[Tensor]:
        """Return the logits of each question's answers, (batch, answers)."""
        return self.answered(self.text_encoder(ids)[0])

    def answered(self, tokens: Tensor) -> list[Tensor]:
        """The same of captions that the text encoder has read, (batch, tokens, width)."""
        queries = self.queries.expand(len(tokens), -1, -1)
        heard = self.norm(self.attention(queries, tokens, tokens, need_weights=False)[0])
        return [answer(heard[:, i]) for i, answer in enumerate(self.answers)]


class ReadingStage(Stage[Reader]):
    """Learns to answer questions about scenes from their captions alone.

    A UNet that draws from the tokens of a new text encoder has to teach it to read at the same
    time, from gradients that are mostly noise. CLIP's text encoder comes to Stable Diffusion with
    its reading learnt from other data (arXiv:2112.10752, section 3.3); so does this one.

    Args:
        text_encoder: learns, from as it is.
        tokenizer: reads the prompts of the sample grids.
        settings: of the stage.
        lessons: the captions, and the answers.
        things: objects that captions speak of, the first of the world's.
        prompts: of the sample grids.
        seed: decides which captions come when.
        examples: of how a UNet's own text encoder reads, where this one shall read for it too.
    """

    name = "text"

    def __init__(
        self,
        text_encoder: CLIPTextModel,
        tokenizer: CLIPTokenizer,
        settings: StageSettings,
        *,
        lessons: Lessons,
        things: int,
        prompts: tuple[str, ...],
        seed: int,
        examples: Examples | None = None,
    ) -> None:
        torch.manual_seed(seed)
        self.networks = Reader(text_encoder, things).to(text_encoder.device)
        self.tokenizer = tokenizer
        self.settings = settings
        # without most of the padding: the encoder is causal, so the rest stays as it is
        self.ids = lessons.ids[..., : lessons.longest].to(self.device)
        self.answers = lessons.answers.to(self.device)
        self.things = things
        self.prompts = prompts
        self.seed = seed
        self.examples = None if examples is None else examples.to(self.device)

    def loss(self, rng: Rng) -> Tensor:
        """Return the cross entropy of the answers, summed over the questions.

        With examples, how far from them captions are read is added.
        """
        count, draw = self.settings.batch_size, self.draws(rng)
        scenes = torch.randint(len(self.ids), (count,), generator=draw, device=self.device)
        which = torch.randint(self.ids.shape[1], (count,), generator=draw, device=self.device)
        true = self.answers[scenes].long()
        with mixed_precision(self.device):
            logits = self.networks(self.ids[scenes, which].long())
            unlike = (
                None
                if self.examples is None
                else self.examples.error(self.networks.text_encoder, max(1, count // 4), draw)
            )
        losses = [F.cross_entropy(each.float(), true[:, i]) for i, each in enumerate(logits)]
        answered = torch.stack(losses).sum()
        return answered if unlike is None else answered + ALIKE * unlike

    @torch.no_grad()
    def samples(self) -> Image.Image:
        """Return scenes as the stage reads the prompts, drawn by the painter."""
        ids = self.tokenizer.encode_prompts(list(self.prompts)).to(self.device)
        read = torch.stack([each.argmax(1) for each in self.networks(ids)], dim=1).tolist()
        painter = Painter()
        pictures = [painter.draw(scene_of(each, self.things)) for each in read]
        return grid(np.stack(pictures), columns=max(1, len(pictures) // 4))
