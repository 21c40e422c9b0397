"""The package sd-backend-client as it is, against a server."""

from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image, ImageDraw
from sd_backend_client.api.a1111_webservice import A1111Webservice
from sd_backend_client.api.detect import connect_to_backend
from sd_backend_client.api.shared_data.diffusion_params import DiffusionParams
from sd_backend_client.api.webui.diffusion_request_body import DiffusionRequestBody

from tests.server.dialects.a1111.serving import NET, Served

SMALL: dict[str, Any] = {"width": 64, "height": 64, "steps": 3, "seed": 7, "prompt": "a cat"}


@pytest.fixture
def client(served: Served) -> Iterator[A1111Webservice]:
    found = A1111Webservice(served.url)
    yield found
    found.disconnect()


def test_it_takes_the_server_for_automatic1111(served: Served) -> None:
    found = connect_to_backend(served.url)
    assert isinstance(found, A1111Webservice)
    found.disconnect()


def test_a_picture(client: A1111Webservice) -> None:
    handle = client.submit_txt2img(DiffusionParams(**SMALL))
    result = handle.wait(timeout=60)
    assert result.images[0].size == (64, 64)
    found = client.txt2img(DiffusionParams(**SMALL))
    assert found["info"] is not None
    assert found["info"].seed == 7


@pytest.mark.parametrize("sampler", ["euler", "dpmpp_2m", "dpmpp_sde", "ddim", "uni_pc", "ddpm"])
def test_samplers_by_their_shared_names(client: A1111Webservice, sampler: str) -> None:
    found = client.txt2img(DiffusionParams(**SMALL, sampler=sampler, scheduler="karras"))
    assert len(found["images"]) == 1


def test_a_picture_and_a_part_drawn_over(client: A1111Webservice) -> None:
    image, mask = Image.new("RGB", (64, 64), "green"), Image.new("L", (64, 64))
    ImageDraw.Draw(mask).rectangle((0, 0, 30, 63), fill=255)
    params = DiffusionRequestBody(**SMALL, init_images=[image])
    assert client.submit_img2img(params).wait(timeout=60).images[0].size == (64, 64)
    params = DiffusionRequestBody(**SMALL, init_images=[image], mask=mask, mask_blur=2)
    painted = client.submit_inpaint(params).wait(timeout=60).images[0]
    assert painted.convert("RGB").getpixel((60, 30)) == (0, 128, 0)


def test_lists(client: A1111Webservice) -> None:
    capabilities = client.get_capabilities()
    assert capabilities.scheduler
    assert capabilities.controlnet
    assert not capabilities.interrogate
    assert "builtin" in [each.name for each in client.list_checkpoints()]
    assert {"euler", "dpmpp_2m"} <= {each.name for each in client.list_samplers()}
    assert {"karras", "normal"} <= {each.name for each in client.list_schedulers()}
    assert [each.name for each in client.list_upscalers()] == ["Lanczos", "Nearest"]
    client.list_vaes(), client.list_loras(), client.list_controlnet_models()
    assert client.list_hypernetworks() == []
    assert client.get_styles() == []
    assert client.get_controlnet_preprocessors()
    assert NET in client.get_controlnet_type_categories()["All"]["model_list"]
    assert client.get_controlnet_settings()["control_net_unit_count"] > 1
    assert client.progress_check().state.job_count == 0
    assert client.get_script_info() == []


def test_by_model(client: A1111Webservice) -> None:
    found = client.txt2img(DiffusionParams(**SMALL, sd_model_name="builtin"))
    assert found["info"] is not None
    assert found["info"].sd_model_name == "builtin"


def test_a_larger_picture(client: A1111Webservice) -> None:
    image = Image.new("RGB", (32, 32), "green")
    assert client.upscale(image, 100, 50)["images"][0].size == (100, 50)


def test_what_a_preprocessor_makes(client: A1111Webservice) -> None:
    image = Image.new("RGB", (32, 32), "green")
    canny = next(e for e in client.get_controlnet_preprocessors() if e.name == "canny")
    assert client.controlnet_preprocessor_preview(image, None, canny).size == (32, 32)


def test_settings(client: A1111Webservice) -> None:
    client.set_config({"CLIP_stop_at_last_layers": 1})
    assert client.get_config()["CLIP_stop_at_last_layers"] == 1
    for refresh in (client.refresh_checkpoints, client.refresh_vae, client.refresh_loras):
        assert refresh().json() is None


def test_interrupt(client: A1111Webservice) -> None:
    assert client.interrupt() == {}


def test_a_running_job_is_cancelled(client: A1111Webservice) -> None:
    long = {**SMALL, "steps": 900, "width": 256, "height": 256}
    handle = client.submit_txt2img(DiffusionParams(**long))
    from tests.server.dialects.a1111.test_webuiapi import wait_until

    wait_until(lambda: client.progress_check().state.sampling_step > 0)
    assert handle.cancel()
    wait_until(lambda: client.progress_check().state.job_count == 0)
