"""MetaImage: what SimpleITK reads of it, and every field comes back."""

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

sitk = pytest.importorskip("SimpleITK", reason="SimpleITK is not installed: pip install 'nlmeans[metaimage]'")
FIELDS = {
    "ObjectType": "Image",
    "NDims": "3",
    "Comment": "as the scanner said",
    "BinaryData": "True",
    "BinaryDataByteOrderMSB": "False",
    "TransformMatrix": "0 1 0 1 0 0 0 0 1",
    "Offset": "1 2 3",
    "CenterOfRotation": "0 0 4",
    "AnatomicalOrientation": "RAI",
    "ElementSpacing": "0.5 0.7 2",
    "Modality": "MET_MOD_CT",
    "DistanceUnits": "mm",
    "Größe": "any value = of mine",
    "ElementMin": "-32768",
    "ElementMax": "32767",
}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def make(path, stored, kind="MET_SHORT", beside=None, **said):
    """Write values (z, y, x) and fields by hand: SimpleITK leaves some out."""
    fields = FIELDS | {"DimSize": " ".join(map(str, stored.shape[::-1])), "ElementType": kind} | said
    fields |= {"ElementDataFile": beside or "LOCAL"}
    text = "".join(f"{name} = {value}\n" for name, value in fields.items()).encode()
    Path(path).write_bytes(text + (b"" if beside else stored.tobytes()))
    if beside:
        Path(beside).write_bytes(stored.tobytes())
    return Path(path)


def fields_of(path):
    lines = Path(path).read_bytes().partition(b"ElementDataFile")[0].decode().splitlines()
    return dict(line.split(" = ", 1) for line in lines)


def array_of(path):
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path), imageIO="MetaImageIO"))


def test_pixels_change_and_nothing_else():
    stored = noise("int16", 5, 6, 7)
    stored.flat[:2] = -32768, 32767
    before, after = through(make("a.mha", stored), "out.mha")
    np.testing.assert_array_equal(before.pixels, stored)
    assert (before.axes, before.spacing, before.unit) == ("ZYX", (2.0, 0.7, 0.5), "mm")
    assert fields_of("out.mha") == fields_of("a.mha")
    np.testing.assert_array_equal(array_of("out.mha"), changed(before).pixels)
    one, two = sitk.ReadImage("a.mha"), sitk.ReadImage("out.mha")
    assert (one.GetDirection(), one.GetOrigin()) == (two.GetDirection(), two.GetOrigin())
    assert {key: one.GetMetaData(key) for key in one.GetMetaDataKeys()} == {
        key: two.GetMetaData(key) for key in two.GetMetaDataKeys()
    }
    formats.write("low.mha", after.with_pixels(np.clip(after.pixels, -5, 9)))
    assert (fields_of("low.mha")["ElementMin"], fields_of("low.mha")["ElementMax"]) == ("-5", "9")


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", ["uint8", "int8", "uint16", "int32", "uint32", "float32", "float64"])
def test_what_simpleitk_wrote(name, packed):
    stored = noise(name, 5, 6, 7)
    image = sitk.GetImageFromArray(stored)
    image.SetSpacing((0.5, 0.7, 2))
    for path in ("a.mha", "a.mhd"):
        sitk.WriteImage(image, path, packed)
        before, _ = through(Path(path), f"out{path[1:]}")
        np.testing.assert_array_equal(before.pixels, stored)
        np.testing.assert_array_equal(array_of(f"out{path[1:]}"), changed(before).pixels)
        but = {"CompressedDataSize"}
        old, new = fields_of(path), fields_of(f"out{path[1:]}")
        assert {key: old[key] for key in set(old) - but} == {key: new[key] for key in set(new) - but}


def test_the_other_order_of_bytes_and_values_beside():
    stored = noise("int16", 5, 6, 7)
    before, _ = through(make("a.mhd", stored.astype(">i2"), beside="a.raw", BinaryDataByteOrderMSB="True"), "out.mhd")
    np.testing.assert_array_equal(before.pixels, stored)
    np.testing.assert_array_equal(array_of("out.mhd"), changed(before).pixels)
    assert fields_of("out.mhd")["BinaryDataByteOrderMSB"] == "True"
    assert sorted(path.name for path in Path.cwd().iterdir()) == ["a.mhd", "a.raw", "out.mhd"]
    Path("a.raw").unlink()
    with pytest.raises(PictureError, match=r"must lie where its header says: there is no a\.raw"):
        formats.read("a.mhd")
    with pytest.raises(PictureError, match="must be in one file: this names several"):
        formats.read(make("b.mhd", stored, beside="LIST"))


def test_colours_and_lists():
    stored = noise("uint8", 5, 6, 3)
    sitk.WriteImage(sitk.GetImageFromArray(stored, isVector=True), "a.mha")
    before, _ = through(Path("a.mha"), "out.mha")
    assert before.axes == "YXC"
    np.testing.assert_array_equal(array_of("out.mha"), changed(before).pixels)
    stored = noise("int16", 2, 5, 6, 7)
    sitk.WriteImage(sitk.GetImageFromArray(stored, isVector=False), "b.mha")
    before, _ = through(Path("b.mha"), "out.mha")
    assert before.axes == "NZYX"
    np.testing.assert_array_equal(before.pixels, stored)


def test_a_slice_of_a_volume_is_a_valid_file():
    picture = formats.read(make("a.mha", noise("int16", 5, 6, 7)))
    for axes, part, shape in (("YX", np.s_[2], (1, 6, 7)), ("ZX", np.s_[:, 2], (5, 1, 7))):
        piece = replace(picture, pixels=picture.pixels[part], axes=axes, spacing=None)
        formats.write("out.mha", piece, overwrite=True)
        np.testing.assert_array_equal(array_of("out.mha"), piece.pixels.reshape(shape))
        assert sitk.ReadImage("out.mha").GetSpacing() == (0.5, 0.7, 2)


def test_pictures_from_elsewhere():
    volume = formats.Picture(noise("uint16", 3, 4, 5), axes="ZYX", spacing=(2, 0.5, 0.25), unit="m")
    formats.write("a.mha", volume)
    np.testing.assert_array_equal(array_of("a.mha"), volume.pixels)
    back = formats.read("a.mha")
    assert (back.axes, back.spacing, back.unit) == ("ZYX", (2000, 500, 250), "mm")
    colours = formats.Picture(noise("uint8", 4, 5, 3), axes="YXC", alpha=noise("uint8", 4, 5, 1))
    formats.write("b.mha", colours)
    np.testing.assert_array_equal(array_of("b.mha"), colours.with_alpha())
    turned = formats.Picture(noise("float32", 3, 4, 5), axes="XYN")
    formats.write("c.mhd", turned)
    np.testing.assert_array_equal(array_of("c.mhd"), turned.pixels.T)
    typed = formats.read("a.mha").typed(np.dtype("float32"))
    formats.write("d.mha", typed)
    assert fields_of("d.mha")["ElementType"] == "MET_FLOAT"
    for picture in (
        formats.Picture(np.zeros((4, 5), np.float16)),
        formats.Picture(np.zeros((2, 2, 4, 5), np.uint8), axes="NTYX"),
    ):
        with pytest.raises(PictureError, match="a MetaImage holds int8"):
            formats.check("e.mha", picture)


def test_cut_short():
    sitk.WriteImage(sitk.GetImageFromArray(noise("int16", 5, 6, 7)), "a.mha", True)
    for path in (Path("a.mha"), make("b.mha", noise("int16", 5, 6, 7))):
        data = path.read_bytes()
        for k in range(10):
            Path("cut.mha").write_bytes(data[: len(data) * k // 10])
            with pytest.raises(PictureError) as caught:
                formats.read("cut.mha")
            assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("said", "match"),
    [
        ({"DimSize": "1000000 1000000 1"}, "decompression bomb"),
        ({"DimSize": "9000 9000 9000"}, "cannot hold them"),
        ({"DimSize": "9000 9000 9000", "CompressedData": "True"}, "cannot hold them"),
        ({"DimSize": "9 9 0"}, "must have pixels: its header says 9×9×0"),
        ({"DimSize": "9 9"}, "a size for each: this has 3, 9×9"),
        ({"NDims": "9"}, "must have 2 to 4 dimensions"),
        ({"ElementType": "MET_STRING"}, "numbers of one of MET_CHAR.*this holds MET_STRING"),
        ({"CompressedData": "True", "CompressedDataSize": "4000"}, "cut short: its values take 4,000 bytes"),
    ],
)
def test_headers_that_cannot_be(said, match):
    make("a.mha", noise("int16", 5, 6, 7), **said)
    tracemalloc.start()
    try:
        with pytest.raises(PictureError, match=match):
            formats.read("a.mha")
        assert tracemalloc.get_traced_memory()[1] < 12 << 20
    finally:
        tracemalloc.stop()


def test_headers_that_are_none():
    Path("a.mha").write_bytes(b"ObjectType = Image\nNDims = 3\n" + b"x" * 100_000)
    with pytest.raises(PictureError, match="this says no DimSize, or is cut short"):
        formats.read("a.mha")


def test_from_the_command_line():
    stored = np.random.default_rng(0).normal(100, 20, (4, 24, 25)).astype(np.int16)
    make("a.mhd", stored, beside="a.raw")
    run = CliRunner().invoke(app, ["denoise", "a.mhd", "out.mha", "--sigma", "20", "--quality", "fast"])
    assert run.exit_code == 0, run.output
    assert array_of("out.mha").std() < 0.6 * stored.std()
    assert sitk.ReadImage("out.mha").GetSpacing() == (0.5, 0.7, 2)


def test_real_files(shared):
    path = shared / "CT_LCD" / "ground_truth.mhd"
    picture = formats.read(path)
    np.testing.assert_array_equal(picture.pixels, np.fromfile(path.with_suffix(".raw"), "<u2").reshape(256, 256))
    formats.write("out.mhd", picture)
    np.testing.assert_array_equal(array_of("out.mhd"), picture.pixels)
