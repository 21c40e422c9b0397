"""Which schedulers the reference library has, to be compared with."""

import diffusers

from kakusan.schedulers import SCHEDULERS, SHORT_NAMES

# For models on EDM's noise levels alone; tests/schedulers/test_edm.py compares them
OF_EDM = ("EDMDPMSolverMultistepScheduler", "EDMEulerScheduler")
ON_TIMESTEPS = {name: kind for name, kind in SCHEDULERS.items() if name not in OF_EDM}
# The reference's needs torchsde; tests/schedulers/test_golden.py has runs that it made.
WITHOUT = {"DPMSolverSDEScheduler"}
IN_REFERENCE = [name for name in ON_TIMESTEPS if hasattr(diffusers, name) and name not in WITHOUT]
SHORT_IN_REFERENCE = [
    short for short, (kind, _) in SHORT_NAMES.items() if kind.__name__ in IN_REFERENCE
]
