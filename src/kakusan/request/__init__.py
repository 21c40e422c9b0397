"""What is asked for, as plain JSON that is checked before any work. Imports no torch.

`request.py` has the whole `Request`. What one subject asks for is a base of it in its own file: the
sizes of SDXL, the syntax of prompts, whose randomness, LoRAs, embeddings, pictures that steer,
masks, a second pass, tiles. `checks.py` checks one value.
"""

from kakusan.request.checks import MAX_SIZE as MAX_SIZE
from kakusan.request.checks import MAX_STEPS as MAX_STEPS
from kakusan.request.checks import SIZE_STEP as SIZE_STEP
from kakusan.request.controls import CONTROL_MODES as CONTROL_MODES
from kakusan.request.controls import ControlAsked as ControlAsked
from kakusan.request.masks import MASKED_CONTENTS as MASKED_CONTENTS
from kakusan.request.masks import OUTSIDES as OUTSIDES
from kakusan.request.randomness import RANDOM_SEEDS as RANDOM_SEEDS
from kakusan.request.randomness import SEEDS as SEEDS
from kakusan.request.request import DEFAULT_GUIDANCE as DEFAULT_GUIDANCE
from kakusan.request.request import DEFAULT_STEPS as DEFAULT_STEPS
from kakusan.request.request import MAX_GUIDANCE as MAX_GUIDANCE
from kakusan.request.request import MAX_PICTURES as MAX_PICTURES
from kakusan.request.request import MAX_SKIPPED as MAX_SKIPPED
from kakusan.request.request import Request as Request
from kakusan.request.request import reproducible as reproducible
from kakusan.request.second_pass import Enlargement as Enlargement
from kakusan.request.second_pass import SecondPass as SecondPass
from kakusan.request.steered import DEFAULT_STRENGTH as DEFAULT_STRENGTH
from kakusan.request.steered import RESIZE_MODES as RESIZE_MODES
from kakusan.request.steered import PictureFile as PictureFile
from kakusan.request.tiled import Upscale as Upscale
