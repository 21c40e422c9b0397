"""What a second pass can make a picture larger with, under AUTOMATIC1111's names."""

import re
from collections.abc import Mapping
from typing import NamedTuple

from kakusan.errors import ArgumentError, nearest, shown


class Upscaler(NamedTuple):
    """How one picture becomes a larger one.

    Attributes:
        latent: whether latents are made larger, and not the picture that they are decoded to.
        mode: how numbers between others are found; of pictures Pillow's filter.
        antialias: whether neighbours count too where they are made smaller.
    """

    latent: bool
    mode: str
    antialias: bool = False


UPSCALERS: Mapping[str, Upscaler] = {
    "Latent": Upscaler(True, "bilinear"),
    "Latent (antialiased)": Upscaler(True, "bilinear", True),
    "Latent (bicubic)": Upscaler(True, "bicubic"),
    "Latent (bicubic antialiased)": Upscaler(True, "bicubic", True),
    "Latent (nearest)": Upscaler(True, "nearest"),
    "Latent (nearest-exact)": Upscaler(True, "nearest-exact"),
    "None": Upscaler(False, "lanczos"),
    "Lanczos": Upscaler(False, "lanczos"),
    "Nearest": Upscaler(False, "nearest"),
}
# How those are called that are networks of their own
_MODELS = re.compile(
    r"esrgan|swinir|scunet|ldsr|\bdat\b|\bhat\b|ultrasharp|remacri|nmkd|lollypop|valar|animesharp"
    r"|realistic ?rescaler|siax|plksr|compact|span\b|\d+x[-_ ]|[-_ ]x?\d+x?\b|\.pth$|\.safetensors$"
    r"|supir|ccsr|stablesr",
    re.IGNORECASE,
)


def needs_model(word: str) -> bool:
    """Whether an upscaler of other tools is a network, which kakusan does not have."""
    return _known(word) is None and _MODELS.search(word) is not None


def upscaler_called(word: object) -> str:
    """The name in `UPSCALERS` for what somebody calls it.

    Raises:
        ArgumentError: Nothing is called that, or it needs a model of its own.
    """
    if not isinstance(word, str):
        raise ArgumentError("the upscaler of {second_pass} must be a name, not {0}", shown(word))
    if (known := _known(word)) is not None:
        return known
    if needs_model(word):
        raise ArgumentError(
            "the upscaler {0} of {second_pass} is a model of its own, which kakusan does not have; "
            "take Latent, which redraws more, or Lanczos, which keeps to the picture",
            shown(word),
        )
    raise ArgumentError(
        "no upscaler of {second_pass} is called {0}.{1}", shown(word), nearest(word, UPSCALERS)
    )


def _known(word: str) -> str | None:
    plain = _plain(word)
    return next((name for name in UPSCALERS if _plain(name) == plain), None)


def _plain(word: str) -> str:
    """Without what people write in different ways: "latent-nearest_exact" is one of these."""
    return re.sub(r"[\s()_-]+", "", word[:100]).casefold()
