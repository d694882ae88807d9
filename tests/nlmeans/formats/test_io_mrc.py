"""MRC: what mrcfile and others wrote is read as they mean it, and comes back with its pixels and statistics changed."""

import bz2
import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from pictures import changed, noise, refused, through
from typer.testing import CliRunner

from nlmeans import formats, io, large
from nlmeans.cli import app
from nlmeans.formats.picture import PictureError
from nlmeans.large import files

mrcfile = pytest.importorskip("mrcfile", reason="mrcfile is not installed: pip install 'nlmeans[mrc]'")

STATISTICS = ("dmin", "dmax", "dmean", "rms")
IMOD = struct.pack("<ii", 1146047817, 0)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def make(name, array, *, kind=None, voxel=(1.5, 2.5, 4.0), extended=b"", labels=("by a microscope", "and by hand")):
    """Write what mrcfile writes, with a voxel size, labels, an origin and an extended header."""
    with mrcfile.new(name, overwrite=True) as mrc:
        mrc.set_data(array)
        if kind == "stack":
            mrc.set_image_stack()
        elif kind == "volume":
            mrc.set_volume()
        mrc.voxel_size = voxel
        mrc.header.origin = (7.0, 8.0, 9.0)
        mrc.nstart = (1, 2, 3)
        for label in labels:
            mrc.add_label(label)
        if extended:
            mrc.set_extended_header(np.frombuffer(extended, "V1"))
            mrc.header.exttyp = b"SERI"
    return Path(name)


def patched(path, place, data):
    """Change bytes of a file."""
    content = bytearray(path.read_bytes())
    content[place : place + len(data)] = data
    path.write_bytes(content)
    return path


def fields(path):
    with mrcfile.open(path, header_only=True) as mrc:
        return {name: mrc.header[name].tolist() for name in mrc.header.dtype.names}, mrc.extended_header.tobytes()


@pytest.mark.parametrize("dtype", ["int8", "int16", "uint16", "float16", "float32"])
def test_pixels_and_statistics_change_and_nothing_else(dtype):
    source = make("a.mrc", noise(dtype, 5, 6, 7), extended=bytes(range(200)))
    before, after = through(source, "b.mrc")
    np.testing.assert_array_equal(before.pixels, mrcfile.read(source))
    np.testing.assert_array_equal(mrcfile.read("b.mrc"), changed(before).pixels)
    assert before.axes == "ZYX"
    assert before.spacing == after.spacing == (4.0, 2.5, 1.5)
    assert before.unit == "Å"
    (old, extended), (new, kept) = fields(source), fields("b.mrc")
    assert extended == kept == bytes(range(200))
    assert [name for name in old if old[name] != new[name] and name not in STATISTICS] == []
    assert mrcfile.validate("b.mrc")


def test_statistics_are_those_of_the_new_pixels():
    source = make("a.mrc", noise("float32", 5, 6, 7))
    picture = io.read(source)
    pixels = picture.pixels * 3 + 1000
    io.write("b.mrc", picture.with_pixels(pixels))
    header, _ = fields("b.mrc")
    exact = pixels.astype(np.float64)
    for name, value in zip(STATISTICS, (exact.min(), exact.max(), exact.mean(), exact.std()), strict=True):
        assert header[name] == pytest.approx(value, rel=1e-6)
    pixels[0] = np.nan
    io.write("c.mrc", picture.with_pixels(pixels))
    assert fields("c.mrc")[0]["dmean"] == pytest.approx(exact[1:].mean(), rel=1e-6)
    io.write("d.mrc", picture.with_pixels(np.full_like(pixels, np.nan)))
    assert fields("d.mrc")[0]["dmax"] < fields("d.mrc")[0]["dmin"]


def test_a_stack_is_separate_images_and_a_volume_is_one(caplog):
    caplog.set_level("INFO")
    array = noise("int16", 5, 6, 7)
    assert io.read(make("stack.mrc", array, kind="stack")).axes == "NYX"
    assert "5 sections are taken as separate images, as its space group 0 says: --axes ZYX" in caplog.text
    assert io.read(make("volume.mrc", array, kind="volume")).axes == "ZYX"
    assert "taken as a volume, as its space group 1 says: --axes NYX" in caplog.text
    assert io.read(make("volume.mrcs", array, kind="volume")).axes == "NYX"
    assert "as its name says" in caplog.text
    caplog.clear()
    named = io.read("stack.mrc", axes="ZYX")
    assert (named.axes, named.spacing) == ("ZYX", None)
    assert io.read("volume.mrc", axes="NYX").spacing == (2.5, 1.5)
    assert caplog.text == ""
    stacked = io.read(make("volumes.mrc", noise("int16", 2, 3, 6, 7)))
    assert (stacked.axes, stacked.pixels.shape, stacked.spacing) == ("NZYX", (2, 3, 6, 7), (4.0, 2.5, 1.5))
    one = io.read(make("one.mrc", array[:1], kind="volume"))
    assert (one.axes, one.pixels.shape) == ("YX", (6, 7))
    assert io.read("one.mrc", axes="ZYX").pixels.shape == (1, 6, 7)


@pytest.mark.parametrize(("columns", "rows", "sections"), [(1, 2, 3), (3, 2, 1), (2, 1, 3), (3, 1, 2), (2, 3, 1)])
def test_axes_of_crystallographic_maps_are_put_in_order(columns, rows, sections):
    array = noise("float32", 4, 5, 6)
    source = patched(make("a.map", array, kind="volume"), 64, struct.pack("<iii", columns, rows, sections))
    patched(source, 28, struct.pack("<iii", 10, 10, 10))  # the grid along X, Y, Z
    patched(source, 40, struct.pack("<fff", 10, 20, 30))
    picture = io.read(source)
    place = {axis: k for k, axis in enumerate((sections, rows, columns))}
    np.testing.assert_array_equal(picture.pixels, array.transpose(place[3], place[2], place[1]))
    assert picture.axes == "ZYX"
    assert picture.spacing == (3.0, 2.0, 1.0)
    io.write("b.map", picture)
    (old, _), (new, _) = fields(source), fields("b.map")
    assert [name for name in old if old[name] != new[name] and name not in STATISTICS] == []
    np.testing.assert_array_equal(mrcfile.read("b.map"), array)
    large.denoise(source, "c.map", 0, search_radius=1)
    np.testing.assert_array_equal(mrcfile.read("c.map"), array)


def test_what_is_no_axis_is_said(caplog):
    source = make("a.map", noise("float32", 4, 5, 6), kind="volume")
    io.read(patched(source, 64, struct.pack("<iii", 0, 0, 0)))
    assert "axes" not in caplog.text.replace("--axes", "")
    io.read(patched(source, 64, struct.pack("<iii", 1, 1, 9)))
    assert "are taken as Z, Y and X: the header says axes (9, 1, 1)" in caplog.text


def test_bytes_are_signed_or_not_as_the_flags_say(caplog):
    stored = noise("int8", 6, 7)
    source = make("a.mrc", stored)
    assert io.read(source).pixels.dtype == np.int8
    patched(source, 152, IMOD)
    unsigned = io.read(source)
    np.testing.assert_array_equal(unsigned.pixels, stored.view(np.uint8))
    io.write("b.mrc", changed(unsigned))
    np.testing.assert_array_equal(io.read("b.mrc").pixels, changed(unsigned).pixels)
    assert Path("b.mrc").read_bytes()[12:16] == bytes(4)
    assert Path("b.mrc").read_bytes()[152:160] == IMOD
    patched(source, 156, struct.pack("<i", 1))
    assert io.read(source).pixels.dtype == np.int8
    assert caplog.text == ""
    patched(source, 152, bytes(8))
    patched(source, 76, struct.pack("<ff", 0, 200))  # statistics that signed bytes cannot have
    assert io.read(source).pixels.dtype == np.uint8
    assert "mode 0 is taken as 0 to 255" in caplog.text


def test_big_endian_files_stay_so():
    array = noise("float32", 4, 5, 6)
    header = np.zeros(1, mrcfile.dtypes.HEADER_DTYPE.newbyteorder(">"))
    with mrcfile.open(make("little.mrc", array, kind="volume"), header_only=True) as mrc:
        for name in header.dtype.names:
            header[name] = mrc.header[name]
    header["machst"] = (0x11, 0x11, 0, 0)
    Path("a.mrc").write_bytes(header.tobytes() + array.astype(">f4").tobytes())
    before, _ = through(Path("a.mrc"), "b.mrc")
    np.testing.assert_array_equal(before.pixels, array)
    np.testing.assert_array_equal(mrcfile.read("b.mrc"), changed(before).pixels)
    assert Path("b.mrc").read_bytes()[212:214] == b"\x11\x11"
    patched(Path("a.mrc"), 212, bytes(4))  # no stamp: the mode says it
    np.testing.assert_array_equal(io.read("a.mrc").pixels, array)
    patched(Path("a.mrc"), 208, bytes(4))  # older than the letters MAP: the name and the sides say it
    np.testing.assert_array_equal(io.read("a.mrc").pixels, array)


@pytest.mark.parametrize(("ending", "pack", "unpack"), [("gz", gzip.open, gzip), ("bz2", bz2.open, bz2)])
def test_packed_files(ending, pack, unpack):
    source = make("a.map", noise("float32", 5, 6, 7))
    with pack(f"a.map.{ending}", "wb") as file:
        file.write(source.read_bytes())
    picture = io.read(f"a.map.{ending}")
    np.testing.assert_array_equal(picture.pixels, mrcfile.read(source))
    io.write(f"b.map.{ending}", picture)
    io.write("b.map", picture)
    assert unpack.decompress(Path(f"b.map.{ending}").read_bytes()) == Path("b.map").read_bytes()
    with pytest.raises(PictureError, match="a packed MRC cannot be read in blocks"):
        large.sampled(f"a.map.{ending}")
    with pytest.raises(PictureError, match=r"cannot be written in blocks: leave out .* in c\.map"):
        large.denoise(source, f"c.map.{ending}")
    Path("cut.map.gz").write_bytes(Path(f"a.map.{ending}").read_bytes()[:-9])
    with pytest.raises(PictureError, match="damaged or cut short"):
        io.read("cut.map.gz")


def test_a_gzip_file_is_known_by_its_content():
    make("a.map", noise("float32", 5, 6, 7))
    Path("download").write_bytes(gzip.compress(Path("a.map").read_bytes()))
    assert io.read("download").axes == "ZYX"


@pytest.mark.parametrize(
    ("dtype", "kept"),
    [("uint8", "uint16"), ("int8", "int8"), ("int16", "int16"), ("float16", "float16"), ("float32", "float32")],
)
@pytest.mark.parametrize(("axes", "back"), [("YX", "YX"), ("ZYX", "ZYX"), ("NYX", "NYX"), ("TYX", "NYX")])
def test_pictures_from_elsewhere(dtype, kept, axes, back):
    pixels = noise(dtype, *(4, 5, 6)[-len(axes) :])
    spacing = tuple(1.0 + k for k in range(sum(axis in "XYZ" for axis in axes)))
    io.write("a.mrc", io.Picture(pixels, axes, spacing=spacing, unit="nm"))
    assert mrcfile.validate("a.mrc")
    picture = io.read("a.mrc")
    assert (picture.axes, picture.pixels.dtype) == (back, kept)
    np.testing.assert_array_equal(picture.pixels, pixels)
    np.testing.assert_allclose(picture.spacing, [10 * side for side in spacing])
    with mrcfile.open("a.mrc") as mrc:
        assert mrc.is_image_stack() == (back == "NYX")


def test_axes_in_any_order_and_of_length_one():
    pixels = noise("int16", 7, 6, 5, 1)
    io.write("a.mrc", io.Picture(pixels, "XYZC"))
    np.testing.assert_array_equal(io.read("a.mrc").pixels, pixels[..., 0].transpose(2, 1, 0))


@pytest.mark.parametrize(
    ("picture", "match"),
    [
        (io.Picture(np.zeros((5, 6), np.float64)), "holds int8, .* pixels: these are float64"),
        (io.Picture(np.zeros((5, 6, 3), np.uint8), "YXC"), r"grey images.* shape \(5, 6, 3\), axes YXC"),
        (io.Picture(np.zeros((5, 6), np.uint8), alpha=np.zeros((5, 6, 1), np.uint8)), "without opacity"),
    ],
)
def test_what_it_cannot_hold_is_refused(picture, match):
    for act in (io.check, io.write):
        with pytest.raises(PictureError, match=match):
            act("a.mrc", picture)
    assert not list(Path().iterdir())


@pytest.mark.parametrize("kind", ["stack", "volume"])
@pytest.mark.parametrize("dtype", ["int16", "float32"])
def test_by_regions_as_whole(kind, dtype):
    array = (noise("float32", 4, 40, 50) * 9 + 100).astype(dtype)
    source = make("a.mrc", array, kind=kind, voxel=(2.0, 2.0, 2.0), extended=b"kept" * 20)
    whole = io.read(source)
    assert files.open_source(source).info.axes == whole.axes
    large.denoise(source, "b.mrc", 9, quality="fast", search_radius=3)
    done = CliRunner().invoke(
        app, ["denoise", str(source), "c.mrc", "--sigma", "9", "--quality", "fast", "--search-radius", "3"]
    )
    assert done.exit_code == 0, done.stderr
    np.testing.assert_allclose(io.read("b.mrc").pixels, io.read("c.mrc").pixels, rtol=1e-5, atol=1e-4)
    assert mrcfile.validate("b.mrc")
    (old, _), (new, kept) = fields(source), fields("b.mrc")
    assert kept == b"kept" * 20
    assert [name for name in old if old[name] != new[name] and name not in STATISTICS] == []
    assert new["rms"] == pytest.approx(io.read("b.mrc").pixels.astype(float).std(), rel=1e-5)
    np.save("a.npy", array)
    large.denoise("a.npy", "d.mrc", 9, axes=whole.axes, quality="fast", search_radius=3)
    np.testing.assert_allclose(io.read("d.mrc").pixels, io.read("b.mrc").pixels, rtol=1e-5, atol=1e-4)
    assert io.read("d.mrc").axes == whole.axes


def test_another_type_of_numbers():
    source = make("a.mrc", (noise("float32", 40, 50) * 9 + 100).astype("int16"))
    done = CliRunner().invoke(app, ["denoise", str(source), "b.mrc", "--dtype", "float32", "--sigma", "9"])
    assert done.exit_code == 0, done.stderr
    assert mrcfile.read("b.mrc").dtype == np.float32
    large.denoise(source, "c.mrc", 9, dtype="float32")
    np.testing.assert_allclose(mrcfile.read("c.mrc"), mrcfile.read("b.mrc"), rtol=1e-5)
    assert mrcfile.validate("c.mrc")


@pytest.mark.parametrize("share", np.linspace(0, 0.98, 10))
def test_cut_short(share):
    whole = make("a.mrc", noise("float32", 5, 60, 70), extended=bytes(2000)).read_bytes()
    Path("b.mrc").write_bytes(whole[: int(share * len(whole))])
    for read in (formats.read, large.sampled):
        refused("b.mrc", "cut short|must have content", read)


@pytest.mark.parametrize(
    ("place", "data", "match"),
    [
        (0, struct.pack("<i", -5), "damaged: its header says 5×6×-5 pixels"),
        (0, struct.pack("<iii", 10**6, 10**6, 1), "cut short: its pixels end at byte"),
        (12, struct.pack("<i", 4), "mode 4 cannot be read, complex numbers"),
        (12, struct.pack("<i", 101), "mode 101 cannot be read, two pixels a byte"),
        (12, struct.pack("<i", 77), "must be of mode 0, 1, 2, 6, 12: this says 77"),
        (92, struct.pack("<i", -1), "damaged: its header says .* after -1 bytes"),
        (92, struct.pack("<i", 2**31 - 1), "cut short"),
        (88, struct.pack("<i", 401), "its 5 sections are said to be volumes of 4"),
        (208, b"PAM ", "none of them|like none"),
    ],
)
def test_headers_that_cannot_be_true(place, data, match):
    source = patched(make("a.mrc", noise("float32", 5, 6, 7), kind="volume"), 36, struct.pack("<i", 4))
    patched(source, place, data).rename("a")  # known by its content alone
    for read in (formats.read, large.sampled):
        refused("a", match, read)


def test_a_packed_header_that_claims_much():
    source = patched(make("a.mrc", noise("float32", 5, 6, 7)), 0, struct.pack("<iii", 3 * 10**4, 3 * 10**4, 10**4))
    Path("a.mrc.gz").write_bytes(gzip.compress(source.read_bytes()))
    refused("a.mrc.gz", "cannot hold them")


def test_a_four_bit_file():
    source = patched(make("a.mrc", noise("int8", 6, 7)), 152, struct.pack("<ii", 1146047817, 16))
    refused(source, "two pixels a byte")


@pytest.mark.parametrize("name", ["Custom_movie.mrc", "HAADFscan.mrc"])
def test_files_of_microscopes(shared, name):
    source = shared / "Formats/MRC" / name
    if not source.is_file():
        pytest.skip(f"no {source}")
    before, _ = through(source, name)
    with mrcfile.open(source, permissive=True) as mrc, mrcfile.open(name, permissive=True) as written:
        np.testing.assert_array_equal(before.pixels, mrc.data)
        for field in mrc.header.dtype.names:
            assert field in STATISTICS or mrc.header[field].tolist() == written.header[field].tolist()
        assert mrc.extended_header.tobytes() == written.extended_header.tobytes()
        assert written.header.dmax == written.data.max() > written.header.dmin  # the source's say "unknown"
