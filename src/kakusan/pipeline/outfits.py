"""The adapters that each prompt is drawn with: of the pipeline, of the request, of the prompt."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch

from kakusan.checkpoints.adapters.adapter import Adapter
from kakusan.checkpoints.adapters.reading import read_adapter
from kakusan.checkpoints.source import local_file
from kakusan.errors import ArgumentError, shown
from kakusan.models import AdapterSet, Model, Worn
from kakusan.models.adapting import MOST_MERGED
from kakusan.pipeline.adapter_parts import Pipe, adapted_networks, shapes
from kakusan.pipeline.adapter_search import check_hash, not_loaded
from kakusan.request import Request
from kakusan.request.loras import Lora, LoraFile
from kakusan.runtime.memory import free_memory

UNET = "unet"
TextSets = tuple[tuple[str, AdapterSet], ...]
Spans = tuple[tuple[int, int], ...]
# Files whose adapters wait to be asked for again
MOST_FILES = 16
# To add adapters to v1.4's weights takes half a second on two cores, and saves as much in each call
# of the UNet; a run of fewer calls is to begin at once.
MERGED_FROM = 4


class Tag(Protocol):
    """A network that a prompt names, see `kakusan.prompts.parsed.Network`."""

    @property
    def name(self) -> str: ...
    @property
    def text_weight(self) -> float: ...
    @property
    def unet_weight(self) -> float: ...
    @property
    def spans(self) -> Spans | None: ...


class Spanned(NamedTuple):
    """An adapter that holds from the first to the last call of each span; None is throughout."""

    worn: Worn
    spans: Spans | None = None

    def holds_at(self, call: int) -> bool:
        return self.spans is None or any(first <= call <= last for first, last in self.spans)


@dataclass(frozen=True)
class Outfit:
    """The adapters of one prompt.

    Attributes:
        parts: by the names of parts, in the order in which they are put on.
    """

    parts: tuple[tuple[str, tuple[Spanned, ...]], ...]

    def unet_at(self, call: int) -> AdapterSet:
        """What the UNet has on at one of its calls, counted from 0."""
        return next((worn for part, worn in self._at(call) if part == UNET), ())

    def text_at(self, call: int) -> TextSets:
        """What the text encoders have on where texts of a call are read."""
        return tuple((part, worn) for part, worn in self._at(call) if part != UNET)

    @property
    def is_constant(self) -> bool:
        """Whether it is the same at every call."""
        return all(each.spans is None for _, several in self.parts for each in several)

    def from_step(self, first: int) -> Callable[[int], AdapterSet]:
        """The UNet's by the number of a step, of which `first` is that of call 0."""
        if not self.is_constant:
            return lambda step: self.unet_at(step - first)
        constant = self.unet_at(0)
        return lambda _: constant

    def _at(self, call: int) -> Iterator[tuple[str, AdapterSet]]:
        for part, several in self.parts:
            yield part, tuple(each.worn for each in several if each.holds_at(call))


@dataclass(frozen=True)
class Outfits:
    """The adapters of a request's prompts, one outfit for each."""

    of_prompts: tuple[Outfit, ...]
    repeats: int

    def of_picture(self, index: int) -> Outfit:
        """Of one picture, counted over all prompts and their repeats."""
        return self.of_prompts[index // self.repeats]

    def merged(
        self, calls: int, unet: Model[Any], device: torch.device, *, together: bool
    ) -> list[AdapterSet]:
        """What the UNet has in its weights, and not beside them, wherever it has it on.

        Where memory is not short that is decided by each picture's run alone, so that the same run
        gives the same picture. On a GPU it takes next to no time, while to launch more kernels
        does.

        Args:
            together: whether the pictures take turns.
        """
        free = free_memory(device)
        held = sum(each.numel() * each.dtype.itemsize for each in unet.parameters())
        sets = list(dict.fromkeys(o.unet_at(0) for o in self.of_prompts if o.is_constant))
        many = together and len(sets) > MOST_MERGED
        short = free is not None and 2 * held > free
        if many or short or (device.type != "cuda" and calls < MERGED_FROM):
            return []
        return sets

    def check_rows(self, request: Request) -> None:
        """Raise ArgumentError where prompts that share their calls want different adapters."""
        if request.seed is None and any(each != self.of_prompts[0] for each in self.of_prompts):
            raise ArgumentError(
                "the prompts name different adapters, and without {seed} all are drawn at once; "
                "give {seed}, or one prompt at a time"
            )


class AdapterFiles:
    """Adapters that were read for a pipeline's networks; a copy has read none yet."""

    def __init__(self) -> None:
        self._read: dict[tuple[str, int, int], tuple[object, Adapter]] = {}

    def __deepcopy__(self, memo: dict[int, Any]) -> "AdapterFiles":
        return AdapterFiles()

    def read(self, pipe: Pipe, path: Path) -> Adapter:
        """The adapter of a file, as last read if the file and the networks are the same.

        Raises:
            CheckpointError: It is broken, no adapter, or for another family of models.
        """
        status = path.stat()
        key = (str(path.resolve()), status.st_mtime_ns, status.st_size)
        networks = {
            part: (type(network), network.config)
            for part, network in adapted_networks(pipe).items()
        }
        known = self._read.pop(key, None)
        if known is None or known[0] != networks:
            known = (networks, read_adapter(path, shapes(pipe)))
        while len(self._read) >= MOST_FILES:
            del self._read[next(iter(self._read))]
        self._read[key] = known
        return known[1]


class Asked:
    """The adapters that a request asks for, found and read: the pipeline's and its own.

    Args:
        files: reads them.
        names: those that its prompts name besides.

    Raises:
        ArgumentError: There is no such adapter.
        CheckpointError: One is broken, or for another family of models.
    """

    def __init__(
        self, pipe: Pipe, request: Request, files: AdapterFiles, names: Iterable[str] = ()
    ) -> None:
        self._networks = adapted_networks(pipe)
        self._on, self._fused = _on(self._networks), _fused(self._networks)
        self._finder = _Finder(pipe, request, files)
        self._loras = request.loras or ()
        self._scale = 1.0 if request.lora_scale is None else request.lora_scale
        for name in (*(lora.name for lora in self._loras), *names):
            self._finder.find(name)

    @property
    def are_none(self) -> bool:
        """Whether nothing is changed."""
        return not (self._on or self._fused or self._finder.found)

    def outfits(self, request: Request, tags: Sequence[Sequence[Tag]] = ()) -> Outfits:
        """Those of each prompt.

        Args:
            tags: what each prompt names.
        """
        several = [self._outfit(own) for own in tags or [()] * len(request.prompt)]
        return Outfits(tuple(several), request.num_images_per_prompt)

    def _outfit(self, tags: Sequence[Tag]) -> Outfit:
        parts = {part: list[Spanned]() for part in self._networks}
        for named in self._on.values():
            for part, worn in named.items():
                parts[part].append(Spanned(worn.scaled(self._scale)))
        for said in (*self._loras, *tags):
            adapter = self._finder.find(said.name)
            spans = None if isinstance(said, Lora) else said.spans
            for part in self._networks:
                weight = said.unet_weight if part == UNET else said.text_weight
                if adapter.parts.get(part):
                    worn = Worn(adapter, part, weight * self._scale)
                    parts[part].append(Spanned(worn, spans))
        return Outfit(tuple((part, tuple(each)) for part, each in parts.items()))

    @property
    def recorded(self) -> dict[str, Any]:
        """The fields of a request that name them all; what prompts name they name themselves."""
        loras = (*_named(self._fused), *_named(self._on), *self._loras)
        both = {**self._on, **self._fused}
        known = {name: next(iter(parts.values())).adapter.path for name, parts in both.items()}
        files = {**known, **self._finder.paths}
        return {
            "loras": loras or None,
            "lora_files": {name: LoraFile(str(path)) for name, path in files.items() if path}
            or None,
        }

    @property
    def unrecorded(self) -> str | None:
        """Why no record can name them; None where one can."""
        return _why_unrecorded(self._on, self._fused, self._scale)

    @property
    def names(self) -> list[tuple[str, ...]]:
        """What those are called that change the UNet, by which their kind may be known."""
        return [_names_of(each) for each in self.all if each.parts.get(UNET)]

    @property
    def all(self) -> list[Adapter]:
        """The adapters themselves."""
        worn = [each for named in (self._on, self._fused) for each in named.values()]
        return [next(iter(parts.values())).adapter for parts in worn] + [
            *self._finder.found.values()
        ]


Named = Mapping[str, Mapping[str, Worn]]


def _on(networks: Mapping[str, Model[Any]]) -> Named:
    """What the pipeline has on, by name and part."""
    found: dict[str, dict[str, Worn]] = {}
    for part, network in networks.items():
        for name, worn in network.adapters.on.items():
            found.setdefault(name, {})[part] = worn
    return found


def _fused(networks: Mapping[str, Model[Any]]) -> Named:
    found: dict[str, dict[str, Worn]] = {}
    for part, network in networks.items():
        for each in network.adapters.in_weights:
            found.setdefault(each.name, {})[part] = each.worn
    return found


def _named(adapters: Named) -> list[Lora]:
    """As a request names them."""
    found: list[Lora] = []
    for name, parts in adapters.items():
        unet = parts.get(UNET)
        text = [worn.strength for part, worn in parts.items() if part != UNET]
        own = unet.strength if unet is not None else text[0]
        found.append(Lora(name, text[0] if text else own, own))
    return found


def _why_unrecorded(on: Named, fused: Named, scale: float) -> str | None:
    for name in on.keys() & fused.keys():
        adapters = {id(worn.adapter) for worn in (*on[name].values(), *fused[name].values())}
        if len(adapters) > 1:
            return f"drawn with two adapters that are called {shown(name)}"
    for name, parts in {**on, **fused}.items():
        strengths = {worn.strength for part, worn in parts.items() if part != UNET}
        if any(worn.adapter.path is None for worn in parts.values()):
            return f"drawn with the adapter {shown(name)}, which came from no file"
        if any(worn.blocks for worn in parts.values()) or len(strengths) > 1:
            return f"drawn with a strength of {shown(name)} for each block or text encoder"
    if fused and scale != 1.0:
        return "drawn with adapters that were fused, beside others that were scaled"
    return None


def _names_of(adapter: Adapter) -> tuple[str, ...]:
    """What an adapter is called: by the user, in its file, by its file, folder and repository."""
    said = [adapter.metadata.get(key) for key in ("ss_output_name", "modelspec.title")]
    path = adapter.path
    places: list[str] = []
    if path is not None:
        repositories = [part for part in path.parts if part.startswith("models--")]
        places = [path.stem, path.parent.name, *repositories]
    return tuple(each for each in (adapter.name, *places, *said) if each)


class _Finder:
    """Finds what a request names, and remembers where it was."""

    def __init__(self, pipe: Pipe, request: Request, files: AdapterFiles) -> None:
        self._pipe, self._files = pipe, files
        self._known = request.lora_files or {}
        self.found: dict[str, Adapter] = {}
        self.paths: dict[str, Path] = {}

    def find(self, name: str) -> Adapter:
        if name not in self.found:
            self.found[name] = self._find(name)
        return self.found[name]

    def _find(self, name: str) -> Adapter:
        loaded = _loaded(adapted_networks(self._pipe).values(), name)
        if loaded is not None and name not in self._known:
            if loaded.path is not None:
                self.paths[name] = loaded.path
            return loaded
        file = self._known.get(name)
        path = local_file(name if file is None else file.path)
        if path is None:
            raise not_loaded(name, file)
        if file is not None:
            check_hash(name, file)
        self.paths[name] = path
        return self._files.read(self._pipe, path)


def _loaded(networks: Iterable[Model[Any]], name: str) -> Adapter | None:
    found = (network.adapters.loaded.get(name) for network in networks)
    return next((each for each in found if each is not None), None)
