"""Where tiles of a video go, against the definition; and that nothing goes anywhere in one that is still."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nlmeans.motion import FARTHEST, REACH, motion_of, moving, naive
from nlmeans.pairwise import Tile

RNG = np.random.default_rng(0)


def texture(height, width, seed=0):
    """Return a smooth random scene with a standard deviation of 40."""
    from scipy.ndimage import gaussian_filter

    scene = gaussian_filter(np.random.default_rng(seed).normal(0, 1, (height, width)), 2)
    return (100 + 40 * scene / scene.std()).astype(np.float32)


def pan(step, length=3, sides=(70, 110), sigma=10.0, seed=0):
    """Return noisy frames (1, T, Y, X) of a camera that moves by ``step`` along (y, x)."""
    most = 40 * length
    scene = texture(sides[0] + 2 * most, sides[1] + 2 * most, seed)
    frames = [
        scene[most + k * step[0] : most + k * step[0] + sides[0], most + k * step[1] : most + k * step[1] + sides[1]]
        for k in range(length)
    ]
    noise = np.random.default_rng(seed + 1).normal(0, sigma, (1, length, *sides))
    return (np.stack(frames)[None] + noise).astype(np.float32)


@settings(max_examples=6)
@given(st.integers(0, 999), st.tuples(st.integers(-12, 12), st.integers(-35, 35)), st.integers(1, 2))
def test_motion_equals_naive(seed, step, channels):
    video = np.concatenate([pan(step, 2, (41, 75), 12.0, seed)] * channels)
    comp = motion_of(video, [1 / 12] * channels, 1, threads=2)
    assert comp.origin == (0, 0, 0)
    for k, here in ((1, 0), (-1, 1)):
        np.testing.assert_array_equal(
            naive.motion(video.astype(np.float64), [1 / 12] * channels, here, here + k), comp.shifts[1 + k, here]
        )


@pytest.mark.parametrize("step", [(3, 5), (-17, 12), (0, -31)])
def test_a_pan_is_found_where_both_frames_show_it(step):
    motion = motion_of(pan(step, 2, (160, 200)), [0.1], 1)
    inner = motion.shifts[2, 0, 3:7, 4:8]
    np.testing.assert_array_equal(inner, np.broadcast_to(-np.asarray(step), inner.shape))
    assert abs(motion.shifts).max() <= FARTHEST


@pytest.mark.parametrize("gain", [0.02, 0.1, 0.13])
@pytest.mark.parametrize("sides", [(150, 150), (131, 163), (12, 14)])
def test_what_is_still_does_not_move_whatever_the_noise(sides, gain):
    video = pan((0, 0), 4, sides, 10.0)
    assert not motion_of(video, [gain], 2).shifts.any()
    assert moving(video, [gain]) == 0
    assert moving(pan((0, 4), 4, (150, 150)), [0.1]) > 0.5


@pytest.mark.parametrize("origin", [(1, 0, 0), (0, 17, 37), (1, 100, 3)])
def test_a_part_has_the_motion_of_the_whole(origin):
    video = pan((2, -7), 3, (330, 330))
    z, y, x = origin
    part = np.ascontiguousarray(video[:, z:, y:, x:])
    ref, comp = motion_of(video, [0.1], 1), motion_of(part, [0.1], 1, origin=origin)
    here = (
        Tile((1, 2 if z else 3), (REACH, 330 - y), (REACH, 330 - x))
        if z == 0
        else Tile((0, 2), (REACH, 200), (REACH, 200))
    )
    inside = here.moved((-z, -y, -x))
    whole = ref.part(inside, (0, 0, 0))
    found = comp.part(here, origin)
    if z:
        np.testing.assert_array_equal(found[2:, :1], whole[2:, :1])
        np.testing.assert_array_equal(found[1:, 1:], whole[1:, 1:])
    else:
        np.testing.assert_array_equal(found, whole)


@given(st.integers(0, 99), st.tuples(*[st.integers(0, 40)] * 2))
def test_followed_frames_equal_naive(seed, corner):
    rng = np.random.default_rng(seed)
    video = rng.normal(0, 1, (2, 3, 50, 70)).astype(np.float32)
    motion = motion_of(video, [1, 1], 1)
    motion.shifts[...] = rng.integers(-FARTHEST, FARTHEST + 1, motion.shifts.shape)
    motion.shifts[1] = 0
    ref = np.stack([naive.followed(video, t, motion.shifts[t, 1]) for t in range(3)], axis=1)
    whole = Tile((0, 3), (0, 50), (0, 70))
    np.testing.assert_array_equal(motion.followed(video, 1, range(3), whole, (0, 0, 0)), ref)
    around = Tile((0, 3), (corner[0], 50), (corner[1], 70))
    np.testing.assert_array_equal(around.of(motion.followed(video, 1, range(3), around, (0, 0, 0))), around.of(ref))


def test_missing_pixels_move_with_those_around():
    video = pan((4, 8), 2, (160, 200))
    video[:, RNG.random(video.shape[1:]) < 0.05] = np.nan
    inner = motion_of(video, [0.1], 1).shifts[2, 0, 3:7, 4:8]
    np.testing.assert_array_equal(inner, np.broadcast_to((-4, -8), inner.shape))
