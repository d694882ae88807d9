"""Square blocks of a matrix: their operations against NumPy's."""

import numpy as np
import pytest

from nlmeans.simd.blocks import (
    add_product,
    set_product,
    sweep_block,
    transpose_anywhere,
    transpose_block,
    transpose_eights,
)
from nlmeans.simd.jit import kernel
from nlmeans.simd.lanes import address
from nlmeans.simd.sizes import aligned, lanes


@kernel
def products(a, b, count, row, fresh, added):
    set_product(address(fresh), 0, row, address(a), 0, row, address(b), 0, row, count)
    add_product(address(added), 0, row, address(a), 0, row, address(b), 0, row, count)


@kernel
def sweep(a, row):
    sweep_block(address(a), 0, row)


@kernel
def transpose(a, b, row):
    transpose_block(address(a), 0, row, address(b), 0, row)


@kernel
def transpose_off(a, b, row):
    transpose_anywhere(address(a), 1, row + 1, address(b), 3, row)


@kernel
def transpose_few(a, b, row):
    transpose_eights(address(a), 1, row + 1, address(b), 3, row)


def matrix(rows, dtype, seed):
    """A matrix whose rows are two vectors, of which a block is the first."""
    flat = aligned(2 * rows, dtype)
    flat[:] = np.random.default_rng(seed).normal(size=flat.size)
    return flat, flat.reshape(rows, -1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("count", [0, 1, 37])
def test_products(dtype, count):
    side, near = lanes(dtype), 100 * np.finfo(dtype).eps
    (a, left), (b, right) = matrix(37, dtype, 0), matrix(37, dtype, 1)
    (fresh, new), (added, sums) = matrix(side, dtype, 2), matrix(side, dtype, 3)
    beyond, before = new[:, side:].copy(), sums.copy()
    products(a, b, count, 2 * side, fresh, added)
    ref = left[:count, :side].T @ right[:count, :side]
    np.testing.assert_allclose(new[:, :side], ref, atol=near * 10)
    np.testing.assert_allclose(sums[:, :side], before[:, :side] + ref, atol=near * 10)
    np.testing.assert_array_equal(new[:, side:], beyond)
    np.testing.assert_array_equal(sums[:, side:], before[:, side:])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sweeping_gives_minus_the_inverse(dtype):
    side = lanes(dtype)
    a, block = matrix(side, dtype, 0)
    block[:, :side] = block @ block.T + np.eye(side)
    before = block.astype(np.float64)
    sweep(a, 2 * side)
    np.testing.assert_allclose(block[:, :side], -np.linalg.inv(before[:, :side]), atol=1e4 * np.finfo(dtype).eps)
    np.testing.assert_array_equal(block[:, side:], before[:, side:].astype(dtype))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_transposing(dtype):
    side = lanes(dtype)
    (a, block), (b, turned) = matrix(side, dtype, 0), matrix(side, dtype, 1)
    transpose(a, b, 2 * side)
    np.testing.assert_array_equal(turned[:, :side], block[:, :side].T)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_transposing_from_anywhere_to_anywhere(dtype):
    side = lanes(dtype)
    (a, _), (b, _) = matrix(side + 1, dtype, 0), matrix(side + 1, dtype, 1)
    row = 2 * side
    transpose_off(a, b, row)
    rows, turned = a[1 : 1 + side * (row + 1)].reshape(side, -1), b[3 : 3 + side * row].reshape(side, -1)
    np.testing.assert_array_equal(turned[:, :side], rows[:, :side].T)


@pytest.mark.parametrize("dtype", [np.int16, np.float32])
def test_transposing_eight_rows_of_eight(dtype):
    a, b, row = np.arange(200).astype(dtype), np.zeros(200, dtype), 20
    transpose_few(a, b, row)
    rows, turned = a[1 : 1 + 8 * (row + 1)].reshape(8, -1), b[3 : 3 + 8 * row].reshape(8, -1)
    np.testing.assert_array_equal(turned[:, :8], rows[:, :8].T)
    turned[:, :8] = 0
    assert not b.any()
