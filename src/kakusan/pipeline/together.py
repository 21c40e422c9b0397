"""Several requests drawn at once: their calls of the UNet are made together."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from kakusan.errors import DecodeError, NumericalError, RequestError, shown
from kakusan.inputs import Inputs
from kakusan.pipeline.drawing import Batch, Drawing
from kakusan.pipeline.latent_diffusion import LatentDiffusionPipeline
from kakusan.pipeline.output import Picture
from kakusan.request import Request
from kakusan.sampling import Driven, Predict, drive
from kakusan.text import said_once

# Above this, a joined call of the UNet gains little and takes more memory
MOST_AT_A_TIME = 8
JOINED = "computed beside other pictures: alone it may differ by a rounding"


class _Part(NamedTuple):
    """A trajectory, and the request whose picture it draws."""

    trajectory: Driven
    number: int
    drawing: Drawing


def draw_together(
    pipe: LatentDiffusionPipeline,
    requests: Sequence[Request],
    *,
    most: int = MOST_AT_A_TIME,
) -> Iterator[tuple[int, Picture]]:
    """Draw the pictures of several requests, a step of each at a time.

    Each picture is as it would be alone, but for the rounding of sums in a larger batch: requests
    may differ in prompts, scheduler, steps, guidance and size. Pictures of one size share the
    UNet's calls, which takes less time than one after the other.

    Args:
        requests: whose model is that of the pipeline.
        most: how many pictures are on their way at a time; others follow as these are finished.

    Yields:
        The number of a request and a picture of it, as soon as it is finished.

    Raises:
        RequestError: At once, if anything of a request does not fit.
        NumericalError: After all others were finished, if one picture could not be.
        DecodeError: Likewise; it carries the latents.
    """
    if type(most) is not int or most < 1:
        raise RequestError(f"most must be a whole number above 0, not {shown(most)}")
    for request in requests:
        if not isinstance(request, Request):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise RequestError(f"each must be a Request, not {shown(request)}")
    with said_once():
        drawings = [pipe.prepared(request, Inputs()) for request in requests]
    engine = pipe.engine
    # recordings are of one number of rows, which changes here all the time
    engine.placement = replace(engine.placement, acceleration=None)
    return _drawn(drawings, engine.predict, most)


def _drawn(
    drawings: Sequence[Drawing], predict: Predict, most: int
) -> Iterator[tuple[int, Picture]]:
    waiting = _parts(drawings)
    under_way: dict[int, _Part] = {}
    live: list[Driven] = []
    joined: set[int] = set()
    errors: list[NumericalError | DecodeError] = []

    def fill() -> None:
        while len(live) < most and (part := next(waiting, None)) is not None:
            if isinstance(part, NumericalError):
                errors.append(part)
                continue
            under_way[id(part.trajectory)] = part
            live.append(part.trajectory)

    fill()
    for trajectory in drive(live, predict):
        if len(under_way) > 1:
            joined |= under_way.keys()
        if not trajectory.is_over:
            continue
        _, number, drawing = under_way.pop(id(trajectory))
        if id(trajectory) in joined:
            joined.discard(id(trajectory))
            drawing.records.note(trajectory.pictures, JOINED)
        fill()
        try:
            if trajectory.error is not None:
                raise trajectory.error
            for picture in drawing.pictures(Batch([trajectory])):
                yield number, picture
        except (NumericalError, DecodeError) as error:
            errors.append(error)
    if errors:
        raise errors[0]


def _parts(drawings: Sequence[Drawing]) -> Iterator[_Part | NumericalError]:
    """Every trajectory of every request, made when it is its turn; or why there is none."""
    for number, drawing in enumerate(drawings):
        try:
            for batch in drawing.batches(watched=False):
                yield from (_Part(trajectory, number, drawing) for trajectory in batch.trajectories)
        except NumericalError as error:
            yield error
