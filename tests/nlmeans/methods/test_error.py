"""The map of the error: as large as errors are, and honest where it cannot be known."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage import data

import nlmeans
from nlmeans.extend import Method, Outcome, Plan
from nlmeans.methods.error import FACTOR, FAINT, FOLLOWS, LEAST, SPREAD, VARIES, predictor, scaled
from nlmeans.noise import Camera, Gaussian, PoissonGaussian

CAMERA = data.camera()[96:224, 180:308].astype(float)
COLOUR = data.astronaut()[40:136, 160:256].astype(float)
RNG = np.random.default_rng(0)


class Rows(Method):
    """The mean of three rows: a filter whose error is known, and that knows nothing of maps."""

    name = "rows"

    def decide(self, sample, options, progress=None):
        return sample.recipe(self, sample.plan(Plan, options, depends=(0, 1, 0)))

    def run(self, region, recipe, *, threads=None, progress=None):
        around = np.pad(region.planes, [(0, 0), (0, 0), (1, 1), (0, 0)], mode="edge")
        return Outcome(region.restored(region.core.of(around[:, :, :-2] + around[:, :, 1:-1] + around[:, :, 2:]) / 3))


def holds(clean, noisy, **options):
    """Return the shares of pixels, in per cent, whose error is within 1 and 1.96 of the map, and map / error."""
    result, report = nlmeans.denoise(noisy, full_output="maps", **options)
    off, error = np.abs(result - clean), report.maps.error
    assert error.shape == noisy.shape
    size = np.sqrt(np.mean(np.square(error)) / np.mean(np.square(off)))
    return 100 * np.mean(off < error), 100 * np.mean(off < 1.96 * error), size


def noisy(clean, sigma, seed=0):
    return clean + sigma * np.random.default_rng(seed).normal(size=clean.shape)


# --- as large as the errors ---


@pytest.mark.parametrize("options", [
    dict(quality="fast"), dict(), dict(method="ridge", quality="fast"), dict(method=Rows()),
])  # fmt: skip
@pytest.mark.parametrize("sigma", [10, 40])
def test_intervals_hold(options, sigma):
    narrow, wide, size = holds(CAMERA, noisy(CAMERA, sigma), sigma=sigma, **options)
    assert abs(narrow - 68.3) < 12  # of one picture: over many, it is within 3
    assert abs(wide - 95) < 4.5
    assert 0.8 < size < 1.15


def test_intervals_of_colours_hold():
    narrow, wide, size = holds(COLOUR, noisy(COLOUR, [10, 20, 15]), sigma=[10, 20, 15], channel_axis=-1)
    assert abs(narrow - 68.3) < 12
    assert abs(wide - 95) < 4.5
    assert 0.8 < size < 1.15


def test_intervals_of_a_map_of_sigma_hold():
    sigma = np.where(np.arange(128) < 64, 8.0, 30.0) * np.ones((128, 1))
    narrow, wide, size = holds(CAMERA, noisy(CAMERA, sigma), sigma=sigma)
    assert abs(narrow - 68.3) < 12
    assert abs(wide - 95) < 4.5
    assert 0.8 < size < 1.15


@pytest.mark.parametrize("method", ["nlm", "ridge"])
def test_intervals_of_counts_hold(method):
    clean = 1 + CAMERA / 4
    counts = np.random.default_rng(0).poisson(clean).astype(float)
    narrow, wide, size = holds(clean, counts, noise=PoissonGaussian(1.0), method=method, quality="fast")
    assert abs(narrow - 68.3) < 12
    assert abs(wide - 95) < 4.5
    assert 0.8 < size < 1.2


def test_lost_detail_is_part_of_it():
    stripes = 100 + 20 * np.sin(np.arange(128) * 2.0)[:, None] * np.ones(128)
    _, report = nlmeans.denoise(noisy(stripes, 2), sigma=2, method=Rows(), full_output="maps")
    error = np.sqrt(np.mean(np.square(report.maps.error)))
    lost = np.sqrt(np.mean(np.square(stripes - sum(np.roll(stripes, k, 0) for k in (-1, 0, 1)) / 3)))
    assert error == pytest.approx(lost, rel=0.15)
    assert error > 5 * 2


def test_other_methods_have_no_weights():
    _, report = nlmeans.denoise(noisy(CAMERA, 10), sigma=10, method=Rows(), full_output="maps")
    assert (report.maps.effective, report.maps.residual) == (None, None)
    assert len(report.maps.figures("YX")) == 1


# --- the definition ---


def test_the_expected_error_is_as_defined():
    result, follows = RNG.normal(10, 3, (2, 1, 12, 14)), RNG.random((2, 1, 12, 14))
    power, flags = np.full((2, 1, 1, 1), 4.0), np.ones((2, 1, 12, 14), bool)
    flags[0, 0, 3:5, 7] = False
    comp = predictor(result, follows, power, flags)

    def window(planes, c, y, x, side):
        rows, columns = (np.clip(np.arange(k - side // 2, k + side // 2 + 1), 0, n - 1) for k, n in ((y, 12), (x, 14)))
        place = np.ix_(rows, columns)
        return planes[c, 0][place][flags[c, 0][place]]

    for c, y, x in [(0, 0, 0), (0, 4, 8), (1, 11, 6)]:
        expected = FACTOR
        for side, exponent in FOLLOWS.items():
            expected *= (window(follows, c, y, x, side).mean() + FAINT) ** exponent
        for side, exponent in VARIES.items():
            expected *= (window(result, c, y, x, side).var() / 4 + FAINT) ** exponent
        assert comp[c, 0, y, x] == pytest.approx(expected)


def test_the_factor_goes_from_what_is_usual_to_what_is_seen():
    expected = np.full(1000, 0.5)
    sharp, _ = scaled(np.tile([0.9, 1.1], 500), expected)
    assert sharp == pytest.approx(2, rel=0.01)
    blurred, _ = scaled(np.tile([-99.0, 101], 500), expected)
    assert blurred == pytest.approx(1, abs=0.05)
    unsure = np.square(10 / (2 * 0.5)) / 1000
    half, _ = scaled(np.tile([-9.0, 11], 500), expected)
    assert half == pytest.approx((2 * SPREAD**2 + unsure) / (SPREAD**2 + unsure))
    factor, notes = scaled(np.full(1000, LEAST * 0.4), expected)
    assert (factor, [note.code for note in notes]) == (1, ["error-sigma"])
    assert scaled(expected[:1], expected[:1]) == (1, ())


# --- the ways in, and the ends ---


def test_it_is_in_units_of_the_image():
    image = noisy(CAMERA, 20)[:64, :64]
    one, other = (
        nlmeans.denoise(a * image, sigma=20 * a, quality="fast", full_output="maps")[1].maps for a in (1, 0.25)
    )
    np.testing.assert_allclose(other.error, 0.25 * one.error, rtol=1e-6)


def test_threads_do_not_change_it():
    image = noisy(CAMERA, 20).astype("f4")
    for method in ("nlm", "ridge"):
        one, two = (
            nlmeans.denoise(image, 20, method=method, quality="fast", full_output="maps", threads=n)[1].maps
            for n in (1, 2)
        )
        np.testing.assert_array_equal(one.error, two.error)


def test_without_noise_there_is_none():
    maps = nlmeans.denoise(CAMERA, sigma=0, full_output="maps")[1].maps
    assert (maps.error == 0).all()
    assert (maps.residual == 0).all()
    assert (maps.effective == 1).all()
    two = nlmeans.denoise(np.stack([CAMERA, CAMERA[::-1]], -1)[:48, :48], [10, 0], channel_axis=-1, full_output="maps")
    assert two[1].maps.error[..., 1].max() == 0 < two[1].maps.error[..., 0].min()
    stack = np.stack([np.full((48, 48), 7.0), noisy(CAMERA, 5)[:48, :48]])
    maps = nlmeans.denoise(stack, sigma=[0, 5], axes="NYX", full_output="maps")[1].maps
    assert maps.error.shape == stack.shape
    assert maps.error[0].max() == 0 < maps.error[1].min()
    assert maps.effective.shape == stack.shape


def test_missing_pixels_have_no_error_that_is_known():
    image = noisy(CAMERA, 10)
    image[10:20, 30:33] = np.nan
    for method in ("nlm", "ridge"):
        error = nlmeans.denoise(image, 10, method=method, quality="fast", full_output="maps")[1].maps.error
        np.testing.assert_array_equal(np.isnan(error), np.isnan(image))
        assert 0 < np.nanmin(error) < np.nanmax(error) < 20


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (5, 5), (3, 20, 20)])
def test_small_images(shape):
    image = RNG.normal(100, 10, shape)
    error = nlmeans.denoise(image, 10, axes="ZYX"[-len(shape) :], full_output="maps")[1].maps.error
    assert error.shape == shape
    assert np.isfinite(error).all()
    assert error.max() < 20


def test_whole_numbers_are_rounded():
    image = np.clip(noisy(CAMERA, 3), 0, 255).round().astype(np.uint8)
    exact, whole = (
        nlmeans.denoise(image, 3, quality="fast", dtype=kind, full_output="maps")[1].maps.error
        for kind in ("float32", None)
    )
    np.testing.assert_allclose(whole, np.sqrt(exact**2 + 1 / 12), rtol=1e-4)


def test_what_is_not_known_is_not_said():
    _, report = nlmeans.denoise(noisy(CAMERA, 10), noise=Camera(8, 5, 3), quality="fast", full_output="maps")
    assert report.maps.error is None
    assert any("error of processed photographs is not known" in note for note in report.notes)
    assert report.maps.residual.shape == CAMERA.shape
    assert len(report.maps.figures("YX")) == 2
    _, report = nlmeans.denoise(
        noisy(CAMERA, 10), noise=Camera(8, 5, 3), method="ridge", quality="fast", full_output="maps"
    )
    assert report.maps is None
    assert any("error of processed photographs is not known" in note for note in report.notes)


def test_a_sigma_that_is_too_large_is_said():
    _, report = nlmeans.denoise(noisy(CAMERA, 10), sigma=25, quality="fast", full_output="maps")
    assert any("less noise than its model says" in note for note in report.notes)


def test_of_an_estimated_spectrum_it_is_said_to_be_low():
    soft = gaussian_filter(RNG.normal(size=CAMERA.shape), 0.8)
    image = CAMERA + 10 * soft / soft.std()
    report = nlmeans.denoise(image, quality="fast", full_output="maps")[1]
    assert report.correlated
    assert any("too low, by about a fifth" in note for note in report.notes)
    given = Gaussian.measured(image - CAMERA)
    report = nlmeans.denoise(image, noise=given, quality="fast", full_output="maps")[1]
    assert not any("too low" in note for note in report.notes)


def test_noise_that_is_shared_and_correlated():
    sigma = Gaussian(covariance=[[100, 60], [60, 100]])
    clean = np.stack([CAMERA, CAMERA.T])
    noise = np.linalg.cholesky([[100, 60], [60, 100]]) @ RNG.normal(size=(2, CAMERA.size))
    narrow, wide, size = holds(clean, clean + noise.reshape(clean.shape), noise=sigma, axes="CYX")
    assert abs(narrow - 68.3) < 12
    assert abs(wide - 95) < 4.5
    assert 0.8 < size < 1.15
