"""Variance-stabilising transforms: noise of 1 afterwards, and no bias after the way back, simulated."""

import numpy as np
import pytest

import nlmeans
from nlmeans.noise.vst import anscombe, rician

SIZE = 300_000
ANSCOMBE = [(1, 0, 0), (2, 5, 0.5), (3, -20, 6), (0.1, 100, 20)]


def counted(counts, gain, offset, sigma, seed=0):
    random = np.random.default_rng(seed)
    return (gain * random.poisson(counts, SIZE) + offset + sigma * random.normal(size=SIZE))[None]


def magnitude(signal, sigma, seed=0):
    noise = np.random.default_rng(seed).normal(0, sigma, (2, 1, SIZE))
    return np.hypot(signal + noise[0], noise[1])


@pytest.mark.parametrize(("gain", "offset", "sigma"), ANSCOMBE)
@pytest.mark.parametrize("counts", [0.2, 1, 4, 30, 195, 205, 3000])
def test_the_way_back_from_the_mean_of_counts_is_unbiased(counts, gain, offset, sigma):
    noisy = counted(counts, gain, offset, sigma)
    stabiliser = anscombe(gain, offset, sigma)
    bent = stabiliser.forward(noisy)
    back = stabiliser.inverse(bent.mean(1, keepdims=True))[0, 0]
    assert back == pytest.approx(gain * counts + offset, abs=4 * noisy.std() / SIZE**0.5)
    if counts >= 4:
        assert bent.std() == pytest.approx(1, abs=0.035)


def test_the_algebraic_inverse_would_be_biased():
    noisy = counted(1, 1, 0, 0)
    stabiliser = anscombe(1, 0, 0)
    mean = stabiliser.forward(noisy).mean()
    algebraic = (mean / 2 + 0.375**0.5) ** 2 - 0.375
    assert algebraic < 0.9
    assert stabiliser.inverse(np.full((1, 1), mean))[0, 0] == pytest.approx(1, abs=0.01)


def test_no_light_at_all_is_the_offset():
    stabiliser = anscombe(2, 10, 0)
    dark = stabiliser.forward(np.full((1, 4), 10.0))
    np.testing.assert_allclose(stabiliser.inverse(dark), 10, atol=1e-6)
    assert np.isfinite(stabiliser.forward(np.full((1, 4), -1e6))).all()


def test_the_way_back_is_a_rising_curve_without_steps():
    for stabiliser in (anscombe(1, 0, 0), anscombe(1, 0, 2), anscombe(1, 0, 20), rician(1)):
        bent = np.linspace(-1, 60, 40_001)[None]
        back = stabiliser.inverse(bent)[0]
        steps = np.diff(back)
        assert (steps >= 0).all()
        assert steps.max() < 0.1


def test_read_noise_that_dwarfs_the_counts_keeps_float32_exact():
    noisy = np.random.default_rng(0).normal(1000, 50, (1, SIZE)).astype(np.float32)
    stabiliser = anscombe(1e-4, 0, 50)
    bent = stabiliser.forward(noisy)
    assert bent.std() == pytest.approx(1, abs=0.01)
    np.testing.assert_allclose(stabiliser.inverse(bent), noisy, atol=0.05)


@pytest.mark.parametrize("signal", [0, 0.5, 1, 2, 3, 5, 12, 29, 31, 200])
def test_the_way_back_from_the_mean_of_magnitudes_is_unbiased(signal):
    sigma = 3.0
    stabiliser = rician(sigma)
    bent = stabiliser.forward(magnitude(signal * sigma, sigma))
    assert bent.std() == pytest.approx(1, abs=0.075 if signal < 3 else 0.015)
    # Below about σ the mean hardly depends on the signal, so its own scatter is felt much more.
    bound = 0.12 if signal < 1 else 4 * max(1, 1 / signal) / SIZE**0.5
    assert stabiliser.inverse(bent.mean(1, keepdims=True))[0, 0] / sigma == pytest.approx(signal, abs=bound + 0.002)


@pytest.mark.parametrize("coils", [4, 32])
@pytest.mark.parametrize("signal", [1.5, 4, 20, 60, 300])
def test_magnitudes_of_several_coils(coils, signal):
    random = np.random.default_rng(0)
    values = np.sqrt(random.chisquare(2 * coils - 1, SIZE) + (signal + random.normal(size=SIZE)) ** 2)[None]
    stabiliser = rician(3.0, coils)
    bent = stabiliser.forward(3 * values)
    assert bent.std() == pytest.approx(1, abs=0.04)
    comp = stabiliser.inverse(bent.mean(1, keepdims=True))[0, 0] / 3
    assert comp == pytest.approx(signal, rel=0.002, abs=8 * max(1, coils**0.5 / signal) / SIZE**0.5)


def test_what_lies_below_the_mean_of_pure_noise_becomes_nothing():
    stabiliser = rician(2.0)
    floor = stabiliser.forward(magnitude(0, 2.0)).mean()
    np.testing.assert_array_equal(stabiliser.inverse(np.array([[floor - 1.0, floor - 0.05]])), 0)
    assert stabiliser.inverse(np.array([[floor + 0.3]]))[0, 0] > 1


def test_channels_have_their_own_numbers_and_dtypes_stay():
    for dtype in (np.float32, np.float64):
        values = np.random.default_rng(0).uniform(1, 50, (2, 1, 9, 8)).astype(dtype)
        for both, each in (
            (anscombe((1, 4), 0, (0, 2)), [anscombe(1, 0, 0), anscombe(4, 0, 2)]),
            (rician((1, 4)), [rician(1), rician(4)]),
        ):
            for step in ("forward", "inverse"):
                comp = getattr(both, step)(values)
                assert comp.dtype == dtype
                for channel in (0, 1):
                    ref = getattr(each[channel], step)(values[channel : channel + 1])
                    np.testing.assert_array_equal(comp[channel : channel + 1], ref)


def test_bad_numbers_are_refused():
    for make in (lambda: anscombe(0, 0, 1), lambda: anscombe(1, 0, -1), lambda: rician(0), lambda: rician([1, -1])):
        with pytest.raises(ValueError, match="must be"):
            make()
    with pytest.raises(ValueError, match="one a channel: 2 for 3"):
        rician([1, 2]).forward(np.ones((3, 1, 4, 4)))


def test_it_helps_at_low_counts():
    y, x = np.mgrid[:96, :96] / 96
    clean = 1 + 9 * (np.sin(6 * x) * np.cos(5 * y) > 0)
    noisy = np.random.default_rng(0).poisson(clean).astype(np.float64)
    stabiliser = anscombe(1, 0, 0)
    bent = nlmeans.denoise(stabiliser.forward(noisy[None])[0], sigma=1)
    error = np.square(stabiliser.inverse(bent[None])[0] - clean).mean()
    plain = np.square(nlmeans.denoise(noisy, sigma=float(clean.mean() ** 0.5)) - clean).mean()
    assert error < 0.8 * plain


@pytest.mark.parametrize(
    ("build", "rule"),
    [
        (lambda: rician(5e-324), r"sigma must be at least 1e-300; got"),
        (lambda: anscombe(1, -1e300, 0), r"offset must be at most 1e\+70 times the gain; got"),
        (lambda: anscombe(1e-200, 0, 1), r"sigma must be at most 1e\+150 times the gain; got"),
    ],
)
def test_numbers_whose_squares_are_none_are_refused(build, rule):
    with pytest.raises(ValueError, match=rule):
        build()


def settled_slowly(plane, ground):
    """Return what `settled` says of one plane (Y, X)."""
    result = plane.copy()
    for y, x in zip(*np.nonzero(np.isfinite(plane)), strict=True):
        near = plane[max(y - 2, 0) : y + 3, max(x - 2, 0) : x + 3]
        near = near[np.isfinite(near)] - ground
        share = np.clip(2 - near / 0.35, 0, 1)
        own = np.clip(2 - (plane[y, x] - ground) / 0.35, 0, 1)
        if own > 0:
            result[y, x] += own * ((share * near).sum() / share.sum() + ground - plane[y, x])
    return result


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("coils", [1, 8])
def test_results_next_to_noise_alone_are_averaged(coils, dtype):
    rng, stabiliser = np.random.default_rng(0), rician([2, 3], coils)
    ground = float(rician(2, coils).forward(noise_alone(rng, coils, 10**6)).mean())
    planes = (ground + rng.uniform(-0.2, 1.2, (2, 3, 9, 11))).astype(dtype)
    planes[1, 2, 4, 5:7] = np.nan
    before = planes.copy()
    comp = stabiliser.settled(planes)
    ref = np.stack([[settled_slowly(plane.astype(float), ground) for plane in volume] for volume in planes])
    assert comp.dtype == dtype
    np.testing.assert_allclose(comp, ref, atol=1e-2)  # the ground is that of a sample
    np.testing.assert_array_equal(comp[planes > ground + 0.8], planes[planes > ground + 0.8])
    np.testing.assert_array_equal(planes, before)


def noise_alone(rng, coils, count):
    """Return magnitudes with σ = 2, as planes."""
    return np.sqrt(np.square(rng.normal(0, 2, (2 * coils, count))).sum(0))[None, None, None]


def test_other_noise_is_settled():
    planes = np.zeros((1, 1, 4, 4))
    assert anscombe(1, 0, 0).settled(planes) is planes
    assert (anscombe(1, 0, 0).around, rician(2).around) == (0, 2)
