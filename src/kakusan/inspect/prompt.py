"""How a prompt is read: its tokens, what is cut off, and what is not understood."""

from dataclasses import dataclass, field

from kakusan.text import CLIPTokenizer, Understanding


@dataclass(frozen=True)
class Token:
    """One token: its id, the piece of the prompt that it stands for, and where that is."""

    id: int
    text: str
    start: int
    end: int


@dataclass(frozen=True)
class PromptReading:
    """A prompt as the text encoder gets it, slips of the pen put right.

    `used` are the tokens between the begin and the end token, `cut` those for which there is no
    room; `room` is how many fit, and `padding` how many places are filled up at the end.
    `understanding` has the words that the model was never taught.
    """

    prompt: str
    used: tuple[Token, ...]
    cut: tuple[Token, ...]
    room: int
    understanding: Understanding = field(default_factory=Understanding)

    @property
    def padding(self) -> int:
        return self.room - len(self.used)

    def __str__(self) -> str:
        pieces = " | ".join(f"{token.text} {token.id}" for token in self.used)
        count = len(self.used)
        lines = [pieces, f"{count} token{'s' if count != 1 else ''}, room for {self.room}"]
        if self.cut:
            start = self.cut[0].start
            lines.append(f"cut off ({len(self.cut)}): {self.prompt[start:]}")
        return "\n".join([*lines, *self.understanding.notes()])

    def _repr_pretty_(self, printer: object, cycle: bool) -> None:
        del cycle
        printer.text(str(self))  # pyright: ignore


def read_prompt(tokenizer: CLIPTokenizer, prompt: str) -> PromptReading:
    """Say which tokens a prompt becomes, and which of them the text encoder never sees.

    A learnt word (textual inversion) is written out as all of its tokens.
    """
    understanding = Understanding.of(prompt, tokenizer)
    prompt = tokenizer.with_learnt(tokenizer.as_read(prompt))
    tokens = [
        Token(index, prompt[start:end].strip(), start, end)
        for index, (start, end) in tokenizer.pieces(prompt)
    ]
    room = tokenizer.model_max_length - 2
    return PromptReading(prompt, tuple(tokens[:room]), tuple(tokens[room:]), room, understanding)
