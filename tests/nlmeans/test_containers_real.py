"""Images of the libraries themselves come back as what they were; each part is skipped where its library is absent."""

import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest

import nlmeans
from nlmeans import io

RNG = np.random.default_rng(1)
PIXELS = RNG.normal(100, 10, (26, 30)).astype(np.float32)
VOLUME = RNG.normal(100, 10, (5, 14, 16)).astype(np.float32)
OPTIONS = {"search_radius": 2, "threads": 1}


def plain(pixels=PIXELS, sigma=10, **options):
    """Return what the array alone becomes."""
    return nlmeans.denoise(pixels, sigma, **OPTIONS | options)


def test_a_data_array_keeps_what_it_declares_as_missing():
    xarray = pytest.importorskip("xarray")
    counts = PIXELS.astype(np.int16)
    counts[3:6, 4:9] = -999
    array = xarray.DataArray(counts, dims=("lat", "lon"), attrs={"_FillValue": np.int16(-999), "units": "K"}, name="t")
    comp = nlmeans.denoise(array, 10, **OPTIONS)
    ref = nlmeans.denoise(counts, 10, mask=counts != -999, **OPTIONS)
    assert comp.attrs == array.attrs
    assert comp.name == "t"
    assert np.all(comp.values[3:6, 4:9] == -999)
    known = counts != -999
    assert np.array_equal(comp.values[known], ref[known])
    lazy = nlmeans.denoise(array.chunk({"lat": 13}), 10, **OPTIONS)
    assert lazy.chunks is not None
    assert np.array_equal(lazy.values, comp.values)


def test_even_coordinates_of_one_unit_are_the_spacing():
    xarray = pytest.importorskip("xarray")

    def array(unit):
        steps = {"z": 3.0, "y": 1.0, "x": 1.0}
        coords = {
            name: (name, np.arange(side) * step, {"units": unit(name)})
            for (name, step), side in zip(steps.items(), VOLUME.shape, strict=True)
        }
        return xarray.DataArray(VOLUME, dims=("z", "y", "x"), coords=coords)

    ref = nlmeans.plan(VOLUME, 10, axes="ZYX", spacing=(3, 1, 1))
    assert nlmeans.plan(array(lambda _: "um"), 10).search_radius == ref.search_radius
    assert nlmeans.plan(VOLUME, 10, axes="ZYX").search_radius != ref.search_radius
    other = nlmeans.plan(array(lambda name: name), 10).search_radius
    assert other == nlmeans.plan(VOLUME, 10, axes="ZYX").search_radius
    comp = nlmeans.denoise(array(lambda _: "um"), 10, threads=1)
    assert np.array_equal(comp.values, nlmeans.denoise(VOLUME, 10, axes="ZYX", spacing=(3, 1, 1), threads=1))


def test_the_accessor_is_the_function():
    xarray = pytest.importorskip("xarray")
    import nlmeans.compat.xarray

    array = xarray.DataArray(PIXELS, dims=("y", "x"))
    comp = array.nlmeans.denoise(10, **OPTIONS)
    assert isinstance(comp, xarray.DataArray)
    assert np.array_equal(comp.values, plain())
    assert array.nlmeans.plan(10) == nlmeans.plan(PIXELS, 10)
    assert array.nlmeans.estimate_sigma() == nlmeans.estimate_sigma(PIXELS)


@pytest.mark.parametrize("kind", ["StdDevUncertainty", "VarianceUncertainty", "InverseVariance"])
def test_an_uncertainty_is_the_map_of_sigma(kind):
    nddata = pytest.importorskip("astropy.nddata")
    units = pytest.importorskip("astropy.units")
    sigma = np.linspace(5, 20, PIXELS.size).reshape(PIXELS.shape)
    power = {"StdDevUncertainty": 1, "VarianceUncertainty": 2, "InverseVariance": -2}[kind]
    mask = np.zeros(PIXELS.shape, bool)
    mask[5, 5] = True
    image = nddata.CCDData(
        PIXELS, unit="adu", mask=mask, uncertainty=getattr(nddata, kind)(sigma**power), meta={"gain": 2}
    )
    comp = nlmeans.denoise(image, **OPTIONS)
    shown = np.where(mask, np.median(sigma[~mask]), sigma)
    np.testing.assert_allclose(comp.data, nlmeans.denoise(PIXELS, shown, mask=~mask, **OPTIONS), rtol=1e-5)
    assert type(comp) is nddata.CCDData
    assert comp.unit == units.adu
    assert comp.meta["gain"] == 2
    assert np.array_equal(comp.mask, mask)
    given = nlmeans.denoise(image, 10 * units.adu, **OPTIONS)  # what is said counts
    assert np.array_equal(given.data, plain(mask=~mask))


def test_arrays_in_stores_stay_there_until_they_are_computed(tmp_path):
    zarr = pytest.importorskip("zarr")
    h5py = pytest.importorskip("h5py")
    da = pytest.importorskip("dask.array")
    stored = zarr.create_array(str(tmp_path / "a.zarr"), shape=PIXELS.shape, chunks=(13, 15), dtype="f4")
    stored[:] = PIXELS
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for image in (stored, file.create_dataset("a", data=PIXELS, chunks=(13, 15))):
            comp = nlmeans.denoise(image, 10, **OPTIONS)
            assert isinstance(comp, da.Array)
            assert comp.chunks == ((13, 13), (15, 15))
            np.testing.assert_allclose(comp.compute(), plain(), atol=1e-3)
            assert nlmeans.plan(image, 10) == nlmeans.plan(da.from_array(PIXELS, chunks=(13, 15)), 10)


def test_an_image_of_simple_itk_keeps_its_place():
    package = pytest.importorskip("SimpleITK")
    image = package.GetImageFromArray(VOLUME)
    image.SetSpacing((1.0, 1.0, 3.0))
    image.SetOrigin((5.0, 6.0, 7.0))
    image.SetDirection((0, 1, 0, -1, 0, 0, 0, 0, 1))
    image.SetMetaData("0008|0060", "MR")
    comp = nlmeans.denoise(image, 10, threads=1)
    ref = nlmeans.denoise(VOLUME, 10, axes="ZYX", spacing=(3, 1, 1), threads=1)
    assert np.array_equal(package.GetArrayFromImage(comp), ref)
    for name in ("GetSpacing", "GetOrigin", "GetDirection", "GetPixelID"):
        assert getattr(comp, name)() == getattr(image, name)()
    assert comp.GetMetaData("0008|0060") == "MR"
    coloured = package.GetImageFromArray(np.stack([PIXELS] * 3, -1), isVector=True)
    assert nlmeans.denoise(coloured, 10, **OPTIONS).GetNumberOfComponentsPerPixel() == 3


ITK = """
import itk, nlmeans, numpy as np
volume = np.random.default_rng(1).normal(100, 10, (5, 14, 16)).astype(np.float32)
image = itk.image_from_array(volume)
image.SetSpacing((1.0, 1.0, 3.0))
image.SetOrigin((5.0, 6.0, 7.0))
comp = nlmeans.denoise(image, 10, threads=1)
ref = nlmeans.denoise(volume, 10, axes="ZYX", spacing=(3, 1, 1), threads=1)
assert np.array_equal(itk.array_from_image(comp), ref)
assert type(comp) is type(image)
assert [*comp.GetSpacing(), *comp.GetOrigin()] == [1.0, 1.0, 3.0, 5.0, 6.0, 7.0]
"""


@pytest.mark.skipif(find_spec("itk") is None, reason="itk is not installed")
def test_an_image_of_itk_keeps_its_place():
    """In a process of its own: ITK and SimpleITK do not go together."""
    done = subprocess.run([sys.executable, "-c", ITK], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("dtype", [np.int16, np.float32])
def test_an_image_of_nibabel_keeps_its_header(dtype):
    nibabel = pytest.importorskip("nibabel")
    affine = np.diag([1.0, 1.0, 3.0, 1.0])
    pixels = VOLUME.T.astype(dtype)
    image = nibabel.Nifti1Image(pixels, affine)
    image.header["descrip"] = b"of a head"
    comp = nlmeans.denoise(image, 10, threads=1)
    assert type(comp) is nibabel.Nifti1Image
    assert comp.header["descrip"] == image.header["descrip"]
    assert comp.get_data_dtype() == np.dtype(dtype)
    assert np.array_equal(comp.affine, affine)
    ref = nlmeans.denoise(pixels, 10, axes="XYZ", spacing=(3, 1, 1), threads=1)
    assert np.array_equal(np.asanyarray(comp.dataobj), ref)


def test_a_bfloat16_tensor_comes_back_as_one():
    torch = pytest.importorskip("torch")
    image = torch.from_numpy(PIXELS).to(torch.bfloat16)
    comp = nlmeans.denoise(image, 10, **OPTIONS)
    assert comp.dtype == torch.bfloat16
    assert torch.equal(comp, torch.from_numpy(plain(image.float().numpy())).to(torch.bfloat16))


def test_a_picture_that_was_read_keeps_what_its_file_said():
    picture = io.Picture(VOLUME, axes="ZYX", spacing=(3.0, 1.0, 1.0), unit="mm", nodata=0.0)
    hurt = picture.with_pixels(np.where(np.arange(16) < 2, np.float32(0), VOLUME))
    comp = nlmeans.denoise(hurt, 10, threads=1)
    assert (comp.axes, comp.spacing, comp.unit, comp.nodata) == ("ZYX", (3.0, 1.0, 1.0), "mm", 0.0)
    assert np.all(comp.pixels[..., :2] == 0)
    ref = nlmeans.denoise(hurt.pixels, 10, axes="ZYX", spacing=(3, 1, 1), nodata=0, threads=1)
    assert np.array_equal(comp.pixels, ref)


def test_images_of_several_sizes_come_back_in_a_list():
    others = [PIXELS, PIXELS[:20]]
    comp = nlmeans.denoise(others, 10, **OPTIONS)
    assert isinstance(comp, list)
    assert all(np.array_equal(one, plain(other)) for one, other in zip(comp, others, strict=True))
    seen = []
    pairs = nlmeans.denoise(others, 10, full_output=True, progress=lambda *done: seen.append(done), **OPTIONS)
    assert [report.plan.sigma for _, report in pairs] == [(10.0,)] * 2
    assert seen[-1][0] == seen[-1][1]
    with pytest.raises(ValueError, match="mask is for one image or a stack of one size: take one call for each of 2"):
        nlmeans.denoise(others, 10, mask=PIXELS > 0)


def test_other_packages_open_what_is_theirs(monkeypatch):
    from nlmeans._containers import table
    from nlmeans.extend import within

    class Frame:
        def __init__(self, counts, exposure):
            self.counts, self.exposure = counts, exposure

    def opened(image):
        return within(image.counts, lambda result: Frame(result, image.exposure)) if isinstance(image, Frame) else None

    monkeypatch.setattr(table, "others", lambda: (opened,))
    comp = nlmeans.denoise(Frame(PIXELS, 0.5), 10, **OPTIONS)
    assert (type(comp), comp.exposure) == (Frame, 0.5)
    assert np.array_equal(comp.counts, plain())
