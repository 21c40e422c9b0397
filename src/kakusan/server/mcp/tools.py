"""The tools that an assistant has."""

from typing import Annotated, Any

from mcp.server.mcpserver import Context
from mcp.types import CallToolResult, TextContent
from pydantic import Field

from kakusan.server.mcp.drawing import drawn, shown
from kakusan.server.mcp.studio import Drawn, PictureId, Studio, StudioError
from kakusan.server.mcp.words import read_picture_id, told_model, told_status

MOST_PICTURES = 4
STRENGTH = 0.75
_SHAPES = ("box:", "ellipse:")

Prompt = Annotated[str, Field(min_length=1, description="What to draw, in words")]
Negative = Annotated[str | None, Field(description="What not to draw")]
Side = Annotated[
    int | None, Field(ge=8, le=4096, multiple_of=8, description="In pixels; else the model's own")
]
Steps = Annotated[
    int | None, Field(ge=1, le=1000, description="More take longer; else the model's own")
]
Seed = Annotated[
    int | None, Field(ge=0, lt=2**64, description="The same one draws the same; else random")
]
Guidance = Annotated[
    float | None, Field(ge=0, le=1000, description="How closely to follow the prompt")
]
Model = Annotated[str | None, Field(description="A name from list_models")]
Count = Annotated[int, Field(ge=1, le=MOST_PICTURES, description="How many pictures")]
Picture = Annotated[
    str, Field(description="A picture's id, as draw gives it, or its kakusan:// address")
]
Mask = Annotated[
    str | None,
    Field(
        description="What to draw anew; the rest stays. box:x,y,width,height or "
        "ellipse:x,y,width,height in pixels, or the id of a picture that is white there"
    ),
]
Strength = Annotated[
    float, Field(ge=0, le=1, description="How far from the old picture: 0 keeps it, 1 is all new")
]
Job = Annotated[str, Field(min_length=1, max_length=64, description="A job's id")]


class Tools:
    """Each method is a tool; its docstring is what the assistant is told."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio

    async def draw(
        self,
        context: Context[Any, Any],
        prompt: Prompt,
        negative_prompt: Negative = None,
        width: Side = None,
        height: Side = None,
        steps: Steps = None,
        seed: Seed = None,
        guidance: Guidance = None,
        model: Model = None,
        n: Count = 1,
    ) -> CallToolResult:
        """Draw pictures from a text. Answers each small, with its settings and a link to it."""
        settings = {
            "prompt": prompt,
            "negative_prompt": negative_prompt,
            "width": width,
            "height": height,
            "num_inference_steps": steps,
            "seed": seed,
            "guidance_scale": guidance,
            "model": model,
            "num_images_per_prompt": n,
        }
        return await drawn(self._studio, _given(settings), context)

    async def edit_picture(
        self,
        context: Context[Any, Any],
        picture: Picture,
        prompt: Prompt,
        strength: Strength = STRENGTH,
        mask: Mask = None,
        negative_prompt: Negative = None,
        steps: Steps = None,
        seed: Seed = None,
        guidance: Guidance = None,
        model: Model = None,
        n: Count = 1,
    ) -> CallToolResult:
        """Draw over a picture that was drawn before, or over the part of it that a mask covers."""
        whole = await self._studio.picture(read_picture_id(picture), file_format="png", size=None)
        settings: dict[str, Any] = {
            "prompt": prompt,
            "negative_prompt": negative_prompt,
            "image": await self._studio.put_picture(whole),
            "strength": strength,
            "num_inference_steps": steps,
            "seed": seed,
            "guidance_scale": guidance,
            "model": model,
            "num_images_per_prompt": n,
        }
        if mask is not None:
            settings["mask"] = await self._mask(mask)
        return await drawn(self._studio, _given(settings), context)

    async def _mask(self, given: str) -> object:
        """A shape as it is, which the studio reads; of a picture what stands for it."""
        if given.startswith(_SHAPES):
            return given
        which = read_picture_id(given)
        return await self._studio.put_picture(
            await self._studio.picture(which, file_format="png", size=None)
        )

    async def get_picture(self, picture: Picture) -> CallToolResult:
        """Show a picture that was drawn before, with its settings and a link to it."""
        return await shown(self._studio, [await self._found(read_picture_id(picture))])

    async def _found(self, which: PictureId) -> Drawn:
        status = await self._studio.status(which.job)
        for each in status.pictures:
            if each.id == which:
                return each
        raise StudioError(f"there is no picture {which}. {told_status(status)}")

    async def list_models(self) -> CallToolResult:
        """List the models that pictures can be drawn with; the first is the usual one."""
        return _text("\n".join(told_model(each) for each in await self._studio.models()))

    async def job_status(self, job: Job) -> CallToolResult:
        """Say where a job stands, and the ids of its pictures."""
        return _text(told_status(await self._studio.status(job)))

    async def cancel_job(self, job: Job) -> CallToolResult:
        """Cancel a job that waits or is being drawn; what is done stays."""
        return _text(told_status(await self._studio.cancel(job)))


def _given(settings: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if value is not None}


def _text(told: str) -> CallToolResult:
    return CallToolResult(content=[TextContent(text=told)])
