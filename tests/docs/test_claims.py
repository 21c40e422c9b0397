"""What pages say of behaviour and of numbers, where no other test holds it."""

import copy
import inspect
import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.main import get_command

import kakusan
from benchmarks.plots import ratios, shares_of
from benchmarks.v1_4 import TEXT, UNET, VAE
from kakusan import (
    AutoencoderKL,
    CLIPTextModel,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
    later,
    utils,
)
from kakusan.builtin.recipe.recipe import FULL
from kakusan.builtin.recipe.scenes import HELD_OUT
from kakusan.builtin.recipe.world import COLOURS, CORE, PLACES, THINGS
from kakusan.checkpoints.arguments import PIPELINE_LOADING
from kakusan.checkpoints.quantizing import formats_of, parse_format, with_convolutions
from kakusan.checkpoints.single_file.writing import Written
from kakusan.cli import app
from kakusan.cli.exits import DONE, FAILED, INTERRUPTED, PARTLY, READER_LEFT, USAGE
from kakusan.images.opening import MOST_PIXELS
from kakusan.inspect import read_prompt
from kakusan.pipeline.file_loading import SAID
from kakusan.request.tiled import UPSCALE_STRENGTH
from kakusan.schedulers import named_scheduler
from kakusan.training.finetune import VIEWS
from tests.programs import ROOT

RESULTS = ROOT / "benchmarks" / "results"


def page(name: str) -> str:
    """A page of the documentation."""
    return (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")


def results(name: str) -> Any:
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def builtin() -> StableDiffusionPipeline:
    pipe = StableDiffusionPipeline.from_pretrained("builtin")
    pipe.set_progress_bar_config(disable=True)
    return pipe


def test_the_first_example_of_several_differs_from_seed_to_seed() -> None:
    """getting-started: the place is left to the seed, unless the prompt names one."""

    def spread(prompt: str) -> float:
        drawn = kakusan.generate(prompt, seed=7, count=6, steps=8, progress=False)
        corners = [np.asarray(each.image)[:24, :24].mean((0, 1)) for each in drawn]
        return float(np.std(corners, axis=0).mean())

    assert spread("a dog") > 4 * spread("a dog on the beach")


def test_the_built_in_model_knows_what_pages_say(builtin: StableDiffusionPipeline) -> None:
    assert "160 things and 15 places" in page("getting-started")
    assert (CORE, len(PLACES), len(COLOURS)) == (160, 15, 14)
    assert FULL.things == len(THINGS) == 333
    card = (ROOT / "src/kakusan/builtin/model/README.md").read_text(encoding="utf-8")
    listed = card.partition("Objects: ")[2].partition("\n")[0]
    assert len(re.sub(r" \([^)]*\)", "", listed).split(",")) == CORE
    assert HELD_OUT == 8  # training: one combination in eight is held out


def test_steps_are_the_built_in_models(builtin: StableDiffusionPipeline) -> None:
    assert (builtin.defaults["num_inference_steps"], builtin.defaults["img2img_steps"]) == (8, 25)
    assert "draws in 8 steps from noise, takes 25 where it begins at a picture" in page(
        "guides/steering"
    )
    for words in ("as the built-in one with its 8,", "of the built-in model at 25 steps"):
        assert words in (ROOT / "README.md").read_text(encoding="utf-8")


def test_tiles_are_drawn_over_as_the_guide_says(builtin: StableDiffusionPipeline) -> None:
    assert (UPSCALE_STRENGTH, builtin.defaults["upscale_strength"]) == (0.3, 0.1)
    assert "it is 0.3, and for the built-in model, which falls apart above it, 0.1" in page(
        "guides/steering"
    )


@pytest.fixture(scope="module")
def v1_4() -> list[torch.nn.Module]:
    """Networks of its size, without memory for weights."""
    classes = {UNet2DConditionModel: UNET, AutoencoderKL: VAE, CLIPTextModel: TEXT}
    with torch.device("meta"):
        return [kind.from_config(config) for kind, config in classes.items()]


@pytest.mark.parametrize("folder", ["", "ja/"])
def test_quantised_files_have_the_sizes_that_memory_says(
    v1_4: list[torch.nn.Module], folder: str
) -> None:
    weights = {
        f"{number}.{name}": Written(torch.float16, tuple(tensor.shape), tensor.clone)
        for number, part in enumerate(v1_4)
        for name, tensor in part.state_dict().items()
    }

    def size(name: str | None, *, convolutions: bool = True) -> str:
        kind = None if name is None else parse_format(name)
        written, formats = dict(weights), formats_of(weights, kind)
        if kind is not None and convolutions:
            written, formats, _ = with_convolutions(written, formats, kind)
        return f"{sum(formats[n].size(math.prod(written[n].shape)) for n in formats) / 1e9:.2f} GB"

    text = page(f"{folder}guides/memory")
    (line,) = [each for each in text.splitlines() if size(None) in each]
    assert [size("q8_0"), size("q4_0")] == re.findall(r"[\d.]+ GB", line)[1:]
    assert size("q8_0", convolutions=False) in text.partition("--no-convolutions")[2]


def test_v1_4_has_the_size_that_memory_says(v1_4: list[torch.nn.Module]) -> None:
    count = sum(p.numel() for part in v1_4 for p in part.parameters())
    assert f"{count / 1e9:.2f} billion" in page("guides/memory")
    assert f"float32 they take {4 * count / 1e9:.1f} GB" in page("guides/memory")
    assert f"16 bits {2 * count / 1e9:.1f} GB" in page("guides/memory")


def test_as_many_tokens_are_read_as_troubleshooting_says(
    builtin: StableDiffusionPipeline, tiny_v1: Path
) -> None:
    assert "75 tokens, the built-in model's 38" in page("troubleshooting")
    assert read_prompt(builtin.tokenizer, "a cat").room == 38
    published = StableDiffusionPipeline.from_pretrained(tiny_v1).tokenizer
    assert published.model_max_length - 2 == 75


def test_16_bits_halve_the_weights(tiny_v1: Path) -> None:
    def size(dtype: torch.dtype) -> int:
        pipe = StableDiffusionPipeline.from_pretrained(tiny_v1, torch_dtype=dtype)
        return sum(p.numel() * p.element_size() for p in pipe.unet.parameters())

    assert 2 * size(torch.float16) == size(torch.float32)


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="asks Linux what is mapped")
def test_16_bits_stay_mapped_from_a_file_that_has_them(tiny_v1: Path, tmp_path: Path) -> None:
    kept = {"torch_dtype": torch.float16}
    StableDiffusionPipeline.from_pretrained(tiny_v1, **kept).save_pretrained(tmp_path)
    unet = StableDiffusionPipeline.from_pretrained(tmp_path, **kept).unet
    lines = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
    spans = [line.split()[0].split("-") for line in lines if str(tmp_path / "unet") in line]
    inside = [
        any(int(low, 16) <= each.data_ptr() < int(high, 16) for low, high in spans)
        for each in unet.parameters()
    ]
    assert all(inside)


def test_a_text_is_read_once_for_all_its_pictures(
    builtin: StableDiffusionPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    forward = builtin.text_encoder.forward

    def counted(*given: Any, **named: Any) -> Any:
        read.append(len(given[0]))
        return forward(*given, **named)

    monkeypatch.setattr(builtin.text_encoder, "forward", counted)
    builtin("a cat", num_images_per_prompt=3, num_inference_steps=3, seed=1)
    assert sum(read) <= 2  # the prompt, and the empty one


@pytest.mark.parametrize(("name", "calls"), [("heun", 2), ("euler", 1)])
def test_heun_asks_the_network_twice_a_step(
    builtin: StableDiffusionPipeline, name: str, calls: int
) -> None:
    assert "second order: two network calls a step" in page("guides/schedulers")
    pipe = copy.copy(builtin)
    pipe.scheduler = named_scheduler(name, builtin.scheduler)
    asked = len(list(pipe.stream("a cat", seed=1, num_inference_steps=4)))
    assert calls * 4 - 1 <= asked <= calls * 4


@pytest.mark.parametrize(
    ("name", "noisy"),
    [("ddpm", True), ("euler-a", True), ("dpmpp-2m-sde", True), ("euler", False), ("ddim", False)],
)
def test_which_schedulers_add_noise(
    builtin: StableDiffusionPipeline, name: str, noisy: bool
) -> None:
    pipe = copy.copy(builtin)
    pipe.scheduler = named_scheduler(name, builtin.scheduler)

    def drawn(seed: int) -> Any:
        first = torch.randn(1, 8, 16, 16, generator=torch.Generator().manual_seed(1))
        generator = torch.Generator().manual_seed(seed)
        asked = {"latents": first, "generator": generator, "num_inference_steps": 3}
        (picture,) = pipe.pictures("a cat", **asked)
        return np.asarray(picture.image)

    assert np.array_equal(drawn(1), drawn(2)) != noisy


def test_a_record_says_what_could_make_the_picture_differ(
    builtin: StableDiffusionPipeline,
) -> None:
    """reproducing: version, device and precision."""
    (record,) = builtin("a cat", seed=1, num_inference_steps=1).records
    assert record["kakusan"] == kakusan.__version__
    assert {"device", "dtype", "seed", "scheduler", "model"} <= set(record)


def test_one_picture_at_a_time_is_the_default() -> None:
    parameters = inspect.signature(StableDiffusionPipeline.__call__).parameters
    assert parameters["batch_size"].default == 1


def test_fast_takes_less_than_half_of_the_time() -> None:
    rows = results("quality")["Beside the built-in model's exact run"]
    (fast,) = [row for row in rows if row["name"] == "dpmpp-2m, 15 steps, every 2 in full"]
    assert (fast["full"], fast["part"]) == (8, 7)
    assert fast["seconds"] < 0.5
    assert "less than half of the" in page("guides/speed")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"| `--fast` | 8, 7 | {fast['seconds']:.2f} |" in readme


@pytest.mark.parametrize("name", ["README.md", "README.ja.md"])
def test_what_less_exactness_costs_is_what_was_measured(name: str) -> None:
    """Each row of the README's table is one of the results."""
    text = (ROOT / name).read_text(encoding="utf-8").replace("、", ", ")
    rows = re.findall(r"\| (\d+), (\d+) \| ([\d.]+) \| ([\d.]+), ([\d.]+) dB \|", text)
    measured = {
        tuple(
            f"{row[key]:.{digits}f}"
            for key, digits in (("full", 0), ("part", 0), ("seconds", 2), ("mean", 1), ("least", 1))
        )
        for row in results("quality")["Beside the built-in model's exact run"]
    }
    assert len(rows) == 3
    assert set(rows) <= measured


def test_the_sweep_says_what_the_page_says() -> None:
    sweep = results("sweep")["sweep"]
    single = {
        name: sum(right for right, _ in each["scores"]["one object"].values())
        for name, each in sweep["scheduler"].items()
    }
    told = f"{min(single.values())} to {max(single.values())} of 40 single objects"
    assert told in page("guides/schedulers")
    guided = shares_of(sweep["guidance"])
    assert guided["one object"][0] < guided["one object"][1]
    assert f"asked that of {results('sweep')['prompts']} prompts" in page("guides/schedulers")


def test_growth_is_what_was_measured() -> None:
    axes = results("growth-amd-epyc-avx512-bf16")["axes"]
    text = page("performance")
    for row in axes["size"]:
        assert f"{row['seconds'][0]:.2g}" in text or f"{row['seconds'][0]:.0f}" in text
        assert f"{(row['peak'] - row['floor']) / 1e9:.2f}" in text
    one, four = (next(r for r in axes["batch"] if r["batch"] == count) for count in (1, 4))
    assert f"take {four['seconds'][0] / 4 / one['seconds'][0]:.2f} of the time" in text
    peaks = [row["peak"] for axis in ("steps", "prompts") for row in axes[axis]]
    assert max(peaks) < 1.03 * min(peaks)  # neither takes more memory


@pytest.mark.parametrize("name", ["cpu-amd-epyc-avx512-bf16", "cpu-amd-epyc-avx2"])
def test_shares_of_time_are_those_of_the_results(name: str) -> None:
    text = page("performance")
    for peer, shares in ratios(results(name)).items():
        for part, share in shares.items():
            assert f"({share:.2f})" in text, (peer, part)


def test_training_has_the_settings_that_its_table_says() -> None:
    commands: Any = get_command(app)
    train = commands.commands["train"].commands
    defaults = {
        name: {each.name: each.default for each in command.params}
        for name, command in train.items()
    }
    text = page("training")
    assert defaults["lora"]["rank"] == 8
    assert (defaults["lora"]["rate"], defaults["unet"]["rate"]) == (1e-3, 1e-5)
    assert "| learning rate | 1e-3 | 1e-5 |" in text
    assert VIEWS == 8
    assert "eight crops of each" in text
    assert f"{MOST_PIXELS / 1e6:.0f} million pixels" in text


def test_exit_codes_are_those_of_the_page() -> None:
    codes = {
        DONE: "done",
        FAILED: "failed",
        USAGE: "bad usage",
        PARTLY: "partly",
        INTERRUPTED: "interrupted",
        READER_LEFT: "nobody reads",
    }
    rows = dict(re.findall(r"^\| (\d+) \| (.*) \|$", page("command-line"), re.MULTILINE))
    assert {int(code) for code in rows} == set(codes)
    assert all(rows[str(code)].startswith(word) for code, word in codes.items())


def test_what_is_the_same_as_in_diffusers_is_there() -> None:
    text = page("from-diffusers").partition("## What is the same")[2].partition("## ")[0]
    accepted: set[str] = set()
    pipeline, xl = StableDiffusionPipeline, StableDiffusionXLPipeline
    calls = (pipeline.from_pretrained, pipeline.save_pretrained, pipeline.__call__, xl.__call__)
    for call in calls:
        accepted |= set(inspect.signature(call).parameters)
    accepted |= {"config", "original_config", "scheduler_type", *SAID}
    for name in re.findall(r"`([\w.]+)=`", text):
        assert name in accepted | {"subfolder", *PIPELINE_LOADING}, name
        assert name not in later.CALL
    for name in re.findall(r"`([\w.]+)`", text):
        plain = name.removeprefix("pipe.")
        known = set(dir(StableDiffusionPipeline)) | set(kakusan.__all__) | set(utils.__all__)
        assert plain in known | {"from_config", "kakusan.utils"}, name


def test_what_does_nothing_says_so() -> None:
    text = page("from-diffusers").partition("### What does nothing here")[2].partition("## ")[0]
    names = re.findall(r"`(\w+)`", text)
    assert len(names) == 3
    for name in names:
        assert str(getattr(StableDiffusionPipeline, name).__doc__).startswith("Nothing"), name


def test_what_comes_later_is_not_there() -> None:
    assert "<!-- later -->" in page("from-diffusers")
    assert not set(later.PACKAGE) & set(kakusan.__all__)
    assert not {name for name in later.PIPELINE if name in vars(StableDiffusionPipeline)}


@pytest.mark.parametrize("folder", ["", "ja/"])
def test_troubleshooting_names_messages_that_there_are(folder: str) -> None:
    source = "\n".join(
        file.read_text(encoding="utf-8") for file in (ROOT / "src" / "kakusan").rglob("*.py")
    )
    source = re.sub(r'"\s*\n\s*f?"', "", source)  # one message over several lines
    named = re.findall(r"^## `(.*)`$", page(f"{folder}troubleshooting"), re.MULTILINE)
    for message in (each for title in named for each in re.split("`(?:, or |、または )`", title)):
        varies = r"…|'[^']*'|\d+|\b(?:height|UNet|seed|is a LoRA|SDXL|Stable Diffusion 1 or 2)\b"
        parts = re.split(varies, message)
        parts = [part.strip(" ,;:") for part in parts]
        for part in parts:
            assert part in source, f"{message!r}: no message has {part!r}"
