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

    Args:
        timeline: of the prompts as they were read.
        first: the number of the step that the timeline's call 0 is.
        others: what else steers; each has its say on a prompt whose turn comes.
    """

    marks_pictures = True  # a request tells of it

    def __init__(self, timeline: Timeline, first: int = 0, others: Sequence[Steering] = ()) -> None:
        self._timeline, self._first, self._others = timeline, first, others
        self._conditioned: dict[int, Prompt] = {}  # by the ids of prompts, which the timeline holds

    def after(self, step: Step) -> Step:
        call = step.index - self._first
        prompt = self._timeline.at(call + 1)
        if prompt is self._timeline.at(call):
            return step
        return replace(step, prompt=self._as_others_have_it(prompt))

    def resume(self, step: int, prompt: Prompt) -> Prompt:
        now = self._timeline.at(step - self._first)
        return prompt if now is self._timeline.at(0) else self._as_others_have_it(now)

    def _as_others_have_it(self, prompt: Prompt) -> Prompt:
        """The same object whenever it is the same prompt's turn."""
        if id(prompt) not in self._conditioned:
            changed = prompt
            for each in self._others:
                changed = each.condition(changed)
            self._conditioned[id(prompt)] = changed
        return self._conditioned[id(prompt)]
