"""`kakusan batch`: a table of requests to pictures, and shards of one put together."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from kakusan.cli import (
    batch_options,
    embedding_options,
    lora_options,
    noise_options,
    options,
    prompt_options,
)
from kakusan.cli.console import say, say_path
from kakusan.cli.exits import DONE
from kakusan.cli.live import live
from kakusan.errors import RequestError
from kakusan.quality import FAST
from kakusan.request import Request
from kakusan.vocabulary import COMMAND_LINE

MERGE = "merge"


def batch(
    context: typer.Context,
    tables: batch_options.Tables,
    output: batch_options.Output = None,
    negative: options.Negative = "",
    model: options.Model = "builtin",
    revision: options.Revision = None,
    variant: options.Variant = None,
    unet: options.Unet = None,
    vae: options.Vae = None,
    prediction: options.Prediction = None,
    steps: options.Steps = None,
    guidance: options.Guidance = None,
    seed: batch_options.Seed = None,
    width: options.Width = None,
    height: options.Height = None,
    count: batch_options.Count = None,
    scheduler: options.Scheduler = None,
    rng: noise_options.Rng = None,
    syntax: batch_options.Syntax = None,
    emphasis: prompt_options.Emphasis = None,
    clip_skip: prompt_options.ClipSkip = None,
    wildcards: prompt_options.Wildcards = None,
    embedding: embedding_options.Embedding = None,
    embeddings_dir: embedding_options.Folder = None,
    lora: lora_options.Loras = None,
    lora_dir: lora_options.LoraDirs = None,
    fast: options.Fast = False,
    device: options.Device = None,
    dtype: options.Dtype = None,
    layout: batch_options.Layout = "folder",
    shard_size: batch_options.ShardSize = 1000,
    strict: batch_options.Strict = False,
    shard: batch_options.ShardOption = None,
    run_seed: batch_options.RunSeed = 0,
    window: batch_options.Window = None,
    together: batch_options.Together = 1,
    engine: batch_options.EngineName = None,
    database: batch_options.Database = None,
    ray_address: batch_options.RayAddress = None,
    actors: batch_options.Actors = None,
    actor_cpus: batch_options.ActorCpus = None,
    quiet: options.Quiet = False,
) -> int:
    """Draw every row of TABLE, and print the path of the manifest.

    A row is a request: prompt (or caption, text), negative_prompt, seed, width, height, steps,
    guidance_scale, scheduler, n, id, and every other setting by its name. Other columns go into the
    manifest. The options are for rows that do not say them. Stopped in whatever way, the same
    command goes on where it was.

    `kakusan batch merge FOLDER... -o FOLDER` puts the shards of one table together.
    """
    if output is None:
        raise RequestError(f"-o is missing, as in {context.command_path} {tables[0]} -o out/")
    if tables[0] == MERGE:
        _check_alone(context)
        return _merge(tables[1:], output, quiet)
    if len(tables) > 1:
        raise RequestError(f"one table at a time, not {len(tables)}; put their rows into one")
    settings: dict[str, Any] = {
        "negative_prompt": negative or None,
        "model": model,
        "commit": revision,
        "variant": variant,
        "unet": unet,
        "vae": vae,
        "prediction_type": prediction,
        "num_inference_steps": steps,
        "guidance_scale": guidance,
        "seed": seed,
        "width": width,
        "height": height,
        "num_images_per_prompt": count,
        "scheduler": scheduler,
        "rng": rng,
        "prompt_syntax": syntax,
        "emphasis": emphasis,
        "clip_skip": prompt_options.layers_skipped(clip_skip),
        "embeddings": embedding_options.read(embedding, embeddings_dir),
        "loras": lora_options.read_loras(lora),
        "quality_budget": FAST if fast else None,
        "device": device,
        "dtype": dtype,
    }
    from kakusan.batch.tables import open_table
    from kakusan.cli.batch_engines import Where
    from kakusan.cli.batch_run import Asked, draw

    where = Where.of(engine, database, ray_address, actors, actor_cpus)
    asked = Asked(
        output=output,
        layout=layout,
        shard_size=shard_size,
        strict=strict,
        shard=batch_options.read_shard(shard),
        run_seed=run_seed,
        window=window or where.window,
        together=together,
        where=where,
        settings=_checked(settings),
        wildcards=prompt_options.read_wildcards(wildcards, syntax or ""),
        lora_dirs=lora_options.read_dirs(lora_dir),
        quiet=quiet,
    )
    with open_table(tables[0]) as table, live(quiet) as line:
        code = draw(table, asked, line)
    _say_where(output)
    return code


def _checked(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of all rows, as plain JSON.

    Raises:
        RequestError: One cannot be used, whatever a row says.
    """
    given = {name: value for name, value in settings.items() if value is not None}
    with COMMAND_LINE.spoken():
        Request.of("", **given)
    return json.loads(json.dumps(given))


def _check_alone(context: typer.Context) -> None:
    """See that nothing else was typed for `merge`."""
    taken = ("tables", "output", "quiet")
    for parameter in context.command.params:
        name = parameter.name or ""
        source = context.get_parameter_source(name)
        if name not in taken and source is not None and source.name == "COMMANDLINE":
            raise RequestError(f"`batch merge` takes -o alone, not {parameter.opts[0]}")


def _merge(folders: list[str], output: str, quiet: bool) -> int:
    if not folders:
        raise RequestError("name the folders, as in kakusan batch merge out-0 out-1 -o all")
    from kakusan.batch.merge import merge

    with live(quiet) as line:
        merge(folders, output, lambda done, of: line.step(done / of, f"row {done} of {of}"))
    _say_where(output)
    return DONE


def _say_where(output: str) -> None:
    from kakusan.batch.sinks import MANIFEST

    if "://" in output:
        say(f"{output.rstrip('/')}/{MANIFEST}")
    else:
        say_path(Path(output) / MANIFEST)
