"""Images of SimpleITK, ITK and nibabel, which know where their pixels lie."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from ..container import Container
from ..table import of_module, within


def opened(image: Any) -> Container | None:
    """Open an image of medicine: its spacing counts, and origin, direction and header come back."""
    if of_module(image, "SimpleITK") and hasattr(image, "GetNumberOfComponentsPerPixel"):
        return _simple(image, sys.modules["SimpleITK"])
    if of_module(image, "itk", "itkImagePython", "itkVectorImagePython") and hasattr(image, "GetLargestPossibleRegion"):
        return _itk(image, sys.modules["itk"])
    if of_module(image, "nibabel") and hasattr(image, "affine") and hasattr(image, "dataobj"):
        return _nibabel(image)
    return None


def _axes(dimensions: int, coloured: bool) -> str | None:
    """Name axes whose order is that of an array, X last but for channels."""
    return f"{'TZYX'[-dimensions:]}{'C' if coloured else ''}" if 2 <= dimensions <= 4 else None


def _simple(image: Any, package: Any) -> Container:
    coloured = image.GetNumberOfComponentsPerPixel() > 1

    def close(result: Any) -> Any:
        made = package.GetImageFromArray(np.ascontiguousarray(result), isVector=coloured)
        made.CopyInformation(image)
        for key in image.GetMetaDataKeys():
            made.SetMetaData(key, image.GetMetaData(key))
        return made

    dimensions = image.GetDimension()
    spacing = image.GetSpacing()[::-1] if dimensions < 4 else None
    return within(package.GetArrayFromImage(image), close, axes=_axes(dimensions, coloured), spacing=spacing)


def _itk(image: Any, package: Any) -> Container:
    coloured = image.GetNumberOfComponentsPerPixel() > 1

    def close(result: Any) -> Any:
        made = package.image_from_array(np.ascontiguousarray(result), is_vector=coloured)
        made.CopyInformation(image)
        made.SetMetaDataDictionary(image.GetMetaDataDictionary())
        return made

    dimensions = image.GetImageDimension()
    spacing = tuple(map(float, image.GetSpacing()))[::-1] if dimensions < 4 else None
    return within(package.array_from_image(image), close, axes=_axes(dimensions, coloured), spacing=spacing)


def _nibabel(image: Any) -> Container:
    pixels = np.asanyarray(image.dataobj)
    if pixels.dtype.names:
        raise TypeError(f"the image must hold numbers; got {pixels.dtype} colours: pass them as an array, axes='XYZC'")
    if not 2 <= pixels.ndim <= 4:
        raise ValueError(
            f"the image must have 2 to 4 dimensions; got shape {pixels.shape}: pass its dataobj, with axes"
        )

    def close(result: Any) -> Any:
        header = image.header.copy()
        if result.dtype != pixels.dtype:
            header.set_data_dtype(result.dtype)
        return type(image)(result, image.affine, header, extra=image.extra)

    axes, zooms = "XYZN"[: pixels.ndim], image.header.get_zooms()
    spacing = tuple(map(float, zooms[:3]))[::-1]
    return within(pixels, close, axes=axes, spacing=spacing)
