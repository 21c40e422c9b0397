"""LoRA on pipelines: as diffusers draws with peft, by name in requests and prompts, and off."""

import copy
import logging
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch

import kakusan
from kakusan.checkpoints.facts import hashes_of
from kakusan.errors import CheckpointError, InputError, KakusanError, UnknownNameError
from kakusan.images.foreign.webui import read_webui
from kakusan.images.parameters import parameters_text
from kakusan.pipeline import draw_together
from kakusan.pipeline.draw import loaded
from kakusan.request import Request
from tests.oracle.adapters import peft_tensors, write_kohya

# of the reference's Euler under newer numpy, and of a second adapter with peft
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation"),
    pytest.mark.filterwarnings("ignore:Already found a"),
]
LEVEL = 1 / 255
CLASSES = {"v1": "StableDiffusionPipeline", "xl": "StableDiffusionXLPipeline"}
PARTS = ("unet", "text_encoder", "text_encoder_2")


def pipelines(folder: Path, family: str) -> tuple[Any, Any]:
    theirs = getattr(diffusers, CLASSES[family]).from_pretrained(folder)
    ours = getattr(kakusan, CLASSES[family]).from_pretrained(folder)
    for pipe in (theirs, ours):
        pipe.set_progress_bar_config(disable=True)
    return theirs, ours


@pytest.fixture(params=["v1", "xl"])
def both(request: pytest.FixtureRequest) -> tuple[Any, Any]:
    return pipelines(request.getfixturevalue(f"tiny_{request.param}"), request.param)


@pytest.fixture
def pipe(tiny_v1: Path) -> Any:
    made = kakusan.StableDiffusionPipeline.from_pretrained(tiny_v1)
    made.set_progress_bar_config(disable=True)
    return made


@pytest.fixture
def folder(pipe: Any, tmp_path: Path) -> Path:
    networks = {"unet": pipe.unet, "text_encoder": pipe.text_encoder}
    for seed, name in enumerate(("one", "two")):
        write_kohya(tmp_path / f"{name}.safetensors", networks, seed)
    return tmp_path


def tensors(pipe: Any, seed: int) -> dict[str, torch.Tensor]:
    return peft_tensors({p: getattr(pipe, p) for p in PARTS if getattr(pipe, p, None)}, seed)


def drawn(pipe: Any, steps: int = 3, **settings: Any) -> Any:
    generator = torch.Generator().manual_seed(3)
    return pipe(
        *("a cat",),
        num_inference_steps=steps,
        generator=generator,
        output_type="np",
        **{"height": 64, "width": 64, **settings},
    ).images


def alike(both: tuple[Any, Any], **settings: Any) -> Any:
    theirs, ours = (drawn(pipe, **settings) for pipe in both)
    assert np.abs(theirs - ours).max() <= LEVEL
    return ours


def test_as_diffusers_draws(both: tuple[Any, Any]) -> None:
    plain = alike(both)
    first, second = (tensors(both[0], seed) for seed in (1, 2))
    for pipe in both:
        pipe.load_lora_weights(dict(first), adapter_name="a")
    one = alike(both)
    assert np.abs(one - plain).max() > 20 * LEVEL
    for pipe in both:
        pipe.load_lora_weights(dict(second), adapter_name="b")
    two = alike(both)  # the last one alone
    assert both[1].get_active_adapters() == both[0].get_active_adapters() == ["b"]
    assert both[1].get_list_adapters() == both[0].get_list_adapters()
    for pipe in both:
        pipe.set_adapters(["a", "b"], [0.5, 0.8])
    beside = alike(both)
    assert np.abs(beside - two).max() > 20 * LEVEL
    alike(both, steps=5)  # in the weights
    for pipe in both:
        pipe.set_adapters(["a", "b"], [{"unet": 0.3, "text_encoder": 0.9}, 0.5])
    alike(both)
    for pipe in both:
        pipe.disable_lora()
    assert np.array_equal(alike(both), plain)
    for pipe in both:
        pipe.enable_lora()
        pipe.set_adapters(["a", "b"], [0.5, 0.8])
        pipe.fuse_lora()
    fused = alike(both)
    assert np.abs(fused - beside).max() <= LEVEL
    assert both[1].fused_loras == {"a", "b"}
    assert both[1].num_fused_loras == 2
    for pipe in both:
        pipe.unfuse_lora()
    assert np.array_equal(drawn(both[1]), beside)
    for pipe in both:
        pipe.delete_adapters("b")
    assert both[1].get_active_adapters() == both[0].get_active_adapters() == ["a"]
    for pipe in both:
        pipe.unload_lora_weights()
    assert np.array_equal(alike(both), plain)
    assert both[1].get_list_adapters() == {}


def test_strengths_by_block(tiny_v1: Path) -> None:
    both = pipelines(tiny_v1, "v1")
    given = tensors(both[0], 1)
    for pipe in both:
        pipe.load_lora_weights(dict(given), adapter_name="a")
    for weights in (
        {"down": 0.2, "mid": 0.5, "up": {"block_1": 0.7}},
        {"down": 0.0, "up": {"block_1": [0.1, 0.6, 1.0]}},
    ):
        for pipe in both:
            pipe.set_adapters("a", {"unet": weights, "text_encoder": 0.4})
        alike(both)


def test_the_scale_of_a_call(both: tuple[Any, Any]) -> None:
    given = tensors(both[0], 1)
    for pipe in both:
        pipe.load_lora_weights(dict(given))
    half = alike(both, cross_attention_kwargs={"scale": 0.5})
    none = drawn(both[1], cross_attention_kwargs={"scale": 0.0})
    both[1].set_adapters("default_0", 0.5)
    assert np.array_equal(drawn(both[1]), half)
    both[1].unload_lora_weights()
    assert np.array_equal(drawn(both[1]), none)


def test_the_scale_of_embeddings(pipe: Any) -> None:
    plain = pipe.encode_prompt("a cat")[0]
    pipe.load_lora_weights(tensors(pipe, 1))
    scaled = pipe.encode_prompt("a cat", lora_scale=0.25)[0]
    assert torch.equal(pipe.encode_prompt("a cat", lora_scale=0.0)[0], plain)
    pipe.set_adapters("default_0", 0.25)
    assert torch.equal(pipe.encode_prompt("a cat")[0], scaled)
    assert not torch.equal(scaled, plain)


def test_networks_called_by_themselves(pipe: Any) -> None:
    ids = torch.tensor([[1, 2, 3]])
    plain = pipe.text_encoder(ids)[0]
    pipe.load_lora_weights(tensors(pipe, 1))
    assert not torch.allclose(pipe.text_encoder(ids)[0], plain, atol=1e-3)
    pipe.unload_lora_weights()
    assert torch.equal(pipe.text_encoder(ids)[0], plain)


@pytest.mark.parametrize("name", ["LatentConsistencyModelPipeline", "Refiner"])
def test_other_pipelines_take_them(
    name: str, tiny_lcm: Path, tiny_refiner: Path, tmp_path: Path
) -> None:
    kind, where = kakusan.LatentConsistencyModelPipeline, tiny_lcm
    given: dict[str, Any] = {}
    if name == "Refiner":
        kind, where = kakusan.StableDiffusionXLImg2ImgPipeline, tiny_refiner
        given = {"image": torch.zeros(1, 4, 8, 8), "strength": 0.9}
    pipe: Any = kind.from_pretrained(where)
    pipe.set_progress_bar_config(disable=True)

    def latents(**more: Any) -> Any:
        settings = {"num_inference_steps": 2, "seed": 1, "output_type": "latent", **given, **more}
        return pipe("a cat", **settings).images

    plain = latents()
    pipe.load_lora_weights(tensors(pipe, 1))
    assert not torch.allclose(latents(), plain, atol=1e-2)
    assert torch.equal(latents(cross_attention_kwargs={"scale": 0.0}), plain)


def test_copies_shares_and_saves(pipe: Any, tmp_path: Path) -> None:
    plain = drawn(pipe)
    pipe.load_lora_weights(tensors(pipe, 1))
    with_it = drawn(pipe)
    copied = copy.deepcopy(pipe)
    assert np.array_equal(drawn(copied), with_it)
    shared = kakusan.StableDiffusionPipeline.from_pipe(pipe)
    shared.set_progress_bar_config(disable=True)
    assert np.array_equal(drawn(shared), with_it)
    copied.unload_lora_weights()
    assert np.array_equal(drawn(copied), plain)
    assert np.array_equal(drawn(pipe), with_it)
    pipe.save_pretrained(tmp_path / "saved")
    again: Any = kakusan.StableDiffusionPipeline.from_pretrained(tmp_path / "saved")
    again.set_progress_bar_config(disable=True)
    assert np.array_equal(drawn(again), plain)
    pipe.to(torch.bfloat16).to(torch.float32)
    assert np.abs(drawn(pipe) - with_it).max() < 0.2
    pipe.fuse_lora()
    pipe.save_pretrained(tmp_path / "fused")
    fused: Any = kakusan.StableDiffusionPipeline.from_pretrained(tmp_path / "fused")
    fused.set_progress_bar_config(disable=True)
    assert np.abs(drawn(fused) - drawn(pipe)).max() <= LEVEL


def test_by_file_folder_and_name(pipe: Any, folder: Path) -> None:
    pipe.load_lora_weights(folder / "one.safetensors", adapter_name="x")
    one = drawn(pipe)
    pipe.load_lora_weights(str(folder), weight_name="one.safetensors", adapter_name="y")
    assert np.array_equal(drawn(pipe), one)
    pipe.load_lora_weights(folder / "two.safetensors", adapter_name="y", hotswap=True)
    assert not np.array_equal(drawn(pipe), one)


WRONG: dict[str, tuple[Any, str]] = {
    "no such adapter": (lambda p, f: p.set_adapters("sytle"), "style"),
    "not one of two": (lambda p, f: p.delete_adapters(["style", "styl"]), "style"),
    "a strength that is none": (lambda p, f: p.set_adapters("style", float("nan")), "nan"),
    "too many strengths": (lambda p, f: p.set_adapters("style", [1, 2]), "2 strengths"),
    "no such part": (lambda p, f: p.set_adapters("style", {"unett": 1}), "unet"),
    "no such block": (lambda p, f: p.set_adapters("style", {"unet": {"up": {"b": 1}}}), "block"),
    "a name in use": (lambda p, f: p.load_lora_weights({}, adapter_name="style"), "style"),
    "fused twice": (lambda p, f: (p.fuse_lora(), p.fuse_lora(lora_scale=0.5)), "already"),
    "no file": (lambda p, f: p.load_lora_weights(f / "none.safetensors"), "none.safetensors"),
    "several": (lambda p, f: p.load_lora_weights(f), "weight_name"),
    "a slip": (lambda p, f: p.load_lora_weights(f, weight_name="on.safetensors"), "one"),
    "no tensors": (lambda p, f: p.load_lora_weights({"a": torch.ones(1)}), "a"),
    "a number": (lambda p, f: p.load_lora_weights(5), "5"),
    "a component": (lambda p, f: p.fuse_lora(components=["vae"]), "vae"),
    "a scale": (lambda p, f: p("a", cross_attention_kwargs={"scale": "x"}), "cross_attention"),
    "a rank": (lambda p, f: p.enable_lora_hotswap(target_rank=0), "target_rank"),
    "a check": (lambda p, f: p.enable_lora_hotswap(check_compiled="warning"), "'warn'"),
    "a word": (lambda p, f: p.fuse_lora(lora_scal=1), "lora_scale"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_users_get_wrong_is_one_line(pipe: Any, folder: Path, name: str) -> None:
    pipe.load_lora_weights(folder / "one.safetensors", adapter_name="style")
    before = drawn(pipe, steps=1)
    call, says = WRONG[name]
    with pytest.raises(KakusanError) as caught:
        call(pipe, folder)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    if name != "fused twice":
        assert np.array_equal(drawn(pipe, steps=1), before)


def test_of_another_family(pipe: Any, tiny_xl: Path) -> None:
    other: Any = kakusan.StableDiffusionXLPipeline.from_pretrained(tiny_xl)
    with pytest.raises(CheckpointError):
        pipe.load_lora_weights(tensors(other, 1))
    assert pipe.get_list_adapters() == {}


def picture(pipe: Any, prompt: str = "a cat", **settings: Any) -> Any:
    request = Request.of(prompt, **{"seed": 1, "num_inference_steps": 3, **settings})
    return next(iter(pipe.pictures(request)))


def test_a_request_names_them(pipe: Any, folder: Path) -> None:
    plain = picture(pipe)
    assert "loras" not in plain.record
    one, two = (str(folder / f"{name}.safetensors") for name in ("one", "two"))
    asked = picture(pipe, loras=[(one, 0.5), (two, 0.2, 0.7)])
    assert [each["unet_weight"] for each in asked.record["loras"]] == [0.5, 0.7]
    pipe.load_lora_weights(one, adapter_name="one")
    pipe.load_lora_weights(two, adapter_name="two")
    pipe.set_adapters(["one", "two"], [0.5, {"unet": 0.7, "text_encoder": 0.2}])
    on = picture(pipe)
    assert np.array_equal(on.image, asked.image)
    pipe.unload_lora_weights()
    for record in (asked.record, on.record):
        again = next(iter(pipe.pictures(Request.from_record(record | {"model": None}))))
        assert np.array_equal(again.image, asked.image)
    assert np.array_equal(picture(pipe).image, plain.image)
    nothing = picture(pipe, loras=[(one, 0.0)])
    assert np.array_equal(nothing.image, plain.image)


def test_what_no_file_tells_is_no_seed(pipe: Any) -> None:
    pipe.load_lora_weights(tensors(pipe, 1))
    record = picture(pipe).record
    assert record["seed"] is None
    assert any("came from no file" in note for note in record["notes"])


def webui(pipe: Any, prompt: Any, folder: Path, **settings: Any) -> Any:
    files = {name: str(folder / f"{name}.safetensors") for name in ("one", "two")}
    return picture(pipe, prompt, prompt_syntax="webui", lora_files=files, **settings)


def test_prompts_name_them(pipe: Any, folder: Path) -> None:
    one = str(folder / "one.safetensors")
    for tag, weights in (
        ("<lora:one:0.5>", [(one, 0.5)]),
        ("<lora:one:0.2:0.7>", [(one, 0.2, 0.7)]),
        ("<lora:one:0.5><lora:one:0.25>", [(one, 0.5), (one, 0.25)]),
    ):
        by_tag = webui(pipe, f"a cat{tag}", folder)
        wanted = picture(pipe, "a cat", prompt_syntax="webui", loras=weights)
        assert np.array_equal(by_tag.image, wanted.image), tag
        assert "loras" not in by_tag.record
        again = next(iter(pipe.pictures(Request.from_record(by_tag.record | {"model": None}))))
        assert np.array_equal(again.image, by_tag.image)


def test_a_schedule_in_a_prompt_puts_them_on_and_off(pipe: Any, folder: Path) -> None:
    """A tag holds only while its text does: the same as drawing those steps with it alone."""
    late = webui(pipe, "a cat[:<lora:one:1>:20]", folder, num_inference_steps=4)
    never = webui(pipe, "a cat", folder, num_inference_steps=4)
    assert np.array_equal(late.image, never.image)
    early = webui(pipe, "a cat[<lora:one:1>::20]", folder, num_inference_steps=3)
    always = webui(pipe, "a cat<lora:one:1>", folder, num_inference_steps=3)
    assert np.abs(np.asarray(early.image, int) - np.asarray(always.image, int)).max() <= 1
    half = webui(pipe, "a cat[<lora:one:1>::1]", folder, num_inference_steps=4)
    assert not np.array_equal(half.image, never.image)
    reused = webui(pipe, "a cat[<lora:one:1>::1]", folder, num_inference_steps=4, reuse_interval=2)
    assert not np.array_equal(reused.image, never.image)


def test_each_prompt_has_its_own(pipe: Any, folder: Path) -> None:
    prompts = ["a cat<lora:one:1>", "a cat", "a cat<lora:two:0.5>"]
    files = {name: str(folder / f"{name}.safetensors") for name in ("one", "two")}
    settings: Any = {"prompt_syntax": "webui", "lora_files": files, "num_inference_steps": 3}
    alone = [
        next(iter(pipe.pictures(Request.of(text, seed=1 + i, **settings))))
        for i, text in enumerate(prompts)
    ]
    one_request = list(pipe.pictures(Request.of(prompts, seed=1, **settings)))
    several = [Request.of(text, seed=1 + i, **settings) for i, text in enumerate(prompts)]
    joined = dict(draw_together(pipe, several))
    batch = list(pipe.pictures(Request.of(prompts, seed=1, **settings), batch_size=3))
    for i, each in enumerate(alone):
        assert np.array_equal(one_request[i].image, each.image)
        for other in (joined[i], batch[i]):
            apart = np.asarray(other.image, int) - np.asarray(each.image, int)
            assert np.abs(apart).max() <= 1
    for name in files:
        pipe.load_lora_weights(files[name], adapter_name=name)
    with pytest.raises(InputError, match="seed"):
        pipe(prompts, prompt_syntax="webui", num_inference_steps=1)


def test_a_tag_that_is_nowhere(pipe: Any, folder: Path) -> None:
    with pytest.raises(InputError, match="no adapter 'three'"):
        webui(pipe, "a<lora:three:1>", folder)
    with pytest.raises(InputError, match=r"'three'.*in .*folder|'three'"):
        kakusan.generate("a<lora:three>", prompt_syntax="webui", lora_dirs=[folder])
    with pytest.raises(InputError, match=r"'onee' in '.*Did you mean 'one'\? Known: one, two\.$"):
        kakusan.generate("a<lora:onee:1>", prompt_syntax="webui", lora_dirs=[folder])
    pipe.load_lora_weights(folder / "one.safetensors", adapter_name="three")
    pipe.disable_lora()
    assert picture(pipe, "a<lora:three:0.5>", prompt_syntax="webui").record["lora_files"]


def test_adapters_are_told_as_automatic1111_tells_them(pipe: Any, folder: Path) -> None:
    file = folder / "one.safetensors"
    record = picture(pipe, "a cat", loras=[(file, 0.5)]).record
    known = hashes_of(file)
    assert record["lora_files"][str(file)] == {
        "path": str(file),
        "sha256": known["sha256"],
        "lora_hash": known["lora hash"],
    }
    text = parameters_text(record)
    assert "<lora:one:0.5>" in text
    assert f'Lora hashes: "one: {known["lora hash"]}"' in text
    (told,) = read_webui(text, "png:parameters").settings.loras
    assert (told.name, told.hash) == ("one", known["lora hash"])
    assert Request.from_record(record).lora_files == {str(file): (str(file), known["sha256"])}


@pytest.mark.parametrize("base", ["base", "own scheduler"])
def test_few_step_adapters_say_how(
    pipe: Any, folder: Path, base: str, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "one.safetensors").rename(folder / "lcm-lora-sdv1-5.safetensors")
    if base == "own scheduler":
        pipe.scheduler = kakusan.DDIMScheduler.from_config(pipe.scheduler.config)
    asked: Any = {"loras": str(folder / "lcm-lora-sdv1-5.safetensors"), "seed": 1}
    record = next(iter(pipe.pictures(Request.of("a", **asked)))).record
    assert (record["num_inference_steps"], record["guidance_scale"]) == (4, 1.0)
    kind = "LCMScheduler" if base == "base" else "DDIMScheduler"
    assert record["scheduler"]["_class_name"] == kind
    asked |= {"num_inference_steps": 2, "guidance_scale": 3.0, "scheduler": "euler"}
    record = next(iter(pipe.pictures(Request.of("a", **asked)))).record
    assert (record["num_inference_steps"], record["guidance_scale"]) == (2, 3.0)
    assert record["scheduler"]["_class_name"] == "EulerDiscreteScheduler"


def test_the_model_stays_loaded(folder: Path, tiny_v1: Path) -> None:
    settings: Any = {"model": tiny_v1, "steps": 2, "seed": 1, "progress": False}
    plain = kakusan.generate("a", **settings)[0]
    before = loaded.cache_info().misses
    one = kakusan.generate("a", loras=folder / "one.safetensors", **settings)[0]
    two = kakusan.generate("a", loras=[("two", 0.5)], lora_dirs=[folder], **settings)[0]
    again = kakusan.generate("a", **settings)[0]
    assert loaded.cache_info().misses == before
    assert np.array_equal(plain.image, again.image)
    assert not np.array_equal(plain.image, one.image)
    found = kakusan.reproduce(two.record, model=tiny_v1, lora_dirs=[folder], progress=False)
    assert np.array_equal(found.image, two.image)


def test_names_mean_files_in_any_case_and_below(folder: Path, tiny_v1: Path) -> None:
    settings: Any = {"model": tiny_v1, "steps": 1, "seed": 1, "progress": False}
    (folder / "Styles").mkdir()
    moved = (folder / "one.safetensors").rename(folder / "Styles" / "One.safetensors")
    for name in ("one", "styles/one", "ONE.SAFETENSORS", "D:\\loras\\one.safetensors"):
        drawn = kakusan.generate("a", loras=name, lora_dirs=[folder], **settings)[0]
        assert drawn.record["lora_files"][name]["path"] == str(moved)


def test_a_record_of_a_stranger_opens_no_file(folder: Path, tiny_v1: Path) -> None:
    settings: Any = {"model": tiny_v1, "steps": 2, "seed": 1, "progress": False}
    record = kakusan.generate("a", loras=folder / "one.safetensors", **settings)[0].record
    with pytest.raises(InputError, match="no adapter"):
        kakusan.reproduce(record, model=tiny_v1, progress=False)
    assert kakusan.reproduce(record, model=tiny_v1, trust_loras=True, progress=False)
    (folder / "two.safetensors").replace(folder / "one.safetensors")
    with pytest.raises(InputError, match="another file"):
        kakusan.reproduce(record, model=tiny_v1, lora_dirs=[folder], progress=False)


def test_ctrl_c_leaves_nothing(pipe: Any, folder: Path) -> None:
    plain = drawn(pipe)

    def stop(*_: Any) -> dict[str, Any]:
        raise KeyboardInterrupt

    pipe.load_lora_weights(folder / "one.safetensors")
    with pytest.raises(KeyboardInterrupt):
        drawn(pipe, callback_on_step_end=stop)
    with pytest.raises(KeyboardInterrupt):
        drawn(pipe, callback_on_step_end=stop, cross_attention_kwargs={"scale": 0.5})
    pipe.unload_lora_weights()
    assert np.array_equal(drawn(pipe), plain)


def test_five_strengths_go_one_way(tmp_path: Path) -> None:
    """The further a LoRA is turned up, the further the picture is from the plain one."""
    pipe: Any = kakusan.StableDiffusionPipeline.from_pretrained("builtin")
    pipe.set_progress_bar_config(disable=True)
    from kakusan.training.lora import adapt, save_lora

    learning = copy.deepcopy(pipe.unet)
    adapters = adapt(learning, 4, generator=torch.Generator().manual_seed(1))
    for number, each in enumerate(adapters.values()):
        generator = torch.Generator().manual_seed(number)
        each.lora_B.data = torch.randn(each.lora_B.shape, generator=generator) * 0.05
    save_lora(adapters, tmp_path / "style.safetensors")
    plain = drawn(pipe, steps=4)
    apart: list[float] = []
    for strength in (0.2, 0.4, 0.6, 0.8, 1.0):
        request: Any = {"loras": [(str(tmp_path / "style.safetensors"), strength)]}
        (found,) = pipe.pictures("a cat", seed=3, num_inference_steps=4, **request)
        own = next(iter(pipe.pictures("a cat", seed=3, num_inference_steps=4)))
        apart.append(float(np.abs(np.asarray(found.image, float) - own.image).mean()))
    assert apart == sorted(apart)
    assert apart[0] > 0.05
    assert plain is not None


def test_memory_is_said(folder: Path, tiny_v1: Path, caplog: pytest.LogCaptureFixture) -> None:
    loaded.cache_clear()
    settings: Any = {"model": tiny_v1, "steps": 1, "seed": 1, "progress": False}
    with caplog.at_level(logging.INFO, "kakusan.memory"):
        kakusan.generate("a", loras=folder / "one.safetensors", **settings)
    assert "memory: needs" in caplog.text
    with pytest.raises(UnknownNameError):
        kakusan.StableDiffusionPipeline.from_pretrained(tiny_v1).set_adapters("one")
