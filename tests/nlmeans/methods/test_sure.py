"""Stein's risk estimate: exact derivatives, and the true error in a Monte Carlo."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data
from specs import nlm_spec

import nlmeans
from nlmeans.noise import Gaussian, PoissonGaussian
from nlmeans.pairwise import naive, pairwise_risk

RNG = np.random.default_rng(0)
Y, X = np.mgrid[:120, :128]
CLEAN = 100 + 40 * np.sin(X / 9.0) + 30 * (Y > 60) + 15 * np.sin((X + Y) / 2.0) * (X > 64)


def risk_by_differences(values, spec):
    """Return the estimate of each channel in units of σ² = 1, by finite differences, over the inner pixels."""
    clear = [r + p for r, p in zip(spec.window, spec.patch_radius, strict=True)]
    average = naive.pairwise_average(values, values, values, spec)
    inner = [range(c, n - c) for c, n in zip(clear, values.shape[1:], strict=True)]
    found = []
    for channel in range(len(values)):
        terms = []
        for place in np.ndindex(*map(len, inner)):
            at = (channel, *(span[k] for span, k in zip(inner, place, strict=True)))
            change = []
            for step in (1e-5, -1e-5):
                moved = values.copy()
                moved[at] += step
                change.append(naive.pairwise_average(moved, moved, moved, spec)[at])
            slope = (change[0] - change[1]) / 2e-5
            terms.append((average[at] - values[at]) ** 2 - 1 + 2 * slope)
        found.append(np.mean(terms))
    return found


@settings(max_examples=12)
@given(
    st.sampled_from(
        [((1, 9, 11), (0, 1, 1), (0, 2, 3)), ((1, 9, 9), (0, 0, 2), (0, 3, 1)), ((5, 5, 6), (1, 0, 1), (1, 2, 1))]
    ),
    st.integers(1, 2),
    st.sampled_from(["max", "one", "zero"]),
    st.booleans(),
    st.integers(0, 99),
)
def test_closed_form_equals_finite_differences(shape, channels, centre, bias, seed):
    sides, patch, search = shape
    values = np.random.default_rng(seed).normal(0, 1, (channels, *sides))
    spec = nlm_spec(channels, patch, search, strength=0.8, centre=centre, bias=bias)
    comp = pairwise_risk(values, spec, [1.0], gains=[1.0] * channels, share=1.0)[0]
    np.testing.assert_allclose(comp, risk_by_differences(values, spec), atol=2e-4)


def test_strengths_and_gains():
    values = np.random.default_rng(1).normal(0, 3, (1, 1, 40, 50)).astype(np.float32)
    spec = nlm_spec(1, (0, 1, 1), (0, 4, 4), strength=0.5)
    twice = nlm_spec(1, (0, 1, 1), (0, 4, 4), strength=1.0)
    both = pairwise_risk(values, spec, [1.0, 2.0], gains=[1 / 3], share=1.0)
    alone = pairwise_risk(values / 3, twice, [1.0], gains=[1.0], share=1.0)
    np.testing.assert_allclose(both[1], alone[0], rtol=1e-4)
    one = pairwise_risk(values, spec, [1.0, 2.0], gains=[1 / 3], share=1.0, threads=1)
    np.testing.assert_array_equal(both, one)


@pytest.mark.parametrize("options", [
    dict(sigma=15.0, quality="fast"), dict(sigma=15.0, quality="fast", centre="one"), dict(sigma=15.0),
    dict(sigma=15.0, quality="best"),
    dict(sigma=15.0, quality="fast", aggregation="patch"), dict(sigma=15 + 5 * np.sin(X / 20)),
])  # fmt: skip
def test_predicted_error_is_the_true_one(options):
    sigma = options["sigma"]
    times = (3, 3) if np.ndim(sigma) else (2, 2)  # uneven noise needs more pixels
    clean = np.tile(CLEAN, times)
    sigma = np.tile(sigma, times) if np.ndim(sigma) else sigma
    options = {**options, "sigma": sigma}
    predicted, true = [], []
    for seed in range(2):
        noise = np.random.default_rng(seed).normal(0, 1, clean.shape)
        noisy = clean + noise / noise.std() * sigma  # of exactly this variance, so that two images are enough
        result, report = nlmeans.denoise(noisy, **options, strength="sure", full_output=True)
        predicted.append(report.plan.predicted_mse)
        true.append(np.mean((result - clean) ** 2))
    assert np.mean(predicted) == pytest.approx(np.mean(true), rel=0.08)
    assert "predicted MSE" in str(report)


@pytest.mark.parametrize("quality", ["fast", "balanced"])
def test_the_chosen_strength_is_near_the_best(quality):
    noisy = CLEAN + RNG.normal(0, 20, CLEAN.shape)

    def error(strength):
        return np.mean((nlmeans.denoise(noisy, 20, quality=quality, strength=strength) - CLEAN) ** 2)

    best = min(error(h) for h in np.geomspace(0.2, 1.6, 13))
    assert error("sure") < 1.03 * best


def test_colour_with_one_clean_channel():
    image = np.stack([CLEAN, CLEAN[::-1], CLEAN], axis=-1)
    noisy = image + RNG.normal(0, 1, image.shape) * [15, 15, 0]
    for quality in ("fast", "balanced"):
        result, report = nlmeans.denoise(
            noisy, [15, 15, 0], channel_axis=-1, strength="sure", quality=quality, full_output=True
        )
        assert report.plan.predicted_mse == pytest.approx(np.mean((result - image) ** 2), rel=0.3)


def test_it_is_for_gaussian_noise():
    with pytest.raises(ValueError, match="needs Gaussian noise; got PoissonGaussian"):
        nlmeans.denoise(CLEAN, noise=PoissonGaussian(2.0), strength="sure")
    assert nlmeans.plan(CLEAN, noise=Gaussian(10), strength="sure").predicted_mse is not None
    assert nlmeans.plan(CLEAN, 10).predicted_mse is None
    np.testing.assert_array_equal(nlmeans.denoise(CLEAN, 0, strength="sure"), CLEAN)


def test_predicted_psnr_and_clipping_are_said():
    noisy = np.clip(np.rint(CLEAN + RNG.normal(0, 10, CLEAN.shape)), 0, 255).astype(np.uint8)
    plan = nlmeans.plan(noisy, 10, strength="sure", quality="fast")
    assert plan.predicted_psnr == pytest.approx(10 * np.log10(255**2 / plan.predicted_mse))
    assert "dB" in str(plan)
    assert nlmeans.plan(noisy.astype(float), 10, strength="sure").predicted_psnr is None
    clipped = np.clip(noisy, 60, 140)
    assert any("clipped" in note for note in nlmeans.plan(clipped, 10, strength="sure").notes)
    assert not any("clipped" in note for note in plan.notes)


def test_tiny_images():
    for shape in [(1, 1), (3, 5), (20, 20)]:
        noisy = RNG.normal(50, 5, shape)
        for quality in ("fast", "balanced"):
            assert np.isfinite(nlmeans.denoise(noisy, 5, strength="sure", quality=quality)).all()


@pytest.mark.parametrize("quality", ["fast", "balanced", "best"])
@pytest.mark.parametrize("factor", [0.8, 1.2])
def test_a_wrong_sigma_costs_nothing_against_the_table(quality, factor):
    def error(noisy, clean, sigma, **options):
        return np.mean((nlmeans.denoise(noisy, factor * sigma, quality=quality, **options) - clean) ** 2)

    for k, clean in enumerate((data.camera()[60:140, 180:260], data.coins()[:80, :80], data.brick()[:80, :80])):
        for sigma in (10, 25, 50) if quality == "fast" else (10, 50):
            noisy = clean + np.random.default_rng(k).normal(0, sigma, clean.shape)
            lost = error(noisy, clean, sigma, strength="sure") / error(noisy, clean, sigma)
            assert 10 * np.log10(lost) < 0.3, (k, sigma)


def test_the_risk_is_for_the_noise_that_there_is():
    values = np.random.default_rng(1).normal(0, 3, (1, 1, 40, 50)).astype(np.float32)
    spec = nlm_spec(1, (0, 1, 1), (0, 4, 4), strength=0.5, bias=False)
    ref = pairwise_risk(values, spec, [1.0], gains=[1 / 3], share=1.0) * 9
    wider = nlm_spec(1, (0, 1, 1), (0, 4, 4), strength=0.75, bias=False)  # the same weights, in units of 2 for 3
    comp = pairwise_risk(values, wider, [1.0], gains=[1 / 2], share=1.0, variance=[9 / 4]) * 4
    np.testing.assert_allclose(comp, ref, rtol=1e-4)
