#!/bin/sh
# SVT-AV1 4.1.0 in PyAV 18.1.0: the encoder writes twenty lines to standard error, whatever FFmpeg's level of logging is.
#
# Guess, before it was tried: an encoder that is used through FFmpeg logs through FFmpeg, so that with PyAV's default (no
# logging) or av.logging.set_level(None) nothing is printed, as with libx264 and libvpx.
# Behaviour: it has a log of its own, which only the variable SVT_LOG in the environment silences (libx265 has one, too,
# with the option log-level).
set -eu
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet av==18.1.0 numpy==2.4.6
cd "$place"
cat > clip.py <<'PY'
import sys

import av
import numpy as np

av.logging.set_level(None)
with av.open("a.mp4", "w") as out:
    film = out.add_stream(sys.argv[1], rate=25)
    film.width, film.height, film.pix_fmt = 64, 64, "yuv420p"
    for number in range(3):
        frame = av.VideoFrame.from_ndarray(np.full((96, 64), 128, np.uint8), "yuv420p")
        frame.pts = number
        out.mux(film.encode(frame))
    out.mux(film.encode())
PY
for codec in libx264 libvpx-vp9 libsvtav1; do
    "$place/venv/bin/python" clip.py $codec 2> $codec.txt
    echo "$codec: $(wc -l < $codec.txt) lines"
done
SVT_LOG=1 "$place/venv/bin/python" clip.py libsvtav1 2> quiet.txt
test ! -s libx264.txt
test ! -s libvpx-vp9.txt
grep -q "Svt\[info\]" libsvtav1.txt
! grep -q "Svt\[info\]" quiet.txt
