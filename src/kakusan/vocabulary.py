"""What users call the settings of a `Request`: the one place that translates between names.

A `Request` has the reference library's names, which the pipeline's call shares. The short call
`kakusan.generate`, the command line and the text that AUTOMATIC1111 writes have others.
"""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from kakusan.errors import ArgumentError, check_no_unknown


@dataclass(frozen=True)
class Vocabulary:
    """The names that one kind of user has.

    Attributes:
        where: What is called with these names, for messages.
        words: Under a `Request`'s name for a setting the user's; what is absent cannot be said.
    """

    where: str
    words: Mapping[str, str]

    @contextmanager
    def spoken(self) -> Generator[None]:
        """Within, errors call arguments by these names."""
        try:
            yield
        except ArgumentError as error:
            raise error.in_words(self.words) from None

    def settings(self, typed: Mapping[str, object]) -> dict[str, Any]:
        """What was typed, under a `Request`'s names.

        Raises:
            UnknownArgumentError: A name is none of these.
        """
        self.check_known(typed)
        names = {word: name for name, word in self.words.items()}
        return {names[word]: value for word, value in typed.items()}

    def check_known(self, typed: Mapping[str, object]) -> None:
        """Raise `UnknownArgumentError` for a name that is none of these; it has the nearest."""
        known = self.words.values()
        check_no_unknown(self.where, (name for name in typed if name not in known), known)


# Under each name of a `Request`: the short call's, the command line's, AUTOMATIC1111's. An empty
# one cannot be said there.
_SETTINGS = {
    "prompt": ("prompt", "PROMPT", "prompt"),
    "negative_prompt": ("negative_prompt", "--negative", "Negative prompt"),
    "height": ("height", "--height", "Size"),
    "width": ("width", "--width", "Size"),
    "num_inference_steps": ("steps", "--steps", "Steps"),
    "timesteps": ("", "", ""),
    "sigmas": ("", "", ""),
    "guidance_scale": ("guidance", "--guidance", "CFG scale"),
    "guidance_rescale": ("", "", ""),
    "num_images_per_prompt": ("count", "--count", ""),
    "eta": ("", "", ""),
    "seed": ("seed", "--seed", "Seed"),
    "clip_skip": ("", "", "Clip skip"),
    "quality_budget": ("quality_budget", "--fast", ""),
    "reuse_interval": ("", "", ""),
    "model": ("model", "--model", "Model"),
    "scheduler": ("scheduler", "--scheduler", "Sampler"),
    "dtype": ("dtype", "--dtype", ""),
    "device": ("device", "--device", ""),
}
# What a pipeline is, and a call of it cannot say
_OF_THE_PIPELINE = frozenset({"model", "scheduler", "dtype", "device"})
# What a call takes beside its request, as `kakusan.inputs.Inputs` has it
INPUTS = ("generator", "latents", "prompt_embeds", "negative_prompt_embeds")
# And how it is to draw
_WAYS = (
    "batch_size",
    "output_type",
    "return_dict",
    "callback_on_step_end",
    "callback_on_step_end_tensor_inputs",
    "callback",
    "callback_steps",
)


def _column(index: int) -> dict[str, str]:
    return {name: words[index] for name, words in _SETTINGS.items() if words[index]}


def _of_a_call(*others: str) -> dict[str, str]:
    names = (*_SETTINGS, *INPUTS, *others)
    return {name: name for name in names if name not in _OF_THE_PIPELINE}


REFERENCE = Vocabulary("the pipeline", _of_a_call(*_WAYS))
STREAM = Vocabulary("the pipeline's stream", _of_a_call("batch_size", "steering"))
SHORT = Vocabulary("generate", {**_column(0), "on_picture": "on_picture", "progress": "progress"})
COMMAND_LINE = Vocabulary("kakusan", _column(1))
WEBUI = Vocabulary("parameters", _column(2))
