"""weight_map() against the result that it explains."""

import numpy as np
import pytest

import nlmeans

RNG = np.random.default_rng(0)
NOISY = 100 + 50 * (np.arange(30) > 14) * np.ones((24, 1)) + RNG.normal(0, 10, (24, 30))
VOLUME = RNG.normal(0, 10, (5, 12, 14))


@pytest.mark.parametrize(
    ("image", "at", "options"),
    [
        (NOISY, (10, 13), dict(quality="fast")),
        (NOISY, (0, -1), dict(quality="fast", aggregation="patch")),
        (NOISY, (10, 13), dict(quality="best", wiener=False)),
        (NOISY, (10, 13), dict(sigma=np.linspace(5, 15, 30) * np.ones((24, 1)), quality="fast")),
        (NOISY, (10, 13), dict(guide=NOISY[::-1], quality="fast")),
        (NOISY, (5, 6), dict(search_radius="image", quality="fast")),
        (VOLUME, (2, 3, 4), dict(quality="fast", centre="one")),
        (VOLUME, (4, 3, 4), dict(quality="fast", axes="TYX")),
        (np.where(RNG.random(NOISY.shape) < 0.3, np.nan, NOISY), (10, 13), dict(quality="fast")),
    ],
)
def test_the_weights_give_the_result(image, at, options):
    options = {"sigma": 10.0, **options}
    weights = nlmeans.weight_map(image, at, **options)
    assert weights.shape == image.shape
    assert weights.sum() == pytest.approx(1)
    assert weights.min() >= 0
    assert np.nansum(weights * image) == pytest.approx(nlmeans.denoise(image, **options)[at], rel=1e-4)


@pytest.mark.parametrize("axes", ["YXC", "CXY"])
def test_axes_in_any_order(axes):
    colour = np.stack([NOISY, NOISY * 0.5, NOISY + 3], axis=-1)
    image = colour if axes == "YXC" else colour.transpose(2, 1, 0)
    at = (7, 9) if axes == "YXC" else (9, 7)
    weights = nlmeans.weight_map(image, at, 10, axes=axes, quality="fast")
    ref = nlmeans.weight_map(colour, (7, 9), 10, channel_axis=-1, quality="fast")
    np.testing.assert_allclose(weights if axes == "YXC" else weights.T, ref)


@pytest.mark.parametrize(
    ("at", "words"), [((30, 0), "got (30, 0)"), ((1, 2, 3), "along Y, X"), (3, "got 3"), ((1.5, 2), "whole number")]
)
def test_pixels_outside_are_refused(at, words):
    with pytest.raises((TypeError, ValueError), match=words.replace("(", r"\(").replace(")", r"\)")):
        nlmeans.weight_map(NOISY, at, 10)


def test_stacks_are_refused():
    with pytest.raises(ValueError, match="one of the stack"):
        nlmeans.weight_map(np.stack([NOISY, NOISY]), (0, 3, 3), 10, axes="NYX")
