"""Correlated noise: its power band by band, and what denoise() makes of it."""

import io

import numpy as np
import pytest
from PIL import Image
from scipy.fft import dctn
from scipy.ndimage import convolve

import nlmeans
from nlmeans.noise.bands import measure_bands

Y, X = np.mgrid[:160, :160]
CLEAN = 110 + 50 * np.sin(X / 23.0) + 40 * (Y > 90) * (X > 40)
BLUR = np.ones((3, 3)) / 3


def power_of(noise):
    """Return the mean square of each 8×8 cosine coefficient over all windows."""
    windows = np.lib.stride_tricks.sliding_window_view(noise, (8, 8))[::3, ::3].reshape(-1, 8, 8)
    return np.mean(dctn(windows, axes=(1, 2), norm="ortho") ** 2, axis=0)


@pytest.mark.parametrize("correlated", [False, True])
def test_power_of_known_noise_on_a_picture(correlated):
    noise = np.random.default_rng(0).normal(0, 8, CLEAN.shape)
    noise = convolve(noise, BLUR) if correlated else noise
    found = measure_bands((CLEAN + noise)[None, None])
    assert found.sigma[0] == pytest.approx(noise.std(), rel=0.1)
    truth = power_of(noise) / noise.var()
    frequency = np.add.outer(np.arange(8), np.arange(8))
    for low, high in ((3, 6), (6, 9), (9, 15)):
        ring = (frequency >= low) & (frequency < high)
        assert found.power[0][ring].mean() == pytest.approx(truth[ring].mean(), rel=0.35, abs=0.02)
    assert found.power.mean() == pytest.approx(1, abs=1e-3)


def test_channels_are_measured_in_luma_and_chroma():
    rng = np.random.default_rng(1)
    shared, own = rng.normal(0, 8, (1, 1, 160, 160)), rng.normal(0, 2, (3, 1, 160, 160))
    found = measure_bands(CLEAN + shared + own)
    np.testing.assert_allclose(found.sigma, np.sqrt(68), rtol=0.1)
    luma, *chroma = found.power[:, 4:, 4:].mean(axis=(1, 2))
    assert luma == pytest.approx((3 * 64 + 4) / 68, rel=0.15)
    np.testing.assert_allclose(chroma, 4 / 68, rtol=0.3)


def test_missing_pixels_and_constants():
    noise = np.random.default_rng(2).normal(0, 8, CLEAN.shape)
    planes = (CLEAN + noise)[None, None].copy()
    planes[0, 0, 20:60, 20:60] = np.nan
    assert measure_bands(planes).sigma[0] == pytest.approx(8, rel=0.1)
    mask = np.isfinite(planes[0])
    assert measure_bands(np.nan_to_num(planes), mask).sigma == pytest.approx(measure_bands(planes).sigma, rel=0.02)
    assert measure_bands(np.ones((1, 1, 40, 40))) is None
    assert measure_bands(np.ones((1, 1, 5, 40))) is None


@pytest.mark.parametrize("quality", ["fast", "balanced", "best"])
@pytest.mark.parametrize("kind", ["jpeg", "blur"])
def test_correlated_noise_is_found_and_removed(kind, quality):
    rng = np.random.default_rng(3)
    clean = np.stack([CLEAN, CLEAN[::-1], 0.7 * CLEAN], axis=-1)
    noise = rng.normal(0, 15, clean.shape)
    if kind == "blur":
        noisy = clean + convolve(noise, BLUR[..., None])
    else:
        file = io.BytesIO()
        Image.fromarray(np.clip(np.rint(clean + noise), 0, 255).astype(np.uint8)).save(file, "JPEG", quality=75)
        noisy = np.asarray(Image.open(file))
    result, report = nlmeans.denoise(noisy, channel_axis=-1, quality=quality, full_output=True)
    assert report.correlated
    assert any("each frequency" in note for note in report.notes)
    before, after = (np.mean((a.astype(float) - clean) ** 2) for a in (noisy, result))
    assert after < 0.35 * before


def test_sure_leaves_correlated_noise_to_the_table():
    noisy = CLEAN + convolve(np.random.default_rng(4).normal(0, 15, CLEAN.shape), BLUR)
    plan = nlmeans.plan(noisy, strength="sure")
    assert plan.correlated
    assert plan.predicted_mse is None
    assert plan.strength == nlmeans.plan(noisy).strength
    assert any("white noise" in note for note in plan.notes)
