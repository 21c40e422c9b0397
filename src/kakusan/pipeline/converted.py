"""What conversion between folders and single files has written, and what it keeps aside."""

from dataclasses import dataclass, field
from pathlib import Path

# What the published layout has no place for, beside the index of a converted folder
ASIDE = "kakusan-aside.safetensors"
# The key of the metadata of what is kept aside, and those of what it holds
FILE = "kakusan.file"
FORMS_KEPT, METADATA, RENAMED = "forms", "metadata", "renamed"
WEIGHTS = ("unet", "vae", "text_encoder", "text_encoder_2")
TOKENIZERS = ("tokenizer", "tokenizer_2")
SCHEDULER_FILE = "scheduler_config.json"


@dataclass
class Converted:
    """What was written.

    Attributes:
        dropped: what the new form has not, in words.
        changed: what is no longer as it was, in words.
        alone: the part that the target holds, where it is no whole model but one part.
        absent: the parts that a whole model has besides those of the target.
    """

    path: Path
    dropped: list[str] = field(default_factory=list[str])
    changed: list[str] = field(default_factory=list[str])
    alone: str | None = None
    absent: list[str] = field(default_factory=list[str])
