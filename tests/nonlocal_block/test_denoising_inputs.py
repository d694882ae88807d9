"""The learned denoise() on what people have: masks, channels that share or lack something, numbers of any size."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch", reason="the extra `learned` is not installed")
pytest.importorskip("safetensors", reason="the extra `learned` is not installed")

import nlmeans
from nlmeans.noise import Gaussian, PoissonGaussian, Rician
from nonlocal_block import denoise


def checkerboard(side=96):
    y, x = np.mgrid[:side, :side]
    return np.where((x // 16 + y // 16) % 2, 160.0, 60.0)


CLEAN = checkerboard()
NOISY = (CLEAN + np.random.default_rng(0).normal(0, 10, CLEAN.shape)).astype(np.float32)
HOLES = np.random.default_rng(1).random(CLEAN.shape) < 0.1


def call(image, sigma=10.0, **options):
    return denoise(image, sigma, threads=1, **options)


def error(found, clean=CLEAN):
    return float(np.sqrt(np.mean((np.asarray(found, float) - clean) ** 2)))


@pytest.fixture(scope="module")
def grey():
    return call(NOISY)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64"])
@pytest.mark.parametrize("sigma", [10.0, None])
def test_grey_stored_as_colour_is_the_grey_result(dtype, sigma):
    image = NOISY.clip(0, 255).round().astype(dtype)
    found, report = call(np.dstack([image] * 3), sigma, channel_axis=-1, full_output=True)
    assert np.ptp(found, axis=-1).max() == 0
    assert np.abs(found[..., 0].astype(float) - call(image, sigma)).max() <= (1 if image.dtype.kind == "u" else 1e-2)
    assert error(found[..., 0]) < 3
    assert report.weights[0].startswith("denoiser-grey")


@pytest.mark.parametrize("sigma", [(10.0, 20.0, 5.0), None])
def test_channels_that_are_multiples_of_one(sigma, grey):
    image = np.stack([NOISY, 2 * NOISY + 5, 0.5 * NOISY - 3])
    found = call(image, sigma, channel_axis=0)
    for channel, factor, offset in zip(found, (1, 2, 0.5), (0, 5, -3), strict=True):
        assert error((channel - offset) / factor) < error(grey) + 0.1


def test_channels_that_are_nearly_equal(grey):
    rng = np.random.default_rng(2)
    found = call(np.stack([NOISY + rng.normal(0, 0.5, NOISY.shape) for _ in range(3)]), channel_axis=0)
    assert all(error(channel) < error(grey) + 0.1 for channel in found)


def test_colours_with_noise_of_their_own_go_together():
    rng = np.random.default_rng(3)
    image = np.stack([CLEAN, 255 - CLEAN, CLEAN / 2 + 60]) + rng.normal(0, 10, (3, *CLEAN.shape))
    report = call(image, channel_axis=0, full_output=True)[1]
    assert [name.split()[0] for name in report.weights] == ["denoiser-grey", "denoiser-differences", "denoiser-mixer"]


@pytest.mark.parametrize("noise", [Gaussian(10.0), PoissonGaussian(0.5, 0, 3.0), None])
def test_constant_channels_stay_and_the_others_are_denoised(noise):
    image = np.stack([NOISY, np.full_like(NOISY, 50), NOISY[::-1]])
    found = denoise(image, noise=noise, channel_axis=0, threads=1)
    assert (found[1] == 50).all()
    assert error(found[0]) < 4.2
    assert np.array_equal(denoise(image[1], 10, threads=1), image[1])


def test_masked_pixels_count_for_no_one(grey):
    image = np.where(HOLES, 1e4, NOISY)
    found, report = call(image, mask=~HOLES, full_output=True)
    assert (report.missing, report.unfilled) == (HOLES.sum(), 0)
    assert error(found[~HOLES], CLEAN[~HOLES]) < error(grey[~HOLES], CLEAN[~HOLES]) + 0.1
    assert np.abs(found[HOLES] - 110).max() < 100
    other = np.where(HOLES, -77, NOISY)
    np.testing.assert_array_equal(call(other, mask=~HOLES), found)
    np.testing.assert_array_equal(call(np.where(HOLES, np.nan, NOISY)), found)
    through = nlmeans.denoise(image, 10.0, method="learned", mask=~HOLES, threads=1)
    np.testing.assert_array_equal(through, found)


@pytest.mark.parametrize("dtype", ["uint16", "float32", "float64"])
def test_masked_pixels_stay_bit_for_bit_if_asked(dtype):
    image = np.where(HOLES, 9999, NOISY.clip(0)).astype(dtype)
    if dtype != "uint16":
        image[HOLES] = np.frombuffer(b"\xff" * 8, dtype)[0]  # a NaN with bits of its own
    found = call(image, mask=~HOLES, fill=False)
    assert found[HOLES].tobytes() == image[HOLES].tobytes()
    filled = call(image, mask=~HOLES)
    np.testing.assert_array_equal(found[~HOLES], filled[~HOLES])
    through = nlmeans.denoise(image, 10.0, method="learned", mask=~HOLES, fill=False, threads=1)
    np.testing.assert_array_equal(through, found)


def test_noise_is_estimated_as_by_nlm_and_where_there_are_pixels():
    image = np.where(HOLES, 1e4, NOISY)
    for noise in (None, "auto"):
        ours = denoise(image, noise=noise, mask=~HOLES, threads=1, full_output=True)[1]
        theirs = nlmeans.denoise(image, noise=noise, mask=~HOLES, quality="fast", threads=1, full_output=True)[1]
        assert ours.sigma == theirs.sigma


def test_pixels_without_a_neighbour_are_counted_and_stay():
    image = NOISY.copy()
    image[:, :60] = np.inf
    found, report = call(image, full_output=True)
    assert report.missing == 60 * 96
    assert 0 < report.unfilled == np.isinf(found).sum() < report.missing
    assert f"{report.missing}, of which {report.unfilled} had no valid neighbour" in str(report)


def test_a_volume_keeps_its_masked_pixels():
    volume, known = np.stack([NOISY, NOISY[::-1]]), np.stack([~HOLES, np.ones_like(HOLES)])
    found = call(volume, axes="ZYX", mask=known, fill=False)
    np.testing.assert_array_equal(found[~known], volume[~known])
    np.testing.assert_allclose(found[1], call(volume[1]), atol=0.01)


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        (dict(mask=np.ones((5, 5), bool)), ValueError, "mask must be boolean, True where a pixel counts"),
        (dict(mask=np.zeros(CLEAN.shape, bool)), ValueError, "at least one pixel must be valid"),
        (dict(fill=2), TypeError, "fill must be True or False; got 2"),
    ],
)
def test_refusals(options, kind, words):
    with pytest.raises(kind, match=words):
        call(NOISY, **options)


@pytest.mark.parametrize("scale", [1e-42, 1e-38, 1e-30, 1e30, 1e36])
def test_any_scale_in_float32(scale, grey):
    found = call((NOISY.astype(np.float64) * scale).astype(np.float32), 10 * scale)
    assert error(found.astype(np.float64) / scale) == pytest.approx(error(grey), abs=0.05)


@pytest.mark.parametrize("scale", [1e-60, 1e60])
def test_any_scale_in_float64(scale, grey):
    found = call(NOISY.astype(np.float64) * scale, 10 * scale)
    assert error(found / scale) == pytest.approx(error(grey), abs=0.05)


@pytest.mark.parametrize(("offset", "slack"), [(1e6, 0.1), (1e7, 1.1)])  # half a step, or a whole one where it rounds
def test_a_large_offset_in_float32(offset, slack):
    image = (NOISY + np.float64(offset)).astype(np.float32)
    assert np.abs(call(image) - call(image.astype(np.float64))).max() <= slack


@pytest.mark.parametrize("value", [1e15, 1e20, 9.97e36, -3.4e38])
def test_one_huge_value_harms_no_other(value, grey):
    image = NOISY.copy()
    image[30, 30] = value
    found = call(image)
    assert found[30, 30] == pytest.approx(value)
    assert error(np.delete(found, 30 * 96 + 30), np.delete(CLEAN, 30 * 96 + 30)) < error(grey) + 0.1


def test_noise_that_is_nothing_changes_nothing():
    for sigma in (1e-320, 1e-30, 1e-10):
        assert np.array_equal(call(NOISY, sigma), NOISY)
    for noise in (Rician(1e-30), PoissonGaussian(1e-30, 0, 1e-30)):
        np.testing.assert_allclose(denoise(NOISY, noise=noise, threads=1), NOISY, rtol=1e-5)
    image = NOISY.clip(0, 255).astype(np.uint8)
    assert np.array_equal(call(image, 1e-20), image)


def test_float16_stays_finite():
    image = (NOISY * 360).clip(0, 65504).astype(np.float16)
    assert np.isfinite(call(image, 3600.0)).all()


def test_a_range_beyond_the_floats_is_refused():
    image = np.sign(NOISY.astype(np.float64) - 110) * 1.7e308
    with pytest.raises(ValueError, match="must be numbers that can be squared"):
        call(image, 1e307)
    with pytest.raises(ValueError, match="must be numbers that can be squared"):
        call(NOISY.astype(np.float64) * 1e300, 1e301)


def test_what_is_not_finite_never_becomes_whole_numbers(monkeypatch):
    from nonlocal_block import method

    def broken(network, plane, *_, inner, **__):
        return np.nan

    monkeypatch.setattr(method, "denoised", broken)
    for image in (NOISY, NOISY.astype(np.uint8)):
        with pytest.raises((ValueError, ArithmeticError), match="a finite image must have a finite result"):
            call(image)


@st.composite
def images(draw):
    """Draw an image (C, Y, X) as people have them: grey, colours, dead and equal channels, offsets, outliers."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    side, sigma = draw(st.integers(8, 24)), draw(st.sampled_from([1e-30, 0.5, 10.0, 80.0]))
    base = 100 + 50 * np.sin(np.arange(side) / draw(st.integers(1, 9))) * np.ones((side, 1))
    grain = rng.normal(0, sigma, (3, side, side))
    channels = []
    for k in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(["own", "same", "same", "multiple", "constant"]))
        channels.append(
            {
                "own": base[::-1] + grain[k % 3],
                "same": base + grain[0],
                "multiple": 1.7 * (base + grain[0]) - 9,
                "constant": np.full_like(base, 42.0),
            }[kind]
        )
    image = np.stack(channels) + draw(st.sampled_from([0.0, -500.0, 1e5]))
    if draw(st.booleans()):
        image[0, side // 2, 3] = draw(st.sampled_from([0.0, 1e6, -1e9]))
    kind = draw(st.sampled_from(["float32", "float64", "int32"]))
    return np.ascontiguousarray(image.astype(kind)), sigma


@settings(max_examples=25)
@given(images())
def test_finite_in_finite_out_mean_kept(drawn):
    image, sigma = drawn
    sigma = max(min(sigma, 0.5 * float(np.ptp(image))), 1e-30)
    found = call(image, sigma, channel_axis=0)
    assert found.dtype == image.dtype
    assert np.isfinite(found).all()
    size = float(np.abs(image).max())
    for channel, clean in zip(image.astype(np.float64), found.astype(np.float64), strict=True):
        assert abs(clean.mean() - channel.mean()) <= sigma + 0.5 * (image.dtype.kind == "i") + 1e-5 * size
        if np.ptp(channel) == 0:
            assert np.array_equal(clean, channel)
    for k, other in enumerate(image[1:]):
        if len(image) == 3 and np.array_equal(image[0], other) and np.array_equal(image[0], image[-1]):
            assert np.array_equal(found[0], found[k + 1])


def test_a_value_that_is_missing_in_one_channel_takes_no_other():
    rng = np.random.default_rng(4)
    image = 100 + rng.normal(0, 1, (32, 32, 3))
    image[8, 8] = 500, 100, np.nan
    found = denoise(image, channel_axis=-1, threads=1)
    assert 450 < found[8, 8, 0] < 550
    assert abs(found[8, 8, 2] - 100) < 5
    kept = denoise(image, channel_axis=-1, fill=False, threads=1)
    assert np.isnan(kept[8, 8]).tolist() == [False, False, True]


@pytest.mark.parametrize("value", [np.nan, 0.0])
def test_a_dead_band_stays_dead_and_the_others_are_denoised(value):
    image = np.stack([NOISY, NOISY[::-1], np.full_like(NOISY, value)])
    found = denoise(image, channel_axis=0, threads=1)
    np.testing.assert_array_equal(found[2], image[2])
    assert error(found[0]) < 3.5


def test_padding_and_no_data_stay_and_are_left_out():
    y, x = np.mgrid[:96, :96]
    outside = np.hypot(x - 47.5, y - 47.5) > 40
    image = np.where(outside, -2000, NOISY.round()).astype(np.int16)
    for options in ({}, {"nodata": -2000}, {"nodata": -2000, "padding": False}):
        found, report = nlmeans.denoise(image, method="learned", threads=1, full_output=True, **options)
        assert (found[outside] == -2000).all()
        assert report.kept == outside.sum()
        assert error(found[~outside], CLEAN[~outside]) < 4


@pytest.mark.parametrize(("sigma", "share", "bound"), [(10.0, 1.0, 3), (None, 1.0, 3), (10.0, 0.7, 4)])
def test_colours_that_share_their_noise_are_turned(sigma, share, bound):
    clean = np.stack([CLEAN, 255 - CLEAN, CLEAN / 2 + 60])
    own = np.random.default_rng(5).normal(0, 10, clean.shape)
    noise = share**0.5 * (NOISY - CLEAN) + (1 - share) ** 0.5 * own
    found, report = call(clean + noise, sigma, channel_axis=0, full_output=True)
    assert error(found, clean) < bound
    assert [name.split()[0] for name in report.weights] == ["denoiser-grey", "denoiser-mixer"]
    assert report.sigma == pytest.approx((10, 10, 10), rel=0.3)
