"""`kakusan worker`: a machine that draws what others ask for, by way of a shared database."""

import os
from pathlib import Path
from typing import Annotated

import typer

from kakusan.cli import options
from kakusan.cli.console import remark
from kakusan.cli.server_options import (
    DATABASE,
    SERVER,
    ControlModels,
    Embeddings,
    IPAdapters,
    LogFormat,
    LoraDirs,
    Models,
    Vaes,
    check_installed,
    check_log_format,
    checked_queue,
    limit,
)
from kakusan.errors import InputError


def worker(
    database: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help=f"Such as postgresql://user@host/name; else what {DATABASE} says.",
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Of a server with this database, to draw its jobs, too; both must see it.",
        ),
    ] = None,
    model: Models = None,
    lora_dir: LoraDirs = None,
    embeddings: Embeddings = None,
    control_model: ControlModels = None,
    vae: Vaes = None,
    ip_adapter: IPAdapters = None,
    device: options.Device = None,
    dtype: options.Dtype = None,
    together: Annotated[
        int,
        limit(
            "N",
            options.whole_number(1, 256),
            "Pictures of a server's jobs drawn at a time, which share steps.",
        ),
    ] = 16,
    drain: Annotated[
        float,
        limit(
            "SECONDS",
            options.any_number(0),
            "That what is drawn has when the worker is asked to stop.",
        ),
    ] = 20.0,
    log_format: LogFormat = "text",
) -> int:
    """Draw what a queue holds, for batches and servers elsewhere.

    These are rows of `kakusan batch --engine workers`, and with --data the jobs of a server as
    well. Start one on each machine, or for each device of one. It ends with Ctrl-C, and other
    workers go on with what it had not finished.
    """
    check_installed("worker", (*SERVER, "psycopg"), "server,postgres")
    check_log_format(log_format)
    url = checked_queue(os.environ.get(DATABASE) if database is None else database)
    named = {
        "--model": model,
        "--lora-dir": lora_dir,
        "--embeddings": embeddings,
        "--control-model": control_model,
        "--vae": vae,
        "--ip-adapter": ip_adapter,
    }
    for name, value in named.items():
        if value and data is None:
            raise InputError(
                f"{name} is for the jobs of a server, and rows name their own; give --data, the "
                "server's folder, or leave it out"
            )
    from kakusan.server.logs import logged
    from kakusan.server.settings import Settings, usual_data_folder

    settings = Settings(
        data=(usual_data_folder() if data is None else data.expanduser()).absolute(),
        models=tuple(model or ()),
        loras=tuple(lora_dir or ()),
        embeddings=tuple(embeddings or ()),
        controls=tuple(control_model or ()),
        vaes=tuple(vae or ()),
        ip_adapters=tuple(ip_adapter or ()),
        device=device,
        dtype=dtype,
        together=together,
        drain=drain,
    )
    from kakusan.batch.on_queue.worker import work

    with logged(log_format):
        return work(
            url,
            settings,
            jobs=data is not None,
            announce=lambda: remark("drawing what the queue holds; Ctrl-C ends it"),
        )
