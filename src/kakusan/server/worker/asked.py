"""From a job to what the pipeline draws: names of the catalog become files, ids pictures."""

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from kakusan.errors import ArgumentError
from kakusan.inputs import Inputs, recorded_inputs
from kakusan.pipeline.parsed_prompts import names_in
from kakusan.request import Request
from kakusan.request.controls import ControlAsked
from kakusan.request.image_prompts import ImagePrompt
from kakusan.request.loras import LoraFile
from kakusan.server.queue.files import Files
from kakusan.server.queue.job import Job
from kakusan.server.worker.catalog import Catalog
from kakusan.server.worker.entries import Entry


class Asked(NamedTuple):
    """What a job asks for, as the pipeline takes it, and with which model."""

    request: Request
    inputs: Inputs
    model: Entry


def asked_by(job: Job, catalog: Catalog, files: Files) -> Asked:
    """A job's request with the owner's files in the place of names.

    Raises:
        InputError: Something of it is not in the catalog, or not kept any more.
    """
    request = Request.from_record(job.submission.request)
    if request.unet is not None:
        raise ArgumentError("{unet} cannot be exchanged here; name a {model} that has it")
    model = model_of(request, catalog)
    handed_in = [os.fspath(files.input(id)) for id in job.submission.inputs]
    inputs = recorded_inputs(request, handed_in or None)
    request = with_files(request, catalog)
    return Asked(request, inputs, model)


def model_of(request: Request, catalog: Catalog) -> Entry:
    """The model that a request names, or the usual one.

    Raises:
        UnknownNameError: There is none of that name.
    """
    name = request.model
    return catalog.usual_model if name is None else catalog.find("model", name)


def with_files(request: Request, catalog: Catalog) -> Request:
    """A request with the owner's files in the place of names.

    Raises:
        InputError: Something of it is not in the catalog.
    """
    vae = None if request.vae is None else catalog.find("vae", request.vae).source
    loras = [*(lora.name for lora in request.loras or ()), *names_in(request)]
    found = {each: _lora(each, catalog) for each in dict.fromkeys(loras)}
    controls = tuple(_control(each, catalog) for each in request.controls or ())
    prompts = tuple(_image_prompt(each, catalog) for each in request.image_prompts or ())
    return replace(
        request,
        model=model_of(request, catalog).source,
        vae=vae,
        lora_files=found or None,
        embeddings=tuple(_embedding(each, catalog) for each in request.embeddings or ()) or None,
        controls=controls or None,
        image_prompts=prompts or None,
    )


def told(record: Mapping[str, Any], model: Entry, catalog: Catalog) -> dict[str, Any]:
    """A picture's record with names in the place of the owner's files."""
    named: dict[str, Any] = catalog.without_paths(record)
    return named if named.get("model") is None else {**named, "model": model.name}


def _lora(name: str, catalog: Catalog) -> LoraFile:
    return LoraFile(catalog.find("lora", name).source)


def _embedding(entry: Mapping[str, str], catalog: Catalog) -> dict[str, str]:
    found = catalog.find("embedding", entry["file"])
    return {**entry, "file": found.source}


def _control(asked: ControlAsked, catalog: Catalog) -> ControlAsked:
    if asked.model is None:
        raise ArgumentError("one of {controls} names no network; name one of the server's")
    return asked._replace(model=catalog.find("controlnet", asked.model).source)


def _image_prompt(asked: ImagePrompt, catalog: Catalog) -> ImagePrompt:
    if asked.encoder is not None:
        raise ArgumentError("{image_encoder} is the server's to choose; leave it out")
    if asked.model is None:
        raise ArgumentError("{image_prompts} names no IP-Adapter; name one of the server's")
    return asked._replace(model=catalog.find("ip_adapter", asked.model).source)
