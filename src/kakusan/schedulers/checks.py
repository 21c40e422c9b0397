"""What a run may be asked for: so many steps, given timesteps, or given noise levels."""

import operator
from collections.abc import Sequence
from itertools import pairwise

from kakusan.errors import ArgumentError
from kakusan.schedulers.config import SchedulerConfig
from kakusan.schedulers.edm import MODELS
from kakusan.schedulers.spacings import setting_of


def check_one_given(steps: object, timesteps: object, sigmas: object) -> None:
    """Raise `ArgumentError` unless exactly one of them is given."""
    given = {"num_inference_steps": steps, "timesteps": timesteps, "sigmas": sigmas}
    named = [name for name, value in given.items() if value is not None]
    if len(named) != 1:
        raise ArgumentError(
            "set_timesteps takes exactly one of {num_inference_steps}, {timesteps}, {sigmas}; "
            "got {0}",
            " and ".join(named) or "none",
        )


def checked_steps(steps: object, config: SchedulerConfig) -> int:
    """A whole number of steps, of which there are no more than training timesteps."""
    return checked_count("{num_inference_steps}", steps, config)


def checked_count(name: str, count: object, config: SchedulerConfig) -> int:
    """A whole number from 1 to that of training timesteps; `name` is the argument's, in braces."""
    most = config.num_train_timesteps
    try:
        number = operator.index(count)  # pyright: ignore[reportArgumentType]
    except TypeError:
        number = 0
    if isinstance(count, bool) or not 1 <= number <= most:
        raise ArgumentError(name + " is {0!r}; allowed: 1 to {1}", count, most)
    return number


def checked_timesteps(timesteps: Sequence[float], config: SchedulerConfig) -> list[float]:
    """Training timesteps that fall strictly; they leave no room for a spacing of sigmas."""
    if config.edm is not None:
        raise ArgumentError("custom {{timesteps}} are of training, which {0} does not have", MODELS)
    if config.sigma_spacing is not None:
        key = setting_of(config.sigma_spacing)
        raise ArgumentError(f"custom {{timesteps}} contradict {key}=True; set that to False")
    if config.ladder not in (None, "uniform"):  # which is said where nothing is meant by it
        raise ArgumentError(
            "custom {timesteps} contradict sigma_schedule={0!r}; set that to None", config.ladder
        )
    values = [float(each) for each in timesteps]
    last = config.num_train_timesteps - 1
    within = all(0 <= each <= last for each in values)
    if not values or not within or any(a <= b for a, b in pairwise(values)):
        raise ArgumentError(
            "{timesteps} must fall strictly, within {0} to 0; got {1}", last, values[:8]
        )
    return values


def checked_sigmas(sigmas: Sequence[float]) -> list[float]:
    """Noise levels that fall strictly, the last of them where the run ends."""
    values = [float(each) for each in sigmas]
    falling = all(a > b for a, b in pairwise(values))
    if len(values) < 2 or not falling or values[-1] < 0 or not values[0] < float("inf"):
        raise ArgumentError(
            "{sigmas} must be two or more numbers, falling strictly to 0 or above; got {0}",
            values[:8],
        )
    return values
