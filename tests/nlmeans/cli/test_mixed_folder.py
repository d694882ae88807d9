"""A folder of files of many formats: each is written in its own, or as a TIFF where that cannot be."""

import numpy as np
import pytest
from typer.testing import CliRunner

from nlmeans import formats, large
from nlmeans.cli import app
from nlmeans.formats import table
from nlmeans.formats.format import Format

RNG = np.random.default_rng(0)
GREY = RNG.normal(100, 10, (40, 50)).round().astype(np.uint8)


class Scope(Format):
    """Of a microscope, whose files can only be read."""

    name, endings, magic = "Scope", (".scope",), (b"SCOPE",)

    def read(self, request):
        stored = np.frombuffer(request.path.read_bytes(), np.uint8, 4000, 5).reshape(2, 40, 50)
        return formats.Picture(stored, "CYX", spacing=(0.5, 0.25), unit="µm", channels=("DAPI", "GFP"))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ours = (*table.ours(), Scope())
    monkeypatch.setattr(table, "ours", lambda: ours)
    place = tmp_path / "in"
    place.mkdir()
    for name in ("a.png", "b.jpg", "c.tif", "d.npy"):
        formats.write(place / name, formats.Picture(GREY, "YX"))
    place.joinpath("e.scope").write_bytes(b"SCOPE" + GREY.tobytes() * 2)
    place.joinpath("notes.txt").write_text("not a picture")
    return place


def nl(*arguments):
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
    return done


def test_each_is_written_in_its_own_format_or_as_tiff(folder):
    pytest.importorskip("zarr", reason="zarr is not installed: pip install 'nlmeans[scale]'")
    pytest.importorskip("nibabel", reason="nibabel is not installed: pip install 'nlmeans[medical]'")
    formats.write(folder / "f.nii.gz", formats.Picture(GREY, "YX"))
    large.denoise(folder / "c.tif", folder / "g.zarr", 0)
    done = nl("denoise", folder, "out", "--sigma", 10, "--quality", "fast")
    made = sorted(path.name for path in (folder.parent / "out").iterdir())
    assert made == ["a.png", "b.jpg", "c.tif", "d.npy", "e.tif", "f.nii.gz", "g.zarr"]
    assert "no file of the format Scope can be written: the result is e.tif" in done.stderr
    assert "leaving out 1 of other kinds: notes.txt" in done.stderr
    for name in ("a.png", "c.tif", "d.npy"):
        assert formats.read(folder.parent / "out" / name).pixels.std() < 0.7 * GREY.std()
    scope = formats.read("out/e.tif")
    assert (scope.axes, scope.spacing, scope.unit, scope.channels) == ("CYX", (0.5, 0.25), "µm", ("DAPI", "GFP"))


def test_a_pair_is_one_picture(folder):
    nib = pytest.importorskip("nibabel", reason="nibabel is not installed: pip install 'nlmeans[medical]'")
    volume = RNG.normal(100, 10, (12, 11, 5)).round().astype(np.int16)
    nib.save(nib.Nifti1Pair(volume, np.diag([2.0, 2.0, 3.0, 1.0])), folder / "v.hdr")
    nl("denoise", folder / "a.png", folder / "v.img", "out/", "--sigma", 10, "--quality", "fast")
    nl("denoise", folder, "all", "--sigma", 10, "--quality", "fast")
    made = sorted(path.name for path in (folder.parent / "all").iterdir())
    assert made == ["a.png", "b.jpg", "c.tif", "d.npy", "e.tif", "v.nii"]
    assert nib.load("all/v.nii").header.get_zooms() == (2, 2, 3)
    np.testing.assert_array_equal(nib.load("all/v.nii").dataobj, nib.load("out/v.nii").dataobj)


def test_results_that_would_share_a_name_are_refused_before_the_work(folder):
    formats.write(folder / "e.tif", formats.Picture(GREY, "YX"))
    done = CliRunner().invoke(app, ["denoise", str(folder), "out"])
    assert done.exit_code == 2
    assert "two pictures would both be written to" in done.stderr
    assert not (folder.parent / "out").exists()
