"""`kakusan reproduce` of another tool's picture: by that tool's rules, as far as they are known."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from kakusan.cli import control_options, picture_options
from kakusan.cli.compared import as_compared, compared_with
from kakusan.cli.console import remark, say, say_json
from kakusan.cli.exits import DONE
from kakusan.cli.foreign_loras import with_loras
from kakusan.cli.live import Live, live
from kakusan.cli.place import Place
from kakusan.cli.process import prepare
from kakusan.cli.saver import Saver, run
from kakusan.errors import InputError, shown, shown_path
from kakusan.request import Request
from kakusan.request.randomness import rng_called
from kakusan.vocabulary import COMMAND_LINE

if TYPE_CHECKING:
    from kakusan.images.foreign import Told
    from kakusan.interchange import Likeness, Translation

MOST_SAID = 6  # things that are not made again; `--json` has them all


@dataclass(frozen=True)
class Asked:
    """What the user says of the model, of noise and of where to compute."""

    model: str | None
    models_dir: Sequence[Path]
    unet: str | None
    vae: str | None
    rng: str | None
    device: str | None
    embeddings: Sequence[str] = ()
    lora_dirs: Sequence[str] = ()
    inputs: Sequence[Path] = ()
    controls: "control_options.ReadControls | None" = None


def told_in(picture: Path) -> "Told":
    """What another tool's picture tells.

    Raises:
        InputError: Nothing that is understood.
    """
    from kakusan.images.foreign import read_foreign

    told = read_foreign(picture)
    if told is None:
        raise InputError(f"{shown_path(picture)} tells nothing of how it was made")
    return told


def request_for(told: "Told", asked: Asked, line: Live) -> "tuple[Request, Translation, str]":
    """The request that makes a picture again, and which model it is made with.

    Raises:
        InputError: The picture tells too little, a value is out of its range, or its model is not
            among the user's own.
    """
    from kakusan.cli.finding import family_of, find_asked, find_told
    from kakusan.interchange import check_can_be_made, translated

    over = bool(asked.inputs)
    check_can_be_made(told, over=over)
    with COMMAND_LINE.spoken():
        rng = rng_called(asked.rng)
        Request.of(**translated(told, rng=rng, over=over).settings)  # before files are looked for
    if asked.model is None:
        found, by = find_told(told.settings, asked.models_dir, line)
        name, commit, model = found.name, found.commit, f"{found.name}, found by {by}"
    else:
        found, name, commit = find_asked(asked.model), asked.model, None
        model = name
    translation = translated(told, family_of(found), rng=rng, over=over)
    with COMMAND_LINE.spoken():
        request = Request.of(
            **translation.settings,
            model=name,
            commit=commit,
            unet=asked.unet,
            vae=asked.vae,
            device=asked.device,
        )
    request, translation = with_embeddings(request, translation, told, asked.embeddings)
    with COMMAND_LINE.spoken():
        request, translation = with_loras(request, translation, told, asked.lora_dirs, line)
    return request, translation, model


def tell(
    translation: "Translation",
    model: str,
    vae: str | None,
) -> list[str]:
    """Say what is known, by which rules it is made again, and what is not; the last of these."""
    left = [each for each in translation.left if vae is None or not each.startswith("the VAE ")]
    remark(f"{translation.made}; drawn with {model}")
    remark(f"made again by its rules: {'; '.join(translation.followed) or 'none that are known'}")
    if left:
        few, more = left[:MOST_SAID], len(left) - MOST_SAID
        plain = [each.removesuffix(".") for each in few] + ([f"{more} more"] if more > 0 else [])
        remark(f"not made again: {'; '.join(plain)}")
    return left


def with_embeddings(
    request: Request, translation: "Translation", told: "Told", given: Sequence[str]
) -> "tuple[Request, Translation]":
    """The request with the user's embeddings; ComfyUI passes by those that are not there."""
    from kakusan.interchange import learnt_told, with_learnt

    plain = {name: getattr(request, name)[0] for name in ("prompt", "negative_prompt")}
    settings = {**plain, "prompt_syntax": request.syntax}
    typed = {"embeddings": given}
    found, left = with_learnt(settings, learnt_told(told.settings.embeddings), typed)
    entries = [
        {"file": each} if isinstance(each, str) else each for each in found.get("embeddings", given)
    ]
    texts = {name: (found[name],) for name in plain}
    named = {f"the embedding {shown(each.name)}" for each in told.settings.embeddings}
    others = tuple(each for each in translation.left if each not in named)
    request = replace(request, **texts, embeddings=tuple(entries) or None)
    return request, replace(translation, left=(*others, *left))


def reproduce_foreign(
    picture: Path, asked: Asked, place: Place, *, compare: bool, as_json: bool, quiet: bool
) -> int:
    """Draw it, save it, and say how near it is if that is asked."""
    told = told_in(picture)
    if len(asked.inputs) > 1:
        raise InputError(f"{shown_path(picture)} was drawn over one picture; give one --input")
    over = [(picture_options.read(path), path.name) for path in asked.inputs]
    likenesses: list[Likeness] = []

    with live(quiet) as line:
        request, translation, model = request_for(told, asked, line)
        if asked.controls is not None:
            from kakusan.interchange.rules import STEERED

            request = replace(request, controls=asked.controls.asked)
            given = [each for each in translation.left if not each.startswith(STEERED)]
            translation = replace(translation, left=tuple(given))
        left = tell(translation, model, asked.vae)
        saver = Saver(place, 1, line, together=True, quiet=quiet, as_json=as_json)

        def draw_it() -> None:
            prepare(line, request.model)
            from kakusan.inputs import Given, Inputs
            from kakusan.pipeline import draw

            given = [Given((image,), names=(name,)) for image, name in over]
            inputs = Inputs(image=given[0] if given else None)
            if asked.controls is not None:
                inputs = asked.controls.handed_in(inputs)
            draw(
                request,
                inputs,
                on_picture=saver,
                progress=saver.progress,
                lora_dirs=list(asked.lora_dirs) or None,
                trusted=False,
            )
            (drawn,) = saver.held
            if compare and (near := compared_with(picture, drawn.image)) is not None:
                likenesses.append(near)
            saver.save_together(drawn.image, drawn.record, f"{picture.stem}-reproduced")

        code = run(draw_it, saver, COMMAND_LINE)
    if as_json and saver.saved:
        path, record = (saver.saved[0][name] for name in ("path", "record"))
        rules = {"made": translation.made, "followed": list(translation.followed)}
        near = as_compared(likenesses, asked=compare)
        say_json({"path": path, **rules, "not_made_again": left, **near, "record": record})
    elif code == DONE:
        for each in likenesses:
            say(str(each))
    return code
