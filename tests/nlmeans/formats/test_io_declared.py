"""What a file says counts: no data, a pixel's size, names of axes, where its planes are, what 0 means."""

import base64
import struct
from pathlib import Path

import nibabel
import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image
from typer.testing import CliRunner

import nlmeans
from nlmeans import formats, large
from nlmeans.cli import app
from nlmeans.formats.own.zarr import regions
from nlmeans.formats.picture import PictureError, declared
from nlmeans.large import files

RNG = np.random.default_rng(0)
GREY = RNG.normal(100, 15, (64, 64)).astype(np.float32)
ROWS = slice(0, 16)
"""Rows without data."""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def nl(*arguments):
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.stderr
    return done


def nodata_tag(text):
    return {"extratags": [(42113, "s", 0, text, True)], "metadata": None}


# --- no data ---


@pytest.mark.parametrize(
    ("text", "dtype", "value"),
    [
        ("-9999", "f4", -9999.0),
        ("-9999", "i2", -9999.0),
        ("-9999", "u1", None),  # no pixel can have it
        ("0", "u1", 0.0),
        ("255 \0", "u1", 255.0),
        ("-3.40282346638529e+38", "f4", float(np.finfo("f4").min)),  # GDAL's digits are a little too many
        ("-3.4028234663852886e+38", "f4", float(np.finfo("f4").min)),
        ("0,1", "f4", float(np.float32(0.1))),
        ("1e300", "f4", None),
        ("2.5", "i2", None),
        ("none", "f4", None),
        ("-1.7976931348623157e+308", "f8", -1.7976931348623157e308),
    ],
)
def test_what_a_text_declares(text, dtype, value):
    assert declared(text, np.dtype(dtype)) == value


def test_nan_may_be_declared():
    assert np.isnan(declared("nan", np.dtype("f4")))
    assert declared("nan", np.dtype("i4")) is None


@pytest.mark.parametrize("fill", ["--fill", "--no-fill"])
@pytest.mark.parametrize("more", [[], ["--max-memory", "8G"]], ids=["whole", "blocks"])
@pytest.mark.parametrize(("dtype", "value"), [("f4", -9999), ("i2", -32768), ("u2", 0), ("f4", -3.4028234663852886e38)])
def test_gdal_nodata_stays_and_is_kept(dtype, value, more, fill):
    pixels = GREY.astype(dtype)
    pixels[ROWS] = value
    tifffile.imwrite("in.tif", pixels, **nodata_tag(f"{value}"))
    nl("denoise", "in.tif", "out.tif", "--quality", "fast", fill, *more)
    clean = tifffile.imread("out.tif")
    assert (clean[ROWS] == pixels[0, 0]).all()
    assert abs(clean[16:].astype(float) - GREY[16:]).max() < 90  # nothing of it has come in
    assert clean[16:].std() < 8
    with tifffile.TiffFile("out.tif") as tif:
        assert tif.pages[0].tags.valueof(42113) == f"{value}"


@pytest.mark.parametrize("more", [[], ["--max-memory", "8G"]], ids=["whole", "blocks"])
def test_no_data_may_be_a_value_among_the_others(more):
    """So that nothing but what is declared tells it from them."""
    pixels, holes = GREY.astype("u2"), RNG.random(GREY.shape) < 0.2
    pixels[pixels == 100] = 101
    pixels[holes] = 100
    tifffile.imwrite("in.tif", pixels, **nodata_tag("100"))
    nl("denoise", "in.tif", "out.tif", "--sigma", 15, "--quality", "fast", *more)
    clean = tifffile.imread("out.tif")
    assert (clean[holes] == 100).all()
    ref = nlmeans.denoise(pixels, 15, mask=~holes, quality="fast", fill=False, padding=False)
    assert abs(clean[~holes].astype(int) - ref[~holes]).max() <= 1


def test_a_flag_says_it_for_files_that_do_not():
    pixels = GREY.copy()
    pixels[ROWS] = 7
    np.save("in.npy", pixels)
    for more in ([], ["--max-memory", "8G", "--axes", "YX"]):
        nl("denoise", "in.npy", "out.npy", "--nodata", 7, "--quality", "fast", "--overwrite", *more)
        assert (np.load("out.npy")[ROWS] == 7).all()


def test_noise_is_estimated_without_it():
    pixels = GREY.copy()
    pixels[::3] = -9999
    tifffile.imwrite("in.tif", pixels, **nodata_tag("-9999"))
    assert 10 < float(nl("estimate", "in.tif").stdout.split("\t")[1]) < 20


@pytest.mark.parametrize(
    "attributes", [{"_FillValue": -9999.0}, {"missing_value": -9999.0}, {"_FillValue": None, "missing_value": [-9999]}]
)
def test_attributes_declare_it(attributes):
    """As CF has them; xarray writes a float's to version 3 as the bytes of a double."""
    pixels = GREY.copy()
    pixels[ROWS] = -9999
    if "_FillValue" in attributes and attributes["_FillValue"] is not None:
        for said in (-9999.0, base64.b64encode(struct.pack("<d", -9999.0)).decode()):
            zarr.create_array("b.zarr", data=pixels, chunks=(32, 32), attributes={"_FillValue": said}, overwrite=True)
            assert files.open_source("b.zarr").info.nodata == -9999
    zarr.create_array("a.zarr", data=pixels, chunks=(32, 32), attributes=attributes)
    nl("denoise", "a.zarr", "out.zarr", "--quality", "fast")
    assert (zarr.open("out.zarr")[ROWS] == -9999).all()
    assert dict(zarr.open("out.zarr").attrs) == attributes


@pytest.mark.parametrize("fill", ["--fill", "--no-fill"])
@pytest.mark.parametrize("dtype", ["i2", "f4"])
def test_chunks_that_are_not_there_are_missing(dtype, fill):
    source = zarr.create_array("a.zarr", shape=(96, 64), chunks=(32, 64), dtype=dtype, fill_value=-32768)
    source[:64] = GREY.astype(dtype)
    nl("denoise", "a.zarr", "out.zarr", "--quality", "fast", fill)
    assert (zarr.open("out.zarr")[64:] == -32768).all()
    assert zarr.open("out.zarr")[:64].std() < 8


def test_a_fill_value_that_nobody_chose_declares_nothing():
    """Dark pixels have it too; and where all chunks are there, nothing is missing."""
    zarr.create_array("a.zarr", shape=(96, 64), chunks=(32, 64), dtype="u2")[:64] = GREY.round()
    assert files.open_source("a.zarr").info.nodata is None
    zarr.create_array("b.zarr", shape=(64, 64), chunks=(32, 64), dtype="u2", fill_value=100)[...] = GREY.round()
    assert files.open_source("b.zarr").info.nodata is None
    attributes = {"_ARRAY_DIMENSIONS": ["y", "x"]}  # here xarray keeps _FillValue so
    options = {"zarr_format": 2, "attributes": attributes, "fill_value": 100}
    zarr.create_array("c.zarr", shape=(64, 64), chunks=(32, 64), dtype="u2", **options)[...] = GREY.round()
    assert files.open_source("c.zarr").info.nodata == 100


@pytest.mark.parametrize("nodata", [-9999.0, np.nan])
def test_it_is_declared_in_the_other_format_too(nodata):
    pixels = GREY.copy()
    pixels[ROWS] = nodata
    tifffile.imwrite("in.tif", pixels, **nodata_tag(f"{nodata}"))
    large.denoise("in.tif", "out.zarr", quality="fast", fill=False)
    np.testing.assert_equal(files.open_source("out.zarr").info.nodata, nodata)
    large.denoise("out.zarr", "back.tif", quality="fast", fill=False)
    np.testing.assert_equal(formats.read("back.tif").nodata, nodata)


def test_levels_are_made_without_it():
    pixels = np.full((4, 4), 100, np.int16)
    pixels[0, 0] = pixels[2:, 2:] = -32768
    ends = [np.array([0, 2, 4])] * 2
    np.testing.assert_array_equal(regions.means(pixels, ends, -32768.0), [[100, 100], [100, -32768]])
    floats = np.where(pixels == -32768, np.nan, pixels).astype("f4")
    np.testing.assert_array_equal(regions.means(floats, ends), [[100, 100], [100, np.nan]])


# --- what 0 means ---


@pytest.mark.parametrize("more", [[], ["--max-memory", "8G"]], ids=["whole", "blocks"])
@pytest.mark.parametrize("dtype", ["u1", "u2", "i2"])
def test_where_0_is_white_models_see_light(dtype, more):
    y, x = np.mgrid[:64, :64]
    counts = RNG.poisson(20 + 80 * ((x // 16 + y // 16) % 2)).astype(dtype)
    tifffile.imwrite("normal.tif", counts)
    tifffile.imwrite("white.tif", ~counts, photometric="miniswhite")
    np.testing.assert_array_equal(formats.read("white.tif").pixels, counts)
    for name in ("normal", "white"):
        nl("denoise", f"{name}.tif", f"{name}-out.tif", "--noise", "poisson:gain=1", "--quality", "fast", *more)
    np.testing.assert_array_equal(~tifffile.imread("white-out.tif"), tifffile.imread("normal-out.tif"))
    with tifffile.TiffFile("white-out.tif") as tif:
        assert tif.pages[0].photometric == 0


def test_no_data_is_turned_round_with_the_pixels():
    tifffile.imwrite("a.tif", GREY.astype("u1"), photometric="miniswhite", **nodata_tag("255"))
    assert formats.read("a.tif").nodata == files.open_source("a.tif").info.nodata == 0


# --- a pixel's size ---

SIZE = {"PhysicalSizeX": 0.5, "PhysicalSizeY": 500.0, "PhysicalSizeYUnit": "nm", "PhysicalSizeZ": 2.0}


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_the_size_that_ome_metadata_tell(compression):
    tifffile.imwrite(
        "a.ome.tif",
        RNG.integers(0, 4000, (6, 64, 64)).astype("u2"),
        metadata={"axes": "ZYX"} | SIZE,
        compression=compression,
    )
    picture, about = formats.read("a.ome.tif"), files.open_source("a.ome.tif").info
    assert picture.spacing == about.spacing == pytest.approx((2.0, 0.5, 0.5))
    assert picture.unit == about.unit == "µm"
    nl("denoise", "a.ome.tif", "a.zarr", "--sigma", 9, "--quality", "fast")
    image = zarr.open("a.zarr").attrs["ome"]["multiscales"][0]
    assert image["datasets"][0]["coordinateTransformations"] == [
        {"type": "scale", "scale": pytest.approx([2.0, 0.5, 0.5])}
    ]
    assert [axis["unit"] for axis in image["axes"]] == ["micrometer"] * 3
    nl("denoise", "a.zarr", "back.tif", "--sigma", 9, "--quality", "fast")
    assert formats.read("back.tif").spacing == pytest.approx((2.0, 0.5, 0.5))
    assert formats.read("back.tif").unit == "µm"


def test_the_size_that_imagej_tells():
    metadata = {"axes": "ZYX", "spacing": 2.0, "unit": "micron"}
    tifffile.imwrite(
        "a.tif", RNG.integers(0, 99, (6, 8, 9)).astype("u1"), imagej=True, resolution=(4, 2), metadata=metadata
    )
    assert (formats.read("a.tif").spacing, formats.read("a.tif").unit) == (pytest.approx((2.0, 0.5, 0.25)), "µm")
    tifffile.imwrite("b.tif", RNG.integers(0, 99, (6, 8, 9)).astype("u1"), imagej=True, metadata={"axes": "ZYX"})
    assert formats.read("b.tif").spacing is None  # pixels are no unit


@pytest.mark.parametrize("more", [[], ["--max-memory", "8G"]])
def test_a_tile_of_no_data_is_copied(more):
    tifffile.imwrite("in.tif", np.full((64, 64), np.nan, "f4"), **nodata_tag("nan"))
    nl("denoise", "in.tif", "out.tif", *more)
    assert np.isnan(tifffile.imread("out.tif")).all()


def test_the_size_that_a_file_tells_holds_for_axes_that_the_caller_names():
    pixels = RNG.normal(1000, 100, (2, 5, 2, 24, 24)).astype("u2")  # axes can hold T or Z: T must be called N
    metadata = {"axes": "TZCYX", "spacing": 2.5, "unit": "um"}
    tifffile.imwrite("a.tif", pixels, imagej=True, resolution=(4, 4), metadata=metadata)
    for given in ({"axes": "NZCYX"}, {"axes": "nzcyx"}):
        picture = formats.read("a.tif", **given)
        assert (picture.spacing, picture.unit) == (pytest.approx((2.5, 0.25, 0.25)), "µm")
    assert formats.read("a.tif", axes="NTCYX").spacing == pytest.approx((0.25, 0.25))
    flags = ["--axes", "NZCYX", "--sigma", 100, "--quality", "fast"]
    nl("denoise", "a.tif", "whole.tif", *flags)
    nl("denoise", "a.tif", "blocks.tif", *flags, "--max-memory", "8G")  # the tests' own process holds much
    np.testing.assert_array_equal(tifffile.imread("whole.tif"), tifffile.imread("blocks.tif"))


def test_a_size_goes_from_nifti_to_ome_and_back():
    image = nibabel.Nifti1Image(RNG.normal(0, 1, (7, 8, 6)).astype("f4"), np.diag([1.0, 1.5, 3.0, 1.0]))
    image.header.set_xyzt_units("mm")
    nibabel.save(image, "a.nii")
    picture = formats.read("a.nii")
    formats.write("a.tif", picture)
    with tifffile.TiffFile("a.tif") as tif:
        assert tif.is_ome
        pixels = tifffile.xml2dict(tif.ome_metadata)["OME"]["Image"]["Pixels"]
    assert [pixels[f"PhysicalSize{axis}"] for axis in "XYZ"] == [1.0, 1.5, 3.0]
    assert pixels["PhysicalSizeXUnit"] == "mm"
    again = formats.read("a.tif")
    assert (again.axes, again.spacing, again.unit) == ("ZYX", (3.0, 1.5, 1.0), "mm")
    formats.write("b.nii", again)
    back = nibabel.load("b.nii").header
    assert back.get_zooms() == (1.0, 1.5, 3.0)
    assert back.get_xyzt_units()[0] == "mm"


# --- where planes are, and what axes are ---


def test_a_plane_in_another_file_is_refused_by_name():
    xml = (
        '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"{root}><Image ID="Image:0">'
        '<Pixels DimensionOrder="XYCZT" ID="Pixels:0" SizeC="1" SizeT="1" SizeX="64" SizeY="64" SizeZ="1" Type="uint8">'
        '<Channel ID="Channel:0:0" SamplesPerPixel="1"/><TiffData IFD="0" PlaneCount="1">'
        '<UUID FileName="{name}">urn:uuid:1</UUID></TiffData></Pixels></Image></OME>'
    )
    pixels = GREY.astype("u1")
    tifffile.imwrite("other.tif", pixels // 2, metadata=None)
    tifffile.imwrite("a.ome.tif", pixels, description=xml.format(root="", name="other.tif"), metadata=None)
    for read in (formats.read, files.open_source):
        with pytest.raises(PictureError, match=r"must be in one file: this says that planes are in other\.tif"):
            read(Path("a.ome.tif"))
    for root, name in (("", "A.OME.TIF"), (' UUID="urn:uuid:1"', "before it was renamed.tif")):
        tifffile.imwrite("a.ome.tif", pixels, description=xml.format(root=root, name=name), metadata=None)
        np.testing.assert_array_equal(formats.read("a.ome.tif").pixels, pixels)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (("<OME", "<OME<"), "the OME metadata are damaged: not well-formed"),
        (('SizeZ="6"', 'SizeZ="999999999"'), "they say 64×64×999999999×1×1 pixels"),
        (('SizeZ="6"', 'SizeZ="-6"'), "they say"),
        (('SizeZ="6"', 'SizeZ="six"'), "SizeZ is six"),
        (('PlaneCount="6"', 'PlaneCount="99999999999"'), "and 99999999999 planes"),
    ],
)
def test_damaged_ome_metadata_are_refused_before_they_are_followed(change, match):
    tifffile.imwrite("a.ome.tif", np.zeros((6, 64, 64), "u1"), metadata={"axes": "ZYX"})
    with tifffile.TiffFile("a.ome.tif") as tif:
        xml = tif.ome_metadata
    assert change[0] in xml
    tifffile.imwrite("b.ome.tif", np.zeros((6, 64, 64), "u1"), description=xml.replace(*change, 1), metadata=None)
    for read in (formats.read, files.open_source):
        with pytest.raises(PictureError, match=match):
            read(Path("b.ome.tif"))


@pytest.mark.parametrize(
    ("names", "axes"),
    [(["time", "lat", "lon"], "TYX"), (["depth", "latitude", "longitude"], "ZYX"), (["Band", "y", "x"], "CYX")],
)
@pytest.mark.parametrize("version", [2, 3])
def test_names_of_axes_are_understood(names, axes, version):
    options = {"dimension_names": names} if version == 3 else {"attributes": {"_ARRAY_DIMENSIONS": names}}
    zarr.create_array("a.zarr", data=RNG.normal(0, 1, (6, 32, 32)), chunks=(1, 32, 32), zarr_format=version, **options)
    assert files.open_source("a.zarr").info.axes == axes


def test_names_of_axes_that_are_not_known_are_never_guessed():
    data = RNG.normal(0, 1, (6, 32, 32))
    zarr.create_array("a.zarr", data=data, chunks=(1, 32, 32), dimension_names=["run", "lat", "lon"])
    with pytest.raises(PictureError, match=r"must say what its axes are, .* axes run, lat, lon; add --axes"):
        large.sampled("a.zarr")
    assert large.sampled("a.zarr", axes="NYX").plan.axes == "NYX"


# --- kinds of pixels ---


def test_bits_in_lzw_need_imagecodecs():
    there = GREY > 100
    Image.fromarray(there).save("a.tif", compression="tiff_lzw")
    try:
        import imagecodecs  # noqa: F401
    except ImportError:
        with pytest.raises(PictureError, match="compressed by LZW and packed to 1 bits a sample needs imagecodecs"):
            formats.read("a.tif", bilevel=True)
    else:
        np.testing.assert_array_equal(formats.read("a.tif", bilevel=True).pixels != 0, there)


def test_a_palette_is_no_image():
    with pytest.raises(TypeError, match=r"image\.convert\('RGB'\)"):
        nlmeans.denoise(Image.fromarray(np.stack([GREY.astype("u1")] * 3, -1)).quantize(64))


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("more", [[], ["--max-memory", "8G"]], ids=["whole", "blocks"])
def test_a_mask_may_have_1_bit(suffix, more):
    if more and suffix == "png":
        pytest.skip("a PNG is not read by regions")
    pixels = GREY.astype("u1")
    tifffile.imwrite("a.tif", pixels)
    there = GREY > 80
    Image.fromarray(there).save(f"mask.{suffix}")
    nl(
        "denoise",
        "a.tif",
        "out.tif",
        "--mask",
        f"mask.{suffix}",
        "--quality",
        "fast",
        "--no-fill",
        "--sigma",
        15,
        *more,
    )
    clean = tifffile.imread("out.tif")
    np.testing.assert_array_equal(clean[~there], pixels[~there])
    assert (clean[there] != pixels[there]).mean() > 0.5
    with pytest.raises(PictureError, match="must have shades"):
        formats.read(f"mask.{suffix}")


@pytest.mark.parametrize(
    ("head", "match"),
    [
        (b"CDF\1", "this is NetCDF"),
        (b"\0\0\1\xba", "this is MPEG: .*MP4"),
    ],
)
def test_files_of_other_kinds_have_a_way_out(head, match):
    Path("a.bin").write_bytes(head)
    with pytest.raises(PictureError, match=match):
        formats.read("a.bin")


def test_one_of_a_pair_has_a_way_out():
    Path("a.img").write_bytes(bytes(999))
    with pytest.raises(PictureError, match=r"Analyze and NIfTI pairs, \.hdr and \.img, can be read where both are"):
        formats.read("a.img")
