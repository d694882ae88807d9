"""The one table of tolerances, and comparisons that assert."""

import numpy as np

# Of the values' spread. float32: weights are good to about 1e-4 in the worst case (fixed-point scores of a whole
# patch, all rounded alike), and averages move by that share of the differences between the averaged pixels.
AVERAGE = {np.dtype(np.float32): 1e-4, np.dtype(np.float64): 1e-11}


def assert_averages_equal(ref, comp, dtype):
    """Compare a fast result with the oracle's, relative to the spread of the values."""
    spread = max(float(np.ptp(ref)), float(np.abs(ref).max()), np.finfo(dtype).tiny)
    error = float(np.abs(ref - comp.astype(np.float64)).max()) / spread
    assert error <= AVERAGE[np.dtype(dtype)], f"error {error:.2e} of the spread"
