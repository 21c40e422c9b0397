"""What became of a row as bytes: a line of JSON, and the files of its pictures behind it."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from kakusan.batch.row import Drawn, Finished


class Parcel(NamedTuple):
    """A finished row, and what its worker had to say meanwhile."""

    finished: Finished
    notices: Sequence[str] = ()

    def packed(self) -> bytes:
        """As bytes."""
        head = {
            "number": self.finished.number,
            "status": self.finished.status,
            "error": self.finished.error,
            "pictures": [_told(each) for each in self.finished.pictures],
            "notices": list(self.notices),
        }
        files = (each.data for each in self.finished.pictures)
        return b"".join((json.dumps(head).encode(), b"\n", *files))

    @classmethod
    def unpacked(cls, data: bytes) -> "Parcel":
        """From bytes, which a worker of this version made."""
        line, _, rest = data.partition(b"\n")
        head, pictures, at = json.loads(line), list[Drawn](), 0
        for told in head["pictures"]:
            size = told.pop("size")
            pictures.append(Drawn(rest[at : at + size], **told))
            at += size
        finished = Finished(head["number"], head["status"], tuple(pictures), head["error"])
        return cls(finished, head["notices"])


def _told(drawn: Drawn) -> dict[str, Any]:
    return {
        "size": len(drawn.data),
        "width": drawn.width,
        "height": drawn.height,
        "prompt": drawn.prompt,
    }
