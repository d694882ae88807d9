#!/bin/sh
# tifffile 2026.3.3: tiles that a sparse GeoTIFF leaves out are 0, and not what GDAL_NODATA says, where that is the least
# float32, in whatever digits.
#
# Guess, before it was tried: tifffile parses the tag (42113) as a number of the pixels' type, and fills what is left out
# with it. When "-3.40282346638529e+38" (15 digits, as older versions of GDAL write it) gave 0, the guess was that it lies
# beyond float32 by a rounding, and that all 17 digits would do.
# Behaviour: they do not either. The text is parsed as a double, numpy.min_scalar_type finds that to need float64, so it
# is "not castable" to float32, and nodata is 0 with no more than a line in the log. "-9999" is taken as the tag says.
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
seen = {}
for text in ("-9999", "-3.4028234663852886e+38", "-3.40282346638529e+38"):
    tags = [(42113, "s", 0, text, True)]
    tifffile.imwrite("a.tif", np.ones((32, 64), "f4"), tile=(32, 32), metadata=None, extratags=tags, compression="zlib")
    data = bytearray(open("a.tif", "rb").read())
    with tifffile.TiffFile("a.tif") as tif:
        for name in ("TileOffsets", "TileByteCounts"):  # the second tile is left out, as GDAL's SPARSE_OK has it
            tag = tif.pages[0].tags[name]
            size = 2 if tag.dtype == 3 else 4
            data[tag.valueoffset + size : tag.valueoffset + 2 * size] = bytes(size)
    open("a.tif", "wb").write(data)
    seen[text] = float(tifffile.imread("a.tif")[0, 40])
    print(text, "is read as", seen[text])
least = float(np.finfo("f4").min)
assert list(seen.values()) == [-9999.0, 0.0, 0.0], seen
assert {float(np.float32(text)) for text in seen} == {-9999.0, least}
assert np.min_scalar_type(least) == np.float64
PY
