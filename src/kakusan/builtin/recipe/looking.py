"""What looks at pictures for the built-in model, and learns to say what captions say."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import cast

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from kakusan.builtin.recipe.backdrops import Rng
from kakusan.builtin.recipe.captions import caption
from kakusan.builtin.recipe.painter import Painter
from kakusan.builtin.recipe.scenes import Scene, covered, training_scene
from kakusan.builtin.recipe.world import COLOURS
from kakusan.models import (
    CLIPImageProcessor,
    CLIPTextModel,
    CLIPVisionModelWithProjection,
    ImageEncoderConfig,
    ImageProcessorConfig,
    UNet2DConditionModel,
)
from kakusan.models.image_projection import PLAIN_TOKENS, PlainProjection
from kakusan.models.image_tokens import ImageLayers, ImageTokens
from kakusan.models.layers.attention import Attention
from kakusan.runtime.kernels import attention as attend
from kakusan.text import CLIPTokenizer
from kakusan.training.pace import StageSettings
from kakusan.training.trainer import Stage, mixed_precision

ASKED = 64  # queries of each attention and picture, in a step
NAMED = 0.3  # how much names count beside answers
CORE = 0.7  # the part of an object's side that its name is asked of
OWN = len(COLOURS)  # the colour of what was not recoloured
# What a picture may lose at its sides, as a share of it, and how far its light and noise may be off
CUT, LIGHT, NOISE = 0.12, 0.08, 0.1


class Adapter(nn.Module):
    """A plain IP-Adapter that learns; its weights have the names that published files have.

    Its keys and values begin as those that the UNet makes of texts.

    Args:
        features: width of what the picture encoder gives.
    """

    def __init__(self, unet: UNet2DConditionModel, features: int) -> None:
        super().__init__()
        width, self.names = unet.config.cross_attention_dim, tuple(unet.text_attentions)
        projection = nn.Linear(features, PLAIN_TOKENS * width)
        self.image_proj = nn.ModuleDict({"proj": projection, "norm": nn.LayerNorm(width)})
        attentions = [attention_of(unet, name) for name in self.names]
        self.ip_adapter = nn.ModuleDict(
            {
                str(2 * place + 1): nn.ModuleDict(
                    {"to_k_ip": begun_as(each.to_k), "to_v_ip": begun_as(each.to_v)}
                )
                for place, each in enumerate(attentions)
            }
        )

    def forward(self, features: Tensor) -> ImageTokens:
        """What a UNet attends to of pictures' features (pictures, features)."""
        projection = PlainProjection(dict(self.image_proj.named_parameters()))
        weights = dict(self.ip_adapter.named_parameters())
        layers = {
            name: (weights[f"{n}.to_k_ip.weight"], weights[f"{n}.to_v_ip.weight"])
            for name, n in zip(self.names, self.ip_adapter, strict=True)
        }
        return ImageTokens(projection(features), ImageLayers(layers))


class Sight(nn.Module):
    """A picture encoder and an adapter."""

    def __init__(self, unet: UNet2DConditionModel, config: ImageEncoderConfig) -> None:
        super().__init__()
        self.encoder = CLIPVisionModelWithProjection(config)
        self.adapter = Adapter(unet, config.projection_dim)

    def forward(self, pixels: Tensor, unseen: Tensor) -> ImageTokens:
        """What a UNet attends to of pictures.

        Args:
            pixels: what `Looks` makes of them.
            unseen: bool, shape (pictures,): which of them are not shown, as in guidance's other
                half.
        """
        features = self.encoder(pixels)[0]
        return self.adapter(features.masked_fill(unseen[:, None], 0))


def attention_of(unet: UNet2DConditionModel, name: str) -> Attention:
    """The attention to the text that has a name in `text_attentions`."""
    return cast(Attention, unet.get_submodule(name).attn2)


def begun_as(layer: nn.Linear) -> nn.Linear:
    """A layer that learns, from the weights of another."""
    made = nn.Linear(layer.in_features, layer.out_features, bias=False)
    made.load_state_dict({"weight": layer.weight})
    return made


class Looks:
    """Pictures of scenes as the encoder is shown them."""

    def __init__(self, painter: Painter, pixels: int) -> None:
        self.painter = painter
        self.processor = CLIPImageProcessor(ImageProcessorConfig(size=pixels, crop_size=pixels))

    def plain(self, scenes: Sequence[Scene]) -> Tensor:
        """As they are."""
        return self.processor([Image.fromarray(self.painter.draw(s)) for s in scenes])[0]

    def varied(self, scenes: Sequence[Scene], rng: Rng) -> Tensor:
        """Moved and cut a little, in another light, with noise, and half with another backdrop.

        They are not mirrored: what is left of what is for the adapter to tell.
        """
        pixels = self.processor([self._cut(scene, rng) for scene in scenes])[0]
        shape = (len(scenes), 3, 1, 1)
        light = 1 + rng.uniform(-LIGHT, LIGHT, shape)
        shift = rng.uniform(-LIGHT, LIGHT, shape)
        noise = rng.standard_normal(pixels.shape, dtype=np.float32)
        change = shift + noise * rng.uniform(0, NOISE, (len(scenes), 1, 1, 1))
        return pixels * torch.from_numpy(light).float() + torch.from_numpy(change).float()

    def _cut(self, scene: Scene, rng: Rng) -> Image.Image:
        if rng.random() < 0.5:
            scene = replace(scene, seed=int(rng.integers(2**31)))
        picture = Image.fromarray(self.painter.draw(scene))
        side = picture.width
        cut = round(float(rng.uniform(0, CUT)) * side)
        left, top = (int(rng.integers(cut + 1)) for _ in range(2))
        return picture.crop((left, top, left + side - cut, top + side - cut))


class Naming(nn.Module):
    """A sight, and what it is asked for besides while it learns: which objects are where."""

    def __init__(self, sight: Sight, things: int) -> None:
        super().__init__()
        config = sight.encoder.config
        self.sight, self.things = sight, things
        self.patches = nn.Linear(config.hidden_size, things + 1 + OWN + 1)
        self.whole = nn.Linear(config.projection_dim, things)

    def forward(self, pixels: Tensor, unseen: Tensor) -> tuple[ImageTokens, Tensor, Tensor]:
        """The sight's tokens, and logits of objects and colours, (pictures, patches, answers), and
        of objects anywhere, (pictures, things).
        """
        features, states = self.sight.encoder(pixels)[:2]
        tokens = self.sight.adapter(features.masked_fill(unseen[:, None], 0))
        return tokens, self.patches(states[:, 1:]), self.whole(features)


def objects_at(scenes: Sequence[Scene], side: int, things: int) -> tuple[Tensor, Tensor]:
    """Of `side` x `side` patches the objects and their colours, each int64 (scenes, patches).

    Where none is, the object is `things`; its colour is -1, which is asked for nowhere.
    """
    found = np.full((2, len(scenes), side, side), [[[[things]]], [[[-1]]]])
    for index, scene in enumerate(scenes):
        for item in reversed(scene.items):  # the first is in front
            there = covered(Scene((replace(item, size=item.size * CORE),)), side)
            found[0, index, there] = item.thing
            found[1, index, there] = OWN if item.colour is None else item.colour
    objects, colours = torch.from_numpy(found).flatten(2)
    return objects, colours


class LookingStage(Stage[Naming]):
    """Tokens of pictures learn to answer what a UNet asks of captions.

    Each attention to the text asks with queries; what a caption answers, less what is answered when
    nothing is said, is what the tokens of its picture are to add. That needs no drawing, so that it
    is learnt several times as fast as from a UNet's predictions, which are mostly noise. Places are
    seen soon; for objects to be told from one another the encoder is also asked for them by name.

    Args:
        sight: learns, from as it is.
        unet: whose attentions are answered.
        text_encoder: reads the captions.
        tokenizer: reads captions.
        looks: shows pictures.
        queries: of each attention by its name, shape (many, width).
        settings: of the stage.
        things: objects that scenes have, the first of the world's.
        unseen: the share of pictures that are not shown.
        sheet: makes the sample grids.
        seed: decides scenes, captions and queries.
    """

    name = "looking"

    def __init__(
        self,
        sight: Sight,
        unet: UNet2DConditionModel,
        text_encoder: CLIPTextModel,
        tokenizer: CLIPTokenizer,
        looks: Looks,
        queries: dict[str, Tensor],
        settings: StageSettings,
        *,
        things: int,
        unseen: float,
        sheet: Callable[[], Image.Image],
        seed: int,
    ) -> None:
        self.networks = Naming(sight, things).to(next(sight.parameters()).device)
        self.attentions = {name: attention_of(unet, name) for name in unet.text_attentions}
        self.text_encoder = text_encoder
        self.tokenizer = tokenizer
        self.looks = looks
        self.queries = queries
        self.settings = settings
        self.things = things
        self.unseen = unseen
        self.sheet = sheet
        self.seed = seed

    def loss(self, rng: np.random.Generator) -> Tensor:
        """Return the share of answers that is missed, and some of the cross entropy of names."""
        count = self.settings.batch_size
        scenes = [training_scene(rng, self.things) for _ in range(count)]
        pixels = self.looks.varied(scenes, rng).to(self.device)
        unseen = torch.from_numpy(rng.random(count) < self.unseen).to(self.device)
        said = [caption(scene, rng, self.things) for scene in scenes]
        chosen = {n: rng.integers(len(q), size=(count, ASKED)) for n, q in self.queries.items()}
        with mixed_precision(self.device):
            text = self._read([*said, ""])
            images, patches, whole = self.networks(pixels, unseen)
            shares = [
                self._missed(name, attention, chosen[name], text, images, unseen)
                for name, attention in self.attentions.items()
            ]
        named = self._misnamed(scenes, patches.float(), whole.float())
        return torch.stack(shares).mean() + NAMED * named

    def _misnamed(self, scenes: Sequence[Scene], patches: Tensor, whole: Tensor) -> Tensor:
        """The cross entropy of objects and colours."""
        objects, colours = objects_at(scenes, math.isqrt(patches.shape[1]), self.things)
        of_objects, of_colours = patches.split([self.things + 1, OWN + 1], dim=2)
        loss = F.cross_entropy(of_objects.flatten(0, 1), objects.flatten().to(self.device))
        there = (colours >= 0).to(self.device)
        if there.any():
            loss = loss + F.cross_entropy(of_colours[there], colours.to(self.device)[there])
        shares = torch.zeros_like(whole)
        for row, scene in zip(shares, scenes, strict=True):
            for item in scene.items:
                row[item.thing] += 1 / len(scene.items)
        return loss + F.cross_entropy(whole, shares)

    def samples(self) -> Image.Image:
        """Return the sheet that it was given."""
        return self.sheet()

    @torch.no_grad()
    def _read(self, captions: Sequence[str]) -> Tensor:
        return self.text_encoder(self.tokenizer.encode_prompts(captions).to(self.device))[0]

    def _missed(
        self,
        name: str,
        attention: Attention,
        chosen: "np.ndarray[tuple[int, ...], np.dtype[np.int64]]",
        text: Tensor,
        images: ImageTokens,
        unseen: Tensor,
    ) -> Tensor:
        """The share of one attention's answers that is missed."""
        queries = self.queries[name][torch.from_numpy(chosen)].float().to(self.device)
        out = cast(nn.Linear, attention.to_out[0]).weight
        with torch.no_grad():
            said, nothing = text[:-1], text[-1:].expand(len(queries), -1, -1)
            wanted = [
                attend(queries.to(keys), keys, values, attention.num_heads)
                for keys, values in (attention.keys_values(each) for each in (said, nothing))
            ]
            target = F.linear(wanted[0] - wanted[1], out).float()
            target = target.masked_fill(unseen[:, None, None], 0)
        found = images.layers.keys_values(name, images.tokens)
        assert found is not None
        seen = attend(queries.to(found[0]), *found, attention.num_heads)
        missed = (F.linear(seen, out).float() - target).square().mean()
        return missed / target.square().mean().clamp(min=1e-6)
