"""The adapters of another tool's picture, found among the user's own."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from kakusan.cli.live import Live
from kakusan.errors import shown
from kakusan.prompts.networks import without_loras
from kakusan.request import Request

if TYPE_CHECKING:
    from kakusan.images.foreign import Told
    from kakusan.interchange import Translation


def with_loras(
    request: Request, translation: "Translation", told: "Told", given: Sequence[str], line: Live
) -> "tuple[Request, Translation]":
    """The request with the picture's adapters as far as they are in the user's folders.

    Those that its prompt names stay there, and it is an error where one is nowhere; those that the
    file lists beside it become the request's own. Where the user names no folder, all are left out.

    Args:
        given: the folders; those of KAKUSAN_LORA_DIR where there are none.

    Raises:
        ArgumentError: A folder is not there.
    """
    if not where_loras_are(given):
        return _without_tags(request), translation
    from kakusan.interchange.taken import adapters_told, found_adapters
    from kakusan.pipeline.adapter_search import adapter_folders
    from kakusan.pipeline.parsed_prompts import names_in

    tags = [name.strip() for name in names_in(request)]
    loras, folders = adapters_told(told.settings), adapter_folders(given or None)
    found = found_adapters(loras, tags, folders, Hashes(line))
    worn = {f"the LoRA {shown(name)}" for name in (*tags, *found.files)}
    request = replace(request, loras=found.beside or None, lora_files=found.files or None)
    left = (*(each for each in translation.left if each not in worn), *found.left)
    return request, replace(
        translation,
        followed=(*translation.followed, *found.followed),
        left=tuple(dict.fromkeys(left)),
    )


def where_loras_are(given: Sequence[str] | None) -> bool:
    """Whether the user says where adapters are."""
    return bool(given or os.environ.get("KAKUSAN_LORA_DIR"))


def _without_tags(request: Request) -> Request:
    """The request without the tags of adapters, which are said not to be made again."""
    if request.syntax != "webui":
        return request
    return replace(request, prompt=tuple(text and without_loras(text) for text in request.prompt))


class Hashes:
    """The hashes of files, kept from one time to the next; it is shown what is being read."""

    def __init__(self, line: Live) -> None:
        from kakusan.checkpoints.hash_cache import HashCache

        self._line, self._cache = line, HashCache()

    def __call__(self, path: Path) -> Mapping[str, str]:
        text = f"hashing {path.name}"
        if not self._cache.knows(path):
            self._line.wait(text)
        return self._cache.of(path, lambda done: self._line.step(done, text))
