#!/bin/sh
# OpenEXR 3.5.3: an array that is a view is written scrambled; and the dict of channels that is given is changed.
#
# Guess, before it was tried: ``File(header, {"R": array[:, ::2]})`` writes what the view shows, or refuses it; what it
# is given stays as it is.
# Behaviour: the memory behind the view is written row after row as if it were contiguous: of a picture with every other
# column, or turned, nearly no pixel is right, and there is no error. The arrays in the dict are replaced by objects of
# the library, so that what follows finds no arrays there.
set -eu
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet OpenEXR==3.5.3 numpy==2.4.6
cd "$place"
"$place/venv/bin/python" - <<'PY'
import numpy as np
import OpenEXR

whole = np.random.default_rng(0).random((20, 60)).astype("f4")


def share(view):
    """Return how many pixels are right."""
    OpenEXR.File({}, {"Y": view}).write("a.exr")
    with OpenEXR.File("a.exr", separate_channels=True) as file:
        return float((file.channels()["Y"].pixels == view).mean())


found = {"contiguous": share(whole), "every other column": share(whole[:, ::2]), "transposed": share(whole.T)}
print(found)
assert found["contiguous"] == 1, found
assert max(found["every other column"], found["transposed"]) < 0.1, found
given = {"Y": whole}
OpenEXR.File({}, given)
print(type(given["Y"]))
assert not isinstance(given["Y"], np.ndarray)
PY
