"""What is none of our formats, by its name and first bytes; and what to do with it."""

from __future__ import annotations

from pathlib import Path

RAW = (
    *(".3fr", ".ari", ".arw", ".bay", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".fff", ".iiq", ".k25", ".kdc"),
    *(".mef", ".mos", ".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".rwl", ".sr2", ".srf", ".srw"),
    ".x3f",
)
"""Ends of the names of cameras' own files."""
RAW_MAGIC = (b"FUJIFILMCCD-RAW", b"IIRO", b"IIRS", b"IIU\0")
HEIF = {".heic", ".heif", ".hif", ".avif"}
ENDINGS = HEIF
"""Ends of names that are foreign as long as no format of ours has them."""
HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"mif2", b"msf1", b"avif", b"avis")
HEIF_ADVICE = (
    "HEIC, HEIF and AVIF cannot be read: convert it to PNG or TIFF first (heif-convert, ImageMagick, Preview or Photos)"
)
OTHERS = (
    (0, b"GIF8", "GIF: convert it to PNG (ImageMagick), or its frames to a TIFF stack"),
    (0, b"BM", "BMP: convert it to PNG (any picture program)"),
    (8, b"WEBP", "WebP: convert it to PNG (dwebp, ImageMagick)"),
    (128, b"DICM", "DICOM: convert the series to NIfTI (dcm2niix), or its pixel_array to NPY (pydicom)"),
    (0, b"SIMPLE  =", "FITS: save its data as NPY (astropy.io.fits), or denoise it as an array"),
    (208, b"MAP ", "MRC: save its data as NPY (mrcfile), or denoise it as an array"),
    (0, b"ZISRAWFILE", "CZI: convert it to OME-TIFF (Bio-Formats' bfconvert, Fiji)"),
    (0, b"v/1\x01", "OpenEXR: save its channels as NPY (OpenEXR), or convert it to a TIFF of floats"),
    (0, b"\x89HDF\r\n\x1a\n", "HDF5: save the data set as NPY (h5py), or denoise it as an array"),
    (0, b"CDF", "NetCDF: save the variable as Zarr or NPY (xarray), or denoise it as an array"),
    (0, b"\0\0\0\x0cjP  ", "JPEG 2000: convert it to TIFF (opj_decompress, ImageMagick)"),
    (0, b"\xff\x0a", "JPEG XL: convert it to PNG (djxl)"),
    (0, b"\0\0\1\xba", "MPEG: put its streams into an MP4 or MKV (ffmpeg -c copy)"),
    (0, b"%PDF", "PDF: take the picture out of it (pdfimages)"),
    (0, b"PK\x03\x04", "a ZIP file: unpack it first"),
)
"""Place and bytes of other kinds, with a way out."""
FREESURFER = (".mgz", ".mgh", ".mgh.gz", ".hdr", ".img")


def is_raw(head: bytes, path: Path) -> bool:
    """Whether a file is named or begins as those that cameras write of what their sensors read."""
    return path.suffix.lower() in RAW or head[4:12] == b"ftypcrx " or head[8:10] == b"CR" or head.startswith(RAW_MAGIC)


def before(head: bytes, path: Path) -> str | None:
    """Return the advice about a file that begins as one of our formats may, and is none; else None."""
    suffix = path.suffix.lower()
    brand = head[8:12] if head[4:8] == b"ftyp" else b""
    if is_raw(head, path):
        return None
    if suffix in HEIF or brand in HEIF_BRANDS:
        return HEIF_ADVICE
    return None if head else "a picture must have content: the file is empty"


def after(head: bytes, path: Path, rule: str) -> str:
    """Return the advice about a file of no format; ``rule`` says which there are."""
    if path.name.lower().endswith(FREESURFER):
        return (
            "FreeSurfer's and Analyze's files cannot be read: save it as NIfTI (mri_convert, nibabel); got "
            f"{path.suffix.lower()}"
        )
    known = (advice for start, magic, advice in OTHERS if head.startswith(magic, start))
    return f"{rule}: this {next((f'is {advice}' for advice in known), f'begins with {head[:8]!r}, like none of them')}"
