"""What is none of our formats, by its name and first bytes; and what to do with it."""

from __future__ import annotations

from pathlib import Path

from .gzipped import ZIPPED

RAW = (
    *(".3fr", ".ari", ".arw", ".bay", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".fff", ".iiq", ".k25", ".kdc"),
    *(".mef", ".mos", ".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".rwl", ".sr2", ".srf", ".srw"),
    ".x3f",
)
"""Ends of the names of cameras' own files."""
RAW_MAGIC = (b"FUJIFILMCCD-RAW", b"IIRO", b"IIRS", b"IIU\0")
STILL_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"mif2", b"msf1", b"avif", b"avis")
"""What files that begin as videos do say where they hold stills."""
OTHERS = (
    (0, b"CDF", "NetCDF: save the variable as Zarr or NPY (xarray), or denoise it as an array"),
    (0, b"\0\0\1\xba", "MPEG: put its streams into an MP4 or MKV (ffmpeg -c copy)"),
    (0, b"%PDF", "PDF: take the picture out of it (pdfimages)"),
    (0, b"PK\x03\x04", "a ZIP file: unpack it first"),
    (0, ZIPPED, "a gzip file that holds none of them, or is damaged: unpack it first"),
)
"""Place and bytes of other kinds, with a way out."""
PAIRED = (".hdr", ".img")
"""Ends of the names of files that are read together."""


def is_header(path: Path) -> bool:
    """Whether a file is the first of a pair: its pixels lie in the second, of which the same is read."""
    header, pixels = PAIRED
    return path.suffix.lower() == header and path.with_suffix(pixels).is_file()


def is_raw(head: bytes, path: Path) -> bool:
    """Whether a file is named or begins as those that cameras write of what their sensors read."""
    return path.suffix.lower() in RAW or head[4:12] == b"ftypcrx " or head[8:10] == b"CR" or head.startswith(RAW_MAGIC)


def before(head: bytes, path: Path) -> str | None:
    """Return the advice about a file that may be named as one of our formats, and is none; else None."""
    return None if head or is_raw(head, path) else "a picture must have content: the file is empty"


def after(head: bytes, path: Path, rule: str) -> str:
    """Return the advice about a file of no format; ``rule`` says which there are."""
    known = (advice for start, magic, advice in OTHERS if head.startswith(magic, start))
    if path.suffix.lower() in PAIRED and not any(head.startswith(magic, start) for start, magic, _ in OTHERS):
        return f"Analyze and NIfTI pairs, {' and '.join(PAIRED)}, can be read where both are and the first is a header"
    return f"{rule}: this {next((f'is {advice}' for advice in known), f'begins with {head[:8]!r}, like none of them')}"
