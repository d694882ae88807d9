#!/bin/sh
# astropy 8.0.2: CompImageHDU(stored, header, do_not_scale_image_data=True) leaves BSCALE and BZERO of the header out, and
# so stored numbers are read as real ones.
#
# Guess, before it was tried: with do_not_scale_image_data=True, the numbers are those that are stored, and the header
# that goes with them says how they are scaled: what is read back without that option is stored * BSCALE + BZERO.
# Behaviour: BLANK, OBJECT and all else are kept, BSCALE and BZERO are not, with no warning. With an ImageHDU they are
# kept.
set -eu
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet astropy==8.0.2 numpy==2.4.6
"$place/venv/bin/python" - <<'END'
import io

import numpy as np
from astropy.io import fits

stored = np.arange(4800, dtype=np.int16).reshape(60, 80)
header = fits.Header([("BSCALE", 0.5), ("BZERO", 10.0), ("BLANK", -1), ("OBJECT", "M31")])
found = {}
for kind in (fits.ImageHDU, fits.CompImageHDU):
    stream = io.BytesIO()
    hdu = kind(stored, header.copy(), do_not_scale_image_data=True)
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(stream)
    with fits.open(io.BytesIO(stream.getvalue())) as hdus:
        found[kind.__name__] = float(hdus[1].data[-1, -1])
    with fits.open(io.BytesIO(stream.getvalue()), disable_image_compression=True) as hdus:
        said = {name: hdus[1].header.get(name) for name in header}
    print(kind.__name__, said, "last pixel", found[kind.__name__])
assert found["ImageHDU"] == 4799 * 0.5 + 10, found
assert found["CompImageHDU"] == 4799, found
print("as described")
END
