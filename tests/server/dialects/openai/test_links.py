"""Links that need no token: only those made here, and for an hour."""

from urllib.parse import parse_qsl, urlsplit

import pytest

from kakusan.server.dialects.openai.links import GOOD_FOR, Linked, Links

TO = Linked("0192-job", 1, "jpeg", 80)


def parts(path: str) -> tuple[str, str, dict[str, str]]:
    split = urlsplit(path)
    folder, job, name = split.path.split("/")
    assert folder == "files"
    return job, name, dict(parse_qsl(split.query))


def test_a_link_leads_back_until_it_expires() -> None:
    links = Links(b"key")
    job, name, query = parts(links.path(TO, now=1000.0))
    assert name == "1.jpg"
    assert links.read(job, name, **query, now=1000.0) == TO
    assert links.read(job, name, **query, now=999.0 + GOOD_FOR) == TO
    assert links.read(job, name, **query, now=1000.0 + GOOD_FOR) is None


@pytest.mark.parametrize(
    "change",
    [
        {"job": "0193-job"},
        {"name": "2.jpg"},
        {"name": "1.png"},
        {"name": "1.svg"},
        {"name": "../1.jpg"},
        {"name": "1"},
        {"expires": "999999999999"},
        {"expires": "-1"},
        {"expires": "٣"},
        {"compression": "100"},
        {"compression": ""},
        {"signature": ""},
        {"signature": "é"},
    ],
)
def test_a_changed_link_leads_nowhere(change: dict[str, str]) -> None:
    links = Links(b"key")
    job, name, query = parts(links.path(TO, now=1000.0))
    asked = {"job": job, "name": name, **query, **change}
    assert links.read(asked.pop("job"), asked.pop("name"), **asked, now=1000.0) is None


def test_another_key_reads_none() -> None:
    job, name, query = parts(Links(b"key").path(TO, now=1000.0))
    assert Links(b"other").read(job, name, **query, now=1000.0) is None
