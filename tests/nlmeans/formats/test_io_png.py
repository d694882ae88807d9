"""PNG: all bits, alpha, and whatever else the file says."""

import logging
import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
from pictures import SHAPE, block, noise, opened, png_file, profile, through
from PIL import Image, PngImagePlugin

from nlmeans import formats
from nlmeans.formats import exif
from nlmeans.formats.own import png


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("colour", [png.GREY, png.RGB, png.GREY_ALPHA, png.RGBA])
def test_png_keeps_all_bits(tmp_path, dtype, colour, interlaced):
    count = {png.GREY: 1, png.RGB: 3, png.GREY_ALPHA: 2, png.RGBA: 4}[colour]
    samples = noise(dtype, *SHAPE, count)
    path = png_file(tmp_path / "in.png", samples, samples.itemsize * 8, colour, interlaced=interlaced)
    before, _ = through(path, tmp_path / "out.png")
    colours = 1 if count < 3 else 3
    assert before.pixels.dtype == dtype
    assert before.axes == ("YX" if colours == 1 else "YXC")
    np.testing.assert_array_equal(np.atleast_3d(before.pixels), samples[..., :colours])
    if count in (2, 4):
        np.testing.assert_array_equal(before.alpha, samples[..., -1:])


def test_png_that_others_can_read(tmp_path):
    pixels = noise("uint8", 301, 200, 3)
    formats.write(tmp_path / "rgb.png", formats.Picture(pixels, "YXC"))
    np.testing.assert_array_equal(np.asarray(opened(tmp_path / "rgb.png")), pixels)
    deep = noise("uint16")
    formats.write(tmp_path / "grey.png", formats.Picture(deep, "YX"))
    np.testing.assert_array_equal(np.asarray(opened(tmp_path / "grey.png")), deep)


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 40, 3), (40, 1, 3), (3, 5, 1)])
def test_png_of_odd_shapes_in_bands(tmp_path, shape):
    pixels, path = noise("uint16", *shape), tmp_path / "a.png"
    png.Png(band=64).write(path, formats.Picture(pixels, "YXC"), path)  # several bands, the last one shorter
    np.testing.assert_array_equal(np.atleast_3d(formats.read(tmp_path / "a.png").pixels), pixels)


def test_png_filters(tmp_path):
    """Each kind of row is best foretold by another neighbour; all must come back, and be small."""
    rows, columns = np.mgrid[:300, :200].astype(np.uint16)
    noisy = noise("uint16", 300, 200)
    pictures = {
        1: noisy[:, :1] + 3 * columns,
        2: noisy[:1] + 3 * rows,
        4: noisy[:, :1] * 0 + 701 * (rows // 7 + columns // 9),
    }
    for kind, pixels in pictures.items():
        formats.write(tmp_path / "a.png", formats.Picture(pixels, "YX"), overwrite=True)
        np.testing.assert_array_equal(opened(tmp_path / "a.png"), pixels)
        assert (tmp_path / "a.png").stat().st_size < pixels.nbytes / 20
        data = b"".join(c.data for c in png._chunks((tmp_path / "a.png").read_bytes()) if c.name == b"IDAT")
        kinds = np.frombuffer(zlib.decompress(data), np.uint8).reshape(300, -1)[:, 0]
        assert (kinds == kind).sum() > 20


def test_palette_becomes_rgb(tmp_path, caplog):
    indices = noise("uint8") % 5
    table = noise("uint8", 5, 3)
    path = png_file(
        tmp_path / "in.png", indices, 4, png.PALETTE, (b"PLTE", table.tobytes()), (b"tRNS", bytes([0, 128]))
    )
    with caplog.at_level(logging.WARNING, "nlmeans"):
        picture, after = through(path, tmp_path / "out.png")
    assert "palette" in caplog.text
    np.testing.assert_array_equal(picture.pixels, table[indices])
    np.testing.assert_array_equal(picture.alpha[..., 0], np.array([0, 128, 255, 255, 255])[indices])
    assert after.axes == "YXC"


def test_transparent_colour_becomes_alpha(tmp_path):
    samples = noise("uint8", *SHAPE, 3)
    samples[2, 3] = samples[5, 6] = (1, 2, 3)
    path = png_file(tmp_path / "in.png", samples, 8, png.RGB, (b"tRNS", struct.pack(">3H", 1, 2, 3)))
    picture, _ = through(path, tmp_path / "out.png")
    assert set(zip(*np.nonzero(picture.alpha[..., 0] == 0), strict=True)) == {(2, 3), (5, 6)}
    assert picture.alpha.max() == 255

    few = noise("uint8") % 4
    path = png_file(tmp_path / "few.png", few, 2, png.GREY, (b"tRNS", struct.pack(">H", 2)))
    picture = formats.read(path)
    np.testing.assert_array_equal(picture.pixels, few * 85)
    np.testing.assert_array_equal(picture.alpha[..., 0] == 0, few == 2)


def test_png_keeps_what_it_says(tmp_path):
    said = [
        (b"gAMA", struct.pack(">I", 45455)),
        (b"cICP", bytes([9, 16, 0, 1])),
        (b"iCCP", b"p\0\0" + zlib.compress(profile())),
        (b"pHYs", struct.pack(">IIB", 11811, 5906, 1)),
        (b"eXIf", block()),
        (b"tEXt", b"Comment\0caf\xe9"),
        (b"iTXt", b"Author\0\0\0\0\0\xc5\x81"),
        (b"tIME", bytes(7)),
    ]
    path = png_file(tmp_path / "in.png", noise("uint8", *SHAPE, 3), 8, png.RGB, *said)
    picture, _ = through(path, tmp_path / "out.png")
    kept = [(chunk.name, chunk.data) for chunk in png._chunks((tmp_path / "out.png").read_bytes())]
    assert kept[1 : len(said)] == said[:-1]  # all but the time of the last change
    assert picture.icc == profile()
    assert picture.dpi == (299.999, 150.012)
    assert opened(tmp_path / "out.png").getexif()[exif.ORIENTATION] == 6


def test_refused_pngs(tmp_path):
    with pytest.raises(formats.PictureError, match="1 bit a pixel"):
        formats.read(png_file(tmp_path / "bw.png", noise("uint8") % 2, 1, png.GREY))
    frames = [Image.fromarray(noise("uint8", seed=k)) for k in range(3)]
    frames[0].save(tmp_path / "film.png", save_all=True, append_images=frames[1:])
    with pytest.raises(formats.PictureError, match="animated"):
        formats.read(tmp_path / "film.png")


def test_pillow_still_has_the_layouts_that_16_bits_rely_on():
    """If this fails, Pillow has changed: see png._samples."""
    stream = BytesIO()
    Image.new("RGB", (1, 1)).save(stream, "PNG")
    stream.seek(0)
    image = PngImagePlugin.PngImageFile(stream)
    assert len(image.tile) == 1
    assert len(image.tile[0]) == 4
