"""Dask arrays: lazy, and equal to the whole image whatever the chunks."""

import functools
import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nlmeans
from nlmeans import tiled
from nlmeans.large import lazy
from nlmeans.methods import sample
from nlmeans.noise import Gaussian, PoissonGaussian, Rician
from nlmeans.pairwise.tiles import Tile
from nlmeans.pixels import crops

da = pytest.importorskip("dask.array", reason="dask is not installed: pip install 'nlmeans[scale]'")

RNG = np.random.default_rng(0)
GREY = np.add.outer(np.sin(np.arange(90) / 9) * 50, np.arange(110) // 30 % 2 * 80) + 100 + RNG.normal(0, 10, (90, 110))
GREY = GREY.astype(np.float32)
COLOUR = np.stack([GREY, GREY[::-1], 0.5 * GREY], axis=-1)
VOLUME = (RNG.normal(0, 10, (14, 40, 44)) + 60 * (np.arange(44) > 20)).astype(np.float32)
PHOTONS = RNG.poisson(np.clip(GREY, 1, None) / 8).astype(np.uint16)
HOLED = GREY.copy()
HOLED[30:75, 20:70] = np.nan
MASK = RNG.random(GREY.shape) < 0.9


@functools.cache
def whole(name):
    """Return what the whole image becomes."""
    image, options = CASES[name]
    return nlmeans.denoise(image, **options)


CASES = {
    "grey": (GREY, dict(sigma=10)),
    "estimated": (GREY, {}),
    "fast": (GREY, dict(sigma=10, quality="fast", patch_radius=2, search_radius=(3, 6))),
    "best": (GREY, dict(sigma=10, quality="best")),
    "uint8": (np.clip(GREY, 0, 255).round().astype(np.uint8), dict(sigma=10)),
    "float64": (GREY.astype(np.float64), dict(sigma=10, strength=0.6, bias=False, centre="one")),
    "colour": (COLOUR, dict(sigma=(10, 10, 5), channel_axis=-1)),
    "channels first": (COLOUR.transpose(2, 0, 1), dict(axes="CYX")),
    "volume": (VOLUME, dict(sigma=10, axes="ZYX", search_radius=3)),
    "video": (VOLUME[:6], dict(sigma=10, axes="TYX", search_radius=(1, 3, 3))),
    "images": (np.stack([GREY, GREY[::-1] * 2]), dict(axes="NYX", quality="fast")),
    "mask": (GREY, dict(sigma=10, mask=MASK)),
    "holes": (HOLED, dict(sigma=10, search_radius=4)),
    "left": (HOLED, dict(sigma=10, fill=False)),
    "map": (GREY, dict(sigma=np.linspace(5, 20, GREY.size).reshape(GREY.shape))),
    "guide": (GREY, dict(sigma=10, guide=np.roll(GREY, 1), guide_sigma=10.0)),
    "sure": (GREY, dict(sigma=10, strength="sure", quality="fast")),
    "j-invariant": (GREY, dict(sigma=10, strength="j-invariant", quality="fast")),
    "photons": (PHOTONS, dict(noise=PoissonGaussian(gain=1.0))),
    "magnitudes": (np.abs(GREY), dict(noise=Rician(10))),
    "dark magnitudes": (np.abs(GREY - GREY.mean()), dict(noise=Rician(10))),
    "auto": (GREY, dict(noise="auto", quality="fast")),
    "ridge": (GREY, dict(sigma=10, method="ridge", quality="fast")),
    "ridge, photons": (PHOTONS, dict(noise=PoissonGaussian(gain=1.0), method="ridge")),
    "ridge, map": (GREY, dict(noise=Gaussian(np.linspace(5, 20, GREY.size).reshape(GREY.shape)), method="ridge")),
    "ridge, colour": (COLOUR, dict(sigma=10, channel_axis=-1, method="ridge", quality="fast")),
}


def assert_is_the_whole(name, result):
    ref = whole(name)
    assert (result.shape, result.dtype) == (ref.shape, ref.dtype)
    apart = np.abs(result.astype(np.float64) - ref)
    if ref.dtype.kind == "f":
        np.testing.assert_array_equal(np.isnan(result), np.isnan(ref))
        assert np.nanmax(apart) < 2e-3
    else:  # a number between two whole ones may be rounded to either
        assert apart.max() <= 1
        assert apart.mean() < 2e-3


def chunked(image, seed, axes=None):
    """Cut each side at random places, sometimes into slivers."""
    rng = np.random.default_rng(seed)
    chunks = []
    for side in image.shape:
        cuts = np.unique(rng.integers(1, side, rng.integers(0, 6))) if side > 1 else []
        chunks.append(tuple(np.diff([0, *cuts, side]).tolist()))
    return da.from_array(image, chunks=tuple(chunks))


BLOCK = 30 * 30
"""Values of a block that is small enough for there to be many."""


@pytest.mark.parametrize("name", CASES)
def test_equals_the_whole(name):
    image, options = CASES[name]
    array = chunked(image, len(name))
    result = tiled.denoise(array, block=BLOCK, **options)
    assert (result.chunks, result.dtype) == (array.chunks, array.dtype)
    assert_is_the_whole(name, result.compute(scheduler="threads"))


@settings(max_examples=25)
@given(
    st.sampled_from(["grey", "fast", "uint8", "colour", "ridge", "volume"]), st.integers(0, 10**6), st.integers(5, 60)
)
def test_equals_the_whole_whatever_the_chunks(name, seed, side):
    image, options = CASES[name]
    result = tiled.denoise(chunked(image, seed), block=side * side, **options)
    assert_is_the_whole(name, result.compute(scheduler="threads"))


def test_what_belongs_to_the_pixels_may_be_lazy_too():
    _, options = CASES["mask"]
    lazy = nlmeans.denoise(da.from_array(GREY, chunks=40), **options | {"mask": da.from_array(MASK, chunks=33)})
    assert_is_the_whole("mask", lazy.compute(scheduler="threads"))
    image, options = CASES["guide"]
    lazy = nlmeans.denoise(da.from_array(image, chunks=40), **options | {"guide": da.from_array(options["guide"])})
    assert_is_the_whole("guide", lazy.compute(scheduler="threads"))


def test_processes():
    array = chunked(CASES["photons"][0], 3)
    result = tiled.denoise(array, block=BLOCK, **CASES["photons"][1]).compute(scheduler="processes", num_workers=2)
    assert_is_the_whole("photons", result)


def test_nothing_is_computed_but_a_sample(monkeypatch):
    monkeypatch.setattr(crops, "PIXELS", 10 * 10)
    seen = []

    def block(block_id=None):
        seen.append(block_id)
        return np.random.default_rng(sum(block_id)).normal(100, 10, (20, 20))

    array = da.map_blocks(block, chunks=((20,) * 12, (20,) * 12), dtype=np.float64)
    seen.clear()
    lazy = nlmeans.denoise(array)
    assert 0 < len(seen) <= 4 * crops.CROPS
    seen.clear()
    chosen = nlmeans.plan(array)
    assert chosen.sigma[0] == pytest.approx(10, rel=0.15)
    before = len(seen)
    lazy[:20, :20].compute(scheduler="threads")
    assert before <= 4 * crops.CROPS
    assert len(seen) > before


def test_a_block_has_one_thread_by_default(monkeypatch):
    seen, real = [], lazy.denoised
    monkeypatch.setattr(lazy, "denoised", lambda *of, **given: seen.append(given["threads"]) or real(*of, **given))
    for threads in ({}, {"threads": 2}):
        tiled.denoise(da.from_array(GREY, chunks=50), 10, block=BLOCK, **threads).compute(scheduler="threads")
    assert set(seen[: len(seen) // 2]) == {1}
    assert set(seen[len(seen) // 2 :]) == {2}


def test_one_recipe_serves_all_blocks(monkeypatch):
    made, real = [], sample.Sample.of
    monkeypatch.setattr(sample.Sample, "of", lambda *given: made.append(given) or real(*given))
    tiled.denoise(da.from_array(GREY, chunks=20), block=BLOCK).compute(scheduler="threads")
    assert len(made) == 1


@pytest.mark.parametrize("sides", [(1, 5000, 7000), (1, 30, 10**6), (400, 300, 500), (3, 4000, 4000), (1, 40, 50)])
def test_a_sample_is_spread_over_the_image(sides):
    tiles = crops.crops(sides)
    assert len({tile.sides for tile in tiles}) == 1
    for tile in tiles:
        for (first, last), side in zip((tile.z, tile.y, tile.x), sides, strict=True):
            assert 0 <= first < last <= side
    assert len(set(tiles)) == len(tiles)
    cells = math.prod(tiles[0].sides) * len(tiles)
    assert min(0.5 * crops.CROPS * crops.PIXELS, math.prod(sides)) <= cells <= crops.CROPS * crops.PIXELS
    if len(tiles) > 1:
        for axis, side in enumerate(sides):
            if side > 2 * tiles[0].sides[axis]:
                starts = [(tile.z, tile.y, tile.x)[axis][0] for tile in tiles]
                assert max(starts) > 0.6 * side - tiles[0].sides[axis]
                assert min(starts) < 0.4 * side


@given(st.lists(st.integers(1, 90), min_size=1, max_size=30), st.integers(1, 200), st.integers(0, 100))
def test_blocks_are_neither_thin_nor_long(chunks, target, least):
    blocks = lazy.grouped(chunks, target, least)
    assert sum(blocks) == sum(chunks)
    assert len(blocks) == 1 or min(blocks) >= least
    assert max(blocks) <= 2.5 * max(target, least) + max(chunks) + least


def test_a_tile_grows_only_within_the_image():
    assert Tile((2, 3), (0, 5), (7, 9)).grown((1, 2, 3), (4, 6, 10)) == Tile((1, 4), (0, 6), (4, 10))


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (dict(search_radius="image"), ValueError, "for an image that is denoised in pieces; got 'image'"),
        (dict(progress=True), TypeError, "lazily, without progress"),
        (dict(out=GREY, full_output=True), TypeError, "without out, full_output"),
        (dict(method="bm3d"), ValueError, "method must be one of"),
        (dict(mask=GREY), ValueError, "mask must be boolean"),
        (dict(mask=MASK[1:]), ValueError, "mask must have the image's shape"),
        (dict(guide=GREY[1:]), ValueError, "guide must have the image's shape"),
        (dict(sigma=GREY, noise=Gaussian(3)), ValueError, "sigma is short for noise"),
        (dict(sigma=-1), ValueError, "sigma must be at least 0"),
        (dict(axes="ZYX"), ValueError, "each of the image's 2 dimensions"),
        (dict(method="ridge", strength=1.0), TypeError, "no option strength"),
    ],
)
def test_bad_input(given, error, message):
    with pytest.raises(error, match=message):
        nlmeans.denoise(da.from_array(GREY, chunks=50), **given)


def test_arrays_of_unknown_shape_and_of_no_numbers():
    unknown = da.from_array(GREY, chunks=50)
    with pytest.raises(ValueError, match="shape must be known"):
        nlmeans.denoise(unknown[unknown[:, 0] > 0])
    with pytest.raises(TypeError, match="dtype must be one of"):
        nlmeans.denoise(da.from_array(GREY.astype(complex)))
    with pytest.raises(TypeError, match="got a dask array: denoise\\(\\) and plan\\(\\) take one"):
        nlmeans.estimate_sigma(unknown)


def test_dask_is_not_needed():
    code = (
        "import sys; sys.modules['dask'] = None\n"
        "import numpy as np, nlmeans\nprint(nlmeans.denoise(np.eye(20), sigma=1).shape)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "(20, 20)\n"
