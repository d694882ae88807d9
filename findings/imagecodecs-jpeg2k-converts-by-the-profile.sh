#!/bin/sh
# imagecodecs 2026.3.6: jpeg2k_decode of a lossless JP2 with a colour profile returns other numbers than were stored.
#
# Guess, before it was tried: a decoder of arrays returns the numbers that the codestream holds; a profile in the boxes
# around it is for those who show the picture.
# Behaviour: the pixels are converted from the profile to sRGB, also where that profile is sRGB:
# numbers of 16 bits change, here by up to 28. The codestream alone, cut out of the file, is decoded exactly.
set -eu
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet imagecodecs==2026.3.6 numpy==2.4.6 pillow==13.0.0
cd "$place"
"$place/venv/bin/python" - <<'PY'
import struct

import imagecodecs
import numpy as np
from PIL import ImageCms

print("imagecodecs", imagecodecs.__version__)
pixels = np.random.default_rng(0).integers(0, 65536, (40, 50, 3), np.uint16)
plain = imagecodecs.jpeg2k_encode(pixels, reversible=True)
assert np.array_equal(imagecodecs.jpeg2k_decode(plain), pixels)
profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
old = struct.pack(">I4sBBBI", 15, b"colr", 1, 0, 0, 16)
new = struct.pack(">I4sBBB", 11 + len(profile), b"colr", 2, 0, 0) + profile
at = plain.index(b"jp2h") - 4
(length,) = struct.unpack_from(">I", plain, at)
header = struct.pack(">I", length + len(new) - len(old)) + plain[at + 4 : at + length].replace(old, new)
profiled = plain[:at] + header + plain[at + length :]
found = imagecodecs.jpeg2k_decode(profiled)
most = int(np.abs(found.astype(int) - pixels).max())
print("changed by up to", most)
assert most > 0
stream = profiled[profiled.index(b"\xff\x4f\xff\x51") :]
assert np.array_equal(imagecodecs.jpeg2k_decode(stream), pixels)
PY
