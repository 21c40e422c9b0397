"""Several requests drawn at once: their calls of the UNet are made together."""

from collections.abc import Iterator, Sequence

from kakusan.errors import DecodeError, NumericalError, RequestError, shown
from kakusan.inputs import Inputs
from kakusan.pipeline.company import JOINED as JOINED
from kakusan.pipeline.company import Company, Way
from kakusan.pipeline.drawing import Drawing
from kakusan.pipeline.latent_diffusion import LatentDiffusionPipeline
from kakusan.pipeline.output import Picture
from kakusan.request import Request
from kakusan.text import said_once

# Above this, a joined call of the UNet gains little and takes more memory
MOST_AT_A_TIME = 8


def draw_together(
    pipe: LatentDiffusionPipeline,
    requests: Sequence[Request],
    *,
    most: int = MOST_AT_A_TIME,
    rows: int | None = None,
) -> Iterator[tuple[int, Picture]]:
    """Draw the pictures of several requests, a step of each at a time.

    Each picture is as it would be alone, but for the rounding of sums in a larger batch: requests
    may differ in prompts, scheduler, steps, guidance and size. Pictures of one size share the
    UNet's calls, which takes less time than one after the other.

    Args:
        requests: whose model is that of the pipeline.
        most: how many pictures are on their way at a time; others follow as these are finished.
        rows: how many each call of the UNet has, so that what a picture comes to depends on this
            number, and not on the others; at least 2, or None for as many as there are.

    Yields:
        The number of a request and a picture of it, as soon as it is finished.

    Raises:
        RequestError: At once, if anything of a request does not fit.
        NumericalError: After all others were finished, if one picture could not be.
        DecodeError: Likewise; it carries the latents.
    """
    if type(most) is not int or most < 1:
        raise RequestError(f"most must be a whole number above 0, not {shown(most)}")
    if rows is not None and (type(rows) is not int or rows < 2):
        raise RequestError(f"rows must be a whole number above 1, or None, not {shown(rows)}")
    for request in requests:
        if not isinstance(request, Request):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise RequestError(f"each must be a Request, not {shown(request)}")
    with said_once():
        drawings = [pipe.prepared(request, Inputs()) for request in requests]
    return _drawn(drawings, Company(pipe.engine, rows), most)


def _drawn(
    drawings: Sequence[Drawing], company: Company, most: int
) -> Iterator[tuple[int, Picture]]:
    waiting = _ways(drawings)
    live: list[tuple[int, Way]] = []
    errors: list[NumericalError | DecodeError] = []

    def fill() -> None:
        while len(live) < most and (found := next(waiting, None)) is not None:
            if isinstance(found, NumericalError):
                errors.append(found)
                continue
            live.append(found)

    fill()
    while live:
        for way in company.round([way for _, way in live]):
            if not way.trajectory.is_over:
                continue
            number = next(number for number, each in live if each is way)
            live[:] = [each for each in live if each[1] is not way]
            fill()
            try:
                for picture in way.finished():
                    yield number, picture
            except (NumericalError, DecodeError) as error:
                errors.append(error)
    if errors:
        raise errors[0]


def _ways(drawings: Sequence[Drawing]) -> Iterator[tuple[int, Way] | NumericalError]:
    """Every way of every request, made when it is its turn; or why there is none."""
    for number, drawing in enumerate(drawings):
        try:
            for batch in drawing.batches(watched=False):
                yield from ((number, Way(each, drawing)) for each in batch.trajectories)
        except NumericalError as error:
            yield error
