"""The text that other tools read."""

import time

import pytest

from kakusan.images.parameters import has_settings, parameters_text, parse_parameters
from kakusan.samplers import SAMPLERS, Sampler, schedules_of
from kakusan.schedulers import SCHEDULERS, PNDMScheduler, Scheduler, named_scheduler
from kakusan.schedulers.spacings import setting_of

RECORD: dict[str, object] = {
    "kakusan": "0.1.0",
    "model": "CompVis/stable-diffusion-v1-4",
    "commit": None,
    "prompt": "a cat on a red background",
    "negative_prompt": "blurry, dark",
    "seed": 7,
    "width": 512,
    "height": 448,
    "num_inference_steps": 25,
    "guidance_scale": 7.5,
    "clip_skip": None,
    "scheduler": {"_class_name": "DPMSolverMultistepScheduler", "algorithm_type": "dpmsolver++"},
}


def test_the_text_is_the_web_uis() -> None:
    assert parameters_text(RECORD) == (
        "a cat on a red background\n"
        "Negative prompt: blurry, dark\n"
        "Steps: 25, Sampler: DPM++ 2M, Schedule type: Uniform, CFG scale: 7.5, "
        "Seed: 7, Size: 512x448, "
        "Model: CompVis/stable-diffusion-v1-4, Version: kakusan 0.1.0"
    )


def test_no_negative_prompt_no_line() -> None:
    assert "Negative" not in parameters_text({**RECORD, "negative_prompt": ""})


@pytest.mark.parametrize(
    ("scheduler", "said"),
    [
        ({"_class_name": "PNDMScheduler"}, "Sampler: PLMS,"),
        ({"_class_name": "EulerAncestralDiscreteScheduler"}, "Sampler: Euler a,"),
        (
            {"_class_name": "LMSDiscreteScheduler", "use_karras_sigmas": True},
            "Sampler: LMS, Schedule type: Karras,",
        ),
        (
            {
                "_class_name": "DPMSolverMultistepScheduler",
                "algorithm_type": "sde-dpmsolver++",
                "use_karras_sigmas": True,
            },
            "Sampler: DPM++ 2M SDE, Schedule type: Karras,",
        ),
        (
            {"_class_name": "EulerDiscreteScheduler", "use_exponential_sigmas": True},
            "Sampler: Euler, Schedule type: Exponential,",
        ),
        (
            {"_class_name": "EulerDiscreteScheduler", "use_karras_sigmas": False},
            "Sampler: Euler, CFG",
        ),
        (
            {
                "_class_name": "DPMSolverMultistepScheduler",
                "algorithm_type": "dpmsolver++",
                "solver_order": 3,
            },
            "Sampler: DPMSolverMultistepScheduler,",
        ),
        ({"_class_name": "NewScheduler"}, "Sampler: NewScheduler,"),
    ],
)
def test_samplers_have_the_web_uis_names(scheduler: dict[str, object], said: str) -> None:
    assert said in parameters_text({**RECORD, "scheduler": scheduler})


def test_values_that_would_break_the_line_are_quoted() -> None:
    text = parameters_text({**RECORD, "model": 'C:\\models\\a, "b"', "clip_skip": 1})
    assert 'Model: "C:\\\\models\\\\a, \\"b\\"", Clip skip: 2, ' in text
    assert parse_parameters(text)["model"] == 'C:\\models\\a, "b"'


def test_what_text_cannot_hold_is_replaced() -> None:
    assert parameters_text({"prompt": "a\0b\ud83dc"}) == "a\ufffdb\ufffdc"


@pytest.mark.parametrize("prompt", ["a cat", "two\nlines", "猫 🐱", "Steps: 3, nothing else", ""])
@pytest.mark.parametrize("negative", ["", "blurry", "two\nlines"])
def test_reading_gives_back_what_was_written(prompt: str, negative: str) -> None:
    told = parse_parameters(
        parameters_text({**RECORD, "prompt": prompt, "negative_prompt": negative})
    )
    assert told == {
        "prompt": prompt,
        "negative_prompt": negative,
        "seed": 7,
        "width": 512,
        "height": 448,
        "num_inference_steps": 25,
        "guidance_scale": 7.5,
        "sampler": "DPM++ 2M",
        "schedule_type": "Uniform",
        "model": "CompVis/stable-diffusion-v1-4",
        "program": "kakusan 0.1.0",
    }


def test_the_web_uis_own_text_is_read() -> None:
    told = parse_parameters(
        "masterpiece, (cat:1.2)\nNegative prompt: lowres\n"
        "Steps: 20, Sampler: DPM++ 2M Karras, CFG scale: 7, Seed: 4294967295, Size: 512x768, "
        "Model hash: 6ce0161689, Model: v1-5-pruned-emaonly, Denoising strength: 0.7, "
        'Lora hashes: "a: 1, b: 2", Version: v1.6.0'
    )
    assert told["seed"] == 4294967295
    assert told["sampler"] == "DPM++ 2M Karras"
    assert told["guidance_scale"] == 7
    assert (told["width"], told["height"]) == (512, 768)
    assert told["program"] == "v1.6.0"


@pytest.mark.parametrize(
    "text",
    [
        "just words",
        "Steps: x, Seed: nan, CFG scale: inf, Size: 1x",
        f"a\nSteps: {'9' * 5000}, Seed: 1, CFG scale: 1e400",
        'a\nSteps: 1, Sampler: "un\\x, Seed: 1, Size: ,,,:,',
        "\0" * 100,
        "a:" * 10000,
    ],
)
def test_odd_text_is_read_as_far_as_it_goes(text: str) -> None:
    told = parse_parameters(text)
    assert isinstance(told["prompt"], str)
    assert "num_inference_steps" not in told or told["num_inference_steps"] == 1


LINE = "Steps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7, Seed: 42, Size: 512x768"
TOLD = {
    "seed": 42,
    "width": 512,
    "height": 768,
    "num_inference_steps": 20,
    "guidance_scale": 7,
    "sampler": "DPM++ 2M",
    "schedule_type": "Karras",
}


@pytest.mark.parametrize(
    ("text", "prompt", "negative"),
    [
        (f"a cat\nNegative prompt: blurry\n{LINE}\nTemplate: a {{cat|dog}}", "a cat", "blurry"),
        (
            f"a cat\nNegative prompt: blurry\n{LINE}\nTemplate: a, b: c, d: e, f: g\n"
            "Negative Template: blurry, Steps: 9, Seed: 1, Size: 8x8",
            "a cat",
            "blurry",
        ),
        (f"a cat\n{LINE}\n\nPostprocess upscale by: 4, Postprocess upscaler: X", "a cat", ""),
        (f'a cat\n{LINE}\nWildcard prompt: "x, y", Steps: 9, Seed: 1', "a cat", ""),
        (f'a cat\n{LINE}, Lora hashes: "a: 1,\n b: 2", Version: v1', "a cat", ""),
        (f'a cat\n{LINE}, ADetailer prompt: "x\nSteps: 1, Seed: 1, Size: 8x8", V2: x', "a cat", ""),
        (f'a cat\n{LINE}, TI hashes: "a\\nb: \\"c\\", d"', "a cat", ""),
        (f"a cat\r\nNegative prompt: blurry\r\n{LINE}\r\n", "a cat", "blurry"),
        (f"one\n\ntwo\nNegative prompt: three\n\nfour\n{LINE}", "one\n\ntwo", "three\n\nfour"),
        (LINE, "", ""),
        (f"\n{LINE}\n", "", ""),
        (f"Negative prompt: blurry\n{LINE}", "", "blurry"),
        (
            f"Negative prompt: x, Steps: 1, Seed: 1, Size: 8x8\n{LINE}",
            "",
            "x, Steps: 1, Seed: 1, Size: 8x8",
        ),
        (f"Steps: 1, Seed: 1, Size: 8x8\na cat\n{LINE}", "Steps: 1, Seed: 1, Size: 8x8\na cat", ""),
        (f'Sampler: "a cat\n{LINE}, Model: "x"', 'Sampler: "a cat', ""),
        (f"a cat, Negative prompt: no line\n{LINE}", "a cat, Negative prompt: no line", ""),
        (f"light: soft, mood: dark, style: oil\n{LINE}", "light: soft, mood: dark, style: oil", ""),
        (f'a cat\n{LINE}, Tiled Diffusion: {{"Seed": 5, "Size: 9x9": "a, Seed: 8"}}', "a cat", ""),
        (f'a cat\n{LINE}, SDCPP: {{"seed": 5}}', "a cat", ""),
    ],
)
def test_settings_are_found_whatever_stands_around_them(
    text: str, prompt: str, negative: str
) -> None:
    told = parse_parameters(text)
    told = {name: told[name] for name in (*TOLD, "prompt", "negative_prompt")}
    assert told == {**TOLD, "prompt": prompt, "negative_prompt": negative}


@pytest.mark.parametrize(
    "text",
    [
        "light: soft, mood: dark, style: oil",
        "a cat\nlight: soft, mood: dark, style: oil",
        "Sampler: a boy with a drum",
        "Size: large, mood: dark, style: oil",
        "Steps: to heaven, Seed: of doubt, Size: of the moon",
        "Negative prompt: Steps: 1, Seed: 2, Size: 3x3",
        "Template: Steps: 1, Seed: 2, Size: 3x3",
    ],
)
def test_words_with_colons_are_no_settings(text: str) -> None:
    assert not has_settings(text)
    told = parse_parameters(text)
    assert set(told) == {"prompt", "negative_prompt"}
    assert told["prompt"] == text or text.startswith("Negative prompt:")


@pytest.mark.parametrize("line", ["Seed: 5", "Steps: 20, Model: x", "Size: 8x8, CFG scale: 3"])
def test_few_settings_are_settings_too(line: str) -> None:
    assert parse_parameters(f"a cat\n{line}")["prompt"] == "a cat"


@pytest.mark.parametrize(("theirs", "ours"), [("1", 0), ("2", 1), ("12", 11), ("0", None)])
def test_clip_skip_is_counted_as_we_do(theirs: str, ours: int | None) -> None:
    assert parse_parameters(f"a\n{LINE}, Clip skip: {theirs}").get("clip_skip") == ours


@pytest.mark.parametrize("clip_skip", [1, 2, 11])
def test_clip_skip_goes_out_and_comes_back(clip_skip: int) -> None:
    text = parameters_text({**RECORD, "clip_skip": clip_skip})
    assert f"Clip skip: {clip_skip + 1}," in text
    assert parse_parameters(text)["clip_skip"] == clip_skip


@pytest.mark.parametrize(
    "kind", ["Karras", "Exponential", "Automatic", "Uniform", "SGM Uniform", "KL Optimal"]
)
def test_schedule_types_are_read(kind: str) -> None:
    assert parse_parameters(f"a\n{LINE}".replace("Karras", kind))["schedule_type"] == kind


@pytest.mark.parametrize(
    "text",
    [
        "a" * 2_000_000,
        "Steps: 1, Seed: 1\n" * 100_000,
        "Steps: 1, " * 200_000,
        'Steps: "' * 200_000,
        'Steps: 1, Seed: 2, x: "' + '\\"aa: ' * 200_000,
        "aa:" * 500_000,
        "\n" * 1_000_000,
    ],
    ids=range(7),
)
def test_long_text_takes_no_long_time(text: str) -> None:
    began = time.process_time()
    parse_parameters(text)
    assert time.process_time() - began < 5


@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda each: each.short)
def test_every_sampler_and_schedule_comes_back(sampler: Sampler) -> None:
    base = PNDMScheduler()
    taken = () if sampler.automatic is None else schedules_of(sampler)
    for schedule in ("", *taken):
        scheduler = named_scheduler(f"{sampler.short} {schedule}", base)
        text = parameters_text({**RECORD, "scheduler": scheduler.config.to_published()})
        told = parse_parameters(text)
        words = [told["sampler"], told.get("schedule_type")]
        again = named_scheduler(" ".join(str(word) for word in words if word), base)
        assert type(again) is type(scheduler)
        assert dict(again.config) == dict(scheduler.config)


@pytest.mark.parametrize("kind", SCHEDULERS.values(), ids=SCHEDULERS)
def test_spacings_of_the_reference_are_said(kind: type[Scheduler]) -> None:
    for spacing in kind.sigma_spacings():
        scheduler = kind.from_config(kind().config, **{setting_of(spacing): True})
        text = parameters_text({**RECORD, "scheduler": scheduler.config.to_published()})
        assert str(parse_parameters(text)["schedule_type"]).lower() == spacing


@pytest.mark.parametrize("suffix", ["safetensors", "ckpt", "GGUF"])
def test_of_a_models_file_its_name_is_said(suffix: str) -> None:
    text = parameters_text({**RECORD, "model": f"/home/me/models/dream v1.5.{suffix}"})
    assert "Model: dream v1.5, " in text
    assert "/home" not in text


def test_adapters_beside_the_prompt_are_said_in_it() -> None:
    loras = [
        {"name": "/home/me/detail.safetensors", "text_weight": 0.5, "unet_weight": 0.8},
        {"name": "style", "text_weight": 0.7, "unet_weight": 0.7},
    ]
    text = parameters_text({**RECORD, "loras": loras})
    assert text.startswith("a cat on a red background <lora:detail:0.5:0.8> <lora:style:0.7>\n")


@pytest.mark.parametrize(
    ("syntax", "prompt", "written"),
    [
        (None, "a (cat) [x|y]", r"a \(cat\) \[x|y\]"),
        ("plain", "a <lora:x:1>", r"a <\lora:x:1>"),
        ("webui", "a (cat) [x|y] <lora:x:1>", "a (cat) [x|y] <lora:x:1>"),
        ("comfy", "((a:1.5) [b])", r"(a:1.5)( \[b\]:1.1)"),
        ("compel", "a cat++", "a (cat:1.21)"),
        (None, "a cat\nNegative prompt: dog", "a cat\nNegative\\ prompt: dog"),
    ],
)
def test_prompts_stand_in_the_web_uis_syntax(syntax: str | None, prompt: str, written: str) -> None:
    record = {**RECORD, "prompt": prompt, "negative_prompt": prompt, "prompt_syntax": syntax}
    told = parse_parameters(parameters_text(record))
    assert (told["prompt"], told["negative_prompt"]) == (written, written)
    said = f"kakusan syntax: {syntax}" in parameters_text(record)
    assert said == (syntax in ("comfy", "compel"))


@pytest.mark.parametrize(
    ("rng", "said"),
    [
        ("webui-gpu", "RNG: GPU"),
        ("webui-cpu", "RNG: CPU"),
        ("webui-nv", "RNG: NV"),
        ("comfyui-gpu", "kakusan rng: comfyui-gpu"),
        ("invokeai", "kakusan rng: invokeai"),
        ("sdcpp-cuda", "kakusan rng: sdcpp-cuda"),
    ],
)
def test_whose_random_numbers_is_said(rng: str, said: str) -> None:
    line = parameters_text({**RECORD, "rng": rng}).splitlines()[-1].split(", ")
    assert [each for each in line if "rng" in each.casefold()] == [said]
