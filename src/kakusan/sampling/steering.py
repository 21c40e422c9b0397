"""Ways to steer a picture: small objects that compose with the plain run, which knows none."""

from collections.abc import Sequence
from typing import ClassVar

from kakusan.models import UNetCall
from kakusan.sampling.guidance import Prompt
from kakusan.sampling.start import Start
from kakusan.sampling.step import Step


class Steering:
    """Changes nothing; a subclass overrides the places that it has something to say at.

    One object steers one trajectory, and several steer it one after the other. What is the same at
    every step is best computed in `begin`.

    Attributes:
        marks_pictures: whether it says itself which pictures it changed. A request does not tell of
            steering, so that the record of any other steered picture says that no seed makes it.
    """

    marks_pictures: ClassVar[bool] = False

    def beside(self, others: Sequence["Steering"]) -> None:
        """Told before the start what the call's own ways to steer do on the same trajectory."""

    def condition(self, prompt: Prompt) -> Prompt:
        """What the UNet is conditioned on; an IP-Adapter would add to it.

        At the start, and once more for each other prompt of a timeline when its turn comes.
        """
        return prompt

    def begin(self, start: Start) -> Start:
        """Where to begin; image-to-image would put a picture there. Once, at the start."""
        return start

    def resume(self, step: int, prompt: Prompt) -> Prompt:  # noqa: ARG002
        """Go on before a step that is not the first, as if the ones before had been taken here.

        Args:
            prompt: that the first step is asked with.

        Returns:
            The one that this step is asked with.
        """
        return prompt

    def ask(self, call: UNetCall) -> UNetCall:
        """Each question to the UNet; a ControlNet would add its residuals."""
        return call

    def after(self, step: Step) -> Step:
        """Each step once it was taken; inpainting would put back what is to stay.

        New `latents`, a new `prompt` or other `guidance` go on into the next step, and `stop` ends
        the way here. What is changed in place goes on too.
        """
        return step
