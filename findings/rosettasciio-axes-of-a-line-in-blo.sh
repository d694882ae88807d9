#!/bin/sh
# RosettaSciIO 0.15.0 gives a blockfile of one row or column of a scan the names and units of other axes.
#
# Guess, before it was tried: four diffraction patterns along a line come with axes x, dy and dx, whichever way they are
# read; reading lazily changes when pixels are read, not what they are.
# Behaviour: read at once, the array loses its axis of length 1, and the list of names does not: the patterns' own axes are
# called x and dy, in nm and cm, and one of them is taken for a place of the scan (navigate). Read lazily, all four
# axes are there, with their own names. Whoever goes by names reads lazily.
set -eu
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet 'rosettasciio[blockfile]==0.15.0'
"$place/venv/bin/python" - "$place/a.blo" <<'PY'
import sys

import numpy as np
import rsciio
from rsciio import blockfile

names, units, shape = ("y", "x", "dy", "dx"), ("nm", "nm", "cm", "cm"), (1, 4, 16, 16)
axes = [
    {"name": name, "size": side, "index_in_array": k, "scale": 1.0, "offset": 0.0, "units": unit, "navigate": k < 2}
    for k, (name, unit, side) in enumerate(zip(names, units, shape))
]
signal = {
    "data": np.zeros(shape, np.uint8), "axes": axes, "attributes": {"_lazy": False}, "original_metadata": {},
    "metadata": {"General": {"title": ""}, "Signal": {"signal_type": ""}},
}
blockfile.file_writer(sys.argv[1], signal, show_progressbar=False)
seen = {}
for lazy in (False, True):
    (read,) = blockfile.file_reader(sys.argv[1], lazy=lazy)
    seen[lazy] = [(axis["name"], axis["units"], axis["navigate"], axis["size"]) for axis in read["axes"]]
    print("rosettasciio", rsciio.__version__, "lazy" if lazy else "at once", read["data"].shape, seen[lazy])
assert seen[False] == [("y", "nm", True, 4), ("x", "nm", True, 16), ("dy", "cm", False, 16)], seen[False]
assert [axis[:2] for axis in seen[True]] == list(zip(names, units)), seen[True]
PY
