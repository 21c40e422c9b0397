"""What happens now is known to whoever asks, and forgotten when it is over."""

from kakusan.server.worker.watching import Board


def test_progress_is_known_while_a_job_runs() -> None:
    board = Board()
    assert board.progress("a") is None
    board.began("a", 10, step=4, pictures=1)
    told = board.progress("a")
    assert told is not None
    assert (told.step, told.steps, told.eta_s, told.pictures) == (4, 10, None, 1)
    board.stepped("a", 7, picture=1, pictures=1)
    told = board.progress("a")
    assert told is not None
    assert told.step == 7
    assert told.eta_s is not None
    board.ended("a")
    assert board.progress("a") is None
    board.stepped("a", 8, picture=1, pictures=1)
    assert board.progress("a") is None


def test_previews_are_wanted_while_somebody_watches() -> None:
    board = Board()
    with board.watch("a"):
        with board.watch("a"):
            assert board.is_watched("a")
        assert board.is_watched("a")
    assert not board.is_watched("a")
    board.show("a", b"x")
    assert board.preview("a") is None
    board.began("a", 1)
    board.show("a", b"x")
    assert board.preview("a") == b"x"
    assert board.running == ["a"]
