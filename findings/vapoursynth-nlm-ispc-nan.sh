#!/bin/sh
# vapoursynth-nlm-ispc 4.1: at a small h, pixels that resemble none of their window become NaN, or 0 in 8 bits.
#
# Guess, before it was tried: an average in which the pixel itself has the greatest weight, or 1 where there is none, is
# finite for every h above 0, and a pixel without any like it stays as it is.
# Behaviour: with noise of σ = 25 and h = 2 one pixel in seven of a float frame is NaN or 0, and as many of 8 bits are 0.
# Needs a Python of at least 3.12: $PYTHON, or python3.12.
set -eu
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
"${PYTHON:-python3.12}" -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet numpy==2.5.5 vapoursynth==79 vapoursynth-nlm-ispc==4.1
"$place/venv/bin/python" - <<'PY'
import numpy as np
import vapoursynth as vs

image = np.clip(128 + 25 * np.random.default_rng(0).standard_normal((64, 64)), 1, 255)
for kind, values in ((vs.GRAYS, (image / 255).astype(np.float32)), (vs.GRAY8, image.astype(np.uint8))):
    blank = vs.core.std.BlankClip(width=64, height=64, format=kind, length=1)
    frame = blank.get_frame(0).copy()
    np.asarray(frame[0])[:] = values
    clip = vs.core.std.ModifyFrame(blank, blank, lambda n, f: frame)
    for h in (2.0, 25.0):
        answer = np.array(clip.nlm_ispc.NLMeans(d=0, a=10, s=3, h=h, wref=1.0).get_frame(0)[0])
        lost = int(np.sum(~np.isfinite(answer) | (answer == 0)))
        print(f"{clip.format.name}, h = {h}: {lost} of {answer.size} pixels are NaN or 0; the input has none")
        assert (lost > 0) == (h == 2.0), lost
PY
