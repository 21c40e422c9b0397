"""What graphs ask for, under a request's names."""

from dataclasses import replace
from typing import Any

import pytest

from kakusan.request import Request
from kakusan.samplers import meaning_of
from kakusan.server.dialects.comfyui.choices import SCHEDULER_NAMES, sampler_names
from kakusan.server.dialects.comfyui.latents import steps_of
from kakusan.server.dialects.comfyui.nodes import KINDS
from kakusan.server.dialects.comfyui.pixels import Mask, Multiplied, Pixels, Scaled
from kakusan.server.dialects.comfyui.plan import Plan, planned, settings_of
from kakusan.server.dialects.comfyui.refusals import GraphError
from kakusan.server.dialects.comfyui.validation import checked
from tests.server.dialects.comfyui.graphs import DEFAULT, Prompt, changed, over_a_picture
from tests.server.dialects.comfyui.test_validation import CHOICES


def plan(prompt: Prompt) -> Plan:
    return planned(checked(prompt, CHOICES))


def settings(prompt: Prompt, family: str | None = "Stable Diffusion 1") -> dict[str, Any]:
    return settings_of(plan(prompt), family)


def refused(prompt: Prompt) -> tuple[str, str]:
    """The node that is named, and why."""
    with pytest.raises(GraphError) as caught:
        settings(prompt)
    assert caught.value.error["type"] == "prompt_outputs_failed_validation"
    ((name, node),) = caught.value.node_errors.items()
    (error,) = node["errors"]
    assert (error["type"], node["class_type"]) == (
        "custom_validation_failed",
        prompt[name]["class_type"],
    )
    return name, error["details"]


def test_the_default_graph() -> None:
    found = plan(DEFAULT)
    assert settings(DEFAULT) == {
        "prompt": "a red circle",
        "negative_prompt": "blurry",
        "seed": 8566257,
        "num_inference_steps": 2,
        "guidance_scale": 8.0,
        "scheduler": "euler/normal",
        "prompt_syntax": "comfy",
        "rng": "comfyui",
        "model": "builtin",
        "num_images_per_prompt": 1,
    }
    assert (found.begun.size, found.begun.pixels, found.ignored) == ((128, 128), None, ())
    assert (found.sampler, [(end.node, end.prefix) for end in found.ends]) == (
        "3",
        [("9", "ComfyUI")],
    )
    assert found.order.index("4") < found.order.index("6") < found.order.index("3")
    assert found.order[-2:] == ("8", "9")
    Request.of(**settings(DEFAULT))


@pytest.mark.parametrize("sampler", sampler_names())
@pytest.mark.parametrize("schedule", SCHEDULER_NAMES)
def test_every_sampler_and_schedule_of_the_lists(sampler: str, schedule: str) -> None:
    prompt = changed(_3=("KSampler", {"sampler_name": sampler, "scheduler": schedule}))
    found = settings(prompt)
    meaning = meaning_of(found["scheduler"])
    assert bool(meaning.ignored) == bool(plan(prompt).ignored)
    Request.of(**found)


def test_ancestral_noise_is_a_gpus() -> None:
    named = {
        "euler_ancestral": "comfyui-gpu",
        "dpmpp_sde": "comfyui",
        "dpmpp_sde_gpu": "comfyui-gpu",
    }
    for sampler, rng in named.items():
        assert settings(changed(_3=("KSampler", {"sampler_name": sampler})))["rng"] == rng


def test_loras_a_vae_and_the_last_layer() -> None:
    lora = {"lora_name": "ink", "strength_model": 0.8, "strength_clip": 0.6}
    found = settings(
        changed(
            _20=("LoraLoader", {**lora, "model": ["4", 0], "clip": ["4", 1]}),
            _21=(
                "LoraLoader",
                {**lora, "lora_name": "glow", "model": ["20", 0], "clip": ["20", 1]},
            ),
            _22=(
                "LoraLoaderModelOnly",
                {"lora_name": "ink", "strength_model": -1, "model": ["21", 0]},
            ),
            _23=(
                "LoraLoader",
                {
                    **lora,
                    "strength_model": 0,
                    "strength_clip": 0,
                    "model": ["22", 0],
                    "clip": ["21", 1],
                },
            ),
            _24=("CLIPSetLastLayer", {"stop_at_clip_layer": -2, "clip": ["23", 1]}),
            _25=("VAELoader", {"vae_name": "other"}),
            _3=("KSampler", {"model": ["23", 0]}),
            _6=("CLIPTextEncode", {"clip": ["24", 0]}),
            _7=("CLIPTextEncode", {"clip": ["24", 0]}),
            _8=("VAEDecode", {"vae": ["25", 0]}),
        )
    )
    assert [tuple(each.values()) for each in found["loras"]] == [
        ("ink", 0.6, 0.8),
        ("glow", 0.6, 0.8),
        ("ink", 0.0, -1.0),
    ]
    assert (found["clip_skip"], found["vae"], found["model"]) == (1, "other", "builtin")
    Request.of(**found)


def test_sdxls_last_layer_but_one_is_its_own() -> None:
    prompt = changed(
        _24=("CLIPSetLastLayer", {"stop_at_clip_layer": -2, "clip": ["4", 1]}),
        _6=("CLIPTextEncode", {"clip": ["24", 0]}),
        _7=("CLIPTextEncode", {"clip": ["24", 0]}),
    )
    assert "clip_skip" not in settings(prompt, "SDXL")
    assert settings(prompt, "SDXL")["force_zeros_for_empty_prompt"] is False


def test_several_pictures() -> None:
    prompt = changed(
        _5=("EmptyLatentImage", {"batch_size": 2}),
        _10=("RepeatLatentBatch", {"samples": ["5", 0], "amount": 3}),
        _3=("KSampler", {"latent_image": ["10", 0]}),
    )
    assert settings(prompt)["num_images_per_prompt"] == 6
    prompt["5"]["inputs"]["batch_size"] = 1000
    assert refused(prompt)[1].startswith("more than 1000 pictures")


def test_over_a_picture() -> None:
    found = plan(over_a_picture())
    assert found.begun.pixels == Pixels("in.png")
    assert (found.begun.size, found.begun.mask, found.begun.denoise) == (None, None, 0.5)
    assert steps_of(found.begun, 20) == {
        "num_inference_steps": 40,
        "strength": 0.5,
    }


@pytest.mark.parametrize("denoise", [0.0, 0.01, 0.07, 0.3, 0.5, 0.7, 0.8, 0.87, 0.99, 1.0])
@pytest.mark.parametrize("steps", [1, 7, 20, 33])
def test_denoise_takes_the_last_steps_of_more(denoise: float, steps: int) -> None:
    begun = plan(over_a_picture(denoise=denoise)).begun
    found = steps_of(begun, steps)
    total, strength = found["num_inference_steps"], found["strength"]
    if denoise == 0:
        assert (total, strength) == (steps, 0.0)
        return
    assert total == (steps if denoise > 0.9999 else int(steps / denoise))
    assert min(int(total * strength), total) == steps


def test_the_advanced_sampler_where_it_is_the_same() -> None:
    inputs = {k: v for k, v in DEFAULT["3"]["inputs"].items() if k not in ("seed", "denoise")}
    advanced = {
        **inputs,
        "add_noise": "enable",
        "noise_seed": 8566257,
        "start_at_step": 0,
        "end_at_step": 10_000,
        "return_with_leftover_noise": "disable",
    }
    prompt = changed(_3=("KSamplerAdvanced", advanced))
    assert settings(prompt) == settings(DEFAULT)
    for name, value in (("start_at_step", 1), ("end_at_step", 1), ("add_noise", "disable")):
        assert refused(changed(_3=("KSamplerAdvanced", {**advanced, name: value})))[0] == "3"
    over = over_a_picture()
    del over["3"]
    over["3"] = {
        "class_type": "KSamplerAdvanced",
        "inputs": {**advanced, "steps": 20, "start_at_step": 8, "latent_image": ["11", 0]},
    }
    begun = plan(over).begun
    assert steps_of(begun, 20) == {"num_inference_steps": 20, "strength": 0.6}
    over["3"]["inputs"]["start_at_step"] = 20
    assert "none is left" in refused(over)[1]
    over["3"]["inputs"] |= {"start_at_step": 8, "end_at_step": 15}
    assert refused(over)[0] == "3"


def test_pictures_that_are_scaled() -> None:
    scale = {"image": ["10", 0], "upscale_method": "lanczos", "width": 64, "height": 72}
    prompt = over_a_picture()
    prompt["12"] = {"class_type": "ImageScale", "inputs": {**scale, "crop": "center"}}
    prompt["13"] = {
        "class_type": "ImageScaleBy",
        "inputs": {"image": ["12", 0], "upscale_method": "area", "scale_by": 1.5},
    }
    prompt["11"]["inputs"]["pixels"] = ["13", 0]
    steps = (Scaled("lanczos", 64, 72, True), Multiplied("area", 1.5))
    assert plan(prompt).begun.pixels == Pixels("in.png", steps)


def test_masks() -> None:
    prompt = over_a_picture()
    prompt["12"] = {
        "class_type": "SetLatentNoiseMask",
        "inputs": {"samples": ["11", 0], "mask": ["10", 1]},
    }
    prompt["3"]["inputs"]["latent_image"] = ["12", 0]
    assert plan(prompt).begun.mask == Mask("in.png", "alpha")
    prompt["13"] = {"class_type": "LoadImageMask", "inputs": {"image": "in.png", "channel": "red"}}
    prompt["12"]["inputs"]["mask"] = ["13", 0]
    assert plan(prompt).begun.mask == Mask("in.png", "red")
    hidden = {"pixels": ["10", 0], "vae": ["4", 2], "mask": ["10", 1], "grow_mask_by": 6}
    prompt["11"] = {"class_type": "VAEEncodeForInpaint", "inputs": hidden}
    assert "these have two" in refused(prompt)[1]
    prompt["3"]["inputs"]["latent_image"] = ["11", 0]
    found = plan(prompt).begun
    assert (found.mask, found.grown) == (Mask("in.png", "alpha"), 6)
    empty = changed(
        _10=("LoadImage", {"image": "in.png"}),
        _12=("SetLatentNoiseMask", {"samples": ["5", 0], "mask": ["10", 1]}),
        _3=("KSampler", {"latent_image": ["12", 0]}),
    )
    assert refused(empty)[0] == "3"


def test_several_outputs_of_the_same_pictures() -> None:
    found = plan(
        changed(
            _10=("PreviewImage", {"images": ["8", 0]}),
            _11=("SaveImage", {"images": ["8", 0], "filename_prefix": "twice"}),
        )
    )
    assert [(end.node, end.prefix) for end in found.ends] == [
        ("9", "ComfyUI"),
        ("10", None),
        ("11", "twice"),
    ]


def test_outputs_of_different_pictures_are_refused() -> None:
    prompt = changed(
        _13=("KSampler", {**DEFAULT["3"]["inputs"], "seed": 1}),
        _18=("VAEDecode", {"samples": ["13", 0], "vae": ["4", 2]}),
        _19=("SaveImage", {"images": ["18", 0], "filename_prefix": "b"}),
    )
    with pytest.raises(GraphError, match="different pictures") as caught:
        plan(prompt)
    assert "nodes 9 and 19" in caught.value.error["details"]


@pytest.mark.parametrize(
    ("prompt", "node"),
    [
        (changed(_3=("KSampler", {"denoise": 0.5})), "3"),  # of empty latents
        (
            changed(
                _13=("KSampler", {**DEFAULT["3"]["inputs"], "latent_image": ["3", 0]}),
                _8=("VAEDecode", {"samples": ["13", 0]}),
            ),
            "3",
        ),
        (
            changed(
                _10=("LoadImage", {"image": "in.png"}), _9=("SaveImage", {"images": ["10", 0]})
            ),
            "9",
        ),
        (changed(_8=("VAEDecode", {"samples": ["5", 0]})), "8"),
        (
            changed(
                _10=("ImageScaleBy", {"image": ["8", 0], "upscale_method": "area", "scale_by": 2}),
                _9=("SaveImage", {"images": ["10", 0]}),
            ),
            "9",
        ),
        (
            changed(
                _10=("CheckpointLoaderSimple", {"ckpt_name": "abcdef0123"}),
                _6=("CLIPTextEncode", {"clip": ["10", 1]}),
                _7=("CLIPTextEncode", {"clip": ["10", 1]}),
            ),
            "3",
        ),
        (
            changed(
                _10=("CLIPSetLastLayer", {"stop_at_clip_layer": -2, "clip": ["4", 1]}),
                _6=("CLIPTextEncode", {"clip": ["10", 0]}),
            ),
            "3",
        ),
        (
            changed(
                _10=("CheckpointLoaderSimple", {"ckpt_name": "abcdef0123"}),
                _8=("VAEDecode", {"vae": ["10", 2]}),
            ),
            "8",
        ),
        (
            {
                **over_a_picture(),
                "12": {"class_type": "VAELoader", "inputs": {"vae_name": "other"}},
                "8": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0], "vae": ["12", 0]}},
            },
            "11",
        ),
    ],
)
def test_what_is_not_drawn_is_refused(prompt: Prompt, node: str) -> None:
    assert refused(prompt)[0] == node


def test_sizes_are_cut_to_whole_latents() -> None:
    found = plan(changed(_5=("EmptyLatentImage", {"width": 131, "height": 128})))
    assert found.begun.size == (128, 128)
    assert found.ignored == ("5.width: 131 is cut to 128, a multiple of 8",)


def test_learnt_words_are_named() -> None:
    text = "a cat, embedding:good, (embedding:hands:1.2)"
    prompt = changed(_6=("CLIPTextEncode", {"text": text}))
    assert settings(prompt)["embeddings"] == ["good", "hands"]


def test_every_input_is_classified() -> None:
    """Each value of each node either counts, or says why it does not."""
    changes = {"INT": 64, "FLOAT": 0.5, "STRING": "b"}
    for name, kind in KINDS.items():
        for key, asked in kind.inputs.items():
            assert asked.is_value or asked.kind in {o for k in KINDS.values() for o in k.outputs}
            assert asked.ignored is None or asked.kind in changes, (name, key)


def changed_plan(prompt: Prompt, node: str, name: str, value: object) -> object:
    changed = {**prompt, node: {**prompt[node], "inputs": {**prompt[node]["inputs"], name: value}}}
    found = replace(plan(changed), order=(), ignored=())
    return found, settings_of(found, None), steps_of(found.begun, 20)


@pytest.mark.parametrize(
    ("node", "name", "value"),
    [
        ("4", "ckpt_name", "abcdef0123"),
        *(("5", name, 256) for name in ("width", "height")),
        ("5", "batch_size", 2),
        *(("6", "text", "b"), ("7", "text", "b"), ("9", "filename_prefix", "b")),
        *(("3", "seed", 1), ("3", "steps", 3), ("3", "cfg", 3.0)),
        *(("3", "sampler_name", "heun"), ("3", "scheduler", "karras")),
    ],
)
def test_every_value_of_the_default_graph_counts(node: str, name: str, value: object) -> None:
    own = DEFAULT[node]["inputs"][name]
    assert changed_plan(DEFAULT, node, name, value) != changed_plan(DEFAULT, node, name, own)
