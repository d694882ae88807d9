#!/bin/sh
# PyAV 18.1.0: what is said of colours before the first frame is encoded is not written, if a packet of sound was muxed
# before.
#
# Guess, before it was tried: an encoder is opened by the first frame that it gets, so that colours (range, primaries)
# which are set on its context until then are in the file, as set_display_matrix says of itself ("must be called before
# the first frame is encoded").
# Behaviour: the first packet that is muxed, of whatever stream, writes the container's header and opens the encoders of
# all streams. The attributes can be set afterwards, read back as they were set, and the file says "unspecified": full
# range is then shown as limited. Without sound, or set before any packet, they are written.
set -eu
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet av==18.1.0 numpy==2.4.6
cd "$place"
"$place/venv/bin/python" - <<'PY'
import av
import numpy as np

print("PyAV", av.__version__)


def said(sound_first):
    """Write a film with sound; return what was said of its range, and what the file says."""
    with av.open("a.mp4", "w") as out:
        film, sound = out.add_stream("libx264", rate=25), out.add_stream("aac", rate=48000)
        film.width, film.height, film.pix_fmt = 64, 48, "yuv420p"

        def tone():
            for start in range(0, 4096, 1024):
                frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), "f4"), "fltp", "mono")
                frame.sample_rate, frame.pts = 48000, start
                out.mux(sound.encode(frame))

        if sound_first:
            tone()
        film.codec_context.color_range = 2  # full
        before = film.codec_context.color_range
        for number in range(3):
            frame = av.VideoFrame.from_ndarray(np.full((72, 64), 128, np.uint8), "yuv420p")
            frame.pts = number
            out.mux(film.encode(frame))
        if not sound_first:
            tone()
        out.mux(film.encode())
        out.mux(sound.encode())
    with av.open("a.mp4") as given:
        return before, given.streams.video[0].codec_context.color_range


seen = {first: said(first) for first in (False, True)}
print("frames first:", seen[False], "sound first:", seen[True], "(set, in the file; 0: not said, 2: full)")
assert seen == {False: (2, 2), True: (2, 0)}, seen
PY
