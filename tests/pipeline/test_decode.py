"""Finished latents that cannot be decoded are not lost, and become the same pictures later."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import kakusan
from kakusan.errors import (
    DecodeError,
    DecodeMemoryError,
    DecodeNumericalError,
    GenerationInterrupted,
    InputError,
    NumericalError,
    OutputError,
    RequestError,
    Undecoded,
)
from kakusan.images import save_image
from kakusan.images.latents import latents_record
from kakusan.inputs import Inputs
from kakusan.models import AutoencoderKL
from kakusan.pipeline import decode, draw, load_latents, save_latents
from kakusan.request import Request

SETTINGS: dict[str, Any] = {"num_inference_steps": 2, "height": 64, "width": 64}


@pytest.fixture
def pipe(tiny_v1_checked: Path) -> kakusan.StableDiffusionPipeline:
    pipe = kakusan.StableDiffusionPipeline.from_pretrained(tiny_v1_checked)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def failing(monkeypatch: pytest.MonkeyPatch, error: BaseException, *, worst: int = 0) -> None:
    """Have the VAE fail for batches of more than `worst` rows."""
    plain = AutoencoderKL._decode

    def short(self: AutoencoderKL, z: torch.Tensor) -> torch.Tensor:
        if len(z) > worst:
            raise error
        return plain(self, z)

    monkeypatch.setattr(AutoencoderKL, "_decode", short)


ERRORS = [
    (MemoryError(), DecodeMemoryError, "not enough memory on cpu for 64 x 64 pixels"),
    (RuntimeError("shapes do not\nmatch"), DecodeError, "shapes do not match"),
    (torch.OutOfMemoryError("out of memory"), DecodeMemoryError, "not enough memory"),
]


@pytest.mark.parametrize(("error", "kind", "said"), ERRORS)
def test_the_latents_come_with_the_error(
    pipe: Any,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    error: Exception,
    kind: type[DecodeError],
    said: str,
) -> None:
    wanted = pipe("a cat", seed=1, **SETTINGS)
    with monkeypatch.context() as patch:
        failing(patch, error)
        with pytest.raises(kind, match=said) as caught:
            pipe("a cat", seed=1, **SETTINGS)
    left = caught.value.undecoded
    assert left.latents.shape == (1, 4, 8, 8)
    assert left.records == wanted.records
    assert caught.value.finished == []
    again = pickle.loads(pickle.dumps(caught.value))
    assert (type(again), str(again)) == (kind, str(caught.value))
    assert torch.equal(again.undecoded.latents, left.latents)
    path = save_latents(tmp_path / "cat.safetensors", left.latents, left.records)
    (picture,) = decode(path, trust_model=True)
    assert picture.record == wanted.records[0]
    assert np.array_equal(np.asarray(picture.image), np.asarray(wanted.images[0]))
    assert picture.flagged == wanted.nsfw_content_detected[0]
    first = save_image(wanted.images[0], tmp_path / "first.png", wanted.records[0])
    second = picture.save(tmp_path / "second.png")
    assert first.read_bytes() == second.read_bytes()


def test_nan_in_float32_is_a_numerical_error(pipe: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AutoencoderKL, "_decode", lambda _, z: torch.full_like(z, torch.nan))
    with pytest.raises(DecodeNumericalError, match="VAE gave NaN") as caught:
        pipe("a cat", seed=1, **SETTINGS)
    assert isinstance(caught.value, NumericalError)
    assert torch.isfinite(caught.value.undecoded.latents).all()


def test_memory_that_is_gone_by_then_is_not_asked_for(
    pipe: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A system that is out of memory would end the process, and nothing could be saved."""
    calls: list[int] = []
    hook = pipe.vae.decoder.register_forward_hook(lambda *_: calls.append(1))
    drawing = pipe.prepared(Request.of("a cat", seed=1, **SETTINGS), Inputs())
    monkeypatch.setattr("kakusan.engine.engine.free_memory", lambda _: 100_000)
    with pytest.raises(DecodeMemoryError, match="not enough memory on cpu"):
        list(pipe.drawn(drawing))
    hook.remove()
    assert not calls


def test_those_that_can_be_decoded_are(pipe: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {**SETTINGS, "seed": 1, "num_images_per_prompt": 3, "batch_size": 3}
    wanted = pipe("a cat", **settings)
    plain, seen = AutoencoderKL._decode, list[int]()

    def second_fails(self: AutoencoderKL, z: torch.Tensor) -> torch.Tensor:
        seen.append(len(z))
        if len(z) > 1 or seen.count(1) == 2:
            return torch.full_like(plain(self, z), torch.nan)
        return plain(self, z)

    monkeypatch.setattr(AutoencoderKL, "_decode", second_fails)
    with pytest.raises(DecodeNumericalError) as caught:
        pipe("a cat", **settings)
    assert seen == [3, 1, 1, 1]
    assert [record["seed"] for record in caught.value.undecoded.records] == [2]
    assert len(caught.value.undecoded.latents) == 1
    assert len(caught.value.finished) == 2
    for image, index in zip(caught.value.finished, (0, 2), strict=True):
        gap = np.asarray(image).astype(int) - np.asarray(wanted.images[index]).astype(int)
        assert np.abs(gap).max() <= 1


def test_several_pictures_are_decoded_together_as_they_were(
    pipe: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    wanted = pipe(["a cat", "a dog"], generator=torch.Generator().manual_seed(1), **SETTINGS)
    with monkeypatch.context() as patch:
        failing(patch, MemoryError())
        with pytest.raises(DecodeMemoryError) as caught:
            pipe(["a cat", "a dog"], generator=torch.Generator().manual_seed(1), **SETTINGS)
    left = caught.value.undecoded
    path = save_latents(tmp_path / "two.safetensors", left.latents, left.records)
    assert [each["prompt"] for each in latents_record(path)["pictures"]] == ["a cat", "a dog"]
    found = decode(path, model=pipe.source.name)
    for picture, image, record in zip(found, wanted.images, wanted.records, strict=True):
        assert np.array_equal(np.asarray(picture.image), np.asarray(image))
        assert picture.record == record


def test_ctrl_c_in_the_decode_loses_nothing(tiny_v1: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    request = Request.of("a cat", seed=1, num_images_per_prompt=2, model=str(tiny_v1), **SETTINGS)
    wanted = draw(request, progress=False)
    plain, calls = AutoencoderKL._decode, list[int]()

    def stopped(self: AutoencoderKL, z: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return plain(self, z)

    with monkeypatch.context() as patch:
        patch.setattr(AutoencoderKL, "_decode", stopped)
        with pytest.raises(GenerationInterrupted) as caught:
            draw(request, progress=False)
    assert [picture.record["seed"] for picture in caught.value.finished] == [1]
    left = caught.value.undecoded
    assert left is not None
    (picture,) = decode(left, trust_model=True)
    assert np.array_equal(np.asarray(picture.image), np.asarray(wanted[1].image))
    assert picture.record == wanted[1].record


def test_an_error_that_carries_pictures_and_latents(
    tiny_v1: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = Request.of("a cat", seed=1, num_images_per_prompt=3, model=str(tiny_v1), **SETTINGS)
    plain, calls = AutoencoderKL._decode, list[int]()

    def stopped(self: AutoencoderKL, z: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        if len(calls) > 1:
            raise MemoryError
        return plain(self, z)

    monkeypatch.setattr(AutoencoderKL, "_decode", stopped)
    seen = []
    with pytest.raises(DecodeError) as caught:
        draw(request, progress=False, on_picture=seen.append)
    assert caught.value.finished == seen
    assert [each.record["seed"] for each in seen] == [1]
    left = caught.value.undecoded
    assert [each["seed"] for each in left.records] == [2]
    with pytest.raises(DecodeError) as caught:
        decode(left, trust_model=True)
    assert [each["seed"] for each in caught.value.undecoded.records] == [2]


def test_latents_that_were_asked_for_can_be_saved(pipe: Any, tmp_path: Path) -> None:
    output = pipe("a cat", seed=1, output_type="latent", **SETTINGS)
    path = kakusan.save_latents(tmp_path / "a.safetensors", output.images, output.records)
    left = kakusan.load_latents(path)
    assert torch.equal(left.latents, output.images)
    assert left.records == output.records
    assert latents_record(path) == output.records[0]
    other = save_latents(path, output.images, output.records, replace=False)
    assert other.name == "a-2.safetensors"
    (picture,) = kakusan.decode(path, model=pipe.source.name)
    wanted = pipe("a cat", seed=1, **SETTINGS)
    assert np.array_equal(np.asarray(picture.image), np.asarray(wanted.images[0]))


def test_bad_latents_are_refused(pipe: Any, tmp_path: Path) -> None:
    record = {"kakusan": "0.1.0", "model": str(tmp_path), "notes": []}
    latents, path = torch.zeros(1, 4, 8, 8), tmp_path / "a.safetensors"
    with pytest.raises(OutputError, match=r"must end in \.safetensors"):
        save_latents(tmp_path / "a.png", latents, [record])
    with pytest.raises(RequestError, match="1 latents and 2 records"):
        save_latents(path, latents, [record, record])
    with pytest.raises(RequestError, match="are a tensor"):
        save_latents(path, latents[0], [record])
    with pytest.raises(InputError, match="no file"):
        decode(path)
    save_file({"unet.weight": latents}, path, metadata={"format": "pt"})
    with pytest.raises(InputError, match="holds no latents that kakusan saved"):
        decode(path)
    save_latents(path, latents, [record])
    with pytest.raises(RequestError, match="which is a folder; say with model"):
        decode(path)
    whole = path.read_bytes()
    for cut in (0, 5, 60, len(whole) - 1):
        path.write_bytes(whole[:cut])
        with pytest.raises(InputError, match=r"is empty|not a (whole )?safetensors file"):
            load_latents(path)
    save_latents(path, latents * torch.nan, [record])
    with pytest.raises(InputError, match="NaN or infinite"):
        load_latents(path)
    for told in ("[", "{}", "[1]", "[" * 100_000):
        save_file({"latents": latents}, path, metadata={"kakusan": told})
        with pytest.raises(InputError, match=r"records in .* are broken"):
            load_latents(path)
    save_file({"latents": latents}, path, metadata={"kakusan": "[{}, {}]"})
    with pytest.raises(InputError, match="with 2 records"):
        load_latents(path)
    model = pipe.source.name
    with pytest.raises(RequestError, match="have 16 channels; this model's VAE decodes 4"):
        decode(Undecoded(torch.zeros(1, 16, 8, 8), [record]), model=model)
    with pytest.raises(RequestError, match="the limit is 4096"):
        decode(Undecoded(torch.zeros(1, 4, 8, 1024), [record]), model=model)
    with pytest.raises(InputError, match="dtype"):
        decode(Undecoded(latents, [{**record, "dtype": "int3"}]), model=model)
    with pytest.raises(RequestError, match="names no model"):
        decode(Undecoded(latents, [{**record, "model": None}]), trust_model=True)
    both = Undecoded(torch.zeros(2, 4, 8, 8), [record, {**record, "dtype": "float16"}])
    with pytest.raises(InputError, match="differ in dtype"):
        decode(both, model=model)
