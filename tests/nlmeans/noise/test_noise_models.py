"""Noise models: their rules, and their fits against simulations with known truth."""

import dataclasses

import numpy as np
import pytest
from skimage import data
from skimage import io as skio

from nlmeans.noise import Gaussian, PoissonGaussian, Rician, estimate_noise
from nlmeans.noise.bins import Bins
from nlmeans.noise.curves import fit_level, fit_line, fit_rician, rician_moments
from nlmeans.noise.fit import grows
from nlmeans.noise.magnitude import fit as fit_magnitudes
from nlmeans.noise.models import Auto
from nlmeans.noise.patches import Evidence

WHOLE = data.camera().astype(np.float64)
CAMERA = WHOLE[::2, ::2]
BYTES = (0.0, 255.0)


def planes(image):
    return np.asarray(image, np.float32)[None, None]


def counted(gain=1.0, offset=0.0, sigma=0.0, clean=CAMERA, seed=0):
    random = np.random.default_rng(seed)
    return gain * random.poisson(clean / gain) + offset + sigma * random.normal(size=clean.shape)


def magnitude(clean, sigma, seed=0):
    noise = np.random.default_rng(seed).normal(0, sigma, (2, *clean.shape))
    return np.hypot(clean + noise[0], noise[1])


def choose(image, mask, saturation=None):
    return Auto().fitted(image, mask, saturation).model


def phantom(size=256):
    """Return a smooth object of 72 to 137 and where it is."""
    y, x = np.mgrid[:size, :size] / size - 0.5
    inside = np.hypot(y, x) < 0.4
    return np.where(inside, 60 + 60 * np.cos(3 * x) * np.sin(2 * y + 1) + 20 * (np.hypot(x - 0.1, y) < 0.15), 0), inside


def test_models_keep_and_show_what_they_were_given():
    assert Gaussian() == Gaussian(None) != Gaussian(1)
    assert repr(Gaussian(3)) == "Gaussian(sigma=3.0)"
    assert Gaussian([1, 2]).sigma == (1.0, 2.0) == Gaussian(np.array([1, 2])).sigma
    assert repr(PoissonGaussian(2, sigma=(1, 2))) == "PoissonGaussian(gain=2.0, offset=0.0, sigma=(1.0, 2.0))"
    assert repr(Rician(np.float32(0.5))) == "Rician(sigma=0.5, coils=1)"
    for model in (Gaussian(1), PoissonGaussian(1), Rician(1)):
        with pytest.raises(dataclasses.FrozenInstanceError):
            model.sigma = 2


def test_a_map_is_copied_compared_and_shown_by_its_range():
    sigma = np.array([[1, 2, 3], [4, 5, 6]])
    model, same = Gaussian(sigma), Gaussian(sigma.astype(float))
    sigma[0, 0] = 9
    assert model == same
    assert hash(model) == hash(same)
    assert model != Gaussian(sigma)
    assert model != Gaussian(1)
    assert model != 1
    assert repr(model) == "Gaussian(sigma=<map of 2 x 3, 1 to 6>)"
    with pytest.raises(ValueError, match="read-only"):
        model.sigma[0, 0] = 0


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Gaussian(-1), r"at least 0; got -1"),
        (lambda: Gaussian([1, -1]), r"at least 0; got -1"),
        (lambda: Gaussian([]), "one a channel; got none"),
        (lambda: Gaussian("5"), "must be a number; got '5'"),
        (lambda: Gaussian(np.nan), "finite; got nan"),
        (lambda: Gaussian(np.full((2, 2), np.inf)), "finite everywhere"),
        (lambda: Gaussian(np.full((2, 2), -3.0)), "at least 0 everywhere; got -3"),
        (lambda: Gaussian(np.ones((2, 2), bool)), "real numbers; got dtype bool"),
        (lambda: PoissonGaussian(0), "above 0; got 0"),
        (lambda: PoissonGaussian(sigma=3), "must be left out where gain is"),
        (lambda: PoissonGaussian(offset=3), "must be left out where gain is"),
        (lambda: PoissonGaussian((1, 2), sigma=(1, 2, 3)), "one number a channel each"),
        (lambda: Rician(-2), "at least 0; got -2"),
        (lambda: Rician(np.ones((2, 2))), r"got an array of shape \(2, 2\)"),
    ],
)
def test_models_refuse_what_breaks_a_rule(make, words):
    with pytest.raises((TypeError, ValueError), match=words):
        make()


@pytest.mark.parametrize(("gain", "sigma"), [(2, 0), (4, 0), (4, 10), (51, 0)])
def test_gain_and_read_noise_of_a_photograph(gain, sigma):
    model = estimate_noise(counted(gain, sigma=sigma, clean=WHOLE))
    assert model.gain == pytest.approx(gain, rel=0.15)
    # What matters is the noise at each brightness.
    levels = np.array([30.0, 128.0, 220.0])
    found = model.gain * (levels - model.offset) + model.sigma**2
    np.testing.assert_allclose(np.sqrt(found), np.sqrt(gain * levels + sigma**2), rtol=0.12)


def test_an_offset_is_folded_into_what_the_variance_tells():
    model = estimate_noise(counted(4, offset=100, sigma=10))
    assert model.sigma == 0
    assert model.offset == pytest.approx(100 - 10**2 / 4, abs=15)
    assert model.gain == pytest.approx(4, rel=0.15)


def test_counts_with_many_zeros_are_no_clipped_signal():
    counts = np.random.default_rng(0).poisson(CAMERA / 64).astype(np.uint8)
    assert (counts == 0).mean() > 0.2
    assert estimate_noise(counts).gain == pytest.approx(1, rel=0.08)


def test_saturated_pixels_take_no_part():
    ramp = np.linspace(10, 320, 256) * np.ones((256, 1))
    clipped = np.minimum(counted(4, clean=ramp), 255).astype(np.uint8)
    assert (clipped == 255).mean() > 0.1
    assert estimate_noise(clipped).gain == pytest.approx(4, rel=0.08)


def test_masked_and_non_finite_pixels_take_no_part():
    image, mask = counted(4), np.ones(CAMERA.shape, bool)
    image[:80] += np.random.default_rng(1).normal(0, 100, image[:80].shape)
    mask[:80] = False
    image[-30:, :40] = np.nan
    ref = estimate_noise(counted(4)[80:])
    comp = estimate_noise(image, mask=mask)
    assert comp.gain == pytest.approx(ref.gain, rel=0.08)
    with pytest.raises(ValueError, match="mask must be boolean"):
        estimate_noise(image, mask=mask[1:])
    with pytest.raises(ValueError, match="at least one pixel must be valid"):  # as every other way
        estimate_noise(np.full((9, 9), np.nan))


def test_one_number_a_channel_and_images_pooled():
    images = [np.stack([counted(10, seed=k), counted(20, seed=k + 1)], -1) for k in (0, 2)]
    for model in (estimate_noise(images[0], channel_axis=-1), estimate_noise(images, axes="NYXC")):
        np.testing.assert_allclose(model.gain, [10, 20], rtol=0.15)
        assert len(model.offset) == len(model.sigma) == 2


@pytest.mark.parametrize("image", [np.zeros((40, 40)), np.full((40, 40), 7, np.uint8), np.eye(3) + 1])
def test_images_that_tell_nothing_still_give_a_model(image):
    model = estimate_noise(image)
    assert model.gain > 0
    assert np.isfinite([model.gain, model.offset, model.sigma]).all()


def test_noise_that_does_not_grow_is_read_noise():
    noisy = CAMERA + np.random.default_rng(0).normal(0, 10, CAMERA.shape)
    assert not grows(Evidence.of(planes(noisy), None))
    assert grows(Evidence.of(planes(counted(4)), None))
    flat = estimate_noise(np.random.default_rng(0).normal(50, 3, (200, 200)))
    assert flat.sigma == pytest.approx(3, rel=0.06)


@pytest.mark.parametrize("sigma", [5, 20])
@pytest.mark.parametrize("background", ["Rayleigh", "zeroed", "none"])
def test_rician_sigma_of_a_phantom(sigma, background):
    clean, inside = phantom()
    if background == "none":
        clean = clean[64:192, 64:192]
    image = magnitude(clean, sigma)
    if background == "zeroed":
        image[~inside] = 0
    assert fit_magnitudes(Evidence.of(planes(image), None))[0] == pytest.approx(sigma, rel=0.03)


def test_rician_sigma_where_there_is_little_or_nothing():
    assert fit_magnitudes(Evidence.of(np.zeros((1, 1, 30, 30), np.float32), None)) == (0,)
    tiny = magnitude(np.full((6, 7), 50.0), 4)
    assert 1 < fit_magnitudes(Evidence.of(planes(tiny), None))[0] < 10
    assert fit_magnitudes(Evidence.of(planes(np.full((40, 40), np.nan)), None)) == (0,)


def test_the_model_is_chosen():
    clean, inside = phantom()
    assert isinstance(choose(planes(magnitude(clean, 10)), None), Rician)
    assert choose(planes(magnitude(clean, 10)), None).sigma[0] == pytest.approx(10, rel=0.03)
    assert isinstance(choose(planes(magnitude(clean, 10)), inside[None]), Gaussian)  # no background left
    assert isinstance(choose(planes(counted(4, sigma=3)), None), PoissonGaussian)
    assert isinstance(choose(np.concatenate([planes(counted(4, seed=k)) for k in range(3)]), None), PoissonGaussian)
    assert isinstance(choose(planes(np.full((50, 50), 4)), None), Gaussian)


@pytest.mark.parametrize("sigma", [5, 25])
@pytest.mark.parametrize("rounded", [False, True])
def test_a_photograph_with_additive_noise_is_gaussian(sigma, rounded):
    noisy = CAMERA + np.random.default_rng(0).normal(0, sigma, CAMERA.shape)
    if rounded:
        noisy = np.clip(np.rint(noisy), *BYTES)
    model = choose(planes(noisy), None, BYTES if rounded else None)
    assert isinstance(model, Gaussian)
    assert model.sigma[0] == pytest.approx(sigma, rel=0.12)


def test_correlated_magnitudes_are_known_by_their_background():
    noise = np.random.default_rng(0).normal(0, 10, (2, 256, 256))
    noise = (noise + np.roll(noise, 1, 2)) / 2**0.5
    image = np.hypot(phantom()[0] + noise[0], noise[1])
    assert fit_magnitudes(Evidence.of(planes(image), None))[0] == pytest.approx(10, rel=0.03)


def test_a_dark_ground_that_is_no_rayleigh_noise_is_not_taken_for_it():
    random = np.random.default_rng(0)
    clean = np.full((256, 256), 3.66)  # of all counts, the likest to Rayleigh noise
    clean[100:180, 60:200] = 40
    counts = random.poisson(clean)
    normal = random.normal(19.13 + clean, 10)
    for image in (counts, 7 * counts, np.maximum(normal, 0), np.rint(np.maximum(normal, 0))):
        assert not isinstance(choose(planes(image), None), Rician)


def test_curves_are_found_beneath_texture():
    mean = np.linspace(1, 20, 20)
    _, means, variances = rician_moments()
    for fit, numbers, truth in (
        (fit_level, (7,), np.full(20, 7.0)),
        (fit_line, (2, 3), 2 * mean + 3),
        (fit_rician, (4,), 16 * np.interp(mean / 4, means, variances)),
    ):
        truth[[3, 4, 11]] *= 5  # textured bins
        found = fit(Bins(mean, truth, np.full(20, 0.05), np.ones(20, bool)))
        np.testing.assert_allclose(found.numbers, numbers, rtol=0.02)


@pytest.mark.parametrize("coils", [1, 4, 32, 128])
def test_rician_moments_against_simulation(coils):
    signal, mean, variance = rician_moments(coils)
    assert np.isfinite([mean, variance]).all()
    random = np.random.default_rng(0)
    for true in (0, 1, 3, 29, 40):
        image = np.sqrt(random.chisquare(2 * coils - 1, 400_000) + (true + random.normal(size=400_000)) ** 2)
        assert np.interp(true, signal, mean) == pytest.approx(image.mean(), abs=0.006 + 0.02 * (coils > 99))
        assert np.interp(true, signal, variance) == pytest.approx(image.var(), rel=0.01)


def test_photographs_with_gaussian_noise_are_seldom_taken_for_else(shared):
    files = sorted((shared / "BSD68").iterdir())[::17]
    for k, file in enumerate(files):
        clean = skio.imread(file).astype(np.float64)
        noisy = np.clip(np.rint(clean + np.random.default_rng(k).normal(0, 5, clean.shape)), *BYTES)
        assert isinstance(choose(planes(noisy), None, BYTES), Gaussian), file.name


def test_microscopy_has_noise_that_grows(shared):
    image = skio.imread(shared / "FMD" / "Confocal_FISH_3_noisy.png")
    model = choose(planes(image), None, BYTES)
    assert isinstance(model, PoissonGaussian)
