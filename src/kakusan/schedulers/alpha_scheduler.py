"""Schedulers that work on training timesteps and `alphas_cumprod`: PNDM, DDIM, DDPM."""

import numpy as np
import torch
from torch import Tensor

from kakusan.errors import RequestError
from kakusan.schedulers import schedule
from kakusan.schedulers.prediction import predicted_clean, spread
from kakusan.schedulers.scheduler import ConfigT, Scheduler, Timestep


class AlphaScheduler(Scheduler[ConfigT]):
    """A sampler of `x = sqrt(a) * clean + sqrt(1 - a) * noise` with `a = alphas_cumprod[timestep]`.

    Latents keep variance 1, so the model sees them as they are. Coefficients are float32 scalars;
    tensors keep their own dtype.
    """

    @property
    def init_noise_sigma(self) -> float:
        return 1.0

    def scale_model_input(self, sample: Tensor, timestep: Timestep) -> Tensor:  # noqa: ARG002
        return sample

    def sigma_at(self, timestep: Timestep) -> float:
        alpha_cumprod = self.alphas_cumprod[int(timestep)]
        return float(((1 - alpha_cumprod) / alpha_cumprod) ** 0.5)

    def denoised(self, model_output: Tensor, timestep: Timestep, sample: Tensor) -> Tensor:
        alpha_cumprod = self.alphas_cumprod[int(timestep)]
        return predicted_clean(
            self.config.prediction_type,
            model_output,
            sample,
            alpha_cumprod**0.5,
            (1 - alpha_cumprod) ** 0.5,
        )

    def add_noise(self, original_samples: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        alphas = self.alphas_cumprod.to(original_samples)[
            timesteps.to(original_samples.device, torch.int64)
        ]
        kept, added = spread(alphas**0.5, original_samples), spread((1 - alphas) ** 0.5, noise)
        return kept * original_samples + added * noise

    def _prepare(self) -> None:
        self.timesteps = torch.arange(self.config.num_train_timesteps).flip(0)

    def _spaced(self, steps: int) -> list[int]:
        """Training timesteps from noisy to clean."""
        c = self.config
        spaced = schedule.spaced_timesteps(
            c.timestep_spacing, steps, c.num_train_timesteps, c.steps_offset
        )
        timesteps = [int(each) for each in np.round(spaced)]
        self._check_in_schedule(timesteps[0], steps)
        if self.alphas_cumprod[timesteps[0]] == 0 and c.prediction_type == "epsilon":
            raise RequestError(
                "rescale_betas_zero_snr makes the first step pure noise, of which epsilon "
                "prediction tells nothing; use a v_prediction model or timestep_spacing='leading'"
            )
        return timesteps

    def _alpha_cumprod_at(self, timestep: int) -> Tensor:
        """`alphas_cumprod`; past the clean end, 1 if `set_alpha_to_one`, else the cleanest."""
        if timestep < 0 and self.config.get("set_alpha_to_one") is True:
            return torch.tensor(1.0)
        return self.alphas_cumprod[max(timestep, 0)]

    def _stride(self) -> int:
        """Training timesteps from one level of the run to the next."""
        return self.config.num_train_timesteps // self._steps_of_run()

    def _steps_of_run(self) -> int:
        if self.num_inference_steps is None:
            raise RequestError("no run has begun; call set_timesteps(steps) before step")
        return self.num_inference_steps
