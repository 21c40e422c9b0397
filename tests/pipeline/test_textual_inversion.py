"""Learnt words are loaded, drawn with and forgotten as in the reference library."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import diffusers
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from kakusan import StableDiffusionPipeline, StableDiffusionXLPipeline
from kakusan.errors import InputError
from kakusan.inspect.prompt import read_prompt
from kakusan.models import LearntTokens
from tests.oracle import tiny

DRAWN: dict[str, Any] = {"num_inference_steps": 2, "output_type": "np", "height": 64, "width": 64}
PROMPT = "a photo of <cat-toy> in the STYLE of moebius, <cat-toy>"


def vectors(count: int, width: int = 32, seed: int = 7) -> Tensor:
    made = torch.randn(count, width, generator=torch.Generator().manual_seed(seed))
    return made if count > 1 else made[0]


def drawn(pipe: Any, prompt: str = PROMPT, **more: Any) -> Any:
    return pipe(prompt, generator=torch.Generator().manual_seed(1), **DRAWN, **more).images


def same(ours: Any, theirs: Any) -> None:
    assert np.abs(ours - theirs).max() <= 1.01 / 255


@pytest.fixture
def both(tiny_v1: Path) -> Iterator[tuple[StableDiffusionPipeline, Any]]:
    """The same model here and in the reference library."""
    with tiny.quiet():
        theirs = diffusers.StableDiffusionPipeline.from_pretrained(tiny_v1, safety_checker=None)
        theirs.set_progress_bar_config(disable=True)
        ours = StableDiffusionPipeline.from_pretrained(tiny_v1)
        ours.set_progress_bar_config(disable=True)
        yield ours, theirs


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """A word of three vectors in diffusers' form, and one of one in AUTOMATIC1111's."""
    save_file({"<cat-toy>": vectors(3)}, tmp_path / "learned_embeds.safetensors")
    old = {
        "string_to_token": {"*": 265},
        "string_to_param": {"*": vectors(1, seed=8)[None]},
        "name": "moebius",
        "step": 1200,
        "sd_checkpoint": "4bdfc29c",
        "sd_checkpoint_name": "v1-5",
    }
    torch.save(old, tmp_path / "moebius.pt")
    return [str(tmp_path / name) for name in ("learned_embeds.safetensors", "moebius.pt")]


def load_both(ours: Any, theirs: Any, files: list[str]) -> None:
    ours.load_textual_inversion(files)
    for file in files:
        path = Path(file)
        theirs.load_textual_inversion(path.parent, weight_name=path.name)


def test_words_are_the_references(both: Any, files: list[str]) -> None:
    ours, theirs = both
    before = drawn(ours)
    load_both(ours, theirs, files)
    tokens = ["<cat-toy>", "<cat-toy>_1", "<cat-toy>_2", "moebius"]
    ids = ours.tokenizer.convert_tokens_to_ids(tokens)
    assert ids == theirs.tokenizer.convert_tokens_to_ids(tokens)
    assert len(ours.tokenizer) == len(theirs.tokenizer)
    converted = ours.maybe_convert_prompt(PROMPT, ours.tokenizer)
    assert converted == theirs.maybe_convert_prompt(PROMPT, theirs.tokenizer)
    assert ours.maybe_convert_prompt(converted, ours.tokenizer) == converted
    assert ours.tokenizer(converted).input_ids == theirs.tokenizer(converted).input_ids
    now = drawn(ours)
    same(now, drawn(theirs))
    assert np.abs(now - before).max() > 0.02
    same(
        drawn(ours, "a dog", negative_prompt=PROMPT), drawn(theirs, "a dog", negative_prompt=PROMPT)
    )
    table = ours.text_encoder.get_input_embeddings().weight
    assert torch.equal(table[ids], theirs.text_encoder.get_input_embeddings().weight[ids])
    same(drawn(ours), now)


def test_forgetting_leaves_all_as_it_was(both: Any, files: list[str]) -> None:
    ours, theirs = both
    tokenizer, before = ours.tokenizer, copy.deepcopy(ours.text_encoder.state_dict())
    config, pictures = ours.text_encoder.config, drawn(ours)
    load_both(ours, theirs, files)
    ours.unload_textual_inversion("<cat-toy>")
    theirs.unload_textual_inversion(["<cat-toy>", "<cat-toy>_1", "<cat-toy>_2"])
    same(drawn(ours), drawn(theirs))
    assert len(ours.tokenizer) == len(theirs.tokenizer)
    ours.unload_textual_inversion()
    assert ours.tokenizer is tokenizer
    assert ours.text_encoder.config == config
    after = ours.text_encoder.state_dict()
    assert all(torch.equal(after[name], before[name]) for name in before)
    assert np.array_equal(drawn(ours), pictures)


def test_others_who_share_the_parts_do_not_see_the_words(both: Any, files: list[str]) -> None:
    ours, _ = both
    other = StableDiffusionPipeline.from_pipe(ours)
    other.set_progress_bar_config(disable=True)
    before = drawn(other)
    ours.load_textual_inversion(files)
    assert np.array_equal(drawn(other), before)
    assert not np.array_equal(drawn(ours), before)
    with pytest.raises(InputError, match="another pipeline that shares it"):
        other.load_textual_inversion(vectors(1, seed=3), token="<x>")
    other.load_textual_inversion(files)  # the same ones
    assert np.array_equal(drawn(other), drawn(ours))
    ours.unload_textual_inversion()
    with pytest.raises(InputError, match="has not learnt '<cat-toy>'"):
        drawn(other)


def test_state_dicts_tensors_and_several_tokens(both: Any) -> None:
    ours, theirs = both
    for pipe in (ours, theirs):
        pipe.load_textual_inversion({"<a>": vectors(2)})
        pipe.load_textual_inversion(vectors(1, seed=2), token="<b>")
        pipe.load_textual_inversion(vectors(2, seed=3), token=["<s0>", "<s1>"])
        pipe.load_textual_inversion(
            [{"<c>": vectors(1, seed=4)}, {"x": vectors(1)}], ["<c>", "<d>"]
        )
    prompt = "<a> <b> <s0><s1> <c>, <d>"
    same(drawn(ours, prompt), drawn(theirs, prompt))


@pytest.mark.parametrize(
    ("given", "token", "message"),
    [
        ({"<a>": torch.zeros(2, 48)}, None, r"another kind of model \(48 .*another kind.*\(32\)"),
        ({"<a>": torch.zeros(2, 768)}, None, r"for Stable Diffusion 1 \(768 "),
        ({"clip_l": torch.zeros(1, 32), "clip_g": torch.zeros(1, 1280)}, "a", "is for SDXL"),
        ({"<a>": torch.full((1, 32), torch.nan)}, None, "NaN"),
        ({"<a>": torch.zeros(0, 32)}, None, "shape"),
        ({"<a>": torch.zeros(1, 1, 32)}, None, "shape"),
        ({"<a>": torch.zeros(4000, 32)}, None, "4000 vectors"),
        ({"<a>": torch.zeros(1, 32, dtype=torch.int64)}, None, "floating point"),
        ({"<a>": torch.zeros(1, 32), "<b>": torch.zeros(1, 32)}, None, "no embedding"),
        (torch.zeros(1, 32), None, "token="),
        ({"emb_params": torch.zeros(1, 32)}, " ", "not empty"),
        ({"<a>": torch.zeros(1, 32)}, "the</w>", "already"),
        (7, None, "not an int"),
    ],
)
def test_what_is_none_is_said_in_one_line(
    tiny_v1: Path, given: Any, token: str | None, message: str
) -> None:
    pipe = StableDiffusionPipeline.from_pretrained(tiny_v1)
    with pytest.raises(InputError, match=message) as caught:
        pipe.load_textual_inversion(given, token=token)
    assert "\n" not in str(caught.value)
    assert not pipe.tokenizer.learnt
    assert pipe.text_encoder.learnt is None


def test_words_are_known_once_and_forgotten_by_name(both: Any, files: list[str]) -> None:
    ours, _ = both
    ours.load_textual_inversion(files)
    with pytest.raises(InputError, match="already"):
        ours.load_textual_inversion(files[0])
    with pytest.raises(InputError, match=r"no learnt word '<dog>'.*<cat-toy>"):
        ours.unload_textual_inversion("<dog>")
    with pytest.raises(InputError, match="tokenizer"):
        ours.load_textual_inversion(files[0], tokenizer=StableDiffusionPipeline)


def test_saved_with_their_tokens(both: Any, files: list[str], tmp_path: Path) -> None:
    ours, _ = both
    ours.load_textual_inversion(files)
    ours.save_pretrained(tmp_path / "model")
    again = StableDiffusionPipeline.from_pretrained(tmp_path / "model")
    again.set_progress_bar_config(disable=True)
    prompt = ours.maybe_convert_prompt(PROMPT, ours.tokenizer)
    assert np.array_equal(drawn(again, prompt), drawn(ours, prompt))


@pytest.mark.parametrize("torch_dtype", [torch.float16, torch.bfloat16])
def test_half_precision(tiny_v1: Path, files: list[str], torch_dtype: torch.dtype) -> None:
    pipe = StableDiffusionPipeline.from_pretrained(tiny_v1, torch_dtype=torch_dtype)
    pipe.set_progress_bar_config(disable=True)
    plain = pipe.text_encoder.embeddings.token_embedding.weight
    pipe.load_textual_inversion(files)
    found = drawn(pipe)
    assert pipe.text_encoder.embeddings.token_embedding.weight is plain
    exact = StableDiffusionPipeline.from_pretrained(tiny_v1)
    exact.set_progress_bar_config(disable=True)
    exact.load_textual_inversion(files)
    assert np.abs(found - drawn(exact)).mean() < 0.05


class TestXL:
    """SDXL's two text encoders."""

    @pytest.fixture
    def pair(self, tiny_xl: Path) -> Iterator[tuple[StableDiffusionXLPipeline, Any]]:
        with tiny.quiet():
            theirs = diffusers.StableDiffusionXLPipeline.from_pretrained(tiny_xl)
            theirs.set_progress_bar_config(disable=True)
            ours = StableDiffusionXLPipeline.from_pretrained(tiny_xl)
            ours.set_progress_bar_config(disable=True)
            yield ours, theirs

    state: ClassVar = {"clip_l": vectors(2), "clip_g": vectors(2, width=40, seed=9)}

    def load(self, pipe: Any) -> None:
        for key, part in (("clip_g", "_2"), ("clip_l", "")):
            pipe.load_textual_inversion(
                self.state[key],
                token="<s>",
                text_encoder=getattr(pipe, f"text_encoder{part}"),
                tokenizer=getattr(pipe, f"tokenizer{part}"),
            )

    def test_once_for_each_encoder(self, pair: Any) -> None:
        ours, theirs = pair
        before = drawn(ours, "a <s> cat")
        self.load(ours)
        self.load(theirs)
        same(drawn(ours, "a <s> cat"), drawn(theirs, "a <s> cat"))
        assert not np.array_equal(drawn(ours, "a <s> cat"), before)
        ours.unload_textual_inversion()
        assert np.array_equal(drawn(ours, "a <s> cat"), before)

    def test_both_by_the_file(self, pair: Any, tmp_path: Path) -> None:
        ours, _ = pair
        for keys in (("clip_l", "clip_g"), ("text_encoders_0", "text_encoders_1")):
            named = dict(zip(keys, self.state.values(), strict=True))
            save_file(named, tmp_path / "style.safetensors")
            ours.load_textual_inversion(tmp_path / "style.safetensors", token="<s>")
            found = drawn(ours, "a <s> cat")
            ours.unload_textual_inversion("<s>")
            self.load(ours)
            assert np.array_equal(found, drawn(ours, "a <s> cat"))
            ours.unload_textual_inversion()

    def test_a_file_for_one_encoder_is_another_familys(self, pair: Any, tmp_path: Path) -> None:
        save_file({"<old>": torch.zeros(1, 768)}, tmp_path / "old.safetensors")
        with pytest.raises(InputError, match=r"Stable Diffusion 1 \(768 .* \(32 and 40\)"):
            pair[0].load_textual_inversion(tmp_path / "old.safetensors")


def in_cache(home: Path, name: str, file: str) -> Path:
    """Where the Hub's cache has a file of a model."""
    folder = home / f"models--{name.replace('/', '--')}"
    snapshot = folder / "snapshots" / ("0123456789" * 4)
    snapshot.mkdir(parents=True, exist_ok=True)
    (folder / "refs").mkdir(exist_ok=True)
    (folder / "refs" / "main").write_text(snapshot.name)
    return snapshot / file


@pytest.mark.parametrize("file", ["learned_embeds.bin", "learned_embeds.safetensors"])
def test_a_model_of_the_hub_is_taken_from_the_cache_unasked(
    tiny_v1: Path, tmp_path: Path, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked(*_: object, **__: object) -> None:
        raise AssertionError("the hub is asked")

    monkeypatch.setattr("kakusan.checkpoints.fetching.hf_hub_download", asked)
    path = in_cache(tmp_path, "sd-concepts-library/cat-toy", file)
    content = {"<cat-toy>": vectors(2)}
    torch.save(content, path) if path.suffix == ".bin" else save_file(content, path)
    pipe = StableDiffusionPipeline.from_pretrained(tiny_v1)
    pipe.load_textual_inversion("sd-concepts-library/cat-toy", cache_dir=tmp_path)
    word = pipe.tokenizer.learnt["<cat-toy>"]
    assert word.source == f"sd-concepts-library/cat-toy/{file}"
    pipe.load_textual_inversion(
        "sd-concepts-library/cat-toy", weight_name=file, cache_dir=tmp_path, token="<b>"
    )
    with pytest.raises(InputError, match="the cache lacks it"):
        pipe.load_textual_inversion("owner/name", cache_dir=tmp_path, local_files_only=True)


@pytest.mark.parametrize("name", ["gone.pt", "tests/gone.safetensors", "a/b.bin", "", "a\0b"])
def test_a_file_that_is_not_here_is_not_looked_for_on_the_hub(tiny_v1: Path, name: str) -> None:
    pipe = StableDiffusionPipeline.from_pretrained(tiny_v1)
    with pytest.raises(InputError, match="there is no embedding"):
        pipe.load_textual_inversion(name)


def test_a_folder_and_a_name_in_it(tiny_v1: Path, files: list[str]) -> None:
    pipe, folder = StableDiffusionPipeline.from_pretrained(tiny_v1), Path(files[0]).parent
    pipe.load_textual_inversion(folder)
    pipe.load_textual_inversion(str(folder), weight_name="moebius.pt")
    assert list(pipe.tokenizer.learnt) == ["<cat-toy>", "moebius"]
    with pytest.raises(InputError, match="has no learned_embeds"):
        pipe.load_textual_inversion(folder.parent)


def test_a_prompt_is_shown_with_all_of_a_words_tokens(tiny_v1: Path) -> None:
    pipe = StableDiffusionPipeline.from_pretrained(tiny_v1)
    pipe.load_textual_inversion({"<toy>": vectors(3)})
    reading = read_prompt(pipe.tokenizer, "a <toy> cat")
    first = len(pipe.tokenizer.without_learnt)
    assert [token.id for token in reading.used[1:4]] == [first, first + 1, first + 2]
    assert [token.text for token in reading.used[1:4]] == ["<toy>", "<toy>_1", "<toy>_2"]


def test_a_compiled_text_encoder_sees_them(tiny_v1: Path) -> None:
    pipe = StableDiffusionPipeline.from_pretrained(tiny_v1)
    pipe.set_progress_bar_config(disable=True)
    pipe.load_textual_inversion({"<toy>": vectors(3)})
    plain = drawn(pipe, "a <toy> cat")
    pipe.text_encoder = torch.compile(pipe.text_encoder, backend="eager")
    same(drawn(pipe, "a <toy> cat"), plain)
    pipe.load_textual_inversion({"<dog>": vectors(2, seed=1)})
    assert np.abs(drawn(pipe, "a <dog> cat") - plain).max() > 0.02


def test_float32_where_half_precision_overflows(tiny_v1: Path) -> None:
    pipe = StableDiffusionPipeline.from_pretrained(tiny_v1, torch_dtype=torch.bfloat16)
    pipe.load_textual_inversion({"<toy>": vectors(3)})
    encoder = pipe.text_encoder
    ids = pipe.tokenizer.encode_prompts(["a <toy> cat"])
    exact = StableDiffusionPipeline.from_pretrained(tiny_v1).text_encoder
    exact.learn(LearntTokens(len(pipe.tokenizer) - 3, vectors(3).bfloat16().float()))
    with torch.no_grad():
        found = encoder.upcast()(ids).last_hidden_state
        assert (found - exact(ids).last_hidden_state).abs().max() < 0.1
