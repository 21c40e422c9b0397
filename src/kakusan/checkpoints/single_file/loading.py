"""A single file that a call names, opened with what the call says of it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kakusan.checkpoints.arguments import LOADING, Published
from kakusan.checkpoints.files import JSON, read_json
from kakusan.checkpoints.single_file.checkpoint import Checkpoint
from kakusan.checkpoints.single_file.settings import Settings, beside, of_training
from kakusan.checkpoints.source import PathLike, Source, locate
from kakusan.errors import CheckpointError, RequestError, shown

_OFF = (None, False)
# What the reference's `from_single_file` takes and changes nothing here
SINGLE_FILE = {
    **LOADING,
    "original_config_file": Published(),  # the older name of original_config
    "upcast_attention": Published(),  # attention does not overflow here
    "use_safetensors": Published(),  # a file is read as what it is
    "from_safetensors": Published(),
    "disable_mmap": Published(_OFF, "files are mapped"),
    "extract_ema": Published(_OFF, "the weights themselves are taken, not their average"),
    "device_map": Published((None,), "give device="),
    "model_type": Published((None,), "the family is told from the file"),
    "pipeline_class": Published((None,), "call the pipeline's own from_single_file"),
    "stable_unclip": Published((None,), "unCLIP models are not read yet"),
    "stable_unclip_prior": Published((None,), "unCLIP models are not read yet"),
    "controlnet": Published(_OFF, "control networks come later"),
    "quantization_config": Published(
        (None,), "a GGUF file says itself how its weights are stored; leave it out"
    ),
}
_FILES = {"scheduler": "scheduler_config.json"}
PARTS = ("unet", "vae", "text_encoder", "text_encoder_2", "scheduler")


def opened(
    name: PathLike,
    *,
    said: Mapping[str, Any],
    kind: type[Checkpoint] = Checkpoint,
    part: str | None = None,
    config: PathLike | None = None,
    subfolder: str | None = None,
    original_config: object = None,
    revision: str | None = None,
    token: str | bool | None = None,
    cache_dir: PathLike | None = None,
    local_files_only: bool = False,
    force_download: bool = False,
) -> tuple[Source, Checkpoint]:
    """Where a single file is, and what is in it.

    Args:
        said: fields of `Settings`; None is what is not said.
        kind: what the file is read as.
        part: the one that is wanted, so that `config` may be its own folder.
        config: a folder or Hub model with published configs.
        original_config: a training's .yaml; else that of the same name beside the file.

    Raises:
        CheckpointError: There is no such file, it is broken or something else.
        RequestError: A value that cannot be honoured.
    """
    if isinstance(name, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise RequestError(f"a single file is named by a text or a path, not by {shown(name)}")
    source = locate(
        name,
        revision=revision,
        token=token,
        cache_dir=cache_dir,
        local_files_only=local_files_only,
        force_download=force_download,
        files=True,
    )
    if source.file is None:
        raise CheckpointError(f"{source.name} is a folder; from_pretrained loads it.")
    if original_config is not None and not isinstance(original_config, str | Path):
        raise RequestError(f"original_config must be a path, not {shown(original_config)}")
    told = dict(said)
    if config is not None:
        told["configs"] = configs_of(config, part, subfolder, token, cache_dir, local_files_only)
    yaml = None if original_config is None else Path(original_config)
    return source, checkpoint_of(source.file, told, yaml, kind)


def checkpoint_of(
    file: Path,
    said: Mapping[str, Any],
    yaml: Path | None = None,
    kind: type[Checkpoint] = Checkpoint,
) -> Checkpoint:
    """A file that is here, opened with what is said of it.

    Args:
        said: as in `opened`; it counts more than the training's config.
        yaml: a training's .yaml; else that of the same name beside the file.

    Raises:
        CheckpointError: It is broken or something else.
        RequestError: A value that cannot be honoured.
    """
    yaml = beside(file) if yaml is None else yaml
    told = {} if yaml is None else of_training(yaml)
    told |= {key: value for key, value in said.items() if value is not None}
    return kind(file, Settings(**told))


def configs_of(
    config: PathLike,
    part: str | None,
    subfolder: str | None,
    token: str | bool | None,
    cache_dir: PathLike | None,
    local_files_only: bool,
) -> dict[str, dict[str, JSON]]:
    """Published configs by part, of a model's folder or of one part's.

    Raises:
        CheckpointError: There is no such folder or model, or it has no configs.
    """
    source = locate(config, token=token, cache_dir=cache_dir, local_files_only=local_files_only)
    folder = source.folder / subfolder if subfolder else source.folder
    found: dict[str, dict[str, JSON]] = {}
    for each in PARTS:
        path = folder / each / _FILES.get(each, "config.json")
        if path.is_file():
            found[each] = read_json(path)
    own = folder / "config.json"
    if part is not None and own.is_file():
        found[part] = read_json(own)
    if not found:
        raise CheckpointError(
            f"{source.name} has no published configs: neither unet/config.json nor config.json."
        )
    return found
