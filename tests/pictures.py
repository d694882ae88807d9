"""Pictures for the tests of files, and PNGs made by hand."""

import functools
import os
import struct
import tracemalloc
import zlib
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageCms

from nlmeans import formats
from nlmeans.formats import exif
from nlmeans.formats.own import png
from nlmeans.formats.picture import PictureError

SHAPE = (19, 23)


def noise(dtype, *shape, seed=0):
    rng = np.random.default_rng(seed)
    shape = shape or SHAPE
    if np.dtype(dtype).kind == "f":
        return rng.normal(size=shape).astype(dtype)
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max, shape, dtype, endpoint=True)


def smooth(*shape):
    """Pixels that survive JPEG."""
    height, width, *channels = shape or (*SHAPE, 3)
    slope = np.add.outer(np.linspace(0, 100, height), np.linspace(0, 100, width)).round().astype(np.uint8)
    return slope[..., None].repeat(*channels, axis=-1) if channels else slope


def changed(picture):
    """What a filter returns: another array of the same kind."""
    return picture.with_pixels(picture.pixels[..., ::-1].copy() if picture.pixels.ndim == 2 else picture.pixels[::-1])


def through(source, target, **options):
    """Read, change the pixels, write, read again; the pixels and alpha must be what was written."""
    before = formats.read(source, **options)
    written = changed(before)
    formats.write(target, written, overwrite=True)
    after = formats.read(target, **options)
    assert after.pixels.dtype == before.pixels.dtype
    np.testing.assert_array_equal(after.pixels, written.pixels)
    assert (after.alpha is None) == (before.alpha is None)
    if before.alpha is not None:
        np.testing.assert_array_equal(after.alpha, before.alpha)
    assert after.axes == before.axes
    return before, after


def png_file(path, samples, depth, colour, *chunks, interlaced=False):
    """Write a PNG by hand, so that the reader is not tested with its own writer."""
    height, width = samples.shape[:2]
    samples = samples.reshape(height, width, -1)

    def packed(part):
        if depth >= 8:
            rows = part.astype(">u2" if depth == 16 else "u1").reshape(len(part), -1).view(np.uint8)
        else:
            bits = (part[..., 0, None] >> np.arange(depth - 1, -1, -1)) & 1
            rows = np.packbits(bits.reshape(len(part), -1), axis=1)
        return b"".join(b"\0" + row.tobytes() for row in rows)

    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    parts = [samples[y::dy, x::dx] for y, x, dy, dx in passes] if interlaced else [samples]
    data = b"".join(packed(part) for part in parts if part.size)

    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    path.write_bytes(
        png.SIGNATURE
        + chunk(b"IHDR", header)
        + b"".join(chunk(*c) for c in chunks)
        + chunk(b"IDAT", zlib.compress(data))
        + chunk(b"IEND", b"")
    )
    return path


def opened(path):
    """Pillow's view of a file, which stays closed."""
    return Image.open(BytesIO(path.read_bytes()))


def block(**tags):
    """Return EXIF as a TIFF structure: orientation and a camera's settings."""
    parsed = Image.Exif()
    parsed[exif.ORIENTATION] = tags.get("orientation", 6)
    parsed[271] = "Maker"
    parsed[exif.EXIF_IFD] = {33434: 0.125, 36867: "2020:01:02 03:04:05"}
    return parsed.tobytes()[6:]


@functools.cache  # it holds the time at which it was made
def profile():
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def with_path():
    root = os.path.dirname(os.path.dirname(formats.__path__[0]))
    return os.environ | {"PYTHONPATH": root}


def refused(name, match, read=formats.read):
    """Assert that a file is refused in one line and in little memory."""
    tracemalloc.start()
    try:
        with pytest.raises(PictureError, match=match) as caught:
            read(name)
        assert tracemalloc.get_traced_memory()[1] < 12 << 20
    finally:
        tracemalloc.stop()
    assert "\n" not in str(caught.value)
