"""The tags in SwarmUI's prompts: `<lora:name:0.5>`, `<embed:name>`, and others that change more."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from kakusan.errors import shown
from kakusan.images.foreign.fields import Fields
from kakusan.images.foreign.told import Embedding, Lora

_TAG = re.compile(r"<(\w+)(?:\[[^\]<>]*\])?(?::([^<>]*))?>")
# Which its documents name, of what is neither an adapter nor an embedding
_OTHERS = frozenset(
    [
        "random",
        "wildcard",
        "alternate",
        "alt",
        "fromto",
        "repeat",
        "preset",
        "trigger",
        "segment",
        "object",
        "region",
        "clear",
        "refiner",
        "base",
        "video",
        "extend",
        "break",
        "comment",
        "lorahash",
        "var",
        "setvar",
        "macro",
        "setmacro",
    ]
)
_MOST = 200


class Tags(NamedTuple):
    """What tags say that the lists beside the prompt do not."""

    loras: tuple[Lora, ...] = ()
    embeddings: tuple[Embedding, ...] = ()
    limits: tuple[str, ...] = ()


def without_tags(prompt: str | None, listed: Sequence[Lora]) -> tuple[str | None, Tags]:
    """A prompt as SwarmUI hands it to ComfyUI, as far as it is known, and what its tags say.

    Args:
        listed: the adapters that the file lists, which have their weights there.
    """
    known = {_plain(each.name) for each in listed}
    loras, embeddings, others = list[Lora](), list[Embedding](), dict[str, None]()

    def read(match: re.Match[str]) -> str:
        kind, said = match[1].casefold(), (match[2] or "").strip()
        if kind == "lora":
            name, _, weight = said.partition(":")
            if name and _plain(name) not in known and len(loras) < _MOST:
                known.add(_plain(name))
                amount = Fields({"weight": weight.partition(":")[0]}).weight("weight")
                amount = 1.0 if amount is None else float(amount)
                loras.append(Lora(name=name, text_weight=amount, unet_weight=amount))
            return ""
        if kind in ("embed", "embedding") and said:
            if len(embeddings) < _MOST:
                embeddings.append(Embedding(name=said))
            return f"embedding:{said}"
        if kind in _OTHERS and len(others) < _MOST:
            others[f"its prompt has {shown(match[0])}, which stands as words here."] = None
        return match[0]

    text = None if prompt is None else _TAG.sub(read, prompt)
    return text, Tags(tuple(loras), tuple(embeddings), tuple(others))


def _plain(name: str) -> str:
    """A name without folders and suffix, and without case."""
    last = name.replace("\\", "/").rpartition("/")[2]
    return last.casefold().removesuffix(".safetensors").strip()
