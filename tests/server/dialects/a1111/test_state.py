"""The settings of callers, over restarts."""

from pathlib import Path

import pytest

from kakusan.server.dialects.a1111.errors import ApiError
from kakusan.server.dialects.a1111.state import Options
from kakusan.server.worker.catalog import Catalog

CATALOG = Catalog.of()
SKIP = "CLIP_stop_at_last_layers"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "a1111.json"


def test_settings_outlive_the_server(file: Path) -> None:
    options = Options(CATALOG, file)
    found, unknown = options.with_changes("ann", {SKIP: 2, "of_a_stranger": 1}, absent=404)
    assert unknown == ["of_a_stranger"]
    options.keep("ann", found)
    again = Options(CATALOG, file)
    assert (again.of("ann")[SKIP], again.of("bob")[SKIP]) == (2, 1)
    assert again.of("ann") == options.of("ann")
    # the usual model stays whichever it is
    assert "sd_model_checkpoint" not in file.read_text()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b'{"ann": 5}',
        b'{"ann": {"CLIP_stop_at_last_layers": "x"}}',
        b'{"ann": {"sd_model_checkpoint": "gone", "sd_vae": "gone"}}',
    ],
)
def test_what_cannot_be_read_or_is_gone_is_as_usual(file: Path, data: bytes) -> None:
    file.write_bytes(data)
    assert Options(CATALOG, file).of("ann") == Options(CATALOG, file).of("bob")


@pytest.mark.parametrize("status", [404, 422])
@pytest.mark.parametrize("name", ["sd_model_checkpoint", "sd_vae"])
def test_what_is_not_there(file: Path, name: str, status: int) -> None:
    with pytest.raises(ApiError, match="gone") as caught:
        Options(CATALOG, file).with_changes("ann", {name: "gone"}, absent=status)
    assert caught.value.status == status


def test_a_disk_that_takes_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    options = Options(CATALOG, tmp_path / "nowhere" / "a1111.json")
    (tmp_path / "nowhere").write_text("a file")
    options.keep("ann", options.with_changes("ann", {SKIP: 2}, absent=404)[0])
    assert options.of("ann")[SKIP] == 2
    assert "kept until the server ends" in caplog.text


@pytest.mark.parametrize("nothing", ["", None])
def test_no_checkpoint_is_the_one_before(file: Path, nothing: str | None) -> None:
    found, _ = Options(CATALOG, file).with_changes(
        "ann", {"sd_model_checkpoint": nothing}, absent=404
    )
    assert found["sd_model_checkpoint"] == "builtin"
