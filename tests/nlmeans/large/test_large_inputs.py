"""What a run by blocks reads: it stays as it was, and none of it stays open."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
from sidecars import GREY, OTHER, denoise, refused, stopped

from nlmeans import formats
from nlmeans.formats import PictureError, locks
from nlmeans.formats.own import zarr as zarr_format
from nlmeans.formats.own.tiff import regions
from nlmeans.large import files
from nlmeans.large.inputs import Changed

zarr = pytest.importorskip("zarr", reason="zarr is not installed: pip install 'nlmeans[scale]'")


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(zarr_format.FORMAT, "chunk", {"Y": 50, "X": 64})
    np.save("noisy.npy", GREY)
    np.save("other.npy", OTHER)


@pytest.mark.parametrize("name", ["source", "mask", "guide", "sigma"])
@pytest.mark.parametrize("moment", [1, 4])
def test_an_input_that_changes_under_way_is_an_error(name, moment):
    files = {"mask": np.ones(GREY.shape, bool), "guide": GREY, "sigma": np.full(GREY.shape, 50.0)}
    for other, array in files.items():
        np.save(f"{other}.npy", array)
    more = {} if name == "source" else {name: f"{name}.npy"}
    path = "noisy.npy" if name == "source" else f"{name}.npy"

    def progress(done, total):
        if done == moment:
            np.save(path, files.get(name, OTHER) + files.get(name, OTHER))

    with pytest.raises(Changed, match=rf"must stay as it is until the end: \S*{path} changed"):
        denoise(progress=progress, **more)
    assert not [file for file in os.listdir() if "clean" in file]
    denoise(**more)
    assert os.path.exists("clean.npy")


@pytest.mark.parametrize("packing", [None, "zlib"])
@pytest.mark.parametrize("change", ["other", "cut", "gone"])
def test_a_tiff_that_changes_under_way_is_an_error(packing, change):
    tifffile.imwrite("noisy.tif", GREY, compression=packing)

    def progress(done, total):
        if done != 1:
            return
        if change == "other":
            tifffile.imwrite("noisy.tif", OTHER, compression=packing)
        elif change == "cut":
            Path("noisy.tif").write_bytes(Path("noisy.tif").read_bytes()[:1000])
        else:
            Path("noisy.tif").unlink()

    with pytest.raises(Changed, match=r"noisy\.tif changed under way"):
        denoise("noisy.tif", "clean.tif", progress=progress)
    assert not [file for file in os.listdir() if "clean" in file]


@pytest.mark.parametrize("target", ["clean.npy", "clean.tif", "clean.zarr"])
def test_a_part_that_is_damaged_is_named_with_the_way_out(target):
    for change in ("cut", "other"):
        stopped(target=target)
        part = Path(f"{target}.part")
        if change == "cut":
            inside = part / "zarr.json" if part.is_dir() else part
            inside.write_bytes(inside.read_bytes()[:10])
        elif target.endswith("zarr"):
            shutil.rmtree(part)
            zarr.create_group(part).create_array("0", shape=(3, 3), dtype="u1")
        else:
            formats.write(f"small{target[5:]}", formats.Picture(GREY[:5], "YX"))
            os.replace(f"small{target[5:]}", part)
        refused(PictureError, rf"part is damaged, remove it and {target}.part.manifest to begin anew", target=target)
        shutil.rmtree(part) if part.is_dir() else part.unlink()
        Path(f"{target}.part.manifest").unlink()


def test_a_store_that_changes_or_goes_under_way_is_an_error(monkeypatch):
    zarr.create_array("noisy.zarr", data=GREY, chunks=(50, 64))

    def change(done, total):
        if done == 2:
            zarr.open("noisy.zarr")[:10] = 7

    def go(done, total):
        if done == 2:
            shutil.rmtree("noisy.zarr")

    for progress in (change, go):
        with pytest.raises(Changed, match="must stay as it is"):
            denoise("noisy.zarr", "clean.zarr", progress=progress)
        assert not [file for file in os.listdir() if "clean" in file]


def test_nothing_is_removed_or_replaced_while_it_is_open(monkeypatch):
    """As Windows has it: who locks nothing must close first; and no input stays open."""
    if not Path("/proc/self/fd").is_dir():
        pytest.skip("the system does not tell which files are open")

    def check(path):
        opened = [os.readlink(item) for item in Path("/proc/self/fd").iterdir() if item.is_symlink() and item.exists()]
        if str(Path(path).absolute()) in opened:
            raise PermissionError(f"{path} is open")

    real = os.unlink, os.replace
    monkeypatch.setattr(locks, "AVAILABLE", False)
    monkeypatch.setattr(os, "unlink", lambda path, **more: check(path) or real[0](path, **more))
    monkeypatch.setattr(os, "replace", lambda old, new: check(old) or check(new) or real[1](old, new))
    tifffile.imwrite("packed.tif", GREY, compression="zlib", tile=(32, 32))
    for source, target in (("noisy.npy", "clean.npy"), ("packed.tif", "clean.tif"), ("packed.tif", "packed.tif")):
        denoise(source, target, overwrite=True)
    formats.write("clean.png", formats.Picture(GREY, "YX"))
    formats.write("clean.png", formats.Picture(GREY, "YX"), overwrite=True)
    for path in ("packed.tif", "noisy.npy"):
        check(path)
        os.unlink(path)
    assert sorted(os.listdir()) == ["clean.npy", "clean.png", "clean.tif", "other.npy"]


def test_a_file_that_is_read_by_many_at_once_is_open_meanwhile_alone():
    from concurrent.futures import ThreadPoolExecutor

    tifffile.imwrite("packed.tif", GREY, compression="zlib", tile=(32, 32))
    source = files.open_source(Path("packed.tif").absolute())
    cuts = [(slice(y, y + 40), slice(x, x + 50)) for y in range(0, 60, 7) for x in range(0, 60, 7)]
    with ThreadPoolExecutor(8) as pool:
        for cut, comp in zip(cuts, pool.map(source.read, cuts), strict=True):
            np.testing.assert_array_equal(comp, GREY[cut])
    opened = regions._opened(source.path, None)
    assert opened.tif.filehandle.closed
