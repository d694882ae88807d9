"""Groups of similar patches: each stage, and the whole step, against the definition in NumPy."""

from dataclasses import replace
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tolerances import assert_averages_equal

from nlmeans.groups import GroupSpec, RidgeSpec, Step, group_step, naive

SPEC = GroupSpec((1, 4, 5), 12, (1, 3, 2), (0, 5, 6))
DTYPES = st.sampled_from([np.float32, np.float64])
SIDES = st.one_of(
    st.tuples(st.just(1), st.integers(1, 24), st.integers(1, 40)),
    st.tuples(st.integers(2, 4), st.integers(1, 9), st.integers(1, 11)),
)


@st.composite
def specs(draw):
    def three(low, high):
        return draw(st.tuples(*(st.integers(low, high) for _ in range(3))))

    patch = (draw(st.integers(1, 5)), draw(st.integers(1, 5)), draw(st.integers(1, 20)))
    stride = tuple(draw(st.integers(1, side)) for side in patch)
    return GroupSpec(patch, draw(st.integers(1, 40)), stride, three(0, 9), draw(st.booleans()))


def places(step, flat):
    """Return (z, y, x) of places in the padded planes."""
    return [
        tuple(int(n) for n in (p // step.noisy.slice, p % step.noisy.slice // step.noisy.line, p % step.noisy.line))
        for p in flat
    ]


@given(SIDES, specs(), DTYPES, st.integers(1, 2), st.integers(1, 60), st.integers(0, 99))
def test_matching_equals_naive(sides, spec, dtype, channels, values, seed):
    image = np.random.default_rng(seed).integers(0, values, (channels, *sides)).astype(dtype)  # many are as near
    step = Step(image, image, None, spec)
    references = np.concatenate([tile for turn in step.tiles() for tile in turn])
    assert sorted(map(tuple, references.tolist())) == naive.references(sides, step.spec)
    positions, counts = step.match(references)
    for reference, matches, count in zip(references, positions, counts, strict=True):
        ref = naive.match(image, tuple(reference.tolist()), step.spec)
        assert sorted(places(step, matches[:count])) == sorted(ref)


def shifted(seed, most):
    """Return a function of places to where their windows lie in slices around, at random for each place."""

    def shifts(places):
        each = []
        for place in places:
            rng = np.random.default_rng([seed, *map(int, place)])
            each.append(rng.integers(-most, most + 1, (5, 2)))
            each[-1][2] = 0
        return np.array(each, np.intp).reshape(-1, 5, 2)

    return shifts


@given(st.integers(0, 99), DTYPES, st.booleans())
def test_windows_that_lie_elsewhere_equal_naive(seed, dtype, sparse):
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 60, (1, 4, 14, 23)).astype(dtype)
    spec, shifts = GroupSpec((1, 4, 5), 9, (1, 3, 4), (2, 2, 3), sparse, farthest=6), shifted(seed, 6)
    step = Step(image, image, None, spec, shifts=shifts)
    references = np.concatenate([tile for turn in step.tiles() for tile in turn])
    positions, counts = step.match(references)
    for reference, matches, count in zip(references, positions, counts, strict=True):
        ref = naive.match(image, tuple(reference.tolist()), step.spec, shifts(reference[None])[0])
        assert sorted(places(step, matches[:count])) == sorted(ref)
    pilot = rng.normal(0, 9, image.shape).astype(dtype)
    ref = naive.step(image, image, pilot, spec, shifts=shifts)
    assert_averages_equal(ref, group_step(image, image, pilot, spec, shifts=shifts, threads=2), dtype)


def test_groups_that_follow_reach_as_far_as_they_say():
    spec = GroupSpec((1, 4, 5), 9, (1, 3, 4), (2, 2, 3), farthest=6)
    assert spec.halo == (4, 19, 22)
    step = Step(*[np.zeros((1, 4, 300, 20), np.float32)] * 2, None, spec)
    for turn in step.tiles():
        ends = sorted((tile[:, 1].min() - 8, tile[:, 1].max() + 8 + 4) for tile in turn)
        assert all(first[1] <= second[0] for first, second in pairwise(ends))


@given(st.integers(1, 40), st.sampled_from([6, 9, 17]), st.booleans(), st.booleans(), DTYPES, st.integers(0, 99))
def test_a_group_equals_naive(count, width, second, uneven, dtype, seed):
    rng = np.random.default_rng(seed)
    noisy, pilot = rng.normal(3, 2, (2, 1, 1, 20, 30)).astype(dtype)
    variance = rng.uniform(0.2, 2, (1, 1, 20, 30)).astype(dtype) if uneven else None
    spec = GroupSpec((1, 8, width), count, (1, 1, 1), (0, 19, 29))
    step = Step(noisy, noisy, pilot if second else None, spec, variance)
    group = [
        (0, int(y), int(x))
        for y, x in zip(rng.permutation(13)[: count % 13 + 1], rng.permutation(31 - width), strict=False)
    ]
    flat = np.array([[y * step.noisy.line + x for _, y, x in group]])
    step.estimate(flat, np.array([len(group)]))

    def columns(planes):
        return np.stack([naive.patch_at(planes, start, spec).ravel() for start in group], axis=1).astype(float)

    power = columns(np.ones_like(noisy) if variance is None else variance).sum(0)
    estimates, weights, left = naive.combine(columns(noisy), columns(pilot) if second else None, power)
    np.testing.assert_allclose(weights.sum(0), 1, atol=1e-9)
    total, certainty = np.zeros(noisy.shape), np.zeros(noisy.shape)
    for start, estimate, variance_left in zip(group, estimates.T, left, strict=True):
        naive.patch_at(total, start, spec)[...] += estimate.reshape(1, *spec.patch) / variance_left
        naive.patch_at(certainty, start, spec)[...] += 1 / variance_left
    assert_averages_equal(certainty, step.weights.planes, dtype)
    assert_averages_equal(total, step.total.planes, dtype)


@given(SIDES, specs(), DTYPES, st.integers(1, 3), st.booleans(), st.booleans(), st.integers(0, 99))
def test_step_equals_naive(sides, spec, dtype, channels, second, uneven, seed):
    rng = np.random.default_rng(seed)
    if not second and spec.size > np.prod(spec.patch):  # the matrix of so many is nearly singular
        spec = replace(spec, size=int(np.prod(spec.patch)))
    noisy, pilot = rng.normal(3, 2, (2, channels, *sides)).astype(dtype)
    variance = rng.uniform(0.2, 2, (rng.choice([1, channels]), *sides)).astype(dtype) if uneven else None
    guide = pilot if second else noisy
    ref = naive.step(guide, noisy, pilot if second else None, spec, variance)
    comp = group_step(guide, noisy, pilot if second else None, spec, variance=variance, threads=2)
    assert comp.dtype == dtype
    assert_averages_equal(ref, comp, dtype)


@pytest.mark.parametrize("second", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_is_not_finite_harms_no_memory(dtype, second):
    image = np.random.default_rng(0).normal(size=(1, 1, 60, 70)).astype(dtype)
    image[0, 0, 20:40, 30:33] = [np.nan, -np.nan, np.inf]
    step = Step(image, image, image if second else None, GroupSpec((1, 7, 9), 40, (1, 5, 5), (0, 12, 12)))
    for tile in (tile for turn in step.tiles() for tile in turn):
        positions, counts = step.match(tile)
        assert counts.min() >= 1
        assert counts.max() <= 40
        step.estimate(positions, counts)


@pytest.mark.parametrize("sides", [(1, 150, 130), (1, 9, 200), (9, 60, 50), (40, 21, 45)])
def test_threads_change_nothing(sides):
    image = np.random.default_rng(0).normal(size=(2, *sides)).astype(np.float32)
    spec = GroupSpec((2, 4, 5), 20, (2, 3, 3), (2, 9, 9))
    one, three = (group_step(image, image, None, spec, threads=threads) for threads in (1, 3))
    np.testing.assert_array_equal(one, three)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "spec",
    [
        SPEC,
        GroupSpec((3, 8, 8), 9, (2, 7, 4), (1, 30, 3)),
        GroupSpec((1, 4, 2), 9, (1, 3, 2), (0, 3, 30)),
        GroupSpec((1, 4, 17), 9, (1, 3, 2), (0, 3, 25)),
        GroupSpec((4, 4, 4), 9, (3, 3, 3), (5, 2, 5)),
    ],
)
def test_tiles_of_one_turn_write_to_different_pixels(spec, dtype):
    depth = 50 if spec.patch == (4, 4, 4) else 7
    step = Step(*[np.zeros((1, depth, 130, 250), dtype)] * 2, None, spec)
    wide = -(-spec.patch[2] // step.lanes) * step.lanes  # whole vectors are written
    for turn in step.tiles():
        taken = np.zeros((depth, 130, 250 + wide), int)
        for tile in turn:
            low, high = tile.min(0) - spec.search_radius, tile.max(0) + spec.search_radius
            low, high = np.maximum(low, 0), np.minimum(high, step.ends) + np.array([*spec.patch[:2], wide])
            taken[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] += 1
        assert taken.max() == 1


@pytest.mark.parametrize("second", [False, True])
@pytest.mark.parametrize("span", [0.0, 0.01, 1.0, 1e3, 1e6, 1e9])
def test_alike_patches_and_any_range_stay_in_the_range(span, second):
    y, x = np.mgrid[:40, :50]
    image = (span * ((x // 3 + y // 3) % 2))[None, None].astype(np.float32)
    result = group_step(image, image, image if second else None, GroupSpec((1, 8, 8), 30, (1, 4, 4), (0, 9, 9)))
    assert np.abs(result - image).max() <= 1.2 * span  # no noise to find, where there should be some


def test_noise_that_was_clipped_is_not_thrown_over():
    rng = np.random.default_rng(0)
    image = np.maximum(rng.normal(-2, 1, (1, 1, 60, 60)), 0)  # hardly a pixel is above 0
    result = group_step(image, image, None, GroupSpec((1, 8, 8), 16, (1, 6, 6), (0, 15, 15)))
    assert result.min() > -0.1
    assert result.max() < image.max()


def test_a_right_pilot_leaves_little_noise():
    y, x = np.mgrid[:64, :64]
    clean = (5 * np.sin(x / 9.0) + 3 * np.cos(y / 7.0))[None, None]
    noisy = clean + np.random.default_rng(1).normal(0, 1, clean.shape)
    result = group_step(clean, noisy, clean, GroupSpec((1, 8, 8), 48, (1, 4, 4), (0, 15, 15)))
    assert np.mean((result - clean) ** 2) < 0.03


def test_a_pixel_depends_on_nothing_beyond_the_halo():
    spec = GroupSpec((1, 4, 5), 9, (1, 2, 2), (0, 3, 4))
    assert spec.halo == (0, 9, 12)
    image = np.random.default_rng(0).normal(size=(1, 1, 40, 50)).astype(np.float32)
    middle, reached = (20, 24), False
    before = group_step(image, image, None, spec)[0, 0][middle]
    for dy, dx in product((-9, -10, 9, 10), (-12, -13, 0, 12, 13)):
        other = image.copy()
        other[0, 0, middle[0] + dy, middle[1] + dx] += 100
        same = group_step(other, other, None, spec)[0, 0][middle] == before
        assert same or (abs(dy) <= 9 and abs(dx) <= 12)
        reached |= not same


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (dict(patch=(0, 8, 8)), "patch must be 3 whole numbers of at least 1"),
        (dict(stride=(1, 1)), "stride must be 3"),
        (dict(search_radius=(0, -1, 2)), "search_radius must be 3 whole numbers of at least 0"),
        (dict(stride=(1, 9, 2)), "stride must be at most the patch's sides"),
        (dict(size=0), "size must be a whole number of at least 1; got 0"),
    ],
)
def test_specs_that_make_no_sense(given, message):
    with pytest.raises(ValueError, match=message):
        GroupSpec(**{**dict(patch=(1, 8, 8), size=4, stride=(1, 2, 2), search_radius=(0, 3, 3)), **given})


@pytest.mark.parametrize("name", ["guide", "pilot", "variance"])
def test_all_have_the_same_sides(name):
    given = {key: np.zeros((1, 1, 20, 20)) for key in ("guide", "noisy", "pilot", "variance")} | {
        name: np.zeros((1, 1, 20, 19))
    }
    with pytest.raises(ValueError, match=rf"{name} must have the image's sides, \(1, 20, 20\); got \(1, 20, 19\)"):
        Step(spec=SPEC, **given)


def test_a_share_is_a_share():
    with pytest.raises(ValueError, match=r"share must be from 0 to 1; got 1\.5"):
        RidgeSpec(SPEC, SPEC, 1.5)
    with pytest.raises(ValueError, match="correlated must be above 0; got 0"):
        RidgeSpec(SPEC, SPEC, 0.5, 0)
