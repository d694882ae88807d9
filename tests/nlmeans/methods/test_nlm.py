"""Every switch of denoise() against its definition, put together from the two oracles."""

import os
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest
from skimage import data
from tolerances import assert_averages_equal

import nlmeans
from nlmeans.methods import registry
from nlmeans.methods.keeping import EXCESS, EXPECTED, FLAT, NEAR
from nlmeans.methods.sample import Sample
from nlmeans.noise import Gaussian, PoissonGaussian, Rician
from nlmeans.noise.patches import cosines
from nlmeans.pairwise import naive
from nlmeans.plan.averaging import AROUND
from nlmeans.plan.options import Options
from nlmeans.wiener import naive as wiener_naive
from nlmeans.wiener import window_sides

RNG = np.random.default_rng(0)
CLEAN = 100 + 50 * (np.arange(34) > 17) * np.ones((26, 1)) + 20 * np.sin(np.arange(26) / 3)[:, None]
NOISY = CLEAN + RNG.normal(0, 10, CLEAN.shape)
COLOUR = np.stack([NOISY, NOISY[::-1], NOISY * 0.5 + RNG.normal(0, 5, NOISY.shape)], axis=-1)
VOLUME = RNG.normal(0, 10, (6, 12, 14)) + 30 * (np.arange(14) > 6)


def means(planes, radii):
    """Return the mean around each pixel (C, Z, Y, X), where a border repeats its last pixels."""
    padded = np.pad(planes, [(0, 0), *((r, r) for r in radii)], mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, [2 * r + 1 for r in radii], axis=(1, 2, 3))
    return windows.mean(axis=(-3, -2, -1))


def kept(step, pilot, average, planes, noise):
    """Return the share of the pilot that is kept at each pixel."""
    power = np.square(noise.sigma).reshape(-1, 1, 1, 1) * (1 if noise.variance is None else noise.variance)
    structure = (means((pilot - means(pilot, NEAR)) ** 2, NEAR) / power).mean(axis=0)
    sigmas = np.reshape(noise.sigma, (-1, 1, 1, 1))
    taken = (np.clip(planes - average, -4 * sigmas, 4 * sigmas) ** 2 / power).mean(axis=0, keepdims=True)
    excess = means(np.where(np.isnan(taken), 1, taken), AROUND)[0] - EXPECTED
    share = step.kept * structure**2 / (structure**2 + FLAT**2) + EXCESS * np.maximum(excess, 0)
    return np.minimum(share, 1)


def by_definition(image, sigma=None, **options):
    """Denoise a float64 image by the plan, with the oracles alone."""
    parsed = Options.check(image, sigma=sigma, **options)
    sample = Sample.of(parsed.layout.planes(image)[0], parsed, 0)
    planes, noise, plan = sample.planes, sample.noise, registry.method_of("nlm").decide(sample, parsed).plan
    sigmas = np.asarray(noise.sigma).reshape(-1, 1, 1, 1)
    pilot = None if parsed.guide is None else parsed.guide[0].astype(float)
    for step in plan.passes:
        units = sigmas if pilot is None or len(pilot) == len(planes) else max(noise.channels)
        features, before = (planes if pilot is None else pilot) / units, pilot
        spec = plan.spec_of(step, len(features))
        if step.aggregation == "patch":
            pilot = naive.patchwise_average(features, planes, spec, noise.variance)
        else:
            pilot = naive.pairwise_average(features, features, planes, spec, noise.variance)
        share_kept = kept(step, before, pilot, planes, noise) if step.kept else None
        if step.wiener:
            matrix = (np.eye if noise.mixes else cosines)(len(planes)) / sigmas[:, 0, 0, 0]
            x, p = (np.tensordot(matrix, np.where(np.isfinite(a), a, pilot), 1) for a in (planes, pilot))
            share = np.ones(x.shape[1:]) if noise.variance is None else noise.variance[0]
            clean = [wiener_naive.wiener(*c, share, window_sides(x.shape[1])) for c in zip(x, p, strict=True)]
            pilot += step.wiener * (np.tensordot(np.linalg.inv(matrix), clean, 1) - pilot)
        if step.kept:
            pilot += share_kept * (before - pilot)
    return parsed.layout.array(noise.restore(pilot, sample.pixels.planes)[None])


MAP = np.linspace(5, 15, 34) * np.ones((26, 1))
HOLED = np.where(RNG.random(NOISY.shape) < 0.2, np.nan, NOISY)
CASES = {
    "preview": (NOISY, dict(quality="preview")),
    "preview of colour": (COLOUR, dict(sigma=[10, 10, 7], channel_axis=-1, quality="preview")),
    "preview of a volume": (VOLUME, dict(quality="preview")),
    "preview of a video": (VOLUME, dict(axes="TYX", quality="preview")),
    "preview, guided": (NOISY, dict(guide=CLEAN, quality="preview")),
    "preview, twice": (NOISY, dict(passes=2, quality="preview")),
    "preview, map": (NOISY, dict(sigma=MAP, quality="preview")),
    "preview of counts": (np.abs(NOISY), dict(sigma=None, noise=PoissonGaussian(0.5, 2.0, 3.0), quality="preview")),
    "preview of magnitudes": (np.abs(NOISY), dict(sigma=None, noise=Rician(9.0), quality="preview")),
    "fast": (NOISY, dict(quality="fast")),
    "balanced": (NOISY, dict()),
    "best": (NOISY, dict(quality="best")),
    "colour": (COLOUR, dict(sigma=[10, 10, 7], channel_axis=-1, quality="best")),
    "volume": (VOLUME, dict(quality="best")),
    "colour volume": (np.stack([VOLUME, VOLUME[::-1]], axis=-1), dict(axes="ZYXC", quality="best")),
    "colour video": (np.stack([VOLUME] * 3, axis=1), dict(axes="TCYX")),
    "video": (VOLUME, dict(axes="TYX")),
    "one patchwise pass": (NOISY, dict(quality="fast", aggregation="patch")),
    "two plain passes": (NOISY, dict(quality="fast", passes=2)),
    "two patchwise passes": (NOISY, dict(quality="fast", aggregation="patch", passes=2, centre="one")),
    "best of pixels": (NOISY, dict(quality="best", aggregation="pixel", centre="zero")),
    "best without Wiener": (NOISY, dict(quality="best", wiener=False)),
    "fast with Wiener": (NOISY, dict(quality="fast", wiener=True)),
    "no bias": (NOISY, dict(bias=False, quality="best")),
    "explicit": (NOISY, dict(quality="best", patch_radius=(2, 1), search_radius=(3, 6), strength=0.5)),
    "the whole image": (NOISY, dict(quality="fast", search_radius="image", strength=0.4)),
    "guided": (NOISY, dict(guide=CLEAN)),
    "guided twice, noisy": (NOISY, dict(guide=CLEAN, guide_sigma=2.0, passes=2)),
    "colour guided by grey": (COLOUR, dict(channel_axis=2, guide=CLEAN)),
    "map": (NOISY, dict(sigma=MAP)),
    "map, best": (NOISY, dict(sigma=MAP, quality="best")),
    "map, colour": (COLOUR, dict(sigma=MAP, channel_axis=-1)),
    "counts": (np.abs(NOISY), dict(sigma=None, noise=PoissonGaussian(0.5, 2.0, 3.0))),
    "magnitudes": (np.abs(NOISY), dict(sigma=None, noise=Rician(9.0))),
    "spacing": (VOLUME, dict(spacing=(3, 1, 1))),
}


@pytest.mark.parametrize("name", CASES)
def test_equals_the_definition(name):
    image, options = CASES[name]
    options = {"sigma": 10.0, **options}
    ref = by_definition(image, **options)
    assert_averages_equal(ref, nlmeans.denoise(image, **options), np.float64)
    single = nlmeans.denoise(image.astype(np.float32), **options)
    assert single.dtype == np.float32
    narrow = nlmeans.plan(image, **options).arithmetic.startswith("16 bits")
    if narrow or name == "colour video":  # whose three equal channels become one
        apart = np.abs(ref - single) / 10
        assert np.sqrt(np.mean(apart**2)) < 0.01
        assert apart.max() < 0.2
    else:
        assert_averages_equal(ref, single, np.float32)


@pytest.mark.parametrize("quality", ["preview", "fast", "balanced", "best"])
def test_missing_pixels_equal_the_definition(quality):
    ref = by_definition(HOLED, 10, quality=quality)
    comp, report = nlmeans.denoise(HOLED, 10, quality=quality, full_output=True)
    assert_averages_equal(ref, comp, np.float64)
    assert (report.missing, report.unfilled) == (np.isnan(HOLED).sum(), 0)
    mask = np.isfinite(HOLED)
    masked = nlmeans.denoise(NOISY, 10, quality=quality, mask=mask)
    np.testing.assert_array_equal(masked, comp)


def test_better_qualities_are_better():
    errors = [np.mean((nlmeans.denoise(NOISY, 10, quality=q) - CLEAN) ** 2) for q in ("fast", "balanced", "best")]
    assert errors[0] > errors[1] > errors[2] * 0.98


@pytest.mark.parametrize(
    ("name", "part", "sigma"),
    [("camera", np.s_[384:, 64:192], 25), ("camera", np.s_[256:384, 128:256], 15), ("moon", np.s_[:128, 128:256], 5)],
)
def test_best_keeps_detail_weaker_than_the_noise(name, part, sigma):  # it was 0.3 dB below balanced
    clean = getattr(data, name)()[part].astype(float)
    noisy = clean + np.random.default_rng(0).normal(0, sigma, clean.shape)
    errors = [np.mean((nlmeans.denoise(noisy, sigma, quality=q) - clean) ** 2) for q in ("balanced", "best")]
    assert 10 * np.log10(errors[0] / errors[1]) > -0.05


def test_one_missing_pixel_changes_its_surroundings_alone():
    image = np.tile(NOISY, (4, 4)).astype(np.float32)
    whole = nlmeans.denoise(image, 10, quality="fast")
    image[50, 60] = np.nan
    less, report = nlmeans.denoise(image, 10, quality="fast", full_output=True)
    changed = np.argwhere(np.abs(whole - less) > 0.5)  # the whole is averaged in 16 bits
    reach = report.plan.search_radius[0] + report.plan.patch_radius[0]
    assert np.abs(changed - (50, 60)).max() <= reach
    assert np.isfinite(less).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("quality", ["fast", "balanced", "best"])
def test_fill_false_leaves_missing_pixels(value, quality):
    image = NOISY.copy()
    image[3:5, 4] = value
    kept = nlmeans.denoise(image, 10, fill=False, quality=quality)
    np.testing.assert_array_equal(kept[3:5, 4], value)
    filled = nlmeans.denoise(image, 10, quality=quality)
    assert np.isfinite(filled).all()
    others = np.isfinite(kept)
    np.testing.assert_array_equal(kept[others], filled[others])


def test_a_hole_wider_than_the_window_stays_and_is_counted():
    image = np.full((40, 40), 50.0)
    image[5:35, 5:35] = np.nan
    result, report = nlmeans.denoise(image, 1, search_radius=4, patch_radius=1, full_output=True)
    assert np.isnan(result[20, 20])
    assert report.unfilled == np.isnan(result).sum() > 0
    assert result[6, 6] == pytest.approx(50)


def test_a_masked_integer_keeps_its_value_where_nothing_is_near():
    image = np.full((30, 30), 9, np.uint16)
    mask = np.zeros((30, 30), bool)
    mask[0, 0] = True
    result = nlmeans.denoise(image, 1, mask=mask, search_radius=3)
    np.testing.assert_array_equal(result, 9)


def test_missing_pixels_without_noise_are_filled():
    image = np.full((20, 20), 5.0)
    image[3, 3] = np.nan
    np.testing.assert_allclose(nlmeans.denoise(image, 0), 5, rtol=1e-12)


def test_an_even_map_is_a_number_and_zeros_in_it_stay():
    np.testing.assert_allclose(
        nlmeans.denoise(NOISY, np.full(NOISY.shape, 10.0)), nlmeans.denoise(NOISY, 10), atol=1e-8
    )
    sigma = np.where(np.arange(34) < 10, 0, 10) * np.ones((26, 1))
    result = nlmeans.denoise(NOISY, sigma)
    np.testing.assert_array_equal(result[:, :10], NOISY[:, :10])
    assert (result[:, 10:] != NOISY[:, 10:]).all()


def test_a_map_serves_stacks_and_channels():
    sigma = np.stack([MAP, MAP[:, ::-1]])
    stack = nlmeans.denoise(np.stack([NOISY, NOISY]), sigma, axes="NYX")
    for k in range(2):
        np.testing.assert_array_equal(stack[k], nlmeans.denoise(NOISY, sigma[k]))
    each = np.stack([MAP, 2 * MAP, MAP], axis=-1)
    assert nlmeans.denoise(COLOUR, each, channel_axis=-1).shape == COLOUR.shape


def test_a_wide_range_of_noise_is_computed_in_double():
    sigma = np.geomspace(0.05, 50, 34) * np.ones((26, 1))
    image = (CLEAN + RNG.normal(0, sigma)).astype(np.float32)
    ref = by_definition(image.astype(np.float64), sigma)
    comp = nlmeans.denoise(image, sigma)
    assert np.abs((ref - comp) / sigma).max() < 1e-3


def test_noise_models_denoise_what_they_describe():
    rng = np.random.default_rng(1)
    clean = 2 + 10 * (np.arange(96) > 48) + np.arange(96)[:, None] / 12
    counts = 3.0 * rng.poisson(clean) + rng.normal(0, 2, clean.shape)
    for noise in (PoissonGaussian(3.0, 0.0, 2.0), PoissonGaussian(), "auto"):
        result, report = nlmeans.denoise(counts, noise=noise, full_output=True)
        assert np.mean((result - 3 * clean) ** 2) < 0.06 * np.mean((counts - 3 * clean) ** 2)
        assert "PoissonGaussian" in str(report)
    clean = 2 + 18 * (np.arange(96) > 48) * np.ones((96, 1))
    magnitude = np.hypot(clean + rng.normal(0, 3, clean.shape), rng.normal(0, 3, clean.shape))
    result = nlmeans.denoise(magnitude, noise=Rician(3.0))
    assert np.mean(result[:, 60:]) == pytest.approx(20, abs=0.1)
    plain = nlmeans.denoise(magnitude, 3.0)
    assert np.mean(plain[:, :40]) > 3.5 > np.mean(result[:, :40])


def test_noise_that_grows_is_noticed():
    rng = np.random.default_rng(2)
    counts = rng.poisson(np.linspace(5, 200, 200) * np.ones((200, 1))).astype(float)
    assert any("grows with brightness" in note for note in nlmeans.plan(counts).notes)
    plain = np.linspace(5, 200, 200) + rng.normal(0, 5, (200, 200))
    assert nlmeans.plan(plain).notes == ()


def test_explicit_options_hold_for_every_quality():
    given = dict(patch_radius=3, search_radius=5, strength=0.9, aggregation="patch", passes=2, centre="one")
    for quality in ("fast", "balanced", "best"):
        plan = nlmeans.plan(NOISY, 10, quality=quality, **given)
        assert plan.centre == "one"
        assert plan.strength == pytest.approx(0.9)
        assert len(plan.passes) == 2
        for step in plan.passes:
            assert (step.patch_radius, step.search_radius, step.aggregation) == ((3, 3), (5, 5), "patch")


def test_spacing_shrinks_radii_along_coarse_axes():
    even = nlmeans.plan(VOLUME, 10)
    uneven = nlmeans.plan(VOLUME, 10, spacing=(5, 1, 1))
    assert even.patch_radius == (1, 1, 1)
    assert uneven.patch_radius == (0, 1, 1)
    assert uneven.search_radius[0] < uneven.search_radius[1]
    assert nlmeans.plan(VOLUME, 10, spacing=(5, 1, 1), patch_radius=2).patch_radius == (2, 2, 2)


def test_a_capped_radius_is_said_and_the_whole_image_is_no_cap():
    capped = nlmeans.plan(NOISY, 10, search_radius=40)
    assert capped.search_radius == (25, 33)
    assert any("capped" in note for note in capped.notes)
    assert nlmeans.plan(NOISY, 10, search_radius="image").notes == ()


def test_the_plan_expects_seconds_that_grow_with_the_square_of_the_pixels():
    small, large = (nlmeans.plan(np.zeros((n, n)) + NOISY[0, 0], 1, search_radius="image").seconds for n in (100, 200))
    assert large == pytest.approx(16 * small, rel=0.05)


def test_short_videos_work():
    for frames in (1, 2, 3):
        video = np.stack([NOISY] * frames)
        plan = nlmeans.plan(video, 10, axes="TYX")
        assert plan.patch_radius[0] == 0
        assert plan.search_radius[0] == min(frames - 1, 2)
        assert nlmeans.denoise(video, 10, axes="TYX").shape == video.shape


def test_maps_tell_what_was_averaged():
    flat = RNG.normal(0, 10, (64, 64))
    options = dict(quality="fast", patch_radius=2, search_radius=5, strength=1.0)
    _, report = nlmeans.denoise(flat, 10, full_output="maps", **options)
    maps = report.maps
    assert maps.effective.shape == maps.residual.shape == flat.shape
    assert 30 < np.median(maps.effective) <= 121
    many = [nlmeans.denoise(RNG.normal(0, 10, (64, 64)), 10, **options)[20:40, 20:40] for _ in range(20)]
    assert np.std(many) == pytest.approx(np.median(maps.residual), rel=0.2)
    colour = nlmeans.denoise(COLOUR, [10, 10, 7], channel_axis=-1, full_output="maps")[1].maps
    assert (colour.effective.shape, colour.residual.shape) == (COLOUR.shape[:2], COLOUR.shape)
    assert nlmeans.denoise(flat, 10, full_output=True)[1].maps is None


def test_cancel_stops_from_another_thread_and_writes_nothing():
    event, out = threading.Event(), np.zeros((600, 600))
    image = np.tile(NOISY, (24, 18))[:600, :600]
    threading.Timer(0.3, event.set).start()
    start = time.monotonic()
    with pytest.raises(nlmeans.Cancelled, match="cancel event"):
        nlmeans.denoise(image, 10, search_radius=40, quality="best", cancel=event, out=out)
    assert time.monotonic() - start < 20
    assert not out.any()
    nlmeans.denoise(NOISY, 10, cancel=threading.Event())


def test_a_progress_function_that_raises_stops_the_work():
    def stop(done, total):
        raise KeyboardInterrupt

    out = np.zeros_like(NOISY)
    with pytest.raises(KeyboardInterrupt):
        nlmeans.denoise(NOISY, 10, progress=stop, out=out)
    assert not out.any()


def test_progress_never_goes_back():
    seen = []
    nlmeans.denoise(np.tile(NOISY, (10, 2)), 10, quality="best", progress=lambda *a: seen.append(a[0] / a[1]))
    assert seen == sorted(seen)
    assert seen[-1] == 1


def work(seed):
    return nlmeans.denoise(np.random.default_rng(seed).normal(0, 10, (150, 90)), 10, quality="best", threads=2)


def test_concurrent_calls_give_the_same_bits():
    ref = [work(seed) for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        for k, result in enumerate(pool.map(work, [0, 1, 2, 3] * 3)):
            np.testing.assert_array_equal(result, ref[k % 4])


@pytest.mark.parametrize(
    "start",
    [pytest.param("fork", marks=pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")), "spawn"],
)
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_worker_processes_give_the_same_bits(start):
    ref = work(0)
    with ProcessPoolExecutor(2, mp_context=get_context(start)) as pool:
        for result in pool.map(work, [0, 0]):
            np.testing.assert_array_equal(result, ref)


BAD = [
    (dict(sigma=np.ones((3, 3))), "image's shape (26, 34); got (3, 3)"),
    (dict(sigma=np.ones((26, 34, 2))), "got (26, 34, 2)"),
    (dict(sigma=np.full((26, 34), -1.0)), "at least 0"),
    (dict(sigma=10, noise=Gaussian(10)), "not both"),
    (dict(noise="gaussian"), "'auto'; got 'gaussian'"),
    (dict(noise=Gaussian([1, 2])), "must be one number; got 2"),
    (dict(image=NOISY - 500, noise=Rician(3)), "cannot be negative"),
    (dict(quality="good"), "'fast', 'balanced' or 'best'; got 'good'"),
    (dict(mask=np.ones((3, 3), bool)), "shape without channels, (26, 34); got bool, shape (3, 3)"),
    (dict(mask=np.ones((26, 34))), "boolean"),
    (dict(mask=np.zeros((26, 34), bool)), "at least one pixel must be valid"),
    (dict(image=np.full((9, 9), np.nan)), "at least one pixel must be valid"),
    (dict(guide=np.ones((3, 3))), "guide must have the image's shape (26, 34); got (3, 3)"),
    (dict(guide=np.ones((26, 34), complex)), "guide's dtype"),
    (dict(guide_sigma=3), "comes with a guide"),
    (dict(guide=NOISY, guide_sigma=-3), "at least 0"),
    (dict(strength="auto"), "or 'sure'"),
    (dict(search_radius="all"), "'image' for all of it; got 'all'"),
    (dict(patch_radius="image"), "whole number"),
    (dict(spacing=(1, 2, 3)), "each of the axes Y, X"),
    (dict(spacing=(0, 1)), "above 0"),
    (dict(aggregation="mean"), "'pixel' or 'patch'; got 'mean'"),
    (dict(passes=3), "1 or 2; got 3"),
    (dict(passes=True), "1 or 2; got True"),
    (dict(wiener=1), "True or False"),
    (dict(fill="no"), "True or False"),
    (dict(cancel=1), "threading.Event"),
    (dict(full_output="all"), "'maps'"),
    (dict(method="bm4d"), "method must be one of 'nlm'"),
]


@pytest.mark.parametrize(("arguments", "words"), BAD, ids=[words for _, words in BAD])
def test_bad_arguments_state_rule_and_value(arguments, words):
    with pytest.raises((TypeError, ValueError)) as caught:
        nlmeans.denoise(**{"image": NOISY, **arguments})
    assert words in str(caught.value)


def test_maps_count_weights_however_small():
    ramp = np.linspace(0, 400, 40) * np.ones((30, 1))
    image = ramp + RNG.normal(0, 1, ramp.shape)
    options = dict(quality="fast", patch_radius=1, search_radius=3, strength=1.5, bias=False)
    maps = nlmeans.denoise(image, 1, full_output="maps", **options)[1].maps
    assert maps.effective.min() >= 1
    for place in [(5, 7), (15, 20), (29, 39)]:
        weights = nlmeans.weight_map(image, place, 1, **options)
        assert maps.effective[place] == pytest.approx(1 / np.sum(weights**2), rel=1e-3)
