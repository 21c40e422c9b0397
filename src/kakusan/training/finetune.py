"""Fine-tuning of a published checkpoint on a folder of pictures: the whole UNet, or LoRA."""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from kakusan.models import UNet2DConditionModel
from kakusan.pipeline import StableDiffusionPipeline
from kakusan.request import Request
from kakusan.schedulers import seeded
from kakusan.schedulers.ddpm import DDPMScheduler
from kakusan.training.folder import PictureFolder
from kakusan.training.grids import grid, to_tensor
from kakusan.training.lora import LoRALinear, adapt, save_lora
from kakusan.training.pace import StageSettings
from kakusan.training.progress import say_wait
from kakusan.training.trainer import Stage, fingerprint, mixed_precision, train

VIEWS = 8  # crops, mirrored or not, that are stored of each picture
SHOWN = 4  # pictures of a sample grid


class FineTuneStage(Stage[UNet2DConditionModel]):
    """Learns what the checkpoint's scheduler says it predicts, on cached latents of the pictures.

    Args:
        pipe: the checkpoint; its text encoder and autoencoder stay as they are.
        pictures: what is learnt.
        settings: of the stage.
        seed: decides crops, noise, timesteps, and captions that are left out.
        dropout: the share of captions left out, for classifier-free guidance.

    Raises:
        InputError: The seed is none that pictures can be drawn from.
    """

    name = "finetune"

    def __init__(
        self,
        pipe: StableDiffusionPipeline,
        pictures: PictureFolder,
        settings: StageSettings,
        *,
        seed: int,
        dropout: float = 0.1,
    ) -> None:
        Request.of("", seed=seed)  # sample grids are drawn from it
        self.pipe = pipe
        self.settings = settings
        self.seed = seed
        self.dropout = dropout
        self.networks = pipe.unet
        self.scheduler = DDPMScheduler.from_config(pipe.scheduler.config)
        self.origin = f"{fingerprint(pipe.unet)} on {pictures.fingerprint()}"
        self.latents = self._encoded(pictures)
        texts = [example.text for example in pictures.examples]
        rows = {text: row for row, text in enumerate(dict.fromkeys(["", *texts]))}
        self.embeddings = self._embedded(list(rows))
        self.captions = np.array([rows[text] for text in texts])  # which row is a picture's
        self.shown = [rows[text] for text in dict.fromkeys(texts)][:SHOWN]

    @torch.no_grad()
    def _encoded(self, pictures: PictureFolder) -> Tensor:
        """(views, pictures, channels, height, width)."""
        say_wait(self.name, f"encoding {len(pictures)} pictures")
        vae, rng, views = self.pipe.vae, np.random.default_rng(self.seed), list[Tensor]()
        for _ in range(VIEWS):
            squares = (to_tensor(np.stack([pictures.square(i, rng)])) for i in range(len(pictures)))
            means = [vae.to_latents(square.to(vae.device)).float() for square in squares]
            views.append(torch.cat(means))
        return torch.stack(views)

    @torch.no_grad()
    def _embedded(self, texts: Sequence[str]) -> Tensor:
        ids = self._tokens(texts).to(self.device)
        return torch.cat([self.pipe.text_encoder(each)[0].float() for each in ids.split(8)])

    def _tokens(self, texts: Sequence[str]) -> Tensor:
        """Token ids (texts, length); that some captions are cut is said once."""
        tokenizer = self.pipe.tokenizer
        length, cut = tokenizer.model_max_length, 0
        ids = torch.full((len(texts), length), tokenizer.pad_token_id)
        for row, text in zip(ids, texts, strict=True):
            tokens = tokenizer.encode(text)
            if len(tokens) > length:
                cut += 1
                tokens = [*tokens[: length - 1], tokenizer.eos_token_id]
            row[: len(tokens)] = torch.tensor(tokens)
        if cut:
            print(f"{cut} caption(s) are longer than {length - 2} tokens; cut", file=sys.stderr)
        return ids

    def loss(self, rng: np.random.Generator) -> Tensor:
        """Return the mean squared error of the prediction at random timesteps."""
        count = self.settings.batch_size
        chosen = rng.integers(self.latents.shape[1], size=count)
        latents = self.latents[rng.integers(len(self.latents), size=count), chosen]
        noise = torch.from_numpy(rng.standard_normal(latents.shape, dtype=np.float32)).to(latents)
        timesteps = torch.from_numpy(rng.integers(len(self.scheduler), size=count)).to(self.device)
        noised = self.scheduler.add_noise(latents, noise, timesteps)
        target = self.scheduler.training_target(latents, noise, timesteps)
        spoken = np.where(rng.random(count) < self.dropout, 0, self.captions[chosen])
        with mixed_precision(self.device):
            prediction = self.networks(
                noised, timesteps, self.embeddings[torch.from_numpy(spoken)]
            )[0]
        return F.mse_loss(prediction.float(), target)

    @torch.no_grad()
    def samples(self) -> Image.Image:
        """Return pictures of the first captions, always from the same noise."""
        embeds = self.embeddings[self.shown]
        pictures = self.pipe(prompt_embeds=embeds, seed=self.seed, return_dict=False)[0]
        return grid(np.stack([np.asarray(picture) for picture in pictures]), len(pictures))


def fine_tune_lora(
    pipe: StableDiffusionPipeline,
    pictures: PictureFolder,
    settings: StageSettings,
    *,
    rank: int,
    seed: int,
    run: Path,
    output: Path,
) -> dict[str, LoRALinear]:
    """Train adapters of a rank, and write them to one file; the pipeline keeps them in place."""
    _teach_words(pipe, pictures, as_read=True)
    adapters = adapt(pipe.unet, rank, generator=seeded(seed))
    train(FineTuneStage(pipe, pictures, settings, seed=seed), run)
    save_lora(adapters, output)
    return adapters


def fine_tune_unet(
    pipe: StableDiffusionPipeline,
    pictures: PictureFolder,
    settings: StageSettings,
    *,
    seed: int,
    run: Path,
    output: Path,
) -> None:
    """Train the whole UNet, and write the checkpoint as a folder."""
    _teach_words(pipe, pictures)
    pipe.unet.requires_grad_(True)
    train(FineTuneStage(pipe, pictures, settings, seed=seed), run)
    pipe.save_pretrained(output)


def _teach_words(
    pipe: StableDiffusionPipeline, pictures: PictureFolder, *, as_read: bool = False
) -> None:
    """Have a model that knows which words it was taught know those of the captions too.

    Args:
        as_read: whether synonyms and slips are taught as what is read instead, and so stay that:
            of adapters, beside which the model that reads them was taught nothing.
    """
    tokenizer = pipe.tokenizer
    if tokenizer.words is not None:
        texts = (example.text for example in pictures.examples)
        captions = map(tokenizer.as_read, texts) if as_read else texts
        tokenizer.words = tokenizer.words.taught(map(tokenizer.used, captions))
