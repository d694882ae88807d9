"""Named image sets: from a folder, from a cache, or downloaded with checked hashes."""

from __future__ import annotations

import gzip
import hashlib
import math
import os
import sys
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from ._defaults import or_default

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["MNIST", "Labelled", "Source", "cache_folder", "locate", "mnist"]

TIMEOUT = 60  # seconds without a byte


@dataclass(frozen=True)
class Source:
    """The source of an image set.

    Parameters
    ----------
    name : str
        Its name in messages and its folder in the cache.
    url : str
        The address before the files' names.
    hashes : mapping of str to str
        SHA-256 of each file, in hexadecimal.

    Examples
    --------
    >>> from nlmeans.datasets import MNIST
    >>> MNIST.name, len(MNIST.hashes)
    ('mnist', 4)
    """

    name: str
    url: str
    hashes: Mapping[str, str]


class Labelled(NamedTuple):
    """Images and their labels.

    Attributes
    ----------
    images : ndarray of uint8, shape (N, Y, X)
        0 is the paper.
    labels : ndarray of uint8, shape (N,)
        What each image shows.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]


MNIST = Source(
    "mnist",
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    {
        "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    },
)
"""60,000 handwritten digits to train on and 10,000 to test with, of 28 × 28 pixels."""
_PREFIX = {"train": "train", "test": "t10k"}


@or_default
def mnist(
    split: Literal["train", "test"] = "train", folder: str | os.PathLike[str] | None = None, *, download: bool = True
) -> Labelled:
    """Return the handwritten digits of MNIST: 60,000 to train on, 10,000 to test with.

    Parameters
    ----------
    split : {"train", "test"}
        Which part.
    folder : path, optional
        The folder of the idx files, as published (``.gz``) or unpacked. Any of MNIST's format will do (28×28 pixels,
        labels 0 to 9): their hashes are not checked. By default the cache (`cache_folder`).
    download : bool, default True
        Whether files that the cache lacks are downloaded into it, 12 MB in all, and their hashes checked. Needs
        `pooch`. A ``folder`` is never written to.

    Returns
    -------
    Labelled
        ``images``, uint8 of shape (N, 28, 28), 0 the paper and 255 the ink; ``labels``, uint8 of shape (N,).

    Raises
    ------
    FileNotFoundError
        If files are absent and not downloaded; the message says which to put where.
    ValueError
        If a file is corrupt, short or of another format (the message names it), or the split is unknown.

    References
    ----------
    Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to document recognition", Proceedings
    of the IEEE 86(11), 1998, doi:10.1109/5.726791.
    """
    if split not in _PREFIX:
        raise ValueError(f"split must be 'train' or 'test'; got {split!r}")
    names = [name for name in MNIST.hashes if name.startswith(_PREFIX[split])]
    image_file, label_file = locate(MNIST, names, folder, download=download)
    images, labels = _read_idx(image_file, (28, 28)), _read_idx(label_file, ())
    if len(images) != len(labels):
        raise ValueError(
            f"there must be a label for every image; got {len(images)} images in {image_file} "
            f"and {len(labels)} labels in {label_file}"
        )
    if labels.max() > 9:
        raise ValueError(f"{label_file} is corrupt: labels must be 0 to 9; got {labels.max()}")
    return Labelled(images, labels)


def cache_folder() -> Path:
    """Return the folder of downloads, in which each set has its own.

    It is the environment variable ``NLMEANS_CACHE`` where that is set, else ``nlmeans`` in the user's cache folder.

    Returns
    -------
    Path
        It need not exist.

    Examples
    --------
    >>> from unittest.mock import patch
    >>> with patch.dict("os.environ", NLMEANS_CACHE="/data/images"):
    ...     cache_folder().as_posix()
    '/data/images'
    """
    own = os.environ.get("NLMEANS_CACHE")
    if own:
        return Path(own)
    if sys.platform == "win32":
        parent = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        parent = Path.home() / "Library" / "Caches"
    else:
        parent = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return parent / "nlmeans"


@or_default
def locate(
    source: Source, names: Sequence[str], folder: str | os.PathLike[str] | None = None, *, download: bool = True
) -> list[Path]:
    """Return the paths of files of a set, after downloading what the cache lacks.

    Parameters
    ----------
    source : Source
        The set.
    names : sequence of str
        Files of it. One named ``….gz`` may also be unpacked, without that ending.
    folder : path, optional
        Where they are; by default the set's folder in the cache, whose files are checked against their hashes.
    download : bool, default True
        Whether what the cache lacks is downloaded.

    Returns
    -------
    list of Path
        In the order of the names.

    Raises
    ------
    FileNotFoundError
        If a file is absent and not downloaded; the message says which files to put where.
    ValueError
        If a file of the cache, or a downloaded one, does not have its hash.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> size = (folder / "first.png").write_bytes(b"...")
    >>> pictures = Source("pictures", "https://example.org/", {"first.png": "ab5df625bc76dbd4e163bed2dd888df8"})
    >>> [path.name for path in locate(pictures, ["first.png"], folder)]
    ['first.png']
    """
    place = cache_folder() / source.name if folder is None else Path(folder)
    paths = {name: _present(place, name) for name in names}
    missing = [name for name, path in paths.items() if path is None]
    if missing and folder is not None:
        raise FileNotFoundError(_wanted(source, missing, place, "is incomplete"))
    if missing and not download:
        raise FileNotFoundError(_wanted(source, missing, place, "is not in the cache"))
    for name in missing:
        paths[name] = _download(source, name, place, missing)
    located = [path for path in paths.values() if path is not None]
    if folder is None:
        for name, path in zip(names, located, strict=True):
            _compare(source, name, path)
    return located


def _present(place: Path, name: str) -> Path | None:
    for path in (place / name, place / name.removesuffix(".gz")):
        if path.is_file():
            return path
    return None


def _wanted(source: Source, names: Sequence[str], place: Path, what: str) -> str:
    return (
        f"the image set {source.name!r} {what}: put {', '.join(names)} (or the same unpacked) into {place.absolute()}"
    )


def _download(source: Source, name: str, place: Path, missing: Sequence[str]) -> Path:
    """Fetch a file; it appears whole and with the right hash, or not at all."""
    try:
        import pooch
    except ImportError:
        remedy = _wanted(source, missing, place, "is not in the cache, and downloading it needs pooch")
        raise FileNotFoundError(f"{remedy}; or: pip install pooch") from None
    fetch = pooch.HTTPDownloader(timeout=TIMEOUT)
    try:
        pooch.retrieve(source.url + name, f"sha256:{source.hashes[name]}", fname=name, path=place, downloader=fetch)
    except OSError as error:  # of requests too
        remedy = _wanted(source, missing, place, f"cannot be downloaded from {source.url}")
        raise FileNotFoundError(f"{remedy} ({type(error).__name__}: {error})") from error
    except ValueError as error:  # pooch has deleted it
        raise ValueError(f"{source.url}{name} is not the file that was published: its SHA-256 differs") from error
    return place / name


def _compare(source: Source, name: str, path: Path) -> None:
    if path.name != name:
        return  # unpacked by hand: the hash is that of the packed file
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != source.hashes[name]:
        raise ValueError(
            f"{path} is corrupt: its SHA-256 must be {source.hashes[name]}; got {digest}. Delete it to have it "
            "downloaded again"
        )


def _read_idx(path: Path, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Return the items of an idx file of unsigned bytes: a magic number, the sizes, then the bytes."""
    header, magic = 4 * (2 + len(shape)), 0x0801 + len(shape)
    try:
        with gzip.open(path) if path.suffix == ".gz" else open(path, "rb") as file:
            start = file.read(header)
            if len(start) < header:
                raise ValueError(f"{path} is corrupt: its header has {header} bytes; got {len(start)}")
            number, count, *sides = np.frombuffer(start, ">u4").tolist()
            if number != magic:
                raise ValueError(f"{path} is corrupt: its magic number must be {magic}; got {number}")
            if tuple(sides) != shape or count == 0:
                raise ValueError(f"{path} must hold items of shape {shape}; got {count} of shape {tuple(sides)}")
            size = count * math.prod(shape)
            content = _read(file, size + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(f"{path} is corrupt: it cannot be unpacked ({error})") from error
    if len(content) != size:
        got = f"only {len(content)}" if len(content) < size else "more"
        raise ValueError(f"{path} is corrupt: {count} items need {size} bytes after the header; got {got}")
    return np.frombuffer(content, np.uint8).reshape(count, *shape).copy()


def _read(file: gzip.GzipFile | BufferedReader, size: int) -> bytes:
    """Return at most ``size`` bytes, read in steps: the size comes from the file, and may be anything."""
    content = bytearray()
    while len(content) < size and (more := file.read(min(size - len(content), 2**24))):
        content += more
    return bytes(content)
