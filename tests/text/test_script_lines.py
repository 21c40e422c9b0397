"""Lines of scripts about tokenizers, run in the reference library and here."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import tokenizers
import torch

from kakusan.errors import NotYetError, RequestError, UnknownArgumentError
from kakusan.text import CLIPTokenizer
from tests.oracle import bpe, tiny

LINES = [
    "len(t), t.vocab_size, len(t.get_vocab())",
    "t.model_max_length",
    "t.all_special_ids, t.all_special_tokens",
    "t.special_tokens_map",
    "t.bos_token_id, t.eos_token_id, t.pad_token_id, t.unk_token_id",
    "t.bos_token, t.eos_token, t.pad_token, t.unk_token",
    "t.padding_side, t.truncation_side, list(t.model_input_names), t.is_fast",
    "t.num_special_tokens_to_add()",
    "t.encode('a photo of a cat')",
    "t.encode('a photo of a cat', add_special_tokens=False)",
    "t.encode('a photo of a cat', return_tensors='pt')",
    "t.encode('a photo', padding='max_length', max_length=5)",
    "t.encode('a photo of a cat', truncation=True, max_length=4)",
    "t.decode([320, 5]), t.decode(5), t.decode(torch.tensor([5, 6])), t.decode(torch.tensor(5))",
    "t.decode(t.encode('a photo of a cat'))",
    "t.decode(t.encode('a photo of a cat'), skip_special_tokens=True)",
    "t.batch_decode([t.encode('a cat'), t.encode('dog')])",
    "t.convert_tokens_to_ids('cat</w>')",
    "t.convert_tokens_to_ids(['cat</w>', 'dog</w>', 'no-such-token'])",
    "t.convert_tokens_to_ids('no-such-token'), t.convert_tokens_to_ids([])",
    "t.convert_ids_to_tokens(5), t.convert_ids_to_tokens([5, 6])",
    "t.convert_ids_to_tokens(t.encode('a cat'))",
    "t.convert_ids_to_tokens(torch.tensor(t.encode('a cat')))",
    "t.convert_ids_to_tokens(t.encode('a cat'), skip_special_tokens=True)",
    "t.tokenize('a photo of a cat')",
    "t('a cat').input_ids, t('a cat')['input_ids'], t('a cat').attention_mask",
    "t(['a cat', 'a photo of a dog']).input_ids",
    "t(['a cat', 'a photo of a dog'], padding=True).attention_mask",
    "t('cat', padding='max_length', max_length=8, truncation=True, return_tensors='pt').input_ids",
    "t('a cat', padding='longest', return_tensors='pt').input_ids",
    "t('a photo of a cat', truncation='longest_first', max_length=4).input_ids",
    "t('a photo of a cat', truncation='do_not_truncate').input_ids",
    "t('a cat', add_special_tokens=False).input_ids",
    "t('a cat', truncation=True, max_length=8, return_length=True, padding='max_length', "
    "return_overflowing_tokens=False, return_tensors='pt')['input_ids']",
    "t('a cat', return_length=True)['length']",
    "t(['a cat', 'a'], return_length=True)['length']",
    "t(['a cat', 'a'], return_length=True, padding=True, return_tensors='pt')['length']",
    "list(t('a cat', return_attention_mask=False).keys())",
    "list(t('a cat').keys()), 'input_ids' in t('a cat')",
    "t('a cat', text_pair=None, stride=0, verbose=False).input_ids",
    "t('a cat', return_tensors='pt').to('cpu').input_ids",
    "t.pad({'input_ids': [t.encode('a cat'), t.encode('a')]}, return_tensors='pt').input_ids",
    "t.pad({'input_ids': [t.encode('a cat'), t.encode('a')]}).attention_mask",
    "t.pad([{'input_ids': t.encode('a cat')}, {'input_ids': t.encode('a')}], padding='max_length', "
    "max_length=6, return_tensors='pt').attention_mask",
    "t.pad([t('a cat'), t('a')], padding=True, return_tensors='pt').input_ids",
]
# One after the other, on one tokenizer: its tokens grow
ADDING = [
    "t.add_tokens('<new-1>')",
    "t.add_tokens(['<new-2>', '<new-1>'])",
    "t.add_tokens('<new-2>')",
    "len(t), t.vocab_size, len(t.get_vocab())",
    "t.convert_tokens_to_ids('<new-2>'), t.convert_ids_to_tokens(len(t) - 1)",
    "t.encode('a <new-1> of <new-2>cat'), t.encode('a <NEW-1> b')",
    "t.decode(t.encode('a <new-1> of <new-2>cat'))",
    "t.tokenize('a <new-1> of')",
    "t.get_added_vocab()",
    "t.add_special_tokens({'additional_special_tokens': ['<sp>']})",
    "t.all_special_ids",
    "t.add_tokens('<sp2>', special_tokens=True)",
    "t.add_tokens([AddedToken('<three>', lstrip=True, normalized=False)])",
    "t.encode('a <sp2> of <SP2> b <three>c <THREE>')",
    "t.decode(t.encode('a <sp2> of <sp>'), skip_special_tokens=True)",
    "t('a <new-1>', padding='max_length', truncation=True, return_tensors='pt').input_ids",
]


def value(line: str, tokenizer: Any) -> Any:
    names = {"t": tokenizer, "torch": torch, "AddedToken": tokenizers.AddedToken}
    return eval(line, names)


def assert_same(found: Any, expected: Any) -> None:
    if isinstance(expected, torch.Tensor):
        assert found.dtype == expected.dtype
        assert torch.equal(found, expected)
    else:
        assert not isinstance(expected, Mapping) or dict(found) == dict(expected)
        assert found == expected


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tokenizer")
    bpe.write_files(folder, pad_token=bpe.END)
    return folder


@pytest.fixture(scope="module")
def both(folder: Path) -> tuple[CLIPTokenizer, Any]:
    return CLIPTokenizer.from_pretrained(folder), tiny.tokenizer(folder, bpe.END)


@pytest.mark.parametrize("line", LINES)
def test_lines(both: Any, line: str) -> None:
    ours, theirs = both
    assert_same(value(line, ours), value(line, theirs))


def test_tokens_that_are_added(folder: Path, tmp_path: Path) -> None:
    ours, theirs = CLIPTokenizer.from_pretrained(folder), tiny.tokenizer(tmp_path, bpe.END)
    for line in ADDING:
        assert_same(value(line, ours), value(line, theirs))
    ours.save_pretrained(tmp_path / "ours")
    again = CLIPTokenizer.from_pretrained(tmp_path / "ours")
    for line in ADDING[3:9]:
        assert value(line, again) == value(line, ours)
    unchanged = CLIPTokenizer.from_pretrained(folder)
    assert len(unchanged) == unchanged.vocab_size


def test_a_token_that_is_there_is_not_added(both: Any) -> None:
    assert both[0].add_tokens(["cat</w>", bpe.END]) == 0


def test_what_cannot_be_is_refused_in_one_line(both: Any) -> None:
    tokenizer, _ = both
    for call, kind, message in (
        (lambda: tokenizer.convert_ids_to_tokens(10**7), RequestError, "out of range"),
        (lambda: tokenizer.convert_ids_to_tokens([-1]), RequestError, "out of range"),
        (lambda: tokenizer.add_tokens([""]), RequestError, "not empty"),
        (lambda: tokenizer.add_tokens([5]), RequestError, "must be a text"),
        (lambda: tokenizer.add_special_tokens({"pad_token": "!"}), NotYetError, "pad_token"),
        (lambda: tokenizer("a", text_pair="b"), NotYetError, "text_pair='b'"),
        (lambda: tokenizer("a", paddding=True), UnknownArgumentError, "mean 'padding'"),
        (lambda: tokenizer.pad({"labels": [[1]]}), RequestError, "pad takes input_ids"),
        (lambda: tokenizer.pad({"input_ids": "text"}), RequestError, "lists of token ids"),
    ):
        with pytest.raises(kind, match=message) as caught:
            call()
        assert "\n" not in str(caught.value)
