"""Finite in, finite out, mean kept: whatever channels and frames share, whatever the noise and the numbers are."""

import io
from functools import cache

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

import nlmeans
from nlmeans import _checks
from nlmeans.noise import PoissonGaussian, Rician
from nlmeans.noise.shared import correlation

Y, X = np.mgrid[:64, :72]
CLEAN = np.where((X // 16 + Y // 16) % 2, 160.0, 60.0) + 10 * np.sin(X / 9)
METHODS = ("nlm", "ridge")


def noisy(sigma=10.0, seed=0, shape=CLEAN.shape):
    return CLEAN[: shape[0], : shape[1]] + np.random.default_rng(seed).normal(0, sigma, shape)


def as_jpeg(grey, quality, mode="RGB"):
    """Return a grey picture as it comes out of a JPEG file in colour."""
    file = io.BytesIO()
    Image.fromarray(np.clip(np.rint(grey), 0, 255).astype("u1")).convert(mode).save(file, "JPEG", quality=quality)
    return np.array(Image.open(file))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("jpeg_quality", [30, 75, 90, 98])
def test_a_grey_photograph_saved_in_colour_is_the_grey_one(method, jpeg_quality):
    image = as_jpeg(noisy(), jpeg_quality)
    assert np.ptp(image, axis=-1).max() == 0
    result = nlmeans.denoise(image, channel_axis=-1, method=method)
    assert np.ptp(result, axis=-1).max() == 0
    apart = np.abs(result[..., 0] - nlmeans.denoise(image[..., 0], method=method).astype(int))
    assert apart.mean() < 0.05  # by ridge, rounding decides between patches as near as each other
    assert abs(result.mean() - image.mean()) < 1


@cache
def grey_result(method, quality):
    """Return what one channel becomes."""
    return nlmeans.denoise(noisy().astype("f4"), 10, method=method, quality=quality)


FACTORS = [(1, 1, 1), (1, 0.5, 0.25), (1, 0), (0, 0, 1), (2, 1, 1, 7), (1, -1), (1, -2, 0.5)]


@pytest.mark.parametrize(
    ("factors", "quality"),
    [*((factors, "fast") for factors in FACTORS), *((FACTORS[k], q) for k in (1, 2, 6) for q in ("balanced", "best"))],
)
@pytest.mark.parametrize("method", METHODS)
def test_proportional_channels_are_as_good_as_one(factors, quality, method):
    grey, ref = noisy().astype("f4"), grey_result(method, quality)
    image = np.stack([grey * np.float32(factor) for factor in factors], axis=-1)
    sigma = [10 * abs(factor) for factor in factors]
    comp = nlmeans.denoise(image, sigma, channel_axis=-1, method=method, quality=quality)
    for c, factor in enumerate(factors):  # of patches as near as each other, rounding decides which is taken
        apart = np.abs(comp[..., c] - factor * ref)
        assert np.median(apart) <= 1e-3 * abs(factor)
        assert apart.mean() <= 0.05 * abs(factor)


@pytest.mark.parametrize("method", METHODS)
def test_photons_stored_in_colour_are_the_grey_ones(method):
    counts = np.random.default_rng(0).poisson(CLEAN / 10).astype("u2")
    noise = PoissonGaussian(1.0)
    result = nlmeans.denoise(np.dstack([counts] * 3), noise=noise, channel_axis=-1, method=method).astype(int)
    assert np.ptp(result, axis=-1).max() == 0
    assert np.abs(result[..., 0] - nlmeans.denoise(counts, noise=noise, method=method)).mean() < 0.05


def test_noise_that_channels_share_is_measured():
    rng = np.random.default_rng(0)
    colours = np.tile(np.stack([CLEAN, CLEAN[::-1], 200 - CLEAN])[:, None], (3, 3))
    for share in (0.0, 0.25, 0.8, 1.0):
        common, own = rng.normal(0, 10, (1, *colours.shape[1:])), rng.normal(0, 10, colours.shape)
        image = colours + np.sqrt(share) * common + np.sqrt(1 - share) * own
        found = correlation(image, (10.0, 10.0, 10.0))[np.triu_indices(3, 1)]
        np.testing.assert_allclose(found, share, atol=0.15)
        image[1] *= -1
        np.testing.assert_allclose(correlation(image, (10.0,) * 3)[np.triu_indices(3, 1)], found * [-1, 1, -1])


@pytest.mark.parametrize("method", METHODS)
def test_shared_noise_is_removed_as_well_as_it_can_be(method):
    rng = np.random.default_rng(0)
    colours = np.stack([CLEAN, CLEAN[::-1], 200 - CLEAN], axis=-1)
    image = colours + 10 * (
        np.sqrt(0.9) * rng.normal(0, 1, (*CLEAN.shape, 1)) + np.sqrt(0.1) * rng.normal(0, 1, colours.shape)
    )
    together = nlmeans.denoise(image, 10, channel_axis=-1, method=method)
    alone = np.stack([nlmeans.denoise(image[..., c], 10, method=method) for c in range(3)], axis=-1)
    assert np.square(together - colours).mean() < 1.05 * np.square(alone - colours).mean()


def test_a_constant_channel_beside_correlated_noise():
    from scipy.ndimage import gaussian_filter

    image = np.zeros((64, 64, 3))
    image[..., 1] = gaussian_filter(np.random.default_rng(0).normal(100, 40, (64, 64)), 0.8)
    for method in METHODS:
        result = nlmeans.denoise(image, channel_axis=-1, method=method)
        np.testing.assert_array_equal(result[..., ::2], 0)
        np.testing.assert_allclose(result[..., 1], nlmeans.denoise(image[..., 1], method=method), rtol=1e-9)


@pytest.mark.parametrize(
    "noise", [1e-30, 1e-20, 1e-9, Rician(1e-30), PoissonGaussian(1e-30), PoissonGaussian(1.0, 0, 1e-30)]
)
@pytest.mark.parametrize("dtype", ["u1", "f2", "f4", "f8"])
def test_noise_that_is_next_to_none_changes_next_to_nothing(noise, dtype):
    image = np.clip(noisy(), 1, 255).astype(dtype)
    kind = {"noise": noise} if isinstance(noise, Rician | PoissonGaussian) else {"sigma": noise}
    for method in METHODS:
        result = nlmeans.denoise(image, **kind, method=method)
        assert np.isfinite(result).all()
        if noise != PoissonGaussian(1.0, 0, 1e-30):
            np.testing.assert_allclose(result, image, rtol=1e-3)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("scale", [1e-42, 1e-38, 1e-20, 1e20, 1e36])
def test_any_unit_of_float32(scale, method):
    image = (noisy() * scale).astype("f4")
    ref = nlmeans.denoise(image.astype("f8") / scale, method=method)
    result = nlmeans.denoise(image, method=method)
    assert np.abs(result.astype("f8") / scale - ref).max() < (2 if scale < 1e-37 else 0.5)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("scale", [1e-60, 1e60])
def test_any_unit_of_float64(scale, method):
    image = noisy()
    np.testing.assert_allclose(
        nlmeans.denoise(image * scale, method=method) / scale, nlmeans.denoise(image, method=method), atol=0.5
    )


@pytest.mark.parametrize("method", ["nlm", "ridge"])
def test_halves_stay_within_their_range(method):
    """The average of what is clipped at the largest number may be above it."""
    image = np.random.default_rng(0).normal(65000, 900, (48, 48)).clip(-65504, 65504)
    result = nlmeans.denoise(image.astype("f2"), 900, method=method)
    assert np.isfinite(result).all()
    assert abs(result.mean(dtype=float) - image.mean()) < 100


@pytest.mark.parametrize("scale", [1e-90, 1e90, 1e300])
def test_what_cannot_be_squared_is_refused(scale):
    with pytest.raises(ValueError, match=r"numbers that can be squared, 1e-70 to 1e\+70; got"):
        nlmeans.denoise(noisy() * scale)


@pytest.mark.parametrize("offset", [1e4, 1e6, 1e7])
def test_an_offset_changes_no_more_than_rounding(offset):
    image = noisy()
    step = float(np.spacing(np.float32(offset + 256)))
    apart = nlmeans.denoise((image + offset).astype("f4"), 10) - nlmeans.denoise(image + offset, 10)
    # half for the image, half for the result, and what follows from these; averages in 16 bits
    assert np.abs(apart).max() <= 5 * step + 0.1


def test_the_last_guard_is_loud():
    with pytest.raises(nlmeans.DenoisingError, match=r"finite result; 1 of 4 values are not"):
        _checks.result(np.array([1.0, np.nan, 2.0, 3.0]))


@st.composite
def images(draw):
    """Draw images as people have them, with their axes."""
    seed, side = draw(st.integers(0, 999)), draw(st.integers(17, 40))
    rng = np.random.default_rng(seed)
    grey = CLEAN[:side, :side] * draw(st.sampled_from([0.02, 1.0])) + rng.normal(
        0, draw(st.sampled_from([0, 1, 10, 60])), (side, side)
    )
    kind = draw(
        st.sampled_from(["grey", "jpeg", "as colour", "proportional", "opaque", "blurred", "slices", "video", "mosaic"])
    )
    dtype = draw(st.sampled_from(["u1", "u2", "i2", "f4", "f8"]))
    axes = "YX"
    if kind == "jpeg":
        grey, axes, dtype = as_jpeg(grey, draw(st.integers(20, 99))), "YXC", "u1"
    elif kind == "as colour":
        grey, axes = np.dstack([grey] * draw(st.integers(2, 4))), "YXC"
    elif kind == "proportional":
        grey, axes = np.dstack([grey, grey // 2, grey * 0]), "YXC"
    elif kind == "opaque":
        grey, axes = np.dstack([grey, grey.T, grey[::-1], np.full_like(grey, 255)]), "YXC"
    elif kind == "blurred":
        from scipy.ndimage import uniform_filter

        grey = uniform_filter(grey, draw(st.integers(2, 4)))
    elif kind in ("slices", "video"):
        frames = [grey] * draw(st.integers(2, 4)) + [grey + rng.normal(0, 1, grey.shape)] * draw(st.booleans())
        grey, axes = np.stack(frames), "ZYX" if kind == "slices" else "TYX"
    elif kind == "mosaic":
        grey = np.repeat(np.repeat(grey[::2, ::2], 2, 0), 2, 1)
    if np.dtype(dtype).kind == "u":
        grey = np.clip(np.rint(grey), 0, 255)
    return grey.astype(dtype), axes


@settings(max_examples=80, suppress_health_check=[HealthCheck.too_slow])
@given(
    images(),
    st.sampled_from([None, 1e-30, 1e-6, 1.0, 10.0]),
    st.sampled_from(["fast", "balanced", "best", "ridge"]),
)
def test_finite_in_finite_out_mean_kept(drawn, sigma, quality):
    image, axes = drawn
    spread = float(image.max()) - float(image.min())
    sigma = None if sigma is None or sigma > spread else sigma
    how = dict(method="ridge", quality="fast") if quality == "ridge" else dict(quality=quality)
    result, report = nlmeans.denoise(image, sigma, axes=axes, search_radius=None, full_output=True, **how)
    assert np.isfinite(result).all()
    level = max(report.sigma)
    beyond = 1e-6 * spread + (
        0 if quality == "fast" else 4 * level
    )  # a Wiener step and groups are no averages: they may ring
    assert result.min() >= image.min() - beyond
    assert result.max() <= image.max() + beyond
    # A mean of averages strays by what the noise's own mean does, and by what weights prefer.
    assert abs(result.mean(dtype=float) - image.mean(dtype=float)) <= 0.25 * level + 1e-3 * spread + 0.05
    if "C" in axes and np.ptp(image, axis=-1).max() == 0:
        assert np.ptp(result, axis=-1).max() <= 1e-5 * spread


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(drawn=images(), method=st.sampled_from(["nlm", "ridge"]), side=st.integers(9, 40), blind=st.booleans())
def test_dask_and_files_are_as_finite_and_the_same(drawn, method, side, blind, tmp_path_factory):
    da = pytest.importorskip("dask.array")
    image, axes = drawn
    spread = float(image.max()) - float(image.min())
    how = dict(axes=axes, method=method, quality="fast", noise="auto" if blind else None)
    how |= {} if blind else {"sigma": max(0.1 * spread, 1e-3)}
    whole = nlmeans.denoise(image, **how)
    chunks = tuple(n if axis in "CN" else min(n, side) for axis, n in zip(axes, image.shape, strict=True))
    lazy = nlmeans.denoise(da.from_array(image, chunks), **how).compute()
    folder = tmp_path_factory.mktemp("files")
    np.save(folder / "a.npy", image)
    nlmeans.large.denoise(folder / "a.npy", folder / "b.npy", **how)
    for comp in (lazy, np.load(folder / "b.npy")):
        assert (comp.dtype, comp.shape) == (image.dtype, image.shape)
        assert np.isfinite(comp).all()
        apart = np.abs(comp.astype(float) - whole)
        # of patches as near as each other, rounding decides which are taken
        assert np.median(apart) <= 1e-4 * spread
        assert apart.mean() <= (0.02 if method == "ridge" else 1e-3) * spread + (0.01 if image.dtype.kind != "f" else 0)


@pytest.mark.parametrize("method", ["nlm", "ridge"])
@pytest.mark.parametrize("value", [1e30, 100.0, -32768.0, 0.0])
@pytest.mark.parametrize("sigma", [10, 1e-20, 5e-324])
def test_a_constant_stays_whatever_the_noise(value, sigma, method):
    for kind in ("f4", "f8"):
        image = np.full((9, 13), value, kind)
        np.testing.assert_allclose(nlmeans.denoise(image, sigma, method=method), image, rtol=1e-6)


def test_read_noise_that_no_float_holds_is_refused():
    image = np.random.default_rng(0).normal(100, 10, (9, 13))
    with pytest.raises(ValueError, match="sigma must be at most 1e\\+150 times the gain"):
        nlmeans.denoise(image, noise=PoissonGaussian(5e-324, 10, 3))


@pytest.mark.parametrize("kind", [">f4", ">u2", "<f4"])
def test_a_stack_keeps_its_byte_order(kind):
    image = np.full((3, 9, 13), 100, kind)
    image[:, ::2] += 1
    assert nlmeans.denoise(image, 1, axes="NYX", threads=10**400).dtype == np.dtype(kind)


def test_noise_beyond_all_numbers_changes_no_constant():
    image = np.full((1, 13, 7), -128, "i1")
    np.testing.assert_array_equal(nlmeans.denoise(image, 1e300, axes="TYX"), image)
