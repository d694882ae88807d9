"""The Wiener step against its definition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tolerances import assert_averages_equal

from nlmeans.pairwise import Tile
from nlmeans.wiener import naive, wiener, window_sides


@given(
    st.tuples(st.integers(1, 6), st.integers(1, 20), st.integers(1, 40)),
    st.tuples(*[st.integers(0, 3)] * 3),
    st.sampled_from([np.float32, np.float64]),
    st.integers(0, 999),
    st.booleans(),
)
def test_step_equals_naive(sides, origin, dtype, seed, uneven):
    rng = np.random.default_rng(seed)
    noisy, pilot = (rng.normal(2, 1, sides).astype(dtype) for _ in range(2))
    noise = (rng.uniform(0.1, 2, sides) if uneven else np.full(sides, 0.7)).astype(dtype)
    bands = rng.uniform(0, 2, (8, 8)) if uneven else 1.0
    ref = naive.wiener(noisy, pilot, noise, window_sides(sides[0]), bands, origin)
    given = dict(noise=noise[None], bands=bands[None]) if uneven else dict(noise=0.7)
    comp = wiener(noisy[None], pilot[None], **given, origin=origin, threads=2)[0]
    assert comp.dtype == dtype
    assert_averages_equal(ref, comp, dtype)


@pytest.mark.parametrize("sides", [(1, 45, 23), (1, 9, 130), (11, 9, 10)])
def test_tiles_and_threads_change_nothing(sides):
    rng = np.random.default_rng(0)
    noisy, pilot = (rng.normal(0, 1, (2, *sides)) for _ in range(2))
    noise = np.ones((1, *sides))
    whole = wiener(noisy, pilot, noise)
    one, three = (wiener(noisy, pilot, noise, threads=threads, tile=(4, 16, 40)) for threads in (1, 3))
    np.testing.assert_array_equal(one, three)
    np.testing.assert_allclose(one, whole, rtol=0, atol=1e-12)


def test_a_perfect_pilot_leaves_less_than_a_tenth_of_the_noise():
    y, x = np.mgrid[:64, :64]
    clean = 50 * np.sin(x / 9.0) + 30 * np.cos(y / 7.0)
    noisy = clean + np.random.default_rng(1).normal(0, 10, clean.shape)
    done = wiener(noisy[None, None], clean[None, None], 100.0)[0, 0]
    assert np.mean((done - clean) ** 2) < 10


def test_no_noise_keeps_the_image():
    noisy = np.random.default_rng(2).normal(0, 1, (1, 1, 20, 20))
    done = wiener(noisy, noisy, 1e-30)
    np.testing.assert_allclose(done, noisy, atol=1e-9)


def test_a_region_is_what_the_whole_has_there():
    noisy, pilot = np.random.default_rng(0).normal(0, 1, (2, 2, 9, 40, 50)).astype(np.float32)
    region = Tile((2, 5), (11, 30), (3, 41))
    ref, comp = (wiener(noisy, pilot, 0.7, region=asked) for asked in (None, region))
    np.testing.assert_allclose(comp, region.of(ref), rtol=0, atol=1e-5)


@pytest.mark.parametrize("origin", [(1, 2, 3), (2, 4, 5), (1, 3, 8)])
def test_a_piece_with_its_origin_is_what_the_whole_has_there(origin):
    noisy, pilot = np.random.default_rng(0).normal(0, 1, (2, 1, 9, 40, 50))
    ref = wiener(noisy, pilot, 0.7)
    cut = (..., *(slice(first, None) for first in origin))
    comp = wiener(*(np.ascontiguousarray(a[cut]) for a in (noisy, pilot)), 0.7, origin=origin)
    np.testing.assert_allclose(comp[..., 3:, 7:, 7:], ref[cut][..., 3:, 7:, 7:], rtol=0, atol=1e-12)


def test_other_dtypes_and_strides_are_what_they_say():
    noisy, pilot = np.random.default_rng(0).normal(0, 1, (2, 1, 1, 20, 80))
    pilot, noise = pilot.astype(np.float32), np.float32(np.arange(1, 21)[:, None])
    ref = wiener(noisy, pilot.astype(np.float64), (noise * np.ones((1, 1, 20, 80))))
    every, turned = np.repeat(noisy, 2, axis=-1)[..., ::2], np.ascontiguousarray(pilot.swapaxes(2, 3)).swapaxes(2, 3)
    comp = wiener(every, turned, np.broadcast_to(noise, (1, 1, 20, 80)))
    np.testing.assert_array_equal(comp, ref)
