"""Separate images, axis N: each an image of its own in OME-TIFF and in OME-Zarr, which says what it is."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from pictures import noise

from nlmeans import formats, large
from nlmeans.formats import separate
from nlmeans.formats.arrays import ArrayInfo, ArraySource
from nlmeans.formats.own.tiff import FORMAT as TIFF
from nlmeans.formats.own.zarr import FORMAT as ZARR
from nlmeans.large.files import open_source

SIDES = {"N": 3, "T": 2, "C": 2, "Z": 4, "Y": 50, "X": 90}
SPACING = {"Z": 2.0, "Y": 0.5, "X": 0.25}
CHANNELS = ("DAPI", "µ")
AXES = ["NTCZYX", "NYX", "ZNYXC", "CNYX"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def picture(axes, **said):
    known = {"spacing": tuple(SPACING[axis] for axis in axes if axis in SPACING), "unit": "µm"}
    known |= {"channels": CHANNELS} if "C" in axes else {}
    return formats.Picture(noise("uint16", *(SIDES[axis] for axis in axes)), axes=axes, **(said or known))


def images(of, axes):
    """Return the separate images in an order of axes."""
    alone = of.axes.replace("N", "")
    return [
        one.transpose([alone.index(axis) for axis in axes]) for one in np.moveaxis(of.pixels, of.axes.index("N"), 0)
    ]


def in_regions(fmt, path, of):
    """Write a picture by regions, an image at a time, and open it again after each; return the target."""
    order = [axis for axis in "ZYX" if axis in of.axes]
    spacing = None if of.spacing is None else tuple(SPACING[axis] for axis in order)
    info = ArrayInfo(of.pixels.shape, of.pixels.dtype, of.axes, spacing, (), of.unit, of.nodata, of.channels)
    source = ArraySource(of.pixels)
    info = replace(info, chunks=fmt.chunks(info.shape, of.axes, source))
    target = fmt.create(path, info, source)
    for k in range(3):
        cut = tuple(
            slice(k, k + 1) if axis == "N" else slice(0, side) for axis, side in zip(of.axes, info.shape, strict=True)
        )
        target.write(cut, of.pixels[cut])
        target = fmt.reopen(path, info, source)
    for level, parts in enumerate(target.coarser(), 1):
        for part in parts:
            target.shrink(level, part)
    assert target.finish(lambda: None, path) == path
    return target


def check_tiff(path, of):
    axes = "".join(axis for axis in of.axes if axis in "TZC") + "YX"
    with tifffile.TiffFile(path) as tif:
        assert [series.axes for series in tif.series] == [axes] * SIDES["N"]
        for series, ref in zip(tif.series, images(of, axes), strict=True):
            np.testing.assert_array_equal(series.asarray(), ref)
        for image in tifffile.xml2dict(tif.ome_metadata)["OME"]["Image"]:
            pixels = image["Pixels"]
            for axis in "XYZ":
                expected = (SPACING[axis], "µm") if axis in axes else (None, None)
                assert (pixels.get(f"PhysicalSize{axis}"), pixels.get(f"PhysicalSize{axis}Unit")) == expected
            if "C" in axes:
                assert tuple(channel["Name"] for channel in pixels["Channel"]) == CHANNELS
    with pytest.raises(formats.PictureError, match=r"must hold one picture or stack: this holds 3, .*--series"):
        formats.read(path)
    for k, ref in enumerate(images(of, axes)):
        one = formats.read(path, series=k)
        np.testing.assert_array_equal(one.pixels, ref)
        assert (one.axes, one.unit, one.channels) == (axes, "µm", of.channels)
        assert one.spacing == tuple(SPACING[axis] for axis in axes if axis in SPACING)


@pytest.mark.parametrize("axes", AXES)
def test_tiff_has_a_series_of_each(axes):
    formats.write("a.tif", picture(axes))
    check_tiff("a.tif", picture(axes))


@pytest.mark.parametrize("axes", AXES)
def test_tiff_by_regions_has_a_series_of_each(axes):
    of = picture(axes)
    target = in_regions(TIFF, Path("a.tif"), of)
    check_tiff("a.tif", of)
    result = target.result(Path("a.tif"))
    np.testing.assert_array_equal(result.read(tuple(slice(0, side) for side in of.pixels.shape)), of.pixels)


@pytest.mark.parametrize("axes", AXES)
def test_zarr_has_a_group_of_each(axes, monkeypatch):
    zarr = pytest.importorskip("zarr", reason="zarr is not installed: pip install 'nlmeans[scale]'")
    monkeypatch.setattr(ZARR, "side", 40)
    of = picture(axes)
    target = in_regions(ZARR, Path("a.zarr"), of)
    root = zarr.open_group("a.zarr", mode="r")
    assert dict(root.attrs) == {"ome": {"version": "0.5", "bioformats2raw.layout": 3}}
    assert sorted(root) == ["0", "1", "2"]
    names = "".join(axis for axis in "TCZYX" if axis in axes)
    for k, ref in enumerate(images(of, names)):
        ome = json.loads(Path(f"a.zarr/{k}/zarr.json").read_text())["attributes"]["ome"]
        (described,) = ome["multiscales"]
        assert [axis["name"] for axis in described["axes"]] == [*names.lower()]
        assert [axis.get("unit") for axis in described["axes"]] == [
            "micrometer" if axis in SPACING else None for axis in names
        ]
        (scale,) = described["datasets"][0]["coordinateTransformations"]
        assert scale == {"type": "scale", "scale": [SPACING.get(axis, 1.0) for axis in names]}
        if "C" in axes:
            assert tuple(channel["label"] for channel in ome["omero"]["channels"]) == CHANNELS
            assert all(0 < each["window"]["start"] < each["window"]["end"] for each in ome["omero"]["channels"])
        np.testing.assert_array_equal(root[f"{k}/0"][...], ref)
        assert len(described["datasets"]) == 3
        for each in described["datasets"][1:]:
            assert root[f"{k}/{each['path']}"][...].mean() == pytest.approx(ref.mean(), rel=0.02)
        source = open_source("a.zarr", series=k)
        assert (source.info.axes, source.info.unit, source.info.channels) == (names, "µm", of.channels)
        assert source.info.spacing == tuple(SPACING[axis] for axis in names if axis in SPACING)
        np.testing.assert_array_equal(source.read(tuple(slice(0, side) for side in ref.shape)), ref)
    with pytest.raises(formats.PictureError, match=r"must hold one image: .* holds 3; choose one.*--series"):
        open_source("a.zarr")
    result = target.result(Path("a.zarr"))
    np.testing.assert_array_equal(result.read(tuple(slice(0, side) for side in of.pixels.shape)), of.pixels)


@pytest.mark.parametrize("why", ["nothing is said", "there are many"])
def test_others_stay_one_array(why, monkeypatch):
    of = picture("NCYX", unit=None) if why == "nothing is said" else picture("NCYX")
    if why == "there are many":
        monkeypatch.setattr(separate, "MOST", SIDES["N"] - 1)
    formats.write("whole.tif", of)
    in_regions(TIFF, Path("regions.tif"), of)
    for path in ("whole.tif", "regions.tif"):
        np.testing.assert_array_equal(formats.read(path, axes="NCYX").pixels, of.pixels)
    zarr = pytest.importorskip("zarr", reason="zarr is not installed: pip install 'nlmeans[scale]'")
    in_regions(ZARR, Path("a.zarr"), of)
    np.testing.assert_array_equal(zarr.open_array("a.zarr", mode="r")[...], of.pixels)


@pytest.mark.parametrize("axes", ["NYX", "ZYX"])
@pytest.mark.parametrize("dtype", ["float16", "int64"])
def test_what_ome_has_no_type_for_is_written_without_it(axes, dtype, caplog):
    of = replace(picture(axes), pixels=np.arange(3 * 50 * 90).reshape(3, 50, 90).astype(dtype))
    of = replace(of, spacing=(2.0, 0.5, 0.25)[-axes.count("Z") - 2 :])
    formats.write("whole.tif", of)
    assert f"OME knows no {dtype}: a pixel's size and names of channels are not written" in caplog.text
    in_regions(TIFF, Path("regions.tif"), of)
    for path in ("whole.tif", "regions.tif"):
        back = formats.read(path, axes=axes)
        np.testing.assert_array_equal(back.pixels, of.pixels)
        assert back.spacing is None


@pytest.mark.parametrize("target", ["out.tif", "out.zarr"])
def test_a_stack_is_denoised_image_by_image(target):
    if target == "out.zarr":
        pytest.importorskip("zarr", reason="zarr is not installed: pip install 'nlmeans[scale]'")
    mrcfile = pytest.importorskip("mrcfile", reason="mrcfile is not installed: pip install 'nlmeans[mrc]'")
    noisy = np.random.default_rng(0).normal(100, 10, (3, 60, 70)).astype("f4")
    with mrcfile.new("in.mrcs") as file:
        file.set_data(noisy)
        file.set_image_stack()
        file.voxel_size = (5, 5, 5)
    large.denoise("in.mrcs", target, 10, residual="rest.npy", quality="fast")
    rest = np.load("rest.npy")
    for k in range(3):
        source = open_source(target, series=k)
        assert (source.info.axes, source.info.spacing, source.info.unit) == ("YX", (5.0, 5.0), "Å")
        clean = source.read((slice(0, 60), slice(0, 70)))
        assert clean.std() < 3
        np.testing.assert_allclose(clean + rest[k], noisy[k], rtol=1e-5)
