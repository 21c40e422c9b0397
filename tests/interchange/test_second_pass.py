"""A second pass that a picture of AUTOMATIC1111 tells of, as a request; and ours in its words."""

from typing import Any

import pytest

from kakusan.images.foreign.webui import read_webui
from kakusan.images.parameters import parameters_text
from kakusan.interchange import Translation, check_can_be_made, translated
from kakusan.request import Request, SecondPass

LINE = "a cat\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 5, Size: 512x768, "


def found(more: str, line: str = LINE, version: str = "v1.10.1") -> Translation:
    told = read_webui(f"{line}{more}, Version: {version}", "png:parameters")
    check_can_be_made(told)
    return translated(told)


def second(more: str, **options: str) -> SecondPass | None:
    return Request.of(**found(more, **options).settings).second_pass


def test_the_usual_words() -> None:
    more = "Denoising strength: 0.55, Hires upscale: 2, Hires steps: 10, Hires upscaler: Latent"
    assert second(more) == SecondPass(scale=2, steps=10, strength=0.55, upscaler="Latent")
    translation = found(more)
    assert not translation.left
    assert "a second pass, 2 times as large by Latent" in translation.followed
    assert "strength" not in translation.settings


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("Hires resize: 1024x0, Hires upscaler: Lanczos", {"width": 1024, "upscaler": "Lanczos"}),
        ("Hires resize: 0x1500, Hires upscaler: None", {"height": 1496, "upscaler": "None"}),
        ("Hires resize: 1024x1024", {"width": 1024, "height": 1024}),
        ("Hires upscale: 1.5, Hires steps: 0", {"scale": 1.5}),
        (
            'Hires upscale: 2, Hires prompt: "a dog, big", Hires negative prompt: bad, '
            "Hires CFG Scale: 5, Hires sampler: DPM++ 2M, Hires schedule type: Karras",
            {
                "scale": 2,
                "prompt": ("a dog, big",),
                "negative_prompt": ("bad",),
                "guidance_scale": 5,
                "scheduler": "DPM++ 2M Karras",
            },
        ),
        ("Hires upscale: 2, Hires sampler: Use same sampler", {"scale": 2}),
    ],
)
def test_what_else_it_may_say(more: str, expected: dict[str, Any]) -> None:
    found = second(f"Denoising strength: 0.7, {more}")
    assert found == SecondPass(**expected)


def test_old_versions_say_the_first_passs_size() -> None:
    """512x768 begins at ceil(418/64)*64 x ceil(627/64)*64."""
    line = LINE.replace("512x768", "768x1152")
    translation = found("Denoising strength: 0.6, First pass size: 0x0", line)
    assert (translation.settings["width"], translation.settings["height"]) == (448, 640)
    assert translation.settings["second_pass"] == SecondPass(
        width=768, height=1152, strength=0.6, upscaler="None"
    )
    told = second("Denoising strength: 0.6, First pass size: 512x768", line=line)
    assert told == SecondPass(width=768, height=1152, strength=0.6, upscaler="None")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("Hires upscale: 2, Hires upscaler: R-ESRGAN 4x+", "'R-ESRGAN 4x+' is a model of its own"),
        ("Hires upscale: 2, Hires upscaler: 4x-UltraSharp", "is a model of its own"),
        ("Hires upscale: 2, Hires upscaler: whatever", "no upscaler of second_pass"),
        ("Hires upscale: 0.5, Hires upscaler: Latent", "must be above 1"),
        ("Hires resize: 256x384", "not larger"),
        ("Hires upscale: 100", "finite number"),
    ],
)
def test_what_is_not_made_again_is_said(more: str, said: str) -> None:
    translation = found(f"Denoising strength: 0.5, {more}")
    assert "second_pass" not in translation.settings
    assert said in " ".join(translation.left)
    Request.of(**translation.settings)


def test_another_model_and_timesteps_are_said() -> None:
    more = "Denoising strength: 0.5, Hires upscale: 2, Hires checkpoint: other [0123456789]"
    assert any("the model 'other" in each for each in found(more).left)
    ddim = LINE.replace("Euler a", "DDIM")
    assert any("takes a step off" in each for each in found(more, ddim).left)


def test_old_versions_never_drew_it_with_unipc() -> None:
    line = LINE.replace("Euler a", "UniPC")
    more = "Denoising strength: 0.5, Hires upscale: 2"
    assert second(more, line=line, version="v1.4.1") == SecondPass(
        scale=2, strength=0.5, scheduler="DDIM"
    )
    assert second(more, line=line) == SecondPass(scale=2, strength=0.5)


def test_our_own_text_is_read_again() -> None:
    told: dict[str, Any] = {"width": 1024, "height": 1536, "upscaler": "Latent (bicubic)"}
    told |= {"steps": 7, "strength": 0.5, "prompt": "a (big) dog", "guidance_scale": 4.0}
    told |= {"scheduler": "DPM++ 2M Karras"}
    record = {"kakusan": "0.1.0", "prompt": "a cat", "seed": 5, "num_inference_steps": 20}
    record |= {"width": 512, "height": 768, "second_pass": told}
    text = parameters_text(record)
    line = text.splitlines()[-1]
    assert "Denoising strength: 0.5" in line
    assert "Hires resize: 1024x1536, Hires steps: 7, Hires upscaler: Latent (bicubic)" in line
    assert r"Hires prompt: a \(big\) dog" in line
    request = Request.of(**translated(read_webui(text, "png:parameters")).settings)
    expected = SecondPass(**{**told, "prompt": (r"a \(big\) dog",)})
    assert request.second_pass == expected
    plain = {**record, "second_pass": {"scale": 2.0, "upscaler": "Latent", "strength": 0.7}}
    assert "Denoising strength: 0.7, Hires upscale: 2, Hires upscaler: Latent" in parameters_text(
        plain
    )
