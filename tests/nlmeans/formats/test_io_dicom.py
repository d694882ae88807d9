"""DICOM: real units, planes in their places, a derived series with all that was said, nobody's name in a message."""

import logging
import shutil
import tracemalloc
import warnings
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from nlmeans import formats
from nlmeans.cli import app
from nlmeans.formats import PictureError, table

pydicom = pytest.importorskip("pydicom", reason="pydicom is not installed: pip install 'nlmeans[dicom]'")
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset  # noqa: E402
from pydicom.pixels import apply_modality_lut  # noqa: E402
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid  # noqa: E402

SHIPPED = Path(pydicom.__file__).parent / "data" / "test_files"
RNG = np.random.default_rng(0)
NAME, BORN = "Doe^Jane", "19700131"
CHANGED = {
    *("SOPInstanceUID", "SeriesInstanceUID", "ImageType", "DerivationDescription", "SeriesDescription"),
    *("SourceImageSequence", "InstanceCreationDate", "InstanceCreationTime", "PixelData"),
    *("SmallestImagePixelValue", "LargestImagePixelValue", "DataSetTrailingPadding"),
}
"""What a derived image says anew."""
COLOURED = {
    "PhotometricInterpretation",
    "PlanarConfiguration",
    "SamplesPerPixel",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def make(path, stored, *, bits=None, syntax=ExplicitVRLittleEndian, **said):
    """Write stored frames (rows, columns), or where there is a NumberOfFrames , frames first, as pydicom does."""
    dataset = FileDataset("", Dataset(), file_meta=FileMetaDataset())
    dataset.file_meta.TransferSyntaxUID = syntax
    allocated = stored.dtype.itemsize * 8
    colours = stored.shape[-1] == 3 and said.get("PhotometricInterpretation") == "RGB"
    fields = {
        "SOPClassUID": CTImageStorage, "SOPInstanceUID": generate_uid(), "SeriesInstanceUID": "1.2.3.4",
        "Modality": "CT", "PatientName": NAME, "PatientBirthDate": BORN, "StudyInstanceUID": "1.2.3",
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"], "PhotometricInterpretation": "MONOCHROME2",
        "SamplesPerPixel": 3 if colours else 1, "BitsAllocated": allocated, "BitsStored": bits or allocated,
        "HighBit": (bits or allocated) - 1, "PixelRepresentation": int(stored.dtype.kind == "i"),
    }  # fmt: skip
    for name, value in (fields | said).items():
        setattr(dataset, name, value)
    sides = stored.shape[:-1] if colours else stored.shape
    dataset.Rows, dataset.Columns = sides[-2:]
    if colours:
        dataset.PlanarConfiguration = 0
    dataset.add_new("PixelData", "OW" if allocated > 8 else "OB", stored.tobytes() + b"\0" * (stored.nbytes % 2))
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.save_as(path, enforce_file_format=True)
    return path


def stack(folder, volume, *, gap=2.5, each=lambda k: {}, **said):
    """Write a volume as a series whose names, numbers and positions are in three different orders."""
    Path(folder).mkdir(exist_ok=True)
    for k, stored in enumerate(volume):
        place = {"ImagePositionPatient": [-9, 4, gap * k - 30], "ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}
        number = {"InstanceNumber": len(volume) - k, "PixelSpacing": [0.7, 0.4]}
        make(Path(folder, f"IM{(k * 7 + 3) % 11:03}"), stored, **place | number | said | each(k))
    return Path(folder)


def opened(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pydicom.dcmread(path)


def compared(old, new, allowed=CHANGED):
    """Assert that two files say the same but in what a derived image says anew."""
    for element in old:
        if element.keyword not in allowed and element.tag.element != 0:  # lengths of groups are no more written
            assert new[element.tag].value == element.value, element.keyword
    assert {element.keyword for element in new} - {element.keyword for element in old} <= allowed
    assert new.SOPInstanceUID != old.SOPInstanceUID
    assert new.SeriesInstanceUID != old.SeriesInstanceUID
    assert new.file_meta.MediaStorageSOPInstanceUID == new.SOPInstanceUID
    assert new.ImageType[0] == "DERIVED"
    assert new.DerivationDescription.startswith(str(old.get("DerivationDescription", "nlmeans ")))


GREY = [
    "CT_small.dcm", "MR_small.dcm", "MR_small_RLE.dcm", "MR_small_bigendian.dcm", "MR_small_implicit.dcm",
    "MR_small_jp2klossless.dcm", "693_J2KI.dcm", "image_dfl.dcm", "examples_overlay.dcm",
    "J2K_pixelrep_mismatch.dcm",
]  # fmt: skip


@pytest.mark.parametrize("name", GREY)
def test_shipped_grey_images_are_in_real_units_and_come_back(name):
    if not (SHIPPED / name).exists():
        pytest.skip(f"this pydicom ships no {name}")
    old = opened(SHIPPED / name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        real = apply_modality_lut(old.pixel_array, old)
    picture = formats.read(SHIPPED / name)
    if picture.nodata is None:
        np.testing.assert_array_equal(picture.pixels, real)
    else:
        there = picture.known
        np.testing.assert_array_equal(picture.pixels[there], real[there])
        assert (real[~there] == picture.nodata).all()
    assert picture.axes == "YX"
    assert picture.spacing == (tuple(map(float, old.PixelSpacing)) if "PixelSpacing" in old else None)
    formats.write("out.dcm", picture)
    new = opened("out.dcm")
    compared(old, new)
    assert new.file_meta.TransferSyntaxUID == (
        ExplicitVRLittleEndian if old.file_meta.TransferSyntaxUID.is_compressed and "dfl" not in name
        else old.file_meta.TransferSyntaxUID
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        np.testing.assert_array_equal(new.pixel_array, old.pixel_array)
    lows = new.get("SmallestImagePixelValue")
    assert lows is None or lows == new.pixel_array.min()


@pytest.mark.parametrize(
    ("name", "axes", "dtype"),
    [
        ("ExplVR_BigEnd.dcm", "YXC", "uint8"),
        ("SC_rgb_rle_16bit_2frame.dcm", "NYXC", "uint16"),
        ("SC_ybr_full_422_uncompressed.dcm", "YXC", "uint8"),
        ("SC_rgb_small_odd.dcm", "YXC", "uint8"),
        ("examples_palette.dcm", "YXC", "uint8"),
        ("examples_ybr_color.dcm", "TYXC", "uint8"),
        ("examples_rgb_color.dcm", "YXC", "uint8"),
    ],
)
def test_shipped_colours_are_rgb(name, axes, dtype):
    if not (SHIPPED / name).exists():
        pytest.skip(f"this pydicom ships no {name}")
    picture = formats.read(SHIPPED / name)
    assert (picture.axes, picture.pixels.dtype, picture.pixels.shape[-1]) == (axes, dtype, 3)
    formats.write("out.dcm", picture)
    old, new = opened(SHIPPED / name), opened("out.dcm")
    np.testing.assert_array_equal(new.pixel_array, picture.pixels)
    palette = {element.keyword for element in old if "PaletteColor" in element.keyword}
    compared(old, new, CHANGED | COLOURED | palette)
    assert not palette & {element.keyword for element in new}
    assert new.PhotometricInterpretation == "RGB"
    if palette:
        from pydicom.pixels import apply_color_lut

        np.testing.assert_array_equal(apply_color_lut(old.pixel_array, old) >> 8, picture.pixels)
    else:
        np.testing.assert_array_equal(old.pixel_array, picture.pixels)


def test_every_shipped_image_that_is_read_is_written():
    count = 0
    for path in sorted(SHIPPED.glob("*.dcm")):
        try:
            picture = formats.read(path)
        except PictureError:
            continue
        formats.write("out.dcm", picture, overwrite=True)
        np.testing.assert_array_equal(formats.read("out.dcm").pixels, picture.pixels)
        count += 1
    assert count > 30


def test_a_dose_is_in_its_units():
    picture = formats.read(SHIPPED / "rtdose.dcm")
    old = opened(SHIPPED / "rtdose.dcm")
    np.testing.assert_allclose(picture.pixels, old.pixel_array * float(old.DoseGridScaling), rtol=1e-12)
    steps = np.diff([float(place) for place in old.GridFrameOffsetVector])
    assert (picture.axes, picture.spacing) == ("ZYX", (abs(steps[0]), 10.0, 10.0))
    formats.write("out.dcm", picture)
    np.testing.assert_array_equal(opened("out.dcm").pixel_array, old.pixel_array)


@pytest.mark.parametrize("gap", [2.5, -2.5])
def test_a_folder_is_a_volume_and_becomes_one(gap):
    volume = RNG.integers(0, 4096, (5, 8, 9), np.uint16)
    stack("in", volume, gap=gap, bits=12, RescaleSlope="1", RescaleIntercept="-1024")
    picture = formats.read("in")
    np.testing.assert_array_equal(picture.pixels[:: 1 if gap > 0 else -1], volume.astype(int) - 1024)
    assert (picture.axes, picture.spacing, picture.unit) == ("ZYX", (2.5, 0.7, 0.4), "mm")
    assert picture.pixels.dtype == np.int16
    formats.write("out", picture.with_pixels(picture.pixels[::-1].copy()), done="σ 10, patch 3 × 3")
    assert {file.name for file in Path("in").iterdir()} == {file.name for file in Path("out").iterdir()}
    for old, new in ((opened(file), opened(Path("out", file.name))) for file in Path("in").iterdir()):
        compared(old, new)
        assert new.DerivationDescription.endswith("sigma 10, patch 3 x 3")
        assert (new.PatientName, new.PatientBirthDate) == (NAME, BORN)
        assert new.SourceImageSequence[0].ReferencedSOPInstanceUID == old.SOPInstanceUID
    assert len({opened(file).SeriesInstanceUID for file in Path("out").iterdir()}) == 1
    assert len({opened(file).SOPInstanceUID for file in Path("out").iterdir()}) == 5
    np.testing.assert_array_equal(formats.read("out").pixels, picture.pixels[::-1])


def test_another_library_reads_the_series_that_is_written():
    sitk = pytest.importorskip("SimpleITK", reason="SimpleITK is not installed")
    stack("in", RNG.integers(-900, 900, (4, 8, 9), np.int16), RescaleSlope="1", RescaleIntercept="-24")
    picture = formats.read("in")
    formats.write("out", picture)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames("out"))
    image = reader.Execute()
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), picture.pixels)
    assert image.GetSpacing() == pytest.approx((0.4, 0.7, 2.5))


def test_slices_of_different_slopes():
    volume = RNG.integers(0, 30000, (4, 6, 7), np.int16)
    stack("in", volume, each=lambda k: {"RescaleSlope": str(0.1 + k), "RescaleIntercept": str(-k)})
    picture = formats.read("in")
    expected = [volume[k] * (0.1 + k) - k for k in range(4)]
    np.testing.assert_allclose(picture.pixels, expected, rtol=1e-6, atol=1e-3)
    assert picture.pixels.dtype == np.float32
    formats.write("out", picture)
    for k in range(4):
        name = f"IM{(k * 7 + 3) % 11:03}"
        np.testing.assert_array_equal(opened(Path("out", name)).pixel_array, volume[k])


@pytest.mark.parametrize("limit", [None, -1990])
def test_padding_stays_and_nothing_else_becomes_it(limit):
    stored = RNG.integers(0, 100, (9, 10), np.int16)
    stored[:4] = -2000
    said = {} if limit is None else {"PixelPaddingRangeLimit": limit}
    if limit is not None:
        stored[0, :5] = -1995
    make("a.dcm", stored, PixelPaddingValue=-2000, RescaleSlope="1", RescaleIntercept="-24", **said)
    picture = formats.read("a.dcm")
    assert picture.nodata == (-2024 if limit is None else -2019)
    np.testing.assert_array_equal(picture.known, stored >= 0)
    pixels = picture.pixels.copy()
    pixels[8] = -2024  # what a filter must not make of data
    formats.write("out.dcm", picture.with_pixels(pixels))
    written = opened("out.dcm").pixel_array
    np.testing.assert_array_equal(written[:8], stored[:8])
    assert (written[8] == (-1999 if limit is None else -1989)).all()
    assert opened("out.dcm").PixelPaddingValue == -2000


def test_padding_with_the_sign_of_the_other_kind():
    stored = RNG.integers(0, 100, (9, 10), np.int16)
    stored[0] = -2000
    make("a.dcm", stored)
    dataset = opened("a.dcm")
    dataset.add_new("PixelPaddingValue", "US", 63536)
    dataset.save_as("a.dcm")
    assert formats.read("a.dcm").nodata == -2000
    stored = stored.astype(np.uint16)
    make("b.dcm", stored)
    dataset = opened("b.dcm")
    dataset.add_new("PixelPaddingValue", "SS", -2000)
    dataset.save_as("b.dcm")
    assert formats.read("b.dcm").nodata == 63536


def test_values_beyond_the_stored_bits_are_clipped_and_counted(caplog):
    stored = RNG.integers(-2048, 2048, (9, 10), np.int16)
    picture = formats.read(make("a.dcm", stored, bits=12))
    pixels = picture.pixels.copy()
    pixels[0], pixels[1] = 2048, -3000
    formats.write("out.dcm", picture.with_pixels(pixels))
    assert "20 values are beyond the bits that are stored: they are clipped" in caplog.text
    written = opened("out.dcm").pixel_array
    assert (written[0] == 2047).all()
    assert (written[1] == -2048).all()
    np.testing.assert_array_equal(written[2:], stored[2:])


def test_where_0_is_white_values_stay_what_they_measure():
    stored = RNG.integers(0, 4096, (9, 10), np.uint16)
    picture = formats.read(make("a.dcm", stored, bits=12, PhotometricInterpretation="MONOCHROME1"))
    np.testing.assert_array_equal(picture.pixels, stored)
    formats.write("out.dcm", picture)
    assert opened("out.dcm").PhotometricInterpretation == "MONOCHROME1"


def test_values_of_a_lookup_table_replace_it():
    stored = RNG.integers(0, 256, (9, 10), np.uint8)
    table = Dataset()
    values = np.arange(256) ** 2 // 16
    table.add_new("LUTDescriptor", "US", [256, 0, 16])
    table.add_new("LUTData", "US", values.tolist())
    table.ModalityLUTType = "OD"
    picture = formats.read(make("a.dcm", stored, ModalityLUTSequence=[table], PixelPaddingValue=0))
    np.testing.assert_array_equal(picture.pixels, values[stored])
    formats.write("out.dcm", picture)
    new = opened("out.dcm")
    np.testing.assert_array_equal(apply_modality_lut(new.pixel_array, new), values[stored])
    assert ("ModalityLUTSequence" in new, new.RescaleType, new.PixelPaddingValue) == (False, "OD", 0)


def enhanced(path, volume, order, **said):
    """Write frames in an order of their own, with places and slopes of their own."""
    frames = []
    for k in order:
        frame, place, turned = Dataset(), Dataset(), Dataset()
        place.ImagePositionPatient, turned.ImageOrientationPatient = [0, 3.0 * k, 0], [1, 0, 0, 0, 0, -1]
        scale, kind = Dataset(), Dataset()
        scale.RescaleSlope, scale.RescaleIntercept = str(1 + k), "0"
        kind.FrameType = ["ORIGINAL", "PRIMARY", "AXIAL", "NONE"]
        frame.PlanePositionSequence, frame.PlaneOrientationSequence = [place], [turned]
        frame.PixelValueTransformationSequence, frame.CTImageFrameTypeSequence = [scale], [kind]
        frames.append(frame)
    measures, shared = Dataset(), Dataset()
    measures.PixelSpacing = [0.5, 0.25]
    shared.PixelMeasuresSequence = [measures]
    groups = {"SharedFunctionalGroupsSequence": [shared], "PerFrameFunctionalGroupsSequence": frames}
    return make(path, volume[order], NumberOfFrames=len(order), **groups, **said)


def test_frames_of_an_enhanced_image_are_put_in_place():
    volume, order = RNG.integers(0, 999, (5, 8, 9), np.int16), [3, 0, 4, 1, 2]
    picture = formats.read(enhanced("a.dcm", volume, order))
    np.testing.assert_allclose(picture.pixels, [volume[k] * (1 + k) for k in range(5)])
    assert (picture.axes, picture.spacing) == ("ZYX", (3.0, 0.5, 0.25))
    formats.write("out.dcm", picture)
    old, new = opened("a.dcm"), opened("out.dcm")
    np.testing.assert_array_equal(new.pixel_array, old.pixel_array)
    compared(old, new, CHANGED | {"PerFrameFunctionalGroupsSequence"})
    for before, after in zip(old.PerFrameFunctionalGroupsSequence, new.PerFrameFunctionalGroupsSequence, strict=True):
        assert after.CTImageFrameTypeSequence[0].FrameType == ["DERIVED", "PRIMARY", "AXIAL", "NONE"]
        del before.CTImageFrameTypeSequence, after.CTImageFrameTypeSequence
        assert before == after


def test_overlays_in_unused_bits_are_left_out(caplog):
    stored = RNG.integers(0, 4096, (8, 9), np.uint16)
    dataset = opened(make("a.dcm", stored | 0x8000, bits=12))
    dataset.add_new((0x6000, 0x0010), "US", 8)
    dataset.add_new((0x6000, 0x0100), "US", 16)
    dataset.add_new((0x6000, 0x0102), "US", 15)
    dataset.add_new((0x6002, 0x3000), "OW", bytes(10))
    dataset.save_as("a.dcm")
    picture = formats.read("a.dcm")
    np.testing.assert_array_equal(picture.pixels, stored)
    assert "an overlay lies in unused bits" in caplog.text
    formats.write("out.dcm", picture)
    new = opened("out.dcm")
    assert (0x6000, 0x0102) not in new
    assert (0x6002, 0x3000) in new


@pytest.mark.parametrize(
    ("letters", "name"),
    [("ISO_IR 192", "Müller^山田"), ("ISO_IR 100", "Müller^Zoë"), (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎")],
)
def test_names_keep_their_letters(letters, name):
    said = {"SpecificCharacterSet": letters, "PatientName": name, "SeriesDescription": "a"}
    formats.write("out.dcm", formats.read(make("a.dcm", RNG.integers(0, 9, (8, 9), np.int16), **said)))
    old, new = opened("a.dcm"), opened("out.dcm")
    assert new.PatientName == old.PatientName == name
    assert opened("out.dcm").get_item("PatientName").value == opened("a.dcm").get_item("PatientName").value  # bytes
    assert new.SpecificCharacterSet == old.SpecificCharacterSet


def test_floats_stay_floats():
    path = make("a.dcm", RNG.integers(0, 9, (8, 9), np.uint32), RescaleSlope="7")
    dataset = opened(path)
    values = RNG.normal(size=(8, 9)).astype(np.float32)
    del dataset.PixelData, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation, dataset.RescaleSlope
    dataset.add_new("FloatPixelData", "OF", values.tobytes())
    dataset.save_as(path)
    picture = formats.read(path)
    np.testing.assert_array_equal(picture.pixels, values)
    formats.write("out.dcm", picture)
    np.testing.assert_array_equal(opened("out.dcm").pixel_array, values)


def test_volumes_at_the_same_places_are_separate_images():
    volume = RNG.integers(0, 999, (6, 8, 9), np.int16)
    places = [[0, 0, 3 * (k // 2)] for k in range(6)]
    stack("in", volume, each=lambda k: {"ImagePositionPatient": places[k], "InstanceNumber": k + 1})
    picture = formats.read("in")
    assert (picture.axes, picture.spacing) == ("NZYX", (3.0, 0.7, 0.4))
    np.testing.assert_array_equal(picture.pixels, [volume[::2], volume[1::2]])
    formats.write("out", picture)
    np.testing.assert_array_equal(formats.read("out").pixels, picture.pixels)
    Path("in", "IM003").unlink()
    with pytest.raises(PictureError, match=r"as many at one place as at any other: these are 1 to 2; --axes NYX"):
        formats.read("in")
    assert formats.read("in", axes="NYX").pixels.shape == (5, 8, 9)


def test_images_in_no_common_place_are_separate():
    volume = RNG.integers(0, 999, (3, 8, 9), np.int16)
    turns = [[1, 0, 0, 0, 1, 0], [1, 0, 0, 0, 0, -1], [0, 1, 0, 0, 0, -1]]
    stack("in", volume, each=lambda k: {"ImageOrientationPatient": turns[k]})
    picture = formats.read("in")
    assert (picture.axes, picture.spacing) == ("NYX", (0.7, 0.4))
    np.testing.assert_array_equal(picture.pixels, volume[::-1])  # by their numbers


def test_a_missing_slice_is_named(caplog):
    stack("in", RNG.integers(0, 999, (6, 8, 9), np.int16))
    next(file for file in Path("in").iterdir() if opened(file).InstanceNumber == 3).unlink()
    assert formats.read("in").spacing[0] == 2.5
    assert "not equally far apart, 2.5 to 5 mm: one may be missing" in caplog.text


def test_one_series_of_a_folder_is_asked_for(caplog):
    stack("in", RNG.integers(0, 999, (3, 8, 9), np.int16), SeriesNumber=4)
    for file in stack(
        "other", RNG.integers(0, 9, (2, 5, 6), np.int16), SeriesInstanceUID="1.9", SeriesNumber=2
    ).iterdir():
        shutil.copy(file, Path("in", f"b{file.name}"))
    Path("in", "notes.txt").write_text("Jane")
    match = r"hold one series, or --series .*: 0: CT 2 \(2 files\), 1: CT 4 \(3 files\)"
    with pytest.raises(PictureError, match=match):
        formats.read("in")
    assert formats.read("in", series=0).pixels.shape == (2, 5, 6)
    assert formats.read("in", series="CT 4").pixels.shape == (3, 8, 9)
    assert "1 files of the folder hold no image: they are left out" in caplog.text


@pytest.mark.parametrize(
    ("each", "match"),
    [
        (lambda k: {"SOPInstanceUID": "1.5"}, r"must be of different images: 3 files are of 1"),
        (lambda k: {"PixelSpacing": [1 + k, 1 + k]}, r"pixels of one size: these have 1 to 3 mm"),
        (lambda k: {"RescaleSlope": "0"}, r"slope must not be 0"),
    ],
)
def test_series_that_are_none(each, match):
    stack("in", RNG.integers(0, 999, (3, 8, 9), np.int16), each=each)
    with pytest.raises(PictureError, match=match):
        formats.read("in")


def test_sizes_must_be_one():
    stack("in", RNG.integers(0, 999, (3, 8, 9), np.int16))
    make(Path("in", "z"), np.zeros((7, 9), np.int16))
    with pytest.raises(PictureError, match=r"one size: these have 7×9×1, 8×9×1"):
        formats.read("in")


def test_which_folders_are_one_image():
    stack("in", RNG.integers(0, 999, (3, 8, 9), np.int16))
    Path("in", ".hidden").write_text("")
    Path("in", "DICOMDIR").write_text("")
    assert table.by_store(Path("in")) is not None
    assert formats.read("in").pixels.shape == (3, 8, 9)
    formats.write(Path("in", "a.png"), formats.Picture(np.zeros((9, 9), np.uint8)))
    assert table.by_store(Path("in")) is None
    Path("empty").mkdir()
    assert table.by_store(Path("empty")) is None


def test_a_folder_is_replaced_whole_or_not_at_all(monkeypatch):
    volume = RNG.integers(0, 999, (3, 8, 9), np.int16)
    picture = formats.read(stack("in", volume))
    formats.write("out", picture)
    before = {file.name: file.read_bytes() for file in Path("out").iterdir()}
    with pytest.raises(FileExistsError, match="out exists already"):
        formats.write("out", picture)
    whole, written = pydicom.dcmwrite, []

    def failing(*args, **options):
        written.append(args)
        if len(written) % 3 == 0:
            raise OSError(28, "No space left on device")
        return whole(*args, **options)

    with monkeypatch.context() as full:
        full.setattr(pydicom, "dcmwrite", failing)
        for name in ("out", "new"):
            with pytest.raises(OSError, match="No space left"):
                formats.write(name, picture, overwrite=True)
    assert len(written) == 6
    assert {file.name: file.read_bytes() for file in Path("out").iterdir()} == before
    assert sorted(place.name for place in Path.cwd().iterdir()) == ["in", "out"]
    Path("out", "notes.txt").write_text("mine")
    with pytest.raises(PictureError, match=r"nothing but DICOM can be replaced by one: out holds more"):
        formats.write("out", picture, overwrite=True)
    Path("out", "notes.txt").unlink()
    formats.write("out", picture, overwrite=True)
    assert {file.name: file.read_bytes() for file in Path("out").iterdir()} != before
    assert sorted(place.name for place in Path.cwd().iterdir()) == ["in", "out"]


def test_what_a_process_left_that_was_killed_vanishes():
    picture = formats.read(stack("in", RNG.integers(0, 999, (3, 8, 9), np.int16)))
    left = Path(".out.6e6c6d00.part")
    left.mkdir()
    (left / "IM001").write_text("half")
    formats.write("out", picture)
    assert sorted(place.name for place in Path.cwd().iterdir()) == ["in", "out"]


def test_what_a_dicom_cannot_be_made_of():
    volume = formats.read(stack("in", RNG.integers(0, 999, (3, 8, 9), np.int16)))
    image = formats.read(make("a.dcm", RNG.integers(0, 999, (8, 9), np.int16)))
    for picture, name, match in (
        (formats.Picture(np.zeros((8, 9), np.int16)), "out.dcm", "a DICOM is made of a DICOM, whose patient"),
        (
            replace(image, pixels=image.pixels[1:]),
            "out.dcm",
            r"as many values as .*\(8, 9\) of int16: these are \(7, 9\)",
        ),
        (image.typed(np.dtype("float32")), "out.dcm", "of int16: these are .* of float32"),
        (volume, "out.dcm", r"files goes to a folder, whose name ends in none of \.dcm"),
        (image, "out", "the name ends in nothing"),
    ):
        for function in (formats.check, formats.write):
            with pytest.raises(PictureError, match=match):
                function(name, picture)
    assert not Path("out.dcm").exists()


@pytest.mark.parametrize("name", ["MR_small.dcm", "MR_small_RLE.dcm", "MR_small_implicit.dcm", "examples_palette.dcm"])
def test_cut_short(name):
    if not (SHIPPED / name).exists():
        pytest.skip(f"this pydicom ships no {name}")
    data = (SHIPPED / name).read_bytes()
    for k in range(10):
        Path("a.dcm").write_bytes(data[: len(data) * k // 10])
        with pytest.raises(PictureError) as caught:
            formats.read("a.dcm")
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("said", "match"),
    [
        ({"NumberOfFrames": 10**9}, r"cut short: its pixels take 144,000,000,000 bytes, there are 144"),
        ({"Rows": 65535, "Columns": 65535}, "decompression bomb"),
        ({"Rows": 60000, "Columns": 4000}, "cut short: its pixels take 480,000,000 bytes"),
        ({"Rows": 0}, "must have pixels"),
        ({"BitsAllocated": 12}, "1 or 3 samples of 8, 16 or 32 bits, or floats: this has 1 of 12"),
        ({"SamplesPerPixel": 4}, "1 or 3 samples"),
        ({"HighBit": 14}, "stored from 0 on: this has 16 of them up to 14"),
        ({"NumberOfFrames": -3}, "must have frames: its header says -3"),
    ],
)
def test_headers_that_claim_too_much(said, match):
    path = make("a.dcm", RNG.integers(0, 999, (8, 9), np.int16))
    dataset = opened(path)
    for name, value in said.items():
        setattr(dataset, name, value)
    dataset.save_as(path)
    tracemalloc.start()
    try:
        with pytest.raises(PictureError, match=match):
            formats.read(path)
        assert tracemalloc.get_traced_memory()[1] < 12 << 20
    finally:
        tracemalloc.stop()


def test_an_element_that_claims_too_much():
    path = Path(make("a.dcm", RNG.integers(0, 999, (8, 9), np.int16)))
    data = path.read_bytes()
    for tag in (b"\xe0\x7f\x10\0OW\0\0", b"\x28\0\x11\0US"):
        place = data.index(tag) + len(tag)
        path.write_bytes(data[:place] + b"\xf0\xff\xff\x0f" + data[place + 4 :])
        tracemalloc.start()
        try:
            with suppress(PictureError):  # where all pixels are there, no more are asked for
                assert formats.read(path).pixels.shape == (8, 9)
            assert tracemalloc.get_traced_memory()[1] < 12 << 20
        finally:
            tracemalloc.stop()


def test_packed_frames_that_claim_too_much():
    dataset = opened(SHIPPED / "MR_small_RLE.dcm")
    dataset.NumberOfFrames = 10**9
    dataset.save_as("a.dcm")
    with pytest.raises(PictureError, match="decompression bomb"):
        formats.read("a.dcm")


def test_what_cannot_be_unpacked_names_a_package():
    from pydicom.pixels import get_decoder
    from pydicom.uid import MPEG2MPML, JPEGLosslessSV1, JPEGLSLossless

    for syntax, package in ((JPEGLosslessSV1, "pylibjpeg pylibjpeg-libjpeg"), (JPEGLSLossless, "pyjpegls")):
        if get_decoder(syntax).is_available:
            continue
        dataset = opened(SHIPPED / "MR_small_RLE.dcm")
        dataset.file_meta.TransferSyntaxUID = syntax
        dataset.save_as("a.dcm")
        with pytest.raises(PictureError, match=f"in DICOM needs a package that unpacks it: pip install {package}"):
            formats.read("a.dcm")
    dataset = opened(SHIPPED / "MR_small_RLE.dcm")
    dataset.file_meta.TransferSyntaxUID = MPEG2MPML
    dataset.save_as("a.dcm")
    with pytest.raises(PictureError, match="this holds MPEG2 Main Profile"):
        formats.read("a.dcm")


def test_files_without_an_image():
    for name, kind in (
        ("test-SR.dcm", "Comprehensive SR"),
        ("rtplan.dcm", "RT Plan"),
        ("dicomdirtests/DICOMDIR", "a list"),
    ):
        with pytest.raises(PictureError, match=f"must hold an image to be denoised: this is {kind}"):
            formats.read(SHIPPED / name)


def test_nobody_is_named(caplog, capfd):
    """Whatever is damaged, neither messages nor logs quote what a file says of people."""
    caplog.set_level(logging.DEBUG)
    stored = RNG.integers(0, 999, (8, 9), np.int16)
    path = Path(make("a.dcm", stored, PatientID="Jane-17", SeriesDescription="Jane's head"))
    data = path.read_bytes()
    damage = [data.replace(b"PN" + bytes([8, 0]), b"PN" + bytes([8, 200])), data.replace(b"1.2.3.4", b"Doe^Jan")]
    rng, seen = np.random.default_rng(1), []
    for _ in range(150):
        mutant = bytearray(data)
        for place in rng.integers(132, len(data), 3):
            mutant[place] = rng.integers(256)
        damage.append(bytes(mutant))
    for k, mutant in enumerate(damage):
        path.write_bytes(mutant)
        try:
            formats.write(f"{k}.dcm", formats.read(path))
        except PictureError as error:
            seen.append(str(error))
    said = [*seen, caplog.text, *capfd.readouterr(), repr(formats.read(make("b.dcm", stored)))]
    assert len(seen) > 20
    for word in ("Jane", "Doe", BORN, "Doe^Jane"):
        assert not [text for text in said if word in text]


def test_from_the_command_line(caplog):
    volume = (RNG.normal(1100, 20, (4, 24, 24))).astype(np.int16)
    stack("in", volume, bits=16, RescaleSlope="1", RescaleIntercept="-1024")
    run = CliRunner().invoke(app, ["denoise", "in", "out", "--sigma", "20", "--quality", "fast"])
    assert run.exit_code == 0, run.output
    old, new = formats.read("in"), formats.read("out")
    assert new.pixels.std() < 0.5 * old.pixels.std()
    assert abs(new.pixels.mean() - old.pixels.mean()) < 1
    said = opened(next(Path("out").iterdir())).DerivationDescription
    assert "sigma 20" in said
    assert "search window" in said
    assert NAME not in run.output
    run = CliRunner().invoke(app, ["denoise", "in", "out", "--sigma", "20"])
    assert "out exists already" in run.output
    run = CliRunner().invoke(app, ["denoise", "in", "x.dcm", "--sigma", "20"])
    assert "goes to a folder" in run.output
    run = CliRunner().invoke(app, ["denoise", "in", "out", "many/", "--sigma", "20", "--quality", "fast"])
    assert run.exit_code == 0, run.output
    assert sorted(place.name for place in Path("many").iterdir()) == ["in", "out"]
    run = CliRunner().invoke(app, ["denoise", "in/IM003", "one.dcm", "--sigma", "20", "--quality", "fast"])
    assert run.exit_code == 0, run.output
    assert formats.read("one.dcm").pixels.dtype == np.int16


def test_real_files(shared):
    folder = shared / "Formats" / "DICOM"
    if not folder.is_dir():
        pytest.skip(f"no files at {folder}")
    for path in sorted(folder.glob("*.dcm")):
        picture = formats.read(path)
        formats.write("out.dcm", picture, overwrite=True)
        np.testing.assert_array_equal(formats.read("out.dcm").pixels, picture.pixels)
