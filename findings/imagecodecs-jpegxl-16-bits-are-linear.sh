#!/bin/sh
# imagecodecs 2026.3.6: jpegxl_encode of uint16 says that the numbers are linear light, of uint8 that they are sRGB.
#
# Guess, before it was tried: an array of 16 bits gets the same colours as one of 8, sRGB; both are what a PNG holds.
# Behaviour: the header of a file of 16 bits names the linear curve. A 16-bit PNG that is saved so is shown far too
# bright, and nothing says so; imagecodecs itself, which reads numbers only, does not notice. No argument chooses.
# What stands in the header is asked of another reader of libjxl, by the profile that it makes of it.
set -eu
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet imagecodecs==2026.3.6 numpy==2.4.6 pillow==13.0.0 pillow-jxl-plugin==1.3.8
cd "$place"
"$place/venv/bin/python" - <<'PY'
import io

import imagecodecs
import numpy as np
import pillow_jxl  # noqa: F401
from PIL import Image, ImageCms

print("imagecodecs", imagecodecs.__version__)
said = {}
for dtype in ("u1", "u2"):
    data = imagecodecs.jpegxl_encode(np.full((16, 16, 3), 100, dtype), lossless=True)
    profile = Image.open(io.BytesIO(data)).info["icc_profile"]
    said[dtype] = ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(profile))).strip()
print(said)
assert said["u1"] == "sRGB", said
assert "Lin" in said["u2"], said
PY
