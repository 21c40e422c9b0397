"""What the training of a LoRA writes is read again, and changes the UNet as it did in training."""

from pathlib import Path

import torch

from kakusan.checkpoints.adapters.reading import read_adapter
from kakusan.checkpoints.facts import facts_of_other
from kakusan.models.unet import UNet2DConditionModel
from kakusan.training.lora import adapt, save_lora


def test_what_is_written_is_read(tiny_v1: Path, tmp_path: Path) -> None:
    unet = UNet2DConditionModel.from_pretrained(tiny_v1, subfolder="unet")
    plain = UNet2DConditionModel.from_pretrained(tiny_v1, subfolder="unet")
    shapes = {name: tuple(each.shape) for name, each in plain.named_parameters()}
    generator = torch.Generator().manual_seed(0)
    adapters = adapt(unet, 3, 7.0, generator=generator)
    for each in adapters.values():
        each.lora_B.data.copy_(torch.randn(each.lora_B.shape, generator=generator) * 0.3)
    path = tmp_path / "cat.safetensors"
    save_lora(adapters, path)

    adapter = read_adapter(path, {"unet": shapes})
    assert adapter.unmatched == ()
    assert set(adapter.parts["unet"]) == {f"{name}.weight" for name in adapters}
    parameters = dict(plain.named_parameters())
    with torch.no_grad():
        for name, change in adapter.parts["unet"].items():
            parameters[name].add_(change.delta(parameters[name]))
        sample = torch.randn(2, 4, 8, 8, generator=generator)
        text = torch.randn(2, 5, 32, generator=generator)
        wanted = unet(sample, 500, text).sample
        got = plain(sample, 500, text).sample
    assert (got - wanted).abs().max() < 1e-5 * wanted.abs().max()
    facts = facts_of_other(path)
    assert facts is not None
    assert (facts.family, facts.said["rank"]) == ("LoRA", "3")
