"""What the worker tells of its work, as metrics."""

from kakusan.server.metrics import Metrics
from kakusan.server.worker.observing import Observer

_SIDES = (256, 384, 512, 768, 1024, 1536, 2048)
_ROWS = (1, 2, 4, 8, 16, 32, 64)


class Working(Observer):
    """Counts it; labels are of few values."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._model: str | None = None

    def loaded(self, model: str | None) -> None:
        if self._model is not None:
            self._metrics.model_loaded.remove(self._model)
        if model is not None:
            self._metrics.model_loaded.labels(model).set(1)
        self._model = model

    def encoded(self, seconds: float) -> None:
        self._metrics.text_seconds.observe(seconds)

    def stepped(self, model: str, pixels: int, rows: int, seconds: float) -> None:
        size = _up_to(pixels**0.5, _SIDES)
        self._metrics.step_seconds.labels(model, size, _up_to(rows, _ROWS)).observe(seconds)
        self._metrics.batch_rows.observe(rows)

    def decoded(self, seconds: float) -> None:
        self._metrics.decode_seconds.observe(seconds)

    def redone(self) -> None:
        self._metrics.redone.inc()

    def resumed(self) -> None:
        self._metrics.resumed.inc()

    def lost(self) -> None:
        self._metrics.lease_lost.inc()


def _up_to(value: float, limits: tuple[int, ...]) -> str:
    """The first of some limits that a value does not exceed."""
    return next((str(each) for each in limits if value <= each), "larger")
