"""What is counted, under Prometheus' names. Values come from the queue, the worker and requests.

Labels are of few values: a route's template, a state, a dialect; never a prompt or a caller.
"""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from kakusan import __version__

_SECONDS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)
Values = dict[str, tuple[str, float]]  # by name: what it is, and how much
_ROWS = (1, 2, 4, 8, 16, 32, 64)
_FAST = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)


class Metrics:
    """One server's, in a registry of its own, so that two in one process do not meet."""

    def __init__(self) -> None:
        own = self.registry = CollectorRegistry()
        self.jobs = Counter(
            "kakusan_jobs", "Jobs that have ended.", ["state", "dialect"], registry=own
        )
        self.queue_wait = Histogram(
            "kakusan_queue_wait_seconds",
            "From handing in to the first step.",
            buckets=_SECONDS,
            registry=own,
        )
        self.job_seconds = Histogram(
            "kakusan_job_seconds", "From the first step to the end.", buckets=_SECONDS, registry=own
        )
        self.pictures = Counter("kakusan_pictures", "Pictures that are finished.", registry=own)
        self._of_work(own)
        self.database = Histogram(
            "kakusan_db_seconds", "Calls of the database.", buckets=_FAST, registry=own
        )
        self.database_errors = Counter(
            "kakusan_db_errors", "Calls that the database refused.", registry=own
        )
        self.requests = Counter(
            "kakusan_http_requests", "Answers.", ["route", "method", "code"], registry=own
        )
        self.http_seconds = Histogram(
            "kakusan_http_seconds",
            "From a request's head to the end of its answer, but for streams.",
            ["route"],
            buckets=_FAST,
            registry=own,
        )
        ProcessCollector(registry=own)  # memory, processor seconds and open files, on Linux
        build = Gauge("kakusan_build_info", "The version.", ["version"], registry=own)
        build.labels(version=__version__).set(1)

    def _of_work(self, own: CollectorRegistry) -> None:
        """What the worker tells of."""
        self.step_seconds = Histogram(
            "kakusan_step_seconds",
            "A step of pictures that share the calls of the UNet.",
            ["model", "size", "rows"],
            buckets=_SECONDS,
            registry=own,
        )
        self.batch_rows = Histogram(
            "kakusan_batch_rows", "Rows of the UNet in a step.", buckets=_ROWS, registry=own
        )
        self.text_seconds = Histogram(
            "kakusan_text_seconds",
            "Encoding the prompts and the given pictures of a job.",
            buckets=_SECONDS,
            registry=own,
        )
        self.decode_seconds = Histogram(
            "kakusan_decode_seconds", "Decoding a picture.", buckets=_SECONDS, registry=own
        )
        self.lease_lost = Counter(
            "kakusan_lease_lost",
            "Jobs that another worker took, or that were deleted, while they were drawn.",
            registry=own,
        )
        self.resumed = Counter(
            "kakusan_jobs_resumed", "Jobs that went on from a saved state.", registry=own
        )
        self.redone = Counter(
            "kakusan_nan_redo", "Pictures that were computed again in float32.", registry=own
        )
        self.model_loaded = Gauge(
            "kakusan_model_loaded", "1 for the model that is loaded.", ["model"], registry=own
        )


class Now(Collector):
    """What is so at the moment of asking.

    Attributes:
        values: replaced before each answer, as a whole.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.values = Values()
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        for name, (says, value) in self.values.items():
            yield GaugeMetricFamily(name, says, value=value)
