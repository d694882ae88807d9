"""NRRD: what pynrrd and others wrote is read as it lies in space, and comes back with all that was said."""

import bz2
import gzip
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pictures import changed, noise, through
from typer.testing import CliRunner

from nlmeans import formats
from nlmeans.cli import app
from nlmeans.formats import PictureError

nrrd = pytest.importorskip("nrrd", reason="pynrrd is not installed: pip install 'nlmeans[nrrd]'")
pytestmark = pytest.mark.filterwarnings("ignore:.*utcnow:DeprecationWarning")
FIELDS = {
    "space": "left-posterior-superior",
    "space directions": np.array([[0.5, 0.1, 0], [-0.1, 0.7, 0], [0, 0, 2.5]]),
    "space origin": np.array([1.0, -2, 3]),
    "space units": ["mm", "mm", "mm"],
    "kinds": ["domain", "domain", "domain"],
    "labels": ["right to left", "b", "c"],
    "centerings": ["cell", "cell", "node"],
    "thicknesses": np.array([np.nan, np.nan, 2]),
    "measurement frame": np.eye(3),
    "content": "a head",
    "old min": 3.0,
    "modality": "CT",
    "a key:of mine": "any value",
}
STRUCTURE = {"type", "sizes", "dimension", "endian", "encoding"}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def make(path, array, encoding="gzip", fields=FIELDS):
    nrrd.write(str(path), array, dict(fields) | {"encoding": encoding})
    return Path(path)


def same(one, two, but=()):
    """Assert that two headers say the same."""
    assert set(one) - set(but) == set(two) - set(but)
    for name in set(one) - set(but):
        np.testing.assert_array_equal(one[name], two[name], err_msg=name)


@pytest.mark.parametrize("encoding", ["raw", "gzip", "bzip2", "ascii"])
@pytest.mark.parametrize("dtype", ["uint8", "int8", ">u2", "<i2", "uint32", "int32", ">f4", "float64"])
def test_pixels_change_and_nothing_else(dtype, encoding):
    stored = noise(np.dtype(dtype).newbyteorder("="), 5, 6, 7).astype(dtype)
    source = make("a.nrrd", stored, encoding)
    before, _ = through(source, "out.nrrd")
    assert (before.axes, before.unit) == ("XYZ", "mm")
    np.testing.assert_allclose(before.spacing, np.linalg.norm(FIELDS["space directions"], axis=1))
    np.testing.assert_array_equal(before.pixels, stored)
    assert before.pixels.dtype == np.dtype(dtype).newbyteorder("=")
    written, header = nrrd.read("out.nrrd")
    np.testing.assert_array_equal(written, changed(before).pixels)
    same(nrrd.read_header("a.nrrd"), header)


def test_data_beside_the_header():
    stored = noise("int16", 5, 6, 7)
    for encoding in ("raw", "gzip"):
        source = make("a.nhdr", stored, encoding)
        before, _ = through(source, "out.nhdr")
        np.testing.assert_array_equal(before.pixels, stored)
        written, header = nrrd.read("out.nhdr")
        np.testing.assert_array_equal(written, changed(before).pixels)
        assert "data file" not in header
        same(nrrd.read_header("a.nhdr"), header, {"data file"})
    Path("a.raw.gz").unlink()
    with pytest.raises(PictureError, match=r"must lie where its header says: there is no .*a\.raw\.gz"):
        formats.read("a.nhdr")
    Path("b.nhdr").write_text(
        "NRRD0005\ntype: short\ndimension: 2\nsizes: 4 4\nendian: little\nencoding: raw\ndata file: LIST\n"
    )
    with pytest.raises(PictureError, match="must be in one file: this names several"):
        formats.read("b.nhdr")


def test_what_is_skipped():
    stored = noise("int16", 5, 6)
    head = b"NRRD0005\ntype: short\ndimension: 2\nsizes: 5 6\nendian: little\n"
    raw = stored.tobytes(order="F")
    for more, data in (
        (b"encoding: raw\nbyte skip: 3\n", b"abc" + raw),
        (b"encoding: raw\nbyte skip: -1\n", b"whatever" + raw),
        (b"encoding: raw\nline skip: 2\nbyte skip: 1\n", b"one\ntwo\n." + raw),
        (b"encoding: gzip\nbyte skip: 5\n", gzip.compress(b"abcde" + raw)),
        (b"encoding: bz2\n", bz2.compress(raw)),
    ):
        Path("a.nrrd").write_bytes(head + more + b"\n" + data)
        picture = formats.read("a.nrrd")
        np.testing.assert_array_equal(picture.pixels, stored)
        formats.write("out.nrrd", picture, overwrite=True)
        np.testing.assert_array_equal(nrrd.read("out.nrrd")[0], stored)


@pytest.mark.parametrize(
    ("kinds", "shape", "axes"),
    [
        (["RGB-color", "domain", "domain"], (3, 5, 6), "CXY"),
        (["domain", "domain", "vector"], (5, 6, 3), "XYC"),
        (["space", "space", "space", "list"], (5, 6, 7, 9), "XYZN"),
        (["space", "space", "time"], (5, 6, 7), "XYT"),
        (["space", "space", "space", "time"], (5, 6, 7, 2), "XYZT"),
        (["list", "space", "space", "space"], (2, 5, 6, 7), "NXYZ"),
        (None, (5, 6, 7, 2), "XYZN"),
    ],
)
def test_axes_are_named_by_their_kinds(kinds, shape, axes):
    stored = noise("uint8", *shape)
    source = make("a.nrrd", stored, fields={} if kinds is None else {"kinds": kinds})
    picture = formats.read(source)
    assert picture.axes == axes
    formats.write("out.nrrd", picture)
    np.testing.assert_array_equal(nrrd.read("out.nrrd")[0], stored)
    assert nrrd.read_header("out.nrrd").get("kinds") == kinds


def test_axes_that_leave_doubts():
    source = make("a.nrrd", noise("uint8", 5, 6, 7, 2, 3), fields={})
    with pytest.raises(PictureError, match=r"one list besides: this has 5×6×7×2×3, kinds .*--axes"):
        formats.read(source)
    assert formats.read(make("b.nrrd", noise("uint8", 5, 6, 7)), axes="NYX").dimensions == "NYX"
    assert formats.read("b.nrrd", channel_axis=0).axes == "CXY"


def test_opacity_is_kept():
    stored = noise("uint8", 4, 5, 6)
    picture = formats.read(make("a.nrrd", stored, fields={"kinds": ["RGBA-color", "domain", "domain"]}))
    assert (picture.axes, picture.pixels.shape, picture.alpha.shape) == ("CXY", (3, 5, 6), (5, 6, 1))
    formats.write("out.nrrd", picture)
    np.testing.assert_array_equal(nrrd.read("out.nrrd")[0], stored)


@pytest.mark.parametrize(("axes", "part"), [("XY", np.s_[:, :, 2]), ("XZ", np.s_[:, 3]), ("YZ", np.s_[1])])
def test_a_slice_of_a_volume_is_a_valid_file(axes, part):
    picture = formats.read(make("a.nrrd", noise("int16", 5, 6, 7)))
    sides = dict(zip("XYZ", picture.spacing, strict=True))
    piece = replace(picture, pixels=picture.pixels[part], axes=axes, spacing=tuple(sides[axis] for axis in axes))
    formats.write("out.nrrd", piece)
    written, header = nrrd.read("out.nrrd")
    np.testing.assert_array_equal(written.squeeze(), picture.pixels[part])
    assert written.ndim == 3
    same(nrrd.read_header("a.nrrd"), header, {"sizes"})


def test_an_image_of_a_list_is_a_valid_file():
    kinds = {"kinds": ["space", "space", "list"], "spacings": np.array([0.5, 2, np.nan]), "labels": ["a", "b", "c"]}
    picture = formats.read(make("a.nrrd", noise("int16", 5, 6, 7), fields=kinds))
    assert (picture.axes, picture.spacing) == ("XYN", (0.5, 2))
    formats.write("out.nrrd", replace(picture, pixels=picture.pixels[..., 2], axes="XY"))
    written, header = nrrd.read("out.nrrd")
    np.testing.assert_array_equal(written, picture.pixels[..., 2])
    assert (header["kinds"], header["labels"], header["spacings"].tolist()) == (["space"] * 2, ["a", "b"], [0.5, 2])


def test_another_library_reads_a_slice():
    sitk = pytest.importorskip("SimpleITK", reason="SimpleITK is not installed")
    picture = formats.read(make("a.nrrd", noise("int16", 5, 6, 7)))
    formats.write("out.nrrd", replace(picture, pixels=picture.pixels[:, :, 2], axes="XY", spacing=picture.spacing[:2]))
    image = sitk.ReadImage("out.nrrd")
    np.testing.assert_array_equal(np.squeeze(sitk.GetArrayFromImage(image)), picture.pixels[:, :, 2].T)


def test_pictures_from_elsewhere():
    volume = formats.Picture(noise("uint16", 3, 4, 5), axes="ZYX", spacing=(2, 0.5, 0.25), unit="µm")
    formats.write("a.nrrd", volume)
    stored, header = nrrd.read("a.nrrd")
    np.testing.assert_array_equal(stored, volume.pixels.T)
    assert header["units"] == ["um"] * 3
    back = formats.read("a.nrrd")
    assert (back.axes, back.spacing, back.unit) == ("XYZ", (0.25, 0.5, 2), "µm")
    colours = formats.Picture(noise("uint8", 4, 5, 3), axes="YXC", alpha=noise("uint8", 4, 5, 1))
    formats.write("b.nrrd", colours)
    assert nrrd.read_header("b.nrrd")["kinds"] == ["RGBA-color", "domain", "domain"]
    back = formats.read("b.nrrd").in_rows()
    np.testing.assert_array_equal(back.pixels, colours.pixels)
    np.testing.assert_array_equal(back.alpha.swapaxes(0, 1), colours.alpha)
    with pytest.raises(PictureError, match=r"a NRRD holds int8.*these are float16"):
        formats.check("c.nrrd", formats.Picture(np.zeros((4, 5), np.float16)))


def test_to_other_formats():
    picture = formats.read(make("a.nrrd", noise("uint16", 5, 6, 7)))
    formats.write("a.tif", picture)
    back = formats.read("a.tif")
    np.testing.assert_array_equal(back.pixels, picture.pixels.T)
    assert back.spacing == pytest.approx(picture.spacing[::-1])


def test_cut_short():
    for encoding in ("raw", "gzip", "bzip2", "ascii"):
        data = make("a.nrrd", noise("int16", 5, 6, 7), encoding).read_bytes()
        for k in range(10):
            Path("b.nrrd").write_bytes(data[: len(data) * k // 10])
            with pytest.raises(PictureError) as caught:
                formats.read("b.nrrd")
            assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("head", "match"),
    [
        (b"type: short\ndimension: 2\nsizes: 1000000 1000000\nencoding: raw\nendian: little\n", "decompression bomb"),
        (b"type: short\ndimension: 3\nsizes: 9000 9000 9000\nencoding: raw\nendian: little\n", "cannot hold them"),
        (b"type: short\ndimension: 3\nsizes: 9000 9000 9000\nencoding: gzip\nendian: little\n", "cannot hold them"),
        (b"type: short\ndimension: 3\nsizes: 9000 9000 9000\nencoding: bzip2\nendian: little\n", "decompression bomb"),
        (b"type: short\ndimension: 3\nsizes: 9000 9000 9000\nencoding: ascii\n", "cannot hold them"),
        (b"type: short\ndimension: 2\nsizes: 0 4\nencoding: raw\nendian: little\n", "must have pixels"),
        (
            b"type: short\ndimension: 2\nsizes: 4\nencoding: raw\nendian: little\n",
            "a size for each dimension: this has 1 of 2",
        ),
        (b"type: block\ndimension: 2\nsizes: 4 4\nencoding: raw\nblock size: 3\n", "holds the type block"),
        (
            b"type: short\ndimension: 2\nsizes: 4 4\nencoding: hex\nendian: little\n",
            "by raw, gzip, bzip2 or ascii: this is hex",
        ),
        (b"type: short\ndimension: 2\nsizes: 4 4\nencoding: raw\n", "little or big: this says None"),
        (b"type: short\ndimension: 2\nsizes: 4 4\n", "by raw, gzip, bzip2 or ascii: this is nothing"),
    ],
)
def test_headers_that_cannot_be(head, match):
    Path("a.nrrd").write_bytes(b"NRRD0005\n" + head + b"\n" + bytes(64))
    tracemalloc.start()
    try:
        with pytest.raises(PictureError, match=match):
            formats.read("a.nrrd")
        assert tracemalloc.get_traced_memory()[1] < 12 << 20
    finally:
        tracemalloc.stop()


def test_a_file_that_unpacks_to_more_than_it_says():
    head = b"NRRD0005\ntype: uchar\ndimension: 2\nsizes: 5 6\nencoding: gzip\n\n"
    Path("a.nrrd").write_bytes(head + gzip.compress(bytes(1 << 28), 9))
    tracemalloc.start()
    try:
        assert formats.read("a.nrrd").pixels.shape == (5, 6)
        assert tracemalloc.get_traced_memory()[1] < 12 << 20
    finally:
        tracemalloc.stop()


def test_from_the_command_line():
    stored = np.random.default_rng(0).normal(100, 20, (24, 25, 4)).astype(np.int16)
    make("a.nrrd", stored)
    run = CliRunner().invoke(app, ["denoise", "a.nrrd", "out.nrrd", "--sigma", "20", "--quality", "fast"])
    assert run.exit_code == 0, run.output
    clean, header = nrrd.read("out.nrrd")
    assert clean.std() < 0.6 * stored.std()
    same(nrrd.read_header("a.nrrd"), header)


def test_real_files(shared):
    folder = shared / "Formats" / "NRRD"
    if not folder.is_dir():
        pytest.skip(f"no files at {folder}")
    for path in folder.glob("*.nrrd"):
        picture = formats.read(path)
        formats.write("out.nrrd", picture, overwrite=True)
        written, header = nrrd.read("out.nrrd")
        np.testing.assert_array_equal(written, nrrd.read(str(path))[0])
        same(nrrd.read_header(str(path)), header, {"type"})
