"""What is said of a name that no sampler has."""

import difflib
from collections.abc import Iterable
from functools import cache

from kakusan.errors import UnknownNameError, nearest, shown
from kakusan.later import PACKAGE
from kakusan.samplers import names, table
from kakusan.samplers.elsewhere import ABSENT, classes
from kakusan.samplers.schedules import SPACINGS, label_of, schedules_of, words_for_schedules


def unknown(name: str, known: Iterable[str] | None = None) -> UnknownNameError:
    """The error for a name that is none of a scheduler's, with what is nearest to it.

    Args:
        known: what could have been said; None for every name.
    """
    if name in PACKAGE:
        return UnknownNameError(f"{name} is not there yet; {PACKAGE[name]}")
    instead = _absent().get(names.folded(names.plain(name)))
    if instead is not None:
        return UnknownNameError(f"{shown(name)} is not there; the nearest is {instead}")
    hint = _hint(names.plain(name)) if known is None else f".{nearest(name, known)}"
    return UnknownNameError(f"no scheduler is called {shown(name)}{hint}")


def _hint(name: str) -> str:
    """What was meant by a name that is not known."""
    folded = names.folded(name)
    if folded in {*words_for_schedules(), *SPACINGS}:
        return f": that says how noise levels are spaced; write 'euler {shown(name)[1:-1]}'"
    known = {each: said for each, said in _said().items() if ("/" in each) == ("/" in folded)}
    close = difflib.get_close_matches(folded, known, n=3, cutoff=0.7)
    near = [_likeness(folded, each) for each in close]
    best = [known[each] for each, like in zip(close, near, strict=True) if like > near[0] - 0.075]
    guess = f" Did you mean {' or '.join(map(repr, best))}?" if best else ""
    return f".{guess} `kakusan schedulers` lists them"


def _likeness(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, other, one).ratio()


@cache
def _absent() -> dict[str, str]:
    """Every name of what is not there, folded, alone and with a schedule; what is nearest."""
    after = ("", *words_for_schedules())
    return {
        names.folded(name) + between + word: instead
        for instead, absent in ABSENT.items()
        for name in absent
        for word in after
        for between in (("", "/") if word else ("",))
    }


@cache
def _said() -> dict[str, str]:
    """The names that messages guess, under what they are folded."""
    found = {names.folded(name): name for name in classes()}
    for each in table.SAMPLERS:
        found |= {
            names.folded(name): name for name in (each.short, each.comfyui, each.webui) if name
        }
        for schedule in schedules_of(each):
            label = label_of(schedule)
            found[names.folded(each.webui + label)] = f"{each.webui} {label}"
            if each.comfyui is not None:
                pair = f"{each.comfyui}/{schedule}"
                found[names.folded(pair)] = pair
    return found
