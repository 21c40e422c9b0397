"""What rows are drawn with: plain values, from which an engine is made wherever it draws."""

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kakusan.batch.engine import Engine


@dataclass(frozen=True, kw_only=True)
class Made:
    """How an engine is made, in this process, another, or on another machine.

    Attributes:
        folder: the one in which the batch was begun; paths in rows are looked up there.
        settings: of rows that do not say them.
        loads: whether their model is loaded before the first row; not where rows name theirs.
        together: pictures drawn at a time.
        lora_dirs: folders in which names of adapters are looked for.
        wildcards: folders of what prompts choose lines of.
        words: what messages call the settings of a row.
    """

    folder: str
    settings: Mapping[str, Any]
    loads: bool
    together: int
    lora_dirs: list[str] | None
    wildcards: list[str]
    words: Mapping[str, str]

    def engine(self) -> Engine:
        """The engine, for a process that does nothing else.

        Raises:
            KakusanError: Something that all rows are drawn with is not there.
        """
        with suppress(OSError):  # on another machine it need not be there
            os.chdir(self.folder)
        from kakusan.runtime.holding import hold_memory

        hold_memory()
        from kakusan.batch.local import LocalEngine

        folders = tuple(map(Path, self.wildcards))
        engine = LocalEngine(self.together, self.lora_dirs, folders, self.words)
        engine.prepare(self.settings, load=self.loads)
        return engine

    def to_json(self) -> dict[str, Any]:
        """As plain JSON, which `Made(**found)` takes."""
        return asdict(self)
