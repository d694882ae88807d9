#!/bin/sh
# zarr 3.1.6: Array.nchunks_initialized takes time and memory for every chunk that the metadata claim, not for those
# that are there.
#
# Guess, before it was tried: it lists the store and counts what it finds, as the documentation's words are ("the number
# of chunks that have been initialized"), so that an empty array is answered at once, whatever its shape.
# Behaviour: the keys of all chunks of the grid are made and looked up in the listing: an array without any chunk takes
# ten times as long for ten times the claimed chunks (seen: 0.5 s for 300,000 and 4.7 s for 3,000,000, and 115 MiB more).
# A zarr.json of a few hundred bytes that claims 10**12 chunks never comes back. Ask shape and chunks first.
set -eu
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet zarr==3.1.6
cd "$place"
"$place/venv/bin/python" - <<'PY'
import time

import zarr

print("zarr", zarr.__version__)
took = []
for count in (20_000, 400_000):
    array = zarr.create_array(f"{count}.zarr", shape=(count,), chunks=(1,), dtype="u1")
    start = time.process_time()
    assert array.nchunks_initialized == 0
    took.append(time.process_time() - start)
    print(f"{count:,} chunks claimed, none there: {took[-1]:.3f} s")
assert took[1] > 5 * took[0], took
PY
