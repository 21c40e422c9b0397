"""Learnt words of a pipeline (textual inversion), as scripts for the reference library load them.

Each function is a method of the pipeline, which is its first argument. The tokenizer that a
pipeline shares with others is not changed: it gets one of its own. The text encoder looks the
vectors up beside its table.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol, cast

import torch
from torch import Tensor

from kakusan.checkpoints.arguments import Published, check_published
from kakusan.checkpoints.embeddings import Embedding, embedding_of, embedding_of_tensor
from kakusan.checkpoints.source import PathLike
from kakusan.conditioning.embeddings import Where, learnt_by, located
from kakusan.errors import RequestError, kind_of, shown
from kakusan.models import CLIPTextModel, CLIPTextModelWithProjection, LearntTokens, within
from kakusan.text import CLIPTokenizer, LearntWord, tokens_of

State = Mapping[str, Tensor] | Tensor
Given = PathLike | State
Encoder = CLIPTextModel | CLIPTextModelWithProjection
_TOKENIZERS = {"text_encoder": "tokenizer", "text_encoder_2": "tokenizer_2"}
_LOADING = {
    "proxies": Published((None, {}), "set HTTPS_PROXY in the environment"),
    "mirror": Published((None, ""), "set HF_ENDPOINT in the environment to the mirror's address"),
    "resume_download": Published(),
}
_KNOWN = (
    *("pretrained_model_name_or_path", "token", "tokenizer", "text_encoder", "weight_name"),
    *("subfolder", "revision", "cache_dir", "force_download", "local_files_only", "hf_token"),
    "use_safetensors",
)


class Pipe(Protocol):
    """What these methods need of the pipeline."""

    @property
    def components(self) -> dict[str, Any]: ...


class _Pair(NamedTuple):
    """A text encoder and its tokenizer, by the name of the former in the pipeline."""

    part: str
    encoder: Encoder
    tokenizer: CLIPTokenizer


def load_textual_inversion(
    pipe: Pipe,
    pretrained_model_name_or_path: Given | Sequence[Given],
    token: str | Sequence[str | None] | None = None,
    tokenizer: CLIPTokenizer | None = None,
    text_encoder: Encoder | None = None,
    *,
    weight_name: str | None = None,
    subfolder: str | None = None,
    revision: str | None = None,
    cache_dir: PathLike | None = None,
    force_download: bool = False,
    local_files_only: bool = False,
    hf_token: str | bool | None = None,
    use_safetensors: bool | None = None,
    **published: Any,
) -> None:
    """Teach the pipeline words from files, which prompts name by their tokens.

    A word of n vectors has n tokens: `<word>`, `<word>_1`, ...; a prompt names it by the first.

    Args:
        pretrained_model_name_or_path: A file or folder, OWNER/NAME or OWNER/NAME/FILE of the Hub, a
            state dict, or a tensor of vectors (n, width); or several of them.
        token: What prompts call it, in place of the name that it has; one for each. With several
            for one tensor each gets one of its vectors.
        tokenizer, text_encoder: Those of the pipeline that are to learn it; of SDXL both pairs
            where not given.
        weight_name: Of the file in a folder or on the Hub, else learned_embeds.safetensors or .bin.
        published: What the reference takes and changes nothing here.

    Raises:
        CheckpointError: A file is missing, broken, or holds something else.
        RequestError: Vectors are not for this model, or a word is there already.
        UnknownArgumentError: An argument that does not exist.
    """
    check_published("load_textual_inversion", published, _LOADING, _KNOWN)
    where = Where(
        weight_name=weight_name,
        subfolder=subfolder,
        revision=revision,
        cache_dir=None if cache_dir is None else Path(cache_dir),
        force_download=force_download,
        local_files_only=local_files_only,
        token=hf_token,
        use_safetensors=use_safetensors,
    )
    pairs = _pairs(pipe, text_encoder, tokenizer)
    found = _embeddings(pretrained_model_name_or_path, token, where)
    named = text_encoder is not None or tokenizer is not None
    vectors = [_vectors_of(each, pairs, named=named) for each in found]
    made = [(pair, *_taught(pair, found, vectors)) for pair in pairs]
    for pair, read, learnt in made:  # all of it was checked before anything changes
        setattr(pipe, _TOKENIZERS[pair.part], read)
        pair.encoder.learn(learnt)


def unload_textual_inversion(
    pipe: Pipe,
    tokens: str | Sequence[str] | None = None,
    tokenizer: CLIPTokenizer | None = None,
    text_encoder: Encoder | None = None,
) -> None:
    """Have the pipeline forget learnt words, or all of them; weights are as they were before.

    Args:
        tokens: The words, as prompts name them; all where not given.
        tokenizer, text_encoder: Those of the pipeline that are to forget them; of SDXL both pairs
            where not given.

    Raises:
        RequestError: It has no such word.
    """
    names = [tokens] if isinstance(tokens, str) else tokens
    pairs = _pairs(pipe, text_encoder, tokenizer)
    known = {name for pair in pairs for name in pair.tokenizer.learnt}
    for name in names or ():
        if name not in known:
            listed = ", ".join(map(shown, sorted(known)[:8])) or "none"
            raise RequestError(f"there is no learnt word {shown(name)}; there are: {listed}")
    for pair in pairs:
        words = pair.tokenizer.learnt
        kept = {name: word for name, word in words.items() if names and name not in names}
        if len(kept) == len(words):
            continue
        learnt = _kept(pair, kept)
        setattr(pipe, _TOKENIZERS[pair.part], pair.tokenizer.learning(kept))
        pair.encoder.learn(learnt)


def maybe_convert_prompt(
    _pipe: Pipe, prompt: str | list[str], tokenizer: CLIPTokenizer
) -> str | list[str]:
    """Prompts with all tokens of learnt words that have several; calls do this themselves."""
    if isinstance(prompt, str):
        return tokenizer.with_learnt(prompt)
    return [tokenizer.with_learnt(each) for each in prompt]


def _pairs(
    pipe: Pipe, text_encoder: Encoder | None, tokenizer: CLIPTokenizer | None
) -> list[_Pair]:
    """The text encoders that are meant, with their tokenizers."""
    parts = pipe.components
    found: list[_Pair] = []
    for part, name in _TOKENIZERS.items():
        encoder, own = within(parts.get(part)), parts.get(name)
        same_encoder = text_encoder is None or within(text_encoder) is encoder
        same_tokenizer = tokenizer is None or _is_same(tokenizer, own)
        if encoder is not None and own is not None and same_encoder and same_tokenizer:
            found.append(_Pair(part, cast(Encoder, encoder), own))
    if found:
        return found
    if text_encoder is None and tokenizer is None:
        raise RequestError("this pipeline has no text encoder with a tokenizer to learn a word")
    raise RequestError(
        "text_encoder and tokenizer must be of this pipeline and belong together, such as "
        "pipe.text_encoder_2 and pipe.tokenizer_2"
    )


def _is_same(tokenizer: object, own: object) -> bool:
    """Whether both are one tokenizer, whatever words it has learnt."""
    both = (tokenizer, own)
    plain = [each.without_learnt for each in both if isinstance(each, CLIPTokenizer)]
    return len(plain) == 2 and plain[0] is plain[1]


def _embeddings(
    given: Given | Sequence[Given], token: str | Sequence[str | None] | None, where: Where
) -> list[Embedding]:
    """What is given, under the names that are wanted."""
    several = list(given) if isinstance(given, list | tuple) else [cast(Given, given)]
    names = [token] if isinstance(token, str) or token is None else list(token)
    for name in names:
        if name is not None and not (isinstance(name, str) and name.strip()):  # pyright: ignore
            raise RequestError(f"token must be a text that is not empty, not {shown(name)}")
    only = several[0] if len(several) == 1 else None
    if isinstance(only, Tensor) and len(names) > 1:
        if only.ndim != 2 or len(only) != len(names):
            raise RequestError(
                f"the tensor has the shape {tuple(only.shape)}, and {len(names)} tokens are given; "
                "give one for each of its vectors"
            )
        several = list(only)
    if len(names) == 1 and names[0] is None:
        names = names * len(several)
    if len(names) != len(several):
        raise RequestError(f"{len(several)} embeddings and {len(names)} tokens; give one for each")
    found = [_embedding(each, name, where) for each, name in zip(several, names, strict=True)]
    tokens = [each.token for each in found]
    for name in tokens:
        if tokens.count(name) > 1:
            raise RequestError(f"two embeddings are called {shown(name)}; say with token= which")
    return found


def _embedding(given: Given, name: str | None, where: Where) -> Embedding:
    if isinstance(given, Tensor):
        if name is None:
            raise RequestError("a tensor has no name; say with token= what prompts call it")
        return embedding_of_tensor(given, name)
    if isinstance(given, Mapping):
        found = embedding_of(given, where="the state dict", stem=name)
    elif isinstance(given, str | Path) or hasattr(given, "__fspath__"):
        found = located(str(given), where)
    else:
        raise RequestError(
            f"an embedding is a file, a state dict or a tensor, not {kind_of(given)}"
        )
    return found if name is None else found.named(name)


def _vectors_of(embedding: Embedding, pairs: Sequence[_Pair], *, named: bool) -> dict[str, Tensor]:
    """An embedding's vectors for each text encoder that is to learn it."""
    if not named and embedding.path is None and not embedding.is_pair:
        pairs = pairs[:1]  # what is handed in is for the first text encoder, as in the reference
    widths = {pair.part: pair.encoder.config.hidden_size for pair in pairs}
    return embedding.for_model(widths, whole=not named)


def _taught(
    pair: _Pair, found: Sequence[Embedding], vectors: Sequence[Mapping[str, Tensor]]
) -> tuple[CLIPTokenizer, LearntTokens | None]:
    """The tokenizer with new words, and what the text encoder looks up beside its table then."""
    own = [
        (each, rows[pair.part])
        for each, rows in zip(found, vectors, strict=True)
        if pair.part in rows
    ]
    if not own:
        return pair.tokenizer, pair.encoder.learnt
    words = {
        each.token: LearntWord(len(rows), each.file, each.source, each.hash) for each, rows in own
    }
    already = pair.tokenizer.learnt
    for name in words:
        if name in already:
            raise RequestError(
                f"there is a learnt word {shown(name)} already; give another token=, or call "
                "unload_textual_inversion before"
            )
    read = pair.tokenizer.learning({**already, **words})
    rows = torch.cat([rows for _, rows in own]).to(pair.encoder.stored_dtype)
    return read, learnt_by(pair.encoder, len(pair.tokenizer), rows, tuple(tokens_of(words)))


def _kept(pair: _Pair, kept: Mapping[str, LearntWord]) -> LearntTokens | None:
    """What the text encoder still looks up beside its table, once other words are forgotten."""
    first = len(pair.tokenizer.without_learnt)
    table = pair.encoder.get_input_embeddings() if pair.encoder.learnt is None else None
    tokens = tokens_of(kept)
    ids = torch.tensor(pair.tokenizer.convert_tokens_to_ids(tokens), dtype=torch.long)
    if table is None:
        assert pair.encoder.learnt is not None
        rows = pair.encoder.learnt.vectors[ids - pair.encoder.learnt.first]
    else:  # they were put into it, for somebody who asked for the whole table
        rows = table(ids.to(table.weight.device)).detach()
        if table.num_embeddings == len(pair.tokenizer):
            pair.encoder.resize_token_embeddings(first)
    return LearntTokens(first, rows, tuple(tokens)) if kept else None
