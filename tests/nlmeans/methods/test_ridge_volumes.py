"""Method "ridge" on volumes: groups of patches with depth, and slices too thick for that."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

import nlmeans
from nlmeans.groups import naive
from nlmeans.methods import combine
from nlmeans.methods.average import average
from nlmeans.methods.own import ridge
from nlmeans.methods.part import Pixels, denoised
from nlmeans.methods.sample import Sample
from nlmeans.methods.scale import Scale
from nlmeans.noise import Gaussian
from nlmeans.noise.fitted import FittedNoise
from nlmeans.pairwise import Tile
from nlmeans.plan.options import Options

SIGMA = 12.0


def made_up(sides):
    """Return a volume of blobs with soft edges, and it with noise."""
    rng = np.random.default_rng(0)
    fields = (gaussian_filter(rng.normal(size=sides), 3, mode="wrap") for _ in range(2))
    clean = sum(70 * np.clip(0.5 + 3 * field / field.std(), 0, 1) for field in fields) + 40
    return clean, (clean + rng.normal(0, SIGMA, sides)).astype(np.float32)


CLEAN, NOISY = made_up((24, 30, 28))


def run(volume, sigma=SIGMA, **options):
    return nlmeans.denoise(volume, sigma, method="ridge", axes="ZYX", **options)


def error(result, clean=CLEAN):
    return float(np.sqrt(np.mean(np.square(result.astype(np.float64) - clean))))


def test_depth_is_worth_more_than_slices_and_than_averages():
    deep, thick = run(NOISY), run(NOISY, spacing=(4, 1, 1))
    averages = min(error(nlmeans.denoise(NOISY, SIGMA, axes="ZYX", quality=q)) for q in ("balanced", "best"))
    assert error(deep) < 0.9 * error(thick)
    assert error(deep) < 0.95 * averages


def test_each_quality_leaves_less():
    fast, balanced, best = (error(run(NOISY, quality=quality)) for quality in ("fast", "balanced", "best"))
    assert best < balanced < fast


def test_equals_the_definition():
    planes = NOISY[None, :8, :9, :10]
    plan = nlmeans.plan(planes[0], SIGMA, method="ridge", axes="ZYX")
    noise = FittedNoise(Gaussian(SIGMA), (SIGMA,))
    scale, averages = Scale.of(planes, noise, 1.0), average(planes, plan, noise)[0]
    comp = combine.combine(planes, averages, plan.ridge, noise, scale)
    features = planes.astype(np.float64) / SIGMA
    first = naive.step(features, features, None, plan.ridge.first)
    pilot = plan.ridge.share * averages / SIGMA + (1 - plan.ridge.share) * first
    ref = SIGMA * naive.step(pilot, features, pilot, plan.ridge.second)
    assert plan.ridge.first.patch == plan.ridge.second.patch == (4, 4, 4)
    assert np.abs(ref - comp).max() < 0.05 * SIGMA  # two patches as near as each other may change places


@pytest.mark.parametrize(
    ("spacing", "patch", "window"),
    [
        (None, (4, 4, 4), (5, 5, 5)),
        ((1, 1, 1), (4, 4, 4), (5, 5, 5)),
        ((2, 1, 1), (2, 4, 4), (2, 5, 5)),
        ((1, 2, 1), (4, 2, 4), (5, 2, 5)),
        ((3, 1, 1), (2, 4, 4), (2, 5, 5)),
        ((1, 8, 8), (4, 2, 2), (5, 1, 1)),
        ((3.1, 1, 1), (1, 8, 8), (1, 12, 12)),
        ((6, 1, 1), (1, 8, 8), (1, 12, 12)),
    ],
)
def test_patches_are_as_deep_as_they_are_wide(spacing, patch, window):
    step = nlmeans.plan(NOISY, SIGMA, method="ridge", axes="ZYX", spacing=spacing).ridge.first
    assert (step.patch, step.search_radius) == (patch, window)
    assert all(apart <= side for apart, side in zip(step.stride, step.patch, strict=True))


@pytest.mark.parametrize("axes", ["TYX", "NYX"])
def test_what_is_no_volume_has_flat_patches(axes):
    step = nlmeans.plan(NOISY, SIGMA, method="ridge", axes=axes).ridge.second
    assert step.patch[0] == step.stride[0] == 1


def test_a_single_slice_is_a_picture():
    np.testing.assert_array_equal(run(NOISY[:1])[0], nlmeans.denoise(NOISY[0], SIGMA, method="ridge"))


@pytest.mark.parametrize("depth", [2, 3, 5])
def test_few_slices_are_better_together(depth):
    few = NOISY[:depth]
    each = np.stack([nlmeans.denoise(plane, SIGMA, method="ridge") for plane in few])
    assert error(run(few), CLEAN[:depth]) < error(each, CLEAN[:depth])


def test_channels_share_groups():
    both = np.stack([NOISY, made_up(NOISY.shape)[0] + np.random.default_rng(1).normal(0, SIGMA, NOISY.shape)], axis=-1)
    result = nlmeans.denoise(both.astype(np.float32), SIGMA, method="ridge", axes="ZYXC")
    assert error(result, CLEAN[..., None]) < error(run(NOISY))


def test_a_series_is_worth_more_than_its_volumes():
    parts = np.stack([CLEAN, made_up(CLEAN.shape)[0].T.reshape(CLEAN.shape)], axis=-1)[:12, :16, :18]
    truth = parts @ np.random.default_rng(3).uniform(0, 1, (2, 6))
    noisy = (truth + np.random.default_rng(2).normal(0, SIGMA, truth.shape)).astype(np.float32)
    given = dict(method="ridge", quality="fast")
    each = nlmeans.denoise(noisy, SIGMA, axes="ZYXN", **given)
    series = nlmeans.denoise(noisy, SIGMA, axes="ZYXC", **given)
    assert error(series, truth) < 0.8 * error(each, truth)


@pytest.mark.parametrize("pixels", [1, 2, 400])
@pytest.mark.parametrize("value", [1.0, 1e30])
def test_the_axes_of_a_series_are_orthonormal(pixels, value):
    planes = np.random.default_rng(0).normal(5, value, (5, 1, 1, pixels)).astype(np.float32)
    planes[1] = planes[2]
    planes[3] = 7
    basis = Scale.of(planes, FittedNoise(Gaussian(1.0), (1.0,) * 5), 1.0).parting
    np.testing.assert_allclose(basis @ basis.T, np.eye(5), atol=1e-9)


def test_the_plan_says_what_is_done():
    text = str(nlmeans.plan(NOISY, SIGMA, method="ridge", axes="ZYX"))
    assert "64 patches of 4 × 4 × 4 (ZYX), in windows of 11 × 11 × 11 (ZYX), every 3 × 3 × 3 (ZYX)" in text


def test_threads_change_nothing():
    one, three = (run(NOISY, threads=threads) for threads in (1, 3))
    np.testing.assert_array_equal(one, three)


@pytest.mark.parametrize("turn", [np.flipud, np.fliplr, lambda v: v[..., ::-1], lambda v: v.swapaxes(1, 2)])
def test_a_mirrored_volume_has_the_mirrored_result(turn):
    small = NOISY[:12, :13, :14]
    assert np.abs(turn(run(np.ascontiguousarray(turn(small)))) - run(small)).max() < 0.1 * SIGMA


def test_a_piece_gathers_groups_where_the_volume_does():
    noisy = np.random.default_rng(5).normal(100, SIGMA, (60, 12, 13)).astype(np.float32)
    options = Options.check(noisy, sigma=SIGMA, axes="ZYX")
    recipe = ridge.Ridge().decide(Sample.of(noisy[None], options, 0), options)
    tile = Tile((0, 9), (0, 12), (0, 13))
    around = tile.grown(recipe.plan.reach(False), noisy.shape)
    assert around.sides[0] < 60
    piece = Pixels(around.of(noisy[None]), core=tile.moved(around.origin), origin=around.origin, sides=noisy.shape)
    apart = np.abs(denoised(piece, recipe).pixels - tile.of(run(noisy)[None]))
    assert apart.max() < 0.05 * SIGMA  # rounding decides between patches that are as near


def test_dask_gives_the_same():
    array = pytest.importorskip("dask.array")
    lazy = run(array.from_array(NOISY, chunks=(12, 30, 28)))
    assert np.abs(lazy.compute() - run(NOISY)).max() < 0.1 * SIGMA


def test_missing_voxels_are_filled():
    holed = NOISY.copy()
    holed[8:11, 9:12, 10:13] = np.nan
    result = run(holed)
    assert np.isfinite(result).all()
    assert error(result[8:11, 9:12, 10:13], CLEAN[8:11, 9:12, 10:13]) < 3 * SIGMA
