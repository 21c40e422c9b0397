"""Ways of several drawings on one engine, a step at a time: what drives requests together.

Who uses it says which ways take the next step, be it all of them or a choice.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from kakusan.engine import Engine
from kakusan.pipeline.drawing import Batch, Drawing
from kakusan.pipeline.even import even
from kakusan.pipeline.output import Picture
from kakusan.sampling import Driven, one_round

JOINED = "computed beside other pictures: alone it may differ by a rounding"


@dataclass(eq=False)
class Way:
    """A trajectory under way, and the drawing whose picture it becomes.

    Attributes:
        shared: whether a step of it was taken beside others.
    """

    trajectory: Driven
    drawing: Drawing
    shared: bool = False

    @property
    def rows(self) -> int:
        """Rows of the UNet's calls that its next step is likely to take."""
        drawing = self.drawing
        parts = 1 if drawing.grammar is None else drawing.grammar.most_parts
        return len(self.trajectory.pictures) * (parts + drawing.guidance.on)

    @property
    def pixels(self) -> int:
        """Of one of its pictures."""
        height, width = self.trajectory.latents.shape[-2:]
        return height * width * self.drawing.engine.scale_factor**2

    @property
    def left(self) -> int:
        """How many steps it has to take yet."""
        step = self.trajectory.step
        return len(self.drawing.span) - (0 if step is None else self.drawing.taken(step))

    def finished(self) -> Iterator[Picture]:
        """The pictures that it became.

        Raises:
            NumericalError: It ended before its end.
            DecodeError: They could not be decoded; it carries the latents.
        """
        if self.shared:
            self.drawing.records.note(self.trajectory.pictures, JOINED)
        if self.trajectory.error is not None:
            raise self.trajectory.error
        yield from self.drawing.pictures(Batch([self.trajectory]))


class Company:
    """What answers the questions of all ways: an engine that they share.

    Args:
        engine: of the pipeline that made the drawings.
        rows: how many each call of the UNet has, so that what a picture comes to does not depend on
            who shares its calls; as many as there are where None.
    """

    def __init__(self, engine: Engine, rows: int | None = None) -> None:
        # recordings are of one number of rows, which changes here all the time
        engine.placement = replace(engine.placement, acceleration=None)
        self._engine, self._rows = engine, rows

    def round(self, ways: Sequence[Way]) -> list[Way]:
        """A step of each; pictures of one size share the UNet's calls.

        Adapters that a drawing alone would have in the weights are there for its calls here, too.

        Returns:
            Those that took one, or are over.
        """
        of = {id(way.trajectory): way for way in ways}
        sizes = Counter(way.trajectory.latents.shape[1:] for way in ways)
        for way in ways:
            way.shared = (
                way.shared or self._rows is not None or sizes[way.trajectory.latents.shape[1:]] > 1
            )
        live = [way.trajectory for way in ways]
        merged = [each for way in ways for each in way.drawing.merged]
        engine = self._engine.wearing({}, merged) if merged else self._engine
        predict = engine.predict if self._rows is None else even(engine.predict, self._rows)
        return [of[id(each)] for each in one_round(live, predict)]
