"""PNM, PFM, BMP, GIF and WebP: what Pillow and OpenCV write is read as they read it, and what is written, by them."""

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from pictures import SHAPE, block, noise, opened, profile, through
from PIL import Image

from nlmeans import formats
from nlmeans.formats import Picture, PictureError

GREY, COLOUR = noise("uint8"), noise("uint8", *SHAPE, 3)
DEEP, DEEP_COLOUR = noise("uint16"), noise("uint16", *SHAPE, 3)
FLOATS, FLOAT_COLOUR = noise("float32"), noise("float32", *SHAPE, 3)
ALPHA = noise("uint8", *SHAPE, 1, seed=1)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def by_cv2(name):
    """OpenCV's view of a file, in RGB."""
    pixels = cv2.imread(name, cv2.IMREAD_UNCHANGED)
    return pixels[..., [2, 1, 0, 3][: pixels.shape[2]]] if pixels.ndim == 3 else pixels


@pytest.mark.parametrize(
    ("name", "pixels"),
    [
        *(("a.pgm", pixels) for pixels in (GREY, DEEP)),
        *(("a.ppm", pixels) for pixels in (COLOUR, DEEP_COLOUR)),
        *(("a.pam", pixels) for pixels in (GREY, DEEP)),  # its colours are blue, green and red
        *(("a.pfm", pixels) for pixels in (FLOATS, FLOAT_COLOUR)),
        *(("a.bmp", pixels) for pixels in (GREY, COLOUR)),
    ],
)
def test_opencv_agrees(name, pixels):
    cv2.imwrite(name, pixels[..., ::-1] if pixels.ndim == 3 else pixels)
    np.testing.assert_array_equal(formats.read(name).pixels, pixels)
    formats.write(f"our_{name}", Picture(pixels, "YX" if pixels.ndim == 2 else "YXC"))
    np.testing.assert_array_equal(by_cv2(f"our_{name}"), pixels)
    through(name, f"again_{name}")


@pytest.mark.parametrize(
    ("name", "pixels", "options"),
    [
        ("a.pgm", GREY, {}),
        ("a.pgm", DEEP, {}),
        ("a.ppm", COLOUR, {}),
        ("a.pfm", FLOATS, {}),
        ("a.bmp", GREY, {"dpi": (300, 150)}),
        ("a.bmp", COLOUR, {"dpi": (300, 150)}),
        ("a.gif", GREY, {"comment": b"a comment"}),
        ("a.webp", COLOUR, {"lossless": True}),
        ("a.webp", np.dstack((COLOUR, ALPHA)), {"lossless": True, "exact": True}),
    ],
)
def test_pillow_agrees(name, pixels, options):
    Image.fromarray(pixels).save(name, **options)
    before, after = through(name, f"our_{name}")
    np.testing.assert_array_equal(before.pixels, pixels[..., :3] if pixels.ndim == 3 else pixels)
    seen = np.asarray(opened(Path(f"our_{name}")).convert(Image.fromarray(pixels).mode))
    np.testing.assert_array_equal(seen, after.with_alpha())
    for key in ("dpi", "comment"):
        assert opened(Path(f"our_{name}")).info.get(key) == opened(Path(name)).info.get(key)


@pytest.mark.parametrize("name", ["a.pam", "a.bmp", "a.webp"])
def test_colour_with_alpha(name):
    formats.write(name, Picture(COLOUR, "YXC", alpha=ALPHA))
    through(name, f"again_{name}")
    rgba = np.dstack((COLOUR, ALPHA))
    if name == "a.pam":
        said = b"P7\nWIDTH 23\nHEIGHT 19\nDEPTH 4\nMAXVAL 255\nTUPLTYPE RGB_ALPHA\nENDHDR\n"
        assert Path(name).read_bytes() == said + rgba.tobytes()
    else:
        np.testing.assert_array_equal(opened(Path(name)).convert("RGBA"), rgba)


@pytest.mark.parametrize("name", ["a.bmp", "a.webp"])
def test_grey_with_alpha_becomes_colour(name):
    formats.write(name, Picture(GREY, "YX", alpha=ALPHA))
    picture = formats.read(name)
    np.testing.assert_array_equal(picture.pixels, np.dstack([GREY] * 3))
    np.testing.assert_array_equal(picture.alpha, ALPHA)


# --- PNM ---


@pytest.mark.parametrize(
    ("data", "pixels", "maxval"),
    [
        (b"P2\n# one\n3 1 # two\n15\n0 7\n15", [[0, 7, 15]], 15),
        (b"P3 1 2 255 1 2 3\t4 5 6\n# end\n", [[[1, 2, 3]], [[4, 5, 6]]], None),
        (b"P5\n2 1\n1023\n\x01\x02\x03\xff", [[0x102, 0x3FF]], 1023),
        (b"P5 2 1 65535 \x0a\x0d\x20\x09", [[0x0A0D, 0x2009]], None),  # pixels that look like white space
        (b"P5 1 1 255#c\n\x23", [[0x23]], None),
        (b"P7\nWIDTH 1\nHEIGHT 1\n# c\nDEPTH 3\nMAXVAL 255\nTUPLTYPE RGB\nENDHDR\n\1\2\3", [[[1, 2, 3]]], None),
    ],
)
def test_pnm_by_hand(data, pixels, maxval):
    Path("a.bin").write_bytes(data)
    picture = formats.read("a.bin")
    assert picture.pixels.tolist() == pixels
    assert picture.maxval == maxval
    formats.write("a.pnm", picture)
    again = formats.read("a.pnm")
    assert (again.pixels.tolist(), again.maxval, again.pixels.dtype) == (pixels, maxval, picture.pixels.dtype)
    assert again.native.comments == picture.native.comments


@pytest.mark.parametrize("data", [b"P1 3 2 10 1\n001", b"P4\n3 2\n\xa0\x20"])
def test_bilevel_pnm(data):
    Path("mask.pbm").write_bytes(data)
    with pytest.raises(PictureError, match="pixels must have shades: this PNM has 1 bit"):
        formats.read("mask.pbm")
    assert formats.read("mask.pbm", bilevel=True).pixels.tolist() == [[0, 255, 0], [255, 255, 0]]
    np.testing.assert_array_equal(
        np.asarray(opened(Path("mask.pbm"))) * 255, formats.read("mask.pbm", bilevel=True).pixels
    )


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"P5 2 2 255 abc", "cut short: its pixels take 4 bytes, there are 3"),
        (b"P5 1 1 255 ab", "must hold one picture: 1 bytes follow"),
        (b"P5 1 1 0 a", "largest number of a PNM is 1 to 65535; got 0"),
        (b"P5 1 1 70000 a", "got 70000"),
        (b"P5 1 1 9 a", "its largest number is 9, there is 97"),
        (b"P5 1 x 9 a", "a whole number must stand in its header; got b'x'"),
        (b"P5 1", "cut short"),
        (b"P5 1000000 1000000 255 a", "decompression bomb"),
        (b"P2 1000 1000 255 1 2", "its pixels take 1,999,999 bytes"),
        (b"P2 2 1 255 1234567890 1", "2 whole numbers must follow"),
        (b"P2 2 1 255 1 2 3", "2 whole numbers must follow"),
        (b"P1 2 1 1 2", "2 whole numbers must follow"),
        (b"P7\nWIDTH 1\nHEIGHT 1\nDEPTH 1\nENDHDR\n1", "must say its MAXVAL"),
        (b"P7\nWIDTH 1\nHEIGHT 1\nDEPTH 5\nMAXVAL 255\nENDHDR\n12345", "has 5 samples a pixel"),
        (b"P7\nWIDTH 1\n", "ends with ENDHDR"),
        (b"PF 1 1 -1 abc", "its pixels take 12 bytes, there are 3"),
        (b"Pf 1 1 0 abcd", "by its sign how bytes stand; got 0"),
        (b"Pf 1000000 1000000 -1 abcd", "decompression bomb"),
        (b"Pf x", "begins with its width"),
    ],
)  # fmt: skip
def test_damaged_pnm(data, match):
    Path("a.pnm").write_bytes(data)
    with pytest.raises(PictureError, match=match):
        formats.read("a.pnm", bilevel=True)


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_white_stays_white(name):
    pixels = np.array([[0, 1, 511, 1023, 1100]], np.uint16)
    formats.write(name, Picture(pixels, "YX", maxval=1023))
    assert formats.read(name).pixels.tolist() == [[0, 64, 32735, 65535, 65535]]
    formats.write("a.npy", Picture(pixels, "YX", maxval=1023))
    np.testing.assert_array_equal(formats.read("a.npy").pixels, pixels)


def test_numbers_above_white_are_not_written():
    formats.write("a.pgm", Picture(np.array([[1100, 5]], np.uint16), "YX", maxval=1023))
    assert formats.read("a.pgm").pixels.tolist() == [[1023, 5]]


@pytest.mark.parametrize("scale", [b"2.5", b"-2.5"])
def test_pfm_of_either_order_of_bytes(scale):
    order = "<" if scale.startswith(b"-") else ">"
    Path("a.pfm").write_bytes(b"PF\n2 1\n" + scale + b"\n" + struct.pack(order + "6f", 1, 2, 3, 4, 5, 6))
    picture = formats.read("a.pfm")
    assert picture.pixels.tolist() == [[[1, 2, 3], [4, 5, 6]]]
    formats.write("b.pfm", picture)
    assert Path("b.pfm").read_bytes() == Path("a.pfm").read_bytes()


def test_a_pnm_is_upright():
    formats.write("a.pgm", Picture(GREY, "YX", exif=block(orientation=6)))
    np.testing.assert_array_equal(formats.read("a.pgm").pixels, np.rot90(GREY, -1))


# --- BMP and GIF ---


def runs(width, height, *codes):
    """Return a BMP of 8 bits in runs, whose palette is red, and then green."""
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, len(codes), 0, 0, 2, 0)
    palette = bytes([0, 0, 255, 0, 0, 255, 0, 0])
    return struct.pack("<2sIHHI", b"BM", 62 + len(codes), 0, 0, 62) + head + palette + bytes(codes)


def test_bmp_of_runs():
    Path("a.bmp").write_bytes(runs(3, 2, 2, 0, 1, 1, 0, 0, 3, 1, 0, 1))
    picture = formats.read("a.bmp")
    assert picture.axes == "YXC"
    assert picture.pixels[..., 1].tolist() == [[255] * 3, [0, 0, 255]]
    for data in (runs(3, 2, 2, 0), runs(30000, 30000, 0, 1)):
        Path("a.bmp").write_bytes(data)
        with pytest.raises(PictureError):
            formats.read("a.bmp")


def test_bmp_keeps_its_profile():
    formats.write("a.bmp", Picture(COLOUR, "YXC", icc=profile(), alpha=ALPHA))
    before, after = through("a.bmp", "b.bmp")
    assert before.icc == after.icc == profile()
    assert formats.read("b.bmp").icc == profile()


def palette_gif(name, colours, **options):
    image = Image.fromarray(GREY % np.uint8(len(colours))).convert("P")
    image.putpalette(np.array(colours, np.uint8).tobytes())
    image.save(name, **options)


def test_colours_of_a_gif_are_looked_up():
    table = [(255, 0, 0), (0, 9, 0), (1, 2, 3)]
    palette_gif("a.gif", table)
    np.testing.assert_array_equal(formats.read("a.gif").pixels, np.array(table, np.uint8)[GREY % 3])
    palette_gif("b.gif", [(9, 9, 9), (3, 3, 3)], transparency=1)
    picture = formats.read("b.gif")
    np.testing.assert_array_equal(picture.pixels[GREY % 2 == 0], 9)
    np.testing.assert_array_equal(picture.alpha[..., 0], np.where(GREY % 2, 0, 255))
    with pytest.raises(PictureError, match="shades of grey: this picture has colours"):
        formats.check("c.gif", formats.read("a.gif"))


@pytest.mark.parametrize("name", ["a.gif", "a.webp"])
def test_animations_are_refused(name):
    frames = [Image.fromarray(COLOUR), Image.fromarray(COLOUR[::-1])]
    frames[0].save(name, save_all=True, append_images=frames[1:])
    kind = {"a.gif": "GIF", "a.webp": "WebP"}[name]
    with pytest.raises(PictureError, match=f"a {kind} must be a still picture: this one is animated; save its frames"):
        formats.read(name)


# --- WebP ---


def test_webp_keeps_what_it_says():
    said = {"icc_profile": profile(), "exif": b"Exif\0\0" + block(orientation=8), "xmp": b"<x:xmpmeta/>"}
    Image.fromarray(COLOUR).save("a.webp", lossless=True, **said)
    before, after = through("a.webp", "b.webp")
    assert (before.icc, before.exif) == (after.icc, after.exif) == (profile(), block(orientation=8))
    first, second = opened(Path("a.webp")).info, opened(Path("b.webp")).info
    assert second["xmp"] == first["xmp"] == b"<x:xmpmeta/>"
    assert second["icc_profile"] == first["icc_profile"]


def test_webp_is_lossy_where_it_is_asked_for():
    Image.fromarray(COLOUR).save("a.webp", quality=50)
    picture = formats.read("a.webp")
    formats.write("b.webp", picture)
    np.testing.assert_array_equal(formats.read("b.webp").pixels, picture.pixels)
    sizes = []
    for level in (20, 90):
        formats.write("c.webp", picture, lossy=level, overwrite=True)
        sizes.append(Path("c.webp").stat().st_size)
    assert sizes[0] < sizes[1] < Path("b.webp").stat().st_size
    with pytest.raises(ValueError, match="lossy must be 1 to 100; got 0"):
        formats.write("d.webp", picture, lossy=0)


@pytest.mark.parametrize("lossless", [False, True])
@pytest.mark.parametrize("opaque", [False, True])
def test_the_size_of_a_webp_is_known_before_it_is_opened(lossless, opaque):
    pixels = COLOUR if opaque else np.dstack((COLOUR, ALPHA))
    Image.fromarray(pixels).save("a.webp", lossless=lossless)
    with pytest.raises(PictureError, match="its header says 23×19"):
        formats.read("a.webp", max_pixels=436)
    assert formats.read("a.webp", max_pixels=437).pixels.shape == (*SHAPE, 3)


# --- damage ---


@pytest.mark.parametrize("share", [0.0, 0.01, 0.03, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98, 0.99])
@pytest.mark.parametrize("name", ["a.pgm", "a.ppm", "a.pam", "a.pfm", "a.bmp", "b.bmp", "a.gif", "a.webp", "b.webp"])
def test_truncated_stills(name, share):
    pixels = FLOATS if name == "a.pfm" else GREY if name in ("a.pgm", "a.gif") else COLOUR
    pixels = pixels[:, :20]  # no padding that might be cut off
    alpha = ALPHA[:, :20] if name == "b.bmp" else None
    picture = Picture(pixels, "YX" if pixels.ndim == 2 else "YXC", alpha=alpha)
    formats.write(name, picture, lossy=80 if name == "b.webp" else None)
    data = Path(name).read_bytes()
    Path(name).write_bytes(data[: int(len(data) * share)])
    with pytest.raises(PictureError):
        formats.read(name)


@pytest.mark.parametrize(
    ("name", "picture", "match"),
    [
        ("a.pgm", Picture(FLOATS, "YX"), "a PNM holds uint8 or uint16 pixels: these are float32"),
        ("a.pfm", Picture(GREY, "YX"), "a PFM holds float32 pixels: these are uint8"),
        ("a.bmp", Picture(DEEP, "YX"), "a BMP holds uint8 pixels: these are uint16"),
        ("a.gif", Picture(GREY, "YX", alpha=ALPHA), "a GIF has no alpha"),
        ("a.webp", Picture(np.zeros((1, 16384), np.uint8), "YX"), "at most 16383 pixels a side"),
        ("a.webp", Picture(COLOUR, "YXC", alpha=COLOUR), "a WebP holds one alpha: this picture has 3"),
        ("a.bmp", Picture(COLOUR, "ZYX"), "one grey or RGB picture: this has shape"),
    ],
)
def test_what_stills_cannot_hold(name, picture, match):
    for attempt in (formats.check, formats.write):
        with pytest.raises(PictureError, match=match):
            attempt(name, picture)
    assert not list(Path().iterdir())
