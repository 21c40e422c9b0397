"""StableDiffusionPipeline: a prompt in, pictures out, as users of the reference library call it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor

from kakusan.conditioning import encode_texts
from kakusan.engine import Engine, present
from kakusan.inputs import Inputs, seen_pictures
from kakusan.later import without_later
from kakusan.models import (
    Autoencoder,
    CLIPImageProcessor,
    CLIPTextModel,
    CLIPVisionModelWithProjection,
    StableDiffusionSafetyChecker,
    UNet2DConditionModel,
)
from kakusan.pipeline import compatible
from kakusan.pipeline.adapter_strengths import scale_of
from kakusan.pipeline.asked import (
    check_no_request,
    negative_or_embeds,
    texts_or_embeds,
    with_choices_made,
)
from kakusan.pipeline.callbacks import StepCallback
from kakusan.pipeline.latent_diffusion import LatentDiffusionPipeline
from kakusan.pipeline.model import Family
from kakusan.pipeline.output import StableDiffusionPipelineOutput
from kakusan.pipeline.parts import STABLE_DIFFUSION
from kakusan.pipeline.prompts import Prompts
from kakusan.pipeline.scheduling import corrected
from kakusan.pipeline.understood import say_understood
from kakusan.request import Request
from kakusan.request.choices import Folders
from kakusan.schedulers import Generators, Scheduler
from kakusan.text import CLIPTokenizer, Understanding
from kakusan.vocabulary import REFERENCE


class OneEncoderPipeline(LatentDiffusionPipeline):
    """What the pipelines of Stable Diffusion 1 and 2 share: one text encoder, a safety checker."""

    output_class = StableDiffusionPipelineOutput

    def __init__(
        self,
        vae: Autoencoder[Any] | None,
        text_encoder: CLIPTextModel | None,
        tokenizer: CLIPTokenizer | None,
        unet: UNet2DConditionModel | None,
        scheduler: Scheduler[Any] | None,
        safety_checker: StableDiffusionSafetyChecker | None = None,
        feature_extractor: CLIPImageProcessor | None = None,
        image_encoder: CLIPVisionModelWithProjection | None = None,
        **published: Any,
    ) -> None:
        """Put parts together.

        Args:
            published: What the reference takes besides and changes nothing here.

        Raises:
            RequestError: A part is not what it stands for, or does not fit another.
        """
        parts: dict[str, Any] = {
            "vae": vae,
            "text_encoder": text_encoder,
            "tokenizer": tokenizer,
            "unet": unet,
            "scheduler": scheduler,
            "safety_checker": safety_checker,
            "feature_extractor": feature_extractor,
            "image_encoder": image_encoder,
        }
        others = [part for part in self.layout.parts if part not in parts]
        parts |= {part: published.pop(part, None) for part in others}
        super().__init__(parts, published)
        if scheduler is not None:
            self.scheduler = corrected(scheduler)

    encode_prompt = compatible.encode_prompt
    _encode_prompt = compatible.encode_prompt_together
    run_safety_checker = compatible.run_safety_checker

    def _prompts(self, engine: Engine, request: Request, inputs: Inputs, guided: bool) -> Prompts:
        return Prompts(engine, self.tokenizer, request, inputs, guided)

    def embeddings_of(self, texts: Sequence[str], clip_skip: int | None) -> dict[str, Tensor]:
        return {"prompt_embeds": self.encode_texts(texts, clip_skip)}

    def encode_texts(self, texts: Sequence[str], clip_skip: int | None = None) -> Tensor:
        """Text embeddings (len(texts), 77, d), see `kakusan.conditioning`."""
        tokenizer = present("tokenizer", self.tokenizer)
        encoded, _ = encode_texts(texts, tokenizer, self.engine, clip_skip)
        say_understood([Understanding.of(text, tokenizer) for text in texts], self.name_or_path)
        return encoded.tokens


class StableDiffusionPipeline(OneEncoderPipeline):
    """Text to picture with Stable Diffusion 1 and 2 (arXiv:2112.10752)."""

    layout = STABLE_DIFFUSION
    family = Family(name="Stable Diffusion 1 and 2")

    check_inputs = compatible.check_inputs

    def __call__(
        self,
        prompt: str | Sequence[str] | None = None,
        height: int | None = None,
        width: int | None = None,
        num_inference_steps: int | None = None,
        timesteps: Sequence[int] | None = None,
        sigmas: Sequence[float] | None = None,
        guidance_scale: float | None = None,
        negative_prompt: str | Sequence[str] | None = None,
        num_images_per_prompt: int | None = 1,
        eta: float = 0.0,
        generator: Generators = None,
        latents: Tensor | None = None,
        prompt_embeds: Tensor | None = None,
        negative_prompt_embeds: Tensor | None = None,
        ip_adapter_image: object = None,
        ip_adapter_image_embeds: object = None,
        *,
        cross_attention_kwargs: Mapping[str, Any] | None = None,
        guidance_rescale: float = 0.0,
        clip_skip: int | None = None,
        prompt_syntax: str | None = None,
        emphasis: str | None = None,
        pad_conds: bool | str | None = None,
        old_timelines: bool | None = None,
        wildcards: Folders = None,
        quality_budget: float | None = None,
        reuse_interval: int | None = None,
        seed: int | None = None,
        batch_size: int = 1,
        output_type: str = "pil",
        return_dict: bool = True,
        callback_on_step_end: Callable[..., Any] | None = None,
        callback_on_step_end_tensor_inputs: Sequence[str] | None = ("latents",),
        callback: Callable[..., Any] | None = None,
        callback_steps: int | None = None,
        **unknown: Any,
    ) -> StableDiffusionPipelineOutput | tuple[Any, list[bool] | None]:
        """Draw pictures of `prompt`.

        Args:
            prompt: One text or several; `prompt_embeds` (prompts, n, d) can stand in its place.
            height, width: Multiples of 8; the model's own where not given.
            num_inference_steps: 50, or what the model's folder says is good for it.
            guidance_scale: 7.5, or what the model's folder says; no guidance at 1 or below.
            generator: One for all pictures, or a list with one a picture, as in the reference.
            clip_skip: How many of the text encoder's last layers are left out: one less than
                AUTOMATIC1111 counts. For negative prompts too under a `prompt_syntax`.
            prompt_syntax: Whose grammar the prompts have: "webui" (AUTOMATIC1111's weights, BREAK,
                AND and schedules; nothing is cut off), "comfy" or "compel"; "plain" takes every
                character as it stands.
            emphasis: What weights do under "webui": "Original", "No norm", "Ignore" or "None".
            pad_conds: Under "webui", True lengthens the shorter of prompt and negative prompt with
                empty chunks, as AUTOMATIC1111 does if its setting says so; "v0" is its older way.
            old_timelines: Whether changes of a prompt are counted as there before version 1.6.
            wildcards: The folder, or folders, with the files that `__name__` chooses a line of in
                prompts with a grammar. These choices and those of `{a|b}` are made by each
                picture's seed, or the generator's, as on the command line.
            cross_attention_kwargs: {"scale": 0.5} halves the strength of all adapters.
            quality_budget: Faster within a loss: the least PSNR in dB against the exact picture, as
                it was measured on the built-in model (`kakusan.quality`). None is exact. It chooses
                scheduler and steps, so that naming steps beside it is an error.
            reuse_interval: Every so many calls the whole UNet is computed, those between reuse most
                of it; 1 is exact.
            seed: In its place: picture i is drawn from seed + i, the same alone or beside others.
            batch_size: How many pictures with a `seed` go through the networks together; more
                than one at a time may differ by a rounding from each alone.
            output_type: "pil", "np" (n, h, w, 3), "pt" (n, 3, h, w), both in [0, 1], "latent".
            return_dict: False for a plain (images, flags).
            callback_on_step_end: Called as (pipe, index, timestep, tensors) after every step. What
                it changes of the tensors, in place or in the mapping that it returns, goes on
                ("prompt_embeds" has the unconditional half first under guidance), and so does a new
                `pipe._guidance_scale`; `pipe._interrupt = True` stops the run, and what was begun
                is decoded.
            callback_on_step_end_tensor_inputs: Which tensors it is shown.
            callback, callback_steps: Its older form, called as (index, timestep, latents) after
                every so many steps.

        Raises:
            RequestError: Anything of this does not fit, before any network runs.
            DecodeError: Finished latents could not be decoded; it carries them, and the pictures
                that were finished.
            GenerationInterrupted: Ctrl-C; it carries the pictures that were finished.
        """
        REFERENCE.check_known(without_later(unknown))
        check_no_request(prompt)
        inputs = Inputs(
            generator=generator,
            latents=latents,
            prompt_embeds=prompt_embeds,
            negative_prompt_embeds=negative_prompt_embeds,
            seen=seen_pictures(ip_adapter_image, ip_adapter_image_embeds),
        )
        request = Request.of(
            texts_or_embeds("prompt", prompt, prompt_embeds),
            negative_prompt=negative_or_embeds(negative_prompt, negative_prompt_embeds),
            height=height,
            width=width,
            num_inference_steps=num_inference_steps,
            timesteps=timesteps,
            sigmas=sigmas,
            guidance_scale=guidance_scale,
            guidance_rescale=guidance_rescale,
            lora_scale=scale_of(cross_attention_kwargs),
            num_images_per_prompt=num_images_per_prompt,
            eta=eta,
            seed=seed,
            clip_skip=clip_skip,
            prompt_syntax=prompt_syntax,
            emphasis=emphasis,
            pad_conds=pad_conds,
            old_timelines=old_timelines,
            quality_budget=quality_budget,
            reuse_interval=reuse_interval,
        )
        given = StepCallback.of_call(
            callback_on_step_end,
            callback_on_step_end_tensor_inputs,
            callback,
            callback_steps,
            self._callback_tensor_inputs,
        )
        request, inputs = with_choices_made(request, inputs, wildcards)
        return self._called(request, inputs, batch_size, given, output_type, return_dict)
