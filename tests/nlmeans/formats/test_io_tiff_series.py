"""TIFF of several pictures, of which one is chosen; pyramids, tiles, and packed samples."""

import logging
import struct
import subprocess
import sys
from xml.etree import ElementTree

import numpy as np
import pytest
import tifffile
from pictures import noise, through, with_path

from nlmeans import formats, large
from nlmeans.formats import pyramid
from nlmeans.formats.own.tiff import codecs
from nlmeans.formats.pyramid import shrunk

SIDES = ((3, 40, 50), (2, 64, 66))


@pytest.fixture(params=["ome", "shaped", "generic", "compressed"])
def several(request, tmp_path):
    """A file of two stacks, what they hold, and whether they have names."""
    kind, path = request.param, tmp_path / "in.tif"
    stacks = [noise("uint16", *sides, seed=k) for k, sides in enumerate(SIDES)]
    with tifffile.TiffWriter(path, ome=kind == "ome") as writer:
        for k, stack in enumerate(stacks):
            said = {"axes": "ZYX", "Name": f"scene {k}", "PhysicalSizeX": k + 1.0, "PhysicalSizeY": k + 1.0}
            said |= {"PhysicalSizeZ": 5.0, "PhysicalSizeXUnit": "µm", "PhysicalSizeYUnit": "µm"}
            options = {"compression": "zlib"} if kind == "compressed" else {}
            metadata = None if kind == "generic" else said if kind == "ome" else {"axes": "ZYX"}
            writer.write(stack, photometric="minisblack", metadata=metadata, **options)
    return path, stacks, kind == "ome"


def test_a_series_is_chosen_by_number_or_name(several, tmp_path, caplog):
    path, stacks, named = several
    with pytest.raises(formats.PictureError, match=r"this holds 2, of shapes \(3, 40, 50\).*--series"):
        formats.read(path, axes="ZYX")
    for k, stack in enumerate(stacks):
        for said in [k, str(k), *([f"scene {k}"] if named else [])]:
            picture = formats.read(path, axes="ZYX", series=said)
            np.testing.assert_array_equal(picture.pixels, stack)
        if named:
            assert (picture.spacing, picture.unit) == ((5.0, k + 1.0, k + 1.0), "µm")
        formats.write(tmp_path / "out.tif", picture.with_pixels(stack[::-1].copy()), overwrite=True)
        with tifffile.TiffFile(tmp_path / "out.tif") as tif:
            assert [series.shape for series in tif.series] == [stack.shape]
            assert tif.series[0].name == (f"scene {k}" if named else "")
            np.testing.assert_array_equal(tif.asarray(), stack[::-1])
        if named:
            again = formats.read(tmp_path / "out.tif")
            assert (again.axes, again.spacing) == ("ZYX", (5.0, k + 1.0, k + 1.0))
        large.denoise(path, tmp_path / "blocks.tif", 0, axes="ZYX", series=k, overwrite=True)
        np.testing.assert_array_equal(formats.read(tmp_path / "blocks.tif", axes="ZYX").pixels, stack)
    assert "other pictures in the file are not written back" in caplog.text
    for wrong in (2, "-1", "scene"):
        with pytest.raises(formats.PictureError, match=r"the series must be a number from 0 to 1.*; got "):
            formats.read(path, axes="ZYX", series=wrong)
        with pytest.raises(formats.PictureError, match="the series must be a number from 0 to 1"):
            large.denoise(path, tmp_path / "none.tif", 0, axes="ZYX", series=wrong)


def test_metadata_of_other_images_are_left_out(tmp_path):
    xml = formats.own.tiff.ome.plain(
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:1"><Dataset ID="D"><ImageRef '
        'ID="I:0"/><ImageRef ID="I:1"/></Dataset><Image ID="I:0"><Pixels/></Image><Image ID="I:1"><Pixels><TiffData '
        'IFD="3"/><TiffData IFD="4"/></Pixels></Image></OME>',
        1,
    )
    root = ElementTree.fromstring(xml)
    assert [each.get("ID") for each in root.iter() if each.tag.endswith("Image")] == ["I:1"]
    assert [each.get("ID") for each in root.iter() if each.tag.endswith("ImageRef")] == ["I:1"]
    assert [each.attrib for each in root.iter() if each.tag.endswith("TiffData")] == [{}]


def test_formats_of_one_picture_have_no_other_series(tmp_path):
    formats.write(tmp_path / "a.png", formats.Picture(noise("uint8")))
    assert formats.read(tmp_path / "a.png", series=0).pixels.shape == (19, 23)
    for wrong in (1, "x"):
        with pytest.raises(formats.PictureError, match=f"PNG holds one series, 0; got {wrong}"):
            formats.read(tmp_path / "a.png", series=wrong)
    with pytest.raises(TypeError, match="series must be a number from 0 or a name; got True"):
        formats.read(tmp_path / "a.png", series=True)
    np.save(tmp_path / "a.npy", noise("uint8", 40, 50))
    with pytest.raises(formats.PictureError, match="NPY holds one series, 0; got 3"):
        large.denoise(tmp_path / "a.npy", tmp_path / "b.npy", series=3)


@pytest.mark.parametrize("channels", [("DAPI", "GFP", "µ"), ("a", "b")])
@pytest.mark.parametrize("axes", ["CYX", "YXC", "ZYXC", "CZYX"])
def test_channels_keep_their_names(tmp_path, axes, channels):
    sides = {"C": len(channels), "Z": 4, "Y": 40, "X": 50}
    shape = tuple(sides[axis] for axis in axes)
    spacing = (3.0, 0.5, 0.5)[-2 - ("Z" in axes) :]
    picture = formats.Picture(noise("uint16", *shape), axes=axes, channels=channels, spacing=spacing, unit="µm")
    formats.write(tmp_path / "a.tif", picture)
    a = formats.read(tmp_path / "a.tif")
    assert (a.channels, a.spacing, a.unit) == (channels, spacing, "µm")
    order = [axes.index(axis) for axis in a.axes]
    np.testing.assert_array_equal(a.pixels, picture.pixels.transpose(order))
    zarr = pytest.importorskip("zarr")
    large.denoise(tmp_path / "a.tif", tmp_path / "a.zarr", 0)
    shown = zarr.open(tmp_path / "a.zarr").attrs["ome"]["omero"]["channels"]
    assert [each["label"] for each in shown] == [*channels]
    large.denoise(tmp_path / "a.zarr", tmp_path / "b.tif", 0)
    b = formats.read(tmp_path / "b.tif")
    assert (b.channels, b.spacing, b.axes) == (channels, spacing, a.axes)
    np.testing.assert_array_equal(a.pixels, b.pixels)


# --- pyramids and tiles ---


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize(("axes", "shape"), [("YX", (300, 410)), ("ZYX", (2, 300, 410)), ("YXS", (300, 410, 3))])
def test_pyramids_are_made_anew_and_tiles_kept(tmp_path, axes, shape, compression):
    path, image = tmp_path / "in.ome.tif", noise("uint16", *shape)
    options = {"tile": (128, 64), "compression": compression, "photometric": "rgb" if "S" in axes else "minisblack"}
    halves = [tuple(slice(None, None, step if axis in "YX" else None) for axis in axes) for step in (2, 4)]
    with tifffile.TiffWriter(path, ome=True) as writer:
        writer.write(image, subifds=2, metadata={"axes": axes, "PhysicalSizeX": 0.5}, **options)
        for cut in halves:
            writer.write(image[cut], subfiletype=1, **options)
    through(path, tmp_path / "out.tif")
    with tifffile.TiffFile(path) as old, tifffile.TiffFile(tmp_path / "out.tif") as new:
        assert new.is_ome
        series = new.series[0]
        assert [level.shape for level in series.levels] == [level.shape for level in old.series[0].levels]
        assert {(level.keyframe.tilelength, level.keyframe.tilewidth) for level in series.levels} == {(128, 64)}
        assert series.keyframe.compression == old.series[0].keyframe.compression
        pixels = series.levels[0].asarray()
        for level in series.levels[1:]:
            found = level.asarray()
            assert abs(found.mean() - pixels.mean()) < 0.02 * pixels.std()  # neither darker nor brighter
            np.testing.assert_array_equal(found, shrunk(pixels, found.shape))
            pixels = found


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
@pytest.mark.parametrize("shape", [(7, 9), (15, 4, 3), (2, 5, 31, 6)])
def test_a_smaller_copy_is_the_mean_of_what_it_stands_for(monkeypatch, shape, dtype):
    pixels = noise(dtype, *shape)
    small = tuple(-(-side // 2) for side in shape)
    ref = np.empty(small)
    for place in np.ndindex(small):
        box = tuple(slice(k * n // m, (k + 1) * n // m) for k, n, m in zip(place, shape, small, strict=True))
        ref[place] = pixels[box].astype(float).mean()
    ref = ref.astype(dtype) if dtype == "float32" else np.rint(ref).astype(dtype)
    for slab in (pyramid.SLAB, 1, 40):
        monkeypatch.setattr(pyramid, "SLAB", slab)
        np.testing.assert_allclose(shrunk(pixels, small), ref, rtol=1e-6)


def test_whole_numbers_are_not_rounded_to_one_side():
    pixels = noise("uint16", 256, 256) % 1000
    assert abs(shrunk(pixels, (128, 128)).mean() - pixels.mean()) < 0.02


def test_a_pyramid_has_no_say_of_missing_pixels(tmp_path):
    image = noise("uint16", 64, 64) % 100 + 1000
    image[:33] = 7
    with tifffile.TiffWriter(tmp_path / "in.tif") as writer:
        said = {"extratags": [(42113, "s", 0, "7", True)], "metadata": None, "photometric": "minisblack"}
        writer.write(image, subifds=1, **said)
        writer.write(image[::2, ::2], subfiletype=1, metadata=None)
    formats.write(tmp_path / "out.tif", formats.read(tmp_path / "in.tif"))
    with tifffile.TiffFile(tmp_path / "out.tif") as tif:
        small = tif.series[0].levels[1].asarray()
    assert (small[:16] == 7).all()
    assert (small[16:] >= 1000).all()


def test_smaller_copies_that_are_none_are_said(tmp_path, caplog):
    """By regions a pyramid is not made anew."""
    with tifffile.TiffWriter(tmp_path / "in.tif") as writer:
        writer.write(noise("uint8", 64, 64), subifds=1, metadata=None)
        writer.write(noise("uint8", 32, 32), subfiletype=1, metadata=None)
    with caplog.at_level(logging.WARNING, "nlmeans"):
        formats.read(tmp_path / "in.tif")
        assert not caplog.text
        large.denoise(tmp_path / "in.tif", tmp_path / "out.tif", 0)
    assert "smaller copies in the file are not written back" in caplog.text


# --- packed samples ---


def packed(path, samples, bits, photometric=1):
    """Write a TIFF of whole numbers of any count of bits by hand."""
    height, width = samples.shape
    rows = np.unpackbits(samples.astype(">u2")[..., None].view("u1"), axis=-1)[..., 16 - bits :]
    data = np.packbits(rows.reshape(height, -1), axis=1).tobytes()
    tags = [(256, width), (257, height), (258, bits), (259, 1), (262, photometric), (273, 134), (277, 1), (278, height)]
    tags.append((279, len(data)))
    head = struct.pack("<2sHIH", b"II", 42, 8, len(tags)) + b"".join(
        struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags
    )
    path.write_bytes((head + bytes(4)).ljust(134, b"\0") + data)


@pytest.mark.parametrize("photometric", [0, 1])
@pytest.mark.parametrize("bits", [3, 10, 12, 14])
def test_packed_samples_with_and_without_imagecodecs(tmp_path, bits, photometric):
    samples = noise("uint16", 17, 23) >> (16 - bits)
    packed(tmp_path / "in.tif", samples, bits, photometric)
    expected = samples if photometric else 2**bits - 1 - samples  # 0 is white: more light is more
    picture = formats.read(tmp_path / "in.tif")
    np.testing.assert_array_equal(picture.pixels, expected)
    formats.write(tmp_path / "out.tif", picture)
    np.testing.assert_array_equal(formats.read(tmp_path / "out.tif").pixels, expected)
    np.save(tmp_path / "expected.npy", expected)
    program = """
import sys; sys.modules["imagecodecs"] = None
import numpy as np
from nlmeans import io
assert (io.read("in.tif").pixels == np.load("expected.npy")).all()
"""
    ran = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=with_path(), capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr


def test_bits_that_fill_no_byte():
    samples = np.arange(5, dtype=np.uint16) * 300
    bits = np.unpackbits(samples.astype(">u2")[:, None].view("u1"), axis=1)[:, 4:]
    data = np.packbits(bits.reshape(-1)).tobytes()
    np.testing.assert_array_equal(codecs.unpack_bits(data, np.uint16, 12, 5), samples)
    np.testing.assert_array_equal(codecs.unpack_bits(data[:6], np.uint16, 12), samples[:4])
