"""The one model that is loaded, and drawings of it."""

import copy
from collections.abc import Callable

from kakusan.checkpoints.source import BUILTIN
from kakusan.pipeline.company import Company
from kakusan.pipeline.control_nets import named_nets
from kakusan.pipeline.draw import Wanted, checked, drawing_of, loaded
from kakusan.pipeline.drawing import Drawing
from kakusan.pipeline.latent_diffusion import LatentDiffusionPipeline
from kakusan.runtime.device import parse_device
from kakusan.server.worker.asked import Asked
from kakusan.server.worker.observing import Observer
from kakusan.server.worker.pace import Place


class LoadedModel:
    """Holds one model at a time, since two may be more than memory has room for.

    Args:
        settings: where to compute.
        observer: is told what is loaded.

    Attributes:
        name: what clients call it; None before one is loaded.
        company: answers the calls of its drawings together.
    """

    def __init__(self, settings: Place, observer: Observer) -> None:
        self.name: str | None = None
        self.company: Company | None = None
        self._settings, self._observer = settings, observer
        self._wanted: Wanted | None = None
        self._pipe: LatentDiffusionPipeline | None = None

    def wanted_by(self, asked: Asked) -> Wanted:
        """The model that a job is drawn with, on the device of this worker."""
        request, inputs, model = asked
        device = parse_device(request.device or self._settings.device)
        changed = {"device": str(device), "dtype": request.dtype or self._settings.dtype}
        changed = {name: value for name, value in changed.items() if value is not None}
        own = type(request).from_record({**request.to_record(), **changed})
        begun = inputs.image is not None
        name = request.model or BUILTIN
        return Wanted(name, device, own, not model.fetched, begun=begun)

    def is_of(self, wanted: Wanted) -> bool:
        """Whether this is the one."""
        return wanted == self._wanted

    def load(self, wanted: Wanted, name: str, begins: Callable[[], None]) -> None:
        """Let go of the one before, and load another.

        Args:
            begins: called once there is none, before the next one is read.

        Raises:
            KakusanError: It cannot be loaded.
        """
        self._pipe = self.company = self._wanted = self.name = None
        self._observer.loaded(None)
        begins()
        pipe = copy.copy(loaded(wanted))
        pipe.set_progress_bar_config(disable=True)
        self._pipe, self.company = pipe, Company(pipe.engine)
        self._wanted, self.name = wanted, name
        self._observer.loaded(name)

    def drawing(self, asked: Asked) -> Drawing:
        """What a job comes to, whose model is loaded.

        Raises:
            KakusanError: The request does not fit the model, or a network is not there.
        """
        assert self._pipe is not None
        request = checked(asked.request, asked.inputs, [], trusted=True)
        nets = named_nets(request, asked.inputs, local_files_only=True)
        return drawing_of(copy.copy(self._pipe), request, asked.inputs, nets)
