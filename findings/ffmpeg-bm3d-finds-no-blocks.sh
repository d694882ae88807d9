#!/bin/sh
# FFmpeg 8.1.2 (PyAV 18.1.0): bm3d leaves noise of sigma 25 as it is when it is told sigma=25.
#
# Guess, before it was tried: sigma is the noise's standard deviation in grey levels of 8 bits, as in the paper and in
# the VapourSynth filter that it was made from; thmse is a mean square, hdthr = 2.7 a multiple of sigma.
# Behaviour: on a smooth picture with noise of sigma 25, bm3d=sigma=25:block=8:group=16 gains less than 1 dB. With
# thmse=1e6 and hdthr=100 at the same sigma it gains more than 6, as if both were sums, of a block and of a transform that
# is not normalised: by the defaults hardly a block matches another and hardly a coefficient vanishes.
set -eu
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet av==18.1.0 numpy==2.3.5
"$place/venv/bin/python" - <<'PY'
from fractions import Fraction

import av
import av.filter
import numpy as np

print("PyAV", av.__version__, "FFmpeg", av.ffmpeg_version_info)
y, x = np.mgrid[:128, :128]
clean = 128 + 60 * np.sin(x / 9) * np.cos(y / 11)
noisy = np.clip(np.rint(clean + np.random.default_rng(0).normal(0, 25, clean.shape)), 0, 255).astype(np.uint8)


def filtered(options):
    """Return the picture as the filter makes it."""
    graph, rate = av.filter.Graph(), Fraction(1, 25)
    nodes = [graph.add_buffer(width=128, height=128, format="gray", time_base=rate)]
    nodes += [graph.add("bm3d", options), graph.add("buffersink")]
    for one, other in zip(nodes, nodes[1:]):
        one.link_to(other)
    graph.configure()
    frame = av.VideoFrame.from_ndarray(noisy, format="gray")
    frame.pts, frame.time_base = 0, rate
    graph.vpush(frame)
    return graph.vpull().to_ndarray()


def psnr(image):
    return 10 * np.log10(255**2 / np.mean((image - clean) ** 2))


before = psnr(noisy)
plain = psnr(filtered("sigma=25:block=8:group=16")) - before
asked = psnr(filtered("sigma=25:block=8:group=16:thmse=1e6:hdthr=100")) - before
print(f"noisy {before:.2f} dB; sigma=25 gains {plain:.2f} dB, with thmse and hdthr {asked:.2f} dB")
assert plain < 1, plain
assert asked > 6, asked
PY
