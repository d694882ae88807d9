"""scikit-image's functions by ours: the same strengths, types, channels and errors."""

import subprocess
import sys

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from skimage import data, img_as_float, restoration

from nlmeans.compat import four
from nlmeans.compat import skimage as compat

RNG = np.random.default_rng(0)
CAMERA = data.camera()[100:260, 120:300]
NOISY = CAMERA / 255 + RNG.normal(0, 25 / 255, CAMERA.shape)
FACE = data.astronaut()[60:140, 180:280]
COLOUR = FACE / 255 + RNG.normal(0, 0.08, FACE.shape)
BALL = (np.hypot(np.hypot(*np.mgrid[-12:12, -14:14, -15:15][:2]), np.mgrid[-12:12, -14:14, -15:15][2]) < 9) * 0.6
VOLUME = BALL + RNG.normal(0, 0.08, BALL.shape)


def error(result, clean):
    return float(np.sqrt(np.mean((result - clean) ** 2)))


@pytest.mark.parametrize(
    ("size", "distance", "h", "sigma"), [(7, 11, 0.06, 0.1), (5, 6, 0.08, 0.1), (6, 5, 0.06, 0.1), (7, 5, 0.1, 0.0)]
)
def test_within_half_a_per_cent_of_the_fast_mode(size, distance, h, sigma):
    clean = data.camera() / 255
    noisy = clean + np.random.default_rng(0).normal(0, 25 / 255, clean.shape)
    given = dict(patch_size=size, patch_distance=distance, h=h, sigma=sigma)
    ref, comp = (f(noisy, **given) for f in (restoration.denoise_nl_means, compat.denoise_nl_means))
    assert np.abs(ref - comp).mean() < 0.005
    assert error(comp, clean) < 1.02 * error(ref, clean)


def test_colour_and_volumes_and_the_slow_mode():
    for image, given in (
        (COLOUR, dict(channel_axis=-1, h=0.06, sigma=0.08, patch_distance=5)),
        (COLOUR.transpose(2, 0, 1), dict(channel_axis=0, h=0.06, sigma=0.08, patch_distance=5)),
        (VOLUME, dict(h=0.06, sigma=0.08, patch_size=3, patch_distance=3)),
        (NOISY[:60, :70], dict(h=0.08, sigma=0.1, patch_distance=5, patch_size=5, fast_mode=False)),
    ):
        ref, comp = (f(image, **given) for f in (restoration.denoise_nl_means, compat.denoise_nl_means))
        assert comp.shape == ref.shape == image.shape
        assert np.abs(ref - comp).mean() < 0.015, given


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "int64", "float16", "float32", "float64", "bool"])
@pytest.mark.parametrize("preserve_range", [False, True])
def test_types_are_those_of_scikit_image(dtype, preserve_range):
    top = min(np.iinfo(dtype).max, 2**53) if np.dtype(dtype).kind in "iu" else 1
    image = (np.clip(NOISY[:40, :50], 0, 1) * top).round(3).astype(dtype)
    h = 0.1 * (top if preserve_range else 1)
    ref, comp = (
        f(image, h=h, patch_size=5, patch_distance=4, preserve_range=preserve_range)
        for f in (restoration.denoise_nl_means, compat.denoise_nl_means)
    )
    assert comp.dtype == ref.dtype
    assert np.abs(ref - comp).mean() < 0.01 * (top if preserve_range else 1)


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64", "uint8", "uint32", "uint64"])
def test_whole_numbers_are_scaled_alike(dtype):
    info = np.iinfo(dtype)
    image = np.array([[info.min, 0], [info.max // 2, info.max]], dtype)
    np.testing.assert_allclose(compat._floats(image, False), img_as_float(image), atol=1e-9)


def test_what_scikit_image_does_surprisingly_is_not_reproduced():
    thin = NOISY[:1]
    assert compat.denoise_nl_means(thin, sigma=0.1).shape == thin.shape
    holed = NOISY.copy()
    holed[50, 60] = np.nan
    result = compat.denoise_nl_means(holed, h=0.08, sigma=0.1)
    assert np.isfinite(result).all()
    far = np.hypot(*(np.mgrid[:160, :180] - np.array([50, 60])[:, None, None])) > 20
    np.testing.assert_allclose(result[far], compat.denoise_nl_means(NOISY, h=0.08, sigma=0.1)[far], atol=1e-6)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (dict(h=0), "h must be above 0; got 0"),
        (dict(sigma=-1), "sigma must be at least 0; got -1"),
        (dict(patch_size=0), "patch_size must be a whole number of at least 1; got 0"),
        (dict(patch_distance=-2), "patch_distance must be a whole number of at least 0; got -2"),
        (dict(patch_size=2.5), "patch_size must be a whole number of at least 1; got 2.5"),
        (dict(channel_axis=5), "channel_axis"),
    ],
)
def test_bad_input(given, message):
    with pytest.raises(ValueError, match=message):
        compat.denoise_nl_means(**{"image": NOISY[:20, :20], **given})


@pytest.mark.parametrize(
    ("shape", "given"),
    [
        ((9,), {}),
        ((9, 3), dict(channel_axis=-1)),
        ((4, 4, 4, 3), dict(channel_axis=-1, fast_mode=False)),
        ((4, 4, 4, 4), dict(fast_mode=False)),
        ((3, 3, 3, 3, 3), {}),
    ],
)
def test_dimensions_that_scikit_image_refuses(shape, given):
    for function in (restoration.denoise_nl_means, compat.denoise_nl_means):
        with pytest.raises(NotImplementedError):
            function(np.zeros(shape), **given)


@pytest.mark.parametrize("channel_axis", [None, 0, -1])
def test_four_dimensions(channel_axis):
    clean = np.zeros((9, 8, 7, 6))
    clean[3:-2, 2:-2, 2:-2, :3] = 0.7
    if channel_axis is not None:
        clean = np.stack([clean, 1 - clean], axis=channel_axis)
    noisy = clean + np.random.default_rng(0).normal(0, 0.2, clean.shape)
    given = dict(patch_size=3, patch_distance=2, h=0.12, sigma=0.2, channel_axis=channel_axis)
    ref, comp = (f(noisy, **given) for f in (restoration.denoise_nl_means, compat.denoise_nl_means))
    assert (comp.shape, comp.dtype) == (ref.shape, ref.dtype)
    assert error(comp, clean) < 1.25 * error(ref, clean) < 0.75 * error(noisy, clean)  # their patches have 2 pixels
    with pytest.raises(ValueError, match="4 dimensions must be finite"):
        compat.denoise_nl_means(np.full((3, 3, 3, 3), np.nan))


@hypothesis.given(st.lists(st.integers(1, 3), min_size=4, max_size=4), st.integers(0, 5), st.integers(0, 2))
@hypothesis.settings(max_examples=12, deadline=None)
def test_patches_longer_than_four_dimensions_are_their_mirrored_images(sides, patch, search):
    planes = np.random.default_rng(patch).normal(0, 1, (2, *sides))
    far = np.pad(planes, ((0, 0), *[(patch, patch)] * 4), mode="reflect")
    patches = np.lib.stride_tricks.sliding_window_view(far, [2 * patch + 1] * 4, (1, 2, 3, 4))
    patches = np.moveaxis(patches, 0, 4).reshape(np.prod(sides), -1)
    places = np.indices(sides).reshape(4, -1).T
    scores = np.array([np.square(patches - one).sum(1) for one in patches])
    weights = np.exp(-scores / (2 * patch + 1) ** 4) * (np.abs(places[:, None] - places).max(-1) <= search)
    ref = planes.reshape(2, -1) @ weights / weights.sum(0)
    comp = four.average(planes, patch, search, 1 / (2 * patch + 1) ** 4, 0.0, 0.0)
    np.testing.assert_allclose(comp.reshape(2, -1), ref, rtol=1e-9)


def test_a_patch_of_any_size_takes_no_longer_in_four_dimensions():
    image = np.random.default_rng(0).normal(0.5, 0.1, (2, 3, 2, 2))
    near, far = (compat.denoise_nl_means(image, size, 2, 0.1, sigma=0.05) for size in (60001, 65001))
    np.testing.assert_allclose(near, far, atol=1e-6)  # more memory than there is, without whole periods


def test_four_dimensions_of_which_one_is_short_are_three():
    given = dict(patch_size=3, patch_distance=2, h=0.1, sigma=0.08)
    ref = compat.denoise_nl_means(VOLUME[:8, :9, :10], **given)
    comp = compat.denoise_nl_means(VOLUME[:8, :9, :10][None], **given)[0]
    # a patch that is mirrored along an axis of one pixel repeats itself, but the fast mode's factor is another
    np.testing.assert_allclose(comp, ref, atol=0.03)


def test_the_estimate_comes_in_the_same_form():
    assert isinstance(compat.estimate_sigma(NOISY), float)
    assert compat.estimate_sigma(NOISY) == pytest.approx(25 / 255, rel=0.1)
    each = compat.estimate_sigma(COLOUR, channel_axis=-1)
    assert isinstance(each, list)
    assert each == pytest.approx([0.08] * 3, rel=0.2)
    assert compat.estimate_sigma(COLOUR, channel_axis=-1, average_sigmas=True) == pytest.approx(np.mean(each))
    with pytest.warns(UserWarning, match="taken for space"):
        compat.estimate_sigma(np.random.default_rng(0).normal(size=(40, 40, 4)))


def test_scikit_image_is_not_needed():
    code = (
        "import sys; sys.modules['skimage'] = None\n"
        "import numpy as np\nfrom nlmeans.compat.skimage import denoise_nl_means\n"
        "print(denoise_nl_means(np.eye(9), patch_size=3, patch_distance=2).shape)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "(9, 9)\n"
