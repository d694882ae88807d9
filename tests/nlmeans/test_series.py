"""What belongs to one image serves all of a series; an axis of length 1 is none; results of another type."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

import nlmeans
from nlmeans import formats, large
from nlmeans._axes import Layout
from nlmeans.cli import app
from nlmeans.noise import Gaussian, PoissonGaussian

RNG = np.random.default_rng(0)
SERIES = RNG.normal(100, 10, (12, 14, 5, 3)).astype(np.float32)  # XYZN
ONE = SERIES.shape[:3]
BESIDE = {
    "mask": RNG.random(ONE) < 0.9,
    "sigma": RNG.uniform(5, 15, ONE),
    "guide": RNG.normal(100, 5, ONE).astype(np.float32),
}
OPTIONS = {"search_radius": 1, "threads": 1, "quality": "fast"}


def each(**options):
    """Return the series denoised image by image."""
    found = [nlmeans.denoise(SERIES[..., k], axes="XYZ", **{"sigma": 10} | OPTIONS | options) for k in range(3)]
    return np.stack(found, axis=-1)


@pytest.mark.parametrize("along", "NT")
@pytest.mark.parametrize("name", BESIDE)
def test_what_is_of_one_image_serves_all_of_a_stack(name, along, tmp_path):
    options = {"sigma": 10, "axes": f"XYZ{along}"} | OPTIONS | {name: BESIDE[name]}
    expected = each(**{name: BESIDE[name]})
    np.testing.assert_array_equal(nlmeans.denoise(SERIES, **options), expected)
    np.save(tmp_path / "in.npy", SERIES)
    np.save(tmp_path / f"{name}.npy", BESIDE[name])
    options[name] = tmp_path / f"{name}.npy"
    large.denoise(tmp_path / "in.npy", tmp_path / "out.npy", **options)
    np.testing.assert_allclose(np.load(tmp_path / "out.npy"), expected, atol=1e-3)


@pytest.mark.parametrize("along", "NT")
@pytest.mark.parametrize("name", BESIDE)
def test_what_is_of_one_image_serves_all_of_a_lazy_stack(name, along):
    da = pytest.importorskip("dask.array", reason="dask is not installed: pip install 'nlmeans[scale]'")
    options = {"sigma": 10, "axes": f"XYZ{along}"} | OPTIONS | {name: BESIDE[name]}
    found = nlmeans.denoise(da.from_array(SERIES, chunks=(8, 9, 5, 2)), **options).compute(scheduler="sync")
    np.testing.assert_allclose(found, each(**{name: BESIDE[name]}), atol=1e-3)


@pytest.mark.parametrize("axes", ["TZCYX", "CZTYX", "ZTYXC"])
def test_volumes_in_time_are_averaged_over_z_and_over_time_where_z_is_named_n(axes, tmp_path):
    order = ["TZCYX".index(axis) for axis in axes]
    image = RNG.normal(100, 10, (2, 5, 3, 12, 14)).astype(np.float32)
    options = {"sigma": 10} | OPTIONS
    turned = image.transpose(order)
    found = nlmeans.denoise(turned, axes=axes, **options).transpose(np.argsort(order))
    np.testing.assert_array_equal(found, [nlmeans.denoise(one, axes="ZCYX", **options) for one in image])
    over_time = nlmeans.denoise(turned, axes=axes.replace("Z", "N"), **options).transpose(np.argsort(order))
    each = [nlmeans.denoise(image[:, k], axes="TCYX", **options) for k in range(5)]
    np.testing.assert_array_equal(over_time, np.stack(each, axis=1))
    np.save(tmp_path / "in.npy", turned)
    large.denoise(tmp_path / "in.npy", tmp_path / "out.npy", axes=axes, **options)
    np.testing.assert_allclose(np.load(tmp_path / "out.npy").transpose(np.argsort(order)), found, atol=1e-3)


def test_weights_are_of_one_time(tmp_path):
    with pytest.raises(ValueError, match=r"weights are those of one image.*'TZYX'"):
        nlmeans.weight_map(np.zeros((2, 5, 9, 9)), (0, 0, 4, 4), 10, axes="TZYX")


def test_one_sigma_an_image(tmp_path):
    expected = np.stack([each(sigma=s)[..., k] for k, s in enumerate((5, 0, 20))], axis=-1)
    for options in ({"sigma": [5, 0, 20]}, {"noise": Gaussian((5, 0, 20))}, {"sigma": np.array([5.0, 0, 20])}):
        found, report = nlmeans.denoise(SERIES, axes="XYZN", full_output=True, **OPTIONS, **options)
        np.testing.assert_array_equal(found, expected)
        assert [plan.sigma for plan in report.plans] == [(5,), (0,), (20,)]
    np.save(tmp_path / "in.npy", SERIES)
    large.denoise(tmp_path / "in.npy", tmp_path / "out.npy", [5, 0, 20], axes="XYZN", **OPTIONS)
    np.testing.assert_allclose(np.load(tmp_path / "out.npy"), expected, atol=1e-3)
    counted = nlmeans.plan(SERIES, axes="XYZN", noise=PoissonGaussian([1, 2, 3]), search_radius=1)
    assert "gain 1," in counted.noise


def test_a_number_for_images_or_channels_is_refused_with_both_names():
    image = RNG.normal(100, 10, (3, 9, 9, 3))
    with pytest.raises(ValueError, match="3 channels or one for each of 3 images"):
        nlmeans.denoise(image, [1, 2, 3], axes="NYXC")
    wide = np.array([1.0, 2, 3]).reshape(3, 1, 1, 1)
    for sigma in (wide, wide.transpose(1, 2, 3, 0)):
        assert nlmeans.denoise(image, sigma, axes="NYXC", **OPTIONS).shape == image.shape
    with pytest.raises(ValueError, match="one for each of 3 channels or 2 images; got 4"):
        nlmeans.denoise(image[:2], [1, 2, 3, 4], axes="NYXC")
    with pytest.raises(ValueError, match="could be meant for the axes TYX or NYX"):
        nlmeans.denoise(RNG.normal(0, 1, (5, 5, 9, 9)), 1, axes="NTYX", mask=np.ones((5, 9, 9), bool))


def test_a_mask_and_a_map_of_one_frame_serve_a_video():
    video = np.moveaxis(SERIES[..., 0], 2, 0)
    for name, of in (("mask", "mask"), ("sigma", "sigma")):
        one = BESIDE[of][..., 0]
        both = [
            nlmeans.denoise(video, axes="TYX", **{"sigma": 10} | OPTIONS | {name: wide})
            for wide in (one, np.broadcast_to(one, video.shape), one[None])
        ]
        np.testing.assert_array_equal(both[0], both[1])
        np.testing.assert_array_equal(both[2], both[1])
    with pytest.raises(ValueError, match="guide must have the image's shape"):
        nlmeans.denoise(video, 10, axes="TYX", guide=video[0])


@given(data=st.data())
@settings(max_examples=60)
def test_every_shape_that_lacks_axes_is_understood_or_ambiguous(data):
    axes = data.draw(st.sampled_from(["NYX", "NTYX", "NZYXC", "YXC", "XYZN", "TYXC", "TZCYX"]))
    sides = tuple(data.draw(st.integers(1, 4)) for _ in axes)
    what = data.draw(st.sampled_from(["mask", "sigma", "guide"]))
    of = Layout(axes.replace("C", "") if what == "mask" else axes)
    sides = tuple(side for axis, side in zip(axes, sides, strict=True) if axis in of.axes)
    optional = {"mask": "NT", "sigma": "NTC", "guide": "NC"}[what] + of.separate
    lacking = data.draw(st.sets(st.sampled_from(sorted(set(of.axes) & set(optional)) or ["-"])))
    kept = "".join(axis for axis in of.axes if axis not in lacking)
    shape = tuple(side for axis, side in zip(of.axes, sides, strict=True) if axis in kept)
    ways = of.fitting(what, shape, sides)
    whole = np.broadcast_to(of.aligned(np.arange(np.prod(shape, dtype=int)).reshape(shape), kept), sides)
    if len(ways) == 1:
        array = np.arange(np.prod(shape, dtype=int)).reshape(shape)
        np.testing.assert_array_equal(np.broadcast_to(of.aligned(array, ways[0]), sides), whole)
    else:
        assert kept in ways or any(set(way) for way in ways)
    assert of.fitting(what, (*shape, 7), sides) == []


def test_a_mask_of_one_volume_on_the_command_line(tmp_path, monkeypatch):
    nib = pytest.importorskip("nibabel", reason="nibabel is not installed: pip install 'nlmeans[medical]'")
    monkeypatch.chdir(tmp_path)
    nib.save(nib.Nifti1Image(SERIES, np.eye(4)), "in.nii")
    nib.save(nib.Nifti1Image(BESIDE["mask"].astype(np.uint8), np.eye(4)), "mask.nii")
    flags = ["--axes", "XYZN", "--quality", "fast", "--search-radius", "1", "--sigma", "10"]
    done = CliRunner().invoke(app, ["denoise", "in.nii", "out.nii", "--mask", "mask.nii", *flags])
    assert done.exit_code == 0, done.stderr
    np.testing.assert_array_equal(nib.load("out.nii").get_fdata(), each(mask=BESIDE["mask"]))


@pytest.mark.parametrize("axes", ["ZYX", "TYX"])
@pytest.mark.parametrize(
    "options", [{"quality": "fast"}, {}, {"quality": "best"}, {"method": "ridge"}, {"spacing": (3, 1, 2)}]
)
def test_an_axis_of_length_1_is_none(axes, options, tmp_path):
    image = np.cumsum(RNG.normal(0, 10, (40, 44)), 1).astype(np.float32) + RNG.normal(0, 9, (40, 44)).astype("f4")
    flat = options | ({"spacing": (1, 2)} if "spacing" in options else {})
    expected = nlmeans.denoise(image, 9, threads=1, **flat)
    np.testing.assert_array_equal(nlmeans.denoise(image[None], 9, axes=axes, threads=1, **options)[0], expected)
    if options == {}:
        np.save(tmp_path / "in.npy", image[None])
        large.denoise(tmp_path / "in.npy", tmp_path / "out.npy", 9, axes=axes, threads=1)
        np.testing.assert_allclose(np.load(tmp_path / "out.npy")[0], expected, atol=1e-3)
        da = pytest.importorskip("dask.array", reason="dask is not installed: pip install 'nlmeans[scale]'")
        lazy = nlmeans.denoise(da.from_array(image[None], chunks=(1, 20, 44)), 9, axes=axes)
        np.testing.assert_allclose(lazy.compute(scheduler="sync")[0], expected, atol=1e-3)


FEW = np.random.default_rng(0).poisson(0.2, (64, 64)).astype(np.uint8)


@pytest.mark.parametrize("method", ["nlm", "ridge"])
def test_shades_of_few_counts_are_kept_by_floats_and_missed_in_a_note(method):
    options = {"method": method, "threads": 1, "full_output": True, "noise": Gaussian(0.45)}
    rounded, report = nlmeans.denoise(FEW, **options)
    assert rounded.dtype == np.uint8
    assert any("dtype='float32'" in note for note in report.notes)
    for dtype in ("float32", np.float64):
        exact, report = nlmeans.denoise(FEW, dtype=dtype, **options)
        assert exact.dtype == dtype
        assert abs(exact.mean() / FEW.mean() - 1) < 0.06
        assert not any("dtype" in note for note in report.notes)
        np.testing.assert_array_equal(np.rint(exact), rounded)
    bright = np.random.default_rng(0).normal(100, 10, (64, 64)).astype(np.uint8)
    assert not any("dtype" in note for note in nlmeans.denoise(bright, full_output=True)[1].notes)


@pytest.mark.parametrize("ending", ["npy", "tif", "zarr"])
def test_files_of_another_type(tmp_path, ending, monkeypatch):
    monkeypatch.chdir(tmp_path)
    expected = nlmeans.denoise(FEW, 0.45, dtype="float32", **OPTIONS)
    if ending == "zarr":
        zarr = pytest.importorskip("zarr", reason="zarr is not installed: pip install 'nlmeans[scale]'")
        zarr.create_array("in.zarr", data=FEW, chunks=(32, 64), attributes={"a": 1})
    else:
        formats.write(f"in.{ending}", formats.Picture(FEW, "YX"))
    large.denoise(f"in.{ending}", f"out.{ending}", 0.45, dtype="float32", axes="YX", **OPTIONS)
    if ending == "zarr":
        found = zarr.open("out.zarr")
        assert dict(found.attrs) == {"a": 1}
        pixels = found[:]
    else:
        pixels = formats.read(f"out.{ending}").pixels
        flags = ["--sigma", "0.45", "--quality", "fast", "--search-radius", "1", "--dtype", "float32"]
        done = CliRunner().invoke(app, ["denoise", f"in.{ending}", f"whole.{ending}", *flags])
        assert done.exit_code == 0, done.stderr
        np.testing.assert_array_equal(formats.read(f"whole.{ending}").pixels, expected)
    assert pixels.dtype == np.float32
    np.testing.assert_allclose(pixels, expected, atol=1e-5)


def test_a_file_that_holds_no_floats_is_refused_before_the_work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(nlmeans, "denoise", None)
    formats.write("in.png", formats.Picture(FEW, "YX"))
    done = CliRunner().invoke(app, ["denoise", "in.png", "out.png", "--dtype", "float32"])
    assert done.exit_code == 1
    assert "PNG holds" in done.stderr


def test_metadata_follow_the_type(tmp_path, monkeypatch):
    tifffile = pytest.importorskip("tifffile")
    monkeypatch.chdir(tmp_path)
    tifffile.imwrite("in.ome.tif", np.stack([FEW] * 2), metadata={"axes": "ZYX"}, ome=True)
    flags = ["--sigma", "0.45", "--quality", "fast", "--search-radius", "1", "--dtype", "float64"]
    assert CliRunner().invoke(app, ["denoise", "in.ome.tif", "out.ome.tif", *flags]).exit_code == 0
    with tifffile.TiffFile("out.ome.tif") as tif:
        assert 'Type="double"' in tif.ome_metadata
        assert tif.series[0].dtype == np.float64
    nib = pytest.importorskip("nibabel", reason="nibabel is not installed: pip install 'nlmeans[medical]'")
    scaled = nib.Nifti1Image(np.stack([FEW] * 2, -1), np.diag([2, 2, 3, 1]))
    scaled.header.set_slope_inter(0.5, 1)
    nib.save(scaled, "in.nii")
    assert CliRunner().invoke(app, ["denoise", "in.nii", "out.nii", *flags]).exit_code == 0
    found = nib.load("out.nii")
    assert (found.get_data_dtype(), found.header.get_zooms()) == (np.float64, (2, 2, 3))
    assert abs(found.get_fdata().mean() / nib.load("in.nii").get_fdata().mean() - 1) < 0.02


def test_the_note_is_told_by_blocks_too(tmp_path):
    np.save(tmp_path / "in.npy", FEW)
    for name, dtype, expected in (("a.npy", None, True), ("b.npy", "float32", False)):
        report = large.denoise(tmp_path / "in.npy", tmp_path / name, 0.45, axes="YX", dtype=dtype, **OPTIONS)
        assert any("dtype" in note for note in report.notes) is expected


def test_types_that_results_cannot_have():
    for bad, message in (("uint16", "float32 or float64; got uint16"), ("what", "got 'what'"), ("float16", "float16")):
        with pytest.raises((TypeError, ValueError), match=message):
            nlmeans.denoise(FEW, 1, dtype=bad)
    with pytest.raises(ValueError, match="take float64"):
        nlmeans.denoise(np.full((9, 9), 1e200), 0, dtype="float32")
    out = np.empty(FEW.shape, np.float32)
    assert nlmeans.denoise(FEW, 0.45, dtype="float32", out=out, **OPTIONS) is out


def test_none_is_the_default_of_every_option():
    image = RNG.normal(100, 10, (20, 20)).astype(np.float32)
    left_out = nlmeans.denoise(image, 10)
    names = set(nlmeans.denoise.__kwdefaults__)
    assert set(nlmeans.denoise.__kwdefaults__.values()) == {None}
    np.testing.assert_array_equal(nlmeans.denoise(image, 10, **dict.fromkeys(names)), left_out)
    da = pytest.importorskip("dask.array", reason="dask is not installed: pip install 'nlmeans[scale]'")
    lazy = nlmeans.denoise(da.from_array(image), 10, **dict.fromkeys(names))
    np.testing.assert_allclose(lazy.compute(scheduler="sync"), left_out, atol=1e-3)


def test_none_is_the_default_of_every_option_for_files(tmp_path):
    holed = np.where(RNG.random((20, 20)) < 0.1, np.nan, RNG.normal(100, 10, (20, 20)).astype(np.float32))
    np.save(tmp_path / "in.npy", holed)
    found = []
    for options in ({}, dict.fromkeys(("fill", "overwrite", "dtype", "quality", "method", "bias", "max_memory"))):
        large.denoise(tmp_path / "in.npy", tmp_path / f"{len(options)}.npy", 10, axes="YX", threads=1, **options)
        found.append(np.load(tmp_path / f"{len(options)}.npy"))
    np.testing.assert_array_equal(*found)
    assert np.isfinite(found[0]).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(strength=1e-170), "1e-06 to 1e"),
        (dict(strength=1e300), "1e-06 to 1e"),
        (dict(strength=10**400), "a float can hold"),
        (dict(strength=10**5000), "a float can hold; got a whole number of 16610 bits"),
        (dict(guide=SERIES[..., 0, 0], guide_sigma=1e300), "at most 1e[+]06 times sigma"),
        (dict(full_output=3), "full_output must be True or False; got 3"),
        (dict(full_output="map"), "full_output must be True, False or 'maps'; got 'map'"),
        (dict(centre=np.array([1, 2])), "'max', 'one' or 'zero'"),
        (dict(passes=True), "1 or 2"),
    ],
)
def test_options_are_refused_in_one_line(options, message):
    with pytest.raises((TypeError, ValueError), match=message) as caught:
        nlmeans.denoise(SERIES[..., 0, 0], 10, **options)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 250


def test_pixels_beyond_what_floats_can_tell_apart_are_refused():
    signs = np.sign(RNG.normal(0, 1, (32, 32))) * 1.7e308
    for call in (nlmeans.denoise, nlmeans.estimate_sigma, nlmeans.estimate_noise, nlmeans.plan):
        with pytest.raises(ValueError, match="can be squared"):
            call(signs)


def test_names_that_are_no_options_are_refused_by_blocks_too(tmp_path):
    np.save(tmp_path / "a.npy", SERIES[..., 0, 0])
    for name in ("known", "layout"):
        with pytest.raises(TypeError, match=f"there is no option {name}"):
            large.denoise(tmp_path / "a.npy", tmp_path / "o.npy", 10, axes="YX", **{name: 1})
        with pytest.raises(TypeError, match=f"there is no option {name}"):
            nlmeans.plan(SERIES[..., 0, 0], 10, **{name: 1})


def test_a_sigma_above_the_range_is_refused_where_it_can_only_be_in_other_units():
    unit = RNG.random((20, 20))
    with pytest.raises(ValueError, match="If sigma was meant for 0 to 255"):
        nlmeans.denoise(unit, 25)
    with pytest.raises(ValueError, match="image's units"):
        nlmeans.denoise((unit * 255).astype(np.uint8), 2570)
    dark = RNG.poisson(0.3, (20, 20))
    for image, axes in (
        (dark.astype(np.uint8), "YX"),
        (np.stack([dark * 0.1, dark * 100.0]), "NYX"),
        (unit[None], "TYX"),
    ):
        found, report = nlmeans.denoise(image, 25, axes=axes, full_output=True, **OPTIONS)
        assert np.isfinite(found).all()
        assert any("more than the image's range" in note for note in report.notes)
    assert not nlmeans.denoise(unit * 255, 25, full_output=True, **OPTIONS)[1].notes


def test_a_dark_frame_in_a_folder_is_done(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    np.save("in/a.npy", RNG.random((20, 20)))
    np.save("in/b.npy", RNG.normal(1000, 25, (20, 20)))
    flags = ["--axes", "YX", "--sigma", "25", "--quality", "fast", "--search-radius", "1"]
    done = CliRunner().invoke(app, ["denoise", "in", "out", *flags])
    assert done.exit_code == 0, done.stderr
    assert CliRunner().invoke(app, ["denoise", "in/a.npy", "c.npy", *flags]).exit_code == 1
