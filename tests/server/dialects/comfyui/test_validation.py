"""What is wrong with a graph is said as ComfyUI says it."""

from typing import Any

import pytest

from kakusan.server.dialects.comfyui.choices import Choices
from kakusan.server.dialects.comfyui.nodes import CHECKPOINTS, IMAGES, LORAS, VAES
from kakusan.server.dialects.comfyui.refusals import GraphError
from kakusan.server.dialects.comfyui.validation import checked
from tests.server.dialects.comfyui.graphs import DEFAULT, Prompt, changed

CHOICES = Choices(
    {CHECKPOINTS: ["builtin"], LORAS: ["ink", "glow"], VAES: ["other"], IMAGES: ["in.png"]},
    lambda kind, name: (kind, name) == (CHECKPOINTS, "abcdef0123"),
)


def refusal(prompt: object) -> GraphError:
    with pytest.raises(GraphError) as caught:
        checked(prompt, CHOICES)
    return caught.value


def test_the_default_graph_is_in_order() -> None:
    found = checked(DEFAULT, CHOICES)
    assert (found.ends, dict(found.node_errors), found.ignored) == (("9",), {}, ())
    assert isinstance(found.graph.nodes["3"].inputs["cfg"], float)


@pytest.mark.parametrize("prompt", [None, {}, [], "graph", 3])
def test_no_graph(prompt: object) -> None:
    assert refusal(prompt).error["type"] == "no_prompt"


@pytest.mark.parametrize(
    ("node", "words"),
    [
        ({"inputs": {}}, "missing the class_type"),
        ({"class_type": "KSamplr", "inputs": {}}, "KSamplr does not exist"),
        ({"class_type": ["KSampler"]}, "missing the class_type"),
        ({"class_type": "KSampler", "inputs": []}, "no object"),
        ("KSampler", "missing the class_type"),
    ],
)
def test_nodes_that_are_none(node: Any, words: str) -> None:
    error = refusal({**DEFAULT, "77": node}).error
    assert (error["type"], "#77" in error["details"]) == ("invalid_prompt", True)
    assert words in error["message"]


def test_a_class_with_nearly_that_name_is_named() -> None:
    error = refusal({**DEFAULT, "77": {"class_type": "KSamplr", "inputs": {}}}).error
    assert "KSampler" in error["details"]


def test_no_output() -> None:
    assert refusal(changed(_9=None)).error["type"] == "prompt_no_outputs"


@pytest.mark.parametrize(
    ("prompt", "node", "kind", "details"),
    [
        (changed(_3=("KSampler", {"steps": 0})), "3", "value_smaller_than_min", "steps"),
        (changed(_3=("KSampler", {"steps": 10_001})), "3", "value_bigger_than_max", "steps"),
        (changed(_3=("KSampler", {"seed": -1})), "3", "value_smaller_than_min", "seed"),
        (changed(_3=("KSampler", {"seed": 2**64})), "3", "value_bigger_than_max", "seed"),
        (changed(_3=("KSampler", {"denoise": 1.5})), "3", "value_bigger_than_max", "denoise"),
        (changed(_3=("KSampler", {"cfg": 0.5})), "3", "value_smaller_than_min", "cfg"),
        (changed(_3=("KSampler", {"cfg": "much"})), "3", "invalid_input_type", "cfg, much"),
        (changed(_3=("KSampler", {"cfg": "nan"})), "3", "invalid_input_type", "cfg, nan"),
        (changed(_3=("KSampler", {"cfg": None})), "3", "invalid_input_type", "cfg, None"),
        (changed(_3=("KSampler", {"steps": {}})), "3", "invalid_input_type", "steps, {}"),
        (changed(_3=("KSampler", {"model": "4"})), "3", "invalid_input_type", "model, 4"),
        (
            changed(_3=("KSampler", {"sampler_name": "Euler a"})),
            *("3", "value_not_in_list", "sampler_name: 'Euler a' not in (list of length"),
        ),
        (
            changed(_4=("CheckpointLoaderSimple", {"ckpt_name": "v1-5.safetensors"})),
            *("4", "value_not_in_list", "ckpt_name: 'v1-5.safetensors' not in ['builtin']"),
        ),
        (
            changed(_4=("CheckpointLoaderSimple", {"ckpt_name": 3})),
            *("4", "value_not_in_list", "ckpt_name: '3' not in ['builtin']"),
        ),
        (changed(_6=("CLIPTextEncode", {"text": {}})), "6", "invalid_input_type", "text, {}"),
        (
            changed(
                _10=("UNETLoader", {"unet_name": "unet.safetensors"}),
                _3=("KSampler", {"model": ["10", 0]}),
            ),
            *("10", "value_not_in_list", "unet_name: 'unet.safetensors' not in []"),
        ),
        (changed(_5=("EmptyLatentImage", {"width": 8})), "5", "value_smaller_than_min", "width"),
        (
            changed(_3=("KSampler", {"model": ["4"]})),
            *("3", "bad_linked_input", "model, which this is not"),
        ),
        (
            changed(_3=("KSampler", {"model": ["44", 0]})),
            *("3", "bad_linked_input", "model, and there is no such node"),
        ),
        (
            changed(_3=("KSampler", {"model": ["4", 9]})),
            *("3", "bad_linked_input", "model, and CheckpointLoaderSimple has no such output"),
        ),
        (
            changed(_3=("KSampler", {"model": ["4", 1]})),
            *("3", "return_type_mismatch", "model, CLIP != MODEL"),
        ),
        (
            changed(_3=("KSampler", {"sampler_name": ["4", 1]})),
            *("3", "return_type_mismatch", "sampler_name, CLIP != COMBO"),
        ),
    ],
)
def test_values_that_cannot_be(prompt: Prompt, node: str, kind: str, details: str) -> None:
    found = refusal(prompt)
    assert found.error["type"] == "prompt_outputs_failed_validation"
    wrong = found.node_errors[node]
    assert wrong["class_type"] == prompt[node]["class_type"]
    assert wrong["dependent_outputs"] == ["9"]
    assert [error["type"] for error in wrong["errors"]] == [kind]
    assert wrong["errors"][0]["details"].startswith(details)
    assert set(found.node_errors) == {node}


def test_every_input_that_is_missing_is_named() -> None:
    found = refusal({**DEFAULT, "3": {"class_type": "KSampler"}})
    names = [each["extra_info"]["input_name"] for each in found.node_errors["3"]["errors"]]
    assert names == list(DEFAULT["3"]["inputs"]) or set(names) == set(DEFAULT["3"]["inputs"])
    assert {each["type"] for each in found.node_errors["3"]["errors"]} == {"required_input_missing"}


def test_circles_are_refused() -> None:
    prompt = changed(
        _5=("RepeatLatentBatch", {"samples": ["5", 0], "amount": 2}),
        _3=("KSampler", {"latent_image": ["5", 0]}),
    )
    prompt["5"]["inputs"] = {"samples": ["5", 0], "amount": 2}
    errors = refusal(prompt).node_errors["5"]["errors"]
    assert [each["type"] for each in errors] == ["dependency_cycle"]


def test_a_long_chain_ends() -> None:
    nodes = {
        f"_{n + 100}": ("RepeatLatentBatch", {"samples": [str(n + 99), 0], "amount": 1})
        for n in range(1, 900)
    }
    prompt = changed(
        _100=("RepeatLatentBatch", {"samples": ["5", 0], "amount": 1}),
        **nodes,
        _3=("KSampler", {"latent_image": ["999", 0]}),
    )
    assert checked(prompt, CHOICES).ends == ("9",)
    many = {str(n): {"class_type": "PreviewImage", "inputs": {}} for n in range(1001)}
    assert "1001 nodes" in refusal(many).error["message"]
    assert "900 outputs" in refusal(dict(list(many.items())[:900])).error["message"]


def test_numbers_may_be_texts_and_ids_numbers() -> None:
    prompt = changed(_3=("KSampler", {"steps": "7", "cfg": "7.5", "seed": 3.0, "model": [4, 0]}))
    inputs = checked(prompt, CHOICES).graph.nodes["3"].inputs
    assert (inputs["steps"], inputs["cfg"], inputs["seed"]) == (7, 7.5, 3)


def test_a_model_by_its_hash() -> None:
    prompt = changed(_4=("CheckpointLoaderSimple", {"ckpt_name": "abcdef0123"}))
    assert checked(prompt, CHOICES).ends == ("9",)


def test_an_output_in_order_is_drawn_beside_one_that_is_not() -> None:
    found = checked(changed(_10=("PreviewImage", {"images": ["9", 0]})), CHOICES)
    assert found.ends == ("9",)
    assert found.node_errors["10"]["errors"][0]["type"] == "bad_linked_input"


def test_what_leads_nowhere_is_not_looked_at() -> None:
    assert checked(changed(_10=("KSampler", {})), CHOICES).ends == ("9",)


def test_inputs_that_no_node_has_are_named() -> None:
    prompt = changed(_6=("CLIPTextEncode", {"speak_and_recognation": True}))
    (line,) = checked(prompt, CHOICES).ignored
    assert line == "6.speak_and_recognation: CLIPTextEncode has no such input"


def test_null_is_an_empty_text() -> None:
    found = checked(changed(_7=("CLIPTextEncode", {"text": None})), CHOICES)
    assert found.graph.nodes["7"].inputs["text"] == ""
    assert found.ignored == ("7.text: null is taken for an empty text",)


def test_values_of_other_nodes_are_checked_too() -> None:
    linked = changed(_10=("PrimitiveInt", {"value": 3}), _3=("KSampler", {"steps": ["10", 0]}))
    assert checked(linked, CHOICES).graph.nodes["3"].inputs["steps"] == 3
    linked["10"]["inputs"]["value"] = 0
    errors = refusal(linked).node_errors["3"]["errors"]
    assert [each["type"] for each in errors] == ["value_smaller_than_min"]
