"""The prompts of a request whose text encoders have adapters on, as each prompt and call wants."""

from collections.abc import Callable
from dataclasses import dataclass

from kakusan.engine import Engine
from kakusan.pipeline.outfits import Outfit, Outfits, TextSets
from kakusan.pipeline.prompts import ReadsPrompts, ReadText, Timelines
from kakusan.sampling import Prompt, Timeline


def dressed_prompts(
    engine: Engine, reads: Callable[[Engine], ReadsPrompts], outfits: Outfits | None, calls: int
) -> ReadsPrompts:
    """What reads prompts with the adapters of each on.

    Args:
        reads: reads all of them with the text encoders of an engine.
        calls: of the denoiser, in which they may change.
    """
    if outfits is None:
        return reads(engine)
    several = dict.fromkeys(
        outfit.text_at(call)
        for outfit in outfits.of_prompts
        for call in range(1 if outfit.is_constant else calls)
    )
    readers = {text: reads(engine.wearing(dict(text))) for text in several}
    if len(readers) == 1:
        return next(iter(readers.values()))
    return DressedPrompts(readers, outfits, calls)


@dataclass(frozen=True)
class DressedPrompts:
    """Prompts that are read with different adapters on.

    Attributes:
        readers: by the adapters of the text encoders what reads all prompts with those on.
    """

    readers: dict[TextSets, ReadsPrompts]
    outfits: Outfits
    calls: int

    @property
    def read(self) -> list[list[ReadText]]:
        return next(iter(self.readers.values())).read

    def check(self) -> None:
        for each in self.readers.values():
            each.check()

    def encoded(self) -> tuple[Timelines, list[str]]:
        made = {text: reader.encoded() for text, reader in self.readers.items()}
        notes = dict.fromkeys(note for _, several in made.values() for note in several)

        def timeline(pictures: range) -> Timeline:
            outfit = self.outfits.of_picture(pictures.start)
            if outfit.is_constant:
                return made[outfit.text_at(0)][0](pictures)
            of_sets = {text: timelines(pictures) for text, (timelines, _) in made.items()}
            return _in_turns(outfit, of_sets, self.calls)

        return timeline, list(notes)


def _in_turns(outfit: Outfit, of_sets: dict[TextSets, Timeline], calls: int) -> Timeline:
    """Of each call the prompt as it is read with what is on then."""
    prompts: list[Prompt] = []
    untils: list[int] = []
    for call in range(max(calls, 1)):
        prompt = of_sets[outfit.text_at(call)].at(call)
        if prompts and prompts[-1] is prompt:
            untils[-1] = call
        else:
            prompts.append(prompt)
            untils.append(call)
    return Timeline(prompts, untils)
