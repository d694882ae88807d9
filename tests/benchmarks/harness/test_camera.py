"""The camera that is made up: what comes back, what its noise is like, what each of its parts does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from benchmarks.harness import camera
from benchmarks.harness.camera import PRESETS, Shot, pair

PLAIN = Shot(1600, denoise=0, quality=None)


def scene(side: int = 128) -> np.ndarray:
    """Make a smooth picture of middle tones in colour."""
    random = np.random.default_rng(7)
    smooth = np.stack([gaussian_filter(random.normal(size=(side, side)), 12) for _ in range(3)], -1)
    return np.clip(115 + 30 * smooth / smooth.std(), 30, 220).astype(np.uint8)


def noise(shot: Shot, picture: np.ndarray | None = None) -> np.ndarray:
    noisy, clean = pair(scene() if picture is None else picture, shot, 1)
    return noisy.astype(float) - clean


def averaged(difference: np.ndarray, side: int) -> np.ndarray:
    rows, columns = (length // side for length in difference.shape[:2])
    return difference[: rows * side, : columns * side].reshape(rows, side, columns, side, 3).mean((1, 3))


@pytest.mark.parametrize("name", PRESETS)
def test_a_pair_depends_on_its_seed_alone_and_has_the_size_it_should(name: str) -> None:
    picture = scene(65)
    noisy, clean = pair(picture, PRESETS[name], 3)
    again, same = pair(picture, PRESETS[name], 3)
    other, clean_too = pair(picture, PRESETS[name], 4)
    assert noisy.dtype == clean.dtype == np.uint8
    assert noisy.shape == clean.shape == (round(64 * PRESETS[name].size), round(64 * PRESETS[name].size), 3)
    np.testing.assert_array_equal(noisy, again)
    np.testing.assert_array_equal(clean, same)
    np.testing.assert_array_equal(clean, clean_too)
    assert (noisy != other).any()


def test_the_presets_span_the_noise_of_cameras() -> None:
    """Photographs at ISO 1600 to 6400 have σ of 2 to 9, over 4×4 pixels half to three quarters of it, green least."""
    spread = {name: noise(shot).std((0, 1)) for name, shot in PRESETS.items()}
    coarse = {name: averaged(noise(shot), 4).std((0, 1)).mean() / spread[name].mean() for name, shot in PRESETS.items()}
    means = [sigma.mean() for sigma in spread.values()]
    assert 1 < min(means) < 3
    assert 6 < max(means) < 12
    assert max(coarse.values()) > 0.6
    assert min(coarse.values()) > 0.3  # of white noise a quarter is left
    for name, sigma in spread.items():
        assert sigma[1] < min(sigma[0], sigma[2]), name


@pytest.mark.parametrize("demosaick", ["edges", "bilinear"])
def test_a_grey_ramp_without_noise_comes_back(demosaick: str) -> None:
    ramp = np.repeat(np.linspace(20, 235, 128).astype(np.uint8)[None, :, None], 128, 0).repeat(3, 2)
    _, clean = pair(ramp, replace(PLAIN, demosaick=demosaick), 0)
    assert np.abs(clean.astype(float) - ramp)[4:-4, 4:-4].max() <= 2


def test_edges_are_sharper_where_they_are_followed() -> None:
    bars = np.where(np.arange(128) // 8 % 2, 200, 50).astype(np.uint8)[None, :, None].repeat(128, 0).repeat(3, 2)
    errors = [
        np.abs(pair(bars, replace(PLAIN, demosaick=way), 0)[1].astype(float) - bars).mean()
        for way in ("edges", "bilinear")
    ]
    assert errors[0] < 0.5 * errors[1]


def test_noise_grows_with_iso() -> None:
    assert noise(replace(PLAIN, iso=6400)).std() > 1.7 * noise(PLAIN).std()


def test_denoising_leaves_what_is_coarse() -> None:
    before, after = noise(PLAIN), noise(replace(PLAIN, denoise=1.0))
    assert after.std() < 0.6 * before.std()
    assert averaged(after, 8).std() > 0.7 * averaged(before, 8).std()


def test_jpeg_takes_noise_at_low_quality_and_coarse_chroma() -> None:
    chroma = {
        subsampling: np.diff(noise(replace(PLAIN, quality=95, subsampling=subsampling))[..., ::2]).std()
        for subsampling in ("4:4:4", "4:2:0")
    }
    assert chroma["4:2:0"] < 0.75 * chroma["4:4:4"]
    assert noise(replace(PLAIN, quality=40)).std() < noise(replace(PLAIN, quality=98)).std()


def test_the_mosaic_is_what_the_sensor_sees() -> None:
    """White is full for green alone: red and blue are seen less."""
    white = np.full((4, 4, 3), 255, np.uint8)
    np.testing.assert_allclose(camera.exposed(white)[:2, :2] * camera.BALANCE[camera.SITES], 1, atol=1e-6)
