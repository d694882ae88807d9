#!/bin/sh
# opencv-python-headless 5.0.0.93, imagecodecs 2026.3.6: a picture that is written as Radiance HDR gets darker.
#
# Guess, before it was tried: numbers are rounded to the 8 bits that the format has, and their mean stays.
# Behaviour: both cut off what does not fit, and their readers add nothing: each number gets darker by half a step on
# average, 0.28 % of the pixel's largest one. Saved again the numbers stay, so that a round trip of a file does not show
# it. imagecodecs also fails to write noise in runs at all (WRITE_ERROR) unless ``out`` says a size: it takes less room
# than what does not get shorter needs.
set -eu
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet imagecodecs==2026.3.6 numpy==2.4.6 opencv-python-headless==5.0.0.93
cd "$place"
"$place/venv/bin/python" - <<'PY'
import cv2
import imagecodecs
import numpy as np

print("opencv", cv2.__version__, "imagecodecs", imagecodecs.__version__)
pixels = np.exp(np.random.default_rng(0).normal(size=(200, 200, 3))).astype("f4")
cv2.imwrite("a.hdr", pixels[..., ::-1])
by_cv2 = cv2.imread("a.hdr", cv2.IMREAD_UNCHANGED)[..., ::-1]
data = imagecodecs.rgbe_encode(pixels, header=True, out=1_000_000)
by_imagecodecs = imagecodecs.rgbe_decode(bytes(data), header=True)
for found in (by_cv2, by_imagecodecs):
    bias = float(((found - pixels) / pixels.max(axis=-1, keepdims=True)).mean())
    print(f"{bias:.5f}")
    assert -0.0035 < bias < -0.002, bias
try:
    imagecodecs.rgbe_encode(pixels, header=True)
except Exception as error:
    print(error)
else:
    raise SystemExit("it was written")
PY
