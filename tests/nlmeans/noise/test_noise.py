"""Noise estimation: against known noise, on photographs, graphics, clipped and tiny images."""

import io

import numpy as np
import pytest
from PIL import Image
from skimage import data
from skimage import io as skio

import nlmeans
from nlmeans.noise import estimate_planes

CAMERA = data.camera().astype(np.float64)


def noisy(sigma, seed=0, clean=CAMERA):
    return clean + np.random.default_rng(seed).normal(0, sigma, clean.shape)


@pytest.mark.parametrize(("sigma", "bound"), [(2, 0.1), (5, 0.04), (10, 0.04), (25, 0.04), (75, 0.03)])
def test_known_noise_on_a_photograph(sigma, bound):
    assert nlmeans.estimate_sigma(noisy(sigma)) == pytest.approx(sigma, rel=bound)


@pytest.mark.parametrize("sigma", [5, 25, 75])
def test_clipped_and_rounded_to_bytes(sigma):
    image = np.clip(np.rint(noisy(sigma)), 0, 255).astype(np.uint8)
    assert nlmeans.estimate_sigma(image) == pytest.approx(sigma, rel=0.06)


def test_flat_saturated_and_synthetic_areas_do_not_fool_it():
    half = noisy(10)
    half[:256] = 40
    bars = noisy(10)
    bars[:, :150], bars[:, 380:] = 0, 255
    for image in (half, bars):
        assert nlmeans.estimate_sigma(image) == pytest.approx(10, rel=0.05)
    assert nlmeans.estimate_sigma(np.full((60, 60), 3, np.uint8)) == 0


def test_masked_pixels_take_no_part():
    image = noisy(10)
    mask = np.zeros(image.shape, bool)
    mask[100:320, 80:330] = True
    image[~mask] = np.random.default_rng(1).normal(0, 80, (~mask).sum())
    assert nlmeans.estimate_sigma(image, mask=mask) == pytest.approx(10, rel=0.06)


def test_scale_and_offset_carry_through():
    image = noisy(10)
    ref = nlmeans.estimate_sigma(image)
    for a, b in ((3, 7), (-0.01, 0), (1e6, -1e8), (1e-20, 0)):
        assert nlmeans.estimate_sigma(a * image + b) == pytest.approx(abs(a) * ref, rel=1e-3)


def test_one_value_a_channel():
    clean = data.astronaut().astype(np.float64)
    image = clean + np.random.default_rng(0).normal(0, 1, clean.shape) * [5, 10, 20]
    for axis in (-1, 0):
        sigma = nlmeans.estimate_sigma(np.moveaxis(image, -1, axis), channel_axis=axis)
        np.testing.assert_allclose(sigma, [5, 10, 20], rtol=0.06)


def test_slices_of_a_volume_are_pooled():
    volume = np.random.default_rng(0).normal(100, 7, (20, 40, 40)).astype(np.float32)
    assert nlmeans.estimate_sigma(volume) == pytest.approx(7, rel=0.05)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (3, 200), (7, 7), (8, 8), (2, 5)])
def test_tiny_images(shape):
    sigma = nlmeans.estimate_sigma(np.random.default_rng(2).normal(0, 5, shape))
    assert np.isfinite(sigma)
    assert 0 <= sigma < 20


def correlated(image, limits=None):
    return estimate_planes(image[None, None].astype(np.float32), None, saturation=limits).correlated


@pytest.mark.parametrize("quality", [75, 90])
def test_jpeg_is_noticed(quality):
    file = io.BytesIO()
    Image.fromarray(np.clip(noisy(10), 0, 255).astype(np.uint8)).save(file, "JPEG", quality=quality)
    assert correlated(np.asarray(Image.open(file)), (0, 255))


def test_blurred_noise_is_noticed_and_white_noise_is_not():
    white = np.random.default_rng(0).normal(0, 10, CAMERA.shape)
    blurred = (white + np.roll(white, 1, 0) + np.roll(white, 1, 1) + np.roll(white, (1, 1), (0, 1))) / 2
    assert correlated(CAMERA + blurred)
    assert not correlated(CAMERA + white)
    _, report = nlmeans.denoise((CAMERA + blurred)[:200, :200], full_output=True)
    assert report.correlated
    assert "correlated" in str(report)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (dict(image=np.zeros((4, 4, 3))), "channel_axis=-1"),
        (dict(image=CAMERA, mask=np.ones((3, 3), bool)), "mask must be boolean"),
        (dict(image=CAMERA, mask=np.ones(CAMERA.shape)), "mask must be boolean"),
        (dict(image=np.full((9, 9), np.nan)), "finite"),
    ],
)
def test_bad_arguments(arguments, words):
    with pytest.raises((TypeError, ValueError), match=words):
        nlmeans.estimate_sigma(**arguments)


@pytest.mark.parametrize(
    ("sigma", "mean", "worst"), [(5, 0.04, 0.2), (10, 0.03, 0.15), (25, 0.02, 0.1), (50, 0.015, 0.1)]
)
def test_bsd68(shared, sigma, mean, worst):
    """Every sixth picture, bounds with room for so few; the figures for all are in benchmarks/results."""
    files = sorted((shared / "BSD68").iterdir())
    errors = [
        nlmeans.estimate_sigma(noisy(sigma, 1000 + k, skio.imread(files[k]).astype(np.float64))) / sigma - 1
        for k in range(0, len(files), 6)
    ]
    assert np.abs(errors).mean() < mean
    assert np.abs(errors).max() < worst
