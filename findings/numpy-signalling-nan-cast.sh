#!/bin/sh
# NumPy 2.4.6 warns when a NaN of float32 is cast to float64, if it is a signalling one: not for the NaN that Python makes.
#
# Guess, before it was tried: NaN goes through a cast as it is, without a word; only casts to integers warn of it.
# Behaviour: bits 0x7fc00000 (quiet) cast silently; bits 0x7f800001 (signalling, as damaged or foreign files hold them)
# raise RuntimeWarning "invalid value encountered in cast", in astype and in ascontiguousarray with a dtype. Programs
# that turn warnings into errors fail on such data, and only where they widen it. np.errstate(invalid="ignore") is it.
set -eu
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet numpy==2.4.6
"$place/venv/bin/python" - <<'PY'
import warnings

import numpy as np

print("numpy", np.__version__)
seen = []
for bits in (0x7FC00000, 0x7F800001):
    values = np.ones(5, np.float32)
    values.view(np.uint32)[2] = bits
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        wide = values.astype(np.float64)
    assert np.isnan(wide[2])
    seen.append([str(one.message) for one in caught])
    print(hex(bits), seen[-1])
assert seen == [[], ["invalid value encountered in cast"]], seen
PY
