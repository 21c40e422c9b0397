"""What OpenAI's API says when a request cannot be answered."""

from collections.abc import Mapping
from typing import Any

from kakusan.errors import ArgumentError, KakusanError
from kakusan.server.access.refusals import Said, authenticating
from kakusan.server.dialects.openai.fields import WORDS
from kakusan.server.problems import Problem, problem_of

# The status, and what kind of error OpenAI calls it
_KINDS: Mapping[int, str] = {403: "permission_error", 429: "rate_limit_error"}
_MAY_SUCCEED_LATER = frozenset({408, 429, 503, 507})


class Refusal(Exception):  # noqa: N818
    """A request that is not answered as it was hoped.

    Attributes:
        status: of HTTP.
        message: one line for the caller.
        param: the field that is at fault.
        code: a word for programs.
        retry_after: seconds until it is worth to try again.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        param: str | None = None,
        code: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message, self.status, self.param, self.code = message, status, param, code
        self.retry_after = retry_after

    @property
    def body(self) -> dict[str, Any]:
        """As clients read it, also in a stream."""
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        return {
            "error": {
                "message": self.message,
                "type": _KINDS.get(self.status, kind),
                "param": self.param,
                "code": self.code,
            }
        }

    @property
    def headers(self) -> dict[str, str]:
        """OpenAI's clients try twice again by themselves unless they are told not to."""
        if self.status not in _MAY_SUCCEED_LATER:
            return {"x-should-retry": "false"}
        wait = self.retry_after
        return {} if wait is None else {"retry-after": str(max(1, round(wait)))}


def invalid(message: str, param: str | None = None, code: str = "invalid_value") -> Refusal:
    """For a field that cannot be used."""
    return Refusal(message, param=param, code=code)


def of_error(error: KakusanError) -> Refusal:
    """For what kakusan says of a setting, or of a job, in the words of the API."""
    return _of_problem(
        problem_of(error.in_words(WORDS) if isinstance(error, ArgumentError) else error)
    )


def form_of(problem: Problem, path: str) -> Said:  # noqa: ARG001
    """A problem that no call of the API has come to."""
    refusal = _of_problem(problem)
    if problem.status == 401:
        message = "Incorrect API key: it must be the server's token"
        refusal = Refusal(message, status=401, code="invalid_api_key")
    return Said(refusal.body, {**authenticating(problem), **refusal.headers})


def _of_problem(problem: Problem) -> Refusal:
    return Refusal(
        problem.detail,
        status=400 if problem.status == 422 else problem.status,
        param=WORDS.get(problem.field or "", problem.field),
        code=problem.type,
        retry_after=problem.retry_after,
    )
