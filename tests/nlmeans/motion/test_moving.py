"""Windows that follow what moves: against the definition, by every way in, and never where nothing moves."""

from functools import cache, partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_motion import pan, texture
from tolerances import assert_averages_equal
from typer.testing import CliRunner

import nlmeans
from nlmeans import large
from nlmeans.cli import app
from nlmeans.large.blocks import Sizes
from nlmeans.methods.moving import Moving
from nlmeans.motion import FARTHEST, Motion, naive
from nlmeans.pairwise import PairwiseSpec, Tile
from nlmeans.pairwise import naive as pairwise_naive
from nlmeans.wiener import naive as wiener_naive

SIDES = (4, 17, 19)


def anywhere(seed, reach=2):
    """Return a motion of tiles to anywhere near, and a function that lays frames of planes over one by definition."""
    rng = np.random.default_rng(seed)
    shifts = rng.integers(-9, 10, (2 * reach + 1, SIDES[0], 2, 2, 2))
    shifts[reach] = 0

    def laid(planes, frame, others):
        each = [naive.followed(planes, other, shifts[other - frame + reach, frame]) for other in others]
        return np.stack(each, axis=1)

    return Motion(shifts, (0, 0, 0)), laid


@settings(max_examples=6)
@given(st.integers(0, 99), st.sampled_from(["pixel", "patch"]), st.booleans(), st.booleans())
def test_averages_equal_naive(seed, aggregation, led, missing):
    rng = np.random.default_rng(seed)
    values = rng.normal(0, 1, (1, *SIDES))
    if missing:
        values[0, rng.random(SIDES) < 0.1] = np.nan
    features = rng.normal(0, 1, (2, *SIDES)) if led else values
    spec = PairwiseSpec((0, 1, 1), (1, 2, 3), 0.2, 1.0, aggregation=aggregation)
    motion, laid = anywhere(seed)
    comp = Moving(motion, (0, 0, 0)).average(features, values, spec, missing=missing, threads=2)
    for frame in (2,):
        others = range(max(frame - 1, 0), min(frame + 2, SIDES[0]))
        near, stack = laid(features, frame, others), laid(values, frame, others)
        if aggregation == "patch":
            ref = pairwise_naive.patchwise_average(near, stack, spec)
        else:
            ref = pairwise_naive.pairwise_average(near, near, stack, spec)
        assert_averages_equal(ref[:, frame - others[0]], comp[:, frame], np.float64)


def test_the_wiener_step_equals_naive():
    noisy, pilot = np.random.default_rng(0).normal(2, 1, (2, 1, *SIDES))
    noise = np.random.default_rng(1).uniform(0.1, 2, (1, *SIDES))
    motion, laid = anywhere(3)
    comp = Moving(motion, (0, 0, 0)).wiener(noisy, pilot, noise, threads=2)
    mirrored = {0: [2, 1, 0, 1, 2], 3: [1, 2, 3, 2, 1]}
    for frame, others in mirrored.items():
        x, p, share = (laid(planes, frame, others)[0] for planes in (noisy, pilot, noise))
        ref = wiener_naive.wiener(x, p, share, (4, 8, 8), origin=(frame - 2, 0, 0), slices=(0, 4))
        assert_averages_equal(ref[2], comp[0, frame], np.float64)


MOVING = pan((3, 11), 6, (150, 170), 20.0)[0]
TRUTH = pan((3, 11), 6, (150, 170), 0.0)[0]


def error(result):
    return float(np.mean(np.square(result[1:-1].astype(np.float64) - TRUTH[1:-1])))


@pytest.mark.parametrize("method", ["nlm", "ridge"])
def test_following_beats_a_still_window_and_single_frames(method):
    run = partial(nlmeans.denoise, MOVING, 20, method=method, quality="fast" if method == "ridge" else None)
    followed, still, single = run(axes="TYX"), run(axes="TYX", motion=False), run(axes="NYX")
    assert error(followed) < 0.8 * min(error(still), error(single))
    plan = nlmeans.plan(MOVING, 20, axes="TYX", method=method)
    assert plan.motion
    assert plan.search_radius == (2, 4, 4)
    assert "motion" in str(plan)
    assert "35 pixels" in str(plan)
    assert plan.halo[1] > nlmeans.plan(MOVING, 20, axes="TYX", method=method, motion=False).halo[1] + FARTHEST


@pytest.mark.parametrize("options", [{}, {"quality": "best"}, {"method": "ridge", "quality": "fast"}])
def test_a_still_video_is_what_it_was(options):
    still = pan((0, 0), 5, (96, 110), 15.0)[0]
    auto, never = (nlmeans.denoise(still, axes="TYX", motion=motion, **options) for motion in (None, False))
    np.testing.assert_array_equal(auto, never)
    plan = nlmeans.plan(still, axes="TYX", **options)
    assert not plan.motion
    assert "motion" not in str(plan)


def test_a_cut_harms_neither_scene():
    other = (TRUTH[3:, ::-1, ::-1] + np.random.default_rng(9).normal(0, 20, TRUTH[3:].shape)).astype(np.float32)
    cut = np.concatenate([MOVING[:3], other])
    truth = np.concatenate([TRUTH[:3], TRUTH[3:, ::-1, ::-1]])
    whole = nlmeans.denoise(cut, 20, axes="TYX", motion=True)
    parts = np.concatenate([nlmeans.denoise(part, 20, axes="TYX", motion=True) for part in (cut[:3], cut[3:])])
    assert np.mean(np.square(whole - truth)) < 1.05 * np.mean(np.square(parts - truth))


# more than a block's halo along y
TALL = np.concatenate([pan((3, 11), 3, (460, 60), 20.0, seed) for seed in (0, 7)], axis=2)[0]
WAYS = {
    "fast": {"quality": "fast"},
    "balanced": {},
    "best": {"quality": "best"},
    "16 bits": {"quality": "fast", "dtype": "float32"},
    "map": {"sigma": np.linspace(15, 25, 60) * np.ones((3, 920, 1))},
    "ridge": {"method": "ridge", "quality": "fast"},
}


@cache
def whole(name):
    return nlmeans.denoise(image_of(name), **{"sigma": 20, "axes": "TYX"} | WAYS[name])


def image_of(name):
    return np.clip(TALL, 0, 255).round().astype(np.uint8) if name == "16 bits" else TALL


@pytest.mark.parametrize("name", WAYS)
def test_chunks_and_threads_change_nothing(name):
    da = pytest.importorskip("dask.array", reason="dask is not installed: pip install 'nlmeans[scale]'")
    options = {"sigma": 20, "axes": "TYX"} | WAYS[name]
    assert nlmeans.plan(image_of(name), **{k: v for k, v in options.items() if k != "dtype"}).motion
    lazy = nlmeans.tiled.denoise(da.from_array(image_of(name), chunks=(3, 500, 60)), block=1, **options)
    found = lazy.compute(scheduler="sync")
    if name in ("fast", "16 bits"):  # whole numbers: exactly so
        np.testing.assert_array_equal(found, whole(name))
    else:
        np.testing.assert_allclose(found, whole(name), atol=2e-3)
    one = nlmeans.denoise(image_of(name), threads=1, **options)
    np.testing.assert_array_equal(one, whole(name))


def test_blocks_of_files_and_the_command_line_agree(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("in.npy", TALL)
    large.denoise("in.npy", "out.npy", 20, axes="TYX", quality="fast", sizes=Sizes((1 << 10, 3 * 500 * 60)))
    np.testing.assert_array_equal(np.load("out.npy"), whole("fast"))
    flags = ["--axes", "TYX", "--quality", "fast", "--sigma", "20"]
    for more in ([], ["--motion"], ["--no-motion"]):
        done = CliRunner().invoke(app, ["denoise", "in.npy", f"clean{len(more)}.npy", "--overwrite", *flags, *more])
        assert done.exit_code == 0, done.stderr
        still = nlmeans.denoise(TALL, 20, axes="TYX", quality="fast", motion=False) if "--no-motion" in more else None
        ref = whole("fast") if still is None else still
        np.testing.assert_array_equal(np.load(f"clean{len(more)}.npy"), ref)


def test_motion_needs_a_time_axis():
    for axes in ("YX", "ZYX", "NYX"):
        image = np.zeros((20, 20) if axes == "YX" else (3, 20, 20))
        with pytest.raises(ValueError, match=f"motion can only be followed over T, without Z; got axes '{axes}'"):
            nlmeans.denoise(image, 1, axes=axes, motion=True)
        assert not nlmeans.plan(image + 1, 1, axes=axes, motion=False).motion
    with pytest.raises(TypeError, match="motion must be True or False"):
        nlmeans.denoise(MOVING, 1, axes="TYX", motion="auto")
    assert not nlmeans.plan(MOVING[:1], 20, axes="TYX", motion=True).motion
    assert not nlmeans.plan(MOVING, 20, axes="TYX", search_radius="image", motion=True).motion


def test_weights_lie_where_what_moves_has_gone():
    at = (3, 80, 90)
    weights = nlmeans.weight_map(MOVING, at, 20, axes="TYX", quality="fast")
    clean = nlmeans.denoise(MOVING.astype(np.float64), 20, axes="TYX", quality="fast")
    assert weights.sum() == pytest.approx(1)
    assert float((weights * MOVING).sum()) == pytest.approx(clean[at], abs=1e-3)
    for frame in (2, 4):
        y, x = np.argwhere(weights[frame] > 0).mean(axis=0)
        step = frame - at[0]
        assert abs(y - (at[1] - 3 * step)) < 3
        assert abs(x - (at[2] - 11 * step)) < 3


def test_maps_and_sure_follow_too():
    _, report = nlmeans.denoise(MOVING, 20, axes="TYX", full_output="maps")
    assert np.isfinite(report.maps.effective).all()
    tuned = nlmeans.plan(MOVING, 20, axes="TYX", strength="sure")
    assert tuned.motion
    assert np.isfinite(tuned.predicted_mse)


def test_colour_moves_with_grey():
    film = np.stack([MOVING, MOVING[:, ::-1], texture(150, 170) + MOVING], axis=-1)
    assert nlmeans.plan(film, 20, axes="TYXC").motion
    assert nlmeans.denoise(film, 20, axes="TYXC", quality="fast").shape == film.shape


def test_a_region_of_a_frame_is_what_the_whole_has_there():
    motion, _ = anywhere(1)
    values = np.random.default_rng(0).normal(0, 1, (1, *SIDES))
    spec, moving = PairwiseSpec((0, 1, 1), (1, 2, 3), 0.2), Moving(motion, (0, 0, 0))
    region = Tile((1, 3), (4, 12), (9, 18))
    ref, comp = (moving.average(values, values, spec, region=asked) for asked in (None, region))
    np.testing.assert_allclose(comp, region.of(ref), atol=1e-12)
