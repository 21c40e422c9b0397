"""How a prompt is read, as somebody types it: its tokens, weights and chunks."""

from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse

from kakusan.errors import shown
from kakusan.prompts import SYNTAXES, has_choices, parse
from kakusan.server.api.schema import FAILURES
from kakusan.server.errors import FieldError
from kakusan.server.readings import (
    finite,
    reading_json,
    rules_of,
    tokenizer_of,
    without_choices,
)
from kakusan.server.service import Service

if TYPE_CHECKING:
    from kakusan.text import CLIPTokenizer

LONGEST = 10_000  # characters; a text encoder has room for some hundreds
_USUAL_STEPS = 20


def router(service: Service) -> APIRouter:
    """`/v1/tokens`."""
    found = APIRouter(tags=["catalog"])

    @found.get("/v1/tokens", responses=FAILURES)
    async def tokens(
        text: Annotated[str, Query(max_length=LONGEST)],
        model: Annotated[str | None, Query(max_length=1000)] = None,
        syntax: Annotated[str, Query(max_length=20)] = "plain",
        steps: Annotated[int, Query(ge=1, le=1000)] = _USUAL_STEPS,
    ) -> JSONResponse:
        """Tokens, chunks of them, weights, and words that the model does not know."""
        if syntax not in SYNTAXES:
            known = ", ".join(SYNTAXES)
            raise FieldError("syntax", f"syntax must be one of {known}, not {shown(syntax)}")
        catalog = service.catalog
        entry = catalog.usual_model if model is None else catalog.find("model", model)
        said = await service.in_pictures(read, text, entry.source, syntax, steps)
        return JSONResponse(said)

    return found


def read(text: str, source: str, syntax: str, steps: int) -> dict[str, Any]:
    """A prompt's reading, as JSON.

    Args:
        source: what a model is loaded by.

    Raises:
        InputError: The model's tokenizer is not there.
    """
    from kakusan.text.chunked import read_tokens

    tokenizer = _tokenizer(source)
    reading = read_tokens(parse(text, syntax, steps), tokenizer, rules_of(syntax, tokenizer))
    if syntax != "plain" and has_choices(text):
        reading = without_choices(reading)
    return finite({"text": text, **reading_json(reading)})


@lru_cache(maxsize=4)
def _tokenizer(source: str) -> "CLIPTokenizer":
    return tokenizer_of(source)
