"""A request's embeddings are named as its syntax has it, drawn with, recorded and found again."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

import kakusan
from kakusan import StableDiffusionPipeline, StableDiffusionXLPipeline
from kakusan.conditioning.embeddings import located
from kakusan.errors import InputError
from kakusan.images.parameters import parameters_text
from kakusan.pipeline import draw
from kakusan.pipeline.reading import embeddings_for
from kakusan.request import Request

SETTINGS: dict[str, Any] = {
    "num_inference_steps": 2,
    "height": 64,
    "width": 64,
    "seed": 3,
}


def vectors(count: int, width: int = 32, seed: int = 7) -> Tensor:
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "embeddings"
    (found / "sub").mkdir(parents=True)
    save_file({"emb_params": vectors(3)}, found / "my-style.safetensors")
    save_file({"<cat-toy>": vectors(2, seed=8)}, found / "sub" / "learnt cat.safetensors")
    save_file({"emb_params": vectors(1, width=48)}, found / "other.safetensors")
    (found / "broken.pt").write_bytes(b"nothing")
    return found


@pytest.fixture
def pipe(tiny_v1: Path) -> StableDiffusionPipeline:
    made = StableDiffusionPipeline.from_pretrained(tiny_v1)
    made.set_progress_bar_config(disable=True)
    return made


def drawn(pipe: Any, prompt: str, **more: Any) -> tuple[np.ndarray, dict[str, Any]]:
    (picture,) = pipe.pictures(Request.of(prompt, **SETTINGS | more))
    return np.asarray(picture.image), picture.record


def test_each_syntax_names_the_same_word(pipe: StableDiffusionPipeline, folder: Path) -> None:
    plain, record = drawn(pipe, "a my-style cat", embeddings=[folder])
    (entry,) = record["embeddings"]
    assert entry["token"] == "my-style"
    assert entry["file"] == str(folder / "my-style.safetensors")
    assert entry["hash"] == located(entry["file"]).sha256[:12]
    without, bare = drawn(pipe, "a my-style cat")
    assert "embeddings" not in bare
    assert not np.array_equal(plain, without)
    texts = {
        "webui": "a MY-STYLE cat",
        "comfy": "a embedding:my-style cat",
    }
    for syntax, text in texts.items():
        found, record = drawn(pipe, text, embeddings=[folder], prompt_syntax=syntax)
        assert np.array_equal(found, plain), syntax
        assert [each["token"] for each in record["embeddings"]] == ["my-style"]
    pipe.load_textual_inversion(folder / "my-style.safetensors", token="my-style")
    loaded, record = drawn(pipe, "a my-style cat")
    assert np.array_equal(loaded, plain)
    assert record["embeddings"] == [entry]
    assert not [note for note in record["notes"] if "exchanged" in note]
    again, _ = drawn(pipe, "a my-style cat", embeddings=[folder])
    assert np.array_equal(again, plain)
    webui, record = drawn(pipe, "a my-style cat", prompt_syntax="webui")
    assert np.array_equal(webui, plain)
    assert record["embeddings"] == [entry]
    assert pipe.text_encoder.learnt is not None
    assert pipe.text_encoder.learnt.may_end


def test_nothing_stays_behind(pipe: StableDiffusionPipeline, folder: Path) -> None:
    before, _ = drawn(pipe, "a my-style cat")
    tokenizer = pipe.tokenizer
    drawn(pipe, "a my-style cat", embeddings=[folder])
    after, record = drawn(pipe, "a my-style cat")
    assert pipe.tokenizer is tokenizer
    assert pipe.text_encoder.learnt is None
    assert np.array_equal(before, after)
    assert "embeddings" not in record


def test_weights_act_on_all_vectors(pipe: StableDiffusionPipeline, folder: Path) -> None:
    options: dict[str, Any] = {"embeddings": [folder], "prompt_syntax": "webui"}
    one, _ = drawn(pipe, "a my-style cat", **options)
    weighed, record = drawn(pipe, "a (my-style:1.4) cat", **options)
    assert not np.array_equal(one, weighed)
    assert record["embeddings"][0]["token"] == "my-style"
    # as the same three vectors, each a word of its own
    for index, row in enumerate(vectors(3)):
        pipe.load_textual_inversion(row, token=f"<v{index}>")
    apart, _ = drawn(pipe, "a (<v0> <v1> <v2>:1.4) cat", prompt_syntax="webui")
    assert np.array_equal(weighed, apart)


def test_a_word_is_not_parted_between_chunks(pipe: StableDiffusionPipeline, folder: Path) -> None:
    options: dict[str, Any] = {"embeddings": [folder], "prompt_syntax": "webui"}
    for text in ("cat " * 73 + "my-style", "cat " * 74 + "my-style"):
        found, _ = drawn(pipe, text, **options)
        moved, _ = drawn(pipe, text.replace("my-style", "BREAK my-style"), **options)
        assert np.array_equal(found, moved)


def test_negative_prompts_name_words_too(pipe: StableDiffusionPipeline, folder: Path) -> None:
    for syntax, name in (("plain", "<cat-toy>"), ("webui", "learnt cat"), ("webui", "<cat-toy>")):
        found, record = drawn(
            pipe, "a dog", negative_prompt=name, embeddings=[folder], prompt_syntax=syntax
        )
        plain, _ = drawn(pipe, "a dog", negative_prompt=name, prompt_syntax=syntax)
        assert not np.array_equal(found, plain)
        (entry,) = record["embeddings"]
        assert entry["token"] == "<cat-toy>"


def test_schedules_and_layers(pipe: StableDiffusionPipeline, folder: Path) -> None:
    options: dict[str, Any] = {"embeddings": [folder], "prompt_syntax": "webui"}
    _, record = drawn(pipe, "a [cat:my-style:0.5] [dog|learnt cat]", clip_skip=1, **options)
    assert {each["token"] for each in record["embeddings"]} == {"my-style", "<cat-toy>"}


def test_what_is_not_there_is_said_before_the_work(
    pipe: StableDiffusionPipeline, folder: Path
) -> None:
    with pytest.raises(InputError, match=r"'nothing', which the prompt names, in .*embeddings"):
        drawn(pipe, "a (embedding:nothing:1.2)", embeddings=[folder], prompt_syntax="comfy")
    with pytest.raises(InputError, match=r"the prompt names; say with embeddings where"):
        drawn(pipe, "a embedding:nothing", prompt_syntax="comfy")
    with pytest.raises(InputError, match=r"there is no embedding .*gone"):
        drawn(pipe, "a cat", embeddings=["gone.safetensors"])
    with pytest.raises(InputError, match=r"another kind of model \(48 "):
        drawn(pipe, "other", embeddings=[folder])
    with pytest.raises(InputError, match=r"broken\.pt"):
        drawn(pipe, "broken", embeddings=[folder])
    drawn(pipe, "a cat", embeddings=[folder])  # neither is named


def test_a_file_that_no_prompt_names_is_said(
    pipe: StableDiffusionPipeline, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "kakusan"):
        _, record = drawn(pipe, "a cat", embeddings=[folder / "my-style.safetensors"])
    assert "no prompt names the embedding 'my-style'" in caplog.text
    assert "embeddings" not in record


def test_a_name_is_no_unknown_word(
    folder: Path, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    width = StableDiffusionPipeline.from_pretrained("builtin").text_encoder.config.hidden_size
    save_file({"emb_params": vectors(2, width=width)}, tmp_path / "zorglub.safetensors")
    for syntax in ("plain", "webui"):
        caplog.clear()
        with caplog.at_level(logging.WARNING, "kakusan"):
            (picture,) = kakusan.generate(
                "a zorglub",
                seed=1,
                steps=1,
                embeddings=tmp_path,
                prompt_syntax=syntax,
                progress=False,
            )
        assert "zorglub" not in caplog.text
        assert not picture.record.get("unknown_words")
        assert picture.record["embeddings"][0]["token"] == "zorglub"


def test_reproduced_from_the_users_own_files_by_hash(
    tiny_v1: Path, folder: Path, tmp_path: Path
) -> None:
    options: dict[str, Any] = {"steps": 2, "seed": 5, "width": 64, "height": 64, "progress": False}
    picture = kakusan.generate(
        "a my-style cat", model=tiny_v1, embeddings=folder, prompt_syntax="webui", **options
    )[0]
    moved = tmp_path / "moved"
    folder.rename(moved)
    given: dict[str, Any] = {"model": tiny_v1, "progress": False}
    with pytest.raises(InputError, match=r"the embedding 'my-style' \(hash '[0-9a-f]{12}'"):
        kakusan.reproduce(picture.record, **given)
    with pytest.raises(InputError, match=r"no file with that hash is in .*builtin"):
        kakusan.reproduce(picture.record, embeddings=[tmp_path / "builtin"], **given)
    again = kakusan.reproduce(picture.record, embeddings=moved, **given)
    assert same(picture.image, again.image)
    (moved / "my-style.safetensors").rename(moved / "renamed.safetensors")
    again = kakusan.reproduce(picture.record, embeddings=moved, **given)
    assert same(picture.image, again.image)
    assert again.record["embeddings"][0]["name"] == "my-style.safetensors"
    once_more = kakusan.reproduce(again.record, embeddings=moved / "renamed.safetensors", **given)
    assert same(picture.image, once_more.image)
    (moved / "renamed.safetensors").rename(moved / "my-style.safetensors")
    moved.rename(folder)
    trusted = kakusan.reproduce(picture.record, trust_model=True, **given)
    assert same(picture.image, trusted.image)
    save_file({"emb_params": vectors(3, seed=1)}, folder / "my-style.safetensors")
    with pytest.raises(InputError, match=r"has the hash .* is wanted"):
        kakusan.reproduce(picture.record, trust_model=True, **given)


def same(one: Image.Image, other: Image.Image) -> bool:
    return np.array_equal(np.asarray(one), np.asarray(other))


def test_what_was_handed_in_cannot_be_made_again(pipe: StableDiffusionPipeline) -> None:
    pipe.load_textual_inversion(vectors(1)[0], token="<x>")
    _, record = drawn(pipe, "a <x>")
    assert record["seed"] is None
    assert any("without a file" in note for note in record["notes"])
    _, record = drawn(pipe, "a cat")
    assert record["seed"] == SETTINGS["seed"]


def test_both_of_sdxls_text_encoders(tiny_xl: Path, tmp_path: Path) -> None:
    pipe = StableDiffusionXLPipeline.from_pretrained(tiny_xl)
    pipe.set_progress_bar_config(disable=True)
    both = {"clip_l": vectors(2), "clip_g": vectors(2, width=40)}
    save_file(both, tmp_path / "xl-style.safetensors")
    file = tmp_path / "xl-style.safetensors"
    plain, _ = drawn(pipe, "a xl-style cat")
    webui, record = drawn(pipe, "a xl-style cat", embeddings=[file], prompt_syntax="webui")
    assert not np.array_equal(webui, plain)
    assert len(record["embeddings"]) == 1
    found, _ = drawn(pipe, "a xl-style cat", embeddings=[file])
    pipe.load_textual_inversion(file)
    loaded, _ = drawn(pipe, "a xl-style cat")
    assert np.array_equal(found, loaded)


@pytest.mark.parametrize(
    "given",
    [
        7,
        [7],
        [""],
        [{"file": "a", "x": "b"}],
        [{"token": "a"}],
        [{"file": "a", "hash": "12"}],
        ["a"] * 1001,
        {"file": 3},
    ],
)
def test_what_is_no_list_of_files(given: Any) -> None:
    with pytest.raises(InputError, match="embeddings"):
        Request.of("a", embeddings=given)


def test_a_request_comes_back_from_its_record() -> None:
    request = Request.of(
        "a", seed=1, embeddings=[Path("a.pt"), {"file": "b.pt", "hash": "12ab34cd56ef"}]
    )
    assert Request.from_record(request.to_record()) == request
    assert "embeddings" not in Request.of("a").to_record()


def test_a_name_that_is_an_ordinary_word(pipe: StableDiffusionPipeline, tmp_path: Path) -> None:
    name = next(token for token in pipe.tokenizer.get_vocab() if token.isalpha() and len(token) > 1)
    save_file({"emb_params": vectors(2)}, tmp_path / f"{name}.safetensors")
    plain, record = drawn(pipe, f"a {name} x", embeddings=[tmp_path])
    assert "embeddings" not in record
    assert np.array_equal(plain, drawn(pipe, f"a {name} x")[0])
    found, record = drawn(pipe, f"a <{name}> x", embeddings=[tmp_path])
    assert record["embeddings"][0]["token"] == f"<{name}>"
    webui, _ = drawn(pipe, f"a {name} x", embeddings=[tmp_path], prompt_syntax="webui")
    assert np.array_equal(found, webui)
    again, _ = drawn(pipe, f"a <{name}> x", embeddings=record["embeddings"])
    assert np.array_equal(found, again)


def test_automatic1111s_text_has_their_hashes(pipe: StableDiffusionPipeline, folder: Path) -> None:
    _, record = drawn(pipe, "my-style <cat-toy>", embeddings=[folder], prompt_syntax="webui")
    hashes = {each["token"]: each["hash"] for each in record["embeddings"]}
    said = f"my-style: {hashes['my-style']}, learnt cat: {hashes['<cat-toy>']}"
    assert f'TI hashes: "{said}"' in parameters_text(record)


def test_a_path_below_the_folder_is_recorded(pipe: StableDiffusionPipeline, folder: Path) -> None:
    (folder / "sub" / "learnt cat.safetensors").rename(folder / "sub" / "cat.safetensors")
    options: dict[str, Any] = {"prompt_syntax": "comfy"}
    found, record = drawn(pipe, "a embedding:sub/cat", embeddings=[folder], **options)
    assert record["embeddings"][0]["name"] == "sub/cat.safetensors"
    again, _ = drawn(pipe, "a embedding:sub/cat", embeddings=record["embeddings"], **options)
    assert np.array_equal(found, again)
    pipe.load_textual_inversion(folder / "sub" / "cat.safetensors")
    loaded, _ = drawn(pipe, "a embedding:cat", **options)
    assert np.array_equal(found, loaded)


@pytest.mark.parametrize(
    ("syntax", "form"), [("comfy", "embedding:my-style"), ("compel", "<my-style>")]
)
def test_a_bare_name_is_told_how_to_write_it(
    pipe: StableDiffusionPipeline,
    folder: Path,
    caplog: pytest.LogCaptureFixture,
    syntax: str,
    form: str,
) -> None:
    for files in (folder, folder / "my-style.safetensors"):
        caplog.clear()
        with caplog.at_level(logging.WARNING, "kakusan"):
            drawn(pipe, "a my-style cat", embeddings=[files], prompt_syntax=syntax)
        assert f"in this syntax its name is {form}" in caplog.text
    caplog.clear()
    drawn(pipe, f"a {form} cat", embeddings=[folder], prompt_syntax=syntax)
    assert "no prompt names" not in caplog.text


NAMED = {
    "other": {"plain": ["an other cat", "Other,x", "(other:1.2)"], "webui": ["an OTHER cat"]},
    "my style2": {"webui": ["my  style 2", "a my style2x"], "plain": ["my style2"]},
    "bad-5": {"webui": ["bad -5", "bad-55"], "compel": ["<bad-5>"], "comfy": ["embedding:bad-5"]},
}
NOT_NAMED = {
    "other": {
        "plain": ["another cat", "others"],
        "webui": ["brother", "x"],
        "comfy": ["other", "an,other"],
        "compel": ["other"],
    },
    "my style2": {"webui": ["mystyle2", "my style"]},
    "a": {"webui": ["an apple"], "plain": ["cat"]},
}
WAYS = [
    (stem, syntax, text, named)
    for table, named in ((NAMED, True), (NOT_NAMED, False))
    for stem, by_syntax in table.items()
    for syntax, texts in by_syntax.items()
    for text in texts
]


@pytest.mark.parametrize(("stem", "syntax", "text", "named"), WAYS)
def test_a_file_of_a_folder_counts_where_it_is_named_whole(
    tmp_path: Path, stem: str, syntax: str, text: str, named: bool
) -> None:
    (tmp_path / f"{stem}.pt").write_bytes(b"nothing")
    request = Request.of(text, embeddings=[tmp_path], prompt_syntax=syntax)
    if not named:
        assert embeddings_for(request) == []
        return
    with pytest.raises(InputError) as caught:
        embeddings_for(request)
    assert f"{stem}.pt" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_wrong_width_is_said_before_memory_is(
    tiny_v1: Path, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    request = Request.of("a other cat", **SETTINGS, model=str(tiny_v1), embeddings=[folder])
    with caplog.at_level(logging.INFO), pytest.raises(InputError, match="'other' is for another"):
        draw(request, progress=False)
    assert caplog.messages == []
    draw(replace(request, prompt=("another cat",)), progress=False)
