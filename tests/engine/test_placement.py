"""Networks that take turns on a device, and a UNet whose calls are recorded; told on a CPU."""

import copy
import dataclasses
import pickle
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import kakusan
from kakusan.engine import Placement, acceleration, placement
from kakusan.engine.acceleration import Acceleration
from kakusan.engine.cuda_graph import GraphedCalls, Recording
from kakusan.engine.offload import Offload
from kakusan.errors import RequestError
from kakusan.inputs import Inputs
from kakusan.models import Conditioning, DeepFeature, UNetCall
from kakusan.request import Request
from tests.oracle.tiny import ONE_LEVEL_UNET

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.fixture
def pipe(tiny_v1_checked: Path) -> Any:
    pipe = kakusan.StableDiffusionPipeline.from_pretrained(tiny_v1_checked)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def draw(pipe: Any, **arguments: Any) -> list[np.ndarray]:
    options = {"seed": 3, "num_inference_steps": 3, **arguments}
    return [np.asarray(image) for image in pipe("a cat", **options).images]


class Moves:
    """The names of a pipeline's parts as they come to a device and leave it; nothing moves."""

    def __init__(self, pipe: Any) -> None:
        self.pipe, self.seen = pipe, list[str]()

    def __call__(self, part: nn.Module, device: torch.device) -> None:
        names = [name for name, own in self.pipe.components.items() if own is part]
        self.seen.append(f"{'-' if device == CPU else '+'}{names[0] if names else 'copy'}")
        part._apply(lambda tensor: tensor)  # pyright: ignore  as moving does


@pytest.fixture
def moves(pipe: Any, monkeypatch: pytest.MonkeyPatch) -> Moves:
    """The pipeline, offloaded from a device that is not there."""
    noted = Moves(pipe)

    class Pretended(Offload):
        def __init__(self, device: torch.device) -> None:
            super().__init__(torch.device("cpu:0"), noted)
            assert device == CUDA

    monkeypatch.setattr(placement, "Offload", Pretended)
    monkeypatch.setattr(placement, "parse_device", torch.device)
    pipe.enable_model_cpu_offload()
    return noted


def test_parts_come_in_the_order_of_their_use_and_one_at_a_time(pipe: Any, moves: Moves) -> None:
    plain = kakusan.StableDiffusionPipeline(**pipe.components)
    plain.set_progress_bar_config(disable=True)
    expected = draw(plain, num_images_per_prompt=2)
    assert not moves.seen
    drawn = draw(pipe, num_images_per_prompt=2)
    assert all((a == b).all() for a, b in zip(drawn, expected, strict=True))
    each = ["+unet", "-unet", "+vae", "-vae", "+safety_checker", "-safety_checker"]
    assert moves.seen == ["+text_encoder", "-text_encoder", *each, *each[:-1]]


def test_a_reader_of_the_stream_may_decode_between_steps(pipe: Any, moves: Moves) -> None:
    plain = kakusan.StableDiffusionPipeline(**pipe.components)
    (expected,) = draw(plain)
    for step in pipe.stream("a cat", seed=3, num_inference_steps=3):
        images = step.decode() if step.index != 1 else step.preview()
    assert "-unet +vae -vae +unet -unet +vae -vae +unet" in " ".join(moves.seen)
    last = np.asarray(images[0])  # pyright: ignore[reportPossiblyUnbound]
    assert (last == expected).all() or not expected.any(), "the checker may have blackened it"


def test_parts_that_wait_are_not_made_ready_for_the_cpu(
    pipe: Any, moves: Moves, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready: list[str] = []
    prepare = type(pipe.vae).prepare

    def noting(self: Any) -> None:
        ready.append(moves.seen[-1] if moves.seen else "nothing there")
        prepare(self)

    monkeypatch.setattr(type(pipe.vae), "prepare", noting)
    draw(pipe)
    assert set(ready) == {"+vae"}


def asked(pipe: Any, **options: Any) -> UNetCall:
    """A question to the pipeline's UNet."""
    text = torch.randn(1, 77, pipe.unet.config.cross_attention_dim)
    return UNetCall(torch.randn(1, 4, 8, 8), torch.tensor(5), Conditioning(text), **options)


def test_a_copy_takes_the_place_of_its_unet(
    pipe: Any, moves: Moves, monkeypatch: pytest.MonkeyPatch
) -> None:
    # whatever this processor is fast in
    monkeypatch.setattr("kakusan.runtime.preparation.compute_dtype", lambda stored, device: stored)
    pipe.unet.to(torch.bfloat16)
    engine = pipe.engine
    (precise,) = engine.predict([asked(pipe, upcast=True)])
    assert precise.dtype == torch.float32
    assert pipe.unet.upcast().compute_dtype == torch.float32
    assert moves.seen == ["+unet", "-unet", "+copy"]


@pytest.mark.parametrize("kind", ["UNet2DConditionModel", "AutoencoderKL"])
def test_what_overflows_on_the_device_is_upcast_there(
    pipe: Any, moves: Moves, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """What a waiting network computes in is asked of the device, not of where it waits."""
    where: list[torch.device] = []

    def on_a_gpu(stored: torch.dtype, device: torch.device) -> torch.dtype:
        where.append(device)
        return torch.float32 if stored == torch.float16 and device == CPU else stored

    monkeypatch.setattr("kakusan.runtime.preparation.compute_dtype", on_a_gpu)
    pipe.vae.config = dataclasses.replace(pipe.vae.config, force_upcast=False)
    pipe.vae._preparation._needs_float32 = False
    pipe.to(torch.float16)
    own = type(pipe.unet if kind == "UNet2DConditionModel" else pipe.vae)
    name = "forward" if own is type(pipe.unet) else "decode"
    plain = getattr(own, name)

    def overflowing(self: Any, *given: Any, **options: Any) -> Any:
        output = plain(self, *given, **options)
        if self in (pipe.unet, pipe.vae):  # and not the copy
            output[0][0] = torch.nan
        return output

    monkeypatch.setattr(own, name, overflowing)
    # the pretended device is a CPU too, told from the other by its index
    record = pipe("a cat", seed=3, num_inference_steps=3).records[0]
    part = "UNet" if name == "forward" else "VAE"
    assert f"{part} computed in float32: float16 overflowed" in record["notes"]
    assert moves.seen.count("+copy") == 1, "the copy stays, and is made once"
    assert torch.device("cpu:0") in where


@pytest.mark.parametrize("through", ["deepcopy", "pickle"])
def test_a_pipeline_is_copied_with_its_placement(pipe: Any, moves: Moves, through: str) -> None:
    if through == "pickle":
        again = pickle.loads(pickle.dumps(Acceleration("graphs")))
        assert again._by == "graphs"
        return
    draw(pipe)
    again = copy.deepcopy(pipe)
    assert again._placement.offload is not pipe._placement.offload
    assert again._placement.offload.device == pipe._placement.offload.device
    pipe._placement = Placement(acceleration=Acceleration("graphs"))
    assert copy.deepcopy(pipe)._placement.acceleration._by == "graphs"


def test_a_device_ends_the_offload_and_a_dtype_does_not(pipe: Any, moves: Moves) -> None:
    pipe.to(torch.bfloat16)
    assert pipe.device == torch.device("cpu:0")
    assert pipe.unet.dtype == torch.bfloat16
    pipe.to("cpu")
    draw(pipe)
    assert not moves.seen


def test_a_machine_without_a_gpu_says_so_in_one_line(pipe: Any) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(RequestError, match="'cuda' is not on this machine"):
        pipe.enable_model_cpu_offload()
    with pytest.raises(RequestError, match="'cuda:1' is not on this machine"):
        pipe.enable_model_cpu_offload(gpu_id=1)
    with pytest.raises(RequestError, match="needs a CUDA device, and this pipeline is on cpu"):
        pipe.accelerate()


def test_what_cannot_be_is_refused(pipe: Any, moves: Moves) -> None:
    with pytest.raises(RequestError, match=r"no way 'graph'\. Did you mean 'graphs'"):
        pipe.accelerate("graph")
    with pytest.raises(RequestError, match="stay on the device"):
        pipe.accelerate("graphs")
    with pytest.raises(RequestError, match="leave it out"):
        pipe.enable_model_cpu_offload(device="cpu")
    assert pipe.accelerate(None) is pipe


class Recorder:
    """Records on the CPU: a replay computes in the same memory every time."""

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []

    def __call__(self, function: Callable[..., Tensor], inputs: Sequence[Tensor]) -> Recording:
        self.shapes.append(tuple(inputs[0].shape))
        fixed = tuple(each.clone() for each in inputs)
        output = function(*fixed).clone()
        return Recording(lambda: output.copy_(function(*fixed)), fixed, output)


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """What is recorded of the pipeline's UNet by `stand_in`, on the CPU."""
    recorder = Recorder()

    def graphed(function: Any, weights: Any) -> GraphedCalls:
        return GraphedCalls(function, weights, recorder, lambda _: 0)

    monkeypatch.setattr(acceleration, "GraphedCalls", graphed)
    # the CPU passes for the device whose calls can be recorded
    monkeypatch.setattr("kakusan.engine.engine.RECORDABLE", "cpu")
    return recorder


@pytest.fixture
def accelerated(pipe: Any, recorder: Recorder) -> Any:
    """The pipeline, accelerated as it would be on a GPU."""
    assert not recorder.shapes
    plain, pipe = pipe, copy.copy(pipe)
    assert plain._placement.acceleration is None
    pipe._placement = Placement(acceleration=Acceleration("graphs"))
    return pipe


@pytest.mark.parametrize("guidance_scale", [1.0, 7.5])
def test_replays_draw_the_same_pictures(
    pipe: Any, accelerated: Any, recorder: Recorder, guidance_scale: float
) -> None:
    def latents(pipe: Any, prompt: str, width: int) -> Tensor:
        options = {"seed": 3, "num_inference_steps": 3, "guidance_scale": guidance_scale}
        return pipe(prompt, width=width, output_type="latent", **options).images

    for prompt in ("a cat", "a dog"):  # the second's text must reach the recording
        for width in (64, 80):
            drawn = latents(accelerated, prompt, width)
            assert torch.equal(drawn, latents(pipe, prompt, width))
    assert len(recorder.shapes) == len(set(recorder.shapes)) == 2


def test_what_a_recording_cannot_do_is_computed_as_ever(
    pipe: Any, accelerated: Any, recorder: Recorder
) -> None:
    deep = DeepFeature()
    call = asked(pipe)
    longer = call._replace(conditioning=Conditioning(torch.randn(1, 99, 32)))
    with_deep, upcast = call._replace(deep=deep), call._replace(upcast=True)
    for calls in ([with_deep], [upcast], [call, longer]):
        (expected, *_), (found, *_) = pipe.engine.predict(calls), accelerated.engine.predict(calls)
        deep.tensor = None
        assert torch.equal(found, expected)
    assert not recorder.shapes
    accelerated.engine.predict([call])
    assert len(recorder.shapes) == 1


def test_calls_are_recorded_for_the_unet_that_is_there(pipe: Any, recorder: Recorder) -> None:
    ways = Acceleration("graphs")
    calls = ways.calls_of(pipe.unet)
    assert ways.calls_of(pipe.unet) is calls
    other = kakusan.UNet2DConditionModel(pipe.unet.config)
    assert ways.calls_of(other) is not calls


def test_acceleration_is_taken_and_left(pipe: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(pipe), "device", CUDA)
    assert pipe._placement.acceleration is None
    assert isinstance(pipe.accelerate("graphs")._placement.acceleration, Acceleration)
    assert pipe.accelerate(None)._placement.acceleration is None


def test_the_compiler_takes_all_layers_in_one_piece() -> None:
    unet = kakusan.UNet2DConditionModel.from_config(ONE_LEVEL_UNET).to(
        torch.float64
    )  # as on a GPU, torch's own kernels compute it
    convolutions: list[int] = []

    def counting(graph: torch.fx.GraphModule, inputs: Any) -> Any:
        del inputs
        names = [str(node.target) for node in graph.graph.nodes]
        convolutions.append(sum("conv2d" in name for name in names))
        return graph.forward

    def call(sample: Tensor, timestep: Tensor, embeddings: Tensor) -> Tensor:
        return unet(sample, timestep, encoder_hidden_states=embeddings)[0]

    x, text = torch.randn(1, 4, 8, 8), torch.randn(1, 77, 8)
    with torch.no_grad():
        expected = call(x, torch.tensor(5), text)
        whole = torch.compile(call, backend=counting, dynamic=False)
        torch.testing.assert_close(whole(x, torch.tensor(5), text), expected)
    layers = [each for each in unet.modules() if isinstance(each, nn.Conv2d)]
    assert max(convolutions) == len(layers) > 0


def test_a_dtype_is_taken_before_a_device_and_nothing_before_both_are_known(
    pipe: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[Any] = []
    monkeypatch.setattr(nn.Module, "to", lambda _, target: done.append(target))
    with pytest.raises(RequestError):
        pipe.to(torch.float16, "cuda:77")
    assert not done
    pipe.to("cpu", torch.float16)
    assert done == [torch.float32] * 4 + [torch.float16] * 4 + [CPU] * 4


def test_half_precision_that_a_cpu_upcast_moves_as_half_precision(
    pipe: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(placement, "parse_device", torch.device)
    pipe.to(torch.float16)
    draw(pipe)
    assert any(p.dtype != torch.float16 for p in pipe.unet.parameters())
    pipe.to("meta")
    for part in (pipe.vae, pipe.unet, pipe.text_encoder, pipe.safety_checker):
        assert {parameter.dtype for parameter in part.parameters()} == {torch.float16}


def test_a_record_tells_a_seed_only_where_the_same_noise_comes_of_it(
    pipe: Any, moves: Moves, monkeypatch: pytest.MonkeyPatch
) -> None:
    # float16 that waits on a CPU computes in float16 on the GPU, and draws its noise in it
    def seed() -> int | None:
        inputs = Inputs(generator=torch.Generator().manual_seed(5))
        return pipe.prepared(Request.of("a cat"), inputs, 1).seeds[0]

    assert seed() == 5
    pipe.text_encoder.to(torch.float16)
    assert pipe._placement.offload is not None
    monkeypatch.setattr(pipe._placement.offload, "device", CUDA)
    monkeypatch.setattr(type(pipe.scheduler), "set_timesteps", no_device(pipe.scheduler))
    assert seed() is None
    assert not moves.seen


def no_device(scheduler: Any) -> Callable[..., None]:
    """`set_timesteps`, but for the device."""
    set_timesteps = type(scheduler).set_timesteps

    def without(self: Any, *arguments: Any, device: Any, **options: Any) -> None:
        del device
        set_timesteps(self, *arguments, **options)

    return without
