"""`kakusan generate --like`: another picture with the settings of one that is there."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kakusan.cli.console import remark
from kakusan.cli.foreign_loras import Hashes, where_loras_are
from kakusan.cli.info import load_record
from kakusan.cli.live import Live
from kakusan.cli.reproduce_foreign import MOST_SAID, told_in
from kakusan.cli.usage import Command
from kakusan.errors import ArgumentError, InputError, shown, shown_path

if TYPE_CHECKING:
    from kakusan.images.foreign import Told

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

    Its adapters and learnt words are taken as far as they are in the folders and files that the
    user names.

    Args:
        folders: with models, in which another tool's picture's is looked for.
        lora_dirs: with adapters; those of KAKUSAN_LORA_DIR where there are none.

    Raises:
        InputError: The file tells no settings, or its model is not the user's own.
    """
    from kakusan.interchange import (
        controls_of_record,
        settings_of,
        taken_of_record,
        taken_of_told,
        with_typed,
    )

    record = load_record(picture)
    where, hashes_of = _adapter_folders(lora_dirs), Hashes(line)
    if "kakusan" in record:
        found = settings_of(record)
        settings = with_typed(found, typed)
        try:
            _check_own(settings, typed)
        except ArgumentError as error:
            raise error.in_words(WORDS) from None
        settings, left = taken_of_record(record, settings, typed, where, hashes_of)
        settings = controls_of_record(record, settings, typed, picture.parent)
        if record.get("controls") and not settings.get("controls"):
            left = (*left, "what steered it (give it with --control)")
    else:
        told = told_in(picture)
        found, left = _of_another_tool(told, typed, folders, line)
        settings = with_typed(found, typed)
        settings, more = taken_of_told(told.settings, settings, typed, where, hashes_of)
        left = (*left, *more)
    _tell(picture, found, settings, typed, left)
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
    told: "Told", typed: Mapping[str, Any], folders: Sequence[Path], line: Live
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The settings, and what is not taken but for adapters and learnt words."""
    from kakusan.cli.finding import family_of, find_asked, find_told
    from kakusan.interchange import translated, without_files

    if "model" in typed:
        found, model = find_asked(str(typed["model"])), {}
    else:
        found, _ = find_told(told.settings, folders, line)
        model = {"model": found.name, "commit": found.commit}
    translation = translated(told, family_of(found), rng=typed.get("rng"))
    left = without_files(translation.left, told.settings)
    return {**translation.settings, **model}, left


def _adapter_folders(given: Sequence[str] | None) -> list[Path] | None:
    """Where the user says that adapters are; None where nothing is said."""
    if not where_loras_are(given):
        return None
    from kakusan.pipeline.adapter_search import adapter_folders

    return adapter_folders(given or None)


def _tell(
    picture: Path,
    found: Mapping[str, Any],
    settings: Mapping[str, Any],
    typed: Mapping[str, Any],
    left: Sequence[str],
) -> None:
    if left:
        few = [each.removesuffix(".") for each in left[:MOST_SAID]]
        remark(f"not taken from {shown_path(picture)}: {'; '.join(few)}")
    seed = found.get("seed")
    said = f"like {shown_path(picture)}: model {shown(settings.get('model'))[1:-1]}"
    if "seed" not in typed and seed is not None:
        said += f", its seed {seed} (--seed N draws with another)"
    remark(said)
