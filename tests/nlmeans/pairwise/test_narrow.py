"""Non-local means in 16 bits against `naive`, and against itself in other tiles, threads and parts."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from specs import nlm_spec

from nlmeans.pairwise import PairwiseSpec, Tile, domain_narrow, naive, narrow, pairwise_average
from nlmeans.pairwise.tiles import whole
from nlmeans.pairwise.units import GRAIN, PAIRS, STEPS, Units, rounded
from nlmeans.simd.sizes import TABLES, has

pytestmark = pytest.mark.skipif(not has(narrow.FEATURE), reason="needs a processor with AVX2")

SPREAD = 32.0


def soft_spec(channels, patch, search, vanish=2.0**-10, **options):
    """Return a spec whose weights end softly."""
    return replace(nlm_spec(channels, patch, search, **options), vanish=vanish, soft=True, lowest=2.0**-5)


def textured(seed, channels, sides):
    """Return planes in units of σ: steps, a ramp, a wave and noise."""
    rng = np.random.default_rng(seed)
    z, y, x = np.indices(sides)
    clean = 4.0 * ((x // 5 + y // 7 + z // 3) % 2) + x / 9 + 1.5 * np.sin(y * 1.3 + x * 0.6)
    signs = rng.choice([-1.0, 0.5, 1.0], (channels, 1, 1, 1))
    return (signs * clean + rng.normal(0, 1, (channels, *sides))).astype(np.float32)


@st.composite
def jobs(draw):
    """Draw a spec and planes."""
    flat = draw(st.booleans())
    sides = (1 if flat else draw(st.integers(1, 4)), draw(st.integers(1, 20)), draw(st.integers(1, 50)))
    patch = (0 if flat else draw(st.integers(0, 1)), draw(st.integers(0, 3)), draw(st.integers(0, 3)))
    search = (0 if flat else draw(st.integers(0, 2)), draw(st.integers(0, 4)), draw(st.integers(0, 13)))
    channels = draw(st.sampled_from([1, 3]))
    spec = soft_spec(
        channels, patch, search, draw(st.sampled_from([2.0**-12, 2.0**-9])),
        strength=draw(st.sampled_from([0.45, 0.8])), centre=draw(st.sampled_from(["max", "one", "zero"])),
        bias=draw(st.booleans()),
    )  # fmt: skip
    spec = replace(spec, lowest=draw(st.sampled_from([0.0, 2.0**-5])))
    return textured(draw(st.integers(0, 10**6)), channels, sides), spec


@st.composite
def whole_jobs(draw):
    """Draw a spec of a search over the whole image, and planes."""
    long, short = draw(st.integers(45, 66)), draw(st.integers(1, 9))
    sides = (draw(st.integers(1, 2)), *draw(st.sampled_from([(long, short), (short, long)])))
    channels = draw(st.sampled_from([1, 3]))
    deep = draw(st.integers(0, sides[0] - 1)) if channels == 1 else 0
    patch = (deep, draw(st.integers(0, 3)), draw(st.integers(0, 3)))
    spec = soft_spec(
        channels, patch, (sides[0] - 1, sides[1] - 1, sides[2] - 1 + draw(st.integers(0, 9))),
        strength=draw(st.sampled_from([0.45, 0.8])), centre=draw(st.sampled_from(["max", "one", "zero"])),
        bias=draw(st.booleans()),
    )  # fmt: skip
    return textured(draw(st.integers(0, 10**6)), channels, sides), spec


def units(planes, spec, spread=SPREAD, parts=False):
    """Return the units that are taken, a text if there are none."""
    found = narrow.units_for(planes, planes, spec, [1.0] * len(planes), spread, parts)
    return found if isinstance(found, str) else found[0]


def weights(scores, chosen):
    """Return the weights of scores, whole numbers, as the kernels make them."""
    numbers, coarse, fine = narrow.curve(chosen).view(np.uint16).reshape(3, -1).astype(np.int64)
    if TABLES:
        bias, end, floor = numbers[:3]
        x = np.clip(scores - bias, 0, end)
        whole = coarse[x // 32] * fine[x % 32] >> 16
    else:
        last, end, floor, slope, start, rest = numbers[:6]
        root = (start + slope * np.clip(last - scores, 0, end)) ** 2 // 2**16 + rest
        for _ in range(4):
            assert np.all((root >= 0) & (root < 2**16))
            root = root**2 // 2**16
        whole = root
    return np.maximum(whole - floor, 0)


def in_whole_numbers(planes, spec, chosen):
    """Compute what the kernels do, one pair of pixels after the other; return averages, normalisers and own weights."""
    scale = np.float32(chosen.scale)
    features = np.rint(planes * scale).astype(np.int64)
    values = features * chosen.share >> 8
    flat = np.moveaxis(values.reshape(len(values), -1), 0, 1)
    places = naive.positions(planes)
    rz, ry, rx = spec.patch_radius
    around = np.stack([np.pad(plane, ((rz, rz), (ry, ry), (rx, rx)), mode="reflect") for plane in features])
    sides = planes.shape[1:]
    cells = [(y, x) for y in range(2 * ry + 1) for x in range(2 * rx + 1)]

    def of(y, x):
        """Return what a place of the patch adds to scores: (pixel, channel and slice)."""
        layers = [around[:, z : z + sides[0], y : y + sides[1], x : x + sides[2]] for z in range(2 * rz + 1)]
        return np.stack(layers).reshape(-1, math.prod(sides)).T

    looks = np.stack([of(*cell) for cell in cells]).astype(np.int32)
    averages, totals, owns = np.zeros((len(planes), len(flat))), np.zeros(len(flat)), np.zeros(len(flat))
    for i in range(len(flat)):
        near = (np.abs(places - places[i]) <= spec.window).all(1)
        near[i] = False
        difference = np.clip(looks[:, i, None] - looks[:, near], -(2**15), 2**15 - 1)
        score = np.minimum((difference**2 >> 16).sum(2), chosen.limit).sum(0)
        weight = weights(score, chosen)
        own = {
            "max": weight.max(initial=chosen.lowest), "one": round(chosen.whole), "zero": 0
        }[spec.centre]  # fmt: skip
        total = weight.sum() + own
        apart = (weight[:, None] * (flat[near] - flat[i])).sum(0)
        rest = features.reshape(len(planes), -1)[:, i] * chosen.share % 256 / 256 - 0.5
        mean = np.where(apart != 0, apart - rest * weight.sum(), 0) / max(total, 1)
        averages[:, i] = planes.reshape(len(planes), -1)[:, i] + mean * 256 / chosen.share / scale
        totals[i], owns[i] = total / chosen.whole if total else 1, own / chosen.whole if total else 1
    return averages.reshape(planes.shape), totals.reshape(sides), owns.reshape(sides)


@given(jobs())
def test_narrow_equals_whole_numbers(job):
    planes, spec = job
    chosen, shares = units(planes, spec), np.empty((2, *planes.shape[1:]), np.float32)
    averages, totals, owns = in_whole_numbers(planes, spec, chosen)
    comp = pairwise_average(planes, planes, spec, spread=SPREAD, shares=shares)
    np.testing.assert_allclose(comp, averages, atol=1e-5)
    np.testing.assert_allclose(shares[0], 1 / totals, rtol=1e-6)
    np.testing.assert_allclose(shares[1], owns, rtol=1e-6)


@settings(max_examples=25)
@given(whole_jobs())
def test_the_whole_image_equals_whole_numbers(job):
    planes, spec = job
    chosen, shares = units(planes, spec, parts=True), np.empty((2, *planes.shape[1:]), np.float32)
    averages, totals, owns = in_whole_numbers(planes, spec, chosen)
    comp = pairwise_average(planes, planes, spec, spread=SPREAD, shares=shares)
    np.testing.assert_allclose(comp, averages, rtol=3e-7, atol=3e-7)
    np.testing.assert_allclose(shares[0], 1 / totals, rtol=1e-6)
    np.testing.assert_allclose(shares[1], owns, rtol=1e-6)


@settings(max_examples=25)
@given(
    whole_jobs(), st.integers(2, 3), st.sampled_from([2, 6, 22]), st.integers(2, 30), st.sampled_from([1, 2, 4, 8, 32]),
    st.integers(22, 200),
)  # fmt: skip
def test_blocks_bands_parts_and_threads_change_no_bit_of_the_whole_image(job, threads, block, rows, bands, pairs):
    planes, spec = job
    ref = pairwise_average(planes, planes, spec, spread=SPREAD, threads=1)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("BLOCK", block), ("ROWS", rows), ("PAIRS", pairs), ("bands_of", lambda *_: bands)):
            patch.setattr(domain_narrow, name, value)
        domain_narrow.block_of.cache_clear()
        comp = pairwise_average(planes, planes, spec, spread=SPREAD, threads=threads)
    domain_narrow.block_of.cache_clear()
    assert np.array_equal(ref, comp)


def test_parts_have_room_for_their_pairs():
    spec = soft_spec(1, (0, 3, 3), (0, 223, 223))
    chosen = Units.of(spec, 1, SPREAD, True)
    # alike but for a difference that one pixel alone may have, each with the largest weight
    most = chosen.whole * math.sqrt(chosen.limit * 2.0**16) * chosen.share / GRAIN
    for height, size in ((1, 1), (224, 16), (3000, 16), (3000, 5)):
        bands = domain_narrow.bands_of(height, height, spec.patch_radius)
        parts = list(domain_narrow.rows_of(height, bands, size))
        assert [dy for part in parts for dy in range(*part)] == list(range(parts[0][0], height))
        assert parts[0][0] <= 1 - height
        assert all((first - 1) % bands == 0 for first, _ in parts)
        for first, last in parts:
            assert size * min(math.ceil((last - first) / bands), math.ceil(height / bands)) <= PAIRS
    assert PAIRS * most / 2 < 2**31  # half of it is what a weight allows at most


@pytest.mark.parametrize("name", ["camera", "coins"])
@pytest.mark.parametrize("sigma", [5, 25, 50])
def test_a_photograph_keeps_its_quality_over_the_whole_image(name, sigma):
    clean = getattr(pytest.importorskip("skimage.data"), name)()[60:172, 60:172].astype(np.float32)[None, None]
    planes = ((clean + np.random.default_rng(sigma).normal(0, sigma, clean.shape)) / sigma).astype(np.float32)
    spec = soft_spec(1, (0, 3, 3), (0, 111, 111), 2.0**-12, strength=0.6)
    spread = rounded(float(np.ptp(planes)))
    assert not isinstance(units(planes, spec, spread, True), str)
    exact = planes.astype(np.float64)
    ref = pairwise_average(exact, exact, spec)  # against `naive` it is tested elsewhere
    comp = pairwise_average(planes, planes, spec, spread=spread)
    psnr, other = (-10 * math.log10(np.mean((clean / sigma - result) ** 2)) for result in (ref, comp))
    assert np.sqrt(np.mean((comp - ref) ** 2)) < 0.01
    assert abs(psnr - other) < 0.01


@pytest.mark.parametrize(
    ("patch", "strength", "sigma"),
    [(1, 0.45, 0.5), (1, 0.45, 2.0), (1, 0.8, 1.0), (2, 0.6, 1.0), (3, 0.45, 0.5), (3, 0.45, 2.0)],
)
def test_the_deviation_is_a_hundredth_of_the_noise(patch, strength, sigma):
    planes = textured(1, 1, (1, 48, 56)) / sigma
    spec = soft_spec(1, (0, patch, patch), (0, 8, 8), strength=strength)
    assert not isinstance(units(planes, spec), str)
    off = pairwise_average(planes, planes, spec, spread=SPREAD) - naive.pairwise_average(planes, planes, planes, spec)
    assert np.sqrt(np.mean(off**2)) < 0.01
    assert np.mean(np.abs(off) > 0.1) < 0.001


def test_shares_are_those_of_the_floating_point_kernels():
    planes, spec = textured(2, 3, (1, 60, 50)), soft_spec(3, (0, 1, 1), (0, 6, 6))
    for centre in ("max", "one", "zero"):
        spec = replace(spec, centre=centre)
        ref, comp = (np.empty((2, 1, 60, 50), np.float32) for _ in range(2))
        pairwise_average(planes, planes, spec, shares=ref)
        pairwise_average(planes, planes, spec, shares=comp, spread=SPREAD)
        some = ref[0] < 50  # a pixel of nearly no weight may have none
        np.testing.assert_allclose(1 / comp[0][some], 1 / ref[0][some], rtol=0.03, atol=0.02)
        np.testing.assert_allclose(comp[1][some], ref[1][some], atol=0.04)


@given(jobs(), st.integers(2, 5), st.integers(4, 40), st.integers(4, 80), st.sampled_from([1, 2, 4, 8, 16]))
def test_tiles_bands_and_threads_change_no_bit(job, threads, rows, columns, bands):
    planes, spec = job
    ref = pairwise_average(planes, planes, spec, spread=SPREAD, threads=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(narrow, "TILE", (2, rows, columns))
        patch.setattr(narrow, "LEAST", 3)
        patch.setattr(narrow, "bands_of", lambda *_: bands)
        narrow.grid_of.cache_clear()
        comp = pairwise_average(planes, planes, spec, spread=SPREAD, threads=threads)
    narrow.grid_of.cache_clear()
    assert np.array_equal(ref, comp)


@pytest.mark.parametrize(
    ("sides", "threads", "rows"),
    [((1, 512, 512), 1, [256] * 2), ((1, 512, 512), 8, [64] * 8), ((1, 512, 512), 99, [64] * 8),
     ((1, 100, 40), 4, [100]), ((1, 300, 2000), 4, [150] * 4), ((40, 512, 512), 4, [256] * 6)],
)  # fmt: skip
def test_every_thread_has_a_tile_if_there_are_rows_enough(sides, threads, rows):
    tiles = narrow.tiles_of(whole(sides), threads)
    assert [tile.sides[1] for tile in tiles] == rows
    assert sum(math.prod(tile.sides) for tile in tiles) == math.prod(sides)


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 2))
def test_a_part_has_the_bits_of_the_whole(top, left, z):
    planes, spec = textured(3, 1, (4, 70, 66)), soft_spec(1, (1, 1, 2), (1, 4, 5))
    whole = pairwise_average(planes, planes, spec, spread=SPREAD)
    region = Tile((z, z + 1), (top, top + 20), (left, left + 25))
    part = region.grown(spec.halo, planes.shape[1:])
    cut = np.ascontiguousarray(part.of(planes))
    comp = pairwise_average(cut, cut, spec, spread=SPREAD, region=region.moved(part.origin))
    assert np.array_equal(comp, region.of(whole))


@pytest.mark.parametrize("scale", [1e-20, 1.0, 1e20])
def test_what_is_constant_stays_exactly(scale):
    planes = np.full((1, 1, 40, 40), np.float32(0.1 * scale))
    planes[..., 20:] *= 2
    spec = soft_spec(1, (0, 1, 1), (0, 5, 5))
    comp = pairwise_average(planes, planes, spec, gains=[40 / scale], spread=SPREAD)
    inner = np.s_[..., :12]
    assert np.array_equal(comp[inner], planes[inner])


@pytest.mark.parametrize("at", [0, 7, 31, 32, 65])
@pytest.mark.parametrize("width", [66, 31, 7, 1])
def test_a_bright_pixel_reaches_nobody(at, width):
    planes = np.random.default_rng(4).normal(0, 1, (1, 1, 33, width)).astype(np.float32)
    planes[0, 0, 16, min(at, width - 1)] = 24
    spec = soft_spec(1, (0, 1, 1), (0, 6, 6))
    comp = pairwise_average(planes, planes, spec, spread=SPREAD)
    assert comp[0, 0, 16, min(at, width - 1)] == 24
    assert np.delete(comp[0, 0, 16], min(at, width - 1)).max(initial=0) < 4


def test_what_rules_it_out():
    planes, spec = textured(5, 1, (1, 40, 40)), soft_spec(1, (0, 1, 1), (0, 5, 5))
    assert not isinstance(units(planes, spec), str)
    for other, text in (
        (replace(spec, soft=False), "softly"),
        (replace(spec, aggregation="patch"), "single pixels"),
        (soft_spec(1, (0, 9, 9), (0, 5, 5)), "too"),
        (replace(spec, patch_radius=(8, 1, 1)), "more than 16"),
    ):
        assert text in str(units(planes, other))
    assert "64 bits" in str(units(planes.astype(np.float64), spec))
    assert "spans 512 σ" in str(units(planes, spec, 512.0))
    assert "part of the image" in str(units(planes * 9, spec))
    assert "another image" in str(narrow.units_for(planes, planes.copy(), spec, [1.0], SPREAD))
    wide = replace(spec, search_radius=(0, 300, 300))
    assert "window" in str(Units.of(wide, 1, SPREAD))
    assert not isinstance(Units.of(wide, 1, SPREAD, True), str)


@pytest.mark.parametrize(
    ("channels", "patch", "strength"), [(1, 0, 0.3), (1, 1, 0.45), (1, 3, 0.3), (1, 3, 0.8), (3, 1, 0.8), (3, 3, 0.45)]
)
def test_units_keep_their_promises(channels, patch, strength):
    spec = soft_spec(channels, (0, patch, patch), (0, 10, 10), strength=strength)
    chosen = Units.of(spec, channels, 16.0)
    assert not isinstance(chosen, str)
    places = (2 * patch + 1) ** 2
    assert chosen.limit * places < 2**16
    end = -math.log(spec.vanish) / spec.scale
    steps = chosen.scale**2 / 2**16
    assert (spec.bias + end) * steps <= chosen.limit  # one pixel alone can end a weight
    assert end * steps <= STEPS
    x = np.arange(STEPS + 1)
    weight = weights(chosen.bias + x, chosen) / chosen.whole
    true = np.maximum(np.exp(-x / steps * spec.scale) - spec.vanish, 0)
    off, large = np.abs(weight - true), true > 1 / 8
    allowed = 1.5 / chosen.whole if TABLES else 2.5 / chosen.whole + np.where(large, 0.008, 0.03) * true
    assert np.all(off < allowed)
    assert np.all(np.diff(weight) <= 0)
    assert np.all(weights(np.arange(chosen.bias), chosen) == weights(np.array([chosen.bias]), chosen))
    assert weight[-1] == 0


def test_softness_is_for_gaussian_weights():
    with pytest.raises(ValueError, match="soft and lowest are for the gaussian weight"):
        PairwiseSpec((0, 0, 0), None, 1.0, centre="one", score="dot", weight="exp", soft=True)
