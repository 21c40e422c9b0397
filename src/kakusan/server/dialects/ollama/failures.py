"""What Ollama's API says when a request cannot be answered."""

from kakusan.errors import ArgumentError, InputError
from kakusan.server.dialects.ollama.fields import WORDS


class Refusal(Exception):  # noqa: N818
    """A request that is not answered as it was hoped; the message is one line for the caller."""

    def __init__(self, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.message, self.status = message, status

    @property
    def body(self) -> dict[str, str]:
        """As clients read it, also as a line of a stream."""
        return {"error": self.message}


def of_input(error: InputError) -> Refusal:
    """For what kakusan says of a setting, in the words of the API."""
    if isinstance(error, ArgumentError):
        error = error.in_words(WORDS)
    return Refusal(str(error))


def no_model(name: str) -> Refusal:
    """As Ollama says it, which clients look for."""
    return Refusal(f"model '{name[:100]}' not found", status=404)
