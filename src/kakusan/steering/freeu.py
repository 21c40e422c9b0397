"""FreeU (arXiv:2309.11497): better pictures of the same UNet, by weighing its way up."""

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from kakusan.engine import Engine
from kakusan.inputs import Inputs
from kakusan.models import FreeU, UNetCall, within
from kakusan.request import Request
from kakusan.request.freeu import FreeUWeights
from kakusan.sampling import Steering
from kakusan.schedulers import Generators
from kakusan.steering.way import Call, Completed, Prepared, Way


class Weighed(Steering):
    """Has the UNet weigh its way up at every step."""

    marks_pictures: ClassVar[bool] = True

    def __init__(self, freeu: FreeU) -> None:
        self._freeu = freeu

    def ask(self, call: UNetCall) -> UNetCall:
        return call._replace(freeu=self._freeu)


class WeighedWayUp(Way):
    """FreeU, where the request asks for it, or the UNet has it on."""

    def complete(self, request: Request, inputs: Inputs, engine: Engine) -> Completed:
        del inputs
        own = within(engine.unet).freeu
        if request.freeu is not None or own is None:
            return Completed(request)
        return Completed(replace(request, freeu=FreeUWeights(*own)))

    def prepare(self, call: Call) -> Prepared | None:
        weights = call.request.freeu
        return None if weights is None else _Everywhere(FreeU(*weights))


class _Everywhere(Prepared):
    def __init__(self, freeu: FreeU) -> None:
        self._freeu = freeu

    def steering(self, pictures: range, generator: Generators) -> Sequence[Steering]:
        del pictures, generator
        return [Weighed(self._freeu)]
