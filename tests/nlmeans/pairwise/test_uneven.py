"""Missing pixels and noise that differs from place to place, against the definition."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from specs import jobs
from tolerances import AVERAGE, assert_averages_equal

from nlmeans.pairwise import PairwiseSpec, naive, pairwise_average
from nlmeans.pairwise.run import RESIDUE

ORACLES = {
    "pixel": lambda f, v, s, n, least=0.0: naive.pairwise_average(f, f, v, s, n),
    "patch": naive.patchwise_average,
}


def punched(array, rng, share):
    """Return a copy with pixels missing in all channels."""
    holes = rng.random(array.shape[1:]) < share
    return np.where(holes, np.nan, array).astype(array.dtype)


@given(
    jobs(),
    st.sampled_from(["pixel", "patch"]),
    st.integers(0, 99),
    st.sampled_from([0.0, 0.1, 0.5, 0.95]),
    st.booleans(),
)
def test_average_equals_naive(job, aggregation, seed, share, uneven):
    features, values, spec = job
    rng = np.random.default_rng(seed)
    same = features is values
    values = punched(values, rng, share)
    features = values if same else punched(features, rng, share / 2)
    variance = rng.uniform(0.3, 3, (1, *values.shape[1:])).astype(values.dtype) if uneven else None
    spec = dataclasses.replace(spec, aggregation=aggregation)
    comp = pairwise_average(features, values, spec, variance=variance, missing=True, threads=2)
    least = RESIDUE * np.finfo(values.dtype).eps ** 0.5
    half, twice, ref = (ORACLES[aggregation](features, values, spec, variance, k * least) for k in (0.5, 2, 100))
    clear = np.isnan(half) == np.isnan(twice)  # next to the least share, rounding decides
    np.testing.assert_array_equal(np.isnan(twice)[clear], np.isnan(comp)[clear])
    valid = np.isfinite(ref)  # and takes digits from what has little more
    if valid.any():
        assert_averages_equal(ref[valid], comp[valid], values.dtype)


@pytest.mark.parametrize("aggregation", ["pixel", "patch"])
def test_tiles_equal_naive(aggregation):
    rng = np.random.default_rng(0)
    values = punched(rng.normal(0, 1, (2, 3, 25, 50)), rng, 0.2)
    variance = rng.uniform(0.5, 2, (1, 3, 25, 50))
    spec = PairwiseSpec((1, 1, 2), (1, 3, 4), 0.1, 5.0, aggregation=aggregation)
    ref = ORACLES[aggregation](values, values, spec, variance)
    for threads in (1, 3):
        comp = pairwise_average(
            values, values, spec, variance=variance, missing=True, threads=threads, tile=(16, 12, 24)
        )
        assert_averages_equal(ref, comp, np.float64)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nothing_missing_and_even_noise_change_nothing(dtype):
    values = np.random.default_rng(1).normal(0, 1, (1, 1, 60, 70)).astype(dtype)
    spec = PairwiseSpec((0, 2, 2), (0, 5, 5), 0.1, 10.0)
    plain = pairwise_average(values, values, spec)
    same = pairwise_average(values, values, spec, variance=np.ones_like(values), missing=True)
    np.testing.assert_allclose(same, plain, rtol=0, atol=AVERAGE[np.dtype(dtype)])


def test_a_missing_pixel_changes_only_what_it_took_part_in():
    values = np.random.default_rng(2).normal(0, 1, (1, 1, 60, 60)).astype(np.float32)
    spec = PairwiseSpec((0, 1, 1), (0, 4, 4), 0.1, 10.0)
    whole = pairwise_average(values, values, spec, missing=True)
    values[0, 0, 30, 30] = np.nan
    less = pairwise_average(values, values, spec, missing=True)
    changed = np.argwhere(whole[0, 0] != less[0, 0])
    assert np.abs(changed - 30).max() <= 5
    assert np.isfinite(less).all()


def test_a_wide_range_of_noise_is_exact_enough():
    rng = np.random.default_rng(3)
    sigma = np.geomspace(1, 50, 64)[None, None, None, :] * np.ones((1, 1, 40, 64))
    values = rng.normal(0, sigma).astype(np.float32)
    spec = PairwiseSpec((0, 2, 2), (0, 4, 4), 1 / (25 * 0.36), 50.0)
    ref = naive.pairwise_average(values, values, values, spec, sigma**2)
    comp = pairwise_average(values, values, spec, variance=sigma.astype(np.float32) ** 2)
    assert np.abs(ref - comp).max(where=sigma > 0, initial=0) < 0.01
    assert (np.abs(ref - comp) / sigma).max() < 0.01
