"""Prompts that take turns while a picture is drawn."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace

from kakusan.sampling.guidance import Prompt
from kakusan.sampling.steering import Steering
from kakusan.sampling.step import Step


@dataclass(frozen=True, eq=False)
class Timeline:
    """Which prompt a call of the denoiser is asked with.

    Attributes:
        prompts: each is the same object wherever it is the same prompt.
        untils: the last call of each, counted from 0; calls after the last one's are its, too.
    """

    prompts: Sequence[Prompt]
    untils: Sequence[int] = (0,)

    def at(self, call: int) -> Prompt:
        """The prompt of a call."""
        return self.prompts[min(bisect_left(self.untils, call), len(self.prompts) - 1)]

    @property
    def changes(self) -> bool:
        return any(prompt is not self.prompts[0] for prompt in self.prompts)


class Scheduled(Steering):
    """Asks each step with the prompt that is its turn.

    What others make of a prompt stays until the next one's turn.

    Args:
        first: the number of the step that the timeline's call 0 is.
    """

    marks_pictures = True  # a request tells of it

    def __init__(self, timeline: Timeline, first: int = 0) -> None:
        self._timeline, self._first = timeline, first

    def after(self, step: Step) -> Step:
        call = step.index - self._first
        prompt = self._timeline.at(call + 1)
        return step if prompt is self._timeline.at(call) else replace(step, prompt=prompt)
