"""What would fail once a job is drawn, seen while its caller still listens."""

import functools
from dataclasses import replace
from typing import TYPE_CHECKING

from kakusan.errors import ArgumentError, CheckpointError, InputError
from kakusan.request import Request
from kakusan.server.errors import FieldError
from kakusan.server.problems import field_of
from kakusan.server.worker.catalog import Catalog
from kakusan.server.worker.entries import Entry

if TYPE_CHECKING:  # torch comes with them
    from kakusan.inputs import Inputs
    from kakusan.pipeline.latent_diffusion import LatentDiffusionPipeline

_MODELS = 8  # whose shapes are kept


def check_ahead(request: Request, inputs: "Inputs", catalog: Catalog) -> None:
    """Check a request as its drawing would, as far as no weights are needed for that.

    Raises:
        InputError: It cannot be drawn.
    """
    from kakusan.pipeline.adapter_check import check_made_for
    from kakusan.pipeline.draw import checked
    from kakusan.pipeline.image_prompts import check_made_for as check_image_prompts
    from kakusan.server.worker.asked import model_of, with_files

    try:
        model, files = model_of(request, catalog), with_files(request, catalog)
        checked(files, inputs, [], trusted=True)
        if (pipe := _pipe(model, inputs)) is not None:
            check_made_for(files, pipe)
            check_image_prompts(files, pipe)
            pipe.drawing(*_without_weights(files, inputs))
    except InputError as error:
        raise _for_callers(error, catalog) from None


def _without_weights(request: Request, inputs: "Inputs") -> tuple[Request, "Inputs"]:
    """What is left to check with a pipeline that has none.

    Of networks that steer there are the shapes. Adapters, and what sees pictures, are left out.
    """
    from kakusan.pipeline.control_nets import named_nets
    from kakusan.pipeline.draw import NAMED_BY_LOADING
    from kakusan.prompts.networks import without_loras

    nets = named_nets(request, inputs, local_files_only=True)
    pairs = zip(inputs.controls, nets, strict=True)
    controls = tuple(replace(each, net=net.network) for each, net in pairs)
    left_out = (*NAMED_BY_LOADING, "loras", "lora_files", "lora_scale", "image_prompts")
    request = replace(request, **dict.fromkeys(left_out))
    if request.syntax == "webui":
        prompts = {name: getattr(request, name) for name in ("prompt", "prompt_2")}
        bare = {
            name: tuple(None if text is None else without_loras(text) for text in texts)
            for name, texts in prompts.items()
            if texts is not None
        }
        request = replace(request, **bare)
    return request, replace(inputs, controls=controls, seen=())


def _for_callers(error: InputError, catalog: Catalog) -> InputError:
    """An error without the owner's paths; what is of no file and no field is about the prompts."""
    said, field = catalog.without_paths(str(error)), field_of(error)
    if field is None and isinstance(error, CheckpointError):
        return InputError(said)
    field = field or "prompt"
    is_whole = isinstance(error, ArgumentError) and said == str(error)  # in any dialect's words
    return error if is_whole else FieldError(field, said)


def _pipe(model: Entry, inputs: "Inputs") -> "LatentDiffusionPipeline | None":
    """A model's pipeline without weights; None where its files do not tell, or are not there."""
    try:
        return _unfilled(model, begun=inputs.image is not None)
    except CheckpointError:
        return None


@functools.lru_cache(maxsize=_MODELS)
def _unfilled(model: Entry, *, begun: bool) -> "LatentDiffusionPipeline":
    from kakusan.pipeline.unfilled import unfilled

    return unfilled(model.source, begun=begun)
