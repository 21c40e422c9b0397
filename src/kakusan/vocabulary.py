"""What users call the settings of a `Request`: the one place that translates between names.

A `Request` has the reference library's names, which the pipeline's call shares. The short call
`kakusan.generate`, the command line and the text that AUTOMATIC1111 writes have others.
"""

from collections.abc import Collection, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from kakusan.errors import ArgumentError, UnknownArgumentError, check_no_unknown


@dataclass(frozen=True)
class Vocabulary:
    """The names that one kind of user has.

    Attributes:
        where: What is called with these names, for messages.
        words: Under a `Request`'s name for a setting the user's; what is absent cannot be said.
        elsewhere: Names that something else takes, and what that is.
    """

    where: str
    words: Mapping[str, str]
    elsewhere: Mapping[str, str] = field(default_factory=dict[str, str])

    @contextmanager
    def spoken(self) -> Generator[None]:
        """Within, errors call arguments by these names."""
        try:
            yield
        except ArgumentError as error:
            raise error.in_words(self.words) from None

    def settings(self, typed: Mapping[str, object]) -> dict[str, Any]:
        """What was typed, under a `Request`'s names.

        Raises:
            UnknownArgumentError: A name is none of these.
        """
        self.check_known(typed)
        names = {word: name for name, word in self.words.items()}
        return {names[word]: value for word, value in typed.items()}

    def check_known(self, typed: Mapping[str, object]) -> None:
        """Raise `UnknownArgumentError` for a name that is none of these; it has the nearest."""
        known = self.words.values()
        for name in typed:
            if name in self.elsewhere and name not in known:
                raise UnknownArgumentError(
                    f"{self.where} has no argument {name!r}: {self.elsewhere[name]}"
                )
        check_no_unknown(self.where, (name for name in typed if name not in known), known)


# Under each name of a `Request`: the short call's, the command line's, AUTOMATIC1111's. An empty
# one cannot be said there.
_SETTINGS = {
    "prompt": ("prompt", "PROMPT", "prompt"),
    "negative_prompt": ("negative_prompt", "--negative", "Negative prompt"),
    "height": ("height", "--height", "Size"),
    "width": ("width", "--width", "Size"),
    "num_inference_steps": ("steps", "--steps", "Steps"),
    "timesteps": ("", "", ""),
    "sigmas": ("", "", ""),
    "guidance_scale": ("guidance", "--guidance", "CFG scale"),
    "guidance_rescale": ("", "", ""),
    "num_images_per_prompt": ("count", "--count", ""),
    "eta": ("", "", ""),
    "seed": ("seed", "--seed", "Seed"),
    "clip_skip": ("clip_skip", "--clip-skip", "Clip skip"),
    "prompt_syntax": ("prompt_syntax", "--syntax", ""),
    "emphasis": ("emphasis", "--emphasis", "Emphasis"),
    "pad_conds": ("pad_conds", "", "Pad conds"),
    "old_timelines": ("old_timelines", "", "Old prompt editing timelines"),
    "template": ("", "", "Template"),
    "negative_template": ("", "", "Negative Template"),
    "quality_budget": ("quality_budget", "--fast", ""),
    "reuse_interval": ("", "", ""),
    "model": ("model", "--model", "Model"),
    "commit": ("revision", "--revision", ""),
    "variant": ("variant", "--variant", ""),
    "unet": ("unet", "--unet", ""),
    "vae": ("vae", "--vae", "VAE"),
    "prediction_type": ("prediction", "--prediction", ""),
    "scheduler": ("scheduler", "--scheduler", "Sampler"),
    "rng": ("rng", "--rng", "RNG"),
    "ensd": ("ensd", "--ensd", "ENSD"),
    "variation_seed": ("variation_seed", "--variation-seed", "Variation seed"),
    "variation_strength": (
        *("variation_strength", "--variation-strength", "Variation seed strength"),
    ),
    "seed_resize": ("seed_resize", "--seed-resize", "Seed resize from"),
    "truncate_pixels": ("", "", ""),
    "image": ("image", "PICTURE", ""),
    "strength": ("strength", "--strength", "Denoising strength"),
    "resize_mode": ("resize_mode", "--resize-mode", ""),
    "mask": ("mask", "--mask", ""),
    "mask_blur": ("mask_blur", "--mask-blur", "Mask blur"),
    "masked_content": ("masked_content", "--masked-content", "Masked content"),
    "only_masked": ("only_masked", "--only-masked", "Masked area padding"),
    "outside": ("outside", "--outside", ""),
    "soft_mask": ("soft_mask", "--soft-mask", ""),
    "outpaint": ("outpaint", "--left", ""),
    "second_pass": ("second_pass", "--hires", ""),
    "image_prompts": ("image_prompt", "--image-prompt", ""),
    "freeu": ("freeu", "--freeu", ""),
    "upscale": ("upscale", "", ""),
    "controls": ("controls", "--control", ""),
    "embeddings": ("embeddings", "--embedding", ""),
    "loras": ("loras", "--lora", ""),
    "dtype": ("dtype", "--dtype", ""),
    "device": ("device", "--device", ""),
}
# What of a `Request` only calls of SDXL's pipelines have
_OF_SDXL = (
    *("prompt_2", "negative_prompt_2", "original_size", "crops_coords_top_left", "target_size"),
    *("negative_original_size", "negative_crops_coords_top_left", "negative_target_size"),
    "denoising_end",
)
_OF_THE_REFINER = ("denoising_start", "aesthetic_score", "negative_aesthetic_score")
# What only calls have that begin at pictures
_OF_PICTURES = ("image", "strength", "resize_mode")
# What only calls have that draw a part of them anew
_OF_MASKS = (
    *("mask", "mask_blur", "masked_content", "only_masked", "outside", "soft_mask", "outpaint"),
)
# What is only recorded
_TEMPLATES = frozenset({"template", "negative_template"})
# What a pipeline is, and a call of it cannot say
_OF_THE_PIPELINE = frozenset(
    {
        *("model", "commit", "variant", "unet", "vae", "prediction_type"),
        *("scheduler", "dtype", "device"),
        *("loras", "lora_files", "lora_scale", "image_prompts", "freeu"),
    }
)
# How other tools draw, which a call as the reference has it cannot say
_OF_OTHER_TOOLS = (
    *("rng", "ensd", "variation_seed", "variation_strength", "seed_resize", "truncate_pixels"),
    *("second_pass", "upscale", "controls"),
)
# load_textual_inversion teaches a pipeline words; only a request names files of them
_FILES = "embeddings"
# What a call takes beside its request, as `kakusan.inputs.Inputs` has it
INPUTS = ("generator", "latents", "prompt_embeds", "negative_prompt_embeds")
POOLED = ("pooled_prompt_embeds", "negative_pooled_prompt_embeds")
# The pictures that are attended to through the IP-Adapters that a pipeline has
SEEN = ("ip_adapter_image", "ip_adapter_image_embeds")
# And how it is to draw
_WAYS = (
    *SEEN,
    "batch_size",
    "output_type",
    "return_dict",
    "callback_on_step_end",
    "callback_on_step_end_tensor_inputs",
    "callback",
    "callback_steps",
    "cross_attention_kwargs",
    "wildcards",
)


def _column(index: int) -> dict[str, str]:
    return {name: words[index] for name, words in _SETTINGS.items() if words[index]}


def _of_a_call(*others: str) -> dict[str, str]:
    names = (*_SETTINGS, *INPUTS, *others)
    apart = {*_OF_THE_PIPELINE, *_TEMPLATES, *_OF_OTHER_TOOLS, *_OF_PICTURES, *_OF_MASKS, _FILES}
    apart -= {*others}
    return {name: name for name in names if name not in apart}


# What calls that begin at pictures do not have: they are as large as these
_OF_NOISE = ("height", "width", "quality_budget", "latents")


def _begun(pipeline: str) -> dict[str, str]:
    """Where the arguments are that a call which draws from a text alone does not have."""
    there = f"{pipeline}.from_pipe(pipe) begins at pictures"
    return {**dict.fromkeys(_OF_PICTURES, there), "init_image": there, **_painted(pipeline)}


def _painted(pipeline: str) -> dict[str, str]:
    """Where the arguments are that say which part of a picture is drawn anew."""
    there = (
        f"{pipeline.replace('Img2Img', 'Inpaint')}.from_pipe(pipe) draws a part of pictures anew"
    )
    named = ("mask_image", "masked_image_latents", "padding_mask_crop", *_OF_MASKS)
    return dict.fromkeys(named, there)


def _of_a_begun_call(*others: str) -> dict[str, str]:
    found = _of_a_call("image", "strength", *others, *_WAYS)
    return {name: word for name, word in found.items() if name in others or name not in _OF_NOISE}


REFERENCE = Vocabulary("the pipeline", _of_a_call(*_WAYS), _begun("StableDiffusionImg2ImgPipeline"))
SDXL = Vocabulary(
    "the pipeline",
    _of_a_call(*POOLED, *_OF_SDXL, *_WAYS),
    _begun("StableDiffusionXLImg2ImgPipeline"),
)
_PLAIN, _XL = "StableDiffusionImg2ImgPipeline", "StableDiffusionXLImg2ImgPipeline"
IMAGE_TO_IMAGE = Vocabulary(
    "the pipeline",
    _of_a_begun_call(),
    {"init_image": "the picture is given as image", **_painted(_PLAIN)},
)
REFINER = Vocabulary(
    "the pipeline",
    _of_a_begun_call("latents", *POOLED, *_OF_SDXL, *_OF_THE_REFINER),
    _painted(_XL),
)
# What calls for inpainting have in place of a request's names
_PAINTING = {"mask": "mask_image", "only_masked": "padding_mask_crop"}
_OF_PAINTING = ("height", "width", "latents", "mask_blur", "masked_content", "outside", "soft_mask")


def _of_a_painting_call(*others: str) -> dict[str, str]:
    found = _of_a_begun_call(*_OF_PAINTING, *others)
    return {**found, **_PAINTING, "masked_image_latents": "masked_image_latents"}


_IN_PLACE = {
    "mask": "the mask is given as mask_image",
    "init_image": "the picture is given as image",
    "only_masked": "it is called padding_mask_crop",
    "outpaint": "kakusan.generate(..., image=, outpaint=) enlarges pictures",
}
INPAINTING = Vocabulary("the pipeline", _of_a_painting_call(), _IN_PLACE)
XL_INPAINTING = Vocabulary(
    "the pipeline", _of_a_painting_call(*POOLED, *_OF_SDXL, *_OF_THE_REFINER), _IN_PLACE
)
CONTROLLED = Vocabulary("the pipeline", _of_a_call(*_WAYS))
CONTROLLED_IMAGE = Vocabulary("the pipeline", _of_a_begun_call("height", "width"))
CONTROLLED_IMAGE_XL = Vocabulary(
    "the pipeline",
    _of_a_begun_call(
        *("height", "width", "aesthetic_score", "negative_aesthetic_score"), *POOLED, *_OF_SDXL
    ),
)
CONTROLLED_INPAINTING = Vocabulary("the pipeline", _of_a_painting_call(), _IN_PLACE)
CONTROLLED_INPAINTING_XL = Vocabulary(
    "the pipeline", _of_a_painting_call(*POOLED, *_OF_SDXL, *_OF_THE_REFINER), _IN_PLACE
)
CONTROLLED_XL = Vocabulary("the pipeline", _of_a_call(*POOLED, *_OF_SDXL, *_WAYS))
STREAM = Vocabulary(
    "the pipeline's stream",
    {
        **_of_a_call(
            *(*POOLED, *_OF_SDXL, *_OF_OTHER_TOOLS, *_OF_PICTURES, *_OF_MASKS, _FILES),
            *("force_zeros_for_empty_prompt", "batch_size", "steering", "wildcards", *SEEN),
        ),
        **{name: name for name in ("loras", "lora_files", "lora_scale", "freeu")},
    },
)
SHORT = Vocabulary(
    "generate",
    {
        **_column(0),
        **{name: name for name in ("like", "on_picture", "progress", "lora_dirs", "wildcards")},
        **{name: name for name in ("ip_adapter", "ip_adapter_scale", "image_encoder")},
    },
)
COMMAND_LINE = Vocabulary(
    "kakusan",
    {
        **_column(1),
        "lora_dirs": "--lora-dir",
        "wildcards": "--wildcards",
        "image_encoder": "--image-encoder",
    },
)
WEBUI = Vocabulary("parameters", _column(2))

# What other tools call the options of `kakusan` (see `plain_word`), by its own names
_OPTIONS_ELSEWHERE = {
    "--host": ("listen", "server-name", "address", "bind"),
    "--port": ("server-port",),
    "--negative": ("negative-prompt", "neg", "neg-prompt", "uncond", "uc", "exclude"),
    "--model": (
        "ckpt",
        "checkpoint",
        "model-id",
        "model-name",
        "model-path",
        "m",
        "weights",
        "pretrained-model-name-or-path",
    ),
    "--steps": (
        "num-inference-steps",
        "inference-steps",
        "ddim-steps",
        "sampling-steps",
        "max-train-steps",
        "s",
    ),
    "--guidance": ("cfg", "cfg-scale", "guidance-scale", "scale", "C", "g", "gs"),
    "--seed": ("random-seed", "rng-seed", "generator", "S"),
    "--rng": ("randn-source", "sampler-rng", "rng-source", "noise-source", "rng-type"),
    "--ensd": ("eta-noise-seed-delta", "seed-delta"),
    "--variation-seed": ("subseed", "var-seed"),
    "--variation-strength": ("subseed-strength", "variation-amount", "var-strength"),
    "--seed-resize": ("seed-resize-from", "resize-seed-from"),
    "--width": ("W", "w"),
    "--height": ("H",),
    "--count": (
        "num-images",
        "num-images-per-prompt",
        "n-samples",
        "n-iter",
        "batch-count",
        "batch",
        "num",
    ),
    "--scheduler": ("sampler", "sampler-name", "sampling-method", "sample-method", "A"),
    "--fast": ("turbo", "quick"),
    "--strength": ("denoising-strength", "denoise", "denoising", "init-strength", "image-strength"),
    "--control": (
        "controlnet",
        "control-net",
        "controlnets",
        "control-image",
        "cnet",
        "t2i-adapter",
    ),
    "--control-mode": ("controlnet-mode", "guess-mode"),
    "--control-model": ("controlnet-model", "control-net-model", "control-model-dir"),
    "--resize-mode": ("resize", "fit"),
    "--mask": ("mask-image", "mask-img", "init-mask", "mask-path", "inpaint-mask"),
    "--invert-mask": ("mask-invert", "inpainting-mask-invert"),
    "--masked-content": ("inpainting-fill", "fill", "inpaint-fill"),
    "--only-masked": ("inpaint-full-res", "padding-mask-crop", "inpaint-full-res-padding"),
    "--input": ("init-img", "init-image", "image", "img", "inputs"),
    "--hires": ("hires-fix", "highres", "highres-fix", "enable-hr", "hr", "hr-scale", "hrf"),
    "--hires-upscaler": ("hr-upscaler", "upscaler", "upscale-method"),
    "--hires-steps": ("hr-second-pass-steps", "hr-steps", "upscale-steps"),
    "--hires-strength": ("hires-denoising-strength", "hr-denoising-strength", "hires-denoise"),
    "--clip-skip": ("clipskip", "clip-stop-at-last-layers", "stop-at-clip-layer"),
    "--syntax": ("prompt-syntax", "prompt-grammar", "grammar", "parser"),
    "--embedding": ("embeddings", "textual-inversion", "textual-inversions", "ti", "embed"),
    "--embeddings-dir": ("embedding-dir", "embd-dir", "embeddings-folder", "embeddings-path"),
    "--vae": ("vae-path", "vae-name", "vae-model", "taesd", "taesd-path"),
    "--lora": ("loras", "lora-path", "lora-name", "lora-model", "lora-weights", "adapter"),
    "--image-prompt": ("ip-adapter", "ipadapter", "ip-adapter-image", "image-prompts", "style"),
    "--image-encoder": ("clip-vision", "clip-vision-model", "ip-adapter-encoder"),
    "--freeu": ("free-u", "freeu-v1"),
    "--lora-dir": ("lora-model-dir", "lora-folder", "lora-directory", "loras-dir"),
    "--unet": ("unet-path", "unet-name", "diffusion-model", "transformer"),
    "--prediction": ("prediction-type", "parameterization", "v-pred", "vpred", "v-prediction"),
    "--device": ("gpu", "cuda", "cpu", "use-cpu", "mps"),
    "--dtype": ("precision", "torch-dtype", "half", "fp16", "bf16", "fp32", "float16", "type"),
    "--output": ("out", "outdir", "output-dir", "output-path", "out-dir", "outfile", "save", "to"),
    "--overwrite": ("force", "f", "y", "yes"),
    "--quiet": ("silent", "no-progress"),
    "--version": ("V", "v"),
    "--lr": ("learning-rate", "rate"),
    "--batch": ("batch-size", "train-batch-size"),
    "--size": ("resolution",),
    "--run": ("logging-dir", "run-dir", "folder"),
}
_COMMANDS_ELSEWHERE = {
    "generate": (
        *("txt2img", "text2img", "text-to-image", "t2i", "draw", "create", "make", "paint"),
        *("dream", "imagine", "image", "picture", "prompt", "run", "sample", "render", "gen"),
    ),
    "img2img": ("image-to-image", "i2i", "image2image", "imgtoimg", "edit"),
    "inpaint": ("inpainting", "repaint", "mask"),
    "serve": ("server", "web", "webui", "ui", "gui", "api", "app"),
    "outpaint": ("outpainting", "uncrop", "extend", "enlarge"),
    "upscale": ("sd-upscale", "super-resolution", "hires", "upscaler", "ultimate"),
    "grid": ("xyz", "xy", "plot", "xyplot", "compare", "sweep", "experiment"),
    "info": ("metadata", "inspect", "exif", "png-info", "pnginfo", "show", "read"),
    "reproduce": ("again", "redo", "replay", "recreate"),
    "tokens": ("tokenize", "tokenizer", "prompt-tokens"),
    "batch": ("bulk", "table", "dataset", "from-file"),
    "doctor": ("check", "diagnose", "env", "environment", "system", "status"),
    "models list": ("list", "ls"),
    "models pull": ("pull", "download", "fetch", "get", "install", "clone"),
    "models show": ("details", "describe"),
    "models rm": ("rm", "remove", "delete", "del", "uninstall", "erase", "prune"),
    "train lora": ("lora", "dreambooth", "textual-inversion"),
    "train unet": ("unet", "finetune", "fine-tune", "tune"),
    "train builtin": ("builtin", "build"),
    "--version": ("version",),
    "--help": ("help", "man", "usage"),
    "--install-completion": ("completion", "completions", "autocomplete"),
}
# What other tools have, and kakusan will have
OPTIONS_TO_COME = frozenset(
    (
        "tiling",
        *("refiner", "eta", "batch-size", "preview"),
    )
)
COMMANDS_TO_COME = frozenset(
    (
        *("controlnet", "queue", "convert", "merge", "embed"),
        *("video", "txt2vid", "img2vid", "interrogate", "caption", "open"),
    )
)


# Options that another command has, as other tools call them too
_OF_ANOTHER_COMMAND = {
    "kakusan batch TABLE": ("from-file", "prompts", "prompt-file", "prompts-file", "csv"),
    "kakusan serve": ("host", "port", "listen", "server-name", "server-port", "api", "webui"),
    "kakusan inpaint PICTURE PROMPT": (
        *("mask", "mask-image", "mask-blur", "masked-content", "only-masked", "invert-mask"),
    ),
    "kakusan upscale PICTURE": ("upscale", "sd-upscale", "tile", "tile-size", "tile-overlap"),
    "kakusan outpaint PICTURE PROMPT": ("outpaint", "left", "right", "up", "down", "feather"),
    "kakusan img2img PICTURE PROMPT": (
        *("strength", "denoising-strength", "init-img", "init-image", "image", "img"),
        *("resize-mode", "keep-inputs"),
    ),
}


def command_with_option(word: str) -> str | None:
    """How a command is called that has an option, by another tool's word for it too."""
    return _called(word, _OF_ANOTHER_COMMAND)


def option_called(word: str, known: Collection[str]) -> str | None:
    """Of the options `known` the one that another tool calls `word`, such as "--cfg-scale"."""
    return _called(word, {name: _OPTIONS_ELSEWHERE.get(name, ()) for name in known})


def command_called(word: str) -> str | None:
    """The command that another tool, or another command line, calls `word`."""
    return _called(word, _COMMANDS_ELSEWHERE)


def plain_word(word: str) -> str:
    """As the tables have it: "--CFG_scale" is "cfg-scale", but "-W" stays "W"."""
    plain = word.lstrip("-").replace("_", "-")
    return plain.casefold() if len(plain) > 1 else plain


def _called(word: str, table: Mapping[str, Sequence[str]]) -> str | None:
    plain = plain_word(word)
    return next((name for name, others in table.items() if plain in others), None)
