"""Analyze, SPM's and NIfTI's pairs, and MINC: as nibabel reads them, and written as a NIfTI in the same place."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from pictures import changed, noise
from typer.testing import CliRunner

from nlmeans import formats
from nlmeans.cli import app
from nlmeans.formats import PictureError

nib = pytest.importorskip("nibabel", reason="nibabel is not installed: pip install 'nlmeans[medical]'")
AFFINE = np.array([[-0.9, 0.1, 0, 12], [0, 1.1, 0.2, -7], [0.1, 0, 2.5, 3], [0, 0, 0, 1.0]])
SHIPPED = Path(nib.__file__).parent / "tests" / "data"
KINDS = (nib.AnalyzeImage, nib.Spm99AnalyzeImage, nib.Spm2AnalyzeImage, nib.Nifti1Pair, nib.Nifti2Pair)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def make(path, array, kind, dtype=None, endian="<"):
    """Write a pair as nibabel does: Analyze itself knows no turning."""
    affine = np.diag([-2, 3, 4, 1.0]) if kind is nib.AnalyzeImage else AFFINE
    header = kind.header_class(endianness=endian)
    header.set_data_dtype(dtype or array.dtype)
    image = kind(array, affine, header)
    image.to_filename(path)
    return Path(path)


def real(path):
    with Path(path).open("rb"):
        image = nib.load(path)
    return image, np.asarray(image.dataobj)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("endian", "<>")
@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
def test_pairs_are_read_and_become_one_nifti(kind, endian, dtype):
    stored = noise(dtype, 5, 6, 7)
    make("a.hdr", stored, kind, endian=endian)
    for name in ("a.hdr", "a.img"):
        picture = formats.read(name)
        np.testing.assert_array_equal(picture.pixels, stored)
        assert (picture.axes, picture.pixels.dtype) == ("XYZ", dtype)
    image, _ = real("a.hdr")
    np.testing.assert_allclose(picture.spacing, np.abs(image.header.get_zooms()))
    formats.write("out.nii.gz", changed(picture))
    written, values = real("out.nii.gz")
    np.testing.assert_array_equal(values, changed(picture).pixels)
    np.testing.assert_allclose(written.affine, image.affine, atol=1e-6)
    assert written.get_data_dtype().newbyteorder("=") == dtype


@pytest.mark.parametrize("kind", [nib.Spm99AnalyzeImage, nib.Spm2AnalyzeImage, nib.Nifti1Pair])
def test_scaled_values_stay_on_their_grid(kind):
    make("a.hdr", noise("float32", 5, 6, 7) * 30, kind, dtype="int16")
    image, values = real("a.hdr")
    picture = formats.read("a.hdr")
    assert picture.pixels.dtype == np.float32
    np.testing.assert_allclose(picture.pixels, values, rtol=1e-6, atol=1e-5)
    formats.write("out.nii", picture)
    written, _ = real("out.nii")
    assert written.get_data_dtype() == np.int16
    np.testing.assert_array_equal(written.dataobj.get_unscaled(), image.dataobj.get_unscaled())


def test_series_and_what_is_written():
    make("a.hdr", noise("int16", 5, 6, 7, 2), nib.Spm2AnalyzeImage)
    picture = formats.read("a.hdr")
    assert picture.axes == "XYZN"
    formats.write("a.tif", picture)
    assert [formats.read("a.tif", series=k).pixels.shape for k in (0, 1)] == [(7, 6, 5)] * 2
    with pytest.raises(PictureError, match=r"the name ends in \.img; Analyze is only read: write"):
        formats.write("b.img", picture)


def test_bad_pairs():
    make("a.hdr", noise("int16", 5, 6, 7), nib.Spm2AnalyzeImage)
    header, data = Path("a.hdr").read_bytes(), Path("a.img").read_bytes()
    for k in range(10):
        Path("a.img").write_bytes(data[: len(data) * k // 10])
        with pytest.raises(PictureError, match=r"cannot hold them|damaged|empty"):
            formats.read("a.hdr")
        Path("a.img").write_bytes(data)
        Path("a.hdr").write_bytes(header[: len(header) * k // 10])
        with pytest.raises(PictureError) as caught:
            formats.read("a.hdr")
        assert "\n" not in str(caught.value)
    for sides, match in (
        ((10**4, 10**4, 10**4), "cannot hold them"),
        ((30000, 30000, 1), "decompression bomb"),
        ((5, 0, 7), "pixels"),
    ):
        claiming = bytearray(header)
        claiming[42:48] = np.array(sides, "<i2").tobytes()
        Path("a.hdr").write_bytes(claiming)
        tracemalloc.start()
        try:
            with pytest.raises(PictureError, match=match):
                formats.read("a.hdr")
            assert tracemalloc.get_traced_memory()[1] < 12 << 20
        finally:
            tracemalloc.stop()
    Path("a.hdr").write_bytes(header)
    Path("a.img").unlink()
    with pytest.raises(PictureError, match=r"a pair must be two files, \.hdr and \.img: there is no second one"):
        formats.read("a.hdr")
    Path("b.img").write_bytes(data)
    with pytest.raises(PictureError, match=r"Analyze and NIfTI pairs, .* can be read where both are"):
        formats.read("b.img")


MINC = {
    "tiny.mnc": "ZYX", "minc1_1_scale.mnc": "ZYX", "minc1_4d.mnc": "TZYX",
    "small.mnc": "ZYX", "minc2_1_scale.mnc": "ZYX", "minc2_4d.mnc": "TZYX", "minc2-4d-d.mnc": "TZYX",
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
@pytest.mark.parametrize("name", MINC)
def test_minc_that_nibabel_ships(name):
    if "2" in name or name == "small.mnc":
        pytest.importorskip("h5py", reason="h5py is not installed")
    image, values = real(SHIPPED / name)
    picture = formats.read(SHIPPED / name)
    values = values.transpose(0, 3, 2, 1) if name == "minc2-4d-d.mnc" else values  # it lies with x first
    np.testing.assert_allclose(picture.pixels, values, rtol=1e-6)
    zooms = image.header.get_zooms()
    assert (picture.axes, picture.unit) == (MINC[name], "mm")
    assert picture.spacing == pytest.approx(zooms[-3:])
    formats.write("out.nii", picture)
    if picture.pixels.ndim == 3:
        written, again = real("out.nii")
        np.testing.assert_allclose(written.affine, image.affine, atol=1e-5)
        np.testing.assert_array_equal(again, picture.pixels)
    formats.write("out.tif", picture)
    turned = picture.in_rows()
    back = formats.read("out.tif")
    np.testing.assert_array_equal(back.pixels, turned.pixels)
    assert (back.axes, back.spacing) == (turned.axes, pytest.approx(turned.spacing))
    with pytest.raises(PictureError, match=r"the name ends in \.mnc; MINC is only read: write"):
        formats.write("out.mnc", picture)


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
@pytest.mark.parametrize("name", ["tiny.mnc", "small.mnc"])
def test_minc_that_is_cut_short(name):
    if name == "small.mnc":
        pytest.importorskip("h5py", reason="h5py is not installed")
    data = (SHIPPED / name).read_bytes()
    for k in range(10):
        Path("a.mnc").write_bytes(data[: len(data) * k // 10])
        with pytest.raises(PictureError) as caught:
            formats.read("a.mnc")
        assert "\n" not in str(caught.value)


def test_from_the_command_line():
    stored = np.random.default_rng(0).normal(100, 20, (24, 25, 4)).astype(np.int16)
    make("a.hdr", stored, nib.Spm2AnalyzeImage)
    run = CliRunner().invoke(app, ["denoise", "a.hdr", "out.nii", "--sigma", "20", "--quality", "fast"])
    assert run.exit_code == 0, run.output
    assert real("out.nii")[1].std() < 0.6 * stored.std()
