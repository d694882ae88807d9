"""denoise(method="ridge"): the rules of denoise(), how well it does, and what it cannot honour."""

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage import data

import nlmeans
from nlmeans._checks import DTYPES
from nlmeans.groups import naive
from nlmeans.methods import combine
from nlmeans.methods.average import average
from nlmeans.methods.own import ridge
from nlmeans.methods.part import Pixels, denoised
from nlmeans.methods.sample import Sample
from nlmeans.methods.scale import Scale
from nlmeans.noise import Gaussian, PoissonGaussian, Rician
from nlmeans.noise.colour import colour_basis
from nlmeans.noise.fitted import FittedNoise
from nlmeans.noise.photons import FEW
from nlmeans.pairwise import Tile
from nlmeans.plan.options import Options

RNG = np.random.default_rng(0)
Y, X = np.mgrid[:100, :120]
CLEAN = data.camera()[60:160, 180:300].astype(np.float32)
NOISY = (CLEAN + RNG.normal(0, 15, CLEAN.shape)).astype(np.float32)
COLOUR_CLEAN = data.astronaut()[40:140, 180:300].astype(np.float32)
COLOUR = (COLOUR_CLEAN + RNG.normal(0, 15, COLOUR_CLEAN.shape)).astype(np.float32)


def run(image, sigma=15, **options):
    return nlmeans.denoise(image, sigma, method="ridge", **options)


def error(result, clean):
    return float(np.sqrt(np.mean(np.square(result.astype(np.float64) - clean))))


@pytest.mark.parametrize("quality", ["fast", "balanced", "best"])
def test_less_is_left_than_by_non_local_means(quality):
    assert error(run(NOISY, quality=quality), CLEAN) < 0.99 * error(nlmeans.denoise(NOISY, 15, quality=quality), CLEAN)
    given = dict(quality=quality, channel_axis=-1)
    assert error(run(COLOUR, **given), COLOUR_CLEAN) < 0.99 * error(nlmeans.denoise(COLOUR, 15, **given), COLOUR_CLEAN)


def test_each_quality_leaves_less():
    fast, balanced, best = (error(run(NOISY, quality=q), CLEAN) for q in ("fast", "balanced", "best"))
    assert best < balanced < fast


def test_equals_the_definition():
    plan = nlmeans.plan(COLOUR, 15, method="ridge", channel_axis=-1)
    planes = np.ascontiguousarray(COLOUR.transpose(2, 0, 1)[:, None, 40:70, 60:94])
    noise = FittedNoise(Gaussian(15.0), (15.0,) * 3)
    averages = average(planes, plan, noise)[0]
    comp = combine.combine(planes, averages, plan.ridge, noise, Scale.of(planes, noise, 1.0))
    basis = colour_basis(noise.sigma)
    features, pilot = (np.tensordot(basis, a.astype(np.float64), 1) for a in (planes, averages))
    first = naive.step(features, features, None, plan.ridge.first)
    pilot = plan.ridge.share * pilot + (1 - plan.ridge.share) * first
    ref = np.tensordot(np.linalg.inv(basis), naive.step(pilot, features, pilot, plan.ridge.second), 1)
    assert np.abs(ref - comp).max() < 0.05  # of 15; two patches as near as each other may change places


@pytest.mark.parametrize("dtype", DTYPES)
def test_dtype_and_shape_are_kept(dtype):
    kind = np.dtype(dtype)
    image = np.clip(NOISY, 0, 120 if kind.itemsize == 1 else None).astype(kind)
    before = image.copy()
    result = run(image)
    assert (result.dtype, result.shape) == (kind, image.shape)
    np.testing.assert_array_equal(image, before)
    # Of whole numbers many patches are as near as others, and rounding decides between them.
    apart = np.abs(result - run(image.astype(np.float64)))
    assert np.median(apart) <= (0.5 if kind.kind != "f" else 0.1 if dtype == "float16" else 1e-2)
    assert np.quantile(apart, 0.99) < 2
    assert apart.max() < 8


def test_scale_and_offset_follow():
    ref = run(NOISY.astype(np.float64))
    for scale, offset in ((1e-3, 0), (40, 1e4), (1, -1e6)):
        comp = (run(NOISY.astype(np.float64) * scale + offset, 15 * scale) - offset) / scale
        assert error(ref, comp) < 0.02  # patches as near as each other may change places


@pytest.mark.parametrize("value", [1e5, 1e12, 1e20])
def test_one_pixel_out_of_range_harms_its_neighbours_alone(value):
    hot = NOISY.copy()
    hot[50, 60] = value
    far = np.hypot(Y - 50, X - 60) > 15
    assert error(run(hot)[far], CLEAN[far]) < 1.1 * error(run(NOISY)[far], CLEAN[far])


@pytest.mark.parametrize("image", [NOISY * np.float32(1e36), NOISY.astype(np.float64) * 1e60])
def test_noise_that_is_nothing_beside_the_range_is_none(image):
    np.testing.assert_array_equal(run(image, 1), image)


def test_a_wide_range_is_computed_in_float64():
    assert combine.SPAN < 255 / 0.8
    result = run(COLOUR, 0.8, channel_axis=-1)  # patches of 9 pixels, where a vector has 8
    assert np.abs(result - COLOUR).max() < 10

    wide = 60000 * ((X // 9 + Y // 7) % 2) + RNG.normal(0, 5, CLEAN.shape)
    left = error(run(wide.astype(np.float32), 5), 60000 * ((X // 9 + Y // 7) % 2))
    assert left < 2


@pytest.mark.parametrize("image", [NOISY, COLOUR])
def test_no_noise_returns_a_copy(image):
    given = {} if image.ndim == 2 else dict(channel_axis=-1)
    result = run(image, 0, **given)
    np.testing.assert_array_equal(result, image)
    assert not np.shares_memory(result, image)


def test_a_channel_or_a_pixel_without_noise_stays():
    result = run(COLOUR, [15, 0, 15], channel_axis=-1)
    np.testing.assert_array_equal(result[..., 1], COLOUR[..., 1])
    assert error(result[..., 0], COLOUR_CLEAN[..., 0]) < 7
    sigma = np.where(X < 60, 0.0, 15.0)
    result = run(NOISY, sigma)
    np.testing.assert_array_equal(result[:, :60], NOISY[:, :60])
    assert error(result[:, 64:], CLEAN[:, 64:]) < 7.5


def test_a_map_serves_noise_that_differs_from_place_to_place():
    sigma = (5 + 25 * X / 120).astype(np.float32)
    noisy = CLEAN + sigma * np.random.default_rng(1).normal(size=CLEAN.shape)
    known, mean = run(noisy, sigma), run(noisy, float(np.sqrt(np.mean(sigma**2))))
    assert error(known, CLEAN) < 0.95 * error(mean, CLEAN)


@pytest.mark.parametrize("gain", [2.0, 60.0])
def test_photons(gain):
    noisy = gain * np.random.default_rng(2).poisson(CLEAN / gain)
    noise = PoissonGaussian(gain, 0, 1)
    result, report = run(noisy, None, noise=noise, full_output=True)
    assert error(result, CLEAN) < 0.98 * error(nlmeans.denoise(noisy, noise=noise), CLEAN)
    assert result.mean() == pytest.approx(CLEAN.mean(), rel=0.02)
    assert FEW not in report.notes


def test_hardly_a_photon():
    noisy = 800.0 * np.random.default_rng(2).poisson(CLEAN / 800)
    told = []
    given = dict(noise=PoissonGaussian(800.0), progress=lambda done, total: told.append(done / total))
    result, report = run(noisy, None, full_output=True, **given)
    assert FEW in report.notes
    assert told[-1] == 1
    np.testing.assert_array_equal(result, nlmeans.denoise(noisy, noise=PoissonGaussian(800.0), quality="best"))


def test_photons_of_channels_that_differ():
    clean = np.stack([CLEAN, 30 * CLEAN], axis=-1)
    noisy = np.random.default_rng(5).poisson(clean / 9) * 9.0
    noise = PoissonGaussian(9.0)
    both = run(noisy, None, noise=noise, channel_axis=-1)
    for c in range(2):
        alone = run(noisy[..., c], None, noise=noise)
        assert error(both[..., c], clean[..., c]) < 1.05 * error(alone, clean[..., c])


def test_correlated_noise_is_taken_for_more():
    from scipy.ndimage import gaussian_filter

    large = data.camera().astype(np.float32)
    soft = gaussian_filter(np.random.default_rng(0).normal(size=large.shape), 0.9)
    noisy = (large + 12 * soft / soft.std()).astype(np.float32)
    result, report = run(noisy, None, full_output=True)
    assert report.correlated
    assert error(result, large) < error(run(noisy, report.sigma[0]), large)


def test_magnitudes():
    rng = np.random.default_rng(3)
    noisy = np.hypot(CLEAN + rng.normal(0, 15, CLEAN.shape), rng.normal(0, 15, CLEAN.shape))
    assert error(run(noisy, None, noise=Rician(15)), CLEAN) < error(nlmeans.denoise(noisy, noise=Rician(15)), CLEAN)


def test_the_noise_is_estimated():
    result, report = run(NOISY, None, full_output=True)
    assert report.plan.estimated
    np.testing.assert_allclose(result, run(NOISY, report.sigma[0]), atol=1e-3)


@given(
    st.sampled_from([(1, 1), (2, 3), (1, 40), (5, 5), (7, 9), (8, 8), (16, 17)]),
    st.sampled_from(["fast", "best"]),
    st.booleans(),
    st.sampled_from([np.float32, np.uint8]),
)
def test_tiny_images(sides, quality, colour, dtype):
    image = np.random.default_rng(0).uniform(0, 255, (*sides, 3) if colour else sides).astype(dtype)
    result = run(image, 20, quality=quality, channel_axis=-1 if colour else None)
    assert result.shape == image.shape
    assert np.isfinite(result).all()


@pytest.mark.parametrize("value", [0, 7.5, 1e6])
def test_constant_images_stay(value):
    np.testing.assert_allclose(run(np.full((40, 50), value, np.float32)), value, rtol=1e-6)


def test_missing_pixels():
    holed = NOISY.copy()
    holed[10:14, 20:25] = np.nan
    result, report = run(holed, full_output=True)
    assert report.missing == 20
    assert np.isfinite(result).all()
    assert error(result[10:14, 20:25], CLEAN[10:14, 20:25]) < 25
    mask = np.isfinite(holed)
    kept = run(np.nan_to_num(holed, nan=-999), mask=mask, fill=False)
    np.testing.assert_array_equal(kept[~mask], -999)
    np.testing.assert_allclose(kept[mask], result[mask], atol=1e-3)


def test_volumes_video_and_stacks():
    still = np.stack([CLEAN] * 5)
    noisy = (still + np.random.default_rng(4).normal(0, 15, still.shape)).astype(np.float32)
    each = np.stack([run(frame) for frame in noisy])
    np.testing.assert_array_equal(run(noisy, axes="NYX"), each)
    for axes in ("TYX", "ZYX"):
        assert error(run(noisy, axes=axes), still) < 0.85 * error(each, still)
    flat = run(noisy, axes="ZYX", spacing=(30, 1, 1))
    assert flat.shape == noisy.shape


@pytest.mark.parametrize("axes", ["YXC", "CYX", "YCX"])
def test_axes_name_the_same_picture(axes):
    order = ["YXC".index(axis) for axis in axes]
    comp = run(COLOUR.transpose(order), axes=axes).transpose(np.argsort(order))
    np.testing.assert_array_equal(comp, run(COLOUR, channel_axis=-1))


def test_threads_change_nothing():
    one, three = (run(COLOUR, channel_axis=-1, threads=threads) for threads in (1, 3))
    np.testing.assert_array_equal(one, three)


def test_from_many_threads_at_once():
    ref, found = run(NOISY), [None] * 4

    def work(k):
        found[k] = run(NOISY, threads=2)

    workers = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for comp in found:
        np.testing.assert_array_equal(ref, comp)


def test_progress_goes_to_the_end_and_may_stop():
    told = []
    out = np.empty_like(NOISY)
    assert run(NOISY, progress=lambda done, total: told.append(done / total), out=out) is out
    assert told == sorted(told)
    assert told[-1] == 1
    assert len(told) > 4
    holed = np.where((Y == 3) & (X == 4), np.nan, NOISY)
    told.clear()
    run(holed, 0, progress=lambda done, total: told.append(done / total))
    assert told[-1] == 1
    event, before = threading.Event(), out.copy()

    def stop(done, total):
        if done / total > 0.5:
            event.set()

    with pytest.raises(nlmeans.Cancelled):
        run(NOISY, quality="best", progress=stop, cancel=event, out=out)
    np.testing.assert_array_equal(out, before)


def test_the_plan_says_what_is_done():
    plan = nlmeans.plan(NOISY, 15, method="ridge")
    text = str(plan)
    assert "linear combinations of similar patches" in text
    assert "pilot: pass 1: averages" in text
    assert f"{plan.ridge.second.size} patches of 7 × 7 (YX), in windows of 37 × 37 (YX), every 6 × 6 (YX)" in text
    assert f"{plan.ridge.share:.0%} of the pilot above" in text
    assert "combines" not in str(nlmeans.plan(NOISY, 15))
    assert run(NOISY, full_output=True)[1].plan == plan


def test_the_plan_has_no_more_patches_than_there_are():
    spec = nlmeans.plan(NOISY[:5, :9], 15, method="ridge").ridge.second
    assert (spec.patch, spec.size) == ((1, 5, 8), 2)


@pytest.mark.parametrize("method", ["nlm", "ridge"])
@pytest.mark.parametrize("quality", ["fast", "best"])
def test_a_pixel_depends_on_nothing_beyond_the_halo(method, quality):
    image = np.random.default_rng(0).normal(0, 100, (11, 240)).astype(np.float32)
    plan = nlmeans.plan(image, 80, method=method, quality=quality)
    reach = plan.halo[1]
    before = nlmeans.denoise(image, 80, method=method, quality=quality)
    other = image.copy()
    other[:, -1] += 1
    after = nlmeans.denoise(other, 80, method=method, quality=quality)
    assert nlmeans.plan(other, 80, method=method, quality=quality) == plan
    np.testing.assert_array_equal(before[:, : 239 - reach], after[:, : 239 - reach])
    assert (before != after).any()


@pytest.mark.parametrize(
    ("rows", "efforts", "axes"),
    [(ridge.GREY, ridge.EFFORT, 2), (ridge.COLOUR, ridge.EFFORT, 2), (ridge.VOLUME, ridge.VOLUME_EFFORT, 3)],
)
def test_a_first_group_has_no_more_patches_than_pixels(rows, efforts, axes):
    assert [row.noise for row in rows] == sorted(row.noise for row in rows)
    for row in rows:
        assert row.first[1] <= row.first[0] ** axes
        assert max(effort.second[0] for effort in efforts.values()) <= row.second[0]
        assert max(effort.first[0] for effort in efforts.values()) <= row.first[0]


BAD = [
    (dict(strength=0.5), "'ridge' has no option strength"),
    (dict(patch_radius=2, search_radius=5), "no option patch_radius, search_radius"),
    (dict(search_radius="image"), "no option search_radius"),
    (dict(guide=NOISY), "no option guide"),
    (dict(bias=False, centre="one"), "no option bias, centre"),
    (dict(aggregation="patch", passes=2, wiener=False), "no option aggregation, passes, wiener"),
]


def test_options_that_are_none_are_no_options():
    np.testing.assert_array_equal(run(NOISY, bias=None, guide_sigma=None, strength=None), run(NOISY))


@pytest.mark.parametrize(("given", "message"), BAD)
def test_options_about_averaging_are_refused(given, message):
    with pytest.raises(TypeError, match=message):
        run(NOISY, **given)
    with pytest.raises(TypeError, match=message):
        nlmeans.plan(NOISY, 15, method="ridge", **given)


def test_what_is_for_non_local_means_alone():
    with pytest.raises(ValueError, match="method 'nlm'; got 'ridge'"):
        nlmeans.weight_map(NOISY, (3, 4), 15, method="ridge")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (dict(image=COLOUR), "channel_axis"),
        (dict(sigma=-1), "at least 0"),
        (dict(sigma=[1, 2]), "must be one number; got 2"),
        (dict(quality="good"), "'fast', 'balanced' or 'best'; got 'good'"),
        (dict(threads=0), "threads"),
        (dict(image=np.full((9, 9), np.nan)), "at least one pixel must be valid"),
    ],
)
def test_bad_input_is_refused_as_elsewhere(given, message):
    with pytest.raises(ValueError, match=message):
        run(**{"image": NOISY, "sigma": 15, **given})


@pytest.mark.parametrize("counts", [0.5, 1, 5])
def test_photons_keep_their_light(counts):
    changes = []
    for seed in range(3):
        image = np.random.default_rng(seed).poisson(counts, (128, 128)).astype("f4")
        result = nlmeans.denoise(image, noise=PoissonGaussian(1.0), method="ridge")
        assert result.min() >= 0
        changes.append(result.mean() / image.mean() - 1)
    assert abs(np.mean(changes)) < 0.005


@pytest.mark.parametrize("shape", [(40, 61), (33, 48), (9, 30)])
def test_a_mirrored_image_has_the_mirrored_result(shape):
    noisy = np.random.default_rng(3).normal(100, 10, shape).astype(np.float32)
    ref = run(noisy)
    for flip in (np.fliplr, np.flipud, np.transpose):
        np.testing.assert_allclose(flip(run(np.ascontiguousarray(flip(noisy)))), ref, atol=0.3)


@pytest.mark.parametrize("core", [((0, 1), (130, 160), (80, 119)), ((0, 1), (150, 201), (0, 30))])
def test_a_piece_gathers_groups_where_the_image_does(core):
    noisy = np.random.default_rng(5).normal(100, 10, (201, 190)).astype(np.float32)
    source, options = noisy[None, None], Options.check(noisy, sigma=10)
    recipe = ridge.Ridge().decide(Sample.of(source, options, 0), options)
    tile, sides = Tile(*core), (1, *noisy.shape)
    around = tile.grown(recipe.plan.reach(False), sides)
    assert around.sides[1] < 201
    piece = Pixels(around.of(source), core=tile.moved(around.origin), origin=around.origin, sides=sides)
    apart = np.abs(denoised(piece, recipe).pixels - tile.of(run(noisy, 10)[None, None]))
    assert apart.max() < 0.05  # rounding decides between patches that are as near
