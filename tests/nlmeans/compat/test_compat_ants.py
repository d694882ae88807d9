"""ANTs' function by ours: its arguments, on arrays and on what quacks like an ANTsImage; what it does wrong is not."""

import numpy as np
import pytest

import nlmeans
from nlmeans.compat.ants import denoise_image
from nlmeans.noise import Rician

RNG = np.random.default_rng(0)
Z, Y, X = np.mgrid[:20, :28, :24]
CLEAN = 60 + 50 * (np.hypot(np.hypot(Z - 10, Y - 14), X - 12) < 7.5) + 10 * np.sin(X / 3)
VOLUME = (CLEAN + RNG.normal(0, 6, CLEAN.shape)).astype(np.float32)


class Image:
    """What of an ANTsImage counts."""

    def __init__(self, array, origin=(1.0, 2, 3), components=1):
        self.array, self.origin, self.components = array, origin, components

    def numpy(self):
        return self.array.copy()

    def new_image_like(self, array):
        return Image(array, self.origin)


def error(result):
    return float(np.sqrt(np.mean((result - CLEAN) ** 2)))


def test_arguments_are_those_of_denoise():
    comp = denoise_image(VOLUME, None, 1, 1, 2, "Gaussian")
    ref = nlmeans.denoise(VOLUME, axes="ZYX", patch_radius=1, search_radius=2)
    np.testing.assert_array_equal(comp, ref)
    assert error(comp) < 0.5 * error(VOLUME)
    np.testing.assert_array_equal(denoise_image(VOLUME, p="1x1x1", r=[2, 2, 2], noise_model="Gaussian"), ref)
    np.testing.assert_array_equal(denoise_image(VOLUME, noise_model="Gaussian", shrink_factor=3), ref)
    comp = denoise_image(VOLUME, p="0x1x1", r="1x2x2")
    ref = nlmeans.denoise(VOLUME, noise=Rician(), axes="ZYX", patch_radius=(0, 1, 1), search_radius=(1, 2, 2))
    np.testing.assert_array_equal(comp, ref)


def test_an_image_of_ants_keeps_its_place():
    comp = denoise_image(Image(VOLUME), noise_model="Gaussian")
    assert comp.origin == (1.0, 2, 3)
    np.testing.assert_array_equal(comp.array, denoise_image(VOLUME, noise_model="Gaussian"))
    flat = denoise_image(Image(VOLUME[10]), noise_model="Gaussian")
    assert flat.array.shape == VOLUME[10].shape


def test_outside_of_the_mask_nothing_changes():
    mask = (np.hypot(Y - 14, X - 12) < 9).astype(np.uint8)
    comp = denoise_image(Image(VOLUME), Image(mask), noise_model="Gaussian").array
    np.testing.assert_array_equal(comp[mask == 0], VOLUME[mask == 0])
    assert (comp != VOLUME)[mask > 0].mean() > 0.9


def test_borders_are_not_darkened_and_whole_numbers_not_zeroed():
    flat = (100 + RNG.normal(0, 4, (16, 16, 16))).astype(np.float32)
    comp = denoise_image(flat, noise_model="Gaussian")
    assert abs(comp[0].mean() - 100) < 1
    for dtype in (np.uint8, np.uint16, np.uint32):
        comp = denoise_image(np.rint(flat).astype(dtype), noise_model="Gaussian")
        assert comp.dtype == dtype
        assert abs(comp.mean() - 100) < 1


@pytest.mark.parametrize(("given", "kind", "words"), [
    (dict(image=VOLUME[0, 0]), ValueError, r"the image must have 2 or 3 dimensions and no channels; got shape \(24,\)"),
    (dict(image=Image(VOLUME[:3], components=3)), ValueError, "and no channels; got"),
    (dict(p=-1), ValueError, "p is a radius .* must be at least 0; got -1"),
    (dict(r="2x2"), ValueError, "r must be a whole number, or one for each of the axes Z, Y, X"),
    (dict(r="two"), ValueError, "r must be a radius, or one for each axis as in '1x1x2'; got 'two'"),
    (dict(shrink_factor=0), ValueError, "shrink_factor must be at least 1; got 0"),
    (dict(noise_model="Poisson"), ValueError, "noise_model must be 'Rician' or 'Gaussian'; got 'Poisson'"),
    (dict(mask=np.ones((2, 2))), ValueError, "mask must be boolean, True where a pixel counts"),
])  # fmt: skip
def test_what_cannot_be_meant_is_refused(given, kind, words):
    with pytest.raises(kind, match=words):
        denoise_image(**{"image": VOLUME, **given})
