"""What scripts import from the module called `utils`."""

import functools
import http.server
import logging as python_logging
import threading
from collections.abc import Generator
from pathlib import Path
from typing import Any

import diffusers.utils
import numpy as np
import pytest
import torch
from diffusers.utils.torch_utils import randn_tensor as their_randn_tensor
from PIL import Image

from kakusan.errors import InputError, NotYetImportError
from kakusan.utils import load_image, logging, make_image_grid, numpy_to_pil, pt_to_pil
from kakusan.utils.torch_utils import randn_tensor


def picture(seed: int, mode: str = "RGB") -> Image.Image:
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 256, (12, 16, 3), np.uint8)).convert(mode)


@pytest.mark.parametrize("resize", [None, 8])
def test_the_grid_is_the_references(resize: int | None) -> None:
    images = [picture(seed) for seed in range(6)]
    ours = make_image_grid(images, rows=2, cols=3, resize=resize)
    theirs = diffusers.utils.make_image_grid(images, rows=2, cols=3, resize=resize)
    assert (np.asarray(ours) == np.asarray(theirs)).all()


@pytest.fixture
def served(tmp_path: Path) -> Generator[str]:
    handler = functools.partial(QuietHandler, directory=str(tmp_path))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None: ...


def test_a_picture_from_a_file_an_address_or_itself(tmp_path: Path, served: str) -> None:
    path = tmp_path / "a.png"
    picture(1, "RGBA").save(path)
    wanted = np.asarray(picture(1))
    for source in (path, str(path), f"{served}/a.png", picture(1, "RGBA")):
        found = load_image(source)
        assert found.mode == "RGB"
        assert (np.asarray(found) == wanted).all()
    assert load_image(path, convert_method=lambda image: image.convert("L")).mode == "L"


def test_a_turned_picture_is_upright_as_in_the_reference(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    picture(1).save(path, exif=exif)
    ours, theirs = load_image(str(path)), diffusers.utils.load_image(str(path))
    assert ours.size == theirs.size == (12, 16)
    assert (np.asarray(ours) == np.asarray(theirs)).all()


@pytest.mark.parametrize("source", ["nowhere.png", "ftp://x/a.png", "{}/none.png", "a.eps", 5])
def test_what_cannot_be_opened_is_one_line(tmp_path: Path, served: str, source: Any) -> None:
    (tmp_path / "a.eps").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    named = tmp_path / "a.eps" if source == "a.eps" else source
    with pytest.raises(InputError) as caught:
        load_image(named.format(served) if isinstance(named, str) else named)
    assert "\n" not in str(caught.value)


def test_conversions() -> None:
    (one,) = numpy_to_pil(np.asarray(picture(1))[None] / 255)
    (other,) = pt_to_pil(torch.from_numpy(np.asarray(picture(1)) / 127.5 - 1).movedim(-1, 0)[None])
    assert (np.asarray(one) == np.asarray(picture(1))).all()
    assert (np.asarray(other) == np.asarray(picture(1))).all()
    theirs = diffusers.utils.pt_to_pil(
        torch.from_numpy(np.asarray(picture(1)) / 127.5 - 1).movedim(-1, 0)[None]
    )
    assert (np.asarray(other) == np.asarray(theirs[0])).all()


def test_noise_is_the_references() -> None:
    def made(function: Any) -> torch.Tensor:
        generators = [torch.Generator().manual_seed(seed) for seed in (1, 2)]
        return function((2, 4, 3, 3), generator=generators, dtype=torch.float32)

    assert torch.equal(made(randn_tensor), made(their_randn_tensor))


def test_the_logger_tells_what_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    logger = python_logging.getLogger("kakusan")
    kept = logger.level
    try:
        logging.set_verbosity_error()
        assert logging.get_verbosity() == python_logging.ERROR == logger.level
        logging.set_verbosity(logging.INFO)
        assert logging.get_logger().isEnabledFor(python_logging.INFO)
    finally:
        logger.setLevel(kept)


def test_other_names_come_later() -> None:
    with pytest.raises(NotYetImportError, match="export_to_gif is not there yet"):
        from kakusan.utils import export_to_gif  # noqa: F401 # pyright: ignore
