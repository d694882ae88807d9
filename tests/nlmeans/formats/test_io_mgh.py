"""FreeSurfer's volumes: what nibabel wrote comes back with nothing but the pixels changed."""

import gzip
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from pictures import changed, noise, through
from typer.testing import CliRunner

from nlmeans import formats
from nlmeans.cli import app
from nlmeans.formats import PictureError

nib = pytest.importorskip("nibabel", reason="nibabel is not installed: pip install 'nlmeans[medical]'")
AFFINE = np.array([[-0.9, 0.1, 0, 12], [0, 1.1, 0.2, -7], [0.1, 0, 2.5, 3], [0, 0, 0, 1.0]])
SHIPPED = Path(nib.__file__).parent / "tests" / "data"
TAIL = b"tags that FreeSurfer adds\0\1\2"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def content(path):
    data = Path(path).read_bytes()
    return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data


def make(path, array):
    """Write a volume as nibabel does, with an acquisition, and with tags after it."""
    image = nib.MGHImage(array, AFFINE)
    for name, value in (("tr", 2.5), ("flip_angle", 0.3), ("te", 4), ("ti", 5), ("dof", 7)):
        image.header[name] = value
    data = image.to_bytes() + TAIL
    Path(path).write_bytes(gzip.compress(data) if str(path).endswith("z") else data)
    return Path(path)


def loaded(path):
    image = nib.MGHImage.from_bytes(content(path))
    return image, np.asarray(image.dataobj)


@pytest.mark.parametrize("name", ["a.mgz", "a.mgh", "a.mgh.gz"])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "float32"])
@pytest.mark.parametrize("shape", [(5, 6, 7), (5, 6, 7, 2)])
def test_pixels_change_and_nothing_else(dtype, name, shape):
    stored = noise(dtype, *shape)
    before, _ = through(make(name, stored), f"out_{name}")
    assert (before.axes, before.unit) == ("XYZN"[: len(shape)], "mm")
    np.testing.assert_allclose(before.spacing, np.linalg.norm(AFFINE[:3, :3], axis=0), rtol=1e-6)
    np.testing.assert_array_equal(before.pixels, stored)
    assert before.pixels.dtype == dtype
    old, (image, written) = loaded(name)[0], loaded(f"out_{name}")
    np.testing.assert_array_equal(written, changed(before).pixels)
    assert image.header.binaryblock == old.header.binaryblock
    assert content(f"out_{name}").endswith(TAIL)
    assert (Path(f"out_{name}").read_bytes()[:2] == b"\x1f\x8b") == name.endswith("z")


def test_what_nibabel_ships():
    before, _ = through(SHIPPED / "test.mgz", "out.mgz")
    np.testing.assert_array_equal(before.pixels, loaded(SHIPPED / "test.mgz")[1])
    assert content("out.mgz")[:284] == content(SHIPPED / "test.mgz")[:284]


def test_known_by_content():
    make("a.mgz", noise("int16", 5, 6, 7)).rename("a.nii.gz")
    assert formats.read("a.nii.gz").pixels.shape == (5, 6, 7)
    nib.Nifti1Image(noise("int16", 5, 6, 7), AFFINE).to_filename("b.nii.gz")
    assert formats.read("b.nii.gz").native.head[344:347] == b"n+1"


def test_pictures_from_elsewhere():
    volume = formats.Picture(noise("int16", 3, 4, 5), axes="ZYX", spacing=(2000, 500, 250), unit="µm")
    formats.write("a.mgz", volume)
    image, written = loaded("a.mgz")
    np.testing.assert_array_equal(written, volume.pixels.T)
    np.testing.assert_allclose(image.header.get_zooms(), (0.25, 0.5, 2))
    formats.write("b.mgz", formats.Picture(noise("uint8", 4, 5)))
    assert loaded("b.mgz")[1].shape == (5, 4, 1)
    typed = formats.read("a.mgz").typed(np.dtype("float32"))
    formats.write("c.mgz", typed)
    assert loaded("c.mgz")[0].get_data_dtype() == np.dtype(">f4")
    for picture, match in (
        (formats.Picture(noise("uint8", 4, 5, 3), axes="YXC"), "a MGH holds grey slices"),
        (formats.Picture(noise("float64", 4, 5)), "or float32: these are float64"),
        (formats.Picture(noise("uint32", 4, 5)), "these are uint32"),
    ):
        with pytest.raises(PictureError, match=match):
            formats.check("d.mgz", picture)


@pytest.mark.parametrize("name", ["a.mgz", "a.mgh"])
def test_cut_short(name):
    data = make(name, noise("int16", 5, 6, 7)).read_bytes()
    end = len(data) if name.endswith("z") else len(data) - len(TAIL)
    for k in range(10):
        Path(name).write_bytes(data[: end * k // 10])
        with pytest.raises(PictureError) as caught:
            formats.read(name)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("sides", "match"),
    [
        ((10**6, 10**6, 1, 1), "decompression bomb"),
        ((9000, 9000, 9000, 1), "cannot hold them"),
        ((5, 0, 7, 1), "must have pixels"),
        ((5, -6, 7, 1), "must have pixels"),
    ],
)
@pytest.mark.parametrize("name", ["a.mgz", "a.mgh"])
def test_headers_that_claim_too_much(name, sides, match):
    data = bytearray(content(make(name, noise("int16", 5, 6, 7))))
    data[4:20] = np.array(sides, ">i4").tobytes()
    Path(name).write_bytes(gzip.compress(data) if name.endswith("z") else data)
    tracemalloc.start()
    try:
        with pytest.raises(PictureError, match=match):
            formats.read(name)
        assert tracemalloc.get_traced_memory()[1] < 12 << 20
    finally:
        tracemalloc.stop()


def test_what_is_none():
    Path("a.mgz").write_bytes(gzip.compress(b"something else" * 99))
    with pytest.raises(PictureError, match="cut short, or no MGH of version 1"):
        formats.read("a.mgz")
    data = bytearray(content(make("b.mgh", noise("int16", 5, 6, 7))))
    data[20:24] = (9).to_bytes(4, "big")
    Path("b.mgh").write_bytes(data)
    with pytest.raises(PictureError, match="damaged"):
        formats.read("b.mgh")


def test_from_the_command_line():
    stored = np.random.default_rng(0).normal(100, 20, (24, 25, 4)).astype(np.int16)
    make("a.mgz", stored)
    run = CliRunner().invoke(app, ["denoise", "a.mgz", "out.mgz", "--sigma", "20", "--quality", "fast"])
    assert run.exit_code == 0, run.output
    assert loaded("out.mgz")[1].std() < 0.6 * stored.std()
