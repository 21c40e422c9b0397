"""Loading as published scripts write it: what acts, what changes nothing, and what is refused."""

import copy
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import load_file

import kakusan
from kakusan.checkpoints.weights import save_weights
from kakusan.errors import (
    CheckpointError,
    InputError,
    ModelNotFoundError,
    RequestError,
    UnknownArgumentError,
)

PIPELINES = [
    kakusan.StableDiffusionPipeline,
    kakusan.DiffusionPipeline,
    kakusan.AutoPipelineForText2Image,
]
NETWORKS = {
    "unet": kakusan.UNet2DConditionModel,
    "vae": kakusan.AutoencoderKL,
    "text_encoder": kakusan.CLIPTextModel,
    "safety_checker": kakusan.StableDiffusionSafetyChecker,
}
WEIGHTLESS = {
    "tokenizer": kakusan.CLIPTokenizer,
    "feature_extractor": kakusan.CLIPImageProcessor,
    "scheduler": kakusan.PNDMScheduler,
}
HALF = "diffusion_pytorch_model.fp16.safetensors"


@pytest.fixture
def folder(tiny_v1: Path, tmp_path: Path) -> Path:
    """A folder to change."""
    return shutil.copytree(tiny_v1, tmp_path / "model")


def load(name: Any, **options: Any) -> kakusan.StableDiffusionPipeline:
    pipe = kakusan.StableDiffusionPipeline.from_pretrained(name, **options)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def picture(pipe: Any, prompt: Any = "a cat", **arguments: Any) -> np.ndarray:
    (image,) = pipe(prompt, seed=1, num_inference_steps=2, **arguments).images
    return np.asarray(image)


def weights(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    return dict(network.state_dict())


def same_weights(left: torch.nn.Module, right: torch.nn.Module) -> bool:
    ours, theirs = weights(left), weights(right)
    return ours.keys() == theirs.keys() and all(torch.equal(ours[k], theirs[k]) for k in ours)


def message(kind: type[Exception], call: Any) -> str:
    """What a call that fails says: one line, and not a long one."""
    with pytest.raises(kind) as caught:
        call()
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500  # of which the path takes a hundred
    return str(caught.value)


@pytest.mark.parametrize("name", ["dtype", "torch_dtype"])
@pytest.mark.parametrize("value", [torch.float16, "torch.float16"])
def test_the_dtype_by_both_its_names(tiny_v1_checked: Path, name: str, value: Any) -> None:
    pipe = load(tiny_v1_checked, **{name: value})
    for part, kind in NETWORKS.items():
        alone = kind.from_pretrained(tiny_v1_checked, subfolder=part, **{name: value})
        assert alone.dtype == getattr(pipe, part).dtype == torch.float16
    assert load(tiny_v1_checked, dtype=value, torch_dtype="float16").dtype == torch.float16


def test_dtypes_that_disagree(tiny_v1: Path) -> None:
    for load_it in (
        lambda: load(tiny_v1, dtype="float16", torch_dtype="bfloat16"),
        lambda: load(tiny_v1, dtype="auto", torch_dtype=torch.float32),
        lambda: NETWORKS["vae"].from_pretrained(tiny_v1 / "vae", dtype="fp16", torch_dtype="bf16"),
    ):
        assert "give one" in message(RequestError, load_it)
    for wrong in ("float61", 16, ["float16"], torch.int8):
        assert "is unknown" in message(RequestError, lambda w=wrong: load(tiny_v1, dtype=w))


def test_auto_is_the_dtype_of_the_file(folder: Path) -> None:
    pipe = load(folder)
    for part, dtype in (("unet", torch.bfloat16), ("vae", torch.float16)):
        getattr(pipe, part).to(dtype).save_pretrained(folder / part)
    for name in ("dtype", "torch_dtype"):
        as_stored = load(folder, **{name: "auto"})
        assert as_stored.unet.dtype == torch.bfloat16
        assert as_stored.vae.dtype == torch.float16
        assert as_stored.text_encoder.dtype == torch.float32
        assert same_weights(as_stored.unet, pipe.unet)
        alone = kakusan.AutoencoderKL.from_pretrained(folder, subfolder="vae", **{name: "auto"})
        assert same_weights(alone, pipe.vae)


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        ([torch.float16, torch.float32], torch.float32),
        ([torch.float16, torch.bfloat16], torch.float32),
        ([torch.float64], torch.float32),
        ([torch.float8_e4m3fn], torch.float32),
    ],
)
def test_auto_of_a_mixed_or_unusual_file(folder: Path, stored: Any, expected: Any) -> None:
    path = folder / "vae" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(path)
    mixed = {
        name: tensor.to(stored[number % len(stored)])
        for number, (name, tensor) in enumerate(sorted(tensors.items()))
    }
    save_weights(mixed, path.parent, "diffusion_pytorch_model")
    vae = kakusan.AutoencoderKL.from_pretrained(folder, subfolder="vae", dtype="auto")
    assert {parameter.dtype for parameter in vae.parameters()} == {expected}


def test_a_dtype_for_each_part(tiny_v1: Path) -> None:
    pipe = load(tiny_v1, torch_dtype={"unet": torch.float16, "default": "bfloat16"})
    assert pipe.unet.dtype == torch.float16
    assert pipe.vae.dtype == pipe.text_encoder.dtype == torch.bfloat16
    assert load(tiny_v1, dtype={"vae": "fp16"}).unet.dtype == torch.float32
    said = message(RequestError, lambda: load(tiny_v1, dtype={"transformer": "fp16"}))
    assert "the part 'transformer'" in said


@pytest.mark.parametrize("form", ["safetensors", "bin", "shards"])
def test_a_variant_in_some_parts_only(folder: Path, form: str) -> None:
    plain = load(folder)
    other = {name: value * 1.5 for name, value in plain.unet.state_dict().items()}
    published = plain.unet.to_published_tensors(other)
    if form == "bin":
        torch.save(published, folder / "unet" / "diffusion_pytorch_model.fp16.bin")
    else:
        size = 10**5 if form == "shards" else 10**9
        save_weights(
            published,
            folder / "unet",
            "diffusion_pytorch_model",
            variant="fp16",
            max_shard_size=size,
        )
    half = load(folder, variant="fp16")
    assert torch.equal(half.unet.conv_in.bias, other["conv_in.bias"])
    (short,) = kakusan.generate(
        "a", model=folder, variant="fp16", dtype="float32", seed=1, steps=1, progress=False
    )
    assert short.record["variant"] == "fp16"
    (own,) = half.pictures("a", seed=1, num_inference_steps=1)
    assert short.image.tobytes() == own.image.tobytes()
    assert same_weights(half.vae, plain.vae)
    for part in ("vae", "unet"):
        alone = NETWORKS[part].from_pretrained(folder, subfolder=part, variant="fp16")
        assert same_weights(alone, getattr(half, part))
    for name in (folder, folder / "vae"):
        kind = kakusan.StableDiffusionPipeline if name is folder else kakusan.AutoencoderKL
        said = message(CheckpointError, lambda n=name, k=kind: k.from_pretrained(n, variant="fp61"))
        assert f"no variant 'fp61' (it has: {'fp16' if name is folder else 'none'})" in said
    said = message(
        CheckpointError,
        lambda: kakusan.AutoencoderKL.from_pretrained(folder, subfolder="vae", variant="fp61"),
    )
    assert "(it has: fp16)" in said


def into_cache(folder: Path, cache: Path) -> str:
    """Put a folder into a cache of the Hub, as owner/model."""
    model = cache / "models--owner--model"
    shutil.copytree(folder, model / "snapshots" / ("a" * 40))
    (model / "refs").mkdir()
    (model / "refs" / "main").write_text("a" * 40)
    return "owner/model"


def test_a_variant_in_some_parts_of_the_cache(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(folder).unet.half().save_pretrained(folder / "unet", variant="fp16")
    (folder / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    name = into_cache(folder, tmp_path / "cache")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    pipe = load(name, variant="fp16", local_files_only=True, dtype="auto")
    assert pipe.unet.dtype == torch.float16
    assert pipe.vae.dtype == torch.float32
    said = message(ModelNotFoundError, lambda: load(name, local_files_only=True))
    assert 'The cache has it with variant="fp16"' in said
    said = message(ModelNotFoundError, lambda: load(name, revision="fp16", local_files_only=True))
    assert 'with variant="fp16" without revision.' in said
    said = message(ModelNotFoundError, lambda: load(name, variant="bf16", local_files_only=True))
    assert "the cache lacks the variant 'bf16'" in said
    assert "models pull owner/model --variant bf16`" in said


HARMLESS: dict[str, Any] = {
    "low_cpu_mem_usage": True,
    "offload_folder": "offload",
    "offload_state_dict": True,
    "resume_download": True,
    "force_download": True,
    "proxies": None,
    "mirror": None,
    "use_auth_token": "hf_secret",
    "max_memory": None,
    "device_map": None,
    "output_loading_info": False,
    "trust_remote_code": False,
    "quantization_config": None,
    "disable_mmap": True,
    "ignore_mismatched_sizes": False,
}
HARMLESS_FOR_PIPELINES: dict[str, Any] = {
    "requires_safety_checker": False,
    "image_encoder": None,
    "controlnet": None,
    "custom_pipeline": None,
    "custom_revision": None,
    "use_onnx": False,
    "provider": None,
    "sess_options": None,
    "safety_checker": None,
    "feature_extractor": None,
}
REFUSED: dict[str, Any] = {
    "proxies": {"https": "localhost:1"},
    "mirror": "tuna",
    "max_memory": {0: "1GB"},
    "device_map": {"unet": 0, "vae": "cpu"},
    "output_loading_info": True,
    "trust_remote_code": True,
    "quantization_config": {"load_in_8bit": True},
    "use_auth_token": 5,
}
REFUSED_FOR_PIPELINES: dict[str, Any] = {
    "custom_pipeline": "lpw_stable_diffusion",
    "custom_revision": "v0.1",
    "use_onnx": True,
    "provider": "CUDAExecutionProvider",
    "image_encoder": torch.nn.Identity(),
}


@pytest.mark.parametrize("kind", PIPELINES)
def test_arguments_that_change_nothing(tiny_v1_checked: Path, kind: Any) -> None:
    plain = load(tiny_v1_checked)
    pipe = kind.from_pretrained(tiny_v1_checked, **HARMLESS, **HARMLESS_FOR_PIPELINES)
    assert type(pipe) is kakusan.StableDiffusionPipeline
    assert isinstance(pipe, kind)
    for part in ("unet", "vae", "text_encoder"):
        assert same_weights(getattr(pipe, part), getattr(plain, part))
    assert pipe.safety_checker is None
    assert pipe.scheduler.config == plain.scheduler.config
    assert pipe.device == torch.device("cpu")


@pytest.mark.parametrize("kind", PIPELINES)
@pytest.mark.parametrize("name", [*REFUSED, *REFUSED_FOR_PIPELINES])
def test_arguments_that_cannot_be_honoured(tiny_v1: Path, kind: Any, name: str) -> None:
    value = {**REFUSED, **REFUSED_FOR_PIPELINES}[name]
    said = message(RequestError, lambda: kind.from_pretrained(tiny_v1, **{name: value}))
    assert name in said


@pytest.mark.parametrize("part", [*NETWORKS, *WEIGHTLESS])
def test_the_same_of_each_part(tiny_v1_checked: Path, part: str) -> None:
    kind: Any = {**NETWORKS, **WEIGHTLESS}[part]
    kind.from_pretrained(tiny_v1_checked, subfolder=part, **HARMLESS)
    kind.from_pretrained(tiny_v1_checked / part, dtype="float16", variant=None)
    for name, value in REFUSED.items():
        if name == "device_map" and part in WEIGHTLESS:
            continue
        said = message(
            RequestError,
            lambda n=name, v=value: kind.from_pretrained(tiny_v1_checked / part, **{n: v}),
        )
        assert name in said
    with pytest.raises(UnknownArgumentError, match="low_cpu_memory_usage"):
        kind.from_pretrained(tiny_v1_checked / part, low_cpu_memory_usage=True)


def test_the_older_name_of_the_token(tiny_v1: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    def locate(name: Any, **options: Any) -> Any:
        seen.append(options["token"])
        raise CheckpointError("enough")

    rooms = ("pipeline.loading", "models.model", "text.tokenizer", "schedulers.configured")
    for room in (*rooms, "models.image_processor"):
        monkeypatch.setattr(f"kakusan.{room}.locate", locate)
    kinds: list[Any] = [*PIPELINES, *NETWORKS.values(), *WEIGHTLESS.values()]
    for kind in kinds:
        for given in ({"use_auth_token": "hf"}, {"token": "hf"}, {"token": "hf"} | {}):
            with pytest.raises(CheckpointError, match="enough"):
                kind.from_pretrained("owner/model", **given)
        with pytest.raises(RequestError, match="disagree"):
            kind.from_pretrained("owner/model", token="hf", use_auth_token="other")
    assert seen == ["hf"] * 3 * len(kinds)


@pytest.mark.parametrize("device_map", ["cpu", torch.device("cpu"), {"": "cpu"}, {"unet": "cpu"}])
def test_a_device_map_that_names_a_device(tiny_v1: Path, device_map: Any) -> None:
    assert load(tiny_v1, device_map=device_map).device.type == "cpu"
    vae = kakusan.AutoencoderKL.from_pretrained(tiny_v1 / "vae", device_map=device_map)
    assert vae.device.type == "cpu"


@pytest.mark.parametrize("device_map", ["auto", "balanced", "cuda", "meta"])
def test_a_device_map_is_where_it_is_placed(
    tiny_v1: Path, monkeypatch: pytest.MonkeyPatch, device_map: str
) -> None:
    moved: list[torch.device] = []

    def to(self: Any, device: torch.device) -> Any:
        moved.append(device)
        return self

    best = torch.device("cuda")
    monkeypatch.setattr("kakusan.runtime.device.best_device", lambda: best)
    monkeypatch.setattr("kakusan.runtime.device._reachable", lambda: ["cpu", "cuda"])
    monkeypatch.setattr(kakusan.StableDiffusionPipeline, "to", to)
    if device_map == "meta":
        assert "not on this machine" in message(
            RequestError, lambda: load(tiny_v1, device_map=device_map)
        )
        return
    load(tiny_v1, device_map=device_map)
    assert moved == [best]


def test_moving_by_keyword(tiny_v1: Path) -> None:
    pipe = load(tiny_v1)
    half, cpu = torch.float16, torch.device("cpu")
    for call in (
        lambda: pipe.to(dtype=half, device="cpu"),
        lambda: pipe.to(half, device="cpu", silence_dtype_warnings=True),
        lambda: pipe.to("cpu", half),
        lambda: pipe.to(half, cpu),
        lambda: pipe.to("cpu", dtype="float16"),
        lambda: pipe.to(None, half),
        lambda: pipe.to(torch_device="cpu", torch_dtype=half),
    ):
        pipe.to(torch.float32)
        assert call() is pipe
        assert pipe.dtype == pipe.vae.dtype == half
    assert pipe.to(device="cpu").to() is pipe
    assert pipe.dtype == half
    for wrong, says in (
        (lambda: pipe.to("cpu", device="cpu"), "two devices"),
        (lambda: pipe.to(half, dtype="float32"), "two dtypes"),
        (lambda: pipe.to(dtype=half, torch_dtype="float32"), "two dtypes"),
        (lambda: pipe.to("gpu"), "'gpu' is not on this machine"),
        (lambda: pipe.to(["cpu"]), "is not on this machine"),
        (lambda: pipe.to(dtype="int7"), "is unknown"),
        (lambda: pipe.to("cpu", memory="low"), "no argument 'memory'"),
    ):
        assert says in message(RequestError, wrong)


def test_the_constructor_takes_what_components_gives(tiny_v1_checked: Path) -> None:
    pipe = load(tiny_v1_checked)
    again = kakusan.StableDiffusionPipeline(**pipe.components, requires_safety_checker=False)
    assert all(again.components[part] is pipe.components[part] for part in NETWORKS)
    with pytest.raises(RequestError, match="image_encoder"):
        kakusan.StableDiffusionPipeline(**{**pipe.components, "image_encoder": 5})
    with pytest.raises(UnknownArgumentError, match="no argument 'requires_checker'"):
        kakusan.StableDiffusionPipeline(**pipe.components, requires_checker=False)


@pytest.mark.parametrize("kind", PIPELINES)
def test_from_pipe_shares_the_parts(tiny_v1_checked: Path, kind: Any) -> None:
    pipe = load(tiny_v1_checked)
    made = kind.from_pipe(pipe)
    assert made is not pipe
    assert type(made) is kakusan.StableDiffusionPipeline
    assert all(made.components[part] is pipe.components[part] for part in pipe.components)
    assert made.own_source == pipe.source
    assert made.has_own_scheduler
    unchecked = kind.from_pipe(pipe, safety_checker=None, requires_safety_checker=False)
    assert unchecked.safety_checker is None
    assert pipe.safety_checker is not None
    scheduler = kakusan.EulerDiscreteScheduler.from_config(pipe.scheduler.config)
    other = kind.from_pipe(pipe, scheduler=scheduler)
    assert not other.has_own_scheduler
    assert pipe.has_own_scheduler
    first, second = (picture(each, output_type="np") for each in (pipe, made))
    assert (first == second).all()
    assert kind.from_pipe(pipe, dtype=torch.float16).dtype == pipe.dtype == torch.float16
    assert "not a str" in message(RequestError, lambda: kind.from_pipe("builtin"))
    with pytest.raises(UnknownArgumentError, match="vea"):
        kind.from_pipe(pipe, vea=None)


@pytest.mark.parametrize("part", ["vae", "unet", "text_encoder", "tokenizer", "scheduler"])
def test_nothing_is_checked_of_a_part_that_is_handed_in(folder: Path, part: str) -> None:
    value = getattr(load(folder), part)
    shutil.rmtree(folder / part)
    index = json.loads((folder / "model_index.json").read_text())
    for entry in (["diffusers", "CogVideoXDDIMScheduler"], [None, None], "broken"):
        (folder / "model_index.json").write_text(json.dumps(index | {part: entry}))
        pipe = load(folder, **{part: value})
        assert pipe.components[part] is value or part == "scheduler"
        message(CheckpointError, lambda: load(folder))
    name = into_cache(folder, folder.parent / "cache")
    options = {"cache_dir": folder.parent / "cache", "local_files_only": True}
    assert load(name, **options, **{part: value}).source is not None


def test_without_a_safety_checker_its_extractor_is_not_needed(
    tiny_v1_checked: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(tiny_v1_checked, tmp_path / "model")
    for part in ("safety_checker", "feature_extractor"):
        shutil.rmtree(folder / part)
    name = into_cache(folder, tmp_path / "cache")
    options = {"cache_dir": tmp_path / "cache", "local_files_only": True}
    assert load(name, **options, safety_checker=None).safety_checker is None
    message(ModelNotFoundError, lambda: load(name, **options))


def test_drawing_from_stored_embeddings(folder: Path, tmp_path: Path) -> None:
    whole = load(folder)
    text, negative = (whole.encode_texts([words]) for words in ("a cat", ""))
    given: Any = {"prompt_embeds": text, "negative_prompt_embeds": negative}
    expected = picture(whole, None, **given)
    for part in ("text_encoder", "tokenizer"):
        shutil.rmtree(folder / part)
    pipe = load(folder, text_encoder=None, tokenizer=None)
    assert (picture(pipe, None, **given) == expected).all()
    assert (picture(copy.deepcopy(pipe), None, **given) == expected).all()
    pipe.to("cpu").to(torch.float32)
    output = pipe(**given, num_inference_steps=1, generator=torch.Generator().manual_seed(3))
    assert output.records[0]["seed"] == 3
    assert output.records[0]["model"] == str(folder)
    assert pipe.components["text_encoder"] is None
    for call in (
        lambda: pipe("a cat"),
        lambda: pipe(prompt_embeds=text),
        lambda: pipe(prompt_embeds=text, negative_prompt="blur"),
    ):
        said = message(RequestError, call)
        assert "cannot encode texts; give prompt_embeds" in said
    assert picture(pipe, None, prompt_embeds=text, guidance_scale=1.0).any()
    assert "no tokenizer" in message(RequestError, lambda: pipe.encode_texts(["a cat"]))
    pipe.save_pretrained(tmp_path / "saved")
    assert not (tmp_path / "saved" / "text_encoder").exists()
    assert "text_encoder; give text_encoder=" in message(
        CheckpointError, lambda: load(tmp_path / "saved")
    )
    again = load(tmp_path / "saved", text_encoder=None, tokenizer=None)
    assert (picture(again, None, **given) == expected).all()


@pytest.mark.parametrize("part", ["unet", "vae", "scheduler"])
def test_a_part_that_is_needed_is_named_where_it_is(tiny_v1: Path, part: str) -> None:
    pipe = load(tiny_v1, **{part: None})
    assert f"this pipeline has no {part}" in message(RequestError, lambda: pipe("a cat"))
    assert pipe.encode_texts(["a cat"]).shape[0] == 1
    assert torch.equal(
        pipe.encode_prompt("a cat", "cpu", 1, False)[0], pipe.encode_texts(["a cat"])
    )
    assert pipe.device.type == "cpu"
    if part == "vae":
        assert "no vae" in message(RequestError, lambda: pipe.preview(torch.zeros(1, 4, 8, 8)))
        assert "no vae" in message(RequestError, lambda: pipe.decode(torch.zeros(1, 4, 8, 8)))
        latents = pipe("a cat", num_inference_steps=1, output_type="latent").images
        assert latents.shape[1:] == (4, 8, 8)


def test_a_text_encoder_alone_encodes_prompts(tiny_v1: Path) -> None:
    """Scripts encode first and load the other parts when the text encoder is gone again."""
    others = {"unet": None, "vae": None, "scheduler": None}
    whole, alone = load(tiny_v1), load(tiny_v1, **others)
    arguments: Any = (["a cat", "a dog"], "cpu", 2, True, "blur")
    for one, same in zip(
        alone.encode_prompt(*arguments), whole.encode_prompt(*arguments), strict=True
    ):
        assert torch.equal(one, same)
    assert alone.encode_prompt("a cat", "cpu", 1, False, clip_skip=1)[1] is None
    given = {"prompt_embeds": torch.zeros(1, 77, 9)}
    assert "expected (1, 77, 32)" in message(
        RequestError, lambda: alone.encode_prompt(None, "cpu", 1, False, **given)
    )
    assert "not a str" in message(
        RequestError, lambda: alone.register_modules(text_encoder="x") or alone.encode_prompt("a")
    )


def test_a_pipeline_of_nothing_has_a_device() -> None:
    pipe = kakusan.StableDiffusionPipeline(None, None, None, None, None)
    assert (pipe.device.type, pipe.dtype) == ("cpu", torch.float32)
    assert pipe.to("cpu").components["unet"] is None
    assert repr(pipe) == "StableDiffusionPipeline()"
    given = {"prompt_embeds": torch.zeros(1, 7, 5)}
    assert pipe.encode_prompt(None, "cpu", 2, False, **given)[0].shape == (2, 7, 5)


INDEXES: dict[str, dict[str, Any]] = {
    "legacy": {"_class_name": "StableDiffusionInpaintPipelineLegacy"},
    "safe": {"_class_name": "StableDiffusionPipelineSafe", "safety_text_concept": "hate"},
    "checked": {"_class_name": "SomePipeline", "requires_safety_checker": True},
    "community": {"_class_name": ["pipeline", "StableDiffusionLongPromptWeightingPipeline"]},
    "nameless": {"_class_name": None},
    "ip": {"image_encoder": ["transformers", "CLIPVisionModelWithProjection"]},
    "no ip": {"image_encoder": [None, None], "unet_extra": [None, None]},
}


def test_an_index_of_an_inpainting_pipeline(folder: Path) -> None:
    index = json.loads((folder / "model_index.json").read_text())
    named = {"_class_name": "StableDiffusionInpaintPipeline"}
    (folder / "model_index.json").write_text(json.dumps(index | named))
    assert type(load(folder)) is kakusan.StableDiffusionPipeline
    for kind in (kakusan.DiffusionPipeline, kakusan.AutoPipelineForInpainting):
        assert type(kind.from_pretrained(folder)) is kakusan.StableDiffusionInpaintPipeline


@pytest.mark.parametrize("kind", PIPELINES)
@pytest.mark.parametrize("changes", INDEXES.values(), ids=INDEXES)
def test_the_parts_are_what_counts(folder: Path, kind: Any, changes: dict[str, Any]) -> None:
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps(index | changes))
    assert type(kind.from_pretrained(folder)) is kakusan.StableDiffusionPipeline


@pytest.mark.parametrize("kind", PIPELINES)
@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"depth_estimator": ["transformers", "DPTForDepthEstimation"]}, "'depth_estimator'"),
        ({"text_encoder": ["transformers", "T5EncoderModel"]}, "'T5EncoderModel', which kakusan"),
        ({"unet": None, "transformer": ["diffusers", "FluxTransformer2DModel"]}, "'transformer'"),
        ({"unet": [None, None]}, "names no class for the part unet"),
        ({"unet": ["x" * 5000, "y" * 5000]}, "'yyy"),
    ],
)
def test_other_parts_are_not_there_yet(folder: Path, kind: Any, changes: Any, says: str) -> None:
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps(index | changes))
    assert says in message(CheckpointError, lambda: kind.from_pretrained(folder))


def test_a_part_of_another_pipeline_can_be_left_out(folder: Path) -> None:
    index = json.loads((folder / "model_index.json").read_text())
    index["controlnet"] = ["diffusers", "ControlNetModel"]
    (folder / "model_index.json").write_text(json.dumps(index))
    assert load(folder, controlnet=None).unet is not None


def test_a_unet_that_takes_more_than_latents(tiny_v1: Path) -> None:
    pipe = load(tiny_v1)
    config = dict(pipe.unet.load_config(tiny_v1, subfolder="unet"))
    unet = kakusan.UNet2DConditionModel.from_config({**config, "in_channels": 8})
    said = message(RequestError, lambda: load(tiny_v1, unet=unet))
    assert "the unet takes 8 channels and the vae gives 4" in said


def test_a_fresh_network_from_a_config(tiny_v1: Path) -> None:
    for part, kind in NETWORKS.items():
        if part == "safety_checker":
            continue
        loaded: Any = kind.from_pretrained(tiny_v1, subfolder=part)
        published = kind.load_config(tiny_v1, subfolder=part)
        assert kind.from_config(published).config == loaded.config
        assert kind.from_config(loaded.config).config == loaded.config
        said = message(RequestError, lambda k=kind: k.from_config(str(tiny_v1)))
        assert "load_config" in said


def test_another_length_of_texts(tiny_v1: Path) -> None:
    kind = kakusan.CLIPTokenizer
    tokenizer = kind.from_pretrained(tiny_v1, subfolder="tokenizer", model_max_length=20)
    assert len(tokenizer("a cat", padding="max_length").input_ids) == 20
    for wrong in (1, 10**9, "77", True):
        said = message(
            RequestError,
            lambda w=wrong: kind.from_pretrained(tiny_v1 / "tokenizer", model_max_length=w),
        )
        assert "model_max_length" in said


def test_an_empty_file_is_refused_by_every_loader(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.touch()
    kinds: list[Any] = [*PIPELINES, *NETWORKS.values(), *WEIGHTLESS.values()]
    for kind in kinds:
        said = message(InputError, lambda k=kind: k.from_pretrained(path))
        assert "is empty" in said or "not from a single file" in said


@pytest.mark.parametrize(
    "defaults",
    [
        {"num_inference_steps": 0},
        {"num_inference_steps": "x" * 5000},
        {"num_inference_steps": 10**9},
        {"img2img_steps": 0},
        {"guidance_scale": float("nan")},
        {"guidance_scale": [3]},
        {"guidance_scale": -1},
    ],
)
def test_a_folders_own_defaults_are_checked(folder: Path, defaults: dict[str, Any]) -> None:
    (folder / "kakusan.json").write_text(json.dumps(defaults))
    (name,) = defaults
    assert f"kakusan.json: '{name}' is" in message(CheckpointError, lambda: load(folder))
    (folder / "kakusan.json").write_text('{"guidance_scale": 3, "num_inference_steps": 7}')
    assert load(folder).defaults == {"guidance_scale": 3.0, "num_inference_steps": 7}
