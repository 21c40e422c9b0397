"""What every pipeline has that draws pictures by latent diffusion: streams, pictures, previews."""

import logging
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import torch
from PIL.Image import Image
from torch import Tensor
from tqdm import tqdm

from kakusan.engine import Engine, present
from kakusan.errors import ArgumentError, nearest
from kakusan.images import to_pil
from kakusan.inputs import Inputs
from kakusan.models import Autoencoder, guidance_embedding
from kakusan.pipeline import compatible, textual_inversion
from kakusan.pipeline.asked import asked
from kakusan.pipeline.bars import progress_bar
from kakusan.pipeline.bundled import bundled_embeddings
from kakusan.pipeline.callbacks import StepCallback
from kakusan.pipeline.calling import answered, follow
from kakusan.pipeline.checker import is_function
from kakusan.pipeline.drawing import Drawing, Steerings
from kakusan.pipeline.image_processor import OUTPUT_TYPES, VaeImageProcessor
from kakusan.pipeline.image_prompts import resolved
from kakusan.pipeline.model import Family, Model
from kakusan.pipeline.outfits import Asked
from kakusan.pipeline.output import Picture, PipelineOutput
from kakusan.pipeline.parsed_prompts import names_in
from kakusan.pipeline.parts import check_together
from kakusan.pipeline.pipeline import Pipeline
from kakusan.pipeline.preview import LatentPreview
from kakusan.pipeline.progress import OnProgress, Told
from kakusan.pipeline.prompts import ReadsTexts
from kakusan.pipeline.reading import handed_in, taught_for, with_tokenizers
from kakusan.pipeline.running import (
    OfTheCall,
    interrupt_calls,
    set_rescale,
    set_scale,
)
from kakusan.pipeline.second_pass import TwoPasses
from kakusan.pipeline.shown_tensors import TENSORS
from kakusan.pipeline.tiled import TiledDrawing
from kakusan.pipeline.understood import say_negative, say_understood
from kakusan.request import Request
from kakusan.sampling import Step
from kakusan.text import not_said

logger = logging.getLogger(__name__)


class LatentDiffusionPipeline(Pipeline):
    """Pictures by latent diffusion (arXiv:2112.10752).

    The parts are public and may be exchanged between calls (`pipe.scheduler = ...`). A call keeps
    no state in the pipeline, so one pipeline serves many threads.

    Attributes:
        guidance_scale, guidance_rescale, do_classifier_free_guidance: of the next step of this
            thread's call, or of its last one. Inside `callback_on_step_end`, a new
            `_guidance_scale` or `_guidance_rescale` acts from the next step on.
        num_timesteps, clip_skip: of this thread's call.
        interrupt: whether this thread's call is to stop. `_interrupt = True` stops it after its
            step, and decodes what there is; from another thread it stops all that run.
    """

    family: ClassVar[Family]
    output_class: ClassVar[type[PipelineOutput]]
    _callback_tensor_inputs: ClassVar[Sequence[str]] = TENSORS

    guidance_scale = OfTheCall(lambda call: call.guidance.scale)
    guidance_rescale = OfTheCall(lambda call: call.guidance.rescale)
    do_classifier_free_guidance = OfTheCall(lambda call: call.guidance.on)
    num_timesteps = _num_timesteps = OfTheCall(lambda call: call.num_timesteps)
    clip_skip = _clip_skip = OfTheCall(lambda call: call.clip_skip)
    cross_attention_kwargs = _cross_attention_kwargs = OfTheCall(
        lambda call: call.cross_attention_kwargs
    )
    interrupt = OfTheCall(lambda call: call.interrupt)
    _interrupt = OfTheCall(lambda call: call.interrupt, interrupt_calls)
    _guidance_scale = OfTheCall(lambda call: call.guidance.scale, set_scale)
    _guidance_rescale = OfTheCall(lambda call: call.guidance.rescale, set_rescale)

    prepare_latents = compatible.prepare_latents
    prepare_extra_step_kwargs = compatible.prepare_extra_step_kwargs
    decode_latents = compatible.decode_latents
    register_modules = compatible.register_modules
    register_to_config = compatible.register_to_config
    progress_bar = compatible.progress_bar
    numpy_to_pil = staticmethod(VaeImageProcessor.numpy_to_pil)
    enable_vae_slicing = compatible.enable_vae_slicing
    disable_vae_slicing = compatible.disable_vae_slicing
    enable_vae_tiling = compatible.enable_vae_tiling
    disable_vae_tiling = compatible.disable_vae_tiling
    enable_freeu = compatible.enable_freeu
    disable_freeu = compatible.disable_freeu
    upcast_vae = compatible.upcast_vae
    enable_attention_slicing = set_attention_slice = compatible.enable_attention_slicing
    disable_attention_slicing = compatible.disable_attention_slicing
    enable_xformers_memory_efficient_attention = compatible.enable_xformers
    disable_xformers_memory_efficient_attention = compatible.disable_xformers
    set_use_memory_efficient_attention_xformers = compatible.set_xformers
    fuse_qkv_projections = compatible.fuse_qkv_projections
    unfuse_qkv_projections = compatible.unfuse_qkv_projections
    load_textual_inversion = textual_inversion.load_textual_inversion
    unload_textual_inversion = textual_inversion.unload_textual_inversion
    maybe_convert_prompt = _maybe_convert_prompt = textual_inversion.maybe_convert_prompt
    hf_device_map = None

    @property
    def config(self) -> compatible.PipelineConfig:
        """The class names of the parts, by key or as attributes."""
        return compatible.config_of(self)

    @property
    def image_processor(self) -> VaeImageProcessor:
        """Turns pictures into what the VAE takes, and back."""
        return VaeImageProcessor(vae_scale_factor=self.vae_scale_factor)

    def decode(self, latents: Tensor) -> Tensor:
        """Pixels (b, 3, height, width) in about [-1, 1] of latents as the loop has them."""
        return self.engine.decode(latents).result

    def decode_to_pil(self, latents: Tensor) -> list[Image]:
        """Pictures of latents, not yet seen by the safety checker."""
        return to_pil(self.decode(latents))

    def preview(self, latents: Tensor, vae: Autoencoder[Any] | None = None) -> list[Image]:
        """Small pictures of latents without the VAE, or full ones by `vae`; see `Step.preview`."""
        if vae is not None:
            engine = Engine(None, vae, None)
            return to_pil(engine.decode(latents.to(vae.device)).result)
        own = self.engine.vae
        if self._preview is None or self._preview[0] is not own:
            with self._placement.use(own):
                self._preview = (own, LatentPreview(own))
        return self._preview[1](latents)

    def get_guidance_scale_embedding(
        self, w: Tensor, embedding_dim: int = 512, dtype: torch.dtype = torch.float32
    ) -> Tensor:
        """What a UNet that was distilled under guidance takes as `timestep_cond`.

        Args:
            w: scales less 1, shape (n,).

        Returns:
            Shape (n, embedding_dim).
        """
        if w.ndim != 1:
            raise ArgumentError("w must have shape (n,), not {0}", tuple(w.shape))
        return guidance_embedding(w, embedding_dim, dtype=dtype)

    def stream(
        self,
        prompt: str | Sequence[str] | Request | None = None,
        *,
        batch_size: int = 1,
        steering: Steerings | None = None,
        **settings: Any,
    ) -> Iterator[Step]:
        """Yield every Step of each picture of a generation.

        What the reader does not take is not computed: stop reading, and the work stops.

        Args:
            prompt: A request, or the texts of one, which `settings` complete as in a call.
            batch_size: How many pictures with a seed go through the networks together; their steps
                take turns.
            steering: Makes what steers the trajectory of the pictures with these numbers, see
                `kakusan.sampling.Steering`.

        Raises:
            RequestError: At once, if anything of the arguments does not fit.
        """
        drawing = self.prepared(*asked(prompt, settings), batch_size, decoded=False)
        batches = drawing.batches(steering)
        return (step for batch in batches for step in drawing.steps(batch))

    def pictures(
        self,
        prompt: str | Sequence[str] | Request | None = None,
        *,
        batch_size: int = 1,
        steering: Steerings | None = None,
        **settings: Any,
    ) -> Iterator[Picture]:
        """Yield each picture as soon as it is finished; the arguments are those of `stream`.

        Raises:
            RequestError: At once, if anything of the arguments does not fit.
        """
        return self.drawn(self.prepared(*asked(prompt, settings), batch_size), steering)

    def drawn(
        self,
        drawing: Drawing,
        steering: Steerings | None = None,
        tell: OnProgress | None = None,
    ) -> Iterator[Picture]:
        """Yield each picture of what `prepared` gave, as soon as it is finished.

        Args:
            tell: is told how far it has come, in place of a bar.
        """
        with self._bar(drawing, tell) as bar:
            for batch in drawing.batches(steering, watched=False):
                follow(drawing, batch, bar)
                yield from drawing.pictures(batch)

    @abstractmethod
    def _prompts(
        self, engine: Engine, request: Request, inputs: Inputs, guided: bool
    ) -> ReadsTexts:
        """The prompts of a request, as these models read them.

        Args:
            guided: whether negative prompts are read too.
        """

    @abstractmethod
    def embeddings_of(self, texts: Sequence[str], clip_skip: int | None) -> dict[str, Tensor]:
        """The embeddings of texts, a row for each, by the names that a call takes them by."""

    def prepared(
        self, request: Request, inputs: Inputs, batch_size: int = 1, *, decoded: bool = True
    ) -> Drawing:
        """A request made ready to be drawn: all was checked that can be before a network runs.

        Args:
            decoded: Whether its latents are to become pictures.

        Raises:
            RequestError: Anything of it does not fit.
        """
        drawing = self.drawing(request, inputs, batch_size, decoded=decoded)
        if decoded:
            drawing.check_memory()
        say_understood(drawing.understood, self.name_or_path, drawing.request.prompt_syntax)
        say_negative(request, drawing.guidance)
        drawing.model.engine.prepare()
        return drawing

    def drawing(
        self, request: Request, inputs: Inputs, batch_size: int = 1, *, decoded: bool = True
    ) -> Drawing:
        """What a request comes to, as `prepared`; its networks need no weights for it.

        Raises:
            RequestError: Anything of it does not fit.
        """
        parts = self.components
        checker = parts.get("safety_checker")
        is_network = not is_function(checker)
        check_together(
            parts | ({} if is_network else {"safety_checker": None}), self.layout, self.settings
        )
        if decoded:
            present("vae", self.vae)
        engine = self.engine
        if not request.safety_checker:
            engine.safety_checker = None
        inputs = resolved(self, self.ip_adapters, request, inputs)
        adapters = Asked(self, request, self._adapter_files, names_in(request))
        words = taught_for(request, parts, bundled_embeddings(adapters.all))
        reader = self
        if words is not None:
            engine.learnt, request = words.learnt, replace(request, embeddings=words.used or None)
            reader = with_tokenizers(self, words)
        model = Model(
            engine=engine,
            prompts=reader._prompts,
            adapters=adapters,
            family=self.family,
            settings=self.settings,
            scheduler=present("scheduler", self._scheduler),
            feature_extractor=parts["feature_extractor"],
            view=self,
            defaults=self.defaults,
            source=self.source,
            variant=self.variant,
            is_whole=self.own_source is not None,
            scheduler_is_own=self.has_own_scheduler,
            checker=checker if is_function(checker) and request.safety_checker else None,
            usual=self.usual or self._usual_of(adapters),
            named=(self.named_parts or {}) if self.source is not None else {},
        )
        drawing = _kind_of(request)(model, request, inputs, batch_size)
        if words is not None and words.unnamed:
            drawing.altered.update(handed_in(words, drawing.request.num_pictures))
        return drawing

    def _called(
        self,
        request: Request,
        inputs: Inputs,
        batch_size: int,
        callback: StepCallback | None,
        output_type: str,
        return_dict: bool,
    ) -> Any:
        """What a call gives; see `StableDiffusionPipeline.__call__` for the arguments."""
        if output_type not in OUTPUT_TYPES:
            raise ArgumentError(
                "there is no {output_type} {0!r}.{1}",
                output_type,
                nearest(str(output_type), OUTPUT_TYPES),
            )
        drawing = self.prepared(request, inputs, batch_size, decoded=output_type != "latent")
        for told in not_said(drawing.told):
            logger.warning("%s", told)
        bar = self._bar(drawing)
        output = answered(self, drawing, bar, callback, output_type, self.output_class)
        return output if return_dict else output.to_tuple()

    def _bar(self, drawing: Drawing, tell: OnProgress | None = None) -> "tqdm[Any] | Told":
        if tell is not None:
            together = drawing.request.seed is None
            pictures = 1 if together else drawing.request.num_pictures
            return Told(tell, drawing.total_steps, pictures, drawing.parts)
        return progress_bar(**{"total": drawing.total_steps, **self._progress})


def _kind_of(request: Request) -> type[Drawing]:
    """What draws a request: in one pass, or as several."""
    if request.upscale is not None:
        return TiledDrawing
    return Drawing if request.second_pass is None else TwoPasses
