"""StableDiffusionXLPipeline: SDXL from a prompt, as users of the reference library call it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from kakusan.engine import Engine
from kakusan.inputs import Inputs, seen_pictures
from kakusan.later import without_later
from kakusan.models import (
    Autoencoder,
    CLIPImageProcessor,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPVisionModelWithProjection,
    UNet2DConditionModel,
)
from kakusan.pipeline.adapter_strengths import scale_of, scaled_engine
from kakusan.pipeline.asked import (
    check_no_request,
    negative_or_embeds,
    texts_or_embeds,
    with_choices_made,
)
from kakusan.pipeline.callbacks import StepCallback
from kakusan.pipeline.encoding import embedded
from kakusan.pipeline.latent_diffusion import LatentDiffusionPipeline
from kakusan.pipeline.model import Family
from kakusan.pipeline.output import StableDiffusionXLPipelineOutput
from kakusan.pipeline.parts import STABLE_DIFFUSION_XL, check_together
from kakusan.pipeline.prompt_pairs import PromptPairs
from kakusan.pipeline.running import OfTheCall
from kakusan.pipeline.shown_tensors import XL_TENSORS
from kakusan.request import Request
from kakusan.request.choices import Folders
from kakusan.schedulers import Generators, Scheduler
from kakusan.text import CLIPTokenizer
from kakusan.vocabulary import SDXL

Texts = str | Sequence[str] | None
Pair = Sequence[int] | None
OF_THE_BASE = frozenset(
    {
        *("prompt_2", "negative_prompt_2", "force_zeros_for_empty_prompt", "denoising_end"),
        *("original_size", "crops_coords_top_left", "target_size"),
        *("negative_original_size", "negative_crops_coords_top_left", "negative_target_size"),
    }
)
GUIDANCE = 5.0


class XLPipeline(LatentDiffusionPipeline):
    """What SDXL's pipelines share: two text encoders, and sizes that the UNet is told.

    Attributes:
        watermark: always None; pictures get none.
        denoising_end: of this thread's call.
    """

    text_encoder_2: CLIPTextModelWithProjection
    tokenizer_2: CLIPTokenizer
    feature_extractor: CLIPImageProcessor | None

    output_class = StableDiffusionXLPipelineOutput
    _callback_tensor_inputs = XL_TENSORS
    watermark = None
    denoising_end = _denoising_end = OfTheCall(lambda call: call.denoising_end)

    @property
    def default_sample_size(self) -> int:
        """The larger side of the latents that the UNet was trained on."""
        return max(self.unet.config.latent_size)

    def _prompts(
        self, engine: Engine, request: Request, inputs: Inputs, guided: bool
    ) -> PromptPairs:
        return PromptPairs(
            engine,
            self.tokenizer,
            self.tokenizer_2,
            request,
            inputs,
            guided=guided,
            scored=self.settings.get("requires_aesthetics_score", False),
            of_image=bool(self.family.begins_at) or request.image is not None,
        )

    def embeddings_of(self, texts: Sequence[str], clip_skip: int | None) -> dict[str, Tensor]:
        found = self.encode_prompt(texts, do_classifier_free_guidance=False, clip_skip=clip_skip)
        return {"prompt_embeds": found[0], "pooled_prompt_embeds": found[2]}

    def encode_prompt(
        self,
        prompt: Texts,
        prompt_2: Texts = None,
        device: torch.device | str | None = None,
        num_images_per_prompt: int = 1,
        do_classifier_free_guidance: bool = True,
        negative_prompt: Texts = None,
        negative_prompt_2: Texts = None,
        prompt_embeds: Tensor | None = None,
        negative_prompt_embeds: Tensor | None = None,
        pooled_prompt_embeds: Tensor | None = None,
        negative_pooled_prompt_embeds: Tensor | None = None,
        lora_scale: float | None = None,
        clip_skip: int | None = None,
        *,
        prompt_syntax: str | None = None,
        emphasis: str | None = None,
    ) -> tuple[Tensor, Tensor | None, Tensor, Tensor | None]:
        """Embeddings of prompts and of negative ones, then those of the whole texts, as a call has.

        Of the networks, the text encoders alone are needed.

        Args:
            prompt_syntax, emphasis: As in a call. Longer prompts have more tokens then, and empty
                chunks stand behind shorter ones, as a call with `pad_conds=True` has them.

        Returns:
            (pictures, 77, d) twice and (pictures, d') twice; those of negative prompts are None
            without guidance.

        Raises:
            RequestError: Texts and embeddings do not go together.
        """
        inputs = Inputs(
            prompt_embeds=prompt_embeds,
            negative_prompt_embeds=negative_prompt_embeds,
            pooled_prompt_embeds=pooled_prompt_embeds,
            negative_pooled_prompt_embeds=negative_pooled_prompt_embeds,
        )
        request = Request.of(
            **texts_and_zeros(prompt, prompt_2, negative_prompt, negative_prompt_2, inputs),
            num_images_per_prompt=num_images_per_prompt,
            clip_skip=clip_skip,
            prompt_syntax=prompt_syntax,
            emphasis=emphasis,
        )
        if request.force_zeros_for_empty_prompt is None:
            request = replace(request, **_zeros(self.settings))
        check_together(self.components, self.layout, self.settings)
        engine = scaled_engine(self, lora_scale)
        found = embedded(self, engine, request, inputs, guided=do_classifier_free_guidance)
        text, negative = found.text, found.negative
        where = self.device if device is None else device
        assert text.pooled is not None
        if negative is None:
            return text.tokens.to(where), None, text.pooled.to(where), None
        assert negative.pooled is not None
        return (
            text.tokens.to(where),
            negative.tokens.to(where),
            text.pooled.to(where),
            negative.pooled.to(where),
        )


class StableDiffusionXLPipeline(XLPipeline):
    """Text to picture with SDXL (arXiv:2307.01952)."""

    layout = STABLE_DIFFUSION_XL
    family = Family(name="SDXL", guidance=GUIDANCE, takes=OF_THE_BASE, pooled=True, measured=False)

    def __init__(
        self,
        vae: Autoencoder[Any] | None,
        text_encoder: CLIPTextModel | None,
        text_encoder_2: CLIPTextModelWithProjection | None,
        tokenizer: CLIPTokenizer | None,
        tokenizer_2: CLIPTokenizer | None,
        unet: UNet2DConditionModel | None,
        scheduler: Scheduler[Any] | None,
        image_encoder: CLIPVisionModelWithProjection | None = None,
        feature_extractor: CLIPImageProcessor | None = None,
        force_zeros_for_empty_prompt: bool = True,
        **published: Any,
    ) -> None:
        """Put parts together.

        Args:
            force_zeros_for_empty_prompt: Whether no negative prompt is embeddings of zeros, or
                those of an empty text.
            published: What the reference takes besides and changes nothing here.

        Raises:
            RequestError: A part is not what it stands for, or does not fit another.
        """
        parts: dict[str, Any] = {
            "vae": vae,
            "text_encoder": text_encoder,
            "text_encoder_2": text_encoder_2,
            "tokenizer": tokenizer,
            "tokenizer_2": tokenizer_2,
            "unet": unet,
            "scheduler": scheduler,
            "feature_extractor": feature_extractor,
            "image_encoder": image_encoder,
        }
        settings = {"force_zeros_for_empty_prompt": force_zeros_for_empty_prompt}
        super().__init__(parts, published, settings)

    def __call__(
        self,
        prompt: Texts = None,
        prompt_2: Texts = None,
        height: int | None = None,
        width: int | None = None,
        num_inference_steps: int | None = None,
        timesteps: Sequence[int] | None = None,
        sigmas: Sequence[float] | None = None,
        denoising_end: float | None = None,
        guidance_scale: float | None = None,
        negative_prompt: Texts = None,
        negative_prompt_2: Texts = None,
        num_images_per_prompt: int | None = 1,
        eta: float = 0.0,
        generator: Generators = None,
        latents: Tensor | None = None,
        prompt_embeds: Tensor | None = None,
        negative_prompt_embeds: Tensor | None = None,
        pooled_prompt_embeds: Tensor | None = None,
        negative_pooled_prompt_embeds: Tensor | None = None,
        ip_adapter_image: object = None,
        ip_adapter_image_embeds: object = None,
        *,
        cross_attention_kwargs: Mapping[str, Any] | None = None,
        guidance_rescale: float = 0.0,
        original_size: Pair = None,
        crops_coords_top_left: Pair = None,
        target_size: Pair = None,
        negative_original_size: Pair = None,
        negative_crops_coords_top_left: Pair = None,
        negative_target_size: Pair = None,
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
    ) -> StableDiffusionXLPipelineOutput | tuple[Any]:
        """Draw pictures of `prompt`. What is not here is as `StableDiffusionPipeline` has it.

        Args:
            prompt_2, negative_prompt_2: What the second text encoder reads; as the first where not
                given.
            denoising_end: The part of the way, from 0 to 1, after which to stop: with
                `output_type="latent"`, the refiner can go on from there.
            guidance_scale: 5, or what the model's folder says; no guidance at 1 or below.
            negative_prompt: Without one it is embeddings of zeros if the model says so, which
                those of an empty text are not.
            pooled_prompt_embeds, negative_pooled_prompt_embeds: (prompts, d'), which have to stand
                beside other embeddings.
            original_size, target_size: (height, width) that the model is told; those of the
                picture where not given. A small original size gives a blurred picture.
            crops_coords_top_left: (top, left); others than (0, 0) give pictures cut off there.
            negative_original_size, negative_crops_coords_top_left, negative_target_size: The same
                for the negative prompt; both sizes together.
            quality_budget: Refused: what it would cost was measured for other models.
            callback_on_step_end_tensor_inputs: "add_text_embeds" and "add_time_ids" are among
                them, with the unconditional half first under guidance.

        Raises:
            RequestError: Anything of this does not fit, before any network runs.
            GenerationInterrupted: Ctrl-C; it carries the pictures that were finished.
        """
        SDXL.check_known(without_later(unknown))
        check_no_request(prompt)
        inputs = Inputs(
            generator=generator,
            latents=latents,
            prompt_embeds=prompt_embeds,
            negative_prompt_embeds=negative_prompt_embeds,
            pooled_prompt_embeds=pooled_prompt_embeds,
            negative_pooled_prompt_embeds=negative_pooled_prompt_embeds,
            seen=seen_pictures(ip_adapter_image, ip_adapter_image_embeds),
        )
        request = Request.of(
            **texts_and_zeros(prompt, prompt_2, negative_prompt, negative_prompt_2, inputs),
            height=height,
            width=width,
            num_inference_steps=num_inference_steps,
            timesteps=timesteps,
            sigmas=sigmas,
            denoising_end=denoising_end,
            guidance_scale=guidance_scale,
            guidance_rescale=guidance_rescale,
            lora_scale=scale_of(cross_attention_kwargs),
            num_images_per_prompt=num_images_per_prompt,
            eta=eta,
            seed=seed,
            original_size=original_size,
            crops_coords_top_left=crops_coords_top_left,
            target_size=target_size,
            negative_original_size=negative_original_size,
            negative_crops_coords_top_left=negative_crops_coords_top_left,
            negative_target_size=negative_target_size,
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

    def check_inputs(
        self,
        prompt: Texts,
        prompt_2: Texts,
        height: int,
        width: int,
        callback_steps: int | None = None,
        negative_prompt: Texts = None,
        negative_prompt_2: Texts = None,
        prompt_embeds: Tensor | None = None,
        negative_prompt_embeds: Tensor | None = None,
        pooled_prompt_embeds: Tensor | None = None,
        negative_pooled_prompt_embeds: Tensor | None = None,
        ip_adapter_image: object = None,
        ip_adapter_image_embeds: object = None,
        callback_on_step_end_tensor_inputs: Sequence[str] | None = None,
    ) -> None:
        """Raise RequestError where a call with these arguments would."""
        seen_pictures(ip_adapter_image, ip_adapter_image_embeds)
        StepCallback.of_old(None, callback_steps)
        StepCallback.of(None, callback_on_step_end_tensor_inputs, self._callback_tensor_inputs)
        inputs = Inputs(
            prompt_embeds=prompt_embeds,
            negative_prompt_embeds=negative_prompt_embeds,
            pooled_prompt_embeds=pooled_prompt_embeds,
            negative_pooled_prompt_embeds=negative_pooled_prompt_embeds,
        )
        texts = texts_and_zeros(prompt, prompt_2, negative_prompt, negative_prompt_2, inputs)
        self.prepared(Request.of(**texts, height=height, width=width), inputs)


def texts_and_zeros(
    prompt: Texts, prompt_2: Texts, negative: Texts, negative_2: Texts, inputs: Inputs
) -> dict[str, Any]:
    """The texts of a call as a request has them.

    As in the reference, an empty second text is none, and only no negative prompt at all may stand
    for embeddings of zeros.
    """
    return {
        "prompt": texts_or_embeds("prompt", prompt, inputs.prompt_embeds),
        "prompt_2": prompt_2 or None,
        "negative_prompt": negative_or_embeds(negative, inputs.negative_prompt_embeds),
        "negative_prompt_2": negative_2 or None,
        "force_zeros_for_empty_prompt": None if negative is None else False,
    }


def _zeros(settings: Mapping[str, bool]) -> dict[str, bool]:
    name = "force_zeros_for_empty_prompt"
    return {name: settings[name]}
