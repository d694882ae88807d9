"""Small valid files of every format that is read: what the mutants are made from. A store is a folder of files."""

import gzip
import struct
import tempfile
import zlib
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path

import nibabel
import numpy as np
import tifffile
import zarr
from PIL import Image

try:
    from . import stills
except ImportError:  # from the tests, whose folder is no package
    from campaigns import stills

GREY = np.random.default_rng(0).normal(100, 10, (24, 30)).round().astype(np.uint8)
DEEP = (GREY * 200.0).astype(np.uint16)
COLOUR = np.stack([GREY, GREY[::-1], GREY[:, ::-1]], axis=-1)
VOLUME = np.random.default_rng(1).normal(1000, 50, (6, 20, 24)).astype(np.float32)
PASSES = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
"""First row and column, and steps, of the passes of an interlaced PNG."""
NEUTRAL = (0.5, 1.0, 0.7)
"""What a camera reads of something grey, where its green is 1."""


def chunk(name, body):
    """Return a chunk of a PNG."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(samples, depth, colour, *before, interlaced=False):
    """Return a PNG, its rows without filters."""
    parts = [samples[y::down, x::across] for y, x, down, across in PASSES] if interlaced else [samples]
    kind = ">u2" if depth == 16 else "u1"
    rows = b"".join(b"\0" + row.astype(kind).tobytes() for part in parts if part.size for row in part)
    height, width = samples.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    chunks = [(b"IHDR", header), *before, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*each) for each in chunks)


def jpeg(array, **options):
    """Return a JPEG."""
    stream = BytesIO()
    Image.fromarray(array).save(stream, "JPEG", **options)
    return stream.getvalue()


def tiff(array, **options):
    """Return a TIFF."""
    stream = BytesIO()
    tifffile.imwrite(stream, array, **{"photometric": "minisblack"} | options)
    return stream.getvalue()


def dng(mosaic, black=(512,) * 4, white=15871, pattern=b"\0\1\1\2", said=(), **options):
    """Return camera RAW whose colours, developed, are those of sRGB: red, green and blue, times `NEUTRAL`."""
    camera = np.diag(NEUTRAL) @ [[3.2405, -1.5371, -0.4985], [-0.9693, 1.8760, 0.0416], [0.0556, -0.2040, 1.0572]]
    side = round(len(pattern) ** 0.5)
    tags = [
        (271, 2, None, "Maker", True),
        (272, 2, None, "A camera", True),
        (33421, 3, 2, (side, side), True),  # how often the mosaic repeats, and its colours
        (33422, 1, len(pattern), pattern, True),
        (50706, 1, 4, b"\1\4\0\0", True),  # versions
        (50707, 1, 4, b"\1\1\0\0", True),
        (50708, 2, None, "Maker's camera", True),
        (50713, 3, 2, (len(black) // 2, 2), True),  # how often the levels of black repeat, and these
        (50714, 4, len(black), black, True),
        (50717, 4, 1, white, True),
        (50721, 10, 9, [n for value in camera.flat for n in (round(value * 10_000), 10_000)], True),
        (50728, 5, 3, [n for value in NEUTRAL for n in (round(value * 10_000), 10_000)], True),
        (50778, 3, 1, 21, True),  # the matrix is for daylight
        *said,
    ]
    return tiff(mosaic, **{"photometric": 32803, "metadata": None, "extratags": tags} | options)


def npy(array):
    """Return an NPY file."""
    stream = BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def nifti(array):
    """Return a NIfTI."""
    image = nibabel.Nifti1Image(array, np.diag([1.0, 1.0, 2.5, 1.0]))
    image.header.set_xyzt_units("mm")
    return image.to_bytes()


def mgh(array):
    """Return a volume of FreeSurfer."""
    return nibabel.MGHImage(array, np.diag([1.0, 1.0, 2.5, 1.0])).to_bytes()


def nrrd(array):
    """Return a NRRD."""
    said = "space: left-posterior-superior\nspace directions: (1,0,0) (0,1,0) (0,0,2.5)\nkinds: domain domain domain\n"
    sides = " ".join(map(str, array.shape))
    head = f"NRRD0005\ntype: float\ndimension: 3\nsizes: {sides}\n{said}endian: little\nencoding: gzip\n\n"
    return head.encode() + gzip.compress(array.tobytes(order="F"), mtime=0)


def metaimage(array):
    """Return a MetaImage."""
    sides = " ".join(map(str, array.shape))
    said = "ElementSpacing = 1 1 2.5\nElementType = MET_FLOAT\nModality = MET_MOD_MR\nElementDataFile = LOCAL\n"
    head = f"ObjectType = Image\nNDims = 3\nTransformMatrix = 1 0 0 0 1 0 0 0 1\nDimSize = {sides}\n{said}"
    return head.encode() + array.tobytes(order="F")


def dicom(array):
    """Return a DICOM of slices in their places, whose values are rescaled."""
    from pydicom import dataset

    header = dataset.FileDataset("", {}, file_meta=dataset.FileMetaDataset())
    header.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    said = {
        "SOPClassUID": "1.2.840.10008.5.1.4.1.1.2.1", "SOPInstanceUID": "1.2.3.4", "SeriesInstanceUID": "1.2.3",
        "PatientName": "Doe^Jane", "PhotometricInterpretation": "MONOCHROME2", "SamplesPerPixel": 1,
        "NumberOfFrames": len(array), "Rows": array.shape[1], "Columns": array.shape[2], "BitsAllocated": 16,
        "BitsStored": 12, "HighBit": 11, "PixelRepresentation": 0, "RescaleSlope": "1", "RescaleIntercept": "-1024",
    }  # fmt: skip
    for name, value in said.items():
        setattr(header, name, value)
    header.PerFrameFunctionalGroupsSequence = [dataset.Dataset() for _ in array]
    for k, frame in enumerate(header.PerFrameFunctionalGroupsSequence):
        place, turned = dataset.Dataset(), dataset.Dataset()
        place.ImagePositionPatient, turned.ImageOrientationPatient = [0, 0, 2.5 * k], [1, 0, 0, 0, 1, 0]
        frame.PlanePositionSequence, frame.PlaneOrientationSequence = [place], [turned]
    header.add_new("PixelData", "OW", array.astype("<u2").tobytes())
    stream = BytesIO()
    header.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def store(write):
    """Return the files of a Zarr store."""
    with tempfile.TemporaryDirectory() as place:
        root = Path(place, "a.zarr")
        write(root)
        return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def plain(root, version):
    """Write an array in chunks, with names of axes and no data."""
    names = {"dimension_names": ["z", "y", "x"]} if version == 3 else {}
    said = {"_FillValue": -1.0} | ({"_ARRAY_DIMENSIONS": ["z", "y", "x"]} if version == 2 else {})
    array = zarr.create_array(
        root, shape=VOLUME.shape, chunks=(2, 10, 12), dtype="f4", zarr_format=version, attributes=said, **names
    )
    array[...] = VOLUME


def image(root, version):
    """Write an OME-Zarr image of two levels."""
    group = zarr.create_group(root, zarr_format=version)
    sets = [
        {"path": str(k), "coordinateTransformations": [{"type": "scale", "scale": [2.0, 0.5 * 2**k, 0.5 * 2**k]}]}
        for k in range(2)
    ]
    axes = [{"name": name, "type": "space", "unit": "micrometer"} for name in "zyx"]
    described = [{"axes": axes, "datasets": sets, "version": "0.4"}]
    if version == 2:
        group.attrs["multiscales"] = described
    else:
        group.attrs["ome"] = {"version": "0.5", "multiscales": described}
    for k in range(2):
        pixels = VOLUME[:, :: 2**k, :: 2**k]
        array = group.create_array(str(k), shape=pixels.shape, chunks=(2, 10, 12), dtype=pixels.dtype)
        array[...] = pixels


def seeds():
    """Return the files by name: bytes, or the files of a store by their paths in it."""
    palette, table = Image.fromarray(COLOUR).quantize(32), np.arange(3 * 256, dtype=np.uint16).reshape(3, 256) * 80
    size = {"axes": "ZYX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5, "PhysicalSizeZ": 2.0}
    nodata = {"extratags": [(42113, "s", 0, "-9999", True)], "metadata": None}
    colours = np.array(palette.getpalette()[:96], np.uint8).tobytes()
    return {
        "grey.png": png(GREY, 8, 0),
        "rgb.png": png(COLOUR, 8, 2, (b"pHYs", struct.pack(">IIB", 3000, 3000, 1)), (b"tRNS", bytes(6))),
        "deep.png": png(DEEP, 16, 0),
        "deep-rgb.png": png(COLOUR.astype(np.uint16) * 256, 16, 2),
        "palette.png": png(np.asarray(palette), 8, 3, (b"PLTE", colours), (b"tRNS", bytes(range(32)))),
        "interlaced.png": png(COLOUR, 8, 2, interlaced=True),
        "grey.jpg": jpeg(GREY),
        "rgb.jpg": jpeg(COLOUR, quality=90, dpi=(72, 72)),
        "progressive.jpg": jpeg(COLOUR, progressive=True),
        "plain.tif": tiff(GREY),
        "nodata.tif": tiff(VOLUME[0], **nodata),
        "strips.tif": tiff(DEEP, rowsperstrip=5, compression="zlib"),
        "tiles.tif": tiff(COLOUR, photometric="rgb", tile=(16, 16), compression="zlib", predictor=True),
        "lzma.tif": tiff(DEEP, rowsperstrip=5, compression="lzma"),
        "palette.tif": tiff(np.asarray(palette), photometric="palette", colormap=table),
        "white.tif": tiff(GREY, photometric="miniswhite", metadata=None),
        "volume.ome.tif": tiff(VOLUME, ome=True, metadata=size, compression="zlib"),
        "imagej.tif": tiff(
            VOLUME, imagej=True, resolution=(2, 2), metadata={"axes": "ZYX", "spacing": 2, "unit": "um"}
        ),
        "big.tif": tiff(VOLUME, bigtiff=True, metadata={"axes": "TYX"}),
        "pages.tif": tiff(VOLUME, metadata={"axes": "ZYX"}, compression="zlib"),
        **({"camera.dng": dng(DEEP)} if find_spec("rawpy") else {}),
        "float.npy": npy(VOLUME),
        "grey.npy": npy(np.asfortranarray(DEEP)),
        "volume.nii": nifti(VOLUME.T),
        "volume.nii.gz": gzip.compress(nifti(VOLUME.T.round().astype(np.int16)), mtime=0),
        **stills.seeds(GREY, DEEP, COLOUR),
        "volume.mgh": mgh(VOLUME.T),
        "volume.mgz": gzip.compress(mgh(VOLUME.T.round().astype(np.int16)), mtime=0),
        **({"volume.nrrd": nrrd(VOLUME.T)} if find_spec("nrrd") else {}),
        **({"volume.mha": metaimage(VOLUME.T)} if find_spec("SimpleITK") else {}),
        **({"volume.dcm": dicom(VOLUME.round())} if find_spec("pydicom") else {}),
        "two.zarr": store(lambda root: plain(root, 2)),
        "three.zarr": store(lambda root: plain(root, 3)),
        "image.zarr": store(lambda root: image(root, 3)),
        "image-two.zarr": store(lambda root: image(root, 2)),
    }
