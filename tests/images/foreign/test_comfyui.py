"""ComfyUI's graphs: what came out of them, and every way in which they can be odd."""

import copy
import json
import time
from typing import Any

import pytest

from kakusan.images.foreign import Lora, Told
from kakusan.images.foreign.comfyui import drawn_at, read_graphs
from kakusan.images.foreign.comfyui.graph import graph_of_prompt
from kakusan.interchange import translated
from kakusan.samplers import meaning_of

Graph = dict[str, Any]
PLAIN: Graph = {
    "3": {
        "class_type": "KSampler",
        "inputs": {
            "seed": 156680208700286,
            "steps": 20,
            "cfg": 8.0,
            "sampler_name": "dpmpp_2m",
            "scheduler": "karras",
            "denoise": 1.0,
            "model": ["4", 0],
            "positive": ["6", 0],
            "negative": ["7", 0],
            "latent_image": ["5", 0],
        },
    },
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "v1-5.safetensors"}},
    "5": {
        "class_type": "EmptyLatentImage",
        "inputs": {"width": 512, "height": 768, "batch_size": 1},
    },
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a (cat:1.2)", "clip": ["4", 1]}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "blurry", "clip": ["4", 1]}},
    "8": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0], "vae": ["4", 2]}},
    "9": {"class_type": "SaveImage", "inputs": {"filename_prefix": "a", "images": ["8", 0]}},
}


def read(graph: Graph, size: tuple[int, int] | None = None) -> Told:
    told = read_graphs(json.dumps(graph), None, "png:prompt", size)
    assert told is not None
    return told


def changed(**nodes: tuple[str, dict[str, Any]]) -> Graph:
    """The default graph with nodes of `_ID=(kind, inputs)` put in or over it."""
    graph = copy.deepcopy(PLAIN)
    for name, (kind, inputs) in nodes.items():
        old = graph.get(name[1:], {"inputs": {}})
        kept = old["inputs"] if old.get("class_type") == kind else {}
        graph[name[1:]] = {"class_type": kind, "inputs": {**kept, **inputs}}
    return graph


def test_the_default_graph() -> None:
    told = read(PLAIN)
    says = told.settings
    assert (told.tool, told.unknown, told.limits) == ("ComfyUI", {}, ())
    assert (says.prompt, says.negative_prompt) == ("a (cat:1.2)", "blurry")
    assert (says.seed, says.num_inference_steps, says.guidance_scale) == (156680208700286, 20, 8)
    assert (says.width, says.height, says.model) == (512, 768, "v1-5.safetensors")
    assert (says.scheduler, says.prompt_syntax, says.rng) == ("dpmpp_2m/karras", "comfy", "comfyui")
    assert (says.strength, says.img2img, says.hires, says.vae) == (None, None, None, None)
    meaning_of("dpmpp_2m/karras")


def test_loras_and_clip_skip_in_their_order() -> None:
    lora = {"strength_model": 0.8, "strength_clip": 0.6}
    told = read(
        changed(
            _10=("LoraLoader", {"lora_name": "a.st", **lora, "model": ["4", 0], "clip": ["4", 1]}),
            _11=(
                "LoraLoaderModelOnly",
                {"lora_name": "b.st", "strength_model": 1, "model": ["10", 0]},
            ),
            _12=("CLIPSetLastLayer", {"stop_at_clip_layer": -2, "clip": ["10", 1]}),
            _3=("KSampler", {"model": ["11", 0]}),
            _6=("CLIPTextEncode", {"clip": ["12", 0]}),
        )
    )
    assert told.settings.loras == (
        Lora(name="a.st", text_weight=0.6, unet_weight=0.8),
        Lora(name="b.st", text_weight=0.0, unet_weight=1.0),
    )
    assert (told.settings.clip_skip, told.settings.model) == (1, "v1-5.safetensors")
    assert told.limits == ()


def test_a_lora_of_the_texts_alone() -> None:
    lora = {"lora_name": "a.st", "strength_model": 0.8, "strength_clip": 0.6}
    told = read(
        changed(
            _10=("LoraLoader", {**lora, "model": ["4", 0], "clip": ["4", 1]}),
            _6=("CLIPTextEncode", {"clip": ["10", 1]}),
        )
    )
    assert told.settings.loras == (Lora(name="a.st", text_weight=0.6, unet_weight=0.0),)


def test_latents_that_are_repeated_are_several() -> None:
    repeated = changed(
        _5=("EmptyLatentImage", {"batch_size": 2}),
        _10=("RepeatLatentBatch", {"samples": ["5", 0], "amount": 3}),
        _3=("KSampler", {"latent_image": ["10", 0]}),
    )
    assert "it is one of 6 drawn together, and which is not told." in read(repeated).limits


def test_one_output_alone_is_read() -> None:
    graph = graph_of_prompt(changed(_5=("EmptyLatentImage", {"batch_size": 2})))
    assert graph is not None
    drawn = drawn_at(graph, graph.nodes["9"])
    assert drawn is not None
    assert (drawn.count, list(drawn.limits), drawn.settings.seed) == (2, [], 156680208700286)
    assert drawn_at(graph, graph.nodes["4"]) is None


def test_the_stack_of_rgthree() -> None:
    entries = {
        "lora_1": {"on": True, "lora": "a.st", "strength": 0.8},
        "lora_2": {"on": False, "lora": "b.st", "strength": 1},
    }
    told = read(
        changed(
            _10=("Power Lora Loader (rgthree)", {**entries, "model": ["4", 0], "clip": ["4", 1]}),
            _3=("KSampler", {"model": ["10", 0]}),
            _6=("CLIPTextEncode", {"clip": ["10", 1]}),
        )
    )
    assert told.settings.loras == (Lora(name="a.st", text_weight=0.8, unet_weight=0.8),)


def test_values_from_other_nodes() -> None:
    told = read(
        changed(
            _3=("KSampler", {"seed": ["20", 0], "steps": ["21", 0], "model": ["26", 0]}),
            _6=("CLIPTextEncode", {"text": ["22", 0]}),
            _20=("PrimitiveNode", {"value": 77}),
            _21=("Int Literal", {"int": 33}),
            _22=(
                "StringConcatenate",
                {"string_a": ["23", 0], "string_b": "dog", "delimiter": " & "},
            ),
            _23=("Reroute", {"": ["24", 0]}),
            _24=("PrimitiveStringMultiline", {"value": "a cat"}),
            _26=("Reroute", {"": ["4", 0]}),
        )
    )
    assert (told.settings.seed, told.settings.num_inference_steps) == (77, 33)
    assert (told.settings.prompt, told.settings.model) == ("a cat & dog", "v1-5.safetensors")

    assert (told.limits, told.unknown) == ((), {})


def test_values_that_pass_through_contexts() -> None:
    told = read(
        changed(
            _3=(
                "KSampler",
                {
                    "model": ["21", 1],
                    "positive": ["21", 4],
                    "negative": ["21", 5],
                    "latent_image": ["21", 6],
                    "seed": ["22", 0],
                },
            ),
            _8=("VAEDecode", {"vae": ["21", 3]}),
            _20=(
                "Context (rgthree)",
                {
                    "model": ["4", 0],
                    "clip": ["4", 1],
                    "vae": ["4", 2],
                    "positive": ["7", 0],
                    "negative": ["7", 0],
                },
            ),
            _21=(
                "Context Big (rgthree)",
                {"base_ctx": ["20", 0], "positive": ["6", 0], "latent": ["5", 0]},
            ),
            _22=("Seed (rgthree)", {"seed": 42}),
        )
    )
    says = told.settings
    assert (says.prompt, says.negative_prompt, says.seed) == ("a (cat:1.2)", "blurry", 42)
    assert (says.model, says.width, says.height) == ("v1-5.safetensors", 512, 768)
    assert (told.limits, told.unknown) == ((), {})


def test_the_efficient_loader_leaves_layers_out() -> None:
    loader = {
        "ckpt_name": "v1-5.safetensors",
        "vae_name": "Baked VAE",
        "clip_skip": -2,
        "lora_name": "None",
        "positive": "a cat",
        "negative": "blurry",
        "empty_latent_width": 512,
        "empty_latent_height": 768,
        "batch_size": 1,
    }
    links = {"model": ["4", 0], "positive": ["4", 1], "negative": ["4", 2]}
    told = read(
        changed(
            _4=("Efficient Loader", loader),
            _3=(
                "KSampler (Efficient)",
                {**PLAIN["3"]["inputs"], **links, "latent_image": ["4", 3]},
            ),
        )
    )
    says = told.settings
    assert (says.prompt, says.negative_prompt, says.clip_skip) == ("a cat", "blurry", 1)
    assert (says.loras, says.width, told.limits) == ((), 512, ())


def test_steps_that_were_left_out_are_said() -> None:
    cut = {**PLAIN["3"]["inputs"], "noise_seed": 3, "start_at_step": 0, "end_at_step": 15}
    (said,) = read(changed(_3=("KSamplerAdvanced", cut))).limits
    assert "from 0 to 15" in said
    assert read(changed(_3=("KSamplerAdvanced", {**cut, "end_at_step": 10000}))).limits == ()


def test_custom_sampling() -> None:
    told = read(
        changed(
            _3=(
                "SamplerCustomAdvanced",
                {
                    "noise": ["30", 0],
                    "guider": ["31", 0],
                    "sampler": ["32", 0],
                    "sigmas": ["33", 0],
                    "latent_image": ["5", 0],
                },
            ),
            _30=("RandomNoise", {"noise_seed": 9}),
            _31=(
                "CFGGuider",
                {"cfg": 5, "model": ["4", 0], "positive": ["6", 0], "negative": ["7", 0]},
            ),
            _32=("KSamplerSelect", {"sampler_name": "euler"}),
            _33=("BasicScheduler", {"scheduler": "sgm_uniform", "steps": 12, "denoise": 1}),
        )
    )
    says = told.settings
    assert (says.seed, says.guidance_scale, says.num_inference_steps) == (9, 5, 12)
    assert (says.scheduler, says.prompt, says.negative_prompt) == (
        *("euler/sgm_uniform", "a (cat:1.2)", "blurry"),
    )
    assert told.limits == ()


def test_sdxl_and_its_sizes() -> None:
    told = read(
        changed(
            _6=(
                "CLIPTextEncodeSDXL",
                {
                    "text_g": "a city",
                    "text_l": "night",
                    "width": 1024,
                    "height": 768,
                    "crop_w": 8,
                    "crop_h": 16,
                    "target_width": 1000,
                    "target_height": 700,
                    "clip": ["4", 1],
                },
            )
        )
    )
    says = told.settings
    assert (says.prompt, says.prompt_2) == ("night", "a city")
    assert (says.original_size, says.crops_coords_top_left) == ((768, 1024), (16, 8))
    assert says.target_size == (700, 1000)


def test_two_passes_and_which_is_first() -> None:
    second = {**PLAIN["3"]["inputs"], "seed": 2, "denoise": 0.5, "latent_image": ["41", 0]}
    told = read(
        changed(
            _40=("KSampler", second),
            _41=(
                "LatentUpscale",
                {"upscale_method": "bislerp", "width": 1024, "height": 1536, "samples": ["3", 0]},
            ),
            _8=("VAEDecode", {"samples": ["40", 0], "vae": ["4", 2]}),
        )
    )
    assert told.settings.seed == 156680208700286
    assert told.settings.hires is not None
    assert told.settings.hires["seed"] == 2
    assert (told.settings.hires["strength"], told.settings.hires["upscaler"]) == (0.5, "bislerp")
    assert (told.settings.hires["width"], told.settings.hires["height"]) == (1024, 1536)
    assert any("second pass" in each for each in told.limits)


def test_a_refiner() -> None:
    inputs = {k: v for k, v in PLAIN["3"]["inputs"].items() if k not in ("seed", "denoise")}
    first = {
        **inputs,
        "noise_seed": 4,
        "add_noise": "enable",
        "start_at_step": 0,
        "end_at_step": 15,
    }
    second = {**first, "add_noise": "disable", "start_at_step": 15, "end_at_step": 10000}
    told = read(
        changed(
            _3=("KSamplerAdvanced", first),
            _40=("KSamplerAdvanced", {**second, "model": ["50", 0], "latent_image": ["3", 0]}),
            _50=("CheckpointLoaderSimple", {"ckpt_name": "refiner.st"}),
            _8=("VAEDecode", {"samples": ["40", 0], "vae": ["4", 2]}),
        )
    )
    assert told.settings.refiner == {"model": "refiner.st", "switch_at": 0.75}
    assert told.settings.seed == 4


def test_given_pictures_masks_and_controls_are_said() -> None:
    told = read(
        changed(
            _3=("KSampler", {"latent_image": ["60", 0], "positive": ["62", 0], "denoise": 0.7}),
            _60=("VAEEncode", {"pixels": ["61", 0], "vae": ["4", 2]}),
            _61=("LoadImage", {"image": "/etc/passwd"}),
            _62=(
                "ControlNetApply",
                {"strength": 0.9, "conditioning": ["6", 0], "control_net": ["63", 0]},
            ),
            _63=("ControlNetLoader", {"control_net_name": "canny.st"}),
        )
    )
    assert told.settings.img2img == {"image": "/etc/passwd"}
    assert told.settings.strength == 0.7
    assert told.settings.controlnets == ({"model": "canny.st", "weight": 0.9},)
    assert told.settings.prompt == "a (cat:1.2)"
    assert len(told.limits) == 2


def test_unknown_nodes_are_said_and_passed_through() -> None:
    told = read(
        changed(
            _3=("KSampler", {"model": ["70", 0], "positive": ["71", 0]}),
            _70=("WonderPatch", {"model": ["4", 0], "amount": 3}),
            _71=("WonderCond", {"conditioning": ["6", 0], "x": 0.5}),
        )
    )
    assert (told.settings.model, told.settings.prompt) == ("v1-5.safetensors", "a (cat:1.2)")
    assert told.unknown == {"WonderPatch 70": {"amount": 3}, "WonderCond 71": {"x": 0.5}}
    assert len([each for each in told.limits if "does not know" in each]) == 2


def test_unused_branches_do_not_mislead() -> None:
    graph = {
        "1": {"class_type": "KSampler", "inputs": {**PLAIN["3"]["inputs"], "seed": 1}},
        **PLAIN,
    }
    assert read(graph).settings.seed == 156680208700286


def test_of_several_pictures_the_size_tells() -> None:
    graph = changed(
        _80=("KSampler", {**PLAIN["3"]["inputs"], "seed": 1, "latent_image": ["81", 0]}),
        _81=("EmptyLatentImage", {"width": 64, "height": 64, "batch_size": 1}),
        _82=("VAEDecode", {"samples": ["80", 0], "vae": ["4", 2]}),
        _83=("SaveImage", {"images": ["82", 0]}),
    )
    assert read(graph, (64, 64)).settings.seed == 1
    assert read(graph, (512, 768)).settings.seed == 156680208700286
    assert any("several pictures" in each for each in read(graph).limits)


WORKFLOW: Graph = {
    "nodes": [
        {
            "id": 3,
            "type": "KSampler",
            "inputs": [
                {"name": "model", "link": 1},
                {"name": "positive", "link": 4},
                {"name": "negative", "link": 6},
                {"name": "latent_image", "link": 2},
            ],
            "widgets_values": [5, "randomize", 20, 8, "euler", "normal", 1],
        },
        {"id": 4, "type": "CheckpointLoaderSimple", "widgets_values": ["x.st"]},
        {"id": 5, "type": "EmptyLatentImage", "widgets_values": [512, 640, 1]},
        {
            "id": 6,
            "type": "CLIPTextEncode",
            "inputs": [{"name": "clip", "link": 3}],
            "widgets_values": ["a cat"],
        },
        {
            "id": 7,
            "type": "CLIPTextEncode",
            "inputs": [{"name": "clip", "link": 5}],
            "widgets_values": ["bad"],
        },
        {
            "id": 8,
            "type": "VAEDecode",
            "inputs": [{"name": "samples", "link": 7}, {"name": "vae", "link": 8}],
        },
        {
            "id": 9,
            "type": "SaveImage",
            "inputs": [{"name": "images", "link": 9}],
            "widgets_values": ["C"],
        },
        {
            "id": 10,
            "type": "KSampler",
            "mode": 2,
            "widgets_values": [6, "fixed", 1, 1, "lms", "normal", 1],
        },
    ],
    "links": [
        [1, 4, 0, 3, 0, "MODEL"],
        [2, 5, 0, 3, 3, "LATENT"],
        [3, 4, 1, 6, 0, "CLIP"],
        [4, 6, 0, 3, 1, "CONDITIONING"],
        [5, 4, 1, 7, 0, "CLIP"],
        [6, 7, 0, 3, 2, "CONDITIONING"],
        [7, 3, 0, 8, 0, "LATENT"],
        [8, 4, 2, 8, 1, "VAE"],
        [9, 8, 0, 9, 0, "IMAGE"],
    ],
}


@pytest.mark.parametrize("control", ["randomize", True, None])
def test_the_editors_graph_where_the_other_is_missing(control: object) -> None:
    workflow = copy.deepcopy(WORKFLOW)
    values = workflow["nodes"][0]["widgets_values"]
    values[1:2] = [] if control is None else [control]
    told = read_graphs(None, json.dumps(workflow), "png:workflow", None)
    assert told is not None
    says = told.settings
    assert (says.seed, says.num_inference_steps, says.guidance_scale) == (5, 20, 8)
    assert (says.scheduler, says.model, says.width, says.height) == (
        "euler/normal",
        "x.st",
        512,
        640,
    )
    assert (says.prompt, says.negative_prompt) == ("a cat", "bad")
    assert "editor's graph" in told.limits[0]


def test_a_node_that_is_bypassed_passes_on() -> None:
    workflow = copy.deepcopy(WORKFLOW)
    lora = {"id": 20, "type": "LoraLoaderModelOnly", "mode": 4, "widgets_values": ["l.st", 1]}
    workflow["nodes"].append({**lora, "inputs": [{"name": "model", "link": 30}]})
    workflow["links"] += [[30, 4, 0, 20, 0, "MODEL"], [31, 20, 0, 3, 0, "MODEL"]]
    workflow["nodes"][0]["inputs"][0]["link"] = 31
    told = read_graphs(None, json.dumps(workflow), "png:workflow", None)
    assert told is not None
    assert (told.settings.model, told.settings.loras) == ("x.st", ())


def circle(kind: str, inputs: dict[str, Any], length: int) -> Graph:
    return {
        str(n): {"class_type": kind, "inputs": {k: [str((n + 1) % length), 0] for k in inputs}}
        for n in range(length)
    }


CIRCLES = {
    "samplers": changed(_3=("KSampler", {"latent_image": ["3", 0]})),
    "models": changed(_4=("LoraLoader", {"model": ["4", 0], "clip": ["4", 1], "lora_name": "x"})),
    "texts": changed(_6=("CLIPTextEncode", {"text": ["6", 0]})),
    "reroutes": {**PLAIN, "5": {"class_type": "Reroute", "inputs": {"": ["5", 0]}}},
    "conditions": changed(
        _6=("ConditioningCombine", {"conditioning_1": ["6", 0], "conditioning_2": ["6", 0]})
    ),
    "concatenations": changed(
        _6=("CLIPTextEncode", {"text": ["30", 0]}),
        _30=("StringConcatenate", {"string_a": ["30", 0], "string_b": ["30", 0]}),
    ),
    "a ring": circle("VAEDecode", {"samples": 0, "images": 0}, 1000),
}


@pytest.mark.parametrize("graph", CIRCLES.values(), ids=CIRCLES)
def test_circles_end(graph: Graph) -> None:
    began = time.process_time()
    read(graph)
    assert time.process_time() - began < 2


def test_a_million_nodes_end() -> None:
    many = ",".join(f'"{n}":{{"class_type":"KSampler"}}' for n in range(250_000))
    began = time.process_time()
    told = read_graphs("{" + many + "}", None, "png:prompt", None)
    assert told is None or told.settings.seed is None
    chain = {
        str(n): {"class_type": "ConditioningCombine", "inputs": {"conditioning_1": [str(n + 1), 0]}}
        for n in range(100, 30_000)
    }
    told = read({**changed(_3=("KSampler", {"positive": ["100", 0]})), **chain})
    assert told.settings.prompt is None
    assert time.process_time() - began < 8


def test_many_samplers_before_many_pictures_end() -> None:
    graph = {
        str(n): {"class_type": "KSampler", "inputs": {**PLAIN["3"]["inputs"], **links}}
        for n in range(1000, 3000)
        for links in [{"latent_image": [str(n - 1), 0]}]
    }
    graph |= {
        f"save {n}": {"class_type": "SaveImage", "inputs": {"images": [str(2999 - n), 0]}}
        for n in range(60)
    }
    began = time.process_time()
    assert any("samplers drew it" in each for each in read(graph).limits)
    assert time.process_time() - began < 8


ODD = [
    None,
    7,
    "x",
    [],
    ["3"],
    ["3", "x"],
    [["3"], 0],
    ["3", -1],
    {"a": 1},
    True,
    1e400,
    "9" * 1000,
]


@pytest.mark.parametrize("value", ODD, ids=lambda each: str(each)[:12])
def test_any_value_in_any_place(value: object) -> None:
    for name, node in PLAIN.items():
        for key in ("inputs", "class_type"):
            read_graphs(json.dumps({**PLAIN, name: {**node, key: value}}), None, "png:prompt", None)
        for key in node["inputs"]:
            graph = copy.deepcopy(PLAIN)
            graph[name]["inputs"][key] = value
            told = read(graph)
            json.dumps(told.to_record(), allow_nan=False)
    for key in ("nodes", "links"):
        read_graphs(None, json.dumps({**WORKFLOW, key: value}), "png:workflow", None)
        read_graphs(None, json.dumps({**WORKFLOW, key: [value, value]}), "png:workflow", None)


CUSTOM: Graph = {
    "3": {
        "class_type": "SamplerCustom",
        "inputs": {
            "add_noise": True,
            "noise_seed": 3,
            "cfg": 7.0,
            "model": ["4", 0],
            "positive": ["6", 0],
            "negative": ["7", 0],
            "latent_image": ["5", 0],
            "sampler": ["20", 0],
            "sigmas": ["21", 0],
        },
    },
    "20": {"class_type": "KSamplerSelect", "inputs": {"sampler_name": "dpm_2"}},
}
ENDS = {"sigma_max": 14.614642, "sigma_min": 0.0291675}


@pytest.mark.parametrize(
    ("kind", "inputs", "scheduler"),
    [
        ("KarrasScheduler", {"steps": 20, **ENDS, "rho": 7.0}, "dpm_2/karras"),
        ("ExponentialScheduler", {"steps": 20, **ENDS}, "dpm_2/exponential"),
        ("PolyexponentialScheduler", {"steps": 20, **ENDS, "rho": 1.0}, "dpm_2/polyexponential"),
        ("BasicScheduler", {"steps": 20, "scheduler": "simple", "denoise": 1.0}, "dpm_2/simple"),
        ("BetaSamplingScheduler", {"steps": 20, "alpha": 0.6, "beta": 0.6}, "dpm_2/beta"),
        *(
            (
                "AlignYourStepsScheduler",
                {"model_type": name.upper(), "steps": 20, "denoise": 1},
                f"dpm_2/align_your_steps_{name}",
            )
            for name in ("sd1", "sdxl")
        ),
    ],
)
def test_usual_noise_levels_of_nodes(kind: str, inputs: dict[str, Any], scheduler: str) -> None:
    graph = {**PLAIN, **CUSTOM, "21": {"class_type": kind, "inputs": inputs}}
    told = read(graph)
    assert (told.limits, told.unknown) == ((), {})
    found = translated(told)
    assert found.left == ()
    assert told.settings.num_inference_steps == 20
    # KSampler leaves the last level but one out for this sampler, and nodes do not
    expected = {"name": scheduler, "discard_penultimate_sigma": False}
    assert found.settings["scheduler"] == expected


@pytest.mark.parametrize(
    ("kind", "inputs", "said"),
    [
        ("KarrasScheduler", {"steps": 20, **ENDS, "rho": 5.0}, "schedule_rho 5"),
        ("KarrasScheduler", {"steps": 20, "sigma_max": 10, "rho": 7}, "schedule_sigma_max 10"),
        ("BetaSamplingScheduler", {"steps": 20, "alpha": 0.5}, "another beta distribution"),
        ("GITSScheduler", {"steps": 20, "coeff": 1.2}, "not known (GITSScheduler)"),
        ("AlignYourStepsScheduler", {"steps": 20, "model_type": "SVD"}, "another kind of model"),
        (
            "AlignYourStepsScheduler",
            {"steps": 20, "model_type": "SD1", "denoise": 0.5},
            "begin further down (AlignYourStepsScheduler, denoise 0.5)",
        ),
        ("SDTurboScheduler", {"steps": 2, "denoise": 0.5}, "begin further down"),
        ("VPScheduler", {"steps": 20, "beta_d": 19.9}, "a node that is not known (VPScheduler)"),
    ],
)
def test_other_noise_levels_of_nodes_are_said(kind: str, inputs: dict[str, Any], said: str) -> None:
    graph = {**PLAIN, **CUSTOM, "21": {"class_type": kind, "inputs": inputs}}
    assert any(said in each for each in translated(read(graph)).left)


@pytest.mark.parametrize(("asked", "steps"), [(1, 1), (4, 4), (10, 10), (30, 10)])
def test_turbo_has_ten_noise_levels(asked: int, steps: int) -> None:
    inputs = {"steps": asked, "denoise": 1.0}
    told = read({**PLAIN, **CUSTOM, "21": {"class_type": "SDTurboScheduler", "inputs": inputs}})
    assert (told.limits, told.settings.num_inference_steps) == ((), steps)
    assert translated(told).settings["scheduler"]["name"] == "dpm_2/sd_turbo"


def test_weights_of_other_nodes() -> None:
    for way, normalised, said in (
        ("comfy", "none", ""),
        ("A1111", "none", "(A1111)"),
        ("comfy", "mean", "(mean)"),
        ("compel", "length", "(compel, length)"),
    ):
        inputs = {"text": "a", "weight_interpretation": way, "token_normalization": normalised}
        told = read(changed(_6=("BNK_CLIPTextEncodeAdvanced", inputs)))
        assert told.unknown == {}
        assert said in " ".join(told.limits)
        assert bool(told.limits) == bool(said)
