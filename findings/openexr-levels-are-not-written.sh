#!/bin/sh
# OpenEXR 3.5.3: ``File`` writes a tiled file with levels that it cannot read itself.
#
# Guess, before it was tried: a header whose ``tiles`` ask for MIPMAP_LEVELS is either refused, since there is one array
# a channel, or gives a file with at least its finest level, readable as any.
# Behaviour: the file is written without an error; only the finest level's tiles are in it, and places of the others
# stay 0. Reading it prints "(partially?) corrupt chunk table" and returns a file without parts. The same header with
# ONE_LEVEL is right: that is what must be said when a file with levels is read and written back.
set -eu
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet OpenEXR==3.5.3 numpy==2.4.6
cd "$place"
"$place/venv/bin/python" - <<'PY'
import numpy as np
import OpenEXR

pixels = np.random.default_rng(0).random((40, 60)).astype("f4")
counts = {}
for mode in ("ONE_LEVEL", "MIPMAP_LEVELS"):
    tiles = OpenEXR.TileDescription()
    tiles.xSize = tiles.ySize = 16
    tiles.mode = getattr(OpenEXR, mode)
    OpenEXR.File({"type": OpenEXR.tiledimage, "tiles": tiles}, {"Y": pixels.copy()}).write("a.exr")
    with OpenEXR.File("a.exr", separate_channels=True) as file:
        counts[mode] = len(file.parts)
print(counts)
assert counts == {"ONE_LEVEL": 1, "MIPMAP_LEVELS": 0}, counts
PY
