"""A scheduler's settings, read from names, configs and files and written back."""

import math
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Self, cast

from kakusan.checkpoints.arguments import WEIGHTLESS_LOADING, check_published, token_of
from kakusan.checkpoints.files import JSON, read_json, write_json
from kakusan.checkpoints.source import locate
from kakusan.checkpoints.upload import Sendable, save_whole, upload_asked
from kakusan.errors import CheckpointError, RequestError, shown
from kakusan.schedulers.config import SchedulerConfig
from kakusan.schedulers.spacings import SIGMA_SPACINGS, setting_of

CONFIG_FILE = "scheduler_config.json"
if TYPE_CHECKING:
    from typing_extensions import TypeVar

    # A bare `Scheduler` in an annotation is one of any settings.
    ConfigT = TypeVar("ConfigT", bound=SchedulerConfig, default=Any)
else:
    from typing import TypeVar

    ConfigT = TypeVar("ConfigT", bound=SchedulerConfig)


class Configured(Sendable, Generic[ConfigT]):
    """Something made of published settings, as every scheduler is."""

    config_class: type[ConfigT]

    config: ConfigT

    def __init__(self, config: ConfigT | None = None, /, **settings: object) -> None:
        """Make a scheduler of a whole `config`, or of settings by name, the others default.

        Raises:
            RequestError: both of them given, or a value that is not allowed.
            UnknownArgumentError: no setting has this name.
        """
        if config is not None and settings:
            raise RequestError(
                f"{type(self).__name__} takes a config or settings, not both; got "
                f"{', '.join(settings)} too; use {type(self).__name__}.from_config(config, ...)"
            )
        self.config = self.config_class.from_settings(settings) if config is None else config
        self._set_up()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.config!r})"

    @classmethod
    def from_config(cls, config: Mapping[str, object], **overrides: object) -> Self:
        """A scheduler with the settings of another one's config, or of a file's JSON.

        Values that were only the other class's defaults are not carried; values written in the JSON
        are. Settings of other schedulers are kept for the way back.

        Raises:
            RequestError: it is no config, or has a value that is not allowed.
            UnknownArgumentError: no scheduler has a setting of an override's name.
        """
        if not isinstance(config, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise RequestError(
                f"{cls.__name__}.from_config takes a scheduler's config, not {shown(config)}; "
                "from_pretrained takes a folder or a model's name"
            )
        return cls(cls.config_class.from_published(config, overrides))

    @classmethod
    def load_config(
        cls,
        pretrained_model_name_or_path: str | PathLike[str],
        *,
        subfolder: str | None = None,
    ) -> dict[str, JSON]:
        """The published JSON of a folder or Hub model, which `from_config` takes.

        Raises:
            CheckpointError: the file is missing or broken.
        """
        folder = locate(pretrained_model_name_or_path, subfolder=subfolder).folder
        return read_json(folder / CONFIG_FILE)

    def register_to_config(self, **settings: object) -> None:
        """Change settings, as if this had been made with them; a run begins anew.

        Raises:
            UnknownArgumentError: no scheduler has a setting of this name.
            RequestError: a value that is not allowed.
        """
        self.config = self.config_class.from_published(self.config, settings)
        self._set_up()

    def _set_up(self) -> None:
        """Compute what follows from `config`."""

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | PathLike[str],
        *,
        subfolder: str | None = None,
        revision: str | None = None,
        token: str | bool | None = None,
        cache_dir: str | PathLike[str] | None = None,
        local_files_only: bool = False,
        force_download: bool = False,
        **overrides: object,
    ) -> Self:
        """Read `scheduler_config.json` of a folder or Hub model; overrides win over the file.

        Args:
            overrides: Settings, and what the reference's calls may have that changes nothing here.

        Raises:
            CheckpointError: the file is missing, broken, or has values that are not supported.
        """
        where = f"{cls.__name__}.from_pretrained"
        passed = {*WEIGHTLESS_LOADING, "use_auth_token"}
        published = {name: overrides.pop(name) for name in passed & set(overrides)}
        check_published(where, published, WEIGHTLESS_LOADING)
        source = locate(
            pretrained_model_name_or_path,
            subfolder=subfolder,
            revision=revision,
            token=token_of(token, published),
            cache_dir=cache_dir,
            local_files_only=local_files_only,
            force_download=force_download,
        )
        path = source.folder / CONFIG_FILE
        try:
            return cls(cls.config_class.from_published(read_json(path), overrides))
        except RequestError as error:
            if overrides:
                raise
            raise CheckpointError(f"{path}: {error}") from None

    def save_pretrained(
        self, save_directory: str | PathLike[str], *, push_to_hub: bool = False, **options: Any
    ) -> None:
        """Write `scheduler_config.json`, which the reference library reads too.

        Args:
            push_to_hub: sends the files to the Hugging Face Hub too; `options` are then those of
                `push_to_hub`, with `repo_id`.

        Raises:
            RequestError: a setting is infinite, which JSON cannot say, and not so by default.
            OutputError: the folder cannot be written.
        """
        what, folder = type(self).__name__, Path(save_directory)
        upload = upload_asked(f"{what}.save_pretrained", push_to_hub, folder, options)
        published = self.config.to_published()
        for name, value in published.items():
            if isinstance(value, float) and not math.isfinite(value):
                raise RequestError(
                    f"{type(self).__name__}: {name}={value} cannot be saved, as JSON has no "
                    "infinity; set it to a large number"
                )

        def write(stage: Path) -> None:
            write_json(stage / CONFIG_FILE, cast("dict[str, JSON]", published))

        save_whole(folder, CONFIG_FILE, write, upload, what)

    @classmethod
    def sigma_spacings(cls) -> tuple[str, ...]:
        """Which of `SIGMA_SPACINGS` its settings can choose."""
        settings = cls.config_class.names()
        return tuple(name for name in SIGMA_SPACINGS if setting_of(name) in settings)
