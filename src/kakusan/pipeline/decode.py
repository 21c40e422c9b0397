"""Finished latents to pictures, with the model that their records name."""

from collections.abc import Mapping, Sequence
from os import PathLike, fspath
from typing import Any

import torch

from kakusan.checkpoints.recorded import (
    check_at_hand,
    check_parts_at_hand,
    why_not_at_hand,
    with_model,
)
from kakusan.engine import Engine, present
from kakusan.errors import (
    ArgumentError,
    GenerationInterrupted,
    InputError,
    RequestError,
    Undecoded,
    decode_error,
    shown,
)
from kakusan.images import to_pil
from kakusan.models import CLIPImageProcessor, Model
from kakusan.pipeline.container import check_exchanged, family_of
from kakusan.pipeline.draw import OnPicture
from kakusan.pipeline.exchanged import named_parts, read_parts
from kakusan.pipeline.finishing import finish
from kakusan.pipeline.latents import load_latents
from kakusan.pipeline.loading import Loading
from kakusan.pipeline.output import Picture, Pictures
from kakusan.pipeline.parts import PARTS
from kakusan.pipeline.single_file import check_has_vae, container_of
from kakusan.request.checks import MAX_SIZE
from kakusan.runtime.device import parse_device
from kakusan.runtime.precision import parse_dtype


def decode(
    latents: str | PathLike[str] | Undecoded,
    *,
    model: str | PathLike[str] | None = None,
    vae: str | PathLike[str] | None = None,
    trust_model: bool = False,
    device: str | None = None,
    on_picture: OnPicture | None = None,
) -> Pictures:
    """Make the pictures of finished latents, as the run that they come from would have.

    Args:
        latents: A file that `save_latents` or `kakusan generate` wrote, or what an error carries.
        model: Whose VAE to decode with: "builtin", a folder, or a Hub id; else the records' own.
        vae: A folder, a file or a Hub id, in place of the model's own VAE, or of the one that the
            records name. A folder or a TAESD tells what its latents are scaled by, so that the
            records' model is not needed, unless its checker is.
        trust_model: Whether to use whatever the records name: a folder, or one to be fetched, and
            another VAE. Of these, only "builtin" and what is in the hub's cache are used unasked.
        device: Where to compute; the records' kind of device where not given.
        on_picture: Called with each picture as soon as it is finished.

    Raises:
        InputError: It is no such file, or its model is not to be used unasked.
        DecodeError: It cannot be decoded here either.
    """
    undecoded = latents if isinstance(latents, Undecoded) else load_latents(latents)
    records: Sequence[Mapping[str, Any]] = undecoded.records
    if model is not None:
        records = [with_model(record, fspath(model)) for record in records]
    if vae is not None:
        records = [{**record, "vae": fspath(vae)} for record in records]
    record = _common(records, has_vae=vae is not None)
    if not trust_model:
        check_parts_at_hand({"vae": record.get("vae")}, () if vae is None else ("vae",))
    unasked = model is None and not trust_model
    alone = None
    if vae is not None and unasked and _is_elsewhere(record):
        alone = _alone(fspath(vae), record)
    if unasked and alone is None:
        check_at_hand(record)
    if alone is None:
        engine, extractor = _decoder(record, device, local_files_only=unasked)
    else:
        engine, extractor = _engine(alone, None, record, device), None
    _check_fits(engine, undecoded)
    given = undecoded.latents.to(engine.device)
    done = finish(engine, given, extractor)
    pictures = Pictures()
    images = [] if done.pixels is None else to_pil(done.pixels)
    for place, (row, image) in enumerate(zip(done.rows, images, strict=True)):
        notes = [*records[row].get("notes", ()), *done.notes[place]]
        flagged = bool(done.flags and done.flags[place])
        pictures.append(Picture(image, {**records[row], "notes": notes}, flagged))
        if on_picture is not None:
            on_picture(pictures[-1])
    if done.error is not None:
        left = [row for row in range(len(given)) if row not in done.rows]
        rest = Undecoded(undecoded.latents[left], [records[row] for row in left])
        if isinstance(done.error, Exception):
            raise decode_error(done.error, rest, pictures) from done.error
        raise GenerationInterrupted(pictures, rest)
    return pictures


def _common(records: Sequence[Mapping[str, Any]], *, has_vae: bool) -> Mapping[str, Any]:
    """What all records say of the model, which they must agree in.

    Raises:
        InputError: They do not, or it is not what kakusan writes.
    """
    record = records[0]
    for name in ("model", "commit", "variant", "vae", "dtype", "device", "safety_checker"):
        if any(each.get(name) != record.get(name) for each in records):
            raise InputError(f"the records of these latents differ in {name}")
    if record.get("model") is None and not has_vae:
        raise ArgumentError("the record names no model; say which with {model}")
    if not all(isinstance(each.get("notes", []), list) for each in records):
        raise InputError("the record's notes must be a list")
    return record


def _is_elsewhere(record: Mapping[str, Any]) -> bool:
    """Whether the record's model is not to be used unasked."""
    return record.get("model") is None or why_not_at_hand(record) is not None


class _ModelIsNeededError(Exception):
    """A VAE's file does not tell what its latents are scaled by."""


def _alone(vae: str, record: Mapping[str, Any]) -> Model[Any] | None:
    """The VAE where nothing else of a model is needed; None where something is."""

    def unknown() -> None:
        raise _ModelIsNeededError

    if record.get("safety_checker") is True:
        return None
    try:
        found = read_parts(named_parts({"vae": vae}, own_vae=unknown), _dtype(record))
    except _ModelIsNeededError:
        return None
    return present("vae", found["vae"])


def _dtype(record: Mapping[str, Any]) -> torch.dtype:
    said = record.get("dtype") or "float32"
    return parse_dtype(said if isinstance(said, str) else shown(said))


def _engine(vae: Any, checker: Any, record: Mapping[str, Any], device: str | None) -> Engine:
    where = device or record.get("device")
    to = parse_device(where if isinstance(where, str) else None)
    engine = Engine(None, vae.to(to), None, None if checker is None else checker.to(to))
    engine.prepare()
    return engine


def _decoder(
    record: Mapping[str, Any], device: str | None, *, local_files_only: bool
) -> tuple[Engine, CLIPImageProcessor | None]:
    """The parts of a model that latents still need; the others are not looked at."""
    wanted = {"vae"}
    if record.get("safety_checker") is True:
        wanted |= {"safety_checker", "feature_extractor"}
    absent: dict[str, Any] = dict.fromkeys(PARTS.keys() - wanted)
    loading = Loading.of(
        "decode",
        torch_dtype=_dtype(record),
        revision=record.get("commit"),
        variant=record.get("variant"),
        local_files_only=local_files_only,
        **absent,
    )
    container = container_of(loading.locate(str(record["model"])))
    name = record.get("vae")
    if not isinstance(name, str | None):
        raise InputError(f"the record's vae must be a text, not {shown(name)}")
    check_has_vae(container, () if name is None else ("vae",))
    stored = loading.weights.dtype_of("vae") or torch.float32
    named = named_parts(
        {"vae": name},
        own_vae=lambda: container.config("vae"),
        local_files_only=local_files_only,
    )
    networks = {part: each.network for part, each in named.items()}
    check_exchanged(container, {**absent, **networks})
    loading = loading.with_parts(read_parts(named, stored))
    parts = loading.read(container, family_of(container, absent))
    vae, checker = present("vae", parts["vae"]), parts.get("safety_checker")
    return _engine(vae, checker, record, device), parts.get("feature_extractor")


def _check_fits(engine: Engine, undecoded: Undecoded) -> None:
    channels, height, width = undecoded.latents.shape[1:]
    own, factor = engine.vae.config.latent_channels, engine.scale_factor
    if channels != own:
        raise RequestError(f"the latents have {channels} channels; this model's VAE decodes {own}")
    if max(height, width) * factor > MAX_SIZE:
        raise RequestError(
            f"the latents are of {width * factor} x {height * factor} pixels; the limit is "
            f"{MAX_SIZE}"
        )
