#!/bin/sh
# tifffile 2026.3.3: a TIFF that names fewer strips than it has rows is read without an error; the rest is 0.
#
# Guess, before it was tried: a directory whose StripOffsets do not reach the last row is an error of asarray(), as a strip
# that unpacks to too few bytes is ("corrupted strip cannot be reshaped").
# Behaviour: strips that are not named are taken for ones that a sparse file leaves out. The rows are black, the call
# returns, and the log alone says "incorrect StripByteCounts count". One changed byte (RowsPerStrip) does it. A sparse
# file names all its strips, with places and lengths of 0: the number of entries tells the two apart.
set -eu
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet tifffile==2026.3.3 numpy==2.4.6
cd "$place"
"$place/venv/bin/python" - <<'PY'
import logging
import struct

import numpy as np
import tifffile

logging.disable(logging.CRITICAL)
print("tifffile", tifffile.__version__)
tifffile.imwrite("a.tif", np.full((40, 16), 200, "u1"), rowsperstrip=10, compression="zlib", metadata=None)
data = bytearray(open("a.tif", "rb").read())
with tifffile.TiffFile("a.tif") as tif:
    tag = tif.pages[0].tags["RowsPerStrip"]
    assert len(tif.pages[0].dataoffsets) == 4
struct.pack_into("<H" if tag.dtype == 3 else "<I", data, tag.valueoffset, 8)  # 5 strips, of which 4 are named
open("a.tif", "wb").write(data)
try:
    rows = tifffile.imread("a.tif")[:, 0].tolist()
except Exception as error:
    rows = repr(error)
print(rows)
assert rows[:8] == [200] * 8 and rows[-8:] == [0] * 8, rows
PY
