"""Half-size images against their definition, whole and in parts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlmeans.pairwise.tiles import Tile, whole
from nlmeans.pixels.halves import doubled, halved, halved_sides, halved_tile, origin_of

SIDES = st.integers(1, 9)


def defined(planes):
    """Means of what is known in the squares of the image's grid."""
    height, width = halved_sides(planes.shape[1:])[1:]
    result = np.full((*planes.shape[:2], height, width), np.nan)
    for y in range(height):
        for x in range(width):
            square = planes[:, :, 2 * y : 2 * y + 2, 2 * x : 2 * x + 2].reshape(*planes.shape[:2], -1)
            known = np.isfinite(square)
            total = np.where(known, square, 0).sum(-1)
            count = known.sum(-1)
            result[:, :, y, x] = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return result


@given(SIDES, SIDES, st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.3, 1.0]))
def test_means_of_squares(height, width, seed, holes):
    rng = np.random.default_rng(seed)
    planes = rng.normal(100, 10, (2, 2, height, width))
    planes[rng.random(planes.shape) < holes] = np.nan
    np.testing.assert_allclose(halved(planes), defined(planes), rtol=1e-12)


@given(st.integers(8, 20), st.integers(8, 20), st.integers(0, 3), st.integers(0, 3), st.integers(0, 3), st.data())
def test_parts_are_those_of_the_whole(height, width, top, left, short, data):
    """Away from its cut edges a part has the half-size pixels of the whole, and what is interpolated from them."""
    planes = np.random.default_rng(height * width).normal(0, 1, (1, 1, height, width))
    origin = (0, top, left)
    part = planes[:, :, top : height - short, left:]
    half, coarse = halved(planes), halved(part, origin)
    first = origin_of(origin)
    inside = halved(planes)[:, :, first[1] : first[1] + coarse.shape[2], first[2] : first[2] + coarse.shape[3]]
    edge_y, edge_x = 1 if top % 2 else 0, 1 if left % 2 else 0
    last = coarse.shape[2] - (1 if (height - short) % 2 and short else 0)
    np.testing.assert_array_equal(coarse[:, :, edge_y:last, edge_x:], inside[:, :, edge_y:last, edge_x:])

    y = sorted(data.draw(st.lists(st.integers(0, height), min_size=2, max_size=2, unique=True)))
    x = sorted(data.draw(st.lists(st.integers(0, width), min_size=2, max_size=2, unique=True)))
    tile = Tile((0, 1), tuple(y), tuple(x))
    of = halved_tile(tile, (0, 0, 0), half.shape[1:])
    all_of_it = doubled(half, whole(half.shape[1:]), whole(planes.shape[1:]))
    np.testing.assert_array_equal(doubled(of.of(half), of, tile), tile.of(all_of_it))


@pytest.mark.parametrize("shape", [(6, 8), (7, 9), (1, 5)])
def test_what_is_even_or_a_ramp_stays_so(shape):
    flat = np.full((1, 1, *shape), 7.0)
    np.testing.assert_allclose(doubled(halved(flat), whole(halved(flat).shape[1:]), whole(flat.shape[1:])), flat)
    rows, columns = 24, 24
    ramp = np.add.outer(np.arange(rows), 2.0 * np.arange(columns))[None, None]
    half = halved(ramp)
    back = doubled(half, whole(half.shape[1:]), whole(ramp.shape[1:]))
    np.testing.assert_allclose(back[..., 4:-4, 4:-4], ramp[..., 4:-4, 4:-4])
