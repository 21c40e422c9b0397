"""The fields of a request that say how its noise is drawn, and their checks."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from kakusan.errors import ArgumentError, nearest, shown
from kakusan.request import checks

Pair = tuple[int, int]
SEEDS = 2**64
RANDOM_SEEDS = 2**32  # of those that nobody gave: programs in JavaScript lose digits of larger ones
LEAST_SIDE = 8  # pixels, of the size that a seed was found with
# Whose rules a request may follow: each with what it is for people, and what else they call it
RNGS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "webui-gpu": (
        "AUTOMATIC1111's usual numbers, a GPU's",
        ("gpu", "cuda", "a1111", "webui", "forge", "automatic1111"),
    ),
    "webui-cpu": ("AUTOMATIC1111's with its setting CPU", ("cpu", "a1111-cpu")),
    "webui-nv": ("AUTOMATIC1111's with its setting NV", ("nv", "nvidia", "philox", "a1111-nv")),
    "comfyui": ("ComfyUI's, further noise as on a CPU", ("comfy",)),
    "comfyui-gpu": ("ComfyUI's, further noise as on a GPU", ("comfy-gpu",)),
    "invokeai": ("InvokeAI's in float32", ("invoke",)),
    "invokeai-gpu": ("InvokeAI's as on a GPU, in float16", ("invoke-gpu",)),
    "sdcpp-cuda": (
        "stable-diffusion.cpp's usual numbers, a GPU's",
        ("sdcpp", "sd.cpp", "stable-diffusion.cpp", "sd-cpp"),
    ),
    "sdcpp-cpu": ("stable-diffusion.cpp's with --rng cpu", ()),
    "diffusers": ("a torch generator for each picture", ("torch", "reference")),
    "fooocus": ("Fooocus's", ()),
}
# What the rules of these do not have
_WITHOUT_ENSD = frozenset(
    {
        *("comfyui", "comfyui-gpu", "invokeai", "invokeai-gpu", "fooocus"),
        *("sdcpp-cuda", "sdcpp-cpu", "diffusers"),
    }
)
_WRAPS_AT = {"fooocus": 2**63}


@dataclass(frozen=True, kw_only=True)
class RandomRequest:
    """How noise is drawn; all of it is None where that is kakusan's own way.

    `rng` is one of `RNGS`, or another word for it: by whose rules a seed makes the first latents
    and what samplers add. `ensd` has the latter begin anew, at the seed and this (AUTOMATIC1111's
    "eta noise seed delta"). Of the noise of `variation_seed`, `variation_strength` is mixed in,
    from 0 to 1; picture i is then drawn from the same seed and `variation_seed + i`. `seed_resize`
    is the (height, width) in pixels of the picture that the seed was found with, whose noise lies
    in the middle.
    """

    rng: str | None = None
    ensd: int | None = None
    variation_seed: int | None = None
    variation_strength: float | None = None
    seed_resize: Pair | None = None

    @staticmethod
    def only_noise() -> list[str]:
        """The names of these fields."""
        return [field.name for field in fields(RandomRequest)]

    @property
    def draws_own_noise(self) -> bool:
        """Whether noise is drawn as kakusan draws it, from one seed."""
        return all(getattr(self, name) is None for name in self.only_noise())

    def checked_noise(self, seed: int | None) -> dict[str, Any]:
        """The fields as they are stored: what changes nothing is None.

        Args:
            seed: of the request.

        Raises:
            ArgumentError: One is out of its range or contradicts another.
        """
        rng = rng_called(self.rng)
        ensd = checks.integer("ensd", self.ensd, -SEEDS + 1, SEEDS - 1) or None
        strength = checks.number("variation_strength", self.variation_strength, 0.0, 1.0)
        other = checks.integer("variation_seed", self.variation_seed, 0, SEEDS - 1)
        if ensd is not None and rng in _WITHOUT_ENSD:
            raise ArgumentError(
                f"{{ensd}} belongs to AUTOMATIC1111's rules, and {{rng}} is {rng}; leave one out"
            )
        if strength is None and other is not None:
            raise ArgumentError(
                "{variation_seed} does nothing without {variation_strength}, from 0 to 1; give both"
            )
        if strength and other is None:
            raise ArgumentError("{variation_strength} needs a {variation_seed}; give both")
        found = {
            "rng": rng,
            "ensd": ensd,
            "variation_seed": other if strength else None,
            "variation_strength": strength or None,
            "seed_resize": _size(self.seed_resize),
        }
        given = next((name for name, value in found.items() if value is not None), None)
        if given is not None and seed is None:
            raise ArgumentError(f"{{{given}}} says how noise comes from a {{seed}}; give one")
        return found

    def counted(self, seed: int, index: int) -> int:
        """The seed of picture `index` of those that begin at `seed`."""
        if self.variation_strength is not None:
            return seed
        return (seed + index) % _WRAPS_AT.get(self.rng or "", SEEDS)

    def noise_of(self, index: int) -> dict[str, Any]:
        """The fields that are others for picture `index` alone."""
        if self.variation_seed is None:
            return {}
        return {"variation_seed": (self.variation_seed + index) % SEEDS}


def rng_called(word: object) -> str | None:
    """The name in `RNGS` for what somebody calls it; None for None.

    Raises:
        ArgumentError: Nothing is called that.
    """
    if word is None:
        return None
    if not isinstance(word, str):
        raise ArgumentError("{rng} must be a text, not {0}", shown(word))
    plain = word.strip().casefold().replace("_", "-").replace(" ", "-")
    for name, (_, others) in RNGS.items():
        if plain in (name, *others):
            return name
    known = (*RNGS, "cpu", "gpu", "nv", "comfy", "invoke")
    raise ArgumentError("no {rng} is called {0}.{1}", shown(word), nearest(word[:100], known))


def _size(value: object) -> Pair | None:
    found = checks.pair("seed_resize", value)
    if found is not None and min(found) < LEAST_SIDE:
        raise ArgumentError(
            f"{{seed_resize}} must be at least {LEAST_SIDE}x{LEAST_SIDE} pixels, not {{0}}",
            f"{found[1]}x{found[0]}",
        )
    return found
