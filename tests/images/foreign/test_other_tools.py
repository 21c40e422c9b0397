"""InvokeAI, NovelAI, Fooocus, SwarmUI, Draw Things, Easy Diffusion, in the files they write."""

import json
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pytest

from kakusan.images.foreign import Lora, Told, read_foreign
from kakusan.images.foreign.invokeai import read_metadata
from kakusan.images.foreign.swarmui import read_swarmui
from kakusan.samplers import meaning_of
from tests.images import carried


def told_in(folder: Path, data: bytes, suffix: str = ".png") -> Told:
    told = read_foreign(carried.written(folder, data, suffix))
    assert told is not None
    assert "prompt" in told.settings.to_record()
    scheduler = told.settings.scheduler
    assert scheduler is None or meaning_of(scheduler)
    return told


def png_told(folder: Path, **texts: Any) -> Told:
    plain = {
        key: each if isinstance(each, str) else json.dumps(each) for key, each in texts.items()
    }
    return told_in(folder, carried.png_of(plain))


def comment(text: str) -> bytes:
    return carried.exif({}, inner={0x9286: b"UNICODE\0" + text.encode("utf-16-be")})


INVOKE = {
    "app_version": "5.4.0",
    "generation_mode": "txt2img",
    "positive_prompt": "a cat++",
    "negative_prompt": "blurry",
    "width": 512,
    "height": 640,
    "seed": 1,
    "rand_device": "cpu",
    "cfg_scale": 7.5,
    "cfg_rescale_multiplier": 0,
    "steps": 30,
    "scheduler": "dpmpp_2m_k",
    "clip_skip": 1,
    "model": {"key": "k", "hash": "blake3:abcdef0123456789", "name": "dream", "base": "sd-1"},
    "loras": [{"model": {"name": "detail", "hash": "blake3:00112233"}, "weight": 0.6}],
    "controlnets": [],
}


def test_invokeai(tmp_path: Path) -> None:
    told = png_told(tmp_path, invokeai_metadata=INVOKE, invokeai_graph={"nodes": {}})
    says = told.settings
    assert (told.tool, told.version, told.carrier) == (
        *("InvokeAI", "5.4.0", "png:invokeai_metadata"),
    )
    assert (says.prompt, says.negative_prompt, says.seed) == ("a cat++", "blurry", 1)
    assert (says.width, says.height, says.num_inference_steps) == (512, 640, 30)
    assert (says.scheduler, says.clip_skip, says.guidance_scale) == ("dpmpp_2m_k", 1, 7.5)
    assert (says.model, says.model_hash) == ("dream", None)
    assert says.loras == (Lora(name="detail", text_weight=0.6, unet_weight=0.6),)
    assert (says.prompt_syntax, says.rng, told.limits) == ("compel", "invokeai", ())
    assert told.unknown == {"model hash": "blake3:abcdef0123456789"}  # no other tool's
    old = png_told(tmp_path, invokeai_metadata={**INVOKE, "model": {"model_name": "old"}})
    assert old.settings.model == "old"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"generation_mode": "img2img", "strength": 0.5, "init_image": "x.png"}, "another picture"),
        ({"generation_mode": "inpaint"}, "mask"),
        (
            {"controlnets": [{"control_model": {"name": "c"}, "control_weight": 1}]},
            "control network",
        ),
        ({"ipAdapters": [{"weight": 1}]}, "IP-Adapter"),
        ({"refiner_model": {"name": "r"}, "refiner_start": 0.8}, "refiner"),
        ({"rand_device": "cuda"}, "whose numbers are others"),
        ({"hrf_enabled": True, "hrf_method": "bilinear"}, "second pass"),
    ],
)
def test_invokeai_says_what_is_missing(change: dict[str, Any], said: str, tmp_path: Path) -> None:
    told = png_told(tmp_path, invokeai_metadata={**INVOKE, **change})
    assert any(said in each for each in told.limits)


SD_METADATA = {
    "model": "stable diffusion",
    "model_weights": "stable-diffusion-1.5",
    "model_hash": "cc6cb27103417325ff94f52b7a5d2dde45a7515b25c255d8e396c90014281516",
    "app_version": "2.2.5",
    "image": {
        "prompt": [{"prompt": "a cat [blurry, bad] on a mat", "weight": 1.0}],
        "steps": 20,
        "cfg_scale": 7.5,
        "sampler": "k_lms",
        "seed": 5,
        "width": 512,
        "height": 768,
        "variations": [],
        "threshold": 0,
        "perlin": 0,
        "type": "txt2img",
    },
}


def test_invokeai_2(tmp_path: Path) -> None:
    told = png_told(tmp_path, **{"sd-metadata": SD_METADATA, "Dream": '"x" -s 1'})
    says = told.settings
    assert (told.tool, told.version, told.carrier) == ("InvokeAI", "2.2.5", "png:sd-metadata")
    assert (says.prompt, says.negative_prompt) == ("a cat on a mat", "blurry, bad")
    assert (says.seed, says.num_inference_steps, says.height) == (5, 20, 768)
    assert (says.scheduler, says.model) == ("lms karras", "stable-diffusion-1.5")
    assert (told.limits, told.unknown) == ((), {})
    for version, scheduler in (("2.3.1", "LMSDiscreteScheduler"), ("2.2.5", "lms uniform")):
        image = {**SD_METADATA["image"], "steps": 50, "prompt": "a cat"}  # type: ignore[dict-item]
        changed = {**SD_METADATA, "app_version": version, "image": image}
        assert png_told(tmp_path, **{"sd-metadata": changed}).settings.scheduler == scheduler


def test_invokeai_1(tmp_path: Path) -> None:
    line = '"a \\"cat\\" [blurry]" -s 50 -S 1 -W 512 -H 640 -C7.5 -A k_euler_a -f 0.5 -I x.png'
    told = png_told(tmp_path, Dream=line.replace("-C7.5", "-C 7.5"))
    says = told.settings
    assert (says.prompt, says.negative_prompt) == ('a "cat"', "blurry")
    assert (says.num_inference_steps, says.seed, says.width, says.height) == (50, 1, 512, 640)
    assert (says.guidance_scale, says.strength, says.img2img) == (7.5, 0.5, {"image": "x.png"})
    assert says.scheduler == "euler_a uniform"


NOVEL = {
    "steps": 28,
    "sampler": "k_dpmpp_2s_ancestral",
    "seed": 9,
    "scale": 11.0,
    "noise_schedule": "karras",
    "uc": "lowres",
    "sm": True,
    "n_samples": 1,
    "noise": 0.2,
}


def test_novelai_in_chunks_and_in_pixels(tmp_path: Path) -> None:
    chunks = {
        "Title": "AI generated image",
        "Description": "{a cat}, [dog]",
        "Software": "NovelAI",
        "Source": "Stable Diffusion 1D44365E",
        "Comment": json.dumps(NOVEL),
    }
    hidden = carried.stealth(json.dumps(chunks))
    files = {
        ".png": carried.png_of(chunks),
        ".PNG": carried.encoded("PNG", hidden),
        ".webp": carried.webp(image=hidden),
    }
    for suffix, data in files.items():
        told = told_in(tmp_path, data, suffix)
        says = told.settings
        assert (told.tool, says.prompt, says.negative_prompt) == (
            *("NovelAI", "{a cat}, [dog]", "lowres"),
        )
        assert (says.seed, says.num_inference_steps, says.guidance_scale) == (9, 28, 11)
        assert says.scheduler == "dpmpp_2s_ancestral/karras"
        assert (says.model, says.model_hash) == ("Stable Diffusion", "1d44365e")
        assert (says.prompt_syntax, says.rng) == ("novelai", "novelai")
        assert any("SMEA" in each for each in told.limits)
        assert told.unknown["noise"] == 0.2
    told = told_in(tmp_path, carried.png_of(chunks))
    assert (told.settings.width, told.settings.height) == (24, 16)
    newest = {**NOVEL, "prompt": "newer", "width": 832, "height": 1216}
    told = png_told(tmp_path, **{**chunks, "Comment": json.dumps(newest)})
    assert (told.settings.prompt, told.settings.width) == ("newer", 832)


FOOOCUS = {
    "adm_guidance": "(1.5, 0.8, 0.3)",
    "base_model": "jugger",
    "base_model_hash": "aeb7e9e689",
    "clip_skip": 2,
    "guidance_scale": 4,
    "loras": [["detail", 0.5, "0123456789"]],
    "metadata_scheme": "fooocus",
    "negative_prompt": "",
    "prompt": "a cat",
    "prompt_expansion": "a cat, nice",
    "refiner_model": "None",
    "refiner_switch": 0.5,
    "resolution": "(1152, 896)",
    "sampler": "dpmpp_2m_sde_gpu",
    "scheduler": "karras",
    "seed": "6952411511246973023",
    "steps": 30,
    "vae": "Default (model)",
    "version": "Fooocus v2.5",
}
OLD_FOOOCUS = {
    "prompt": "a cat",
    "negative_prompt": "bad",
    "styles": "['x']",
    "seed": 4,
    "width": 1152,
    "height": 896,
    "base_model": "jugger.safetensors",
    "sampler": "dpmpp_2m_sde_gpu",
    "cfg": 7,
    "steps": 30,
    "software": "Fooocus",
}


def test_fooocus(tmp_path: Path) -> None:
    text = json.dumps(FOOOCUS)
    tags = {0x9286: text.encode() + b"\0", 0x927C: b"fooocus\0", 0x0131: b"Fooocus v2.5\0"}
    files = {
        ".png": carried.png_of({"parameters": text, "fooocus_scheme": "fooocus"}),
        ".jpg": carried.jpeg_exif(carried.exif(tags)),
        ".webp": carried.webp((b"EXIF", carried.exif(tags, order="<"))),
    }
    for suffix, data in files.items():
        told = told_in(tmp_path, data, suffix)
        says = told.settings
        assert (told.tool, told.version) == ("Fooocus", "Fooocus v2.5")
        assert (says.prompt, says.seed, says.width, says.height) == (
            *("a cat", 6952411511246973023, 1152, 896),
        )
        assert (says.scheduler, says.clip_skip) == ("dpmpp_2m_sde_gpu/karras", 1)
        assert (says.model, says.model_hash, says.vae) == ("jugger", "aeb7e9e689", None)
        assert says.loras == (
            Lora(name="detail", text_weight=0.5, unet_weight=0.5, hash="0123456789"),
        )
        assert any("expansion model" in each for each in told.limits)
        assert says.refiner is None


def test_fooocus_otherwise(tmp_path: Path) -> None:
    text = "a cat\nSteps: 30, Sampler: DPM++ 2M SDE Karras, Seed: 4, Size: 64x64, CFG scale: 4"
    told = png_told(tmp_path, parameters=f"{text}, Version: Fooocus v2.5", fooocus_scheme="a1111")
    assert (told.tool, told.settings.scheduler) == ("Fooocus", "DPM++ 2M SDE Karras")
    more = f'{text}, Lora hashes: "a: 0123456789", Lora weights: "a: 0.5, b: 1.0"'
    tags = {0x9286: more.encode() + b"\0", 0x927C: b"a1111\0", 0x0131: b"Fooocus v2.5\0"}
    for suffix, data in {
        ".png": carried.png_of({"parameters": more, "fooocus_scheme": "a1111"}),
        ".jpg": carried.jpeg_exif(carried.exif(tags)),
    }.items():
        told = told_in(tmp_path, data, suffix)
        assert (told.tool, told.settings.rng, told.settings.prompt_syntax) == (
            *("Fooocus", "fooocus", "comfy"),
        )
        assert told.settings.loras == (
            Lora(name="a", text_weight=0.5, unet_weight=0.5, hash="0123456789"),
            Lora(name="b"),
        )
        assert any("expansion model" in each for each in told.limits)
    told = png_told(tmp_path, Comment=OLD_FOOOCUS)
    assert (told.tool, told.settings.guidance_scale, told.settings.width) == ("Fooocus", 7, 1152)
    data = carried.jpeg((0xFE, json.dumps(OLD_FOOOCUS).encode()))
    assert told_in(tmp_path, data, ".jpg").settings.seed == 4
    ruined = {
        "Prompt": "a cat",
        "Negative": "bad",
        "steps": 20,
        "cfg": 5,
        "width": 64,
        "height": 96,
        "seed": 3,
        "sampler_name": "euler",
        "scheduler": "normal",
        "base_model_name": "x.st",
        "loras": "[('l', '0.5')]",
        "software": "RuinedFooocus",
    }
    told = png_told(tmp_path, parameters=ruined)
    assert (told.tool, told.settings.negative_prompt) == ("RuinedFooocus", "bad")
    assert told.settings.scheduler == "euler/normal"


SWARM = {
    "sui_image_params": {
        "prompt": "a cat",
        "negativeprompt": "bad",
        "model": "SD/dream",
        "seed": 11,
        "steps": 20,
        "cfgscale": 7,
        "width": 512,
        "height": 768,
        "sampler": "euler",
        "scheduler": "karras",
        "loras": ["detail"],
        "loraweights": ["0.7"],
        "swarm_version": "0.9.3.1",
    },
    "sui_extra_data": {"date": "2024-10-01", "generation_time": "1.0"},
    "sui_models": [
        {"name": "SD/dream.safetensors", "param": "model", "hash": "0xABCDEF0123456789"},
        {"name": "detail.safetensors", "param": "loras", "hash": "0x0011223344556677"},
    ],
}


def test_swarmui(tmp_path: Path) -> None:
    text = json.dumps(SWARM)
    files = {
        ".png": carried.png_of({"parameters": text}),
        ".jpg": carried.jpeg_exif(comment(text)),
        ".webp": carried.webp((b"EXIF", carried.exif({0x0110: text.encode() + b"\0"}))),
    }
    for suffix, data in files.items():
        told = told_in(tmp_path, data, suffix)
        says = told.settings
        assert (told.tool, told.version, says.seed) == ("SwarmUI", "0.9.3.1", 11)
        assert (says.scheduler, says.rng, says.prompt_syntax) == (
            *("euler/karras", "comfyui", "comfy"),
        )
        assert (says.model, says.model_hash) == ("SD/dream", None)  # it hashes tensors alone
        assert told.unknown["sui_models"] == SWARM["sui_models"]
        assert says.loras == (
            Lora(name="detail", text_weight=0.7, unet_weight=0.7, hash="0011223344556677"),
        )


THINGS = {
    "c": "a <cat> & dog",
    "uc": "bad",
    "model": "x_f16.ckpt",
    "sampler": "DPM++ 2M Karras",
    "seed": 1,
    "scale": 7.5,
    "steps": 20,
    "size": "512x640",
    "strength": 1,
    "lora": [{"model": "l.ckpt", "weight": 0.4}],
    "v2": {"clipSkip": 2, "hiresFix": False},
}


def test_draw_things(tmp_path: Path) -> None:
    text = escape(json.dumps(THINGS))
    packet = carried.xmp(
        "<exif:UserComment><rdf:Alt><rdf:li xml:lang='x-default'>"
        f"{text}</rdf:li></rdf:Alt></exif:UserComment>"
    )
    chunk = carried.text_chunk("iTXt", "XML:com.adobe.xmp", packet)
    told = told_in(tmp_path, carried.png(chunk))
    says = told.settings
    assert (told.tool, says.prompt, says.negative_prompt) == ("Draw Things", "a <cat> & dog", "bad")
    assert (says.width, says.height, says.scheduler) == (512, 640, "DPM++ 2M Karras")
    assert (says.clip_skip, says.strength, says.model) == (1, None, "x_f16.ckpt")
    assert says.loras == (Lora(name="l.ckpt", text_weight=0.4, unet_weight=0.4),)


EASY = {
    "prompt": "a cat",
    "negative_prompt": "bad",
    "seed": 3,
    "use_stable_diffusion_model": "C:\\models\\dream.safetensors",
    "use_vae_model": "",
    "clip_skip": True,
    "sampler_name": "euler_a",
    "width": 512,
    "height": 640,
    "num_inference_steps": 25,
    "guidance_scale": 7.5,
    "use_lora_model": ["a", "b"],
    "lora_alpha": [0.5, 0.25],
}
LABELLED = {
    "Prompt": "a cat",
    "Negative Prompt": "bad",
    "Seed": "3",
    "Stable Diffusion model": "dream",
    "Clip Skip": "False",
    "Sampler": "euler_a",
    "Width": "512",
    "Height": "640",
    "Steps": "25",
    "Guidance Scale": "7.5",
}


def test_easy_diffusion(tmp_path: Path) -> None:
    chunks = {key: str(value) for key, value in EASY.items()}
    files = {
        ".png": carried.png_of(chunks),
        ".PNG": carried.png_of(LABELLED),
        ".jpg": carried.jpeg_exif(comment(json.dumps(EASY))),
    }
    for suffix, data in files.items():
        told = told_in(tmp_path, data, suffix)
        says = told.settings
        assert (told.tool, says.prompt, says.negative_prompt, says.seed) == (
            *("Easy Diffusion", "a cat", "bad", 3),
        )
        assert (says.width, says.height, says.num_inference_steps) == (512, 640, 25)
        assert says.model in ("dream", "dream.safetensors")
        assert says.clip_skip == (0 if suffix == ".PNG" else 1)
        if suffix != ".PNG":
            assert [(each.name, each.unet_weight) for each in says.loras] == [
                ("a", 0.5),
                ("b", 0.25),
            ]


GRAPH = {
    "3": {
        "class_type": "KSampler",
        "inputs": {
            "seed": 7,
            "steps": 20,
            "cfg": 8,
            "sampler_name": "euler",
            "scheduler": "normal",
            "denoise": 1,
            "positive": ["6", 0],
        },
    },
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "猫 in a graph"}},
}


def test_comfyui_in_webp(tmp_path: Path) -> None:
    """Its tags go down from Make; animations have one more entry for each thing it saves."""
    prompt, workflow = json.dumps(GRAPH), json.dumps({"nodes": [], "links": []})
    for tags in (
        {0x0110: b"prompt:" + prompt.encode(), 0x010F: b"workflow:" + workflow.encode()},
        {0x010F: b"a:{}", 0x010E: b"Workflow: {}", 0x0110: b"Prompt:" + prompt.encode()},
        {0x010D: b"prompt:" + prompt.encode() + b"\0", 0x010F: b"a:1"},
    ):
        for order in "<>":
            data = carried.webp((b"EXIF", carried.exif(tags, order=order)))
            told = told_in(tmp_path, data, ".webp")
            assert (told.tool, told.settings.seed) == ("ComfyUI", 7)
            assert told.settings.prompt == "猫 in a graph"


def test_a_graph_in_one_object(tmp_path: Path) -> None:
    text = json.dumps({"prompt": GRAPH, "workflow": {"nodes": []}})
    told = told_in(tmp_path, carried.jpeg_exif(comment(text)), ".jpg")
    assert (told.tool, told.carrier, told.settings.seed) == ("ComfyUI", "exif:UserComment", 7)


def test_what_was_done_afterwards_is_said(tmp_path: Path) -> None:
    text = "a cat\nSteps: 20, Seed: 5"
    told = png_told(tmp_path, parameters=text, postprocessing="Postprocess upscale by: 4")
    assert "it was changed after it was drawn." in told.limits


def test_a_text_beside_a_graph(tmp_path: Path) -> None:
    """A saving node writes both: the text says what was drawn, the graph what it leaves out."""
    text = "a cat\nSteps: 20, Sampler: Euler, CFG scale: 8, Seed: 9, Size: 64x64"
    told = png_told(tmp_path, parameters=text, prompt=GRAPH)
    assert (told.tool, told.carrier, told.settings.prompt) == ("ComfyUI", "png:parameters", "a cat")
    assert (told.settings.seed, told.settings.rng) == (9, "comfyui")
    assert (told.settings.prompt_syntax, told.settings.emphasis) == ("comfy", None)


def test_civitais_generator(tmp_path: Path) -> None:
    summary = {"prompt": "a cat", "negativePrompt": "bad", "steps": 30, "cfgScale": 7, "seed": 5}
    told_json = {**GRAPH, "extra": {"airs": ["urn:air:x"]}, "extraMetadata": json.dumps(summary)}
    told = told_in(tmp_path, carried.jpeg_exif(comment(json.dumps(told_json))), ".jpg")
    assert (told.tool, told.settings.prompt, told.settings.seed) == ("Civitai", "a cat", 5)
    assert told.settings.num_inference_steps == 30


def test_what_nobody_is_known_to_write_is_nothing(tmp_path: Path) -> None:
    for texts in (
        {"prompt": "a cat"},
        {"Comment": "made with a program"},
        {"Software": "NovelAI"},
        {"parameters": '{"positive_prompt": "x"}'},
        {"Description": "a holiday, with: colons"},
    ):
        assert read_foreign(carried.written(tmp_path, carried.png_of(texts))) is None


def test_an_entry_of_invokeai_that_names_nothing_is_unknown() -> None:
    told = read_metadata({"app_version": "5.4.0", "model": [1], "vae": {"x": 2}}, "PNG")
    assert told.settings.model is None
    assert told.unknown == {"model": [1], "vae": {"x": 2}}


def test_tags_in_prompts_of_swarmui() -> None:
    prompt = "a <lora:foo:0.5> cat <lora:bar:0.25> <embed:bad> <segment:face> <b>"
    told = read_swarmui(
        {
            "sui_image_params": {
                "prompt": prompt,
                "negativeprompt": "<embedding:sub/worse>, <lora:Foo>",
                "loras": ["styles/Foo.safetensors"],
                "loraweights": ["0.5"],
            }
        },
        "PNG",
    )
    says = told.settings
    assert says.prompt == "a  cat  embedding:bad <segment:face> <b>"
    assert says.negative_prompt == "embedding:sub/worse, "
    assert [(each.name, each.unet_weight) for each in says.loras] == [
        ("styles/Foo.safetensors", 0.5),
        ("bar", 0.25),
    ]
    assert [each.name for each in says.embeddings] == ["bad", "sub/worse"]
    assert "its prompt has '<segment:face>', which stands as words here." in told.limits
