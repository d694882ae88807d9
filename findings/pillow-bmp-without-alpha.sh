#!/bin/sh
# Pillow 13.0.0: an RGBA picture is saved as BMP without an error, and comes back as RGB: its alpha is gone.
#
# Guess, before it was tried: saving RGBA as BMP either keeps the alpha, as BMP's later headers can, or is refused as it
# is for JPEG ("cannot write mode RGBA as JPEG").
# Behaviour: 32 bits a pixel are written under the oldest header, which has no alpha; readers, Pillow's own too, take the
# fourth byte for padding. A BMP with masks for alpha, which Pillow reads as RGBA, loses it when it is saved again.
set -eu
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet pillow==13.0.0
cd "$place"
"$place/venv/bin/python" - <<'PY'
import struct

import PIL
from PIL import Image

print("Pillow", PIL.__version__)
masks = (0xFF0000, 0xFF00, 0xFF, 0xFF000000)
header = struct.pack("<IiiHHIIiiII4I68x", 124, 1, 1, 1, 32, 3, 4, 0, 0, 0, 0, *masks)
with open("a.bmp", "wb") as file:
    file.write(struct.pack("<2sIHHI", b"BM", 142, 0, 0, 138) + header + bytes((3, 2, 1, 77)))
first = Image.open("a.bmp")
pixel = first.getpixel((0, 0))
first.save("b.bmp")
second = Image.open("b.bmp")
print(pixel, second.mode, second.getpixel((0, 0)))
assert pixel == (1, 2, 3, 77), pixel
assert second.mode == "RGB", second.mode
PY
