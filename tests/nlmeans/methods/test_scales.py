"""Removal at every scale: the same by every way, and better where the noise is coarse."""

import threading

import dask.array as da
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

import nlmeans
from nlmeans import Cancelled, tiled
from nlmeans.noise import Camera

RNG = np.random.default_rng(7)
ROWS, COLUMNS = np.mgrid[:150, :170]
GREY = 90 + 60 * np.sin(ROWS / 9) * np.cos(COLUMNS / 13) + 40 * ((ROWS // 37 + COLUMNS // 41) % 2)
COLOUR = np.stack([GREY, GREY[::-1], 0.7 * GREY + 30], axis=-1)


def coarse_noise(shape, seed=0):
    """Noise of σ = 6 whose neighbours are alike, and the model of it."""
    noise = gaussian_filter(np.random.default_rng(seed).normal(0, 1, shape), (1.5, 1.5, *[0] * (len(shape) - 2)))
    noise *= 6 / noise.std()
    half = noise[: shape[0] // 2 * 2, : shape[1] // 2 * 2]
    half = half.reshape(shape[0] // 2, 2, shape[1] // 2, 2, -1).mean((1, 3))
    return noise, Camera(6, half.std(), 0.6 * half.std())


@pytest.mark.parametrize("method", ["nlm", "ridge"])
@pytest.mark.parametrize("clean", [GREY, COLOUR], ids=["grey", "colour"])
def test_coarse_noise_goes_where_one_scale_leaves_it(method, clean):
    noise, model = coarse_noise(clean.shape)
    channels = {"channel_axis": -1} if clean.ndim == 3 else {}
    scales = nlmeans.denoise(clean + noise, noise=model, method=method, **channels)
    single = nlmeans.denoise(clean + noise, 6, method=method, **channels)
    errors = [np.square(result - clean).mean() for result in (clean + noise, single, scales)]
    assert errors[2] < 0.95 * errors[1] < errors[0]


@pytest.mark.parametrize("method", ["nlm", "ridge"])
@pytest.mark.parametrize("quality", ["fast", "best"])
def test_chunks_threads_and_types_agree(method, quality):
    noise, model = coarse_noise(COLOUR.shape)
    noisy = np.rint(np.clip(COLOUR + noise, 0, 255)).astype(np.uint8)
    how = {"noise": model, "channel_axis": -1, "method": method, "quality": quality, "search_radius": 3}
    if method == "ridge":
        del how["search_radius"]
    exact = nlmeans.denoise(noisy.astype(np.float32), threads=1, **how)
    np.testing.assert_array_equal(nlmeans.denoise(noisy.astype(np.float32), threads=3, **how), exact)
    np.testing.assert_array_equal(nlmeans.denoise(noisy, **how), np.rint(np.clip(exact, 0, 255)))
    if quality == "fast":
        chunked = tiled.denoise(da.from_array(noisy.astype(np.float32), chunks=(77, 91, 3)), **how)
        np.testing.assert_allclose(chunked.compute(), exact, atol=2e-3)


def test_blocks_with_holes_are_those_of_the_whole():
    noise, model = coarse_noise((420, 300))
    noisy = (np.tile(GREY, (3, 2))[:420, :300] + noise).astype(np.float32)
    noisy[101:104, 33:60] = np.nan
    noisy[200, ::3] = np.nan
    how = {"noise": model, "search_radius": 3, "patch_radius": 1, "quality": "fast"}
    exact = nlmeans.denoise(noisy, **how)
    assert np.isfinite(exact).all()
    chunked = tiled.denoise(da.from_array(noisy, chunks=(70, 81)), **how)
    np.testing.assert_allclose(chunked.compute(), exact, atol=2e-3)


def test_plan_report_progress_and_cancel():
    noise, model = coarse_noise(GREY.shape)
    told = []
    _, report = nlmeans.denoise(
        GREY + noise, noise=model, full_output=True, progress=lambda done, total: told.append(done / total)
    )
    assert told == sorted(told)
    assert told[-1] == pytest.approx(1)
    assert [plan.sigma for plan in report.plan.scales] == [(model.full,), (model.half,), (model.quarter,)]
    assert "coarser scales" in str(report)
    assert report.plan.halo[0] > 2 * report.plan.coarser.halo[0]
    assert nlmeans.plan(GREY + noise, noise=model).halo == report.plan.halo
    stop = threading.Event()
    stop.set()
    with pytest.raises(Cancelled):
        nlmeans.denoise(GREY + noise, noise=model, cancel=stop)


def test_the_map_of_what_is_left_says_that_it_is_one_of_the_finest_scale():
    noise, model = coarse_noise(GREY.shape)
    _, report = nlmeans.denoise(GREY + noise, noise=model, quality="fast", full_output="maps")
    assert any("finest scale alone" in note for note in report.notes)


def test_a_guide_and_a_mask_go_with_the_scales():
    noise, model = coarse_noise(GREY.shape)
    noisy, mask = GREY + noise, np.ones(GREY.shape, bool)
    noisy[40:60, 40:60], mask[40:60, 40:60] = 255, False
    result = nlmeans.denoise(noisy, noise=model, mask=mask, guide=GREY, guide_sigma=0)
    rms = np.sqrt(np.square(result - GREY)[mask].mean())
    assert rms < 0.7 * np.sqrt(np.square(noise)[mask].mean())
    kept = nlmeans.denoise(noisy, noise=model, mask=mask, fill=False)
    np.testing.assert_array_equal(kept[~mask], noisy[~mask])


def test_separate_images_have_their_own_numbers():
    noise, model = coarse_noise(GREY.shape)
    stack = np.stack([GREY + noise, GREY])
    both = nlmeans.denoise(stack, axes="NYX", noise=Camera((model.full, 1), (model.half, 1), (model.quarter, 1)))
    np.testing.assert_array_equal(both[0], nlmeans.denoise(stack[0], noise=model))
    np.testing.assert_array_equal(both[1], nlmeans.denoise(stack[1], noise=Camera(1, 1, 1)))
