"""The networks of one model, ready to compute, for any number of requests at once."""

import copy
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Self, TypeVar, cast

import torch
from PIL.Image import Image
from torch import Tensor

from kakusan.engine.adapters import Wardrobe
from kakusan.engine.contexts import Contexts, is_plain
from kakusan.engine.controls import controlled
from kakusan.engine.joining import Joined, join, split, together
from kakusan.engine.learnt import reading
from kakusan.engine.needs import too_large, unet_bytes
from kakusan.engine.overflow import Computed, finite_rows, overflow_note
from kakusan.engine.parts import Parts
from kakusan.engine.placement import Placement
from kakusan.engine.portions import check_fits, in_portions, portions
from kakusan.errors import NumericalError
from kakusan.models import (
    AdapterSet,
    Autoencoder,
    CLIPImageProcessor,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPVisionModelWithProjection,
    LearntTokens,
    Model,
    Residuals,
    StableDiffusionSafetyChecker,
    Steerer,
    T2IAdapter,
    TextContext,
    UNet2DConditionModel,
    UNetCall,
    acting,
    guidance_embedding,
    within,
)
from kakusan.runtime.arena import reused
from kakusan.runtime.memory import free_memory, is_measured
from kakusan.runtime.resting import rest

NetworkT = TypeVar("NetworkT", bound=Model[Any])


# The kind of device whose calls can be recorded
RECORDABLE = "cuda"


class Engine(Parts):
    """Computes with a model's networks as they were when it was made.

    Args:
        placement: where they are; decides what is moved, and what is recorded.

    Attributes:
        learnt: by the name of a text encoder the tokens that it looks up beside its table, in
            place of those that it has learnt itself.
    """

    def __init__(
        self,
        unet: UNet2DConditionModel | None,
        vae: Autoencoder[Any] | None,
        text_encoder: CLIPTextModel | None,
        safety_checker: StableDiffusionSafetyChecker | None = None,
        placement: Placement | None = None,
        *,
        text_encoder_2: CLIPTextModelWithProjection | None = None,
        controls: Sequence[Model[Any]] = (),
        image_encoder: CLIPVisionModelWithProjection | None = None,
    ) -> None:
        parts = (unet, vae, text_encoder, text_encoder_2, safety_checker)
        super().__init__(*parts, placement, controls, image_encoder)
        self.learnt: Mapping[str, LearntTokens] = {}
        # as long as this engine: a network that takes turns on a device forgets its own copy
        self._upcast: dict[Model[Any], Model[Any]] = {}
        self._turn: Model[Any] | None = None
        self._contexts = Contexts()
        self._wardrobe = Wardrobe(self.networks)

    def wearing(self, worn: Mapping[str, AdapterSet], merged: Collection[AdapterSet] = ()) -> Self:
        """The same networks with adapters on in place of those that they have on of themselves.

        Args:
            worn: by the names of parts; the others are left as they are.
            merged: sets that are added to weights, which takes longer to put on.
        """
        made = copy.copy(self)
        parts = {
            "unet": self._unet,
            "text_encoder": self._text_encoder,
            "text_encoder_2": self._text_encoder_2,
        }
        chosen = [(parts[name], each) for name, each in worn.items()]
        made._wardrobe = self._wardrobe.changed(chosen, merged)
        return made

    def worn_by(self, network: Model[Any]) -> AdapterSet:
        """What a network has on where nothing else is asked for."""
        return self._wardrobe.worn_by(network)

    def compute_dtype(self, network: Model[Any]) -> torch.dtype:
        """What a network computes in, where it computes."""
        return network.compute_dtype_on(self.placement.device(network))

    def prepare(self) -> None:
        """Find broken weights before any network runs, and make all of them ready.

        Networks that take turns on a device are made ready there.

        Raises:
            CheckpointError: Weights that were loaded are NaN or infinite.
        """
        if self.placement.offload is None:
            for network in self.networks:
                if network is not self._image_encoder:  # large, and used by few calls
                    network.prepare()

    @torch.no_grad()
    def predict(self, calls: Sequence[UNetCall]) -> list[Tensor]:
        """What the UNet says to each call, (batch, channels, height, width) in its sample's dtype.

        Calls of one latent size are answered together, whichever requests they belong to: their
        timesteps, texts and lengths of texts may differ.
        """
        answers: dict[int, Tensor] = {}
        own = self._wardrobe.worn_by(self.unet)
        calls = [
            call if call.adapters is not None else call._replace(adapters=own) for call in calls
        ]
        if any(call.controls for call in calls):
            with reused(within(self.unet), keep=True):
                calls = controlled(calls, self._contexts.of, self._steers)
        for group in together(calls):
            some = [calls[index] for index in group]
            joined = join(some)
            worn = acting(some[0].adapters or ())
            prediction = self._call(joined, self._contexts.of(some), worn, upcast=some[0].upcast)
            answers |= zip(group, split(joined, prediction, some), strict=True)
        return [answers[index] for index in range(len(calls))]

    @torch.no_grad()
    def control_hints(self, net: Steerer[Any], pixels: Tensor) -> Tensor:
        """What a ControlNet embeds pictures (batch, 3, height, width) in [0, 1] to, once for all.

        Raises:
            NumericalError: It gives NaN or infinity in float32 too.
        """

        def run(net: Steerer[Any], x: Tensor) -> Tensor:
            return net.embed(x)

        return self._computed("ControlNet", net, run, pixels).result

    @torch.no_grad()
    def control_features(self, adapter: T2IAdapter, pixels: Tensor) -> tuple[Tensor, ...]:
        """What a T2I-Adapter gives of pictures (batch, c, height, width) in [0, 1], once for all.

        Raises:
            NumericalError: It gives NaN or infinity in float32 too.
        """
        shapes: list[torch.Size] = []

        def run(adapter: T2IAdapter, x: Tensor) -> Tensor:
            features = adapter(x.to(adapter.device))
            shapes[:] = [each.shape[1:] for each in features]
            return torch.cat([each.flatten(1) for each in features], dim=1)

        rows = self._computed("T2I-Adapter", adapter, run, pixels).result
        parts = rows.split([shape.numel() for shape in shapes], dim=1)
        return tuple(x.unflatten(1, shape) for x, shape in zip(parts, shapes, strict=True))

    @torch.no_grad()
    def encode(self, run: Callable[[CLIPTextModel, Tensor], Tensor], ids: Tensor) -> Computed:
        """What `run` makes of tokens (batch, tokens) with the text encoder."""
        learnt = self.learnt.get("text_encoder", within(self.text_encoder).learnt)
        reads = reading(run, learnt)
        return self._computed("text encoder", self.text_encoder, reads, ids)

    @torch.no_grad()
    def encode_second(
        self, run: Callable[[CLIPTextModelWithProjection, Tensor], Tensor], ids: Tensor
    ) -> Computed:
        """What `run` makes of tokens (batch, tokens) with the second text encoder."""
        learnt = self.learnt.get("text_encoder_2", within(self.text_encoder_2).learnt)
        reads = reading(run, learnt)
        return self._computed("second text encoder", self.text_encoder_2, reads, ids)

    @torch.no_grad()
    def see(
        self, encoder: CLIPVisionModelWithProjection, pixels: Tensor, *, pooled: bool
    ) -> Tensor:
        """What a picture encoder makes of pictures (batch, 3, size, size), float32.

        Args:
            pooled: whether that is one vector for each, or the states before its last layer.

        Raises:
            NumericalError: It gives NaN or infinity in float32 too.
        """

        def run(encoder: CLIPVisionModelWithProjection, x: Tensor) -> Tensor:
            seen = encoder(x.to(encoder.device), output_hidden_states=not pooled)
            return seen[0] if pooled else seen[2][-2]

        return self._computed("image encoder", encoder, run, pixels).result.float()

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Computed:
        """Pixels (batch, 3, height, width) in about [-1, 1] of latents as the loop has them.

        Raises:
            NumericalError: The VAE gives NaN or infinity in float32 too.
        """
        factor = self.vae.scale_factor

        def run(vae: Autoencoder[Any], z: Tensor, tile: int | None) -> Tensor:
            return vae.to_pixels(z, tile)

        size = (len(latents), latents.shape[-2] * factor, latents.shape[-1] * factor)
        return self._through_vae(run, latents, size)

    @torch.no_grad()
    def encode_picture(self, pixels: Tensor, noise: Tensor | None = None) -> Computed:
        """The latents, as the loop has them, of pixels (batch, 3, height, width) in [-1, 1].

        Args:
            noise: standard normal, of the latents' shape: draws them from their distribution; they
                are the likeliest where not given. Of more rows than `pixels`, each picture has the
                draws of rows i, i + batch, and so on.

        Raises:
            NumericalError: The VAE gives NaN or infinity in float32 too.
        """

        def run(vae: Autoencoder[Any], x: Tensor, tile: int | None) -> Tensor:
            return vae.encoded(x, tile)

        size = (len(pixels), pixels.shape[-2], pixels.shape[-1])
        found = self._through_vae(run, pixels.to(self.device), size)
        times = 1 if noise is None else len(noise) // len(pixels)
        encoded = found.result.repeat(times, 1, 1, 1)
        return found._replace(
            result=within(self.vae).latents_of(encoded, noise), upcast=found.upcast * times
        )

    def check_memory(self, height: int, width: int, pictures: int, calls: int) -> None:
        """Raise RequestError where pictures will not fit into the memory that is free.

        Args:
            pictures: how many go through the networks together.
            calls: rows of the UNet for each of them.
        """
        dtype = self.compute_dtype(self.vae)
        check_fits(self.vae, (1, height, width), dtype, self.placement.device(self.vae))
        self._check_batch(height // self.scale_factor, width // self.scale_factor, pictures, calls)

    def _check_batch(self, height: int, width: int, pictures: int, calls: int) -> None:
        unet, device = self.unet, self.placement.device(self.unet)
        free = free_memory(device)

        def need(count: int) -> int:
            size = (count * calls, height, width)
            return unet_bytes(unet.config, size, self.compute_dtype(unet), device)

        if free is None or need(pictures) <= free or not is_measured(device):
            return
        size = (height * self.scale_factor, width * self.scale_factor)
        raise too_large(need, pictures, size, free, device)

    @torch.no_grad()
    def flagged(self, images: Sequence[Image], extractor: CLIPImageProcessor) -> list[bool]:
        """Which pictures the safety checker would not show; without one it may not be asked."""
        assert self.safety_checker is not None
        seen = extractor(list(images), return_tensors="pt").pixel_values
        with self.placement.use(self.safety_checker):
            _, flags = self.safety_checker(list(seen), seen.to(self.device))
        return list(flags)

    def _call(
        self, joined: Joined, context: TextContext, worn: AdapterSet, *, upcast: bool
    ) -> Tensor:
        unet = self._upcast_of(self.unet) if upcast else self.unet
        acceleration = self.placement.acceleration
        options = joined.options
        if joined.guidance is not None:
            width = self.unet.config.guidance_dim
            options["timestep_cond"] = guidance_embedding(joined.guidance - 1.0, width)
        recordable = not upcast and options.keys() <= {"added_conditioning"}
        self._take_turn(self.unet)
        with self.placement.use(unet, self.in_turns):
            _make_ready(unet)
            unet = self._wardrobe.dressed(unet, worn)
            if acceleration and recordable and is_plain(context) and unet.device.type == RECORDABLE:
                return acceleration.calls_of(unet)(
                    joined.sample, joined.timestep, context.embeddings[0], *(joined.added or ())
                )
            return unet(joined.sample, joined.timestep, encoder_hidden_states=context, **options)[0]

    def _steers(
        self, net: Steerer[Any], run: Callable[[Steerer[Any]], Residuals], *, upcast: bool
    ) -> Residuals:
        """What a ControlNet says to a question of the UNet's."""
        used = self._upcast_of(net) if upcast else net
        self._take_turn(net)
        with self.placement.use(used, self.in_turns):
            _make_ready(used)
            return run(used)

    def _through_vae(
        self,
        run: Callable[[Autoencoder[Any], Tensor, int | None], Tensor],
        x: Tensor,
        size: tuple[int, int, int],
    ) -> Computed:
        """What the VAE makes of pictures of this size, or of their latents, as memory allows."""
        tiles: list[int] = []

        def in_turn(vae: Autoencoder[Any], rows: Tensor) -> Tensor:
            device = self.placement.device(vae)
            several = (len(rows), *size[1:])
            with reused(vae, keep=False):  # what the UNet's results have left is free then
                free = free_memory(device)
                planned = portions(vae, several, self.compute_dtype(vae), device, free)
                result, tile = in_portions(rows, several, planned, lambda z, t: run(vae, z, t))
            tiles.extend([] if tile is None else [tile])
            return result

        computed = self._computed("VAE", self.vae, in_turn, x)
        if not tiles:
            return computed
        note = f"VAE in tiles of {min(tiles)} pixels: colours may differ a little from the whole"
        return computed._replace(tiled=note)

    def _computed(
        self, name: str, network: NetworkT, run: Callable[[NetworkT, Tensor], Tensor], x: Tensor
    ) -> Computed:
        """What `run(network, x)` gives; rows with NaN or infinity are those of the float32 copy.

        Args:
            name: of the network, for people.
            x: shape (batch, ...); each row of the result depends on that row alone.

        Raises:
            NumericalError: A row is not finite in float32 either.
        """
        self._take_turn(network)
        with self.placement.use(network):
            _make_ready(network)
            worn = self._wardrobe.worn_by(network)
            result = run(self._wardrobe.dressed(network, worn), x)
        finite = finite_rows(result)
        if all(finite):
            return Computed(result, None, (False,) * len(finite))
        dtype = self.compute_dtype(network)
        if dtype.itemsize >= 4:
            raise NumericalError.of(name)
        bad = torch.tensor([not each for each in finite], device=result.device)
        precise = self._upcast_of(network)
        with self.placement.use(precise):
            again = run(self._wardrobe.dressed(precise, worn), x[bad.to(x.device)])
        if not all(finite_rows(again)):
            raise NumericalError.of(name)
        result[bad] = again.to(result.dtype)
        return Computed(result, overflow_note(name, dtype), tuple(not each for each in finite))

    def _take_turn(self, network: Model[Any]) -> None:
        """Have the others' weights rest that were used before this network's."""
        if self._turn is not network:
            self._turn = network
            team = self.in_turns if any(each is network for each in self.in_turns) else (network,)
            for other in self.networks:
                if not any(other is each for each in team):
                    rest(other)

    def _upcast_of(self, network: NetworkT) -> NetworkT:
        """The float32 copy of a network; itself where it computes in float32."""
        if self.compute_dtype(network).itemsize >= 4:
            return network
        if network not in self._upcast:
            with self.placement.use(network):
                self._upcast[network] = network.upcast()
        return cast(NetworkT, self._upcast[network])


def _make_ready(network: object) -> None:
    """Prepare a network where it computes: nothing compiled or recorded can do it as it runs."""
    plain = within(network)
    if isinstance(plain, Model):
        plain.prepare()
