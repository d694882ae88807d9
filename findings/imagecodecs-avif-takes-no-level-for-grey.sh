#!/bin/sh
# imagecodecs 2026.3.6: avif_encode takes no notice of ``level`` where the picture is grey: it is always lossless.
#
# Guess, before it was tried: level 10 of a noisy grey picture gives a file many times smaller than level 100, as it does
# for the same picture in RGB.
# Behaviour: grey files are the same for every level, and 10 times as large as those of the same picture as RGB. RGB with
# ``pixelformat="yuv400"`` takes the level, and is read back as grey.
set -eu
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet imagecodecs==2026.3.6 numpy==2.4.6
cd "$place"
"$place/venv/bin/python" - <<'PY'
import imagecodecs
import numpy as np

print("imagecodecs", imagecodecs.__version__)
slope = np.add.outer(np.linspace(0, 150, 90), np.linspace(0, 90, 80))
grey = (slope + np.random.default_rng(0).normal(0, 4, slope.shape)).clip(0, 255).astype("u1")
rgb = np.dstack([grey] * 3)
sizes = {}
for name, array, options in (("grey", grey, {}), ("rgb", rgb, {}), ("rgb, yuv400", rgb, {"pixelformat": "yuv400"})):
    sizes[name] = [len(imagecodecs.avif_encode(array, level, speed=8, **options)) for level in (10, 60, 100)]
print(sizes)
assert len(set(sizes["grey"])) == 1, sizes
assert 10 * sizes["rgb"][0] < sizes["rgb"][2], sizes
assert 5 * sizes["rgb, yuv400"][0] < sizes["grey"][0], sizes
small = imagecodecs.avif_decode(imagecodecs.avif_encode(rgb, 10, speed=8, pixelformat="yuv400"))
assert small.shape == grey.shape, small.shape
PY
