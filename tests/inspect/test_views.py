"""What results show: steps, experiments, walks, schedules, latents, and labels in any writing."""

import copy
import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tqdm import tqdm

import kakusan
from kakusan import EulerAncestralDiscreteScheduler, StableDiffusionPipeline
from kakusan.errors import InputError, OutputError, RequestError
from kakusan.inspect import (
    Denoising,
    attention_maps,
    denoising,
    experiment,
    latent_channels,
    schedules,
    slerp,
    walk,
    watch,
)
from kakusan.inspect.grids import parse_axis
from kakusan.inspect.sheet import font_for, sheet
from kakusan.schedulers import (
    SHORT_NAMES,
    EDMDPMSolverMultistepScheduler,
    EDMEulerScheduler,
)


@pytest.fixture(scope="module")
def pipe(tiny_v1: Path) -> StableDiffusionPipeline:
    loaded = StableDiffusionPipeline.from_pretrained(tiny_v1)
    loaded.set_progress_bar_config(disable=True)
    return loaded


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("RGB")).astype(int)


@pytest.mark.parametrize("preview", [False, True])
def test_every_step_is_kept_and_the_last_is_the_result(
    pipe: StableDiffusionPipeline, preview: bool
) -> None:
    seen = denoising(pipe, "a cat", seed=3, num_inference_steps=11, preview=preview)
    steps = len(seen.pictures)
    assert steps == len(seen.timesteps) >= 11
    assert list(seen.timesteps) == sorted(seen.timesteps, reverse=True)
    assert not np.array_equal(pixels(seen.pictures[0]), pixels(seen.pictures[-1]))
    if not preview:
        drawn = pipe("a cat", seed=3, num_inference_steps=11).images[0]
        assert np.array_equal(pixels(drawn), pixels(seen.pictures[-1]))
    assert seen.picture().width > 9 * 96


def test_an_animation_has_a_frame_a_step(tmp_path: Path) -> None:
    frames = tuple(Image.new("RGB", (8, 8), (40 * i, 0, 0)) for i in range(6))
    seen = Denoising("a cat", 0, frames, (5, 4, 3, 2, 1, 0))
    for suffix in (".gif", ".webp", ".png"):
        with Image.open(seen.animation(tmp_path / f"steps{suffix}")) as file:
            assert getattr(file, "n_frames", 1) == len(seen.pictures)
            assert file.info["loop"] == 0
    with pytest.raises(OutputError, match=r"an animation ends in \.gif"):
        seen.animation(tmp_path / "steps.jpg")
    assert len(list(tmp_path.iterdir())) == 3


def test_an_experiment_draws_what_generate_draws() -> None:
    found = experiment("a cat", x={"steps": [1, 2]}, y={"guidance": [1.0, 5.0]}, seed=4)
    for row, guidance in zip(found.pictures, (1.0, 5.0), strict=True):
        for picture, steps in zip(row, (1, 2), strict=True):
            (alone,) = kakusan.generate(
                "a cat", steps=steps, guidance=guidance, seed=4, progress=None
            )
            assert np.array_equal(pixels(picture.image), pixels(alone.image))
            assert picture.record["num_inference_steps"] == steps
    side = found.pictures[0][0].image.width
    assert found.picture().width > 2 * side
    (row,) = experiment("a cat", x={"seed": [1, 2]}, steps=1).pictures
    assert [picture.record["seed"] for picture in row] == [1, 2]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"x": {"stps": [1]}}, "x cannot vary 'stps'. Did you mean 'steps'"),
        ({"x": {"steps": []}}, "x needs values of steps"),
        ({"x": {"steps": [1], "seed": [2]}}, "x must vary one thing"),
        ({"x": {"steps": [1]}, "y": {"steps": [2]}}, "both vary steps"),
        ({"x": {"steps": [1]}, "steps": 2}, "steps is given and varied"),
        ({"x": {"steps": 5}}, "x needs values of steps"),
        ({"x": {"steps": [1]}, "count": 2}, "count has no place here"),
        ({"x": {"model": ["builtin", "nowhere"]}}, "there is no model 'nowhere'"),
        ({"x": {"steps": [1, 0]}}, "steps must be a whole number"),
        ({"x": {"scheduler": ["ddim", "nope"]}}, "no scheduler is called 'nope'"),
    ],
)
def test_an_experiment_that_cannot_be_is_refused_before_anything_is_drawn(
    options: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_given: object, **_more: object) -> None:
        raise AssertionError("it was drawn")

    monkeypatch.setattr("kakusan.inspect.grids.draw", never)
    with pytest.raises(InputError, match=said):
        experiment("a cat", **options)


def test_axes_of_the_command_line() -> None:
    assert parse_axis("steps=5, 10", "--x") == {"steps": [5, 10]}
    assert parse_axis("guidance=1,7.5", "--y") == {"guidance": [1.0, 7.5]}
    assert parse_axis("negative-prompt=a,b", "--y") == {"negative_prompt": ["a", "b"]}
    for wrong in ("steps", "steps=", "=1", "steps=1,,2", "steps=x"):
        with pytest.raises(RequestError, match="--x"):
            parse_axis(wrong, "--x")


def test_an_arc_keeps_the_length_and_ends_where_it_should() -> None:
    a, b = torch.randn(2, 3, 40, 40, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(slerp(a, b, 0.0), a)
    torch.testing.assert_close(slerp(a, b, 1.0), b)
    middle = slerp(a, b, 0.5)
    assert float(middle.norm()) == pytest.approx(float(a.norm()), rel=0.03)
    assert float(torch.lerp(a, b, 0.5).norm()) < 0.8 * float(a.norm())
    torch.testing.assert_close(slerp(a, a, 0.3), a)


def test_a_walk_begins_and_ends_with_the_pictures_of_its_ends(
    pipe: StableDiffusionPipeline, tmp_path: Path
) -> None:
    way = walk(pipe, "a cat", "a dog", pictures=3, seed=1, end_seed=2, num_inference_steps=2)
    for picture, prompt, seed in ((way.pictures[0], "a cat", 1), (way.pictures[-1], "a dog", 2)):
        end = pipe(prompt, seed=seed, num_inference_steps=2).images[0]
        assert np.abs(pixels(picture) - pixels(end)).max() <= 1
    assert not np.array_equal(pixels(way.pictures[1]), pixels(way.pictures[0]))
    with Image.open(way.animation(tmp_path / "walk.gif")) as file:
        assert getattr(file, "n_frames", 1) == 4
    with pytest.raises(RequestError, match="another prompt"):
        walk(pipe, "a cat", "a cat", end_seed=0)
    for wrong in ({"pictures": 1}, {"pictures": 2.5}, {"seed": 2**64}, {"seed": None}):
        with pytest.raises(RequestError, match="must be"):
            walk(pipe, "a cat", "a dog", **wrong)


def test_a_walk_repeats_though_the_scheduler_adds_noise(pipe: StableDiffusionPipeline) -> None:
    noisy = copy.copy(pipe)
    noisy.scheduler = EulerAncestralDiscreteScheduler.from_config(pipe.scheduler.config)
    ways = [walk(noisy, "a cat", "a dog", pictures=2, num_inference_steps=3) for _ in range(2)]
    for one, other in zip(ways[0].pictures, ways[1].pictures, strict=True):
        assert np.array_equal(pixels(one), pixels(other))


def test_schedules_are_the_model_s_and_the_schedulers_own(pipe: StableDiffusionPipeline) -> None:
    found = schedules(pipe, steps=7)
    assert list(found.timesteps) == list(SHORT_NAMES)
    for signal, noise in zip(found.signal, found.noise, strict=True):
        assert signal**2 + noise**2 == pytest.approx(1)
    assert list(found.signal) == sorted(found.signal, reverse=True)
    assert len(found.timesteps["ddim"]) == 7
    assert found.timesteps["ddim"] != found.timesteps["dpmpp-2m"]
    assert found.picture().width > 500


@pytest.mark.parametrize("kind", [EDMEulerScheduler, EDMDPMSolverMultistepScheduler])
def test_schedules_of_a_model_on_edms_levels(pipe: StableDiffusionPipeline, kind: Any) -> None:
    other = copy.copy(pipe)
    other.scheduler = kind(sigma_min=0.002, sigma_max=80.0, sigma_data=0.5)
    found = schedules(other, steps=7)
    assert len(found.levels) == len(found.signal) == len(found.noise)
    assert (found.levels[0], found.levels[-1]) == pytest.approx((0.002, 80.0))
    for level, signal, noise in zip(found.levels, found.signal, found.noise, strict=True):
        assert noise / signal == pytest.approx(level / 0.5)
        assert signal**2 + noise**2 == pytest.approx(1)
    assert next(iter(found.timesteps)) == kind.__name__
    assert "euler" in found.timesteps
    assert "ddim" not in found.timesteps
    figure = found.figure()
    mixture, stops = figure.axes
    for axes in (mixture, stops):
        assert (axes.get_xscale(), axes.get_xlabel()) == ("log", "noise level")
    own = other.scheduler
    own.set_timesteps(7)
    assert list(stops.lines[0].get_xdata()) == pytest.approx(own.sigmas[:-1].tolist())
    assert found.picture().width > 500
    with pytest.raises(RequestError, match=r"ddim|DDIMScheduler"):
        schedules(other, ["ddim"])


def test_plots_say_what_they_need(
    pipe: StableDiffusionPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(RequestError, match=r"kakusan\[inspect\]"):
        schedules(pipe)


def test_latents_have_a_picture_a_channel() -> None:
    latents = torch.zeros(1, 4, 8, 8)
    latents[0, 2, 3, 5] = 9.0
    shown = latent_channels(latents)
    assert shown.picture().width > 4 * 96
    assert latent_channels(latents[0]).latents.shape == (4, 8, 8)
    for wrong in (torch.zeros(2, 4, 8, 8), torch.zeros(8, 8)):
        with pytest.raises(RequestError, match="latents must be"):
            latent_channels(wrong)


def test_labels_take_a_font_that_has_them_and_are_cut_where_there_is_no_room() -> None:
    cell = Image.new("RGB", (100, 100), "red")
    page = sheet([[cell, cell]], columns=["a", "b " * 40], rows=["row"], captions=[["x", "y"]])
    assert page.width < 300
    assert font_for("abc") is font_for("xyz")
    assert sheet([[cell, Image.new("RGB", (200, 200))]]).width > 400
    tiny = sheet([[Image.new("RGB", (8, 8))]])
    assert min(tiny.size) >= 96


def test_a_picture_grows_in_place(
    pipe: StableDiffusionPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[Image.Image] = []

    class Handle:
        def update(self, image: Image.Image) -> None:
            shown.append(image)

    def display(image: Image.Image, *, display_id: bool) -> Handle:
        assert display_id
        shown.append(image)
        return Handle()

    with pytest.raises(RequestError, match="in a notebook"):
        watch(pipe, "a cat")
    monkeypatch.setattr("kakusan.inspect.live.in_notebook", lambda: True)
    monkeypatch.setattr("IPython.display.display", display)
    result = watch(pipe, "a cat", seed=2, num_inference_steps=6)
    assert len(shown) >= 6
    assert shown[-1] is result
    drawn = pipe("a cat", seed=2, num_inference_steps=6).images[0]
    assert np.array_equal(pixels(drawn), pixels(result))


def test_results_show_themselves_with_their_seeds() -> None:
    pictures = kakusan.generate('a "cat" <3', steps=1, seed=5, count=2, progress=None)
    shown = pictures._repr_html_()
    assert shown.count("<img") == 2
    assert "seed 5" in shown
    assert "seed 6" in shown
    assert "a &quot;cat&quot; &lt;3" in shown
    assert pictures[1]._repr_html_() in shown


def test_a_call_s_output_shows_its_pictures_and_no_tensor(pipe: StableDiffusionPipeline) -> None:
    output = pipe(["a cat", "a dog"], seed=1, num_inference_steps=1)
    assert "seed 2" in output._repr_html_()
    assert pipe("a cat", num_inference_steps=1, output_type="latent")._repr_html_() is None


class Bars:
    """Stands in for tqdm and keeps what each bar was asked for and counted."""

    def __init__(self) -> None:
        self.made: list[tuple[str, int, int]] = []

    def __call__(self, **options: Any) -> Any:
        bar = tqdm(**{**options, "disable": False, "file": io.StringIO()})
        close = bar.close

        def closed() -> None:
            if bar.fp is not None and not getattr(bar, "noted", False):
                bar.noted = True
                self.made.append((bar.desc.rstrip(": "), bar.n, bar.total))
            close()

        bar.close = closed
        return bar


def test_each_look_has_one_bar_with_a_word(tiny_v1: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bars = Bars()
    for user in ("inspect.steps", "inspect.walks"):
        monkeypatch.setattr(f"kakusan.{user}.progress_bar", bars)
    pipe = StableDiffusionPipeline.from_pretrained(tiny_v1)
    denoising(pipe, "a cat", num_inference_steps=4)
    attention_maps(pipe, "a cat", num_inference_steps=4)
    walk(pipe, "a cat", "a dog", pictures=3, num_inference_steps=2)
    shown = [made for made in bars.made if made[0]]
    assert [name for name, _, _ in shown] == ["denoising", "attention maps", "walk"]
    assert all(done == total > 0 for _, done, total in shown)
    pipe.set_progress_bar_config(desc="mine")
    walk(pipe, "a cat", "a dog", pictures=2, num_inference_steps=1)
    assert bars.made[-1] == ("mine", 2, 2)


@pytest.mark.parametrize("written", [True, False])
def test_words_of_figures_are_japanese_where_a_font_has_them(
    pipe: StableDiffusionPipeline, monkeypatch: pytest.MonkeyPatch, written: bool
) -> None:
    monkeypatch.setattr("kakusan.inspect.wording.can_write", lambda text: written)
    seen = denoising(pipe, "a cat", seed=3, num_inference_steps=2, language="ja", preview=True)
    assert seen.title == ("a cat (シード 3)" if written else "a cat (seed 3)")
    went = walk(pipe, "a", end_seed=2, pictures=2, num_inference_steps=2, language="ja")
    assert went.title == ("a (シード 0 → 2)" if written else "a (seed 0 to 2)")
    pytest.importorskip("matplotlib")
    figure = schedules(pipe, ["ddim"], language="ja").figure()
    assert figure.axes[0].get_xlabel() == ("タイムステップ" if written else "timestep")


def test_an_unknown_language_is_refused_before_any_work(pipe: StableDiffusionPipeline) -> None:
    language: Any = "fr"
    for look in (
        lambda: denoising(pipe, "a cat", language=language),
        lambda: walk(pipe, "a cat", "a dog", language=language),
        lambda: schedules(pipe, language=language),
        lambda: latent_channels(torch.zeros(4, 8, 8), language=language),
    ):
        with pytest.raises(RequestError, match="language must be 'en' or 'ja', not 'fr'"):
            look()


def test_figures_fit_a_narrow_page(pipe: StableDiffusionPipeline) -> None:
    seen = denoising(pipe, "a cat", num_inference_steps=9, preview=True)
    assert seen.picture(3).width < seen.picture().width / 2
    assert seen.picture(3).height > seen.picture().height * 2
