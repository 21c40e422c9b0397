"""AUTOMATIC1111's samplers and schedules: the names that come in, and the lists that go out."""

import difflib
from collections.abc import Mapping
from typing import Any, NamedTuple

from kakusan.errors import shown
from kakusan.samplers import SAMPLERS, SCHEDULES, Sampler, label_of, meaning_of, schedules_of
from kakusan.samplers.names import folded
from kakusan.server.dialects.a1111.errors import ApiError, refused

AUTOMATIC = "automatic"
# Its names for schedules, and Forge's, to those of `kakusan.samplers.SCHEDULES`
_SCHEDULES: Mapping[str, str] = {
    "uniform": "uniform",
    "karras": "karras",
    "exponential": "exponential",
    "polyexponential": "polyexponential",
    "sgm_uniform": "sgm_uniform",
    "kl_optimal": "kl_optimal",
    "align_your_steps": "align_your_steps",
    "simple": "simple",
    "normal": "uniform",
    "ddim": "ddim_uniform",
    "beta": "beta",
    "turbo": "turbo",
    "align_your_steps_GITS": "gits",
}
_LABELS = {"normal": "Normal"}
_ALIASES = {"sgm_uniform": ["SGMUniform"]}
_RHO = {"karras": 7.0, "polyexponential": 1.0}
_MOST_ETA = 1.0
_TAKES_ETA = "DDIMScheduler"
# Those that add noise by the amount that an eta says there, and by all of it here
_WHOLE_NOISE = (
    *("EulerAncestralDiscreteScheduler", "KDPM2AncestralDiscreteScheduler"),
    "DPMSolverSDEScheduler",
)


class Chosen(NamedTuple):
    """A sampler on a schedule.

    Attributes:
        sampler: the label of the sampler alone.
        schedule: the label of the schedule; "Automatic" for the sampler's own.
        name: what kakusan calls both together.
        ignored: whether the schedule counts for nothing, as the sampler has timesteps of its own.
    """

    sampler: str
    schedule: str
    name: str
    ignored: bool = False


def chosen(sampler: str, scheduler: str | None) -> Chosen:
    """What a sampler's name and a schedule's mean; a schedule at the end of the first counts first.

    Raises:
        ApiError: There is none of the name; the nearest are told.
    """
    found, behind = _sampler(sampler), None
    if found is None:
        head, behind = _parted(sampler)
        found = None if head is None else _sampler(head)
    if found is None:
        raise ApiError(404, f"Sampler not found: {shown(sampler)}.{_near(sampler, _LISTED)}")
    schedule = behind or _schedule(scheduler)
    if schedule == AUTOMATIC:
        return Chosen(found.webui, "Automatic", found.webui)
    label = _label(schedule)
    name = f"{found.webui} {label_of(_SCHEDULES[schedule])}"
    ignored = _SCHEDULES[schedule] not in schedules_of(found) or bool(meaning_of(name).ignored)
    return Chosen(found.webui, label, found.webui if ignored else name, ignored)


def with_eta(chosen: Chosen, eta: float | None) -> dict[str, Any]:
    """The settings of a request for a sampler that is given an eta.

    Raises:
        ApiError: The sampler would need another one, or it is out of range.
    """
    meaning = meaning_of(chosen.name)
    if eta is None:
        return {"scheduler": chosen.name}
    if meaning.kind == _TAKES_ETA:
        return {"scheduler": chosen.name, "eta": eta}
    if meaning.kind in _WHOLE_NOISE and eta != 1.0:
        raise refused(f"eta of {chosen.sampler} is 1 here, not {eta:g}; leave it out")
    own = meaning.settings.get("eta")
    if own == 1.0 and eta != own:
        if not 0.0 <= eta <= _MOST_ETA:
            raise refused(f"eta must be a number from 0 to {_MOST_ETA:g}, not {eta:g}")
        return {"scheduler": {"name": chosen.name, "eta": eta}}
    return {"scheduler": chosen.name}


def sampler_list() -> list[dict[str, Any]]:
    """As GET samplers has them."""
    return [
        {"name": each.webui, "aliases": _aliases(each), "options": _options(each)}
        for each in SAMPLERS
    ]


def schedule_list() -> list[dict[str, Any]]:
    """As GET schedulers has them."""
    names = (AUTOMATIC, *_SCHEDULES)
    return [
        {
            "name": name,
            "label": _label(name),
            "aliases": _ALIASES.get(name),
            "default_rho": _RHO.get(name, -1),
            "need_inner_model": name not in (AUTOMATIC, "karras", "exponential", "polyexponential"),
        }
        for name in names
    ]


def _aliases(sampler: Sampler) -> list[str]:
    names = dict.fromkeys(name for name in sampler.names if name != sampler.webui)
    return list(names)


def _options(sampler: Sampler) -> dict[str, str]:
    found = {"scheduler": sampler.automatic} if sampler.automatic else {}
    if sampler.calls > 1:
        found["second_order"] = "True"
    if sampler.random:
        found["uses_ensd"] = "True"
    return found


def _label(schedule: str) -> str:
    if schedule == AUTOMATIC:
        return "Automatic"
    return _LABELS.get(schedule) or label_of(_SCHEDULES[schedule])


def _sampler(name: str) -> Sampler | None:
    plain = folded(name[:200])
    return next((s for s in SAMPLERS if plain in map(folded, s.names)), None)


def _words(schedule: str) -> list[str]:
    """What a schedule is called, folded."""
    if schedule == AUTOMATIC:
        return [AUTOMATIC]
    known = [schedule, _label(schedule), *_ALIASES.get(schedule, ())]
    if schedule != "normal":  # whose words are the same schedule's other name
        known += [word for word in SCHEDULES[_SCHEDULES[schedule]] if word.casefold() != "normal"]
    return [folded(word) for word in known]


def _parted(name: str) -> tuple[str | None, str | None]:
    """ "DPM++ 2M Karras" as the sampler's name and the schedule's."""
    head, _, tail = name.strip().rpartition(" ")
    parts = name.strip().split(" ")
    for count in range(1, min(len(parts), 6)):
        head, tail = " ".join(parts[:-count]), " ".join(parts[-count:])
        schedule = _schedule_called(tail)
        if schedule is not None and _sampler(head) is not None:
            return head, schedule
    return None, None


def _schedule_called(word: str) -> str | None:
    plain = folded(word[:200])
    return next((each for each in (AUTOMATIC, *_SCHEDULES) if plain in _words(each)), None)


def _schedule(word: str | None) -> str:
    if not word:
        return AUTOMATIC
    found = _schedule_called(word)
    if found is None:
        labels = [_label(each) for each in (AUTOMATIC, *_SCHEDULES)]
        raise ApiError(404, f"Scheduler not found: {shown(word)}.{_near(word, labels)}")
    return found


_LISTED = [each.webui for each in SAMPLERS]


def _near(word: str, known: list[str]) -> str:
    lower = {each.casefold(): each for each in known}
    close = difflib.get_close_matches(word.casefold()[:100], lower, n=3, cutoff=0.5)
    if close:
        return f" Did you mean {' or '.join(shown(lower[each]) for each in close)}?"
    return f" There are {', '.join(known[:12])}"
