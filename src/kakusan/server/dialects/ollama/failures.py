"""What Ollama's API says when a request cannot be answered."""

from collections.abc import Mapping

from kakusan.errors import ArgumentError, KakusanError
from kakusan.server.access.refusals import Said, authenticating
from kakusan.server.dialects.ollama.fields import WORDS
from kakusan.server.problems import Problem, problem_of


class Refusal(Exception):  # noqa: N818
    """A request that is not answered as it was hoped; the message is one line for the caller."""

    def __init__(
        self, message: str, *, status: int = 400, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.message, self.status, self.headers = message, status, headers or {}

    @property
    def body(self) -> dict[str, str]:
        """As clients read it, also as a line of a stream."""
        return {"error": self.message}


def of_error(error: KakusanError) -> Refusal:
    """For what kakusan says of a setting, or of a job, in the words of the API."""
    problem = problem_of(error.in_words(WORDS) if isinstance(error, ArgumentError) else error)
    status = 400 if problem.status == 422 else problem.status
    return Refusal(problem.detail, status=status, headers=problem.headers)


def no_model(name: str) -> Refusal:
    """As Ollama says it, which clients look for."""
    return Refusal(f"model '{name[:100]}' not found", status=404)


def form_of(problem: Problem, path: str) -> Said:  # noqa: ARG001
    """A problem that no call of the API has come to."""
    return Said(Refusal(problem.detail).body, authenticating(problem))
