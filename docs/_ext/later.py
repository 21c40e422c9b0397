"""What comes later, as a part of a page: the very table that errors are made of."""

from collections.abc import Iterator, Mapping

from kakusan import later

PARTS = {
    "Names of the package": later.PACKAGE,
    "On a pipeline": later.PIPELINE,
    "Arguments of a call": later.CALL,
}


def as_markdown() -> str:
    """The names under what to do instead, which their error says too."""
    return "\n".join(line for title, table in PARTS.items() for line in _lines(title, table))


def _lines(title: str, table: Mapping[str, str]) -> Iterator[str]:
    yield f"### {title}\n"
    for instead in dict.fromkeys(table.values()):
        names = ", ".join(f"`{name}`" for name, other in table.items() if other == instead)
        yield f"{names}\n: {instead[0].upper()}{instead[1:]}.\n"
