"""The arguments of loading a pipeline from a single file."""

from dataclasses import dataclass
from typing import Any, Self

from kakusan.checkpoints.arguments import PIPELINE_LOADING, check_published
from kakusan.checkpoints.single_file.loading import SINGLE_FILE, opened
from kakusan.checkpoints.source import PathLike, Source
from kakusan.errors import RequestError
from kakusan.pipeline.container import Container
from kakusan.pipeline.loading import ARGUMENTS, Loading
from kakusan.pipeline.single_file import SingleFile

# What is said of the file, see `kakusan.checkpoints.single_file.settings.Settings`
SAID = ("prediction_type", "image_size", "num_in_channels", "scaling_factor")
_CONFIGS = ("config", "original_config", "original_config_file")
# What the reference takes of single files alone, and changes nothing here
_EXTRAS = SINGLE_FILE.keys() - {*PIPELINE_LOADING, *ARGUMENTS}


@dataclass(frozen=True, kw_only=True)
class FileLoading:
    """How a pipeline is loaded from a single file.

    Attributes:
        said: of the file, by the names of `SAID`.
        config, original_config: see `kakusan.checkpoints.single_file.loading.opened`.
        scheduler_type: another scheduler's short name; None for the model's own.
    """

    loading: Loading
    said: dict[str, Any]
    config: PathLike | None
    original_config: object
    scheduler_type: str | None

    @classmethod
    def of(cls, where: str, **options: Any) -> Self:
        """What a `from_single_file` was given.

        Raises:
            UnknownArgumentError: An argument that does not exist.
            RequestError: A value that cannot be honoured.
        """
        said = {name: options.pop(name) for name in SAID if name in options}
        configs = {name: options.pop(name) for name in _CONFIGS if name in options}
        scheduler = options.pop("scheduler_type", None)
        if options.pop("load_safety_checker", False) and options.get("safety_checker") is None:
            raise RequestError(
                "load_safety_checker=True: a single file holds none; give safety_checker= and "
                "feature_extractor="
            )
        device = options.pop("device", None)
        if device is not None:
            options.setdefault("device_map", device)
        extras = {name: options.pop(name) for name in _EXTRAS & options.keys()}
        check_published(where, extras, SINGLE_FILE)
        return cls(
            loading=Loading.of(where, **options),
            said=said,
            config=configs.get("config"),
            original_config=configs.get("original_config") or configs.get("original_config_file"),
            scheduler_type=scheduler,
        )

    def open(self, name: PathLike) -> tuple[Source, Container]:
        """The file, and what it holds.

        Raises:
            CheckpointError: There is no such file, or it holds no model.
        """
        loading = self.loading
        source, checkpoint = opened(
            name,
            said=self.said,
            config=self.config,
            original_config=self.original_config,
            revision=loading.revision,
            token=loading.token,
            cache_dir=loading.cache_dir,
            local_files_only=loading.local_files_only,
            force_download=loading.force_download,
        )
        return source, SingleFile(checkpoint, self.scheduler_type)
