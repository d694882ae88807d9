"""OpenEXR and Radiance HDR: layers, types, all that stands besides, and what other libraries make of the files."""

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from pictures import SHAPE, block, noise, through

from nlmeans import formats
from nlmeans.cli import app
from nlmeans.formats import Picture, PictureError

OpenEXR = pytest.importorskip("OpenEXR")

FLOATS = noise("float32")
HALVES = noise("float16")
LAYERS = {
    **{name: noise("float32", seed=k) for k, name in enumerate("RGB")},
    "A": noise("float16", seed=3),
    "Z": noise("float32", seed=4),
    "id": noise("uint32", seed=5),
    **{f"albedo.{name}": noise("float16", seed=k) for k, name in enumerate("RGB", 6)},
    **{f"light.key.{name}": noise("float32", seed=k) for k, name in enumerate("RGBA", 9)},
    **{f"N.{name}": noise("float32", seed=k) for k, name in enumerate("XYZ", 13)},
    "depth.Z": noise("float32", seed=16),
    "motion.u": noise("float32", seed=17),
    "motion.v": noise("float32", seed=18),
}
SAID = {
    "owner": "someone",
    "expTime": 0.25,
    "count": 7,
    "chromaticities": (0.64, 0.33, 0.3, 0.6, 0.15, 0.06, 0.3127, 0.329),
    "place": np.array([1, 2], np.float32),
    "dataWindow": ((5, 6), (27, 24)),
    "displayWindow": ((0, 0), (99, 99)),
    "compression": OpenEXR.PIZ_COMPRESSION,
}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def exr(name, header, channels):
    """Write a file by the library, which changes what it is given."""
    OpenEXR.File(dict(header), dict(channels)).write(name)


def seen(name):
    """The library's view of a file: headers and channels of its parts."""
    with OpenEXR.File(name, separate_channels=True) as file:
        return [
            (
                {key: repr(value) for key, value in part.header.items()},
                {k: np.array(c.pixels) for k, c in part.channels.items()},
            )
            for part in file.parts
        ]


def compare(first, second, changed):
    """Assert that all but some channels of each part is the same in two files."""
    first, second = seen(first), seen(second)
    assert len(first) == len(second)
    for (head, channels), (other, others), names in zip(first, second, changed, strict=True):
        assert head == other
        assert channels.keys() == others.keys()
        for name, pixels in channels.items():
            assert others[name].dtype == pixels.dtype
            assert np.array_equal(others[name], pixels) == (name not in names), name


@pytest.mark.parametrize(
    ("series", "names", "alpha"),
    [
        (None, ("R", "G", "B"), "A"),
        (0, ("R", "G", "B"), "A"),
        ("albedo", ("albedo.R", "albedo.G", "albedo.B"), None),
        ("light.key", ("light.key.R", "light.key.G", "light.key.B"), "light.key.A"),
        ("N", ("N.X", "N.Y", "N.Z"), None),
        ("motion", ("motion.u", "motion.v"), None),
        ("depth", ("depth.Z",), None),
        ("Z", ("Z",), None),
        ("id", ("id",), None),
    ],
)
def test_one_layer_of_a_file(series, names, alpha):
    exr("a.exr", SAID, LAYERS)
    picture = formats.read("a.exr", series=series)
    expected = [LAYERS[name] for name in names]
    np.testing.assert_array_equal(picture.pixels, expected[0] if len(names) == 1 else np.dstack(expected))
    assert picture.pixels.dtype == expected[0].dtype
    assert picture.axes == ("YX" if len(names) == 1 else "YXC")
    assert (picture.alpha is None) == (alpha is None)
    if alpha:
        np.testing.assert_array_equal(picture.alpha[..., 0], LAYERS[alpha])
    formats.write("b.exr", picture.with_pixels(picture.pixels[::-1]))  # a view, which the library would scramble
    compare("a.exr", "b.exr", [set(names)])
    for name in names:
        np.testing.assert_array_equal(seen("b.exr")[0][1][name], LAYERS[name][::-1])


def test_a_layer_that_is_not_there():
    exr("a.exr", SAID, LAYERS)
    with pytest.raises(PictureError, match=r"a number from 0 to 7, or a name .*albedo.*; got beauty"):
        formats.read("a.exr", series="beauty")
    exr("b.exr", {}, {name: LAYERS[name] for name in LAYERS if "." in name})
    with pytest.raises(PictureError, match=r"one of several layers must be named with --series .*: N, albedo, depth"):
        formats.read("b.exr")


def test_parts_of_a_file():
    window = {"displayWindow": ((0, 0), (22, 18)), "dataWindow": ((0, 0), (22, 18))}
    colours = {name: LAYERS[name] for name in "RGBA"}
    parts = [
        OpenEXR.Part({**window, "name": "beauty", "who": "me"}, colours),
        OpenEXR.Part({**window, "name": "albedo"}, {name: LAYERS[f"albedo.{name}"] for name in "RGB"}),
        OpenEXR.Part({**window, "name": "depth", "compression": OpenEXR.ZIPS_COMPRESSION}, {"Z": LAYERS["Z"]}),
        OpenEXR.Part({**window, "name": "left"}, {f"left.{name}": LAYERS[name] for name in "RGB"}),
    ]
    OpenEXR.File(parts).write("a.exr")
    left = tuple(f"left.{name}" for name in "RGB")
    for series, index, names in (
        (None, 0, "RGB"),
        ("albedo", 1, "RGB"),
        ("depth", 2, "Z"),
        (3, 3, left),
        ("left", 3, left),
    ):
        picture = formats.read("a.exr", series=series)
        formats.write("b.exr", picture.with_pixels(picture.pixels + 1), overwrite=True)
        compare("a.exr", "b.exr", [set(names) if k == index else set() for k in range(4)])


@pytest.mark.parametrize("dtype", ["float16", "float32", "uint32"])
@pytest.mark.parametrize("shape", [SHAPE, (*SHAPE, 3)])
def test_a_new_file(dtype, shape):
    pixels = noise(dtype, *shape)
    picture = Picture(pixels, "YX" if len(shape) == 2 else "YXC", alpha=noise(dtype, *SHAPE, 1))
    formats.write("a.exr", picture)
    before, _ = through("a.exr", "b.exr")
    np.testing.assert_array_equal(before.pixels, pixels)
    assert sorted(seen("a.exr")[0][1]) == (["A", "Y"] if len(shape) == 2 else ["A", "B", "G", "R"])


def test_names_of_channels_are_kept():
    pixels = noise("float32", 2, *SHAPE)
    formats.write("a.exr", Picture(pixels, "CYX", channels=("U", "V")))
    picture = formats.read("a.exr")
    np.testing.assert_array_equal(picture.pixels, np.moveaxis(pixels, 0, -1))
    assert picture.channels == ("U", "V")


def test_a_new_file_is_upright():
    formats.write("a.exr", Picture(FLOATS, "YX", exif=block(orientation=6)))
    np.testing.assert_array_equal(formats.read("a.exr").pixels, np.rot90(FLOATS, -1))


def test_pixels_of_another_type():
    exr("a.exr", SAID, LAYERS)
    picture = formats.read("a.exr", series="albedo").typed(np.dtype("float32"))
    formats.write("b.exr", picture.with_pixels(np.full(picture.pixels.shape, 1e6, np.float32)))
    channels = seen("b.exr")[0][1]
    assert (channels["albedo.R"].dtype, channels["R"].dtype) == (np.float32, np.float32)
    assert (channels["albedo.R"] == 1e6).all()
    with pytest.raises(PictureError, match="an OpenEXR holds float16, float32, uint32 pixels: these are float64"):
        formats.check("c.exr", formats.read("a.exr").typed(np.dtype("float64")))


def test_numbers_stay_finite_in_halves():
    mixed = {"R": HALVES, "G": FLOATS, "B": FLOATS}
    exr("a.exr", {}, mixed)
    picture = formats.read("a.exr")
    assert picture.pixels.dtype == np.float32
    formats.write("b.exr", picture.with_pixels(np.full_like(picture.pixels, 1e6)))
    channels = seen("b.exr")[0][1]
    assert (channels["R"].dtype, channels["R"].max(), channels["G"].max()) == (np.float16, 65504, 1e6)


@pytest.mark.parametrize("compression", ["DWAA", "DWAB", "B44", "B44A", "PXR24"])
def test_loss_does_not_add_up(compression, caplog):
    exr("a.exr", {"compression": getattr(OpenEXR, f"{compression}_COMPRESSION")}, LAYERS)
    formats.write("b.exr", formats.read("a.exr"))
    for name, pixels in seen("a.exr")[0][1].items():
        np.testing.assert_array_equal(seen("b.exr")[0][1][name], pixels)
    assert "it is written without loss, as ZIP" in caplog.text


def test_tiles_are_kept():
    tiles = OpenEXR.TileDescription()
    tiles.xSize = tiles.ySize = 8
    tiles.mode = OpenEXR.ONE_LEVEL
    exr("a.exr", {"type": OpenEXR.tiledimage, "tiles": tiles}, {"Y": FLOATS})
    through("a.exr", "b.exr")
    compare("a.exr", "b.exr", [set("Y")])


# --- real files ---


@pytest.mark.parametrize(("name", "shape", "names"), [("Carrots", (400, 600, 3), "RGB"), ("Garden", (493, 874), "Y")])
def test_others_files(shared, name, shape, names):
    path = shared / "Formats" / "EXR" / f"{name}.exr"
    picture = formats.read(path)
    assert (picture.pixels.shape, picture.pixels.dtype) == (shape, np.float16)
    formats.write("b.exr", picture.with_pixels(picture.pixels + np.float16(1)))
    compare(str(path), "b.exr", [set(names)])


def test_luminance_and_chroma_are_refused(shared):
    with pytest.raises(PictureError, match="luminance and chroma, with fewer samples of BY, RY; convert it to RGB"):
        formats.read(shared / "Formats" / "EXR" / "Rec709_YC.exr")


# --- damage ---


@pytest.mark.parametrize("share", [0.0, 0.01, 0.05, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99, 0.999])
@pytest.mark.parametrize("tiled", [False, True])
def test_truncated_exr(share, tiled, capfd):
    header = {}
    if tiled:
        header = {"type": OpenEXR.tiledimage, "tiles": OpenEXR.TileDescription()}
        header["tiles"].xSize = header["tiles"].ySize = 8
        header["tiles"].mode = OpenEXR.ONE_LEVEL
    exr("a.exr", header, LAYERS)
    data = Path("a.exr").read_bytes()
    Path("a.exr").write_bytes(data[: int(len(data) * share)])
    with pytest.raises(PictureError):
        formats.read("a.exr")
    assert not any(capfd.readouterr())  # the library prints


def test_a_header_that_claims_much():
    exr("a.exr", {"compression": OpenEXR.NO_COMPRESSION}, {"Y": FLOATS})
    data = Path("a.exr").read_bytes()
    window = struct.pack("<4i", 0, 0, SHAPE[1] - 1, SHAPE[0] - 1)
    for corner, match in (((10**6, 10**6), "cut short"), ((-5, 3), "must have pixels"), ((22, 9000), "cut short")):
        Path("a.exr").write_bytes(data.replace(window, struct.pack("<4i", 0, 0, *corner)))
        with pytest.raises(PictureError, match=match):
            formats.read("a.exr")


def test_deep_pixels_are_refused():
    exr("a.exr", {}, {"Y": FLOATS})
    data = bytearray(Path("a.exr").read_bytes())
    struct.pack_into("<I", data, 4, 2 | 0x800)
    Path("a.exr").write_bytes(data)
    with pytest.raises(PictureError, match="one sample a pixel: this one is deep"):
        formats.read("a.exr")


def test_what_is_missing_is_named(monkeypatch):
    formats.write("a.exr", Picture(FLOATS, "YX"))
    monkeypatch.setitem(__import__("sys").modules, "OpenEXR", None)
    with pytest.raises(PictureError, match=r"OpenEXR files need OpenEXR: install it with pip install 'nlmeans\[exr\]'"):
        formats.read("a.exr")


# --- as a guide ---


def test_layers_as_guides():
    from typer.testing import CliRunner

    smooth = np.add.outer(np.linspace(0, 1, 30), np.linspace(0, 1, 40)).astype(np.float32)
    noisy = {name: smooth + np.float32(0.1) * noise("float32", 30, 40, seed=k) for k, name in enumerate("RGB")}
    albedo = {f"albedo.{name}": smooth for name in "RGB"}
    exr("a.exr", {}, noisy | albedo)
    done = CliRunner().invoke(app, ["denoise", "a.exr", "b.exr", "--sigma", "0.1", "--guide", "a.exr::albedo"])
    assert done.exit_code == 0, done.output
    compare("a.exr", "b.exr", [set("RGB")])
    errors = [np.abs(seen(name)[0][1]["G"] - smooth).mean() for name in ("a.exr", "b.exr")]
    assert errors[1] < errors[0] / 3
    done = CliRunner().invoke(app, ["denoise", "a.exr", "c.exr", "--guide", "a.exr::none"])
    assert done.exit_code == 2
    assert "or a name (albedo); got none" in " ".join(done.output.split())


# --- Radiance HDR ---


@pytest.fixture
def imagecodecs():
    return pytest.importorskip("imagecodecs")


@pytest.mark.parametrize("width", [5, 8, 23])
def test_opencv_s_hdr(width, imagecodecs):
    pixels = np.exp(noise("float32", 19, width, 3))
    cv2.imwrite("a.hdr", pixels[..., ::-1])
    picture = formats.read("a.hdr")
    np.testing.assert_array_equal(picture.pixels, cv2.imread("a.hdr", cv2.IMREAD_UNCHANGED)[..., ::-1])
    formats.write("b.hdr", picture)
    assert Path("b.hdr").read_bytes() == Path("a.hdr").read_bytes()


def test_hdr_is_not_darkened(imagecodecs):
    pixels = np.exp(noise("float32", 100, 100, 3))
    formats.write("a.hdr", Picture(pixels, "YXC"))
    after = cv2.imread("a.hdr", cv2.IMREAD_UNCHANGED)[..., ::-1]
    errors = (after - pixels) / pixels.max(axis=-1, keepdims=True)
    assert abs(errors.mean()) < 1e-4
    assert abs(errors).max() < 1 / 255
    cv2.imwrite("b.hdr", pixels[..., ::-1])
    darker = (cv2.imread("b.hdr", cv2.IMREAD_UNCHANGED)[..., ::-1] - pixels) / pixels.max(axis=-1, keepdims=True)
    assert darker.mean() < -2e-3


def test_lines_of_an_hdr_are_kept(imagecodecs):
    rows = bytes([128, 64, 32, 129] * 2 + [200, 100, 50, 128] * 2 + [160, 20, 30, 130] * 2)
    head = b"#?RADIANCE\n# made by hand\nEXPOSURE=2.5\nFORMAT=32-bit_rle_rgbe\nVIEW= -vtv\n"
    Path("a.hdr").write_bytes(head + b"\n-Y 3 +X 2\n" + rows)
    picture = formats.read("a.hdr")
    assert picture.pixels[0, 0].tolist() == [1, 0.5, 0.25]
    formats.write("b.hdr", picture)
    assert Path("b.hdr").read_bytes() == Path("a.hdr").read_bytes()
    for sides, turned in (
        (b"+Y 3 +X 2", picture.pixels[::-1]),
        (b"-Y 3 -X 2", picture.pixels[:, ::-1]),
        (b"+X 3 -Y 2", picture.pixels.swapaxes(0, 1)),
        (b"-X 3 +Y 2", picture.pixels.swapaxes(0, 1)[::-1, ::-1]),
    ):
        Path("a.hdr").write_bytes(head + b"\n" + sides + b"\n" + rows)
        np.testing.assert_array_equal(formats.read("a.hdr").pixels, turned)


def test_extremes_of_an_hdr(imagecodecs):
    pixels = np.array([[[0, 0, 0], [1e-45, 0, 0], [-1, 2, 0.5], [1e38, 1e37, 0], [1e-20, 1e-20, 0]]], np.float32)
    formats.write("a.hdr", Picture(pixels, "YXC"))
    np.testing.assert_allclose(formats.read("a.hdr").pixels, np.maximum(pixels, 0), rtol=1 / 128, atol=1e-36)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.05, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99, 0.999])
@pytest.mark.parametrize("width", [5, 40])
def test_truncated_hdr(share, width, imagecodecs):
    formats.write("a.hdr", Picture(np.exp(noise("float32", 30, width, 3)), "YXC"))
    data = Path("a.hdr").read_bytes()
    Path("a.hdr").write_bytes(data[: int(len(data) * share)])
    with pytest.raises(PictureError):
        formats.read("a.hdr")


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (
            b"#?RADIANCE\nFORMAT=32-bit_rle_xyze\n\n-Y 1 +X 1\nabcd",
            "must hold RGB: this one is of the kind 32-bit_rle_xyze",
        ),
        (b"#?RADIANCE\n\n-Y 1000000 +X 1000000\nabcd", "decompression bomb"),
        (b"#?RADIANCE\n\n-Y 9000 +X 9000\n\2\2\0\0", "cannot hold them"),
        (b"#?RADIANCE\n\n-Y 1 +Y 1\nabcd", "one side X and one Y"),
        (b"#?RADIANCE\n\nabcd", "ends with the sides"),
        (b"#?RADIANCE\n\n-Y 1 +X 2\n\1\1\1\2", "in runs of the old kind"),
    ],
)
def test_damaged_hdr(data, match, imagecodecs):
    Path("a.hdr").write_bytes(data)
    with pytest.raises(PictureError, match=match):
        formats.read("a.hdr")
