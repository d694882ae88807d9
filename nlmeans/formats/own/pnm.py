"""PNM: PBM, PGM, PPM and PAM, with the bits that their largest number says, and their comments.

Source: https://netpbm.sourceforge.net/doc/pnm.html, the definitions of the formats.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .. import stills
from ..format import Format
from ..picture import Picture, PictureError, Request

TOKEN = re.compile(rb"(?:\s|#[^\n\r]*[\n\r])*([^\s#]+)")
COMMENT = re.compile(rb"#[^\n\r]*")
PLAIN, BITS, PAM = (1, 2, 3), (1, 4), 7
DEPTHS = {1: 1, 2: 1, 3: 3, 4: 1, 5: 1, 6: 3}
LONGEST = 5  # digits of the largest number there may be
KNOWN = 4096  # bytes that a header may have
SAID = ("WIDTH", "HEIGHT", "DEPTH", "MAXVAL")


@dataclass(frozen=True)
class Header:
    """What stands before the pixels, and where they begin."""

    kind: int
    width: int
    height: int
    depth: int
    maxval: int
    start: int
    comments: tuple[bytes, ...] = ()

    @property
    def dtype(self) -> np.dtype:
        """The type of a sample in the file."""
        return np.dtype("u1" if self.maxval < 256 else ">u2")

    @property
    def count(self) -> int:
        """How many samples there are."""
        return self.width * self.height * self.depth

    @property
    def least(self) -> int:
        """How many bytes the pixels take at least."""
        if self.kind == 4:
            return -(-self.width // 8) * self.height
        return self.count if self.kind == 1 else 2 * self.count - 1 if self.kind in PLAIN else self.size

    @property
    def size(self) -> int:
        """How many bytes the samples take in binary."""
        return self.count * self.dtype.itemsize


class Pnm(Format):
    """One picture of up to 16 bits a sample, grey or RGB; with alpha it is a PAM."""

    name, endings = "PNM", (".pnm", ".pgm", ".ppm", ".pam")
    loses = "plain text, which becomes binary; names of tuples; several pictures in a file are refused"

    def recognises(self, head: bytes, path: Path) -> bool:
        """Whether a file begins with P and a number from 1 to 7."""
        return re.match(rb"P[1-6][\s#]|P7\n", head) is not None

    def read(self, request: Request) -> Picture:
        """Read a picture of any of the seven kinds, in the numbers that stand in it."""
        data = request.path.read_bytes()
        header = _header(data)
        request.check_size(header.width, header.height)
        if header.depth > 4 or (header.maxval == 1 and not request.bilevel):
            raise PictureError(
                "pixels must have shades: this PNM has 1 bit a pixel, black or white" if header.maxval == 1 else
                f"a PNM must be grey or RGB, with or without alpha: this one has {header.depth} samples a pixel"
            )  # fmt: skip
        there = len(data) - header.start
        if there < header.least:
            raise PictureError(
                f"the file is cut short: its pixels take {header.least:,} bytes, there are {max(there, 0):,}"
            )
        array = _plain(header, data) if header.kind in PLAIN else _binary(header, data)
        if array.max() > header.maxval:
            raise PictureError(f"the file is damaged: its largest number is {header.maxval}, there is {array.max()}")
        array = array.reshape(header.height, header.width, header.depth).astype(header.dtype.newbyteorder("="))
        if header.maxval == 1:
            array *= np.uint8(255)
        full = header.maxval in (1, 255, 65535)
        return stills.still(request, array, maxval=None if full else header.maxval, native=header)

    def check(self, picture: Picture) -> None:
        """Refuse what no PNM holds."""
        stills.check_still(picture, "PNM", ("uint8", "uint16"), 2**31 - 1)

    def write(self, part: Path, picture: Picture, path: Path, **options: Any) -> None:
        """Write a PGM, PPM or PAM, as the samples and the name ask for it; upright, since it cannot say otherwise."""
        self.check(picture)
        array = stills.samples(picture, turned=True)
        height, width, depth = array.shape
        maxval = picture.maxval or np.iinfo(array.dtype).max
        comments = picture.native.comments if isinstance(picture.native, Header) else ()
        said = b"".join(line + b"\n" for line in comments)
        if depth in (2, 4) or path.name.lower().endswith(".pam"):
            kind = ("GRAYSCALE" if depth < 3 else "RGB") + "_ALPHA" * (depth in (2, 4))
            sides = zip(SAID, (width, height, depth, maxval), strict=True)
            lines = "".join(f"{name} {value}\n" for name, value in sides)
            head = b"P7\n" + said + f"{lines}TUPLTYPE {kind}\nENDHDR\n".encode()
        else:
            head = b"P5\n" if depth == 1 else b"P6\n"
            head += said + f"{width} {height}\n{maxval}\n".encode()
        with part.open("wb") as file:
            file.write(head)
            file.write(np.minimum(array, maxval).astype("u1" if maxval < 256 else ">u2").data)


FORMAT = Pnm()


def _header(data: bytes) -> Header:
    kind = data[1] - ord("0")
    if kind == PAM:
        return _pam_header(data)
    position, values = 2, []
    for _ in range(2 if kind in BITS else 3):
        token = TOKEN.match(data, position, KNOWN)
        if token is None:
            raise PictureError("the file is cut short: a PNM begins with its sides and its largest number")
        values.append(_number(token[1]))
        position = token.end()
    if kind not in PLAIN:
        gap = re.compile(rb"(?:#[^\n\r]*)?\s").match(data, position)  # one character, and a comment before it
        position = gap.end() if gap else position + 1
    width, height, maxval = (*values, 1)[:3]
    _check_maxval(maxval)
    comments = tuple(COMMENT.findall(data[:position]))
    return Header(kind, width, height, DEPTHS[kind], maxval, position, comments)


def _pam_header(data: bytes) -> Header:
    end = data.find(b"ENDHDR\n", 0, KNOWN)
    if end < 0:
        raise PictureError("the file is cut short: the header of a PAM ends with ENDHDR")
    lines = data[3:end].decode("latin-1").splitlines()
    named = dict(line.split(maxsplit=1) for line in lines if line.strip() and not line.startswith("#"))
    missing = [name for name in SAID if name not in named]
    if missing:
        raise PictureError(f"the file is damaged: a PAM must say its {missing[0]}")
    width, height, depth, maxval = (_number(named[name].encode()) for name in SAID)
    _check_maxval(maxval)
    comments = tuple(line.encode("latin-1") for line in lines if line.startswith("#"))
    return Header(PAM, width, height, depth, maxval, end + len("ENDHDR\n"), comments)


def _number(token: bytes) -> int:
    if not token.isdigit() or len(token) > 12:
        raise PictureError(f"the file is damaged: a whole number must stand in its header; got {token[:20]!r}")
    return int(token)


def _check_maxval(maxval: int) -> None:
    if not 1 <= maxval <= 65535:
        raise PictureError(f"the file is damaged: the largest number of a PNM is 1 to 65535; got {maxval}")


def _binary(header: Header, data: bytes) -> np.ndarray:
    """Return the samples, in the order of the file."""
    if rest := data[header.start + header.least :].strip(b"\0 \t\r\n"):
        raise PictureError(f"a PNM must hold one picture: {len(rest):,} bytes follow this one; split it (pamsplit)")
    if header.kind == 4:
        rows = np.frombuffer(data, np.uint8, header.least, header.start).reshape(header.height, -1)
        return 1 - np.unpackbits(rows, axis=1, count=header.width)  # 1 is black
    return np.frombuffer(data, header.dtype, header.count, header.start)


def _plain(header: Header, data: bytes) -> np.ndarray:
    """Return samples that are written as text."""
    text = COMMENT.sub(b"", data[header.start :])
    if header.kind == 1:
        bits = np.frombuffer(b"".join(text.split()), np.uint8)
        sound, array = bool(np.isin(bits, (48, 49)).all()), 49 - bits  # 1 is black
    else:
        tokens = text.split()
        sound = all(token.isdigit() and len(token) <= LONGEST for token in tokens)
        array = np.array(tokens if sound else [], f"S{LONGEST}").astype(np.uint32)
    if not sound or array.size != header.count:
        raise PictureError(f"the file is damaged: {header.count:,} whole numbers must follow its header")
    return array
