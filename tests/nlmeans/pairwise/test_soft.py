"""Weights that end softly, against their definition."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from specs import jobs, nlm_spec
from tolerances import assert_averages_equal

import nlmeans
from nlmeans.methods.average import average
from nlmeans.noise import Gaussian
from nlmeans.noise.fitted import FittedNoise
from nlmeans.pairwise import PairwiseSpec, attend, naive, pairwise_average, pairwise_risk, pixel_weights
from nlmeans.pairwise.run import RESIDUE

VANISH = st.sampled_from([2.0**-2, 2.0**-6, 0.001, 2.0**-12])


def soft_job(job, vanish, **changes):
    """Return a job whose weights end softly; without own weights, what is left of tiny ones needs float64."""
    features, values, spec = job
    same, spec = features is values, dataclasses.replace(spec, soft=True, vanish=vanish, **changes)
    if spec.centre == "zero":
        features, values = features.astype(np.float64), values.astype(np.float64)
    return (values if same else features), values, spec


@settings(max_examples=40)
@given(jobs(), VANISH, st.sampled_from(["pixel", "patch"]))
def test_average_equals_naive(job, vanish, aggregation):
    features, values, spec = soft_job(job, vanish, aggregation=aggregation)
    if aggregation == "pixel":
        ref = naive.pairwise_average(features, features, values, spec)
    else:
        ref = naive.patchwise_average(features, values, spec)
    assert_averages_equal(ref, pairwise_average(features, values, spec, threads=2), values.dtype)


@settings(max_examples=25)
@given(jobs(), VANISH, st.integers(0, 99), st.booleans())
def test_missing_pixels_and_uneven_noise_equal_naive(job, vanish, seed, patchwise):
    features, values, spec = soft_job(job, vanish, aggregation="patch" if patchwise else "pixel")
    rng, same = np.random.default_rng(seed), features is values
    # a missing pixel has no weight of its own either
    values = np.where(rng.random(values.shape[1:]) < 0.2, np.nan, values.astype(np.float64))
    features = values if same else features.astype(np.float64)
    variance = rng.uniform(0.3, 3, (1, *values.shape[1:]))
    comp = pairwise_average(features, values, spec, variance=variance, missing=True, threads=2)
    if patchwise:
        ref = naive.patchwise_average(features, values, spec, variance, RESIDUE * np.finfo(np.float64).eps ** 0.5)
    else:
        ref = naive.pairwise_average(features, features, values, spec, variance)
    np.testing.assert_array_equal(np.isnan(ref), np.isnan(comp))
    if np.isfinite(ref).any():
        assert_averages_equal(ref[np.isfinite(ref)], comp[np.isfinite(ref)], np.float64)


@pytest.mark.parametrize("centre", ["max", "one"])
def test_a_search_over_the_whole_image_equals_naive(centre):
    values = np.random.default_rng(1).normal(0, 2, (1, 1, 12, 50)).astype(np.float32)
    spec = PairwiseSpec((0, 1, 1), (0, 11, 49), 0.2, 9.0, centre, vanish=2.0**-5, soft=True)
    assert_averages_equal(
        naive.pairwise_average(values, values, values, spec), pairwise_average(values, values, spec), np.float32
    )


@pytest.mark.parametrize("soft", [False, True])
def test_only_a_soft_end_loses_the_last_partner_without_a_jump(soft):
    """The one partner of a pixel goes from just inside the end to just outside: that changes nothing, or half."""
    spec = PairwiseSpec((0, 0, 0), (0, 0, 1), -np.log(2.0**-8), vanish=2.0**-8, soft=soft, lowest=soft * 2.0**-8)
    found = []
    for distance in (0.9999, 1.0001):
        values = np.array([0.0, distance]).reshape(1, 1, 1, 2)
        found.append(pairwise_average(values, values, spec)[0, 0, 0, 0])
    assert found[1] == 0
    assert 0 < found[0] < 2e-3 if soft else abs(found[0] - 0.5) < 1e-3


@pytest.mark.parametrize("aggregation", ["pixel", "patch"])
@pytest.mark.parametrize("centre", ["max", "one"])
def test_shown_weights_make_the_average(centre, aggregation):
    values = np.random.default_rng(2).normal(0, 2, (1, 1, 9, 11))
    spec = PairwiseSpec(
        (0, 1, 1), (0, 3, 3), 0.3, 4.0, centre, aggregation=aggregation, vanish=2.0**-6, soft=True, lowest=0.1
    )
    comp = pairwise_average(values, values, spec)
    for place in [(0, 4, 5), (0, 0, 10)]:
        weights = pixel_weights(values, spec, place)
        assert (weights * values[0]).sum() == pytest.approx(comp[0][place], abs=1e-9)


@pytest.mark.parametrize(("centre", "vanish"), [("max", 0.125), ("max", 0.8), ("one", 0.125), ("zero", 0.125)])
def test_the_risk_is_that_of_finite_differences(centre, vanish):
    """With a high end, pixels weigh more themselves than what is left of any other."""
    values = np.random.default_rng(3).normal(0, 1.5, (1, 1, 9, 11))
    spec = dataclasses.replace(
        nlm_spec(1, (0, 1, 1), (0, 2, 3), 1.0, 0.7, centre), vanish=vanish, soft=True, lowest=vanish
    )
    mean = naive.pairwise_average(values, values, values, spec)
    terms = []
    for at in [(0, 0, y, x) for y in range(3, 6) for x in range(4, 7)]:
        change = []
        for step in (1e-5, -1e-5):
            moved = values.copy()
            moved[at] += step
            change.append(naive.pairwise_average(moved, moved, moved, spec)[at])
        terms.append((mean[at] - values[at]) ** 2 - 1 + 2 * (change[0] - change[1]) / 2e-5)
    comp = pairwise_risk(values, spec, [1.0], gains=[1.0], share=1.0)[0, 0]
    assert comp == pytest.approx(np.mean(terms), abs=3e-4)


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("centre", ["max", "one", "zero"])
def test_maps_count_the_squares_of_what_is_left(centre, missing, monkeypatch):
    clean = np.linspace(0, 200, 40) * np.ones((30, 1))
    image = clean + np.random.default_rng(4).normal(0, 1, clean.shape)
    if missing:
        image[9:12, 15:18] = np.nan
    options = dict(quality="fast", patch_radius=1, search_radius=3, strength=1.5, bias=False, centre=centre)
    plan = nlmeans.plan(image, 1, **options)
    spec = dataclasses.replace(plan.spec, vanish=2.0**-6, soft=True, lowest=2.0**-4)
    monkeypatch.setattr(type(plan), "spec_of", lambda self, step, channels, noisy=1.0: spec)
    planes = image.astype(np.float32)[None, None]
    effective = average(planes, plan, FittedNoise(Gaussian(1.0), (1.0,), (1.0,)), maps=True)[1][0][0]
    for place in [(5, 7), (15, 20), (29, 39), (8, 16), (9, 15)]:
        weights = pixel_weights(planes, spec, (0, *place), valid=np.isfinite(planes[0]) if missing else None)
        assert effective[place] == pytest.approx(1 / np.sum(weights**2), rel=1e-2)


def test_who_has_no_soft_end_says_so():
    with pytest.raises(ValueError, match="soft and lowest are for the gaussian weight"):
        PairwiseSpec((0, 0, 0), None, 1.0, score="dot", weight="exp", centre="one", soft=True)
    x = np.zeros((1, 1, 1, 3))
    with pytest.raises(ValueError, match="soft must be False and lowest 0 for query, key and value apart"):
        attend(x, x, x, PairwiseSpec((0, 0, 0), (0, 0, 1), 1.0, soft=True))
