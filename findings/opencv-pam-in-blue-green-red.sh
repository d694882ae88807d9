#!/bin/sh
# opencv-python-headless 5.0.0.93: PAM files get blue first, also where they are said to be RGB, and are read so.
#
# Guess, before it was tried: imwrite turns its order of colours, blue, green and red, into that of the file for PAM as
# it does for PPM; imread turns it back.
# Behaviour: a PAM with TUPLTYPE RGB holds blue first; without the parameter there is no TUPLTYPE at all. One that others
# wrote, red first, comes from imread with red first, where blue is expected. A round trip does not show it.
set -eu
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet opencv-python-headless==5.0.0.93 numpy==2.4.6
cd "$place"
"$place/venv/bin/python" - <<'PY'
import cv2
import numpy as np

print("opencv", cv2.__version__)
blue_first = np.array([[[1, 2, 3]]], np.uint8)
cv2.imwrite("a.ppm", blue_first)
cv2.imwrite("a.pam", blue_first, [cv2.IMWRITE_PAM_TUPLETYPE, cv2.IMWRITE_PAM_FORMAT_RGB])
ppm, pam = (open(name, "rb").read() for name in ("a.ppm", "a.pam"))
print(ppm[-3:], pam)
assert ppm.endswith(b"\3\2\1")
assert b"TUPLTYPE RGB\n" in pam
assert pam.endswith(b"\1\2\3")
head = b"P7\nWIDTH 1\nHEIGHT 1\nDEPTH 3\nMAXVAL 255\nTUPLTYPE RGB\nENDHDR\n"
open("b.pam", "wb").write(head + b"\3\2\1")
found = cv2.imread("b.pam", cv2.IMREAD_UNCHANGED).ravel().tolist()
print(found)
assert found == [3, 2, 1]
PY
