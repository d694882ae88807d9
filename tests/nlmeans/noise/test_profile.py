"""What noise looks like: simulated noise comes out as it was made, and every image has a defined result."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from nlmeans import io
from nlmeans.noise import estimate_noise, noise_profile
from nlmeans.noise.patches import cosines

RAMP = np.linspace(40, 200, 256) * np.ones((256, 1))
LARGE = np.linspace(40, 200, 512) * np.ones((512, 1))


def means(image, side):
    height, width = (n // side * side for n in image.shape)
    return image[:height, :width].reshape(height // side, side, width // side, side).mean(axis=(1, 3))


def power_of(noise, rings):
    """Return the mean square of cosine coefficients of noise alone, block by block, over rings."""
    height, width = (n // 8 * 8 for n in noise.shape)
    blocks = noise[:height, :width].reshape(height // 8, 8, width // 8, 8)
    bands = np.square(np.einsum("ka,ld,yaxd->klyx", cosines(8), cosines(8), blocks, optimize=True)).mean(axis=(2, 3))
    k = np.arange(8)
    radius, sums = np.hypot.outer(k, k), np.add.outer(k, k)
    rounded = np.minimum(np.rint(radius), 9)
    members = [(rounded == number) & (sums >= 3) for number in range(2, 10)]
    assert len(members) == rings
    return np.array([bands[some].mean() for some in members]), np.array([radius[some].mean() / 16 for some in members])


@pytest.fixture(scope="module")
def blurred():
    noise = gaussian_filter(np.random.default_rng(0).normal(0, 1, (512, 512)), 1)
    return 10 * noise / noise.std()


@pytest.mark.parametrize("kind", [np.float64, np.uint8])
def test_white_noise_is_the_same_at_each_brightness_frequency_and_scale(kind):
    noisy = LARGE + np.random.default_rng(0).normal(0, 10, (512, 512))
    profile = noise_profile(np.rint(noisy).clip(0, 255).astype(kind))
    assert profile.white
    assert [scale.size for scale in profile.scales] == [1, 2, 4]
    for scale, (least, bins) in zip(profile.scales, [(0.03, 0.1), (0.05, 0.15), (0.1, 0.25)], strict=True):
        assert scale.size * scale.sigma[0] == pytest.approx(10, rel=least)
        np.testing.assert_allclose(scale.size * scale.deviation[0], 10, rtol=bins)
        np.testing.assert_allclose(scale.density[0], 100, rtol=0.3)
        assert len(scale.brightness[0]) > 8
        assert np.all(np.diff(scale.brightness[0]) > 0)


@pytest.mark.parametrize(
    ("most", "power", "kind"), [(100, 1, np.float32), (100, 1, np.uint16), (0.6, 1, np.uint16), (40, 3, np.uint16)]
)
def test_counts_vary_as_their_mean(most, power, kind):
    """And zeros that no clipping made are none, whatever the type and however many."""
    light = most * np.linspace(0.02, 1, 512) ** power * np.ones((512, 1))
    counts = np.random.default_rng(0).poisson(light).astype(kind)
    for scale, (bound, least) in zip(
        noise_profile(counts).scales, [(0.15, 0.05), (0.25, 0.07), (0.5, 0.1)], strict=True
    ):
        variance = np.square(scale.size * scale.deviation[0])
        np.testing.assert_allclose(variance, scale.brightness[0], rtol=bound)
        assert np.mean(variance / scale.brightness[0]) == pytest.approx(1, abs=least)
        assert scale.brightness[0][0] < 0.15 * most
        assert scale.brightness[0][-1] > 0.85 * most
        assert scale.size * scale.sigma[0] == pytest.approx(np.sqrt(light.mean()), rel=0.05)
        np.testing.assert_allclose(scale.power[0], scale.power[0].mean(), rtol=0.3)  # no frequency has more


def test_blurred_noise_has_its_power_where_it_is(blurred):
    profile = noise_profile(LARGE + blurred)
    assert not profile.white
    full, half, _ = profile.scales
    assert full.sigma[0] == pytest.approx(10, rel=0.06)
    np.testing.assert_allclose(full.deviation[0], 10, rtol=0.12)
    assert half.sigma[0] == pytest.approx(means(blurred, 2).std(), rel=0.06)
    for scale in (full, half):
        power, frequency = power_of(means(blurred, scale.size), len(scale.frequency))
        np.testing.assert_allclose(scale.frequency, frequency / scale.size)
        high = power > power.max() / 100
        np.testing.assert_allclose(scale.power[0][high], power[high], rtol=0.2)


def test_channels_that_share_their_noise():
    rng = np.random.default_rng(0)
    one, two = rng.normal(0, 10, (2, 256, 256))
    image = np.stack([RAMP + one, RAMP + 0.6 * one + 0.8 * two, np.full(RAMP.shape, 7.0), RAMP - one])
    shared = noise_profile(image, axes="CYX").correlation
    np.testing.assert_allclose(shared[0], [1, 0.6, 0, -1], atol=0.1)  # errs towards 0, see `correlation`
    np.testing.assert_array_equal(np.diag(shared), 1)
    noise = gaussian_filter(rng.normal(0, 10, (2, 256, 256)), (0, 1, 1))
    noise[1] = 0.6 * noise[0] + 0.8 * noise[1]
    profile = noise_profile(np.moveaxis(RAMP + noise, 0, -1), channel_axis=-1)
    assert profile.scales[0].correlated == (True, True)
    assert profile.correlation[0, 1] == pytest.approx(0.6, abs=0.1)


def test_what_does_not_count_takes_no_part():
    rng = np.random.default_rng(0)
    noisy = RAMP + rng.normal(0, 5, RAMP.shape)
    mask = np.ones(RAMP.shape, bool)
    mask[:, 128:] = False
    other = np.where(mask, noisy, noisy + rng.normal(0, 50, RAMP.shape))
    holes = np.where(mask, noisy, np.nan)
    for profile in (noise_profile(other, mask=mask), noise_profile(holes)):
        assert [scale.size * scale.sigma[0] for scale in profile.scales] == pytest.approx([5, 5, 5], rel=0.1)
        assert max(scale.brightness[0].max() for scale in profile.scales) < 130


def test_clipped_parts_are_left_out():
    noisy = np.linspace(-60, 320, 512) * np.ones((512, 1)) + np.random.default_rng(0).normal(0, 10, (512, 512))
    for scale in noise_profile(np.rint(noisy).clip(0, 255).astype(np.uint8)).scales:
        np.testing.assert_allclose(scale.size * scale.deviation[0], 10, rtol=0.25)


@pytest.mark.parametrize("unit", [2.0**-150, 2.0**150])
def test_units_carry_through(unit):
    noisy = RAMP + np.random.default_rng(0).normal(0, 10, RAMP.shape)
    found, plain = noise_profile(unit * noisy), noise_profile(noisy)
    for one, other in zip(found.scales, plain.scales, strict=True):
        np.testing.assert_allclose(np.divide(one.sigma, unit), other.sigma, rtol=1e-6)
        np.testing.assert_allclose(one.brightness[0] / unit, other.brightness[0], rtol=1e-5)
        np.testing.assert_allclose(one.deviation[0] / unit, other.deviation[0], rtol=1e-4)
        np.testing.assert_allclose(one.power / unit / unit, other.power, rtol=1e-4)


@pytest.mark.parametrize(
    ("shape", "scales"), [((1, 1), 1), ((1, 40), 1), ((2, 2), 2), ((8, 8), 3), ((9, 11), 3), ((30, 31), 3)]
)
def test_images_too_small_to_tell(shape, scales):
    profile = noise_profile(np.random.default_rng(0).normal(100, 10, shape))
    assert len(profile.scales) == scales
    assert all(scale.brightness[0].size == scale.frequency.size == 0 for scale in profile.scales)
    assert all(np.isfinite(scale.sigma).all() for scale in profile.scales)
    assert "-" in str(profile)


@pytest.mark.parametrize("shape", [(64, 64), (64, 64, 3)])
def test_a_constant_image_has_no_noise(shape):
    profile = noise_profile(np.full(shape, 7.0), channel_axis=2 if len(shape) == 3 else None)
    assert all(set(scale.sigma) == {0.0} for scale in profile.scales)
    np.testing.assert_array_equal(profile.correlation, np.eye(*shape[2:] or (1,)))


def test_stacks_and_volumes_are_pooled():
    noisy = np.random.default_rng(0).normal(100, 10, (6, 100, 100))
    for axes in ("ZYX", "NYX", "TYX"):
        assert noise_profile(noisy, axes=axes).scales[1].sigma[0] == pytest.approx(5, rel=0.05)


def test_it_prints_as_a_table():
    noisy = RAMP[..., None] + np.random.default_rng(0).normal(0, 10, (*RAMP.shape, 2))
    lines = str(noise_profile(noisy, channel_axis=-1)).splitlines()
    assert lines[0].split() == [
        "size",
        "channel",
        "sigma",
        "darkest",
        "middle",
        "brightest",
        "low",
        ":",
        "high",
        "correlation",
    ]
    assert [line.split()[:2] for line in lines[1:]] == [[n, c] for n in ("full", "half", "quarter") for c in "01"]
    assert lines[1].endswith("1.00 0.00")
    assert {line.index(word) for line, word in zip(lines[:3], ("channel", "0", "1"), strict=True)} == {9}


@pytest.mark.parametrize(
    ("image", "options"),
    [
        (np.zeros((4, 4), complex), {}),
        (np.zeros((4, 4), np.int64), {}),
        ("picture.png", {}),
        (np.zeros((0, 4)), {}),
        (np.zeros(4), {}),
        (np.zeros((4, 4, 3)), {"axes": "XYY"}),
        (np.zeros((4, 4, 3)), {"channel_axis": 5}),
        (np.zeros((4, 4)), {"mask": np.ones((3, 4), bool)}),
        (np.zeros((4, 4)), {"mask": np.ones((4, 4))}),
        (np.full((4, 4), 1e200), {}),
    ],
)
def test_bad_arguments_are_refused_as_by_the_estimate(image, options):
    with pytest.raises((TypeError, ValueError)) as wanted:
        estimate_noise(image, **options)
    with pytest.raises(wanted.type) as found:
        noise_profile(image, **options)
    assert str(found.value) == str(wanted.value)


def test_a_photograph_shows_smooth_noise_that_channels_share(shared):
    path = next((shared / "PolyU").glob("*_real.JPG"))
    profile = noise_profile(io.read(path).pixels, channel_axis=-1)
    full = profile.scales[0]
    assert full.correlated == (True,) * 3
    assert np.all(full.power[:, 0] > 10 * full.power[:, -1])
    assert profile.correlation.min() > 0.3
