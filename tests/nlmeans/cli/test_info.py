"""`nlmeans info` and `nlmeans formats`: what files are, and what kinds there are."""

import json
import sys

import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner

from nlmeans import formats
from nlmeans.cli import app
from nlmeans.formats.table import ours

RNG = np.random.default_rng(0)


def nl(*arguments, code=0):
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == code, done.output
    return done


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    volume = RNG.normal(100, 10, (3, 4, 60, 70)).astype("f4")
    volume[0, 0, :3] = -1
    volume[1, 2, 5, 5] = np.nan
    picture = formats.Picture(
        volume, axes="CZYX", channels=("DAPI", "GFP", "µ"), spacing=(2, 0.5, 0.5), unit="µm", nodata=-1
    )
    formats.write("volume.tif", picture)
    np.save("open.npy", RNG.normal(100, 10, (6, 50, 60)))
    rgba = RNG.integers(0, 256, (40, 50, 4), np.uint8)
    formats.write("photo.png", formats.Picture(rgba[..., :3], "YXC", alpha=rgba[..., 3:], dpi=(300, 300)))
    return tmp_path


def facts(*arguments, code=0):
    return json.loads(nl("info", *arguments, "--json", code=code).stdout)


def test_what_is_known_of_a_file(folder):
    (volume,) = facts("volume.tif")
    assert volume["noise"].startswith("Gaussian, sigma ")
    assert all(abs(sigma - 10) < 1 for sigma in volume["sigma"])
    expected = {
        "file": "volume.tif", "format": "TIFF", "axes": "CZYX", "axes_said": True, "shape": [3, 4, 60, 70],
        "dtype": "float32", "spacing": {"Z": 2.0, "Y": 0.5, "X": 0.5}, "unit": "µm", "channels": ["DAPI", "GFP", "µ"],
        "missing": {"value": -1.0, "pixels": 210, "not_finite": 1}, "kept": [], "by_regions": True,
    }  # fmt: skip
    assert {name: volume[name] for name in expected} == expected
    photo, stack = facts("photo.png", "open.npy")
    assert (photo["axes"], photo["missing"], photo["by_regions"]) == ("YXC", None, False)
    assert photo["kept"] == ["samples that are no colours (1)", "resolution"]
    assert (stack["axes"], stack["axes_said"]) == ("ZYX", False)
    assert facts("open.npy", "--axes", "TYX")[0]["axes"] == "TYX"


def test_a_table_for_people(folder):
    text = nl("info", "volume.tif", "open.npy").stdout
    for line in ("volume.tif\n", "pixel size  Z 2 × Y 0.5 × X 0.5 µm\n", "channels    DAPI, GFP, µ\n"):
        assert line in text
    missing = "missing what has the value -1, as the file declares (pixels: 210); what is not finite (values: 1)"
    assert missing in " ".join(text.split())
    assert "ZYX (the file does not say)\n" in text


def test_noise_that_cannot_be_had_is_no_failure(folder):
    np.save("five.npy", np.zeros((2, 3, 4, 20, 20), "f4"))
    (five,) = facts("five.npy")
    assert five["noise"] is None
    assert "names for its axes" in five["notes"][0]
    assert "none could be estimated" in nl("info", "five.npy").stdout


def test_files_that_cannot_be_read_are_named(folder):
    (folder / "bad.tif").write_bytes(b"II*\0 and no more")
    (photo,) = facts("bad.tif", "photo.png", code=1)
    assert photo["file"] == "photo.png"
    with tifffile.TiffWriter("two.tif") as writer:
        writer.write(RNG.integers(0, 99, (40, 50), "u1"), metadata=None)
        writer.write(RNG.integers(0, 99, (60, 50), "u1"), metadata=None)
    assert "--series" in nl("info", "two.tif", code=1).stderr
    assert facts("two.tif", "--series", 1)[0]["shape"] == [60, 50]
    assert facts("two.tif", "--hdu", 0)[0]["shape"] == [40, 50]
    assert "got 7" in nl("info", "photo.png", "--series", 7, code=1).stderr


def test_a_large_file_is_not_read(folder, monkeypatch):
    """What is asked of it is its header, and a sample."""
    zarr = pytest.importorskip("zarr", reason="zarr is not installed: pip install 'nlmeans[scale]'")
    monkeypatch.setattr("nlmeans.cli.paths.BIG", 1)
    monkeypatch.setattr("nlmeans.large.files.IN_MEMORY", 1 << 60)
    monkeypatch.setattr(formats, "read", None)
    shape = (40_000, 40_000)
    np.lib.format.open_memmap("huge.npy", "w+", "u2", shape)[:2000, :2000] = RNG.normal(1000, 10, (2000, 2000))
    huge, store = facts("huge.npy")[0], zarr.create_group("a.zarr")
    assert (huge["shape"], huge["axes"], huge["by_regions"]) == ([*shape], "YX", True)
    space = {"type": "space", "unit": "micrometer"}
    axes = [{"name": "c", "type": "channel"}, {"name": "y"} | space, {"name": "x"} | space]
    sets = [{"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [1, 0.5, 0.25]}]}]
    store.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": sets}]}
    store.create_array("0", data=RNG.normal(100, 5, (2, 80, 90)).astype("f4"), chunks=(1, 40, 40))
    found = facts("a.zarr")[0]
    assert (found["format"], found["axes"], found["chunks"]) == ("Zarr", "CYX", [1, 40, 40])
    assert (found["spacing"], found["unit"]) == ({"Y": 0.5, "X": 0.25}, "µm")
    assert all(abs(sigma - 5) < 0.5 for sigma in found["sigma"])
    assert "yes, in chunks of 1×40×40" in nl("info", "a.zarr").stdout


def test_the_list_of_formats(monkeypatch):
    listed = {entry["name"]: entry for entry in json.loads(nl("formats", "--json").stdout)}
    assert set(listed) >= {fmt.name for fmt in ours()}
    png, tiff = listed["PNG"], listed["TIFF"]
    assert (png["read"], png["write"], png["by_regions"], png["usable"]) == (True, True, False, True)
    assert png["install"] is None
    assert (tiff["by_regions"], tiff["has_series"]) == (True, True)
    monkeypatch.setitem(sys.modules, "nibabel", None)
    nifti = next(entry for entry in json.loads(nl("formats", "--json").stdout) if entry["name"] == "NIfTI")
    assert (nifti["usable"], nifti["install"]) == (False, "pip install 'nlmeans[medical]'")
    text = nl("formats").stdout
    assert "no: pip install 'nlmeans[medical]'" in text
    assert ".3fr, .ari, …" in text


def test_of_many_channels_a_few_numbers_are_shown(folder):
    for count, ending in ((4, ""), (5, " … 5 in all")):
        spectrum = RNG.normal(100, 10, (count, 40, 40)).astype("f4")
        formats.write(f"{count}.tif", formats.Picture(spectrum, "CYX", spacing=(1, 1), unit="nm"))
        (found,) = facts(f"{count}.tif")
        assert len(found["sigma"]) == count
        shown = " ".join(f"{sigma:.4g}" for sigma in found["sigma"][:4])
        assert found["noise"] == f"Gaussian, sigma {shown}{ending}"
        assert f"{found['noise']}\n" in nl("info", f"{count}.tif").stdout
