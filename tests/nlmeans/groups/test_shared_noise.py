"""Groups of patches that share noise, against the definition in NumPy, and what knowing of it is worth."""

import numpy as np
import pytest
from scipy.signal import correlate
from tolerances import assert_averages_equal

from nlmeans.groups import GroupSpec, Step, group_step, naive

SPEC = GroupSpec((1, 5, 6), 12, (1, 4, 3), (0, 6, 7))


def lags_of(*kernels):
    """Return the covariances of white noise that was convolved with each kernel."""
    return np.stack([correlate(kernel, kernel) / np.square(kernel).sum() for kernel in kernels])


@pytest.mark.parametrize("second", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("sides", [(1, 23, 31), (2, 12, 14)])
def test_step_equals_naive(sides, dtype, second):
    rng = np.random.default_rng(sum(sides))
    noisy, pilot = rng.normal(3, 2, (2, 2, *sides)).astype(dtype)
    shared = lags_of(np.ones((3, 7)), rng.normal(size=(3, 7)))
    guide = pilot if second else noisy
    ref = naive.step(guide, noisy, pilot if second else None, SPEC, shared=shared)
    comp = group_step(guide, noisy, pilot if second else None, SPEC, shared=shared, threads=2)
    assert comp.dtype == dtype
    assert_averages_equal(ref, comp, dtype)


def test_white_noise_is_independent_noise():
    noisy = np.random.default_rng(0).normal(3, 1, (1, 1, 30, 30))
    white = group_step(noisy, noisy, noisy, SPEC, shared=np.ones((1, 1, 1)))
    np.testing.assert_allclose(white, group_step(noisy, noisy, noisy, SPEC), atol=2e-3)


def test_weights_are_the_best_that_sum_to_1():
    rng = np.random.default_rng(1)
    clean, spread = rng.normal(size=(30, 9)), rng.normal(size=(9, 9))
    noise = spread @ spread.T

    def risk(weights):
        return np.square(clean @ weights - clean).sum() + np.einsum("ik,ij,jk->", weights, noise, weights)

    _, weights, _ = naive.combine_shared(clean, clean, noise)
    np.testing.assert_allclose(weights.sum(0), 1)
    for _ in range(20):
        other = rng.normal(size=(9, 9))
        assert risk(weights) < risk(weights + 1e-3 * (other - other.mean(0)))


def test_lags_beyond_a_window_are_left_out():
    noisy = np.random.default_rng(2).normal(size=(1, 1, 24, 24))
    wide = lags_of(np.ones((1, 60)))
    step = Step(noisy, noisy, None, SPEC, shared=wide)
    assert step.table.shape == (1, 4 * 6 + 1, 4 * 7 + 1)
    np.testing.assert_allclose(step.table[0, 12, :14], 5 * 6 * wide[0, 0, 59 - 14 : 59])
    assert not step.table[0, :12].any()
