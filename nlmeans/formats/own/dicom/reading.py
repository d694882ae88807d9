"""One DICOM file: what it says, and its frames unpacked.

What pydicom warns of quotes a file, and with it whom it shows: it is kept quiet, and of its errors the kind is said.

Source: the DICOM standard, https://www.dicomstandard.org/current: PS3.3 C.7.6.3 (pixels), C.7.6.16 (frames' groups).
"""

from __future__ import annotations

import logging
import mmap
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ...picture import PictureError, Request

INSTALL = {
    "JPEG 2000": "pylibjpeg pylibjpeg-openjpeg",
    "JPEG-LS": "pyjpegls",
    "JPEG": "pylibjpeg pylibjpeg-libjpeg",
}
"""What unpacks a transfer syntax whose name holds a word: the first that fits."""
PIXELS = {"PixelData": "", "FloatPixelData": "f4", "DoubleFloatPixelData": "f8"}
"""Elements that hold pixels, and the type of those that hold floats."""
WITH_PIXELS = (
    "ExtendedOffsetTable",
    "ExtendedOffsetTableLengths",
    "DigitalSignaturesSequence",
    "MACParametersSequence",
)
"""What says something of the stored bytes, and not of the image."""
OVERLAYS = range(0x6000, 0x6020, 2)
"""Groups of elements."""
BIT_POSITION = 0x0102
PALETTE = ("Descriptor", "Data")
COLOURS = ("Red", "Green", "Blue", "Alpha")


logger = logging.getLogger("nlmeans")


@contextmanager
def quietly() -> Iterator[None]:
    """Let pydicom work and say nothing of what is in a file."""
    speaker = logging.getLogger("pydicom")
    before, speaker.disabled = speaker.disabled, True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (PictureError, MemoryError):
        raise
    except OSError as error:
        if error.errno is not None:
            raise
        raise _damaged(error) from None
    except Exception as error:
        raise _damaged(error) from None
    finally:
        speaker.disabled = before


def _damaged(error: Exception) -> PictureError:
    return PictureError(f"the file is damaged or cut short: {type(error).__name__}")


def header(path: Path) -> Any:
    """Return what a file says before its pixels."""
    with quietly():
        return _parsed(path, stop_before_pixels=True)


def _parsed(path: Path, **options: Any) -> Any:
    """Return what a file says; as a map, of which no more is read than there is, whatever lengths it claims."""
    import pydicom

    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return pydicom.dcmread(content, force=True, **options)


def sides(dataset: Any) -> tuple[int, int, int]:
    """Return how many frames, rows and columns an image has."""
    if "Rows" not in dataset or "Columns" not in dataset:
        raise PictureError(f"a DICOM file must hold an image to be denoised: this is {_kind(dataset)}, without one")
    return int(dataset.get("NumberOfFrames") or 1), int(dataset.Rows), int(dataset.Columns)


def _kind(dataset: Any) -> str:
    from pydicom.uid import UID_dictionary

    meta = getattr(dataset, "file_meta", {})
    known = UID_dictionary.get(str(dataset.get("SOPClassUID") or meta.get("MediaStorageSOPClassUID")))
    if known is None:
        return "of an unknown kind, or cut short"
    return "a list of files (name their folder)" if "Directory" in known[0] else known[0]


def load(path: Path, request: Request) -> tuple[Any, np.ndarray]:
    """Return all of a file but its pixels, and these, (frames, rows, columns), of colours with a last axis of three.

    What has changed on the way is what the dataset says then: colours are RGB, values have gone through a lookup table.
    """
    with quietly():
        dataset = _parsed(path)
        _check(dataset, path.stat().st_size, request)
        stored = _decoded(dataset)
        _leave_out_overlays(dataset)
        for name in (*PIXELS, *WITH_PIXELS):
            if name in dataset:
                delattr(dataset, name)
        return dataset, _looked_up(dataset, stored)


def _check(dataset: Any, size: int, request: Request) -> None:
    """Refuse what cannot be read, or would fill the memory, before it is unpacked."""
    frames, rows, columns = sides(dataset)
    request.check_size(rows, columns)
    if frames < 1:
        raise PictureError(f"a DICOM image must have frames: its header says {frames}")
    name = next((name for name in PIXELS if name in dataset), None)
    if name is None:
        raise PictureError("the file is cut short, or has no pixels: none follow its header")
    samples = int(dataset.get("SamplesPerPixel") or 1)
    bits = int(dataset.BitsAllocated)
    if bits % 8 or bits > (64 if PIXELS[name] else 32) or samples not in (1, 3):
        raise PictureError(
            f"a DICOM image must have 1 or 3 samples of 8, 16 or 32 bits, or floats: this has {samples} of {bits}"
        )
    if not PIXELS[name] and int(dataset.HighBit) != int(dataset.BitsStored) - 1:
        raise PictureError(
            f"the bits of a DICOM image must be stored from 0 on: this has {dataset.BitsStored} of them up to "
            f"{dataset.HighBit}"
        )
    claimed = frames * rows * columns * samples * bits // 8
    syntax = _syntax(dataset)
    if syntax.is_encapsulated:
        _check_decoder(syntax)
        request.check_claim(claimed, size, None)
        return
    if dataset.get("PhotometricInterpretation") == "YBR_FULL_422":
        claimed = claimed * 2 // 3
    there = len(dataset[name].value or b"")
    if there < claimed:
        raise PictureError(f"the file is cut short: its pixels take {claimed:,} bytes, there are {there:,}")


def _syntax(dataset: Any) -> Any:
    """Return the transfer syntax, noted where a file from before there were file metas does not say it."""
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

    meta = getattr(dataset, "file_meta", None)
    if meta is None:
        dataset.file_meta = meta = FileMetaDataset()
    if "TransferSyntaxUID" not in meta:
        implicit, little = dataset.original_encoding
        explicit = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
        meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else explicit
    syntax = meta.TransferSyntaxUID
    if syntax.is_private or not syntax.is_transfer_syntax:
        raise PictureError(f"the transfer syntax of a DICOM file must be one of the standard's; got {str(syntax)[:64]}")
    return syntax


def _check_decoder(syntax: Any) -> None:
    from pydicom.pixels import get_decoder

    try:
        if get_decoder(syntax).is_available:
            return
    except NotImplementedError:
        raise PictureError(f"a DICOM file must hold images to be denoised: this holds {syntax.name}") from None
    raise PictureError(f"{syntax.name} in DICOM needs a package that unpacks it: pip install {_unpacking(syntax)}")


def _unpacking(syntax: Any) -> str:
    return next((packages for word, packages in INSTALL.items() if word in syntax.name), "pydicom")


def _decoded(dataset: Any) -> np.ndarray:
    """Return the frames as they are stored, colours as RGB."""
    from pydicom.pixels import get_decoder

    frames, rows, columns = sides(dataset)
    syntax = dataset.file_meta.TransferSyntaxUID
    try:
        stored, said = get_decoder(syntax).as_array(dataset)
    except RuntimeError:  # of all packages that there are
        raise PictureError(
            f"the file is damaged, or its {syntax.name} needs another package that unpacks it: pip install "
            f"{_unpacking(syntax)}"
        ) from None
    if int(dataset.get("SamplesPerPixel") or 1) == 1:
        return np.asarray(stored).reshape(frames, rows, columns)
    if said["photometric_interpretation"] != "RGB":
        kind = said["photometric_interpretation"]
        raise PictureError(f"the colours of a DICOM image must be RGB, YBR_FULL or YBR_FULL_422: these are {kind}")
    dataset.PhotometricInterpretation, dataset.PlanarConfiguration = "RGB", 0
    return np.asarray(stored).reshape(frames, rows, columns, 3)


def _leave_out_overlays(dataset: Any) -> None:
    """Drop overlays that lie in bits of the pixels which those do not use: they are not written again."""
    for group in OVERLAYS:
        if dataset.get((group, BIT_POSITION)) is not None and dataset[group, BIT_POSITION].value:
            logger.warning("an overlay lies in unused bits of the pixels: it is left out")
            for tag in [tag for tag in dataset.keys() if tag.group == group]:  # noqa: SIM118  # elements are not asked
                del dataset[tag]


def _looked_up(dataset: Any, stored: np.ndarray) -> np.ndarray:
    """Return colours for a palette, and what a modality's lookup table makes of values; anything else as it is."""
    from pydicom.pixels import apply_color_lut, apply_modality_lut

    if dataset.get("PhotometricInterpretation") == "PALETTE COLOR":
        colours = apply_color_lut(stored, dataset)[..., :3]
        if colours.dtype == np.uint16:
            high, low = colours >> 8, colours & 255
            colours = high.astype(np.uint8) if ((low == 0) | (low == high)).all() else colours
        for name in [f"{colour}PaletteColorLookupTable{part}" for colour in COLOURS for part in PALETTE]:
            for kind in (name, f"Segmented{name}"):
                if kind in dataset:
                    delattr(dataset, kind)
        dataset.PhotometricInterpretation, dataset.PlanarConfiguration, dataset.SamplesPerPixel = "RGB", 0, 3
        _restate(dataset, colours.dtype.itemsize * 8)
        return colours
    if dataset.get("ModalityLUTSequence"):
        values = apply_modality_lut(stored, dataset)
        table = dataset.ModalityLUTSequence[0]
        if "PixelPaddingValue" in dataset:
            padding = np.array([int(dataset.PixelPaddingValue)]).astype(stored.dtype)
            del dataset["PixelPaddingValue"]
            dataset.add_new("PixelPaddingValue", "US", int(apply_modality_lut(padding, dataset)[0]))
        dataset.RescaleIntercept, dataset.RescaleSlope = "0", "1"
        dataset.RescaleType = table.get("ModalityLUTType") or "US"
        _restate(dataset, int(table.LUTDescriptor[2]), values.dtype.itemsize * 8)
        del dataset.ModalityLUTSequence
        return np.asarray(values)
    return stored


def _restate(dataset: Any, bits: int, allocated: int | None = None) -> None:
    """Say that whole numbers from 0 on are stored in so many bits."""
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = allocated or bits, bits, bits - 1
    dataset.PixelRepresentation = 0
