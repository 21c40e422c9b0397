"""What to do where a model of the hub is neither in the cache nor can be fetched."""

import shlex

from kakusan.checkpoints.snapshots import HubRequest, held_otherwise


def advice(request: HubRequest, *, refused: bool) -> str:
    """Sentences that help this very request.

    Args:
        refused: whether the hub was reached and said no, so that fetching would fail again.
    """
    held = held_otherwise(request)
    sentences = [f"The cache has it {' or '.join(held[:3])}."] if held else []
    folder = "give the path of a folder that holds the model"
    if refused:
        sentences.append(f"Or {folder}." if held else f"Check its name and revision, or {folder}.")
    else:
        sentences.append(f"While online {_fetching(request)}, or {folder}.")
    return " ".join(sentences)


def _fetching(request: HubRequest) -> str:
    wanted = request.wanted
    if request.pulling:
        return "do the same again, which goes on where it was broken off"
    # `models pull` fetches safetensors into the usual cache
    if request.cache_dir is not None or wanted.use_safetensors is False:
        return "do the same again"
    named = {"--revision": request.revision, "--variant": wanted.variant}
    options = [part for name, value in named.items() if value for part in (name, value)]
    return f"run `{shlex.join(['kakusan', 'models', 'pull', request.name, *options])}`"
