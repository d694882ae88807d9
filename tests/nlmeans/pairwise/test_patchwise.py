"""Patchwise averaging against its definition."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from specs import jobs
from tolerances import assert_averages_equal

from nlmeans.pairwise import PairwiseSpec, naive, pairwise_average


@given(jobs())
def test_average_equals_naive(job):
    features, values, spec = job
    spec = dataclasses.replace(spec, aggregation="patch")
    ref = naive.patchwise_average(features, values, spec)
    comp = pairwise_average(features, values, spec, threads=2)
    assert_averages_equal(ref, comp, values.dtype)


@pytest.mark.parametrize("guided", [False, True])
@pytest.mark.parametrize(
    ("sides", "patch", "search"),
    [
        ((1, 45, 23), (0, 2, 1), (0, 3, 4)),  # tiles of rows
        ((1, 9, 310), (0, 1, 2), (0, 2, 4)),  # tiles of columns
        ((40, 8, 7), (1, 1, 1), (2, 1, 2)),  # tiles of slices
        ((1, 4, 3), (0, 3, 2), (0, 3, 2)),  # patches larger than the image
    ],
)
def test_tiles_equal_naive(sides, patch, search, guided):
    rng = np.random.default_rng(0)
    values = rng.normal(0, 1, (1, *sides))
    features = rng.normal(0, 1, (2, *sides)) if guided else values
    spec = PairwiseSpec(patch, search, 0.1, 5.0, "max", aggregation="patch")
    ref = naive.patchwise_average(features, values, spec)
    for threads in (1, 3):
        comp = pairwise_average(features, values, spec, threads=threads, tile=(16, 20, 100))
        assert_averages_equal(ref, comp, np.float64)


def test_a_patch_of_one_pixel_is_pixelwise():
    values = np.random.default_rng(1).normal(0, 1, (1, 1, 30, 40)).astype(np.float32)
    spec = PairwiseSpec((0, 0, 0), (0, 3, 3), 0.5)
    patchwise = pairwise_average(values, values, dataclasses.replace(spec, aggregation="patch"))
    np.testing.assert_allclose(patchwise, pairwise_average(values, values, spec), rtol=0, atol=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nothing_is_made_of_what_running_sums_leave_behind(dtype):
    values = np.random.default_rng(0).normal(100, 10, (1, 1, 30, 30)).astype(dtype)
    values[..., 12:, 10:] = np.nan
    spec = PairwiseSpec((0, 1, 1), (0, 5, 5), 1 / (0.36 * 9 * 100), 2.0 * 9 * 100, aggregation="patch")
    comp = pairwise_average(values, values, spec, missing=True)
    assert 60 < np.nanmin(comp) < np.nanmax(comp) < 140
    assert np.isnan(comp[..., 20:, 18:]).all()


def test_a_chunk_with_its_halo_equals_the_whole():
    values = np.random.default_rng(2).normal(0, 1, (1, 1, 90, 80)).astype(np.float32)
    spec = PairwiseSpec((0, 2, 1), (0, 4, 3), 0.1, 5.0, aggregation="patch")
    _, hy, hx = spec.halo
    assert (hy, hx) == (8, 5)
    whole = pairwise_average(values, values, spec)
    chunk = np.ascontiguousarray(values[..., 30 - hy : 60 + hy, 25 - hx : 50 + hx])
    part = pairwise_average(chunk, chunk, spec)[..., hy:-hy, hx:-hx]
    np.testing.assert_allclose(part, whole[..., 30:60, 25:50], rtol=0, atol=3e-6)
