"""Does a change draw the same pictures? Some sixty requests, in a commit and in the working tree.

    python -m tests.frozen COMMIT [--only NAME]

Both are run on this machine, since processors round differently, with the package's own kernels
and without. Every result's pixels or tensors and its records are compared, and it says "equal", or
names each request that differs and by how much. The checkpoints are the tests' tiny ones and the
built-in model.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[1]
SHORT = (
    *("pndm", "lms", "heun", "ddim", "ddpm", "euler", "euler-a"),
    *("dpmpp-2m", "dpmpp-2m-karras", "dpmpp-2m-sde", "dpmpp-2m-sde-karras"),
)

FAILED = "failed"  # marks a request that ended in an error
Result = tuple[list[Any], list[Any]]  # pictures or tensors, and records
Case = Callable[["Models"], Result]


class Models:
    """The pipelines that the requests share, each loaded when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, name: str) -> str:
        return name if name == "builtin" else str(self.folder / name)

    def pipe(self, name: str, scheduler: str | None = None, dtype: str | None = None) -> Any:
        import kakusan
        from kakusan.schedulers import named_scheduler

        pipe = kakusan.StableDiffusionPipeline.from_pretrained(self.path(name), torch_dtype=dtype)
        pipe.set_progress_bar_config(disable=True)
        if scheduler is not None:
            pipe.scheduler = named_scheduler(scheduler, pipe.scheduler)
        return pipe


def call(
    name: str, prompt: Any = "a cat", *, scheduler: str | None = None, **settings: Any
) -> Case:
    """A call of the pipeline; a function among the settings makes its value anew."""
    dtype = settings.pop("dtype", None)

    def run(models: Models) -> Result:
        pipe = models.pipe(name, scheduler, dtype)
        given = {"num_inference_steps": 4, "seed": 7, **settings}
        given = {k: v(pipe) if getattr(v, "made", False) else v for k, v in given.items()}
        given = {key: value for key, value in given.items() if value is not None}
        output = pipe(prompt, **given)
        images = output.images
        return list(images), [*output.records, {"flags": output.nsfw_content_detected}]

    return run


def made(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Marks a setting that is made of the pipeline."""
    function.made = True  # pyright: ignore[reportFunctionMemberAccess]
    return function


@made
def one_generator(_pipe: Any) -> Any:
    import torch

    return torch.Generator().manual_seed(11)


@made
def two_generators(_pipe: Any) -> Any:
    import torch

    return [torch.Generator().manual_seed(seed) for seed in (3, 4)]


@made
def some_latents(pipe: Any) -> Any:
    import torch

    side = pipe.unet.config.sample_size
    return torch.randn(1, 4, side, side, generator=torch.Generator().manual_seed(2))


def embeds(seed: int, tokens: int = 77) -> Callable[[Any], Any]:
    @made
    def of(pipe: Any) -> Any:
        import torch

        shape = (1, tokens, pipe.unet.config.cross_attention_dim)
        return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))

    return of


@made
def looking(_pipe: Any) -> Any:
    return lambda _pipe, _index, _timestep, tensors: tensors


@made
def halving(_pipe: Any) -> Any:
    def callback(_pipe: Any, index: int, _timestep: Any, tensors: Any) -> Any:
        return {"latents": tensors["latents"] * 0.5} if index == 1 else {}

    return callback


@made
def rewriting(_pipe: Any) -> Any:
    def callback(_pipe: Any, index: int, _timestep: Any, tensors: Any) -> Any:
        if index != 1:
            return {}
        return {
            "prompt_embeds": tensors["prompt_embeds"] * 0.7,
            "negative_prompt_embeds": tensors["negative_prompt_embeds"] * 0.9,
        }

    return callback


@made
def stopping(_pipe: Any) -> Any:
    def callback(pipe: Any, index: int, _timestep: Any, _tensors: Any) -> Any:
        if index == 2:
            pipe._interrupt = True

    return callback


def generated(prompt: Any = "a fox on teal", **settings: Any) -> Case:
    def run(models: Models) -> Result:
        import kakusan

        if "model" in settings:
            settings["model"] = models.path(settings["model"])
        found = kakusan.generate(prompt, **{"seed": 5, "progress": False, **settings})
        return [each.image for each in found], [each.record for each in found]

    return run


def global_noise(scheduler: str) -> Case:
    """Without a seed or a generator, torch's own draws."""

    def run(models: Models) -> Result:
        import torch

        torch.manual_seed(19)
        return call("v1", scheduler=scheduler, seed=None, num_images_per_prompt=2)(models)

    return run


def streamed(name: str, **settings: Any) -> Case:
    def run(models: Models) -> Result:
        steps = list(models.pipe(name).stream("a cat", seed=2, num_inference_steps=4, **settings))
        rows = [(i, step, row) for step in steps for row, i in enumerate(step.pictures)]
        rows.sort(key=lambda each: (each[0], each[1].index))  # picture by picture
        shown = [each[row] for _, s, row in rows for each in (s.latents, s.denoised)]
        told = [[i, s.index, s.total, s.timestep, s.sigma] for i, s, _ in rows]
        views = [pictures[row] for _, s, row in rows for pictures in (s.preview(), s.decode())]
        return [*shown, *views], told

    return run


def interrupted(models: Models) -> Result:
    import kakusan

    count = 0

    def callback(*_: Any) -> dict[str, Any]:
        nonlocal count
        count += 1
        if count == 7:
            raise KeyboardInterrupt
        return {}

    try:
        call("v1", num_images_per_prompt=3, callback_on_step_end=callback)(models)
    except kakusan.GenerationInterrupted as stopped:
        return list(stopped.finished), [count]
    raise AssertionError("was not interrupted")


def interrupted_generate(models: Models) -> Result:
    import kakusan

    def stop(picture: Any) -> None:
        if picture.record["seed"] == 6:
            raise KeyboardInterrupt

    try:
        kakusan.generate(
            "a cat", model=models.path("v1"), seed=5, count=4, steps=2, dtype="float32",
            on_picture=stop, progress=False,
        )  # fmt: skip
    except kakusan.GenerationInterrupted as stopped:
        return [p.image for p in stopped.finished], [p.record for p in stopped.finished]
    raise AssertionError("was not interrupted")


def again(models: Models) -> Result:
    import kakusan

    settings: dict[str, Any] = {"scheduler": "euler-a", "guidance": 4.0, "steps": 3, "width": 80}
    (first,) = kakusan.generate(
        "a cat", model=models.path("v1"), seed=5, dtype="float32", progress=False, **settings
    )
    second = kakusan.reproduce(json.loads(json.dumps(first.record)), progress=False)
    return [first.image, second.image], [first.record, second.record]


def article(models: Models) -> Result:
    """The loop as the article writes it, part by part."""
    import torch

    pipe = models.pipe("v1", "lms")
    ids = pipe.tokenizer(
        ["a cat"], padding="max_length", max_length=77, truncation=True, return_tensors="pt"
    ).input_ids
    with torch.no_grad():
        text = pipe.text_encoder(ids)[0]
        latents = torch.randn(1, 4, 8, 8, generator=torch.manual_seed(1))
        pipe.scheduler.set_timesteps(5)
        latents = latents * pipe.scheduler.init_noise_sigma
        for t in pipe.scheduler.timesteps:
            shown = pipe.scheduler.scale_model_input(torch.cat([latents] * 2), t)
            both = pipe.unet(shown, t, encoder_hidden_states=torch.cat([text * 0.5, text])).sample
            one, two = both.chunk(2)
            latents = pipe.scheduler.step(one + 7.5 * (two - one), t, latents).prev_sample
        image = pipe.vae.decode(latents / 0.18215).sample
    return [latents, image], []


def looked_inside(models: Models) -> Result:
    from kakusan import inspect

    pipe = models.pipe("builtin")
    found = inspect.denoising(pipe, "a cat on red", seed=3, num_inference_steps=4)
    way = inspect.walk(pipe, "a cat", "a dog", pictures=3, seed=3, num_inference_steps=3)
    maps = inspect.attention_maps(pipe, "a cat on red", seed=3, num_inference_steps=3)
    return [*found.pictures, *way.pictures, *maps.maps, maps.image], [list(found.timesteps)]


def compared(models: Models) -> Result:
    from kakusan import inspect

    axes: dict[str, Any] = {"x": {"steps": [2, 3]}, "y": {"scheduler": ["ddim", "euler-a"]}}
    found = inspect.experiment("a cat on red", seed=3, **axes)
    return [p.image for row in found.pictures for p in row], [found.record]


def cases() -> Iterator[tuple[str, Case]]:
    for name in SHORT:
        yield f"v1 {name}", call("v1", scheduler=name)
    for name in ("pndm", "heun", "ddim", "ddpm", "euler", "dpmpp-2m-karras", "lms", "euler-a"):
        yield f"v2 {name}", call("v2", scheduler=name, negative_prompt="a dog", width=72)
    for name in ("heun", "euler-a", "dpmpp-2m"):
        yield f"builtin {name}", call("builtin", "a red fox", scheduler=name, guidance_scale=None)
    yield "builtin own", call("builtin", ["a cat", "a dog on blue"], num_inference_steps=25)
    yield "guidance off", call("v1", guidance_scale=1.0)
    yield "guidance off v2", call("v2", scheduler="ddim", guidance_scale=0.0)
    yield "rescale", call("v1", scheduler="ddim", guidance_rescale=0.6)
    yield "eta", call("v1", scheduler="ddim", eta=0.7)
    yield (
        "eta in a batch",
        call("v1", scheduler="ddim", eta=0.7, num_images_per_prompt=3, batch_size=3),
    )
    yield "timesteps", call("v1", scheduler="dpmpp-2m", timesteps=[801, 401, 1])
    yield "sigmas", call("v1", scheduler="euler", sigmas=[14.0, 3.0, 0.5, 0.0])
    yield "clip skip", call("v1", clip_skip=1)
    yield "seeds alone", call("v1", ["a cat", "a dog"], num_images_per_prompt=2)
    yield (
        "seeds in batches",
        call("v1", ["a cat", "a dog"], num_images_per_prompt=2, batch_size=3, scheduler="euler-a"),
    )
    yield (
        "one generator",
        call(
            "v1", seed=None, generator=one_generator, num_images_per_prompt=2, height=72, width=72
        ),
    )
    yield "one generator, noise", call(
        "v1", seed=None, generator=one_generator, num_images_per_prompt=2, height=72, width=72,
        scheduler="euler-a",
    )  # fmt: skip
    yield (
        "two generators",
        call(
            "v1", ["a cat", "a dog"], seed=None, generator=two_generators, scheduler="dpmpp-2m-sde"
        ),
    )
    yield "global noise", global_noise("ddpm")
    yield "latents", call("v1", latents=some_latents, seed=None)
    yield "latents and seed", call("v1", latents=some_latents, scheduler="euler-a")
    yield "embeddings", call("v1", None, prompt_embeds=embeds(1))
    yield (
        "both embeddings",
        call("v1", None, prompt_embeds=embeds(1, 154), negative_prompt_embeds=embeds(2, 154)),
    )
    names = ["latents", "prompt_embeds", "negative_prompt_embeds"]
    shown: dict[str, Any] = {"callback_on_step_end_tensor_inputs": names}
    yield "callback looks", call("v1", callback_on_step_end=looking, **shown)
    yield "callback latents", call("v1", callback_on_step_end=halving, scheduler="lms")
    yield "callback text", call("v1", callback_on_step_end=rewriting, **shown)
    yield "callback stops", call("v1", callback_on_step_end=stopping, num_images_per_prompt=2)
    yield "callback generator", call(
        "v1", callback_on_step_end=halving, seed=None, generator=one_generator,
        num_images_per_prompt=2,
    )  # fmt: skip
    yield "reuse 2", call("v2", reuse_interval=2, num_inference_steps=6)
    yield (
        "reuse 3, batch",
        call("v1", reuse_interval=3, num_inference_steps=6, num_images_per_prompt=3, batch_size=3),
    )
    yield (
        "reuse, callback",
        call(
            "v1", reuse_interval=3, num_inference_steps=6, callback_on_step_end=rewriting, **shown
        ),
    )
    yield "reuse, no guidance", call("v1", reuse_interval=2, guidance_scale=1.0)
    for psnr in (26.0, 35.0, 37.0):
        yield f"budget {psnr:g}", generated(quality_budget=psnr)
    yield "budget 26, steps", generated(quality_budget=26.0, steps=25)
    yield "budget 100", generated(quality_budget=100.0)
    yield "float16", call("v1", dtype="float16")
    yield "bfloat16", call("v2", dtype="bfloat16", scheduler="ddim", num_images_per_prompt=2)
    for kind in ("np", "pt", "latent"):
        yield f"output {kind}", call("v1", output_type=kind)
    yield "safety checker", call("checked", ["a cat", "a dog", "a tree"], num_inference_steps=2)
    yield "stream", streamed("v1")
    yield "stream, batch", streamed("v2", num_images_per_prompt=3, batch_size=2)
    yield "stream, reuse", streamed("v1", reuse_interval=2)
    yield "interrupt", interrupted
    yield "interrupt, generate", interrupted_generate
    yield "generate", generated(count=2, steps=3, scheduler="dpmpp-2m-karras", guidance=4.0)
    yield "generate v1", generated(model="v1", steps=3, width=72, dtype="float32", count=2)
    yield "reproduce", again
    yield "article", article
    yield "inspect", looked_inside
    yield "experiment", compared


def as_array(value: Any) -> np.ndarray[Any, Any]:
    return value.float().numpy() if hasattr(value, "float") else np.asarray(value)


def write(models: Path, folder: Path, only: str | None) -> None:
    """Run every request with the `kakusan` that is imported, and write what came of it."""
    folder.mkdir(parents=True)
    for name, case in cases():
        if only is not None and only not in name:
            continue
        try:
            values, records = case(Models(models))
        except Exception as error:
            values, records = [], [{FAILED: f"{type(error).__name__}: {error}"}]
        arrays = {str(index): as_array(each) for index, each in enumerate(values)}
        np.savez(folder / f"{name}.npz", **arrays)  # pyright: ignore[reportArgumentType]
        text = json.dumps(records, indent=1, sort_keys=True, default=str)
        (folder / f"{name}.json").write_text(text, encoding="utf-8")


def difference(name: str, old: Path, new: Path) -> str | None:
    """How a request's results differ; None where they do not."""
    said: list[str] = []
    with np.load(old / f"{name}.npz") as a, np.load(new / f"{name}.npz") as b:
        if sorted(a) != sorted(b) or any(a[key].shape != b[key].shape for key in a):
            said.append(f"{len(a.files)} results, now {len(b.files)}, or of other shapes")
        elif differing := [key for key in a if not np.array_equal(a[key], b[key], equal_nan=True)]:
            most = max(np.abs(a[key].astype(float) - b[key]).max() for key in differing)
            said.append(f"{len(differing)} of {len(a.files)} results by up to {most:.3g}")
    records = [json.loads((each / f"{name}.json").read_text("utf-8")) for each in (old, new)]
    said += [
        f"failed: {r[0][FAILED]}"
        for r in records
        if r and isinstance(r[0], dict) and FAILED in r[0]
    ]
    if records[0] != records[1]:
        said.append(f"records: {_differing(*records)}")
    return "; ".join(said) or None


def _differing(old: Any, new: Any) -> str:
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return "; ".join(_differing(a, b) for a, b in zip(old, new, strict=True) if a != b)
    if isinstance(old, dict) and isinstance(new, dict):
        keys = sorted({*old, *new})
        pairs = [(key, old.get(key, "-"), new.get(key, "-")) for key in keys]
        return ", ".join(f"{key} {a!r:.80} now {b!r:.80}" for key, a, b in pairs if a != b)
    return f"{old!r:.200} now {new!r:.200}"


def write_checkpoints(folder: Path) -> None:
    """The tests' tiny checkpoints, written by the reference library."""
    from tests.oracle import tiny

    families = {"v1": tiny.V1, "v2": tiny.V2, "checked": tiny.V1}
    for name, family in families.items():
        tiny.write_pipeline(folder / name, family, checked=name == "checked")


def main() -> int:
    parser = argparse.ArgumentParser(description="the same pictures as in another commit?")
    parser.add_argument("commit", nargs="?", default="HEAD")
    parser.add_argument("--only", help="requests whose name has this in it")
    parser.add_argument("--write", nargs=2, type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write:
        write(*options.write, options.only)
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        write_checkpoints(place / "models")
        tree = place / "tree"
        subprocess.run(["git", "worktree", "add", "-f", "--detach", tree, options.commit],
                       cwd=ROOT, check=True, capture_output=True)  # fmt: skip
        try:
            subprocess.run([sys.executable, "hatch_build.py"], cwd=tree, check=True)
            differing = 0
            for kernels in ("", "off"):
                for name, source in (("old", tree), ("new", ROOT)):
                    command = [sys.executable, "-m", "tests.frozen", "--write",
                               place / "models", place / f"{name}{kernels}"]  # fmt: skip
                    command += ["--only", options.only] if options.only else []
                    surroundings = os.environ | {
                        "PYTHONPATH": str(source / "src"),
                        "KAKUSAN_NATIVE": kernels,
                    }
                    subprocess.run(command, cwd=ROOT, env=surroundings, check=True)
                differing += compare(place, kernels)
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", tree], cwd=ROOT, check=True)
    return 1 if differing else 0


def compare(place: Path, kernels: str) -> int:
    """Say what differs between the two trees; how many requests do."""
    old, new = place / f"old{kernels}", place / f"new{kernels}"
    names = sorted(path.stem for path in old.glob("*.json"))
    found = {name: difference(name, old, new) for name in names}
    with_what = "torch's kernels" if kernels else "the package's own kernels"
    differing = {name: text for name, text in found.items() if text}
    for name, text in differing.items():
        print(f"{name}: {text}")
    if not names:
        print("no request has that in its name")
        return 1
    equal = len(names) - len(differing)
    print(f"{with_what}: {equal} of {len(names)} requests equal", flush=True)
    return len(differing)


if __name__ == "__main__":
    sys.exit(main())
