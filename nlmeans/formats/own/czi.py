"""CZI, the files of Zeiss' microscopes, by czifile: its directory and description; tiles are put where they lie.

Scenes of one shape are separate images, and so are what differs in phase, view, illumination, rotation or block. Where
tiles leave gaps in a mosaic there is no data, which is what 0 stands for then.

Source: https://zeiss.github.io/libczi, the description of the format.
"""

from __future__ import annotations

import logging
import math
import struct
from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from ..arrays import Source
from ..picture import PictureError, Request, quoted, times
from ..readers import Arrangement, NamedSource, OnlyRead, called, titled

logger = logging.getLogger("nlmeans")

MAGIC = b"ZISRAWFILE"
TILE = b"ZISRAWSUBBLOCK"
HEADER = struct.Struct(
    "<16sqqiiq"
)  # of a tile: kind, bytes that it has and uses, bytes of description, of more, of pixels
ENTRY = 256  # bytes at least before a tile's description, of which 16 are in the header
SEGMENT = 32  # bytes before them
PLAIN, JPEG, LZW, JPEG_XR, ZSTD, ZSTD_PACKED = 0, 1, 2, 4, 5, 6
CODECS = {JPEG: "jpeg8", LZW: "lzw", JPEG_XR: "jpegxr", ZSTD: "zstd", ZSTD_PACKED: "zstd"}
UNTURNED = (PLAIN, LZW, ZSTD, ZSTD_PACKED)  # in which colours stand as blue, green, red
MICROMETRES = 1e6  # in a metre
MOST_PLANES = 2**24


@dataclass(frozen=True)
class Tile:
    """A tile as the directory has it."""

    at: dict[str, tuple[int, int]]  # first index and length along each axis but the colours
    position: int  # of its header in the file
    compression: int
    dtype: np.dtype
    samples: int
    order: int  # later ones lie above earlier ones


@dataclass(frozen=True)
class Mosaic:
    """Tiles of scenes, as one array."""

    names: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: np.dtype
    tiles: dict[tuple[int, ...], list[tuple[int, int, Tile]]]  # of each plane, with their first rows and columns
    path: Path

    def __getitem__(self, slices: tuple[slice, ...]) -> np.ndarray:
        ranges = [range(*cut.indices(side)) for cut, side in zip(slices[:-3], self.shape, strict=False)]
        rows, columns = (cut.indices(side) for cut, side in zip(slices[-3:-1], self.shape[-3:-1], strict=True))
        shape = (rows[1] - rows[0], columns[1] - columns[0], self.shape[-1])
        result = np.zeros((*map(len, ranges), *shape), self.dtype)
        with self.path.open("rb") as file:
            for place, index in zip(np.ndindex(*map(len, ranges)), product(*ranges), strict=True):
                for row, column, tile in self.tiles.get(index, ()):
                    _paste(result[place], rows[0] - row, columns[0] - column, tile, file)
        return result[..., slices[-1]]

    @property
    def gaps(self) -> bool:
        """Whether there are pixels that no tile has."""
        if len(self.tiles) < math.prod(self.shape[:-3]):
            return True
        return any(self._gaps(tiles) for tiles in self.tiles.values())

    def _gaps(self, tiles: list[tuple[int, int, Tile]]) -> bool:
        boxes = [(row, row + tile.at["Y"][1], column, column + tile.at["X"][1]) for row, column, tile in tiles]
        rows, columns = (sorted({box[k] for box in boxes for k in pair}) for pair in ((0, 1), (2, 3)))
        covered = np.zeros((len(rows), len(columns)), bool)
        for top, bottom, left, right in boxes:
            covered[rows.index(top) : rows.index(bottom), columns.index(left) : columns.index(right)] = True
        whole = (rows[0], rows[-1], columns[0], columns[-1]) == (0, self.shape[-3], 0, self.shape[-2])
        return not (whole and covered[:-1, :-1].all())


class Czi(OnlyRead):
    """Scenes, with all their tiles in place, at full size."""

    name, endings, magic = "CZI", (".czi",), (MAGIC,)
    needs, extra = "czifile", "czi"
    has_series = True
    loses = (
        "written as OME: all but axes, a pixel's size and names of channels; a pyramid, a thumbnail, attachments; "
        "of tiles that overlap, what later ones cover"
    )

    def open(self, request: Request) -> Source:
        """Read the directory and the description, and choose scenes."""
        tiles, description = _directory(request.path, request.path.stat().st_mtime_ns)
        scenes = sorted({tile.at.get("S", (0, 1))[0] for tile in tiles})
        names = _scene_names(description)
        number = request.chosen([names.get(scene, "") for scene in scenes])
        chosen = tuple(scenes) if number is None else (scenes[number],)
        mosaic = _mosaic(request.path, request.path.stat().st_mtime_ns, chosen)
        arrangement = Arrangement(mosaic.names, mosaic.shape)
        high, wide = (max(tile.at[axis][1] for tile in tiles) for axis in "YX")
        packed = any(tile.compression != PLAIN for tile in tiles)
        sides = (min(high, mosaic.shape[-3]), min(wide, mosaic.shape[-2])) if packed else (1, 1)
        return NamedSource.of(
            request, arrangement, mosaic.dtype, _mosaic, chosen,
            chunks=(*(1,) * (len(mosaic.shape) - 3), *sides, mosaic.shape[-1]),
            sides=_sides(description), nodata=0.0 if mosaic.gaps else None,
            channels=_channels(description),
        )  # fmt: skip


FORMAT = Czi()


@lru_cache(maxsize=4)
def _directory(path: Path, modified: int) -> tuple[tuple[Tile, ...], Any]:
    """Return the tiles at full size, and the description of a file."""
    with FORMAT.library().CziFile(path) as file:
        entries, text = file.subblock_directory, file.metadata()
    if any(entry.file_part for entry in entries):
        raise PictureError("a CZI must be one file: this says that tiles are in others")
    tiles = [_tile(entry, k) for k, entry in enumerate(entries) if tuple(entry.shape) == tuple(entry.stored_shape)]
    if not tiles:
        raise PictureError("a CZI must hold tiles at full size: this holds none")
    try:
        description = ElementTree.fromstring(text or "<none/>")
    except ElementTree.ParseError as error:
        raise PictureError(f"the description of the CZI is damaged: {quoted(error)}") from None
    return tuple(tiles), description


def _tile(entry: Any, number: int) -> Tile:
    """Return an entry of the directory, as any version of the library has it."""
    names = entry.dims if hasattr(entry, "dims") else tuple(entry.axes)
    at = {name: (int(first), int(side)) for name, first, side in zip(names, entry.start, entry.shape, strict=True)}
    del at[names[-1]]  # the colours, by the name S or 0
    scene, mosaic = getattr(entry, "scene_index", -1), entry.mosaic_index
    if scene >= 0:
        at["S"] = (scene, 1)
    if min(side for _, side in at.values()) < 1 or not {"Y", "X"} <= at.keys():
        raise PictureError(f"a tile must have pixels: the directory says {at}")
    return Tile(
        at, int(entry.file_position), int(entry.compression), np.dtype(entry.dtype).base, int(entry.shape[-1]),
        number if mosaic is None or mosaic < 0 else mosaic,
    )  # fmt: skip


@lru_cache(maxsize=16)
def _mosaic(path: Path, modified: int, scenes: tuple[int, ...]) -> Mosaic:
    """Return scenes as one array, each of which begins at its own first row and column."""
    tiles = [tile for tile in _directory(path, modified)[0] if tile.at.get("S", (0, 1))[0] in scenes]
    if len({tile.samples for tile in tiles}) > 1:
        raise PictureError("the tiles of a picture must have the same colours: these have different ones")
    corners, shapes = {}, {}
    for scene in scenes:
        own = [tile.at for tile in tiles if tile.at.get("S", (0, 1))[0] == scene]
        corners[scene] = tuple(min(at[axis][0] for at in own) for axis in "YX")
        shapes[scene] = tuple(max(sum(at[axis]) for at in own) - corners[scene][k] for k, axis in enumerate("YX"))
    if len(set(shapes.values())) > 1:
        listed = ", ".join(times(shape) for shape in shapes.values())
        raise PictureError(
            f"scenes that are taken together must have one shape: these have {quoted(listed)}; name one with --series "
            "(series=)"
        )
    lead = tuple(sorted({axis for tile in tiles for axis in tile.at} - {*"YX"}))
    lead = ("S", *(axis for axis in lead if axis != "S"))
    first = {axis: min(tile.at.get(axis, (0, 1))[0] for tile in tiles) for axis in lead}
    sides = {axis: max(sum(tile.at.get(axis, (0, 1))) for tile in tiles) - first[axis] for axis in lead} | {
        "S": len(scenes)
    }
    if math.prod(sides.values()) > MOST_PLANES:
        raise PictureError(f"the directory is damaged: it says {math.prod(sides.values()):,} planes")
    planes: dict[tuple[int, ...], list[tuple[int, int, Tile]]] = defaultdict(list)
    for tile in sorted(tiles, key=lambda tile: tile.order):
        scene = tile.at.get("S", (0, 1))[0]
        at = {axis: tile.at.get(axis, (0, 1)) for axis in lead} | {"S": (first["S"] + scenes.index(scene), 1)}
        if any(side != 1 for _, side in at.values()):
            raise PictureError(f"a tile must be of one plane: the directory says {tile.at}")
        place = tuple(at[axis][0] - first[axis] for axis in lead)
        row, column = (tile.at[axis][0] - corners[scene][k] for k, axis in enumerate("YX"))
        planes[place].append((row, column, tile))
    names = tuple("scene" if axis == "S" else axis for axis in lead)
    dtype = np.result_type(*(tile.dtype for tile in tiles))
    samples = min(tiles[0].samples, 3)  # the fourth, where there is one, says nothing
    high, wide = shapes[scenes[0]]
    return Mosaic((*names, "Y", "X", "S"), (*sides.values(), high, wide, samples), dtype, dict(planes), path)


def _paste(result: np.ndarray, row: int, column: int, tile: Tile, file: Any) -> None:
    """Put what a tile has of a plane's part, which begins at this row and column of the tile, in its place."""
    cuts = []
    for axis, start, side in (("Y", row, result.shape[0]), ("X", column, result.shape[1])):
        first, last = max(start, 0), min(start + side, tile.at[axis][1])
        if first >= last:
            return
        cuts.append((slice(first - start, last - start), slice(first, last)))
    (rows, own_rows), (columns, own_columns) = cuts
    result[rows, columns] = _pixels(tile, file)[own_rows, own_columns, : result.shape[2]]


def _pixels(tile: Tile, file: Any) -> np.ndarray:
    """Return the rows, columns and colours of a tile."""
    file.seek(tile.position)
    kind, _, _, description, _, size = HEADER.unpack(file.read(HEADER.size))
    if not kind.startswith(TILE) or description < 0 or size < 0:
        raise PictureError(f"the file is damaged: there is no tile at byte {tile.position:,}")
    entry = file.read(ENTRY - 16)
    dimensions = struct.unpack_from("<i", entry, 28)[0]
    start = tile.position + SEGMENT + max(ENTRY, 16 + 32 + 20 * dimensions) + description
    shape = (tile.at["Y"][1], tile.at["X"][1], tile.samples)
    whole = math.prod(shape) * tile.dtype.itemsize
    file.seek(0, 2)
    there = file.tell() - start
    if min(size, whole if tile.compression == PLAIN else size) > there or (tile.compression == PLAIN and size < whole):
        raise PictureError(f"the file is cut short: a tile has {whole:,} bytes, and {max(there, 0):,} are there")
    file.seek(start)
    data = file.read(whole if tile.compression == PLAIN else size)
    pixels = _unpacked(data, tile, shape, whole)
    return pixels[..., [2, 1, 0]] if tile.samples > 1 and tile.compression in UNTURNED else pixels


def _unpacked(data: bytes, tile: Tile, shape: tuple[int, ...], whole: int) -> np.ndarray:
    """Return pixels as they are stored."""
    if tile.compression == PLAIN:
        return np.frombuffer(data, tile.dtype).reshape(shape)
    name = CODECS.get(tile.compression)
    if name is None or (tile.compression == JPEG and tile.samples > 1):
        raise PictureError(f"tiles must be packed by LZW, JPEG XR, Zstandard or grey JPEG: got {tile.compression}")
    try:
        import imagecodecs
    except ImportError:
        raise PictureError("packed tiles need imagecodecs: install it with pip install imagecodecs") from None
    decode = getattr(imagecodecs, f"{name}_decode")
    if tile.compression in (JPEG, JPEG_XR):
        pixels = np.empty(shape if tile.samples > 1 else shape[:2], tile.dtype)
        return np.asarray(decode(data, out=pixels)).reshape(shape)
    swapped = False
    if tile.compression == ZSTD_PACKED:
        swapped = data[0] == 3 and bool(data[2] & 1)
        data = data[data[0] :]
    plain = np.frombuffer(decode(data, out=whole), np.uint8)
    if plain.size != whole:
        raise PictureError(f"the file is damaged: a tile unpacks to {plain.size:,} of {whole:,} bytes")
    if swapped:  # the lower bytes of all pixels, and then the higher ones
        plain = np.ascontiguousarray(plain.reshape(tile.dtype.itemsize, -1).T)
    return np.ascontiguousarray(plain).reshape(-1).view(tile.dtype).reshape(shape)


def _scene_names(description: Any) -> dict[int, str]:
    """Return the names of scenes that have one."""
    scenes = description.iterfind(".//Information/Image/Dimensions/S/Scenes/Scene")
    return {int(scene.get("Index", k)): titled(scene.get("Name")) for k, scene in enumerate(scenes)}


def _sides(description: Any) -> dict[str, tuple[float, str]]:
    """Return the sides of a pixel that are said."""
    items = description.iterfind(".//Scaling/Items/Distance")
    return {str(item.get("Id")): (float(item.findtext("Value") or 0) * MICROMETRES, "µm") for item in items}


def _channels(description: Any) -> tuple[str, ...] | None:
    """Return what channels are called."""
    for place in (".//Information/Image/Dimensions/Channels/Channel", ".//DisplaySetting/Channels/Channel"):
        if names := called(channel.get("Name") for channel in description.iterfind(place)):
            return names
    return None
