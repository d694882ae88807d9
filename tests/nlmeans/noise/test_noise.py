"""Noise estimation: against known noise, on photographs, graphics, clipped and tiny images."""

import io

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter
from skimage import data
from skimage import io as skio
from skimage.transform import iradon, radon, resize

import nlmeans
from nlmeans.noise import estimate_planes
from nlmeans.pixels.still import still_in

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
    image = noisy(10)[:200, :200]
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


def circled(outside, blur, kind="f8", seed=0):
    """Return noise of σ = 10 in a circle, with one value outside; and which pixels these are."""
    y, x = np.mgrid[:200, :200]
    noise = np.random.default_rng(seed).normal(0, 1, y.shape)
    noise = gaussian_filter(noise, blur) if blur else noise
    noise *= 10 / noise.std()
    beyond = np.hypot(x - 99.5, y - 99.5) > 95
    return np.where(beyond, outside, noise if kind == "f8" else np.rint(noise)).astype(kind), beyond


@pytest.mark.parametrize("kind", ["f8", "i2"])
@pytest.mark.parametrize("blur", [0, 0.7])
def test_one_value_outside_a_circle_takes_no_part_wherever_it_lies(kind, blur):
    for outside in (0, 3, 50):
        image, beyond = circled(outside, blur, kind)
        ref = nlmeans.estimate_sigma(image, mask=~beyond)
        assert ref == pytest.approx(10, rel=0.1)
        found = nlmeans.estimate_sigma(image)
        assert found == pytest.approx(ref, rel=0.01)
        assert nlmeans.plan(image).sigma == (found,)
    colours = np.stack([image, image[::-1]])
    assert nlmeans.estimate_sigma(colours, channel_axis=0) == pytest.approx(10, rel=0.1)


def test_a_small_label_in_correlated_noise_takes_no_part():
    image, _ = circled(0, 0.7)
    image = image[40:160, 40:160]
    ref = nlmeans.estimate_sigma(image)
    image[50:70, 60:80] = 0
    assert nlmeans.estimate_sigma(image) == pytest.approx(ref, rel=0.05)


def test_a_reconstruction_in_a_circle_is_denoised():
    phantom = resize(data.shepp_logan_phantom(), (160, 160))
    angles = np.linspace(0, 180, 100, endpoint=False)
    clean = radon(phantom, angles)
    noisy = clean + np.random.default_rng(0).normal(0, 0.5, clean.shape)
    images = [iradon(sinogram, angles) for sinogram in (clean, noisy)]
    true = (images[1] - images[0])[images[0] != 0].std()
    assert nlmeans.estimate_sigma(images[1]) == pytest.approx(true, rel=0.15)


def test_flat_areas_of_graphics_and_of_few_levels_stay():
    cartoon = np.kron(np.random.default_rng(0).integers(0, 9, (12, 12)), np.ones((16, 16)))
    levels = np.rint(gaussian_filter(np.random.default_rng(1).normal(0, 1, (128, 128)), 9) * 200)
    file = io.BytesIO()
    Image.fromarray(data.camera()).save(file, "JPEG", quality=50)
    for plane in (cartoon, levels, CAMERA // 43, np.asarray(Image.open(file))):
        assert not still_in(plane[None], np.ones((1, *plane.shape), bool)).any()
    assert nlmeans.estimate_sigma(cartoon) == 0
