"""What is said when a call of AUTOMATIC1111's API cannot be answered."""

from collections.abc import Mapping
from typing import Any

from kakusan.errors import ArgumentError, KakusanError
from kakusan.server.access.refusals import Said, authenticating
from kakusan.server.problems import Problem, problem_of

_BASIC = 'Basic realm="kakusan", charset="UTF-8"'

# What its users call the settings of a request
WORDS: Mapping[str, str] = {
    "num_inference_steps": "steps",
    "guidance_scale": "cfg_scale",
    "num_images_per_prompt": "batch_size times n_iter",
    "scheduler": "sampler_name",
    "clip_skip": "CLIP_stop_at_last_layers",
    "image": "init_images",
    "strength": "denoising_strength",
    "masked_content": "inpainting_fill",
    "only_masked": "inpaint_full_res_padding",
    "soft_mask": "mask_round",
    "rng": "randn_source",
    "ensd": "eta_noise_seed_delta",
    "variation_seed": "subseed",
    "variation_strength": "subseed_strength",
    "seed_resize": "seed_resize_from_w and seed_resize_from_h",
    "second_pass": "the second pass (enable_hr)",
    "controls": "ControlNet",
    "model": "sd_model_checkpoint",
    "vae": "sd_vae",
    "pad_conds": "pad_cond_uncond",
    "old_timelines": "use_old_scheduling",
}


class ApiError(Exception):
    """A call that is refused.

    Attributes:
        status: of HTTP.
        detail: one line for the caller.
        kind: what the API calls such an error.
        more: a line that says more, where `detail` is the API's own.
    """

    def __init__(
        self, status: int, detail: str, kind: str = "HTTPException", *, more: str | None = None
    ) -> None:
        super().__init__(more or detail)
        self.status, self.detail, self.kind, self.more = status, detail, kind, more or detail

    def body(self) -> dict[str, Any]:
        """As clients of either reading find it: under `detail`, and under `errors`."""
        return {"error": self.kind, "detail": self.detail, "body": "", "errors": self.more}


def refused(detail: str) -> ApiError:
    """For a field that cannot be used."""
    return ApiError(422, detail)


def of_kakusan(error: KakusanError) -> ApiError:
    """For what kakusan says, in the words of the API."""
    if isinstance(error, ArgumentError):
        error = error.in_words(WORDS)
    return ApiError(problem_of(error).status, str(error), type(error).__name__)


def form_of(problem: Problem, path: str) -> Said:  # noqa: ARG001
    """A problem that no call of the API has come to; clients give a name and a password."""
    error = ApiError(problem.status, problem.detail)
    if problem.status == 401:
        told = "the password is the server's token, the name is anything"
        error = ApiError(401, "Incorrect username or password", more=told)
    return Said(error.body(), authenticating(problem, _BASIC))
