"""Pixels that are no part of the picture: no data, sentinels, padding; and outliers, which are noticed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nlmeans
from nlmeans.noise.stripes import stripes_in
from nlmeans.pixels import missing, padding
from nlmeans.pixels.missing import Rules
from nlmeans.pixels.outliers import Outliers

Y, X = np.mgrid[:128, :128]


def field(dtype="f4", level=100.0, sigma=10.0, side=64, seed=0):
    return np.random.default_rng(seed).normal(level, sigma, (side, side)).astype(dtype)


def rms(result, truth):
    return float(np.sqrt(np.mean((np.asarray(result, float) - truth) ** 2)))


@pytest.mark.parametrize("method", ["nlm", "ridge"])
@pytest.mark.parametrize("value", [-3.4028235e38, 9.97e36, 1e20, 1e15, 1e10])
def test_sentinels_count_for_nobody_and_stay(value, method):
    image = field()
    image[:8] = value
    result, report = nlmeans.denoise(image, method=method, full_output=True)
    np.testing.assert_array_equal(result[:8], image[:8])
    assert abs(result[8:] - 100).max() < 12
    assert report.kept == 8 * 64
    assert any("cannot be averaged" in note for note in report.notes)
    masked = nlmeans.denoise(image, report.sigma, mask=image == np.clip(image, 0, 200), fill=False, method=method)
    np.testing.assert_allclose(result, masked, rtol=1e-5)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("value", [3e38, 1e12])
def test_one_firefly_harms_nobody(value, dtype):
    image = field(dtype)
    image[30, 30] = value
    result = nlmeans.denoise(image, 10)
    assert result[30, 30] == image[30, 30]
    others = np.ones(image.shape, bool)
    others[30, 30] = False
    assert abs(result[others] - 100).max() < 12


@given(
    st.floats(1e9, 3e38).map(np.float32).flatmap(lambda v: st.sampled_from([v, -v])),
    st.floats(0.001, 0.7),
    st.integers(0, 9),
)
def test_any_sentinel_anywhere(value, share, seed):
    rng = np.random.default_rng(seed)
    image, lost = field(seed=seed, side=32), rng.random((32, 32)) < share
    lost[0, 0] = True
    image[lost] = value
    result = nlmeans.denoise(image, 10, quality="fast", search_radius=3)
    np.testing.assert_array_equal(result[lost], image[lost])
    assert abs(result[~lost] - 100).max() < 60


def test_ordinary_ranges_have_no_sentinels():
    heights = np.where(X > 60, 1e4, 0) + field(side=128)
    stars = field(side=128)
    stars[::30, ::30] = 60000
    for image in (heights, stars, np.zeros((32, 32))):
        planes = np.asarray(image, np.float32)[None, None]
        rules = missing.Rules.of(planes, None, None, True, planes.shape[1:])
        assert rules.measure(planes, None).stays is None


@pytest.mark.parametrize("dtype", ["i2", "f4"])
def test_values_that_stand_for_no_data_stay(dtype):
    image = field(dtype)
    image[5:9, 7:30] = -9999
    result, report = nlmeans.denoise(image, 10, nodata=-9999, full_output=True)
    np.testing.assert_array_equal(result[5:9, 7:30], -9999)
    ref = nlmeans.denoise(image, 10, mask=image != -9999, fill=False)
    np.testing.assert_array_equal(result, ref)
    assert (report.kept, report.missing) == (4 * 23, 0)


@pytest.mark.parametrize("value", [-9999.0, np.nan])
@pytest.mark.parametrize("method", ["nlm", "ridge"])
@pytest.mark.parametrize("masked", [False, True])
def test_no_data_stay_whatever_else_says_that_they_are_missing(value, method, masked):
    image, hole = field(), np.zeros((64, 64), bool)
    hole[20:40, 10:50] = True
    image[hole] = value
    given = {"mask": ~hole} if masked else {}
    result, report = nlmeans.denoise(image, 10, nodata=value, method=method, full_output=True, **given)
    np.testing.assert_array_equal(result[hole], image[hole])
    np.testing.assert_array_equal(result[~hole], nlmeans.denoise(image, 10, mask=~hole, method=method)[~hole])
    assert (report.kept, report.missing) == (hole.sum(), 0)
    np.testing.assert_array_equal(result, nlmeans.denoise(image, 10, nodata=value, method=method, fill=False, **given))


@pytest.mark.parametrize("value", [-9999.0, np.nan])
@pytest.mark.parametrize("given", [{}, {"sigma": 10}, {"method": "ridge"}, {"noise": "auto"}])
def test_an_image_of_no_data_alone_stays(value, given):
    image = np.full((64, 64), value, "f4")
    np.testing.assert_array_equal(nlmeans.denoise(image, nodata=value, **given), image)


@pytest.mark.parametrize("value", ["-9999", True, [1, 2]])
def test_nodata_is_one_number(value):
    with pytest.raises(TypeError, match="nodata must be the one number"):
        nlmeans.denoise(field(), 10, nodata=value)


def test_nodata_is_any_number():
    with pytest.raises(ValueError, match="one that a float can hold"):
        nlmeans.denoise(field(), 10, nodata=10**400)
    image = field(side=24)
    ref = nlmeans.denoise(image, 10)
    for value in (1e40, -1e300, np.inf, np.nan):  # no pixel has it, and float32 cannot hold some
        np.testing.assert_array_equal(nlmeans.denoise(image, 10, nodata=value), ref)


def scanned(value=-2000, dtype="i2"):
    """Return a noisy disc in a circle, outside of which there is one value; the truth; what is outside, and its rim."""
    y, x = np.mgrid[:160, :160]
    r = np.hypot(x - 79.5, y - 79.5)
    truth = np.where(r < 60, 40.0, -1000.0)
    outside = r > 76
    image = np.rint(truth + np.random.default_rng(0).normal(0, 25, truth.shape)).astype(dtype)
    image[outside] = value
    return image, truth, outside, (r > 72) & ~outside


@pytest.mark.parametrize("method", ["nlm", "ridge"])
def test_padding_stays_and_is_left_out(method):
    image, truth, outside, rim = scanned()
    result, report = nlmeans.denoise(image, method=method, full_output=True)
    np.testing.assert_array_equal(result[outside], image[outside])
    ref = nlmeans.denoise(image, report.sigma, mask=~outside, fill=False, method=method)
    np.testing.assert_array_equal(result, ref)
    assert rms(result[rim], truth[rim]) < 4
    assert any("-2000" in note and "padding=False" in note for note in report.notes)
    blurred, report = nlmeans.denoise(image, method=method, padding=False, full_output=True)
    assert report.kept == 0
    assert not any("padding" in note for note in report.notes)
    assert rms(blurred[rim], truth[rim]) > rms(result[rim], truth[rim])


@pytest.mark.parametrize("method", ["nlm", "ridge"])
def test_a_footprint_stays_to_its_tips(method):
    """Beside a scene that lies aslant, the border ends in tips that no square fits into."""
    inside = (X + 0.1 * Y > 12) & (0.1 * X - Y < 3)
    image = np.random.default_rng(0).normal(6000, 400, (4, *X.shape)).round().astype("u2") * inside.astype("u2")
    result, report = nlmeans.denoise(image, channel_axis=0, method=method, full_output=True)
    ref = nlmeans.denoise(image, report.sigma, channel_axis=0, method=method, nodata=0)
    assert not padding.opened(~inside[None], [(True, True)] * 2)[0][~inside].all()
    np.testing.assert_array_equal(result, ref)


def test_where_noise_reaches_paddings_value_only_areas_are_padding():
    rng = np.random.default_rng(0)
    counts = rng.poisson(2.0, X.shape)
    image = np.where(np.hypot(Y - 64, X - 64) < 40, counts, 0)
    for kind, gain in (("u1", 1), ("f4", 37.0), ("u2", 500)):
        padding = Rules.of((image * gain).astype(kind)[None, None], None, None, True, (1, *X.shape))
        assert [one.alone for one in padding.padding] == [False]


def test_a_black_border_of_a_colour_photograph_stays():
    rng = np.random.default_rng(0)
    image = np.zeros((70, 90, 3), np.uint8)
    image[5:-5, 6:-6] = rng.normal(120, 15, (60, 78, 3)).clip(0, 255)
    result, report = nlmeans.denoise(image, channel_axis=-1, full_output=True)
    assert report.kept == 70 * 90 - 60 * 78
    border = np.ones((70, 90), bool)
    border[5:-5, 6:-6] = False
    np.testing.assert_array_equal(result[border], 0)
    inner = nlmeans.denoise(image[5:-5, 6:-6], report.sigma, channel_axis=-1).astype(int)
    assert np.abs(result[5:-5, 6:-6] - inner).max() < 20
    assert abs(result[5:-5, 6:-6].mean() - inner.mean()) < 0.1


@pytest.mark.parametrize("rate", [0.01, 0.05, 0.3, 2.0])
def test_zeros_of_counts_are_no_padding(rate):
    counts = np.random.default_rng(1).poisson(rate, (128, 128)).astype("u2")
    counts[:30] = np.random.default_rng(2).poisson(rate / 20, (30, 128))
    assert nlmeans.denoise(counts, 1.0, quality="fast", full_output=True)[1].kept == 0


def test_padding_is_the_same_in_any_piece():
    da = pytest.importorskip("dask.array")
    image = scanned()[0]
    for chunks in (40, 37, (160, 21)):
        result = nlmeans.denoise(da.from_array(image, chunks=chunks), 25).compute()
        assert np.abs(result - nlmeans.denoise(image, 25).astype(int)).max() <= 1


@given(st.integers(1, 30), st.integers(1, 30), st.floats(0.3, 1.0), st.tuples(*[st.booleans()] * 4), st.integers(0, 99))
def test_opened_equals_the_definition(height, width, share, ends, seed):
    flags = np.random.default_rng(seed).random((2, height, width)) < share
    edges = [ends[:2], ends[2:]]
    pads = [(0, 0), *((padding.BORDER * a, padding.BORDER * b) for a, b in edges)]
    wide = np.pad(flags, pads, constant_values=True)
    area, side = np.zeros_like(wide), padding.SIDE
    for y in range(wide.shape[1] - side + 1):
        for x in range(wide.shape[2] - side + 1):
            window = (slice(None), slice(y, y + side), slice(x, x + side))
            area[window] |= wide[window].all(axis=(1, 2), keepdims=True)
    ref = area[:, pads[1][0] : pads[1][0] + height, pads[2][0] : pads[2][0] + width] & flags
    np.testing.assert_array_equal(padding.opened(flags, edges), ref)


def test_a_channel_that_is_missing_keeps_what_others_say():
    image = 100 + np.random.default_rng(0).normal(0, 1, (32, 32, 3))
    image[8, 8] = 500, image[8, 8, 1], np.nan
    for method in ("nlm", "ridge"):
        result = nlmeans.denoise(image, channel_axis=-1, method=method)
        assert result[8, 8, 0] == pytest.approx(500, abs=2)
        assert result[8, 8, 2] == pytest.approx(100, abs=2)
        assert np.isfinite(result).all()


@pytest.mark.parametrize("method", ["nlm", "ridge"])
@pytest.mark.parametrize("sigma", [None, 1.0])
def test_a_dead_band_stays_dead_and_the_others_are_denoised(method, sigma):
    image = 100 + np.random.default_rng(0).normal(0, 1, (40, 40, 3))
    image[..., 1] = np.nan
    result = nlmeans.denoise(image, sigma, channel_axis=-1, method=method)
    assert np.isnan(result[..., 1]).all()
    ref = nlmeans.denoise(image[..., ::2], sigma, channel_axis=-1, method=method)
    np.testing.assert_allclose(result[..., ::2], ref, rtol=1e-6)


def test_missing_in_one_channel_contributes_to_nobody():
    image = field(side=24).repeat(3, axis=1).reshape(24, 24, 3) + np.random.default_rng(3).normal(0, 10, (24, 24, 3))
    image[10, 10, 1] = np.nan
    ref = nlmeans.denoise(image, 10, channel_axis=-1)
    for value in (np.inf, -np.inf):
        image[10, 10, 1] = value
        np.testing.assert_array_equal(nlmeans.denoise(image, 10, channel_axis=-1), ref)


def depth(seed=0):
    """Return a depth map in which one pixel in twenty could not be measured and is 0; the truth; which could be."""
    rng = np.random.default_rng(seed)
    truth = np.where(np.hypot(X - 64, Y - 64) < 40, 1500.0, 800.0)
    image = np.rint(truth + rng.normal(0, 8, truth.shape)).astype("u2")
    known = rng.random(truth.shape) >= 0.05
    return np.where(known, image, 0).astype("u2"), truth, known


@pytest.mark.parametrize("seed", range(3))
def test_single_zeros_are_named_and_do_not_spoil_sigma(seed):
    image, truth, known = depth(seed)
    _, report = nlmeans.denoise(image, full_output=True)
    assert report.sigma[0] == pytest.approx(8, rel=0.15)
    assert any("% of" in note and "value 0" in note and "outliers='fill'" in note for note in report.notes)
    filled = nlmeans.denoise(image, outliers="fill")
    assert rms(filled[known], truth[known]) < 1.6
    assert rms(filled, truth) < 15


def test_hot_pixels_salt_and_pepper_are_named():
    rng = np.random.default_rng(0)
    hot = rng.normal(100, 15, (96, 96))
    hot[::13, ::11] = 4000
    result, report = nlmeans.denoise(hot, outliers="fill", full_output=True)
    assert any("stand out" in note and "missing" in note for note in report.notes)
    assert result.max() < 130
    assert not any("differ as a whole" in note for note in nlmeans.plan(hot).notes)
    salt, u = rng.normal(100, 15, (128, 128)), rng.random((128, 128))
    salt[u < 0.025], salt[u > 0.975] = 0, 255
    report = nlmeans.denoise(salt.clip(0, 255).astype("u1"), full_output=True)[1]
    assert report.sigma[0] == pytest.approx(15, rel=0.1)
    assert any("value 0 and 255" in note for note in report.notes)


@pytest.mark.parametrize("share", [0.02, 0.12, 0.18])
def test_salt_and_pepper_are_named_however_many_they_are(share):
    rng = np.random.default_rng(0)
    truth = 128 + 40 * np.sin(X / 9) * np.cos(Y / 7)
    image = truth + rng.normal(0, 10, truth.shape)
    spoiled = rng.random(truth.shape) < share
    image[spoiled] = rng.choice([0, 255], spoiled.sum())
    image = image.clip(0, 255).round().astype("u1")
    filled, report = nlmeans.denoise(image, outliers="fill", full_output=True)
    assert any("value 0 and 255" in note for note in report.notes)
    assert report.sigma[0] == pytest.approx(10, rel=0.15)
    assert rms(filled, truth) < 6


def test_details_of_a_picture_without_noise_are_no_outliers():
    """They shine on their neighbours, more or less, where impulses stand far out."""
    rng = np.random.default_rng(0)
    image = 100 + 20 * np.sin(X / 9) * np.cos(Y / 7) + rng.normal(0, 0.3, X.shape)
    blinks = np.zeros(X.shape)
    blinks[3::9, 4::9] = rng.exponential(40, blinks[3::9, 4::9].shape)
    shine = np.where(blinks, rng.uniform(0.2, 0.6, X.shape), 0)
    blurred = blinks + sum(np.roll(shine * blinks, step, axis) for step in (-1, 1) for axis in (0, 1))
    assert Outliers.of((image + blurred).round().astype("f4")[None, None]) is None
    assert Outliers.of((image + blinks).round().astype("f4")[None, None]) is not None


@pytest.mark.parametrize("rate", [0.05, 0.5, 3])
def test_counts_and_white_noise_have_no_outliers(rate):
    rng = np.random.default_rng(4)
    for image in (rng.poisson(rate, (128, 128)), rng.normal(0, 10, (128, 128)), rng.exponential(10, (128, 128))):
        assert Outliers.of(image.astype(np.float32)[None, None]) is None


def test_outliers_are_the_same_in_any_piece():
    da = pytest.importorskip("dask.array")
    image = depth()[0]
    result = nlmeans.denoise(da.from_array(image, chunks=45), 8, outliers="fill").compute()
    assert np.abs(result - nlmeans.denoise(image, 8, outliers="fill").astype(int)).max() <= 1


def test_one_hot_pixel_weakens_nothing_else():
    truth = np.where((X // 16 + Y // 16) % 2, 200.0, 0.0)
    image = (truth + np.random.default_rng(0).normal(0, 20, truth.shape)).astype("f4")
    plain = nlmeans.denoise(image, 20, quality="fast")
    image[5, 5] = 1e6
    hot, report = nlmeans.denoise(image, 20, quality="fast", full_output=True)
    np.testing.assert_allclose(hot[20:], plain[20:], atol=0.2)  # which may have been averaged in 16 bits
    assert report.plan.strength == nlmeans.plan(plain, 20, quality="fast").strength


@pytest.mark.parametrize("axis", [0, 1])
def test_stripes_are_named(axis):
    rng = np.random.default_rng(0)
    image = rng.normal(100, 5, (96, 96)) + rng.normal(0, 6, (96, 1) if axis == 0 else (1, 96))
    notes = nlmeans.denoise(image, full_output=True)[1].notes
    assert any(("rows", "columns")[axis] + " differ as a whole" in note for note in notes)


def test_edges_and_shading_are_no_stripes():
    rng = np.random.default_rng(0)
    ramp, edges = Y * 2.0, np.where(Y // 16 % 2, 100.0, 0.0)
    for truth in (ramp, edges, ramp + edges.T, 50 * np.sin(Y / 5)):
        assert stripes_in(truth + rng.normal(0, 5, truth.shape), 5) is None
    assert stripes_in(np.full((64, 64), np.nan), 5) is None
    assert stripes_in(np.ones((8, 300)), 5) is None


def test_blocks_of_a_file_count_what_stays(tmp_path):
    image = scanned()[0]
    np.save(tmp_path / "a.npy", image)
    whole = nlmeans.denoise(image, 25, full_output=True)[1]
    report = nlmeans.large.denoise(tmp_path / "a.npy", tmp_path / "b.npy", 25, axes="YX")
    assert report.kept == whole.kept > 0
    assert report.notes == whole.notes


def test_impulses_are_filled_where_the_picture_has_their_value_too():
    rng = np.random.default_rng(0)
    truth = np.where(X < 50, 5.0, 130.0) + 20 * np.sin(Y / 7)  # the dark part has zeros of its own
    image, u = rng.normal(truth, 12).clip(0, 255), rng.random(truth.shape)
    image[u < 0.02], image[u > 0.98] = 0, 255
    result = nlmeans.denoise(np.rint(image).astype("u1"), outliers="fill")
    inner = (X > 54) & (X < 124) & (Y > 3) & (Y < 124)
    assert np.mean(np.abs(result - truth)[inner] > 40) < 0.002


@pytest.mark.parametrize("whole", [True, False])
def test_few_rows_never_rule_out_squares(whole):
    rng = np.random.default_rng(3)
    for sides in [(1, 1, 1), (1, 2, 40), (2, 6, 7), (1, 13, 9), (1, 40, 33), (3, 30, 8)] * 8:
        flags = rng.random(sides) < rng.choice([0.3, 0.9, 0.98])
        top, left = (rng.integers(0, max(n - 6, 1)) for n in sides[1:])
        flags[0, top : top + 7, left : left + 7] = True
        area = np.count_nonzero(padding.opened(flags, [(whole, whole)] * 2))
        assert area == 0 or padding._may_hold(flags, area - 1), sides
    few = rng.random((1, 256, 256)) < 0.1
    assert not padding._may_hold(few, 0.005 * few.size)


@pytest.mark.parametrize("value", ["-9999", b"0", True, 1j, np.complex64(1), object(), [1, 2], 10**400])
def test_nodata_must_be_a_number(value):
    with pytest.raises(
        ValueError if isinstance(value, int) and value > 1 else TypeError, match=r"nodata must be the one number.*; got"
    ):
        nlmeans.denoise(np.ones((8, 8)), 1, nodata=value)
