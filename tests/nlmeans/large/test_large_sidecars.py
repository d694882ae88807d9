"""A run by blocks touches its own files alone, and delivers what was asked for, whatever lies beside its output."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sidecars import GREY, OTHER, check, denoise, killed, refused, right, stopped

import nlmeans
from nlmeans.formats import PictureError, locks
from nlmeans.formats.own import zarr as zarr_format
from nlmeans.large import manifest, workers
from nlmeans.large.names import Names

zarr = pytest.importorskip("zarr", reason="zarr is not installed: pip install 'nlmeans[scale]'")


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(zarr_format.FORMAT, "chunk", {"Y": 50, "X": 64})
    np.save("noisy.npy", GREY)
    np.save("other.npy", OTHER)


FORGED = b'{"made of": {}}\n{"finished": "nothere", "old": "precious"}\n'
FOREIGN = [b"my notes", b"a list\nof things\n", b"\xff\xfe\0\n", b"[" * 100_000 + b"]" * 100_000 + b"\n", FORGED]
FOREIGN += [manifest.HEAD + b"[" * 100_000 + b"\n", b'{"made of": {"nlmeans": "0.1.0"}}\n']


@pytest.mark.parametrize("text", FOREIGN, ids=range(len(FOREIGN)))
def test_a_manifest_that_is_none_is_left_alone(text):
    Path("precious").mkdir()
    Path("precious", "file").write_bytes(b"precious")
    Path("clean.npy.part.manifest").write_bytes(text)
    refused(PictureError, "is not the manifest of an unfinished output: move it away")


@given(st.binary(max_size=40))
def test_any_bytes_are_no_manifest(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("bytes") / "manifest"
    path.write_bytes(text)
    if text:
        with pytest.raises(PictureError, match="is not the manifest"):
            manifest.Manifest(path)
        assert path.read_bytes() == text
    else:
        with manifest.Manifest(path) as empty:
            assert empty.identity is None
        assert not path.exists()


@pytest.mark.parametrize("ending", [".part", ".part.packed", ".part.old"])
@pytest.mark.parametrize("folder", [False, True])
def test_foreign_files_with_our_names_are_left_alone(ending, folder):
    place = Path(f"clean.npy{ending}")
    if folder:
        place.mkdir()
        place = place / "file"
    place.write_bytes(b"precious")
    refused(FileExistsError, "is there without its manifest: move it away")


ON_WINDOWS = pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows, which has no named pipes")


@pytest.mark.parametrize("kind", ["folder", *(pytest.param(kind, marks=ON_WINDOWS) for kind in ("link", "pipe"))])
def test_a_manifest_that_is_no_file_is_left_alone(kind):
    path = Path("clean.npy.part.manifest")
    if kind == "folder":
        path.mkdir()
    elif kind == "link":
        Path("empty").touch()
        path.symlink_to("empty")
    else:
        os.mkfifo(path)
    with pytest.raises(PictureError, match="is not the manifest"):
        denoise()
    assert os.path.lexists(path)


def test_a_store_of_that_name_is_not_lost_under_way():
    denoise(target="clean.zarr", sigma=20)
    stopped(target="clean.zarr", overwrite=True)
    Path("clean.zarr.part.old").mkdir()
    refused(FileExistsError, "clean.zarr.part.old is there, and no run has put it", target="clean.zarr", overwrite=True)
    Path("clean.zarr.part.old").rmdir()
    denoise(target="clean.zarr", overwrite=True)
    check("clean.zarr")


@given(st.data())
def test_a_line_that_was_changed_is_not_believed(tmp_path_factory, data):
    """Whatever changes in a file of ours: what it says is a part of what was written, or it is refused."""
    path = tmp_path_factory.mktemp("lines") / "manifest"
    with manifest.Manifest(path) as one:
        one.begin({"nlmeans": "0"})
        for block in range(4):
            one.add({"block": block, "missing": block})
    text = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        place = data.draw(st.sampled_from([k for k, letter in enumerate(text) if chr(letter).isdigit()]))
        text[place] = ord(data.draw(st.sampled_from("0123456789")))
    else:
        start = data.draw(st.integers(0, len(text)))
        text[start : start + data.draw(st.integers(0, 60))] = data.draw(st.binary(max_size=8))
    path.write_bytes(bytes(text))
    try:
        with manifest.Manifest(path) as one:
            assert one.identity in (None, {"nlmeans": "0"})
            assert all(one.done[block] == {"block": block, "missing": block} for block in one.done)
            assert set(one.done) <= set(range(4))
    except PictureError as error:
        assert "is not the manifest" in str(error)  # noqa: PT017
        assert path.read_bytes() == text


def test_a_block_that_is_claimed_falsely_is_done_again():
    stopped()
    path = Path("clean.npy.part.manifest")
    path.write_text(path.read_text().replace('"block": 1,', '"block": 3,'))
    denoise()
    check("clean.npy")


def test_lines_of_another_manifest_are_not_believed():
    stopped(sigma=20, target="else.npy")
    stopped(count=1)
    path = Path("clean.npy.part.manifest")
    lines = Path("else.npy.part.manifest").read_text().splitlines(True)
    path.write_text(path.read_text() + lines[-1])
    denoise()
    check("clean.npy")


@pytest.mark.parametrize(
    ("before", "now"),
    [(dict(nodata=7), {}), ({}, dict(nodata=7)), (dict(mask=np.ones(GREY.shape, bool)), {}), (dict(guide=GREY), {})],
)
def test_what_was_asked_for_and_is_not_any_more_is_another_call(before, now):
    stopped(**before)
    refused(PictureError, "must be gone on with as it was begun", **now)
    denoise(**before)


@pytest.mark.parametrize("change", [dict(sigma=20), dict(source="other.npy"), dict(fill=False)], ids=str)
@pytest.mark.parametrize("target", ["clean.npy", "clean.tif"])
def test_what_is_finished_is_not_delivered_for_something_else(change, target, monkeypatch):
    killed(monkeypatch, "place", target=target)
    refused(PictureError, "must be gone on with as it was begun", target=target, **change)
    denoise(target=target)
    check(target)
    assert sorted(os.listdir()) == ["clean" + target[5:], "noisy.npy", "other.npy"]


@pytest.mark.parametrize("target", ["clean.npy", "clean.zarr"])
def test_what_is_delivered_is_not_told_of_something_else(target, monkeypatch):
    """The same call is done; another needs leave to replace the output, and makes its own."""
    killed(monkeypatch, "tidy", target=target)
    with pytest.raises(FileExistsError, match="exists already"):
        denoise("other.npy", target)
    assert sorted(os.listdir()) == sorted([target, "noisy.npy", "other.npy"])
    denoise(target=target, overwrite=True)
    killed(monkeypatch, "tidy", target=target, overwrite=True)
    assert denoise(target=target).sigma == (50,)
    killed(monkeypatch, "tidy", target=target, overwrite=True)
    assert denoise("other.npy", target, overwrite=True, sigma=20).sigma == (20,)
    assert sorted(os.listdir()) == sorted([target, "noisy.npy", "other.npy"])


def test_in_place_nothing_is_denoised_twice_unless_it_is_asked_for(monkeypatch):
    killed(monkeypatch, "tidy", target="noisy.npy", overwrite=True)
    report = denoise(target="noisy.npy", overwrite=True)
    ref = replace(nlmeans.plan(GREY, 50, quality="fast", search_radius=1), seconds=0.0)
    assert type(report.plan) is type(ref)
    assert report.plan == ref
    check("noisy.npy")
    np.save("noisy.npy", GREY)
    killed(monkeypatch, "tidy", target="noisy.npy", overwrite=True)
    denoise(target="noisy.npy", overwrite=True, sigma=20)
    check("noisy.npy", right(), 20)


def test_an_output_that_was_put_there_meanwhile_is_not_told_for_ours(monkeypatch):
    killed(monkeypatch, "tidy")
    np.save("clean.npy", OTHER)
    with pytest.raises(FileExistsError, match="exists already"):
        denoise()
    np.testing.assert_array_equal(np.load("clean.npy"), OTHER)
    denoise(overwrite=True)
    check("clean.npy")


def test_a_store_gets_its_name_back_when_the_new_one_did_not_come(monkeypatch):
    denoise(target="clean.zarr", sigma=20)
    real = os.replace

    def replace(old, new):
        if Path(new).name == "clean.zarr":
            raise KeyboardInterrupt
        real(old, new)

    def half():
        with monkeypatch.context() as patched:
            patched.setattr(os, "replace", replace)
            with pytest.raises(KeyboardInterrupt):
                denoise(target="clean.zarr", overwrite=True)

    half()
    assert not Path("clean.zarr").exists()
    with pytest.raises(PictureError, match="must be gone on with as it was begun"):
        denoise(target="clean.zarr", overwrite=True, sigma=30)
    check("clean.zarr", sigma=20)
    half()
    zarr.create_group("clean.zarr")  # by somebody else
    refused(FileExistsError, "holds what .* was before: move one", target="clean.zarr", overwrite=True)
    shutil.rmtree("clean.zarr")
    denoise(target="clean.zarr", overwrite=True)
    check("clean.zarr")
    assert sorted(os.listdir()) == ["clean.zarr", "noisy.npy", "other.npy"]


@pytest.mark.parametrize("step", ["place", "tidy"])
def test_a_folder_that_no_run_has_replaced_is_left_alone(step, monkeypatch):
    killed(monkeypatch, step, target="clean.zarr")
    Path("clean.zarr.part.old").mkdir()
    Path("clean.zarr.part.old", "file").write_bytes(b"precious")
    refused(FileExistsError, "is there, and no run has put it there", target="clean.zarr", overwrite=True)


def test_half_an_output_is_begun_anew():
    """A kill while it is created; an empty manifest is what earlier versions left."""
    for text in (b"", manifest.HEAD + b'"0.1'):
        Path("clean.npy.part.manifest").write_bytes(text)
        Path("clean.npy.part").write_bytes(b"half")
        denoise(overwrite=True)
        check("clean.npy")
        assert sorted(os.listdir()) == ["clean.npy", "noisy.npy", "other.npy"]
    stopped(overwrite=True)
    path = Path("clean.npy.part.manifest")
    path.write_text(path.read_text().splitlines(True)[0])  # begun, and not created
    Path("clean.npy.part").write_bytes(b"half")
    denoise(overwrite=True, sigma=20)  # nothing was done yet that is worth a refusal
    check("clean.npy", sigma=20)


def test_what_zarr_has_not_written_to_the_end_is_swept_up():
    stopped(target="clean.zarr")
    chunk = next(item for item in Path("clean.zarr.part/0/c").rglob("*") if item.is_file())
    Path(f"{chunk}.a1b2.partial").write_bytes(b"x")
    Path("clean.zarr.part/zarr.0f.partial").write_bytes(b"x")
    denoise(target="clean.zarr")
    assert not list(Path("clean.zarr").rglob("*.partial"))


@pytest.mark.parametrize("ending", [".part", ".part.packed", ".part.old", ".part.manifest"])
def test_an_input_by_one_of_these_names_is_not_lost(ending):
    Path("clean.npy.part.manifest").touch()  # ours, and nothing was begun
    os.replace("other.npy", f"clean.npy{ending}")
    refused(PictureError, "must have another name than what lies beside", source=f"clean.npy{ending}")
    refused(PictureError, "must have another name than what lies beside", mask=f"clean.npy{ending}")


def test_names_come_from_the_output():
    names = Names(Path("folder/clean.zarr"))
    beside = {names.part.name, names.packed.name, names.old.name, names.manifest.name}
    assert beside == {f"clean.zarr.part{end}" for end in ("", ".packed", ".old", ".manifest")}


def test_two_processes_and_one_output():
    """Who opens a manifest that another removes at that moment gets one of its own."""
    path = Path("manifest").absolute()
    with manifest.Manifest(path) as one:
        one.begin({"nlmeans": "0"})
        if locks.AVAILABLE:
            with pytest.raises(PictureError, match="another process is at work"):
                manifest.Manifest(path)
        one.forget()
    assert not path.exists()


def test_all_workers_of_a_cluster_are_asked_for(monkeypatch):
    distributed = pytest.importorskip("distributed", reason="dask is not installed: pip install 'nlmeans[scale]'")

    class Client:
        def __init__(self, *_, **__):
            pass

        def scheduler_info(self, n_workers=5, **_):
            many = {f"tcp://{k}": {"nthreads": 2, "memory_limit": (20 - k) << 30} for k in range(12)}
            return {"workers": dict(list(many.items())[: None if n_workers == -1 else n_workers])}

    monkeypatch.setattr(distributed, "Client", Client)
    cluster = workers.Cluster("tcp://somewhere:1")
    assert cluster.threads == 24
    assert cluster.memory == workers.SHARE * (9 << 30) / 2
