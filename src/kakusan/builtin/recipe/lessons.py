"""What the scenes of a training teach besides their pictures: captions, and what is true of them.

All of it is drawn before the training, by all cores, and kept in a file of the run.
"""

import dataclasses
import functools
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from kakusan.builtin.recipe.album import CHUNK, Album
from kakusan.builtin.recipe.captions import caption
from kakusan.builtin.recipe.crew import Crew
from kakusan.builtin.recipe.questions import answers
from kakusan.builtin.recipe.scenes import covered, is_plain
from kakusan.checkpoints.files import atomic
from kakusan.errors import CheckpointError, shown_path
from kakusan.text import CLIPTokenizer

FILE = "lessons.safetensors"
_CAPTIONS = 2  # what the numbers of a caption's generator begin with, after the seed
_Arrays = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Lessons:
    """Of each scene, what stages learn of it.

    Attributes:
        ids: of its captions, shape (scenes, captions, tokens).
        answers: to the reading stage's questions, shape (scenes, questions).
        objects: which places of the latents objects cover, shape (scenes, side, side).
        plain: whether it is one to begin with, shape (scenes,).
        chances: that its objects' poses follow from, shape (scenes, chances).
    """

    ids: Tensor
    answers: Tensor
    objects: Tensor
    plain: Tensor
    chances: Tensor

    @classmethod
    def of(cls, album: Album, crew: Crew, run: Path, *, captions: int, side: int) -> Self:
        """Those of an album, read by the tokenizer in the folder `run`; kept there in `FILE`.

        Args:
            captions: of each scene.
            side: of the latents.

        Raises:
            CheckpointError: The file there is of something else.
        """
        folder = run / "tokenizer"
        vocabulary = hashlib.sha256((folder / "vocab.json").read_bytes()).hexdigest()[:12]
        drawn = functools.partial(_drawn, album, folder, captions, side)

        def make() -> dict[str, Tensor]:
            parts = list(crew.map(drawn, album.chunks()))
            return {
                key: torch.from_numpy(np.concatenate([part[key] for part in parts]))
                for key in parts[0]
            }

        first = drawn(range(min(album.count, CHUNK)))["ids"].tobytes()
        said = f"{captions} captions {hashlib.sha256(first).hexdigest()[:12]}"
        known = {"of": f"{album.told()}, {said}, vocabulary {vocabulary}"}
        found, _ = kept(run / FILE, known, make)
        return cls(**{field.name: found[field.name] for field in dataclasses.fields(cls)})

    @property
    def longest(self) -> int:
        """Tokens of the longest caption, with begin and end, and one of padding if there is any."""
        most = self.ids.shape[-1]
        padding = self.ids[..., -1:]  # the end's own id, where captions are shorter
        return min(most, 2 + int((self.ids != padding).sum(-1).max()))


def kept(
    path: Path,
    known: Mapping[str, str],
    make: Callable[[], dict[str, Tensor]],
    say: Callable[[dict[str, Tensor]], dict[str, str]] = lambda _: {},
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors in a file of a run and what it says of them; they are made if it is not there.

    Args:
        path: of the file.
        known: what they are made of; it is stored with them.
        make: makes them.
        say: what else is stored of them.

    Raises:
        CheckpointError: They were made of something else.
    """
    if path.exists():
        tensors, said = _read(path)
        if {key: said.get(key) for key in known} != known:
            raise CheckpointError(
                f"{shown_path(path)} is of other scenes, or of other networks; "
                "remove it or give another run folder."
            )
        return tensors, said
    tensors = make()
    said = {**known, **say(tensors)}
    with atomic(path) as temporary:
        save_file({key: each.cpu().contiguous() for key, each in tensors.items()}, temporary, said)
    return tensors, said


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            return tensors, file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{shown_path(path)} is broken ({error}); remove it.") from None


def _drawn(album: Album, folder: Path, captions: int, side: int, indices: range) -> _Arrays:
    tokenizer = _tokenizer(str(folder))
    ids: list[npt.NDArray[np.int16]] = []
    true: list[list[int]] = []
    scenes = [album.scene(index) for index in indices]
    for index, scene in zip(indices, scenes, strict=True):
        rng = np.random.default_rng([album.seed, _CAPTIONS, index])
        several = [caption(scene, rng, album.things) for _ in range(captions)]
        ids.append(tokenizer.encode_prompts(several).numpy().astype(np.int16))
        true.append(answers(scene, album.things))
    return {
        "ids": np.stack(ids),
        "answers": np.array(true, np.int16),
        "objects": np.stack([covered(scene, side) for scene in scenes]),
        "plain": np.array([is_plain(scene) for scene in scenes]),
        "chances": np.array([scene.chances for scene in scenes], np.float32),
    }


@functools.cache
def _tokenizer(folder: str) -> CLIPTokenizer:
    return CLIPTokenizer.from_pretrained(folder)
