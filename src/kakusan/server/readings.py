"""How a prompt is read, as plain JSON: for the command line and the server. No torch at import."""

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Never, cast

from kakusan.errors import CheckpointError, ModelNotFoundError
from kakusan.prompts import Network, has_choices

if TYPE_CHECKING:
    from kakusan.text import CLIPTokenizer
    from kakusan.text.chunked import CutText, ReadPrompt


def tokenizer_of(model: str) -> "CLIPTokenizer":
    """A model's tokenizer; SDXL's refiner has the second of two alone, and a file has CLIP's."""
    from kakusan.text import CLIPTokenizer

    if Path(model).is_file():
        from kakusan.text.clip_vocabulary import clip_vocabulary

        return CLIPTokenizer(clip_vocabulary())
    try:
        return CLIPTokenizer.from_pretrained(model, subfolder="tokenizer")
    except ModelNotFoundError:
        raise
    except CheckpointError as error:
        try:
            return CLIPTokenizer.from_pretrained(model, subfolder="tokenizer_2")
        except CheckpointError:
            raise error from None


def rules_of(syntax: str, tokenizer: "CLIPTokenizer") -> "CutText | None":
    """ComfyUI's and compel's rules for chunks, which are where texts are encoded."""
    if syntax not in ("comfy", "compel"):
        return None
    from kakusan.conditioning.compel import Compel
    from kakusan.conditioning.dialects import Comfy
    from kakusan.conditioning.reader import Reader
    from kakusan.text import pieces

    def encode(*_: object) -> Never:
        raise AssertionError("nothing is encoded where tokens are only shown")

    dialect = Comfy() if syntax == "comfy" else Compel()
    reader = Reader(tokenizer, encode, pieces(syntax))
    return lambda text: dialect.chunks(text, reader)


def without_choices(reading: "ReadPrompt") -> "ReadPrompt":
    """The same where what the seed chooses of does not count as words."""
    known = reading.understanding
    left = tuple(form for form in known.unread_grammar if not has_choices(form))
    return replace(reading, understanding=replace(known, unread_grammar=left))


def reading_json(reading: "ReadPrompt") -> dict[str, Any]:
    """All of a reading, as plain JSON but for numbers that are not finite."""
    prompt = reading.prompt
    used = [token for text in reading.texts[:1] for chunk in text.chunks for token in chunk]
    return {
        "syntax": prompt.syntax,
        "schedule": prompt.schedule(),
        "joined": prompt.joined,
        "chunks": [
            {
                "part": text.part,
                "until": text.until,
                "chunks": [[token._asdict() for token in chunk] for chunk in text.chunks],
            }
            for text in reading.texts
        ],
        "networks": [_network(each) for each in prompt.networks],
        "room": reading.room,
        "used": [{"id": token.id, "text": token.text} for token in used],
        "cut": [{"id": token.id, "text": token.text} for token in reading.cut],
        **reading.understanding.to_record(),
    }


def _network(network: Network) -> dict[str, Any]:
    spans = network.spans
    found = {**vars(network), "spans": None if spans is None else [list(each) for each in spans]}
    return {key: value for key, value in found.items() if key != "fault" or value is not None}


def finite(value: Any) -> Any:
    """The same with null for numbers that JSON does not know."""
    if isinstance(value, dict):
        return {key: finite(each) for key, each in cast("dict[str, Any]", value).items()}
    if isinstance(value, list | tuple):
        return [finite(each) for each in cast("list[Any]", value)]
    return None if isinstance(value, float) and not math.isfinite(value) else value
