"""Tokens equal the reference's, whatever the text and however the vocabulary is stored."""

import json
import random
import time
import warnings
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import CLIPTokenizer as Reference

from kakusan.errors import CheckpointError, OutputError, RequestError
from kakusan.text import CLIPTokenizer, PromptCutWarning

START, END = "<|startoftext|>", "<|endoftext|>"
CORPUS = """a photo of an astronaut riding a horse on mars, don't you think it's the best,
we've seen a cat and a dog! a painting by a fox in the style of an old master, they'll say I'm
42 years old... naïve café 日本語 の プロンプト
photograph photographs astronauts horses riding the cat the dog"""
TEXTS = [
    "",
    " ",
    "a",
    "A Photo of an ASTRONAUT",
    "a cat!",
    "a cat ! dog!!",
    "!! hi",
    f"{END} a {START}b{END}",
    "<|STARTOFTEXT|>b<|ENDOFTEXT|> x <|startoftext",
    "E\u0301\u0323 e\u0301 İstanbul ǅ ß ﬁ Ω ΣΑΣ ς",
    "日本語のプロンプト、猫。",
    "👩‍👩‍👧‍👦 🇯🇵 ☃️ 1️⃣",
    "\x00\x01\x7f\u200b\u200e\ufeffa\u2028b",
    "  a \t\r\n b \u3000 c\xa0d\x85e",
    "it's I'LL we've don’t 'tis ''s",
    "1234 ½ ²³ ٣ 3rd 2nd",
    "... ??? :-) ;;; <a> </w> a</w>b <toy> <TOY>x",
    "한국어 각 \u1100\u1161\u11a8",
    "ﷺ \U0001d552\U0001d553 \U0010ffff",
    "a" * 500,
    "!" * 300,
]


def odd_texts() -> list[str]:
    draw = random.Random(0)
    characters = [*range(0x300), *range(0x300, 0xD800, 97), *range(0xE000, 0x20000, 501)]
    words = [
        "cat",
        "don't",
        END,
        START,
        "!",
        "photo",
        "ASTRONAUT",
        "'s",
        "4k",
        ",",
        "日本",
        "<toy>",
    ]
    texts = TEXTS.copy()
    for _ in range(300):
        texts.append("".join(chr(draw.choice(characters)) for _ in range(draw.randint(1, 40))))
        texts.append("".join(draw.choice("abc XYZ'!.,<|>/w01\t\n-é") for _ in range(30)))
        texts.append(" ".join(draw.choice(words) for _ in range(draw.randint(1, 60))))
    return texts


def bytes_as_characters() -> list[str]:
    kept = [*range(33, 127), *range(161, 173), *range(174, 256)]
    return [chr(b) for b in kept] + [chr(256 + n) for n in range(256 - len(kept))]


def learned() -> tuple[dict[str, int], list[list[str]]]:
    """A vocabulary of CLIP's form: bytes, bytes that end a word, merges, then the two marks."""
    trained = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    trained.normalizer = normalizers.Lowercase()
    trained.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=700, end_of_word_suffix="</w>", show_progress=False, min_frequency=1
    )
    trained.train_from_iterator([CORPUS, "!! !!! ..."], trainer)
    merges = [
        merge if isinstance(merge, list) else merge.split(" ")
        for merge in json.loads(trained.to_str())["model"]["merges"]
    ]
    characters = bytes_as_characters()
    tokens = [*characters, *(c + "</w>" for c in characters), *("".join(m) for m in merges)]
    tokens = [*dict.fromkeys(tokens), START, END]
    return {token: index for index, token in enumerate(tokens)}, merges


def added(content: str, **changes: bool) -> dict[str, object]:
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": True} | changes
    return {"content": content, **flags, "__type": "AddedToken"}


def published(folder: Path, pad: str, **config: object) -> Path:
    """The files of the v1 and v2 releases: marks with flags, the padding token without."""
    ids, merges = learned()
    folder.mkdir()
    (folder / "vocab.json").write_text(json.dumps(ids))
    lines = ["#version: 0.2", *(" ".join(merge) for merge in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    marks = {"bos_token": added(START), "eos_token": added(END), "unk_token": added(END)}
    whole = {**marks, "pad_token": pad, "model_max_length": 77, "do_lower_case": True, **config}
    (folder / "tokenizer_config.json").write_text(
        json.dumps(whole | {"tokenizer_class": "CLIPTokenizer"})
    )
    (folder / "special_tokens_map.json").write_text(json.dumps({**marks, "pad_token": pad}))
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("tokenizers")
    made = {"v1": published(root / "v1", END), "v2": published(root / "v2", "!")}
    for name in ("v1", "v2"):
        made[f"{name} today"] = root / f"{name}_today"
        Reference.from_pretrained(made[name]).save_pretrained(made[f"{name} today"])
    size = len(learned()[0])
    made["listed"] = published(
        root / "listed",
        END,
        added_tokens_decoder={
            str(size - 2): added(START, special=True),
            str(size - 1): added(END, special=True),
            str(size): added("<toy>", normalized=False),
        },
    )
    made["toy"] = published(root / "toy", END)
    (made["toy"] / "added_tokens.json").write_text(json.dumps({"<toy>": size}))
    made["toy today"] = root / "toy_today"
    Reference.from_pretrained(made["toy"]).save_pretrained(made["toy today"])
    made["plain map"] = published(root / "plain_map", "!")
    (made["plain map"] / "special_tokens_map.json").write_text(
        json.dumps({"bos_token": START, "eos_token": END, "pad_token": "!"})
    )
    made["bare"] = published(root / "bare", END)
    (made["bare"] / "tokenizer_config.json").unlink()
    (made["bare"] / "special_tokens_map.json").unlink()
    return made


CASES = ["v1", "v2", "v1 today", "v2 today", "listed", "toy", "toy today", "plain map", "bare"]


@pytest.mark.parametrize("case", CASES)
def test_tokens_and_decoded_text_equal_the_reference(folders: dict[str, Path], case: str) -> None:
    reference = Reference.from_pretrained(folders[case])
    ours = CLIPTokenizer.from_pretrained(folders[case])
    assert len(ours) == len(reference)
    assert ours.vocab_size == reference.vocab_size
    assert ours.get_vocab() == ours.encoder == reference.get_vocab()
    assert ours.decoder[ours.eos_token_id] == reference.eos_token
    assert len(ours.decoder) == len(ours.encoder)
    for name in ("bos", "eos", "unk", "pad"):
        assert getattr(ours, f"{name}_token") == getattr(reference, f"{name}_token")
        assert getattr(ours, f"{name}_token_id") == getattr(reference, f"{name}_token_id")
    for text in odd_texts():
        ids = ours(text).input_ids
        assert ids == reference(text).input_ids, text
        assert ours.tokenize(text) == reference.tokenize(text), text
        for skip in (False, True):
            assert ours.decode(ids, skip_special_tokens=skip) == reference.decode(
                ids, skip_special_tokens=skip
            ), text


@pytest.mark.parametrize("case", ["v1", "v2"])
@pytest.mark.parametrize(
    "options",
    [
        {"padding": "max_length", "max_length": 77, "truncation": True, "return_tensors": "pt"},
        {"padding": "max_length", "truncation": True, "return_tensors": "pt"},
        {"padding": True, "return_tensors": "pt"},
        {"padding": "longest", "truncation": True, "max_length": 8},
        {"padding": "max_length", "max_length": 12},
        {"truncation": True, "max_length": 5},
        {"add_special_tokens": False},
        {},
    ],
)
def test_padding_and_truncation_equal_the_reference(
    folders: dict[str, Path], case: str, options: dict[str, object]
) -> None:
    reference = Reference.from_pretrained(folders[case])
    ours = CLIPTokenizer.from_pretrained(folders[case])
    texts = ["a photo of a cat " * 30, "", "a dog!"]
    for text in (texts, "a dog"):
        expected, got = reference(text, **options), ours(text, **options)
        for key in ("input_ids", "attention_mask"):
            if options.get("return_tensors"):
                assert torch.equal(got[key], expected[key])
                assert got[key].dtype == torch.int64
            else:
                assert got[key] == expected[key]
        assert got.input_ids is got["input_ids"]
        assert list({**got}) == ["input_ids", "attention_mask"]


def test_the_calls_of_the_article(folders: dict[str, Path]) -> None:
    tokenizer = CLIPTokenizer.from_pretrained(folders["v1"])
    text_input = tokenizer(
        ["a photo of a cat"],
        padding="max_length",
        max_length=tokenizer.model_max_length,
        truncation=True,
        return_tensors="pt",
    )
    max_length = text_input.input_ids.shape[-1]
    empty = tokenizer([""] * 1, padding="max_length", max_length=max_length, return_tensors="pt")
    assert text_input.input_ids.shape == empty.input_ids.shape == (1, 77)
    assert empty.input_ids[0, 1:].eq(tokenizer.eos_token_id).all()


@pytest.mark.parametrize("case", CASES)
def test_what_is_saved_gives_the_same_tokens_here_and_there(
    folders: dict[str, Path], case: str, tmp_path: Path
) -> None:
    ours = CLIPTokenizer.from_pretrained(folders[case])
    # Files of an earlier tokenizer in the same folder must not be read instead.
    CLIPTokenizer.from_pretrained(folders["toy"]).save_pretrained(tmp_path)
    Reference.from_pretrained(folders["toy"]).save_pretrained(tmp_path)
    ours.save_pretrained(tmp_path)
    again, reference = CLIPTokenizer.from_pretrained(tmp_path), Reference.from_pretrained(tmp_path)
    assert again.model_max_length == reference.model_max_length == 77
    assert again.pad_token_id == reference.pad_token_id == ours.pad_token_id
    for text in odd_texts():
        assert again(text).input_ids == ours(text).input_ids == reference(text).input_ids, text


def test_the_padding_is_that_of_the_version(folders: dict[str, Path]) -> None:
    v1 = CLIPTokenizer.from_pretrained(folders["v1"]).encode_prompts(["a cat"])
    v2 = CLIPTokenizer.from_pretrained(folders["v2"]).encode_prompts(["a cat"])
    assert v1.shape == v2.shape == (1, 77)
    assert v1[0, -1] == v1[0, 3]
    assert v2[0, -1] == 0


def test_a_long_prompt_is_cut_and_what_is_cut_is_quoted(folders: dict[str, Path]) -> None:
    tokenizer = CLIPTokenizer.from_pretrained(folders["v1"])
    prompt = "a " * 74 + "cat RIDING  an Astronaut"
    with pytest.warns(
        PromptCutWarning, match=r"has 78 tokens, 75 are used; cut off: 'RIDING  an A"
    ):
        ids = tokenizer.encode_prompts(["a", prompt])
    expected = tokenizer(prompt, truncation=True, return_tensors="pt").input_ids
    assert torch.equal(ids[1:], expected)
    with pytest.warns(PromptCutWarning, match=r"more characters\)$"):
        tokenizer.encode_prompts(["a cat " * 200])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tokenizer.encode_prompts(["a " * 75])
        assert tokenizer.encode_prompts([]).shape == (0, 77)


def test_the_quote_begins_at_the_cut_whatever_comes_before(folders: dict[str, Path]) -> None:
    tokenizer = CLIPTokenizer.from_pretrained(folders["v1"])
    prompt = "e\u0301 \ud83d\ude00 \udc00 İ " + "a " * 75 + "Cut"
    with pytest.warns(PromptCutWarning) as caught:
        tokenizer.encode_prompts([prompt])
    assert str(caught[0].message).endswith("a a Cut'")


@pytest.mark.parametrize("text", ["\ud800", "a\udc00b", "\udfff\ud800", "x" + "\ud83d"])
def test_lone_surrogates_are_replaced(folders: dict[str, Path], text: str) -> None:
    tokenizer = CLIPTokenizer.from_pretrained(folders["v1"])
    replaced = "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in text)
    assert tokenizer(text).input_ids == tokenizer(replaced).input_ids
    assert tokenizer("\ud83d\ude00").input_ids == tokenizer("\U0001f600").input_ids


@pytest.mark.parametrize(
    "unit", ["a photo of a cat ", "a", "日本語", "👩‍👩‍👧‍👦", "\ud800 ", " ", "!"]
)
def test_a_huge_prompt_takes_seconds(folders: dict[str, Path], unit: str) -> None:
    tokenizer = CLIPTokenizer.from_pretrained(folders["v1"])
    started = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PromptCutWarning)
        ids = tokenizer.encode_prompts([unit * (300_000 // len(unit))])
    assert ids.shape == (1, 77)
    assert time.process_time() - started < 10


def test_arguments_that_cannot_be(folders: dict[str, Path]) -> None:
    tokenizer = CLIPTokenizer.from_pretrained(folders["v1"])
    for options in (
        {"max_length": 1},
        {"max_length": 10**9},
        {"padding": "left"},
        {"return_tensors": "np"},
    ):
        with pytest.raises(RequestError, match=next(iter(options))):
            tokenizer("a", **options)
    with pytest.raises(RequestError, match="different lengths"):
        tokenizer(["a", "a b"], return_tensors="pt")
    for text in (3, None, [3], [None]):
        with pytest.raises(RequestError, match="must be a string"):
            tokenizer(text)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("vocab.json", "{", "is not JSON"),
        ("vocab.json", '{"a": "b"}', "has the id 'b'"),
        ("vocab.json", '{"a": 0}', "special token"),
        ("merges.txt", "#version: 0.2\na b c\n", "merge 1 is not a pair"),
        ("merges.txt", "qq zz\n", "do not fit"),
        ("tokenizer.json", "[]", "must hold a JSON object"),
        ("tokenizer.json", "{}", "'model' is null"),
        ("tokenizer.json", '{"model": {"vocab": {}}}', "no list of merges"),
        ("tokenizer_config.json", '{"model_max_length": -1}', "at least 2"),
        ("tokenizer_config.json", '{"pad_token": "<none>"}', "'<none>' is not in"),
        ("tokenizer_config.json", '{"pad_token": 3}', "must be a string"),
        ("tokenizer_config.json", '{"added_tokens_decoder": {"x": {}}}', "has the id 'x'"),
        (
            "tokenizer_config.json",
            '{"added_tokens_decoder": {"9999": {"content": "<x>"}}}',
            "has the id 9999",
        ),
    ],
)
def test_broken_files(tmp_path: Path, name: str, content: str, says: str) -> None:
    folder = published(tmp_path / "broken", END)
    (folder / "special_tokens_map.json").unlink()
    (folder / name).write_text(content)
    with pytest.raises(CheckpointError) as caught:
        CLIPTokenizer.from_pretrained(folder)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_files(tmp_path: Path, folders: dict[str, Path]) -> None:
    with pytest.raises(CheckpointError, match="holds no tokenizer"):
        CLIPTokenizer.from_pretrained(tmp_path)
    (tmp_path / "vocab.json").write_bytes((folders["v1"] / "vocab.json").read_bytes())
    with pytest.raises(CheckpointError, match=r"merges\.txt"):
        CLIPTokenizer.from_pretrained(tmp_path)
    tokenizer = CLIPTokenizer.from_pretrained(folders["v1"])
    with pytest.raises(OutputError, match="cannot write"):
        tokenizer.save_pretrained(tmp_path / "vocab.json")
