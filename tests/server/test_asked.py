"""From a client's fields to a request: every field of a `Request` is one of a few kinds."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from kakusan.errors import ArgumentError, InputError
from kakusan.request import Request
from kakusan.server.asked import asked
from kakusan.server.errors import FieldError
from kakusan.server.fields import ALLOWED, NAMED, PICTURED, PLAIN, REFUSED, SCHEDULED
from kakusan.server.pictures import InputPicture
from kakusan.server.problems import field_of
from kakusan.server.settings import Settings
from kakusan.server.worker.catalog import Catalog


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return Catalog.of()


@pytest.fixture
def server(tmp_path: Path) -> Settings:
    return Settings(data=tmp_path)


def picture(id: str = "a" * 64) -> InputPicture:
    return InputPicture(id, Image.new("RGB", (64, 48), "red"))


def test_every_field_of_a_request_is_of_one_kind() -> None:
    kinds = (PLAIN, SCHEDULED, NAMED, PICTURED, frozenset(REFUSED))
    for each in fields(Request):
        assert sum(each.name in kind for kind in kinds) == 1, each.name
    assert {*ALLOWED, *REFUSED} == {each.name for each in fields(Request)}


def test_a_prompt_alone_is_enough(catalog: Catalog, server: Settings) -> None:
    request, inputs = asked({"prompt": "a cat"}, catalog=catalog, server=server)
    assert request.model == "builtin"
    assert request.seed is not None
    assert request.seed < 2**32
    assert inputs == ()


def test_pictures_are_told_by_their_hashes(catalog: Catalog, server: Settings) -> None:
    settings = {"prompt": "a", "image": picture(), "mask": [picture("b" * 64)], "strength": 0.5}
    request, inputs = asked(settings, catalog=catalog, server=server)
    assert inputs == ("a" * 64, "b" * 64)
    assert request.image is not None
    assert (request.image[0].width, request.image[0].height) == (64, 48)
    assert request.mask is not None
    assert request.outside == "exact"
    assert Request.from_record(request.to_record()) == request


def test_a_mask_may_be_said_in_words(catalog: Catalog, server: Settings) -> None:
    settings = {"prompt": "a", "image": picture(), "mask": "box:0,0,32,32"}
    request, inputs = asked(settings, catalog=catalog, server=server)
    assert request.mask is not None
    assert request.mask[0].name == "box:0,0,32,32"
    assert inputs == ("a" * 64,)


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({}, "prompt"),
        ({"prompt": None}, "prompt"),
        ({"prompt": "a", "colour": 1}, "colour"),
        ({"prompt": "a", "dtype": "float16"}, "dtype"),
        ({"prompt": "a", "device": "cuda"}, "device"),
        ({"prompt": "a", "unet": "/etc/passwd"}, "unet"),
        ({"prompt": "a", "lora_files": {"a": "/etc/passwd"}}, "lora_files"),
        ({"prompt": "a", "model": "/etc/passwd"}, "model"),
        ({"prompt": "a", "model": "../builtin"}, "model"),
        ({"prompt": "a", "model": 5}, "model"),
        ({"prompt": "a", "vae": "/etc/passwd"}, "vae"),
        ({"prompt": "a", "loras": ["/etc/passwd"]}, "loras"),
        ({"prompt": "a", "loras": {"name": "../x", "text_weight": 1}}, "loras"),
        ({"prompt": "a", "embeddings": ["/etc/passwd"]}, "embeddings"),
        ({"prompt": "a", "embeddings": [{"file": "x", "hash": "y"}]}, "embeddings"),
        ({"prompt": "a", "image": "/etc/passwd"}, "image"),
        ({"prompt": "a", "image": []}, "image"),
        ({"prompt": "a", "mask": "/etc/passwd"}, "mask"),
        ({"prompt": "a", "controls": [{"model": "/etc/passwd", "image": picture()}]}, "controls"),
        ({"prompt": "a", "controls": ["canny:/etc/passwd@x"]}, "controls"),
        ({"prompt": "a", "controls": [{"model": "x"}]}, "controls"),
        (
            {"prompt": "a", "image_prompts": [{"model": "/x", "images": picture()}]},
            "image_prompts",
        ),
        (
            {
                "prompt": "a",
                "image_prompts": [{"model": "x", "images": picture(), "encoder": "/etc/passwd"}],
            },
            "image_prompts",
        ),
        ({"prompt": "<lora:../../x:1>", "prompt_syntax": "webui"}, "prompt"),
        ({"prompt": ["a", None]}, "prompt"),
        ({"prompt": "__/etc/passwd__", "prompt_syntax": "webui"}, "prompt"),
        ({"prompt": "a", "scheduler": {"_class_name": "os.system"}}, "scheduler"),
        (
            {"prompt": "a", "scheduler": {"name": "euler", "num_train_timesteps": 10**9}},
            "scheduler",
        ),
        ({"prompt": "a", "upscale": 16, "image": picture(), "width": 8192}, None),
        ({"prompt": "a", "num_images_per_prompt": 101}, "num_images_per_prompt"),
        ({"prompt": "a", "height": 65}, "height"),
    ],
)
def test_what_is_not_a_clients_to_say_is_refused(
    catalog: Catalog, server: Settings, settings: dict[str, Any], field: str | None
) -> None:
    from kakusan.server.problems import field_of

    with pytest.raises(InputError) as caught:
        asked(settings, catalog=catalog, server=server)
    assert len(str(caught.value)) < 1500
    if field is not None:
        assert field_of(caught.value) == field


def test_wildcards_tell_no_folder(catalog: Catalog, tmp_path: Path) -> None:
    folder = tmp_path / "words"
    folder.mkdir()
    (folder / "animals.txt").write_text("fox\n")
    server = Settings(data=tmp_path, wildcards=(folder,))
    settings = {"prompt": "a __animals__", "prompt_syntax": "webui", "seed": 1}
    request, _ = asked(settings, catalog=catalog, server=server)
    assert request.prompt == ("a fox",)
    assert request.template == "a __animals__"
    with pytest.raises(FieldError) as caught:
        asked({**settings, "prompt": "__nothing__"}, catalog=catalog, server=server)
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"strength": 0.5}, "strength"),
        ({"resize_mode": "crop"}, "resize_mode"),
        ({"image": True, "strength": 0.1, "num_inference_steps": 4}, "strength"),
        ({"mask_blur": 4}, "mask_blur"),
        ({"image": True, "mask_blur": 4}, "mask_blur"),
        ({"mask": True}, "mask"),
        ({"image": True, "quality_budget": 0.1}, "quality_budget"),
        ({"upscale": 2}, "upscale"),
        ({"aesthetic_score": 6.0}, "aesthetic_score"),
        ({"denoising_end": 0.5}, "denoising_end"),
        ({"timesteps": [900, 1], "scheduler": "unipc"}, "timesteps"),
        ({"clip_skip": 3}, "clip_skip"),
        ({"clip_skip": 50, "prompt_syntax": "webui"}, "clip_skip"),
        ({"scheduler": "lcm", "num_inference_steps": 60}, "num_inference_steps"),
        (
            {"scheduler": {"name": "ddim", "num_train_timesteps": 10}, "num_inference_steps": 20},
            "num_inference_steps",
        ),
        ({"image": True, "upscale": 2, "num_inference_steps": 2}, "strength"),
        ({"image": [True, True], "upscale": 2}, "upscale"),
        ({"image": [True, True]}, "image"),
        ({"image": True, "mask": [True, True]}, "mask"),
        ({"second_pass": {"width": 128, "height": 128}}, "second_pass"),
        ({"second_pass": {"scale": 2, "strength": 0.005}}, "second_pass"),
        ({"second_pass": {"scale": 2, "sampler": "euler"}}, "second_pass"),
        ({"second_pass": {"scale": 2, "scheduler": "nothing"}}, "second_pass"),
        ({"second_pass": 2, "image": True, "mask": True}, "second_pass"),
        ({"image": True, "upscale": {"by": 2}}, "upscale"),
        ({"scheduler": "nothing"}, "scheduler"),
        ({"prompt": "<hypernet:x:1>", "prompt_syntax": "webui"}, "prompt"),
        ({"prompt": "(a:nan)", "prompt_syntax": "comfy"}, "prompt"),
        ({"prompt": "embedding:nothing", "prompt_syntax": "comfy"}, "embeddings"),
        ({"prompt": "a.swap(b)", "prompt_syntax": "compel"}, "prompt"),
        ({"prompt": "('a', 'b').blend(1)", "prompt_syntax": "compel"}, "prompt"),
        ({"prompt": "('a', 'b').blend(1, -1)", "prompt_syntax": "compel"}, "prompt"),
    ],
)
def test_what_would_fail_later_is_refused_at_once(
    settings: dict[str, Any], field: str, catalog: Catalog, server: Settings
) -> None:
    given = {name: _with_pictures(value) for name, value in settings.items()}
    with pytest.raises(InputError) as refused:
        asked({"prompt": "a", **given}, catalog=catalog, server=server)
    assert field_of(refused.value) == field


def _with_pictures(value: object) -> object:
    if isinstance(value, list):
        return [_with_pictures(each) for each in value]
    return picture() if value is True else value


def test_dialects_can_say_in_their_words_what_is_refused(
    catalog: Catalog, server: Settings
) -> None:
    with pytest.raises(ArgumentError) as refused:
        asked({"prompt": "a", "clip_skip": 3}, catalog=catalog, server=server)
    assert str(refused.value.in_words({"clip_skip": "layers"})).startswith("layers leaves out 3")


@pytest.mark.parametrize("by", ["loras", "prompt"])
def test_a_lora_of_another_family_is_refused_at_once(tmp_path: Path, by: str) -> None:
    name = "lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k"  # SDXL's, by its width
    file = tmp_path / "hidden" / "large.safetensors"
    file.parent.mkdir()
    shapes = {"lora_down": (4, 2048), "lora_up": (640, 4)}
    save_file({f"{name}.{k}.weight": torch.zeros(shape) for k, shape in shapes.items()}, file)
    catalog = Catalog.of(loras=[file])
    said: dict[str, Any] = {"prompt": "a", "loras": ["large"]}
    if by == "prompt":
        said = {"prompt": "a <lora:large:1>", "prompt_syntax": "webui"}
    with pytest.raises(InputError, match=r"large.* was made for SDXL") as refused:
        asked(said, catalog=catalog, server=Settings(data=tmp_path))
    assert field_of(refused.value) == "loras"
    assert "hidden" not in str(refused.value)


def test_an_ip_adapter_of_another_family_is_refused_at_once(tmp_path: Path) -> None:
    file = tmp_path / "hidden" / "large.safetensors"
    file.parent.mkdir()
    shapes = {
        "image_proj.proj.weight": (4 * 2048, 1280),
        "image_proj.norm.weight": (2048,),
        "ip_adapter.1.to_k_ip.weight": (640, 2048),
        "ip_adapter.1.to_v_ip.weight": (640, 2048),
    }
    save_file({name: torch.zeros(shape) for name, shape in shapes.items()}, file)
    catalog = Catalog.of(ip_adapters=[file])
    said = {"prompt": "a", "image_prompts": [{"model": "large", "images": picture()}]}
    with pytest.raises(InputError, match=r"large.* was made for Stable Diffusion XL") as refused:
        asked(said, catalog=catalog, server=Settings(data=tmp_path))
    assert field_of(refused.value) == "image_prompts"
    assert "hidden" not in str(refused.value)


def test_owners_folders_are_not_told(tmp_path: Path) -> None:
    broken = tmp_path / "hidden" / "word.safetensors"
    broken.parent.mkdir()
    broken.write_bytes(b"\x08" + bytes(7) + b'{"a":1}')
    catalog = Catalog.of(embeddings=[broken])
    with pytest.raises(InputError, match="word") as refused:
        asked(
            {"prompt": "a", "embeddings": ["word"]}, catalog=catalog, server=Settings(data=tmp_path)
        )
    assert "hidden" not in str(refused.value)


def test_a_mask_is_as_large_as_its_picture(catalog: Catalog, server: Settings) -> None:
    small = InputPicture("b" * 64, Image.new("L", (32, 32), 255))
    with pytest.raises(InputError, match="a mask is as large as its picture"):
        asked({"prompt": "a", "image": picture(), "mask": small}, catalog=catalog, server=server)


def test_strength_zero_and_usual_strength_are_taken(catalog: Catalog, server: Settings) -> None:
    for strength in (0.0, None, 1.0):
        settings = {"prompt": "a", "image": picture(), "strength": strength}
        assert asked(settings, catalog=catalog, server=server).request.image is not None


def test_where_there_is_nothing_to_name_that_is_said(catalog: Catalog, server: Settings) -> None:
    with pytest.raises(FieldError, match=r"there is no LoRA 'x'\. None is known\."):
        asked({"prompt": "a", "loras": ["x"]}, catalog=catalog, server=server)
