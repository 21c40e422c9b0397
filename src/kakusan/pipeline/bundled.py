"""Learnt words (textual inversion) that lie in the files of adapters, which are on with these."""

from collections.abc import Iterable
from pathlib import Path

from kakusan.checkpoints.adapters.adapter import Adapter
from kakusan.checkpoints.adapters.names import bundled
from kakusan.checkpoints.embeddings import Embedding, embedding_of
from kakusan.checkpoints.single_file.opening import open_tensor_file
from kakusan.errors import shown, shown_path
from kakusan.prompts.learnt import Learnt
from kakusan.request.loras import LoraFile


def bundled_embeddings(adapters: Iterable[Adapter]) -> list[Embedding]:
    """The words of adapters, of each name the first.

    Raises:
        CheckpointError: One's vectors cannot be used.
    """
    found = dict[str, Embedding]()
    for adapter in adapters:
        of = shown(adapter.name) if adapter.path is None else shown_path(adapter.path)
        for word, tensors in adapter.embeddings.items():
            where = f"the embedding {shown(word)} in {of}"
            found.setdefault(word, embedding_of(tensors, where=where, stem=word))
    return list(found.values())


def bundled_names(files: Iterable[LoraFile]) -> list[Learnt]:
    """What prompts call the words in files of adapters, of which nothing else is read.

    Raises:
        CheckpointError: A file is broken.
    """
    names = (name for file in files for name in open_tensor_file(Path(file.path)).entries)
    words = dict.fromkeys(word[0] for name in names if (word := bundled(name)) is not None)
    return [Learnt(word, (0,)) for word in words]
