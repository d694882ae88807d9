"""HDF5: one dataset of a file is read, and a copy of the file is written in which it alone has other numbers."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from pictures import changed, noise, refused
from typer.testing import CliRunner

import nlmeans
from nlmeans import formats, io, large
from nlmeans.cli import app
from nlmeans.formats.picture import PictureError
from nlmeans.large import files

h5py = pytest.importorskip("h5py", reason="h5py is not installed: pip install 'nlmeans[hdf5]'")

SHAPE = (4, 24, 30)
FEW = ("--sigma", "9", "--quality", "fast", "--search-radius", "3")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def grey(dtype="float32", shape=SHAPE):
    return (noise("float32", *shape) * 9 + 100).astype(dtype)


def run(*arguments):
    done = CliRunner().invoke(app, ["denoise", *map(str, arguments)])
    assert done.exit_code == 0, done.stderr
    return done.stderr


def beamline(name="a.nxs", array=None, **options):
    """Write what a beamline writes: an entry with a detector, an image that is linked twice, and much besides."""
    array = grey() if array is None else array
    with h5py.File(name, "w") as root:
        root.attrs["NX_class"], root.attrs["default"] = "NXroot", "entry"
        entry = root.create_group("entry")
        entry.attrs["NX_class"], entry.attrs["default"] = "NXentry", "data"
        detector = entry.create_group("instrument/detector")
        options = {"chunks": (2, 8, 10), "compression": "gzip", "shuffle": True} | options
        image = detector.create_dataset("data", data=array, **options)
        image.attrs["units"] = "counts"
        image.attrs.create("exposure", np.array([1, 2, 3], "i2"))
        detector.create_dataset("mask", data=np.zeros((24, 30), "u1"))
        data = entry.create_group("data")
        data.attrs["NX_class"], data.attrs["signal"], data.attrs["axes"] = (
            "NXdata",
            "data",
            ["z", "y", "x"][-array.ndim :],
        )
        data["data"] = image
        for axis, side, step in zip("zyx", SHAPE, (2.0, 0.5, 0.5), strict=True):
            data[axis] = np.arange(side) * step + 7
            data[axis].attrs["units"] = "um"
        entry["link"] = h5py.SoftLink("/entry/data/data")
        root.create_dataset("log", data=np.array([(1, 2.5)], [("a", "i4"), ("b", "f8")]))
        root.create_dataset("text", data="kept")
        root["here"] = np.array([image.ref], h5py.ref_dtype)
    return Path(name)


def content(name, leave=()):
    """Return all that a file says, by name; numbers of datasets as bytes."""
    found = {}

    def visit(path, item):
        attributes = {
            key: (str(item.attrs.get_id(key).dtype), np.asarray(item.attrs[key]).tolist()) for key in item.attrs
        }
        found[path] = {key: value for key, value in attributes.items() if "LIST" not in key}
        if isinstance(item, h5py.Dataset):
            found[path]["type"] = (item.shape, str(item.dtype), item.chunks, item.compression, item.maxshape)
            if path not in leave and item.dtype.kind != "O":
                found[path]["data"] = np.asarray(item[()]).tobytes()

    with h5py.File(name) as root:
        found[""] = {key: np.asarray(root.attrs[key]).tolist() for key in root.attrs}
        root.visititems(visit)
    return found


IMAGE = "entry/instrument/detector/data"
NAMES = (IMAGE, "entry/data/data")


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "float16", "float32", "float64", ">f4", ">u2"])
def test_numbers_change_and_nothing_else(dtype):
    source = beamline(array=grey(dtype))
    picture = io.read(source)
    assert (picture.axes, picture.spacing, picture.unit) == ("ZYX", (2.0, 0.5, 0.5), "µm")
    assert picture.pixels.dtype == np.dtype(dtype).newbyteorder("=")
    np.testing.assert_array_equal(picture.pixels, grey(dtype))
    io.write("b.nxs", changed(picture))
    assert content(source, NAMES) == content("b.nxs", NAMES)
    with h5py.File("b.nxs") as root:
        np.testing.assert_array_equal(root[IMAGE], changed(picture).pixels)
        np.testing.assert_array_equal(root["entry/link"], changed(picture).pixels)
        np.testing.assert_array_equal(root[root["here"][0]], changed(picture).pixels)
    io.write("same.nxs", picture)
    assert content(source) == content("same.nxs")


def test_which_dataset_is_meant(caplog):
    caplog.set_level("INFO")
    source = beamline()
    io.read(source)
    assert "a.nxs: of its 2 images /entry/data/data is taken, as it says" in caplog.text
    for name in ("entry/instrument/detector/mask", "/entry/instrument/detector/mask"):
        for path in (f"a.nxs::{name}", Path(f"a.nxs::{name}")):
            assert io.read(path).pixels.shape == (24, 30)
    assert io.read(source, series="/entry/instrument/detector/mask").pixels.shape == (24, 30)
    assert io.read("a.nxs::/entry/data").pixels.shape == SHAPE  # a group that says what is shown
    with h5py.File(source, "r+") as root:
        del root.attrs["default"]
    for read in (io.read, large.sampled):
        with pytest.raises(PictureError, match=r"one of 2 datasets must be named, as in a\.nxs::/entry/.*: /entry/"):
            read(source)
        with pytest.raises(PictureError, match=r"there is no /entry/none in it; its images: /entry/.*/data, /entry/"):
            read("a.nxs::/entry/none")
        with pytest.raises(PictureError, match=r"real numbers .* two or more axes: /log has shape \(1,\)"):
            read("a.nxs::/log")
        with pytest.raises(FileNotFoundError, match=r"No such file or directory: '.*none\.h5'"):
            read("none.h5::/a")
    assert io.read(source, series=0).pixels.ndim in (2, 3)


def test_the_only_image_is_taken_and_tables_are_none():
    with h5py.File("a.h5", "w") as root:
        root["deep/er/image"] = grey()
        root["table"] = np.zeros((500, 3))
        root["curve"] = np.zeros(500)
        root["complex"] = np.zeros((50, 50), complex)
        root["truth"] = np.zeros((50, 50), bool)
    assert io.read("a.h5").pixels.shape == SHAPE
    assert io.read("a.h5::/table").pixels.shape == (500, 3)
    for name in ("complex", "truth"):
        with pytest.raises(PictureError, match="real numbers"):
            io.read(f"a.h5::{name}")
    with h5py.File("b.h5", "w") as root:
        root["curve"] = np.zeros(500)
    with pytest.raises(PictureError, match="must hold a dataset of two or more axes of numbers: this holds none"):
        io.read("b.h5")


def test_into_a_place_in_a_file():
    source = beamline()
    run("a.nxs::/entry/data/data", "new.h5::/out/clean", *FEW)
    assert set(content("new.h5")) == {"", "out", "out/clean"}
    with h5py.File("new.h5") as new, h5py.File(source) as old:
        assert dict(new["out/clean"].attrs).keys() == dict(old[IMAGE].attrs).keys()
        assert (new["out/clean"].chunks, new["out/clean"].compression) == ((2, 8, 10), "gzip")
        clean = new["out/clean"][()]
    np.testing.assert_array_equal(
        clean, nlmeans.denoise(grey(), 9, quality="fast", search_radius=3, spacing=(2, 0.5, 0.5), axes="ZYX")
    )
    before = content(source)
    run(source, "a.nxs::/entry/clean", *FEW)  # nothing is lost, and so nothing need be said
    after = content(source)
    assert {name: after[name] for name in before} == before
    assert set(after) - set(before) == {"entry/clean"}
    done = CliRunner().invoke(app, ["denoise", "a.nxs", "a.nxs::/entry/clean", *FEW])
    assert done.exit_code == 1
    assert "a.nxs::/entry/clean exists already; --overwrite" in done.stderr
    done = CliRunner().invoke(app, ["denoise", "a.nxs", "a.nxs::/entry/data", "--overwrite", *FEW])
    assert "only a dataset can be replaced by one" in done.stderr
    assert content(source) == after
    plain = content(source, NAMES)
    run("a.nxs::/entry/data/data", "a.nxs::/entry/data/data", "--overwrite", *FEW)
    assert content(source, NAMES) == plain
    with h5py.File(source) as root:
        np.testing.assert_array_equal(root[IMAGE], clean)  # by all its names
        np.testing.assert_array_equal(root["entry/link"], clean)
    assert sorted(path.name for path in Path().iterdir()) == ["a.nxs", "new.h5"]


def test_by_regions_as_whole():
    source = beamline()
    assert files.open_source(source).info.chunks == (2, 8, 10)
    run(source, "whole.nxs", *FEW)
    run(source, "blocks.nxs", "--max-memory", "8G", *FEW)
    run("a.nxs::/entry/data/data", "place.h5::/x/y", "--max-memory", "8G", *FEW)
    run(source, "new.tif", "--max-memory", "8G", *FEW)
    whole = io.read("whole.nxs").pixels
    for name in ("blocks.nxs", "place.h5::/x/y", "new.tif"):
        np.testing.assert_allclose(io.read(name).pixels, whole, rtol=1e-5)
    assert content(source, NAMES) == content("blocks.nxs", NAMES)
    assert io.read("new.tif").spacing == (2.0, 0.5, 0.5)
    run("new.tif", "back.h5", "--max-memory", "8G", *FEW)
    assert io.read("back.h5").spacing == (2.0, 0.5, 0.5)
    run(source, "a.nxs::/entry/blocks", "--max-memory", "8G", *FEW)
    np.testing.assert_allclose(io.read("a.nxs::/entry/blocks").pixels, whole, rtol=1e-5)
    assert not [path for path in Path().iterdir() if "part" in path.name]


def test_a_run_by_regions_goes_on():
    source = beamline()

    def stop(done, total):
        raise InterruptedError

    with pytest.raises(InterruptedError):
        large.denoise(source, "b.nxs", 9, progress=stop)
    large.denoise(source, "b.nxs", 9)
    ref = nlmeans.denoise(grey(), 9, spacing=(2, 0.5, 0.5), axes="ZYX")
    np.testing.assert_allclose(io.read("b.nxs").pixels, ref, rtol=1e-4)


def test_a_folder_and_flags():
    Path("in").mkdir()
    beamline("in/a.nxs")
    beamline("in/b.nxs")
    run("in", "out", *FEW)
    assert {path.name for path in Path("out").iterdir()} == {"a.nxs", "b.nxs"}
    run("in/a.nxs::/entry/data/data", "in/b.nxs", "some/", *FEW)
    assert {path.name for path in Path("some").iterdir()} == {"a.nxs", "b.nxs"}
    with h5py.File("m.h5", "w") as root:
        root["a"], root["b"] = np.ones(SHAPE, "u1"), np.ones(SHAPE, "u1")
        root["b"][:, :5] = 0
    run("in/a.nxs", "c.nxs", "--mask", "m.h5::/b", "--no-fill", *FEW)
    np.testing.assert_array_equal(io.read("c.nxs").pixels[:, :5], grey()[:, :5])


@pytest.mark.parametrize("axes", ["YX", "ZYX", "TYX", "NYX", "YXC", "TCYX"])
@pytest.mark.parametrize("place", ["a.h5", "a.h5::/deep/image"])
def test_pictures_from_elsewhere(axes, place):
    pixels = noise("uint16", *(24, 30, 3) if axes == "YXC" else (2, 4, 24, 30)[-len(axes) :])
    space = sum(axis in "XYZ" for axis in axes)
    io.write(place, io.Picture(pixels, axes, spacing=(0.5,) * space, unit="nm", nodata=7))
    back = io.read("a.h5")
    np.testing.assert_array_equal(back.pixels, pixels)
    assert (back.axes, back.spacing, back.unit, back.nodata) == (
        axes if "N" not in axes else None, (0.5,) * space if "N" not in axes else None, back.unit, 7,
    )  # fmt: skip
    x_first = io.Picture(pixels.T, axes[::-1], native=type("Turned", (), {"x_first": True})())
    io.write("b.h5", x_first)
    if "C" not in axes:
        np.testing.assert_array_equal(io.read("b.h5").pixels, pixels)


def test_names_of_axes_by_other_conventions():
    with h5py.File("a.h5", "w") as root:
        root["ilastik"] = grey()
        root["ilastik"].attrs["axistags"] = json.dumps({"axes": [{"key": key} for key in "tyx"]})
        root["imagej"] = grey()
        root["imagej"].attrs["element_size_um"] = (3.0, 0.2, 0.1)
        for k, name in enumerate("zyx"):
            root["imagej"].dims[k].label = name
        root["colour"] = np.zeros((24, 30, 3), "u1")
        for key, value in (
            ("CLASS", "IMAGE"),
            ("IMAGE_SUBCLASS", "IMAGE_TRUECOLOR"),
            ("INTERLACE_MODE", "INTERLACE_PIXEL"),
        ):
            root["colour"].attrs[key] = np.bytes_(value)
        root["matlab"] = grey()
        root["matlab"].attrs["MATLAB_class"] = np.bytes_("single")
        series = root.create_group("acquisition/TwoPhotonSeries")
        series.attrs["neurodata_type"] = "TwoPhotonSeries"
        series["data"] = grey()
        root["odd"] = grey()
        root["odd"].dims[0].label, root["odd"].dims[1].label, root["odd"].dims[2].label = "angle", "row", "column"
    assert io.read("a.h5::ilastik").axes == "TYX"
    imagej = io.read("a.h5::imagej")
    assert (imagej.axes, imagej.spacing, imagej.unit) == ("ZYX", (3.0, 0.2, 0.1), "µm")
    assert io.read("a.h5::colour").axes == "YXC"
    for name, axes, turned in (("matlab", "ZYX", (0, 2, 1)), ("acquisition/TwoPhotonSeries/data", "TYX", (0, 2, 1))):
        picture = io.read(f"a.h5::{name}")
        assert picture.axes == axes
        np.testing.assert_array_equal(picture.pixels, grey().transpose(turned))
        io.write("b.h5", picture, overwrite=True)
        with h5py.File("b.h5") as root:
            np.testing.assert_array_equal(root[name], grey())
        large.denoise(f"a.h5::{name}", "c.h5", 0, search_radius=1, overwrite=True)
        with h5py.File("c.h5") as root:
            np.testing.assert_array_equal(root[name], grey())
    assert io.read("a.h5::odd").axes is None
    with pytest.raises(PictureError, match=r"must say what its axes are.*axes angle, row, column; add --axes"):
        large.sampled("a.h5::odd")
    assert io.read("a.h5::odd", axes="NYX").axes == "NYX"


def test_netcdf():
    netcdf = pytest.importorskip("netCDF4", reason="netCDF4 is not installed")
    real = 280 + 3 * noise("float32", *SHAPE)
    with netcdf.Dataset("a.nc", "w") as root:
        for name, side in (("time", None), ("lat", 24), ("lon", 30)):
            root.createDimension(name, side)
            root.createVariable(name, "f8", (name,))[:] = np.arange(side or 4)
        t2m = root.createVariable("t2m", "i2", ("time", "lat", "lon"), zlib=True, fill_value=-999)
        t2m.scale_factor, t2m.add_offset, t2m.units, t2m.cell_methods = 0.01, 273.0, "K", "time: mean"
        t2m[:] = np.ma.masked_less(real, 277)
        root.title = "kept"
    picture = io.read("a.nc")
    with netcdf.Dataset("a.nc") as root:
        ref = root["t2m"][:]
    assert picture.axes == "TYX"
    assert np.isnan(picture.nodata)
    np.testing.assert_array_equal(np.isnan(picture.pixels), ref.mask)
    np.testing.assert_allclose(picture.pixels[~ref.mask], ref.compressed(), rtol=1e-6)
    for name, more in (("b.nc", ()), ("c.nc", ("--max-memory", "8G"))):
        run("a.nc", name, "--sigma", "2", "--quality", "fast", *more)
        with netcdf.Dataset(name) as new, netcdf.Dataset("a.nc") as old:
            assert new.title == "kept"
            assert new["t2m"].dimensions == ("time", "lat", "lon")
            assert {k: new["t2m"].getncattr(k) for k in new["t2m"].ncattrs()} == {
                k: old["t2m"].getncattr(k) for k in old["t2m"].ncattrs()
            }
            assert new["time"][:].tolist() == [0, 1, 2, 3]
            np.testing.assert_array_equal(new["t2m"][:].mask, ref.mask)
            assert 0 < abs(new["t2m"][:] - ref).mean() < 3
    run("a.nc", "d.nc", "--sigma", "2", "--quality", "fast", "--dtype", "float32")
    with netcdf.Dataset("d.nc") as new:
        assert new["t2m"].dtype == np.float32
        assert new["t2m"].dimensions == ("time", "lat", "lon")
        np.testing.assert_array_equal(np.ma.getmaskarray(np.ma.masked_invalid(new["t2m"][:])), ref.mask)
    with netcdf.Dataset("three.nc", "w", format="NETCDF3_CLASSIC") as root:
        root.createDimension("x", 3)
    with pytest.raises(PictureError, match="this is NetCDF"):
        io.read("three.nc")


def test_fill_values():
    array = grey("int16")
    array[:, :3] = -99
    with h5py.File("a.h5", "w") as root:
        root["a"] = array
        root["a"].attrs["_FillValue"] = np.array([-99], "i2")
    assert io.read("a.h5").nodata == -99
    for more in ((), ("--max-memory", "8G")):
        run("a.h5", "b.h5", "--axes", "ZYX", "--overwrite", *FEW, *more)
        with h5py.File("b.h5") as root:
            np.testing.assert_array_equal(root["a"][:, :3], -99)
    run("a.h5", "c.h5", "--axes", "ZYX", "--dtype", "float32", *FEW)
    assert io.read("c.h5").nodata == -99
    assert io.read("c.h5").pixels.dtype == np.float32


def test_another_type_keeps_names_and_scales():
    with h5py.File("a.h5", "w") as root:
        root["x"] = np.arange(30.0)
        root["x"].make_scale("x")
        root["image"] = grey("int16", (24, 30))
        root["image"].dims[1].attach_scale(root["x"])
        root["image"].attrs["units"] = "counts"
        root["other/name"] = root["image"]
    run("a.h5::image", "b.h5", "--dtype", "float32", *FEW)
    with h5py.File("b.h5") as root:
        assert root["image"].dtype == np.float32
        assert root["image"] == root["other/name"]
        assert root["image"].attrs["units"] == "counts"
        assert root["image"].dims[1][0] == root["x"]
        assert root["image"].dims[1].keys() == ["x"]
        assert set(root) == {"x", "image", "other"}


@pytest.mark.parametrize(
    ("options", "dtype", "said"),
    [
        ({"scaleoffset": 2, "chunks": (2, 8, 10)}, "float32", "scale-offset with 2 decimals"),
        ({"scaleoffset": 12, "chunks": (2, 8, 10)}, "int32", "scale-offset with 12 bits"),
        ({"scaleoffset": 0, "chunks": (2, 8, 10)}, "int32", None),
        ({"fletcher32": True, "chunks": (2, 8, 10)}, "float32", None),
        ({"compression": "lzf"}, "float32", None),
    ],
)
def test_lossy_filters_are_said_and_not_used_again(options, dtype, said, caplog):
    with h5py.File("a.h5", "w") as root:
        root.create_dataset("a", data=grey(dtype), **options)
        root["b"] = root["a"]
    picture = io.read("a.h5")
    assert ("its numbers were stored with loss" in caplog.text) == (said is not None)
    assert said is None or said in caplog.text
    pixels = picture.pixels + np.asarray(0.125, dtype)
    io.write("b.h5", picture.with_pixels(pixels))
    with h5py.File("b.h5") as root:
        np.testing.assert_array_equal(root["a"], pixels)
        np.testing.assert_array_equal(root["b"], pixels)
        assert (root["a"].scaleoffset is None) == ("scaleoffset" not in options or said is not None)
        assert root["a"].fletcher32 == bool(options.get("fletcher32"))
        assert root["a"].chunks == picture.native.dataset.chunks


def test_what_netcdf_rounded_is_said(caplog):
    with h5py.File("a.h5", "w") as root:
        root["a"] = grey()
        root["a"].attrs["_QuantizeBitRoundNumberOfSignificantBits"] = 9
    picture = io.read("a.h5")
    assert "rounding before it was stored" in caplog.text
    io.write("b.h5", picture)
    with h5py.File("b.h5") as root:
        assert not list(root["a"].attrs)


def test_a_filter_that_is_not_there(monkeypatch):
    beamline()
    monkeypatch.setattr(h5py.h5z, "filter_avail", lambda code: code != 1)
    for read in (io.read, large.sampled):
        with pytest.raises(PictureError, match=r"went through filter 1 \(deflate\), which is not there: pip install"):
            read("a.nxs")


def eiger():
    """Write what a detector writes: a master file with links to files of frames, and a view of all."""
    for k in range(2):
        with h5py.File(f"frames_{k}.h5", "w") as root:
            root.create_dataset(
                "entry/data/data", data=grey("uint16")[2 * k : 2 * k + 2], chunks=(1, 24, 30), compression="gzip"
            )
    layout = h5py.VirtualLayout(SHAPE, "u2")
    with h5py.File("master.h5", "w") as root:
        for k in range(2):
            layout[2 * k : 2 * k + 2] = h5py.VirtualSource(f"frames_{k}.h5", "entry/data/data", (2, 24, 30))
            root[f"entry/data/data_{k}"] = h5py.ExternalLink(f"frames_{k}.h5", "/entry/data/data")
        root.create_virtual_dataset("entry/all", layout)


def test_files_of_others_are_never_written_to():
    eiger()
    before = {k: Path(f"frames_{k}.h5").read_bytes() for k in range(2)}
    for name, count in (("entry/all", 4), ("entry/data/data_0", 2)):
        picture = io.read(f"master.h5::/{name}", axes="TYX")
        np.testing.assert_array_equal(picture.pixels, grey("uint16")[:count])
        io.write("b.h5", changed(picture), overwrite=True)
        run(f"master.h5::/{name}", "c.h5", "--axes", "TYX", "--max-memory", "8G", "--overwrite", *FEW)
        with h5py.File("b.h5") as root:
            np.testing.assert_array_equal(root[name], changed(picture).pixels)
            assert root[name].file == root
            assert set(root["entry"]) == {"all", "data"}
    with h5py.File("outer.h5", "w") as root:
        root["inner"] = h5py.ExternalLink("frames_0.h5", "/entry")
    picture = io.read("outer.h5::/inner/data/data", axes="TYX")
    for target in ("b.h5", "outer.h5::/inner/new"):
        with pytest.raises(PictureError, match="a link must not lead to where is written"):
            io.write(target, picture, overwrite=True)
    assert {k: Path(f"frames_{k}.h5").read_bytes() for k in range(2)} == before


def test_companions_that_are_missing():
    eiger()
    Path("frames_1.h5").unlink()
    for read in (io.read, large.sampled):
        with pytest.raises(PictureError, match=r"/entry/all is made of frames_1\.h5, which is not there"):
            read("master.h5::/entry/all")
        with pytest.raises(PictureError, match=r"/entry/data/data_1 lies in frames_1\.h5, which is not there"):
            read("master.h5::/entry/data/data_1")
    Path("frames_0.h5").unlink()
    with h5py.File("links.h5", "w") as root:
        root["a"] = h5py.ExternalLink("frames_0.h5", "/entry/data/data")
    with pytest.raises(PictureError, match="this holds none; /a lie in files that are not there"):
        io.read("links.h5")


def test_the_file_must_be_there_when_it_is_copied():
    source = beamline()
    picture = io.read(source)
    source.unlink()
    with pytest.raises(PictureError, match="must be there to be copied"):
        io.write("b.nxs", picture)
    assert not list(Path().iterdir())
    with pytest.raises(PictureError, match="without opacity"):
        io.write("b.h5", io.Picture(grey(), "ZYX", alpha=np.zeros((*SHAPE, 1), "f4")))


@pytest.mark.parametrize("share", np.linspace(0, 0.98, 10))
def test_cut_short(share):
    whole = beamline().read_bytes()
    Path("b.nxs").write_bytes(whole[: int(share * len(whole))])
    for read in (formats.read, large.sampled):
        refused("b.nxs", "cut short|must have content", read)


def test_a_chunk_that_is_damaged():
    source = beamline(array=noise("uint16", *SHAPE))
    with h5py.File(source) as root:
        place = root[IMAGE].id.get_chunk_info(3)
    data = bytearray(source.read_bytes())
    data[place.byte_offset + 40 : place.byte_offset + 60] = b"\xff" * 20
    source.write_bytes(data)
    refused(source, "damaged or cannot be unpacked")
    with pytest.raises(PictureError, match="damaged or cannot be unpacked"):
        large.denoise(source, "b.nxs", 9)
    assert not Path("b.nxs").exists()


@pytest.mark.parametrize(
    ("shape", "options", "match"),
    [
        ((10**6, 10**6), {"chunks": (100, 100)}, "decompression bomb"),
        ((10**4, 10**4, 10**4), {"chunks": (1, 100, 100)}, "decompression bomb"),
        ((10**4, 10**4, 10**4), {}, "decompression bomb"),
        ((10**6, 10**5), {"chunks": (20000, 20000)}, "decompression bomb"),
        ((0, 30), {}, "must have pixels|must hold a dataset"),
    ],
)
def test_datasets_that_claim_much(shape, options, match):
    with h5py.File("a.h5", "w") as root:
        root.create_dataset("a", shape, "f4", **options)
    for read in (formats.read, large.sampled):
        refused("a.h5::a", match, read)


def test_scales_that_make_no_sense():
    with h5py.File("a.h5", "w") as root:
        root["a"] = grey("int16")
        root["a"].attrs["scale_factor"] = 0.0
    refused("a.h5", "scale_factor and add_offset must be finite")


def test_other_kinds_of_hdf5_are_left_to_others():
    beamline()
    shutil.copy("a.nxs", "a.ims")
    assert not formats.table.by_name(Path("a.ims")) or formats.table.by_name(Path("a.ims")).name != "HDF5"


@pytest.mark.parametrize("more", [(), ("--max-memory", "8G")])
def test_the_residual_of_one_of_several(more):
    source = beamline()
    with h5py.File(source, "r+") as root:
        del root.attrs["default"]
        del root["entry/data"].attrs["signal"]
    name, more = f"a.nxs::/{IMAGE}", ("--axes", "ZYX", *more)
    run(name, "b.nxs", "--residual", "r.h5::/deep/left", *more, *FEW)
    run(name, "c.h5::/x/y", "--residual", "r.npy", *more, *FEW)
    clean = io.read(f"b.nxs::/{IMAGE}").pixels
    for path in ("r.h5::/deep/left", "r.npy"):
        np.testing.assert_allclose(io.read(path).pixels, grey() - clean, rtol=1e-4, atol=1e-4)
    if "--max-memory" in more:
        done = CliRunner().invoke(app, ["denoise", name, "d.h5", "--residual", "a.nxs::/left", *FEW, *more])
        assert "the residual must be a file of its own" in done.stderr
