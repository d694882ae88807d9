"""The drop-ins at the ends of the floats, and with None for what is left out."""

import numpy as np
import pytest

from nlmeans import convert
from nlmeans.compat.opencv import fastNlMeansDenoising
from nlmeans.compat.scale import factor_of, strength_of
from nlmeans.compat.skimage import denoise_nl_means

PICTURE = np.random.default_rng(0).normal(100, 10, (20, 24))


@pytest.mark.parametrize(("dtype", "scales"), [("f4", (1e-40, 1e-18, 1, 1e34)), ("f8", (1e-300, 1, 1e15, 1e300))])
@pytest.mark.parametrize("h", [1e-300, 1e-30, 1e30, 1e300])
def test_any_strength_does_for_pixels_of_any_size(dtype, scales, h):
    for scale in scales:
        image = (PICTURE * scale).astype(dtype)
        for found in (
            denoise_nl_means(image, patch_size=3, patch_distance=2, h=h),
            fastNlMeansDenoising(image, h=h, templateWindowSize=3, searchWindowSize=5),
        ):
            assert found.dtype == image.dtype
            assert np.isfinite(found).all()
            relative = np.abs(found.astype("f8") / scale - PICTURE).max()
            assert relative < 1e-3 if h < 1e-9 * scale else relative > 1 if h > 1e9 * scale else True


@pytest.mark.parametrize("scale", [2.0**-60, 2.0**60])
def test_a_power_of_two_changes_nothing_but_the_size(scale):
    plain = denoise_nl_means(PICTURE, patch_size=3, patch_distance=2, h=8, sigma=10)
    found = denoise_nl_means(PICTURE * scale, patch_size=3, patch_distance=2, h=8 * scale, sigma=10 * scale)
    np.testing.assert_allclose(found, plain * scale, rtol=1e-12)


def test_ordinary_numbers_are_taken_as_they_are():
    assert factor_of(PICTURE) == (1.0, PICTURE.max())
    assert strength_of(8, 100, np.dtype("f4")) == 8


def test_a_negative_h_counts_as_its_absolute_value():
    image = PICTURE.round().astype(np.uint8)
    found, wanted = fastNlMeansDenoising(image, h=-7), fastNlMeansDenoising(image, h=7)
    np.testing.assert_array_equal(found, wanted)
    cv2 = pytest.importorskip("cv2")
    np.testing.assert_array_equal(cv2.fastNlMeansDenoising(image, h=-7), cv2.fastNlMeansDenoising(image, h=7))


def test_none_is_what_is_left_out():
    names = ("patch_size", "patch_distance", "h", "fast_mode", "sigma", "preserve_range", "channel_axis")
    np.testing.assert_array_equal(denoise_nl_means(PICTURE, **dict.fromkeys(names)), denoise_nl_means(PICTURE))
    assert convert.from_skimage(None, sigma=1, patch_size=None) == convert.from_skimage(sigma=1)
    with pytest.raises(TypeError, match="missing"):
        convert.from_skimage(None)
