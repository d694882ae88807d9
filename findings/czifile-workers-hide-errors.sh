#!/bin/sh
# czifile 2019.7.2.3, the newest for Python 3.11, reads a CZI that is packed by Zstandard as anything, and says nothing.
#
# Guess, before it was tried: packing that a reader does not know is an error, whatever the number of threads is.
# Behaviour: with one worker asarray raises KeyError(5); with two or more, which is the default from 4 processors on, the
# errors of the threads are never looked at: the array is what the memory held before, without an error or a warning. The
# same goes for tiles that are damaged. ZEN packs by Zstandard since version 3; unpacked, this file is full of 7. Version
# 2026.10.14, for Python 3.12 and later, unpacks it. Whoever has the older one reads tile by tile.
set -eu
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3.11 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet czifile==2019.7.2.3 imagecodecs==2026.3.6 numpy==2.4.6
"$place/venv/bin/python" - "$place/packed.czi" <<'PY'
import struct
import sys
import warnings

import czifile
import imagecodecs
import numpy as np

pixels = np.full((40, 50), 7, np.uint8)


def segment(kind, body):
    size = -(-len(body) // 32) * 32
    return kind.ljust(16, b"\0") + struct.pack("<qq", size, len(body)) + body.ljust(size, b"\0")


start, data = 544, imagecodecs.zstd_encode(pixels.tobytes())
entry = struct.pack("<2siqiiBB4si", b"DV", 0, start, 0, 5, 0, 0, b"", 2)  # 5: Zstandard
for axis, side in ((b"X", 50), (b"Y", 40)):
    entry += struct.pack("<4siifi", axis, 0, side, 0.0, side)
tile = segment(b"ZISRAWSUBBLOCK", (struct.pack("<iiq", 0, 0, len(data)) + entry).ljust(256, b"\0") + data)
directory = segment(b"ZISRAWDIRECTORY", struct.pack("<i124x", 1) + entry)
about = segment(b"ZISRAWMETADATA", struct.pack("<ii248x", 16, 0) + b"<ImageDocument/>")
at = start + len(tile)
head = struct.pack("<iiii16s16siqqiq", 1, 0, 0, 0, bytes(16), bytes(16), 0, at, at + len(directory), 0, 0)
with open(sys.argv[1], "wb") as file:
    file.write(segment(b"ZISRAWFILE", head.ljust(512, b"\0")) + tile + directory + about)

seen = {}
for workers in (1, 2):
    with warnings.catch_warnings(record=True) as caught, czifile.CziFile(sys.argv[1]) as czi:
        warnings.simplefilter("always")
        try:
            seen[workers] = f"an array of {czi.asarray(max_workers=workers).shape}"
        except Exception as error:
            seen[workers] = repr(error)
    said = [str(one.message) for one in caught]
    print("czifile", czifile.__version__, "workers", workers, "→", seen[workers], said)
    assert not said, said
assert seen == {1: "KeyError(5)", 2: "an array of (40, 50, 1)"}, seen
PY
