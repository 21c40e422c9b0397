"""In whose words a problem is said that no route has answered: those of the API that was called."""

from kakusan.server.access.refusals import Form, Said, own_form
from kakusan.server.dialects.a1111.errors import form_of as a1111
from kakusan.server.dialects.ollama.failures import form_of as ollama
from kakusan.server.dialects.openai.failures import form_of as openai
from kakusan.server.problems import Problem


def _beside(problem: Problem, path: str) -> Said:
    """What our own clients read and OpenAI's, where both call the same address."""
    own, other = own_form(problem, path), openai(problem, path)
    return own._replace(body={**own.body, **other.body}, headers={**own.headers, **other.headers})


_BY_PATH: tuple[tuple[str, Form], ...] = (
    ("/sdapi/", a1111),
    ("/internal/", a1111),
    ("/controlnet/", a1111),
    ("/v1/images/", openai),
    ("/v1/models", _beside),
    ("/api/", ollama),
)


def said(problem: Problem, path: str) -> Said:
    """A problem at an address of the main port."""
    form = next((form for start, form in _BY_PATH if path.startswith(start)), own_form)
    return form(problem, path)
