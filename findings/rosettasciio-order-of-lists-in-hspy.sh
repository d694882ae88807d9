#!/bin/sh
# RosettaSciIO 0.15.0 reads lists of lists from its HSpy files in another order than it wrote them, from 11 on.
#
# Guess, before it was tried: what is written to an HSpy file and read again is what it was, as a round trip promises.
# Behaviour: metadata that are a list of tuples (a colour table of DigitalMicrograph's, as dm files have it) become a
# group with an item for each by its number; they are read in the order of their names as texts, 0, 1, 10, 11, 2 …, so
# that a list of more than ten is shuffled, again at every saving. Lists of numbers are stored as arrays, and stay.
set -eu
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet 'rosettasciio[hdf5]==0.15.0'
"$place/venv/bin/python" - "$place/a.hspy" <<'PY'
import sys

import numpy as np
import rsciio
from rsciio import hspy

table, flat = [(k, 2 * k) for k in range(12)], list(range(12))
axes = [
    {"name": name, "size": 4, "index_in_array": k, "scale": 1.0, "offset": 0.0, "units": "", "navigate": False}
    for k, name in enumerate("yx")
]
signal = {
    "data": np.zeros((4, 4)), "axes": axes, "metadata": {"General": {"title": "a"}, "Signal": {"signal_type": ""}},
    "original_metadata": {"table": table, "flat": flat}, "attributes": {"_lazy": False, "ragged": False},
    "package_info": {"package": "none", "package_version": ""}, "tmp_parameters": {}, "learning_results": {}, "models": {},
}
hspy.file_writer(sys.argv[1], signal, show_progressbar=False)
said = hspy.file_reader(sys.argv[1])[0]["original_metadata"]
print("rosettasciio", rsciio.__version__, [int(row[0]) for row in said["table"]])
assert [int(k) for k in said["flat"]] == flat
assert [int(row[0]) for row in said["table"]] == [0, 1, 10, 11, 2, 3, 4, 5, 6, 7, 8, 9]
PY
