#!/bin/sh
# astropy 8.0.2: CompImageHDU(floats, compression_type="RICE_1", quantize_level=0.0) stores whole numbers: fractions are
# cut off, and nothing says so.
#
# Guess, before it was tried: quantize_level=0 means "do not quantise", and so floats come back as they were, whatever the
# type of compression; where an algorithm takes whole numbers alone, GZIP takes its place or an error says so.
# Behaviour: with GZIP_1 and GZIP_2 they come back as they were. With RICE_1, the default, and HCOMPRESS_1 each number has
# lost its fraction: 100.9 is 100.0, and values below 1 are 0. There is neither an error nor a warning, and the file is
# valid. With the default level, 16, the same picture of noise 10 is off by 0.4 at most, so that asking for no loss loses
# more.
set -eu
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet astropy==8.0.2 numpy==2.4.6
"$place/venv/bin/python" -W error - <<'END'
import io

import numpy as np
from astropy.io import fits

floats = np.random.default_rng(0).normal(100, 10, (60, 80)).astype(np.float32)
found = {}
for way in ("GZIP_1", "GZIP_2", "RICE_1", "HCOMPRESS_1"):
    for level in (0.0, 16.0):
        stream = io.BytesIO()
        packed = fits.CompImageHDU(floats, compression_type=way, quantize_level=level)
        fits.HDUList([fits.PrimaryHDU(), packed]).writeto(stream)
        stream.seek(0)
        with fits.open(stream) as hdus:
            back = hdus[1].data
        found[way, level] = float(abs(back - floats).max()), bool((back == np.trunc(floats)).all())
        print(f"{way} at level {level:g}: off by up to {found[way, level][0]:.4f}")
for way in ("GZIP_1", "GZIP_2"):
    assert found[way, 0.0][0] == 0
for way in ("RICE_1", "HCOMPRESS_1"):
    assert found[way, 0.0][1], found
    assert found[way, 16.0][0] < 0.5 < 0.99 < found[way, 0.0][0]
print("as described")
END
