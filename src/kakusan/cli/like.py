"""`kakusan generate --like`: another picture with the settings of one that is there."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from kakusan.cli.console import remark
from kakusan.cli.foreign_loras import where_loras_are
from kakusan.cli.info import load_record
from kakusan.cli.live import Live
from kakusan.cli.reproduce_foreign import told_in
from kakusan.cli.usage import Command
from kakusan.errors import ArgumentError, InputError, shown, shown_path
from kakusan.prompts.networks import without_loras

Like = Annotated[
    Path | None,
    typer.Option(
        "--like",
        metavar="PICTURE",
        help="Take all settings but PROMPT from a picture, the seed too; what else is typed wins.",
    ),
]
WORDS = {"model": "--model", "unet": "--unet", "vae": "--vae", "trust_model": "--model"}


class CommandWithLike(Command):
    """PROMPT may be left out where a picture is given that has one."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        given = any(each == "--like" or each.startswith("--like=") for each in args)
        for parameter in self.params:
            if parameter.name == "prompt":
                parameter.required = not given
        return super().parse_args(ctx, args)


def typed_only(context: typer.Context, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the settings that were typed: others are defaults, or None."""
    usual = {"negative_prompt": "negative", "model": "model"}
    default = {
        name
        for name, option in usual.items()
        if getattr(context.get_parameter_source(option), "name", "") == "DEFAULT"
    }
    return {k: v for k, v in settings.items() if v is not None and k not in default}


def settings_like(
    picture: Path,
    typed: Mapping[str, Any],
    folders: Sequence[Path],
    line: Live,
    lora_dirs: Sequence[str] | None = None,
) -> dict[str, Any]:
    """The settings for a picture like one that is there; what was typed among them.

    Another tool's tags of adapters are kept where the user says in which folders these are.

    Raises:
        InputError: The file tells no settings, or its model is not the user's own.
    """
    from kakusan.interchange import files_of, settings_of, with_typed

    record = load_record(picture)
    if "kakusan" in record:
        found = settings_of(record)
        if lacking := [name for name in files_of(record) if not typed.get(name)]:
            words = " and ".join(lacking).replace("_", " ")
            remark(f"not taken from {shown_path(picture)}: its {words}; name them again")
    else:
        with_loras = where_loras_are(lora_dirs)
        found = _of_another_tool(picture, typed, folders, line, with_loras=with_loras)
    settings = with_typed(found, typed)
    if "kakusan" in record:
        try:
            _check_own(settings, typed)
        except ArgumentError as error:
            raise error.in_words(WORDS) from None
    _tell(picture, found, settings, typed)
    if settings.get("prompt") is None:
        raise InputError(f"{shown_path(picture)} tells no prompt; give one")
    return settings


def _check_own(settings: Mapping[str, Any], typed: Mapping[str, Any]) -> None:
    """A record may be a stranger's: its model and parts are the user's own, or typed."""
    from kakusan.checkpoints.recorded import check_at_hand, check_parts_at_hand

    if "model" not in typed:
        check_at_hand(settings)
    check_parts_at_hand(settings, typed)


def _of_another_tool(
    picture: Path,
    typed: Mapping[str, Any],
    folders: Sequence[Path],
    line: Live,
    *,
    with_loras: bool,
) -> dict[str, Any]:
    from kakusan.cli.finding import family_of, find_asked, find_told
    from kakusan.interchange import translated

    told = told_in(picture)
    if "model" in typed:
        found, model = find_asked(str(typed["model"])), {}
    else:
        found, _ = find_told(told.settings, folders, line)
        model = {"model": found.name, "commit": found.commit}
    translation = translated(told, family_of(found), rng=typed.get("rng"))
    settings: dict[str, Any] = {**translation.settings, **model}
    left = list(translation.left)
    if settings.get("prompt_syntax") == "webui" and not with_loras:
        texts = ("prompt", "negative_prompt")
        settings |= {name: without_loras(settings[name]) for name in texts if name in settings}
    elif "<lora:" in str(settings.get("prompt")) and "prompt" not in typed:
        left = [each for each in left if not each.startswith("the LoRA ")]
    if left:
        few = [each.removesuffix(".") for each in left[:6]]
        remark(f"not taken from {shown_path(picture)}: {'; '.join(few)}")
    return settings


def _tell(
    picture: Path, found: Mapping[str, Any], settings: Mapping[str, Any], typed: Mapping[str, Any]
) -> None:
    seed = found.get("seed")
    said = f"like {shown_path(picture)}: model {shown(settings.get('model'))[1:-1]}"
    if "seed" not in typed and seed is not None:
        said += f", its seed {seed} (--seed N draws with another)"
    remark(said)
