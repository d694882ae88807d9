"""Size is bounded before memory is taken; what ends early is damaged; what is honest is read."""

import gzip
import io as streams
import json
import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from campaigns import mutants
from campaigns.seeds import GREY, chunk, jpeg, nifti, png
from hypothesis import given
from hypothesis import strategies as st

from nlmeans import formats, large
from nlmeans.formats.own.tiff import codecs
from nlmeans.formats.own.zarr import metadata
from nlmeans.formats.picture import PictureError, Request
from nlmeans.large import files

RNG = np.random.default_rng(0)
LITTLE = 12 << 20
"""Bytes that looking at a small file may take."""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def refused(name, data, match, **options):
    """Assert that a file is refused, in little memory."""
    Path(name).write_bytes(data)
    tracemalloc.start()
    try:
        with pytest.raises(PictureError, match=match):
            formats.read(name, **options)
        assert tracemalloc.get_traced_memory()[1] < LITTLE
    finally:
        tracemalloc.stop()


def claiming(side, depth, colour, rows):
    """Return a PNG that says side² pixels and holds these rows."""
    header = struct.pack(">IIBBBBB", side, side, depth, colour, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


# --- what the header claims ---


def test_a_small_png_that_claims_much():
    refused(
        "a.png", claiming(3000, 16, 6, bytes(1 + 3000 * 8) * 10), "damaged or cut short: its header says 72,003,000"
    )


def test_a_png_that_claims_as_much_as_its_bytes_might_hold():
    """It is unpacked to see, as far as it goes."""
    refused("a.png", claiming(3000, 8, 2, RNG.bytes(40_000)), "its rows have 27,003,000 bytes, 40,000 are there")


def test_a_small_jpeg_that_claims_much():
    data = bytearray(jpeg(GREY))
    at = data.index(b"\xff\xc0")
    struct.pack_into(">HH", data, at + 5, 8000, 8000)
    refused("a.jpg", bytes(data), "bytes of pixels, and the .* cannot hold them")


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"quality": 1}])
def test_an_even_jpeg_is_read(options):
    Path("a.jpg").write_bytes(jpeg(np.zeros((2000, 2000, 3), np.uint8), **options))
    assert np.ptp(formats.read("a.jpg").pixels) == 0


def with_sides(data, **tags):
    """Return a TIFF that claims other numbers."""
    found = bytearray(data)
    with tifffile.TiffFile(streams.BytesIO(data)) as tif:
        for name, value in tags.items():
            tag = tif.pages[0].tags[name]
            struct.pack_into("<I" if tag.dtype == 4 else "<H", found, tag.valueoffset, value)
    return bytes(found)


def tiff(array, **options):
    stream = streams.BytesIO()
    tifffile.imwrite(stream, array, metadata=None, **options)
    return stream.getvalue()


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_a_small_tiff_that_claims_much(compression):
    data = tiff(GREY, compression=compression, rowsperstrip=24)
    claims = {"ImageWidth": 16000, "ImageLength": 16000, "RowsPerStrip": 16000}
    refused("a.tif", with_sides(data, **claims), "cut short")
    with pytest.raises(PictureError, match="cut short"):
        large.sampled("a.tif")


def test_a_tiff_whose_tiles_are_absurd():
    data = with_sides(
        tiff(np.zeros((64, 64), "u1"), tile=(64, 64), compression="lzma"), TileWidth=65520, TileLength=65520
    )
    refused("a.tif", data, "it says tiles of 65520×65520 pixels for a picture of 64×64")


def test_an_even_tiff_is_read_in_a_compression_without_bound():
    tifffile.imwrite("even.tif", np.zeros((4096, 4096), "u1"), compression="lzma")
    assert 1100 * Path("even.tif").stat().st_size < 4096**2
    assert not formats.read("even.tif").pixels.any()
    assert large.sampled("even.tif", 1).plan.sigma == (1.0,)
    with pytest.raises(PictureError, match=r"decompression bomb .* allow more with --max-pixels"):
        Request(Path("even.tif"), None, None, 4096**2 - 1).check_claim(4096**2, 2000, None)
    for read in (formats.read, large.sampled):
        with pytest.raises(PictureError, match="decompression bomb"):
            read("even.tif", max_pixels=4096**2 - 1)


def test_nifti_and_npy():
    packed = bytearray(nifti(np.zeros((4, 4, 4), np.int16)))
    struct.pack_into("<hhh", packed, 42, 4000, 4000, 16)
    refused(
        "a.nii.gz", gzip.compress(bytes(packed)), "512,000,.* bytes of pixels, and the .* that are there cannot hold"
    )
    stream = streams.BytesIO()
    np.save(stream, np.ones((8, 8)))
    for sides in (b"(8,-8)", b"(-8,8)"):
        refused("a.npy", stream.getvalue().replace(b"(8, 8)", sides), "the file is damaged: its header says -?8×-?8")
        with pytest.raises(PictureError, match="the file is damaged"):
            large.sampled("a.npy")


@given(
    st.integers(1, 400), st.integers(1, 400), st.sampled_from([(8, 0, 1), (16, 0, 2), (8, 2, 3), (16, 6, 8)]), st.data()
)
def test_a_png_has_all_its_rows_or_is_refused(width, height, kind, data):
    depth, colour, size = kind
    whole = height * (1 + width * size)
    share = data.draw(st.integers(0, whole))
    rows = bytes(whole)[:share]
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    Path("a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    if share == whole:
        assert formats.read("a.png").pixels.shape[:2] == (height, width)
    else:
        with pytest.raises(PictureError, match="damaged or cut short"):
            formats.read("a.png")


# --- pixels that end early ---


@pytest.mark.parametrize("interlaced", [False, True])
def test_a_png_whose_rows_end_early(interlaced):
    whole = png(np.stack([GREY] * 3, -1), 8, 2, interlaced=interlaced)
    Path("a.png").write_bytes(whole)
    np.testing.assert_array_equal(formats.read("a.png").pixels, np.stack([GREY] * 3, -1))
    at = whole.index(b"IDAT")
    (length,) = struct.unpack_from(">I", whole, at - 4)
    rows = zlib.decompress(whole[at + 4 : at + 4 + length])[:-1]
    cut = whole[: at - 4] + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    refused("a.png", cut, "damaged or cut short")


@pytest.mark.parametrize("compression", ["zlib", "lzma"])
def test_a_tiff_whose_strips_end_early(compression):
    import lzma

    pack = {"zlib": zlib.compress, "lzma": lzma.compress}[compression]
    rows = RNG.integers(0, 256, (24, 30), np.uint8)
    strips = [pack(rows[:12].tobytes()), pack(rows[12:20].tobytes())]  # the second should have 12 rows
    data = bytearray(tiff(rows, compression=compression, rowsperstrip=12))
    with tifffile.TiffFile(streams.BytesIO(bytes(data))) as tif:
        tags = tif.pages[0].tags
        places, counts = tags["StripOffsets"], tags["StripByteCounts"]
    for k, strip in enumerate(strips):
        struct.pack_into(
            "<H" if counts.dtype == 3 else "<I",
            data,
            counts.valueoffset + k * (2 if counts.dtype == 3 else 4),
            len(strip),
        )
        struct.pack_into(
            "<I" if places.dtype == 4 else "<H",
            data,
            places.valueoffset + k * (4 if places.dtype == 4 else 2),
            len(data),
        )
        data += strip
    refused("a.tif", bytes(data), "damaged or cut short")


@pytest.mark.parametrize("options", [{}, {"subsampling": 2}, {"quality": 95, "subsampling": 0}])
@pytest.mark.parametrize("colours", [1, 3])
def test_a_jpeg_whose_scan_ends_early(colours, options):
    """The decoder makes grey of the rest, and says nothing; a picture that ends in that grey is honest."""
    pixels = RNG.normal(100, 30, (120, 100)).clip(0, 255).astype(np.uint8)
    whole = jpeg(np.stack([pixels] * 3, -1) if colours == 3 else pixels, **options)
    start = whole.index(b"\xff\xda")
    for share in (0.2, 0.5, 0.9):
        refused("a.jpg", whole[: start + int(share * (len(whole) - start))] + b"\xff\xd9", "damaged or cut short")
    for rows in (8, 32, 60, 120):
        pixels[-rows:] = 128
        Path("a.jpg").write_bytes(jpeg(np.stack([pixels] * 3, -1) if colours == 3 else pixels, **options))
        assert formats.read("a.jpg").pixels.shape[0] == 120


def test_no_codec_unpacks_more_than_a_strip_has():
    packed = zlib.compress(bytes(1 << 24), 9)
    tracemalloc.start()
    assert len(codecs.unpack_deflate(packed, out=1000)) == 1000
    assert tracemalloc.get_traced_memory()[1] < LITTLE
    tracemalloc.stop()
    with pytest.raises(PictureError, match="cut short"):
        codecs.unpack_deflate(packed[:200], out=1 << 24)
    with pytest.raises(PictureError, match="cannot hold"):
        codecs.unpack_lzw(b"1234", out=1 << 28)


def test_a_tiff_that_names_fewer_strips_than_it_has():
    data = tiff(GREY, compression="zlib", rowsperstrip=12)
    refused("a.tif", with_sides(data, RowsPerStrip=1), "it names 2 of 24 strips or tiles")


@pytest.mark.parametrize("text", ["-9999", "-3.40282346638529e+38"])
def test_a_sparse_tiff_is_read_as_its_format_says(text):
    """GDAL leaves out tiles that hold no data, by a place and length of 0."""
    nodata = max(float(text), float(np.finfo("f4").min))
    array = np.full((64, 64), nodata, np.float32)
    array[:32, :32] = RNG.normal(100, 10, (32, 32))
    tags = [(42113, "s", 0, text, True)]
    tifffile.imwrite("a.tif", array, tile=(32, 32), compression="zlib", metadata=None, extratags=tags)
    data = bytearray(Path("a.tif").read_bytes())
    with tifffile.TiffFile("a.tif") as tif:
        for name in ("TileOffsets", "TileByteCounts"):
            tag = tif.pages[0].tags[name]
            size = 2 if tag.dtype == 3 else 4
            data[tag.valueoffset + size : tag.valueoffset + 4 * size] = bytes(3 * size)
    Path("a.tif").write_bytes(data)
    np.testing.assert_array_equal(formats.read("a.tif").pixels, array)
    source = files.open_source(Path("a.tif"))
    np.testing.assert_array_equal(source.read((slice(0, 64), slice(0, 64))), array)
    assert source.info.nodata == formats.read("a.tif").nodata == nodata


def test_gzip_is_read_no_further_than_customary_padding(monkeypatch, caplog):
    raw = nifti(np.zeros((8, 8, 4), np.int16))
    read = []

    class Counted(gzip.GzipFile):
        def read(self, size=-1):
            found = super().read(size)
            read.append(len(found))
            return found

    monkeypatch.setattr(gzip, "GzipFile", Counted)
    Path("a.nii.gz").write_bytes(gzip.compress(raw + bytes(1 << 22)))
    assert formats.read("a.nii.gz").pixels.shape == (8, 8, 4)
    assert sum(read) < 1 << 17
    assert "what follows the pixels is left out" in caplog.text
    Path("b.nii.gz").write_bytes(gzip.compress(raw + bytes(512))[:-2])
    with pytest.raises(PictureError, match="damaged or cut short"):  # its check sum is near, and cut off
        formats.read("b.nii.gz")


# --- Zarr ---


def altered(name, **fields):
    """Make a store whose metadata say something else."""
    zarr.create_array(name, data=GREY, chunks=(12, 15))
    path = Path(name, "zarr.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def grid(*sides):
    return {"name": "regular", "configuration": {"chunk_shape": list(sides)}}


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"shape": [10**9, 10**9]}, "the metadata say|metadata say .* chunks, and 4 are there"),
        ({"shape": [10**6, 10**6], "chunk_grid": grid(10**4, 10**4)}, "decompression bomb"),
        ({"chunk_grid": grid(10**6, 10**6)}, "a chunk of more than .* the metadata say 1000000×1000000"),
        ({"shape": [0, 30]}, "an image must have pixels: the metadata say 0×30"),
    ],
)
def test_a_store_that_claims_absurdities_is_refused_at_once(fields, match):
    altered("a.zarr", **fields)
    with pytest.raises(PictureError, match=match):
        large.sampled("a.zarr")


def test_chunks_are_not_counted_one_by_one():
    array = zarr.create_array("a.zarr", shape=(480, 600), chunks=(2, 2), dtype="u1")
    request = Request(Path("a.zarr"), None, None, 1 << 28, whole=False)
    with pytest.raises(PictureError, match="72,000 chunks, and 36 are there"):
        metadata.check_size(array, 36, 12 * 12, request, most=100)
    assert metadata.check_size(array, 36, 12 * 12, request) == 72_000


def ome(*levels):
    axes = [{"name": name, "type": "space"} for name in "yx"]
    return {"version": "0.5", "multiscales": [{"axes": axes, "datasets": [{"path": level} for level in levels]}]}


@pytest.mark.parametrize(
    ("said", "match"),
    [
        (ome("0", "gone"), "they name a level that is not there: gone"),
        (ome("0", "/abs"), "'/abs' is no path of a level"),
        (ome("0", ""), "'' is no path of a level"),
        (ome("0", "../0"), "is no path of a level"),
        (ome("0", "0"), "a level is named twice"),
        (ome("0", 5), "5 is no path of a level"),
        (5, "they describe no image but 5"),
        ([1], "they describe no image but"),
        ({"multiscales": [5]}, "they describe no image but"),
        ({"multiscales": [{"datasets": "0" * 10**5}]}, "datasets is 0+ …$"),
        (
            {"multiscales": [{"datasets": [{"path": "0", "coordinateTransformations": 5}]}]},
            "coordinateTransformations is 5",
        ),
        (
            {
                "multiscales": [
                    {"datasets": [{"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [1]}]}]}
                ]
            },
            r"scale is \[1\], for 2 axes",
        ),
    ],
)
def test_damaged_ome_zarr_metadata_are_named(said, match):
    group = zarr.create_group("a.zarr")
    group.attrs["ome"] = said
    group.create_array("0", data=GREY, chunks=(12, 15))
    with pytest.raises(PictureError, match=f"the OME-Zarr metadata of .* are damaged: .*{match}") as caught:
        large.sampled("a.zarr")
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("text", ["[" * 100_000, "{", "", "5", "null"])
def test_broken_json_in_a_level(text):
    group = zarr.create_group("a.zarr")
    group.attrs["ome"] = ome("0")
    group.create_array("0", data=GREY, chunks=(12, 15))
    Path("a.zarr/0/zarr.json").write_text(text)
    with pytest.raises(PictureError, match="damaged") as caught:
        large.sampled("a.zarr")
    assert len(str(caught.value)) < 500


# --- anything at all ---


def test_mutants_end_in_a_result_or_in_one_line():
    refused = [name for name, end, _ in mutants.unharmed() if end != "result"]  # and all is compiled
    assert refused == ["palette.tif"]  # by regions
    found = list(mutants.run(range(80), "small", deep=1000))
    suspects = [number for number, _, _, faults in found if faults]  # or the first that needs a kernel of its own
    again = mutants.run(suspects, "small", deep=1000)
    assert [(number, name, faults) for number, name, _, faults in again if faults] == []
    ends = [end for *_, end, _ in found]
    assert ends.count("result") > 10
    assert ends.count("error") > 25
