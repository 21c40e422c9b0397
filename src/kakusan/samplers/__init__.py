"""What samplers and noise schedules are called: one table for every tool's names, without torch.

AUTOMATIC1111's and ComfyUI's names mean what those tools do: k-diffusion's functions on their own
noise levels (the setting `sigma_schedule`). The reference library's class names, and InvokeAI's
where only InvokeAI has them, mean the reference's. Case, spaces, hyphens, underscores and plus
signs do not matter. What several tools mean differently is decided so:

- A name of AUTOMATIC1111's wins: "euler" and "dpmpp_2m" are its Euler and DPM++ 2M.
- Without a word for the schedule it is AUTOMATIC1111's automatic one: "DPM++ 2M" is on Karras's.
- "Beta" and "KL Optimal" are AUTOMATIC1111's, but with a slash ComfyUI's: "euler/beta".
- DDIM, PLMS, UniPC, DEIS, LCM and TCD are the reference's on its timesteps, UniPC and DEIS with a
  schedule on its nearest one. Other schedules change nothing of them, as in AUTOMATIC1111's, and
  that is said; but "ddim/karras" is ComfyUI's, which is Euler, and DDPM with one Euler a.
- UniPC's variant and order are the tools' own: "uni_pc_bh2" is ComfyUI's, "UniPC" the other.
- A word of the reference's for timesteps, such as "euler trailing", means the reference's sampler.
- "DPM++ 2S" and "DPM++ 3M" without more are InvokeAI's, the reference's solvers; its "kdpm_2"
  cannot be told from AUTOMATIC1111's "k_dpm_2", and is that.
"""

from kakusan.samplers.elsewhere import ABSENT as ABSENT
from kakusan.samplers.elsewhere import ELSEWHERE as ELSEWHERE
from kakusan.samplers.elsewhere import classes as classes
from kakusan.samplers.meanings import meaning_of as meaning_of
from kakusan.samplers.messages import unknown as unknown
from kakusan.samplers.schedules import SCHEDULES as SCHEDULES
from kakusan.samplers.schedules import label_of as label_of
from kakusan.samplers.schedules import on_schedule as on_schedule
from kakusan.samplers.schedules import schedules_of as schedules_of
from kakusan.samplers.table import SAMPLERS as SAMPLERS
from kakusan.samplers.table import Meaning as Meaning
from kakusan.samplers.table import Sampler as Sampler
