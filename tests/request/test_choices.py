"""What is no choice is told of once, whoever asks."""

import logging

import pytest

from kakusan.request import Request
from kakusan.request.choices import say_left, with_choices


def test_what_looks_like_a_choice_is_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    written = "a ${name} cat {!a|b}"
    request = Request(prompt=(written,) * 3, prompt_syntax="webui")
    with caplog.at_level(logging.WARNING):
        say_left(request, request)
        made = with_choices(request, [1, 2, 3], ())
    assert made.prompt == (written,) * 3
    (told,) = caplog.messages
    assert "'${', '{!', which chooses nothing by the seed and is taken as it stands" in told
