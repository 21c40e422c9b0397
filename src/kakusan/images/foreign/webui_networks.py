"""Adapters and embeddings in AUTOMATIC1111's text, and where else it lists them."""

from collections.abc import Mapping

from kakusan.images.foreign.fields import Fields, as_list, as_object
from kakusan.images.foreign.hashes import as_hash, listed_hashes, loras_in
from kakusan.images.foreign.told import Embedding, Lora


def networks(
    fields: Fields, prompt: str
) -> tuple[tuple[Lora, ...], tuple[Embedding, ...], dict[str, str | None]]:
    """LoRAs of the prompt's tags, else of what Civitai or an extension lists; embeddings."""
    hashes = listed_hashes(fields.text("Lora hashes", "LoRA hashes", longest=100_000))
    inversions = listed_hashes(fields.text("TI hashes", longest=100_000))
    others: dict[str, str | None] = {}
    for name, digits in (fields.mapping("Hashes") or {}).items():
        kind, _, inner = name.partition(":")
        table = {"lora": hashes, "embed": inversions}.get(kind, others)
        table.setdefault(inner or kind, as_hash(digits))
    loras = loras_in(prompt, hashes)
    listed = _of_civitai(fields) or _of_addnet(fields) or _of_fooocus(fields, hashes)
    embeddings = tuple(Embedding(name=name, hash=each) for name, each in inversions.items())
    used = {each.name for each in loras or listed}
    if unused := [f"{name}: {digits}" for name, digits in hashes.items() if name not in used]:
        fields.give("Lora hashes", ", ".join(unused))  # whose weights nothing tells
    return loras or listed, embeddings, others


def _of_civitai(fields: Fields) -> tuple[Lora, ...]:
    """The adapters among what Civitai lists, under the names that they have there."""
    found: list[Lora] = []
    resources = as_list(fields.items("Civitai resources"))
    for each in map(as_object, resources[:100]):
        one = Fields(each or {})
        kind, name = one.text("type"), one.text("modelName")
        if kind in ("lora", "lycoris", "locon", "dora") and name:
            weight = one.weight("weight")
            weight = 1.0 if weight is None else float(weight)
            found.append(Lora(name=name, text_weight=weight, unet_weight=weight))
        elif kind == "checkpoint" and name and "Model" not in fields:
            fields.give("Model", name)
    return tuple(found)


def _of_fooocus(fields: Fields, hashes: Mapping[str, str | None]) -> tuple[Lora, ...]:
    """`Lora weights: "a: 0.5, b: 1.0"`"""
    found: list[Lora] = []
    listed = fields.text("Lora weights", longest=20_000) or ""
    for item in listed.split(",")[:100] if listed else []:
        name, _, weight = item.rpartition(":")
        amount = Fields({"weight": weight}).weight("weight")
        if name.strip() and amount is not None:
            digits, amount = hashes.get(name.strip()), float(amount)
            found.append(
                Lora(name=name.strip(), text_weight=amount, unet_weight=amount, hash=digits)
            )
    return tuple(found)


def _of_addnet(fields: Fields) -> tuple[Lora, ...]:
    """Those of the extension Additional Networks, which came before the tags in prompts."""
    found: list[Lora] = []
    for number in range(1, 6):
        name = fields.text(f"AddNet Model {number}")
        fields.take(f"AddNet Module {number}")
        both = fields.weight(f"AddNet Weight {number}")
        unet, text = (fields.weight(f"AddNet Weight {side} {number}") for side in "AB")
        if name is None or name == "None":
            continue
        plain, _, digits = name.rpartition("(")
        unet = next((float(w) for w in (unet, both) if w is not None), 1.0)
        text = next((float(w) for w in (text, both) if w is not None), 1.0)
        found.append(
            Lora(
                name=plain or name,
                text_weight=text,
                unet_weight=unet,
                hash=as_hash(digits.rstrip(")")),
            )
        )
    return tuple(found)
