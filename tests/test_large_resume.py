"""What was begun and not ended: killed, out of room, damaged; and how it is gone on with."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import nlmeans
from nlmeans import large, sample
from nlmeans.io import PictureError
from nlmeans.large import blocks, job, npys, work, zarrs
from nlmeans.large.manifest import Manifest

zarr = pytest.importorskip("zarr", reason="zarr is not installed: pip install 'nlmeans[scale]'")

GREY = np.random.default_rng(0).normal(100, 10, (200, 210)).astype(np.float32)


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(blocks, "MOST", {2: 64 * 64, 3: 64 * 64})
    monkeypatch.setattr(zarrs, "CHUNK", {"Y": 64, "X": 64})
    np.save("noisy.npy", GREY)
    return tmp_path


@pytest.fixture
def done(monkeypatch):
    """Count the blocks that are done."""
    made, real = [], job.Job.__call__
    monkeypatch.setattr(job.Job, "__call__", lambda self, block: made.append(block) or real(self, block))
    return made


def names():
    return sorted(item.name for item in Path().iterdir())


def stop_after(count, **options):
    """Run until so many blocks are done."""

    def progress(done, total):
        if done == count:
            raise InterruptedError("enough")

    with pytest.raises(InterruptedError, match="enough"):
        large.denoise("noisy.npy", progress=progress, threads=1, **options)


@pytest.mark.parametrize("target", ["clean.npy", "clean.tif", "clean.zarr"])
def test_only_what_is_missing_is_done(target, done, caplog):
    stop_after(5, target=target, sigma=10)
    assert names() == sorted(["noisy.npy", f"{target}.part", f"{target}.part.manifest"])
    first, before = len(done), set(done)
    caplog.set_level("INFO", "nlmeans")
    seen = []
    large.denoise("noisy.npy", target, 10, threads=1, progress=lambda done, total: seen.append((done, total)))
    assert names() == sorted(["noisy.npy", target])
    assert first == 5
    assert not before & set(done[first:])
    assert f"going on: 5 of {len(done)} are done" in caplog.text
    assert seen[0] == (6, len(done))
    large.denoise("noisy.npy", "again.npy", 10)
    found = zarr.open(target)["0"][...] if target.endswith("zarr") else nlmeans.io.read(target).pixels
    np.testing.assert_array_equal(found, np.load("again.npy"))


def test_a_run_that_is_killed_is_gone_on_with():
    rng = np.random.default_rng(1)
    source = zarr.create_array("noisy.zarr", shape=(1200, 1200), dtype="float32", chunks=(100, 100))
    source[...] = rng.normal(100, 10, source.shape)
    code = (
        "from nlmeans import large\nfrom nlmeans.large import blocks\nblocks.MOST = {2: 100 * 100, 3: 1}\n"
        "large.denoise('noisy.zarr', 'clean.zarr', 10, quality='best', threads=1)\n"
    )
    manifest = Path("clean.zarr.part.manifest")
    with subprocess.Popen([sys.executable, "-c", code]) as process:
        while not (manifest.exists() and manifest.read_text().count('"block":') > 6):  # and the line before them
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    ready = manifest.read_text().count("\n") - 1
    assert 0 < ready < 144
    blocks.MOST = {2: 100 * 100, 3: 1}
    total = []
    large.denoise(
        "noisy.zarr", "clean.zarr", 10, quality="best", threads=1, progress=lambda done, of: total.append(done)
    )
    assert total[0] == ready + 1
    ref = nlmeans.denoise(source[...], 10, quality="best")
    np.testing.assert_allclose(zarr.open("clean.zarr")[...], ref, atol=2e-3)


def test_a_line_that_was_cut_off_is_not_believed(done):
    stop_after(5, target="clean.npy", sigma=10)
    manifest = Path("clean.npy.part.manifest")
    manifest.write_text(manifest.read_text()[:-8])
    np.load("clean.npy.part", mmap_mode="r+")[...] = -1  # what is not done again stays
    done.clear()
    large.denoise("noisy.npy", "clean.npy", 10, threads=1)
    assert len(done) == 16 - 4
    assert (np.load("clean.npy") == -1).sum() == 4 * 64 * 64 - 64 * (4 * 64 - 210)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (dict(sigma=11), "options was"),
        (dict(quality="fast"), "options was"),
        (dict(method="ridge"), "options was"),
        (dict(fill=False), "fill was True, now False"),
        (dict(mask=np.ones(GREY.shape, bool)), "beside was"),
    ],
)
def test_other_parameters_are_refused(change, what):
    stop_after(3, target="clean.npy", sigma=10)
    with pytest.raises(PictureError, match=rf"(?s)gone on with as it was begun: .*{what}.*Remove that and"):
        large.denoise("noisy.npy", "clean.npy", **{"sigma": 10} | change)
    assert names() == ["clean.npy.part", "clean.npy.part.manifest", "noisy.npy"]


def test_another_input_or_version_is_refused(monkeypatch):
    stop_after(3, target="clean.npy", sigma=10)
    before = GREY.copy()
    before[100, 100] += 1
    np.save("noisy.npy", before)
    with pytest.raises(PictureError, match="sample was"):
        large.denoise("noisy.npy", "clean.npy", 10)
    np.save("noisy.npy", GREY)
    with pytest.raises(PictureError, match=r"source was .*modified"):
        large.denoise("noisy.npy", "clean.npy", 10)
    Path("clean.npy.part").unlink()  # without it there is nothing to go on with
    stop_after(3, target="clean.npy", sigma=10)
    monkeypatch.setattr("nlmeans.large.run.__version__", "9.9")
    with pytest.raises(PictureError, match=r"nlmeans was '.*', now '9.9'"):
        large.denoise("noisy.npy", "clean.npy", 10)


def test_less_memory_does_not_change_the_blocks(done, monkeypatch):
    stop_after(3, target="clean.npy", sigma=10)
    monkeypatch.setattr(blocks, "MOST", {2: 30 * 30, 3: 1})
    large.denoise("noisy.npy", "clean.npy", 10)
    assert len(done) == 16
    np.testing.assert_allclose(np.load("clean.npy"), nlmeans.denoise(GREY, 10), atol=2e-3)


@pytest.mark.parametrize(("target", "writer"), [("clean.npy", npys.NpyTarget), ("clean.zarr", zarrs.ZarrTarget)])
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
        large.denoise("noisy.npy", target, 10, threads=1)
    room[0] = 99
    large.denoise("noisy.npy", target, 10, threads=1)
    assert room[0] == 99 - 12
    assert names() == sorted(["noisy.npy", target])


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="the system cannot reserve room on disk")
def test_room_is_reserved_before_the_work(monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match="No space left"):
        large.denoise("noisy.npy", "clean.npy", 10)
    assert names() == ["noisy.npy"]


def test_a_damaged_chunk_is_named_and_the_rest_is_kept(monkeypatch, done):
    source = zarr.create_array("noisy.zarr", shape=GREY.shape, dtype=GREY.dtype, chunks=(50, 70))
    source[...] = GREY
    monkeypatch.setattr(sample, "crops", lambda sides: [sample.Tile((0, 1), (0, 40), (0, 60))])
    monkeypatch.setattr(work, "TRIAL", {2: (1, 20, 20)})
    chunk = Path("noisy.zarr/c/3/2")
    good = chunk.read_bytes()
    chunk.write_bytes(b"nonsense")
    with pytest.raises(large.Unfinished, match=r"noisy.zarr is damaged at \[.*\]: .*; \d+ of 12 blocks are done"):
        large.denoise("noisy.zarr", "clean.zarr", 10, threads=1, quality="fast")
    before = len(done)
    chunk.write_bytes(good)
    large.denoise("noisy.zarr", "clean.zarr", 10, threads=1, quality="fast")
    assert len(done) - before < 12
    np.testing.assert_allclose(zarr.open("clean.zarr")[...], nlmeans.denoise(GREY, 10, quality="fast"), atol=2e-3)


def test_two_at_once_and_parts_of_unknown_origin():
    stop_after(3, target="clean.npy", sigma=10)
    with Manifest(Path("clean.npy.part.manifest")), pytest.raises(PictureError, match="another process is at work"):
        large.denoise("noisy.npy", "clean.npy", 10)
    Path("clean.npy.part.manifest").unlink()
    with pytest.raises(FileExistsError, match=r"clean.npy.part is there without its manifest: remove it"):
        large.denoise("noisy.npy", "clean.npy", 10)


@pytest.mark.parametrize("target", ["clean.npy", "clean.zarr"])
def test_what_is_replaced_stays_until_all_is_done(target):
    large.denoise("noisy.npy", target, 10)
    before = {item: item.read_bytes() for item in [Path(target), *Path(target).rglob("*")] if item.is_file()}
    stop_after(3, target=target, sigma=20, overwrite=True)
    assert {item: item.read_bytes() for item in before} == before
    large.denoise("noisy.npy", target, 20, overwrite=True)
    assert {item: item.read_bytes() for item in before} != before
    assert names() == sorted(["noisy.npy", target])


def test_a_manifest_can_be_read_by_people():
    stop_after(3, target="clean.npy", sigma=10)
    first, *rest = map(json.loads, Path("clean.npy.part.manifest").read_text().splitlines())
    assert {"nlmeans", "defaults", "source", "sample", "options", "plans", "block"} <= set(first["made of"])
    assert first["made of"]["options"]["sigma"] == "10"
    assert [line["block"] for line in rest] == [0, 1, 2]
