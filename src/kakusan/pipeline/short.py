"""The short way: a prompt to pictures in one call, and a picture's record to the same again."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import torch

from kakusan.checkpoints.recorded import check_at_hand, check_parts_at_hand, with_model
from kakusan.checkpoints.recorded_embeddings import embeddings_again
from kakusan.errors import ArgumentError, RequestError, shown
from kakusan.inputs import (
    Inputs,
    Masks,
    asked_controls,
    given_masks,
    given_pictures,
    recorded_inputs,
)
from kakusan.pipeline.control_nets import nets_again
from kakusan.pipeline.draw import OnPicture, draw
from kakusan.pipeline.kept import with_kept
from kakusan.pipeline.likened import likened
from kakusan.pipeline.output import Picture, Pictures
from kakusan.pipeline.progress import OnProgress
from kakusan.pipeline.prompted import image_prompts_of
from kakusan.request import RANDOM_SEEDS, Request, SecondPass, Upscale, reproducible
from kakusan.request.choices import Folders, choice_seeds, say_left, wildcard_folders, with_choices
from kakusan.request.kept import kept_beside
from kakusan.request.masks import with_usual_mask
from kakusan.vocabulary import SHORT

# A file or a name, with its strength or its two, or several
Loras = str | PathLike[str] | Sequence[Any] | None
Files = str | PathLike[str] | Sequence[str | PathLike[str]] | None


def generate(
    prompt: str | Sequence[str] | None = None,
    *,
    like: str | PathLike[str] | None = None,
    negative_prompt: str | Sequence[str] | None = None,
    model: str | PathLike[str] | None = None,
    revision: str | None = None,
    variant: str | None = None,
    unet: str | PathLike[str] | None = None,
    vae: str | PathLike[str] | None = None,
    prediction: str | None = None,
    seed: int | None = None,
    count: int = 1,
    width: int | None = None,
    height: int | None = None,
    steps: int | None = None,
    guidance: float | None = None,
    scheduler: str | None = None,
    rng: str | None = None,
    variation_seed: int | None = None,
    variation_strength: float | None = None,
    seed_resize: tuple[int, int] | None = None,
    ensd: int | None = None,
    prompt_syntax: str | None = None,
    emphasis: str | None = None,
    pad_conds: bool | str | None = None,
    old_timelines: bool | None = None,
    clip_skip: int | None = None,
    wildcards: Folders = None,
    embeddings: Sequence[str | PathLike[str]] | str | PathLike[str] | None = None,
    loras: Loras = None,
    lora_dirs: Sequence[str | PathLike[str]] | None = None,
    image: object = None,
    strength: float | None = None,
    resize_mode: str | None = None,
    mask: object = None,
    mask_blur: float | None = None,
    masked_content: str | None = None,
    only_masked: int | None = None,
    outside: str | None = None,
    soft_mask: bool | None = None,
    outpaint: Mapping[str, int] | None = None,
    second_pass: SecondPass | Mapping[str, Any] | float | None = None,
    controls: object = None,
    upscale: Upscale | Mapping[str, Any] | float | None = None,
    image_prompt: object = None,
    ip_adapter: Files = None,
    ip_adapter_scale: float | Sequence[float] | None = None,
    image_encoder: str | PathLike[str] | None = None,
    freeu: Sequence[float] | Mapping[str, float] | None = None,
    quality_budget: float | None = None,
    device: str | torch.device | None = None,
    dtype: str | torch.dtype | None = None,
    on_picture: OnPicture | None = None,
    progress: bool | OnProgress | None = True,
    **unknown: Any,
) -> Pictures:
    """Draw `count` pictures of each prompt, picture i from the seed `seed + i`.

    Args:
        like: The file of a picture, of kakusan or another tool: its settings are taken where none
            are given here, the prompt and the seed too. Its adapters and embeddings are taken where
            `lora_dirs` and `embeddings` have them.
        model: "builtin" (comes with the package, and is taken where none is given), a folder, or a
            Hub id.
        revision: A branch, tag or commit of the model on the Hub.
        variant: Such as "fp16", of the parts that have it.
        unet: A folder, a file or a Hub id, in place of the model's own UNet.
        vae: Likewise, such as TAESD's file, which takes a fraction of the time.
        prediction: "epsilon" or "v_prediction": what the UNet of a single file predicts, in place
            of what the file tells.
        seed: A random one is drawn, and recorded, where none is given.
        scheduler: A name of any tool, such as "DPM++ 2M Karras" (see `kakusan.samplers`); the
            model's own where not given.
        rng: By whose rules the seed makes noise, such as "cpu", "gpu" or "nv" for AUTOMATIC1111's
            (see `kakusan.request.randomness`); kakusan's own where not given. `ensd` is its "eta
            noise seed delta".
        variation_seed: Another seed, of whose noise `variation_strength`, from 0 to 1, is mixed in.
            Picture i has the same seed then, and the variation seed `variation_seed + i`; a random
            one is drawn where none is given.
        seed_resize: The (height, width) of the picture that the seed was found with.
        prompt_syntax: Whose grammar the prompts have: "webui" (AUTOMATIC1111's), "comfy" or
            "compel"; every character is taken as it stands where not given.
        emphasis: What weights do under "webui": "Original", "No norm", "Ignore" or "None".
        clip_skip: How many of the text encoder's last layers are left out: one less than
            AUTOMATIC1111 counts, and than `--clip-skip` of the command line.
        pad_conds: Under "webui", True lengthens the shorter of prompt and negative prompt with
            empty chunks, as AUTOMATIC1111 does if its setting says so; "v0" is its older way.
        old_timelines: Whether changes of a prompt are counted as there before version 1.6.
        wildcards: The folder, or folders, with the files that `__name__` chooses a line of in
            prompts with a grammar. These choices and those of `{a|b}` are made by each picture's
            seed, as on the command line.
        embeddings: Files of learnt words (textual inversion) that prompts name, Hub ids of such, or
            folders in which they are looked for.
        loras: Files or names of LoRAs and their relatives, each alone or as (file, strength) or
            (file, strength in the text encoders, in the UNet), in a list where they are several.
        lora_dirs: Folders in which their names are looked for, also those that prompts in "webui"
            name as `<lora:name:0.8>`; KAKUSAN_LORA_DIR in the environment where not given.
        image: What pictures begin at: a file, a picture of PIL's, an array (h, w, 3) or a tensor
            (3, h, w) in [0, 1], or several of one kind in a list. It is turned as its EXIF says,
            and what is transparent is white. Where no size is given, its own is drawn, or of a far
            larger one the model's in its shape.
        strength: How far to go back from `image` towards noise, from 0, which is the picture as the
            VAE shows it, to 1, of which nothing is left; 0.6 where not given.
        resize_mode: How `image` comes to the size that is drawn: "crop" cuts it off at the sides,
            "fill" draws its edges out, "stretch" changes its shape; "crop" where not given.
        mask: What of `image` is drawn anew: a file, or a picture of PIL's, as large as `image` and
            white there, an array or a tensor in [0, 1]; "box:x,y,w,h" or "ellipse:x,y,w,h" in
            pixels; or "alpha", what `image` leaves transparent. The rest of it stays to the bit,
            and the result is as large as `image`.
        mask_blur: How far the edge of `mask` is blurred, in pixels; 4 where not given.
        masked_content: What the masked part begins as: "original", "fill" (the colours around it),
            "noise" or "nothing"; "original" where not given, under "alpha" "fill".
        only_masked: Only the part around `mask` is drawn, with so many pixels on each side, at the
            model's full size.
        outside: "exact", as where not given; "decoded" takes all of it as the VAE shows it, at the
            size that is drawn.
        soft_mask: Whether levels between black and white are shares of old and new.
        outpaint: What is added to `image`, in pixels: {"left": 64, "right": 0, "up": 32, "down":
            0}, and drawn; "feather" is how far into the old picture the new one reaches.
        second_pass: Draws each picture again, larger: how many times, or a mapping of `scale`, or
            `width` and `height`, and of `upscaler` ("Latent", "Lanczos" and others), `steps`,
            `strength` (0.7 where not given), and where they are others than in the first pass,
            `prompt`, `negative_prompt`, `scheduler` and `guidance_scale`. See
            `kakusan.request.SecondPass`.
        controls: Networks that steer by pictures (ControlNets, T2I-Adapters): each a text such as
            "canny:picture.png@FOLDER:0.8", see `kakusan.request.typed_controls`, or a mapping with
            `image` (as above) and `model` (a folder, a file, a Hub id, or a network of kakusan's),
            and as wanted `kind`, `scale`, `start`, `end`, `mode`, `resize_mode` and `type`.
        upscale: Makes `image` larger and draws it over in tiles: how many times, or a mapping of
            `scale` and `overlap`, in pixels. `width` and `height` are those of a tile then, the
            model's own where not given, and `strength` is 0.3 where not given. Tile i has the seed
            `seed + i`.
        image_prompt: Pictures to attend to beside the prompt, through `ip_adapter`: one as `image`
            takes it, or several in a list, which are attended to together; for several adapters a
            list with an entry for each.
        ip_adapter: The file of an IP-Adapter, or several in a list.
        ip_adapter_scale: How strong it is; 1 where not given. Of several, one for each in a list.
        image_encoder: The folder or file of CLIP's picture encoder, where the model has none and
            none lies beside the adapter in a folder `image_encoder`.
        freeu: FreeU's weights b1, b2, s1, s2 in this order, such as (1.5, 1.6, 0.9, 0.2); those of
            the backbone (b) are above 1, those of the skips (s) below.
        quality_budget: The least PSNR in dB against the exact picture, see `kakusan.quality`; less
            time the lower it is. It chooses scheduler and steps. Exact where not given.
        dtype: float32, float16, bfloat16; what is fast on `device` where not given.
        on_picture: Called with each picture as soon as it is finished.
        progress: Whether to show a bar on stderr; None shows it only on a terminal. A function is
            called in its place, with how much is done, from 0 to 1, and with what is being done.

    Raises:
        InputError: Something given cannot be used; said before weights are read where possible.
        DecodeError: Finished latents could not be decoded; it carries them, and the pictures that
            were finished.
        GenerationInterrupted: Ctrl-C; it carries the pictures that were finished.
    """
    SHORT.check_known(unknown)
    if on_picture is not None and not callable(on_picture):
        raise RequestError(f"on_picture must be a function, not {shown(on_picture)}")
    with SHORT.spoken():
        given = given_pictures("image", image, files=True)
        masks = given_masks("mask", mask, files=True, picture=given)
        steered = asked_controls(controls)
        asked, seen = image_prompts_of(image_prompt, ip_adapter, ip_adapter_scale, image_encoder)
        request = short_request(
            like=like,
            lora_dirs=lora_dirs,
            prompt=prompt,
            negative_prompt=negative_prompt,
            model=model,
            revision=revision,
            variant=variant,
            unet=unet,
            vae=vae,
            prediction=prediction,
            seed=secrets.randbelow(RANDOM_SEEDS) if seed is None and like is None else seed,
            count=count,
            width=width,
            height=height,
            steps=steps,
            guidance=guidance,
            scheduler=scheduler,
            rng=rng,
            variation_seed=variation_seed,
            variation_strength=variation_strength,
            seed_resize=seed_resize,
            ensd=ensd,
            prompt_syntax=prompt_syntax,
            emphasis=emphasis,
            pad_conds=pad_conds,
            old_timelines=old_timelines,
            clip_skip=clip_skip,
            embeddings=embeddings,
            loras=loras,
            image=given,
            strength=strength,
            resize_mode=resize_mode,
            mask=masks,
            mask_blur=mask_blur,
            masked_content=masked_content,
            only_masked=only_masked,
            outside=outside,
            soft_mask=soft_mask,
            outpaint=outpaint,
            second_pass=second_pass,
            controls=steered.asked,
            upscale=upscale,
            image_prompt=asked or None,
            freeu=freeu,
            quality_budget=quality_budget,
            device=device,
            dtype=dtype,
        )
        folders = wildcard_folders(wildcards, request.syntax)
        say_left(request)
        seeds = choice_seeds(request.seed or 0, request.num_pictures)
        request = with_choices(request, seeds, folders, _typed(prompt, negative_prompt))
        inputs = Inputs(image=given, mask=masks, seen=seen, controls=steered.given)
        if like is not None and (kept := kept_beside(request, Path(fspath(like)).parent)):
            inputs = with_kept(request, inputs, kept)
        return draw(
            request,
            inputs,
            on_picture=on_picture,
            progress=progress,
            lora_dirs=lora_dirs,
        )


def _typed(prompt: object, negative_prompt: object) -> list[str]:
    """Which texts may have choices: those of a picture have none any more."""
    given = {"prompt": prompt, "negative_prompt": negative_prompt}
    return [name for name, value in given.items() if value is not None]


def short_request(
    *,
    like: str | PathLike[str] | None = None,
    lora_dirs: Sequence[str | PathLike[str]] | None = None,
    **typed: Any,
) -> Request:
    """The request for what `generate` is called with; paths, devices and dtypes become texts.

    Args:
        like, lora_dirs: see `generate`; the folders count where adapters of a picture are taken.

    Raises:
        UnknownArgumentError: `generate` has no such argument.
        RequestError: A value is out of its range.
    """
    settings = SHORT.settings(typed)
    # they travel beside the request
    handed_in = {name: settings.pop(name, None) for name in ("image", "mask")}
    for part in ("model", "unet", "vae"):
        if isinstance(settings.get(part), PathLike):
            settings[part] = fspath(settings[part])
    if isinstance(settings.get("device"), torch.device):
        settings["device"] = str(settings["device"])
    if isinstance(settings.get("dtype"), torch.dtype):
        settings["dtype"] = str(settings["dtype"]).removeprefix("torch.")
    if like is not None:
        settings = likened(like, settings, lora_dirs)
        for name, value in handed_in.items():
            if value is not None:
                settings.pop(name, None)  # which was the other one's
    if handed_in["mask"] is not None or settings.get("outpaint") is not None:
        masks = handed_in["mask"]
        settings = with_usual_mask(settings, masks.names if isinstance(masks, Masks) else ())
    if settings.get("variation_strength") and settings.get("variation_seed") is None:
        settings["variation_seed"] = secrets.randbelow(RANDOM_SEEDS)
    if settings.get("prompt") is None:
        raise ArgumentError("{prompt} is not given; say what to draw")
    return Request.of(**settings)


def reproduce(
    record: Mapping[str, Any],
    *,
    model: str | PathLike[str] | None = None,
    unet: str | PathLike[str] | None = None,
    vae: str | PathLike[str] | None = None,
    embeddings: Sequence[str | PathLike[str]] | str | PathLike[str] | None = None,
    trust_model: bool = False,
    trust_loras: bool = False,
    lora_dirs: Sequence[str | PathLike[str]] | None = None,
    inputs: object = None,
    control_models: Sequence[str | PathLike[str]] | None = None,
    device: str | torch.device | None = None,
    on_picture: OnPicture | None = None,
    progress: bool | OnProgress | None = True,
) -> Picture:
    """Draw the picture of `record` again, with the record's model, scheduler and precision.

    Records come with pictures, and pictures from strangers: of the models that one may name, only
    "builtin" and what is in the hub's cache are used unasked, and no other UNet or VAE. Adapters
    are looked for in the user's own folders.

    Args:
        model: Where the record's model is now: "builtin", a folder, or a Hub id.
        unet, vae: Where these are now, if the record names others than the model's own.
        embeddings: Files of learnt words that the record names, or folders in which they are looked
            for; they are told by their hashes.
        trust_model: Whether to use whatever model the record names, and whichever parts in place of
            its own: folders, files, or what is to be fetched.
        trust_loras: Whether to read the files of adapters that the record names, wherever they are.
        lora_dirs: Folders in which the record's adapters are looked for, by name and SHA-256;
            KAKUSAN_LORA_DIR in the environment where not given.
        inputs: The pictures that it was made from, if it was: files, pictures of PIL's or arrays,
            in any order; they are told by their hashes.
        control_models: Where the networks are now that steered it; they are told by their hashes.
        device: Where to compute; the record's kind of device where not given.

    Raises:
        RequestError: The record does not tell enough, what it tells is out of its range, or its
            model is not to be used unasked.
    """
    if model is not None and isinstance(record, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
        record = with_model(record, fspath(model))
    given = {part: fspath(at) for part, at in (("unet", unet), ("vae", vae)) if at is not None}
    if not trust_model and isinstance(record, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
        check_parts_at_hand(record, given)
    request = replace(reproducible(record), **given)
    found = embeddings_again(request.embeddings, embeddings, trusted=trust_model)
    request = replace(request, embeddings=found)
    nets = nets_again(request.controls, control_models, trusted=trust_model)
    request = replace(request, controls=nets)
    unasked = model is None and not trust_model
    if unasked:
        check_at_hand(record)
    if device is not None:
        request = replace(request, device=str(device))
    return draw(
        request,
        recorded_inputs(request, inputs),
        on_picture=on_picture,
        progress=progress,
        local_files_only=unasked,
        lora_dirs=lora_dirs,
        trusted=trust_loras,
    )[0]
