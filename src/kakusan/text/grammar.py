"""Grammars of prompts, found where they are read as plain words.

AUTOMATIC1111's web UI and what grew from it, ComfyUI, NovelAI, compel and Midjourney. A pair of
plain brackets is a weight in some of them and means nothing in most prompts: it is no grammar here.
"""

import re

MOST = 20  # that are told of one text
_LENGTH = 5_000  # characters of a text that are looked at; more than any text encoder takes
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)"
# Before a weight's colon there is no digit: "(at 10:30)" is a time, and "(happy :3)" a smile
_WEIGHT = rf"[^\d\s()\[\]:](?::\s?{_NUMBER}|\s:\s?\d*\.\d+|\s:\s{_NUMBER})\s?"
_FORMS = {
    "named": (  # stands for no words of a picture
        r"<[^\W\d][\w.-]{0,40}:[^<>]{1,200}>",  # <lora:name:0.8>, <hypernet:name:1>
        r"<[\w.-]{1,60}>",  # textual inversion
        r"(?<!\w)embedding:[^\s,()]{1,100}",
        r"(?<!\w)__[^\W_][\w/*.-]{0,100}?__(?!\w)",  # a wildcard
        r"(?<![\w-])--[a-z]{1,20}(?:\s\d[\d:.]*)?(?![\w-])",  # --ar 16:9
        r"(?<!\w)BREAK(?!\w)",
    ),
    "joining": (r"(?<![A-Z] )(?<!\w)AND(?!\w)",),  # not in "a ROCK AND ROLL band"
    "bracketed": (
        r"(?:\(\s?){2,}[^()]{0,60}\){0,9}",
        r"\[{2,}[^\[\]]{0,60}\]{0,9}",
        r"\{{2,}[^{}]{0,60}\}{0,9}",
        rf"\([^()]{{0,100}}{_WEIGHT}(?:\)|$)",
        rf"(?<=\))[^()]{{0,100}}{_WEIGHT}\)",  # after brackets inside
        rf"\[(?:[^\[\]]{{0,200}}[^\d\[\]])?:\s?{_NUMBER}%?\s?\]",  # [from:to:when]
        r"\[[^\[\]|]{0,200}\|[^\[\]]{0,200}\]",
        r"\{[^{}|]{0,200}\|[^{}]{0,200}\}",
        r"\\\([^()\\]{0,60}\\\)",
        r"\([^()]{1,60}\)(?:\++|--+|\d*\.\d+)",  # compel's (a cat)1.3
        r"[^\W\d_]{2,40}\+\+\+{0,9}",
        r"[\w)]{1,40}\.(?:blend|and|swap)\(",
        rf"[^\s:]{{0,40}}::(?:\s?{_NUMBER})?",  # hot dog::2
    ),
}
_FORM = re.compile(
    "|".join(f"(?P<{kind}>{'|'.join(forms)})" for kind, forms in _FORMS.items()), re.DOTALL
)
_WEIGHTS = re.compile(rf"[:)]\s?{_NUMBER}")
_SHOUTED = re.compile(r"(?<!\w)(?:BREAK|AND)(?!\w)")


def unread_grammar(text: str) -> list[str]:
    """What of a text is another program's grammar, each form as it stands there, once."""
    found = dict.fromkeys(match[0].strip() for match in _matches(_looked_at(text)))
    return list(found)[:MOST]


def without_grammar(text: str) -> str:
    """The words of a text that would be left if its grammar were read."""
    text, plain, end = _looked_at(text), list[str](), 0
    for match in _matches(text):
        plain += [text[end : match.start()], _plain(match)]
        end = match.end()
    return "".join([*plain, text[end:]])


def _plain(match: re.Match[str]) -> str:
    if match["named"] is not None:
        return " "
    return _WEIGHTS.sub(" ", match[0])


def _looked_at(text: str) -> str:
    return re.sub(r"\s+", " ", text)[:_LENGTH]


def _matches(text: str) -> list[re.Match[str]]:
    """All that is grammar; not the words BREAK and AND in a text that is capitals throughout."""
    shouts = _SHOUTED.sub(" ", text).isupper()
    return [m for m in _FORM.finditer(text) if not (shouts and _SHOUTED.fullmatch(m[0]))]
