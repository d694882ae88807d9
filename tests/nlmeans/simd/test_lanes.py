"""The vector type: its operations against NumPy's."""

import numpy as np
import pytest

from nlmeans.simd import sizes
from nlmeans.simd.jit import kernel, row
from nlmeans.simd.lanes import (
    address,
    exp2_fixed,
    fill,
    larger,
    load,
    reciprocal,
    smaller,
    store,
    to_next_lane,
    to_previous_lane,
)


@row
def _arithmetic(a, b, out):
    x, y = load(a, 0), load(b, 0)
    store(out, 0, x + y)
    store(out, 1, x - y)
    store(out, 2, x * y)
    store(out, 3, x / y)
    store(out, 4, smaller(x, y))
    store(out, 5, larger(x, y))
    store(out, 6, to_next_lane(x))
    store(out, 7, to_previous_lane(x))


@kernel
def arithmetic(a, b, out):
    _arithmetic(address(a), address(b), address(out))


@kernel
def powers(x, shift, end, out, count):
    source, target = address(x), address(out)
    for k in range(count):
        store(target, k, exp2_fixed(load(source, k), fill(shift), fill(end)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_operations(dtype):
    count = sizes.lanes(dtype)
    a, b, out = sizes.aligned(1, dtype), sizes.aligned(1, dtype), sizes.aligned(8, dtype)
    rng = np.random.default_rng(0)
    a[:], b[:] = rng.normal(size=count), rng.normal(size=count)
    arithmetic(a, b, out)
    ref = [a + b, a - b, a * b, a / b, np.minimum(a, b), np.maximum(a, b), np.r_[0, a[:-1]], np.r_[a[1:], 0]]
    np.testing.assert_array_equal(out.reshape(8, count), np.array(ref, dtype))


@kernel
def inverted(a, out):
    store(address(out), 0, reciprocal(load(address(a), 0)))


@pytest.mark.parametrize(("dtype", "error"), [(np.float32, 2.0**-14), (np.float64, 0)])
def test_reciprocals_keep_their_error_bound(dtype, error):
    count = sizes.lanes(dtype)
    a, out = sizes.aligned(1, dtype), sizes.aligned(1, dtype)
    for scale in (1e-30, 1, 1e30):
        a[:] = scale * np.random.default_rng(0).uniform(-9, 9, count)
        inverted(a, out)
        np.testing.assert_allclose(out, 1 / a, rtol=error)
    a[:2] = 0, np.inf
    inverted(a, out)
    np.testing.assert_array_equal(out[:2], [np.inf, 0])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_choices_take_the_second_beside_nan(dtype):
    count = sizes.lanes(dtype)
    a, b, out = sizes.aligned(1, dtype), sizes.aligned(1, dtype), sizes.aligned(8, dtype)
    a[:], b[:] = np.nan, 1
    arithmetic(a, b, out)
    assert (out.reshape(8, count)[4:6] == 1).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("places", [3, 16])
def test_power_keeps_its_error_bound_and_ends_at_zero(dtype, places):
    whole = np.dtype(f"i{np.dtype(dtype).itemsize}").type
    count, steps = sizes.lanes(dtype), 34 << places
    vectors = -(-steps // count)
    x, out = sizes.aligned(vectors, whole), sizes.aligned(vectors, dtype)
    x[:] = np.arange(x.size)
    end = 32 << places
    powers(x, whole(sizes.MANTISSA[np.dtype(dtype)] - places), whole(end), out, vectors)
    assert (out[end:] == 0).all()
    ref = np.exp2(-(x[:end] / np.longdouble(2**places)))
    assert np.abs(out[:end] / ref - 1).max() < sizes.EXP2_ERROR[np.dtype(dtype)]
    assert (np.diff(out[:end]) <= 0).all()
