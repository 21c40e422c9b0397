"""The text encoder's own stage: it learns to read captions before anything is drawn from them."""

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from kakusan.builtin.recipe.backdrops import Rng
from kakusan.builtin.recipe.captions import caption
from kakusan.builtin.recipe.painter import Painter
from kakusan.builtin.recipe.scenes import NAMES, Item, Scene, arranged, location, training_scene
from kakusan.builtin.recipe.world import COLOURS, PLACES, SIZES, STYLES
from kakusan.models import CLIPTextModel
from kakusan.text import CLIPTokenizer
from kakusan.training.grids import grid
from kakusan.training.trainer import Stage, StageSettings, mixed_precision

ITEMS, MOST = 3, 4  # objects of a relation, and how many alike there may be
WORDS = list(SIZES)


@dataclass(frozen=True)
class Question:
    """What is asked of a caption, and how many answers there are."""

    name: str
    answers: int


def questions(things: int) -> list[Question]:
    """Object, colour and size of each item, their number, relation, location, style."""
    each = [("object", things + 1), ("colour", len(COLOURS) + 1), ("size", len(SIZES) + 1)]
    whole = [
        ("count", MOST + 1),
        ("relation", len(NAMES) + 1),
        ("location", len(PLACES) + len(COLOURS)),
        ("style", len(STYLES)),
    ]
    items = [Question(f"{name} {i + 1}", n) for i in range(ITEMS) for name, n in each]
    return items + [Question(name, n) for name, n in whole]


def answers(scene: Scene, things: int) -> list[int]:
    """The answer to each question; for objects the last one means that there is nothing to say."""
    different = scene.items if scene.relation is not None else scene.items[:1]
    found: list[int] = []
    for i in range(ITEMS):
        item = different[i] if i < len(different) else None
        colour, word = (None, None) if item is None else (item.colour, item.word)
        found += [
            things if item is None else item.thing,
            len(COLOURS) if colour is None else colour,
            len(WORDS) if word is None else WORDS.index(word),
        ]
    relation = len(NAMES) if scene.relation is None else NAMES.index(scene.relation)
    return [*found, len(scene.items), relation, location(scene), scene.style]


def scene_of(found: list[int], things: int) -> Scene:
    """The scene that answers describe, laid out as the training pictures are."""
    items: list[Item] = []
    for i in range(ITEMS):
        thing, colour, size = found[3 * i : 3 * i + 3]
        if thing < things:
            items.append(
                Item(
                    thing,
                    colour if colour < len(COLOURS) else None,
                    word=WORDS[size] if size < len(WORDS) else None,
                )
            )
    count, relation, where, style = found[3 * ITEMS :]
    return arranged(
        items,
        count=count,
        relation=NAMES[relation] if relation < len(NAMES) else None,
        place=where if where < len(PLACES) else None,
        colour=max(0, where - len(PLACES)),
        style=style,
    )


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
        tokens = self.text_encoder(ids)[0]
        queries = self.queries.expand(len(ids), -1, -1)
        heard = self.norm(self.attention(queries, tokens, tokens, need_weights=False)[0])
        return [answer(heard[:, i]) for i, answer in enumerate(self.answers)]


class ReadingStage(Stage[Reader]):
    """Learns to answer questions about scenes from their captions alone.

    A UNet that draws from the tokens of a new text encoder has to teach it to read at the same
    time, from gradients that are mostly noise. CLIP's text encoder comes to Stable Diffusion with
    its reading learnt from other data (arXiv:2112.10752, section 3.3); so does this one.

    Args:
        text_encoder: learns, from as it is.
        tokenizer: reads captions.
        settings: of the stage.
        things: objects that captions speak of, the first of the world's.
        prompts: of the sample grids.
        seed: decides scenes and captions.
    """

    name = "text"

    def __init__(
        self,
        text_encoder: CLIPTextModel,
        tokenizer: CLIPTokenizer,
        settings: StageSettings,
        *,
        things: int,
        prompts: tuple[str, ...],
        seed: int,
    ) -> None:
        torch.manual_seed(seed)
        self.networks = Reader(text_encoder, things).to(text_encoder.device)
        self.tokenizer = tokenizer
        self.settings = settings
        self.things = things
        self.prompts = prompts
        self.seed = seed

    def loss(self, rng: Rng) -> Tensor:
        """Return the cross entropy of the answers, summed over the questions."""
        scenes = [training_scene(rng, self.things) for _ in range(self.settings.batch_size)]
        ids = self.tokenizer.encode_prompts([caption(scene, rng) for scene in scenes])
        true = torch.tensor([answers(scene, self.things) for scene in scenes])
        with mixed_precision(self.device):
            logits = self.networks(self._trimmed(ids).to(self.device))
        losses = [
            F.cross_entropy(each.float(), true[:, i].to(self.device))
            for i, each in enumerate(logits)
        ]
        return torch.stack(losses).sum()

    def _trimmed(self, ids: Tensor) -> Tensor:
        """Without most of the padding: the encoder is causal, so the rest stays as it is."""
        ends = (ids == self.tokenizer.eos_token_id).int().argmax(1)
        return ids[:, : int(ends.max()) + 2]

    @torch.no_grad()
    def samples(self) -> Image.Image:
        """Return scenes as the stage reads the prompts, drawn by the painter."""
        ids = self._trimmed(self.tokenizer.encode_prompts(list(self.prompts))).to(self.device)
        read = torch.stack([each.argmax(1) for each in self.networks(ids)], dim=1).tolist()
        painter = Painter()
        pictures = [painter.draw(scene_of(each, self.things)) for each in read]
        return grid(np.stack(pictures), columns=max(1, len(pictures) // 4))
