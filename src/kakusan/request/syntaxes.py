"""The fields of a request that say how its prompts are read, and their checks."""

from dataclasses import dataclass, fields
from typing import Any

from kakusan.errors import ArgumentError, nearest, shown
from kakusan.prompts.syntaxes import SYNTAXES
from kakusan.request import checks

TEMPLATES = ("template", "negative_template")
# What means something by AUTOMATIC1111's rules alone
_OF_WEBUI = {
    "emphasis": "what weights do",
    "pad_conds": "how prompts of two lengths are drawn",
    "old_timelines": "how changes of a prompt are counted",
}
PADDED_V0 = "v0"
EMPHASES = ("Original", "No norm", "Ignore", "None")


@dataclass(frozen=True, kw_only=True)
class SyntaxRequest:
    """How prompts are read; all of it is None where nothing was given.

    `prompt_syntax` is whose grammar they have: "webui" (AUTOMATIC1111's), "comfy" (ComfyUI's) or
    "compel" (InvokeAI's); "plain" and None take every character as it stands. `emphasis` is what
    weights do under "webui", by AUTOMATIC1111's names; None is "Original". `pad_conds` of True
    lengthens the shorter of prompt and negative prompt with empty chunks there, "v0" the negative
    one with its last vector, or cuts it off; `old_timelines` counts `[from:to:when]` as versions
    before 1.6. `template` and
    `negative_template` are what was written where a prompt had wildcards and choices, of which
    `prompt` and `negative_prompt` have what was chosen, one for all prompts or one for each:
    nothing reads them.
    """

    prompt_syntax: str | None = None
    emphasis: str | None = None
    pad_conds: bool | str | None = None
    old_timelines: bool | None = None
    template: str | tuple[str | None, ...] | None = None
    negative_template: str | tuple[str | None, ...] | None = None

    @staticmethod
    def only_syntaxes() -> list[str]:
        """The names of these fields."""
        return [field.name for field in fields(SyntaxRequest)]

    @property
    def syntax(self) -> str:
        """Whose grammar the prompts have."""
        return self.prompt_syntax or "plain"

    def template_of(self, prompt: int) -> dict[str, str | None]:
        """What was written in place of one prompt, and of its negative one."""
        found: dict[str, str | None] = {}
        for name in TEMPLATES:
            given: str | tuple[str | None, ...] | None = getattr(self, name)
            found[name] = given[prompt] if isinstance(given, tuple) else given
        return found

    def checked_syntax(self, prompts: int) -> dict[str, Any]:
        """The fields as they are stored.

        Args:
            prompts: how many there are.

        Raises:
            ArgumentError: One is none of its values, or means nothing beside another.
        """
        found: dict[str, Any] = {
            "prompt_syntax": _one_of("prompt_syntax", self.prompt_syntax, SYNTAXES),
            "emphasis": _one_of("emphasis", self.emphasis, EMPHASES),
            "pad_conds": _padding(self.pad_conds),
            "old_timelines": _switch("old_timelines", self.old_timelines),
        }
        for name, does in _OF_WEBUI.items():
            if found[name] is not None and found["prompt_syntax"] != "webui":
                raise ArgumentError(
                    f"{{{name}}} says {does} where {{prompt_syntax}} is 'webui', not {{0}}; leave "
                    "it out",
                    shown(self.syntax),
                )
        return found | {name: _template(name, getattr(self, name), prompts) for name in TEMPLATES}


def _template(name: str, value: object, prompts: int) -> str | tuple[str | None, ...] | None:
    """One for all prompts, or one for each of which any may be None."""
    if value is None or isinstance(value, str):
        return value
    found = checks.texts(name, value)
    if len(found) != prompts:
        raise ArgumentError(
            f"{{{name}}} has {{0}} texts but {{prompt}} has {{1}}; give one for each",
            len(found),
            prompts,
        )
    return found[0] if prompts == 1 else found


def _padding(value: object) -> bool | str | None:
    if value is None or isinstance(value, bool):
        return value or None
    if value != PADDED_V0:
        raise ArgumentError(
            "{pad_conds} must be True, False or 'v0' for AUTOMATIC1111's older way, not {0}",
            shown(value),
        )
    return PADDED_V0


def _switch(name: str, value: object) -> bool | None:
    """True or None, which are stored for True and False."""
    if not isinstance(value, bool | None):
        raise ArgumentError(f"{{{name}}} must be True or False, not {{0}}", shown(value))
    return value or None


def _one_of(name: str, value: object, known: tuple[str, ...]) -> str | None:
    """A value, whatever the case it was written in."""
    if value is None:
        return None
    found = next((each for each in known if str(value).casefold() == each.casefold()), None)
    if found is None or not isinstance(value, str):
        raise ArgumentError(
            f"{{{name}}} must be one of {', '.join(known)}, not {{0}}.{{1}}",
            shown(value),
            nearest(str(value), known).partition(" Known")[0],
        )
    return found
