"""Networks that steer, as sd-webui-controlnet writes them."""

from typing import Any

from kakusan.images.parameters import parameters_text

RECORD: dict[str, Any] = {
    "prompt": "a cat",
    "seed": 1,
    "num_inference_steps": 20,
    "controls": [
        {
            "kind": "canny=50,150",
            "model": "/nets/control_v11p_sd15_canny.safetensors",
            "scale": 0.8,
            "start": 0.0,
            "end": 0.6,
            "mode": "prompt",
            "resize_mode": "crop",
        },
        {"kind": "none", "model": "owner/net", "scale": 1.0},
    ],
}


def test_what_is_written() -> None:
    text = parameters_text(RECORD)
    assert (
        'ControlNet 0: "Module: canny, Model: control_v11p_sd15_canny, Weight: 0.8, Resize Mode: '
        "Crop and Resize, Threshold A: 50, Threshold B: 150, Guidance Start: 0, Guidance End: 0.6, "
        'Pixel Perfect: True, Control Mode: My prompt is more important"'
    ) in text
    assert 'ControlNet 1: "Module: none, Model: net, Weight: 1' in text
    assert "/nets" not in text
    for controls in (None, 3, [3], [{}]):
        parameters_text({**RECORD, "controls": controls})
