"""Packages that people drive ComfyUI with, unchanged, against a server of ours."""

import gc
import io
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.server.dialects.comfyui.graphs import DEFAULT, over_a_picture, titled
from tests.server.dialects.comfyui.serving import OTHER, TOKEN, Pretender, Serving, png, pretending

Served = tuple[Serving, Pretender]
# They leave sockets open, of which nobody else is to hear
pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)


@pytest.fixture(autouse=True)
def collected() -> Any:
    yield
    gc.collect()


class TestSdBackendClient:
    """sd-backend-client, which builds graphs of its own."""

    @pytest.fixture
    def backend(self, served: Served) -> Any:
        client = pytest.importorskip("sd_backend_client")
        found = client.connect_to_backend(served[0].url)
        assert type(found).__name__ == "ComfyUiWebservice"
        yield found
        found.disconnect()

    def params(self, **more: Any) -> Any:
        from sd_backend_client.api.shared_data.diffusion_params import DiffusionParams

        usual = {"sd_model_name": "builtin", "prompt": "a red circle", "steps": 2, "seed": 5}
        return DiffusionParams(**{**usual, "width": 128, "height": 64, **more})

    def test_lists(self, backend: Any) -> None:
        assert [each.name for each in backend.list_checkpoints()] == ["builtin"]
        assert "euler" in [each.name for each in backend.list_samplers()]
        assert "karras" in [each.name for each in backend.list_schedulers()]
        for listed in (
            *(backend.list_vaes, backend.list_loras, backend.list_hypernetworks),
            *(backend.list_upscalers, backend.list_model_configs, backend.list_controlnet_models),
            *(backend.get_embeddings, backend.get_extensions, backend.get_controlnet_preprocessors),
        ):
            assert listed() == []
        assert "loras" in backend.get_model_types()
        assert backend.get_system_stats().devices[0].index == 0
        capabilities = backend.get_capabilities()
        assert (capabilities.controlnet, capabilities.soft_inpainting) == (False, False)
        backend.free_memory()

    def test_text_to_image(self, backend: Any) -> None:
        from sd_backend_client.api.comfyui.comfyui_diffusion_params import ComfyUIDiffusionParams

        plain = self.params(batch_size=2, prompt="a (cat:1.2)").model_dump(exclude_none=True)
        params = ComfyUIDiffusionParams(**plain, clip_skip=2, vae_tiling_enabled=True)
        handle = backend.submit_txt2img(params)
        result = handle.wait(timeout=60)
        assert [image.size for image in result.images] == [(128, 64)] * 2
        assert result.seed == 5

    def test_what_is_refused_is_an_error_of_its_own(self, backend: Any) -> None:
        from sd_backend_client.errors import WorkflowValidationError

        with pytest.raises(WorkflowValidationError) as caught:
            backend.submit_txt2img(self.params(sd_model_name="v1-5.safetensors"))
        (node,) = caught.value.node_errors.values()
        assert (node.class_type, node.errors[0].type) == (
            *("CheckpointLoaderSimple", "value_not_in_list"),
        )

    def test_image_to_image(self, backend: Any) -> None:
        source = Image.open(io.BytesIO(png(100, 80)))
        params = self.params(init_images=[source], denoising_strength=0.5, batch_size=2)
        result = backend.submit_img2img(params).wait(timeout=60)
        assert [image.size for image in result.images] == [(128, 64)] * 2

    @pytest.mark.parametrize("full_res", [False, True])
    def test_inpainting(self, backend: Any, full_res: bool) -> None:
        source = Image.open(io.BytesIO(png(96, 96)))
        mask = Image.new("L", (96, 96))
        mask.paste(255, (32, 32, 64, 64))
        params = self.params(init_images=[source], mask=mask, inpaint_full_res=full_res)
        (image,) = backend.submit_inpaint(params).wait(timeout=60).images
        assert image.size == (96, 96) if full_res else image.size in ((96, 96), (128, 64))

    def test_progress_and_cancelling(self, backend: Any, worker: Pretender) -> None:
        worker.may_draw.clear()
        handle = backend.submit_txt2img(self.params(steps=4))
        end = time.monotonic() + 20
        while handle.poll().progress is None and time.monotonic() < end:
            time.sleep(0.05)
        assert handle.poll().progress == 0.25
        waiting = backend.submit_txt2img(self.params())
        assert waiting.poll().status.name == "PENDING"
        assert waiting.cancel() is True
        assert handle.cancel() is True
        while (status := handle.poll().status.name) == "ACTIVE" and time.monotonic() < end:
            time.sleep(0.05)
        assert (status, waiting.poll().status.name) == ("CANCELLED", "CANCELLED")

    def test_a_failure_says_why(self, backend: Any, worker: Pretender) -> None:
        worker.failing = "the picture has no end"
        handle = backend.submit_txt2img(self.params())
        with pytest.raises(Exception, match="the picture has no end"):
            handle.wait(timeout=60)


class TestComfyApiSimplified:
    """comfy-api-simplified, which takes every binary message for a result."""

    def test_a_graph_and_its_pictures(self, served: Served, tmp_path: Path) -> None:
        package = pytest.importorskip("comfy_api_simplified")
        api = package.ComfyApiWrapper(served[0].url)
        path = tmp_path / "in.png"
        path.write_bytes(png(64, 72))
        sent = api.upload_image(path)
        name = f"{sent['subfolder']}/{sent['name']}"
        for graph, size in ((DEFAULT, (128, 128)), (over_a_picture(name), (64, 72))):
            found = api.queue_and_wait_images(titled(graph), "SaveImage")
            ((filename, data),) = found.items()
            assert filename.startswith("ComfyUI_")
            assert Image.open(io.BytesIO(data)).size == size
        assert api.get_queue() == {"queue_running": [], "queue_pending": []}
        assert "KSampler" in api.get_object_info("KSampler")
        assert api.get_system_stats()["devices"]
        assert api.get_embeddings() == []
        api.interrupt()

    def test_with_a_password(self, tmp_path: Path) -> None:
        package = pytest.importorskip("comfy_api_simplified")
        with pretending(tmp_path, {"ann": TOKEN, "bob": OTHER}) as (serving, _):
            api = package.ComfyApiWrapper(serving.url, user="ann", password=TOKEN)
            assert len(api.queue_and_wait_images(titled(DEFAULT), "SaveImage")) == 1
            with pytest.raises(package.ComfyApiError, match="401"):
                package.ComfyApiWrapper(serving.url).get_queue()

    def test_beside_others_jobs(self, served: Served, worker: Pretender) -> None:
        package = pytest.importorskip("comfy_api_simplified")
        api = package.ComfyApiWrapper(served[0].url)
        worker.step_s = 0.2
        for _ in range(2):
            api.queue_prompt(titled(DEFAULT))
        assert len(api.queue_and_wait_images(titled(DEFAULT), "SaveImage")) == 1

    def test_an_error_is_raised(self, served: Served, worker: Pretender) -> None:
        package = pytest.importorskip("comfy_api_simplified")
        worker.failing, worker.step_s = "no", 0.3
        with pytest.raises(Exception, match="Execution error"):
            package.ComfyApiWrapper(served[0].url).queue_and_wait_images(
                titled(DEFAULT), "SaveImage"
            )


class TestComfyToolkit:
    """comfy-toolkit, which reads the history as soon as it hears of the end."""

    @pytest.fixture
    def toolkit(self, served: Served) -> Any:
        package = pytest.importorskip("comfy_toolkit")
        return package.ComfyClient(served[0].url)

    def test_submitting_and_waiting(self, toolkit: Any, tmp_path: Path) -> None:
        assert toolkit.is_online()
        assert toolkit.vram_stats()["vram_total"] > 0
        prompt_id = toolkit.submit(DEFAULT)
        (file,) = toolkit.wait_for_images(prompt_id, poll_interval=0.05, max_wait=30)
        saved = toolkit.save(file, tmp_path)
        with Image.open(saved) as image:
            assert image.size == (128, 128)
        assert toolkit.queue_status() == {"running": 0, "pending": 0}
        toolkit.interrupt()

    def test_tracking(self, toolkit: Any) -> None:
        steps: list[tuple[int, int]] = []
        nodes: list[str | None] = []
        result = toolkit.submit_and_track(
            DEFAULT,
            on_progress=lambda step, of: steps.append((step, of)),
            on_node=nodes.append,
            history_retries=1,
        )
        assert (result["status"], len(result["images"])) == ("completed", 1)
        assert steps[-1] == (2, 2)
        assert nodes[:5] == ["4", "6", "7", "5", "3"]

    def test_refusals_and_failures(self, toolkit: Any, worker: Pretender) -> None:
        errors = pytest.importorskip("comfy_toolkit.errors")
        with pytest.raises(errors.ComfySubmitError, match="prompt_no_outputs"):
            toolkit.submit({"1": {"class_type": "EmptyLatentImage", "inputs": {}}})
        worker.failing = "no"
        with pytest.raises(errors.ComfyExecutionError):
            toolkit.submit_and_track(DEFAULT)
