"""How names are compared: what a person types, and what is left of it."""

import re
import unicodedata

# As AUTOMATIC1111's text in pictures says it
_IN_PICTURES = re.compile(
    r"(?:sampler:)?([^,:]+)(?:,\s*schedule type:([^,:]+))?,?\s*", re.IGNORECASE
)
_LONGEST = 200  # characters of a name


def plain(name: str) -> str:
    """A name in ordinary letters, without the keys of a picture's text that it was copied from."""
    if len(name) > _LONGEST:
        return ""
    said = unicodedata.normalize("NFKC", name).strip()
    copied = _IN_PICTURES.fullmatch(said)
    return said if copied is None else f"{copied[1].strip()} {(copied[2] or '').strip()}".strip()


def folded(name: str) -> str:
    """A name without case and without what separates words; a slash stays."""
    plain = name.casefold().replace("++", "pp")
    return "".join(each for each in plain if each.isalnum() or each == "/")
