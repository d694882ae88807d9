"""What was begun and not ended: killed, out of room, damaged; and how it is gone on with."""

import errno
import itertools
import json
import os
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tifffile

import nlmeans
from nlmeans import large
from nlmeans.formats import PictureError, locks
from nlmeans.formats.own import npy
from nlmeans.formats.own import zarr as zarr_format
from nlmeans.formats.own.tiff.regions import TiffTarget
from nlmeans.formats.own.zarr.regions import ZarrTarget
from nlmeans.large.blocks import Sizes
from nlmeans.large.manifest import Manifest
from nlmeans.large.output import Output
from nlmeans.large.task import BlockTask
from nlmeans.methods import sample

zarr = pytest.importorskip("zarr", reason="zarr is not installed: pip install 'nlmeans[scale]'")

GREY = np.random.default_rng(0).normal(100, 10, (200, 210)).astype(np.float32)
denoise = partial(large.denoise, sizes=Sizes((64 * 64, 64 * 64)))


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(zarr_format.FORMAT, "chunk", {"Y": 64, "X": 64})
    np.save("noisy.npy", GREY)
    return tmp_path


@pytest.fixture
def done(monkeypatch):
    """Count the blocks that are done."""
    made, real = [], BlockTask.__call__
    monkeypatch.setattr(BlockTask, "__call__", lambda self, block: made.append(block) or real(self, block))
    return made


def names():
    return sorted(item.name for item in Path().iterdir())


def stop_after(count, **options):
    """Run until so many blocks are done."""

    def progress(done, total):
        if done == count:
            raise InterruptedError("enough")

    with pytest.raises(InterruptedError, match="enough"):
        denoise("noisy.npy", progress=progress, threads=1, **options)


@pytest.mark.parametrize("target", ["clean.npy", "clean.tif", "clean.zarr"])
def test_only_what_is_missing_is_done(target, done, caplog):
    stop_after(5, target=target, sigma=10)
    assert names() == sorted(["noisy.npy", f"{target}.part", f"{target}.part.manifest"])
    first, before = len(done), set(done)
    caplog.set_level("INFO", "nlmeans")
    seen = []
    denoise("noisy.npy", target, 10, threads=1, progress=lambda done, total: seen.append((done, total)))
    assert names() == sorted(["noisy.npy", target])
    assert first == 5
    assert not before & set(done[first:])
    assert f"going on: 5 of {len(done)} are done" in caplog.text
    assert seen[0] == (6, len(done))
    denoise("noisy.npy", "again.npy", 10)
    found = zarr.open(target)["0"][...] if target.endswith("zarr") else nlmeans.io.read(target).pixels
    np.testing.assert_array_equal(found, np.load("again.npy"))


def test_a_run_that_is_killed_is_gone_on_with():
    rng = np.random.default_rng(1)
    source = zarr.create_array("noisy.zarr", shape=(600, 600), dtype="float32", chunks=(100, 100))
    source[...] = rng.normal(100, 10, source.shape)
    code = (
        "from nlmeans import large\nfrom nlmeans.large.blocks import Sizes\nsizes = Sizes((100 * 100, 1))\n"
        "large.denoise('noisy.zarr', 'clean.zarr', 10, quality='best', threads=1, sizes=sizes)\n"
    )
    manifest = Path("clean.zarr.part.manifest")
    with subprocess.Popen([sys.executable, "-c", code]) as process:
        while not (manifest.exists() and manifest.read_text().count('"block":') > 6):  # and the line before them
            assert process.poll() is None
            time.sleep(0.01)
        process.kill()
    ready = manifest.read_text().count('"block":') - 1
    assert 0 < ready < 36
    total, more = [], dict(quality="best", threads=1, sizes=Sizes((100 * 100, 1)))
    denoise("noisy.zarr", "clean.zarr", 10, progress=lambda done, of: total.append(done), **more)
    assert total[0] == ready + 1
    ref = nlmeans.denoise(source[...], 10, quality="best")
    np.testing.assert_allclose(zarr.open("clean.zarr")[...], ref, atol=2e-3)


def test_a_line_that_was_cut_off_is_not_believed(done):
    stop_after(5, target="clean.npy", sigma=10)
    manifest = Path("clean.npy.part.manifest")
    manifest.write_text(manifest.read_text()[:-8])
    np.load("clean.npy.part", mmap_mode="r+")[...] = -1  # what is not done again stays
    done.clear()
    denoise("noisy.npy", "clean.npy", 10, threads=1)
    assert len(done) == 16 - 4
    assert (np.load("clean.npy") == -1).sum() == 4 * 64 * 64 - 64 * (4 * 64 - 210)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (dict(sigma=11), "plans, sigma was 10.0, now 11.0"),
        (dict(quality="fast"), "plans, quality was 'balanced', now 'fast'"),
        (dict(method="ridge"), "method was"),
        (dict(fill=False), "fill was True, now False"),
        (dict(mask=np.ones(GREY.shape, bool)), "beside, mask was None"),
    ],
)
def test_other_parameters_are_refused(change, what):
    stop_after(3, target="clean.npy", sigma=10)
    with pytest.raises(PictureError, match=rf"(?s)gone on with as it was begun: .*{what}.*Remove that and"):
        denoise("noisy.npy", "clean.npy", **{"sigma": 10} | change)
    assert names() == ["clean.npy.part", "clean.npy.part.manifest", "noisy.npy"]


def test_another_input_or_version_is_refused(monkeypatch):
    stop_after(3, target="clean.npy", sigma=10)
    before = GREY.copy()
    before[100, 100] += 1
    np.save("noisy.npy", before)
    with pytest.raises(PictureError, match="the pixels of a sample are others"):
        denoise("noisy.npy", "clean.npy", 10)
    np.save("noisy.npy", GREY)
    with pytest.raises(PictureError, match="source is another: the file was written since"):
        denoise("noisy.npy", "clean.npy", 10)
    Path("clean.npy.part").unlink()  # without it there is nothing to go on with
    stop_after(3, target="clean.npy", sigma=10)
    for name, value, words in (
        ("__version__", "9.9", r"nlmeans was '.*', now '9.9'"),
        ("FORM", 1, "it was begun by another version of nlmeans"),
    ):
        with monkeypatch.context() as patched:
            patched.setattr(f"nlmeans.large.run.{name}", value)
            with pytest.raises(PictureError, match=words):
                denoise("noisy.npy", "clean.npy", 10)


def test_less_memory_does_not_change_the_blocks(done):
    stop_after(3, target="clean.npy", sigma=10)
    denoise("noisy.npy", "clean.npy", 10, sizes=Sizes((30 * 30, 1)))
    assert len(done) == 16
    np.testing.assert_allclose(np.load("clean.npy"), nlmeans.denoise(GREY, 10), atol=2e-3)


@pytest.mark.parametrize(("target", "writer"), [("clean.npy", npy.NpyTarget), ("clean.zarr", ZarrTarget)])
def test_a_full_disk_is_an_error_and_gone_on_from(target, writer, monkeypatch):
    room, real = [4], writer.write

    def write(self, region, pixels):
        if not room[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), target)
        room[0] -= 1
        real(self, region, pixels)

    monkeypatch.setattr(writer, "write", write)
    with pytest.raises(
        large.Unfinished, match=r"No space left on device: clean.*; 4 of 16 blocks are done, and the same"
    ):
        denoise("noisy.npy", target, 10, threads=1)
    room[0] = 99
    denoise("noisy.npy", target, 10, threads=1)
    assert room[0] == 99 - 12
    assert names() == sorted(["noisy.npy", target])


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="the system cannot reserve room on disk")
def test_room_is_reserved_before_the_work(monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match="No space left"):
        denoise("noisy.npy", "clean.npy", 10)
    assert names() == ["noisy.npy"]


def test_a_damaged_chunk_is_named_and_a_repaired_one_makes_another_input(monkeypatch):
    source = zarr.create_array("noisy.zarr", shape=GREY.shape, dtype=GREY.dtype, chunks=(50, 70))
    source[...] = GREY
    monkeypatch.setattr(sample, "crops", lambda sides, channels: [sample.Tile((0, 1), (0, 40), (0, 60))])
    more = dict(threads=1, quality="fast", sizes=Sizes((64 * 64, 64 * 64), (((1, 10, 10), (1, 20, 20)),)))
    chunk = Path("noisy.zarr/c/3/2")
    good = chunk.read_bytes()
    chunk.write_bytes(b"nonsense")
    with pytest.raises(large.Unfinished, match=r"noisy.zarr is damaged at \[.*\]: .*; \d+ of 12 blocks are done"):
        denoise("noisy.zarr", "clean.zarr", 10, **more)
    chunk.write_bytes(good)
    with pytest.raises(PictureError, match="source, files was"):
        denoise("noisy.zarr", "clean.zarr", 10, **more)


def test_a_chunk_that_changed_outside_the_sample_is_another_input(monkeypatch):
    source = zarr.create_array("noisy.zarr", shape=GREY.shape, dtype=GREY.dtype, chunks=(50, 70))
    source[...] = GREY
    monkeypatch.setattr(sample, "crops", lambda sides, channels: [sample.Tile((0, 1), (0, 40), (0, 60))])

    def progress(done, total):
        if done == 2:
            raise InterruptedError("enough")

    with pytest.raises(InterruptedError):
        denoise("noisy.zarr", "clean.zarr", 10, progress=progress, threads=1)
    source[150:, 150:] = 0
    with pytest.raises(PictureError, match="source, files was"):
        denoise("noisy.zarr", "clean.zarr", 10)


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("target", ["clean.npy", "clean.zarr", "noisy.npy"])
def test_killed_while_the_output_gets_its_name(moment, target, monkeypatch, done):
    """In place too: what is finished must not be denoised once more."""
    ref = nlmeans.denoise(GREY, 10)
    if target != "noisy.npy":
        denoise("noisy.npy", target, 20)
    done.clear()

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Output, {"before": "place", "after": "tidy"}[moment], killed)
        with pytest.raises(KeyboardInterrupt):
            denoise("noisy.npy", target, 10, overwrite=True)
    first = len(done)
    denoise("noisy.npy", target, 10, overwrite=True)
    assert len(done) == first
    found = zarr.open(target)["0"][...] if target.endswith("zarr") else np.load(target)
    np.testing.assert_allclose(found, ref, atol=2e-3)
    assert sorted(os.listdir()) == sorted({"noisy.npy", target})


def test_what_appears_meanwhile_is_not_overwritten():
    def progress(done, total):
        Path("clean.npy").write_bytes(b"precious")

    with pytest.raises(FileExistsError, match="exists already"):
        denoise("noisy.npy", "clean.npy", 10, progress=progress)
    assert Path("clean.npy").read_bytes() == b"precious"
    Path("clean.npy").unlink()
    denoise("noisy.npy", "clean.npy", 10)
    np.testing.assert_allclose(np.load("clean.npy"), nlmeans.denoise(GREY, 10), atol=2e-3)


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
@pytest.mark.parametrize("target", ["clean.npy", "clean.zarr"])
def test_links_are_followed(target):
    Path("real").mkdir()
    Path(target).symlink_to(Path("real", target))
    denoise("noisy.npy", target, 10)
    denoise("noisy.npy", target, 20, overwrite=True)
    assert Path(target).is_symlink()
    assert os.listdir("real") == [target]


def test_packing_that_is_stopped_leaves_nothing_half(monkeypatch):
    tifffile.imwrite("noisy.tif", GREY, compression="zlib", tile=(32, 32))
    real = TiffTarget._tiles

    def stopped(self, *arguments):
        yield from itertools.islice(real(self, *arguments), 5)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(TiffTarget, "_tiles", stopped)
    with pytest.raises(large.Unfinished, match="No space left on device; 16 of 16 blocks are done"):
        denoise("noisy.tif", "clean.tif", 10)
    assert "clean.tif.part.packed" not in os.listdir()
    monkeypatch.setattr(TiffTarget, "_tiles", real)
    denoise("noisy.tif", "clean.tif", 10)
    assert names() == ["clean.tif", "noisy.npy", "noisy.tif"]


def test_an_event_that_is_set_before_stops_at_once():
    event = threading.Event()
    event.set()
    with pytest.raises(nlmeans.Cancelled):
        denoise("noisy.npy", "clean.npy", 10, cancel=event)
    assert names() == ["noisy.npy"]


def test_a_manifest_of_something_else_is_left_alone():
    Path("clean.npy.part").write_bytes(b"precious")
    Path("clean.npy.part.manifest").write_text("a list of things\n")
    with pytest.raises(PictureError, match="is not the manifest of an unfinished output"):
        denoise("noisy.npy", "clean.npy", 10)
    assert Path("clean.npy.part").read_bytes() == b"precious"
    assert Path("clean.npy.part.manifest").read_text() == "a list of things\n"


def test_two_at_once_and_parts_of_unknown_origin():
    stop_after(3, target="clean.npy", sigma=10)
    if locks.AVAILABLE:
        with Manifest(Path("clean.npy.part.manifest")), pytest.raises(PictureError, match="another process is at work"):
            denoise("noisy.npy", "clean.npy", 10)
    Path("clean.npy.part.manifest").unlink()
    with pytest.raises(FileExistsError, match=r"clean.npy.part is there without its manifest: move it away"):
        denoise("noisy.npy", "clean.npy", 10)


@pytest.mark.parametrize("target", ["clean.npy", "clean.zarr"])
def test_what_is_replaced_stays_until_all_is_done(target):
    denoise("noisy.npy", target, 10)
    before = {item: item.read_bytes() for item in [Path(target), *Path(target).rglob("*")] if item.is_file()}
    stop_after(3, target=target, sigma=20, overwrite=True)
    assert {item: item.read_bytes() for item in before} == before
    denoise("noisy.npy", target, 20, overwrite=True)
    assert {item: item.read_bytes() for item in before} != before
    assert names() == sorted(["noisy.npy", target])


def test_a_manifest_can_be_read_by_people():
    stop_after(3, target="clean.npy", sigma=10)
    first, *rest = map(json.loads, Path("clean.npy.part.manifest").read_text().splitlines())
    assert {"nlmeans", "defaults", "source", "sample", "plans", "block"} <= set(first["made of"])
    assert first["made of"]["plans"][0]["sigma"] == [10.0]
    assert [line.get("block") for line in rest] == [None, 0, 1, 2]
