"""NIfTI: what nibabel wrote is read in real units, and comes back with nothing but the pixels changed."""

import gzip
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from pictures import changed, noise, through
from typer.testing import CliRunner

from nlmeans import formats
from nlmeans.cli import app
from nlmeans.cli.paths import pairs
from nlmeans.formats import table

nib = pytest.importorskip("nibabel", reason="nibabel is not installed: pip install 'nlmeans[medical]'")

AFFINE = np.array([[-0.9, 0.1, 0, 12], [0, 1.1, 0.2, -7], [0.1, 0, 2.5, 3], [0, 0, 0, 1.0]])


def make(path, array, *, kind=nib.Nifti1Image, slope=None, inter=0.0, endian="<", extended=False):
    """Write stored values as nibabel does, with all that a scanner says."""
    header = kind.header_class(endianness=endian)
    header.set_data_dtype(array.dtype)
    image = kind(array, AFFINE, header, dtype=array.dtype)
    header = image.header
    header.set_sform(AFFINE, code="scanner")
    header.set_qform(AFFINE, code="aligned", strip_shears=True)
    header.set_xyzt_units("mm", "sec")
    header.set_intent("z score", name="z")
    header["descrip"], header["cal_max"] = b"TE 10", 5.0
    if extended:
        header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"kept, too"))
    image.to_filename(path)
    if slope is not None:
        plain = nib.load(path)
        start = 112 if kind is nib.Nifti1Image else 176
        code = endian + ("ff" if kind is nib.Nifti1Image else "dd")
        data = path.read_bytes()
        data = bytearray(gzip.decompress(data) if path.suffix == ".gz" else data)
        struct.pack_into(code, data, start, slope, inter)
        path.write_bytes(gzip.compress(bytes(data)) if path.suffix == ".gz" else data)
        assert nib.load(path).dataobj.slope == pytest.approx(slope)
        assert plain.shape == array.shape
    return path


def content(path):
    data = path.read_bytes()
    return gzip.decompress(data) if path.suffix == ".gz" else data


def header_bytes(path):
    return content(path)[: int(nib.load(path).dataobj.offset)]


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize("endian", "<>")
@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64"])
def test_pixels_change_and_nothing_else(tmp_path, dtype, endian, kind, name):
    stored = noise(dtype, 5, 6, 7)
    source = make(tmp_path / name, stored, kind=kind, endian=endian, extended=True)
    target = tmp_path / ("out_" + name)
    before, _ = through(source, target)
    assert before.axes == "XYZ"
    assert before.pixels.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(before.pixels, stored)
    assert header_bytes(target) == header_bytes(source)
    written = nib.load(target)
    assert written.get_data_dtype() == nib.load(source).get_data_dtype()
    assert written.header.extensions == nib.load(source).header.extensions
    np.testing.assert_array_equal(np.asarray(written.dataobj), changed(before).pixels)


@pytest.mark.parametrize(
    ("dtype", "working"),
    [("uint8", "float32"), ("int16", "float32"), ("uint16", "float32"), ("int32", "float64"), ("float32", "float32")],
)
@pytest.mark.parametrize(("slope", "inter"), [(0.25, -3.5), (-2.5, 0), (1, 1024), (3e-7, 0.01)])
def test_scaled_values_are_real_and_come_back(tmp_path, dtype, working, slope, inter):
    stored = noise(dtype, 4, 5, 6)
    source = make(tmp_path / "a.nii.gz", stored, slope=slope, inter=inter)
    picture = formats.read(source)
    assert picture.pixels.dtype in (working, "float64")
    np.testing.assert_allclose(picture.pixels, np.asarray(nib.load(source).dataobj), rtol=1e-6, atol=1e-7 * abs(inter))
    formats.write(tmp_path / "same.nii.gz", picture)
    assert header_bytes(tmp_path / "same.nii.gz") == header_bytes(source)
    again = nib.load(tmp_path / "same.nii.gz").dataobj
    assert (again.slope, again.inter) == (pytest.approx(slope), pytest.approx(inter))
    if dtype != "float32":
        np.testing.assert_array_equal(again.get_unscaled(), stored)
    else:
        np.testing.assert_allclose(np.asarray(again), picture.pixels, rtol=1e-5, atol=1e-6 * abs(inter))


def test_real_values_are_rounded_and_clipped(tmp_path):
    source = make(tmp_path / "a.nii", np.array([[0, 100], [200, 255]], np.uint8), slope=0.5, inter=-1)
    picture = formats.read(source)
    assert picture.axes == "XY"
    pixels = np.array([[-9, 49.3], [99.2, 400]], np.float32)
    formats.write(tmp_path / "b.nii", picture.with_pixels(pixels))
    np.testing.assert_array_equal(nib.load(tmp_path / "b.nii").dataobj.get_unscaled(), [[0, 101], [200, 255]])


def test_64_bit_whole_numbers(tmp_path):
    stored = noise("int32", 3, 4, 5).astype(np.int64)
    source = make(tmp_path / "a.nii", stored)
    picture = formats.read(source)
    assert picture.pixels.dtype == np.float64
    formats.write(tmp_path / "b.nii", picture)
    assert content(tmp_path / "b.nii") == content(source)
    with pytest.raises(formats.PictureError, match=r"2\*\*53"):
        formats.read(make(tmp_path / "c.nii", stored * 2**32))


def test_axes_and_spacing(tmp_path):
    volume = make(tmp_path / "a.nii", noise("int16", 4, 5, 6))
    sides = np.sqrt((AFFINE[:3, :3] ** 2).sum(0))
    picture = formats.read(volume)
    np.testing.assert_allclose(picture.spacing, sides, rtol=1e-6)
    named = formats.read(volume, axes="NYX")
    assert (named.axes, named.dimensions) == ("NYX", "NYX")
    np.testing.assert_allclose(named.spacing, sides[1:], rtol=1e-6)
    assert formats.read(volume, channel_axis=-1).axes == "XYC"
    series = formats.read(make(tmp_path / "b.nii", noise("int16", 4, 5, 6, 3)))
    assert series.axes == "XYZN"
    assert len(series.spacing) == 3
    many = make(tmp_path / "c.nii", noise("int16", 4, 5, 6, 1, 3))
    with pytest.raises(formats.PictureError, match=r"2 to 4 dimensions.*XYZNC"):
        formats.read(many)
    assert formats.read(many, axes="XYZNC").pixels.shape == (4, 5, 6, 1, 3)
    ones = make(tmp_path / "d.nii", noise("int16", 4, 5, 6, 2, 1))
    before, _ = through(ones, tmp_path / "e.nii")
    assert before.pixels.shape == (4, 5, 6, 2)
    with pytest.raises(formats.PictureError, match="2 to 4 dimensions"):
        formats.read(make(tmp_path / "f.nii", noise("int16", 9)))
    with pytest.raises(formats.PictureError, match="2 to 4 dimensions"):
        formats.read(volume, channel_axis=3)


def test_refused_kinds(tmp_path):
    colours = np.zeros((3, 4, 5), np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")]))
    for k, array in enumerate((noise("float32", 3, 4, 5).astype(np.complex64), colours)):
        with pytest.raises(formats.PictureError, match=r"real numbers.*holds (complex64|RGB)"):
            formats.read(make(tmp_path / f"{k}.nii", array))
    nib.Nifti1Pair(noise("int16", 3, 4, 5), AFFINE).to_filename(tmp_path / "pair.hdr")
    (tmp_path / "pair.hdr").rename(tmp_path / "header")
    with pytest.raises(formats.PictureError, match=r"one of a pair must be called \.hdr or \.img"):
        formats.read(tmp_path / "header")
    (tmp_path / "other.nii.gz").write_bytes(gzip.compress(b"something else" * 99))
    with pytest.raises(formats.PictureError, match="this is a gzip file that holds none of them"):
        formats.read(tmp_path / "other.nii.gz")


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_damage_is_named(tmp_path, name):
    path = make(tmp_path / name, noise("int16", 8, 9, 10))
    whole = path.read_bytes()
    for length in (3, 100, 351, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(formats.PictureError):
            formats.read(path)
    if name.endswith("gz"):
        path.write_bytes(whole[:-6] + b"\0\0" + whole[-4:])  # the checksum
        with pytest.raises(formats.PictureError, match="damaged"):
            formats.read(path)
    done = CliRunner().invoke(app, ["denoise", str(path), str(tmp_path / "out.nii")])
    assert done.exit_code != 0
    assert str(path) in done.output
    assert not list(tmp_path.glob("*out*"))


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_a_header_that_asks_for_the_memory(tmp_path, name):
    path = make(tmp_path / name, noise("int16", 8, 9, 10))
    data = bytearray(content(path))
    struct.pack_into("<3h", data, 42, 15000, 15000, 30000)
    path.write_bytes(gzip.compress(bytes(data)) if name.endswith("gz") else data)
    with pytest.raises(formats.PictureError, match=r"bomb|cut short"):
        formats.read(path)
    with pytest.raises(formats.PictureError, match="max-pixels"):
        formats.read(path, max_pixels=1000)


def test_from_and_to_other_formats(tmp_path):
    stack = noise("uint16", 3, 5, 4)
    np.save(tmp_path / "a.npy", stack)
    formats.write(tmp_path / "a.nii.gz", formats.read(tmp_path / "a.npy", axes="ZYX"))
    image = nib.load(tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(np.asarray(image.dataobj), stack.transpose(2, 1, 0))
    assert image.get_data_dtype() == np.uint16
    formats.write(tmp_path / "b.tif", formats.read(tmp_path / "a.nii.gz"))
    back = formats.read(tmp_path / "b.tif")
    assert back.axes == "ZYX"
    np.testing.assert_array_equal(back.pixels, stack)
    formats.write(tmp_path / "c.nii", formats.read(tmp_path / "a.npy", axes="TYX"))
    assert nib.load(tmp_path / "c.nii").shape == (4, 5, 1, 3)
    formats.write(tmp_path / "d.nii", formats.Picture(noise("uint8", 6, 7), "YX"))
    formats.write(tmp_path / "d.png", formats.read(tmp_path / "d.nii"))
    np.testing.assert_array_equal(formats.read(tmp_path / "d.png").pixels, noise("uint8", 6, 7))
    spaced = formats.Picture(noise("uint8", 6, 7, 8), "ZYX", spacing=(3.0, 2.0, 1.0))
    formats.write(tmp_path / "e.nii", spaced)
    assert formats.read(tmp_path / "e.nii").spacing == (1.0, 2.0, 3.0)
    assert formats.read(tmp_path / "e.nii").in_rows().spacing == (3.0, 2.0, 1.0)
    formats.write(tmp_path / "long.nii", formats.Picture(noise("uint8", 2, 40000), "YX"))
    assert isinstance(nib.load(tmp_path / "long.nii"), nib.Nifti2Image)


@pytest.mark.parametrize(
    "picture",
    [
        formats.Picture(noise("uint8", 5, 6, 3), "YXC"),
        formats.Picture(noise("float16", 5, 6), "YX"),
        formats.Picture(noise("uint8", 5, 6), "YX", alpha=noise("uint8", 5, 6, 1)),
        formats.Picture(noise("uint8", 2, 3, 5, 6), "NTYX"),
    ],
)
def test_what_a_nifti_cannot_hold(tmp_path, picture):
    for refuse in (formats.check, formats.write):
        with pytest.raises(formats.PictureError, match="write a TIFF or NPY instead"):
            refuse(tmp_path / "a.nii", picture)
    assert not list(tmp_path.iterdir())


def test_without_nibabel(tmp_path, monkeypatch):
    path = make(tmp_path / "a.nii", noise("int16", 4, 5, 6))
    monkeypatch.setitem(sys.modules, "nibabel", None)
    with pytest.raises(formats.PictureError, match=r"pip install 'nlmeans\[medical\]'"):
        formats.read(path)
    with pytest.raises(formats.PictureError, match=r"pip install 'nlmeans\[medical\]'"):
        formats.check(tmp_path / "b.nii.gz", formats.Picture(noise("uint8"), "YX"))


def test_names_and_folders(tmp_path):
    known = [table.by_name(Path(name)) for name in ("a.NII.gz", "b.x.nii", "c.tar.gz", "d", "e.nii.png")]
    assert [fmt and fmt.name for fmt in known] == ["NIfTI", "NIfTI", None, None, "PNG"]
    with pytest.raises(formats.PictureError, match=r"ends in \.gz"):
        table.to_write(Path("a.tar.gz"), "write")
    make(tmp_path / "a.nii.gz", noise("int16", 4, 5, 6))
    (tmp_path / "b.tar.gz").write_bytes(b"")
    work, _ = pairs([tmp_path], str(tmp_path / "out"))
    assert [source.name for source, _ in work] == ["a.nii.gz"]


def test_denoise_by_command_line(tmp_path):
    slopes = np.add.outer(np.add.outer(np.arange(24), np.arange(20)), np.arange(6)) * 20
    stored = (slopes + np.random.default_rng(0).normal(0, 30, slopes.shape)).astype(np.int16)
    source = make(tmp_path / "a.nii.gz", stored, slope=0.5, inter=10)
    done = CliRunner().invoke(app, ["denoise", str(source), str(tmp_path / "b.nii.gz"), "--sigma", "15"])
    assert done.exit_code == 0, done.output
    assert header_bytes(tmp_path / "b.nii.gz") == header_bytes(source)
    error = [np.std(np.asarray(nib.load(path).dataobj) - slopes * 0.5) for path in (source, tmp_path / "b.nii.gz")]
    assert error[1] < 0.6 * error[0]


def test_a_scanners_file(tmp_path, shared):
    for name, axes in (("BRAINIX_T1.nii.gz", "XYZ"), ("dipy_S0_10slices.nii.gz", None)):
        source, target = shared / "MRI" / name, tmp_path / name
        picture = formats.read(source)
        assert picture.axes == (axes or "XYZN"[: picture.pixels.ndim])
        np.testing.assert_array_equal(picture.pixels, np.asarray(nib.load(source).dataobj))
        formats.write(target, picture)
        assert content(target) == content(source)
