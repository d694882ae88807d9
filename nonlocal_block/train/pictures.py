"""Training pictures, and crops of them that are turned at random."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

FOLDER = "CBSD400_train"
"""The training pictures, in colour; none of them is in BSD68, Set12 or Kodak24. (Train400 are crops of their luma.)"""
COLOURS = "Colour_train"
"""Colour pictures that were never JPEG, or were shrunk since; they take part if they are there."""
FROM_JPEG = "t91_"
"""How the names of those among them begin that were JPEG files of this size."""
SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")


def pictures(data: Path, channels: int) -> list[Tensor]:
    """Return the training pictures, uint8 of shape (channels, H, W).

    In colour, those of `COLOURS`, of which those that were JPEG are halved, and those of `FOLDER` at both sizes. JPEG
    stores colours at half the size: from pictures as they are a network learns to blur them, from the others alone less
    of what there is in a picture.

    Raises
    ------
    FileNotFoundError
        If there are none.
    """
    whole = _folder(data / FOLDER, channels)
    if not whole:
        raise FileNotFoundError(f"there are no training pictures in {data / FOLDER}")
    if channels == 1:
        return list(whole.values())
    others = _folder(data / COLOURS, channels)
    return [
        *(halved(picture) if name.startswith(FROM_JPEG) else picture for name, picture in others.items()),
        *whole.values(),
        *map(halved, whole.values()),
    ]


def _folder(folder: Path, channels: int) -> dict[str, Tensor]:
    """Return the pictures of a folder by name, none if there is no folder."""
    from PIL import Image

    tensors = {}
    for path in sorted(path for path in folder.glob("*") if path.suffix.lower() in SUFFIXES):
        with Image.open(path) as image:
            array = np.atleast_3d(np.asarray(image.convert("L" if channels == 1 else "RGB")))
        tensors[path.name] = torch.from_numpy(array.transpose(2, 0, 1).copy())
    return tensors


def crops(pictures: Sequence[Tensor], count: int, side: int) -> Tensor:
    """Return crops (count, channels, side, side), 0 to 1, from random places, turned and mirrored at random.

    Pictures are drawn in proportion to their pixels.
    """
    drawn = []
    sizes = torch.tensor([float(picture[0].numel()) for picture in pictures])
    picks, turns = torch.multinomial(sizes, count, replacement=True), torch.randint(8, (count,))
    for pick, turn in zip(picks.tolist(), turns.tolist(), strict=True):
        picture = pictures[pick]
        y, x = (int(torch.randint(length - side + 1, ())) for length in picture.shape[1:])
        crop = torch.rot90(picture[:, y : y + side, x : x + side], turn % 4, (1, 2))
        drawn.append(crop.flip(2) if turn >= 4 else crop)
    return torch.stack(drawn).float() / 255


def halved(picture: Tensor) -> Tensor:
    """Return a picture of half the size, uint8 of shape (channels, H, W): means of 2×2 pixels."""
    return F.avg_pool2d(picture.float(), 2).round().to(torch.uint8)
