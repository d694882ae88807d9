"""The map of the noise that is left, against what results vary by when the same image has other noise."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage import data

import nlmeans
from nlmeans.noise import PoissonGaussian

PICTURES = {
    "even": np.full((64, 64), 100.0),
    "texture": data.brick()[:64, :64].astype(float),
    "camera": data.camera()[90:154, 190:254].astype(float),
}
TIMES = 12


def ratio(noisy, **options):
    """Return how many times as much results vary, in the mean square, as the maps say; and the mean map."""
    results = [nlmeans.denoise(image, **options) for image in noisy]
    maps = [nlmeans.denoise(image, full_output="maps", **options)[1].maps.residual for image in noisy[:2]]
    varies = np.var(results, axis=0, ddof=1)
    return np.sqrt(varies.mean() / np.mean(np.square(maps))), np.mean(maps, axis=0)


def with_noise(clean, sigma):
    return [clean + sigma * np.random.default_rng(k).normal(size=clean.shape) for k in range(TIMES)]


@pytest.mark.parametrize("options", [
    dict(quality="fast"), dict(), dict(quality="best"), dict(quality="fast", aggregation="patch"),
    dict(quality="fast", passes=2, wiener=True),
])  # fmt: skip
@pytest.mark.parametrize("name", PICTURES)
def test_results_vary_by_as_much_as_the_map_says(name, options):
    found, _ = ratio(with_noise(PICTURES[name], 20), sigma=20, **options)
    assert 0.85 < found < 1.18


def test_a_map_of_sigma_and_colours():
    sigma = np.where(np.arange(64) < 32, 5.0, 20.0) * np.ones((64, 1))
    found, left = ratio(with_noise(PICTURES["even"], sigma), sigma=sigma)
    assert 0.85 < found < 1.18
    assert left[:, 48:].mean() > 2 * left[:, :16].mean()
    colours = np.stack([PICTURES["camera"], PICTURES["texture"], PICTURES["even"]], axis=-1)
    found, left = ratio(with_noise(colours, [10, 20, 5]), sigma=[10, 20, 5], channel_axis=-1)
    assert left.shape == colours.shape
    assert 0.85 < found < 1.18


def test_stabilised_noise_is_in_units_of_its_own():
    counts = [np.random.default_rng(k).poisson(np.full((64, 64), 400.0)) for k in range(TIMES)]
    found, left = ratio([image.astype(float) for image in counts], noise=PoissonGaussian(1.0))
    assert found / 20 == pytest.approx(1, abs=0.15)  # of 400 counts it is 20
    assert left.max() < 1


def test_correlated_noise():
    def soft(seed):
        noise = gaussian_filter(np.random.default_rng(seed).normal(size=(128, 128)), 0.8)
        return data.camera()[:128, :128] + 10 * noise / noise.std()

    noisy = [soft(k) for k in range(TIMES)]
    assert nlmeans.plan(noisy[0]).correlated
    assert 0.75 < ratio(noisy)[0] < 1.3


def test_missing_pixels_and_no_noise():
    image = with_noise(PICTURES["camera"], 10)[0]
    image[10:20, 30:33] = np.nan
    left = nlmeans.denoise(image, 10, full_output="maps")[1].maps.residual
    assert np.isfinite(left).all()
    assert 0 < left.mean() < 10
    colours = np.stack([PICTURES["camera"], PICTURES["texture"]], axis=-1)
    left = nlmeans.denoise(colours, [10, 0], channel_axis=-1, full_output="maps")[1].maps.residual
    assert left[..., 1].max() == 0 < left[..., 0].min()
