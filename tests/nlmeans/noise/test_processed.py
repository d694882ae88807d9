"""The noise of processed photographs: seen where it is, not where it is not, and the same in other units."""

import io

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter, zoom
from typer.testing import CliRunner

import nlmeans
from nlmeans import large
from nlmeans.cli import app
from nlmeans.noise import Camera, Gaussian, PoissonGaussian, Rician, estimate_noise

SIDE = 192
ROWS, COLUMNS = np.mgrid[:SIDE, :SIDE]
SCENE = np.stack(
    [
        110 + 50 * np.sin(ROWS / 23) + 30 * ((COLUMNS // 48) % 2),
        100 + 40 * np.cos(COLUMNS / 31) + 40 * ((ROWS // 64) % 2),
        80 + 0.4 * ROWS,
    ],
    axis=-1,
)


def jpeg(picture, quality):
    file = io.BytesIO()
    Image.fromarray(np.clip(np.rint(picture), 0, 255).astype(np.uint8)).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def photograph(sigma, quality=85, seed=0):
    """A picture with smooth noise that colours share mostly, as a JPEG file; and the noise's σ before that."""
    rng = np.random.default_rng(seed)
    noise = gaussian_filter(rng.normal(0, 1, (SIDE, SIDE, 1)) + 0.5 * rng.normal(0, 1, (SIDE, SIDE, 3)), (0.9, 0.9, 0))
    noise += zoom(rng.normal(0, 0.25, (SIDE // 4, SIDE // 4, 3)), (4, 4, 1), order=1)
    noise *= sigma / noise.mean(axis=-1).std()
    return jpeg(SCENE + noise, quality)


def test_a_photograph_is_seen_and_denoised_at_every_scale():
    noisy = photograph(5)
    model = estimate_noise(noisy, channel_axis=-1)
    assert isinstance(model, Camera)
    assert 2.5 < model.full < 9
    assert model.full > model.half > model.quarter
    np.testing.assert_array_equal(nlmeans.estimate_sigma(noisy, channel_axis=-1), [model.full] * 3)
    for method in ("nlm", "ridge"):
        result, report = nlmeans.denoise(noisy, channel_axis=-1, method=method, full_output=True)
        assert report.plan.noise == model.text
        assert any("processed photograph" in note for note in report.notes)
        before, after = (np.square(picture - SCENE).mean() for picture in (noisy, result.astype(float)))
        assert after < 0.35 * before
        np.testing.assert_array_equal(
            nlmeans.denoise(noisy, channel_axis=-1, method=method, noise=model), result, strict=True
        )


@pytest.mark.parametrize(("unit", "dtype"), [(1 / 255, np.float32), (257, np.uint16), (1, np.float64)])
def test_units_do_not_matter(unit, dtype):
    noisy = photograph(5)
    model = estimate_noise(noisy, channel_axis=-1)
    other = estimate_noise((noisy.astype(float) * unit).astype(dtype), channel_axis=-1)
    assert other.full == pytest.approx(model.full * unit, rel=0.02)
    assert other.quarter == pytest.approx(model.quarter * unit, rel=0.02)


@pytest.mark.parametrize("sigma", [0.5, 5, 25])
@pytest.mark.parametrize("shape", [SCENE.shape[:2], SCENE.shape])
def test_white_noise_is_white(sigma, shape):
    noise = np.random.default_rng(1).normal(0, sigma, shape)
    noisy = (SCENE if len(shape) == 3 else SCENE[..., 0]) + noise
    axis = -1 if len(shape) == 3 else None
    for picture in (noisy, np.clip(np.rint(noisy), 0, 255).astype(np.uint8)):
        assert not nlmeans.plan(picture, channel_axis=axis).noise.startswith("Camera")


def text_scan():
    page = np.full((SIDE, SIDE), 255.0)
    rng = np.random.default_rng(2)
    for row in range(8, SIDE - 8, 12):
        page[row : row + 6, 8:-8] = np.where(rng.random((1, SIDE - 16)) < 0.4, 20, 255)
    return gaussian_filter(page, 0.6)


def drawing():
    return np.where((ROWS - 90) ** 2 + (COLUMNS - 90) ** 2 < 3000, 200.0, 40.0)


def saturated():
    picture = photograph(4).astype(float)
    picture[:100] = 255
    return picture


def bordered():
    picture = photograph(4).astype(float)
    picture[:20] = picture[-20:] = 0
    return picture


@pytest.mark.parametrize("picture", [text_scan, drawing, saturated, bordered, lambda: SCENE, lambda: SCENE[:9, :9]])
def test_odd_pictures_have_a_defined_result(picture):
    noisy = np.clip(np.rint(picture()), 0, 255).astype(np.uint8)
    axis = -1 if noisy.ndim == 3 else None
    result, report = nlmeans.denoise(noisy, channel_axis=axis, full_output=True)
    assert result.shape == noisy.shape
    if picture in (saturated, bordered):
        assert report.plan.noise.startswith("Camera")
        ends = noisy[10:90] if picture is saturated else noisy[:18]
        np.testing.assert_array_equal(result[10:90] if picture is saturated else result[:18], ends)
    else:
        assert not report.plan.noise.startswith("Camera")
        assert picture is text_scan or np.abs(result.astype(float) - noisy).mean() < 0.5


def test_a_picture_too_small_to_tell_says_so():
    noise = np.random.default_rng(3).normal(0, 5, (20, 20))
    _, report = nlmeans.denoise(100 + noise, noise=Camera(), full_output=True)
    assert any("too small" in note for note in report.notes)
    assert report.sigma[0] == pytest.approx(5, rel=0.4)


def test_models_can_be_asked_for():
    noisy = photograph(5)
    assert isinstance(estimate_noise(noisy, noise=Gaussian(), channel_axis=-1), Gaussian)
    assert isinstance(estimate_noise(noisy, noise=Rician(), channel_axis=-1), Rician)
    assert isinstance(estimate_noise(SCENE[..., 0]), PoissonGaussian)
    grey = estimate_noise(noisy[..., 1], noise=Camera())
    assert isinstance(grey.full, float)
    with pytest.raises(ValueError, match="without its numbers"):
        estimate_noise(noisy, noise=Camera(1, 1, 1), channel_axis=-1)
    with pytest.raises(ValueError, match="given together"):
        Camera(full=3)
    with pytest.raises(ValueError, match="half must be at least 0; got -1"):
        Camera(3, -1, 1)
    with pytest.raises(ValueError, match="takes the noise as white"):
        nlmeans.denoise(noisy, channel_axis=-1, noise=Camera(), strength="sure")
    assert not nlmeans.plan(noisy, channel_axis=-1, strength="sure").noise.startswith("Camera")


def test_photographs_are_told_from_clean_pictures(shared):
    """Of the standard sets, clean and with white noise, none is taken for a photograph; of real photographs, all."""
    rng = np.random.default_rng(4)
    for name, *sigmas in (("Set12/05", 0, 5), ("BSD68/test036", 5), ("Kodak24/kodim05", 0), ("Kodak24/kodim07", 5)):
        clean = np.asarray(Image.open(shared / f"{name}.png"))
        for sigma in sigmas:
            picture = np.clip(np.rint(clean + rng.normal(0, sigma, clean.shape)), 0, 255).astype(np.uint8)
            model = nlmeans.plan(picture, channel_axis=-1 if picture.ndim == 3 else None).noise
            assert not model.startswith("Camera"), name
    for path in sorted((shared / "PolyU").glob("*_7_real*")):
        picture = np.asarray(Image.open(path))[128:384, 128:384]
        assert nlmeans.plan(picture, channel_axis=-1).noise.startswith("Camera"), path


@pytest.mark.parametrize("dtype", [np.int16, np.uint16, np.int32, np.uint32])
def test_few_bits_in_wide_integers(dtype):
    noisy = photograph(5)
    assert estimate_noise(noisy.astype(dtype), channel_axis=-1) == estimate_noise(noisy, channel_axis=-1)


def test_extreme_units_do_not_matter():
    noisy = photograph(5)
    model, other = (estimate_noise(noisy * unit, noise=Camera(), channel_axis=-1) for unit in (1e6, 1e34))
    assert other.full == pytest.approx(model.full * 1e28, rel=1e-4)


@pytest.mark.parametrize("method", ["nlm", "ridge"])
def test_dead_channels_are_left_alone(method):
    noisy = photograph(5).astype(np.float32)
    noisy[..., 1] = 7
    given = Camera(4, 3, 2)
    result, report = nlmeans.denoise(noisy, channel_axis=-1, noise=given, method=method, full_output=True)
    assert (result[..., 1] == 7).all()
    assert report.sigma == (6, 0, 6)  # of a mean of three
    live = nlmeans.denoise(noisy[..., ::2], channel_axis=-1, noise=Camera(6, 4.5, 3), method=method)
    np.testing.assert_allclose(result[..., ::2], live, atol=0.01)


def test_no_noise_changes_nothing():
    noisy = photograph(5).astype(np.float32)
    np.testing.assert_array_equal(nlmeans.denoise(noisy, channel_axis=-1, noise=Camera(0, 0, 0)), noisy)
    even = np.full((SIDE, SIDE, 3), 100.0)
    assert estimate_noise(even, noise=Camera(), channel_axis=-1) == Camera(0, 0, 0)
    np.testing.assert_array_equal(nlmeans.denoise(even, channel_axis=-1, noise=Camera(5, 4, 3)), even)


def test_numbers_are_those_of_separate_images():
    stack = np.stack([photograph(sigma)[:64, :64] for sigma in (5, 3, 8)])
    models = [Camera(5, 4, 3), Camera(3, 2, 1), Camera(8, 6, 5)]
    together = Camera((5, 3, 8), (4, 2, 6), (3, 1, 5))
    each = [nlmeans.denoise(one, channel_axis=-1, noise=model) for one, model in zip(stack, models, strict=True)]
    np.testing.assert_array_equal(nlmeans.denoise(stack, axes="NYXC", noise=together), each)
    with pytest.raises(ValueError, match="full must be one number; got 3"):
        nlmeans.denoise(stack[0], channel_axis=-1, noise=together)
    with pytest.raises(ValueError, match="full must be one number, or one for each of 2 images; got 3"):
        nlmeans.denoise(stack[:2], axes="NYXC", noise=together)


@pytest.mark.filterwarnings("error")
def test_a_clipped_channel_is_no_stripe():
    noisy = photograph(5).copy()
    noisy[:90, :, 2] = 255
    nlmeans.plan(noisy, channel_axis=-1)


def test_rounding_does_not_hide_a_photograph_saved_twice(shared):
    path = sorted((shared / "PolyU").glob("*_real.JPG"))[0]
    with Image.open(path) as photo:  # on another grid of blocks, all that is white in it is rounding
        again = jpeg(np.asarray(photo)[100:260, 100:300], 95)
    assert nlmeans.plan(again, channel_axis=-1).noise.startswith("Camera")


def test_a_file_and_the_command_line_are_as_the_array(tmp_path):
    noisy = photograph(5)
    whole = nlmeans.denoise(noisy, channel_axis=-1)
    np.save(tmp_path / "noisy.npy", noisy)
    large.denoise(tmp_path / "noisy.npy", tmp_path / "clean.npy", channel_axis=-1)
    blocks = np.load(tmp_path / "clean.npy")
    assert np.abs(blocks.astype(int) - whole).max() <= 1
    Image.fromarray(noisy).save(tmp_path / "noisy.png")
    done = CliRunner().invoke(app, ["denoise", str(tmp_path / "noisy.png"), str(tmp_path / "clean.png")])
    assert done.exit_code == 0, done.output
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "clean.png")), whole)
