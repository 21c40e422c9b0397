"""The tools and pictures of a studio, as a server of the Model Context Protocol."""

from collections.abc import Callable, Mapping
from typing import Any

from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ResourceNotFoundError, ToolError
from mcp.server.mcpserver.tools import Tool
from mcp.types import CallToolResult, InputRequiredResult, ToolAnnotations
from pydantic import ValidationError

from kakusan import __version__
from kakusan.errors import InputError, KakusanError, check_no_unknown
from kakusan.server.mcp.studio import Studio, StudioError
from kakusan.server.mcp.tools import Tools
from kakusan.server.mcp.words import TEMPLATE, read_picture_id

_INSTRUCTIONS = (
    "Draws pictures from texts with Stable Diffusion. draw answers a small picture to look at and "
    "a link to the whole; edit_picture draws over one of them by its id."
)
_DRAWS = ToolAnnotations(read_only_hint=False, destructive_hint=False, open_world_hint=False)
_READS = ToolAnnotations(read_only_hint=True, open_world_hint=False)
_CANCELS = ToolAnnotations(
    read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=False
)


def build(studio: Studio) -> MCPServer[Any]:
    """A server whose tools ask `studio`."""
    methods = Tools(studio)
    tools = [
        _tool(methods.draw, "Draw a picture", _DRAWS),
        _tool(methods.edit_picture, "Edit a picture", _DRAWS),
        _tool(methods.get_picture, "Show a picture", _READS),
        _tool(methods.list_models, "List models", _READS),
        _tool(methods.job_status, "Say where a job stands", _READS),
        _tool(methods.cancel_job, "Cancel a job", _CANCELS),
    ]
    server = _Server(
        "kakusan",
        title="kakusan",
        instructions=_INSTRUCTIONS,
        version=__version__,
        log_level="WARNING",
        tools=tools,
    )
    server.arguments = {tool.name: tool.parameters["properties"] for tool in tools}

    @server.resource(TEMPLATE, name="picture", mime_type="image/png")
    async def picture(job: str, index: str) -> bytes:  # pyright: ignore[reportUnusedFunction]
        """A whole picture, with its settings in the file."""
        try:
            which = read_picture_id(f"{job}/{index}")
            return await studio.picture(which, file_format="png", size=None)
        except StudioError as error:
            raise ResourceNotFoundError(str(error)) from None

    return server


def _tool(method: Callable[..., Any], title: str, annotations: ToolAnnotations) -> Tool:
    tool = Tool.from_function(method, title=title, annotations=annotations)
    tool.parameters = {**tool.parameters, "additionalProperties": False}
    return tool


class _Server(MCPServer[Any]):
    """Refuses arguments that a tool has not, and says every failure in one line."""

    arguments: Mapping[str, Mapping[str, Any]]  # that each tool has

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[Any, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        try:
            if (known := self.arguments.get(name)) is not None:
                check_no_unknown(name, [each for each in arguments if each not in known], known)
            return await super().call_tool(name, arguments, context)
        except InputError as error:
            raise ToolError(str(error)) from None
        except ToolError as error:
            cause = error.__cause__
            if isinstance(cause, ValidationError):
                raise ToolError(_in_a_line(cause)) from None
            if isinstance(cause, KakusanError):
                raise ToolError(str(cause)) from None
            raise


def _in_a_line(error: ValidationError) -> str:
    told = [
        f"{'.'.join(str(part) for part in each['loc'])}: {each['msg']}"
        for each in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    return "; ".join(told[:5])
