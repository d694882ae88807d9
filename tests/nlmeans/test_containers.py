"""What an image comes in is used, and comes back: masks, units, names of axes, lazy arrays; or it is refused."""

from functools import cache

import numpy as np
import pytest

import nlmeans
from nlmeans.compat import opencv, skimage

RNG = np.random.default_rng(0)
PIXELS = RNG.normal(100, 10, (24, 24)).astype(np.float32)
BAD = np.zeros(PIXELS.shape, bool)
BAD[10:13, 10:13] = True
HURT = np.where(BAD, np.float32(5000), PIXELS)
OPTIONS = {"search_radius": 2, "threads": 1}


@cache
def plain():
    """Return what the pixels become."""
    return nlmeans.denoise(PIXELS, 10, **OPTIONS)


@cache
def masked():
    """Return what they become where some are bad."""
    return nlmeans.denoise(HURT, 10, mask=~BAD, **OPTIONS)


class Kelvin:
    """A unit, as astropy has them."""

    def __init__(self, times=1.0):
        self.times = times

    def __str__(self):
        return f"{self.times:g} K"


K, MILLIKELVIN = Kelvin(), Kelvin(1e-3)


class Quantity(np.ndarray):
    """As astropy's: an array with a unit."""

    def __new__(cls, value, unit):
        found = np.asarray(value).view(cls)
        found.unit = unit
        return found

    def __array_finalize__(self, other):
        self.unit = getattr(other, "unit", None)

    def to_value(self, unit):
        return np.asarray(self) * np.float32(self.unit.times / unit.times)


class Magnitude:
    """As pint's: no array, but it holds one."""

    def __init__(self, magnitude, units):
        self.magnitude, self.units = magnitude, units

    def to(self, units):
        return Magnitude(self.magnitude * (self.units.times / units.times), units)


class CCD:
    """As astropy's CCDData."""

    def __init__(self, data, mask=None, unit=None, meta=None):
        self.data, self.mask, self.unit, self.meta = data, mask, unit, meta

    def __array__(self, dtype=None, copy=None):
        return self.data


class Labelled:
    """As xarray's DataArray."""

    def __init__(self, data, dims, coords=None, attrs=None):
        self.data, self.dims, self.coords, self.attrs = data, dims, coords, attrs
        self.shape, self.dtype, self.ndim = data.shape, data.dtype, data.ndim

    def copy(self, data):
        return Labelled(data, self.dims, self.coords, self.attrs)

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.data)


def test_a_masked_arrays_mask_is_the_mask_and_comes_back():
    given = np.ma.array(HURT, mask=BAD, fill_value=-9)
    found, report = nlmeans.denoise(given, 10, full_output=True, **OPTIONS)
    np.testing.assert_array_equal(found.data, masked())
    np.testing.assert_array_equal(found.mask, BAD)
    assert (type(found), found.fill_value, report.missing) == (np.ma.MaskedArray, -9, BAD.sum())
    found.mask[0, 0] = True
    assert not given.mask[0, 0]
    kept = nlmeans.denoise(given, 10, fill=False, **OPTIONS)
    assert (kept.data[BAD] == 5000).all()
    whole = nlmeans.denoise(np.ma.array(PIXELS), 10, **OPTIONS)
    assert whole.mask is np.ma.nomask
    np.testing.assert_array_equal(whole.data, plain())


def test_a_masked_array_by_every_other_way():
    given = np.ma.array(HURT, mask=BAD)
    assert nlmeans.estimate_sigma(given) == nlmeans.estimate_sigma(HURT, mask=~BAD)
    assert nlmeans.estimate_noise(given) == nlmeans.estimate_noise(HURT, mask=~BAD)
    assert nlmeans.plan(given).sigma == nlmeans.plan(HURT, mask=~BAD).sigma
    assert nlmeans.weight_map(given, (9, 9), 10, search_radius=4)[BAD].max() == 0
    colours = np.ma.array(np.dstack([HURT] * 3), mask=np.dstack([BAD, BAD & False, BAD & False]))
    assert abs(nlmeans.denoise(colours, 10, channel_axis=-1, **OPTIONS).data[11, 11] - 100).max() < 20


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda image: nlmeans.denoise(image, 10, mask=~BAD), "not both"),
        (lambda image: nlmeans.plan([image, image], 10, axes="NYX"), "one call for each"),
        (lambda image: nlmeans.denoise(PIXELS, 10, guide=image), "guide must have a value at each pixel"),
        (lambda image: nlmeans.denoise(PIXELS, image), "map of sigma must have a value at each pixel"),
        (lambda image: skimage.denoise_nl_means(image), "value at each pixel"),
        (lambda image: opencv.fastNlMeansDenoising(image), "whose mask would be lost"),
    ],
)
def test_no_mask_is_lost(call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call(np.ma.array(HURT, mask=BAD))


def test_what_has_a_mask_a_unit_and_a_header_keeps_them():
    found = nlmeans.denoise(CCD(HURT, BAD, K, {"a": 1}), 10, **OPTIONS)
    np.testing.assert_array_equal(found.data, masked())
    np.testing.assert_array_equal(found.mask, BAD)
    assert (type(found), found.unit.times, found.meta) == (CCD, 1, {"a": 1})
    np.testing.assert_array_equal(nlmeans.denoise(CCD(PIXELS), 10, **OPTIONS).data, plain())


def test_a_class_that_cannot_hold_what_it_has_is_refused_before_the_work():
    class Forgetful:
        def __init__(self, data):
            self.data, self.mask = data, BAD

    with pytest.raises(TypeError, match="it would lose its mask"):
        nlmeans.denoise(Forgetful(HURT), 10)
    with pytest.raises(ValueError, match="must have its shape"):
        nlmeans.denoise(CCD(HURT, BAD[:3]), 10)


@pytest.mark.parametrize("kind", [Quantity, Magnitude])
def test_a_unit_is_kept_and_sigma_is_told_in_it(kind):
    found = nlmeans.denoise(kind(PIXELS, K), kind(np.float32(10_000), MILLIKELVIN), **OPTIONS)
    pixels, unit = (found.magnitude, found.units) if kind is Magnitude else (np.asarray(found), found.unit)
    np.testing.assert_allclose(pixels, plain(), atol=1e-4)
    assert (type(found), unit) == (kind, K)
    with pytest.raises(TypeError, match="the image has none"):
        nlmeans.denoise(np.ma.array(PIXELS), kind(10.0, K))
    with pytest.raises(TypeError, match="plain numbers"):
        nlmeans.denoise(PIXELS, kind(10.0, K))
    with pytest.raises(TypeError, match="whose unit"):
        opencv.fastNlMeansDenoising(kind(PIXELS, K))


def test_named_dimensions_are_axes_and_come_back():
    stack = np.stack([PIXELS, PIXELS + 1, PIXELS])
    given = Labelled(stack, ("time", "lat", "lon"), {"lat": 3}, {"units": "K"})
    found = nlmeans.denoise(given, 10, **OPTIONS)
    np.testing.assert_array_equal(found.data, nlmeans.denoise(stack, 10, axes="TYX", **OPTIONS))
    assert (found.dims, found.coords, found.attrs) == (given.dims, given.coords, given.attrs)
    assert nlmeans.plan(given, 10).axes == "TYX"
    assert nlmeans.plan(Labelled(stack, ("band", "y", "x")), 10).axes == "CYX"
    assert nlmeans.plan(Labelled(stack, ("z", "row", "column")), 10).axes == "ZYX"
    assert nlmeans.plan(given, 10, axes="NYX").axes == "NYX"
    assert nlmeans.plan(Labelled(PIXELS, ("dim_0", "dim_1")), 10).axes == "YX"
    with pytest.raises(ValueError, match=r"axes must be named .* \('wave', 'lat', 'lon'\)"):
        nlmeans.denoise(Labelled(stack, ("wave", "lat", "lon")), 10)


def test_lazy_arrays_stay_lazy():
    da = pytest.importorskip("dask.array", reason="dask is not installed: pip install 'nlmeans[scale]'")
    lazy = da.from_array(PIXELS, chunks=12)

    class Graph:  # an array of another package, over chunks
        def __init__(self, data):
            self.data, self.chunks = data, lazy.chunks

        def __dask_graph__(self):
            return lazy.__dask_graph__()

        def __array__(self, dtype=None, copy=None):
            raise AssertionError("loaded")

    found = nlmeans.denoise(Labelled(lazy, ("y", "x")), 10, **OPTIONS)
    assert isinstance(found.data, da.Array)
    np.testing.assert_allclose(found.data.compute(scheduler="sync"), plain(), atol=1e-3)
    assert isinstance(nlmeans.denoise(Graph(lazy), 10, **OPTIONS), da.Array)
    assert nlmeans.plan(Labelled(lazy, ("y", "x"))).sigma == nlmeans.plan(PIXELS).sigma
    with pytest.raises(TypeError, match="compute it"):
        nlmeans.denoise(Graph(None), 10)
    with pytest.raises(TypeError, match="plain NumPy arrays"):
        nlmeans.denoise(da.ma.masked_greater(lazy, 110), 10)
    with pytest.raises(TypeError, match="must be a dask array here"):
        nlmeans.tiled.denoise(PIXELS, 10)


def test_pictures_know_their_colours():
    image = pytest.importorskip("PIL.Image")
    grey, colour = PIXELS.round().astype(np.uint8), np.dstack([PIXELS] * 3).round().astype(np.uint8)
    for pixels, mode, axes in ((grey, "L", "YX"), (colour, "RGB", "YXC"), (grey.astype(np.uint16), "I;16", "YX")):
        found = nlmeans.denoise(image.fromarray(pixels), 10, **OPTIONS)
        assert (type(found).__name__, found.mode) == ("Image", mode)
        np.testing.assert_array_equal(np.asarray(found), nlmeans.denoise(pixels, 10, axes=axes, **OPTIONS))
    for mode, other in (("P", "RGB"), ("1", "L"), ("CMYK", "RGB"), ("RGBA", "RGB"), ("LA", "L")):
        made = image.fromarray(colour)
        made = (
            made.quantize(16)
            if mode == "P"
            else made.convert("L").convert(mode)
            if other == "L"
            else made.convert(mode)
        )
        with pytest.raises(TypeError, match=rf"got {mode}.*convert\('{other}'\)"):
            nlmeans.denoise(made)
    with pytest.raises(TypeError, match="must fit into the image's class"):
        nlmeans.denoise(image.fromarray(colour), 10, dtype="float32")


def test_tensors_come_back_as_tensors():
    torch = pytest.importorskip("torch", reason="the extra `learned` is not installed")
    found = nlmeans.denoise(torch.from_numpy(PIXELS), 10, **OPTIONS)
    np.testing.assert_array_equal(found.numpy(), plain())
    for bad, message in (
        (torch.from_numpy(PIXELS).requires_grad_(), "detach"),
        (torch.from_numpy(PIXELS.copy()).to_sparse(), r"image\.to_dense"),
        (torch.zeros(9, 9, device="meta"), "must have pixels"),
    ):
        with pytest.raises(TypeError, match=message):
            nlmeans.denoise(bad, 10)


def test_a_table_keeps_its_labels():
    class Table:
        def __init__(self, values, index, columns):
            self.values, self.index, self.columns, self.attrs = values, index, columns, {}

        def to_numpy(self):
            return self.values

        def mask(self):
            raise AssertionError("no mask")

    found = nlmeans.denoise(Table(PIXELS, ["a"] * 24, list(range(24))), 10, **OPTIONS)
    assert found.index == ["a"] * 24
    np.testing.assert_array_equal(found.values, plain())


@pytest.mark.parametrize(
    ("image", "message"),
    [
        ("x.png", r"nlmeans\.io\.read"),
        (b"\x89PNG", r"nlmeans\.io\.read"),
        ([np.ones((5, 5)), np.ones((5, 6))], r"one size .* got \(5, 5\) and \(5, 6\)"),
        (iter([PIXELS]), r"numpy\.stack\(frames\)"),
        (None, "array of numbers"),
        ({"a": 1}, "array of numbers"),
    ],
)
def test_what_is_no_image_says_what_to_do(image, message):
    several = isinstance(image, list)  # of two sizes, each of which can be denoised
    for call in (nlmeans.denoise, nlmeans.plan, nlmeans.estimate_sigma)[several:]:
        with pytest.raises((TypeError, ValueError), match=message) as caught:
            call(image)
        assert "\n" not in str(caught.value)
