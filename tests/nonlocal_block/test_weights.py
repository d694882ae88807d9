"""The weights of one pixel: applied to the values, they are what `naive` computes."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlmeans.pairwise import PairwiseSpec, naive, pixel_weights


@st.composite
def jobs(draw):
    flat = draw(st.booleans())
    sides = (1 if flat else draw(st.integers(1, 4)), draw(st.integers(1, 7)), draw(st.integers(1, 9)))
    patch = (0 if flat else draw(st.integers(0, 1)), draw(st.integers(0, 2)), draw(st.integers(0, 2)))
    search = (0 if flat else draw(st.integers(0, 2)), draw(st.integers(0, 4)), draw(st.integers(0, 5)))
    channels = draw(st.integers(1, 2))
    size = channels * PairwiseSpec(patch, search, 1.0).patch_size
    spec = PairwiseSpec(
        patch,
        search,
        draw(st.sampled_from([0.2, 1.0, 30.0])) / size,
        draw(st.sampled_from([0.0, 1.5])) * size,
        draw(st.sampled_from(["max", "one", "zero"])),
        aggregation=draw(st.sampled_from(["pixel", "patch"])),
    )
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    at = tuple(draw(st.integers(0, side - 1)) for side in sides)
    return rng.normal(0, 1, (channels, *sides)), spec, at, rng


@given(jobs())
def test_weights_reproduce_naive(job):
    features, spec, at, rng = job
    values = rng.normal(0, 1, (2, *features.shape[1:]))
    if spec.aggregation == "pixel":
        ref = naive.pairwise_average(features, features, values, spec)
    else:
        ref = naive.patchwise_average(features, values, spec)
    weights = pixel_weights(features, spec, at)
    assert weights.shape == features.shape[1:]
    assert weights.sum() == pytest.approx(1)
    assert weights.min() >= 0
    np.testing.assert_allclose((values * weights).sum((1, 2, 3)), ref[:, *at], rtol=0, atol=1e-12)


@given(jobs())
def test_everything_valid_and_of_variance_one_changes_nothing(job):
    features, spec, at, _ = job
    ones = np.ones(features.shape[1:])
    plain = pixel_weights(features, spec, at)
    np.testing.assert_allclose(pixel_weights(features, spec, at, valid=ones > 0, variance=ones), plain, atol=1e-12)


@given(jobs(), st.sampled_from([0.0, 0.3, 0.8]))
def test_missing_pixels_and_uneven_noise_by_the_letter(job, missing):
    features, spec, at, rng = job
    valid = rng.random(features.shape[1:]) >= missing
    variance = rng.uniform(0.5, 4, valid.shape)
    ref = by_the_letter(features, spec, at, valid, variance)
    comp = pixel_weights(np.where(valid, features, np.nan), spec, at, valid=valid, variance=variance)
    np.testing.assert_allclose(comp, ref, rtol=0, atol=1e-12)


def by_the_letter(features, spec, at, valid, variance):
    """Each sentence of the definition as a line, over dictionaries of pixels."""
    sides = valid.shape
    radii = spec.patch_radius

    def mirrored(place):
        period = [max(2 * (side - 1), 1) for side in sides]
        return tuple(min(p % n, n - p % n) if side > 1 else 0 for p, n, side in zip(place, period, sides, strict=True))

    def plus(place, offset):
        return tuple(p + k for p, k in zip(place, offset, strict=True))

    pixels = list(np.ndindex(*sides))
    patch = list(product(*(range(-r, r + 1) for r in radii)))
    mean = {i: np.mean([variance[mirrored(plus(i, k))] for k in patch]) for i in pixels}

    def near(i):
        return [j for j in pixels if all(abs(a - b) <= r for a, b, r in zip(i, j, spec.window, strict=True))]

    def weight(i, j):
        pairs = [(mirrored(plus(i, k)), mirrored(plus(j, k))) for k in patch]
        squares = [((features[:, *a] - features[:, *b]) ** 2).sum() for a, b in pairs if valid[a] and valid[b]]
        if not squares:
            return 0.0
        score = np.sum(squares) * len(patch) / len(squares) * 2 / (mean[i] + mean[j])
        return float(naive.weights(np.array([score]), spec)[0])

    def shares(i, candidates):
        f = {j: weight(i, j) for j in candidates if j != i}
        if i in candidates:
            f[i] = {"max": max(f.values(), default=0.0), "one": 1.0, "zero": 0.0}[spec.centre]
            if not sum(f.values()):
                f[i] = 1.0
        total = sum(f.values())
        return {j: w / total for j, w in f.items()} if total else f

    output = np.zeros(sides)
    if spec.aggregation == "pixel":
        for j, w in shares(at, [j for j in near(at) if valid[j]]).items():
            output[j] = w
    else:
        for k in patch:
            i = plus(at, [-n for n in k])
            if i in pixels:
                for j, w in shares(i, near(i)).items():
                    output[mirrored(plus(j, k))] += w
    output *= valid
    if not output.any():
        for j in near(at):
            output[j] = valid[j]
    if not output.any():
        output[at] = 1
    return output / output.sum()


@pytest.mark.parametrize("aggregation", ["pixel", "patch"])
def test_no_radius_means_every_pixel(aggregation):
    features = np.random.default_rng(0).normal(0, 1, (1, 1, 6, 7))
    wide, every = (PairwiseSpec((0, 1, 1), r, 0.1, aggregation=aggregation) for r in ((0, 9, 9), None))
    np.testing.assert_array_equal(pixel_weights(features, every, (0, 2, 6)), pixel_weights(features, wide, (0, 2, 6)))


def test_refusals():
    features = np.zeros((1, 1, 4, 5))
    dots = PairwiseSpec((0, 1, 1), (0, 2, 2), 1.0, centre="one", score="dot", weight="exp")
    with pytest.raises(ValueError, match="gaussian"):
        pixel_weights(features, dots, (0, 0, 0))
    for at in ((0, 4, 0), (0, 0, -1), (0, 0)):
        with pytest.raises(ValueError, match="within an image"):
            pixel_weights(features, PairwiseSpec((0, 1, 1), (0, 2, 2), 1.0), at)
