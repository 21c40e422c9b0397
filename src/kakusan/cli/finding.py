"""Which of the user's own models another tool's picture was made with."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from kakusan.checkpoints.inventory import AvailableModel, available_models, find_model, models_in
from kakusan.cli.live import Live
from kakusan.errors import CheckpointError, InputError
from kakusan.images.foreign import Settings

OLD_DIGITS = 8  # of AUTOMATIC1111's first hashes


def find_asked(name: str) -> AvailableModel | None:
    """The model that the user names; None where it is not here yet, but may come from the hub."""
    try:
        return find_model(name)
    except CheckpointError:
        return None


def find_told(says: Settings, folders: Sequence[Path], line: Live) -> tuple[AvailableModel, str]:
    """The user's own model that a picture means by its hash and name, and how it was found.

    Raises:
        InputError: None is; the message says which it was, and how to give it.
    """
    from kakusan.checkpoints.facts import old_hash_of
    from kakusan.checkpoints.hash_cache import HashCache
    from kakusan.interchange import Candidate, find_named, says_which

    which = says_which(says.model, says.model_hash)
    if which is None:
        raise InputError("the picture does not tell its model; say with --model which to draw with")
    own = available_models() + [each for folder in folders for each in models_in(folder)]
    cache = HashCache()

    def hashes_of(path: Path) -> Mapping[str, str]:
        if not cache.knows(path):
            line.wait(f"hashing {path.name}")
        return cache.of(path, lambda done: line.step(done, f"hashing {path.name}"))

    def old_hash(path: Path) -> Mapping[str, str]:
        return {"old hash": old_hash_of(path)}

    candidates = [Candidate(each.name, each.path, each.commit) for each in own]
    found = None
    if len(says.model_hash or "") == OLD_DIGITS:  # which are of a small part of a file
        found = find_named(says.model, says.model_hash, candidates, old_hash)
    if found is None:
        found = find_named(says.model, says.model_hash, candidates, hashes_of)
    if found is None:
        places = "the cache of models" + ("" if not folders else " and the folders given")
        raise InputError(
            f"the picture was made with {which}, which is not in {places}; say with --model where "
            "it is, or with --models-dir where to look"
        )
    return own[candidates.index(found.model)], found.by


def family_of(model: AvailableModel | None) -> str | None:
    """What a model is; None where it is not here, or does not say."""
    facts = None if model is None else model.facts()
    return None if facts is None else facts.family
