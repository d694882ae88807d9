"""JPEG 2000, JPEG XL, AVIF and HEIC: bits, metadata, and what other libraries make of the files."""

import struct
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from pictures import SHAPE, block, noise, opened, profile, through
from PIL import Image, features

from nlmeans import formats
from nlmeans.formats import Picture, PictureError, exif
from nlmeans.formats.boxes import boxes, pack

pytest.importorskip("imagecodecs")
pytest.importorskip("pillow_heif")
import imagecodecs
import pillow_heif

GREY, COLOUR = noise("uint8"), noise("uint8", *SHAPE, 3)
ALPHA = noise("uint8", *SHAPE, 1, seed=1)
NAMES = ("a.jp2", "a.j2k", "a.jxl", "a.avif", "a.heic")
MODES = {"a.jp2": "JPEG 2000", "a.j2k": "JPEG 2000", "a.jxl": "JPEG XL", "a.avif": "AVIF", "a.heic": "HEIC"}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def of_bits(bits, *shape):
    return noise("uint8" if bits == 8 else "uint16", *shape) >> (0 if bits in (8, 16) else 16 - bits)


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("shape", [SHAPE, (*SHAPE, 3)])
@pytest.mark.parametrize("name", NAMES)
def test_all_bits_are_kept(name, shape, alpha, bits):
    maxval = None if bits in (8, 16) else 2**bits - 1
    opacity = of_bits(bits, *SHAPE, 1) if alpha else None
    picture = Picture(of_bits(bits, *shape), "YX" if len(shape) == 2 else "YXC", alpha=opacity, maxval=maxval)
    if bits == 16 and name in ("a.avif", "a.heic"):
        with pytest.raises(PictureError, match="8, 10 or 12 bits a sample: these are more; write a JPEG XL"):
            formats.check(name, picture)
        return
    formats.write(name, picture)
    before, after = through(name, f"again_{name}")
    coloured = name == "a.heic" and len(shape) == 2 and alpha
    expected = np.dstack([picture.pixels] * 3) if coloured else picture.pixels
    np.testing.assert_array_equal(before.pixels, expected)
    assert before.maxval == after.maxval == maxval
    if alpha:
        np.testing.assert_array_equal(before.alpha, opacity)


@pytest.mark.parametrize("name", ["a.jp2", "a.jxl", "a.avif", "a.heic"])
def test_white_of_any_bits_is_white(name):
    """A number that no count of bits ends with is spread over the next one that the format has."""
    pixels = np.array([[0, 400, 800, 900]], np.uint16)
    formats.write(name, Picture(pixels, "YX", maxval=800))
    after = formats.read(name)
    most = after.maxval or 65535
    np.testing.assert_array_equal(after.pixels, np.array([[0, (most + 1) // 2, most, most]]))
    formats.write("a.png", after)
    assert formats.read("a.png").pixels.max() == 65535


@pytest.mark.parametrize("name", ["a.jp2", "a.jxl", "a.avif", "a.heic"])
def test_metadata_is_kept(name):
    said = {"icc": profile(), "exif": block(orientation=1), "dpi": (300.0, 150.0)}
    formats.write(name, Picture(COLOUR, "YXC", **said))
    before, after = through(name, f"again_{name}")
    assert before.exif == after.exif == said["exif"]
    if name != "a.jxl":  # imagecodecs writes none
        assert before.icc == after.icc == said["icc"]
    if name == "a.jp2":
        assert before.dpi == after.dpi == said["dpi"]


def test_xmp_moves_from_format_to_format():
    xmp = b"<x:xmpmeta/>"
    Image.fromarray(COLOUR).save("a.webp", lossless=True, xmp=xmp)
    source = "a.webp"
    for name in ("a.jp2", "a.jxl", "a.avif", "a.heic", "b.webp"):
        formats.write(name, formats.read(source))
        assert formats.read(name).native.xmp == xmp
        source = name
    np.testing.assert_array_equal(formats.read("b.webp").pixels, COLOUR)


@pytest.mark.parametrize("name", NAMES)
def test_loss_is_asked_for(name):
    smooth = np.add.outer(np.linspace(0, 150, 90), np.linspace(0, 90, 80)) + np.random.default_rng(0).normal(
        0, 4, (90, 80)
    )
    picture = Picture(smooth.clip(0, 255).astype(np.uint8), "YX")
    sizes, errors = [], []
    for level in (30, 45, None):
        formats.write(name, picture, lossy=level, overwrite=True)
        sizes.append(Path(name).stat().st_size)
        errors.append(np.abs(formats.read(name).pixels.astype(int) - picture.pixels).mean())
    assert sizes[0] < sizes[1] < sizes[2]
    assert errors[0] > errors[1] > errors[2] == 0


@pytest.mark.parametrize("name", ["a.avif", "a.heic"])
def test_the_meaning_of_numbers_is_kept(name):
    """Rec. 2020 with PQ, as photographs in HDR have it; it moves from the one format to the other."""
    deep = of_bits(10, *SHAPE, 3)
    data = imagecodecs.avif_encode(deep, bitspersample=10, primaries=9, transfer=16, speed=9)
    Path("source.avif").write_bytes(data)
    formats.write(name, formats.read("source.avif"))
    before, after = through(name, f"again_{name}")
    np.testing.assert_array_equal(before.pixels, deep)
    assert before.native[:2] == after.native[:2] == (9, 16)


# --- by other libraries ---


@pytest.mark.parametrize("name", ["a.jp2", "a.avif", "a.heic"])
def test_pillow_sees_the_same(name):
    pillow_heif.register_heif_opener()
    if name == "a.avif" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    formats.write(name, Picture(COLOUR, "YXC", alpha=ALPHA, icc=profile(), exif=block(orientation=1)))
    image = opened(Path(name))
    np.testing.assert_array_equal(np.asarray(image), np.dstack((COLOUR, ALPHA)))
    if name != "a.jp2":
        assert image.info["icc_profile"] == profile()
        assert image.info["exif"].removeprefix(b"Exif\0\0") == block(orientation=1)


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")
@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_avif_is_read_upright(orientation):
    image = Image.fromarray(COLOUR)
    image.save("a.avif", quality=100, subsampling="4:4:4", exif=block(orientation=orientation), icc_profile=profile())
    picture = formats.read("a.avif")
    stored = np.asarray(opened(Path("a.avif")).convert("RGB"))
    np.testing.assert_array_equal(picture.pixels, exif.upright(stored, orientation))
    assert exif.orientation(picture.exif) == 1
    assert picture.icc == profile()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_heic_is_read_upright(orientation):
    pillow_heif.register_heif_opener()
    Image.fromarray(COLOUR).save(
        "a.heic", quality=-1, chroma=444, matrix_coefficients=0, exif=block(orientation=orientation)
    )
    picture = formats.read("a.heic")
    np.testing.assert_array_equal(picture.pixels, exif.upright(COLOUR, orientation))
    assert exif.orientation(picture.exif) == 1


def test_an_orientation_is_taken_out_of_exif():
    for order in (">", "<"):
        data = block(orientation=6) if order == ">" else Image.Exif()
        if order == "<":
            data.endian = "<"
            data[exif.ORIENTATION] = 8
            data[271] = "Maker"
            data = data.tobytes()[6:]
        turned = exif.said_upright(data)
        assert exif.orientation(turned) == 1
        assert sum(a != b for a, b in zip(turned, data, strict=True)) == 1
    assert exif.said_upright(b"nonsense") == b"nonsense"


# --- JPEG 2000 ---


def test_boxes_of_a_jp2_are_kept():
    formats.write("plain.jp2", Picture(COLOUR, "YXC"))
    data = Path("plain.jp2").read_bytes()
    at = next(box.start for box in boxes(data) if box.kind == b"jp2c")
    said = [pack(b"xml ", b"<gml/>"), pack(b"uuid", bytes(range(16)), b"a map")]
    Path("a.jp2").write_bytes(data[:at] + b"".join(said) + data[at:])
    through("a.jp2", "b.jp2")
    assert b"".join(said) in Path("b.jp2").read_bytes()


def test_a_profile_does_not_change_the_pixels():
    """The decoder would convert them."""
    deep = noise("uint16", *SHAPE, 3)
    formats.write("a.jp2", Picture(deep, "YXC", icc=profile()))
    np.testing.assert_array_equal(formats.read("a.jp2").pixels, deep)


def test_colours_of_a_jp2_are_looked_up():
    indices = GREY % np.uint8(4)
    table = noise("uint8", 4, 3)
    formats.write("grey.jp2", Picture(indices, "YX"))
    data = Path("grey.jp2").read_bytes()
    stream = next(data[box.start : box.end] for box in boxes(data) if box.kind == b"jp2c")
    header = pack(
        b"jp2h",
        pack(b"ihdr", struct.pack(">IIHBBBB", *SHAPE, 1, 7, 7, 0, 0)),
        pack(b"colr", struct.pack(">BBBI", 1, 0, 0, 16)),
        pack(b"pclr", struct.pack(">HB3B", 4, 3, 7, 7, 7), table.tobytes()),
        pack(b"cmap", *(struct.pack(">HBB", 0, 1, k) for k in range(3))),
    )
    start = next(box.end for box in boxes(data) if box.kind == b"ftyp")
    Path("a.jp2").write_bytes(data[:start] + header + stream)
    before, _ = through("a.jp2", "b.jp2")
    np.testing.assert_array_equal(before.pixels, table[indices])


@pytest.mark.parametrize("dtype", ["int8", "int16"])
def test_signed_jp2(dtype):
    formats.write("a.jp2", Picture(noise(dtype), "YX"))
    np.testing.assert_array_equal(formats.read("a.jp2").pixels, noise(dtype))
    through("a.jp2", "b.jp2")


def test_many_channels_of_a_codestream():
    bands = noise("uint8", *SHAPE, 6)
    Path("a.j2k").write_bytes(imagecodecs.jpeg2k_encode(bands, reversible=True, codecformat="J2K"))
    picture = formats.read("a.j2k")
    assert picture.axes == "YXC"
    np.testing.assert_array_equal(picture.pixels, bands)


def test_pillow_s_jp2():
    for mode in ("L", "LA", "RGB", "RGBA"):
        image = Image.fromarray(np.dstack((COLOUR, ALPHA))).convert(mode)
        image.save(f"{mode}.jp2")
        before, _ = through(f"{mode}.jp2", f"our_{mode}.jp2")
        np.testing.assert_array_equal(np.atleast_3d(np.asarray(image)), np.atleast_3d(before.with_alpha()))


# --- JPEG XL ---


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_floats_of_a_jxl(dtype):
    formats.write("a.jxl", Picture(noise(dtype, *SHAPE, 3), "YXC", alpha=noise(dtype, *SHAPE, 1)))
    before, _ = through("a.jxl", "b.jxl")
    np.testing.assert_array_equal(before.pixels, noise(dtype, *SHAPE, 3))


def test_16_bits_are_srgb_not_linear(caplog):
    deep = noise("uint16", *SHAPE, 3)
    Path("a.jxl").write_bytes(imagecodecs.jpegxl_encode(deep, lossless=True))
    formats.read("a.jxl")
    assert "its colour profile is not kept" in caplog.text  # as the encoder says that they are linear
    caplog.clear()
    formats.write("b.jxl", Picture(deep, "YXC"))
    np.testing.assert_array_equal(formats.read("b.jxl").pixels, deep)
    assert not caplog.text
    with pytest.raises(PictureError, match="more than 8 bits is written without loss: leave out --lossy"):
        formats.write("c.jxl", Picture(deep, "YXC"), lossy=80)


@pytest.mark.parametrize("sides", [(8, 8), (256, 200), (257, 300), (600, 900), (9000, 3), (100, 120), (100, 133)])
@pytest.mark.parametrize("bits", [8, 16])
def test_the_header_of_a_jxl(sides, bits):
    zeros = np.zeros(sides, "uint8" if bits == 8 else "uint16")
    Path("a.jxl").write_bytes(imagecodecs.jpegxl_encode(zeros, lossless=True))
    with pytest.raises(PictureError, match=f"its header says {sides[0]}×{sides[1]}"):
        formats.read("a.jxl", max_pixels=1)
    assert formats.read("a.jxl").pixels.shape == sides


# --- what is refused ---


@pytest.mark.parametrize(("name", "kind"), [("a.jxl", "JPEG XL"), ("a.avif", "AVIF")])
def test_animations_are_refused(name, kind):
    frames = np.stack([COLOUR, COLOUR[::-1]])
    encode = imagecodecs.jpegxl_encode if name == "a.jxl" else imagecodecs.avif_encode
    Path(name).write_bytes(encode(frames, **({} if name == "a.jxl" else {"speed": 9})))
    with pytest.raises(
        PictureError, match=f"an? {kind} must be a still picture: this one is animated; save its frames"
    ):
        formats.read(name)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.05, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99, 0.999])
@pytest.mark.parametrize("name", NAMES)
def test_truncated_codecs(name, share):
    picture = Picture(noise("uint8", 60, 50, 3), "YXC", exif=block(), icc=profile())
    formats.write(f"good_{name}", picture)
    data = Path(f"good_{name}").read_bytes()
    Path(name).write_bytes(data[: int(len(data) * share)])
    with pytest.raises(PictureError):
        formats.read(name)


@pytest.mark.parametrize("name", ["a.jp2", "a.avif", "a.heic"])
def test_sizes_are_checked_before_memory_is_taken(name):
    formats.write(name, Picture(noise("uint8", 64, 128, 3), "YXC"))
    data = Path(name).read_bytes()
    sides = struct.pack(">II", 128, 64)
    assert sides in data
    Path(name).write_bytes(data.replace(sides, struct.pack(">II", 10**6, 10**6)))
    with pytest.raises(PictureError, match="decompression bomb: its header says 1000000×1000000"):
        formats.read(name)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_missing_is_named(name, monkeypatch):
    formats.write(name, Picture(COLOUR, "YXC"))
    module, extra = ("pillow_heif", "heic") if name == "a.heic" else ("imagecodecs", "codecs")
    monkeypatch.setitem(__import__("sys").modules, module, None)
    with pytest.raises(PictureError, match=rf"files need {module}: install it with pip install 'nlmeans\[{extra}\]'"):
        formats.read(name)
    with pytest.raises(PictureError, match="install it with"):
        formats.check(f"b_{name}", Picture(COLOUR, "YXC"))


@pytest.mark.parametrize("name", NAMES)
def test_what_codecs_cannot_hold(name):
    for picture in (Picture(noise("float64"), "YX"), Picture(noise("uint8", 4, *SHAPE), "ZYX")):
        with pytest.raises(PictureError, match=f"a {MODES[name]} holds"):
            formats.check(name, picture)


def test_a_heic_of_two_pictures(caplog):
    file = pillow_heif.from_bytes("RGB", SHAPE[::-1], COLOUR.tobytes())
    file.add_frombytes("RGB", SHAPE[::-1], COLOUR[::-1].tobytes())
    stream = BytesIO()
    file.save(stream, quality=-1, chroma=444, matrix_coefficients=0)
    Path("a.heic").write_bytes(stream.getvalue())
    np.testing.assert_array_equal(formats.read("a.heic").pixels, COLOUR)
    assert "only the one of the pictures in the file that is shown is kept" in caplog.text
