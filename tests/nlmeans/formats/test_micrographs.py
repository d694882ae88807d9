"""CZI, ND2, LIF and Imaris: what the files of light microscopes hold, whole and by regions, and where it goes."""

import pickle
import struct
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h5py
import micrographs
import numpy as np
import pytest
import tifffile
from micrographs import counts, czi, czi_about, imaris, nd2
from typer.testing import CliRunner

from nlmeans import formats, large
from nlmeans.cli import app
from nlmeans.formats.own.czi import FORMAT as CZI
from nlmeans.formats.picture import PictureError
from nlmeans.large.files import open_source

for library in ("czifile", "liffile", "nd2"):
    pytest.importorskip(library)

LITTLE = 40 << 20
"""Bytes that looking at a small file may take."""
SIDES = {"X": 2e-7, "Y": 3e-7, "Z": 1e-6}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def czi_of(images, about=None, **options):
    """Write planes (T, C, Z, Y, X) as tiles; return the path."""
    tiles = [
        ({"X": 0, "Y": 0, "C": c, "Z": z, "T": t}, images[t, c, z][..., None])
        for t, c, z in np.ndindex(images.shape[:3])
    ]
    return czi(Path("a.czi"), tiles, about or czi_about(channels=("DAPI", "GFP"), sides=SIDES), **options)


def nd2_of(images, **options):
    times, channels, depths = images.shape[:3]
    frames = np.moveaxis(images, 1, -1).reshape(times * depths, *images.shape[3:], channels)
    return nd2(Path("a.nd2"), frames, [("T", times), ("Z", depths)], ("DAPI", "GFP")[:channels], **options)


MADE = {"czi": czi_of, "nd2": nd2_of, "ims": lambda images: imaris(Path("a.ims"), images)}
PLANES = counts(3, 2, 4, 20, 30)


# --- files that nobody here wrote ---


@pytest.mark.parametrize(
    ("name", "axes", "shape", "spacing", "channels"),
    [
        ("CZI/DAPI_GFP.czi", "CYX", (2, 640, 640), None, ("DAPI", "GFP")),
        ("CZI/FOV7_HV110_P0500510000.czi", "YX", (512, 512), None, None),
        (
            "CZI/LLS7_small.czi", "TCZYX", (2, 2, 3, 64, 64), (0.144992,) * 3,
            ("LatticeLightsheet 1-T1", "LatticeLightsheet 2-T2"),
        ),
        ("CZI/nuc_small_new_red.czi", "YX", (240, 320), (0.1, 0.1), ("nuclei",)),
    ],
)  # fmt: skip
def test_real_czi(real, name, axes, shape, spacing, channels):
    import czifile

    picture = formats.read(real / name)
    assert (picture.axes, picture.pixels.shape, picture.channels, picture.nodata) == (axes, shape, channels, None)
    assert picture.spacing == spacing
    assert picture.unit == (spacing and "µm")
    np.testing.assert_array_equal(picture.pixels, czifile.imread(str(real / name)).squeeze())


def test_real_czi_that_is_packed(real):
    """By Zstandard, which older versions of the library do not know."""
    pytest.importorskip("imagecodecs")
    picture = formats.read(real / "CZI/newCZI_compressed.czi")
    assert picture.pixels.shape == (512, 512)
    assert picture.pixels.dtype == np.uint16
    rows = np.abs(np.diff(picture.pixels.astype(float), axis=0)).mean()
    assert rows < 0.3 * picture.pixels.mean()  # and not a noise of halves of numbers


@pytest.mark.parametrize(
    ("series", "axes", "shape", "start", "spacing"),
    [
        ("x_y_lambdaEmi", "CYX", (20, 64, 64), 105385, (0.104814428571,) * 2),
        ("1", "CYX", (15, 64, 64), 187353, (0.104814428571,) * 2),
        (2, "TCZYX", (2, 10, 11, 64, 64), 248841, (0.5002027, 0.104814428571, 0.104814428571)),
    ],
)
def test_real_lif(real, series, axes, shape, start, spacing):
    path = real / "LIF/LeicaLASX_wavelength-sweep_example.lif"
    picture = formats.read(path, series=series)
    assert (picture.axes, picture.pixels.shape) == (axes, shape)
    np.testing.assert_allclose(picture.spacing, spacing)
    assert picture.unit == "µm"
    np.testing.assert_array_equal(
        picture.pixels, np.fromfile(path, "u1", picture.pixels.size, offset=start).reshape(shape)
    )


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")  # it leaks
def test_real_lif_as_another_library_reads_it(real):
    reader = pytest.importorskip("readlif.reader")
    path = real / "LIF/LeicaLASX_wavelength-sweep_example.lif"
    picture, image = formats.read(path, series=2), reader.LifFile(str(path)).get_image(2)
    for t, wave, z in [(0, 0, 0), (0, 7, 3), (1, 9, 10)]:
        ref = np.asarray(image.get_plane(requested_dims={3: z, 4: t, 5: wave}))
        np.testing.assert_array_equal(picture.pixels[t, wave, z], ref)


def test_a_project_of_several_images_says_which(real):
    with pytest.raises(PictureError, match=r"told which: this holds 3: .* 0 x_y_lambdaEmi, 1 x_y_lambdaExc, 2 x_y_z_t"):
        formats.read(real / "LIF/LeicaLASX_wavelength-sweep_example.lif")
    with pytest.raises(PictureError, match=r"a number from 0 to 2, or a name \(x_y_lambdaEmi, .*; got other"):
        formats.read(real / "LIF/LeicaLASX_wavelength-sweep_example.lif", series="other")


def test_real_files_go_to_ome(real):
    done = CliRunner().invoke(app, ["denoise", str(real / "CZI/nuc_small_new_red.czi"), "a.ome.tif", "--sigma", "1"])
    assert done.exit_code == 0, done.stderr
    with tifffile.TiffFile("a.ome.tif") as tif:
        said = tifffile.xml2dict(tif.ome_metadata)["OME"]["Image"]["Pixels"]
    assert (said["PhysicalSizeX"], said["PhysicalSizeXUnit"], said["Channel"]["Name"]) == (0.1, "µm", "nuclei")


# --- what was made by hand, in the same way in each format ---


@pytest.mark.parametrize("kind", MADE)
def test_axes_pixels_spacing_and_channels(kind):
    picture = formats.read(MADE[kind](PLANES))
    assert (picture.axes, picture.channels, picture.unit) == ("TCZYX", ("DAPI", "GFP"), "µm")
    np.testing.assert_array_equal(picture.pixels, PLANES)
    ref = {"czi": (1, 0.3, 0.2), "nd2": (2, 0.5, 0.5), "ims": (30 / 4, 1, 1 / 3)}[kind]
    np.testing.assert_allclose(picture.spacing, ref)


@pytest.mark.parametrize("kind", MADE)
def test_by_regions(kind):
    source = pickle.loads(pickle.dumps(open_source(MADE[kind](PLANES))))
    assert (source.info.axes, source.info.shape, source.info.channels) == ("TCZYX", PLANES.shape, ("DAPI", "GFP"))
    for cut in (np.s_[1:2, :, 1:3, 3:9, 4:7], np.s_[:, 1:2, 0:4, :, :], np.s_[0:3, 0:1, 3:4, 19:20, 0:30]):
        np.testing.assert_array_equal(source.read(cut), PLANES[cut])


@pytest.mark.parametrize("kind", MADE)
@pytest.mark.parametrize("target", ["a.ome.tif", "a.ome.zarr"])
@pytest.mark.parametrize("more", [[], ["--max-memory", "8G"]], ids=["whole", "blocks"])
def test_it_goes_to_ome(kind, target, more):
    images = PLANES[:1, :, :3]
    path = MADE[kind](images)
    done = CliRunner().invoke(app, ["denoise", str(path), target, "--sigma", "9", "--quality", "fast", *more])
    assert done.exit_code == 0, done.stderr
    ref, info = formats.read(path), open_source(target).info
    assert (info.axes, info.shape, info.channels, info.unit) == ("CZYX", ref.pixels.shape, ("DAPI", "GFP"), "µm")
    np.testing.assert_allclose(info.spacing, ref.spacing)


@pytest.mark.parametrize("name", ["a.czi", "a.nd2", "a.lif", "a.ims"])
def test_what_is_only_read_says_so(name):
    kind = {".czi": "CZI", ".nd2": "ND2", ".lif": "LIF", ".ims": "Imaris"}[Path(name).suffix]
    with pytest.raises(PictureError, match=rf"{kind} is only read: write \.ome\.tif or \.ome\.zarr$"):
        formats.write(name, formats.Picture(PLANES[0, 0, 0]))
    assert not Path(name).exists()


def test_a_folder_of_several_kinds_becomes_ome_tiffs():
    Path("in").mkdir()
    for kind in MADE:
        MADE[kind](PLANES[:1, :1, :1]).rename(f"in/{kind}.{kind}")
    np.save("in/plain.npy", PLANES[0, 0, 0])
    done = CliRunner().invoke(app, ["denoise", "in", "out/", "--sigma", "9", "--quality", "fast"])
    assert done.exit_code == 0, done.stderr
    assert sorted(path.name for path in Path("out").iterdir()) == [
        "czi.ome.tif",
        "ims.ome.tif",
        "nd2.ome.tif",
        "plain.npy",
    ]


@pytest.mark.parametrize("kind", MADE)
def test_other_names_of_axes(kind):
    """A size stays where its axis does; and is not that of another."""
    path = MADE[kind](PLANES)
    known, other = formats.read(path, axes="NCZYX"), formats.read(path, axes="ZCTYX")
    assert known.spacing == formats.read(path).spacing
    assert other.spacing is None
    assert (known.channels, formats.read(path, axes="CTZYX").channels) == (("DAPI", "GFP"), None)


@pytest.mark.parametrize("kind", MADE)
def test_without_the_library(kind, monkeypatch):
    fmt = formats.to_read(MADE[kind](PLANES))
    monkeypatch.setattr(type(fmt), "needs", "a_library_that_is_not_there")
    with pytest.raises(PictureError, match=rf"install it with pip install 'nlmeans\[{fmt.extra}\]'"):
        formats.read(f"a.{kind}")


# --- CZI ---


def tile(x, y, pixels, **at):
    return {"X": x, "Y": y, **at}, pixels


def test_a_mosaic_is_put_together_in_the_order_of_its_tiles():
    left, right = counts(10, 12, 1), counts(10, 12, 1)
    path = czi(Path("a.czi"), [tile(108, 50, right, M=1), tile(100, 50, left, M=0)])
    picture = formats.read(path)
    ref = np.concatenate((left[:, :8], right), axis=1)[..., 0]
    np.testing.assert_array_equal(picture.pixels, ref)
    assert picture.nodata is None
    source = open_source(path)
    np.testing.assert_array_equal(source.read(np.s_[3:7, 5:15]), ref[3:7, 5:15])


def test_gaps_of_a_mosaic_are_no_data():
    tiles = [tile(0, 0, counts(10, 12, 1) + 1, M=0), tile(20, 5, counts(10, 12, 1) + 1, M=1)]
    picture = formats.read(czi(Path("a.czi"), tiles))
    assert (picture.pixels.shape, picture.nodata) == ((15, 32), 0)
    assert int(picture.known.sum()) == 2 * 10 * 12
    assert not picture.pixels[:, 12:20].any()


def test_tiles_of_a_pyramid_are_left_out():
    full = counts(10, 12, 1)
    tiles = [tile(0, 0, full, M=0), (*tile(0, 0, counts(5, 6, 1), M=1), (10, 12, 1))]
    np.testing.assert_array_equal(formats.read(czi(Path("a.czi"), tiles)).pixels, full[..., 0])


def scenes(*shapes):
    return [tile(100 * k, 0, counts(*shape, 1), S=k, C=0) for k, shape in enumerate(shapes)]


def test_scenes_are_separate_images():
    tiles = scenes((10, 12), (10, 12))
    path = czi(Path("a.czi"), tiles, czi_about(("A1", "B2")))
    picture = formats.read(path)
    assert picture.axes == "NYX"
    np.testing.assert_array_equal(picture.pixels, [pixels[..., 0] for _, pixels in tiles])
    for series, number in ((0, 0), ("B2", 1), ("1", 1)):
        one = formats.read(path, series=series)
        assert one.axes == "YX"
        np.testing.assert_array_equal(one.pixels, tiles[number][1][..., 0])
    with pytest.raises(PictureError, match=r"a number from 0 to 1, or a name \(A1, B2\); got C3"):
        formats.read(path, series="C3")


def test_scenes_of_different_shapes_are_asked_for_one_by_one():
    path = czi(Path("a.czi"), scenes((10, 12), (10, 13)))
    with pytest.raises(PictureError, match=r"must have one shape: these have 10×12, 10×13; name one with --series"):
        formats.read(path)
    assert formats.read(path, series=1).pixels.shape == (10, 13)


def test_other_axes_are_separate_images_too():
    tiles = [tile(0, 0, counts(9, 9, 1), H=h, V=v, C=c) for h in (0, 1) for v in (0, 1, 2) for c in (0, 1)]
    path = czi(Path("a.czi"), tiles)
    picture = formats.read(path)
    assert picture.axes == "NCYX"
    ref = np.stack([pixels[..., 0] for _, pixels in tiles]).reshape(6, 2, 9, 9)
    np.testing.assert_array_equal(picture.pixels, ref)
    np.testing.assert_array_equal(open_source(path).read(np.s_[2:5, 1:2, 3:4, :]), ref[2:5, 1:2, 3:4, :])


@pytest.mark.parametrize("dtype", ["u1", "u2"])
def test_colours(dtype):
    rgb = counts(9, 11, 3, dtype=dtype)
    picture = formats.read(czi(Path("a.czi"), [tile(0, 0, rgb, T=0)]))
    assert picture.axes == "YXC"
    np.testing.assert_array_equal(picture.pixels, rgb)


@pytest.mark.parametrize("dtype", ["f4", "i4"])
def test_other_types(dtype):
    grey = counts(9, 11, 1, dtype=dtype)
    picture = formats.read(czi(Path("a.czi"), [tile(0, 0, grey)]))
    assert picture.pixels.dtype == dtype
    np.testing.assert_array_equal(picture.pixels, grey[..., 0])


def halves(data):
    """Return the lower bytes of all numbers, and then the higher ones, as Zeiss packs them."""
    imagecodecs = pytest.importorskip("imagecodecs")
    return b"\x03\x01\x01" + imagecodecs.zstd_encode(np.frombuffer(data, "u1").reshape(-1, 2).T.tobytes())


@pytest.mark.parametrize(
    ("compression", "pack"),
    [
        (5, lambda data: pytest.importorskip("imagecodecs").zstd_encode(data)),
        (6, halves),
        (6, lambda data: b"\x01" + pytest.importorskip("imagecodecs").zstd_encode(data)),
        (2, lambda data: pytest.importorskip("imagecodecs").lzw_encode(data)),
    ],
    ids=["zstd", "zstd of halves", "zstd with a header", "lzw"],
)
def test_packed_tiles(compression, pack):
    path = czi_of(PLANES, compression=compression, pack=pack)
    np.testing.assert_array_equal(formats.read(path).pixels, PLANES)
    assert open_source(path).info.chunks[-2:] == (20, 30)


def test_packed_by_jpeg_xr():
    imagecodecs = pytest.importorskip("imagecodecs")
    grey, rgb = counts(40, 50, 1), counts(40, 50, 3, dtype="u1")
    for pixels in (grey, rgb):
        packed = imagecodecs.jpegxr_encode(pixels.squeeze(), level=1.0)
        picture = formats.read(czi(Path("a.czi"), [tile(0, 0, pixels)], compression=4, pack=lambda _, of=packed: of))
        np.testing.assert_array_equal(picture.pixels, pixels.squeeze())


@pytest.mark.parametrize("compression", [3, 7, 1000])
def test_packing_that_is_not_known(compression):
    with pytest.raises(PictureError, match=f"packed by LZW, JPEG XR, Zstandard or grey JPEG: got {compression}$"):
        formats.read(czi_of(PLANES, compression=compression))


def test_a_tile_that_unpacks_to_more_than_it_has():
    imagecodecs = pytest.importorskip("imagecodecs")
    path = czi_of(PLANES, compression=5, pack=lambda data: imagecodecs.zstd_encode(bytes(200 << 20)))
    assert_refused(path, "damaged")


# --- ND2 ---


def test_positions_are_separate_images():
    frames = counts(2 * 3 * 2, 20, 30, 2)
    path = nd2(Path("a.nd2"), frames, [("T", 2), ("P", ["A", "B", "C"]), ("Z", 2)], ("DAPI", "GFP"))
    ref = frames.reshape(2, 3, 2, 20, 30, 2).transpose(1, 0, 5, 2, 3, 4)
    picture = formats.read(path)
    assert (picture.axes, picture.channels) == ("NTCZYX", ("DAPI", "GFP"))
    np.testing.assert_array_equal(picture.pixels, ref)
    for series, number in (("B", 1), (2, 2)):
        one = formats.read(path, series=series)
        assert (one.axes, one.spacing) == ("TCZYX", (2, 0.5, 0.5))
        np.testing.assert_array_equal(one.pixels, ref[number])
    np.testing.assert_array_equal(open_source(path, series="C").read(np.s_[:, 1:2, :, 4:5, :]), ref[2][:, 1:2, :, 4:5])


def test_packed_frames():
    np.testing.assert_array_equal(formats.read(nd2_of(PLANES, lossless=True)).pixels, PLANES)


def test_a_pixel_that_was_not_calibrated_has_no_size():
    assert formats.read(nd2_of(PLANES, side=0)).spacing is None


# --- Imaris ---


def test_what_volumes_are_padded_with_is_left_out():
    path = imaris(Path("a.ims"), PLANES, chunks=(8, 16, 16), compression="gzip")
    with h5py.File(path) as file:
        assert file["DataSet/ResolutionLevel 0/TimePoint 0/Channel 0/Data"].shape == (8, 32, 32)
    source = open_source(path)
    assert (source.info.shape, source.info.chunks) == (PLANES.shape, (1, 1, 4, 16, 16))


@pytest.mark.parametrize(("unit", "ref"), [("um", "µm"), ("nm", "nm"), ("mm", "mm"), ("furlong", None)])
def test_units(unit, ref):
    picture = formats.read(imaris(Path("a.ims"), PLANES, unit=unit))
    assert (picture.unit, picture.spacing is None) == (ref, ref is None)


def test_an_hdf5_that_is_no_imaris():
    with h5py.File("a.ims", "w") as file:
        file["data"] = PLANES
    with pytest.raises(PictureError, match="must hold DataSet/ResolutionLevel 0: this holds data"):
        formats.read("a.ims")


# --- bad input ---


def assert_refused(path, match=None, **options):
    """Assert that a file is refused in one line, in little memory and little time, whole and by regions."""
    for read in (formats.read, lambda path, **given: whole(open_source(path, **given))):
        tracemalloc.start()
        start = time.process_time()
        try:
            with pytest.raises((PictureError, OSError), match=match) as caught:
                read(path, **options)
            assert tracemalloc.get_traced_memory()[1] < LITTLE
        finally:
            tracemalloc.stop()
        assert time.process_time() - start < 5
        assert "\n" not in str(caught.value)


def whole(source):
    return source.read(tuple(slice(0, side) for side in source.info.shape))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", MADE)
@pytest.mark.parametrize("part", range(10))
def test_cut_short(kind, part):
    path = MADE[kind](PLANES)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * part // 10])
    assert_refused(path)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("part", range(10))
def test_a_real_lif_that_is_cut_short(real, part):
    data = (real / "LIF/LeicaLASX_wavelength-sweep_example.lif").read_bytes()
    Path("a.lif").write_bytes(data[: len(data) * part // 10])
    assert_refused("a.lif", series="2")


@pytest.mark.parametrize("name", ["a.czi", "a.nd2", "a.lif", "a.ims"])
def test_other_first_bytes(name):
    Path(name).write_bytes(b"not one of them" * 100)
    assert_refused(name, "begins with b'not one ', like none of them")


def test_a_czi_that_claims_much():
    path = czi_of(PLANES)
    data = bytearray(path.read_bytes())
    at = data.index(b"ZISRAWDIRECTORY") + 32 + 128
    struct.pack_into("<i", data, at + 32 + 8, 10**6)  # the first tile's sides
    struct.pack_into("<i", data, at + 32 + 16, 10**6)
    struct.pack_into("<i", data, at + 52 + 8, 10**6)
    struct.pack_into("<i", data, at + 52 + 16, 10**6)
    path.write_bytes(data)
    assert_refused(path, "more than|cannot hold")


def test_an_nd2_that_claims_much():
    path = nd2_of(PLANES)
    data = path.read_bytes().replace(b'"uiWidth" ', b"").replace(b'lx_int64" value="30"', b'lx_int64" value="3000000"')
    path.write_bytes(data)
    assert_refused(path)


def test_an_imaris_file_that_claims_much():
    with h5py.File("a.ims", "w") as file:
        file.create_dataset("DataSet/ResolutionLevel 0/TimePoint 0/Channel 0/Data", (10**4,) * 3, "u1", chunks=(8,) * 3)
        about = file.create_group("DataSetInfo/Image").attrs
        for axis in "ZYX":
            about[axis] = micrographs._text("10000")
        file.create_group("DataSetInfo/Channel 0")
    assert_refused("a.ims", "decompression bomb")


def test_a_czi_of_several_files():
    path = czi_of(PLANES[:1, :1, :1])
    data = bytearray(path.read_bytes())
    struct.pack_into("<i", data, data.index(b"ZISRAWDIRECTORY") + 32 + 128 + 14, 3)  # the tile is in another part
    path.write_bytes(data)
    assert_refused(path, "must be one file: this says that tiles are in others")


def test_nothing_is_written_of_a_file_that_is_damaged():
    path = czi_of(PLANES)
    path.write_bytes(path.read_bytes()[:2000])
    done = CliRunner().invoke(app, ["denoise", str(path), "a.ome.tif", "--sigma", "9"])
    assert done.exit_code
    assert [item.name for item in Path().iterdir()] == ["a.czi"]


def test_a_file_that_changes_is_read_anew():
    first = formats.read(czi_of(PLANES)).pixels
    time.sleep(0.02)
    second = formats.read(czi_of(PLANES + 1)).pixels
    np.testing.assert_array_equal(second, first + 1)


def test_in_blocks_it_is_what_it_is_whole():
    path = imaris(Path("a.ims"), PLANES[:1])
    large.denoise(path, "a.npy", 9, quality="fast")
    ref = CliRunner().invoke(app, ["denoise", str(path), "b.npy", "--sigma", "9", "--quality", "fast"])
    assert ref.exit_code == 0, ref.stderr
    np.testing.assert_array_equal(np.load("a.npy"), np.load("b.npy"))


def test_blocks_are_read_of_formats_that_have_them():
    assert CZI.can("open")
    assert not CZI.can("create")
    formats.write("a.png", formats.Picture(PLANES[0, 0, 0].astype(np.uint8)))
    with pytest.raises(PictureError, match=r"that can be read in blocks, .*a\.png is PNG"):
        open_source("a.png")


@pytest.mark.parametrize("kind", MADE)
def test_from_many_threads_at_once(kind):
    source = open_source(MADE[kind](PLANES))
    places = [np.s_[t : t + 1, c : c + 1, z : z + 1, :, :] for t, c, z in np.ndindex(PLANES.shape[:3])] * 3
    with ThreadPoolExecutor(8) as pool:
        for place, part in zip(places, pool.map(source.read, places), strict=True):
            np.testing.assert_array_equal(part, PLANES[place])
