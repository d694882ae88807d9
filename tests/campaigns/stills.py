"""Small valid files of stills: what other libraries write."""

import tempfile
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from PIL import Image


def saved(array, kind, **options):
    """Return what Pillow writes."""
    stream = BytesIO()
    Image.fromarray(array).save(stream, kind, **options)
    return stream.getvalue()


def by_cv2(array, ending):
    """Return what OpenCV writes."""
    done, data = cv2.imencode(ending, array)
    assert done
    return data.tobytes()


def exr(*parts):
    """Return what the library of OpenEXR writes of pairs of a header and channels."""
    import OpenEXR

    with tempfile.TemporaryDirectory() as place:
        name = str(Path(place, "a.exr"))
        OpenEXR.File([OpenEXR.Part(*part) for part in parts]).write(name)
        return Path(name).read_bytes()


def exrs(grey):
    """Return files of OpenEXR: layers, tiles and parts."""
    import OpenEXR

    tiles = OpenEXR.TileDescription()
    tiles.xSize = tiles.ySize = 16
    tiles.mode = OpenEXR.ONE_LEVEL
    tiled = {"type": OpenEXR.tiledimage, "tiles": tiles, "compression": OpenEXR.PIZ_COMPRESSION}
    colours = {name: grey + k for k, name in enumerate("RGB")}
    half = {f"albedo.{name}": plane.astype(np.float16) for name, plane in colours.items()}
    return {
        "layers.exr": exr(({"owner": "me", "expTime": 0.5}, colours | half | {"A": np.ones_like(grey)})),
        "tiled.exr": exr((tiled, {"Y": grey.copy()})),
        "parts.exr": exr(({"name": "beauty"}, dict(colours)), ({"name": "depth"}, {"Z": grey.copy()})),
    }


def seeds(grey, deep, colour):
    """Return the files by name, of the libraries that are installed."""
    alpha = np.dstack((colour, grey))
    real = grey.astype(np.float32)
    found = {
        "grey.pgm": by_cv2(grey, ".pgm"),
        "deep.ppm": by_cv2(np.dstack([deep] * 3), ".ppm"),
        "grey.pam": by_cv2(grey, ".pam"),
        "plain.pgm": b"P2\n# text\n4 3 99\n" + b" ".join(b"%d" % (7 * k) for k in range(12)) + b"\n",
        "float.pfm": by_cv2(real, ".pfm"),
        "rgb.bmp": saved(colour, "BMP"),
        "grey.gif": saved(grey, "GIF"),
        "rgb.webp": saved(alpha, "WEBP", lossless=True, exif=b"II*\0\x08\0\0\0\0\0"),
        "lossy.webp": saved(colour, "WEBP", quality=80),
    }
    if find_spec("imagecodecs"):
        import imagecodecs

        found |= {
            "rgb.jp2": saved(alpha, "JPEG2000"),
            "deep.j2k": imagecodecs.jpeg2k_encode(deep, codecformat="J2K", reversible=True),
            "rgb.jxl": imagecodecs.jpegxl_encode(alpha, lossless=True, usecontainer=True),
            "deep.jxl": imagecodecs.jpegxl_encode(deep, lossless=True),
            "rgb.avif": imagecodecs.avif_encode(alpha, speed=9),
            "rgb.hdr": by_cv2(colour.astype(np.float32), ".hdr"),
        }
    if find_spec("pillow_heif"):
        import pillow_heif

        stream = BytesIO()
        pillow_heif.from_bytes("RGB", colour.shape[1::-1], colour.tobytes()).save(stream, quality=80)
        found["rgb.heic"] = stream.getvalue()
    return found | (exrs(real) if find_spec("OpenEXR") else {})
