"""Texts and pictures that rows attend to, whose keys and values outlive a step."""

from collections.abc import Hashable, Sequence

from kakusan.engine.joining import embeddings, image_parts
from kakusan.models import Conditioning, TextContext, UNetCall
from kakusan.runtime.changes import changes

# Sets of texts whose keys and values are stored: requests that come and go make few at a time
MOST_CONTEXTS = 4


class Contexts:
    """What sets of rows attend to; the oldest set is given up for a new one."""

    def __init__(self) -> None:
        self._made: dict[Hashable, tuple[list[Conditioning], TextContext]] = {}

    def of(self, calls: Sequence[UNetCall]) -> TextContext:
        """The text of all rows; the same object as long as the same rows are asked about.

        Tokens that were changed in place are others.
        """
        conditionings = [call.conditioning for call in calls]
        key = tuple((id(each), *_versions(each)) for each in conditionings)
        if key not in self._made:
            while len(self._made) >= MOST_CONTEXTS:
                del self._made[next(iter(self._made))]
            # held, so that no other conditioning has their ids
            pictures = image_parts(conditionings)
            context = TextContext(*embeddings(conditionings), images=pictures)
            self._made[key] = (conditionings, context)
        return self._made[key][1]


def is_plain(context: TextContext) -> bool:
    """Whether it is one tensor, as a recording takes it."""
    return len(context.embeddings) == 1 and not context.images


def _versions(conditioning: Conditioning) -> list[int]:
    """How often each of its texts and pictures was changed in place."""
    pictures = [each.tokens for each in conditioning.image_tokens]
    return [changes(tokens) for tokens in (conditioning.tokens, *pictures)]
