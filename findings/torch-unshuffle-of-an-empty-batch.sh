#!/bin/sh
# torch 2.13.0: F.pixel_unshuffle of an empty batch returns it in the shape that it had, where pixel_shuffle changes it.
#
# Guess, before it was tried: (0, 1, 4, 4) becomes (0, 4, 2, 2), as (1, 1, 4, 4) becomes (1, 4, 2, 2), so that a network
# that begins with it takes an empty batch as its convolutions do.
# Behaviour: (0, 1, 4, 4) stays (0, 1, 4, 4), and the layer behind it refuses the number of channels. The way back,
# F.pixel_shuffle, turns (0, 4, 2, 2) into (0, 1, 4, 4), as it should.
set -eu
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet torch==2.13.0
"$place/venv/bin/python" -W ignore - <<'PY'
import torch
import torch.nn.functional as F

print("torch", torch.__version__)
seen = {}
for count in (1, 0):
    apart = tuple(F.pixel_unshuffle(torch.zeros(count, 1, 4, 4), 2).shape)
    together = tuple(F.pixel_shuffle(torch.zeros(count, 4, 2, 2), 2).shape)
    seen[count] = apart, together
    print(f"batch of {count}: pixel_unshuffle of (1, 4, 4) gives {apart}, pixel_shuffle of (4, 2, 2) gives {together}")
assert seen == {1: ((1, 4, 2, 2), (1, 1, 4, 4)), 0: ((0, 1, 4, 4), (0, 1, 4, 4))}, seen
PY
