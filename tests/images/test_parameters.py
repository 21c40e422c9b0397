"""The text that other tools read."""

import pytest

from kakusan.images.parameters import parameters_text, parse_parameters

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
        "Steps: 25, Sampler: DPM++ 2M, CFG scale: 7.5, Seed: 7, Size: 512x448, "
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
