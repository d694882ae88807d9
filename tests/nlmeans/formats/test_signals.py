"""DM3, DM4, SER, EMI, EMD, BLO and HSpy: signals with calibrated axes, and what is written of them."""

import copy
import pickle
import shutil
import struct
import time
import tracemalloc
from pathlib import Path

import h5py
import numpy as np
import pytest
from micrographs import counts
from typer.testing import CliRunner

from nlmeans import formats
from nlmeans.cli import app
from nlmeans.formats.own.dm import tags
from nlmeans.formats.picture import PictureError
from nlmeans.formats.readers import Arrangement
from nlmeans.formats.signals import Signal
from nlmeans.large.files import open_source

pytest.importorskip("rsciio")
from rsciio import blockfile, emd, hspy

LITTLE = 40 << 20
"""Bytes that looking at a small file may take."""
REAL = {
    "DM/EELS_SI.dm4": ("CYX", (2048, 2, 2), (0.00199207360856,) * 2, "µm"),
    "DM/dmTest_float32_nonSquare_diffPixelSize.dm4": ("YX", (64, 128), (0.2, 1.0), "nm"),
    "DM/multi_signal.dm3": ("YX", (512, 512), (0.0177515782416,) * 2, "nm"),
    "DM/test_STEM_image.dm3": ("YX", (68, 68), (0.248538017273,) * 2, "nm"),
    "SER/128x128-TEM_search_1.ser": ("YX", (128, 128), (5.26121420505,) * 2, "nm"),
    "SER/128x128-TEM_search.emi": ("YX", (128, 128), (5.26121420505,) * 2, "nm"),
    "EMD/STEM_HAADF_Diffraction_Micro.emd": ("YX", (128, 128), (0.0873707961423,) * 2, "µm"),
    "EMD/fei_example_tem_stack.emd": ("TYX", (2, 3, 3), (8.1728831923,) * 2, "pm"),
}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def axis(name, size, scale=1.0, units="", navigate=True, offset=0.0):
    return {"name": name, "size": size, "scale": scale, "units": units, "navigate": navigate, "offset": offset}


def signal(data, *axes, title="one", **more):
    """Return a signal as RosettaSciIO writes it."""
    axes = [given | {"index_in_array": k, "_type": "UniformDataAxis"} for k, given in enumerate(axes)]
    return {
        "data": data, "axes": axes, "attributes": {"_lazy": False, "ragged": False}, "original_metadata": {},
        "metadata": {"General": {"title": title}, "Signal": {"signal_type": ""}} | more, "learning_results": {},
        "package_info": {"package": "another", "package_version": "1.0"}, "tmp_parameters": {}, "models": {},
    }  # fmt: skip


def written(data, *axes, path="a.hspy", **more):
    hspy.file_writer(path, signal(data, *axes, **more), show_progressbar=False)
    return path


YX = (axis("y", 20, 0.5, "nm", False), axis("x", 30, 0.25, "nm", False))
PLANE, STACK = counts(20, 30), counts(4, 20, 30)


# --- files that nobody here wrote ---


@pytest.mark.parametrize("name", REAL)
def test_real_files(real, name):
    axes, shape, spacing, unit = REAL[name]
    picture = formats.read(real / name)
    assert (picture.axes, picture.pixels.shape, picture.unit) == (axes, shape, unit)
    np.testing.assert_allclose(picture.spacing, spacing)
    source = pickle.loads(pickle.dumps(open_source(real / name)))
    cut = tuple(slice(side // 3, side // 3 + 1 + side // 4) for side in shape)
    np.testing.assert_array_equal(source.read(cut), picture.pixels[cut])


@pytest.mark.parametrize("name", [name for name in REAL if name.startswith("DM/")])
def test_real_dm_as_another_library_reads_it(real, name):
    dm = pytest.importorskip("ncempy.io.dm", exc_type=ImportError)
    picture, ref = formats.read(real / name), dm.dmReader(str(real / name))
    np.testing.assert_array_equal(picture.pixels, ref["data"].reshape(picture.pixels.shape))
    units = {"A": 0.1, "nm": 1.0, "µm": 1000.0}
    sizes = [size * units[unit] for size, unit in zip(ref["pixelSize"], ref["pixelUnit"], strict=True) if unit in units]
    np.testing.assert_allclose(np.multiply(picture.spacing, units[picture.unit]), sizes, rtol=1e-6)


def test_real_ser_and_emd_as_another_library_reads_them(real):
    ser = pytest.importorskip("ncempy.io.ser", exc_type=ImportError)
    velox = pytest.importorskip("ncempy.io.emdVelox", exc_type=ImportError)
    ref = ser.serReader(str(real / "SER/128x128-TEM_search_1.ser"))
    np.testing.assert_array_equal(formats.read(real / "SER/128x128-TEM_search_1.ser").pixels, ref["data"])
    with velox.fileEMDVelox(str(real / "EMD/STEM_HAADF_Diffraction_Micro.emd")) as file:
        ref = file.get_dataset(0)[0]
    np.testing.assert_array_equal(formats.read(real / "EMD/STEM_HAADF_Diffraction_Micro.emd").pixels, ref)


@pytest.mark.parametrize("name", REAL)
def test_real_files_go_to_hspy_with_all_that_they_say(real, name):
    before = formats.read(real / name)
    formats.write("a.hspy", before.with_pixels(before.pixels[..., ::-1].copy()))
    after = formats.read("a.hspy")
    np.testing.assert_array_equal(after.pixels, before.pixels[..., ::-1])
    assert (after.axes, after.spacing, after.unit) == (before.axes, before.spacing, before.unit)
    said = copy.deepcopy(before.native.said["metadata"])
    said["General"].setdefault("title", "")  # which an HSpy has always
    same(after.native.said["metadata"], said)
    same(after.native.said["original_metadata"], before.native.said["original_metadata"])
    for ours, theirs in zip(after.native.said["axes"], before.native.said["axes"], strict=True):
        assert theirs.items() <= ours.items()


def same(ours, theirs):
    """Assert that metadata are the same, but for long lists of records, which the library puts in another order."""
    if isinstance(theirs, dict):
        assert ours.keys() == theirs.keys()
        for key, value in theirs.items():
            same(ours[key], value)
    elif isinstance(theirs, list | tuple) and len(theirs) > 10 and isinstance(theirs[0], list | tuple):
        assert sorted(map(tuple, ours)) == sorted(map(tuple, theirs))
    else:
        theirs = np.asarray(theirs)
        theirs = np.char.decode(theirs) if theirs.dtype.kind == "S" else theirs  # texts are texts there
        np.testing.assert_array_equal(np.asarray(ours), theirs)


@pytest.mark.parametrize("target", ["a.ome.tif", "a.hspy", "a.npy"])
def test_real_files_by_the_command(real, target):
    path = str(real / "DM/test_STEM_image.dm3")
    done = CliRunner().invoke(app, ["denoise", path, target, "--sigma", "900", "--quality", "fast"])
    assert done.exit_code == 0, done.stderr
    picture, before = formats.read(target), formats.read(path)
    assert picture.pixels.dtype == before.pixels.dtype
    assert picture.pixels.std() < before.pixels.std()
    if target != "a.npy":
        assert (picture.spacing, picture.unit) == (before.spacing, before.unit)


def test_an_emi_without_its_pixels(real):
    shutil.copy(real / "SER/128x128-TEM_search.emi", "a.emi")
    with pytest.raises(PictureError, match=r"an EMI holds no pixels: a_1\.ser and others like it must lie beside it"):
        formats.read("a.emi")


# --- axes ---


@pytest.mark.parametrize(
    ("data", "axes", "ref"),
    [
        (PLANE, YX, ("YX", (20, 30), (0.5, 0.25))),
        (STACK, (axis("z", 4, 2.0, "nm"), *YX), ("ZYX", (4, 20, 30), (2, 0.5, 0.25))),
        (STACK, (axis("z", 4), *YX), ("NYX", (4, 20, 30), (0.5, 0.25))),
        (STACK, (axis("Time", 4, 0.1, "s"), *YX), ("TYX", (4, 20, 30), (0.5, 0.25))),
        (STACK, (axis("frame", 4, 0.1, "s"), *YX), ("TYX", (4, 20, 30), (0.5, 0.25))),
        (STACK, (axis("tilt", 4, 2.0, "°"), *YX), ("NYX", (4, 20, 30), (0.5, 0.25))),
        (STACK, (axis("Energy loss", 4, 1.0, "eV"), *YX), ("CYX", (4, 20, 30), (0.5, 0.25))),
        (
            STACK, (axis("y", 4, 3.0, "nm"), axis("x", 20, 2.0, "nm"), axis("Energy", 30, 1.0, "keV", False)),
            ("CYX", (30, 4, 20), (3, 2)),
        ),
        (
            counts(2, 3, 5, 6),
            (axis("y", 2, 3.0, "nm"), axis("x", 3, 2.0, "nm"), axis("dy", 5, 1.0, "1/nm", False),
             axis("dx", 6, 1.0, "1/nm", False)), ("NYX", (6, 5, 6), None),
        ),
        (counts(1, 20, 30), (axis("z", 1, 2.0, "nm"), *YX), ("YX", (20, 30), (0.5, 0.25))),
    ],
    ids=["plane", "depth", "stack", "time", "seconds", "tilt", "energy first", "energy last", "4D-STEM", "of one"],
)  # fmt: skip
def test_axes(data, axes, ref):
    picture = formats.read(written(data, *axes))
    assert (picture.axes, picture.pixels.shape, picture.spacing) == ref
    if ref[0] == "CYX" and axes[2]["units"] == "keV":
        data = data.transpose(2, 0, 1)
    np.testing.assert_array_equal(picture.pixels, data.reshape(picture.pixels.shape))


@pytest.mark.parametrize("shape", [(2, 3, 5, 6), (3, 1, 5, 6), (4, 20, 30)])
def test_what_is_reshaped_goes_back_as_it_was(shape):
    patterns = axis("dy", 5, navigate=False), axis("dx", 6, navigate=False)
    own = patterns if len(shape) == 4 else (axis("Energy", 30, 1.0, "keV", False),)
    axes, data = (axis("y", shape[0]), axis("x", shape[1]), *own), counts(*shape)
    before = formats.read(written(data, *axes))
    formats.write("b.hspy", before)
    (after,) = hspy.file_reader("b.hspy")
    np.testing.assert_array_equal(after["data"], data)
    assert [given["name"] for given in after["axes"]] == [given["name"] for given in axes]
    assert after["package"] == "another"


def test_units_and_scales():
    for units, ref in (("A", "Å"), ("um", "µm"), ("µm", "µm"), ("m", "m"), ("furlong", None), (None, None)):
        axes = (axis("y", 20, 0.5, units, False), axis("x", 30, -0.25, units, False))
        picture = formats.read(written(PLANE, *axes))
        assert picture.unit == ref
        assert picture.spacing == (None if ref is None else (0.5, 0.25))


def test_several_signals_are_chosen_by_title():
    written(PLANE, *YX, title="HAADF")
    written(PLANE + 1, *YX, title="BF", path="b.hspy")
    with h5py.File("a.hspy", "a") as file, h5py.File("b.hspy") as other:
        other.copy("Experiments/BF", file["Experiments"])
    with pytest.raises(PictureError, match=r"this holds 2: name one with --series \(series=\): 0 BF, 1 HAADF"):
        formats.read("a.hspy")
    np.testing.assert_array_equal(formats.read("a.hspy", series="BF").pixels, PLANE + 1)
    np.testing.assert_array_equal(formats.read("a.hspy", series=1).pixels, PLANE)


def test_a_spectrum_is_no_picture():
    with pytest.raises(PictureError, match="this holds none"):
        formats.read(written(counts(50), axis("Energy", 50, 1.0, "eV", False)))


def test_complex_numbers():
    with pytest.raises(PictureError, match="real numbers of up to 64 bits: these are complex64"):
        formats.read(written(PLANE.astype(np.complex64), *YX))


# --- files that another program wrote ---


def blo(patterns):
    """Write diffraction patterns (Y, X, DY, DX)."""
    axes = (
        axis("y", patterns.shape[0], 2.0, "nm"), axis("x", patterns.shape[1], 2.0, "nm"),
        axis("dy", patterns.shape[2], 0.1, "cm", False), axis("dx", patterns.shape[3], 0.1, "cm", False),
    )  # fmt: skip
    blockfile.file_writer("a.blo", signal(patterns, *axes), show_progressbar=False)
    return Path("a.blo")


PATTERNS = counts(3, 4, 16, 16, dtype=np.uint8)


def test_a_blockfile():
    path = blo(PATTERNS)
    picture = formats.read(path)
    assert (picture.axes, picture.unit) == ("NYX", "cm")
    np.testing.assert_array_equal(picture.pixels, PATTERNS.reshape(12, 16, 16))
    np.testing.assert_array_equal(open_source(path).read(np.s_[5:9, 3:7, :]), picture.pixels[5:9, 3:7])


@pytest.mark.parametrize("shape", [(1, 4, 16, 16), (4, 1, 16, 16)])
def test_a_blockfile_of_a_line(shape):
    """The library leaves out an axis of length 1, and not its name, where it reads a file at once."""
    picture = formats.read(blo(PATTERNS.reshape(12, 16, 16)[:4].reshape(shape)))
    np.testing.assert_array_equal(picture.pixels, PATTERNS.reshape(12, 16, 16)[:4])


def test_an_emd_of_ncem():
    emd.file_writer("a.emd", signal(STACK, axis("z", 4, 2.0, "nm"), *YX))
    picture = formats.read("a.emd")
    assert picture.axes == "ZYX"
    assert picture.spacing == (2, 0.5, 0.25)
    np.testing.assert_array_equal(picture.pixels, STACK)


# --- written ---


@pytest.mark.parametrize(
    ("axes", "shape"), [("YX", (20, 30)), ("ZYX", (4, 20, 30)), ("TYX", (4, 20, 30)), ("TCZYX", (2, 3, 4, 20, 30))]
)
def test_pictures_of_others_become_signals(axes, shape):
    spacing = (2.0, 0.5, 0.25)[-sum(axis in "ZYX" for axis in axes) :]
    picture = formats.Picture(counts(*shape), axes, spacing=spacing, unit="nm")
    formats.write("a.hspy", picture)
    after = formats.read("a.hspy")
    assert (after.axes, after.spacing, after.unit) == (axes, spacing, "nm")
    np.testing.assert_array_equal(after.pixels, picture.pixels)


def test_what_is_said_is_not_changed_by_writing():
    said = {
        "axes": [given | {"index_in_array": k} for k, given in enumerate(YX)],
        "metadata": {},
        "original_metadata": {},
    }
    before = copy.deepcopy(said)
    formats.write("a.hspy", formats.Picture(PLANE, "YX", native=Signal(said, Arrangement(("Y", "X"), PLANE.shape))))
    assert said == before
    assert [path.name for path in Path().iterdir()] == ["a.hspy"]


def test_opacity_is_refused():
    picture = formats.Picture(PLANE, "YX", alpha=PLANE[..., None])
    with pytest.raises(PictureError, match="an HSpy holds signals without opacity"):
        formats.write("a.hspy", picture)


@pytest.mark.parametrize("name", ["a.dm3", "a.dm4", "a.ser", "a.emi", "a.emd", "a.blo"])
def test_what_is_only_read_says_so(name):
    with pytest.raises(PictureError, match=r" is only read: write \.ome\.tif or \.ome\.zarr or .*\.hspy$"):
        formats.write(name, formats.Picture(PLANE))
    assert not Path(name).exists()


# --- bad input ---


def assert_refused(path, match=None):
    """Assert that a file is refused in one line, in little memory and little time."""
    tracemalloc.start()
    start = time.process_time()
    try:
        with pytest.raises(PictureError, match=match) as caught:
            formats.read(path)
        assert tracemalloc.get_traced_memory()[1] < LITTLE
    finally:
        tracemalloc.stop()
    assert time.process_time() - start < 5
    assert "\n" not in str(caught.value)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [name for name in REAL if not name.endswith(".emi")])
def test_cut_short(real, name):
    data = (real / name).read_bytes()
    for part in range(10):
        path = Path(f"{part}{Path(name).suffix}")
        path.write_bytes(data[: len(data) * part // 10])
        assert_refused(path)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("part", range(10))
def test_what_another_program_wrote_cut_short(part):
    blo(PATTERNS)
    written(STACK, axis("z", 4), *YX)
    for path in map(Path, ("a.blo", "a.hspy")):
        data = path.read_bytes()
        path.write_bytes(data[: len(data) * part // 10])
        assert_refused(path)


@pytest.mark.parametrize("name", ["a.dm3", "a.ser", "a.emi", "a.emd", "a.blo", "a.hspy"])
def test_other_first_bytes(name):
    Path(name).write_bytes(b"not one of them" * 100)
    assert_refused(name, "begins with b'not one ', like none of them")


def dm3(*numbers):
    """Return the beginning of a DM3, and numbers."""
    return struct.pack(">IIIBB", 3, 1000, 1, 1, 0) + b"".join(struct.pack(">I", number) for number in numbers)


STRUCTURE = struct.pack(">BH", 21, 0) + b"%%%%" + struct.pack(">IIII", 4, 15, 0, 2**31 - 1)
TEXT = struct.pack(">BH", 21, 0) + b"%%%%" + struct.pack(">III", 2, 18, 2**30)
ARRAY = struct.pack(">BH", 21, 0) + b"%%%%" + struct.pack(">IIII", 3, 20, 2, 2**31 - 1)
DEEP = (struct.pack(">BH", 20, 0) + struct.pack(">BBI", 0, 0, 1)) * 5000


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (dm3(2**31 - 1), r"a group has 2,147,483,647 tags"),
        (dm3(1) + STRUCTURE, "a structure has 2,147,483,647 fields"),
        (dm3(1) + TEXT, "a text has 1,073,741,824 bytes"),
        (dm3(1) + ARRAY, "a value has 4,294,967,294 bytes"),
        (dm3(1) + DEEP, "a group has 1 tags"),
        (dm3(1) + struct.pack(">BH", 7, 0), "a tag is of kind 7"),
        (dm3(1) + struct.pack(">BH", 21, 0) + b"####", "a tag has no delimiter"),
        (dm3(1) + struct.pack(">BH", 21, 0) + b"%%%%" + struct.pack(">II", 1, 99), "a value is of kind 99"),
    ],
    ids=["tags", "fields", "text", "array", "depth", "kind", "delimiter", "type"],
)
def test_tags_that_claim_much(data, match):
    """The library would count to whatever they say."""
    Path("a.dm3").write_bytes(data + bytes(2000))
    assert_refused("a.dm3", match)


def test_the_tags_of_real_files_are_passed(real):
    for path in (real / "DM").iterdir():
        with path.open("rb") as file:
            assert tags.begin(file.read(64))
            file.seek(0)
            tags.check(file)


@pytest.mark.filterwarnings("ignore")
def test_a_blockfile_that_claims_much():
    path = blo(PATTERNS)
    data = bytearray(path.read_bytes())
    at = data.index(struct.pack("<HHH", 16, 0, 4)[:2], 10)
    for start in range(at, at + 40, 2):
        if struct.unpack_from("<H", data, start)[0] in (3, 4, 16):
            struct.pack_into("<H", data, start, 65535)
    path.write_bytes(data)
    assert_refused(path, "cannot|more than")


def test_without_the_library(monkeypatch):
    written(PLANE, *YX)
    monkeypatch.setattr(type(formats.to_read(Path("a.hspy"))), "needs", "a_library_that_is_not_there")
    with pytest.raises(PictureError, match=r"install it with pip install 'nlmeans\[electron\]'"):
        formats.read("a.hspy")
