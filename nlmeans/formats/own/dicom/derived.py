"""A picture as a derived series: new images with all that the old ones say, and with what was done to them.

Source: PS3.3 C.7.6.1 (derivation, source images), C.7.6.3 (pixels); PS3.5 (transfer syntaxes).
"""

from __future__ import annotations

import logging
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from ...._version import __version__
from ...picture import Picture, PictureError
from .reading import quietly
from .series import Image, Series

logger = logging.getLogger("nlmeans")

MOST = 2**32 - 2
"""Bytes that an element may have."""
LONGEST = {"SeriesDescription": 64, "DerivationDescription": 1024}
"""Characters of a text."""
EXTREMES = ("Smallest", "Largest")
ELEMENTS = {"u1": ("PixelData", "OB"), "f4": ("FloatPixelData", "OF"), "f8": ("DoubleFloatPixelData", "OD")}
"""What holds pixels of a type, and how; those of any other are words of PixelData."""
PLAIN = str.maketrans({"σ": "sigma", "²": "^2", "×": "x", "·": "*"})
"""Letters that every reader of DICOM has, for some that not every one has."""
GROUPS = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")


def check(picture: Picture) -> None:
    """Refuse a picture of whom nothing is known, and one whose pixels have changed in more than their values."""
    series, pixels = picture.native, picture.pixels
    if not isinstance(series, Series):
        raise PictureError(
            "a DICOM is made of a DICOM, whose patient and study it takes over: this picture comes from another "
            "format; write a NIfTI, NRRD or TIFF instead"
        )
    if pixels.shape != series.shape or pixels.dtype != series.dtype:
        raise PictureError(
            f"a DICOM holds as many values as the one that it is made of, {series.shape} of {series.dtype}: these are "
            f"{pixels.shape} of {pixels.dtype}; write a NIfTI or TIFF instead"
        )
    for image in series.images:
        if image.grid.dtype.itemsize * pixels.size // len(series.images) > MOST:
            raise PictureError(
                f"an image in DICOM takes at most {MOST:,} bytes: this takes more; write a NIfTI instead"
            )


def write(part: Path, picture: Picture, done: str | None) -> None:
    """Write the files of a series into a folder, or the only one to a file."""
    from pydicom import dcmwrite

    check(picture)
    series: Series = picture.native
    planes = picture.pixels.reshape(len(series.order), *_plane(picture.pixels, series))
    places = np.argsort(series.order)
    kept = iter(series.kept)
    encoded, clipped, first = [], 0, 0
    for image in series.images:
        frames = []
        for k in range(len(image.grid.slopes)):
            missing = series.missing[first + k]
            there = next(kept) if missing is not None else None
            frame, out = image.grid.encode(planes[places[first + k]], k, missing, there)
            frames.append(frame)
            clipped += out
        first += len(frames)
        encoded.append(np.stack(frames))
    if clipped:
        logger.warning("%d values are beyond the bits that are stored: they are clipped", clipped)
    with quietly():
        new = _Uids()
        extremes = min(int(part.min()) for part in encoded), max(int(part.max()) for part in encoded)
        for image, stored in zip(series.images, encoded, strict=True):
            dataset = _derived(image, stored, extremes, done, new)
            dcmwrite(part / image.name if series.folder else part, dataset, enforce_file_format=True)


def _plane(pixels: np.ndarray, series: Series) -> tuple[int, ...]:
    """Return the shape of a frame."""
    colours = int(series.images[0].dataset.get("SamplesPerPixel") or 1) == 3
    return pixels.shape[-3 if colours else -2 :]


class _Uids(dict[str, Any]):
    """New identifiers, one for each old one."""

    def __missing__(self, old: str) -> Any:
        from pydicom.uid import generate_uid

        self[old] = generate_uid(prefix=None)
        return self[old]


def _derived(image: Image, stored: np.ndarray, extremes: tuple[int, int], done: str | None, new: _Uids) -> Any:
    """Return the dataset of a new image, which shares with the old one what it does not replace."""
    from pydicom.dataset import Dataset, FileDataset
    from pydicom.uid import ExplicitVRLittleEndian

    old = image.dataset
    dataset = FileDataset("", Dataset(), file_meta=_copied(old.file_meta))
    implicit, little = old.original_encoding
    if implicit or all(old.get_item(tag).VR for tag in old.keys()):  # noqa: SIM118  # else it says what it is not
        dataset.set_original_encoding(implicit, little, old.original_character_set)
    for tag in old.keys():  # noqa: SIM118  # its elements as they were read, not parsed
        dataset[tag] = old.get_item(tag)
    meta = dataset.file_meta
    if meta.TransferSyntaxUID.is_encapsulated:
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
    _identify(dataset, old, new)
    _describe(dataset, old, done)
    _state_extremes(dataset, stored, extremes)
    syntax = meta.TransferSyntaxUID
    code = stored.dtype.str[1:]
    name, kind = ELEMENTS.get(code, ("PixelData", "OB" if stored.dtype.itemsize == 1 else "OW"))
    data = stored.astype(stored.dtype.newbyteorder("<" if syntax.is_little_endian else ">"), copy=False).tobytes()
    dataset.add_new(name, "OW" if syntax.is_implicit_VR and kind == "OB" else kind, data + b"\0" * (len(data) % 2))
    return dataset


def _copied(meta: Any) -> Any:
    from pydicom.dataset import FileMetaDataset

    copied = FileMetaDataset()
    for element in meta:
        copied[element.tag] = element
    return copied


def _identify(dataset: Any, old: Any, new: _Uids) -> None:
    """Say that this is another image, of another series, and of which image it is made."""
    from pydicom.dataset import Dataset

    source = Dataset()
    source.ReferencedSOPClassUID = old.get("SOPClassUID") or ""
    source.ReferencedSOPInstanceUID = old.get("SOPInstanceUID") or ""
    if source.ReferencedSOPClassUID and source.ReferencedSOPInstanceUID:
        dataset.SourceImageSequence = [source]
    for name in ("SOPInstanceUID", "SeriesInstanceUID", "ConcatenationUID"):
        if name in old or name != "ConcatenationUID":
            setattr(dataset, name, new[f"{name} {old.get(name)}"])
    now = datetime.now()
    dataset.InstanceCreationDate, dataset.InstanceCreationTime = now.strftime("%Y%m%d"), now.strftime("%H%M%S")


def _describe(dataset: Any, old: Any, done: str | None) -> None:
    """Say that pixels are derived, and how."""
    kind = old.get("ImageType") or ["ORIGINAL", "PRIMARY"]
    dataset.ImageType = ["DERIVED", *([kind] if isinstance(kind, str) else kind)[1:]]
    for name in GROUPS:
        for item in old.get(name) or ():
            for element in item:
                if element.keyword.endswith("FrameTypeSequence") and element.value and "FrameType" in element.value[0]:
                    element.value[0].FrameType = ["DERIVED", *list(element.value[0].FrameType)[1:]]
    text = (
        f"nlmeans {__version__}: {done or 'pixels were replaced'}".translate(PLAIN).encode("ascii", "replace").decode()
    )
    before = old.get("DerivationDescription")
    for name, said in (
        ("DerivationDescription", f"{before}; {text}" if before else text),
        ("SeriesDescription", f"{old.get('SeriesDescription') or ''} denoised".strip()),
    ):
        setattr(dataset, name, said[-LONGEST[name] :])


def _state_extremes(dataset: Any, stored: np.ndarray, extremes: tuple[int, int]) -> None:
    """Make anew what says which values there are, where it is said."""
    kind = "SS" if stored.dtype.kind == "i" else "US"
    for where, values in (("ImagePixelValue", (stored.min(), stored.max())), ("PixelValueInSeries", extremes)):
        for which, value in zip(EXTREMES, values, strict=True):
            name = which + where
            if name in dataset:
                del dataset[name]
                if stored.dtype.itemsize <= 2:
                    dataset.add_new(name, kind, int(value))
