"""Sending what was saved to the Hugging Face Hub."""

import glob
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

from kakusan.checkpoints.arguments import SAVING, check_published, token_of
from kakusan.checkpoints.saving import whole
from kakusan.errors import OutputError, RequestError, reason, shown

_SENDING = ("repo_id", "commit_message", "private", "token", "create_pr")
PathLike = str | os.PathLike[str]


@dataclass(frozen=True, kw_only=True)
class Upload:
    """Where something is sent, and how.

    Attributes:
        repo_id: OWNER/NAME, or NAME of the token's owner; made if need be.
        private: whether a repository that is made is private; None leaves it to the hub.
        create_pr: asks for the change in place of making it.
    """

    repo_id: str
    commit_message: str | None = None
    private: bool | None = None
    token: str | bool | None = None
    create_pr: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.repo_id, str) or not self.repo_id.strip("/"):  # pyright: ignore
            raise RequestError(f"repo_id must be OWNER/NAME, not {shown(self.repo_id)}")

    def send(self, folder: Path, names: Sequence[str], what: str) -> str:
        """Send some files of a folder, and return the commit's address.

        Args:
            what: they are, for the commit's message.

        Raises:
            OutputError: The hub cannot be reached or refuses.
        """
        # takes a tenth of a second to import, and few runs send anything
        from huggingface_hub import HfApi
        from huggingface_hub.errors import HTTPError

        api = HfApi(endpoint=os.environ.get("HF_ENDPOINT") or None, token=self.token)
        try:
            repo = api.create_repo(self.repo_id, private=self.private, exist_ok=True)
            commit = api.upload_folder(
                repo_id=repo.repo_id,
                folder_path=folder,
                commit_message=self.commit_message or f"Upload {what}",
                create_pr=self.create_pr,
                allow_patterns=[glob.escape(name) for name in names],
            )
        except (OSError, HTTPError, ValueError) as error:
            raise OutputError(
                f"cannot send to {shown(self.repo_id)}: {reason(error)}; log in with `hf auth "
                "login` or give token="
            ) from None
        return str(commit)


def upload_asked(
    where: str, push_to_hub: bool, folder: Path, options: Mapping[str, Any]
) -> Upload | None:
    """What a `save_pretrained` was given beside what it saves, checked.

    Args:
        where: the call, for messages.
        folder: its name is that of the repository where none is given.

    Raises:
        UnknownArgumentError: An argument that does not exist, or that only sending needs.
        RequestError: A value that cannot be honoured.
    """
    sending = _SENDING if push_to_hub else ()
    rest = {name: value for name, value in options.items() if name not in sending}
    check_published(where, rest, SAVING, _SENDING)
    if not push_to_hub:
        return None
    return Upload(
        repo_id=options.get("repo_id", folder.resolve().name),
        commit_message=options.get("commit_message"),
        private=options.get("private"),
        token=token_of(options.get("token"), rest),
        create_pr=options.get("create_pr", False),
    )


def save_whole(
    folder: Path, head: str, write: Callable[[Path], None], upload: Upload | None, what: str
) -> None:
    """Have `write` fill a folder, and put it in place; send it where that is asked for.

    Args:
        head: the file without which nobody reads the folder.
        what: is saved, for the commit's message.

    Raises:
        OutputError: The folder cannot be written, or the hub cannot be reached.
    """
    with whole(folder, head) as stage:
        write(stage)
        files = (path for path in stage.rglob("*") if path.is_file())
        names = [path.relative_to(stage).as_posix() for path in files]
    if upload is not None:
        upload.send(folder, names, what)


class Savable(Protocol):
    """Something that can be saved into a folder."""

    def save_pretrained(
        self, save_directory: PathLike, *, push_to_hub: bool, **options: Any
    ) -> None: ...


class Sendable:
    """What can be saved can be sent to the Hugging Face Hub too."""

    def push_to_hub(
        self: Savable,
        repo_id: str,
        *,
        commit_message: str | None = None,
        private: bool | None = None,
        token: str | bool | None = None,
        create_pr: bool = False,
        **saving: Any,
    ) -> None:
        """Save it, and send the files to OWNER/NAME on the Hugging Face Hub, made if need be.

        Args:
            private: Whether a repository that is made is private; None leaves it to the hub.
            token: None takes the one that `hf auth login` stored.
            create_pr: Asks for the change in place of making it.
            saving: As `save_pretrained` takes it: `variant`, `safe_serialization`, ...

        Raises:
            OutputError: The hub cannot be reached or refuses.
        """
        with TemporaryDirectory(prefix="kakusan-") as folder:
            self.save_pretrained(
                folder,
                push_to_hub=True,
                repo_id=repo_id,
                commit_message=commit_message,
                private=private,
                token=token,
                create_pr=create_pr,
                **saving,
            )
