"""What is written beside a result, and what two halves of one measurement say of their noise."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner

import nlmeans
from nlmeans import formats
from nlmeans.cli import app
from nlmeans.noise import Camera, sigma_of_halves

RNG = np.random.default_rng(0)
CLEAN = 1000 + 300 * np.sin(np.linspace(0, 20, 80))[:, None] * np.cos(np.linspace(0, 15, 90))
SIGMA = 20.0


def noisy(*shape, seed=0):
    return CLEAN + np.random.default_rng(seed).normal(0, SIGMA, (*shape, *CLEAN.shape))


def nl(*arguments, code=0):
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == code, done.output
    return done


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(name, pixels, axes="YX", **said):
    formats.write(name, formats.Picture(pixels, axes, **said))


# --- residual and noise map ---


@pytest.mark.parametrize(
    ("dtype", "kind"),
    [("uint8", "int16"), ("int8", "int16"), ("uint16", "int32"), ("int16", "int32"), ("uint32", "float64"),
     ("float32", "float32"), ("float64", "float64")],
)  # fmt: skip
@pytest.mark.parametrize("end", ["tif", "npy"])
def test_the_residual_is_what_was_taken_away(dtype, kind, end):
    scale = 8 if dtype.endswith("int8") else 1
    image = (noisy() / scale).clip(0, 127 if dtype == "int8" else None)
    image = image.astype(dtype) if kind.startswith("float") and dtype.startswith("f") else image.round().astype(dtype)
    write(f"in.{end}", image, spacing=(0.5, 0.25), unit="µm")
    nl("denoise", f"in.{end}", f"out.{end}", "--residual", "rest.tif")
    result, rest = formats.read(f"out.{end}").pixels, formats.read("rest.tif")
    assert (rest.pixels.dtype, rest.axes) == (kind, "YX")
    np.testing.assert_array_equal(rest.pixels, image.astype(kind) - result.astype(kind))
    assert (rest.pixels < 0).any()
    if end == "tif":
        assert (rest.spacing, rest.unit) == ((0.5, 0.25), "µm")


def test_the_residual_of_colours_and_of_other_types_of_result():
    image = np.clip(noisy(3).transpose(1, 2, 0) / 6, 0, 255).round().astype(np.uint8)
    write("in.png", image, "YXC")
    nl("denoise", "in.png", "out.tif", "--dtype", "float32", "--residual", "rest.tif")
    rest = formats.read("rest.tif")
    assert rest.pixels.dtype == np.float32
    np.testing.assert_allclose(rest.pixels, image - formats.read("out.tif").pixels, atol=1e-5)


def test_where_white_is_0_or_data_are_missing():
    image = noisy().round().astype(np.uint16)
    tifffile.imwrite("white.tif", 65535 - image, photometric="miniswhite", metadata=None)
    nl("denoise", "white.tif", "out.tif", "--residual", "rest.tif")
    expected = image - formats.read("out.tif").pixels.astype(np.int32)
    np.testing.assert_array_equal(formats.read("rest.tif").pixels, expected)
    nl("denoise", "white.tif", "float.tif", "--dtype", "float32")
    assert abs(formats.read("float.tif").pixels.mean() - image.mean()) < 1
    image[:10] = 0
    write("holes.tif", image, nodata=0)
    nl("denoise", "holes.tif", "out.tif", "--residual", "rest.tif", "--overwrite")
    rest = formats.read("rest.tif")
    assert rest.nodata is None
    assert (rest.pixels[:10] == 0).all()
    assert rest.pixels[10:].std() > 10


@pytest.mark.parametrize("method", ["nlm", "ridge"])
def test_the_noise_map_is_that_of_the_report(method):
    write("in.tif", noisy().astype("f4"), spacing=(0.5, 0.25), unit="µm")
    nl("denoise", "in.tif", "out.tif", "--noise-map", "left.tif", "--residual", "rest.tif", "--method", method)
    image, options = formats.read("in.tif").pixels, dict(method=method, full_output="maps", spacing=(0.5, 0.25))
    _, report = nlmeans.denoise(image, axes="YX", **options)
    left = formats.read("left.tif")
    np.testing.assert_allclose(left.pixels, report.maps.error, rtol=1e-4)
    assert (left.spacing, left.pixels.dtype) == ((0.5, 0.25), np.float32)
    assert 0 < left.pixels.mean() < report.plan.sigma[0]
    assert formats.read("rest.tif").pixels.shape == CLEAN.shape


def test_where_the_error_is_not_known():
    write("in.tif", noisy().astype("f4"))
    given = ("--noise", "camera:full=20,half=10,quarter=5", "--noise-map", "left.tif", "--residual", "rest.tif")
    done = nl("denoise", "in.tif", "out.tif", *given, "--method", "ridge", "--quality", "fast", code=1)
    assert "the error of processed photographs is not known" in " ".join(done.stderr.split())
    assert not any(Path(name).exists() for name in ("out.tif", "left.tif", "rest.tif"))
    nl("denoise", "in.tif", "out.tif", *given, "--quality", "fast")
    options = dict(noise=Camera(20, 10, 5), quality="fast", full_output="maps")
    left = nlmeans.denoise(formats.read("in.tif").pixels, **options)[1].maps.residual
    np.testing.assert_allclose(formats.read("left.tif").pixels, left, rtol=1e-4)


def test_affines_are_kept_beside():
    nib = pytest.importorskip("nibabel", reason="nibabel is not installed: pip install 'nlmeans[medical]'")
    affine = np.diag([2.0, 3, 4, 1])
    nib.save(nib.Nifti1Image(noisy(5).round().astype(np.uint8), affine), "in.nii.gz")
    nl("denoise", "in.nii.gz", "out.nii.gz", "--residual", "rest.nii.gz", "--quality", "fast")
    rest = nib.load("rest.nii.gz")
    np.testing.assert_array_equal(rest.affine, affine)
    assert rest.get_data_dtype() == np.int16
    taken = np.asarray(nib.load("in.nii.gz").dataobj, int) - np.asarray(nib.load("out.nii.gz").dataobj, int)
    np.testing.assert_array_equal(np.asarray(rest.dataobj), taken)


@pytest.mark.parametrize(
    ("flags", "code", "message"),
    [
        (["--residual", "rest.png"], 1, "a PNG holds uint8 or uint16 pixels"),
        (["--residual", "rest.xyz"], 1, "the name ends in .xyz"),
        (["--residual", "there.tif"], 1, "exists already"),
        (["--residual", "in.tif"], 2, "must be a file of its own: in.tif"),
        (["--residual", "out.tif"], 2, "must be a file of its own: out.tif"),
        (["--residual", "a.tif", "--noise-map", "a.tif"], 2, "must be a file of its own: a.tif"),
        (["--noise-map", "a.tif", "--max-memory", "8G"], 2, "in.tif is done block by block"),
        (
            ["--residual", "a.png", "--max-memory", "8G"],
            1,
            "can be written in blocks, such as TIFF or Zarr (`nlmeans formats` lists all): the name ends in .png",
        ),
        (["--residual", "there.tif", "--max-memory", "8G"], 1, "exists already"),
    ],
)
def test_what_cannot_be_written_is_said_before_the_work(folder, flags, code, message):
    write("in.tif", noisy().round().astype(np.uint16))
    write("there.tif", np.zeros((4, 4), np.uint8))
    done = nl("denoise", "in.tif", "out.tif", *flags, code=code)
    assert message in " ".join(done.stderr.replace("│", " ").split())
    assert sorted(path.name for path in folder.iterdir()) == ["in.tif", "there.tif"]


def test_beside_several_pictures_there_is_none():
    write("a.tif", noisy().astype("f4"))
    write("b.tif", noisy().astype("f4"))
    assert "is of one picture; got 2" in nl("denoise", "a.tif", "b.tif", "out/", "--residual", "c.tif", code=2).stderr


# --- halves ---


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint16", "int16"])
@pytest.mark.parametrize("sigma", [0.5, 5.0, 60.0])
def test_the_difference_of_halves_says_their_noise(dtype, sigma):
    texture = RNG.normal(5000, 300, (300, 300))
    halves = texture.round() + RNG.normal(0, sigma, (2, 300, 300))
    if not dtype.startswith("float"):
        halves = halves.round()
    halves = halves.astype(dtype)
    expected = np.hypot(sigma, 0 if dtype.startswith("float") else 12**-0.5)
    assert sigma_of_halves(*halves) == pytest.approx(expected, rel=0.02)
    halves[0, :5] += np.array(3000).astype(dtype)  # hot, or moved
    assert sigma_of_halves(*halves) == pytest.approx(expected, rel=0.03)


def test_halves_with_channels_holes_and_padding():
    halves = RNG.normal(100, [[[5]], [[20]]], (2, 2, 200, 200)).astype("f4")
    halves[:, :, :, :150] = 0  # a particle that was cut out
    halves[0, 0, 5:9, 160:180] = np.nan
    assert sigma_of_halves(*halves, axes="CYX") == pytest.approx((5, 20), rel=0.03)
    halves[1, :, 100:] = -999
    assert sigma_of_halves(*halves, axes="CYX", nodata=-999) == pytest.approx((5, 20), rel=0.05)
    with pytest.raises(ValueError, match=r"one shape; got \(9, 9\) and \(9, 8\)"):
        sigma_of_halves(np.zeros((9, 9)), np.zeros((9, 8)))
    for kind in ("f4", "u2"):
        with pytest.raises(ValueError, match="differ by their noise; got 0 pixels that do"):
            sigma_of_halves(*np.zeros((2, 9, 9), kind))


@pytest.mark.parametrize("dtype", ["float32", "uint16"])
@pytest.mark.parametrize("rate", [0.01, 0.1, 0.3, 0.5, 1, 3, 10])
def test_halves_of_counts_are_equal_here_and_there(dtype, rate):
    halves = np.random.default_rng(0).poisson(rate, (2, 256, 256)).astype(dtype)
    assert sigma_of_halves(*halves) == pytest.approx(rate**0.5, rel=0.03)
    if rate >= 0.1:  # fewer counts leave as large areas of zeros by themselves
        halves[:, :, :100] = 0
        assert sigma_of_halves(*halves) == pytest.approx(rate**0.5, rel=0.03)


def rates():
    """Return pictures of few counts and many: halves, a small bright object, the atoms of a crystal."""
    y, x = np.mgrid[:256, :256]
    spot = np.where((np.abs(y - 60) < 18) & (np.abs(x - 70) < 18), 1000, 1)
    atoms = np.exp(-((y % 8 - 4) ** 2 + (x % 8 - 4) ** 2) / 3.6)
    return {"quarter": np.where(x < 64, 9, 0.5), "spot": spot, "atoms": 0.3 + 20 * atoms, "bright": 0.3 + 200 * atoms}


@pytest.mark.parametrize(("name", "clean"), rates().items())
@pytest.mark.parametrize("hits", [0, 2e-3])
def test_bright_counts_are_no_outliers_and_x_rays_are(name, clean, hits):
    rng = np.random.default_rng(0)
    halves = rng.poisson(clean, (2, *clean.shape)).astype("f4")
    expected = (halves[0] - halves[1]).std() / 2**0.5
    halves += (rng.random(halves.shape) < hits) * rng.integers(1000, 5000, halves.shape)
    assert expected == pytest.approx(clean.mean() ** 0.5, rel=0.05)
    assert sigma_of_halves(*halves) == pytest.approx(expected, rel=0.02)


def test_a_channel_without_noise_beside_one_with_it():
    halves = RNG.normal(100, 5, (2, 2, 64, 64)).astype("f4")
    halves[:, 1] = 7
    assert sigma_of_halves(*halves, axes="CYX") == pytest.approx((5, 0), rel=0.05)


@pytest.mark.parametrize("dtype", ["float32", "uint16"])
def test_the_mean_of_halves_is_denoised(dtype):
    halves = noisy(2).round().astype(dtype)
    for k, half in enumerate(halves):
        write(f"half{k}.tif", half, spacing=(0.5, 0.5), unit="nm")
    done = nl("denoise", "half0.tif", "half1.tif", "out.tif", "--half-maps", "--residual", "rest.tif")
    sigma = sigma_of_halves(*halves)
    assert f"noise of sigma {sigma:.4g} each; their mean is denoised" in done.stderr
    assert f"out.tif: sigma {sigma / np.sqrt(2):.4g}" in done.stdout
    out = formats.read("out.tif")
    assert (out.pixels.dtype, out.spacing, out.unit) == (dtype, (0.5, 0.5), "nm")
    ref = nlmeans.denoise(halves.astype("f4").mean(axis=0), sigma / np.sqrt(2))
    np.testing.assert_allclose(out.pixels, ref if dtype == "float32" else np.rint(ref), rtol=1e-5)
    error = np.abs(out.pixels - CLEAN).mean()
    assert error < 0.6 * np.abs(halves.mean(axis=0) - CLEAN).mean()
    np.testing.assert_allclose(formats.read("rest.tif").pixels, halves.mean(axis=0) - ref, atol=1e-3)


def test_each_of_the_halves_is_denoised_into_a_folder():
    halves = noisy(2).astype("f4")
    for k, half in enumerate(halves):
        write(f"half{k}.tif", half)
    nl("denoise", "half0.tif", "half1.tif", "out/", "--half-maps")
    for k, half in enumerate(halves):
        ref = nlmeans.denoise(half, sigma_of_halves(*halves))
        np.testing.assert_allclose(formats.read(f"out/half{k}.tif").pixels, ref, rtol=1e-5)


@pytest.mark.parametrize(
    ("given", "code", "message"),
    [
        (["a.tif", "out.tif"], 2, "must be two pictures; got 1"),
        (["a.tif", "a.tif", "a.tif", "out.tif"], 2, "must be two pictures; got 3"),
        (["a.tif", "b.tif", "out.tif"], 1, "must be two of one shape; got (80, 90) (YX) and (40, 90) (YX)"),
        (["a.tif", "a.tif", "out.tif"], 1, "must be two pictures: got a.tif twice"),
        (["a.tif", "c.tif", "out.tif", "--sigma", "3"], 2, "leave out --sigma"),
        (["a.tif", "c.tif", "out.tif", "--max-memory", "8G"], 2, "not block by block"),
        (["a.tif", "none.tif", "out.tif"], 1, "none.tif: No such file"),
    ],
)
def test_what_are_no_halves(folder, given, code, message):
    write("a.tif", noisy().astype("f4"))
    write("c.tif", noisy(seed=1).astype("f4"))
    write("b.tif", noisy()[:40].astype("f4"))
    done = nl("denoise", *given, "--half-maps", code=code)
    assert message in " ".join(done.stderr.replace("│", " ").split())
    assert not (folder / "out.tif").exists()
