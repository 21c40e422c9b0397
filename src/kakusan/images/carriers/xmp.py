"""XMP: an XML packet, read without entities, document types or anything from elsewhere."""

from xml.parsers import expat

from kakusan.images.carriers.texts import Texts

_STRUCTURE = {"rdf:RDF", "rdf:Description", "rdf:Alt", "rdf:Seq", "rdf:Bag", "rdf:li", "x:xmpmeta"}
_DEEPEST = 200


class _RefusedError(Exception):
    pass


def read_xmp(packet: bytes, texts: Texts) -> None:
    """Every property that has a text, under its name without the prefix.

    Values stand in elements, in lists in elements, or in attributes.
    """
    reader = _Reader(texts)
    try:
        reader.read(packet.strip(b"\0 \t\r\n"))
    except (expat.ExpatError, _RefusedError, UnicodeError, ValueError, LookupError):
        texts.fail("xmp", "is no XML that can be read")


class _Reader:
    """What expat calls, one event after the other."""

    def __init__(self, texts: Texts) -> None:
        self._texts = texts
        self._path: list[str] = []
        self._pieces: list[str] = []
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._pieces.append
        self._parser.StartDoctypeDeclHandler = self._refuse
        self._parser.EntityDeclHandler = self._refuse
        self._parser.ExternalEntityRefHandler = self._refuse

    def read(self, packet: bytes) -> None:
        self._parser.Parse(packet, True)

    def _refuse(self, *_declared: object) -> int:
        raise _RefusedError

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._path.append(name)
        self._pieces.clear()
        if len(self._path) > _DEEPEST:
            raise _RefusedError
        for attribute, value in attributes.items():
            if not attribute.startswith(("xmlns", "xml:", "rdf:")):
                self._texts.add("xmp", _local(attribute), value)

    def _end(self, _name: str) -> None:
        text = "".join(self._pieces)
        self._pieces.clear()
        property_ = next((each for each in reversed(self._path) if each not in _STRUCTURE), None)
        if text.strip() and property_ is not None:
            self._texts.add("xmp", _local(property_), text)
        self._path.pop()


def _local(name: str) -> str:
    return name.rpartition(":")[2]
