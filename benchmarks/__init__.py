"""Benchmarks: answers are checked, then time is taken, for this library and for what one would use instead."""

import os

# scikit-image asks this while it is imported: a peer must never be this library behind a dispatcher.
os.environ["SKIMAGE_NO_DISPATCHING"] = "1"
