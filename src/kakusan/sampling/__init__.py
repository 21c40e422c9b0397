"""From noise to clean latents: guidance, steering, one picture's way, and many driven together."""

from kakusan.sampling.chained import Chained
from kakusan.sampling.composed import Composed
from kakusan.sampling.guidance import Guidance, Guided, Prompt
from kakusan.sampling.loop import Driven, Predict, drive, one_round
from kakusan.sampling.reuse import Reused
from kakusan.sampling.start import Start
from kakusan.sampling.state import ChainedState, TrajectoryState
from kakusan.sampling.steering import Steering
from kakusan.sampling.step import Step, View
from kakusan.sampling.timeline import Scheduled, Timeline
from kakusan.sampling.trajectory import Trajectory, step_options
from kakusan.sampling.watched import Halves, Watched

__all__ = [
    "Chained",
    "ChainedState",
    "Composed",
    "Driven",
    "Guidance",
    "Guided",
    "Halves",
    "Predict",
    "Prompt",
    "Reused",
    "Scheduled",
    "Start",
    "Steering",
    "Step",
    "Timeline",
    "Trajectory",
    "TrajectoryState",
    "View",
    "Watched",
    "drive",
    "one_round",
    "step_options",
]
