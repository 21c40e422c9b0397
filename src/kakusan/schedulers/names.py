"""The names that schedulers are asked for by: ours, the reference's, and those of other tools."""

from collections.abc import Iterator, Mapping

from kakusan.errors import UnknownNameError, nearest, shown
from kakusan.schedulers import registry
from kakusan.schedulers.configured import KnownAs
from kakusan.schedulers.scheduler import Scheduler
from kakusan.schedulers.spacings import setting_of

Meaning = tuple[type[Scheduler], Mapping[str, object]]

# In the registry's order
_KINDS: tuple[type[Scheduler], ...] = tuple(
    kind for kind in vars(registry).values() if isinstance(kind, type)
)

SCHEDULERS: dict[str, type[Scheduler]] = {
    kind.__name__: kind for kind in sorted(_KINDS, key=lambda kind: kind.__name__)
}

# The command line's names
SHORT_NAMES: dict[str, Meaning] = {
    known.short: (kind, known.settings) for kind in _KINDS for known in kind.known_as
}


def scheduler_class(name: str) -> type[Scheduler]:
    """The class of this name.

    Raises:
        UnknownNameError: no scheduler is called that; the message has the nearest names.
    """
    if name not in SCHEDULERS:
        raise UnknownNameError(f"no scheduler is called {shown(name)}.{nearest(name, SCHEDULERS)}")
    return SCHEDULERS[name]


def named_scheduler(name: str, base: Scheduler) -> Scheduler:
    """The scheduler of a name, for the model that `base` belongs to.

    Args:
        name: In any case: a short name ("euler-a") or class name, AUTOMATIC1111's ("Euler a",
            "DPM++ 2M Karras") or k-diffusion's function ("sample_dpmpp_2m").

    Raises:
        UnknownNameError: no scheduler is called that; the message has the nearest names.
    """
    meanings = {each.casefold(): meaning for each, meaning in _meanings()}
    if name.casefold() not in meanings:
        labels = [known.webui for kind in _KINDS for known in kind.known_as if known.webui]
        known = [*SHORT_NAMES, *SCHEDULERS, *labels]
        raise UnknownNameError(f"no scheduler is called {shown(name)}.{nearest(name, known)}")
    kind, settings = meanings[name.casefold()]
    return kind.from_config(base.config, **settings)


def short_name(scheduler: Scheduler) -> str:
    """The short name that makes this scheduler, or else its class's name."""
    for name, (kind, settings) in SHORT_NAMES.items():
        if type(scheduler) is kind and all(scheduler.config[k] == v for k, v in settings.items()):
            return name
    return type(scheduler).__name__


def _meanings() -> Iterator[tuple[str, Meaning]]:
    """Every name, and the class and settings that it stands for."""
    yield from SHORT_NAMES.items()
    for name, kind in SCHEDULERS.items():
        yield name, (kind, {})
        for known in kind.known_as:
            if known.k_diffusion is not None:
                yield known.k_diffusion, (kind, known.settings)
            if known.webui is not None:
                yield known.webui, (kind, known.settings)
                yield from _respaced(known.webui, kind, known)


def _respaced(label: str, kind: type[Scheduler], known: KnownAs) -> Iterator[tuple[str, Meaning]]:
    """AUTOMATIC1111's name with a word for the spacing, such as "DPM++ 2M Karras"."""
    spacings = kind.sigma_spacings()
    words = {"Uniform": None, **{spacing.title(): spacing for spacing in spacings}}
    for word, chosen in words.items() if spacings else ():
        flags = {setting_of(spacing): spacing == chosen for spacing in spacings}
        yield f"{label} {word}", (kind, {**known.settings, **flags})
