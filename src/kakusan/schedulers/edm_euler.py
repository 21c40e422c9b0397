"""Euler's method on EDM's noise levels (arXiv:2206.00364), which CosXL is drawn with."""

from dataclasses import dataclass

from kakusan.schedulers.edm_scheduler import EdmConfig, EdmScheduler
from kakusan.schedulers.euler import EulerMethod


@dataclass(frozen=True, kw_only=True, eq=False)
class EDMEulerConfig(EdmConfig):
    """Settings of `EDMEulerScheduler`."""

    class_name = "EDMEulerScheduler"


class EDMEulerScheduler(EdmScheduler[EDMEulerConfig], EulerMethod[EDMEulerConfig]):
    """One model call a step, computed in float32 whatever the latents' dtype."""

    config_class = EDMEulerConfig
