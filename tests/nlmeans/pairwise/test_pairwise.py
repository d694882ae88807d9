"""The kernels against `naive`: random shapes, radii, dtypes, borders, tiles, threads and dynamic ranges."""

import dataclasses
import math
import threading
from functools import cache

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from specs import jobs, nlm_spec
from tolerances import assert_averages_equal

from nlmeans.pairwise import VANISH, PairwiseSpec, Tile, naive, pairwise_average


@given(jobs(), st.integers(1, 4))
def test_average_equals_naive(job, threads):
    features, values, spec = job
    ref = naive.pairwise_average(features, features, values, spec)
    comp = pairwise_average(features, values, spec, threads=threads)
    assert comp.dtype == values.dtype
    assert_averages_equal(ref, comp, values.dtype)


@cache
def by_definition(sides, patch, search):
    """Return values that float32 holds, and their averages."""
    values = np.random.default_rng(1).normal(0, 1, (1, *sides)).astype(np.float32).astype(np.float64)
    return values, naive.pairwise_average(values, values, values, nlm_spec(1, patch, search))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("sides", "patch", "search"),
    [
        ((1, 150, 33), (0, 2, 2), (0, 4, 5)),  # several tiles of rows
        ((1, 6, 700), (0, 1, 2), (0, 2, 7)),  # several tiles of columns
        ((36, 24, 7), (1, 1, 1), (2, 2, 2)),  # tiles of slices and rows
        ((1, 70, 40), (0, 1, 1), (0, 69, 39)),  # the whole image
        ((1, 9, 5), (0, 6, 7), (0, 3, 3)),  # patches larger than the image
    ],
)
def test_tiles_equal_naive(dtype, sides, patch, search):
    exact, ref = by_definition(sides, patch, search)
    values, spec = exact.astype(dtype), nlm_spec(1, patch, search)
    assert_averages_equal(ref, pairwise_average(values, values, spec, threads=3, tile=(16, 20, 300)), dtype)


@pytest.mark.parametrize("radius", [1, 3])
@pytest.mark.parametrize("peak", [1e2, 1e3, 1e4, 6e4])
def test_high_dynamic_range(peak, radius):
    """A highlight must leave nothing behind, beyond the last bit of its own float32."""
    rng = np.random.default_rng(2)
    clean = np.full((1, 1, 40, 48), 10.0)
    clean[..., 5:9, 7:20] = peak
    clean[..., 20, ::7] = peak / 3
    values = (clean + rng.normal(0, 1, clean.shape)).astype(np.float32)
    spec = nlm_spec(1, (0, radius, radius), (0, 5, 5))
    ref = naive.pairwise_average(values, values, values, spec)
    comp = pairwise_average(values, values, spec)
    dark = clean == 10
    ulp = np.finfo(np.float32).eps * peak
    assert np.abs(ref - comp)[dark].max() < 2e-5 + ulp / 2
    assert np.abs(ref - comp).max() < 2e-5 + 4 * ulp
    # Away from any patch that holds a highlight, nothing is left at all.
    far = np.s_[..., 30:, :]
    assert np.abs(ref - comp)[far].max() < 2e-5


@pytest.mark.parametrize("unit", [1e-36, 1e-20, 1e20, 1e34])
def test_near_the_limits_of_float32(unit):
    values = (np.random.default_rng(3).normal(100, 1, (1, 1, 24, 30)) * unit).astype(np.float32)
    spec = nlm_spec(1, (0, 1, 1), (0, 3, 3), sigma=unit)
    comp = pairwise_average(values, values, spec)
    guided = pairwise_average(values, values.copy(), spec)
    ref = naive.pairwise_average(values, values, values, spec)
    np.testing.assert_allclose(comp, ref, rtol=2e-5)
    np.testing.assert_allclose(guided, ref, rtol=2e-5)


@given(st.sampled_from([0.05, 0.4, 2.0]), st.sampled_from([0.0, 1.0]), st.integers(0, 100))
@example(0.001, 1.0, 0)
def test_strength_from_a_step_to_a_wide_decay(strength, bias, seed):
    values = np.random.default_rng(seed).normal(0, 1, (1, 1, 12, 17)).astype(np.float32)
    spec = nlm_spec(1, (0, 1, 1), (0, 3, 3), strength=strength)
    spec = dataclasses.replace(spec, bias=spec.bias * bias)
    ref, comp = naive.pairwise_average(values, values, values, spec), pairwise_average(values, values, spec)
    # A steep decay amplifies the features' own rounding: d² is good to about 1e-7 of itself.
    slack = 1e-4 + 2e-6 / strength**2
    assert np.median(np.abs(ref - comp)) < slack


def test_threads_and_repeats_give_the_same_bits():
    values = np.random.default_rng(4).normal(0, 1, (2, 1, 300, 90)).astype(np.float32)
    spec = nlm_spec(2, (0, 1, 1), (0, 4, 4))
    first = pairwise_average(values, values, spec, threads=1)
    for threads in (1, 2, 3, 4, 7):
        assert np.array_equal(first, pairwise_average(values, values, spec, threads=threads))


@given(st.integers(20, 60), st.integers(20, 60))
def test_a_chunk_with_its_halo_equals_the_whole(top, left):
    values = np.random.default_rng(5).normal(0, 1, (1, 1, 120, 110)).astype(np.float32)
    spec = nlm_spec(1, (0, 2, 1), (0, 4, 3))
    _, hy, hx = spec.halo
    whole = pairwise_average(values, values, spec)
    cut = (..., slice(top - hy, top + 30 + hy), slice(left - hx, left + 30 + hx))
    chunk = np.ascontiguousarray(values[cut])
    part = pairwise_average(chunk, chunk, spec)[..., hy:-hy, hx:-hx]
    np.testing.assert_allclose(part, whole[..., top : top + 30, left : left + 30], rtol=0, atol=2e-6)


@given(st.integers(0, 4), st.integers(0, 50), st.integers(0, 40), st.sampled_from(["pixel", "patch"]), st.booleans())
def test_a_region_is_what_the_whole_has_there(z, y, x, aggregation, missing):
    values = np.random.default_rng(5).normal(0, 1, (2, 6, 60, 50)).astype(np.float32)
    if missing:
        values[:, 3, 20:30, 20:25] = np.nan
    spec = dataclasses.replace(nlm_spec(2, (1, 2, 1), (1, 4, 3)), aggregation=aggregation)
    region = Tile((z, z + 2), (y, min(y + 15, 60)), (x, min(x + 9, 50)))
    ref = pairwise_average(values, values, spec, missing=missing)
    comp = pairwise_average(values, values, spec, missing=missing, region=region)
    np.testing.assert_allclose(comp, region.of(ref), rtol=0, atol=3e-6)


@pytest.mark.parametrize("centre", ["max", "zero"])
def test_a_pixel_without_any_likeness_keeps_its_value(centre):
    values = np.random.default_rng(6).normal(0, 1, (1, 1, 15, 15)).astype(np.float32)
    values[0, 0, 7, 7] = 1e6 / 3
    spec = nlm_spec(1, (0, 1, 1), (0, 3, 3), centre=centre)
    comp = pairwise_average(values, values, spec)
    assert comp[0, 0, 7, 7] == values[0, 0, 7, 7]
    assert_averages_equal(naive.pairwise_average(values, values, values, spec), comp, np.float32)


def test_an_average_stays_between_its_pixels():
    values = np.random.default_rng(7).uniform(3, 5, (1, 1, 40, 40)).astype(np.float32)
    comp = pairwise_average(values, values, nlm_spec(1, (0, 1, 1), (0, 5, 5), strength=5))
    assert values.min() <= comp.min() <= comp.max() <= values.max()
    assert comp.std() < 0.3 * values.std()


def test_gains_scale_the_features_only():
    values = np.random.default_rng(8).normal(0, 1, (2, 1, 20, 20))
    spec = nlm_spec(2, (0, 1, 1), (0, 3, 3))
    features = values * np.array([2.0, 0.5]).reshape(2, 1, 1, 1)
    ref = naive.pairwise_average(features, features, values, spec)
    assert_averages_equal(ref, pairwise_average(values, values, spec, gains=[2.0, 0.5]), np.float64)


def test_weights_vanish_where_the_spec_says():
    """Two levels whose only score is known: just above the bound they mix, just below they do not."""
    values = np.zeros((1, 1, 1, 16), np.float32)
    values[..., 8:] = 1
    end = -math.log(VANISH)
    mixed = pairwise_average(values, values, PairwiseSpec((0, 0, 0), (0, 0, 15), end * 0.999, 0.0, "zero"))
    apart = pairwise_average(values, values, PairwiseSpec((0, 0, 0), (0, 0, 15), end * 1.001, 0.0, "zero"))
    assert 0 < mixed[0, 0, 0, 0] < 1e-8
    assert apart[0, 0, 0, 0] == 0


def test_progress_counts_up_and_can_stop_the_work():
    values = np.zeros((1, 1, 400, 20), np.float32)
    spec, seen = nlm_spec(1, (0, 1, 1), (0, 2, 2)), []
    for threads in (1, 2):
        seen.clear()
        pairwise_average(values, values, spec, threads=threads, progress=lambda *a: seen.append(a))
        assert [total for _, total in seen] == [seen[0][1]] * len(seen)
        assert [done for done, _ in seen][-1] == seen[0][1]
        assert [done for done, _ in seen] == sorted(done for done, _ in seen)

        def stop(done, total):
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            pairwise_average(values, values, spec, threads=threads, progress=stop)
        assert not [t for t in threading.enumerate() if t.name.startswith("nlmeans")]


def test_calls_from_several_threads_agree():
    values = np.random.default_rng(9).normal(0, 1, (1, 1, 90, 60)).astype(np.float32)
    spec, results = nlm_spec(1, (0, 1, 1), (0, 3, 3)), [None] * 4

    def work(k):
        results[k] = pairwise_average(values, values, spec, threads=2)

    workers = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert all(np.array_equal(results[0], r) for r in results)
