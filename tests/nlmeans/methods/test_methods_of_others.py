"""A method that another package brings: one small class goes every way that ours do."""

import pickle
import threading
from importlib.metadata import EntryPoint

import numpy as np
import pytest
from scipy.ndimage import median_filter

import nlmeans
from nlmeans import large
from nlmeans.extend import Method, Options, Outcome, Plan, Sample
from nlmeans.methods import registry

RNG = np.random.default_rng(0)
NOISY = (100 + 50 * (np.mgrid[:70, :90].sum(0) % 60 > 30) + RNG.normal(0, 10, (70, 90))).astype(np.float32)


class Median(Method):
    """The median of the pixels in a window."""

    name = "median"
    options = frozenset({"search_radius"})

    def decide(self, sample, options, progress=None):
        radius = (options.search_radius or (1,))[-1]
        plan = sample.plan(
            Plan, options, method="median", depends=(0, radius, radius), details=(("radius", f"{radius}"),)
        )
        return sample.recipe(self, plan, radius)

    def run(self, region, recipe, *, threads=None, progress=None):
        side = 2 * recipe.numbers + 1
        clean = median_filter(np.nan_to_num(region.planes), size=(1, 1, side, side))
        if progress is not None:
            progress(1, 1)
        return Outcome(region.restored(region.core.of(clean)))


class Whole(Median):
    """The same, said to need all pixels."""

    name = "whole"
    whole = "its transform is of the whole image"


@pytest.fixture(autouse=True)
def installed(monkeypatch):
    points = [EntryPoint(kind.name, f"{__name__}:{kind.__name__}", registry.GROUP) for kind in (Median, Whole)]
    points.append(EntryPoint("function", "math:sqrt", registry.GROUP))
    monkeypatch.setattr(registry, "_points", lambda: points)
    monkeypatch.setattr(EntryPoint, "load", lambda self: {"median": Median, "whole": Whole}.get(self.name, np.sqrt))
    registry._named.cache_clear()
    yield
    registry._named.cache_clear()


def by_hand(image, radius=1):
    return median_filter(image.astype(np.float64), size=2 * radius + 1)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "float16", "float32", "float64"])
def test_arrays_stacks_and_types(dtype):
    image = NOISY.astype(dtype)
    comp = nlmeans.denoise(image, 10, method="median")
    assert comp.dtype == image.dtype
    np.testing.assert_array_equal(comp, by_hand(image))
    stack = np.stack([image, image[::-1]])
    np.testing.assert_array_equal(nlmeans.denoise(stack, 10, method=Median(), axes="NYX")[1], by_hand(image[::-1]))
    colour = np.stack([image, image[:, ::-1]], axis=-1)
    np.testing.assert_array_equal(
        nlmeans.denoise(colour, 10, method="median", channel_axis=-1, search_radius=2)[..., 0], by_hand(image, 2)
    )


def test_plan_report_progress_and_cancel():
    plan = nlmeans.plan(NOISY, method="median", search_radius=3)
    assert plan.halo == (3, 3)
    for line in ("method            median", "radius            3", "(estimated)"):
        assert line in str(plan)
    calls = []
    _, report = nlmeans.denoise(
        NOISY, 10, method="median", full_output=True, progress=lambda *at: calls.append(at), threads=1
    )
    assert report.plan == nlmeans.plan(NOISY, 10, method="median")
    assert "median" in str(report)
    assert calls == [(1, 1)]
    event = threading.Event()
    event.set()
    with pytest.raises(nlmeans.Cancelled):
        nlmeans.denoise(NOISY, 10, method="median", cancel=event)


def test_missing_pixels_and_padding_stay_ours_to_handle():
    image = np.where(RNG.random(NOISY.shape) < 0.01, np.nan, NOISY)
    comp = nlmeans.denoise(image, 10, method="median", fill=False)
    np.testing.assert_array_equal(np.isnan(comp), np.isnan(image))


@pytest.mark.parametrize("chunks", [(70, 90), (31, 40), 16])
def test_dask(chunks):
    da = pytest.importorskip("dask.array", reason="dask is not installed: pip install 'nlmeans[scale]'")
    comp = nlmeans.denoise(da.from_array(NOISY, chunks=chunks), 10, method="median", search_radius=2)
    np.testing.assert_array_equal(comp.compute(scheduler="threads"), by_hand(NOISY, 2))
    with pytest.raises(ValueError, match="method 'whole' takes images in memory only: its transform is of the whole"):
        nlmeans.denoise(da.from_array(NOISY, chunks=chunks), 10, method="whole")


def test_blocks_of_files(tmp_path):
    np.save(tmp_path / "noisy.npy", NOISY)
    report = large.denoise(tmp_path / "noisy.npy", tmp_path / "clean.npy", 10, method="median")
    np.testing.assert_array_equal(np.load(tmp_path / "clean.npy"), by_hand(NOISY))
    assert "median" in str(report)
    with pytest.raises(ValueError, match="takes images in memory only"):
        large.denoise(tmp_path / "noisy.npy", tmp_path / "other.npy", 10, method="whole")


def test_what_it_does_not_have_is_refused():
    with pytest.raises(TypeError, match="method 'median' has no option patch_radius, wiener"):
        nlmeans.denoise(NOISY, 10, method="median", patch_radius=2, wiener=True)
    with pytest.raises(ValueError, match="'nlm', 'ridge', 'function', 'median', 'whole'; got 'bm3d'"):
        nlmeans.denoise(NOISY, 10, method="bm3d")
    for given in ("function", np.sqrt, 3):
        with pytest.raises(TypeError, match=r"method must be a name, or a Method of nlmeans\.extend; got"):
            nlmeans.denoise(NOISY, 10, method=given)


def test_what_the_caller_gave_reaches_it():
    given = []

    class Asking(Median):
        def decide(self, sample, options, progress=None):
            given.append(options.given)
            return super().decide(sample, options, progress)

    nlmeans.denoise(NOISY, 10, method=Asking())
    nlmeans.denoise(NOISY, 10, method=Asking(), quality="balanced", padding=True, search_radius=1)
    assert given == [set(), {"quality", "padding", "search_radius"}]
    assert type(nlmeans.denoise(np.ma.array(NOISY), 10, method=Asking())) is np.ma.MaskedArray


def test_a_result_of_another_shape_is_refused():
    class Cropping(Median):
        def run(self, region, recipe, *, threads=None, progress=None):
            return Outcome(region.planes[..., 1:])

    with pytest.raises(ValueError, match="method 'median' must keep the shape of a region's core"):
        nlmeans.denoise(NOISY, 10, method=Cropping())


@pytest.mark.parametrize("method", ["nlm", "ridge", "median"])
def test_a_recipe_holds_no_pixels(method):
    image = np.stack([NOISY, NOISY[::-1]])
    sigma = np.full(NOISY.shape, 10.0)
    sigma[:, :30] = 5
    options = Options.check(image, sigma=sigma, channel_axis=0, mask=NOISY < 150)
    recipe = registry.method_of(method).decide(Sample.of(options.layout.planes(image)[0], options, 0), options)
    assert len(pickle.dumps(recipe)) < 6000 < image.nbytes


@pytest.mark.parametrize("dtype", ["uint8", "float16", "float32", "float64"])
def test_outcomes_that_may_not_be_written_are_copied(dtype):
    class Same(Median):
        def run(self, region, recipe, *, threads=None, progress=None):
            return Outcome(region.restored(region.core.of(region.planes)))

    class Even(Median):
        def run(self, region, recipe, *, threads=None, progress=None):
            return Outcome(np.broadcast_to(region.planes.dtype.type(7), region.core.of(region.measured).shape))

    image = NOISY.astype(dtype)
    comp = nlmeans.denoise(image, 10, method=Same())
    np.testing.assert_array_equal(comp, image)
    assert not np.shares_memory(comp, image)
    holed = np.where(NOISY > 160, np.nan, NOISY)
    for given in (image, holed):
        assert (nlmeans.denoise(given, 10, method=Even()) == 7).all()


@pytest.mark.parametrize(
    ("returned", "words"),
    [(None, "must return an Outcome; got"), (Outcome([1.0]), "floating-point pixels"), (3, "must return an Outcome")],
)
def test_what_is_no_outcome_is_refused(returned, words):
    class Wrong(Median):
        def run(self, region, recipe, *, threads=None, progress=None):
            return returned

    with pytest.raises(TypeError, match=f"method 'median' {words}|method 'median' must return {words}"):
        nlmeans.denoise(NOISY, 10, method=Wrong())


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint32])
def test_whole_numbers_are_the_nearest_that_the_type_has(dtype):
    values = RNG.normal(100, 90, (310, 220))  # more than are rounded at once
    values[0, :4] = 0.5, 1.5, -1e9, 1e12

    class Known(Method):
        name = "known"

        def decide(self, sample, options, progress=None):
            return sample.recipe(self, sample.plan(Plan, options))

        def run(self, region, recipe, *, threads=None, progress=None):
            return Outcome(region.core.of(values[None, None].astype(region.planes.dtype)))

    image, info = RNG.integers(0, 200, values.shape).astype(dtype), np.iinfo(dtype)
    comp, report = nlmeans.denoise(image, 10, method=Known(), full_output=True)
    exact = values.astype(np.float64 if dtype == np.uint32 else np.float32)
    np.testing.assert_array_equal(comp, np.clip(np.rint(exact), info.min, info.max).astype(dtype))
    assert [note.code for note in report.notes] == []
    for place in (0, -1):
        values.flat[place] = np.nan
        with pytest.raises(nlmeans.DenoisingError, match=f"{1 - place} of 68200 values are not"):
            nlmeans.denoise(image, 10, method=Known())


def test_a_result_that_is_not_finite_names_its_method():
    class Lost(Median):
        def run(self, region, recipe, *, threads=None, progress=None):
            return Outcome(np.full_like(region.core.of(region.measured), np.nan))

    with pytest.raises(nlmeans.DenoisingError, match="a fault of method 'median'"):
        nlmeans.denoise(NOISY, 10, method=Lost())


def test_a_method_with_other_numbers_does_not_go_on(tmp_path):
    class Shift(Median):
        def __init__(self, by):
            self.by = by

    class Stop(Exception):
        pass

    def stop(done, total):
        raise Stop

    np.save(tmp_path / "noisy.npy", NOISY)
    place = tmp_path / "noisy.npy", tmp_path / "clean.npy"
    with pytest.raises(Stop):
        large.denoise(*place, 10, method=Shift(1.0), progress=stop)
    with pytest.raises(nlmeans.io.PictureError, match="method was"):
        large.denoise(*place, 10, method=Shift(5.0))
    large.denoise(*place, 10, method=Shift(1.0))


def test_numbers_of_numpy_in_a_plan_are_kept_as_numbers(tmp_path):
    class Numbers(Median):
        def decide(self, sample, options, progress=None):
            depends = tuple(np.array([0, 1, 1]))
            return sample.recipe(self, sample.plan(Plan, options, seconds=np.float64(1), depends=depends), 1)

    np.save(tmp_path / "noisy.npy", NOISY)
    large.denoise(tmp_path / "noisy.npy", tmp_path / "clean.npy", 10, method=Numbers())
    np.testing.assert_array_equal(np.load(tmp_path / "clean.npy"), by_hand(NOISY))


def test_names_and_qualities_are_checked():
    with pytest.raises(ValueError, match=r"method must be one of .*; got ''"):
        nlmeans.denoise(NOISY, 10, method="")

    class Coarse(Median):
        qualities = ("fast",)

    with pytest.raises(ValueError, match="'balanced' among them"):
        nlmeans.denoise(NOISY, 10, method=Coarse())
