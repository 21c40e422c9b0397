"""How calls are read and errors are said, for every address of the dialect."""

from collections.abc import Callable, Coroutine
from typing import Any, cast

from fastapi import Request, Response
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute

from kakusan.errors import KakusanError
from kakusan.server.access import json_of
from kakusan.server.dialects.a1111.errors import ApiError, of_kakusan, refused
from kakusan.server.problems import problem_of


class A1111Route(APIRoute):
    """An address whose errors are said as AUTOMATIC1111 says them."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def answered(request: Request) -> Response:
            try:
                return await handler(request)
            except ApiError as error:
                return JSONResponse(error.body(), error.status)
            except KakusanError as error:
                problem, told = problem_of(error), of_kakusan(error)
                return JSONResponse(told.body(), told.status, problem.headers)

        return answered


async def body_of(request: Request) -> dict[str, Any]:
    """The JSON object that a call holds.

    Raises:
        ApiError: It is something else.
        FieldError: It is no JSON.
    """
    sent: object = await json_of(request)
    if not isinstance(sent, dict):
        raise refused("the body must be a JSON object")
    return cast("dict[str, Any]", sent)
