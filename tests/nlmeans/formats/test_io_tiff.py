"""TIFF: layouts, axes, pixel sizes, tags and compressions."""

import logging
import subprocess
import sys

import numpy as np
import pytest
import tifffile
from pictures import SHAPE, block, noise, profile, through, with_path
from PIL import Image

from nlmeans import formats
from nlmeans.formats import exif
from nlmeans.formats.own.tiff import codecs

LAYOUTS = {
    "grey": (SHAPE, {"photometric": "minisblack"}, "YX"),
    "white is zero": (SHAPE, {"photometric": "miniswhite"}, "YX"),
    "rgb": ((*SHAPE, 3), {"photometric": "rgb"}, "YXC"),
    "planar rgb": ((3, *SHAPE), {"photometric": "rgb", "planarconfig": "separate"}, "YXC"),
    "rgba": ((*SHAPE, 4), {"photometric": "rgb", "extrasamples": ["unassalpha"]}, "YXC"),
    "rgb and two": ((*SHAPE, 5), {"photometric": "rgb", "extrasamples": ["assocalpha", "unspecified"]}, "YXC"),
    "grey and alpha": (
        (*SHAPE, 2),
        {"photometric": "minisblack", "planarconfig": "contig", "extrasamples": ["unassalpha"]},
        "YX",
    ),
    "five bands": ((*SHAPE, 5), {"photometric": "minisblack", "planarconfig": "contig"}, "YXC"),
    "tiles": ((*SHAPE, 3), {"photometric": "rgb", "tile": (16, 16)}, "YXC"),
}


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64"])
@pytest.mark.parametrize("name", LAYOUTS)
def test_tiff_keeps_pixels_and_layout(tmp_path, name, dtype, compression):
    shape, options, axes = LAYOUTS[name]
    samples = noise(dtype, *shape)
    tifffile.imwrite(tmp_path / "in.tif", samples, metadata=None, compression=compression, **options)
    before, _ = through(tmp_path / "in.tif", tmp_path / "out.tif")
    assert before.axes == axes
    with tifffile.TiffFile(tmp_path / "in.tif") as first, tifffile.TiffFile(tmp_path / "out.tif") as second:
        assert second.series[0].axes == first.series[0].axes
        for what in ("photometric", "planarconfig", "samplesperpixel", "extrasamples", "compression"):
            assert getattr(second.pages[0], what) == getattr(first.pages[0], what), what


def test_tiff_of_float16(tmp_path):
    tifffile.imwrite(tmp_path / "in.tif", noise("float16"), byteorder=">")
    through(tmp_path / "in.tif", tmp_path / "out.tif")


def volume(path, **options):
    tifffile.imwrite(path, noise("uint16", 4, *SHAPE), **options)
    return path


IMAGEJ = {
    "imagej": True,
    "resolution": (2.5, 1.25),
    "metadata": {"axes": "ZYX", "spacing": 0.5, "unit": "um", "Labels": list("abcd"), "Info": "seen"},
}


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_imagej_stack(tmp_path, compression):
    path = volume(tmp_path / "in.tif", compression=compression, **IMAGEJ)
    before, after = through(path, tmp_path / "out.tif")
    assert before.axes == after.axes == "ZYX"
    with tifffile.TiffFile(tmp_path / "out.tif") as tif:
        assert tif.is_imagej
        assert tif.imagej_metadata.items() >= {"spacing": 0.5, "unit": "um", "slices": 4, "Info": "seen"}.items()
        assert tif.imagej_metadata["Labels"] == list("abcd")
        assert tif.pages[0].tags.valueof("XResolution") == (5, 2)
        assert tif.pages[0].tags.valueof("YResolution") == (5, 4)


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_ome_stack(tmp_path, compression):
    said = {
        "axes": "TYX",
        "PhysicalSizeX": 0.3,
        "PhysicalSizeXUnit": "µm",
        "TimeIncrement": 2.0,
        "Description": "Łódź",
        "Channel": {"Name": "DAPI"},
    }
    path = volume(tmp_path / "in.tif", ome=True, metadata=said, compression=compression)
    before, after = through(path, tmp_path / "out.tif")
    assert before.axes == after.axes == "TYX"
    with tifffile.TiffFile(tmp_path / "out.tif") as tif:
        assert tif.is_ome
        pixels = tifffile.xml2dict(tif.ome_metadata)["OME"]["Image"]["Pixels"]
        assert tifffile.xml2dict(tif.ome_metadata)["OME"]["Image"]["Description"] == "Łódź"
    assert (pixels["PhysicalSizeX"], pixels["PhysicalSizeXUnit"], pixels["TimeIncrement"]) == (0.3, "µm", 2.0)
    assert pixels["Channel"]["Name"] == "DAPI"


def test_ome_pages_in_any_order_are_put_in_order(tmp_path):
    planes = noise("uint16", 3, *SHAPE)
    xml = (
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0"><Pixels ID="Pixels:0" '
        'DimensionOrder="XYZCT" Type="uint16" SizeX="23" SizeY="19" SizeZ="3" SizeC="1" SizeT="1">'
        '<Channel ID="Channel:0:0" SamplesPerPixel="1"/>'
        + "".join(f'<TiffData IFD="{ifd}" FirstZ="{z}" PlaneCount="1"/>' for ifd, z in enumerate((2, 0, 1)))
        + "</Pixels></Image></OME>"
    )
    tifffile.imwrite(
        tmp_path / "in.tif", planes, photometric="minisblack", description=xml, metadata=None, compression="zlib"
    )
    before, _ = through(tmp_path / "in.tif", tmp_path / "out.tif")
    np.testing.assert_array_equal(before.pixels, planes[[1, 2, 0]])


def test_stack_in_colour(tmp_path):
    tifffile.imwrite(tmp_path / "in.tif", noise("uint8", 3, *SHAPE, 3), ome=True, metadata={"axes": "ZYXS"})
    before, _ = through(tmp_path / "in.tif", tmp_path / "out.tif")
    assert before.axes == "ZYXC"


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_pages_without_names_are_never_guessed(tmp_path, compression):
    path = volume(tmp_path / "in.tif", metadata=None, photometric="minisblack", compression=compression)
    with pytest.raises(formats.PictureError, match="--axes ZYX for a volume, TYX for a video, NYX for separate"):
        formats.read(path)
    before, _ = through(path, tmp_path / "out.tif", axes="NYX")
    assert before.axes == "NYX"
    before, _ = through(path, tmp_path / "out.tif", channel_axis=0)
    assert (before.axes, before.channel_axis) == (None, 0)


def test_pictures_of_different_sizes_are_refused(tmp_path):
    with tifffile.TiffWriter(tmp_path / "in.tif") as writer:
        writer.write(noise("uint8"), metadata=None)
        writer.write(noise("uint8", 40, 40), metadata=None)
    with pytest.raises(formats.PictureError, match=r"this holds 2, of shapes \(19, 23\), \(40, 40\)"):
        formats.read(tmp_path / "in.tif")


def test_thumbnail_is_left_out(tmp_path, caplog):
    with tifffile.TiffWriter(tmp_path / "in.tif") as writer:
        writer.write(noise("uint8"), metadata=None)
        writer.write(noise("uint8", 5, 6, 3), metadata=None, subfiletype=1, photometric="rgb")
    with caplog.at_level(logging.WARNING, "nlmeans"):
        through(tmp_path / "in.tif", tmp_path / "out.tif")
    assert "thumbnails" in caplog.text
    with tifffile.TiffFile(tmp_path / "out.tif") as tif:
        assert len(tif.pages) == 1


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_tiff_keeps_what_it_says(tmp_path, compression):
    tags = [(274, 3, 1, 8, True), (315, 2, None, "Someone", True), (700, 1, 12, b"<x:xmpmeta/>", True)]
    tags += [(33550, 12, 3, (0.5, 0.5, 0.0), True)]
    tifffile.imwrite(
        tmp_path / "in.tif",
        noise("uint16", *SHAPE, 3),
        photometric="rgb",
        compression=compression,
        resolution=(118, 59),
        resolutionunit="centimeter",
        iccprofile=profile(),
        description="a picture",
        software="a scanner",
        datetime="2020:01:02 03:04:05",
        metadata=None,
        extratags=tags,
    )
    before, after = through(tmp_path / "in.tif", tmp_path / "out.tif")
    with tifffile.TiffFile(tmp_path / "in.tif") as first, tifffile.TiffFile(tmp_path / "out.tif") as second:
        for code in (270, 274, 282, 283, 296, 305, 306, 315, 700, 33550, 34675):
            assert second.pages[0].tags.valueof(code) == first.pages[0].tags.valueof(code), code
    assert after.icc == before.icc == profile()
    assert after.dpi == before.dpi == pytest.approx((299.72, 149.86))
    assert exif.orientation(after.exif) == 8


def test_tiff_keeps_the_camera(tmp_path):
    picture = formats.Picture(noise("uint16", *SHAPE, 3), "YXC", exif=block())
    formats.write(tmp_path / "uncompressed.tif", picture)
    through(tmp_path / "uncompressed.tif", tmp_path / "copied.tif")
    tifffile.imwrite(tmp_path / "z.tif", picture.pixels, photometric="rgb", compression="zlib", metadata=None)
    read = formats.read(tmp_path / "z.tif")
    again = formats.Picture(read.pixels, read.axes, exif=block(), native=read.native)
    formats.write(tmp_path / "new.tif", again)
    through(tmp_path / "new.tif", tmp_path / "newer.tif")
    for name in ("uncompressed", "copied", "new", "newer"):
        found = Image.Exif()
        with (tmp_path / f"{name}.tif").open("rb") as file:
            found.load_from_fp(file)
            settings = found.get_ifd(exif.EXIF_IFD)
        assert settings[33434] == 0.125, name
        assert settings[36867] == "2020:01:02 03:04:05", name


def literal_lzw(data):
    """LZW without compression: each byte as a code of 9 bits, with a clear code before the codes grow."""
    codes = [256]
    for k, byte in enumerate(data):
        codes += [byte, 256] if k % 200 == 199 else [byte]
    bits = "".join(f"{code:09b}" for code in [*codes, 257])
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


@pytest.mark.parametrize("length", [1, 500, 501])
def test_lzw_without_imagecodecs(length):
    data = noise("uint8", length).tobytes()
    assert codecs.unpack_lzw(literal_lzw(data), out=length) == data
    with pytest.raises((OSError, ValueError)):
        codecs.unpack_lzw(literal_lzw(data[:-1]), out=length)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_float_predictor_without_imagecodecs(dtype):
    values = noise(dtype, 4, 7, 3)
    planes = values.astype(values.dtype.newbyteorder(">")).reshape(4, 21, 1).view(np.uint8).swapaxes(1, 2)
    lines = planes.reshape(4, -1, 3)
    lines = np.concatenate((lines[:, :1], np.diff(lines, axis=1)), axis=1)  # wraps around, as it should
    stored = np.ascontiguousarray(lines).reshape(4, -1).view(dtype).reshape(values.shape)
    np.testing.assert_array_equal(codecs.undo_float_predictor(stored, axis=-2, out=stored), values)


@pytest.mark.parametrize("compression", ["lzw", "zlib", "zstd"])
def test_tiff_compressions_without_imagecodecs(tmp_path, compression):
    """Files that imagecodecs made, read by a process that cannot have it."""
    pytest.importorskip("imagecodecs")
    arrays = {"uint16": noise("uint16", 40, 50, 3) & 0xF00F, "float32": noise("float32", 40, 50, 3)}
    for name, array in arrays.items():
        predictor = 2 if array.dtype.kind == "u" else 3
        tifffile.imwrite(
            tmp_path / f"{name}.tif",
            array,
            compression=compression,
            predictor=predictor,
            photometric="rgb",
            rowsperstrip=7,
        )
        np.save(tmp_path / f"{name}.npy", array)
    program = """
import sys; sys.modules["imagecodecs"] = None
import numpy as np
from nlmeans import formats
for name in ("uint16", "float32"):
    try:
        assert (formats.read(f"{name}.tif").pixels == np.load(f"{name}.npy")).all()
    except formats.PictureError as error:
        sys.exit(str(error))
"""
    ran = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=with_path(), capture_output=True, text=True)
    if compression == "zstd" and sys.version_info < (3, 14):
        assert "pip install imagecodecs" in ran.stderr
    else:
        assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("low", ["0", "the same", "of their own"])
def test_palette_tiff_becomes_rgb(tmp_path, low):
    table = noise("uint16", 3, 256)
    table = {"0": table & 0xFF00, "the same": (table >> 8) * 257, "of their own": table}[low]
    indices = noise("uint8")
    tifffile.imwrite(tmp_path / "in.tif", indices, photometric="palette", colormap=table)
    picture, _ = through(tmp_path / "in.tif", tmp_path / "out.tif")
    wanted = table.T if low == "of their own" else (table.T >> 8).astype(np.uint8)
    assert picture.pixels.dtype == wanted.dtype
    np.testing.assert_array_equal(picture.pixels, wanted[indices])
    with tifffile.TiffFile(tmp_path / "out.tif") as tif:  # the indices' shape is not the colours'
        assert tif.pages[0].description in ("", f'{{"shape": {[*SHAPE, 3]}}}')


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_a_display_palette_is_no_colour(tmp_path, compression):
    options = {"photometric": "palette", "colormap": noise("uint16", 3, 256), "imagej": True}
    tifffile.imwrite(tmp_path / "in.tif", noise("uint8"), compression=compression, **options)
    before, _ = through(tmp_path / "in.tif", tmp_path / "out.tif")
    assert before.axes == "YX"


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_axes_by_tifffile(tmp_path, compression):
    volume(tmp_path / "in.tif", metadata={"axes": "TYX"}, photometric="minisblack", compression=compression)
    before, _ = through(tmp_path / "in.tif", tmp_path / "out.tif")
    assert before.axes == "TYX"


def test_refused_tiffs(tmp_path):
    path = tmp_path / "in.tif"
    Image.new("1", (9, 9)).save(path)
    with pytest.raises(formats.PictureError, match="1 bit a pixel"):
        formats.read(path)
    Image.new("CMYK", (9, 9)).save(path)
    with pytest.raises(formats.PictureError, match="this one is SEPARATED"):
        formats.read(path)
    tifffile.imwrite(path, noise("uint16"), metadata=None, extratags=[(50706, 1, 4, (1, 4, 0, 0), True)])
    with pytest.raises(formats.PictureError, match=r"a DNG, whose name must end in \.dng"):
        formats.read(path)
