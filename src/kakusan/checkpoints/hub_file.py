"""Single files of the Hugging Face Hub, by OWNER/NAME/FILE or by their address."""

import re
from dataclasses import dataclass
from pathlib import Path

from kakusan.checkpoints.files import stays_within

WHOLE_MODEL = frozenset({".safetensors", ".sft", ".ckpt", ".pt", ".pth", ".bin", ".gguf"})
_ADDRESS = re.compile(
    r"(?:https?://)?(?:www\.)?(?:huggingface\.co|hf\.co)/([\w.-]+/[\w.-]+)"
    r"/(?:blob|resolve|raw)/([^/?#]+)/([^?#]+)(?:\?[^#]*)?",
    re.ASCII,
)
_PATH = re.compile(r"([A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)/([^?#]+)", re.ASCII)


@dataclass(frozen=True)
class HubFile:
    """A file of a model's repository.

    Attributes:
        revision: as its address says; None where nothing does.
    """

    repo: str
    path: str
    revision: str | None = None

    @property
    def name(self) -> str:
        """OWNER/NAME/FILE."""
        return f"{self.repo}/{self.path}"


def hub_file(text: str) -> HubFile | None:
    """The file of the hub that a text names; None where it names none."""
    if address := _ADDRESS.fullmatch(text):
        found = HubFile(address[1], address[3], address[2])
    elif path := _PATH.fullmatch(text):
        found = HubFile(path[1], path[2])
    else:
        return None
    is_model = Path(found.path).suffix in WHOLE_MODEL and stays_within(found.path)
    return found if is_model else None
