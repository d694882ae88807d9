"""What a file is, by its first bytes; and what to do with one of a kind that cannot be read."""

from __future__ import annotations

from pathlib import Path

from . import nifti
from .picture import PictureError

KNOWN = "PNG, JPEG, TIFF, NPY and NIfTI files can be read and written, and Zarr stores"
RAW = (
    *(".3fr", ".ari", ".arw", ".bay", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".fff", ".iiq", ".k25", ".kdc"),
    *(".mef", ".mos", ".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".rwl", ".sr2", ".srf", ".srw"),
    ".x3f",
)
RAW_MAGIC = (b"FUJIFILMCCD-RAW", b"IIRO", b"IIRS", b"IIU\0")
HEIF = {".heic", ".heif", ".hif", ".avif"}
HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"mif2", b"msf1", b"avif", b"avis")
RAW_ADVICE = (
    "camera RAW cannot be read: develop it first (darktable, RawTherapee, Lightroom or your camera's software), "
    "without denoising, to a 16-bit TIFF"
)
HEIF_ADVICE = (
    "HEIC, HEIF and AVIF cannot be read: convert it to PNG or TIFF first (heif-convert, ImageMagick, Preview or Photos)"
)
VIDEO_ADVICE = (
    "videos cannot be read: save the frames as a TIFF stack or an NPY array (ffmpeg, imageio), axes TYX or TYXC"
)
OWN = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"II+\0", "tiff"),
    (b"MM\0+", "tiff"),
    (b"\x93NUMPY", "npy"),
)
"""First bytes, and the module that reads such files."""
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
    (0, b"\0\0\1\xba", "MPEG: " + VIDEO_ADVICE),
    (0, b"\x1aE\xdf\xa3", "Matroska: " + VIDEO_ADVICE),
    (0, b"%PDF", "PDF: take the picture out of it (pdfimages)"),
    (0, b"PK\x03\x04", "a ZIP file: unpack it first"),
)
"""Place and bytes of other kinds, with a way out."""
FREESURFER = (".mgz", ".mgh", ".mgh.gz", ".hdr", ".img")


def recognise(path: Path) -> str:
    """Return the name of the module that reads the file; refuse others with advice."""
    with path.open("rb") as file:
        head = file.read(352)
    suffix = path.suffix.lower()
    brand = head[8:12] if head[4:8] == b"ftyp" else b""
    if suffix in RAW or brand == b"crx " or head[8:10] == b"CR" or head.startswith(RAW_MAGIC):
        raise PictureError(RAW_ADVICE)
    if suffix in HEIF or brand in HEIF_BRANDS:
        raise PictureError(HEIF_ADVICE)
    if brand or head[8:12] == b"AVI ":
        raise PictureError(VIDEO_ADVICE)
    if not head:
        raise PictureError("a picture must have content: the file is empty")
    if path.name.lower().endswith(FREESURFER) and not nifti.says_so(head):
        raise PictureError(
            f"FreeSurfer's and Analyze's files cannot be read: save it as NIfTI (mri_convert, nibabel); got {suffix}"
        )
    if nifti.recognises(head):
        return "nifti"
    for magic, name in OWN:
        if head.startswith(magic):
            return name
    for start, magic, advice in OTHERS:
        if head.startswith(magic, start):
            raise PictureError(f"{KNOWN}: this is {advice}")
    raise PictureError(f"{KNOWN}: this begins with {head[:8]!r}, like none of them")
